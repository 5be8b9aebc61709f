/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Store and forward between two peers: reconciliation of their stores, and what is missing. See
 * sync.c.
 */
#ifndef CSD_SYNC_H
#define CSD_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/idset.h"
#include "daemon/policy.h"

struct daemon;
struct event;
struct peer;
struct reconcile;

/* so often a message is given in a frame, where sessions hardly get on, before it is over one */
#define SYNC_FRAMES 3

/**
 * struct sync - the reconciliation with one peer
 * @set: the set being reconciled, NULL: none
 * @round: number of the round under way, or the last one
 * @leading: this node began the round
 * @began: daemon_ticks() when it did, or heard of the other side last
 * @opened: daemon_ticks() when the round began, whatever was heard since
 * @asked: bucket of rounds that the peer asks for
 * @timer: of the next round, at the one with the lower address; or of the end of a silent one
 * @changed: daemon_ticks() when this store first changed since the last round, 0: it did not
 * @decoded: symbols that came in this round
 * @lacking: ids of messages that the peer has and this node is still to ask for, PROTO_ID_LEN each
 * @nr_lacking: their number
 * @coming: how many were asked for in this round, and have not come yet
 * @ask: timer that asks for some of them
 * @again: a round is wanted as soon as this one ends
 * @waits: a round is to begin when one with another peer ends
 * @first: symbols with which the peer began that round; NULL: this node begins it
 * @first_len: bytes of @first
 * @salt: that goes with @first
 * @ask_after: daemon_ticks() when more may be asked for, if what comes is limited
 * @queue: ids of messages that the peer is to be given, PROTO_ID_LEN each
 * @queue_round: in which it asked for them
 * @head: those of @queue that were given
 * @tail: how many @queue holds
 * @room: how many it has memory for
 * @pump: timer that gives them at the configured rate
 * @framed: what was given in a frame once, twice ..., and is not again if it is wanted after that
 * @look: messages went in frames: a round is to show which of them did not arrive
 * @rounds: that ended well
 * @symbols_bytes: bytes of symbols, DIFF and WANT, both ways
 * @given: messages
 * @got: messages
 * @got_bytes: of @got
 */
struct sync {
	struct reconcile	*set;
	uint32_t		round;
	bool			leading;
	uint64_t		began;
	uint64_t		opened;
	struct policy_bucket	asked;
	struct event		*timer;
	uint64_t		changed;
	size_t			decoded;
	bool			again;
	uint8_t			*lacking;
	size_t			nr_lacking;
	size_t			coming;
	struct event		*ask;
	bool			waits;
	uint8_t			*first;
	size_t			first_len;
	uint8_t			salt[PROTO_SALT_LEN];
	uint64_t		ask_after;
	uint8_t			*queue;
	uint32_t		queue_round;
	size_t			head;
	size_t			tail;
	size_t			room;
	struct event		*pump;
	struct idset		framed[SYNC_FRAMES];
	bool			look;
	uint64_t		rounds;
	uint64_t		symbols_bytes;
	uint64_t		given;
	uint64_t		got;
	uint64_t		got_bytes;
};

void sync_start(struct peer *peer);
void sync_stop(struct peer *peer);
void sync_letter(struct peer *peer, const struct proto_letter *letter);
void sync_now(struct peer *peer);
void sync_changed(struct daemon *daemon);

#endif /* CSD_SYNC_H */
