// SPDX-License-Identifier: GPL-2.0
/*
 * Messages to objects: what the library offers.
 *
 * Order of checks, the cheapest first: is it a message, is it too old, is its chunk there already
 * (most messages beyond the k that suffice end here). Then, if its object is known, the slice's
 * MAC, which tells all that matters of it and takes a tenth of the time of a SHA-512; otherwise
 * the digest. A chunk of k = 1 of nobody known may be an envelope; each costs one operation with
 * the private key, 2 ms, and there is none that costs more. So a stranger who knows the
 * recipient's address can keep one core busy with 500 messages a second, but not more than that;
 * nothing else that he sends costs more than its SHA-512 and its place among strangers' chunks.
 *
 * How it gets on the disk: cs_get_sync() writes slices that are only in memory to spool files,
 * makes all files durable, then says in ID.have which chunks are in ID.part, and only then removes
 * what these were restored from.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fobject/inbox.h"

#define ROOM_MIN	(1 << 18)


/**
 * cs_inbox_note() - tell the caller that something was given up
 * @get: what is under way
 * @format: of the text, as for printf
 */
void cs_inbox_note(struct cs_get *get, const char *format, ...)
{
	char text[512];
	va_list args;

	if (!get->options.note)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	get->options.note(text, get->options.arg);
}

/**
 * cs_inbox_room() - have room for a chunk
 * @get: what is under way
 * @len: bytes that ->sealed and ->plain are to have at least
 *
 * Return: whether they have.
 */
bool cs_inbox_room(struct cs_get *get, size_t len)
{
	uint8_t *sealed, *plain;

	if (len <= get->room)
		return true;
	if (len < ROOM_MIN)
		len = ROOM_MIN;
	sealed = malloc(len);
	plain = malloc(len);
	if (!sealed || !plain) {
		free(sealed);
		free(plain);
		return false;
	}
	free(get->sealed);
	free(get->plain);
	get->sealed = sealed;
	get->plain = plain;
	get->room = len;
	return true;
}

/* Which permissions does the process take from what it creates? umask() only tells by setting. */
static int find_mask(struct cs_get *get)
{
	struct stat st;
	int fd, rc;

	unlinkat(get->dir, "mask.tmp", 0);
	fd = openat(get->dir, "mask.tmp", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0777);
	rc = fd < 0 || fstat(fd, &st) ? -errno : 0;
	if (fd >= 0)
		close(fd);
	unlinkat(get->dir, "mask.tmp", 0);
	if (!rc)
		get->mask = 0777 & ~st.st_mode;
	return rc;
}

static int open_state(struct cs_get *get, struct cs_error *error)
{
	const char *path = get->options.state;
	struct stat st;

	if (mkdir(path, 0700) && errno != EEXIST)
		return cs_error_set(error, -errno, "%s: %s", path, strerror(errno));
	get->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (get->dir < 0 || fstat(get->dir, &st))
		return cs_error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (st.st_uid != geteuid() || st.st_mode & 022)
		return cs_error_set(error, -EPERM,
				    "%s: others can write there, or own it: chmod 700",
				    path);
	get->lock = openat(get->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (get->lock < 0)
		return cs_error_set(error, -errno, "%s/lock: %s", path, strerror(errno));
	if (flock(get->lock, LOCK_EX | LOCK_NB))
		return cs_error_set(error, -EBUSY, "%s: another process uses it", path);
	return cs_done_open(get, error);
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name), end = strlen(suffix);

	return len > end && !strcmp(name + len - end, suffix);
}

/* Files of an object of which there is no envelope are of no use. */
static void remove_stray(struct cs_get *get, const char *name)
{
	static const char *const suffixes[] = {
		".have", ".part", ".entry", ".file", ".directory", ".deliver",
	};
	struct object *object;
	size_t i;

	if (ends_with(name, ".tmp")) {
		unlinkat(get->dir, name, 0);
		return;
	}
	for (i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		if (!ends_with(name, suffixes[i]))
			continue;
		for (object = get->objects; object; object = object->next)
			if (!strncmp(name, object->hex, ID_DIGITS))
				return;
		unlinkat(get->dir, name, 0);
	}
}

/* Each file of the state directory that ends so; it may be removed meanwhile. */
static int each_file(struct cs_get *get, const char *suffix,
		     void (*each)(struct cs_get *get, const char *name))
{
	int fd = openat(get->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return -errno;
	}
	while ((entry = readdir(dir)))
		if (ends_with(entry->d_name, suffix))
			each(get, entry->d_name);
	closedir(dir);
	return 0;
}

static int load(struct cs_get *get, struct cs_error *error)
{
	int rc;

	rc = find_mask(get);
	if (!rc)
		rc = each_file(get, ".envelope", cs_object_load);
	if (!rc)
		rc = each_file(get, "", remove_stray);
	if (!rc)
		rc = each_file(get, ".spool", cs_chunk_load);
	return rc ? cs_error_set(error, rc, "%s: %s", get->options.state, strerror(-rc)) : 0;
}

/* Those that were whole when the last run ended; a failure leaves them where they are. */
static void deliver_waiting(struct cs_get *get)
{
	struct cs_error error = { "" };
	struct object *object, *next;

	for (object = get->objects; object; object = next) {
		next = object->next;
		if (object->ready && get->options.out &&
		    cs_deliver_object(get, object, get->options.out, false, &error))
			cs_inbox_note(get, "%s", error.text);
	}
}

/* Objects of which the end could not be written, because the disk was full, and may be now. */
static int finish_again(struct cs_get *get, struct cs_error *error)
{
	struct object *object, *next;
	int rc = 0;

	for (object = get->objects; object && !rc; object = next) {
		next = object->next;
		rc = cs_object_finish(get, object, error);
	}
	return rc;
}

/**
 * cs_get_open() - begin to receive, or go on with what an earlier run left
 * @to: gets what is under way, to be closed with cs_get_close(); NULL after a failure
 * @options: copied; @key has to stay
 * @now: Unix seconds
 * @error: gets the reason of a failure
 *
 * Return: 0; -EBUSY: another process uses the state directory; another negative errno.
 */
int cs_get_open(struct cs_get **to, const struct cs_get_options *options, uint64_t now,
		struct cs_error *error)
{
	struct cs_get *get = calloc(1, sizeof(*get));
	struct cs_error why = { "" };
	int rc;

	*to = NULL;
	if (!get)
		return cs_error_set(error, -ENOMEM, "no memory");
	get->options = *options;
	if (!get->options.memory)
		get->options.memory = CS_GET_MEMORY_DEFAULT;
	if (!get->options.strangers)
		get->options.strangers = CS_GET_STRANGERS_DEFAULT;
	get->dir = -1;
	get->lock = -1;
	get->done_fd = -1;
	get->now = now;
	TAILQ_INIT(&get->known);
	TAILQ_INIT(&get->strangers);
	TAILQ_INIT(&get->resident);
	get->options.state = strdup(options->state);
	get->options.out = options->out ? strdup(options->out) : NULL;
	get->unlinks = calloc(UNLINKS_MAX, sizeof(*get->unlinks));
	if (!get->options.state || !get->unlinks || (options->out && !get->options.out))
		rc = cs_error_set(error, -ENOMEM, "no memory");
	else
		rc = open_state(get, error);
	if (!rc)
		rc = load(get, error);
	if (rc) {
		cs_get_close(get);
		return rc;
	}
	rc = finish_again(get, &why);
	if (rc)
		cs_inbox_note(get, "%s", why.text);
	deliver_waiting(get);
	*to = get;
	return 0;
}

/**
 * cs_get_close() - stop; what was not written by cs_get_sync() is lost
 * @get: what is under way; may be NULL
 */
void cs_get_close(struct cs_get *get)
{
	size_t i;

	if (!get)
		return;
	cs_chunk_free_all(get);
	while (get->objects)
		cs_object_remove(get, get->objects);
	for (i = 0; i < RECENT_MAX; i++)
		cs_cipher_free(get->recent[i]);
	cs_done_close(get);
	if (get->lock >= 0)
		close(get->lock);
	if (get->dir >= 0)
		close(get->dir);
	free((char *)get->options.state);
	free((char *)get->options.out);
	free(get->unlinks);
	free(get->sealed);
	free(get->plain);
	free(get);
}

static struct chunk_key key_of(const struct cs_message *message)
{
	struct chunk_key key = {
		.length = message->chunk_length, .k = message->k, .n = message->n,
	};

	memcpy(key.id, message->chunk_id, CS_CHUNK_ID_LEN);
	return key;
}

/* The first message of a chunk; it may be an envelope, which begins an object. */
static enum cs_get_result take_first(struct cs_get *get, const uint8_t *message, size_t len,
				     const struct cs_message *parsed, struct chunk **chunk,
				     struct cs_error *error)
{
	struct chunk_key key = key_of(parsed);
	struct object *object;
	uint64_t number = 0;
	bool finished;

	*chunk = NULL;
	object = cs_object_of(get, parsed->chunk_id, &number, &finished);
	if (finished || cs_done_has(get, parsed->chunk_id) ||
	    (object && cs_object_has(object, number)))
		return CS_GET_DUPLICATE;
	/* who has no key can't make others keep anything for an object that is known */
	if (object && !cs_cipher_slice_ok(object->cipher, number, parsed))
		return CS_GET_FORGED;
	if (!object && !get->options.verified && !cs_message_digest_ok(message, len))
		return CS_GET_MALFORMED;
	if (!object && parsed->k == 1) {
		switch (cs_object_open(get, message, len, parsed, &object, error)) {
		case 0:
			cs_chunk_adopt(get, object);
			return CS_GET_NEW;
		case -ENOENT:
			break; /* of somebody else, or content that came early */
		case -ETIME:
			return CS_GET_EXPIRED;
		case -EBADMSG:
			return CS_GET_MALFORMED;
		case -ENOSPC:
			return CS_GET_FULL;
		default:
			return CS_GET_FAILED;
		}
	}
	*chunk = cs_chunk_new(get, &key, object, number);
	return *chunk ? CS_GET_NEW : CS_GET_FULL;
}

/* A further message of a chunk; as an envelope it may be the first one that is not forged. */
static enum cs_get_result take_further(struct cs_get *get, struct chunk *chunk,
				       const uint8_t *message, size_t len,
				       const struct cs_message *parsed, bool *is_envelope,
				       struct cs_error *error)
{
	struct object *object;
	int rc;

	*is_envelope = false;
	if (chunk->object)
		return chunk->counts[parsed->index] && chunk->have < chunk->key.k ?
		       CS_GET_DUPLICATE : CS_GET_NEW;
	/* before its envelope is opened once more; forged slices of one may outlive the object */
	if (cs_chunk_has(chunk, parsed) || cs_done_has(get, parsed->chunk_id))
		return CS_GET_DUPLICATE;
	if (!get->options.verified && !cs_message_digest_ok(message, len))
		return CS_GET_MALFORMED;
	if (parsed->k > 1)
		return CS_GET_NEW;
	rc = cs_object_open(get, message, len, parsed, &object, error);
	if (rc)
		return CS_GET_NEW;
	*is_envelope = true;
	cs_chunk_drop(get, chunk, true);
	cs_chunk_adopt(get, object);
	return CS_GET_NEW;
}

/**
 * cs_get_take() - take a message
 * @get: what is under way
 * @message: header and payload, from whoever
 * @len: their bytes
 * @now: Unix seconds
 * @error: gets the reason of %CS_GET_FAILED; may be NULL
 *
 * Return: what became of it. It is on the disk after the next cs_get_sync().
 */
enum cs_get_result cs_get_take(struct cs_get *get, const void *message, size_t len, uint64_t now,
			       struct cs_error *error)
{
	enum cs_get_result result;
	struct cs_message parsed;
	struct chunk_key key;
	bool is_envelope = false;
	struct chunk *chunk;
	int rc;

	get->now = now;
	if (cs_message_parse(message, len, &parsed) || !cs_slice_makes_sense(&parsed))
		return CS_GET_MALFORMED;
	if (parsed.expiry < now)
		return CS_GET_EXPIRED;
	key = key_of(&parsed);
	chunk = cs_chunk_find(get, &key);
	if (chunk)
		result = take_further(get, chunk, message, len, &parsed, &is_envelope, error);
	else
		result = take_first(get, message, len, &parsed, &chunk, error);
	if (result != CS_GET_NEW || !chunk || is_envelope)
		return result;
	result = cs_chunk_add(get, chunk, message, len, &parsed);
	if (result != CS_GET_NEW && result != CS_GET_DUPLICATE) {
		if (!chunk->have)
			cs_chunk_drop(get, chunk, true);
		return result;
	}
	rc = chunk->object ? cs_chunk_decode(get, chunk, error) : 0;
	if (rc == -EBADMSG)
		return CS_GET_FORGED;
	if (rc < 0 || cs_chunk_make_room(get, error))
		return CS_GET_FAILED;
	return result;
}

/* Chunks that could not be restored, because the disk was full, or sent on, and may be now. */
static int decode_again(struct cs_get *get, struct cs_error *error)
{
	struct object *object;
	struct chunk *chunk;
	int rc = 0;

	for (object = get->objects; object; object = object->next)
		object->stuck = false;
	for (;;) {
		TAILQ_FOREACH(chunk, &get->known, owned)
			if (chunk->have >= chunk->key.k && !chunk->object->stuck)
				break;
		if (!chunk)
			return 0;
		rc = cs_chunk_decode(get, chunk, error);
		if (rc < 0 && rc != -EBADMSG)
			return rc;
	}
}

/**
 * cs_get_sync() - have all on the disk that was taken so far
 * @get: what is under way
 * @error: gets the reason of a failure
 *
 * Return: 0, or a negative errno; then it may be tried again.
 */
int cs_get_sync(struct cs_get *get, struct cs_error *error)
{
	struct object *object;
	int rc;

	rc = decode_again(get, error);
	if (!rc)
		rc = finish_again(get, error);
	if (rc || !get->changed)
		return rc;
	rc = cs_chunk_spool_all(get, error);
	if (!rc && syncfs(get->dir))
		rc = cs_error_set(error, -errno, "%s: %s", get->options.state, strerror(errno));
	for (object = get->objects; object && !rc; object = object->next)
		if (object->dirty)
			rc = cs_object_save(get, object, error);
	if (!rc && fsync(get->dir))
		rc = cs_error_set(error, -errno, "%s: %s", get->options.state, strerror(errno));
	if (rc)
		return rc;
	cs_chunk_unlink_spooled(get);
	get->changed = false;
	return 0;
}

/**
 * cs_get_expire() - give up what can't become whole any more
 * @get: what is under way
 * @now: Unix seconds
 *
 * To be called now and then.
 */
void cs_get_expire(struct cs_get *get, uint64_t now)
{
	struct object *object, *next;

	get->now = now;
	cs_chunk_expire(get);
	for (object = get->objects; object; object = next) {
		next = object->next;
		if (object->ready || object->envelope.expiry >= now)
			continue;
		cs_object_fail(object, "it expired before all of it was here");
		cs_object_finish(get, object, NULL);
	}
}

static struct object *find(struct cs_get *get, const uint8_t id[CS_OBJECT_ID_LEN])
{
	struct object *object;

	for (object = get->objects; object; object = object->next)
		if (!memcmp(cs_cipher_object(object->cipher), id, CS_OBJECT_ID_LEN))
			return object;
	return NULL;
}

/**
 * cs_get_each() - look at all objects that arrive, or wait to be delivered
 * @get: what is under way; is not to be changed meanwhile
 * @each: is called for each; not 0: ends it
 * @arg: for @each
 *
 * Return: what @each returned, or 0.
 */
int cs_get_each(struct cs_get *get, int (*each)(const struct cs_get_object *object, void *arg),
		void *arg)
{
	struct cs_get_object description;
	struct object *object;
	int rc = 0;

	for (object = get->objects; object && !rc; object = object->next) {
		cs_object_describe(object, &description);
		rc = each(&description, arg);
	}
	return rc;
}

/**
 * cs_get_deliver() - have an object appear that waits for that
 * @get: what is under way
 * @id: of the object
 * @out: directory
 * @replace: a file of the same name is replaced; otherwise the object gets another one
 * @error: gets the reason of a failure
 *
 * Return: 0; -ENOENT: there is no such object; -EAGAIN: it is not whole; another negative errno.
 */
int cs_get_deliver(struct cs_get *get, const uint8_t id[CS_OBJECT_ID_LEN], const char *out,
		   bool replace, struct cs_error *error)
{
	struct object *object = find(get, id);

	if (!object)
		return cs_error_set(error, -ENOENT, "there is no such object");
	if (!object->ready)
		return cs_error_set(error, -EAGAIN, "not all of it is here yet");
	return cs_deliver_object(get, object, out, replace, error);
}

/**
 * cs_get_drop() - do not want an object
 * @get: what is under way
 * @id: of the object; its messages are not taken any more
 * @error: gets the reason of a failure
 *
 * Return: 0; -ENOENT: there is no such object; another negative errno.
 */
int cs_get_drop(struct cs_get *get, const uint8_t id[CS_OBJECT_ID_LEN], struct cs_error *error)
{
	struct object *object = find(get, id);

	if (!object)
		return cs_error_set(error, -ENOENT, "there is no such object");
	cs_object_fail(object, "it is not wanted");
	return cs_object_finish(get, object, error);
}
