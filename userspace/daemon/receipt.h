/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Receipts: what a destination signs, and the nodes that it passes on its way back. See receipt.c;
 * the way itself is in receipt_way.c.
 */
#ifndef CSD_RECEIPT_H
#define CSD_RECEIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/identity.h"
#include "daemon/proto.h"

#define RECEIPT_ID_LEN	PROTO_ID_LEN

/**
 * struct receipt_claim - what a letter with a receipt claims of the one who gets it
 * @messages: those that he is said to have given, a bit for each digest of the receipt
 * @contract: uid of the contract under which he is said to have given them, all zero: none
 */
struct receipt_claim {
	uint64_t	messages;
	uint8_t		contract[PROTO_UID_LEN];
};

int receipt_sign(struct proto_receipt *receipt, const struct identity *identity,
		 struct cs_error *error);
int receipt_verify(const struct proto_receipt *receipt, struct cs_error *error);
int receipt_endorse(const struct proto_receipt *receipt, const struct identity *identity,
		    const uint8_t from[CS_ADDR_LEN], const struct receipt_claim *claim,
		    struct proto_endorsement *endorsement, struct cs_error *error);
int receipt_chain(const struct proto_receipt *receipt, const uint8_t peer[IDENTITY_PUBLIC_LEN],
		  const uint8_t own[CS_ADDR_LEN], struct receipt_claim *claim,
		  struct cs_error *error);
void receipt_claim_of(const struct proto_endorsement *endorsement, struct receipt_claim *claim);
int receipt_id(const struct proto_receipt *receipt, uint8_t id[RECEIPT_ID_LEN]);

static inline const uint8_t *receipt_digest(const struct proto_receipt *receipt, size_t i)
{
	return receipt->digests + i * CS_DIGEST_LEN;
}

static inline uint64_t receipt_all(const struct proto_receipt *receipt)
{
	return UINT64_MAX >> (PROTO_BATCH_MAX - receipt->nr_digests);
}

#endif /* CSD_RECEIPT_H */
