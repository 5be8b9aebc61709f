// SPDX-License-Identifier: GPL-2.0
/*
 * A question to the daemon. See daemon/control.h for what is said.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/crowdshare.h"
#include "daemon/control.h"

#define ANSWER_MAX	(1u << 30)

/**
 * request_new() - begin a request
 * @command: its command
 *
 * Return: the request.
 */
json_t *request_new(const char *command)
{
	json_t *request = json_pack("{s:s}", "command", command);

	if (!request)
		die("out of memory");
	return request;
}

/**
 * request_put() - give a request an argument
 * @request: the request
 * @key: name of the argument
 * @value: taken over
 */
void request_put(json_t *request, const char *key, json_t *value)
{
	/* the words of the command line may be any bytes */
	if (json_object_set_new(request, key, value))
		die("%s is not valid text (UTF-8)", key);
}

/* false: nobody is there. */
static bool connect_daemon(struct cli *cli)
{
	struct timeval patience = { .tv_sec = cli->patience };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = cli_socket(cli);

	if (strlen(path) >= sizeof(address.sun_path))
		die("'%s' is too long for the path of a socket: %zu bytes at most", path,
		    sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	cli->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (cli->fd < 0)
		die("socket: %s", strerror(errno));
	setsockopt(cli->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(cli->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!connect(cli->fd, (struct sockaddr *)&address, sizeof(address)))
		return true;
	if (errno == EACCES || errno == EPERM)
		die("%s: %s: be root, or in the group of crowdshared", path, strerror(errno));
	if (errno != ENOENT && errno != ECONNREFUSED && errno != ENOTSOCK)
		die("%s: %s", path, strerror(errno));
	close(cli->fd);
	cli->fd = -1;
	return false;
}

/* A daemon that turned us away has said why, even if it took nothing of the question. */
static void say(struct cli *cli, const char *line, size_t len)
{
	ssize_t n;

	while (len) {
		n = send(cli->fd, line, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return;
		if (n < 0)
			die("crowdshared takes no question: %s", strerror(errno));
		line += n;
		len -= n;
	}
}

/* The answer, with a NUL for its line end; to be freed. NULL: the connection is closed. */
static char *hear(struct cli *cli)
{
	size_t len = 0, room = 0;
	char *line = NULL, *more;
	ssize_t n;

	for (;;) {
		if (len == room) {
			room = room ? 2 * room : 65536;
			more = room <= ANSWER_MAX ? realloc(line, room) : NULL;
			if (!more)
				die("the answer of crowdshared is too long: %zu bytes", len);
			line = more;
		}
		n = recv(cli->fd, line + len, room - len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			die("crowdshared did not answer for %u seconds", cli->patience);
		if (n < 0 && errno != ECONNRESET)
			die("the answer of crowdshared: %s", strerror(errno));
		if (n <= 0)
			break;
		more = memchr(line + len, '\n', n);
		len += n;
		if (more) {
			*more = '\0';
			return line;
		}
	}
	free(line);
	close(cli->fd);
	cli->fd = -1;
	return NULL;
}

/*
 * The answer to a line; to be freed. What is asked may be asked twice: all commands that go on over
 * a restart of the daemon are such.
 */
static char *converse(struct cli *cli, const char *question, size_t len)
{
	unsigned int away = 0;
	bool heard = false;
	char *answer;

	for (;;) {
		if (cli->fd >= 0 || connect_daemon(cli)) {
			heard = true;
			say(cli, question, len);
			answer = hear(cli);
			if (answer)
				return answer;
		}
		if (away >= cli->absence || sleep(1))
			break;
		if (cli->absence != ABSENCE_FOREVER)
			away++;
	}
	if (heard && !cli->absence)
		die("crowdshared closed the connection without an answer: see its log");
	die("no crowdshared answers at %s: is it running? systemctl status crowdshared",
	    cli_socket(cli));
}

/* It was understood, and the answer is no: that is not trouble. */
__attribute__((noreturn))
static void refused(const struct args *args, const json_t *answer)
{
	const char *reason = json_string_value(json_object_get(answer, "reason"));
	const char *error = json_string_value(json_object_get(answer, "error"));
	char text[512];

	snprintf(text, sizeof(text), "%s", error ? error : "refused without a reason");
	clean_text(text);
	if (!reason || strcmp(reason, CONTROL_REASON_REFUSED))
		args_die(args, "%s", text);
	fflush(stdout);
	fprintf(stderr, "%s: %s: %s\n", args_program, args->where, text);
	exit(EXIT_NO);
}

/**
 * cli_ask() - ask the daemon
 * @cli: the run
 * @args: for error messages
 * @request: the question, taken over
 *
 * Ends the program when there is no answer, or the answer is no.
 *
 * Return: the result.
 */
json_t *cli_ask(struct cli *cli, const struct args *args, json_t *request)
{
	char *line = json_dumps(request, JSON_COMPACT), *heard;
	json_t *answer, *result;
	size_t len;

	json_decref(request);
	if (!line)
		args_die(args, "out of memory");
	len = strlen(line);
	if (len > CONTROL_REQUEST_MAX)
		args_die(args, "too many words: a request has at most %d bytes",
			 CONTROL_REQUEST_MAX);
	line[len] = '\n';
	heard = converse(cli, line, len + 1);
	free(line);
	answer = json_loads(heard, 0, NULL);
	free(heard);
	if (!json_is_boolean(json_object_get(answer, "ok")))
		args_die(args, "%s does not answer as crowdshared does", cli_socket(cli));
	if (!json_is_true(json_object_get(answer, "ok")))
		refused(args, answer);
	result = json_incref(json_object_get(answer, "result"));
	if (!result)
		args_die(args, "%s does not answer as crowdshared does", cli_socket(cli));
	json_decref(answer);
	return result;
}

/**
 * cli_ask_list() - ask the daemon for a list
 * @cli: the run
 * @args: for error messages
 * @request: the question, taken over
 *
 * Return: an array of objects.
 */
json_t *cli_ask_list(struct cli *cli, const struct args *args, json_t *request)
{
	json_t *list = cli_ask(cli, args, request);
	const json_t *value;
	size_t i;

	if (!json_is_array(list))
		args_die(args, "crowdshared answers something else than a list");
	json_array_foreach(list, i, value)
		if (!json_is_object(value))
			args_die(args, "crowdshared answers something else than a list of objects");
	return list;
}

/**
 * cli_show() - ask the daemon for a list, and print it
 * @cli: the run
 * @args: for error messages
 * @request: the question, taken over
 * @columns: of the table
 */
void cli_show(struct cli *cli, const struct args *args, json_t *request,
	      const struct column *columns)
{
	json_t *list = cli_ask_list(cli, args, request);

	print_list(cli, list, columns);
	json_decref(list);
}

/**
 * cli_do() - have the daemon do something, and print what it says
 * @cli: the run
 * @args: for error messages
 * @request: what it shall do, taken over
 */
void cli_do(struct cli *cli, const struct args *args, json_t *request)
{
	json_t *result = cli_ask(cli, args, request);

	print_value(cli, result);
	json_decref(result);
}
