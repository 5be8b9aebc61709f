/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Set reconciliation: two nodes find what one has and the other lacks, with traffic in proportion
 * to that. See reconcile.c.
 */
#ifndef CSD_RECONCILE_H
#define CSD_RECONCILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crowdshare/wire.h>

#define RECONCILE_ID_LEN	CS_SEEN_KEY_LEN	/* beginning of a digest */
#define RECONCILE_SALT_LEN	16
#define RECONCILE_SYMBOL_LEN	28	/* sum of ids 16, sum of hashes 8, count 4 */

#define RECONCILE_MAX		(1 << 26)	/* ids of a set */
#define RECONCILE_SYMBOLS_MAX	(1 << 22)	/* that a decoder keeps, unless told otherwise */

struct reconcile;

/**
 * struct reconcile_diff - what was found; it belongs to the struct reconcile that found it
 * @theirs: ids that only the other has, RECONCILE_ID_LEN bytes each
 * @nr_theirs: their number
 * @ours: ids that only we have
 * @nr_ours: their number
 */
struct reconcile_diff {
	uint8_t	*theirs;
	size_t	nr_theirs;
	uint8_t	*ours;
	size_t	nr_ours;
};

/* Both sides: the set, fixed from the first symbol on. */
struct reconcile *reconcile_new(const uint8_t salt[RECONCILE_SALT_LEN]);
int reconcile_add(struct reconcile *reconcile, const uint8_t id[RECONCILE_ID_LEN]);
void reconcile_free(struct reconcile *reconcile);
size_t reconcile_count(const struct reconcile *reconcile);

/* The encoder: the next symbols, as many as asked for; there is no end to them. */
size_t reconcile_symbols(struct reconcile *reconcile, uint8_t *out, size_t count);

/* The decoder: -EAGAIN more are needed, 0 done, -EBADMSG they are not of a set. */
void reconcile_limit(struct reconcile *reconcile, size_t symbols);
int reconcile_decode(struct reconcile *reconcile, const uint8_t *symbols, size_t count,
		     struct reconcile_diff *diff);

#endif /* CSD_RECONCILE_H */
