// SPDX-License-Identifier: GPL-2.0
/*
 * The real kernel: ports, peers, keys and contracts of the module, and its events.
 *
 * Further parts are in kernel_device.c (the device), kernel_link.c (interfaces), kernel_ring.c
 * (frames), kernel_seen.c (the seen-set), kernel_rtnl.c (requests to rtnetlink).
 *
 * Requests are made by a socket of their own and wait for the answer, which the kernel gives within
 * the system call; events come by others, in the loop. One thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <crowdshare/wire.h>

#include "daemon/kernel_real.h"
#include "daemon/log.h"

#define EVENTS_AT_ONCE	64

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

/* As kernel_do(), for what is about a port, or a peer on it if @lladdr is not NULL. */
static int port_do(struct kernel_real *real, struct nlmsghdr *nlh, uint32_t ifindex,
		   const uint8_t *lladdr, struct cs_error *error)
{
	const char *name = kernel_link_name(real, ifindex);
	char what[96];

	if (lladdr)
		snprintf(what, sizeof(what), "peer %02x:%02x:%02x:%02x:%02x:%02x on port '%s'",
			 lladdr[0], lladdr[1], lladdr[2], lladdr[3], lladdr[4], lladdr[5], name);
	else
		snprintf(what, sizeof(what), "port '%s'", name);
	return kernel_do(real, nlh, NULL, NULL, error, what);
}

static int port_put(struct kernel_real *real, uint8_t cmd, uint32_t ifindex, uint32_t echo,
		    uint32_t auth, struct cs_error *error)
{
	struct nlmsghdr *nlh = cs_nl_prepare(&real->nl, cmd);

	mnl_attr_put_u32(nlh, CROWDSHARE_A_PORT_IFINDEX, ifindex);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_PORT_DEV_IFINDEX, real->ifindex);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_PORT_ECHO, echo);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_PORT_AUTH, auth);
	return port_do(real, nlh, ifindex, NULL, error);
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
	return port_do(real, nlh, ifindex, NULL, error);
}

static struct nlmsghdr *peer_prepare(struct kernel_real *real, uint8_t cmd, uint32_t ifindex,
				     const uint8_t *lladdr)
{
	struct nlmsghdr *nlh = cs_nl_prepare(&real->nl, cmd);

	mnl_attr_put_u32(nlh, CROWDSHARE_A_PEER_PORT_IFINDEX, ifindex);
	mnl_attr_put(nlh, CROWDSHARE_A_PEER_LLADDR, CROWDSHARE_LLADDR_LEN, lladdr);
	return nlh;
}

static int peer_set(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr, uint32_t state,
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
		rc = port_do(real, nlh, ifindex, lladdr, error);
	}
	return rc;
}

static int peer_del(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		    struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);

	return port_do(real, peer_prepare(real, CROWDSHARE_CMD_PEER_DEL, ifindex, lladdr), ifindex,
		       lladdr, error);
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

static int key_set(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		   enum crowdshare_key_use use, uint8_t id, const uint8_t *secret,
		   struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	struct nlmsghdr *nlh;
	int rc;

	nlh = key_prepare(real, CROWDSHARE_CMD_KEY_NEW, ifindex, lladdr, use, id);
	mnl_attr_put(nlh, CROWDSHARE_A_KEY_SECRET, CS_KEY_LEN, secret);
	rc = port_do(real, nlh, ifindex, lladdr, error);
	explicit_bzero(nlh, nlh->nlmsg_len);
	return rc;
}

static int key_del(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		   enum crowdshare_key_use use, uint8_t id, struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);

	return port_do(real, key_prepare(real, CROWDSHARE_CMD_KEY_DEL, ifindex, lladdr, use, id),
		       ifindex, lladdr, error);
}

static struct nlmsghdr *contract_prepare(struct kernel_real *real, uint8_t cmd, uint32_t ifindex,
					 const uint8_t *lladdr, uint32_t id)
{
	struct nlmsghdr *nlh = cs_nl_prepare(&real->nl, cmd);

	mnl_attr_put_u32(nlh, CROWDSHARE_A_CONTRACT_PORT_IFINDEX, ifindex);
	mnl_attr_put(nlh, CROWDSHARE_A_CONTRACT_LLADDR, CROWDSHARE_LLADDR_LEN, lladdr);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_CONTRACT_ID, id);
	return nlh;
}

static int contract_add(struct kernel *kernel, const struct kernel_contract *contract,
			struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	struct nlmsghdr *nlh;

	nlh = contract_prepare(real, CROWDSHARE_CMD_CONTRACT_NEW, contract->ifindex,
			       contract->lladdr, contract->id);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_CONTRACT_DIRECTION, contract->direction);
	mnl_attr_put_u64(nlh, CROWDSHARE_A_CONTRACT_BYTES, contract->bytes);
	mnl_attr_put_u64(nlh, CROWDSHARE_A_CONTRACT_EXPIRY, contract->expiry);
	return port_do(real, nlh, contract->ifindex, contract->lladdr, error);
}

static int contract_del(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr, uint32_t id,
			struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);

	return port_do(real, contract_prepare(real, CROWDSHARE_CMD_CONTRACT_DEL, ifindex, lladdr,
					      id), ifindex, lladdr, error);
}

static bool is(const struct nlattr *attr, enum mnl_attr_data_type type)
{
	return attr && mnl_attr_validate(attr, type) >= 0;
}

/* Who a contract is with, and which. */
static bool contract_names(const struct nlattr **a, struct kernel_contract *contract)
{
	const struct nlattr *lladdr = a[CROWDSHARE_A_CONTRACT_LLADDR];

	if (!is(a[CROWDSHARE_A_CONTRACT_PORT_IFINDEX], MNL_TYPE_U32) ||
	    !is(a[CROWDSHARE_A_CONTRACT_ID], MNL_TYPE_U32) ||
	    !lladdr || mnl_attr_get_payload_len(lladdr) != KERNEL_LLADDR_LEN)
		return false;
	contract->ifindex = mnl_attr_get_u32(a[CROWDSHARE_A_CONTRACT_PORT_IFINDEX]);
	contract->id = mnl_attr_get_u32(a[CROWDSHARE_A_CONTRACT_ID]);
	memcpy(contract->lladdr, mnl_attr_get_payload(lladdr), KERNEL_LLADDR_LEN);
	return true;
}

static bool contract_parse(const struct nlmsghdr *nlh, struct kernel_contract *contract)
{
	const struct nlattr *a[CROWDSHARE_A_CONTRACT_MAX + 1];

	cs_nl_attrs(nlh, a, CROWDSHARE_A_CONTRACT_MAX);
	if (!contract_names(a, contract) ||
	    !is(a[CROWDSHARE_A_CONTRACT_DIRECTION], MNL_TYPE_U32) ||
	    !is(a[CROWDSHARE_A_CONTRACT_BYTES], MNL_TYPE_U64) ||
	    !is(a[CROWDSHARE_A_CONTRACT_EXPIRY], MNL_TYPE_U64) ||
	    !is(a[CROWDSHARE_A_CONTRACT_USED], MNL_TYPE_U64) ||
	    !is(a[CROWDSHARE_A_CONTRACT_REFUSED], MNL_TYPE_U64))
		return false;
	contract->direction = mnl_attr_get_u32(a[CROWDSHARE_A_CONTRACT_DIRECTION]);
	contract->bytes = mnl_attr_get_u64(a[CROWDSHARE_A_CONTRACT_BYTES]);
	contract->expiry = mnl_attr_get_u64(a[CROWDSHARE_A_CONTRACT_EXPIRY]);
	contract->used = mnl_attr_get_u64(a[CROWDSHARE_A_CONTRACT_USED]);
	contract->refused = mnl_attr_get_u64(a[CROWDSHARE_A_CONTRACT_REFUSED]);
	return true;
}

static int contract_cb(const struct nlmsghdr *nlh, void *data)
{
	return contract_parse(nlh, data) ? 0 : -EBADMSG;
}

static int contract_get(struct kernel *kernel, struct kernel_contract *contract,
			struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	struct kernel_contract got = { 0 };
	struct nlmsghdr *nlh;
	char what[64];
	int rc;

	snprintf(what, sizeof(what), "contract %u on port '%s'", contract->id,
		 kernel_link_name(real, contract->ifindex));
	nlh = contract_prepare(real, CROWDSHARE_CMD_CONTRACT_GET, contract->ifindex,
			       contract->lladdr, contract->id);
	rc = kernel_do(real, nlh, contract_cb, &got, error, what);
	if (!rc && got.id != contract->id)
		rc = cs_error_set(error, -EBADMSG, "%s: the kernel answered nothing", what);
	if (!rc)
		*contract = got;
	return rc;
}

static void on_dev_event(struct kernel_real *real, const struct nlmsghdr *nlh)
{
	const struct nlattr *a[CROWDSHARE_A_DEV_MAX + 1];

	cs_nl_attrs(nlh, a, CROWDSHARE_A_DEV_MAX);
	if (a[CROWDSHARE_A_DEV_FULL] && is(a[CROWDSHARE_A_DEV_IFINDEX], MNL_TYPE_U32) &&
	    mnl_attr_get_u32(a[CROWDSHARE_A_DEV_IFINDEX]) == real->ifindex)
		real->events->full(real->data);
}

static void on_contract_event(struct kernel_real *real, const struct nlmsghdr *nlh)
{
	const struct nlattr *a[CROWDSHARE_A_CONTRACT_MAX + 1];
	struct kernel_contract contract;

	cs_nl_attrs(nlh, a, CROWDSHARE_A_CONTRACT_MAX);
	if (a[CROWDSHARE_A_CONTRACT_EXHAUSTED] && contract_names(a, &contract))
		real->events->exhausted(real->data, contract.ifindex, contract.lladdr, contract.id);
}

static int on_event(const struct nlmsghdr *nlh, void *data)
{
	switch (cs_nl_cmd(nlh)) {
	case CROWDSHARE_CMD_DEV_NTF:
		on_dev_event(data, nlh);
		break;
	case CROWDSHARE_CMD_CONTRACT_NTF:
		on_contract_event(data, nlh);
		break;
	}
	return 0;
}

/* Contracts of a dump that have been used up; collected, as no request may be made meanwhile. */
struct used_up {
	struct kernel_contract	*list;
	size_t			count;
};

static int used_up_cb(const struct nlmsghdr *nlh, void *data)
{
	struct kernel_contract contract = { 0 }, *list;
	struct used_up *used = data;

	if (!contract_parse(nlh, &contract))
		return -EBADMSG;
	if (contract.used < contract.bytes && !contract.refused)
		return 0;
	list = realloc(used->list, (used->count + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	list[used->count++] = contract;
	used->list = list;
	return 0;
}

static void used_up_restart(void *data)
{
	((struct used_up *)data)->count = 0;
}

/* Events were lost, of which some may have told that a contract is exhausted. */
static void overrun(struct kernel_real *real)
{
	struct used_up used = { 0 };
	size_t i;
	int rc;

	log_warning("events of the module were lost, looking at all contracts");
	rc = cs_nl_dump(&real->nl, cs_nl_prepare(&real->nl, CROWDSHARE_CMD_CONTRACT_GET),
			used_up_cb, used_up_restart, &used);
	if (rc)
		log_error("contracts: %s", real->nl.error[0] ? real->nl.error : strerror(-rc));
	for (i = 0; i < used.count; i++)
		real->events->exhausted(real->data, used.list[i].ifindex, used.list[i].lladdr,
					used.list[i].id);
	free(used.list);
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

/* Events are subscribed to at the start, so that none before it wait for nobody. */
static int start(struct kernel *kernel, const struct kernel_events *events, void *data,
		 struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	int fd = mnl_socket_get_fd(real->ntf.sock), rc;

	real->events = events;
	real->data = data;
	rc = cs_nl_subscribe(&real->ntf);
	if (rc)
		return nl_fail(&real->ntf, rc, error);
	real->on_ntf = event_new(real->base, fd, EV_READ | EV_PERSIST, on_ntf, real);
	if (!real->on_ntf || event_add(real->on_ntf, NULL) ||
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
		return cs_error_set(error, -ENOMEM, "netlink: %s", strerror(ENOMEM));
	return kernel_watch_open(real, error);
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
	.peer_set	= peer_set,
	.peer_del	= peer_del,
	.key_set	= key_set,
	.key_del	= key_del,
	.contract_add	= contract_add,
	.contract_del	= contract_del,
	.contract_get	= contract_get,
	.send		= kernel_send,
	.remember	= kernel_remember,
	.known		= kernel_known,
	.seen_save	= kernel_seen_save,
	.seen_load	= kernel_seen_load,
	.traffic	= kernel_traffic,
};

static int open_all(struct kernel_real *real, struct cs_error *error)
{
	int rc;

	rc = cs_nl_open(&real->nl);
	if (rc)
		return nl_fail(&real->nl, rc, error);
	rc = cs_nl_open(&real->ntf);
	if (rc)
		return nl_fail(&real->ntf, rc, error);
	rc = kernel_rtnl_open(&real->rtnl, error);
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
