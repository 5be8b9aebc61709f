// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink: devices and ports. All under RTNL, but for the event of a full seen-set.
 */
#include <linux/rtnetlink.h>

#include "compat.h"
#include "device.h"
#include "netlink.h"
#include "peer.h"
#include "port.h"

/*
 * Devices
 */
static int cs_dev_put(struct sk_buff *skb, struct cs_device *cs, struct cs_seen *seen)
{
	struct cs_port *port;
	u32 ports = 0;

	list_for_each_entry(port, &cs->ports, list)
		ports++;
	return nla_put_u32(skb, CROWDSHARE_A_DEV_IFINDEX, cs->dev->ifindex) ?:
	       nla_put_string(skb, CROWDSHARE_A_DEV_IFNAME, cs->dev->name) ?:
	       nla_put_u32(skb, CROWDSHARE_A_DEV_SEEN_MAX, seen->max) ?:
	       nla_put_u32(skb, CROWDSHARE_A_DEV_LIFETIME_MAX, cs->lifetime_max) ?:
	       nla_put_u32(skb, CROWDSHARE_A_DEV_DELIVER, cs->deliver) ?:
	       nla_put(skb, CROWDSHARE_A_DEV_ADDRESS, sizeof(cs->address), &cs->address) ?:
	       nla_put_u32(skb, CROWDSHARE_A_DEV_SEEN_COUNT, cs_seen_count(seen)) ?:
	       nla_put_u64_64bit(skb, CROWDSHARE_A_DEV_SEEN_BYTES, cs_seen_bytes(seen),
				 CROWDSHARE_A_DEV_PAD) ?:
	       nla_put_u32(skb, CROWDSHARE_A_DEV_PORTS, ports) ?:
	       nla_put_u32(skb, CROWDSHARE_A_DEV_CLOCK, cs_clock_now().wall ?
			   CROWDSHARE_CLOCK_SET : CROWDSHARE_CLOCK_UNSET) ?:
	       nla_put_u32(skb, CROWDSHARE_A_DEV_CLOCK_ALLOWANCE, cs_clock_allowance);
}

static int cs_dev_fill(const struct cs_reply *reply, void *object)
{
	struct net_device *dev = object;
	struct cs_device *cs;
	void *head;

	if (!cs_device_is(dev))
		return 0;
	cs = netdev_priv(dev);
	head = cs_reply_begin(reply);
	if (!head)
		return -EMSGSIZE;
	return cs_reply_end(reply, head, cs_dev_put(reply->skb, cs, rtnl_dereference(cs->seen)));
}

int cs_dev_get(struct genl_info *info)
{
	struct cs_device *cs = cs_netlink_device(genl_info_net(info), info->extack, info->attrs,
						 CROWDSHARE_A_DEV_IFINDEX);

	if (IS_ERR(cs))
		return PTR_ERR(cs);
	return cs_netlink_reply(info, CROWDSHARE_CMD_DEV_GET, cs_dev_fill, cs->dev);
}

int cs_dev_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	return cs_netlink_dump(skb, cb, CROWDSHARE_CMD_DEV_GET, cs_dev_fill);
}

int cs_dev_set(struct genl_info *info)
{
	struct nlattr **attrs = info->attrs;
	struct cs_device *cs;
	int err;

	cs = cs_netlink_device(genl_info_net(info), info->extack, attrs, CROWDSHARE_A_DEV_IFINDEX);
	if (IS_ERR(cs))
		return PTR_ERR(cs);
	/* first what may fail, so that either all changes or nothing */
	if (attrs[CROWDSHARE_A_DEV_SEEN_MAX]) {
		err = cs_device_resize(cs, nla_get_u32(attrs[CROWDSHARE_A_DEV_SEEN_MAX]),
				       info->extack);
		if (err) {
			NL_SET_BAD_ATTR(info->extack, attrs[CROWDSHARE_A_DEV_SEEN_MAX]);
			return err;
		}
	}
	if (attrs[CROWDSHARE_A_DEV_LIFETIME_MAX])
		WRITE_ONCE(cs->lifetime_max, nla_get_u32(attrs[CROWDSHARE_A_DEV_LIFETIME_MAX]));
	if (attrs[CROWDSHARE_A_DEV_DELIVER])
		WRITE_ONCE(cs->deliver, nla_get_u32(attrs[CROWDSHARE_A_DEV_DELIVER]));
	if (attrs[CROWDSHARE_A_DEV_ADDRESS])
		nla_memcpy(&cs->address, attrs[CROWDSHARE_A_DEV_ADDRESS], sizeof(cs->address));
	cs_netlink_changed();
	cs_netlink_event(genl_info_net(info), CROWDSHARE_CMD_DEV_NTF, GFP_KERNEL, cs_dev_fill,
			 cs->dev);
	return 0;
}

static int cs_dev_fill_full(const struct cs_reply *reply, void *object)
{
	struct cs_device *cs = object;
	void *head = cs_reply_begin(reply);
	int err;

	if (!head)
		return -EMSGSIZE;
	err = nla_put_u32(reply->skb, CROWDSHARE_A_DEV_IFINDEX, cs->dev->ifindex) ?:
	      nla_put_string(reply->skb, CROWDSHARE_A_DEV_IFNAME, cs->dev->name) ?:
	      nla_put_flag(reply->skb, CROWDSHARE_A_DEV_FULL);
	return cs_reply_end(reply, head, err);
}

/**
 * cs_netlink_full_event() - tell that a message was refused because the seen-set is full
 * @cs: the device
 *
 * Context: softirqs disabled, RCU. Once a second at most.
 */
void cs_netlink_full_event(struct cs_device *cs)
{
	unsigned long last = READ_ONCE(cs->full_event);

	/* not time_before(): the last event may be longer ago than that can tell */
	if (jiffies - last < HZ || cmpxchg(&cs->full_event, last, jiffies) != last)
		return;
	cs_netlink_event(dev_net(cs->dev), CROWDSHARE_CMD_DEV_NTF, GFP_ATOMIC, cs_dev_fill_full,
			 cs);
}

/*
 * Ports
 */
static int cs_port_put(struct sk_buff *skb, const struct cs_port *port)
{
	const struct cs_key *key = rtnl_dereference(port->key);

	return nla_put_u32(skb, CROWDSHARE_A_PORT_IFINDEX, port->dev->ifindex) ?:
	       nla_put_string(skb, CROWDSHARE_A_PORT_IFNAME, port->dev->name) ?:
	       nla_put_u32(skb, CROWDSHARE_A_PORT_DEV_IFINDEX, port->cs->dev->ifindex) ?:
	       nla_put_string(skb, CROWDSHARE_A_PORT_DEV_IFNAME, port->cs->dev->name) ?:
	       nla_put_u32(skb, CROWDSHARE_A_PORT_ECHO, port->echo) ?:
	       nla_put_u32(skb, CROWDSHARE_A_PORT_AUTH, port->auth) ?:
	       (key ? nla_put_u32(skb, CROWDSHARE_A_PORT_KEY_ID, key->id) : 0) ?:
	       nla_put_u32(skb, CROWDSHARE_A_PORT_PEERS, port->nr_peers) ?:
	       (cs_port_wireless(port) ? nla_put_flag(skb, CROWDSHARE_A_PORT_WIRELESS) : 0);
}

static int cs_port_fill(const struct cs_reply *reply, void *object)
{
	struct cs_port *port = cs_port_find(object);
	void *head;

	if (!port)
		return 0;
	head = cs_reply_begin(reply);
	if (!head)
		return -EMSGSIZE;
	return cs_reply_end(reply, head, cs_port_put(reply->skb, port));
}

/**
 * cs_netlink_port_event() - tell that a port was attached, changed or is about to be detached
 * @port: the port
 * @cmd: CROWDSHARE_CMD_PORT_NTF or CROWDSHARE_CMD_PORT_DEL_NTF
 *
 * Context: process, RTNL held.
 */
void cs_netlink_port_event(struct cs_port *port, u8 cmd)
{
	cs_netlink_changed();
	cs_netlink_event(port->net, cmd, GFP_KERNEL, cs_port_fill, port->dev);
}

int cs_port_get(struct genl_info *info)
{
	struct cs_port *port = cs_netlink_port(genl_info_net(info), info->extack, info->attrs,
					       CROWDSHARE_A_PORT_IFINDEX);

	if (IS_ERR(port))
		return PTR_ERR(port);
	return cs_netlink_reply(info, CROWDSHARE_CMD_PORT_GET, cs_port_fill, port->dev);
}

int cs_port_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	return cs_netlink_dump(skb, cb, CROWDSHARE_CMD_PORT_GET, cs_port_fill);
}

int cs_port_new(struct genl_info *info)
{
	u32 echo = CROWDSHARE_ECHO_AUTO, auth = CROWDSHARE_AUTH_REQUIRED;
	struct net *net = genl_info_net(info);
	struct nlattr **attrs = info->attrs;
	struct net_device *dev;
	struct cs_device *cs;
	struct cs_port *port;

	dev = cs_netlink_interface(net, info->extack, attrs, CROWDSHARE_A_PORT_IFINDEX);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	cs = cs_netlink_device(net, info->extack, attrs, CROWDSHARE_A_PORT_DEV_IFINDEX);
	if (IS_ERR(cs))
		return PTR_ERR(cs);
	if (attrs[CROWDSHARE_A_PORT_ECHO])
		echo = nla_get_u32(attrs[CROWDSHARE_A_PORT_ECHO]);
	if (attrs[CROWDSHARE_A_PORT_AUTH])
		auth = nla_get_u32(attrs[CROWDSHARE_A_PORT_AUTH]);
	port = cs_port_add(cs, dev, echo, auth, info->extack);
	if (IS_ERR(port)) {
		NL_SET_BAD_ATTR(info->extack, attrs[CROWDSHARE_A_PORT_IFINDEX]);
		return PTR_ERR(port);
	}
	cs_netlink_port_event(port, CROWDSHARE_CMD_PORT_NTF);
	return 0;
}

int cs_port_set(struct genl_info *info)
{
	struct nlattr **attrs = info->attrs;
	struct cs_port *port;

	port = cs_netlink_port(genl_info_net(info), info->extack, attrs, CROWDSHARE_A_PORT_IFINDEX);
	if (IS_ERR(port))
		return PTR_ERR(port);
	if (attrs[CROWDSHARE_A_PORT_DEV_IFINDEX] &&
	    nla_get_u32(attrs[CROWDSHARE_A_PORT_DEV_IFINDEX]) != port->cs->dev->ifindex) {
		NL_SET_ERR_MSG_ATTR(info->extack, attrs[CROWDSHARE_A_PORT_DEV_IFINDEX],
				    "interface is a port of another device");
		return -EBUSY;
	}
	if (attrs[CROWDSHARE_A_PORT_ECHO])
		WRITE_ONCE(port->echo, nla_get_u32(attrs[CROWDSHARE_A_PORT_ECHO]));
	if (attrs[CROWDSHARE_A_PORT_AUTH])
		WRITE_ONCE(port->auth, nla_get_u32(attrs[CROWDSHARE_A_PORT_AUTH]));
	cs_netlink_port_event(port, CROWDSHARE_CMD_PORT_NTF);
	return 0;
}

int cs_port_remove(struct genl_info *info)
{
	struct cs_port *port = cs_netlink_port(genl_info_net(info), info->extack, info->attrs,
					       CROWDSHARE_A_PORT_IFINDEX);

	if (IS_ERR(port))
		return PTR_ERR(port);
	cs_port_del(port);
	return 0;
}
