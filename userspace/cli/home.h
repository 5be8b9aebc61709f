/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files that a person keeps. See home.c.
 */
#ifndef CROWDSHARE_HOME_H
#define CROWDSHARE_HOME_H

#include <limits.h>
#include <stddef.h>

struct args;

void home_data(const struct args *args, const char *name, char path[PATH_MAX]);
void home_state(const struct args *args, const char *name, char path[PATH_MAX]);
void home_write(const struct args *args, const char *path, const void *data, size_t len);
char *home_read(const struct args *args, const char *path, size_t max, size_t *len);

#endif /* CROWDSHARE_HOME_H */
