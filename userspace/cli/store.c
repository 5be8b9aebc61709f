// SPDX-License-Identifier: GPL-2.0
/*
 * crowdshare store: messages that the node keeps.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crowdshare/wire.h>

#include "cli/crowdshare.h"

#define DIGEST_DIGITS	(2 * CS_DIGEST_LEN)
#define PREFIX_MIN	8
#define PAGE		2000	/* messages in an answer: the daemon is not to need much memory */
#define CHECK_PATIENCE	3600	/* seconds: it reads and hashes all there is */

static const char usage[] =
	"Usage: crowdshare store\n"
	"       crowdshare store list [ DIGEST ]\n"
	"       crowdshare store cancel DIGEST\n"
	"       crowdshare store check\n"
	"       crowdshare store drop DIGEST\n"
	"       crowdshare store reconcile [ PEER ]\n"
	"       PEER := { ADDRESS | NAME | MAC }\n"
	"DIGEST may be cut short as long as it stays unambiguous, to cancel and drop to 8\n"
	"digits.\n";

static const struct column stats[] = {
	{ "messages", "messages", CELL_TEXT },
	{ "bytes", "bytes", CELL_BYTES },
	{ "quota", "quota", CELL_BYTES },
	{ "cancelled", "cancelled", CELL_TEXT },
	{ "added", "added", CELL_TEXT },
	{ "expired", "expired", CELL_TEXT },
	{ "evicted", "evicted", CELL_TEXT },
	{ "refused", "refused", CELL_TEXT },
	{ "missed", "missed", CELL_TEXT },
	{ NULL },
};

static const struct column table[] = {
	{ "digest", "DIGEST", CELL_DIGEST },
	{ "destination", "DESTINATION", CELL_TEXT },
	{ "size", "SIZE", CELL_TEXT },
	{ "expiry", "EXPIRY", CELL_TIME },
	{ "arrived", "ARRIVED", CELL_TIME },
	{ "peer", "PEER", CELL_TEXT },
	{ "hops", "HOPS", CELL_TEXT },
	{ "flags", "FLAGS", CELL_TEXT },
	{ NULL },
};

static int show(struct cli *cli, struct args *args)
{
	json_t *object;

	args_end(args);
	object = cli_ask(cli, args, request_new("store"));
	print_object(cli, object, stats);
	json_decref(object);
	return EXIT_YES;
}

static json_t *ask_page(struct cli *cli, struct args *args, const char *prefix, const char *after)
{
	json_t *request = request_new("store list");

	if (prefix)
		request_put(request, "digest", json_string(prefix));
	if (after)
		request_put(request, "after", json_string(after));
	request_put(request, "limit", json_integer(PAGE));
	return cli_ask_list(cli, args, request);
}

static const char *last_digest(const json_t *list)
{
	const json_t *last = json_array_get(list, json_array_size(list) - 1);

	return json_string_value(json_object_get(last, "digest"));
}

/* All that begin with @prefix, or all: page after page, each beyond the last digest before. */
static json_t *ask_all(struct cli *cli, struct args *args, const char *prefix)
{
	json_t *list = ask_page(cli, args, prefix, NULL), *page;
	const char *after, *last;

	while (json_array_size(list) && json_array_size(list) % PAGE == 0) {
		after = last_digest(list);
		if (!after)
			args_die(args, "crowdshared lists a message without a digest");
		page = ask_page(cli, args, prefix, after);
		if (!json_array_size(page)) {
			json_decref(page);
			break;
		}
		last = last_digest(page);
		if (!last || strcmp(last, after) <= 0)
			args_die(args, "crowdshared lists messages out of order");
		if (json_array_extend(list, page))
			args_die(args, "out of memory");
		json_decref(page);
	}
	return list;
}

static int list_messages(struct cli *cli, struct args *args)
{
	char prefix[DIGEST_DIGITS + 1] = "";
	json_t *list;

	if (args->left)
		hex_argument(args, "DIGEST", 1, DIGEST_DIGITS, prefix);
	args_end(args);
	list = ask_all(cli, args, *prefix ? prefix : NULL);
	print_list(cli, list, table);
	json_decref(list);
	return EXIT_YES;
}

/* Takes a digest; one cut short has to be of one message of the store. */
static void digest_argument(struct cli *cli, struct args *args, char digest[DIGEST_DIGITS + 1])
{
	const char *found;
	json_t *list;

	hex_argument(args, "DIGEST", PREFIX_MIN, DIGEST_DIGITS, digest);
	args_end(args);
	if (strlen(digest) == DIGEST_DIGITS)
		return;
	list = ask_page(cli, args, digest, NULL);
	if (!json_array_size(list)) {
		args_say(args, "the store holds no message '%s'", digest);
		exit(EXIT_NO);
	}
	found = last_digest(list);
	if (json_array_size(list) > 1 || !found || strlen(found) != DIGEST_DIGITS)
		args_die(args, "DIGEST '%s' is ambiguous: it begins %zu messages", digest,
			 json_array_size(list));
	strcpy(digest, found);
	json_decref(list);
}

static int with_digest(struct cli *cli, struct args *args, const char *command)
{
	char digest[DIGEST_DIGITS + 1];
	json_t *request;

	digest_argument(cli, args, digest);
	request = request_new(command);
	request_put(request, "digest", json_string(digest));
	cli_do(cli, args, request);
	return EXIT_YES;
}

static int cancel(struct cli *cli, struct args *args)
{
	return with_digest(cli, args, "store cancel");
}

static int drop(struct cli *cli, struct args *args)
{
	return with_digest(cli, args, "store drop");
}

static int check(struct cli *cli, struct args *args)
{
	json_t *result;
	bool bad;

	args_end(args);
	cli->patience = CHECK_PATIENCE;
	result = cli_ask(cli, args, request_new("store check"));
	print_value(cli, result);
	bad = json_integer_value(json_object_get(result, "bad")) > 0;
	json_decref(result);
	return bad ? EXIT_NO : EXIT_YES;
}

static int reconcile(struct cli *cli, struct args *args)
{
	json_t *request = request_new("store reconcile");
	char address[INET6_ADDRSTRLEN];

	if (args->left) {
		peer_argument(cli, args, address);
		request_put(request, "peer", json_string(address));
	}
	args_end(args);
	cli_do(cli, args, request);
	return EXIT_YES;
}

int cli_store(struct cli *cli, struct args *args)
{
	static const struct command commands[] = {
		{ "show", show },
		{ "list", list_messages },
		{ "cancel", cancel },
		{ "check", check },
		{ "drop", drop },
		{ "reconcile", reconcile },
		{ NULL, NULL },
	};
	static const struct object object = { "store", commands, show, usage };

	return object_run(cli, args, &object);
}
