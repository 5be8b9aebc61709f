// SPDX-License-Identifier: GPL-2.0
/*
 * The crowdshare device itself: made, set, brought up; and counters of interfaces.
 *
 * The device outlives the daemon, with its seen-set and its ports, so that the mesh goes on while
 * the daemon is restarted: one that is there is taken as it is, and set anew.
 */
#include <errno.h>
#include <netlink/errno.h>
#include <netlink/addr.h>
#include <netlink/route/link.h>
#include <stdio.h>
#include <string.h>

#include <crowdshare/wire.h>

#include "daemon/kernel_real.h"

#define KIND	"crowdshare"

static const char no_module[] = "the kernel has no crowdshare module: modprobe crowdshare";

/* An interface by its name; *link is NULL and 0 returned when there is none. */
static int find(struct kernel_real *real, const char *name, struct rtnl_link **link,
		struct cs_error *error)
{
	char what[64];
	int rc;

	snprintf(what, sizeof(what), "interface '%s'", name);
	*link = NULL;
	rc = rtnl_link_get_kernel(real->rtnl.sock, 0, name, link);
	if (rc == -NLE_NODEV || rc == -NLE_OBJ_NOTFOUND) { /* it has callbacks of its own */
		real->rtnl.rc = 0;
		return 0;
	}
	rc = kernel_rtnl_result(&real->rtnl, rc, error, what);
	return rc == -ENODEV ? 0 : rc;
}

/*
 * The device takes every message that may come over a session, however small the MTU of its ports.
 */
static int create(struct kernel_real *real, const char *name, struct cs_error *error)
{
	struct rtnl_link *link = rtnl_link_alloc();
	char what[64];
	int rc;

	if (!link)
		return cs_error_set(error, -ENOMEM, "out of memory");
	snprintf(what, sizeof(what), "can't make device '%s'", name);
	rtnl_link_set_name(link, name);
	rtnl_link_set_mtu(link, CS_HDRS_LEN + CS_SLICE_MAX);
	rc = rtnl_link_set_type(link, KIND);
	if (!rc)
		rc = rtnl_link_add(real->rtnl.sock, link, NLM_F_CREATE | NLM_F_EXCL);
	rtnl_link_put(link);
	rc = kernel_rtnl_result(&real->rtnl, rc, error, what);
	return rc == -EOPNOTSUPP ? cs_error_set(error, rc, "%s", no_module) : rc;
}

/* Takes over what the daemon needs to know of it. */
static int adopt(struct kernel_real *real, const char *name, struct rtnl_link *link,
		 struct cs_error *error)
{
	const char *kind = rtnl_link_get_type(link);
	struct nl_addr *addr = rtnl_link_get_addr(link);

	if (!kind || strcmp(kind, KIND))
		return cs_error_set(error, -EEXIST, "'%s' is the name of an interface that is no "
				    "crowdshare device: give the device another one", name);
	if (!addr || nl_addr_get_len(addr) != KERNEL_LLADDR_LEN)
		return cs_error_set(error, -EPROTO, "device '%s' has no MAC", name);
	memcpy(real->kernel.lladdr, nl_addr_get_binary_addr(addr), KERNEL_LLADDR_LEN);
	real->ifindex = rtnl_link_get_ifindex(link);
	snprintf(real->name, sizeof(real->name), "%s", name);
	return 0;
}

static int find_or_create(struct kernel_real *real, const char *name, struct cs_error *error)
{
	struct rtnl_link *link;
	int rc;

	rc = find(real, name, &link, error);
	if (!rc && !link) {
		rc = create(real, name, error);
		/* another program may have been faster */
		if (!rc || rc == -EEXIST)
			rc = find(real, name, &link, error);
	}
	if (rc)
		return rc;
	if (!link)
		return cs_error_set(error, -ENODEV, "device '%s' was removed again at once", name);
	rc = adopt(real, name, link, error);
	rtnl_link_put(link);
	return rc;
}

static int set(struct kernel_real *real, const struct config_device *device,
	       const uint8_t address[16], struct cs_error *error)
{
	struct nlmsghdr *nlh = cs_nl_prepare(&real->nl, CROWDSHARE_CMD_DEV_SET);
	char what[64];

	snprintf(what, sizeof(what), "device '%s'", real->name);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_DEV_IFINDEX, real->ifindex);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_DEV_SEEN_MAX, device->seen_max);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_DEV_LIFETIME_MAX, device->lifetime_max);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_DEV_DELIVER, device->deliver);
	mnl_attr_put(nlh, CROWDSHARE_A_DEV_ADDRESS, CROWDSHARE_ADDR_LEN, address);
	return kernel_do(real, nlh, NULL, NULL, error, what);
}

/**
 * kernel_device() - make the device, unless it is there, and set it
 * @kernel: the real kernel
 * @device: its settings; once it was made, its name stays
 * @address: of this node
 * @error: gets the reason of a failure
 *
 * Frames are told from here on, once it is up.
 *
 * Return: 0 or a negative errno: -EEXIST the name belongs to something else, -EBUSY there is a
 * device of another name already.
 */
int kernel_device(struct kernel *kernel, const struct config_device *device,
		  const uint8_t address[16], struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	int rc = 0;

	if (real->name[0] && strcmp(real->name, device->name))
		return cs_error_set(error, -EBUSY, "device '%s' can't become '%s' while crowdshared"
				    " runs: restart it", real->name, device->name);
	if (!real->ifindex)
		rc = find_or_create(real, device->name, error);
	if (!rc)
		rc = set(real, device, address, error);
	return rc ? rc : kernel_ring_bind(real, error);
}

/**
 * kernel_device_up() - bring the device up
 * @kernel: the real kernel
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int kernel_device_up(struct kernel *kernel, struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	struct rtnl_link *device = rtnl_link_alloc(), *change = rtnl_link_alloc();
	char what[64];
	int rc;

	snprintf(what, sizeof(what), "can't bring device '%s' up", real->name);
	if (!device || !change) {
		rc = cs_error_set(error, -ENOMEM, "%s: out of memory", what);
	} else {
		rtnl_link_set_ifindex(device, real->ifindex);
		rtnl_link_set_flags(change, IFF_UP);
		rc = rtnl_link_change(real->rtnl.sock, device, change, 0);
		rc = kernel_rtnl_result(&real->rtnl, rc, error, what);
	}
	rtnl_link_put(device);
	rtnl_link_put(change);
	return rc;
}

/**
 * kernel_traffic() - bytes that an interface has carried since it was made
 * @kernel: the real kernel
 * @interface: its name
 * @rx: gets what came in
 * @tx: gets what went out
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno, -ENODEV: no such interface.
 */
int kernel_traffic(struct kernel *kernel, const char *interface, uint64_t *rx, uint64_t *tx,
		   struct cs_error *error)
{
	struct rtnl_link *link;
	int rc;

	rc = find(kernel_real(kernel), interface, &link, error);
	if (rc)
		return rc;
	if (!link)
		return cs_error_set(error, -ENODEV, "there is no interface '%s'", interface);
	*rx = rtnl_link_get_stat(link, RTNL_LINK_RX_BYTES);
	*tx = rtnl_link_get_stat(link, RTNL_LINK_TX_BYTES);
	rtnl_link_put(link);
	return 0;
}
