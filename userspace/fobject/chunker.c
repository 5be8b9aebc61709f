// SPDX-License-Identifier: GPL-2.0
/*
 * Content to chunks to messages.
 *
 * The envelopes go first, then the content is cut in segments of equal length; each is sealed,
 * coded in slices of which each fills a frame, and handed out as messages. Nothing of a chunk is
 * kept when the next one begins. Whether a segment is the last one is in its seal, so a full one
 * waits until more comes, or the end.
 *
 * RSA is used once for an object and not for each chunk: 2 ms for a chunk of 255,000 bytes would
 * take more time than all else together. Chunks are not linked for all that: see cipher.c for how
 * their ids come about.
 *
 * A struct cs_chunker is used by one thread at a time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "fobject/chunker.h"
#include "fobject/envelope.h"
#include "fobject/erasure.h"

#define FRAME_MIN	(CS_FRAME_HLEN + CS_MAC_LEN + 64)
#define FRAME_MAX	(CS_FRAME_HLEN + CS_SLICE_MAX)

/**
 * struct cs_chunker - an object being cut
 * @options: as given
 * @cipher: its keys
 * @slice: bytes of the longest slice, without its MAC
 * @segment: bytes of content in a full chunk
 * @full: code of a full chunk
 * @number: of the next chunk
 * @plain: the segment being filled
 * @fill: bytes in it
 * @chunk: a sealed segment, padded to whole slices, then the parity slices
 * @message: a message being built
 */
struct cs_chunker {
	struct cs_chunker_options	options;
	struct cs_cipher		*cipher;
	size_t				slice;
	size_t				segment;
	struct cs_erasure		full;
	uint64_t			number;
	uint8_t				*plain;
	size_t				fill;
	uint8_t				*chunk;
	uint8_t				message[sizeof(struct cs_msg_hdr) + CS_SLICE_MAX];
};

/* Hands out the slices that stand in ->chunk. */
static int send_slices(struct cs_chunker *chunker, uint64_t number, size_t chunk_length,
		       size_t slice, const struct cs_erasure *code)
{
	uint8_t *payload = chunker->message + sizeof(struct cs_msg_hdr);
	struct cs_message message = {
		.expiry = chunker->options.expiry,
		.port = chunker->options.to.card->port,
		.length = slice + CS_MAC_LEN,
		.chunk_length = chunk_length,
		.k = code->k,
		.n = code->n,
		.payload = payload,
	};
	size_t len;
	int rc;

	memcpy(message.destination, chunker->options.to.card->address, CS_ADDR_LEN);
	rc = cs_cipher_chunk_id(chunker->cipher, number, message.chunk_id);
	for (; !rc && message.index < code->n; message.index++) {
		memcpy(payload, chunker->chunk + message.index * slice, slice);
		rc = cs_cipher_mac(chunker->cipher, number, &message, payload, slice,
				   payload + slice);
		if (rc)
			break;
		len = cs_message_build(chunker->message, sizeof(chunker->message), &message);
		rc = len ? chunker->options.message(chunker->message, len, chunker->options.arg) :
			   -EIO;
	}
	return rc;
}

/* Codes the chunk that stands in ->chunk. */
static int send_chunk(struct cs_chunker *chunker, uint64_t number, size_t chunk_length)
{
	unsigned int k = (chunk_length + chunker->slice - 1) / chunker->slice, n;
	size_t slice = (chunk_length + k - 1) / k;
	struct cs_erasure tail = { 0 };
	const struct cs_erasure *code = &chunker->full;
	int rc = 0;

	memset(chunker->chunk + chunk_length, 0, k * slice - chunk_length);
	if (k != chunker->full.k) {
		n = cs_erasure_slices(k, chunker->options.redundancy);
		rc = cs_erasure_init(&tail, k, n < chunker->full.n ? n : chunker->full.n);
		code = &tail;
	}
	if (!rc) {
		cs_erasure_encode(code, slice, chunker->chunk, chunker->chunk + k * slice);
		rc = send_slices(chunker, number, chunk_length, slice, code);
	}
	cs_erasure_free(&tail);
	return rc;
}

/* Seals and sends the segment, full or not. */
static int flush(struct cs_chunker *chunker, bool last)
{
	int rc;

	rc = cs_cipher_seal(chunker->cipher, chunker->number, last, chunker->plain, chunker->fill,
			    chunker->chunk);
	if (!rc)
		rc = send_chunk(chunker, chunker->number, chunker->fill + CS_MAC_LEN);
	chunker->number++;
	chunker->fill = 0;
	return rc;
}

static int no_room(const struct cs_chunker *chunker, const struct cs_card *card,
		   struct cs_error *error)
{
	return cs_error_set(error, -EMSGSIZE,
			    "frames of %zu bytes are too small for an envelope to a key of %u bits",
			    chunker->options.frame, card->bits);
}

static int send_envelope(struct cs_chunker *chunker, const uint8_t *content,
			 struct cs_error *error)
{
	const struct cs_chunker_options *options = &chunker->options;
	struct cs_envelope envelope = {
		.kind = options->kind,
		.name_len = options->name_len,
		.size = options->size,
		.segment = chunker->segment,
		.created = options->created,
		.expiry = options->expiry,
	};
	unsigned int bits;
	EVP_PKEY *key;
	int rc;

	key = cs_rsa_public(options->to.card->key, options->to.card->key_len, &bits, error);
	if (!key)
		return -EINVAL;
	memcpy(envelope.content, content, CS_SECRET_LEN);
	if (options->name_len)
		memcpy(envelope.name, options->name, options->name_len);
	rc = cs_envelope_seal(&envelope, key, chunker->chunk, chunker->slice);
	if (rc == -EMSGSIZE)
		no_room(chunker, options->to.card, error);
	if (!rc)
		rc = send_chunk(chunker, CS_CHUNK_RECIPIENT, chunker->slice);
	OPENSSL_cleanse(&envelope, sizeof(envelope));
	EVP_PKEY_free(key);
	return rc;
}

static int fill_terms(struct cs_chunker *chunker, struct cs_terms *terms, struct cs_error *error)
{
	const struct cs_put_sender *sender = chunker->options.sender;
	uint8_t data[CS_TERMS_SIGNED_MAX];
	size_t len;

	memset(terms, 0, sizeof(*terms));
	memcpy(terms->transport, cs_cipher_transport(chunker->cipher), CS_SECRET_LEN);
	memcpy(terms->recipient, chunker->options.to.card->fingerprint, CS_FINGERPRINT_LEN);
	terms->created = chunker->options.created;
	terms->expiry = chunker->options.expiry;
	if (!sender)
		return 0;
	terms->max_price = sender->max_price;
	terms->account_len = sender->account ? strlen(sender->account) : 0;
	if (terms->account_len > CS_ACCOUNT_MAX)
		return cs_error_set(error, -EINVAL, "the account is longer than %d bytes",
				    CS_ACCOUNT_MAX);
	if (terms->account_len)
		memcpy(terms->account, sender->account, terms->account_len);
	terms->signed_by = sender->public;
	if (!sender->public)
		return 0;
	memcpy(terms->sender, sender->public, CS_PUBLIC_LEN);
	len = cs_terms_signed(terms, data);
	if (sender->sign(data, len, terms->signature, sender->arg))
		return cs_error_set(error, -EIO, "the sender's key can't sign");
	return 0;
}

static int send_terms(struct cs_chunker *chunker, struct cs_error *error)
{
	const struct cs_card *card = chunker->options.to.provider;
	struct cs_terms terms;
	unsigned int bits;
	EVP_PKEY *key;
	int rc;

	if (!card)
		return 0;
	key = cs_rsa_public(card->key, card->key_len, &bits, error);
	if (!key)
		return -EINVAL;
	rc = fill_terms(chunker, &terms, error);
	if (!rc) {
		rc = cs_terms_seal(&terms, key, chunker->chunk, chunker->slice);
		if (rc == -EMSGSIZE)
			no_room(chunker, card, error);
	}
	if (!rc)
		rc = send_chunk(chunker, CS_CHUNK_PROVIDER, chunker->slice);
	OPENSSL_cleanse(&terms, sizeof(terms));
	EVP_PKEY_free(key);
	return rc;
}

/* How many slices a full chunk has: as many as one can. */
static int choose_code(struct cs_chunker *chunker)
{
	unsigned int k = CS_SLICES_MAX, percent = chunker->options.redundancy;

	while (k > 1 && (k * chunker->slice > CS_CHUNK_MAX ||
			 cs_erasure_slices(k, percent) > CS_SLICES_MAX))
		k--;
	chunker->segment = k * chunker->slice - CS_MAC_LEN;
	return cs_erasure_init(&chunker->full, k, cs_erasure_slices(k, percent));
}

static int set_up(struct cs_chunker *chunker, struct cs_error *error)
{
	const struct cs_chunker_options *options = &chunker->options;
	uint8_t content[CS_SECRET_LEN];
	int rc;

	chunker->slice = options->frame - CS_FRAME_HLEN - CS_MAC_LEN;
	chunker->number = CS_CHUNK_CONTENT;
	rc = choose_code(chunker);
	chunker->plain = malloc(chunker->segment);
	chunker->chunk = malloc(chunker->full.n * chunker->slice);
	if (!rc && (!chunker->plain || !chunker->chunk))
		rc = -ENOMEM;
	if (!rc && options->content)
		memcpy(content, options->content, sizeof(content));
	else if (!rc)
		rc = cs_random(content, sizeof(content));
	if (!rc)
		rc = cs_cipher_new(&chunker->cipher, content);
	if (!rc)
		rc = send_envelope(chunker, content, error);
	OPENSSL_cleanse(content, sizeof(content));
	return rc ? rc : send_terms(chunker, error);
}

/**
 * cs_chunker_new() - begin an object, and hand out its envelopes
 * @chunker: gets it, to be freed with cs_chunker_free(); NULL after a failure
 * @options: copied; what it points to has to stay
 * @error: gets the reason of a failure
 *
 * Return: 0, what the taker of messages returned, or a negative errno.
 */
int cs_chunker_new(struct cs_chunker **chunker, const struct cs_chunker_options *options,
		   struct cs_error *error)
{
	struct cs_error why = { "" };
	struct cs_chunker *new;
	int rc;

	*chunker = NULL;
	if (options->to.card->role != CS_ROLE_RECIPIENT)
		return cs_error_set(error, -EINVAL, "the card is not that of a recipient");
	if (options->to.provider && options->to.provider->role != CS_ROLE_PROVIDER)
		return cs_error_set(error, -EINVAL, "the provider's card is not that of one");
	if (options->frame < FRAME_MIN || options->frame > FRAME_MAX)
		return cs_error_set(error, -EINVAL, "frames of %zu bytes: %zu to %zu are possible",
				    options->frame, (size_t)FRAME_MIN, (size_t)FRAME_MAX);
	if (options->redundancy > CS_REDUNDANCY_MAX)
		return cs_error_set(error, -EINVAL, "redundancy of %u %%: at most %d are possible",
				    options->redundancy, CS_REDUNDANCY_MAX);
	if (options->name_len > CS_NAME_MAX)
		return cs_error_set(error, -ENAMETOOLONG, "the name is longer than %d bytes",
				    CS_NAME_MAX);
	new = calloc(1, sizeof(*new));
	if (!new)
		return cs_error_set(error, -ENOMEM, "no memory");
	new->options = *options;
	rc = set_up(new, &why);
	if (!rc) {
		*chunker = new;
		return 0;
	}
	cs_chunker_free(new);
	return cs_error_set(error, rc, "%s", why.text[0] ? why.text : strerror(rc < 0 ? -rc : EIO));
}

/**
 * cs_chunker_free() - end, and forget keys and content
 * @chunker: may be NULL
 */
void cs_chunker_free(struct cs_chunker *chunker)
{
	if (!chunker)
		return;
	if (chunker->plain)
		OPENSSL_cleanse(chunker->plain, chunker->segment);
	free(chunker->plain);
	free(chunker->chunk);
	cs_erasure_free(&chunker->full);
	cs_cipher_free(chunker->cipher);
	free(chunker);
}

/** cs_chunker_object() - id of the object, CS_OBJECT_ID_LEN bytes */
const uint8_t *cs_chunker_object(const struct cs_chunker *chunker)
{
	return cs_cipher_object(chunker->cipher);
}

/**
 * cs_chunker_room() - where more content may be put; there has to come some, be it the manifest
 * @chunker: the object
 * @room: set to where
 * @len: set to the bytes that fit there, at least one
 *
 * Return: 0, or what the taker of messages returned, or a negative errno.
 */
int cs_chunker_room(struct cs_chunker *chunker, uint8_t **room, size_t *len)
{
	int rc = chunker->fill == chunker->segment ? flush(chunker, false) : 0;

	*room = chunker->plain + chunker->fill;
	*len = chunker->segment - chunker->fill;
	return rc;
}

/**
 * cs_chunker_used() - content was put there
 * @chunker: the object
 * @len: bytes of it
 */
void cs_chunker_used(struct cs_chunker *chunker, size_t len)
{
	chunker->fill += len;
}

/**
 * cs_chunker_add() - add content
 * @chunker: the object
 * @data: the content
 * @len: its bytes
 *
 * Return: 0, or what the taker of messages returned, or a negative errno.
 */
int cs_chunker_add(struct cs_chunker *chunker, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint8_t *room;
	size_t n;
	int rc;

	while (len) {
		rc = cs_chunker_room(chunker, &room, &n);
		if (rc)
			return rc;
		if (n > len)
			n = len;
		memcpy(room, p, n);
		cs_chunker_used(chunker, n);
		p += n;
		len -= n;
	}
	return 0;
}

/**
 * cs_chunker_add_whole() - add content that is not to be cut, so that it is there with its chunk
 * @chunker: the object
 * @data: the content
 * @len: its bytes
 *
 * Return: 0, -EMSGSIZE if no chunk holds as much, what the taker of messages returned, or another
 * negative errno.
 */
int cs_chunker_add_whole(struct cs_chunker *chunker, const void *data, size_t len)
{
	int rc;

	if (len > chunker->segment)
		return -EMSGSIZE;
	if (len > chunker->segment - chunker->fill) {
		rc = flush(chunker, false);
		if (rc)
			return rc;
	}
	return cs_chunker_add(chunker, data, len);
}

/**
 * cs_chunker_finish() - hand out the last chunk; there has to be content
 * @chunker: the object
 *
 * Return: 0, or what the taker of messages returned, or a negative errno.
 */
int cs_chunker_finish(struct cs_chunker *chunker)
{
	return flush(chunker, true);
}
