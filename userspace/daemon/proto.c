// SPDX-License-Identifier: GPL-2.0
/*
 * Letters between daemons: structs to CBOR (RFC 8949) and back, by one table for both directions.
 *
 * A letter is an array of definite length: the type, then the fields in the order of the struct.
 * Numbers are unsigned integers, texts are text strings, all else are byte strings; an array of ids
 * or digests is one byte string, and so are endorsements, and messages that follow one another; the
 * items of an offer are an array of arrays [digest, size, expiry]. Of the structs, these are not
 * sent: the count that goes with a pointer (but that of a BID's bits), the salt of SYMBOLS, the
 * secret of all but PORT_KEY.
 *
 * Only the deterministic encoding (RFC 8949, 4.2.1) is taken: the shortest heads, definite lengths,
 * nothing behind. So a letter has one form, and what is decoded encodes to the same bytes; a notice
 * that passes many nodes stays what it was.
 *
 * A letter is hostile until it is decoded. One data item at a time is taken out of the buffer: the
 * table says which one has to come, so the depth is what the table has, and memory is taken only
 * for items and bits, after it is clear that the buffer can hold as many.
 *
 * Nothing here keeps state between calls.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/contract.h"
#include "daemon/policy.h"
#include "daemon/proto.h"
#include "daemon/reconcile.h"
#include "lib/cbor.h"
#include "lib/utf8.h"

#define LENGTH_LEN	4
#define HEAD_MAX	9	/* bytes before the content of a data item */
#define FIELDS_MAX	9
#define ITEM_FIELDS	3
#define ITEM_MIN	(1 + 2 + CS_DIGEST_LEN + 1 + 1)
#define ITEM_MAX	(1 + 2 + CS_DIGEST_LEN + 5 + HEAD_MAX)
#define ITEM_SIZE_MIN	CS_HDRS_LEN
#define ITEM_SIZE_MAX	(CS_HDRS_LEN + CS_SLICE_MAX)
#define MESSAGE_MIN	sizeof(struct cs_msg_hdr)
#define KEY_ID_MAX	255
#define HOPS_MAX	255
#define REASON_MAX	(POLICY_REASON_MAX - 1)

_Static_assert(PROTO_ID_LEN == RECONCILE_ID_LEN, "ids are those of reconciliation");
_Static_assert(PROTO_SALT_LEN == RECONCILE_SALT_LEN, "so is the salt");
_Static_assert(PROTO_SYMBOL_LEN == RECONCILE_SYMBOL_LEN, "so are the symbols");
_Static_assert(PROTO_FRAME_MAX == MESSAGE_MIN + CS_SLICE_MAX, "the largest message");
_Static_assert(PROTO_UID_LEN == CONTRACT_UID_LEN, "uids are those of contracts");
_Static_assert(sizeof(struct proto_endorsement) == 136, "an endorsement has no holes");

enum kind {
	KIND_UINT,	/* number */
	KIND_FIXED,	/* bytes in the struct */
	KIND_BYTES,	/* pointer and count */
	KIND_SYMBOLS,	/* bytes that are a multiple of a symbol */
	KIND_MESSAGE,	/* bytes that are a message */
	KIND_MESSAGES,	/* bytes that are messages, one behind the other */
	KIND_STATES,	/* bytes that are enum proto_ack_state */
	KIND_TEXT,	/* pointer and count of text */
	KIND_BITS,	/* pointer, and a count that is a field of its own */
	KIND_ITEMS,	/* items of an offer */
};

/**
 * struct field - a field of a letter
 * @name: for people
 * @kind: how it is encoded
 * @at: where in struct proto_letter: the number, the bytes or the pointer
 * @count_at: where the count is that goes with a pointer
 * @unit: bytes of the number, of the fixed bytes, or of each that is counted
 * @min: least number or count
 * @max: largest
 */
struct field {
	const char	*name;
	enum kind	kind;
	size_t		at;
	size_t		count_at;
	size_t		unit;
	uint64_t	min;
	uint64_t	max;
};

#define AT(letter, member)	offsetof(struct proto_letter, letter.member)
#define SIZE(letter, member)	sizeof(((struct proto_letter *)NULL)->letter.member)

#define UINT(letter, member, least, most) \
	{ #member, KIND_UINT, AT(letter, member), 0, SIZE(letter, member), least, most }
#define FIXED(letter, member) \
	{ #member, KIND_FIXED, AT(letter, member), 0, SIZE(letter, member), 0, 0 }
#define COUNTED(kind, letter, member, count, unit, least, most) \
	{ #member, kind, AT(letter, member), AT(letter, count), unit, least, most }
#define BYTES(letter, member, count, unit, least, most) \
	COUNTED(KIND_BYTES, letter, member, count, unit, least, most)

#define PING_FIELDS	UINT(ping, seq, 0, UINT64_MAX)
#define KEY_FIELDS	UINT(key, epoch, 0, UINT32_MAX), UINT(key, id, 1, KEY_ID_MAX)
#define SYMBOLS_FIELDS	\
	COUNTED(KIND_SYMBOLS, symbols, symbols, len, 1, PROTO_SYMBOL_LEN, \
		PROTO_SYMBOL_LEN * PROTO_SYMBOLS_MAX)

static const struct {
	const char	*name;
	struct field	fields[FIELDS_MAX];
} letters[PROTO_TYPE_MAX] = {
	[PROTO_HELLO] = { "HELLO", {
		UINT(hello, version, 0, UINT32_MAX),
		FIXED(hello, lladdr),
		UINT(hello, terms, 0, CROWDSHARE_PEER_DENY),
		UINT(hello, now, 0, UINT64_MAX),
		FIXED(hello, boot),
	} },
	[PROTO_PING] = { "PING", { PING_FIELDS } },
	[PROTO_PONG] = { "PONG", { PING_FIELDS } },
	[PROTO_PAIRWISE] = { "PAIRWISE", { KEY_FIELDS } },
	[PROTO_PAIRWISE_ACK] = { "PAIRWISE_ACK", { KEY_FIELDS } },
	[PROTO_PORT_KEY] = { "PORT_KEY", { KEY_FIELDS, FIXED(key, secret) } },
	[PROTO_PORT_KEY_ACK] = { "PORT_KEY_ACK", { KEY_FIELDS } },
	[PROTO_OFFER] = { "OFFER", {
		UINT(offer, offer, 0, UINT64_MAX),
		FIXED(offer, destination),
		FIXED(offer, receiver),
		COUNTED(KIND_ITEMS, offer, items, nr_items, 0, 1, PROTO_ITEMS_MAX),
	} },
	[PROTO_NO] = { "NO", {
		UINT(no, offer, 0, UINT64_MAX),
		UINT(no, reason, 1, REASON_MAX),
	} },
	[PROTO_BID] = { "BID", {
		UINT(bid, offer, 0, UINT64_MAX),
		UINT(bid, contract, 1, UINT32_MAX),
		FIXED(bid, nonce),
		UINT(bid, rate, 0, UINT64_MAX),
		UINT(bid, expiry, 0, UINT64_MAX),
		UINT(bid, valid, 0, UINT64_MAX),
		UINT(bid, nr_wanted, 1, PROTO_ITEMS_MAX),
		COUNTED(KIND_BITS, bid, wanted, nr_wanted, 0, 1, PROTO_ITEMS_MAX),
	} },
	[PROTO_ACCEPT] = { "ACCEPT", {
		UINT(accept, offer, 0, UINT64_MAX),
		BYTES(accept, body, len, 1, 1, CONTRACT_BODY_MAX),
		FIXED(accept, signature),
	} },
	[PROTO_REJECT] = { "REJECT", {
		UINT(reject, offer, 0, UINT64_MAX),
		UINT(reject, reason, 1, REASON_MAX),
	} },
	[PROTO_SIGNED] = { "SIGNED", {
		UINT(sign, offer, 0, UINT64_MAX),
		FIXED(sign, signature),
	} },
	[PROTO_RECONCILE] = { "RECONCILE", {
		UINT(symbols, round, 0, UINT32_MAX),
		FIXED(symbols, salt),
		SYMBOLS_FIELDS,
	} },
	[PROTO_SYMBOLS] = { "SYMBOLS", {
		UINT(symbols, round, 0, UINT32_MAX),
		SYMBOLS_FIELDS,
	} },
	[PROTO_MORE] = { "MORE", {
		UINT(more, round, 0, UINT32_MAX),
		UINT(more, count, 0, UINT32_MAX),
	} },
	[PROTO_DIFF] = { "DIFF", {
		UINT(diff, round, 0, UINT32_MAX),
		BYTES(diff, yours, nr_yours, PROTO_ID_LEN, 0, PROTO_IDS_MAX),
		BYTES(diff, mine, nr_mine, PROTO_ID_LEN, 0, PROTO_IDS_MAX),
	} },
	[PROTO_WANT] = { "WANT", {
		UINT(want, round, 0, UINT32_MAX),
		BYTES(want, ids, nr_ids, PROTO_ID_LEN, 0, PROTO_IDS_MAX),
	} },
	[PROTO_MESSAGE] = { "MESSAGE", {
		UINT(message, hops, 0, HOPS_MAX),
		UINT(message, contract, 0, UINT32_MAX),
		COUNTED(KIND_MESSAGE, message, message, len, 1, MESSAGE_MIN, PROTO_FRAME_MAX),
	} },
	[PROTO_CANCEL] = { "CANCEL", {
		FIXED(cancel, public),
		UINT(cancel, expiry, 0, UINT64_MAX),
		BYTES(cancel, digests, nr_digests, CS_DIGEST_LEN, 1, PROTO_DIGESTS_MAX),
		FIXED(cancel, signature),
	} },
	[PROTO_RECEIPT] = { "RECEIPT", {
		FIXED(receipt, receiver),
		FIXED(receipt, destination),
		UINT(receipt, port, 0, UINT16_MAX),
		UINT(receipt, time, 0, UINT64_MAX),
		FIXED(receipt, deliverer),
		FIXED(receipt, contract),
		BYTES(receipt, digests, nr_digests, CS_DIGEST_LEN, 1, PROTO_BATCH_MAX),
		FIXED(receipt, signature),
		BYTES(receipt, endorsements, nr_endorsements, sizeof(struct proto_endorsement), 0,
		      PROTO_ENDORSEMENTS_MAX),
	} },
	[PROTO_BYE] = { "BYE", {
		UINT(bye, reason, 0, REASON_MAX),
		COUNTED(KIND_TEXT, bye, text, len, 1, 0, PROTO_TEXT_MAX),
	} },
	[PROTO_CONTRACT] = { "CONTRACT", {
		BYTES(contract, body, len, 1, 1, CONTRACT_BODY_MAX),
		FIXED(contract, buyer),
		FIXED(contract, seller),
	} },
	[PROTO_RECEIPT_ACK] = { "RECEIPT_ACK", {
		FIXED(receipt_ack, id),
		UINT(receipt_ack, messages, 0, UINT64_MAX),
	} },
	[PROTO_DELIVER] = { "DELIVER", {
		UINT(deliver, batch, 0, UINT64_MAX),
		FIXED(deliver, contract),
		COUNTED(KIND_MESSAGES, deliver, messages, len, 1, MESSAGE_MIN, PROTO_DELIVER_MAX),
	} },
	[PROTO_ACK] = { "ACK", {
		UINT(ack, batch, 0, UINT64_MAX),
		COUNTED(KIND_STATES, ack, states, nr_states, 1, 1, PROTO_BATCH_MAX),
	} },
	[PROTO_HOLD] = { "HOLD", {
		BYTES(hold, ids, nr_ids, PROTO_ID_LEN, 1, PROTO_HOLD_MAX),
	} },
	[PROTO_HELD] = { "HELD", {
		UINT(held, time, 0, UINT64_MAX),
		BYTES(held, ids, nr_ids, PROTO_ID_LEN, 0, PROTO_HOLD_MAX),
		FIXED(held, signature),
	} },
	[PROTO_COUNTED] = { "COUNTED", { UINT(counted, frames, 0, UINT64_MAX) } },
};

/**
 * proto_type_name() - what a letter is called
 * @type: its type, any number
 *
 * Return: a text, also for a type that is not known.
 */
const char *proto_type_name(unsigned int type)
{
	return type < PROTO_TYPE_MAX && letters[type].name ? letters[type].name : "unknown";
}

static size_t nr_fields(unsigned int type)
{
	size_t n = 0;

	while (n < FIELDS_MAX && letters[type].fields[n].name)
		n++;
	return n;
}

/* --- Members of the struct --- */

static uint64_t load(const void *at, size_t size)
{
	uint64_t u64;
	uint32_t u32;

	switch (size) {
	case sizeof(u64):
		memcpy(&u64, at, sizeof(u64));
		return u64;
	case sizeof(u32):
		memcpy(&u32, at, sizeof(u32));
		return u32;
	default:
		return *(const uint8_t *)at;
	}
}

static void store(void *at, size_t size, uint64_t value)
{
	uint32_t u32 = value;
	uint8_t u8 = value;

	switch (size) {
	case sizeof(value):
		memcpy(at, &value, sizeof(value));
		break;
	case sizeof(u32):
		memcpy(at, &u32, sizeof(u32));
		break;
	default:
		memcpy(at, &u8, sizeof(u8));
	}
}

static void *member(struct proto_letter *letter, size_t at)
{
	return (uint8_t *)letter + at;
}

static size_t count_of(const struct proto_letter *letter, const struct field *field)
{
	return load((const uint8_t *)letter + field->count_at, sizeof(size_t));
}

static const uint8_t *pointer_of(const struct proto_letter *letter, const struct field *field)
{
	const uint8_t *pointer;

	memcpy(&pointer, (const uint8_t *)letter + field->at, sizeof(pointer));
	return pointer;
}

/* --- What is right on both ways --- */

/**
 * proto_message_len() - how long is the message that begins here?
 * @data: bytes from whoever
 * @len: their number
 *
 * Return: the bytes of the message, 0 if it is not whole.
 */
size_t proto_message_len(const uint8_t *data, size_t len)
{
	const struct cs_msg_hdr *hdr = (const struct cs_msg_hdr *)data;

	if (len < sizeof(*hdr) || len - sizeof(*hdr) < be16toh(hdr->length))
		return 0;
	return sizeof(*hdr) + be16toh(hdr->length);
}

static bool messages_ok(const uint8_t *data, size_t len)
{
	size_t n, count;

	for (count = 0; len; count++, data += n, len -= n) {
		n = proto_message_len(data, len);
		if (!n || count == PROTO_BATCH_MAX)
			return false;
	}
	return true;
}

static bool states_ok(const uint8_t *states, size_t count)
{
	while (count--)
		if (*states++ >= PROTO_ACK_MAX)
			return false;
	return true;
}

/* What is wrong with the content of a field whose count is within its limits; NULL: nothing. */
static const char *content_wrong(enum kind kind, const uint8_t *data, size_t len)
{
	if (kind == KIND_SYMBOLS && len % PROTO_SYMBOL_LEN)
		return "is not whole symbols";
	if (kind == KIND_MESSAGE && proto_message_len(data, len) != len)
		return "is not as long as its header says";
	if (kind == KIND_MESSAGES && !messages_ok(data, len))
		return "is not whole messages, or too many";
	if (kind == KIND_STATES && !states_ok(data, len))
		return "has a state that is not known";
	/* it goes to a log and to a terminal, so it may not hold what controls these */
	if (kind == KIND_TEXT && !cs_utf8_ok(data, len))
		return "is not UTF-8 without control characters";
	return NULL;
}

/* --- Encoder --- */

static bool items_ok(const struct proto_offer *offer)
{
	size_t i;

	for (i = 0; i < offer->nr_items; i++)
		if (offer->items[i].size < ITEM_SIZE_MIN || offer->items[i].size > ITEM_SIZE_MAX)
			return false;
	return true;
}

/* Is a field what the other side will take? Adds the most bytes that it can be encoded to. */
static bool field_ok(const struct proto_letter *letter, const struct field *field, size_t *room)
{
	uint64_t value;
	size_t count;

	*room += HEAD_MAX;
	if (field->kind == KIND_FIXED) {
		*room += field->unit;
		return true;
	}
	if (field->kind == KIND_UINT) {
		value = load((const uint8_t *)letter + field->at, field->unit);
		return value >= field->min && value <= field->max;
	}
	count = count_of(letter, field);
	if (count < field->min || count > field->max || (count && !pointer_of(letter, field)))
		return false;
	if (field->kind == KIND_ITEMS) {
		*room += count * ITEM_MAX;
		return items_ok(&letter->offer);
	}
	*room += field->kind == KIND_BITS ? (count + 7) / 8 : count * field->unit;
	return !content_wrong(field->kind, pointer_of(letter, field), count);
}

static void put_items(struct cbor_writer *writer, const struct proto_offer *offer)
{
	size_t i;

	cbor_put_array(writer, offer->nr_items);
	for (i = 0; i < offer->nr_items; i++) {
		cbor_put_array(writer, ITEM_FIELDS);
		cbor_put_bytes(writer, offer->items[i].digest, CS_DIGEST_LEN);
		cbor_put_uint(writer, offer->items[i].size);
		cbor_put_uint(writer, offer->items[i].expiry);
	}
}

static void put_field(struct cbor_writer *writer, const struct proto_letter *letter,
		      const struct field *field)
{
	const uint8_t *at = (const uint8_t *)letter + field->at;
	size_t count;

	switch (field->kind) {
	case KIND_UINT:
		cbor_put_uint(writer, load(at, field->unit));
		break;
	case KIND_FIXED:
		cbor_put_bytes(writer, at, field->unit);
		break;
	case KIND_ITEMS:
		put_items(writer, &letter->offer);
		break;
	case KIND_BITS:
		count = count_of(letter, field);
		cbor_put_bytes(writer, pointer_of(letter, field), (count + 7) / 8);
		if (count % 8) /* bits beyond the last are the caller's, not ours to tell */
			writer->p[-1] &= (1 << count % 8) - 1;
		break;
	case KIND_TEXT:
		cbor_put_text(writer, pointer_of(letter, field), count_of(letter, field));
		break;
	default:
		cbor_put_bytes(writer, pointer_of(letter, field),
			       count_of(letter, field) * field->unit);
	}
}

/**
 * proto_encode() - a letter as it goes over a session
 * @letter: the letter
 * @out: gets the bytes, the length in front; the caller's to free
 * @len: gets their number, the length included
 *
 * Takes one allocation, and copies what the letter points to once.
 *
 * Return: 0; -EINVAL if a field is beyond its limits, so that the other side would refuse it;
 * -ENOMEM.
 */
int proto_encode(const struct proto_letter *letter, uint8_t **out, size_t *len)
{
	size_t i, count, room = LENGTH_LEN + 2 * HEAD_MAX;
	const struct field *fields;
	struct cbor_writer writer;
	uint32_t length;

	if (letter->type < PROTO_HELLO || letter->type >= PROTO_TYPE_MAX)
		return -EINVAL;
	fields = letters[letter->type].fields;
	count = nr_fields(letter->type);
	for (i = 0; i < count; i++)
		if (!field_ok(letter, &fields[i], &room))
			return -EINVAL;
	*out = malloc(room);
	if (!*out)
		return -ENOMEM;
	writer.p = *out + LENGTH_LEN;
	writer.left = room - LENGTH_LEN;
	cbor_put_array(&writer, 1 + count);
	cbor_put_uint(&writer, letter->type);
	for (i = 0; i < count; i++)
		put_field(&writer, letter, &fields[i]);
	*len = writer.p - *out;
	length = htobe32(*len - LENGTH_LEN);
	memcpy(*out, &length, sizeof(length));
	return 0;
}

/* --- Decoder --- */

/**
 * struct reader - the state of a decoder
 * @start: of the buffer
 * @cbor: what comes next
 * @letter: name of the letter
 * @field: name of the field
 * @error: gets the reason of a failure
 */
struct reader {
	const uint8_t		*start;
	struct cbor_reader	cbor;
	const char		*letter;
	const char		*field;
	struct cs_error		*error;
};

static void reader_init(struct reader *reader, const void *data, size_t len, struct cs_error *error)
{
	*reader = (struct reader){
		.start = data,
		.cbor = { .p = data, .left = len },
		.letter = "letter",
		.field = "array",
		.error = error,
	};
}

__attribute__((format(printf, 2, 3)))
static int refuse(const struct reader *reader, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return cs_error_set(reader->error, -EBADMSG, "%s: %s, byte %zu: %s", reader->letter,
			    reader->field, (size_t)(reader->cbor.p - reader->start), text);
}

static int within(const struct reader *reader, const char *what, uint64_t value, uint64_t min,
		  uint64_t max)
{
	if (value >= min && value <= max)
		return 0;
	return refuse(reader, "%s is %" PRIu64 ", which is not %" PRIu64 " to %" PRIu64, what,
		      value, min, max);
}

/* Takes the next data item, which has to be of a kind. */
static int next(struct reader *reader, enum cbor_kind kind, struct cbor_item *item)
{
	return cbor_get_item(&reader->cbor, kind, item) ? 0 : refuse(reader, "%s",
								     reader->cbor.wrong);
}

static int get_uint(struct reader *reader, uint64_t min, uint64_t max, uint64_t *value)
{
	struct cbor_item item;
	int rc;

	rc = next(reader, CBOR_UINT, &item);
	*value = item.value;
	return rc ? rc : within(reader, "number", item.value, min, max);
}

static int get_fixed(struct reader *reader, void *to, size_t len)
{
	struct cbor_item item;
	int rc;

	rc = next(reader, CBOR_BYTES, &item);
	if (!rc && item.value != len)
		rc = refuse(reader, "has %" PRIu64 " bytes instead of %zu", item.value, len);
	if (!rc)
		memcpy(to, item.data, len);
	return rc;
}

static int get_item(struct reader *reader, struct proto_offer_item *to)
{
	struct cbor_item item;
	uint64_t size;
	int rc;

	rc = next(reader, CBOR_ARRAY, &item);
	if (!rc)
		rc = within(reader, "number of an item's fields", item.value, ITEM_FIELDS,
			    ITEM_FIELDS);
	if (!rc)
		rc = get_fixed(reader, to->digest, CS_DIGEST_LEN);
	if (!rc)
		rc = get_uint(reader, ITEM_SIZE_MIN, ITEM_SIZE_MAX, &size);
	if (rc)
		return rc;
	to->size = size;
	return get_uint(reader, 0, UINT64_MAX, &to->expiry);
}

static int get_items(struct reader *reader, const struct field *field, struct proto_offer *offer)
{
	struct cbor_item item;
	size_t i;
	int rc;

	rc = next(reader, CBOR_ARRAY, &item);
	if (!rc)
		rc = within(reader, "number of items", item.value, field->min, field->max);
	if (rc)
		return rc;
	/* a few bytes shall not make us take the memory of many items */
	if (reader->cbor.left / ITEM_MIN < item.value)
		return refuse(reader, "ends too early");
	offer->items = calloc(item.value, sizeof(*offer->items));
	if (!offer->items)
		return cs_error_set(reader->error, -ENOMEM, "out of memory");
	offer->nr_items = item.value;
	for (i = 0; !rc && i < offer->nr_items; i++)
		rc = get_item(reader, &offer->items[i]);
	return rc;
}

/* The number of bits was the field before. */
static int get_bits(struct reader *reader, struct proto_bid *bid)
{
	size_t len = (bid->nr_wanted + 7) / 8;
	uint8_t *bits = calloc(1, len);
	int rc;

	if (!bits)
		return cs_error_set(reader->error, -ENOMEM, "out of memory");
	bid->wanted = bits;
	rc = get_fixed(reader, bits, len);
	if (!rc && bid->nr_wanted % 8 && bits[len - 1] >> bid->nr_wanted % 8)
		rc = refuse(reader, "has bits beyond the last item");
	return rc;
}

static int get_bytes(struct reader *reader, const struct field *field, struct proto_letter *letter)
{
	const char *wrong;
	struct cbor_item item;
	int rc;

	rc = next(reader, field->kind == KIND_TEXT ? CBOR_TEXT : CBOR_BYTES, &item);
	if (!rc && item.value % field->unit)
		rc = refuse(reader, "%" PRIu64 " bytes are not a multiple of %zu", item.value,
			    field->unit);
	if (!rc)
		rc = within(reader, "length", item.value / field->unit, field->min, field->max);
	if (rc)
		return rc;
	wrong = content_wrong(field->kind, item.data, item.value);
	if (wrong)
		return refuse(reader, "%s", wrong);
	memcpy(member(letter, field->at), &item.data, sizeof(item.data));
	store(member(letter, field->count_at), sizeof(size_t), item.value / field->unit);
	return 0;
}

static int get_field(struct reader *reader, const struct field *field, struct proto_letter *letter)
{
	uint64_t value;
	int rc;

	reader->field = field->name;
	switch (field->kind) {
	case KIND_UINT:
		rc = get_uint(reader, field->min, field->max, &value);
		if (!rc)
			store(member(letter, field->at), field->unit, value);
		return rc;
	case KIND_FIXED:
		return get_fixed(reader, member(letter, field->at), field->unit);
	case KIND_ITEMS:
		return get_items(reader, field, &letter->offer);
	case KIND_BITS:
		return get_bits(reader, &letter->bid);
	default:
		return get_bytes(reader, field, letter);
	}
}

/* The head of the array and the type. */
static int get_type(struct reader *reader, enum proto_type *type)
{
	struct cbor_item item;
	uint64_t number;
	int rc;

	rc = next(reader, CBOR_ARRAY, &item);
	reader->field = "type";
	if (!rc)
		rc = get_uint(reader, PROTO_HELLO, PROTO_TYPE_MAX - 1, &number);
	if (rc)
		return rc;
	reader->letter = letters[number].name;
	reader->field = "array";
	*type = number;
	return within(reader, "number of fields", item.value, 1 + nr_fields(number),
		      1 + nr_fields(number));
}

/**
 * proto_decode() - take a letter apart
 * @letter: gets it; to be freed with proto_free() and not used for longer than @data is there
 * @data: the letter, without the length in front
 * @len: its bytes
 * @error: gets the reason of a failure
 *
 * Return: 0; -EBADMSG if this is not a letter that this version knows, in full and in its one form;
 * -ENOMEM. After a failure there is nothing to be freed.
 */
int proto_decode(struct proto_letter *letter, const void *data, size_t len, struct cs_error *error)
{
	enum proto_type type = 0;
	struct reader reader;
	size_t i, count;
	int rc;

	memset(letter, 0, sizeof(*letter));
	if (len > PROTO_MAX)
		return cs_error_set(error, -EBADMSG, "letter of %zu bytes: more than %d", len,
				    PROTO_MAX);
	reader_init(&reader, data, len, error);
	rc = get_type(&reader, &type);
	if (rc)
		return rc;
	letter->type = type;
	count = nr_fields(type);
	for (i = 0; !rc && i < count; i++)
		rc = get_field(&reader, &letters[type].fields[i], letter);
	reader.field = "array";
	if (!rc && reader.cbor.left)
		rc = refuse(&reader, "is followed by %zu bytes too many", reader.cbor.left);
	if (rc)
		proto_free(letter);
	return rc;
}

/**
 * proto_free() - free what a decoded letter has, and forget its keys
 * @letter: the letter; may be freed twice
 */
void proto_free(struct proto_letter *letter)
{
	if (letter->type == PROTO_OFFER)
		free(letter->offer.items);
	else if (letter->type == PROTO_BID)
		free(letter->bid.wanted);
	explicit_bzero(letter, sizeof(*letter));
}
