/* SPDX-License-Identifier: GPL-2.0 */
#ifndef CROWDSHARE_DAEMON_CURL_H
#define CROWDSHARE_DAEMON_CURL_H

#include <curl/curl.h>

#include "lib/error.h"

/**
 * struct curl - the functions of libcurl that are used, each without its "curl_"
 */
struct curl {
	typeof(&curl_global_init)		global_init;
	typeof(&curl_easy_init)			easy_init;
	typeof(&curl_easy_cleanup)		easy_cleanup;
	typeof(&curl_easy_setopt)		easy_setopt;
	typeof(&curl_easy_getinfo)		easy_getinfo;
	typeof(&curl_easy_strerror)		easy_strerror;
	typeof(&curl_multi_init)		multi_init;
	typeof(&curl_multi_cleanup)		multi_cleanup;
	typeof(&curl_multi_setopt)		multi_setopt;
	typeof(&curl_multi_add_handle)		multi_add_handle;
	typeof(&curl_multi_remove_handle)	multi_remove_handle;
	typeof(&curl_multi_info_read)		multi_info_read;
	typeof(&curl_multi_socket_action)	multi_socket_action;
	typeof(&curl_multi_assign)		multi_assign;
	typeof(&curl_slist_append)		slist_append;
	typeof(&curl_slist_free_all)		slist_free_all;
};

extern struct curl curl;

int curl_load(struct cs_error *error);

#endif
