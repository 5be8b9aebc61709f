// SPDX-License-Identifier: GPL-2.0
/*
 * The store: verified messages, kept within quotas until they expire or were delivered.
 *
 * It is an environment of LMDB; storedb.h says which databases it has. A kill loses what was not
 * committed, and nothing else: LMDB never overwrites a page that the last commit refers to. The
 * daemon is one thread; a lock on the directory keeps a second one out.
 *
 * The quota is of what the messages take on the disk, in pages. Who has how much of it is counted
 * by what a message takes about (store_cost()), and is compared with the sum of these. When there
 * is no room for one more, those go that have expired; then own copies known to be delivered; then
 * the oldest of a peer that has more than its share: of the one that gives the message, or else of
 * the one that is furthest beyond. What may still earn something never goes, nor does what is
 * within a share: the new one is refused.
 *
 * Before a store is opened its file is looked at (storefile.c), and what is in it (storecheck.c).
 * Tombstones of what was delivered are in storecancel.c.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/storedb.h"
#include "daemon/storefile.h"

#define PAGE_HEAD	16	/* of LMDB's pages, at most */
#define NODE_HEAD	10	/* of LMDB's nodes, with the page's offset of it */
#define INDEX_COST	320	/* bytes that the entries of a message in the indexes take, about */
#define SPLIT_PAGES	4	/* that one more entry in each index may take, hardly ever */

static const uint8_t own[STORE_PEER_LEN];

/* --- What a message takes --- */

/* Pages of its own, 0: it shares one. */
static uint64_t own_pages(const struct store *store, uint64_t size)
{
	uint64_t most = (store->page - PAGE_HEAD) / 2 - NODE_HEAD;

	return size + STOREDB_NUMBER <= most ? 0 : (PAGE_HEAD + size - 1) / store->page + 1;
}

/**
 * store_cost() - what a message takes on the disk, about, with its share of the indexes
 * @store: the store
 * @size: bytes of the message
 *
 * Return: bytes.
 */
uint64_t store_cost(const struct store *store, uint64_t size)
{
	uint64_t pages = own_pages(store, size), node = NODE_HEAD + STOREDB_NUMBER + size;

	if (pages)
		return pages * store->page + INDEX_COST;
	return store->page / ((store->page - PAGE_HEAD) / node) + INDEX_COST;
}

/* --- Messages --- */

enum storedb_class storedb_class(uint8_t flags)
{
	const uint8_t done = STORE_OWN | STORE_DELIVERED;

	if (flags & STORE_EARNS)
		return CLASS_NEVER;
	return (flags & done) == done ? CLASS_FIRST : CLASS_SHARE;
}

static void unpack(const uint8_t *digest, const struct storedb_record *record,
		   struct store_item *item)
{
	memset(item, 0, sizeof(*item));
	memcpy(item->digest, digest, CS_DIGEST_LEN);
	memcpy(item->destination, record->destination, CS_ADDR_LEN);
	memcpy(item->peer, record->peer, STORE_PEER_LEN);
	item->expiry = be64toh(record->expiry);
	item->arrived = be64toh(record->arrived);
	item->contract = be32toh(record->contract);
	item->hops = record->hops;
	item->flags = record->flags;
	item->size = be32toh(record->size);
}

/* The record of a digest, or of the first one that is not less. */
static int find_record(struct store *store, MDB_val *key, struct storedb_record *record)
{
	MDB_val value;
	int rc = storedb_begin(store);

	if (!rc)
		rc = storedb_seek(store, DB_DIGESTS, key, &value);
	if (rc)
		return rc;
	if (key->mv_size != CS_DIGEST_LEN || value.mv_size != sizeof(*record))
		return MDB_CORRUPTED;
	memcpy(record, value.mv_data, sizeof(*record));
	return 0;
}

static int get_record(struct store *store, const uint8_t *digest, struct storedb_record *record)
{
	MDB_val key = storedb_val(digest, CS_DIGEST_LEN);
	int rc = find_record(store, &key, record);

	return rc || !memcmp(key.mv_data, digest, CS_DIGEST_LEN) ? rc : MDB_NOTFOUND;
}

static int get_message(struct store *store, const struct storedb_record *record,
		       struct store_item *item)
{
	MDB_val value;
	int rc;

	rc = storedb_get(store, DB_MESSAGES, storedb_val(&record->number, STOREDB_NUMBER), &value);
	if (rc)
		return rc;
	item->message = value.mv_data;
	return value.mv_size == item->size ? 0 : MDB_CORRUPTED;
}

/* The message of a number that is in an index, and its record. */
int storedb_message(struct store *store, uint64_t number, struct store_item *item,
		    struct storedb_record *record)
{
	uint64_t big = htobe64(number);
	MDB_val value;
	int rc;

	rc = storedb_get(store, DB_MESSAGES, storedb_val(&big, sizeof(big)), &value);
	if (!rc && value.mv_size < sizeof(struct cs_msg_hdr))
		rc = MDB_CORRUPTED;
	if (!rc)
		rc = get_record(store, value.mv_data, record);
	if (rc)
		return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
	unpack(value.mv_data, record, item);
	item->message = value.mv_data;
	return record->number == big && value.mv_size == item->size ? 0 : MDB_CORRUPTED;
}

/* What a peer has; nothing, if it has nothing. */
int storedb_share(struct store *store, const uint8_t *peer, struct storedb_share *has)
{
	MDB_val value;
	int rc;

	memset(has, 0, sizeof(*has));
	rc = storedb_get(store, DB_PEERS, storedb_val(peer, STORE_PEER_LEN), &value);
	if (!rc && value.mv_size != sizeof(*has))
		return MDB_CORRUPTED;
	if (!rc)
		memcpy(has, value.mv_data, sizeof(*has));
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static uint64_t has_of(const struct storedb_share *has, enum storedb_class class)
{
	return be64toh(has->bytes[class]);
}

static uint64_t has_all(const struct storedb_share *has)
{
	return has_of(has, CLASS_FIRST) + has_of(has, CLASS_SHARE) + has_of(has, CLASS_NEVER);
}

/* A peer has more or less by one message. */
static int account(struct store *store, const struct store_item *item, bool more)
{
	uint64_t cost = store_cost(store, item->size), bytes;
	MDB_val key = storedb_val(item->peer, STORE_PEER_LEN);
	enum storedb_class class = storedb_class(item->flags);
	struct storedb_share has;
	int rc;

	rc = storedb_share(store, item->peer, &has);
	if (rc)
		return rc;
	bytes = has_of(&has, class);
	if (!more && bytes < cost)
		return MDB_CORRUPTED;
	has.bytes[class] = htobe64(more ? bytes + cost : bytes - cost);
	return has_all(&has) ? storedb_put(store, DB_PEERS, key, &has, sizeof(has)) :
			       storedb_del(store, DB_PEERS, key);
}

/* Where a message stands in the order of going. */
static int set_going(struct store *store, const struct store_item *item, uint64_t number,
		     bool there)
{
	uint8_t buffer[STOREDB_GOING];
	MDB_val key;
	int rc;

	key = storedb_going_key(buffer, storedb_class(item->flags), item->peer, number);
	rc = there ? storedb_put(store, DB_GOING, key, "", 0) : storedb_del(store, DB_GOING, key);
	return rc ? rc : account(store, item, there);
}

static int remove_item(struct store *store, const struct store_item *item,
		       const struct storedb_record *record)
{
	uint64_t number = be64toh(record->number);
	uint8_t key[STOREDB_EXPIRY];
	int rc;

	rc = storedb_del(store, DB_EXPIRY, storedb_expiry_key(key, be64toh(record->ends), number));
	if (!rc)
		rc = set_going(store, item, number, false);
	if (!rc)
		rc = storedb_del(store, DB_MESSAGES, storedb_val(&record->number, STOREDB_NUMBER));
	if (!rc)
		rc = storedb_del(store, DB_DIGESTS, storedb_val(item->digest, CS_DIGEST_LEN));
	return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
}

/* When a message ceases to be kept. */
static uint64_t ends(const struct store *store, const struct store_item *item)
{
	uint64_t aged;

	if (__builtin_add_overflow(item->arrived, store->config.age, &aged))
		return item->expiry;
	return aged < item->expiry ? aged : item->expiry;
}

static int put_record(struct store *store, const uint8_t *digest, struct storedb_record *record)
{
	record->sum = htobe32(storedb_sum(digest, record, offsetof(struct storedb_record, sum)));
	return storedb_put(store, DB_DIGESTS, storedb_val(digest, CS_DIGEST_LEN), record,
			   sizeof(*record));
}

/* Numbers go on where those in the store end. */
static int next_number(struct store *store)
{
	MDB_val key;
	int rc;

	if (store->next)
		return 0;
	rc = storedb_last(store, DB_MESSAGES, &key);
	if (rc && rc != MDB_NOTFOUND)
		return rc;
	if (!rc && key.mv_size != STOREDB_NUMBER)
		return MDB_CORRUPTED;
	store->next = rc ? 1 : storedb_get64(key.mv_data) + 1;
	return store->next ? 0 : MDB_CORRUPTED;
}

static int insert_item(struct store *store, const struct store_item *item)
{
	struct storedb_record record = {
		.arrived = htobe64(item->arrived),
		.ends = htobe64(ends(store, item)),
		.expiry = htobe64(item->expiry),
		.contract = htobe32(item->contract),
		.size = htobe32(item->size),
		.hops = item->hops,
		.flags = item->flags,
	};
	uint8_t key[STOREDB_EXPIRY];
	int rc;

	rc = next_number(store);
	if (rc)
		return rc;
	record.number = htobe64(store->next);
	memcpy(record.destination, item->destination, CS_ADDR_LEN);
	memcpy(record.peer, item->peer, STORE_PEER_LEN);
	rc = storedb_append(store, DB_MESSAGES, storedb_val(&record.number, STOREDB_NUMBER),
			    item->message, item->size);
	if (!rc)
		rc = put_record(store, item->digest, &record);
	if (!rc)
		rc = storedb_put(store, DB_EXPIRY,
				 storedb_expiry_key(key, ends(store, item), store->next), "", 0);
	if (!rc)
		rc = set_going(store, item, store->next, true);
	store->next++;
	return rc;
}

/* --- Who goes first --- */

/**
 * struct spare - what may go for a newcomer
 * @giver: what the peer that gives the newcomer has
 * @share: what a peer may have
 * @first: cost of own copies known to be delivered
 * @beyond: of what other peers have beyond their share
 * @greedy: of these the one that is furthest beyond
 * @most: by how much, 0: there is none
 */
struct spare {
	struct storedb_share	giver;
	uint64_t		share;
	uint64_t		first;
	uint64_t		beyond;
	uint8_t			greedy[STORE_PEER_LEN];
	uint64_t		most;
};

static void add_first(const uint8_t *peer, const struct storedb_share *has, struct spare *spare)
{
	(void)peer;
	spare->share += has_all(has);
	spare->first += has_of(has, CLASS_FIRST);
}

static void add_beyond(const uint8_t *peer, const struct storedb_share *has, struct spare *spare)
{
	uint64_t beyond = has_all(has) > spare->share ? has_all(has) - spare->share : 0;

	if (!memcmp(peer, own, STORE_PEER_LEN))
		return;
	if (beyond > has_of(has, CLASS_SHARE))
		beyond = has_of(has, CLASS_SHARE);
	spare->beyond += beyond;
	if (beyond <= spare->most)
		return;
	spare->most = beyond;
	memcpy(spare->greedy, peer, STORE_PEER_LEN);
}

static int each_peer(struct store *store, struct spare *spare, const uint8_t *but,
		     void (*add)(const uint8_t *peer, const struct storedb_share *has,
				 struct spare *spare))
{
	struct storedb_share has;
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc;

	rc = mdb_cursor_open(store->txn, store->dbs[DB_PEERS], &cursor);
	if (rc)
		return rc;
	while (!(rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
		if (key.mv_size != STORE_PEER_LEN || value.mv_size != sizeof(has)) {
			rc = MDB_CORRUPTED;
			break;
		}
		memcpy(&has, value.mv_data, sizeof(has));
		if (!but || memcmp(key.mv_data, but, STORE_PEER_LEN))
			add(key.mv_data, &has, spare);
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int find_spare(struct store *store, const uint8_t *giver, struct spare *spare)
{
	int rc;

	memset(spare, 0, sizeof(*spare));
	rc = storedb_share(store, giver, &spare->giver);
	if (!rc)
		rc = each_peer(store, spare, NULL, add_first);
	spare->share = spare->share / 100 * store->config.share;
	return rc ? rc : each_peer(store, spare, giver, add_beyond);
}

/* Is a peer beyond its share with so much more? This node never is. */
static bool is_beyond(const struct spare *spare, const uint8_t *giver, uint64_t cost)
{
	return memcmp(giver, own, STORE_PEER_LEN) && has_all(&spare->giver) + cost > spare->share;
}

/* The oldest of a class, of one peer or (NULL) of any; MDB_NOTFOUND: there is none. */
static int oldest(struct store *store, enum storedb_class class, const uint8_t *peer,
		  struct store_item *item, struct storedb_record *record)
{
	uint8_t buffer[STOREDB_GOING];
	MDB_val value, key = storedb_going_key(buffer, class, peer ? peer : own, 0);
	const uint8_t *found;
	int rc;

	rc = storedb_seek(store, DB_GOING, &key, &value);
	if (rc)
		return rc;
	found = key.mv_data;
	if (key.mv_size != STOREDB_GOING)
		return MDB_CORRUPTED;
	if (found[0] != class || (peer && memcmp(found + 1, peer, STORE_PEER_LEN)))
		return MDB_NOTFOUND;
	return storedb_message(store, storedb_get64(found + 1 + STORE_PEER_LEN), item, record);
}

/* The next message to go for a newcomer; MDB_NOTFOUND: none does. */
static int victim(struct store *store, const struct store_item *newcomer, struct store_item *item,
		  struct storedb_record *record)
{
	struct spare spare;
	int rc;

	rc = oldest(store, CLASS_FIRST, NULL, item, record);
	if (rc != MDB_NOTFOUND)
		return rc;
	rc = find_spare(store, newcomer->peer, &spare);
	if (rc)
		return rc;
	if (is_beyond(&spare, newcomer->peer, store_cost(store, newcomer->size)))
		return oldest(store, CLASS_SHARE, newcomer->peer, item, record);
	return spare.most ? oldest(store, CLASS_SHARE, spare.greedy, item, record) : MDB_NOTFOUND;
}

/* Bytes that are lacking for a message. */
static uint64_t lacking(struct store *store, uint64_t size)
{
	uint64_t used = storedb_bytes(store), pages = own_pages(store, size);

	used += ((pages ? pages : 1) + SPLIT_PAGES) * store->page;
	return used > store->config.bytes ? used - store->config.bytes : 0;
}

/* May so much go for a newcomer? MDB_NOTFOUND: no; then none is to go in vain. */
static int may_go(struct store *store, const struct store_item *newcomer, uint64_t bytes)
{
	struct spare spare;
	int rc;

	rc = find_spare(store, newcomer->peer, &spare);
	if (rc)
		return rc;
	if (is_beyond(&spare, newcomer->peer, store_cost(store, newcomer->size)))
		spare.beyond += has_of(&spare.giver, CLASS_SHARE);
	return spare.first + spare.beyond < bytes ? MDB_NOTFOUND : 0;
}

static int expire(struct store *store, uint64_t now)
{
	struct storedb_record record;
	struct store_item item;
	MDB_val key, value;
	int rc;

	for (;;) {
		key = storedb_val("", 1);
		rc = storedb_seek(store, DB_EXPIRY, &key, &value);
		if (rc)
			return rc == MDB_NOTFOUND ? 0 : rc;
		if (key.mv_size != STOREDB_EXPIRY)
			return MDB_CORRUPTED;
		if (storedb_get64(key.mv_data) > now)
			return 0;
		rc = storedb_message(store, storedb_get64((uint8_t *)key.mv_data + 8), &item,
				     &record);
		if (!rc)
			rc = remove_item(store, &item, &record);
		if (rc)
			return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
		store->counters.expired++;
	}
}

static int make_room(struct store *store, const struct store_item *newcomer, uint64_t now)
{
	struct storedb_record record;
	struct store_item item;
	uint64_t bytes;
	int rc;

	if (!lacking(store, newcomer->size))
		return 0;
	rc = expire(store, now);
	bytes = lacking(store, newcomer->size);
	if (!rc && bytes)
		rc = may_go(store, newcomer, bytes);
	while (!rc && lacking(store, newcomer->size)) {
		rc = victim(store, newcomer, &item, &record);
		if (!rc)
			rc = remove_item(store, &item, &record);
		store->counters.evicted += !rc;
	}
	return rc;
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
	uint64_t before = store->counters.expired;
	int rc = storedb_begin(store);

	if (!rc)
		rc = expire(store, now);
	if (!rc)
		rc = storedb_expire_cancelled(store, now);
	if (rc)
		storedb_failed(store, rc, NULL);
	return rc ? 0 : store->counters.expired - before;
}

/* --- Adding, finding --- */

/* Is what is said of a message what its header says? */
static bool is_message(const struct store_item *item)
{
	const struct cs_msg_hdr *hdr = (const struct cs_msg_hdr *)item->message;

	return item->message && item->size >= sizeof(*hdr) &&
	       item->size == sizeof(*hdr) + be16toh(hdr->length) &&
	       item->expiry == be64toh(hdr->expiry) &&
	       !memcmp(item->digest, hdr->digest, CS_DIGEST_LEN) &&
	       !memcmp(item->destination, hdr->destination, CS_ADDR_LEN);
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
	MDB_val key = storedb_val(item->digest, CS_DIGEST_LEN), value;
	int rc = storedb_begin(store);

	if (rc) {
		storedb_failed(store, rc, error);
		return STORE_FAILED;
	}
	if (!is_message(item)) {
		store->counters.failed++;
		cs_error_set(error, -EINVAL, "%s: a message whose header says otherwise was not "
			     "taken", store->file);
		return STORE_FAILED;
	}
	if (ends(store, item) <= now)
		return STORE_EXPIRED;
	if (!storedb_get(store, DB_CANCELLED, key, &value))
		return STORE_CANCELLED;
	if (!storedb_get(store, DB_DIGESTS, key, &value))
		return STORE_KNOWN;
	rc = make_room(store, item, now);
	if (rc == MDB_NOTFOUND) {
		store->counters.refused++;
		return STORE_FULL;
	}
	if (!rc)
		rc = insert_item(store, item);
	if (rc) {
		storedb_failed(store, rc, error);
		return STORE_FAILED;
	}
	store->counters.added++;
	return STORE_ADDED;
}

static int get(struct store *store, const uint8_t *digest, struct store_item *item,
	       struct storedb_record *record)
{
	int rc = get_record(store, digest, record);

	if (rc)
		return rc;
	unpack(digest, record, item);
	return get_message(store, record, item);
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
	struct storedb_record record;

	return get(store, digest, item, &record) ? -ENOENT : 0;
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
	MDB_val key = storedb_val(prefix, CS_SEEN_KEY_LEN);
	struct storedb_record record;

	if (find_record(store, &key, &record) || memcmp(key.mv_data, prefix, CS_SEEN_KEY_LEN))
		return -ENOENT;
	unpack(key.mv_data, &record, item);
	return get_message(store, &record, item) ? -ENOENT : 0;
}

/**
 * store_flag() - change what is known of a message
 * @store: the store
 * @digest: of the message
 * @set: enum store_flag
 * @clear: likewise
 *
 * Return: 0, -ENOENT or another negative errno.
 */
int store_flag(struct store *store, const uint8_t digest[CS_DIGEST_LEN], uint8_t set,
	       uint8_t clear)
{
	struct storedb_record record;
	struct store_item item;
	uint64_t number;
	int rc = 0;

	if (get(store, digest, &item, &record))
		return -ENOENT;
	number = be64toh(record.number);
	record.flags = (item.flags | set) & ~clear;
	if (record.flags == item.flags)
		return 0;
	if (storedb_class(record.flags) != storedb_class(item.flags)) {
		rc = set_going(store, &item, number, false);
		item.flags = record.flags;
		if (!rc)
			rc = set_going(store, &item, number, true);
	}
	if (!rc)
		rc = put_record(store, item.digest, &record);
	return rc ? storedb_failed(store, rc, NULL) : 0;
}

/**
 * store_del() - drop a message
 * @store: the store
 * @digest: of the message
 *
 * Return: 0, -ENOENT or another negative errno.
 */
int store_del(struct store *store, const uint8_t digest[CS_DIGEST_LEN])
{
	struct storedb_record record;
	struct store_item item;
	int rc;

	if (get(store, digest, &item, &record))
		return -ENOENT;
	rc = remove_item(store, &item, &record);
	return rc ? storedb_failed(store, rc, NULL) : 0;
}

/**
 * store_each_from() - look at messages, in the order of their digests
 * @store: the store
 * @first: only those whose digest is not less
 * @cb: called for each, without the message itself; it must not change the store; what it returns,
 *	if not 0, ends it
 * @data: for @cb
 *
 * Return: 0, what @cb returned, or -EIO.
 */
int store_each_from(struct store *store, const uint8_t first[CS_DIGEST_LEN], store_cb cb,
		    void *data)
{
	MDB_val key = storedb_val(first, CS_DIGEST_LEN), value;
	struct storedb_record record;
	struct store_item item;
	MDB_cursor *cursor;
	int rc = storedb_begin(store);

	if (rc || mdb_cursor_open(store->txn, store->dbs[DB_DIGESTS], &cursor))
		return -EIO;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (!rc) {
		if (key.mv_size != CS_DIGEST_LEN || value.mv_size != sizeof(record)) {
			rc = -EIO;
			break;
		}
		memcpy(&record, value.mv_data, sizeof(record));
		unpack(key.mv_data, &record, &item);
		rc = cb(&item, data);
		if (rc)
			break;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/**
 * store_each() - look at all messages, in the order of their digests
 * @store: the store
 * @cb: as for store_each_from()
 * @data: for @cb
 *
 * Return: as store_each_from().
 */
int store_each(struct store *store, store_cb cb, void *data)
{
	static const uint8_t first[CS_DIGEST_LEN];

	return store_each_from(store, first, cb, data);
}

/**
 * store_numbering() - the numbering of messages in this run
 * @store: the store
 *
 * Return: another number when what was not committed was given up, and its numbers are used again.
 */
unsigned int store_numbering(const struct store *store)
{
	return store->aborts;
}

/**
 * store_each_after() - look at messages, in the order in which they were stored
 * @store: the store
 * @after: number of the last one that is of no interest, 0: all are. Numbers only grow as long as
 *	store_numbering() stays
 * @cb: called for each with its number; of the item only digest, destination, expiry, size and
 *	message are set. It must not change the store; what it returns, if not 0, ends it
 * @data: for @cb
 *
 * Return: 0, what @cb returned, or -EIO.
 */
int store_each_after(struct store *store, uint64_t after,
		     int (*cb)(uint64_t number, const struct store_item *item, void *data),
		     void *data)
{
	uint64_t first = htobe64(after + 1);
	MDB_val key = storedb_val(&first, sizeof(first)), value;
	struct store_item item = { .flags = 0 };
	const struct cs_msg_hdr *hdr;
	MDB_cursor *cursor;
	int rc = storedb_begin(store);

	if (after == UINT64_MAX)
		return 0;
	if (rc || mdb_cursor_open(store->txn, store->dbs[DB_MESSAGES], &cursor))
		return -EIO;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (!rc) {
		if (key.mv_size != STOREDB_NUMBER || value.mv_size < sizeof(*hdr)) {
			rc = -EIO;
			break;
		}
		hdr = value.mv_data;
		memcpy(item.digest, hdr->digest, CS_DIGEST_LEN);
		memcpy(item.destination, hdr->destination, CS_ADDR_LEN);
		item.expiry = be64toh(hdr->expiry);
		item.size = value.mv_size;
		item.message = value.mv_data;
		rc = cb(storedb_get64(key.mv_data), &item, data);
		if (rc)
			break;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/**
 * store_would_fit() - is there room for what a peer offers?
 * @store: the store
 * @cost: store_cost() of all that it offers
 * @peer: who would give it
 * @now: Unix seconds
 *
 * Counts what is free after the expired have gone. For a peer within its share also own copies
 * known to be delivered and what other peers hold beyond theirs: what it gives is not to go for
 * what it gave.
 *
 * Return: whether there is.
 */
bool store_would_fit(struct store *store, uint64_t cost, const uint8_t peer[STORE_PEER_LEN],
		     uint64_t now)
{
	uint64_t used, free;
	struct spare spare;

	store_expire(store, now);
	if (storedb_begin(store))
		return false;
	/* as store_add() would have it: a page may be begun for the last one */
	used = storedb_bytes(store) + (1 + SPLIT_PAGES) * store->page;
	free = used < store->config.bytes ? store->config.bytes - used : 0;
	if (cost <= free)
		return true;
	return !find_spare(store, peer, &spare) && !is_beyond(&spare, peer, cost) &&
	       cost <= free + spare.first + spare.beyond;
}

/* --- Opening, checking --- */

/**
 * store_check() - walk all of it, and verify each message
 * @store: the store
 * @checked: gets their number
 * @error: gets what is damaged
 *
 * What was done before is committed, as the file is looked at too.
 *
 * Return: 0, -EILSEQ or another negative errno.
 */
int store_check(struct store *store, uint64_t *checked, struct cs_error *error)
{
	int rc;

	*checked = 0;
	rc = store_commit(store, error);
	if (!rc)
		rc = storefile_check(store->file, error);
	return rc ? rc : storedb_check(store, checked, error);
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
	int rc;

	rc = storefile_check(store->file, error);
	if (rc)
		return rc;
	rc = storedb_open_env(store);
	if (!rc)
		rc = storedb_open_all(store);
	if (rc)
		return storedb_fail(store, rc, error);
	rc = storedb_check(store, NULL, error);
	return rc ? rc : store_commit(store, error);
}

/**
 * store_open() - open the store, or make it
 * @result: gets it
 * @config: quotas and where it is
 * @error: gets the reason of a failure
 *
 * A store that is damaged is left as it is.
 *
 * Return: 0; -EILSEQ if it is damaged, -EPROTO if it is of another version or not a store; another
 * negative errno.
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
	snprintf(store->file, sizeof(store->file), "%s/data.mdb", config->path);
	rc = lock(store, error);
	if (!rc)
		rc = open_locked(store, error);
	if (rc) {
		storedb_abort(store); /* nothing is written to what was refused */
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
 * @error: gets the reason of a failure
 *
 * What is beyond a smaller quota goes when something new comes; the file does not become smaller.
 * What was done before is committed.
 *
 * Return: 0 or a negative errno: it could not be committed, or there is no room in memory for a
 * larger quota, which holds nonetheless, as far as there is.
 */
int store_configure(struct store *store, const struct config_store *config,
		    struct cs_error *error)
{
	int rc = store_commit(store, error), grown;

	store->config = *config;
	grown = storedb_grow(store);
	return grown && !rc ? storedb_fail(store, grown, error) : rc;
}

/**
 * store_stats() - counters and gauges
 * @store: the store
 * @stats: gets them
 */
void store_stats(struct store *store, struct store_stats *stats)
{
	*stats = store->counters;
	stats->messages = storedb_count(store, DB_DIGESTS);
	stats->bytes = storedb_bytes(store);
	stats->quota = store->config.bytes;
	stats->cancelled = storedb_count(store, DB_CANCELLED);
}
