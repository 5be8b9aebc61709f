/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whole daemons in one process, for benchmarks. See node.c.
 */
#ifndef BENCH_NODE_H
#define BENCH_NODE_H

#include "bench.h"
#include "daemon/daemon.h"
#include "daemon/peer.h"

/**
 * struct node - a daemon
 * @daemon: the daemon
 * @link: its only port
 * @number: tells it from others
 * @borrowed: its store belongs to another node
 */
struct node {
	struct daemon		daemon;
	struct kernel_link	link;
	unsigned int		number;
	bool			borrowed;
};

extern struct event_base *node_base;

void node_open(struct node *node, unsigned int number, const char *config, struct store *store);
void node_close(struct node *node);
void node_port(struct node *node, bool there);
void node_join(struct node *from, struct node *to);
struct peer *node_peer(struct node *node, const struct node *other);
bool node_keyed(struct node *node, const struct node *other);
void node_until(bool (*done)(void *data), void *data, const char *what);
void node_rest(double seconds);

#endif /* BENCH_NODE_H */
