// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the codec of messages and frames. Digest and tag are held against values that
 * Python's hashlib computed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/message.h"

static const uint8_t payload[] = "hello";

static size_t build(uint8_t *buf, size_t size, struct cs_frame *frame)
{
	*frame = (struct cs_frame){
		.to = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		.from = { 2, 0, 0, 0, 0, 1 },
		.ethertype = CS_ETHERTYPE,
		.link = CS_LINK_INIT,
		.message = {
			.destination = { 0xfd, 1 }, .expiry = 0x0102030405060708, .port = 0x1122,
			.length = 5, .chunk_id = { 9, 8, 7 }, .chunk_length = 0x33445566,
			.index = 0x0102, .k = 0x0304, .n = 0x0506, .payload = payload,
		},
	};
	frame->link.contract = 0xa1a2a3a4;
	frame->link.counter = 0xb1b2b3b4b5b6b7b8;
	return cs_frame_build(buf, size, frame);
}

static void test_round_trip(void **state)
{
	struct cs_frame in, out;
	uint8_t buf[512];
	size_t len = build(buf, sizeof(buf), &in);

	(void)state;
	assert_int_equal(len, CS_FRAME_HLEN + 5);
	assert_int_equal(cs_frame_parse(buf, len, CS_ETHERTYPE, &out), CROWDSHARE_DROP_NONE);
	assert_true(cs_frame_digest_ok(buf, len));
	assert_memory_equal(out.message.payload, payload, 5);
	in.message.payload = out.message.payload;
	assert_memory_equal(&in.link, &out.link, sizeof(in.link));
	assert_memory_equal(in.message.digest, out.message.digest, CS_DIGEST_LEN);
	assert_int_equal(out.message.expiry, 0x0102030405060708);
	assert_int_equal(out.message.chunk_length, 0x33445566);
	assert_int_equal(out.message.index, 0x0102);
	assert_int_equal(out.message.k, 0x0304);
	assert_int_equal(out.message.n, 0x0506);
	assert_int_equal(out.message.port, 0x1122);
	/* where the bytes stand on the wire */
	assert_int_equal(buf[14 + 32 + 64 + 16], 1);
	assert_int_equal(buf[14 + 4], 0xa1);
}

static void test_vectors(void **state)
{
	static const uint8_t abc[8] = { 0xdd, 0xaf, 0x35, 0xa1, 0x93, 0x61, 0x7a, 0xba };
	static const uint8_t expected[CS_TAG_LEN] = {
		0xfb, 0xb8, 0xcd, 0x28, 0x14, 0xd8, 0xe0, 0x3e,
		0x19, 0xce, 0x75, 0x8f, 0xcb, 0xdc, 0x50, 0xdc,
	};
	uint8_t key[CS_KEY_LEN], tag[CS_TAG_LEN], digest[CS_DIGEST_LEN] = { 2 };
	struct cs_link_hdr link = { .version = 1, .tag = { 1, 2, 3 } };
	const uint8_t source[6] = { 1 };

	(void)state;
	/* blake2s(bytes([1]) + bytes(15) + bytes([1]) + bytes(5) + bytes([2]) + bytes(63)) */
	memset(key, 7, sizeof(key));
	assert_int_equal(cs_tag(key, &link, source, digest, tag), 0);
	assert_memory_equal(tag, expected, sizeof(tag));
	assert_int_equal(cs_sha512("abc", 3, digest), 0);
	assert_memory_equal(digest, abc, sizeof(abc));
}

static void test_sign(void **state)
{
	uint8_t buf[512], key[CS_KEY_LEN] = { 3 }, tag[CS_TAG_LEN];
	struct cs_frame frame;
	size_t len = build(buf, sizeof(buf), &frame);

	(void)state;
	assert_int_equal(cs_frame_sign(buf, len, 42, key), 0);
	cs_frame_parse(buf, len, CS_ETHERTYPE, &frame);
	assert_int_equal(frame.link.key_id, 42);
	cs_tag(key, (struct cs_link_hdr *)(buf + 14), frame.from, frame.message.digest, tag);
	assert_memory_equal(frame.link.tag, tag, CS_TAG_LEN);
	/* the tag is outside the digest */
	assert_true(cs_frame_digest_ok(buf, len));
	assert_int_equal(cs_frame_sign(buf, CS_FRAME_HLEN - 1, 42, key), -1);
}

static void test_reasons(void **state)
{
	struct cs_frame frame;
	uint8_t buf[512];
	size_t len, i;

	(void)state;
	len = build(buf, sizeof(buf), &frame);
	for (i = 0; i < len; i++)
		assert_int_equal(cs_frame_parse(buf, i, CS_ETHERTYPE, &frame),
				 CROWDSHARE_DROP_TRUNCATED);
	assert_int_equal(cs_frame_parse(buf, len + 1, CS_ETHERTYPE, &frame),
			 CROWDSHARE_DROP_OVERSIZE);
	assert_int_equal(cs_frame_parse(buf, len, 0x88b6, &frame), CROWDSHARE_DROP_FOREIGN);
	buf[14] = 2;
	assert_int_equal(cs_frame_parse(buf, len, CS_ETHERTYPE, &frame), CROWDSHARE_DROP_VERSION);
	buf[14] = 1;
	buf[15] = 2;
	assert_int_equal(cs_frame_parse(buf, len, CS_ETHERTYPE, &frame), CROWDSHARE_DROP_TYPE);
	buf[15] = 1;
	buf[CS_FRAME_HLEN - 1] = 1;
	assert_int_equal(cs_frame_parse(buf, len, CS_ETHERTYPE, &frame), CROWDSHARE_DROP_FLAGS);
}

/* Whatever byte of a message changes, its digest is wrong; the link header is outside. */
static void test_digest(void **state)
{
	struct cs_frame frame;
	uint8_t buf[512];
	size_t len, i;

	(void)state;
	len = build(buf, sizeof(buf), &frame);
	for (i = 0; i < len; i++) {
		buf[i] ^= 0x10;
		assert_int_equal(cs_frame_digest_ok(buf, len),
				 i < CS_ETH_HLEN + sizeof(struct cs_link_hdr));
		buf[i] ^= 0x10;
	}
}

static void test_room(void **state)
{
	struct cs_frame frame;
	uint8_t buf[512];
	size_t i, len = build(buf, sizeof(buf), &frame);

	(void)state;
	for (i = 0; i < len; i++)
		assert_int_equal(build(buf, i, &frame), 0);
	assert_int_equal(build(buf, len, &frame), len);
}

static void test_drop_names(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i <= CROWDSHARE_DROP_MAX; i++) {
		assert_non_null(cs_drop_name(i));
		assert_non_null(cs_drop_text(i));
	}
	assert_string_equal(cs_drop_name(CROWDSHARE_DROP_TX_QUEUE), "tx_queue");
	assert_null(cs_drop_name(CROWDSHARE_DROP_MAX + 1));
	assert_null(cs_drop_text(UINT32_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_sign),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_drop_names),
	};

	return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
