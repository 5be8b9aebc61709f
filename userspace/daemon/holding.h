/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who holds what this node sent: free peers sign it on being asked. See holding.c.
 */
#ifndef CSD_HOLDING_H
#define CSD_HOLDING_H

#include "daemon/idset.h"

struct daemon;
struct peer;
struct proto_letter;

/**
 * struct holding - what a peer has signed to hold
 * @next: the one that was asked before
 * @address: of the peer, which may have gone with it
 * @held: messages
 * @open: messages that it was asked about, since it last had answered all
 * @waiting: questions without an answer
 * @asked: daemon_ticks() when the first of these was asked
 */
struct holding {
	struct holding	*next;
	uint8_t		address[CS_ADDR_LEN];
	struct idset	held;
	struct idset	open;
	unsigned int	waiting;
	uint64_t	asked;
};

void holding_ask(struct daemon *daemon, const uint8_t *ids, size_t count);
void holding_letter(struct peer *peer, const struct proto_letter *letter);
void holding_close(struct daemon *daemon);

#endif /* CSD_HOLDING_H */
