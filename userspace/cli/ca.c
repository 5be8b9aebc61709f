// SPDX-License-Identifier: GPL-2.0
/*
 * crowdshare ca: a community's key, and certificates signed with it. Asks no daemon: the key is
 * best kept on a machine that runs none.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/crowdshare.h"
#include "daemon/trust.h"

#define DAYS_DEFAULT	365
#define DAYS_MAX	36500

static const char usage[] =
	"Usage: crowdshare ca new --name NAME --key FILE --certificate FILE\n"
	"       crowdshare ca sign --key FILE --certificate FILE --node KEY [ --name NAME ]\n"
	"                          [ --days N ] --out FILE\n"
	"       KEY := { public key in hexadecimal, see crowdshare id | file of one }\n"
	"new makes the key of a community and its certificate, sign the certificate of a node.\n";

/**
 * struct options - of both commands
 */
struct options {
	const char *key;
	const char *certificate;
	const char *name;
	const char *node;
	const char *out;
	const char *days;
};

static void parse(struct args *args, struct options *options, bool sign)
{
	while (args->left) {
		if (args_value(args, "--key", &options->key) ||
		    args_value(args, "--certificate", &options->certificate) ||
		    args_value(args, "--name", &options->name))
			continue;
		if (sign && (args_value(args, "--node", &options->node) ||
			     args_value(args, "--out", &options->out) ||
			     args_value(args, "--days", &options->days)))
			continue;
		args_unknown(args);
	}
	/* a node that has none is called by its address */
	if (!options->name && !sign)
		args_die(args, "--name NAME is missing");
	if (!options->key)
		args_die(args, "--key FILE is missing");
	if (!options->certificate)
		args_die(args, "--certificate FILE is missing");
	if (sign && !options->node)
		args_die(args, "--node KEY is missing");
	if (sign && !options->out)
		args_die(args, "--out FILE is missing");
}

static void done(struct cli *cli, const char *key, const char *path)
{
	json_t *result = json_pack("{s:s}", key, path);

	if (!result)
		die("out of memory, or '%s' is not UTF-8", path);
	print_value(cli, result);
	json_decref(result);
}

static int new(struct cli *cli, struct args *args)
{
	struct options options = { NULL };
	struct cs_error error = { "" };

	parse(args, &options, false);
	if (trust_ca_new(options.key, options.certificate, options.name, &error))
		args_die(args, "%s", error.text);
	done(cli, "certificate", options.certificate);
	return EXIT_YES;
}

static int sign(struct cli *cli, struct args *args)
{
	uint8_t public[IDENTITY_PUBLIC_LEN];
	struct options options = { NULL };
	struct cs_error error = { "" };
	unsigned int days = DAYS_DEFAULT;
	struct args word = *args;

	parse(args, &options, true);
	if (options.days) {
		word.word = (char **)&options.days;
		word.left = 1;
		days = args_number(&word, "--days", 1, DAYS_MAX);
	}
	public_key(args, "the key of a node", options.node, public);
	if (trust_ca_sign(options.key, options.certificate, public, options.name, days,
			  options.out, &error))
		args_die(args, "%s", error.text);
	done(cli, "certificate", options.out);
	return EXIT_YES;
}

int cli_ca(struct cli *cli, struct args *args)
{
	static const struct command commands[] = {
		{ "new", new },
		{ "sign", sign },
		{ NULL, NULL },
	};
	static const struct object object = { "ca", commands, NULL, usage };

	return object_run(cli, args, &object);
}
