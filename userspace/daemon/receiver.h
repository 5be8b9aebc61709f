/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whose key signs for what goes to a destination. See receiver.c.
 */
#ifndef CSD_RECEIVER_H
#define CSD_RECEIVER_H

#include <jansson.h>

#include "daemon/daemon.h"
#include "daemon/sqlfile.h"

int receiver_open(struct daemon *daemon, struct sqlfile *file, struct cs_error *error);
void receiver_close(struct daemon *daemon);

bool receiver_known(const struct daemon *daemon, const uint8_t address[CS_ADDR_LEN],
		    uint16_t port, uint8_t public[IDENTITY_PUBLIC_LEN]);
bool receiver_of(const struct daemon *daemon, const struct store_item *item,
		 uint8_t public[IDENTITY_PUBLIC_LEN]);
bool receiver_proves(const struct daemon *daemon, const struct store_item *item,
		     const uint8_t public[IDENTITY_PUBLIC_LEN]);
uint16_t receiver_port(const struct daemon *daemon, const struct store_item *item);

/* for the control socket */
int receiver_add(struct daemon *daemon, const json_t *request, struct cs_error *error);
int receiver_del(struct daemon *daemon, const json_t *request, struct cs_error *error);
json_t *receiver_list(const struct daemon *daemon);

#endif /* CSD_RECEIVER_H */
