// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what is large and empty; sender and recipient are one process, which never has more than
 * 64 MiB.
 *
 * A file of 2 GiB, nearly all of it a hole: it arrives, and is one again; with the state of a
 * recipient who has 4 MiB for messages, and without redundancy, for speed. And objects of which the
 * last chunk comes, far behind all others that never do.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "fobject/inbox.h"

#define SIZE		(2ULL << 30)
#define DISK_MAX	(1 << 20)
#define MEMORY_MAX	(64 << 10)	/* KiB, what the sanitizer takes included */
#define FAR		40		/* objects */

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

/* The envelope of an object, and the last chunk that it may have. */
static void put_far(struct bag *bag, uint8_t secret)
{
	const uint8_t content[CS_SECRET_LEN] = { secret };
	uint8_t message[2048], payload[64], plain[16] = { 1 };
	const uint64_t number = CS_CHUNK_CONTENT + INDEX_MAX - 1;
	struct cs_chunker_options options = chunker_options(bag);
	struct cs_chunker *chunker;
	struct cs_cipher *cipher;
	struct cs_message last;

	options.content = content;
	assert_int_equal(cs_chunker_new(&chunker, &options, NULL), 0);
	cs_chunker_free(chunker);
	last = bag_message(bag, 0);
	last.k = last.n = 1;
	last.index = 0;
	last.chunk_length = sizeof(plain) + CS_MAC_LEN;
	last.length = last.chunk_length + CS_MAC_LEN;
	last.payload = payload;
	assert_int_equal(cs_cipher_new(&cipher, content), 0);
	assert_int_equal(cs_cipher_chunk_id(cipher, number, last.chunk_id), 0);
	assert_int_equal(cs_cipher_seal(cipher, number, true, plain, sizeof(plain), payload), 0);
	assert_int_equal(cs_cipher_mac(cipher, number, &last, payload, last.chunk_length,
				       payload + last.chunk_length), 0);
	cs_cipher_free(cipher);
	bag_add(message, cs_message_build(message, sizeof(message), &last), bag);
}

static int has_some(const struct cs_get_object *object, void *arg)
{
	++*(unsigned int *)arg;
	return object->received ? 0 : -1;
}

/* Bytes that files of the state take on the disk. */
static unsigned long state_bytes(void)
{
	unsigned long kib = 0;
	char command[1024];
	FILE *pipe;

	snprintf(command, sizeof(command), "du -sk '%s'", bench.state);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%lu", &kib), 1);
	pclose(pipe);
	return kib << 10;
}

static void test_far(void **state)
{
	struct bag bag = { 0 };
	unsigned int i, count = 0;

	(void)state;
	bench_init(&bench, "recipient");
	bench_open(&bench);
	for (i = 1; i <= FAR; i++)
		put_far(&bag, i);
	bench_take_all(&bench, &bag);
	bench_sync(&bench);
	assert_in_range(state_bytes(), FAR * 4096, DISK_MAX);
	bench_restart(&bench);
	assert_int_equal(cs_get_each(bench.get, has_some, &count), 0);
	assert_int_equal(count, FAR);
	bench_free(&bench);
	bag_free(&bag);
	print_message("# %lu KiB of memory at most\n", memory_most());
	assert_in_range(memory_most(), 1, MEMORY_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_far),
		cmocka_unit_test(test_sparse),
	};

	return cmocka_run_group_tests_name("sparse", tests, make_dir, remove_dir);
}
