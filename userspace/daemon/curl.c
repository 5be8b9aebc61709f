// SPDX-License-Identifier: GPL-2.0
/*
 * libcurl, loaded by who has a bucket: with all that it needs it takes 4 MB of memory, a quarter of
 * what a daemon on a router has, which never asks for it.
 *
 * Loaded once and never unloaded, by the only thread.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "daemon/curl.h"

/* by the name of its interface, which a newer libcurl keeps; the one without .4 is for compilers */
#define LIBRARY	"libcurl.so.4"

#define CALL(name) { "curl_" #name, (void **)&curl.name }

/** curl - the functions of libcurl, once curl_load() has returned 0 */
struct curl curl;

static const struct {
	const char	*name;
	void		**call;
} calls[] = {
	CALL(global_init),
	CALL(easy_init),
	CALL(easy_cleanup),
	CALL(easy_setopt),
	CALL(easy_getinfo),
	CALL(easy_strerror),
	CALL(multi_init),
	CALL(multi_cleanup),
	CALL(multi_setopt),
	CALL(multi_add_handle),
	CALL(multi_remove_handle),
	CALL(multi_info_read),
	CALL(multi_socket_action),
	CALL(multi_assign),
	CALL(slist_append),
	CALL(slist_free_all),
};

/**
 * curl_load() - have libcurl, if it is not there yet
 * @error: gets the reason of a failure
 *
 * Return: 0; -ENOENT: it is not installed, or too old; -ENOMEM.
 */
int curl_load(struct cs_error *error)
{
	static bool loaded;
	void *library;
	size_t i;

	if (loaded)
		return 0;
	library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return cs_error_set(error, -ENOENT, "a bucket needs libcurl: %s", dlerror());
	for (i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		*calls[i].call = dlsym(library, calls[i].name);
		if (!*calls[i].call) {
			dlclose(library);
			return cs_error_set(error, -ENOENT, "a bucket needs another libcurl: %s",
					    dlerror());
		}
	}
	if (curl.global_init(CURL_GLOBAL_DEFAULT)) {
		dlclose(library);
		return cs_error_set(error, -ENOMEM, "libcurl does not begin: out of memory?");
	}
	loaded = true;
	return 0;
}
