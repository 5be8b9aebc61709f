// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of set reconciliation.
 *
 * The vector was made by another implementation, in whole numbers of any length, from the formulas
 * in the head of reconcile.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/reconcile.h"
#include "common/random.h"

#define ID	RECONCILE_ID_LEN
#define SYMBOL	RECONCILE_SYMBOL_LEN

static const uint8_t salt[RECONCILE_SALT_LEN] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
						  15 };

/* The symbols of the ids 00..0f, 10..1f, to 70..7f with the salt 00..0f. */
static const char *const vector[] = {
	"00000000000000000000000000000000a7c2f1b0fdbd1edd00000008",
	"202020202020202020202020202020201296ecdbc3cfe31100000006",
	"0000000000000000000000000000000079e4e0b6641726cb00000004",
	"101112131415161718191a1b1c1d1e1f59c813a6190f799e00000003",
	"505152535455565758595a5b5c5d5e5f8882c8fe117ba1c500000005",
	"000102030405060708090a0b0c0d0e0f03708b057b15baa400000003",
	"202122232425262728292a2b2c2d2e2ff30cff6eca40428700000003",
	"202122232425262728292a2b2c2d2e2f68028768dccd7f7e00000005",
	"00000000000000000000000000000000000000000000000000000000",
	"505152535455565758595a5b5c5d5e5f563217344f369b8800000003",
	"404142434445464748494a4b4c4d4e4f9784f7913ba1654b00000001",
	"00000000000000000000000000000000000000000000000000000000",
	"30303030303030303030303030303030efec85c85c683ef600000002",
	"00000000000000000000000000000000000000000000000000000000",
	"202122232425262728292a2b2c2d2e2f8a7ed11469b0661700000001",
	"60606060606060606060606060606060584481491ad104e800000002"
};

static uint8_t *random_ids(size_t count)
{
	uint8_t *ids = malloc(count * ID + 1);

	assert_non_null(ids);
	random_bytes(ids, count * ID);
	return ids;
}

static struct reconcile *set_of(const uint8_t *key, const uint8_t *ids, size_t count)
{
	struct reconcile *set = reconcile_new(key);
	size_t i;

	assert_non_null(set);
	for (i = 0; i < count; i++)
		assert_int_equal(reconcile_add(set, ids + i * ID), 0);
	return set;
}

static void unhex(const char *text, uint8_t *bytes, size_t len)
{
	unsigned int byte;

	assert_int_equal(strlen(text), 2 * len);
	for (; len--; text += 2) {
		assert_int_equal(sscanf(text, "%2x", &byte), 1);
		*bytes++ = byte;
	}
}

static void test_vector(void **state)
{
	uint8_t ids[8 * ID], symbols[16 * SYMBOL], expected[SYMBOL];
	struct reconcile *set;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(ids); i++)
		ids[i] = i;
	set = set_of(salt, ids, 8);
	/* in two steps, which must not matter */
	assert_int_equal(reconcile_symbols(set, symbols, 5), 5);
	assert_int_equal(reconcile_symbols(set, symbols + 5 * SYMBOL, 11), 11);
	for (i = 0; i < 16; i++) {
		unhex(vector[i], expected, SYMBOL);
		assert_memory_equal(symbols + i * SYMBOL, expected, SYMBOL);
	}
	reconcile_free(set);
}

/* However many are made at a time, by the heap or in one sweep: the same ones. */
static void test_steps(void **state)
{
	static const size_t steps[] = { 1, 7, 100, 2000 };
	enum { IDS = 3000, SYMBOLS = 2000 };
	uint8_t *symbols[4], *ids;
	struct reconcile *set;
	size_t i, at, n;

	(void)state;
	random_state = 9;
	ids = random_ids(IDS);
	for (i = 0; i < 4; i++) {
		set = set_of(salt, ids, IDS);
		symbols[i] = malloc(SYMBOLS * SYMBOL);
		assert_non_null(symbols[i]);
		for (at = 0; at < SYMBOLS; at += n) {
			/* now few, now many */
			n = at % 3 ? 1 : steps[i];
			n = n < SYMBOLS - at ? n : SYMBOLS - at;
			assert_int_equal(reconcile_symbols(set, symbols[i] + at * SYMBOL, n), n);
		}
		assert_memory_equal(symbols[i], symbols[0], SYMBOLS * SYMBOL);
		reconcile_free(set);
	}
	for (i = 0; i < 4; i++)
		free(symbols[i]);
	free(ids);
}

/* The hash is SipHash-2-4: vector 16 of its authors. */
static void test_hash(void **state)
{
	static const uint8_t expected[8] = { 0x3f, 0x2a, 0xcc, 0x7f, 0x57, 0xc2, 0x9b, 0xdb };
	struct reconcile *set = set_of(salt, salt, 1);
	uint8_t symbol[SYMBOL];

	(void)state;
	assert_int_equal(reconcile_symbols(set, symbol, 1), 1);
	assert_memory_equal(symbol, salt, ID);
	assert_memory_equal(symbol + ID, expected, 8);
	reconcile_free(set);
}

static uint32_t count_of(const uint8_t *symbol)
{
	const uint8_t *p = symbol + ID + 8;

	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* Symbol i holds 1 / (1 + i/2) of the ids: within five standard deviations. */
static void test_density(void **state)
{
	enum { IDS = 50000, SYMBOLS = 3000 };
	uint8_t *ids, *symbols = malloc(SYMBOLS * SYMBOL);
	struct reconcile *set;
	double p, off;
	size_t i;

	(void)state;
	random_state = 1;
	ids = random_ids(IDS);
	set = set_of(salt, ids, IDS);
	assert_non_null(symbols);
	assert_int_equal(reconcile_symbols(set, symbols, SYMBOLS), SYMBOLS);
	for (i = 0; i < SYMBOLS; i++) {
		p = 2.0 / (i + 2);
		off = count_of(symbols + i * SYMBOL) - IDS * p;
		assert_true(off * off <= 25 * IDS * p * (1 - p));
	}
	reconcile_free(set);
	free(symbols);
	free(ids);
}

static bool same_set(const uint8_t *found, size_t nr_found, const uint8_t *ids, size_t count)
{
	size_t i, j, hits = 0;

	if (nr_found != count)
		return false;
	for (i = 0; i < count; i++)
		for (j = 0; j < count; j++)
			if (!memcmp(found + i * ID, ids + j * ID, ID)) {
				hits++;
				break;
			}
	return hits == count;
}

/*
 * Sets with @common ids in common, @a only in the encoder's, @b only in the decoder's; symbols go
 * over @step at a time. Returns how many it took.
 */
static size_t run(size_t common, size_t a, size_t b, size_t step, bool backwards)
{
	uint8_t *ids = random_ids(common + a + b), key[RECONCILE_SALT_LEN], buffer[64 * SYMBOL];
	struct reconcile *encoder, *decoder;
	struct reconcile_diff diff;
	size_t i, used = 0;
	int rc;

	random_bytes(key, sizeof(key));
	encoder = set_of(key, ids, common + a);
	decoder = reconcile_new(key);
	assert_non_null(decoder);
	for (i = 0; i < common + b; i++) {
		size_t at = backwards ? common + b - 1 - i : i;

		at += at < common ? 0 : a;
		assert_int_equal(reconcile_add(decoder, ids + at * ID), 0);
	}
	do {
		assert_int_equal(reconcile_symbols(encoder, buffer, step), step);
		used += step;
		rc = reconcile_decode(decoder, buffer, step, &diff);
		assert_true(used < 10000);
	} while (rc == -EAGAIN);
	assert_int_equal(rc, 0);
	assert_true(same_set(diff.theirs, diff.nr_theirs, ids + common * ID, a));
	assert_true(same_set(diff.ours, diff.nr_ours, ids + (common + a) * ID, b));
	/* what follows agrees */
	assert_int_equal(reconcile_symbols(encoder, buffer, 7), 7);
	assert_int_equal(reconcile_decode(decoder, buffer, 7, &diff), 0);
	assert_int_equal(diff.nr_theirs, a);
	assert_int_equal(diff.nr_ours, b);
	reconcile_free(encoder);
	reconcile_free(decoder);
	free(ids);
	return used;
}

static void test_differences(void **state)
{
	static const size_t sizes[] = { 0, 1, 10, 1000, 100000 };
	static const size_t differences[] = { 0, 1, 10, 1000 };
	size_t i, j, d;

	(void)state;
	random_state = 2;
	for (i = 0; i < 5; i++)
		for (j = 0; j < 4; j++) {
			d = differences[j];
			run(sizes[i], d / 2, d - d / 2, 64, true);
			if (sizes[i] > 1000)
				continue; /* takes long with the sanitizers */
			run(sizes[i], d, 0, 1 + i, false);
			run(sizes[i], 0, d, 8, i % 2);
		}
}

static int compare(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

/* Symbols that it takes, to the least: for none, one. The paper's figures, with some room. */
static void test_overhead(void **state)
{
	static const struct {
		size_t difference;
		size_t most_percent;	/* the median of the trials */
	} rows[] = {
		{ 1, 150 }, { 2, 250 }, { 10, 200 }, { 30, 185 }, { 100, 165 }, { 1000, 145 },
	};
	enum { TRIALS = 50 };
	size_t used[TRIALS], i, j, d;

	(void)state;
	random_state = 3;
	assert_int_equal(run(1000, 0, 0, 1, false), 1);
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		d = rows[i].difference;
		for (j = 0; j < TRIALS; j++)
			used[j] = run(200, d / 3, d - d / 3, 1, false);
		qsort(used, TRIALS, sizeof(*used), compare);
		print_message("difference %zu: %.2f symbols each (%.2f to %.2f)\n", d,
			      (double)used[TRIALS / 2] / d, (double)used[0] / d,
			      (double)used[TRIALS - 1] / d);
		assert_true(used[TRIALS / 2] * 100 <= rows[i].most_percent * d);
	}
}

/* The same id twice is one id, whatever the order. */
static void test_twice(void **state)
{
	struct reconcile *set, *other;
	struct reconcile_diff diff;
	uint8_t *ids, symbols[64 * SYMBOL];
	int i;

	(void)state;
	random_state = 4;
	ids = random_ids(100);
	set = set_of(salt, ids, 100);
	other = set_of(salt, ids, 100);
	for (i = 99; i >= 0; i--)
		assert_int_equal(reconcile_add(other, ids + i * ID), 0);
	assert_int_equal(reconcile_symbols(set, symbols, 64), 64);
	assert_int_equal(reconcile_decode(other, symbols, 64, &diff), 0);
	assert_int_equal(diff.nr_ours + diff.nr_theirs, 0);
	assert_int_equal(reconcile_count(other), 100);
	reconcile_free(set);
	reconcile_free(other);
	free(ids);
}

static void test_roles(void **state)
{
	struct reconcile *set = set_of(salt, salt, 1), *other = set_of(salt, salt, 1);
	struct reconcile_diff diff;
	uint8_t symbols[SYMBOL];

	(void)state;
	assert_int_equal(reconcile_decode(other, NULL, 0, &diff), -EAGAIN);
	assert_int_equal(reconcile_symbols(set, symbols, 1), 1);
	assert_int_equal(reconcile_add(set, salt), -EBUSY);
	assert_int_equal(reconcile_decode(set, symbols, 1, &diff), -EINVAL);
	assert_int_equal(reconcile_symbols(other, symbols, 1), 0);
	assert_int_equal(reconcile_add(other, salt), -EBUSY);
	assert_int_equal(reconcile_decode(other, symbols, 1, &diff), 0);
	reconcile_free(set);
	reconcile_free(other);
	reconcile_free(NULL);
}

/*
 * What is wrong never yields a wrong difference: either it is noticed, or decoding goes on until
 * the bound that the sets' sizes give.
 */
static void decode_wrong(const uint8_t *symbols, size_t count, size_t step, const uint8_t *ids,
			 size_t nr_ids)
{
	struct reconcile *decoder = set_of(salt, ids, nr_ids);
	struct reconcile_diff diff;
	size_t i;
	int rc = -EAGAIN;

	for (i = 0; i + step <= count && rc == -EAGAIN; i += step)
		rc = reconcile_decode(decoder, symbols + i * SYMBOL, step, &diff);
	if (rc != -EAGAIN) {
		assert_int_equal(rc, -EBADMSG);
		assert_null(diff.theirs);
		assert_int_equal(reconcile_decode(decoder, symbols, 1, &diff), -EINVAL);
	}
	reconcile_free(decoder);
}

static void test_corrupted(void **state)
{
	enum { SYMBOLS = 100 };
	uint8_t *ids, symbols[SYMBOLS * SYMBOL];
	struct reconcile *encoder, *decoder;
	struct reconcile_diff diff;
	size_t i, bit;
	int rc;

	(void)state;
	random_state = 5;
	ids = random_ids(240);
	encoder = set_of(salt, ids, 220);
	assert_int_equal(reconcile_symbols(encoder, symbols, SYMBOLS), SYMBOLS);
	reconcile_free(encoder);
	for (i = 0; i < SYMBOLS; i++) {
		bit = random_word() % (SYMBOL * 8);
		symbols[i * SYMBOL + bit / 8] ^= 1 << bit % 8;
		decoder = set_of(salt, ids + 20 * ID, 220);
		rc = reconcile_decode(decoder, symbols, SYMBOLS, &diff);
		/* the first one says what the end is: without it none is found */
		assert_true(rc == -EBADMSG || rc == -EAGAIN);
		assert_null(diff.theirs);
		reconcile_free(decoder);
		decode_wrong(symbols + i * SYMBOL, SYMBOLS - i, 1, ids, 220);
		symbols[i * SYMBOL + bit / 8] ^= 1 << bit % 8;
	}
	decoder = set_of(salt, ids + 20 * ID, 220);
	assert_int_equal(reconcile_decode(decoder, symbols, SYMBOLS, &diff), 0);
	assert_int_equal(diff.nr_theirs, 20);
	reconcile_free(decoder);
	free(ids);
}

static void test_garbage(void **state)
{
	uint8_t *ids, symbols[200 * SYMBOL];
	size_t i, round;

	(void)state;
	random_state = 6;
	ids = random_ids(50);
	for (round = 0; round < 200; round++) {
		random_bytes(symbols, sizeof(symbols));
		for (i = 0; i < 200; i++) { /* counts that could be */
			memset(symbols + i * SYMBOL + ID + 8, 0, 3);
			if (!i)
				symbols[i * SYMBOL + ID + 11] |= 0x80;
			else
				symbols[i * SYMBOL + ID + 11] &= 0x7f;
		}
		decode_wrong(symbols, 200, 1 + round % 9, ids, round % 51);
	}
	/* a set that is too large; a symbol with more ids than there are */
	memset(symbols, 0, sizeof(symbols));
	symbols[ID + 8] = 0x80;
	decode_wrong(symbols, 1, 1, ids, 50);
	symbols[ID + 8] = 0;
	symbols[ID + 11] = 50;
	symbols[SYMBOL + ID + 11] = 51;
	decode_wrong(symbols, 2, 1, ids, 50);
	free(ids);
}

/* With the keyed hash of an id, from a set of it alone. */
static void pure(uint8_t *symbol, const uint8_t *id, uint8_t count)
{
	struct reconcile *set = set_of(salt, id, 1);

	assert_int_equal(reconcile_symbols(set, symbol, 1), 1);
	symbol[ID + 11] = count;
	reconcile_free(set);
}

/* Symbols of a peer that knows the salt, and lies. */
static void test_lies(void **state)
{
	uint8_t *ids, symbols[64 * SYMBOL];
	struct reconcile *encoder;
	size_t i;

	(void)state;
	random_state = 7;
	ids = random_ids(20);
	/* an id that is the only one left in every symbol, though it is not mapped to each */
	for (i = 0; i < 64; i++)
		pure(symbols + i * SYMBOL, ids, 1);
	decode_wrong(symbols, 64, 64, ids + ID, 0);
	/* one that we have comes as theirs: twice in their sum, once in ours */
	memset(symbols, 0, SYMBOL);
	symbols[ID + 11] = 2;
	decode_wrong(symbols, 1, 1, ids, 1);
	/* one that we lack as ours: in the place of the one that we have */
	pure(symbols, ids, 0);
	pure(symbols + SYMBOL, ids + ID, 0);
	for (i = 0; i < ID + 8; i++)
		symbols[i] ^= symbols[SYMBOL + i];
	decode_wrong(symbols, 1, 1, ids, 1);
	/* a set with the same id twice: sums that vanish, counts that don't */
	encoder = set_of(salt, ids, 3);
	assert_int_equal(reconcile_symbols(encoder, symbols, 64), 64);
	for (i = 0; i < 64; i++)
		symbols[i * SYMBOL + ID + 11] *= 2;
	decode_wrong(symbols, 64, 64, ids, 2);
	reconcile_free(encoder);
	free(ids);
}

/* Symbols without end have one. */
static void test_bounds(void **state)
{
	uint8_t *ids, symbol[SYMBOL];
	struct reconcile *decoder;
	struct reconcile_diff diff;
	size_t n;
	int rc;

	(void)state;
	random_state = 8;
	ids = random_ids(10);
	decoder = set_of(salt, ids, 10);
	for (n = 0; n < 100000; n++) {
		random_bytes(symbol, SYMBOL);
		memset(symbol + ID + 8, 0, 4);
		symbol[ID + 11] = 2;
		rc = reconcile_decode(decoder, symbol, 1, &diff);
		if (rc != -EAGAIN)
			break;
	}
	assert_int_equal(rc, -EBADMSG);
	assert_true(n < 4 * (10 + 2 + 64) + 8);
	reconcile_free(decoder);

	decoder = set_of(salt, ids, 10);
	reconcile_limit(decoder, 100);
	for (n = 0, rc = -EAGAIN; rc == -EAGAIN; n++)
		rc = reconcile_decode(decoder, symbol, 1, &diff);
	assert_int_equal(rc, -ENOBUFS);
	assert_int_equal(n, 101);
	reconcile_free(decoder);
	free(ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_density),
		cmocka_unit_test(test_differences),
		cmocka_unit_test(test_overhead),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_corrupted),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests_name("reconcile", tests, NULL, NULL);
}
