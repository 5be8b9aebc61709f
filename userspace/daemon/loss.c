// SPDX-License-Identifier: GPL-2.0
/*
 * How many frames get lost on the way to a peer: whoever answers a PING says, by COUNTED, how many
 * frames of the other side its kernel has counted so far, duplicates and refused ones included. The
 * other side knows what it sent: what its kernel sent to all peers of the port, and what its daemon
 * sent to this one alone. The difference of both since the last time is what got lost, whatever was
 * on its way at the moment; that evens out.
 *
 * Frames that other programs sent to a single peer (csnl send to a MAC) are not known to have been
 * for this one, and make the loss look smaller than it is.
 */
#include <string.h>

#include "daemon/log.h"
#include "daemon/loss.h"
#include "daemon/peer.h"

#define LEAST	32	/* frames: below, what is on its way would count for too much */
#define FORGET	4	/* what was summed up before loses a quarter each time */

static int look(const struct peer *peer, struct kernel_frames *frames)
{
	struct kernel *kernel = peer->daemon->kernel;
	struct cs_error error = { "" };
	int rc;

	rc = kernel->ops->frames(kernel, peer->port->link.ifindex, peer->lladdr, frames, &error);
	if (rc)
		log_debug("%s: its frames can't be counted: %s", peer_label(peer), error.text);
	return rc;
}

/**
 * loss_tell() - tell a peer how many of its frames have come
 * @peer: whom
 */
void loss_tell(struct peer *peer)
{
	struct proto_letter letter = { .type = PROTO_COUNTED };
	struct kernel_frames frames;

	if (look(peer, &frames))
		return;
	letter.counted.frames = frames.got;
	session_send(peer->session, &letter);
}

static void sum_up(struct loss *loss, uint64_t sent, uint64_t got)
{
	loss->sum_sent += sent - loss->sum_sent / FORGET;
	loss->sum_got += got - loss->sum_got / FORGET;
	/* those that were on their way the last time */
	if (loss->sum_got > loss->sum_sent)
		loss->sum_got = loss->sum_sent;
}

/**
 * loss_letter() - a peer says how many frames of this node have come to it
 * @peer: who
 * @counted: what it says
 */
void loss_letter(struct peer *peer, const struct proto_counted *counted)
{
	struct loss *loss = &peer->loss;
	struct kernel_frames frames;
	uint64_t sent;

	if (look(peer, &frames))
		return;
	sent = frames.sent_to_all + loss->alone;
	if (loss->begun && sent >= loss->sent && counted->frames >= loss->got) {
		if (sent - loss->sent < LEAST)
			return;
		sum_up(loss, sent - loss->sent, counted->frames - loss->got);
	}
	/* where one of the kernels began anew, so does this */
	loss->begun = true;
	loss->sent = sent;
	loss->got = counted->frames;
}

/**
 * loss_permille() - how much gets lost on the way to a peer
 * @loss: what is known
 *
 * Return: per mille of the frames; -1: too few were sent lately to tell.
 */
int loss_permille(const struct loss *loss)
{
	return loss->sum_sent < LEAST ? -1 : 1000 - (int)(loss->sum_got * 1000 / loss->sum_sent);
}
