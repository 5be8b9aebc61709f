// SPDX-License-Identifier: GPL-2.0
/*
 * The seen-set: a hash table of fixed size that remembers the first 16 bytes of digests until their
 * deadline.
 *
 * Layout. A line is one cache line with room for three entries of 20 bytes. There are 15 lines for
 * 32 entries of capacity, so 30 bytes an entry, and a full set fills its lines to 71 %. A digest
 * belongs in the line that hsiphash (SipHash-1-3 on machines of 64 bits) under a random key says: a
 * hash that nobody outside sees needs no more (Documentation/security/siphash.rst). If that line is
 * full the entry goes to one of the next lines of the same segment, and each line that it passed
 * counts it in @passed, so that a lookup knows when to stop: most lookups, hit or miss, touch one
 * cache line, or that and the one beside it. A segment has 256 lines or more; it overflows with a
 * probability of 2^-70 when the set is full (9.5 standard deviations of the number of entries that
 * belong in it), and an entry that finds no place is refused like any other.
 *
 * Memory is allocated in chunks of 256 KiB, which come from the kernel's linear map as long as
 * there are such pieces: it is mapped by huge pages, or not through the TLB at all, where one
 * mapping of small pages would cost a TLB miss for each lookup, dearer than the cache miss.
 *
 * Nothing unexpired is ever evicted: when @count has reached @max, a new digest is refused.
 *
 * Concurrency. cs_seen_lookup() takes no lock: it may overlook an entry that is being added, and
 * see once more one that is being forgotten, but never one that was not there: an entry's key is
 * written while its deadline is 0, and the deadline is published with a release. Who read the
 * deadline of the entry that had the place before may take the new one for known a moment early.
 * The decision is made by cs_seen_insert(), which scans again under the segment's lock. Since a
 * digest belongs in one segment, of two CPUs that insert the same digest at once exactly one is
 * told CS_SEEN_NEW. The lock is taken with softirqs disabled, as inserts come from softirq and, by
 * way of netlink, from processes, which disable them. Entries do not move while they live, so a
 * dump misses none that was there when it began.
 *
 * This file uses nothing but types, memory, spinlocks, atomics and siphash, and is compiled in
 * userspace too, for unit tests, fuzzing and benchmarks (selftests/unit).
 */
#include "seen.h"

#define CS_SEEN_REACH	(2 * CS_SEEN_SEGMENT_LINES)	/* no segment has so many lines */

static u64 cs_seen_word(const u8 *digest, int i)
{
	u64 word;

	memcpy(&word, digest + i * sizeof(word), sizeof(word));
	return word;
}

/**
 * cs_seen_line() - the line in which a digest belongs
 * @seen: the seen-set
 * @digest: at least CS_SEEN_KEY_LEN bytes
 *
 * Context: any.
 * Return: index of the line.
 */
u32 cs_seen_line(const struct cs_seen *seen, const u8 *digest)
{
	u64 k0 = cs_seen_word(digest, 0), k1 = cs_seen_word(digest, 1);
	u32 hash = hsiphash_4u32((u32)k0, (u32)(k0 >> 32), (u32)k1, (u32)(k1 >> 32), &seen->key);

	return reciprocal_scale(hash, seen->nr_lines);
}

/* The line behind @line, wrapping within the segment. */
static u32 cs_seen_next(const struct cs_seen *seen, u32 line)
{
	u32 last = (seen->nr_segments - 1) * CS_SEEN_SEGMENT_LINES;

	line++;
	if (unlikely(line > last))
		return line < seen->nr_lines ? line : last;
	return line % CS_SEEN_SEGMENT_LINES ? line : line - CS_SEEN_SEGMENT_LINES;
}

static u32 cs_seen_segment_of(const struct cs_seen *seen, u32 line)
{
	return min(line / CS_SEEN_SEGMENT_LINES, seen->nr_segments - 1);
}

static struct cs_seen_segment *cs_seen_segment(struct cs_seen *seen, u32 line)
{
	return &seen->segments[cs_seen_segment_of(seen, line)];
}

/* The line behind the last one of a segment. */
static u32 cs_seen_segment_end(const struct cs_seen *seen, u32 segment)
{
	return segment < seen->nr_segments - 1 ? (segment + 1) * CS_SEEN_SEGMENT_LINES :
						 seen->nr_lines;
}

/* Is an entry with this key in the line? Its deadline, or 0. */
static u32 cs_seen_match(const struct cs_seen_line *line, u64 k0, u64 k1)
{
	u32 deadline = 0, at;
	u64 differs;
	int i;

	/* no branches: which place it is can't be predicted */
	for (i = 0; i < CS_SEEN_WAYS; i++) {
		/* pairs with the release in cs_seen_put() */
		at = smp_load_acquire(&line->deadline[i]);
		differs = READ_ONCE(line->key[i][0]) ^ k0;
		differs |= READ_ONCE(line->key[i][1]) ^ k1;
		deadline |= differs ? 0 : at;
	}
	return deadline;
}

/**
 * cs_seen_lookup() - is a digest known
 * @seen: the seen-set
 * @digest: at least CS_SEEN_KEY_LEN bytes
 * @line: cs_seen_line() of @digest
 *
 * A digest that another CPU is just adding may be overlooked.
 *
 * Context: any, takes no lock.
 * Return: deadline of the entry, 0 if there is none.
 */
u32 cs_seen_lookup(const struct cs_seen *seen, const u8 *digest, u32 line)
{
	u64 k0 = cs_seen_word(digest, 0), k1 = cs_seen_word(digest, 1);
	const struct cs_seen_line *l;
	u32 i, deadline;

	for (i = 0; i < CS_SEEN_REACH; i++) {
		l = cs_seen_at(seen, line);
		deadline = cs_seen_match(l, k0, k1);
		if (deadline)
			return deadline;
		if (!READ_ONCE(l->passed))
			return 0;
		line = cs_seen_next(seen, line);
	}
	return 0;
}

/* Adds @by to the count of all lines from @from up to, and without, @to. Segment's lock held. */
static void cs_seen_pass(struct cs_seen *seen, u32 from, u32 to, int by)
{
	struct cs_seen_line *l;

	for (; from != to; from = cs_seen_next(seen, from)) {
		l = cs_seen_at(seen, from);
		WRITE_ONCE(l->passed, l->passed + by);
	}
}

/* An entry with this deadline is not remembered any more. */
static void cs_seen_forget(struct cs_seen *seen, u32 deadline)
{
	u32 old;

	if (deadline < CS_DEADLINE_WALL)
		return;
	/* other segments do the same under their own locks */
	old = READ_ONCE(seen->forgotten);
	while (old < deadline && !try_cmpxchg(&seen->forgotten, &old, deadline))
		;
}

/* Forgets the entry in a place. Segment's lock held. */
static void cs_seen_clear(struct cs_seen *seen, u32 line, int way)
{
	struct cs_seen_line *l = cs_seen_at(seen, line);
	u32 deadline = l->deadline[way];

	WRITE_ONCE(l->deadline[way], 0);
	cs_seen_pass(seen, cs_seen_line(seen, (const u8 *)l->key[way]), line, -1);
	atomic_dec(&seen->count);
	cs_seen_forget(seen, deadline);
}

/* Writes an entry into a free place. Segment's lock held. */
static void cs_seen_put(struct cs_seen *seen, u32 home, u32 line, int way, const u8 *digest,
			u32 deadline)
{
	u32 *earliest = &cs_seen_segment(seen, line)->earliest[deadline >= CS_DEADLINE_WALL];
	struct cs_seen_line *l = cs_seen_at(seen, line);

	WRITE_ONCE(l->key[way][0], cs_seen_word(digest, 0));
	WRITE_ONCE(l->key[way][1], cs_seen_word(digest, 1));
	/* the key must be whole before a lookup takes it for an entry's */
	smp_store_release(&l->deadline[way], deadline);
	cs_seen_pass(seen, home, line, 1);
	if (deadline < *earliest)
		WRITE_ONCE(*earliest, deadline);
}

/*
 * The first place at or behind @line that is free or whose entry has expired; an expired one is
 * cleared. Segment's lock held. Returns the way and sets @line, or -1.
 */
static int cs_seen_find_place(struct cs_seen *seen, u32 *line, struct cs_now now)
{
	struct cs_seen_line *l;
	u32 i;
	int way;

	for (i = 0; i < CS_SEEN_REACH; i++) {
		l = cs_seen_at(seen, *line);
		for (way = 0; way < CS_SEEN_WAYS; way++) {
			if (l->deadline[way] && !cs_deadline_passed(l->deadline[way], now))
				continue;
			if (l->deadline[way])
				cs_seen_clear(seen, *line, way);
			return way;
		}
		*line = cs_seen_next(seen, *line);
	}
	return -1;
}

/* Takes one of the places that @max allows. */
static bool cs_seen_reserve(struct cs_seen *seen)
{
	int count = atomic_read(&seen->count);

	do {
		if ((u32)count >= seen->max)
			return false;
	} while (!atomic_try_cmpxchg(&seen->count, &count, count + 1));
	return true;
}

/* Is it worth to look for expired entries in a segment? */
static bool cs_seen_expired(const struct cs_seen_segment *segment, struct cs_now now)
{
	return READ_ONCE(segment->earliest[0]) <= now.boot ||
	       READ_ONCE(segment->earliest[1]) <= now.wall;
}

/* Forgets the expired entries of a segment and finds its earliest deadlines. Its lock held. */
static u32 cs_seen_sweep_segment(struct cs_seen *seen, struct cs_seen_segment *segment,
				 struct cs_now now)
{
	u32 index = segment - seen->segments, line = index * CS_SEEN_SEGMENT_LINES;
	u32 end = cs_seen_segment_end(seen, index), deadline, swept = 0;
	u32 earliest[2] = { U32_MAX, U32_MAX };
	struct cs_seen_line *l;
	int way;

	for (; line < end; line++) {
		l = cs_seen_at(seen, line);
		for (way = 0; way < CS_SEEN_WAYS; way++) {
			deadline = l->deadline[way];
			if (!deadline)
				continue;
			if (cs_deadline_passed(deadline, now)) {
				cs_seen_clear(seen, line, way);
				swept++;
				continue;
			}
			if (deadline < earliest[deadline >= CS_DEADLINE_WALL])
				earliest[deadline >= CS_DEADLINE_WALL] = deadline;
		}
	}
	WRITE_ONCE(segment->earliest[0], earliest[0]);
	WRITE_ONCE(segment->earliest[1], earliest[1]);
	return swept;
}

/**
 * cs_seen_insert() - remember a digest unless it is known: atomic test-and-insert
 * @seen: the seen-set
 * @digest: at least CS_SEEN_KEY_LEN bytes
 * @line: cs_seen_line() of @digest
 * @deadline: when it may be forgotten, not 0
 * @now: the time
 *
 * Context: softirq, or softirqs disabled; takes the segment's lock.
 * Return: CS_SEEN_NEW to exactly one of all callers that come with the same digest before
 * @deadline, CS_SEEN_KNOWN to the others, CS_SEEN_FULL if there is no place; then nothing changed.
 */
enum cs_seen_result cs_seen_insert(struct cs_seen *seen, const u8 *digest, u32 line, u32 deadline,
				   struct cs_now now)
{
	struct cs_seen_segment *segment = cs_seen_segment(seen, line);
	enum cs_seen_result result = CS_SEEN_KNOWN;
	u32 place = line;
	int way;

	spin_lock(&segment->lock);
	if (cs_seen_lookup(seen, digest, line))
		goto out;
	result = CS_SEEN_FULL;
	/* when all are taken some may have expired since the last sweep */
	if (!cs_seen_reserve(seen) &&
	    !(cs_seen_expired(segment, now) && cs_seen_sweep_segment(seen, segment, now) &&
	      cs_seen_reserve(seen)))
		goto out;
	way = cs_seen_find_place(seen, &place, now);
	if (way < 0) {
		atomic_dec(&seen->count);
		goto out;
	}
	cs_seen_put(seen, line, place, way, digest, deadline);
	result = CS_SEEN_NEW;
out:
	spin_unlock(&segment->lock);
	return result;
}

/**
 * cs_seen_sweep() - forget what has expired
 * @seen: the seen-set
 * @now: the time
 *
 * Looks only into segments in which something has expired, so it is cheap to call every second.
 *
 * Context: process; takes one segment's lock at a time.
 * Return: number of entries forgotten.
 */
u32 cs_seen_sweep(struct cs_seen *seen, struct cs_now now)
{
	struct cs_seen_segment *segment = seen->segments, *end;
	u32 swept = 0;

	for (end = segment + seen->nr_segments; segment < end; segment++) {
		if (!cs_seen_expired(segment, now))
			continue;
		spin_lock_bh(&segment->lock);
		swept += cs_seen_sweep_segment(seen, segment, now);
		spin_unlock_bh(&segment->lock);
		cond_resched();
	}
	return swept;
}

/**
 * cs_seen_dump() - read entries in bulk
 * @seen: the seen-set
 * @line: where to go on, 0 at first; nr_lines when all is read
 * @entries: where they go
 * @max: how many fit, at least CS_SEEN_WAYS
 * @now: the time
 *
 * Context: process; takes one segment's lock at a time.
 * Return: number of entries.
 */
u32 cs_seen_dump(struct cs_seen *seen, u32 *line, struct crowdshare_seen_entry *entries, u32 max,
		 struct cs_now now)
{
	struct cs_seen_segment *segment;
	struct cs_seen_line *l;
	u32 n = 0, left, end;
	int way;

	while (*line < seen->nr_lines && n + CS_SEEN_WAYS <= max) {
		segment = cs_seen_segment(seen, *line);
		end = cs_seen_segment_end(seen, segment - seen->segments);
		spin_lock_bh(&segment->lock);
		do {
			l = cs_seen_at(seen, *line);
			for (way = 0; way < CS_SEEN_WAYS; way++) {
				left = cs_deadline_left(l->deadline[way], now);
				if (!left)
					continue;
				memcpy(entries[n].digest, l->key[way], CS_SEEN_KEY_LEN);
				entries[n++].left = left;
			}
			++*line;
		} while (*line < end && n + CS_SEEN_WAYS <= max);
		spin_unlock_bh(&segment->lock);
	}
	return n;
}

/**
 * cs_seen_copy() - take over the entries of another seen-set
 * @to: an empty seen-set that nobody else uses yet
 * @from: a seen-set that nobody changes meanwhile
 * @now: the time
 *
 * Context: process.
 * Return: 0, or -ENOSPC if not all that live fit into @to.
 */
int cs_seen_copy(struct cs_seen *to, struct cs_seen *from, struct cs_now now)
{
	struct cs_seen_line *l;
	const u8 *digest;
	u32 line;
	int way, err = 0;

	to->forgotten = from->forgotten;
	local_bh_disable();
	for (line = 0; !err && line < from->nr_lines; line++) {
		l = cs_seen_at(from, line);
		for (way = 0; way < CS_SEEN_WAYS; way++) {
			digest = (const u8 *)l->key[way];
			if (!l->deadline[way])
				continue;
			if (cs_deadline_passed(l->deadline[way], now)) {
				cs_seen_forget(to, l->deadline[way]);
				continue;
			}
			if (cs_seen_insert(to, digest, cs_seen_line(to, digest), l->deadline[way],
					   now) == CS_SEEN_FULL)
				err = -ENOSPC;
		}
		if (line % CS_SEEN_SEGMENT_LINES)
			continue;
		local_bh_enable();
		cond_resched();
		local_bh_disable();
	}
	local_bh_enable();
	return err;
}

/* Bytes of a chunk: all are of the same size but the last. */
static size_t cs_seen_chunk_bytes(const struct cs_seen *seen, u32 chunk)
{
	u32 lines = min(seen->nr_lines - chunk * CS_SEEN_CHUNK_LINES, (u32)CS_SEEN_CHUNK_LINES);

	return lines * sizeof(struct cs_seen_line);
}

static u32 cs_seen_nr_chunks(const struct cs_seen *seen)
{
	return DIV_ROUND_UP(seen->nr_lines, CS_SEEN_CHUNK_LINES);
}

static bool cs_seen_alloc_chunks(struct cs_seen *seen, gfp_t flags)
{
	size_t bytes;
	u32 i;

	seen->chunks = kvcalloc(cs_seen_nr_chunks(seen), sizeof(*seen->chunks), flags);
	if (!seen->chunks)
		return false;
	for (i = 0; i < cs_seen_nr_chunks(seen); i++) {
		bytes = cs_seen_chunk_bytes(seen, i);
		/* a piece of the linear map is a power of two, which the last one is not */
		seen->chunks[i] = is_power_of_2(bytes) ? kvzalloc(bytes, flags) :
							 __vmalloc(bytes, flags | __GFP_ZERO);
		if (!seen->chunks[i])
			return false;
		cond_resched();
	}
	return true;
}

static bool cs_seen_alloc_segments(struct cs_seen *seen, gfp_t flags)
{
	u32 i;

	seen->segments = kvcalloc(seen->nr_segments, sizeof(*seen->segments), flags);
	if (!seen->segments)
		return false;
	for (i = 0; i < seen->nr_segments; i++) {
		spin_lock_init(&seen->segments[i].lock);
		memset(seen->segments[i].earliest, 0xff, sizeof(seen->segments[i].earliest));
	}
	return true;
}

/**
 * cs_seen_alloc() - make an empty seen-set
 * @max: entries that it holds, 1 to CROWDSHARE_SEEN_MAX_LIMIT
 *
 * Context: process; may sleep. The memory is charged to the caller's cgroup.
 * Return: the seen-set, or NULL.
 */
struct cs_seen *cs_seen_alloc(u32 max)
{
	/* rather fail than have the OOM killer make room */
	const gfp_t flags = GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN;
	static atomic_t epochs = ATOMIC_INIT(0);
	struct cs_seen *seen;

	seen = kzalloc(sizeof(*seen), flags);
	if (!seen)
		return NULL;
	seen->max = max;
	seen->epoch = atomic_inc_return(&epochs);
	/* 15 lines for 32 entries */
	seen->nr_lines = (u32)DIV_ROUND_UP_ULL((u64)max * 15, 32);
	seen->nr_segments = seen->nr_lines / CS_SEEN_SEGMENT_LINES ?: 1;
	get_random_bytes(&seen->key, sizeof(seen->key));
	if (!cs_seen_alloc_chunks(seen, flags) || !cs_seen_alloc_segments(seen, flags)) {
		cs_seen_free(seen);
		return NULL;
	}
	return seen;
}

/**
 * cs_seen_free() - undo cs_seen_alloc()
 * @seen: the seen-set, or NULL
 *
 * Context: process, when nobody uses it any more.
 */
void cs_seen_free(struct cs_seen *seen)
{
	u32 i;

	if (!seen)
		return;
	for (i = 0; seen->chunks && i < cs_seen_nr_chunks(seen); i++)
		kvfree(seen->chunks[i]);
	kvfree(seen->chunks);
	kvfree(seen->segments);
	kfree(seen);
}

/**
 * cs_seen_bytes() - memory that a seen-set takes
 * @seen: the seen-set
 *
 * Return: bytes, all included.
 */
size_t cs_seen_bytes(const struct cs_seen *seen)
{
	return sizeof(*seen) + cs_seen_nr_chunks(seen) * sizeof(*seen->chunks) +
	       (size_t)seen->nr_lines * sizeof(struct cs_seen_line) +
	       (size_t)seen->nr_segments * sizeof(*seen->segments);
}
