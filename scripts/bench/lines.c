// SPDX-License-Identifier: GPL-2.0
/*
 * How many cache lines does the seen-set touch? Counted, not timed: kmod/seen.c is compiled in
 * here, filled to its capacity, and each probe is followed through the table as cs_seen_lookup()
 * does.
 *
 * A line of the table is a cache line. An insert also takes the lock of its segment, which is
 * another one. With a SIZE, an OPERATION (hit, miss) and a COUNT it only does these, for
 * cachegrind.
 */
#include <stdio.h>

#include "../../kmod/seen.c"

#define SAMPLES	1000000u
#define DEADLINE 1900000000u

int kernel_alloc_budget = -1;

static const struct cs_now now = { .boot = 1000, .wall = 1800000000 };

static void make_key(u64 i, u8 *key)
{
	static const siphash_key_t secret = { { 1, 2 } };
	u64 words[2];

	words[0] = siphash_2u64(i, 0, &secret);
	words[1] = words[0] * 0x9e3779b97f4a7c15ull;
	memcpy(key, words, sizeof(words));
}

static struct cs_seen *filled(u32 entries)
{
	struct cs_seen *seen = cs_seen_alloc(entries);
	u8 key[CS_SEEN_KEY_LEN];
	u32 i;

	if (!seen) {
		fprintf(stderr, "lines: no memory for %u entries\n", entries);
		exit(1);
	}
	for (i = 0; i < entries; i++) {
		make_key(i, key);
		cs_seen_insert(seen, key, cs_seen_line(seen, key), DEADLINE, now);
	}
	return seen;
}

/* Lines that a lookup reads. */
static u32 probed(const struct cs_seen *seen, const u8 *key)
{
	u64 k0 = cs_seen_word(key, 0), k1 = cs_seen_word(key, 1);
	u32 line = cs_seen_line(seen, key), n = 1;

	while (!cs_seen_match(cs_seen_at(seen, line), k0, k1) && cs_seen_at(seen, line)->passed) {
		line = cs_seen_next(seen, line);
		n++;
	}
	return n;
}

/* Lines from where a key belongs to the first with a free place. */
static u32 placed(const struct cs_seen *seen, const u8 *key)
{
	u32 line = cs_seen_line(seen, key), n = 1;
	const struct cs_seen_line *l;

	for (;;) {
		l = cs_seen_at(seen, line);
		if (!l->deadline[0] || !l->deadline[1] || !l->deadline[2])
			return n;
		line = cs_seen_next(seen, line);
		n++;
	}
}

static void count(u32 entries)
{
	struct cs_seen *seen = filled(entries);
	u64 hit = 0, miss = 0, insert = 0;
	u8 key[CS_SEEN_KEY_LEN];
	u32 i, a, b;

	for (i = 0; i < SAMPLES; i++) {
		make_key(((u64)i * 2654435761u) % entries, key);
		hit += probed(seen, key);
		make_key((u64)i + entries, key);
		a = probed(seen, key);
		b = placed(seen, key);
		miss += a;
		insert += (a > b ? a : b) + 1;
	}
	printf("1 lines%u_hit %f\n", entries, (double)hit / SAMPLES);
	printf("1 lines%u_miss %f\n", entries, (double)miss / SAMPLES);
	printf("1 lines%u_insert %f\n", entries, (double)insert / SAMPLES);
	cs_seen_free(seen);
}

static u32 operate(u32 entries, const char *operation, u32 times)
{
	struct cs_seen *seen = filled(entries);
	bool miss = !strcmp(operation, "miss");
	u8 key[CS_SEEN_KEY_LEN];
	u32 i, found = 0;

	for (i = 0; i < times; i++) {
		make_key(((u64)i * 2654435761u) % entries + (miss ? entries : 0), key);
		found += !!cs_seen_lookup(seen, key, cs_seen_line(seen, key));
	}
	cs_seen_free(seen);
	return found;
}

int main(int argc, char **argv)
{
	static const u32 sizes[] = { 10000, 1000000, 16000000 };
	size_t i;

	if (argc == 4) {
		printf("found %u\n", operate(atoi(argv[1]), argv[2], atoi(argv[3])));
		return 0;
	}
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		count(sizes[i]);
	return 0;
}
