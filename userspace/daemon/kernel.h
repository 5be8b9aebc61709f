/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All that the daemon asks of the kernel, so that everything else runs without root.
 *
 * kernel_open() makes the real one (kernel.c: the module's netlink, rtnetlink, a TPACKET_V3 ring on
 * the device). Tests of the rest of the daemon use selftests/system/fakekernel.c, which keeps what
 * it was told.
 */
#ifndef CSD_KERNEL_H
#define CSD_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include "daemon/config.h"
#include "lib/error.h"

#define KERNEL_LLADDR_LEN 6
#define KERNEL_PEER_KEYS 4	/* receive keys that the kernel keeps for a peer */

/**
 * struct kernel_link - an interface of the network namespace
 * @ifindex: its index
 * @name: its name
 * @up: administratively up, with carrier
 * @gone: it was removed; only @ifindex and @name hold
 * @lladdr: its MAC
 * @local: its IPv6 link-local address that may be used (not tentative), all zero: none yet
 * @mtu: its MTU
 */
struct kernel_link {
	uint32_t	ifindex;
	char		name[IFNAMSIZ];
	bool		up;
	bool		gone;
	uint8_t		lladdr[KERNEL_LLADDR_LEN];
	uint8_t		local[16];
	uint32_t	mtu;
};

/**
 * struct kernel_contract - a contract as the kernel counts it
 * @ifindex: port
 * @lladdr: peer
 * @id: 1 and on
 * @direction: enum crowdshare_contract_direction
 * @bytes: that it covers, from the link header on
 * @expiry: Unix seconds
 * @used: bytes that passed under it
 * @refused: frames that were refused, as they went beyond it
 */
struct kernel_contract {
	uint32_t	ifindex;
	uint8_t		lladdr[KERNEL_LLADDR_LEN];
	uint32_t	id;
	uint32_t	direction;
	uint64_t	bytes;
	uint64_t	expiry;
	uint64_t	used;
	uint64_t	refused;
};

/**
 * struct kernel_frames - frames of the mesh at a port
 * @sent_to_all: sent out to all peers of the port
 * @sent_alone: to one of them
 * @got: of one peer, whatever became of them
 */
struct kernel_frames {
	uint64_t	sent_to_all;
	uint64_t	sent_alone;
	uint64_t	got;
};

/**
 * struct kernel_events - what the kernel tells, from within the event loop
 * @frame: a frame on the device, whole, from its Ethernet header on: a message that was verified
 *	and is new (@own is false; its source MAC and port are those it came with), or one that
 *	another program of this node sent in (@own is true, and nobody verified it). It is valid
 *	until this returns. What the op send sent is not told
 * @missed: so many frames passed that the daemon was too slow for, exactly; what was waiting when
 *	it was too slow is told all the same
 * @link: an interface that can be a port came, changed or went; for each that is there also once
 *	when the loop first runs
 * @exhausted: a contract has been used up; it may be told again when events were lost
 * @full: the seen-set is full; told again as long as it is, once a second at most
 * @device_gone: somebody removed the device, with its ports and all else that was set; may be NULL.
 *	The op device makes it anew
 *
 * All ops but stop may be called from within.
 */
struct kernel_events {
	void (*frame)(void *data, const uint8_t *frame, size_t len, bool own);
	void (*missed)(void *data, uint64_t count);
	void (*link)(void *data, const struct kernel_link *link);
	void (*exhausted)(void *data, uint32_t ifindex, const uint8_t *lladdr, uint32_t id);
	void (*full)(void *data);
	void (*device_gone)(void *data);
};

struct kernel;

/**
 * struct kernel_ops - what the daemon asks
 * @start: have the events told, from within the loop; once. What was asked before holds
 * @stop: end it, and free the kernel. What was set in the kernel stays set, so that the mesh goes
 *	on while the daemon is restarted
 * @device: make the device, unless there is one, and set it; again on a reload. -EEXIST: the name
 *	belongs to something else
 * @device_up: bring it up
 * @port_add: attach an interface, or set it if it is attached. -EBUSY: to another device
 * @port_del: detach it. -ENODEV: no such interface, -ENOENT: not attached
 * @peer_set: add a peer, or change it
 * @peer_del: remove a peer, its keys and contracts. -ENOENT: there is none
 * @key_set: install a key, instead of the one of that id if there is; the MAC is NULL for
 *	CROWDSHARE_KEY_PORT. -ENOSPC: the peer has KERNEL_PEER_KEYS to receive with already
 * @key_del: remove a key. -ENOENT: there is none of that id and use
 * @contract_add: add a contract to a peer. -EEXIST: it has one of that id
 * @contract_del: remove it. -ENOENT: there is none
 * @contract_get: fill in all but port, peer and id, which name it. -ENOENT: there is none
 * @send: a whole frame into the device. -ENETDOWN: it is down, -EMSGSIZE: too large for it,
 *	-ENOBUFS: it takes no more at the moment
 * @remember: put a digest into the seen-set for so many seconds; it is no error if it is there
 * @known: 1 if a digest is in the seen-set, 0 if not
 * @seen_fill: how many digests the seen-set has, and may have
 * @seen_save: replace a file by what is in the seen-set, whole or not at all
 * @seen_load: remember what a file holds and is still valid. -ENOENT: there is no file, -EBADMSG:
 *	it is damaged, and nothing was loaded
 * @traffic: bytes that an interface has carried so far. -ENODEV: there is none
 * @frames: frames that passed a port, and those of a peer there. -ENOENT: no such port, or peer
 * @peer_keys: ids of the receive keys that the kernel has for a peer; with NULL for its MAC, of the
 *	port's own key
 * @peer_list: MACs of the peers that it has on a port, as many as there is room for
 * @neighbour: MAC of a neighbour by the table of neighbours. -ENOENT: not there
 *
 * All return 0 or a negative errno, with the kernel's own reason in @error. The last three may be
 * NULL: then what an earlier run left in the kernel, and what MAC a neighbour has, is not known.
 */
struct kernel_ops {
	int (*start)(struct kernel *kernel, const struct kernel_events *events, void *data,
		     struct cs_error *error);
	void (*stop)(struct kernel *kernel);
	int (*device)(struct kernel *kernel, const struct config_device *device,
		      const uint8_t address[16], struct cs_error *error);
	int (*device_up)(struct kernel *kernel, struct cs_error *error);
	int (*port_add)(struct kernel *kernel, uint32_t ifindex, uint32_t echo, uint32_t auth,
			struct cs_error *error);
	int (*port_del)(struct kernel *kernel, uint32_t ifindex, struct cs_error *error);
	int (*peer_set)(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
			uint32_t state, uint32_t rate, uint64_t byterate, struct cs_error *error);
	int (*peer_del)(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
			struct cs_error *error);
	int (*key_set)(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		       enum crowdshare_key_use use, uint8_t id, const uint8_t *secret,
		       struct cs_error *error);
	int (*key_del)(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		       enum crowdshare_key_use use, uint8_t id, struct cs_error *error);
	int (*contract_add)(struct kernel *kernel, const struct kernel_contract *contract,
			    struct cs_error *error);
	int (*contract_del)(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
			    uint32_t id, struct cs_error *error);
	int (*contract_get)(struct kernel *kernel, struct kernel_contract *contract,
			    struct cs_error *error);
	int (*send)(struct kernel *kernel, const void *frame, size_t len, struct cs_error *error);
	int (*remember)(struct kernel *kernel, const uint8_t *digest, uint32_t seconds,
			struct cs_error *error);
	int (*known)(struct kernel *kernel, const uint8_t *digest, struct cs_error *error);
	int (*seen_fill)(struct kernel *kernel, uint32_t *count, uint32_t *max,
			 struct cs_error *error);
	int (*seen_save)(struct kernel *kernel, const char *path, struct cs_error *error);
	int (*seen_load)(struct kernel *kernel, const char *path, struct cs_error *error);
	int (*traffic)(struct kernel *kernel, const char *interface, uint64_t *rx, uint64_t *tx,
		       struct cs_error *error);
	int (*frames)(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		      struct kernel_frames *frames, struct cs_error *error);
	int (*peer_keys)(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
			 uint8_t ids[KERNEL_PEER_KEYS], size_t *n, struct cs_error *error);
	int (*peer_list)(struct kernel *kernel, uint32_t ifindex,
			 uint8_t lladdrs[][KERNEL_LLADDR_LEN], size_t size, size_t *n,
			 struct cs_error *error);
	int (*neighbour)(struct kernel *kernel, uint32_t ifindex, const uint8_t address[16],
			 uint8_t lladdr[KERNEL_LLADDR_LEN], struct cs_error *error);
};

/**
 * struct kernel - a way to the kernel
 * @ops: how
 * @lladdr: MAC of the device, once @ops->device was called
 *
 * The first member of what an implementation keeps.
 */
struct kernel {
	const struct kernel_ops	*ops;
	uint8_t			lladdr[KERNEL_LLADDR_LEN];
};

/**
 * kernel_open() - the real kernel
 * @base: loop in which the events are told
 * @error: gets the reason of a failure: no module, no permission
 *
 * Return: to be ended by kernel->ops->stop(), or NULL.
 */
struct kernel *kernel_open(struct event_base *base, struct cs_error *error);

#endif /* CSD_KERNEL_H */
