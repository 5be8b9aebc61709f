/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What arrives: shared by get.c, chunk.c, object.c, verify.c, deliver.c and done.c.
 *
 * Files of the state directory, ID being the id of an object and CHUNK that of a chunk, in
 * hexadecimal digits:
 *
 *	lock				held by the process that uses the directory
 *	done				objects that are finished, see done.c
 *	CHUNK-LENGTH-K-N.spool		messages of a chunk that is not whole, one after the other
 *	ID.envelope			the message with the recipient's envelope
 *	ID.have				which chunks are in ID.part
 *	ID.part				content
 *	ID.entry			of a file that is verified: size, permissions, time
 *	ID.file				that file, which ID.entry says where to cut, or
 *	ID.directory			content and manifest of a directory, verified
 *	ID.deliver			where a copy of it is about to appear
 *	*.tmp				being written
 *
 * Which of them are there says how far an object is:
 *
 *	.envelope .have [.part]		it is on its way
 *	.envelope .file|.directory	it waits to be delivered
 *	.envelope			it was moved to where it belongs
 *
 * and if it is in done, all others go. Envelopes stay sealed on the disk.
 */
#ifndef CS_FOBJECT_INBOX_H
#define CS_FOBJECT_INBOX_H

#include <sys/queue.h>
#include <sys/types.h>

#include <openssl/evp.h>

#include <crowdshare/get.h>

#include "fobject/cipher.h"
#include "fobject/envelope.h"
#include "fobject/erasure.h"

#define ACTIVE_MAX	256	/* objects that arrive at once: each has a file open */
#define OBJECTS_MAX	4096	/* those, and others that wait to be delivered */
#define CHUNKS_MAX	131072
#define DONE_MAX	65536	/* finished and others: no more are begun */
#define RECENT_MAX	32
#define UNLINKS_MAX	1024
#define INDEX_MAX	(1 << 24)	/* chunks of content of an object: 4 TB with usual frames */
#define HAVE_MAX	(INDEX_MAX / 8)	/* bytes that say which are there */
#define ID_DIGITS	(2 * CS_OBJECT_ID_LEN)
#define FILE_NAME_LEN	96		/* of a file in the state directory */

/**
 * struct slice - a message of a chunk, in memory
 * @next: another one of the same chunk
 * @index: which slice it says it is
 * @spooled: it is in the spool file, too
 * @len: bytes of @message
 * @message: header and payload
 */
struct slice {
	struct slice	*next;
	uint16_t	index;
	bool		spooled;
	uint32_t	len;
	uint8_t		message[];
};

/**
 * struct chunk_key - what makes messages ones of the same chunk
 *
 * All of it, not the id alone: a forger who writes another k can't get into the way.
 */
struct chunk_key {
	uint8_t		id[CS_CHUNK_ID_LEN];
	uint32_t	length;
	uint16_t	k;
	uint16_t	n;
};

/**
 * struct chunk - a chunk that is not whole
 * @key: must be first, for the tree
 * @owned: among those of known objects, or those of strangers, the oldest first
 * @resident: among those with slices in memory, if @memory
 * @object: whose it is, NULL: not known
 * @number: which one of @object
 * @expiry: the latest of its messages'
 * @slices: in memory
 * @nr_resident: their number
 * @unsaved: how many of them are not spooled
 * @memory: bytes of them
 * @spooled: bytes in its spool file
 * @have: of a known object: slices that are there, in memory or spooled; of a stranger: messages
 * @ids: of a stranger: where their digests begin, in memory or not, so that none counts twice
 * @counts: how many of them for each index
 */
struct chunk {
	struct chunk_key	key;
	TAILQ_ENTRY(chunk)	owned;
	TAILQ_ENTRY(chunk)	resident;
	struct object		*object;
	uint64_t		number;
	uint64_t		expiry;
	struct slice		*slices;
	unsigned int		nr_resident;
	unsigned int		unsaved;
	size_t			memory;
	uint64_t		spooled;
	unsigned int		have;
	uint8_t			(*ids)[CS_SEEN_KEY_LEN];
	uint8_t			counts[];
};

TAILQ_HEAD(chunk_list, chunk);

/**
 * struct object - an object that arrives, or waits
 * @next: another one
 * @hex: its id
 * @cipher: its keys
 * @envelope: without the secret
 * @chunk_id: of the envelope: under that it is remembered when it is finished
 * @have: a bit for each chunk of content that is there, NULL: none is
 * @count: bits that are set
 * @highest: index of the highest one
 * @last: index of the last chunk, UINT64_MAX: not known
 * @total: bytes of content and manifest, if @last is known
 * @size: bytes of the part
 * @fd: of the part; -1: none yet, or it is whole
 * @failed: why it will never be whole; empty: it may
 * @stuck: what it holds could not be sent on; cs_get_sync() tries it again
 * @dirty: @have is not on the disk as it is here
 * @settled: it is whole and verified, and has the name that says so
 * @ready: and is as it will appear
 * @sha512: of the content up to @hashed, if it is a file
 * @sha256: the same
 * @hashed: bytes
 * @frontier: chunks of content from the first one on that are there without a hole, or fewer
 */
struct object {
	struct object		*next;
	char			hex[ID_DIGITS + 1];
	struct cs_cipher	*cipher;
	struct cs_envelope	envelope;
	uint8_t			chunk_id[CS_CHUNK_ID_LEN];
	uint8_t			*have;
	uint64_t		count;
	uint64_t		highest;
	uint64_t		last;
	uint64_t		total;
	uint64_t		size;
	int			fd;
	char			failed[256];
	bool			stuck;
	bool			dirty;
	bool			settled;
	bool			ready;
	EVP_MD_CTX		*sha512;
	EVP_MD_CTX		*sha256;
	uint64_t		hashed;
	uint64_t		frontier;
};

/**
 * struct cs_get - all that is under way
 * @options: as given, defaults filled in
 * @dir: the state directory
 * @lock: held
 * @mask: the process' umask
 * @now: Unix seconds, as the caller said last
 * @objects: the newest one first
 * @nr_objects: their number
 * @recent: keys of objects that were finished lately, whose last messages still come
 * @next_recent: where in @recent the next one goes
 * @tree: of all chunks, by their keys
 * @nr_chunks: their number
 * @known: chunks of objects
 * @strangers: chunks of which nobody knows whose they are
 * @strange_bytes: of messages of those
 * @resident: chunks with slices in memory, that which has been still for longest first
 * @memory: bytes of slices in memory
 * @latest: the chunk that a message came for last
 * @sealed: room for a chunk
 * @plain: room for a chunk
 * @room: bytes of either
 * @done: see done.c
 * @done_tree: the same, by the ids of their envelopes
 * @done_fd: its file
 * @nr_done: entries
 * @changed: not all is on the disk
 * @unlinks: spool files that go when what was in them is on the disk, names one after the other
 * @nr_unlinks: their number
 */
struct cs_get {
	struct cs_get_options	options;
	int			dir;
	int			lock;
	mode_t			mask;
	uint64_t		now;
	struct object		*objects;
	unsigned int		nr_objects;
	struct cs_cipher	*recent[RECENT_MAX];
	unsigned int		next_recent;
	void			*tree;
	size_t			nr_chunks;
	struct chunk_list	known;
	struct chunk_list	strangers;
	uint64_t		strange_bytes;
	struct chunk_list	resident;
	size_t			memory;
	struct chunk		*latest;
	uint8_t			*sealed;
	uint8_t			*plain;
	size_t			room;
	struct done		*done;
	void			*done_tree;
	int			done_fd;
	size_t			nr_done;
	bool			changed;
	char			(*unlinks)[FILE_NAME_LEN];
	size_t			nr_unlinks;
};

/* get.c */
__attribute__((format(printf, 2, 3)))
void cs_inbox_note(struct cs_get *get, const char *format, ...);
bool cs_inbox_room(struct cs_get *get, size_t len);

/* chunk.c: chunks that are not whole */
struct chunk *cs_chunk_find(struct cs_get *get, const struct chunk_key *key);
struct chunk *cs_chunk_new(struct cs_get *get, const struct chunk_key *key, struct object *object,
			   uint64_t number);
bool cs_chunk_has(const struct chunk *chunk, const struct cs_message *parsed);
enum cs_get_result cs_chunk_add(struct cs_get *get, struct chunk *chunk, const uint8_t *message,
				size_t len, const struct cs_message *parsed);
int cs_chunk_decode(struct cs_get *get, struct chunk *chunk, struct cs_error *error);
void cs_chunk_adopt(struct cs_get *get, struct object *object);
void cs_chunk_drop(struct cs_get *get, struct chunk *chunk, bool now);
void cs_chunk_drop_object(struct cs_get *get, const struct object *object);
void cs_chunk_expire(struct cs_get *get);
int cs_chunk_spool(struct cs_get *get, struct chunk *chunk, struct cs_error *error);
int cs_chunk_spool_all(struct cs_get *get, struct cs_error *error);
int cs_chunk_make_room(struct cs_get *get, struct cs_error *error);
void cs_chunk_load(struct cs_get *get, const char *name);
void cs_chunk_unlink_spooled(struct cs_get *get);
void cs_chunk_free_all(struct cs_get *get);

/* object.c: objects */
struct object *cs_object_of(struct cs_get *get, const uint8_t id[CS_CHUNK_ID_LEN], uint64_t *number,
			    bool *finished);
bool cs_object_bit(const struct object *object, uint64_t index);
void cs_object_forget_bits(struct object *object);
bool cs_object_has(const struct object *object, uint64_t number);
bool cs_object_is_there(const struct cs_get *get, const struct object *object);
int cs_object_open(struct cs_get *get, const uint8_t *message, size_t len,
		   const struct cs_message *parsed, struct object **object, struct cs_error *error);
void cs_object_load(struct cs_get *get, const char *name);
int cs_object_put(struct cs_get *get, struct object *object, uint64_t number, size_t len,
		  struct cs_error *error);
int cs_object_save(struct cs_get *get, struct object *object, struct cs_error *error);
__attribute__((format(printf, 2, 3)))
void cs_object_fail(struct object *object, const char *format, ...);
void cs_object_describe(const struct object *object, struct cs_get_object *to);
int cs_object_whole(struct cs_get *get, struct object *object);
void cs_object_remove(struct cs_get *get, struct object *object);
void cs_object_name(const struct object *object, const char *suffix, char name[FILE_NAME_LEN]);
void cs_object_clean_up(struct cs_get *get, const char *hex);
int cs_object_put_away(struct cs_get *get, struct object *object, struct cs_error *error);
int cs_object_write_state(struct cs_get *get, const char *name, const void *head, size_t head_len,
			  const void *data, size_t len, bool sync);

/* verify.c: objects of which all is there */
int cs_verify_more(struct cs_get *get, struct object *object, uint64_t offset, size_t len);
int cs_verify_cut(struct cs_get *get, const struct object *object);
int cs_object_manifest(int fd, uint64_t total, uint8_t **manifest, size_t *len);
int cs_object_finish(struct cs_get *get, struct object *object, struct cs_error *error);

/* deliver.c: to where it belongs */
int cs_deliver_object(struct cs_get *get, struct object *object, const char *out, bool replace,
		      struct cs_error *error);
bool cs_deliver_was_done(struct cs_get *get, const struct object *object);

/* done.c: what is finished */
int cs_done_open(struct cs_get *get, struct cs_error *error);
bool cs_done_has(const struct cs_get *get, const uint8_t chunk_id[CS_CHUNK_ID_LEN]);
int cs_done_add(struct cs_get *get, const uint8_t chunk_id[CS_CHUNK_ID_LEN],
		const struct cs_cipher *cipher, uint64_t expiry, struct cs_error *error);
void cs_done_close(struct cs_get *get);

#endif /* CS_FOBJECT_INBOX_H */
