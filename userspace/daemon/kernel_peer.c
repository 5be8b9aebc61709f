// SPDX-License-Identifier: GPL-2.0
/*
 * Peers of the module, their keys and those of ports; and what MAC a neighbour has.
 *
 * A request waits in its buffer until the next one: secrets are wiped there at once.
 */
#include <errno.h>
#include <linux/neighbour.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/handlers.h>
#include <netlink/msg.h>
#include <netlink/socket.h>
#include <string.h>

#include <crowdshare/wire.h>

#include "daemon/kernel_real.h"

static struct nlmsghdr *peer_prepare(struct kernel_real *real, uint8_t cmd, uint32_t ifindex,
				     const uint8_t *lladdr)
{
	struct nlmsghdr *nlh = cs_nl_prepare(&real->nl, cmd);

	mnl_attr_put_u32(nlh, CROWDSHARE_A_PEER_PORT_IFINDEX, ifindex);
	mnl_attr_put(nlh, CROWDSHARE_A_PEER_LLADDR, CROWDSHARE_LLADDR_LEN, lladdr);
	return nlh;
}

/**
 * kernel_peer_set() - add a peer to a port, or change it
 * @kernel: the real kernel
 * @ifindex: the port
 * @lladdr: MAC of the peer
 * @state: enum crowdshare_peer_state
 * @rate: new messages a second, 0: no limit
 * @byterate: their bytes a second, 0: no limit
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int kernel_peer_set(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr, uint32_t state,
		    uint32_t rate, uint64_t byterate, struct cs_error *error)
{
	static const uint8_t cmds[] = { CROWDSHARE_CMD_PEER_NEW, CROWDSHARE_CMD_PEER_SET };
	struct kernel_real *real = kernel_real(kernel);
	struct nlmsghdr *nlh;
	int i, rc = -EEXIST;

	for (i = 0; i < 2 && rc == -EEXIST; i++) {
		nlh = peer_prepare(real, cmds[i], ifindex, lladdr);
		mnl_attr_put_u32(nlh, CROWDSHARE_A_PEER_STATE, state);
		mnl_attr_put_u32(nlh, CROWDSHARE_A_PEER_RATE, rate);
		mnl_attr_put_u64(nlh, CROWDSHARE_A_PEER_BYTERATE, byterate);
		rc = kernel_port_do(real, nlh, ifindex, lladdr, NULL, NULL, error);
	}
	return rc;
}

/**
 * kernel_peer_del() - remove a peer, its keys and its contracts
 * @kernel: the real kernel
 * @ifindex: the port
 * @lladdr: MAC of the peer
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno, -ENOENT: there is none.
 */
int kernel_peer_del(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		    struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	struct nlmsghdr *nlh = peer_prepare(real, CROWDSHARE_CMD_PEER_DEL, ifindex, lladdr);

	return kernel_port_do(real, nlh, ifindex, lladdr, NULL, NULL, error);
}

/* Room for the MACs of peers. */
struct lladdrs {
	uint8_t	(*list)[KERNEL_LLADDR_LEN];
	size_t	size;
	size_t	n;
};

static int lladdr_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *a[CROWDSHARE_A_PEER_MAX + 1], *lladdr;
	struct lladdrs *lladdrs = data;

	cs_nl_attrs(nlh, a, CROWDSHARE_A_PEER_MAX);
	lladdr = a[CROWDSHARE_A_PEER_LLADDR];
	if (!lladdr || mnl_attr_get_payload_len(lladdr) != KERNEL_LLADDR_LEN)
		return -EBADMSG;
	if (lladdrs->n < lladdrs->size)
		memcpy(lladdrs->list[lladdrs->n++], mnl_attr_get_payload(lladdr),
		       KERNEL_LLADDR_LEN);
	return 0;
}

static void lladdr_restart(void *data)
{
	((struct lladdrs *)data)->n = 0;
}

/**
 * kernel_peer_list() - peers of a port
 * @kernel: the real kernel
 * @ifindex: the port
 * @lladdrs: gets their MACs
 * @size: how many there is room for; others are left out
 * @n: gets how many they are
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int kernel_peer_list(struct kernel *kernel, uint32_t ifindex,
		     uint8_t lladdrs[][KERNEL_LLADDR_LEN], size_t size, size_t *n,
		     struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	struct nlmsghdr *nlh = cs_nl_prepare(&real->nl, CROWDSHARE_CMD_PEER_GET);
	struct lladdrs got = { .list = lladdrs, .size = size };
	int rc;

	mnl_attr_put_u32(nlh, CROWDSHARE_A_PEER_PORT_IFINDEX, ifindex);
	rc = cs_nl_dump(&real->nl, nlh, lladdr_cb, lladdr_restart, &got);
	*n = got.n;
	return rc ? cs_error_set(error, rc, "peers of port '%s': %s",
				 kernel_link_name(real, ifindex),
				 real->nl.error[0] ? real->nl.error : strerror(-rc)) : 0;
}

/* What is looked for among all statistics. */
struct frames {
	uint32_t		ifindex;
	const uint8_t		*lladdr;
	struct kernel_frames	*to;
	unsigned int		found;
};

static int frames_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *a[CROWDSHARE_A_STATS_MAX + 1], *lladdr;
	struct frames *frames = data;
	uint64_t repairs;

	cs_nl_attrs(nlh, a, CROWDSHARE_A_STATS_MAX);
	if (!a[CROWDSHARE_A_STATS_PORT_IFINDEX] || !a[CROWDSHARE_A_STATS_TX_FRAMES] ||
	    !a[CROWDSHARE_A_STATS_TX_REPAIRS] || !a[CROWDSHARE_A_STATS_RX_FRAMES] ||
	    mnl_attr_get_u32(a[CROWDSHARE_A_STATS_PORT_IFINDEX]) != frames->ifindex)
		return 0;
	lladdr = a[CROWDSHARE_A_STATS_LLADDR];
	if (!lladdr) {
		repairs = mnl_attr_get_u64(a[CROWDSHARE_A_STATS_TX_REPAIRS]);
		frames->to->sent_alone = repairs;
		frames->to->sent_to_all =
			mnl_attr_get_u64(a[CROWDSHARE_A_STATS_TX_FRAMES]) - repairs;
		frames->found++;
	} else if (mnl_attr_get_payload_len(lladdr) == KERNEL_LLADDR_LEN &&
		   !memcmp(mnl_attr_get_payload(lladdr), frames->lladdr, KERNEL_LLADDR_LEN)) {
		frames->to->got = mnl_attr_get_u64(a[CROWDSHARE_A_STATS_RX_FRAMES]);
		frames->found++;
	}
	return 0;
}

static void frames_restart(void *data)
{
	((struct frames *)data)->found = 0;
}

/**
 * kernel_peer_frames() - frames that passed a port, and those of a peer there
 * @kernel: the real kernel
 * @ifindex: the port
 * @lladdr: MAC of the peer
 * @frames: gets them
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno, -ENOENT: there is no such port, or peer.
 */
int kernel_peer_frames(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		       struct kernel_frames *frames, struct cs_error *error)
{
	struct frames wanted = { .ifindex = ifindex, .lladdr = lladdr, .to = frames };
	struct kernel_real *real = kernel_real(kernel);
	struct nlmsghdr *nlh = cs_nl_prepare(&real->nl, CROWDSHARE_CMD_STATS_GET);
	int rc;

	mnl_attr_put_u32(nlh, CROWDSHARE_A_STATS_DEV_IFINDEX, real->ifindex);
	rc = cs_nl_dump(&real->nl, nlh, frames_cb, frames_restart, &wanted);
	if (rc)
		return cs_error_set(error, rc, "statistics of port '%s': %s",
				    kernel_link_name(real, ifindex),
				    real->nl.error[0] ? real->nl.error : strerror(-rc));
	return wanted.found == 2 ? 0 : cs_error_set(error, -ENOENT, "port '%s' has no such peer",
						    kernel_link_name(real, ifindex));
}

static struct nlmsghdr *key_prepare(struct kernel_real *real, uint8_t cmd, uint32_t ifindex,
				    const uint8_t *lladdr, enum crowdshare_key_use use, uint8_t id)
{
	struct nlmsghdr *nlh = cs_nl_prepare(&real->nl, cmd);

	mnl_attr_put_u32(nlh, CROWDSHARE_A_KEY_PORT_IFINDEX, ifindex);
	if (lladdr)
		mnl_attr_put(nlh, CROWDSHARE_A_KEY_LLADDR, CROWDSHARE_LLADDR_LEN, lladdr);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_KEY_USE, use);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_KEY_ID, id);
	return nlh;
}

/**
 * kernel_key_set() - install a key, in the place of the one of the same id if there is one
 * @kernel: the real kernel
 * @ifindex: the port
 * @lladdr: the peer, NULL for a port key
 * @use: what it is for
 * @id: 1 to 255
 * @secret: CS_KEY_LEN bytes
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno, -ENOSPC: the peer has as many receive keys as it may.
 */
int kernel_key_set(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		   enum crowdshare_key_use use, uint8_t id, const uint8_t *secret,
		   struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	struct nlmsghdr *nlh;
	int rc;

	nlh = key_prepare(real, CROWDSHARE_CMD_KEY_NEW, ifindex, lladdr, use, id);
	mnl_attr_put(nlh, CROWDSHARE_A_KEY_SECRET, CS_KEY_LEN, secret);
	rc = kernel_port_do(real, nlh, ifindex, lladdr, NULL, NULL, error);
	explicit_bzero(nlh, nlh->nlmsg_len);
	return rc;
}

/**
 * kernel_key_del() - remove a key
 * @kernel: the real kernel
 * @ifindex: the port
 * @lladdr: the peer, NULL for a port key
 * @use: what it is for
 * @id: 1 to 255
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno, -ENOENT: there is none.
 */
int kernel_key_del(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		   enum crowdshare_key_use use, uint8_t id, struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	struct nlmsghdr *nlh;

	nlh = key_prepare(real, CROWDSHARE_CMD_KEY_DEL, ifindex, lladdr, use, id);
	return kernel_port_do(real, nlh, ifindex, lladdr, NULL, NULL, error);
}

/* Ids of keys, and of which attribute they are. */
struct key_ids {
	uint8_t		*ids;
	size_t		n;
	unsigned int	type;
};

static int key_ids_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;
	struct key_ids *ids = data;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == ids->type && kernel_attr_is(attr, MNL_TYPE_U32) &&
		    ids->n < KERNEL_PEER_KEYS)
			ids->ids[ids->n++] = mnl_attr_get_u32(attr);
	return 0;
}

/**
 * kernel_peer_keys() - ids of the keys that the kernel has
 * @kernel: the real kernel
 * @ifindex: the port
 * @lladdr: of this peer's receive keys, of both kinds; NULL: of the port key
 * @ids: gets them
 * @n: gets how many they are
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno, -ENOENT: there is no such port, or peer.
 */
int kernel_peer_keys(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		     uint8_t ids[KERNEL_PEER_KEYS], size_t *n, struct cs_error *error)
{
	struct key_ids got = { .ids = ids, .type = CROWDSHARE_A_PEER_RX_KEY_ID };
	struct kernel_real *real = kernel_real(kernel);
	struct nlmsghdr *nlh;
	int rc;

	if (lladdr) {
		nlh = peer_prepare(real, CROWDSHARE_CMD_PEER_GET, ifindex, lladdr);
	} else {
		got.type = CROWDSHARE_A_PORT_KEY_ID;
		nlh = cs_nl_prepare(&real->nl, CROWDSHARE_CMD_PORT_GET);
		mnl_attr_put_u32(nlh, CROWDSHARE_A_PORT_IFINDEX, ifindex);
	}
	rc = kernel_port_do(real, nlh, ifindex, lladdr, key_ids_cb, &got, error);
	*n = got.n;
	return rc;
}

/* What the table of neighbours says; it may hold an entry that has no MAC yet, or lost it. */
static int on_neighbour(struct nl_msg *msg, void *data)
{
	static const struct nla_policy policy[NDA_MAX + 1] = {
		[NDA_LLADDR] = { .minlen = KERNEL_LLADDR_LEN, .maxlen = KERNEL_LLADDR_LEN },
	};
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct nlattr *a[NDA_MAX + 1];
	const struct ndmsg *nd;

	if (nlh->nlmsg_type != RTM_NEWNEIGH || !nlmsg_valid_hdr(nlh, sizeof(*nd)))
		return NL_OK;
	nd = nlmsg_data(nlh);
	if (!(nd->ndm_state & (NUD_INCOMPLETE | NUD_FAILED)) &&
	    nlmsg_parse(nlh, sizeof(*nd), a, NDA_MAX, policy) >= 0 && a[NDA_LLADDR])
		memcpy(data, nla_data(a[NDA_LLADDR]), KERNEL_LLADDR_LEN);
	return NL_OK;
}

static int ask_neighbour(struct kernel_rtnl *rtnl, uint32_t ifindex, const uint8_t address[16],
			 uint8_t lladdr[KERNEL_LLADDR_LEN])
{
	struct ndmsg nd = { .ndm_family = AF_INET6, .ndm_ifindex = ifindex };
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETNEIGH, 0);
	int nle = -NLE_NOMEM;

	if (msg && !nlmsg_append(msg, &nd, sizeof(nd), NLMSG_ALIGNTO) &&
	    !nla_put(msg, NDA_DST, sizeof(struct in6_addr), address))
		nle = nl_send_auto(rtnl->sock, msg);
	nlmsg_free(msg);
	if (nle >= 0)
		nle = kernel_rtnl_receive(rtnl, on_neighbour, lladdr);
	/* the answer is followed by an ack, a refusal is not */
	return nle < 0 ? nle : nl_wait_for_ack(rtnl->sock);
}

/**
 * kernel_neighbour() - MAC of a neighbour, by the table of neighbours
 * @kernel: the real kernel
 * @ifindex: interface
 * @address: IPv6 address of the neighbour
 * @lladdr: gets its MAC
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno, -ENOENT: the table does not have it.
 */
int kernel_neighbour(struct kernel *kernel, uint32_t ifindex, const uint8_t address[16],
		     uint8_t lladdr[KERNEL_LLADDR_LEN], struct cs_error *error)
{
	static const uint8_t none[KERNEL_LLADDR_LEN];
	struct kernel_real *real = kernel_real(kernel);
	int rc;

	memset(lladdr, 0, KERNEL_LLADDR_LEN);
	rc = kernel_rtnl_result(&real->rtnl, ask_neighbour(&real->rtnl, ifindex, address, lladdr),
				error, "neighbour");
	if (!rc && !memcmp(lladdr, none, sizeof(none)))
		rc = cs_error_set(error, -ENOENT, "neighbour: its MAC is not known");
	return rc;
}
