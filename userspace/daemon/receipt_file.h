/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a node keeps of receipts: letters on their way, what was delivered of its own, and whose
 * key signs for which destination. See receipt_file.c.
 */
#ifndef CSD_RECEIPT_FILE_H
#define CSD_RECEIPT_FILE_H

#include "daemon/receipt.h"
#include "daemon/sqlfile.h"

#define RECEIPT_FILE_OF_PEER	4096	/* letters that wait for one, at most */

/**
 * struct receipt_receiver - who signs for a destination
 * @address: the destination
 * @port: likewise
 * @public: the key
 */
struct receipt_receiver {
	uint8_t		address[CS_ADDR_LEN];
	uint16_t	port;
	uint8_t		public[IDENTITY_PUBLIC_LEN];
};

/**
 * struct receipt_delivered - a message of this node that was delivered
 * @digest: of the message
 * @destination: of the message
 * @port: of the message
 * @time: Unix seconds, as the destination says
 * @deliverer: address of the gateway
 * @hops: nodes that it passed, the gateway included
 * @ends: Unix seconds: when it is forgotten
 */
struct receipt_delivered {
	uint8_t		digest[CS_DIGEST_LEN];
	uint8_t		destination[CS_ADDR_LEN];
	uint16_t	port;
	uint64_t	time;
	uint8_t		deliverer[CS_ADDR_LEN];
	uint32_t	hops;
	uint64_t	ends;
};

/* Return: 0: go on. */
typedef int (*receipt_letter_cb)(const uint8_t id[RECEIPT_ID_LEN], const uint8_t *letter,
				 size_t len, void *data);
typedef int (*receipt_delivered_cb)(const struct receipt_delivered *delivered, void *data);
typedef int (*receipt_receiver_cb)(const struct receipt_receiver *receiver, void *data);

int receipt_file_open(struct sqlfile *file, const char *path, struct cs_error *error);

/* Letters, without their length in front, each for a peer; all are part of a transaction. */
int receipt_file_wait(struct sqlfile *file, const uint8_t peer[CS_ADDR_LEN],
		      const uint8_t id[RECEIPT_ID_LEN], const void *letter, size_t len,
		      uint64_t ends, size_t most, struct cs_error *error);
int receipt_file_get(struct sqlfile *file, const uint8_t peer[CS_ADDR_LEN],
		     const uint8_t id[RECEIPT_ID_LEN], uint8_t **letter, size_t *len,
		     struct cs_error *error);
int receipt_file_drop(struct sqlfile *file, const uint8_t peer[CS_ADDR_LEN],
		      const uint8_t id[RECEIPT_ID_LEN], struct cs_error *error);
int receipt_file_each(struct sqlfile *file, const uint8_t peer[CS_ADDR_LEN],
		      receipt_letter_cb cb, void *data, struct cs_error *error);
int receipt_file_waiting(struct sqlfile *file, uint64_t *count, struct cs_error *error);

int receipt_file_deliver(struct sqlfile *file, const struct receipt_delivered *delivered,
			 struct cs_error *error);
int receipt_file_each_delivered(struct sqlfile *file, receipt_delivered_cb cb, void *data,
				struct cs_error *error);

int receipt_file_expire(struct sqlfile *file, uint64_t now, struct cs_error *error);

int receipt_file_receiver_set(struct sqlfile *file, const struct receipt_receiver *receiver,
			      struct cs_error *error);
int receipt_file_receiver_del(struct sqlfile *file, const struct receipt_receiver *receiver,
			      struct cs_error *error);
int receipt_file_each_receiver(struct sqlfile *file, receipt_receiver_cb cb, void *data,
			       struct cs_error *error);

#endif /* CSD_RECEIPT_FILE_H */
