/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The keys of a fobject, and what is done with them. See cipher.c.
 */
#ifndef CS_FOBJECT_CIPHER_H
#define CS_FOBJECT_CIPHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crowdshare/fobject.h>

#include "lib/message.h"

#define CS_SECRET_LEN	32
#define CS_MAC_LEN	16
#define CS_NONCE_LEN	12

/**
 * struct cs_sealed - bytes to be sealed, or sealed ones to be opened, with AES-256-GCM
 * @key: AES key
 * @nonce: never twice under one key
 * @aad: what is authenticated besides
 * @aad_len: its bytes
 */
struct cs_sealed {
	const uint8_t	*key;
	const uint8_t	*nonce;
	const void	*aad;
	size_t		aad_len;
};

int cs_gcm_seal(const struct cs_sealed *how, const void *plain, size_t len, uint8_t *sealed);
int cs_gcm_open(const struct cs_sealed *how, const uint8_t *sealed, size_t len, void *plain);
int cs_derive(const uint8_t secret[CS_SECRET_LEN], const char *purpose, uint8_t *key, size_t len);
int cs_random(uint8_t *bytes, size_t len);

/* The keys of one object. */
struct cs_cipher;

int cs_cipher_new(struct cs_cipher **cipher, const uint8_t content[CS_SECRET_LEN]);
int cs_cipher_new_blind(struct cs_cipher **cipher, const uint8_t transport[CS_SECRET_LEN]);
void cs_cipher_free(struct cs_cipher *cipher);

const uint8_t *cs_cipher_object(const struct cs_cipher *cipher);
const uint8_t *cs_cipher_transport(const struct cs_cipher *cipher);

int cs_cipher_chunk_id(struct cs_cipher *cipher, uint64_t number, uint8_t id[CS_CHUNK_ID_LEN]);
bool cs_cipher_number(struct cs_cipher *cipher, const uint8_t id[CS_CHUNK_ID_LEN],
		      uint64_t *number);

int cs_cipher_mac(struct cs_cipher *cipher, uint64_t number, const struct cs_message *message,
		  const uint8_t *slice, size_t len, uint8_t mac[CS_MAC_LEN]);
bool cs_cipher_slice_ok(struct cs_cipher *cipher, uint64_t number,
			const struct cs_message *message);

int cs_cipher_seal(struct cs_cipher *cipher, uint64_t number, bool last, const uint8_t *plain,
		   size_t len, uint8_t *sealed);
int cs_cipher_open(struct cs_cipher *cipher, uint64_t number, bool last, const uint8_t *sealed,
		   size_t len, uint8_t *plain);

#endif /* CS_FOBJECT_CIPHER_H */
