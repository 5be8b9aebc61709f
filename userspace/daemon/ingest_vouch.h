/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An ingest that vouches for who sent an object. See ingest_vouch.c.
 */
#ifndef CSD_INGEST_VOUCH_H
#define CSD_INGEST_VOUCH_H

#include <stdbool.h>

#include "daemon/config.h"
#include "daemon/identity.h"
#include "daemon/ingest_file.h"
#include "fobject/envelope.h"

struct ingest_vouch;

int ingest_vouch_open(struct ingest_vouch **to, const struct config_ingest *config,
		      const struct identity *identity, struct cs_error *error);
void ingest_vouch_close(struct ingest_vouch *vouch);
bool ingest_vouch_look(struct ingest_vouch *vouch, const uint8_t *message, size_t len,
		       char name[INGEST_FILE_NAME]);
struct cs_cipher *ingest_vouch_terms(struct cs_terms *terms, const struct cs_private *key,
				     const struct cs_message *message);

#endif /* CSD_INGEST_VOUCH_H */
