// SPDX-License-Identifier: GPL-2.0
/*
 * csnl: options, the table of objects, and what all objects need.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "csnl/csnl.h"

static const char usage[] =
	"Usage: csnl [OPTIONS] OBJECT { COMMAND | help }\n"
	"       OBJECT := { dev | port | peer | contract | seen | stats | monitor | send | recv }\n"
	"       OPTIONS := { -j, --json       print JSON\n"
	"                    -p, --pretty     and indent it\n"
	"                    -d, --details    print what is long, too\n"
	"                    -n, --netns NAME work in this network namespace\n"
	"                    -V, --version    print the version\n"
	"                    -h, --help       print this }\n"
	"Objects and commands may be abbreviated as long as they stay unambiguous.\n"
	"Exit status: 0 yes or done, 1 no, 2 something is wrong.\n";

static int print_usage(struct csnl *cs, struct args *args)
{
	(void)cs;
	(void)args;
	fputs(usage, stdout);
	flush_output();
	return EXIT_YES;
}

static const struct command objects[] = {
	{ "dev", csnl_dev },
	{ "port", csnl_port },
	{ "peer", csnl_peer },
	{ "contract", csnl_contract },
	{ "seen", csnl_seen },
	{ "stats", csnl_stats },
	{ "monitor", csnl_monitor },
	{ "send", csnl_send },
	{ "recv", csnl_recv },
	{ "help", print_usage },
	{ NULL, NULL },
};

/**
 * object_run - run a command of an object
 */
int object_run(struct csnl *cs, struct args *args, const struct object *object)
{
	const struct command *command;
	char what[48];

	/* the last word: FILE and DIR come last too, but ./help is at hand for those */
	if (args->left && (args_is_help(*args->word) ||
			   (object->commands && args_is_help(args->word[args->left - 1])))) {
		fputs(object->usage, stdout);
		flush_output();
		return EXIT_YES;
	}
	/* of an object without commands every word is an argument */
	if (object->fallback && (!args->left || !object->commands))
		return object->fallback(cs, args);
	if (!args->left)
		die("%s: COMMAND is missing\n%s", object->name, object->usage);
	snprintf(what, sizeof(what), "command of %s", object->name);
	command = args_find(object->commands, sizeof(*command), *args->word, what);
	args->word++;
	args->left--;
	args_enter(args, command->name);
	return command->run(cs, args);
}

/**
 * csnl_nl - the netlink socket
 *
 * That it could not be opened is told when it is used: what is wrong in the command line is wrong
 * without the module, too, and is told first.
 */
struct cs_nl *csnl_nl(struct csnl *cs)
{
	if (!cs->nl.request && cs_nl_open(&cs->nl)) {
		cs->unusable = true;
		if (!cs->nl.request)
			die("%s", cs->nl.error);
	}
	return &cs->nl;
}

/**
 * csnl_need_nl - the netlink socket, which has to work
 */
struct cs_nl *csnl_need_nl(struct csnl *cs)
{
	struct cs_nl *nl = csnl_nl(cs);

	if (cs->unusable)
		die("%s", nl->error);
	return nl;
}

/**
 * csnl_do - a request that has to succeed
 */
void csnl_do(struct csnl *cs, struct args *args, struct nlmsghdr *nlh, cs_nl_cb cb, void *data)
{
	if (cs_nl_do(csnl_need_nl(cs), nlh, cb, data))
		args_die(args, "%s", cs->nl.error);
	if (cs->nl.warning[0])
		fprintf(stderr, "csnl: %s: warning: %s\n", args->where, cs->nl.warning);
}

static void list_restart(void *list)
{
	json_array_clear(list);
}

/**
 * csnl_dump - a dump into a list, which has to succeed
 */
void csnl_dump(struct csnl *cs, struct args *args, struct nlmsghdr *nlh, cs_nl_cb cb,
	       json_t *list)
{
	if (cs_nl_dump(csnl_need_nl(cs), nlh, cb, list_restart, list))
		args_die(args, "%s", cs->nl.error);
}

/* As ip does: a name of `ip netns`, or the path of a namespace file. */
static void enter_netns(const char *name)
{
	char path[4096];
	int fd;

	if (strchr(name, '/'))
		snprintf(path, sizeof(path), "%s", name);
	else
		snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("network namespace '%s': %s", name, strerror(errno));
	if (setns(fd, CLONE_NEWNET))
		die("network namespace '%s': %s", name, strerror(errno));
	close(fd);
}

static void parse_options(struct csnl *cs, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "pretty", no_argument, NULL, 'p' },
		{ "details", no_argument, NULL, 'd' },
		{ "netns", required_argument, NULL, 'n' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	/* '+': words after OBJECT belong to the object; ':': we say ourselves what is wrong */
	while ((c = getopt_long(argc, argv, "+:jpdn:Vh", options, NULL)) != -1) {
		if (c == 'j')
			cs->json = true;
		else if (c == 'p')
			cs->pretty = true;
		else if (c == 'd')
			cs->details = true;
		else if (c == 'n')
			enter_netns(optarg);
		else if (c == 'V' || c == 'h')
			exit((fputs(c == 'h' ? usage : "csnl " CSNL_VERSION "\n", stdout),
			      flush_output(), EXIT_YES));
		else
			die("option '%s' %s; try 'csnl help'", argv[optind - 1],
			    c == ':' ? "needs a value" : "is not known");
	}
}

int main(int argc, char **argv)
{
	const struct command *object;
	struct csnl cs = { 0 };
	struct args args;
	int status;

	parse_options(&cs, argc, argv);
	if (optind >= argc) {
		fputs(usage, stderr);
		return EXIT_TROUBLE;
	}
	memset(&args, 0, sizeof(args));
	object = args_find(objects, sizeof(*objects), argv[optind], "object");
	args.word = argv + optind + 1;
	args.left = argc - optind - 1;
	args_enter(&args, object->name);
	status = object->run(&cs, &args);
	if (cs.nl.request)
		cs_nl_close(&cs.nl);
	return status;
}
