/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Client of the generic netlink family of the crowdshare module, on libmnl.
 *
 * One struct cs_nl is one socket; it belongs to one thread at a time.
 */
#ifndef CS_LIB_NETLINK_H
#define CS_LIB_NETLINK_H

#include <stdint.h>

#include <libmnl/libmnl.h>
#include <linux/crowdshare.h>
#include <linux/genetlink.h>

/* A request holds at most one attribute of the greatest size and a few small ones. */
#define CS_NL_REQUEST_SIZE	(128 * 1024)
#define CS_NL_ERROR_SIZE	512

/**
 * struct cs_nl - a socket of the family
 * @sock: libmnl socket
 * @request: buffer of the request under way
 * @reply: buffer for what comes in
 * @seq: sequence number of the request under way
 * @family: id of the family
 * @group: id of the multicast group of events
 * @error: what went wrong in the last call, for people; empty if nothing
 * @warning: what the kernel remarked though the last call succeeded; empty if nothing
 */
struct cs_nl {
	struct mnl_socket	*sock;
	char			*request;
	char			*reply;
	uint32_t		seq;
	uint16_t		family;
	uint32_t		group;
	char			error[CS_NL_ERROR_SIZE];
	char			warning[CS_NL_ERROR_SIZE];
};

/* Gets every message of a reply; what it returns, if negative, ends the call and is returned. */
typedef int (*cs_nl_cb)(const struct nlmsghdr *nlh, void *data);
/* A dump was disturbed and begins anew: forget what came so far. */
typedef void (*cs_nl_restart)(void *data);

int cs_nl_open(struct cs_nl *nl);
void cs_nl_close(struct cs_nl *nl);

struct nlmsghdr *cs_nl_prepare(struct cs_nl *nl, uint8_t cmd);
int cs_nl_do(struct cs_nl *nl, struct nlmsghdr *nlh, cs_nl_cb cb, void *data);
int cs_nl_dump(struct cs_nl *nl, struct nlmsghdr *nlh, cs_nl_cb cb, cs_nl_restart restart,
	       void *data);

int cs_nl_subscribe(struct cs_nl *nl);
int cs_nl_listen(struct cs_nl *nl, cs_nl_cb cb, void *data);

uint8_t cs_nl_cmd(const struct nlmsghdr *nlh);
int cs_nl_attrs(const struct nlmsghdr *nlh, const struct nlattr **attrs, unsigned int max);
const char *cs_nl_attr_name(uint8_t cmd, unsigned int type);

#endif /* CS_LIB_NETLINK_H */
