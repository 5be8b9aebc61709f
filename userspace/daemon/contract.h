/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Contracts: what two nodes signed. See contract.c.
 */
#ifndef CSD_CONTRACT_H
#define CSD_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crowdshare/wire.h>

#include "daemon/identity.h"
#include "lib/error.h"

#define CONTRACT_ITEMS_MAX	1024
#define CONTRACT_BODY_MAX	(CONTRACT_ITEMS_MAX * 80 + 256)
#define CONTRACT_UID_LEN	16

/**
 * struct contract_item - a message that is to be carried
 * @digest: its digest
 * @size: bytes of its frame, from the link header on
 */
struct contract_item {
	uint8_t		digest[CS_DIGEST_LEN];
	uint32_t	size;
};

/**
 * struct contract - what both signed
 * @buyer: public key of the node that gives the messages and pays
 * @seller: public key of the node that takes them and earns
 * @id: contract of the link header, chosen by the seller, unique among the pair's live ones
 * @nonce: random, chosen by the seller, so that no two contracts are the same
 * @rate: millipoints per MiB
 * @destination: of all its messages
 * @receiver: public key that signs receipts for them. All zero only if the destination is a node's
 *	own address, in fd00::/8, which tells whose key it is
 * @created: Unix seconds
 * @expiry: Unix seconds; the later of the messages' expiry and what was agreed
 * @nr_items: number of @items
 * @items: the messages
 * @body: the encoded form that is signed
 * @body_len: its bytes
 * @buyer_signature: over @body
 * @seller_signature: over @body
 */
struct contract {
	uint8_t			buyer[IDENTITY_PUBLIC_LEN];
	uint8_t			seller[IDENTITY_PUBLIC_LEN];
	uint32_t		id;
	uint8_t			nonce[16];
	uint64_t		rate;
	uint8_t			destination[CS_ADDR_LEN];
	uint8_t			receiver[IDENTITY_PUBLIC_LEN];
	uint64_t		created;
	uint64_t		expiry;
	size_t			nr_items;
	struct contract_item	*items;
	uint8_t			*body;
	size_t			body_len;
	uint8_t			buyer_signature[IDENTITY_SIGNATURE_LEN];
	uint8_t			seller_signature[IDENTITY_SIGNATURE_LEN];
};

/* The amount of one message: rate * size / 1 MiB, rounded up; -ERANGE when it overflows. */
int contract_amount(uint64_t rate, uint32_t size, uint64_t *millipoints);
int contract_total(const struct contract *contract, uint64_t *millipoints);
uint64_t contract_bytes(const struct contract *contract);
const struct contract_item *contract_item(const struct contract *contract,
					  const uint8_t digest[CS_DIGEST_LEN]);

/* Who may sign receipts for what goes to @destination. */
bool contract_receiver_ok(const uint8_t destination[CS_ADDR_LEN],
			  const uint8_t receiver[IDENTITY_PUBLIC_LEN]);
bool contract_receiver_is(const struct contract *contract,
			  const uint8_t public[IDENTITY_PUBLIC_LEN]);

/* Deterministic CBOR (RFC 8949, 4.2). */
int contract_encode(struct contract *contract);
int contract_decode(struct contract *contract, const void *body, size_t len,
		    struct cs_error *error);
void contract_free(struct contract *contract);

/* First bytes of SHA-512 over the body: its name in the ledger. */
void contract_uid(const struct contract *contract, uint8_t uid[CONTRACT_UID_LEN]);

int contract_sign(struct contract *contract, const struct identity *identity,
		  struct cs_error *error);
int contract_verify(const struct contract *contract, struct cs_error *error);

#endif /* CSD_CONTRACT_H */
