// SPDX-License-Identifier: GPL-2.0
/*
 * The real kernel: its sockets, the ports of the module, and its events.
 *
 * Further parts are in kernel_device.c (the device), kernel_peer.c (peers and keys),
 * kernel_contract.c (contracts), kernel_seen.c (the seen-set), kernel_ring.c (frames),
 * kernel_link.c (interfaces), kernel_rtnl.c (requests to rtnetlink).
 *
 * Requests are made by a socket of their own and wait for the answer, which the kernel gives within
 * the system call; events come by others, in the loop. One thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/kernel_real.h"
#include "daemon/log.h"

#define EVENTS_AT_ONCE	64		/* so that other events get their turn */
#define DRAIN_MAX	100000

/**
 * kernel_do() - a request to the module
 * @real: the real kernel
 * @nlh: the request
 * @cb: gets what is answered; may be NULL
 * @data: for @cb
 * @error: gets the reason of a refusal
 * @what: what it is about, to begin the reason with
 *
 * Return: 0 or a negative errno.
 */
int kernel_do(struct kernel_real *real, struct nlmsghdr *nlh, cs_nl_cb cb, void *data,
	      struct cs_error *error, const char *what)
{
	int rc = cs_nl_do(&real->nl, nlh, cb, data);

	if (!rc)
		return 0;
	return cs_error_set(error, rc, "%s: %s%s", what,
			    real->nl.error[0] ? real->nl.error : strerror(-rc),
			    rc == -EPERM ? ": this needs CAP_NET_ADMIN" : "");
}

/**
 * kernel_port_do() - a request to the module about a port, or a peer on it
 * @real: the real kernel
 * @nlh: the request
 * @ifindex: the port
 * @lladdr: the peer, or NULL
 * @cb: gets what is answered; may be NULL
 * @data: for @cb
 * @error: gets the reason of a refusal
 *
 * Return: 0 or a negative errno.
 */
int kernel_port_do(struct kernel_real *real, struct nlmsghdr *nlh, uint32_t ifindex,
		   const uint8_t *lladdr, cs_nl_cb cb, void *data, struct cs_error *error)
{
	const char *name = kernel_link_name(real, ifindex);
	char what[96];

	if (lladdr)
		snprintf(what, sizeof(what), "peer %02x:%02x:%02x:%02x:%02x:%02x on port '%s'",
			 lladdr[0], lladdr[1], lladdr[2], lladdr[3], lladdr[4], lladdr[5], name);
	else
		snprintf(what, sizeof(what), "port '%s'", name);
	return kernel_do(real, nlh, cb, data, error, what);
}

static int port_put(struct kernel_real *real, uint8_t cmd, uint32_t ifindex, uint32_t echo,
		    uint32_t auth, struct cs_error *error)
{
	struct nlmsghdr *nlh = cs_nl_prepare(&real->nl, cmd);

	mnl_attr_put_u32(nlh, CROWDSHARE_A_PORT_IFINDEX, ifindex);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_PORT_DEV_IFINDEX, real->ifindex);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_PORT_ECHO, echo);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_PORT_AUTH, auth);
	return kernel_port_do(real, nlh, ifindex, NULL, NULL, NULL, error);
}

/* If it was a port before, it may have been so with other settings, or of another device. */
static int port_add(struct kernel *kernel, uint32_t ifindex, uint32_t echo, uint32_t auth,
		    struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	int rc;

	rc = port_put(real, CROWDSHARE_CMD_PORT_NEW, ifindex, echo, auth, error);
	if (rc == -EBUSY)
		rc = port_put(real, CROWDSHARE_CMD_PORT_SET, ifindex, echo, auth, error);
	return rc;
}

static int port_del(struct kernel *kernel, uint32_t ifindex, struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	struct nlmsghdr *nlh = cs_nl_prepare(&real->nl, CROWDSHARE_CMD_PORT_DEL);

	mnl_attr_put_u32(nlh, CROWDSHARE_A_PORT_IFINDEX, ifindex);
	return kernel_port_do(real, nlh, ifindex, NULL, NULL, NULL, error);
}

static void on_dev_event(struct kernel_real *real, const struct nlmsghdr *nlh)
{
	const struct nlattr *a[CROWDSHARE_A_DEV_MAX + 1];

	cs_nl_attrs(nlh, a, CROWDSHARE_A_DEV_MAX);
	if (a[CROWDSHARE_A_DEV_FULL] && kernel_attr_is(a[CROWDSHARE_A_DEV_IFINDEX], MNL_TYPE_U32) &&
	    mnl_attr_get_u32(a[CROWDSHARE_A_DEV_IFINDEX]) == real->ifindex)
		real->events->full(real->data);
}

static int on_event(const struct nlmsghdr *nlh, void *data)
{
	switch (cs_nl_cmd(nlh)) {
	case CROWDSHARE_CMD_DEV_NTF:
		on_dev_event(data, nlh);
		break;
	case CROWDSHARE_CMD_CONTRACT_NTF:
		kernel_contract_event(data, nlh);
		break;
	}
	return 0;
}

/*
 * Events were lost. As long as any wait in the socket the kernel goes on to drop new ones, without
 * saying so again: first these, then what may have been told by those that were lost.
 */
static void overrun(struct kernel_real *real)
{
	int n, rc = 0;

	log_warning("events of the module were lost, looking at all contracts");
	for (n = 0; n < DRAIN_MAX && (!rc || rc == -ENOBUFS); n++)
		rc = cs_nl_listen(&real->ntf, on_event, real);
	kernel_contract_overrun(real);
}

static void on_ntf(evutil_socket_t fd, short what, void *data)
{
	struct kernel_real *real = data;
	int n, rc = 0;

	(void)fd;
	(void)what;
	for (n = 0; n < EVENTS_AT_ONCE && !rc; n++)
		rc = cs_nl_listen(&real->ntf, on_event, real);
	if (rc == -ENOBUFS)
		overrun(real);
	else if (rc && rc != -EAGAIN && rc != -EINTR)
		log_warning("events of the module: %s", real->ntf.error);
}

static int nl_fail(const struct cs_nl *nl, int rc, struct cs_error *error)
{
	if (rc == -ENOENT)
		return cs_error_set(error, rc, "the kernel has no crowdshare module: "
				    "modprobe crowdshare");
	return cs_error_set(error, rc, "%s", nl->error);
}

static int start(struct kernel *kernel, const struct kernel_events *events, void *data,
		 struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	int rc;

	real->events = events;
	real->data = data;
	if (event_add(real->on_ntf, NULL))
		return cs_error_set(error, -ENOMEM, "out of memory");
	rc = kernel_watch_start(real, error);
	return rc ? rc : kernel_ring_start(real, error);
}

static void stop(struct kernel *kernel)
{
	struct kernel_real *real = kernel_real(kernel);

	kernel_ring_close(real);
	kernel_watch_close(real);
	if (real->on_ntf)
		event_free(real->on_ntf);
	kernel_rtnl_close(&real->rtnl);
	cs_nl_close(&real->ntf);
	cs_nl_close(&real->nl);
	free(real);
}

static const struct kernel_ops ops = {
	.start		= start,
	.stop		= stop,
	.device		= kernel_device,
	.device_up	= kernel_device_up,
	.port_add	= port_add,
	.port_del	= port_del,
	.peer_set	= kernel_peer_set,
	.peer_del	= kernel_peer_del,
	.key_set	= kernel_key_set,
	.key_del	= kernel_key_del,
	.contract_add	= kernel_contract_add,
	.contract_del	= kernel_contract_del,
	.contract_get	= kernel_contract_get,
	.send		= kernel_send,
	.remember	= kernel_remember,
	.known		= kernel_known,
	.seen_fill	= kernel_seen_fill,
	.seen_save	= kernel_seen_save,
	.seen_load	= kernel_seen_load,
	.traffic	= kernel_traffic,
	.frames		= kernel_peer_frames,
	.peer_keys	= kernel_peer_keys,
	.peer_list	= kernel_peer_list,
	.neighbour	= kernel_neighbour,
};

/* Whatever happens from here on is told once the loop runs. */
static int listen_to_module(struct kernel_real *real, struct cs_error *error)
{
	int fd, rc;

	rc = cs_nl_open(&real->ntf);
	if (!rc)
		rc = cs_nl_subscribe(&real->ntf);
	if (rc)
		return nl_fail(&real->ntf, rc, error);
	fd = mnl_socket_get_fd(real->ntf.sock);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
		return cs_error_set(error, -errno, "netlink: %s", strerror(errno));
	real->on_ntf = event_new(real->base, fd, EV_READ | EV_PERSIST, on_ntf, real);
	return real->on_ntf ? 0 : cs_error_set(error, -ENOMEM, "out of memory");
}

static int open_all(struct kernel_real *real, struct cs_error *error)
{
	int rc;

	rc = cs_nl_open(&real->nl);
	if (rc)
		return nl_fail(&real->nl, rc, error);
	rc = listen_to_module(real, error);
	if (!rc)
		rc = kernel_rtnl_open(&real->rtnl, error);
	if (!rc)
		rc = kernel_watch_open(real, error);
	return rc ? rc : kernel_ring_open(real, error);
}

/**
 * kernel_open() - the real kernel
 * @base: loop in which the events are told
 * @error: gets the reason of a failure: no module, no permission
 *
 * Return: to be ended by kernel->ops->stop(), or NULL.
 */
struct kernel *kernel_open(struct event_base *base, struct cs_error *error)
{
	struct kernel_real *real = calloc(1, sizeof(*real));

	if (!real) {
		cs_error_set(error, -ENOMEM, "out of memory");
		return NULL;
	}
	real->kernel.ops = &ops;
	real->base = base;
	if (open_all(real, error)) {
		stop(&real->kernel);
		return NULL;
	}
	return &real->kernel;
}
