// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of store and forward: whole daemons whose stores differ come to hold the same, at a
 * cost that is that of the difference, within their quotas.
 *
 * Node 0 has the lowest address, and leads.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/nodes.h"

#define KB	1000

static const uint8_t somewhere[CS_ADDR_LEN] = { 0xfd, 1 };
static uint8_t bytes[MESSAGE_MOST];

static struct store_item message(size_t size)
{
	struct store_item item;

	make_message(&item, bytes, size, somewhere, daemon_now() + 3600);
	item.arrived = daemon_now();
	item.hops = CS_HOPS_UNLIMITED;
	return item;
}

/* So many messages for each of the nodes of a set, a bit each. */
static void give(unsigned int set, size_t count, size_t size)
{
	struct store_item item;
	int i;

	while (count--) {
		item = message(size);
		for (i = 0; i < NODES; i++)
			if (set & 1 << i)
				node_store(i, &item);
	}
}

static uint64_t rounds(int i, int j)
{
	const struct peer *peer = node_peer(i, j);

	return peer ? peer->sync.rounds : 0;
}

static struct sync *sync_of(int i, int j)
{
	return &node_peer(i, j)->sync;
}

static int look(const struct store_item *item, void *data)
{
	return node_holds(*(int *)data, item->digest) ? 0 : 1;
}

/* Both hold all that either holds. */
static bool same(int i, int j)
{
	return node_messages(i) == node_messages(j) &&
	       !store_each(nodes[i].daemon.store, look, &j);
}

/* So many rounds more, one after the other. */
static void more_rounds(int i, int j, unsigned int count)
{
	uint64_t had;

	while (count--) {
		had = rounds(i, j);
		sync_now(node_peer(i, j));
		run_until(rounds(i, j) > had, 20000);
		nodes_run(50);
	}
}

/* --- What it costs --- */

/*
 * Two stores of @all messages, of which each has half of @differ for itself. Bytes of symbols and
 * ids that it took, both ways.
 */
static uint64_t reconcile(size_t all, size_t differ)
{
	uint64_t cost;

	nodes[0].daemon.config.store.reconcile = 3600;
	nodes[1].daemon.config.store.reconcile = 3600;
	node_start(0);
	node_start(1);
	give(3, all - differ, 150);
	give(1, differ / 2, 150);
	give(2, differ - differ / 2, 150);
	nodes_pair(0, 1);
	run_until(rounds(0, 1) == 1 && node_messages(0) == all && node_messages(1) == all, 60000);
	assert_true(same(0, 1));
	nodes_run(50);
	assert_int_equal(sync_of(0, 1)->given, differ / 2);
	assert_int_equal(sync_of(1, 0)->given, differ - differ / 2);
	assert_int_equal(sync_of(0, 1)->got, differ - differ / 2);
	assert_int_equal(sync_of(1, 0)->got, differ / 2);
	assert_int_equal(rounds(1, 0), 1);
	cost = sync_of(0, 1)->symbols_bytes;
	nodes_tear_down(NULL);
	nodes_set_up(NULL);
	return cost;
}

static void test_cost(void **state)
{
	static const size_t alls[] = { 1000, 20000 }, differs[] = { 0, 10, 1000 };
	uint64_t costs[2][3];
	int i, j;

	(void)state;
	for (i = 0; i < 2; i++)
		for (j = 0; j < 3; j++) {
			costs[i][j] = reconcile(alls[i], differs[j]);
			print_message("%zu of %zu differ: %llu bytes\n", differs[j], alls[i],
				      (unsigned long long)costs[i][j]);
		}
	for (i = 0; i < 2; i++) {
		/* the first symbols, and at most some 80 bytes for each that differs */
		assert_in_range(costs[i][0], 32 * 28, 32 * 28 + 28);
		assert_in_range(costs[i][1], 32 * 28, 32 * 28 + 10 * 16 + 32 * 28);
		assert_in_range(costs[i][2], 1000 * 28, 1000 * 85);
	}
	/* not of what is the same */
	assert_true(costs[1][2] < costs[0][2] * 3 / 2);
}

/* More than goes into a letter, one way and the other. */
static void test_many(void **state)
{
	(void)state;
	nodes[0].daemon.config.store.reconcile = 3600;
	node_start(0);
	node_start(1);
	give(1, PROTO_IDS_MAX + 100, 130);
	give(2, PROTO_IDS_MAX + 100, 130);
	nodes_pair(0, 1);
	run_until(node_messages(0) == 2 * (PROTO_IDS_MAX + 100) &&
		  node_messages(1) == 2 * (PROTO_IDS_MAX + 100), 60000);
	assert_true(same(0, 1));
	assert_true(sync_of(0, 1)->given + sync_of(1, 0)->given < 4 * PROTO_IDS_MAX);
}

/* --- What is given --- */

/* What has arrived, has expired or may go no further is not; hops are counted. */
static void test_passes(void **state)
{
	static const struct {
		uint8_t flags, hops, arrives;
		int lives;
		bool passes;
	} cases[] = {
		{ 0, 255, 255, 3600, true }, { 0, 2, 1, 3600, true }, { 0, 1, 0, 3600, true },
		{ 0, 0, 0, 3600, false }, { STORE_OWN, 0, 0, 3600, true },
		{ STORE_OWN, 7, 7, 3600, true }, { STORE_LOCAL, 255, 0, 3600, false },
		{ STORE_DELIVERED, 255, 0, 3600, false }, { STORE_EARNS, 255, 255, 3600, true },
		{ 0, 255, 0, 2, false },
	};
	enum { N = sizeof(cases) / sizeof(*cases) };
	struct store_item items[N], found;
	size_t i, passing = 0;

	(void)state;
	node_start(0);
	node_start(1);
	for (i = 0; i < N; i++) {
		make_message(&items[i], bytes, 500, somewhere, daemon_now() + cases[i].lives);
		items[i].arrived = daemon_now();
		items[i].flags = cases[i].flags;
		items[i].hops = cases[i].hops;
		node_store(0, &items[i]);
		passing += cases[i].passes;
	}
	nodes_run(2500);
	nodes_pair(0, 1);
	run_until(node_messages(1) == passing, 20000);
	more_rounds(0, 1, 3);
	assert_int_equal(node_messages(1), passing);
	for (i = 0; i < N; i++) {
		assert_int_equal(node_holds(1, items[i].digest), cases[i].passes);
		if (!cases[i].passes)
			continue;
		assert_int_equal(store_get(nodes[1].daemon.store, items[i].digest, &found), 0);
		assert_int_equal(found.hops, cases[i].arrives);
		assert_int_equal(found.flags, 0);
		assert_memory_equal(found.peer, nodes[0].daemon.identity.address, CS_ADDR_LEN);
	}
	/* each once */
	assert_int_equal(sync_of(0, 1)->given, passing);
}

/* What goes into the store goes into the kernel, which forwards it to others by its own rule. */
static void test_inject(void **state)
{
	const struct fake_frame *frame;
	struct store_item item;
	struct cs_frame parsed;

	(void)state;
	node_start(0);
	node_start(1);
	item = message(700);
	item.hops = 9;
	node_store(1, &item);
	nodes_pair(0, 1);
	run_until(node_holds(0, item.digest), 20000);
	frame = fake_frame(nodes[0].daemon.kernel, 0);
	assert_non_null(frame);
	assert_null(fake_frame(nodes[0].daemon.kernel, 1));
	assert_int_equal(cs_frame_parse(frame->data, frame->len, CS_ETHERTYPE, &parsed), 0);
	assert_int_equal(parsed.to[0], 0xff);
	assert_int_equal(parsed.link.hops_left, 7);
	assert_int_equal(parsed.link.contract, 0);
	assert_memory_equal(parsed.message.digest, item.digest, CS_DIGEST_LEN);
	assert_int_equal(intake_stats(&nodes[0].daemon)->injected, 1);
}

/* --- Rounds --- */

/* Along a line, though the ends never meet; and to who comes later. */
static void test_line(void **state)
{
	(void)state;
	nodes_pair(0, 1);
	nodes_pair(1, 2);
	give(1, 40, 300);
	give(4, 40, 300);
	run_until(node_messages(0) == 80 && node_messages(1) == 80 && node_messages(2) == 80,
		  20000);
	nodes_pair(2, 3);
	run_until(node_messages(3) == 80, 20000);
	assert_true(same(0, 3));
	/* each got each once; in a second round nothing passes */
	more_rounds(0, 1, 2);
	more_rounds(1, 2, 2);
	more_rounds(2, 3, 2);
	assert_int_equal(sync_of(1, 0)->got, 40);
	assert_int_equal(sync_of(3, 2)->got, 80);
	assert_int_equal(sync_of(2, 3)->got, 0);
}

/* Messages that the daemon was too slow for come from the peers, at once. */
static void test_missed(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 2; i++)
		nodes[i].daemon.config.store.reconcile = 3600;
	nodes_pair(0, 1);
	run_until(rounds(0, 1) == 1, 20000);
	/* who leads, and who does not */
	give(2, 5, 300);
	fake_missed(nodes[0].daemon.kernel, 5);
	run_until(node_messages(0) == 5, 5000);
	give(1, 5, 300);
	fake_missed(nodes[1].daemon.kernel, 5);
	run_until(node_messages(1) == 10, 5000);
	assert_int_equal(intake_stats(&nodes[0].daemon)->missed, 5);
}

/* A session ends in the middle: the next one finds the rest. */
static void test_interrupted(void **state)
{
	int times;

	(void)state;
	nodes[0].daemon.config.store.out = 300 * KB;
	node_start(0);
	give(1, 1000, 1400);
	nodes_pair(0, 1);
	for (times = 0; times < 3; times++) {
		run_until(node_messages(1) > 200u * (times + 1), 20000);
		session_close(node_peer(times % 2, 1 - times % 2)->session, "a test");
		run_until(!node_peer(0, 1)->session && !node_peer(1, 0)->session, 20000);
		assert_true(node_messages(1) < 1000);
		nodes_pair(0, 1);
	}
	nodes[0].daemon.config.store.out = 0;
	run_until(node_messages(1) == 1000, 20000);
	assert_true(same(0, 1));
}

/* --- Quotas of bytes a second --- */

/* What is taken is asked for as it may come: nothing is thrown away, also of a slow giver. */
static void test_quota_in(void **state)
{
	uint64_t began, took;

	(void)state;
	nodes[1].daemon.config.store.in = 200 * KB;
	nodes[0].daemon.config.store.reconcile = 1;
	node_start(0);
	node_start(1);
	give(1, 400, 1400); /* 560 kB, of which the first second's worth may come at once */
	began = nodes_msec();
	nodes_pair(0, 1);
	run_until(node_messages(1) == 400, 30000);
	took = nodes_msec() - began;
	assert_in_range(took, 1700, 6000);
	/* a new round may ask again for what is under way */
	assert_true(sync_of(0, 1)->given < 400 + 130 * rounds(0, 1));
	assert_int_equal(sync_of(1, 0)->got, sync_of(0, 1)->given);
	assert_true(intake_stats(&nodes[1].daemon)->limited < 20);
}

/* What waits at the giver is not asked for, and sent, again and again. */
static void test_quota_out(void **state)
{
	uint64_t began, took;

	(void)state;
	nodes[0].daemon.config.store.out = 200 * KB;
	node_start(0);
	node_start(1);
	give(1, 400, 1400);
	began = nodes_msec();
	nodes_pair(0, 1);
	run_until(node_messages(1) == 400, 30000);
	took = nodes_msec() - began;
	assert_in_range(took, 1700, 6000);
	assert_true(rounds(0, 1) >= 2);
	nodes_run(1500);
	assert_true(sync_of(0, 1)->given < 440);
}

/* What finds no room is not asked for, round after round; and what came does not go for it. */
static void test_full(void **state)
{
	struct store_stats stats;
	uint64_t given;

	(void)state;
	nodes[1].daemon.config.store.bytes = 1 << 20;
	nodes[1].daemon.config.store.share = 50;
	node_start(0);
	node_start(1);
	give(1, 1000, 1400);
	nodes_pair(0, 1);
	run_until(rounds(0, 1) >= 1, 20000);
	more_rounds(0, 1, 2);
	given = sync_of(0, 1)->given;
	assert_in_range(node_messages(1), 300, 500);
	more_rounds(0, 1, 3);
	/* but for a last one, since what a message takes is known about */
	assert_in_range(sync_of(0, 1)->given, given, given + 3);
	store_stats(nodes[1].daemon.store, &stats);
	assert_true(stats.evicted + stats.refused < 20);
	/* when there is room again it goes on */
	nodes[1].daemon.config.store.bytes = 4 << 20;
	assert_int_equal(store_configure(nodes[1].daemon.store, &nodes[1].daemon.config.store,
					 NULL), 0);
	run_until(node_messages(1) == 1000, 20000);
}

/* A quota that was raised holds at once, whatever is owed. */
static void test_quota_raised(void **state)
{
	(void)state;
	nodes[0].daemon.config.store.out = 1;
	node_start(0);
	node_start(1);
	give(1, 50, 1400);
	nodes_pair(0, 1);
	run_until(node_messages(1) == 1, 20000);
	nodes_run(1500);
	assert_int_equal(node_messages(1), 1);
	nodes[0].daemon.config.store.out = 1000 * KB;
	run_until(node_messages(1) == 50, 5000);
}

/* --- What was delivered --- */

/*
 * Who was away comes back with messages that arrived meanwhile: it is told, each notice once, and
 * the session outlives it. It takes 26 MB to tell each message's notice for itself.
 */
static void test_delivered(void **state)
{
	enum { COUNT = 6000, BATCH = 60 };
	struct store_notice notice = { .expiry = daemon_now() + 3600, .proven = true };
	uint8_t batch[BATCH][CS_DIGEST_LEN], signed_bytes[8 + sizeof(batch)], *encoded;
	struct proto_letter cancel = { .type = PROTO_CANCEL };
	struct identity receiver;
	struct store_item item;
	char path[256];
	size_t i, j, len;

	(void)state;
	node_start(0);
	node_start(1);
	snprintf(path, sizeof(path), "%s/receiver", nodes[3].dir);
	assert_int_equal(identity_open(&receiver, path, NULL), 0);
	memcpy(cancel.cancel.public, receiver.public, IDENTITY_PUBLIC_LEN);
	memcpy(notice.address, receiver.address, CS_ADDR_LEN);
	cancel.cancel.expiry = notice.expiry;
	cancel.cancel.digests = batch[0];
	cancel.cancel.nr_digests = BATCH;
	for (i = 0; i < 8; i++)
		signed_bytes[i] = notice.expiry >> (56 - 8 * i);
	for (i = 0; i < COUNT; i++) {
		make_message(&item, bytes, 150, receiver.address, notice.expiry);
		item.arrived = daemon_now();
		item.hops = CS_HOPS_UNLIMITED;
		node_store(0, &item);
		memcpy(batch[i % BATCH], item.digest, CS_DIGEST_LEN);
		if (i % BATCH != BATCH - 1)
			continue;
		memcpy(signed_bytes + 8, batch, sizeof(batch));
		assert_int_equal(identity_sign(&receiver, "crowdshare cancel v1", signed_bytes,
					       sizeof(signed_bytes), cancel.cancel.signature), 0);
		assert_int_equal(proto_encode(&cancel, &encoded, &len), 0);
		notice.letter = encoded + 4;
		notice.len = len - 4;
		for (j = 0; j < BATCH; j++)
			assert_int_equal(store_cancel(nodes[1].daemon.store, batch[j], &notice), 0);
		free(encoded);
	}
	identity_close(&receiver);
	nodes_pair(0, 1);
	run_until(node_messages(0) == 0, 30000);
	assert_true(nodes_up(0, 1));
	assert_int_equal(node_messages(1), 0);
	/* each notice once, but for those that come twice as there is more than one round */
	assert_true(node_peer(1, 0)->session->bytes_out < 2 * COUNT / BATCH * 4500);
}

/* --- A peer that means ill --- */

static void says(int to, int from, struct proto_letter *letter)
{
	sync_letter(node_peer(to, from), letter);
	nodes_run(4);
	assert_true(nodes_up(to, from));
}

static void test_hostile_messages(void **state)
{
	struct proto_letter letter = { .type = PROTO_MESSAGE };
	struct cs_msg_hdr *hdr = (struct cs_msg_hdr *)bytes;
	struct store_item item;
	uint64_t bad;
	int i;

	(void)state;
	nodes_pair(0, 1);
	for (i = 0; i < 7; i++) {
		item = message(300);
		letter.message = (struct proto_message){ .hops = 255, .message = bytes,
							 .len = 300 };
		bad = intake_stats(&nodes[1].daemon)->bad;
		if (i < 4) {
			if (!i)
				hdr->digest[0]++;
			else if (i == 1)
				bytes[200]++;
			else if (i == 2)
				letter.message.len--;
			else
				letter.message.len = 119;
		} else if (i == 4) { /* lives for longer than any may */
			make_message(&item, bytes, 300, somewhere, daemon_now() + 90000);
		} else if (i == 5) { /* dead */
			make_message(&item, bytes, 300, somewhere, daemon_now());
		} else { /* flags that nobody knows */
			hdr->flags = 1;
		}
		says(1, 0, &letter);
		assert_int_equal(node_messages(1), 0);
		assert_int_equal(intake_stats(&nodes[1].daemon)->bad - bad, i < 4 || i == 6);
		assert_int_equal(intake_stats(&nodes[1].daemon)->injected, 0);
	}
	item = message(300);
	letter.message = (struct proto_message){ .hops = 255, .message = bytes, .len = 300 };
	says(1, 0, &letter);
	assert_true(node_holds(1, item.digest));
	says(1, 0, &letter); /* again */
	assert_int_equal(intake_stats(&nodes[1].daemon)->injected, 1);
}

static void test_hostile_rounds(void **state)
{
	static uint8_t noise[8192 * PROTO_SYMBOL_LEN];
	struct proto_letter letter = { .type = PROTO_RECONCILE };
	struct store_item item;
	uint32_t i;
	int type;

	(void)state;
	node_start(0);
	node_start(1);
	give(3, 100, 200);
	nodes_pair(0, 1);
	run_until(rounds(0, 1) >= 1, 20000);
	random_bytes(noise, sizeof(noise));
	for (i = 0; i < 40; i++) {
		letter = (struct proto_letter){ .type = PROTO_RECONCILE };
		letter.symbols.round = i;
		letter.symbols.symbols = noise;
		letter.symbols.len = (1 + random_word() % 8000) * PROTO_SYMBOL_LEN;
		says(i % 2, 1 - i % 2, &letter);
		letter.type = PROTO_SYMBOLS;
		says(i % 2, 1 - i % 2, &letter);
		for (type = 0; type < 2; type++) {
			letter = (struct proto_letter){ .type = PROTO_DIFF };
			letter.diff.round =
				random_word() % 3 ? sync_of(i % 2, 1 - i % 2)->round : i;
			letter.diff.yours = noise;
			letter.diff.nr_yours = random_word() % 5000;
			letter.diff.mine = noise;
			letter.diff.nr_mine = random_word() % 5000;
			says(i % 2, 1 - i % 2, &letter);
			letter = (struct proto_letter){ .type = PROTO_WANT };
			letter.want.round = i;
			letter.want.ids = noise;
			letter.want.nr_ids = PROTO_IDS_MAX / 2;
			says(i % 2, 1 - i % 2, &letter);
			letter = (struct proto_letter){ .type = PROTO_MORE };
			letter.more.round = sync_of(i % 2, 1 - i % 2)->round;
			letter.more.count = type ? UINT32_MAX : 0;
			says(i % 2, 1 - i % 2, &letter);
		}
	}
	/* nothing came of it, and an honest round still does its work */
	assert_int_equal(node_messages(0), 100);
	assert_int_equal(node_messages(1), 100);
	item = message(300);
	node_store(0, &item);
	run_until(node_holds(1, item.digest), 20000);
}

/* Small letters that each ask for a round: few are walks through the store, and the last one is. */
static void test_hostile_haste(void **state)
{
	static const uint8_t noise[PROTO_SYMBOL_LEN] = { 1, [PROTO_SYMBOL_LEN - 1] = 1 };
	struct proto_letter letter = { .type = PROTO_RECONCILE };
	uint64_t began, had;
	uint32_t round;

	(void)state;
	nodes[0].daemon.config.store.reconcile = 3600;
	nodes[1].daemon.config.store.reconcile = 3600;
	nodes_pair(0, 1);
	run_until(rounds(0, 1) == 1 && rounds(1, 0) == 1, 20000);
	nodes_run(50);
	had = sync_of(1, 0)->symbols_bytes;
	began = nodes_msec();
	letter.symbols.symbols = noise;
	letter.symbols.len = sizeof(noise);
	for (letter.symbols.round = 100; letter.symbols.round < 200; letter.symbols.round++)
		sync_letter(node_peer(1, 0), &letter);
	run_until(sync_of(1, 0)->set && !sync_of(1, 0)->first, 3000);
	assert_int_equal(sync_of(1, 0)->round, 199);
	assert_in_range(sync_of(1, 0)->symbols_bytes - had, sizeof(noise),
			(3 + 2 * (nodes_msec() - began) / 1000) * sizeof(noise));
	/* who leads is asked for one after the other */
	round = sync_of(0, 1)->round;
	letter = (struct proto_letter){ .type = PROTO_MORE };
	for (began = nodes_msec(); nodes_msec() < began + 1500;)
		says(0, 1, &letter);
	assert_in_range(sync_of(0, 1)->round - round, 1, 5);
}

/* A round that goes on and on, a letter at a time, holds up others for a while, and no longer. */
static void test_hostile_pace(void **state)
{
	struct proto_letter letter = { .type = PROTO_MORE };
	struct sync *slow;

	(void)state;
	nodes_pair(0, 1);
	nodes_pair(0, 2);
	run_until(rounds(0, 1) >= 1 && rounds(0, 2) >= 1, 20000);
	/* it does not answer any more */
	node_peer(1, 0)->state = CROWDSHARE_PEER_CONTRACT;
	slow = sync_of(0, 1);
	run_until(slow->set, 5000);
	give(1, 5, 300);
	letter.more = (struct proto_more){ .round = slow->round, .count = 1 };
	stays((says(0, 1, &letter), slow->set && !node_messages(2)), 2500);
	slow->opened -= 60000000000ull;
	run_until((says(0, 1, &letter), node_messages(2) == 5), 5000);
}

/* A session was faster than the ring: it is who gave the frame that gave the message. */
static void test_given_first(void **state)
{
	struct store_item item = message(300), kept;
	static uint8_t frame[2000];
	size_t len;

	(void)state;
	nodes_pair(0, 1);
	nodes_pair(1, 2);
	node_store(0, &item);
	run_until(node_holds(1, item.digest), 90000);
	assert_int_equal(store_get(nodes[1].daemon.store, item.digest, &kept), 0);
	assert_memory_equal(kept.peer, nodes[0].daemon.identity.address, CS_ADDR_LEN);
	len = intake_frame_of(&nodes[2].daemon, &item, node_lladdr(1), 9, 0, frame, sizeof(frame));
	memcpy(frame + KERNEL_LLADDR_LEN, node_lladdr(2), KERNEL_LLADDR_LEN);
	fake_receive(nodes[1].daemon.kernel, frame, len, false);
	assert_int_equal(store_get(nodes[1].daemon.store, item.digest, &kept), 0);
	assert_memory_equal(kept.peer, nodes[2].daemon.identity.address, CS_ADDR_LEN);
	assert_int_equal(node_messages(1), 1);
}

/* --- Where TCP hardly gets on --- */

static bool lossy;

bool __wrap_session_lossy(struct session *session);

/* What the linker has the daemon call: loopback loses nothing. */
bool __wrap_session_lossy(struct session *session)
{
	(void)session;
	return lossy;
}

static bool every_second(int from, int to, size_t nth)
{
	(void)from;
	(void)to;
	return nth % 2;
}

/*
 * Messages go in frames, of which half get lost, and all arrive long before the next round would be
 * due; only what the other kernel knows already goes over the session.
 */
static void test_frames(void **state)
{
	struct store_item known = message(300);

	(void)state;
	lossy = true;
	nodes_wire = every_second;
	nodes[0].daemon.config.store.reconcile = 3600;
	nodes[1].daemon.config.store.reconcile = 3600;
	node_start(0);
	node_start(1);
	node_store(0, &known);
	assert_int_equal(nodes[1].daemon.kernel->ops->remember(nodes[1].daemon.kernel,
							       known.digest, 3600, NULL), 0);
	give(1, 40, 300);
	give(2, 1, 300);
	nodes_pair(0, 1);
	run_until(same(0, 1), 30000);
	assert_int_equal(node_messages(1), 42);
	assert_in_range(nodes[0].moved, 41, 41 * SYNC_FRAMES);
	assert_true(sync_of(1, 0)->got >= 1 && sync_of(1, 0)->got <= 41 / 4);
	lossy = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODES_TEST(test_cost),
		NODES_TEST(test_many),
		NODES_TEST(test_passes),
		NODES_TEST(test_inject),
		NODES_TEST(test_line),
		NODES_TEST(test_missed),
		NODES_TEST(test_interrupted),
		NODES_TEST(test_quota_in),
		NODES_TEST(test_quota_out),
		NODES_TEST(test_full),
		NODES_TEST(test_quota_raised),
		NODES_TEST(test_delivered),
		NODES_TEST(test_given_first),
		NODES_TEST(test_frames),
		NODES_TEST(test_hostile_messages),
		NODES_TEST(test_hostile_rounds),
		NODES_TEST(test_hostile_haste),
		NODES_TEST(test_hostile_pace),
	};

	return nodes_main("sync", tests, sizeof(tests) / sizeof(*tests));
}
