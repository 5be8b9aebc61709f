// SPDX-License-Identifier: GPL-2.0
/*
 * Messages all the way onto the wired network, and what comes back for them: whole daemons in one
 * process, and an ingest, over real TLS.
 *
 *	bob ══ alice ══ carol ── gateway ── ingest	══ under contract	── for nothing
 *
 * Bob sends messages to the ingest. He offers them to Alice, she carries for points; she offers
 * them to Carol, who asks for none; Carol gives them to the gateway. The receipt comes back the
 * same way.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/service.h"
#include "common/tempdir.h"
#include "daemon/gateway.h"
#include "daemon/notice.h"
#include "daemon/receipt_file.h"
#include "daemon/receipt_way.h"
#include "lib/hex.h"

#define COUNT	10

enum { BOB, ALICE, CAROL, GATE };

/* --- Nodes --- */

static void settings(void)
{
	static struct config_rate rate = { .rate = 50000 };
	static struct config_prefix prefix = { .address = { [15] = 1 }, .len = 128 };
	struct config *gate = &nodes[GATE].daemon.config;

	nodes[ALICE].port.terms = CROWDSHARE_PEER_CONTRACT;
	nodes[ALICE].daemon.config.policy.rates = &rate;
	nodes[ALICE].daemon.config.policy.nr_rates = 1;
	strcpy(gate->gateway.interface, "lo");
	gate->gateway.destinations = &prefix;
	gate->gateway.nr_destinations = 1;
	gate->gateway.batch = PROTO_BATCH_MAX;
}

static int set_up(void **state)
{
	int i;

	nodes_set_up(state);
	settings();
	service_begin();
	service_start("");
	for (i = BOB; i < GATE; i++)
		nodes_pair(i, i + 1);
	know_receiver(BOB, receiver.public);
	return 0;
}

static int tear_down(void **state)
{
	nodes_tear_down(state);
	service_end();
	return 0;
}

/* --- What they know --- */

/* Sum of what is earned in the contracts of a ledger in which the node has a role. */
struct sum {
	const struct identity	*identity;
	bool			buyer;
	int64_t			promised;
	int64_t			earned;
	size_t			contracts;
};

static int add_up(const struct contract *contract, int64_t promised, int64_t earned,
		  int64_t lapsed, void *data)
{
	struct sum *sum = data;

	(void)lapsed;
	if (!memcmp(contract->buyer, sum->identity->public, IDENTITY_PUBLIC_LEN) != sum->buyer)
		return 0;
	sum->promised += promised;
	sum->earned += earned;
	sum->contracts++;
	return 0;
}

static struct sum sum_of(int i, bool buyer)
{
	struct sum sum = { .identity = &nodes[i].daemon.identity, .buyer = buyer };

	OK(ledger_contracts(nodes[i].daemon.ledger, false, time(NULL), add_up, &sum, error));
	return sum;
}

static int64_t earned(int i, bool buyer)
{
	return sum_of(i, buyer).earned;
}

static bool all_paid(void)
{
	struct sum bob = sum_of(BOB, true), alice = sum_of(ALICE, false);

	return bob.promised && bob.earned == bob.promised && alice.earned == bob.earned &&
	       receipt_stats(&nodes[BOB].daemon)->delivered == COUNT;
}

static bool is_bad(const struct node *at)
{
	struct cs_error error = { "" };
	int64_t bad;

	return ledger_verify(at->daemon.ledger, at->daemon.identity.public, &bad, &error);
}

static bool nothing_waits(void)
{
	json_t *json;
	bool none = true;
	int i;

	for (i = 0; i < NODES; i++) {
		json = receipt_json(&nodes[i].daemon, NULL);
		none &= !json_integer_value(json_object_get(json, "waiting"));
		json_decref(json);
	}
	return none;
}

/* --- The whole way --- */

static void test_the_whole_way(void **state)
{
	struct cs_error error = { "" };
	json_t *list, *gateway;
	int i;

	(void)state;
	send_messages(BOB, COUNT);
	run_until(all_paid(), 14000);
	assert_int_equal(taken, COUNT);
	assert_int_equal(ingest_stats(ingest)->states[PROTO_ACK_NEW], COUNT);
	/* to the millipoint, and Carol, who asked for nothing, has a contract of nothing */
	assert_true(earned(BOB, true) > 0);
	assert_true(earned(BOB, true) == earned(ALICE, false));
	assert_int_equal(sum_of(CAROL, false).contracts, sum_of(ALICE, true).contracts);
	assert_int_equal(sum_of(CAROL, false).contracts > 0, 1);
	assert_int_equal(receipt_stats(&nodes[CAROL].daemon)->sold, COUNT);
	for (i = 0; i < NODES; i++)
		assert_false(is_bad(&nodes[i]));
	run_until(nothing_waits(), 2000);
	list = receipt_list(&nodes[BOB].daemon, &error);
	assert_int_equal(json_array_size(list), COUNT);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "hops")), 3);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0),
							      "deliverer")),
			    nodes[GATE].daemon.identity.text);
	json_decref(list);
	gateway = gateway_json(&nodes[GATE].daemon);
	list = json_array_get(json_object_get(gateway, "targets"), 0);
	assert_int_equal(json_integer_value(json_object_get(list, "delivered")), COUNT);
	assert_int_equal(json_integer_value(json_object_get(list, "waiting")), 0);
	json_decref(gateway);
}

/* --- Receipts that are not what they say: Bob and Alice, who is the gateway herself --- */

#define RATE	(1 << 20)	/* a millipoint a byte */
#define SIZE	1000

#define AGAIN	16	/* an id that is so much higher is of the same messages */

static struct contract contracts[5];

/* A contract as it stands in the ledgers of who buys and who sells. */
static void sign_between(struct contract *contract, int buyer, int seller, uint32_t id,
			 const uint8_t *address, const uint8_t *key, int64_t created,
			 int64_t expiry)
{
	struct daemon *buys = &nodes[buyer].daemon, *sells = &nodes[seller].daemon;
	size_t i;

	memset(contract, 0, sizeof(*contract));
	memcpy(contract->buyer, buys->identity.public, IDENTITY_PUBLIC_LEN);
	memcpy(contract->seller, sells->identity.public, IDENTITY_PUBLIC_LEN);
	memcpy(contract->destination, address, CS_ADDR_LEN);
	memcpy(contract->receiver, key, IDENTITY_PUBLIC_LEN);
	contract->id = id;
	contract->rate = RATE;
	contract->created = created;
	contract->expiry = expiry;
	contract->nr_items = COUNT;
	contract->items = calloc(COUNT, sizeof(*contract->items));
	for (i = 0; i < COUNT; i++) {
		memset(contract->items[i].digest, id % AGAIN, CS_DIGEST_LEN);
		contract->items[i].digest[0] = i;
		contract->items[i].size = SIZE;
	}
	OK(contract_sign(contract, &buys->identity, error));
	OK(contract_sign(contract, &sells->identity, error));
	OK(ledger_promise(buys->ledger, contract, created, error));
	OK(ledger_promise(sells->ledger, contract, created, error));
}

static void sign_contract(struct contract *contract, uint32_t id, const uint8_t *address,
			  const uint8_t *key, int64_t created, int64_t expiry)
{
	sign_between(contract, BOB, ALICE, id, address, key, created, expiry);
}

static void restart_two(void)
{
	node_stop(BOB);
	node_stop(ALICE);
	nodes_run(20);
	nodes_pair(BOB, ALICE);
}

static int set_up_two(void **state)
{
	static const uint8_t elsewhere[CS_ADDR_LEN] = { 0x20, 1 };
	const uint8_t *key = receiver.public;
	int64_t now = time(NULL);

	nodes_set_up(state);
	settings();
	service_begin();
	service_port = 35254;
	node_start(BOB);
	node_start(ALICE);
	sign_contract(&contracts[0], 1, loopback, key, now, now + 3600);
	sign_contract(&contracts[1], 2, elsewhere, key, now, now + 3600);
	/* one that expired long ago, for which receipts were still due */
	sign_contract(&contracts[2], 3, loopback, key, now - 9000, now - 4000);
	/* and one whose receiver is not the one who answers at its destination */
	sign_contract(&contracts[3], 4, loopback, nodes[BOB].daemon.identity.public, now,
		      now + 3600);
	sign_contract(&contracts[4], 1 + AGAIN, loopback, key, now, now + 3600);
	restart_two();
	return 0;
}

static int tear_down_two(void **state)
{
	int i;

	for (i = 0; i < 5; i++)
		contract_free(&contracts[i]);
	return tear_down(state);
}

/* What Alice would send to Bob: she delivered all messages of a contract. */
struct claim {
	struct proto_letter		letter;
	struct proto_endorsement	chain[2];
	uint8_t				digests[COUNT + 1][CS_DIGEST_LEN];
	struct receipt_claim		claim;
};

static void claim_fill(struct claim *claim, const struct contract *contract)
{
	struct proto_receipt *receipt = &claim->letter.receipt;
	size_t i;

	memset(claim, 0, sizeof(*claim));
	claim->letter.type = PROTO_RECEIPT;
	memcpy(receipt->destination, contract->destination, CS_ADDR_LEN);
	memcpy(receipt->deliverer, contract->seller, IDENTITY_PUBLIC_LEN);
	contract_uid(contract, receipt->contract);
	receipt->port = service_port;
	receipt->time = time(NULL);
	for (i = 0; i < COUNT; i++)
		memcpy(claim->digests[i], contract->items[i].digest, CS_DIGEST_LEN);
	receipt->digests = claim->digests[0];
	receipt->nr_digests = COUNT;
	receipt->endorsements = claim->chain;
	memcpy(claim->claim.contract, receipt->contract, PROTO_UID_LEN);
}

static void claim_sign(struct claim *claim, const struct identity *by)
{
	struct proto_receipt *receipt = &claim->letter.receipt;

	OK(receipt_sign(receipt, by, error));
	claim->claim.messages = receipt_all(receipt);
	receipt->nr_endorsements = 0;
	OK(receipt_endorse(receipt, &nodes[ALICE].daemon.identity,
				nodes[BOB].daemon.identity.address, &claim->claim, claim->chain,
				error));
	receipt->nr_endorsements = 1;
}

static void claim_make(struct claim *claim, const struct contract *contract)
{
	claim_fill(claim, contract);
	claim_sign(claim, &receiver);
}

static void bob_gets(const struct claim *claim)
{
	receipt_letter(node_peer(BOB, ALICE), &claim->letter);
}

static void refused_for(const struct claim *claim, enum receipt_refusal reason)
{
	const struct receipt_stats *stats = receipt_stats(&nodes[BOB].daemon);
	struct receipt_stats before = *stats;
	unsigned int i;

	bob_gets(claim);
	for (i = 0; i < RECEIPT_REFUSAL_MAX; i++)
		if (stats->refused[i] != before.refused[i] + (i == reason))
			fail_msg("refused for reason %u", i);
	assert_int_equal(stats->taken, before.taken);
	assert_int_equal(earned(BOB, true), 0);
	assert_false(is_bad(&nodes[BOB]));
}

static void test_forged(void **state)
{
	struct identity *bob = &nodes[BOB].daemon.identity;
	struct claim claim;

	(void)state;
	claim_make(&claim, &contracts[0]);
	claim.letter.receipt.signature[7] ^= 1;
	refused_for(&claim, RECEIPT_REFUSAL_SIGNATURE);
	/* signed, by whom Bob did not mean */
	claim_fill(&claim, &contracts[0]);
	claim_sign(&claim, &nodes[ALICE].daemon.identity);
	refused_for(&claim, RECEIPT_REFUSAL_RECEIVER);
	/* nobody's but Bob's own word */
	claim_make(&claim, &contracts[0]);
	claim.letter.receipt.nr_endorsements = 0;
	refused_for(&claim, RECEIPT_REFUSAL_CHAIN);
	claim_make(&claim, &contracts[0]);
	OK(receipt_endorse(&claim.letter.receipt, bob, bob->address, &claim.claim,
				&claim.chain[1], error));
	claim.letter.receipt.nr_endorsements = 2;
	refused_for(&claim, RECEIPT_REFUSAL_CHAIN);
	claim_make(&claim, &contracts[0]);
	claim.chain[0].signature[0] ^= 1;
	refused_for(&claim, RECEIPT_REFUSAL_CHAIN);
	/* another gateway delivered, and has not endorsed it */
	claim_fill(&claim, &contracts[0]);
	memcpy(claim.letter.receipt.deliverer, receiver.public, IDENTITY_PUBLIC_LEN);
	claim_sign(&claim, &receiver);
	refused_for(&claim, RECEIPT_REFUSAL_CHAIN);
}

static void test_other_contract(void **state)
{
	struct claim claim;

	(void)state;
	/* one that does not exist */
	claim_fill(&claim, &contracts[0]);
	claim.letter.receipt.contract[0]++;
	claim.claim.contract[0]++;
	claim_sign(&claim, &receiver);
	refused_for(&claim, RECEIPT_REFUSAL_CONTRACT);
	/* one with the same parties, of other messages, to another destination */
	claim_fill(&claim, &contracts[0]);
	contract_uid(&contracts[1], claim.letter.receipt.contract);
	memcpy(claim.claim.contract, claim.letter.receipt.contract, PROTO_UID_LEN);
	claim_sign(&claim, &receiver);
	refused_for(&claim, RECEIPT_REFUSAL_CONTRACT);
	/* the gateway told the receiver of another one than it endorses */
	claim_make(&claim, &contracts[0]);
	contract_uid(&contracts[1], claim.claim.contract);
	claim_sign(&claim, &receiver);
	refused_for(&claim, RECEIPT_REFUSAL_CHAIN);
	/* a message more than the contract has */
	claim_fill(&claim, &contracts[0]);
	memset(claim.digests[COUNT], 0x77, CS_DIGEST_LEN);
	claim.letter.receipt.nr_digests++;
	claim_sign(&claim, &receiver);
	refused_for(&claim, RECEIPT_REFUSAL_MESSAGE);
	/* too late */
	claim_make(&claim, &contracts[2]);
	refused_for(&claim, RECEIPT_REFUSAL_LATE);
}

/* The ledgers of both, to the millipoint, whatever is said twice. */
static void test_replayed(void **state)
{
	const struct receipt_stats *stats = receipt_stats(&nodes[BOB].daemon);
	struct claim claim;
	int i;

	(void)state;
	claim_make(&claim, &contracts[0]);
	bob_gets(&claim);
	assert_int_equal(stats->taken, 1);
	assert_int_equal(earned(BOB, true), COUNT * SIZE);
	for (i = 0; i < 3; i++)
		bob_gets(&claim);
	assert_int_equal(stats->repeated, 3);
	assert_int_equal(stats->earned, COUNT);
	assert_int_equal(earned(BOB, true), COUNT * SIZE);
	/* at another time it is another receipt, of the same messages */
	claim_fill(&claim, &contracts[0]);
	claim.letter.receipt.time++;
	claim_sign(&claim, &receiver);
	bob_gets(&claim);
	assert_int_equal(earned(BOB, true), COUNT * SIZE);
	assert_false(is_bad(&nodes[BOB]));
	/* what Alice did not send is not answered to her use */
	nodes_run(50);
	assert_int_equal(earned(ALICE, false), 0);
}

/* Two contracts over the same messages, as Alice said that she lacked them: they are paid once. */
static void test_paid_once(void **state)
{
	const struct receipt_stats *stats = receipt_stats(&nodes[BOB].daemon);
	struct claim claim;

	(void)state;
	claim_make(&claim, &contracts[0]);
	bob_gets(&claim);
	assert_int_equal(earned(BOB, true), COUNT * SIZE);
	claim_make(&claim, &contracts[4]);
	bob_gets(&claim);
	assert_int_equal(stats->refused[RECEIPT_REFUSAL_MESSAGE], 1);
	assert_int_equal(earned(BOB, true), COUNT * SIZE);
	/* settled is as good as earned */
	OK(ledger_settle(nodes[BOB].daemon.ledger, nodes[ALICE].daemon.identity.address,
			 -COUNT * SIZE, time(NULL), error));
	bob_gets(&claim);
	assert_int_equal(stats->refused[RECEIPT_REFUSAL_MESSAGE], 2);
	assert_int_equal(earned(BOB, true), COUNT * SIZE);
	/* under the first it holds as before */
	claim_make(&claim, &contracts[0]);
	bob_gets(&claim);
	assert_int_equal(stats->repeated, 1);
	assert_false(is_bad(&nodes[BOB]));
}

/* Alice delivers what Bob gave under a contract: she holds it, or did until a notice came. */
static void alice_holds(const struct contract *contract, size_t count)
{
	static uint8_t frame[CS_FRAME_HLEN + SIZE];
	struct store_item item = { .contract = contract->id, .hops = 255, .flags = STORE_EARNS };
	struct cs_error error = { "" };
	size_t i;

	memcpy(item.peer, nodes[BOB].daemon.identity.address, CS_ADDR_LEN);
	for (i = 0; i < count; i++) {
		item.size = service_frame(frame, 100) - CS_ETH_HLEN - sizeof(struct cs_link_hdr);
		item.message = frame_message(frame);
		item.expiry = be64toh(((const struct cs_msg_hdr *)item.message)->expiry);
		item.arrived = time(NULL);
		/* its digest is the one that the contract names: the store sees no more */
		memcpy(frame + CS_ETH_HLEN + sizeof(struct cs_link_hdr),
		       contract->items[i].digest, CS_DIGEST_LEN);
		memcpy(item.digest, contract->items[i].digest, CS_DIGEST_LEN);
		memcpy(item.destination, contract->destination, CS_ADDR_LEN);
		assert_int_equal(store_add(nodes[ALICE].daemon.store, &item, time(NULL), &error),
				 STORE_ADDED);
	}
}

static bool alice_paid(void)
{
	return earned(ALICE, false) == COUNT * SIZE;
}

static void alice_gets(struct claim *claim)
{
	claim_make(claim, &contracts[0]);
	claim->letter.receipt.nr_endorsements = 0;
	OK(receipt_delivered(&nodes[ALICE].daemon, &claim->letter.receipt, error));
}

static void test_seller_is_paid(void **state)
{
	struct claim claim;
	struct store_item item;

	(void)state;
	alice_holds(&contracts[0], COUNT);
	alice_gets(&claim);
	/* not before the buyer has answered */
	assert_int_equal(earned(ALICE, false), 0);
	run_until(alice_paid(), 3000);
	assert_int_equal(earned(BOB, true), COUNT * SIZE);
	assert_int_equal(store_get(nodes[ALICE].daemon.store, contracts[0].items[0].digest, &item),
			 0);
	assert_false(item.flags & STORE_EARNS);
	/* the ingest says it again, as after a break */
	alice_gets(&claim);
	nodes_run(100);
	run_until(earned(ALICE, false) == COUNT * SIZE, 10000);
	assert_int_equal(earned(BOB, true), COUNT * SIZE);
	assert_false(is_bad(&nodes[ALICE]) || is_bad(&nodes[BOB]));
}

/* A receipt waits for a peer that is away, over a restart. */
static void test_buyer_is_away(void **state)
{
	struct claim claim;

	(void)state;
	alice_holds(&contracts[0], COUNT);
	node_stop(BOB);
	nodes_run(20);
	alice_gets(&claim);
	nodes_run(100);
	assert_int_equal(earned(ALICE, false), 0);
	node_start(BOB);
	restart_two();
	run_until(alice_paid(), 3000);
	assert_int_equal(earned(BOB, true), COUNT * SIZE);
}

/* The notice is faster than the receipt: where a message came from is still known. */
static void test_after_a_notice(void **state)
{
	struct proto_letter letter = { .type = PROTO_CANCEL };
	struct store_given given;
	struct store_item item;
	struct claim claim;
	size_t i;

	(void)state;
	alice_holds(&contracts[0], COUNT);
	claim_make(&claim, &contracts[0]);
	letter.cancel.expiry = time(NULL) + 600;
	letter.cancel.digests = claim.digests[0];
	letter.cancel.nr_digests = COUNT;
	/* a stranger's notice drops nothing */
	assert_int_equal(notice_sign(&letter.cancel, &nodes[BOB].daemon.identity), 0);
	cancel_letter(node_peer(ALICE, BOB), &letter.cancel);
	assert_int_equal(store_get(nodes[ALICE].daemon.store, claim.digests[0], &item), 0);
	/* the one of the key that the contract names does; others may still send the message */
	assert_int_equal(notice_sign(&letter.cancel, &receiver), 0);
	cancel_letter(node_peer(ALICE, BOB), &letter.cancel);
	for (i = 0; i < COUNT; i++) {
		assert_int_equal(store_get(nodes[ALICE].daemon.store, claim.digests[i], &item),
				 -ENOENT);
		assert_int_equal(cancel_state(&nodes[ALICE].daemon, claim.digests[i]),
				 CANCEL_CLAIMED);
	}
	assert_true(cancel_given(&nodes[ALICE].daemon, claim.digests[1], &given));
	assert_false(given.own);
	assert_int_equal(given.contract, contracts[0].id);
	assert_int_equal(given.port, service_port);
	assert_memory_equal(given.peer, nodes[BOB].daemon.identity.address, CS_ADDR_LEN);
	restart_two();
	alice_gets(&claim);
	run_until(alice_paid(), 3000);
	assert_int_equal(earned(BOB, true), COUNT * SIZE);
}

/* A card proves a notice; without one nobody can suppress what goes to a wired destination. */
static void test_notice_and_card(void **state)
{
	struct proto_letter letter = { .type = PROTO_CANCEL };
	struct daemon *bob = &nodes[BOB].daemon;
	uint8_t frame[CS_FRAME_HLEN + SIZE];
	struct store_item item;
	size_t len;

	(void)state;
	len = service_frame(frame, 100);
	fake_receive(bob->kernel, frame, len, true);
	letter.cancel.expiry = time(NULL) + 600;
	letter.cancel.digests = frame_message(frame);
	letter.cancel.nr_digests = 1;
	assert_int_equal(notice_sign(&letter.cancel, &receiver), 0);
	cancel_letter(node_peer(BOB, ALICE), &letter.cancel);
	assert_int_equal(store_get(bob->store, frame_message(frame), &item), 0);
	know_receiver(BOB, receiver.public);
	cancel_letter(node_peer(BOB, ALICE), &letter.cancel);
	assert_int_equal(store_get(bob->store, frame_message(frame), &item), -ENOENT);
	assert_int_equal(cancel_state(bob, frame_message(frame)), CANCEL_PROVEN);
	/* it is not taken again */
	fake_receive(bob->kernel, frame, len, true);
	assert_int_equal(store_get(bob->store, frame_message(frame), &item), -ENOENT);
}

/* What is said to be delivered of Bob's own is what a card's key has signed. */
static void test_own_messages(void **state)
{
	uint8_t frame[CS_FRAME_HLEN + SIZE];
	struct receipt_claim none = { .messages = 1 };
	struct claim claim;

	(void)state;
	fake_receive(nodes[BOB].daemon.kernel, frame, service_frame(frame, 100), true);
	claim_fill(&claim, &contracts[0]);
	memset(claim.letter.receipt.contract, 0, PROTO_UID_LEN);
	memcpy(claim.digests[0], frame_message(frame), CS_DIGEST_LEN);
	claim.letter.receipt.nr_digests = 1;
	claim.claim = none;
	claim_sign(&claim, &receiver);
	refused_for(&claim, RECEIPT_REFUSAL_RECEIVER);
	know_receiver(BOB, nodes[ALICE].daemon.identity.public);
	refused_for(&claim, RECEIPT_REFUSAL_RECEIVER);
	know_receiver(BOB, receiver.public);
	/* of another port, which is another destination */
	claim.letter.receipt.port++;
	claim_sign(&claim, &receiver);
	refused_for(&claim, RECEIPT_REFUSAL_MESSAGE);
	claim.letter.receipt.port--;
	claim_sign(&claim, &receiver);
	bob_gets(&claim);
	bob_gets(&claim);
	assert_int_equal(receipt_stats(&nodes[BOB].daemon)->delivered, 1);
}

/* The receipt is back before the daemon has the message, which its kernel has passed on. */
static void test_early(void **state)
{
	const struct receipt_stats *stats = receipt_stats(&nodes[BOB].daemon);
	uint8_t frame[CS_FRAME_HLEN + SIZE], message[SIZE + sizeof(struct cs_msg_hdr)];
	struct store *store = nodes[BOB].daemon.store;
	struct receipt_claim none = { .messages = 1 };
	struct store_item item;
	struct claim claim;

	(void)state;
	fake_receive(nodes[BOB].daemon.kernel, frame, service_frame(frame, 100), true);
	assert_int_equal(store_get(store, frame_message(frame), &item), 0);
	assert_true(item.size <= sizeof(message));
	memcpy(message, item.message, item.size);
	item.message = message;
	assert_int_equal(store_del(store, item.digest), 0);
	claim_fill(&claim, &contracts[0]);
	memset(claim.letter.receipt.contract, 0, PROTO_UID_LEN);
	memcpy(claim.digests[0], frame_message(frame), CS_DIGEST_LEN);
	claim.letter.receipt.nr_digests = 1;
	claim.claim = none;
	know_receiver(BOB, receiver.public);
	claim_sign(&claim, &receiver);
	bob_gets(&claim);
	assert_int_equal(stats->taken + stats->unknown, 0);
	node_store(BOB, &item);
	run_until(stats->delivered == 1, 3000);
	assert_int_equal(stats->unknown, 0);
	/* one that never comes is waited for in vain, and not for ever */
	fake_receive(nodes[BOB].daemon.kernel, frame, service_frame(frame, 101), true);
	assert_int_equal(store_del(store, frame_message(frame)), 0);
	memcpy(claim.digests[0], frame_message(frame), CS_DIGEST_LEN);
	claim_sign(&claim, &receiver);
	bob_gets(&claim);
	run_until(stats->unknown == 1, 10000);
	assert_int_equal(stats->delivered, 1);
}

static bool no_contract_names_it(void)
{
	json_t *json = gateway_json(&nodes[ALICE].daemon);
	json_t *target = json_array_get(json_object_get(json, "targets"), 0);
	const char *why = json_string_value(json_object_get(target, "why"));
	bool says = why && strstr(why, "not the one that a contract names");

	json_decref(json);
	return says;
}

static bool something_came(void)
{
	return ingest_stats(ingest)->deliveries;
}

/* Who answers with another key than a contract names is not given its messages. */
static void test_other_receiver(void **state)
{
	struct store_item item;

	(void)state;
	service_start("");
	nodes[ALICE].daemon.config.gateway = nodes[GATE].daemon.config.gateway;
	restart_two();
	alice_holds(&contracts[3], COUNT);
	restart_two();
	run_until(no_contract_names_it(), 5000);
	nodes_run(50);
	assert_int_equal(ingest_stats(ingest)->deliveries, 0);
	assert_int_equal(store_get(nodes[ALICE].daemon.store, contracts[3].items[0].digest, &item),
			 0);
	assert_false(item.flags & STORE_DELIVERED);
	/* those of the contract that names it are brought */
	alice_holds(&contracts[0], COUNT);
	restart_two();
	run_until(something_came(), 5000);
	memset(&nodes[ALICE].daemon.config.gateway, 0, sizeof(struct config_gateway));
}

/* A peer that sends more than its share is not listened to, and not answered. */
static void test_too_many(void **state)
{
	static const struct proto_endorsement chain[PROTO_ENDORSEMENTS_MAX];
	const struct receipt_stats *stats = receipt_stats(&nodes[BOB].daemon);
	struct claim claim;
	int i;

	(void)state;
	claim_make(&claim, &contracts[0]);
	claim.letter.receipt.signature[7] ^= 1;
	/* what could cost so many verifications counts as much, however fast a machine is */
	claim.letter.receipt.endorsements = chain;
	claim.letter.receipt.nr_endorsements = PROTO_ENDORSEMENTS_MAX;
	for (i = 0; i < 200; i++)
		bob_gets(&claim);
	assert_true(stats->refused[RECEIPT_REFUSAL_RATE] > 0);
	assert_true(stats->refused[RECEIPT_REFUSAL_SIGNATURE] >= 30);
	assert_int_equal(stats->refused[RECEIPT_REFUSAL_RATE] +
			 stats->refused[RECEIPT_REFUSAL_SIGNATURE], 200);
}

/* A message that Alice has by way of Carol, though it came to her kernel under Bob's contract. */
static void came_by_carol(const uint8_t digest[CS_DIGEST_LEN])
{
	static uint8_t bytes[SIZE];
	struct cs_msg_hdr *hdr = (struct cs_msg_hdr *)bytes;
	struct store_item item;

	make_message(&item, bytes, sizeof(bytes), loopback, time(NULL) + 3600);
	memcpy(hdr->digest, digest, CS_DIGEST_LEN);
	hdr->port = htobe16(service_port);
	memcpy(item.digest, digest, CS_DIGEST_LEN);
	item.arrived = time(NULL);
	memcpy(item.peer, nodes[CAROL].daemon.identity.address, CS_ADDR_LEN);
	node_store(ALICE, &item);
}

/* Carol delivered, for nothing, what Alice had of Bob. */
static void carol_fills(struct claim *claim)
{
	claim_fill(claim, &contracts[0]);
	memcpy(claim->letter.receipt.deliverer, nodes[CAROL].daemon.identity.public,
	       IDENTITY_PUBLIC_LEN);
	memset(claim->letter.receipt.contract, 0, PROTO_UID_LEN);
	memset(claim->claim.contract, 0, PROTO_UID_LEN);
}

static void carol_says(struct claim *claim, const struct identity *by)
{
	struct proto_receipt *receipt = &claim->letter.receipt;

	OK(receipt_sign(receipt, by, error));
	claim->claim.messages = receipt_all(receipt);
	receipt->nr_endorsements = 0;
	OK(receipt_endorse(receipt, &nodes[CAROL].daemon.identity,
			   nodes[ALICE].daemon.identity.address, &claim->claim, claim->chain,
			   error));
	receipt->nr_endorsements = 1;
	receipt_letter(node_peer(ALICE, CAROL), &claim->letter);
}

/* Carol delivered what Alice's kernel had given her before Alice's daemon got it back from her. */
static void test_came_back(void **state)
{
	struct claim claim;
	size_t i;

	(void)state;
	nodes_pair(ALICE, CAROL);
	for (i = 0; i < COUNT; i++)
		came_by_carol(contracts[0].items[i].digest);
	carol_fills(&claim);
	carol_says(&claim, &receiver);
	assert_int_equal(receipt_stats(&nodes[ALICE].daemon)->taken, 1);
	run_until(earned(BOB, true) == COUNT * SIZE, 10000);
	run_until(earned(ALICE, false) == COUNT * SIZE, 10000);
}

/* The same without a contract, and Bob, who gave them, has left meanwhile: it waits for him. */
static void test_came_back_late(void **state)
{
	struct claim claim;
	size_t i;

	(void)state;
	nodes_pair(ALICE, CAROL);
	carol_fills(&claim);
	for (i = 0; i < COUNT; i++) {
		claim.digests[i][0] ^= 0xff;
		came_by_carol(claim.digests[i]);
	}
	node_peer(ALICE, BOB)->state = CROWDSHARE_PEER_FREE;
	node_stop(BOB);
	run_until(!node_peer(ALICE, BOB)->session, 10000);
	event_active(node_peer(ALICE, BOB)->vanish, EV_TIMEOUT, 0);
	run_until(!node_peer(ALICE, BOB), 10000);
	carol_says(&claim, &receiver);
	assert_int_equal(receipt_stats(&nodes[ALICE].daemon)->taken, 1);
	assert_int_equal(receipt_stats(&nodes[ALICE].daemon)->unknown, 0);
	assert_int_equal(receipt_stats(&nodes[ALICE].daemon)->passed, 1);
}

static int count_letter(const uint8_t id[RECEIPT_ID_LEN], const uint8_t *letter, size_t len,
			void *data)
{
	(void)id;
	(void)letter;
	(void)len;
	++*(unsigned int *)data;
	return 0;
}

/* What waits for a peer that stays away is bounded, and leaves room for others. */
static void test_away(void **state)
{
	static const uint8_t away[CS_ADDR_LEN] = { 1 }, here[CS_ADDR_LEN] = { 2 };
	uint8_t id[RECEIPT_ID_LEN] = { 0 };
	struct cs_error error = { "" };
	unsigned int count = 0, i;
	char dir[64], path[128];
	struct sqlfile file;

	(void)state;
	tempdir_make(dir, "receipts");
	snprintf(path, sizeof(path), "%s/file", dir);
	assert_int_equal(receipt_file_open(&file, path, &error), 0);
	assert_int_equal(sqlfile_begin(&file, &error), 0);
	for (i = 0; i < 105; i++) {
		memcpy(id, &i, sizeof(i));
		assert_int_equal(receipt_file_wait(&file, away, id, "x", 1, 1, 100, &error),
				 i < 100 ? 0 : -EDQUOT);
	}
	assert_int_equal(receipt_file_wait(&file, here, id, "x", 1, 1, 100, &error), 0);
	/* one that waits already needs no room */
	memset(id, 0, sizeof(id));
	assert_int_equal(receipt_file_wait(&file, away, id, "x", 1, 1, 100, &error), 0);
	assert_int_equal(sqlfile_commit(&file, &error), 0);
	assert_int_equal(receipt_file_each(&file, away, count_letter, &count, &error), 0);
	assert_int_equal(count, 100);
	assert_int_equal(receipt_file_each(&file, here, count_letter, &count, &error), 0);
	assert_int_equal(count, 101);
	sqlfile_close(&file);
	tempdir_remove(dir);
}

/* So much waits at Alice for Bob. */
static void bob_is_owed(unsigned int count)
{
	const uint8_t *bob = nodes[BOB].daemon.identity.address;
	uint8_t id[RECEIPT_ID_LEN] = { 0 };
	struct sqlfile file;
	char path[160];
	unsigned int i;

	node_stop(ALICE);
	snprintf(path, sizeof(path), "%s/receipts.db", nodes[ALICE].dir);
	OK(receipt_file_open(&file, path, error));
	OK(sqlfile_begin(&file, error));
	for (i = 0; i < RECEIPT_FILE_OF_PEER; i++) {
		memcpy(id, &i, sizeof(i));
		if (i < count)
			OK(receipt_file_wait(&file, bob, id, "x", 1, time(NULL) + 600,
					     RECEIPT_FILE_OF_PEER, error));
		else
			OK(receipt_file_drop(&file, bob, id, error));
	}
	OK(sqlfile_commit(&file, error));
	sqlfile_close(&file);
	node_start(ALICE);
	restart_two();
	nodes_pair(ALICE, CAROL);
}

/* Alice pays Carol for nothing that she could not claim of Bob. */
static void test_no_room(void **state)
{
	const struct receipt_stats *stats;
	struct contract resold;
	struct claim claim;

	(void)state;
	node_start(CAROL);
	sign_between(&resold, ALICE, CAROL, contracts[0].id, loopback, receiver.public,
		     time(NULL), time(NULL) + 3600);
	alice_holds(&contracts[0], COUNT);
	bob_is_owed(RECEIPT_FILE_OF_PEER);
	claim_fill(&claim, &resold);
	carol_says(&claim, &receiver);
	stats = receipt_stats(&nodes[ALICE].daemon);
	assert_int_equal(stats->refused[RECEIPT_REFUSAL_FULL], 1);
	assert_int_equal(stats->taken, 0);
	assert_int_equal(earned(ALICE, true), 0);
	/* and for all of it when there is room */
	bob_is_owed(RECEIPT_FILE_OF_PEER - 1);
	carol_says(&claim, &receiver);
	stats = receipt_stats(&nodes[ALICE].daemon);
	assert_int_equal(stats->taken, 1);
	assert_int_equal(stats->passed, 1);
	assert_int_equal(earned(ALICE, true), COUNT * SIZE);
	contract_free(&resold);
}

/* What Bob would not pay for takes no room of what he does. */
static void test_other_signer(void **state)
{
	const struct receipt_stats *stats = receipt_stats(&nodes[ALICE].daemon);
	struct claim claim;

	(void)state;
	nodes_pair(ALICE, CAROL);
	alice_holds(&contracts[0], COUNT);
	carol_fills(&claim);
	carol_says(&claim, &nodes[CAROL].daemon.identity);
	assert_int_equal(stats->passed, 0);
	assert_int_equal(stats->unknown, COUNT);
	carol_says(&claim, &receiver);
	assert_int_equal(stats->passed, 1);
}

#define TWO(test) cmocka_unit_test_setup_teardown(test, set_up_two, tear_down_two)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_whole_way, set_up, tear_down),
		TWO(test_forged),
		TWO(test_other_contract),
		TWO(test_replayed),
		TWO(test_paid_once),
		TWO(test_seller_is_paid),
		TWO(test_buyer_is_away),
		TWO(test_after_a_notice),
		TWO(test_notice_and_card),
		TWO(test_own_messages),
		TWO(test_early),
		TWO(test_other_receiver),
		TWO(test_too_many),
		TWO(test_came_back),
		TWO(test_came_back_late),
		cmocka_unit_test(test_away),
		TWO(test_no_room),
		TWO(test_other_signer),
	};

	return nodes_main("delivery", tests, sizeof(tests) / sizeof(*tests));
}
