/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bare OpenSSL over the loopback, what sessions are compared with. See tls.c.
 */
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include <stddef.h>

#include <openssl/ssl.h>

#include "daemon/identity.h"

/**
 * struct tls_pair - a connection and its two ends
 * @ssl: the ends, the client's first
 */
struct tls_pair {
	struct ssl_st	*ssl[2];
};

void tls_connection(int fds[2]);
SSL_CTX *tls_context(const struct identity *identity);
void tls_open(struct tls_pair *pair, SSL_CTX *client, SSL_CTX *server);
void tls_close(struct tls_pair *pair);
void tls_pass(struct tls_pair *pair, int from, const void *data, void *to, size_t len);

#endif /* BENCH_TLS_H */
