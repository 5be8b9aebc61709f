/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sends a series of crafted frames. See burst.c.
 */
#ifndef BURST_H
#define BURST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "frame.h"
#include "link.h"

/**
 * struct burst - what to send
 * @spec: the frames
 * @first: index of the first message of the series
 * @count: how many messages
 * @repeat: how often each message is sent
 * @truncate: send only so many bytes of a frame, -1: all
 * @extra: bytes to add behind the end of a frame
 * @flip: byte of the frame in which a bit is flipped, -1: none
 * @each_length: send each frame cut to every length from the Ethernet header on, whole one not
 * @rate: frames per second, 0: as fast as it goes
 * @ring: send from a memory-mapped ring, so that the kernel's buffers are not linear
 * @digests: gets the digests of the messages, one a line; may be NULL
 */
struct burst {
	struct frame_spec spec;
	uint64_t first;
	uint64_t count;
	unsigned int repeat;
	int truncate;
	unsigned int extra;
	int flip;
	bool each_length;
	unsigned int rate;
	bool ring;
	FILE *digests;
};

void burst_send(const struct burst *burst, struct link *link);
void burst_race(const struct burst *burst, struct link *links, int nr_links);

#endif /* BURST_H */
