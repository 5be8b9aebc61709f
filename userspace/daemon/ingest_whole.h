/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Chunks of objects that are whole in the inbox of an ingest. See ingest_whole.c.
 */
#ifndef CSD_INGEST_WHOLE_H
#define CSD_INGEST_WHOLE_H

#include <event2/event.h>

#include "daemon/config.h"
#include "lib/error.h"

struct ingest_whole;

int ingest_whole_open(struct ingest_whole **to, struct event_base *base,
		      const struct config_ingest *config, struct cs_error *error);
void ingest_whole_close(struct ingest_whole *whole);
void ingest_whole_added(struct ingest_whole *whole);
int ingest_whole_step(struct ingest_whole *whole);

#endif /* CSD_INGEST_WHOLE_H */
