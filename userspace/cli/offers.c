// SPDX-License-Identifier: GPL-2.0
/*
 * crowdshare offers: what is being asked, and bids that wait for a person.
 */
#include <stdio.h>
#include <string.h>

#include <crowdshare/wire.h>

#include "cli/crowdshare.h"

static const char usage[] =
	"Usage: crowdshare offers [ show [ ID ] ]\n"
	"       crowdshare offers accept ID\n"
	"       crowdshare offers reject ID\n"
	"       crowdshare offers make PEER { DIGEST... | all }\n"
	"       PEER := { ADDRESS | NAME | MAC }\n"
	"DIGEST may be cut short to 32 digits. Prices are points per MiB.\n";

/* what idset of the daemon keeps of a digest */
#define DIGEST_MIN	32
#define DIGEST_DIGITS	(2 * CS_DIGEST_LEN)

static const struct column table[] = {
	{ "id", "ID", CELL_TEXT },
	{ "direction", "DIR", CELL_TEXT },
	{ "peer", "PEER", CELL_TEXT },
	{ "destination", "DESTINATION", CELL_TEXT },
	{ "messages", "MESSAGES", CELL_TEXT },
	{ "bytes", "BYTES", CELL_BYTES },
	{ "rate", "PRICE", CELL_MILLI },
	{ "total", "TOTAL", CELL_MILLI },
	{ "state", "STATE", CELL_TEXT },
	{ "waits", "WAITS", CELL_SPAN },
	{ "reason", "REASON", CELL_TEXT },
	{ NULL },
};

static const struct column members[] = {
	{ "id", "id", CELL_TEXT },
	{ "direction", "direction", CELL_TEXT },
	{ "peer", "peer", CELL_TEXT },
	{ "destination", "destination", CELL_TEXT },
	{ "messages", "messages", CELL_TEXT },
	{ "bytes", "bytes", CELL_BYTES },
	{ "state", "state", CELL_TEXT },
	{ "reason", "reason", CELL_TEXT },
	{ "reason_text", "because", CELL_TEXT },
	{ "waits", "waits", CELL_SPAN },
	{ "terms.market", "price: market", CELL_MILLI },
	{ "terms.store", "price: store", CELL_MILLI },
	{ "terms.band", "price: band", CELL_MILLI },
	{ "terms.battery", "price: battery", CELL_MILLI },
	{ "terms.plan", "price: plan", CELL_MILLI },
	{ "terms.rated", "price: rated", CELL_MILLI },
	{ "rate", "price", CELL_MILLI },
	{ "total", "total", CELL_MILLI },
	{ NULL },
};

static int show_one(struct cli *cli, struct args *args)
{
	json_int_t id = args_number(args, "ID", 0, INT64_MAX);
	json_t *list, *offer;
	size_t i;

	args_end(args);
	list = cli_ask_list(cli, args, request_new("offers"));
	json_array_foreach(list, i, offer) {
		if (json_integer_value(json_object_get(offer, "id")) != id)
			continue;
		print_object(cli, offer, members);
		json_decref(list);
		return EXIT_YES;
	}
	fprintf(stderr, "%s: offers: no offer %lld\n", args_program, (long long)id);
	json_decref(list);
	return EXIT_NO;
}

static int show(struct cli *cli, struct args *args)
{
	if (args->left)
		return show_one(cli, args);
	cli_show(cli, args, request_new("offers"), table);
	return EXIT_YES;
}

static int answer(struct cli *cli, struct args *args, const char *command)
{
	json_t *request = request_new(command);

	request_put(request, "id", json_integer(args_number(args, "ID", 0, INT64_MAX)));
	args_end(args);
	cli_do(cli, args, request);
	return EXIT_YES;
}

static int accept_bid(struct cli *cli, struct args *args)
{
	return answer(cli, args, "offers accept");
}

static int reject_bid(struct cli *cli, struct args *args)
{
	return answer(cli, args, "offers reject");
}

static int make(struct cli *cli, struct args *args)
{
	char address[INET6_ADDRSTRLEN], digest[DIGEST_DIGITS + 1];
	json_t *request = request_new("offers make");
	json_t *digests = json_array();

	peer_argument(cli, args, address);
	request_put(request, "peer", json_string(address));
	if (args->left && !strcmp(*args->word, "all")) {
		args_next(args, "all");
		args_end(args);
		json_decref(digests);
		digests = json_string("all");
	} else {
		do {
			hex_argument(args, "DIGEST", DIGEST_MIN, DIGEST_DIGITS, digest);
			if (strlen(digest) % 2)
				args_die(args, "DIGEST '%s' has an odd number of digits", digest);
			json_array_append_new(digests, json_string(digest));
		} while (args->left);
	}
	request_put(request, "digests", digests);
	cli_do(cli, args, request);
	return EXIT_YES;
}

int cli_offers(struct cli *cli, struct args *args)
{
	static const struct command commands[] = {
		{ "show", show },
		{ "accept", accept_bid },
		{ "reject", reject_bid },
		{ "make", make },
		{ NULL, NULL },
	};
	static const struct object object = { "offers", commands, show, usage };

	return object_run(cli, args, &object);
}
