// SPDX-License-Identifier: GPL-2.0
/*
 * A set of ids, the beginnings of digests.
 *
 * The ids are those of messages that this node holds and verified, so they are as good as random,
 * and their own first bytes serve as their hash. Who makes messages until many collide makes his
 * own slow.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/idset.h"

#define FIRST_SIZE	64
#define MOST		(1u << 20)	/* ids: 32 MiB at most */

static const uint8_t none[PROTO_ID_LEN];

/* The place of an id, or the free one where it belongs. */
static size_t place(const struct idset *set, const uint8_t *id)
{
	uint64_t hash;
	size_t i;

	memcpy(&hash, id, sizeof(hash));
	for (i = hash & (set->size - 1);; i = (i + 1) & (set->size - 1))
		if (!memcmp(set->ids[i], id, PROTO_ID_LEN) ||
		    !memcmp(set->ids[i], none, PROTO_ID_LEN))
			return i;
}

/**
 * idset_has() - is an id in the set?
 * @set: the set
 * @id: PROTO_ID_LEN bytes
 *
 * Return: whether it is.
 */
bool idset_has(const struct idset *set, const uint8_t *id)
{
	return set->count && memcmp(set->ids[place(set, id)], none, PROTO_ID_LEN);
}

static int grow(struct idset *set)
{
	struct idset grown = { .size = set->size ? 2 * set->size : FIRST_SIZE };
	size_t i;

	grown.ids = calloc(grown.size, PROTO_ID_LEN);
	if (!grown.ids)
		return -ENOMEM;
	for (i = 0; i < set->size; i++)
		if (memcmp(set->ids[i], none, PROTO_ID_LEN))
			memcpy(grown.ids[place(&grown, set->ids[i])], set->ids[i], PROTO_ID_LEN);
	grown.count = set->count;
	free(set->ids);
	*set = grown;
	return 0;
}

/**
 * idset_add() - add an id; a set that has grown too large begins anew
 * @set: the set
 * @id: PROTO_ID_LEN bytes
 *
 * Return: 0 or -ENOMEM.
 */
int idset_add(struct idset *set, const uint8_t *id)
{
	uint8_t *at;

	if (set->count >= MOST)
		idset_clear(set);
	if (2 * (set->count + 1) > set->size && grow(set))
		return -ENOMEM;
	at = set->ids[place(set, id)];
	if (!memcmp(at, none, PROTO_ID_LEN)) {
		memcpy(at, id, PROTO_ID_LEN);
		set->count++;
	}
	return 0;
}

/**
 * idset_del() - remove an id
 * @set: the set
 * @id: PROTO_ID_LEN bytes
 *
 * What stands behind it moves up, so that no search ends too early (Knuth, The Art of Computer
 * Programming 3, 6.4, algorithm R).
 *
 * Return: whether it was there.
 */
bool idset_del(struct idset *set, const uint8_t *id)
{
	size_t hole, i, mask = set->size - 1;
	uint64_t hash;

	if (!idset_has(set, id))
		return false;
	hole = place(set, id);
	for (i = (hole + 1) & mask; memcmp(set->ids[i], none, PROTO_ID_LEN); i = (i + 1) & mask) {
		memcpy(&hash, set->ids[i], sizeof(hash));
		if (((i - hash) & mask) < ((i - hole) & mask))
			continue; /* it belongs behind the hole */
		memcpy(set->ids[hole], set->ids[i], PROTO_ID_LEN);
		hole = i;
	}
	memset(set->ids[hole], 0, PROTO_ID_LEN);
	set->count--;
	return true;
}

/**
 * idset_clear() - remove all
 * @set: the set
 */
void idset_clear(struct idset *set)
{
	free(set->ids);
	memset(set, 0, sizeof(*set));
}
