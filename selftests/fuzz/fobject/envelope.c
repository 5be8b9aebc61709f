// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: bodies of envelopes, the recipient's and the provider's, as they are when they have
 * been opened. What is taken keeps its limits, and encodes to the same bytes; what is not has a
 * reason. A first byte with its highest bit set asks for changes to a good one, and the next bit
 * for the provider's.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fobject/envelope.h"
#include "lib/cbor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		__builtin_trap();
}

/* As envelope.c writes it, but without sealing. */
static size_t envelope_body(const struct cs_envelope *envelope, uint8_t *body)
{
	struct cbor_writer writer = { .p = body, .left = 512 };

	cbor_put_array(&writer, 7);
	cbor_put_uint(&writer, 1);
	cbor_put_uint(&writer, envelope->kind);
	cbor_put_bytes(&writer, envelope->name, envelope->name_len);
	cbor_put_uint(&writer, envelope->size);
	cbor_put_uint(&writer, envelope->segment);
	cbor_put_uint(&writer, envelope->created);
	cbor_put_uint(&writer, envelope->expiry);
	return writer.p - body;
}

static void recipient(const uint8_t *body, size_t len)
{
	struct cs_envelope envelope = { 0 };
	struct cs_error error = { "" };
	uint8_t again[512];
	size_t size;

	if (cs_envelope_decode(&envelope, body, len, &error)) {
		check(error.text[0]);
		return;
	}
	check(envelope.kind <= CS_KIND_VIA && envelope.name_len <= CS_NAME_MAX);
	check(envelope.segment && envelope.segment <= CS_CHUNK_MAX);
	check(envelope.created < envelope.expiry && envelope.expiry <= CS_TIME_MAX);
	size = envelope_body(&envelope, again);
	check(size <= len && !memcmp(again, body, size));
}

static void provider(const uint8_t *body, size_t len)
{
	struct cs_terms terms = { 0 };
	struct cs_error error = { "" };
	uint8_t data[CS_TERMS_SIGNED_MAX];
	size_t size;

	if (cs_terms_decode(&terms, body, len, &error)) {
		check(error.text[0]);
		return;
	}
	check(terms.created < terms.expiry && terms.account_len <= CS_ACCOUNT_MAX);
	/* what is signed is what stands there, but for the head and the last field */
	size = cs_terms_signed(&terms, data) - sizeof(CS_TERMS_CONTEXT) - 1;
	check(size < len && !memcmp(data + sizeof(CS_TERMS_CONTEXT) + 1, body + 1, size));
}

static size_t good(uint8_t *body, bool terms)
{
	struct cs_envelope envelope = {
		.name = "name", .name_len = 4, .size = 1000, .segment = 255000,
		.created = 1800000000, .expiry = 1800003600,
	};
	struct cs_terms t = {
		.created = 1800000000, .expiry = 1800003600, .max_price = 70000, .account = "bob",
		.account_len = 3, .signed_by = true,
	};
	struct cbor_writer writer;
	uint8_t data[CS_TERMS_SIGNED_MAX];
	size_t len;

	if (!terms)
		return envelope_body(&envelope, body);
	len = cs_terms_signed(&t, data) - sizeof(CS_TERMS_CONTEXT);
	memcpy(body, data + sizeof(CS_TERMS_CONTEXT), len);
	body[0]++; /* one field more */
	writer = (struct cbor_writer){ .p = body + len, .left = 512 - len };
	cbor_put_bytes(&writer, t.signature, sizeof(t.signature));
	return writer.p - body;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t body[700] = { 0 };
	size_t len, at;
	bool terms;

	if (!size)
		return 0;
	terms = data[0] & 0x40;
	if (data[0] & 0x80) {
		len = good(body, terms) + (data[0] & 63);
		for (data++, size--; size >= 2; data += 2, size -= 2) {
			at = data[0] % len;
			body[at] = data[1];
		}
		data = body;
		size = len;
	} else {
		data++;
		size--;
	}
	if (terms)
		provider(data, size);
	else
		recipient(data, size);
	return 0;
}
