/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The store: verified messages, kept within quotas until they expire or were delivered. See
 * store.c.
 */
#ifndef CSD_STORE_H
#define CSD_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crowdshare/wire.h>

#include "daemon/config.h"
#include "lib/error.h"

#define STORE_PEER_LEN		16	/* address of a node; all zero: this node */
#define STORE_NOTICE_LEN	16	/* id of a notice */
#define STORE_NOTICE_MAX	65536	/* bytes of one */

/**
 * enum store_flag - what is known of a message that is kept
 * @STORE_OWN: this node sent it
 * @STORE_DELIVERED: known to have reached its destination
 * @STORE_EARNS: under a contract that still can be earned: never evicted
 * @STORE_LOCAL: its destination is this node
 * @STORE_BROUGHT: this node, a gateway, brought it to its destination, and was not answered yet:
 *	who delivered it first alone gets a receipt, and may be this node
 */
enum store_flag {
	STORE_OWN	= 1 << 0,
	STORE_DELIVERED	= 1 << 1,
	STORE_EARNS	= 1 << 2,
	STORE_LOCAL	= 1 << 3,
	STORE_BROUGHT	= 1 << 4,
};

/**
 * struct store_item - a message of the store
 * @digest: its digest
 * @destination: its destination
 * @expiry: Unix seconds
 * @arrived: Unix seconds when it was stored
 * @peer: who gave it, STORE_PEER_LEN bytes of address
 * @contract: under which it came, 0: none
 * @hops: hops_left with which it came
 * @flags: enum store_flag
 * @size: bytes of @message
 * @message: message header and payload; valid until the next call into the store. NULL in what
 *	store_each_from() tells of
 */
struct store_item {
	uint8_t		digest[CS_DIGEST_LEN];
	uint8_t		destination[CS_ADDR_LEN];
	uint64_t	expiry;
	uint64_t	arrived;
	uint8_t		peer[STORE_PEER_LEN];
	uint32_t	contract;
	uint8_t		hops;
	uint8_t		flags;
	uint32_t	size;
	const uint8_t	*message;
};

/**
 * enum store_result - what became of a message that was to be stored
 */
enum store_result {
	STORE_ADDED,
	STORE_KNOWN,		/* is in the store */
	STORE_CANCELLED,	/* was delivered elsewhere */
	STORE_EXPIRED,		/* or older than the configured age */
	STORE_FULL,		/* nothing that may go makes room for it */
	STORE_FAILED,		/* error says why: disk full, damaged, no message */
};

/**
 * struct store_stats - counters and gauges
 */
struct store_stats {
	uint64_t	messages;
	uint64_t	bytes;		/* that they take on the disk, against the quota */
	uint64_t	quota;
	uint64_t	cancelled;	/* tombstones */
	uint64_t	added;
	uint64_t	expired;
	uint64_t	evicted;	/* for want of room */
	uint64_t	refused;	/* full */
	uint64_t	failed;
};

/**
 * struct store_given - where a message that was delivered had come from
 * @known: the message was held, so this is known
 * @own: this node sent it
 * @port: its destination's
 * @contract: under which it came, 0: none
 * @peer: who gave it
 * @destination: its destination
 */
struct store_given {
	bool		known;
	bool		own;
	uint16_t	port;
	uint32_t	contract;
	uint8_t		peer[STORE_PEER_LEN];
	uint8_t		destination[CS_ADDR_LEN];
};

/**
 * struct store_notice - that a message was delivered
 * @expiry: until when it is remembered, Unix seconds
 * @address: of who says so
 * @proven: the message was held here, and @address is its destination
 * @letter: what was said; kept once for all the messages that it names, valid until the next call
 * @len: bytes of @letter, at most STORE_NOTICE_MAX
 * @id: of @letter, as long as the store has it; not looked at by store_cancel()
 * @given: where the message had come from; likewise
 */
struct store_notice {
	uint64_t	expiry;
	uint8_t		address[CS_ADDR_LEN];
	bool		proven;
	const void	*letter;
	size_t		len;
	uint8_t		id[STORE_NOTICE_LEN];
	struct store_given	given;
};

struct store;

typedef int (*store_cb)(const struct store_item *item, void *data);

int store_open(struct store **store, const struct config_store *config, struct cs_error *error);
void store_close(struct store *store);
int store_configure(struct store *store, const struct config_store *config,
		    struct cs_error *error);

/* One transaction holds many calls; what was not committed is lost by a kill, and only that. */
int store_commit(struct store *store, struct cs_error *error);

enum store_result store_add(struct store *store, const struct store_item *item, uint64_t now,
			    struct cs_error *error);
int store_get(struct store *store, const uint8_t digest[CS_DIGEST_LEN], struct store_item *item);
int store_find(struct store *store, const uint8_t prefix[CS_SEEN_KEY_LEN],
	       struct store_item *item);
int store_flag(struct store *store, const uint8_t digest[CS_DIGEST_LEN], uint8_t set,
	       uint8_t clear);
int store_del(struct store *store, const uint8_t digest[CS_DIGEST_LEN]);
int store_each_from(struct store *store, const uint8_t first[CS_DIGEST_LEN], store_cb cb,
		    void *data);
int store_each(struct store *store, store_cb cb, void *data);
unsigned int store_numbering(const struct store *store);
int store_each_after(struct store *store, uint64_t after,
		     int (*cb)(uint64_t number, const struct store_item *item, void *data),
		     void *data);
unsigned int store_expire(struct store *store, uint64_t now);

/* What a message takes of its peer's share, and the room that is left for one. */
uint64_t store_cost(const struct store *store, uint64_t size);
bool store_would_fit(struct store *store, uint64_t cost, const uint8_t peer[STORE_PEER_LEN],
		     uint64_t now);

/* A message that was delivered: dropped if held, and not taken again until it expires. */
int store_cancel(struct store *store, const uint8_t digest[CS_DIGEST_LEN],
		 const struct store_notice *notice);
int store_cancelled(struct store *store, const uint8_t prefix[CS_SEEN_KEY_LEN],
		    struct store_notice *notice);
int store_prove(struct store *store, const uint8_t prefix[CS_SEEN_KEY_LEN]);
int store_uncancel(struct store *store, const uint8_t prefix[CS_SEEN_KEY_LEN]);

/* Walks all of it, and verifies each message; -EILSEQ: damaged, the error says where. */
int store_check(struct store *store, uint64_t *checked, struct cs_error *error);

void store_stats(struct store *store, struct store_stats *stats);

#endif /* CSD_STORE_H */
