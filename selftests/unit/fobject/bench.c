// SPDX-License-Identifier: GPL-2.0
/*
 * A recipient on the bench: what the tests of put and get share.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "fobject/envelope.h"

static void on_ready(const struct cs_get_object *object, void *arg)
{
	struct bench *bench = arg;

	assert_true(object->ready);
	bench->ready++;
}

static void on_delivered(const struct cs_get_object *object, const char *path, void *arg)
{
	struct bench *bench = arg;

	(void)object;
	bench->delivered++;
	snprintf(bench->path, sizeof(bench->path), "%s", path);
}

static void on_note(const char *text, void *arg)
{
	struct bench *bench = arg;

	bench->notes++;
	snprintf(bench->note, sizeof(bench->note), "%s", text);
}

static int on_forward(const void *message, size_t len, void *arg)
{
	struct bench *bench = arg;

	return bench->stuck ? -1 : bag_add(message, len, &bench->forwarded);
}

static int on_forwarded(void *arg)
{
	const struct bench *bench = arg;

	return bench->unsafe ? -1 : 0;
}

/* Each recipient has a directory of his own. */
void bench_init(struct bench *bench, const char *key)
{
	static int number;

	memset(bench, 0, sizeof(*bench));
	snprintf(bench->state, sizeof(bench->state), "%s/state%d", test_dir, ++number);
	snprintf(bench->out, sizeof(bench->out), "%s/out%d", test_dir, number);
	assert_int_equal(mkdir(bench->out, 0700), 0);
	bench->options = (struct cs_get_options){
		.state = bench->state,
		.out = bench->out,
		.key = test_key(key),
		.ready = on_ready,
		.delivered = on_delivered,
		.forward = on_forward,
		.forwarded = on_forwarded,
		.note = on_note,
		.arg = bench,
	};
}

void bench_open(struct bench *bench)
{
	struct cs_error error = { "" };

	if (cs_get_open(&bench->get, &bench->options, NOW, &error))
		fail_msg("%s", error.text);
}

void bench_close(struct bench *bench)
{
	cs_get_close(bench->get);
	bench->get = NULL;
}

void bench_restart(struct bench *bench)
{
	bench_close(bench);
	bench_open(bench);
}

void bench_free(struct bench *bench)
{
	bench_close(bench);
	bag_free(&bench->forwarded);
	remove_tree(bench->state);
	remove_tree(bench->out);
}

enum cs_get_result bench_take(struct bench *bench, const void *message, size_t len)
{
	/* as it comes from the net: what lies behind it is not ours */
	uint8_t *copy = malloc(len);
	struct cs_error error = { "" };
	enum cs_get_result result;

	assert_non_null(copy);
	memcpy(copy, message, len);
	result = cs_get_take(bench->get, copy, len, NOW, &error);
	if (result == CS_GET_FAILED)
		assert_true(error.text[0]);
	bench->results[result]++;
	free(copy);
	return result;
}

void bench_take_all(struct bench *bench, const struct bag *bag)
{
	const uint8_t *message;
	size_t i, len;

	for (i = 0; i < bag->count; i++) {
		message = bag_get(bag, i, &len);
		bench_take(bench, message, len);
	}
}

void bench_sync(struct bench *bench)
{
	struct cs_error error = { "" };

	if (cs_get_sync(bench->get, &error))
		fail_msg("%s", error.text);
}

static int count_one(const struct cs_get_object *object, void *arg)
{
	(void)object;
	++*(unsigned int *)arg;
	return 0;
}

unsigned int bench_objects(struct bench *bench)
{
	unsigned int count = 0;

	cs_get_each(bench->get, count_one, &count);
	return count;
}

unsigned int count_files(const char *path)
{
	DIR *dir = opendir(path);
	unsigned int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

struct cs_put_options put_options(struct bag *bag)
{
	return (struct cs_put_options){
		.to = { test_card("recipient", CS_ROLE_RECIPIENT), NULL },
		.now = NOW,
		.redundancy = 20,
		.message = bag_add,
		.arg = bag,
	};
}

void put_bytes(struct bag *bag, const char *name, const void *data, size_t len)
{
	struct cs_put_options options = put_options(bag);
	struct cs_put_result result;
	struct cs_error error = { "" };
	int fd = memfd_create("content", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	if (cs_put_fd(&options, fd, name, &result, &error))
		fail_msg("%s", error.text);
	assert_int_equal(result.bytes, len);
	assert_int_equal(result.messages, bag->count);
	close(fd);
}

struct cs_chunker_options chunker_options(struct bag *bag)
{
	return (struct cs_chunker_options){
		.to = { test_card("recipient", CS_ROLE_RECIPIENT), NULL },
		.created = NOW,
		.expiry = NOW + 3600,
		.redundancy = 20,
		.frame = CS_FRAME_DEFAULT,
		.kind = CS_KIND_FILE,
		.name = "crafted",
		.name_len = 7,
		.size = CS_SIZE_UNKNOWN,
		.message = bag_add,
		.arg = bag,
	};
}

size_t *shuffled(size_t count)
{
	size_t *order = calloc(count, sizeof(*order)), i, j, swap;

	assert_non_null(order);
	for (i = 0; i < count; i++)
		order[i] = i;
	for (i = count; i > 1; i--) {
		j = dice(i);
		swap = order[i - 1];
		order[i - 1] = order[j];
		order[j] = swap;
	}
	return order;
}

bool same_chunk(const struct cs_message *a, const struct cs_message *b)
{
	return !memcmp(a->chunk_id, b->chunk_id, CS_CHUNK_ID_LEN);
}

size_t forge(uint8_t *message, size_t len, void (*change)(struct cs_message *, uint8_t *))
{
	uint8_t *payload = message + sizeof(struct cs_msg_hdr);
	struct cs_message parsed;

	assert_int_equal(cs_message_parse(message, len, &parsed), 0);
	change(&parsed, payload);
	len = cs_message_build(message, sizeof(struct cs_msg_hdr) + parsed.length, &parsed);
	assert_true(len);
	return len;
}
