/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Frames as the tests craft and judge them. See frame.c.
 */
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <crowdshare/wire.h>

#define FRAME_MAX	(CS_ETH_HLEN + 4 + CS_HDRS_LEN + CS_SLICE_MAX + 64)

enum frame_tag {
	FRAME_TAG_ZERO,
	FRAME_TAG_RANDOM,
	FRAME_TAG_MADE,		/* with the key */
	FRAME_TAG_FORGED,	/* made with the key, then one bit is flipped */
};

enum frame_digest {
	FRAME_DIGEST_RIGHT,
	FRAME_DIGEST_WRONG,	/* the right one with one bit flipped */
	FRAME_DIGEST_OTHER,	/* that of the message of the same index and another seed */
};

/**
 * struct frame_spec - what to put into a frame
 * @src: source MAC
 * @dst: destination MAC
 * @ethertype: CS_ETHERTYPE, or a foreign one
 * @vlan: tag control information of an 802.1Q tag, -1: no tag
 * @version: link header
 * @type: link header
 * @hops: link header, hops_left
 * @key_id: link header
 * @contract: link header
 * @counter: link header
 * @tag: what stands in the place of the tag
 * @key: makes the tag
 * @destination: of the message
 * @expiry: of the message
 * @port: of the message
 * @length: what the field says, -1: the truth
 * @flags: of the message
 * @seed: chooses a series of messages; the same seed, fields and size make the same messages
 * @digest: which digest the message gets
 * @digest_seed: for FRAME_DIGEST_OTHER
 * @size: bytes of payload
 */
struct frame_spec {
	uint8_t src[6];
	uint8_t dst[6];
	uint16_t ethertype;
	int vlan;
	uint8_t version;
	uint8_t type;
	uint8_t hops;
	uint8_t key_id;
	uint32_t contract;
	uint64_t counter;
	enum frame_tag tag;
	uint8_t key[CS_KEY_LEN];
	uint8_t destination[CS_ADDR_LEN];
	uint64_t expiry;
	uint16_t port;
	int length;
	uint16_t flags;
	uint64_t seed;
	enum frame_digest digest;
	uint64_t digest_seed;
	size_t size;
};

/* What stands behind the Ethernet header (and the VLAN tag) of a frame. */
struct frame_body {
	struct cs_link_hdr link;
	struct cs_msg_hdr msg;
	uint8_t payload[];
} __attribute__((packed));

void frame_defaults(struct frame_spec *spec);
size_t frame_build(const struct frame_spec *spec, uint64_t index, uint8_t *frame);
bool frame_digest_right(const struct frame_body *body, size_t len);
void frame_tag(const struct cs_link_hdr *link, const uint8_t *src, const uint8_t *digest,
	       const uint8_t *key, uint8_t *tag);
void frame_read_key(const char *file, uint8_t *key);

#endif /* FRAME_H */
