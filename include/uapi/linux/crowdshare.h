/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Generic netlink interface of the crowdshare module.
 *
 * The specification of the same is include/crowdshare.yaml; a test holds the two together.
 *
 * Reading needs no privilege, but for the seen-set, which tells what passed; that, and what changes
 * something, needs CAP_NET_ADMIN in the user namespace that owns the network namespace. All objects
 * are those of the network namespace of the socket.
 */
#ifndef _UAPI_LINUX_CROWDSHARE_H
#define _UAPI_LINUX_CROWDSHARE_H

#include <linux/types.h>
#include <crowdshare/drop.h>

#define CROWDSHARE_GENL_NAME		"crowdshare"
#define CROWDSHARE_GENL_VERSION		1
#define CROWDSHARE_MCGRP_EVENTS		"events"

/**
 * enum crowdshare_deliver - which verified messages reach the crowdshare device
 * @CROWDSHARE_DELIVER_NONE: none, the node only relays
 * @CROWDSHARE_DELIVER_LOCAL: those whose destination is the device's address
 * @CROWDSHARE_DELIVER_ALL: all (default)
 */
enum crowdshare_deliver {
	CROWDSHARE_DELIVER_NONE,
	CROWDSHARE_DELIVER_LOCAL,
	CROWDSHARE_DELIVER_ALL,
};

/**
 * enum crowdshare_echo - whether a port sends a message back out on the link on which it came
 * @CROWDSHARE_ECHO_AUTO: wired: never; wireless: always, unless the only peer of the port is the
 *	one it came from (default)
 * @CROWDSHARE_ECHO_ALWAYS: a shared segment where not all hear each other
 * @CROWDSHARE_ECHO_NEVER: a point-to-point link
 */
enum crowdshare_echo {
	CROWDSHARE_ECHO_AUTO,
	CROWDSHARE_ECHO_ALWAYS,
	CROWDSHARE_ECHO_NEVER,
};

/**
 * enum crowdshare_auth - what a port asks of a frame before it is hashed
 * @CROWDSHARE_AUTH_OFF: nothing, any neighbour is a free peer
 * @CROWDSHARE_AUTH_REQUIRED: a valid tag of a configured peer (default)
 */
enum crowdshare_auth {
	CROWDSHARE_AUTH_OFF,
	CROWDSHARE_AUTH_REQUIRED,
};

/**
 * enum crowdshare_peer_state - how a neighbour is treated
 * @CROWDSHARE_PEER_FREE: the kernel's rule alone (default)
 * @CROWDSHARE_PEER_CONTRACT: takes and gets only what a contract covers
 * @CROWDSHARE_PEER_DENY: its frames are dropped, nothing is sent to it
 */
enum crowdshare_peer_state {
	CROWDSHARE_PEER_FREE,
	CROWDSHARE_PEER_CONTRACT,
	CROWDSHARE_PEER_DENY,
};

/**
 * enum crowdshare_key_use - what a key is for
 * @CROWDSHARE_KEY_PORT: the port's own key: tags of frames that this node broadcasts on the port
 * @CROWDSHARE_KEY_RX: tags of frames that come from the peer
 * @CROWDSHARE_KEY_TX: tags of frames sent to the peer alone
 * @CROWDSHARE_KEY_PAIRWISE: as %CROWDSHARE_KEY_RX, of frames that the peer sends to this node
 *	alone; only these may carry a contract
 */
enum crowdshare_key_use {
	CROWDSHARE_KEY_PORT,
	CROWDSHARE_KEY_RX,
	CROWDSHARE_KEY_TX,
	CROWDSHARE_KEY_PAIRWISE,
};

/**
 * enum crowdshare_contract_direction - which messages a contract covers
 * @CROWDSHARE_CONTRACT_RX: those that come from the peer
 * @CROWDSHARE_CONTRACT_TX: those sent to the peer
 */
enum crowdshare_contract_direction {
	CROWDSHARE_CONTRACT_RX,
	CROWDSHARE_CONTRACT_TX,
};

/**
 * enum crowdshare_clock - whether the node knows what time it is
 * @CROWDSHARE_CLOCK_UNSET: real-time clock before 2026: messages are accepted whatever their expiry
 *	and remembered for lifetime-max from their arrival
 * @CROWDSHARE_CLOCK_SET: messages are accepted and remembered by their expiry
 */
enum crowdshare_clock {
	CROWDSHARE_CLOCK_UNSET,
	CROWDSHARE_CLOCK_SET,
};

/**
 * enum crowdshare_scope - what a set of statistics is about
 * @CROWDSHARE_SCOPE_DEVICE: the whole device: all ports, those removed too, and what was sent in
 * @CROWDSHARE_SCOPE_LOCAL: messages sent into the device by this node
 * @CROWDSHARE_SCOPE_PORT: a port
 * @CROWDSHARE_SCOPE_PEER: a peer: what is counted once the sender is known, thus no duplicates
 */
enum crowdshare_scope {
	CROWDSHARE_SCOPE_DEVICE,
	CROWDSHARE_SCOPE_LOCAL,
	CROWDSHARE_SCOPE_PORT,
	CROWDSHARE_SCOPE_PEER,
};

#define CROWDSHARE_LLADDR_LEN		6
#define CROWDSHARE_ADDR_LEN		16
#define CROWDSHARE_DIGEST_LEN		64
#define CROWDSHARE_KEY_LEN		32
#define CROWDSHARE_PEER_CONTRACTS_LIMIT	1024
#define CROWDSHARE_SEEN_MAX_DEFAULT	65536
#define CROWDSHARE_SEEN_MAX_LIMIT	(1U << 30)	/* 30 GiB: 280 Mbit/s for half a day */
#define CROWDSHARE_LIFETIME_DEFAULT	43200		/* 12 h */
#define CROWDSHARE_LIFETIME_LIMIT	31536000	/* 1 year */

/**
 * struct crowdshare_seen_entry - an entry of the seen-set, as dumped and loaded in bulk
 * @digest: first 16 bytes of the digest
 * @left: seconds until the entry may be forgotten, clock allowance included, at least 1
 *
 * In host byte order; a message holds as many as fit.
 */
struct crowdshare_seen_entry {
	__u8	digest[16];
	__u32	left;
};

/**
 * enum crowdshare_cmd - commands; NTF are events, sent to the multicast group
 * @CROWDSHARE_CMD_DEV_GET: one device (by %CROWDSHARE_A_DEV_IFINDEX), or a dump of all
 * @CROWDSHARE_CMD_DEV_SET: change a device's settings
 * @CROWDSHARE_CMD_DEV_NTF: device changed, or its seen-set became full (%CROWDSHARE_A_DEV_FULL)
 * @CROWDSHARE_CMD_PORT_GET: one port (by %CROWDSHARE_A_PORT_IFINDEX), or a dump of all
 * @CROWDSHARE_CMD_PORT_NEW: attach an interface to a device
 * @CROWDSHARE_CMD_PORT_SET: change a port's settings
 * @CROWDSHARE_CMD_PORT_DEL: detach an interface
 * @CROWDSHARE_CMD_PORT_NTF: port attached or changed, or its key
 * @CROWDSHARE_CMD_PORT_DEL_NTF: port detached
 * @CROWDSHARE_CMD_PEER_GET: one peer (by port and lladdr), or a dump of all
 * @CROWDSHARE_CMD_PEER_NEW: add a peer
 * @CROWDSHARE_CMD_PEER_SET: change a peer
 * @CROWDSHARE_CMD_PEER_DEL: remove a peer, its keys and its contracts
 * @CROWDSHARE_CMD_PEER_NTF: peer added or changed, or a key of it
 * @CROWDSHARE_CMD_PEER_DEL_NTF: peer removed
 * @CROWDSHARE_CMD_KEY_NEW: install a key, replacing the one of the same id
 * @CROWDSHARE_CMD_KEY_DEL: remove a key by its id
 * @CROWDSHARE_CMD_SEEN_GET: is a digest known, or a dump of the entries in bulk
 * @CROWDSHARE_CMD_SEEN_NEW: load entries in bulk
 * @CROWDSHARE_CMD_SEEN_DEL: forget all
 * @CROWDSHARE_CMD_STATS_GET: dump of all statistics, or those of one device
 * @CROWDSHARE_CMD_CONTRACT_GET: one contract (by port, lladdr and id), or a dump of all, or of
 *	those of one port or peer
 * @CROWDSHARE_CMD_CONTRACT_NEW: add a contract to a peer
 * @CROWDSHARE_CMD_CONTRACT_DEL: remove a contract
 * @CROWDSHARE_CMD_CONTRACT_NTF: contract added, or exhausted (%CROWDSHARE_A_CONTRACT_EXHAUSTED)
 * @CROWDSHARE_CMD_CONTRACT_DEL_NTF: contract removed; what is told of it is final. Those that go
 *	with their peer have no event of their own
 */
enum crowdshare_cmd {
	CROWDSHARE_CMD_UNSPEC,
	CROWDSHARE_CMD_DEV_GET,
	CROWDSHARE_CMD_DEV_SET,
	CROWDSHARE_CMD_DEV_NTF,
	CROWDSHARE_CMD_PORT_GET,
	CROWDSHARE_CMD_PORT_NEW,
	CROWDSHARE_CMD_PORT_SET,
	CROWDSHARE_CMD_PORT_DEL,
	CROWDSHARE_CMD_PORT_NTF,
	CROWDSHARE_CMD_PORT_DEL_NTF,
	CROWDSHARE_CMD_PEER_GET,
	CROWDSHARE_CMD_PEER_NEW,
	CROWDSHARE_CMD_PEER_SET,
	CROWDSHARE_CMD_PEER_DEL,
	CROWDSHARE_CMD_PEER_NTF,
	CROWDSHARE_CMD_PEER_DEL_NTF,
	CROWDSHARE_CMD_KEY_NEW,
	CROWDSHARE_CMD_KEY_DEL,
	CROWDSHARE_CMD_SEEN_GET,
	CROWDSHARE_CMD_SEEN_NEW,
	CROWDSHARE_CMD_SEEN_DEL,
	CROWDSHARE_CMD_STATS_GET,
	CROWDSHARE_CMD_CONTRACT_GET,
	CROWDSHARE_CMD_CONTRACT_NEW,
	CROWDSHARE_CMD_CONTRACT_DEL,
	CROWDSHARE_CMD_CONTRACT_NTF,
	CROWDSHARE_CMD_CONTRACT_DEL_NTF,

	__CROWDSHARE_CMD_MAX,
};

#define CROWDSHARE_CMD_MAX (__CROWDSHARE_CMD_MAX - 1)

/**
 * enum crowdshare_dev_attr - attributes of DEV commands
 * @CROWDSHARE_A_DEV_IFINDEX: u32, interface index of the device
 * @CROWDSHARE_A_DEV_IFNAME: string, its name (out)
 * @CROWDSHARE_A_DEV_SEEN_MAX: u32, entries that the seen-set holds, 1 to %CROWDSHARE_SEEN_MAX_LIMIT
 * @CROWDSHARE_A_DEV_LIFETIME_MAX: u32, seconds, 1 to %CROWDSHARE_LIFETIME_LIMIT
 * @CROWDSHARE_A_DEV_DELIVER: u32, enum crowdshare_deliver
 * @CROWDSHARE_A_DEV_ADDRESS: 16 bytes, IPv6 address of the node, all zero: none
 * @CROWDSHARE_A_DEV_SEEN_COUNT: u32, entries now (out)
 * @CROWDSHARE_A_DEV_SEEN_BYTES: u64, memory of the seen-set (out)
 * @CROWDSHARE_A_DEV_PORTS: u32, number of ports (out)
 * @CROWDSHARE_A_DEV_CLOCK: u32, enum crowdshare_clock (out)
 * @CROWDSHARE_A_DEV_CLOCK_ALLOWANCE: u32, seconds (out)
 * @CROWDSHARE_A_DEV_FULL: flag, in an event: a message was refused as the seen-set is full
 */
enum crowdshare_dev_attr {
	CROWDSHARE_A_DEV_UNSPEC,
	CROWDSHARE_A_DEV_IFINDEX,
	CROWDSHARE_A_DEV_IFNAME,
	CROWDSHARE_A_DEV_SEEN_MAX,
	CROWDSHARE_A_DEV_LIFETIME_MAX,
	CROWDSHARE_A_DEV_DELIVER,
	CROWDSHARE_A_DEV_ADDRESS,
	CROWDSHARE_A_DEV_SEEN_COUNT,
	CROWDSHARE_A_DEV_SEEN_BYTES,
	CROWDSHARE_A_DEV_PORTS,
	CROWDSHARE_A_DEV_CLOCK,
	CROWDSHARE_A_DEV_CLOCK_ALLOWANCE,
	CROWDSHARE_A_DEV_FULL,
	CROWDSHARE_A_DEV_PAD,

	__CROWDSHARE_A_DEV_MAX,
};

#define CROWDSHARE_A_DEV_MAX (__CROWDSHARE_A_DEV_MAX - 1)

/**
 * enum crowdshare_port_attr - attributes of PORT commands
 * @CROWDSHARE_A_PORT_IFINDEX: u32, interface index of the port
 * @CROWDSHARE_A_PORT_IFNAME: string, its name (out)
 * @CROWDSHARE_A_PORT_DEV_IFINDEX: u32, the crowdshare device
 * @CROWDSHARE_A_PORT_DEV_IFNAME: string, its name (out)
 * @CROWDSHARE_A_PORT_ECHO: u32, enum crowdshare_echo
 * @CROWDSHARE_A_PORT_AUTH: u32, enum crowdshare_auth
 * @CROWDSHARE_A_PORT_KEY_ID: u32, id of the port key, absent if there is none (out)
 * @CROWDSHARE_A_PORT_PEERS: u32, number of peers (out)
 * @CROWDSHARE_A_PORT_WIRELESS: flag, the port is a radio (out)
 */
enum crowdshare_port_attr {
	CROWDSHARE_A_PORT_UNSPEC,
	CROWDSHARE_A_PORT_IFINDEX,
	CROWDSHARE_A_PORT_IFNAME,
	CROWDSHARE_A_PORT_DEV_IFINDEX,
	CROWDSHARE_A_PORT_DEV_IFNAME,
	CROWDSHARE_A_PORT_ECHO,
	CROWDSHARE_A_PORT_AUTH,
	CROWDSHARE_A_PORT_KEY_ID,
	CROWDSHARE_A_PORT_PEERS,
	CROWDSHARE_A_PORT_WIRELESS,

	__CROWDSHARE_A_PORT_MAX,
};

#define CROWDSHARE_A_PORT_MAX (__CROWDSHARE_A_PORT_MAX - 1)

/**
 * enum crowdshare_peer_attr - attributes of PEER commands
 * @CROWDSHARE_A_PEER_PORT_IFINDEX: u32, interface index of the port
 * @CROWDSHARE_A_PEER_PORT_IFNAME: string, its name (out)
 * @CROWDSHARE_A_PEER_LLADDR: 6 bytes, unicast MAC of the peer
 * @CROWDSHARE_A_PEER_STATE: u32, enum crowdshare_peer_state
 * @CROWDSHARE_A_PEER_RATE: u32, new messages per second accepted from it, 0: no limit
 * @CROWDSHARE_A_PEER_BYTERATE: u64, their bytes per second (from the link header on), 0: no limit
 * @CROWDSHARE_A_PEER_RX_KEY_ID: u32, id of a receive key, once for each (out)
 * @CROWDSHARE_A_PEER_TX_KEY_ID: u32, id of the send key, absent if there is none (out)
 * @CROWDSHARE_A_PEER_PAIRWISE_KEY_ID: u32, id of a receive key that is pairwise, once for each; it
 *	is among the %CROWDSHARE_A_PEER_RX_KEY_ID too (out)
 */
enum crowdshare_peer_attr {
	CROWDSHARE_A_PEER_UNSPEC,
	CROWDSHARE_A_PEER_PORT_IFINDEX,
	CROWDSHARE_A_PEER_PORT_IFNAME,
	CROWDSHARE_A_PEER_LLADDR,
	CROWDSHARE_A_PEER_STATE,
	CROWDSHARE_A_PEER_RATE,
	CROWDSHARE_A_PEER_BYTERATE,
	CROWDSHARE_A_PEER_RX_KEY_ID,
	CROWDSHARE_A_PEER_TX_KEY_ID,
	CROWDSHARE_A_PEER_PAD,
	CROWDSHARE_A_PEER_PAIRWISE_KEY_ID,

	__CROWDSHARE_A_PEER_MAX,
};

#define CROWDSHARE_A_PEER_MAX (__CROWDSHARE_A_PEER_MAX - 1)

/**
 * enum crowdshare_key_attr - attributes of KEY commands
 * @CROWDSHARE_A_KEY_PORT_IFINDEX: u32, interface index of the port
 * @CROWDSHARE_A_KEY_LLADDR: 6 bytes, the peer; absent for %CROWDSHARE_KEY_PORT
 * @CROWDSHARE_A_KEY_USE: u32, enum crowdshare_key_use
 * @CROWDSHARE_A_KEY_ID: u32, 1 to 255
 * @CROWDSHARE_A_KEY_SECRET: 32 bytes, never sent back
 */
enum crowdshare_key_attr {
	CROWDSHARE_A_KEY_UNSPEC,
	CROWDSHARE_A_KEY_PORT_IFINDEX,
	CROWDSHARE_A_KEY_LLADDR,
	CROWDSHARE_A_KEY_USE,
	CROWDSHARE_A_KEY_ID,
	CROWDSHARE_A_KEY_SECRET,

	__CROWDSHARE_A_KEY_MAX,
};

#define CROWDSHARE_A_KEY_MAX (__CROWDSHARE_A_KEY_MAX - 1)

/**
 * enum crowdshare_contract_attr - attributes of CONTRACT commands
 * @CROWDSHARE_A_CONTRACT_PORT_IFINDEX: u32, interface index of the port
 * @CROWDSHARE_A_CONTRACT_PORT_IFNAME: string, its name (out)
 * @CROWDSHARE_A_CONTRACT_LLADDR: 6 bytes, the peer
 * @CROWDSHARE_A_CONTRACT_ID: u32, 1 and on, once only for a peer; contract of the link headers
 * @CROWDSHARE_A_CONTRACT_DIRECTION: u32, enum crowdshare_contract_direction
 * @CROWDSHARE_A_CONTRACT_BYTES: u64, that it covers, from the link header on, at least 1
 * @CROWDSHARE_A_CONTRACT_EXPIRY: u64, Unix seconds, the last one at which it covers anything
 * @CROWDSHARE_A_CONTRACT_USED: u64, bytes used, at most %CROWDSHARE_A_CONTRACT_BYTES (out)
 * @CROWDSHARE_A_CONTRACT_REFUSED: u64, frames that named it and were refused, as it had not so many
 *	bytes left or had expired (out)
 * @CROWDSHARE_A_CONTRACT_EXHAUSTED: flag, in an event: the last byte was used, or a frame came that
 *	is larger than what is left, whichever was first; once for a contract
 */
enum crowdshare_contract_attr {
	CROWDSHARE_A_CONTRACT_UNSPEC,
	CROWDSHARE_A_CONTRACT_PORT_IFINDEX,
	CROWDSHARE_A_CONTRACT_PORT_IFNAME,
	CROWDSHARE_A_CONTRACT_LLADDR,
	CROWDSHARE_A_CONTRACT_ID,
	CROWDSHARE_A_CONTRACT_DIRECTION,
	CROWDSHARE_A_CONTRACT_BYTES,
	CROWDSHARE_A_CONTRACT_EXPIRY,
	CROWDSHARE_A_CONTRACT_USED,
	CROWDSHARE_A_CONTRACT_REFUSED,
	CROWDSHARE_A_CONTRACT_EXHAUSTED,
	CROWDSHARE_A_CONTRACT_PAD,

	__CROWDSHARE_A_CONTRACT_MAX,
};

#define CROWDSHARE_A_CONTRACT_MAX (__CROWDSHARE_A_CONTRACT_MAX - 1)

/**
 * enum crowdshare_seen_attr - attributes of SEEN commands
 * @CROWDSHARE_A_SEEN_DEV_IFINDEX: u32, the crowdshare device
 * @CROWDSHARE_A_SEEN_DIGEST: 64 bytes, digest to look up; -ENOENT if not known
 * @CROWDSHARE_A_SEEN_LEFT: u32, seconds until it may be forgotten (out)
 * @CROWDSHARE_A_SEEN_ENTRIES: binary, array of struct crowdshare_seen_entry
 * @CROWDSHARE_A_SEEN_LOADED: u32, how many entries of a load were new (out)
 */
enum crowdshare_seen_attr {
	CROWDSHARE_A_SEEN_UNSPEC,
	CROWDSHARE_A_SEEN_DEV_IFINDEX,
	CROWDSHARE_A_SEEN_DIGEST,
	CROWDSHARE_A_SEEN_LEFT,
	CROWDSHARE_A_SEEN_ENTRIES,
	CROWDSHARE_A_SEEN_LOADED,

	__CROWDSHARE_A_SEEN_MAX,
};

#define CROWDSHARE_A_SEEN_MAX (__CROWDSHARE_A_SEEN_MAX - 1)

/**
 * enum crowdshare_stats_attr - attributes of STATS commands
 * @CROWDSHARE_A_STATS_DEV_IFINDEX: u32, the crowdshare device; in a request: only this one
 * @CROWDSHARE_A_STATS_DEV_IFNAME: string, its name (out)
 * @CROWDSHARE_A_STATS_SCOPE: u32, enum crowdshare_scope (out)
 * @CROWDSHARE_A_STATS_PORT_IFINDEX: u32, port, in scopes port and peer (out)
 * @CROWDSHARE_A_STATS_PORT_IFNAME: string, its name (out)
 * @CROWDSHARE_A_STATS_LLADDR: 6 bytes, peer, in scope peer (out)
 * @CROWDSHARE_A_STATS_RX_FRAMES: u64, frames received = NEW + DUPLICATES + RX drops (out)
 * @CROWDSHARE_A_STATS_RX_BYTES: u64, their bytes, from the link header on (out)
 * @CROWDSHARE_A_STATS_NEW: u64, messages verified and remembered (out)
 * @CROWDSHARE_A_STATS_DUPLICATES: u64, messages already known (out)
 * @CROWDSHARE_A_STATS_DELIVERED: u64, messages handed to the crowdshare device (out)
 * @CROWDSHARE_A_STATS_TX_FRAMES: u64, frames sent out (out)
 * @CROWDSHARE_A_STATS_TX_BYTES: u64, their bytes, from the link header on (out)
 * @CROWDSHARE_A_STATS_TX_REPAIRS: u64, of TX_FRAMES, those sent to one peer on request (out)
 * @CROWDSHARE_A_STATS_DROP: nest of enum crowdshare_drop_attr, once for each reason (out)
 */
enum crowdshare_stats_attr {
	CROWDSHARE_A_STATS_UNSPEC,
	CROWDSHARE_A_STATS_DEV_IFINDEX,
	CROWDSHARE_A_STATS_DEV_IFNAME,
	CROWDSHARE_A_STATS_SCOPE,
	CROWDSHARE_A_STATS_PORT_IFINDEX,
	CROWDSHARE_A_STATS_PORT_IFNAME,
	CROWDSHARE_A_STATS_LLADDR,
	CROWDSHARE_A_STATS_RX_FRAMES,
	CROWDSHARE_A_STATS_RX_BYTES,
	CROWDSHARE_A_STATS_NEW,
	CROWDSHARE_A_STATS_DUPLICATES,
	CROWDSHARE_A_STATS_DELIVERED,
	CROWDSHARE_A_STATS_TX_FRAMES,
	CROWDSHARE_A_STATS_TX_BYTES,
	CROWDSHARE_A_STATS_TX_REPAIRS,
	CROWDSHARE_A_STATS_DROP,
	CROWDSHARE_A_STATS_PAD,

	__CROWDSHARE_A_STATS_MAX,
};

#define CROWDSHARE_A_STATS_MAX (__CROWDSHARE_A_STATS_MAX - 1)

/**
 * enum crowdshare_drop_attr - attributes inside %CROWDSHARE_A_STATS_DROP
 * @CROWDSHARE_A_DROP_REASON: u32, enum crowdshare_drop
 * @CROWDSHARE_A_DROP_COUNT: u64, frames or copies; reasons with none are left out
 */
enum crowdshare_drop_attr {
	CROWDSHARE_A_DROP_UNSPEC,
	CROWDSHARE_A_DROP_REASON,
	CROWDSHARE_A_DROP_COUNT,
	CROWDSHARE_A_DROP_PAD,

	__CROWDSHARE_A_DROP_MAX,
};

#define CROWDSHARE_A_DROP_MAX (__CROWDSHARE_A_DROP_MAX - 1)

#endif /* _UAPI_LINUX_CROWDSHARE_H */
