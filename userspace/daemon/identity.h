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

/* RFC 5280, 4.1.2.5: the end of a certificate that has none */
#define IDENTITY_ALWAYS_FROM	"19700101000000Z"
#define IDENTITY_ALWAYS_TO	"99991231235959Z"

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

/**
 * struct identity_claim - what a certificate says
 * @subject: common name of whom it is about, UTF-8, 1 to 64 characters
 * @key: their public key
 * @issuer: who says so, NULL: they themselves
 * @issuer_key: private key that signs
 * @not_before: when it begins to be valid, as for ASN1_TIME_set_string(3)
 * @not_after: when it ends to be
 * @serial: number of the certificate, not 0
 * @ca: it may sign others
 */
struct identity_claim {
	const char	*subject;
	EVP_PKEY	*key;
	X509		*issuer;
	EVP_PKEY	*issuer_key;
	const char	*not_before;
	const char	*not_after;
	uint8_t		serial[16];
	bool		ca;
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

/* Files of keys and certificates; trust.c uses these too. */
EVP_PKEY *identity_new_key(struct cs_error *error);
int identity_read_key(EVP_PKEY **key, const char *path, struct cs_error *error);
int identity_write_key(EVP_PKEY *key, const char *path, struct cs_error *error);
int identity_read_certificate(X509 **certificate, const char *path, struct cs_error *error);
int identity_write_certificate(X509 *certificate, const char *path, struct cs_error *error);
int identity_certify(X509 **certificate, const struct identity_claim *claim,
		     struct cs_error *error);

#endif /* CSD_IDENTITY_H */
