/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The control socket: how "crowdshare" asks the daemon. See control.c.
 *
 * A UNIX stream socket. A request is a line of JSON, {"command": "...", arguments}; the answer is
 * one line, {"ok": true, "result": ...} or {"ok": false, "error": "...", "reason": "..."}.
 */
#ifndef CSD_CONTROL_H
#define CSD_CONTROL_H

#include <event2/event.h>
#include <jansson.h>

#include "lib/error.h"

#define CONTROL_REQUEST_MAX	65536
#define CONTROL_PATH_DEFAULT	"/run/crowdshare/control"

/**
 * control_handler - answers a request
 * @data: as given to control_open()
 * @request: the request, an object with a string "command"
 * @error: gets the reason of a refusal
 *
 * Return: the result, a new reference, or NULL.
 */
typedef json_t *(*control_handler)(void *data, const json_t *request, struct cs_error *error);

struct control;

int control_open(struct control **control, struct event_base *base, const char *path,
		 control_handler handler, void *data, struct cs_error *error);
void control_close(struct control *control);

#endif /* CSD_CONTROL_H */
