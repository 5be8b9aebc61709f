/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libcrowdshare: private keys, and the cards that are given to others.
 *
 * A card is a text: who sends to somebody needs theirs, and that of the provider who serves them at
 * the destination. FORMATS.md says how it is written. A card is as trustworthy as the way it came:
 * whoever can change it can read what is sent to it, so people compare fingerprints.
 *
 * Nothing here keeps state between calls.
 */
#ifndef _CROWDSHARE_CARD_H
#define _CROWDSHARE_CARD_H

#include <stddef.h>
#include <stdint.h>

#include <crowdshare/error.h>
#include <crowdshare/fobject.h>
#include <crowdshare/wire.h>

#define CS_PORT_DEFAULT		7475

#define CS_RSA_BITS_DEFAULT	3072
#define CS_RSA_BITS_MIN		2048
#define CS_RSA_BITS_MAX		4096

#define CS_CARD_KEY_MAX		550	/* DER of a key of CS_RSA_BITS_MAX */
#define CS_CARD_TEXT_MAX	1200
#define CS_FINGERPRINT_LEN	32	/* SHA-256 */
#define CS_FINGERPRINT_TEXT	80	/* 16 groups of four digits, and a NUL */

/**
 * enum cs_role - whose card it is
 * @CS_ROLE_RECIPIENT: who reads what is sent
 * @CS_ROLE_PROVIDER: who serves recipients at a destination, and is told who sent, but not what
 * @CS_ROLE_SENDER: who sends, and signs that for providers; the key is Ed25519
 */
enum cs_role {
	CS_ROLE_RECIPIENT = 1,
	CS_ROLE_PROVIDER,
	CS_ROLE_SENDER,
};

/**
 * struct cs_card - a card
 * @role: whose it is
 * @address: IPv6 address to which messages are sent; a sender's has none
 * @port: there, not 0; a sender's has none
 * @bits: of the key
 * @key_len: bytes of @key
 * @key: public key, RSA or a sender's Ed25519, a SubjectPublicKeyInfo in DER
 * @fingerprint: SHA-256 of @key
 */
struct cs_card {
	enum cs_role	role;
	uint8_t		address[CS_ADDR_LEN];
	uint16_t	port;
	uint16_t	bits;
	uint16_t	key_len;
	uint8_t		key[CS_CARD_KEY_MAX];
	uint8_t		fingerprint[CS_FINGERPRINT_LEN];
};

/* A private RSA key. */
struct cs_private;

int cs_private_new(struct cs_private **key, unsigned int bits, struct cs_error *error);
int cs_private_read(struct cs_private **key, const char *path, struct cs_error *error);
int cs_private_write(const struct cs_private *key, const char *path, struct cs_error *error);
void cs_private_free(struct cs_private *key);

int cs_card_new(struct cs_card *card, const struct cs_private *key, enum cs_role role,
		const uint8_t address[CS_ADDR_LEN], uint16_t port, struct cs_error *error);
int cs_card_sender(struct cs_card *card, const uint8_t public[CS_PUBLIC_LEN],
		   struct cs_error *error);
int cs_card_parse(struct cs_card *card, const char *text, size_t len, size_t *used,
		  struct cs_error *error);
size_t cs_card_print(const struct cs_card *card, char text[CS_CARD_TEXT_MAX]);
int cs_card_read(struct cs_card *card, const char *path, enum cs_role role,
		 struct cs_error *error);
void cs_card_fingerprint(const struct cs_card *card, char text[CS_FINGERPRINT_TEXT]);

#endif /* _CROWDSHARE_CARD_H */
