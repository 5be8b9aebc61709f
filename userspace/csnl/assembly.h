/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages put together to chunks and chunks to files, in any order, with duplicates and holes.
 *
 * What comes in comes from anybody: memory and open files are bounded, and a file gets its name
 * only when its SHA-512 is right. Files appear in one directory, never outside, and replace none.
 */
#ifndef CSNL_ASSEMBLY_H
#define CSNL_ASSEMBLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/message.h"

/**
 * enum assembly_result - what became of a message
 * @ASSEMBLY_NEW: a slice that was missing
 * @ASSEMBLY_DUPLICATE: a slice that is there
 * @ASSEMBLY_BAD: it can't belong to a chunk of csnl send
 */
enum assembly_result {
	ASSEMBLY_NEW,
	ASSEMBLY_DUPLICATE,
	ASSEMBLY_BAD,
};

/**
 * struct assembly_file - a file that came whole
 * @name: under which it stands in the directory
 * @size: bytes
 * @sha512: verified
 * @messages: that it consisted of
 * @duplicates: that came besides
 * @seconds: from its first message to its end
 */
struct assembly_file {
	const char	*name;
	uint64_t	size;
	const uint8_t	*sha512;
	uint64_t	messages;
	uint64_t	duplicates;
	double		seconds;
};

/**
 * struct assembly_limits - how much may be under way at once
 * @chunks: incomplete chunks
 * @bytes: memory of incomplete chunks
 * @files: incomplete files
 */
struct assembly_limits {
	unsigned int	chunks;
	uint64_t	bytes;
	unsigned int	files;
};

/**
 * struct assembly_ops - whom to tell
 * @done: a file came whole
 * @note: something was given up; text for a person
 * @incomplete: see assembly_incomplete(): what it is, and what is missing
 */
struct assembly_ops {
	void (*done)(const struct assembly_file *file, void *data);
	void (*note)(const char *text, void *data);
	void (*incomplete)(const char *what, const char *missing, void *data);
};

extern const struct assembly_limits assembly_limits_default;

struct assembly *assembly_new(int directory, const struct assembly_limits *limits,
			      const struct assembly_ops *ops, void *data);
void assembly_free(struct assembly *as);

enum assembly_result assembly_take(struct assembly *as, const struct cs_message *message,
				   double now, const char **wrong);
unsigned int assembly_incomplete(struct assembly *as);
unsigned int assembly_pending(const struct assembly *as);

#endif /* CSNL_ASSEMBLY_H */
