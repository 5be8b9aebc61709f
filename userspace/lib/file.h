/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files that are on the disk, whole, and files that hold secrets.
 */
#ifndef CS_LIB_FILE_H
#define CS_LIB_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "lib/error.h"

int cs_file_write(int fd, const void *data, size_t size);
int cs_file_sync_directory(const char *path);
int cs_file_open(FILE **file, const char *path, bool secret, size_t max, struct cs_error *error);
int cs_file_read(const char *path, size_t max, char **data, size_t *len, struct cs_error *error);
int cs_file_create(const char *path, mode_t mode, const void *data, size_t size,
		   struct cs_error *error);

#endif /* CS_LIB_FILE_H */
