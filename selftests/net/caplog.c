// SPDX-License-Identifier: GPL-2.0
/*
 * Writes and reads the file of what was captured.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caplog.h"
#include "die.h"

static const size_t head = offsetof(struct cap_log, ifaces);

void caplog_write(const struct cap_log *log, const char *file)
{
	FILE *f = fopen(file, "w");

	if (!f)
		die("%s: %s", file, strerror(errno));
	if (fwrite(log, head, 1, f) != 1 ||
	    fwrite(log->ifaces, sizeof(*log->ifaces), log->nr_ifaces, f) != log->nr_ifaces ||
	    fwrite(log->frames, sizeof(*log->frames), log->nr_frames, f) != log->nr_frames ||
	    fclose(f))
		die("%s: %s", file, strerror(errno));
}

void caplog_read(struct cap_log *log, const char *file)
{
	FILE *f = fopen(file, "r");

	if (!f)
		die("%s: %s", file, strerror(errno));
	if (fread(log, head, 1, f) != 1 || log->magic != CAPLOG_MAGIC)
		die("%s: not a log of cscap", file);
	log->ifaces = calloc(log->nr_ifaces + 1, sizeof(*log->ifaces));
	log->frames = calloc(log->nr_frames + 1, sizeof(*log->frames));
	if (!log->ifaces || !log->frames)
		die("%s: out of memory", file);
	if (fread(log->ifaces, sizeof(*log->ifaces), log->nr_ifaces, f) != log->nr_ifaces ||
	    fread(log->frames, sizeof(*log->frames), log->nr_frames, f) != log->nr_frames)
		die("%s: cut off", file);
	fclose(f);
}
