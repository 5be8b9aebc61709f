/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The way back of receipts, and what they pay. See receipt_way.c.
 */
#ifndef CSD_RECEIPT_WAY_H
#define CSD_RECEIPT_WAY_H

#include <jansson.h>

#include "daemon/daemon.h"
#include "daemon/receipt.h"

/*
 * Why a receipt is refused: the name in JSON, the text for people.
 *
 * RECEIPT_REFUSAL(NAME, "name", "text")
 */
#define RECEIPT_REFUSAL_LIST(RECEIPT_REFUSAL) \
	RECEIPT_REFUSAL(NONE, "none", "not refused") \
	RECEIPT_REFUSAL(RATE, "rate", "the peer sends too many") \
	RECEIPT_REFUSAL(SIGNATURE, "signature", "its receiver did not sign it") \
	RECEIPT_REFUSAL(CHAIN, "chain", "its endorsements do not lead from its deliverer to here") \
	RECEIPT_REFUSAL(RECEIVER, "receiver", "its key is not that of the destination") \
	RECEIPT_REFUSAL(CONTRACT, "contract", "its contract is not one with this peer") \
	RECEIPT_REFUSAL(MESSAGE, "message", "it is of messages that are not what it says") \
	RECEIPT_REFUSAL(LATE, "late", "its contract has expired") \
	RECEIPT_REFUSAL(FULL, "full", "too many wait to go on") \
	RECEIPT_REFUSAL(ERROR, "error", "this node could not record it")

enum receipt_refusal {
#define RECEIPT_REFUSAL_ENUM(name, string, text) RECEIPT_REFUSAL_##name,
	RECEIPT_REFUSAL_LIST(RECEIPT_REFUSAL_ENUM)
#undef RECEIPT_REFUSAL_ENUM
	RECEIPT_REFUSAL_MAX,
};

/**
 * struct receipt_stats - what became of receipts
 * @taken: letters that held
 * @repeated: of these, letters all of whose messages had been earned before
 * @passed: letters made for peers that gave the messages
 * @earned: messages that a seller earned of this node
 * @sold: messages that this node earned
 * @delivered: messages of this node
 * @unknown: messages of which it is not known any more who gave them
 * @refused: letters, by reason
 */
struct receipt_stats {
	uint64_t	taken;
	uint64_t	repeated;
	uint64_t	passed;
	uint64_t	earned;
	uint64_t	sold;
	uint64_t	delivered;
	uint64_t	unknown;
	uint64_t	refused[RECEIPT_REFUSAL_MAX];
};

int receipt_open(struct daemon *daemon, struct cs_error *error);
void receipt_close(struct daemon *daemon);
void receipt_peer_up(struct peer *peer);
void receipt_letter(struct peer *peer, const struct proto_letter *letter);
/* This node is the gateway that delivered. */
int receipt_delivered(struct daemon *daemon, const struct proto_receipt *receipt,
		      struct cs_error *error);

const struct receipt_stats *receipt_stats(const struct daemon *daemon);

/* for the control socket */
json_t *receipt_json(struct daemon *daemon, struct cs_error *error);
json_t *receipt_list(struct daemon *daemon, struct cs_error *error);

#endif /* CSD_RECEIPT_WAY_H */
