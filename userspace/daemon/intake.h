/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages that come in, from the device or over a session, on their way to the store. See
 * intake.c.
 */
#ifndef CSD_INTAKE_H
#define CSD_INTAKE_H

#include "daemon/daemon.h"
#include "daemon/proto.h"

/**
 * struct intake_stats - what came in
 * @frames: from the device
 * @own: of these, sent by this node
 * @missed: passed the device while the daemon was too slow, counted by the kernel
 * @bad: not a whole message, with a wrong digest, or not in the contract under which it came
 * @injected: came over a session, and were handed to the kernel
 * @limited: came over a session, and were thrown away, as the quota of bytes a second was used up
 */
struct intake_stats {
	uint64_t	frames;
	uint64_t	own;
	uint64_t	missed;
	uint64_t	bad;
	uint64_t	injected;
	uint64_t	limited;
};

/**
 * enum intake_result - what became of a message of a user of this node
 * @INTAKE_NEW: it is kept, and on its way
 * @INTAKE_KNOWN: it is in the store, or was delivered
 * @INTAKE_MALFORMED: it is no message
 * @INTAKE_DIGEST: its digest is wrong
 * @INTAKE_EXPIRED: it is too old
 * @INTAKE_LIFETIME: it lives for longer than any may
 * @INTAKE_FULL: the store has no room for it
 * @INTAKE_BUSY: the device takes no more at the moment
 * @INTAKE_FAILED: store or device failed
 */
enum intake_result {
	INTAKE_NEW,
	INTAKE_KNOWN,
	INTAKE_MALFORMED,
	INTAKE_DIGEST,
	INTAKE_EXPIRED,
	INTAKE_LIFETIME,
	INTAKE_FULL,
	INTAKE_BUSY,
	INTAKE_FAILED,
};

int intake_open(struct daemon *daemon, struct cs_error *error);
void intake_close(struct daemon *daemon);
void intake_frame(struct daemon *daemon, const uint8_t *frame, size_t len, bool own);
void intake_missed(struct daemon *daemon, uint64_t count);
int intake_message(struct peer *peer, const struct proto_message *message);
enum intake_result intake_own(struct daemon *daemon, const uint8_t *message, size_t len,
			      uint8_t hops, struct cs_error *error);
void intake_changed(struct daemon *daemon);
const struct intake_stats *intake_stats(const struct daemon *daemon);

/* May a message be given to others, and with which hops_left? */
bool intake_may_pass(const struct store_item *item, uint64_t now);
uint8_t intake_hops(const struct store_item *item);
/* These take from the quotas of bytes a second; false: not now. */
bool intake_may_give(struct daemon *daemon, const struct store_item *item);
bool intake_may_take(struct daemon *daemon, size_t len);
int intake_give_frame(struct peer *peer, const struct store_item *item, uint32_t contract,
		      struct cs_error *error);
int intake_give_letter(struct peer *peer, const struct store_item *item, uint32_t contract);
void intake_band(const struct daemon *daemon, uint64_t *in, uint64_t *out);

/* a frame of a message of the store; @size bytes of room; its length, 0: none */
size_t intake_frame_of(struct daemon *daemon, const struct store_item *item, const uint8_t *to,
		       uint8_t hops, uint32_t contract, uint8_t *frame, size_t size);

#endif /* CSD_INTAKE_H */
