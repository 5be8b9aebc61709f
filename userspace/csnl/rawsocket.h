/* SPDX-License-Identifier: GPL-2.0 */
/*
 * AF_PACKET socket on a crowdshare device, for `csnl send` and `csnl recv`, and what both need
 * besides it.
 */
#ifndef CSNL_RAWSOCKET_H
#define CSNL_RAWSOCKET_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct rawsocket - the socket and the device
 * @fd: the socket
 * @ethertype: of messages
 * @mtu: of the device
 * @mac: of the device
 */
struct rawsocket {
	int		fd;
	uint16_t	ethertype;
	uint32_t	mtu;
	uint8_t		mac[6];
};

extern volatile sig_atomic_t stop_signal;

void rawsocket_open(struct rawsocket *raw, const char *name, uint32_t ifindex);
void stop_on_signals(void);
double seconds_now(void);

#endif /* CSNL_RAWSOCKET_H */
