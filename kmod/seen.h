/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The seen-set: which messages this node knows. See seen.c.
 */
#ifndef _CS_SEEN_H
#define _CS_SEEN_H

#ifdef __KERNEL__
#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/prefetch.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/vmalloc.h>
#else
#include "kernel.h"	/* selftests/unit: the same for userspace */
#endif
#include <crowdshare/wire.h>
#include <uapi/linux/crowdshare.h>

#define CS_SEEN_WAYS		3	/* entries in a line */
#define CS_SEEN_ENTRY_BYTES	32	/* memory for an entry, at most */
#define CS_SEEN_SEGMENT_LINES	256	/* so many share a lock and take each other's overflow */
#define CS_SEEN_CHUNK_LINES	4096	/* 256 KiB: what memory is allocated in */

/*
 * A deadline is a time at which an entry may be forgotten: seconds of the wall clock, or, below
 * this value, of the boot clock. 0: no entry. No boot lasts 34 years, and no wall clock that we
 * trust stands before 2004, so the two never meet.
 */
#define CS_DEADLINE_WALL	(1U << 30)

/**
 * struct cs_now - what time it is, in seconds
 * @boot: since boot, sleep included; never steps
 * @wall: since 1970, 0 while the wall clock is not set
 */
struct cs_now {
	u32 boot;
	u32 wall;
};

/**
 * struct cs_seen_line - a bucket of the seen-set, one cache line
 * @key: first 16 bytes of the digests
 * @deadline: of each entry, 0: the place is free
 * @passed: entries that belong in this line or one before it, and stand in one behind it
 */
struct cs_seen_line {
	u64 key[CS_SEEN_WAYS][2];
	u32 deadline[CS_SEEN_WAYS];
	u32 passed;
} __aligned(64);

/**
 * struct cs_seen_segment - a run of CS_SEEN_SEGMENT_LINES lines; the last has the rest too
 * @lock: serialises all changes to the run's lines
 * @earliest: a lower bound of the deadlines of its entries, on the boot and on the wall clock
 */
struct cs_seen_segment {
	spinlock_t lock;
	u32 earliest[2];
};

/**
 * struct cs_seen - the seen-set
 * @chunks: the lines, CS_SEEN_CHUNK_LINES in each but the last
 * @segments: their locks
 * @nr_lines: number of lines
 * @nr_segments: number of @segments
 * @max: entries that it may hold
 * @epoch: no other seen-set has it, ever; not 0
 * @count: entries that it holds, expired ones that were not swept yet included
 * @forgotten: highest deadline on the wall clock of all entries forgotten so far
 * @key: of the index, so that nobody outside can aim at a line
 */
struct cs_seen {
	struct cs_seen_line **chunks;
	struct cs_seen_segment *segments;
	u32 nr_lines;
	u32 nr_segments;
	u32 max;
	u32 epoch;
	hsiphash_key_t key;
	u32 forgotten;
	atomic_t count ____cacheline_aligned;
};

enum cs_seen_result {
	CS_SEEN_NEW,
	CS_SEEN_KNOWN,
	CS_SEEN_FULL,
};

struct cs_seen *cs_seen_alloc(u32 max);
void cs_seen_free(struct cs_seen *seen);
size_t cs_seen_bytes(const struct cs_seen *seen);
u32 cs_seen_line(const struct cs_seen *seen, const u8 *digest);
u32 cs_seen_lookup(const struct cs_seen *seen, const u8 *digest, u32 line);
enum cs_seen_result cs_seen_insert(struct cs_seen *seen, const u8 *digest, u32 line, u32 deadline,
				   struct cs_now now);
u32 cs_seen_sweep(struct cs_seen *seen, struct cs_now now);
u32 cs_seen_dump(struct cs_seen *seen, u32 *line, struct crowdshare_seen_entry *entries, u32 max,
		 struct cs_now now);
int cs_seen_copy(struct cs_seen *to, struct cs_seen *from, struct cs_now now);

static inline u32 cs_seen_count(const struct cs_seen *seen)
{
	return atomic_read(&seen->count);
}

static inline struct cs_seen_line *cs_seen_at(const struct cs_seen *seen, u32 line)
{
	return &seen->chunks[line / CS_SEEN_CHUNK_LINES][line % CS_SEEN_CHUNK_LINES];
}

static inline void cs_seen_prefetch(const struct cs_seen *seen, u32 line)
{
#if defined(CONFIG_UML) && defined(CONFIG_X86_64)
	/* compiled without SSE, it has no prefetch of its own */
	asm volatile("prefetcht0 %0" : : "m" (*cs_seen_at(seen, line)));
#else
	prefetch(cs_seen_at(seen, line));
#endif
}

static inline bool cs_deadline_passed(u32 deadline, struct cs_now now)
{
	return deadline <= (deadline < CS_DEADLINE_WALL ? now.boot : now.wall);
}

/**
 * cs_deadline_left() - how long an entry lives on
 * @deadline: of the entry
 * @now: the time
 *
 * While the wall clock is not set nobody can tell for a deadline that stands on it; all of a
 * longest lifetime is on the safe side.
 *
 * Return: seconds, 0 if the deadline has passed.
 */
static inline u32 cs_deadline_left(u32 deadline, struct cs_now now)
{
	if (cs_deadline_passed(deadline, now))
		return 0;
	if (deadline < CS_DEADLINE_WALL)
		return deadline - now.boot;
	return now.wall ? deadline - now.wall : CROWDSHARE_LIFETIME_LIMIT;
}

#endif /* _CS_SEEN_H */
