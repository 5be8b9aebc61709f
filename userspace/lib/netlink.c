// SPDX-License-Identifier: GPL-2.0
/*
 * Client of the generic netlink family of the crowdshare module, on libmnl.
 *
 * Every request asks for an ack, and every refusal is reported with the kernel's own text and the
 * name of the attribute that it points at. A dump that the kernel marks as disturbed is repeated.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/netlink.h"

#define REPLY_SIZE	(128 * 1024)
#define DUMP_TRIES	10

static const char *const dev_attrs[] = {
	[CROWDSHARE_A_DEV_IFINDEX] = "ifindex",
	[CROWDSHARE_A_DEV_IFNAME] = "ifname",
	[CROWDSHARE_A_DEV_SEEN_MAX] = "seen-max",
	[CROWDSHARE_A_DEV_LIFETIME_MAX] = "lifetime-max",
	[CROWDSHARE_A_DEV_DELIVER] = "deliver",
	[CROWDSHARE_A_DEV_ADDRESS] = "address",
	[CROWDSHARE_A_DEV_SEEN_COUNT] = "seen-count",
	[CROWDSHARE_A_DEV_SEEN_BYTES] = "seen-bytes",
	[CROWDSHARE_A_DEV_PORTS] = "ports",
	[CROWDSHARE_A_DEV_CLOCK] = "clock",
	[CROWDSHARE_A_DEV_CLOCK_ALLOWANCE] = "clock-allowance",
	[CROWDSHARE_A_DEV_FULL] = "full",
};

static const char *const port_attrs[] = {
	[CROWDSHARE_A_PORT_IFINDEX] = "ifindex",
	[CROWDSHARE_A_PORT_IFNAME] = "ifname",
	[CROWDSHARE_A_PORT_DEV_IFINDEX] = "dev-ifindex",
	[CROWDSHARE_A_PORT_DEV_IFNAME] = "dev-ifname",
	[CROWDSHARE_A_PORT_ECHO] = "echo",
	[CROWDSHARE_A_PORT_AUTH] = "auth",
	[CROWDSHARE_A_PORT_KEY_ID] = "key-id",
	[CROWDSHARE_A_PORT_PEERS] = "peers",
	[CROWDSHARE_A_PORT_WIRELESS] = "wireless",
};

static const char *const peer_attrs[] = {
	[CROWDSHARE_A_PEER_PORT_IFINDEX] = "port-ifindex",
	[CROWDSHARE_A_PEER_PORT_IFNAME] = "port-ifname",
	[CROWDSHARE_A_PEER_LLADDR] = "lladdr",
	[CROWDSHARE_A_PEER_STATE] = "state",
	[CROWDSHARE_A_PEER_RATE] = "rate",
	[CROWDSHARE_A_PEER_BYTERATE] = "byterate",
	[CROWDSHARE_A_PEER_RX_KEY_ID] = "rx-key-id",
	[CROWDSHARE_A_PEER_TX_KEY_ID] = "tx-key-id",
	[CROWDSHARE_A_PEER_PAIRWISE_KEY_ID] = "pairwise-key-id",
};

static const char *const key_attrs[] = {
	[CROWDSHARE_A_KEY_PORT_IFINDEX] = "port-ifindex",
	[CROWDSHARE_A_KEY_LLADDR] = "lladdr",
	[CROWDSHARE_A_KEY_USE] = "use",
	[CROWDSHARE_A_KEY_ID] = "id",
	[CROWDSHARE_A_KEY_SECRET] = "secret",
};

static const char *const contract_attrs[] = {
	[CROWDSHARE_A_CONTRACT_PORT_IFINDEX] = "port-ifindex",
	[CROWDSHARE_A_CONTRACT_PORT_IFNAME] = "port-ifname",
	[CROWDSHARE_A_CONTRACT_LLADDR] = "lladdr",
	[CROWDSHARE_A_CONTRACT_ID] = "id",
	[CROWDSHARE_A_CONTRACT_DIRECTION] = "direction",
	[CROWDSHARE_A_CONTRACT_BYTES] = "bytes",
	[CROWDSHARE_A_CONTRACT_EXPIRY] = "expiry",
	[CROWDSHARE_A_CONTRACT_USED] = "used",
	[CROWDSHARE_A_CONTRACT_REFUSED] = "refused",
	[CROWDSHARE_A_CONTRACT_EXHAUSTED] = "exhausted",
};

static const char *const seen_attrs[] = {
	[CROWDSHARE_A_SEEN_DEV_IFINDEX] = "dev-ifindex",
	[CROWDSHARE_A_SEEN_DIGEST] = "digest",
	[CROWDSHARE_A_SEEN_LEFT] = "left",
	[CROWDSHARE_A_SEEN_ENTRIES] = "entries",
	[CROWDSHARE_A_SEEN_LOADED] = "loaded",
};

static const char *const stats_attrs[] = {
	[CROWDSHARE_A_STATS_DEV_IFINDEX] = "dev-ifindex",
	[CROWDSHARE_A_STATS_DEV_IFNAME] = "dev-ifname",
	[CROWDSHARE_A_STATS_SCOPE] = "scope",
	[CROWDSHARE_A_STATS_PORT_IFINDEX] = "port-ifindex",
	[CROWDSHARE_A_STATS_PORT_IFNAME] = "port-ifname",
	[CROWDSHARE_A_STATS_LLADDR] = "lladdr",
};

#define TABLE(array) { array, sizeof(array) / sizeof(*(array)) }

/* Attribute names by command, as the specification spells them. */
static const struct {
	const char *const	*names;
	unsigned int		count;
} attr_tables[] = {
	[CROWDSHARE_CMD_DEV_GET] = TABLE(dev_attrs),
	[CROWDSHARE_CMD_DEV_SET] = TABLE(dev_attrs),
	[CROWDSHARE_CMD_PORT_GET] = TABLE(port_attrs),
	[CROWDSHARE_CMD_PORT_NEW] = TABLE(port_attrs),
	[CROWDSHARE_CMD_PORT_SET] = TABLE(port_attrs),
	[CROWDSHARE_CMD_PORT_DEL] = TABLE(port_attrs),
	[CROWDSHARE_CMD_PEER_GET] = TABLE(peer_attrs),
	[CROWDSHARE_CMD_PEER_NEW] = TABLE(peer_attrs),
	[CROWDSHARE_CMD_PEER_SET] = TABLE(peer_attrs),
	[CROWDSHARE_CMD_PEER_DEL] = TABLE(peer_attrs),
	[CROWDSHARE_CMD_KEY_NEW] = TABLE(key_attrs),
	[CROWDSHARE_CMD_KEY_DEL] = TABLE(key_attrs),
	[CROWDSHARE_CMD_SEEN_GET] = TABLE(seen_attrs),
	[CROWDSHARE_CMD_SEEN_NEW] = TABLE(seen_attrs),
	[CROWDSHARE_CMD_SEEN_DEL] = TABLE(seen_attrs),
	[CROWDSHARE_CMD_STATS_GET] = TABLE(stats_attrs),
	[CROWDSHARE_CMD_CONTRACT_GET] = TABLE(contract_attrs),
	[CROWDSHARE_CMD_CONTRACT_NEW] = TABLE(contract_attrs),
	[CROWDSHARE_CMD_CONTRACT_DEL] = TABLE(contract_attrs),
};

/**
 * cs_nl_attr_name - name of an attribute of a request
 *
 * Return: the name, or NULL if there is none of this type.
 */
const char *cs_nl_attr_name(uint8_t cmd, unsigned int type)
{
	if (cmd >= sizeof(attr_tables) / sizeof(*attr_tables) || type >= attr_tables[cmd].count)
		return NULL;
	return attr_tables[cmd].names[type];
}

uint8_t cs_nl_cmd(const struct nlmsghdr *nlh)
{
	return ((const struct genlmsghdr *)mnl_nlmsg_get_payload(nlh))->cmd;
}

/**
 * cs_nl_attrs - sort the attributes of a message by type
 * @nlh: message
 * @attrs: array of @max + 1 pointers, set to the last attribute of each type or NULL
 * @max: highest type that the caller knows; others are left out
 *
 * Return: number of attributes found.
 */
int cs_nl_attrs(const struct nlmsghdr *nlh, const struct nlattr **attrs, unsigned int max)
{
	const struct nlattr *attr;
	int n = 0;

	memset(attrs, 0, (max + 1) * sizeof(*attrs));
	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) > max)
			continue;
		attrs[mnl_attr_get_type(attr)] = attr;
		n++;
	}
	return n;
}

__attribute__((format(printf, 3, 4)))
static int fail(struct cs_nl *nl, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(nl->error, sizeof(nl->error), format, args);
	va_end(args);
	return rc;
}

static struct nlmsghdr *prepare(struct cs_nl *nl, uint16_t type, uint8_t cmd, uint8_t version)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(nl->request);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = version;
	return nlh;
}

/**
 * cs_nl_prepare - begin a request; add attributes with mnl_attr_put(), then do or dump it
 */
struct nlmsghdr *cs_nl_prepare(struct cs_nl *nl, uint8_t cmd)
{
	return prepare(nl, nl->family, cmd, CROWDSHARE_GENL_VERSION);
}

/* The attribute of the request that stands @offset bytes from its start. */
static const char *attr_at(const struct cs_nl *nl, uint32_t offset)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)nl->request;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != nl->family)
		return NULL;
	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if ((const char *)attr - nl->request == offset)
			return cs_nl_attr_name(cs_nl_cmd(nlh), mnl_attr_get_type(attr));
	return NULL;
}

/* What the kernel says besides the error number: its text and the attribute it means. */
struct extack {
	const char	*text;
	const char	*attr;
	const char	*missing;
};

static void extack_parse(const struct cs_nl *nl, const struct nlmsghdr *nlh, size_t offset,
			 struct extack *ext)
{
	const struct nlmsghdr *request = (const struct nlmsghdr *)nl->request;
	const struct nlattr *attr;
	unsigned int type;

	memset(ext, 0, sizeof(*ext));
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) || mnl_nlmsg_get_payload_len(nlh) < offset)
		return;
	mnl_attr_for_each(attr, nlh, offset) {
		type = mnl_attr_get_type(attr);
		if (type == NLMSGERR_ATTR_MSG && !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
			ext->text = mnl_attr_get_str(attr);
		else if (type == NLMSGERR_ATTR_OFFS && !mnl_attr_validate(attr, MNL_TYPE_U32))
			ext->attr = attr_at(nl, mnl_attr_get_u32(attr));
		else if (type == NLMSGERR_ATTR_MISS_TYPE && request->nlmsg_type == nl->family &&
			 !mnl_attr_validate(attr, MNL_TYPE_U32))
			ext->missing = cs_nl_attr_name(cs_nl_cmd(request), mnl_attr_get_u32(attr));
	}
}

/* Put together "attribute 'x': text: errno text" of what there is. */
static int report(struct cs_nl *nl, int rc, const struct extack *ext)
{
	char where[64] = "";

	if (ext->attr || ext->missing)
		snprintf(where, sizeof(where), "%s '%s': ",
			 ext->missing ? "missing attribute" : "attribute",
			 ext->missing ? ext->missing : ext->attr);
	if (!rc) {
		if (ext->text)
			snprintf(nl->warning, sizeof(nl->warning), "%s%s", where, ext->text);
		return 0;
	}
	return fail(nl, rc, "%s%s%s%s", where, ext->text ? ext->text : "", ext->text ? ": " : "",
		    strerror(-rc));
}

/* An ack or a refusal. */
static int handle_error(struct cs_nl *nl, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	size_t offset = sizeof(*err);
	struct extack ext;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*err))
		return fail(nl, -EBADMSG, "netlink: short error message");
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		offset += MNL_ALIGN(err->msg.nlmsg_len) - MNL_NLMSG_HDRLEN;
	extack_parse(nl, nlh, offset, &ext);
	return report(nl, err->error, &ext);
}

/* The end of a dump, which may carry an error too. */
static int handle_done(struct cs_nl *nl, const struct nlmsghdr *nlh)
{
	struct extack ext;
	int rc;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(rc))
		return 0;
	memcpy(&rc, mnl_nlmsg_get_payload(nlh), sizeof(rc));
	extack_parse(nl, nlh, sizeof(rc), &ext);
	return report(nl, rc < 0 ? rc : 0, &ext);
}

static ssize_t receive(struct cs_nl *nl)
{
	ssize_t len;

	do {
		len = mnl_socket_recvfrom(nl->sock, nl->reply, REPLY_SIZE);
	} while (len < 0 && errno == EINTR);
	return len < 0 ? fail(nl, -errno, "netlink: %s", strerror(errno)) : len;
}

/* Read until the ack or the end of the dump; 1: the dump was disturbed. */
static int collect(struct cs_nl *nl, cs_nl_cb cb, void *data)
{
	const struct nlmsghdr *nlh;
	bool disturbed = false;
	ssize_t size;
	int len, rc;

	for (;;) {
		size = receive(nl);
		if (size < 0)
			return size;
		len = size;
		for (nlh = (void *)nl->reply; mnl_nlmsg_ok(nlh, len);
		     nlh = mnl_nlmsg_next(nlh, &len)) {
			/* left over from a call that its callback ended early */
			if (nlh->nlmsg_seq != nl->seq)
				continue;
			if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
				disturbed = true;
			if (nlh->nlmsg_type == NLMSG_ERROR)
				return handle_error(nl, nlh);
			if (nlh->nlmsg_type == NLMSG_DONE) {
				rc = handle_done(nl, nlh);
				return rc ? rc : disturbed;
			}
			if (nlh->nlmsg_type < NLMSG_MIN_TYPE || !cb ||
			    mnl_nlmsg_get_payload_len(nlh) < sizeof(struct genlmsghdr))
				continue;
			rc = cb(nlh, data);
			if (rc < 0)
				return rc;
		}
	}
}

static int transact(struct cs_nl *nl, struct nlmsghdr *nlh, uint16_t flags, cs_nl_cb cb,
		    void *data)
{
	nl->error[0] = '\0';
	nl->warning[0] = '\0';
	nlh->nlmsg_flags |= flags;
	nlh->nlmsg_seq = ++nl->seq;
	if (mnl_socket_sendto(nl->sock, nlh, nlh->nlmsg_len) < 0)
		return fail(nl, -errno, "netlink: %s", strerror(errno));
	return collect(nl, cb, data);
}

/**
 * cs_nl_do - send a request, wait for its ack
 * @nl: socket
 * @nlh: what cs_nl_prepare() began
 * @cb: gets the messages of the reply, if any; may be NULL
 * @data: for @cb
 *
 * Return: 0 or a negative errno, with the reason in @nl->error.
 */
int cs_nl_do(struct cs_nl *nl, struct nlmsghdr *nlh, cs_nl_cb cb, void *data)
{
	return transact(nl, nlh, NLM_F_ACK, cb, data);
}

/**
 * cs_nl_dump - send a request for a dump, and again if what it lists changed meanwhile
 * @nl: socket
 * @nlh: what cs_nl_prepare() began
 * @cb: gets the messages of the dump
 * @restart: called before the dump begins anew
 * @data: for @cb and @restart
 *
 * Return: 0 or a negative errno, with the reason in @nl->error.
 */
int cs_nl_dump(struct cs_nl *nl, struct nlmsghdr *nlh, cs_nl_cb cb, cs_nl_restart restart,
	       void *data)
{
	int rc, try;

	for (try = 0; try < DUMP_TRIES; try++) {
		rc = transact(nl, nlh, NLM_F_DUMP, cb, data);
		if (rc <= 0)
			return rc;
		restart(data);
	}
	return fail(nl, -EAGAIN, "netlink: what is listed changed %d times while it was read",
		    DUMP_TRIES);
}

/**
 * cs_nl_subscribe - have the events sent to this socket
 */
int cs_nl_subscribe(struct cs_nl *nl)
{
	if (mnl_socket_setsockopt(nl->sock, NETLINK_ADD_MEMBERSHIP, &nl->group,
				  sizeof(nl->group)) < 0)
		return fail(nl, -errno, "netlink: multicast group '%s': %s",
			    CROWDSHARE_MCGRP_EVENTS, strerror(errno));
	return 0;
}

/**
 * cs_nl_listen - wait for events once and hand them to @cb
 *
 * Return: 0, -ENOBUFS if events were lost, or another negative errno.
 */
int cs_nl_listen(struct cs_nl *nl, cs_nl_cb cb, void *data)
{
	const struct nlmsghdr *nlh;
	ssize_t size;
	int len, rc;

	size = mnl_socket_recvfrom(nl->sock, nl->reply, REPLY_SIZE);
	if (size < 0)
		return fail(nl, -errno, "netlink: %s", strerror(errno));
	len = size;
	for (nlh = (void *)nl->reply; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		if (nlh->nlmsg_type != nl->family ||
		    mnl_nlmsg_get_payload_len(nlh) < sizeof(struct genlmsghdr))
			continue;
		rc = cb(nlh, data);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void family_group(struct cs_nl *nl, const struct nlattr *group)
{
	const struct nlattr *attr;
	const char *name = NULL;
	uint32_t id = 0;

	mnl_attr_for_each_nested(attr, group) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_NAME)
			name = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GRP_ID)
			id = mnl_attr_get_u32(attr);
	}
	if (name && !strcmp(name, CROWDSHARE_MCGRP_EVENTS))
		nl->group = id;
}

static int family_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr, *group;
	struct cs_nl *nl = data;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			nl->family = mnl_attr_get_u16(attr);
		else if (mnl_attr_get_type(attr) == CTRL_ATTR_MCAST_GROUPS)
			mnl_attr_for_each_nested(group, attr)
				family_group(nl, group);
	}
	return 0;
}

static int resolve_family(struct cs_nl *nl)
{
	struct nlmsghdr *nlh = prepare(nl, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	int rc;

	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, CROWDSHARE_GENL_NAME);
	rc = cs_nl_do(nl, nlh, family_cb, nl);
	if (rc == -ENOENT || (!rc && !nl->family))
		return fail(nl, -ENOENT, "netlink family '%s' not found: is the kernel module "
			    "loaded?", CROWDSHARE_GENL_NAME);
	return rc;
}

static int open_socket(struct cs_nl *nl)
{
	int on = 1, size = 4 << 20;

	nl->sock = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!nl->sock || mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0)
		return fail(nl, -errno, "netlink: %s", strerror(errno));
	/* Kernels before 4.20 lack some: the answers are poorer then, but still right. */
	mnl_socket_setsockopt(nl->sock, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(nl->sock, NETLINK_CAP_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(nl->sock, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	/* Room for a burst of events; without the privilege the default has to do. */
	setsockopt(mnl_socket_get_fd(nl->sock), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return 0;
}

/**
 * cs_nl_open - open a socket in the current network namespace and find the family
 *
 * Return: 0 or a negative errno, with the reason in @nl->error; needs cs_nl_close() either way.
 */
int cs_nl_open(struct cs_nl *nl)
{
	int rc;

	memset(nl, 0, sizeof(*nl));
	nl->request = calloc(1, CS_NL_REQUEST_SIZE);
	nl->reply = malloc(REPLY_SIZE);
	if (!nl->request || !nl->reply)
		return fail(nl, -ENOMEM, "netlink: %s", strerror(ENOMEM));
	rc = open_socket(nl);
	return rc ? rc : resolve_family(nl);
}

void cs_nl_close(struct cs_nl *nl)
{
	if (nl->sock)
		mnl_socket_close(nl->sock);
	/* a request may have carried a key */
	if (nl->request)
		explicit_bzero(nl->request, CS_NL_REQUEST_SIZE);
	free(nl->request);
	free(nl->reply);
	memset(nl, 0, offsetof(struct cs_nl, error));
}
