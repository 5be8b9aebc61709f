// SPDX-License-Identifier: GPL-2.0
/*
 * Receipts: what a destination signs, and the nodes that it passes on its way back.
 *
 * The destination signs deterministic CBOR (RFC 8949, 4.2.1):
 *
 *	[1, receiver, destination, port, time, deliverer, contract, digests]
 *
 * The first number is the version; digests is one byte string of them all.
 *
 * A receipt goes back the way that the messages came. Each node hands it to the peer that gave it
 * the messages, and endorses that: so every node on the way, also one that carries for nothing, can
 * prove that the messages passed through it. Of three nodes in a line, where b is the gateway's
 * peer
 *
 *	a ── b ── gateway ── destination
 *
 * b gets { gateway, from b }, and a gets { gateway, from b } { b, from a }. An endorsement names
 * the contract under which the peer gave the messages; it is a claim that the peer compares with
 * what it signed itself. What came from several peers goes back to each of them for what it gave:
 * an endorsement is of no more messages than the one before it.
 *
 * Who endorses signs
 *
 *	SHA-512 of what the destination signed | endorsements before | from | contract | messages
 *
 * so no endorsement serves in another chain, or in another place of it. What a node can't prove is
 * that it did not get a message from two peers: who endorses both has to be the gateway's friend,
 * and each of the two is paid only by whom it has a contract with.
 *
 * A signature is the same each time that it is made (RFC 8032), so a letter that is made again is
 * the same letter.
 *
 * Nothing here keeps state between calls.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "daemon/contract.h"
#include "daemon/receipt.h"
#include "lib/cbor.h"

#define CONTEXT			"crowdshare receipt v1"
#define CONTEXT_ENDORSEMENT	"crowdshare endorsement v1"
#define VERSION			1
#define FIELDS			8
#define BODY_MAX		(PROTO_BATCH_MAX * CS_DIGEST_LEN + 256)
#define CHAIN_MAX		(PROTO_ENDORSEMENTS_MAX * sizeof(struct proto_endorsement))
#define UNSIGNED_LEN		offsetof(struct proto_endorsement, signature)

/* Within the limits of its fields, which whoever calls has checked. */
static size_t write_body(const struct proto_receipt *receipt, uint8_t body[BODY_MAX])
{
	struct cbor_writer writer = { .p = body, .left = BODY_MAX };

	cbor_put_array(&writer, FIELDS);
	cbor_put_uint(&writer, VERSION);
	cbor_put_bytes(&writer, receipt->receiver, sizeof(receipt->receiver));
	cbor_put_bytes(&writer, receipt->destination, sizeof(receipt->destination));
	cbor_put_uint(&writer, receipt->port);
	cbor_put_uint(&writer, receipt->time);
	cbor_put_bytes(&writer, receipt->deliverer, sizeof(receipt->deliverer));
	cbor_put_bytes(&writer, receipt->contract, sizeof(receipt->contract));
	cbor_put_bytes(&writer, receipt->digests, receipt->nr_digests * CS_DIGEST_LEN);
	return writer.p - body;
}

/* What no receipt may be, whoever signed it. */
static int check(const struct proto_receipt *receipt, struct cs_error *error)
{
	size_t i, j;

	if (!receipt->nr_digests || receipt->nr_digests > PROTO_BATCH_MAX)
		return cs_error_set(error, -EINVAL, "receipt: %zu messages are not 1 to %d",
				    receipt->nr_digests, PROTO_BATCH_MAX);
	if (receipt->nr_endorsements > PROTO_ENDORSEMENTS_MAX)
		return cs_error_set(error, -EINVAL, "receipt: %zu endorsements are more than %d",
				    receipt->nr_endorsements, PROTO_ENDORSEMENTS_MAX);
	if (!contract_receiver_ok(receipt->destination, receipt->receiver))
		return cs_error_set(error, -EPERM,
				    "receipt: its key is not the one of its destination");
	for (i = 1; i < receipt->nr_digests; i++)
		for (j = 0; j < i; j++)
			if (!memcmp(receipt_digest(receipt, i), receipt_digest(receipt, j),
				    CS_DIGEST_LEN))
				return cs_error_set(error, -EINVAL,
						    "receipt: a message is in it twice");
	return 0;
}

/**
 * receipt_sign() - sign a receipt
 * @receipt: gets @identity's key as its receiver, and the signature
 * @identity: the destination's
 * @error: gets the reason of a failure
 *
 * Return: 0; -EINVAL or -EPERM if it can't be a receipt of @identity; -EIO.
 */
int receipt_sign(struct proto_receipt *receipt, const struct identity *identity,
		 struct cs_error *error)
{
	uint8_t body[BODY_MAX];
	int rc;

	memcpy(receipt->receiver, identity->public, IDENTITY_PUBLIC_LEN);
	rc = check(receipt, error);
	if (!rc && identity_sign(identity, CONTEXT, body, write_body(receipt, body),
				 receipt->signature))
		rc = cs_error_set(error, -EIO, "receipt: the identity can't sign it");
	return rc;
}

/**
 * receipt_verify() - did who says so sign this receipt?
 * @receipt: from whoever; endorsements are not looked at
 * @error: gets the reason
 *
 * Whether the receiver is the one that a contract names is for the caller to see.
 *
 * Return: 0; -EINVAL or -EPERM: it can't be one; -EBADMSG: the signature is wrong.
 */
int receipt_verify(const struct proto_receipt *receipt, struct cs_error *error)
{
	uint8_t body[BODY_MAX];
	int rc = check(receipt, error);

	if (rc || identity_verify(receipt->receiver, CONTEXT, body, write_body(receipt, body),
				  receipt->signature))
		return rc;
	return cs_error_set(error, -EBADMSG, "receipt: its signature is wrong");
}

static int body_hash(const struct proto_receipt *receipt, uint8_t hash[CS_DIGEST_LEN])
{
	uint8_t body[BODY_MAX];
	size_t len = write_body(receipt, body);

	return EVP_Q_digest(NULL, "SHA512", NULL, body, len, hash, NULL) == 1 ? 0 : -EIO;
}

/* What is signed for the endorsement that follows @count of the receipt's. */
static size_t endorsed(const struct proto_receipt *receipt, size_t count,
		       const uint8_t hash[CS_DIGEST_LEN], const struct proto_endorsement *last,
		       uint8_t *data)
{
	const size_t at = offsetof(struct proto_endorsement, from);
	uint8_t *p = mempcpy(data, hash, CS_DIGEST_LEN);

	if (count)
		p = mempcpy(p, receipt->endorsements, count * sizeof(*receipt->endorsements));
	p = mempcpy(p, (const uint8_t *)last + at, UNSIGNED_LEN - at);
	return p - data;
}

/**
 * receipt_endorse() - say from whom messages came
 * @receipt: with the endorsements so far, which are known to be right
 * @identity: of this node
 * @from: address of the peer that gave the messages
 * @claim: which, and under which contract
 * @endorsement: gets what is to follow the receipt's endorsements
 * @error: gets the reason of a failure
 *
 * Return: 0, -E2BIG if no further one fits, -EIO.
 */
int receipt_endorse(const struct proto_receipt *receipt, const struct identity *identity,
		    const uint8_t from[CS_ADDR_LEN], const struct receipt_claim *claim,
		    struct proto_endorsement *endorsement, struct cs_error *error)
{
	uint8_t data[CS_DIGEST_LEN + CHAIN_MAX + UNSIGNED_LEN], hash[CS_DIGEST_LEN];
	uint64_t messages = htobe64(claim->messages);
	size_t len;

	if (receipt->nr_endorsements >= PROTO_ENDORSEMENTS_MAX)
		return cs_error_set(error, -E2BIG, "receipt: it has passed %d nodes already",
				    PROTO_ENDORSEMENTS_MAX);
	memcpy(endorsement->public, identity->public, IDENTITY_PUBLIC_LEN);
	memcpy(endorsement->from, from, CS_ADDR_LEN);
	memcpy(endorsement->contract, claim->contract, PROTO_UID_LEN);
	memcpy(endorsement->messages, &messages, sizeof(messages));
	if (body_hash(receipt, hash))
		return cs_error_set(error, -EIO, "receipt: no hash of it can be had");
	len = endorsed(receipt, receipt->nr_endorsements, hash, endorsement, data);
	if (identity_sign(identity, CONTEXT_ENDORSEMENT, data, len, endorsement->signature))
		return cs_error_set(error, -EIO, "receipt: the identity can't endorse it");
	return 0;
}

/**
 * receipt_claim_of() - what an endorsement claims
 * @endorsement: the endorsement
 * @claim: gets it
 */
void receipt_claim_of(const struct proto_endorsement *endorsement, struct receipt_claim *claim)
{
	memcpy(&claim->messages, endorsement->messages, sizeof(claim->messages));
	claim->messages = be64toh(claim->messages);
	memcpy(claim->contract, endorsement->contract, PROTO_UID_LEN);
}

/* What can be seen without a signature: is each endorsement the continuation of the one before? */
static int check_chain(const struct proto_receipt *receipt,
		       const uint8_t peer[IDENTITY_PUBLIC_LEN], const uint8_t own[CS_ADDR_LEN],
		       struct receipt_claim *claim, struct cs_error *error)
{
	const struct proto_endorsement *at = receipt->endorsements;
	uint64_t before = receipt_all(receipt);
	uint8_t next[CS_ADDR_LEN];
	size_t i, count = receipt->nr_endorsements;

	if (!count)
		return cs_error_set(error, -EPERM, "receipt: nobody endorses it");
	if (memcmp(at->public, receipt->deliverer, IDENTITY_PUBLIC_LEN))
		return cs_error_set(error, -EPERM,
				    "receipt: who delivered is not who endorses it first");
	if (memcmp(at->contract, receipt->contract, PROTO_UID_LEN))
		return cs_error_set(error, -EPERM,
				    "receipt: it is for another contract than its deliverer says");
	for (i = 0; i < count; i++) {
		receipt_claim_of(&at[i], claim);
		if (!claim->messages || claim->messages & ~before)
			return cs_error_set(error, -EPERM,
					    "receipt: endorsement %zu is of other messages", i + 1);
		before = claim->messages;
		if (i + 1 < count)
			identity_address(at[i + 1].public, next);
		else
			memcpy(next, own, CS_ADDR_LEN);
		if (memcmp(at[i].from, next, CS_ADDR_LEN))
			return cs_error_set(error, -EPERM, i + 1 < count ?
					    "receipt: its chain breaks after endorsement %zu" :
					    "receipt: endorsement %zu names another node than this",
					    i + 1);
	}
	if (memcmp(at[count - 1].public, peer, IDENTITY_PUBLIC_LEN))
		return cs_error_set(error, -EPERM,
				    "receipt: who sends it is not who endorses it last");
	return 0;
}

/**
 * receipt_chain() - did the messages of a receipt pass from this node to the one that delivered?
 * @receipt: as a peer sent it; receipt_verify() found nothing wrong
 * @peer: public key of that peer
 * @own: address of this node
 * @claim: gets what it claims of this node
 * @error: gets the reason
 *
 * The signatures are looked at last, and only of a chain that fits: a wrong one costs no more.
 *
 * Return: 0; -EPERM: the chain does not fit; -EBADMSG: a signature is wrong; -EIO.
 */
int receipt_chain(const struct proto_receipt *receipt, const uint8_t peer[IDENTITY_PUBLIC_LEN],
		  const uint8_t own[CS_ADDR_LEN], struct receipt_claim *claim,
		  struct cs_error *error)
{
	uint8_t data[CS_DIGEST_LEN + CHAIN_MAX + UNSIGNED_LEN], hash[CS_DIGEST_LEN];
	const struct proto_endorsement *at = receipt->endorsements;
	size_t i, len;
	int rc;

	rc = check_chain(receipt, peer, own, claim, error);
	if (rc)
		return rc;
	if (body_hash(receipt, hash))
		return cs_error_set(error, -EIO, "receipt: no hash of it can be had");
	for (i = receipt->nr_endorsements; i--;) {
		len = endorsed(receipt, i, hash, &at[i], data);
		if (!identity_verify(at[i].public, CONTEXT_ENDORSEMENT, data, len,
				     at[i].signature))
			return cs_error_set(error, -EBADMSG,
					    "receipt: the signature of endorsement %zu is wrong",
					    i + 1);
	}
	return 0;
}

/**
 * receipt_id() - the name of a letter with a receipt
 * @receipt: with its endorsements
 * @id: gets the first bytes of SHA-512 over the hash of what the receiver signed, and over the
 *	endorsements
 *
 * Return: 0 or -EIO.
 */
int receipt_id(const struct proto_receipt *receipt, uint8_t id[RECEIPT_ID_LEN])
{
	uint8_t data[CS_DIGEST_LEN + CHAIN_MAX], hash[CS_DIGEST_LEN];
	size_t len = receipt->nr_endorsements * sizeof(*receipt->endorsements);

	if (body_hash(receipt, hash))
		return -EIO;
	memcpy(data, hash, CS_DIGEST_LEN);
	if (len)
		memcpy(data + CS_DIGEST_LEN, receipt->endorsements, len);
	if (EVP_Q_digest(NULL, "SHA512", NULL, data, CS_DIGEST_LEN + len, hash, NULL) != 1)
		return -EIO;
	memcpy(id, hash, RECEIPT_ID_LEN);
	return 0;
}
