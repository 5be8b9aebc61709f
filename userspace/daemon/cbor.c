// SPDX-License-Identifier: GPL-2.0
/*
 * Deterministic CBOR (RFC 8949, 4.2.1) into a buffer: libcbor writes the heads, in their shortest
 * forms, and nothing is allocated. Whoever writes has made room: the limits of what is written are
 * his.
 */
#include <string.h>

#include <cbor.h>

#include "daemon/cbor.h"

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
