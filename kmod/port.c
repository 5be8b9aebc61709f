// SPDX-License-Identifier: GPL-2.0
/*
 * Ports: the network interfaces that are attached to a crowdshare device.
 *
 * A port is linked below the device as a non-master upper link, so that the interface may be in a
 * bridge or in another mesh too, and hooked at netdev ingress, in front of the bridge. An interface
 * is a port of one device at most.
 *
 * Concurrency. Ports are added and removed under RTNL. The packet paths read the list of ports and
 * a port's fields under RCU; a port is freed after a grace period, when its counters stand still
 * and have been added to those of the device.
 */
#include <linux/if_arp.h>
#include <linux/netfilter_netdev.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/netlink.h>

#include "burst.h"
#include "ingress.h"
#include "netlink.h"
#include "peer.h"
#include "port.h"
#include "spread.h"

/**
 * cs_port_find() - the port that an interface is
 * @dev: the interface
 *
 * Context: process, RTNL held.
 * Return: the port, or NULL if the interface is not attached to a crowdshare device.
 */
struct cs_port *cs_port_find(const struct net_device *dev)
{
	struct net_device *upper;
	struct list_head *iter;
	struct cs_device *cs;
	struct cs_port *port;

	netdev_for_each_upper_dev_rcu((struct net_device *)dev, upper, iter) {
		if (!cs_device_is(upper))
			continue;
		cs = netdev_priv(upper);
		list_for_each_entry(port, &cs->ports, list)
			if (port->dev == dev)
				return port;
	}
	return NULL;
}

static int cs_port_check(const struct net_device *dev, struct netlink_ext_ack *extack)
{
	if (cs_device_is(dev)) {
		NL_SET_ERR_MSG(extack, "a crowdshare device can't be a port");
		return -ELOOP;
	}
	if (dev->type != ARPHRD_ETHER || dev->addr_len != ETH_ALEN || dev->flags & IFF_LOOPBACK) {
		NL_SET_ERR_MSG(extack, "only an Ethernet-like interface can be a port");
		return -EOPNOTSUPP;
	}
	if (cs_port_find(dev)) {
		NL_SET_ERR_MSG(extack, "interface is a port already");
		return -EBUSY;
	}
	return 0;
}

/* Hooks the port at ingress and links it below the device; frames may arrive before it returns. */
static int cs_port_attach(struct cs_port *port, struct netlink_ext_ack *extack)
{
	int err;

	err = netdev_upper_dev_link(port->dev, port->cs->dev, extack);
	if (err)
		return err;
	port->ops.hook = cs_ingress_hook;
	port->ops.priv = port;
	port->ops.dev = port->dev;
	port->ops.pf = NFPROTO_NETDEV;
	port->ops.hooknum = NF_NETDEV_INGRESS;
	err = nf_register_net_hook(port->net, &port->ops);
	if (err) {
		NL_SET_ERR_MSG(extack, "can't hook the interface's ingress");
		netdev_upper_dev_unlink(port->dev, port->cs->dev);
	}
	return err;
}

/**
 * cs_port_add() - attach an interface to a crowdshare device
 * @cs: the device
 * @dev: the interface, in the same network namespace
 * @echo: enum crowdshare_echo
 * @auth: enum crowdshare_auth
 * @extack: gets the reason of an error
 *
 * Context: process, RTNL held.
 * Return: the port, or an ERR_PTR.
 */
struct cs_port *cs_port_add(struct cs_device *cs, struct net_device *dev, u32 echo, u32 auth,
			    struct netlink_ext_ack *extack)
{
	struct cs_port *port;
	int err;

	err = cs_port_check(dev, extack);
	if (err)
		return ERR_PTR(err);
	port = kzalloc(sizeof(*port), GFP_KERNEL_ACCOUNT);
	if (!port)
		return ERR_PTR(-ENOMEM);
	port->stats = cs_stats_alloc();
	if (!port->stats) {
		kfree(port);
		return ERR_PTR(-ENOMEM);
	}
	port->cs = cs;
	port->dev = dev;
	port->net = dev_net(dev);
	port->echo = echo;
	port->auth = auth;
	hash_init(port->peers);
	err = cs_port_attach(port, extack);
	if (err) {
		free_percpu(port->stats);
		kfree(port);
		return ERR_PTR(err);
	}
	list_add_tail_rcu(&port->list, &cs->ports);
	return port;
}

/**
 * cs_port_del() - detach an interface
 * @port: the port
 *
 * When it returns no frame is, or will be, in it.
 *
 * Context: process, RTNL held; waits for a grace period.
 */
void cs_port_del(struct cs_port *port)
{
	struct hlist_node *next;
	struct cs_peer *peer;
	int bucket;

	cs_netlink_port_event(port, CROWDSHARE_CMD_PORT_DEL_NTF);
	nf_unregister_net_hook(port->net, &port->ops);
	list_del_rcu(&port->list);
	netdev_upper_dev_unlink(port->dev, port->cs->dev);
	synchronize_net();
	cs_burst_drain();
	cs_spread_purge(port);

	hash_for_each_safe(port->peers, bucket, next, peer, node)
		cs_peer_del(peer);
	cs_key_clear(&port->key);
	cs_stats_sum(port->cs->retired, port->stats);
	free_percpu(port->stats);
	kfree(port);
}
