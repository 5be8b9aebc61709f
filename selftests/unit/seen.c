// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the seen-set (kmod/seen.c), compiled for userspace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../../kmod/seen.h"

int kernel_alloc_budget = -1;

#define WALL	1800000000u	/* a time at which the wall clock is set */

static const struct cs_now start = { .boot = 100, .wall = WALL };

/* The digest with number @i. */
static const u8 *digest(u64 i)
{
	static __thread u8 d[CS_DIGEST_LEN];

	/* spread as SHA-512 would be; seed is the number, so that no two are alike */
	memset(d, 0x5a, sizeof(d));
	memcpy(d, &i, sizeof(i));
	i *= 0x9e3779b97f4a7c15ull;
	memcpy(d + 8, &i, sizeof(i));
	return d;
}

static enum cs_seen_result insert(struct cs_seen *seen, u64 i, u32 deadline, struct cs_now now)
{
	const u8 *d = digest(i);

	return cs_seen_insert(seen, d, cs_seen_line(seen, d), deadline, now);
}

static u32 lookup(struct cs_seen *seen, u64 i)
{
	const u8 *d = digest(i);

	return cs_seen_lookup(seen, d, cs_seen_line(seen, d));
}

static struct cs_now later(u32 seconds)
{
	return (struct cs_now) { .boot = start.boot + seconds, .wall = start.wall + seconds };
}

/* The last segment also has the lines that are left over. */
static u32 segment_of(const struct cs_seen *seen, u32 line)
{
	u32 segment = line / CS_SEEN_SEGMENT_LINES;

	return segment < seen->nr_segments ? segment : seen->nr_segments - 1;
}

/* All counters of a set are what its entries say. */
static void assert_consistent(const struct cs_seen *seen)
{
	u32 line, home, step, first, segment, count = 0, *passed;
	const struct cs_seen_line *l;
	int way;

	passed = calloc(seen->nr_lines, sizeof(*passed));
	for (line = 0; line < seen->nr_lines; line++) {
		l = cs_seen_at(seen, line);
		segment = segment_of(seen, line);
		first = segment * CS_SEEN_SEGMENT_LINES;
		for (way = 0; way < CS_SEEN_WAYS; way++) {
			if (!l->deadline[way])
				continue;
			count++;
			home = cs_seen_line(seen, (const u8 *)l->key[way]);
			assert_int_equal(segment_of(seen, home), segment);
			for (step = home; step != line; ) {
				passed[step]++;
				step++;
				if (step == seen->nr_lines || segment_of(seen, step) != segment)
					step = first;
			}
		}
	}
	assert_int_equal(cs_seen_count(seen), count);
	for (line = 0; line < seen->nr_lines; line++)
		assert_int_equal(cs_seen_at(seen, line)->passed, passed[line]);
	free(passed);
}

static void test_insert_then_known(void **state)
{
	struct cs_seen *seen = cs_seen_alloc(1000);

	(void)state;
	assert_int_equal(lookup(seen, 1), 0);
	assert_int_equal(insert(seen, 1, WALL + 10, start), CS_SEEN_NEW);
	assert_int_equal(lookup(seen, 1), WALL + 10);
	assert_int_equal(insert(seen, 1, WALL + 99, start), CS_SEEN_KNOWN);
	assert_int_equal(lookup(seen, 1), WALL + 10);
	assert_int_equal(lookup(seen, 2), 0);
	cs_seen_free(seen);
}

/* Exactly as many as promised, of every size; then fail closed, and nothing old is forgotten. */
static void test_full(void **state)
{
	static const u32 sizes[] = { 1, 2, 3, 7, 100, 546, 547, 5000, 65536, 300000 };
	struct cs_seen *seen;
	unsigned int s;
	u32 i;

	(void)state;
	for (s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		seen = cs_seen_alloc(sizes[s]);
		for (i = 0; i < sizes[s]; i++)
			assert_int_equal(insert(seen, i, WALL + 100, start), CS_SEEN_NEW);
		for (i = sizes[s]; i < sizes[s] + 1000; i++)
			assert_int_equal(insert(seen, i, WALL + 100, start), CS_SEEN_FULL);
		assert_int_equal(cs_seen_count(seen), sizes[s]);
		for (i = 0; i < sizes[s]; i++)
			assert_int_equal(lookup(seen, i), WALL + 100);
		for (i = 0; i < sizes[s]; i++)
			assert_int_equal(insert(seen, i, WALL + 100, start), CS_SEEN_KNOWN);
		assert_consistent(seen);
		assert_int_equal(cs_seen_sweep(seen, later(99)), 0);
		assert_int_equal(cs_seen_sweep(seen, later(100)), sizes[s]);
		assert_int_equal(insert(seen, i, WALL + 300, later(100)), CS_SEEN_NEW);
		assert_consistent(seen);
		cs_seen_free(seen);
	}
}

/* A full set takes a new entry in the place of an expired one even before the sweep. */
static void test_reuse_expired(void **state)
{
	struct cs_seen *seen = cs_seen_alloc(3);

	(void)state;
	assert_int_equal(insert(seen, 1, WALL + 5, start), CS_SEEN_NEW);
	assert_int_equal(insert(seen, 2, WALL + 50, start), CS_SEEN_NEW);
	assert_int_equal(insert(seen, 3, WALL + 50, start), CS_SEEN_NEW);
	assert_int_equal(insert(seen, 4, WALL + 50, later(4)), CS_SEEN_FULL);
	assert_int_equal(insert(seen, 4, WALL + 50, later(5)), CS_SEEN_NEW);
	assert_int_equal(lookup(seen, 1), 0);
	assert_int_equal(lookup(seen, 2), WALL + 50);
	assert_int_equal(lookup(seen, 3), WALL + 50);
	assert_int_equal(lookup(seen, 4), WALL + 50);
	assert_int_equal(seen->forgotten, WALL + 5);
	assert_consistent(seen);
	cs_seen_free(seen);
}

static void test_memory(void **state)
{
	static const u32 sizes[] = { 4096, 65536, 500000, 1000000, 16000000 };
	struct cs_seen *seen;
	unsigned int s;

	(void)state;
	for (s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		seen = cs_seen_alloc(sizes[s]);
		assert_true(cs_seen_bytes(seen) <= 32ull * sizes[s]);
		cs_seen_free(seen);
	}
}

/* While the wall clock is not set, the boot clock counts, and goes on to when it is set. */
static void test_clockless(void **state)
{
	struct cs_now unset = { .boot = 100, .wall = 0 }, set = { .boot = 200, .wall = WALL };
	struct cs_seen *seen = cs_seen_alloc(100);

	(void)state;
	assert_int_equal(insert(seen, 1, unset.boot + 500, unset), CS_SEEN_NEW);
	unset.boot = 599;
	assert_int_equal(cs_seen_sweep(seen, unset), 0);
	assert_int_equal(cs_seen_sweep(seen, set), 0);
	assert_int_equal(insert(seen, 1, WALL + 10, set), CS_SEEN_KNOWN);
	assert_int_equal(insert(seen, 2, WALL + 10, set), CS_SEEN_NEW);
	/* a clock that is lost again makes nobody forget what stands on it */
	unset.boot = 600;
	assert_int_equal(cs_seen_sweep(seen, unset), 1);
	assert_int_equal(lookup(seen, 1), 0);
	assert_int_equal(lookup(seen, 2), WALL + 10);
	assert_int_equal(seen->forgotten, 0);
	assert_consistent(seen);
	cs_seen_free(seen);
}

static u32 dump_all(struct cs_seen *seen, struct crowdshare_seen_entry *entries, u32 step)
{
	u32 line = 0, n = 0;

	while (line < seen->nr_lines)
		n += cs_seen_dump(seen, &line, entries + n, step, start);
	return n;
}

/* A dump in steps of any size has every entry once, and a copy has them too. */
static void test_dump_and_copy(void **state)
{
	struct crowdshare_seen_entry *entries = calloc(20000, sizeof(*entries));
	struct cs_seen *seen = cs_seen_alloc(10000), *copy = cs_seen_alloc(6000);
	struct cs_seen *small = cs_seen_alloc(5999);
	u32 i, n, step;

	(void)state;
	for (i = 0; i < 6000; i++)
		assert_int_equal(insert(seen, i, WALL + 1 + i, start), CS_SEEN_NEW);
	for (step = 3; step < 2000; step = step * 2 + 1) {
		n = dump_all(seen, entries, step);
		assert_int_equal(n, 6000);
	}
	assert_int_equal(cs_seen_copy(copy, seen, start), 0);
	assert_int_equal(cs_seen_count(copy), 6000);
	for (i = 0; i < n; i++) {
		assert_int_equal(cs_seen_lookup(copy, entries[i].digest,
						cs_seen_line(copy, entries[i].digest)),
				 WALL + entries[i].left);
	}
	assert_consistent(copy);
	assert_int_equal(cs_seen_copy(small, seen, start), -ENOSPC);
	cs_seen_free(small);
	cs_seen_free(copy);
	/* what has expired is neither dumped nor copied */
	copy = cs_seen_alloc(3000);
	assert_int_equal(cs_seen_copy(copy, seen, later(3000)), 0);
	assert_int_equal(cs_seen_count(copy), 3000);
	/* and counts as forgotten, as if it had been swept before */
	assert_int_equal(copy->forgotten, WALL + 3000);
	cs_seen_free(copy);
	cs_seen_free(seen);
	free(entries);
}

/* Inserts, expiry and sweeps at random, against a plain array. */
static void test_against_model(void **state)
{
	static u32 model[4000];
	struct cs_seen *seen = cs_seen_alloc(1500);
	struct cs_now now = start;
	u32 round, i, live;
	enum cs_seen_result r;

	(void)state;
	memset(model, 0, sizeof(model));
	for (round = 0; round < 400000; round++) {
		i = randombytes_uniform(4000);
		r = insert(seen, i, now.wall + 1 + randombytes_uniform(200), now);
		if (r == CS_SEEN_KNOWN)
			assert_true(model[i] != 0);
		if (r == CS_SEEN_NEW) {
			assert_true(model[i] <= now.wall);
			model[i] = lookup(seen, i);
		}
		/* nothing unexpired is ever forgotten */
		i = randombytes_uniform(4000);
		if (model[i] > now.wall)
			assert_int_equal(lookup(seen, i), model[i]);
		if (round % 100 == 0)
			now = (struct cs_now) { now.boot + 1, now.wall + 1 };
		if (round % 1000 == 0)
			cs_seen_sweep(seen, now);
	}
	cs_seen_sweep(seen, now);
	for (i = 0, live = 0; i < 4000; i++)
		live += model[i] > now.wall;
	assert_int_equal(cs_seen_count(seen), live);
	assert_consistent(seen);
	cs_seen_free(seen);
}

struct race {
	struct cs_seen *seen;
	u32 won;
	pthread_barrier_t *barrier;
};

#define RACE_DIGESTS 200000u

static void *race_main(void *arg)
{
	struct race *race = arg;
	u32 i;

	pthread_barrier_wait(race->barrier);
	for (i = 0; i < RACE_DIGESTS; i++)
		race->won += insert(race->seen, i, WALL + 100, start) == CS_SEEN_NEW;
	return NULL;
}

/* The same digests at the same time from several threads: each is new to exactly one. */
static void test_race(void **state)
{
	struct race race[4] = {};
	pthread_barrier_t barrier;
	pthread_t thread[4];
	u32 won = 0;
	int i;

	(void)state;
	pthread_barrier_init(&barrier, NULL, 4);
	race[0].seen = cs_seen_alloc(RACE_DIGESTS);
	for (i = 0; i < 4; i++) {
		race[i].seen = race[0].seen;
		race[i].barrier = &barrier;
		pthread_create(&thread[i], NULL, race_main, &race[i]);
	}
	for (i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		won += race[i].won;
	}
	assert_int_equal(won, RACE_DIGESTS);
	assert_consistent(race[0].seen);
	cs_seen_free(race[0].seen);
	pthread_barrier_destroy(&barrier);
}

static void test_no_memory(void **state)
{
	struct cs_seen *seen;

	(void)state;
	/* the set, its segments, the table of chunks and three of these */
	for (int budget = 0; budget < 6; budget++) {
		kernel_alloc_budget = budget;
		assert_null(cs_seen_alloc(20000));
	}
	kernel_alloc_budget = 6;
	seen = cs_seen_alloc(20000);
	assert_non_null(seen);
	cs_seen_free(seen);
	kernel_alloc_budget = -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_insert_then_known),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_reuse_expired),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_clockless),
		cmocka_unit_test(test_dump_and_copy),
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_race),
		cmocka_unit_test(test_no_memory),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("seen", tests, NULL, NULL);
}
