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
#include <linux/rcupdate.h>
#include <linux/rhashtable.h>
#include <linux/sched.h>
#include <linux/siphash.h>
#include <linux/slab.h>

/* a copy of its own, as the module exports nothing */
#include "../seen.c"
#include "bench.h"

#define CSB_LOOKUPS	1000000u
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
 * @insert: of as many keys as there are entries
 * @hit: of CSB_LOOKUPS lookups of keys that are there
 * @miss: of CSB_LOOKUPS lookups of keys that are not
 * @expire: of all entries, freeing included
 */
struct csb_times {
	u64 insert;
	u64 hit;
	u64 miss;
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

/* A key of 0 to @entries - 1 for a hit, one behind for a miss, in an order that no cache likes. */
static u64 csb_pick(u32 i, u32 entries, bool hit)
{
	u64 at = ((u64)i * 2654435761u) % entries;

	return hit ? at : at + entries;
}

static u64 csb_time_seen(struct cs_seen *seen, u32 entries, bool hit, u32 *found)
{
	u64 start = ktime_get_ns();
	u8 key[CS_SEEN_KEY_LEN];
	u32 i;

	for (i = 0; i < CSB_LOOKUPS; i++) {
		csb_key(csb_pick(i, entries, hit), key);
		*found += !!cs_seen_lookup(seen, key, cs_seen_line(seen, key));
		if (!(i % 65536))
			cond_resched();
	}
	return ktime_get_ns() - start;
}

static u64 csb_time_table(struct rhashtable *table, u32 entries, bool hit, u32 *found)
{
	u64 start = ktime_get_ns();
	u8 key[CS_SEEN_KEY_LEN];
	u32 i;

	for (i = 0; i < CSB_LOOKUPS; i++) {
		csb_key(csb_pick(i, entries, hit), key);
		rcu_read_lock();
		*found += !!rhashtable_lookup(table, key, csb_params);
		rcu_read_unlock();
		if (!(i % 65536))
			cond_resched();
	}
	return ktime_get_ns() - start;
}

static u64 csb_time_keys(u32 entries, u32 *found)
{
	u64 start = ktime_get_ns();
	u8 key[CS_SEEN_KEY_LEN];
	u32 i;

	for (i = 0; i < CSB_LOOKUPS; i++) {
		csb_key(csb_pick(i, entries, true), key);
		*found += key[0] & 1;
		if (!(i % 65536))
			cond_resched();
	}
	return ktime_get_ns() - start;
}

static u64 csb_fill_seen(struct cs_seen *seen, u32 entries)
{
	u64 start = ktime_get_ns();
	u8 key[CS_SEEN_KEY_LEN];
	u32 i;

	for (i = 0; i < entries; i++) {
		csb_key(i, key);
		cs_seen_insert(seen, key, cs_seen_line(seen, key), CSB_DEADLINE, csb_now);
		if (!(i % 65536))
			cond_resched();
	}
	return ktime_get_ns() - start;
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

static u64 csb_fill_table(struct rhashtable *table, u32 entries, u32 *made)
{
	u64 start = ktime_get_ns();
	struct csb_entry *entry;
	u32 i;

	for (i = 0; i < entries; i++) {
		entry = kmem_cache_alloc(csb_entries, GFP_KERNEL | __GFP_NOWARN);
		if (!entry)
			break;
		csb_key(i, entry->key);
		entry->deadline = CSB_DEADLINE;
		/* it refuses what comes faster than it grows */
		while (rhashtable_insert_fast(table, &entry->node, csb_params))
			csb_grown(table);
		++*made;
		if (!(i % 1024))
			cond_resched();
	}
	/* its growth is a part of the cost */
	csb_grown(table);
	return ktime_get_ns() - start;
}

static void csb_free_entry(struct rcu_head *rcu)
{
	kmem_cache_free(csb_entries, container_of(rcu, struct csb_entry, rcu));
}

/* Takes out what has expired, as a table's owner does now and then. */
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

/* One after the other, each on both. */
static int csb_compare(struct cs_seen *seen, struct rhashtable *table, u32 entries, char *result,
		       size_t size)
{
	u32 found = 0, t_found = 0, made = 0, ignored = 0;
	struct csb_times s, t;
	u64 keys, t_bytes;

	s.insert = csb_fill_seen(seen, entries);
	t.insert = csb_fill_table(table, entries, &made);
	t_bytes = csb_table_bytes(table, made);
	keys = csb_time_keys(entries, &ignored);
	s.hit = csb_time_seen(seen, entries, true, &found);
	t.hit = csb_time_table(table, entries, true, &t_found);
	s.miss = csb_time_seen(seen, entries, false, &found);
	t.miss = csb_time_table(table, entries, false, &t_found);
	s.expire = ktime_get_ns();
	ignored = cs_seen_sweep(seen, csb_later);
	s.expire = ktime_get_ns() - s.expire;
	t.expire = csb_sweep_table(table, csb_later);
	snprintf(result, size, "entries %u lookups %u keys %llu "
		 "seen hit %llu miss %llu insert %llu expire %llu bytes %zu "
		 "rhashtable hit %llu miss %llu insert %llu expire %llu bytes %llu\n",
		 entries, CSB_LOOKUPS, keys, s.hit, s.miss, s.insert, s.expire,
		 cs_seen_bytes(seen), t.hit, t.miss, t.insert, t.expire, t_bytes);
	/* who lost an entry was not measured but broken */
	if (found == CSB_LOOKUPS && t_found == CSB_LOOKUPS && ignored == entries &&
	    made == entries && !atomic_read(&table->nelems))
		return 0;
	pr_err("csbench: of %u found %u and %u, of %u swept %u, made %u, left %u\n", CSB_LOOKUPS,
	       found, t_found, entries, ignored, made, atomic_read(&table->nelems));
	return -EBADE;
}

static void csb_drop_entry(void *entry, void *arg)
{
	kmem_cache_free(csb_entries, entry);
}

/**
 * csb_seen() - measure both with a number of entries
 * @entries: the number
 * @result: gets a line of figures
 * @size: of @result
 *
 * Context: process.
 * Return: 0 or an error.
 */
int csb_seen(unsigned int entries, char *result, size_t size)
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
		err = csb_compare(seen, &table, entries, result, size);
		rhashtable_free_and_destroy(&table, csb_drop_entry, NULL);
	}
	kmem_cache_destroy(csb_entries);
	cs_seen_free(seen);
	return err;
}
