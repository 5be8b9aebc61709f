/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a provider's ingest signs of who sent an object. See vouch.c.
 */
#ifndef CSD_VOUCH_H
#define CSD_VOUCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crowdshare/card.h>
#include <crowdshare/fobject.h>

#include "daemon/identity.h"
#include "lib/error.h"

#define VOUCH_NAME_MAX	64
#define VOUCH_MAX	320	/* bytes of one that is signed */
#define VOUCH_FILE_NAME	64	/* room for the name of a file */

/**
 * struct vouch - who sent an object
 * @ingest: key of the ingest that says so
 * @object: the object
 * @recipient: fingerprint of the card that it was sent to
 * @name: that the provider knows the sender by, UTF-8
 * @sender: fingerprint of the sender's card
 * @time: when the ingest saw it, Unix seconds
 */
struct vouch {
	uint8_t		ingest[IDENTITY_PUBLIC_LEN];
	uint8_t		object[CS_OBJECT_ID_LEN];
	uint8_t		recipient[CS_FINGERPRINT_LEN];
	char		name[VOUCH_NAME_MAX + 1];
	uint8_t		sender[CS_FINGERPRINT_LEN];
	uint64_t	time;
};

int vouch_sign(struct vouch *vouch, const struct identity *identity, uint8_t data[VOUCH_MAX],
	       size_t *len);
int vouch_read(struct vouch *vouch, const uint8_t *data, size_t len, struct cs_error *error);
void vouch_name(const uint8_t object[CS_OBJECT_ID_LEN], char name[VOUCH_FILE_NAME]);
bool vouch_is_name(const char *name);
int vouch_check_name(const char *name);

#endif /* CSD_VOUCH_H */
