/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The program crowdshare, for tests that run it as people would.
 */
#ifndef SELFTESTS_UNIT_DAEMON_CLI_H
#define SELFTESTS_UNIT_DAEMON_CLI_H

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char cli[PATH_MAX + 32];

/* Beside the test, built with the same sanitizers, or CS_CLI; 0: it is there. */
static inline int find_cli(const char *argv0)
{
	char path[PATH_MAX];

	if (!realpath(argv0, path))
		return 1;
	snprintf(cli, sizeof(cli), "%s/bin/crowdshare", dirname(path));
	if (getenv("CS_CLI"))
		snprintf(cli, sizeof(cli), "%s", getenv("CS_CLI"));
	if (!access(cli, X_OK))
		return 0;
	fprintf(stderr, "%s: %s\n", cli, strerror(errno));
	return 1;
}

#endif /* SELFTESTS_UNIT_DAEMON_CLI_H */
