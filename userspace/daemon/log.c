// SPDX-License-Identifier: GPL-2.0
/*
 * The log: lines on standard error, which systemd takes to its journal.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/log.h"

static enum log_level log_level = LOG_LEVEL_INFO;
static bool log_journal;

/**
 * log_init() - set what is logged
 * @level: the least urgent level that is
 */
void log_init(enum log_level level)
{
	log_level = level;
	/* sd-daemon(3): set when standard error is the journal, which has its own clock */
	log_journal = getenv("JOURNAL_STREAM");
}

/**
 * log_line() - log one line
 * @level: how urgent it is
 * @format: of the line, without a line end
 */
void log_line(enum log_level level, const char *format, ...)
{
	static const char *const names[] = { [LOG_LEVEL_ERROR] = "error",
		[LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
		[LOG_LEVEL_INFO] = "info", [LOG_LEVEL_DEBUG] = "debug" };
	char line[1024], when[32];
	struct timespec now;
	va_list args;
	struct tm tm;

	if (level > log_level)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (log_journal) {
		fprintf(stderr, "<%d>%s\n", level, line);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(stderr, "%s.%03ldZ %s: %s\n", when, now.tv_nsec / 1000000, names[level], line);
}
