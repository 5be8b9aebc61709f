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
#include "node.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "daemon/ingest.h"
#include "daemon/notice.h"
#include "daemon/receipt_file.h"
#include "lib/hex.h"

#define COUNT	10

enum { BOB, ALICE, CAROL, GATE, NODES };

static struct event_base *base;
static struct node node[NODES];
static char top[48];
static char place[64];

/* The ingest */
static struct config service;
static struct identity receiver;
static struct ingest *ingest;
static uint16_t port;
static size_t taken;

static const uint8_t loopback[CS_ADDR_LEN] = { [15] = 1 };
static uint8_t digests[64][CS_DIGEST_LEN];

static uint64_t ticks(void)
{
	return daemon_ticks() / 1000000;
}

/* What the kernels of neighbours send to each other alone. */
static void wires(void)
{
	int i;

	for (i = BOB; i < GATE; i++)
		if (node[i].daemon.kernel && node[i + 1].daemon.kernel) {
			node_wire(&node[i], &node[i + 1]);
			node_wire(&node[i + 1], &node[i]);
		}
}

/* Runs all of them until something is so; false: it did not come to that. */
static bool until(bool (*so)(void), unsigned int seconds)
{
	static const struct timeval tick = { 0, 5000 };
	uint64_t end = ticks() + seconds * 1000;

	while (!so || !so()) {
		if (ticks() >= end)
			return false;
		event_base_loopexit(base, &tick);
		event_base_dispatch(base);
		wires();
	}
	return true;
}

static void run(unsigned int msec)
{
	uint64_t end = ticks() + msec;
	static const struct timeval tick = { 0, 5000 };

	while (ticks() < end) {
		event_base_loopexit(base, &tick);
		event_base_dispatch(base);
		wires();
	}
}

/* --- The ingest --- */

static void on_taken(const struct ingest_batch *batch, void *data)
{
	(void)data;
	taken += batch->receipt.nr_digests;
}

static void ingest_start(const char *more)
{
	char text[1024];

	snprintf(text, sizeof(text), "state = \"%s\"; ports = ();\n"
		 "ingest = { listen = \"[::1]:%u\"; inbox = \"%s/inbox\"; %s };", place,
		 port ? port : 1, place, more);
	NODE_OK(config_parse(&service, text, "ingest", error));
	if (!port)
		service.ingest.port = 0; /* any that is free */
	NODE_OK(identity_open(&receiver, service.identity, error));
	NODE_OK(ingest_open(&ingest, base, &service, &receiver, on_taken, NULL, error));
	port = ingest_port(ingest);
}

static void ingest_stop(void)
{
	if (!ingest)
		return;
	ingest_close(ingest);
	ingest = NULL;
	identity_close(&receiver);
	config_free(&service);
}

/* --- Nodes --- */

static const char *settings(int i)
{
	static char text[256];

	if (i == BOB)
		return "offers = { max-price = 100; budget = 1000000; };";
	if (i == ALICE)
		return "market = { rates = ( { rate = 50; } ); };\n"
		       "offers = { max-price = 100; budget = 1000000; };";
	if (i == GATE)
		return "gateway = { interface = \"lo\"; destinations = ( \"::1\" ); };";
	text[0] = 0;
	return text;
}

static void start(int i)
{
	node[i].number = 10 + i;
	snprintf(node[i].dir, sizeof(node[i].dir), "%s/%d", place, i);
	mkdir(node[i].dir, 0700);
	node_start(&node[i], base, i == ALICE ? "contract" : "free", settings(i));
}

static bool all_joined(void)
{
	int i;

	for (i = BOB; i < GATE; i++)
		if (!node_joined(&node[i], &node[i + 1]))
			return false;
	return true;
}

static void know_receiver(int i, const uint8_t key[IDENTITY_PUBLIC_LEN])
{
	char hex[2 * IDENTITY_PUBLIC_LEN + 1];
	json_t *request;

	cs_hex(hex, key, IDENTITY_PUBLIC_LEN);
	request = json_pack("{s:s, s:i, s:s}", "address", "::1", "port", port, "key", hex);
	NODE_OK(receiver_add(&node[i].daemon, request, error));
	json_decref(request);
}

static int set_up(void **state)
{
	static unsigned int number;
	int i;

	(void)state;
	snprintf(place, sizeof(place), "%s/%u", top, number++);
	mkdir(place, 0700);
	taken = 0;
	port = 0;
	ingest_start("");
	for (i = 0; i < NODES; i++)
		start(i);
	know_receiver(BOB, receiver.public);
	for (i = BOB; i < GATE; i++)
		node_join(&node[i], &node[i + 1]);
	assert_true(until(all_joined, 5));
	return 0;
}

static int tear_down(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < NODES; i++)
		if (node[i].daemon.kernel)
			node_stop(&node[i]);
	run(20);
	ingest_stop();
	run(20);
	return 0;
}

/* Bob sends messages that are all different. */
static void send_messages(int from, size_t count)
{
	static uint32_t serial;
	static uint8_t frame[CS_FRAME_HLEN + 2000];
	size_t i, len;

	for (i = 0; i < count; i++) {
		len = node_message(frame, sizeof(frame), loopback, port, ++serial, 1000 + i,
				   time(NULL) + 3600);
		memcpy(digests[i], node_digest(frame), CS_DIGEST_LEN);
		fake_receive(node[from].daemon.kernel, frame, len, true);
	}
}

/* --- What they know --- */

/* Sum of what is earned in the contracts of a ledger in which the node has a role. */
struct sum {
	const struct identity	*identity;
	bool			buyer;
	int64_t			promised;
	int64_t			earned;
	size_t			contracts;
	struct contract		first;
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
	struct sum sum = { .identity = &node[i].daemon.identity, .buyer = buyer };

	NODE_OK(ledger_contracts(node[i].daemon.ledger, false, time(NULL), add_up, &sum, error));
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
	       receipt_stats(&node[BOB].daemon)->delivered == COUNT;
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
		json = receipt_json(&node[i].daemon, NULL);
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
	assert_true(until(all_paid, 14));
	assert_int_equal(taken, COUNT);
	assert_int_equal(ingest_stats(ingest)->states[PROTO_ACK_NEW], COUNT);
	/* to the millipoint, and Carol, who asked for nothing, has a contract of nothing */
	assert_true(earned(BOB, true) > 0);
	assert_true(earned(BOB, true) == earned(ALICE, false));
	assert_int_equal(sum_of(CAROL, false).contracts, sum_of(ALICE, true).contracts);
	assert_int_equal(sum_of(CAROL, false).contracts > 0, 1);
	assert_int_equal(receipt_stats(&node[CAROL].daemon)->sold, COUNT);
	for (i = 0; i < NODES; i++)
		assert_false(is_bad(&node[i]));
	assert_true(until(nothing_waits, 2));
	list = receipt_list(&node[BOB].daemon, &error);
	assert_int_equal(json_array_size(list), COUNT);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "hops")), 3);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0),
							      "deliverer")),
			    node[GATE].daemon.identity.text);
	json_decref(list);
	gateway = gateway_json(&node[GATE].daemon);
	list = json_array_get(json_object_get(gateway, "targets"), 0);
	assert_int_equal(json_integer_value(json_object_get(list, "delivered")), COUNT);
	assert_int_equal(json_integer_value(json_object_get(list, "waiting")), 0);
	json_decref(gateway);
}

/* --- Receipts that are not what they say: Bob and Alice, who is the gateway herself --- */

#define RATE	(1 << 20)	/* a millipoint a byte */
#define SIZE	1000

static struct contract contracts[3];

/* A contract between Bob, who buys, and Alice, as it stands in both ledgers. */
static void sign_contract(struct contract *contract, uint32_t id, const uint8_t *address,
			  int64_t created, int64_t expiry)
{
	struct identity *bob = &node[BOB].daemon.identity, *alice = &node[ALICE].daemon.identity;
	size_t i;

	memset(contract, 0, sizeof(*contract));
	memcpy(contract->buyer, bob->public, IDENTITY_PUBLIC_LEN);
	memcpy(contract->seller, alice->public, IDENTITY_PUBLIC_LEN);
	memcpy(contract->destination, address, CS_ADDR_LEN);
	memcpy(contract->receiver, receiver.public, IDENTITY_PUBLIC_LEN);
	contract->id = id;
	contract->rate = RATE;
	contract->created = created;
	contract->expiry = expiry;
	contract->nr_items = COUNT;
	contract->items = calloc(COUNT, sizeof(*contract->items));
	for (i = 0; i < COUNT; i++) {
		memset(contract->items[i].digest, id, CS_DIGEST_LEN);
		contract->items[i].digest[0] = i;
		contract->items[i].size = SIZE;
	}
	NODE_OK(contract_sign(contract, bob, error));
	NODE_OK(contract_sign(contract, alice, error));
	NODE_OK(ledger_promise(node[BOB].daemon.ledger, contract, created, error));
	NODE_OK(ledger_promise(node[ALICE].daemon.ledger, contract, created, error));
}

static bool two_joined(void)
{
	return node_joined(&node[BOB], &node[ALICE]);
}

static void restart_two(void)
{
	node_stop(&node[BOB]);
	node_stop(&node[ALICE]);
	run(20);
	start(BOB);
	start(ALICE);
	node_join(&node[BOB], &node[ALICE]);
	assert_true(until(two_joined, 5));
}

static int set_up_two(void **state)
{
	static const uint8_t elsewhere[CS_ADDR_LEN] = { 0x20, 1 };
	static unsigned int number;
	int64_t now = time(NULL);
	char path[128];

	(void)state;
	snprintf(place, sizeof(place), "%s/two%u", top, number++);
	mkdir(place, 0700);
	snprintf(path, sizeof(path), "%s/receiver", place);
	NODE_OK(identity_open(&receiver, path, error));
	port = 35254;
	start(BOB);
	start(ALICE);
	sign_contract(&contracts[0], 1, loopback, now, now + 3600);
	sign_contract(&contracts[1], 2, elsewhere, now, now + 3600);
	/* one that expired long ago, for which receipts were still due */
	sign_contract(&contracts[2], 3, loopback, now - 9000, now - 4000);
	restart_two();
	return 0;
}

static int tear_down_two(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		contract_free(&contracts[i]);
	node_stop(&node[BOB]);
	node_stop(&node[ALICE]);
	run(20);
	identity_close(&receiver);
	return 0;
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
	receipt->port = port;
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

	NODE_OK(receipt_sign(receipt, by, error));
	claim->claim.messages = receipt_all(receipt);
	receipt->nr_endorsements = 0;
	NODE_OK(receipt_endorse(receipt, &node[ALICE].daemon.identity,
				node[BOB].daemon.identity.address, &claim->claim, claim->chain,
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
	receipt_letter(node_peer(&node[BOB], &node[ALICE]), &claim->letter);
}

static void refused_for(const struct claim *claim, enum receipt_refusal reason)
{
	const struct receipt_stats *stats = receipt_stats(&node[BOB].daemon);
	struct receipt_stats before = *stats;
	unsigned int i;

	bob_gets(claim);
	for (i = 0; i < RECEIPT_REFUSAL_MAX; i++)
		if (stats->refused[i] != before.refused[i] + (i == reason))
			fail_msg("refused for reason %u", i);
	assert_int_equal(stats->taken, before.taken);
	assert_int_equal(earned(BOB, true), 0);
	assert_false(is_bad(&node[BOB]));
}

static void test_forged(void **state)
{
	struct identity *bob = &node[BOB].daemon.identity;
	struct claim claim;

	(void)state;
	claim_make(&claim, &contracts[0]);
	claim.letter.receipt.signature[7] ^= 1;
	refused_for(&claim, RECEIPT_REFUSAL_SIGNATURE);
	/* signed, by whom Bob did not mean */
	claim_fill(&claim, &contracts[0]);
	claim_sign(&claim, &node[ALICE].daemon.identity);
	refused_for(&claim, RECEIPT_REFUSAL_RECEIVER);
	/* nobody's but Bob's own word */
	claim_make(&claim, &contracts[0]);
	claim.letter.receipt.nr_endorsements = 0;
	refused_for(&claim, RECEIPT_REFUSAL_CHAIN);
	claim_make(&claim, &contracts[0]);
	NODE_OK(receipt_endorse(&claim.letter.receipt, bob, bob->address, &claim.claim,
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
	const struct receipt_stats *stats = receipt_stats(&node[BOB].daemon);
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
	assert_false(is_bad(&node[BOB]));
	/* what Alice did not send is not answered to her use */
	run(50);
	assert_int_equal(earned(ALICE, false), 0);
}

/* Alice delivers what Bob gave under a contract: she holds it, or did until a notice came. */
static void alice_holds(const struct contract *contract, size_t count)
{
	static uint8_t frame[CS_FRAME_HLEN + SIZE];
	struct store_item item = { .contract = contract->id, .hops = 255, .flags = STORE_EARNS };
	struct cs_error error = { "" };
	size_t i;

	memcpy(item.peer, node[BOB].daemon.identity.address, CS_ADDR_LEN);
	for (i = 0; i < count; i++) {
		item.size = node_message(frame, sizeof(frame), contract->destination, port, i,
					 100, time(NULL) + 600) - CS_ETH_HLEN -
			    sizeof(struct cs_link_hdr);
		item.message = node_digest(frame);
		item.expiry = time(NULL) + 600;
		item.arrived = time(NULL);
		/* its digest is the one that the contract names: the store sees no more */
		memcpy(frame + CS_ETH_HLEN + sizeof(struct cs_link_hdr),
		       contract->items[i].digest, CS_DIGEST_LEN);
		memcpy(item.digest, contract->items[i].digest, CS_DIGEST_LEN);
		memcpy(item.destination, contract->destination, CS_ADDR_LEN);
		assert_int_equal(store_add(node[ALICE].daemon.store, &item, time(NULL), &error),
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
	NODE_OK(receipt_delivered(&node[ALICE].daemon, &claim->letter.receipt, error));
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
	assert_true(until(alice_paid, 3));
	assert_int_equal(earned(BOB, true), COUNT * SIZE);
	assert_int_equal(store_get(node[ALICE].daemon.store, contracts[0].items[0].digest, &item),
			 0);
	assert_false(item.flags & STORE_EARNS);
	/* the ingest says it again, as after a break */
	alice_gets(&claim);
	run(100);
	assert_int_equal(earned(ALICE, false), COUNT * SIZE);
	assert_int_equal(earned(BOB, true), COUNT * SIZE);
	assert_false(is_bad(&node[ALICE]) || is_bad(&node[BOB]));
}

/* A receipt waits for a peer that is away, over a restart. */
static void test_buyer_is_away(void **state)
{
	struct claim claim;

	(void)state;
	alice_holds(&contracts[0], COUNT);
	node_stop(&node[BOB]);
	run(20);
	alice_gets(&claim);
	run(100);
	assert_int_equal(earned(ALICE, false), 0);
	start(BOB);
	restart_two();
	assert_true(until(alice_paid, 3));
	assert_int_equal(earned(BOB, true), COUNT * SIZE);
}

/* The notice is faster than the receipt: where a message came from is still known. */
static void test_after_a_notice(void **state)
{
	struct proto_letter letter = { .type = PROTO_CANCEL };
	struct cancel_given given;
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
	assert_int_equal(notice_sign(&letter.cancel, &node[BOB].daemon.identity), 0);
	cancel_letter(node_peer(&node[ALICE], &node[BOB]), &letter.cancel);
	assert_int_equal(store_get(node[ALICE].daemon.store, claim.digests[0], &item), 0);
	/* the one of the key that the contract names does; others may still send the message */
	assert_int_equal(notice_sign(&letter.cancel, &receiver), 0);
	cancel_letter(node_peer(&node[ALICE], &node[BOB]), &letter.cancel);
	for (i = 0; i < COUNT; i++) {
		assert_int_equal(store_get(node[ALICE].daemon.store, claim.digests[i], &item),
				 -ENOENT);
		assert_int_equal(cancel_state(&node[ALICE].daemon, claim.digests[i]),
				 CANCEL_CLAIMED);
	}
	assert_true(cancel_given(&node[ALICE].daemon, claim.digests[1], &given));
	assert_false(given.own);
	assert_int_equal(given.contract, contracts[0].id);
	assert_int_equal(given.port, port);
	assert_memory_equal(given.peer, node[BOB].daemon.identity.address, CS_ADDR_LEN);
	restart_two();
	alice_gets(&claim);
	assert_true(until(alice_paid, 3));
	assert_int_equal(earned(BOB, true), COUNT * SIZE);
}

/* A card proves a notice; without one nobody can suppress what goes to a wired destination. */
static void test_notice_and_card(void **state)
{
	struct proto_letter letter = { .type = PROTO_CANCEL };
	struct daemon *bob = &node[BOB].daemon;
	uint8_t frame[CS_FRAME_HLEN + SIZE];
	struct store_item item;
	size_t len;

	(void)state;
	len = node_message(frame, sizeof(frame), loopback, port, 99, 100, time(NULL) + 600);
	fake_receive(bob->kernel, frame, len, true);
	letter.cancel.expiry = time(NULL) + 600;
	letter.cancel.digests = node_digest(frame);
	letter.cancel.nr_digests = 1;
	assert_int_equal(notice_sign(&letter.cancel, &receiver), 0);
	cancel_letter(node_peer(&node[BOB], &node[ALICE]), &letter.cancel);
	assert_int_equal(store_get(bob->store, node_digest(frame), &item), 0);
	know_receiver(BOB, receiver.public);
	cancel_letter(node_peer(&node[BOB], &node[ALICE]), &letter.cancel);
	assert_int_equal(store_get(bob->store, node_digest(frame), &item), -ENOENT);
	assert_int_equal(cancel_state(bob, node_digest(frame)), CANCEL_PROVEN);
	/* it is not taken again */
	fake_receive(bob->kernel, frame, len, true);
	assert_int_equal(store_get(bob->store, node_digest(frame), &item), -ENOENT);
}

/* What is said to be delivered of Bob's own is what a card's key has signed. */
static void test_own_messages(void **state)
{
	uint8_t frame[CS_FRAME_HLEN + SIZE];
	struct receipt_claim none = { .messages = 1 };
	struct claim claim;

	(void)state;
	fake_receive(node[BOB].daemon.kernel, frame,
		     node_message(frame, sizeof(frame), loopback, port, 98, 100,
				  time(NULL) + 600), true);
	claim_fill(&claim, &contracts[0]);
	memset(claim.letter.receipt.contract, 0, PROTO_UID_LEN);
	memcpy(claim.digests[0], node_digest(frame), CS_DIGEST_LEN);
	claim.letter.receipt.nr_digests = 1;
	claim.claim = none;
	claim_sign(&claim, &receiver);
	refused_for(&claim, RECEIPT_REFUSAL_RECEIVER);
	know_receiver(BOB, node[ALICE].daemon.identity.public);
	refused_for(&claim, RECEIPT_REFUSAL_RECEIVER);
	know_receiver(BOB, receiver.public);
	/* of another port, which is another destination */
	claim.letter.receipt.port++;
	claim_sign(&claim, &receiver);
	refused_for(&claim, RECEIPT_REFUSAL_MESSAGE);
	claim.letter.receipt.port--;
	claim_sign(&claim, &receiver);
	bob_gets(&claim);
	assert_int_equal(receipt_stats(&node[BOB].daemon)->delivered, 1);
}

/* A peer that sends more than its share is not listened to, and not answered. */
static void test_too_many(void **state)
{
	const struct receipt_stats *stats = receipt_stats(&node[BOB].daemon);
	struct claim claim;
	int i;

	(void)state;
	claim_make(&claim, &contracts[0]);
	claim.letter.receipt.signature[7] ^= 1;
	for (i = 0; i < 1200; i++)
		bob_gets(&claim);
	assert_true(stats->refused[RECEIPT_REFUSAL_RATE] > 0);
	assert_true(stats->refused[RECEIPT_REFUSAL_SIGNATURE] >= 500);
}

#define TWO(test) cmocka_unit_test_setup_teardown(test, set_up_two, tear_down_two)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_whole_way, set_up, tear_down),
		TWO(test_forged),
		TWO(test_other_contract),
		TWO(test_replayed),
		TWO(test_seller_is_paid),
		TWO(test_buyer_is_away),
		TWO(test_after_a_notice),
		TWO(test_notice_and_card),
		TWO(test_own_messages),
		TWO(test_too_many),
	};
	int rc;

	log_init(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR - 1);
	signal(SIGPIPE, SIG_IGN);
	strcpy(top, "/tmp/crowdshare-delivery-XXXXXX");
	if (!mkdtemp(top))
		return 1;
	base = event_base_new();
	rc = cmocka_run_group_tests_name("delivery", tests, NULL, NULL);
	event_base_free(base);
	node_remove(top);
	return rc;
}
