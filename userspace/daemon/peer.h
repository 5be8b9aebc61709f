/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Peers: neighbours that trust lets in, on a port, with a session and keys. See peer.c.
 */
#ifndef CSD_PEER_H
#define CSD_PEER_H

#include "daemon/daemon.h"
#include "daemon/idset.h"
#include "daemon/port.h"
#include "daemon/session.h"
#include "daemon/loss.h"
#include "daemon/sync.h"

/**
 * struct peer_rx_key - a receive key that the kernel has for a peer
 * @id: 0: none
 * @since: daemon_ticks() when it was given to the kernel
 * @due: daemon_ticks() when it is removed, UINT64_MAX: it is in use
 */
struct peer_rx_key {
	uint8_t		id;
	uint64_t	since;
	uint64_t	due;
};

/**
 * struct peer - a neighbour on a port
 * @next: in daemon.peers
 * @daemon: whose it is
 * @port: where it is
 * @session: NULL: lost; the peer and its keys stay for the configured time-out, so that a restart
 *	of its daemon loses no frame
 * @public: its public key
 * @address: its hash
 * @name: how the configuration calls it, or empty
 * @certificate: what it showed
 * @boot: of the run of its daemon that was last here
 * @lladdr: MAC of its frames
 * @terms: enum crowdshare_peer_state that this node grants it
 * @state: the one in force: the stricter of what both sides say
 * @rating: per mille
 * @since: Unix seconds
 * @offset: seconds that its clock is ahead of ours
 * @epoch: of the pairwise keys in use
 * @next_epoch: of those that it was told of
 * @pending: it has not yet confirmed those
 * @pairwise_ready: pairwise keys are in use in both directions
 * @rx_port_epoch: of its port key that we last got
 * @acked: epoch of our port key that it last confirmed
 * @rx: its receive keys
 * @expire_keys: timer: removes those of @rx that are due
 * @rotate: timer of the pairwise keys, at the one with the lower address
 * @keys: bucket of the keys that it makes this node take
 * @asks: bucket of its small letters that have this node ask its kernel (session.c)
 * @vanish: timer: lost for good
 * @offers: bucket of offers that it makes
 * @notices: bucket of cancel notices that it passes on
 * @receipts: bucket of receipts that it passes on
 * @loss: of frames on the way to it
 * @sync: reconciliation with it
 * @offered: messages that it was asked about
 * @unasked: daemon_ticks() until which this node does not ask it by itself
 */
struct peer {
	struct peer		*next;
	struct daemon		*daemon;
	struct port		*port;
	struct session		*session;
	uint8_t			public[IDENTITY_PUBLIC_LEN];
	uint8_t			address[CS_ADDR_LEN];
	char			name[CONFIG_NAME_LEN];
	X509			*certificate;
	uint8_t			boot[8];
	uint8_t			lladdr[KERNEL_LLADDR_LEN];
	uint32_t		terms;
	uint32_t		state;
	uint32_t		rating;
	time_t			since;
	int64_t			offset;
	uint32_t		epoch;
	uint32_t		next_epoch;
	bool			pending;
	bool			pairwise_ready;
	uint32_t		rx_port_epoch;
	uint32_t		acked;
	struct peer_rx_key	rx[KERNEL_PEER_KEYS];
	struct event		*expire_keys;
	struct event		*rotate;
	struct policy_bucket	keys;
	struct policy_bucket	asks;
	struct event		*vanish;
	struct policy_bucket	offers;
	struct policy_bucket	notices;
	struct policy_bucket	receipts;
	struct loss		loss;
	struct sync		sync;
	struct idset		offered;
	uint64_t		unasked;
};

/* session.c calls these */
int peer_up(struct session *session, struct cs_error *error);
void peer_down(struct session *session);
void peer_letter(struct session *session, const struct proto_letter *letter);

/* on a reload: trust may have changed */
void peer_rejudge_all(struct daemon *daemon);
void peer_close_all(struct daemon *daemon);
void peer_close_port(struct port *port);

struct peer *peer_by_lladdr(struct daemon *daemon, const uint8_t *lladdr);
struct peer *peer_by_address(struct daemon *daemon, const uint8_t *address);
const char *peer_label(const struct peer *peer);
const char *peer_state_name(uint32_t state);

/* peer_key.c: pairwise keys, and the neighbour's port keys */
int peer_key_init(struct peer *peer);
void peer_key_exit(struct peer *peer);
void peer_key_start(struct peer *peer);
void peer_key_stop(struct peer *peer);
void peer_key_letter(struct peer *peer, const struct proto_letter *letter);
int peer_key_send_port_key(struct peer *peer, const struct port_key *key);

#endif /* CSD_PEER_H */
