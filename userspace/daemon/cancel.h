/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Notices that messages were delivered: they spread, and holders drop them. See cancel.c.
 */
#ifndef CSD_CANCEL_H
#define CSD_CANCEL_H

#include "daemon/daemon.h"
#include "daemon/idset.h"
#include "daemon/proto.h"

int cancel_open(struct daemon *daemon, struct cs_error *error);
void cancel_close(struct daemon *daemon);

/* A message reached this node, its destination: tell all. */
void cancel_delivered(struct daemon *daemon, const uint8_t digest[CS_DIGEST_LEN], uint64_t expiry);
/* A peer says so. */
void cancel_letter(struct peer *peer, const struct proto_cancel *cancel);
/* So does whoever else: the ingest that a gateway serves. 0, or why the notice is nothing. */
int cancel_notice(struct daemon *daemon, const struct peer *from,
		  const struct proto_cancel *cancel, struct cs_error *error);

/**
 * enum cancel_state - what is known of an id
 */
enum cancel_state {
	CANCEL_NONE,
	CANCEL_CLAIMED,		/* by a notice of whoever: hold against the destination */
	CANCEL_PROVEN,		/* the message was held here, and its destination signed */
};

enum cancel_state cancel_state(struct daemon *daemon, const uint8_t *prefix);
bool cancel_holds(struct daemon *daemon, const struct store_item *item);
/* Tells a peer that holds it, unless the notice is among those it was @told. */
void cancel_tell(struct peer *peer, const uint8_t *prefix, struct idset *told);

/* Who gave a message that is held, or was until it was delivered. */
bool cancel_given(struct daemon *daemon, const uint8_t digest[CS_DIGEST_LEN],
		  struct store_given *given);

#endif /* CSD_CANCEL_H */
