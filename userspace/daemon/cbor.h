/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Deterministic CBOR into a buffer. See cbor.c.
 */
#ifndef CSD_CBOR_H
#define CSD_CBOR_H

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

#endif /* CSD_CBOR_H */
