// SPDX-License-Identifier: GPL-2.0
/*
 * Objects of which all is there: verified, and then what they are to be.
 *
 * SHA-512 and SHA-256 of a file are computed as its chunks come, from memory as long as they come
 * in order, and from the disk where they did not. A file is verified when both are what its
 * manifest says, a directory when those of all its files are.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fobject/inbox.h"
#include "fobject/manifest.h"

#define HELD_BACK	256		/* at the end of what came, this may be manifest */
#define HASH_AT_ONCE	(4 << 20)	/* bytes from the disk while others wait */
#define ENTRY_LEN	32		/* bytes of ID.entry */

static int hash(struct object *object, const uint8_t *data, size_t len)
{
	object->hashed += len;
	return EVP_DigestUpdate(object->sha512, data, len) == 1 &&
	       EVP_DigestUpdate(object->sha256, data, len) == 1 ? 0 : -EIO;
}

/* From the beginning. */
static int hash_reset(struct object *object)
{
	object->hashed = 0;
	object->frontier = 0;
	return EVP_DigestInit_ex2(object->sha512, EVP_sha512(), NULL) == 1 &&
	       EVP_DigestInit_ex2(object->sha256, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

/* Hashes what comes next, from the disk, at most @len bytes; ->sealed is not in use. */
static ssize_t hash_from_disk(struct cs_get *get, struct object *object, uint64_t len)
{
	ssize_t n = pread(object->fd, get->sealed, len < get->room ? len : get->room,
			  object->hashed);

	if (n <= 0)
		return n ? -errno : -EIO;
	return hash(object, get->sealed, n) ? -EIO : n;
}

/*
 * Hashes up to @end, at most @most bytes of it from the disk; what is in @data, which begins at
 * @offset, is taken from there.
 */
static int hash_up_to(struct cs_get *get, struct object *object, uint64_t end, uint64_t most,
		      const uint8_t *data, uint64_t offset, size_t len)
{
	uint64_t n, skip;
	ssize_t got;
	int rc;

	while (object->hashed < end) {
		n = end - object->hashed;
		if (len && object->hashed >= offset && object->hashed - offset < len) {
			skip = object->hashed - offset;
			rc = hash(object, data + skip, n < len - skip ? n : len - skip);
			if (rc)
				return rc;
			continue;
		}
		if (len && object->hashed < offset && n > offset - object->hashed)
			n = offset - object->hashed;
		if (!most)
			break;
		got = hash_from_disk(get, object, n < most ? n : most);
		if (got < 0)
			return got;
		most -= got;
	}
	return 0;
}

/**
 * cs_verify_more() - a chunk has come: what is there of a file without a hole is hashed
 * @get: what is under way; the content of the chunk is in ->plain
 * @object: the object
 * @offset: of the chunk in the content
 * @len: its bytes
 *
 * Return: 0 or a negative errno.
 */
int cs_verify_more(struct cs_get *get, struct object *object, uint64_t offset, size_t len)
{
	uint64_t end;

	if (object->envelope.kind != CS_KIND_FILE)
		return 0;
	while (cs_object_bit(object, object->frontier))
		object->frontier++;
	end = object->frontier * object->envelope.segment;
	if (object->last != UINT64_MAX && object->frontier > object->last)
		end = object->total;
	if (end < HELD_BACK)
		return 0;
	return hash_up_to(get, object, end - HELD_BACK, HASH_AT_ONCE, get->plain, offset, len);
}

/**
 * cs_object_manifest() - the manifest of an object, out of the end of its content
 * @fd: of the content, all of which is there
 * @total: bytes of it
 * @manifest: set to it; to be freed, also after a failure
 * @len: set to its bytes
 *
 * Return: 0, -EBADMSG if there is none, another negative errno.
 */
int cs_object_manifest(int fd, uint64_t total, uint8_t **manifest, size_t *len)
{
	uint8_t tail[CS_MANIFEST_TAIL];

	*manifest = NULL;
	if (total < sizeof(tail))
		return -EBADMSG;
	total -= sizeof(tail);
	if (pread(fd, tail, sizeof(tail), total) != sizeof(tail))
		return -EIO;
	*len = (size_t)tail[0] << 24 | tail[1] << 16 | tail[2] << 8 | tail[3];
	if (*len > CS_MANIFEST_MAX || *len > total)
		return -EBADMSG;
	*manifest = malloc(*len + 1);
	if (!*manifest)
		return -ENOMEM;
	return pread(fd, *manifest, *len, total - *len) == (ssize_t)*len ? 0 : -EIO;
}

/* Hashes a file that begins at ->hashed, or did so, and compares. */
static int verify_entry(struct cs_get *get, struct object *object, const struct cs_entry *entry,
			uint64_t end)
{
	uint8_t sha512[CS_SHA512_LEN], sha256[CS_SHA256_LEN];
	int rc;

	if (object->hashed > end)
		return -EBADMSG;
	rc = hash_up_to(get, object, end, UINT64_MAX, NULL, 0, 0);
	if (rc)
		return rc;
	if (EVP_DigestFinal_ex(object->sha512, sha512, NULL) != 1 ||
	    EVP_DigestFinal_ex(object->sha256, sha256, NULL) != 1 || hash_reset(object))
		return -EIO;
	object->hashed = end;
	return memcmp(sha512, entry->sha512, sizeof(sha512)) ||
	       memcmp(sha256, entry->sha256, sizeof(sha256)) ? -EBADMSG : 0;
}

/* All files of an object, in the order of their content. */
static int verify(struct cs_get *get, struct object *object, const uint8_t *manifest, size_t len,
		  struct cs_entry *first, struct cs_error *error)
{
	uint64_t content = object->total - CS_MANIFEST_TAIL - len, end = 0;
	struct cs_manifest_reader reader;
	struct cs_entry entry;
	int rc;

	rc = cs_manifest_check(object->envelope.kind, manifest, len, content, error);
	if (rc)
		return rc;
	cs_manifest_open(&reader, object->envelope.kind, manifest, len, NULL);
	while (!rc && cs_manifest_next(&reader, &entry, NULL) > 0) {
		if (reader.next == 1)
			*first = entry;
		if (entry.type != CS_ENTRY_FILE)
			continue;
		end += entry.size;
		rc = verify_entry(get, object, &entry, end);
		if (rc)
			cs_error_set(error, rc, "file %" PRIu64 " of it %s", reader.next - 1,
				     rc == -EBADMSG ? "is not what its digests say" :
				     strerror(-rc));
	}
	/* if this has to be done again, it is from the beginning, and from the disk */
	hash_reset(object);
	return rc;
}

/**
 * cs_verify_cut() - cut a file where its content ends, and give it its permissions and time
 * @get: what is under way
 * @object: a file that is verified
 *
 * May be done again.
 *
 * Return: 0 or a negative errno.
 */
int cs_verify_cut(struct cs_get *get, const struct object *object)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	uint64_t entry[ENTRY_LEN / 8];
	char name[FILE_NAME_LEN];
	ssize_t n;
	int fd;

	cs_object_name(object, ".entry", name);
	fd = openat(get->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	n = read(fd, entry, sizeof(entry));
	close(fd);
	if (n != (ssize_t)sizeof(entry))
		return -EIO;
	times[1].tv_sec = be64toh(entry[2]);
	times[1].tv_nsec = be64toh(entry[3]);
	return ftruncate(object->fd, be64toh(entry[0])) ||
	       fchmod(object->fd, (be64toh(entry[1]) & 0777 & ~get->mask) | 0600) ||
	       futimens(object->fd, times) || fsync(object->fd) ? -errno : 0;
}

/*
 * A file becomes what it is to be; of a directory, the content stays together until delivery. The
 * manifest is cut off only when nobody will look for it again.
 */
static int settle(struct cs_get *get, struct object *object, const struct cs_entry *entry)
{
	const uint64_t saved[ENTRY_LEN / 8] = {
		htobe64(entry->size), htobe64(entry->mode), htobe64(entry->mtime),
		htobe64(entry->nsec),
	};
	bool file = object->envelope.kind == CS_KIND_FILE;
	char from[FILE_NAME_LEN], to[FILE_NAME_LEN];
	int rc = 0;

	cs_object_name(object, ".entry", to);
	if (file)
		rc = cs_object_write_state(get, to, saved, sizeof(saved), NULL, 0, true);
	if (!rc && (fsync(object->fd) || fsync(get->dir)))
		rc = -errno;
	cs_object_name(object, ".part", from);
	cs_object_name(object, file ? ".file" : ".directory", to);
	if (!rc && (renameat(get->dir, from, get->dir, to) || fsync(get->dir)))
		rc = -errno;
	object->settled = !rc;
	return rc;
}

/* All that is in it is what it is to be. */
static int check(struct cs_get *get, struct object *object, struct cs_error *error)
{
	struct cs_entry entry = { 0 };
	uint8_t *manifest = NULL;
	size_t len = 0;
	int rc;

	rc = cs_inbox_room(get, 1) ? 0 : -ENOMEM;
	if (!rc)
		rc = cs_object_manifest(object->fd, object->total, &manifest, &len);
	if (!rc)
		rc = verify(get, object, manifest, len, &entry, error);
	if (!rc)
		rc = settle(get, object, &entry);
	free(manifest);
	return rc;
}

/* All chunks of an object are there. */
static int complete(struct cs_get *get, struct object *object, struct cs_error *error)
{
	struct cs_error reason = { "it has no manifest" };
	struct cs_get_object description;
	char name[FILE_NAME_LEN];
	int rc = 0;

	if (!object->settled)
		rc = check(get, object, &reason);
	if (!rc && object->envelope.kind == CS_KIND_FILE)
		rc = cs_verify_cut(get, object);
	if (rc == -EBADMSG) {
		cs_object_fail(object, "%s", reason.text);
		return 0;
	}
	if (rc)
		return cs_error_set(error, rc, "%s: %s", object->hex, strerror(-rc));
	cs_object_name(object, ".have", name);
	unlinkat(get->dir, name, 0);
	close(object->fd);
	object->fd = -1;
	cs_object_forget_bits(object);
	object->ready = true;
	object->dirty = false;
	cs_object_describe(object, &description);
	if (get->options.ready)
		get->options.ready(&description, get->options.arg);
	return 0;
}

/**
 * cs_object_finish() - take the steps that an object is ready for, up to its end
 * @get: what is under way
 * @object: may be gone afterwards
 * @error: gets the reason of a failure
 *
 * Return: 0, or a negative errno: it is to be tried again. That a delivery by itself fails is only
 * noted: cs_get_deliver() can name another place.
 */
int cs_object_finish(struct cs_get *get, struct object *object, struct cs_error *error)
{
	struct cs_error why = { "" };
	int rc = 0;

	if (!object->failed[0] && !object->ready && object->last != UINT64_MAX &&
	    object->count == object->last + 1) {
		if (object->envelope.kind == CS_KIND_VIA)
			return cs_object_put_away(get, object, error);
		rc = complete(get, object, error);
		if (!rc && object->ready && get->options.out &&
		    cs_deliver_object(get, object, get->options.out, false, &why))
			cs_inbox_note(get, "%s", why.text);
		if (rc || !cs_object_is_there(get, object))
			return rc;
	}
	if (!object->failed[0])
		return 0;
	cs_inbox_note(get, "object %s was given up: %s", object->hex, object->failed);
	return cs_object_put_away(get, object, error);
}
