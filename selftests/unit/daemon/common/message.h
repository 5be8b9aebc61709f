/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages of tests: with random contents, and a digest that is right.
 */
#ifndef SELFTESTS_UNIT_DAEMON_MESSAGE_H
#define SELFTESTS_UNIT_DAEMON_MESSAGE_H

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/store.h"
#include "lib/message.h"

#include "random.h"

#define MESSAGE_HEAD	sizeof(struct cs_msg_hdr)
#define MESSAGE_MOST	(MESSAGE_HEAD + CS_SLICE_MAX)

/* Builds a message of @size bytes; the item is of it, and else empty. */
static inline void make_message(struct store_item *item, uint8_t *bytes, size_t size,
				const uint8_t destination[CS_ADDR_LEN], uint64_t expiry)
{
	struct cs_msg_hdr *hdr = (struct cs_msg_hdr *)bytes;
	size_t i;

	memset(hdr, 0, sizeof(*hdr));
	memcpy(hdr->destination, destination, CS_ADDR_LEN);
	hdr->expiry = htobe64(expiry);
	hdr->length = htobe16(size - sizeof(*hdr));
	hdr->k = htobe16(1);
	hdr->n = htobe16(1);
	random_bytes(hdr->chunk_id, sizeof(hdr->chunk_id));
	for (i = sizeof(*hdr); i < size; i++)
		bytes[i] = i;
	if (cs_sha512(bytes + CS_DIGEST_LEN, size - CS_DIGEST_LEN, hdr->digest))
		abort();
	*item = (struct store_item){ .expiry = expiry, .size = size, .message = bytes };
	memcpy(item->digest, hdr->digest, CS_DIGEST_LEN);
	memcpy(item->destination, destination, CS_ADDR_LEN);
}

#endif /* SELFTESTS_UNIT_DAEMON_MESSAGE_H */
