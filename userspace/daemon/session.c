// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions: TLS 1.3 (RFC 8446) with mutual authentication, over link-local TCP.
 *
 *	connect or accept ─ TLS, trust judges ─ HELLO both ways ─ peer_up() ─ letters ─ BYE
 *	└──────────────── at most 10 seconds ──────────────┘
 *
 * The certificate of the other side is judged by trust while TLS shakes hands, so a stranger gets
 * nothing but an alert. There are no tickets and no resumption: a session is a handshake, and
 * the keys that are exported from it (RFC 8446, 7.5; RFC 5705) are its own.
 *
 * A letter is four bytes of length, big-endian, and one CBOR array (proto.c). Of what comes in at
 * most one letter waits in memory, 4 KiB of it before HELLO; of what goes out at most 8 MiB.
 *
 * The other side is hostile until HELLO: of half-made sessions there are few, few from one source,
 * and none for a while after one from that source failed. When they are too many, the oldest goes:
 * who means it is through within milliseconds.
 *
 * Lifetime: session_close() ends a session at once for everybody else, but its memory is freed by
 * its own timer, from the event loop, so that whoever is in the middle of a letter may go on to
 * hold it. session_send() never closes a session; it dooms it, and the timer closes it.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/sockios.h>
#include <linux/tcp.h>

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>

#include "daemon/log.h"
#include "daemon/peer.h"
#include "daemon/session.h"
#include "lib/utf8.h"

#define HEAD_LEN		4
#define GREETING_MAX		4096		/* bytes of a letter before HELLO */
#define BACKLOG_MAX		(8 * 1024 * 1024)
#define LETTERS_AT_ONCE		64		/* then others have their turn */
#define TURN			10000000ull	/* ns, likewise */
#define ASKS_RATE		16		/* PING, COUNTED and HELLO of a peer, a second */
#define HANDSHAKE_SECONDS	10
#define LINGER_SECONDS		1
#define SESSIONS_MAX		256
#define PENDING_MAX		32		/* half-made ones, of each direction */
#define PENDING_SOURCE_MAX	2		/* of these, accepted from one source */
#define SOURCES			256
#define BACKOFF_MOST		5		/* 1, 2, 4 ... 32 seconds */
#define LOSSY_SEGMENTS		16		/* after so many session_lossy() looks anew */
#define LOSSY_RESENT		4		/* fewer may be a machine that was busy */
#define LOSSY_SHARE		8
#define SECOND			1000000000ull
#define EXPORT_LABEL		"EXPORTER-crowdshare-pairwise"

/**
 * struct source - where sessions failed that never came to a HELLO
 * @address: link-local
 * @ifindex: of its port, 0: free
 * @failures: in a row
 * @until: daemon_ticks() until which nothing is tried with it
 */
struct source {
	struct in6_addr	address;
	uint32_t	ifindex;
	unsigned int	failures;
	uint64_t	until;
};

/**
 * struct sessions - all sessions of a daemon; the SSL_CTX leads to it
 * @list: the newest first
 * @sources: that failed lately
 * @log: bucket of lines about strangers
 */
struct sessions {
	struct session		*list;
	struct source		sources[SOURCES];
	struct policy_bucket	log;
};

static struct sessions *sessions_of(const struct daemon *daemon)
{
	return SSL_CTX_get_app_data(daemon->tls);
}

static SSL *ssl_of(const struct session *session)
{
	return bufferevent_openssl_get_ssl(session->bev);
}

/* How a line of the log calls the other side. */
static const char *label(const struct session *session)
{
	static char text[INET6_ADDRSTRLEN + IFNAMSIZ + 2];
	char address[INET6_ADDRSTRLEN];

	if (session->peer)
		return peer_label(session->peer);
	inet_ntop(AF_INET6, &session->remote.sin6_addr, address, sizeof(address));
	snprintf(text, sizeof(text), "%s%%%s", address,
		 session->port ? session->port->link.name : "?");
	return text;
}

/* --- Sources that failed --- */

static struct source *source_find(struct sessions *all, const struct port *port,
				  const struct sockaddr_in6 *remote)
{
	size_t i;

	for (i = 0; i < SOURCES; i++)
		if (all->sources[i].ifindex == port->link.ifindex &&
		    !memcmp(&all->sources[i].address, &remote->sin6_addr, sizeof(struct in6_addr)))
			return &all->sources[i];
	return NULL;
}

static bool source_waits(struct sessions *all, const struct port *port,
			 const struct sockaddr_in6 *remote)
{
	const struct source *source = source_find(all, port, remote);

	return source && daemon_ticks() < source->until;
}

/* The table is small: who fails from many addresses takes the places of who waits the least. */
static void source_failed(struct sessions *all, const struct port *port,
			  const struct sockaddr_in6 *remote)
{
	struct source *source = source_find(all, port, remote);
	size_t i;

	if (!source) {
		source = &all->sources[0];
		for (i = 0; i < SOURCES; i++)
			if (all->sources[i].until < source->until)
				source = &all->sources[i];
		*source = (struct source){ .address = remote->sin6_addr,
					   .ifindex = port->link.ifindex };
	}
	source->until = daemon_ticks() + (SECOND << source->failures);
	if (source->failures < BACKOFF_MOST)
		source->failures++;
}

static void source_worked(struct sessions *all, const struct port *port,
			  const struct sockaddr_in6 *remote)
{
	struct source *source = source_find(all, port, remote);

	if (source)
		memset(source, 0, sizeof(*source));
}

/* --- The end of a session --- */

static void destroy(struct session *session)
{
	event_free(session->timer);
	event_free(session->turn);
	bufferevent_free(session->bev);
	free(session);
}

static void session_free(struct session *session)
{
	struct session **at = &sessions_of(session->daemon)->list;

	while (*at != session)
		at = &(*at)->next;
	*at = session->next;
	destroy(session);
}

static void free_soon(struct session *session, time_t seconds)
{
	struct timeval wait = { seconds, 0 };

	evtimer_add(session->timer, &wait);
}

/* After the BYE: what comes is thrown away, so that no reset overtakes it. */
static void on_rest(struct bufferevent *bev, void *data)
{
	struct evbuffer *input = bufferevent_get_input(bev);

	(void)data;
	evbuffer_drain(input, evbuffer_get_length(input));
}

static void on_rest_event(struct bufferevent *bev, short what, void *data)
{
	(void)bev;
	(void)what;
	free_soon(data, 0);
}

/* Strangers can't fill the log. */
static void log_end(struct session *session, const char *why)
{
	struct sessions *all = sessions_of(session->daemon);

	if (session->peer)
		log_info("%s: session closed: %s", label(session), why);
	else if (policy_bucket_take(&all->log, 1, daemon_ticks()))
		log_notice("%s: no session: %s", label(session), why);
	else
		log_debug("%s: no session: %s", label(session), why);
}

static void send_bye(struct session *session, const char *why)
{
	struct proto_letter letter = { .type = PROTO_BYE };
	char text[PROTO_TEXT_MAX + 1];
	uint8_t *data;
	size_t len;

	/* it may name what is no text: an interface, a file */
	letter.bye.text = cs_utf8_clean(text, sizeof(text), why);
	letter.bye.len = strlen(text);
	if (proto_encode(&letter, &data, &len))
		return;
	bufferevent_write(session->bev, data, len);
	free(data);
}

/* Ends a session; @bye: the other side is still there to be told. */
static void end(struct session *session, const char *why, bool bye)
{
	if (session->closing)
		return;
	log_end(session, why);
	session->closing = true;
	if (!session->greeted)
		source_failed(sessions_of(session->daemon), session->port, &session->remote);
	if (session->peer)
		peer_down(session);
	session->peer = NULL;
	session->port = NULL;
	bufferevent_setcb(session->bev, on_rest, NULL, on_rest_event, session);
	bye = bye && session->ready;
	if (bye)
		send_bye(session, why);
	free_soon(session, bye ? LINGER_SECONDS : 0);
}

/**
 * session_close() - end a session, and tell the other side why
 * @session: the session; it stays in memory until the event loop goes on
 * @why: the reason
 */
void session_close(struct session *session, const char *why)
{
	end(session, why, true);
}

/**
 * session_close_port() - end all sessions on a port
 * @port: the port
 * @why: the reason
 */
void session_close_port(struct port *port, const char *why)
{
	struct session *session;

	for (session = sessions_of(port->daemon)->list; session; session = session->next)
		if (session->port == port)
			session_close(session, why);
}

/* --- Letters --- */

static void doom(struct session *session, const char *why)
{
	if (session->doom || session->closing)
		return;
	session->doom = why;
	event_active(session->timer, EV_TIMEOUT, 0);
}

/**
 * session_send() - say something
 * @session: the session, or NULL
 * @letter: what
 *
 * Return: 0, -ENOTCONN if nothing more can be said, -EMSGSIZE or another errno of proto_encode().
 */
int session_send(struct session *session, const struct proto_letter *letter)
{
	uint8_t *data;
	size_t len;
	int rc;

	if (!session || !session->ready || session->closing || session->doom)
		return -ENOTCONN;
	rc = proto_encode(letter, &data, &len);
	if (rc)
		return rc;
	if (session_backlog(session) + len > BACKLOG_MAX) {
		rc = -ENOTCONN;
		doom(session, "it reads too slowly: 8 MiB wait for it");
	} else {
		rc = bufferevent_write(session->bev, data, len) ? -ENOMEM : 0;
		session->bytes_out += len;
	}
	free(data);
	return rc;
}

/**
 * session_hello() - say, or say anew, who this is and on which terms
 * @session: the session
 */
void session_hello(struct session *session)
{
	struct daemon *daemon = session->daemon;
	struct proto_letter letter = {
		.type = PROTO_HELLO,
		.hello.version = PROTO_VERSION,
		.hello.terms = session->verdict.state,
		.hello.now = daemon_now(),
	};

	memcpy(letter.hello.lladdr, session->port->link.lladdr, sizeof(letter.hello.lladdr));
	memcpy(letter.hello.boot, daemon->boot, sizeof(letter.hello.boot));
	session_send(session, &letter);
}

/**
 * session_backlog() - bytes that wait to go out
 * @session: the session, or NULL
 *
 * Return: their number.
 */
size_t session_backlog(const struct session *session)
{
	return session ? evbuffer_get_length(bufferevent_get_output(session->bev)) : 0;
}

/**
 * session_lossy() - is so much lost on the way to a neighbour that TCP hardly gets on?
 * @session: the session
 *
 * With a third of all lost, TCP waits for its timers nearly all the time (RFC 6298), and what is
 * sent waits behind what was sent before. Who can, sends in frames then.
 *
 * Return: whether more than one of LOSSY_SHARE segments had to be sent again lately.
 */
bool session_lossy(struct session *session)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	uint32_t resent;

	if (getsockopt(bufferevent_getfd(session->bev), IPPROTO_TCP, TCP_INFO, &info, &len)) {
		session->room = SESSION_BACKLOG;
		return session->lossy;
	}
	if (info.tcpi_segs_out - session->segments >= LOSSY_SEGMENTS) {
		resent = info.tcpi_total_retrans - session->resent;
		session->lossy = resent >= LOSSY_RESENT &&
				 resent * LOSSY_SHARE > info.tcpi_segs_out - session->segments;
		session->segments = info.tcpi_segs_out;
		session->resent = info.tcpi_total_retrans;
		if (session->lossy)
			session->room = SESSION_ROOM;
		else if (session->room < SESSION_BACKLOG)
			session->room *= 2;
	}
	return session->lossy;
}

/**
 * session_crowded() - is as much under way as should be?
 * @session: the session
 *
 * What TCP has taken it brings in its order, at whatever pace. So it gets little before
 * session_lossy() has seen that it gets on, as what could go in frames would wait for minutes.
 *
 * Return: whether to wait with messages.
 */
bool session_crowded(const struct session *session)
{
	int waiting = 0;

	if (ioctl(bufferevent_getfd(session->bev), SIOCOUTQ, &waiting))
		waiting = 0;
	return session_backlog(session) + waiting > session->room;
}

static void schedule_ping(struct session *session)
{
	uint64_t usec = session->daemon->config.sessions.timeout * 1000000ull / 3;
	struct timeval wait = { usec / 1000000, usec % 1000000 };

	evtimer_add(session->timer, &wait);
}

static void on_hello(struct session *session, const struct proto_hello *hello)
{
	struct cs_error error = { "" };

	if (hello->version != PROTO_VERSION) {
		session_close(session, "another version of the protocol");
		return;
	}
	session->hello = *hello;
	if (peer_up(session, &error)) {
		session_close(session, error.text);
		return;
	}
	if (session->closing)
		return;
	session->greeted = true;
	source_worked(sessions_of(session->daemon), session->port, &session->remote);
	schedule_ping(session);
}

/* Said again: only the terms may differ. */
static void on_hello_again(struct session *session, const struct proto_letter *letter)
{
	const struct proto_hello *hello = &letter->hello;

	if (hello->version != session->hello.version ||
	    memcmp(hello->lladdr, session->hello.lladdr, sizeof(hello->lladdr)) ||
	    memcmp(hello->boot, session->hello.boot, sizeof(hello->boot))) {
		session_close(session, "a HELLO that is another one's");
		return;
	}
	session->hello = *hello;
	peer_letter(session, letter);
}

/* What the other side writes is not to play tricks with a terminal. */
static void on_bye(struct session *session, const struct proto_bye *bye)
{
	char text[240];
	size_t i, n;

	n = snprintf(text, sizeof(text), "the other side says: ");
	for (i = 0; i < bye->len && n < sizeof(text) - 1; i++)
		text[n++] = isascii(bye->text[i]) && isprint(bye->text[i]) ? bye->text[i] : '?';
	text[n] = 0;
	end(session, text, false);
}

/* Is it a small letter that has the kernel asked, of which there are too many? */
static bool asks_too_often(struct session *session, enum proto_type type)
{
	struct policy_bucket *asks = &session->peer->asks;

	if (type != PROTO_PING && type != PROTO_COUNTED && type != PROTO_HELLO)
		return false;
	policy_bucket_set(asks, ASKS_RATE, daemon_ticks());
	return !policy_bucket_take(asks, 1, daemon_ticks());
}

static void on_letter(struct session *session, const struct proto_letter *letter)
{
	struct proto_letter pong = { .type = PROTO_PONG };

	if (letter->type == PROTO_BYE) {
		on_bye(session, &letter->bye);
	} else if (session->greeted && asks_too_often(session, letter->type)) {
		session_close(session, "PING, COUNTED or HELLO too often");
	} else if (letter->type == PROTO_HELLO) {
		if (session->greeted)
			on_hello_again(session, letter);
		else
			on_hello(session, &letter->hello);
	} else if (!session->greeted) {
		session_close(session, "it did not say HELLO first");
	} else if (letter->type == PROTO_PING) {
		pong.ping = letter->ping;
		session_send(session, &pong);
		loss_tell(session->peer);
	} else if (letter->type != PROTO_PONG) {
		peer_letter(session, letter);
	}
}

/* Takes one letter out of the buffer; false: there is none, or nothing is heard any more. */
static bool take(struct session *session, struct evbuffer *input)
{
	size_t most = session->greeted ? PROTO_MAX : GREETING_MAX;
	struct cs_error error = { "" };
	struct proto_letter letter;
	uint8_t *data;
	uint32_t len;

	if (session->closing || session->doom || evbuffer_get_length(input) < HEAD_LEN)
		return false;
	evbuffer_copyout(input, &len, sizeof(len));
	len = be32toh(len);
	if (!len || len > most) {
		session_close(session, "a letter of an impossible length");
		return false;
	}
	if (evbuffer_get_length(input) < HEAD_LEN + len)
		return false;
	data = evbuffer_pullup(input, HEAD_LEN + len);
	if (!data) {
		session_close(session, "out of memory");
		return false;
	}
	if (proto_decode(&letter, data + HEAD_LEN, len, &error)) {
		session_close(session, error.text);
		return false;
	}
	session->bytes_in += HEAD_LEN + len;
	on_letter(session, &letter);
	proto_free(&letter);
	evbuffer_drain(input, HEAD_LEN + len);
	return true;
}

/*
 * Some letters of those that wait. The rest has its turn when the event loop has looked at all else
 * that happens: a timer, as what is made active here would come before that.
 */
static void on_turn(evutil_socket_t fd, short what, void *data)
{
	static const struct timeval next;
	struct session *session = data;
	struct evbuffer *input = bufferevent_get_input(session->bev);
	uint64_t began = daemon_ticks();
	unsigned int n = 0;

	(void)fd;
	(void)what;
	while (take(session, input)) {
		if (++n < LETTERS_AT_ONCE && daemon_ticks() - began < TURN)
			continue;
		evtimer_add(session->turn, &next);
		break;
	}
}

static void on_read(struct bufferevent *bev, void *data)
{
	struct session *session = data;

	(void)bev;
	session->heard = daemon_ticks();
	if (!evtimer_pending(session->turn, NULL))
		on_turn(-1, 0, session);
}

/* --- TLS --- */

/* Is the owner of this certificate let in? */
static bool judge(struct session *session, X509 *certificate)
{
	struct daemon *daemon = session->daemon;
	struct trust_verdict *verdict = &session->verdict;
	const char *reason = NULL;

	if (!session->port || identity_of_certificate(certificate, session->public)) {
		reason = "its certificate is not for an Ed25519 key";
	} else {
		identity_address(session->public, session->address);
		trust_judge(daemon->trust, certificate, session->port->config->terms, daemon_now(),
			    verdict);
		if (!memcmp(session->address, daemon->identity.address, CS_ADDR_LEN))
			reason = "it has the key of this node";
		else if (verdict->state == CROWDSHARE_PEER_DENY)
			reason = verdict->reason ? verdict->reason : "denied";
	}
	if (reason)
		snprintf(session->refused, sizeof(session->refused), "%s", reason);
	return !reason;
}

static int on_verify(X509_STORE_CTX *ctx, void *data)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());

	(void)data;
	if (judge(SSL_get_app_data(ssl), X509_STORE_CTX_get0_cert(ctx)))
		return 1;
	X509_STORE_CTX_set_error(ctx, X509_V_ERR_CERT_REJECTED);
	return 0;
}

/**
 * session_certificate() - what the other side showed
 * @session: the session
 *
 * Return: a new reference, or NULL.
 */
X509 *session_certificate(const struct session *session)
{
	return SSL_get1_peer_certificate(ssl_of(session));
}

static void on_ready(struct session *session)
{
	bool lower = daemon_leads(session->daemon, session->address);

	if (SSL_get_verify_result(ssl_of(session)) != X509_V_OK) {
		end(session, "its certificate was not verified", false);
		return;
	}
	session->ready = true;
	if (lower != session->outgoing)
		session_close(session, "the node with the lower address connects");
	else
		session_hello(session);
}

/* Why TLS or TCP ended, as far as it is known. */
static const char *ending(struct session *session, short what)
{
	static char text[256];
	unsigned long code = bufferevent_get_openssl_error(session->bev);
	const char *reason = ERR_reason_error_string(code);
	int err = EVUTIL_SOCKET_ERROR();

	ERR_clear_error();
	if (session->refused[0])
		snprintf(text, sizeof(text), "refused: %s", session->refused);
	else if (code && ERR_GET_REASON(code) != SSL_R_UNEXPECTED_EOF_WHILE_READING && reason)
		snprintf(text, sizeof(text), "TLS failed: %s", reason);
	else if (what & BEV_EVENT_EOF || code || !err)
		snprintf(text, sizeof(text), "the connection was closed by the other side");
	else
		snprintf(text, sizeof(text), "the connection failed: %s", strerror(err));
	return text;
}

static void on_event(struct bufferevent *bev, short what, void *data)
{
	struct session *session = data;
	const char *why;

	if (what & BEV_EVENT_CONNECTED)
		on_ready(session);
	if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
		return;
	why = ending(session, what); /* now: errno tells it */
	/* what was said before is heard, though it had to wait for its turn */
	while (take(session, bufferevent_get_input(bev)))
		;
	end(session, why, false);
}

static void on_timer(evutil_socket_t fd, short what, void *data)
{
	struct proto_letter letter = { .type = PROTO_PING };
	struct session *session = data;
	uint64_t timeout = session->daemon->config.sessions.timeout * SECOND;

	(void)fd;
	(void)what;
	if (session->closing) {
		session_free(session);
	} else if (session->doom) {
		session_close(session, session->doom);
	} else if (!session->greeted) {
		session_close(session, "it did not come to a HELLO within 10 seconds");
	} else if (daemon_ticks() - session->heard > timeout) {
		session_close(session, "nothing was heard of it any more");
	} else {
		letter.ping.seq = session->pings++;
		session_send(session, &letter);
		schedule_ping(session);
	}
}

/* --- The beginning of a session --- */

static SSL *new_ssl(struct session *session)
{
	SSL *ssl = SSL_new(session->daemon->tls);

	if (ssl)
		SSL_set_app_data(ssl, session);
	return ssl;
}

/**
 * session_start() - shake hands on a connection
 * @port: where
 * @fd: of the connection, which may still be under way; belongs to the session, or is closed
 * @remote: the other side
 * @outgoing: this node connected
 *
 * Without the limits that session_connect() and session_accept() hold to.
 *
 * Return: the session, or NULL without memory.
 */
struct session *session_start(struct port *port, int fd, const struct sockaddr_in6 *remote,
			      bool outgoing)
{
	static const struct timeval wait = { HANDSHAKE_SECONDS, 0 };
	struct daemon *daemon = port->daemon;
	struct sessions *all = sessions_of(daemon);
	struct session *session = calloc(1, sizeof(*session));
	SSL *ssl = NULL;
	int on = 1;

	/* on a link that loses a third, few small letters would wait ever longer for their turn */
	setsockopt(fd, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, &on, sizeof(on));
	if (session) {
		*session = (struct session){ .daemon = daemon, .port = port, .remote = *remote,
					     .outgoing = outgoing, .heard = daemon_ticks(),
					     .room = SESSION_ROOM };
		session->timer = evtimer_new(daemon->base, on_timer, session);
		session->turn = evtimer_new(daemon->base, on_turn, session);
		ssl = session->timer && session->turn ? new_ssl(session) : NULL;
	}
	if (ssl)
		session->bev = bufferevent_openssl_socket_new(daemon->base, fd, ssl, outgoing ?
							      BUFFEREVENT_SSL_CONNECTING :
							      BUFFEREVENT_SSL_ACCEPTING,
							      BEV_OPT_CLOSE_ON_FREE);
	if (!session || !session->bev) {
		if (session && session->timer)
			event_free(session->timer);
		if (session && session->turn)
			event_free(session->turn);
		free(session);
		if (!ssl) /* else libevent may have closed it already */
			close(fd);
		return NULL;
	}
	session->next = all->list;
	all->list = session;
	evtimer_add(session->timer, &wait);
	bufferevent_setcb(session->bev, on_read, NULL, on_event, session);
	bufferevent_setwatermark(session->bev, EV_READ, 0, HEAD_LEN + PROTO_MAX);
	bufferevent_enable(session->bev, EV_READ | EV_WRITE);
	return session;
}

/**
 * struct tally - how many sessions there are
 * @all: in memory
 * @pending: half-made, of the direction that was asked for
 * @source: of @pending, with one source
 * @oldest: of @pending
 */
struct tally {
	size_t		all;
	size_t		pending;
	size_t		source;
	struct session	*oldest;
};

static struct tally count(const struct port *port, const struct sockaddr_in6 *remote,
			  bool outgoing)
{
	struct tally tally = { 0 };
	struct session *session;

	for (session = sessions_of(port->daemon)->list; session; session = session->next) {
		tally.all++;
		if (session->closing || session->greeted || session->outgoing != outgoing)
			continue;
		tally.pending++;
		tally.oldest = session;
		tally.source += session->port == port &&
				!memcmp(&session->remote.sin6_addr, &remote->sin6_addr,
					sizeof(remote->sin6_addr));
	}
	return tally;
}

/**
 * session_pending() - is this node connecting to that address?
 * @port: where
 * @remote: the address
 *
 * Return: whether it is.
 */
bool session_pending(const struct port *port, const struct sockaddr_in6 *remote)
{
	return count(port, remote, true).source;
}

static int open_socket(const struct sockaddr_in6 *remote)
{
	int fd, on = 1;

	fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* letters are small, and answers wait for them */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (const struct sockaddr *)remote, sizeof(*remote)) && errno != EINPROGRESS) {
		on = -errno;
		close(fd);
		return on;
	}
	return fd;
}

/**
 * session_connect() - make a session with a neighbour
 * @port: where
 * @remote: its address and TCP port
 *
 * Nothing happens when one is being made, when there are too many sessions, or when the last one
 * failed just now.
 */
void session_connect(struct port *port, const struct sockaddr_in6 *remote)
{
	struct sessions *all = sessions_of(port->daemon);
	struct tally tally = count(port, remote, true);
	int fd;

	if (tally.source || tally.all >= SESSIONS_MAX || source_waits(all, port, remote))
		return;
	fd = open_socket(remote);
	if (fd < 0)
		log_debug("%s: can't connect to a neighbour: %s", port->link.name, strerror(-fd));
	else if (tally.pending >= PENDING_MAX)
		session_close(tally.oldest, "too many others are half-made");
	if (fd < 0 || !session_start(port, fd, remote, true))
		source_failed(all, port, remote);
}

/**
 * session_accept() - make a session with a neighbour that connected
 * @port: where
 * @fd: of the connection; belongs to the session, or is closed
 * @remote: where from
 */
void session_accept(struct port *port, int fd, const struct sockaddr_in6 *remote)
{
	struct sessions *all = sessions_of(port->daemon);
	struct tally tally = count(port, remote, false);
	int on = 1;

	if (tally.source >= PENDING_SOURCE_MAX || tally.all >= SESSIONS_MAX ||
	    source_waits(all, port, remote)) {
		close(fd);
		return;
	}
	if (tally.pending >= PENDING_MAX)
		session_close(tally.oldest, "too many others are half-made");
	evutil_make_socket_nonblocking(fd);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	session_start(port, fd, remote, false);
}

/* --- What all sessions have in common --- */

static const char *openssl_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return reason ? reason : "unknown error";
}

static bool set_up(SSL_CTX *tls)
{
	SSL_CTX_set_options(tls, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(tls, on_verify, NULL);
	return SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) &&
	       SSL_CTX_set_max_proto_version(tls, TLS1_3_VERSION) &&
	       SSL_CTX_set_num_tickets(tls, 0);
}

/**
 * session_init() - get ready to make sessions
 * @daemon: whose; its identity is open
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int session_init(struct daemon *daemon, struct cs_error *error)
{
	struct sessions *all = calloc(1, sizeof(*all));

	daemon->tls = SSL_CTX_new(TLS_method());
	if (!all || !daemon->tls || !set_up(daemon->tls)) {
		SSL_CTX_free(daemon->tls);
		daemon->tls = NULL;
		free(all);
		return cs_error_set(error, -EIO, "TLS can't be set up: %s", openssl_reason());
	}
	all->log.rate = 2;
	SSL_CTX_set_app_data(daemon->tls, all);
	return session_reload(daemon, error);
}

/**
 * session_reload() - show the certificate that the identity has now
 * @daemon: whose
 * @error: gets the reason of a failure
 *
 * Who failed may try again at once: trust may have changed as well.
 *
 * Return: 0 or a negative errno.
 */
int session_reload(struct daemon *daemon, struct cs_error *error)
{
	struct sessions *all = sessions_of(daemon);

	memset(all->sources, 0, sizeof(all->sources));
	if (SSL_CTX_use_certificate(daemon->tls, daemon->identity.certificate) != 1 ||
	    SSL_CTX_use_PrivateKey(daemon->tls, daemon->identity.key) != 1)
		return cs_error_set(error, -EINVAL, "TLS can't use the key of this node: %s",
				    openssl_reason());
	return 0;
}

/* The loop has ended: what a BYE needs is given to the socket here, as far as it takes it. */
static void flush(struct session *session)
{
	struct evbuffer *output = bufferevent_get_output(session->bev);
	size_t len = evbuffer_get_length(output);
	const void *data = evbuffer_pullup(output, -1);

	if (session->ready && len && len <= INT_MAX && data)
		SSL_write(ssl_of(session), data, len);
	ERR_clear_error();
}

/**
 * session_exit() - end all sessions
 * @daemon: whose; peers and ports are gone
 */
void session_exit(struct daemon *daemon)
{
	struct session *session, *next;
	struct sessions *all;

	if (!daemon->tls)
		return;
	all = sessions_of(daemon);
	for (session = all->list; session; session = next) {
		next = session->next;
		flush(session);
		destroy(session);
	}
	free(all);
	SSL_CTX_free(daemon->tls);
	daemon->tls = NULL;
}

/**
 * session_export() - a pairwise key
 * @session: a session on which both said HELLO
 * @epoch: of the key
 * @from: address of the side that makes tags with it
 * @key: gets the key
 *
 * Return: 0 or -EIO.
 */
int session_export(const struct session *session, uint32_t epoch,
		   const uint8_t from[CS_ADDR_LEN], uint8_t key[CS_KEY_LEN])
{
	uint8_t context[sizeof(epoch) + CS_ADDR_LEN];

	epoch = htobe32(epoch);
	memcpy(context, &epoch, sizeof(epoch));
	memcpy(context + sizeof(epoch), from, CS_ADDR_LEN);
	if (SSL_export_keying_material(ssl_of(session), key, CS_KEY_LEN, EXPORT_LABEL,
				       strlen(EXPORT_LABEL), context, sizeof(context), 1) == 1)
		return 0;
	ERR_clear_error();
	return -EIO;
}
