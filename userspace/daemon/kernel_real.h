/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The real kernel: what the files kernel*.c share, and nobody else needs. See kernel.c.
 */
#ifndef CSD_KERNEL_REAL_H
#define CSD_KERNEL_REAL_H

#include <linux/rtnetlink.h>
#include <netlink/handlers.h>
#include <netlink/netlink.h>

#include "daemon/kernel.h"
#include "lib/netlink.h"

struct kernel_watch;
struct kernel_ring;

/**
 * struct kernel_rtnl - a socket for requests to rtnetlink
 * @sock: libnl's
 * @rc: what the kernel answered to the last request, 0 or a negative errno
 * @text: the kernel's own words about it, or empty
 */
struct kernel_rtnl {
	struct nl_sock	*sock;
	int		rc;
	char		text[256];
};

/**
 * struct kernel_real - what kernel_open() makes
 * @kernel: what the daemon sees of it
 * @base: loop in which events are told
 * @events: whom they are told
 * @data: for @events
 * @nl: requests to the module
 * @ntf: events of the module
 * @on_ntf: event of @ntf
 * @rtnl: requests to rtnetlink
 * @watch: interfaces that are there (kernel_link.c)
 * @ring: frames (kernel_ring.c)
 * @name: of the device, empty: not yet made
 * @ifindex: of the device, 0: not yet made, or gone
 */
struct kernel_real {
	struct kernel			kernel;
	struct event_base		*base;
	const struct kernel_events	*events;
	void				*data;
	struct cs_nl			nl;
	struct cs_nl			ntf;
	struct event			*on_ntf;
	struct kernel_rtnl		rtnl;
	struct kernel_watch		*watch;
	struct kernel_ring		*ring;
	char				name[IFNAMSIZ];
	uint32_t			ifindex;
};

static inline struct kernel_real *kernel_real(struct kernel *kernel)
{
	return (struct kernel_real *)kernel;
}

/* kernel.c */
int kernel_do(struct kernel_real *real, struct nlmsghdr *nlh, cs_nl_cb cb, void *data,
	      struct cs_error *error, const char *what);
int kernel_port_do(struct kernel_real *real, struct nlmsghdr *nlh, uint32_t ifindex,
		   const uint8_t *lladdr, cs_nl_cb cb, void *data, struct cs_error *error);

static inline bool kernel_attr_is(const struct nlattr *attr, enum mnl_attr_data_type type)
{
	return attr && mnl_attr_validate(attr, type) >= 0;
}

/* kernel_rtnl.c */
int kernel_rtnl_open(struct kernel_rtnl *rtnl, struct cs_error *error);
void kernel_rtnl_close(struct kernel_rtnl *rtnl);
int kernel_rtnl_result(struct kernel_rtnl *rtnl, int nle, struct cs_error *error,
		       const char *what);
int kernel_rtnl_receive(struct kernel_rtnl *rtnl, nl_recvmsg_msg_cb_t func, void *data);

/* kernel_device.c */
int kernel_device(struct kernel *kernel, const struct config_device *device,
		  const uint8_t address[16], struct cs_error *error);
int kernel_device_up(struct kernel *kernel, struct cs_error *error);
int kernel_traffic(struct kernel *kernel, const char *interface, uint64_t *rx, uint64_t *tx,
		   struct cs_error *error);

/* kernel_link.c */
int kernel_watch_open(struct kernel_real *real, struct cs_error *error);
int kernel_watch_start(struct kernel_real *real, struct cs_error *error);
void kernel_watch_close(struct kernel_real *real);
const char *kernel_link_name(const struct kernel_real *real, uint32_t ifindex);

/* kernel_ring.c */
int kernel_ring_open(struct kernel_real *real, struct cs_error *error);
int kernel_ring_bind(struct kernel_real *real, struct cs_error *error);
int kernel_ring_start(struct kernel_real *real, struct cs_error *error);
void kernel_ring_close(struct kernel_real *real);
int kernel_send(struct kernel *kernel, const void *frame, size_t len, struct cs_error *error);

/* kernel_peer.c */
int kernel_peer_set(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr, uint32_t state,
		    uint32_t rate, uint64_t byterate, struct cs_error *error);
int kernel_peer_del(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		    struct cs_error *error);
int kernel_peer_list(struct kernel *kernel, uint32_t ifindex,
		     uint8_t lladdrs[][KERNEL_LLADDR_LEN], size_t size, size_t *n,
		     struct cs_error *error);
int kernel_key_set(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		   enum crowdshare_key_use use, uint8_t id, const uint8_t *secret,
		   struct cs_error *error);
int kernel_key_del(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		   enum crowdshare_key_use use, uint8_t id, struct cs_error *error);
int kernel_peer_frames(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		       struct kernel_frames *frames, struct cs_error *error);
int kernel_peer_keys(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		     uint8_t ids[KERNEL_PEER_KEYS], size_t *n, struct cs_error *error);
int kernel_neighbour(struct kernel *kernel, uint32_t ifindex, const uint8_t address[16],
		     uint8_t lladdr[KERNEL_LLADDR_LEN], struct cs_error *error);

/* kernel_contract.c */
int kernel_contract_add(struct kernel *kernel, const struct kernel_contract *contract,
			struct cs_error *error);
int kernel_contract_del(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr, uint32_t id,
			struct cs_error *error);
int kernel_contract_get(struct kernel *kernel, struct kernel_contract *contract,
			struct cs_error *error);
void kernel_contract_event(struct kernel_real *real, const struct nlmsghdr *nlh);
void kernel_contract_overrun(struct kernel_real *real);

/* kernel_seen.c */
int kernel_remember(struct kernel *kernel, const uint8_t *digest, uint32_t seconds,
		    struct cs_error *error);
int kernel_known(struct kernel *kernel, const uint8_t *digest, struct cs_error *error);
int kernel_seen_fill(struct kernel *kernel, uint32_t *count, uint32_t *max,
		     struct cs_error *error);
int kernel_seen_save(struct kernel *kernel, const char *path, struct cs_error *error);
int kernel_seen_load(struct kernel *kernel, const char *path, struct cs_error *error);

#endif /* CSD_KERNEL_REAL_H */
