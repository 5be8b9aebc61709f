/* SPDX-License-Identifier: GPL-2.0 */
/*
 * crowdshare - watch and command crowdshared: what its files share.
 *
 * A run asks one question and ends; a file is an object. What the daemon answers is JSON, which is
 * printed as it is or as text, so that the two can't tell different stories. Words of the command
 * line are parsed as csnl parses them.
 */
#ifndef CROWDSHARE_H
#define CROWDSHARE_H

#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include <crowdshare/card.h>
#include <jansson.h>

#include "cli/print.h"
#include "csnl/args.h"
#include "daemon/config.h"
#include "daemon/identity.h"

#define CROWDSHARE_VERSION	"0.1"

/* Exit statuses, as grep's and csnl's: an answer of no is not an error. */
enum {
	EXIT_YES,
	EXIT_NO,
	EXIT_TROUBLE,
};

#define ABSENCE_FOREVER UINT_MAX
#define CLI_REFUSED	1	/* the daemon has understood, and its answer is no */

/**
 * struct cli - what holds for the whole run
 * @json: print JSON
 * @pretty: indent it
 * @details: print what is long, too
 * @config_path: of -c, NULL: CONFIG_PATH_DEFAULT
 * @socket: of -s, NULL: as the configuration says
 * @patience: seconds that the daemon may take to answer
 * @absence: seconds that the daemon may be away between two questions: it is restarted now and then
 * @config: the configuration, once cli_config() was called
 * @configured: it was
 * @fd: connection to the daemon, -1: none yet
 */
struct cli {
	bool		json;
	bool		pretty;
	bool		details;
	const char	*config_path;
	const char	*socket;
	unsigned int	patience;
	unsigned int	absence;
	struct config	config;
	bool		configured;
	int		fd;
};

typedef int (*cli_run)(struct cli *cli, struct args *args);

/**
 * struct command - an object, or a command of an object
 * @name: its full name; any beginning that no other one shares will do
 * @run: what does it
 */
struct command {
	const char	*name;
	cli_run		run;
};

/**
 * struct object - commands of an object and what is printed about them
 * @name: name of the object
 * @commands: ends with an entry without a name; NULL: the object is a command
 * @fallback: what runs when no command is given, NULL: usage error
 * @usage: lines for help
 */
struct object {
	const char		*name;
	const struct command	*commands;
	cli_run			fallback;
	const char		*usage;
};

int object_run(struct cli *cli, struct args *args, const struct object *object);
bool args_value(struct args *args, const char *name, const char **value);

/* an object each */
int cli_status(struct cli *cli, struct args *args);
int cli_peers(struct cli *cli, struct args *args);
int cli_offers(struct cli *cli, struct args *args);
int cli_contracts(struct cli *cli, struct args *args);
int cli_store(struct cli *cli, struct args *args);
int cli_ledger(struct cli *cli, struct args *args);
int cli_policy(struct cli *cli, struct args *args);
int cli_gateway(struct cli *cli, struct args *args);
int cli_receipts(struct cli *cli, struct args *args);
int cli_receivers(struct cli *cli, struct args *args);
int cli_ca(struct cli *cli, struct args *args);
int cli_id(struct cli *cli, struct args *args);
int cli_put(struct cli *cli, struct args *args);
int cli_sent(struct cli *cli, struct args *args);
int cli_get(struct cli *cli, struct args *args);
int cli_inbox(struct cli *cli, struct args *args);

/* ask.c */
json_t *request_new(const char *command);
void request_put(json_t *request, const char *key, json_t *value);
int cli_try(struct cli *cli, json_t *request, json_t **result, struct cs_error *error);
json_t *cli_ask(struct cli *cli, const struct args *args, json_t *request);
json_t *cli_ask_list(struct cli *cli, const struct args *args, json_t *request);
void cli_show(struct cli *cli, const struct args *args, json_t *request,
	      const struct column *columns);
void cli_do(struct cli *cli, const struct args *args, json_t *request);

/* config.c */
const struct config *cli_config(struct cli *cli);
const char *cli_socket(struct cli *cli);
void cli_state_file(struct cli *cli, const char *name, char *path, size_t size);

/* card.c */
const struct command *card_command(const char *word);
bool card_sender(const struct args *args, const char *key, struct identity *sender,
		 struct cs_card *card);
void card_key_path(const struct args *args, const char *key, enum cs_role role,
		   char path[PATH_MAX]);

/* sent.c */
void sent_write(const struct args *args, const char *id, const json_t *record,
		const uint8_t *ids, size_t count);
size_t sent_holders(struct cli *cli, const struct args *args, const uint8_t *ids, size_t count);

/* id.c */
void public_key(const struct args *args, const char *what, const char *word,
		uint8_t public[IDENTITY_PUBLIC_LEN]);

/* peers.c */
void peer_argument(struct cli *cli, struct args *args, char address[INET6_ADDRSTRLEN]);

/* words */
void hex_argument(struct args *args, const char *what, size_t min, size_t max, char *text);

#endif /* CROWDSHARE_H */
