/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The control socket: how "crowdshare" asks the daemon. See control.c.
 *
 * A UNIX stream socket. A request is a line of JSON, {"command": "...", arguments}; the answer is
 * one line, {"ok": true, "result": ...} or {"ok": false, "error": "...", "reason": "..."}, where
 * error is for people and reason one of the CONTROL_REASONs below. Several requests may follow one
 * another on a connection. Digests and uids are lower-case hexadecimal, addresses IPv6 as text,
 * points integers of millipoints, times Unix seconds. What crowdshare asks:
 *
 *	command: arguments
 *
 *	status, peers, offers, contracts, store, policy
 *	store check
 *	offers accept, offers reject: id, an integer
 *	offers make: peer, an address; digests, an array of digests or "all"
 *	contracts show: uid
 *	store list: digest, its beginning, of any length (optional);
 *		limit, at most so many, in the order of their digests;
 *		after, only digests beyond this one (optional)
 *	store cancel, store drop: digest
 *	store reconcile: peer, an address (optional: with all)
 *	ledger settle: peer, an address; amount, millipoints
 *	receivers, gateway, receipts, receipts delivered
 *	receivers add: address, port, key, a public key in hexadecimal
 *	receivers del: address, port
 *	put: messages, an array of base64; hops, 0 to 255 (optional: no limit); sync, true: answer
 *		when they, and all before, are on the disk (optional)
 *	fetch: destination, an address; cursor, of the answer before (optional: from the first one)
 *	messages: ids, base64 of the first 16 bytes of digests
 *
 * put answers new and known, how many were; taken, how many were looked at before the device took
 * no more, and busy, whether it did: the rest comes again, a little later; refused, an array of
 * index, reason (base64, malformed, digest, expired, lifetime, full, failed) and error. fetch:
 * messages, an array of base64; cursor; more: there may be more at once. messages: states, a letter
 * for each: d it was delivered and the destination proved it, c somebody says so, s it is in the
 * store, - nothing is known of it; peers, an array of peer, offered (it was asked about so many)
 * and has (it signed for so many); contracts, an array of uid, peer, messages (of these), and
 * promised, earned and lapsed for those.
 */
#ifndef CSD_CONTROL_H
#define CSD_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include <event2/event.h>
#include <jansson.h>

#include "lib/error.h"

#define CONTROL_REQUEST_MAX	65536
#define CONTROL_CLIENTS_MAX	32
#define CONTROL_IDLE		30	/* seconds to complete a request, or to take an answer */

#define CONTROL_REASON_REQUEST		"request"	/* not a request */
#define CONTROL_REASON_PERMISSION	"permission"	/* not for this user: control_denied() */
#define CONTROL_REASON_REFUSED		"refused"	/* understood, and the answer is no */
#define CONTROL_REASON_BUSY		"busy"		/* too many connections */
#define CONTROL_REASON_INTERNAL		"internal"	/* the answer could not be made */

/**
 * control_handler - answers a request
 * @data: as given to control_open()
 * @request: the request, an object with a string "command"
 * @admin: it comes from root or from the daemon's own user; others may look, put and fetch
 * @error: gets the reason of a refusal
 *
 * It must not call control_close().
 *
 * Return: the result, a new reference, or NULL.
 */
typedef json_t *(*control_handler)(void *data, const json_t *request, bool admin,
				   struct cs_error *error);

struct control;

int control_open(struct control **control, struct event_base *base, const char *path,
		 control_handler handler, void *data, struct cs_error *error);
void control_close(struct control *control);
void control_set_idle(struct control *control, const struct timeval *idle);

/* For handlers: refuses a command that needs @admin. */
json_t *control_denied(struct cs_error *error);

/* One line, without what happens on sockets: the answer, to be freed; it ends with a line end. */
char *control_answer(control_handler handler, void *data, bool admin, const char *line, size_t len);

#endif /* CSD_CONTROL_H */
