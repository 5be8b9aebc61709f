/* SPDX-License-Identifier: GPL-2.0 */
/*
 * RSA keys, and RSA-OAEP with SHA-256 (RFC 8017). See rsa.c.
 */
#ifndef CS_FOBJECT_RSA_H
#define CS_FOBJECT_RSA_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

#include <crowdshare/card.h>

#define CS_RSA_LEN_MAX	(CS_RSA_BITS_MAX / 8)

/**
 * struct cs_private - a private key
 * @key: RSA, of an allowed size
 * @der: the public part of it, as it stands on a card
 * @der_len: bytes of @der
 * @bits: of the modulus
 * @fingerprint: SHA-256 of @der
 */
struct cs_private {
	EVP_PKEY	*key;
	uint8_t		der[CS_CARD_KEY_MAX];
	size_t		der_len;
	unsigned int	bits;
	uint8_t		fingerprint[CS_FINGERPRINT_LEN];
};

EVP_PKEY *cs_rsa_public(const uint8_t *der, size_t len, unsigned int *bits,
			struct cs_error *error);
int cs_rsa_encrypt(EVP_PKEY *key, const char *label, const void *data, size_t len, uint8_t *out);
int cs_rsa_decrypt(const struct cs_private *key, const char *label, const uint8_t *sealed,
		   void *data, size_t len);
const char *cs_openssl_reason(void);

#endif /* CS_FOBJECT_RSA_H */
