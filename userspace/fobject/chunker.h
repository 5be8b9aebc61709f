/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Content to chunks to messages. See chunker.c.
 */
#ifndef CS_FOBJECT_CHUNKER_H
#define CS_FOBJECT_CHUNKER_H

#include <stddef.h>
#include <stdint.h>

#include <crowdshare/put.h>

/**
 * struct cs_chunker_options - what is cut, and where to
 * @to: the recipient, and their provider
 * @sender: for the provider; may be NULL
 * @created: Unix seconds
 * @expiry: Unix seconds, of the messages
 * @redundancy: percent
 * @frame: bytes of a frame
 * @kind: of the object
 * @name: of it; not terminated
 * @name_len: bytes of @name
 * @size: bytes of content that are expected, or %CS_SIZE_UNKNOWN
 * @content: the content secret, for tests; NULL: a new one
 * @message: takes a message; not 0: stops, and is returned
 * @arg: for @message
 */
struct cs_chunker_options {
	struct cs_put_hop		to;
	const struct cs_put_sender	*sender;
	uint64_t			created;
	uint64_t			expiry;
	unsigned int			redundancy;
	size_t				frame;
	enum cs_kind			kind;
	const char			*name;
	size_t				name_len;
	uint64_t			size;
	const uint8_t			*content;
	int				(*message)(const void *message, size_t len, void *arg);
	void				*arg;
};

struct cs_chunker;

int cs_chunker_new(struct cs_chunker **chunker, const struct cs_chunker_options *options,
		   struct cs_error *error);
void cs_chunker_free(struct cs_chunker *chunker);

int cs_chunker_room(struct cs_chunker *chunker, uint8_t **room, size_t *len);
void cs_chunker_used(struct cs_chunker *chunker, size_t len);
int cs_chunker_add(struct cs_chunker *chunker, const void *data, size_t len);
int cs_chunker_add_whole(struct cs_chunker *chunker, const void *data, size_t len);
int cs_chunker_finish(struct cs_chunker *chunker);

const uint8_t *cs_chunker_object(const struct cs_chunker *chunker);

#endif /* CS_FOBJECT_CHUNKER_H */
