// SPDX-License-Identifier: GPL-2.0
/*
 * Test of a file of 2 GiB, nearly all of it a hole: it arrives, and is one again; with the state of
 * a recipient who has 4 MiB for messages, and without redundancy, for speed. Sender and recipient
 * are one process, which never has more than 64 MiB.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

#define SIZE		(2ULL << 30)
#define DISK_MAX	(1 << 20)
#define MEMORY_MAX	(64 << 10)	/* KiB, what the sanitizer takes included */

static struct bench bench;
static uint64_t messages;

/* What was freed is not to be kept: it would count. */
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=1";
}

/* The most memory that the process has had, in KiB. */
static unsigned long memory_most(void)
{
	unsigned long most = 0;
	char line[256];
	FILE *file = fopen("/proc/self/status", "r");

	assert_non_null(file);
	while (!most && fgets(line, sizeof(line), file))
		sscanf(line, "VmHWM: %lu kB", &most);
	fclose(file);
	return most;
}

/* Straight into the recipient: there is no memory for all of it. */
static int deliver(const void *message, size_t len, void *arg)
{
	enum cs_get_result result = cs_get_take(bench.get, message, len, NOW, NULL);

	(void)arg;
	messages++;
	return result == CS_GET_NEW || result == CS_GET_DUPLICATE ? 0 : EIO;
}

static void test_sparse(void **state)
{
	static const char marks[] = "marks";
	static const off_t at[] = { 0, 255764 - 2, 1 << 30, SIZE - 5 };
	struct cs_put_options options = put_options(NULL);
	struct cs_put_result result;
	struct cs_error error = { "" };
	char mark[sizeof(marks)];
	struct stat st;
	size_t i;
	int fd;

	(void)state;
	fd = open(in_dir("sparse"), O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(pwrite(fd, marks, 5, at[i]), 5);
	close(fd);
	bench_init(&bench, "recipient");
	bench.options.verified = true;
	bench.options.memory = 4 << 20;
	bench_open(&bench);
	options.message = deliver;
	options.redundancy = 0;
	if (cs_put_path(&options, in_dir("sparse"), &result, &error))
		fail_msg("%s", error.text);
	assert_int_equal(result.bytes, SIZE);
	assert_in_range(messages, SIZE / 1218, SIZE / 1218 * 101 / 100);
	assert_int_equal(bench.delivered, 1);
	assert_int_equal(stat(bench.path, &st), 0);
	assert_int_equal(st.st_size, SIZE);
	assert_true(st.st_blocks * 512 < DISK_MAX + 4 * 300000);
	fd = open(bench.path, O_RDONLY);
	for (i = 0; i < 4; i++) {
		assert_int_equal(pread(fd, mark, 5, at[i]), 5);
		assert_memory_equal(mark, marks, 5);
	}
	close(fd);
	bench_free(&bench);
	print_message("# %lu KiB of memory at most\n", memory_most());
	assert_in_range(memory_most(), 1, MEMORY_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sparse),
	};

	return cmocka_run_group_tests_name("sparse", tests, make_dir, remove_dir);
}
