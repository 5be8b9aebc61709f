// SPDX-License-Identifier: GPL-2.0
/*
 * The databases of the store, and the transaction on them: LMDB, as the store uses it.
 *
 * One transaction is open from the first call until the next commit; reads are part of it. What
 * fails while it writes has it aborted, as LMDB can't go on with it: what was not committed is
 * lost, and nothing else.
 *
 * Functions that return LMDB's errors leave it to their callers to abort. No cursor stays open over
 * one of these calls: to end a transaction frees its cursors.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/storedb.h"

#define VERSION		3
#define MAP_SPARE	(64u << 20)	/* of address space, for pages between two commits */
#define GRAVE_MOST	1024		/* bytes that a delivered message takes, notice included */

static const char *const names[DB_MAX] = {
	[DB_MESSAGES] = "messages",
	[DB_DIGESTS] = "digests",
	[DB_EXPIRY] = "expiry",
	[DB_GOING] = "going",
	[DB_PEERS] = "peers",
	[DB_CANCELLED] = "cancelled",
	[DB_CANCELEXPIRY] = "cancelexpiry",
	[DB_NOTICES] = "notices",
	[DB_REFS] = "refs",
	[DB_META] = "meta",
};

/* --- Keys --- */

static void put64(uint8_t *to, uint64_t value)
{
	uint64_t big = htobe64(value);

	memcpy(to, &big, sizeof(big));
}

uint64_t storedb_get64(const void *data)
{
	uint64_t big;

	memcpy(&big, data, sizeof(big));
	return be64toh(big);
}

MDB_val storedb_expiry_key(uint8_t key[STOREDB_EXPIRY], uint64_t time, uint64_t number)
{
	put64(key, time);
	put64(key + 8, number);
	return storedb_val(key, STOREDB_EXPIRY);
}

MDB_val storedb_going_key(uint8_t key[STOREDB_GOING], enum storedb_class class,
			  const uint8_t *peer, uint64_t number)
{
	key[0] = class;
	memcpy(key + 1, peer, STORE_PEER_LEN);
	put64(key + 1 + STORE_PEER_LEN, number);
	return storedb_val(key, STOREDB_GOING);
}

MDB_val storedb_cancel_key(uint8_t key[STOREDB_CANCEL], uint64_t time, const uint8_t *digest)
{
	put64(key, time);
	memcpy(key + 8, digest, CS_DIGEST_LEN);
	return storedb_val(key, STOREDB_CANCEL);
}

static uint32_t add_sum(uint32_t sum, const uint8_t *p, size_t len)
{
	while (len--)
		sum = (sum ^ *p++) * 16777619u;
	return sum;
}

/**
 * storedb_sum() - a sum against what a disk gets wrong: FNV-1a (G. Fowler, L. C. Noll, K. Vo)
 * @digest: of the message
 * @data: what is said of it
 * @len: bytes of @data
 *
 * Return: the sum; it differs if any one byte does.
 */
uint32_t storedb_sum(const uint8_t digest[CS_DIGEST_LEN], const void *data, size_t len)
{
	return add_sum(add_sum(2166136261u, digest, CS_DIGEST_LEN), data, len);
}

/* --- Errors --- */

/**
 * storedb_fail() - what an error of LMDB means to a person
 * @store: the store
 * @rc: the error
 * @error: gets the text
 *
 * Return: a negative errno.
 */
int storedb_fail(const struct store *store, int rc, struct cs_error *error)
{
	const char *path = store->file;

	switch (rc) {
	case MDB_MAP_FULL:
		return cs_error_set(error, -ENOSPC, "%s: larger than its quota allows for; what "
				    "it holds has to expire first", path);
	case ENOSPC:
	case EFBIG:
	case EDQUOT:
		return cs_error_set(error, -ENOSPC, "%s: no room left on the disk", path);
	case EIO: /* LMDB's word for a write that was cut short, too */
		return cs_error_set(error, -EIO, "%s: no room left on the disk, or it fails", path);
	case MDB_VERSION_MISMATCH:
		return cs_error_set(error, -EPROTO, "%s: of another version of crowdshared; move "
				    "the store away, the network fills a new one", path);
	case MDB_INCOMPATIBLE:
		return cs_error_set(error, -EPROTO, "%s: not the store of a crowdshared; move it "
				    "away, or name another directory", path);
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_CURSOR_FULL:
	case MDB_NOTFOUND: /* where something must be */
		return cs_error_set(error, -EILSEQ, "%s: damaged (%s); move the store away, the "
				    "network fills a new one", path, mdb_strerror(rc));
	case EOVERFLOW:
	case ENOMEM:
		return cs_error_set(error, -rc, "%s: out of memory, or store.bytes is more than "
				    "this machine can address", path);
	case MDB_PANIC:
		return cs_error_set(error, -EIO, "%s: a write failed for good; restart "
				    "crowdshared", path);
	default:
		return cs_error_set(error, rc > 0 ? -rc : -EIO, "%s: %s", path, mdb_strerror(rc));
	}
}

/**
 * storedb_abort() - give up what was not committed
 * @store: the store
 */
void storedb_abort(struct store *store)
{
	uint64_t refused = store->counters.refused, failed = store->counters.failed;

	if (store->txn)
		mdb_txn_abort(store->txn);
	store->txn = NULL;
	store->next = 0;
	store->aborts++;
	store->counters = store->committed;
	/* these are of calls, not of what is in the store */
	store->counters.refused = refused;
	store->counters.failed = failed;
}

/**
 * storedb_failed() - a call failed: give up what was not committed, and say why
 * @store: the store
 * @rc: LMDB's error
 * @error: gets the text
 *
 * Return: a negative errno.
 */
int storedb_failed(struct store *store, int rc, struct cs_error *error)
{
	store->counters.failed++;
	storedb_abort(store);
	return storedb_fail(store, rc, error);
}

/* --- The transaction --- */

int storedb_begin(struct store *store)
{
	return store->txn ? 0 : mdb_txn_begin(store->env, NULL, 0, &store->txn);
}

/**
 * store_commit() - make lasting what was done since the last time
 * @store: the store
 * @error: gets the reason of a failure
 *
 * Return: 0, or a negative errno; then what was done since is lost, and the store goes on.
 */
int store_commit(struct store *store, struct cs_error *error)
{
	int rc;

	if (!store->txn)
		return 0;
	rc = mdb_txn_commit(store->txn);
	store->txn = NULL;
	if (rc)
		return storedb_failed(store, rc, error);
	store->committed = store->counters;
	return 0;
}

int storedb_get(struct store *store, enum storedb db, MDB_val key, MDB_val *value)
{
	return mdb_get(store->txn, store->dbs[db], &key, value);
}

int storedb_put(struct store *store, enum storedb db, MDB_val key, const void *data, size_t len)
{
	MDB_val value = storedb_val(data, len);

	return mdb_put(store->txn, store->dbs[db], &key, &value, 0);
}

/* Likewise; the key is beyond all others, and pages are filled up. */
int storedb_append(struct store *store, enum storedb db, MDB_val key, const void *data,
		   size_t len)
{
	MDB_val value = storedb_val(data, len);

	return mdb_put(store->txn, store->dbs[db], &key, &value, MDB_APPEND);
}

int storedb_del(struct store *store, enum storedb db, MDB_val key)
{
	return mdb_del(store->txn, store->dbs[db], &key, NULL);
}

static int move(struct store *store, enum storedb db, MDB_cursor_op op, MDB_val *key,
		MDB_val *value)
{
	MDB_cursor *cursor;
	int rc;

	rc = mdb_cursor_open(store->txn, store->dbs[db], &cursor);
	if (rc)
		return rc;
	rc = mdb_cursor_get(cursor, key, value, op);
	mdb_cursor_close(cursor);
	return rc;
}

/* The first entry whose key is not less than @key; MDB_NOTFOUND. */
int storedb_seek(struct store *store, enum storedb db, MDB_val *key, MDB_val *value)
{
	return move(store, db, MDB_SET_RANGE, key, value);
}

int storedb_last(struct store *store, enum storedb db, MDB_val *key)
{
	MDB_val value;

	return move(store, db, MDB_LAST, key, &value);
}

static void stat_of(struct store *store, enum storedb db, MDB_stat *stat)
{
	memset(stat, 0, sizeof(*stat));
	if (!storedb_begin(store))
		mdb_stat(store->txn, store->dbs[db], stat);
}

uint64_t storedb_count(struct store *store, enum storedb db)
{
	MDB_stat stat;

	stat_of(store, db, &stat);
	return stat.ms_entries;
}

/**
 * storedb_bytes() - what messages take on the disk, against the quota
 * @store: the store
 *
 * In pages, of which most are not full: what would be counted else is half of what the disk loses.
 *
 * Return: bytes.
 */
uint64_t storedb_bytes(struct store *store)
{
	uint64_t pages = 0;
	MDB_stat stat;
	int db;

	for (db = DB_MESSAGES; db <= DB_PEERS; db++) {
		stat_of(store, db, &stat);
		pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
	}
	return pages * store->page;
}

/* --- Opening --- */

/* Half as much again as the quota, as pages that were freed are not free at once. */
static uint64_t map_size(const struct store *store)
{
	const struct config_store *config = &store->config;
	uint64_t size = config->bytes + config->bytes / 2 + MAP_SPARE +
			(uint64_t)config->cancelled * GRAVE_MOST;

	return (size + 65535) & ~65535ull;
}

int storedb_open_env(struct store *store)
{
	MDB_stat stat;
	int rc = EOVERFLOW;

	store->map = map_size(store);
	if (store->map > SIZE_MAX / 2)
		return rc;
	rc = mdb_env_create(&store->env);
	if (!rc)
		rc = mdb_env_set_maxdbs(store->env, DB_MAX);
	if (!rc)
		rc = mdb_env_set_mapsize(store->env, store->map);
	if (!rc)
		rc = mdb_env_open(store->env, store->path, 0, 0600);
	if (!rc)
		rc = mdb_env_stat(store->env, &stat);
	if (!rc)
		store->page = stat.ms_psize;
	return rc;
}

/* After the quota was raised; no transaction may be open. */
int storedb_grow(struct store *store)
{
	uint64_t size = map_size(store);
	int rc;

	if (size <= store->map)
		return 0;
	rc = size > SIZE_MAX / 2 ? EOVERFLOW : mdb_env_set_mapsize(store->env, size);
	if (!rc)
		store->map = size;
	return rc;
}

/* Whose is it? MDB_NOTFOUND: nobody's, it is new. */
static int check_version(struct store *store)
{
	MDB_val value;
	MDB_stat stat;
	MDB_dbi all;
	int rc;

	rc = mdb_dbi_open(store->txn, NULL, 0, &all);
	if (!rc)
		rc = mdb_stat(store->txn, all, &stat);
	if (rc)
		return rc;
	rc = mdb_dbi_open(store->txn, names[DB_META], 0, &store->dbs[DB_META]);
	if (rc == MDB_NOTFOUND && stat.ms_entries)
		return MDB_INCOMPATIBLE;
	if (rc)
		return rc;
	if (storedb_get(store, DB_META, storedb_val("version", 7), &value) || value.mv_size != 4)
		return MDB_INCOMPATIBLE;
	memcpy(&rc, value.mv_data, sizeof(rc));
	return rc == (int)htobe32(VERSION) ? 0 : MDB_VERSION_MISMATCH;
}

/* Opens all databases, or makes them. */
int storedb_open_all(struct store *store)
{
	uint32_t version = htobe32(VERSION);
	int db, rc, found;

	rc = storedb_begin(store);
	if (rc)
		return rc;
	found = check_version(store);
	if (found && found != MDB_NOTFOUND)
		return found;
	for (db = 0; !rc && db < DB_MAX; db++)
		rc = mdb_dbi_open(store->txn, names[db], found ? MDB_CREATE : 0, &store->dbs[db]);
	if (!rc && found)
		rc = storedb_put(store, DB_META, storedb_val("version", 7), &version,
				 sizeof(version));
	return rc;
}
