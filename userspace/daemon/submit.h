/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the users of this node put into the mesh, and get out of it: commands of the control
 * socket. See submit.c.
 */
#ifndef CSD_SUBMIT_H
#define CSD_SUBMIT_H

#include "daemon/daemon.h"

#define SUBMIT_MESSAGES_MAX	64		/* in a request */
#define SUBMIT_FETCH_MAX	(256 << 10)	/* bytes of messages in an answer */
#define SUBMIT_IDS_MAX		2048		/* in a request */

json_t *submit_put(struct daemon *daemon, const json_t *request, struct cs_error *error);
json_t *submit_fetch(struct daemon *daemon, const json_t *request, struct cs_error *error);
json_t *submit_messages(struct daemon *daemon, const json_t *request, struct cs_error *error);

#endif /* CSD_SUBMIT_H */
