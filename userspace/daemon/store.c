// SPDX-License-Identifier: GPL-2.0
/*
 * The store: verified messages, kept within quotas until they expire or were delivered.
 *
 * An LMDB environment with these databases, all keys big-endian, so that their order is that of
 * time or of the digests:
 *
 *	messages	digest				struct record
 *	bodies		number, counted up		message without its digest
 *	expiry		expiry, number			digest
 *	queue		peer, number			digest of one that may be evicted
 *	peers		peer				weight of its messages
 *	cancelled	digest				expiry, notice
 *	cancelexpiry	expiry, digest			-
 *	meta		"version"			VERSION
 *
 * Bodies lie in the order in which they came. So those of one transaction share pages, which are
 * full, and whoever looks at all messages does not read them: what is to be told of a message is in
 * its record, and the kernel is told not to read ahead. A store on flash is many times as large as
 * the memory of its router.
 *
 * What counts against the quota are the pages that are in use. How they are shared between peers is
 * told by the weight of messages: the part of pages that they take if nothing around them is gone.
 *
 * One transaction is open from the first call until store_commit(); reads are part of it. A kill
 * loses what was not committed, and nothing else: LMDB never overwrites a page that the last
 * commit refers to. The daemon is one thread; a lock on the directory keeps a second one out.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lmdb.h>

#include "daemon/store.h"
#include "lib/message.h"

#define VERSION		2
#define PAGE		4096
#define PAGE_ROOM	4080		/* without its header */
#define NODE_HEAD	18		/* of a body in a page, with its key */
#define NODE_MAX	2038		/* a larger one has pages of its own */
#define OVERHEAD	420		/* bytes that record and indexes take, about */
#define MAP_SPARE	(64u << 20)	/* of address space, for pages in between */
#define TIME_KEY	(8 + CS_DIGEST_LEN)
#define ENDS_KEY	(8 + 8)
#define QUEUE_KEY	(STORE_PEER_LEN + 8)

enum { MESSAGES, BODIES, EXPIRY, QUEUE, PEERS, CANCELLED, CANCELEXPIRY, META, NR_DBS };

static const char *const names[NR_DBS] = {
	"messages", "bodies", "expiry", "queue", "peers", "cancelled", "cancelexpiry", "meta",
};

/**
 * struct record - what is kept of a message besides itself; big-endian
 */
struct record {
	uint64_t	arrived;
	uint64_t	ends;	/* its key in expiry: the configured age may change */
	uint64_t	expiry;
	uint64_t	body;	/* its key in bodies */
	uint8_t		peer[STORE_PEER_LEN];
	uint8_t		destination[CS_ADDR_LEN];
	uint32_t	size;	/* of the whole message */
	uint32_t	contract;
	uint8_t		hops;
	uint8_t		flags;
	uint8_t		reserved[2];
} __attribute__((packed));

/**
 * struct store - the store
 * @env: LMDB's environment
 * @txn: transaction that is open, or NULL
 * @dbs: databases
 * @lock: descriptor that holds the lock
 * @config: quotas
 * @path: directory
 * @body: key of the next body
 * @weight: of all messages
 * @stats: counters; messages, bytes and cancelled are those of @txn
 * @committed: the same as of the last commit
 * @committed_weight: likewise @weight
 * @message: the one that was last asked for, put together
 */
struct store {
	MDB_env			*env;
	MDB_txn			*txn;
	MDB_dbi			dbs[NR_DBS];
	int			lock;
	struct config_store	config;
	char			path[PATH_MAX];
	uint64_t		body;
	uint64_t		weight;
	struct store_stats	stats;
	struct store_stats	committed;
	uint64_t		committed_weight;
	uint8_t			message[sizeof(struct cs_msg_hdr) + CS_SLICE_MAX];
};

/* No peer has this address, which is no node's. */
static const uint8_t first[STORE_PEER_LEN] = { 0xff };

/* --- Keys --- */

static MDB_val val(const void *data, size_t size)
{
	return (MDB_val) { .mv_size = size, .mv_data = (void *)data };
}

static MDB_val time_key(uint8_t key[TIME_KEY], uint64_t time, const uint8_t *digest)
{
	uint64_t big = htobe64(time);

	memcpy(key, &big, 8);
	memcpy(key + 8, digest, CS_DIGEST_LEN);
	return val(key, TIME_KEY);
}

static MDB_val ends_key(uint8_t key[ENDS_KEY], const struct record *record)
{
	memcpy(key, &record->ends, 8);
	memcpy(key + 8, &record->body, 8);
	return val(key, ENDS_KEY);
}

/*
 * Where a message waits for its eviction: with those of its peer, what this node sent and was
 * delivered before all others. Of no length if it can still be earned: it does not wait.
 */
static MDB_val queue_key(uint8_t key[QUEUE_KEY], const struct record *record)
{
	const uint8_t spent = STORE_OWN | STORE_DELIVERED;

	memcpy(key, (record->flags & spent) == spent ? first : record->peer, STORE_PEER_LEN);
	memcpy(key + STORE_PEER_LEN, &record->body, 8);
	return val(key, record->flags & STORE_EARNS ? 0 : QUEUE_KEY);
}

static uint64_t get_time(const void *data)
{
	uint64_t big;

	memcpy(&big, data, sizeof(big));
	return be64toh(big);
}

/* What a message takes of the disk, if its neighbours do not leave before it. */
static uint64_t weight_of(const struct store_item *item)
{
	uint64_t node = NODE_HEAD + item->size - CS_DIGEST_LEN;
	uint64_t body = node <= NODE_MAX ? PAGE / (PAGE_ROOM / node) :
					   (item->size + PAGE - 1) / PAGE * PAGE;

	return body + OVERHEAD;
}

/* --- Transactions --- */

/* LMDB's errors are errno, or negative numbers of its own. */
static int fail(const struct store *store, int rc, struct cs_error *error)
{
	if (rc == MDB_MAP_FULL || rc == ENOSPC || rc == EFBIG)
		return cs_error_set(error, -ENOSPC, "%s: no room left on the disk, or in the map",
				    store->path);
	if (rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_INVALID ||
	    rc == MDB_BAD_TXN || rc == MDB_PANIC)
		return cs_error_set(error, -EILSEQ,
				    "%s: damaged (%s); move it away, the network fills a new one",
				    store->path, mdb_strerror(rc));
	return cs_error_set(error, rc > 0 ? -rc : -EIO, "%s: %s", store->path, mdb_strerror(rc));
}

static int begin(struct store *store)
{
	return store->txn ? 0 : mdb_txn_begin(store->env, NULL, 0, &store->txn);
}

/* What was not committed is lost: reconciliation brings it back. */
static void abort_txn(struct store *store)
{
	if (store->txn)
		mdb_txn_abort(store->txn);
	store->txn = NULL;
	store->weight = store->committed_weight;
	store->stats.messages = store->committed.messages;
	store->stats.bytes = store->committed.bytes;
	store->stats.cancelled = store->committed.cancelled;
}

/* Counts the pages that are in use. */
static uint64_t used(struct store *store)
{
	uint64_t bytes = 0;
	MDB_stat stat;
	int i;

	if (!store->txn)
		return store->stats.bytes;
	for (i = 0; i < NR_DBS; i++)
		if (!mdb_stat(store->txn, store->dbs[i], &stat))
			bytes += stat.ms_psize * (uint64_t)(stat.ms_branch_pages +
							    stat.ms_leaf_pages +
							    stat.ms_overflow_pages);
	store->stats.bytes = bytes;
	return bytes;
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
	used(store);
	rc = mdb_txn_commit(store->txn);
	store->txn = NULL;
	if (rc) {
		abort_txn(store);
		store->stats.failed++;
		return fail(store, rc, error);
	}
	store->committed = store->stats;
	store->committed_weight = store->weight;
	return 0;
}

static int put(struct store *store, int db, MDB_val key, const void *data, size_t len)
{
	MDB_val value = val(data, len);

	return mdb_put(store->txn, store->dbs[db], &key, &value, 0);
}

static int del(struct store *store, int db, MDB_val key)
{
	int rc = mdb_del(store->txn, store->dbs[db], &key, NULL);

	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* --- Messages --- */

/* All but the message itself; @record may be NULL. */
static int unpack(const MDB_val *key, const MDB_val *value, struct store_item *item,
		  struct record *copy)
{
	struct record record;

	if (key->mv_size != CS_DIGEST_LEN || value->mv_size != sizeof(record))
		return MDB_CORRUPTED;
	memcpy(&record, value->mv_data, sizeof(record));
	memset(item, 0, sizeof(*item));
	memcpy(item->digest, key->mv_data, CS_DIGEST_LEN);
	memcpy(item->destination, record.destination, CS_ADDR_LEN);
	memcpy(item->peer, record.peer, STORE_PEER_LEN);
	item->expiry = be64toh(record.expiry);
	item->arrived = be64toh(record.arrived);
	item->contract = be32toh(record.contract);
	item->hops = record.hops;
	item->flags = record.flags;
	item->size = be32toh(record.size);
	if (copy)
		*copy = record;
	return item->size >= sizeof(struct cs_msg_hdr) &&
	       item->size <= sizeof(((struct store *)NULL)->message) ? 0 : MDB_CORRUPTED;
}

static int look(struct store *store, const uint8_t *digest, struct store_item *item,
		struct record *record)
{
	MDB_val key = val(digest, CS_DIGEST_LEN), value;
	int rc = begin(store);

	if (!rc)
		rc = mdb_get(store->txn, store->dbs[MESSAGES], &key, &value);
	return rc ? rc : unpack(&key, &value, item, record);
}

/* The message that belongs to a record. */
static int read_body(struct store *store, const struct record *record, struct store_item *item)
{
	MDB_val key = val(&record->body, sizeof(record->body)), value;
	int rc = mdb_get(store->txn, store->dbs[BODIES], &key, &value);

	if (rc || value.mv_size != item->size - CS_DIGEST_LEN)
		return MDB_CORRUPTED;
	memcpy(store->message, item->digest, CS_DIGEST_LEN);
	memcpy(store->message + CS_DIGEST_LEN, value.mv_data, value.mv_size);
	item->message = store->message;
	return 0;
}

static uint64_t peer_weight(struct store *store, const uint8_t *peer)
{
	MDB_val key = val(peer, STORE_PEER_LEN), value;

	if (mdb_get(store->txn, store->dbs[PEERS], &key, &value) || value.mv_size != 8)
		return 0;
	return get_time(value.mv_data);
}

/* A message of @peer came, or with @gone went. */
static int weigh(struct store *store, const uint8_t *peer, uint64_t weight, bool gone)
{
	uint64_t had = peer_weight(store, peer), big;

	if (gone && weight > had)
		weight = had;
	store->weight += gone ? -weight : weight;
	big = htobe64(gone ? had - weight : had + weight);
	return big ? put(store, PEERS, val(peer, STORE_PEER_LEN), &big, sizeof(big)) :
		     del(store, PEERS, val(peer, STORE_PEER_LEN));
}

static int queue_item(struct store *store, const struct record *record, const uint8_t *digest)
{
	uint8_t buffer[QUEUE_KEY];
	MDB_val key = queue_key(buffer, record);

	return key.mv_size ? put(store, QUEUE, key, digest, CS_DIGEST_LEN) : 0;
}

static int unqueue_item(struct store *store, const struct record *record)
{
	uint8_t buffer[QUEUE_KEY];
	MDB_val key = queue_key(buffer, record);

	return key.mv_size ? del(store, QUEUE, key) : 0;
}

static int remove_item(struct store *store, const struct store_item *found)
{
	struct store_item item;
	uint8_t key[ENDS_KEY];
	struct record record;
	int rc;

	rc = look(store, found->digest, &item, &record);
	if (!rc)
		rc = del(store, EXPIRY, ends_key(key, &record));
	if (!rc)
		rc = unqueue_item(store, &record);
	if (!rc)
		rc = del(store, BODIES, val(&record.body, sizeof(record.body)));
	if (!rc)
		rc = weigh(store, item.peer, weight_of(&item), true);
	if (!rc)
		rc = del(store, MESSAGES, val(item.digest, CS_DIGEST_LEN));
	if (rc)
		return rc;
	store->stats.messages--;
	return 0;
}

/* When a message ceases to be kept. */
static uint64_t ends(const struct store *store, const struct store_item *item)
{
	uint64_t aged = item->arrived + store->config.age;

	return aged < item->expiry ? aged : item->expiry;
}

static int insert_body(struct store *store, const struct store_item *item, uint64_t body)
{
	MDB_val key = val(&body, sizeof(body));
	MDB_val value = val(item->message + CS_DIGEST_LEN, item->size - CS_DIGEST_LEN);

	return mdb_put(store->txn, store->dbs[BODIES], &key, &value, MDB_APPEND);
}

static int insert_item(struct store *store, const struct store_item *item)
{
	struct record record = {
		.arrived = htobe64(item->arrived),
		.ends = htobe64(ends(store, item)),
		.expiry = htobe64(item->expiry),
		.body = htobe64(store->body++),
		.size = htobe32(item->size),
		.contract = htobe32(item->contract),
		.hops = item->hops,
		.flags = item->flags,
	};
	uint8_t key[ENDS_KEY];
	int rc;

	memcpy(record.peer, item->peer, STORE_PEER_LEN);
	memcpy(record.destination, item->destination, CS_ADDR_LEN);
	rc = put(store, MESSAGES, val(item->digest, CS_DIGEST_LEN), &record, sizeof(record));
	if (!rc)
		rc = insert_body(store, item, record.body);
	if (!rc)
		rc = put(store, EXPIRY, ends_key(key, &record), item->digest, CS_DIGEST_LEN);
	if (!rc)
		rc = queue_item(store, &record, item->digest);
	if (!rc)
		rc = weigh(store, item->peer, weight_of(item), false);
	if (rc)
		return rc;
	store->stats.messages++;
	return 0;
}

/* --- Who goes first --- */

/* Of the messages of a peer, the oldest that may go; 0 or MDB_NOTFOUND. */
static int oldest(struct store *store, const uint8_t *peer, struct store_item *item)
{
	MDB_val key = val(peer, STORE_PEER_LEN), value;
	MDB_cursor *cursor;
	int rc;

	rc = mdb_cursor_open(store->txn, store->dbs[QUEUE], &cursor);
	if (rc)
		return rc;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	if (!rc && (key.mv_size != QUEUE_KEY || memcmp(key.mv_data, peer, STORE_PEER_LEN)))
		rc = MDB_NOTFOUND;
	if (!rc)
		rc = value.mv_size == CS_DIGEST_LEN ? look(store, value.mv_data, item, NULL) :
						      MDB_CORRUPTED;
	mdb_cursor_close(cursor);
	return rc;
}

/* Asked for when the store is full: of what it holds. */
static uint64_t share(const struct store *store)
{
	return store->weight / 100 * store->config.share;
}

/* The peer that is furthest beyond its share; false: none is. */
static bool greediest(struct store *store, uint8_t peer[STORE_PEER_LEN])
{
	static const uint8_t own[STORE_PEER_LEN];
	uint64_t most = share(store);
	MDB_cursor *cursor;
	MDB_val key, value;
	bool found = false;

	if (mdb_cursor_open(store->txn, store->dbs[PEERS], &cursor))
		return false;
	while (!mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
		if (key.mv_size != STORE_PEER_LEN || value.mv_size != 8 ||
		    !memcmp(key.mv_data, own, STORE_PEER_LEN) || get_time(value.mv_data) <= most)
			continue;
		most = get_time(value.mv_data);
		memcpy(peer, key.mv_data, STORE_PEER_LEN);
		found = true;
	}
	mdb_cursor_close(cursor);
	return found;
}

/* The next message to go for a newcomer of @peer. */
static int victim(struct store *store, const struct store_item *newcomer, struct store_item *item)
{
	static const uint8_t own[STORE_PEER_LEN];
	uint8_t greedy[STORE_PEER_LEN];

	if (!oldest(store, first, item))
		return 0;
	if (memcmp(newcomer->peer, own, STORE_PEER_LEN) &&
	    peer_weight(store, newcomer->peer) + weight_of(newcomer) > share(store))
		return oldest(store, newcomer->peer, item);
	return greediest(store, greedy) ? oldest(store, greedy, item) : MDB_NOTFOUND;
}

static int make_room(struct store *store, const struct store_item *newcomer, uint64_t now)
{
	struct store_item item;
	int rc;

	if (used(store) + weight_of(newcomer) <= store->config.bytes)
		return 0;
	store_expire(store, now);
	while (used(store) + weight_of(newcomer) > store->config.bytes) {
		rc = victim(store, newcomer, &item);
		if (!rc)
			rc = remove_item(store, &item);
		if (rc)
			return rc;
		store->stats.evicted++;
	}
	return 0;
}

/**
 * store_expire() - drop what has expired, or is older than the configured age
 * @store: the store
 * @now: Unix seconds
 *
 * Return: number of messages dropped.
 */
unsigned int store_expire(struct store *store, uint64_t now)
{
	struct store_item item;
	unsigned int dropped = 0;
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc;

	if (begin(store))
		return 0;
	/* the cursor does not outlive a deletion by another one: the first is looked for anew */
	for (;;) {
		if (mdb_cursor_open(store->txn, store->dbs[EXPIRY], &cursor))
			return dropped;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
		if (!rc)
			rc = key.mv_size != ENDS_KEY || value.mv_size != CS_DIGEST_LEN ||
			     get_time(key.mv_data) > now ? MDB_NOTFOUND :
			     look(store, value.mv_data, &item, NULL);
		mdb_cursor_close(cursor);
		if (rc || remove_item(store, &item))
			break;
		dropped++;
	}
	for (;;) {
		if (mdb_cursor_open(store->txn, store->dbs[CANCELEXPIRY], &cursor))
			break;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
		rc = rc || key.mv_size != TIME_KEY || get_time(key.mv_data) > now ||
		     store_uncancel(store, (uint8_t *)key.mv_data + 8);
		mdb_cursor_close(cursor);
		if (rc)
			break;
	}
	store->stats.expired += dropped;
	return dropped;
}

/* --- Adding, finding --- */

static enum store_result failed(struct store *store, int rc, struct cs_error *error)
{
	store->stats.failed++;
	fail(store, rc, error);
	/* a write that failed leaves the transaction unusable */
	abort_txn(store);
	return STORE_FAILED;
}

/**
 * store_add() - keep a message
 * @store: the store
 * @item: the message; whoever adds it has verified it
 * @now: Unix seconds
 * @error: gets the reason when it failed
 *
 * Return: what became of it.
 */
enum store_result store_add(struct store *store, const struct store_item *item, uint64_t now,
			    struct cs_error *error)
{
	MDB_val key = val(item->digest, CS_DIGEST_LEN), value;
	int rc = begin(store);

	if (rc)
		return failed(store, rc, error);
	if (ends(store, item) <= now)
		return STORE_EXPIRED;
	if (!mdb_get(store->txn, store->dbs[CANCELLED], &key, &value))
		return STORE_CANCELLED;
	if (!mdb_get(store->txn, store->dbs[MESSAGES], &key, &value))
		return STORE_KNOWN;
	rc = make_room(store, item, now);
	if (rc == MDB_NOTFOUND) {
		store->stats.refused++;
		return STORE_FULL;
	}
	if (!rc)
		rc = insert_item(store, item);
	if (rc)
		return failed(store, rc, error);
	store->stats.added++;
	return STORE_ADDED;
}

/**
 * store_get() - a message by its digest
 * @store: the store
 * @digest: the digest
 * @item: gets it; its message is valid until the next call
 *
 * Return: 0 or -ENOENT.
 */
int store_get(struct store *store, const uint8_t digest[CS_DIGEST_LEN], struct store_item *item)
{
	struct record record;

	return look(store, digest, item, &record) || read_body(store, &record, item) ? -ENOENT : 0;
}

/**
 * store_has() - is a message held?
 * @store: the store
 * @digest: its digest
 *
 * Return: whether it is.
 */
bool store_has(struct store *store, const uint8_t digest[CS_DIGEST_LEN])
{
	struct store_item item;

	return !look(store, digest, &item, NULL);
}

/* The first key of a database that begins with @prefix. */
static int find_prefix(struct store *store, int db, const uint8_t *prefix, MDB_val *key,
		       MDB_val *value)
{
	MDB_cursor *cursor;
	int rc = begin(store);

	if (rc || mdb_cursor_open(store->txn, store->dbs[db], &cursor))
		return -ENOENT;
	*key = val(prefix, CS_SEEN_KEY_LEN);
	rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
	mdb_cursor_close(cursor);
	return rc || key->mv_size != CS_DIGEST_LEN ||
	       memcmp(key->mv_data, prefix, CS_SEEN_KEY_LEN) ? -ENOENT : 0;
}

/**
 * store_find() - a message by the beginning of its digest
 * @store: the store
 * @prefix: CS_SEEN_KEY_LEN bytes
 * @item: gets it
 *
 * Return: 0 or -ENOENT.
 */
int store_find(struct store *store, const uint8_t prefix[CS_SEEN_KEY_LEN],
	       struct store_item *item)
{
	struct record record;
	MDB_val key, value;

	if (find_prefix(store, MESSAGES, prefix, &key, &value))
		return -ENOENT;
	return unpack(&key, &value, item, &record) || read_body(store, &record, item) ? -ENOENT :
											0;
}

/**
 * store_flag() - change what is known of a message
 * @store: the store
 * @digest: of the message
 * @set: enum store_flag
 * @clear: likewise
 *
 * Return: 0 or -ENOENT.
 */
int store_flag(struct store *store, const uint8_t digest[CS_DIGEST_LEN], uint8_t set,
	       uint8_t clear)
{
	struct store_item item;
	struct record record;
	int rc;

	if (look(store, digest, &item, &record))
		return -ENOENT;
	rc = unqueue_item(store, &record);
	record.flags = (record.flags | set) & ~clear;
	if (!rc)
		rc = queue_item(store, &record, digest);
	if (!rc)
		rc = put(store, MESSAGES, val(digest, CS_DIGEST_LEN), &record, sizeof(record));
	if (rc)
		failed(store, rc, NULL);
	return rc ? -EIO : 0;
}

/**
 * store_del() - drop a message
 * @store: the store
 * @digest: of the message
 *
 * Return: 0, -ENOENT or -EIO.
 */
int store_del(struct store *store, const uint8_t digest[CS_DIGEST_LEN])
{
	struct store_item item;
	int rc;

	if (look(store, digest, &item, NULL))
		return -ENOENT;
	rc = remove_item(store, &item);
	if (rc)
		failed(store, rc, NULL);
	return rc ? -EIO : 0;
}

/**
 * store_each() - look at all messages, in the order of their digests
 * @store: the store
 * @cb: called for each, without the message itself; it must not change the store; what it returns,
 *	if not 0, ends it
 * @data: for @cb
 *
 * Return: 0, what @cb returned, or -EIO.
 */
int store_each(struct store *store, store_cb cb, void *data)
{
	struct store_item item;
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = begin(store);

	if (rc || mdb_cursor_open(store->txn, store->dbs[MESSAGES], &cursor))
		return -EIO;
	while (!(rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
		rc = unpack(&key, &value, &item, NULL) ? -EIO : cb(&item, data);
		if (rc)
			break;
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/**
 * store_would_fit() - is there room for what a peer offers?
 * @store: the store
 * @bytes: of messages
 * @peer: who would give them
 * @now: Unix seconds
 *
 * Counts what is free after the expired have gone, and what other peers hold beyond their share.
 *
 * Return: whether there is.
 */
bool store_would_fit(struct store *store, uint64_t bytes, const uint8_t peer[STORE_PEER_LEN],
		     uint64_t now)
{
	uint8_t greedy[STORE_PEER_LEN];

	store_expire(store, now);
	if (begin(store))
		return false;
	if (used(store) + bytes <= store->config.bytes)
		return true;
	return peer_weight(store, peer) + bytes <= share(store) && greediest(store, greedy) &&
	       memcmp(greedy, peer, STORE_PEER_LEN);
}

/* --- Messages that were delivered --- */

/**
 * store_uncancel() - forget that a message was said to be delivered
 * @store: the store
 * @prefix: beginning of its digest
 *
 * Return: 0, -ENOENT or -EIO.
 */
int store_uncancel(struct store *store, const uint8_t prefix[CS_SEEN_KEY_LEN])
{
	uint8_t digest[CS_DIGEST_LEN], key[TIME_KEY];
	MDB_val found, value;
	int rc;

	if (find_prefix(store, CANCELLED, prefix, &found, &value) || value.mv_size < 8)
		return -ENOENT;
	memcpy(digest, found.mv_data, CS_DIGEST_LEN);
	rc = del(store, CANCELEXPIRY, time_key(key, get_time(value.mv_data), digest));
	if (!rc)
		rc = del(store, CANCELLED, val(digest, CS_DIGEST_LEN));
	if (rc) {
		failed(store, rc, NULL);
		return -EIO;
	}
	store->stats.cancelled--;
	return 0;
}

/* Room for one more: those go first that expire first. */
static int trim_cancelled(struct store *store)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = 0;

	while (!rc && store->stats.cancelled >= store->config.cancelled) {
		if (mdb_cursor_open(store->txn, store->dbs[CANCELEXPIRY], &cursor))
			return -EIO;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
		if (!rc)
			rc = store_uncancel(store, (uint8_t *)key.mv_data + 8);
		mdb_cursor_close(cursor);
	}
	return rc;
}

/**
 * store_cancel() - a message was delivered
 * @store: the store
 * @digest: of the message; dropped if held, unless it is for this node
 * @expiry: until when it is remembered, Unix seconds
 * @notice: who says so; kept with it
 * @len: its bytes
 *
 * Return: 0, or -EIO.
 */
int store_cancel(struct store *store, const uint8_t digest[CS_DIGEST_LEN], uint64_t expiry,
		 const void *notice, size_t len)
{
	uint64_t big = htobe64(expiry);
	uint8_t key[TIME_KEY], *value;
	struct store_item item;
	int rc;

	if (!look(store, digest, &item, NULL)) {
		if (item.flags & STORE_LOCAL)
			store_flag(store, digest, STORE_DELIVERED, 0);
		else
			store_del(store, digest);
	}
	store_uncancel(store, digest);
	value = malloc(8 + len);
	if (!value || begin(store) || trim_cancelled(store)) {
		free(value);
		return -EIO;
	}
	memcpy(value, &big, 8);
	memcpy(value + 8, notice, len);
	rc = put(store, CANCELLED, val(digest, CS_DIGEST_LEN), value, 8 + len);
	free(value);
	if (!rc)
		rc = put(store, CANCELEXPIRY, time_key(key, expiry, digest), "", 0);
	if (rc) {
		failed(store, rc, NULL);
		return -EIO;
	}
	store->stats.cancelled++;
	return 0;
}

/**
 * store_cancelled() - was a message delivered?
 * @store: the store
 * @prefix: beginning of its digest
 * @notice: gets who said so; valid until the next call
 * @len: gets its bytes
 *
 * Return: 0 it was, -ENOENT.
 */
int store_cancelled(struct store *store, const uint8_t prefix[CS_SEEN_KEY_LEN],
		    const void **notice, size_t *len)
{
	MDB_val key, value;

	if (find_prefix(store, CANCELLED, prefix, &key, &value) || value.mv_size < 8)
		return -ENOENT;
	*notice = (const uint8_t *)value.mv_data + 8;
	*len = value.mv_size - 8;
	return 0;
}

/* --- Opening, checking --- */

/**
 * struct check - what check_one() looks at
 * @store: the store
 * @checked: messages so far
 */
struct check {
	struct store	*store;
	uint64_t	checked;
};

static int check_one(const struct store_item *item, void *data)
{
	const struct cs_msg_hdr *hdr;
	uint8_t digest[CS_DIGEST_LEN];
	struct check *check = data;
	struct store_item whole;

	if (store_get(check->store, item->digest, &whole))
		return -EILSEQ;
	hdr = (const struct cs_msg_hdr *)whole.message;
	if (whole.size != sizeof(*hdr) + be16toh(hdr->length) ||
	    whole.expiry != be64toh(hdr->expiry) ||
	    memcmp(whole.destination, hdr->destination, CS_ADDR_LEN) ||
	    cs_sha512(hdr->destination, whole.size - CS_DIGEST_LEN, digest) ||
	    memcmp(digest, item->digest, CS_DIGEST_LEN))
		return -EILSEQ;
	check->checked++;
	return 0;
}

/**
 * store_check() - walk all of it, and verify each message
 * @store: the store
 * @checked: gets their number
 * @error: gets what is damaged
 *
 * Return: 0 or -EILSEQ.
 */
int store_check(struct store *store, uint64_t *checked, struct cs_error *error)
{
	struct check check = { .store = store };
	int rc = store_each(store, check_one, &check);
	MDB_stat bodies;

	*checked = check.checked;
	if (rc)
		return cs_error_set(error, -EILSEQ,
				    "%s: message %llu is damaged; move the store away",
				    store->path, (unsigned long long)*checked + 1);
	if (mdb_stat(store->txn, store->dbs[BODIES], &bodies) || bodies.ms_entries != *checked)
		return cs_error_set(error, -EILSEQ,
				    "%s: messages and records differ in number; move the store "
				    "away", store->path);
	return 0;
}

static int open_env(struct store *store, unsigned int flags)
{
	uint64_t size = store->config.bytes + store->config.bytes / 2 + MAP_SPARE;
	char path[PATH_MAX + 16];
	int rc;

	rc = mdb_env_create(&store->env);
	if (rc)
		return rc;
	mdb_env_set_maxdbs(store->env, NR_DBS);
	mdb_env_set_mapsize(store->env, (size + 4095) & ~4095ull);
	snprintf(path, sizeof(path), "%s", store->path);
	rc = mdb_env_open(store->env, path, flags, 0600);
	return rc;
}

static int open_dbs(struct store *store, unsigned int flags)
{
	int i, rc = 0;

	for (i = 0; !rc && i < NR_DBS; i++)
		rc = mdb_dbi_open(store->txn, names[i], flags, &store->dbs[i]);
	return rc;
}

/* Walks each database; touches all pages but those in the middle of messages. */
static int walk(struct store *store)
{
	volatile uint8_t sink;
	MDB_cursor *cursor;
	MDB_val key, value;
	int i, rc = 0;

	for (i = 0; !rc && i < NR_DBS; i++) {
		rc = mdb_cursor_open(store->txn, store->dbs[i], &cursor);
		while (!rc && !(rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)))
			if (value.mv_size)
				sink = ((uint8_t *)value.mv_data)[value.mv_size - 1];
		if (rc != MDB_NOTFOUND)
			return rc;
		mdb_cursor_close(cursor);
		rc = 0;
	}
	(void)sink;
	return 0;
}

/* In a child: LMDB trusts its pages, and may crash on damaged ones. */
static int try_in_child(struct store *store)
{
	int status = -1, rc;
	pid_t pid = fork();

	if (pid < 0)
		return errno;
	if (!pid) {
		rc = open_env(store, MDB_RDONLY);
		if (!rc)
			rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->txn);
		if (!rc)
			rc = open_dbs(store, 0);
		_exit(rc || walk(store) ? 1 : 0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status ? MDB_CORRUPTED : 0;
}

static int check_version(struct store *store)
{
	MDB_val key = val("version", 7), value;
	uint32_t version = htobe32(VERSION);
	int rc;

	rc = mdb_get(store->txn, store->dbs[META], &key, &value);
	if (rc == MDB_NOTFOUND)
		return put(store, META, key, &version, sizeof(version));
	if (rc)
		return rc;
	return value.mv_size == sizeof(version) &&
	       !memcmp(value.mv_data, &version, sizeof(version)) ? 0 : MDB_VERSION_MISMATCH;
}

/* Bodies are counted up from the last one that is there. */
static int last_body(struct store *store)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(store->txn, store->dbs[BODIES], &cursor);

	if (rc)
		return rc;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	if (!rc)
		store->body = get_time(key.mv_data) + 1;
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* What the store holds is counted by its databases. */
static int count(struct store *store)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	MDB_stat stat;
	int rc;

	rc = last_body(store);
	if (!rc)
		rc = mdb_stat(store->txn, store->dbs[MESSAGES], &stat);
	store->stats.messages = stat.ms_entries;
	if (!rc)
		rc = mdb_stat(store->txn, store->dbs[CANCELLED], &stat);
	store->stats.cancelled = stat.ms_entries;
	if (!rc)
		rc = mdb_cursor_open(store->txn, store->dbs[PEERS], &cursor);
	if (rc)
		return rc;
	while (!mdb_cursor_get(cursor, &key, &value, MDB_NEXT))
		if (value.mv_size == 8)
			store->weight += get_time(value.mv_data);
	mdb_cursor_close(cursor);
	used(store);
	store->committed = store->stats;
	store->committed_weight = store->weight;
	return 0;
}

static int lock(struct store *store, struct cs_error *error)
{
	char path[PATH_MAX + 16];

	if (mkdir(store->path, 0700) && errno != EEXIST)
		return cs_error_set(error, -errno, "%s: %s", store->path, strerror(errno));
	snprintf(path, sizeof(path), "%s/lock", store->path);
	store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (store->lock < 0)
		return cs_error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (flock(store->lock, LOCK_EX | LOCK_NB))
		return cs_error_set(error, -EBUSY, "%s: another crowdshared uses this store",
				    store->path);
	return 0;
}

static int open_locked(struct store *store, struct cs_error *error)
{
	char path[PATH_MAX + 16];
	int rc = 0;

	snprintf(path, sizeof(path), "%s/data.mdb", store->path);
	if (!access(path, F_OK))
		rc = try_in_child(store);
	if (!rc)
		rc = open_env(store, MDB_NORDAHEAD);
	if (!rc)
		rc = begin(store);
	if (!rc)
		rc = open_dbs(store, MDB_CREATE);
	if (!rc)
		rc = check_version(store);
	if (!rc)
		rc = count(store);
	return rc ? fail(store, rc, error) : store_commit(store, error);
}

/**
 * store_open() - open the store, or make it
 * @result: gets it
 * @config: quotas and where it is
 * @error: gets the reason of a failure
 *
 * A store that is damaged is left as it is.
 *
 * Return: 0 or a negative errno.
 */
int store_open(struct store **result, const struct config_store *config, struct cs_error *error)
{
	struct store *store = calloc(1, sizeof(*store));
	int rc;

	if (!store)
		return cs_error_set(error, -ENOMEM, "out of memory");
	store->lock = -1;
	store->config = *config;
	snprintf(store->path, sizeof(store->path), "%s", config->path);
	rc = lock(store, error);
	if (!rc)
		rc = open_locked(store, error);
	if (rc) {
		store_close(store);
		return rc;
	}
	*result = store;
	return 0;
}

/**
 * store_close() - commit, and close the store
 * @store: the store
 */
void store_close(struct store *store)
{
	store_commit(store, NULL);
	if (store->env)
		mdb_env_close(store->env);
	if (store->lock >= 0)
		close(store->lock);
	free(store);
}

/**
 * store_configure() - new quotas; where the store is does not change
 * @store: the store
 * @config: the quotas
 *
 * What is beyond a smaller quota goes when something new comes. A larger one is bounded by the map,
 * which is as large as the quota with which the store was opened, and half of it.
 */
void store_configure(struct store *store, const struct config_store *config)
{
	store->config = *config;
}

/**
 * store_stats() - counters and gauges
 * @store: the store
 * @stats: gets them
 */
void store_stats(struct store *store, struct store_stats *stats)
{
	used(store);
	*stats = store->stats;
	stats->quota = store->config.bytes;
}
