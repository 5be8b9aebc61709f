/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An ingest for tests, in the event loop of the nodes (nodes.h), on the loopback. See service.c.
 */
#ifndef SELFTESTS_UNIT_DAEMON_SERVICE_H
#define SELFTESTS_UNIT_DAEMON_SERVICE_H

#include "daemon/ingest.h"
#include "nodes.h"
#include "ok.h"

/* The address of the ingest; its port, and its key, once it has begun; how many messages came. */
extern const uint8_t loopback[CS_ADDR_LEN];
extern uint16_t service_port;
extern struct identity receiver;
extern struct ingest *ingest;
extern size_t taken;

/* of a test: without the ingest itself, of which only the key is there */
void service_begin(void);
void service_end(void);
/* also again, on the same port, with what it kept; @more: settings of the group ingest */
void service_start(const char *more);
void service_stop(void);
/* Somebody takes all messages out of the inbox. */
void service_empty(void);

/* Node @i learns whose key signs for the ingest. */
void know_receiver(int i, const uint8_t key[IDENTITY_PUBLIC_LEN]);
/* The frame of a message for the ingest, all different; its bytes. */
size_t service_frame(uint8_t *frame, size_t payload);
static inline const uint8_t *frame_message(const uint8_t *frame)
{
	return frame + CS_ETH_HLEN + sizeof(struct cs_link_hdr);
}

/* A program of node @i sends messages to the ingest. */
void send_messages(int i, size_t count);

#endif /* SELFTESTS_UNIT_DAEMON_SERVICE_H */
