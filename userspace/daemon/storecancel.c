// SPDX-License-Identifier: GPL-2.0
/*
 * Tombstones: messages that were delivered, remembered so as not to be taken again.
 *
 * A notice names many messages; it is kept once, under the beginning of its SHA-512, for as long as
 * one of them is remembered. Their number is bounded by the configuration: those go first that
 * expire first. What they take on the disk is not counted against the quota.
 *
 * All of this is part of the store's transaction (storedb.c).
 */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/storedb.h"
#include "lib/message.h"

static uint32_t sum_of(const uint8_t *digest, const struct storedb_grave *grave)
{
	return htobe32(storedb_sum(digest, grave, offsetof(struct storedb_grave, sum)));
}

/* The tombstone of a digest that begins with @prefix; MDB_NOTFOUND. */
int storedb_grave(struct store *store, const uint8_t *prefix, uint8_t digest[CS_DIGEST_LEN],
		  struct storedb_grave *grave)
{
	MDB_val key = storedb_val(prefix, CS_SEEN_KEY_LEN), value;
	int rc = storedb_begin(store);

	if (!rc)
		rc = storedb_seek(store, DB_CANCELLED, &key, &value);
	if (rc)
		return rc;
	if (key.mv_size != CS_DIGEST_LEN || value.mv_size != sizeof(*grave))
		return MDB_CORRUPTED;
	if (memcmp(key.mv_data, prefix, CS_SEEN_KEY_LEN))
		return MDB_NOTFOUND;
	memcpy(digest, key.mv_data, CS_DIGEST_LEN);
	memcpy(grave, value.mv_data, sizeof(*grave));
	return 0;
}

/* --- Notices --- */

static int get_refs(struct store *store, MDB_val id, uint32_t *refs)
{
	MDB_val value;
	int rc = storedb_get(store, DB_REFS, id, &value);

	*refs = 0;
	if (rc)
		return rc;
	if (value.mv_size != sizeof(*refs))
		return MDB_CORRUPTED;
	memcpy(refs, value.mv_data, sizeof(*refs));
	*refs = be32toh(*refs);
	return 0;
}

static int put_refs(struct store *store, MDB_val id, uint32_t refs)
{
	refs = htobe32(refs);
	return storedb_put(store, DB_REFS, id, &refs, sizeof(refs));
}

static int take_notice(struct store *store, const struct store_notice *notice, uint8_t *id)
{
	MDB_val key = storedb_val(id, STORE_NOTICE_LEN);
	uint8_t digest[CS_DIGEST_LEN];
	uint32_t refs;
	int rc = ENOTSUP;

	if (cs_sha512(notice->letter, notice->len, digest))
		return rc;
	memcpy(id, digest, STORE_NOTICE_LEN);
	rc = get_refs(store, key, &refs);
	if (rc == MDB_NOTFOUND)
		rc = storedb_put(store, DB_NOTICES, key, notice->letter, notice->len);
	return rc ? rc : put_refs(store, key, refs + 1);
}

static int drop_notice(struct store *store, const uint8_t *id)
{
	MDB_val key = storedb_val(id, STORE_NOTICE_LEN);
	uint32_t refs;
	int rc;

	rc = get_refs(store, key, &refs);
	if (!rc && refs > 1)
		return put_refs(store, key, refs - 1);
	if (!rc)
		rc = storedb_del(store, DB_REFS, key);
	return rc ? rc : storedb_del(store, DB_NOTICES, key);
}

/* --- Tombstones --- */

static int put_grave(struct store *store, const uint8_t *digest, struct storedb_grave *grave)
{
	grave->sum = sum_of(digest, grave);
	return storedb_put(store, DB_CANCELLED, storedb_val(digest, CS_DIGEST_LEN), grave,
			   sizeof(*grave));
}

/* MDB_NOTFOUND: there is none. */
static int uncancel(struct store *store, const uint8_t *prefix)
{
	uint8_t digest[CS_DIGEST_LEN], key[STOREDB_CANCEL];
	struct storedb_grave grave;
	int rc;

	rc = storedb_grave(store, prefix, digest, &grave);
	if (rc)
		return rc;
	rc = storedb_del(store, DB_CANCELEXPIRY,
			 storedb_cancel_key(key, be64toh(grave.expiry), digest));
	if (!rc)
		rc = drop_notice(store, grave.notice);
	if (!rc)
		rc = storedb_del(store, DB_CANCELLED, storedb_val(digest, CS_DIGEST_LEN));
	return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
}

/* Forgets the tombstone that expires first, if it does so by @now; MDB_NOTFOUND: there is none. */
static int forget_first(struct store *store, uint64_t now)
{
	MDB_val key = storedb_val("", 1), value;
	uint8_t digest[CS_DIGEST_LEN];
	int rc;

	rc = storedb_seek(store, DB_CANCELEXPIRY, &key, &value);
	if (rc)
		return rc;
	if (key.mv_size != STOREDB_CANCEL)
		return MDB_CORRUPTED;
	if (storedb_get64(key.mv_data) > now)
		return MDB_NOTFOUND;
	memcpy(digest, (uint8_t *)key.mv_data + 8, CS_DIGEST_LEN);
	rc = uncancel(store, digest);
	return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
}

int storedb_expire_cancelled(struct store *store, uint64_t now)
{
	int rc;

	do {
		rc = forget_first(store, now);
	} while (!rc);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Room for one more. */
static int trim(struct store *store)
{
	int rc = 0;

	while (!rc && storedb_count(store, DB_CANCELLED) >= store->config.cancelled)
		rc = forget_first(store, UINT64_MAX);
	return rc;
}

/* Where a message came from that is about to go, so that its receipt finds the way back. */
static void note_given(struct storedb_grave *grave, const struct store_item *item)
{
	const struct cs_msg_hdr *hdr = (const struct cs_msg_hdr *)item->message;

	grave->given = GIVEN_KNOWN | (item->flags & STORE_OWN ? GIVEN_OWN : 0);
	grave->contract = htobe32(item->contract);
	grave->port = hdr->port;
	memcpy(grave->peer, item->peer, STORE_PEER_LEN);
	memcpy(grave->destination, item->destination, CS_ADDR_LEN);
}

/* @grave has what is known of where the message came from; else that is as before. */
static int bury(struct store *store, const uint8_t *digest, const struct store_notice *notice,
		struct storedb_grave *grave)
{
	uint8_t key[STOREDB_CANCEL], found[CS_DIGEST_LEN];
	struct storedb_grave before;
	int rc;

	if (!grave->given && !storedb_grave(store, digest, found, &before))
		*grave = before;
	grave->expiry = htobe64(notice->expiry);
	grave->proven = notice->proven;
	memcpy(grave->address, notice->address, CS_ADDR_LEN);
	rc = uncancel(store, digest);
	if (rc && rc != MDB_NOTFOUND)
		return rc;
	if (!store->config.cancelled)
		return 0;
	rc = trim(store);
	if (!rc)
		rc = take_notice(store, notice, grave->notice);
	if (!rc)
		rc = put_grave(store, digest, grave);
	if (!rc)
		rc = storedb_put(store, DB_CANCELEXPIRY,
				 storedb_cancel_key(key, notice->expiry, digest), "", 0);
	return rc;
}

/**
 * store_cancel() - a message was delivered
 * @store: the store
 * @digest: of the message; dropped if held, unless it is for this node, or this node may get a
 *	receipt for it
 * @notice: who says so
 *
 * It takes the place of what was said before. With a configuration that has nothing remembered it
 * is not.
 *
 * Return: 0, -EMSGSIZE if the notice is too long, or another negative errno.
 */
int store_cancel(struct store *store, const uint8_t digest[CS_DIGEST_LEN],
		 const struct store_notice *notice)
{
	struct storedb_grave grave = { 0 };
	uint8_t copy[CS_DIGEST_LEN];
	struct store_item item;
	int rc = 0;

	if (!notice->len || notice->len > STORE_NOTICE_MAX)
		return -EMSGSIZE;
	memcpy(copy, digest, sizeof(copy)); /* it may be one of the store's own */
	if (!store_get(store, copy, &item)) {
		note_given(&grave, &item);
		rc = item.flags & (STORE_LOCAL | STORE_BROUGHT) ?
		     store_flag(store, copy, STORE_DELIVERED, 0) : store_del(store, copy);
	}
	if (rc)
		return rc;
	rc = bury(store, copy, notice, &grave);
	return rc ? storedb_failed(store, rc, NULL) : 0;
}

static struct store_given given_of(const struct storedb_grave *grave)
{
	struct store_given given = {
		.known = grave->given & GIVEN_KNOWN,
		.own = grave->given & GIVEN_OWN,
		.port = be16toh(grave->port),
		.contract = be32toh(grave->contract),
	};

	memcpy(given.peer, grave->peer, STORE_PEER_LEN);
	memcpy(given.destination, grave->destination, CS_ADDR_LEN);
	return given;
}

/**
 * store_cancelled() - was a message delivered?
 * @store: the store
 * @prefix: beginning of its digest
 * @notice: gets who said so
 *
 * Return: 0 it was, -ENOENT.
 */
int store_cancelled(struct store *store, const uint8_t prefix[CS_SEEN_KEY_LEN],
		    struct store_notice *notice)
{
	uint8_t digest[CS_DIGEST_LEN];
	struct storedb_grave grave;
	MDB_val value;

	if (storedb_grave(store, prefix, digest, &grave) ||
	    storedb_get(store, DB_NOTICES, storedb_val(grave.notice, STORE_NOTICE_LEN), &value))
		return -ENOENT;
	*notice = (struct store_notice){ .expiry = be64toh(grave.expiry), .proven = grave.proven,
					 .letter = value.mv_data, .len = value.mv_size };
	memcpy(notice->address, grave.address, CS_ADDR_LEN);
	memcpy(notice->id, grave.notice, STORE_NOTICE_LEN);
	notice->given = given_of(&grave);
	return 0;
}

/**
 * store_prove() - who said that a message was delivered is its destination
 * @store: the store
 * @prefix: beginning of its digest
 *
 * Return: 0, -ENOENT or another negative errno.
 */
int store_prove(struct store *store, const uint8_t prefix[CS_SEEN_KEY_LEN])
{
	uint8_t digest[CS_DIGEST_LEN];
	struct storedb_grave grave;
	int rc;

	if (storedb_grave(store, prefix, digest, &grave))
		return -ENOENT;
	grave.proven = true;
	rc = put_grave(store, digest, &grave);
	return rc ? storedb_failed(store, rc, NULL) : 0;
}

/**
 * store_uncancel() - forget that a message was said to be delivered
 * @store: the store
 * @prefix: beginning of its digest
 *
 * Return: 0, -ENOENT or another negative errno.
 */
int store_uncancel(struct store *store, const uint8_t prefix[CS_SEEN_KEY_LEN])
{
	int rc = uncancel(store, prefix);

	if (rc == MDB_NOTFOUND)
		return -ENOENT;
	return rc ? storedb_failed(store, rc, NULL) : 0;
}
