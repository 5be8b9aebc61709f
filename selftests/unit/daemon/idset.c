// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of sets of ids, against a model: a sorted array for few ids, a bitmap of numbers that
 * are made into ids for many.
 *
 * An id's first bytes are its hash, so a test has them collide as it likes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/idset.h"
#include "common/random.h"

#define MOST (1u << 20)	/* as idset.c has it */

/* The id of a number whose home is that number's, modulo any size of table up to @homes. */
static void make_id(uint8_t id[PROTO_ID_LEN], uint64_t number, uint64_t homes)
{
	uint64_t hash = number % homes;

	memset(id, 0, PROTO_ID_LEN);
	memcpy(id, &hash, sizeof(hash));
	number++;
	memcpy(id + 8, &number, sizeof(number));
}

static void test_empty(void **state)
{
	static const uint8_t zero[PROTO_ID_LEN], one[PROTO_ID_LEN] = { 1 };
	struct idset set = { NULL };

	(void)state;
	assert_false(idset_has(&set, one));
	assert_false(idset_has(&set, zero));
	idset_del(&set, one);
	idset_del(&set, zero);
	idset_clear(&set);
	assert_int_equal(idset_add(&set, one), 0);
	assert_int_equal(idset_add(&set, one), 0);
	assert_int_equal(set.count, 1);
	assert_true(idset_has(&set, one));
	assert_false(idset_has(&set, zero));
	idset_del(&set, one);
	assert_false(idset_has(&set, one));
	assert_int_equal(set.count, 0);
	idset_clear(&set);
	idset_clear(&set);
	assert_false(idset_has(&set, one));
}

/* The id that is all zero is one as any other, though it marks a free place. */
static void test_zero(void **state)
{
	static const uint8_t zero[PROTO_ID_LEN];
	struct idset set = { NULL };
	uint8_t id[PROTO_ID_LEN];
	unsigned int i;

	(void)state;
	for (i = 0; i < 1000; i++)
		assert_int_equal(idset_add(&set, zero), 0);
	assert_true(idset_has(&set, zero));
	assert_int_equal(set.size, 0);
	for (i = 0; i < 1000; i++) {
		make_id(id, i, 4);
		assert_int_equal(idset_add(&set, id), 0);
		assert_true(idset_has(&set, zero));
	}
	idset_del(&set, zero);
	assert_false(idset_has(&set, zero));
	assert_int_equal(set.count, 1000);
	idset_clear(&set);
	assert_int_equal(idset_add(&set, zero), 0);
	idset_clear(&set);
	assert_false(idset_has(&set, zero));
}

/* Ids that differ in their last bit only. */
static void test_near(void **state)
{
	uint8_t id[PROTO_ID_LEN];
	struct idset set = { NULL };
	unsigned int bit, other;

	(void)state;
	memset(id, 0xa5, sizeof(id));
	assert_int_equal(idset_add(&set, id), 0);
	for (bit = 0; bit < 8 * PROTO_ID_LEN; bit++) {
		id[bit / 8] ^= 1 << bit % 8;
		assert_false(idset_has(&set, id));
		assert_int_equal(idset_add(&set, id), 0);
		id[bit / 8] ^= 1 << bit % 8;
	}
	assert_int_equal(set.count, 1 + 8 * PROTO_ID_LEN);
	for (bit = 0; bit < 8 * PROTO_ID_LEN; bit++) {
		id[bit / 8] ^= 1 << bit % 8;
		idset_del(&set, id);
		assert_false(idset_has(&set, id));
		id[bit / 8] ^= 1 << bit % 8;
		for (other = bit + 1; other < 8 * PROTO_ID_LEN; other++) {
			id[other / 8] ^= 1 << other % 8;
			assert_true(idset_has(&set, id));
			id[other / 8] ^= 1 << other % 8;
		}
	}
	idset_clear(&set);
}

/* As many operations as there are, on few ids that share few homes, so that deletions matter. */
static void against_model(uint64_t numbers, uint64_t homes, unsigned int steps)
{
	bool *model = calloc(numbers, sizeof(*model));
	struct idset set = { NULL };
	uint8_t id[PROTO_ID_LEN];
	size_t count = 0, i;
	uint64_t number;

	assert_non_null(model);
	while (steps--) {
		number = random_word() % numbers;
		make_id(id, number, homes);
		assert_int_equal(idset_has(&set, id), model[number]);
		switch (random_word() % 5) {
		case 0 ... 1:
			assert_int_equal(idset_add(&set, id), 0);
			count += !model[number];
			model[number] = true;
			break;
		case 2 ... 3:
			idset_del(&set, id);
			count -= model[number];
			model[number] = false;
			break;
		default:
			if (random_word() % 2000)
				break;
			idset_clear(&set);
			memset(model, 0, numbers * sizeof(*model));
			count = 0;
		}
		assert_int_equal(set.count, count);
	}
	for (i = 0; i < numbers; i++) {
		make_id(id, i, homes);
		assert_int_equal(idset_has(&set, id), model[i]);
	}
	idset_clear(&set);
	free(model);
}

static void test_model(void **state)
{
	(void)state;
	random_state = 1;
	against_model(40, 1, 50000);		/* all in one cluster */
	against_model(60, 3, 50000);
	against_model(31, UINT64_MAX, 50000);	/* the first table, to its limit */
	against_model(500, 64, 200000);
	against_model(20000, UINT64_MAX, 500000);
}

/* Clusters that go over the end of the table. */
static void test_wrap(void **state)
{
	uint8_t ids[24][PROTO_ID_LEN];
	struct idset set = { NULL };
	unsigned int i, round, gone;

	(void)state;
	random_state = 2;
	for (round = 0; round < 2000; round++) {
		for (i = 0; i < 24; i++) {
			random_bytes(ids[i], PROTO_ID_LEN);
			ids[i][0] = 56 + random_word() % 12; /* of 64: the last and the first */
			assert_int_equal(idset_add(&set, ids[i]), 0);
		}
		assert_int_equal(set.size, 64);
		for (gone = 0; gone < 24; gone++) {
			idset_del(&set, ids[gone]);
			for (i = 0; i < 24; i++)
				assert_int_equal(idset_has(&set, ids[i]), i > gone);
		}
		assert_int_equal(set.count, 0);
	}
	idset_clear(&set);
}

/* It does not grow for ever: at its limit it begins anew, with the newest. */
static void test_limit(void **state)
{
	struct idset set = { NULL };
	uint8_t id[PROTO_ID_LEN];
	uint64_t i;

	(void)state;
	for (i = 0; i < MOST; i++) {
		make_id(id, i, UINT64_MAX);
		assert_int_equal(idset_add(&set, id), 0);
	}
	assert_int_equal(set.count, MOST);
	for (i = 0; i < MOST; i += 997) {
		make_id(id, i, UINT64_MAX);
		assert_true(idset_has(&set, id));
	}
	make_id(id, MOST, UINT64_MAX);
	assert_int_equal(idset_add(&set, id), 0);
	assert_int_equal(set.count, 1);
	assert_true(idset_has(&set, id));
	make_id(id, 5, UINT64_MAX);
	assert_false(idset_has(&set, id));
	idset_clear(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_zero),
		cmocka_unit_test(test_near),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
