// SPDX-License-Identifier: GPL-2.0
/*
 * crowdshare status and crowdshare policy: the node at a glance, and what it takes for how much.
 */
#include <stdio.h>

#include "cli/crowdshare.h"

static const char status_usage[] =
	"Usage: crowdshare status\n"
	"Prints the node at a glance: device, ports, peers, store, contracts.\n";

static const struct column status_columns[] = {
	{ "version", "version", CELL_TEXT },
	{ "address", "address", CELL_TEXT },
	{ "uptime", "uptime", CELL_SPAN },
	{ "clock_offset", "clock offset, s", CELL_TEXT },
	{ "public", "public key", CELL_TEXT },
	{ "device.name", "device", CELL_TEXT },
	{ "device.seen_count", "seen", CELL_TEXT },
	{ "device.seen_max", "seen at most", CELL_TEXT },
	{ "frames", "frames", CELL_TEXT },
	{ "missed", "frames missed", CELL_TEXT },
	{ "bad", "frames bad", CELL_TEXT },
	{ "store.messages", "stored messages", CELL_TEXT },
	{ "store.bytes", "stored bytes", CELL_BYTES },
	{ "store.quota", "store quota", CELL_BYTES },
	{ "contracts", "contracts", CELL_TEXT },
	{ "peers", "peers", CELL_TEXT },
	{ NULL },
};

static const struct column port_columns[] = {
	{ "interface", "PORT", CELL_TEXT },
	{ "up", "UP", CELL_TEXT },
	{ "attached", "ATTACHED", CELL_TEXT },
	{ "peers", "PEERS", CELL_TEXT },
	{ NULL },
};

static const char policy_usage[] =
	"Usage: crowdshare policy\n"
	"Prints whether this node takes messages, why not, and the terms of its price.\n"
	"Prices are points per MiB.\n";

static const struct column policy_columns[] = {
	{ "refuses", "refuses", CELL_TEXT },
	{ "reason_text", "because", CELL_TEXT },
	{ "power.battery", "battery", CELL_TEXT },
	{ "power.plugged", "plugged in", CELL_TEXT },
	{ "power.percent", "battery %", CELL_TEXT },
	{ "plan.interface", "plan interface", CELL_TEXT },
	{ "plan.used", "plan used", CELL_BYTES },
	{ "plan.bytes", "plan bytes", CELL_BYTES },
	{ "plan.overage", "plan overage", CELL_MILLI },
	{ "position", "position", CELL_TEXT },
	{ "market", "market", CELL_MILLI },
	{ "terms.market", "price: market", CELL_MILLI },
	{ "terms.store", "price: store", CELL_MILLI },
	{ "terms.band", "price: band", CELL_MILLI },
	{ "terms.battery", "price: battery", CELL_MILLI },
	{ "terms.plan", "price: plan", CELL_MILLI },
	{ "terms.rated", "price", CELL_MILLI },
	{ NULL },
};

static json_t *ask_object(struct cli *cli, struct args *args, const char *command)
{
	json_t *answer;

	args_end(args);
	answer = cli_ask(cli, args, request_new(command));
	if (!json_is_object(answer))
		args_die(args, "crowdshared answers something else than an object");
	return answer;
}

static int show_status(struct cli *cli, struct args *args)
{
	json_t *status = ask_object(cli, args, "status");
	const json_t *ports = json_object_get(status, "ports");

	if (cli->json) {
		print_json(cli, status);
	} else {
		print_members(cli, status, status_columns);
		if (json_array_size(ports)) {
			putchar('\n');
			print_table(cli, ports, port_columns);
		}
	}
	json_decref(status);
	return EXIT_YES;
}

int cli_status(struct cli *cli, struct args *args)
{
	static const struct object object = { "status", NULL, show_status, status_usage };

	return object_run(cli, args, &object);
}

static int show_policy(struct cli *cli, struct args *args)
{
	json_t *policy = ask_object(cli, args, "policy");

	print_object(cli, policy, policy_columns);
	json_decref(policy);
	return EXIT_YES;
}

int cli_policy(struct cli *cli, struct args *args)
{
	static const struct object object = { "policy", NULL, show_policy, policy_usage };

	return object_run(cli, args, &object);
}
