// SPDX-License-Identifier: GPL-2.0
/*
 * Whole daemons in one process, for benchmarks: all parts of crowdshared, opened as main.c does it,
 * each with a kernel in memory that keeps what it is told (selftests/system/fakekernel.c), on one
 * event loop. They meet over TCP on the loopback; the link-local addresses that they see are made
 * up, so that no interface is needed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/util.h>

#include "daemon/cancel.h"
#include "daemon/gateway.h"
#include "daemon/holding.h"
#include "daemon/intake.h"
#include "daemon/offer.h"
#include "daemon/receipt_way.h"
#include "fakekernel.h"
#include "node.h"
#include "tls.h"

#define IFINDEX		7
#define PATIENCE	60	/* seconds within which anything happens */

struct event_base *node_base;

static void on_frame(void *data, const uint8_t *frame, size_t len, bool own)
{
	intake_frame(data, frame, len, own);
}

static void on_link(void *data, const struct kernel_link *link)
{
	port_link(data, link);
}

static const struct kernel_events events = {
	.frame = on_frame,
	.link = on_link,
};

static void begin(void)
{
	if (node_base)
		return;
	signal(SIGPIPE, SIG_IGN);
	log_init(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING);
	node_base = event_base_new();
	if (!node_base)
		bench_die("event loop", "there is none");
}

static void configure(struct node *node, const char *more)
{
	struct cs_error error = { "" };
	char text[4096], name[32];
	const char *path;

	snprintf(name, sizeof(name), "node%u", node->number);
	path = bench_path(name);
	if (mkdir(path, 0700) && errno != EEXIST)
		bench_die(path, strerror(errno));
	snprintf(text, sizeof(text), "state = \"%s\"; ports = ( { interface = \"port*\"; %s",
		 path, more);
	bench_must(config_parse(&node->daemon.config, text, "configuration", &error),
		   "configuration", &error);
}

static void open_parts(struct node *node, struct store *store)
{
	struct daemon *daemon = &node->daemon;
	struct cs_error error = { "" };
	char name[64];

	evutil_secure_rng_get_bytes(daemon->boot, sizeof(daemon->boot));
	bench_must(identity_open(&daemon->identity, daemon->config.identity, &error), "identity",
		   &error);
	bench_must(trust_open(&daemon->trust, &daemon->config, &error), "trust", &error);
	bench_must(policy_power(daemon->config.policy.battery_dir, &daemon->power, &error),
		   "battery", &error);
	snprintf(name, sizeof(name), "node%u/ledger.db", node->number);
	bench_must(ledger_open(&daemon->ledger, bench_path(name), &daemon->identity, &error),
		   "ledger", &error);
	daemon->store = store;
	if (!store)
		bench_must(store_open(&daemon->store, &daemon->config.store, &error), "store",
			   &error);
	bench_must(receipt_open(daemon, &error), "receipts", &error);
	bench_must(intake_open(daemon, &error), "intake", &error);
	bench_must(cancel_open(daemon, &error), "cancel", &error);
	bench_must(offer_open(daemon, &error), "offer", &error);
	daemon->kernel = fake_open();
	bench_must(daemon->kernel->ops->device(daemon->kernel, &daemon->config.device,
					       daemon->identity.address, &error), "device", &error);
	bench_must(daemon->kernel->ops->device_up(daemon->kernel, &error), "device", &error);
	bench_must(session_init(daemon, &error), "sessions", &error);
	bench_must(gateway_open(daemon, &error), "gateway", &error);
	bench_must(daemon->kernel->ops->start(daemon->kernel, &events, daemon, &error), "kernel",
		   &error);
}

/**
 * node_open() - a daemon begins
 * @node: the node, all zero
 * @number: tells it from others
 * @config: the rest of its configuration, behind the interface of its port, from the settings of
 *	the port on
 * @store: of another node that it shares, or NULL: one of its own
 */
void node_open(struct node *node, unsigned int number, const char *config, struct store *store)
{
	begin();
	node->number = number;
	node->borrowed = store;
	node->daemon.base = node_base;
	node->daemon.started = daemon_now();
	node->link = (struct kernel_link){ .ifindex = IFINDEX, .mtu = 1500, .name = "port0" };
	/* up, but without an address: nobody is looked for */
	node->link.up = true;
	node->link.lladdr[0] = 2;
	node->link.lladdr[4] = number >> 8;
	node->link.lladdr[5] = number;
	configure(node, config);
	open_parts(node, store);
	node_port(node, true);
}

/**
 * node_close() - a daemon ends
 * @node: the node
 */
void node_close(struct node *node)
{
	struct daemon *daemon = &node->daemon;

	gateway_close(daemon);
	port_close_all(daemon);
	peer_close_all(daemon);
	session_exit(daemon);
	receipt_close(daemon);
	offer_close(daemon);
	holding_close(daemon);
	cancel_close(daemon);
	intake_close(daemon);
	daemon->kernel->ops->stop(daemon->kernel);
	if (!node->borrowed)
		store_close(daemon->store);
	ledger_close(daemon->ledger);
	trust_close(daemon->trust);
	identity_close(&daemon->identity);
	config_free(&daemon->config);
}

/**
 * node_port() - the node's interface comes or goes, and with it all its sessions
 * @node: the node
 * @there: it comes
 */
void node_port(struct node *node, bool there)
{
	node->link.gone = !there;
	fake_link(node->daemon.kernel, &node->link);
	if (there && !node->daemon.ports)
		bench_die("port", "it can't be attached");
}

static struct sockaddr_in6 remote_of(const struct node *node)
{
	struct sockaddr_in6 remote = { .sin6_family = AF_INET6 };

	inet_pton(AF_INET6, "fe80::", &remote.sin6_addr);
	remote.sin6_addr.s6_addr[14] = node->number >> 8;
	remote.sin6_addr.s6_addr[15] = node->number;
	return remote;
}

/**
 * node_join() - two nodes begin a session; the one with the lower address connects
 * @from: one of them
 * @to: the other one
 */
void node_join(struct node *from, struct node *to)
{
	struct sockaddr_in6 remote;
	struct node *other;
	int fds[2];

	if (!daemon_leads(&from->daemon, to->daemon.identity.address)) {
		other = from;
		from = to;
		to = other;
	}
	tls_connection(fds);
	remote = remote_of(to);
	if (!session_start(from->daemon.ports, fds[0], &remote, true))
		bench_die("session", "out of memory");
	remote = remote_of(from);
	session_accept(to->daemon.ports, fds[1], &remote);
}

/**
 * node_peer() - a node as another one knows it
 * @node: who knows
 * @other: whom
 *
 * Return: the peer, or NULL.
 */
struct peer *node_peer(struct node *node, const struct node *other)
{
	return peer_by_address(&node->daemon, other->daemon.identity.address);
}

/**
 * node_keyed() - has a node all keys of another one, and is it known that the other has its?
 * @node: the node
 * @other: the other one
 *
 * Return: whether it has.
 */
bool node_keyed(struct node *node, const struct node *other)
{
	const struct peer *peer = node_peer(node, other);

	return peer && peer->session && peer->pairwise_ready && peer->rx_port_epoch && peer->acked;
}

/**
 * node_until() - run all nodes until something is so
 * @done: tells whether it is; asked after each turn of the event loop
 * @data: for @done
 * @what: it is; if it never comes the program ends
 */
void node_until(bool (*done)(void *data), void *data, const char *what)
{
	double end = bench_seconds() + PATIENCE;

	while (!done(data)) {
		if (bench_seconds() > end)
			bench_die(what, "it never came");
		event_base_loop(node_base, EVLOOP_ONCE);
	}
}

/**
 * node_rest() - let what is under way come to its end
 * @seconds: how long
 */
void node_rest(double seconds)
{
	struct timeval wait = { seconds, (seconds - (time_t)seconds) * 1e6 };

	event_base_loopexit(node_base, &wait);
	event_base_dispatch(node_base);
}
