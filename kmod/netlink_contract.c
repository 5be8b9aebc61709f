// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink: contracts. All under RTNL, but for the event of one that is exhausted.
 */
#include <linux/rtnetlink.h>

#include "compat.h"
#include "contract.h"
#include "netlink.h"
#include "peer.h"
#include "port.h"

static int cs_contract_put(struct sk_buff *skb, struct cs_contract *contract)
{
	const struct cs_peer *peer = contract->peer;
	const struct net_device *dev = peer->port->dev;

	return nla_put_u32(skb, CROWDSHARE_A_CONTRACT_PORT_IFINDEX, dev->ifindex) ?:
	       nla_put_string(skb, CROWDSHARE_A_CONTRACT_PORT_IFNAME, dev->name) ?:
	       nla_put(skb, CROWDSHARE_A_CONTRACT_LLADDR, ETH_ALEN, peer->lladdr) ?:
	       nla_put_u32(skb, CROWDSHARE_A_CONTRACT_ID, contract->id) ?:
	       nla_put_u32(skb, CROWDSHARE_A_CONTRACT_DIRECTION, contract->direction) ?:
	       nla_put_u64_64bit(skb, CROWDSHARE_A_CONTRACT_BYTES, contract->bytes,
				 CROWDSHARE_A_CONTRACT_PAD) ?:
	       nla_put_u64_64bit(skb, CROWDSHARE_A_CONTRACT_EXPIRY, contract->expiry,
				 CROWDSHARE_A_CONTRACT_PAD) ?:
	       nla_put_u64_64bit(skb, CROWDSHARE_A_CONTRACT_USED, atomic64_read(&contract->used),
				 CROWDSHARE_A_CONTRACT_PAD) ?:
	       nla_put_u64_64bit(skb, CROWDSHARE_A_CONTRACT_REFUSED,
				 atomic64_read(&contract->refused), CROWDSHARE_A_CONTRACT_PAD);
}

static int cs_contract_fill(const struct cs_reply *reply, void *object)
{
	void *head = cs_reply_begin(reply);

	if (!head)
		return -EMSGSIZE;
	return cs_reply_end(reply, head, cs_contract_put(reply->skb, object));
}

static int cs_contract_fill_exhausted(const struct cs_reply *reply, void *object)
{
	void *head = cs_reply_begin(reply);
	int err;

	if (!head)
		return -EMSGSIZE;
	err = cs_contract_put(reply->skb, object) ?:
	      nla_put_flag(reply->skb, CROWDSHARE_A_CONTRACT_EXHAUSTED);
	return cs_reply_end(reply, head, err);
}

/**
 * cs_netlink_exhausted_event() - tell that a contract has been used up
 * @contract: the contract
 *
 * Context: softirqs disabled, RCU.
 */
void cs_netlink_exhausted_event(struct cs_contract *contract)
{
	cs_netlink_event(contract->peer->port->net, CROWDSHARE_CMD_CONTRACT_NTF, GFP_ATOMIC,
			 cs_contract_fill_exhausted, contract);
}

/* Those of a peer but for the first cb->args[2], with which an earlier message was filled. */
static int cs_contract_fill_peer(const struct cs_reply *reply, void *object)
{
	struct nlattr *only = cs_compat_dump_attrs(reply->cb)[CROWDSHARE_A_CONTRACT_LLADDR];
	struct cs_peer *peer = object;
	struct cs_contracts *contracts = rtnl_dereference(peer->contracts);
	struct cs_contract *contract;
	long n = 0;
	int i;

	if (!contracts || (only && !ether_addr_equal(nla_data(only), peer->lladdr)))
		return 0;
	for (i = 0; i < ARRAY_SIZE(contracts->buckets); i++) {
		hlist_for_each_entry(contract, &contracts->buckets[i], node) {
			if (n++ < reply->cb->args[2])
				continue;
			if (cs_contract_fill(reply, contract))
				return -EMSGSIZE;
			reply->cb->args[2]++;
		}
	}
	reply->cb->args[2] = 0;
	return 0;
}

static int cs_contract_fill_port(const struct cs_reply *reply, void *object)
{
	struct nlattr *only = cs_compat_dump_attrs(reply->cb)[CROWDSHARE_A_CONTRACT_PORT_IFINDEX];
	struct net_device *dev = object;
	struct cs_port *port;

	if (only && nla_get_u32(only) != dev->ifindex)
		return 0;
	port = cs_port_find(dev);
	return port ? cs_peer_for_each(reply, port, cs_contract_fill_peer) : 0;
}

int cs_contract_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	return cs_netlink_dump(skb, cb, CROWDSHARE_CMD_CONTRACT_GET, cs_contract_fill_port);
}

/* The contract that a request names. */
static struct cs_contract *cs_netlink_contract(struct genl_info *info)
{
	struct cs_contract *contract;
	struct cs_peer *peer;

	peer = cs_netlink_peer(info, CROWDSHARE_A_CONTRACT_PORT_IFINDEX,
			       CROWDSHARE_A_CONTRACT_LLADDR);
	if (IS_ERR(peer))
		return ERR_CAST(peer);
	if (cs_netlink_missing(info->extack, info->attrs, CROWDSHARE_A_CONTRACT_ID,
			       "id of the contract required"))
		return ERR_PTR(-EINVAL);
	contract = cs_contract_find(peer, nla_get_u32(info->attrs[CROWDSHARE_A_CONTRACT_ID]));
	if (contract)
		return contract;
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[CROWDSHARE_A_CONTRACT_ID],
			    "peer has no contract of this id");
	return ERR_PTR(-ENOENT);
}

int cs_contract_get(struct genl_info *info)
{
	struct cs_contract *contract = cs_netlink_contract(info);

	if (IS_ERR(contract))
		return PTR_ERR(contract);
	return cs_netlink_reply(info, CROWDSHARE_CMD_CONTRACT_GET, cs_contract_fill, contract);
}

/* What both signed. One that is over would only refuse: then something is wrong with a clock. */
static int cs_contract_parse(struct genl_info *info, struct cs_contract *terms)
{
	struct netlink_ext_ack *extack = info->extack;
	struct nlattr **attrs = info->attrs;

	if (cs_netlink_missing(extack, attrs, CROWDSHARE_A_CONTRACT_ID,
			       "id of the contract required") ||
	    cs_netlink_missing(extack, attrs, CROWDSHARE_A_CONTRACT_DIRECTION,
			       "direction of the contract required") ||
	    cs_netlink_missing(extack, attrs, CROWDSHARE_A_CONTRACT_BYTES,
			       "bytes of the contract required") ||
	    cs_netlink_missing(extack, attrs, CROWDSHARE_A_CONTRACT_EXPIRY,
			       "expiry of the contract required"))
		return -EINVAL;
	terms->id = nla_get_u32(attrs[CROWDSHARE_A_CONTRACT_ID]);
	terms->direction = nla_get_u32(attrs[CROWDSHARE_A_CONTRACT_DIRECTION]);
	terms->bytes = nla_get_u64(attrs[CROWDSHARE_A_CONTRACT_BYTES]);
	terms->expiry = nla_get_u64(attrs[CROWDSHARE_A_CONTRACT_EXPIRY]);
	if (!cs_contract_expired(terms, cs_clock_now()))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, attrs[CROWDSHARE_A_CONTRACT_EXPIRY],
			    "contract has expired by the clock of this node");
	return -EINVAL;
}

int cs_contract_new(struct genl_info *info)
{
	struct cs_contract terms = {};
	struct cs_peer *peer;
	int err;

	peer = cs_netlink_peer(info, CROWDSHARE_A_CONTRACT_PORT_IFINDEX,
			       CROWDSHARE_A_CONTRACT_LLADDR);
	if (IS_ERR(peer))
		return PTR_ERR(peer);
	err = cs_contract_parse(info, &terms);
	if (err)
		return err;
	err = cs_contract_add(peer, &terms, info->extack);
	if (err) {
		NL_SET_BAD_ATTR(info->extack, info->attrs[CROWDSHARE_A_CONTRACT_ID]);
		return err;
	}
	cs_netlink_changed();
	cs_netlink_event(peer->port->net, CROWDSHARE_CMD_CONTRACT_NTF, GFP_KERNEL,
			 cs_contract_fill, cs_contract_find(peer, terms.id));
	return 0;
}

int cs_contract_remove(struct genl_info *info)
{
	struct cs_contract *contract = cs_netlink_contract(info);

	if (IS_ERR(contract))
		return PTR_ERR(contract);
	cs_contract_unlink(contract);
	cs_netlink_changed();
	cs_netlink_event(contract->peer->port->net, CROWDSHARE_CMD_CONTRACT_DEL_NTF, GFP_KERNEL,
			 cs_contract_fill, contract);
	kfree(contract);
	return 0;
}
