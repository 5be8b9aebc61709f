/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Deterministic CBOR, to a buffer and from one. See cbor.c.
 */
#ifndef CS_LIB_CBOR_H
#define CS_LIB_CBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct cbor_writer - bytes being written
 * @p: where the next one goes
 * @left: bytes from @p on, enough for all that will be written
 */
struct cbor_writer {
	uint8_t	*p;
	size_t	left;
};

void cbor_put_uint(struct cbor_writer *writer, uint64_t value);
void cbor_put_array(struct cbor_writer *writer, size_t count);
void cbor_put_bytes(struct cbor_writer *writer, const void *data, size_t len);
void cbor_put_text(struct cbor_writer *writer, const void *data, size_t len);

/**
 * enum cbor_kind - the data items that are used
 * @CBOR_OTHER: any other
 */
enum cbor_kind {
	CBOR_OTHER,
	CBOR_UINT,
	CBOR_BYTES,
	CBOR_TEXT,
	CBOR_ARRAY,
};

/**
 * struct cbor_item - a data item, or of an array the head
 * @kind: what it is
 * @value: the number, or how long the string or the array is
 * @data: content of the string, in the buffer
 */
struct cbor_item {
	enum cbor_kind	kind;
	uint64_t	value;
	const uint8_t	*data;
};

/**
 * struct cbor_reader - bytes being read
 * @p: where the next item begins
 * @left: bytes from @p on
 * @wrong: what was not as expected, NULL: nothing yet. Once it is set nothing is read any more, so
 *	that it needs to be looked at only at the end
 */
struct cbor_reader {
	const uint8_t	*p;
	size_t		left;
	const char	*wrong;
};

bool cbor_get_item(struct cbor_reader *reader, enum cbor_kind kind, struct cbor_item *item);
uint64_t cbor_get_uint(struct cbor_reader *reader, uint64_t max);
uint64_t cbor_get_array(struct cbor_reader *reader, uint64_t max);
void cbor_get_fixed(struct cbor_reader *reader, void *bytes, size_t len);
size_t cbor_get_bytes(struct cbor_reader *reader, const uint8_t **data, size_t max);
size_t cbor_get_text(struct cbor_reader *reader, const uint8_t **data, size_t max);

#endif /* CS_LIB_CBOR_H */
