// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the ingest that decodes: what is in its inbox afterwards, whatever came, whoever
 * reads it meanwhile, and wherever it is killed. Objects are made by the library, and taken by
 * crowdshare, which is run as people would.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <crowdshare/put.h>

#include "common/person.h"
#include "daemon/ingest_file.h"
#include "daemon/ingest_whole.h"
#include "daemon/log.h"
#include "daemon/proto.h"
#include "lib/message.h"

#define MESSAGE_MAX	2000
#define COUNT_MAX	4096
#define CHUNKS_MAX	64
#define SIZE		800000
#define NUMBER_FIRST	(1000ull << 24)
#define KILLS		50

static struct cs_private *recipient, *provider, *stranger;
static struct cs_card recipient_card, provider_card, stranger_card;
static struct config_ingest config;
static struct event_base *base;
static struct ingest_whole *whole;
static uint8_t letter[SIZE];

/* What the sender made, and which of it arrives. */
static uint8_t messages[COUNT_MAX][MESSAGE_MAX];
static size_t lengths[COUNT_MAX], count;
static bool lost[COUNT_MAX];
static uint64_t number;

/* --- Objects --- */

static int collect(const void *message, size_t len, void *arg)
{
	(void)arg;
	assert_true(count < COUNT_MAX && len <= MESSAGE_MAX);
	memcpy(messages[count], message, len);
	lengths[count] = len;
	lost[count++] = false;
	return 0;
}

static void put(const struct cs_card *by)
{
	struct cs_put_options options = {
		.to = { &recipient_card, by }, .now = time(NULL), .redundancy = 25,
		.message = collect,
	};
	struct cs_put_result result;
	int fd;

	write_file(in_place("letter"), letter, sizeof(letter));
	count = 0;
	fd = open(in_place("letter"), O_RDONLY);
	OK(cs_put_fd(&options, fd, "letter", &result, error));
	close(fd);
}

static const struct cs_msg_hdr *header(const void *message)
{
	return message;
}

static bool same_chunk(const void *a, const void *b)
{
	return !memcmp(header(a)->chunk_id, header(b)->chunk_id, CS_CHUNK_ID_LEN);
}

/* Loses this share of what was sent, so that k of each chunk are left, data or not. */
static void lose(unsigned int percent)
{
	unsigned int left, i, j;

	for (i = 0; i < count; i++) {
		for (j = 0, left = 0; j < count; j++)
			left += !lost[j] && same_chunk(messages[i], messages[j]);
		lost[i] = left > be16toh(header(messages[i])->k) && random() % 100 < percent;
	}
}

static void shuffle(void)
{
	static uint8_t message[MESSAGE_MAX];
	size_t i, j, len;
	bool gone;

	for (i = count - 1; i; i--) {
		j = random() % (i + 1);
		memcpy(message, messages[i], MESSAGE_MAX);
		memcpy(messages[i], messages[j], MESSAGE_MAX);
		memcpy(messages[j], message, MESSAGE_MAX);
		len = lengths[i];
		lengths[i] = lengths[j];
		lengths[j] = len;
		gone = lost[i];
		lost[i] = lost[j];
		lost[j] = gone;
	}
}

/* Deliveries of messages as they stand here, from the first one on, to a file each. */
static void deliver(size_t from, size_t to)
{
	FILE *file = NULL;
	size_t i, n = 0;

	for (i = from; i < to; i++) {
		if (lost[i])
			continue;
		if (!file)
			file = fopen(in_place("inbox/%016llx.messages",
					      (unsigned long long)number++), "w");
		assert_non_null(file);
		assert_int_equal(fwrite(messages[i], lengths[i], 1, file), 1);
		if (++n % PROTO_BATCH_MAX)
			continue;
		fclose(file);
		file = NULL;
	}
	if (file)
		fclose(file);
}

/* --- What is in the inbox --- */

struct found {
	uint8_t	(*messages)[MESSAGE_MAX];
	size_t	count;
	size_t	bytes;
};

static int is_whole(const struct dirent *entry)
{
	return ingest_file_number(entry->d_name) != 0;
}

static void read_messages(struct found *found, const char *path)
{
	static uint8_t data[32 << 20];
	size_t len = read_file(path, data, sizeof(data)), at, size;

	for (at = 0; at < len; at += size) {
		size = sizeof(struct cs_msg_hdr) + be16toh(header(data + at)->length);
		assert_true(size <= len - at && size <= MESSAGE_MAX);
		assert_true(found->count < COUNT_MAX * 2);
		memcpy(found->messages[found->count++], data + at, size);
	}
	found->bytes += len;
}

static void empty_inbox(void)
{
	struct dirent **names;
	int n = scandir(in_place("inbox"), &names, is_whole, alphasort);

	while (n-- > 0) {
		unlink(in_place("inbox/%s", names[n]->d_name));
		free(names[n]);
	}
	free(names);
}

static void read_inbox(struct found *found)
{
	struct dirent **names;
	int n = scandir(in_place("inbox"), &names, is_whole, alphasort), i;

	assert_true(n >= 0);
	found->messages = calloc(2 * COUNT_MAX, MESSAGE_MAX);
	found->count = 0;
	found->bytes = 0;
	for (i = 0; i < n; i++) {
		read_messages(found, in_place("inbox/%s", names[i]->d_name));
		free(names[i]);
	}
	free(names);
}

static bool is_there(const struct found *found, const uint8_t *message)
{
	size_t i;

	for (i = 0; i < found->count; i++)
		if (!memcmp(found->messages[i], message, CS_DIGEST_LEN))
			return true;
	return false;
}

/* No chunk has become impossible to restore. */
static void assert_nothing_lost(const struct found *found)
{
	static bool there[COUNT_MAX];
	unsigned int slices;
	size_t i, j;

	for (i = 0; i < count; i++)
		there[i] = is_there(found, messages[i]);
	for (i = 0; i < count; i++) {
		for (j = 0, slices = 0; j < count; j++)
			slices += there[j] && same_chunk(messages[i], messages[j]);
		assert_true(slices >= be16toh(header(messages[i])->k));
	}
}

/* There is what the chunks themselves are, each once, byte for byte as sent, and no more. */
static void assert_decoded(void)
{
	size_t i, bytes = 0, n = 0, all = 0;
	struct found found;
	bool data;

	read_inbox(&found);
	for (i = 0; i < count; i++) {
		all += lengths[i];
		data = be16toh(header(messages[i])->index) < be16toh(header(messages[i])->k);
		assert_int_equal(is_there(&found, messages[i]), data);
		bytes += data ? lengths[i] : 0;
		n += data;
	}
	assert_int_equal(found.count, n);
	assert_int_equal(found.bytes, bytes);
	/* k/n, with 25 percent of redundancy and more */
	assert_true(bytes < all * 4 / 5);
	assert_int_equal(access(in_place("inbox/whole.tmp"), F_OK), -1);
	free(found.messages);
}

/* --- The ingest --- */

static void start(void)
{
	snprintf(config.inbox, sizeof(config.inbox), "%s/inbox", place);
	snprintf(config.vouch.key, sizeof(config.vouch.key), "%s/provider.pem", top);
	OK(ingest_whole_open(&whole, base, &config, error));
}

static void stop(void)
{
	ingest_whole_close(whole);
	whole = NULL;
}

/* Another object, with a fifth of it lost and the rest in any order. */
static void arrive(void)
{
	put(&provider_card);
	lose(20);
	shuffle();
	deliver(0, count);
}

static void work(void)
{
	int rc;

	ingest_whole_added(whole);
	while ((rc = ingest_whole_step(whole)) <= 0)
		if (rc)
			usleep(20000);
}

static int set_up(void **state)
{
	unsigned int i;

	(void)state;
	new_place();
	number = NUMBER_FIRST;
	for (i = 0; i < SIZE; i++)
		letter[i] = random();
	put(&provider_card);
	start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stop();
	return 0;
}

static int get(const char *options)
{
	return run("get --key %s/recipient.pem --from inbox --out got %s", top, options);
}

static void assert_got(void)
{
	static uint8_t data[SIZE + 1];

	assert_int_equal(read_file(in_place("got/letter"), data, sizeof(data)), SIZE);
	assert_memory_equal(data, letter, SIZE);
}

/* --- */

static void test_all(void **state)
{
	(void)state;
	mkdir(in_place("got"), 0700);
	deliver(0, count);
	work();
	assert_decoded();
	assert_int_equal(get("--remove"), 0);
	assert_got();
}

static void test_lossy(void **state)
{
	int i;

	(void)state;
	mkdir(in_place("got"), 0700);
	for (i = 0; i < 3; i++) {
		lose(20);
		if (i)
			shuffle();
		deliver(0, count);
		work();
		assert_decoded();
		/* nothing is to be done again, also by the next run */
		stop();
		start();
		work();
		assert_decoded();
		assert_int_equal(get("--replace --remove"), 0);
		assert_got();
		put(&provider_card);
	}
}

/* What comes late is not kept, be it one that was restored here. */
static void test_late(void **state)
{
	size_t i;

	(void)state;
	lose(20);
	shuffle();
	deliver(0, count / 3);
	work();
	deliver(count / 3, count);
	work();
	assert_decoded();
	for (i = 0; i < count; i++)
		lost[i] = !lost[i];
	deliver(0, count);
	work();
	assert_decoded();
	stop();
	deliver(0, count);
	start();
	work();
	assert_decoded();
}

static void sign(uint8_t *message, size_t len)
{
	struct cs_msg_hdr *hdr = (struct cs_msg_hdr *)message;

	assert_int_equal(cs_sha512(hdr->destination, len - CS_DIGEST_LEN, hdr->digest), 0);
}

/* Slices that somebody forged, in front of the right ones; and right ones, to expire at once. */
static void test_forged(void **state)
{
	static uint8_t early[2][MESSAGE_MAX];
	size_t sent = count, i, n = 0;
	struct found found;

	(void)state;
	mkdir(in_place("got"), 0700);
	lose(20);
	for (i = 0; i < sent; i += 5) {
		memcpy(messages[count], messages[i], MESSAGE_MAX);
		messages[count][sizeof(struct cs_msg_hdr) + random() % 1000] ^= 1 << random() % 8;
		lengths[count] = lengths[i];
		lost[count] = false;
		sign(messages[count], lengths[count]);
		count++;
	}
	for (i = 0; i < 2; i++) {
		memcpy(messages[count], messages[i], MESSAGE_MAX);
		((struct cs_msg_hdr *)messages[count])->expiry = htobe64(time(NULL) + 3);
		lengths[count] = lengths[i];
		lost[count] = false;
		sign(messages[count], lengths[count]);
		memcpy(early[n++], messages[count], MESSAGE_MAX);
		count++;
	}
	deliver(sent, count);
	deliver(0, sent);
	work();
	read_inbox(&found);
	for (i = sent; i < count - 2; i++)
		assert_false(is_there(&found, messages[i]));
	for (i = 0; i < n; i++)
		assert_true(is_there(&found, early[i]));
	free(found.messages);
	count = sent;
	sleep(4);
	assert_int_equal(get(""), 0);
	assert_got();
}

/* Of an object of which the envelope is for another provider all stays. */
static void test_unreadable(void **state)
{
	struct found found;
	size_t i;

	(void)state;
	put(&stranger_card);
	deliver(0, count);
	work();
	read_inbox(&found);
	assert_int_equal(found.count, count);
	for (i = 0; i < count; i++)
		assert_memory_equal(found.messages[i], messages[i], lengths[i]);
	free(found.messages);
}

/* Is killed after a while; whether it had come to its end. */
static bool killed_work(unsigned int us)
{
	int status;
	pid_t pid;

	stop();
	fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		start();
		work();
		_exit(0);
	}
	usleep(us);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	start();
	return WIFEXITED(status);
}

/* How long one that is not killed takes. */
static unsigned int measure(void)
{
	struct timespec begin, end;

	lose(20);
	deliver(0, count);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	work();
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_decoded();
	empty_inbox();
	return (end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000 + 1;
}

static void test_killed(void **state)
{
	unsigned int i, kills = 0, work_us;
	struct found found;
	bool ended;

	(void)state;
	mkdir(in_place("got"), 0700);
	work_us = measure();
	for (i = 0; kills < KILLS; i++) {
		assert_true(i < 10 * KILLS);
		arrive();
		do {
			ended = killed_work(random() % work_us);
			kills += !ended;
			read_inbox(&found);
			assert_nothing_lost(&found);
			free(found.messages);
		} while (!ended && random() % 4);
		work();
		assert_decoded();
		assert_int_equal(get("--replace --remove"), 0);
		assert_got();
	}
}

/*
 * Somebody reads the files in their order, each once, while they are replaced; after each of them
 * anything may have happened.
 */
static void test_read_meanwhile(void **state)
{
	struct found found = { .messages = calloc(2 * COUNT_MAX, MESSAGE_MAX) };
	struct dirent **names;
	int round, n, i, steps;

	(void)state;
	for (round = 0; round < 20; round++) {
		arrive();
		ingest_whole_added(whole);
		for (steps = random() % 60; steps; steps--)
			ingest_whole_step(whole);
		n = scandir(in_place("inbox"), &names, is_whole, alphasort);
		found.count = 0;
		for (i = 0; i < n; i++) {
			read_messages(&found, in_place("inbox/%s", names[i]->d_name));
			free(names[i]);
			for (steps = random() % 12; steps; steps--)
				ingest_whole_step(whole);
		}
		free(names);
		assert_nothing_lost(&found);
		work();
		assert_decoded();
		empty_inbox();
	}
	free(found.messages);
}

/* What somebody has taken and removed does not come back. */
static void test_removed_meanwhile(void **state)
{
	int round, steps;

	(void)state;
	mkdir(in_place("got"), 0700);
	for (round = 0; round < 20; round++) {
		arrive();
		ingest_whole_added(whole);
		for (steps = round * 3; steps; steps--)
			ingest_whole_step(whole);
		assert_int_equal(get("--replace --remove"), 0);
		assert_got();
		work();
		assert_int_equal(rmdir(in_place("inbox")), 0);
		mkdir(in_place("inbox"), 0700);
		stop();
		start();
	}
}

/* By itself, in the event loop, and others have their turn. */
static void on_tick(evutil_socket_t fd, short what, void *data)
{
	unsigned int *left = data;

	(void)fd;
	(void)what;
	if (!--*left)
		event_base_loopbreak(base);
}

static void test_loop(void **state)
{
	static const struct timeval interval = { 0, 10000 };
	unsigned int left = 500;
	struct event *tick = event_new(base, -1, EV_PERSIST, on_tick, &left);
	struct timespec begin, end;

	(void)state;
	lose(20);
	deliver(0, count);
	event_add(tick, &interval);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	event_base_dispatch(base);
	clock_gettime(CLOCK_MONOTONIC, &end);
	event_free(tick);
	assert_decoded();
	assert_true(end.tv_sec - begin.tv_sec < 15);
}

/* --- */

int main(int argc, char **argv)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_all),
		TEST(test_lossy),
		TEST(test_late),
		TEST(test_forged),
		TEST(test_unreadable),
		TEST(test_killed),
		TEST(test_read_meanwhile),
		TEST(test_removed_meanwhile),
		TEST(test_loop),
	};
	unsigned int seed = getenv("SEED") ? atoi(getenv("SEED")) : time(NULL);
	int rc;

	(void)argc;
	log_init(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR - 1);
	if (find_cli(argv[0]))
		return 1;
	printf("SEED=%u\n", seed);
	srandom(seed);
	tempdir_make(top, "whole");
	base = event_base_new();
	make_key(&recipient, &recipient_card, "recipient", CS_ROLE_RECIPIENT);
	make_key(&provider, &provider_card, "provider", CS_ROLE_PROVIDER);
	make_key(&stranger, &stranger_card, "stranger", CS_ROLE_PROVIDER);
	rc = cmocka_run_group_tests_name("whole", tests, NULL, NULL);
	event_base_free(base);
	cs_private_free(recipient);
	cs_private_free(provider);
	cs_private_free(stranger);
	tempdir_remove(top);
	return rc;
}
