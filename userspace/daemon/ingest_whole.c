// SPDX-License-Identifier: GPL-2.0
/*
 * An ingest that decodes: of each chunk of an object whose provider's envelope it can open, the
 * recipient finds in the inbox what the chunk itself is, k messages, and no more.
 *
 *	files ─ scan ─ envelope? ─ its object's slices: which are there, in which file?
 *		└ k of a chunk ─ restore ─ k messages into the file that brought the last of them
 *					   └ what is left over in others goes
 *
 * Nobody but the recipient knows how many chunks an object has, so it is done for each chunk as
 * soon as it can be. Restored slices become messages as the sender made them (ingest_object.c), so
 * who reads the inbox needs to know nothing of this, and verifies all of it as ever. Slices with
 * wrong MACs are left out, and go. What is of no known object is left as it came.
 *
 * Files keep their names, and only here their content changes, all at once:
 *
 *	whole.tmp is written, and on the disk
 *	it is exchanged with the file; if somebody has removed that, there is nothing to be done
 *	only now slices that it replaces go from other files, in the same way
 *
 * What is left over after a kill is found again when all is scanned, which is done on each start.
 * A chunk goes to a file that is not before any with slices that count: who reads the files in
 * their order finds k slices whenever each of them is replaced. A further slice goes only after
 * that.
 *
 * All is done in steps: a file is read, or a chunk restored, or a file replaced, and then others
 * have the event loop for four times as long. On the disk chunks are there twice until some hundred
 * files are to be replaced, or nothing else is to be done.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "daemon/clock.h"
#include "daemon/ingest_file.h"
#include "daemon/ingest_object.h"
#include "daemon/ingest_vouch.h"
#include "daemon/ingest_whole.h"
#include "daemon/log.h"
#include "daemon/policy.h"
#include "lib/file.h"

#define TRIES_RATE	50		/* private key operations a second, 2 ms each */
#define TRIES_MS	100		/* between two looks whether there may be one */
#define FILE_MAX	(16 << 20)	/* bytes that a file may grow to; it is read in one step */
#define READ_MAX	(64 << 20)
#define DIRTY_MAX	256		/* files to be replaced before others are scanned */
#define LOOK_MS		2000		/* from the first new file to the look at it */
#define STEP_SHARE	4		/* of the time of a step: what is left to others after it */
#define STEP_MS		1000		/* at most */
#define LINES_RATE	1
#define TEMPORARY	"whole.tmp"

/**
 * struct ingest_whole - what is under way
 * @timer: next step
 * @objects: what is known
 * @key: the provider's
 * @inbox: its path
 * @dir: the inbox
 * @files: numbers of files to be scanned, in ascending order
 * @nr_files: of these
 * @next_file: the next one
 * @last: the highest that was listed so far
 * @tried: of files up to this one envelopes are known
 * @skip: messages of @next_file of which it is known, too
 * @look: there may be later ones
 * @target: where chunks go, 0: nowhere yet
 * @target_len: its bytes
 * @out: the temporary file; -1: there is none
 * @out_len: bytes of chunks in it
 * @moved: these chunks
 * @nr_moved: their number
 * @dirty: files in which something is left over
 * @nr_dirty: their number
 * @room: for so many in @dirty
 * @tries: limit of private key operations
 * @lines: limit of lines
 */
struct ingest_whole {
	struct event		*timer;
	struct ingest_objects	*objects;
	struct cs_private	*key;
	char			inbox[PATH_MAX];
	int			dir;
	int64_t			*files;
	size_t			nr_files;
	size_t			next_file;
	int64_t			last;
	int64_t			tried;
	size_t			skip;
	bool			look;
	int64_t			target;
	size_t			target_len;
	int			out;
	size_t			out_len;
	struct ingest_chunk	**moved;
	size_t			nr_moved;
	int64_t			*dirty;
	size_t			nr_dirty;
	size_t			room;
	struct policy_bucket	tries;
	struct policy_bucket	lines;
};

static void complain(struct ingest_whole *whole, const char *name, int rc)
{
	if (policy_bucket_take(&whole->lines, 1, daemon_ticks()))
		log_error("%s/%s: %s; what came stays as it came", whole->inbox, name,
			  strerror(-rc));
}

/* --- Files --- */

/**
 * struct content - what is in a file
 * @data: messages
 * @len: their bytes
 * @at: of these, those before the next message
 */
struct content {
	uint8_t	*data;
	size_t	len;
	size_t	at;
};

static int failure(void)
{
	return errno ? -errno : -EIO;
}

static int read_open(int fd, struct content *content)
{
	struct stat st;
	size_t at;
	ssize_t n;

	if (fstat(fd, &st))
		return failure();
	if (!S_ISREG(st.st_mode) || st.st_size > READ_MAX)
		return -EFBIG;
	content->data = calloc(1, st.st_size + 1);
	if (!content->data)
		return -ENOMEM;
	for (at = 0; at < (size_t)st.st_size; at += n) {
		n = read(fd, content->data + at, st.st_size - at);
		if (n <= 0) {
			free(content->data);
			content->data = NULL;
			return n ? failure() : -EIO;
		}
	}
	content->len = st.st_size;
	content->at = 0;
	return 0;
}

static int read_file(struct ingest_whole *whole, int64_t id, struct content *content)
{
	char name[INGEST_FILE_NAME];
	int fd, rc;

	*content = (struct content){ NULL };
	ingest_file_name(id, name);
	fd = openat(whole->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	rc = fd < 0 ? failure() : read_open(fd, content);
	if (fd >= 0)
		close(fd);
	if (rc && rc != -ENOENT)
		complain(whole, name, rc);
	return rc;
}

/* Takes the next message apart; k is 0 if that can't be done. Returns its bytes, 0: the end. */
static size_t next_message(struct content *content, struct cs_message *message)
{
	size_t left = content->len - content->at, size = sizeof(struct cs_msg_hdr);
	const uint8_t *data = content->data + content->at;

	if (left < size)
		return 0;
	size += be16toh(((const struct cs_msg_hdr *)data)->length);
	if (left < size)
		return 0;
	if (cs_message_parse(data, size, message))
		message->k = 0;
	content->at += size;
	return size;
}

static int create(struct ingest_whole *whole)
{
	whole->out_len = 0;
	whole->out = openat(whole->dir, TEMPORARY,
			    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return whole->out < 0 ? -errno : 0;
}

/* No temporary file, with whatever is in it. */
static void discard(struct ingest_whole *whole)
{
	if (whole->out >= 0)
		close(whole->out);
	whole->out = -1;
	unlinkat(whole->dir, TEMPORARY, 0);
}

/* The temporary file instead of another one, which stays as it is if that fails. */
static int replace(struct ingest_whole *whole, int64_t id)
{
	char name[INGEST_FILE_NAME];
	int rc = 0;

	ingest_file_name(id, name);
	/* rename() would bring back a file that somebody removes now */
	if (fsync(whole->out) ||
	    renameat2(whole->dir, TEMPORARY, whole->dir, name, RENAME_EXCHANGE))
		rc = -errno;
	else if (fsync(whole->dir))
		rc = -errno;
	discard(whole);
	return rc;
}

/* --- What is there --- */

static void add_dirty(struct ingest_whole *whole, int64_t id)
{
	int64_t *dirty;
	size_t i;

	for (i = 0; i < whole->nr_dirty; i++)
		if (whole->dirty[i] == id)
			return;
	if (whole->nr_dirty == whole->room) {
		dirty = realloc(whole->dirty, (whole->room + DIRTY_MAX) * sizeof(*dirty));
		if (!dirty)
			return;
		whole->dirty = dirty;
		whole->room += DIRTY_MAX;
	}
	whole->dirty[whole->nr_dirty++] = id;
}

/* A chunk goes to no file before one of these. */
static int64_t highest(const struct ingest_chunk *chunk)
{
	int64_t id = 0;
	unsigned int i;

	for (i = 0; i < chunk->n; i++)
		if (chunk->from[i] > id)
			id = chunk->from[i];
	return id;
}

/* Of two messages with the same slice that in the later file counts: it may be made here. */
static void take_slice(struct ingest_whole *whole, struct ingest_chunk *chunk, unsigned int index,
		       int64_t id)
{
	if (chunk->whole) {
		if (index >= chunk->k || chunk->from[index] != id)
			add_dirty(whole, id);
		return;
	}
	if (!chunk->from[index])
		chunk->have++;
	else if (chunk->from[index] != id)
		add_dirty(whole, chunk->from[index] < id ? chunk->from[index] : id);
	if (chunk->from[index] < id)
		chunk->from[index] = id;
	if (chunk->have >= chunk->k && id >= highest(chunk))
		ingest_objects_enqueue(whole->objects, chunk);
}

/* May be an envelope; false: it can't be found out now. */
static bool try_envelope(struct ingest_whole *whole, const struct cs_message *message)
{
	struct cs_cipher *cipher;
	struct cs_terms terms;

	if (!policy_bucket_take(&whole->tries, 1, daemon_ticks()))
		return false;
	cipher = ingest_vouch_terms(&terms, whole->key, message);
	if (cipher)
		ingest_objects_add(whole->objects, cipher, message->expiry);
	OPENSSL_cleanse(&terms, sizeof(terms));
	return true;
}

/* Returns 0, -EAGAIN: it is to be scanned again after a moment. */
static int scan(struct ingest_whole *whole, int64_t id)
{
	struct ingest_chunk *chunk;
	struct cs_message message;
	struct content content;
	size_t i;
	int rc = 0;

	if (read_file(whole, id, &content))
		return 0;
	for (i = 0; !rc && next_message(&content, &message); i++) {
		switch (ingest_objects_find(whole->objects, &message, true, &chunk)) {
		case INGEST_OWNER_NONE:
			if (message.k != 1 || id <= whole->tried || i < whole->skip)
				break;
			if (!try_envelope(whole, &message))
				rc = -EAGAIN;
			else
				whole->skip = i + 1;
			break;
		case INGEST_OWNER_FORGED:
			add_dirty(whole, id);
			break;
		case INGEST_OWNER_CHUNK:
			take_slice(whole, chunk, message.index, id);
			break;
		case INGEST_OWNER_LEFT:
			break;
		}
	}
	whole->target = id;
	whole->target_len = content.len;
	free(content.data);
	return rc;
}

static int compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The files after those that were listed. */
static void list(struct ingest_whole *whole)
{
	int fd = openat(whole->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	size_t room = 0;
	int64_t *files, id;

	if (!dir) {
		complain(whole, ".", -errno);
		if (fd >= 0)
			close(fd);
		return;
	}
	whole->nr_files = 0;
	whole->next_file = 0;
	while ((entry = readdir(dir))) {
		id = ingest_file_number(entry->d_name);
		if (id <= whole->last)
			continue;
		if (whole->nr_files == room) {
			room = room ? 2 * room : 64;
			files = reallocarray(whole->files, room, sizeof(*files));
			if (!files)
				break;
			whole->files = files;
		}
		whole->files[whole->nr_files++] = id;
	}
	closedir(dir);
	if (!whole->nr_files)
		return;
	qsort(whole->files, whole->nr_files, sizeof(*whole->files), compare);
	whole->last = whole->files[whole->nr_files - 1];
}

/* --- What goes --- */

static bool stays(struct ingest_whole *whole, const struct cs_message *message, int64_t id)
{
	struct ingest_chunk *chunk;
	enum ingest_owner owner;

	owner = ingest_objects_find(whole->objects, message, false, &chunk);
	if (owner != INGEST_OWNER_CHUNK)
		return owner != INGEST_OWNER_FORGED;
	if (chunk->moving || (chunk->whole && message->index >= chunk->k))
		return false;
	return chunk->from[message->index] == id || !chunk->from[message->index];
}

/* Takes out what is left over in a file. */
static void filter(struct ingest_whole *whole, int64_t id, struct content *content)
{
	struct cs_message message;
	size_t size, kept = 0;

	if (!content->len)
		return;
	while ((size = next_message(content, &message))) {
		if (!stays(whole, &message, id))
			continue;
		memmove(content->data + kept, content->data + content->at - size, size);
		kept += size;
	}
	/* what is at the end, if anything, is no message, and none of ours */
	memmove(content->data + kept, content->data + content->at, content->len - content->at);
	content->len -= content->at - kept;
}

static int write_filtered(struct ingest_whole *whole, int64_t id, const struct content *content)
{
	int rc = create(whole);

	if (!rc)
		rc = cs_file_write(whole->out, content->data, content->len);
	if (!rc)
		return replace(whole, id);
	discard(whole);
	return rc;
}

static void clean(struct ingest_whole *whole, int64_t id)
{
	char name[INGEST_FILE_NAME];
	struct content content;
	size_t len;
	int rc = 0;

	if (read_file(whole, id, &content))
		return;
	len = content.len;
	filter(whole, id, &content);
	ingest_file_name(id, name);
	if (!content.len && unlinkat(whole->dir, name, 0))
		rc = -errno;
	else if (content.len && content.len < len)
		rc = write_filtered(whole, id, &content);
	free(content.data);
	if (rc && rc != -ENOENT)
		complain(whole, name, rc);
}

/* --- Chunks --- */

/* The k slices of a chunk are in files: it was moved to one, or none of them was lost. */
static void settle(struct ingest_whole *whole, struct ingest_chunk *chunk, int64_t moved)
{
	unsigned int i;

	for (i = 0; i < chunk->n; i++) {
		if (chunk->from[i] && chunk->from[i] != moved && (moved || i >= chunk->k))
			add_dirty(whole, chunk->from[i]);
		if (moved && i < chunk->k)
			chunk->from[i] = moved;
	}
	ingest_chunk_settle(whole->objects, chunk);
}

static bool lost_nothing(const struct ingest_chunk *chunk)
{
	unsigned int i;

	for (i = 0; i < chunk->k; i++)
		if (!chunk->from[i])
			return false;
	return true;
}

/* All slices of a chunk that are in a file. */
static int load(struct ingest_whole *whole, struct ingest_chunk *chunk, int64_t id,
		struct ingest_slices *slices)
{
	struct ingest_chunk *found;
	struct cs_message message;
	struct content content;
	int rc = read_file(whole, id, &content);

	if (rc)
		return rc;
	while (next_message(&content, &message))
		if (ingest_objects_find(whole->objects, &message, false, &found) ==
		    INGEST_OWNER_CHUNK && found == chunk)
			ingest_slices_add(slices, chunk, &message);
	free(content.data);
	return 0;
}

/* The messages of a chunk, restored; NULL: it can't be. */
static uint8_t *restore(struct ingest_whole *whole, struct ingest_chunk *chunk)
{
	struct ingest_slices slices;
	uint8_t *messages = NULL;
	unsigned int i;

	if (ingest_slices_begin(&slices, chunk))
		return NULL;
	for (i = 0; i < chunk->n && slices.count < chunk->k; i++)
		if (chunk->from[i] && !slices.slice[i] &&
		    load(whole, chunk, chunk->from[i], &slices))
			ingest_chunk_lose(chunk, chunk->from[i]);
	if (slices.count == chunk->k)
		messages = ingest_slices_restore(&slices, chunk);
	ingest_slices_end(&slices);
	return messages;
}

static int append(struct ingest_whole *whole, struct ingest_chunk *chunk, const uint8_t *messages,
		  size_t len)
{
	struct ingest_chunk **moved;
	int rc = whole->out < 0 ? create(whole) : 0;

	if (rc)
		return rc;
	moved = reallocarray(whole->moved, whole->nr_moved + 1, sizeof(*moved));
	if (!moved)
		return -ENOMEM;
	whole->moved = moved;
	rc = cs_file_write(whole->out, messages, len);
	if (rc)
		return rc;
	whole->out_len += len;
	whole->moved[whole->nr_moved++] = chunk;
	chunk->moving = true;
	return 0;
}

/* What was to be moved to the target is there, or nothing is. */
static void end_move(struct ingest_whole *whole, int rc)
{
	char name[INGEST_FILE_NAME];
	size_t i;

	for (i = 0; i < whole->nr_moved; i++) {
		whole->moved[i]->moving = false;
		if (!rc)
			settle(whole, whole->moved[i], whole->target);
		else if (rc == -ENOENT)
			ingest_chunk_lose(whole->moved[i], whole->target);
	}
	ingest_file_name(whole->target, name);
	if (rc && rc != -ENOENT)
		complain(whole, name, rc);
	else if (!rc)
		log_debug("%s: %zu chunks were decoded", name, whole->nr_moved);
	whole->nr_moved = 0;
	whole->target = 0;
}

static void commit(struct ingest_whole *whole)
{
	struct content content;
	int rc = read_file(whole, whole->target, &content);

	if (!rc) {
		filter(whole, whole->target, &content);
		rc = cs_file_write(whole->out, content.data, content.len);
		free(content.data);
	}
	if (!rc)
		rc = replace(whole, whole->target);
	else
		discard(whole);
	end_move(whole, rc);
}

/* A chunk of which enough is there; the target may be full, then it waits for the next one. */
static void decode(struct ingest_whole *whole, struct ingest_chunk *chunk)
{
	size_t len = ingest_chunk_len(chunk);
	uint8_t *messages;
	int rc;

	if (lost_nothing(chunk)) {
		settle(whole, chunk, 0);
		return;
	}
	if (whole->target_len + whole->out_len + len > FILE_MAX) {
		if (whole->out >= 0)
			commit(whole);
		whole->target = 0;
		return;
	}
	ingest_objects_dequeue(whole->objects, chunk);
	/* all may be scanned from the first file on again, and then it comes to it later */
	if (chunk->have < chunk->k || highest(chunk) > whole->target)
		return;
	messages = restore(whole, chunk);
	rc = messages ? append(whole, chunk, messages, len) : 0;
	free(messages);
	if (!rc)
		return;
	discard(whole);
	end_move(whole, rc);
}

/* --- Steps --- */

/**
 * ingest_whole_step() - do a little
 * @whole: what is under way
 *
 * Return: 0: there is more to be done, -EAGAIN: in a moment, 1: there is nothing to be done.
 */
int ingest_whole_step(struct ingest_whole *whole)
{
	struct ingest_chunk *chunk = ingest_objects_queued(whole->objects);

	if (whole->target && chunk) {
		decode(whole, chunk);
	} else if (whole->out >= 0) {
		commit(whole);
	} else if (whole->nr_dirty >= DIRTY_MAX) {
		clean(whole, whole->dirty[--whole->nr_dirty]);
	} else if (whole->next_file < whole->nr_files) {
		if (scan(whole, whole->files[whole->next_file]))
			return -EAGAIN;
		if (whole->tried < whole->files[whole->next_file])
			whole->tried = whole->files[whole->next_file];
		whole->skip = 0;
		whole->next_file++;
	} else if (ingest_objects_begin(whole->objects)) {
		whole->last = 0;
		list(whole);
	} else if (whole->look) {
		whole->look = false;
		ingest_objects_expire(whole->objects, time(NULL));
		list(whole);
	} else if (whole->nr_dirty) {
		clean(whole, whole->dirty[--whole->nr_dirty]);
	} else {
		return 1;
	}
	return 0;
}

static void set_timer(struct ingest_whole *whole, uint64_t ms)
{
	const struct timeval wait = { ms / 1000, ms % 1000 * 1000 };

	evtimer_add(whole->timer, &wait);
}

static void on_timer(evutil_socket_t fd, short what, void *data)
{
	struct ingest_whole *whole = data;
	uint64_t begin = daemon_ticks(), ms;
	int rc = ingest_whole_step(whole);

	(void)fd;
	(void)what;
	if (rc > 0)
		return;
	ms = (daemon_ticks() - begin) * STEP_SHARE / 1000000 + 1;
	if (rc)
		ms = TRIES_MS;
	set_timer(whole, ms < STEP_MS ? ms : STEP_MS);
}

/**
 * ingest_whole_added() - there is a new file in the inbox
 * @whole: what is under way
 */
void ingest_whole_added(struct ingest_whole *whole)
{
	whole->look = true;
	if (!evtimer_pending(whole->timer, NULL))
		set_timer(whole, LOOK_MS);
}

/**
 * ingest_whole_open() - begin to decode
 * @to: gets what is under way
 * @base: event loop
 * @config: names the provider's key and the inbox, which is there
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int ingest_whole_open(struct ingest_whole **to, struct event_base *base,
		      const struct config_ingest *config, struct cs_error *error)
{
	struct ingest_whole *new = calloc(1, sizeof(*new));
	int rc;

	if (!new)
		return cs_error_set(error, -ENOMEM, "out of memory");
	new->out = -1;
	snprintf(new->inbox, sizeof(new->inbox), "%s", config->inbox);
	policy_bucket_set(&new->tries, TRIES_RATE, daemon_ticks());
	policy_bucket_set(&new->lines, LINES_RATE, daemon_ticks());
	new->timer = evtimer_new(base, on_timer, new);
	new->objects = ingest_objects_new();
	new->dir = open(new->inbox, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!new->timer || !new->objects)
		rc = cs_error_set(error, -ENOMEM, "out of memory");
	else if (new->dir < 0)
		rc = cs_error_set(error, -errno, "%s: %s", new->inbox, strerror(errno));
	else
		rc = cs_private_read(&new->key, config->vouch.key, error);
	if (rc) {
		ingest_whole_close(new);
		return rc;
	}
	discard(new); /* of a run that was killed */
	ingest_whole_added(new);
	*to = new;
	return 0;
}

/**
 * ingest_whole_close() - end; what is under way is done by the next one
 * @whole: may be NULL
 */
void ingest_whole_close(struct ingest_whole *whole)
{
	if (!whole)
		return;
	if (whole->out >= 0)
		discard(whole);
	if (whole->timer)
		event_free(whole->timer);
	ingest_objects_free(whole->objects);
	cs_private_free(whole->key);
	if (whole->dir >= 0)
		close(whole->dir);
	free(whole->files);
	free(whole->moved);
	free(whole->dirty);
	free(whole);
}
