// SPDX-License-Identifier: GPL-2.0
/*
 * The keys of a fobject, and what is done with them.
 *
 * All come from one secret, the content secret, by HKDF-SHA256 (RFC 5869). The transport secret is
 * derived from it, and not the other way round: who has only that, the provider, can tell which
 * chunks belong to the object and which slices are forged, and restore the encrypted chunks, but
 * not read them.
 *
 *	content secret ─┬─ content key		AES-256-GCM of the chunks
 *			└─ transport secret ─┬─ id of the object
 *					     ├─ chunk id key	AES-256
 *					     └─ slice key	AES-256-GCM used as a MAC
 *
 * The id of a chunk is its number, encrypted: to who has no key, a random number that says nothing
 * of the object or of other chunks; who has it gets the number back. The chunks are the segments of
 * STREAM (Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and its Nonce-Reuse
 * Misuse-Resistance", CRYPTO 2015): number and "last" are in the nonce, so that none can be left
 * out, moved, taken from another object or cut off. Keys are an object's own, so the nonces only
 * need to differ in it.
 *
 * A slice has a MAC of its own (GMAC, NIST SP 800-38D), so that of many slices that claim to be of
 * a chunk the forged ones are found one by one, not by trying subsets.
 *
 * A struct cs_cipher is changed by its use: one thread at a time.
 */
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "fobject/cipher.h"

/**
 * struct cs_cipher - the keys of one object
 * @object: its id
 * @transport: the transport secret
 * @content: the content key; not used if @blind
 * @blind: only the transport secret is known
 * @seal: AES-256-GCM with the content key, to encrypt
 * @open: to decrypt
 * @mac: AES-256-GCM with the slice key
 * @to_id: AES-256 of one block with the chunk id key
 * @from_id: the other direction
 */
struct cs_cipher {
	uint8_t		object[CS_OBJECT_ID_LEN];
	uint8_t		transport[CS_SECRET_LEN];
	bool		blind;
	EVP_CIPHER_CTX	*seal;
	EVP_CIPHER_CTX	*open;
	EVP_CIPHER_CTX	*mac;
	EVP_CIPHER_CTX	*to_id;
	EVP_CIPHER_CTX	*from_id;
};

/* Looked up once per process; after that only read. */
static pthread_once_t algorithms_once = PTHREAD_ONCE_INIT;
static EVP_CIPHER *gcm, *ecb;
static EVP_KDF *hkdf;

static void algorithms_free(void)
{
	EVP_CIPHER_free(gcm);
	EVP_CIPHER_free(ecb);
	EVP_KDF_free(hkdf);
	gcm = NULL;
	ecb = NULL;
	hkdf = NULL;
}

static void algorithms_fetch(void)
{
	gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	ecb = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
	hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	OPENSSL_atexit(algorithms_free);
}

/**
 * cs_random() - random bytes, for keys
 * @bytes: gets them
 * @len: their number
 *
 * Return: 0 or -EIO.
 */
int cs_random(uint8_t *bytes, size_t len)
{
	int rc = RAND_priv_bytes(bytes, len) == 1 ? 0 : -EIO;

	ERR_clear_error();
	return rc;
}

/**
 * cs_derive() - a key, out of a secret
 * @secret: random
 * @purpose: what the key is for
 * @key: gets it
 * @len: its bytes
 *
 * Return: 0 or -EIO.
 */
int cs_derive(const uint8_t secret[CS_SECRET_LEN], const char *purpose, uint8_t *key, size_t len)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret,
						  CS_SECRET_LEN),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)purpose,
						  strlen(purpose)),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF_CTX *ctx;
	int rc;

	pthread_once(&algorithms_once, algorithms_fetch);
	ctx = hkdf ? EVP_KDF_CTX_new(hkdf) : NULL;
	rc = ctx && EVP_KDF_derive(ctx, key, len, params) == 1 ? 0 : -EIO;
	EVP_KDF_CTX_free(ctx);
	ERR_clear_error();
	return rc;
}

static EVP_CIPHER_CTX *context(EVP_CIPHER *cipher, const uint8_t *key, bool encrypt)
{
	EVP_CIPHER_CTX *ctx = cipher ? EVP_CIPHER_CTX_new() : NULL;

	if (ctx && EVP_CipherInit_ex2(ctx, cipher, key, NULL, encrypt, NULL) == 1 &&
	    EVP_CIPHER_CTX_set_padding(ctx, 0) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

/* Encrypts under the key of @ctx; the tag goes behind. */
static int seal(EVP_CIPHER_CTX *ctx, const struct cs_sealed *how, const void *plain, size_t len,
		uint8_t *sealed)
{
	int n;

	return EVP_EncryptInit_ex2(ctx, NULL, NULL, how->nonce, NULL) == 1 &&
	       EVP_EncryptUpdate(ctx, NULL, &n, how->aad, how->aad_len) == 1 &&
	       (!len || EVP_EncryptUpdate(ctx, sealed, &n, plain, len) == 1) &&
	       EVP_EncryptFinal_ex(ctx, sealed + len, &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CS_MAC_LEN, sealed + len) == 1 ?
	       0 : -EIO;
}

/* Decrypts; @len with the tag. */
static int open_sealed(EVP_CIPHER_CTX *ctx, const struct cs_sealed *how, const uint8_t *sealed,
		       size_t len, uint8_t *plain)
{
	uint8_t tag[CS_MAC_LEN], none;
	int n, rc;

	if (len < CS_MAC_LEN)
		return -EBADMSG;
	len -= CS_MAC_LEN;
	memcpy(tag, sealed + len, CS_MAC_LEN);
	rc = EVP_DecryptInit_ex2(ctx, NULL, NULL, how->nonce, NULL) == 1 &&
	     EVP_DecryptUpdate(ctx, NULL, &n, how->aad, how->aad_len) == 1 &&
	     (!len || EVP_DecryptUpdate(ctx, plain, &n, sealed, len) == 1) &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, CS_MAC_LEN, tag) == 1 &&
	     EVP_DecryptFinal_ex(ctx, &none, &n) == 1 ? 0 : -EBADMSG;
	ERR_clear_error();
	return rc;
}

/**
 * cs_gcm_seal() - encrypt with AES-256-GCM
 * @how: key, nonce, and what is authenticated besides
 * @plain: what
 * @len: its bytes
 * @sealed: gets @len bytes, and CS_MAC_LEN of tag
 *
 * Return: 0 or -EIO.
 */
int cs_gcm_seal(const struct cs_sealed *how, const void *plain, size_t len, uint8_t *sealed)
{
	EVP_CIPHER_CTX *ctx;
	int rc;

	pthread_once(&algorithms_once, algorithms_fetch);
	ctx = context(gcm, how->key, true);
	rc = ctx ? seal(ctx, how, plain, len, sealed) : -EIO;
	EVP_CIPHER_CTX_free(ctx);
	return rc;
}

/**
 * cs_gcm_open() - decrypt what was encrypted with AES-256-GCM
 * @how: key, nonce, and what is authenticated besides
 * @sealed: the bytes, with their tag
 * @len: their number
 * @plain: gets @len - CS_MAC_LEN bytes, which mean nothing after a failure
 *
 * Return: 0 or -EBADMSG.
 */
int cs_gcm_open(const struct cs_sealed *how, const uint8_t *sealed, size_t len, void *plain)
{
	EVP_CIPHER_CTX *ctx;
	int rc;

	pthread_once(&algorithms_once, algorithms_fetch);
	ctx = context(gcm, how->key, false);
	rc = ctx ? open_sealed(ctx, how, sealed, len, plain) : -EBADMSG;
	EVP_CIPHER_CTX_free(ctx);
	return rc;
}

/* The part that the transport secret suffices for. */
static int init_transport(struct cs_cipher *cipher)
{
	uint8_t key[CS_SECRET_LEN];
	int rc;

	rc = cs_derive(cipher->transport, "crowdshare v1 object", cipher->object,
		       sizeof(cipher->object));
	if (!rc)
		rc = cs_derive(cipher->transport, "crowdshare v1 chunk id", key, sizeof(key));
	if (!rc) {
		cipher->to_id = context(ecb, key, true);
		cipher->from_id = context(ecb, key, false);
		rc = cs_derive(cipher->transport, "crowdshare v1 slice", key, sizeof(key));
	}
	if (!rc)
		cipher->mac = context(gcm, key, true);
	OPENSSL_cleanse(key, sizeof(key));
	return cipher->to_id && cipher->from_id && cipher->mac ? rc : -EIO;
}

static int init_content(struct cs_cipher *cipher, const uint8_t *content)
{
	uint8_t key[CS_SECRET_LEN];
	int rc;

	rc = cs_derive(content, "crowdshare v1 transport", cipher->transport, CS_SECRET_LEN);
	if (!rc)
		rc = cs_derive(content, "crowdshare v1 content", key, sizeof(key));
	if (!rc) {
		cipher->seal = context(gcm, key, true);
		cipher->open = context(gcm, key, false);
	}
	OPENSSL_cleanse(key, sizeof(key));
	return cipher->seal && cipher->open ? rc : -EIO;
}

static int make(struct cs_cipher **to, const uint8_t *content, const uint8_t *transport)
{
	struct cs_cipher *cipher = calloc(1, sizeof(*cipher));
	int rc = 0;

	*to = NULL;
	if (!cipher)
		return -ENOMEM;
	pthread_once(&algorithms_once, algorithms_fetch);
	cipher->blind = !content;
	if (content)
		rc = init_content(cipher, content);
	else if (transport)
		memcpy(cipher->transport, transport, CS_SECRET_LEN);
	if (!rc)
		rc = init_transport(cipher);
	ERR_clear_error();
	if (rc)
		cs_cipher_free(cipher);
	else
		*to = cipher;
	return rc;
}

/**
 * cs_cipher_new() - the keys of an object
 * @cipher: gets them, to be freed with cs_cipher_free()
 * @content: the content secret
 *
 * Return: 0, -ENOMEM or -EIO.
 */
int cs_cipher_new(struct cs_cipher **cipher, const uint8_t content[CS_SECRET_LEN])
{
	return make(cipher, content, NULL);
}

/**
 * cs_cipher_new_blind() - those keys of an object that a provider has
 * @cipher: gets them, to be freed with cs_cipher_free()
 * @transport: the transport secret
 *
 * Return: 0, -ENOMEM or -EIO.
 */
int cs_cipher_new_blind(struct cs_cipher **cipher, const uint8_t transport[CS_SECRET_LEN])
{
	return make(cipher, NULL, transport);
}

/**
 * cs_cipher_free() - forget the keys of an object
 * @cipher: its keys; may be NULL
 */
void cs_cipher_free(struct cs_cipher *cipher)
{
	if (!cipher)
		return;
	EVP_CIPHER_CTX_free(cipher->seal);
	EVP_CIPHER_CTX_free(cipher->open);
	EVP_CIPHER_CTX_free(cipher->mac);
	EVP_CIPHER_CTX_free(cipher->to_id);
	EVP_CIPHER_CTX_free(cipher->from_id);
	OPENSSL_cleanse(cipher, sizeof(*cipher));
	free(cipher);
}

/** cs_cipher_object() - id of the object, CS_OBJECT_ID_LEN bytes */
const uint8_t *cs_cipher_object(const struct cs_cipher *cipher)
{
	return cipher->object;
}

/** cs_cipher_transport() - the transport secret, CS_SECRET_LEN bytes */
const uint8_t *cs_cipher_transport(const struct cs_cipher *cipher)
{
	return cipher->transport;
}

/**
 * cs_cipher_chunk_id() - the id of a chunk
 * @cipher: keys of the object
 * @number: of the chunk
 * @id: gets the id
 *
 * Return: 0 or -EIO.
 */
int cs_cipher_chunk_id(struct cs_cipher *cipher, uint64_t number, uint8_t id[CS_CHUNK_ID_LEN])
{
	uint64_t block[2] = { 0, htobe64(number) };
	int n;

	return EVP_EncryptUpdate(cipher->to_id, id, &n, (uint8_t *)block, sizeof(block)) == 1 &&
	       n == CS_CHUNK_ID_LEN ? 0 : -EIO;
}

/**
 * cs_cipher_number() - which chunk of the object is it?
 * @cipher: keys of the object
 * @id: id of a chunk of whatever object
 * @number: set to the number, if it is one of this
 *
 * Return: whether it is. An id that is not may pass with probability 2^-64.
 */
bool cs_cipher_number(struct cs_cipher *cipher, const uint8_t id[CS_CHUNK_ID_LEN],
		      uint64_t *number)
{
	uint64_t block[2];
	int n;

	if (EVP_DecryptUpdate(cipher->from_id, (uint8_t *)block, &n, id, CS_CHUNK_ID_LEN) != 1 ||
	    n != CS_CHUNK_ID_LEN || block[0])
		return false;
	*number = be64toh(block[1]);
	return true;
}

/* struct mac_head - what a slice's MAC covers before the slice itself */
struct mac_head {
	uint32_t	chunk_length;
	uint16_t	k;
	uint16_t	n;
} __attribute__((packed));

/**
 * cs_cipher_mac() - the MAC of a slice
 * @cipher: keys of the object
 * @number: of the chunk
 * @message: chunk_length, index, k and n are read
 * @slice: the slice
 * @len: its bytes
 * @mac: gets the MAC
 *
 * Return: 0 or -EIO.
 */
int cs_cipher_mac(struct cs_cipher *cipher, uint64_t number, const struct cs_message *message,
		  const uint8_t *slice, size_t len, uint8_t mac[CS_MAC_LEN])
{
	struct mac_head head = {
		htobe32(message->chunk_length), htobe16(message->k), htobe16(message->n),
	};
	uint16_t index = htobe16(message->index);
	uint8_t nonce[CS_NONCE_LEN] = { 0 };
	EVP_CIPHER_CTX *ctx = cipher->mac;
	int n;

	number = htobe64(number);
	memcpy(nonce, &number, sizeof(number));
	memcpy(nonce + sizeof(number), &index, sizeof(index));
	return EVP_EncryptInit_ex2(ctx, NULL, NULL, nonce, NULL) == 1 &&
	       EVP_EncryptUpdate(ctx, NULL, &n, (uint8_t *)&head, sizeof(head)) == 1 &&
	       EVP_EncryptUpdate(ctx, NULL, &n, slice, len) == 1 &&
	       EVP_EncryptFinal_ex(ctx, mac, &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CS_MAC_LEN, mac) == 1 ? 0 : -EIO;
}

/**
 * cs_cipher_slice_ok() - is this message a slice of the object, or forged?
 * @cipher: keys of the object
 * @number: of the chunk
 * @message: its payload is the slice and its MAC
 *
 * Return: whether the MAC is right.
 */
bool cs_cipher_slice_ok(struct cs_cipher *cipher, uint64_t number,
			const struct cs_message *message)
{
	size_t len = message->length - CS_MAC_LEN;
	uint8_t mac[CS_MAC_LEN];

	return message->length > CS_MAC_LEN &&
	       !cs_cipher_mac(cipher, number, message, message->payload, len, mac) &&
	       !CRYPTO_memcmp(mac, message->payload + len, CS_MAC_LEN);
}

/**
 * struct chunk_aad - what the seal of a chunk covers besides its content
 * @object: id of the object
 * @number: of the chunk
 * @last: 1 for the last chunk, 0 for all others
 */
struct chunk_aad {
	uint8_t		object[CS_OBJECT_ID_LEN];
	uint64_t	number;
	uint8_t		last;
} __attribute__((packed));

static void chunk_how(const struct cs_cipher *cipher, uint64_t number, bool last,
		      struct chunk_aad *aad, uint8_t nonce[CS_NONCE_LEN], struct cs_sealed *how)
{
	memcpy(aad->object, cipher->object, sizeof(aad->object));
	aad->number = htobe64(number);
	aad->last = last;
	memset(nonce, 0, CS_NONCE_LEN);
	memcpy(nonce, (uint8_t *)aad + sizeof(aad->object), sizeof(number));
	nonce[CS_NONCE_LEN - 1] = last;
	*how = (struct cs_sealed){ .nonce = nonce, .aad = aad, .aad_len = sizeof(*aad) };
}

/**
 * cs_cipher_seal() - encrypt a chunk
 * @cipher: keys of the object
 * @number: of the chunk
 * @last: it is the last one
 * @plain: its content
 * @len: bytes of that
 * @sealed: gets @len + CS_MAC_LEN bytes
 *
 * Return: 0 or -EIO.
 */
int cs_cipher_seal(struct cs_cipher *cipher, uint64_t number, bool last, const uint8_t *plain,
		   size_t len, uint8_t *sealed)
{
	uint8_t nonce[CS_NONCE_LEN];
	struct chunk_aad aad;
	struct cs_sealed how;

	if (cipher->blind)
		return -EIO;
	chunk_how(cipher, number, last, &aad, nonce, &how);
	return seal(cipher->seal, &how, plain, len, sealed);
}

/**
 * cs_cipher_open() - decrypt a chunk
 * @cipher: keys of the object
 * @number: of the chunk
 * @last: it is to be the last one
 * @sealed: the chunk
 * @len: its bytes
 * @plain: gets @len - CS_MAC_LEN bytes, which mean nothing after a failure; may be @sealed
 *
 * Return: 0, or -EBADMSG if it is not that chunk of this object, or was changed.
 */
int cs_cipher_open(struct cs_cipher *cipher, uint64_t number, bool last, const uint8_t *sealed,
		   size_t len, uint8_t *plain)
{
	uint8_t nonce[CS_NONCE_LEN];
	struct chunk_aad aad;
	struct cs_sealed how;

	if (cipher->blind)
		return -EBADMSG;
	chunk_how(cipher, number, last, &aad, nonce, &how);
	return open_sealed(cipher->open, &how, sealed, len, plain);
}
