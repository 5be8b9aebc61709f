// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of offers, bids and contracts: whole daemons, of which node 0 buys and node 1 sells.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include "common/nodes.h"
#include "daemon/storedb.h"

#define SIZE	1000		/* bytes of a message */
#define FRAME	(SIZE + sizeof(struct cs_link_hdr))
#define RATE	2000000		/* millipoints per MiB */

static const uint8_t somewhere[CS_ADDR_LEN] = { 0xfd, 1 };
static struct config_rate market = { .rate = RATE };
static uint8_t bytes[MESSAGE_MOST];
static uint8_t digests[300][CS_DIGEST_LEN];

/* Nodes that take and give only under contract; all sell at the market's rate. */
static int set_up(void **state)
{
	int i;

	nodes_set_up(state);
	for (i = 0; i < NODES; i++) {
		nodes[i].port.terms = CROWDSHARE_PEER_CONTRACT;
		nodes[i].daemon.config.policy.rates = &market;
		nodes[i].daemon.config.policy.nr_rates = 1;
		nodes[i].daemon.config.offers.max_price = 10 * RATE;
	}
	return 0;
}

/* So many messages that a program of node 0 sends. */
static void send_messages(size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		node_send(0, somewhere, SIZE, digests[i]);
}

static size_t held(int i, size_t count)
{
	size_t n = 0;

	while (count--)
		n += node_holds(i, digests[count]);
	return n;
}

/* --- What the control socket would show --- */

static json_t *offers_of(int i)
{
	json_t *list = offer_list(&nodes[i].daemon);

	assert_non_null(list);
	return list;
}

/* Is the newest offer in this state, for this reason ("": none)? */
static bool last_is(int i, const char *state, const char *reason)
{
	json_t *list = offers_of(i), *last = json_array_get(list, 0);
	const char *is = json_string_value(json_object_get(last, "state"));
	const char *why = json_string_value(json_object_get(last, "reason"));
	bool same = is && !strcmp(is, state) && !strcmp(why ? why : "", reason);

	json_decref(list);
	return same;
}

static json_int_t last_number(int i, const char *name)
{
	json_t *list = offers_of(i);
	json_int_t value = json_integer_value(json_object_get(json_array_get(list, 0), name));

	json_decref(list);
	return value;
}

static size_t nr_offers(int i)
{
	json_t *list = offers_of(i);
	size_t n = json_array_size(list);

	json_decref(list);
	return n;
}

/**
 * struct sum - of all contracts of a ledger
 */
struct sum {
	size_t		count;
	int64_t		promised;
	int64_t		lapsed;
	uint8_t		uid[CONTRACT_UID_LEN];
	uint32_t	id;
};

static int add_contract(const struct contract *contract, int64_t promised, int64_t earned,
			int64_t lapsed, void *data)
{
	struct sum *sum = data;

	(void)earned;
	sum->count++;
	sum->promised += promised;
	sum->lapsed += lapsed;
	sum->id = contract->id;
	contract_uid(contract, sum->uid);
	return 0;
}

static struct sum ledger_of(int i)
{
	struct cs_error error = { "" };
	struct sum sum = { 0 };

	if (ledger_contracts(nodes[i].daemon.ledger, false, daemon_now(), add_contract, &sum,
			     &error))
		fail_msg("%s", error.text);
	return sum;
}

/* Both ledgers hold the same, and hold it well. */
static void ledgers_agree(size_t contracts)
{
	struct sum buyer = ledger_of(0), seller = ledger_of(1);
	struct cs_error error = { "" };
	int64_t bad;
	int i;

	assert_int_equal(buyer.count, contracts);
	assert_int_equal(seller.count, contracts);
	assert_int_equal(buyer.promised, seller.promised);
	for (i = 0; i < 2; i++)
		if (ledger_verify(nodes[i].daemon.ledger, nodes[i].daemon.identity.public, &bad,
				  &error))
			fail_msg("%s", error.text);
}

static struct kernel_contract *in_kernel(int i, int other, uint32_t id)
{
	return fake_contract(nodes[i].daemon.kernel, NODES_IFINDEX, node_lladdr(other), id);
}

/* --- A trade --- */

/* What is promised stands in both ledgers, and both kernels know of it, before a byte is sent. */
static bool signed_before(int from, int to, size_t nth)
{
	struct sum buyer, seller;

	assert_int_equal(from, 0);
	assert_int_equal(to, 1);
	if (nth)
		return true;
	buyer = ledger_of(0);
	seller = ledger_of(1);
	assert_int_equal(buyer.count, 1);
	assert_int_equal(seller.count, 1);
	assert_memory_equal(buyer.uid, seller.uid, CONTRACT_UID_LEN);
	assert_int_equal(buyer.promised, seller.promised);
	assert_true(buyer.promised > 0);
	assert_non_null(in_kernel(0, 1, buyer.id));
	assert_non_null(in_kernel(1, 0, buyer.id));
	return true;
}

static void test_trade(void **state)
{
	struct kernel_contract *contract;
	struct store_item item;
	struct sum sum;
	uint64_t amount;
	size_t i;

	(void)state;
	nodes_wire = signed_before;
	node_start(0);
	send_messages(100);
	nodes_pair(0, 1);
	run_until(held(1, 100) == 100, 20000);
	run_until(last_is(0, "done", ""), 20000);
	assert_true(last_is(1, "accepted", ""));
	ledgers_agree(1);
	sum = ledger_of(0);
	assert_int_equal(contract_amount(RATE, FRAME, &amount), 0);
	assert_int_equal(sum.promised, 100 * amount);
	/* each was sent once, to this peer alone, and counted */
	nodes_run(300);
	assert_int_equal(nodes[0].moved, 100);
	contract = in_kernel(0, 1, sum.id);
	assert_int_equal(contract->used, 100 * FRAME);
	assert_int_equal(contract->bytes, (1 + SYNC_FRAMES) * 100 * FRAME);
	contract = in_kernel(1, 0, sum.id);
	assert_int_equal(contract->used, 100 * FRAME);
	assert_int_equal(contract->bytes, 100 * FRAME);
	for (i = 0; i < 100; i++) {
		assert_int_equal(store_get(nodes[1].daemon.store, digests[i], &item), 0);
		assert_int_equal(item.flags, STORE_EARNS);
		assert_int_equal(item.contract, sum.id);
		assert_memory_equal(item.peer, nodes[0].daemon.identity.address, CS_ADDR_LEN);
	}
	/* and is not offered again */
	nodes_run(2500);
	assert_int_equal(nr_offers(0), 1);
	assert_int_equal(node_peer(0, 1)->sync.given, 0);
}

/* Of several destinations: an offer and a contract each. */
static void test_destinations(void **state)
{
	uint8_t other[CS_ADDR_LEN] = { 0xfd, 2 };
	size_t i;

	(void)state;
	node_start(0);
	send_messages(20);
	for (i = 20; i < 30; i++)
		node_send(0, other, SIZE, digests[i]);
	nodes_pair(0, 1);
	run_until(held(1, 30) == 30, 20000);
	ledgers_agree(2);
}

/* A price of nothing is a yes: a contract all the same, but nothing is earned. */
static void test_gratis(void **state)
{
	struct store_item item;

	(void)state;
	nodes[1].daemon.config.policy.nr_rates = 0;
	node_start(0);
	send_messages(10);
	nodes_pair(0, 1);
	run_until(held(1, 10) == 10, 20000);
	ledgers_agree(1);
	assert_int_equal(ledger_of(0).promised, 0);
	assert_int_equal(store_get(nodes[1].daemon.store, digests[0], &item), 0);
	assert_int_equal(item.flags, 0);
}

/* --- Refusals --- */

/* The buyer is told why, and nothing else happens. */
static void refused(const char *reason)
{
	run_until(last_is(0, "refused", reason), 20000);
	assert_true(last_is(1, "refused", reason));
	assert_int_equal(held(1, 10), 0);
	assert_int_equal(nodes[0].moved, 0);
	ledgers_agree(0);
}

/* It has passed: the same messages are offered again, and taken. */
static void passed(void)
{
	size_t before = nr_offers(1);

	assert_true(before <= 2);
	run_until(held(1, 10) == 10, 20000);
	ledgers_agree(1);
}

static void test_battery(void **state)
{
	struct policy_power plugged = { .plugged = true, .percent = 100 };

	(void)state;
	nodes[1].daemon.config.policy.battery_min = 20;
	nodes[1].daemon.power = (struct policy_power){ .battery = true, .percent = 19 };
	node_start(0);
	send_messages(10);
	nodes_pair(0, 1);
	refused("battery");
	nodes[1].daemon.power = plugged;
	passed();
}

static void test_plan(void **state)
{
	(void)state;
	nodes[1].daemon.config.policy.plan_bytes = 1000;
	nodes[1].daemon.plan.used = 1000;
	node_start(0);
	send_messages(10);
	nodes_pair(0, 1);
	refused("plan");
	nodes[1].daemon.plan.used = 0;
	passed();
}

static void test_full(void **state)
{
	struct store_item item;

	(void)state;
	nodes[1].daemon.config.store.bytes = 1 << 20;
	node_start(1);
	do {
		make_message(&item, bytes, 60000, somewhere, daemon_now() + 3600);
		item.arrived = daemon_now();
		item.flags = STORE_LOCAL;
	} while (store_add(nodes[1].daemon.store, &item, daemon_now(), NULL) == STORE_ADDED);
	node_start(0);
	send_messages(10);
	send_messages(50);
	nodes_pair(0, 1);
	refused("full");
	nodes[1].daemon.config.store.bytes = 8 << 20;
	assert_int_equal(store_configure(nodes[1].daemon.store, &nodes[1].daemon.config.store,
					 NULL), 0);
	passed();
}

/* While it lasts the seller is asked now and then, not each second. */
static void test_asked_again(void **state)
{
	(void)state;
	nodes[0].daemon.config.store.reconcile = 3;
	nodes[1].daemon.config.policy.plan_bytes = 1000;
	nodes[1].daemon.plan.used = 1000;
	node_start(0);
	send_messages(10);
	nodes_pair(0, 1);
	refused("plan");
	nodes_run(2000);
	assert_int_equal(nr_offers(1), 1);
	run_until(nr_offers(1) == 2, 5000);
}

static void test_destination(void **state)
{
	struct config_prefix denied = { .address = { 0xfd }, .len = 8 };

	(void)state;
	nodes[1].daemon.config.policy.deny_destinations = &denied;
	nodes[1].daemon.config.policy.nr_deny = 1;
	node_start(0);
	send_messages(10);
	nodes_pair(0, 1);
	refused("destination");
	/* that does not pass: nobody is asked again */
	nodes_run(2500);
	assert_int_equal(nr_offers(1), 1);
}

static void test_duplicate(void **state)
{
	struct store_item item;
	size_t i;

	(void)state;
	node_start(0);
	node_start(1);
	send_messages(10);
	for (i = 0; i < 10; i++) {
		if (i < 5) { /* the kernel has seen it, the store does not hold it */
			nodes[1].daemon.kernel->ops->remember(nodes[1].daemon.kernel, digests[i],
							      100, NULL);
			continue;
		}
		assert_int_equal(store_get(nodes[0].daemon.store, digests[i], &item), 0);
		node_store(1, &item);
	}
	nodes_pair(0, 1);
	run_until(last_is(0, "refused", "duplicate"), 20000);
	ledgers_agree(0);
	/* of some that are known and some that are not, the others */
	send_messages(10);
	run_until(held(1, 10) == 10, 20000);
	ledgers_agree(1);
	assert_int_equal(nodes[0].moved, 10);
}

/* An offer that node 0 makes by itself, so that its answer is for nobody. */
static struct proto_letter offer_of(struct proto_offer_item *items, size_t count, uint64_t expiry)
{
	struct proto_letter letter = { .type = PROTO_OFFER };
	static uint64_t number = 1000;
	size_t i;

	for (i = 0; i < count; i++) {
		random_bytes(items[i].digest, CS_DIGEST_LEN);
		items[i].size = FRAME;
		items[i].expiry = expiry;
	}
	letter.offer.offer = number++;
	memcpy(letter.offer.destination, somewhere, CS_ADDR_LEN);
	letter.offer.items = items;
	letter.offer.nr_items = count;
	return letter;
}

static void test_expired(void **state)
{
	struct proto_offer_item items[3];
	struct proto_letter letter;

	(void)state;
	nodes_pair(0, 1);
	letter = offer_of(items, 3, daemon_now());
	session_send(node_peer(0, 1)->session, &letter);
	run_until(last_is(1, "refused", "expired"), 20000);
	/* one that lives is enough */
	letter = offer_of(items, 3, daemon_now());
	items[1].expiry += 100;
	session_send(node_peer(0, 1)->session, &letter);
	run_until(last_is(1, "bid", ""), 20000);
	assert_int_equal(last_number(1, "total"), (RATE * FRAME + (1 << 20) - 1) >> 20);
}

static void test_rate(void **state)
{
	struct proto_offer_item items[1];
	struct proto_letter letter;
	size_t i, bids = 0, refusals = 0;
	json_t *list, *each;
	const char *is;

	(void)state;
	nodes[1].daemon.config.policy.offers = 3;
	nodes_pair(0, 1);
	for (i = 0; i < 20; i++) {
		letter = offer_of(items, 1, daemon_now() + 100);
		session_send(node_peer(0, 1)->session, &letter);
	}
	run_until(nr_offers(1) == 20, 20000);
	list = offers_of(1);
	json_array_foreach(list, i, each) {
		is = json_string_value(json_object_get(each, "state"));
		bids += !strcmp(is, "bid");
		is = json_string_value(json_object_get(each, "reason"));
		refusals += is && !strcmp(is, "rate");
	}
	json_decref(list);
	assert_in_range(bids, 3, 5);
	assert_int_equal(bids + refusals, 20);
}

/* Bids that nobody answers do not fill the memory, though there is no limit of rate. */
static void test_open(void **state)
{
	struct proto_offer_item items[1];
	struct proto_letter letter;
	size_t i, bids = 0;
	json_t *list, *each;

	(void)state;
	nodes_pair(0, 1);
	for (i = 0; i < 400; i++) {
		letter = offer_of(items, 1, daemon_now() + 100);
		session_send(node_peer(0, 1)->session, &letter);
	}
	run_until(nr_offers(1) >= 128, 20000);
	nodes_run(200);
	list = offers_of(1);
	json_array_foreach(list, i, each)
		bids += !strcmp(json_string_value(json_object_get(each, "state")), "bid");
	assert_int_equal(bids, 4);
	assert_true(json_array_size(list) < 140);
	json_decref(list);
}

/* Who is not under contract has no business with offers. */
static void test_policy(void **state)
{
	struct proto_offer_item items[1];
	struct proto_letter letter;

	(void)state;
	nodes[0].port.terms = nodes[1].port.terms = CROWDSHARE_PEER_FREE;
	nodes_pair(0, 1);
	letter = offer_of(items, 1, daemon_now() + 100);
	session_send(node_peer(0, 1)->session, &letter);
	run_until(last_is(1, "refused", "policy"), 20000);
	assert_int_equal(ledger_of(1).count, 0);
}

/* --- How the buyer decides --- */

static void no_trade(void)
{
	nodes_run(300);
	assert_int_equal(held(1, 10), 0);
	assert_int_equal(nodes[0].moved, 0);
	ledgers_agree(0);
}

static void test_price(void **state)
{
	(void)state;
	nodes[0].daemon.config.offers.max_price = RATE - 1;
	node_start(0);
	send_messages(10);
	nodes_pair(0, 1);
	run_until(last_is(0, "rejected", "price"), 20000);
	run_until(last_is(1, "rejected", "price"), 20000);
	no_trade();
	/* at its limit it is accepted */
	nodes[0].daemon.config.offers.max_price = RATE;
	send_messages(10);
	run_until(held(1, 10) == 10, 20000);
	ledgers_agree(1);
}

static void test_budget(void **state)
{
	uint64_t amount;

	(void)state;
	assert_int_equal(contract_amount(RATE, FRAME, &amount), 0);
	nodes[0].daemon.config.offers.budget = 15 * amount;
	node_start(0);
	send_messages(16);
	nodes_pair(0, 1);
	run_until(last_is(0, "rejected", "budget"), 20000);
	run_until(last_is(1, "rejected", "budget"), 20000);
	no_trade();
	/* what was promised today counts */
	send_messages(10);
	run_until(held(1, 10) == 10, 20000);
	send_messages(6);
	run_until(last_is(0, "rejected", "budget"), 20000);
	send_messages(5);
	run_until(held(1, 5) == 5, 20000);
	ledgers_agree(2);
	assert_int_equal(ledger_of(0).promised, 15 * amount);
}

/* Two bids at once: what was accepted counts before it is signed. */
static void test_budget_twice(void **state)
{
	uint64_t amount;

	(void)state;
	assert_int_equal(contract_amount(RATE, FRAME, &amount), 0);
	nodes[0].daemon.config.offers.budget = 15 * amount;
	node_start(0);
	node_start(1);
	node_start(2);
	send_messages(10);
	nodes_join(0, 1);
	nodes_join(0, 2);
	run_until(nodes_up(0, 1) && nodes_up(0, 2), 20000);
	run_until(held(1, 10) + held(2, 10) >= 10, 20000);
	nodes_run(500);
	assert_int_equal(held(1, 10) + held(2, 10), 10);
	assert_int_equal(ledger_of(0).promised, 10 * amount);
}

/* The id of the offer that waits at the buyer. */
static json_int_t waiting(void)
{
	run_until(last_is(0, "bid", ""), 20000);
	no_trade();
	return last_number(0, "id");
}

static void test_ask_accept(void **state)
{
	struct cs_error error = { "" };
	json_int_t id;

	(void)state;
	nodes[0].daemon.config.offers.max_price = 1;
	nodes[0].daemon.config.offers.ask = true;
	node_start(0);
	send_messages(10);
	nodes_pair(0, 1);
	id = waiting();
	assert_in_range(last_number(0, "waits"), 55, 60);
	assert_int_equal(last_number(0, "rate"), RATE);
	assert_true(offer_accept(&nodes[0].daemon, id + 77, &error) < 0);
	assert_non_null(strstr(error.text, "there is no offer"));
	assert_int_equal(offer_accept(&nodes[0].daemon, id, &error), 0);
	run_until(held(1, 10) == 10, 20000);
	ledgers_agree(1);
	assert_true(offer_accept(&nodes[0].daemon, id, &error) < 0);
	assert_non_null(strstr(error.text, "does not wait"));
	assert_true(offer_reject(&nodes[0].daemon, id, &error) < 0);
	ledgers_agree(1);
}

static void test_ask_reject(void **state)
{
	struct cs_error error = { "" };

	(void)state;
	nodes[0].daemon.config.offers.budget = 1;
	nodes[0].daemon.config.offers.ask = true;
	node_start(0);
	send_messages(10);
	nodes_pair(0, 1);
	assert_int_equal(offer_reject(&nodes[0].daemon, waiting(), &error), 0);
	run_until(last_is(1, "rejected", "price"), 20000);
	assert_true(last_is(0, "rejected", "price"));
	no_trade();
}

/* Nobody answers: then it is rejected; and a bid that stands for less long is not waited for. */
static void test_ask_timeout(void **state)
{
	(void)state;
	nodes[0].daemon.config.offers.max_price = 1;
	nodes[0].daemon.config.offers.ask = true;
	nodes[0].daemon.config.offers.wait = 1;
	node_start(0);
	send_messages(10);
	nodes_pair(0, 1);
	waiting();
	run_until(last_is(0, "rejected", "timeout"), 5000);
	run_until(last_is(1, "rejected", "timeout"), 20000);
	no_trade();
	nodes[0].daemon.config.offers.wait = 3600;
	send_messages(10);
	waiting();
	assert_in_range(last_number(0, "waits"), 80, 90); /* 30 and the seller's 60 */
}

/* A person has a peer asked about some. */
static void test_make(void **state)
{
	struct cs_error error = { "" };
	char text[2 * CS_DIGEST_LEN + 1];
	json_t *some = json_array();
	size_t i;

	(void)state;
	nodes[0].daemon.config.store.reconcile = 3600;
	nodes_pair(0, 1);
	nodes_run(1200); /* the first time, there is nothing */
	send_messages(10);
	for (i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "%02x%02x", digests[i][0], digests[i][1]);
		assert_int_equal(json_array_append_new(some, json_string(text)), 0);
	}
	assert_true(offer_make(&nodes[0].daemon, node_peer(0, 1), some, &error) < 0);
	assert_non_null(strstr(error.text, "is no digest"));
	json_array_clear(some);
	for (i = 0; i < 3; i++) {
		int k;

		for (k = 0; k < CS_DIGEST_LEN; k++)
			sprintf(text + 2 * k, "%02x", digests[i][k]);
		json_array_append_new(some, json_string(text));
	}
	assert_int_equal(offer_make(&nodes[0].daemon, node_peer(0, 1), some, &error), 3);
	assert_int_equal(offer_make(&nodes[0].daemon, node_peer(0, 1), some, &error), -EBUSY);
	run_until(held(1, 10) == 3, 20000);
	/* all: but for those that were promised already */
	run_until(last_is(0, "done", ""), 20000);
	assert_int_equal(offer_make(&nodes[0].daemon, node_peer(0, 1), NULL, &error), 7);
	run_until(held(1, 10) == 10, 20000);
	run_until(last_is(0, "done", ""), 20000);
	assert_int_equal(offer_make(&nodes[0].daemon, node_peer(0, 1), NULL, &error), -ENOENT);
	ledgers_agree(2);
	json_decref(some);
}

/* --- The price --- */

/* Of two limits that of the direction that is fuller counts, and not their sum. */
static void test_band(void **state)
{
	struct config_store *config = &nodes[0].daemon.config.store;
	struct bid_terms terms;
	struct store_item item;
	int i;

	(void)state;
	node_start(0);
	make_message(&item, bytes, 50000, somewhere, daemon_now() + 100);
	for (i = 0; i < 10; i++) {
		intake_may_take(&nodes[0].daemon, 10000);
		intake_may_give(&nodes[0].daemon, &item);
	}
	nodes_run(10500); /* 10 kB in and 50 kB out, a second */
	config->in = 100000;
	config->out = 0;
	offer_price(&nodes[0].daemon, 1000, &terms);
	assert_int_equal(terms.band, 4 * RATE / 100);
	config->in = 0;
	config->out = 100000;
	offer_price(&nodes[0].daemon, 1000, &terms);
	assert_int_equal(terms.band, 4 * RATE / 4);
	config->in = 20000;
	config->out = 200000;
	offer_price(&nodes[0].daemon, 1000, &terms);
	assert_int_equal(terms.band, 4 * RATE / 4);
	config->in = 200000;
	config->out = 50000;
	offer_price(&nodes[0].daemon, 1000, &terms);
	assert_int_equal(terms.band, 4 * RATE);
	config->in = config->out = 0;
	offer_price(&nodes[0].daemon, 1000, &terms);
	assert_int_equal(terms.band, 0);
}

/* --- What happens to a contract --- */

static bool dropped[1000];

/* Each third frame is lost, the first time. */
static bool lossy(int from, int to, size_t nth)
{
	(void)from;
	(void)to;
	if (nth >= 1000 || nth % 3 || dropped[nth])
		return true;
	dropped[nth] = true;
	return false;
}

/*
 * What was lost is sent again, under the same contract, and paid for once. What is lost twice, a
 * third of a third, comes over the session.
 */
static void test_loss(void **state)
{
	uint64_t by_session;
	struct sum sum;

	(void)state;
	memset(dropped, 0, sizeof(dropped));
	nodes_wire = lossy;
	node_start(0);
	send_messages(90);
	nodes_pair(0, 1);
	run_until(held(1, 90) == 90, 20000);
	ledgers_agree(1);
	sum = ledger_of(0);
	by_session = intake_stats(&nodes[1].daemon)->injected;
	assert_int_equal(by_session, 10);
	assert_int_equal(nodes[0].moved, 90 + 30);
	assert_int_equal(in_kernel(0, 1, sum.id)->used, nodes[0].moved * FRAME);
	assert_int_equal(in_kernel(1, 0, sum.id)->used, (90 - by_session) * FRAME);
}

static uint32_t first_contract;

/* The first contract covers but 20 messages. */
static bool short_of(int from, int to, size_t nth)
{
	struct kernel_contract *contract;

	if (!nth) {
		first_contract = ledger_of(0).id;
		contract = in_kernel(from, to, first_contract);
		contract->bytes = 20 * FRAME;
	}
	return true;
}

/*
 * Used up in the middle: nothing more is sent under it, and neither ledger knows of less than was
 * promised. What did not arrive is offered anew.
 */
static void test_exhausted(void **state)
{
	size_t sent;

	(void)state;
	nodes_wire = short_of;
	node_start(0);
	send_messages(200);
	nodes_pair(0, 1);
	run_until(nodes[0].refused > 0, 20000);
	nodes_run(100);
	sent = nodes[0].moved;
	assert_true(sent < 200);
	assert_int_equal(held(1, 200), 20);
	assert_int_equal(in_kernel(1, 0, first_contract)->used, 20 * FRAME);
	ledgers_agree(1);
	run_until(held(1, 200) == 200, 20000);
	assert_int_equal(in_kernel(1, 0, first_contract)->used, 20 * FRAME);
	assert_true(ledger_of(0).count >= 2);
	ledgers_agree(ledger_of(0).count);
}

/* What is lost before it is stored, like what comes while the daemon is being killed. */
static void lose(int i, const uint8_t digest[CS_DIGEST_LEN])
{
	assert_int_equal(store_del(nodes[i].daemon.store, digest), 0);
	assert_true(nodes[i].daemon.kernel->ops->known(nodes[i].daemon.kernel, digest, NULL) > 0);
}

/* Used up, and one that its kernel knows was lost: it is wanted though the kernel knows it. */
static void test_exhausted_lost(void **state)
{
	size_t i = 0;

	(void)state;
	nodes_wire = short_of;
	node_start(0);
	send_messages(200);
	nodes_pair(0, 1);
	run_until(nodes[0].refused > 0 && held(1, 200) == 20, 20000);
	while (!node_holds(1, digests[i]))
		i++;
	lose(1, digests[i]);
	run_until(held(1, 200) == 200, 30000);
	ledgers_agree(ledger_of(0).count);
}

static bool hardly_gets_on;

bool __wrap_session_lossy(struct session *session);

/* What the linker has the daemon call: loopback loses nothing. */
bool __wrap_session_lossy(struct session *session)
{
	(void)session;
	return hardly_gets_on;
}

/* Lost before they were stored, where what is lacking goes in frames first: one contract does. */
static void test_lossy_lost(void **state)
{
	size_t i;

	(void)state;
	hardly_gets_on = true;
	node_start(0);
	send_messages(3);
	nodes_pair(0, 1);
	run_until(held(1, 3) == 3, 20000);
	for (i = 0; i < 3; i++)
		lose(1, digests[i]);
	run_until(held(1, 3) == 3, 30000);
	assert_int_equal(nodes[0].moved, 3 * (1 + SYNC_FRAMES));
	assert_int_equal(intake_stats(&nodes[1].daemon)->injected, 3);
	ledgers_agree(1);
	hardly_gets_on = false;
}

static size_t lost_to_the_kill;

/* The first frame under contract is on its way: what would be left of the store after a kill? */
static bool kill_at_first(int from, int to, size_t nth)
{
	struct store_item item;
	size_t i;

	(void)to;
	if (from || nth)
		return true;
	storedb_abort(nodes[0].daemon.store);
	for (i = 0; i < 20; i++)
		lost_to_the_kill += !!store_get(nodes[0].daemon.store, digests[i], &item);
	return true;
}

/* Offered as soon as they came: the disk has them before the other side is promised them. */
static void test_kept_before_signed(void **state)
{
	struct cs_error error = { "" };

	(void)state;
	lost_to_the_kill = 0;
	nodes_wire = kill_at_first;
	nodes_pair(0, 1);
	send_messages(20);
	run_until(held(0, 20) == 20, 1000);
	assert_int_equal(offer_make(&nodes[0].daemon, node_peer(0, 1), NULL, &error), 20);
	run_until(nodes[0].moved > 0, 10000);
	assert_int_equal(lost_to_the_kill, 0);
	run_until(held(1, 20) == 20, 10000);
}

static bool cut;

static bool cut_after_ten(int from, int to, size_t nth)
{
	(void)from;
	(void)to;
	if (nth >= 10)
		cut = true;
	return !cut;
}

/* One of the two is restarted in the middle: the contract goes on, and is the only one. */
static void restart(int i, bool kernel_too)
{
	struct store_item item;

	cut = false;
	nodes_wire = cut_after_ten;
	node_start(0);
	send_messages(60);
	nodes_pair(0, 1);
	run_until(cut, 20000);
	nodes_run(200);
	assert_in_range(held(1, 60), 9, 11);
	node_stop(i);
	if (kernel_too) {
		nodes[i].daemon.kernel->ops->stop(nodes[i].daemon.kernel);
		nodes[i].daemon.kernel = NULL;
		nodes[i].moved = 0;
	}
	run_until(!node_peer(1 - i, i)->session, 20000);
	nodes_wire = NULL;
	node_start(i);
	nodes_pair(0, 1);
	run_until(held(1, 60) == 60, 20000);
	ledgers_agree(1);
	assert_int_equal(store_get(nodes[1].daemon.store, digests[50], &item), 0);
	assert_int_equal(item.flags, STORE_EARNS);
	nodes_run(2500);
	ledgers_agree(1);
}

static void test_restart_buyer(void **state)
{
	(void)state;
	restart(0, false);
}

static void test_restart_seller(void **state)
{
	(void)state;
	restart(1, false);
}

static void test_reboot_buyer(void **state)
{
	(void)state;
	restart(0, true);
}

/*
 * It expires: nothing passes under it any more. When no receipt may be late any more what it
 * covered earns nothing, and may go; the promise is taken back.
 */
static void test_lapse(void **state)
{
	struct store_item item;
	struct sum sum;
	int i;

	(void)state;
	nodes[1].daemon.config.policy.contract_time = 3;
	node_start(0);
	send_messages(10);
	nodes_pair(0, 1);
	run_until(held(1, 10) == 10, 20000);
	sum = ledger_of(1);
	assert_int_equal(store_get(nodes[1].daemon.store, digests[0], &item), 0);
	assert_int_equal(item.flags, STORE_EARNS);
	run_until(!in_kernel(0, 1, sum.id) && !in_kernel(1, 0, sum.id), 15000);
	assert_int_equal(ledger_of(0).lapsed + ledger_of(1).lapsed, 0);
	nodes_ahead = DEAL_GRACE;
	for (i = 0; i < 2; i++)
		run_until(ledger_of(i).lapsed == sum.promised, 15000);
	ledgers_agree(1);
	assert_int_equal(store_get(nodes[1].daemon.store, digests[0], &item), 0);
	assert_int_equal(item.flags, 0);
}

/* It expired while the daemon did not run. */
static void test_lapse_meanwhile(void **state)
{
	struct store_item item;

	(void)state;
	nodes[1].daemon.config.policy.contract_time = 2;
	node_start(0);
	send_messages(10);
	nodes_pair(0, 1);
	run_until(held(1, 10) == 10, 20000);
	node_stop(1);
	nodes_ahead = DEAL_GRACE + 3;
	node_start(1);
	assert_int_equal(store_get(nodes[1].daemon.store, digests[0], &item), 0);
	assert_int_equal(item.flags, 0);
}

/* The ledger does not take it, or the kernel: nothing is sent. */
static void test_kernel_refuses(void **state)
{
	(void)state;
	node_start(0);
	node_start(1);
	send_messages(10);
	fake_fail(nodes[1].daemon.kernel, "contract_add", -ENOSPC);
	nodes_pair(0, 1);
	run_until(last_is(1, "refused", "error"), 20000);
	run_until(last_is(0, "rejected", "error"), 20000);
	nodes_run(300);
	assert_int_equal(nodes[0].moved, 0);
	assert_int_equal(ledger_of(0).count, 0);
	/* it has passed: they are offered again */
	fake_fail(nodes[1].daemon.kernel, NULL, 0);
	run_until(held(1, 10) == 10, 20000);
}

/* --- Those who mean ill --- */

/* The newest offer of a node; struct offers begins with the list. */
static struct offer *newest(int i)
{
	return *(struct offer **)nodes[i].daemon.offers;
}

/* A bid waits at the buyer, and so does the seller for an answer. */
static void begin_waiting(void)
{
	nodes[0].daemon.config.offers.max_price = 1;
	nodes[0].daemon.config.offers.ask = true;
	node_start(0);
	send_messages(10);
	nodes_pair(0, 1);
	waiting();
	assert_int_equal(newest(1)->state, OFFER_BID);
}

/* The buyer signs what it likes. */
static void accept_with(const struct contract *contract, uint64_t offer, bool spoil)
{
	struct proto_letter letter = { .type = PROTO_ACCEPT };

	letter.accept.offer = offer;
	letter.accept.body = contract->body;
	letter.accept.len = contract->body_len;
	memcpy(letter.accept.signature, contract->buyer_signature, IDENTITY_SIGNATURE_LEN);
	letter.accept.signature[3] ^= spoil;
	offer_letter(node_peer(1, 0), &letter);
}

static void test_hostile_accept(void **state)
{
	struct proto_letter accept = { .type = PROTO_ACCEPT };
	struct cs_error error = { "" };
	struct contract contract;
	int i;

	(void)state;
	begin_waiting();
	for (i = 0; i < 7; i++) {
		assert_int_equal(deal_propose(newest(0), &accept, &contract, &error), 0);
		if (i == 0)
			contract.rate--;
		else if (i == 1)
			contract.expiry++;
		else if (i == 2)
			contract.nr_items--;
		else if (i == 3)
			contract.items[2].size--;
		else if (i == 4)
			contract.id++;
		else if (i == 5)
			contract.destination[15]++;
		free(contract.body);
		contract.body = NULL;
		assert_int_equal(contract_encode(&contract), 0);
		assert_int_equal(contract_sign(&contract, &nodes[0].daemon.identity, &error), 0);
		newest(1)->state = OFFER_BID;
		accept_with(&contract, newest(1)->id, i == 6);
		assert_int_equal(newest(1)->state, OFFER_REFUSED);
		assert_int_equal(ledger_of(1).count, 0);
		contract_free(&contract);
	}
	/* what nobody bid, and no contract at all */
	assert_int_equal(deal_propose(newest(0), &accept, &contract, &error), 0);
	newest(1)->state = OFFER_BID;
	accept_with(&contract, newest(1)->id + 1, false);
	assert_int_equal(newest(1)->state, OFFER_BID);
	contract.body_len /= 2;
	accept_with(&contract, newest(1)->id, false);
	assert_int_equal(newest(1)->state, OFFER_REFUSED);
	assert_int_equal(ledger_of(1).count, 0);
	/* and one that is right, twice: one contract, which a REJECT does not undo */
	contract.body_len = accept.accept.len;
	newest(1)->state = OFFER_BID;
	accept_with(&contract, newest(1)->id, false);
	accept_with(&contract, newest(1)->id, false);
	assert_int_equal(newest(1)->state, OFFER_ACCEPTED);
	accept = (struct proto_letter){ .type = PROTO_REJECT };
	accept.reject.offer = newest(1)->id;
	accept.reject.reason = POLICY_PRICE;
	offer_letter(node_peer(1, 0), &accept);
	assert_int_equal(newest(1)->state, OFFER_ACCEPTED);
	assert_int_equal(ledger_of(1).count, 1);
	contract_free(&contract);
	nodes_run(100);
	assert_true(nodes_up(0, 1));
}

/* Bids that make no sense, or that come to nothing: nothing is signed. */
static void test_hostile_bid(void **state)
{
	static uint8_t all[] = { 0xff, 0x03 }, none[2];
	struct proto_letter bid = { .type = PROTO_BID };
	struct offer *offer;
	int i;

	(void)state;
	node_start(0);
	node_start(1);
	nodes[1].daemon.config.policy.deny_destinations = NULL;
	send_messages(10);
	nodes_pair(0, 1);
	for (i = 0; i < 6; i++) {
		run_until(node_messages(0) == 10 && newest(0), 20000);
		offer = newest(0);
		offer->state = OFFER_ASKED;
		bid.bid = (struct proto_bid){
			.offer = offer->id, .contract = 5 + i, .rate = RATE,
			.expiry = daemon_now() + 100, .valid = 30, .nr_wanted = 10, .wanted = all,
		};
		if (i == 0)
			bid.bid.wanted = none;
		else if (i == 1)
			bid.bid.nr_wanted = 9;
		else if (i == 2)
			bid.bid.rate = UINT64_MAX;
		else if (i == 3)
			bid.bid.expiry = daemon_now() - 1;
		else if (i == 4)
			bid.bid.offer++;
		else
			bid.bid.expiry = UINT64_MAX;
		offer_letter(node_peer(0, 1), &bid);
		assert_true(offer->state != OFFER_ACCEPTED);
		assert_true(offer->state == OFFER_ASKED || offer->state == OFFER_REJECTED);
		nodes_run(20);
		assert_true(nodes_up(0, 1));
	}
}

/* A signature that is none: the buyer does not send. */
static void test_hostile_signed(void **state)
{
	struct proto_letter accept = { .type = PROTO_ACCEPT }, sign = { .type = PROTO_SIGNED };
	struct cs_error error = { "" };
	struct contract contract;
	struct offer *offer;

	(void)state;
	begin_waiting();
	offer = newest(0);
	assert_int_equal(deal_propose(offer, &accept, &contract, &error), 0);
	contract_free(&contract);
	sign.sign.offer = offer->id;
	memset(sign.sign.signature, 7, sizeof(sign.sign.signature));
	/* before it was accepted */
	offer_letter(node_peer(0, 1), &sign);
	assert_int_equal(offer->state, OFFER_BID);
	offer->state = OFFER_ACCEPTED;
	offer_letter(node_peer(0, 1), &sign);
	assert_int_equal(offer->state, OFFER_REFUSED);
	nodes_run(100);
	assert_int_equal(nodes[0].moved, 0);
	assert_int_equal(ledger_of(0).count, 0);
}

/* The seller bids for these, and the buyer signs; what it gives then is the test's to say. */
static uint32_t sell(const uint8_t (*which)[CS_DIGEST_LEN], const uint32_t *sizes, size_t count)
{
	struct proto_letter offer, accept = { .type = PROTO_ACCEPT };
	struct proto_offer_item items[10];
	struct contract contract;
	struct offer bought;
	size_t i;

	offer = offer_of(items, count, daemon_now() + 100);
	for (i = 0; i < count; i++) {
		memcpy(items[i].digest, which[i], CS_DIGEST_LEN);
		items[i].size = sizes[i];
	}
	offer_letter(node_peer(1, 0), &offer);
	assert_int_equal(newest(1)->state, OFFER_BID);
	bought = *newest(1);
	bought.out = true;
	bought.peer = node_peer(0, 1);
	assert_int_equal(deal_propose(&bought, &accept, &contract, NULL), 0);
	accept_with(&contract, bought.id, false);
	assert_int_equal(newest(1)->state, OFFER_ACCEPTED);
	contract_free(&contract);
	free(bought.body);
	return bought.contract;
}

/* In frames under a contract that names others: not kept, and no more of them after a few. */
static void test_hostile_strays(void **state)
{
	const uint32_t size = FRAME;
	uint8_t frame[CS_ETH_HLEN + FRAME];
	struct store_item item;
	uint32_t id = 0;
	size_t len;
	int i;

	(void)state;
	nodes_pair(0, 1);
	for (i = 0; i < 9; i++) {
		make_message(&item, bytes, SIZE, somewhere, daemon_now() + 100);
		memcpy(digests[i], item.digest, CS_DIGEST_LEN);
		if (!i)
			id = sell(digests, &size, 1);
		len = intake_frame_of(&nodes[0].daemon, &item, node_lladdr(1), 255, id, frame,
				      sizeof(frame));
		memcpy(frame + KERNEL_LLADDR_LEN, node_lladdr(0), KERNEL_LLADDR_LEN);
		assert_non_null(in_kernel(1, 0, id));
		intake_frame(&nodes[1].daemon, frame, len, false);
		assert_int_equal(node_holds(1, digests[i]), !i);
	}
	assert_null(in_kernel(1, 0, id));
	assert_true(nodes_up(0, 1));
}

/* Shown to a buyer that may not know of it: not all at once, nor what something came under. */
static void test_shown(void **state)
{
	static uint8_t ids[PROTO_IDS_MAX * PROTO_ID_LEN];
	struct proto_letter letter = { .type = PROTO_WANT, .want.ids = ids };
	const uint32_t sizes[] = { FRAME, FRAME };
	struct session *session;
	struct store_item item;
	size_t backlog;
	int i;

	(void)state;
	nodes_pair(0, 1);
	for (i = 0; i < 2; i++) {
		make_message(&item, bytes, SIZE, somewhere, daemon_now() + 100);
		memcpy(digests[i], item.digest, CS_DIGEST_LEN);
	}
	sell(digests, sizes, 1);
	letter.want.nr_ids = PROTO_IDS_MAX;
	session = node_peer(1, 0)->session;
	while (session_backlog(session) <= SESSION_BACKLOG)
		assert_int_equal(session_send(session, &letter), 0);
	backlog = session_backlog(session);
	deal_peer_up(node_peer(1, 0));
	assert_int_equal(session_backlog(session), backlog);
	run_until(ledger_of(0).count == 1, 5000);
	sell(digests + 1, sizes, 1);
	item.arrived = daemon_now();
	node_store(1, &item);
	deal_peer_up(node_peer(1, 0));
	nodes_run(300);
	assert_int_equal(ledger_of(0).count, 1);
	assert_ptr_equal(node_peer(1, 0)->session, session);
}

/* Ten large messages that a node offers: what does the seller say? */
static bool offer_large(int from, bool sold)
{
	struct proto_offer_item items[10];
	struct proto_letter letter;
	uint32_t sizes[10];
	size_t i;

	letter = offer_of(items, 10, daemon_now() + 100);
	for (i = 0; i < 10; i++) {
		memcpy(digests[i], items[i].digest, CS_DIGEST_LEN);
		items[i].size = sizes[i] = 60000;
	}
	if (sold)
		return sell(digests, sizes, 10);
	offer_letter(node_peer(1, from), &letter);
	assert_true(newest(1)->state == OFFER_BID || newest(1)->reason == POLICY_FULL);
	return newest(1)->state == OFFER_BID;
}

/* Promised, and then nothing comes: one buyer's promises leave room for what others offer. */
static void test_hostile_room(void **state)
{
	int i;

	(void)state;
	nodes[1].daemon.config.store.bytes = 8 << 20;
	nodes[1].daemon.config.store.share = 25;
	nodes_pair(0, 1);
	nodes_pair(1, 2);
	for (i = 0; i < 3; i++)
		assert_true(offer_large(0, true));
	assert_in_range(deal_reserved(&nodes[1].daemon, NULL), 3 * 10 * 60000, 2 << 20);
	assert_false(offer_large(0, false));
	assert_true(offer_large(2, false));
	/* a share that is less than one offer takes one */
	nodes[1].daemon.config.store.share = 1;
	assert_true(offer_large(2, false));
	nodes[1].daemon.config.store.bytes = 1 << 20;
	assert_false(offer_large(2, false));
}

/* What is larger than was offered, or only begins like it, is not carried over a session. */
static void test_hostile_size(void **state)
{
	const uint32_t sizes[] = { FRAME, FRAME, 184 };
	struct proto_letter give = { .type = PROTO_MESSAGE };
	uint8_t messages[3][SIZE];
	struct store_item item;
	size_t i;

	(void)state;
	nodes_pair(0, 1);
	for (i = 0; i < 3; i++) {
		make_message(&item, messages[i], SIZE, somewhere, daemon_now() + 100);
		memcpy(digests[i], item.digest, CS_DIGEST_LEN);
	}
	digests[1][PROTO_ID_LEN]++;
	give.message.contract = sell(digests, sizes, 3);
	give.message.hops = CS_HOPS_UNLIMITED;
	give.message.len = SIZE;
	digests[1][PROTO_ID_LEN]--;
	for (i = 0; i < 3; i++) {
		assert_non_null(node_peer(1, 0)->session);
		give.message.message = messages[i];
		offer_letter(node_peer(1, 0), &give);
		assert_int_equal(node_holds(1, digests[i]), !i);
	}
	assert_null(node_peer(1, 0)->session);
}

/* What the buyer signs, the next time it is asked; the seller signs it, too. */
static struct proto_letter show_of(struct contract *contract)
{
	struct proto_letter accept = { .type = PROTO_ACCEPT }, show = { .type = PROTO_CONTRACT };
	struct cs_error error = { "" };

	newest(0)->contract++;
	assert_int_equal(deal_propose(newest(0), &accept, contract, &error), 0);
	assert_int_equal(contract_sign(contract, &nodes[1].daemon.identity, &error), 0);
	show.contract.body = contract->body;
	show.contract.len = contract->body_len;
	memcpy(show.contract.buyer, contract->buyer_signature, IDENTITY_SIGNATURE_LEN);
	memcpy(show.contract.seller, contract->seller_signature, IDENTITY_SIGNATURE_LEN);
	return show;
}

/* Signed, rejected, signed again, and then all of it is shown: no more than the budget. */
static void test_hostile_shown(void **state)
{
	struct proto_letter show[3], no = { .type = PROTO_REJECT, .reject.reason = POLICY_ERROR };
	struct contract contracts[3];
	uint64_t amount;
	int i;

	(void)state;
	begin_waiting();
	assert_int_equal(contract_amount(RATE, FRAME, &amount), 0);
	nodes[0].daemon.config.offers.budget = 15 * amount;
	for (i = 0; i < 3; i++) {
		show[i] = show_of(&contracts[i]);
		no.reject.offer = newest(0)->id;
		newest(0)->state = OFFER_ACCEPTED;
		offer_letter(node_peer(0, 1), &no);
		assert_int_equal(newest(0)->state, OFFER_REJECTED);
	}
	/* the last is not rejected, and not counted against itself */
	newest(0)->state = OFFER_ACCEPTED;
	offer_letter(node_peer(0, 1), &show[2]);
	assert_int_equal(ledger_of(0).promised, 10 * amount);
	newest(0)->state = OFFER_DONE;
	for (i = 0; i < 3; i++)
		offer_letter(node_peer(0, 1), &show[i]);
	assert_int_equal(ledger_of(0).count, 1);
	nodes[0].daemon.config.offers.budget = 25 * amount;
	for (i = 0; i < 3; i++) {
		offer_letter(node_peer(0, 1), &show[i]);
		contract_free(&contracts[i]);
	}
	assert_int_equal(ledger_of(0).count, 2);
	assert_int_equal(ledger_of(0).promised, 20 * amount);
	assert_true(nodes_up(0, 1));
}

/* Ids of others than the contract's are asked for in vain, and tell nothing. */
static void test_hostile_want(void **state)
{
	struct proto_letter letter = { .type = PROTO_WANT };
	uint8_t other[CS_DIGEST_LEN], ids[20 * PROTO_ID_LEN];
	uint64_t said;
	size_t moved;

	(void)state;
	node_start(0);
	send_messages(10);
	nodes_pair(0, 1);
	run_until(held(1, 10) == 10, 20000);
	nodes_run(2500);
	nodes[1].daemon.config.offers.max_price = 0;
	nodes[1].daemon.config.policy.nr_rates = 0;
	node_send(0, somewhere, 500, other);
	moved = nodes[0].moved;
	letter.want.round = ledger_of(0).id;
	letter.want.ids = other;
	letter.want.nr_ids = 1;
	offer_letter(node_peer(0, 1), &letter);
	letter.want.round++;
	offer_letter(node_peer(0, 1), &letter);
	memset(ids, 1, sizeof(ids));
	letter.want.round--;
	letter.want.ids = ids;
	letter.want.nr_ids = 20;
	offer_letter(node_peer(0, 1), &letter);
	nodes_run(50);
	assert_int_equal(nodes[0].moved, moved);
	/* does the seller hold this? */
	letter = (struct proto_letter){ .type = PROTO_DIFF };
	letter.diff.round = ledger_of(0).id;
	letter.diff.mine = ids;
	letter.diff.nr_mine = 5;
	said = node_peer(1, 0)->session->bytes_out;
	offer_letter(node_peer(1, 0), &letter);
	assert_int_equal(node_peer(1, 0)->session->bytes_out, said);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, nodes_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_trade), TEST(test_destinations), TEST(test_gratis),
		TEST(test_battery), TEST(test_plan), TEST(test_full), TEST(test_asked_again),
		TEST(test_destination), TEST(test_duplicate), TEST(test_expired),
		TEST(test_rate), TEST(test_open), TEST(test_policy),
		TEST(test_price), TEST(test_budget), TEST(test_budget_twice),
		TEST(test_ask_accept), TEST(test_ask_reject), TEST(test_ask_timeout),
		TEST(test_make), TEST(test_band),
		TEST(test_loss), TEST(test_exhausted),
		TEST(test_exhausted_lost), TEST(test_lossy_lost),
		TEST(test_kept_before_signed),
		TEST(test_restart_buyer), TEST(test_restart_seller), TEST(test_reboot_buyer),
		TEST(test_lapse), TEST(test_lapse_meanwhile), TEST(test_kernel_refuses),
		TEST(test_hostile_accept), TEST(test_hostile_bid), TEST(test_hostile_signed),
		TEST(test_hostile_shown), TEST(test_hostile_size), TEST(test_hostile_room),
		TEST(test_hostile_strays), TEST(test_shown),
		TEST(test_hostile_want),
	};

	return nodes_main("offer", tests, sizeof(tests) / sizeof(*tests));
}
