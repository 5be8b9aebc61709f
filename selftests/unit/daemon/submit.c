// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of put, fetch and messages: whole daemons are asked as over the control socket, by
 * somebody who is no admin.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/nodes.h"
#include "daemon/status.h"
#include "daemon/holding.h"
#include "daemon/storedb.h"
#include "daemon/submit.h"
#include "lib/base64.h"
#include "lib/hex.h"

static const uint8_t somewhere[CS_ADDR_LEN] = { 0xfd, 1 };
static const uint8_t elsewhere[CS_ADDR_LEN] = { 0xfd, 2 };
static uint8_t bytes[MESSAGE_MOST];

/* --- Asking --- */

/* The whole answer; @request is taken over. */
static json_t *answer_of(int i, json_t *request)
{
	char *line = json_dumps(request, JSON_COMPACT), *text;
	json_t *answer;

	assert_non_null(line);
	assert_true(strlen(line) <= CONTROL_REQUEST_MAX);
	text = control_answer(status_answer, &nodes[i].daemon, false, line, strlen(line));
	assert_non_null(text);
	answer = json_loads(text, 0, NULL);
	assert_non_null(answer);
	free(line);
	free(text);
	json_decref(request);
	return answer;
}

/* The result, which there has to be. */
static json_t *ask(int i, json_t *request)
{
	json_t *answer = answer_of(i, request);
	json_t *result = json_incref(json_object_get(answer, "result"));

	if (!result)
		fail_msg("%s", json_string_value(json_object_get(answer, "error")));
	json_decref(answer);
	return result;
}

/* It is refused as a whole, and the text says so much. */
static void refused(json_t *request, const char *text)
{
	json_t *answer = answer_of(0, request);
	const char *error = json_string_value(json_object_get(answer, "error"));

	assert_true(json_is_false(json_object_get(answer, "ok")));
	if (!error || !strstr(error, text))
		fail_msg("'%s' is not in '%s'", text, error ? error : "");
	json_decref(answer);
}

static json_int_t number(const json_t *result, const char *key)
{
	assert_true(json_is_integer(json_object_get(result, key)));
	return json_integer_value(json_object_get(result, key));
}

static json_t *base64_json(const uint8_t *data, size_t len)
{
	static char text[CS_BASE64_LEN(MESSAGE_MOST) + 1];

	cs_base64(text, data, len);
	return json_string(text);
}

static json_t *request_of(json_t *messages)
{
	return json_pack("{s:s, s:o}", "command", "put", "messages", messages);
}

static json_t *put_one(size_t len)
{
	return ask(0, request_of(json_pack("[o]", base64_json(bytes, len))));
}

/* What was wrong with the only message of a request. */
static void refused_one(json_t *value, const char *reason)
{
	json_t *result = ask(0, request_of(json_pack("[o]", value)));
	json_t *refusal = json_array_get(json_object_get(result, "refused"), 0);
	const char *is = json_string_value(json_object_get(refusal, "reason"));

	if (!is || strcmp(is, reason))
		fail_msg("refused for '%s', not '%s'", is ? is : "nothing", reason);
	assert_true(strlen(json_string_value(json_object_get(refusal, "error"))) > 10);
	assert_int_equal(number(refusal, "index"), 0);
	assert_int_equal(number(result, "new"), 0);
	assert_int_equal(number(result, "taken"), 1);
	assert_int_equal(node_messages(0), 0);
	assert_null(fake_frame(nodes[0].daemon.kernel, 0));
	json_decref(result);
}

static struct store_item message(size_t size, uint64_t lives)
{
	struct store_item item;

	make_message(&item, bytes, size, somewhere, daemon_now() + lives);
	return item;
}

/* --- put --- */

/* It is kept as the node's own, and goes to all neighbours with the hops that were wanted. */
static void test_put(void **state)
{
	const struct fake_frame *frame;
	struct store_item item, found;
	struct cs_frame parsed;
	json_t *result;

	(void)state;
	node_start(0);
	item = message(700, 3600);
	result = put_one(700);
	assert_int_equal(number(result, "new"), 1);
	assert_int_equal(number(result, "known"), 0);
	assert_true(json_is_false(json_object_get(result, "busy")));
	assert_int_equal(json_array_size(json_object_get(result, "refused")), 0);
	json_decref(result);
	assert_int_equal(store_get(nodes[0].daemon.store, item.digest, &found), 0);
	assert_int_equal(found.flags, STORE_OWN);
	assert_int_equal(found.hops, CS_HOPS_UNLIMITED);
	frame = fake_frame(nodes[0].daemon.kernel, 0);
	assert_non_null(frame);
	assert_int_equal(cs_frame_parse(frame->data, frame->len, CS_ETHERTYPE, &parsed), 0);
	assert_int_equal(parsed.to[0], 0xff);
	assert_int_equal(parsed.link.hops_left, CS_HOPS_UNLIMITED);
	assert_int_equal(parsed.link.contract, 0);
	assert_memory_equal(parsed.message.digest, item.digest, CS_DIGEST_LEN);
	/* again: it is known, and not sent */
	result = put_one(700);
	assert_int_equal(number(result, "new"), 0);
	assert_int_equal(number(result, "known"), 1);
	json_decref(result);
	assert_null(fake_frame(nodes[0].daemon.kernel, 1));
	/* hops */
	message(300, 3600);
	result = ask(0, json_pack("{s:s, s:[o], s:i}", "command", "put", "messages",
				  base64_json(bytes, 300), "hops", 0));
	assert_int_equal(number(result, "new"), 1);
	json_decref(result);
	frame = fake_frame(nodes[0].daemon.kernel, 1);
	assert_non_null(frame);
	assert_int_equal(cs_frame_parse(frame->data, frame->len, CS_ETHERTYPE, &parsed), 0);
	assert_int_equal(parsed.link.hops_left, 0);
}

static void test_put_many(void **state)
{
	json_t *list = json_array(), *result;
	size_t i;

	(void)state;
	node_start(0);
	for (i = 0; i < SUBMIT_MESSAGES_MAX; i++) {
		message(200, 3600);
		json_array_append_new(list, base64_json(bytes, 200));
	}
	/* one that is bad does not keep the others */
	json_array_set_new(list, 7, json_string("AAAA"));
	result = ask(0, request_of(json_incref(list)));
	assert_int_equal(number(result, "new"), SUBMIT_MESSAGES_MAX - 1);
	assert_int_equal(number(result, "taken"), SUBMIT_MESSAGES_MAX);
	assert_int_equal(json_array_size(json_object_get(result, "refused")), 1);
	assert_int_equal(number(json_array_get(json_object_get(result, "refused"), 0), "index"), 7);
	json_decref(result);
	assert_int_equal(node_messages(0), SUBMIT_MESSAGES_MAX - 1);
	json_array_append_new(list, json_string("AAAA"));
	refused(request_of(list), "at most 64");
	refused(request_of(json_string("AAAA")), "array");
	refused(json_pack("{s:s}", "command", "put"), "array");
	refused(json_pack("{s:s, s:[], s:i}", "command", "put", "messages", "hops", 256), "hops");
	refused(json_pack("{s:s, s:[], s:i}", "command", "put", "messages", "hops", -1), "hops");
	refused(json_pack("{s:s, s:[], s:s}", "command", "put", "messages", "hops", "1"), "hops");
	assert_int_equal(node_messages(0), SUBMIT_MESSAGES_MAX - 1);
}

static void test_hostile_base64(void **state)
{
	static const char *const texts[] = {
		"A", "AA", "AAA", "AAAAA", "A===", "====", "AA=A", "=AAA", "AAA=AAAA", "AAAA\n",
		" AAAA", "AA A", "AA-_", "AAB=", "AB==", "AA==AAAA", "\xc3\xa4\xc3\xa4",
	};
	char *long_text = malloc(60001);
	size_t i;

	(void)state;
	node_start(0);
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		refused_one(json_string(texts[i]), "base64");
	refused_one(json_integer(7), "base64");
	refused_one(json_null(), "base64");
	refused_one(json_pack("[s]", "AAAA"), "base64");
	refused_one(json_string(""), "malformed");
	refused_one(json_string("AAAA"), "malformed");
	memset(long_text, 'A', 60000);
	long_text[60000] = '\0';
	refused_one(json_string(long_text), "malformed");
	free(long_text);
}

static void test_hostile_messages(void **state)
{
	struct cs_msg_hdr *hdr = (struct cs_msg_hdr *)bytes;
	uint32_t most;

	(void)state;
	node_start(0);
	most = nodes[0].daemon.config.device.lifetime_max;
	message(300, 3600);
	refused_one(base64_json(bytes, 299), "malformed");
	refused_one(base64_json(bytes, 301), "malformed");
	refused_one(base64_json(bytes, sizeof(*hdr) - 1), "malformed");
	hdr->flags = 1;
	refused_one(base64_json(bytes, 300), "malformed");
	message(300, 3600);
	bytes[299]++;
	refused_one(base64_json(bytes, 300), "digest");
	message(300, 3600);
	hdr->digest[63]++;
	refused_one(base64_json(bytes, 300), "digest");
	message(300, 3600);
	hdr->destination[0]++;
	refused_one(base64_json(bytes, 300), "digest");
	message(300, 0);
	refused_one(base64_json(bytes, 300), "expired");
	message(300, -daemon_now());
	refused_one(base64_json(bytes, 300), "expired");
	message(300, most + 10);
	refused_one(base64_json(bytes, 300), "lifetime");
	message(300, UINT64_MAX - daemon_now());
	refused_one(base64_json(bytes, 300), "lifetime");
	/* and the longest life that there may be */
	message(300, most - 1);
	json_decref(put_one(300));
	assert_int_equal(node_messages(0), 1);
}

/* A device that takes no more: what it did not take is not kept, and comes again. */
static void test_busy(void **state)
{
	json_t *list = json_array(), *result;
	size_t i;

	(void)state;
	node_start(0);
	for (i = 0; i < 3; i++) {
		message(200, 3600);
		json_array_append_new(list, base64_json(bytes, 200));
	}
	fake_fail(nodes[0].daemon.kernel, "send", -ENOBUFS);
	result = ask(0, request_of(json_incref(list)));
	assert_int_equal(number(result, "new"), 0);
	assert_int_equal(number(result, "taken"), 0);
	assert_true(json_is_true(json_object_get(result, "busy")));
	json_decref(result);
	assert_int_equal(node_messages(0), 0);
	fake_fail(nodes[0].daemon.kernel, "send", -ENETDOWN);
	result = ask(0, request_of(json_incref(list)));
	assert_int_equal(json_array_size(json_object_get(result, "refused")), 3);
	json_decref(result);
	assert_int_equal(node_messages(0), 0);
	fake_fail(nodes[0].daemon.kernel, NULL, 0);
	result = ask(0, request_of(list));
	assert_int_equal(number(result, "new"), 3);
	json_decref(result);
	assert_int_equal(node_messages(0), 3);
}

static void test_full(void **state)
{
	json_t *result = NULL, *refusal;
	size_t i, added = 0;

	(void)state;
	nodes[0].daemon.config.store.bytes = 1 << 20;
	node_start(0);
	for (i = 0; i < 2000; i++) {
		message(1400, 3600);
		json_decref(result);
		result = put_one(1400);
		if (!number(result, "new"))
			break;
		added++;
	}
	assert_in_range(added, 300, 800);
	refusal = json_array_get(json_object_get(result, "refused"), 0);
	assert_string_equal(json_string_value(json_object_get(refusal, "reason")), "full");
	json_decref(result);
	/* nothing that was there went for it, and nothing left the node that it does not hold */
	assert_int_equal(node_messages(0), added);
	assert_non_null(fake_frame(nodes[0].daemon.kernel, added - 1));
	assert_null(fake_frame(nodes[0].daemon.kernel, added));
}

/* To oneself: it has arrived, and goes nowhere. */
static void test_own_address(void **state)
{
	struct store_item item, found;
	json_t *result;

	(void)state;
	node_start(0);
	make_message(&item, bytes, 300, nodes[0].daemon.identity.address, daemon_now() + 3600);
	result = put_one(300);
	assert_int_equal(number(result, "new"), 1);
	json_decref(result);
	assert_null(fake_frame(nodes[0].daemon.kernel, 0));
	assert_int_equal(nodes[0].daemon.kernel->ops->known(nodes[0].daemon.kernel, item.digest,
							    NULL), 1);
	assert_int_equal(store_get(nodes[0].daemon.store, item.digest, &found), 0);
	assert_int_equal(found.flags & STORE_LOCAL, STORE_LOCAL);
}

/* What was put outlives a kill at any time after the answer, if that was asked for. */
static void test_sync(void **state)
{
	struct store_item item;
	json_t *result;

	(void)state;
	node_start(0);
	item = message(300, 3600);
	result = ask(0, json_pack("{s:s, s:[o], s:b}", "command", "put", "messages",
				  base64_json(bytes, 300), "sync", 1));
	assert_int_equal(number(result, "new"), 1);
	json_decref(result);
	storedb_abort(nodes[0].daemon.store);
	assert_true(node_holds(0, item.digest));
	item = message(300, 3600);
	json_decref(put_one(300));
	storedb_abort(nodes[0].daemon.store);
	assert_false(node_holds(0, item.digest));
}

/* All this is for users; what commands others is not. */
static void test_permission(void **state)
{
	(void)state;
	node_start(0);
	refused(json_pack("{s:s, s:s}", "command", "store drop", "digest", ""), "only root");
	refused(json_pack("{s:s}", "command", "store reconcile"), "only root");
}

/* --- fetch --- */

static json_t *fetch(int i, const uint8_t *destination, const char *cursor)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, destination, text, sizeof(text));
	return ask(i, json_pack("{s:s, s:s, s:s*}", "command", "fetch", "destination", text,
				"cursor", cursor));
}

/* All from a cursor on, which is moved; how many they are. */
static size_t fetch_all(int i, const uint8_t *destination, char *cursor, unsigned int *pages)
{
	static uint8_t copy[MESSAGE_MOST];
	json_t *page, *value;
	bool more = true;
	size_t n = 0, j;
	long len;

	for (*pages = 0; more; ++*pages) {
		size_t in_page = 0;

		page = fetch(i, destination, *cursor ? cursor : NULL);
		json_array_foreach(json_object_get(page, "messages"), j, value) {
			len = cs_unbase64(json_string_value(value), json_string_length(value),
					  copy, sizeof(copy));
			assert_true(len > 0 && cs_message_digest_ok(copy, len));
			assert_memory_equal(copy + CS_DIGEST_LEN, destination, CS_ADDR_LEN);
			assert_true(node_holds(i, copy));
			in_page += len;
			n++;
		}
		assert_true(in_page < SUBMIT_FETCH_MAX + 2000);
		strcpy(cursor, json_string_value(json_object_get(page, "cursor")));
		more = json_is_true(json_object_get(page, "more"));
		json_decref(page);
	}
	return n;
}

static void keep(size_t count, const uint8_t *destination)
{
	struct store_item item;

	while (count--) {
		make_message(&item, bytes, 1400, destination, daemon_now() + 3600);
		item.arrived = daemon_now();
		node_store(0, &item);
	}
}

static void test_fetch(void **state)
{
	char cursor[128] = "", other[128] = "";
	unsigned int pages;

	(void)state;
	node_start(0);
	assert_int_equal(fetch_all(0, somewhere, cursor, &pages), 0);
	keep(500, somewhere);
	keep(300, elsewhere);
	assert_int_equal(fetch_all(0, somewhere, cursor, &pages), 500);
	assert_in_range(pages, 3, 4);
	/* nothing twice, and whatever comes later */
	assert_int_equal(fetch_all(0, somewhere, cursor, &pages), 0);
	assert_int_equal(pages, 1);
	keep(3, somewhere);
	keep(3, elsewhere);
	assert_int_equal(fetch_all(0, somewhere, cursor, &pages), 3);
	assert_int_equal(fetch_all(0, elsewhere, other, &pages), 303);
	/* what was not committed is given up, and its numbers are used again */
	assert_int_equal(store_commit(nodes[0].daemon.store, NULL), 0);
	keep(2, somewhere);
	assert_int_equal(fetch_all(0, somewhere, cursor, &pages), 2);
	storedb_abort(nodes[0].daemon.store);
	keep(1, somewhere);
	assert_int_equal(fetch_all(0, somewhere, cursor, &pages), 504);
	/* in another run of the daemon numbers may be others: from the first one on */
	node_stop(0);
	node_start(0);
	assert_int_equal(fetch_all(0, somewhere, cursor, &pages), 504);
	assert_int_equal(fetch_all(0, somewhere, cursor, &pages), 0);
}

/* A walk over much that is for others is cut, too, and goes on. */
static void test_fetch_walk(void **state)
{
	struct store_item item;
	char cursor[128] = "";
	unsigned int pages;
	size_t i;

	(void)state;
	node_start(0);
	for (i = 0; i < 40000; i++) {
		make_message(&item, bytes, 140, i == 39999 ? somewhere : elsewhere,
			     daemon_now() + 3600);
		item.arrived = daemon_now();
		node_store(0, &item);
	}
	assert_int_equal(fetch_all(0, somewhere, cursor, &pages), 1);
	assert_int_equal(pages, 3);
}

static void test_hostile_fetch(void **state)
{
	static const char *const cursors[] = {
		"", "1", "-", "-1", "0123456789abcdef.0", "0123456789abcdef.0-",
		"0123456789abcdef.0--1", "0123456789abcdef.0-1x", "0123456789ABCDEF.0-1",
		"0123456789abcdef.0-1 ", "0123456789abcdef.0- 1", "0123456789abcdeg.0-1",
	};
	char cursor[128];
	json_t *page;
	size_t i;

	(void)state;
	node_start(0);
	keep(2, somewhere);
	for (i = 0; i < sizeof(cursors) / sizeof(*cursors); i++)
		refused(json_pack("{s:s, s:s, s:s}", "command", "fetch", "destination", "fd00::1",
				  "cursor", cursors[i]), "cursor");
	refused(json_pack("{s:s, s:s, s:i}", "command", "fetch", "destination", "fd00::1",
			  "cursor", 1), "cursor");
	refused(json_pack("{s:s}", "command", "fetch"), "IPv6");
	refused(json_pack("{s:s, s:s}", "command", "fetch", "destination", "10.0.0.1"), "IPv6");
	/* beyond all there is, and beyond what a number can be */
	cs_hex(cursor, nodes[0].daemon.boot, sizeof(nodes[0].daemon.boot));
	strcat(cursor, ".0-18446744073709551615");
	for (i = 0; i < 2; i++) {
		page = fetch(0, somewhere, cursor);
		assert_int_equal(json_array_size(json_object_get(page, "messages")), 0);
		json_decref(page);
		strcpy(strchr(cursor, '-'), "-99999999999999999999");
	}
}

/* --- messages --- */

static json_t *states_of(int i, const uint8_t (*digests)[CS_DIGEST_LEN], size_t count)
{
	uint8_t ids[16 * PROTO_ID_LEN];
	size_t j;

	for (j = 0; j < count; j++)
		memcpy(ids + j * PROTO_ID_LEN, digests[j], PROTO_ID_LEN);
	return ask(i, json_pack("{s:s, s:o}", "command", "messages", "ids",
				base64_json(ids, count * PROTO_ID_LEN)));
}

static bool states_are(int i, const uint8_t (*digests)[CS_DIGEST_LEN], const char *states)
{
	json_t *answer = states_of(i, digests, strlen(states));
	bool same = !strcmp(json_string_value(json_object_get(answer, "states")), states);

	json_decref(answer);
	return same;
}

/* Put here, delivered there, and the notice comes back. */
static void test_states(void **state)
{
	uint8_t digests[3][CS_DIGEST_LEN];
	struct store_item item;

	(void)state;
	node_start(0);
	node_start(1);
	item = message(300, 3600);
	memcpy(digests[0], item.digest, CS_DIGEST_LEN);
	json_decref(put_one(300));
	make_message(&item, bytes, 300, nodes[1].daemon.identity.address, daemon_now() + 3600);
	memcpy(digests[1], item.digest, CS_DIGEST_LEN);
	json_decref(put_one(300));
	memset(digests[2], 7, CS_DIGEST_LEN);
	assert_true(states_are(0, digests, "ss-"));
	nodes_pair(0, 1);
	run_until(states_are(0, digests, "sd-"), 20000);
	assert_true(states_are(1, digests, "sd-"));
	refused(json_pack("{s:s}", "command", "messages"), "base64");
	refused(json_pack("{s:s, s:s}", "command", "messages", "ids", "AAAA"), "base64");
	refused(json_pack("{s:s, s:s}", "command", "messages", "ids", "A"), "base64");
}

static void test_too_many_ids(void **state)
{
	static uint8_t ids[(SUBMIT_IDS_MAX + 1) * PROTO_ID_LEN];
	json_t *answer;

	(void)state;
	node_start(0);
	answer = ask(0, json_pack("{s:s, s:o}", "command", "messages", "ids",
				  base64_json(ids, SUBMIT_IDS_MAX * PROTO_ID_LEN)));
	assert_int_equal(strlen(json_string_value(json_object_get(answer, "states"))),
			 SUBMIT_IDS_MAX);
	json_decref(answer);
	refused(json_pack("{s:s, s:o}", "command", "messages", "ids",
			  base64_json(ids, sizeof(ids))), "at most 2048");
}

/* Node 0 gets four messages; the fifth digest is of none. */
static void put_four(uint8_t digests[5][CS_DIGEST_LEN])
{
	struct store_item item;
	int i;

	for (i = 0; i < 5; i++) {
		item = message(1000, 3600);
		memcpy(digests[i], item.digest, CS_DIGEST_LEN);
		if (i < 4)
			json_decref(put_one(1000));
	}
}

/* A peer that signed for a message is told, with the price; who was only asked, too. */
static void test_contract(void **state)
{
	uint8_t digests[5][CS_DIGEST_LEN];
	json_t *answer, *entry;
	int i;

	(void)state;
	for (i = 0; i < 2; i++)
		node_trades(i);
	nodes_pair(0, 1);
	put_four(digests);
	run_until(node_messages(1) == 4, 20000);
	answer = states_of(0, digests, 5);
	assert_string_equal(json_string_value(json_object_get(answer, "states")), "ssss-");
	assert_int_equal(json_array_size(json_object_get(answer, "peers")), 1);
	entry = json_array_get(json_object_get(answer, "peers"), 0);
	assert_string_equal(json_string_value(json_object_get(entry, "peer")),
			    nodes[1].daemon.identity.text);
	assert_int_equal(number(entry, "offered"), 4);
	assert_int_equal(number(entry, "has"), 4);
	entry = json_array_get(json_object_get(answer, "contracts"), 0);
	assert_in_range(number(entry, "messages"), 1, 4);
	assert_in_range(number(entry, "promised"), 1900 * number(entry, "messages"),
			4000 * number(entry, "messages"));
	assert_int_equal(number(entry, "earned"), 0);
	json_decref(answer);
	/* the seller holds them itself, and paid nobody */
	answer = states_of(1, digests, 5);
	assert_int_equal(json_array_size(json_object_get(answer, "peers")), 0);
	assert_int_equal(json_array_size(json_object_get(answer, "contracts")), 0);
	json_decref(answer);
}

/* So many of these peer 1 has signed to hold, as node 0 tells. */
static json_int_t held_by_peer(const uint8_t (*digests)[CS_DIGEST_LEN], size_t count)
{
	json_t *answer = states_of(0, digests, count), *peers = json_object_get(answer, "peers");
	json_int_t n = 0;

	if (json_array_size(peers))
		n = number(json_array_get(peers, 0), "has");
	json_decref(answer);
	return n;
}

/* A free peer signs for what it holds, and for nothing else; it is remembered when it has gone. */
static void test_free_holder(void **state)
{
	uint8_t digests[5][CS_DIGEST_LEN];

	(void)state;
	nodes_pair(0, 1);
	put_four(digests);
	assert_int_equal(held_by_peer(digests, 5), 0);
	run_until(held_by_peer(digests, 5) == 4, 20000);
	assert_int_equal(node_messages(1), 4);
	/* what it signed is on its disk */
	storedb_abort(nodes[1].daemon.store);
	assert_int_equal(node_messages(1), 4);
	node_stop(1);
	nodes_run(500);
	assert_int_equal(held_by_peer(digests, 5), 4);
}

/* Signed by nobody, signed for somebody else, not asked for: it counts for nothing. */
static void test_hostile_holder(void **state)
{
	struct proto_letter letter = { .type = PROTO_HELD };
	uint8_t digests[1][CS_DIGEST_LEN];
	struct store_item item;

	(void)state;
	nodes_pair(0, 1);
	item = message(1000, 3600);
	memcpy(digests[0], item.digest, CS_DIGEST_LEN);
	letter.held.time = daemon_now();
	letter.held.ids = digests[0];
	letter.held.nr_ids = 1;
	assert_int_equal(session_send(node_peer(1, 0)->session, &letter), 0);
	nodes_run(200);
	assert_int_equal(held_by_peer(digests, 1), 0);
	/* now it was asked; this answer is there before the right one, which holds nothing */
	assert_int_equal(session_send(node_peer(1, 0)->session, &letter), 0);
	nodes_run(500);
	assert_int_equal(held_by_peer(digests, 1), 0);
}

/* What a peer signs to hold that nobody asked about is not remembered. */
static void test_holder_of_more(void **state)
{
	uint8_t digests[1][CS_DIGEST_LEN], data[IDENTITY_PUBLIC_LEN + 8 + 100 * PROTO_ID_LEN];
	uint8_t *ids = data + IDENTITY_PUBLIC_LEN + 8;
	struct proto_letter letter = { .type = PROTO_HELD };
	uint64_t now = htobe64(daemon_now());

	(void)state;
	nodes_pair(0, 1);
	random_bytes(digests[0], sizeof(digests[0]));
	random_bytes(ids, 100 * PROTO_ID_LEN);
	memcpy(ids + 50 * PROTO_ID_LEN, digests[0], PROTO_ID_LEN);
	memcpy(data, nodes[0].daemon.identity.public, IDENTITY_PUBLIC_LEN);
	memcpy(data + IDENTITY_PUBLIC_LEN, &now, sizeof(now));
	letter.held.time = be64toh(now);
	letter.held.ids = ids;
	letter.held.nr_ids = 100;
	assert_int_equal(identity_sign(&nodes[1].daemon.identity, "crowdshare held v1", data,
				       sizeof(data), letter.held.signature), 0);
	assert_int_equal(held_by_peer(digests, 1), 0);
	holding_letter(node_peer(0, 1), &letter);
	assert_int_equal(held_by_peer(digests, 1), 1);
	assert_int_equal(nodes[0].daemon.holdings->held.count, 1);
}

/* Questions without end: so many are answered at a time, with one commit. */
static void test_hostile_asker(void **state)
{
	struct proto_letter held = { .type = PROTO_HELD, .held.time = daemon_now() };
	struct proto_letter letter = { .type = PROTO_HOLD };
	uint8_t digest[CS_DIGEST_LEN], *encoded;
	uint64_t before;
	size_t len;
	int i;

	(void)state;
	nodes[0].daemon.config.store.reconcile = 3600;
	nodes[1].daemon.config.store.reconcile = 3600;
	nodes_pair(0, 1);
	nodes_run(700);
	assert_int_equal(proto_encode(&held, &encoded, &len), 0);
	free(encoded);
	random_bytes(digest, sizeof(digest));
	letter.hold.ids = digest;
	letter.hold.nr_ids = 1;
	before = node_peer(1, 0)->session->bytes_out;
	for (i = 0; i < 100; i++)
		holding_letter(node_peer(1, 0), &letter);
	assert_int_equal(node_peer(1, 0)->session->bytes_out, before);
	nodes_run(300);
	assert_in_range(node_peer(1, 0)->session->bytes_out - before, 16 * len, 17 * len - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODES_TEST(test_put),
		NODES_TEST(test_put_many),
		NODES_TEST(test_hostile_base64),
		NODES_TEST(test_hostile_messages),
		NODES_TEST(test_busy),
		NODES_TEST(test_full),
		NODES_TEST(test_own_address),
		NODES_TEST(test_sync),
		NODES_TEST(test_permission),
		NODES_TEST(test_fetch),
		NODES_TEST(test_fetch_walk),
		NODES_TEST(test_hostile_fetch),
		NODES_TEST(test_states),
		NODES_TEST(test_too_many_ids),
		NODES_TEST(test_contract),
		NODES_TEST(test_free_holder),
		NODES_TEST(test_hostile_holder),
		NODES_TEST(test_holder_of_more),
		NODES_TEST(test_hostile_asker),
	};

	return nodes_main("submit", tests, sizeof(tests) / sizeof(*tests));
}
