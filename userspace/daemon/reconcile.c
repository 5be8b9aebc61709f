// SPDX-License-Identifier: GPL-2.0
/*
 * Set reconciliation with rateless invertible Bloom lookup tables.
 *
 * Source: L. Yang, Y. Gilad, M. Alizadeh: "Practical Rateless Set Reconciliation", SIGCOMM 2024
 * (arXiv 2402.02668). Side A sends an endless stream of coded symbols of its set, of which symbol i
 * holds the sum (exclusive or) of the ids that are mapped to it, the sum of their hashes, and their
 * count. Side B subtracts the same symbols of its own set, so that what both have vanishes, and
 * peels: a symbol in which one id is left gives it away, and the id is taken out of all other
 * symbols. About 1.35 symbols for each id of the difference suffice, whatever the sets' size; no
 * guess at the difference is needed, and no symbol is ever sent in vain but those under way.
 *
 * An id is mapped to symbol i with probability 1 / (1 + alpha * i), alpha = 1/2. From symbol i the
 * next one that it is mapped to is drawn from the inverse of the distribution:
 *
 *	P(next > j) = product over i < k <= j of k / (k + 2) = (i+1) (i+2) / ((j+1) (j+2))
 *
 * so next is the least j > i with (j+1) (j+2) (r+1) >= (i+1) (i+2) 2^32, for a random r of 32 bits.
 * The paper computes that with square roots of doubles. Here it is all whole numbers of 64 bits, so
 * that the symbols are the same on every machine, the small ones without a floating point unit
 * included.
 *
 * The hash is SipHash-2-4 (J.-P. Aumasson, D. J. Bernstein, INDOCRYPT 2012) keyed by the salt of
 * this one reconciliation; r is drawn from it (splitmix64, G. Steele, D. Lea, C. Flood, OOPSLA
 * 2014). So nobody who makes messages can aim their ids at a mapping or at each other.
 *
 * On the wire a symbol is the sum of ids as it is, the sum of hashes and the count big-endian.
 *
 * What comes from the other side is hostile. An id is believed only if the keyed hash says so, the
 * symbol that gave it is one that it is mapped to, and it is (not) in our set as its sign demands;
 * and there are at most as many as symbols. Memory is in proportion to our set and what was sent.
 *
 * A struct reconcile belongs to one thread, and is an encoder or a decoder, not both.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/reconcile.h"

#define INDEX_MAX	(1u << 30)	/* a symbol behind it is never reached */
#define NEVER		UINT32_MAX
#define PIECE		256		/* symbols that are made at a time */
#define SLACK		64		/* symbols that a tiny difference may take in vain */

/**
 * struct entry - an id of a set
 * @id: the id
 * @hash: its keyed hash
 */
struct entry {
	uint8_t		id[RECONCILE_ID_LEN];
	uint64_t	hash;
};

/**
 * struct due - an entry's place in the heap
 * @symbol: the next one that the entry is mapped to
 * @entry: its number
 */
struct due {
	uint32_t	symbol;
	uint32_t	entry;
};

/**
 * struct set - entries, and what they are mapped to next
 * @entry: the entries
 * @count: their number
 * @room: memory of @entry
 * @heap: least symbol first; one for each entry that is waiting
 * @waiting: number in @heap
 * @heap_room: memory of @heap
 * @heaped: @heap is in order
 */
struct set {
	struct entry	*entry;
	size_t		count;
	size_t		room;
	struct due	*heap;
	size_t		waiting;
	size_t		heap_room;
	bool		heaped;
};

/**
 * struct symbol - a coded symbol
 * @id: sum of ids
 * @hash: sum of hashes
 * @count: number of ids; theirs less ours in a decoder
 */
struct symbol {
	uint8_t		id[RECONCILE_ID_LEN];
	uint64_t	hash;
	int32_t		count;
};

enum role { ADDING, ENCODER, DECODER, FAILED };

/**
 * struct reconcile - one side of a reconciliation
 * @key: of the hash
 * @role: what it was used for
 * @unsorted: ids were not added in ascending order
 * @own: our set
 * @at: the next symbol
 * @limit: the most symbols that are kept
 * @symbol: those received, what is known subtracted
 * @room: memory of @symbol
 * @peeled: what was found, theirs and ours
 * @sign: of each of @peeled, 1: theirs, -1: ours
 * @sign_room: memory of @sign
 * @pending: symbols to be looked at, numbers
 * @nr_pending: their number
 * @pending_room: memory of @pending
 * @theirs: size of the other side's set, as its first symbol says
 * @result: ids for the caller
 */
struct reconcile {
	uint64_t	key[2];
	enum role	role;
	bool		unsorted;
	struct set	own;
	uint32_t	at;
	size_t		limit;
	struct symbol	*symbol;
	size_t		room;
	struct set	peeled;
	int8_t		*sign;
	size_t		sign_room;
	uint32_t	*pending;
	size_t		nr_pending;
	size_t		pending_room;
	size_t		theirs;
	uint8_t		*result;
};

static uint64_t get_le64(const uint8_t *p)
{
	uint64_t value = 0;
	int i;

	for (i = 7; i >= 0; i--)
		value = value << 8 | p[i];
	return value;
}

static uint64_t rotl(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], int n)
{
	while (n--) {
		v[0] += v[1];
		v[1] = rotl(v[1], 13) ^ v[0];
		v[0] = rotl(v[0], 32);
		v[2] += v[3];
		v[3] = rotl(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotl(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotl(v[1], 17) ^ v[2];
		v[2] = rotl(v[2], 32);
	}
}

/* SipHash-2-4 of the 16 bytes of an id */
static uint64_t hash_of(const struct reconcile *reconcile, const uint8_t *id)
{
	uint64_t k0 = reconcile->key[0], k1 = reconcile->key[1];
	uint64_t v[4] = { k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
			  k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573 };
	uint64_t words[3] = { get_le64(id), get_le64(id + 8), (uint64_t)RECONCILE_ID_LEN << 56 };
	int i;

	for (i = 0; i < 3; i++) {
		v[3] ^= words[i];
		sip_rounds(v, 2);
		v[0] ^= words[i];
	}
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/*
 * The least s with s * s >= x, for 0 < x < 2^63. Heron's rule on x shifted left until one of its
 * first two bits is set: each step has twice as many right bits as the one before, of 2, 4, 8, 16
 * and 32 that are wanted.
 */
static uint64_t root_up(uint64_t x)
{
	unsigned int shift = __builtin_clzll(x) & ~1u;
	uint64_t n = x << shift, root;
	uint32_t u = 1 + (n >> 62);

	u = (u << 1) + (uint32_t)(n >> 59) / u;
	u = (u << 3) + (uint32_t)(n >> 53) / u;
	u = (u << 7) + (uint32_t)(n >> 41) / u;
	root = (((uint64_t)u << 15) + (n >> 17) / u) >> shift / 2;
	while (root * root < x)
		root++;
	while ((root - 1) * (root - 1) >= x)
		root--;
	return root;
}

/*
 * The next symbol after @i that an entry with this hash is mapped to. (i+1) (i+2) 2^32 / (r+1) is
 * divided as by hand, in digits of 32 bits: with i < 2^30 nothing overflows.
 */
static uint32_t next_symbol(uint64_t hash, uint32_t i)
{
	uint64_t z = hash + (i + 1ull) * 0x9e3779b97f4a7c15, divisor, product, high, low, j;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	divisor = ((z ^ z >> 31) >> 32) + 1;
	product = (i + 1ull) * (i + 2ull);
	high = product / divisor;
	if (high >= 1ull << 28)
		return NEVER;
	low = (product % divisor) << 32;
	product = (high << 32) + low / divisor + !!(low % divisor);
	/* (j+1) (j+2) >= p is (2j+3)^2 >= 4p + 1 */
	j = (root_up(4 * product + 1) - 2) / 2;
	if (j <= i)
		j = i + 1ull;
	return j < INDEX_MAX ? j : NEVER;
}

/* Puts the entry at @at where it belongs. */
static void sift_down(struct set *set, size_t at)
{
	struct due *heap = set->heap, moved = heap[at];
	size_t child;

	while ((child = 2 * at + 1) < set->waiting) {
		if (child + 1 < set->waiting && heap[child + 1].symbol < heap[child].symbol)
			child++;
		if (moved.symbol <= heap[child].symbol)
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moved;
}

static void sift_up(struct set *set, struct due due)
{
	struct due *heap = set->heap;
	size_t at = set->waiting++;

	while (at && due.symbol < heap[(at - 1) / 2].symbol) {
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = due;
}

static void add_to(struct symbol *symbol, const struct entry *entry, int sign)
{
	int i;

	for (i = 0; i < RECONCILE_ID_LEN; i++)
		symbol->id[i] ^= entry->id[i];
	symbol->hash ^= entry->hash;
	/* hostile counts may overflow; whole sets do not */
	symbol->count = (uint32_t)symbol->count + (uint32_t)sign;
}

/* Adds what is mapped to symbol @at; each entry with the opposite of its @sign, if there is one. */
static void collect(struct set *set, uint32_t at, struct symbol *symbol, const int8_t *sign)
{
	const struct entry *entry;
	struct due *top = set->heap;

	while (set->waiting && top->symbol == at) {
		entry = &set->entry[top->entry];
		add_to(symbol, entry, sign ? -sign[top->entry] : 1);
		top->symbol = next_symbol(entry->hash, at);
		sift_down(set, 0);
	}
}

/* The same for @count symbols from @at on, by looking at each entry once. */
static void sweep(struct set *set, uint32_t at, struct symbol *symbols, size_t count)
{
	const struct entry *entry;
	struct due *due;
	size_t i;

	for (i = 0; i < set->waiting; i++) {
		due = &set->heap[i];
		entry = &set->entry[due->entry];
		while (due->symbol < at + count) {
			add_to(&symbols[due->symbol - at], entry, 1);
			due->symbol = next_symbol(entry->hash, due->symbol);
		}
	}
	set->heaped = false;
}

/*
 * Symbols of a set, the next ones from @at on. A few are collected by the heap, so that each costs
 * only the entries that are mapped to it. Where there are many, so that most entries are in one of
 * them anyway, it is faster to go through all entries in the order in which they lie.
 */
static void make_symbols(struct set *set, uint32_t at, struct symbol *symbols, size_t count)
{
	size_t i;

	memset(symbols, 0, count * sizeof(*symbols));
	if (count > at / 16) {
		sweep(set, at, symbols, count);
		return;
	}
	for (i = set->heaped ? 0 : set->waiting / 2; i > 0; i--)
		sift_down(set, i - 1);
	set->heaped = true;
	for (i = 0; i < count; i++)
		collect(set, at + i, &symbols[i], NULL);
}

/*
 * Room for @count elements of @size bytes each, growing by a quarter: the array, or NULL if there
 * is no memory.
 */
static void *grow(void *array, size_t *room, size_t count, size_t size)
{
	size_t more = *room + *room / 4 + 16;
	void *grown;

	if (count <= *room)
		return array;
	if (more < count)
		more = count;
	if (more > SIZE_MAX / size)
		return NULL;
	grown = realloc(array, more * size);
	if (grown)
		*room = more;
	return grown;
}

/**
 * reconcile_new() - begin one side of a reconciliation
 * @salt: what both sides agree on; random, and new each time
 *
 * Return: an empty set for reconcile_free(), or NULL if there is no memory.
 */
struct reconcile *reconcile_new(const uint8_t salt[RECONCILE_SALT_LEN])
{
	struct reconcile *reconcile = calloc(1, sizeof(*reconcile));

	if (!reconcile)
		return NULL;
	reconcile->key[0] = get_le64(salt);
	reconcile->key[1] = get_le64(salt + 8);
	reconcile->limit = RECONCILE_SYMBOLS_MAX;
	return reconcile;
}

/**
 * reconcile_add() - add an id to the set
 * @reconcile: the side
 * @id: the id; again is no harm. Ascending order saves the sorting.
 *
 * Return: 0, -EBUSY once symbols were made or decoded, -ENOMEM, -ENOSPC beyond RECONCILE_MAX.
 */
int reconcile_add(struct reconcile *reconcile, const uint8_t id[RECONCILE_ID_LEN])
{
	struct set *own = &reconcile->own;
	struct entry *entry;
	int order;

	if (reconcile->role != ADDING)
		return -EBUSY;
	if (own->count >= RECONCILE_MAX)
		return -ENOSPC;
	order = own->count ? memcmp(own->entry[own->count - 1].id, id, RECONCILE_ID_LEN) : -1;
	if (!order)
		return 0;
	entry = grow(own->entry, &own->room, own->count + 1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	own->entry = entry;
	reconcile->unsorted |= order > 0;
	memcpy(entry[own->count].id, id, RECONCILE_ID_LEN);
	entry[own->count++].hash = hash_of(reconcile, id);
	return 0;
}

/**
 * reconcile_count() - how large our set is
 * @reconcile: the side
 *
 * Return: number of ids added; before the first symbol one added twice may count twice.
 */
size_t reconcile_count(const struct reconcile *reconcile)
{
	return reconcile->own.count;
}

/**
 * reconcile_free() - end
 * @reconcile: the side, may be NULL; results that it gave are gone too
 */
void reconcile_free(struct reconcile *reconcile)
{
	if (!reconcile)
		return;
	free(reconcile->own.entry);
	free(reconcile->own.heap);
	free(reconcile->peeled.entry);
	free(reconcile->peeled.heap);
	free(reconcile->symbol);
	free(reconcile->sign);
	free(reconcile->pending);
	free(reconcile->result);
	free(reconcile);
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, RECONCILE_ID_LEN);
}

/* The set is complete: in order, each id once, all due at symbol 0. */
static int fix(struct reconcile *reconcile, enum role role)
{
	struct set *own = &reconcile->own;
	size_t i, n = 0;

	if (reconcile->role != ADDING)
		return reconcile->role == role ? 0 : -EINVAL;
	if (reconcile->unsorted)
		qsort(own->entry, own->count, sizeof(*own->entry), compare);
	for (i = 0; i < own->count; i++)
		if (!n || compare(&own->entry[n - 1], &own->entry[i]))
			own->entry[n++] = own->entry[i];
	own->count = n;
	own->heap = n ? malloc(n * sizeof(*own->heap)) : NULL;
	if (n && !own->heap)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		own->heap[i] = (struct due){ 0, i };
	own->waiting = own->heap_room = n;
	reconcile->role = role;
	return 0;
}

static void put_be(uint8_t *p, uint64_t value, int bytes)
{
	while (bytes--)
		*p++ = value >> (8 * bytes);
}

static uint64_t get_be(const uint8_t *p, int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | *p++;
	return value;
}

/**
 * reconcile_symbols() - the next symbols of our set
 * @reconcile: the encoder
 * @out: gets @count times RECONCILE_SYMBOL_LEN bytes
 * @count: how many
 *
 * Return: how many were made: @count; less only without memory, or beyond a thousand million, or if
 * this is a decoder.
 */
size_t reconcile_symbols(struct reconcile *reconcile, uint8_t *out, size_t count)
{
	struct symbol symbols[PIECE];
	size_t i, n, done = 0;

	if (fix(reconcile, ENCODER))
		return 0;
	if (count > INDEX_MAX - reconcile->at)
		count = INDEX_MAX - reconcile->at;
	for (; done < count; done += n) {
		n = count - done < PIECE ? count - done : PIECE;
		make_symbols(&reconcile->own, reconcile->at, symbols, n);
		reconcile->at += n;
		for (i = 0; i < n; i++, out += RECONCILE_SYMBOL_LEN) {
			memcpy(out, symbols[i].id, RECONCILE_ID_LEN);
			put_be(out + RECONCILE_ID_LEN, symbols[i].hash, 8);
			put_be(out + RECONCILE_ID_LEN + 8, (uint32_t)symbols[i].count, 4);
		}
	}
	return done;
}

/**
 * reconcile_limit() - bound the memory of a decoder
 * @reconcile: the decoder
 * @symbols: the most that it keeps, 32 bytes each; beyond it gives up with -ENOBUFS
 */
void reconcile_limit(struct reconcile *reconcile, size_t symbols)
{
	reconcile->limit = symbols < INDEX_MAX ? symbols : INDEX_MAX;
}

static bool is_zero(const struct symbol *symbol)
{
	static const struct symbol zero;

	return !symbol->count && !symbol->hash && !memcmp(symbol->id, zero.id, sizeof(zero.id));
}

/* One id is left, and the hash says that it is one. */
static bool is_pure(const struct reconcile *reconcile, const struct symbol *symbol)
{
	return (symbol->count == 1 || symbol->count == -1) &&
	       symbol->hash == hash_of(reconcile, symbol->id);
}

static bool is_ours(const struct reconcile *reconcile, const uint8_t *id)
{
	const struct set *own = &reconcile->own;

	return own->count && bsearch(id, own->entry, own->count, sizeof(*own->entry), compare);
}

static int look_at(struct reconcile *reconcile, uint32_t at)
{
	uint32_t *pending;

	if (!is_pure(reconcile, &reconcile->symbol[at]))
		return 0;
	pending = grow(reconcile->pending, &reconcile->pending_room, reconcile->nr_pending + 1,
		       sizeof(*pending));
	if (!pending)
		return -ENOMEM;
	reconcile->pending = pending;
	pending[reconcile->nr_pending++] = at;
	return 0;
}

static int peeled_room(struct reconcile *reconcile)
{
	struct set *peeled = &reconcile->peeled;
	struct entry *entry;
	struct due *heap;
	int8_t *sign;

	sign = grow(reconcile->sign, &reconcile->sign_room, peeled->count + 1, sizeof(*sign));
	if (!sign)
		return -ENOMEM;
	reconcile->sign = sign;
	heap = grow(peeled->heap, &peeled->heap_room, peeled->count + 1, sizeof(*heap));
	if (!heap)
		return -ENOMEM;
	peeled->heap = heap;
	entry = grow(peeled->entry, &peeled->room, peeled->count + 1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	peeled->entry = entry;
	return 0;
}

/* Takes the id of the pure symbol @from out of all symbols that came, and of those to come. */
static int peel(struct reconcile *reconcile, uint32_t from)
{
	int sign = reconcile->symbol[from].count;
	struct set *peeled = &reconcile->peeled;
	bool mapped = false;
	struct entry entry;
	struct due due;

	memcpy(entry.id, reconcile->symbol[from].id, RECONCILE_ID_LEN);
	entry.hash = reconcile->symbol[from].hash;
	if (peeled->count >= reconcile->at || is_ours(reconcile, entry.id) != (sign < 0))
		return -EBADMSG;
	if (peeled_room(reconcile))
		return -ENOMEM;
	due.entry = peeled->count;
	reconcile->sign[peeled->count] = sign;
	peeled->entry[peeled->count++] = entry;
	for (due.symbol = 0; due.symbol < reconcile->at;
	     due.symbol = next_symbol(entry.hash, due.symbol)) {
		add_to(&reconcile->symbol[due.symbol], &entry, -sign);
		mapped |= due.symbol == from;
		if (look_at(reconcile, due.symbol))
			return -ENOMEM;
	}
	if (due.symbol != NEVER)
		sift_up(peeled, due);
	return mapped ? 0 : -EBADMSG;
}

/* A symbol that came: what is ours, @own, and what was found, is subtracted. */
static int receive(struct reconcile *reconcile, const uint8_t *bytes, const struct symbol *own)
{
	uint32_t at = reconcile->at, count = get_be(bytes + RECONCILE_ID_LEN + 8, 4);
	struct symbol *symbol;
	int i;

	if (!at)
		reconcile->theirs = count;
	/* all ids are mapped to the first symbol, and each at most once to another */
	if (reconcile->theirs > RECONCILE_MAX || count > reconcile->theirs)
		return -EBADMSG;
	if (at >= reconcile->limit)
		return -ENOBUFS;
	if (at / 4 > reconcile->own.count + reconcile->theirs + SLACK)
		return -EBADMSG;
	symbol = grow(reconcile->symbol, &reconcile->room, at + 1ull, sizeof(*symbol));
	if (!symbol)
		return -ENOMEM;
	reconcile->symbol = symbol;
	symbol += at;
	for (i = 0; i < RECONCILE_ID_LEN; i++)
		symbol->id[i] = bytes[i] ^ own->id[i];
	symbol->hash = get_be(bytes + RECONCILE_ID_LEN, 8) ^ own->hash;
	symbol->count = count - (uint32_t)own->count;
	collect(&reconcile->peeled, at, symbol, reconcile->sign);
	reconcile->at++;
	return look_at(reconcile, at);
}

/* The ids found, each once, theirs first. */
static int finish(struct reconcile *reconcile, struct reconcile_diff *diff)
{
	const struct set *peeled = &reconcile->peeled;
	size_t i, n = 0, count = peeled->count;
	int sign;

	free(reconcile->result);
	reconcile->result = malloc(count ? count * RECONCILE_ID_LEN : 1);
	if (!reconcile->result)
		return -ENOMEM;
	for (sign = 1; sign >= -1; sign -= 2) {
		for (i = 0; i < count; i++)
			if (reconcile->sign[i] == sign)
				memcpy(reconcile->result + n++ * RECONCILE_ID_LEN,
				       peeled->entry[i].id, RECONCILE_ID_LEN);
		if (sign > 0)
			diff->nr_theirs = n;
	}
	diff->nr_ours = n - diff->nr_theirs;
	diff->theirs = reconcile->result;
	diff->ours = reconcile->result + diff->nr_theirs * RECONCILE_ID_LEN;
	qsort(diff->theirs, diff->nr_theirs, RECONCILE_ID_LEN, compare);
	qsort(diff->ours, diff->nr_ours, RECONCILE_ID_LEN, compare);
	for (i = 1; i < count; i++)
		if (!compare(reconcile->result + (i - 1) * RECONCILE_ID_LEN,
			     reconcile->result + i * RECONCILE_ID_LEN))
			return -EBADMSG;
	return 0;
}

static int decode(struct reconcile *reconcile, const uint8_t *symbols, size_t count)
{
	struct symbol own[PIECE];
	size_t i, n;
	uint32_t at;
	int rc = 0;

	for (; count && !rc; count -= n) {
		n = count < PIECE ? count : PIECE;
		make_symbols(&reconcile->own, reconcile->at, own, n);
		for (i = 0; i < n && !rc; i++, symbols += RECONCILE_SYMBOL_LEN) {
			rc = receive(reconcile, symbols, &own[i]);
			while (!rc && reconcile->nr_pending) {
				at = reconcile->pending[--reconcile->nr_pending];
				/* another one may have given the same id away since */
				if (is_pure(reconcile, &reconcile->symbol[at]))
					rc = peel(reconcile, at);
			}
		}
	}
	return rc;
}

/**
 * reconcile_decode() - take the other side's next symbols
 * @reconcile: the decoder
 * @symbols: RECONCILE_SYMBOL_LEN bytes each, in the order in which they were made
 * @count: how many
 * @diff: gets the difference, each part in ascending order; it is valid until reconcile_free(), or
 *	until the next call
 *
 * May be called again with the symbols that follow, after it is done too: they must agree then.
 * After an error other than -EAGAIN the decoder is of no use any more.
 *
 * Return: 0 done, -EAGAIN more symbols are needed, -EBADMSG these are not the symbols of a set,
 * -ENOBUFS they are more than reconcile_limit() allows, -EINVAL this is an encoder or has failed,
 * -ENOMEM.
 */
int reconcile_decode(struct reconcile *reconcile, const uint8_t *symbols, size_t count,
		     struct reconcile_diff *diff)
{
	uint32_t i;
	int rc;

	memset(diff, 0, sizeof(*diff));
	rc = fix(reconcile, DECODER);
	if (rc)
		return rc;
	rc = decode(reconcile, symbols, count);
	if (!rc && (!reconcile->at || !is_zero(&reconcile->symbol[0])))
		return -EAGAIN;
	/* all ids are in the first symbol: nothing is left when nothing is left there */
	for (i = 1; !rc && i < reconcile->at; i++)
		if (!is_zero(&reconcile->symbol[i]))
			rc = -EBADMSG;
	if (!rc)
		rc = finish(reconcile, diff);
	if (rc) {
		memset(diff, 0, sizeof(*diff));
		reconcile->role = FAILED;
	}
	return rc;
}
