// SPDX-License-Identifier: GPL-2.0
/*
 * Messages on their way to the daemon: as many in a request as fit, one request after the other. A
 * daemon whose device takes no more at the moment is asked again with what is left.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/crowdshare.h"
#include "cli/outbox.h"
#include "daemon/control.h"
#include "lib/base64.h"

#define MESSAGES_MAX	64	/* of a request, as the daemon says */
#define HEAD		128	/* characters of a request besides messages */
#define BUSY_SECONDS	0.02
#define BUSY_PATIENCE	60	/* seconds without a message taken */

double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec * 1e-9;
}

static void wait_seconds(double seconds)
{
	struct timespec t = { .tv_sec = seconds };

	t.tv_nsec = (seconds - t.tv_sec) * 1e9;
	nanosleep(&t, NULL);
}

/* Keeps to the rate: a request that was large is waited for before the next one. */
static void pace(struct outbox *outbox)
{
	double now = seconds_now();

	if (outbox->rate <= 0)
		return;
	if (outbox->due > now)
		wait_seconds(outbox->due - now);
	now = seconds_now();
	outbox->due = (outbox->due > now - 0.1 ? outbox->due : now) + outbox->bytes / outbox->rate;
}

/* Would it be refused whenever it came? */
static bool is_for_good(const json_t *refusal)
{
	const char *reason = json_string_value(json_object_get(refusal, "reason"));

	return reason && strcmp(reason, "full") && strcmp(reason, "failed");
}

/* What was refused: 0, if it is left out. */
static int refused(const struct outbox *outbox, const json_t *refusals, struct cs_error *error)
{
	const json_t *refusal;
	const char *text;
	size_t i;
	int rc = 0;

	json_array_foreach(refusals, i, refusal) {
		text = json_string_value(json_object_get(refusal, "error"));
		if (!outbox->others || !is_for_good(refusal))
			rc = CLI_REFUSED;
		if (!i || rc)
			cs_error_set(error, 0, "a message was refused: %s",
				     text ? text : "refused without a reason");
		if (rc)
			break;
	}
	clean_text(error->text);
	if (i && !rc)
		args_say(outbox->args, "%s", error->text);
	return rc;
}

/* One request; tells how many of its messages were taken. */
static int ask(struct outbox *outbox, bool sync, size_t *taken, struct cs_error *error)
{
	json_t *request = request_new("put"), *result;
	size_t count = json_array_size(outbox->list);
	unsigned int absence = outbox->cli->absence;
	int rc;

	request_put(request, "messages", json_incref(outbox->list));
	request_put(request, "hops", json_integer(outbox->hops));
	if (sync)
		request_put(request, "sync", json_true());
	if (outbox->others)
		outbox->cli->absence = 0;
	rc = cli_try(outbox->cli, request, &result, error);
	outbox->cli->absence = absence;
	if (rc)
		return rc;
	rc = refused(outbox, json_object_get(result, "refused"), error);
	*taken = json_integer_value(json_object_get(result, "taken"));
	if (!rc && (!json_is_integer(json_object_get(result, "taken")) || *taken > count ||
		    (*taken < count && !json_is_true(json_object_get(result, "busy")))))
		rc = cs_error_set(error, -EPROTO,
				  "crowdshared does not say what became of messages");
	json_decref(result);
	return rc;
}

static void empty(struct outbox *outbox)
{
	json_decref(outbox->list);
	outbox->list = NULL;
	outbox->chars = 0;
	outbox->bytes = 0;
}

/* Ends the program, or tells why what is of others waits. */
static int trouble(struct outbox *outbox, int rc, const struct cs_error *error)
{
	if (!outbox->others && rc < 0)
		args_die(outbox->args, "%s", error->text);
	if (!outbox->others) {
		args_say(outbox->args, "%s", error->text);
		exit(EXIT_NO);
	}
	if (!outbox->told)
		args_say(outbox->args, "what is to be sent on has to wait: %s", error->text);
	outbox->told = true;
	empty(outbox);
	return rc;
}

/**
 * outbox_flush() - have the daemon take what is in the outbox
 * @outbox: the outbox; empty afterwards
 * @sync: return when that, and all before, is on the disk
 *
 * Ends the program when a message is refused, or when there is no daemon, unless messages are of
 * others.
 *
 * Return: 0; otherwise nobody has what was in it.
 */
int outbox_flush(struct outbox *outbox, bool sync)
{
	double patience = seconds_now() + BUSY_PATIENCE;
	struct cs_error error = { "" };
	size_t taken;
	int rc;

	if (!outbox->list)
		outbox->list = json_array();
	if (!outbox->list)
		args_die(outbox->args, "out of memory");
	pace(outbox);
	do {
		rc = ask(outbox, sync, &taken, &error);
		if (rc)
			return trouble(outbox, rc, &error);
		if (taken)
			patience = seconds_now() + BUSY_PATIENCE;
		for (; taken; taken--)
			json_array_remove(outbox->list, 0);
		if (json_array_size(outbox->list))
			wait_seconds(BUSY_SECONDS);
		if (json_array_size(outbox->list) && seconds_now() > patience) {
			rc = cs_error_set(&error, -EBUSY, "crowdshared has taken nothing for %d "
					  "seconds: its device is busy", BUSY_PATIENCE);
			return trouble(outbox, rc, &error);
		}
	} while (json_array_size(outbox->list));
	empty(outbox);
	return 0;
}

/**
 * outbox_add() - put a message into the outbox
 * @outbox: the outbox; what was in it goes to the daemon when it is full
 * @message: header and payload
 * @len: their bytes
 *
 * Return: 0; otherwise, as for outbox_flush(), nobody has it.
 */
int outbox_add(struct outbox *outbox, const void *message, size_t len)
{
	size_t chars = CS_BASE64_LEN(len) + 3;
	char *text;
	int rc = 0;

	if (outbox->others && chars > CONTROL_REQUEST_MAX - HEAD) {
		args_say(outbox->args, "a message is too long for this node, and is not sent on");
		return 0;
	}
	if (outbox->list && (outbox->chars + chars > CONTROL_REQUEST_MAX - HEAD ||
			     json_array_size(outbox->list) == MESSAGES_MAX))
		rc = outbox_flush(outbox, false);
	if (rc)
		return rc;
	text = malloc(CS_BASE64_LEN(len) + 1);
	if (!outbox->list)
		outbox->list = json_array();
	if (!text || !outbox->list)
		args_die(outbox->args, "out of memory");
	cs_base64(text, message, len);
	if (json_array_append_new(outbox->list, json_string(text)))
		args_die(outbox->args, "out of memory");
	free(text);
	outbox->chars += chars;
	outbox->bytes += len;
	return 0;
}
