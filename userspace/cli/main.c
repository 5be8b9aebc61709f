// SPDX-License-Identifier: GPL-2.0
/*
 * crowdshare: options, the table of objects, and what all objects need.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/crowdshare.h"

#define PATIENCE	60

static const char usage[] =
	"Usage: crowdshare [OPTIONS] OBJECT { COMMAND | help }\n"
	"       OBJECT := { put | sent | inbox | get | status | peers | offers | contracts |\n"
	"                   store | ledger | policy | gateway | receipts | receivers |\n"
	"                   ca | id }\n"
	"       OPTIONS := { -j, --json        print JSON\n"
	"                    -p, --pretty      and indent it\n"
	"                    -d, --details     print what is long, too\n"
	"                    -c, --config FILE configuration of crowdshared\n"
	"                    -s, --socket PATH control socket of crowdshared\n"
	"                    -V, --version     print the version\n"
	"                    -h, --help        print this }\n"
	"Objects and commands may be abbreviated as long as they stay unambiguous.\n"
	"Exit status: 0 yes or done, 1 no, 2 something is wrong.\n";

static int print_usage(struct cli *cli, struct args *args)
{
	(void)cli;
	(void)args;
	fputs(usage, stdout);
	flush_output();
	return EXIT_YES;
}

static const struct command objects[] = {
	{ "put", cli_put },
	{ "sent", cli_sent },
	{ "inbox", cli_inbox },
	{ "get", cli_get },
	{ "status", cli_status },
	{ "peers", cli_peers },
	{ "offers", cli_offers },
	{ "contracts", cli_contracts },
	{ "store", cli_store },
	{ "ledger", cli_ledger },
	{ "policy", cli_policy },
	{ "gateway", cli_gateway },
	{ "receipts", cli_receipts },
	{ "receivers", cli_receivers },
	{ "ca", cli_ca },
	{ "id", cli_id },
	{ "help", print_usage },
	{ NULL, NULL },
};

/**
 * object_run() - run a command of an object
 * @cli: the run
 * @args: the words after the object
 * @object: the object
 *
 * Return: exit status.
 */
int object_run(struct cli *cli, struct args *args, const struct object *object)
{
	const struct command *command;
	char what[48];

	if (args->left && (args_is_help(*args->word) || args_is_help(args->word[args->left - 1]))) {
		fputs(object->usage, stdout);
		flush_output();
		return EXIT_YES;
	}
	/* options need no command before them, as in "ledger --csv" */
	if (object->fallback && (!args->left || !object->commands || **args->word == '-'))
		return object->fallback(cli, args);
	if (!args->left)
		die("%s: COMMAND is missing\n%s", object->name, object->usage);
	snprintf(what, sizeof(what), "command of %s", object->name);
	command = args_find(object->commands, sizeof(*command), *args->word, what);
	args->word++;
	args->left--;
	args_enter(args, command->name);
	return command->run(cli, args);
}

/**
 * args_value() - take an option with its value: "--name VALUE" or "--name=VALUE"
 * @args: the words
 * @name: of the option, with its dashes
 * @value: set to the value
 *
 * Return: whether the option stood there.
 */
bool args_value(struct args *args, const char *name, const char **value)
{
	size_t len = strlen(name);
	char *word;

	if (args_option(args, name)) {
		*value = args_next(args, name);
		return true;
	}
	if (!args->left || strncmp(*args->word, name, len) || (*args->word)[len] != '=')
		return false;
	/* as args_option() sees it, which finds options given twice */
	word = *args->word + len + 1;
	*args->word = (char *)name;
	args_option(args, name);
	*value = word;
	return true;
}

static int parse_options(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "pretty", no_argument, NULL, 'p' },
		{ "details", no_argument, NULL, 'd' },
		{ "config", required_argument, NULL, 'c' },
		{ "socket", required_argument, NULL, 's' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	/* '+': words after OBJECT belong to the object; ':': we say ourselves what is wrong */
	while ((c = getopt_long(argc, argv, "+:jpdc:s:Vh", options, NULL)) != -1) {
		if (c == 'j')
			cli->json = true;
		else if (c == 'p')
			cli->pretty = true;
		else if (c == 'd')
			cli->details = true;
		else if (c == 'c')
			cli->config_path = optarg;
		else if (c == 's')
			cli->socket = optarg;
		else if (c == 'V' || c == 'h')
			exit((fputs(c == 'h' ? usage : "crowdshare " CROWDSHARE_VERSION "\n",
				    stdout), flush_output(), EXIT_YES));
		else
			die("option '%s' %s; try 'crowdshare help'", argv[optind - 1],
			    c == ':' ? "needs a value" : "is not known");
	}
	return optind;
}

/* JSON is wanted by a word anywhere, as in "ledger -j --since 2d": no object has another -j. */
static void take_json(struct cli *cli, struct args *args)
{
	int i, n = 0;

	for (i = 0; i < args->left; i++) {
		if (!strcmp(args->word[i], "-j") || !strcmp(args->word[i], "--json"))
			cli->json = true;
		else
			args->word[n++] = args->word[i];
	}
	args->left = n;
}

int main(int argc, char **argv)
{
	struct cli cli = { .patience = PATIENCE, .fd = -1 };
	const struct command *object;
	struct args args = { NULL };
	int status, first;

	args_program = "crowdshare";
	first = parse_options(&cli, argc, argv);
	if (first >= argc) {
		fputs(usage, stderr);
		return EXIT_TROUBLE;
	}
	object = args_find(objects, sizeof(*objects), argv[first], "object");
	args.word = argv + first + 1;
	args.left = argc - first - 1;
	args_enter(&args, object->name);
	take_json(&cli, &args);
	status = object->run(&cli, &args);
	if (cli.fd >= 0)
		close(cli.fd);
	if (cli.configured)
		config_free(&cli.config);
	return status;
}
