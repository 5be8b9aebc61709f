/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The daemon: what its parts share. See main.c.
 *
 * One process, one thread, one event loop: nothing here needs a lock. Who holds a pointer to a port
 * or a peer lets go of it in port_gone() or peer_gone().
 */
#ifndef CSD_DAEMON_H
#define CSD_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <event2/event.h>
#include <openssl/ssl.h>

#include "daemon/clock.h"
#include "daemon/config.h"
#include "daemon/control.h"
#include "daemon/identity.h"
#include "daemon/kernel.h"
#include "daemon/ledger.h"
#include "daemon/policy.h"
#include "daemon/store.h"
#include "daemon/trust.h"

#define CROWDSHARED_VERSION	"0.1"

struct cancel;
struct deals;
struct gateway;
struct intake;
struct offers;
struct peer;
struct port;
struct receipts;
struct receivers;
struct holding;
struct question;

/**
 * struct daemon - all of it
 * @base: the event loop
 * @config: the configuration, as last read
 * @identity: who this node is
 * @boot: random, of this run
 * @trust: whom it lets in
 * @kernel: the way to the kernel
 * @store: messages that are kept
 * @ledger: points
 * @control: control socket
 * @tls: what all sessions have in common
 * @ports: list of ports (port.c)
 * @peers: list of peers (peer.c)
 * @left: address of the free peer that left last
 * @has_left: there was one
 * @intake: messages that come in (intake.c)
 * @offers: offers under way (offer.c)
 * @deals: contracts in force (deal.c)
 * @cancel: notices of delivery under way (cancel.c)
 * @receipts: receipts on their way back (receipt_way.c)
 * @receivers: who signs for which wired destination (receiver.c)
 * @holdings: what free peers hold (holding.c)
 * @questions: of these about what this node holds (holding.c)
 * @answer: timer: they are answered
 * @gateway: messages that go onto the wired network, NULL: not a gateway (gateway.c)
 * @power: batteries, as last looked at
 * @plan: data plan, as last counted
 * @look: timer that looks at batteries and data plan
 * @save: timer that saves the seen-set
 * @started: Unix seconds
 * @loaded: the seen-set has what the file of the last run held, and may replace it
 * @failed: it ends because something went wrong that it can't go on without
 */
struct daemon {
	struct event_base	*base;
	struct config		config;
	struct identity		identity;
	uint8_t			boot[8];
	struct trust		*trust;
	struct kernel		*kernel;
	struct store		*store;
	struct ledger		*ledger;
	struct control		*control;
	SSL_CTX			*tls;
	struct port		*ports;
	struct peer		*peers;
	uint8_t			left[CS_ADDR_LEN];
	bool			has_left;
	struct intake		*intake;
	struct offers		*offers;
	struct deals		*deals;
	struct cancel		*cancel;
	struct receipts		*receipts;
	struct receivers	*receivers;
	struct holding		*holdings;
	struct question		*questions;
	struct event		*answer;
	struct gateway		*gateway;
	struct policy_power	power;
	struct policy_plan	plan;
	struct event		*look;
	struct event		*save;
	time_t			started;
	bool			loaded;
	bool			failed;
};

/* Of two nodes the one with the lower address connects, and begins what only one may begin. */
static inline bool daemon_leads(const struct daemon *daemon, const uint8_t other[CS_ADDR_LEN])
{
	return memcmp(daemon->identity.address, other, CS_ADDR_LEN) < 0;
}

#endif /* CSD_DAEMON_H */
