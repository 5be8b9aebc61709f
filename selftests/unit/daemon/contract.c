// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of contracts: one contract has one encoding, nothing else is taken for it, and only
 * what both signed holds.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/contract.h"

#define CREATED	1800000000
#define EXPIRY	(CREATED + 3600)

/* offsets in the body of make(): what comes before the items has fixed lengths there */
#define AT_VERSION	1
#define AT_BUYER	4
#define AT_ID		70
#define AT_NONCE	74
#define AT_RECEIVER	112
#define AT_ITEMS	155
#define ITEM_LEN	(1 + 2 + CS_DIGEST_LEN + 3)

static struct identity buyer, seller, other;

static int setup(void **state)
{
	char dir[] = "/tmp/crowdshare-contract-XXXXXX", path[128];
	struct identity *all[] = { &buyer, &seller, &other };
	struct cs_error error;
	size_t i;

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%zu", dir, i);
		if (identity_open(all[i], path, &error))
			return -1;
		unlink(path);
	}
	return rmdir(dir);
}

static int teardown(void **state)
{
	(void)state;
	identity_close(&buyer);
	identity_close(&seller);
	identity_close(&other);
	return 0;
}

static void make(struct contract *contract, size_t items)
{
	size_t i;

	memset(contract, 0, sizeof(*contract));
	memcpy(contract->buyer, buyer.public, sizeof(contract->buyer));
	memcpy(contract->seller, seller.public, sizeof(contract->seller));
	contract->id = 1000;
	memset(contract->nonce, 0xaa, sizeof(contract->nonce));
	contract->rate = 5000;
	memset(contract->destination, 0xfd, sizeof(contract->destination));
	contract->created = CREATED;
	contract->expiry = EXPIRY;
	contract->items = calloc(items ? items : 1, sizeof(*contract->items));
	contract->nr_items = items;
	for (i = 0; i < items; i++) {
		memset(contract->items[i].digest, 0x55, CS_DIGEST_LEN);
		contract->items[i].digest[0] = i >> 8;
		contract->items[i].digest[63] = i;
		contract->items[i].size = 1400;
	}
}

static void check_same(const struct contract *a, const struct contract *b)
{
	assert_memory_equal(a->buyer, b->buyer, sizeof(a->buyer));
	assert_memory_equal(a->seller, b->seller, sizeof(a->seller));
	assert_int_equal(a->id, b->id);
	assert_memory_equal(a->nonce, b->nonce, sizeof(a->nonce));
	assert_int_equal(a->rate, b->rate);
	assert_memory_equal(a->destination, b->destination, sizeof(a->destination));
	assert_memory_equal(a->receiver, b->receiver, sizeof(a->receiver));
	assert_int_equal(a->created, b->created);
	assert_int_equal(a->expiry, b->expiry);
	assert_int_equal(a->nr_items, b->nr_items);
	assert_memory_equal(a->items, b->items, a->nr_items * sizeof(*a->items));
	assert_int_equal(a->body_len, b->body_len);
	assert_memory_equal(a->body, b->body, a->body_len);
}

static void test_amounts(void **state)
{
	static const struct {
		uint64_t rate;
		uint32_t size;
		int rc;
		uint64_t amount;
	} rows[] = {
		{ 0, 1400, 0, 0 },
		{ 1, 1, 0, 1 },
		{ 1, 1 << 20, 0, 1 },
		{ 1, (1 << 20) + 1, 0, 2 },
		{ 1000, 1400, 0, 2 },		/* 1.335 */
		{ 1 << 20, 1400, 0, 1400 },
		{ (1 << 20) + 1, 1400, 0, 1401 },
		/* the product does not fit 64 bits, the amount does */
		{ (uint64_t)1 << 60, 1 << 20, 0, (uint64_t)1 << 60 },
		{ UINT64_MAX, 1, 0, (uint64_t)1 << 44 },
		{ UINT64_MAX, 1 << 18, 0, (uint64_t)1 << 62 },
		{ INT64_MAX, 1 << 20, 0, INT64_MAX },
		{ (uint64_t)INT64_MAX + 1, 1 << 20, -ERANGE, 0 },
		{ UINT64_MAX, 1 << 20, -ERANGE, 0 },
		{ UINT64_MAX, UINT32_MAX, -ERANGE, 0 },
		{ INT64_MAX, UINT32_MAX, -ERANGE, 0 },
	};
	struct contract contract;
	uint64_t amount;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		amount = 0;
		assert_int_equal(contract_amount(rows[i].rate, rows[i].size, &amount), rows[i].rc);
		assert_true(amount == rows[i].amount);
	}
	/* rounded up each, not as a whole */
	make(&contract, 3);
	contract.rate = 1;
	assert_int_equal(contract_total(&contract, &amount), 0);
	assert_int_equal(amount, 3);
	assert_int_equal(contract_bytes(&contract), 4200);
	contract.items[0].size = UINT32_MAX;
	contract.items[1].size = UINT32_MAX;
	assert_true(contract_bytes(&contract) == 2ull * UINT32_MAX + 1400);
	/* each fits, the sum does not */
	contract.rate = (uint64_t)1 << 50;
	assert_int_equal(contract_amount(contract.rate, UINT32_MAX, &amount), 0);
	assert_int_equal(contract_total(&contract, &amount), -ERANGE);
	assert_int_equal(contract_encode(&contract), -ERANGE);
	contract_free(&contract);
}

static void test_round_trip(void **state)
{
	static const size_t counts[] = { 1, 2, 23, 24, 255, 256, 1024 };
	static const uint64_t numbers[] = { 1, 23, 24, 255, 256, 65535, 65536, UINT32_MAX };
	struct contract contract, copy;
	struct cs_error error;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		make(&contract, counts[i]);
		contract.id = numbers[i];
		contract.rate = numbers[i + 1];
		contract.created = numbers[i] - 1;
		contract.items[0].size = numbers[i];
		assert_int_equal(contract_encode(&contract), 0);
		assert_true(contract.body_len <= CONTRACT_BODY_MAX);
		assert_int_equal(contract_decode(&copy, contract.body, contract.body_len, &error),
				 0);
		check_same(&contract, &copy);
		assert_ptr_not_equal(contract.body, copy.body);
		contract_free(&copy);
		contract_free(&contract);
		assert_null(contract.body);
		assert_null(contract.items);
	}
}

/* The greatest numbers everywhere still fit CONTRACT_BODY_MAX. */
static void test_greatest(void **state)
{
	struct contract contract, copy;
	struct cs_error error;
	size_t i;

	(void)state;
	make(&contract, CONTRACT_ITEMS_MAX);
	contract.id = UINT32_MAX;
	contract.rate = (uint64_t)1 << 40;
	contract.created = INT64_MAX - 1;
	contract.expiry = INT64_MAX;
	for (i = 0; i < CONTRACT_ITEMS_MAX; i++)
		contract.items[i].size = UINT32_MAX;
	assert_int_equal(contract_encode(&contract), 0);
	assert_int_equal(contract_decode(&copy, contract.body, contract.body_len, &error), 0);
	check_same(&contract, &copy);
	contract_free(&copy);
	contract_free(&contract);
}

/* Byte for byte, as any other implementation has to write it. */
static void test_known_bytes(void **state)
{
	struct contract contract;
	uint8_t expected[AT_ITEMS + ITEM_LEN] = { 0x8b, 0x02, 0x58, 0x20 };
	uint8_t *p = expected + 4;

	(void)state;
	make(&contract, 1);
	memset(contract.buyer, 0x11, 32);
	memset(contract.seller, 0x22, 32);
	memset(p, 0x11, 32);
	p = mempcpy(p + 32, "\x58\x20", 2);
	memset(p, 0x22, 32);
	p = mempcpy(p + 32, "\x19\x03\xe8\x50", 4);
	memset(p, 0xaa, 16);
	p = mempcpy(p + 16, "\x19\x13\x88\x50", 4);
	memset(p, 0xfd, 16);
	p = mempcpy(p + 16, "\x58\x20", 2);
	memset(p, 0, 32);
	p = mempcpy(p + 32, "\x1a\x6b\x49\xd2\x00\x1a\x6b\x49\xe0\x10\x81", 11);
	p = mempcpy(p, "\x82\x58\x40", 3);
	memset(p, 0x55, 64);
	p[0] = 0;
	p[63] = 0;
	p = mempcpy(p + 64, "\x19\x05\x78", 3);
	assert_ptr_equal(p, expected + sizeof(expected));
	assert_int_equal(contract_encode(&contract), 0);
	assert_int_equal(contract.body_len, sizeof(expected));
	assert_memory_equal(contract.body, expected, sizeof(expected));
	contract_free(&contract);
}

static void refused(const void *body, size_t len, int rc, const char *says)
{
	struct cs_error error = { "" };
	struct contract contract;

	assert_int_equal(contract_decode(&contract, body, len, &error), rc);
	if (!strstr(error.text, says))
		fail_msg("'%s' does not say '%s'", error.text, says);
	assert_null(contract.body);
	assert_null(contract.items);
}

/* The same bytes but for @cut at @at, which become @put. */
static void refused_with(const struct contract *contract, size_t at, size_t cut, const char *put,
			 size_t put_len, int rc, const char *says)
{
	uint8_t *body = malloc(contract->body_len + put_len), *p;

	p = mempcpy(body, contract->body, at);
	p = mempcpy(p, put, put_len);
	p = mempcpy(p, contract->body + at + cut, contract->body_len - at - cut);
	refused(body, p - body, rc, says);
	free(body);
}

static void test_other_encodings(void **state)
{
	struct contract contract;
	const char *not = "deterministic";

	(void)state;
	make(&contract, 2);
	assert_int_equal(contract_encode(&contract), 0);
	/* numbers, lengths and counts longer than they need be */
	refused_with(&contract, AT_VERSION, 1, "\x18\x02", 2, -EBADMSG, not);
	refused_with(&contract, AT_ID, 3, "\x1a\0\0\x03\xe8", 5, -EBADMSG, not);
	refused_with(&contract, AT_ID, 3, "\x1b\0\0\0\0\0\0\x03\xe8", 9, -EBADMSG, not);
	refused_with(&contract, 0, 1, "\x98\x0b", 2, -EBADMSG, not);
	refused_with(&contract, AT_NONCE - 1, 1, "\x58\x10", 2, -EBADMSG, not);
	refused_with(&contract, AT_ITEMS - 1, 1, "\x9a\0\0\0\x02", 5, -EBADMSG, not);
	/* indefinite, tagged, negative, text, float, null */
	refused_with(&contract, 0, 1, "\x9f", 1, -EBADMSG, "not CBOR");
	refused_with(&contract, AT_NONCE - 1, 1, "\x5f\x50", 2, -EBADMSG, "not CBOR");
	refused_with(&contract, AT_ID, 0, "\xc1", 1, -EBADMSG, "not CBOR");
	refused_with(&contract, AT_ID, 1, "\x39", 1, -EBADMSG, "not CBOR");
	refused_with(&contract, AT_NONCE - 1, 1, "\x70", 1, -EBADMSG, "not CBOR");
	refused_with(&contract, AT_ID, 3, "\xf9\x63\xd0", 3, -EBADMSG, "not CBOR");
	refused_with(&contract, AT_ID, 3, "\xf6", 1, -EBADMSG, "not CBOR");
	/* wrong counts, lengths and sizes */
	refused_with(&contract, 0, 1, "\x8a", 1, -EBADMSG, "not CBOR");
	refused_with(&contract, AT_ITEMS, 1, "\x83", 1, -EBADMSG, "not CBOR");
	refused_with(&contract, AT_NONCE - 1, 2, "\x4f", 1, -EBADMSG, "not CBOR");
	refused_with(&contract, AT_ID, 3, "\x1b\0\0\0\x01\0\0\0\0", 9, -EBADMSG, "not CBOR");
	refused_with(&contract, AT_ITEMS - 1, 1, "\x9b\xff\xff\xff\xff\xff\xff\xff\xff", 9,
		     -EBADMSG, "18446744073709551615 messages");
	refused_with(&contract, AT_ITEMS - 1, 1, "\x80", 1, -EBADMSG, "0 messages");
	refused_with(&contract, AT_VERSION, 1, "\x01", 1, -EBADMSG, "version 1");
	refused_with(&contract, contract.body_len, 0, "\0", 1, -EBADMSG, "not CBOR");
	contract_free(&contract);
}

static void test_truncated(void **state)
{
	struct contract contract;
	uint8_t *body;
	size_t i;

	(void)state;
	make(&contract, 2);
	assert_int_equal(contract_encode(&contract), 0);
	refused(contract.body, 0, -EBADMSG, "0 bytes");
	for (i = 1; i < contract.body_len; i++) {
		/* in memory of its own, so that ASan sees a byte too far */
		body = malloc(i);
		memcpy(body, contract.body, i);
		refused(body, i, -EBADMSG, "not CBOR");
		free(body);
	}
	contract_free(&contract);
	body = calloc(1, CONTRACT_BODY_MAX + 1);
	refused(body, CONTRACT_BODY_MAX + 1, -EBADMSG, "bytes");
	free(body);
}

/* What is refused before it is signed is refused when it comes from another. */
static void both_refuse(struct contract *contract, int rc, const char *says)
{
	struct cs_error error = { "" };

	assert_int_equal(contract_encode(contract), rc);
	assert_int_equal(contract_sign(contract, &buyer, &error), rc);
	assert_non_null(strstr(error.text, says));
	contract_free(contract);
}

static void test_limits(void **state)
{
	struct contract contract;

	(void)state;
	make(&contract, 0);
	both_refuse(&contract, -EINVAL, "0 messages");
	make(&contract, CONTRACT_ITEMS_MAX + 1);
	both_refuse(&contract, -EINVAL, "1025 messages");
	make(&contract, 600);
	memcpy(contract.items[599].digest, contract.items[17].digest, CS_DIGEST_LEN);
	both_refuse(&contract, -EINVAL, "twice");
	make(&contract, 2);
	contract.items[1].size = 0;
	both_refuse(&contract, -EINVAL, "message 1 has no size");
	make(&contract, 1);
	contract.expiry = contract.created;
	both_refuse(&contract, -EINVAL, "expires at 1800000000, but was made at 1800000000");
	make(&contract, 1);
	contract.expiry = (uint64_t)INT64_MAX + 1;
	both_refuse(&contract, -EINVAL, "no time");
	make(&contract, 1);
	contract.id = 0;
	both_refuse(&contract, -EINVAL, "id 0");
	make(&contract, 1);
	contract.rate = UINT64_MAX;
	contract.items[0].size = UINT32_MAX;
	both_refuse(&contract, -ERANGE, "too great");
	make(&contract, 1);
	memcpy(contract.seller, contract.buyer, 32);
	both_refuse(&contract, -EINVAL, "same node");
}

/* Who may sign receipts: a wired destination needs a key, its own address tells whose it is. */
static void test_receiver(void **state)
{
	const char *says = "receiver's key is not one for its destination";
	uint8_t address[CS_ADDR_LEN], zero[IDENTITY_PUBLIC_LEN] = { 0 };
	struct contract contract, copy;
	struct cs_error error;

	(void)state;
	make(&contract, 1);
	contract.destination[0] = 0x20;
	both_refuse(&contract, -EINVAL, says);
	make(&contract, 1);
	memcpy(contract.receiver, other.public, sizeof(contract.receiver));
	both_refuse(&contract, -EINVAL, says);

	make(&contract, 1);
	contract.destination[0] = 0x20;
	memcpy(contract.receiver, other.public, sizeof(contract.receiver));
	assert_int_equal(contract_encode(&contract), 0);
	assert_int_equal(contract_decode(&copy, contract.body, contract.body_len, &error), 0);
	check_same(&contract, &copy);
	assert_true(contract_receiver_is(&copy, other.public));
	assert_false(contract_receiver_is(&copy, buyer.public));
	assert_false(contract_receiver_is(&copy, zero));
	contract_free(&copy);
	/* what comes from another is refused likewise */
	refused_with(&contract, AT_RECEIVER, 32, (const char *)zero, 32, -EINVAL, says);
	contract_free(&contract);

	identity_address(other.public, address);
	make(&contract, 1);
	memcpy(contract.destination, address, sizeof(address));
	assert_int_equal(contract_encode(&contract), 0);
	assert_true(contract_receiver_is(&contract, other.public));
	assert_false(contract_receiver_is(&contract, buyer.public));
	assert_false(contract_receiver_is(&contract, zero));
	memcpy(contract.receiver, other.public, sizeof(contract.receiver));
	assert_int_equal(contract_encode(&contract), 0);
	assert_true(contract_receiver_is(&contract, other.public));
	assert_false(contract_receiver_is(&contract, buyer.public));
	contract_free(&contract);
}

static void test_limits_decoded(void **state)
{
	struct contract contract;

	(void)state;
	make(&contract, 2);
	assert_int_equal(contract_encode(&contract), 0);
	refused_with(&contract, AT_ID, 3, "\0", 1, -EINVAL, "id 0");
	/* the second digest becomes the first, both parties the same, the size nothing */
	refused_with(&contract, AT_ITEMS + 2 * ITEM_LEN - 4, 1, "\0", 1, -EINVAL, "twice");
	refused_with(&contract, AT_BUYER + 34, 32, (const char *)contract.body + AT_BUYER, 32,
		     -EINVAL, "same node");
	refused_with(&contract, AT_ITEMS + 2 * ITEM_LEN - 3, 3, "\0", 1, -EINVAL, "no size");
	/* made after it expires */
	refused_with(&contract, AT_ITEMS - 11, 5, "\x1a\x6b\x49\xe0\x10", 5, -EINVAL,
		     "expires at 1800003600");
	contract_free(&contract);
	/* at a price beyond what there is */
	make(&contract, 1);
	contract.items[0].size = UINT32_MAX;
	assert_int_equal(contract_encode(&contract), 0);
	refused_with(&contract, AT_NONCE + 16, 3, "\x1b\xff\xff\xff\xff\xff\xff\xff\xff", 9,
		     -ERANGE, "too great");
	contract_free(&contract);
}

static void test_signatures(void **state)
{
	struct contract contract, copy;
	struct cs_error error = { "" };
	uint8_t zero[IDENTITY_SIGNATURE_LEN] = { 0 };

	(void)state;
	make(&contract, 64);
	assert_int_equal(contract_verify(&contract, &error), -EBADMSG);
	assert_int_equal(contract_sign(&contract, &other, &error), -EPERM);
	assert_non_null(strstr(error.text, "neither"));
	assert_int_equal(contract_sign(&contract, &buyer, &error), 0);
	assert_memory_not_equal(contract.buyer_signature, zero, sizeof(zero));
	assert_memory_equal(contract.seller_signature, zero, sizeof(zero));
	assert_int_equal(contract_verify(&contract, &error), -EBADMSG);
	assert_non_null(strstr(error.text, "seller's signature"));

	/* as it goes: the body and the buyer's signature to the seller, whose comes back */
	assert_int_equal(contract_decode(&copy, contract.body, contract.body_len, &error), 0);
	memcpy(copy.buyer_signature, contract.buyer_signature, IDENTITY_SIGNATURE_LEN);
	assert_int_equal(contract_sign(&copy, &seller, &error), 0);
	assert_int_equal(contract_verify(&copy, &error), 0);
	memcpy(contract.seller_signature, copy.seller_signature, IDENTITY_SIGNATURE_LEN);
	assert_int_equal(contract_verify(&contract, &error), 0);

	/* either signature instead of the other */
	memcpy(copy.buyer_signature, contract.seller_signature, IDENTITY_SIGNATURE_LEN);
	assert_int_equal(contract_verify(&copy, &error), -EBADMSG);
	assert_non_null(strstr(error.text, "buyer's signature"));
	contract_free(&copy);
	contract_free(&contract);
}

/* A body that is signed, and fields that say something else. */
static void test_fields_against_body(void **state)
{
	struct cs_error error = { "" };
	struct contract contract;
	size_t i;

	(void)state;
	make(&contract, 64);
	assert_int_equal(contract_sign(&contract, &buyer, &error), 0);
	assert_int_equal(contract_sign(&contract, &seller, &error), 0);
	assert_int_equal(contract_verify(&contract, &error), 0);
	contract.rate++;
	assert_int_equal(contract_verify(&contract, &error), -EBADMSG);
	assert_int_equal(contract_sign(&contract, &buyer, &error), -EBADMSG);
	contract.rate--;
	contract.items[63].size++;
	assert_int_equal(contract_verify(&contract, &error), -EBADMSG);
	contract.items[63].size--;
	for (i = 0; i < contract.body_len; i += 7) {
		contract.body[i] ^= 1;
		assert_int_equal(contract_verify(&contract, &error), -EBADMSG);
		contract.body[i] ^= 1;
	}
	assert_int_equal(contract_verify(&contract, &error), 0);
	contract_free(&contract);
}

static void test_uid(void **state)
{
	uint8_t a[CONTRACT_UID_LEN], b[CONTRACT_UID_LEN], zero[CONTRACT_UID_LEN] = { 0 };
	uint8_t digest[CS_DIGEST_LEN];
	struct contract contract;

	(void)state;
	make(&contract, 3);
	contract_uid(&contract, a);
	assert_memory_equal(a, zero, sizeof(zero));
	assert_int_equal(contract_encode(&contract), 0);
	contract_uid(&contract, a);
	assert_int_equal(EVP_Q_digest(NULL, "SHA512", NULL, contract.body, contract.body_len,
				      digest, NULL), 1);
	assert_memory_equal(a, digest, sizeof(a));
	contract.nonce[0]++;
	assert_int_equal(contract_encode(&contract), 0);
	contract_uid(&contract, b);
	assert_memory_not_equal(a, b, sizeof(a));
	contract_free(&contract);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_amounts),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_greatest),
		cmocka_unit_test(test_known_bytes),
		cmocka_unit_test(test_other_encodings),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_receiver),
		cmocka_unit_test(test_limits_decoded),
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_fields_against_body),
		cmocka_unit_test(test_uid),
	};

	return cmocka_run_group_tests_name("contract", tests, setup, teardown);
}
