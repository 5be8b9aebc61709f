// SPDX-License-Identifier: GPL-2.0
/*
 * Deterministic CBOR (RFC 8949, 4.2.1), to a buffer and from one.
 *
 * Writing: libcbor writes the heads, in their shortest forms, and nothing is allocated. Whoever
 * writes has made room: the limits of what is written are his.
 */
#include <string.h>

#include <cbor.h>

#include "lib/cbor.h"

static void wrote(struct cbor_writer *writer, size_t len)
{
	writer->p += len;
	writer->left -= len;
}

static void put_content(struct cbor_writer *writer, const void *data, size_t len)
{
	if (len)
		memcpy(writer->p, data, len);
	wrote(writer, len);
}

/**
 * cbor_put_uint() - write an unsigned integer
 * @writer: where to
 * @value: the integer
 */
void cbor_put_uint(struct cbor_writer *writer, uint64_t value)
{
	wrote(writer, cbor_encode_uint(value, writer->p, writer->left));
}

/**
 * cbor_put_array() - begin an array
 * @writer: where to
 * @count: of the items that follow
 */
void cbor_put_array(struct cbor_writer *writer, size_t count)
{
	wrote(writer, cbor_encode_array_start(count, writer->p, writer->left));
}

/**
 * cbor_put_bytes() - write a byte string
 * @writer: where to
 * @data: the bytes
 * @len: their number
 */
void cbor_put_bytes(struct cbor_writer *writer, const void *data, size_t len)
{
	wrote(writer, cbor_encode_bytestring_start(len, writer->p, writer->left));
	put_content(writer, data, len);
}

/**
 * cbor_put_text() - write a text string
 * @writer: where to
 * @data: UTF-8
 * @len: its bytes
 */
void cbor_put_text(struct cbor_writer *writer, const void *data, size_t len)
{
	wrote(writer, cbor_encode_string_start(len, writer->p, writer->left));
	put_content(writer, data, len);
}

/*
 * Reading: libcbor's streaming decoder takes one data item at a time out of the buffer, without a
 * tree, without recursion and without memory. Whoever reads says which item has to come, so the
 * depth is what he asks for. Only deterministic encoding is taken, so that what is decoded encodes
 * to the same bytes.
 */

static void on_uint(struct cbor_item *item, uint64_t value)
{
	item->kind = CBOR_UINT;
	item->value = value;
}

static void on_uint8(void *item, uint8_t value)
{
	on_uint(item, value);
}

static void on_uint16(void *item, uint16_t value)
{
	on_uint(item, value);
}

static void on_uint32(void *item, uint32_t value)
{
	on_uint(item, value);
}

static void on_uint64(void *item, uint64_t value)
{
	on_uint(item, value);
}

static void on_bytes(void *data, cbor_data content, size_t len)
{
	struct cbor_item *item = data;

	*item = (struct cbor_item){ CBOR_BYTES, len, content };
}

static void on_text(void *data, cbor_data content, size_t len)
{
	struct cbor_item *item = data;

	*item = (struct cbor_item){ CBOR_TEXT, len, content };
}

static void on_array(void *data, size_t len)
{
	struct cbor_item *item = data;

	*item = (struct cbor_item){ CBOR_ARRAY, len, NULL };
}

/**
 * cbor_get_item() - take the next data item, or of an array the head
 * @reader: where from
 * @kind: what it has to be
 * @item: gets it
 *
 * Return: whether it is that, in its shortest form; otherwise the reader says what is wrong.
 */
bool cbor_get_item(struct cbor_reader *reader, enum cbor_kind kind, struct cbor_item *item)
{
	static const char *const wrong[] = {
		[CBOR_UINT] = "is not an unsigned integer",
		[CBOR_BYTES] = "is not a byte string of definite length",
		[CBOR_TEXT] = "is not a text string of definite length",
		[CBOR_ARRAY] = "is not an array of definite length",
	};
	/* what has no callback here does nothing: the item stays one that is not used */
	struct cbor_callbacks callbacks = cbor_empty_callbacks;
	struct cbor_decoder_result result;
	uint8_t shortest[9];
	size_t len;

	*item = (struct cbor_item){ .kind = CBOR_OTHER };
	if (reader->wrong)
		return false;
	callbacks.uint8 = on_uint8;
	callbacks.uint16 = on_uint16;
	callbacks.uint32 = on_uint32;
	callbacks.uint64 = on_uint64;
	callbacks.byte_string = on_bytes;
	callbacks.string = on_text;
	callbacks.array_start = on_array;
	result = cbor_stream_decode(reader->p, reader->left, &callbacks, item);
	/* heads have the same length for all kinds */
	len = cbor_encode_uint(item->value, shortest, sizeof(shortest));
	if (item->data)
		len += item->value;
	if (result.status == CBOR_DECODER_NEDATA)
		reader->wrong = "ends too early";
	else if (result.status != CBOR_DECODER_FINISHED || item->kind != kind)
		reader->wrong = wrong[kind];
	else if (result.read != len)
		reader->wrong = "is not encoded in the shortest form";
	if (reader->wrong)
		return false;
	reader->p += len;
	reader->left -= len;
	return true;
}

/* The value of the next item, 0 if it is not what it has to be. */
static uint64_t get(struct cbor_reader *reader, enum cbor_kind kind, uint64_t max,
		    const uint8_t **data)
{
	struct cbor_item item;

	*data = NULL;
	if (!cbor_get_item(reader, kind, &item))
		return 0;
	if (item.value > max) {
		reader->wrong = kind == CBOR_UINT ? "is too great" : "is too long";
		return 0;
	}
	*data = item.data;
	return item.value;
}

/**
 * cbor_get_uint() - take an unsigned integer
 * @reader: where from
 * @max: it may not be greater
 *
 * Return: the integer, 0 if something is or was wrong.
 */
uint64_t cbor_get_uint(struct cbor_reader *reader, uint64_t max)
{
	const uint8_t *data;

	return get(reader, CBOR_UINT, max, &data);
}

/**
 * cbor_get_array() - take the head of an array
 * @reader: where from
 * @max: items that it may have
 *
 * Return: the number of items, 0 if something is or was wrong.
 */
uint64_t cbor_get_array(struct cbor_reader *reader, uint64_t max)
{
	const uint8_t *data;

	return get(reader, CBOR_ARRAY, max, &data);
}

/**
 * cbor_get_fixed() - take a byte string whose length is known
 * @reader: where from
 * @bytes: gets its content
 * @len: its length
 */
void cbor_get_fixed(struct cbor_reader *reader, void *bytes, size_t len)
{
	const uint8_t *data;
	size_t got;

	got = cbor_get_bytes(reader, &data, len);
	if (!reader->wrong && got != len)
		reader->wrong = "is too short";
	if (!reader->wrong && len)
		memcpy(bytes, data, len);
}

/**
 * cbor_get_bytes() - take a byte string
 * @reader: where from
 * @data: set to its content, in the buffer
 * @max: its greatest length
 *
 * Return: its length, 0 if something is or was wrong.
 */
size_t cbor_get_bytes(struct cbor_reader *reader, const uint8_t **data, size_t max)
{
	return get(reader, CBOR_BYTES, max, data);
}

/**
 * cbor_get_text() - take a text string; whether it is UTF-8 is not looked at
 * @reader: where from
 * @data: set to its content, in the buffer
 * @max: its greatest length in bytes
 *
 * Return: its length, 0 if something is or was wrong.
 */
size_t cbor_get_text(struct cbor_reader *reader, const uint8_t **data, size_t max)
{
	return get(reader, CBOR_TEXT, max, data);
}
