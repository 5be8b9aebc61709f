// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of Reed-Solomon: any k of n slices restore a chunk, less never do, for all k and n and
 * for lengths that no vector instruction likes; and small chunks get the parity that they need.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "fobject/erasure.h"

#define LEN_MAX 1218

/**
 * struct coded - a chunk, coded
 * @slices: all n, in the memory that they really have, so that ASan sees what lies beyond
 */
struct coded {
	unsigned int	k;
	unsigned int	n;
	size_t		len;
	uint8_t		*chunk;
	uint8_t		*parity;
	uint8_t		*restored;
};

static void code(struct coded *c, unsigned int k, unsigned int n, size_t len)
{
	struct cs_erasure code;

	*c = (struct coded){ .k = k, .n = n, .len = len };
	c->chunk = malloc(k * len);
	c->parity = malloc((n - k) * len + 1);
	c->restored = malloc(k * len);
	assert_true(c->chunk && c->parity && c->restored);
	dice_fill(c->chunk, k * len);
	assert_int_equal(cs_erasure_init(&code, k, n), 0);
	cs_erasure_encode(&code, len, c->chunk, c->parity);
	cs_erasure_free(&code);
}

static void uncode(struct coded *c)
{
	free(c->chunk);
	free(c->parity);
	free(c->restored);
}

/* Restores from the slices whose bits are set, or finds that it can't. */
static void restore(struct coded *c, const bool *there)
{
	const uint8_t *have[CS_SLICES_MAX] = { NULL };
	unsigned int i, count = 0;
	int rc;

	for (i = 0; i < c->n; i++) {
		if (!there[i])
			continue;
		have[i] = i < c->k ? c->chunk + i * c->len : c->parity + (i - c->k) * c->len;
		count++;
	}
	memset(c->restored, 0xee, c->k * c->len);
	rc = cs_erasure_restore(c->k, c->n, c->len, c->restored, have);
	if (count < c->k) {
		assert_int_equal(rc, -ENODATA);
		return;
	}
	assert_int_equal(rc, 0);
	assert_memory_equal(c->restored, c->chunk, c->k * c->len);
}

/* All subsets of all codes up to nine slices. */
static void test_every_subset(void **state)
{
	unsigned int k, n, subset, i;
	bool there[16];
	struct coded c;

	(void)state;
	for (n = 1; n <= 9; n++) {
		for (k = 1; k <= n; k++) {
			code(&c, k, n, 1 + dice(70));
			for (subset = 0; subset < 1u << n; subset++) {
				for (i = 0; i < n; i++)
					there[i] = subset & 1u << i;
				restore(&c, there);
			}
			uncode(&c);
		}
	}
}

/* @count of @n, at random. */
static void choose(bool *there, unsigned int n, unsigned int count)
{
	unsigned int i;

	memset(there, 0, n);
	while (count) {
		i = dice(n);
		count -= !there[i];
		there[i] = true;
	}
}

static void test_large(void **state)
{
	static const unsigned int codes[][2] = {
		{ 210, 255 }, { 127, 254 }, { 128, 255 }, { 1, 255 }, { 254, 255 }, { 63, 252 },
	};
	bool there[CS_SLICES_MAX];
	unsigned int i, j, k, n;
	struct coded c;

	(void)state;
	for (i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		k = codes[i][0];
		n = codes[i][1];
		code(&c, k, n, LEN_MAX);
		for (j = 0; j < 20; j++) {
			choose(there, n, k);
			restore(&c, there);
			choose(there, n, k - 1);
			restore(&c, there);
		}
		/* the worst: as much of the chunk itself is missing as can be */
		for (j = 0; j < n; j++)
			there[j] = j >= n - k;
		restore(&c, there);
		memset(there, true, n);
		restore(&c, there);
		uncode(&c);
	}
	for (i = 0; i < 200; i++) {
		n = 1 + dice(CS_SLICES_MAX);
		k = 1 + dice(n);
		code(&c, k, n, 1 + dice(200));
		choose(there, n, k + dice(n - k + 1));
		restore(&c, there);
		uncode(&c);
	}
}

/* A slice that is in its place need not be copied, and one that is wrong shows. */
static void test_in_place(void **state)
{
	const uint8_t *have[CS_SLICES_MAX] = { NULL };
	struct coded c;
	unsigned int i;

	(void)state;
	code(&c, 10, 14, 33);
	memcpy(c.restored, c.chunk, 10 * 33);
	memset(c.restored + 3 * 33, 0, 33);
	for (i = 0; i < 14; i++)
		have[i] = i < 10 ? c.restored + i * 33 : c.parity + (i - 10) * 33;
	have[3] = NULL;
	assert_int_equal(cs_erasure_restore(10, 14, 33, c.restored, have), 0);
	assert_memory_equal(c.restored, c.chunk, 10 * 33);
	c.parity[0] ^= 1;
	assert_int_equal(cs_erasure_restore(10, 14, 33, c.restored, have), 0);
	assert_memory_not_equal(c.restored, c.chunk, 10 * 33);
	uncode(&c);
}

static void test_refused(void **state)
{
	const uint8_t *have[CS_SLICES_MAX] = { NULL };
	struct cs_erasure code;

	(void)state;
	assert_int_equal(cs_erasure_init(&code, 0, 3), -EINVAL);
	assert_int_equal(cs_erasure_init(&code, 4, 3), -EINVAL);
	assert_int_equal(cs_erasure_init(&code, 4, 256), -EINVAL);
	assert_int_equal(cs_erasure_restore(0, 3, 1, NULL, have), -EINVAL);
	assert_int_equal(cs_erasure_restore(4, 3, 1, NULL, have), -EINVAL);
	assert_int_equal(cs_erasure_restore(4, 256, 1, NULL, have), -EINVAL);
	assert_int_equal(cs_erasure_restore(4, 5, 0, NULL, have), -EINVAL);
}

/* As much parity as was asked for, never less, and more slices never mean fewer in all. */
static void test_redundancy(void **state)
{
	unsigned int k, n, last, percent;

	(void)state;
	for (percent = 0; percent <= 300; percent += 5) {
		last = 0;
		for (k = 1; k <= CS_SLICES_MAX; k++) {
			n = cs_erasure_slices(k, percent);
			assert_true(n >= last);
			assert_true((n - k) * 100 >= k * percent || n > CS_SLICES_MAX);
			assert_true(percent || n == k);
			last = n;
		}
	}
	assert_int_equal(cs_erasure_slices(210, 20), 255);
	assert_true(cs_erasure_slices(211, 20) > 255);
	/* by Python: the least n with P(all n are lost) <= 1e-6 at a loss of 1/12 is 6 */
	assert_int_equal(cs_erasure_slices(1, 20), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_subset),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_in_place),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_redundancy),
	};

	return cmocka_run_group_tests_name("erasure", tests, NULL, NULL);
}
