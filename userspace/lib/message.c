// SPDX-License-Identifier: GPL-2.0
/*
 * Codec of messages and frames, with SHA-512 and keyed BLAKE2s from OpenSSL.
 *
 * The algorithms are looked up once per process: a look-up by name costs as much as the hash of
 * a message. After that they are only read.
 */
#include <endian.h>
#include <pthread.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "lib/message.h"

_Static_assert(sizeof(struct cs_link_hdr) == 32, "link header is 32 bytes on the wire");
_Static_assert(sizeof(struct cs_msg_hdr) == 120, "message header is 120 bytes on the wire");
_Static_assert(sizeof(struct cs_tag_input) == 86, "the tag covers 86 bytes");

static pthread_once_t algorithms_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha512;
static EVP_MAC *blake2s;

/* Freed before OpenSSL cleans up after itself, so that leak checkers have nothing to say. */
static void algorithms_free(void)
{
	EVP_MAC_free(blake2s);
	EVP_MD_free(sha512);
	blake2s = NULL;
	sha512 = NULL;
}

static void algorithms_fetch(void)
{
	sha512 = EVP_MD_fetch(NULL, "SHA512", NULL);
	blake2s = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
	OPENSSL_atexit(algorithms_free);
}

/**
 * cs_sha512 - SHA-512 of some bytes
 *
 * Return: 0, or -1 if OpenSSL lacks SHA-512 or has no memory.
 */
int cs_sha512(const void *data, size_t len, uint8_t digest[CS_DIGEST_LEN])
{
	pthread_once(&algorithms_once, algorithms_fetch);
	return sha512 && EVP_Digest(data, len, digest, NULL, sha512, NULL) == 1 ? 0 : -1;
}

/**
 * cs_tag - the tag of a frame
 * @key: key of the sender
 * @link: link header, as it stands in the frame; its own tag is not read
 * @source: source MAC of the frame
 * @digest: digest of the message
 * @tag: where the result goes
 *
 * Return: 0, or -1 if OpenSSL lacks keyed BLAKE2s or has no memory.
 */
int cs_tag(const uint8_t key[CS_KEY_LEN], const struct cs_link_hdr *link,
	   const uint8_t source[6], const uint8_t digest[CS_DIGEST_LEN], uint8_t tag[CS_TAG_LEN])
{
	size_t size = CS_TAG_LEN;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
		OSSL_PARAM_construct_end(),
	};
	struct cs_tag_input input;
	EVP_MAC_CTX *ctx;
	int rc = -1;

	pthread_once(&algorithms_once, algorithms_fetch);
	memcpy(input.link, link, sizeof(input.link));
	memcpy(input.source, source, sizeof(input.source));
	memcpy(input.digest, digest, sizeof(input.digest));

	ctx = blake2s ? EVP_MAC_CTX_new(blake2s) : NULL;
	if (ctx && EVP_MAC_init(ctx, key, CS_KEY_LEN, params) == 1 &&
	    EVP_MAC_update(ctx, (const uint8_t *)&input, sizeof(input)) == 1 &&
	    EVP_MAC_final(ctx, tag, &size, CS_TAG_LEN) == 1 && size == CS_TAG_LEN)
		rc = 0;
	EVP_MAC_CTX_free(ctx);
	return rc;
}

void cs_link_put(struct cs_link_hdr *to, const struct cs_link *from)
{
	to->version = from->version;
	to->type = from->type;
	to->hops_left = from->hops_left;
	to->key_id = from->key_id;
	to->contract = htobe32(from->contract);
	to->counter = htobe64(from->counter);
	memcpy(to->tag, from->tag, CS_TAG_LEN);
}

void cs_link_get(struct cs_link *to, const struct cs_link_hdr *from)
{
	to->version = from->version;
	to->type = from->type;
	to->hops_left = from->hops_left;
	to->key_id = from->key_id;
	to->contract = be32toh(from->contract);
	to->counter = be64toh(from->counter);
	memcpy(to->tag, from->tag, CS_TAG_LEN);
}

static void message_get(struct cs_message *to, const struct cs_msg_hdr *from)
{
	memcpy(to->digest, from->digest, CS_DIGEST_LEN);
	memcpy(to->destination, from->destination, CS_ADDR_LEN);
	to->expiry = be64toh(from->expiry);
	to->port = be16toh(from->port);
	to->length = be16toh(from->length);
	memcpy(to->chunk_id, from->chunk_id, CS_CHUNK_ID_LEN);
	to->chunk_length = be32toh(from->chunk_length);
	to->index = be16toh(from->index);
	to->k = be16toh(from->k);
	to->n = be16toh(from->n);
	to->flags = be16toh(from->flags);
	to->payload = (const uint8_t *)(from + 1);
}

/**
 * cs_message_build - write a message, header and payload, with its digest
 * @buf: where to
 * @size: room there
 * @message: what; its payload may already stand in its place in @buf; @digest is filled in
 *
 * Return: bytes written, 0 if there is no room or no SHA-512.
 */
size_t cs_message_build(void *buf, size_t size, struct cs_message *message)
{
	size_t len = sizeof(struct cs_msg_hdr) + message->length;
	struct cs_msg_hdr *hdr = buf;

	if (size < len)
		return 0;
	memcpy(hdr->destination, message->destination, CS_ADDR_LEN);
	hdr->expiry = htobe64(message->expiry);
	hdr->port = htobe16(message->port);
	hdr->length = htobe16(message->length);
	memcpy(hdr->chunk_id, message->chunk_id, CS_CHUNK_ID_LEN);
	hdr->chunk_length = htobe32(message->chunk_length);
	hdr->index = htobe16(message->index);
	hdr->k = htobe16(message->k);
	hdr->n = htobe16(message->n);
	hdr->flags = htobe16(message->flags);
	if (message->length)
		memmove(hdr + 1, message->payload, message->length);
	if (cs_sha512(hdr->destination, len - CS_DIGEST_LEN, message->digest))
		return 0;
	memcpy(hdr->digest, message->digest, CS_DIGEST_LEN);
	return len;
}

/**
 * cs_frame_build - write a whole frame; the tag is written as given, see cs_frame_sign()
 *
 * Return: bytes written, 0 if there is no room or no SHA-512.
 */
size_t cs_frame_build(void *buf, size_t size, struct cs_frame *frame)
{
	uint16_t ethertype = htobe16(frame->ethertype);
	uint8_t *p = buf;
	size_t len;

	if (size < CS_FRAME_HLEN)
		return 0;
	memcpy(p, frame->to, 6);
	memcpy(p + 6, frame->from, 6);
	memcpy(p + 12, &ethertype, 2);
	cs_link_put((struct cs_link_hdr *)(p + CS_ETH_HLEN), &frame->link);
	len = CS_ETH_HLEN + sizeof(struct cs_link_hdr);
	size = cs_message_build(p + len, size - len, &frame->message);
	return size ? len + size : 0;
}

/**
 * cs_frame_sign - set the key id of a built frame and make its tag
 *
 * Return: 0, or -1 if the frame is too short or OpenSSL failed.
 */
int cs_frame_sign(void *frame, size_t len, uint8_t key_id, const uint8_t key[CS_KEY_LEN])
{
	uint8_t *p = frame;
	struct cs_link_hdr *link = (struct cs_link_hdr *)(p + CS_ETH_HLEN);
	const struct cs_msg_hdr *msg = (const struct cs_msg_hdr *)(link + 1);

	if (len < CS_FRAME_HLEN)
		return -1;
	link->key_id = key_id;
	return cs_tag(key, link, p + 6, msg->digest, link->tag);
}

/**
 * cs_message_parse - take a message apart
 * @buf: header and payload
 * @len: their bytes
 * @message: result; its payload points into @buf
 *
 * The digest is not verified here.
 *
 * Return: %CROWDSHARE_DROP_NONE, or why it is no message.
 */
enum crowdshare_drop cs_message_parse(const void *buf, size_t len, struct cs_message *message)
{
	if (len < sizeof(struct cs_msg_hdr))
		return CROWDSHARE_DROP_TRUNCATED;
	message_get(message, buf);
	if (len < sizeof(struct cs_msg_hdr) + message->length)
		return CROWDSHARE_DROP_TRUNCATED;
	if (len > sizeof(struct cs_msg_hdr) + message->length)
		return CROWDSHARE_DROP_OVERSIZE;
	if (message->flags)
		return CROWDSHARE_DROP_FLAGS;
	return CROWDSHARE_DROP_NONE;
}

/**
 * cs_message_digest_ok - is the digest of a message that cs_message_parse() took the right one?
 */
bool cs_message_digest_ok(const void *buf, size_t len)
{
	const struct cs_msg_hdr *hdr = buf;
	uint8_t digest[CS_DIGEST_LEN];

	return len >= sizeof(*hdr) && !cs_sha512(hdr->destination, len - CS_DIGEST_LEN, digest) &&
	       !memcmp(digest, hdr->digest, CS_DIGEST_LEN);
}

/**
 * cs_frame_parse - take a received frame apart
 * @buf: the frame from its Ethernet header on
 * @len: its length
 * @ethertype: the one that is ours
 * @frame: result; its payload points into @buf
 *
 * The checks and their order are those of the kernel; the digest is not verified here.
 *
 * Return: %CROWDSHARE_DROP_NONE, or why it is no message.
 */
enum crowdshare_drop cs_frame_parse(const void *buf, size_t len, uint16_t ethertype,
				    struct cs_frame *frame)
{
	const size_t head = CS_FRAME_HLEN - sizeof(struct cs_msg_hdr);
	const uint8_t *p = buf;

	if (len < CS_ETH_HLEN)
		return CROWDSHARE_DROP_TRUNCATED;
	memcpy(frame->to, p, 6);
	memcpy(frame->from, p + 6, 6);
	frame->ethertype = p[12] << 8 | p[13];
	if (frame->ethertype != ethertype)
		return CROWDSHARE_DROP_FOREIGN;
	if (len < CS_FRAME_HLEN)
		return CROWDSHARE_DROP_TRUNCATED;
	cs_link_get(&frame->link, (const struct cs_link_hdr *)(p + CS_ETH_HLEN));
	if (frame->link.version != CS_VERSION)
		return CROWDSHARE_DROP_VERSION;
	if (frame->link.type != CS_TYPE_MESSAGE)
		return CROWDSHARE_DROP_TYPE;
	return cs_message_parse(p + head, len - head, &frame->message);
}

/**
 * cs_frame_digest_ok - is the digest of a frame that cs_frame_parse() took the right one?
 */
bool cs_frame_digest_ok(const void *buf, size_t len)
{
	const size_t head = CS_FRAME_HLEN - sizeof(struct cs_msg_hdr);

	return len >= head && cs_message_digest_ok((const uint8_t *)buf + head, len - head);
}

/* What CS_DROP_LIST says of a reason; entry 0 is no reason. */
static const struct {
	const char *name;
	const char *text;
} drops[] = {
	{ "none", "not dropped" },
#define DROP(class, name, string, text) { string, text },
	CS_DROP_LIST(DROP)
#undef DROP
};

_Static_assert(sizeof(drops) / sizeof(*drops) == CROWDSHARE_DROP_MAX + 1, "in the enum's order");

/** cs_drop_name - one-word name of a drop reason, NULL if not known */
const char *cs_drop_name(unsigned int reason)
{
	return reason <= CROWDSHARE_DROP_MAX ? drops[reason].name : NULL;
}

/** cs_drop_text - what a person reads about a drop reason, NULL if not known */
const char *cs_drop_text(unsigned int reason)
{
	return reason <= CROWDSHARE_DROP_MAX ? drops[reason].text : NULL;
}
