// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of a recipient that is killed: at random times, a hundred times, and before each single
 * operation on files that it makes. No object is lost, none appears twice, and none that is not
 * whole.
 *
 * Only what was taken after the last cs_get_sync() comes again, as whoever delivers messages does:
 * he was not told that it arrived.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define KILLS 100

/**
 * struct shared - what the killed process leaves
 * @synced: messages that need not come again
 * @budget: operations on files that it may still make, negative: any number
 * @operations: that it made
 */
static struct shared {
	size_t	synced;
	long	budget;
	long	operations;
} *shared;

/* One more operation; it may be the last. */
static void step(void)
{
	if (!shared || shared->budget < 0)
		return;
	if (!shared->budget--)
		kill(getpid(), SIGKILL);
	shared->operations++;
}

/* What the linker puts in the place of these functions. */
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __real_pwrite(int fd, const void *data, size_t len, off_t at);
int __real_ftruncate(int fd, off_t len);
int __real_fsync(int fd);
int __real_fdatasync(int fd);
int __real_syncfs(int fd);
int __real_fchmod(int fd, mode_t mode);
int __real_futimens(int fd, const struct timespec *times);
int __real_unlinkat(int dir, const char *name, int flags);
int __real_mkdirat(int dir, const char *name, mode_t mode);
int __real_renameat(int dir, const char *from, int to_dir, const char *to);
int __real_renameat2(int dir, const char *from, int to_dir, const char *to, int flags);
long __real_syscall(long number, long a, const char *b, const void *c, long d);

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	step();
	return __real_write(fd, data, len);
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t at)
{
	step();
	return __real_pwrite(fd, data, len, at);
}

int __wrap_ftruncate(int fd, off_t len)
{
	step();
	return __real_ftruncate(fd, len);
}

int __wrap_fsync(int fd)
{
	step();
	return __real_fsync(fd);
}

int __wrap_fdatasync(int fd)
{
	step();
	return __real_fdatasync(fd);
}

int __wrap_syncfs(int fd)
{
	step();
	return __real_syncfs(fd);
}

int __wrap_fchmod(int fd, mode_t mode)
{
	step();
	return __real_fchmod(fd, mode);
}

int __wrap_futimens(int fd, const struct timespec *times)
{
	step();
	return __real_futimens(fd, times);
}

int __wrap_unlinkat(int dir, const char *name, int flags)
{
	step();
	return __real_unlinkat(dir, name, flags);
}

int __wrap_mkdirat(int dir, const char *name, mode_t mode)
{
	step();
	return __real_mkdirat(dir, name, mode);
}

int __wrap_renameat(int dir, const char *from, int to_dir, const char *to)
{
	step();
	return __real_renameat(dir, from, to_dir, to);
}

int __wrap_renameat2(int dir, const char *from, int to_dir, const char *to, int flags)
{
	step();
	return __real_renameat2(dir, from, to_dir, to, flags);
}

long __wrap_syscall(long number, long a, const char *b, const void *c, long d)
{
	step();
	return __real_syscall(number, a, b, c, d);
}

static struct bag messages;	/* of three objects, mixed */
static size_t *order;
static size_t every;		/* messages between two syncs */

static int nothing(const void *message, size_t len, void *arg)
{
	(void)message;
	(void)len;
	(void)arg;
	return 0;
}

/* The recipient's process: from where it was, to the end. */
static void run(const struct cs_get_options *options)
{
	struct cs_error error = { "" };
	const uint8_t *message;
	struct cs_get *get;
	size_t i, len;

	if (cs_get_open(&get, options, NOW, &error)) {
		print_error("%s\n", error.text);
		_exit(1);
	}
	for (i = shared->synced; i < messages.count; i++) {
		message = bag_get(&messages, order[i], &len);
		if (cs_get_take(get, message, len, NOW, &error) == CS_GET_FAILED) {
			print_error("%s\n", error.text);
			_exit(2);
		}
		if (i % every && i + 1 < messages.count)
			continue;
		if (cs_get_sync(get, NULL))
			_exit(3);
		shared->synced = i + 1;
	}
	cs_get_close(get);
	_exit(0);
}

static pid_t begin(const struct cs_get_options *options)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		signal(SIGABRT, SIG_DFL);
		run(options);
	}
	return child;
}

/* Waits; tells whether it came to its end. */
static bool ended(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	else
		assert_int_equal(WTERMSIG(status), SIGKILL);
	return WIFEXITED(status);
}

/* Exactly these, whole; and nothing that is left behind. */
static void check(const char *out, const char *state)
{
	char command[2048];

	snprintf(command, sizeof(command),
		 "cd '%s' && test \"$(ls -A | tr '\\n' ' ')\" = 'file tiny tree ' && "
		 "cmp file '%s' && cmp tiny '%s' && diff -r tree '%s'", out,
		 in_dir("source/file"), in_dir("source/tiny"), in_dir("source/tree"));
	if (system(command))
		fail_msg("%s", command);
	if (count_files(state) != 2) {
		snprintf(command, sizeof(command), "ls -la '%s' >&2", state);
		assert_int_equal(system(command), 0);
		fail_msg("something was left behind");
	}
}

static void make_objects(size_t size)
{
	struct cs_put_options options = put_options(&messages);
	static const char *const names[] = { "file", "tiny", "tree" };
	struct cs_put_result result;
	struct cs_error error = { "" };
	uint8_t *data = malloc(size);
	char command[1024];
	int i;

	bag_free(&messages);
	free(order);
	remove_tree(in_dir("source"));
	assert_int_equal(mkdir(in_dir("source"), 0700), 0);
	dice_fill(data, size);
	write_file(in_dir("source/file"), data, size);
	write_file(in_dir("source/tiny"), "tiny", 4);
	free(data);
	snprintf(command, sizeof(command),
		 "mkdir -p '%s/a' && cd '%s' && for i in 1 2 3; do echo $i >a/$i; done",
		 in_dir("source/tree"), in_dir("source/tree"));
	assert_int_equal(system(command), 0);
	for (i = 0; i < 3; i++)
		if (cs_put_path(&options, in_dir("source/%s", names[i]), &result, &error))
			fail_msg("%s", error.text);
	order = shuffled(messages.count);
}

static void begin_anew(struct bench *bench, const char *out)
{
	bench_init(bench, "recipient");
	bench->options.forward = nothing;
	bench->options.ready = NULL;
	bench->options.delivered = NULL;
	bench->options.note = NULL;
	if (out)
		bench->options.out = out;
	shared->synced = 0;
}

static void end(struct bench *bench, const char *out)
{
	char command[2048];

	if (out) {
		snprintf(command, sizeof(command), "rm -rf '%s'/* '%s'/.c*", out, out);
		assert_int_equal(system(command), 0);
	}
	bench_free(bench);
}

static void test_random(void **state)
{
	char other[] = "/tmp/cs-fobject-XXXXXX";
	unsigned int kills = 0, round;
	struct bench bench;
	const char *out;
	pid_t child;

	(void)state;
	assert_non_null(mkdtemp(other));
	make_objects(600000);
	every = 60;
	shared->budget = -1;
	for (round = 0; kills < KILLS; round++) {
		/* on the same file system, and on another one */
		out = round % 2 ? other : NULL;
		begin_anew(&bench, out);
		for (;;) {
			child = begin(&bench.options);
			usleep(dice(60000));
			kill(child, SIGKILL);
			if (ended(child))
				break;
			kills++;
		}
		check(bench.options.out, bench.state);
		end(&bench, out);
	}
	print_message("# killed %u times on the way of %u objects\n", kills, 3 * round);
	remove_tree(other);
}

static void every_operation(const char *out)
{
	struct bench bench;
	long at;
	bool whole = false;

	for (at = 0; !whole; at++) {
		begin_anew(&bench, out);
		shared->budget = at;
		whole = ended(begin(&bench.options));
		shared->budget = -1;
		/* and once more before the end, in some of them */
		if (!whole && at % 3 == 0) {
			shared->budget = dice(at + 1);
			if (!ended(begin(&bench.options)))
				shared->budget = -1;
		}
		if (!whole) {
			shared->budget = -1;
			assert_true(ended(begin(&bench.options)));
		}
		check(bench.options.out, bench.state);
		end(&bench, out);
	}
	print_message("# killed before each of %ld operations\n", at - 1);
	assert_true(at > 50);
}

static void test_every_operation(void **state)
{
	char other[] = "/tmp/cs-fobject-XXXXXX";

	(void)state;
	make_objects(3000);
	every = 13;
	every_operation(NULL);
	assert_non_null(mkdtemp(other));
	every_operation(other);
	remove_tree(other);
}

static int set_up(void **state)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return -1;
	shared->budget = -1;
	return make_dir(state);
}

static int tear_down(void **state)
{
	bag_free(&messages);
	free(order);
	return remove_dir(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_every_operation),
	};

	return cmocka_run_group_tests_name("kill", tests, set_up, tear_down);
}
