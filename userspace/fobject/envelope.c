// SPDX-License-Identifier: GPL-2.0
/*
 * Envelopes: the chunks 0 and 1 of an object, for the recipient and for the provider.
 *
 * Each is a chunk of one slice (k = 1), so that every message of it is the whole envelope, and a
 * forged one is found by itself: there is no key yet with which slices could be told apart. It is
 * as long as a slice can be, whatever is in it:
 *
 *	| secret, RSA-OAEP | body, zeros to the end; AES-256-GCM | tag 16 |
 *
 * The body's key is derived from the secret, which for the recipient is the object's content secret
 * and for the provider a random one of its own: neither opens the other's, and the provider has the
 * transport secret from the body. The RSA part is the additional data of the GCM part, so that
 * nobody joins parts of two envelopes.
 *
 * Bodies are deterministic CBOR:
 *
 *	recipient: [1, kind, name, size, segment, created, expiry]
 *	provider:  [1, transport secret, recipient's fingerprint, created, expiry, max_price,
 *		    account, sender, signature]
 *
 * where sender and signature are empty if the sender does not say who he is.
 *
 * Nothing here keeps state between calls.
 */
#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>

#include "fobject/envelope.h"
#include "fobject/erasure.h"
#include "lib/cbor.h"

#define VERSION			1
#define LABEL_RECIPIENT		"crowdshare v1 recipient"
#define LABEL_PROVIDER		"crowdshare v1 provider"
#define PURPOSE			"crowdshare v1 envelope"
#define FIELDS_RECIPIENT	7
#define FIELDS_PROVIDER		9
#define BODY_MAX		512 /* of either, before the zeros */

/* Encrypts a body that stands in its place in @chunk. */
static int seal(EVP_PKEY *key, const char *label, const uint8_t secret[CS_SECRET_LEN],
		uint8_t *chunk, size_t len)
{
	static const uint8_t nonce[CS_NONCE_LEN]; /* the key is used once */
	size_t rsa_len = EVP_PKEY_get_size(key);
	uint8_t body_key[CS_SECRET_LEN];
	struct cs_sealed how = {
		.key = body_key, .nonce = nonce, .aad = chunk, .aad_len = rsa_len,
	};
	int rc;

	rc = cs_rsa_encrypt(key, label, secret, CS_SECRET_LEN, chunk);
	if (!rc)
		rc = cs_derive(secret, PURPOSE, body_key, sizeof(body_key));
	if (!rc)
		rc = cs_gcm_seal(&how, chunk + rsa_len, len - rsa_len - CS_MAC_LEN,
				 chunk + rsa_len);
	OPENSSL_cleanse(body_key, sizeof(body_key));
	return rc;
}

/* Decrypts; @body gets @len minus the modulus' and the tag's bytes. */
static int open_sealed(const struct cs_private *key, const char *label,
		       uint8_t secret[CS_SECRET_LEN], const uint8_t *chunk, size_t len,
		       uint8_t *body)
{
	static const uint8_t nonce[CS_NONCE_LEN];
	size_t rsa_len = key->bits / 8;
	uint8_t body_key[CS_SECRET_LEN];
	struct cs_sealed how = {
		.key = body_key, .nonce = nonce, .aad = chunk, .aad_len = rsa_len,
	};
	int rc;

	rc = cs_rsa_decrypt(key, label, chunk, secret, CS_SECRET_LEN);
	if (!rc)
		rc = cs_derive(secret, PURPOSE, body_key, sizeof(body_key));
	if (!rc)
		rc = cs_gcm_open(&how, chunk + rsa_len, len - rsa_len, body);
	OPENSSL_cleanse(body_key, sizeof(body_key));
	return rc;
}

/* Is there room in a chunk for a body of @body_len bytes? */
static bool fits(EVP_PKEY *key, size_t body_len, size_t len)
{
	return EVP_PKEY_get_size(key) + body_len + CS_MAC_LEN <= len;
}

/* Is it long enough for an envelope to this key, and short enough for us? */
static bool may_be_one(const struct cs_private *key, size_t len)
{
	return len > key->bits / 8 + CS_MAC_LEN && len <= CS_SLICE_MAX;
}

/* Only zeros may follow a body. */
static int check_end(const struct cbor_reader *reader, const char *what, struct cs_error *error)
{
	size_t i;

	if (reader->wrong)
		return cs_error_set(error, -EBADMSG, "%s: a field %s", what, reader->wrong);
	for (i = 0; i < reader->left; i++)
		if (reader->p[i])
			return cs_error_set(error, -EBADMSG, "%s: something follows it", what);
	return 0;
}

static void check_version(struct cbor_reader *reader, uint64_t fields)
{
	uint64_t count = cbor_get_array(reader, UINT64_MAX);
	uint64_t version = cbor_get_uint(reader, UINT64_MAX);

	if (!reader->wrong && version != VERSION)
		reader->wrong = "says that it is of a version that this program does not know";
	if (!reader->wrong && count != fields)
		reader->wrong = "is missing, or is one too many";
}

/* Both kinds say for how long. */
static void get_times(struct cbor_reader *reader, uint64_t *created, uint64_t *expiry)
{
	*created = cbor_get_uint(reader, CS_TIME_MAX);
	*expiry = cbor_get_uint(reader, CS_TIME_MAX);
	if (!reader->wrong && *expiry <= *created)
		reader->wrong = "says that it expired before it was made";
}

/**
 * cs_slice_makes_sense() - can this be a slice of a chunk, as far as its header tells?
 * @message: the message
 *
 * Return: whether it can.
 */
bool cs_slice_makes_sense(const struct cs_message *message)
{
	uint64_t slice;

	if (!message->k || message->k > message->n || message->n > CS_SLICES_MAX ||
	    message->index >= message->n || message->chunk_length <= CS_MAC_LEN ||
	    message->chunk_length > CS_CHUNK_MAX)
		return false;
	slice = (message->chunk_length + message->k - 1) / message->k;
	return message->length == slice + CS_MAC_LEN &&
	       slice * (message->k - 1) < message->chunk_length;
}

/**
 * cs_envelope_chunk() - the chunk of an envelope, out of one of its messages
 * @message: a message from whoever; of an envelope each has all of it
 * @chunk: gets it, payload without MAC many bytes
 *
 * Return: whether it may be one, as far as its header tells.
 */
bool cs_envelope_chunk(const struct cs_message *message, uint8_t chunk[CS_SLICE_MAX])
{
	const uint8_t *have[CS_SLICES_MAX] = { NULL };

	if (message->k != 1 || message->n > CS_SLICES_MAX || message->index >= message->n ||
	    message->length <= CS_MAC_LEN ||
	    message->chunk_length + CS_MAC_LEN != message->length)
		return false;
	have[message->index] = message->payload;
	return !cs_erasure_restore(1, message->n, message->chunk_length, chunk, have);
}

/**
 * cs_envelope_seal() - make the recipient's envelope
 * @envelope: what it says
 * @key: the recipient's
 * @chunk: gets it
 * @len: bytes of @chunk, all of which are used
 *
 * Return: 0, -EMSGSIZE if @len is too small, -EIO.
 */
int cs_envelope_seal(const struct cs_envelope *envelope, EVP_PKEY *key, uint8_t *chunk,
		     size_t len)
{
	uint8_t body[BODY_MAX];
	struct cbor_writer writer = { .p = body, .left = sizeof(body) };
	size_t body_len, rsa_len = EVP_PKEY_get_size(key);

	cbor_put_array(&writer, FIELDS_RECIPIENT);
	cbor_put_uint(&writer, VERSION);
	cbor_put_uint(&writer, envelope->kind);
	cbor_put_bytes(&writer, envelope->name, envelope->name_len);
	cbor_put_uint(&writer, envelope->size);
	cbor_put_uint(&writer, envelope->segment);
	cbor_put_uint(&writer, envelope->created);
	cbor_put_uint(&writer, envelope->expiry);
	body_len = writer.p - body;
	if (!fits(key, body_len, len))
		return -EMSGSIZE;
	memcpy(chunk + rsa_len, body, body_len);
	memset(chunk + rsa_len + body_len, 0, len - rsa_len - body_len);
	return seal(key, LABEL_RECIPIENT, envelope->content, chunk, len);
}

/**
 * cs_envelope_decode() - read the body of a recipient's envelope
 * @envelope: gets all but the secret
 * @body: the body with its zeros; who sealed it may be anybody
 * @len: its bytes
 * @error: gets the reason of a failure
 *
 * Return: 0 or -EBADMSG.
 */
int cs_envelope_decode(struct cs_envelope *envelope, const uint8_t *body, size_t len,
		       struct cs_error *error)
{
	struct cbor_reader reader = { .p = body, .left = len };
	const uint8_t *name;

	check_version(&reader, FIELDS_RECIPIENT);
	envelope->kind = cbor_get_uint(&reader, CS_KIND_VIA);
	envelope->name_len = cbor_get_bytes(&reader, &name, CS_NAME_MAX);
	if (envelope->name_len)
		memcpy(envelope->name, name, envelope->name_len);
	envelope->size = cbor_get_uint(&reader, CS_SIZE_UNKNOWN);
	envelope->segment = cbor_get_uint(&reader, CS_CHUNK_MAX - CS_MAC_LEN);
	if (!reader.wrong && !envelope->segment)
		reader.wrong = "says that chunks are empty";
	get_times(&reader, &envelope->created, &envelope->expiry);
	return check_end(&reader, "envelope", error);
}

/**
 * cs_envelope_open() - open a recipient's envelope
 * @envelope: gets what it says
 * @key: the recipient's
 * @chunk: a chunk of k = 1 that may be one
 * @len: its bytes
 * @error: gets the reason of a failure
 *
 * One operation with the private key, whatever comes.
 *
 * Return: 0; -ENOENT: it is none for this key, or was changed; -EBADMSG: it is, but makes no sense.
 */
int cs_envelope_open(struct cs_envelope *envelope, const struct cs_private *key,
		     const uint8_t *chunk, size_t len, struct cs_error *error)
{
	uint8_t body[CS_SLICE_MAX];

	memset(envelope, 0, sizeof(*envelope));
	if (!may_be_one(key, len) ||
	    open_sealed(key, LABEL_RECIPIENT, envelope->content, chunk, len, body))
		return cs_error_set(error, -ENOENT, "not an envelope for this key");
	return cs_envelope_decode(envelope, body, len - key->bits / 8 - CS_MAC_LEN, error);
}

static void put_terms(struct cbor_writer *writer, const struct cs_terms *terms, size_t fields)
{
	cbor_put_array(writer, fields);
	cbor_put_uint(writer, VERSION);
	cbor_put_bytes(writer, terms->transport, sizeof(terms->transport));
	cbor_put_bytes(writer, terms->recipient, sizeof(terms->recipient));
	cbor_put_uint(writer, terms->created);
	cbor_put_uint(writer, terms->expiry);
	cbor_put_uint(writer, terms->max_price);
	cbor_put_text(writer, terms->account, terms->account_len);
	cbor_put_bytes(writer, terms->sender, terms->signed_by ? sizeof(terms->sender) : 0);
}

/**
 * cs_terms_signed() - what the sender signs
 * @terms: all but the signature
 * @data: gets the context with its NUL, and the body without its last field
 *
 * Return: bytes of @data.
 */
size_t cs_terms_signed(const struct cs_terms *terms, uint8_t data[CS_TERMS_SIGNED_MAX])
{
	struct cbor_writer writer = {
		.p = data + sizeof(CS_TERMS_CONTEXT),
		.left = CS_TERMS_SIGNED_MAX - sizeof(CS_TERMS_CONTEXT),
	};

	memcpy(data, CS_TERMS_CONTEXT, sizeof(CS_TERMS_CONTEXT));
	put_terms(&writer, terms, FIELDS_PROVIDER - 1);
	return writer.p - data;
}

/**
 * cs_terms_seal() - make the provider's envelope
 * @terms: what it says
 * @key: the provider's
 * @chunk: gets it
 * @len: bytes of @chunk, all of which are used
 *
 * Return: 0, -EMSGSIZE if @len is too small, -EIO.
 */
int cs_terms_seal(const struct cs_terms *terms, EVP_PKEY *key, uint8_t *chunk, size_t len)
{
	uint8_t body[BODY_MAX], secret[CS_SECRET_LEN];
	struct cbor_writer writer = { .p = body, .left = sizeof(body) };
	size_t body_len, rsa_len = EVP_PKEY_get_size(key);
	int rc;

	put_terms(&writer, terms, FIELDS_PROVIDER);
	cbor_put_bytes(&writer, terms->signature,
		       terms->signed_by ? sizeof(terms->signature) : 0);
	body_len = writer.p - body;
	if (!fits(key, body_len, len))
		return -EMSGSIZE;
	memcpy(chunk + rsa_len, body, body_len);
	memset(chunk + rsa_len + body_len, 0, len - rsa_len - body_len);
	rc = cs_random(secret, sizeof(secret));
	if (!rc)
		rc = seal(key, LABEL_PROVIDER, secret, chunk, len);
	OPENSSL_cleanse(body, sizeof(body));
	OPENSSL_cleanse(secret, sizeof(secret));
	return rc;
}

/* Takes bytes that are either @len long, or not there. */
static bool get_optional(struct cbor_reader *reader, uint8_t *to, size_t len)
{
	const uint8_t *data;
	size_t got = cbor_get_bytes(reader, &data, len);

	if (got && got != len)
		reader->wrong = "is too short";
	if (!got || reader->wrong)
		return false;
	memcpy(to, data, len);
	return true;
}

/**
 * cs_terms_decode() - read the body of a provider's envelope
 * @terms: gets what it says; whether the signature is right is not looked at
 * @body: the body with its zeros; who sealed it may be anybody
 * @len: its bytes
 * @error: gets the reason of a failure
 *
 * Return: 0 or -EBADMSG.
 */
int cs_terms_decode(struct cs_terms *terms, const uint8_t *body, size_t len,
		    struct cs_error *error)
{
	struct cbor_reader reader = { .p = body, .left = len };
	const uint8_t *account;

	check_version(&reader, FIELDS_PROVIDER);
	cbor_get_fixed(&reader, terms->transport, sizeof(terms->transport));
	cbor_get_fixed(&reader, terms->recipient, sizeof(terms->recipient));
	get_times(&reader, &terms->created, &terms->expiry);
	terms->max_price = cbor_get_uint(&reader, UINT64_MAX);
	terms->account_len = cbor_get_text(&reader, &account, CS_ACCOUNT_MAX);
	if (terms->account_len)
		memcpy(terms->account, account, terms->account_len);
	terms->signed_by = get_optional(&reader, terms->sender, sizeof(terms->sender));
	if (get_optional(&reader, terms->signature, sizeof(terms->signature)) != terms->signed_by &&
	    !reader.wrong)
		reader.wrong = "says who sent it, without a signature, or has one of nobody";
	return check_end(&reader, "provider's envelope", error);
}

/**
 * cs_terms_open() - open a provider's envelope
 * @terms: gets what it says; whether the signature is right is not looked at
 * @key: the provider's
 * @chunk: a chunk of k = 1 that may be one
 * @len: its bytes
 * @error: gets the reason of a failure
 *
 * Return: 0; -ENOENT: it is none for this key, or was changed; -EBADMSG: it is, but makes no sense.
 */
int cs_terms_open(struct cs_terms *terms, const struct cs_private *key, const uint8_t *chunk,
		  size_t len, struct cs_error *error)
{
	uint8_t body[CS_SLICE_MAX], secret[CS_SECRET_LEN];
	int rc;

	memset(terms, 0, sizeof(*terms));
	if (!may_be_one(key, len) ||
	    open_sealed(key, LABEL_PROVIDER, secret, chunk, len, body))
		return cs_error_set(error, -ENOENT, "not a provider's envelope for this key");
	rc = cs_terms_decode(terms, body, len - key->bits / 8 - CS_MAC_LEN, error);
	OPENSSL_cleanse(body, sizeof(body));
	OPENSSL_cleanse(secret, sizeof(secret));
	return rc;
}
