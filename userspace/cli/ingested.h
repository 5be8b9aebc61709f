/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages that an ingest took. See ingested.c.
 */
#ifndef CROWDSHARE_INGESTED_H
#define CROWDSHARE_INGESTED_H

#include <stddef.h>

struct args;
struct dirent;

/**
 * struct ingested - files of an inbox that were read; begins all zero
 * @names: of all that are there
 * @first: the first one that was read
 * @count: their number
 */
struct ingested {
	struct dirent	**names;
	int		first;
	int		count;
};

typedef void (*ingested_cb)(const void *message, size_t len, void *arg);

void ingested_each(const struct args *args, struct ingested *read, const char *dir,
		   const char *after, char *last, size_t size, ingested_cb take, void *arg);
void ingested_remove(const struct args *args, const struct ingested *read, const char *dir);
void ingested_free(struct ingested *read);

#endif /* CROWDSHARE_INGESTED_H */
