/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Objects whose keys the provider's envelope gave to an ingest. See ingest_object.c.
 */
#ifndef CSD_INGEST_OBJECT_H
#define CSD_INGEST_OBJECT_H

#include <sys/queue.h>

#include "fobject/cipher.h"
#include "fobject/erasure.h"

/**
 * struct ingest_chunk - a chunk of an object, in one of the ways in which it may be coded
 * @queue: among those of which enough is there
 * @number: which one of @object; with @length, @k and @n the key
 * @length: as in its messages
 * @k: likewise
 * @n: likewise
 * @object: whose it is
 * @queued: it is there
 * @moving: it is being moved to another file: what is left of it elsewhere goes
 * @whole: all k slices that are the chunk itself are in files, and no others are needed
 * @have: slices that are there
 * @from: number of the file that each slice is in, 0: in none; once it is @whole, of @k slices
 */
struct ingest_chunk {
	TAILQ_ENTRY(ingest_chunk)	queue;
	uint64_t			number;
	uint32_t			length;
	uint16_t			k;
	uint16_t			n;
	struct ingest_object		*object;
	bool				queued;
	bool				moving;
	bool				whole;
	unsigned int			have;
	int64_t				*from;
};

/**
 * enum ingest_owner - what a message is
 * @INGEST_OWNER_NONE: of no object that is known
 * @INGEST_OWNER_LEFT: of one, but to be left as it is
 * @INGEST_OWNER_FORGED: it says that it is of one, and is of use to nobody
 * @INGEST_OWNER_CHUNK: a slice of a chunk, with a MAC of the object
 */
enum ingest_owner {
	INGEST_OWNER_NONE,
	INGEST_OWNER_LEFT,
	INGEST_OWNER_FORGED,
	INGEST_OWNER_CHUNK,
};

/**
 * struct ingest_slices - slices of a chunk, while it is restored
 * @first: header of one of its messages
 * @slice: where each is in @bytes, NULL: it is missing
 * @count: those that are there
 * @bytes: of all of them
 */
struct ingest_slices {
	struct cs_message	first;
	const uint8_t		*slice[CS_SLICES_MAX];
	unsigned int		count;
	uint8_t			*bytes;
};

struct ingest_objects;

struct ingest_objects *ingest_objects_new(void);
void ingest_objects_free(struct ingest_objects *objects);
void ingest_objects_add(struct ingest_objects *objects, struct cs_cipher *cipher, uint64_t expiry);
bool ingest_objects_begin(struct ingest_objects *objects);
void ingest_objects_expire(struct ingest_objects *objects, uint64_t now);
enum ingest_owner ingest_objects_find(struct ingest_objects *objects,
				      const struct cs_message *message, bool make,
				      struct ingest_chunk **chunk);
struct ingest_chunk *ingest_objects_queued(const struct ingest_objects *objects);
void ingest_objects_enqueue(struct ingest_objects *objects, struct ingest_chunk *chunk);
void ingest_objects_dequeue(struct ingest_objects *objects, struct ingest_chunk *chunk);

size_t ingest_chunk_len(const struct ingest_chunk *chunk);
void ingest_chunk_lose(struct ingest_chunk *chunk, int64_t file);
void ingest_chunk_settle(struct ingest_objects *objects, struct ingest_chunk *chunk);
int ingest_slices_begin(struct ingest_slices *slices, const struct ingest_chunk *chunk);
void ingest_slices_add(struct ingest_slices *slices, const struct ingest_chunk *chunk,
		       const struct cs_message *message);
uint8_t *ingest_slices_restore(struct ingest_slices *slices, const struct ingest_chunk *chunk);
void ingest_slices_end(struct ingest_slices *slices);

#endif /* CSD_INGEST_OBJECT_H */
