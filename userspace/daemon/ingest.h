/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ingest: the service at a destination that receives messages and signs receipts. See ingest.c.
 */
#ifndef CSD_INGEST_H
#define CSD_INGEST_H

#include <event2/event.h>

#include "daemon/config.h"
#include "daemon/identity.h"
#include "daemon/ingest_file.h"

/**
 * struct ingest_stats - what came
 * @connections: that there are
 * @refused: connections that were turned away
 * @deliveries: letters with messages
 * @states: of messages, by enum proto_ack_state
 * @receipts: that were made; with a bucket they are signed when it has the messages
 */
struct ingest_stats {
	uint64_t	connections;
	uint64_t	refused;
	uint64_t	deliveries;
	uint64_t	states[PROTO_ACK_MAX];
	uint64_t	receipts;
};

/* Messages that are new, verified, and committed to the inbox; called before anybody is told. */
typedef void (*ingest_taken)(const struct ingest_batch *batch, void *data);

struct ingest;

int ingest_open(struct ingest **ingest, struct event_base *base, const struct config *config,
		const struct identity *identity, ingest_taken taken, void *data,
		struct cs_error *error);
void ingest_close(struct ingest *ingest);
uint16_t ingest_port(const struct ingest *ingest);
const struct ingest_stats *ingest_stats(const struct ingest *ingest);

#endif /* CSD_INGEST_H */
