/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The gateway: pushes messages onto the wired network, to the ingest at their destination. See
 * gateway.c for what goes where, gateway_link.c for how, gateway_net.c for whether at all.
 */
#ifndef CSD_GATEWAY_H
#define CSD_GATEWAY_H

#include <stdio.h>

#include <jansson.h>

#include "daemon/daemon.h"
#include "daemon/idset.h"
#include "daemon/proto.h"
#include "daemon/wired.h"

#define GATEWAY_WHY	160

/*
 * GATEWAY_STATE(NAME, "name")
 */
#define GATEWAY_STATE_LIST(GATEWAY_STATE) \
	GATEWAY_STATE(IDLE, "idle") \
	GATEWAY_STATE(CONNECTING, "connecting") \
	GATEWAY_STATE(UP, "up") \
	GATEWAY_STATE(WAITING, "waiting")

enum gateway_state {
#define GATEWAY_STATE_ENUM(name, string) GATEWAY_##name,
	GATEWAY_STATE_LIST(GATEWAY_STATE_ENUM)
#undef GATEWAY_STATE_ENUM
};

/**
 * struct gateway_batch - messages that were brought, and not answered yet
 * @next: in the list of those of a target
 * @number: of it on the connection
 * @digests: of its messages
 * @count: their number
 */
struct gateway_batch {
	struct gateway_batch	*next;
	uint64_t		number;
	uint8_t			digests[PROTO_BATCH_MAX][CS_DIGEST_LEN];
	size_t			count;
};

/**
 * struct target - a destination that messages wait for
 * @next: in the list of all
 * @gateway: whose it is
 * @address: of the destination
 * @port: likewise
 * @state: how far a connection is
 * @wired: the connection, NULL: none
 * @public: key of the ingest on it
 * @queue: digests of messages that are to be brought
 * @head: those of @queue that were taken out
 * @tail: how many @queue holds
 * @room: how many it has memory for
 * @batches: brought, and not answered
 * @numbers: of the next batch
 * @retry: daemon_ticks() before which nothing is tried
 * @failures: in a row
 * @why: what went wrong last
 * @delivered: messages that the ingest has now
 * @receipted: of these, those that it has a receipt for
 * @refused: messages that it will not have
 */
struct target {
	struct target		*next;
	struct gateway		*gateway;
	uint8_t			address[CS_ADDR_LEN];
	uint16_t		port;
	enum gateway_state	state;
	struct wired		*wired;
	uint8_t			public[IDENTITY_PUBLIC_LEN];
	uint8_t			(*queue)[CS_DIGEST_LEN];
	size_t			head;
	size_t			tail;
	size_t			room;
	struct gateway_batch	*batches;
	uint64_t		numbers;
	uint64_t		retry;
	unsigned int		failures;
	char			why[GATEWAY_WHY];
	uint64_t		delivered;
	uint64_t		receipted;
	uint64_t		refused;
};

/**
 * struct gateway - the gateway
 * @daemon: whose it is
 * @tls: of all connections
 * @targets: list, those first that had their turn longest ago
 * @nr_targets: its length
 * @links: connections that there are
 * @timer: looks for what can be done
 * @looks: how often it did
 * @known: messages that are in a queue, or under way
 * @refused: messages that an ingest will not have
 * @home: the uplink is at home
 * @why: why it is not
 */
struct gateway {
	struct daemon	*daemon;
	SSL_CTX		*tls;
	struct target	*targets;
	unsigned int	nr_targets;
	unsigned int	links;
	struct event	*timer;
	uint64_t	looks;
	struct idset	known;
	struct idset	refused;
	bool		home;
	char		why[GATEWAY_WHY];
};

int gateway_open(struct daemon *daemon, struct cs_error *error);
void gateway_close(struct daemon *daemon);
void gateway_message(struct daemon *daemon, const struct store_item *item);
json_t *gateway_json(const struct daemon *daemon);

/* gateway.c, for gateway_link.c: what is brought next; false: it is not to be brought any more */
bool gateway_wants(const struct gateway *gateway, const struct store_item *item);
int gateway_queue(struct target *target, const uint8_t digest[CS_DIGEST_LEN]);
void gateway_later(struct target *target, const char *why);

/* gateway_link.c */
void gateway_connect(struct target *target);
void gateway_pump(struct target *target);
void gateway_disconnect(struct target *target, const char *why);

/* gateway_net.c */
bool gateway_router(FILE *routes, const char *interface, uint8_t router[16]);
bool gateway_at_home(const struct daemon *daemon, char why[GATEWAY_WHY]);

#endif /* CSD_GATEWAY_H */
