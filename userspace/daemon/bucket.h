/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An S3-compatible bucket, to which files are uploaded. See bucket.c.
 */
#ifndef CSD_BUCKET_H
#define CSD_BUCKET_H

#include <event2/event.h>

#include "daemon/config.h"
#include "lib/error.h"

#define BUCKET_FILE_MAX	(64 << 20)	/* bytes of a file; a delivery is much smaller */

struct bucket;

/* @why: NULL: the bucket has said that it has the file; or the reason that it has not. */
typedef void (*bucket_done)(void *data, const char *why);

int bucket_open(struct bucket **bucket, struct event_base *base,
		const struct config_bucket *config, struct cs_error *error);
void bucket_close(struct bucket *bucket);
int bucket_put(struct bucket *bucket, const char *path, bucket_done done, void *data,
	       struct cs_error *error);

#endif /* CSD_BUCKET_H */
