// SPDX-License-Identifier: GPL-2.0
/*
 * Contracts: what two nodes signed, as deterministic CBOR (RFC 8949, 4.2.1: shortest forms,
 * definite lengths), so that the same contract is the same bytes with both of them:
 *
 *	[2, buyer, seller, id, nonce, rate, destination, receiver, created, expiry,
 *	 [[digest, size], ...]]
 *
 * The first number is the version; 1 had no receiver. Digests, keys, nonce and destination are byte
 * strings of their exact lengths, all else is unsigned. What does not encode to the bytes that it
 * was decoded from is refused: whoever signs or checks a contract has seen all there is in it.
 *
 * Nothing here keeps state between calls. Decoding allocates nothing before the number of items is
 * known to be in bounds: a letter that claims a billion items costs no memory.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "daemon/contract.h"
#include "lib/cbor.h"

#define CONTEXT		"crowdshare contract v1"
#define VERSION		2
#define FIELDS		11
#define MIB_SHIFT	20

/**
 * contract_amount() - what one message costs
 * @rate: millipoints per MiB
 * @size: bytes of its frame
 * @millipoints: gets rate * size / 1 MiB, rounded up
 *
 * Return: 0, or -ERANGE if it is more than INT64_MAX, which is as much as a ledger holds.
 */
int contract_amount(uint64_t rate, uint32_t size, uint64_t *millipoints)
{
	uint64_t low = rate & ((1u << MIB_SHIFT) - 1), amount;

	/* in two halves: the product may not fit though the quotient does */
	low = (low * size + (1u << MIB_SHIFT) - 1) >> MIB_SHIFT;
	if (__builtin_mul_overflow(rate >> MIB_SHIFT, (uint64_t)size, &amount) ||
	    __builtin_add_overflow(amount, low, &amount) || amount > INT64_MAX)
		return -ERANGE;
	*millipoints = amount;
	return 0;
}

/**
 * contract_total() - what all messages of a contract cost, each rounded up
 * @contract: its rate and items are read
 * @millipoints: gets the sum
 *
 * Return: 0, or -ERANGE if it is more than INT64_MAX.
 */
int contract_total(const struct contract *contract, uint64_t *millipoints)
{
	uint64_t sum = 0, amount;
	size_t i;

	for (i = 0; i < contract->nr_items; i++) {
		if (contract_amount(contract->rate, contract->items[i].size, &amount) ||
		    __builtin_add_overflow(sum, amount, &sum) || sum > INT64_MAX)
			return -ERANGE;
	}
	*millipoints = sum;
	return 0;
}

/**
 * contract_bytes() - the bytes of all frames of a contract
 * @contract: its items are read
 *
 * Return: the sum; 1,024 sizes of 32 bits always fit.
 */
uint64_t contract_bytes(const struct contract *contract)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < contract->nr_items; i++)
		sum += contract->items[i].size;
	return sum;
}

/**
 * contract_item() - what a contract says of a message
 * @contract: the contract
 * @digest: of the message, all of it: an id is not enough to be paid for
 *
 * Return: that, or NULL: the message is not in it.
 */
const struct contract_item *contract_item(const struct contract *contract,
					  const uint8_t digest[CS_DIGEST_LEN])
{
	size_t i;

	for (i = 0; i < contract->nr_items; i++)
		if (!memcmp(contract->items[i].digest, digest, CS_DIGEST_LEN))
			return &contract->items[i];
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return memcmp(*(const uint8_t *const *)a, *(const uint8_t *const *)b, CS_DIGEST_LEN);
}

static int check_items(const struct contract *contract, struct cs_error *error)
{
	const uint8_t **sorted;
	int rc = 0;
	size_t i;

	sorted = calloc(contract->nr_items, sizeof(*sorted));
	if (!sorted)
		return cs_error_set(error, -ENOMEM, "contract: no memory");
	for (i = 0; i < contract->nr_items; i++) {
		sorted[i] = contract->items[i].digest;
		if (!contract->items[i].size)
			rc = cs_error_set(error, -EINVAL, "contract: message %zu has no size", i);
	}
	qsort(sorted, contract->nr_items, sizeof(*sorted), compare);
	for (i = 1; !rc && i < contract->nr_items; i++) {
		if (!memcmp(sorted[i - 1], sorted[i], CS_DIGEST_LEN))
			rc = cs_error_set(error, -EINVAL,
					  "contract: message %02x%02x%02x%02x... is in it twice",
					  sorted[i][0], sorted[i][1], sorted[i][2], sorted[i][3]);
	}
	free(sorted);
	return rc;
}

/**
 * contract_receiver_ok() - may this key be the one that signs receipts?
 * @destination: of the messages
 * @receiver: the key, or all zero: none is named
 *
 * A destination in fd00::/8 is the hash of its key, so the key need not be named, and no other may
 * be. A wired one has a real address, which tells nothing.
 *
 * Return: whether it may.
 */
bool contract_receiver_ok(const uint8_t destination[CS_ADDR_LEN],
			  const uint8_t receiver[IDENTITY_PUBLIC_LEN])
{
	static const uint8_t none[IDENTITY_PUBLIC_LEN];
	uint8_t address[CS_ADDR_LEN];
	bool named = memcmp(receiver, none, sizeof(none));

	if (destination[0] != 0xfd || !named)
		return destination[0] == 0xfd || named;
	identity_address(receiver, address);
	return !memcmp(address, destination, CS_ADDR_LEN);
}

/**
 * contract_receiver_is() - do receipts for a contract bear this key's signature?
 * @contract: the contract
 * @public: the key
 *
 * Return: whether they do.
 */
bool contract_receiver_is(const struct contract *contract,
			  const uint8_t public[IDENTITY_PUBLIC_LEN])
{
	static const uint8_t none[IDENTITY_PUBLIC_LEN];

	if (memcmp(contract->receiver, none, sizeof(none)))
		return !memcmp(contract->receiver, public, IDENTITY_PUBLIC_LEN);
	return contract->destination[0] == 0xfd && memcmp(public, none, sizeof(none)) &&
	       contract_receiver_ok(contract->destination, public);
}

/* What no contract may be, whoever signed it. */
static int check(const struct contract *contract, struct cs_error *error)
{
	uint64_t total;

	if (!contract->nr_items || contract->nr_items > CONTRACT_ITEMS_MAX || !contract->items)
		return cs_error_set(error, -EINVAL,
				    "contract: %zu messages are not between 1 and %u",
				    contract->nr_items, CONTRACT_ITEMS_MAX);
	if (!memcmp(contract->buyer, contract->seller, IDENTITY_PUBLIC_LEN))
		return cs_error_set(error, -EINVAL, "contract: buyer and seller are the same node");
	if (!contract->id)
		return cs_error_set(error, -EINVAL, "contract: id 0 means none");
	if (!contract_receiver_ok(contract->destination, contract->receiver))
		return cs_error_set(error, -EINVAL,
				    "contract: its receiver's key is not one for its destination");
	if (contract->expiry > INT64_MAX)
		return cs_error_set(error, -EINVAL, "contract: %llu is no time at which it expires",
				    (unsigned long long)contract->expiry);
	if (contract->created >= contract->expiry)
		return cs_error_set(error, -EINVAL,
				    "contract: it expires at %llu, but was made at %llu",
				    (unsigned long long)contract->expiry,
				    (unsigned long long)contract->created);
	if (contract_total(contract, &total))
		return cs_error_set(error, -ERANGE,
				    "contract: at %llu millipoints per MiB its amount is too great",
				    (unsigned long long)contract->rate);
	return check_items(contract, error);
}

/* The contract was checked, so CONTRACT_BODY_MAX bytes suffice. */
static size_t write_body(const struct contract *contract, uint8_t *body)
{
	struct cbor_writer writer = { .p = body, .left = CONTRACT_BODY_MAX };
	size_t i;

	cbor_put_array(&writer, FIELDS);
	cbor_put_uint(&writer, VERSION);
	cbor_put_bytes(&writer, contract->buyer, sizeof(contract->buyer));
	cbor_put_bytes(&writer, contract->seller, sizeof(contract->seller));
	cbor_put_uint(&writer, contract->id);
	cbor_put_bytes(&writer, contract->nonce, sizeof(contract->nonce));
	cbor_put_uint(&writer, contract->rate);
	cbor_put_bytes(&writer, contract->destination, sizeof(contract->destination));
	cbor_put_bytes(&writer, contract->receiver, sizeof(contract->receiver));
	cbor_put_uint(&writer, contract->created);
	cbor_put_uint(&writer, contract->expiry);
	cbor_put_array(&writer, contract->nr_items);
	for (i = 0; i < contract->nr_items; i++) {
		cbor_put_array(&writer, 2);
		cbor_put_bytes(&writer, contract->items[i].digest, CS_DIGEST_LEN);
		cbor_put_uint(&writer, contract->items[i].size);
	}
	return writer.p - body;
}

/* Is @body what the fields say? Only then is a signature over it one over them. */
static int check_body(const struct contract *contract, struct cs_error *error)
{
	uint8_t *body;
	bool same;
	int rc;

	rc = check(contract, error);
	if (rc)
		return rc;
	body = malloc(CONTRACT_BODY_MAX);
	if (!body)
		return cs_error_set(error, -ENOMEM, "contract: no memory");
	same = contract->body && write_body(contract, body) == contract->body_len &&
	       !memcmp(body, contract->body, contract->body_len);
	free(body);
	if (!same)
		return cs_error_set(error, -EBADMSG,
				    "contract: it is not the deterministic CBOR of what it says");
	return 0;
}

/**
 * contract_encode() - make the body out of the other fields
 * @contract: gets a new body; an old one is freed
 *
 * Return: 0, -ENOMEM, -EINVAL if it is no contract that a decoder would take, -ERANGE if its amount
 * is too great.
 */
int contract_encode(struct contract *contract)
{
	uint8_t *body;
	int rc;

	rc = check(contract, NULL);
	if (rc)
		return rc;
	body = malloc(CONTRACT_BODY_MAX);
	if (!body)
		return -ENOMEM;
	contract->body_len = write_body(contract, body);
	free(contract->body);
	/* shrinking can't fail in a way that matters */
	contract->body = realloc(body, contract->body_len);
	if (!contract->body)
		contract->body = body;
	return 0;
}

static int read_items(struct contract *contract, struct cbor_reader *reader,
		      struct cs_error *error)
{
	uint64_t count = cbor_get_array(reader, UINT64_MAX);
	size_t i;

	if (reader->wrong)
		return 0;
	if (!count || count > CONTRACT_ITEMS_MAX)
		return cs_error_set(error, -EBADMSG,
				    "contract: %llu messages are not between 1 and %u",
				    (unsigned long long)count, CONTRACT_ITEMS_MAX);
	contract->items = calloc(count, sizeof(*contract->items));
	if (!contract->items)
		return cs_error_set(error, -ENOMEM, "contract: no memory");
	contract->nr_items = count;
	for (i = 0; i < count && !reader->wrong; i++) {
		if (cbor_get_array(reader, 2) != 2 && !reader->wrong)
			reader->wrong = "has another number of fields";
		cbor_get_fixed(reader, contract->items[i].digest, CS_DIGEST_LEN);
		contract->items[i].size = cbor_get_uint(reader, UINT32_MAX);
	}
	return 0;
}

static int read_body(struct contract *contract, struct cbor_reader *reader, struct cs_error *error)
{
	uint64_t version;
	int rc;

	if (cbor_get_array(reader, FIELDS) != FIELDS && !reader->wrong)
		reader->wrong = "has another number of fields";
	version = cbor_get_uint(reader, UINT64_MAX);
	if (!reader->wrong && version != VERSION)
		return cs_error_set(error, -EBADMSG, "contract: version %llu is not known",
				    (unsigned long long)version);
	cbor_get_fixed(reader, contract->buyer, sizeof(contract->buyer));
	cbor_get_fixed(reader, contract->seller, sizeof(contract->seller));
	contract->id = cbor_get_uint(reader, UINT32_MAX);
	cbor_get_fixed(reader, contract->nonce, sizeof(contract->nonce));
	contract->rate = cbor_get_uint(reader, UINT64_MAX);
	cbor_get_fixed(reader, contract->destination, sizeof(contract->destination));
	cbor_get_fixed(reader, contract->receiver, sizeof(contract->receiver));
	contract->created = cbor_get_uint(reader, UINT64_MAX);
	contract->expiry = cbor_get_uint(reader, UINT64_MAX);
	rc = read_items(contract, reader, error);
	if (rc)
		return rc;
	if (!reader->wrong && reader->left)
		reader->wrong = "is too much";
	if (reader->wrong)
		return cs_error_set(error, -EBADMSG,
				    "contract: not CBOR of a contract, deterministic: a part %s",
				    reader->wrong);
	return 0;
}

/**
 * contract_decode() - a contract out of its body
 * @contract: gets all fields but the signatures, which become zero; a copy of all, for
 *	contract_free(); left empty on failure
 * @body: bytes from whoever
 * @len: their number
 * @error: gets the reason
 *
 * Return: 0, -ENOMEM, -EBADMSG if the bytes are not the one encoding of a contract, -EINVAL or
 * -ERANGE if they are, of one that can't be.
 */
int contract_decode(struct contract *contract, const void *body, size_t len,
		    struct cs_error *error)
{
	struct cbor_reader reader = { .p = body, .left = len };
	int rc;

	memset(contract, 0, sizeof(*contract));
	if (!len || len > CONTRACT_BODY_MAX)
		return cs_error_set(error, -EBADMSG, "contract: %zu bytes are not between 1 and %u",
				    len, CONTRACT_BODY_MAX);
	rc = read_body(contract, &reader, error);
	if (!rc) {
		contract->body = malloc(len);
		if (!contract->body)
			rc = cs_error_set(error, -ENOMEM, "contract: no memory");
	}
	if (!rc) {
		memcpy(contract->body, body, len);
		contract->body_len = len;
		rc = check_body(contract, error);
	}
	if (rc)
		contract_free(contract);
	return rc;
}

/**
 * contract_free() - free what a contract holds
 * @contract: is empty afterwards
 */
void contract_free(struct contract *contract)
{
	free(contract->items);
	free(contract->body);
	memset(contract, 0, sizeof(*contract));
}

/**
 * contract_uid() - the name of a contract in the ledger
 * @contract: its body is read
 * @uid: gets the first bytes of SHA-512 over it; zero, which is no contract's, if there is no body
 */
void contract_uid(const struct contract *contract, uint8_t uid[CONTRACT_UID_LEN])
{
	uint8_t digest[CS_DIGEST_LEN] = { 0 };

	/* not by cs_sha512(): who needs only this file shall not need the codec of messages */
	if (!contract->body || EVP_Q_digest(NULL, "SHA512", NULL, contract->body,
					    contract->body_len, digest, NULL) != 1)
		memset(digest, 0, sizeof(digest));
	memcpy(uid, digest, CONTRACT_UID_LEN);
}

/**
 * contract_sign() - make the buyer's or the seller's signature
 * @contract: is encoded if it was not
 * @identity: who signs; the contract says which of the two it is
 * @error: gets the reason
 *
 * Return: 0, -EPERM if @identity is neither, what contract_encode() returns, -EBADMSG if the body
 * is not what the fields say, -EIO if OpenSSL can't.
 */
int contract_sign(struct contract *contract, const struct identity *identity,
		  struct cs_error *error)
{
	uint8_t *signature;
	int rc;

	if (!memcmp(identity->public, contract->buyer, IDENTITY_PUBLIC_LEN))
		signature = contract->buyer_signature;
	else if (!memcmp(identity->public, contract->seller, IDENTITY_PUBLIC_LEN))
		signature = contract->seller_signature;
	else
		return cs_error_set(error, -EPERM,
				    "contract: this node is neither its buyer nor its seller");
	rc = check(contract, error);
	if (!rc && !contract->body) {
		rc = contract_encode(contract);
		if (rc)
			cs_error_set(error, rc, "contract: no memory");
	}
	if (!rc)
		rc = check_body(contract, error);
	if (!rc && identity_sign(identity, CONTEXT, contract->body, contract->body_len, signature))
		rc = cs_error_set(error, -EIO, "contract: the identity can't sign it");
	return rc;
}

/**
 * contract_verify() - did both sign this?
 * @contract: with its body
 * @error: gets the reason
 *
 * Return: 0, -EBADMSG if a signature is wrong or the body is not what the fields say, -EINVAL or
 * -ERANGE if it can't be a contract.
 */
int contract_verify(const struct contract *contract, struct cs_error *error)
{
	int rc = check_body(contract, error);

	if (rc)
		return rc;
	if (!identity_verify(contract->buyer, CONTEXT, contract->body, contract->body_len,
			     contract->buyer_signature))
		return cs_error_set(error, -EBADMSG, "contract: the buyer's signature is wrong");
	if (!identity_verify(contract->seller, CONTEXT, contract->body, contract->body_len,
			     contract->seller_signature))
		return cs_error_set(error, -EBADMSG, "contract: the seller's signature is wrong");
	return 0;
}
