/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Peers: the neighbours that are known by name, their keys, rate limits and contracts. See peer.c.
 */
#ifndef _CS_PEER_H
#define _CS_PEER_H

#include <crypto/blake2s.h>
#include <linux/etherdevice.h>
#include <linux/spinlock.h>

#include "contract.h"
#include "port.h"

/*
 * Receive keys of a peer: its port key and the pairwise key, each with its predecessor during
 * rotation.
 */
#define CS_PEER_RX_KEYS 4

/**
 * struct cs_key - a key, immutable once published
 * @rcu: defers the free
 * @id: 1 to 255, key_id of the frames
 * @pairwise: of frames between the two alone, which may carry a contract
 * @state: of a BLAKE2s that has digested the secret, which makes a third less to do for each tag
 */
struct cs_key {
	struct rcu_head rcu;
	u8 id;
	bool pairwise;
	struct blake2s_state state;
};

/**
 * struct cs_limit - a rate limit that lets one second's worth pass at once
 * @rate: units a second, 0: no limit; written under RTNL
 * @tat: theoretical arrival time of the next unit, ns of the monotonic clock
 *
 * The generic cell rate algorithm of ITU-T I.371: nothing to refill, one time stamp of state.
 */
struct cs_limit {
	u64 rate;
	u64 tat;
};

/**
 * struct cs_peer - a neighbour
 * @node: in cs_port.peers
 * @rcu: defers the free
 * @port: its port
 * @lladdr: its MAC
 * @state: enum crowdshare_peer_state
 * @rx: its receive keys; written under RTNL, read under RCU
 * @tx: the pairwise send key; likewise
 * @contracts: its contracts, NULL: never had any; likewise
 * @lock: of the rate limits; taken with softirqs disabled
 * @messages: limit of new messages
 * @bytes: limit of their bytes
 * @stats: counters
 */
struct cs_peer {
	struct hlist_node node;
	struct rcu_head rcu;
	struct cs_port *port;
	u8 lladdr[ETH_ALEN];
	u32 state;
	struct cs_key __rcu *rx[CS_PEER_RX_KEYS];
	struct cs_key __rcu *tx;
	struct cs_contracts __rcu *contracts;
	spinlock_t lock;
	struct cs_limit messages;
	struct cs_limit bytes;
	struct cs_stats __percpu *stats;
};

struct cs_peer *cs_peer_find(const struct cs_port *port, const u8 *lladdr);
struct cs_peer *cs_peer_add(struct cs_port *port, const u8 *lladdr, struct netlink_ext_ack *extack);
void cs_peer_del(struct cs_peer *peer);
void cs_peer_set_state(struct cs_peer *peer, u32 state);
void cs_peer_set_rate(struct cs_peer *peer, const u32 *messages, const u64 *bytes);
enum crowdshare_drop cs_peer_charge(struct cs_peer *peer, struct cs_contract **contract,
				    bool bound, unsigned int len);
const struct cs_key *cs_peer_rx_key(const struct cs_peer *peer, u8 id);
int cs_peer_add_rx_key(struct cs_peer *peer, u8 id, bool pairwise, const u8 *secret);
int cs_peer_del_rx_key(struct cs_peer *peer, u8 id, bool pairwise);

int cs_key_set(struct cs_key __rcu **slot, u8 id, bool pairwise, const u8 *secret);
void cs_key_clear(struct cs_key __rcu **slot);

#endif /* _CS_PEER_H */
