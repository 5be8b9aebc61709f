/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Generic netlink. netlink.c has the family and what all commands share, netlink_*.c have the
 * commands by object.
 */
#ifndef _CS_NETLINK_H
#define _CS_NETLINK_H

#include <net/genetlink.h>
#include <uapi/linux/crowdshare.h>

struct cs_contract;
struct cs_device;
struct cs_peer;
struct cs_port;

int cs_netlink_register(void);
void cs_netlink_unregister(void);
void cs_netlink_port_event(struct cs_port *port, u8 cmd);
void cs_netlink_full_event(struct cs_device *cs);
void cs_netlink_exhausted_event(struct cs_contract *contract);

/* what follows is for netlink*.c */

/**
 * struct cs_reply - where a message is written to
 * @skb: the buffer
 * @portid: of the receiver
 * @seq: sequence number
 * @flags: NLM_F_*
 * @cmd: command of the message
 * @cb: the dump that it belongs to, or NULL
 */
struct cs_reply {
	struct sk_buff *skb;
	u32 portid;
	u32 seq;
	int flags;
	u8 cmd;
	struct netlink_callback *cb;
};

/*
 * Writes an object into a message of its own, or nothing if what it is given is no such object.
 * Returns -EMSGSIZE, with nothing written, if there is no room.
 */
typedef int (*cs_fill_t)(const struct cs_reply *reply, void *object);

bool cs_netlink_missing(struct netlink_ext_ack *extack, struct nlattr **attrs, int attr,
			const char *text);
struct net_device *cs_netlink_interface(struct net *net, struct netlink_ext_ack *extack,
					struct nlattr **attrs, int attr);
struct cs_device *cs_netlink_device(struct net *net, struct netlink_ext_ack *extack,
				    struct nlattr **attrs, int attr);
struct cs_port *cs_netlink_port(struct net *net, struct netlink_ext_ack *extack,
				struct nlattr **attrs, int attr);
const u8 *cs_netlink_lladdr(struct genl_info *info, int attr);
struct cs_peer *cs_netlink_peer(struct genl_info *info, int port_attr, int lladdr_attr);

void *cs_reply_begin(const struct cs_reply *reply);
int cs_reply_end(const struct cs_reply *reply, void *head, int err);
struct cs_reply cs_reply_to_dump(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd);
int cs_netlink_reply(struct genl_info *info, u8 cmd, cs_fill_t fill, void *object);
int cs_netlink_dump(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd, cs_fill_t fill);
void cs_netlink_event(struct net *net, u8 cmd, gfp_t gfp, cs_fill_t fill, void *object);
void cs_netlink_changed(void);
int cs_peer_for_each(const struct cs_reply *reply, struct cs_port *port, cs_fill_t fill);

int cs_dev_get(struct genl_info *info);
int cs_dev_set(struct genl_info *info);
int cs_dev_dump(struct sk_buff *skb, struct netlink_callback *cb);
int cs_port_get(struct genl_info *info);
int cs_port_new(struct genl_info *info);
int cs_port_set(struct genl_info *info);
int cs_port_remove(struct genl_info *info);
int cs_port_dump(struct sk_buff *skb, struct netlink_callback *cb);
int cs_peer_get(struct genl_info *info);
int cs_peer_new(struct genl_info *info);
int cs_peer_set(struct genl_info *info);
int cs_peer_remove(struct genl_info *info);
int cs_peer_dump(struct sk_buff *skb, struct netlink_callback *cb);
int cs_key_new(struct genl_info *info);
int cs_key_remove(struct genl_info *info);
int cs_contract_get(struct genl_info *info);
int cs_contract_new(struct genl_info *info);
int cs_contract_remove(struct genl_info *info);
int cs_contract_dump(struct sk_buff *skb, struct netlink_callback *cb);
int cs_seen_get(struct genl_info *info);
int cs_seen_load(struct genl_info *info);
int cs_seen_flush(struct genl_info *info);
int cs_seen_dump_entries(struct sk_buff *skb, struct netlink_callback *cb);
int cs_stats_dump(struct sk_buff *skb, struct netlink_callback *cb);

#endif /* _CS_NETLINK_H */
