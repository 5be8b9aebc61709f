/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The crowdshare device. See device.c.
 */
#ifndef _CS_DEVICE_H
#define _CS_DEVICE_H

#include <linux/in6.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/workqueue.h>

#include "clock.h"
#include "seen.h"
#include "stats.h"

struct netlink_ext_ack;

/**
 * struct cs_device - private part of a crowdshare device
 * @dev: its net_device
 * @ports: list of struct cs_port; written under RTNL, read under RCU
 * @seen: the seen-set; written under RTNL; NULL for a moment while it is resized
 * @lifetime_max: longest lifetime of a message, seconds
 * @deliver: enum crowdshare_deliver
 * @address: IPv6 address of the node; written under RTNL
 * @local: counters of what this node sends into the device, and of the delivered
 * @retired: sums of the counters of ports that were removed; under RTNL
 * @sweep: forgets expired entries of @seen every second while the device exists
 * @full_event: jiffies of the last event that told of a full seen-set
 */
struct cs_device {
	struct net_device *dev;
	struct list_head ports;
	struct cs_seen __rcu *seen;
	u32 lifetime_max;
	u32 deliver;
	struct in6_addr address;
	struct cs_stats __percpu *local;
	u64 retired[CS_STAT_MAX];
	struct delayed_work sweep;
	unsigned long full_event;
};

extern struct rtnl_link_ops cs_device_link_ops;

static inline bool cs_device_is(const struct net_device *dev)
{
	return dev->rtnl_link_ops == &cs_device_link_ops;
}

int cs_device_register(void);
void cs_device_unregister(void);
int cs_device_resize(struct cs_device *cs, u32 max, struct netlink_ext_ack *extack);
int cs_device_flush(struct cs_device *cs);
void cs_device_stats(struct cs_device *cs, u64 *sum);

#endif /* _CS_DEVICE_H */
