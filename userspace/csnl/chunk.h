/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Chunks of `csnl send` and `csnl recv`: a field test of the data plane, plain and unencrypted.
 *
 * A chunk is cut into n = k slices of chunk_length / n bytes, rounded up; the last one has what is
 * left. It begins with a head that says where its data belong, so that chunks may come in any
 * order. All numbers are big-endian:
 *
 *	magic	8 bytes	"CSFILE\r\n"
 *	version	u16	1
 *	name	u16	bytes of the name
 *	object	16 bytes, random: all chunks of one sending of a file share it
 *	offset	u64	of the data in the file
 *	total	u64	bytes of the file
 *	sha512	64 bytes, of the file
 *	name	base name of the file
 *	data	the rest of the chunk
 */
#ifndef CSNL_CHUNK_H
#define CSNL_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/message.h"

#define CHUNK_HEAD_LEN		108
#define CHUNK_NAME_MAX		240	/* leaves room for a number at the end of a file name */
#define CHUNK_LENGTH_DEFAULT	(4 << 20)
#define CHUNK_LENGTH_MAX	(16 << 20)
#define CHUNK_TOTAL_MAX		(1ULL << 40)

/**
 * struct chunk_head - head of a chunk
 * @object: what all chunks of one sending of a file share
 * @offset: of the data in the file
 * @total: bytes of the file
 * @sha512: of the file
 * @name: base name of the file
 */
struct chunk_head {
	uint8_t		object[16];
	uint64_t	offset;
	uint64_t	total;
	uint8_t		sha512[CS_DIGEST_LEN];
	char		name[CHUNK_NAME_MAX + 1];
};

size_t chunk_head_put(uint8_t *buf, const struct chunk_head *head);
size_t chunk_head_get(struct chunk_head *head, const uint8_t *buf, size_t len,
		      const char **wrong);
void chunk_name_clean(char *name);

uint32_t chunk_slice_length(uint32_t chunk_length, uint16_t n);
const char *chunk_slice_wrong(const struct cs_message *message);

#endif /* CSNL_CHUNK_H */
