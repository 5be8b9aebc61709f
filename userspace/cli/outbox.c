// SPDX-License-Identifier: GPL-2.0
/*
 * Messages on their way to the daemon: as many in a request as fit, one request after the other. A
 * daemon whose device takes no more at the moment is asked again with what is left.
 */
#include <stdio.h>
#include <stdlib.h>
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

__attribute__((noreturn))
static void refused(const struct outbox *outbox, const json_t *refusal)
{
	const char *error = json_string_value(json_object_get(refusal, "error"));
	char text[512];

	snprintf(text, sizeof(text), "%s", error ? error : "refused without a reason");
	clean_text(text);
	fflush(stdout);
	fprintf(stderr, "%s: %s: a message was refused: %s\n", args_program,
		outbox->args->where, text);
	exit(EXIT_NO);
}

/* One request; tells how many of its messages were taken. */
static size_t ask(struct outbox *outbox, bool sync)
{
	json_t *request = request_new("put"), *result;
	size_t taken, count = json_array_size(outbox->list);
	const json_t *refusals;

	request_put(request, "messages", json_incref(outbox->list));
	request_put(request, "hops", json_integer(outbox->hops));
	if (sync)
		request_put(request, "sync", json_true());
	result = cli_ask(outbox->cli, outbox->args, request);
	refusals = json_object_get(result, "refused");
	if (json_array_size(refusals))
		refused(outbox, json_array_get(refusals, 0));
	taken = json_integer_value(json_object_get(result, "taken"));
	if (!json_is_integer(json_object_get(result, "taken")) || taken > count ||
	    (taken < count && !json_is_true(json_object_get(result, "busy"))))
		args_die(outbox->args, "crowdshared does not say what became of messages");
	json_decref(result);
	return taken;
}

/**
 * outbox_flush() - have the daemon take what is in the outbox
 * @outbox: the outbox
 * @sync: return when that, and all before, is on the disk
 *
 * Ends the program when a message is refused.
 */
void outbox_flush(struct outbox *outbox, bool sync)
{
	double patience = seconds_now() + BUSY_PATIENCE;
	size_t taken;

	if (!outbox->list)
		outbox->list = json_array();
	if (!outbox->list)
		args_die(outbox->args, "out of memory");
	pace(outbox);
	do {
		taken = ask(outbox, sync);
		if (taken)
			patience = seconds_now() + BUSY_PATIENCE;
		for (; taken; taken--)
			json_array_remove(outbox->list, 0);
		if (json_array_size(outbox->list))
			wait_seconds(BUSY_SECONDS);
		if (json_array_size(outbox->list) && seconds_now() > patience)
			args_die(outbox->args, "crowdshared has taken nothing for %d seconds: its "
				 "device is busy", BUSY_PATIENCE);
	} while (json_array_size(outbox->list));
	json_decref(outbox->list);
	outbox->list = NULL;
	outbox->chars = 0;
	outbox->bytes = 0;
}

/**
 * outbox_add() - put a message into the outbox
 * @outbox: the outbox; what was in it goes to the daemon when it is full
 * @message: header and payload
 * @len: their bytes
 */
void outbox_add(struct outbox *outbox, const void *message, size_t len)
{
	size_t chars = CS_BASE64_LEN(len) + 3;
	char *text = malloc(CS_BASE64_LEN(len) + 1);

	if (outbox->list && (outbox->chars + chars > CONTROL_REQUEST_MAX - HEAD ||
			     json_array_size(outbox->list) == MESSAGES_MAX))
		outbox_flush(outbox, false);
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
}
