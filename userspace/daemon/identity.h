/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The identity of a node: an Ed25519 key, and the address that is its hash. See identity.c.
 */
#ifndef CSD_IDENTITY_H
#define CSD_IDENTITY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <crowdshare/wire.h>

#include "lib/error.h"

#define IDENTITY_PUBLIC_LEN	32
#define IDENTITY_SIGNATURE_LEN	64

/**
 * struct identity - an identity whose private key is known
 * @key: the Ed25519 key
 * @certificate: self-signed, or signed by a community's key: what TLS presents
 * @public: the public key
 * @address: fd00::/8 with the hash of @public
 * @text: @address as text
 */
struct identity {
	EVP_PKEY	*key;
	X509		*certificate;
	uint8_t		public[IDENTITY_PUBLIC_LEN];
	uint8_t		address[CS_ADDR_LEN];
	char		text[INET6_ADDRSTRLEN];
};

int identity_open(struct identity *identity, const char *path, struct cs_error *error);
int identity_use_certificate(struct identity *identity, const char *path, struct cs_error *error);
void identity_close(struct identity *identity);

void identity_address(const uint8_t public[IDENTITY_PUBLIC_LEN], uint8_t address[CS_ADDR_LEN]);
int identity_of_certificate(const X509 *certificate, uint8_t public[IDENTITY_PUBLIC_LEN]);

int identity_sign(const struct identity *identity, const char *context, const void *data,
		  size_t len, uint8_t signature[IDENTITY_SIGNATURE_LEN]);
bool identity_verify(const uint8_t public[IDENTITY_PUBLIC_LEN], const char *context,
		     const void *data, size_t len,
		     const uint8_t signature[IDENTITY_SIGNATURE_LEN]);

#endif /* CSD_IDENTITY_H */
