// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: receipts, and the letters between gateway and ingest. What is no letter is refused
 * with a reason; of what is one, no receipt and no chain holds unless it is the good one, whose
 * changes the input is made of: each is where, and what to put there.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/receipt.h"

#define NODES	4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct identity receiver, node[NODES];
static uint8_t *good;
static size_t good_len;

static void check(bool ok)
{
	if (!ok)
		__builtin_trap();
}

static void make_identity(struct identity *identity)
{
	char path[] = "/tmp/crowdshare-fuzz-XXXXXX", key[64];
	struct cs_error error;

	check(mkdtemp(path));
	snprintf(key, sizeof(key), "%s/key", path);
	check(!identity_open(identity, key, &error));
	check(!unlink(key) && !rmdir(path));
}

/* The letter that the last node of a line gets, of three messages. */
static void start(void)
{
	struct proto_letter letter = { .type = PROTO_RECEIPT };
	static struct proto_endorsement chain[NODES - 1];
	struct receipt_claim claim = { .messages = 7 };
	static uint8_t digests[3][CS_DIGEST_LEN] = { { 1 }, { 2 }, { 3 } };
	uint8_t *out;
	size_t i;

	make_identity(&receiver);
	for (i = 0; i < NODES; i++)
		make_identity(&node[i]);
	letter.receipt.destination[0] = 0x20;
	letter.receipt.port = 1;
	letter.receipt.digests = digests[0];
	letter.receipt.nr_digests = 3;
	letter.receipt.endorsements = chain;
	memcpy(letter.receipt.deliverer, node[0].public, IDENTITY_PUBLIC_LEN);
	check(!receipt_sign(&letter.receipt, &receiver, NULL));
	for (i = 0; i < NODES - 1; i++) {
		check(!receipt_endorse(&letter.receipt, &node[i], node[i + 1].address, &claim,
				       &chain[i], NULL));
		letter.receipt.nr_endorsements++;
	}
	check(!proto_encode(&letter, &out, &good_len));
	good = out + 4;
	good_len -= 4;
}

static void judge(const uint8_t *data, size_t len)
{
	struct cs_error error = { "" };
	struct proto_letter letter;
	struct receipt_claim claim;
	uint8_t id[RECEIPT_ID_LEN];

	if (proto_decode(&letter, data, len, &error)) {
		check(error.text[0]);
		return;
	}
	if (letter.type == PROTO_RECEIPT) {
		check(!receipt_id(&letter.receipt, id));
		if (!receipt_verify(&letter.receipt, &error) &&
		    !receipt_chain(&letter.receipt, node[NODES - 2].public,
				   node[NODES - 1].address, &claim, &error))
			check(len == good_len && !memcmp(data, good, len));
		else
			check(error.text[0]);
	} else if (letter.type == PROTO_DELIVER) {
		const uint8_t *p = letter.deliver.messages;
		size_t left = letter.deliver.len, n, count = 0;

		for (; left; p += n, left -= n, count++) {
			n = proto_message_len(p, left);
			check(n && n <= left);
		}
		check(count && count <= PROTO_BATCH_MAX);
	}
	proto_free(&letter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;
	size_t at;

	if (!good)
		start();
	if (!size || !(data[0] & 0x80)) {
		judge(size ? data + 1 : data, size ? size - 1 : 0);
		return 0;
	}
	copy = malloc(good_len);
	check(copy);
	memcpy(copy, good, good_len);
	for (data++, size--; size >= 3; data += 3, size -= 3) {
		at = (data[0] << 8 | data[1]) % good_len;
		copy[at] = data[2];
	}
	judge(copy, good_len - (size ? data[0] % good_len : 0));
	free(copy);
	return 0;
}
