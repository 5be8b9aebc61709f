// SPDX-License-Identifier: GPL-2.0
/*
 * Files that a person keeps: keys, and what was sent and is on its way; by the XDG base directory
 * specification.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/crowdshare.h"
#include "cli/home.h"
#include "lib/file.h"

/* All directories above a path; nobody else is to see what is in them. */
static void make_parents(const struct args *args, char *path)
{
	char *p;

	for (p = path + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(path, 0700) && errno != EEXIST)
			args_die(args, "%s: %s", path, strerror(errno));
		*p = '/';
	}
}

static void path_of(const struct args *args, const char *variable, const char *otherwise,
		    const char *name, char path[PATH_MAX])
{
	const char *base = getenv(variable), *home = getenv("HOME");
	int len;

	if (base && *base == '/')
		len = snprintf(path, PATH_MAX, "%s/crowdshare/%s", base, name);
	else if (home && *home == '/')
		len = snprintf(path, PATH_MAX, "%s/%s/crowdshare/%s", home, otherwise, name);
	else
		args_die(args, "there is no home directory: set HOME or %s", variable);
	if (len >= PATH_MAX)
		args_die(args, "%s: the path of the home directory is too long", variable);
	make_parents(args, path);
}

/**
 * home_data() - path of a file that is the user's; its directory is made
 * @args: for error messages
 * @name: of the file
 * @path: gets the path
 */
void home_data(const struct args *args, const char *name, char path[PATH_MAX])
{
	path_of(args, "XDG_DATA_HOME", ".local/share", name, path);
}

/**
 * home_state() - path of a file of what is under way; its directory is made
 * @args: for error messages
 * @name: of the file
 * @path: gets the path
 */
void home_state(const struct args *args, const char *name, char path[PATH_MAX])
{
	path_of(args, "XDG_STATE_HOME", ".local/state", name, path);
}

/**
 * home_write() - write a file, or another one in its place; whole or not at all, and on the disk
 * @args: for error messages; the program ends when it can't be written
 * @path: of the file
 * @data: content
 * @len: its bytes
 */
void home_write(const struct args *args, const char *path, const void *data, size_t len)
{
	char temp[PATH_MAX];
	int fd, rc;

	if (snprintf(temp, sizeof(temp), "%s.tmp", path) >= (int)sizeof(temp))
		args_die(args, "%s: %s", path, strerror(ENAMETOOLONG));
	unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	rc = fd < 0 ? -errno : cs_file_write(fd, data, len);
	if (!rc && fsync(fd))
		rc = -errno;
	if (fd >= 0 && close(fd) && !rc)
		rc = -errno;
	if (!rc && rename(temp, path))
		rc = -errno;
	if (!rc)
		rc = cs_file_sync_directory(path);
	if (rc) {
		unlink(temp);
		args_die(args, "%s: can't write it: %s", path, strerror(-rc));
	}
}

/**
 * home_read() - read a file
 * @args: for error messages; the program ends when there is one that can't be read
 * @path: of the file
 * @max: bytes that it may have
 * @len: gets its bytes
 *
 * Return: content, with a NUL behind it, to be freed; NULL: there is no such file.
 */
char *home_read(const struct args *args, const char *path, size_t max, size_t *len)
{
	struct cs_error error = { "" };
	char *data;
	int rc;

	rc = cs_file_read(path, max, &data, len, &error);
	if (rc && rc != -ENOENT)
		args_die(args, "%s", error.text);
	return data;
}
