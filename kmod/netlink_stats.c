// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink: statistics of devices, ports and peers. All under RTNL.
 */
#include <linux/rtnetlink.h>

#include "compat.h"
#include "device.h"
#include "netlink.h"
#include "peer.h"
#include "port.h"

/**
 * struct cs_stats_of - what statistics are of
 * @scope: enum crowdshare_scope
 * @cs: the device
 * @port: the port, or NULL
 * @peer: the peer, or NULL
 */
struct cs_stats_of {
	u32 scope;
	struct cs_device *cs;
	struct cs_port *port;
	struct cs_peer *peer;
};

static int cs_stats_put_of(struct sk_buff *skb, const struct cs_stats_of *of)
{
	return nla_put_u32(skb, CROWDSHARE_A_STATS_DEV_IFINDEX, of->cs->dev->ifindex) ?:
	       nla_put_string(skb, CROWDSHARE_A_STATS_DEV_IFNAME, of->cs->dev->name) ?:
	       nla_put_u32(skb, CROWDSHARE_A_STATS_SCOPE, of->scope) ?:
	       (of->port ? nla_put_u32(skb, CROWDSHARE_A_STATS_PORT_IFINDEX,
				       of->port->dev->ifindex) ?:
			   nla_put_string(skb, CROWDSHARE_A_STATS_PORT_IFNAME,
					  of->port->dev->name) : 0) ?:
	       (of->peer ? nla_put(skb, CROWDSHARE_A_STATS_LLADDR, ETH_ALEN, of->peer->lladdr) : 0);
}

static int cs_stats_put_drops(struct sk_buff *skb, const u64 *sum)
{
	struct nlattr *nest;
	int reason;

	for (reason = 1; reason < __CROWDSHARE_DROP_MAX; reason++) {
		if (!sum[CS_STAT_DROP + reason])
			continue;
		nest = nla_nest_start(skb, CROWDSHARE_A_STATS_DROP);
		if (!nest || nla_put_u32(skb, CROWDSHARE_A_DROP_REASON, reason) ||
		    nla_put_u64_64bit(skb, CROWDSHARE_A_DROP_COUNT, sum[CS_STAT_DROP + reason],
				      CROWDSHARE_A_DROP_PAD))
			return -EMSGSIZE;
		nla_nest_end(skb, nest);
	}
	return 0;
}

static int cs_stats_put(struct sk_buff *skb, const struct cs_stats_of *of, const u64 *sum)
{
	static const struct {
		int attr;
		enum cs_stat stat;
	} map[] = {
		{ CROWDSHARE_A_STATS_RX_FRAMES, CS_STAT_RX_FRAMES },
		{ CROWDSHARE_A_STATS_RX_BYTES, CS_STAT_RX_BYTES },
		{ CROWDSHARE_A_STATS_NEW, CS_STAT_NEW },
		{ CROWDSHARE_A_STATS_DUPLICATES, CS_STAT_DUPLICATES },
		{ CROWDSHARE_A_STATS_DELIVERED, CS_STAT_DELIVERED },
		{ CROWDSHARE_A_STATS_TX_FRAMES, CS_STAT_TX_FRAMES },
		{ CROWDSHARE_A_STATS_TX_BYTES, CS_STAT_TX_BYTES },
		{ CROWDSHARE_A_STATS_TX_REPAIRS, CS_STAT_TX_REPAIRS },
	};
	int i, err = cs_stats_put_of(skb, of);

	for (i = 0; !err && i < ARRAY_SIZE(map); i++)
		err = nla_put_u64_64bit(skb, map[i].attr, sum[map[i].stat], CROWDSHARE_A_STATS_PAD);
	return err ?: cs_stats_put_drops(skb, sum);
}

static int cs_stats_fill(const struct cs_reply *reply, const struct cs_stats_of *of)
{
	u64 sum[CS_STAT_MAX] = {};
	void *head;

	if (of->scope == CROWDSHARE_SCOPE_DEVICE)
		cs_device_stats(of->cs, sum);
	else if (of->scope == CROWDSHARE_SCOPE_LOCAL)
		cs_stats_sum(sum, of->cs->local);
	else
		cs_stats_sum(sum, of->peer ? of->peer->stats : of->port->stats);
	head = cs_reply_begin(reply);
	if (!head)
		return -EMSGSIZE;
	return cs_reply_end(reply, head, cs_stats_put(reply->skb, of, sum));
}

static int cs_stats_fill_peer(const struct cs_reply *reply, void *object)
{
	struct cs_peer *peer = object;
	struct cs_stats_of of = {
		.scope = CROWDSHARE_SCOPE_PEER,
		.cs = peer->port->cs,
		.port = peer->port,
		.peer = peer,
	};

	return cs_stats_fill(reply, &of);
}

/* The device, what this node sent, then each port with its peers; the step is in cb->args[2]. */
static int cs_stats_fill_device(const struct cs_reply *reply, struct cs_device *cs)
{
	struct cs_stats_of of = { .cs = cs };
	long step = 2;

	for (; reply->cb->args[2] < 2; reply->cb->args[2]++) {
		of.scope = reply->cb->args[2] ? CROWDSHARE_SCOPE_LOCAL : CROWDSHARE_SCOPE_DEVICE;
		if (cs_stats_fill(reply, &of))
			return -EMSGSIZE;
	}
	of.scope = CROWDSHARE_SCOPE_PORT;
	list_for_each_entry(of.port, &cs->ports, list) {
		if (step++ == reply->cb->args[2]) {
			if (cs_stats_fill(reply, &of))
				return -EMSGSIZE;
			reply->cb->args[2]++;
			reply->cb->args[1] = 0;
		}
		if (step++ == reply->cb->args[2]) {
			if (cs_peer_for_each(reply, of.port, cs_stats_fill_peer))
				return -EMSGSIZE;
			reply->cb->args[2]++;
		}
	}
	reply->cb->args[2] = 0;
	return 0;
}

static int cs_stats_fill_dev(const struct cs_reply *reply, void *object)
{
	struct nlattr *only = cs_compat_dump_attrs(reply->cb)[CROWDSHARE_A_STATS_DEV_IFINDEX];
	struct net_device *dev = object;

	if (!cs_device_is(dev) || (only && nla_get_u32(only) != dev->ifindex))
		return 0;
	return cs_stats_fill_device(reply, netdev_priv(dev));
}

int cs_stats_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	return cs_netlink_dump(skb, cb, CROWDSHARE_CMD_STATS_GET, cs_stats_fill_dev);
}
