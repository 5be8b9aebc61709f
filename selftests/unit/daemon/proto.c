// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the letters between daemons. The vectors were made by an encoder of a dozen lines
 * of Python after RFC 8949, which shares nothing with proto.c; another implementation can check
 * itself against them, with the contents of vector_letter().
 */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/crowdshare.h>

#include "daemon/contract.h"
#include "daemon/policy.h"
#include "daemon/proto.h"

#define HEX_MAX		1024

static const struct {
	enum proto_type	type;
	const char	*hex;
} vectors[] = {
	{ PROTO_HELLO,
	  "86010146020304050607011a6b49d2004808090a0b0c0d0e0f" },
	{ PROTO_PING,
	  "820200" },
	{ PROTO_PONG,
	  "82031bffffffffffffffff" },
	{ PROTO_PAIRWISE,
	  "83040718ff" },
	{ PROTO_PAIRWISE_ACK,
	  "83050718ff" },
	{ PROTO_PORT_KEY,
	  "84061a00010000015820000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" },
	{ PROTO_PORT_KEY_ACK,
	  "83071a0001000001" },
	{ PROTO_OFFER,
	  "8508184d50fdfeff000102030405060708090a0b0c5820606162636465666768696a6b6c6d6e6f707172 "
	  "737475767778797a7b7c7d7e7f82835840000102030405060708090a0b0c0d0e0f101112131415161718 "
	  "191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f18981a "
	  "6b49d2008358400102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223 "
	  "2425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f401a000100971b00000001000000 "
	  "00" },
	{ PROTO_NO,
	  "8309184d02" },
	{ PROTO_BID,
	  "890a184d1affffffff50000102030405060708090a0b0c0d0e0f1903e81a6b49e010183c0b420106" },
	{ PROTO_ACCEPT,
	  "840b184d44626f64795840000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e "
	  "1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f" },
	{ PROTO_REJECT,
	  "830c184d09" },
	{ PROTO_SIGNED,
	  "830d184d5840000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223 "
	  "2425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f" },
	{ PROTO_RECONCILE,
	  "840e0350000102030405060708090a0b0c0d0e0f581c202122232425262728292a2b2c2d2e2f30313233 "
	  "3435363738393a3b" },
	{ PROTO_SYMBOLS,
	  "830f035838202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f4041424344 "
	  "45464748494a4b4c4d4e4f5051525354555657" },
	{ PROTO_MORE,
	  "831003190100" },
	{ PROTO_DIFF,
	  "84110350000102030405060708090a0b0c0d0e0f5820101112131415161718191a1b1c1d1e1f20212223 "
	  "2425262728292a2b2c2d2e2f" },
	{ PROTO_WANT,
	  "83120340" },
	{ PROTO_MESSAGE,
	  "841318ff00587b000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122 "
	  "232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c "
	  "4d4e4f000000006b49d20000500003808182838485868788898a8b8c8d8e8f0000000000000000000000 "
	  "00616263" },
	{ PROTO_CANCEL,
	  "85145820000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f1a6b49d20058 "
	  "40000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728 "
	  "292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f5840404142434445464748494a4b4c4d4e4f50 "
	  "5152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a "
	  "7b7c7d7e7f" },
	{ PROTO_RECEIPT,
	  "8a155820000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f502021222324 "
	  "25262728292a2b2c2d2e2f1989b61a6b49d2005820404142434445464748494a4b4c4d4e4f5051525354 "
	  "55565758595a5b5c5d5e5f50101112131415161718191a1b1c1d1e1f5880000102030405060708090a0b "
	  "0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435 "
	  "363738393a3b3c3d3e3f0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20 "
	  "2122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f4058406061626364656667 "
	  "68696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f9091 "
	  "92939495969798999a9b9c9d9e9f5888000102030405060708090a0b0c0d0e0f10111213141516171819 "
	  "1a1b1c1d1e1ffdfeff000102030405060708090a0b0c202122232425262728292a2b2c2d2e2f00000000 "
	  "00000005808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5 "
	  "a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf" },
	{ PROTO_BYE,
	  "8316006762796520e280a6" },
	{ PROTO_CONTRACT,
	  "841744626f64795840000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20 "
	  "2122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f5840404142434445464748 "
	  "494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172 "
	  "737475767778797a7b7c7d7e7f" },
	{ PROTO_RECEIPT_ACK,
	  "83181850000102030405060708090a0b0c0d0e0f03" },
	{ PROTO_DELIVER,
	  "8418190750101112131415161718191a1b1c1d1e1f58f6000102030405060708090a0b0c0d0e0f101112 "
	  "131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c "
	  "3d3e3f404142434445464748494a4b4c4d4e4f000000006b49d20000500003808182838485868788898a "
	  "8b8c8d8e8f000000000000000000000000616263000102030405060708090a0b0c0d0e0f101112131415 "
	  "161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f "
	  "404142434445464748494a4b4c4d4e4f000000006b49d20000500003808182838485868788898a8b8c8d "
	  "8e8f000000000000000000000000616263" },
	{ PROTO_ACK,
	  "83181a0743000106" },
	{ PROTO_HOLD,
	  "82181b5820000102030405060708090a0b0c0d0e0f202122232425262728292a2b2c2d2e2f" },
	{ PROTO_HELD,
	  "84181c1a6b49d20050202122232425262728292a2b2c2d2e2f5840404142434445464748494a4b4c4d4e "
	  "4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778 "
	  "797a7b7c7d7e7f" },
	{ PROTO_COUNTED,
	  "82181d1903e8" },
};

/* What letters point to in these tests. */
static uint8_t content[2][PROTO_IDS_MAX * PROTO_ID_LEN + PROTO_FRAME_MAX];
static struct proto_offer_item items[PROTO_ITEMS_MAX];

static void count_up(void *to, unsigned int first, size_t len)
{
	uint8_t *p = to;

	while (len--)
		*p++ = first++;
}

static void fill(void *to, size_t len)
{
	uint8_t *p = to;

	while (len--)
		*p++ = rand();
}

/* Numbers of all lengths. */
static uint64_t number(void)
{
	uint64_t value;

	fill(&value, sizeof(value));
	return value >> rand() % 64;
}

static uint64_t number_to(uint64_t least, uint64_t most)
{
	uint64_t value = number();

	return most - least == UINT64_MAX ? value : least + value % (most - least + 1);
}

static size_t make_message(uint8_t *to, size_t payload)
{
	struct cs_msg_hdr *hdr = (struct cs_msg_hdr *)to;

	hdr->length = htobe16(payload);
	return sizeof(*hdr) + payload;
}

/* The letters of the vectors, which have other contents than zero in each field that is sent. */
static void vector_message(struct proto_message *to)
{
	struct cs_msg_hdr *hdr = (struct cs_msg_hdr *)content[0];

	memset(hdr, 0, sizeof(*hdr));
	count_up(hdr->digest, 0, sizeof(hdr->digest));
	count_up(hdr->destination, 0x40, sizeof(hdr->destination));
	hdr->expiry = htobe64(1800000000);
	hdr->port = htobe16(80);
	count_up(hdr->chunk_id, 0x80, sizeof(hdr->chunk_id));
	memcpy(hdr + 1, "abc", 3);
	to->hops = 255;
	to->message = content[0];
	to->len = make_message(content[0], 3);
}

static void vector_contract(struct proto_letter *to)
{
	static uint8_t bits[] = { 0x01, 0x06 };

	if (to->type == PROTO_OFFER) {
		to->offer = (struct proto_offer){ .offer = 77, .nr_items = 2, .items = items };
		count_up(to->offer.destination, 0xfd, CS_ADDR_LEN);
		count_up(to->offer.receiver, 0x60, IDENTITY_PUBLIC_LEN);
		count_up(items[0].digest, 0, CS_DIGEST_LEN);
		count_up(items[1].digest, 1, CS_DIGEST_LEN);
		items[0].size = 152;
		items[0].expiry = 1800000000;
		items[1].size = 152 + 65535;
		items[1].expiry = 1ull << 32;
	} else if (to->type == PROTO_BID) {
		to->bid = (struct proto_bid){ .offer = 77, .contract = UINT32_MAX, .rate = 1000,
			.expiry = 1800003600, .valid = 60, .nr_wanted = 11, .wanted = bits };
		count_up(to->bid.nonce, 0, sizeof(to->bid.nonce));
	} else if (to->type == PROTO_ACCEPT) {
		to->accept = (struct proto_accept){ .offer = 77, .body = (uint8_t *)"body",
			.len = 4 };
		count_up(to->accept.signature, 0, IDENTITY_SIGNATURE_LEN);
	} else if (to->type == PROTO_SIGNED) {
		to->sign.offer = 77;
		count_up(to->sign.signature, 0, IDENTITY_SIGNATURE_LEN);
	} else {
		to->no.offer = 77;
		to->no.reason = to->type == PROTO_NO ? POLICY_DUPLICATE : POLICY_PRICE;
	}
}

static void vector_stores(struct proto_letter *to)
{
	count_up(content[0], 0x20, 56);
	to->symbols.round = 3; /* of all of these */
	switch (to->type) {
	case PROTO_RECONCILE:
		count_up(to->symbols.salt, 0, PROTO_SALT_LEN);
		/* fall through */
	case PROTO_SYMBOLS:
		to->symbols.symbols = content[0];
		to->symbols.len = to->type == PROTO_SYMBOLS ? 56 : 28;
		break;
	case PROTO_MORE:
		to->more.count = 256;
		break;
	case PROTO_DIFF:
		count_up(content[0], 0, 16);
		count_up(content[1], 0x10, 32);
		to->diff = (struct proto_diff){ 3, content[0], 1, content[1], 2 };
		break;
	default:
		break;
	}
}

static void vector_receipt(struct proto_receipt *to)
{
	static struct proto_endorsement endorsement;

	count_up(to->receiver, 0, IDENTITY_PUBLIC_LEN);
	count_up(to->destination, 0x20, CS_ADDR_LEN);
	to->port = 35254;
	to->time = 1800000000;
	count_up(to->deliverer, 0x40, IDENTITY_PUBLIC_LEN);
	count_up(to->contract, 0x10, PROTO_UID_LEN);
	count_up(content[0], 0, CS_DIGEST_LEN);
	count_up(content[0] + CS_DIGEST_LEN, 1, CS_DIGEST_LEN);
	to->digests = content[0];
	to->nr_digests = 2;
	count_up(to->signature, 0x60, IDENTITY_SIGNATURE_LEN);
	count_up(endorsement.public, 0, IDENTITY_PUBLIC_LEN);
	count_up(endorsement.from, 0xfd, CS_ADDR_LEN);
	count_up(endorsement.contract, 0x20, PROTO_UID_LEN);
	endorsement.messages[7] = 5;
	count_up(endorsement.signature, 0x80, IDENTITY_SIGNATURE_LEN);
	to->endorsements = &endorsement;
	to->nr_endorsements = 1;
}

static void vector_ingest(struct proto_letter *to)
{
	static const uint8_t states[] = { PROTO_ACK_NEW, PROTO_ACK_KNOWN, PROTO_ACK_FULL };
	struct proto_message message;

	if (to->type == PROTO_RECEIPT_ACK) {
		count_up(to->receipt_ack.id, 0, PROTO_ID_LEN);
		to->receipt_ack.messages = 3;
	} else if (to->type == PROTO_DELIVER) {
		vector_message(&message);
		memcpy(content[0] + message.len, content[0], message.len);
		count_up(to->deliver.contract, 0x10, PROTO_UID_LEN);
		to->deliver.batch = 7;
		to->deliver.messages = content[0];
		to->deliver.len = 2 * message.len;
	} else {
		to->ack = (struct proto_ack){ 7, states, sizeof(states) };
	}
}

static void vector_holding(struct proto_letter *to)
{
	count_up(content[0], 0, PROTO_ID_LEN);
	count_up(content[0] + PROTO_ID_LEN, 0x20, PROTO_ID_LEN);
	if (to->type == PROTO_HOLD) {
		to->hold = (struct proto_hold){ content[0], 2 };
		return;
	}
	to->held = (struct proto_held){ 1800000000, content[0] + PROTO_ID_LEN, 1, { 0 } };
	count_up(to->held.signature, 0x40, IDENTITY_SIGNATURE_LEN);
}

static void vector_letter(struct proto_letter *to, enum proto_type type)
{
	memset(to, 0, sizeof(*to));
	to->type = type;
	if (type == PROTO_HELLO) {
		to->hello = (struct proto_hello){ .version = 1, .terms = CROWDSHARE_PEER_CONTRACT,
			.now = 1800000000 };
		count_up(to->hello.lladdr, 2, 6);
		count_up(to->hello.boot, 8, 8);
	} else if (type <= PROTO_PONG) {
		to->ping.seq = type == PROTO_PONG ? UINT64_MAX : 0;
	} else if (type <= PROTO_PAIRWISE_ACK) {
		to->key = (struct proto_key){ .epoch = 7, .id = 255 };
	} else if (type <= PROTO_PORT_KEY_ACK) {
		to->key = (struct proto_key){ .epoch = 65536, .id = 1 };
		count_up(to->key.secret, 0, CS_KEY_LEN);
	} else if (type <= PROTO_SIGNED) {
		vector_contract(to);
	} else if (type <= PROTO_WANT) {
		vector_stores(to);
	} else if (type == PROTO_MESSAGE) {
		vector_message(&to->message);
	} else if (type == PROTO_CANCEL) {
		count_up(to->cancel.public, 0, IDENTITY_PUBLIC_LEN);
		count_up(content[0], 0, CS_DIGEST_LEN);
		to->cancel.expiry = 1800000000;
		to->cancel.digests = content[0];
		to->cancel.nr_digests = 1;
		count_up(to->cancel.signature, 0x40, IDENTITY_SIGNATURE_LEN);
	} else if (type == PROTO_RECEIPT) {
		vector_receipt(&to->receipt);
	} else if (type == PROTO_CONTRACT) {
		to->contract = (struct proto_contract){ .body = (uint8_t *)"body", .len = 4 };
		count_up(to->contract.buyer, 0, IDENTITY_SIGNATURE_LEN);
		count_up(to->contract.seller, 0x40, IDENTITY_SIGNATURE_LEN);
	} else if (type == PROTO_COUNTED) {
		to->counted.frames = 1000;
	} else if (type >= PROTO_HOLD) {
		vector_holding(to);
	} else if (type > PROTO_CONTRACT) {
		vector_ingest(to);
	} else {
		to->bye = (struct proto_bye){ POLICY_NONE, "bye \xe2\x80\xa6", 7 };
	}
}

static size_t unhex(const char *hex, uint8_t *to)
{
	unsigned int byte;
	size_t len = 0;

	for (; *hex; hex += 2) {
		hex += *hex == ' ';
		assert_true(len < HEX_MAX && sscanf(hex, "%2x", &byte) == 1);
		to[len++] = byte;
	}
	return len;
}

/* Bytes in a block of just their size, so that ASan sees whoever reads on. */
static int decode(struct proto_letter *letter, const void *data, size_t len, uint8_t **block,
		  struct cs_error *error)
{
	*block = malloc(len ? len : 1);
	assert_non_null(*block);
	if (len)
		memcpy(*block, data, len);
	error->text[0] = 0;
	return proto_decode(letter, len ? *block : NULL, len, error);
}

/* What is decoded encodes to the same bytes, or is refused with a reason. */
static int decode_encode(const void *data, size_t len)
{
	struct proto_letter letter;
	struct cs_error error;
	uint8_t *block, *again;
	size_t again_len;
	int rc;

	rc = decode(&letter, data, len, &block, &error);
	if (rc) {
		assert_int_equal(rc, -EBADMSG);
		assert_true(error.text[0]);
		assert_int_equal(letter.type, 0);
	} else {
		assert_int_equal(proto_encode(&letter, &again, &again_len), 0);
		assert_int_equal(again_len, len + 4);
		assert_int_equal((size_t)again[0] << 24 | again[1] << 16 | again[2] << 8 |
				 again[3], len);
		assert_memory_equal(again + 4, data, len);
		free(again);
		proto_free(&letter);
		proto_free(&letter);
	}
	free(block);
	return rc;
}

static void test_vectors(void **state)
{
	uint8_t bytes[HEX_MAX], *out;
	struct proto_letter letter;
	size_t i, len, out_len;

	(void)state;
	assert_int_equal(sizeof(vectors) / sizeof(*vectors), PROTO_TYPE_MAX - 1);
	for (i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		len = unhex(vectors[i].hex, bytes);
		vector_letter(&letter, vectors[i].type);
		assert_int_equal(proto_encode(&letter, &out, &out_len), 0);
		assert_int_equal(out_len, len + 4);
		assert_memory_equal(out + 4, bytes, len);
		free(out);
		assert_int_equal(decode_encode(bytes, len), 0);
	}
}

static const uint8_t *random_bytes(int which, size_t len)
{
	fill(content[which], len);
	return content[which];
}

static void random_contract(struct proto_letter *to, size_t most)
{
	uint64_t i;

	to->no.offer = number(); /* of all of these */
	switch (to->type) {
	case PROTO_OFFER:
		fill(to->offer.destination, CS_ADDR_LEN);
		fill(to->offer.receiver, IDENTITY_PUBLIC_LEN);
		to->offer.items = items;
		to->offer.nr_items = number_to(1, most / 80 + 1);
		for (i = 0; i < to->offer.nr_items; i++) {
			fill(items[i].digest, CS_DIGEST_LEN);
			items[i].size = number_to(152, 152 + 65535);
			items[i].expiry = number();
		}
		break;
	case PROTO_BID:
		to->bid = (struct proto_bid){ .offer = number(), .rate = number(),
			.contract = number_to(1, UINT32_MAX), .expiry = number(),
			.valid = number(), .nr_wanted = number_to(1, PROTO_ITEMS_MAX) };
		fill(to->bid.nonce, sizeof(to->bid.nonce));
		to->bid.wanted = (uint8_t *)random_bytes(0, PROTO_ITEMS_MAX / 8);
		break;
	case PROTO_ACCEPT:
		to->accept.len = number_to(1, most);
		to->accept.body = random_bytes(0, to->accept.len);
		fill(to->accept.signature, IDENTITY_SIGNATURE_LEN);
		break;
	case PROTO_SIGNED:
		fill(to->sign.signature, IDENTITY_SIGNATURE_LEN);
		break;
	default:
		to->no.reason = number_to(1, POLICY_REASON_MAX - 1);
	}
}

static void random_stores(struct proto_letter *to, size_t most)
{
	size_t ids = most / PROTO_ID_LEN;

	to->symbols.round = number(); /* of all of these but MESSAGE */
	switch (to->type) {
	case PROTO_RECONCILE:
		fill(to->symbols.salt, PROTO_SALT_LEN);
		/* fall through */
	case PROTO_SYMBOLS:
		to->symbols.len = 28 * number_to(1, most / 28 + 1);
		to->symbols.symbols = random_bytes(0, to->symbols.len);
		break;
	case PROTO_MORE:
		to->more.count = number();
		break;
	case PROTO_DIFF:
		to->diff.nr_yours = number_to(0, ids);
		to->diff.nr_mine = number_to(0, ids);
		to->diff.yours = random_bytes(0, to->diff.nr_yours * PROTO_ID_LEN);
		to->diff.mine = random_bytes(1, to->diff.nr_mine * PROTO_ID_LEN);
		break;
	case PROTO_WANT:
		to->want.nr_ids = number_to(0, ids);
		to->want.ids = random_bytes(0, to->want.nr_ids * PROTO_ID_LEN);
		break;
	default:
		to->message = (struct proto_message){ .hops = rand() };
		to->message.contract = number();
		to->message.len = number_to(120, 120 + most);
		to->message.message = random_bytes(0, to->message.len);
		make_message(content[0], to->message.len - 120);
	}
}

static void random_receipt(struct proto_receipt *to)
{
	fill(to->receiver, IDENTITY_PUBLIC_LEN);
	fill(to->destination, CS_ADDR_LEN);
	to->port = number_to(0, UINT16_MAX);
	to->time = number();
	fill(to->deliverer, IDENTITY_PUBLIC_LEN);
	fill(to->contract, PROTO_UID_LEN);
	to->nr_digests = number_to(1, PROTO_BATCH_MAX);
	to->digests = random_bytes(0, to->nr_digests * CS_DIGEST_LEN);
	fill(to->signature, IDENTITY_SIGNATURE_LEN);
	to->nr_endorsements = number_to(0, PROTO_ENDORSEMENTS_MAX);
	to->endorsements = (const struct proto_endorsement *)random_bytes(1,
				to->nr_endorsements * sizeof(*to->endorsements));
}

static void random_ingest(struct proto_letter *to, size_t most)
{
	size_t i, n, count = number_to(1, PROTO_BATCH_MAX), len = 0;

	if (to->type == PROTO_RECEIPT_ACK) {
		fill(to->receipt_ack.id, PROTO_ID_LEN);
		to->receipt_ack.messages = number();
	} else if (to->type == PROTO_DELIVER) {
		to->deliver.batch = number();
		fill(to->deliver.contract, PROTO_UID_LEN);
		for (i = 0; i < count && len + 120 + most / 64 < PROTO_DELIVER_MAX; i++) {
			n = number_to(0, most / 64);
			fill(content[0] + len, 120 + n);
			len += make_message(content[0] + len, n);
		}
		to->deliver.messages = content[0];
		to->deliver.len = len;
	} else {
		to->ack.batch = number();
		for (i = 0; i < count; i++)
			content[0][i] = rand() % PROTO_ACK_MAX;
		to->ack.states = content[0];
		to->ack.nr_states = count;
	}
}

static void random_holding(struct proto_letter *to, size_t most)
{
	size_t count = number_to(1, most / PROTO_ID_LEN);
	const uint8_t *ids = random_bytes(0, count * PROTO_ID_LEN);

	if (to->type == PROTO_HOLD) {
		to->hold = (struct proto_hold){ ids, count };
		return;
	}
	to->held = (struct proto_held){ number(), ids, count, { 0 } };
	fill(to->held.signature, IDENTITY_SIGNATURE_LEN);
}

/* A letter with any contents, about @most bytes of those that have no fixed size. */
static void random_letter(struct proto_letter *to, enum proto_type type, size_t most)
{
	memset(to, 0, sizeof(*to));
	to->type = type;
	if (type == PROTO_HELLO) {
		to->hello = (struct proto_hello){ .version = number(), .terms = rand() % 3,
			.now = number() };
		fill(to->hello.lladdr, sizeof(to->hello.lladdr));
		fill(to->hello.boot, sizeof(to->hello.boot));
	} else if (type <= PROTO_PONG) {
		to->ping.seq = number();
	} else if (type <= PROTO_PORT_KEY_ACK) {
		to->key = (struct proto_key){ .epoch = number(), .id = 1 + rand() % 255 };
		if (type == PROTO_PORT_KEY)
			fill(to->key.secret, CS_KEY_LEN);
	} else if (type <= PROTO_SIGNED) {
		random_contract(to, most);
	} else if (type <= PROTO_MESSAGE) {
		random_stores(to, most);
	} else if (type == PROTO_CANCEL) {
		fill(&to->cancel, sizeof(to->cancel));
		to->cancel.nr_digests = number_to(1, most / CS_DIGEST_LEN % 64 + 1);
		to->cancel.digests = random_bytes(0, to->cancel.nr_digests * CS_DIGEST_LEN);
	} else if (type == PROTO_RECEIPT) {
		random_receipt(&to->receipt);
	} else if (type == PROTO_CONTRACT) {
		fill(&to->contract, sizeof(to->contract));
		to->contract.len = number_to(1, most);
		to->contract.body = random_bytes(0, to->contract.len);
	} else if (type == PROTO_COUNTED) {
		to->counted.frames = number();
	} else if (type >= PROTO_HOLD) {
		random_holding(to, most);
	} else if (type > PROTO_CONTRACT) {
		random_ingest(to, most);
	} else {
		to->bye.reason = number_to(0, POLICY_REASON_MAX - 1);
		to->bye.len = number_to(0, most < PROTO_TEXT_MAX ? most : PROTO_TEXT_MAX);
		memset(content[0], 'a' + rand() % 26, to->bye.len);
		to->bye.text = (const char *)content[0];
	}
}

static void same_bytes(const void *a, size_t a_len, const void *b, size_t b_len)
{
	assert_int_equal(a_len, b_len);
	assert_true(!a_len || !memcmp(a, b, a_len));
}

#define SAME_COUNTED(member, pointer, count, unit) do { \
	same_bytes(a->member.pointer, a->member.count * (unit), \
		   b->member.pointer, b->member.count * (unit)); \
	a->member.pointer = b->member.pointer; \
} while (0)

static void same_offer(struct proto_letter *a, const struct proto_letter *b)
{
	size_t i;

	assert_int_equal(a->offer.offer, b->offer.offer);
	assert_memory_equal(a->offer.destination, b->offer.destination, CS_ADDR_LEN);
	assert_memory_equal(a->offer.receiver, b->offer.receiver, IDENTITY_PUBLIC_LEN);
	assert_int_equal(a->offer.nr_items, b->offer.nr_items);
	for (i = 0; i < a->offer.nr_items; i++) {
		assert_memory_equal(a->offer.items[i].digest, b->offer.items[i].digest,
				    CS_DIGEST_LEN);
		assert_int_equal(a->offer.items[i].size, b->offer.items[i].size);
		assert_int_equal(a->offer.items[i].expiry, b->offer.items[i].expiry);
	}
}

static void same_bid(const struct proto_bid *a, const struct proto_bid *b)
{
	size_t i;

	assert_int_equal(a->offer, b->offer);
	assert_int_equal(a->contract, b->contract);
	assert_memory_equal(a->nonce, b->nonce, sizeof(a->nonce));
	assert_int_equal(a->rate, b->rate);
	assert_int_equal(a->expiry, b->expiry);
	assert_int_equal(a->valid, b->valid);
	assert_int_equal(a->nr_wanted, b->nr_wanted);
	for (i = 0; i < a->nr_wanted; i++)
		assert_int_equal(a->wanted[i / 8] >> i % 8 & 1, b->wanted[i / 8] >> i % 8 & 1);
}

/* @a is a copy that may be changed. */
static void same(struct proto_letter *a, const struct proto_letter *b)
{
	size_t len = sizeof(*a) - offsetof(struct proto_letter, hello);

	assert_int_equal(a->type, b->type);
	if (a->type == PROTO_OFFER)
		same_offer(a, b);
	else if (a->type == PROTO_BID)
		same_bid(&a->bid, &b->bid);
	if (a->type == PROTO_OFFER || a->type == PROTO_BID)
		return;
	if (a->type == PROTO_ACCEPT)
		SAME_COUNTED(accept, body, len, 1);
	else if (a->type == PROTO_RECONCILE || a->type == PROTO_SYMBOLS)
		SAME_COUNTED(symbols, symbols, len, 1);
	else if (a->type == PROTO_DIFF)
		SAME_COUNTED(diff, mine, nr_mine, PROTO_ID_LEN);
	if (a->type == PROTO_DIFF)
		SAME_COUNTED(diff, yours, nr_yours, PROTO_ID_LEN);
	else if (a->type == PROTO_WANT)
		SAME_COUNTED(want, ids, nr_ids, PROTO_ID_LEN);
	else if (a->type == PROTO_MESSAGE)
		SAME_COUNTED(message, message, len, 1);
	else if (a->type == PROTO_CANCEL)
		SAME_COUNTED(cancel, digests, nr_digests, CS_DIGEST_LEN);
	else if (a->type == PROTO_RECEIPT)
		SAME_COUNTED(receipt, digests, nr_digests, CS_DIGEST_LEN);
	else if (a->type == PROTO_CONTRACT)
		SAME_COUNTED(contract, body, len, 1);
	else if (a->type == PROTO_BYE)
		SAME_COUNTED(bye, text, len, 1);
	else if (a->type == PROTO_DELIVER)
		SAME_COUNTED(deliver, messages, len, 1);
	else if (a->type == PROTO_ACK)
		SAME_COUNTED(ack, states, nr_states, 1);
	else if (a->type == PROTO_HOLD)
		SAME_COUNTED(hold, ids, nr_ids, PROTO_ID_LEN);
	else if (a->type == PROTO_HELD)
		SAME_COUNTED(held, ids, nr_ids, PROTO_ID_LEN);
	if (a->type == PROTO_RECEIPT)
		SAME_COUNTED(receipt, endorsements, nr_endorsements,
			     sizeof(struct proto_endorsement));
	/* numbers and fixed bytes; what is pointed to was compared; holes are zero */
	assert_memory_equal(&a->hello, &b->hello, len);
}

static void test_round_trip(void **state)
{
	struct proto_letter letter, got, copy;
	uint8_t *out, *block;
	struct cs_error error;
	unsigned int type;
	size_t len;
	int round;

	(void)state;
	for (round = 0; round < 500; round++) {
		for (type = PROTO_HELLO; type < PROTO_TYPE_MAX; type++) {
			random_letter(&letter, type, round % 10 ? 500 : 65535);
			assert_int_equal(proto_encode(&letter, &out, &len), 0);
			assert_int_equal(decode(&got, out + 4, len - 4, &block, &error), 0);
			copy = got;
			same(&copy, &letter);
			proto_free(&got);
			assert_int_equal(decode_encode(out + 4, len - 4), 0);
			free(out);
			free(block);
		}
	}
}

static void test_truncated(void **state)
{
	struct proto_letter letter;
	unsigned int type;
	size_t len, cut;
	uint8_t *out;
	int round;

	(void)state;
	for (round = 0; round < 5; round++) {
		for (type = PROTO_HELLO; type < PROTO_TYPE_MAX; type++) {
			random_letter(&letter, type, 300);
			assert_int_equal(proto_encode(&letter, &out, &len), 0);
			for (cut = 0; cut < len - 4; cut++)
				assert_int_equal(decode_encode(out + 4, cut), -EBADMSG);
			free(out);
		}
	}
}

/* Bits that change what a letter says are for signatures to find; its form they can't change. */
static void test_flips(void **state)
{
	uint8_t bytes[HEX_MAX + 1];
	size_t i, len, bit, refused = 0, taken = 0;

	(void)state;
	for (i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		len = unhex(vectors[i].hex, bytes);
		for (bit = 0; bit < 8 * len; bit++) {
			bytes[bit / 8] ^= 1 << bit % 8;
			if (decode_encode(bytes, len))
				refused++;
			else
				taken++;
			bytes[bit / 8] ^= 1 << bit % 8;
		}
		bytes[len] = 0;
		assert_int_equal(decode_encode(bytes, len + 1), -EBADMSG);
	}
	assert_true(refused > 300 && taken > 300);
}

static void refused(const char *hex, const char *says)
{
	struct proto_letter letter;
	uint8_t bytes[HEX_MAX], *block;
	struct cs_error error;
	size_t len = unhex(hex, bytes);

	assert_int_equal(decode(&letter, bytes, len, &block, &error), -EBADMSG);
	if (!strstr(error.text, says))
		fail_msg("'%s' does not say '%s'", error.text, says);
	assert_int_equal(proto_decode(&letter, block, len, NULL), -EBADMSG);
	free(block);
}

static void test_forms(void **state)
{
	(void)state;
	refused("", "ends too early");
	refused("00", "array");
	refused("80", "ends too early");
	refused("8100", "type");
	refused("81181e", "type, byte 3: number is 30");
	refused("811b0000000100000002", "type");
	/* PING */
	refused("8102", "PING: array, byte 2: number of fields is 1, which is not 2 to 2");
	refused("83020000", "number of fields is 3");
	refused("82021800", "PING: seq, byte 2: is not encoded in the shortest form");
	refused("8202190017", "shortest");
	refused("82021a0000ffff", "shortest");
	refused("82021b00000000ffffffff", "shortest");
	refused("98020200", "shortest");
	refused("9f0200ff", "definite");
	refused("820220", "is not an unsigned integer");
	refused("8202f4", "is not an unsigned integer");
	refused("8202f90000", "is not an unsigned integer");
	refused("8202c000", "is not an unsigned integer");
	refused("8202a0", "is not an unsigned integer");
	refused("82024100", "is not an unsigned integer");
	refused("82021c", "is not an unsigned integer");
	refused("820200 00", "followed by 1 bytes");
	refused("d9d9f7820200", "is not an array");
	/* 10,000 levels would be no different */
	refused("8202818181818181818181818100", "is not an unsigned integer");
	refused("9bffffffffffffffff0200", "number of fields");
	/* CONTRACT */
	refused("84175f41ff", "is not a byte string");
	refused("84175f4161ff", "is not a byte string");
	refused("84176161", "is not a byte string");
	refused("84175801 61", "shortest");
	refused("84175bffffffffffffffff", "ends too early");
	refused("84175b7fffffffffffffff00", "ends too early");
	refused("841740", "length is 0");
	/* BYE */
	refused("831600 4161", "is not a text string");
	refused("831600 7f6161ff", "is not a text string");
	refused("831600 610a", "UTF-8");
	refused("831600 611b", "UTF-8");
	refused("831600 6100", "UTF-8");
	refused("831600 617f", "UTF-8");
	refused("831600 62c29b", "UTF-8");	/* a C1 control character */
	refused("831600 6180", "UTF-8");
	refused("831600 61c3", "UTF-8");
	refused("831600 62c0af", "UTF-8");	/* longer than need be */
	refused("831600 63e080af", "UTF-8");
	refused("831600 64f08080af", "UTF-8");
	refused("831600 63eda080", "UTF-8");	/* a surrogate */
	refused("831600 64f4908080", "UTF-8");	/* beyond Unicode */
	refused("831600 65f888808080", "UTF-8");
	refused("83160d 60", "reason");
	assert_int_equal(decode_encode("\x83\x16\x0c\x60", 4), 0);
	assert_int_equal(decode_encode("\x83\x16\x00\x64\xf4\x8f\xbf\xbf", 8), 0);
}

#define KEY "58201111111111111111111111111111111111111111111111111111111111111111 "

static void test_ranges(void **state)
{
	(void)state;
	/* HELLO: terms, MAC, boot */
	refused("86010146020304050607031a6b49d2004808090a0b0c0d0e0f", "terms");
	refused("860101450203040506011a6b49d2004808090a0b0c0d0e0f", "5 bytes instead of 6");
	refused("86010146020304050607011a6b49d2004708090a0b0c0d0e", "7 bytes instead of 8");
	refused("86011b0000000100000000 46020304050607011a6b49d2004808090a0b0c0d0e0f", "version");
	/* keys */
	refused("83040700", "id");
	refused("8304071901 00", "id");
	refused("83041b0000000100000000 01", "epoch");
	refused("84060701 41 00", "secret");
	refused("8304070141 00", "PAIRWISE: array, byte 4: is followed by 2 bytes too many");
	refused("8404070141 00", "number of fields is 4");
	/* reasons */
	refused("83094d00", "offer");
	refused("83090000", "reason");
	refused("8309000d", "reason");
	refused("830c0000", "reason");
	refused("830c0018ff", "reason");
	/* OFFER: no item, too many, more than the bytes can be */
	refused("85080050fd000102030405060708090a0b0c0d0e " KEY "80", "number of items is 0");
	refused("85080050fd000102030405060708090a0b0c0d0e " KEY "990401",
		"number of items is 1025");
	refused("85080050fd000102030405060708090a0b0c0d0e " KEY "990400", "ends too early");
	refused("85080050fd000102030405060708090a0b0c0d0e " KEY "40", "is not an array");
	/* refused before memory is taken for 1,024, not after what is there */
	refused("85080050fd000102030405060708090a0b0c0d0e " KEY "990400 835840 "
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f "
		"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f "
		"1898 00", "OFFER: items, byte 57: ends too early");
	/* symbols, ids, digests that are not whole or none */
	refused("830f0340", "length is 0");
	refused("830f034100", "length is 1");
	refused("830f03581d 0000000000000000000000000000000000000000000000000000000000",
		"whole symbols");
	refused("831203 4100", "multiple of 16");
	refused("83120351 0000000000000000000000000000000000", "multiple of 16");
	refused("831003 1b0000000100000000", "count");
}

/* Changes to the vectors that are longer. */
static void vector_refused(enum proto_type type, size_t at, uint8_t value, const char *says)
{
	struct proto_letter letter;
	uint8_t bytes[HEX_MAX], *block;
	struct cs_error error;
	size_t len = unhex(vectors[type - 1].hex, bytes);

	assert_int_equal(vectors[type - 1].type, type);
	assert_true(at < len && bytes[at] != value);
	bytes[at] = value;
	assert_int_equal(decode(&letter, bytes, len, &block, &error), -EBADMSG);
	if (!strstr(error.text, says))
		fail_msg("'%s' does not say '%s'", error.text, says);
	free(block);
}

/* A DELIVER may have 64 messages, and not one more. */
static void test_many_messages(void)
{
	struct proto_letter letter = { .type = PROTO_DELIVER };
	uint8_t *out = NULL;
	size_t i, len = 0;

	memset(content[0], 0, (PROTO_BATCH_MAX + 1) * 120);
	for (i = 0; i < PROTO_BATCH_MAX; i++)
		len += make_message(content[0] + len, 0);
	letter.deliver.messages = content[0];
	letter.deliver.len = len;
	assert_int_equal(proto_encode(&letter, &out, &len), 0);
	assert_int_equal(decode_encode(out + 4, len - 4), 0);
	free(out);
	letter.deliver.len += 120;
	assert_int_equal(proto_encode(&letter, &out, &len), -EINVAL);
}

static void test_contents(void **state)
{
	(void)state;
	/* the length in the header of MESSAGE, which is bytes 90 and 91 of it */
	vector_refused(PROTO_MESSAGE, 7 + 90, 1, "as long as its header says");
	vector_refused(PROTO_MESSAGE, 7 + 91, 2, "as long as its header says");
	vector_refused(PROTO_MESSAGE, 7 + 91, 4, "as long as its header says");
	/* 11 bits have a byte and 3 bits */
	vector_refused(PROTO_BID, 39, 0x0e, "bits beyond the last item");
	vector_refused(PROTO_BID, 36, 16 + 1, "2 bytes instead of 3");
	vector_refused(PROTO_BID, 36, 8, "2 bytes instead of 1");
	vector_refused(PROTO_BID, 36, 0, "nr_wanted");
	/* an item of an OFFER: fields, size */
	vector_refused(PROTO_OFFER, 56, 0x82, "number of an item's fields is 2");
	vector_refused(PROTO_OFFER, 56, 0x84, "number of an item's fields is 4");
	vector_refused(PROTO_OFFER, 124, 151, "number is 151");
	vector_refused(PROTO_OFFER, 201, 0x98, "number is 65688");
	/* the length of the second message of a DELIVER; an unknown state in an ACK */
	vector_refused(PROTO_DELIVER, 23 + 123 + 91, 4, "whole messages");
	vector_refused(PROTO_DELIVER, 23 + 123 + 91, 2, "whole messages");
	vector_refused(PROTO_ACK, 7, PROTO_ACK_MAX, "a state that is not known");
	test_many_messages();
}

static void encode_refused(const struct proto_letter *letter)
{
	uint8_t *out = NULL;
	size_t len;

	assert_int_equal(proto_encode(letter, &out, &len), -EINVAL);
	assert_null(out);
}

#define BEYOND(type_, member, value) do { \
	struct proto_letter letter_; \
	random_letter(&letter_, type_, 100); \
	letter_.member = value; \
	encode_refused(&letter_); \
} while (0)

/* What the other side would refuse is not sent. */
static void test_encode_limits(void **state)
{
	(void)state;
	BEYOND(PROTO_PING, type, 0);
	BEYOND(PROTO_PING, type, PROTO_TYPE_MAX);
	BEYOND(PROTO_HELLO, hello.terms, 3);
	BEYOND(PROTO_PAIRWISE, key.id, 0);
	BEYOND(PROTO_OFFER, offer.nr_items, 0);
	BEYOND(PROTO_OFFER, offer.nr_items, PROTO_ITEMS_MAX + 1);
	BEYOND(PROTO_OFFER, offer.nr_items, SIZE_MAX);
	BEYOND(PROTO_OFFER, offer.items, NULL);
	BEYOND(PROTO_OFFER, offer.items[0].size, 151);
	BEYOND(PROTO_OFFER, offer.items[0].size, 152 + 65536);
	BEYOND(PROTO_NO, no.reason, POLICY_NONE);
	BEYOND(PROTO_NO, no.reason, POLICY_REASON_MAX);
	BEYOND(PROTO_BID, bid.contract, 0);
	BEYOND(PROTO_BID, bid.nr_wanted, 0);
	BEYOND(PROTO_BID, bid.nr_wanted, PROTO_ITEMS_MAX + 1);
	BEYOND(PROTO_BID, bid.wanted, NULL);
	BEYOND(PROTO_ACCEPT, accept.len, 0);
	BEYOND(PROTO_ACCEPT, accept.len, CONTRACT_BODY_MAX + 1);
	BEYOND(PROTO_REJECT, reject.reason, POLICY_NONE);
	BEYOND(PROTO_RECONCILE, symbols.len, 0);
	BEYOND(PROTO_SYMBOLS, symbols.len, 29);
	BEYOND(PROTO_SYMBOLS, symbols.len, 28 * (PROTO_SYMBOLS_MAX + 1));
	BEYOND(PROTO_DIFF, diff.nr_yours, PROTO_IDS_MAX + 1);
	BEYOND(PROTO_DIFF, diff.nr_mine, SIZE_MAX / 2);
	BEYOND(PROTO_WANT, want.nr_ids, PROTO_IDS_MAX + 1);
	BEYOND(PROTO_MESSAGE, message.len, 119);
	BEYOND(PROTO_MESSAGE, message.len, 120 + 65536);
	BEYOND(PROTO_MESSAGE, message.message, NULL);
	BEYOND(PROTO_CANCEL, cancel.nr_digests, 0);
	BEYOND(PROTO_CANCEL, cancel.nr_digests, 65);
	BEYOND(PROTO_RECEIPT, receipt.port, UINT16_MAX + 1);
	BEYOND(PROTO_RECEIPT, receipt.nr_digests, 0);
	BEYOND(PROTO_RECEIPT, receipt.nr_digests, PROTO_BATCH_MAX + 1);
	BEYOND(PROTO_RECEIPT, receipt.nr_endorsements, PROTO_ENDORSEMENTS_MAX + 1);
	BEYOND(PROTO_DELIVER, deliver.len, 0);
	BEYOND(PROTO_DELIVER, deliver.len, 119);
	BEYOND(PROTO_DELIVER, deliver.len, PROTO_DELIVER_MAX + 1);
	BEYOND(PROTO_ACK, ack.nr_states, 0);
	BEYOND(PROTO_ACK, ack.nr_states, PROTO_BATCH_MAX + 1);
	BEYOND(PROTO_BYE, bye.reason, POLICY_REASON_MAX);
	BEYOND(PROTO_BYE, bye.len, PROTO_TEXT_MAX + 1);
	BEYOND(PROTO_CONTRACT, contract.len, 0);
	BEYOND(PROTO_CONTRACT, contract.len, CONTRACT_BODY_MAX + 1);
}

static void round_trip(const struct proto_letter *letter, size_t least)
{
	uint8_t *out;
	size_t len;

	assert_int_equal(proto_encode(letter, &out, &len), 0);
	assert_true(len >= least && len - 4 <= PROTO_MAX);
	assert_int_equal(decode_encode(out + 4, len - 4), 0);
	free(out);
}

/* The largest of each kind fit; a letter that is larger than any is not even looked at. */
static void test_largest(void **state)
{
	struct proto_letter letter = { .type = PROTO_DIFF };
	uint8_t *large = calloc(1, PROTO_MAX + 1);
	struct cs_error error;
	size_t i;

	(void)state;
	assert_non_null(large);
	letter.diff = (struct proto_diff){ 1, large, PROTO_IDS_MAX, large, PROTO_IDS_MAX };
	round_trip(&letter, 2 * PROTO_IDS_MAX * PROTO_ID_LEN);
	letter = (struct proto_letter){ .type = PROTO_RECONCILE };
	letter.symbols.symbols = large;
	letter.symbols.len = 28 * PROTO_SYMBOLS_MAX;
	round_trip(&letter, 28 * PROTO_SYMBOLS_MAX);
	letter = (struct proto_letter){ .type = PROTO_OFFER };
	letter.offer.items = items;
	letter.offer.nr_items = PROTO_ITEMS_MAX;
	for (i = 0; i < PROTO_ITEMS_MAX; i++)
		items[i] = (struct proto_offer_item){ .size = 152 + 65535, .expiry = UINT64_MAX };
	round_trip(&letter, PROTO_ITEMS_MAX * 81);
	letter = (struct proto_letter){ .type = PROTO_MESSAGE };
	letter.message.message = content[0];
	letter.message.len = make_message(content[0], 65535);
	round_trip(&letter, PROTO_FRAME_MAX);
	letter = (struct proto_letter){ .type = PROTO_ACCEPT };
	letter.accept.body = large;
	letter.accept.len = CONTRACT_BODY_MAX;
	round_trip(&letter, CONTRACT_BODY_MAX);
	letter = (struct proto_letter){ .type = PROTO_CANCEL };
	letter.cancel.digests = large;
	letter.cancel.nr_digests = 64;
	round_trip(&letter, 64 * 64);
	assert_int_equal(proto_decode(&letter, large, PROTO_MAX + 1, &error), -EBADMSG);
	assert_non_null(strstr(error.text, "more than 1048576"));
	free(large);
}

static void test_names(void **state)
{
	unsigned int type;

	(void)state;
	assert_string_equal(proto_type_name(PROTO_HELLO), "HELLO");
	assert_string_equal(proto_type_name(PROTO_BYE), "BYE");
	for (type = PROTO_HELLO; type < PROTO_TYPE_MAX; type++)
		assert_string_not_equal(proto_type_name(type), "unknown");
	assert_string_equal(proto_type_name(0), "unknown");
	assert_string_equal(proto_type_name(PROTO_TYPE_MAX), "unknown");
	assert_string_equal(proto_type_name(UINT32_MAX), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_contents),
		cmocka_unit_test(test_encode_limits),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("proto", tests, NULL, NULL);
}
