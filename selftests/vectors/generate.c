// SPDX-License-Identifier: GPL-2.0
/*
 * Prints the vectors of the formats, selftests/vectors/fobject.json:
 *
 *	make -s -C selftests/unit/fobject vectors
 *
 * With the keys in keys/, which are for tests only, and secrets that are counted up. Only
 * envelopes differ from run to run, as RSA-OAEP is random. Who changes a format makes a new
 * version of it, and new vectors beside the old.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "fobject/chunker.h"
#include "fobject/envelope.h"
#include "fobject/erasure.h"
#include "fobject/manifest.h"
#include "lib/hex.h"

#define NOW	1800000000
#define NAME	"B\303\266b"	/* UTF-8 */

static void check(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "generate: %s\n", what);
	exit(1);
}

static json_t *hex(const void *data, size_t len)
{
	char *text = malloc(2 * len + 1);
	json_t *json;

	check(!!text, "no memory");
	cs_hex(text, data, len);
	json = json_string(text);
	free(text);
	return json;
}

static void count(uint8_t *data, size_t len, uint8_t from)
{
	size_t i;

	for (i = 0; i < len; i++)
		data[i] = from + i;
}

static EVP_PKEY *read_key(const char *name)
{
	char path[512];
	EVP_PKEY *key;
	FILE *file;

	snprintf(path, sizeof(path), "%s/keys/%s.pem", VECTORS, name);
	file = fopen(path, "re");
	check(!!file, path);
	key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	check(!!key, path);
	fclose(file);
	return key;
}

static struct cs_card card_of(const char *name, enum cs_role role, uint8_t last)
{
	struct cs_card card = { .role = role, .port = 7475 };
	EVP_PKEY *key = read_key(name);
	uint8_t *p = card.key;

	check(inet_pton(AF_INET6, "2001:db8::7", card.address) == 1, "address");
	card.address[15] = last;
	card.bits = EVP_PKEY_get_bits(key);
	card.key_len = i2d_PUBKEY(key, &p);
	EVP_Q_digest(NULL, "SHA256", NULL, card.key, card.key_len, card.fingerprint, NULL);
	EVP_PKEY_free(key);
	return card;
}

static json_t *card_json(void)
{
	struct cs_card card = card_of("recipient", CS_ROLE_RECIPIENT, 7);
	char text[CS_CARD_TEXT_MAX];

	check(cs_card_print(&card, text), "card");
	return json_pack("{s:s, s:s, s:s, s:i, s:i, s:o, s:o}", "text", text, "role", "recipient",
			 "address", "2001:db8::7", "port", card.port, "bits", card.bits, "key",
			 hex(card.key, card.key_len), "fingerprint",
			 hex(card.fingerprint, sizeof(card.fingerprint)));
}

static json_t *sender_json(const uint8_t *public)
{
	char text[CS_CARD_TEXT_MAX];
	struct cs_card card;

	check(!cs_card_sender(&card, public, NULL) && cs_card_print(&card, text), "card");
	return json_pack("{s:s, s:s, s:o, s:o}", "text", text, "role", "sender", "key",
			 hex(card.key, card.key_len), "fingerprint",
			 hex(card.fingerprint, sizeof(card.fingerprint)));
}

static json_t *keys_json(const uint8_t *content)
{
	static const char *const purposes[][2] = {
		{ "content_key", "crowdshare v1 content" },
		{ "object", "crowdshare v1 object" },
		{ "chunk_id_key", "crowdshare v1 chunk id" },
		{ "slice_key", "crowdshare v1 slice" },
	};
	json_t *json = json_pack("{s:o}", "content_secret", hex(content, CS_SECRET_LEN));
	uint8_t transport[CS_SECRET_LEN], key[CS_SECRET_LEN];
	size_t i, len;

	check(!cs_derive(content, "crowdshare v1 transport", transport, sizeof(transport)), "HKDF");
	json_object_set_new(json, "transport_secret", hex(transport, sizeof(transport)));
	for (i = 0; i < 4; i++) {
		len = i == 1 ? CS_OBJECT_ID_LEN : CS_SECRET_LEN;
		check(!cs_derive(i ? transport : content, purposes[i][1], key, len), "HKDF");
		json_object_set_new(json, purposes[i][0], hex(key, len));
	}
	return json;
}

static json_t *ids_json(struct cs_cipher *cipher)
{
	static const uint64_t numbers[] = { 0, 1, 2, 3, 255, 65536, 1 << 24 };
	json_t *list = json_array();
	uint8_t id[CS_CHUNK_ID_LEN];
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		check(!cs_cipher_chunk_id(cipher, numbers[i], id), "chunk id");
		json_array_append_new(list, json_pack("{s:I, s:o}", "number",
						      (json_int_t)numbers[i], "id",
						      hex(id, sizeof(id))));
	}
	return list;
}

static json_t *chunks_json(struct cs_cipher *cipher)
{
	static const struct { uint64_t number; bool last; size_t len; } cases[] = {
		{ 2, false, 64 }, { 2, true, 64 }, { 3, false, 64 }, { 70000, true, 1 },
		{ 5, false, 333 },
	};
	json_t *list = json_array();
	uint8_t plain[512], sealed[528];
	size_t i;

	count(plain, sizeof(plain), 0x40);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		check(!cs_cipher_seal(cipher, cases[i].number, cases[i].last, plain, cases[i].len,
				      sealed), "seal");
		json_array_append_new(list, json_pack("{s:I, s:b, s:o, s:o}", "number",
						      (json_int_t)cases[i].number, "last",
						      cases[i].last, "segment",
						      hex(plain, cases[i].len), "chunk",
						      hex(sealed, cases[i].len + CS_MAC_LEN)));
	}
	return list;
}

static json_t *erasure_json(void)
{
	static const unsigned int codes[][3] = {
		{ 1, 4, 5 }, { 3, 5, 7 }, { 4, 9, 16 }, { 10, 20, 40 }, { 210, 255, 3 },
	};
	uint8_t chunk[CS_SLICES_MAX * 40], parity[CS_SLICES_MAX * 40];
	json_t *list = json_array(), *slices;
	struct cs_erasure code;
	unsigned int i, j, k, n, len;

	for (i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		k = codes[i][0];
		n = codes[i][1];
		len = codes[i][2];
		count(chunk, k * len, 17 * i);
		check(!cs_erasure_init(&code, k, n), "code");
		cs_erasure_encode(&code, len, chunk, parity);
		cs_erasure_free(&code);
		slices = json_array();
		for (j = 0; j < n; j++)
			json_array_append_new(slices, hex(j < k ? chunk + j * len :
							  parity + (j - k) * len, len));
		json_array_append_new(list, json_pack("{s:i, s:i, s:o, s:o}", "k", k, "n", n,
						      "chunk", hex(chunk, k * len), "slices",
						      slices));
	}
	return list;
}

static int collect(const void *message, size_t len, void *list)
{
	json_array_append_new(list, hex(message, len));
	return 0;
}

static int sign(const void *data, size_t len, uint8_t signature[CS_SIGNATURE_LEN], void *key)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t size = CS_SIGNATURE_LEN;
	int ok;

	ok = EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
	     EVP_DigestSign(ctx, signature, &size, data, len) == 1;
	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -1;
}

static json_t *terms_json(const uint8_t *transport, const uint8_t *public, EVP_PKEY *signer)
{
	struct cs_card provider = card_of("provider", CS_ROLE_PROVIDER, 7);
	struct cs_card recipient = card_of("recipient", CS_ROLE_RECIPIENT, 7);
	struct cs_terms terms = {
		.created = NOW, .expiry = NOW + 3600, .max_price = 1234567,
		.account = "bob@example", .account_len = 11, .signed_by = true,
	};
	uint8_t data[CS_TERMS_SIGNED_MAX], chunk[1218];
	unsigned int bits;
	EVP_PKEY *key;
	size_t len;

	memcpy(terms.transport, transport, sizeof(terms.transport));
	memcpy(terms.recipient, recipient.fingerprint, sizeof(terms.recipient));
	memcpy(terms.sender, public, CS_PUBLIC_LEN);
	len = cs_terms_signed(&terms, data);
	check(!sign(data, len, terms.signature, signer), "signature");
	key = cs_rsa_public(provider.key, provider.key_len, &bits, NULL);
	check(!cs_terms_seal(&terms, key, chunk, sizeof(chunk)), "terms");
	EVP_PKEY_free(key);
	return json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:s, s:o, s:o, s:o}", "envelope",
			 hex(chunk, sizeof(chunk)), "transport_secret",
			 hex(transport, CS_SECRET_LEN), "recipient",
			 hex(terms.recipient, sizeof(terms.recipient)), "created",
			 (json_int_t)terms.created, "expiry", (json_int_t)terms.expiry, "max_price",
			 (json_int_t)terms.max_price, "account", "bob@example", "sender",
			 hex(public, CS_PUBLIC_LEN), "signed", hex(data, len), "signature",
			 hex(terms.signature, CS_SIGNATURE_LEN));
}

static void put_vouch(struct cbor_writer *writer, size_t fields, const uint8_t *public,
		      const uint8_t *object)
{
	struct cs_card recipient = card_of("recipient", CS_ROLE_RECIPIENT, 7), sender;

	check(!cs_card_sender(&sender, public, NULL), "card");
	cbor_put_array(writer, fields);
	cbor_put_uint(writer, 1);
	cbor_put_bytes(writer, public, CS_PUBLIC_LEN);
	cbor_put_bytes(writer, object, CS_OBJECT_ID_LEN);
	cbor_put_bytes(writer, recipient.fingerprint, CS_FINGERPRINT_LEN);
	cbor_put_text(writer, NAME, strlen(NAME));
	cbor_put_bytes(writer, sender.fingerprint, CS_FINGERPRINT_LEN);
	cbor_put_uint(writer, NOW);
}

/* By a key that is both the ingest's and the sender's. */
static json_t *vouch_json(const uint8_t *object, const uint8_t *public, EVP_PKEY *signer)
{
	uint8_t data[512] = "crowdshare vouch v1", all[512], signature[CS_SIGNATURE_LEN];
	size_t head = strlen((char *)data) + 1;
	struct cbor_writer writer = { .p = data + head, .left = sizeof(data) - head };

	put_vouch(&writer, 7, public, object);
	check(!sign(data, writer.p - data, signature, signer), "signature");
	writer = (struct cbor_writer){ .p = all, .left = sizeof(all) };
	put_vouch(&writer, 8, public, object);
	cbor_put_bytes(&writer, signature, sizeof(signature));
	return json_pack("{s:o, s:o, s:o, s:s, s:I}", "vouch", hex(all, writer.p - all), "ingest",
			 hex(public, CS_PUBLIC_LEN), "object", hex(object, CS_OBJECT_ID_LEN),
			 "name", NAME, "time", (json_int_t)NOW);
}

static void entry(struct cs_manifest *manifest, struct cs_chunker *chunker, const char *path,
		  const char *data)
{
	struct cs_entry e = {
		.type = data ? CS_ENTRY_FILE : CS_ENTRY_DIRECTORY, .path = (const uint8_t *)path,
		.path_len = strlen(path), .mode = data ? 0644 : 0755, .mtime = NOW - 1000,
		.nsec = 123456789, .size = data ? strlen(data) : 0,
	};

	if (data) {
		EVP_Q_digest(NULL, "SHA512", NULL, data, strlen(data), e.sha512, NULL);
		EVP_Q_digest(NULL, "SHA256", NULL, data, strlen(data), e.sha256, NULL);
		check(!cs_chunker_add(chunker, data, strlen(data)), "content");
	}
	check(!cs_manifest_add(manifest, &e), "manifest");
}

static void finish(struct cs_manifest *manifest, struct cs_chunker *chunker)
{
	uint8_t head[CS_MANIFEST_HEAD_MAX], tail[4];
	size_t len = cs_manifest_head(manifest, head), all = len + manifest->len;

	tail[0] = all >> 24;
	tail[1] = all >> 16;
	tail[2] = all >> 8;
	tail[3] = all;
	check(!cs_chunker_add(chunker, head, len) &&
	      !cs_chunker_add(chunker, manifest->data, manifest->len) &&
	      !cs_chunker_add(chunker, tail, 4) && !cs_chunker_finish(chunker), "end");
	cs_manifest_free(manifest);
	cs_chunker_free(chunker);
}

/* A whole object: its messages, and what becomes of them. */
static json_t *object_json(bool directory, const uint8_t *content, EVP_PKEY *signer,
			   const uint8_t *public, unsigned int redundancy, size_t frame)
{
	struct cs_card recipient = card_of("recipient", CS_ROLE_RECIPIENT, 7);
	struct cs_card provider = card_of("provider", CS_ROLE_PROVIDER, 7);
	struct cs_put_sender sender = {
		.account = "bob@example", .max_price = 77, .public = public, .sign = sign,
		.arg = signer,
	};
	json_t *messages = json_array(), *files;
	struct cs_chunker_options options = {
		.to = { &recipient, &provider },
		.sender = &sender,
		.created = NOW,
		.expiry = NOW + 36000,
		.redundancy = redundancy,
		.frame = frame,
		.kind = directory ? CS_KIND_DIRECTORY : CS_KIND_FILE,
		.name = directory ? "letters" : "letter.txt",
		.name_len = directory ? 7 : 10,
		.size = directory ? CS_SIZE_UNKNOWN : 3900,
		.content = content,
		.message = collect,
		.arg = messages,
	};
	struct cs_manifest manifest = { 0 };
	struct cs_chunker *chunker;
	char text[3901], line[32];
	int i;

	for (i = 0; i < 3900; i += 13) {
		check(sprintf(line, "line %6u;\n", i % 1000000u) == 13, "text");
		memcpy(text + i, line, 14);
	}
	check(!cs_chunker_new(&chunker, &options, NULL), "object");
	entry(&manifest, chunker, "", directory ? NULL : text);
	files = json_pack("[{s:s, s:s}]", "path", "", "text", directory ? "" : text);
	if (directory) {
		entry(&manifest, chunker, "a", NULL);
		entry(&manifest, chunker, "a/one", "one\n");
		entry(&manifest, chunker, "a/two", "");
		entry(&manifest, chunker, "three", text);
		json_array_append_new(files, json_pack("{s:s, s:s}", "path", "a", "text", ""));
		json_array_append_new(files, json_pack("{s:s, s:s}", "path", "a/one", "text",
						       "one\n"));
		json_array_append_new(files, json_pack("{s:s, s:s}", "path", "a/two", "text", ""));
		json_array_append_new(files, json_pack("{s:s, s:s}", "path", "three", "text",
						       text));
	}
	finish(&manifest, chunker);
	return json_pack("{s:s, s:s, s:o, s:o, s:o}", "kind", directory ? "directory" : "file",
			 "name", options.name, "content_secret", hex(content, CS_SECRET_LEN),
			 "files", files, "messages", messages);
}

int main(void)
{
	uint8_t content[CS_SECRET_LEN], public[CS_PUBLIC_LEN];
	EVP_PKEY *signer = read_key("ed25519");
	size_t len = sizeof(public);
	struct cs_cipher *cipher;
	json_t *json;

	check(EVP_PKEY_get_raw_public_key(signer, public, &len) == 1, "Ed25519");
	count(content, sizeof(content), 1);
	check(!cs_cipher_new(&cipher, content), "cipher");
	json = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "about",
			 "vectors of include/crowdshare/FORMATS.md; the private keys are in keys/",
			 "card", card_json(), "keys", keys_json(content), "chunk_ids",
			 ids_json(cipher), "chunks", chunks_json(cipher), "erasure", erasure_json(),
			 "terms", terms_json(cs_cipher_transport(cipher), public, signer));
	check(!!json, "JSON");
	json_object_set_new(json, "sender_card", sender_json(public));
	json_object_set_new(json, "vouch", vouch_json(cs_cipher_object(cipher), public, signer));
	content[0] = 0x80;
	json_object_set_new(json, "file", object_json(false, content, signer, public, 20, 1400));
	content[0] = 0x81;
	json_object_set_new(json, "directory",
			    object_json(true, content, signer, public, 50, 1000));
	check(!json_dumpf(json, stdout, JSON_INDENT(1) | JSON_ENSURE_ASCII), "output");
	putchar('\n');
	json_decref(json);
	cs_cipher_free(cipher);
	EVP_PKEY_free(signer);
	return 0;
}
