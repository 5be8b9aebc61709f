// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: manifests. What is taken adds up, has only paths that lead nowhere else, and encodes
 * to the same bytes; what is not has a reason. A first byte with its highest bit set asks for
 * changes to a good one. Names that come out of it are made harmless.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fobject/manifest.h"
#include "lib/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		__builtin_trap();
}

static void check_name(const uint8_t *name, size_t len, bool hidden)
{
	char clean[CS_FILE_NAME_MAX + 1], numbered[CS_FILE_NAME_MAX + 1];
	uint32_t character;
	size_t i, n;

	cs_name_clean(clean, name, len, hidden);
	n = strlen(clean);
	check(n && n <= CS_FILE_NAME_MAX && !strchr(clean, '/') && *clean != '-');
	check(strcmp(clean, ".") && strcmp(clean, "..") && (hidden || *clean != '.'));
	for (i = 0; i < n; i += len) {
		len = cs_utf8((const uint8_t *)clean + i, n - i, &character);
		check(len && character >= 0x20 && (character < 0x7f || character >= 0xa0));
	}
	cs_name_number(numbered, clean, 9999);
	check(strlen(numbered) <= CS_FILE_NAME_MAX && strstr(numbered, " (9999)"));
}

static void check_path(const struct cs_entry *entry)
{
	const uint8_t *p = entry->path, *end = p + entry->path_len, *slash;
	size_t len;

	for (; p < end; p += len + 1) {
		slash = memchr(p, '/', end - p);
		len = (slash ? slash : end) - p;
		check(len && len <= CS_NAME_MAX);
		check(len > 2 || memcmp(p, "..", len));
		check(!memchr(p, '\0', len));
		check_name(p, len, true);
		check_name(p, len, false);
	}
}

static void decode(enum cs_kind kind, const uint8_t *data, size_t len, uint64_t content)
{
	struct cs_manifest again = { 0 };
	uint8_t head[CS_MANIFEST_HEAD_MAX];
	struct cs_manifest_reader reader;
	struct cs_error error = { "" };
	struct cs_entry entry;
	uint64_t sum = 0;
	size_t n;

	if (cs_manifest_check(kind, data, len, content, &error)) {
		check(error.text[0]);
		return;
	}
	check(!cs_manifest_open(&reader, kind, data, len, NULL));
	while (cs_manifest_next(&reader, &entry, NULL) > 0) {
		sum += entry.size;
		check_path(&entry);
		check(entry.mode <= 0777 && entry.nsec < 1000000000);
		check(!cs_manifest_add(&again, &entry));
	}
	check(sum == content);
	n = cs_manifest_head(&again, head);
	check(n + again.len == len && !memcmp(data, head, n) &&
	      !memcmp(data + n, again.data, again.len));
	cs_manifest_free(&again);
}

static size_t good(uint8_t *data)
{
	static const char *const paths[] = { "", "a", "a/b.txt", "\303\244" };
	struct cs_manifest manifest = { 0 };
	struct cs_entry entry = { .mode = 0755, .mtime = 1800000000, .nsec = 5 };
	size_t i, n;

	for (i = 0; i < 4; i++) {
		entry.type = i < 2 ? CS_ENTRY_DIRECTORY : CS_ENTRY_FILE;
		entry.path = (const uint8_t *)paths[i];
		entry.path_len = strlen(paths[i]);
		entry.size = i < 2 ? 0 : 50;
		check(!cs_manifest_add(&manifest, &entry));
	}
	n = cs_manifest_head(&manifest, data);
	memcpy(data + n, manifest.data, manifest.len);
	n += manifest.len;
	cs_manifest_free(&manifest);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t changed[1024], *copy;
	size_t len, at;

	check_name(data, size, size & 1);
	if (!size || !(data[0] & 0x80)) {
		decode(size && data[0] & 1 ? CS_KIND_FILE : CS_KIND_DIRECTORY, data + !!size,
		       size - !!size, 0);
		return 0;
	}
	len = good(changed);
	for (data++, size--; size >= 3; data += 3, size -= 3) {
		at = (data[0] << 8 | data[1]) % len;
		changed[at] = data[2];
	}
	len -= size ? data[0] % len : 0;
	/* as long as it is, so that what is read beyond shows */
	copy = malloc(len + 1);
	check(copy);
	memcpy(copy, changed, len);
	decode(CS_KIND_DIRECTORY, copy, len, 100);
	free(copy);
	return 0;
}
