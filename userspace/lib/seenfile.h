/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files of seen-sets: what `csnl seen save` writes and `csnl seen load` reads.
 *
 * All numbers are little-endian:
 *
 *	magic		8 bytes	"CSSEEN\r\n"
 *	version		u32	1
 *	reserved	u32	0
 *	saved		u64	Unix seconds when it was saved
 *	count		u64	entries that follow
 *	entries		20 bytes each: 16 of the digest, u32 seconds left when it was saved
 *	checksum	64 bytes SHA-512 over all before it
 */
#ifndef CS_LIB_SEENFILE_H
#define CS_LIB_SEENFILE_H

#include <stddef.h>
#include <stdint.h>

#include <linux/crowdshare.h>

/**
 * struct seenfile - entries of a seen-set in memory
 * @saved: Unix seconds when they were read from the kernel
 * @count: number of entries
 * @room: number that @data has memory for
 * @data: memory for the whole file
 * @entry: the entries, where they stand in @data, in host byte order
 */
struct seenfile {
	uint64_t			saved;
	size_t				count;
	size_t				room;
	uint8_t				*data;
	struct crowdshare_seen_entry	*entry;
};

int seenfile_append(struct seenfile *file, const void *entries, size_t count);
void seenfile_free(struct seenfile *file);

uint8_t *seenfile_encode(struct seenfile *file, size_t *size);
int seenfile_decode(struct seenfile *file, const void *data, size_t size, char *error,
		    size_t error_size);
size_t seenfile_age(struct seenfile *file, uint64_t now);

int seenfile_write(const char *path, const void *data, size_t size, char *error,
		   size_t error_size);
uint8_t *seenfile_read(const char *path, size_t *size, char *error, size_t error_size);

#endif /* CS_LIB_SEENFILE_H */
