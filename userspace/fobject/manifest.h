/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Manifests: what an object holds, at its end. See manifest.c.
 */
#ifndef CS_FOBJECT_MANIFEST_H
#define CS_FOBJECT_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crowdshare/fobject.h>

#include "fobject/envelope.h"
#include "lib/cbor.h"

#define CS_SHA512_LEN		64
#define CS_SHA256_LEN		32
#define CS_MANIFEST_TAIL	4	/* bytes behind it, which say how long it is */
#define CS_SIZE_MAX		(1ULL << 60)

/**
 * enum cs_entry_type - what an entry is
 */
enum cs_entry_type {
	CS_ENTRY_FILE,
	CS_ENTRY_DIRECTORY,
};

/**
 * struct cs_entry - a file or a directory
 * @type: which of the two
 * @path: in the object, "" for itself; not terminated
 * @path_len: bytes of @path
 * @mode: permissions, 0 to 0777
 * @mtime: of the last change, Unix seconds
 * @nsec: and nanoseconds
 * @size: bytes; of a directory 0
 * @sha512: of the file; of a directory not used
 * @sha256: the same
 */
struct cs_entry {
	enum cs_entry_type	type;
	const uint8_t		*path;
	size_t			path_len;
	unsigned int		mode;
	uint64_t		mtime;
	uint32_t		nsec;
	uint64_t		size;
	uint8_t			sha512[CS_SHA512_LEN];
	uint8_t			sha256[CS_SHA256_LEN];
};

/**
 * struct cs_manifest - a manifest being written
 * @data: entries
 * @len: bytes of them
 * @room: bytes of @data
 * @count: number of entries
 */
struct cs_manifest {
	uint8_t		*data;
	size_t		len;
	size_t		room;
	uint64_t	count;
};

#define CS_MANIFEST_HEAD_MAX	32

int cs_manifest_add(struct cs_manifest *manifest, const struct cs_entry *entry);
size_t cs_manifest_head(const struct cs_manifest *manifest, uint8_t head[CS_MANIFEST_HEAD_MAX]);
void cs_manifest_free(struct cs_manifest *manifest);

/**
 * struct cs_manifest_reader - a manifest being read
 * @cbor: what comes next
 * @kind: of the object
 * @count: entries in all
 * @next: number of the next one
 */
struct cs_manifest_reader {
	struct cbor_reader	cbor;
	enum cs_kind		kind;
	uint64_t		count;
	uint64_t		next;
};

int cs_manifest_open(struct cs_manifest_reader *reader, enum cs_kind kind, const uint8_t *data,
		     size_t len, struct cs_error *error);
int cs_manifest_next(struct cs_manifest_reader *reader, struct cs_entry *entry,
		     struct cs_error *error);
int cs_manifest_check(enum cs_kind kind, const uint8_t *data, size_t len, uint64_t content,
		      struct cs_error *error);

#endif /* CS_FOBJECT_MANIFEST_H */
