// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink: the seen-set, one digest or all entries in bulk. All under RTNL, so that the set
 * is not replaced meanwhile; frames come and go all the time.
 */
#include <linux/rtnetlink.h>
#include <net/sock.h>

#include "compat.h"
#include "device.h"
#include "netlink.h"
#include "seen.h"

/* The most that a load can mean: a longest lifetime and a longest clock allowance. */
#define CS_SEEN_LEFT_LIMIT	(CROWDSHARE_LIFETIME_LIMIT + 86400)

static int cs_seen_fill(const struct cs_reply *reply, void *object)
{
	void *head = cs_reply_begin(reply);

	if (!head)
		return -EMSGSIZE;
	return cs_reply_end(reply, head,
			    nla_put_u32(reply->skb, CROWDSHARE_A_SEEN_LEFT, *(u32 *)object));
}

int cs_seen_get(struct genl_info *info)
{
	struct cs_device *cs;
	struct cs_seen *seen;
	const u8 *digest;
	u32 left;

	cs = cs_netlink_device(genl_info_net(info), info->extack, info->attrs,
			       CROWDSHARE_A_SEEN_DEV_IFINDEX);
	if (IS_ERR(cs))
		return PTR_ERR(cs);
	if (cs_netlink_missing(info->extack, info->attrs, CROWDSHARE_A_SEEN_DIGEST,
			       "digest required"))
		return -EINVAL;
	seen = rtnl_dereference(cs->seen);
	digest = nla_data(info->attrs[CROWDSHARE_A_SEEN_DIGEST]);
	left = cs_seen_lookup(seen, digest, cs_seen_line(seen, digest));
	if (left)
		left = cs_deadline_left(left, cs_clock_now());
	if (!left) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[CROWDSHARE_A_SEEN_DIGEST],
				    "digest is not known");
		return -ENOENT;
	}
	return cs_netlink_reply(info, CROWDSHARE_CMD_SEEN_GET, cs_seen_fill, &left);
}

/*
 * What is left is counted on the boot clock: the wall clock may not have been set right yet, and
 * would take with it, when it is, entries of messages that live.
 */
static int cs_seen_insert_entry(struct cs_seen *seen, const struct nlattr *attr,
				const struct crowdshare_seen_entry *entry, struct cs_now now,
				struct netlink_ext_ack *extack)
{
	enum cs_seen_result result;

	if (!entry->left || entry->left > CS_SEEN_LEFT_LIMIT) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "an entry has no time left, or far too much");
		return -EINVAL;
	}
	local_bh_disable();
	result = cs_seen_insert(seen, entry->digest, cs_seen_line(seen, entry->digest),
				now.boot + entry->left, now);
	local_bh_enable();
	switch (result) {
	case CS_SEEN_NEW:
		return 1;
	case CS_SEEN_KNOWN:
		return 0;
	default:
		NL_SET_ERR_MSG_ATTR(extack, attr, "seen-set is full, not all entries were loaded");
		return -ENOSPC;
	}
}

static int cs_seen_fill_loaded(const struct cs_reply *reply, void *object)
{
	void *head = cs_reply_begin(reply);

	if (!head)
		return -EMSGSIZE;
	return cs_reply_end(reply, head,
			    nla_put_u32(reply->skb, CROWDSHARE_A_SEEN_LOADED, *(u32 *)object));
}

int cs_seen_load(struct genl_info *info)
{
	struct nlattr *attr = info->attrs[CROWDSHARE_A_SEEN_ENTRIES];
	struct crowdshare_seen_entry entry;
	struct cs_now now = cs_clock_now();
	struct cs_device *cs;
	u32 loaded = 0;
	int offset, n;

	cs = cs_netlink_device(genl_info_net(info), info->extack, info->attrs,
			       CROWDSHARE_A_SEEN_DEV_IFINDEX);
	if (IS_ERR(cs))
		return PTR_ERR(cs);
	if (cs_netlink_missing(info->extack, info->attrs, CROWDSHARE_A_SEEN_ENTRIES,
			       "entries required"))
		return -EINVAL;
	if (nla_len(attr) % sizeof(entry)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "not a whole number of entries");
		return -EINVAL;
	}
	for (offset = 0; offset < nla_len(attr); offset += sizeof(entry)) {
		memcpy(&entry, nla_data(attr) + offset, sizeof(entry));
		n = cs_seen_insert_entry(rtnl_dereference(cs->seen), attr, &entry, now,
					 info->extack);
		if (n < 0)
			return n;
		loaded += n;
	}
	return cs_netlink_reply(info, CROWDSHARE_CMD_SEEN_NEW, cs_seen_fill_loaded, &loaded);
}

int cs_seen_flush(struct genl_info *info)
{
	struct cs_device *cs = cs_netlink_device(genl_info_net(info), info->extack, info->attrs,
						 CROWDSHARE_A_SEEN_DEV_IFINDEX);

	if (IS_ERR(cs))
		return PTR_ERR(cs);
	cs_netlink_changed();
	return cs_device_flush(cs);
}

/* One message, filled with as many entries as fit; @line says where to go on. */
static int cs_seen_dump_message(const struct cs_reply *reply, struct cs_seen *seen, u32 *line)
{
	const u32 size = sizeof(struct crowdshare_seen_entry);
	void *head = cs_reply_begin(reply);
	struct nlattr *attr;
	int room;
	u32 n;

	if (!head)
		return -EMSGSIZE;
	room = (skb_tailroom(reply->skb) - nla_total_size(0)) / (int)size;
	if (room < CS_SEEN_WAYS) {
		genlmsg_cancel(reply->skb, head);
		return -EMSGSIZE;
	}
	attr = nla_reserve(reply->skb, CROWDSHARE_A_SEEN_ENTRIES,
			   min_t(u32, room, (U16_MAX - NLA_HDRLEN) / size) * size);
	n = cs_seen_dump(seen, line, nla_data(attr), nla_len(attr) / size, cs_clock_now());
	if (!n) {
		genlmsg_cancel(reply->skb, head);
		return 0;
	}
	nlmsg_trim(reply->skb, nla_data(attr) + NLA_ALIGN(n * size));
	attr->nla_len = nla_attr_size(n * size);
	return cs_reply_end(reply, head, 0);
}

int cs_seen_dump_entries(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct nlattr **attrs = cs_compat_dump_attrs(cb);
	struct cs_reply reply;
	struct cs_device *cs;
	struct cs_seen *seen;
	u32 line = cb->args[0];
	int err = 0;

	rtnl_lock();
	cs = cs_netlink_device(sock_net(skb->sk), cb->extack, attrs, CROWDSHARE_A_SEEN_DEV_IFINDEX);
	if (IS_ERR(cs)) {
		err = PTR_ERR(cs);
		goto out;
	}
	seen = rtnl_dereference(cs->seen);
	reply = cs_reply_to_dump(skb, cb, CROWDSHARE_CMD_SEEN_GET);
	while (!err && line < seen->nr_lines)
		err = cs_seen_dump_message(&reply, seen, &line);
	cb->args[0] = line;
	/* no room is no error: the dump goes on with the next buffer */
	err = skb->len;
out:
	rtnl_unlock();
	return err;
}
