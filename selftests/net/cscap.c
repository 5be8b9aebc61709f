// SPDX-License-Identifier: GPL-2.0
/*
 * cscap: captures on the links of all nodes of a test at once, and judges what it saw.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "caplog.h"
#include "die.h"
#include "link.h"

const char *program = "cscap";

#define DEVICES_MAX 256

/* NAMESPACE: alone stands for all its interfaces. */
static void start(const char *file, char **given, int nr)
{
	char *labels[DEVICES_MAX];
	int i, n = 0;

	for (i = 0; i < nr; i++) {
		size_t len = strlen(given[i]);

		if (n == DEVICES_MAX)
			die("too many devices");
		if (len && given[i][len - 1] == ':')
			n += link_list(given[i], labels + n, DEVICES_MAX - n);
		else
			labels[n++] = given[i];
	}
	capture(file, labels, n);
}

static void usage(void)
{
	printf("usage: cscap -w LOG [NAMESPACE:]DEVICE...   "
	       "captures in the background; NAMESPACE:\n"
	       "                                            alone stands for all its devices\n"
	       "       cscap -s LOG                         ends that, and writes LOG\n"
	       "       cscap -r LOG ['RULE DEVICE in|out [ARGUMENT...]']...\n"
	       "                                            exit status 1 if a rule is broken\n"
	       "       cscap -t LOG    for each device: frames in, messages in, frames out,\n"
	       "                       messages out, foreign frames in, foreign frames out\n"
	       "       cscap -d LOG                         prints the frames\n"
	       "DEVICE may be a pattern in a rule, then it holds for each that fits. Rules:\n");
	rules_help();
}

int main(int argc, char **argv)
{
	struct cap_log log;
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "-h") || !strcmp(mode, "--help")) {
		usage();
		return 0;
	}
	if (argc < 3)
		die("-w, -s, -r, -t or -d, and a LOG; cscap -h tells more");
	if (!strcmp(mode, "-w") && argc > 3) {
		start(argv[2], argv + 3, argc - 3);
	} else if (!strcmp(mode, "-s")) {
		capture_stop(argv[2]);
	} else if (!strcmp(mode, "-r")) {
		caplog_read(&log, argv[2]);
		return rules_check(&log, argv + 3, argc - 3) ? 0 : 1;
	} else if (!strcmp(mode, "-t")) {
		caplog_read(&log, argv[2]);
		rules_table(&log);
	} else if (!strcmp(mode, "-d")) {
		caplog_read(&log, argv[2]);
		rules_dump(&log);
	} else {
		die("'%s': -w (with devices), -s, -r, -t or -d; cscap -h tells more", mode);
	}
	return 0;
}
