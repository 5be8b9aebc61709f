// SPDX-License-Identifier: GPL-2.0
/*
 * crowdshare peers: the neighbours that were let in.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/crowdshare.h"

static const char usage[] =
	"Usage: crowdshare peers [ show [ PEER ] ]\n"
	"       PEER := { ADDRESS | NAME | MAC }\n";

static const struct column table[] = {
	{ "address", "ADDRESS", CELL_TEXT },
	{ "name", "NAME", CELL_TEXT },
	{ "port", "PORT", CELL_TEXT },
	{ "lladdr", "MAC", CELL_TEXT },
	{ "state", "STATE", CELL_TEXT },
	{ "status", "STATUS", CELL_TEXT },
	{ "loss", "LOSS", CELL_PERMILLE },
	{ "since", "SINCE", CELL_TIME },
	{ "rx_bytes", "RECEIVED", CELL_BYTES },
	{ "tx_bytes", "SENT", CELL_BYTES },
	{ NULL },
};

static const struct column members[] = {
	{ "address", "address", CELL_TEXT },
	{ "name", "name", CELL_TEXT },
	{ "port", "port", CELL_TEXT },
	{ "lladdr", "MAC", CELL_TEXT },
	{ "state", "state", CELL_TEXT },
	{ "status", "status", CELL_TEXT },
	{ "rating", "rating", CELL_MILLI },
	{ "loss", "lost on the way to it", CELL_PERMILLE },
	{ "since", "since", CELL_TIME },
	{ "offset", "clock offset (s)", CELL_TEXT },
	{ "key_epoch", "key epoch", CELL_TEXT },
	{ "certificate.issuer", "certified by", CELL_TEXT },
	{ "certificate.to", "certified to", CELL_TEXT },
	{ "rx_bytes", "received", CELL_BYTES },
	{ "tx_bytes", "sent", CELL_BYTES },
	{ NULL },
};

static bool has(const json_t *object, const char *key, const char *text)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value && !strcasecmp(value, text);
}

/* Those that a word means: there may be several, as one node may be a peer on several ports. */
static json_t *find(struct cli *cli, struct args *args, const char *word)
{
	json_t *all = cli_ask_list(cli, args, request_new("peers"));
	json_t *found = json_array(), *peer;
	char address[INET6_ADDRSTRLEN];
	uint8_t bytes[16];
	size_t i;

	if (inet_pton(AF_INET6, word, bytes) == 1)
		word = inet_ntop(AF_INET6, bytes, address, sizeof(address));
	json_array_foreach(all, i, peer)
		if (has(peer, "address", word) || has(peer, "name", word) ||
		    has(peer, "lladdr", word))
			json_array_append(found, peer);
	json_decref(all);
	return found;
}

/**
 * peer_argument() - take a peer
 * @cli: the run
 * @args: the words
 * @address: gets its address
 *
 * An address may be one of a peer that is not there now; a name or MAC is looked up.
 */
void peer_argument(struct cli *cli, struct args *args, char address[INET6_ADDRSTRLEN])
{
	const char *word = args_next(args, "PEER");
	const char *text = NULL, *other;
	uint8_t bytes[16];
	json_t *found;
	size_t i;

	if (inet_pton(AF_INET6, word, bytes) == 1) {
		inet_ntop(AF_INET6, bytes, address, INET6_ADDRSTRLEN);
		return;
	}
	if (strchr(word, '/') || !*word)
		args_die(args, "PEER '%s' is not an address, a name or a MAC", word);
	found = find(cli, args, word);
	for (i = 0; i < json_array_size(found); i++) {
		other = json_string_value(json_object_get(json_array_get(found, i), "address"));
		if (text && other && strcmp(text, other))
			args_die(args, "PEER '%s' is ambiguous: %s, %s", word, text, other);
		text = other;
	}
	if (!text)
		args_die(args, "no peer '%s' is here; name it by its address", word);
	snprintf(address, INET6_ADDRSTRLEN, "%s", text);
	json_decref(found);
}

static int show_one(struct cli *cli, struct args *args)
{
	const char *word = args_next(args, "PEER");
	json_t *found;
	size_t i;

	args_end(args);
	found = find(cli, args, word);
	if (!json_array_size(found)) {
		fprintf(stderr, "%s: peers: no peer '%s'\n", args_program, word);
		json_decref(found);
		return EXIT_NO;
	}
	for (i = 0; !cli->json && i < json_array_size(found); i++) {
		if (i)
			putchar('\n');
		print_members(cli, json_array_get(found, i), members);
	}
	if (cli->json)
		print_json(cli, found);
	json_decref(found);
	return EXIT_YES;
}

static int show(struct cli *cli, struct args *args)
{
	if (args->left)
		return show_one(cli, args);
	cli_show(cli, args, request_new("peers"), table);
	return EXIT_YES;
}

int cli_peers(struct cli *cli, struct args *args)
{
	static const struct command commands[] = { { "show", show }, { NULL, NULL } };
	static const struct object object = { "peers", commands, show, usage };

	return object_run(cli, args, &object);
}
