/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A directory of a test, in memory if there is a place for that: what is committed is synced often.
 */
#ifndef SELFTESTS_UNIT_DAEMON_TEMPDIR_H
#define SELFTESTS_UNIT_DAEMON_TEMPDIR_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline int tempdir_remove_one(const char *path, const struct stat *st, int type,
				     struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void tempdir_remove(const char *path)
{
	nftw(path, tempdir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Into @path, of at least 64 bytes. */
static inline void tempdir_make(char *path, const char *name)
{
	snprintf(path, 64, "%s/%.32s-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", name);
	if (!mkdtemp(path))
		abort();
}

#endif /* SELFTESTS_UNIT_DAEMON_TEMPDIR_H */
