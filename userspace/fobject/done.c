// SPDX-License-Identifier: GPL-2.0
/*
 * Objects that are finished: delivered, dropped or given up. As long as their messages could come
 * again they are remembered, so that nobody makes an object appear twice by sending them again.
 *
 * An object is remembered by the id of its envelope's chunk, without which nothing begins. The
 * file holds records of 64 bytes that are only ever appended, until it is written anew without
 * those that expired: id, expiry, the transport secret, by which other chunks of the object are
 * told for as long as it is one of those that were finished last, and the first eight bytes of
 * SHA-256 over all that, so that one that was not written to its end is told.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fobject/inbox.h"
#include "lib/file.h"

/* clocks differ, and what just expired may still be under way */
#define ALLOWANCE	86400

/**
 * struct record - an entry of the file
 */
struct record {
	uint8_t		chunk_id[CS_CHUNK_ID_LEN];
	uint64_t	expiry;
	uint8_t		transport[CS_SECRET_LEN];
	uint8_t		check[8];
} __attribute__((packed));

static void make_check(const struct record *record, uint8_t check[8])
{
	uint8_t hash[CS_FINGERPRINT_LEN] = { 0 };

	EVP_Q_digest(NULL, "SHA256", NULL, record, sizeof(*record) - sizeof(record->check), hash,
		     NULL);
	memcpy(check, hash, 8);
}

/**
 * struct done - an object that is finished
 * @record: must be first, for the tree
 * @next: another one
 */
struct done {
	struct record	record;
	struct done	*next;
};

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, CS_CHUNK_ID_LEN);
}

static void keep(void *node)
{
	(void)node; /* it is in the list, too */
}

/* Its other chunks are still under way. */
static void add_recent(struct cs_get *get, const struct record *record)
{
	struct cs_cipher **place = &get->recent[get->next_recent];

	cs_cipher_free(*place);
	if (cs_cipher_new_blind(place, record->transport))
		*place = NULL;
	get->next_recent = (get->next_recent + 1) % RECENT_MAX;
}

/* Into the tree, if it is not there; 0 or -ENOMEM. */
static int remember(struct cs_get *get, const struct record *record)
{
	struct done *done;

	if (cs_done_has(get, record->chunk_id))
		return 0;
	done = malloc(sizeof(*done));
	if (!done)
		return -ENOMEM;
	done->record = *record;
	if (!tsearch(done, &get->done_tree, compare)) {
		free(done);
		return -ENOMEM;
	}
	done->next = get->done;
	get->done = done;
	get->nr_done++;
	return 0;
}

/**
 * cs_done_has() - is an object finished?
 * @get: what is under way
 * @chunk_id: of its envelope
 */
bool cs_done_has(const struct cs_get *get, const uint8_t chunk_id[CS_CHUNK_ID_LEN])
{
	return tfind(chunk_id, &get->done_tree, compare);
}

/**
 * cs_done_add() - an object is finished; that is on the disk afterwards
 * @get: what is under way
 * @chunk_id: of its envelope
 * @cipher: its keys
 * @expiry: Unix seconds, of its messages
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int cs_done_add(struct cs_get *get, const uint8_t chunk_id[CS_CHUNK_ID_LEN],
		const struct cs_cipher *cipher, uint64_t expiry, struct cs_error *error)
{
	off_t end = lseek(get->done_fd, 0, SEEK_END);
	struct record record;
	int rc;

	if (cs_done_has(get, chunk_id))
		return 0;
	memcpy(record.chunk_id, chunk_id, CS_CHUNK_ID_LEN);
	memcpy(record.transport, cs_cipher_transport(cipher), CS_SECRET_LEN);
	record.expiry = htobe64(expiry);
	make_check(&record, record.check);
	/* a record that was cut off must not shift those that follow */
	if (end % sizeof(record) && ftruncate(get->done_fd, end - end % sizeof(record)))
		return cs_error_set(error, -errno, "done: %s", strerror(errno));
	lseek(get->done_fd, 0, SEEK_END);
	rc = cs_file_write(get->done_fd, &record, sizeof(record));
	if (!rc && fdatasync(get->done_fd))
		rc = -errno;
	if (!rc)
		rc = remember(get, &record);
	if (!rc)
		add_recent(get, &record);
	return rc ? cs_error_set(error, rc, "done: %s", strerror(-rc)) : 0;
}

/* Is it whole, and not long expired? */
static bool is_good(const struct cs_get *get, const struct record *record, ssize_t len)
{
	uint8_t check[8];

	if (len < (ssize_t)sizeof(*record))
		return false;
	make_check(record, check);
	return !memcmp(check, record->check, sizeof(check)) &&
	       be64toh(record->expiry) + ALLOWANCE >= get->now;
}

/* Without what is not good; the old file stays until the new one is whole. */
static int write_anew(struct cs_get *get)
{
	int fd = openat(get->dir, "done.tmp", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), rc = 0;
	struct record record;
	ssize_t n;

	if (fd < 0)
		return -errno;
	lseek(get->done_fd, 0, SEEK_SET);
	while (!rc && (n = read(get->done_fd, &record, sizeof(record))) > 0)
		if (is_good(get, &record, n))
			rc = cs_file_write(fd, &record, sizeof(record));
	if (!rc && (fsync(fd) || renameat(get->dir, "done.tmp", get->dir, "done") ||
		    fsync(get->dir)))
		rc = -errno;
	if (rc) {
		close(fd);
		return rc;
	}
	close(get->done_fd);
	get->done_fd = fd;
	return 0;
}

static int load(struct cs_get *get)
{
	struct record record, last[RECENT_MAX];
	unsigned int i, good = 0;
	bool stale = false;
	ssize_t n = 0;
	int rc = 0;

	while (!rc && (n = read(get->done_fd, &record, sizeof(record))) > 0) {
		if (is_good(get, &record, n)) {
			last[good++ % RECENT_MAX] = record;
			rc = remember(get, &record);
		} else {
			stale = true;
		}
	}
	for (i = good < RECENT_MAX ? 0 : good - RECENT_MAX; i < good; i++)
		add_recent(get, &last[i % RECENT_MAX]);
	if (!rc && n < 0)
		rc = -errno;
	return rc || !stale ? rc : write_anew(get);
}

/**
 * cs_done_open() - read what is finished
 * @get: what is under way; its directory is open
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int cs_done_open(struct cs_get *get, struct cs_error *error)
{
	int rc;

	get->done_fd = openat(get->dir, "done", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	rc = get->done_fd < 0 ? -errno : load(get);
	return rc ? cs_error_set(error, rc, "done: %s", strerror(-rc)) : 0;
}

/**
 * cs_done_close() - forget, in memory
 * @get: what is under way
 */
void cs_done_close(struct cs_get *get)
{
	struct done *done;

	tdestroy(get->done_tree, keep);
	get->done_tree = NULL;
	while (get->done) {
		done = get->done;
		get->done = done->next;
		free(done);
	}
	if (get->done_fd >= 0)
		close(get->done_fd);
	get->done_fd = -1;
}
