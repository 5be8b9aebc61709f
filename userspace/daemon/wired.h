/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Connections between a gateway and an ingest: TLS 1.3 over the wired network. See wired.c.
 */
#ifndef CSD_WIRED_H
#define CSD_WIRED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>
#include <openssl/ssl.h>

#include "daemon/identity.h"
#include "daemon/proto.h"

#define WIRED_BACKLOG	(4 << 20)	/* bytes that may wait for the other side to read them */

struct wired;

/**
 * struct wired_ops - what happens on a connection
 * @ready: TLS has proven who is there; wired_close() may be called
 * @letter: a letter came; wired_close() may be called
 * @closed: it is over, not by wired_close(); the connection is not to be used any more
 *
 * What a letter points to is valid until @letter returns.
 */
struct wired_ops {
	void (*ready)(void *data, const uint8_t public[IDENTITY_PUBLIC_LEN]);
	void (*letter)(void *data, const struct proto_letter *letter);
	void (*closed)(void *data, const char *why);
};

/**
 * struct wired_limits - how long the other side may take
 * @handshake: seconds to prove who it is
 * @letter: seconds to say a letter, once it has begun
 * @idle: seconds of silence
 * @rate: bytes a second taken, 0: no limit
 */
struct wired_limits {
	unsigned int	handshake;
	unsigned int	letter;
	unsigned int	idle;
	size_t		rate;
};

SSL_CTX *wired_tls(const struct identity *identity, struct cs_error *error);
struct wired *wired_new(struct event_base *base, SSL_CTX *tls, int fd, bool server,
			const struct wired_limits *limits, const struct wired_ops *ops,
			void *data);
int wired_send(struct wired *wired, const struct proto_letter *letter);
size_t wired_backlog(const struct wired *wired);
void wired_close(struct wired *wired, const char *why);
void wired_free(struct wired *wired);

#endif /* CSD_WIRED_H */
