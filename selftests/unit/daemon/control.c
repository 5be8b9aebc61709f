// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the control socket, on real sockets in a directory of their own. Server and clients
 * share the process, but for the one who must be somebody else.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/control.h"

#define BIG (1 << 20)

static struct event_base *base;
static char dir[64];
static char path[96], lock_path[112];
static struct control *control;
static unsigned int asked;

/* Answers a few commands as the daemon would; counts what it was asked. */
static json_t *handler(void *data, const json_t *request, bool admin, struct cs_error *error)
{
	const char *command = json_string_value(json_object_get(request, "command"));
	char *text;
	json_t *big;

	assert_ptr_equal(data, &base);
	asked++;
	if (!strcmp(command, "echo"))
		return json_pack("{s:O, s:b}", "word", json_object_get(request, "word"), "admin",
				 admin);
	if (!strcmp(command, "change"))
		return admin ? json_true() : control_denied(error);
	if (!strcmp(command, "big")) {
		text = calloc(1, BIG + 1);
		memset(text, 'x', BIG);
		big = json_pack("{s:s, s:O}", "text", text, "word",
				json_object_get(request, "word"));
		free(text);
		return big;
	}
	if (!strcmp(command, "silent"))
		return NULL;
	cs_error_set(error, -EINVAL, "there is no command '%s' \xff", command);
	return NULL;
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/crowdshare-control-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/run/control", dir);
	snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	base = event_base_new();
	assert_non_null(base);
	asked = 0;
	control = NULL;
	return 0;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	control_close(control);
	event_base_free(base);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void server_start(void)
{
	struct cs_error error = { "" };

	if (control_open(&control, base, path, handler, &base, &error))
		fail_msg("%s", error.text);
}

static int client_new(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -errno;
	}
	return fd;
}

static void say(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			event_base_loop(base, EVLOOP_NONBLOCK);
			continue;
		}
		text += n;
		len -= n;
	}
}

/* A line, without its end, or "" at the end of the stream; to be freed. */
static char *hear(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	char *line = malloc(2 * BIG), *end = NULL;
	time_t begin = time(NULL);
	size_t len = 0;
	ssize_t n;

	while (!end) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		if (time(NULL) > begin + 10)
			fail_msg("no answer within 10 seconds");
		if (!poll(&pollfd, 1, 1))
			continue;
		/* not what is beyond the line */
		n = recv(fd, line + len, 2 * BIG - len, MSG_DONTWAIT | MSG_PEEK);
		assert_true(n >= 0);
		if (!n) {
			assert_int_equal(len, 0);
			*line = '\0';
			return line;
		}
		end = memchr(line + len, '\n', n);
		n = recv(fd, line + len, end ? end + 1 - (line + len) : n, MSG_DONTWAIT);
		assert_true(n > 0);
		len += n;
	}
	*end = '\0';
	return line;
}

static void check_end(int fd)
{
	char *line = hear(fd);

	assert_string_equal(line, "");
	free(line);
}

static void check_error(char *line, const char *reason, const char *text)
{
	json_t *answer = json_loads(line, 0, NULL);

	assert_non_null(answer);
	assert_true(json_is_false(json_object_get(answer, "ok")));
	assert_string_equal(json_string_value(json_object_get(answer, "reason")), reason);
	if (!strstr(json_string_value(json_object_get(answer, "error")), text))
		fail_msg("'%s' does not say '%s'", line, text);
	json_decref(answer);
	free(line);
}

static json_t *check_ok(char *line)
{
	json_t *answer = json_loads(line, 0, NULL), *result;

	if (!json_is_true(json_object_get(answer, "ok")))
		fail_msg("'%.200s'", line);
	result = json_incref(json_object_get(answer, "result"));
	assert_non_null(result);
	json_decref(answer);
	free(line);
	return result;
}

static void check_word(char *line, json_int_t word)
{
	json_t *result = check_ok(line);

	assert_int_equal(json_integer_value(json_object_get(result, "word")), word);
	json_decref(result);
}

/* answered as a line by itself, whatever it is */
static char *answer(const char *line, size_t len)
{
	char *text = control_answer(handler, &base, true, line, len);

	assert_non_null(text);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	return text;
}

static void refuse(const char *line, const char *text)
{
	check_error(answer(line, strlen(line)), CONTROL_REASON_REQUEST, text);
}

static void test_lines(void **state)
{
	char deep[CONTROL_REQUEST_MAX + 1];
	char nul[] = "{\"command\": \"echo\", \"word\": \"a\0b\"}";
	size_t i;

	(void)state;
	check_word(answer("{\"command\":\"echo\",\"word\":7}", 27), 7);
	check_word(answer(" { \"word\" : 8 , \"command\" : \"echo\" } \r", 38), 8);
	refuse("", "not JSON");
	refuse("hello", "not JSON");
	refuse("{\"command\": \"echo\"", "not JSON");
	refuse("{\"command\": \"echo\"} {}", "not JSON");
	refuse("{\"command\": \"echo\", \"word\": 99999999999999999999}", "not JSON");
	refuse("{\"command\": \"echo\", \"command\": \"change\"}", "not JSON");
	refuse("{\"command\": \"\\u0000\"}", "not JSON");
	refuse("{\"command\": \"\xff\"}", "not JSON");
	refuse("[\"command\"]", "not an object");
	refuse("{}", "not an object");
	refuse("{\"command\": 1}", "not an object");
	memset(deep, 'x', 100);
	memcpy(deep, "{\"command\":\"", 12);
	strcpy(deep + 98, "\"}");
	refuse(deep, "longer than 64");
	for (i = 0; i < 3; i++) {
		memset(deep, "[{\""[i], CONTROL_REQUEST_MAX);
		deep[CONTROL_REQUEST_MAX] = '\0';
		refuse(deep, "not JSON");
	}
	check_error(answer(nul, sizeof(nul) - 1), CONTROL_REASON_REQUEST, "not JSON");
	/* a handler's text that is not UTF-8 does not spoil the answer */
	asked = 0;
	check_error(answer("{\"command\":\"none\"}", 18), CONTROL_REASON_REFUSED,
		    "there is no command 'none' ?");
	check_error(answer("{\"command\":\"silent\"}", 20), CONTROL_REASON_REFUSED, "refused");
	assert_int_equal(asked, 2);
	check_error(control_answer(handler, &base, false, "{\"command\":\"change\"}", 20),
		    CONTROL_REASON_PERMISSION, "only root");
}

static void test_files(void **state)
{
	struct cs_error error = { "" };
	struct control *second;
	struct stat st;
	mode_t mask;

	(void)state;
	mask = umask(077);
	server_start();
	umask(mask);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);
	*strrchr(path, '/') = '\0';
	assert_int_equal(stat(path, &st), 0);
	path[strlen(path)] = '/';
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(control_open(&second, base, path, handler, &base, &error), -EADDRINUSE);
	assert_non_null(strstr(error.text, "another crowdshared is running"));
	assert_null(second);
	/* and the first one still answers, even if its lock was taken away */
	assert_int_equal(unlink(lock_path), 0);
	assert_int_equal(control_open(&second, base, path, handler, &base, &error), -EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
	control_close(control);
	control = NULL;
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(lock_path, F_OK), -1);
	server_start();
}

static void test_stale(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct cs_error error = { "" };
	FILE *file;
	int fd;

	(void)state;
	server_start();
	control_close(control);
	control = NULL;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	/* someone listens who holds no lock */
	assert_int_equal(control_open(&control, base, path, handler, &base, &error), -EADDRINUSE);
	close(fd);
	assert_int_equal(access(path, F_OK), 0);
	server_start();
	fd = client_new();
	assert_true(fd >= 0);
	say(fd, "{\"command\":\"echo\",\"word\":1}\n", 28);
	check_word(hear(fd), 1);
	close(fd);
	control_close(control);
	/* a file of somebody else is not ours to remove */
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(control_open(&control, base, path, handler, &base, &error), -EEXIST);
	assert_non_null(strstr(error.text, "not a socket"));
	assert_int_equal(access(path, F_OK), 0);
}

static void test_paths(void **state)
{
	struct cs_error error = { "" };
	char path_long[200];

	(void)state;
	memset(path_long, 'x', sizeof(path_long));
	path_long[108] = '\0';
	assert_int_equal(control_open(&control, base, path_long, handler, &base, &error),
			 -ENAMETOOLONG);
	assert_int_equal(control_open(&control, base, "", handler, &base, &error), -ENAMETOOLONG);
	snprintf(path_long, sizeof(path_long), "%s/no/such/control", dir);
	assert_int_equal(control_open(&control, base, path_long, handler, &base, &error), -ENOENT);
	assert_non_null(strstr(error.text, "/no/such"));
	assert_int_equal(control_open(&control, base, "/dev/null/control", handler, &base, &error),
			 -ENOTDIR);
}

static void test_stream(void **state)
{
	static const char lines[] =
		"{\"command\":\"echo\",\"word\":1}\n{\"command\":\"echo\",\"word\":2}\n"
		"junk\n\n{\"command\":\"echo\",\"word\":3}\r\n";
	static const char cut[] = "{\"command\":\"echo\",\"word\":4}";
	int fd, other;
	size_t i;

	(void)state;
	server_start();
	fd = client_new();
	other = client_new();
	/* whole, then byte by byte */
	say(fd, lines, sizeof(lines) - 1);
	for (i = 0; i < 2; i++) {
		check_word(hear(fd), 1);
		check_word(hear(fd), 2);
		check_error(hear(fd), CONTROL_REASON_REQUEST, "not JSON");
		check_error(hear(fd), CONTROL_REASON_REQUEST, "not JSON");
		check_word(hear(fd), 3);
		for (const char *p = lines; !i && *p; p++) {
			say(fd, p, 1);
			event_base_loop(base, EVLOOP_NONBLOCK);
		}
	}
	say(fd, "\0\n\0", 3);
	check_error(hear(fd), CONTROL_REASON_REQUEST, "not JSON");
	close(fd);
	/* who says all at once and no more is answered; a line without an end is none */
	say(other, lines, sizeof(lines) - 1);
	say(other, cut, sizeof(cut) - 1);
	shutdown(other, SHUT_WR);
	for (i = 0; i < 5; i++)
		free(hear(other));
	asked = 0;
	check_end(other);
	assert_int_equal(asked, 0);
	close(other);
}

static void test_too_long(void **state)
{
	char *line = malloc(CONTROL_REQUEST_MAX + 2);
	int fd;

	(void)state;
	server_start();
	fd = client_new();
	/* as long as may be */
	memset(line, ' ', CONTROL_REQUEST_MAX);
	memcpy(line, "{\"command\":\"echo\",\"word\":5}", 27);
	line[CONTROL_REQUEST_MAX] = '\n';
	say(fd, line, CONTROL_REQUEST_MAX + 1);
	check_word(hear(fd), 5);
	/* a byte more, whether the line ends or not */
	line[CONTROL_REQUEST_MAX] = ' ';
	line[CONTROL_REQUEST_MAX + 1] = '\n';
	say(fd, line, CONTROL_REQUEST_MAX + 1);
	check_error(hear(fd), CONTROL_REASON_REQUEST, "longer than 65536");
	check_end(fd);
	close(fd);
	assert_int_equal(asked, 1);
	free(line);
}

/* Who asks and does not listen is not asked for more. */
static void test_deaf(void **state)
{
	char request[64];
	int fd, i;

	(void)state;
	server_start();
	fd = client_new();
	for (i = 0; i < 20; i++) {
		snprintf(request, sizeof(request), "{\"command\":\"big\",\"word\":%d}\n", 10 + i);
		say(fd, request, strlen(request));
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	for (i = 0; i < 200; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(asked, 1);
	for (i = 0; i < 20; i++)
		check_word(hear(fd), 10 + i);
	/* and who goes before its answer leaves nothing behind */
	say(fd, request, strlen(request));
	event_base_loop(base, EVLOOP_NONBLOCK);
	close(fd);
	for (i = 0; i < 50; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	fd = client_new();
	say(fd, request, strlen(request));
	check_word(hear(fd), 29);
	/* nor the one that is there when the socket closes */
	say(fd, request, strlen(request));
	event_base_loop(base, EVLOOP_NONBLOCK);
	control_close(control);
	control = NULL;
	close(fd);
}

static void test_crowd(void **state)
{
	int fd[CONTROL_CLIENTS_MAX + 1];
	int i;

	(void)state;
	server_start();
	for (i = 0; i <= CONTROL_CLIENTS_MAX; i++) {
		fd[i] = client_new();
		assert_true(fd[i] >= 0);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	check_error(hear(fd[i - 1]), CONTROL_REASON_BUSY, "too many");
	check_end(fd[i - 1]);
	say(fd[0], "{\"command\":\"echo\",\"word\":6}\n", 28);
	check_word(hear(fd[0]), 6);
	/* one goes, another may come */
	close(fd[3]);
	event_base_loop(base, EVLOOP_NONBLOCK);
	fd[3] = client_new();
	say(fd[3], "{\"command\":\"echo\",\"word\":7}\n", 28);
	check_word(hear(fd[3]), 7);
	for (i = 0; i <= CONTROL_CLIENTS_MAX; i++)
		close(fd[i]);
}

static void test_idle(void **state)
{
	const struct timeval soon = { .tv_sec = 1 };
	const struct timespec pause = { .tv_nsec = 25000000 };
	struct pollfd pollfd = { .events = POLLIN };
	int silent, slow, busy, i;

	(void)state;
	server_start();
	control_set_idle(control, &soon);
	silent = client_new();
	slow = client_new();
	busy = client_new();
	/* 1.5 s: a byte now and then is not a request, whole requests are */
	for (i = 0; i < 60; i++) {
		send(slow, "{", 1, MSG_NOSIGNAL);
		say(busy, "{\"command\":\"echo\",\"word\":6}\n", 28);
		check_word(hear(busy), 6);
		nanosleep(&pause, NULL);
	}
	pollfd.fd = slow;
	assert_int_equal(poll(&pollfd, 1, 0), 1);
	check_error(hear(silent), CONTROL_REASON_REQUEST, "in time");
	check_error(hear(slow), CONTROL_REASON_REQUEST, "in time");
	check_end(slow);
	/* one that takes nothing of a long answer */
	say(busy, "{\"command\":\"big\",\"word\":6}\n", 27);
	for (i = 0; i < 60; i++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		nanosleep(&pause, NULL);
	}
	assert_int_equal(asked, 61);
	assert_int_equal(send(busy, "x", 1, MSG_NOSIGNAL), -1);
	close(silent);
	close(slow);
	close(busy);
}

static int be_user(void)
{
	return setgroups(0, NULL) || setresgid(65534, 65534, 65534) ||
	       setresuid(65534, 65534, 65534);
}

/* Another user: sees that it is one, and how many of its connections are taken. */
static int be_nobody(void)
{
	int fd[CONTROL_CLIENTS_MAX], i, served = 0;
	char answer[512];
	ssize_t n;

	if (be_user())
		return 1;
	for (i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		fd[i] = client_new();
		if (fd[i] < 0)
			return 2;
		send(fd[i], "{\"command\":\"change\"}\n", 21, MSG_NOSIGNAL);
		n = recv(fd[i], answer, sizeof(answer) - 1, 0);
		if (n < 0)
			return 3;
		answer[n] = '\0';
		served += !!strstr(answer, "\"" CONTROL_REASON_PERMISSION "\"");
		if (strstr(answer, "\"ok\":true"))
			return 4;
	}
	return 100 + served;
}

static void test_nobody(void **state)
{
	int status = 0, fd;
	pid_t pid;

	(void)state;
	if (geteuid())
		skip();
	server_start();
	assert_int_equal(chmod(dir, 0755), 0);
	/* the mode keeps it out */
	pid = fork();
	if (!pid)
		_exit(be_user() || client_new() != -EACCES);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(chmod(path, 0666), 0);
	pid = fork();
	if (!pid)
		_exit(be_nobody());
	while (!waitpid(pid, &status, WNOHANG))
		event_base_loop(base, EVLOOP_NONBLOCK);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 100 + CONTROL_CLIENTS_MAX - 8);
	fd = client_new();
	say(fd, "{\"command\":\"change\"}\n", 21);
	json_decref(check_ok(hear(fd)));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deaf, setup, teardown),
		cmocka_unit_test_setup_teardown(test_crowd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_idle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody, setup, teardown),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
