/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ports: interfaces that are attached to the device, where neighbours are looked for. See port.c.
 */
#ifndef CSD_PORT_H
#define CSD_PORT_H

#include <event2/event.h>
#include <event2/listener.h>

#include "daemon/daemon.h"

/**
 * struct port_key - a port key: tags what this node broadcasts on the port
 * @epoch: counts rotations; the key's id follows from it
 * @id: 2, 4 ... 254: port keys have even ids, pairwise keys odd ones
 * @secret: random
 */
struct port_key {
	uint32_t	epoch;
	uint8_t		id;
	uint8_t		secret[CS_KEY_LEN];
};

/* Ids of the keys of an epoch. */
static inline uint8_t port_key_id(uint32_t epoch)
{
	return 2 + 2 * (epoch % 127);
}

static inline uint8_t pairwise_key_id(uint32_t epoch)
{
	return 1 + 2 * (epoch % 127);
}

/**
 * struct port - an interface that the configuration names
 * @next: in daemon.ports
 * @daemon: whose it is
 * @link: as the kernel last told
 * @config: its settings, a copy of its entry in the configuration
 * @settings: what @config points to
 * @attached: the kernel has it as a port
 * @retry: timer: attaching or opening failed, and is tried again
 * @sweep: timer: peers of an earlier run that did not come back are removed from the kernel
 * @udp: socket of discovery, -1: closed
 * @heard: event of @udp
 * @listener: where sessions are accepted
 * @beacon: timer of the next beacon
 * @beacons: how many were sent since the port was opened
 * @answers: bucket of answers to beacons
 * @key: the port key in use, id 0: none
 * @inherited: an earlier run gave @key to the kernel; its secret is not known
 * @next_key: the key that is being handed to the peers, id 0: none
 * @settling: the end of handing out @next_key is set
 * @again: a peer left that has @next_key, or @key: another rotation follows
 * @revoked: a peer that has @next_key, or @key, is denied now: they are replaced at once
 * @switched: daemon_ticks() when @key came into use
 * @rotate: timer of the next rotation, or of the end of one under way
 */
struct port {
	struct port		*next;
	struct daemon		*daemon;
	struct kernel_link	link;
	const struct config_port *config;
	struct config_port	settings;
	bool			attached;
	struct event		*retry;
	struct event		*sweep;
	int			udp;
	struct event		*heard;
	struct evconnlistener	*listener;
	struct event		*beacon;
	unsigned int		beacons;
	struct policy_bucket	answers;
	struct port_key		key;
	bool			inherited;
	struct port_key		next_key;
	bool			settling;
	bool			again;
	bool			revoked;
	uint64_t		switched;
	struct event		*rotate;
};

void port_link(struct daemon *daemon, const struct kernel_link *link);
void port_reload(struct daemon *daemon);
void port_device_gone(struct daemon *daemon);
void port_close_all(struct daemon *daemon);
struct port *port_find(struct daemon *daemon, uint32_t ifindex);

static inline bool port_has_keys(const struct port *port)
{
	return port->config->auth == CROWDSHARE_AUTH_REQUIRED;
}

/* port_key.c: rotation of the port key */
void port_key_start(struct port *port);
void port_key_hand(struct port *port, struct peer *peer);
void port_key_rotate(struct port *port);
void port_key_revoke(struct port *port);
void port_key_acked(struct port *port);
void port_key_stop(struct port *port);

#define DISCOVERY_GROUP		"ff02::4353:1"	/* link-local; "CS" */
#define DISCOVERY_MAGIC		"CSbc"
#define DISCOVERY_VERSION	1

/**
 * struct discovery_beacon - what a node says of itself to all neighbours, in one UDP datagram
 * @magic: DISCOVERY_MAGIC, without its NUL
 * @version: DISCOVERY_VERSION
 * @reserved: 0; not looked at
 * @port: TCP port on which it accepts sessions, big-endian
 * @boot: random, of this run of its daemon
 * @address: its own address, fd00::/8
 *
 * Nothing of this is believed: it tells where to connect to, and TLS tells who is there.
 */
struct discovery_beacon {
	uint8_t		magic[4];
	uint8_t		version;
	uint8_t		reserved;
	uint16_t	port;
	uint8_t		boot[8];
	uint8_t		address[CS_ADDR_LEN];
} __attribute__((packed));

/* discovery.c */
int discovery_open(struct port *port, struct cs_error *error);
void discovery_close(struct port *port);
void discovery_heard(struct port *port, const struct sockaddr_in6 *from, const void *data,
		     size_t len);

#endif /* CSD_PORT_H */
