// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target of the control socket: what a client may say.
 *
 * The first byte of the input says in pieces of which size the rest comes, so that lines are cut
 * anywhere, or that it is repeated until it is about as long as a request may be. It goes through a
 * real socket. Whatever it is, every line gets exactly one answer, which
 * is a line of JSON with a verdict, unless one was too long, which ends the connection.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/control.h"

#define INPUT_MAX (3 * CONTROL_REQUEST_MAX)

static struct event_base *base;
static struct control *control;
static char dir[64];
static char path[96];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "%s\n", what);
		abort();
	}
}

/* Gives back what it was asked, so that the answer has everything that a request may have. */
static json_t *handler(void *data, const json_t *request, bool admin, struct cs_error *error)
{
	const char *command = json_string_value(json_object_get(request, "command"));

	(void)data;
	check(admin && command && strlen(command) <= 64, "a request without a command");
	if (command[0] == '!') {
		cs_error_set(error, -EINVAL, "no: %s", command);
		return NULL;
	}
	return json_incref((json_t *)request);
}

static void stop(void)
{
	control_close(control);
	event_base_free(base);
	rmdir(dir);
}

static void start(void)
{
	struct cs_error error = { "" };

	strcpy(dir, "/tmp/crowdshare-fuzz-XXXXXX");
	check(mkdtemp(dir) != NULL, "mkdtemp");
	snprintf(path, sizeof(path), "%s/control", dir);
	base = event_base_new();
	check(!control_open(&control, base, path, handler, NULL, &error), error.text);
	atexit(stop);
}

static int client_new(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, path);
	check(fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof(address)), "connect");
	return fd;
}

static void check_answer(const char *line, size_t len)
{
	json_t *answer = json_loadb(line, len, 0, NULL);
	const json_t *ok = json_object_get(answer, "ok");

	check(json_is_boolean(ok), "an answer without a verdict");
	if (json_is_true(ok))
		check(json_object_get(answer, "result") != NULL, "an answer without a result");
	else
		check(json_is_string(json_object_get(answer, "error")) &&
		      json_is_string(json_object_get(answer, "reason")), "a no without a reason");
	json_decref(answer);
}

/* Return: the number of answers heard so far; *end: the connection has ended. */
static size_t hear(int fd, char *buffer, size_t *len, int *end)
{
	size_t answers = 0;
	ssize_t n = read(fd, buffer + *len, 8 * INPUT_MAX - *len);
	char *line;

	check(n >= 0 || errno == EAGAIN || errno == ECONNRESET, "read");
	*end = !n || (n < 0 && errno == ECONNRESET);
	if (n > 0)
		*len += n;
	while ((line = memchr(buffer, '\n', *len))) {
		check_answer(buffer, line - buffer);
		answers++;
		*len -= line + 1 - buffer;
		memmove(buffer, line + 1, *len);
	}
	return answers;
}

/* Return: the number of lines, or those up to the first that is too long. */
static size_t count(const uint8_t *data, size_t size, int *too_long)
{
	const uint8_t *end;
	size_t lines = 0;

	*too_long = 0;
	while ((end = memchr(data, '\n', size))) {
		lines++;
		if (end - data > CONTROL_REQUEST_MAX) {
			*too_long = 1;
			return lines;
		}
		size -= end + 1 - data;
		data = end + 1;
	}
	*too_long = size > CONTROL_REQUEST_MAX;
	return lines + *too_long;
}

/* Return: the input, over and over. */
static const uint8_t *repeat(const uint8_t *data, size_t size, size_t to)
{
	static uint8_t buffer[INPUT_MAX];
	size_t i;

	for (i = 0; i < to; i++)
		buffer[i] = data[i % size];
	return buffer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char buffer[8 * INPUT_MAX];
	size_t cut, piece, lines, answers = 0, len = 0, sent = 0;
	int fd, end = 0, too_long;
	ssize_t n;

	if (!control)
		start();
	if (!size || size > CONTROL_REQUEST_MAX)
		return 0;
	cut = data[0];
	/* tens of thousands of lines would take a second */
	if (data[0] == 255 && size > 1 && !memchr(data, '\n', size)) {
		data = repeat(data + 1, size - 1, CONTROL_REQUEST_MAX - 64 + size);
		size += CONTROL_REQUEST_MAX - 64;
	} else {
		data++;
		size--;
	}
	/* not more than some hundred: it is the places of the cuts that matter */
	piece = cut < 128 ? cut + 1 + size / 128 : size;
	lines = count(data, size, &too_long);
	fd = client_new();
	while (!end) {
		if (sent < size) {
			n = send(fd, data + sent, piece < size - sent ? piece : size - sent,
				 MSG_NOSIGNAL);
			/* it may have ended: then what was too long is all there was to say */
			if (n < 0 && errno != EAGAIN)
				sent = size;
			sent += n > 0 ? n : 0;
		}
		if (sent == size)
			shutdown(fd, SHUT_WR);
		event_base_loop(base, EVLOOP_NONBLOCK);
		answers += hear(fd, buffer, &len, &end);
	}
	check(!len, "an answer without a line end");
	check(answers == lines, "not one answer to each line");
	close(fd);
	event_base_loop(base, EVLOOP_NONBLOCK);
	return 0;
}
