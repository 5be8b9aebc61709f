/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A kernel in memory, for tests of the rest of the daemon: it keeps what it was told, refuses what
 * the real one refuses, and raises the events that a test wants. See fakekernel.c.
 */
#ifndef SELFTESTS_FAKEKERNEL_H
#define SELFTESTS_FAKEKERNEL_H

#include <crowdshare/wire.h>

#include "daemon/kernel.h"

/**
 * struct fake_list - things of one kind
 * @items: one after the other
 * @count: their number
 */
struct fake_list {
	void	*items;
	size_t	count;
};

struct fake_port {
	uint32_t	ifindex;
	uint32_t	echo;
	uint32_t	auth;
};

struct fake_peer {
	uint32_t	ifindex;
	uint8_t		lladdr[KERNEL_LLADDR_LEN];
	uint32_t	state;
	uint32_t	rate;
	uint64_t	byterate;
};

struct fake_key {
	uint32_t		ifindex;
	uint8_t			lladdr[KERNEL_LLADDR_LEN];	/* of a port key: all zero */
	enum crowdshare_key_use	use;
	uint8_t			id;
	uint8_t			secret[CS_KEY_LEN];
};

struct fake_frame {
	uint8_t	*data;
	size_t	len;
};

/* What frames() answers of a peer; all 0 where a test set none. */
struct fake_count {
	uint32_t		ifindex;
	uint8_t			lladdr[KERNEL_LLADDR_LEN];
	struct kernel_frames	frames;
};

struct fake_neighbour {
	uint32_t	ifindex;
	uint8_t		address[16];
	uint8_t		lladdr[KERNEL_LLADDR_LEN];
};

struct fake_digest {
	uint8_t		digest[CS_SEEN_KEY_LEN];
	uint32_t	left;
};

/**
 * struct fake_kernel - the fake
 * @kernel: what the daemon sees of it
 * @events: whom events are told
 * @data: for @events
 * @device: as it was set
 * @address: of the node, as it was set
 * @up: the device is up
 * @links: struct kernel_link that are there
 * @ports: struct fake_port
 * @peers: struct fake_peer
 * @keys: struct fake_key
 * @contracts: struct kernel_contract; a test may change used and refused
 * @frames: struct fake_frame that were sent, oldest first
 * @seen: struct fake_digest
 * @neighbours: struct fake_neighbour
 * @counts: struct fake_count
 * @rx: what traffic() answers
 * @tx: likewise
 * @fail_op: name of the op that fails, NULL: none
 * @fail_rc: what it returns
 */
struct fake_kernel {
	struct kernel			kernel;
	const struct kernel_events	*events;
	void				*data;
	struct config_device		device;
	uint8_t				address[CS_ADDR_LEN];
	bool				up;
	struct fake_list		links;
	struct fake_list		ports;
	struct fake_list		peers;
	struct fake_list		keys;
	struct fake_list		contracts;
	struct fake_list		frames;
	struct fake_list		seen;
	struct fake_list		neighbours;
	struct fake_list		counts;
	uint64_t			rx;
	uint64_t			tx;
	const char			*fail_op;
	int				fail_rc;
};

struct kernel *fake_open(void);
static inline struct fake_kernel *fake_kernel(struct kernel *kernel)
{
	return (struct fake_kernel *)kernel;
}

/* What a test looks at; NULL: there is none. @lladdr is NULL for a port key. */
struct fake_port *fake_port(struct kernel *kernel, uint32_t ifindex);
struct fake_peer *fake_peer(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr);
struct fake_key *fake_key(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
			  enum crowdshare_key_use use, uint8_t id);
struct kernel_contract *fake_contract(struct kernel *kernel, uint32_t ifindex,
				      const uint8_t *lladdr, uint32_t id);
struct fake_frame *fake_frame(struct kernel *kernel, size_t i);
void fake_forget_frames(struct kernel *kernel);

/* What a test has happen; told before these return. */
void fake_link(struct kernel *kernel, const struct kernel_link *link);
void fake_receive(struct kernel *kernel, const void *frame, size_t len, bool own);
void fake_missed(struct kernel *kernel, uint64_t count);
void fake_exhaust(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr, uint32_t id);
void fake_full(struct kernel *kernel);
void fake_device_gone(struct kernel *kernel);
void fake_neighbour(struct kernel *kernel, uint32_t ifindex, const uint8_t address[16],
		    const uint8_t lladdr[KERNEL_LLADDR_LEN]);
void fake_count(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		const struct kernel_frames *frames);
void fake_fail(struct kernel *kernel, const char *op, int rc);

#endif /* SELFTESTS_FAKEKERNEL_H */
