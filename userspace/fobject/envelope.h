/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Envelopes: what begins an object, for the recipient and for the provider. See envelope.c.
 */
#ifndef CS_FOBJECT_ENVELOPE_H
#define CS_FOBJECT_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crowdshare/card.h>
#include <crowdshare/fobject.h>

#include "fobject/cipher.h"
#include "fobject/rsa.h"
#include "lib/message.h"

/* numbers of chunks; the content follows */
#define CS_CHUNK_RECIPIENT	0
#define CS_CHUNK_PROVIDER	1
#define CS_CHUNK_CONTENT	2

#define CS_SIZE_UNKNOWN		UINT64_MAX
#define CS_CHUNK_MAX		(4 << 20)	/* bytes of a chunk */
#define CS_TIME_MAX		253402300799	/* end of the year 9999 */

/**
 * struct cs_envelope - what the recipient is told
 * @content: the content secret
 * @kind: what the object holds
 * @name: of the file or directory, as it came: it may be anything
 * @name_len: bytes of @name
 * @size: bytes of the file as the sender expects it, or %CS_SIZE_UNKNOWN
 * @segment: bytes of content in each chunk but the last
 * @created: Unix seconds
 * @expiry: Unix seconds; of the messages
 */
struct cs_envelope {
	uint8_t		content[CS_SECRET_LEN];
	enum cs_kind	kind;
	uint8_t		name[CS_NAME_MAX];
	size_t		name_len;
	uint64_t	size;
	uint32_t	segment;
	uint64_t	created;
	uint64_t	expiry;
};

/**
 * struct cs_terms - what the provider is told
 * @transport: the transport secret
 * @recipient: fingerprint of the recipient's key
 * @created: Unix seconds
 * @expiry: Unix seconds; of the messages
 * @max_price: millipoints per MiB that the sender pays at most
 * @account: of the sender with the provider, UTF-8; may be empty
 * @account_len: bytes of @account
 * @signed_by: the sender says who he is: @sender and @signature hold
 * @sender: public key of the sender, that of his card
 * @signature: Ed25519, over cs_terms_signed()
 */
struct cs_terms {
	uint8_t		transport[CS_SECRET_LEN];
	uint8_t		recipient[CS_FINGERPRINT_LEN];
	uint64_t	created;
	uint64_t	expiry;
	uint64_t	max_price;
	char		account[CS_ACCOUNT_MAX];
	size_t		account_len;
	bool		signed_by;
	uint8_t		sender[CS_PUBLIC_LEN];
	uint8_t		signature[CS_SIGNATURE_LEN];
};

#define CS_TERMS_CONTEXT	"crowdshare terms v1" /* with its NUL */
#define CS_TERMS_SIGNED_MAX	320

size_t cs_terms_signed(const struct cs_terms *terms, uint8_t data[CS_TERMS_SIGNED_MAX]);

bool cs_slice_makes_sense(const struct cs_message *message);
bool cs_envelope_chunk(const struct cs_message *message, uint8_t chunk[CS_SLICE_MAX]);
int cs_envelope_seal(const struct cs_envelope *envelope, EVP_PKEY *key, uint8_t *chunk,
		     size_t len);
int cs_envelope_open(struct cs_envelope *envelope, const struct cs_private *key,
		     const uint8_t *chunk, size_t len, struct cs_error *error);
int cs_envelope_decode(struct cs_envelope *envelope, const uint8_t *body, size_t len,
		       struct cs_error *error);

int cs_terms_seal(const struct cs_terms *terms, EVP_PKEY *key, uint8_t *chunk, size_t len);
int cs_terms_open(struct cs_terms *terms, const struct cs_private *key, const uint8_t *chunk,
		  size_t len, struct cs_error *error);
int cs_terms_decode(struct cs_terms *terms, const uint8_t *body, size_t len,
		    struct cs_error *error);

#endif /* CS_FOBJECT_ENVELOPE_H */
