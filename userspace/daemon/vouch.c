// SPDX-License-Identifier: GPL-2.0
/*
 * Vouchings: a provider says who sent an object, and his ingest signs that. Deterministic CBOR:
 *
 *	[1, ingest, object, recipient, name, sender, time, signature]
 *
 * The signature is over all fields but itself. It names the recipient since whoever was sent an
 * object knows its secrets: he could make another one with the same id, for somebody else, and have
 * it look like the sender's.
 *
 * Nothing here keeps state between calls.
 */
#include <errno.h>
#include <string.h>

#include "daemon/vouch.h"
#include "lib/cbor.h"
#include "lib/hex.h"
#include "lib/utf8.h"

#define CONTEXT		"crowdshare vouch v1"
#define VERSION		1
#define FIELDS		8
#define SUFFIX		".vouch"
#define DIGITS		(2 * CS_OBJECT_ID_LEN)
#define TIME_MAX	253402300799	/* end of the year 9999 */

static void put_body(struct cbor_writer *writer, const struct vouch *vouch, size_t fields)
{
	cbor_put_array(writer, fields);
	cbor_put_uint(writer, VERSION);
	cbor_put_bytes(writer, vouch->ingest, sizeof(vouch->ingest));
	cbor_put_bytes(writer, vouch->object, sizeof(vouch->object));
	cbor_put_bytes(writer, vouch->recipient, sizeof(vouch->recipient));
	cbor_put_text(writer, vouch->name, strlen(vouch->name));
	cbor_put_bytes(writer, vouch->sender, sizeof(vouch->sender));
	cbor_put_uint(writer, vouch->time);
}

/* What is signed: as if the signature were no field. */
static size_t signed_body(const struct vouch *vouch, uint8_t data[VOUCH_MAX])
{
	struct cbor_writer writer = { .p = data, .left = VOUCH_MAX };

	put_body(&writer, vouch, FIELDS - 1);
	return writer.p - data;
}

/**
 * vouch_name() - the name of the file that a vouching stands in
 * @object: which it is of
 * @name: gets it
 */
void vouch_name(const uint8_t object[CS_OBJECT_ID_LEN], char name[VOUCH_FILE_NAME])
{
	cs_hex(name, object, CS_OBJECT_ID_LEN);
	strcpy(name + DIGITS, SUFFIX);
}

/**
 * vouch_is_name() - is this the name of such a file?
 * @name: any
 *
 * Return: whether it is.
 */
bool vouch_is_name(const char *name)
{
	return strspn(name, "0123456789abcdef") == DIGITS && !strcmp(name + DIGITS, SUFFIX);
}

/**
 * vouch_check_name() - may a sender be called so?
 * @name: the name
 *
 * Return: 0 or -EINVAL: it is empty, too long, or not for people to read.
 */
int vouch_check_name(const char *name)
{
	size_t len = strlen(name);

	return len && len <= VOUCH_NAME_MAX && cs_utf8_ok(name, len) ? 0 : -EINVAL;
}

/**
 * vouch_sign() - vouch for a sender
 * @vouch: all but the ingest's key, which it gets
 * @identity: of the ingest
 * @data: gets what is signed, with the signature
 * @len: gets bytes of @data
 *
 * Return: 0, -EINVAL: the name may not be, an errno of identity_sign().
 */
int vouch_sign(struct vouch *vouch, const struct identity *identity, uint8_t data[VOUCH_MAX],
	       size_t *len)
{
	struct cbor_writer writer = { .p = data, .left = VOUCH_MAX };
	uint8_t signature[IDENTITY_SIGNATURE_LEN], body[VOUCH_MAX];
	int rc;

	memcpy(vouch->ingest, identity->public, sizeof(vouch->ingest));
	if (vouch_check_name(vouch->name))
		return -EINVAL;
	rc = identity_sign(identity, CONTEXT, body, signed_body(vouch, body), signature);
	if (rc)
		return rc;
	put_body(&writer, vouch, FIELDS);
	cbor_put_bytes(&writer, signature, sizeof(signature));
	*len = writer.p - data;
	return 0;
}

/* Reads all fields; who wrote them may be anybody. */
static const char *decode(struct vouch *vouch, const uint8_t *data, size_t len,
			  uint8_t signature[IDENTITY_SIGNATURE_LEN])
{
	struct cbor_reader reader = { .p = data, .left = len };
	const uint8_t *name;
	size_t name_len;

	if (cbor_get_array(&reader, FIELDS) != FIELDS && !reader.wrong)
		reader.wrong = "is missing";
	if (cbor_get_uint(&reader, UINT64_MAX) != VERSION && !reader.wrong)
		reader.wrong = "says that it is of another version";
	cbor_get_fixed(&reader, vouch->ingest, sizeof(vouch->ingest));
	cbor_get_fixed(&reader, vouch->object, sizeof(vouch->object));
	cbor_get_fixed(&reader, vouch->recipient, sizeof(vouch->recipient));
	name_len = cbor_get_text(&reader, &name, VOUCH_NAME_MAX);
	if (name_len)
		memcpy(vouch->name, name, name_len);
	cbor_get_fixed(&reader, vouch->sender, sizeof(vouch->sender));
	vouch->time = cbor_get_uint(&reader, TIME_MAX);
	cbor_get_fixed(&reader, signature, IDENTITY_SIGNATURE_LEN);
	if (!reader.wrong && reader.left)
		reader.wrong = "is one too many";
	if (!reader.wrong && (memchr(vouch->name, '\0', name_len) || vouch_check_name(vouch->name)))
		reader.wrong = "is a name that nobody can read";
	return reader.wrong;
}

/**
 * vouch_read() - read a vouching
 * @vouch: gets what it says; whose key signed it, for which object and for whom is for the caller
 *	to compare with what he expects
 * @data: from whoever
 * @len: bytes of @data
 * @error: gets the reason of a failure
 *
 * Return: 0: the key that it names has signed it; -EBADMSG.
 */
int vouch_read(struct vouch *vouch, const uint8_t *data, size_t len, struct cs_error *error)
{
	uint8_t signature[IDENTITY_SIGNATURE_LEN], body[VOUCH_MAX];
	const char *wrong;

	memset(vouch, 0, sizeof(*vouch));
	wrong = decode(vouch, data, len, signature);
	if (wrong)
		return cs_error_set(error, -EBADMSG, "vouching: a field %s", wrong);
	if (!identity_verify(vouch->ingest, CONTEXT, body, signed_body(vouch, body), signature))
		return cs_error_set(error, -EBADMSG, "vouching: its signature is wrong");
	return 0;
}
