// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the gateway: a whole daemon and an ingest in one process, over real TLS on the
 * loopback. What it brings, to whom, where it is at home, and how it goes on after a break.
 */
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/service.h"
#include "daemon/config_value.h"
#include "daemon/gateway.h"
#include "daemon/notice.h"
#include "daemon/receipt_way.h"

#define GATE	0
#define OTHER	1

static struct daemon *const gate = &nodes[GATE].daemon;
static struct config_prefix served[1], any[1];

static int set_up(void **state)
{
	nodes_set_up(state);
	value_prefix("::1", served);
	value_prefix("::/0", any);
	strcpy(gate->config.gateway.interface, "lo");
	gate->config.gateway.destinations = served;
	gate->config.gateway.nr_destinations = 1;
	gate->config.gateway.batch = PROTO_BATCH_MAX;
	service_begin();
	service_start("");
	node_start(GATE);
	return 0;
}

static int tear_down(void **state)
{
	nodes_tear_down(state);
	service_end();
	return 0;
}

/* What the only target says of itself. */
static int64_t target_number(const char *key)
{
	json_t *json = gateway_json(gate);
	json_t *target = json_array_get(json_object_get(json, "targets"), 0);
	int64_t number = json_integer_value(json_object_get(target, key));

	json_decref(json);
	return number;
}

static bool target_says(const char *why)
{
	json_t *json = gateway_json(gate);
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
		send_messages(GATE, 64);
	run_until(some_taken(), 5000);
	service_stop();
	assert_true(taken < wanted);
	run_until(nobody_answers(), 5000);
	/* it waits longer from time to time */
	assert_true(target_number("retry") <= 4);
	service_start("");
	run_until(all_taken(), 6000);
	nodes_run(100);
	assert_int_equal(taken, wanted);
	assert_int_equal(target_number("delivered"), wanted);
	assert_int_equal(receipt_stats(gate)->delivered, wanted);
	/* only what was under way was brought twice */
	again = ingest_stats(ingest)->states[PROTO_ACK_KNOWN];
	assert_true(again <= 4 * 64);
	assert_int_equal(target_number("failures"), 0);
}

static void test_wrong_key(void **state)
{
	(void)state;
	know_receiver(GATE, gate->identity.public);
	send_messages(GATE, 10);
	run_until(key_is_wrong(), 4000);
	nodes_run(50);
	assert_int_equal(taken, 0);
	assert_int_equal(target_number("waiting"), 10);
	/* the card is put right */
	know_receiver(GATE, receiver.public);
	wanted = 10;
	run_until(all_taken(), 5000);
}

/* Who has no room now gets it later; all else goes on. */
static void test_no_room(void **state)
{
	(void)state;
	service_stop();
	nodes_run(20);
	service_start("bytes = \"1MiB\";");
	for (wanted = 0; wanted < 1280; wanted += 64)
		send_messages(GATE, 64);
	run_until(no_room(), 5000);
	assert_true(taken > 0 && taken < wanted);
	service_empty();
	run_until(all_taken(), 12000);
	assert_int_equal(taken, wanted);
}

/* A notice of all that the gateway holds. */
struct told {
	struct proto_cancel	cancel;
	uint8_t			digests[PROTO_DIGESTS_MAX][CS_DIGEST_LEN];
};

static int tell_of(const struct store_item *item, void *data)
{
	struct told *told = data;

	memcpy(told->digests[told->cancel.nr_digests++], item->digest, CS_DIGEST_LEN);
	return 0;
}

/* A break before the answer, and meanwhile all are told that others delivered it. */
static void test_receipt_after_a_notice(void **state)
{
	struct told told = { .cancel.digests = told.digests[0] };
	struct store_item item;

	(void)state;
	nodes_pair(GATE, OTHER);
	know_receiver(GATE, receiver.public);
	send_messages(GATE, 10);
	run_until(some_taken(), 5000);
	/* the answer is on its way */
	assert_int_equal(receipt_stats(gate)->delivered, 0);
	node_stop(GATE);
	service_stop();
	nodes_run(20);
	nodes_pair(GATE, OTHER);
	assert_int_equal(store_each(gate->store, tell_of, &told), 0);
	assert_int_equal(told.cancel.nr_digests, 10);
	told.cancel.expiry = time(NULL) + 600;
	assert_int_equal(notice_sign(&told.cancel, &receiver), 0);
	cancel_letter(node_peer(GATE, OTHER), &told.cancel);
	/* known to be delivered: others are not given it any more, but the receipt is asked for */
	assert_int_equal(store_get(gate->store, told.digests[3], &item), 0);
	assert_int_equal(item.flags, STORE_OWN | STORE_DELIVERED | STORE_BROUGHT);
	assert_int_equal(cancel_state(gate, told.digests[3]), CANCEL_PROVEN);
	service_start("");
	run_until(receipt_stats(gate)->delivered == 10, 6000);
	run_until(!node_messages(GATE), 2000);
	assert_int_equal(taken, 10);
}

/* A message to a port of this host that its sender has made up. */
static void bring_to(uint16_t port)
{
	struct cs_msg_hdr *hdr;
	struct store_item item;
	uint8_t bytes[200];

	make_message(&item, bytes, sizeof(bytes), loopback, time(NULL) + 3600);
	hdr = (struct cs_msg_hdr *)bytes;
	hdr->port = htobe16(port);
	gateway_message(gate, &item);
}

static struct target *last_target(void)
{
	struct target *target = gate->gateway->targets;

	while (target->next)
		target = target->next;
	return target;
}

/* So many targets to which nothing leads that there is no room for more. */
static void test_many_targets(void **state)
{
	struct gateway *gateway = gate->gateway;
	uint16_t port;

	(void)state;
	for (port = 1; port <= 1100; port++)
		if (port != service_port)
			bring_to(port);
	assert_int_equal(gateway->nr_targets, 1024);
	assert_int_equal(gateway->known.count, 1024);
	/* nobody was tried yet: none goes for one that may be no better */
	send_messages(GATE, 10);
	assert_int_not_equal(last_target()->port, service_port);
	run_until(last_target()->failures, 5000);
	send_messages(GATE, 10);
	assert_int_equal(last_target()->port, service_port);
	assert_int_equal(gateway->nr_targets, 1024);
	assert_int_equal(gateway->known.count, 1023 + 10);
}

/* Those that take their time do not get another turn before the others had theirs. */
static void test_turns(void **state)
{
	struct sockaddr_in6 address;
	struct target *target;
	socklen_t len;
	int fds[20], i;

	(void)state;
	for (i = 0; i < 20; i++) {
		address = (struct sockaddr_in6){ .sin6_family = AF_INET6,
						 .sin6_addr = IN6ADDR_LOOPBACK_INIT };
		len = sizeof(address);
		fds[i] = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(fds[i], (struct sockaddr *)&address, len), 0);
		assert_int_equal(listen(fds[i], 1), 0);
		assert_int_equal(getsockname(fds[i], (struct sockaddr *)&address, &len), 0);
		bring_to(be16toh(address.sin6_port));
	}
	run_until(gate->gateway->links == 16, 5000);
	for (target = gate->gateway->targets, i = 0; target; target = target->next)
		assert_int_equal(!target->wired, i++ < 4);
	for (i = 0; i < 20; i++)
		close(fds[i]);
}

static bool wants(uint8_t flags, const uint8_t *destination, uint64_t expiry)
{
	struct store_item item = { .flags = flags, .expiry = expiry };

	memcpy(item.destination, destination, CS_ADDR_LEN);
	return gateway_wants(gate->gateway, &item);
}

static void test_what_is_brought(void **state)
{
	static const uint8_t elsewhere[CS_ADDR_LEN] = { 0x20, 1 };
	uint64_t later = time(NULL) + 60;

	(void)state;
	assert_true(wants(0, loopback, later));
	assert_false(wants(0, loopback, time(NULL)));
	assert_false(wants(0, elsewhere, later));
	assert_false(wants(0, gate->identity.address, later));
	assert_false(wants(STORE_DELIVERED, loopback, later));
	assert_false(wants(STORE_LOCAL, loopback, later));
	assert_true(wants(STORE_BROUGHT, loopback, later));
	assert_true(wants(STORE_DELIVERED | STORE_BROUGHT, loopback, later));
	gate->config.gateway.destinations = any;
	gate->config.gateway.metered = true;
	assert_false(wants(0, loopback, later));
	assert_true(wants(STORE_OWN, elsewhere, later));
	assert_true(wants(STORE_EARNS, elsewhere, later));
	assert_false(wants(STORE_OWN, gate->identity.address, later));
}

/* With @first and @second as home networks, as far as they are given. */
static bool home(const char *first, const char *second)
{
	struct config_gateway *config = &gate->config.gateway;
	static struct config_network networks[2];
	char why[GATEWAY_WHY];

	config->networks = networks;
	config->nr_networks = !!first + !!second;
	if (first)
		assert_int_equal(value_network(first, &networks[0]), 0);
	if (second)
		assert_int_equal(value_network(second, &networks[1]), 0);
	if (gateway_at_home(gate, why))
		return true;
	assert_true(why[0]);
	return false;
}

static void test_home(void **state)
{
	(void)state;
	assert_true(home(NULL, NULL));
	assert_true(home("::1", NULL));
	assert_true(home("2001:db8::/32", "::/64"));
	assert_false(home("2001:db8::/32", NULL));
	assert_false(home("02:00:00:00:00:01", NULL));
	strcpy(gate->config.gateway.interface, "none0");
	assert_false(home(NULL, NULL));
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
		TEST(test_receipt_after_a_notice),
		TEST(test_many_targets),
		TEST(test_turns),
		TEST(test_what_is_brought),
		TEST(test_home),
		cmocka_unit_test(test_router),
	};

	return nodes_main("gateway", tests, sizeof(tests) / sizeof(*tests));
}
