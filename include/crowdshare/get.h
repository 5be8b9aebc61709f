/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libcrowdshare: messages to files and directories.
 *
 * Messages may come in any order, twice, with holes, from anybody, and over several runs of the
 * program: what is under way is kept in a directory. An object appears when it is whole and
 * verified, at once, under a name that was free. FORMATS.md says how an object is coded.
 *
 * What a message told is on the disk after the next cs_get_sync(), so whoever delivers messages is
 * told that they arrived only then. A program that is killed at any time loses what came after, and
 * nothing else, and no object appears twice.
 *
 * A struct cs_get is used by one thread at a time. Memory is bounded, see struct cs_get_options.
 */
#ifndef _CROWDSHARE_GET_H
#define _CROWDSHARE_GET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crowdshare/card.h>
#include <crowdshare/error.h>
#include <crowdshare/fobject.h>

#define CS_GET_MEMORY_DEFAULT		(16 << 20)
#define CS_GET_STRANGERS_DEFAULT	(256 << 20)

/**
 * enum cs_get_result - what became of a message
 * @CS_GET_NEW: it was a piece that was missing
 * @CS_GET_DUPLICATE: what it is a piece of is there, or does not need it
 * @CS_GET_MALFORMED: it is no message, or its digest is wrong; that is not looked at if the object
 *	is known, as its slices have a MAC: who signs for digests verifies them himself
 * @CS_GET_EXPIRED: it is too old, or its object is
 * @CS_GET_FORGED: it says that it is a slice of an object, and is not; or too many messages say
 *	that they are one slice of an object that is not known yet
 * @CS_GET_FULL: there is no room for it; there may be later
 * @CS_GET_FAILED: the disk is full, or the like; the error says
 */
enum cs_get_result {
	CS_GET_NEW,
	CS_GET_DUPLICATE,
	CS_GET_MALFORMED,
	CS_GET_EXPIRED,
	CS_GET_FORGED,
	CS_GET_FULL,
	CS_GET_FAILED,
};

/**
 * struct cs_get_object - an object that arrives, or has arrived
 * @id: its id
 * @kind: what it holds
 * @name: what the sender calls it, cleaned
 * @size: bytes of the file as the sender expected it, UINT64_MAX: not known
 * @received: bytes of content that are there
 * @ready: it is whole and verified
 * @created: Unix seconds, as the sender says
 * @expiry: Unix seconds; what is not whole then never will be
 */
struct cs_get_object {
	uint8_t		id[CS_OBJECT_ID_LEN];
	enum cs_kind	kind;
	char		name[CS_NAME_MAX + 1];
	uint64_t	size;
	uint64_t	received;
	bool		ready;
	uint64_t	created;
	uint64_t	expiry;
};

/**
 * struct cs_get_options - how objects are received
 * @state: directory for what is under way, of this recipient alone; is made if it is missing. A
 *	delivery is one step if @out is on the same file system
 * @out: directory in which objects appear by themselves; NULL: they wait for cs_get_deliver()
 * @key: the recipient's; has to stay
 * @verified: the digests of messages were checked before, as the kernel does
 * @memory: bytes of messages that are kept in memory, 0: %CS_GET_MEMORY_DEFAULT. A few MiB more are
 *	used besides
 * @strangers: bytes of chunks that are kept, in memory and on disk, before it is known whether they
 *	belong to an object, 0: %CS_GET_STRANGERS_DEFAULT
 * @ready: an object is whole; may be NULL
 * @delivered: an object has appeared at @path; may be NULL
 * @forward: sends a message on, of an object that was sent by way of this node; NULL: such objects
 *	are refused. May be called twice for the same message. Not 0: not now; what came is kept
 *	and cs_get_sync() tries it again
 * @forwarded: has all that @forward took on the disk, or wherever else it is not lost, before that
 *	is written down here; not 0: as for @forward. NULL: it is so when @forward returns
 * @note: something was given up; text for a person; may be NULL
 * @arg: for these
 */
struct cs_get_options {
	const char		*state;
	const char		*out;
	const struct cs_private	*key;
	bool			verified;
	size_t			memory;
	uint64_t		strangers;
	void			(*ready)(const struct cs_get_object *object, void *arg);
	void			(*delivered)(const struct cs_get_object *object, const char *path,
					     void *arg);
	int			(*forward)(const void *message, size_t len, void *arg);
	int			(*forwarded)(void *arg);
	void			(*note)(const char *text, void *arg);
	void			*arg;
};

struct cs_get;

int cs_get_open(struct cs_get **get, const struct cs_get_options *options, uint64_t now,
		struct cs_error *error);
void cs_get_close(struct cs_get *get);

enum cs_get_result cs_get_take(struct cs_get *get, const void *message, size_t len, uint64_t now,
			       struct cs_error *error);
int cs_get_sync(struct cs_get *get, struct cs_error *error);
void cs_get_expire(struct cs_get *get, uint64_t now);

int cs_get_each(struct cs_get *get, int (*each)(const struct cs_get_object *object, void *arg),
		void *arg);
int cs_get_deliver(struct cs_get *get, const uint8_t id[CS_OBJECT_ID_LEN], const char *out,
		   bool replace, struct cs_error *error);
int cs_get_drop(struct cs_get *get, const uint8_t id[CS_OBJECT_ID_LEN], struct cs_error *error);

#endif /* _CROWDSHARE_GET_H */
