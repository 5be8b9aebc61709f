// SPDX-License-Identifier: GPL-2.0
/*
 * Messages all the way onto the wired network, and what comes back for them: whole daemons in one
 * process, and an ingest, over real TLS.
 *
 *	bob ══ alice ══ carol ── gateway ── ingest	══ under contract	── for nothing
 *
 * Bob sends messages to the ingest. He offers them to Alice, she carries for points; she offers them
 * to Carol, who asks for none; Carol gives them to the gateway. The receipt comes back the same way.
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
static char top[] = "/tmp/crowdshare-delivery-XXXXXX";
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_whole_way, set_up, tear_down),
	};
	int rc;

	log_init(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR - 1);
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(top))
		return 1;
	base = event_base_new();
	rc = cmocka_run_group_tests_name("delivery", tests, NULL, NULL);
	event_base_free(base);
	node_remove(top);
	return rc;
}
