// SPDX-License-Identifier: GPL-2.0
/*
 * Requests to rtnetlink, by libnl-route, with the kernel's own reason when it refuses.
 *
 * libnl keeps neither the error number nor the text of a refusal, so they are taken from the
 * message itself. One socket, used by one thread, for one request at a time.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/handlers.h>
#include <netlink/msg.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/kernel_real.h"

/* The text, which follows the request that is sent back, or only its header. */
static void take_text(struct kernel_rtnl *rtnl, const struct nlmsghdr *nlh,
		      const struct nlmsgerr *err)
{
	size_t offset = NLMSG_LENGTH(sizeof(*err));
	struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED)) {
		if (err->msg.nlmsg_len < NLMSG_HDRLEN || err->msg.nlmsg_len > nlh->nlmsg_len)
			return;
		offset += NLMSG_ALIGN(err->msg.nlmsg_len) - NLMSG_HDRLEN;
	}
	if (offset >= nlh->nlmsg_len)
		return;
	attr = nla_find((struct nlattr *)((char *)nlh + offset), nlh->nlmsg_len - offset,
			NLMSGERR_ATTR_MSG);
	if (attr)
		nla_strlcpy(rtnl->text, attr, sizeof(rtnl->text));
}

static int on_refusal(struct sockaddr_nl *from, struct nlmsgerr *err, void *data)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)((char *)err - NLMSG_HDRLEN);
	struct kernel_rtnl *rtnl = data;

	(void)from;
	rtnl->rc = err->error;
	rtnl->text[0] = '\0';
	take_text(rtnl, nlh, err);
	return NL_STOP;
}

/**
 * kernel_rtnl_result() - what became of a request
 * @rtnl: socket
 * @nle: what libnl returned, negative: it failed
 * @error: gets the reason
 * @what: what was asked for, to begin the reason with
 *
 * Return: 0 or a negative errno.
 */
int kernel_rtnl_result(struct kernel_rtnl *rtnl, int nle, struct cs_error *error, const char *what)
{
	int rc = rtnl->rc;

	rtnl->rc = 0;
	if (nle >= 0)
		return 0;
	if (rc >= 0)	/* it never got to the kernel */
		return cs_error_set(error, nle == -NLE_NOMEM ? -ENOMEM : -EIO, "%s: netlink: %s",
				    what, nl_geterror(nle));
	return cs_error_set(error, rc, "%s: %s%s%s%s", what, rtnl->text, rtnl->text[0] ? ": " : "",
			    strerror(-rc), rc == -EPERM ? ": this needs CAP_NET_ADMIN" : "");
}

/**
 * kernel_rtnl_receive() - get what is answered
 * @rtnl: socket
 * @func: gets each message
 * @data: for @func
 *
 * Return: 0 or an error of libnl, for kernel_rtnl_result().
 */
int kernel_rtnl_receive(struct kernel_rtnl *rtnl, nl_recvmsg_msg_cb_t func, void *data)
{
	struct nl_cb *own = nl_socket_get_cb(rtnl->sock), *cb = nl_cb_clone(own);
	int nle;

	nl_cb_put(own);
	if (!cb)
		return -NLE_NOMEM;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, func, data);
	nle = nl_recvmsgs(rtnl->sock, cb);
	nl_cb_put(cb);
	return nle;
}

/**
 * kernel_rtnl_open() - open the socket
 * @rtnl: socket
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno; needs kernel_rtnl_close() either way.
 */
int kernel_rtnl_open(struct kernel_rtnl *rtnl, struct cs_error *error)
{
	int on = 1, nle;

	memset(rtnl, 0, sizeof(*rtnl));
	rtnl->sock = nl_socket_alloc();
	if (!rtnl->sock)
		return cs_error_set(error, -ENOMEM, "rtnetlink: out of memory");
	nl_socket_modify_err_cb(rtnl->sock, NL_CB_CUSTOM, on_refusal, rtnl);
	nl_socket_enable_msg_peek(rtnl->sock);
	nle = nl_connect(rtnl->sock, NETLINK_ROUTE);
	if (nle < 0)
		return kernel_rtnl_result(rtnl, nle, error, "rtnetlink");
	/* without it the reasons are poorer, and right all the same */
	setsockopt(nl_socket_get_fd(rtnl->sock), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	return 0;
}

/**
 * kernel_rtnl_close() - close the socket
 * @rtnl: socket
 */
void kernel_rtnl_close(struct kernel_rtnl *rtnl)
{
	nl_socket_free(rtnl->sock);
	rtnl->sock = NULL;
}
