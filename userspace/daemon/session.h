/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sessions: TLS 1.3 with mutual authentication, over link-local TCP. See session.c.
 */
#ifndef CSD_SESSION_H
#define CSD_SESSION_H

#include <netinet/in.h>

#include <event2/bufferevent.h>

#include "daemon/daemon.h"
#include "daemon/port.h"
#include "daemon/proto.h"

/* Letters may wait in a session's buffer; who has much to say waits until it is below this. */
#define SESSION_BACKLOG (256 * 1024)
#define SESSION_ROOM (16 * 1024)	/* before it has shown that it gets on */

/**
 * struct session - a connection to a neighbour
 * @next: in the list of all sessions (session.c)
 * @daemon: whose it is
 * @port: where the neighbour is
 * @peer: who it is, once both said HELLO; NULL before
 * @bev: the connection
 * @outgoing: this node connected
 * @ready: TLS has proven who is there
 * @closing: a BYE is on its way, nothing more is said or heard
 * @doom: why it is to be closed as soon as nobody uses it, NULL: it is not
 * @refused: why TLS did not let the neighbour in
 * @remote: the neighbour's link-local address and port
 * @public: its public key, once TLS has proven it
 * @address: the hash of @public
 * @verdict: what trust says of it
 * @hello: what it said first, or said anew since
 * @greeted: @hello holds
 * @timer: handshake time-out, then pings, then the end
 * @turn: timer of the letters that wait in the buffer, having been too many to be taken at once
 * @pings: how many were sent
 * @heard: daemon_ticks() when the last letter came
 * @bytes_in: of letters
 * @bytes_out: of letters
 * @lossy: what session_lossy() found when it looked last
 * @segments: of TCP that had been sent then
 * @resent: of TCP that had been sent again then
 * @room: bytes of messages that may be under way: more each time that nothing much was lost
 */
struct session {
	struct session		*next;
	struct daemon		*daemon;
	struct port		*port;
	struct peer		*peer;
	struct bufferevent	*bev;
	bool			outgoing;
	bool			ready;
	bool			closing;
	const char		*doom;
	char			refused[160];
	struct sockaddr_in6	remote;
	uint8_t			public[IDENTITY_PUBLIC_LEN];
	uint8_t			address[CS_ADDR_LEN];
	struct trust_verdict	verdict;
	struct proto_hello	hello;
	bool			greeted;
	struct event		*timer;
	struct event		*turn;
	uint64_t		pings;
	uint64_t		heard;
	uint64_t		bytes_in;
	uint64_t		bytes_out;
	bool			lossy;
	uint32_t		segments;
	uint32_t		resent;
	size_t			room;
};

int session_init(struct daemon *daemon, struct cs_error *error);
void session_exit(struct daemon *daemon);
int session_reload(struct daemon *daemon, struct cs_error *error);
void session_connect(struct port *port, const struct sockaddr_in6 *remote);
void session_accept(struct port *port, int fd, const struct sockaddr_in6 *remote);
struct session *session_start(struct port *port, int fd, const struct sockaddr_in6 *remote,
			      bool outgoing);
bool session_pending(const struct port *port, const struct sockaddr_in6 *remote);
void session_close(struct session *session, const char *why);
void session_close_port(struct port *port, const char *why);

/* -ENOTCONN, also for NULL: nothing more can be said */
int session_send(struct session *session, const struct proto_letter *letter);
void session_hello(struct session *session);
size_t session_backlog(const struct session *session);
bool session_lossy(struct session *session);
bool session_crowded(const struct session *session);
X509 *session_certificate(const struct session *session);
int session_export(const struct session *session, uint32_t epoch,
		   const uint8_t from[CS_ADDR_LEN], uint8_t key[CS_KEY_LEN]);

#endif /* CSD_SESSION_H */
