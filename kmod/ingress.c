// SPDX-License-Identifier: GPL-2.0
/*
 * Where frames come in: from a port, at netdev ingress, or from this node, sent into the device.
 *
 * The pipeline, each step cheaper than what it protects:
 *
 *	parse   is it one of ours, and whole?
 *	burst   its line of the seen-set is fetched while others are parsed (burst.c)
 *	seen    known: do nothing. In a dense mesh most frames end here: one lookup, no lock
 *	clock   does it still live, will it not live too long?
 *	peer    on a port that requires it: a listed sender, a key, a tag that verifies
 *	rate    is the sender within its limits, and its contract, if it needs or names one?
 *	spread  many are new: the CPU that the digest names goes on (spread.c)
 *	digest  is the message what it says? SHA-512, once
 *	insert  remember it, unless another CPU just did, or the seen-set is full
 *	forward replicate it on all other ports, deliver it (forward.c)
 *
 * Concurrency. Runs in softirq, or in process context with softirqs disabled when this node sends,
 * on any number of CPUs at once, under RCU. The only lock on the way is that of the seen-set's
 * segment, for new messages.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>

#include "burst.h"
#include "contract.h"
#include "forward.h"
#include "ingress.h"
#include "netlink.h"
#include "peer.h"
#include "spread.h"
#include "trace.h"
#include "verify.h"

__be16 cs_ethertype __read_mostly = cpu_to_be16(CS_ETHERTYPE);

/* Not a drop reason, and not passed on either. */
#define CS_DUPLICATE	__CROWDSHARE_DROP_MAX

/* Pulls both headers into the linear part and checks all that they say of the frame itself. */
static enum crowdshare_drop cs_ingress_parse(struct cs_frame *frame)
{
	const struct cs_link_hdr *link;
	const struct cs_msg_hdr *msg;
	unsigned int len = frame->skb->len;

	if (len < CS_HDRS_LEN)
		return CROWDSHARE_DROP_TRUNCATED;
	if (!pskb_may_pull(frame->skb, CS_HDRS_LEN))
		return CROWDSHARE_DROP_NOMEM;
	link = cs_frame_link(frame);
	msg = cs_frame_message(frame);
	if (link->version != CS_VERSION)
		return CROWDSHARE_DROP_VERSION;
	if (link->type != CS_TYPE_MESSAGE)
		return CROWDSHARE_DROP_TYPE;
	if (len < CS_HDRS_LEN + be16_to_cpu(msg->length))
		return CROWDSHARE_DROP_TRUNCATED;
	if (len > CS_HDRS_LEN + be16_to_cpu(msg->length))
		return CROWDSHARE_DROP_OVERSIZE;
	if (msg->flags)
		return CROWDSHARE_DROP_FLAGS;
	return CROWDSHARE_DROP_NONE;
}

/* Finds the line of the seen-set in which the digest belongs, and has the memory fetch it. */
static void cs_ingress_aim(struct cs_frame *frame)
{
	const struct cs_seen *seen = rcu_dereference(frame->cs->seen);

	if (unlikely(!seen))
		return;
	frame->line = cs_seen_line(seen, cs_frame_message(frame)->digest);
	frame->epoch = seen->epoch;
	cs_seen_prefetch(seen, frame->line);
}

/*
 * The claimed digest is looked up before anything is verified: what is known was verified when it
 * was remembered. The seen-set may be another one than when the frame was aimed.
 */
static enum crowdshare_drop cs_ingress_seen(struct cs_frame *frame)
{
	const u8 *digest = cs_frame_message(frame)->digest;

	frame->seen = rcu_dereference(frame->cs->seen);
	if (unlikely(!frame->seen))
		return CROWDSHARE_DROP_BUSY;
	if (unlikely(frame->seen->epoch != frame->epoch))
		frame->line = cs_seen_line(frame->seen, digest);
	return cs_seen_lookup(frame->seen, digest, frame->line) ? CS_DUPLICATE :
								  CROWDSHARE_DROP_NONE;
}

static enum crowdshare_drop cs_ingress_clock(struct cs_frame *frame)
{
	frame->now = cs_clock_now();
	return cs_clock_check(be64_to_cpu(cs_frame_message(frame)->expiry),
			      READ_ONCE(frame->cs->lifetime_max),
			      READ_ONCE(frame->seen->forgotten), frame->now);
}

/*
 * The contract that a frame names, if it is one: only a pairwise key says so for sure, as whoever
 * knows a port key can make the tags of its owner. One that has expired is found, too.
 */
static enum crowdshare_drop cs_ingress_contract(const struct cs_frame *frame,
						const struct cs_key *key,
						struct cs_contract **found)
{
	u32 id = be32_to_cpu(cs_frame_link(frame)->contract);
	struct cs_contract *contract;

	if (!id || !key)
		return CROWDSHARE_DROP_CONTRACT;
	if (!key->pairwise)
		return CROWDSHARE_DROP_CONTRACT_KEY;
	contract = cs_contract_find(frame->peer, id);
	if (!contract || contract->direction != CROWDSHARE_CONTRACT_RX)
		return CROWDSHARE_DROP_CONTRACT;
	*found = contract;
	return cs_contract_expired(contract, frame->now) ? CROWDSHARE_DROP_CONTRACT_EXPIRED :
							   CROWDSHARE_DROP_NONE;
}

/*
 * Charges a frame to the limits of its peer and to its contract, which a peer in state contract
 * must have. A free one may name any: what does not cover the frame is left aside.
 *
 * It is charged here once, before it is known whether the message is new and what it says: another
 * CPU that goes on with it does not come by again. Only the contract gets it back if the message is
 * not what its digest says; the limits of a peer are also there to bound such work.
 */
static enum crowdshare_drop cs_ingress_charge(struct cs_frame *frame, const struct cs_key *key)
{
	bool bound = READ_ONCE(frame->peer->state) == CROWDSHARE_PEER_CONTRACT;
	enum crowdshare_drop reason = CROWDSHARE_DROP_NONE;
	struct cs_contract *contract = NULL;

	if (bound || cs_frame_link(frame)->contract)
		reason = cs_ingress_contract(frame, key, &contract);
	if (reason && !bound) {
		contract = NULL;
		reason = CROWDSHARE_DROP_NONE;
	}
	if (!reason)
		reason = cs_peer_charge(frame->peer, &contract, bound, frame->skb->len);
	if (!reason)
		frame->contract = contract;
	else if (contract && (reason == CROWDSHARE_DROP_CONTRACT_EXPIRED ||
			      reason == CROWDSHARE_DROP_EXHAUSTED))
		atomic64_inc(&contract->refused);
	return reason;
}

/*
 * Who sent the frame, and may he? On an open port whoever is not listed is a free peer. A frame is
 * the peer's, and counts as his, once its tag says so.
 */
static enum crowdshare_drop cs_ingress_peer(struct cs_frame *frame)
{
	bool auth = READ_ONCE(frame->port->auth) == CROWDSHARE_AUTH_REQUIRED;
	const struct cs_key *key = NULL;
	enum crowdshare_drop reason;
	struct cs_peer *peer;

	peer = cs_peer_find(frame->port, eth_hdr(frame->skb)->h_source);
	if (!peer)
		return auth ? CROWDSHARE_DROP_STRANGER : CROWDSHARE_DROP_NONE;
	if (READ_ONCE(peer->state) == CROWDSHARE_PEER_DENY)
		return CROWDSHARE_DROP_DENIED;
	if (auth) {
		reason = cs_verify_tag(frame, peer, &key);
		if (reason)
			return reason;
	}
	frame->peer = peer;
	cs_stats_rx(peer->stats, frame->skb->len);
	return cs_ingress_charge(frame, key);
}

static enum crowdshare_drop cs_ingress_insert(struct cs_frame *frame)
{
	const struct cs_msg_hdr *msg = cs_frame_message(frame);
	u32 deadline = cs_clock_deadline(be64_to_cpu(msg->expiry),
					 READ_ONCE(frame->cs->lifetime_max), frame->now);

	switch (cs_seen_insert(frame->seen, msg->digest, frame->line, deadline, frame->now)) {
	case CS_SEEN_NEW:
		return CROWDSHARE_DROP_NONE;
	case CS_SEEN_KNOWN:
		return CS_DUPLICATE;
	default:
		cs_netlink_full_event(frame->cs);
		return CROWDSHARE_DROP_FULL;
	}
}

/* All steps that are cheap, for a frame that was parsed. */
static enum crowdshare_drop cs_ingress_admit(struct cs_frame *frame)
{
	enum crowdshare_drop reason;

	reason = cs_ingress_seen(frame);
	if (reason)
		return reason;
	reason = cs_ingress_clock(frame);
	if (reason || !frame->port)
		return reason;
	return cs_ingress_peer(frame);
}

/* The dear ones: a frame that was admitted turns out to be a new message, or not. */
static enum crowdshare_drop cs_ingress_verify(struct cs_frame *frame)
{
	enum crowdshare_drop reason = cs_verify_digest(frame);

	if (unlikely(reason == CROWDSHARE_DROP_DIGEST) && frame->contract)
		cs_contract_refund(frame->contract, frame->skb->len);
	return reason ?: cs_ingress_insert(frame);
}

/* Counts the frame as what it turned out to be, and the same for its peer once that is known. */
static void cs_ingress_count(const struct cs_frame *frame, enum crowdshare_drop reason)
{
	const struct net_device *dev = frame->port ? frame->port->dev : NULL;
	enum cs_stat stat = CS_STAT_DROP + reason;

	if (reason == CROWDSHARE_DROP_NONE)
		stat = CS_STAT_NEW;
	else if (reason == CS_DUPLICATE)
		stat = CS_STAT_DUPLICATES;
	cs_stats_inc(cs_frame_stats(frame), stat);
	if (frame->peer)
		cs_stats_inc(frame->peer->stats, stat);

	if (reason == CROWDSHARE_DROP_NONE || reason == CS_DUPLICATE)
		trace_crowdshare_receive(frame->cs->dev, dev, frame->skb, !reason);
	else
		trace_crowdshare_drop(frame->cs->dev, dev, frame->skb, reason);
}

/* Counts the frame, and forwards or frees it. */
static void cs_ingress_finish(struct cs_frame *frame, enum crowdshare_drop reason)
{
	cs_ingress_count(frame, reason);
	if (reason == CROWDSHARE_DROP_NONE)
		cs_forward(frame);
	else if (reason == CS_DUPLICATE)
		napi_consume_skb(frame->skb, 1);
	else
		kfree_skb(frame->skb);
}

/* A frame of ours that came in at a port; consumes it. */
static void cs_ingress_port(struct cs_port *port, struct sk_buff *skb)
{
	struct cs_frame frame = { .cs = port->cs, .port = port };
	enum crowdshare_drop reason;

	cs_stats_rx(port->stats, skb->len);
	frame.skb = skb_share_check(skb, GFP_ATOMIC);
	if (unlikely(!frame.skb)) {
		cs_stats_drop(port->stats, CROWDSHARE_DROP_NOMEM);
		return;
	}
	reason = cs_ingress_parse(&frame);
	if (unlikely(reason)) {
		cs_ingress_finish(&frame, reason);
		return;
	}
	cs_ingress_aim(&frame);
	if (!cs_burst_add(&frame))
		cs_ingress_frame(&frame);
}

/**
 * cs_ingress_frame() - go on with a frame whose line of the seen-set has been asked for
 * @frame: a frame that came in at a port, and was parsed; its skb is consumed
 *
 * Context: softirqs disabled, RCU.
 */
void cs_ingress_frame(struct cs_frame *frame)
{
	enum crowdshare_drop reason = CROWDSHARE_DROP_DOWN;

	if (likely(netif_running(frame->cs->dev)))
		reason = cs_ingress_admit(frame);
	if (!reason) {
		if (cs_spread(frame))
			return;
		reason = cs_ingress_verify(frame);
	}
	cs_ingress_finish(frame, reason);
}

/**
 * cs_ingress_resume() - go on with a frame that another CPU admitted
 * @port: where it came from
 * @skb: the frame, data at the link header; consumed
 * @charged: to the contract that it names
 *
 * Meanwhile the message may have become known, the seen-set another one, and the peer be gone. What
 * it was charged to stays charged.
 *
 * Context: softirq, RCU.
 */
void cs_ingress_resume(struct cs_port *port, struct sk_buff *skb, bool charged)
{
	struct cs_frame frame = { .cs = port->cs, .port = port, .skb = skb };
	enum crowdshare_drop reason;

	frame.now = cs_clock_now();
	frame.peer = cs_peer_find(port, eth_hdr(skb)->h_source);
	if (charged && frame.peer)
		frame.contract = cs_contract_find(frame.peer,
						  be32_to_cpu(cs_frame_link(&frame)->contract));
	reason = cs_ingress_seen(&frame);
	cs_ingress_finish(&frame, reason ?: cs_ingress_verify(&frame));
}

/*
 * Frames of other hosts, that a promiscuous interface hears, are not ours; neither are those with a
 * VLAN tag, which the VLAN's own interface may have as its port. VLAN 0 only carries a priority.
 */
static bool cs_ingress_ours(const struct sk_buff *skb)
{
	if (skb->protocol != cs_ethertype)
		return false;
	if (skb->pkt_type == PACKET_OTHERHOST || skb->pkt_type == PACKET_LOOPBACK)
		return false;
	return !skb_vlan_tag_present(skb) || !skb_vlan_tag_get_id(skb);
}

/**
 * cs_ingress_hook() - netdev ingress hook of a port
 * @priv: the port
 * @skb: the frame
 * @state: of the hook
 *
 * A foreign frame costs one compare.
 *
 * Context: softirq, RCU.
 * Return: NF_ACCEPT for foreign frames, NF_STOLEN for ours.
 */
unsigned int cs_ingress_hook(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	if (likely(!cs_ingress_ours(skb)))
		return NF_ACCEPT;
	cs_ingress_port(priv, skb);
	return NF_STOLEN;
}

/**
 * cs_ingress_local() - a frame that this node sends into the device
 * @cs: the device
 * @skb: the frame, data at the Ethernet header; consumed
 *
 * To a group MAC: a message of this node, remembered, then replicated on all ports. To a unicast
 * MAC: it goes to that peer only, known or not.
 *
 * Context: softirqs disabled, RCU.
 */
void cs_ingress_local(struct cs_device *cs, struct sk_buff *skb)
{
	enum crowdshare_drop reason = CROWDSHARE_DROP_FOREIGN;
	struct cs_frame frame = { .cs = cs, .skb = skb };
	bool unicast;

	if (unlikely(!pskb_may_pull(skb, ETH_HLEN))) {
		/* nobody sends this: the stack has a whole header in front of what it sends */
		kfree_skb(skb);
		return;
	}
	skb_reset_mac_header(skb);
	unicast = is_unicast_ether_addr(eth_hdr(skb)->h_dest);
	__skb_pull(skb, ETH_HLEN);
	skb_reset_network_header(skb);
	cs_stats_rx(cs->local, skb->len);
	if (eth_hdr(skb)->h_proto == cs_ethertype)
		reason = cs_ingress_parse(&frame) ?: cs_ingress_admit(&frame) ?:
			 cs_ingress_verify(&frame);
	if (!unicast || (reason != CROWDSHARE_DROP_NONE && reason != CS_DUPLICATE)) {
		cs_ingress_finish(&frame, reason);
		return;
	}
	cs_ingress_count(&frame, reason);
	cs_forward_unicast(&frame, reason == CS_DUPLICATE);
}
