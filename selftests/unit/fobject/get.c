// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the way from a file to messages and back: in any order, twice, with holes, over
 * restarts, among forged slices; what is whole appears once, under a name that is free.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "bench.h"
#include "fobject/inbox.h"

#define SIZE (700 * 1000)	/* three chunks */

static uint8_t content[SIZE];
static struct bag object;	/* its messages */

static int set_up(void **state)
{
	if (make_dir(state))
		return -1;
	dice_fill(content, sizeof(content));
	put_bytes(&object, "photo.jpg", content, sizeof(content));
	return 0;
}

static int tear_down(void **state)
{
	bag_free(&object);
	return remove_dir(state);
}

static void arrived(struct bench *bench, const char *name)
{
	char path[2048];
	uint8_t *data;
	size_t len;

	snprintf(path, sizeof(path), "%s/%s", bench->out, name);
	assert_int_equal(bench->delivered, 1);
	assert_string_equal(bench->path, path);
	data = read_file(path, &len);
	assert_int_equal(len, SIZE);
	assert_memory_equal(data, content, SIZE);
	free(data);
	assert_int_equal(count_files(bench->out), 1);
	/* lock and done */
	bench_sync(bench);
	assert_int_equal(count_files(bench->state), 2);
	assert_int_equal(bench_objects(bench), 0);
}

static void test_in_order(void **state)
{
	struct bench bench;

	(void)state;
	bench_init(&bench, "recipient");
	bench_open(&bench);
	bench_take_all(&bench, &object);
	arrived(&bench, "photo.jpg");
	assert_int_equal(bench.ready, 1);
	assert_int_equal(bench.results[CS_GET_NEW] + bench.results[CS_GET_DUPLICATE], object.count);
	bench_free(&bench);
}

static void test_reversed(void **state)
{
	struct bench bench;
	size_t i, len;
	const uint8_t *message;

	(void)state;
	bench_init(&bench, "recipient");
	bench_open(&bench);
	for (i = object.count; i--;) {
		message = bag_get(&object, i, &len);
		bench_take(&bench, message, len);
	}
	/* the envelope comes last, and finds all else there */
	arrived(&bench, "photo.jpg");
	bench_free(&bench);
}

static void test_shuffled_and_twice(void **state)
{
	size_t *order = shuffled(object.count), i, len;
	const uint8_t *message;
	struct bench bench;

	(void)state;
	bench_init(&bench, "recipient");
	bench_open(&bench);
	for (i = 0; i < 2 * object.count; i++) {
		message = bag_get(&object, order[i / 2], &len);
		bench_take(&bench, message, len);
	}
	arrived(&bench, "photo.jpg");
	free(order);
	bench_free(&bench);
}

/* Of each chunk exactly k slices arrive, and before the last one of them nothing appears. */
static void test_any_k(void **state)
{
	size_t *order = shuffled(object.count), i, j, len;
	unsigned int got, round;
	struct cs_message a, b;
	const uint8_t *message;
	struct bench bench;

	(void)state;
	for (round = 0; round < 5; round++) {
		free(order);
		order = shuffled(object.count);
		bench_init(&bench, "recipient");
		bench_open(&bench);
		for (i = 0; i < object.count; i++) {
			a = bag_message(&object, order[i]);
			for (j = 0, got = 0; j < i; j++) {
				b = bag_message(&object, order[j]);
				got += same_chunk(&a, &b);
			}
			if (got >= a.k)
				continue;
			assert_int_equal(bench.delivered, 0);
			message = bag_get(&object, order[i], &len);
			assert_int_equal(bench_take(&bench, message, len), CS_GET_NEW);
		}
		arrived(&bench, "photo.jpg");
		bench_free(&bench);
	}
	free(order);
}

/* The last slice that is missing may come much later. */
static void test_one_too_few(void **state)
{
	size_t i, len, missing = object.count - 100;
	struct cs_message all, last = bag_message(&object, object.count - 1);
	unsigned int skipped = 0;
	const uint8_t *message;
	struct bench bench;

	(void)state;
	bench_init(&bench, "recipient");
	bench_open(&bench);
	for (i = 0; i < object.count; i++) {
		all = bag_message(&object, i);
		if (same_chunk(&all, &last) && skipped < all.n - all.k + 1u) {
			skipped++;
			missing = i;
			continue;
		}
		message = bag_get(&object, i, &len);
		bench_take(&bench, message, len);
	}
	assert_int_equal(bench.delivered, 0);
	assert_int_equal(count_files(bench.out), 0);
	assert_int_equal(bench_objects(&bench), 1);
	bench_sync(&bench);
	bench_restart(&bench);
	bench_take_all(&bench, &object); /* most of it is known */
	assert_true(bench.results[CS_GET_DUPLICATE] > object.count / 2);
	arrived(&bench, "photo.jpg");
	message = bag_get(&object, missing, &len);
	assert_int_equal(bench_take(&bench, message, len), CS_GET_DUPLICATE);
	bench_free(&bench);
}

/*
 * Ends at random places, and begins again: what was taken before the last sync need not come again.
 */
static void restarts(size_t memory)
{
	size_t *order = shuffled(object.count), i, len, synced = 0;
	const uint8_t *message;
	struct bench bench;

	bench_init(&bench, "recipient");
	bench.options.memory = memory;
	bench_open(&bench);
	for (i = 0; i < object.count; i++) {
		message = bag_get(&object, order[i], &len);
		bench_take(&bench, message, len);
		if (!dice(40)) {
			bench_sync(&bench);
			synced = i + 1;
		}
		if (!dice(60)) {
			bench_restart(&bench);
			i = synced - 1; /* goes on there, in the next round */
		}
	}
	arrived(&bench, "photo.jpg");
	free(order);
	bench_free(&bench);
}

static void test_restarts(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 5; i++)
		restarts(0);
}

/* With memory for a few slices all goes through spool files. */
static void test_little_memory(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		restarts(20000);
}

static void flip(struct cs_message *message, uint8_t *payload)
{
	payload[dice(message->length)] ^= 1 << dice(8);
}

/* Each single message replaced by a forged one, whose digest is right. */
static void test_every_forged_slice(void **state)
{
	uint8_t data[5000], message[2048];
	struct bag small = { 0 };
	size_t i, j, len, bad = 0;
	struct bench bench;
	enum cs_get_result result;

	(void)state;
	dice_fill(data, sizeof(data));
	put_bytes(&small, "small", data, sizeof(data));
	for (i = 0; i < small.count; i++) {
		bench_init(&bench, "recipient");
		bench_open(&bench);
		for (j = 0; j < small.count; j++) {
			len = bag_copy(&small, j, message);
			if (j == i)
				len = forge(message, len, flip);
			result = bench_take(&bench, message, len);
			if (j == i && result == CS_GET_FORGED)
				bad++;
			else if (j == i)
				assert_true(bag_message(&small, j).k == 1 ||
					    result == CS_GET_DUPLICATE);
		}
		assert_int_equal(bench.delivered, 1);
		bench_free(&bench);
	}
	/* those beyond the k that suffice, and copies of the envelope, are not looked at */
	assert_true(bad >= 4);
	bag_free(&small);
}

static void other_k(struct cs_message *message, uint8_t *payload)
{
	(void)payload;
	message->k--;
	message->length = (message->chunk_length + message->k - 1) / message->k + 16;
}

static void other_length(struct cs_message *message, uint8_t *payload)
{
	(void)payload;
	message->chunk_length--;
}

/* Of each slice come three forged ones first: before the envelope, and after. */
static void forged(bool envelope_first)
{
	void (*const changes[])(struct cs_message *, uint8_t *) = { flip, other_k, other_length };
	size_t *order = shuffled(object.count), i, len, place;
	uint8_t message[4096];
	struct bench bench;
	unsigned int c;

	bench_init(&bench, "recipient");
	bench_open(&bench);
	for (i = 0; i < object.count && envelope_first; i++)
		if (!order[i]) {
			order[i] = order[0];
			order[0] = 0;
		}
	for (i = 0; i < object.count; i++) {
		for (c = 0; c < 3; c++) {
			place = envelope_first ? i : order[i];
			len = bag_copy(&object, place, message);
			if (bag_message(&object, place).k == 1 && (c == 1 || !i))
				continue;
			len = forge(message, len, changes[c]);
			if (len <= sizeof(message))
				bench_take(&bench, message, len);
		}
		len = bag_copy(&object, envelope_first ? i : order[i], message);
		bench_take(&bench, message, len);
	}
	if (envelope_first)
		assert_true(bench.results[CS_GET_FORGED] > object.count);
	arrived(&bench, "photo.jpg");
	free(order);
	bench_free(&bench);
}

static void test_forged(void **state)
{
	(void)state;
	forged(true);
	forged(false);
}

static void spoil(struct cs_message *message, uint8_t *payload)
{
	payload[message->length / 2] ^= 1;
}

/*
 * A forged slice of the envelope comes after all else but before the envelope: it is not there any
 * more when the object is whole, or what comes again would make it anew.
 */
static void test_forged_envelope(void **state)
{
	struct cs_message envelope, other;
	const uint8_t *whole;
	uint8_t message[2048];
	struct bench bench;
	size_t len, i;

	(void)state;
	bench_init(&bench, "recipient");
	bench_open(&bench);
	envelope = bag_message(&object, 0);
	for (i = object.count; i--;) {
		other = bag_message(&object, i);
		whole = bag_get(&object, i, &len);
		if (!same_chunk(&envelope, &other))
			bench_take(&bench, whole, len);
	}
	len = bag_copy(&object, 1, message);
	assert_int_equal(bag_message(&object, 1).k, 1);
	assert_int_equal(bench_take(&bench, message, forge(message, len, spoil)), CS_GET_NEW);
	whole = bag_get(&object, 0, &len);
	bench_take(&bench, whole, len);
	arrived(&bench, "photo.jpg");
	whole = bag_get(&object, 2, &len);
	assert_int_equal(bench_take(&bench, whole, len), CS_GET_DUPLICATE);
	bench_take_all(&bench, &object);
	assert_int_equal(bench.ready, 1);
	bench_free(&bench);
}

static void swap_index(struct cs_message *message, uint8_t *payload)
{
	(void)payload;
	message->index ^= 1;
}

/* Slices under another one's index, or in another chunk: valid digests, and MACs of elsewhere. */
static void test_moved(void **state)
{
	struct cs_message from, to;
	uint8_t message[2048];
	struct bench bench;
	size_t i, len;

	(void)state;
	bench_init(&bench, "recipient");
	bench_open(&bench);
	bench_take(&bench, bag_get(&object, 0, &len), bag_message(&object, 0).length + 120u);
	for (i = 20; i < 40; i++) {
		len = bag_copy(&object, i, message);
		assert_int_equal(bag_message(&object, i).k, 210);
		assert_int_equal(bench_take(&bench, message, forge(message, len, swap_index)),
				 CS_GET_FORGED);
	}
	from = bag_message(&object, 20);
	to = bag_message(&object, 20 + 255);
	assert_false(same_chunk(&from, &to));
	memcpy(from.chunk_id, to.chunk_id, sizeof(from.chunk_id));
	len = cs_message_build(message, sizeof(message), &from);
	assert_int_equal(bench_take(&bench, message, len), CS_GET_FORGED);
	bench_take_all(&bench, &object);
	arrived(&bench, "photo.jpg");
	bench_free(&bench);
}

static void test_malformed(void **state)
{
	static const size_t at[] = {
		64, 80, 90, 92, 94, 95, 110, 111, 112, 114, 115, 116, 117, 118,
	};
	uint8_t message[2048];
	struct bench bench;
	size_t i, len;

	(void)state;
	bench_init(&bench, "recipient");
	bench_open(&bench);
	for (i = 0; i < sizeof(at) / sizeof(*at); i++) {
		len = bag_copy(&object, 20, message);
		message[at[i]] ^= 0x80;
		assert_int_not_equal(bench_take(&bench, message, len), CS_GET_NEW);
	}
	for (i = 0; i < len; i += 7) {
		len = bag_copy(&object, 20, message);
		assert_int_equal(bench_take(&bench, message, i), CS_GET_MALFORMED);
	}
	/* a digest that is wrong, and one that nobody looks at */
	message[0] ^= 1;
	assert_int_equal(bench_take(&bench, message, len), CS_GET_MALFORMED);
	bench_close(&bench);
	bench.options.verified = true;
	bench_open(&bench);
	assert_int_equal(bench_take(&bench, message, len), CS_GET_NEW);
	bench_free(&bench);
}

/* Somebody else's messages: nothing appears, whatever he has. */
static void test_wrong_recipient(void **state)
{
	struct bench bench;

	(void)state;
	bench_init(&bench, "stranger");
	bench_open(&bench);
	bench_take_all(&bench, &object);
	bench_sync(&bench);
	bench_restart(&bench);
	bench_take_all(&bench, &object);
	assert_int_equal(bench.delivered + bench.ready, 0);
	assert_int_equal(bench_objects(&bench), 0);
	assert_int_equal(count_files(bench.out), 0);
	bench_free(&bench);
}

static void later(struct cs_message *message, uint8_t *payload)
{
	(void)payload;
	message->expiry += 60;
}

/* Who sends all of it again, with another expiry, so that relays take it, makes nothing appear. */
static void test_replay(void **state)
{
	uint8_t message[2048];
	struct bench bench;
	size_t i, len;

	(void)state;
	bench_init(&bench, "recipient");
	bench_open(&bench);
	bench_take_all(&bench, &object);
	arrived(&bench, "photo.jpg");
	memset(bench.results, 0, sizeof(bench.results));
	bench_take_all(&bench, &object);
	assert_int_equal(bench.results[CS_GET_DUPLICATE], object.count);
	bench_restart(&bench);
	bench_take_all(&bench, &object);
	for (i = 0; i < object.count; i++) {
		len = bag_copy(&object, i, message);
		bench_take(&bench, message, forge(message, len, later));
	}
	bench_sync(&bench);
	bench_restart(&bench);
	assert_int_equal(bench.delivered, 1);
	assert_int_equal(count_files(bench.out), 1);
	bench_free(&bench);
}

/* Also of an object that is not one of the last, whose keys are still at hand. */
static void test_old_replay(void **state)
{
	struct bag bags[RECENT_MAX + 5] = { { 0 } };
	struct bench bench;
	unsigned int i, round;

	(void)state;
	bench_init(&bench, "recipient");
	bench_open(&bench);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < RECENT_MAX + 5; i++) {
			if (!round)
				put_bytes(&bags[i], "many", "x", 1);
			bench_take_all(&bench, &bags[i]);
		}
		assert_int_equal(bench.delivered, RECENT_MAX + 5);
		if (round)
			bench_restart(&bench);
	}
	assert_int_equal(count_files(bench.out), RECENT_MAX + 5);
	for (i = 0; i < RECENT_MAX + 5; i++)
		bag_free(&bags[i]);
	bench_free(&bench);
}

/* The envelope of one object in a chunk of another id does not begin the object again. */
static void test_envelope_elsewhere(void **state)
{
	struct cs_message envelope = bag_message(&object, 0);
	uint8_t message[2048];
	struct bench bench;
	size_t len;

	(void)state;
	bench_init(&bench, "recipient");
	bench_open(&bench);
	envelope.chunk_id[3] ^= 1;
	len = cs_message_build(message, sizeof(message), &envelope);
	bench_take(&bench, message, len);
	assert_int_equal(bench_objects(&bench), 0);
	bench_take_all(&bench, &object);
	bench_take(&bench, message, len);
	assert_int_equal(bench.delivered, 1);
	assert_int_equal(bench_objects(&bench), 0);
	bench_free(&bench);
}

/* Somebody on the way has the envelope live longer; the object is not refused for that. */
static void test_envelope_later(void **state)
{
	uint8_t message[2048];
	struct bench bench;
	size_t len;

	(void)state;
	bench_init(&bench, "recipient");
	bench_open(&bench);
	len = bag_copy(&object, 0, message);
	bench_take(&bench, message, forge(message, len, later));
	assert_int_equal(bench_objects(&bench), 0);
	assert_int_equal(bench.notes, 0);
	bench_take_all(&bench, &object);
	arrived(&bench, "photo.jpg");
	bench_free(&bench);
}

/* Who sends many envelopes, and nothing else, keeps nobody out. */
static void test_many_envelopes(void **state)
{
	struct bag bags[ACTIVE_MAX + 1] = { { 0 } };
	struct bench bench;
	unsigned int i;
	size_t len;

	(void)state;
	bench_init(&bench, "recipient");
	bench_open(&bench);
	for (i = 0; i <= ACTIVE_MAX; i++) {
		put_bytes(&bags[i], "little", content, 3000);
		bench_take(&bench, bag_get(&bags[i], 0, &len), bag_message(&bags[i], 0).length +
			   sizeof(struct cs_msg_hdr));
		/* of the first one there is more, so it is the second one that goes */
		if (!i)
			bench_take(&bench, bag_get(&bags[i], bags[i].count - 1, &len),
				   bag_message(&bags[i], bags[i].count - 1).length +
				   sizeof(struct cs_msg_hdr));
	}
	assert_int_equal(bench.results[CS_GET_NEW], ACTIVE_MAX + 2);
	assert_int_equal(bench_objects(&bench), ACTIVE_MAX);
	bench_sync(&bench);
	bench_restart(&bench);
	assert_int_equal(bench_objects(&bench), ACTIVE_MAX);
	for (i = 2; i < bags[0].count; i++)
		bench_take(&bench, bag_get(&bags[0], i, &len), bag_message(&bags[0], i).length +
			   sizeof(struct cs_msg_hdr));
	assert_int_equal(bench.delivered, 1);
	/* and may come again */
	bench_take_all(&bench, &bags[1]);
	bench_take_all(&bench, &bags[ACTIVE_MAX]);
	assert_int_equal(bench.delivered, 3);
	for (i = 0; i <= ACTIVE_MAX; i++)
		bag_free(&bags[i]);
	bench_free(&bench);
}

static void test_expiry(void **state)
{
	struct cs_get_object about;
	struct bench bench;
	size_t len, i;
	uint64_t end = bag_message(&object, 0).expiry;

	(void)state;
	(void)about;
	/* in plain, so it says no more than any other one of that hour */
	assert_int_equal(end % 600, 0);
	assert_in_range(end, NOW + 11 * 3600, NOW + 12 * 3600);
	bench_init(&bench, "recipient");
	bench_open(&bench);
	for (i = 0; i < 300; i++) {
		const uint8_t *message = bag_get(&object, i, &len);

		bench_take(&bench, message, len);
	}
	bench_sync(&bench);
	assert_int_equal(bench_objects(&bench), 1);
	cs_get_expire(bench.get, end);
	assert_int_equal(bench_objects(&bench), 1);
	cs_get_expire(bench.get, end + 1);
	assert_int_equal(bench_objects(&bench), 0);
	assert_non_null(strstr(bench.note, "expired"));
	assert_int_equal(cs_get_take(bench.get, bag_get(&object, 0, &len),
				     bag_message(&object, 0).length + 120u, end + 1, NULL),
			 CS_GET_EXPIRED);
	/* strangers' too */
	cs_get_expire(bench.get, NOW);
	bench_sync(&bench);
	assert_int_equal(count_files(bench.state), 2);
	bench_free(&bench);
}

/* Chunks of nobody known take only so much. */
static void test_strangers(void **state)
{
	struct bench bench;
	size_t i, len, seen = 0;
	struct stat st;
	uint8_t message[2048];
	char path[2048];
	struct cs_message flood;

	(void)state;
	bench_init(&bench, "recipient");
	bench.options.strangers = 100000;
	bench.options.memory = 50000;
	bench_open(&bench);
	for (i = 0; i < 2000; i++) {
		len = bag_copy(&object, 20, message);
		flood = bag_message(&object, 20);
		dice_fill(flood.chunk_id, sizeof(flood.chunk_id));
		if (i % 2)
			flood.index = dice(255);
		len = cs_message_build(message, sizeof(message), &flood);
		bench_take(&bench, message, len);
	}
	bench_sync(&bench);
	for (i = 0; i < count_files(bench.state); i++)
		seen++;
	assert_in_range(seen, 50, 100000 / 1354 + 3);
	snprintf(path, sizeof(path), "%s/done", bench.state);
	assert_int_equal(stat(path, &st), 0);
	/* who is known is not in their way */
	bench_take_all(&bench, &object);
	assert_int_equal(bench.delivered, 1);
	bench_free(&bench);
}

/* What comes again of a stranger counts once, also if it is on the disk only. */
static void test_strangers_again(void **state)
{
	struct cs_message parsed, last = bag_message(&object, object.count - 1);
	uint8_t message[2048];
	struct bench bench;
	unsigned int round;
	size_t i, len;

	(void)state;
	bench_init(&bench, "recipient");
	bench.options.memory = 50000;
	bench_open(&bench);
	for (round = 0; round < 7; round++) {
		for (i = 0; i < object.count; i++) {
			parsed = bag_message(&object, i);
			len = bag_copy(&object, i, message);
			if (same_chunk(&parsed, &last))
				assert_int_equal(bench_take(&bench, message, len),
						 round ? CS_GET_DUPLICATE : CS_GET_NEW);
		}
		bench_sync(&bench);
		if (round % 2)
			bench_restart(&bench);
	}
	/* too many that say that they are one slice are not for want of room */
	for (i = 0; i < 5; i++) {
		len = bag_copy(&object, object.count - 1, message);
		assert_int_equal(bench_take(&bench, message, forge(message, len, flip)),
				 i < 3 ? CS_GET_NEW : CS_GET_FORGED);
	}
	bench_take_all(&bench, &object);
	arrived(&bench, "photo.jpg");
	bench_free(&bench);
}

static void test_names(void **state)
{
	static const char *const names[][2] = {
		{ "../../etc/passwd", "_._.._etc_passwd" }, { "", "file" }, { "-rf", "_rf" },
		{ ".ssh", "_ssh" }, { "a\nb", "a_b" }, { "a\nb", "a_b (2)" },
		{ "a\001b", "a_b (3)" },
		{ "x.tar.gz", "x.tar.gz" }, { "x.tar.gz", "x.tar (2).gz" },
	};
	char path[2048];
	struct bench bench;
	struct bag bag;
	unsigned int i;

	(void)state;
	bench_init(&bench, "recipient");
	bench_open(&bench);
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		memset(&bag, 0, sizeof(bag));
		put_bytes(&bag, names[i][0], "hello", 5);
		bench_take_all(&bench, &bag);
		assert_int_equal(bench.delivered, i + 1);
		snprintf(path, sizeof(path), "%s/%s", bench.out, names[i][1]);
		assert_string_equal(bench.path, path);
		assert_int_equal(access(path, F_OK), 0);
		bag_free(&bag);
	}
	assert_int_equal(count_files(bench.out), i);
	bench_free(&bench);
}

static int first_id(const struct cs_get_object *about, void *arg)
{
	memcpy(arg, about, sizeof(*about));
	return 1;
}

/* On demand, to here or there, and what lies there stays unless it is to go. */
static void test_deliver(void **state)
{
	char other[] = "/tmp/cs-fobject-XXXXXX", path[64];
	struct cs_error error = { "" };
	struct cs_get_object about;
	struct bench bench;
	size_t round, len;
	uint8_t *data;

	(void)state;
	assert_non_null(mkdtemp(other)); /* on another file system */
	snprintf(path, sizeof(path), "%s/photo.jpg", other);
	for (round = 0; round < 4; round++) {
		bench_init(&bench, "recipient");
		bench.options.out = NULL;
		bench_open(&bench);
		bench_take_all(&bench, &object);
		assert_int_equal(bench.ready, 1);
		assert_int_equal(bench.delivered, 0);
		bench_restart(&bench);
		assert_int_equal(cs_get_each(bench.get, first_id, &about), 1);
		assert_true(about.ready);
		assert_string_equal(about.name, "photo.jpg");
		assert_int_equal(about.size, SIZE);
		assert_int_equal(about.received, SIZE);
		assert_int_equal(cs_get_deliver(bench.get, about.id, in_dir("nothing"), false,
						&error), -ENOENT);
		assert_int_equal(bench_objects(&bench), 1);
		write_file(in_dir("%s/photo.jpg", strrchr(bench.out, '/')), "mine", 4);
		if (round == 2)
			write_file(path, "mine", 4);
		assert_int_equal(cs_get_deliver(bench.get, about.id, round < 2 ? bench.out : other,
						round % 2, &error), 0);
		assert_int_equal(bench_objects(&bench), 0);
		assert_int_equal(cs_get_deliver(bench.get, about.id, bench.out, false, &error),
				 -ENOENT);
		data = read_file(bench.path, &len);
		assert_int_equal(len, SIZE);
		assert_memory_equal(data, content, SIZE);
		free(data);
		assert_int_equal(!!strstr(bench.path, "photo (2).jpg"), round % 2 == 0);
		data = read_file(in_dir("%s/photo.jpg", strrchr(bench.out, '/')), &len);
		assert_int_equal(len, round == 1 ? SIZE : 4);
		free(data);
		bench_free(&bench);
	}
	assert_int_equal(count_files(other), 2);
	remove_tree(other);
}

static void test_drop(void **state)
{
	struct cs_error error = { "" };
	struct cs_get_object about;
	struct bench bench;
	size_t len;

	(void)state;
	bench_init(&bench, "recipient");
	bench_open(&bench);
	bench_take(&bench, bag_get(&object, 0, &len), bag_message(&object, 0).length + 120u);
	assert_int_equal(cs_get_each(bench.get, first_id, &about), 1);
	assert_false(about.ready);
	assert_int_equal(cs_get_deliver(bench.get, about.id, bench.out, false, &error), -EAGAIN);
	assert_int_equal(cs_get_drop(bench.get, about.id, &error), 0);
	assert_int_equal(cs_get_drop(bench.get, about.id, &error), -ENOENT);
	bench_restart(&bench);
	bench_take_all(&bench, &object);
	assert_int_equal(bench.delivered, 0);
	assert_int_equal(bench_objects(&bench), 0);
	bench_free(&bench);
}

static void test_state_directory(void **state)
{
	struct cs_error error = { "" };
	struct cs_get *second;
	struct bench bench;

	(void)state;
	bench_init(&bench, "recipient");
	bench_open(&bench);
	assert_int_equal(cs_get_open(&second, &bench.options, NOW, &error), -EBUSY);
	assert_true(says(&error, "another process"));
	bench_close(&bench);
	assert_int_equal(chmod(bench.state, 0770), 0);
	assert_int_equal(cs_get_open(&second, &bench.options, NOW, &error), -EPERM);
	assert_true(says(&error, "chmod 700"));
	assert_int_equal(chmod(bench.state, 0700), 0);
	bench.options.state = in_dir("not/there");
	assert_int_equal(cs_get_open(&second, &bench.options, NOW, &error), -ENOENT);
	bench_free(&bench);
}

/* Bytes of its files that rot, or were never written: what is lost comes again, and all is well. */
static void test_damaged_state(void **state)
{
	static const char *const suffixes[] = { "spool", "have", "envelope" };
	size_t *order = shuffled(object.count), i, len, round;
	const uint8_t *message;
	struct bench bench;
	char command[2048];

	(void)state;
	for (round = 0; round < 12; round++) {
		bench_init(&bench, "recipient");
		bench.options.memory = 200000;
		bench_open(&bench);
		for (i = 0; i < object.count * 2 / 3; i++) {
			message = bag_get(&object, order[i], &len);
			bench_take(&bench, message, len);
		}
		bench_sync(&bench);
		bench_close(&bench);
		snprintf(command, sizeof(command),
			 "cd '%s' && for f in *.%s; do truncate -s %s%u \"$f\"; %s; done",
			 bench.state, suffixes[round % 3], round < 6 ? "-" : "+",
			 round < 9 ? 1 + dice(100) : 5000, round % 2 ?
			 "printf XXXX | dd of=\"$f\" conv=notrunc bs=1 seek=21 2>/dev/null" : ":");
		assert_int_equal(system(command), 0);
		bench_open(&bench);
		bench_take_all(&bench, &object);
		arrived(&bench, "photo.jpg");
		bench_free(&bench);
	}
	free(order);
}

/* The disk is full for a while. */
static void test_disk_full(void **state)
{
	struct rlimit none = { 100000, RLIM_INFINITY }, all = { RLIM_INFINITY, RLIM_INFINITY };
	struct cs_error error = { "" };
	struct bench bench;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	bench_init(&bench, "recipient");
	bench_open(&bench);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	bench_take_all(&bench, &object);
	assert_true(bench.results[CS_GET_FAILED] > 0);
	assert_int_equal(bench.delivered, 0);
	assert_int_not_equal(cs_get_sync(bench.get, &error), 0);
	assert_true(error.text[0]);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
	bench_sync(&bench);
	arrived(&bench, "photo.jpg");
	bench_free(&bench);
}

static void test_empty_and_tiny(void **state)
{
	struct bench bench;
	struct bag bag;
	size_t size, len, segment = 210 * 1218 - 16;
	const size_t sizes[] = {
		0, 1, 15, 1000, 1218, 1219, segment - 136, segment - 135, segment - 1, segment,
		segment + 1, 2 * segment - 136, 2 * segment,
	};
	uint8_t *data;

	(void)state;
	for (size = 0; size < sizeof(sizes) / sizeof(*sizes); size++) {
		memset(&bag, 0, sizeof(bag));
		put_bytes(&bag, "small", content, sizes[size]);
		bench_init(&bench, "recipient");
		bench_open(&bench);
		bench_take_all(&bench, &bag);
		assert_int_equal(bench.delivered, 1);
		data = read_file(bench.path, &len);
		assert_int_equal(len, sizes[size]);
		assert_memory_equal(data, content, len);
		free(data);
		bench_free(&bench);
		bag_free(&bag);
	}
}

static int never(const void *message, size_t len, void *arg)
{
	(void)message;
	(void)len;
	return ++*(int *)arg == 100 ? 42 : 0;
}

static void test_put_stops(void **state)
{
	struct cs_card provider = *test_card("provider", CS_ROLE_PROVIDER);
	struct cs_put_options options = put_options(NULL);
	struct cs_put_result result;
	struct cs_error error = { "" };
	int count = 0;

	(void)state;
	write_file(in_dir("a file"), content, sizeof(content));
	options.message = never;
	options.arg = &count;
	assert_int_equal(cs_put_path(&options, in_dir("a file"), &result, &error), 42);
	assert_int_equal(result.messages, 100);
	assert_int_equal(cs_put_path(&options, in_dir("no file"), &result, &error), -ENOENT);
	assert_int_equal(cs_put_path(&options, "/dev/null", &result, &error), -EINVAL);
	options.frame = 500;
	assert_int_equal(cs_put_path(&options, in_dir("a file"), &result, &error), -EMSGSIZE);
	assert_true(says(&error, "too small for an envelope"));
	options.frame = 100;
	assert_int_equal(cs_put_path(&options, in_dir("a file"), &result, &error), -EINVAL);
	options.frame = 0;
	options.redundancy = 301;
	assert_int_equal(cs_put_path(&options, in_dir("a file"), &result, &error), -EINVAL);
	options.redundancy = 20;
	options.lifetime = CS_LIFETIME_MAX + 1;
	assert_int_equal(cs_put_path(&options, in_dir("a file"), &result, &error), -EINVAL);
	assert_true(says(&error, "more than 30 days"));
	options.lifetime = CS_LIFETIME_MAX;
	options.to.card = &provider;
	assert_int_equal(cs_put_path(&options, in_dir("a file"), &result, &error), -EINVAL);
	assert_true(says(&error, "not that of a recipient"));
}

/* Frames of any size that links have, and all redundancies. */
static void test_frames(void **state)
{
	static const size_t frames[] = { 900, 1400, 1514, 9000, 65535 };
	struct cs_put_options options;
	struct cs_put_result result;
	struct cs_error error = { "" };
	struct bench bench;
	struct bag bag;
	unsigned int i;

	(void)state;
	write_file(in_dir("a file"), content, sizeof(content));
	for (i = 0; i < sizeof(frames) / sizeof(*frames); i++) {
		memset(&bag, 0, sizeof(bag));
		options = put_options(&bag);
		options.frame = frames[i];
		options.redundancy = i * 75;
		assert_int_equal(cs_put_path(&options, in_dir("a file"), &result, &error), 0);
		bench_init(&bench, "recipient");
		bench_open(&bench);
		bench_take_all(&bench, &bag);
		assert_int_equal(bench.delivered, 1);
		bench_free(&bench);
		bag_free(&bag);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_reversed),
		cmocka_unit_test(test_shuffled_and_twice),
		cmocka_unit_test(test_any_k),
		cmocka_unit_test(test_one_too_few),
		cmocka_unit_test(test_restarts),
		cmocka_unit_test(test_little_memory),
		cmocka_unit_test(test_every_forged_slice),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_forged_envelope),
		cmocka_unit_test(test_moved),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_wrong_recipient),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_old_replay),
		cmocka_unit_test(test_envelope_elsewhere),
		cmocka_unit_test(test_envelope_later),
		cmocka_unit_test(test_many_envelopes),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_strangers_again),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_deliver),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_state_directory),
		cmocka_unit_test(test_damaged_state),
		cmocka_unit_test(test_disk_full),
		cmocka_unit_test(test_empty_and_tiny),
		cmocka_unit_test(test_put_stops),
		cmocka_unit_test(test_frames),
	};

	return cmocka_run_group_tests_name("get", tests, set_up, tear_down);
}
