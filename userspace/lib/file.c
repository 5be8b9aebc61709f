// SPDX-License-Identifier: GPL-2.0
/*
 * Files that are on the disk, whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
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
