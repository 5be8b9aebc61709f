/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who takes objects out of an ingest's inbox with crowdshare: a directory for each test, with a
 * home, and keys for all of them.
 */
#ifndef SELFTESTS_UNIT_DAEMON_PERSON_H
#define SELFTESTS_UNIT_DAEMON_PERSON_H

#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <crowdshare/card.h>

#include "cli.h"
#include "lib/message.h"
#include "ok.h"
#include "tempdir.h"

/* of all tests, with the keys; of one of them; what crowdshare said last */
static char top[64], place[80], output[1 << 16];

__attribute__((format(printf, 1, 2)))
static inline const char *in_place(const char *format, ...)
{
	static char path[4][PATH_MAX];
	static unsigned int next;
	char *to = path[next++ % 4];
	int len = snprintf(to, PATH_MAX, "%s/", place);
	va_list args;

	va_start(args, format);
	vsnprintf(to + len, PATH_MAX - len, format, args);
	va_end(args);
	return to;
}

/* A directory for the next test, with an inbox. */
static inline void new_place(void)
{
	static unsigned int number;

	snprintf(place, sizeof(place), "%s/%u", top, number++);
	mkdir(place, 0700);
	mkdir(in_place("inbox"), 0700);
}

static inline void write_file(const char *path, const void *data, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

/* How much was read; 0: nothing, or there is no such file. */
static inline size_t read_file(const char *path, void *data, size_t size)
{
	FILE *file = fopen(path, "r");
	size_t len;

	if (!file)
		return 0;
	len = fread(data, 1, size, file);
	fclose(file);
	return len;
}

/* Runs crowdshare with a home of its own; its exit status. */
__attribute__((format(printf, 1, 2)))
static inline int run(const char *format, ...)
{
	char words[4096], command[16384];
	va_list args;
	size_t len;
	int status;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	snprintf(command, sizeof(command), "cd '%s' && HOME='%s' XDG_STATE_HOME= XDG_DATA_HOME= "
		 "%s %s >out 2>&1", place, place, cli, words);
	status = system(command);
	len = read_file(in_place("out"), output, sizeof(output) - 1);
	output[len] = '\0';
	if (strstr(output, "Sanitizer"))
		fail_msg("%s", output);
	return WEXITSTATUS(status);
}

static inline void make_key(struct cs_private **key, struct cs_card *card, const char *name,
			    enum cs_role role)
{
	static const uint8_t address[CS_ADDR_LEN] = { 0x20, 1, 0xd, 0xb8, [15] = 7 };
	char path[128];

	snprintf(path, sizeof(path), "%s/%s.pem", top, name);
	OK(cs_private_new(key, 2048, error));
	OK(cs_private_write(*key, path, error));
	OK(cs_card_new(card, *key, role, address, CS_PORT_DEFAULT, error));
}

#endif /* SELFTESTS_UNIT_DAEMON_PERSON_H */
