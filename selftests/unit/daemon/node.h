/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whole daemons in one process, for tests: all of the daemon but main.c and the control socket, on
 * a kernel in memory (selftests/system/fakekernel.c). Sessions are real TLS over socket pairs; what
 * a kernel would send on the wire is carried over to the other kernel by node_wire().
 */
#ifndef SELFTESTS_NODE_H
#define SELFTESTS_NODE_H

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/cancel.h"
#include "daemon/gateway.h"
#include "daemon/intake.h"
#include "daemon/log.h"
#include "daemon/offer.h"
#include "daemon/peer.h"
#include "daemon/receipt_way.h"
#include "daemon/receiver.h"
#include "fakekernel.h"
#include "lib/ethertype.h"
#include "lib/message.h"

#define NODE_IFINDEX	7

/**
 * struct node - a daemon
 * @daemon: the daemon
 * @dir: of its state
 * @number: of the node: the last byte of its MAC
 */
struct node {
	struct daemon	daemon;
	char		dir[128];
	int		number;
};

static inline void node_frame(void *data, const uint8_t *frame, size_t len, bool own)
{
	intake_frame(data, frame, len, own);
}

static inline void node_link(void *data, const struct kernel_link *link)
{
	port_link(data, link);
}

static inline void node_exhausted(void *data, uint32_t ifindex, const uint8_t *lladdr, uint32_t id)
{
	deal_exhausted(data, ifindex, lladdr, id);
}

static const struct kernel_events node_events = {
	.frame = node_frame,
	.link = node_link,
	.exhausted = node_exhausted,
};

#define NODE_OK(call) do { \
	struct cs_error error_ = { "" }; \
	struct cs_error *error = &error_; \
	if (call) \
		fail_msg("%s: %s", #call, error_.text); \
} while (0)

static inline void node_config(struct node *node, const char *terms, const char *more)
{
	char text[4096];

	snprintf(text, sizeof(text),
		 "state = \"%s\"; trust = { mode = \"open\"; };\n"
		 "ports = ( { interface = \"wlan0\"; terms = \"%s\"; } );\n"
		 "store = { reconcile = 1; }; sessions = { hello = 1; };\n%s",
		 node->dir, terms, more);
	NODE_OK(config_parse(&node->daemon.config, text, "test", error));
}

/* Begins, or begins again after node_stop(): what it knew is in its directory. */
static inline void node_start(struct node *node, struct event_base *base, const char *terms,
			      const char *more)
{
	struct kernel_link link = { .ifindex = NODE_IFINDEX, .name = "wlan0", .up = true,
				    .lladdr = { 2, 0, 0, 0, 0, node->number }, .mtu = 1500 };
	struct daemon *daemon = &node->daemon;
	char path[256];

	memset(daemon, 0, sizeof(*daemon));
	node_config(node, terms, more);
	daemon->base = base;
	daemon->started = daemon_now();
	daemon->power.plugged = true;
	snprintf(path, sizeof(path), "%s/ledger.db", node->dir);
	NODE_OK(identity_open(&daemon->identity, daemon->config.identity, error));
	NODE_OK(trust_open(&daemon->trust, &daemon->config, error));
	NODE_OK(ledger_open(&daemon->ledger, path, &daemon->identity, error));
	NODE_OK(store_open(&daemon->store, &daemon->config.store, error));
	NODE_OK(receipt_open(daemon, error));
	NODE_OK(intake_open(daemon, error));
	NODE_OK(cancel_open(daemon, error));
	NODE_OK(offer_open(daemon, error));
	daemon->kernel = fake_open();
	NODE_OK(daemon->kernel->ops->device(daemon->kernel, &daemon->config.device,
					    daemon->identity.address, error));
	NODE_OK(daemon->kernel->ops->device_up(daemon->kernel, error));
	NODE_OK(session_init(daemon, error));
	NODE_OK(gateway_open(daemon, error));
	NODE_OK(daemon->kernel->ops->start(daemon->kernel, &node_events, daemon, error));
	fake_link(daemon->kernel, &link);
}

static inline void node_stop(struct node *node)
{
	struct daemon *daemon = &node->daemon;

	gateway_close(daemon);
	port_close_all(daemon);
	peer_close_all(daemon);
	session_exit(daemon);
	receipt_close(daemon);
	offer_close(daemon);
	cancel_close(daemon);
	intake_close(daemon);
	daemon->kernel->ops->stop(daemon->kernel);
	store_close(daemon->store);
	ledger_close(daemon->ledger);
	trust_close(daemon->trust);
	identity_close(&daemon->identity);
	config_free(&daemon->config);
	memset(daemon, 0, sizeof(*daemon));
}

/* A session between two nodes; the one with the lower address connects. */
static inline void node_join(struct node *a, struct node *b)
{
	struct node *low = daemon_leads(&a->daemon, b->daemon.identity.address) ? a : b;
	struct node *high = low == a ? b : a;
	struct sockaddr_in6 to = { .sin6_family = AF_INET6 }, from = to;
	int fds[2];

	to.sin6_addr.s6_addr[0] = from.sin6_addr.s6_addr[0] = 0xfe;
	to.sin6_addr.s6_addr[15] = high->number;
	from.sin6_addr.s6_addr[15] = low->number;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_non_null(session_start(low->daemon.ports, fds[0], &to, true));
	session_accept(high->daemon.ports, fds[1], &from);
}

static inline struct peer *node_peer(struct node *node, const struct node *other)
{
	struct peer *peer = peer_by_address(&node->daemon, other->daemon.identity.address);

	return peer && peer->session ? peer : NULL;
}

static inline bool node_joined(struct node *a, struct node *b)
{
	const struct peer *there = node_peer(a, b), *here = node_peer(b, a);

	return there && here && there->pairwise_ready && here->pairwise_ready;
}

/* Carries over what the kernel of one node sent to another, alone, since the last time. */
static inline void node_wire(struct node *from, struct node *to)
{
	const uint8_t mac[6] = { 2, 0, 0, 0, 0, to->number };
	struct fake_frame *frame;
	size_t i;

	for (i = 0; (frame = fake_frame(from->daemon.kernel, i)); i++) {
		if (memcmp(frame->data, mac, sizeof(mac)))
			continue;
		memcpy(frame->data + 6, (uint8_t[]){ 2, 0, 0, 0, 0, from->number }, 6);
		fake_receive(to->daemon.kernel, frame->data, frame->len, false);
		memset(frame->data, 0, sizeof(mac)); /* not again */
	}
}

/* A message, and its digest; it is in a frame from the Ethernet header on. */
static inline size_t node_message(uint8_t *frame, size_t size,
				  const uint8_t destination[CS_ADDR_LEN], uint16_t port,
				  uint32_t serial, size_t payload, uint64_t expiry)
{
	static uint8_t data[CS_SLICE_MAX];
	struct cs_frame message = {
		.ethertype = cs_ethertype(),
		.link = CS_LINK_INIT,
		.message = { .expiry = expiry, .port = port, .length = payload, .k = 1, .n = 1,
			     .chunk_length = payload, .payload = data },
	};
	size_t len;

	memset(message.to, 0xff, sizeof(message.to));
	memcpy(message.message.destination, destination, CS_ADDR_LEN);
	memcpy(message.message.chunk_id, &serial, sizeof(serial));
	len = cs_frame_build(frame, size, &message);
	assert_true(len);
	return len;
}

/* Where a frame's message stands. */
static inline const uint8_t *node_digest(const uint8_t *frame)
{
	return frame + CS_ETH_HLEN + sizeof(struct cs_link_hdr);
}

static inline void node_remove(const char *dir)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
}

#endif /* SELFTESTS_NODE_H */
