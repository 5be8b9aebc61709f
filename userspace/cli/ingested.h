/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages that an ingest took. See ingested.c.
 */
#ifndef CROWDSHARE_INGESTED_H
#define CROWDSHARE_INGESTED_H

#include <stddef.h>

struct args;

typedef void (*ingested_cb)(const void *message, size_t len, void *arg);

void ingested_each(const struct args *args, const char *dir, const char *after, char *last,
		   size_t size, ingested_cb take, void *arg);
void ingested_remove(const struct args *args, const char *dir, const char *last);

#endif /* CROWDSHARE_INGESTED_H */
