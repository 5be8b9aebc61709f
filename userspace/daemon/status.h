/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the daemon answers on the control socket. See status.c; control.h lists the commands.
 */
#ifndef CSD_STATUS_H
#define CSD_STATUS_H

#include "daemon/daemon.h"

json_t *status_answer(void *daemon, const json_t *request, bool admin, struct cs_error *error);

#endif /* CSD_STATUS_H */
