// SPDX-License-Identifier: GPL-2.0
/*
 * Files that are on the disk, whole, and files that hold secrets.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"

/**
 * cs_file_write() - write all
 * @fd: where to
 * @data: what
 * @size: its bytes
 *
 * Return: 0 or a negative errno.
 */
int cs_file_write(int fd, const void *data, size_t size)
{
	const uint8_t *p = data;
	ssize_t n;

	while (size) {
		n = write(fd, p, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		size -= n;
	}
	return 0;
}

/**
 * cs_file_sync_directory() - have the directory of a file on the disk
 * @path: of the file
 *
 * The name of a new file is on the disk only when its directory is.
 *
 * Return: 0 or a negative errno.
 */
int cs_file_sync_directory(const char *path)
{
	char copy[PATH_MAX];
	int fd, rc;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = fsync(fd) ? -errno : 0;
	close(fd);
	return rc;
}

/* May this file be trusted to hold a secret? */
static int check_secret(const struct stat *st, const char *path, struct cs_error *error)
{
	if (st->st_uid != geteuid())
		return cs_error_set(error, -EPERM,
				    "%s: belongs to user %u, but this is user %u: chown %u %s",
				    path, st->st_uid, geteuid(), geteuid(), path);
	if (st->st_mode & 077)
		return cs_error_set(error, -EPERM,
				    "%s: mode %04o lets others at this secret key: chmod 600 %s",
				    path, st->st_mode & 07777, path);
	return 0;
}

/**
 * cs_file_open() - open a small regular file to read it
 * @file: gets it; NULL after a failure
 * @path: its name
 * @secret: it holds a secret: it has to be the very file that is named, belong to the running user
 *	and let in nobody else
 * @max: bytes that it may have
 * @error: gets the reason of a failure
 *
 * Return: 0; -ENOENT: there is no such file; another negative errno: it is refused.
 */
int cs_file_open(FILE **file, const char *path, bool secret, size_t max, struct cs_error *error)
{
	/* O_NONBLOCK: a FIFO must not hold anybody up */
	int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (secret ? O_NOFOLLOW : 0);
	int fd = open(path, flags), rc = fd < 0 ? -errno : 0;
	struct stat st;

	*file = NULL;
	if (rc == -ELOOP && secret)
		return cs_error_set(error, -EINVAL, "%s: is a symbolic link; name the file itself",
				    path);
	if (rc)
		return cs_error_set(error, rc, "%s: %s", path, strerror(-rc));
	if (fstat(fd, &st))
		rc = cs_error_set(error, -errno, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		rc = cs_error_set(error, -EINVAL, "%s: not a regular file", path);
	else if (st.st_size > (off_t)max)
		rc = cs_error_set(error, -EFBIG, "%s: %lld bytes: too large for what it is",
				  path, (long long)st.st_size);
	else if (secret)
		rc = check_secret(&st, path, error);
	if (!rc) {
		*file = fdopen(fd, "r");
		if (!*file)
			rc = cs_error_set(error, -ENOMEM, "%s: out of memory", path);
	}
	if (rc)
		close(fd);
	return rc;
}

/**
 * cs_file_read() - all of a small regular file that is no secret
 * @path: its name
 * @max: bytes that it may have
 * @data: gets its content, with a NUL behind it, to be freed
 * @len: gets its bytes
 * @error: gets the reason of a failure
 *
 * Return: 0; -ENOENT: there is no such file; another negative errno.
 */
int cs_file_read(const char *path, size_t max, char **data, size_t *len, struct cs_error *error)
{
	struct stat st;
	FILE *file;
	int rc;

	*data = NULL;
	rc = cs_file_open(&file, path, false, max, error);
	if (rc)
		return rc;
	if (!fstat(fileno(file), &st))
		*data = malloc(st.st_size + 1);
	if (!*data) {
		fclose(file);
		return cs_error_set(error, -ENOMEM, "%s: out of memory", path);
	}
	*len = fread(*data, 1, st.st_size, file);
	(*data)[*len] = '\0';
	rc = *len == (size_t)st.st_size ? 0 : cs_error_set(error, -EIO, "%s: can't read it", path);
	fclose(file);
	if (rc) {
		free(*data);
		*data = NULL;
	}
	return rc;
}

static int write_fd(int fd, const void *data, size_t size, mode_t mode)
{
	int rc;

	if (fchmod(fd, mode))
		return -errno;
	rc = cs_file_write(fd, data, size);
	return rc ? rc : fsync(fd) ? -errno : 0;
}

/**
 * cs_file_create() - a new file, whole or not at all
 * @path: must not exist
 * @mode: its permissions, whatever the umask
 * @data: its content
 * @size: bytes of that
 * @error: gets the reason of a failure
 *
 * It is written under a name that nobody knows, then given its own unless that is taken: link()
 * never replaces a file, as rename() would.
 *
 * Return: 0; -EEXIST: there is such a file; another negative errno.
 */
int cs_file_create(const char *path, mode_t mode, const void *data, size_t size,
		   struct cs_error *error)
{
	char tmp[PATH_MAX];
	int fd, rc;

	if (snprintf(tmp, sizeof(tmp), "%s.XXXXXX", path) >= (int)sizeof(tmp))
		return cs_error_set(error, -ENAMETOOLONG, "%s: name too long", path);
	fd = mkostemp(tmp, O_CLOEXEC); /* O_EXCL, mode 0600 */
	if (fd < 0) {
		rc = -errno;
		return cs_error_set(error, rc, "%s: can't write it: %s", path, strerror(-rc));
	}
	rc = write_fd(fd, data, size, mode);
	if (close(fd) && !rc)
		rc = -errno;
	if (!rc && link(tmp, path))
		rc = -errno;
	unlink(tmp);
	if (!rc)
		rc = cs_file_sync_directory(path);
	if (rc == -EEXIST)
		return cs_error_set(error, rc,
				    "%s: exists, and is never overwritten; name another", path);
	if (rc)
		return cs_error_set(error, rc, "%s: can't write it: %s", path, strerror(-rc));
	return 0;
}
