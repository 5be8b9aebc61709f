// SPDX-License-Identifier: GPL-2.0
/*
 * The crowdshare device: ip link add cs0 type crowdshare.
 *
 * What is sent into it is a message of this node; what the node receives and has verified shows up
 * on it. It has no address resolution and no queue.
 *
 * Concurrency. Settings and ports are changed under RTNL and read under RCU. The seen-set changes
 * itself (seen.c); it is replaced, to resize or flush it, by unpublishing it for a grace period, in
 * which frames are dropped with reason busy, so that nobody can add to a set that is being copied.
 * The sweep is the only user that may sleep; it is cancelled around a replacement.
 */
#include <linux/etherdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <net/addrconf.h>
#include <net/rtnetlink.h>

#include "compat.h"
#include "device.h"
#include "ingress.h"
#include "netlink.h"
#include "port.h"

static void cs_device_sweep(struct work_struct *work)
{
	struct cs_device *cs = container_of(to_delayed_work(work), struct cs_device, sweep);

	/* who replaces the seen-set cancels this work first */
	cs_seen_sweep(rcu_dereference_protected(cs->seen, true), cs_clock_now());
	queue_delayed_work(system_power_efficient_wq, &cs->sweep, HZ);
}

static int cs_device_replace(struct cs_device *cs, u32 max, bool keep)
{
	struct cs_seen *old = rtnl_dereference(cs->seen), *new;
	int err = 0;

	/* the machine has other things to do; asking the allocator would push them out first */
	if (((u64)max * CS_SEEN_ENTRY_BYTES) >> PAGE_SHIFT > totalram_pages() / 2)
		return -ENOMEM;
	new = cs_seen_alloc(max);
	if (!new)
		return -ENOMEM;
	cancel_delayed_work_sync(&cs->sweep);
	RCU_INIT_POINTER(cs->seen, NULL);
	synchronize_net();
	if (keep)
		err = cs_seen_copy(new, old, cs_clock_now());
	rcu_assign_pointer(cs->seen, err ? old : new);
	queue_delayed_work(system_power_efficient_wq, &cs->sweep, HZ);
	cs_seen_free(err ? new : old);
	return err;
}

/**
 * cs_device_resize() - change how many entries the seen-set holds
 * @cs: the device
 * @max: entries
 * @extack: gets the reason of an error
 *
 * Keeps all entries that have not expired.
 *
 * Context: process, RTNL held; waits for a grace period.
 * Return: 0, -ENOMEM also when it would take half of the machine's, or -ENOSPC when it holds more
 * than @max that have not expired.
 */
int cs_device_resize(struct cs_device *cs, u32 max, struct netlink_ext_ack *extack)
{
	int err;

	if (max == rtnl_dereference(cs->seen)->max)
		return 0;
	err = cs_device_replace(cs, max, true);
	if (err == -ENOSPC)
		NL_SET_ERR_MSG(extack, "more unexpired entries than that are in the seen-set");
	else if (err == -ENOMEM)
		NL_SET_ERR_MSG(extack, "not enough memory for a seen-set of that size");
	return err;
}

/**
 * cs_device_flush() - forget all messages
 * @cs: the device
 *
 * Context: process, RTNL held; waits for a grace period.
 * Return: 0 or -ENOMEM.
 */
int cs_device_flush(struct cs_device *cs)
{
	return cs_device_replace(cs, rtnl_dereference(cs->seen)->max, false);
}

/**
 * cs_device_stats() - the counters of a device, with all its ports and those that it had
 * @cs: the device
 * @sum: CS_STAT_MAX sums, added to
 *
 * Context: process, RTNL held.
 */
void cs_device_stats(struct cs_device *cs, u64 *sum)
{
	struct cs_port *port;
	int i;

	cs_stats_sum(sum, cs->local);
	list_for_each_entry(port, &cs->ports, list)
		cs_stats_sum(sum, port->stats);
	for (i = 0; i < CS_STAT_MAX; i++)
		sum[i] += cs->retired[i];
}

static int cs_device_init(struct net_device *dev)
{
	struct cs_device *cs = netdev_priv(dev);
	struct cs_seen *seen;

	dev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats);
	cs->local = cs_stats_alloc();
	seen = cs_seen_alloc(CROWDSHARE_SEEN_MAX_DEFAULT);
	if (!dev->tstats || !cs->local || !seen) {
		cs_seen_free(seen);
		free_percpu(cs->local);
		free_percpu(dev->tstats);
		return -ENOMEM;
	}
	rcu_assign_pointer(cs->seen, seen);
	INIT_DELAYED_WORK(&cs->sweep, cs_device_sweep);
	queue_delayed_work(system_power_efficient_wq, &cs->sweep, HZ);
	return 0;
}

static void cs_device_uninit(struct net_device *dev)
{
	struct cs_device *cs = netdev_priv(dev);

	cancel_delayed_work_sync(&cs->sweep);
}

/* After the last reference is gone. */
static void cs_device_free(struct net_device *dev)
{
	struct cs_device *cs = netdev_priv(dev);

	cs_seen_free(rcu_dereference_protected(cs->seen, true));
	free_percpu(cs->local);
	free_percpu(dev->tstats);
}

/* The device carries messages and nothing else: keep IPv6 from soliciting routers on it. */
static int cs_device_open(struct net_device *dev)
{
	struct inet6_dev *inet6 = __in6_dev_get(dev);

	if (inet6)
		inet6->cnf.addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;
	return 0;
}

static netdev_tx_t cs_device_xmit(struct sk_buff *skb, struct net_device *dev)
{
	dev_sw_netstats_tx_add(dev, 1, skb->len);
	rcu_read_lock();
	cs_ingress_local(netdev_priv(dev), skb);
	rcu_read_unlock();
	return NETDEV_TX_OK;
}

static const struct net_device_ops cs_device_ops = {
	.ndo_init		= cs_device_init,
	.ndo_uninit		= cs_device_uninit,
	.ndo_open		= cs_device_open,
	.ndo_start_xmit		= cs_device_xmit,
	.ndo_get_stats64	= dev_get_tstats64,
	.ndo_set_mac_address	= eth_mac_addr,
	.ndo_validate_addr	= eth_validate_addr,
};

static const struct device_type cs_device_type = { .name = "crowdshare" };

static void cs_device_setup(struct net_device *dev)
{
	struct cs_device *cs = netdev_priv(dev);

	ether_setup(dev);
	dev->netdev_ops = &cs_device_ops;
	dev->priv_destructor = cs_device_free;
	dev->needs_free_netdev = true;
	dev->min_mtu = CS_HDRS_LEN;
	dev->max_mtu = CS_HDRS_LEN + CS_SLICE_MAX;
	dev->flags |= IFF_NOARP;
	dev->priv_flags |= IFF_NO_QUEUE;
	dev->priv_flags &= ~IFF_TX_SKB_SHARING;
	/* so that a message sent in may be non-linear */
	dev->features |= NETIF_F_SG | NETIF_F_FRAGLIST;
	dev->hw_features |= NETIF_F_SG | NETIF_F_FRAGLIST;
	cs_compat_set_lltx(dev);
	SET_NETDEV_DEVTYPE(dev, &cs_device_type);
	eth_hw_addr_random(dev);

	cs->dev = dev;
	INIT_LIST_HEAD(&cs->ports);
	cs->lifetime_max = CROWDSHARE_LIFETIME_DEFAULT;
	cs->deliver = CROWDSHARE_DELIVER_ALL;
	cs->full_event = jiffies - HZ;
}

static void cs_device_detach_ports(struct cs_device *cs)
{
	struct cs_port *port, *next;

	list_for_each_entry_safe(port, next, &cs->ports, list)
		cs_port_del(port);
}

/*
 * An interface that goes, or moves to another network namespace, ceases to be a port; a crowdshare
 * device that does lets go of its ports.
 */
static int cs_device_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);
	struct cs_port *port;

	ASSERT_RTNL();
	if (event != NETDEV_UNREGISTER)
		return NOTIFY_DONE;
	if (cs_device_is(dev)) {
		cs_device_detach_ports(netdev_priv(dev));
		return NOTIFY_DONE;
	}
	port = cs_port_find(dev);
	if (port)
		cs_port_del(port);
	return NOTIFY_DONE;
}

static struct notifier_block cs_device_notifier = { .notifier_call = cs_device_event };

struct rtnl_link_ops cs_device_link_ops __read_mostly = {
	.kind		= "crowdshare",
	.priv_size	= sizeof(struct cs_device),
	.setup		= cs_device_setup,
};

/**
 * cs_device_register() - make the link type known
 *
 * Context: process.
 * Return: 0 or an error.
 */
int cs_device_register(void)
{
	int err;

	err = register_netdevice_notifier(&cs_device_notifier);
	if (err)
		return err;
	err = rtnl_link_register(&cs_device_link_ops);
	if (err)
		unregister_netdevice_notifier(&cs_device_notifier);
	return err;
}

/**
 * cs_device_unregister() - remove all devices, and the link type
 *
 * Context: process.
 */
void cs_device_unregister(void)
{
	rtnl_link_unregister(&cs_device_link_ops);
	unregister_netdevice_notifier(&cs_device_notifier);
}
