// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink: peers and keys. All under RTNL.
 */
#include <linux/rtnetlink.h>

#include "compat.h"
#include "device.h"
#include "netlink.h"
#include "peer.h"
#include "port.h"

/*
 * Peers
 */
static int cs_peer_put(struct sk_buff *skb, const struct cs_peer *peer)
{
	const struct cs_key *key;
	int i, err;

	err = nla_put_u32(skb, CROWDSHARE_A_PEER_PORT_IFINDEX, peer->port->dev->ifindex) ?:
	      nla_put_string(skb, CROWDSHARE_A_PEER_PORT_IFNAME, peer->port->dev->name) ?:
	      nla_put(skb, CROWDSHARE_A_PEER_LLADDR, ETH_ALEN, peer->lladdr) ?:
	      nla_put_u32(skb, CROWDSHARE_A_PEER_STATE, peer->state) ?:
	      nla_put_u32(skb, CROWDSHARE_A_PEER_RATE, peer->messages.rate) ?:
	      nla_put_u64_64bit(skb, CROWDSHARE_A_PEER_BYTERATE, peer->bytes.rate,
				CROWDSHARE_A_PEER_PAD);
	for (i = 0; !err && i < CS_PEER_RX_KEYS; i++) {
		key = rtnl_dereference(peer->rx[i]);
		if (key)
			err = nla_put_u32(skb, CROWDSHARE_A_PEER_RX_KEY_ID, key->id);
		if (!err && key && key->pairwise)
			err = nla_put_u32(skb, CROWDSHARE_A_PEER_PAIRWISE_KEY_ID, key->id);
	}
	key = rtnl_dereference(peer->tx);
	if (!err && key)
		err = nla_put_u32(skb, CROWDSHARE_A_PEER_TX_KEY_ID, key->id);
	return err;
}

static int cs_peer_fill(const struct cs_reply *reply, void *object)
{
	void *head = cs_reply_begin(reply);

	if (!head)
		return -EMSGSIZE;
	return cs_reply_end(reply, head, cs_peer_put(reply->skb, object));
}

/*
 * Calls @fill for all peers of a port but for the first cb->args[1], with which an earlier message
 * of the dump was filled.
 */
int cs_peer_for_each(const struct cs_reply *reply, struct cs_port *port,
			    cs_fill_t fill)
{
	struct cs_peer *peer;
	long n = 0;
	int bucket;

	hash_for_each(port->peers, bucket, peer, node) {
		if (n++ < reply->cb->args[1])
			continue;
		if (fill(reply, peer))
			return -EMSGSIZE;
		reply->cb->args[1]++;
	}
	return 0;
}

static int cs_peer_fill_port(const struct cs_reply *reply, void *object)
{
	struct nlattr *only = cs_compat_dump_attrs(reply->cb)[CROWDSHARE_A_PEER_PORT_IFINDEX];
	struct net_device *dev = object;
	struct cs_port *port;

	if (only && nla_get_u32(only) != dev->ifindex)
		return 0;
	port = cs_port_find(dev);
	return port ? cs_peer_for_each(reply, port, cs_peer_fill) : 0;
}

int cs_peer_get(struct genl_info *info)
{
	struct cs_peer *peer = cs_netlink_peer(info, CROWDSHARE_A_PEER_PORT_IFINDEX,
					       CROWDSHARE_A_PEER_LLADDR);

	if (IS_ERR(peer))
		return PTR_ERR(peer);
	return cs_netlink_reply(info, CROWDSHARE_CMD_PEER_GET, cs_peer_fill, peer);
}

int cs_peer_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	return cs_netlink_dump(skb, cb, CROWDSHARE_CMD_PEER_GET, cs_peer_fill_port);
}

static void cs_peer_apply(struct cs_peer *peer, struct genl_info *info, u8 cmd)
{
	struct nlattr **attrs = info->attrs;
	u32 messages;
	u64 bytes;

	if (attrs[CROWDSHARE_A_PEER_STATE])
		cs_peer_set_state(peer, nla_get_u32(attrs[CROWDSHARE_A_PEER_STATE]));
	if (attrs[CROWDSHARE_A_PEER_RATE]) {
		messages = nla_get_u32(attrs[CROWDSHARE_A_PEER_RATE]);
		cs_peer_set_rate(peer, &messages, NULL);
	}
	if (attrs[CROWDSHARE_A_PEER_BYTERATE]) {
		bytes = nla_get_u64(attrs[CROWDSHARE_A_PEER_BYTERATE]);
		cs_peer_set_rate(peer, NULL, &bytes);
	}
	cs_netlink_changed();
	cs_netlink_event(peer->port->net, cmd, GFP_KERNEL, cs_peer_fill, peer);
}

int cs_peer_new(struct genl_info *info)
{
	struct cs_port *port;
	struct cs_peer *peer;
	const u8 *lladdr;

	port = cs_netlink_port(genl_info_net(info), info->extack, info->attrs,
			       CROWDSHARE_A_PEER_PORT_IFINDEX);
	if (IS_ERR(port))
		return PTR_ERR(port);
	lladdr = cs_netlink_lladdr(info, CROWDSHARE_A_PEER_LLADDR);
	if (IS_ERR(lladdr))
		return PTR_ERR(lladdr);
	peer = cs_peer_add(port, lladdr, info->extack);
	if (IS_ERR(peer)) {
		NL_SET_BAD_ATTR(info->extack, info->attrs[CROWDSHARE_A_PEER_LLADDR]);
		return PTR_ERR(peer);
	}
	cs_peer_apply(peer, info, CROWDSHARE_CMD_PEER_NTF);
	return 0;
}

int cs_peer_set(struct genl_info *info)
{
	struct cs_peer *peer = cs_netlink_peer(info, CROWDSHARE_A_PEER_PORT_IFINDEX,
					       CROWDSHARE_A_PEER_LLADDR);

	if (IS_ERR(peer))
		return PTR_ERR(peer);
	cs_peer_apply(peer, info, CROWDSHARE_CMD_PEER_NTF);
	return 0;
}

int cs_peer_remove(struct genl_info *info)
{
	struct cs_peer *peer = cs_netlink_peer(info, CROWDSHARE_A_PEER_PORT_IFINDEX,
					       CROWDSHARE_A_PEER_LLADDR);

	if (IS_ERR(peer))
		return PTR_ERR(peer);
	cs_netlink_changed();
	cs_netlink_event(peer->port->net, CROWDSHARE_CMD_PEER_DEL_NTF, GFP_KERNEL, cs_peer_fill,
			 peer);
	cs_peer_del(peer);
	return 0;
}

/*
 * Keys
 */

/**
 * struct cs_key_request - the key that a request names
 * @port: whose port key it is, or on which the peer is
 * @peer: whose key it is, NULL for a port key
 * @use: enum crowdshare_key_use
 * @id: 1 to 255
 */
struct cs_key_request {
	struct cs_port *port;
	struct cs_peer *peer;
	u32 use;
	u8 id;
};

static int cs_key_parse(struct genl_info *info, struct cs_key_request *request)
{
	struct nlattr **attrs = info->attrs;

	if (cs_netlink_missing(info->extack, attrs, CROWDSHARE_A_KEY_USE, "use of key required") ||
	    cs_netlink_missing(info->extack, attrs, CROWDSHARE_A_KEY_ID, "id of key required"))
		return -EINVAL;
	request->use = nla_get_u32(attrs[CROWDSHARE_A_KEY_USE]);
	request->id = nla_get_u32(attrs[CROWDSHARE_A_KEY_ID]);
	request->port = cs_netlink_port(genl_info_net(info), info->extack, attrs,
					CROWDSHARE_A_KEY_PORT_IFINDEX);
	if (IS_ERR(request->port))
		return PTR_ERR(request->port);
	if (request->use == CROWDSHARE_KEY_PORT) {
		if (!attrs[CROWDSHARE_A_KEY_LLADDR])
			return 0;
		NL_SET_ERR_MSG_ATTR(info->extack, attrs[CROWDSHARE_A_KEY_LLADDR],
				    "a port key belongs to no peer");
		return -EINVAL;
	}
	request->peer = cs_netlink_peer(info, CROWDSHARE_A_KEY_PORT_IFINDEX,
					CROWDSHARE_A_KEY_LLADDR);
	return PTR_ERR_OR_ZERO(request->peer);
}

/* One of the keys that a peer has several of. */
static bool cs_key_receives(const struct cs_key_request *request)
{
	return request->use == CROWDSHARE_KEY_RX || request->use == CROWDSHARE_KEY_PAIRWISE;
}

/* Where a key to send with goes. */
static struct cs_key __rcu **cs_key_slot(const struct cs_key_request *request)
{
	return request->use == CROWDSHARE_KEY_PORT ? &request->port->key : &request->peer->tx;
}

/* A key came or went: whoever owns it shows so. */
static void cs_key_changed(const struct cs_key_request *request)
{
	if (!request->peer) {
		cs_netlink_port_event(request->port, CROWDSHARE_CMD_PORT_NTF);
		return;
	}
	cs_netlink_changed();
	cs_netlink_event(request->port->net, CROWDSHARE_CMD_PEER_NTF, GFP_KERNEL, cs_peer_fill,
			 request->peer);
}

int cs_key_new(struct genl_info *info)
{
	struct cs_key_request request = {};
	const u8 *secret;
	int err;

	err = cs_key_parse(info, &request);
	if (err)
		return err;
	if (cs_netlink_missing(info->extack, info->attrs, CROWDSHARE_A_KEY_SECRET,
			       "secret of the key required"))
		return -EINVAL;
	secret = nla_data(info->attrs[CROWDSHARE_A_KEY_SECRET]);
	if (cs_key_receives(&request))
		err = cs_peer_add_rx_key(request.peer, request.id,
					 request.use == CROWDSHARE_KEY_PAIRWISE, secret);
	else
		err = cs_key_set(cs_key_slot(&request), request.id,
				 request.use == CROWDSHARE_KEY_TX, secret);
	if (err == -ENOSPC)
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[CROWDSHARE_A_KEY_ID],
				    "peer has 4 receive keys already, remove one first");
	if (!err)
		cs_key_changed(&request);
	return err;
}

int cs_key_remove(struct genl_info *info)
{
	struct cs_key_request request = {};
	const struct cs_key *key;
	int err;

	err = cs_key_parse(info, &request);
	if (err)
		return err;
	if (cs_key_receives(&request)) {
		err = cs_peer_del_rx_key(request.peer, request.id,
					 request.use == CROWDSHARE_KEY_PAIRWISE);
	} else {
		key = rtnl_dereference(*cs_key_slot(&request));
		if (key && key->id == request.id)
			cs_key_clear(cs_key_slot(&request));
		else
			err = -ENOENT;
	}
	if (err == -ENOENT)
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[CROWDSHARE_A_KEY_ID],
				    "no key of this id and use");
	if (!err)
		cs_key_changed(&request);
	return err;
}
