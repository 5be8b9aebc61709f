// SPDX-License-Identifier: GPL-2.0
/*
 * Contracts: what both sides signed, as far as the data plane enforces it: bytes until an expiry.
 *
 * A peer in state contract passes, and gets, only what a contract covers whole. Bytes are charged
 * when a frame is admitted, or handed to the port. They are given back when the message is not what
 * its digest says, as a stranger may have changed it on the way; not when it turns out to be known
 * by then, or does not fit into the seen-set.
 *
 * Concurrency. Contracts are added and removed under RTNL and found under RCU; a peer gets its hash
 * table with its first contract and keeps it. Bytes are charged by compare and exchange, so CPUs
 * that race never exceed what was agreed. Who removes a contract waits for a grace period: what it
 * counted is final then.
 */
#include <linux/hash.h>
#include <linux/jhash.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/netlink.h>

#include "contract.h"
#include "netlink.h"
#include "peer.h"

static struct hlist_head *cs_contract_bucket(struct cs_contracts *contracts, u32 id)
{
	return &contracts->buckets[hash_32(jhash_1word(id, contracts->seed), CS_CONTRACT_BITS)];
}

/**
 * cs_contract_find() - the contract of a peer that has an id
 * @peer: the peer
 * @id: the id
 *
 * Context: RCU or RTNL.
 * Return: the contract or NULL.
 */
struct cs_contract *cs_contract_find(const struct cs_peer *peer, u32 id)
{
	struct cs_contracts *contracts = rcu_dereference_rtnl(peer->contracts);
	struct cs_contract *contract;

	if (!contracts)
		return NULL;
	hlist_for_each_entry_rcu(contract, cs_contract_bucket(contracts, id), node,
				 lockdep_rtnl_is_held())
		if (contract->id == id)
			return contract;
	return NULL;
}

/* The table of a peer, which may be its first. */
static struct cs_contracts *cs_contracts_get(struct cs_peer *peer)
{
	struct cs_contracts *contracts = rtnl_dereference(peer->contracts);

	if (contracts)
		return contracts;
	contracts = kzalloc(sizeof(*contracts), GFP_KERNEL_ACCOUNT);
	if (contracts) {
		contracts->seed = get_random_u32();
		rcu_assign_pointer(peer->contracts, contracts);
	}
	return contracts;
}

/**
 * cs_contract_add() - give a peer a contract
 * @peer: the peer
 * @terms: id, direction, bytes and expiry
 * @extack: gets the reason of an error
 *
 * Context: process, RTNL held.
 * Return: 0, -EEXIST, -ENOSPC or -ENOMEM.
 */
int cs_contract_add(struct cs_peer *peer, const struct cs_contract *terms,
		    struct netlink_ext_ack *extack)
{
	struct cs_contracts *contracts;
	struct cs_contract *contract;

	if (cs_contract_find(peer, terms->id)) {
		NL_SET_ERR_MSG(extack, "peer has a contract of this id already");
		return -EEXIST;
	}
	contracts = cs_contracts_get(peer);
	if (!contracts)
		return -ENOMEM;
	if (contracts->nr >= CROWDSHARE_PEER_CONTRACTS_LIMIT) {
		NL_SET_ERR_MSG(extack, "peer has 1024 contracts already, remove one first");
		return -ENOSPC;
	}
	contract = kmemdup(terms, sizeof(*terms), GFP_KERNEL_ACCOUNT);
	if (!contract)
		return -ENOMEM;
	contract->peer = peer;
	contracts->nr++;
	hlist_add_head_rcu(&contract->node, cs_contract_bucket(contracts, contract->id));
	return 0;
}

/**
 * cs_contract_unlink() - take a contract from its peer
 * @contract: the contract, which the caller frees
 *
 * When it returns nothing is charged to it any more.
 *
 * Context: process, RTNL held; waits for a grace period.
 */
void cs_contract_unlink(struct cs_contract *contract)
{
	rtnl_dereference(contract->peer->contracts)->nr--;
	hlist_del_rcu(&contract->node);
	synchronize_net();
}

/**
 * cs_contracts_free() - free all contracts of a peer
 * @contracts: them and their table, or NULL
 *
 * Context: any, a grace period after the peer was removed.
 */
void cs_contracts_free(struct cs_contracts *contracts)
{
	struct cs_contract *contract;
	struct hlist_node *next;
	int i;

	if (!contracts)
		return;
	for (i = 0; i < ARRAY_SIZE(contracts->buckets); i++)
		hlist_for_each_entry_safe(contract, next, &contracts->buckets[i], node)
			kfree(contract);
	kfree(contracts);
}

/**
 * cs_contract_charge() - use some bytes of a contract
 * @contract: the contract
 * @len: bytes of the frame, from the link header on
 *
 * With the last byte, or the first frame that is larger than what is left, an event is sent, once.
 *
 * Context: softirqs disabled, RCU.
 * Return: whether there were so many left; if not, none is used.
 */
bool cs_contract_charge(struct cs_contract *contract, unsigned int len)
{
	s64 used = atomic64_read(&contract->used);
	bool enough;

	do {
		enough = len <= contract->bytes - (u64)used;
	} while (enough && !atomic64_try_cmpxchg(&contract->used, &used, used + len));
	if (unlikely(!enough || used + len == contract->bytes) &&
	    !test_and_set_bit(0, &contract->told))
		cs_netlink_exhausted_event(contract);
	return enough;
}

/**
 * cs_contract_refund() - give back what a frame used
 * @contract: what it was charged to, or one that took its id since
 * @len: bytes of the frame, from the link header on
 *
 * Context: RCU.
 */
void cs_contract_refund(struct cs_contract *contract, unsigned int len)
{
	s64 used = atomic64_read(&contract->used);

	while (!atomic64_try_cmpxchg(&contract->used, &used, max_t(s64, used - len, 0)))
		;
}
