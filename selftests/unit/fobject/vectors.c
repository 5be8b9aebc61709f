// SPDX-License-Identifier: GPL-2.0
/*
 * The library against the vectors of its formats, selftests/vectors: what it wrote once it still
 * reads, and writes the same. selftests/vectors/check.py does this without the library.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "bench.h"
#include "fobject/envelope.h"
#include "fobject/erasure.h"
#include "fobject/manifest.h"
#include "lib/hex.h"

static json_t *vectors;

static int set_up(void **state)
{
	vectors = json_load_file(VECTORS "/fobject.json", 0, NULL);
	return vectors ? make_dir(state) : -1;
}

static int tear_down(void **state)
{
	json_decref(vectors);
	return remove_dir(state);
}

static const char *text(const json_t *v, const char *name)
{
	const char *value = json_string_value(json_object_get(v, name));

	if (!value)
		fail_msg("%s is missing", name);
	return value;
}

static uint64_t number(const json_t *v, const char *name)
{
	return json_integer_value(json_object_get(v, name));
}

static uint8_t *bytes(const char *hex, size_t *len)
{
	uint8_t *data = malloc(strlen(hex) / 2 + 1);

	assert_non_null(data);
	*len = strlen(hex) / 2;
	assert_int_equal(cs_unhex(hex, data, *len), *len);
	return data;
}

/* Is @data what the vector has under this name? */
static void same(const json_t *v, const char *name, const void *data, size_t len)
{
	size_t expected_len;
	uint8_t *expected = bytes(text(v, name), &expected_len);

	assert_int_equal(len, expected_len);
	assert_memory_equal(data, expected, len);
	free(expected);
}

static struct cs_cipher *cipher_of(const json_t *v)
{
	struct cs_cipher *cipher;
	size_t len;
	uint8_t *secret = bytes(text(v, "content_secret"), &len);

	assert_int_equal(cs_cipher_new(&cipher, secret), 0);
	free(secret);
	return cipher;
}

static void test_cards(void **state)
{
	json_t *v = json_object_get(vectors, "card");
	const struct cs_card *mine = test_card("recipient", CS_ROLE_RECIPIENT);
	char printed[CS_CARD_TEXT_MAX];
	struct cs_card card;

	(void)state;
	assert_int_equal(cs_card_parse(&card, text(v, "text"), strlen(text(v, "text")), NULL,
				       NULL), 0);
	assert_memory_equal(&card, mine, sizeof(card));
	assert_true(cs_card_print(mine, printed) > 0);
	assert_string_equal(printed, text(v, "text"));
	same(v, "fingerprint", card.fingerprint, sizeof(card.fingerprint));
}

static void test_sender_card(void **state)
{
	json_t *v = json_object_get(vectors, "sender_card");
	char printed[CS_CARD_TEXT_MAX];
	struct cs_card card, again;

	(void)state;
	assert_int_equal(cs_card_parse(&card, text(v, "text"), strlen(text(v, "text")), NULL,
				       NULL), 0);
	assert_int_equal(card.role, CS_ROLE_SENDER);
	same(v, "key", card.key, card.key_len);
	same(v, "fingerprint", card.fingerprint, sizeof(card.fingerprint));
	assert_int_equal(cs_card_sender(&again, card.key + card.key_len - CS_PUBLIC_LEN, NULL), 0);
	assert_memory_equal(&card, &again, sizeof(card));
	assert_true(cs_card_print(&again, printed) > 0);
	assert_string_equal(printed, text(v, "text"));
}

static void test_keys(void **state)
{
	json_t *v = json_object_get(vectors, "keys"), *id;
	struct cs_cipher *cipher = cipher_of(v);
	uint8_t key[CS_SECRET_LEN];
	uint8_t *secret;
	size_t i, len;

	(void)state;
	secret = bytes(text(v, "content_secret"), &len);
	assert_int_equal(cs_derive(secret, "crowdshare v1 content", key, sizeof(key)), 0);
	same(v, "content_key", key, sizeof(key));
	free(secret);
	same(v, "transport_secret", cs_cipher_transport(cipher), CS_SECRET_LEN);
	same(v, "object", cs_cipher_object(cipher), CS_OBJECT_ID_LEN);
	json_array_foreach(json_object_get(vectors, "chunk_ids"), i, id) {
		assert_int_equal(cs_cipher_chunk_id(cipher, number(id, "number"), key), 0);
		same(id, "id", key, CS_CHUNK_ID_LEN);
	}
	assert_true(i > 3);
	cs_cipher_free(cipher);
}

static void test_chunks(void **state)
{
	struct cs_cipher *cipher = cipher_of(json_object_get(vectors, "keys"));
	uint8_t sealed[1000];
	uint8_t *plain;
	json_t *v;
	size_t i, len;

	(void)state;
	json_array_foreach(json_object_get(vectors, "chunks"), i, v) {
		plain = bytes(text(v, "segment"), &len);
		assert_int_equal(cs_cipher_seal(cipher, number(v, "number"),
						json_is_true(json_object_get(v, "last")), plain,
						len, sealed), 0);
		same(v, "chunk", sealed, len + CS_MAC_LEN);
		free(plain);
	}
	assert_true(i > 3);
	cs_cipher_free(cipher);
}

static void test_erasure(void **state)
{
	uint8_t parity[CS_SLICES_MAX * 40];
	struct cs_erasure code;
	unsigned int k, n;
	size_t i, j, len, slice_len;
	uint8_t *chunk, *slice;
	json_t *v, *hex;

	(void)state;
	json_array_foreach(json_object_get(vectors, "erasure"), i, v) {
		k = number(v, "k");
		n = number(v, "n");
		chunk = bytes(text(v, "chunk"), &len);
		len /= k;
		assert_int_equal(cs_erasure_init(&code, k, n), 0);
		cs_erasure_encode(&code, len, chunk, parity);
		for (j = 0; j < n; j++) {
			hex = json_array_get(json_object_get(v, "slices"), j);
			slice = bytes(json_string_value(hex), &slice_len);
			assert_int_equal(slice_len, len);
			assert_memory_equal(slice, j < k ? chunk + j * len : parity + (j - k) * len,
					    len);
			free(slice);
		}
		cs_erasure_free(&code);
		free(chunk);
	}
	assert_true(i > 3);
}

static void test_terms(void **state)
{
	json_t *v = json_object_get(vectors, "terms");
	uint8_t data[CS_TERMS_SIGNED_MAX];
	struct cs_terms terms;
	uint8_t *chunk;
	size_t len;

	(void)state;
	chunk = bytes(text(v, "envelope"), &len);
	assert_int_equal(cs_terms_open(&terms, test_key("provider"), chunk, len, NULL), 0);
	free(chunk);
	same(v, "transport_secret", terms.transport, sizeof(terms.transport));
	same(v, "recipient", terms.recipient, sizeof(terms.recipient));
	same(v, "sender", terms.sender, sizeof(terms.sender));
	same(v, "signature", terms.signature, sizeof(terms.signature));
	assert_int_equal(terms.created, number(v, "created"));
	assert_int_equal(terms.expiry, number(v, "expiry"));
	assert_int_equal(terms.max_price, number(v, "max_price"));
	assert_int_equal(terms.account_len, strlen(text(v, "account")));
	assert_memory_equal(terms.account, text(v, "account"), terms.account_len);
	same(v, "signed", data, cs_terms_signed(&terms, data));
}

/* A whole object arrives, from its messages in reverse order. */
static void object(const char *name)
{
	json_t *v = json_object_get(vectors, name), *file;
	json_t *messages = json_object_get(v, "messages");
	char path[2048];
	struct bench bench;
	size_t i, len;
	uint8_t *data;

	bench_init(&bench, "recipient");
	bench_open(&bench);
	for (i = json_array_size(messages); i--;) {
		data = bytes(json_string_value(json_array_get(messages, i)), &len);
		bench_take(&bench, data, len);
		free(data);
	}
	assert_int_equal(bench.delivered, 1);
	assert_string_equal(strrchr(bench.path, '/') + 1, text(v, "name"));
	json_array_foreach(json_object_get(v, "files"), i, file) {
		snprintf(path, sizeof(path), "%s%s%s", bench.path, *text(file, "path") ? "/" : "",
			 text(file, "path"));
		if (!strcmp(name, "directory") && (i == 0 || i == 1)) {
			count_files(path);
			continue;
		}
		data = read_file(path, &len);
		assert_string_equal(data, text(file, "text"));
		free(data);
	}
	bench_free(&bench);
}

static void test_file(void **state)
{
	(void)state;
	object("file");
}

static void test_directory(void **state)
{
	(void)state;
	object("directory");
}

/* Content and manifest of the vector's file. */
static void add_content(struct cs_chunker *chunker, const char *content)
{
	struct cs_entry entry = {
		.type = CS_ENTRY_FILE, .path = (const uint8_t *)"", .mode = 0644,
		.mtime = NOW - 1000, .nsec = 123456789, .size = strlen(content),
	};
	struct cs_manifest manifest = { 0 };
	uint8_t head[CS_MANIFEST_HEAD_MAX], tail[4] = { 0 };
	size_t len;

	EVP_Q_digest(NULL, "SHA512", NULL, content, entry.size, entry.sha512, NULL);
	EVP_Q_digest(NULL, "SHA256", NULL, content, entry.size, entry.sha256, NULL);
	assert_int_equal(cs_manifest_add(&manifest, &entry), 0);
	len = cs_manifest_head(&manifest, head);
	tail[3] = len + manifest.len;
	assert_int_equal(cs_chunker_add(chunker, content, entry.size), 0);
	assert_int_equal(cs_chunker_add(chunker, head, len), 0);
	assert_int_equal(cs_chunker_add(chunker, manifest.data, manifest.len), 0);
	assert_int_equal(cs_chunker_add(chunker, tail, 4), 0);
	assert_int_equal(cs_chunker_finish(chunker), 0);
	cs_manifest_free(&manifest);
}

/* What is not random comes out the same, byte for byte: all but the payload of envelopes. */
static void test_again(void **state)
{
	json_t *v = json_object_get(vectors, "file"), *messages = json_object_get(v, "messages");
	const char *content = text(json_array_get(json_object_get(v, "files"), 0), "text");
	struct cs_chunker_options options;
	struct cs_chunker *chunker;
	struct bag bag = { 0 };
	uint8_t *secret, *expected;
	size_t i, len, expected_len;
	const uint8_t *got;

	(void)state;
	secret = bytes(text(v, "content_secret"), &len);
	options = chunker_options(&bag);
	options.to.provider = test_card("provider", CS_ROLE_PROVIDER);
	options.content = secret;
	options.expiry = NOW + 36000;
	assert_int_equal(cs_chunker_new(&chunker, &options, NULL), 0);
	add_content(chunker, content);
	cs_chunker_free(chunker);
	free(secret);
	assert_int_equal(bag.count, json_array_size(messages));
	for (i = 0; i < bag.count; i++) {
		expected = bytes(json_string_value(json_array_get(messages, i)), &expected_len);
		got = bag_get(&bag, i, &len);
		assert_int_equal(len, expected_len);
		if (bag_message(&bag, i).k == 1) /* all of the header but the digest */
			assert_memory_equal(got + CS_DIGEST_LEN, expected + CS_DIGEST_LEN,
					    sizeof(struct cs_msg_hdr) - CS_DIGEST_LEN);
		else
			assert_memory_equal(got, expected, len);
		free(expected);
	}
	bag_free(&bag);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cards),
		cmocka_unit_test(test_sender_card),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_erasure),
		cmocka_unit_test(test_terms),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_again),
	};

	return cmocka_run_group_tests_name("vectors", tests, set_up, tear_down);
}
