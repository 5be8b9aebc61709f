// SPDX-License-Identifier: GPL-2.0
/*
 * AF_PACKET socket on a crowdshare device.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "csnl/args.h"
#include "csnl/rawsocket.h"
#include "lib/ethertype.h"
#include "lib/message.h"

#define BUFFER_SIZE	(64 << 20)

/* Which signal asked to stop, 0: none did. */
volatile sig_atomic_t stop_signal;

static void on_signal(int sig)
{
	stop_signal = sig;
}

/**
 * stop_on_signals - have SIGINT and SIGTERM set stop_signal and interrupt system calls
 */
void stop_on_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void set_buffer(int fd, int forced, int plain)
{
	int size = BUFFER_SIZE;

	if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

/**
 * rawsocket_open - open a socket that sends and gets whole frames of the device
 */
void rawsocket_open(struct rawsocket *raw, const char *name, uint32_t ifindex)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_ifindex = ifindex };
	struct ifreq ifr = { 0 };

	raw->ethertype = cs_ethertype();
	addr.sll_protocol = htons(raw->ethertype);
	/* protocol 0 until it is bound: nothing of other interfaces gets in */
	raw->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (raw->fd < 0)
		die("device '%s': packet socket: %s", name, strerror(errno));
	set_buffer(raw->fd, SO_RCVBUFFORCE, SO_RCVBUF);
	set_buffer(raw->fd, SO_SNDBUFFORCE, SO_SNDBUF);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(raw->fd, SIOCGIFMTU, &ifr))
		die("device '%s': %s", name, strerror(errno));
	raw->mtu = ifr.ifr_mtu;
	if (ioctl(raw->fd, SIOCGIFHWADDR, &ifr))
		die("device '%s': %s", name, strerror(errno));
	memcpy(raw->mac, ifr.ifr_hwaddr.sa_data, 6);
	if (ioctl(raw->fd, SIOCGIFFLAGS, &ifr))
		die("device '%s': %s", name, strerror(errno));
	if (!(ifr.ifr_flags & IFF_UP))
		die("device '%s' is down; bring it up with 'ip link set %s up'", name, name);
	if (bind(raw->fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("device '%s': packet socket: %s", name, strerror(errno));
}
