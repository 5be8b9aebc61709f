// SPDX-License-Identifier: GPL-2.0
/*
 * Connections between a gateway and an ingest: TLS 1.3 (RFC 8446) over the wired network, with the
 * letters of sessions (proto.c): four bytes of length, big-endian, and one CBOR array.
 *
 * Both sides show the certificate of an Ed25519 key. Nobody vouches for it here: the key is what
 * receipts bear, the gateway's as who delivered, the ingest's as who received; whether it is the
 * right one the owner of the connection judges. ALPN (RFC 7301) names the protocol, so that no
 * session between neighbours can be led here, or the other way round.
 *
 * The other side is hostile. Of what comes in at most one letter waits in memory; what goes out is
 * bounded by WIRED_BACKLOG; a handshake, a letter and a silence may take so long and no longer.
 *
 * Lifetime: wired_close() ends a connection for its owner, who forgets it then; the last word
 * leaves within a second, and its own timer frees it. Before @closed is called it is over likewise.
 */
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>

#include "daemon/log.h"
#include "daemon/wired.h"

#define HEAD_LEN	4
#define LINGER_SECONDS	1

/* as on the wire: its length in front */
static const unsigned char alpn[] = "\023crowdshare-ingest/1";

/**
 * struct wired - a connection
 * @bev: the connection
 * @limits: of time
 * @rate: of bytes, NULL: none
 * @ops: what happens is told to
 * @data: for @ops
 * @timer: the next thing that takes too long; or the end
 * @ready: TLS has proven who is there
 * @partial: a letter has begun to come
 * @closing: nothing more is said or heard
 */
struct wired {
	struct bufferevent			*bev;
	struct wired_limits			limits;
	struct ev_token_bucket_cfg		*rate;
	const struct wired_ops			*ops;
	void					*data;
	struct event				*timer;
	bool					ready;
	bool					partial;
	bool					closing;
};

static void timer_in(struct wired *wired, unsigned int seconds)
{
	struct timeval wait = { seconds, 0 };

	evtimer_add(wired->timer, &wait);
}

/**
 * wired_free() - free a connection at once, as when the event loop has ended
 * @wired: the connection; not to be called from its own callbacks
 */
void wired_free(struct wired *wired)
{
	if (wired->timer)
		event_free(wired->timer);
	if (wired->bev)
		bufferevent_free(wired->bev);
	if (wired->rate)
		ev_token_bucket_cfg_free(wired->rate);
	free(wired);
}

/* After the last word: what comes is thrown away, so that no reset overtakes it. */
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
	timer_in(data, 0);
}

static void send_bye(struct wired *wired, const char *why)
{
	struct proto_letter letter = { .type = PROTO_BYE };
	uint8_t *data;
	size_t len;

	letter.bye.text = why;
	letter.bye.len = strnlen(why, PROTO_TEXT_MAX);
	if (proto_encode(&letter, &data, &len))
		return;
	bufferevent_write(wired->bev, data, len);
	free(data);
}

static void end(struct wired *wired, const char *bye)
{
	wired->closing = true;
	bufferevent_setcb(wired->bev, on_rest, NULL, on_rest_event, wired);
	if (bye && wired->ready)
		send_bye(wired, bye);
	timer_in(wired, bye && wired->ready ? LINGER_SECONDS : 0);
}

/**
 * wired_close() - end a connection, and tell the other side why
 * @wired: the connection; its owner forgets it
 * @why: the reason
 */
void wired_close(struct wired *wired, const char *why)
{
	if (!wired->closing)
		end(wired, why);
}

/* It ends for its owner, too. */
static void over(struct wired *wired, const char *why, bool bye)
{
	if (wired->closing)
		return;
	end(wired, bye ? why : NULL);
	wired->ops->closed(wired->data, why);
}

/**
 * wired_backlog() - bytes that wait to go out
 * @wired: the connection
 *
 * Return: their number.
 */
size_t wired_backlog(const struct wired *wired)
{
	return evbuffer_get_length(bufferevent_get_output(wired->bev));
}

/**
 * wired_send() - say something
 * @wired: the connection
 * @letter: what
 *
 * Return: 0; -ENOTCONN: it is over; -ENOBUFS: the other side does not read; an errno of
 * proto_encode().
 */
int wired_send(struct wired *wired, const struct proto_letter *letter)
{
	uint8_t *data;
	size_t len;
	int rc;

	if (!wired->ready || wired->closing)
		return -ENOTCONN;
	rc = proto_encode(letter, &data, &len);
	if (rc)
		return rc;
	if (wired_backlog(wired) + len > WIRED_BACKLOG)
		rc = -ENOBUFS;
	else
		rc = bufferevent_write(wired->bev, data, len) ? -ENOMEM : 0;
	free(data);
	return rc;
}

/* What the other side writes is not to play tricks with a terminal. */
static void on_bye(struct wired *wired, const struct proto_bye *bye)
{
	char text[240];
	size_t i, n;

	n = snprintf(text, sizeof(text), "the other side says: ");
	for (i = 0; i < bye->len && n < sizeof(text) - 1; i++)
		text[n++] = isascii(bye->text[i]) && isprint(bye->text[i]) ? bye->text[i] : '?';
	text[n] = 0;
	over(wired, text, false);
}

/* Takes one letter out of the buffer; false: there is none, or nothing is heard any more. */
static bool take(struct wired *wired, struct evbuffer *input)
{
	struct cs_error error = { "" };
	struct proto_letter letter;
	uint8_t *data;
	uint32_t len;

	if (wired->closing || evbuffer_get_length(input) < HEAD_LEN)
		return false;
	evbuffer_copyout(input, &len, sizeof(len));
	len = be32toh(len);
	if (!len || len > PROTO_MAX) {
		over(wired, "a letter of an impossible length", true);
		return false;
	}
	if (evbuffer_get_length(input) < HEAD_LEN + len)
		return false;
	data = evbuffer_pullup(input, HEAD_LEN + len);
	if (!data || proto_decode(&letter, data + HEAD_LEN, len, &error)) {
		over(wired, data ? error.text : "out of memory", true);
		return false;
	}
	if (letter.type == PROTO_BYE)
		on_bye(wired, &letter.bye);
	else
		wired->ops->letter(wired->data, &letter);
	proto_free(&letter);
	if (!wired->closing)
		evbuffer_drain(input, HEAD_LEN + len);
	return !wired->closing;
}

/* A letter under way has to be whole in time; the time does not begin anew with each byte. */
static void on_read(struct bufferevent *bev, void *data)
{
	struct evbuffer *input = bufferevent_get_input(bev);
	struct wired *wired = data;
	bool partial = wired->partial;

	while (take(wired, input))
		partial = false;
	if (wired->closing)
		return;
	wired->partial = evbuffer_get_length(input);
	if (!wired->partial)
		timer_in(wired, wired->limits.idle);
	else if (!partial)
		timer_in(wired, wired->limits.letter);
}

static SSL *ssl_of(const struct wired *wired)
{
	return bufferevent_openssl_get_ssl(wired->bev);
}

static void on_connected(struct wired *wired)
{
	X509 *certificate = SSL_get1_peer_certificate(ssl_of(wired));
	uint8_t public[IDENTITY_PUBLIC_LEN];
	const unsigned char *chosen;
	unsigned int len;
	int rc;

	rc = identity_of_certificate(certificate, public);
	X509_free(certificate);
	SSL_get0_alpn_selected(ssl_of(wired), &chosen, &len);
	if (rc)
		over(wired, "its certificate is not for an Ed25519 key", false);
	else if (len != alpn[0] || memcmp(chosen, alpn + 1, len))
		over(wired, "it does not speak the protocol of an ingest", false);
	if (wired->closing)
		return;
	wired->ready = true;
	timer_in(wired, wired->limits.idle);
	wired->ops->ready(wired->data, public);
}

/* Why TLS or TCP ended, as far as it is known. */
static const char *ending(struct wired *wired, short what)
{
	static char text[256];
	unsigned long code = bufferevent_get_openssl_error(wired->bev);
	const char *reason = ERR_reason_error_string(code);
	struct sockaddr_storage remote;
	socklen_t len = sizeof(remote);
	int err = EVUTIL_SOCKET_ERROR();

	ERR_clear_error();
	/* of a connection that was never made libevent has lost the reason */
	if (!wired->ready && getpeername(bufferevent_getfd(wired->bev),
					 (struct sockaddr *)&remote, &len))
		snprintf(text, sizeof(text), "it can't be reached, or nobody listens there");
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
	struct wired *wired = data;

	(void)bev;
	if (what & BEV_EVENT_CONNECTED)
		on_connected(wired);
	else if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		over(wired, ending(wired, what), false);
}

static void on_timer(evutil_socket_t fd, short what, void *data)
{
	struct wired *wired = data;

	(void)fd;
	(void)what;
	if (wired->closing)
		wired_free(wired);
	else if (!wired->ready)
		over(wired, "it did not prove who it is in time", false);
	else if (evbuffer_get_length(bufferevent_get_input(wired->bev)))
		over(wired, "a letter took too long", true);
	else
		over(wired, "nothing was heard of it any more", true);
}

static bool set_rate(struct wired *wired)
{
	if (!wired->limits.rate)
		return true;
	wired->rate = ev_token_bucket_cfg_new(wired->limits.rate, wired->limits.rate,
					      EV_RATE_LIMIT_MAX, EV_RATE_LIMIT_MAX, NULL);
	return wired->rate && !bufferevent_set_rate_limit(wired->bev, wired->rate);
}

/**
 * wired_new() - shake hands on a connection
 * @base: event loop
 * @tls: of wired_tls(), must stay
 * @fd: of the connection, which may still be under way; belongs to the connection, or is closed
 * @server: the other side connected
 * @limits: how long it may take
 * @ops: what happens is told to
 * @data: for @ops
 *
 * Return: the connection, or NULL without memory.
 */
struct wired *wired_new(struct event_base *base, SSL_CTX *tls, int fd, bool server,
			const struct wired_limits *limits, const struct wired_ops *ops,
			void *data)
{
	struct wired *wired = calloc(1, sizeof(*wired));
	SSL *ssl = NULL;

	if (wired) {
		wired->limits = *limits;
		wired->ops = ops;
		wired->data = data;
		wired->timer = evtimer_new(base, on_timer, wired);
		ssl = wired->timer ? SSL_new(tls) : NULL;
	}
	if (ssl)
		wired->bev = bufferevent_openssl_socket_new(base, fd, ssl, server ?
							    BUFFEREVENT_SSL_ACCEPTING :
							    BUFFEREVENT_SSL_CONNECTING,
							    BEV_OPT_CLOSE_ON_FREE);
	if (!wired || !wired->bev || !set_rate(wired)) {
		if (!ssl) /* else libevent may have closed it already */
			close(fd);
		if (wired)
			wired_free(wired);
		return NULL;
	}
	bufferevent_setcb(wired->bev, on_read, NULL, on_event, wired);
	bufferevent_setwatermark(wired->bev, EV_READ, 0, HEAD_LEN + PROTO_MAX);
	bufferevent_enable(wired->bev, EV_READ | EV_WRITE);
	timer_in(wired, limits->handshake);
	return wired;
}

/* --- What all connections have in common --- */

/* Any Ed25519 key will do to shake hands; who it is the owner of the connection judges. */
static int on_verify(X509_STORE_CTX *ctx, void *data)
{
	uint8_t public[IDENTITY_PUBLIC_LEN];

	(void)data;
	if (!identity_of_certificate(X509_STORE_CTX_get0_cert(ctx), public))
		return 1;
	X509_STORE_CTX_set_error(ctx, X509_V_ERR_CERT_REJECTED);
	return 0;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *len,
		   const unsigned char *in, unsigned int in_len, void *data)
{
	unsigned char *chosen;

	(void)ssl;
	(void)data;
	if (SSL_select_next_proto(&chosen, len, alpn, sizeof(alpn) - 1, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static bool set_up(SSL_CTX *tls, const struct identity *identity)
{
	SSL_CTX_set_options(tls, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(tls, on_verify, NULL);
	SSL_CTX_set_alpn_select_cb(tls, on_alpn, NULL);
	return SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) &&
	       SSL_CTX_set_max_proto_version(tls, TLS1_3_VERSION) &&
	       SSL_CTX_set_num_tickets(tls, 0) &&
	       !SSL_CTX_set_alpn_protos(tls, alpn, sizeof(alpn) - 1) &&
	       SSL_CTX_use_certificate(tls, identity->certificate) == 1 &&
	       SSL_CTX_use_PrivateKey(tls, identity->key) == 1;
}

/**
 * wired_tls() - what all connections of a node have in common
 * @identity: of the node
 * @error: gets the reason of a failure
 *
 * Return: to be freed with SSL_CTX_free(), or NULL.
 */
SSL_CTX *wired_tls(const struct identity *identity, struct cs_error *error)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_method());
	const char *reason;

	if (tls && set_up(tls, identity))
		return tls;
	reason = ERR_reason_error_string(ERR_peek_last_error());
	cs_error_set(error, -EIO, "TLS can't be set up: %s", reason ? reason : "unknown error");
	ERR_clear_error();
	SSL_CTX_free(tls);
	return NULL;
}
