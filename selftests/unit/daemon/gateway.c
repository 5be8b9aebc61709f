// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the gateway: a whole daemon and an ingest in one process, over real TLS on the
 * loopback. What it brings, to whom, where it is at home, and how it goes on after a break.
 */
#include "node.h"

#include <signal.h>

#include "daemon/ingest.h"
#include "lib/hex.h"

static struct event_base *base;
static struct node gate;
static char top[48];
static char place[64];

/* The ingest */
static struct config service;
static struct identity receiver;
static struct ingest *ingest;
static uint16_t port;
static size_t taken;

static const uint8_t loopback[CS_ADDR_LEN] = { [15] = 1 };

static uint64_t ticks(void)
{
	return daemon_ticks() / 1000000;
}

/* Runs until something is so; false: it did not come to that. */
static bool until(bool (*so)(void), unsigned int seconds)
{
	static const struct timeval tick = { 0, 5000 };
	uint64_t end = ticks() + seconds * 1000;

	while (!so || !so()) {
		if (ticks() >= end)
			return false;
		event_base_loopexit(base, &tick);
		event_base_dispatch(base);
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

static void start(void)
{
	gate.number = 10;
	snprintf(gate.dir, sizeof(gate.dir), "%s/node", place);
	mkdir(gate.dir, 0700);
	node_start(&gate, base, "free",
		   "gateway = { interface = \"lo\"; destinations = ( \"::1\" ); };");
}

static void know_receiver(const uint8_t key[IDENTITY_PUBLIC_LEN])
{
	char hex[2 * IDENTITY_PUBLIC_LEN + 1];
	json_t *request;

	cs_hex(hex, key, IDENTITY_PUBLIC_LEN);
	request = json_pack("{s:s, s:i, s:s}", "address", "::1", "port", port, "key", hex);
	NODE_OK(receiver_add(&gate.daemon, request, error));
	json_decref(request);
}

/* Messages of this node that are all different. */
static void send_messages(size_t count)
{
	static uint32_t serial;
	static uint8_t frame[CS_FRAME_HLEN + 2000];
	size_t i, len;

	for (i = 0; i < count; i++) {
		len = node_message(frame, sizeof(frame), loopback, port, ++serial, 1000 + i,
				   time(NULL) + 3600);
		fake_receive(gate.daemon.kernel, frame, len, true);
	}
}

static int set_up(void **state)
{
	static unsigned int number;

	(void)state;
	snprintf(place, sizeof(place), "%s/gate%u", top, number++);
	mkdir(place, 0700);
	taken = 0;
	port = 0;
	ingest_start("");
	start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	node_stop(&gate);
	run(20);
	ingest_stop();
	run(20);
	return 0;
}

/* What the only target says of itself. */
static int64_t target_number(const char *key)
{
	json_t *json = gateway_json(&gate.daemon);
	json_t *target = json_array_get(json_object_get(json, "targets"), 0);
	int64_t number = json_integer_value(json_object_get(target, key));

	json_decref(json);
	return number;
}

static bool target_says(const char *why)
{
	json_t *json = gateway_json(&gate.daemon);
	json_t *target = json_array_get(json_object_get(json, "targets"), 0);
	const char *text = json_string_value(json_object_get(target, "why"));
	bool says = text && strstr(text, why);

	json_decref(json);
	return says;
}

static size_t wanted;

static bool all_taken(void)
{
	return taken >= wanted && !target_number("waiting");
}

static bool some_taken(void)
{
	return taken > 0;
}

static bool nobody_answers(void)
{
	return target_says("nobody listens") && target_number("failures") > 1;
}

static bool key_is_wrong(void)
{
	return target_says("not the one that the card names");
}

static bool no_room(void)
{
	return target_says("no room now");
}

/* The ingest goes in the middle and comes back: each message is brought, and kept once. */
static void test_break(void **state)
{
	uint64_t again;

	(void)state;
	for (wanted = 0; wanted < 1280; wanted += 64)
		send_messages(64);
	assert_true(until(some_taken, 5));
	ingest_stop();
	assert_true(taken < wanted);
	assert_true(until(nobody_answers, 5));
	/* it waits longer from time to time */
	assert_true(target_number("retry") <= 4);
	ingest_start("");
	assert_true(until(all_taken, 6));
	run(100);
	assert_int_equal(taken, wanted);
	assert_int_equal(target_number("delivered"), wanted);
	assert_int_equal(receipt_stats(&gate.daemon)->delivered, wanted);
	/* only what was under way was brought twice */
	again = ingest_stats(ingest)->states[PROTO_ACK_KNOWN];
	assert_true(again <= 4 * 64);
	assert_int_equal(target_number("failures"), 0);
}

static void test_wrong_key(void **state)
{
	(void)state;
	know_receiver(gate.daemon.identity.public);
	send_messages(10);
	assert_true(until(key_is_wrong, 4));
	run(50);
	assert_int_equal(taken, 0);
	assert_int_equal(target_number("waiting"), 10);
	/* the card is put right */
	know_receiver(receiver.public);
	wanted = 10;
	assert_true(until(all_taken, 5));
}

/* Who has no room now gets it later; all else goes on. */
static void test_no_room(void **state)
{
	char command[128];

	(void)state;
	ingest_stop();
	run(20);
	ingest_start("bytes = \"1MiB\";");
	for (wanted = 0; wanted < 1280; wanted += 64)
		send_messages(64);
	assert_true(until(no_room, 5));
	assert_true(taken > 0 && taken < wanted);
	snprintf(command, sizeof(command), "rm %s/inbox/*.messages", place);
	assert_int_equal(system(command), 0);
	assert_true(until(all_taken, 12));
	assert_int_equal(taken, wanted);
}

/* The config of the gateway as it would be read anew. */
static void reconfigure(const char *more)
{
	struct daemon *daemon = &gate.daemon;

	config_free(&daemon->config);
	node_config(&gate, "free", more);
}

static bool wants(uint8_t flags, const uint8_t *destination, uint64_t expiry)
{
	struct store_item item = { .flags = flags, .expiry = expiry };

	memcpy(item.destination, destination, CS_ADDR_LEN);
	return gateway_wants(gate.daemon.gateway, &item);
}

static void test_what_is_brought(void **state)
{
	static const uint8_t elsewhere[CS_ADDR_LEN] = { 0x20, 1 };
	uint64_t later = time(NULL) + 60;

	(void)state;
	assert_true(wants(0, loopback, later));
	assert_false(wants(0, loopback, time(NULL)));
	assert_false(wants(0, elsewhere, later));
	assert_false(wants(0, gate.daemon.identity.address, later));
	assert_false(wants(STORE_DELIVERED, loopback, later));
	assert_false(wants(STORE_LOCAL, loopback, later));
	reconfigure("gateway = { interface = \"lo\"; destinations = ( \"::/0\" ); "
		    "metered = true; };");
	assert_false(wants(0, loopback, later));
	assert_true(wants(STORE_OWN, elsewhere, later));
	assert_true(wants(STORE_EARNS, elsewhere, later));
	assert_false(wants(STORE_OWN, gate.daemon.identity.address, later));
}

static bool home(const char *networks)
{
	char text[256], why[GATEWAY_WHY];

	snprintf(text, sizeof(text), "gateway = { interface = \"%s\"; destinations = ( \"::1\" ); "
		 "networks = ( %s ); };", strcmp(networks, "down") ? "lo" : "none0",
		 strcmp(networks, "down") ? networks : "");
	reconfigure(text);
	if (gateway_at_home(&gate.daemon, why))
		return true;
	assert_true(why[0]);
	return false;
}

static void test_home(void **state)
{
	(void)state;
	assert_true(home(""));
	assert_true(home("\"::1\""));
	assert_true(home("\"2001:db8::/32\", \"::/64\""));
	assert_false(home("\"2001:db8::/32\""));
	assert_false(home("\"02:00:00:00:00:01\""));
	assert_false(home("down"));
}

static void test_router(void **state)
{
	static const char routes[] =
		"20010db8000000000000000000000000 40 00000000000000000000000000000000 00 "
		"00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n"
		"00000000000000000000000000000000 60 00000000000000000000000000000000 00 "
		"fe800000000000000000000000000009 00000001 00000001 00000000 00000003     eth0\n"
		"00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
		"fe800000000000000000000000000002 00000400 00000001 00000000 00000003     eth0\n"
		"00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
		"fe800000000000000000000000000001 00000200 00000001 00000000 00000003     eth0\n"
		"00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
		"fe800000000000000000000000000003 00000100 00000001 00000000 00000003    wlan0\n"
		"00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
		"00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n"
		"nonsense\n";
	uint8_t router[16];
	FILE *file;

	(void)state;
	file = fmemopen((void *)routes, sizeof(routes) - 1, "r");
	assert_true(gateway_router(file, "eth0", router));
	assert_int_equal(router[0], 0xfe);
	assert_int_equal(router[15], 1);
	rewind(file);
	assert_true(gateway_router(file, "wlan0", router));
	assert_int_equal(router[15], 3);
	rewind(file);
	assert_false(gateway_router(file, "lo", router));
	rewind(file);
	assert_false(gateway_router(file, "wlan1", router));
	fclose(file);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_break),
		TEST(test_wrong_key),
		TEST(test_no_room),
		TEST(test_what_is_brought),
		TEST(test_home),
		cmocka_unit_test(test_router),
	};
	int rc;

	log_init(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR - 1);
	signal(SIGPIPE, SIG_IGN);
	strcpy(top, "/tmp/crowdshare-gateway-XXXXXX");
	if (!mkdtemp(top))
		return 1;
	base = event_base_new();
	rc = cmocka_run_group_tests_name("gateway", tests, NULL, NULL);
	event_base_free(base);
	node_remove(top);
	return rc;
}
