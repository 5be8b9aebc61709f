/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The file of the store: is its structure whole? See storefile.c.
 */
#ifndef CSD_STOREFILE_H
#define CSD_STOREFILE_H

#include "lib/error.h"

/* 0 also if there is no file, or nothing was ever committed to it; -EILSEQ: damaged, and where. */
int storefile_check(const char *path, struct cs_error *error);

#endif /* CSD_STOREFILE_H */
