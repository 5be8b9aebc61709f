/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files that are on the disk, whole.
 */
#ifndef CS_LIB_FILE_H
#define CS_LIB_FILE_H

#include <stddef.h>

int cs_file_write(int fd, const void *data, size_t size);
int cs_file_sync_directory(const char *path);

#endif /* CS_LIB_FILE_H */
