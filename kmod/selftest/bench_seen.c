// SPDX-License-Identifier: GPL-2.0
/*
 * The seen-set against an rhashtable of the same keys, inside the kernel: one CPU, side by side.
 *
 * The table grows by itself, as it can't be told how many entries will come (its hint has 16 bits);
 * the seen-set has the size that was asked for, and is full.
 *
 * Keys are made from a counter by SipHash, so that none need be stored; an inner loop does nothing
 * but make a key and look it up, and the making alone is measured too, to be taken off.
 */
#include <linux/math64.h>
#include <linux/rcupdate.h>
#include <linux/rhashtable.h>
#include <linux/sched.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/sort.h>

/* a copy of its own, as the module exports nothing */
#include "../seen.c"
#include "bench.h"

#define CSB_CHUNK	4096
#define CSB_FILL	16
#define CSB_BURST	16
#define CSB_LOOKUPS	(256u * CSB_CHUNK)
#define CSB_DEADLINE	1900000000u

/**
 * struct csb_entry - what an rhashtable needs of a message
 * @node: in the table
 * @rcu: lookups take no lock, so an entry is freed after a grace period
 * @key: first bytes of the digest
 * @deadline: when it may be forgotten
 */
struct csb_entry {
	struct rhash_head node;
	struct rcu_head rcu;
	u8 key[CS_SEEN_KEY_LEN];
	u32 deadline;
};

/**
 * struct csb_times - nanoseconds
 * @insert: of CSB_LOOKUPS inserts
 * @hit: of CSB_LOOKUPS lookups of keys that are there
 * @miss: of CSB_LOOKUPS lookups of keys that are not
 * @bhit: as @hit, in bursts
 * @bmiss: as @miss, in bursts
 * @expire: of all entries, freeing included
 */
struct csb_times {
	u64 insert;
	u64 hit;
	u64 miss;
	u64 bhit;
	u64 bmiss;
	u64 expire;
};

static struct kmem_cache *csb_entries;

static const struct rhashtable_params csb_params = {
	.key_len = CS_SEEN_KEY_LEN,
	.key_offset = offsetof(struct csb_entry, key),
	.head_offset = offsetof(struct csb_entry, node),
	.automatic_shrinking = false,
};

static const struct cs_now csb_now = { .boot = 1000, .wall = 1800000000 };
static const struct cs_now csb_later = { .boot = 200000000, .wall = 1950000000 };

static void csb_key(u64 i, u8 *key)
{
	static const siphash_key_t secret = { { 1, 2 } };
	u64 words[2];

	words[0] = siphash_1u64(i, &secret);
	words[1] = words[0] * 0x9e3779b97f4a7c15ull;
	memcpy(key, words, sizeof(words));
}

/*
 * A key of 0 to @entries - 1 for a hit, one behind for a miss, at random: an order with any pattern
 * would favour entries that were allocated one after the other.
 */
static u64 csb_pick(u32 i, u32 entries, bool hit)
{
	u64 x = (i + 1) * 0x9e3779b97f4a7c15ull, at;

	x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull;
	at = reciprocal_scale((u32)(x >> 32), entries);
	return hit ? at : at + entries;
}

/* What is measured makes its keys from @i on, looks them up, and returns how many it found. */
static u32 csb_lookup_seen(void *set, u32 i, u32 entries, bool hit)
{
	u8 key[CS_SEEN_KEY_LEN];

	csb_key(csb_pick(i, entries, hit), key);
	return !!cs_seen_lookup(set, key, cs_seen_line(set, key));
}

static u32 csb_lookup_table(void *set, u32 i, u32 entries, bool hit)
{
	u8 key[CS_SEEN_KEY_LEN];
	bool found;

	csb_key(csb_pick(i, entries, hit), key);
	rcu_read_lock();
	found = rhashtable_lookup(set, key, csb_params);
	rcu_read_unlock();
	return found;
}

/* Only the key is made. */
static u32 csb_lookup_nothing(void *set, u32 i, u32 entries, bool hit)
{
	u8 key[CS_SEEN_KEY_LEN];

	csb_key(csb_pick(i, entries, hit), key);
	return key[0] & 1;
}

/* As the data plane does it: the lines of a burst are asked for first. */
static u32 csb_lookup_burst(void *set, u32 i, u32 entries, bool hit)
{
	u8 key[CSB_BURST][CS_SEEN_KEY_LEN];
	u32 line[CSB_BURST], j, found = 0;

	for (j = 0; j < CSB_BURST; j++) {
		csb_key(csb_pick(i + j, entries, hit), key[j]);
		line[j] = cs_seen_line(set, key[j]);
		cs_seen_prefetch(set, line[j]);
	}
	for (j = 0; j < CSB_BURST; j++)
		found += !!cs_seen_lookup(set, key[j], line[j]);
	return found;
}

static int csb_compare_chunks(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/*
 * Time of all lookups, of which @lookup does @step at a time, taken from the median of chunks: what
 * else runs on the machine stops some. Inlined, and @lookup with it.
 */
static __always_inline u64 csb_time(u32 (*lookup)(void *set, u32 i, u32 entries, bool hit),
				    u32 step, void *set, u32 entries, bool hit, u32 *found)
{
	static u64 ns[CSB_LOOKUPS / CSB_CHUNK];
	u32 i, chunk;
	u64 start;

	for (chunk = 0; chunk < ARRAY_SIZE(ns); chunk++) {
		cond_resched();
		start = ktime_get_ns();
		for (i = chunk * CSB_CHUNK; i < (chunk + 1) * CSB_CHUNK; i += step)
			*found += lookup(set, i, entries, hit);
		ns[chunk] = ktime_get_ns() - start;
	}
	sort(ns, ARRAY_SIZE(ns), sizeof(*ns), csb_compare_chunks, NULL);
	return ns[ARRAY_SIZE(ns) / 2] * ARRAY_SIZE(ns);
}

static void csb_insert_seen(void *set, u32 from, u32 to)
{
	u8 key[CS_SEEN_KEY_LEN];

	/* both sets are filled as in a softirq */
	local_bh_disable();
	for (; from < to; from++) {
		csb_key(from, key);
		cs_seen_insert(set, key, cs_seen_line(set, key), CSB_DEADLINE, csb_now);
	}
	local_bh_enable();
}

/* Waits until the table has grown as far as it will: in the background, and in several steps. */
static void csb_grown(struct rhashtable *table)
{
	struct bucket_table *tbl;
	bool busy;

	do {
		flush_work(&table->run_work);
		rcu_read_lock();
		tbl = rcu_dereference(table->tbl);
		busy = tbl->nest || rcu_access_pointer(tbl->future_tbl);
		rcu_read_unlock();
	} while (busy);
}

static void csb_insert_table(void *set, u32 from, u32 to)
{
	struct csb_entry *entry;

	for (; from < to; from++) {
		entry = kmem_cache_alloc(csb_entries, GFP_KERNEL | __GFP_NOFAIL);
		csb_key(from, entry->key);
		entry->deadline = CSB_DEADLINE;
		/* it refuses what comes faster than it grows */
		while (rhashtable_insert_fast(set, &entry->node, csb_params))
			csb_grown(set);
	}
}

/*
 * Fills a set. Three quarters are not measured, of the rest the median of chunks is, so it is about
 * inserts into a set that has its size. Returns nanoseconds for CSB_LOOKUPS inserts.
 */
static u64 csb_fill(void (*insert)(void *set, u32 from, u32 to), void *set, u32 entries)
{
	u32 chunk = max(entries / 4 / CSB_FILL, 1U), from, to, n = 0;
	u32 first = entries - min(entries, chunk * CSB_FILL);
	u64 ns[CSB_FILL], start;

	for (from = 0; from < entries; from = to) {
		to = from < first ? min(from + CSB_CHUNK, first) : min(from + chunk, entries);
		start = ktime_get_ns();
		insert(set, from, to);
		if (from >= first)
			ns[n++] = ktime_get_ns() - start;
		cond_resched();
	}
	sort(ns, n, sizeof(*ns), csb_compare_chunks, NULL);
	return div_u64(ns[n / 2] * CSB_LOOKUPS, chunk);
}

static void csb_free_entry(struct rcu_head *rcu)
{
	kmem_cache_free(csb_entries, container_of(rcu, struct csb_entry, rcu));
}

/*
 * Takes out what has expired, as a table's owner does now and then. A walk that is interrupted
 * overlooks a few, which the next one finds.
 */
static u64 csb_sweep_table(struct rhashtable *table, struct cs_now now)
{
	u64 start = ktime_get_ns();
	struct rhashtable_iter iter;
	struct csb_entry *entry;
	u32 i = 0;

	rhashtable_walk_enter(table, &iter);
	rhashtable_walk_start(&iter);
	while ((entry = rhashtable_walk_next(&iter))) {
		if (IS_ERR(entry) || !cs_deadline_passed(entry->deadline, now))
			continue;
		if (!rhashtable_remove_fast(table, &entry->node, csb_params))
			call_rcu(&entry->rcu, csb_free_entry);
		if (++i % 65536)
			continue;
		rhashtable_walk_stop(&iter);
		cond_resched();
		rhashtable_walk_start(&iter);
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
	rcu_barrier();
	return ktime_get_ns() - start;
}

/* Memory of a table: objects, as many as fit a page, and the buckets. */
static u64 csb_table_bytes(struct rhashtable *table, u32 made)
{
	u32 per_page = PAGE_SIZE / kmem_cache_size(csb_entries);
	u64 bytes;

	rcu_read_lock();
	bytes = (u64)rcu_dereference(table->tbl)->size * sizeof(void *);
	rcu_read_unlock();
	return bytes + (u64)made * PAGE_SIZE / per_page;
}

/* One after the other, each on both; returns whether all was found that is there. */
static bool csb_lookups(struct cs_seen *seen, struct rhashtable *table, u32 entries,
			struct csb_times *s, struct csb_times *t, u64 *keys)
{
	u32 found = 0, b_found = 0, t_found = 0, ignored = 0;

	*keys = csb_time(csb_lookup_nothing, 1, NULL, entries, true, &ignored);
	s->hit = csb_time(csb_lookup_seen, 1, seen, entries, true, &found);
	t->hit = csb_time(csb_lookup_table, 1, table, entries, true, &t_found);
	s->miss = csb_time(csb_lookup_seen, 1, seen, entries, false, &found);
	t->miss = csb_time(csb_lookup_table, 1, table, entries, false, &t_found);
	s->bhit = csb_time(csb_lookup_burst, CSB_BURST, seen, entries, true, &b_found);
	s->bmiss = csb_time(csb_lookup_burst, CSB_BURST, seen, entries, false, &b_found);
	return found == CSB_LOOKUPS && b_found == CSB_LOOKUPS && t_found == CSB_LOOKUPS;
}

static int csb_compare(struct cs_seen *seen, struct rhashtable *table, u32 entries, u32 rounds,
		       char *result, size_t size)
{
	struct csb_times s, t;
	u32 swept, i, n = 0;
	bool good = true;
	u64 keys;

	s.insert = csb_fill(csb_insert_seen, seen, entries);
	t.insert = csb_fill(csb_insert_table, table, entries);
	csb_grown(table);
	for (i = 0; i < rounds; i++) {
		good &= csb_lookups(seen, table, entries, &s, &t, &keys);
		n += scnprintf(result + n, size - n, "round entries %u lookups %u key %llu "
			       "seen hit %llu miss %llu bhit %llu bmiss %llu "
			       "rhashtable hit %llu miss %llu\n", entries, CSB_LOOKUPS, keys,
			       s.hit, s.miss, s.bhit, s.bmiss, t.hit, t.miss);
	}
	n += scnprintf(result + n, size - n, "set entries %u lookups %u key %llu "
		       "seen insert %llu bytes %zu rhashtable insert %llu bytes %llu ", entries,
		       CSB_LOOKUPS, keys, s.insert, cs_seen_bytes(seen), t.insert,
		       csb_table_bytes(table, entries));
	s.expire = ktime_get_ns();
	swept = cs_seen_sweep(seen, csb_later);
	s.expire = ktime_get_ns() - s.expire;
	t.expire = csb_sweep_table(table, csb_later);
	scnprintf(result + n, size - n, "seen expire %llu rhashtable expire %llu\n", s.expire,
		  t.expire);
	/* who lost an entry was not measured but broken */
	if (good && swept == entries && atomic_read(&table->nelems) <= entries / 1000)
		return 0;
	pr_err("csbench: of %u entries found %s, swept %u, left %u\n", entries,
	       good ? "all" : "some", swept, atomic_read(&table->nelems));
	return -EBADE;
}

static void csb_drop_entry(void *entry, void *arg)
{
	kmem_cache_free(csb_entries, entry);
}

/**
 * csb_seen() - measure both with a number of entries
 * @entries: the number
 * @rounds: of lookups
 * @result: gets a line of figures for each round, and one for the whole
 * @size: of @result
 *
 * Context: process.
 * Return: 0 or an error.
 */
int csb_seen(unsigned int entries, unsigned int rounds, char *result, size_t size)
{
	struct rhashtable table;
	struct cs_seen *seen;
	int err = -ENOMEM;

	if (!entries || entries > CROWDSHARE_SEEN_MAX_LIMIT)
		return -EINVAL;
	seen = cs_seen_alloc(entries);
	csb_entries = kmem_cache_create("csbench_entry", sizeof(struct csb_entry), 0, 0, NULL);
	if (seen && csb_entries)
		err = rhashtable_init(&table, &csb_params);
	if (!err) {
		err = csb_compare(seen, &table, entries, rounds, result, size);
		rhashtable_free_and_destroy(&table, csb_drop_entry, NULL);
	}
	kmem_cache_destroy(csb_entries);
	cs_seen_free(seen);
	return err;
}
