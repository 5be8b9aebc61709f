// SPDX-License-Identifier: GPL-2.0
/*
 * Objects whose keys the provider's envelope gave to an ingest: which messages are theirs, where
 * the slices of their chunks are, and how these are restored.
 *
 * With the transport secret the ingest knows an object's chunks by their ids, and its slices by
 * their MACs, as the recipient does; so what a stranger made is never taken for a slice. It can
 * also make the message of a slice that is missing, which is then the very one that the sender
 * sent. It lacks the key of the content.
 *
 * A MAC does not cover the whole header: a slice may be sent again in a message that expires
 * earlier. One that does not expire with the object is left alone, and is not counted on.
 *
 * All is bounded: the object that was still for longest makes room for a new one, and chunks beyond
 * the limit stay as they came.
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ingest_object.h"
#include "fobject/envelope.h"

#define OBJECTS_MAX	256
#define CHUNKS_MAX	131072		/* 100 bytes each */
#define PLACES_MAX	(4 << 20)	/* 8 bytes each; 5 GB of usual messages */

/**
 * struct ingest_object - an object
 * @next: another one, which was still for longer
 * @cipher: its keys
 * @expiry: of its messages
 * @active: its messages are looked at; not yet while those before its envelope were not
 * @chunks: tree of those that are known
 */
struct ingest_object {
	TAILQ_ENTRY(ingest_object)	next;
	struct cs_cipher		*cipher;
	uint64_t			expiry;
	bool				active;
	void				*chunks;
};

TAILQ_HEAD(ingest_object_list, ingest_object);
TAILQ_HEAD(ingest_chunk_queue, ingest_chunk);

/**
 * struct ingest_objects - all of them
 * @list: the one that moved last first
 * @count: of these
 * @nr_chunks: of all
 * @nr_places: slices of all these
 * @queue: chunks of which enough is there
 */
struct ingest_objects {
	struct ingest_object_list	list;
	unsigned int			count;
	size_t				nr_chunks;
	size_t				nr_places;
	struct ingest_chunk_queue	queue;
};

/**
 * ingest_objects_new() - no objects
 *
 * Return: room for them, or NULL.
 */
struct ingest_objects *ingest_objects_new(void)
{
	struct ingest_objects *objects = calloc(1, sizeof(*objects));

	if (objects) {
		TAILQ_INIT(&objects->list);
		TAILQ_INIT(&objects->queue);
	}
	return objects;
}

static int compare(const void *a, const void *b)
{
	const struct ingest_chunk *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	return x->k != y->k ? x->k - y->k : x->n - y->n;
}

static size_t places(const struct ingest_chunk *chunk)
{
	return chunk->whole ? chunk->k : chunk->n;
}

static void forget(struct ingest_objects *objects, struct ingest_object *object)
{
	struct ingest_chunk *chunk;

	while (object->chunks) {
		chunk = *(struct ingest_chunk **)object->chunks;
		tdelete(chunk, &object->chunks, compare);
		ingest_objects_dequeue(objects, chunk);
		objects->nr_places -= places(chunk);
		objects->nr_chunks--;
		free(chunk->from);
		free(chunk);
	}
	TAILQ_REMOVE(&objects->list, object, next);
	objects->count--;
	cs_cipher_free(object->cipher);
	free(object);
}

/**
 * ingest_objects_free() - forget all
 * @objects: may be NULL
 */
void ingest_objects_free(struct ingest_objects *objects)
{
	if (!objects)
		return;
	while (!TAILQ_EMPTY(&objects->list))
		forget(objects, TAILQ_FIRST(&objects->list));
	free(objects);
}

/**
 * ingest_objects_add() - the envelope of an object was opened
 * @objects: all
 * @cipher: its keys, which are taken
 * @expiry: of its messages
 */
void ingest_objects_add(struct ingest_objects *objects, struct cs_cipher *cipher, uint64_t expiry)
{
	struct ingest_object *object = calloc(1, sizeof(*object));

	if (!object) {
		cs_cipher_free(cipher);
		return;
	}
	if (objects->count >= OBJECTS_MAX)
		forget(objects, TAILQ_LAST(&objects->list, ingest_object_list));
	object->cipher = cipher;
	object->expiry = expiry;
	TAILQ_INSERT_HEAD(&objects->list, object, next);
	objects->count++;
}

/**
 * ingest_objects_begin() - have all objects that were added looked at
 * @objects: all
 *
 * Return: whether there are some that were not: all messages are to be looked at again.
 */
bool ingest_objects_begin(struct ingest_objects *objects)
{
	struct ingest_object *object;
	bool any = false;

	TAILQ_FOREACH(object, &objects->list, next) {
		any |= !object->active;
		object->active = true;
	}
	return any;
}

/**
 * ingest_objects_expire() - forget objects that have expired
 * @objects: all
 * @now: Unix seconds
 */
void ingest_objects_expire(struct ingest_objects *objects, uint64_t now)
{
	struct ingest_object *object = TAILQ_FIRST(&objects->list), *next;

	for (; object; object = next) {
		next = TAILQ_NEXT(object, next);
		if (object->expiry < now)
			forget(objects, object);
	}
}

/* The chunk of a slice; NULL: it is not known. */
static struct ingest_chunk *find_chunk(struct ingest_objects *objects,
				       struct ingest_object *object, uint64_t number,
				       const struct cs_message *message, bool make)
{
	struct ingest_chunk key = {
		.number = number, .length = message->chunk_length, .k = message->k,
		.n = message->n, .object = object,
	}, *chunk;
	void *node = tfind(&key, &object->chunks, compare);

	if (node || !make)
		return node ? *(struct ingest_chunk **)node : NULL;
	if (objects->nr_chunks >= CHUNKS_MAX || objects->nr_places + key.n > PLACES_MAX)
		return NULL;
	chunk = malloc(sizeof(*chunk));
	key.from = calloc(key.n, sizeof(*key.from));
	if (chunk)
		*chunk = key;
	if (!chunk || !key.from || !tsearch(chunk, &object->chunks, compare)) {
		free(key.from);
		free(chunk);
		return NULL;
	}
	objects->nr_chunks++;
	objects->nr_places += key.n;
	return chunk;
}

/**
 * ingest_objects_find() - what is this message?
 * @objects: all
 * @message: is what its digest says
 * @make: let its chunk be known from now on
 * @chunk: gets the chunk that it is of, if the message is %INGEST_OWNER_CHUNK
 *
 * Return: what it is.
 */
enum ingest_owner ingest_objects_find(struct ingest_objects *objects,
				      const struct cs_message *message, bool make,
				      struct ingest_chunk **chunk)
{
	struct ingest_object *object;
	uint64_t number = 0;

	TAILQ_FOREACH(object, &objects->list, next)
		if (cs_cipher_number(object->cipher, message->chunk_id, &number))
			break;
	if (!object)
		return INGEST_OWNER_NONE;
	if (!object->active || message->expiry != object->expiry)
		return INGEST_OWNER_LEFT;
	if (!cs_slice_makes_sense(message) || !cs_cipher_slice_ok(object->cipher, number, message))
		return INGEST_OWNER_FORGED;
	TAILQ_REMOVE(&objects->list, object, next);
	TAILQ_INSERT_HEAD(&objects->list, object, next);
	*chunk = find_chunk(objects, object, number, message, make);
	return *chunk ? INGEST_OWNER_CHUNK : INGEST_OWNER_LEFT;
}

/**
 * ingest_objects_queued() - a chunk of which enough is there
 * @objects: all
 *
 * Return: the first one, or NULL.
 */
struct ingest_chunk *ingest_objects_queued(const struct ingest_objects *objects)
{
	return TAILQ_FIRST(&objects->queue);
}

/**
 * ingest_objects_enqueue() - enough of a chunk is there
 * @objects: all
 * @chunk: the chunk; may be queued already
 */
void ingest_objects_enqueue(struct ingest_objects *objects, struct ingest_chunk *chunk)
{
	if (!chunk->queued)
		TAILQ_INSERT_TAIL(&objects->queue, chunk, queue);
	chunk->queued = true;
}

/**
 * ingest_objects_dequeue() - a chunk is not to be restored, or it was
 * @objects: all
 * @chunk: the chunk; may be none of the queued ones
 */
void ingest_objects_dequeue(struct ingest_objects *objects, struct ingest_chunk *chunk)
{
	if (chunk->queued)
		TAILQ_REMOVE(&objects->queue, chunk, queue);
	chunk->queued = false;
}

/* --- Chunks --- */

static size_t slice_len(const struct ingest_chunk *chunk)
{
	return (chunk->length + chunk->k - 1) / chunk->k;
}

/**
 * ingest_chunk_len() - bytes of the messages that a chunk itself is
 * @chunk: the chunk
 *
 * Return: these.
 */
size_t ingest_chunk_len(const struct ingest_chunk *chunk)
{
	return chunk->k * (sizeof(struct cs_msg_hdr) + slice_len(chunk) + CS_MAC_LEN);
}

/**
 * ingest_chunk_lose() - a file is not there any more
 * @chunk: a chunk that is not whole, which may have slices in it
 * @file: its number
 */
void ingest_chunk_lose(struct ingest_chunk *chunk, int64_t file)
{
	unsigned int i;

	for (i = 0; i < chunk->n; i++) {
		if (chunk->from[i] != file)
			continue;
		chunk->from[i] = 0;
		chunk->have--;
	}
}

/**
 * ingest_chunk_settle() - a chunk is whole
 * @objects: all
 * @chunk: the chunk, where it says that it is
 */
void ingest_chunk_settle(struct ingest_objects *objects, struct ingest_chunk *chunk)
{
	int64_t *from = realloc(chunk->from, chunk->k * sizeof(*from));

	if (from)
		chunk->from = from;
	objects->nr_places -= chunk->n - chunk->k;
	chunk->have = chunk->k;
	chunk->whole = true;
	ingest_objects_dequeue(objects, chunk);
}

/**
 * ingest_slices_begin() - room for the slices of a chunk: k of them
 * @slices: to be freed with ingest_slices_end()
 * @chunk: the chunk
 *
 * Return: 0 or -ENOMEM.
 */
int ingest_slices_begin(struct ingest_slices *slices, const struct ingest_chunk *chunk)
{
	memset(slices, 0, sizeof(*slices));
	slices->bytes = malloc(chunk->k * slice_len(chunk));
	return slices->bytes ? 0 : -ENOMEM;
}

/**
 * ingest_slices_add() - a slice of a chunk
 * @slices: of that chunk
 * @chunk: the chunk
 * @message: with its slice; more than k are not taken
 */
void ingest_slices_add(struct ingest_slices *slices, const struct ingest_chunk *chunk,
		       const struct cs_message *message)
{
	size_t len = slice_len(chunk);
	uint8_t *to;

	if (slices->count >= chunk->k || slices->slice[message->index])
		return;
	to = slices->bytes + slices->count++ * len;
	memcpy(to, message->payload, len);
	slices->slice[message->index] = to;
	slices->first = *message;
}

/* The messages of all slices that a chunk itself is, one after the other. */
static int build(const struct ingest_slices *slices, const struct ingest_chunk *chunk,
		 const uint8_t *bytes, uint8_t *to)
{
	size_t left = ingest_chunk_len(chunk), len = slice_len(chunk), n;
	struct cs_message message = slices->first;
	uint8_t payload[CS_SLICE_MAX];

	message.payload = payload;
	for (message.index = 0; message.index < chunk->k; message.index++) {
		memcpy(payload, bytes + message.index * len, len);
		if (cs_cipher_mac(chunk->object->cipher, chunk->number, &message, payload, len,
				  payload + len))
			return -EIO;
		n = cs_message_build(to, left, &message);
		if (!n)
			return -EIO;
		to += n;
		left -= n;
	}
	return 0;
}

/**
 * ingest_slices_restore() - the messages that a chunk itself is, in their order
 * @slices: of which k were added
 * @chunk: the chunk
 *
 * Return: ingest_chunk_len() bytes, to be freed; or NULL.
 */
uint8_t *ingest_slices_restore(struct ingest_slices *slices, const struct ingest_chunk *chunk)
{
	uint8_t *messages = malloc(ingest_chunk_len(chunk));
	uint8_t *bytes = malloc(chunk->k * slice_len(chunk));
	bool ok;

	ok = bytes && messages &&
	     !cs_erasure_restore(chunk->k, chunk->n, slice_len(chunk), bytes, slices->slice) &&
	     !build(slices, chunk, bytes, messages);
	free(bytes);
	if (ok)
		return messages;
	free(messages);
	return NULL;
}

/**
 * ingest_slices_end() - no more of a chunk's slices
 * @slices: which were begun
 */
void ingest_slices_end(struct ingest_slices *slices)
{
	free(slices->bytes);
}
