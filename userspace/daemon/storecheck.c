// SPDX-License-Identifier: GPL-2.0
/*
 * Are the databases of the store of one mind?
 *
 * The walk is along DB_GOING, which has each message once: the message must be there, its record
 * must name it, bear the right sum and say why it stands where it does, and it must stand in
 * DB_EXPIRY. The peers must have what was counted. No database may have more than that. Likewise
 * for what was delivered. If asked, each message and each notice is hashed too.
 *
 * The structure of the file was looked at before (storefile.c), or LMDB could not be asked.
 */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/storedb.h"
#include "lib/hex.h"
#include "lib/message.h"

#define SHOWN	16	/* digits of a digest that are told */

/**
 * struct total - what a peer was found to have
 */
struct total {
	uint8_t			peer[STORE_PEER_LEN];
	struct storedb_share	has;
};

/**
 * struct audit - a walk
 * @store: the store
 * @error: gets what is wrong
 * @checked: counts messages that were hashed, NULL: none is
 * @messages: found so far
 * @graves: likewise, of what was delivered
 * @totals: of the peers, in their order within a class, class after class
 * @nr_totals: their number
 */
struct audit {
	struct store		*store;
	struct cs_error		*error;
	uint64_t		*checked;
	uint64_t		messages;
	uint64_t		graves;
	struct total		*totals;
	size_t			nr_totals;
};

static int damaged(const struct audit *audit, const char *what)
{
	return cs_error_set(audit->error, -EILSEQ, "%s: damaged: %s; move the store away, the "
			    "network fills a new one", audit->store->file, what);
}

/* @kind: with its article */
static int damaged_one(const struct audit *audit, const char *kind, const uint8_t *id,
		       const char *what)
{
	char hex[2 * SHOWN + 1];

	cs_hex(hex, id, SHOWN / 2);
	return cs_error_set(audit->error, -EILSEQ, "%s: damaged: %s %s...: %s; move the store away,"
			    " the network fills a new one", audit->store->file, kind, hex, what);
}

static int each_entry(struct audit *audit, enum storedb db,
		      int (*cb)(struct audit *audit, const MDB_val *key, const MDB_val *value))
{
	struct store *store = audit->store;
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc;

	rc = storedb_begin(store);
	if (!rc)
		rc = mdb_cursor_open(store->txn, store->dbs[db], &cursor);
	if (rc)
		return storedb_fail(store, rc, audit->error);
	while (!(rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
		rc = cb(audit, &key, &value);
		if (rc)
			break;
	}
	mdb_cursor_close(cursor);
	if (rc == MDB_NOTFOUND)
		return 0;
	return rc < 0 && rc > -4096 ? rc : storedb_fail(store, rc, audit->error);
}

/* --- Messages --- */

static struct total *total_of(struct audit *audit, const uint8_t *peer)
{
	struct total *totals = audit->totals;
	size_t i = audit->nr_totals;

	/* the same peer as the last time, but where a class or another peer begins */
	if (i && !memcmp(totals[i - 1].peer, peer, STORE_PEER_LEN))
		return &totals[i - 1];
	for (i = 0; i < audit->nr_totals; i++)
		if (!memcmp(totals[i].peer, peer, STORE_PEER_LEN))
			return &totals[i];
	totals = realloc(totals, (i + 1) * sizeof(*totals));
	if (!totals)
		return NULL;
	audit->totals = totals;
	audit->nr_totals++;
	memset(&totals[i], 0, sizeof(*totals));
	memcpy(totals[i].peer, peer, STORE_PEER_LEN);
	return &totals[i];
}

static int count_for(struct audit *audit, const struct store_item *item)
{
	enum storedb_class class = storedb_class(item->flags);
	struct total *total = total_of(audit, item->peer);
	uint64_t bytes;

	if (!total)
		return cs_error_set(audit->error, -ENOMEM, "out of memory");
	bytes = be64toh(total->has.bytes[class]) + store_cost(audit->store, item->size);
	total->has.bytes[class] = htobe64(bytes);
	return 0;
}

static const char *record_wrong(struct store *store, const struct store_item *item,
				const struct storedb_record *record, const uint8_t *going)
{
	const struct cs_msg_hdr *hdr = (const struct cs_msg_hdr *)item->message;
	uint8_t key[STOREDB_EXPIRY];
	MDB_val value;

	if (be32toh(record->sum) != storedb_sum(item->digest, record,
						offsetof(struct storedb_record, sum)))
		return "what is said of it has a wrong sum";
	if (item->size != sizeof(*hdr) + be16toh(hdr->length) || record->expiry != hdr->expiry ||
	    memcmp(record->destination, hdr->destination, CS_ADDR_LEN))
		return "what is said of it is not what it says";
	if (going[0] != storedb_class(item->flags) ||
	    memcmp(going + 1, item->peer, STORE_PEER_LEN))
		return "it stands in the wrong place";
	if (storedb_get(store, DB_EXPIRY, storedb_expiry_key(key, be64toh(record->ends),
							     be64toh(record->number)), &value))
		return "it does not stand where it expires";
	return NULL;
}

static bool hash_wrong(const struct store_item *item)
{
	uint8_t digest[CS_DIGEST_LEN];

	return cs_sha512(item->message + CS_DIGEST_LEN, item->size - CS_DIGEST_LEN, digest) ||
	       memcmp(digest, item->digest, CS_DIGEST_LEN);
}

static int check_message(struct audit *audit, const MDB_val *key, const MDB_val *value)
{
	const uint8_t *going = key->mv_data;
	struct store *store = audit->store;
	struct storedb_record record;
	struct store_item item;
	const char *wrong;

	if (key->mv_size != STOREDB_GOING || value->mv_size || going[0] >= CLASS_MAX)
		return damaged(audit, "the order of messages");
	if (storedb_message(store, storedb_get64(going + 1 + STORE_PEER_LEN), &item, &record))
		return damaged(audit, "a message is missing, or what is said of it");
	wrong = record_wrong(store, &item, &record, going);
	if (!wrong && audit->checked && hash_wrong(&item))
		wrong = "its digest is another one";
	if (wrong)
		return damaged_one(audit, "message", item.digest, wrong);
	audit->messages++;
	if (audit->checked)
		++*audit->checked;
	return count_for(audit, &item);
}

static int check_peer(struct audit *audit, const MDB_val *key, const MDB_val *value)
{
	size_t i;

	for (i = 0; i < audit->nr_totals; i++)
		if (key->mv_size == STORE_PEER_LEN &&
		    value->mv_size == sizeof(audit->totals->has) &&
		    !memcmp(key->mv_data, audit->totals[i].peer, STORE_PEER_LEN))
			return memcmp(value->mv_data, &audit->totals[i].has,
				      sizeof(audit->totals->has)) ?
				       damaged(audit, "what a peer has is not what is said") : 0;
	return damaged(audit, "a peer is said to have what nobody has");
}

static int check_messages(struct audit *audit)
{
	struct store *store = audit->store;
	int rc;

	rc = each_entry(audit, DB_GOING, check_message);
	if (!rc)
		rc = each_entry(audit, DB_PEERS, check_peer);
	if (rc)
		return rc;
	if (storedb_count(store, DB_MESSAGES) != audit->messages ||
	    storedb_count(store, DB_DIGESTS) != audit->messages ||
	    storedb_count(store, DB_EXPIRY) != audit->messages ||
	    storedb_count(store, DB_PEERS) != audit->nr_totals)
		return damaged(audit, "some messages stand in some places only");
	return 0;
}

/* --- What was delivered --- */

static int check_grave(struct audit *audit, const MDB_val *key, const MDB_val *value)
{
	uint8_t buffer[STOREDB_CANCEL], digest[CS_DIGEST_LEN];
	struct store *store = audit->store;
	struct storedb_grave grave;
	MDB_val found;

	if (key->mv_size != CS_DIGEST_LEN || value->mv_size != sizeof(grave))
		return damaged(audit, "what was delivered");
	memcpy(digest, key->mv_data, sizeof(digest));
	memcpy(&grave, value->mv_data, sizeof(grave));
	if (be32toh(grave.sum) !=
	    storedb_sum(digest, &grave, offsetof(struct storedb_grave, sum)))
		return damaged_one(audit, "message", digest, "that it was delivered");
	if (storedb_get(store, DB_NOTICES, storedb_val(grave.notice, STORE_NOTICE_LEN), &found) ||
	    storedb_get(store, DB_CANCELEXPIRY,
			storedb_cancel_key(buffer, be64toh(grave.expiry), digest), &found))
		return damaged_one(audit, "message", digest, "who said that it was delivered");
	audit->graves++;
	return 0;
}

static int check_refs(struct audit *audit, const MDB_val *key, const MDB_val *value)
{
	uint32_t refs;

	if (key->mv_size != STORE_NOTICE_LEN || value->mv_size != sizeof(refs))
		return damaged(audit, "the notices");
	memcpy(&refs, value->mv_data, sizeof(refs));
	refs = be32toh(refs);
	if (!refs || refs > audit->graves)
		return damaged_one(audit, "notice", key->mv_data, "it names other messages");
	audit->graves -= refs;
	return 0;
}

static int check_notice(struct audit *audit, const MDB_val *key, const MDB_val *value)
{
	uint8_t digest[CS_DIGEST_LEN];
	MDB_val refs;

	if (key->mv_size != STORE_NOTICE_LEN || !value->mv_size ||
	    value->mv_size > STORE_NOTICE_MAX ||
	    storedb_get(audit->store, DB_REFS, *key, &refs))
		return damaged(audit, "a notice that nothing names");
	if (!audit->checked)
		return 0;
	return cs_sha512(value->mv_data, value->mv_size, digest) ||
	       memcmp(digest, key->mv_data, STORE_NOTICE_LEN) ?
	       damaged_one(audit, "notice", key->mv_data, "it says something else") : 0;
}

static int check_graves(struct audit *audit)
{
	struct store *store = audit->store;
	int rc;

	rc = each_entry(audit, DB_CANCELLED, check_grave);
	if (!rc && storedb_count(store, DB_CANCELEXPIRY) != audit->graves)
		rc = damaged(audit, "what was delivered stands in some places only");
	if (!rc)
		rc = each_entry(audit, DB_REFS, check_refs);
	if (!rc && audit->graves)
		rc = damaged(audit, "notices name too few messages");
	if (!rc)
		rc = each_entry(audit, DB_NOTICES, check_notice);
	if (!rc && storedb_count(store, DB_NOTICES) != storedb_count(store, DB_REFS))
		rc = damaged(audit, "notices are missing");
	return rc;
}

int storedb_check(struct store *store, uint64_t *checked, struct cs_error *error)
{
	struct audit audit = { .store = store, .error = error, .checked = checked };
	int rc;

	rc = check_messages(&audit);
	if (!rc)
		rc = check_graves(&audit);
	free(audit.totals);
	return rc;
}
