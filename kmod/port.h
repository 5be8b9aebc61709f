/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ports: the network interfaces that are attached to a crowdshare device. See port.c.
 */
#ifndef _CS_PORT_H
#define _CS_PORT_H

#include <linux/hashtable.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>

#include "device.h"

struct cs_key;

#define CS_PORT_PEER_BITS 6

/**
 * struct cs_port - an interface of a crowdshare device
 * @list: in cs_device.ports
 * @cs: the crowdshare device
 * @dev: the interface
 * @net: its network namespace
 * @ops: the netdev ingress hook
 * @echo: enum crowdshare_echo
 * @auth: enum crowdshare_auth
 * @key: the port key, or NULL; written under RTNL, read under RCU
 * @peers: struct cs_peer by MAC; written under RTNL, read under RCU
 * @nr_peers: number of peers; written under RTNL
 * @nr_free: of these, in state free; written under RTNL
 * @stats: counters
 */
struct cs_port {
	struct list_head list;
	struct cs_device *cs;
	struct net_device *dev;
	struct net *net;
	struct nf_hook_ops ops;
	u32 echo;
	u32 auth;
	struct cs_key __rcu *key;
	DECLARE_HASHTABLE(peers, CS_PORT_PEER_BITS);
	u32 nr_peers;
	u32 nr_free;
	struct cs_stats __percpu *stats;
};

struct cs_port *cs_port_find(const struct net_device *dev);
struct cs_port *cs_port_add(struct cs_device *cs, struct net_device *dev, u32 echo, u32 auth,
			    struct netlink_ext_ack *extack);
void cs_port_del(struct cs_port *port);

static inline bool cs_port_wireless(const struct cs_port *port)
{
	return port->dev->ieee80211_ptr;
}

#endif /* _CS_PORT_H */
