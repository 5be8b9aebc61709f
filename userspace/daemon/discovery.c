// SPDX-License-Identifier: GPL-2.0
/*
 * Discovery: who else is on the link of a port, and where sessions are accepted.
 *
 * Each node says every few seconds, by link-local multicast, who it is and where it accepts
 * sessions: struct discovery_beacon. Of two nodes the one with the lower address connects. The
 * other one, on a beacon of a node that it has no session with, answers with a beacon of its own,
 * so that a new neighbour need not wait for the next one.
 *
 * Beacons are hints that anybody on the link may forge. As with neighbour discovery (RFC 4861,
 * 11.2) the hop limit must be 255, which no router lets through, and the source link-local. What a
 * forged one can bring about is a connection to its source, and session.c bounds those.
 *
 * One process, one thread: no lock.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/util.h>

#include "daemon/log.h"
#include "daemon/peer.h"
#include "daemon/port.h"
#include "daemon/session.h"

#define HOP_LIMIT	255
#define BATCH		32	/* datagrams taken before others get their turn */
#define ANSWERS_RATE	10	/* a second */
#define QUICK_BEACONS	3
#define QUICK_MSEC	300
#define LISTEN_BACKLOG	64
#define SECOND		1000000000ull

static bool set(int fd, int level, int option, int value)
{
	return !setsockopt(fd, level, option, &value, sizeof(value));
}

static bool prepare_udp(int fd, const struct port *port)
{
	struct ipv6_mreq group = { .ipv6mr_interface = port->link.ifindex };

	inet_pton(AF_INET6, DISCOVERY_GROUP, &group.ipv6mr_multiaddr);
	return !setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, port->link.name,
			   strlen(port->link.name) + 1) &&
	       set(fd, SOL_SOCKET, SO_REUSEADDR, 1) && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
	       set(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, port->link.ifindex) &&
	       set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0) &&
	       set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, HOP_LIMIT) &&
	       set(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, HOP_LIMIT) &&
	       set(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1) &&
	       !setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group, sizeof(group));
}

static int open_udp(const struct port *port, struct cs_error *error)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	int fd, rc;

	any.sin6_port = htons(port->daemon->config.sessions.tcp_port);
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return cs_error_set(error, -errno, "no UDP socket: %s", strerror(errno));
	if (prepare_udp(fd, port) && !bind(fd, (struct sockaddr *)&any, sizeof(any)))
		return fd;
	rc = -errno;
	close(fd);
	return cs_error_set(error, rc, "UDP port %u can't be opened for discovery: %s",
			    port->daemon->config.sessions.tcp_port, strerror(-rc));
}

/* --- What is said --- */

static void send_beacon(struct port *port, const struct sockaddr_in6 *to)
{
	struct daemon *daemon = port->daemon;
	struct discovery_beacon beacon = { .version = DISCOVERY_VERSION };

	memcpy(beacon.magic, DISCOVERY_MAGIC, sizeof(beacon.magic));
	beacon.port = htons(daemon->config.sessions.tcp_port);
	memcpy(beacon.boot, daemon->boot, sizeof(beacon.boot));
	memcpy(beacon.address, daemon->identity.address, sizeof(beacon.address));
	if (sendto(port->udp, &beacon, sizeof(beacon), MSG_NOSIGNAL,
		   (const struct sockaddr *)to, sizeof(*to)) < 0)
		log_debug("%s: a beacon can't be sent: %s", port->link.name, strerror(errno));
}

/* Up to a quarter sooner or later, so that nodes that began together do not go on together. */
static void schedule_beacon(struct port *port, uint64_t msec)
{
	struct timeval wait;
	uint32_t random;

	evutil_secure_rng_get_bytes(&random, sizeof(random));
	msec = msec - msec / 4 + random % (msec / 2 + 1);
	wait = (struct timeval){ msec / 1000, msec % 1000 * 1000 };
	evtimer_add(port->beacon, &wait);
}

static void on_beacon(evutil_socket_t fd, short what, void *data)
{
	struct port *port = data;
	struct sockaddr_in6 group = { .sin6_family = AF_INET6 };

	(void)fd;
	(void)what;
	group.sin6_port = htons(port->daemon->config.sessions.tcp_port);
	group.sin6_scope_id = port->link.ifindex;
	inet_pton(AF_INET6, DISCOVERY_GROUP, &group.sin6_addr);
	send_beacon(port, &group);
	evconnlistener_enable(port->listener); /* see on_accept_error() */
	if (++port->beacons < QUICK_BEACONS)
		schedule_beacon(port, QUICK_MSEC);
	else
		schedule_beacon(port, port->daemon->config.sessions.hello * 1000ull);
}

/* --- What is heard --- */

static bool beacon_valid(const struct discovery_beacon *beacon, size_t len)
{
	return len == sizeof(*beacon) &&
	       !memcmp(beacon->magic, DISCOVERY_MAGIC, sizeof(beacon->magic)) &&
	       beacon->version == DISCOVERY_VERSION && beacon->port;
}

/*
 * Is there a session with the node that a beacon speaks of? It may have restarted without the old
 * session having noticed; but a beacon alone does not make a session die that was heard of lately.
 */
static bool in_session(const struct port *port, const struct discovery_beacon *beacon)
{
	uint64_t lately = port->daemon->config.sessions.timeout * SECOND / 2;
	const struct peer *peer;

	for (peer = port->daemon->peers; peer; peer = peer->next)
		if (peer->port == port && peer->session &&
		    !memcmp(peer->address, beacon->address, sizeof(peer->address)))
			return !memcmp(peer->boot, beacon->boot, sizeof(peer->boot)) ||
			       daemon_ticks() - peer->session->heard < lately;
	return false;
}

/**
 * discovery_heard() - a datagram came in whose hop limit is 255
 * @port: where
 * @from: who sent it
 * @data: the datagram
 * @len: its bytes
 */
void discovery_heard(struct port *port, const struct sockaddr_in6 *from, const void *data,
		     size_t len)
{
	const uint8_t *own = port->daemon->identity.address;
	struct discovery_beacon beacon;
	struct sockaddr_in6 to = *from;
	int order;

	if (!IN6_IS_ADDR_LINKLOCAL(&from->sin6_addr))
		return;
	memcpy(&beacon, data, len < sizeof(beacon) ? len : sizeof(beacon));
	if (!beacon_valid(&beacon, len))
		return;
	order = memcmp(own, beacon.address, sizeof(beacon.address));
	if (!order || in_session(port, &beacon))
		return;
	to.sin6_scope_id = port->link.ifindex;
	if (order < 0) {
		to.sin6_port = beacon.port;
		session_connect(port, &to);
		return;
	}
	port->answers.rate = ANSWERS_RATE;
	if (policy_bucket_take(&port->answers, 1, daemon_ticks()))
		send_beacon(port, &to);
}

static int hop_limit(struct msghdr *msg)
{
	struct cmsghdr *cmsg;
	int limit = -1;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg))
		if (cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_HOPLIMIT &&
		    cmsg->cmsg_len == CMSG_LEN(sizeof(limit)))
			memcpy(&limit, CMSG_DATA(cmsg), sizeof(limit));
	return limit;
}

static void on_heard(evutil_socket_t fd, short what, void *data)
{
	char control[CMSG_SPACE(sizeof(int))];
	uint8_t datagram[sizeof(struct discovery_beacon) + 1];
	struct iovec iov = { datagram, sizeof(datagram) };
	struct sockaddr_in6 from;
	struct port *port = data;
	ssize_t len;
	int n;

	(void)what;
	for (n = 0; n < BATCH; n++) {
		struct msghdr msg = {
			.msg_name = &from, .msg_namelen = sizeof(from),
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = control, .msg_controllen = sizeof(control),
		};

		len = recvmsg(fd, &msg, 0);
		if (len < 0)
			return;
		if (msg.msg_namelen == sizeof(from) && from.sin6_family == AF_INET6 &&
		    hop_limit(&msg) == HOP_LIMIT)
			discovery_heard(port, &from, datagram, len);
	}
}

/* --- Where sessions are accepted --- */

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
		      int len, void *data)
{
	const struct sockaddr_in6 *remote = (const struct sockaddr_in6 *)from;

	(void)listener;
	if (len < (int)sizeof(*remote) || remote->sin6_family != AF_INET6 ||
	    !IN6_IS_ADDR_LINKLOCAL(&remote->sin6_addr))
		close(fd);
	else
		session_accept(data, fd, remote);
}

/* Out of file descriptors, most likely: not again and again, but after the next beacon. */
static void on_accept_error(struct evconnlistener *listener, void *data)
{
	struct port *port = data;

	log_warning("%s: a connection can't be accepted: %s", port->link.name, strerror(errno));
	evconnlistener_disable(listener);
}

static int open_listener(struct port *port, struct cs_error *error)
{
	struct sockaddr_in6 local = { .sin6_family = AF_INET6 };
	int rc;

	local.sin6_port = htons(port->daemon->config.sessions.tcp_port);
	local.sin6_scope_id = port->link.ifindex;
	memcpy(&local.sin6_addr, port->link.local, sizeof(local.sin6_addr));
	port->listener = evconnlistener_new_bind(port->daemon->base, on_accept, port,
						 LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
						 LEV_OPT_REUSEABLE, LISTEN_BACKLOG,
						 (struct sockaddr *)&local, sizeof(local));
	if (!port->listener) {
		rc = errno ? -errno : -EIO;
		return cs_error_set(error, rc, "TCP port %u can't be opened for sessions: %s",
				    port->daemon->config.sessions.tcp_port, strerror(-rc));
	}
	evconnlistener_set_error_cb(port->listener, on_accept_error);
	return 0;
}

/**
 * discovery_open() - look for neighbours, and be found
 * @port: where; its link is up and has a link-local address
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int discovery_open(struct port *port, struct cs_error *error)
{
	struct event_base *base = port->daemon->base;
	int rc;

	port->udp = open_udp(port, error);
	if (port->udp < 0) {
		rc = port->udp;
		port->udp = -1;
		return rc;
	}
	rc = open_listener(port, error);
	if (rc) {
		discovery_close(port);
		return rc;
	}
	port->heard = event_new(base, port->udp, EV_READ | EV_PERSIST, on_heard, port);
	port->beacon = evtimer_new(base, on_beacon, port);
	if (!port->heard || !port->beacon || event_add(port->heard, NULL)) {
		discovery_close(port);
		return cs_error_set(error, -ENOMEM, "out of memory");
	}
	port->beacons = 0;
	schedule_beacon(port, QUICK_MSEC / 3);
	return 0;
}

/**
 * discovery_close() - no longer look for neighbours
 * @port: where; sessions go on
 */
void discovery_close(struct port *port)
{
	if (port->heard)
		event_free(port->heard);
	if (port->beacon)
		event_free(port->beacon);
	if (port->listener)
		evconnlistener_free(port->listener);
	if (port->udp >= 0)
		close(port->udp);
	port->heard = NULL;
	port->beacon = NULL;
	port->listener = NULL;
	port->udp = -1;
}
