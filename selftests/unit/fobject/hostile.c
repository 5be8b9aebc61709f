// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of objects from senders who have the recipient's card and mean no good: nothing of
 * them appears, nothing lies outside of where it belongs, and others are not in their way. And of
 * objects that go by way of others, who find out only where to send them on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "bench.h"
#include "fobject/envelope.h"
#include "fobject/manifest.h"

/**
 * struct sender - makes an object by hand
 */
struct sender {
	struct bag			bag;
	struct cs_chunker_options	options;
	struct cs_chunker		*chunker;
	struct cs_manifest		manifest;
};

static void begin(struct sender *sender, enum cs_kind kind)
{
	memset(sender, 0, sizeof(*sender));
	sender->options = chunker_options(&sender->bag);
	sender->options.kind = kind;
}

static void content(struct sender *sender, const void *data, size_t len)
{
	if (!sender->chunker)
		assert_int_equal(cs_chunker_new(&sender->chunker, &sender->options, NULL), 0);
	assert_int_equal(cs_chunker_add(sender->chunker, data, len), 0);
}

/* An entry as a real sender would make it, but for what @path is. */
static void entry(struct sender *sender, enum cs_entry_type type, const char *path,
		  const void *data, size_t len)
{
	struct cs_entry e = {
		.type = type, .path = (const uint8_t *)path, .path_len = strlen(path), .mode = 0777,
		.mtime = NOW, .size = len,
	};

	if (data)
		content(sender, data, len);
	EVP_Q_digest(NULL, "SHA512", NULL, data ? data : "", len, e.sha512, NULL);
	EVP_Q_digest(NULL, "SHA256", NULL, data ? data : "", len, e.sha256, NULL);
	assert_int_equal(cs_manifest_add(&sender->manifest, &e), 0);
}

/* The manifest, with @more added to the length that is said. */
static void finish(struct sender *sender, int more)
{
	uint8_t head[CS_MANIFEST_HEAD_MAX], tail[4];
	size_t len = cs_manifest_head(&sender->manifest, head);
	uint32_t said = len + sender->manifest.len + more;

	content(sender, head, len);
	content(sender, sender->manifest.data, sender->manifest.len);
	tail[0] = said >> 24;
	tail[1] = said >> 16;
	tail[2] = said >> 8;
	tail[3] = said;
	content(sender, tail, 4);
	assert_int_equal(cs_chunker_finish(sender->chunker), 0);
}

static void end(struct sender *sender)
{
	cs_chunker_free(sender->chunker);
	cs_manifest_free(&sender->manifest);
	bag_free(&sender->bag);
}

/* Nothing appears, the reason is told, and it does not begin again; a good object still arrives. */
static void refused(struct sender *sender, const char *why)
{
	struct bag good = { 0 };
	struct bench bench;

	bench_init(&bench, "recipient");
	if (sender->options.kind == CS_KIND_VIA)
		bench.options.forward = NULL;
	bench_open(&bench);
	bench_take_all(&bench, &sender->bag);
	assert_int_equal(bench.delivered, 0);
	assert_int_equal(count_files(bench.out), 0);
	if (!strstr(bench.note, why))
		fail_msg("'%s' does not say '%s'", bench.note, why);
	assert_int_equal(bench_objects(&bench), 0);
	bench_sync(&bench);
	bench_restart(&bench);
	bench_take_all(&bench, &sender->bag);
	assert_int_equal(bench_objects(&bench), 0);
	put_bytes(&good, "good", "good", 4);
	bench_take_all(&bench, &good);
	assert_int_equal(bench.delivered, 1);
	assert_int_equal(count_files(bench.out), 1);
	bag_free(&good);
	bench_free(&bench);
	end(sender);
}

static void test_control(void **state)
{
	struct sender sender;
	struct bench bench;

	(void)state;
	/* this way of making objects makes good ones, too */
	begin(&sender, CS_KIND_FILE);
	entry(&sender, CS_ENTRY_FILE, "", "data", 4);
	finish(&sender, 0);
	bench_init(&bench, "recipient");
	bench_open(&bench);
	bench_take_all(&bench, &sender.bag);
	assert_int_equal(bench.delivered, 1);
	bench_free(&bench);
	end(&sender);
}

static void test_bad_files(void **state)
{
	struct sender sender;
	int more;

	(void)state;
	begin(&sender, CS_KIND_FILE);
	entry(&sender, CS_ENTRY_FILE, "", "data", 4);
	sender.manifest.data[sender.manifest.len - 1] ^= 1; /* of SHA-256 */
	finish(&sender, 0);
	refused(&sender, "not what its digests say");

	begin(&sender, CS_KIND_FILE);
	entry(&sender, CS_ENTRY_FILE, "", "data", 4);
	sender.manifest.data[sender.manifest.len - 40] ^= 1; /* of SHA-512 */
	finish(&sender, 0);
	refused(&sender, "not what its digests say");

	begin(&sender, CS_KIND_FILE);
	entry(&sender, CS_ENTRY_FILE, "", "data", 4);
	content(&sender, "more", 4);
	finish(&sender, 0);
	refused(&sender, "came");

	begin(&sender, CS_KIND_FILE);
	entry(&sender, CS_ENTRY_FILE, "../x", "data", 4);
	finish(&sender, 0);
	refused(&sender, "something else");

	for (more = -1; more < 70000; more = more < 0 ? 1 : more * 40) {
		begin(&sender, CS_KIND_FILE);
		entry(&sender, CS_ENTRY_FILE, "", "data", 4);
		finish(&sender, more);
		refused(&sender, "manifest");
	}
	begin(&sender, CS_KIND_FILE);
	entry(&sender, CS_ENTRY_FILE, "", "data", 4);
	finish(&sender, 0x7fffff00);
	refused(&sender, "no manifest");

	begin(&sender, CS_KIND_FILE);
	content(&sender, "abc", 3);
	assert_int_equal(cs_chunker_finish(sender.chunker), 0);
	refused(&sender, "no manifest");
}

/* Objects in two chunks, with chunks left out, swapped, spliced and made the last. */
static void test_chunks(void **state)
{
	static uint8_t data[600000];
	struct sender sender;
	struct cs_message last, message;
	struct bench bench;
	size_t i, len;

	(void)state;
	begin(&sender, CS_KIND_FILE);
	entry(&sender, CS_ENTRY_FILE, "", data, sizeof(data));
	finish(&sender, 0);
	last = bag_message(&sender.bag, sender.bag.count - 1);
	/* without its last chunk, or without one in the middle, it never is whole */
	for (i = 0; i < 2; i++) {
		size_t j;

		bench_init(&bench, "recipient");
		bench_open(&bench);
		if (i)
			last = bag_message(&sender.bag, 20);
		for (j = 0; j < sender.bag.count; j++) {
			message = bag_message(&sender.bag, j);
			if (same_chunk(&message, &last))
				continue;
			bench_take(&bench, bag_get(&sender.bag, j, &len), message.length + 120u);
		}
		assert_int_equal(bench.delivered + bench.ready, 0);
		assert_int_equal(bench_objects(&bench), 1);
		bench_free(&bench);
	}
	end(&sender);
}

/* A sender who ends his object twice. */
static void test_two_ends(void **state)
{
	static uint8_t data[300000];
	const uint8_t secret[CS_SECRET_LEN] = { 7 };
	struct sender one, two;
	struct bench bench;

	(void)state;
	begin(&one, CS_KIND_FILE);
	one.options.content = secret;
	entry(&one, CS_ENTRY_FILE, "", "data", 4);
	finish(&one, 0);
	begin(&two, CS_KIND_FILE);
	two.options.content = secret;
	entry(&two, CS_ENTRY_FILE, "", data, sizeof(data));
	finish(&two, 0);
	bench_init(&bench, "recipient");
	bench_open(&bench);
	/* the second chunk of the long one first, then the short one, whose first is its last */
	{
		size_t i, len;

		for (i = 6 + 255; i < two.bag.count; i++) {
			const uint8_t *message = bag_get(&two.bag, i, &len);

			bench_take(&bench, message, len);
		}
	}
	bench_take_all(&bench, &one.bag);
	assert_int_equal(bench.delivered, 0);
	assert_non_null(strstr(bench.note, "two ends"));
	assert_int_equal(bench_objects(&bench), 0);
	bench_free(&bench);
	end(&one);
	end(&two);
}

static void test_refused_envelopes(void **state)
{
	struct sender sender;

	(void)state;
	begin(&sender, CS_KIND_FILE);
	sender.options.expiry = NOW + 32 * 86400;
	entry(&sender, CS_ENTRY_FILE, "", "data", 4);
	finish(&sender, 0);
	refused(&sender, "longer than 31 days");

	begin(&sender, CS_KIND_VIA);
	content(&sender, "data", 4);
	assert_int_equal(cs_chunker_finish(sender.chunker), 0);
	refused(&sender, "sent on, which is not done");
}

static void test_expired_envelope(void **state)
{
	struct sender sender;
	struct cs_message message;
	uint8_t copy[2048];
	struct bench bench;
	size_t i, len;

	(void)state;
	/* messages that live on, of an object that does not */
	begin(&sender, CS_KIND_FILE);
	sender.options.created = NOW - 7200;
	sender.options.expiry = NOW - 3600;
	entry(&sender, CS_ENTRY_FILE, "", "data", 4);
	finish(&sender, 0);
	bench_init(&bench, "recipient");
	bench_open(&bench);
	for (i = 0; i < sender.bag.count; i++) {
		message = bag_message(&sender.bag, i);
		message.expiry = NOW + 60;
		len = cs_message_build(copy, sizeof(copy), &message);
		bench_take(&bench, copy, len);
	}
	assert_int_equal(bench.delivered, 0);
	assert_int_equal(bench_objects(&bench), 0);
	assert_true(bench.results[CS_GET_EXPIRED] > 0);
	bench_free(&bench);
	end(&sender);
}

/* A directory whose second entry is hostile. */
static void hostile_path(const char *path, const char *why)
{
	struct sender sender;

	begin(&sender, CS_KIND_DIRECTORY);
	entry(&sender, CS_ENTRY_DIRECTORY, "", NULL, 0);
	entry(&sender, CS_ENTRY_FILE, path, "evil", 4);
	finish(&sender, 0);
	refused(&sender, why);
}

static void test_hostile_paths(void **state)
{
	struct sender sender;

	(void)state;
	hostile_path("../evil", "elsewhere");
	hostile_path("/tmp/evil", "absolute");
	hostile_path("a/../../evil", "elsewhere");
	hostile_path("..", "elsewhere");
	hostile_path("a//evil", "empty name");
	hostile_path("missing/evil", "contradicts");
	/* a file where it says that a directory is */
	begin(&sender, CS_KIND_DIRECTORY);
	entry(&sender, CS_ENTRY_DIRECTORY, "", NULL, 0);
	entry(&sender, CS_ENTRY_FILE, "a", "file", 4);
	entry(&sender, CS_ENTRY_FILE, "a/evil", "evil", 4);
	finish(&sender, 0);
	refused(&sender, "contradicts");
	begin(&sender, CS_KIND_DIRECTORY);
	entry(&sender, CS_ENTRY_DIRECTORY, "", NULL, 0);
	entry(&sender, CS_ENTRY_FILE, "a", "file", 4);
	entry(&sender, CS_ENTRY_DIRECTORY, "a", NULL, 0);
	finish(&sender, 0);
	refused(&sender, "contradicts");
}

/* In what was delivered there is a file with this text. */
static void reads(const struct bench *bench, const char *name, const char *text)
{
	char path[2048];
	uint8_t *data;
	size_t len;

	snprintf(path, sizeof(path), "%s/%s", bench->path, name);
	data = read_file(path, &len);
	assert_string_equal(data, text);
	free(data);
}

/* Names that become the same, and a link that somebody has put where it is to appear. */
static void test_twins(void **state)
{
	struct sender sender;
	struct bench bench;
	char path[2048];
	struct stat st;

	(void)state;
	begin(&sender, CS_KIND_DIRECTORY);
	entry(&sender, CS_ENTRY_DIRECTORY, "", NULL, 0);
	entry(&sender, CS_ENTRY_FILE, "a\001b", "one", 3);
	entry(&sender, CS_ENTRY_FILE, "a\002b", "two", 3);
	entry(&sender, CS_ENTRY_FILE, "a_b", "three", 5);
	entry(&sender, CS_ENTRY_DIRECTORY, "d\001", NULL, 0);
	entry(&sender, CS_ENTRY_DIRECTORY, "d\002", NULL, 0);
	entry(&sender, CS_ENTRY_FILE, "d\002/.x", "four", 4);
	finish(&sender, 0);
	bench_init(&bench, "recipient");
	snprintf(path, sizeof(path), "%s/crafted", bench.out);
	assert_int_equal(symlink("/etc", path), 0);
	bench_open(&bench);
	bench_take_all(&bench, &sender.bag);
	assert_int_equal(bench.delivered, 1);
	assert_string_equal(bench.path + strlen(bench.out), "/crafted (2)");
	assert_int_equal(count_files(bench.path), 4);
	reads(&bench, "a_b (3)", "three");
	reads(&bench, "d_/.x", "four");
	assert_int_equal(stat(bench.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	bench_free(&bench);
	end(&sender);
}

/* An honest directory, with names that are not UTF-8: all of it appears. */
static void test_many_twins(void **state)
{
	char name[] = "g?", path[2048];
	struct sender sender;
	struct bench bench;
	unsigned int i;
	uint8_t *data;
	size_t len;

	(void)state;
	begin(&sender, CS_KIND_DIRECTORY);
	entry(&sender, CS_ENTRY_DIRECTORY, "", NULL, 0);
	/* a directory behind files that have its name, and one in that */
	entry(&sender, CS_ENTRY_FILE, "d\200", "file", 4);
	entry(&sender, CS_ENTRY_FILE, "d_ (2)", "file", 4);
	entry(&sender, CS_ENTRY_DIRECTORY, "d\201", NULL, 0);
	entry(&sender, CS_ENTRY_FILE, "d\201/s\201", "file", 4);
	entry(&sender, CS_ENTRY_DIRECTORY, "d\201/s\202", NULL, 0);
	entry(&sender, CS_ENTRY_FILE, "d\201/s\202/x", "deep", 4);
	for (i = 128; i < 256; i++) {
		name[1] = i;
		entry(&sender, CS_ENTRY_FILE, name, name, 2);
	}
	finish(&sender, 0);
	bench_init(&bench, "recipient");
	bench_open(&bench);
	bench_take_all(&bench, &sender.bag);
	assert_int_equal(bench.delivered, 1);
	assert_int_equal(count_files(bench.path), 3 + 128);
	reads(&bench, "d_ (3)/s_ (2)/x", "deep");
	snprintf(path, sizeof(path), "%s/g_ (99)", bench.path);
	data = read_file(path, &len);
	assert_int_equal(data[1], 128 + 98);
	free(data);
	bench_free(&bench);
	end(&sender);
}

static struct cs_put_hop hop(const char *name)
{
	return (struct cs_put_hop){ test_card(name, CS_ROLE_RECIPIENT), NULL };
}

/* A tenth of what one sends is lost; the rest is for @last byte of an address, and is taken. */
static void lossy(const struct bag *from, struct bench *to, uint8_t last)
{
	struct cs_message message;
	size_t i, len;

	for (i = 0; i < from->count; i++) {
		message = bag_message(from, i);
		assert_int_equal(message.destination[15], last);
		if (dice(10))
			bench_take(to, bag_get(from, i, &len), message.length + 120u);
	}
}

/* Two in between. Each finds messages for the next one, and the first only knows the second. */
static void test_via(void **state)
{
	static uint8_t data[300000];
	const struct cs_put_hop via[] = { hop("via"), hop("stranger") };
	struct cs_card cards[2] = { *via[0].card, *via[1].card };
	const struct cs_put_hop hops[] = { { &cards[0], NULL }, { &cards[1], NULL } };
	struct cs_put_options options;
	struct cs_put_result result;
	struct cs_error error = { "" };
	struct bench first, second, last;
	struct bag bag = { 0 };
	uint8_t *got;
	size_t i, len;

	(void)state;
	dice_fill(data, sizeof(data));
	write_file(in_dir("secret name"), data, sizeof(data));
	cards[0].address[15] = 1;
	cards[1].address[15] = 2;
	options = put_options(&bag);
	options.via = hops;
	options.nr_via = 2;
	if (cs_put_path(&options, in_dir("secret name"), &result, &error))
		fail_msg("%s", error.text);
	/* the address of the next one is nowhere in plain */
	assert_null(memmem(bag.data, bag.len, cards[1].address, CS_ADDR_LEN));

	bench_init(&first, "via");
	bench_init(&second, "stranger");
	bench_init(&last, "recipient");
	bench_open(&first);
	bench_open(&second);
	bench_open(&last);
	lossy(&bag, &first, 1);
	assert_int_equal(bench_objects(&first), 0);
	assert_int_equal(count_files(first.out), 0);
	lossy(&first.forwarded, &second, 2);
	assert_null(memmem(first.forwarded.data, first.forwarded.len,
			   test_card("recipient", CS_ROLE_RECIPIENT)->address, CS_ADDR_LEN));
	lossy(&second.forwarded, &last, 7);
	assert_int_equal(last.delivered, 1);
	got = read_file(last.path, &len);
	assert_int_equal(len, sizeof(data));
	assert_memory_equal(got, data, len);
	free(got);
	/* again: it was sent on, and is not so twice */
	i = first.forwarded.count;
	bench_sync(&first);
	bench_restart(&first);
	bench_take_all(&first, &bag);
	assert_int_equal(first.forwarded.count, i);
	bench_free(&first);
	bench_free(&second);
	bench_free(&last);
	bag_free(&bag);
	unlink(in_dir("secret name"));
}

/* What can't be sent on for a while waits, over a restart, and is in nobody's way. */
static void test_via_stuck(void **state)
{
	static uint8_t data[600000];
	const struct cs_put_hop via = hop("via");
	struct cs_put_options options;
	struct cs_put_result result;
	struct cs_error error = { "" };
	struct bench first, last;
	struct bag bag = { 0 };
	unsigned int round;

	(void)state;
	dice_fill(data, sizeof(data));
	write_file(in_dir("note"), data, sizeof(data));
	options = put_options(&bag);
	options.via = &via;
	options.nr_via = 1;
	if (cs_put_path(&options, in_dir("note"), &result, &error))
		fail_msg("%s", error.text);
	for (round = 0; round < 2; round++) {
		bench_init(&first, "via");
		bench_open(&first);
		*(round ? &first.stuck : &first.unsafe) = true;
		bench_take_all(&first, &bag);
		assert_int_equal(first.results[CS_GET_FAILED], 0);
		bench_sync(&first);
		bench_restart(&first);
		assert_int_equal(bench_objects(&first), 1);
		/* whoever has got some of it may have lost it */
		bag_free(&first.forwarded);
		first.stuck = first.unsafe = false;
		bench_sync(&first);
		assert_int_equal(bench_objects(&first), 0);
		bench_init(&last, "recipient");
		bench_open(&last);
		bench_take_all(&last, &first.forwarded);
		assert_int_equal(last.delivered, 1);
		bench_free(&last);
		bench_sync(&first);
		assert_int_equal(count_files(first.state), 2);
		bench_free(&first);
	}
	bag_free(&bag);
	unlink(in_dir("note"));
}

/* What is to be sent on, and is no message: nothing is sent on. */
static void test_via_garbage(void **state)
{
	struct sender sender;
	struct bench bench;
	struct bag bag = { 0 };
	size_t len, round;
	uint8_t message[2048];

	(void)state;
	put_bytes(&bag, "x", "y", 1);
	for (round = 0; round < 3; round++) {
		begin(&sender, CS_KIND_VIA);
		len = bag_copy(&bag, 0, message);
		if (round == 0)
			message[3] ^= 1; /* the digest */
		if (round == 1)
			len--;
		if (round == 2)
			message[len++] = 0;
		content(&sender, message, len);
		assert_int_equal(cs_chunker_finish(sender.chunker), 0);
		bench_init(&bench, "recipient");
		bench_open(&bench);
		bench_take_all(&bench, &sender.bag);
		assert_int_equal(bench.forwarded.count, 0);
		assert_non_null(strstr(bench.note, "no messages"));
		bench_free(&bench);
		end(&sender);
	}
	bag_free(&bag);
}

/* The provider's envelope: who is at the destination can read it, and nothing of the content. */
static int sign(const void *data, size_t len, uint8_t signature[CS_SIGNATURE_LEN], void *arg)
{
	assert_true(len > 0 && !strcmp(data, CS_TERMS_CONTEXT));
	memset(signature, *(uint8_t *)arg, CS_SIGNATURE_LEN);
	return 0;
}

static void test_provider(void **state)
{
	uint8_t public[CS_PUBLIC_LEN] = { 5 }, byte = 9;
	const struct cs_put_sender sender = {
		.account = "bob", .max_price = 77, .public = public, .sign = sign, .arg = &byte,
	};
	struct cs_card provider = *test_card("provider", CS_ROLE_PROVIDER);
	struct cs_put_options options;
	struct cs_put_result result;
	struct cs_error error = { "" };
	struct cs_cipher *blind = NULL;
	struct cs_envelope envelope;
	struct bag bag = { 0 };
	struct cs_terms terms;
	struct bench bench;
	struct cs_message m;
	uint64_t number;
	size_t i, found = 0;

	(void)state;
	write_file(in_dir("a file"), "hello", 5);
	options = put_options(&bag);
	options.to.provider = &provider;
	options.sender = &sender;
	if (cs_put_path(&options, in_dir("a file"), &result, &error))
		fail_msg("%s", error.text);
	for (i = 0; i < bag.count; i++) {
		m = bag_message(&bag, i);
		if (m.index || m.k > 1)
			continue;
		assert_int_equal(cs_envelope_open(&envelope, test_key("provider"), m.payload,
						  m.length - 16, NULL), -ENOENT);
		found = !cs_terms_open(&terms, test_key("provider"), m.payload, m.length - 16,
				       NULL);
		if (found)
			break;
	}
	assert_int_equal(found, 1);
	assert_string_equal(terms.account, "bob");
	assert_int_equal(terms.max_price, 77);
	assert_memory_equal(terms.sender, public, sizeof(public));
	assert_int_equal(terms.signature[63], 9);
	assert_memory_equal(terms.recipient, test_card("recipient", CS_ROLE_RECIPIENT)->fingerprint,
			    CS_FINGERPRINT_LEN);
	/* so that he can tell all chunks and slices of the object */
	assert_int_equal(cs_cipher_new_blind(&blind, terms.transport), 0);
	assert_memory_equal(cs_cipher_object(blind), result.object, CS_OBJECT_ID_LEN);
	for (i = 0; i < bag.count; i++) {
		m = bag_message(&bag, i);
		assert_true(cs_cipher_number(blind, m.chunk_id, &number));
		assert_true(number < 3);
		assert_true(cs_cipher_slice_ok(blind, number, &m));
	}
	cs_cipher_free(blind);
	/* and the recipient does not mind */
	bench_init(&bench, "recipient");
	bench_open(&bench);
	bench_take_all(&bench, &bag);
	assert_int_equal(bench.delivered, 1);
	bench_free(&bench);
	bag_free(&bag);
	unlink(in_dir("a file"));
}

/* What a relay can see: destination and expiry, the same for all; no name, no content, no link. */
static void test_plain(void **state)
{
	static char data[600000];
	struct bag bag = { 0 };
	struct cs_message a, b;
	size_t i;

	(void)state;
	for (i = 0; i + 32 < sizeof(data); i += 32)
		memcpy(data + i, "a text that is easy to find here", 32);
	put_bytes(&bag, "a name that is easy to find", data, sizeof(data));
	assert_null(memmem(bag.data, bag.len, "easy to", 7));
	assert_null(memmem(bag.data, bag.len,
			   test_card("recipient", CS_ROLE_RECIPIENT)->key + 40, 16));
	a = bag_message(&bag, 0);
	for (i = 1; i < bag.count; i++) {
		b = bag_message(&bag, i);
		assert_int_equal(a.expiry, b.expiry);
		assert_int_equal(b.flags, 0);
		/* those of different chunks have no four bytes of their ids in common */
		if (!same_chunk(&a, &b))
			assert_memory_not_equal(a.chunk_id, b.chunk_id, 4);
	}
	bag_free(&bag);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_two_ends),
		cmocka_unit_test(test_refused_envelopes),
		cmocka_unit_test(test_expired_envelope),
		cmocka_unit_test(test_hostile_paths),
		cmocka_unit_test(test_twins),
		cmocka_unit_test(test_many_twins),
		cmocka_unit_test(test_via),
		cmocka_unit_test(test_via_stuck),
		cmocka_unit_test(test_via_garbage),
		cmocka_unit_test(test_provider),
		cmocka_unit_test(test_plain),
	};

	return cmocka_run_group_tests_name("hostile", tests, make_dir, remove_dir);
}
