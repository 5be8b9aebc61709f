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

static bool is_none(const uint8_t *id)
{
	return !memcmp(id, none, PROTO_ID_LEN);
}

/* Where an id is looked for first. */
static size_t home(const struct idset *set, const uint8_t *id)
{
	uint64_t hash;

	memcpy(&hash, id, sizeof(hash));
	return hash & (set->size - 1);
}

/* The place of an id, or the free one where it belongs. */
static size_t place(const struct idset *set, const uint8_t *id)
{
	size_t i;

	for (i = home(set, id);; i = (i + 1) & (set->size - 1))
		if (!memcmp(set->ids[i], id, PROTO_ID_LEN) || is_none(set->ids[i]))
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
	if (is_none(id))
		return set->zero;
	return set->size && !is_none(set->ids[place(set, id)]);
}

static int grow(struct idset *set)
{
	struct idset grown = { .size = set->size ? 2 * set->size : FIRST_SIZE };
	size_t i;

	grown.ids = calloc(grown.size, PROTO_ID_LEN);
	if (!grown.ids)
		return -ENOMEM;
	for (i = 0; i < set->size; i++)
		if (!is_none(set->ids[i]))
			memcpy(grown.ids[place(&grown, set->ids[i])], set->ids[i], PROTO_ID_LEN);
	grown.count = set->count;
	grown.zero = set->zero;
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

	if (is_none(id)) { /* which marks a free place */
		set->zero = true;
		return 0;
	}
	if (set->count >= MOST)
		idset_clear(set);
	if (2 * (set->count + 1) > set->size && grow(set))
		return -ENOMEM;
	at = set->ids[place(set, id)];
	if (is_none(at)) {
		memcpy(at, id, PROTO_ID_LEN);
		set->count++;
	}
	return 0;
}

/**
 * idset_del() - remove an id
 * @set: the set
 * @id: PROTO_ID_LEN bytes; nothing happens if it is not there
 *
 * Those behind it move up, so that none is looked for beyond a free place.
 */
void idset_del(struct idset *set, const uint8_t *id)
{
	size_t mask = set->size - 1, hole, i;

	if (is_none(id))
		set->zero = false;
	if (!idset_has(set, id))
		return;
	hole = place(set, id);
	for (i = (hole + 1) & mask; !is_none(set->ids[i]); i = (i + 1) & mask) {
		/* one may move to the hole unless its home lies behind that */
		if (((i - home(set, set->ids[i])) & mask) < ((i - hole) & mask))
			continue;
		memcpy(set->ids[hole], set->ids[i], PROTO_ID_LEN);
		hole = i;
	}
	memset(set->ids[hole], 0, PROTO_ID_LEN);
	set->count--;
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
