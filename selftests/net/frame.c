// SPDX-License-Identifier: GPL-2.0
/*
 * Makes frames, right ones and wrong ones, and checks digests and tags of those captured.
 *
 * On purpose this shares nothing with the module and csnl but the layout in wire.h: what the two
 * get wrong together shows here. The hashes are OpenSSL's.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "die.h"
#include "frame.h"

static void sha512(const void *data, size_t len, uint8_t *digest)
{
	static const EVP_MD *md;
	static EVP_MD_CTX *ctx;

	if (!md) {
		md = EVP_MD_fetch(NULL, "SHA512", NULL);
		ctx = EVP_MD_CTX_new();
	}
	if (!md || !ctx || !EVP_DigestInit_ex(ctx, md, NULL) ||
	    !EVP_DigestUpdate(ctx, data, len) || !EVP_DigestFinal_ex(ctx, digest, NULL))
		die("OpenSSL does not do SHA-512");
}

/**
 * frame_tag() - the tag that a frame ought to have
 * @link: link header; all before its tag is covered
 * @src: source MAC of the frame
 * @digest: of the message
 * @key: CS_KEY_LEN bytes
 * @tag: gets CS_TAG_LEN bytes
 */
void frame_tag(const struct cs_link_hdr *link, const uint8_t *src, const uint8_t *digest,
	       const uint8_t *key, uint8_t *tag)
{
	size_t size = CS_TAG_LEN, len;
	OSSL_PARAM params[] = {
		OSSL_PARAM_size_t(OSSL_MAC_PARAM_SIZE, &size),
		OSSL_PARAM_END
	};
	struct cs_tag_input input;
	static EVP_MAC_CTX *ctx;

	if (!ctx)
		ctx = EVP_MAC_CTX_new(EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL));
	memcpy(input.link, link, sizeof(input.link));
	memcpy(input.source, src, sizeof(input.source));
	memcpy(input.digest, digest, sizeof(input.digest));
	if (!ctx || !EVP_MAC_init(ctx, key, CS_KEY_LEN, params) ||
	    !EVP_MAC_update(ctx, (const uint8_t *)&input, sizeof(input)) ||
	    !EVP_MAC_final(ctx, tag, &len, CS_TAG_LEN) || len != CS_TAG_LEN)
		die("OpenSSL does not do keyed BLAKE2s of %d bytes", CS_TAG_LEN);
}

void frame_defaults(struct frame_spec *spec)
{
	memset(spec, 0, sizeof(*spec));
	memset(spec->dst, 0xff, sizeof(spec->dst));
	spec->ethertype = CS_ETHERTYPE;
	spec->vlan = -1;
	spec->version = CS_VERSION;
	spec->type = CS_TYPE_MESSAGE;
	spec->hops = CS_HOPS_UNLIMITED;
	spec->destination[0] = 0xfd;
	spec->destination[CS_ADDR_LEN - 1] = 1;
	spec->port = 4711;
	spec->length = -1;
	spec->size = CS_SLICE_DEFAULT;
}

/* Fills with bytes that only @seed and @index decide (splitmix64). */
static void fill(uint8_t *data, size_t len, uint64_t seed, uint64_t index)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15 ^ index * 0xd1b54a32d192ed03, word;
	size_t i;

	for (i = 0; i < len; i += sizeof(word)) {
		state += 0x9e3779b97f4a7c15;
		word = (state ^ state >> 30) * 0xbf58476d1ce4e5b9;
		word = (word ^ word >> 27) * 0x94d049bb133111eb;
		word ^= word >> 31;
		memcpy(data + i, &word, len - i < sizeof(word) ? len - i : sizeof(word));
	}
}

static void build_message(const struct frame_spec *spec, uint64_t seed, uint64_t index,
			  struct frame_body *body)
{
	struct cs_msg_hdr *msg = &body->msg;

	memcpy(msg->destination, spec->destination, sizeof(msg->destination));
	msg->expiry = htobe64(spec->expiry);
	msg->port = htobe16(spec->port);
	msg->length = htobe16(spec->length < 0 ? spec->size : (size_t)spec->length);
	fill(msg->chunk_id, sizeof(msg->chunk_id), seed, ~index);
	msg->chunk_length = htobe32(spec->size);
	msg->index = 0;
	msg->k = htobe16(1);
	msg->n = htobe16(1);
	msg->flags = htobe16(spec->flags);
	fill(body->payload, spec->size, seed, index);
	sha512(msg->destination, CS_HDRS_LEN - CS_HASHED_OFF + spec->size, msg->digest);
}

static void build_link(const struct frame_spec *spec, uint64_t index, struct frame_body *body)
{
	struct cs_link_hdr *link = &body->link;

	link->version = spec->version;
	link->type = spec->type;
	link->hops_left = spec->hops;
	link->key_id = spec->key_id;
	link->contract = htobe32(spec->contract);
	link->counter = htobe64(spec->counter);
	memset(link->tag, 0, sizeof(link->tag));
	if (spec->tag == FRAME_TAG_RANDOM)
		fill(link->tag, sizeof(link->tag), spec->seed + 1, index);
	if (spec->tag == FRAME_TAG_MADE || spec->tag == FRAME_TAG_FORGED)
		frame_tag(link, spec->src, body->msg.digest, spec->key, link->tag);
	if (spec->tag == FRAME_TAG_FORGED)
		link->tag[CS_TAG_LEN - 1] ^= 1;
}

/**
 * frame_build() - makes a frame
 * @spec: what to put into it
 * @index: which message of the series
 * @frame: gets up to FRAME_MAX bytes
 *
 * Return: length of the frame.
 */
size_t frame_build(const struct frame_spec *spec, uint64_t index, uint8_t *frame)
{
	struct frame_body *body;
	uint8_t *at = frame;
	uint16_t word;

	memcpy(at, spec->dst, 6);
	memcpy(at + 6, spec->src, 6);
	at += 12;
	if (spec->vlan >= 0) {
		word = htobe16(0x8100);
		memcpy(at, &word, 2);
		word = htobe16(spec->vlan);
		memcpy(at + 2, &word, 2);
		at += 4;
	}
	word = htobe16(spec->ethertype);
	memcpy(at, &word, 2);
	at += 2;

	body = (struct frame_body *)at;
	if (spec->digest == FRAME_DIGEST_OTHER) {
		uint8_t other[CS_DIGEST_LEN];

		build_message(spec, spec->digest_seed, index, body);
		memcpy(other, body->msg.digest, sizeof(other));
		build_message(spec, spec->seed, index, body);
		memcpy(body->msg.digest, other, sizeof(other));
	} else {
		build_message(spec, spec->seed, index, body);
	}
	if (spec->digest == FRAME_DIGEST_WRONG)
		body->msg.digest[CS_DIGEST_LEN - 1] ^= 1;
	build_link(spec, index, body);
	return at - frame + CS_HDRS_LEN + spec->size;
}

/**
 * frame_digest_right() - does the digest of a captured frame belong to its message
 * @body: link header and what follows
 * @len: bytes at @body
 *
 * Return: true if the message is whole, without a byte more, and hashes to its digest.
 */
bool frame_digest_right(const struct frame_body *body, size_t len)
{
	uint8_t digest[CS_DIGEST_LEN];

	if (len < CS_HDRS_LEN || len != CS_HDRS_LEN + be16toh(body->msg.length))
		return false;
	sha512((const uint8_t *)body + CS_HASHED_OFF, len - CS_HASHED_OFF, digest);
	return !memcmp(digest, body->msg.digest, sizeof(digest));
}

/**
 * frame_read_key() - reads a key file as csnl takes it: 32 bytes, or 64 hexadecimal digits
 * @file: its name
 * @key: gets CS_KEY_LEN bytes
 */
void frame_read_key(const char *file, uint8_t *key)
{
	char text[2 * CS_KEY_LEN + 2];
	FILE *f = fopen(file, "r");
	size_t len, i;

	if (!f)
		die("key file %s: %s", file, strerror(errno));
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	if (len == CS_KEY_LEN) {
		memcpy(key, text, CS_KEY_LEN);
		return;
	}
	if (len == 2 * CS_KEY_LEN + 1 && text[len - 1] == '\n')
		len--;
	for (i = 0; len == 2 * CS_KEY_LEN && i < CS_KEY_LEN; i++)
		if (sscanf(text + 2 * i, "%2hhx", &key[i]) != 1)
			len = 0;
	if (len != 2 * CS_KEY_LEN)
		die("key file %s: neither %d bytes nor %d hexadecimal digits", file, CS_KEY_LEN,
		    2 * CS_KEY_LEN);
}
