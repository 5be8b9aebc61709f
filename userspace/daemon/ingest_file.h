/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an ingest keeps: which messages came, who brought them, and the messages themselves until
 * they are taken. See ingest_file.c.
 */
#ifndef CSD_INGEST_FILE_H
#define CSD_INGEST_FILE_H

#include "daemon/identity.h"
#include "daemon/proto.h"
#include "daemon/sqlfile.h"

/**
 * struct ingest_receipt - what a receipt is made of
 * @id: its number, 1 and on, never used again
 * @deliverer: who brought the messages
 * @contract: under which contract
 * @destination: of the messages
 * @port: likewise
 * @time: Unix seconds
 * @expiry: of the message that lives longest
 * @digests: of the messages, in their order
 * @nr_digests: their number
 */
struct ingest_receipt {
	int64_t		id;
	uint8_t		deliverer[IDENTITY_PUBLIC_LEN];
	uint8_t		contract[PROTO_UID_LEN];
	uint8_t		destination[CS_ADDR_LEN];
	uint16_t	port;
	uint64_t	time;
	uint64_t	expiry;
	uint8_t		digests[PROTO_BATCH_MAX][CS_DIGEST_LEN];
	size_t		nr_digests;
};

/**
 * struct ingest_batch - messages that came together and are new
 * @receipt: gets its number when it is kept
 * @expiry: of each message
 * @message: each message, verified
 * @len: bytes of each
 */
struct ingest_batch {
	struct ingest_receipt	receipt;
	uint64_t		expiry[PROTO_BATCH_MAX];
	const uint8_t		*message[PROTO_BATCH_MAX];
	size_t			len[PROTO_BATCH_MAX];
};

#define INGEST_FILE_NAME	64	/* room for a name */
#define INGEST_FILE_BLOCK	4096	/* that the smallest file takes on a disk */

struct dirent;
struct ingest_file;

int ingest_file_open(struct ingest_file **file, const char *path, const char *inbox,
		     struct cs_error *error);
void ingest_file_close(struct ingest_file *file);

int ingest_file_find(struct ingest_file *file, const uint8_t digest[CS_DIGEST_LEN],
		     int64_t *receipt, struct cs_error *error);
int ingest_file_receipt(struct ingest_file *file, int64_t id, struct ingest_receipt *receipt,
			struct cs_error *error);
int ingest_file_keep(struct ingest_file *file, struct ingest_batch *batch,
		     struct cs_error *error);
int ingest_file_expire(struct ingest_file *file, uint64_t now, struct cs_error *error);
int ingest_file_is_whole(const struct dirent *entry);
int64_t ingest_file_number(const char *name);
void ingest_file_name(int64_t id, char name[INGEST_FILE_NAME]);
bool ingest_file_waits(const struct ingest_file *file, int64_t id);
int ingest_file_bytes(struct ingest_file *file, uint64_t *bytes, struct cs_error *error);

/* What a file of so many bytes takes of the inbox. */
static inline uint64_t ingest_file_cost(uint64_t size)
{
	return (size + INGEST_FILE_BLOCK - 1) / INGEST_FILE_BLOCK * INGEST_FILE_BLOCK;
}

#endif /* CSD_INGEST_FILE_H */
