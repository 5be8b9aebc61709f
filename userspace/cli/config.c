// SPDX-License-Identifier: GPL-2.0
/*
 * What crowdshare needs of the daemon's configuration: the control socket, the directory of state.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/crowdshare.h"
#include "daemon/control.h"

static int read_config(struct cli *cli, struct cs_error *error)
{
	const char *path = cli->config_path ? cli->config_path : CONFIG_PATH_DEFAULT;
	int rc = 0;

	if (!cli->configured)
		rc = config_load(&cli->config, path, error);
	cli->configured = !rc;
	return rc;
}

/**
 * cli_config() - the configuration, which has to be readable
 * @cli: the run
 *
 * Return: the configuration.
 */
const struct config *cli_config(struct cli *cli)
{
	struct cs_error error = { "" };

	if (read_config(cli, &error))
		die("%s%s", error.text, cli->config_path ? "" :
		    "; name the configuration of crowdshared with -c");
	return &cli->config;
}

/**
 * cli_socket() - path of the control socket
 * @cli: the run
 *
 * The daemon may run on another configuration than the one that was just spoilt, and the file may
 * be for its user's eyes only; neither keeps anyone from asking.
 *
 * Return: the path.
 */
const char *cli_socket(struct cli *cli)
{
	struct cs_error error = { "" };

	if (cli->socket)
		return cli->socket;
	if (cli->config_path)
		return cli_config(cli)->control;
	if (access(CONFIG_PATH_DEFAULT, R_OK))
		return CONTROL_PATH_DEFAULT;
	if (!read_config(cli, &error))
		return cli->config.control;
	fprintf(stderr, "%s: warning: %s\n", args_program, error.text);
	return CONTROL_PATH_DEFAULT;
}

/**
 * cli_state_file() - path of a file of the daemon's state
 * @cli: the run
 * @name: of the file
 * @path: gets the path
 * @size: room there
 */
void cli_state_file(struct cli *cli, const char *name, char *path, size_t size)
{
	const char *state = cli_config(cli)->state;

	if ((size_t)snprintf(path, size, "%s/%s", state, name) >= size)
		die("%s/%s: %s", state, name, strerror(ENAMETOOLONG));
}
