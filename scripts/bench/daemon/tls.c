// SPDX-License-Identifier: GPL-2.0
/*
 * Bare OpenSSL over the loopback, what sessions are compared with: TLS 1.3 with the same kind of
 * certificates and the same settings as session.c, both ends in one thread, and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "bench.h"
#include "tls.h"

#define PIECE	(64 * 1024)

static void must(int rc, const char *what)
{
	if (rc < 0)
		bench_die(what, strerror(errno));
}

static int listener(struct sockaddr_in6 *address)
{
	socklen_t len = sizeof(*address);
	int fd;

	*address = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(fd, "socket");
	must(bind(fd, (struct sockaddr *)address, len), "bind");
	must(listen(fd, 16), "listen");
	must(getsockname(fd, (struct sockaddr *)address, &len), "getsockname");
	return fd;
}

static void prepare(int fd)
{
	int on = 1;

	must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), "TCP_NODELAY");
	must(fcntl(fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
}

/**
 * tls_connection() - a TCP connection over the loopback
 * @fds: gets its ends, who connected first
 */
void tls_connection(int fds[2])
{
	static struct sockaddr_in6 address;
	static int fd = -1;

	if (fd < 0)
		fd = listener(&address);
	fds[0] = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(fds[0], "socket");
	must(connect(fds[0], (struct sockaddr *)&address, sizeof(address)), "connect");
	fds[1] = accept(fd, NULL, NULL);
	must(fds[1], "accept");
	prepare(fds[0]);
	prepare(fds[1]);
}

static int on_verify(X509_STORE_CTX *ctx, void *data)
{
	(void)ctx;
	(void)data;
	return 1;
}

static void __attribute__((noreturn)) tls_die(const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	bench_die(what, reason ? reason : "unknown error");
}

/**
 * tls_context() - the settings of a side
 * @identity: who it is
 *
 * Return: the settings, for SSL_CTX_free().
 */
SSL_CTX *tls_context(const struct identity *identity)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_method());

	if (!tls)
		tls_die("TLS");
	SSL_CTX_set_options(tls, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
			      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(tls, on_verify, NULL);
	if (!SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) ||
	    !SSL_CTX_set_max_proto_version(tls, TLS1_3_VERSION) ||
	    !SSL_CTX_set_num_tickets(tls, 0) ||
	    SSL_CTX_use_certificate(tls, identity->certificate) != 1 ||
	    SSL_CTX_use_PrivateKey(tls, identity->key) != 1)
		tls_die("TLS");
	return tls;
}

static SSL *end_of(SSL_CTX *tls, int fd)
{
	SSL *ssl = SSL_new(tls);

	if (!ssl || SSL_set_fd(ssl, fd) != 1)
		tls_die("TLS");
	return ssl;
}

/* Tells whether it is done; there may be nothing to read, or no room to write. */
static bool step(SSL *ssl, int rc, const char *what)
{
	int error;

	if (rc > 0)
		return true;
	error = SSL_get_error(ssl, rc);
	if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
		tls_die(what);
	return false;
}

/**
 * tls_open() - connect, and shake hands
 * @pair: gets the connection
 * @client: who connects
 * @server: who accepts
 */
void tls_open(struct tls_pair *pair, SSL_CTX *client, SSL_CTX *server)
{
	bool done[2] = { false, false };
	int fds[2], i;

	tls_connection(fds);
	pair->ssl[0] = end_of(client, fds[0]);
	pair->ssl[1] = end_of(server, fds[1]);
	SSL_set_connect_state(pair->ssl[0]);
	SSL_set_accept_state(pair->ssl[1]);
	while (!done[0] || !done[1])
		for (i = 0; i < 2; i++)
			if (!done[i])
				done[i] = step(pair->ssl[i], SSL_do_handshake(pair->ssl[i]),
					       "handshake");
}

/**
 * tls_close() - end a connection
 * @pair: the connection
 */
void tls_close(struct tls_pair *pair)
{
	int i, fd;

	for (i = 0; i < 2; i++) {
		fd = SSL_get_fd(pair->ssl[i]);
		SSL_free(pair->ssl[i]);
		close(fd);
	}
}

/**
 * tls_pass() - bytes from one end to the other
 * @pair: the connection
 * @from: which end sends
 * @data: the bytes
 * @to: gets them
 * @len: their number
 */
void tls_pass(struct tls_pair *pair, int from, const void *data, void *to, size_t len)
{
	SSL *out = pair->ssl[from], *in = pair->ssl[!from];
	size_t sent = 0, got = 0, n;

	while (got < len) {
		n = len - sent < PIECE ? len - sent : PIECE;
		if (n && step(out, SSL_write_ex(out, (const char *)data + sent, n, &n), "write"))
			sent += n;
		while (got < sent &&
		       step(in, SSL_read_ex(in, (char *)to + got, len - got, &n), "read"))
			got += n;
	}
}
