// SPDX-License-Identifier: GPL-2.0
/*
 * The seen-set against an rhashtable of the same keys, inside the kernel.
 *
 * Keys are made from a counter by SipHash, so that none need be stored; an inner loop does nothing
 * but make a key and look it up, and the making alone is measured too, to be taken off.
 */
#include <linux/rhashtable.h>
#include <linux/sched.h>
#include <linux/siphash.h>
#include <linux/slab.h>

/* a copy of its own, as the module exports nothing */
#include "../seen.c"
#include "bench.h"

#define CSB_LOOKUPS	1000000u
#define CSB_DEADLINE	1900000000u

struct csb_entry {
	struct rhash_head node;
	u8 key[CS_SEEN_KEY_LEN];
	u32 deadline;
};

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

static u64 csb_fill_table(struct rhashtable *table, u32 entries, u32 *made)
{
	u64 start = ktime_get_ns();
	struct csb_entry *entry;
	u32 i;

	for (i = 0; i < entries; i++) {
		entry = kmalloc(sizeof(*entry), GFP_KERNEL);
		if (!entry)
			break;
		csb_key(i, entry->key);
		entry->deadline = CSB_DEADLINE;
		if (rhashtable_insert_fast(table, &entry->node, csb_params))
			kfree(entry);
		else
			++*made;
		if (!(i % 1024))
			cond_resched();
	}
	return ktime_get_ns() - start;
}

static void csb_free_entry(void *entry, void *arg)
{
	kfree(entry);
}

/* Memory of a table: what kmalloc() takes for an entry, and the buckets. */
static u64 csb_table_bytes(struct rhashtable *table, u32 made)
{
	u64 bytes;

	rcu_read_lock();
	bytes = (u64)rcu_dereference(table->tbl)->size * sizeof(void *);
	rcu_read_unlock();
	return bytes + (u64)made * kmalloc_size_roundup(sizeof(struct csb_entry));
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
	u64 keys, hit, miss, insert, expire, t_hit, t_miss, t_insert, t_expire;
	u32 found = 0, made = 0, ignored = 0;
	struct rhashtable table;
	struct cs_seen *seen;
	int n;

	if (!entries || entries > CROWDSHARE_SEEN_MAX_LIMIT)
		return -EINVAL;
	seen = cs_seen_alloc(entries);
	if (!seen)
		return -ENOMEM;
	insert = csb_fill_seen(seen, entries);
	keys = csb_time_keys(entries, &ignored);
	hit = csb_time_seen(seen, entries, true, &found);
	miss = csb_time_seen(seen, entries, false, &found);
	n = scnprintf(result, size, "entries %u keys %llu found %u hit %llu miss %llu insert %llu "
		      "bytes %zu ", entries, keys, found, hit, miss, insert, cs_seen_bytes(seen));
	expire = ktime_get_ns();
	cs_seen_sweep(seen, csb_later);
	expire = ktime_get_ns() - expire;
	cs_seen_free(seen);

	if (rhashtable_init(&table, &csb_params))
		return -ENOMEM;
	found = 0;
	t_insert = csb_fill_table(&table, entries, &made);
	/* it grows in the background */
	flush_work(&table.run_work);
	t_hit = csb_time_table(&table, entries, true, &found);
	t_miss = csb_time_table(&table, entries, false, &found);
	keys = csb_table_bytes(&table, made);
	t_expire = ktime_get_ns();
	rhashtable_free_and_destroy(&table, csb_free_entry, NULL);
	t_expire = ktime_get_ns() - t_expire;
	scnprintf(result + n, size - n, "expire %llu rhashtable found %u hit %llu miss %llu "
		  "insert %llu bytes %llu expire %llu\n", expire, found, t_hit, t_miss, t_insert,
		  keys, t_expire);
	return 0;
}
