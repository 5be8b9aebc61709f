// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink: what csnl and the daemon configure and read.
 *
 * The interface is described in include/uapi/linux/crowdshare.h and specified in
 * include/crowdshare.yaml. Validation is strict; each refusal says why, and of which attribute.
 *
 * Concurrency. All commands and dumps run under RTNL, and see a consistent state; a dump of several
 * messages is marked as interrupted when the configuration changed in between. Events are sent from
 * where the change is made; that of a full seen-set from softirq, once a second at most, and that
 * of an exhausted contract, once.
 */
#include <linux/etherdevice.h>
#include <linux/rtnetlink.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "compat.h"
#include "device.h"
#include "netlink.h"
#include "peer.h"
#include "port.h"

/* Bumped with every change of the configuration, never 0. Under RTNL. */
static u32 cs_netlink_generation = 1;

static struct genl_family cs_netlink_family;

void cs_netlink_changed(void)
{
	if (!++cs_netlink_generation)
		cs_netlink_generation = 1;
}

/*
 * Objects that a request names. Each sets the reason and the attribute when there is none.
 */
bool cs_netlink_missing(struct netlink_ext_ack *extack, struct nlattr **attrs, int attr,
			       const char *text)
{
	if (attrs[attr])
		return false;
	NL_SET_ERR_ATTR_MISS(extack, NULL, attr);
	/* NL_SET_ERR_MSG() takes literals only, and all @text are */
	if (extack)
		extack->_msg = text;
	return true;
}

struct net_device *cs_netlink_interface(struct net *net, struct netlink_ext_ack *extack,
					       struct nlattr **attrs, int attr)
{
	struct net_device *dev;

	if (cs_netlink_missing(extack, attrs, attr, "interface index required"))
		return ERR_PTR(-EINVAL);
	dev = __dev_get_by_index(net, nla_get_u32(attrs[attr]));
	if (dev)
		return dev;
	NL_SET_ERR_MSG_ATTR(extack, attrs[attr], "no such interface");
	return ERR_PTR(-ENODEV);
}

struct cs_device *cs_netlink_device(struct net *net, struct netlink_ext_ack *extack,
					   struct nlattr **attrs, int attr)
{
	struct net_device *dev = cs_netlink_interface(net, extack, attrs, attr);

	if (IS_ERR(dev))
		return ERR_CAST(dev);
	if (cs_device_is(dev))
		return netdev_priv(dev);
	NL_SET_ERR_MSG_ATTR(extack, attrs[attr], "not a crowdshare device");
	return ERR_PTR(-EOPNOTSUPP);
}

struct cs_port *cs_netlink_port(struct net *net, struct netlink_ext_ack *extack,
				       struct nlattr **attrs, int attr)
{
	struct net_device *dev = cs_netlink_interface(net, extack, attrs, attr);
	struct cs_port *port;

	if (IS_ERR(dev))
		return ERR_CAST(dev);
	port = cs_port_find(dev);
	if (port)
		return port;
	NL_SET_ERR_MSG_ATTR(extack, attrs[attr], "interface is not a port");
	return ERR_PTR(-ENOENT);
}

const u8 *cs_netlink_lladdr(struct genl_info *info, int attr)
{
	const u8 *lladdr;

	if (cs_netlink_missing(info->extack, info->attrs, attr, "MAC of the peer required"))
		return ERR_PTR(-EINVAL);
	lladdr = nla_data(info->attrs[attr]);
	if (is_valid_ether_addr(lladdr))
		return lladdr;
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[attr], "not a unicast MAC");
	return ERR_PTR(-EINVAL);
}

struct cs_peer *cs_netlink_peer(struct genl_info *info, int port_attr, int lladdr_attr)
{
	struct cs_port *port;
	struct cs_peer *peer;
	const u8 *lladdr;

	port = cs_netlink_port(genl_info_net(info), info->extack, info->attrs, port_attr);
	if (IS_ERR(port))
		return ERR_CAST(port);
	lladdr = cs_netlink_lladdr(info, lladdr_attr);
	if (IS_ERR(lladdr))
		return ERR_CAST(lladdr);
	peer = cs_peer_find(port, lladdr);
	if (peer)
		return peer;
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[lladdr_attr], "no such peer on the port");
	return ERR_PTR(-ENOENT);
}

/*
 * Replies, dumps and events
 */

void *cs_reply_begin(const struct cs_reply *reply)
{
	void *head = genlmsg_put(reply->skb, reply->portid, reply->seq, &cs_netlink_family,
				 reply->flags, reply->cmd);

	if (head && reply->cb)
		genl_dump_check_consistent(reply->cb, head);
	return head;
}

/* Ends a message, or takes it back when @err says that something did not fit. */
int cs_reply_end(const struct cs_reply *reply, void *head, int err)
{
	if (err) {
		genlmsg_cancel(reply->skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(reply->skb, head);
	return 0;
}

struct cs_reply cs_reply_to_dump(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd)
{
	cb->seq = cs_netlink_generation;
	return (struct cs_reply) {
		.skb = skb,
		.portid = NETLINK_CB(cb->skb).portid,
		.seq = cb->nlh->nlmsg_seq,
		.flags = NLM_F_MULTI,
		.cmd = cmd,
		.cb = cb,
	};
}

/* Sends a reply with one object, that @fill writes, to who asked. */
int cs_netlink_reply(struct genl_info *info, u8 cmd,
			    cs_fill_t fill, void *object)
{
	struct cs_reply reply = {
		.portid = info->snd_portid,
		.seq = info->snd_seq,
		.cmd = cmd,
	};
	int err;

	reply.skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!reply.skb)
		return -ENOMEM;
	err = fill(&reply, object);
	if (err) {
		nlmsg_free(reply.skb);
		return err;
	}
	return genlmsg_reply(reply.skb, info);
}

/* Sends an event with one object to who listens; whoever has no room for it learns so. */
void cs_netlink_event(struct net *net, u8 cmd, gfp_t gfp,
			     cs_fill_t fill, void *object)
{
	struct cs_reply reply = { .cmd = cmd };

	if (!genl_has_listeners(&cs_netlink_family, net, 0))
		return;
	reply.skb = genlmsg_new(NLMSG_DEFAULT_SIZE, gfp);
	if (!reply.skb)
		return;
	if (fill(&reply, object))
		nlmsg_free(reply.skb);
	else
		genlmsg_multicast_netns(&cs_netlink_family, net, reply.skb, 0, 0, gfp);
}

/*
 * The device or port with the lowest index above @ifindex: an order that outlives changes. That
 * other interfaces, which may be many, are passed over here keeps a dump from being quadratic.
 */
static struct net_device *cs_netlink_next(struct net *net, int ifindex)
{
	struct net_device *dev, *next = NULL;

	for_each_netdev(net, dev)
		if (dev->ifindex > ifindex && (!next || dev->ifindex < next->ifindex) &&
		    (cs_device_is(dev) || cs_port_find(dev)))
			next = dev;
	return next;
}

/*
 * Calls @fill for each device and port, from where the dump stopped on. What is no object of its
 * kind writes nothing.
 */
int cs_netlink_dump(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd,
			   cs_fill_t fill)
{
	struct cs_reply reply;
	struct net_device *dev;

	rtnl_lock();
	reply = cs_reply_to_dump(skb, cb, cmd);
	while ((dev = cs_netlink_next(sock_net(skb->sk), cb->args[0]))) {
		if (fill(&reply, dev))
			break;
		cb->args[0] = dev->ifindex;
		cb->args[1] = 0;
	}
	rtnl_unlock();
	return skb->len;
}

/*
 * Policies
 */
static struct netlink_range_validation cs_seen_max_range = {
	.min = 1,
	.max = CROWDSHARE_SEEN_MAX_LIMIT,
};

static struct netlink_range_validation cs_lifetime_range = {
	.min = 1,
	.max = CROWDSHARE_LIFETIME_LIMIT,
};

static const struct nla_policy cs_dev_policy[CROWDSHARE_A_DEV_ADDRESS + 1] = {
	[CROWDSHARE_A_DEV_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
	[CROWDSHARE_A_DEV_SEEN_MAX] = NLA_POLICY_FULL_RANGE(NLA_U32, &cs_seen_max_range),
	[CROWDSHARE_A_DEV_LIFETIME_MAX] = NLA_POLICY_FULL_RANGE(NLA_U32, &cs_lifetime_range),
	[CROWDSHARE_A_DEV_DELIVER] = NLA_POLICY_MAX(NLA_U32, CROWDSHARE_DELIVER_ALL),
	[CROWDSHARE_A_DEV_ADDRESS] = NLA_POLICY_EXACT_LEN(CROWDSHARE_ADDR_LEN),
};

static const struct nla_policy cs_port_policy[CROWDSHARE_A_PORT_AUTH + 1] = {
	[CROWDSHARE_A_PORT_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
	[CROWDSHARE_A_PORT_DEV_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
	[CROWDSHARE_A_PORT_ECHO] = NLA_POLICY_MAX(NLA_U32, CROWDSHARE_ECHO_NEVER),
	[CROWDSHARE_A_PORT_AUTH] = NLA_POLICY_MAX(NLA_U32, CROWDSHARE_AUTH_REQUIRED),
};

static const struct nla_policy cs_peer_policy[CROWDSHARE_A_PEER_BYTERATE + 1] = {
	[CROWDSHARE_A_PEER_PORT_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
	[CROWDSHARE_A_PEER_LLADDR] = NLA_POLICY_EXACT_LEN(CROWDSHARE_LLADDR_LEN),
	[CROWDSHARE_A_PEER_STATE] = NLA_POLICY_MAX(NLA_U32, CROWDSHARE_PEER_DENY),
	[CROWDSHARE_A_PEER_RATE] = { .type = NLA_U32 },
	[CROWDSHARE_A_PEER_BYTERATE] = { .type = NLA_U64 },
};

static const struct nla_policy cs_key_policy[CROWDSHARE_A_KEY_SECRET + 1] = {
	[CROWDSHARE_A_KEY_PORT_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
	[CROWDSHARE_A_KEY_LLADDR] = NLA_POLICY_EXACT_LEN(CROWDSHARE_LLADDR_LEN),
	[CROWDSHARE_A_KEY_USE] = NLA_POLICY_MAX(NLA_U32, CROWDSHARE_KEY_PAIRWISE),
	[CROWDSHARE_A_KEY_ID] = NLA_POLICY_RANGE(NLA_U32, 1, 255),
	[CROWDSHARE_A_KEY_SECRET] = NLA_POLICY_EXACT_LEN(CROWDSHARE_KEY_LEN),
};

static const struct nla_policy cs_contract_policy[CROWDSHARE_A_CONTRACT_EXPIRY + 1] = {
	[CROWDSHARE_A_CONTRACT_PORT_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
	[CROWDSHARE_A_CONTRACT_LLADDR] = NLA_POLICY_EXACT_LEN(CROWDSHARE_LLADDR_LEN),
	[CROWDSHARE_A_CONTRACT_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[CROWDSHARE_A_CONTRACT_DIRECTION] = NLA_POLICY_MAX(NLA_U32, CROWDSHARE_CONTRACT_TX),
	[CROWDSHARE_A_CONTRACT_BYTES] = NLA_POLICY_MIN(NLA_U64, 1),
	[CROWDSHARE_A_CONTRACT_EXPIRY] = { .type = NLA_U64 },
};

static const struct nla_policy cs_seen_policy[CROWDSHARE_A_SEEN_ENTRIES + 1] = {
	[CROWDSHARE_A_SEEN_DEV_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
	[CROWDSHARE_A_SEEN_DIGEST] = NLA_POLICY_EXACT_LEN(CROWDSHARE_DIGEST_LEN),
	[CROWDSHARE_A_SEEN_ENTRIES] = NLA_POLICY_MIN_LEN(sizeof(struct crowdshare_seen_entry)),
};

static const struct nla_policy cs_stats_policy[CROWDSHARE_A_STATS_DEV_IFINDEX + 1] = {
	[CROWDSHARE_A_STATS_DEV_IFINDEX] = NLA_POLICY_MIN(NLA_U32, 1),
};

/*
 * Commands
 */
static int (*const cs_netlink_commands[])(struct genl_info *info) = {
	[CROWDSHARE_CMD_DEV_GET] = cs_dev_get,
	[CROWDSHARE_CMD_DEV_SET] = cs_dev_set,
	[CROWDSHARE_CMD_PORT_GET] = cs_port_get,
	[CROWDSHARE_CMD_PORT_NEW] = cs_port_new,
	[CROWDSHARE_CMD_PORT_SET] = cs_port_set,
	[CROWDSHARE_CMD_PORT_DEL] = cs_port_remove,
	[CROWDSHARE_CMD_PEER_GET] = cs_peer_get,
	[CROWDSHARE_CMD_PEER_NEW] = cs_peer_new,
	[CROWDSHARE_CMD_PEER_SET] = cs_peer_set,
	[CROWDSHARE_CMD_PEER_DEL] = cs_peer_remove,
	[CROWDSHARE_CMD_KEY_NEW] = cs_key_new,
	[CROWDSHARE_CMD_KEY_DEL] = cs_key_remove,
	[CROWDSHARE_CMD_SEEN_GET] = cs_seen_get,
	[CROWDSHARE_CMD_SEEN_NEW] = cs_seen_load,
	[CROWDSHARE_CMD_SEEN_DEL] = cs_seen_flush,
	[CROWDSHARE_CMD_CONTRACT_GET] = cs_contract_get,
	[CROWDSHARE_CMD_CONTRACT_NEW] = cs_contract_new,
	[CROWDSHARE_CMD_CONTRACT_DEL] = cs_contract_remove,
};

static int cs_netlink_doit(struct sk_buff *skb, struct genl_info *info)
{
	int err;

	rtnl_lock();
	err = cs_netlink_commands[info->genlhdr->cmd](info);
	rtnl_unlock();
	return err;
}

#define CS_OP(_cmd, _flags, _policy, _dumpit) {		\
	.cmd = CROWDSHARE_CMD_##_cmd,			\
	.flags = _flags,				\
	.policy = _policy,				\
	.maxattr = ARRAY_SIZE(_policy) - 1,		\
	.doit = cs_netlink_doit,			\
	.dumpit = _dumpit,				\
}

static const struct genl_ops cs_netlink_ops[] = {
	CS_OP(DEV_GET, 0, cs_dev_policy, cs_dev_dump),
	CS_OP(DEV_SET, GENL_UNS_ADMIN_PERM, cs_dev_policy, NULL),
	CS_OP(PORT_GET, 0, cs_port_policy, cs_port_dump),
	CS_OP(PORT_NEW, GENL_UNS_ADMIN_PERM, cs_port_policy, NULL),
	CS_OP(PORT_SET, GENL_UNS_ADMIN_PERM, cs_port_policy, NULL),
	CS_OP(PORT_DEL, GENL_UNS_ADMIN_PERM, cs_port_policy, NULL),
	CS_OP(PEER_GET, 0, cs_peer_policy, cs_peer_dump),
	CS_OP(PEER_NEW, GENL_UNS_ADMIN_PERM, cs_peer_policy, NULL),
	CS_OP(PEER_SET, GENL_UNS_ADMIN_PERM, cs_peer_policy, NULL),
	CS_OP(PEER_DEL, GENL_UNS_ADMIN_PERM, cs_peer_policy, NULL),
	CS_OP(KEY_NEW, GENL_UNS_ADMIN_PERM, cs_key_policy, NULL),
	CS_OP(KEY_DEL, GENL_UNS_ADMIN_PERM, cs_key_policy, NULL),
	/* whoever reads the digests could tell which messages passed */
	CS_OP(SEEN_GET, GENL_UNS_ADMIN_PERM, cs_seen_policy, cs_seen_dump_entries),
	CS_OP(SEEN_NEW, GENL_UNS_ADMIN_PERM, cs_seen_policy, NULL),
	CS_OP(SEEN_DEL, GENL_UNS_ADMIN_PERM, cs_seen_policy, NULL),
	{
		.cmd = CROWDSHARE_CMD_STATS_GET,
		.policy = cs_stats_policy,
		.maxattr = ARRAY_SIZE(cs_stats_policy) - 1,
		.dumpit = cs_stats_dump,
	},
	CS_OP(CONTRACT_GET, 0, cs_contract_policy, cs_contract_dump),
	CS_OP(CONTRACT_NEW, GENL_UNS_ADMIN_PERM, cs_contract_policy, NULL),
	CS_OP(CONTRACT_DEL, GENL_UNS_ADMIN_PERM, cs_contract_policy, NULL),
};

static const struct genl_multicast_group cs_netlink_groups[] = {
	{ .name = CROWDSHARE_MCGRP_EVENTS },
};

static struct genl_family cs_netlink_family __ro_after_init = {
	.name = CROWDSHARE_GENL_NAME,
	.version = CROWDSHARE_GENL_VERSION,
	.module = THIS_MODULE,
	.netnsok = true,
	.ops = cs_netlink_ops,
	.n_ops = ARRAY_SIZE(cs_netlink_ops),
	.resv_start_op = CROWDSHARE_CMD_DEV_GET,
	.mcgrps = cs_netlink_groups,
	.n_mcgrps = ARRAY_SIZE(cs_netlink_groups),
};

/**
 * cs_netlink_register() - make the family known
 *
 * Context: process.
 * Return: 0 or an error.
 */
int __init cs_netlink_register(void)
{
	return genl_register_family(&cs_netlink_family);
}

/**
 * cs_netlink_unregister() - remove the family
 *
 * Context: process.
 */
void cs_netlink_unregister(void)
{
	genl_unregister_family(&cs_netlink_family);
}
