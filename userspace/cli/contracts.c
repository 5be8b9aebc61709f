// SPDX-License-Identifier: GPL-2.0
/*
 * crowdshare contracts: what was signed, and what has passed under it.
 */
#include <stdio.h>
#include <string.h>

#include "cli/crowdshare.h"
#include "daemon/contract.h"

#define UID_DIGITS	(2 * CONTRACT_UID_LEN)

static const char usage[] =
	"Usage: crowdshare contracts [ show [ UID ] ]\n"
	"UID may be cut short as long as it stays unambiguous. Prices are points per MiB.\n";

static const struct column table[] = {
	{ "uid", "UID", CELL_DIGEST },
	{ "role", "ROLE", CELL_TEXT },
	{ "peer", "PEER", CELL_TEXT },
	{ "messages", "MESSAGES", CELL_TEXT },
	{ "bytes", "BYTES", CELL_BYTES },
	{ "used", "USED", CELL_BYTES },
	{ "refused", "REFUSED", CELL_TEXT },
	{ "rate", "PRICE", CELL_MILLI },
	{ "promised", "PROMISED", CELL_MILLI },
	{ "earned", "EARNED", CELL_MILLI },
	{ "lapsed", "LAPSED", CELL_MILLI },
	{ "expiry", "EXPIRY", CELL_TIME },
	{ NULL },
};

static const struct column members[] = {
	{ "uid", "uid", CELL_TEXT },
	{ "id", "id", CELL_TEXT },
	{ "role", "role", CELL_TEXT },
	{ "peer", "peer", CELL_TEXT },
	{ "destination", "destination", CELL_TEXT },
	{ "created", "created", CELL_TIME },
	{ "expiry", "expiry", CELL_TIME },
	{ "rate", "price", CELL_MILLI },
	{ "promised", "promised", CELL_MILLI },
	{ "earned", "earned", CELL_MILLI },
	{ "lapsed", "lapsed", CELL_MILLI },
	{ "messages", "messages", CELL_TEXT },
	{ "bytes", "bytes", CELL_BYTES },
	{ "used", "used", CELL_BYTES },
	{ "refused", "refused", CELL_TEXT },
	{ NULL },
};

/* The only contract of the list that begins with @uid; NULL: there is none. */
static json_t *find(struct cli *cli, struct args *args, const char *uid)
{
	json_t *list = cli_ask_list(cli, args, request_new("contracts"));
	json_t *contract, *found = NULL;
	const char *text, *first = NULL;
	size_t i;

	json_array_foreach(list, i, contract) {
		text = json_string_value(json_object_get(contract, "uid"));
		if (!text || strncmp(text, uid, strlen(uid)))
			continue;
		if (found)
			args_die(args, "UID '%s' is ambiguous: %s, %s", uid, first, text);
		found = contract;
		first = text;
	}
	json_incref(found);
	json_decref(list);
	return found;
}

/* The digests of a contract are all there is to see of it at the end: whole, one a line. */
static void print_contract(struct cli *cli, const json_t *contract)
{
	const json_t *value, *messages = json_object_get(contract, "messages");
	const char *digest;
	size_t i;

	print_members(cli, contract, members);
	json_array_foreach(messages, i, value) {
		digest = json_string_value(json_object_get(value, "digest"));
		if (digest && strspn(digest, "0123456789abcdef") == strlen(digest))
			printf("%s  %lld\n", digest,
			       (long long)json_integer_value(json_object_get(value, "size")));
	}
	flush_output();
}

/* What the list tells of it, and its messages. */
static int show_one(struct cli *cli, struct args *args)
{
	json_t *request, *listed, *contract;
	char uid[UID_DIGITS + 1];

	hex_argument(args, "UID", 1, UID_DIGITS, uid);
	args_end(args);
	listed = find(cli, args, uid);
	if (!listed && strlen(uid) < UID_DIGITS) {
		fprintf(stderr, "%s: contracts: no contract '%s'\n", args_program, uid);
		return EXIT_NO;
	}
	request = request_new("contracts show");
	request_put(request, "uid", listed ? json_incref(json_object_get(listed, "uid")) :
					     json_string(uid));
	contract = cli_ask(cli, args, request);
	if (listed && json_object_update_missing(contract, listed))
		args_die(args, "crowdshared answers something else than an object");
	if (cli->json)
		print_json(cli, contract);
	else
		print_contract(cli, contract);
	json_decref(contract);
	json_decref(listed);
	return EXIT_YES;
}

static int show(struct cli *cli, struct args *args)
{
	if (args->left)
		return show_one(cli, args);
	cli_show(cli, args, request_new("contracts"), table);
	return EXIT_YES;
}

int cli_contracts(struct cli *cli, struct args *args)
{
	static const struct command commands[] = { { "show", show }, { NULL, NULL } };
	static const struct object object = { "contracts", commands, show, usage };

	return object_run(cli, args, &object);
}
