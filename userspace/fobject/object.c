// SPDX-License-Identifier: GPL-2.0
/*
 * Objects that arrive: from the envelope to the last chunk. What is whole is for verify.c.
 *
 * A chunk that is restored is decrypted and written to its place in ID.part: content begins there
 * at the first byte, so that a file only needs to be cut where its manifest begins. Zeros become
 * holes.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "fobject/inbox.h"
#include "lib/file.h"
#include "lib/hex.h"
#include "lib/name.h"

#define LIFETIME_MAX	(31 * 86400)	/* seconds: for so long it may have to be remembered */
#define CLOCK_SET	1767225600	/* 2026-01-01, as in the kernel module */
#define HAVE_MAGIC	"CSHAVE1\n"
#define SPARSE_BYTES	4096

/**
 * struct have_head - what stands before the bits in ID.have
 * @magic: HAVE_MAGIC
 * @last: index of the last chunk, UINT64_MAX: not known
 * @total: bytes of content and manifest, if @last is known
 * @bytes: of bits
 * @check: SHA-256 of all that, with this as zeros, and the bits
 */
struct have_head {
	char		magic[8];
	uint64_t	last;
	uint64_t	total;
	uint64_t	bytes;
	uint8_t		check[32];
} __attribute__((packed));

/**
 * cs_object_name() - the name of a file of an object
 * @object: the object
 * @suffix: with its point
 * @name: gets the name
 */
void cs_object_name(const struct object *object, const char *suffix, char name[FILE_NAME_LEN])
{
	snprintf(name, FILE_NAME_LEN, "%s%s", object->hex, suffix);
}

/**
 * cs_object_is_there() - is this an object that arrives, or waits?
 * @get: what is under way
 * @object: it may be gone: it is not looked into
 */
bool cs_object_is_there(const struct cs_get *get, const struct object *object)
{
	const struct object *o;

	for (o = get->objects; o && o != object; o = o->next)
		;
	return o;
}

/**
 * cs_object_of() - whose chunk is it?
 * @get: what is under way
 * @id: of the chunk
 * @number: set to which one of the object
 * @finished: set to whether it is of an object that was finished lately
 *
 * Return: the object; NULL if it is of none that is known.
 */
struct object *cs_object_of(struct cs_get *get, const uint8_t id[CS_CHUNK_ID_LEN], uint64_t *number,
			    bool *finished)
{
	struct object *object;
	unsigned int i;

	*finished = false;
	for (object = get->objects; object; object = object->next)
		if (cs_cipher_number(object->cipher, id, number))
			return object;
	for (i = 0; i < RECENT_MAX && !*finished; i++)
		if (get->recent[i] && cs_cipher_number(get->recent[i], id, number))
			*finished = true;
	return NULL;
}

/** cs_object_bit() - is a chunk of content there? */
bool cs_object_bit(const struct object *object, uint64_t index)
{
	return object->have && index < INDEX_MAX && object->have[index / 8] & 1 << index % 8;
}

/**
 * cs_object_forget_bits() - nobody asks any more which chunks are there
 * @object: the object
 */
void cs_object_forget_bits(struct object *object)
{
	if (object->have)
		munmap(object->have, HAVE_MAX);
	object->have = NULL;
}

/**
 * cs_object_has() - is a chunk of no use any more?
 * @object: the object
 * @number: of the chunk
 *
 * Return: true also for what is no content, and for what can't be of this object.
 */
bool cs_object_has(const struct object *object, uint64_t number)
{
	if (object->ready || object->failed[0] || number < CS_CHUNK_CONTENT)
		return true;
	number -= CS_CHUNK_CONTENT;
	return number >= INDEX_MAX || cs_object_bit(object, number);
}

/* Room for all, of which only pages with bits take memory: the first chunk may be the last one. */
static int set_bit(struct object *object, uint64_t index)
{
	uint8_t *have = object->have;

	if (!have) {
		have = mmap(NULL, HAVE_MAX, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (have == MAP_FAILED)
			return -ENOMEM;
		madvise(have, HAVE_MAX, MADV_NOHUGEPAGE); /* a kernel may have none anyway */
		object->have = have;
	}
	object->have[index / 8] |= 1 << index % 8;
	object->count++;
	if (index > object->highest)
		object->highest = index;
	object->dirty = true;
	return 0;
}

static bool is_zero(const uint8_t *data, size_t len)
{
	return !len || (!data[0] && !memcmp(data, data + 1, len - 1));
}

/* Zeros become holes. */
static int write_sparse(int fd, const uint8_t *data, size_t len)
{
	bool hole = false;
	int rc = 0;
	size_t n;

	for (; len && !rc; data += n, len -= n) {
		n = len < SPARSE_BYTES ? len : SPARSE_BYTES;
		hole = is_zero(data, n);
		if (!hole)
			rc = cs_file_write(fd, data, n);
		else if (lseek(fd, n, SEEK_CUR) < 0)
			rc = -errno;
	}
	return !rc && hole && ftruncate(fd, lseek(fd, 0, SEEK_CUR)) ? -errno : rc;
}

static int have_check(const struct have_head *head, const uint8_t *bits, size_t len,
		      uint8_t check[32])
{
	struct have_head copy = *head;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int rc;

	memset(copy.check, 0, sizeof(copy.check));
	rc = ctx && EVP_DigestInit_ex2(ctx, EVP_sha256(), NULL) == 1 &&
	     EVP_DigestUpdate(ctx, &copy, sizeof(copy)) == 1 &&
	     EVP_DigestUpdate(ctx, bits, len) == 1 &&
	     EVP_DigestFinal_ex(ctx, check, NULL) == 1 ? 0 : -EIO;
	EVP_MD_CTX_free(ctx);
	return rc;
}

/**
 * cs_object_write_state() - write a file of the state directory, whole or not at all
 * @get: what is under way
 * @name: of the file
 * @head: what it begins with
 * @head_len: bytes of that
 * @data: what follows
 * @len: bytes of that
 * @sync: have it on the disk
 *
 * Return: 0 or a negative errno.
 */
int cs_object_write_state(struct cs_get *get, const char *name, const void *head, size_t head_len,
			  const void *data, size_t len, bool sync)
{
	char tmp[FILE_NAME_LEN + 8];
	int fd, rc;

	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	fd = openat(get->dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	rc = cs_file_write(fd, head, head_len);
	if (!rc)
		rc = write_sparse(fd, data, len);
	if (!rc && sync && fsync(fd))
		rc = -errno;
	if (close(fd) && !rc)
		rc = -errno;
	if (!rc && renameat(get->dir, tmp, get->dir, name))
		rc = -errno;
	if (rc)
		unlinkat(get->dir, tmp, 0);
	return rc;
}

static int write_have(struct cs_get *get, const struct object *object, bool sync)
{
	size_t bytes = object->count ? object->highest / 8 + 1 : 0;
	struct have_head head = {
		.magic = HAVE_MAGIC,
		.last = htobe64(object->last),
		.total = htobe64(object->total),
		.bytes = htobe64(bytes),
	};
	char name[FILE_NAME_LEN];
	int rc;

	rc = have_check(&head, object->have, bytes, head.check);
	cs_object_name(object, ".have", name);
	return rc ? rc : cs_object_write_state(get, name, &head, sizeof(head), object->have, bytes,
					       sync);
}

/**
 * cs_object_save() - have on the disk which chunks are there; they themselves are
 * @get: what is under way
 * @object: the object
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int cs_object_save(struct cs_get *get, struct object *object, struct cs_error *error)
{
	int rc = write_have(get, object, true);

	if (rc)
		return cs_error_set(error, rc, "%s.have: %s", object->hex, strerror(-rc));
	object->dirty = false;
	return 0;
}

/* Forgets an object, in memory. */
static void object_free(struct object *object)
{
	cs_cipher_free(object->cipher);
	EVP_MD_CTX_free(object->sha512);
	EVP_MD_CTX_free(object->sha256);
	if (object->fd >= 0)
		close(object->fd);
	cs_object_forget_bits(object);
	free(object);
}

/**
 * cs_object_remove() - forget an object, and its chunks that are not whole; files stay
 * @get: what is under way
 * @object: is freed
 */
void cs_object_remove(struct cs_get *get, struct object *object)
{
	struct object **at = &get->objects;

	cs_chunk_drop_object(get, object);
	while (*at != object)
		at = &(*at)->next;
	*at = object->next;
	get->nr_objects--;
	object_free(object);
}

/**
 * cs_object_clean_up() - remove the files of an object that is finished
 * @get: what is under way
 * @hex: its id
 */
void cs_object_clean_up(struct cs_get *get, const char *hex)
{
	/* the envelope last: without it the others are of no use */
	static const char *const suffixes[] = {
		".have", ".part", ".file", ".entry", ".directory", ".deliver", ".envelope",
	};
	char name[FILE_NAME_LEN];
	size_t i;

	for (i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		snprintf(name, sizeof(name), "%s%s", hex, suffixes[i]);
		unlinkat(get->dir, name, 0);
	}
}

/* An object of an envelope, if it is one of ours, or NULL; nothing is written. */
static struct object *make(struct cs_get *get, const struct cs_message *parsed, int *result,
			   struct cs_error *error)
{
	struct object *object = calloc(1, sizeof(*object));
	uint8_t chunk[CS_SLICE_MAX];
	uint64_t number = 0;
	int rc;

	*result = cs_error_set(error, -ENOMEM, "no memory");
	if (!object)
		return NULL;
	object->fd = -1;
	object->last = UINT64_MAX;
	memcpy(object->chunk_id, parsed->chunk_id, CS_CHUNK_ID_LEN);
	rc = cs_envelope_chunk(parsed, chunk) ?
	     cs_envelope_open(&object->envelope, get->options.key, chunk,
			      parsed->length - CS_MAC_LEN, error) : -ENOENT;
	if (!rc)
		rc = cs_cipher_new(&object->cipher, object->envelope.content);
	OPENSSL_cleanse(object->envelope.content, sizeof(object->envelope.content));
	/* an envelope that somebody puts in a chunk of his own would begin the object again */
	if (!rc && (!cs_cipher_number(object->cipher, parsed->chunk_id, &number) ||
		    number != CS_CHUNK_RECIPIENT))
		rc = cs_error_set(error, -ENOENT, "an envelope in another one's chunk");
	if (!rc) {
		object->sha512 = EVP_MD_CTX_new();
		object->sha256 = EVP_MD_CTX_new();
		if (!object->sha512 || !object->sha256 ||
		    EVP_DigestInit_ex2(object->sha512, EVP_sha512(), NULL) != 1 ||
		    EVP_DigestInit_ex2(object->sha256, EVP_sha256(), NULL) != 1)
			rc = cs_error_set(error, -EIO, "OpenSSL has no SHA-512 or SHA-256");
	}
	*result = rc;
	if (rc) {
		object_free(object);
		return NULL;
	}
	cs_hex(object->hex, cs_cipher_object(object->cipher), CS_OBJECT_ID_LEN);
	return object;
}

static unsigned int count_active(const struct cs_get *get)
{
	const struct object *object;
	unsigned int count = 0;

	for (object = get->objects; object; object = object->next)
		count += !object->ready;
	return count;
}

static bool is_under_way(const struct cs_get *get, const struct object *object)
{
	const struct chunk *chunk;

	TAILQ_FOREACH(chunk, &get->known, owned)
		if (chunk->object == object)
			return true;
	return false;
}

/*
 * Gives up an object that has no chunk yet: who sends nothing but envelopes is not to keep others
 * out. The oldest one of which not even slices are there, or just the oldest one. It may begin
 * again.
 */
static bool give_way(struct cs_get *get)
{
	struct object *object, *oldest = NULL;
	bool idle = false;

	for (object = get->objects; object; object = object->next) {
		if (object->ready || object->count)
			continue;
		if (!is_under_way(get, object))
			idle = true;
		else if (idle)
			continue;
		oldest = object;
	}
	if (!oldest)
		return false;
	cs_inbox_note(get, "object %s was given up for others: nothing of it is here yet",
		      oldest->hex);
	cs_object_clean_up(get, oldest->hex);
	cs_object_remove(get, oldest);
	return true;
}

/* May it be received? */
static int check_new(struct cs_get *get, const struct object *object,
		     const struct cs_message *parsed, struct cs_error *error)
{
	if (object->envelope.expiry < get->now)
		return cs_error_set(error, -ETIME, "an object that expired");
	/* not what its sender sent: who changed it must not have the object refused */
	if (object->envelope.expiry != parsed->expiry)
		return cs_error_set(error, -ENOENT, "an envelope with another end");
	/* a clock that was never set stands before the year in which this was written */
	if (get->now >= CLOCK_SET && object->envelope.expiry > get->now + LIFETIME_MAX)
		return cs_error_set(error, -EBADMSG,
				    "an object that is to live for longer than %d days",
				    LIFETIME_MAX / 86400);
	if (object->envelope.kind == CS_KIND_VIA && !get->options.forward)
		return cs_error_set(error, -EBADMSG,
				    "an object that is to be sent on, which is not done here");
	if (get->nr_objects >= OBJECTS_MAX || get->nr_done + get->nr_objects >= DONE_MAX ||
	    (count_active(get) >= ACTIVE_MAX && !give_way(get)))
		return cs_error_set(error, -ENOSPC, "there are too many objects");
	return 0;
}

static void insert(struct cs_get *get, struct object *object)
{
	object->next = get->objects;
	get->objects = object;
	get->nr_objects++;
}

/**
 * cs_object_open() - begin an object with a message that may have its envelope
 * @get: what is under way
 * @message: header and payload
 * @len: their bytes
 * @parsed: the same, taken apart; k is 1
 * @object: set to it
 * @error: gets the reason of a failure
 *
 * Return: 0; -ENOENT: it is no envelope of ours; -EBADMSG, -ETIME, -ENOSPC: it is, and the object
 * is refused; another negative errno.
 */
int cs_object_open(struct cs_get *get, const uint8_t *message, size_t len,
		   const struct cs_message *parsed, struct object **object, struct cs_error *error)
{
	struct cs_error why = { "" };
	char name[FILE_NAME_LEN];
	struct object *new;
	int rc;

	new = make(get, parsed, &rc, &why);
	if (rc == -ENOENT)
		return rc;
	if (new)
		rc = check_new(get, new, parsed, &why);
	if (!new || rc) {
		if (rc != -ETIME && rc != -ENOENT)
			cs_inbox_note(get, "%s was refused", why.text);
		/* each further copy of the envelope would cost as much as this one */
		if (new && rc == -EBADMSG)
			cs_done_add(get, new->chunk_id, new->cipher, get->now + LIFETIME_MAX, NULL);
		goto out;
	}
	/* in this order: an envelope alone would be that of a finished object */
	rc = write_have(get, new, false);
	cs_object_name(new, ".envelope", name);
	if (!rc)
		rc = cs_object_write_state(get, name, message, len, NULL, 0, false);
	if (rc) {
		cs_object_clean_up(get, new->hex);
		cs_error_set(&why, rc, "%s: %s", name, strerror(-rc));
		goto out;
	}
	insert(get, new);
	get->changed = true;
	*object = new;
	return 0;
out:
	if (new)
		object_free(new);
	return cs_error_set(error, rc, "%s", why.text);
}

/* The bits; an object that has none, or damaged ones, begins anew. */
static void load_have(struct cs_get *get, struct object *object)
{
	struct have_head head;
	char name[FILE_NAME_LEN];
	uint8_t *bits = NULL, check[32];
	uint64_t bytes = 0, i;
	ssize_t n;
	int fd;

	cs_object_name(object, ".have", name);
	fd = openat(get->dir, name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, &head, sizeof(head));
	if (n == (ssize_t)sizeof(head))
		bytes = be64toh(head.bytes);
	if (bytes && bytes <= HAVE_MAX)
		bits = calloc(1, bytes);
	if (bits && read(fd, bits, bytes) == (ssize_t)bytes &&
	    !have_check(&head, bits, bytes, check) &&
	    !memcmp(check, head.check, sizeof(check)) && !memcmp(head.magic, HAVE_MAGIC, 8)) {
		object->last = be64toh(head.last);
		object->total = be64toh(head.total);
		for (i = 0; i < bytes * 8; i++)
			if (bits[i / 8] & 1 << i % 8 && set_bit(object, i))
				break;
		object->dirty = false;
	}
	free(bits);
	if (fd >= 0)
		close(fd);
}

static int open_content(struct cs_get *get, struct object *object, const char *suffix, int flags)
{
	char name[FILE_NAME_LEN];

	cs_object_name(object, suffix, name);
	object->fd = openat(get->dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	return object->fd < 0 ? -errno : 0;
}

/**
 * cs_object_whole() - open the file of an object that is whole
 * @get: what is under way
 * @object: is ready
 *
 * Objects may wait for long, and there may be many of them: their files are not kept open.
 *
 * Return: a descriptor, or a negative errno.
 */
int cs_object_whole(struct cs_get *get, struct object *object)
{
	int rc;

	rc = open_content(get, object, object->envelope.kind == CS_KIND_FILE ? ".file" :
			  ".directory", 0);
	if (rc)
		return rc;
	rc = object->fd;
	object->fd = -1;
	return rc;
}

/* How far is it? See inbox.h. Returns whether it still has to be delivered. */
static bool load_content(struct cs_get *get, struct object *object)
{
	bool file = !open_content(get, object, ".file", 0);
	char name[FILE_NAME_LEN];
	struct stat st;

	cs_object_name(object, ".have", name);
	if (file || !open_content(get, object, ".directory", 0)) {
		/* a link, where there is no better way to move it */
		if (file && !fstat(object->fd, &st) && st.st_nlink > 1)
			return false;
		if (file && cs_verify_cut(get, object))
			cs_inbox_note(get, "%s.file: %s", object->hex, strerror(errno));
		close(object->fd);
		object->fd = -1;
		object->ready = true;
		unlinkat(get->dir, name, 0);
		return !cs_deliver_was_done(get, object);
	}
	if (faccessat(get->dir, name, F_OK, 0))
		return false;
	if (object->envelope.kind == CS_KIND_VIA || !open_content(get, object, ".part", 0))
		load_have(get, object);
	if (object->fd >= 0 && !fstat(object->fd, &st))
		object->size = st.st_size;
	return true;
}

/**
 * cs_object_load() - take up an object that an earlier run began
 * @get: what is under way
 * @name: of its envelope's file
 */
void cs_object_load(struct cs_get *get, const char *name)
{
	uint8_t message[sizeof(struct cs_msg_hdr) + CS_SLICE_MAX];
	int fd = openat(get->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct cs_error error = { "" };
	struct cs_message parsed;
	struct object *object = NULL;
	ssize_t len;
	int rc;

	len = fd < 0 ? -1 : read(fd, message, sizeof(message));
	if (fd >= 0)
		close(fd);
	if (len > 0 && !cs_message_parse(message, len, &parsed) && parsed.length > CS_MAC_LEN &&
	    parsed.k == 1 && parsed.n <= CS_SLICES_MAX && parsed.index < parsed.n)
		object = make(get, &parsed, &rc, &error);
	if (!object || strncmp(name, object->hex, ID_DIGITS)) {
		/* what was not written to its end was not said to be here */
		cs_inbox_note(get, "%s is no envelope of this key and was removed", name);
		unlinkat(get->dir, name, 0);
		if (object)
			object_free(object);
		return;
	}
	if (cs_done_has(get, object->chunk_id)) {
		cs_object_clean_up(get, object->hex);
		object_free(object);
		return;
	}
	insert(get, object);
	if (load_content(get, object))
		return;
	/* it was moved to where it belongs, but that was not written down */
	if (cs_done_add(get, object->chunk_id, object->cipher, object->envelope.expiry, &error)) {
		cs_inbox_note(get, "%s", error.text);
		return;
	}
	cs_object_clean_up(get, object->hex);
	cs_object_remove(get, object);
}

/* Content to its place; zeros stay a hole. */
static int write_content(struct cs_get *get, struct object *object, const uint8_t *data, size_t len,
			 uint64_t offset)
{
	uint64_t end = offset + len;
	ssize_t n;
	int rc;

	if (object->fd < 0) {
		rc = open_content(get, object, ".part", O_CREAT);
		if (rc)
			return rc;
	}
	if (is_zero(data, len)) {
		/* what comes in order is hashed from here before what follows it is written */
		if (end > object->size && ftruncate(object->fd, end))
			return -errno;
		len = 0;
	}
	while (len) {
		n = pwrite(object->fd, data, len, offset);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			len -= n;
			offset += n;
		}
	}
	if (end > object->size)
		object->size = end;
	return 0;
}

/* Length of the message that is next in a chunk to be forwarded, 0 if there is none. */
static size_t next_message(const uint8_t *data, size_t len, struct cs_message *parsed)
{
	size_t size;

	if (len < sizeof(struct cs_msg_hdr))
		return 0;
	size = be16toh(((const struct cs_msg_hdr *)data)->length) + sizeof(struct cs_msg_hdr);
	return size <= len && !cs_message_parse(data, size, parsed) &&
	       cs_message_digest_ok(data, size) ? size : 0;
}

/* The messages in a chunk of an object that goes by way of us: all of them, or none. */
static int forward(struct cs_get *get, struct object *object, const uint8_t *data, size_t len)
{
	struct cs_message parsed;
	size_t at, size;

	for (at = 0; at < len; at += size) {
		size = next_message(data + at, len - at, &parsed);
		if (!size) {
			cs_object_fail(object, "what it holds are no messages to be sent on");
			return -EBADMSG;
		}
	}
	for (at = 0; at < len && !object->stuck; at += size) {
		size = next_message(data + at, len - at, &parsed);
		object->stuck = parsed.expiry >= get->now &&
				get->options.forward(data + at, size, get->options.arg);
	}
	/* with the last chunk the object is finished, and nothing of it comes again */
	if (!object->stuck && get->options.forwarded)
		object->stuck = get->options.forwarded(get->options.arg);
	return object->stuck ? -EAGAIN : 0;
}

/* Decrypts to ->plain; only the last chunk may be shorter, but for those that are forwarded. */
static int decrypt(struct cs_get *get, struct object *object, uint64_t number, size_t len,
		   bool *last)
{
	size_t plain = len - CS_MAC_LEN, full = object->envelope.segment;
	int rc = -EBADMSG;

	*last = false;
	if (plain > full)
		return rc;
	if (plain == full || object->envelope.kind == CS_KIND_VIA)
		rc = cs_cipher_open(object->cipher, number, false, get->sealed, len, get->plain);
	if (!rc)
		return 0;
	*last = true;
	return cs_cipher_open(object->cipher, number, true, get->sealed, len, get->plain);
}

/**
 * cs_object_put() - a chunk of an object is restored
 * @get: what is under way; the chunk is in ->sealed
 * @object: the object
 * @number: of the chunk
 * @len: its bytes
 * @error: gets the reason of a failure
 *
 * Return: 0; -EBADMSG: it makes no sense; -EAGAIN: it can't be sent on now, and the object is
 * stuck; another negative errno: it may succeed later.
 */
int cs_object_put(struct cs_get *get, struct object *object, uint64_t number, size_t len,
		  struct cs_error *error)
{
	uint64_t index = number - CS_CHUNK_CONTENT, offset;
	bool last;
	int rc;

	/* a sender may have coded it in two ways, of which another one came first */
	if (cs_object_has(object, number))
		return 0;
	/* slices have MACs of the object, but the provider could make those */
	if (decrypt(get, object, number, len, &last))
		return cs_error_set(error, -EBADMSG, "%s: a chunk was forged", object->hex);
	len -= CS_MAC_LEN;
	offset = index * object->envelope.segment;
	if (last ? object->last != UINT64_MAX || (object->count && object->highest > index) :
	    object->last != UINT64_MAX && index > object->last) {
		cs_object_fail(object, "its sender made two ends of it");
		return cs_error_set(error, -EBADMSG, "%s: %s", object->hex, object->failed);
	}
	if (object->envelope.kind == CS_KIND_VIA)
		rc = forward(get, object, get->plain, len);
	else
		rc = write_content(get, object, get->plain, len, offset);
	get->changed = true;
	if (!rc)
		rc = set_bit(object, index);
	if (rc)
		return cs_error_set(error, rc, "%s: %s", object->hex, strerror(-rc));
	if (last) {
		object->last = index;
		object->total = offset + len;
	}
	rc = cs_verify_more(get, object, offset, len);
	if (rc)
		cs_object_fail(object, "it can't be read: %s", strerror(-rc));
	return 0;
}

/**
 * cs_object_fail() - an object will never be whole; cs_object_finish() does what follows from that
 * @object: the object
 * @format: why, as for printf
 */
void cs_object_fail(struct object *object, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(object->failed, sizeof(object->failed), format, args);
	va_end(args);
}

/**
 * cs_object_describe() - what a person wants to know of an object
 * @object: the object
 * @to: gets it
 */
void cs_object_describe(const struct object *object, struct cs_get_object *to)
{
	uint64_t received = object->count * object->envelope.segment;

	memset(to, 0, sizeof(*to));
	memcpy(to->id, cs_cipher_object(object->cipher), CS_OBJECT_ID_LEN);
	to->kind = object->envelope.kind;
	cs_name_clean(to->name, object->envelope.name, object->envelope.name_len, false);
	to->size = object->envelope.size;
	to->received = received < to->size || to->size == CS_SIZE_UNKNOWN ? received : to->size;
	to->ready = object->ready;
	to->created = object->envelope.created;
	to->expiry = object->envelope.expiry;
	if (object->ready && to->size != CS_SIZE_UNKNOWN)
		to->received = to->size;
}

/**
 * cs_object_put_away() - remember that an object is finished, and forget all else of it
 * @get: what is under way
 * @object: is freed, unless there is a failure
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int cs_object_put_away(struct cs_get *get, struct object *object, struct cs_error *error)
{
	int rc = cs_done_add(get, object->chunk_id, object->cipher, object->envelope.expiry,
			     error);

	if (rc)
		return rc;
	cs_object_clean_up(get, object->hex);
	cs_object_remove(get, object);
	return 0;
}
