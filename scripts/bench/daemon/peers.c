// SPDX-License-Identifier: GPL-2.0
/*
 * Twenty peers of the crowdshared whose memory is measured (memory.sh).
 *
 *	peers DIR COUNT INTERFACE ADDRESS PORT
 *
 * COUNT whole daemons in one process, which connect to the link-local ADDRESS on INTERFACE, each
 * from fe80::NUMBER, which the interface has. They share one store, that in DIR/store. When all
 * have their keys, have reconciled with the other side, and have given and got all that was to be
 * given, a line says so; they stay until standard input ends.
 *
 *	peers DIR fill MESSAGES
 *
 * Makes stores of so many messages in DIR/hub and DIR/peers, of which some are only here or only
 * there, and ends.
 *
 *	peers DIR identity
 *
 * Makes DIR/identity.key for that crowdshared, with a higher address than all of these have.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node.h"

#define COUNT_MAX	200
#define FIRST		100	/* fe80::64 and on */
#define ONLY		500	/* messages only here, and only there */

static struct node nodes[COUNT_MAX];
static int count;

static struct store *open_store(const char *name)
{
	struct config_store config = {
		.bytes = 512 << 20, .share = 25, .age = LIFETIME, .cancelled = 65536,
	};
	struct cs_error error = { "" };
	struct store *store;

	strcpy(config.path, bench_path(name));
	bench_must(store_open(&store, &config, &error), "store", &error);
	return store;
}

/* Messages that came in over the last hours, of four neighbours; those from @from on. */
static void fill(const char *name, uint64_t from, uint64_t messages, uint64_t now)
{
	static uint8_t message[MESSAGE_LEN];
	struct store *store = open_store(name);
	struct cs_error error = { "" };
	struct store_item item;
	uint64_t arrived, i;

	for (i = from; i < from + messages; i++) {
		arrived = now - 30000 + i * 30000 / messages;
		bench_message(&item, message, i, arrived);
		item.peer[0] = 0xfd;
		item.peer[1] = i % 4;
		if (store_add(store, &item, arrived, &error) != STORE_ADDED)
			bench_die("store_add", error.text);
		if (i % 1000 == 0)
			bench_must(store_commit(store, &error), "store_commit", &error);
	}
	store_close(store);
}

/* A key whose address is among the highest, or not. The node with the lower one connects. */
static void make_identity(const char *name, bool high)
{
	const char *path = bench_path(name);
	struct identity identity = { NULL };
	struct cs_error error = { "" };
	bool is;

	do {
		unlink(path);
		bench_must(identity_open(&identity, path, &error), "identity", &error);
		is = identity.address[1] == 0xff;
		identity_close(&identity);
	} while (is != high);
}

static int connect_from(int number, const struct sockaddr_in6 *to)
{
	struct sockaddr_in6 from = { .sin6_family = AF_INET6, .sin6_scope_id = to->sin6_scope_id };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	inet_pton(AF_INET6, "fe80::", &from.sin6_addr);
	from.sin6_addr.s6_addr[15] = FIRST + number;
	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    (connect(fd, (const struct sockaddr *)to, sizeof(*to)) && errno != EINPROGRESS))
		bench_die("connect", strerror(errno));
	return fd;
}

/* All are there, have compared stores, and nothing is left to be given. */
static bool settled(void *data)
{
	const struct peer *peer;
	int i;

	(void)data;
	for (i = 0; i < count; i++) {
		peer = nodes[i].daemon.peers;
		if (!peer || !peer->session || !peer->pairwise_ready || !peer->sync.rounds ||
		    peer->sync.set || peer->sync.tail)
			return false;
	}
	return true;
}

static void on_end(evutil_socket_t fd, short what, void *data)
{
	char byte;

	(void)what;
	(void)data;
	if (read(fd, &byte, 1) <= 0)
		event_base_loopbreak(node_base);
}

static struct sockaddr_in6 address_of(char **argv)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6 };

	to.sin6_scope_id = if_nametoindex(argv[0]);
	to.sin6_port = htons(atoi(argv[2]));
	if (!to.sin6_scope_id || inet_pton(AF_INET6, argv[1], &to.sin6_addr) != 1)
		bench_die(argv[1], "no such interface, or no address");
	return to;
}

static void run(struct sockaddr_in6 *to)
{
	static const char config[] = "auth = \"required\"; } ); trust = { mode = \"open\"; };";
	struct store *store = open_store("store");
	struct event *end;
	char name[64];
	int i;

	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "node%d", FIRST + i);
		if (mkdir(bench_path(name), 0700) && errno != EEXIST)
			bench_die(name, strerror(errno));
		strcat(name, "/identity.key");
		make_identity(name, false);
		node_open(&nodes[i], FIRST + i, config, store);
	}
	for (i = 0; i < count; i++)
		if (!session_start(nodes[i].daemon.ports, connect_from(i, to), to, true))
			bench_die("session", "out of memory");
	end = event_new(node_base, STDIN_FILENO, EV_READ | EV_PERSIST, on_end, NULL);
	if (!end || event_add(end, NULL))
		bench_die("event", "out of memory");
	node_until(settled, NULL, "sessions with all");
	puts("settled");
	event_base_dispatch(node_base);
	event_free(end);
	for (i = 0; i < count; i++)
		node_close(&nodes[i]);
	store_close(store);
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 to;
	uint64_t now;

	if (argc == 4 && !strcmp(argv[2], "fill")) {
		bench_begin(3, (char *[]){ argv[0], argv[1], "1" });
		now = daemon_now();
		fill("hub", 0, strtoull(argv[3], NULL, 10), now);
		fill("peers", ONLY, strtoull(argv[3], NULL, 10), now);
		return 0;
	}
	if (argc == 3 && !strcmp(argv[2], "identity")) {
		bench_begin(3, (char *[]){ argv[0], argv[1], "1" });
		make_identity("identity.key", true);
		return 0;
	}
	count = argc == 6 ? atoi(argv[2]) : 0;
	if (count < 1 || count > COUNT_MAX) {
		fprintf(stderr, "usage: peers DIR COUNT INTERFACE ADDRESS PORT|fill N|identity\n");
		return 2;
	}
	bench_begin(3, (char *[]){ argv[0], argv[1], "1" });
	to = address_of(argv + 3);
	run(&to);
	return 0;
}
