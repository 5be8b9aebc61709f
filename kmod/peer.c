// SPDX-License-Identifier: GPL-2.0
/*
 * Peers: the neighbours that are known by name, their keys, rate limits and contracts.
 *
 * Concurrency. Peers and keys are changed under RTNL and read under RCU in the receive and transmit
 * paths; a key is immutable, a new one takes the place of the old. Rate limits change with every
 * new message of the peer, under the peer's own lock.
 */
#include <linux/etherdevice.h>
#include <linux/jhash.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include <net/netlink.h>

#include "peer.h"
#include "verify.h"

static u32 cs_peer_hash(const u8 *lladdr)
{
	/* only the administrator adds peers, so nobody can aim at a bucket */
	return jhash(lladdr, ETH_ALEN, 0);
}

/**
 * cs_peer_find() - the peer of a port that has a MAC
 * @port: the port
 * @lladdr: the MAC
 *
 * Context: RCU or RTNL.
 * Return: the peer or NULL.
 */
struct cs_peer *cs_peer_find(const struct cs_port *port, const u8 *lladdr)
{
	struct cs_peer *peer;
	u32 bucket = hash_min(cs_peer_hash(lladdr), CS_PORT_PEER_BITS);

	hlist_for_each_entry_rcu(peer, &port->peers[bucket], node, lockdep_rtnl_is_held())
		if (ether_addr_equal(peer->lladdr, lladdr))
			return peer;
	return NULL;
}

/**
 * cs_peer_add() - make a peer, in state free, without keys and limits
 * @port: its port
 * @lladdr: its MAC
 * @extack: gets the reason of an error
 *
 * Context: process, RTNL held.
 * Return: the peer, or an ERR_PTR: -EEXIST, -ENOMEM.
 */
struct cs_peer *cs_peer_add(struct cs_port *port, const u8 *lladdr, struct netlink_ext_ack *extack)
{
	struct cs_peer *peer;

	if (cs_peer_find(port, lladdr)) {
		NL_SET_ERR_MSG(extack, "peer exists already");
		return ERR_PTR(-EEXIST);
	}
	peer = kzalloc(sizeof(*peer), GFP_KERNEL_ACCOUNT);
	if (!peer)
		return ERR_PTR(-ENOMEM);
	peer->stats = cs_stats_alloc();
	if (!peer->stats) {
		kfree(peer);
		return ERR_PTR(-ENOMEM);
	}
	peer->port = port;
	peer->state = CROWDSHARE_PEER_FREE;
	ether_addr_copy(peer->lladdr, lladdr);
	spin_lock_init(&peer->lock);
	WRITE_ONCE(port->nr_peers, port->nr_peers + 1);
	WRITE_ONCE(port->nr_free, port->nr_free + 1);
	hash_add_rcu(port->peers, &peer->node, cs_peer_hash(lladdr));
	return peer;
}

static void cs_peer_free_rcu(struct rcu_head *rcu)
{
	struct cs_peer *peer = container_of(rcu, struct cs_peer, rcu);

	cs_contracts_free(rcu_dereference_protected(peer->contracts, true));
	free_percpu(peer->stats);
	kfree(peer);
}

/**
 * cs_peer_del() - remove a peer, its keys and its contracts
 * @peer: the peer
 *
 * Context: process, RTNL held.
 */
void cs_peer_del(struct cs_peer *peer)
{
	int i;

	cs_peer_set_state(peer, CROWDSHARE_PEER_DENY);
	WRITE_ONCE(peer->port->nr_peers, peer->port->nr_peers - 1);
	hash_del_rcu(&peer->node);
	for (i = 0; i < CS_PEER_RX_KEYS; i++)
		cs_key_clear(&peer->rx[i]);
	cs_key_clear(&peer->tx);
	call_rcu(&peer->rcu, cs_peer_free_rcu);
}

/**
 * cs_peer_set_state() - change how a peer is treated
 * @peer: the peer
 * @state: enum crowdshare_peer_state
 *
 * Context: process, RTNL held.
 */
void cs_peer_set_state(struct cs_peer *peer, u32 state)
{
	int free = (state == CROWDSHARE_PEER_FREE) - (peer->state == CROWDSHARE_PEER_FREE);

	WRITE_ONCE(peer->port->nr_free, peer->port->nr_free + free);
	WRITE_ONCE(peer->state, state);
}

/**
 * cs_peer_set_rate() - set the limits of what is accepted from a peer
 * @peer: the peer
 * @messages: new messages a second, 0: no limit; NULL: as it was
 * @bytes: their bytes a second, 0: no limit; NULL: as it was
 *
 * Context: process, RTNL held.
 */
void cs_peer_set_rate(struct cs_peer *peer, const u32 *messages, const u64 *bytes)
{
	spin_lock_bh(&peer->lock);
	if (messages) {
		WRITE_ONCE(peer->messages.rate, *messages);
		peer->messages.tat = 0;
	}
	if (bytes) {
		WRITE_ONCE(peer->bytes.rate, *bytes);
		peer->bytes.tat = 0;
	}
	spin_unlock_bh(&peer->lock);
}

/* Is the frame covered by its contract, or free to go without? */
static enum crowdshare_drop cs_peer_covered(struct cs_contract **contract, bool bound,
					    unsigned int len)
{
	if (likely(!*contract) || cs_contract_charge(*contract, len))
		return CROWDSHARE_DROP_NONE;
	if (bound)
		return CROWDSHARE_DROP_EXHAUSTED;
	*contract = NULL;
	return CROWDSHARE_DROP_NONE;
}

/*
 * When the limit would let the unit after these pass, or 0 if it does not let these pass. One
 * second's worth may pass at once, and a frame that is larger than this when nothing did before.
 */
static u64 cs_limit_next(const struct cs_limit *limit, u64 now, unsigned int units)
{
	u64 cost, tat;

	if (!limit->rate)
		return now;
	cost = div64_u64((u64)units * NSEC_PER_SEC, limit->rate);
	tat = max(limit->tat, now) + cost;
	return tat > now + max_t(u64, cost, NSEC_PER_SEC) ? 0 : tat;
}

/**
 * cs_peer_charge() - count a new message against the peer's rate limits and its contract
 * @peer: the peer
 * @contract: the contract that the frame names, or NULL; set to NULL if the frame goes without
 * @bound: without a contract it does not pass
 * @len: bytes of the frame, from the link header on
 *
 * The limits are asked first. Whichever refuses, nothing is charged to the others.
 *
 * Context: softirq, RCU.
 * Return: CROWDSHARE_DROP_NONE, CROWDSHARE_DROP_RATE or CROWDSHARE_DROP_EXHAUSTED.
 */
enum crowdshare_drop cs_peer_charge(struct cs_peer *peer, struct cs_contract **contract,
				    bool bound, unsigned int len)
{
	enum crowdshare_drop reason = CROWDSHARE_DROP_NONE;
	u64 now, messages, bytes;

	if (!READ_ONCE(peer->messages.rate) && !READ_ONCE(peer->bytes.rate))
		return cs_peer_covered(contract, bound, len);
	now = ktime_get_ns();
	spin_lock_bh(&peer->lock);
	messages = cs_limit_next(&peer->messages, now, 1);
	bytes = cs_limit_next(&peer->bytes, now, len);
	if (messages && bytes)
		reason = cs_peer_covered(contract, bound, len);
	else
		reason = CROWDSHARE_DROP_RATE;
	if (!reason) {
		peer->messages.tat = messages;
		peer->bytes.tat = bytes;
	}
	spin_unlock_bh(&peer->lock);
	return reason;
}

/**
 * cs_peer_rx_key() - the key with which a peer made a tag
 * @peer: the peer
 * @id: key_id of the frame
 *
 * Context: RCU or RTNL.
 * Return: the key or NULL.
 */
const struct cs_key *cs_peer_rx_key(const struct cs_peer *peer, u8 id)
{
	const struct cs_key *key;
	int i;

	for (i = 0; i < CS_PEER_RX_KEYS; i++) {
		key = rcu_dereference_rtnl(peer->rx[i]);
		if (key && key->id == id)
			return key;
	}
	return NULL;
}

/**
 * cs_peer_add_rx_key() - add a receive key, or replace the one with the same id
 * @peer: the peer
 * @id: 1 to 255
 * @pairwise: it may carry contracts
 * @secret: CS_KEY_LEN bytes
 *
 * Context: process, RTNL held.
 * Return: 0, -ENOMEM, or -ENOSPC when the peer has CS_PEER_RX_KEYS others.
 */
int cs_peer_add_rx_key(struct cs_peer *peer, u8 id, bool pairwise, const u8 *secret)
{
	struct cs_key __rcu **slot = NULL;
	const struct cs_key *key;
	int i;

	for (i = CS_PEER_RX_KEYS - 1; i >= 0; i--) {
		key = rtnl_dereference(peer->rx[i]);
		if (key && key->id == id)
			return cs_key_set(&peer->rx[i], id, pairwise, secret);
		if (!key)
			slot = &peer->rx[i];
	}
	return slot ? cs_key_set(slot, id, pairwise, secret) : -ENOSPC;
}

/**
 * cs_peer_del_rx_key() - remove a receive key
 * @peer: the peer
 * @id: its id
 * @pairwise: what it is
 *
 * Context: process, RTNL held.
 * Return: 0, or -ENOENT.
 */
int cs_peer_del_rx_key(struct cs_peer *peer, u8 id, bool pairwise)
{
	const struct cs_key *key;
	int i;

	for (i = 0; i < CS_PEER_RX_KEYS; i++) {
		key = rtnl_dereference(peer->rx[i]);
		if (!key || key->id != id || key->pairwise != pairwise)
			continue;
		cs_key_clear(&peer->rx[i]);
		return 0;
	}
	return -ENOENT;
}

static void cs_key_free_rcu(struct rcu_head *rcu)
{
	kfree_sensitive(container_of(rcu, struct cs_key, rcu));
}

/**
 * cs_key_set() - put a key in the place of another
 * @slot: the place
 * @id: 1 to 255
 * @pairwise: see struct cs_key
 * @secret: CS_KEY_LEN bytes
 *
 * Context: process, RTNL held.
 * Return: 0, or -ENOMEM; then the old key stays.
 */
int cs_key_set(struct cs_key __rcu **slot, u8 id, bool pairwise, const u8 *secret)
{
	struct cs_key *key, *old;

	key = kzalloc(sizeof(*key), GFP_KERNEL_ACCOUNT);
	if (!key)
		return -ENOMEM;
	key->id = id;
	key->pairwise = pairwise;
	cs_verify_prepare_key(key, secret);
	old = rcu_replace_pointer(*slot, key, lockdep_rtnl_is_held());
	if (old)
		call_rcu(&old->rcu, cs_key_free_rcu);
	return 0;
}

/**
 * cs_key_clear() - remove a key
 * @slot: its place, which may be empty
 *
 * Context: process, RTNL held.
 */
void cs_key_clear(struct cs_key __rcu **slot)
{
	struct cs_key *old = rcu_replace_pointer(*slot, NULL, lockdep_rtnl_is_held());

	if (old)
		call_rcu(&old->rcu, cs_key_free_rcu);
}
