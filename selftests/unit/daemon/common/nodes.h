/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Nodes for tests: whole daemons in one process and one event loop, over real TLS, each with a
 * kernel in memory, and wires between these. See nodes.c.
 */
#ifndef SELFTESTS_UNIT_DAEMON_NODES_H
#define SELFTESTS_UNIT_DAEMON_NODES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "../../../system/fakekernel.h"
#include "daemon/cancel.h"
#include "daemon/daemon.h"
#include "daemon/intake.h"
#include "daemon/offer.h"
#include "daemon/peer.h"
#include "message.h"

#define NODES		4
#define NODES_IFINDEX	7

/**
 * struct node - a node; its MAC is 02:00:00:00:00:number; the lower number has the lower address
 * @daemon: its daemon; a test sets its configuration before node_start()
 * @port: its only port
 * @dir: where it keeps what it keeps, over restarts
 * @moved: frames of its kernel that went over the wires so far
 * @refused: frames that its kernel refused, as their contract did not cover them
 */
struct node {
	struct daemon		daemon;
	struct config_port	port;
	char			dir[128];
	size_t			moved;
	unsigned int		refused;
};

/**
 * nodes_wire - may a frame pass? NULL: all may
 * @from: node that sends it
 * @to: node that gets it
 * @nth: how many this node sent before
 */
extern bool (*nodes_wire)(int from, int to, size_t nth);

/* Seconds by which the clock is ahead. */
extern time_t nodes_ahead;

extern struct node nodes[NODES];
extern struct event_base *nodes_base;

/* setup and teardown of a test: no node runs before and after, all is forgotten */
int nodes_set_up(void **state);
int nodes_tear_down(void **state);

/* Before node_start(): under contract, at 2,000 points per MiB, and pays up to ten times that. */
void node_trades(int i);
void node_start(int i);
void node_stop(int i);
void nodes_join(int i, int j);
bool nodes_up(int i, int j);
struct peer *node_peer(int i, int j);
const uint8_t *node_lladdr(int i);
/* Both run, and are in session. */
void nodes_pair(int i, int j);

/* A message that a program of node @i sends; digest is a copy. */
void node_send(int i, const uint8_t destination[CS_ADDR_LEN], size_t size, uint8_t *digest);
/* Put into the store of node @i, as if it had come from nowhere. */
void node_store(int i, const struct store_item *item);
bool node_holds(int i, const uint8_t *digest);
uint64_t node_messages(int i);

uint64_t nodes_msec(void);
void nodes_loop(void);
void nodes_run(uint64_t msec);

#define run_until(condition, most) \
	do { \
		uint64_t nodes_until = nodes_msec() + (most); \
		while (!(condition) && nodes_msec() < nodes_until) \
			nodes_loop(); \
		assert_true(condition); \
	} while (0)

/* Loops as long as @most says, and fails at once when the condition is not true any more. */
#define stays(condition, most) \
	do { \
		uint64_t nodes_until = nodes_msec() + (most); \
		while (nodes_msec() < nodes_until) { \
			nodes_loop(); \
			assert_true(condition); \
		} \
	} while (0)

/*
 * Runs tests, each in a process of its own and several at a time, as they wait for timers most of
 * the time. TESTS in the environment is a pattern of those that are run. The exit status of main().
 */
int nodes_main(const char *name, const struct CMUnitTest *tests, size_t count);

#define NODES_TEST(name) cmocka_unit_test_setup_teardown(name, nodes_set_up, nodes_tear_down)

#endif /* SELFTESTS_UNIT_DAEMON_NODES_H */
