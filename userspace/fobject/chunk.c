// SPDX-License-Identifier: GPL-2.0
/*
 * Chunks that are not whole: their slices in memory, and in spool files when memory is short or the
 * caller wants them on the disk.
 *
 * Of a known object only slices whose MAC is right are kept, each index once: k of them restore
 * the chunk, and forged ones cost one MAC each. Of a stranger's chunk nothing can be told yet; so
 * that a forger does not keep out the real slices, VARIANTS_MAX messages are kept for each index,
 * and as soon as the object is known the wrong ones go. What strangers' chunks take is bounded as
 * a whole; when it is too much, those go that came first.
 *
 * A spool file is only appended to. What is at its end after a crash is looked at when it is read.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fobject/inbox.h"
#include "lib/file.h"
#include "lib/hex.h"

#define VARIANTS_MAX	4

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct chunk_key));
}

static void spool_name(const struct chunk *chunk, char name[FILE_NAME_LEN])
{
	char hex[2 * CS_CHUNK_ID_LEN + 1];

	cs_hex(hex, chunk->key.id, CS_CHUNK_ID_LEN);
	snprintf(name, FILE_NAME_LEN, "%s-%u-%u-%u.spool", hex, chunk->key.length, chunk->key.k,
		 chunk->key.n);
}

/**
 * cs_chunk_find() - a chunk that is not whole
 * @get: what is under way
 * @key: which
 *
 * Return: the chunk, or NULL.
 */
struct chunk *cs_chunk_find(struct cs_get *get, const struct chunk_key *key)
{
	struct chunk **found;

	/* most messages are of the same chunk as the one before */
	if (get->latest && !compare(get->latest, key))
		return get->latest;
	found = tfind(key, &get->tree, compare);
	if (found)
		get->latest = *found;
	return found ? *found : NULL;
}

/**
 * cs_chunk_new() - a chunk that a message came for
 * @get: what is under way
 * @key: which; it is not there yet
 * @object: whose it is, NULL: not known
 * @number: which one of that
 *
 * Return: the chunk, or NULL if there are too many, or no memory.
 */
struct chunk *cs_chunk_new(struct cs_get *get, const struct chunk_key *key, struct object *object,
			   uint64_t number)
{
	struct chunk *chunk;

	if (get->nr_chunks == CHUNKS_MAX && !TAILQ_EMPTY(&get->strangers))
		cs_chunk_drop(get, TAILQ_FIRST(&get->strangers), true);
	if (get->nr_chunks == CHUNKS_MAX)
		return NULL;
	chunk = calloc(1, sizeof(*chunk) + key->n);
	if (!chunk)
		return NULL;
	chunk->key = *key;
	chunk->object = object;
	chunk->number = number;
	if (!tsearch(chunk, &get->tree, compare)) {
		free(chunk);
		return NULL;
	}
	TAILQ_INSERT_TAIL(object ? &get->known : &get->strangers, chunk, owned);
	get->nr_chunks++;
	return chunk;
}

/* Forgets the slices in memory. */
static void release(struct cs_get *get, struct chunk *chunk)
{
	struct slice *slice;

	if (chunk->slices)
		TAILQ_REMOVE(&get->resident, chunk, resident);
	while (chunk->slices) {
		slice = chunk->slices;
		chunk->slices = slice->next;
		free(slice);
	}
	get->memory -= chunk->memory;
	chunk->memory = 0;
	chunk->nr_resident = 0;
	chunk->unsaved = 0;
}

static uint64_t bytes_of(const struct chunk *chunk)
{
	return (uint64_t)chunk->have *
	       (sizeof(struct cs_msg_hdr) + CS_MAC_LEN +
		(chunk->key.length + chunk->key.k - 1) / chunk->key.k);
}

/**
 * cs_chunk_unlink_spooled() - remove spool files whose content is on the disk elsewhere
 * @get: what is under way
 */
void cs_chunk_unlink_spooled(struct cs_get *get)
{
	while (get->nr_unlinks)
		unlinkat(get->dir, get->unlinks[--get->nr_unlinks], 0);
}

/**
 * cs_chunk_drop() - forget a chunk
 * @get: what is under way
 * @chunk: is freed
 * @now: its spool file is not needed; otherwise that stays until what the chunk held is on the disk
 */
void cs_chunk_drop(struct cs_get *get, struct chunk *chunk, bool now)
{
	char name[FILE_NAME_LEN];

	if (!chunk->object)
		get->strange_bytes -= bytes_of(chunk);
	release(get, chunk);
	spool_name(chunk, name);
	if (chunk->spooled && now)
		unlinkat(get->dir, name, 0);
	else if (chunk->spooled && get->nr_unlinks < UNLINKS_MAX)
		memcpy(get->unlinks[get->nr_unlinks++], name, sizeof(name));
	/* and if there is no room for the name, the next start finds that it is not needed */
	TAILQ_REMOVE(chunk->object ? &get->known : &get->strangers, chunk, owned);
	tdelete(chunk, &get->tree, compare);
	if (get->latest == chunk)
		get->latest = NULL;
	get->nr_chunks--;
	free(chunk->ids);
	free(chunk);
}

/* Puts a message in memory. */
static int keep(struct cs_get *get, struct chunk *chunk, const uint8_t *message, size_t len,
		const struct cs_message *parsed, bool spooled)
{
	struct slice *slice = malloc(sizeof(*slice) + len);

	if (!slice)
		return -ENOMEM;
	slice->index = parsed->index;
	slice->spooled = spooled;
	slice->len = len;
	memcpy(slice->message, message, len);
	/* at the end of the list: what is still most goes first */
	if (chunk->slices)
		TAILQ_REMOVE(&get->resident, chunk, resident);
	TAILQ_INSERT_TAIL(&get->resident, chunk, resident);
	get->changed |= !spooled;
	slice->next = chunk->slices;
	chunk->slices = slice;
	chunk->nr_resident++;
	chunk->unsaved += !spooled;
	chunk->memory += sizeof(*slice) + len;
	get->memory += sizeof(*slice) + len;
	return 0;
}

/* Remembers a message of a stranger that is about to be counted. */
static int remember(struct chunk *chunk, const struct cs_message *parsed)
{
	unsigned int have = chunk->have;
	uint8_t (*ids)[CS_SEEN_KEY_LEN] = chunk->ids;

	if (!(have & (have - 1))) /* there is room up to a power of two */
		ids = realloc(ids, (have ? 2 * have : 1) * sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	memcpy(ids[have], parsed->digest, sizeof(*ids));
	chunk->ids = ids;
	return 0;
}

static void count(struct cs_get *get, struct chunk *chunk, const struct cs_message *parsed)
{
	if (!chunk->object)
		get->strange_bytes -= bytes_of(chunk);
	chunk->counts[parsed->index]++;
	chunk->have++;
	if (!chunk->object)
		get->strange_bytes += bytes_of(chunk);
	if (parsed->expiry > chunk->expiry)
		chunk->expiry = parsed->expiry;
}

/**
 * cs_chunk_has() - is this very message there, in memory or spooled?
 * @chunk: a stranger's, that it is of, by what it says
 * @parsed: the message; its digest need not be verified
 */
bool cs_chunk_has(const struct chunk *chunk, const struct cs_message *parsed)
{
	unsigned int i;

	for (i = 0; i < chunk->have && chunk->counts[parsed->index]; i++)
		if (!memcmp(chunk->ids[i], parsed->digest, sizeof(*chunk->ids)))
			return true;
	return false;
}

/* Makes room for strangers, at the cost of those that came first, but not of @chunk. */
static void limit_strangers(struct cs_get *get, const struct chunk *chunk)
{
	struct chunk *oldest;

	while (get->strange_bytes > get->options.strangers) {
		oldest = TAILQ_FIRST(&get->strangers);
		if (oldest == chunk)
			oldest = TAILQ_NEXT(oldest, owned);
		if (!oldest)
			return;
		cs_chunk_drop(get, oldest, true);
	}
}

/**
 * cs_chunk_add() - a message for a chunk
 * @get: what is under way
 * @chunk: that it is of, by what it says
 * @message: header and payload, its digest verified
 * @len: bytes of @message
 * @parsed: the same, taken apart
 *
 * Return: what became of it: %CS_GET_NEW, %CS_GET_DUPLICATE, %CS_GET_FORGED, %CS_GET_FULL.
 */
enum cs_get_result cs_chunk_add(struct cs_get *get, struct chunk *chunk, const uint8_t *message,
				size_t len, const struct cs_message *parsed)
{
	if (chunk->object) {
		if (chunk->counts[parsed->index])
			return CS_GET_DUPLICATE;
		if (!cs_cipher_slice_ok(chunk->object->cipher, chunk->number, parsed))
			return CS_GET_FORGED;
	} else {
		if (cs_chunk_has(chunk, parsed))
			return CS_GET_DUPLICATE;
		if (chunk->counts[parsed->index] == VARIANTS_MAX)
			return CS_GET_FORGED;
		if (remember(chunk, parsed))
			return CS_GET_FULL;
	}
	if (keep(get, chunk, message, len, parsed, false))
		return CS_GET_FULL;
	count(get, chunk, parsed);
	if (!chunk->object)
		limit_strangers(get, chunk);
	return CS_GET_NEW;
}

/* Reads the next message of a spool file; its length, or 0 at the end, whole or not. */
static size_t read_message(FILE *file, uint8_t *message, const struct chunk_key *key,
			   struct cs_message *parsed)
{
	const size_t head = sizeof(struct cs_msg_hdr);
	size_t len;

	if (fread(message, 1, head, file) != head)
		return 0;
	len = ((const struct cs_msg_hdr *)message)->length;
	len = head + (uint16_t)(len >> 8 | len << 8);
	if (fread(message + head, 1, len - head, file) != len - head ||
	    cs_message_parse(message, len, parsed) ||
	    memcmp(parsed->chunk_id, key->id, CS_CHUNK_ID_LEN) ||
	    parsed->chunk_length != key->length || parsed->k != key->k || parsed->n != key->n ||
	    parsed->index >= key->n || parsed->length <= CS_MAC_LEN)
		return 0;
	return len;
}

static FILE *open_spool(struct cs_get *get, const char *name)
{
	int fd = openat(get->dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

	if (fd >= 0 && !file)
		close(fd);
	return file;
}

/* Puts what is spooled in memory again. What is no slice of the object is left out. */
static int fetch(struct cs_get *get, struct chunk *chunk)
{
	uint8_t *message = malloc(sizeof(struct cs_msg_hdr) + CS_SLICE_MAX);
	bool there[CS_SLICES_MAX] = { false };
	const struct slice *slice;
	struct cs_message parsed;
	char name[FILE_NAME_LEN];
	FILE *file;
	size_t len;
	int rc = 0;

	for (slice = chunk->slices; slice; slice = slice->next)
		there[slice->index] = true;
	spool_name(chunk, name);
	file = open_spool(get, name);
	if (!file || !message)
		rc = file ? -ENOMEM : -errno;
	while (!rc && (len = read_message(file, message, &chunk->key, &parsed))) {
		if (there[parsed.index] ||
		    !cs_cipher_slice_ok(chunk->object->cipher, chunk->number, &parsed))
			continue;
		there[parsed.index] = true;
		rc = keep(get, chunk, message, len, &parsed, true);
	}
	if (file)
		fclose(file);
	free(message);
	return rc;
}

/* Counts anew what is in memory, which is all there is. */
static void recount(struct chunk *chunk)
{
	const struct slice *slice;

	memset(chunk->counts, 0, chunk->key.n);
	chunk->have = 0;
	for (slice = chunk->slices; slice; slice = slice->next) {
		chunk->counts[slice->index]++;
		chunk->have++;
	}
}

/* The chunk, sealed, in ->sealed. */
static int restore(struct cs_get *get, const struct chunk *chunk)
{
	const uint8_t *have[CS_SLICES_MAX] = { NULL };
	size_t len = (chunk->key.length + chunk->key.k - 1) / chunk->key.k;
	const struct slice *slice;

	if (!cs_inbox_room(get, len * chunk->key.k))
		return -ENOMEM;
	for (slice = chunk->slices; slice; slice = slice->next)
		have[slice->index] = slice->message + sizeof(struct cs_msg_hdr);
	return cs_erasure_restore(chunk->key.k, chunk->key.n, len, get->sealed, have);
}

/**
 * cs_chunk_decode() - restore a chunk of a known object, if enough of it is there
 * @get: what is under way
 * @chunk: is dropped when that is done
 * @error: gets the reason of a failure
 *
 * Return: 1 if it was restored, 0 if not yet, or its object is stuck; -EBADMSG if it makes no
 * sense, and then it is dropped; another negative errno: it may succeed later.
 */
int cs_chunk_decode(struct cs_get *get, struct chunk *chunk, struct cs_error *error)
{
	struct object *object = chunk->object;
	uint64_t number = chunk->number;
	size_t len = chunk->key.length;
	int rc = 0;

	if (chunk->have < chunk->key.k || object->stuck)
		return 0;
	if (chunk->nr_resident < chunk->have) {
		rc = fetch(get, chunk);
		if (rc)
			return cs_error_set(error, rc, "can't read what is spooled: %s",
					    strerror(-rc));
		recount(chunk);
		if (chunk->have < chunk->key.k)
			return 0;
	}
	rc = restore(get, chunk);
	if (rc)
		return cs_error_set(error, rc, "can't restore a chunk: %s", strerror(-rc));
	rc = cs_object_put(get, object, number, len, error);
	if (rc && rc != -EBADMSG)
		return object->stuck ? 0 : rc;
	cs_chunk_drop(get, chunk, rc);
	if (rc)
		cs_object_finish(get, object, NULL); /* the error is that of the chunk */
	else
		rc = cs_object_finish(get, object, error);
	return rc ? rc : 1;
}

/* Leaves only slices of the object in memory, each once. */
static void sift(struct cs_get *get, struct chunk *chunk)
{
	bool there[CS_SLICES_MAX] = { false };
	struct slice **at = &chunk->slices, *slice;
	struct cs_message parsed;

	while ((slice = *at)) {
		cs_message_parse(slice->message, slice->len, &parsed);
		if (!there[slice->index] &&
		    cs_cipher_slice_ok(chunk->object->cipher, chunk->number, &parsed)) {
			there[slice->index] = true;
			at = &slice->next;
			continue;
		}
		*at = slice->next;
		chunk->nr_resident--;
		chunk->unsaved -= !slice->spooled;
		chunk->memory -= sizeof(*slice) + slice->len;
		get->memory -= sizeof(*slice) + slice->len;
		free(slice);
	}
}

/* A stranger's chunk turns out to be one of a known object. */
static void adopt(struct cs_get *get, struct chunk *chunk, struct object *object, uint64_t number)
{
	bool resident = chunk->slices;

	TAILQ_REMOVE(&get->strangers, chunk, owned);
	TAILQ_INSERT_TAIL(&get->known, chunk, owned);
	get->strange_bytes -= bytes_of(chunk);
	free(chunk->ids);
	chunk->ids = NULL;
	chunk->object = object;
	chunk->number = number;
	sift(get, chunk);
	if (resident && !chunk->slices)
		TAILQ_REMOVE(&get->resident, chunk, resident);
	/* forged messages stay in the file, and count no more */
	if (chunk->spooled && fetch(get, chunk))
		cs_inbox_note(get, "a chunk of %s that was spooled can't be read", object->hex);
	recount(chunk);
}

/**
 * cs_chunk_adopt() - find the chunks of an object among those of strangers
 * @get: what is under way
 * @object: is known now; may be gone afterwards, as one of them may be its last one
 */
void cs_chunk_adopt(struct cs_get *get, struct object *object)
{
	struct cs_error error = { "" };
	struct chunk *chunk, *next;
	uint64_t number;

	for (chunk = TAILQ_FIRST(&get->strangers); chunk; chunk = next) {
		next = TAILQ_NEXT(chunk, owned);
		if (!cs_cipher_number(object->cipher, chunk->key.id, &number))
			continue;
		if (cs_object_has(object, number)) {
			cs_chunk_drop(get, chunk, true);
			continue;
		}
		adopt(get, chunk, object, number);
		if (cs_chunk_decode(get, chunk, &error) < 0)
			cs_inbox_note(get, "%s", error.text);
		if (!cs_object_is_there(get, object))
			return;
		if (cs_chunk_make_room(get, &error))
			cs_inbox_note(get, "%s", error.text);
	}
}

/**
 * cs_chunk_drop_object() - forget what is under way for an object
 * @get: what is under way
 * @object: is going
 */
void cs_chunk_drop_object(struct cs_get *get, const struct object *object)
{
	struct chunk *chunk, *next;

	for (chunk = TAILQ_FIRST(&get->known); chunk; chunk = next) {
		next = TAILQ_NEXT(chunk, owned);
		if (chunk->object == object)
			cs_chunk_drop(get, chunk, true);
	}
}

/**
 * cs_chunk_expire() - forget strangers' chunks whose messages expired
 * @get: what is under way, and what time it is
 */
void cs_chunk_expire(struct cs_get *get)
{
	struct chunk *chunk, *next;

	for (chunk = TAILQ_FIRST(&get->strangers); chunk; chunk = next) {
		next = TAILQ_NEXT(chunk, owned);
		if (chunk->expiry < get->now)
			cs_chunk_drop(get, chunk, true);
	}
}

/**
 * cs_chunk_spool() - write what is only in memory to the spool file
 * @get: what is under way
 * @chunk: the chunk
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int cs_chunk_spool(struct cs_get *get, struct chunk *chunk, struct cs_error *error)
{
	uint64_t size = chunk->spooled;
	char name[FILE_NAME_LEN];
	struct slice *slice;
	int fd, rc = 0;

	spool_name(chunk, name);
	fd = openat(get->dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return cs_error_set(error, -errno, "%s: %s", name, strerror(errno));
	for (slice = chunk->slices; !rc && slice; slice = slice->next) {
		if (slice->spooled)
			continue;
		rc = cs_file_write(fd, slice->message, slice->len);
		size += slice->len;
	}
	/* all or nothing: what follows half a message could not be read */
	if (rc && ftruncate(fd, chunk->spooled))
		cs_inbox_note(get, "%s: %s", name, strerror(errno));
	close(fd);
	if (rc)
		return cs_error_set(error, rc, "%s: %s", name, strerror(-rc));
	chunk->spooled = size;
	chunk->unsaved = 0;
	for (slice = chunk->slices; slice; slice = slice->next)
		slice->spooled = true;
	return 0;
}

/**
 * cs_chunk_spool_all() - write all that is only in memory to spool files
 * @get: what is under way
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int cs_chunk_spool_all(struct cs_get *get, struct cs_error *error)
{
	struct chunk *chunk;
	int rc = 0;

	TAILQ_FOREACH(chunk, &get->resident, resident) {
		if (chunk->unsaved)
			rc = cs_chunk_spool(get, chunk, error);
		if (rc)
			break;
	}
	return rc;
}

/**
 * cs_chunk_make_room() - keep memory within its limit
 * @get: what is under way
 * @error: gets the reason of a failure
 *
 * Return: 0, or a negative errno if the disk does not take what is too much.
 */
int cs_chunk_make_room(struct cs_get *get, struct cs_error *error)
{
	struct chunk *chunk;
	int rc;

	if (get->memory <= get->options.memory)
		return 0;
	while (get->memory > get->options.memory / 4 * 3) {
		chunk = TAILQ_FIRST(&get->resident);
		rc = chunk->unsaved ? cs_chunk_spool(get, chunk, error) : 0;
		if (rc)
			return rc;
		release(get, chunk);
	}
	return 0;
}

/* The key of a chunk, out of the name of its spool file. */
static bool parse_name(const char *name, struct chunk_key *key)
{
	char hex[2 * CS_CHUNK_ID_LEN + 1], again[FILE_NAME_LEN];
	struct chunk chunk;
	unsigned int k, n;

	if (sscanf(name, "%32[0-9a-f]-%" SCNu32 "-%u-%u", hex, &key->length, &k, &n) != 4 ||
	    cs_unhex(hex, key->id, CS_CHUNK_ID_LEN) != CS_CHUNK_ID_LEN || !key->length || !k ||
	    key->length > CS_CHUNK_MAX || k > n || n > CS_SLICES_MAX)
		return false;
	key->k = k;
	key->n = n;
	chunk.key = *key;
	spool_name(&chunk, again);
	return !strcmp(name, again);
}

/* Counts what is in a spool file, and cuts off what is damaged. */
static void count_spool(struct cs_get *get, struct chunk *chunk, FILE *file)
{
	uint8_t *message = malloc(sizeof(struct cs_msg_hdr) + CS_SLICE_MAX);
	struct cs_message parsed;
	bool good;
	size_t len;

	while (message && (len = read_message(file, message, &chunk->key, &parsed))) {
		if (chunk->object)
			good = cs_cipher_slice_ok(chunk->object->cipher, chunk->number, &parsed);
		else
			good = cs_message_digest_ok(message, len);
		if (!good && !chunk->object)
			break;
		chunk->spooled += len;
		if (chunk->object)
			good = good && !chunk->counts[parsed.index];
		else
			good = chunk->counts[parsed.index] < VARIANTS_MAX &&
			       !cs_chunk_has(chunk, &parsed) && !remember(chunk, &parsed);
		if (good)
			count(get, chunk, &parsed);
	}
	if (ftruncate(fileno(file), chunk->spooled))
		cs_inbox_note(get, "a spool file can't be cut: %s", strerror(errno));
	free(message);
}

/**
 * cs_chunk_load() - take up a chunk that an earlier run spooled
 * @get: what is under way; objects are loaded
 * @name: of the spool file
 */
void cs_chunk_load(struct cs_get *get, const char *name)
{
	struct cs_error error = { "" };
	struct chunk *chunk = NULL;
	struct object *object;
	struct chunk_key key;
	uint64_t number = 0;
	bool finished;
	FILE *file;

	if (!parse_name(name, &key)) {
		unlinkat(get->dir, name, 0);
		return;
	}
	object = cs_object_of(get, key.id, &number, &finished);
	if (cs_done_has(get, key.id) || (object && cs_object_has(object, number)))
		finished = true;
	if (!finished)
		chunk = cs_chunk_new(get, &key, object, number);
	file = chunk ? open_spool(get, name) : NULL;
	if (file) {
		count_spool(get, chunk, file);
		fclose(file);
	}
	if (!chunk || !chunk->have) {
		unlinkat(get->dir, name, 0);
		if (chunk)
			cs_chunk_drop(get, chunk, true);
	} else if (object && cs_chunk_decode(get, chunk, &error) < 0) {
		cs_inbox_note(get, "%s", error.text);
	} else if (!object) {
		limit_strangers(get, NULL);
	}
}

/**
 * cs_chunk_free_all() - forget all, in memory
 * @get: what is under way
 */
void cs_chunk_free_all(struct cs_get *get)
{
	struct chunk_list *lists[] = { &get->known, &get->strangers };
	struct chunk *chunk;
	size_t i;

	for (i = 0; i < 2; i++) {
		while ((chunk = TAILQ_FIRST(lists[i]))) {
			chunk->spooled = 0; /* the file stays */
			cs_chunk_drop(get, chunk, true);
		}
	}
}
