/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A set of ids, the beginnings of digests. See idset.c.
 */
#ifndef CSD_IDSET_H
#define CSD_IDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/proto.h"

/**
 * struct idset - a set of ids
 * @ids: table with open addressing; all zero: a free place
 * @size: places, a power of two
 * @count: taken ones
 * @zero: the id that is all zero is in the set
 */
struct idset {
	uint8_t	(*ids)[PROTO_ID_LEN];
	size_t	size;
	size_t	count;
	bool	zero;
};

bool idset_has(const struct idset *set, const uint8_t *id);
int idset_add(struct idset *set, const uint8_t *id);
void idset_del(struct idset *set, const uint8_t *id);
void idset_clear(struct idset *set);

#endif /* CSD_IDSET_H */
