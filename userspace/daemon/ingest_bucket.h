/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From the inbox of an ingest to a bucket. See ingest_bucket.c.
 */
#ifndef CSD_INGEST_BUCKET_H
#define CSD_INGEST_BUCKET_H

#include <event2/event.h>

#include "daemon/config.h"
#include "lib/error.h"

struct ingest_bucket;

/* A file of this name is in the bucket, and not in the inbox any more. */
typedef void (*ingest_bucket_done)(void *data, const char *name);

int ingest_bucket_open(struct ingest_bucket **to, struct event_base *base,
		       const struct config_ingest *config, ingest_bucket_done done, void *data,
		       struct cs_error *error);
void ingest_bucket_close(struct ingest_bucket *to);
void ingest_bucket_add(struct ingest_bucket *to, const char *name);

#endif /* CSD_INGEST_BUCKET_H */
