/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How many frames get lost on the way to a peer. See loss.c.
 */
#ifndef CSD_LOSS_H
#define CSD_LOSS_H

#include <stdbool.h>
#include <stdint.h>

struct peer;
struct proto_counted;

/**
 * struct loss - what is known of the frames on the way to a peer
 * @alone: frames that this daemon gave to it alone, ever
 * @begun: @sent and @got hold
 * @sent: frames that had been sent to it when it counted last
 * @got: what it counted then
 * @sum_sent: frames sent lately; older ones weigh less
 * @sum_got: of those, how many arrived
 */
struct loss {
	uint64_t	alone;
	bool		begun;
	uint64_t	sent;
	uint64_t	got;
	uint64_t	sum_sent;
	uint64_t	sum_got;
};

void loss_tell(struct peer *peer);
void loss_letter(struct peer *peer, const struct proto_counted *counted);
int loss_permille(const struct loss *loss);

#endif /* CSD_LOSS_H */
