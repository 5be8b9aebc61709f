// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of ports, discovery, sessions, peers and their keys: several daemons in one process,
 * over real TLS, each with a kernel that only keeps what it is told.
 *
 * After each thing that a kernel is told, drops() compares all kernels: whenever a node makes tags
 * with a key, whoever has the node as a peer must know that key. So a rotation that would lose a
 * frame is seen, however short the moment is.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>

#include "daemon/cancel.h"
#include "daemon/holding.h"
#include "daemon/log.h"
#include "daemon/offer.h"
#include "daemon/peer.h"
#include "daemon/receipt_way.h"

#define NODES	20
#define IFINDEX	7
#define LOG_MAX	8192

/* --- What store and forward, offers and notices are told --- */

static unsigned int started, stopped, up, gone, letters_seen;

void sync_start(struct peer *peer)
{
	(void)peer;
	started++;
}

void sync_stop(struct peer *peer)
{
	(void)peer;
	stopped++;
}

void sync_letter(struct peer *peer, const struct proto_letter *letter)
{
	(void)peer;
	(void)letter;
	letters_seen++;
}

void offer_peer_up(struct peer *peer)
{
	(void)peer;
	up++;
}

void offer_peer_gone(struct peer *peer)
{
	(void)peer;
	gone++;
}

void offer_letter(struct peer *peer, const struct proto_letter *letter)
{
	sync_letter(peer, letter);
}

void receipt_peer_up(struct peer *peer)
{
	(void)peer;
}

void loss_tell(struct peer *peer)
{
	(void)peer;
}

void loss_letter(struct peer *peer, const struct proto_counted *counted)
{
	(void)peer;
	(void)counted;
	letters_seen++;
}

void holding_letter(struct peer *peer, const struct proto_letter *letter)
{
	sync_letter(peer, letter);
}

void receipt_letter(struct peer *peer, const struct proto_letter *letter)
{
	sync_letter(peer, letter);
}

void cancel_letter(struct peer *peer, const struct proto_cancel *cancel)
{
	(void)peer;
	(void)cancel;
	letters_seen++;
}

/* --- Kernels --- */

struct key {
	uint8_t id;
	uint8_t secret[CS_KEY_LEN];
};

struct kpeer {
	bool used;
	uint32_t state;
	uint32_t rate;
	struct key rx[KERNEL_PEER_KEYS];
	struct key tx;
};

/* One node; its MAC is 02:00:00:00:00:number, and so it is found in @peers. */
struct node {
	struct kernel kernel;
	struct daemon daemon;
	char path[64];
	struct config_port port;
	bool attached;
	struct key key;
	struct kpeer peers[NODES];
	unsigned int adds;
	unsigned int dels;
	bool heard[NODES];	/* broadcasts of that node were understood before */
};

struct entry {
	int node;
	char what;	/* P port key, R receive key, T send key, - receive key removed, D peer */
	int peer;
	uint8_t id;
};

static struct event_base *base;
static struct node nodes[NODES];
static struct entry entries[LOG_MAX];
static size_t nr_entries, drops_seen;

static int number(const struct kernel *kernel)
{
	return (const struct node *)kernel - nodes;
}

static const struct key *find_rx(const struct kpeer *peer, uint8_t id)
{
	int i;

	for (i = 0; i < KERNEL_PEER_KEYS; i++)
		if (peer->rx[i].id == id)
			return &peer->rx[i];
	return NULL;
}

static bool knows(const struct kpeer *peer, const struct key *key)
{
	const struct key *rx = find_rx(peer, key->id);

	return rx && !memcmp(rx->secret, key->secret, CS_KEY_LEN);
}

/* Would a frame that @from sends to @to, alone or to all, be refused? */
static void drops_between(struct node *from, struct node *to)
{
	const struct kpeer *sender = &to->peers[from - nodes];
	const struct kpeer *receiver = &from->peers[to - nodes];
	bool *heard = &to->heard[from - nodes];

	if (!sender->used || !receiver->used) {
		*heard = false;
		return;
	}
	if (receiver->tx.id && !knows(sender, &receiver->tx)) {
		print_error("%d does not know key %u that %d sends to it with\n",
			    (int)(to - nodes), receiver->tx.id, (int)(from - nodes));
		drops_seen++;
	}
	if (*heard && !knows(sender, &from->key)) {
		print_error("%d no longer knows port key %u of %d\n", (int)(to - nodes),
			    from->key.id, (int)(from - nodes));
		drops_seen++;
	}
	*heard = from->key.id && knows(sender, &from->key);
}

static void drops(void)
{
	int from, to;

	for (from = 0; from < NODES; from++)
		for (to = 0; to < NODES; to++)
			if (from != to)
				drops_between(&nodes[from], &nodes[to]);
}

static void note(const struct kernel *kernel, char what, int peer, uint8_t id)
{
	assert_true(nr_entries < LOG_MAX);
	entries[nr_entries++] = (struct entry){ number(kernel), what, peer, id };
	drops();
}

static struct kpeer *kpeer(struct kernel *kernel, const uint8_t *lladdr)
{
	static const uint8_t head[5] = { 2 };

	assert_memory_equal(lladdr, head, sizeof(head));
	assert_true(lladdr[5] < NODES);
	return &nodes[number(kernel)].peers[lladdr[5]];
}

static int port_add(struct kernel *kernel, uint32_t ifindex, uint32_t echo, uint32_t auth,
		    struct cs_error *error)
{
	struct node *node = &nodes[number(kernel)];
	bool before = node->attached;

	(void)echo;
	(void)auth;
	assert_int_equal(ifindex, node->daemon.ports->link.ifindex);
	node->attached = true;
	return before ? cs_error_set(error, -EEXIST, "it is a port already") : 0;
}

static int port_del(struct kernel *kernel, uint32_t ifindex, struct cs_error *error)
{
	struct node *node = &nodes[number(kernel)];

	(void)ifindex;
	(void)error;
	node->attached = false;
	memset(node->peers, 0, sizeof(node->peers));
	memset(&node->key, 0, sizeof(node->key));
	return 0;
}

static int peer_set(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		    uint32_t state, uint32_t rate, uint64_t byterate, struct cs_error *error)
{
	struct kpeer *peer = kpeer(kernel, lladdr);

	(void)ifindex;
	(void)byterate;
	(void)error;
	nodes[number(kernel)].adds += !peer->used;
	peer->used = true;
	peer->state = state;
	peer->rate = rate;
	drops();
	return 0;
}

static int peer_del(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		    struct cs_error *error)
{
	struct kpeer *peer = kpeer(kernel, lladdr);

	(void)ifindex;
	if (!peer->used)
		return cs_error_set(error, -ENOENT, "no such peer");
	memset(peer, 0, sizeof(*peer));
	nodes[number(kernel)].dels++;
	note(kernel, 'D', lladdr[5], 0);
	return 0;
}

static int key_set(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		   enum crowdshare_key_use use, uint8_t id, const uint8_t *secret,
		   struct cs_error *error)
{
	struct key *key = &nodes[number(kernel)].key;
	struct kpeer *peer;

	(void)ifindex;
	assert_true(id);
	if (use != CROWDSHARE_KEY_PORT) {
		peer = kpeer(kernel, lladdr);
		if (!peer->used)
			return cs_error_set(error, -ENOENT, "no such peer");
		key = &peer->tx;
		/* contracts need pairwise keys, which have odd ids */
		assert_true(use == CROWDSHARE_KEY_TX ||
			    (use == CROWDSHARE_KEY_PAIRWISE) == id % 2);
		if (use == CROWDSHARE_KEY_RX || use == CROWDSHARE_KEY_PAIRWISE)
			key = (struct key *)find_rx(peer, find_rx(peer, id) ? id : 0);
		if (!key)
			return cs_error_set(error, -ENOSPC, "peer has 4 receive keys already");
	}
	key->id = id;
	memcpy(key->secret, secret, CS_KEY_LEN);
	note(kernel, "PRTR"[use], lladdr ? lladdr[5] : -1, id);
	return 0;
}

static int key_del(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		   enum crowdshare_key_use use, uint8_t id, struct cs_error *error)
{
	struct key *key = (struct key *)find_rx(kpeer(kernel, lladdr), id);

	(void)ifindex;
	assert_int_equal(use, id % 2 ? CROWDSHARE_KEY_PAIRWISE : CROWDSHARE_KEY_RX);
	if (!key)
		return cs_error_set(error, -ENOENT, "no key of this id");
	memset(key, 0, sizeof(*key));
	note(kernel, '-', lladdr[5], id);
	return 0;
}

static int peer_keys(struct kernel *kernel, uint32_t ifindex, const uint8_t *lladdr,
		     uint8_t ids[KERNEL_PEER_KEYS], size_t *n, struct cs_error *error)
{
	const struct kpeer *peer;
	int i;

	(void)ifindex;
	(void)error;
	*n = 0;
	if (!lladdr) {
		ids[0] = nodes[number(kernel)].key.id;
		*n = ids[0] != 0;
		return 0;
	}
	peer = kpeer(kernel, lladdr);
	for (i = 0; i < KERNEL_PEER_KEYS; i++)
		if (peer->rx[i].id)
			ids[(*n)++] = peer->rx[i].id;
	return 0;
}

static int peer_list(struct kernel *kernel, uint32_t ifindex,
		     uint8_t lladdrs[][KERNEL_LLADDR_LEN], size_t size, size_t *n,
		     struct cs_error *error)
{
	const struct node *node = &nodes[number(kernel)];
	size_t i;

	(void)ifindex;
	(void)error;
	for (*n = 0, i = 0; i < NODES && *n < size; i++)
		if (node->peers[i].used)
			memcpy(lladdrs[(*n)++], (uint8_t[]){ 2, 0, 0, 0, 0, i },
			       KERNEL_LLADDR_LEN);
	return 0;
}

static const struct kernel_ops ops = {
	.port_add = port_add,
	.port_del = port_del,
	.peer_set = peer_set,
	.peer_del = peer_del,
	.key_set = key_set,
	.key_del = key_del,
	.peer_keys = peer_keys,
	.peer_list = peer_list,
};

/* Where in the log a node was told something, from @from on; fails if it was not. */
static size_t when(size_t from, int node, char what, int peer)
{
	size_t i;

	for (i = from; i < nr_entries; i++)
		if (entries[i].node == node && entries[i].what == what && entries[i].peer == peer)
			return i;
	fail_msg("node %d was never told %c about %d", node, what, peer);
	return 0;
}

static unsigned int count(int node, char what)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < nr_entries; i++)
		n += entries[i].node == node && entries[i].what == what;
	return n;
}

/* --- Daemons --- */

static uint64_t msec(void)
{
	return daemon_ticks() / 1000000;
}

static void on_tick(evutil_socket_t fd, short what, void *data)
{
	(void)fd;
	(void)what;
	(void)data;
}

#define run_until(condition, most) \
	do { \
		uint64_t end = msec() + (most); \
		while (!(condition) && msec() < end) \
			event_base_loop(base, EVLOOP_ONCE); \
		assert_true(condition); \
	} while (0)

static void run(uint64_t most)
{
	uint64_t end = msec() + most;

	while (msec() < end)
		event_base_loop(base, EVLOOP_ONCE);
}

static struct kernel_link link_of(int i)
{
	struct kernel_link link = { .ifindex = IFINDEX, .mtu = 1500 };

	strcpy(link.name, "wlan0");
	link.lladdr[0] = 2;
	link.lladdr[5] = i;
	return link;
}

/* The daemon of a node begins. */
static void node_start_link(int i, const struct kernel_link *link)
{
	struct daemon *daemon = &nodes[i].daemon;
	struct cs_error error = { "" };

	assert_int_equal(identity_open(&daemon->identity, nodes[i].path, &error), 0);
	assert_int_equal(trust_open(&daemon->trust, &daemon->config, &error), 0);
	evutil_secure_rng_get_bytes(daemon->boot, sizeof(daemon->boot));
	daemon->base = base;
	daemon->kernel = &nodes[i].kernel;
	assert_int_equal(session_init(daemon, &error), 0);
	port_link(daemon, link);
	assert_non_null(daemon->ports);
}

/* Likewise; its link has no address, so nobody looks for it there. */
static void node_start(int i)
{
	struct kernel_link link = link_of(i);

	node_start_link(i, &link);
}

static void node_stop(int i)
{
	struct daemon *daemon = &nodes[i].daemon;

	port_close_all(daemon);
	peer_close_all(daemon);
	assert_null(daemon->ports);
	assert_null(daemon->peers);
	session_exit(daemon);
	trust_close(daemon->trust);
	identity_close(&daemon->identity);
	daemon->trust = NULL;
}

static void configure(struct node *node)
{
	struct config *config = &node->daemon.config;

	strcpy(node->port.interface, "wlan0");
	node->port.auth = CROWDSHARE_AUTH_REQUIRED;
	config->ports = &node->port;
	config->nr_ports = 1;
	strcpy(config->device.name, "cs0");
	config->sessions = (struct config_sessions){
		.tcp_port = 4353, .hello = 1, .timeout = 30, .rotate = 3600, .overlap = 2,
		.rate = 17,
	};
}

static int by_address(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	return memcmp(x->daemon.identity.address, y->daemon.identity.address, CS_ADDR_LEN);
}

static void all_time_out(uint32_t timeout)
{
	int i;

	for (i = 0; i < NODES; i++)
		nodes[i].daemon.config.sessions.timeout = timeout;
}

static char dir[32];

/* Identities are made once; node 0 has the lowest address, and so on. */
static int set_up_all(void **state)
{
	static const struct timeval tick = { 0, 2000 };
	struct cs_error error;
	int i;

	(void)state;
	log_init(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR - 1);
	signal(SIGPIPE, SIG_IGN); /* as main.c does */
	base = event_base_new();
	event_add(event_new(base, -1, EV_PERSIST, on_tick, NULL), &tick);
	strcpy(dir, "/tmp/session-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	for (i = 0; i < NODES; i++) {
		snprintf(nodes[i].path, sizeof(nodes[i].path), "%s/%d", dir, i);
		if (identity_open(&nodes[i].daemon.identity, nodes[i].path, &error))
			return -1;
	}
	qsort(nodes, NODES, sizeof(nodes[0]), by_address);
	for (i = 0; i < NODES; i++)
		identity_close(&nodes[i].daemon.identity);
	return 0;
}

static int set_up(void **state)
{
	char path[sizeof(nodes[0].path)];
	int i;

	(void)state;
	for (i = 0; i < NODES; i++) {
		memcpy(path, nodes[i].path, sizeof(path));
		memset(&nodes[i], 0, sizeof(nodes[i]));
		memcpy(nodes[i].path, path, sizeof(path));
		nodes[i].kernel.ops = &ops;
		configure(&nodes[i]);
	}
	nr_entries = drops_seen = 0;
	started = stopped = up = gone = letters_seen = 0;
	return 0;
}

static int tear_down(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < NODES; i++)
		if (nodes[i].daemon.trust)
			node_stop(i);
	run(5);
	return 0;
}

static struct port *port_of(int i)
{
	return nodes[i].daemon.ports;
}

static struct peer *peer_of(int i, int j)
{
	struct peer *peer;
	uint8_t lladdr[] = { 2, 0, 0, 0, 0, j };

	for (peer = nodes[i].daemon.peers; peer; peer = peer->next)
		if (!memcmp(peer->lladdr, lladdr, sizeof(lladdr)))
			return peer;
	return NULL;
}

static bool in_session(int i, int j)
{
	const struct peer *peer = peer_of(i, j), *other = peer_of(j, i);

	return peer && peer->session && other && other->session;
}

/* Both have all keys, and use them. */
static bool keyed(int i, int j)
{
	const struct kpeer *a = &nodes[i].peers[j], *b = &nodes[j].peers[i];

	return in_session(i, j) && a->tx.id && b->tx.id && knows(b, &a->tx) && knows(a, &b->tx) &&
	       knows(a, &nodes[j].key) && knows(b, &nodes[i].key) &&
	       peer_of(i, j)->pairwise_ready && peer_of(j, i)->pairwise_ready;
}

static struct sockaddr_in6 remote_of(int i)
{
	struct sockaddr_in6 remote = { .sin6_family = AF_INET6 };

	inet_pton(AF_INET6, "fe80::", &remote.sin6_addr);
	remote.sin6_addr.s6_addr[15] = i + 1;
	return remote;
}

static void make_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

/* The node with the lower address connects to the other one. */
static void join(int i, int j)
{
	struct sockaddr_in6 to = remote_of(j), from = remote_of(i);
	int fds[2];

	make_pair(fds);
	assert_non_null(session_start(port_of(i), fds[0], &to, true));
	session_accept(port_of(j), fds[1], &from);
}

static void start_all(int n)
{
	int i, j;

	for (i = 0; i < n; i++)
		node_start(i);
	for (i = 0; i < n; i++)
		for (j = i + 1; j < n; j++)
			join(i, j);
}

static bool all_keyed(int n)
{
	int i, j;

	for (i = 0; i < n; i++)
		for (j = i + 1; j < n; j++)
			if (!keyed(i, j))
				return false;
	return true;
}

static int nr_rx(int i, int j)
{
	int k, n = 0;

	for (k = 0; k < KERNEL_PEER_KEYS; k++)
		n += nodes[i].peers[j].rx[k].id != 0;
	return n;
}

/* --- Tests of two who mean well --- */

static void test_keys(void **state)
{
	size_t rx0, rx1, tx0, tx1;

	(void)state;
	start_all(2);
	assert_null(peer_of(0, 1));
	run_until(keyed(0, 1), 20000);
	/* RX of the leader, RX of the follower, TX of the follower, TX of the leader */
	tx0 = when(0, 0, 'T', 1);
	tx1 = when(0, 1, 'T', 0);
	for (rx0 = 0; rx0 < nr_entries; rx0++)
		if (entries[rx0].node == 0 && entries[rx0].what == 'R' && entries[rx0].id & 1)
			break;
	for (rx1 = 0; rx1 < nr_entries; rx1++)
		if (entries[rx1].node == 1 && entries[rx1].what == 'R' && entries[rx1].id & 1)
			break;
	assert_true(rx0 < rx1 && rx1 < tx1 && tx1 < tx0);
	assert_true(memcmp(nodes[0].peers[1].tx.secret, nodes[1].peers[0].tx.secret, CS_KEY_LEN));
	assert_true(memcmp(nodes[0].key.secret, nodes[1].key.secret, CS_KEY_LEN));
	assert_int_equal(nodes[0].peers[1].tx.id % 2, 1);
	assert_int_equal(nodes[0].key.id % 2, 0);
	assert_int_equal(nodes[0].peers[1].rate, 17);
	assert_memory_equal(peer_of(0, 1)->address, nodes[1].daemon.identity.address, CS_ADDR_LEN);
	assert_int_equal(started, 2);
	assert_int_equal(up, 2);
	assert_int_equal(drops_seen, 0);
}

/* Neither side's pings let the session die, and a dead one does not live on. */
static void test_silence(void **state)
{
	struct session *session;

	(void)state;
	all_time_out(2);
	start_all(2);
	run_until(keyed(0, 1), 20000);
	run(3000);
	assert_true(keyed(0, 1));
	assert_true(peer_of(0, 1)->session->pings >= 3);
	/* from now on node 1 hears nothing, but its connection does not end */
	session = peer_of(1, 0)->session;
	bufferevent_disable(session->bev, EV_READ);
	run_until(!peer_of(1, 0)->session, 20000);
	assert_true(nodes[1].peers[0].used);
	assert_int_equal(nodes[1].dels, 0);
	run_until(!peer_of(1, 0), 20000);
	assert_false(nodes[1].peers[0].used);
	/* it may have known the port key */
	assert_int_equal(count(1, 'P'), 2);
	assert_int_equal(gone, 1 + !peer_of(0, 1));
}

static void test_rotation(void **state)
{
	int i, j;

	(void)state;
	for (i = 0; i < 3; i++) {
		nodes[i].daemon.config.sessions.rotate = 3;
		nodes[i].daemon.config.sessions.overlap = 2;
	}
	start_all(3);
	for (i = 0; i < 3; i++) {
		run_until(count(i, 'P') >= 4, 20000);
		run_until(count(i, 'T') >= 6, 20000);
		run_until(count(i, '-') >= 6, 20000);
	}
	for (i = 0; i < 3; i++)
		nodes[i].daemon.config.sessions.rotate = 3600;
	/* what is scheduled comes, and then only the keys in use are left */
	run(3000);
	run_until(all_keyed(3), 20000);
	for (i = 0; i < 3; i++)
		for (j = 0; j < 3; j++)
			if (i != j)
				run_until(nr_rx(i, j) == 2, 20000);
	assert_true(all_keyed(3));
	assert_int_equal(drops_seen, 0);
	assert_int_equal(stopped, 0);
}

static void test_twenty(void **state)
{
	int i, j;

	(void)state;
	for (j = 0; j < NODES; j++) {
		/* under load a second is not long enough for all to confirm */
		nodes[j].daemon.config.sessions.overlap = 60;
		node_start(j);
		for (i = 0; i < j; i++)
			join(i, j);
		run_until(all_keyed(j + 1), 60000);
	}
	assert_int_equal(drops_seen, 0);
	port_key_rotate(port_of(3));
	run_until(count(3, 'P') == 2, 20000);
	assert_true(all_keyed(NODES));
	/* one leaves: all others get new port keys, and nothing is lost between them */
	node_stop(NODES - 1);
	for (i = 0; i < NODES - 1; i++) {
		run_until(!peer_of(i, NODES - 1)->session, 20000);
		event_active(peer_of(i, NODES - 1)->vanish, EV_TIMEOUT, 0);
	}
	for (i = 0; i < NODES - 1; i++)
		run_until(!peer_of(i, NODES - 1) && count(i, 'P') >= 2 + (i == 3), 20000);
	run_until(all_keyed(NODES - 1), 20000);
	assert_int_equal(drops_seen, 0);
}

/* --- Restarts --- */

/* As after kill -9: connections end, nothing is said. */
static void cut(int i)
{
	struct peer *peer;

	for (peer = nodes[i].daemon.peers; peer; peer = peer->next)
		if (peer->session)
			shutdown(bufferevent_getfd(peer->session->bev), SHUT_RDWR);
}

/* Meanwhile node 1 may have to replace its port key, which the kernel of the other one needs. */
static void restart(int i, bool kill, bool rotate)
{
	unsigned int before = count(1, 'P');

	if (kill)
		cut(i);
	node_stop(i);
	run_until(!peer_of(1, i)->session, 20000);
	if (rotate)
		port_key_rotate(port_of(1));
	run(300);
	assert_int_equal(count(1, 'P'), before);
	node_start(i);
}

static void test_restart(void **state)
{
	struct key key;
	int round;

	(void)state;
	for (round = 0; round < 3; round++)
		nodes[round].daemon.config.sessions.overlap = 6;
	start_all(3);
	run_until(all_keyed(3), 20000);
	for (round = 0; round < 4; round++) {
		int i = round / 2 ? 2 : 0;

		key = nodes[i].key;
		restart(i, round % 2, round == 1);
		assert_memory_equal(&nodes[i].key, &key, sizeof(key));
		join(0, i ? 2 : 1);
		run_until(keyed(0, i ? 2 : 1), 20000);
		/* the other one has not come back, and still knows the old port key only */
		assert_memory_equal(&nodes[i].key, &key, sizeof(key));
		join(i ? 1 : 0, 2);
		run_until(all_keyed(3) && memcmp(&nodes[i].key, &key, sizeof(key)), 20000);
	}
	for (round = 0; round < 3; round++)
		run_until(nr_rx(round, (round + 1) % 3) == 2 && nr_rx(round, (round + 2) % 3) == 2,
			  20000);
	assert_true(all_keyed(3));
	assert_int_equal(drops_seen, 0);
	assert_int_equal(nodes[0].dels + nodes[1].dels + nodes[2].dels, 0);
}

/* Who is not back after a restart is no peer any more. */
static void test_sweep(void **state)
{
	struct key key;

	(void)state;
	all_time_out(4);
	start_all(3);
	run_until(all_keyed(3), 20000);
	node_stop(2);
	memset(nodes[2].peers, 0, sizeof(nodes[2].peers)); /* without power */
	key = nodes[0].key;
	restart(0, true, false);
	join(0, 1);
	run_until(keyed(0, 1), 20000);
	run_until(memcmp(&nodes[0].key, &key, sizeof(key)), 20000);
	assert_true(nodes[0].peers[2].used);
	run_until(!nodes[0].peers[2].used, 20000);
	assert_true(nodes[0].peers[1].used);
	assert_true(keyed(0, 1));
	assert_int_equal(drops_seen, 0);
}

/* A second session takes the place of the first, and of its keys, without a loss. */
static void test_replace(void **state)
{
	struct session *old, *other;
	struct peer *peer;
	uint8_t id;

	(void)state;
	start_all(2);
	run_until(keyed(0, 1), 20000);
	old = peer_of(1, 0)->session;
	other = peer_of(0, 1)->session;
	peer = peer_of(1, 0);
	id = nodes[0].peers[1].tx.id;
	join(0, 1);
	run_until(peer_of(1, 0)->session != old && peer_of(0, 1)->session != other, 20000);
	assert_true(old->closing && !old->peer);
	run_until(keyed(0, 1) && nodes[0].peers[1].tx.id != id, 20000);
	assert_ptr_equal(peer_of(1, 0), peer);
	assert_int_equal(nodes[0].dels + nodes[1].dels, 0);
	assert_int_equal(nodes[0].adds + nodes[1].adds, 2);
	run_until(nr_rx(0, 1) == 2 && nr_rx(1, 0) == 2, 20000);
	assert_true(keyed(0, 1));
	assert_int_equal(drops_seen, 0);
}

/* --- A neighbour that speaks for itself: it has the key of a node, and says what it likes --- */

struct raw {
	SSL_CTX *tls;
	struct bufferevent *bev;
	bool up;
	bool closed;
	unsigned int heard[PROTO_TYPE_MAX];
	char bye[600];
	struct proto_key key;
};

static void raw_read(struct bufferevent *bev, void *data)
{
	struct evbuffer *input = bufferevent_get_input(bev);
	struct proto_letter letter;
	struct raw *raw = data;
	uint8_t *bytes;
	uint32_t len;

	while (evbuffer_copyout(input, &len, sizeof(len)) == sizeof(len)) {
		len = ntohl(len);
		if (evbuffer_get_length(input) < 4 + len)
			return;
		bytes = evbuffer_pullup(input, 4 + len);
		assert_int_equal(proto_decode(&letter, bytes + 4, len, NULL), 0);
		raw->heard[letter.type]++;
		if (letter.type == PROTO_BYE)
			snprintf(raw->bye, sizeof(raw->bye), "%.*s", (int)letter.bye.len,
				 letter.bye.text);
		if (letter.type == PROTO_PORT_KEY)
			raw->key = letter.key;
		proto_free(&letter);
		evbuffer_drain(input, 4 + len);
	}
}

static void raw_event(struct bufferevent *bev, short what, void *data)
{
	struct raw *raw = data;

	(void)bev;
	if (what & BEV_EVENT_CONNECTED)
		raw->up = true;
	else
		raw->closed = true;
	ERR_clear_error();
}

static int trust_all(X509_STORE_CTX *ctx, void *data)
{
	(void)ctx;
	(void)data;
	return 1;
}

/* Connects to node @to, with the key of node @as, or without one. */
static void raw_open(struct raw *raw, int as, int to, int version)
{
	struct identity identity = { 0 };
	struct sockaddr_in6 from = remote_of(as < 0 ? 77 : as);
	int fds[2];

	memset(raw, 0, sizeof(*raw));
	make_pair(fds);
	raw->tls = SSL_CTX_new(TLS_method());
	SSL_CTX_set_max_proto_version(raw->tls, version);
	SSL_CTX_set_cert_verify_callback(raw->tls, trust_all, NULL);
	if (as >= 0) {
		assert_int_equal(identity_open(&identity, nodes[as].path, NULL), 0);
		SSL_CTX_use_certificate(raw->tls, identity.certificate);
		SSL_CTX_use_PrivateKey(raw->tls, identity.key);
		identity_close(&identity);
	}
	raw->bev = bufferevent_openssl_socket_new(base, fds[0], SSL_new(raw->tls),
						  BUFFEREVENT_SSL_CONNECTING,
						  BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(raw->bev, raw_read, NULL, raw_event, raw);
	bufferevent_enable(raw->bev, EV_READ | EV_WRITE);
	session_accept(port_of(to), fds[1], &from);
}

static void raw_close(struct raw *raw)
{
	bufferevent_free(raw->bev);
	SSL_CTX_free(raw->tls);
	run(5);
}

/* --- Trust --- */

static void trust_again(int i)
{
	struct daemon *daemon = &nodes[i].daemon;
	struct cs_error error;

	trust_close(daemon->trust);
	assert_int_equal(trust_open(&daemon->trust, &daemon->config, &error), 0);
	port_reload(daemon);
	peer_rejudge_all(daemon);
}

static void say_of(struct config_peer *peer, int i, uint32_t state)
{
	struct cs_error error;
	struct identity identity;

	memset(peer, 0, sizeof(*peer));
	assert_int_equal(identity_open(&identity, nodes[i].path, &error), 0);
	memcpy(peer->address, identity.address, sizeof(peer->address));
	identity_close(&identity);
	peer->state = state;
	peer->rating = 1000;
	snprintf(peer->name, sizeof(peer->name), "node%d", i);
}

static void test_stranger(void **state)
{
	struct config_peer known;
	struct raw raw;

	(void)state;
	say_of(&known, 0, CROWDSHARE_PEER_FREE);
	nodes[2].daemon.config.trust = (struct config_trust){
		.mode = TRUST_LIST, .peers = &known, .nr_peers = 1,
	};
	start_all(3);
	run_until(keyed(0, 2) && keyed(0, 1), 20000);
	run(500);
	assert_null(peer_of(2, 1));
	assert_null(peer_of(1, 2));
	/* TLS itself does not let it in: there is not even a HELLO */
	session_reload(&nodes[2].daemon, NULL);
	raw_open(&raw, 1, 2, TLS1_3_VERSION);
	run_until(raw.closed, 20000);
	assert_int_equal(raw.heard[PROTO_HELLO] + raw.heard[PROTO_BYE], 0);
	raw_close(&raw);
	assert_false(nodes[2].peers[1].used);
	assert_false(nodes[1].peers[2].used);
	assert_string_equal(peer_of(2, 0)->name, "node0");
}

static void test_revoked(void **state)
{
	struct config_peer denied;
	struct key key, heard;
	uint64_t began;
	size_t at;

	(void)state;
	all_time_out(4);
	/* so that a pause between two rotations would be one of 10 seconds */
	nodes[0].daemon.config.sessions.overlap = 60;
	start_all(3);
	run_until(all_keyed(3), 20000);
	key = nodes[0].key;
	heard = nodes[2].peers[0].rx[0];
	at = nr_entries;
	say_of(&denied, 2, CROWDSHARE_PEER_DENY);
	nodes[0].daemon.config.trust = (struct config_trust){ .peers = &denied, .nr_peers = 1 };
	began = daemon_ticks();
	trust_again(0);
	/* at once */
	assert_false(nodes[0].peers[2].used);
	assert_null(peer_of(0, 2));
	run_until(memcmp(&nodes[0].key, &key, sizeof(key)) && keyed(0, 1), 20000);
	assert_true(daemon_ticks() - began < 7000000000ull);
	assert_true(when(at, 0, 'D', 2) < when(at, 0, 'P', -1));
	assert_false(knows(&nodes[2].peers[0], &nodes[0].key));
	assert_true(knows(&nodes[2].peers[0], &heard));
	run_until(!peer_of(2, 0)->session, 20000);
	run_until(!peer_of(2, 0) && !nodes[2].peers[0].used, 20000);
	assert_true(keyed(1, 2));
	assert_int_equal(drops_seen, 0);
}

/* What one says holds for both; it can be changed while they are in session. */
static void test_terms(void **state)
{
	(void)state;
	start_all(2);
	run_until(keyed(0, 1), 20000);
	assert_int_equal(nodes[1].peers[0].state, CROWDSHARE_PEER_FREE);
	nodes[0].port.terms = CROWDSHARE_PEER_CONTRACT;
	trust_again(0);
	assert_int_equal(nodes[0].peers[1].state, CROWDSHARE_PEER_CONTRACT);
	run_until(nodes[1].peers[0].state == CROWDSHARE_PEER_CONTRACT, 20000);
	nodes[1].port.terms = CROWDSHARE_PEER_CONTRACT;
	trust_again(1);
	nodes[0].port.terms = CROWDSHARE_PEER_FREE;
	trust_again(0);
	run(200);
	assert_int_equal(nodes[0].peers[1].state, CROWDSHARE_PEER_CONTRACT);
	nodes[1].port.terms = CROWDSHARE_PEER_FREE;
	trust_again(1);
	run_until(nodes[0].peers[1].state == CROWDSHARE_PEER_FREE &&
		  nodes[1].peers[0].state == CROWDSHARE_PEER_FREE, 20000);
	assert_true(keyed(0, 1));
	assert_int_equal(count(0, 'P'), 1);
	assert_true(up > 2 && stopped >= 2);
}

/* --- Ports --- */

static void test_port(void **state)
{
	struct kernel_link link = link_of(0), other = link_of(0);

	(void)state;
	other.ifindex = 8;
	strcpy(other.name, "eth9");
	start_all(2);
	port_link(&nodes[0].daemon, &other);
	assert_null(port_find(&nodes[0].daemon, 8));
	run_until(keyed(0, 1), 20000);
	/* taken out of the configuration, and back; then the other interface's turn */
	nodes[0].daemon.config.nr_ports = 0;
	trust_again(0);
	assert_null(nodes[0].daemon.ports);
	assert_null(nodes[0].daemon.peers);
	assert_false(nodes[0].attached);
	nodes[0].daemon.config.nr_ports = 1;
	trust_again(0);
	assert_non_null(port_find(&nodes[0].daemon, IFINDEX));
	assert_true(nodes[0].attached && nodes[0].key.id);
	run_until(!peer_of(1, 0)->session, 20000);
	join(0, 1);
	run_until(keyed(0, 1), 20000);
	link.gone = true;
	port_link(&nodes[0].daemon, &link);
	assert_null(nodes[0].daemon.ports);
	nodes[0].attached = false;
	strcpy(nodes[0].port.interface, "eth*");
	trust_again(0);
	assert_non_null(port_find(&nodes[0].daemon, 8));
}

static void test_no_auth(void **state)
{
	(void)state;
	nodes[0].port.auth = nodes[1].port.auth = CROWDSHARE_AUTH_OFF;
	start_all(2);
	run_until(in_session(0, 1), 20000);
	run(300);
	assert_true(in_session(0, 1));
	assert_int_equal(nr_entries, 0);
	/* from now on one has keys, and the other does not want them: both learn why */
	nodes[0].port.auth = CROWDSHARE_AUTH_REQUIRED;
	trust_again(0);
	assert_int_equal(count(0, 'P'), 1);
	run_until(!peer_of(1, 0)->session, 20000);
	join(0, 1);
	run(300);
	assert_false(in_session(0, 1));
}

/* --- What the neighbour that speaks for itself says --- */

static void raw_say(struct raw *raw, const struct proto_letter *letter)
{
	uint8_t *data;
	size_t len;

	assert_int_equal(proto_encode(letter, &data, &len), 0);
	bufferevent_write(raw->bev, data, len);
	free(data);
}

static struct proto_letter hello_of(int i)
{
	struct proto_letter letter = { .type = PROTO_HELLO, .hello.version = PROTO_VERSION };

	letter.hello.lladdr[0] = 2;
	letter.hello.lladdr[5] = i;
	letter.hello.now = daemon_now();
	memcpy(letter.hello.boot, "bootboot", 8);
	return letter;
}

/* In session with node @to as node 0. */
static void raw_greet(struct raw *raw, int to)
{
	struct proto_letter hello = hello_of(0);

	raw_open(raw, 0, to, TLS1_3_VERSION);
	run_until(raw->up, 20000);
	raw_say(raw, &hello);
	run_until(peer_of(to, 0) && peer_of(to, 0)->session, 20000);
}

/* Says this, and is told that, and the session is over. */
static void refused(struct raw *raw, const struct proto_letter *letter, const char *why)
{
	if (letter)
		raw_say(raw, letter);
	run_until(raw->bye[0], 20000);
	if (!strstr(raw->bye, why))
		fail_msg("\"%s\" instead of \"%s\"", raw->bye, why);
	raw_close(raw);
	session_reload(&nodes[1].daemon, NULL); /* forget that it failed */
}

/* A reason of any length and any bytes: the other side is told, in a text that it can take. */
static void test_bye(void **state)
{
	char why[600], *p;
	struct raw raw;
	int i;

	(void)state;
	node_start(1);
	for (i = 0; i < 4; i++) {
		/* two bytes a character: the limit is in the middle of one, or not */
		memset(why, 'x', i);
		for (p = why + i; p < why + sizeof(why) - 2; p += 2)
			memcpy(p, i == 3 ? "\xfc\n" : "\xc3\xbc", 2);
		*p = '\0';
		raw_greet(&raw, 1);
		session_close(peer_of(1, 0)->session, why);
		run_until(raw.bye[0], 20000);
		assert_int_equal(strlen(raw.bye), PROTO_TEXT_MAX - i % 3 % 2);
		if (i < 3)
			assert_memory_equal(raw.bye, why, strlen(raw.bye));
		else
			assert_string_equal(raw.bye + PROTO_TEXT_MAX - 5, "?????");
		raw_close(&raw);
	}
}

static void test_tls(void **state)
{
	struct raw raw;

	(void)state;
	node_start(1);
	raw_open(&raw, -1, 1, TLS1_3_VERSION);	/* no certificate */
	run_until(raw.closed, 20000);
	assert_int_equal(raw.heard[PROTO_HELLO], 0);
	raw_close(&raw);
	session_reload(&nodes[1].daemon, NULL);
	raw_open(&raw, 0, 1, TLS1_2_VERSION);
	run_until(raw.closed, 20000);
	assert_false(raw.up);
	raw_close(&raw);
	session_reload(&nodes[1].daemon, NULL);
	raw_open(&raw, 1, 1, TLS1_3_VERSION);	/* the node's own key */
	run_until(raw.closed, 20000);
	assert_int_equal(raw.heard[PROTO_HELLO], 0);
	raw_close(&raw);
	session_reload(&nodes[1].daemon, NULL);
	raw_open(&raw, 2, 1, TLS1_3_VERSION);	/* the one with the lower address connects */
	run_until(raw.bye[0], 20000);
	assert_non_null(strstr(raw.bye, "lower address connects"));
	assert_int_equal(raw.heard[PROTO_HELLO], 0);
	raw_close(&raw);
	/* it failed: not again within a second */
	raw_open(&raw, 2, 1, TLS1_3_VERSION);
	run_until(raw.closed, 20000);
	assert_false(raw.up);
	raw_close(&raw);
	assert_int_equal(nr_entries, 1); /* its own port key */
}

static void test_first_letter(void **state)
{
	struct proto_letter letter = { .type = PROTO_PING };
	struct raw raw;

	(void)state;
	all_time_out(5);
	start_all(2);
	node_start(2);
	join(1, 2);
	run_until(keyed(1, 2), 20000);
	node_stop(0);
	run_until(!peer_of(1, 0), 20000);

	raw_open(&raw, 0, 1, TLS1_3_VERSION);
	refused(&raw, &letter, "did not say HELLO first");
	raw_open(&raw, 0, 1, TLS1_3_VERSION);
	letter = hello_of(0);
	letter.hello.version = 2;
	refused(&raw, &letter, "another version");
	raw_open(&raw, 0, 1, TLS1_3_VERSION);
	letter = hello_of(0);
	letter.hello.terms = CROWDSHARE_PEER_DENY;
	refused(&raw, &letter, "denies");
	raw_open(&raw, 0, 1, TLS1_3_VERSION);
	letter = hello_of(0);
	letter.hello.lladdr[0] = 3;
	refused(&raw, &letter, "no unicast");
	raw_open(&raw, 0, 1, TLS1_3_VERSION);
	letter = hello_of(1);
	refused(&raw, &letter, "this node's own");
	raw_open(&raw, 0, 1, TLS1_3_VERSION);
	letter = hello_of(2);
	refused(&raw, &letter, "another peer has the MAC");
	assert_true(keyed(1, 2));
	assert_null(peer_of(1, 0));
	assert_false(nodes[1].peers[0].used);
}

static void test_bytes(void **state)
{
	static const struct {
		uint8_t data[8];
		const char *why;
	} bad[] = {
		{ { 0, 0, 0, 0 }, "impossible length" },
		{ { 0xff, 0xff, 0xff, 0xff }, "impossible length" },
		{ { 0, 0x10, 0, 1 }, "impossible length" },
		{ { 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff }, "" },
		{ { 0, 0, 0, 4, 0x81, 0x18, 0x63, 0 }, "" },
	};
	struct raw raw;
	size_t i;

	(void)state;
	node_start(1);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		raw_greet(&raw, 1);
		bufferevent_write(raw.bev, bad[i].data, sizeof(bad[i].data));
		refused(&raw, NULL, bad[i].why);
	}
	/* before HELLO a letter is short */
	raw_open(&raw, 0, 1, TLS1_3_VERSION);
	bufferevent_write(raw.bev, "\0\0\x20\0", 4);
	refused(&raw, NULL, "impossible length");
}

static void test_stray_letters(void **state)
{
	struct proto_letter letter = { .type = PROTO_PAIRWISE_ACK };
	struct raw raw;

	(void)state;
	node_start(1);
	raw_greet(&raw, 1);
	letter.key.epoch = 5;
	letter.key.id = 11;
	refused(&raw, &letter, "confirms a pairwise key that was not made");

	raw_greet(&raw, 1);
	run_until(raw.heard[PROTO_PORT_KEY] == 1, 20000);
	letter.type = PROTO_PORT_KEY_ACK;
	letter.key.epoch = raw.key.epoch + 1;
	letter.key.id = port_key_id(letter.key.epoch);
	refused(&raw, &letter, "confirms a port key that it was not given");

	raw_greet(&raw, 1);
	letter.type = PROTO_PORT_KEY;
	letter.key.id = 11; /* would be a pairwise key's */
	refused(&raw, &letter, "does not follow from its epoch");

	raw_greet(&raw, 1);
	letter.type = PROTO_PAIRWISE;
	letter.key.id = 12;
	refused(&raw, &letter, "does not follow from its epoch");

	raw_greet(&raw, 1);
	letter = hello_of(5);
	refused(&raw, &letter, "another one's");
	assert_int_equal(nr_rx(1, 0), 0);
	assert_int_equal(nodes[1].adds, 1);
}

/* Keys changed all the time: bounded, and a key that is in use is never lost to it. */
static void test_many_keys(void **state)
{
	struct proto_letter letter = { .type = PROTO_PORT_KEY };
	struct raw raw;
	uint32_t i;

	(void)state;
	node_start(1);
	raw_greet(&raw, 1);
	letter.key.epoch = 1000;
	letter.key.id = pairwise_key_id(1000);
	letter.type = PROTO_PAIRWISE;
	raw_say(&raw, &letter);
	run_until(raw.heard[PROTO_PAIRWISE_ACK], 20000);
	letter.type = PROTO_PORT_KEY;
	for (i = 0; i < 10; i++) {
		letter.key.epoch = i;
		letter.key.id = port_key_id(i);
		raw_say(&raw, &letter);
	}
	run_until(raw.heard[PROTO_PORT_KEY_ACK] == 10, 20000);
	assert_int_equal(nr_rx(1, 0), 4);
	assert_non_null(find_rx(&nodes[1].peers[0], pairwise_key_id(1000)));
	assert_non_null(find_rx(&nodes[1].peers[0], port_key_id(9)));
	run_until(nr_rx(1, 0) == 2, 20000);
	for (i = 10; i < 40; i++) {
		letter.key.epoch = i;
		letter.key.id = port_key_id(i);
		raw_say(&raw, &letter);
	}
	refused(&raw, NULL, "too often");
}

/* A key is not confirmed: others are not held up for long, and who is slow keeps its session. */
static void test_no_ack(void **state)
{
	struct proto_letter ack = { .type = PROTO_PORT_KEY_ACK };
	struct peer *peer;
	struct key key;
	struct raw raw;

	(void)state;
	node_start(1);
	raw_greet(&raw, 1);
	run_until(raw.heard[PROTO_PORT_KEY] == 1, 20000);
	peer = peer_of(1, 0);
	ack.key = raw.key;
	raw_say(&raw, &ack);
	run_until(peer->acked == raw.key.epoch, 20000);
	key = nodes[1].key;
	port_key_rotate(port_of(1));
	run_until(raw.heard[PROTO_PORT_KEY] == 2, 20000);
	assert_memory_equal(&nodes[1].key, &key, sizeof(key));
	ack.key = raw.key;
	run_until(memcmp(&nodes[1].key, &key, sizeof(key)), 20000);
	/* it says so when there is another one already; and then of that one */
	port_key_rotate(port_of(1));
	run_until(raw.heard[PROTO_PORT_KEY] == 3, 20000);
	run_until(!port_of(1)->next_key.id, 20000);
	raw_say(&raw, &ack);
	ack.key = raw.key;
	raw_say(&raw, &ack);
	run_until(peer->acked == raw.key.epoch, 20000);
	assert_non_null(peer->session);
	raw_close(&raw);
}

/* A peer is denied that was just handed the next key: that one does not come into use. */
static void test_denied_at_rotation(void **state)
{
	struct config_peer denied;
	struct port_key next;
	struct key key;
	struct raw raw;

	(void)state;
	node_start(1);
	node_start(2);
	join(1, 2);
	raw_greet(&raw, 1);
	run_until(keyed(1, 2) && raw.heard[PROTO_PORT_KEY] == 1, 20000);
	run(2500);
	port_key_rotate(port_of(1));
	next = port_of(1)->next_key;
	assert_int_not_equal(next.id, 0);
	run_until(raw.heard[PROTO_PORT_KEY] == 2, 20000);
	key = nodes[1].key;
	say_of(&denied, 2, CROWDSHARE_PEER_DENY);
	nodes[1].daemon.config.trust = (struct config_trust){ .peers = &denied, .nr_peers = 1 };
	trust_again(1);
	run_until(raw.heard[PROTO_PORT_KEY] == 3, 20000);
	run_until(memcmp(&nodes[1].key, &key, sizeof(key)), 20000);
	assert_int_not_equal(nodes[1].key.id, next.id);
	assert_memory_not_equal(nodes[1].key.secret, next.secret, sizeof(next.secret));
	assert_memory_equal(nodes[1].key.secret, raw.key.secret, sizeof(raw.key.secret));
	assert_false(knows(&nodes[2].peers[1], &nodes[1].key));
	run(2500);
	assert_int_equal(raw.heard[PROTO_PORT_KEY], 3);
	raw_close(&raw);
}

/* When several leave, there is a pause between two rotations; the last of them is not missed. */
static void test_pause(void **state)
{
	struct key key;
	uint64_t began;
	struct raw raw;

	(void)state;
	node_start(1);
	raw_greet(&raw, 1);
	run_until(raw.heard[PROTO_PORT_KEY] == 1, 20000);
	run(2500); /* the first key is not new any more */
	port_key_rotate(port_of(1));
	run_until(raw.heard[PROTO_PORT_KEY] == 2, 20000);
	run_until(!port_of(1)->next_key.id, 20000);
	began = daemon_ticks();
	key = nodes[1].key;
	port_key_rotate(port_of(1));
	port_key_rotate(port_of(1));
	assert_int_equal(port_of(1)->next_key.id, 0);
	run_until(raw.heard[PROTO_PORT_KEY] == 3, 20000);
	assert_true(daemon_ticks() - began >= 1900000000ull);
	run_until(memcmp(&nodes[1].key, &key, sizeof(key)), 20000);
	run(2500);
	assert_int_equal(raw.heard[PROTO_PORT_KEY], 3);
	raw_close(&raw);
}

/* Another identity with the MAC of one that is lost; the clock is years off. */
static void test_moves(void **state)
{
	struct proto_letter hello = hello_of(5);
	struct raw raw;

	(void)state;
	node_start(2);
	raw_open(&raw, 0, 2, TLS1_3_VERSION);
	run_until(raw.up, 20000);
	hello.hello.now -= 100000000;
	raw_say(&raw, &hello);
	run_until(peer_of(2, 5), 20000);
	assert_true(peer_of(2, 5)->offset < -99999990 && peer_of(2, 5)->offset > -100000010);
	raw_close(&raw);
	run_until(!peer_of(2, 5)->session, 20000);
	/* node 1 has it now */
	raw_open(&raw, 1, 2, TLS1_3_VERSION);
	run_until(raw.up, 20000);
	raw_say(&raw, &hello);
	run_until(peer_of(2, 5) && peer_of(2, 5)->session, 20000);
	assert_memory_equal(peer_of(2, 5)->address, peer_of(2, 5)->session->address, CS_ADDR_LEN);
	assert_int_equal(nodes[2].dels, 1);
	assert_null(peer_of(2, 5)->next);
	raw_close(&raw);
	/* and moves on to another MAC */
	raw_open(&raw, 1, 2, TLS1_3_VERSION);
	run_until(raw.up, 20000);
	hello = hello_of(6);
	raw_say(&raw, &hello);
	run_until(peer_of(2, 6), 20000);
	assert_false(nodes[2].peers[5].used);
	assert_null(peer_of(2, 6)->next);
	raw_close(&raw);
}

/* The MAC of one in session is no other's, on no port: frames are attributed by it. */
static void test_same_mac(void **state)
{
	struct proto_letter hello = hello_of(0);
	static struct port other;
	struct raw raw, thief;

	(void)state;
	node_start(2);
	raw_greet(&raw, 2);
	/* as if it had come on another port */
	other = *port_of(2);
	other.link.ifindex++;
	peer_of(2, 0)->port = &other;
	raw_open(&thief, 1, 2, TLS1_3_VERSION);
	run_until(thief.up, 20000);
	raw_say(&thief, &hello);
	run(500);
	peer_of(2, 0)->port = port_of(2);
	assert_non_null(strstr(thief.bye, "another peer has the MAC"));
	assert_non_null(peer_of(2, 0)->session);
	raw_close(&thief);
	raw_close(&raw);
}

/* --- Too much --- */

static void test_slow_reader(void **state)
{
	static uint8_t ids[PROTO_IDS_MAX * PROTO_ID_LEN];
	struct proto_letter letter = { .type = PROTO_WANT };
	struct session *session;
	int n, rc = 0;
	struct raw raw;

	(void)state;
	node_start(1);
	raw_greet(&raw, 1);
	bufferevent_disable(raw.bev, EV_READ);
	session = peer_of(1, 0)->session;
	letter.want.ids = ids;
	letter.want.nr_ids = PROTO_IDS_MAX;
	for (n = 0; n < 100 && !rc; n++)
		rc = session_send(session, &letter);
	assert_int_equal(rc, -ENOTCONN);
	assert_true(n > 20 && session_backlog(session) <= 8 << 20);
	/* not closed under the feet of who sent */
	assert_ptr_equal(peer_of(1, 0)->session, session);
	run_until(!peer_of(1, 0)->session, 20000);
	assert_int_equal(session_send(NULL, &letter), -ENOTCONN);
	raw_close(&raw);
}

static void test_flood(void **state)
{
	int fds[600][2], i, open = 0;
	struct sockaddr_in6 from;
	char byte;

	(void)state;
	start_all(2);
	for (i = 0; i < 600; i++) {
		from = remote_of(i < 100 ? 99 : 100 + i % 100);
		from.sin6_addr.s6_addr[14] = i / 100;
		make_pair(fds[i]);
		session_accept(port_of(1), fds[i][1], &from);
		if (i % 10 == 0)
			run(3);
	}
	run_until(keyed(0, 1), 20000);
	run(50);
	for (i = 0; i < 600; i++)
		open += recv(fds[i][0], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
	assert_true(open > 0 && open <= 32);
	/* and those that are left do not stay */
	run(10500);
	for (open = 0, i = 0; i < 600; i++) {
		open += recv(fds[i][0], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
		close(fds[i][0]);
	}
	assert_int_equal(open, 0);
	assert_true(keyed(0, 1));
}

/* Letters that come all at once are taken some at a time, and none is forgotten. */
static void test_turns(void **state)
{
	struct proto_letter letter = { .type = PROTO_PONG };
	const struct session *session;
	uint64_t begin, before, all, most = 0;
	uint8_t *data;
	struct raw raw;
	size_t len;
	int i;

	(void)state;
	node_start(1);
	raw_greet(&raw, 1);
	run(300);
	session = peer_of(1, 0)->session;
	assert_int_equal(proto_encode(&letter, &data, &len), 0);
	free(data);
	all = 5000 * len;
	for (i = 0; i < 5000; i++)
		raw_say(&raw, &letter);
	begin = before = session->bytes_in;
	while (session->bytes_in < begin + all) {
		event_base_loop(base, EVLOOP_ONCE);
		most = session->bytes_in - before > most ? session->bytes_in - before : most;
		before = session->bytes_in;
	}
	assert_int_equal(session->bytes_in, begin + all);
	assert_true(most >= len && most <= 3 * 64 * len);
	/* also when the other side has gone */
	letter.type = PROTO_WANT;
	letters_seen = 0;
	for (i = 0; i < 300; i++)
		raw_say(&raw, &letter);
	raw_say(&raw, &(struct proto_letter){ .type = PROTO_COUNTED });
	run_until(!evbuffer_get_length(bufferevent_get_output(raw.bev)), 20000);
	raw_close(&raw);
	run_until(!peer_of(1, 0)->session, 20000);
	assert_int_equal(letters_seen, 301);
}

/* Small letters that make the kernel work: an honest peer's pass, those of a flood end it. */
static void test_asks(void **state)
{
	const enum proto_type types[] = { PROTO_PING, PROTO_COUNTED, PROTO_HELLO };
	struct proto_letter letter;
	struct raw raw;
	size_t i;
	int n;

	(void)state;
	node_start(1);
	for (i = 0; i < 3; i++) {
		raw_greet(&raw, 1);
		run(1100);
		letter = hello_of(0);
		letter.type = types[i];
		if (letter.type != PROTO_HELLO)
			memset(&letter.ping, 0, sizeof(letter.ping));
		for (n = 0; n < 10; n++)
			raw_say(&raw, &letter);
		run(50);
		assert_false(raw.bye[0]);
		for (n = 0; n < 30; n++)
			raw_say(&raw, &letter);
		refused(&raw, NULL, "HELLO too often");
	}
}

/* This node connects to all that are announced: the oldest that does not get on makes room. */
static void test_flood_out(void **state)
{
	struct sockaddr_in6 to, local = { .sin6_family = AF_INET6 };
	struct session *oldest = NULL, *session;
	socklen_t len = sizeof(local);
	int fds[32][2], i, server;

	(void)state;
	node_start(1);
	local.sin6_addr = in6addr_loopback;
	server = socket(AF_INET6, SOCK_STREAM, 0);
	if (server < 0 || bind(server, (struct sockaddr *)&local, len) || listen(server, 8) ||
	    getsockname(server, (struct sockaddr *)&local, &len)) {
		close(server);
		skip(); /* no IPv6 here */
	}
	for (i = 0; i < 32; i++) {
		to = remote_of(100 + i);
		make_pair(fds[i]);
		session = session_start(port_of(1), fds[i][1], &to, true);
		oldest = oldest ? oldest : session;
	}
	session_connect(port_of(1), &local);
	assert_true(session_pending(port_of(1), &local));
	assert_true(oldest->closing);
	assert_false(session->closing);
	for (i = 0; i < 32; i++)
		close(fds[i][0]);
	close(server);
}

/* --- Discovery, on a real link --- */

/* The link-local address and index of an interface, once it may be used. */
static bool find_link(const char *name, struct kernel_link *link)
{
	char line[200], text[33], dev[IFNAMSIZ];
	unsigned int index, flags, i;
	bool found = false;
	FILE *file = fopen("/proc/net/if_inet6", "r");

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%32s %x %*x %*x %x %15s", text, &index, &flags, dev) != 4 ||
		    strcmp(dev, name) || strncmp(text, "fe80", 4) || flags & 0x40)
			continue;
		for (i = 0; i < 16; i++)
			sscanf(text + 2 * i, "%2hhx", &link->local[i]);
		link->ifindex = index;
		found = true;
	}
	if (file)
		fclose(file);
	strcpy(link->name, name);
	return found;
}

static void forge(int ifindex, int hops, const void *data, size_t len)
{
	struct sockaddr_in6 group = { .sin6_family = AF_INET6, .sin6_port = htons(4353) };
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	inet_pton(AF_INET6, DISCOVERY_GROUP, &group.sin6_addr);
	group.sin6_scope_id = ifindex;
	setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops));
	assert_int_equal(sendto(fd, data, len, 0, (struct sockaddr *)&group, sizeof(group)), len);
	close(fd);
}

static void check_forged(const struct kernel_link links[2])
{
	struct discovery_beacon beacon = { .magic = DISCOVERY_MAGIC, .version = 1 };
	struct sockaddr_in6 from = { .sin6_family = AF_INET6 };
	uint8_t junk[200] = { 0 };

	memset(beacon.address, 0xff, sizeof(beacon.address));
	beacon.port = htons(9); /* nobody is there */
	memcpy(&from.sin6_addr, links[1].local, 16);
	forge(links[1].ifindex, 64, &beacon, sizeof(beacon));
	forge(links[1].ifindex, 255, junk, sizeof(junk));
	forge(links[1].ifindex, 255, &beacon, sizeof(beacon) - 1);
	run(200);
	assert_false(session_pending(port_of(0), &from));
	/* only a link-local source */
	from.sin6_addr.s6_addr[0] = 0x20;
	discovery_heard(port_of(0), &from, &beacon, sizeof(beacon));
	assert_false(session_pending(port_of(0), &from));
	from.sin6_addr.s6_addr[0] = 0xfe;
	discovery_heard(port_of(0), &from, &beacon, sizeof(beacon));
	assert_true(session_pending(port_of(0), &from));
	run_until(!session_pending(port_of(0), &from), 20000);
	/* refused there: not again at once */
	discovery_heard(port_of(0), &from, &beacon, sizeof(beacon));
	assert_false(session_pending(port_of(0), &from));
	session_reload(&nodes[0].daemon, NULL);
}

static void discover(struct kernel_link links[2])
{
	int i;

	for (i = 0; i < 2; i++) {
		strcpy(nodes[i].port.interface, "v?");
		node_start_link(i, &links[i]);
	}
	run_until(keyed(0, 1), 20000);
	/* down and up: found again, keys anew, nobody was removed */
	links[0].up = false;
	port_link(&nodes[0].daemon, &links[0]);
	run_until(!peer_of(1, 0)->session && !peer_of(0, 1)->session, 20000);
	links[0].up = true;
	port_link(&nodes[0].daemon, &links[0]);
	run_until(keyed(0, 1), 20000);
	assert_int_equal(nodes[0].dels + nodes[1].dels, 0);
	check_forged(links);
	/* the one that connects restarts, then the one that is connected to */
	for (i = 0; i < 2; i++) {
		cut(i);
		node_stop(i);
		run(100);
		node_start_link(i, &links[i]);
		run_until(keyed(0, 1), 20000);
	}
	assert_int_equal(nodes[0].dels + nodes[1].dels, 0);
	assert_int_equal(drops_seen, 0);
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* A network namespace of its own, as root or as root of a user namespace of its own. */
static bool own_network(void)
{
	char map[64];

	if (!unshare(CLONE_NEWNET))
		return true;
	snprintf(map, sizeof(map), "0 %u 1\n", geteuid());
	return !unshare(CLONE_NEWUSER | CLONE_NEWNET) && write_file("/proc/self/uid_map", map);
}

/* Last of all: the process stays in its network. */
static void test_discovery(void **state)
{
	static const char *const names[] = { "va", "vb" };
	struct kernel_link links[2] = { { .up = true }, { .up = true } };
	int i;

	(void)state;
	if (!own_network()) {
		print_message("no network namespace may be made here\n");
		skip();
	}
	assert_int_equal(system("ip link add va type veth peer name vb && ip link set va up && "
				"ip link set vb up && ip link set lo up"), 0);
	for (i = 0; i < 2; i++) {
		run_until(find_link(names[i], &links[i]), 20000);
		links[i].lladdr[0] = 2;
		links[i].lladdr[5] = i;
	}
	discover(links);
}

static int tear_down_all(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < NODES; i++)
		unlink(nodes[i].path);
	return rmdir(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_keys),
		TEST(test_silence),
		TEST(test_rotation),
		TEST(test_twenty),
		TEST(test_restart),
		TEST(test_sweep),
		TEST(test_replace),
		TEST(test_stranger),
		TEST(test_revoked),
		TEST(test_terms),
		TEST(test_port),
		TEST(test_no_auth),
		TEST(test_bye),
		TEST(test_tls),
		TEST(test_first_letter),
		TEST(test_bytes),
		TEST(test_stray_letters),
		TEST(test_many_keys),
		TEST(test_no_ack),
		TEST(test_denied_at_rotation),
		TEST(test_pause),
		TEST(test_moves),
		TEST(test_same_mac),
		TEST(test_slow_reader),
		TEST(test_flood),
		TEST(test_turns),
		TEST(test_asks),
		TEST(test_flood_out),
		TEST(test_discovery),
	};

	if (getenv("ONLY"))
		cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
