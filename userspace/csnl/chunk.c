// SPDX-License-Identifier: GPL-2.0
/*
 * Chunks of `csnl send` and `csnl recv`. What is decoded here comes from anybody.
 */
#include <string.h>

#include "csnl/chunk.h"
#include "lib/name.h"

#define MAGIC	"CSFILE\r\n"
#define VERSION	1

static uint8_t *put_be(uint8_t *p, uint64_t value, int bytes)
{
	int i;

	for (i = bytes - 1; i >= 0; i--) {
		p[i] = value;
		value >>= 8;
	}
	return p + bytes;
}

static uint64_t get_be(const uint8_t *p, int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | *p++;
	return value;
}

/**
 * chunk_head_put - write a head
 * @buf: has room for CHUNK_HEAD_LEN + CHUNK_NAME_MAX bytes
 *
 * Return: bytes written.
 */
size_t chunk_head_put(uint8_t *buf, const struct chunk_head *head)
{
	size_t len = strlen(head->name);
	uint8_t *p = buf;

	memcpy(p, MAGIC, 8);
	p = put_be(p + 8, VERSION, 2);
	p = put_be(p, len, 2);
	memcpy(p, head->object, 16);
	p = put_be(p + 16, head->offset, 8);
	p = put_be(p, head->total, 8);
	memcpy(p, head->sha512, CS_DIGEST_LEN);
	memcpy(p + CS_DIGEST_LEN, head->name, len);
	return CHUNK_HEAD_LEN + len;
}

/**
 * chunk_head_get - read and check the head of a chunk
 * @head: result, its name cleaned
 * @buf: the chunk
 * @len: bytes of the chunk
 * @wrong: what is wrong with it
 *
 * Return: bytes of the head, 0 if it is not right.
 */
size_t chunk_head_get(struct chunk_head *head, const uint8_t *buf, size_t len,
		      const char **wrong)
{
	size_t name_len, head_len;

	*wrong = "not a chunk of csnl send";
	if (len < CHUNK_HEAD_LEN || memcmp(buf, MAGIC, 8))
		return 0;
	*wrong = "version of the chunk is not known";
	if (get_be(buf + 8, 2) != VERSION)
		return 0;
	name_len = get_be(buf + 10, 2);
	head_len = CHUNK_HEAD_LEN + name_len;
	*wrong = "name in the chunk is too long";
	if (name_len > CHUNK_NAME_MAX || head_len > len)
		return 0;
	memcpy(head->object, buf + 12, 16);
	head->offset = get_be(buf + 28, 8);
	head->total = get_be(buf + 36, 8);
	memcpy(head->sha512, buf + 44, CS_DIGEST_LEN);
	*wrong = "data of the chunk lie beyond the end of the file";
	if (head->total > CHUNK_TOTAL_MAX || head->offset > head->total ||
	    len - head_len > head->total - head->offset)
		return 0;
	*wrong = "chunk without data of a file that has some";
	if (len == head_len && head->total)
		return 0;
	memcpy(head->name, buf + CHUNK_HEAD_LEN, name_len);
	memset(head->name + name_len, 0, sizeof(head->name) - name_len);
	chunk_name_clean(head->name);
	*wrong = NULL;
	return head_len;
}

/**
 * chunk_name_clean - make a name that does no harm as a file name, on a terminal and in JSON
 */
void chunk_name_clean(char *name)
{
	char clean[CS_FILE_NAME_MAX + 1];

	cs_name_clean(clean, (uint8_t *)name, strlen(name), false);
	/* is not longer than it was, but "file", for which there is room */
	strcpy(name, clean);
}

/**
 * chunk_slice_length - bytes of each slice of a chunk but the last
 */
uint32_t chunk_slice_length(uint32_t chunk_length, uint16_t n)
{
	return ((uint64_t)chunk_length + n - 1) / n;
}

/**
 * chunk_slice_wrong - do the fields of a message that tell of its chunk make sense?
 *
 * Return: NULL, or what is wrong.
 */
const char *chunk_slice_wrong(const struct cs_message *message)
{
	uint64_t offset;
	uint32_t slice;

	if (!message->n || message->k != message->n)
		return "erasure-coded (k is not n)";
	if (message->index >= message->n)
		return "slice index beyond n";
	if (!message->chunk_length || message->chunk_length > CHUNK_LENGTH_MAX)
		return "chunk length 0 or too large";
	slice = chunk_slice_length(message->chunk_length, message->n);
	offset = (uint64_t)slice * message->index;
	/* with too many slices the last ones would be empty */
	if ((uint64_t)slice * (message->n - 1) >= message->chunk_length)
		return "more slices than the chunk can have";
	if (message->index < message->n - 1 ? message->length != slice :
					      message->length != message->chunk_length - offset)
		return "slice of the wrong length";
	return NULL;
}
