// SPDX-License-Identifier: GPL-2.0
/*
 * What does it take two nodes to find what one has and the other lacks?
 *
 *	reconcile DIR ROUNDS
 *
 * Two whole daemons in one process on one event loop, with a session over the loopback and a store
 * each, of 1,000 or 100,000 messages, of which 10 or 1,000 are only here or only there, half of
 * them each. Measured is a round of sync.c, from the leader's wish until it has DIFF, after which
 * both know what to give, want and send: the time of both sides on one core, and the bytes of all
 * letters both ways.
 *
 * In the same round, who is first alternating, all digests are sent instead, as well as it can be
 * done: the one walks its store and sends the first 16 bytes of each, sorted as they are, over bare
 * TLS, the other one walks its own and merges, and answers with the ids of both parts of the
 * difference. Its bytes are counted, and what they would be with whole digests of 64 bytes.
 *
 * Time says little of a radio link, where bytes are what costs; it says what a round takes away
 * from all else that the daemon does. Messages are not given: those that are to be are taken out
 * of the stores when the clock has stopped, and put back.
 */
#include "daemon/reconcile.h"
#include "daemon/sync.h"
#include "node.h"
#include "tls.h"

/* messages that are only here, and only there */
static const unsigned int differences[] = { 5, 500 };
static const unsigned int sizes[] = { 1000, 100000 };

#define MOST 500

static struct node nodes[2];
static uint64_t began;

/* Those of a side alone. */
static struct store_item items[2][MOST];
static uint8_t messages[2][MOST][MESSAGE_LEN];

/**
 * struct ids - ids of a store, ascending
 * @ids: PROTO_ID_LEN bytes each
 * @count: their number
 */
struct ids {
	uint8_t	*ids;
	size_t	count;
};

static void add(struct node *node, const struct store_item *item)
{
	struct cs_error error = { "" };

	if (store_add(node->daemon.store, item, began, &error) != STORE_ADDED)
		bench_die("store_add", error.text);
}

static void commit(struct node *node)
{
	struct cs_error error = { "" };

	bench_must(store_commit(node->daemon.store, &error), "store_commit", &error);
}

static void fill(unsigned int size)
{
	static uint8_t message[MESSAGE_LEN];
	struct store_item item;
	unsigned int i;

	for (i = 0; i < size; i++) {
		bench_message(&item, message, i, began);
		add(&nodes[0], &item);
		add(&nodes[1], &item);
		if (i % 1000 == 0) {
			commit(&nodes[0]);
			commit(&nodes[1]);
		}
	}
	commit(&nodes[0]);
	commit(&nodes[1]);
}

static void make_difference(void)
{
	unsigned int side, i;

	for (side = 0; side < 2; side++)
		for (i = 0; i < MOST; i++)
			bench_message(&items[side][i], messages[side][i],
				      1000000 + side * MOST + i, began);
}

static void differ(unsigned int difference)
{
	unsigned int side, i;

	for (side = 0; side < 2; side++) {
		for (i = 0; i < difference; i++)
			add(&nodes[side], &items[side][i]);
		commit(&nodes[side]);
	}
}

static void agree(unsigned int difference)
{
	unsigned int side, i;

	for (side = 0; side < 2; side++) {
		for (i = 0; i < difference; i++)
			bench_must(store_del(nodes[side].daemon.store, items[side][i].digest),
				   "store_del", NULL);
		commit(&nodes[side]);
	}
}

static struct peer *peer_of(int side)
{
	struct peer *peer = node_peer(&nodes[side], &nodes[!side]);

	if (!peer || !peer->session)
		bench_die("session", "it is gone");
	return peer;
}

static bool joined(void *data)
{
	(void)data;
	return node_keyed(&nodes[0], &nodes[1]) && node_keyed(&nodes[1], &nodes[0]) &&
	       peer_of(0)->sync.rounds && peer_of(1)->sync.rounds;
}

static bool reconciled(void *data)
{
	const uint64_t *rounds = data;

	return peer_of(0)->sync.rounds > rounds[0] && peer_of(1)->sync.rounds > rounds[1];
}

static bool given(void *data)
{
	(void)data;
	return !peer_of(0)->sync.tail && !peer_of(1)->sync.tail;
}

/* A round; *bytes gets those of its letters. */
static double run_round(unsigned int difference, uint64_t *bytes)
{
	struct session *session = peer_of(0)->session;
	uint64_t rounds[2], before = session->bytes_in + session->bytes_out;
	double start;
	int side;

	for (side = 0; side < 2; side++)
		rounds[side] = peer_of(side)->sync.rounds;
	start = bench_seconds();
	sync_now(peer_of(0));
	node_until(reconciled, rounds, "reconciliation");
	start = bench_seconds() - start;
	*bytes = session->bytes_in + session->bytes_out - before;
	agree(difference);
	node_until(given, NULL, "end of what is to be given");
	node_rest(0.02);
	return start;
}

static int collect(const struct store_item *item, void *data)
{
	struct ids *ids = data;

	memcpy(ids->ids + ids->count++ * PROTO_ID_LEN, item->digest, PROTO_ID_LEN);
	return 0;
}

static struct ids walk(struct node *node, size_t room)
{
	struct ids ids = { bench_alloc(room * PROTO_ID_LEN), 0 };

	if (store_each(node->daemon.store, collect, &ids))
		bench_die("store_each", "it failed");
	return ids;
}

/* Ids that are in one set only. */
static size_t merge(const struct ids *a, const struct ids *b, uint8_t *out)
{
	size_t i = 0, j = 0, n = 0;
	int order;

	while (i < a->count || j < b->count) {
		order = i == a->count ? 1 : j == b->count ? -1 :
			memcmp(a->ids + i * PROTO_ID_LEN, b->ids + j * PROTO_ID_LEN, PROTO_ID_LEN);
		if (order)
			memcpy(out + n++ * PROTO_ID_LEN, order < 0 ? a->ids + i * PROTO_ID_LEN :
			       b->ids + j * PROTO_ID_LEN, PROTO_ID_LEN);
		i += order <= 0;
		j += order >= 0;
	}
	return n;
}

/* All ids instead; *bytes gets those of ids. */
static double run_all(struct tls_pair *pair, unsigned int difference, size_t room,
		      uint64_t *bytes)
{
	uint8_t *found = bench_alloc(room * PROTO_ID_LEN), *copy = bench_alloc(room * PROTO_ID_LEN);
	double start = bench_seconds();
	struct ids here = walk(&nodes[0], room), there, came;
	size_t n;

	came = (struct ids){ bench_alloc(room * PROTO_ID_LEN), here.count };
	tls_pass(pair, 0, here.ids, came.ids, here.count * PROTO_ID_LEN);
	there = walk(&nodes[1], room);
	n = merge(&came, &there, found);
	tls_pass(pair, 1, found, copy, n * PROTO_ID_LEN);
	start = bench_seconds() - start;
	if (n != 2 * difference)
		bench_die("all digests", "their difference is another one");
	*bytes = (here.count + n) * PROTO_ID_LEN;
	free(here.ids);
	free(there.ids);
	free(came.ids);
	free(found);
	free(copy);
	return start;
}

static void measure(struct tls_pair *pair, int round, unsigned int size, unsigned int difference)
{
	double mine = 0, all;
	char name[32];
	uint64_t bytes = 0, all_bytes;

	snprintf(name, sizeof(name), "%u_%u", size, 2 * difference);
	if (round % 2 == 0) {
		differ(difference);
		mine = run_round(difference, &bytes);
	}
	differ(difference);
	all = run_all(pair, difference, size + MOST, &all_bytes);
	if (round % 2)
		mine = run_round(difference, &bytes);
	else
		agree(difference);
	bench_note(round, mine * 1000, "reconcile_%s", name);
	bench_note(round, all * 1000, "reconcile_all_%s", name);
	bench_note(round, bytes, "reconcile_bytes_%s", name);
	bench_note(round, all_bytes, "reconcile_all_bytes_%s", name);
	bench_note(round, all_bytes / PROTO_ID_LEN * CS_DIGEST_LEN, "reconcile_all_whole_%s",
		   name);
}

static void run_size(unsigned int size, int number)
{
	static const char config[] =
		"auth = \"required\"; terms = \"free\"; } ); trust = { mode = \"open\"; };"
		"store = { reconcile = \"1d\"; age = \"1d\"; }; sessions = { timeout = \"1h\"; };";
	struct ssl_ctx_st *tls[2];
	struct tls_pair pair;
	size_t i;
	int round;

	memset(nodes, 0, sizeof(nodes));
	for (i = 0; i < 2; i++) {
		node_open(&nodes[i], 2 * number + i, config, NULL);
		tls[i] = tls_context(&nodes[i].daemon.identity);
	}
	/* the first one leads */
	if (!daemon_leads(&nodes[0].daemon, nodes[1].daemon.identity.address)) {
		for (i = 0; i < 2; i++)
			node_close(&nodes[i]);
		memset(nodes, 0, sizeof(nodes));
		for (i = 0; i < 2; i++)
			node_open(&nodes[i], 2 * number + !i, config, NULL);
	}
	fill(size);
	node_join(&nodes[0], &nodes[1]);
	node_until(joined, NULL, "first reconciliation");
	tls_open(&pair, tls[0], tls[1]);
	for (round = 0; round <= bench_rounds; round++)
		for (i = 0; i < sizeof(differences) / sizeof(*differences); i++)
			measure(&pair, round, size, differences[i]);
	tls_close(&pair);
	for (i = 0; i < 2; i++) {
		SSL_CTX_free(tls[i]);
		node_close(&nodes[i]);
	}
}

int main(int argc, char **argv)
{
	size_t i;

	bench_begin(argc, argv);
	began = daemon_now();
	make_difference();
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		run_size(sizes[i], i);
	return 0;
}
