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

/**
 * struct port - an interface that the configuration names
 * @next: in daemon.ports
 * @daemon: whose it is
 * @link: as the kernel last told
 * @config: its entry in the configuration
 * @attached: the kernel has it as a port
 * @udp: socket of discovery, -1: closed
 * @heard: event of @udp
 * @listener: where sessions are accepted
 * @beacon: timer of the next beacon
 * @key: the port key in use
 * @next_key: the key that is being handed to the peers, id 0: none
 * @rotate: timer of the next rotation, or of the end of one under way
 */
struct port {
	struct port		*next;
	struct daemon		*daemon;
	struct kernel_link	link;
	const struct config_port *config;
	bool			attached;
	int			udp;
	struct event		*heard;
	struct evconnlistener	*listener;
	struct event		*beacon;
	struct port_key		key;
	struct port_key		next_key;
	struct event		*rotate;
};

void port_link(struct daemon *daemon, const struct kernel_link *link);
void port_reload(struct daemon *daemon);
void port_close_all(struct daemon *daemon);
struct port *port_find(struct daemon *daemon, uint32_t ifindex);

/* port_key.c: rotation of the port key */
void port_key_start(struct port *port);
void port_key_rotate(struct port *port);
void port_key_acked(struct port *port);
void port_key_stop(struct port *port);

/* discovery.c */
int discovery_open(struct port *port, struct cs_error *error);
void discovery_close(struct port *port);

#endif /* CSD_PORT_H */
