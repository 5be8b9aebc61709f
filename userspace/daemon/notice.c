// SPDX-License-Identifier: GPL-2.0
/*
 * Notices of delivery, PROTO_CANCEL: what is signed is the latest expiry, 8 bytes, big-endian, then
 * the digests.
 *
 * Nothing here keeps state between calls.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "daemon/notice.h"

#define CONTEXT		"crowdshare cancel v1"
#define DATA_MAX	(8 + PROTO_DIGESTS_MAX * CS_DIGEST_LEN)

static size_t signed_data(const struct proto_cancel *cancel, uint8_t data[DATA_MAX])
{
	uint64_t expiry = htobe64(cancel->expiry);

	memcpy(data, &expiry, sizeof(expiry));
	memcpy(data + sizeof(expiry), cancel->digests, cancel->nr_digests * CS_DIGEST_LEN);
	return sizeof(expiry) + cancel->nr_digests * CS_DIGEST_LEN;
}

/**
 * notice_sign() - sign a notice
 * @cancel: with expiry and digests; gets key and signature
 * @identity: of the destination
 *
 * Return: 0; -EINVAL: there are too many digests; an errno of identity_sign().
 */
int notice_sign(struct proto_cancel *cancel, const struct identity *identity)
{
	uint8_t data[DATA_MAX];

	if (!cancel->nr_digests || cancel->nr_digests > PROTO_DIGESTS_MAX)
		return -EINVAL;
	memcpy(cancel->public, identity->public, IDENTITY_PUBLIC_LEN);
	return identity_sign(identity, CONTEXT, data, signed_data(cancel, data),
			     cancel->signature);
}

/**
 * notice_verify() - did the owner of its key sign a notice?
 * @cancel: the notice
 *
 * Return: whether he did.
 */
bool notice_verify(const struct proto_cancel *cancel)
{
	uint8_t data[DATA_MAX];

	return cancel->nr_digests && cancel->nr_digests <= PROTO_DIGESTS_MAX &&
	       identity_verify(cancel->public, CONTEXT, data, signed_data(cancel, data),
			       cancel->signature);
}
