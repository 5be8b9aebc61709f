// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: the decoder of contracts. What it takes encodes to the very same bytes, keeps the
 * limits, and is worth an amount; what it does not take has a reason and leaves nothing behind.
 *
 * Bodies are hardly ever found by chance, so that the input may also be changes to a good one: a
 * first byte with its highest bit set asks for that.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/contract.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		__builtin_trap();
}

static void decode(const uint8_t *body, size_t len)
{
	struct cs_error error = { "" };
	struct contract contract;
	uint64_t total;
	uint8_t *copy;

	if (contract_decode(&contract, body, len, &error)) {
		check(error.text[0] && !contract.body && !contract.items);
		return;
	}
	check(contract.nr_items >= 1 && contract.nr_items <= CONTRACT_ITEMS_MAX);
	check(contract.expiry > contract.created && contract.id);
	check(!contract_total(&contract, &total) && total <= INT64_MAX);
	check(contract.body_len == len && !memcmp(contract.body, body, len));
	copy = contract.body;
	contract.body = NULL;
	check(!contract_encode(&contract));
	check(contract.body_len == len && !memcmp(contract.body, copy, len));
	free(copy);
	contract_free(&contract);
}

/* A good body, of @items messages. */
static void make(struct contract *contract, size_t items)
{
	size_t i;

	memset(contract, 0, sizeof(*contract));
	contract->seller[0] = 1;
	contract->id = 70000;
	contract->rate = 300;
	contract->destination[0] = 0xfd;
	contract->created = 1800000000;
	contract->expiry = 1800000001;
	contract->nr_items = items;
	contract->items = calloc(items, sizeof(*contract->items));
	check(contract->items);
	for (i = 0; i < items; i++) {
		contract->items[i].digest[0] = i;
		contract->items[i].size = 1400 + i;
	}
	check(!contract_encode(contract));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct contract contract;
	size_t at;

	if (!size || !(data[0] & 0x80)) {
		decode(size ? data + 1 : data, size ? size - 1 : 0);
		return 0;
	}
	make(&contract, 1 + (data[0] & 3));
	for (data++, size--; size >= 3; data += 3, size -= 3) {
		at = (data[0] << 8 | data[1]) % contract.body_len;
		contract.body[at] = data[2];
	}
	/* the last byte cuts off the end */
	at = size ? data[0] % contract.body_len : 0;
	decode(contract.body, contract.body_len - at);
	contract_free(&contract);
	return 0;
}
