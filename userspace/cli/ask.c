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

/* Ends the connection: what comes over it later would be taken for the answer to something else. */
static int hang_up(struct cli *cli, int rc)
{
	if (cli->fd >= 0)
		close(cli->fd);
	cli->fd = -1;
	return rc;
}

/* -ENOENT: nobody is there. */
static int connect_daemon(struct cli *cli, struct cs_error *error)
{
	struct timeval patience = { .tv_sec = cli->patience };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = cli_socket(cli);
	int rc;

	if (strlen(path) >= sizeof(address.sun_path))
		return cs_error_set(error, -ENAMETOOLONG, "'%s' is too long for the path of a "
				    "socket: %zu bytes at most", path,
				    sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	cli->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (cli->fd < 0)
		return cs_error_set(error, -errno, "socket: %s", strerror(errno));
	setsockopt(cli->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(cli->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!connect(cli->fd, (struct sockaddr *)&address, sizeof(address)))
		return 0;
	rc = errno == ECONNREFUSED || errno == ENOTSOCK ? -ENOENT : -errno;
	if (rc == -EACCES || rc == -EPERM)
		cs_error_set(error, rc, "%s: %s: be root, or in the group of crowdshared", path,
			     strerror(-rc));
	else if (rc != -ENOENT)
		cs_error_set(error, rc, "%s: %s", path, strerror(-rc));
	return hang_up(cli, rc);
}

/* A daemon that turned us away has said why, even if it took nothing of the question. */
static int say(struct cli *cli, const char *line, size_t len, struct cs_error *error)
{
	ssize_t n;

	while (len) {
		n = send(cli->fd, line, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return 0;
		if (n < 0)
			return cs_error_set(error, -errno, "crowdshared takes no question: %s",
					    strerror(errno));
		line += n;
		len -= n;
	}
	return 0;
}

/* Why nothing more can be heard; -ECONNRESET: the connection is closed. */
static int deaf(const struct cli *cli, ssize_t n, struct cs_error *error)
{
	if (!n || errno == ECONNRESET)
		return -ECONNRESET;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return cs_error_set(error, -ETIMEDOUT, "crowdshared did not answer for %u seconds",
				    cli->patience);
	return cs_error_set(error, -errno, "the answer of crowdshared: %s", strerror(errno));
}

/* The answer, with a NUL for its line end, to be freed; -ECONNRESET: the connection is closed. */
static int hear(struct cli *cli, char **answer, struct cs_error *error)
{
	size_t len = 0, room = 0;
	char *line = NULL, *more;
	ssize_t n;
	int rc = 0;

	while (!rc) {
		if (len == room) {
			room = room ? 2 * room : 65536;
			more = room <= ANSWER_MAX ? realloc(line, room) : NULL;
			if (!more) {
				rc = cs_error_set(error, -EMSGSIZE, "the answer of crowdshared is "
						  "too long: %zu bytes", len);
				break;
			}
			line = more;
		}
		n = recv(cli->fd, line + len, room - len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			rc = deaf(cli, n, error);
			break;
		}
		more = memchr(line + len, '\n', n);
		len += n;
		if (more) {
			*more = '\0';
			*answer = line;
			return 0;
		}
	}
	free(line);
	return rc;
}

/*
 * The answer to a line; to be freed. What is asked may be asked twice: all commands that go on over
 * a restart of the daemon are such.
 */
static int converse(struct cli *cli, const char *question, size_t len, char **answer,
		    struct cs_error *error)
{
	unsigned int away = 0;
	bool heard = false;
	int rc;

	for (;;) {
		rc = cli->fd >= 0 ? 0 : connect_daemon(cli, error);
		heard |= !rc;
		if (!rc)
			rc = say(cli, question, len, error);
		if (!rc)
			rc = hear(cli, answer, error);
		if (!rc)
			return 0;
		hang_up(cli, rc);
		if (rc != -ENOENT && rc != -ECONNRESET)
			return rc;
		if (away >= cli->absence || sleep(1))
			break;
		if (cli->absence != ABSENCE_FOREVER)
			away++;
	}
	if (heard && !cli->absence)
		return cs_error_set(error, -ECONNRESET, "crowdshared closed the connection "
				    "without an answer: see its log");
	return cs_error_set(error, -ENOENT, "no crowdshared answers at %s: is it running? "
			    "systemctl status crowdshared", cli_socket(cli));
}

/* What an answer says: its result, or why there is none. */
static int result_of(struct cli *cli, const json_t *answer, json_t **result,
		     struct cs_error *error)
{
	const char *reason = json_string_value(json_object_get(answer, "reason"));
	const char *text = json_string_value(json_object_get(answer, "error"));

	*result = json_incref(json_object_get(answer, "result"));
	if (json_is_true(json_object_get(answer, "ok")) && *result)
		return 0;
	json_decref(*result);
	*result = NULL;
	if (!json_is_false(json_object_get(answer, "ok")))
		return cs_error_set(error, -EPROTO, "%s does not answer as crowdshared does",
				    cli_socket(cli));
	cs_error_set(error, -EIO, "%s", text ? text : "refused without a reason");
	clean_text(error->text);
	return reason && !strcmp(reason, CONTROL_REASON_REFUSED) ? CLI_REFUSED : -EIO;
}

/**
 * cli_try() - ask the daemon
 * @cli: the run
 * @request: the question, taken over
 * @result: set to the result
 * @error: gets the reason of a failure
 *
 * Return: 0; %CLI_REFUSED: it was understood, and the answer is no, which is not trouble; a
 * negative errno.
 */
int cli_try(struct cli *cli, json_t *request, json_t **result, struct cs_error *error)
{
	char *line = json_dumps(request, JSON_COMPACT), *heard = NULL;
	json_t *answer;
	size_t len;
	int rc;

	json_decref(request);
	if (!line)
		return cs_error_set(error, -ENOMEM, "out of memory");
	len = strlen(line);
	if (len > CONTROL_REQUEST_MAX) {
		free(line);
		return cs_error_set(error, -E2BIG, "too many words: a request has at most %d bytes",
				    CONTROL_REQUEST_MAX);
	}
	line[len] = '\n';
	rc = converse(cli, line, len + 1, &heard, error);
	free(line);
	if (rc)
		return rc;
	answer = json_loads(heard, 0, NULL);
	free(heard);
	rc = result_of(cli, answer, result, error);
	json_decref(answer);
	return rc;
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
	struct cs_error error = { "" };
	json_t *result;
	int rc;

	rc = cli_try(cli, request, &result, &error);
	if (rc < 0)
		args_die(args, "%s", error.text);
	if (!rc)
		return result;
	args_say(args, "%s", error.text);
	exit(EXIT_NO);
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
