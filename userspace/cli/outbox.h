/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages on their way to the daemon. See outbox.c.
 */
#ifndef CROWDSHARE_OUTBOX_H
#define CROWDSHARE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct args;
struct cli;

/**
 * struct outbox - messages on their way to the daemon
 * @cli: the run
 * @args: for error messages
 * @hops: that they get
 * @rate: bytes a second, 0: as fast as the daemon takes them
 * @others: messages are of others, who may have made anything: what is refused for good is told and
 *	left out, and whatever else is wrong is told once and does not end the program
 * @told: it was
 * @list: those of the next request, in base64
 * @chars: of that request, about
 * @bytes: of the messages in @list
 * @due: seconds of the monotonic clock when the next request may go
 */
struct outbox {
	struct cli		*cli;
	const struct args	*args;
	unsigned int		hops;
	double			rate;
	bool			others;
	bool			told;
	json_t			*list;
	size_t			chars;
	size_t			bytes;
	double			due;
};

int outbox_add(struct outbox *outbox, const void *message, size_t len);
int outbox_flush(struct outbox *outbox, bool sync);
double seconds_now(void);

#endif /* CROWDSHARE_OUTBOX_H */
