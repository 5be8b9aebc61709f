/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Codec of messages and frames: host-order structs to the bytes of crowdshare/wire.h and back.
 *
 * Nothing here keeps state between calls, so everything may be called from several threads. Why a
 * frame is refused is told in the kernel's own words, enum crowdshare_drop.
 */
#ifndef CS_LIB_MESSAGE_H
#define CS_LIB_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crowdshare/drop.h>
#include <crowdshare/wire.h>

#define CS_FRAME_HLEN	(CS_ETH_HLEN + CS_HDRS_LEN)

/**
 * struct cs_link - link header in host byte order
 *
 * Members as in struct cs_link_hdr.
 */
struct cs_link {
	uint8_t		version;
	uint8_t		type;
	uint8_t		hops_left;
	uint8_t		key_id;
	uint32_t	contract;
	uint64_t	counter;
	uint8_t		tag[CS_TAG_LEN];
};

/**
 * struct cs_message - message in host byte order
 * @payload: @length bytes; points into the frame when it was made by cs_frame_parse()
 *
 * Other members as in struct cs_msg_hdr. @digest is set by the builder.
 */
struct cs_message {
	uint8_t		digest[CS_DIGEST_LEN];
	uint8_t		destination[CS_ADDR_LEN];
	uint64_t	expiry;
	uint16_t	port;
	uint16_t	length;
	uint8_t		chunk_id[CS_CHUNK_ID_LEN];
	uint32_t	chunk_length;
	uint16_t	index;
	uint16_t	k;
	uint16_t	n;
	uint16_t	flags;
	const uint8_t	*payload;
};

/**
 * struct cs_frame - a frame taken apart
 * @to: destination MAC
 * @from: source MAC
 * @ethertype: host byte order
 * @link: link header
 * @message: message
 */
struct cs_frame {
	uint8_t			to[6];
	uint8_t			from[6];
	uint16_t		ethertype;
	struct cs_link		link;
	struct cs_message	message;
};

/* What a link header is before its sender has anything to say: no hop limit, no key. */
#define CS_LINK_INIT { .version = CS_VERSION, .type = CS_TYPE_MESSAGE, \
		       .hops_left = CS_HOPS_UNLIMITED }

int cs_sha512(const void *data, size_t len, uint8_t digest[CS_DIGEST_LEN]);
int cs_tag(const uint8_t key[CS_KEY_LEN], const struct cs_link_hdr *link,
	   const uint8_t source[6], const uint8_t digest[CS_DIGEST_LEN], uint8_t tag[CS_TAG_LEN]);

void cs_link_put(struct cs_link_hdr *to, const struct cs_link *from);
void cs_link_get(struct cs_link *to, const struct cs_link_hdr *from);

size_t cs_message_build(void *buf, size_t size, struct cs_message *message);
enum crowdshare_drop cs_message_parse(const void *buf, size_t len, struct cs_message *message);
bool cs_message_digest_ok(const void *buf, size_t len);
size_t cs_frame_build(void *buf, size_t size, struct cs_frame *frame);
int cs_frame_sign(void *frame, size_t len, uint8_t key_id, const uint8_t key[CS_KEY_LEN]);
enum crowdshare_drop cs_frame_parse(const void *buf, size_t len, uint16_t ethertype,
				    struct cs_frame *frame);
bool cs_frame_digest_ok(const void *buf, size_t len);

const char *cs_drop_name(unsigned int reason);
const char *cs_drop_text(unsigned int reason);

#endif /* CS_LIB_MESSAGE_H */
