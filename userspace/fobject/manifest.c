// SPDX-License-Identifier: GPL-2.0
/*
 * Manifests: what an object holds. They stand at the end of it, since only then is all known, and
 * an object may come from a pipe: the content of all files one after the other, the manifest, and
 * its length in four bytes. As deterministic CBOR:
 *
 *	[1, [entry, ...]]
 *	entry of a file:	[0, path, mode, mtime, nanoseconds, size, SHA-512, SHA-256]
 *	entry of a directory:	[1, path, mode, mtime, nanoseconds]
 *
 * An object that is a file has one entry, with an empty path. One that is a directory begins with
 * itself, with an empty path; files are in the order of their content. So 10,000 small files take
 * as many messages as their content and 150 bytes for each need, and a file is in its place before
 * the manifest is known.
 *
 * Who wrote a manifest may be anybody who has the recipient's card. Paths are relative, without
 * empty names, "." and ".."; what else may be wrong with names is for name.c.
 *
 * Nothing here keeps state between calls.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fobject/manifest.h"

#define VERSION		1
#define FIELDS_FILE	8
#define FIELDS_DIR	5
#define ENTRY_MAX	(CS_PATH_MAX + CS_SHA512_LEN + CS_SHA256_LEN + FIELDS_FILE * 9)
#define MODE_MAX	0777
#define NSEC_MAX	999999999

/**
 * cs_manifest_add() - write an entry
 * @manifest: begins all zero
 * @entry: the entry
 *
 * Return: 0, -EFBIG if the manifest would be larger than %CS_MANIFEST_MAX, -ENOMEM.
 */
int cs_manifest_add(struct cs_manifest *manifest, const struct cs_entry *entry)
{
	struct cbor_writer writer;
	uint8_t *data;
	size_t room;

	if (manifest->len + ENTRY_MAX > CS_MANIFEST_MAX)
		return -EFBIG;
	if (manifest->len + ENTRY_MAX > manifest->room) {
		room = 2 * manifest->room + ENTRY_MAX;
		data = realloc(manifest->data, room);
		if (!data)
			return -ENOMEM;
		manifest->data = data;
		manifest->room = room;
	}
	writer.p = manifest->data + manifest->len;
	writer.left = manifest->room - manifest->len;
	cbor_put_array(&writer, entry->type == CS_ENTRY_FILE ? FIELDS_FILE : FIELDS_DIR);
	cbor_put_uint(&writer, entry->type);
	cbor_put_bytes(&writer, entry->path, entry->path_len);
	cbor_put_uint(&writer, entry->mode & MODE_MAX);
	cbor_put_uint(&writer, entry->mtime);
	cbor_put_uint(&writer, entry->nsec);
	if (entry->type == CS_ENTRY_FILE) {
		cbor_put_uint(&writer, entry->size);
		cbor_put_bytes(&writer, entry->sha512, sizeof(entry->sha512));
		cbor_put_bytes(&writer, entry->sha256, sizeof(entry->sha256));
	}
	manifest->len = writer.p - manifest->data;
	manifest->count++;
	return 0;
}

/**
 * cs_manifest_head() - what stands before the entries
 * @manifest: all entries were added
 * @head: gets it
 *
 * Return: its bytes.
 */
size_t cs_manifest_head(const struct cs_manifest *manifest, uint8_t head[CS_MANIFEST_HEAD_MAX])
{
	struct cbor_writer writer = { .p = head, .left = CS_MANIFEST_HEAD_MAX };

	cbor_put_array(&writer, 2);
	cbor_put_uint(&writer, VERSION);
	cbor_put_array(&writer, manifest->count);
	return writer.p - head;
}

/**
 * cs_manifest_free() - free what a manifest has
 * @manifest: is empty afterwards
 */
void cs_manifest_free(struct cs_manifest *manifest)
{
	free(manifest->data);
	*manifest = (struct cs_manifest){ 0 };
}

/**
 * cs_manifest_open() - begin to read a manifest
 * @reader: gets its state
 * @kind: of the object
 * @data: the manifest
 * @len: its bytes
 * @error: gets the reason of a failure
 *
 * Return: 0 or -EBADMSG.
 */
int cs_manifest_open(struct cs_manifest_reader *reader, enum cs_kind kind, const uint8_t *data,
		     size_t len, struct cs_error *error)
{
	uint64_t version;

	*reader = (struct cs_manifest_reader){ .cbor = { .p = data, .left = len }, .kind = kind };
	if (cbor_get_array(&reader->cbor, 2) != 2 && !reader->cbor.wrong)
		reader->cbor.wrong = "is missing";
	version = cbor_get_uint(&reader->cbor, UINT64_MAX);
	if (!reader->cbor.wrong && version != VERSION)
		return cs_error_set(error, -EBADMSG,
				    "manifest: its version is %" PRIu64
				    ", and this program knows %d", version, VERSION);
	reader->count = cbor_get_array(&reader->cbor, UINT64_MAX);
	if (reader->cbor.wrong)
		return cs_error_set(error, -EBADMSG, "manifest: a field %s", reader->cbor.wrong);
	if (!reader->count || (kind == CS_KIND_FILE && reader->count > 1))
		return cs_error_set(error, -EBADMSG, "manifest: it has %" PRIu64 " entries",
				    reader->count);
	return 0;
}

/* What can be wrong with a path, wherever it is created. */
static const char *path_wrong(const uint8_t *path, size_t len)
{
	unsigned int depth = 0;
	const uint8_t *slash;
	size_t name;

	if (!len)
		return "is empty";
	if (memchr(path, '\0', len))
		return "has a NUL in it";
	for (;;) {
		slash = memchr(path, '/', len);
		name = slash ? (size_t)(slash - path) : len;
		if (!name)
			return "has an empty name in it, or is absolute";
		if (path[0] == '.' && (name == 1 || (name == 2 && path[1] == '.')))
			return "leads elsewhere";
		if (name > CS_NAME_MAX)
			return "has a name in it that is too long";
		if (++depth > CS_DEPTH_MAX)
			return "has too many names";
		if (!slash)
			return NULL;
		path += name + 1;
		len -= name + 1;
	}
}

/* The first entry is the object itself, and only that has no path. */
static void check_place(struct cs_manifest_reader *reader, const struct cs_entry *entry)
{
	enum cs_entry_type own = reader->kind == CS_KIND_FILE ? CS_ENTRY_FILE : CS_ENTRY_DIRECTORY;

	if (reader->cbor.wrong)
		return;
	if (reader->next)
		reader->cbor.wrong = path_wrong(entry->path, entry->path_len);
	else if (entry->path_len || entry->type != own)
		reader->cbor.wrong = "is of something else than the object";
}

/**
 * cs_manifest_next() - read an entry
 * @reader: as opened
 * @entry: gets it; its path leads into the manifest
 * @error: gets the reason of a failure
 *
 * Return: 1, 0 if there are no more and nothing follows, -EBADMSG.
 */
int cs_manifest_next(struct cs_manifest_reader *reader, struct cs_entry *entry,
		     struct cs_error *error)
{
	struct cbor_reader *cbor = &reader->cbor;
	uint64_t fields;

	if (reader->next == reader->count)
		return cbor->left ? cs_error_set(error, -EBADMSG,
						 "manifest: %zu bytes follow it", cbor->left) : 0;
	memset(entry, 0, sizeof(*entry));
	fields = cbor_get_array(cbor, FIELDS_FILE);
	entry->type = cbor_get_uint(cbor, CS_ENTRY_DIRECTORY);
	if (!cbor->wrong && fields != (entry->type == CS_ENTRY_FILE ? FIELDS_FILE : FIELDS_DIR))
		cbor->wrong = "is missing, or is one too many";
	entry->path_len = cbor_get_bytes(cbor, &entry->path, CS_PATH_MAX);
	check_place(reader, entry);
	entry->mode = cbor_get_uint(cbor, MODE_MAX);
	entry->mtime = cbor_get_uint(cbor, CS_TIME_MAX);
	entry->nsec = cbor_get_uint(cbor, NSEC_MAX);
	if (entry->type == CS_ENTRY_FILE) {
		entry->size = cbor_get_uint(cbor, CS_SIZE_MAX);
		cbor_get_fixed(cbor, entry->sha512, sizeof(entry->sha512));
		cbor_get_fixed(cbor, entry->sha256, sizeof(entry->sha256));
	}
	if (cbor->wrong)
		return cs_error_set(error, -EBADMSG, "manifest, entry %" PRIu64 ": a field %s",
				    reader->next, cbor->wrong);
	reader->next++;
	return 1;
}

/**
 * cs_manifest_check() - read all of a manifest
 * @kind: of the object
 * @data: the manifest
 * @len: its bytes
 * @content: bytes of content before it
 * @error: gets the reason of a failure
 *
 * Return: 0, or -EBADMSG if it can't be the manifest of that.
 */
int cs_manifest_check(enum cs_kind kind, const uint8_t *data, size_t len, uint64_t content,
		      struct cs_error *error)
{
	struct cs_manifest_reader reader;
	struct cs_entry entry;
	uint64_t sum = 0;
	int rc;

	rc = cs_manifest_open(&reader, kind, data, len, error);
	if (rc)
		return rc;
	while ((rc = cs_manifest_next(&reader, &entry, error)) > 0) {
		if (entry.size > content - sum)
			return cs_error_set(error, -EBADMSG,
					    "manifest, entry %" PRIu64
					    ": its file is larger than what came", reader.next - 1);
		sum += entry.size;
	}
	if (!rc && sum != content)
		rc = cs_error_set(error, -EBADMSG,
				  "manifest: files of %" PRIu64 " bytes, but %" PRIu64 " came",
				  sum, content);
	return rc;
}
