// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the formats: keys, chunks, slices, envelopes, manifests and names. What was
 * changed, moved, cut off, spliced, or is somebody else's, is told; what makes no sense is
 * refused, with a reason.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "common.h"
#include "fobject/cipher.h"
#include "fobject/envelope.h"
#include "fobject/manifest.h"
#include "lib/cbor.h"
#include "lib/name.h"

#define ENVELOPE_LEN 1218

static struct cs_cipher *cipher_of(uint8_t first)
{
	uint8_t content[CS_SECRET_LEN] = { first };
	struct cs_cipher *cipher;

	assert_int_equal(cs_cipher_new(&cipher, content), 0);
	return cipher;
}

/* Every place where a chunk could be but its own. */
static void test_chunks(void **state)
{
	struct cs_cipher *cipher = cipher_of(1), *other = cipher_of(2);
	uint8_t plain[1000], sealed[1016], out[1000];
	size_t i;

	(void)state;
	dice_fill(plain, sizeof(plain));
	assert_int_equal(cs_cipher_seal(cipher, 7, false, plain, sizeof(plain), sealed), 0);
	assert_int_equal(cs_cipher_open(cipher, 7, false, sealed, sizeof(sealed), out), 0);
	assert_memory_equal(out, plain, sizeof(plain));
	assert_memory_not_equal(sealed, plain, sizeof(plain));

	/* moved, made the last, of another object, cut, cut and made the last */
	assert_int_equal(cs_cipher_open(cipher, 8, false, sealed, sizeof(sealed), out), -EBADMSG);
	assert_int_equal(cs_cipher_open(cipher, 7, true, sealed, sizeof(sealed), out), -EBADMSG);
	assert_int_equal(cs_cipher_open(other, 7, false, sealed, sizeof(sealed), out), -EBADMSG);
	assert_int_equal(cs_cipher_open(cipher, 7, false, sealed, 1015, out), -EBADMSG);
	assert_int_equal(cs_cipher_open(cipher, 7, true, sealed, 500, out), -EBADMSG);
	assert_int_equal(cs_cipher_open(cipher, 7, true, sealed, 15, out), -EBADMSG);
	for (i = 0; i < sizeof(sealed); i++) {
		sealed[i] ^= 1 << dice(8);
		assert_int_equal(cs_cipher_open(cipher, 7, false, sealed, sizeof(sealed), out),
				 -EBADMSG);
		assert_int_equal(cs_cipher_seal(cipher, 7, false, plain, sizeof(plain), sealed), 0);
	}
	/* the last one is not one before */
	assert_int_equal(cs_cipher_seal(cipher, 7, true, plain, 0, sealed), 0);
	assert_int_equal(cs_cipher_open(cipher, 7, false, sealed, 16, out), -EBADMSG);
	assert_int_equal(cs_cipher_open(cipher, 7, true, sealed, 16, out), 0);
	cs_cipher_free(cipher);
	cs_cipher_free(other);
}

static void test_nonces(void **state)
{
	struct cs_cipher *cipher = cipher_of(1);
	uint8_t sealed[2][32], plain[16] = { 0 };

	(void)state;
	/* the same content, in another place, or as the last: other bytes */
	cs_cipher_seal(cipher, 2, false, plain, sizeof(plain), sealed[0]);
	cs_cipher_seal(cipher, 3, false, plain, sizeof(plain), sealed[1]);
	assert_memory_not_equal(sealed[0], sealed[1], sizeof(plain));
	cs_cipher_seal(cipher, 2, true, plain, sizeof(plain), sealed[1]);
	assert_memory_not_equal(sealed[0], sealed[1], sizeof(plain));
	cs_cipher_free(cipher);
}

/* Who has only the transport secret knows chunks and slices, and reads nothing. */
static void test_blind(void **state)
{
	struct cs_cipher *cipher = cipher_of(1), *blind;
	uint8_t id[CS_CHUNK_ID_LEN], sealed[32], plain[16] = "sixteen letters";
	uint8_t payload[116];
	struct cs_message message = {
		.chunk_length = 300, .k = 3, .n = 5, .index = 4, .length = 116, .payload = payload,
	};
	uint64_t number;

	(void)state;
	assert_int_equal(cs_cipher_new_blind(&blind, cs_cipher_transport(cipher)), 0);
	assert_memory_equal(cs_cipher_object(blind), cs_cipher_object(cipher), CS_OBJECT_ID_LEN);
	assert_int_equal(cs_cipher_chunk_id(cipher, 1234567, id), 0);
	assert_true(cs_cipher_number(blind, id, &number));
	assert_int_equal(number, 1234567);
	dice_fill(payload, sizeof(payload));
	assert_false(cs_cipher_slice_ok(blind, 9, &message));
	assert_int_equal(cs_cipher_mac(cipher, 9, &message, payload, 100, payload + 100), 0);
	assert_true(cs_cipher_slice_ok(blind, 9, &message));
	assert_int_equal(cs_cipher_seal(cipher, 2, true, plain, 16, sealed), 0);
	assert_int_equal(cs_cipher_open(blind, 2, true, sealed, 32, plain), -EBADMSG);
	assert_int_equal(cs_cipher_seal(blind, 2, true, plain, 16, sealed), -EIO);
	cs_cipher_free(cipher);
	cs_cipher_free(blind);
}

static void test_chunk_ids(void **state)
{
	struct cs_cipher *cipher = cipher_of(1), *other = cipher_of(2);
	uint8_t ids[300][CS_CHUNK_ID_LEN];
	uint64_t number;
	size_t i, j;

	(void)state;
	for (i = 0; i < 300; i++) {
		assert_int_equal(cs_cipher_chunk_id(cipher, i, ids[i]), 0);
		assert_true(cs_cipher_number(cipher, ids[i], &number));
		assert_int_equal(number, i);
		assert_false(cs_cipher_number(other, ids[i], &number));
		for (j = 0; j < i; j++)
			assert_memory_not_equal(ids[i], ids[j], 4);
	}
	ids[0][5] ^= 1;
	assert_false(cs_cipher_number(cipher, ids[0], &number));
	cs_cipher_free(cipher);
	cs_cipher_free(other);
}

/* A slice in any other place, of another chunk, with another k, or changed. */
static void test_slices(void **state)
{
	struct cs_cipher *cipher = cipher_of(1), *other = cipher_of(2);
	uint8_t payload[116];
	const struct cs_message right = {
		.chunk_length = 300, .k = 3, .n = 5, .index = 2, .length = 116, .payload = payload,
	};
	struct cs_message message;
	size_t i;

	(void)state;
	dice_fill(payload, 100);
	assert_int_equal(cs_cipher_mac(cipher, 7, &right, payload, 100, payload + 100), 0);
	assert_true(cs_cipher_slice_ok(cipher, 7, &right));
	assert_false(cs_cipher_slice_ok(cipher, 8, &right));
	assert_false(cs_cipher_slice_ok(other, 7, &right));
	message = right;
	message.index = 3;
	assert_false(cs_cipher_slice_ok(cipher, 7, &message));
	message = right;
	message.k = 2;
	assert_false(cs_cipher_slice_ok(cipher, 7, &message));
	message = right;
	message.n = 6;
	assert_false(cs_cipher_slice_ok(cipher, 7, &message));
	message = right;
	message.chunk_length = 299;
	assert_false(cs_cipher_slice_ok(cipher, 7, &message));
	for (i = 0; i <= 16; i++) {
		message = right;
		message.length = i;
		assert_false(cs_cipher_slice_ok(cipher, 7, &message));
	}
	for (i = 0; i < sizeof(payload); i++) {
		payload[i] ^= 1 << dice(8);
		assert_false(cs_cipher_slice_ok(cipher, 7, &right));
		cs_cipher_mac(cipher, 7, &right, payload, 100, payload + 100);
	}
	cs_cipher_free(cipher);
	cs_cipher_free(other);
}

static const struct cs_envelope an_envelope = {
	.content = { 1, 2, 3 }, .kind = CS_KIND_FILE, .name = "a name", .name_len = 6,
	.size = 12345, .segment = 255764, .created = NOW, .expiry = NOW + 1000,
};

static EVP_PKEY *public_of(const char *name)
{
	unsigned int bits;
	EVP_PKEY *key;

	key = cs_rsa_public(test_card(name, CS_ROLE_RECIPIENT)->key,
			    test_card(name, CS_ROLE_RECIPIENT)->key_len, &bits, NULL);
	assert_non_null(key);
	return key;
}

static void test_envelope(void **state)
{
	EVP_PKEY *key = public_of("recipient");
	uint8_t chunk[ENVELOPE_LEN], again[ENVELOPE_LEN];
	struct cs_envelope envelope;
	struct cs_terms terms;
	unsigned int i;

	(void)state;
	assert_int_equal(cs_envelope_seal(&an_envelope, key, chunk, sizeof(chunk)), 0);
	assert_int_equal(cs_envelope_open(&envelope, test_key("recipient"), chunk, sizeof(chunk),
					  NULL), 0);
	assert_memory_equal(&envelope, &an_envelope, sizeof(envelope));
	/* it is never the same twice, nor has it anything in plain */
	assert_int_equal(cs_envelope_seal(&an_envelope, key, again, sizeof(again)), 0);
	assert_memory_not_equal(chunk, again, 384);
	assert_null(memmem(chunk, sizeof(chunk), "a name", 6));
	/* not for others, nor as another kind of envelope, nor changed or cut */
	assert_int_equal(cs_envelope_open(&envelope, test_key("stranger"), chunk, sizeof(chunk),
					  NULL), -ENOENT);
	assert_int_equal(cs_terms_open(&terms, test_key("recipient"), chunk, sizeof(chunk), NULL),
			 -ENOENT);
	for (i = 0; i < 30; i++) {
		memcpy(again, chunk, sizeof(again));
		again[i ? dice(sizeof(again)) : 384] ^= 1 << dice(8);
		assert_int_equal(cs_envelope_open(&envelope, test_key("recipient"), again,
						  sizeof(again), NULL), -ENOENT);
	}
	for (i = 0; i < ENVELOPE_LEN; i += 203)
		assert_int_equal(cs_envelope_open(&envelope, test_key("recipient"), chunk, i, NULL),
				 -ENOENT);
	/* the RSA part of one with the body of another */
	assert_int_equal(cs_envelope_seal(&an_envelope, key, again, sizeof(again)), 0);
	memcpy(again, chunk, 384);
	assert_int_equal(cs_envelope_open(&envelope, test_key("recipient"), again, sizeof(again),
					  NULL), -ENOENT);
	EVP_PKEY_free(key);
}

/* All sizes of keys, the longest name, and slices too small for it. */
static void test_envelope_sizes(void **state)
{
	struct cs_envelope large = an_envelope, envelope;
	EVP_PKEY *key = public_of("large");
	uint8_t chunk[ENVELOPE_LEN];

	(void)state;
	memset(large.name, 'x', sizeof(large.name));
	large.name_len = sizeof(large.name);
	large.size = CS_SIZE_UNKNOWN;
	large.created = CS_TIME_MAX - 1;
	large.expiry = CS_TIME_MAX;
	large.segment = CS_CHUNK_MAX - CS_MAC_LEN;
	assert_int_equal(cs_envelope_seal(&large, key, chunk, sizeof(chunk)), 0);
	assert_int_equal(cs_envelope_open(&envelope, test_key("large"), chunk, sizeof(chunk), NULL),
			 0);
	assert_memory_equal(&envelope, &large, sizeof(envelope));
	assert_int_equal(cs_envelope_seal(&large, key, chunk, 512 + 16 + 200), -EMSGSIZE);
	EVP_PKEY_free(key);
}

static const struct cs_terms some_terms = {
	.transport = { 9, 8, 7 }, .recipient = { 6, 5 }, .created = NOW, .expiry = NOW + 1000,
	.max_price = 300, .account = "bob", .account_len = 3, .signed_by = true,
	.sender = { 1 }, .signature = { 2 },
};

static void test_terms(void **state)
{
	uint8_t chunk[ENVELOPE_LEN], data[CS_TERMS_SIGNED_MAX], other[CS_TERMS_SIGNED_MAX];
	EVP_PKEY *key = public_of("provider");
	struct cs_envelope envelope;
	struct cs_terms terms, more;
	size_t len;

	(void)state;
	assert_int_equal(cs_terms_seal(&some_terms, key, chunk, sizeof(chunk)), 0);
	assert_int_equal(cs_terms_open(&terms, test_key("provider"), chunk, sizeof(chunk), NULL),
			 0);
	assert_memory_equal(&terms, &some_terms, sizeof(terms));
	assert_null(memmem(chunk, sizeof(chunk), "bob", 3));
	assert_int_equal(cs_terms_open(&terms, test_key("recipient"), chunk, sizeof(chunk), NULL),
			 -ENOENT);
	assert_int_equal(cs_envelope_open(&envelope, test_key("provider"), chunk, sizeof(chunk),
					  NULL), -ENOENT);
	/* nobody says who he is */
	more = some_terms;
	more.signed_by = false;
	more.account_len = 0;
	assert_int_equal(cs_terms_seal(&more, key, chunk, sizeof(chunk)), 0);
	assert_int_equal(cs_terms_open(&terms, test_key("provider"), chunk, sizeof(chunk), NULL),
			 0);
	assert_false(terms.signed_by);
	/* what is signed has all of it but the signature */
	len = cs_terms_signed(&some_terms, data);
	more = some_terms;
	more.signature[5] ^= 1;
	assert_int_equal(cs_terms_signed(&more, other), len);
	assert_memory_equal(data, other, len);
	more = some_terms;
	more.max_price++;
	cs_terms_signed(&more, other);
	assert_memory_not_equal(data, other, len);
	/* the longest account fits */
	more = some_terms;
	memset(more.account, 'x', CS_ACCOUNT_MAX);
	more.account_len = CS_ACCOUNT_MAX;
	more.max_price = UINT64_MAX;
	assert_true(cs_terms_signed(&more, data) < CS_TERMS_SIGNED_MAX - 8);
	EVP_PKEY_free(key);
}

/* What makes CBOR: numbers as they are, -1: an empty array, strings as byte strings. */
static size_t envelope_body(uint8_t *body, uint64_t fields, uint64_t version, uint64_t kind,
			    size_t name_len, uint64_t segment, uint64_t created, uint64_t expiry)
{
	static const uint8_t name[300];
	struct cbor_writer writer = { .p = body, .left = 600 };

	memset(body, 0, 600);
	cbor_put_array(&writer, fields);
	cbor_put_uint(&writer, version);
	cbor_put_uint(&writer, kind);
	cbor_put_bytes(&writer, name, name_len);
	cbor_put_uint(&writer, 1);
	cbor_put_uint(&writer, segment);
	cbor_put_uint(&writer, created);
	cbor_put_uint(&writer, expiry);
	return writer.p - body;
}

static void envelope_refused(const uint8_t *body, size_t len, const char *why)
{
	struct cs_envelope envelope;
	struct cs_error error = { "" };

	assert_int_equal(cs_envelope_decode(&envelope, body, len, &error), -EBADMSG);
	assert_true(says(&error, why));
}

static void test_envelope_bodies(void **state)
{
	struct cs_envelope envelope;
	uint8_t body[600];
	size_t len, i;

	(void)state;
	len = envelope_body(body, 7, 1, 0, 1, 1000, 10, 20);
	assert_int_equal(cs_envelope_decode(&envelope, body, len, NULL), 0);
	assert_int_equal(cs_envelope_decode(&envelope, body, 600, NULL), 0);
	for (i = 0; i < len; i++)
		envelope_refused(body, i, "too early");
	body[len] = 1;
	envelope_refused(body, 600, "follows");
	envelope_refused(body, envelope_body(body, 6, 1, 0, 1, 1000, 10, 20), "missing");
	envelope_refused(body, envelope_body(body, 7, 2, 0, 1, 1000, 10, 20), "version");
	envelope_refused(body, envelope_body(body, 7, 1, 3, 1, 1000, 10, 20), "too great");
	envelope_refused(body, envelope_body(body, 7, 1, 0, 256, 1000, 10, 20), "too long");
	envelope_refused(body, envelope_body(body, 7, 1, 0, 1, 0, 10, 20), "empty");
	envelope_refused(body, envelope_body(body, 7, 1, 0, 1, 5 << 20, 10, 20), "too great");
	envelope_refused(body, envelope_body(body, 7, 1, 0, 1, 1000, 20, 20), "expired before");
	envelope_refused(body, envelope_body(body, 7, 1, 0, 1, 1000, 1, 1ULL << 40), "too great");
	len = envelope_body(body, 7, 1, 0, 1, 1000, 10, 20);
	memmove(body + 3, body + 2, 500);
	memcpy(body + 2, "\x18\0", 2);
	envelope_refused(body, len + 1, "shortest");
}

/* Manifests as they can be made, and as they can't. */
static void add(struct cs_manifest *manifest, enum cs_entry_type type, const char *path,
		uint64_t size)
{
	struct cs_entry entry = {
		.type = type, .path = (const uint8_t *)path, .path_len = strlen(path), .mode = 0644,
		.mtime = NOW, .size = size,
	};

	assert_int_equal(cs_manifest_add(manifest, &entry), 0);
}

static size_t whole(struct cs_manifest *manifest, uint8_t **data)
{
	uint8_t head[CS_MANIFEST_HEAD_MAX];
	size_t len = cs_manifest_head(manifest, head);

	*data = malloc(len + manifest->len);
	assert_non_null(*data);
	memcpy(*data, head, len);
	if (manifest->len)
		memcpy(*data + len, manifest->data, manifest->len);
	return len + manifest->len;
}

static void checked(struct cs_manifest *manifest, enum cs_kind kind, uint64_t content,
		    const char *why)
{
	struct cs_error error = { "" };
	uint8_t *data;
	size_t len = whole(manifest, &data);
	int rc = cs_manifest_check(kind, data, len, content, &error);

	if (why) {
		assert_int_equal(rc, -EBADMSG);
		assert_true(says(&error, why));
	} else {
		assert_string_equal(error.text, "");
		assert_int_equal(rc, 0);
	}
	free(data);
	cs_manifest_free(manifest);
}

static void path_refused(const char *path, const char *why)
{
	struct cs_manifest manifest = { 0 };

	add(&manifest, CS_ENTRY_DIRECTORY, "", 0);
	add(&manifest, CS_ENTRY_FILE, path, 0);
	checked(&manifest, CS_KIND_DIRECTORY, 0, why);
}

static void test_manifest_paths(void **state)
{
	char deep[3 * CS_DEPTH_MAX + 1] = "", name[CS_NAME_MAX + 2];
	int i;

	(void)state;
	path_refused("a", NULL);
	path_refused("a/b.c/ d", NULL);
	path_refused("...", NULL);
	path_refused("..a/.b", NULL);
	path_refused("", "empty");
	path_refused("/etc/passwd", "absolute");
	path_refused("a//b", "empty name");
	path_refused("a/", "empty name");
	path_refused(".", "elsewhere");
	path_refused("..", "elsewhere");
	path_refused("../x", "elsewhere");
	path_refused("a/../../x", "elsewhere");
	path_refused("a/..", "elsewhere");
	path_refused("a/./b", "elsewhere");
	for (i = 0; i < CS_DEPTH_MAX - 1; i++)
		strcat(deep, "d/");
	strcat(deep, "e");
	path_refused(deep, NULL);
	strcat(deep, "/f");
	path_refused(deep, "too many names");
	memset(name, 'n', sizeof(name));
	name[CS_NAME_MAX + 1] = '\0';
	path_refused(name + 1, NULL);
	path_refused(name, "too long");
}

static void test_manifests(void **state)
{
	struct cs_manifest manifest = { 0 };
	struct cs_entry entry = { .path = (const uint8_t *)"a\0b", .path_len = 3 };
	struct cs_error error = { "" };

	(void)state;
	add(&manifest, CS_ENTRY_FILE, "", 10);
	checked(&manifest, CS_KIND_FILE, 10, NULL);
	add(&manifest, CS_ENTRY_FILE, "", 10);
	checked(&manifest, CS_KIND_FILE, 11, "but 11 came");
	add(&manifest, CS_ENTRY_FILE, "", 10);
	checked(&manifest, CS_KIND_FILE, 9, "larger than what came");
	add(&manifest, CS_ENTRY_FILE, "", 10);
	checked(&manifest, CS_KIND_DIRECTORY, 10, "something else");
	add(&manifest, CS_ENTRY_DIRECTORY, "", 0);
	checked(&manifest, CS_KIND_FILE, 0, "something else");
	add(&manifest, CS_ENTRY_FILE, "name", 0);
	checked(&manifest, CS_KIND_FILE, 0, "something else");
	add(&manifest, CS_ENTRY_FILE, "", 0);
	add(&manifest, CS_ENTRY_FILE, "", 0);
	checked(&manifest, CS_KIND_FILE, 0, "2 entries");
	checked(&manifest, CS_KIND_DIRECTORY, 0, "0 entries");
	add(&manifest, CS_ENTRY_DIRECTORY, "", 0);
	add(&manifest, CS_ENTRY_DIRECTORY, "", 0);
	checked(&manifest, CS_KIND_DIRECTORY, 0, "empty");
	add(&manifest, CS_ENTRY_DIRECTORY, "", 0);
	assert_int_equal(cs_manifest_add(&manifest, &entry), 0);
	checked(&manifest, CS_KIND_DIRECTORY, 0, "NUL");
	/* sizes whose sum overflows */
	add(&manifest, CS_ENTRY_DIRECTORY, "", 0);
	add(&manifest, CS_ENTRY_FILE, "a", CS_SIZE_MAX);
	add(&manifest, CS_ENTRY_FILE, "b", CS_SIZE_MAX);
	checked(&manifest, CS_KIND_DIRECTORY, CS_SIZE_MAX, "larger than what came");
	add(&manifest, CS_ENTRY_FILE, "", CS_SIZE_MAX + 1);
	checked(&manifest, CS_KIND_FILE, CS_SIZE_MAX + 1, "too great");
	/* a billion entries are claimed: nothing is allocated for them */
	assert_int_equal(cs_manifest_check(CS_KIND_DIRECTORY, (const uint8_t *)
					   "\x82\x01\x9a\x3b\x9a\xca\x00", 7, 0, &error), -EBADMSG);
	assert_true(says(&error, "too early"));
	assert_int_equal(cs_manifest_check(CS_KIND_FILE, (const uint8_t *)"\x82\x02\x81", 3, 0,
					   &error), -EBADMSG);
	assert_true(says(&error, "version"));
	assert_int_equal(cs_manifest_check(CS_KIND_FILE, NULL, 0, 0, &error), -EBADMSG);
}

/* Any byte changed: refused, or a manifest that says something else, never anything worse. */
static void test_manifest_changes(void **state)
{
	struct cs_manifest manifest = { 0 };
	unsigned int i, good = 0;
	uint8_t *data;
	size_t len;

	(void)state;
	add(&manifest, CS_ENTRY_DIRECTORY, "", 0);
	add(&manifest, CS_ENTRY_FILE, "one", 100);
	add(&manifest, CS_ENTRY_DIRECTORY, "two", 0);
	len = whole(&manifest, &data);
	for (i = 0; i < 8 * len; i++) {
		data[i / 8] ^= 1 << i % 8;
		good += !cs_manifest_check(CS_KIND_DIRECTORY, data, len, 100, NULL);
		data[i / 8] ^= 1 << i % 8;
	}
	/* digests, times, permissions, letters of names: most of it has no form to keep */
	assert_in_range(good, 800, 8 * len - 100);
	for (i = 0; i < len; i++)
		assert_int_equal(cs_manifest_check(CS_KIND_DIRECTORY, data, i, 100, NULL),
				 -EBADMSG);
	data = realloc(data, len + 1);
	data[len] = 0;
	assert_int_equal(cs_manifest_check(CS_KIND_DIRECTORY, data, len + 1, 100, NULL), -EBADMSG);
	free(data);
	cs_manifest_free(&manifest);
}

static void test_names(void **state)
{
	static const char *const names[][3] = {
		/* as it came, as it is at the top, as it is in a directory */
		{ "plain.txt", "plain.txt", "plain.txt" },
		{ "", "file", "file" },
		{ ".", "_", "_" }, { "..", "_.", "_." }, { "...", "_..", "..." },
		{ ".bashrc", "_bashrc", ".bashrc" },
		{ "-rf", "_rf", "_rf" }, { "--", "_-", "_-" },
		{ "/etc/passwd", "_etc_passwd", "_etc_passwd" },
		{ "../../x", "_._.._x", ".._.._x" },
		{ "a\nb\033[2Jc\177", "a_b_[2Jc_", "a_b_[2Jc_" },
		{ "\303\244\342\202\254\360\237\230\200", "\303\244\342\202\254\360\237\230\200",
		  "\303\244\342\202\254\360\237\230\200" },
		{ "\377\376", "__", "__" },
		{ "a\302\233b", "a_b", "a_b" },			/* CSI */
		{ "\300\257", "__", "__" },			/* '/' in two bytes */
		{ "\355\240\200", "___", "___" },		/* half of a pair */
		{ "\342\202", "__", "__" },			/* cut off */
		{ "\364\220\200\200", "____", "____" },		/* beyond the last */
		{ "gpj\342\200\256exe", "gpj_exe", "gpj_exe" },	/* right to left */
		{ "a\342\200\250b", "a_b", "a_b" },		/* line separator */
		{ " x ", " x ", " x " },
	};
	char clean[CS_FILE_NAME_MAX + 1];
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		cs_name_clean(clean, (const uint8_t *)names[i][0], strlen(names[i][0]), false);
		assert_string_equal(clean, names[i][1]);
		cs_name_clean(clean, (const uint8_t *)names[i][0], strlen(names[i][0]), true);
		assert_string_equal(clean, names[i][2]);
	}
	cs_name_clean(clean, (const uint8_t *)"a\0b", 3, false);
	assert_string_equal(clean, "a_b");
}

static void test_long_names(void **state)
{
	char name[400], clean[CS_FILE_NAME_MAX + 1], numbered[CS_FILE_NAME_MAX + 1];
	int i;

	(void)state;
	memset(name, 'n', sizeof(name));
	cs_name_clean(clean, (const uint8_t *)name, 400, false);
	assert_int_equal(strlen(clean), 255);
	/* a character of three bytes that does not fit as a whole goes as a whole */
	memcpy(name + 253, "\342\202\254", 3);
	cs_name_clean(clean, (const uint8_t *)name, 400, false);
	assert_int_equal(strlen(clean), 253);
	for (i = 0; i < 399; i += 3)
		memcpy(name + i, "\342\202\254", 3);
	memcpy(name + 240, ".jpeg", 5);
	cs_name_clean(clean, (const uint8_t *)name, 245, false);
	cs_name_number(numbered, clean, 1234);
	assert_int_equal(strlen(numbered), 240 + 7 + 5);
	cs_name_clean(clean, (const uint8_t *)name, 240, false);
	strcat(clean, "nnnnnn.tar.gz");
	cs_name_number(numbered, clean, 1234);
	assert_int_equal(strlen(numbered), 255);
	assert_string_equal(numbered + 245, " (1234).gz");
	cs_name_number(numbered, ".hidden", 2);
	assert_string_equal(numbered, ".hidden (2)");
	cs_name_number(numbered, "a.b", 2);
	assert_string_equal(numbered, "a (2).b");
	cs_name_number(numbered, "a", 2);
	assert_string_equal(numbered, "a (2)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_nonces),
		cmocka_unit_test(test_blind),
		cmocka_unit_test(test_chunk_ids),
		cmocka_unit_test(test_slices),
		cmocka_unit_test(test_envelope),
		cmocka_unit_test(test_envelope_sizes),
		cmocka_unit_test(test_terms),
		cmocka_unit_test(test_envelope_bodies),
		cmocka_unit_test(test_manifest_paths),
		cmocka_unit_test(test_manifests),
		cmocka_unit_test(test_manifest_changes),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_long_names),
	};

	return cmocka_run_group_tests_name("format", tests, make_dir, remove_dir);
}
