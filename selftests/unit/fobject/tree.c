// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of directories: all of them arrives, with permissions and times; what can't be sent is
 * told; ten thousand small files take few messages.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "fobject/manifest.h"

static char skipped[4096];

static void on_skipped(const char *path, const char *why, void *arg)
{
	size_t len = strlen(skipped);

	(void)arg;
	snprintf(skipped + len, sizeof(skipped) - len, "%s: %s\n", path, why);
}

__attribute__((format(printf, 1, 2)))
static void shell(const char *format, ...)
{
	char command[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command))
		fail_msg("%s", command);
}

static void send_it(struct bag *bag, const char *path, struct cs_put_result *result)
{
	struct cs_put_options options = put_options(bag);
	struct cs_error error = { "" };

	skipped[0] = '\0';
	options.skipped = on_skipped;
	if (cs_put_path(&options, path, result, &error))
		fail_msg("%s", error.text);
}

static void receive(struct bench *bench, struct bag *bag)
{
	bench_init(bench, "recipient");
	bench_open(bench);
	bench_take_all(bench, bag);
	if (bench->notes)
		print_error("note: %s\n", bench->note);
	assert_int_equal(bench->delivered, 1);
	assert_int_equal(count_files(bench->out), 1);
}

/* What find tells of all that is in a directory: type, permissions, time to the nanosecond. */
static void same(const char *a, const char *b)
{
	shell("cd '%s' && find . -printf '%%p %%y %%m %%T@ %%Y\\n' | LC_ALL=C sort >'%s'", a,
	      in_dir("list-a"));
	shell("cd '%s' && find . -printf '%%p %%y %%m %%T@ %%Y\\n' | LC_ALL=C sort >'%s'", b,
	      in_dir("list-b"));
	shell("diff '%s' '%s' && diff -r '%s' '%s'", in_dir("list-a"), in_dir("list-b"), a, b);
}

static void test_tree(void **state)
{
	struct cs_put_result result;
	struct bag bag = { 0 };
	struct bench bench;

	(void)state;
	umask(022);
	shell("mkdir -p '%s' && cd '%s' && mkdir -p a/b/c 'empty dir' d.d && echo 1 >a/one && "
	      ": >empty && head -c 300000 /dev/urandom >a/b/large && chmod 755 a/one && "
	      "chmod 600 empty && chmod 700 a/b && echo x >.hidden && echo y >'a/b/c/na me' && "
	      "echo z >'%s' && touch -d '2001-02-03 04:05:06.789' a/b/large a/b && "
	      "touch -d '1970-01-01 UTC' empty", in_dir("tree"), in_dir("tree"),
	      "\303\244\342\202\254");
	send_it(&bag, in_dir("tree"), &result);
	assert_int_equal(result.files, 6);
	assert_int_equal(result.skipped, 0);
	receive(&bench, &bag);
	assert_string_equal(strrchr(bench.path, '/'), "/tree");
	same(in_dir("tree"), bench.path);
	bench_free(&bench);
	/* "." and a slash at the end are the directory itself */
	bag_free(&bag);
	send_it(&bag, in_dir("tree/a/.."), &result);
	receive(&bench, &bag);
	assert_string_equal(strrchr(bench.path, '/'), "/tree");
	bench_free(&bench);
	bag_free(&bag);
	send_it(&bag, in_dir("tree/"), &result);
	receive(&bench, &bag);
	assert_string_equal(strrchr(bench.path, '/'), "/tree");
	same(in_dir("tree"), bench.path);
	bench_free(&bench);
	bag_free(&bag);
	remove_tree(in_dir("tree"));
}

/* Permissions that a sender might like, and that a recipient's umask takes away. */
static void test_permissions(void **state)
{
	struct cs_put_result result;
	struct bag bag = { 0 };
	struct bench bench;
	char path[2048];
	struct stat st;

	(void)state;
	umask(027);
	shell("mkdir -p '%s/d' && cd '%s' && : >suid && chmod 6777 suid && : >none && "
	      "chmod 0 none && chmod 1777 d", in_dir("modes"), in_dir("modes"));
	send_it(&bag, in_dir("modes"), &result);
	receive(&bench, &bag);
	snprintf(path, sizeof(path), "%s/suid", bench.path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	snprintf(path, sizeof(path), "%s/d", bench.path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	if (!geteuid()) { /* others can't send it at all */
		snprintf(path, sizeof(path), "%s/none", bench.path);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
	bench_free(&bench);
	bag_free(&bag);
	/* a single file, too */
	send_it(&bag, in_dir("modes/suid"), &result);
	receive(&bench, &bag);
	assert_int_equal(stat(bench.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	bench_free(&bench);
	bag_free(&bag);
	umask(022);
	shell("chmod -R u+rwx '%s'", in_dir("modes"));
	remove_tree(in_dir("modes"));
}

static void test_skipped(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct cs_put_result result;
	struct bag bag = { 0 };
	struct bench bench;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	shell("mkdir -p '%s' && cd '%s' && echo 1 >file && ln -s /etc/passwd link && "
	      "ln -s /etc dirlink && mkfifo fifo", in_dir("odd"), in_dir("odd"));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", in_dir("odd/socket"));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	send_it(&bag, in_dir("odd"), &result);
	assert_int_equal(result.files, 1);
	assert_int_equal(result.skipped, 4);
	assert_non_null(strstr(skipped, "link: is a symbolic link"));
	assert_non_null(strstr(skipped, "dirlink: is a symbolic link"));
	assert_non_null(strstr(skipped, "fifo: is neither"));
	assert_non_null(strstr(skipped, "socket: is neither"));
	receive(&bench, &bag);
	assert_int_equal(count_files(bench.path), 1);
	bench_free(&bench);
	bag_free(&bag);
	remove_tree(in_dir("odd"));
}

/* The deepest path that there may be, and one that lies deeper. */
static void test_deep(void **state)
{
	struct cs_put_result result;
	struct bag bag = { 0 };
	struct bench bench;
	char path[2048] = "";
	int i;

	(void)state;
	for (i = 0; i < CS_DEPTH_MAX; i++)
		strcat(path, "/d");
	shell("mkdir -p '%s%s/e' && echo x >'%s%s/../f'", in_dir("deep"), path, in_dir("deep"),
	      path);
	send_it(&bag, in_dir("deep"), &result);
	assert_int_equal(result.files, 1);
	assert_int_equal(result.skipped, 1);
	assert_non_null(strstr(skipped, "lies too deep"));
	receive(&bench, &bag);
	shell("test -f '%s%s/../f'", bench.path, path);
	bench_free(&bench);
	bag_free(&bag);
	remove_tree(in_dir("deep"));
}

static void test_ten_thousand(void **state)
{
	struct cs_put_result result;
	struct bag bag = { 0 };
	struct bench bench;

	(void)state;
	shell("mkdir -p '%s' && cd '%s' && for d in 0 1 2 3 4 5 6 7 8 9; do mkdir $d; "
	      "(cd $d && seq -f '%%04g' 1 1000 | while read -r n; do echo \"file $d $n\" >$n; "
	      "done); done",
	      in_dir("many"), in_dir("many"));
	send_it(&bag, in_dir("many"), &result);
	assert_int_equal(result.files, 10000);
	assert_int_equal(result.bytes, 10000 * 12);
	/* 12 bytes of content and 150 of manifest for each, a fifth more, and two envelopes */
	assert_in_range(result.messages, 1000, 10000 * 162 / 1218 * 5 / 4 + 20);
	receive(&bench, &bag);
	same(in_dir("many"), bench.path);
	bench_free(&bench);
	bag_free(&bag);
	remove_tree(in_dir("many"));
}

/* From a pipe: size and time are not known before. */
static void test_pipe(void **state)
{
	struct cs_put_options options;
	struct cs_put_result result;
	struct cs_error error = { "" };
	struct bag bag = { 0 };
	struct bench bench;
	struct stat st;
	FILE *pipe;

	(void)state;
	options = put_options(&bag);
	pipe = popen("i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i + 1)); done; sleep 0.1; "
		     "seq 100000", "r");
	assert_non_null(pipe);
	if (cs_put_fd(&options, fileno(pipe), "numbers", &result, &error))
		fail_msg("%s", error.text);
	assert_int_equal(pclose(pipe), 0);
	receive(&bench, &bag);
	assert_int_equal(stat(bench.path, &st), 0);
	assert_int_equal(st.st_size, result.bytes);
	assert_int_equal(st.st_mtime, NOW);
	shell("(i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i + 1)); done; seq 100000) | "
	      "cmp - '%s'", bench.path);
	shell("test \"$(sha512sum <'%s' | cut -c1-16)\" = %02x%02x%02x%02x%02x%02x%02x%02x",
	      bench.path, result.sha512[0], result.sha512[1], result.sha512[2], result.sha512[3],
	      result.sha512[4], result.sha512[5], result.sha512[6], result.sha512[7]);
	bench_free(&bench);
	bag_free(&bag);
}

/* On another file system it is copied, and only then gets its name. */
static void test_other_file_system(void **state)
{
	char other[] = "/tmp/cs-fobject-XXXXXX";
	struct cs_put_result result;
	struct bag bag = { 0 };
	struct bench bench;

	(void)state;
	assert_non_null(mkdtemp(other));
	shell("mkdir -p '%s/sub' && echo hello >'%s/sub/file'", in_dir("dir"), in_dir("dir"));
	send_it(&bag, in_dir("dir"), &result);
	bench_init(&bench, "recipient");
	bench.options.out = other;
	bench_open(&bench);
	bench_take_all(&bench, &bag);
	assert_int_equal(bench.delivered, 1);
	assert_int_equal(count_files(other), 1);
	same(in_dir("dir"), bench.path);
	bench_free(&bench);
	bag_free(&bag);
	remove_tree(in_dir("dir"));
	remove_tree(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_permissions),
		cmocka_unit_test(test_skipped),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_ten_thousand),
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_other_file_system),
	};

	return cmocka_run_group_tests_name("tree", tests, make_dir, remove_dir);
}
