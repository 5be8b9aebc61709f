/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The databases of the store, and the transaction on them. See storedb.c; only the files of the
 * store include this.
 */
#ifndef CSD_STOREDB_H
#define CSD_STOREDB_H

#include <lmdb.h>

#include "daemon/store.h"

#define STOREDB_NUMBER	8	/* bytes of the number of a message */
#define STOREDB_EXPIRY	(8 + STOREDB_NUMBER)
#define STOREDB_GOING	(1 + STORE_PEER_LEN + STOREDB_NUMBER)
#define STOREDB_CANCEL	(8 + CS_DIGEST_LEN)

/**
 * enum storedb - the databases; all keys are big-endian, so that their order is that of time, of
 * arrival or of the digests
 * @DB_MESSAGES: number of a message: message header and payload. Numbers only grow, so that new
 *	messages fill one page after the other
 * @DB_DIGESTS: digest: struct storedb_record
 * @DB_EXPIRY: time, number: nothing
 * @DB_GOING: enum storedb_class, peer, number: nothing; in the order in which they go
 * @DB_PEERS: peer: struct storedb_share
 * @DB_CANCELLED: digest: struct storedb_grave
 * @DB_CANCELEXPIRY: time, digest: nothing
 * @DB_NOTICES: id: a notice, once for all the digests that it names
 * @DB_REFS: id: how many of @DB_CANCELLED name the notice
 * @DB_META: "version": of all this
 */
enum storedb {
	DB_MESSAGES,
	DB_DIGESTS,
	DB_EXPIRY,
	DB_GOING,
	DB_PEERS,
	DB_CANCELLED,
	DB_CANCELEXPIRY,
	DB_NOTICES,
	DB_REFS,
	DB_META,
	DB_MAX,
};

/**
 * enum storedb_class - who goes when room is needed
 * @CLASS_FIRST: own copies known to be delivered
 * @CLASS_SHARE: those of a peer that has more than its share
 * @CLASS_NEVER: they may still earn something
 */
enum storedb_class {
	CLASS_FIRST,
	CLASS_SHARE,
	CLASS_NEVER,
	CLASS_MAX,
};

/**
 * struct storedb_record - what is kept of a message besides itself; big-endian
 * @number: its key in DB_MESSAGES
 * @arrived: Unix seconds
 * @ends: its key in DB_EXPIRY: the configured age may change
 * @expiry: as the message says, as are @destination and @size: to look for it there costs a page
 * @destination: likewise
 * @peer: who gave it
 * @contract: under which it came
 * @size: bytes of the message
 * @hops: hops_left with which it came
 * @flags: enum store_flag
 * @reserved: 0
 * @sum: over the digest and all before
 */
struct storedb_record {
	uint64_t	number;
	uint64_t	arrived;
	uint64_t	ends;
	uint64_t	expiry;
	uint8_t		destination[CS_ADDR_LEN];
	uint8_t		peer[STORE_PEER_LEN];
	uint32_t	contract;
	uint32_t	size;
	uint8_t		hops;
	uint8_t		flags;
	uint8_t		reserved[2];
	uint32_t	sum;
} __attribute__((packed));

/**
 * struct storedb_share - what a peer has in the store; big-endian
 * @bytes: store_cost() of its messages, by enum storedb_class
 */
struct storedb_share {
	uint64_t	bytes[CLASS_MAX];
} __attribute__((packed));

/**
 * enum storedb_given - what is known of where a message had come from
 * @GIVEN_KNOWN: it was held
 * @GIVEN_OWN: this node sent it
 */
enum storedb_given {
	GIVEN_KNOWN	= 1 << 0,
	GIVEN_OWN	= 1 << 1,
};

/**
 * struct storedb_grave - what is kept of a message that was delivered; big-endian
 * @expiry: until when, Unix seconds
 * @address: of who says so
 * @notice: id of the notice
 * @peer: who gave the message, if it was held
 * @destination: of the message
 * @contract: under which it came
 * @port: its destination's
 * @proven: the message was held here, and @address is its destination
 * @given: enum storedb_given
 * @sum: over the digest and all before
 */
struct storedb_grave {
	uint64_t	expiry;
	uint8_t		address[CS_ADDR_LEN];
	uint8_t		notice[STORE_NOTICE_LEN];
	uint8_t		peer[STORE_PEER_LEN];
	uint8_t		destination[CS_ADDR_LEN];
	uint32_t	contract;
	uint16_t	port;
	uint8_t		proven;
	uint8_t		given;
	uint32_t	sum;
} __attribute__((packed));

/**
 * struct store - the store
 * @env: LMDB's environment
 * @txn: transaction that is open, or NULL
 * @dbs: databases
 * @lock: descriptor that holds the lock, -1: none
 * @config: quotas
 * @path: directory
 * @file: LMDB's file there
 * @page: bytes of a page
 * @map: bytes of the map
 * @next: number that the next message gets, 0: to be looked up
 * @aborts: how often that was forgotten, as what was not committed was given up
 * @counters: counters of store_stats
 * @committed: the same as of the last commit
 */
struct store {
	MDB_env			*env;
	MDB_txn			*txn;
	MDB_dbi			dbs[DB_MAX];
	int			lock;
	struct config_store	config;
	char			path[PATH_MAX];
	char			file[PATH_MAX + 16];
	unsigned int		page;
	uint64_t		map;
	uint64_t		next;
	unsigned int		aborts;
	struct store_stats	counters;
	struct store_stats	committed;
};

static inline MDB_val storedb_val(const void *data, size_t size)
{
	return (MDB_val) { .mv_size = size, .mv_data = (void *)data };
}

/* Errors of these are LMDB's: 0, an errno, or a negative number of its own. */
int storedb_open_env(struct store *store);
int storedb_open_all(struct store *store);
int storedb_grow(struct store *store);
int storedb_begin(struct store *store);
int storedb_get(struct store *store, enum storedb db, MDB_val key, MDB_val *value);
int storedb_put(struct store *store, enum storedb db, MDB_val key, const void *data, size_t len);
int storedb_append(struct store *store, enum storedb db, MDB_val key, const void *data,
		   size_t len);
int storedb_del(struct store *store, enum storedb db, MDB_val key);
int storedb_seek(struct store *store, enum storedb db, MDB_val *key, MDB_val *value);
int storedb_last(struct store *store, enum storedb db, MDB_val *key);
uint64_t storedb_count(struct store *store, enum storedb db);
uint64_t storedb_bytes(struct store *store);

/* What these return is a negative errno. */
int storedb_fail(const struct store *store, int rc, struct cs_error *error);
int storedb_failed(struct store *store, int rc, struct cs_error *error);
void storedb_abort(struct store *store);

uint32_t storedb_sum(const uint8_t digest[CS_DIGEST_LEN], const void *data, size_t len);
MDB_val storedb_expiry_key(uint8_t key[STOREDB_EXPIRY], uint64_t time, uint64_t number);
MDB_val storedb_going_key(uint8_t key[STOREDB_GOING], enum storedb_class class,
			  const uint8_t *peer, uint64_t number);
MDB_val storedb_cancel_key(uint8_t key[STOREDB_CANCEL], uint64_t time, const uint8_t *digest);
uint64_t storedb_get64(const void *data);

/* store.c */
int storedb_message(struct store *store, uint64_t number, struct store_item *item,
		    struct storedb_record *record);
enum storedb_class storedb_class(uint8_t flags);
int storedb_share(struct store *store, const uint8_t *peer, struct storedb_share *share);

/* storecancel.c */
int storedb_expire_cancelled(struct store *store, uint64_t now);
int storedb_grave(struct store *store, const uint8_t *prefix, uint8_t digest[CS_DIGEST_LEN],
		  struct storedb_grave *grave);

/* storecheck.c: are the databases of one mind? @checked is NULL: messages are not hashed */
int storedb_check(struct store *store, uint64_t *checked, struct cs_error *error);

#endif /* CSD_STOREDB_H */
