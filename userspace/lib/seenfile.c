// SPDX-License-Identifier: GPL-2.0
/*
 * Files of seen-sets. A file is replaced whole or not at all, and believed whole or not at all.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/message.h"
#include "lib/seenfile.h"

#define MAGIC		"CSSEEN\r\n"
#define VERSION		1
#define HEAD_LEN	32
#define ENTRY_LEN	20
#define SIZE_MAX_FILE	\
	(HEAD_LEN + (uint64_t)CROWDSHARE_SEEN_MAX_LIMIT * ENTRY_LEN + CS_DIGEST_LEN)
#define CLOCK_VALID	1767225600	/* 2026-01-01: before, a clock was never set */

_Static_assert(sizeof(struct crowdshare_seen_entry) == ENTRY_LEN, "entry is 20 bytes");

static int reserve(struct seenfile *file, size_t room)
{
	uint8_t *data;

	if (file->data && room <= file->room)
		return 0;
	data = realloc(file->data, HEAD_LEN + room * ENTRY_LEN + CS_DIGEST_LEN);
	if (!data)
		return -ENOMEM;
	file->data = data;
	file->entry = (struct crowdshare_seen_entry *)(data + HEAD_LEN);
	file->room = room;
	return 0;
}

/**
 * seenfile_append - add entries as the kernel dumps them
 *
 * Return: 0 or -ENOMEM.
 */
int seenfile_append(struct seenfile *file, const void *entries, size_t count)
{
	size_t room = file->room ? file->room : 4096;

	while (room < file->count + count)
		room *= 2;
	if (reserve(file, room))
		return -ENOMEM;
	if (count)
		memcpy(file->entry + file->count, entries, count * ENTRY_LEN);
	file->count += count;
	return 0;
}

void seenfile_free(struct seenfile *file)
{
	free(file->data);
	memset(file, 0, sizeof(*file));
}

static void put_le(uint8_t *p, uint64_t value, int bytes)
{
	while (bytes--) {
		*p++ = value;
		value >>= 8;
	}
}

static uint64_t get_le(const uint8_t *p, int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | p[bytes];
	return value;
}

/**
 * seenfile_encode - make the bytes of the file out of the entries, where they stand
 * @file: has no entries afterwards
 *
 * A seen-set of millions is not copied: the memory of a router is small.
 *
 * Return: @size bytes, to be freed, or NULL if there is no memory.
 */
uint8_t *seenfile_encode(struct seenfile *file, size_t *size)
{
	size_t len = HEAD_LEN + file->count * ENTRY_LEN, i;
	uint8_t *data, *p;

	if (reserve(file, file->count))
		return NULL;
	data = file->data;
	memcpy(data, MAGIC, 8);
	put_le(data + 8, VERSION, 4);
	put_le(data + 12, 0, 4);
	put_le(data + 16, file->saved, 8);
	put_le(data + 24, file->count, 8);
	for (i = 0, p = data + HEAD_LEN; i < file->count; i++, p += ENTRY_LEN)
		put_le(p + 16, file->entry[i].left, 4);
	if (cs_sha512(data, len, p))
		return NULL;
	*size = len + CS_DIGEST_LEN;
	memset(file, 0, sizeof(*file));
	return data;
}

/* Everything but the entries themselves; NULL if right, or what is wrong. */
static const char *check(const uint8_t *data, size_t size, char *text, size_t text_size)
{
	uint8_t digest[CS_DIGEST_LEN];
	uint64_t count;

	if (size < 8 || memcmp(data, MAGIC, 8))
		return "wrong magic: not a file of a seen-set";
	if (size < HEAD_LEN + CS_DIGEST_LEN) {
		snprintf(text, text_size, "truncated: %zu bytes are less than an empty one has",
			 size);
		return text;
	}
	if (get_le(data + 8, 4) != VERSION) {
		snprintf(text, text_size, "version %" PRIu64 " is not known",
			 get_le(data + 8, 4));
		return text;
	}
	count = get_le(data + 24, 8);
	if (count > CROWDSHARE_SEEN_MAX_LIMIT ||
	    size != HEAD_LEN + count * ENTRY_LEN + CS_DIGEST_LEN) {
		snprintf(text, text_size, "count %" PRIu64 " does not fit the size of %zu bytes",
			 count, size);
		return text;
	}
	if (cs_sha512(data, size - CS_DIGEST_LEN, digest) ||
	    memcmp(digest, data + size - CS_DIGEST_LEN, CS_DIGEST_LEN))
		return "wrong checksum: damaged";
	if (get_le(data + 12, 4))
		return "reserved field is not zero";
	return NULL;
}

/**
 * seenfile_decode - entries out of the bytes of a file
 * @error: where to say what is wrong
 *
 * Return: 0, -EBADMSG if the file is not right, -ENOMEM.
 */
int seenfile_decode(struct seenfile *file, const void *data, size_t size, char *error,
		    size_t error_size)
{
	const uint8_t *p = data;
	const char *wrong;
	char text[128];
	size_t i;

	memset(file, 0, sizeof(*file));
	wrong = check(data, size, text, sizeof(text));
	if (wrong) {
		snprintf(error, error_size, "%s", wrong);
		return -EBADMSG;
	}
	if (reserve(file, get_le(p + 24, 8))) {
		snprintf(error, error_size, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	file->saved = get_le(p + 16, 8);
	file->count = get_le(p + 24, 8);
	for (i = 0, p += HEAD_LEN; i < file->count; i++, p += ENTRY_LEN) {
		memcpy(file->entry[i].digest, p, 16);
		file->entry[i].left = get_le(p + 16, 4);
	}
	return 0;
}

/**
 * seenfile_age - let the time since the file was saved pass, drop what ran out
 * @now: Unix seconds
 *
 * If the clock was not set at either end, or went backwards, nobody knows how much time has
 * passed: none is taken off then, so that an entry rather stays too long.
 *
 * Return: number of entries dropped.
 */
size_t seenfile_age(struct seenfile *file, uint64_t now)
{
	uint64_t elapsed = 0;
	size_t i, n = 0, before = file->count;

	if (file->saved >= CLOCK_VALID && now >= CLOCK_VALID && now > file->saved)
		elapsed = now - file->saved;
	for (i = 0; i < before; i++) {
		if (file->entry[i].left <= elapsed)
			continue;
		file->entry[n] = file->entry[i];
		file->entry[n++].left -= elapsed;
	}
	file->count = n;
	return before - n;
}

static int write_fd(int fd, const char *temp, const char *path, const void *data, size_t size)
{
	int rc = cs_file_write(fd, data, size);

	if (!rc && fsync(fd))
		rc = -errno;
	if (close(fd) && !rc)
		rc = -errno;
	if (!rc && rename(temp, path))
		rc = -errno;
	if (rc)
		unlink(temp);
	return rc ? rc : cs_file_sync_directory(path);
}

/**
 * seenfile_write - replace a file, whole or not at all; "-" is standard output
 *
 * Return: 0 or a negative errno.
 */
int seenfile_write(const char *path, const void *data, size_t size, char *error,
		   size_t error_size)
{
	char temp[4096];
	int fd, rc;

	if (!strcmp(path, "-")) {
		rc = cs_file_write(STDOUT_FILENO, data, size);
	} else if (snprintf(temp, sizeof(temp), "%s.XXXXXX", path) >= (int)sizeof(temp)) {
		rc = -ENAMETOOLONG;
	} else {
		fd = mkostemp(temp, O_CLOEXEC);
		rc = fd < 0 ? -errno : write_fd(fd, temp, path, data, size);
	}
	if (rc)
		snprintf(error, error_size, "file '%s': %s", path, strerror(-rc));
	return rc;
}

static uint8_t *read_fd(int fd, size_t *size, int *rc)
{
	size_t room = 1 << 16, len = 0;
	uint8_t *data = NULL, *more;
	struct stat st;
	ssize_t n;

	if (!fstat(fd, &st) && st.st_size > 0 && (size_t)st.st_size < SIZE_MAX_FILE)
		room = st.st_size + 1;
	for (;;) {
		if (!data || len == room) {
			if (data)
				room *= 2;
			more = realloc(data, room);
			if (!more || len > SIZE_MAX_FILE) {
				*rc = more ? -EFBIG : -ENOMEM;
				free(more ? more : data);
				return NULL;
			}
			data = more;
		}
		n = read(fd, data + len, room - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			*rc = -errno;
			free(data);
			return NULL;
		}
		if (!n)
			break;
		len += n;
	}
	*size = len;
	return data;
}

/**
 * seenfile_read - all bytes of a file; "-" is standard input
 *
 * Return: @size bytes, to be freed, or NULL.
 */
uint8_t *seenfile_read(const char *path, size_t *size, char *error, size_t error_size)
{
	uint8_t *data = NULL;
	int fd, rc = 0;

	fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : STDIN_FILENO;
	if (fd < 0)
		rc = -errno;
	else
		data = read_fd(fd, size, &rc);
	if (fd > STDIN_FILENO)
		close(fd);
	if (!data)
		snprintf(error, error_size, "file '%s': %s", path, strerror(-rc));
	return data;
}
