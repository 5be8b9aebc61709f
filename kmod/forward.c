// SPDX-License-Identifier: GPL-2.0
/*
 * Replication and delivery of a message that is new.
 *
 * The rule, for a message that was just remembered:
 *
 *	hops_left is 0 and it came from a port: it goes no further. Otherwise, for each port:
 *	  the one on which it came:     only if the port echoes
 *	  down, MTU too small, no key, or none but peers that are not free: a drop of its own reason
 *	  else:                         one copy, broadcast, with a link header of this node
 *	and, if the device delivers it, the frame as it came goes up on the device.
 *
 * What this node sends to one peer alone goes there under the contract that it names: to a peer in
 * state contract only so, to a free one if it names any. What is broadcast is under none.
 *
 * A relay takes one off hops_left, unless that is unlimited, and clears the contract. Each copy
 * needs a header of its own, so it is a copy of the linear part; fragments are shared. A linear
 * message, which most are, is copied into memory of the kind that drivers receive into: it comes
 * from a stock of the CPU's own, and nothing of the skb's state is copied, to be cleared again. The
 * last one who wants the message gets the skb itself.
 *
 * Context: softirqs disabled, RCU. No lock; at-most-once per port follows from the caller, who was
 * the one to insert the digest, and from the list of ports, which holds each port once.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <net/ipv6.h>

#include "contract.h"
#include "forward.h"
#include "peer.h"
#include "trace.h"
#include "verify.h"

/**
 * struct cs_copy - what the copies of a message have in common
 * @dest: destination MAC
 * @hops_left: for the link header
 * @contract: for the link header; of @peer
 * @peer: the only receiver, or NULL
 * @repair: sent again, to a peer that lacks the message
 */
struct cs_copy {
	u8 dest[ETH_ALEN];
	u8 hops_left;
	__be32 contract;
	const struct cs_peer *peer;
	bool repair;
};

/* The key for a copy: the pairwise one if the peer has one, else the port's. */
static const struct cs_key *cs_forward_key(const struct cs_port *port, const struct cs_copy *copy)
{
	const struct cs_key *key = copy->peer ? rcu_dereference(copy->peer->tx) : NULL;

	return key ?: rcu_dereference(port->key);
}

/* May a copy of @len bytes go out of this port? */
static enum crowdshare_drop cs_forward_check(const struct cs_port *port, unsigned int len,
					     const struct cs_copy *copy)
{
	const struct cs_key *key = cs_forward_key(port, copy);

	if (!netif_running(port->dev) || !netif_carrier_ok(port->dev))
		return CROWDSHARE_DROP_TX_DOWN;
	if (len > READ_ONCE(port->dev->mtu))
		return CROWDSHARE_DROP_MTU;
	if (READ_ONCE(port->auth) == CROWDSHARE_AUTH_OFF)
		return CROWDSHARE_DROP_NONE;
	if (!key)
		return CROWDSHARE_DROP_TX_KEY;
	if (!copy->peer && READ_ONCE(port->nr_peers) && !READ_ONCE(port->nr_free))
		return CROWDSHARE_DROP_TX_PEER;
	return CROWDSHARE_DROP_NONE;
}

/*
 * Charges a copy of @len bytes, which is about to be handed to the port, to the contract that it
 * names. The tag is what binds it to the peer, so an open port, or the port key, carries none.
 */
static enum crowdshare_drop cs_forward_charge(const struct cs_port *port, unsigned int len,
					      const struct cs_copy *copy)
{
	const struct cs_peer *peer = copy->peer;
	struct cs_contract *contract;

	if (!copy->contract)
		return peer && READ_ONCE(peer->state) == CROWDSHARE_PEER_CONTRACT ?
		       CROWDSHARE_DROP_TX_CONTRACT : CROWDSHARE_DROP_NONE;
	if (!peer || !rcu_access_pointer(peer->tx) ||
	    READ_ONCE(port->auth) == CROWDSHARE_AUTH_OFF)
		return CROWDSHARE_DROP_TX_CONTRACT;
	contract = cs_contract_find(peer, be32_to_cpu(copy->contract));
	if (!contract || contract->direction != CROWDSHARE_CONTRACT_TX)
		return CROWDSHARE_DROP_TX_CONTRACT;
	if (!cs_contract_expired(contract, cs_clock_now()) && cs_contract_charge(contract, len))
		return CROWDSHARE_DROP_NONE;
	atomic64_inc(&contract->refused);
	return CROWDSHARE_DROP_TX_CONTRACT;
}

/* Writes link and Ethernet header of this node; the skb has room for them, and they are its own. */
static void cs_forward_head(struct sk_buff *skb, const struct cs_port *port,
			    const struct cs_copy *copy, const struct cs_key *key)
{
	struct cs_link_hdr *link = (struct cs_link_hdr *)skb->data;
	const struct cs_msg_hdr *msg = (const struct cs_msg_hdr *)(link + 1);
	struct ethhdr *eth;

	*link = (struct cs_link_hdr) {
		.version = CS_VERSION,
		.type = CS_TYPE_MESSAGE,
		.hops_left = copy->hops_left,
		.contract = copy->contract,
	};
	skb_reset_network_header(skb);

	eth = skb_push(skb, ETH_HLEN);
	skb_reset_mac_header(skb);
	ether_addr_copy(eth->h_dest, copy->dest);
	ether_addr_copy(eth->h_source, port->dev->dev_addr);
	eth->h_proto = cs_ethertype;
	if (!key)
		return;
	link->key_id = key->id;
	cs_verify_make_tag(link->tag, link, eth->h_source, msg->digest, key);
}

/* From here on the skb is @dev's. */
static void cs_forward_give(struct sk_buff *skb, struct net_device *dev)
{
	skb->protocol = cs_ethertype;
	skb->dev = dev;
}

/* Nothing that the skb went through at this node may go with it. */
static void cs_forward_scrub(struct sk_buff *skb)
{
	skb_scrub_packet(skb, true);
	__vlan_hwaccel_clear_tag(skb);
	skb_clear_hash(skb);
	skb_set_queue_mapping(skb, 0);
	skb->ip_summed = CHECKSUM_NONE;
	skb->priority = 0;
}

/* A copy of the frame's data with so much room before it, and of nothing else; or NULL. */
static struct sk_buff *cs_forward_dup(const struct sk_buff *skb, unsigned int headroom)
{
	unsigned int size = SKB_DATA_ALIGN(headroom + skb->len) +
			    SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
	struct sk_buff *copy;
	void *data;

	if (skb_is_nonlinear(skb) || size > PAGE_SIZE) {
		copy = __pskb_copy((struct sk_buff *)skb, headroom, GFP_ATOMIC);
		if (likely(copy))
			cs_forward_scrub(copy);
		return copy;
	}
	data = napi_alloc_frag(size);
	copy = likely(data) ? napi_build_skb(data, size) : NULL;
	if (unlikely(!copy)) {
		if (data)
			skb_free_frag(data);
		return NULL;
	}
	skb_reserve(copy, headroom);
	skb_put_data(copy, skb->data, skb->len);
	return copy;
}

/* Sends @skb, which is the caller's to give away, out of @port. */
static void cs_forward_xmit(const struct cs_frame *frame, struct cs_port *port,
			    const struct cs_copy *copy, struct sk_buff *skb)
{
	const struct cs_key *key = cs_forward_key(port, copy);
	unsigned int len = skb->len;
	int err;

	trace_crowdshare_forward(frame->cs->dev, port->dev, skb, copy->repair);
	cs_forward_head(skb, port, copy, key);
	cs_forward_give(skb, port->dev);
	err = dev_queue_xmit(skb);
	/* a macro that evaluates its argument twice */
	if (likely(!net_xmit_eval(err)))
		cs_stats_tx(port->stats, len, copy->repair);
	else
		cs_stats_drop(port->stats, CROWDSHARE_DROP_TX_QUEUE);
}

/* A copy of the frame for @port, or the frame itself if this is its @last use; NULL: counted. */
static struct sk_buff *cs_forward_take(const struct cs_frame *frame, const struct cs_port *port,
				       bool last)
{
	unsigned int headroom = LL_RESERVED_SPACE(port->dev);
	struct sk_buff *skb = frame->skb;

	if (!last) {
		skb = cs_forward_dup(skb, headroom);
	} else if (skb_cow_head(skb, headroom)) {
		kfree_skb(skb);
		skb = NULL;
	} else {
		cs_forward_scrub(skb);
	}
	if (unlikely(!skb))
		cs_stats_drop(port->stats, CROWDSHARE_DROP_TX_NOMEM);
	return skb;
}

static void cs_forward_copy(const struct cs_frame *frame, struct cs_port *port,
			    const struct cs_copy *copy, bool last)
{
	struct sk_buff *skb = cs_forward_take(frame, port, last);

	if (likely(skb))
		cs_forward_xmit(frame, port, copy, skb);
}

/* Counts that no copy goes out of @port. */
static void cs_forward_refuse(const struct cs_frame *frame, const struct cs_port *port,
			      enum crowdshare_drop reason)
{
	cs_stats_drop(port->stats, reason);
	trace_crowdshare_drop(frame->cs->dev, port->dev, frame->skb, reason);
}

/* Does the port on which the message came send it back out? */
static bool cs_forward_echoes(const struct cs_port *port)
{
	switch (READ_ONCE(port->echo)) {
	case CROWDSHARE_ECHO_ALWAYS:
		return true;
	case CROWDSHARE_ECHO_NEVER:
		return false;
	}
	if (!cs_port_wireless(port))
		return false;
	/* on an open port there may be neighbours that are not listed */
	return READ_ONCE(port->auth) == CROWDSHARE_AUTH_OFF || READ_ONCE(port->nr_peers) != 1;
}

static bool cs_forward_wants(const struct cs_frame *frame, struct cs_port *port,
			     const struct cs_copy *copy)
{
	enum crowdshare_drop reason;

	if (port == frame->port && !cs_forward_echoes(port))
		return false;
	reason = cs_forward_check(port, frame->skb->len, copy);
	if (likely(!reason))
		return true;
	cs_forward_refuse(frame, port, reason);
	return false;
}

static bool cs_forward_delivers(const struct cs_frame *frame)
{
	if (!frame->port)
		return false;
	/* who reads the address while it is changed may judge one message by half of each */
	switch (READ_ONCE(frame->cs->deliver)) {
	case CROWDSHARE_DELIVER_ALL:
		return true;
	case CROWDSHARE_DELIVER_LOCAL:
		return !ipv6_addr_any(&frame->cs->address) &&
		       !memcmp(cs_frame_message(frame)->destination, &frame->cs->address,
			       sizeof(frame->cs->address));
	}
	return false;
}

/* Hands the frame, as it came, to the device; consumes it. */
static void cs_forward_deliver(struct cs_frame *frame)
{
	struct net_device *dev = frame->cs->dev;
	struct sk_buff *skb = frame->skb;

	trace_crowdshare_deliver(dev, frame->port->dev, skb);
	cs_forward_scrub(skb);
	cs_forward_give(skb, dev);
	skb->pkt_type = is_unicast_ether_addr(eth_hdr(skb)->h_dest) ? PACKET_HOST :
								      PACKET_BROADCAST;
	cs_stats_inc(frame->port->stats, CS_STAT_DELIVERED);
	dev_sw_netstats_rx_add(dev, skb->len + ETH_HLEN);
	netif_receive_skb(skb);
}

/**
 * cs_forward() - replicate a message that is new on all other ports, and deliver it
 * @frame: the frame; its skb is consumed
 *
 * Context: softirqs disabled, RCU.
 */
void cs_forward(struct cs_frame *frame)
{
	bool deliver = cs_forward_delivers(frame), relay = true;
	const struct cs_link_hdr *link = cs_frame_link(frame);
	struct cs_copy copy = { .hops_left = link->hops_left };
	struct cs_port *port, *prev = NULL;

	eth_broadcast_addr(copy.dest);
	if (frame->port && !copy.hops_left) {
		relay = false;
		cs_stats_drop(frame->port->stats, CROWDSHARE_DROP_HOPS);
	} else if (frame->port && copy.hops_left != CS_HOPS_UNLIMITED) {
		copy.hops_left--;
	}

	/* each port is served when the next one is found: the last may get the skb itself */
	list_for_each_entry_rcu(port, &frame->cs->ports, list) {
		if (!relay || !cs_forward_wants(frame, port, &copy))
			continue;
		if (prev)
			cs_forward_copy(frame, prev, &copy, false);
		prev = port;
	}
	if (prev)
		cs_forward_copy(frame, prev, &copy, !deliver);
	if (deliver)
		cs_forward_deliver(frame);
	else if (!prev)
		consume_skb(frame->skb);
}

/* Would a message get to the peer, under the contract that it names, if it names one? */
static bool cs_forward_reaches(const struct cs_peer *peer, __be32 contract)
{
	const struct net_device *dev = peer->port->dev;

	return READ_ONCE(peer->state) != CROWDSHARE_PEER_DENY && netif_running(dev) &&
	       netif_carrier_ok(dev) &&
	       (!contract || cs_contract_find(peer, be32_to_cpu(contract)));
}

/*
 * The peer with this MAC. A neighbour may have it on several ports: that by which it is reached, or
 * else any, which says why not.
 */
static struct cs_peer *cs_forward_find_peer(const struct cs_device *cs, const u8 *lladdr,
					    __be32 contract)
{
	struct cs_peer *peer, *found = NULL;
	struct cs_port *port;

	list_for_each_entry_rcu(port, &cs->ports, list) {
		peer = cs_peer_find(port, lladdr);
		if (peer && cs_forward_reaches(peer, contract))
			return peer;
		found = found ?: peer;
	}
	return found;
}

/* Sends a copy to one neighbour, if its contract covers it. */
static void cs_forward_one(const struct cs_frame *frame, struct cs_port *port,
			   const struct cs_copy *copy)
{
	struct sk_buff *skb = cs_forward_take(frame, port, false);
	enum crowdshare_drop reason;

	if (unlikely(!skb))
		return;
	reason = cs_forward_charge(port, skb->len, copy);
	if (!reason) {
		cs_forward_xmit(frame, port, copy, skb);
		return;
	}
	cs_forward_refuse(frame, port, reason);
	kfree_skb(skb);
}

/**
 * cs_forward_unicast() - send a message of this node to one peer only
 * @frame: the frame as this node sent it into the device; its skb is consumed
 * @known: the message was known before: this is a repair
 *
 * To a peer that is listed it goes on that peer's port, with the pairwise key, or if there is none
 * and it names no contract, with the port key. To a MAC that is not listed it goes on all open
 * ports, on one of which the neighbour with that MAC takes it.
 *
 * Context: softirqs disabled, RCU.
 */
void cs_forward_unicast(struct cs_frame *frame, bool known)
{
	const struct cs_link_hdr *link = cs_frame_link(frame);
	struct cs_copy copy = {
		.hops_left = link->hops_left,
		.contract = link->contract,
		.repair = known,
	};
	bool sent = false;
	struct cs_port *port;

	ether_addr_copy(copy.dest, eth_hdr(frame->skb)->h_dest);
	copy.peer = cs_forward_find_peer(frame->cs, copy.dest, copy.contract);
	list_for_each_entry_rcu(port, &frame->cs->ports, list) {
		if (copy.peer ? copy.peer->port != port ||
				READ_ONCE(copy.peer->state) == CROWDSHARE_PEER_DENY :
				READ_ONCE(port->auth) != CROWDSHARE_AUTH_OFF)
			continue;
		sent = true;
		if (cs_forward_wants(frame, port, &copy))
			cs_forward_one(frame, port, &copy);
	}
	if (!sent)
		cs_stats_drop(frame->cs->local, CROWDSHARE_DROP_TX_PEER);
	consume_skb(frame->skb);
}
