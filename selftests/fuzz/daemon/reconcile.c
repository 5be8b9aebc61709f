// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: the decoder of set reconciliation, on symbols of anybody. It ends, it finds nothing
 * that is not so, and what it found is kept in order.
 *
 * Symbols are hardly ever good by chance, so that the input is a list of changes to those of a real
 * set: where, and what to put there. A first byte with its highest bit set asks for symbols that
 * are taken from the input as they are.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/reconcile.h"

#define ID	RECONCILE_ID_LEN
#define SYMBOL	RECONCILE_SYMBOL_LEN
#define IDS	24
#define SYMBOLS	64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t salt[RECONCILE_SALT_LEN] = "reconciliation.";

static void check(bool ok)
{
	if (!ok)
		__builtin_trap();
}

/* Ids @from to @to, in order; each is its number, sixteen times. */
static struct reconcile *set_of(unsigned int from, unsigned int to)
{
	struct reconcile *set = reconcile_new(salt);
	uint8_t id[ID];

	check(set);
	for (; from < to; from++) {
		memset(id, from, ID);
		check(!reconcile_add(set, id));
	}
	return set;
}

static void check_ids(const uint8_t *ids, size_t count, bool ours, unsigned int from,
		      unsigned int to)
{
	uint8_t id[ID];
	bool has;
	size_t i;

	for (i = 0; i < count; i++) {
		memset(id, ids[i * ID], ID);
		has = !memcmp(id, ids + i * ID, ID) && id[0] >= from && id[0] < to;
		check(has == ours);
		check(!i || memcmp(ids + (i - 1) * ID, ids + i * ID, ID) < 0);
	}
}

static void decode(const uint8_t *symbols, size_t count, size_t step, unsigned int from,
		   unsigned int to)
{
	struct reconcile *set = set_of(from, to);
	struct reconcile_diff diff;
	int rc = -EAGAIN;
	size_t n, used = 0;

	while (count && (rc == -EAGAIN || !rc)) {
		n = count < step ? count : step;
		rc = reconcile_decode(set, symbols, n, &diff);
		symbols += n * SYMBOL;
		count -= n;
		used += n;
		check(rc == 0 || rc == -EAGAIN || rc == -EBADMSG);
		check(diff.nr_ours <= to - from && diff.nr_ours + diff.nr_theirs <= used);
		check(!rc || (!diff.nr_ours && !diff.nr_theirs));
		check_ids(diff.ours, diff.nr_ours, true, from, to);
		check_ids(diff.theirs, diff.nr_theirs, false, from, to);
	}
	reconcile_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t symbols[SYMBOLS * SYMBOL];
	struct reconcile *encoder;
	size_t at;

	if (size < 2)
		return 0;
	if (data[0] & 0x80) {
		decode(data + 2, (size - 2) / SYMBOL, 1 + (data[0] & 15), 0, data[1] % IDS);
		return 0;
	}
	encoder = set_of(data[0] % 16, IDS);
	check(reconcile_symbols(encoder, symbols, SYMBOLS) == SYMBOLS);
	reconcile_free(encoder);
	for (at = 2; at + 2 < size; at += 3)
		symbols[(data[at] << 8 | data[at + 1]) % sizeof(symbols)] ^= data[at + 2];
	decode(symbols, SYMBOLS, 1 + data[1] % 16, 0, IDS - data[1] / 16);
	return 0;
}
