// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of notices of delivery: whole daemons, of which node 2 is the destination unless a
 * test says otherwise.
 *
 *	0 ---- 1 ---- 2 (---- 3)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/nodes.h"

#define CONTEXT "crowdshare cancel v1"

static uint8_t bytes[MESSAGE_MOST];

static const uint8_t *address_of(int i)
{
	return nodes[i].daemon.identity.address;
}

static struct store_item message(const uint8_t *destination, uint8_t flags)
{
	struct store_item item;

	make_message(&item, bytes, 400, destination, daemon_now() + 3600);
	item.arrived = daemon_now();
	item.hops = CS_HOPS_UNLIMITED;
	item.flags = flags;
	return item;
}

static void start(int n)
{
	int i;

	for (i = 0; i < n; i++)
		node_start(i);
}

static void line(int n)
{
	int i;

	for (i = 1; i < n; i++)
		nodes_pair(i - 1, i);
}

static enum cancel_state state_of(int i, const uint8_t *digest)
{
	return cancel_state(&nodes[i].daemon, digest);
}

static uint8_t flags_of(int i, const uint8_t *digest)
{
	struct store_item item;

	assert_int_equal(store_get(nodes[i].daemon.store, digest, &item), 0);
	return item.flags;
}

/* --- The notice of one who has the key --- */

/* A notice by the key of a node, about these digests. */
static struct proto_letter notice(int signer, const uint8_t *digests, size_t count,
				  uint64_t expiry)
{
	static uint8_t copy[PROTO_DIGESTS_MAX * CS_DIGEST_LEN];
	struct proto_letter letter = { .type = PROTO_CANCEL };
	uint8_t data[8 + sizeof(copy)];
	int i;

	for (i = 0; i < 8; i++)
		data[i] = expiry >> (56 - 8 * i);
	memcpy(data + 8, digests, count * CS_DIGEST_LEN);
	memcpy(copy, digests, count * CS_DIGEST_LEN);
	memcpy(letter.cancel.public, nodes[signer].daemon.identity.public, IDENTITY_PUBLIC_LEN);
	letter.cancel.expiry = expiry;
	letter.cancel.digests = copy;
	letter.cancel.nr_digests = count;
	assert_int_equal(identity_sign(&nodes[signer].daemon.identity, CONTEXT, data,
				       8 + count * CS_DIGEST_LEN, letter.cancel.signature), 0);
	return letter;
}

/* Node @from says it to node @to. */
static void say(int from, int to, const struct proto_letter *letter)
{
	assert_int_equal(session_send(node_peer(from, to)->session, letter), 0);
	nodes_run(60);
}

/* --- What is true --- */

/* It arrives: all on the way drop it, the destination keeps it, and it comes to nobody again. */
static void test_delivered(void **state)
{
	uint8_t digest[CS_DIGEST_LEN];

	(void)state;
	start(3);
	line(3);
	node_send(0, address_of(2), 400, digest);
	run_until(node_holds(2, digest), 20000);
	run_until(!node_holds(0, digest) && !node_holds(1, digest), 20000);
	assert_int_equal(flags_of(2, digest), STORE_LOCAL | STORE_DELIVERED);
	assert_int_equal(state_of(0, digest), CANCEL_PROVEN);
	assert_int_equal(state_of(1, digest), CANCEL_PROVEN);
	assert_int_equal(state_of(2, digest), CANCEL_PROVEN);
	/* who still holds it and appears later drops it too, and does not give it */
	node_start(3);
	nodes_run(1200);
	assert_int_equal(node_messages(0) + node_messages(1), 0);
	assert_int_equal(node_messages(2), 1);
}

/* One that holds it and was away is told, and goes on to tell others. */
static void test_late(void **state)
{
	struct store_item item;

	(void)state;
	start(4);
	item = message(address_of(2), 0);
	node_store(0, &item);
	node_store(3, &item);
	nodes_pair(2, 3);
	run_until(node_holds(2, item.digest) && !node_holds(3, item.digest), 20000);
	/* 3 brings the notice to 0, who holds the message */
	nodes_pair(0, 3);
	run_until(!node_holds(0, item.digest), 20000);
	assert_int_equal(state_of(0, item.digest), CANCEL_PROVEN);
	assert_int_equal(node_peer(3, 0)->sync.got, 0);
}

/* More than goes into a notice: each is cancelled, in few notices. */
static void test_batches(void **state)
{
	uint8_t digests[200][CS_DIGEST_LEN];
	struct store_notice found;
	struct idset ids = { NULL };
	int i;

	(void)state;
	start(3);
	for (i = 0; i < 200; i++) {
		struct store_item item = message(address_of(2), 0);

		node_store(1, &item);
		memcpy(digests[i], item.digest, CS_DIGEST_LEN);
	}
	line(3);
	run_until(node_messages(2) == 200 && !node_messages(1) && !node_messages(0), 20000);
	for (i = 0; i < 200; i++) {
		assert_int_equal(store_cancelled(nodes[1].daemon.store, digests[i], &found), 0);
		assert_true(found.proven);
		idset_add(&ids, found.id);
	}
	assert_in_range(ids.count, 4, 6);
	idset_clear(&ids);
}

/* It outlives the daemon. */
static void test_restart(void **state)
{
	uint8_t digest[CS_DIGEST_LEN];
	struct store_item item;

	(void)state;
	start(2);
	line(2);
	item = message(address_of(1), 0);
	node_store(0, &item);
	memcpy(digest, item.digest, CS_DIGEST_LEN);
	run_until(!node_holds(0, digest) && node_holds(1, digest), 20000);
	nodes_run(300);
	node_stop(0);
	node_start(0);
	assert_int_equal(state_of(0, digest), CANCEL_PROVEN);
	assert_int_equal(flags_of(1, digest), STORE_LOCAL | STORE_DELIVERED);
}

/* What was said is committed within a moment: a kill does not bring the message back. */
static void test_committed(void **state)
{
	struct store_item item;
	struct proto_letter letter;
	struct cs_error error = { "" };
	struct store *copy;
	struct config_store config;
	char command[400];

	(void)state;
	start(3);
	line(3);
	nodes_run(200);
	item = message(address_of(2), 0);
	letter = notice(2, item.digest, 1, daemon_now() + 100);
	say(1, 0, &letter);
	nodes_run(400);
	/* as the disk has it now */
	snprintf(command, sizeof(command), "mkdir %s/copy && cp %.100s/data.mdb %s/copy/",
		 nodes[3].dir, nodes[0].daemon.config.store.path, nodes[3].dir);
	assert_int_equal(system(command), 0);
	config = nodes[0].daemon.config.store;
	snprintf(config.path, sizeof(config.path), "%s/copy", nodes[3].dir);
	assert_int_equal(store_open(&copy, &config, &error), 0);
	assert_int_equal(store_add(copy, &item, daemon_now(), &error), STORE_CANCELLED);
	store_close(copy);
}

/* --- What is not --- */

/* Any bit of a notice, the signature included: nothing is suppressed, and nothing is remembered. */
static void test_forged(void **state)
{
	struct proto_letter letter, forged;
	struct store_item item, other;
	unsigned int bit;

	(void)state;
	start(3);
	line(3);
	item = message(address_of(2), STORE_OWN);
	node_store(0, &item);
	other = message(address_of(2), 0);
	letter = notice(2, item.digest, 1, daemon_now() + 100);
	for (bit = 0; bit < 60; bit++) {
		forged = letter;
		switch (bit % 4) {
		case 0:
			forged.cancel.signature[bit] ^= 1 << bit % 8;
			break;
		case 1:
			forged.cancel.public[bit / 2] ^= 1 << bit % 8;
			break;
		case 2:
			forged.cancel.expiry += 1 + bit;
			break;
		default: /* a signature of another message */
			forged.cancel.digests = other.digest;
		}
		cancel_letter(node_peer(0, 1), &forged.cancel);
		assert_true(node_holds(0, item.digest));
		assert_int_equal(state_of(0, item.digest), CANCEL_NONE);
		assert_int_equal(state_of(0, other.digest), CANCEL_NONE);
	}
	cancel_letter(node_peer(0, 1), &letter.cancel);
	assert_false(node_holds(0, item.digest));
}

/*
 * Signed well, by somebody who is not the destination. Who holds the message keeps it; who does not
 * takes it when it comes, and forgets the claim.
 */
static void test_claim(void **state)
{
	struct proto_letter letter;
	struct store_item item;

	(void)state;
	start(4);
	nodes_pair(0, 1);
	item = message(address_of(3), STORE_OWN);
	letter = notice(2, item.digest, 1, daemon_now() + 100);
	node_store(0, &item);
	cancel_letter(node_peer(0, 1), &letter.cancel);
	assert_true(node_holds(0, item.digest));
	assert_int_equal(state_of(0, item.digest), CANCEL_NONE);
	cancel_letter(node_peer(1, 0), &letter.cancel);
	assert_int_equal(state_of(1, item.digest), CANCEL_CLAIMED);
	sync_now(node_peer(0, 1));
	run_until(node_holds(1, item.digest), 20000);
	assert_int_equal(state_of(1, item.digest), CANCEL_NONE);
	assert_true(node_holds(0, item.digest));
	/* once more, now that it is held */
	cancel_letter(node_peer(1, 0), &letter.cancel);
	assert_true(node_holds(1, item.digest));
	assert_int_equal(state_of(1, item.digest), CANCEL_NONE);
	/* the real one's */
	letter = notice(3, item.digest, 1, daemon_now() + 100);
	cancel_letter(node_peer(1, 0), &letter.cancel);
	assert_false(node_holds(1, item.digest));
	run_until(!node_holds(0, item.digest), 20000);
}

/* A claim that is true, before the message comes: that is not kept, and comes once in all. */
static void test_claim_first(void **state)
{
	struct proto_letter letter;
	struct store_item item;
	uint64_t got;

	(void)state;
	start(3);
	nodes_pair(0, 1);
	item = message(address_of(2), 0);
	letter = notice(2, item.digest, 1, daemon_now() + 100);
	cancel_letter(node_peer(1, 0), &letter.cancel);
	assert_int_equal(state_of(1, item.digest), CANCEL_CLAIMED);
	/* 0, from whom it came, did not remember it */
	node_store(0, &item);
	sync_now(node_peer(0, 1));
	run_until(node_peer(1, 0)->sync.got == 1, 20000);
	assert_false(node_holds(1, item.digest));
	assert_int_equal(state_of(1, item.digest), CANCEL_PROVEN);
	/* in the next round it is told instead of asked for */
	sync_now(node_peer(0, 1));
	run_until(!node_holds(0, item.digest), 20000);
	got = node_peer(1, 0)->sync.got;
	assert_int_equal(got, 1);
	assert_int_equal(intake_stats(&nodes[1].daemon)->injected, 0);
}

/* Of a time that has passed, or that nothing lives until; beyond what a notice may name. */
static void test_bounds(void **state)
{
	uint64_t most = nodes[0].daemon.config.device.lifetime_max + 600;
	struct proto_letter letter;
	struct store_item item;

	(void)state;
	start(3);
	line(3);
	item = message(address_of(2), 0);
	letter = notice(2, item.digest, 1, daemon_now() - 1);
	cancel_letter(node_peer(0, 1), &letter.cancel);
	letter = notice(2, item.digest, 1, daemon_now() + most + 10);
	cancel_letter(node_peer(0, 1), &letter.cancel);
	letter = notice(2, item.digest, 1, UINT64_MAX);
	cancel_letter(node_peer(0, 1), &letter.cancel);
	assert_int_equal(state_of(0, item.digest), CANCEL_NONE);
	letter.cancel.nr_digests = PROTO_DIGESTS_MAX + 1;
	cancel_letter(node_peer(0, 1), &letter.cancel);
	letter = notice(2, item.digest, 1, daemon_now() + most - 10);
	cancel_letter(node_peer(0, 1), &letter.cancel);
	assert_int_equal(state_of(0, item.digest), CANCEL_CLAIMED);
}

/* Who makes up notices fills nothing up, and costs no more than his rate. */
static void test_flood(void **state)
{
	static uint8_t digests[PROTO_DIGESTS_MAX][CS_DIGEST_LEN];
	struct proto_letter letter;
	struct store_stats stats;
	uint64_t began;
	int i, j;

	(void)state;
	start(3);
	line(3);
	began = nodes_msec();
	for (i = 0; i < 100; i++) {
		for (j = 0; j < PROTO_DIGESTS_MAX; j++)
			random_bytes(digests[j], CS_DIGEST_LEN);
		letter = notice(1, digests[0], PROTO_DIGESTS_MAX, daemon_now() + 1000);
		cancel_letter(node_peer(0, 1), &letter.cancel);
	}
	store_stats(nodes[0].daemon.store, &stats);
	/* 2,000 a second, and a second's worth at once */
	assert_in_range(stats.cancelled, 1900, 2000 + 2 * (nodes_msec() - began) + 64);
	/* and no more are remembered than there is room for */
	nodes[0].daemon.config.store.cancelled = 1000;
	assert_int_equal(store_configure(nodes[0].daemon.store, &nodes[0].daemon.config.store,
					 NULL), 0);
	nodes_run(1000);
	cancel_letter(node_peer(0, 1), &letter.cancel);
	random_bytes(digests[0], CS_DIGEST_LEN);
	letter = notice(2, digests[0], 1, daemon_now() + 1000);
	cancel_letter(node_peer(0, 1), &letter.cancel);
	store_stats(nodes[0].daemon.store, &stats);
	assert_int_equal(stats.cancelled, 1000);
}

/* --- Where notices go --- */

static uint64_t told(int n)
{
	uint64_t sum = 0;
	int i, j;

	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++)
			if (i != j && node_peer(i, j))
				sum += node_peer(i, j)->session->bytes_out;
	return sum;
}

/* In a ring each notice passes each link once or twice, and then no more. */
static void ring(uint32_t cancelled, uint8_t flags)
{
	struct store_item item;
	uint64_t before, after;
	int i;

	for (i = 0; i < 4; i++) {
		nodes[i].daemon.config.store.reconcile = 3600;
		nodes[i].daemon.config.store.cancelled = cancelled;
	}
	start(4);
	for (i = 0; i < 4; i++)
		nodes_pair(i, (i + 1) % 4);
	nodes_run(700); /* the first rounds */
	item = message(address_of(2), STORE_OWN | flags);
	node_store(0, &item);
	item.flags = flags;
	node_store(1, &item);
	node_store(3, &item);
	before = told(4);
	item.flags = STORE_LOCAL;
	node_store(2, &item);
	cancel_delivered(&nodes[2].daemon, item.digest, item.expiry);
	run_until(flags ? flags_of(1, item.digest) & flags_of(3, item.digest) & STORE_DELIVERED :
		  node_messages(0) + node_messages(1) + node_messages(3) == 0, 20000);
	nodes_run(500);
	after = told(4);
	/* a letter of 200 bytes, and an answer to nothing */
	assert_in_range(after - before, 3 * 150, 8 * 260);
	nodes_run(500);
	assert_int_equal(told(4), after);
}

static void test_ring(void **state)
{
	(void)state;
	ring(1000, 0);
}

/* Also when nothing is remembered: it would be news for ever. */
static void test_ring_forgetful(void **state)
{
	(void)state;
	ring(0, 0);
}

/* Nor when it is remembered that gateways have an answer to get, and they keep the message. */
static void test_ring_of_gateways(void **state)
{
	(void)state;
	ring(1000, STORE_BROUGHT);
}

static void test_ring_of_forgetful_gateways(void **state)
{
	(void)state;
	ring(0, STORE_BROUGHT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODES_TEST(test_delivered),
		NODES_TEST(test_late),
		NODES_TEST(test_batches),
		NODES_TEST(test_restart),
		NODES_TEST(test_committed),
		NODES_TEST(test_forged),
		NODES_TEST(test_claim),
		NODES_TEST(test_claim_first),
		NODES_TEST(test_bounds),
		NODES_TEST(test_flood),
		NODES_TEST(test_ring),
		NODES_TEST(test_ring_forgetful),
		NODES_TEST(test_ring_of_gateways),
		NODES_TEST(test_ring_of_forgetful_gateways),
	};

	return nodes_main("cancel", tests, sizeof(tests) / sizeof(*tests));
}
