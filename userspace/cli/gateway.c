// SPDX-License-Identifier: GPL-2.0
/*
 * crowdshare gateway, receipts and receivers: what goes onto the wired network, what comes back for
 * it, and whose key signs that.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "cli/crowdshare.h"
#include "lib/hex.h"

static const char gateway_usage[] =
	"Usage: crowdshare gateway\n"
	"Prints whether this node delivers onto the wired network, and what waits for whom.\n";

static const struct column gateway_columns[] = {
	{ "interface", "uplink", CELL_TEXT },
	{ "home", "at home", CELL_TEXT },
	{ "metered", "metered", CELL_TEXT },
	{ "why", "because", CELL_TEXT },
	{ NULL },
};

static const struct column target_columns[] = {
	{ "address", "DESTINATION", CELL_TEXT },
	{ "port", "PORT", CELL_TEXT },
	{ "state", "STATE", CELL_TEXT },
	{ "waiting", "WAITING", CELL_TEXT },
	{ "delivered", "DELIVERED", CELL_TEXT },
	{ "receipted", "RECEIPTED", CELL_TEXT },
	{ "refused", "REFUSED", CELL_TEXT },
	{ "failures", "FAILURES", CELL_TEXT },
	{ "retry", "RETRY", CELL_SPAN },
	{ "why", "BECAUSE", CELL_TEXT },
	{ NULL },
};

static int show_gateway(struct cli *cli, struct args *args)
{
	const json_t *targets;
	json_t *gateway;

	args_end(args);
	gateway = cli_ask(cli, args, request_new("gateway"));
	targets = json_object_get(gateway, "targets");
	if (cli->json) {
		print_json(cli, gateway);
	} else {
		print_members(cli, gateway, gateway_columns);
		if (json_array_size(targets)) {
			putchar('\n');
			print_table(cli, targets, target_columns);
		}
		flush_output();
	}
	json_decref(gateway);
	return EXIT_YES;
}

/** cli_gateway() - crowdshare gateway */
int cli_gateway(struct cli *cli, struct args *args)
{
	static const struct object object = { "gateway", NULL, show_gateway, gateway_usage };

	return object_run(cli, args, &object);
}

static const char receipts_usage[] =
	"Usage: crowdshare receipts [ show | delivered ]\n"
	"Prints what became of receipts, or the messages of this node that were delivered.\n";

static const struct column receipts_columns[] = {
	{ "waiting", "waiting", CELL_TEXT },
	{ "taken", "taken", CELL_TEXT },
	{ "repeated", "repeated", CELL_TEXT },
	{ "passed", "passed on", CELL_TEXT },
	{ "earned", "messages paid for", CELL_TEXT },
	{ "sold", "messages earned", CELL_TEXT },
	{ "delivered", "own messages delivered", CELL_TEXT },
	{ "unknown", "messages of unknown origin", CELL_TEXT },
	{ "refused.rate", "refused: too many", CELL_TEXT },
	{ "refused.signature", "refused: signature", CELL_TEXT },
	{ "refused.chain", "refused: endorsements", CELL_TEXT },
	{ "refused.receiver", "refused: receiver", CELL_TEXT },
	{ "refused.contract", "refused: contract", CELL_TEXT },
	{ "refused.message", "refused: message", CELL_TEXT },
	{ "refused.late", "refused: late", CELL_TEXT },
	{ "refused.full", "refused: no room", CELL_TEXT },
	{ "refused.error", "refused: error", CELL_TEXT },
	{ NULL },
};

static const struct column delivered_columns[] = {
	{ "digest", "DIGEST", CELL_DIGEST },
	{ "destination", "DESTINATION", CELL_TEXT },
	{ "port", "PORT", CELL_TEXT },
	{ "time", "TIME", CELL_TIME },
	{ "deliverer", "DELIVERER", CELL_TEXT },
	{ "hops", "HOPS", CELL_TEXT },
	{ NULL },
};

static int show_receipts(struct cli *cli, struct args *args)
{
	json_t *receipts;

	args_end(args);
	receipts = cli_ask(cli, args, request_new("receipts"));
	print_object(cli, receipts, receipts_columns);
	json_decref(receipts);
	return EXIT_YES;
}

static int show_delivered(struct cli *cli, struct args *args)
{
	args_end(args);
	cli_show(cli, args, request_new("receipts delivered"), delivered_columns);
	return EXIT_YES;
}

/** cli_receipts() - crowdshare receipts */
int cli_receipts(struct cli *cli, struct args *args)
{
	static const struct command commands[] = {
		{ "show", show_receipts },
		{ "delivered", show_delivered },
		{ NULL, NULL },
	};
	static const struct object object = { "receipts", commands, show_receipts,
					      receipts_usage };

	return object_run(cli, args, &object);
}

static const char receivers_usage[] =
	"Usage: crowdshare receivers\n"
	"       crowdshare receivers add ADDRESS PORT KEY\n"
	"       crowdshare receivers del ADDRESS PORT\n"
	"       KEY := { public key in hexadecimal | file of one }\n"
	"Whose key signs receipts for a wired destination.\n";

static const struct column receivers_columns[] = {
	{ "address", "ADDRESS", CELL_TEXT },
	{ "port", "PORT", CELL_TEXT },
	{ "key", "KEY", CELL_TEXT },
	{ NULL },
};

static int show_receivers(struct cli *cli, struct args *args)
{
	args_end(args);
	cli_show(cli, args, request_new("receivers"), receivers_columns);
	return EXIT_YES;
}

static json_t *destination(struct args *args, const char *command)
{
	json_t *request = request_new(command);
	char address[INET6_ADDRSTRLEN];
	uint8_t bytes[16];

	args_addr(args, "ADDRESS", bytes);
	inet_ntop(AF_INET6, bytes, address, sizeof(address));
	request_put(request, "address", json_string(address));
	request_put(request, "port", json_integer(args_number(args, "PORT", 1, UINT16_MAX)));
	return request;
}

static int add_receiver(struct cli *cli, struct args *args)
{
	json_t *request = destination(args, "receivers add");
	char hex[2 * IDENTITY_PUBLIC_LEN + 1];
	uint8_t public[IDENTITY_PUBLIC_LEN];

	public_key(args, "a public key", args_next(args, "KEY"), public);
	args_end(args);
	cs_hex(hex, public, sizeof(public));
	request_put(request, "key", json_string(hex));
	cli_do(cli, args, request);
	return EXIT_YES;
}

static int del_receiver(struct cli *cli, struct args *args)
{
	json_t *request = destination(args, "receivers del");

	args_end(args);
	cli_do(cli, args, request);
	return EXIT_YES;
}

/** cli_receivers() - crowdshare receivers */
int cli_receivers(struct cli *cli, struct args *args)
{
	static const struct command commands[] = {
		{ "show", show_receivers },
		{ "add", add_receiver },
		{ "del", del_receiver },
		{ NULL, NULL },
	};
	static const struct object object = { "receivers", commands, show_receivers,
					      receivers_usage };

	return object_run(cli, args, &object);
}
