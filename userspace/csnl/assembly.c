// SPDX-License-Identifier: GPL-2.0
/*
 * Messages put together to chunks and chunks to files.
 *
 * A chunk is kept in memory until its last slice is there; then its head tells which file it is
 * part of and where, its data are written there and its memory is free again. When too much is
 * under way, what has not grown for the longest time is given up. Of chunks that are finished the
 * ids are kept for a while, so that a late duplicate does not begin the chunk anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "csnl/assembly.h"
#include "csnl/chunk.h"
#include "csnl/rawsocket.h"
#include "lib/hex.h"

#define FINISHED_IDS	4096
#define RANGES_MAX	4096
#define NAMES_MAX	1000
#define READ_SIZE	(1 << 16)

const struct assembly_limits assembly_limits_default = {
	.chunks = 256,
	.bytes = 256 << 20,
	.files = 64,
};

/**
 * struct chunk - a chunk with holes
 * @id: its id
 * @length: bytes
 * @n: slices
 * @missing: how many of them are missing
 * @duplicates: messages that came twice
 * @first: when its first message came
 * @last: when it last grew
 * @data: @length bytes
 * @have: which slices are there, a byte each; in the same memory behind @data
 */
struct chunk {
	uint8_t		id[CS_CHUNK_ID_LEN];
	uint32_t	length;
	uint16_t	n;
	uint16_t	missing;
	uint64_t	duplicates;
	double		first;
	double		last;
	uint8_t		*data;
	uint8_t		*have;
};

/**
 * struct range - a part of a file that is there
 */
struct range {
	uint64_t	begin;
	uint64_t	end;
};

/**
 * struct file - a file with holes
 * @head: what its chunks said; the offset means nothing
 * @fd: where it is written
 * @part: name of that
 * @ranges: what of it is there, in order, never adjacent
 * @n_ranges: how many
 * @messages: that went into it
 * @duplicates: that came besides
 * @first: when the first message of its first chunk came
 * @last: when it last grew
 */
struct file {
	struct chunk_head	head;
	int			fd;
	char			part[48];
	struct range		*ranges;
	size_t			n_ranges;
	uint64_t		messages;
	uint64_t		duplicates;
	double			first;
	double			last;
};

/**
 * struct assembly - all that is under way
 */
struct assembly {
	int			directory;
	struct assembly_limits	limits;
	struct assembly_ops	ops;
	void			*data;
	struct chunk		*chunks;
	unsigned int		n_chunks;
	uint64_t		bytes;
	struct file		*files;
	unsigned int		n_files;
	uint8_t			(*finished)[CS_CHUNK_ID_LEN];
	unsigned int		n_finished;
	uint8_t			finished_files[FINISHED_IDS / 16][16];
	unsigned int		n_finished_files;
};

__attribute__((format(printf, 2, 3)))
static void note(struct assembly *as, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	as->ops.note(text, as->data);
}

/**
 * assembly_new - begin
 * @directory: where files appear; stays the caller's
 * @limits: how much may be under way
 * @ops: whom to tell
 * @data: for @ops
 */
struct assembly *assembly_new(int directory, const struct assembly_limits *limits,
			      const struct assembly_ops *ops, void *data)
{
	struct assembly *as = calloc(1, sizeof(*as));

	if (!as)
		return NULL;
	as->directory = directory;
	as->limits = *limits;
	as->ops = *ops;
	as->data = data;
	as->chunks = calloc(limits->chunks, sizeof(*as->chunks));
	as->files = calloc(limits->files, sizeof(*as->files));
	as->finished = calloc(FINISHED_IDS, sizeof(*as->finished));
	if (!as->chunks || !as->files || !as->finished) {
		assembly_free(as);
		return NULL;
	}
	return as;
}

static void chunk_remove(struct assembly *as, struct chunk *chunk)
{
	as->bytes -= chunk->length + chunk->n;
	free(chunk->data);
	*chunk = as->chunks[--as->n_chunks];
}

static void file_remove(struct assembly *as, unsigned int i)
{
	struct file *file = &as->files[i];

	if (file->part[0])
		unlinkat(as->directory, file->part, 0);
	close(file->fd);
	free(file->ranges);
	*file = as->files[--as->n_files];
}

/**
 * assembly_free - end; what is incomplete is gone
 */
void assembly_free(struct assembly *as)
{
	if (!as)
		return;
	while (as->n_chunks)
		chunk_remove(as, &as->chunks[0]);
	while (as->n_files)
		file_remove(as, 0);
	free(as->chunks);
	free(as->files);
	free(as->finished);
	free(as);
}

static struct chunk *chunk_find(const struct assembly *as, const uint8_t *id)
{
	unsigned int i;

	for (i = 0; i < as->n_chunks; i++)
		if (!memcmp(as->chunks[i].id, id, CS_CHUNK_ID_LEN))
			return &as->chunks[i];
	return NULL;
}

static bool is_finished(const struct assembly *as, const uint8_t *id)
{
	unsigned int i, n = as->n_finished < FINISHED_IDS ? as->n_finished : FINISHED_IDS;

	for (i = 0; i < n; i++)
		if (!memcmp(as->finished[i], id, CS_CHUNK_ID_LEN))
			return true;
	return false;
}

/* A chunk stays unfinished in memory at most as long as others need no room. */
static void make_room(struct assembly *as, uint64_t bytes)
{
	unsigned int i, oldest;
	char id[33];

	while (as->n_chunks && (as->n_chunks == as->limits.chunks ||
				as->bytes + bytes > as->limits.bytes)) {
		for (i = 1, oldest = 0; i < as->n_chunks; i++)
			if (as->chunks[i].last < as->chunks[oldest].last)
				oldest = i;
		cs_hex(id, as->chunks[oldest].id, CS_CHUNK_ID_LEN);
		note(as, "chunk %s given up: too many incomplete chunks; it lacked %u of %u slices",
		     id, as->chunks[oldest].missing, as->chunks[oldest].n);
		chunk_remove(as, &as->chunks[oldest]);
	}
}

static struct chunk *chunk_begin(struct assembly *as, const struct cs_message *message,
				 double now)
{
	uint64_t bytes = (uint64_t)message->chunk_length + message->n;
	struct chunk *chunk;
	uint8_t *data;

	make_room(as, bytes);
	data = calloc(1, bytes);
	if (!data)
		return NULL;
	as->bytes += bytes;
	chunk = &as->chunks[as->n_chunks++];
	memcpy(chunk->id, message->chunk_id, CS_CHUNK_ID_LEN);
	chunk->length = message->chunk_length;
	chunk->n = message->n;
	chunk->missing = message->n;
	chunk->duplicates = 0;
	chunk->first = now;
	chunk->last = now;
	chunk->data = data;
	chunk->have = data + message->chunk_length;
	return chunk;
}

/* Note that a part is there: -1 if it overlaps with what is, or there are too many holes. */
static int range_add(struct file *file, uint64_t begin, uint64_t end)
{
	struct range *r = file->ranges;
	size_t i = 0;

	while (i < file->n_ranges && r[i].end < begin)
		i++;
	/* r[i] is the first that ends at or behind begin */
	if (i < file->n_ranges && r[i].end == begin) {
		if (i + 1 < file->n_ranges && r[i + 1].begin < end)
			return -1;
		r[i].end = end;
		if (i + 1 < file->n_ranges && r[i + 1].begin == end) {
			r[i].end = r[i + 1].end;
			file->n_ranges--;
			memmove(r + i + 1, r + i + 2, (file->n_ranges - i - 1) * sizeof(*r));
		}
		return 0;
	}
	if (i < file->n_ranges && r[i].begin < end)
		return -1;
	if (i < file->n_ranges && r[i].begin == end) {
		r[i].begin = begin;
		return 0;
	}
	if (file->n_ranges == RANGES_MAX)
		return -1;
	memmove(r + i + 1, r + i, (file->n_ranges - i) * sizeof(*r));
	r[i].begin = begin;
	r[i].end = end;
	file->n_ranges++;
	return 0;
}

static bool file_whole(const struct file *file)
{
	return !file->head.total ||
	       (file->n_ranges == 1 && file->ranges[0].end - file->ranges[0].begin ==
		file->head.total);
}

static int file_open(struct assembly *as, struct file *file)
{
	char object[33];
	int try;

	cs_hex(object, file->head.object, sizeof(file->head.object));
	snprintf(file->part, sizeof(file->part), ".csnl-%s.part", object);
	for (try = 0; try < 2; try++) {
		file->fd = openat(as->directory, file->part, O_RDWR | O_CREAT | O_EXCL |
				  O_NOFOLLOW | O_CLOEXEC, 0666);
		if (file->fd >= 0 || errno != EEXIST)
			break;
		/* of a run that was killed */
		unlinkat(as->directory, file->part, 0);
	}
	return file->fd < 0 ? -errno : 0;
}

static void files_make_room(struct assembly *as)
{
	unsigned int i, oldest;

	if (as->n_files < as->limits.files)
		return;
	for (i = 1, oldest = 0; i < as->n_files; i++)
		if (as->files[i].last < as->files[oldest].last)
			oldest = i;
	note(as, "file '%s' given up: too many incomplete files", as->files[oldest].head.name);
	file_remove(as, oldest);
}

static int file_begin(struct assembly *as, const struct chunk_head *head)
{
	struct file file = { .head = *head };
	int rc;

	files_make_room(as);
	file.ranges = malloc(RANGES_MAX * sizeof(*file.ranges));
	rc = file.ranges ? file_open(as, &file) : -ENOMEM;
	if (rc) {
		note(as, "file '%s': %s", head->name, strerror(-rc));
		free(file.ranges);
		return -1;
	}
	as->files[as->n_files] = file;
	return as->n_files++;
}

/* The file that a chunk belongs to; all its chunks have to say the same of it. */
static int file_find(struct assembly *as, const struct chunk_head *head, const char **wrong)
{
	const struct chunk_head *known;
	unsigned int i;

	for (i = 0; i < as->n_files; i++) {
		known = &as->files[i].head;
		if (memcmp(known->object, head->object, sizeof(head->object)))
			continue;
		*wrong = "it contradicts another chunk of the same file";
		return known->total == head->total && !strcmp(known->name, head->name) &&
		       !memcmp(known->sha512, head->sha512, CS_DIGEST_LEN) ? (int)i : -1;
	}
	for (i = 0; i < as->n_finished_files && i < FINISHED_IDS / 16; i++) {
		*wrong = "its file is already complete";
		if (!memcmp(as->finished_files[i], head->object, sizeof(head->object)))
			return -1;
	}
	*wrong = "its file can't be written";
	return file_begin(as, head);
}

static int write_at(int fd, const uint8_t *data, size_t len, uint64_t offset)
{
	ssize_t n;

	while (len) {
		n = pwrite(fd, data, len, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= n;
		offset += n;
	}
	return 0;
}

/* SHA-512 of what really is in the file, not of what we believe to have written. */
static bool file_verify(const struct file *file)
{
	uint8_t buf[READ_SIZE], digest[CS_DIGEST_LEN];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint64_t offset = 0;
	bool ok = false;
	ssize_t n;

	if (ctx && EVP_DigestInit_ex(ctx, EVP_sha512(), NULL) == 1) {
		while ((n = pread(file->fd, buf, sizeof(buf), offset)) > 0) {
			EVP_DigestUpdate(ctx, buf, n);
			offset += n;
		}
		EVP_DigestFinal_ex(ctx, digest, NULL);
		ok = !n && offset == file->head.total &&
		     !memcmp(digest, file->head.sha512, CS_DIGEST_LEN);
	}
	EVP_MD_CTX_free(ctx);
	return ok;
}

/* Give the part its name, without replacing a file that has it; vfat and some others need link. */
static int rename_new(int directory, const char *from, const char *to)
{
	if (!renameat2(directory, from, directory, to, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (linkat(directory, from, directory, to, 0))
		return -errno;
	return unlinkat(directory, from, 0) ? -errno : 0;
}

static int file_name(struct assembly *as, struct file *file, char *name, size_t size)
{
	int i, rc = -EEXIST;

	if (fsync(file->fd))
		return -errno;
	snprintf(name, size, "%s", file->head.name);
	for (i = 1; i < NAMES_MAX && rc == -EEXIST; i++) {
		rc = rename_new(as->directory, file->part, name);
		if (rc == -EEXIST)
			snprintf(name, size, "%s.%d", file->head.name, i);
	}
	if (rc)
		return rc;
	file->part[0] = '\0';
	return fsync(as->directory) && errno != EINVAL ? -errno : 0;
}

static void file_finish(struct assembly *as, unsigned int i, double now)
{
	struct file *file = &as->files[i];
	char name[CHUNK_NAME_MAX + 16];
	struct assembly_file done = {
		.name = name, .size = file->head.total, .sha512 = file->head.sha512,
		.messages = file->messages, .duplicates = file->duplicates,
		.seconds = now - file->first,
	};
	int rc;

	memcpy(as->finished_files[as->n_finished_files++ % (FINISHED_IDS / 16)],
	       file->head.object, sizeof(file->head.object));
	if (!file_verify(file)) {
		note(as, "file '%s' given up: its SHA-512 is wrong", file->head.name);
	} else {
		rc = file_name(as, file, name, sizeof(name));
		if (rc)
			note(as, "file '%s' given up: %s", file->head.name, strerror(-rc));
		else
			as->ops.done(&done, as->data);
	}
	file_remove(as, i);
}

/* A chunk is there: put its data into its file. NULL, or what is wrong with it. */
static const char *chunk_store(struct assembly *as, const struct chunk *chunk, double now)
{
	struct chunk_head head;
	struct file *file;
	const char *wrong;
	size_t head_len;
	int i, rc;

	head_len = chunk_head_get(&head, chunk->data, chunk->length, &wrong);
	if (!head_len)
		return wrong;
	i = file_find(as, &head, &wrong);
	if (i < 0)
		return wrong;
	file = &as->files[i];
	if (chunk->length > head_len &&
	    range_add(file, head.offset, head.offset + chunk->length - head_len))
		return "it overlaps with another chunk, or the file has too many holes";
	rc = write_at(file->fd, chunk->data + head_len, chunk->length - head_len, head.offset);
	if (rc) {
		note(as, "file '%s' given up: %s", file->head.name, strerror(-rc));
		file_remove(as, i);
		return "its file can't be written";
	}
	file->first = file->messages && file->first < chunk->first ? file->first : chunk->first;
	file->last = now;
	file->messages += chunk->n;
	file->duplicates += chunk->duplicates;
	if (file_whole(file))
		file_finish(as, i, now);
	return NULL;
}

static void chunk_finish(struct assembly *as, struct chunk *chunk, double now)
{
	const char *wrong;
	char id[33];

	memcpy(as->finished[as->n_finished++ % FINISHED_IDS], chunk->id, CS_CHUNK_ID_LEN);
	wrong = chunk_store(as, chunk, now);
	if (wrong) {
		cs_hex(id, chunk->id, CS_CHUNK_ID_LEN);
		note(as, "chunk %s ignored: %s", id, wrong);
	}
	chunk_remove(as, chunk);
}

/* GCC 12's analyser loses sight of memory that only an array in the heap points to. */
#ifndef __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

/**
 * assembly_take - take a message whose digest was verified
 * @now: time in seconds
 * @wrong: if it is bad, why
 */
enum assembly_result assembly_take(struct assembly *as, const struct cs_message *message,
				   double now, const char **wrong)
{
	struct chunk *chunk;

	*wrong = chunk_slice_wrong(message);
	if (*wrong)
		return ASSEMBLY_BAD;
	chunk = chunk_find(as, message->chunk_id);
	if (!chunk && is_finished(as, message->chunk_id))
		return ASSEMBLY_DUPLICATE;
	if (!chunk)
		chunk = chunk_begin(as, message, now);
	*wrong = "no memory for its chunk";
	if (!chunk)
		return ASSEMBLY_BAD;
	*wrong = "contradicts another slice of its chunk";
	if (chunk->length != message->chunk_length || chunk->n != message->n)
		return ASSEMBLY_BAD;
	*wrong = NULL;
	if (chunk->have[message->index]) {
		chunk->duplicates++;
		return ASSEMBLY_DUPLICATE;
	}
	chunk->have[message->index] = 1;
	chunk->last = now;
	memcpy(chunk->data + (size_t)chunk_slice_length(chunk->length, chunk->n) * message->index,
	       message->payload, message->length);
	if (!--chunk->missing)
		chunk_finish(as, chunk, now);
	return ASSEMBLY_NEW;
}

#ifndef __clang__
#pragma GCC diagnostic pop
#endif

/* Runs of missing slices, as far as there is room. */
static void missing_slices(const struct chunk *chunk, char *text, size_t size)
{
	unsigned int i, end;
	size_t len = 0;

	*text = '\0';
	for (i = 0; i < chunk->n; i = end + 1) {
		for (end = i; end < chunk->n && !chunk->have[end]; end++)
			;
		if (end == i)
			continue;
		if (len + 32 > size) {
			snprintf(text + len, size - len, ", ...");
			return;
		}
		len += snprintf(text + len, size - len, end - i > 1 ? "%s%u-%u" : "%s%u",
				len ? ", " : "", i, end - 1);
	}
}

static void missing_ranges(const struct file *file, char *text, size_t size)
{
	uint64_t begin = 0, end;
	size_t i, len = 0;

	*text = '\0';
	for (i = 0; i <= file->n_ranges; i++) {
		end = i < file->n_ranges ? file->ranges[i].begin : file->head.total;
		if (end > begin && len + 64 < size)
			len += snprintf(text + len, size - len, "%s%" PRIu64 "-%" PRIu64,
					len ? ", " : "", begin, end - 1);
		if (i < file->n_ranges)
			begin = file->ranges[i].end;
	}
}

/**
 * assembly_incomplete - tell of every chunk and file that is incomplete
 *
 * Return: how many there are.
 */
unsigned int assembly_incomplete(struct assembly *as)
{
	char what[CHUNK_NAME_MAX + 64], missing[256], list[200], id[33];
	unsigned int i;

	for (i = 0; i < as->n_files; i++) {
		snprintf(what, sizeof(what), "file %s", as->files[i].head.name);
		missing_ranges(&as->files[i], list, sizeof(list));
		snprintf(missing, sizeof(missing), "bytes %s of %" PRIu64, list,
			 as->files[i].head.total);
		as->ops.incomplete(what, missing, as->data);
	}
	for (i = 0; i < as->n_chunks; i++) {
		cs_hex(id, as->chunks[i].id, CS_CHUNK_ID_LEN);
		snprintf(what, sizeof(what), "chunk %s", id);
		missing_slices(&as->chunks[i], list, sizeof(list));
		snprintf(missing, sizeof(missing), "%u of %u slices: %s", as->chunks[i].missing,
			 as->chunks[i].n, list);
		as->ops.incomplete(what, missing, as->data);
	}
	return assembly_pending(as);
}

/**
 * assembly_pending - how many chunks and files are incomplete
 */
unsigned int assembly_pending(const struct assembly *as)
{
	return as->n_chunks + as->n_files;
}
