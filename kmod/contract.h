/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Contracts: how many bytes a peer may send to this node, or gets from it. See contract.c.
 */
#ifndef _CS_CONTRACT_H
#define _CS_CONTRACT_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/types.h>

#include "clock.h"

#define CS_CONTRACT_BITS 8

struct cs_peer;
struct netlink_ext_ack;

/**
 * struct cs_contract - a contract; what is not a counter stays as it was made
 * @node: in cs_contracts.buckets
 * @peer: whose it is
 * @id: 1 and on, once only for a peer
 * @direction: enum crowdshare_contract_direction
 * @bytes: that it covers
 * @expiry: Unix seconds, the last one at which it covers anything
 * @used: bytes charged, never more than @bytes
 * @refused: frames that named it and were refused for it
 * @told: bit 0: the event that it is exhausted was sent
 */
struct cs_contract {
	struct hlist_node node;
	struct cs_peer *peer;
	u32 id;
	u32 direction;
	u64 bytes;
	u64 expiry;
	atomic64_t used;
	atomic64_t refused;
	unsigned long told;
};

/**
 * struct cs_contracts - the contracts of a peer that has, or had, any
 * @nr: how many; under RTNL
 * @seed: of the hash: the other side may have a say in the ids
 * @buckets: struct cs_contract by id; written under RTNL, read under RCU
 */
struct cs_contracts {
	u32 nr;
	u32 seed;
	struct hlist_head buckets[1 << CS_CONTRACT_BITS];
};

/* The clock of this node decides; one that is not set can't tell. */
static inline bool cs_contract_expired(const struct cs_contract *contract, struct cs_now now)
{
	return now.wall && contract->expiry < now.wall;
}

struct cs_contract *cs_contract_find(const struct cs_peer *peer, u32 id);
int cs_contract_add(struct cs_peer *peer, const struct cs_contract *terms,
		    struct netlink_ext_ack *extack);
void cs_contract_unlink(struct cs_contract *contract);
void cs_contracts_free(struct cs_contracts *contracts);
bool cs_contract_charge(struct cs_contract *contract, unsigned int len);
void cs_contract_refund(struct cs_contract *contract, unsigned int len);

#endif /* _CS_CONTRACT_H */
