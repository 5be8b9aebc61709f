// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of what csnl recv does with messages: any order, duplicates, holes, and people who
 * mean harm.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "csnl/assembly.h"
#include "csnl/chunk.h"

#define MESSAGES_MAX	4096

/* One directory, one assembly, and what it told. */
struct bench {
	char			folder[32];
	int			fd;
	struct assembly		*as;
	unsigned int		done;
	unsigned int		notes;
	unsigned int		incomplete;
	char			name[300];
	char			note[600];
	char			missing[600];
	uint64_t		duplicates;
};

/* Messages of a file, their payload in one block of memory. */
struct sending {
	struct cs_message	message[MESSAGES_MAX];
	unsigned int		count;
	uint8_t			*data;
	uint8_t			*chunks;
};

static void on_done(const struct assembly_file *file, void *data)
{
	struct bench *b = data;

	b->done++;
	b->duplicates = file->duplicates;
	snprintf(b->name, sizeof(b->name), "%s", file->name);
}

static void on_note(const char *text, void *data)
{
	struct bench *b = data;

	b->notes++;
	snprintf(b->note, sizeof(b->note), "%s", text);
}

static void on_incomplete(const char *what, const char *missing, void *data)
{
	struct bench *b = data;

	b->incomplete++;
	snprintf(b->missing, sizeof(b->missing), "%s lacks %s", what, missing);
}

static void open_bench(struct bench *b, const struct assembly_limits *limits)
{
	static const struct assembly_ops ops = {
		.done = on_done, .note = on_note, .incomplete = on_incomplete,
	};

	memset(b, 0, sizeof(*b));
	strcpy(b->folder, "/tmp/csnl-recv-XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	b->fd = open(b->folder, O_RDONLY | O_DIRECTORY);
	b->as = assembly_new(b->fd, limits ? limits : &assembly_limits_default, &ops, b);
	assert_non_null(b->as);
}

/* Ends; returns how many files there were, none of them a part of one. */
static unsigned int close_bench(struct bench *b)
{
	unsigned int files = 0;
	struct dirent *entry;
	DIR *dir;

	assembly_free(b->as);
	dir = opendir(b->folder);
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		files++;
		assert_null(strstr(entry->d_name, ".part"));
		assert_int_equal(unlinkat(b->fd, entry->d_name, 0), 0);
	}
	closedir(dir);
	close(b->fd);
	assert_int_equal(rmdir(b->folder), 0);
	return files;
}

static void random_bytes(uint8_t *p, size_t len)
{
	while (len--)
		*p++ = rand();
}

static void cut(struct sending *s, const uint8_t *chunk, uint32_t length, uint32_t slice)
{
	uint16_t n = (length + slice - 1) / slice, i;
	uint8_t id[CS_CHUNK_ID_LEN];
	struct cs_message *m;

	slice = chunk_slice_length(length, n);
	random_bytes(id, sizeof(id));
	for (i = 0; i < n; i++) {
		assert_true(s->count < MESSAGES_MAX);
		m = &s->message[s->count++];
		memset(m, 0, sizeof(*m));
		memcpy(m->chunk_id, id, sizeof(id));
		m->chunk_length = length;
		m->k = m->n = n;
		m->index = i;
		m->payload = chunk + i * slice;
		m->length = i < n - 1 ? slice : length - (n - 1) * slice;
	}
}

/* A head to begin with, of data of this size. */
static void make_head(struct sending *s, struct chunk_head *head, const char *name, size_t size)
{
	memset(s, 0, offsetof(struct sending, data));
	memset(head, 0, sizeof(*head));
	s->data = malloc(size + 1);
	random_bytes(s->data, size);
	s->chunks = malloc(2 * size + 65536);
	random_bytes(head->object, sizeof(head->object));
	head->total = size;
	cs_sha512(s->data, size, head->sha512);
	snprintf(head->name, sizeof(head->name), "%s", name);
}

static void cut_file(struct sending *s, struct chunk_head *head, size_t chunk, uint32_t slice)
{
	uint8_t *p = s->chunks;
	size_t len;

	do {
		len = head->total - head->offset < chunk ? head->total - head->offset : chunk;
		chunk_head_put(p, head);
		memcpy(p + CHUNK_HEAD_LEN + strlen(head->name), s->data + head->offset, len);
		cut(s, p, CHUNK_HEAD_LEN + strlen(head->name) + len, slice);
		p += CHUNK_HEAD_LEN + strlen(head->name) + len;
		head->offset += len;
	} while (head->offset < head->total);
}

static void make(struct sending *s, const char *name, size_t size, size_t chunk, uint32_t slice)
{
	struct chunk_head head;

	make_head(s, &head, name, size);
	cut_file(s, &head, chunk, slice);
}

static void unmake(struct sending *s)
{
	free(s->data);
	free(s->chunks);
}

static enum assembly_result take(struct bench *b, const struct cs_message *m)
{
	static double now;
	const char *wrong;

	return assembly_take(b->as, m, now++, &wrong);
}

static void shuffle(struct sending *s)
{
	struct cs_message other;
	unsigned int i, j;

	for (i = s->count - 1; i > 0; i--) {
		j = rand() % (i + 1);
		other = s->message[i];
		s->message[i] = s->message[j];
		s->message[j] = other;
	}
}

static void assert_content(const struct bench *b, const struct sending *s, size_t size)
{
	int fd = openat(b->fd, b->name, O_RDONLY);
	uint8_t *data = malloc(size + 1);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, data, size + 1), size);
	assert_memory_equal(data, s->data, size);
	free(data);
	close(fd);
}

static void test_any_order(void **state)
{
	static const size_t sizes[] = { 0, 1, 999, 1000, 1001, 50000, 123457 };
	static struct sending s;
	struct bench b;
	unsigned int i, j;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		open_bench(&b, NULL);
		make(&s, "file", sizes[i], 10000, 100);
		shuffle(&s);
		for (j = 0; j < s.count; j++) {
			assert_int_equal(b.done, 0);
			assert_int_equal(take(&b, &s.message[j]), ASSEMBLY_NEW);
		}
		assert_int_equal(b.done, 1);
		assert_string_equal(b.name, "file");
		assert_content(&b, &s, sizes[i]);
		assert_int_equal(assembly_pending(b.as), 0);
		/* late duplicates begin nothing anew */
		for (j = 0; j < s.count; j++)
			assert_int_equal(take(&b, &s.message[j]), ASSEMBLY_DUPLICATE);
		assert_int_equal(assembly_pending(b.as), 0);
		assert_int_equal(close_bench(&b), 1);
		unmake(&s);
	}
}

static void test_interleaved(void **state)
{
	static struct sending s[2];
	struct bench b;
	unsigned int i;

	(void)state;
	open_bench(&b, NULL);
	make(&s[0], "same", 20000, 3000, 100);
	make(&s[1], "same", 20000, 3000, 100);
	for (i = 0; i < s[0].count; i++) {
		take(&b, &s[0].message[s[0].count - 1 - i]);
		take(&b, &s[1].message[i]);
		take(&b, &s[1].message[i]);
	}
	assert_int_equal(b.done, 2);
	/* the second does not replace the first */
	assert_string_equal(b.name, "same.1");
	assert_content(&b, &s[1], 20000);
	/* the last message of each chunk finds its chunk finished */
	assert_true(b.duplicates >= s[1].count - 8 && b.duplicates < s[1].count);
	assert_int_equal(close_bench(&b), 2);
	unmake(&s[0]);
	unmake(&s[1]);
}

static void test_missing(void **state)
{
	static struct sending s;
	struct bench b;
	unsigned int i;

	(void)state;
	open_bench(&b, NULL);
	make(&s, "file", 9000, 5000, 100);
	for (i = 0; i < s.count; i++)
		if (i != 3 && i != 7 && i != 8)
			take(&b, &s.message[i]);
	assert_int_equal(b.done, 0);
	assert_int_equal(assembly_incomplete(b.as), 2);
	assert_int_equal(b.incomplete, 2);
	assert_non_null(strstr(b.missing, "3 of 52 slices: 3, 7-8"));
	assert_int_equal(close_bench(&b), 0);
	unmake(&s);
}

/* Fields that contradict themselves or each other; 92 slices of 100 bytes make 9112 bytes. */
static void test_bad_fields(void **state)
{
	static const struct {
		uint16_t	k;
		uint16_t	n;
		uint16_t	index;
		uint32_t	chunk_length;
		uint16_t	length;
	} bad[] = {
		{ 91, 92, 6, 9112, 100 },
		{ 0, 0, 6, 9112, 100 },
		{ 92, 92, 92, 9112, 100 },
		{ 92, 92, UINT16_MAX, 9112, 100 },
		{ 92, 92, 6, 0, 100 },
		{ 92, 92, 6, UINT32_MAX, 100 },
		{ 1, 1, 0, CHUNK_LENGTH_MAX + 1, 100 },
		{ 300, 300, 0, CHUNK_LENGTH_MAX + 1, 55925 },
		{ 92, 92, 6, 9112, 99 },
		{ 92, 92, 6, 9112, 101 },
		{ 92, 92, 6, 9112, 0 },
		{ UINT16_MAX, UINT16_MAX, 6, 9112, 1 },
		{ 92, 92, 91, 9112, 100 },
		{ 93, 93, 6, 9112, 100 },
		/* a slice of no bytes just behind the last */
		{ 10, 10, 10, 1000, 0 },
		/* right in itself, but not what another slice of the chunk said */
		{ 1, 1, 0, 100, 100 },
	};
	const unsigned int last = sizeof(bad) / sizeof(*bad) - 1;
	static struct sending s;
	struct cs_message m;
	struct bench b;
	unsigned int i;

	(void)state;
	open_bench(&b, NULL);
	make(&s, "file", 9000, 9000, 100);
	assert_int_equal(s.message[5].n, 92);
	assert_int_equal(s.message[5].length, 100);
	assert_int_equal(take(&b, &s.message[5]), ASSEMBLY_NEW);
	for (i = 0; i <= last; i++) {
		m = s.message[6];
		m.chunk_id[0] ^= i < last;
		m.k = bad[i].k;
		m.n = bad[i].n;
		m.index = bad[i].index;
		m.chunk_length = bad[i].chunk_length;
		m.length = bad[i].length;
		assert_int_equal(take(&b, &m), ASSEMBLY_BAD);
	}
	assert_int_equal(assembly_pending(b.as), 1);
	assert_int_equal(close_bench(&b), 0);
	unmake(&s);
}

static void test_names(void **state)
{
	static const char *const names[][2] = {
		{ "plain", "plain" }, { "", "file" }, { "/etc/passwd", "_etc_passwd" },
		{ "../../x", "_._.._x" }, { ".", "_" }, { "..", "_." }, { ".hidden", "_hidden" },
		{ "a\nb\033[2Jc\177", "a_b_[2Jc_" }, { "\303\244", "\303\244" },
		{ "\377\376", "__" }, { "a\302\233b", "a_b" }, { "-rf", "_rf" },
	};
	static struct sending s;
	struct bench b;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		open_bench(&b, NULL);
		make(&s, names[i][0], 10, 1000, 1000);
		take(&b, &s.message[0]);
		assert_int_equal(b.done, 1);
		assert_string_equal(b.name, names[i][1]);
		assert_int_equal(close_bench(&b), 1);
		unmake(&s);
	}
}

/* What stands in the way is not followed and not replaced. */
static void test_existing(void **state)
{
	static struct sending s;
	struct bench b;
	struct stat st;

	(void)state;
	open_bench(&b, NULL);
	assert_int_equal(symlinkat("/nonexistent/target", b.fd, "file"), 0);
	make(&s, "file", 10, 1000, 1000);
	take(&b, &s.message[0]);
	assert_string_equal(b.name, "file.1");
	assert_int_equal(fstatat(b.fd, "file", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(close_bench(&b), 2);
	unmake(&s);
}

static void give_all(struct bench *b, const struct sending *s)
{
	unsigned int i;

	for (i = 0; i < s->count; i++)
		take(b, &s->message[i]);
}

/* A byte of the chunk changed: where, and which bits. */
static void test_bad_heads(void **state)
{
	static const struct {
		unsigned int	offset;
		uint8_t		bits;
	} damage[] = {
		{ 0, 0x01 },			/* magic */
		{ 9, 0x03 },			/* version */
		{ 10, 0xff },			/* name longer than can be */
		{ 28, 0x80 },			/* offset far beyond the end */
		{ 35, 0x01 },			/* offset so that the data end beyond the end */
		{ 36, 0x80 },			/* total larger than any file */
		{ 43, 0xf4 },			/* total less than the data */
		{ 44, 0x01 },			/* SHA-512 */
		{ CHUNK_HEAD_LEN + 4, 0x01 },	/* data */
	};
	static struct sending s;
	struct bench b;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(damage) / sizeof(*damage); i++) {
		open_bench(&b, NULL);
		make(&s, "file", 500, 1000, 100);
		s.chunks[damage[i].offset] ^= damage[i].bits;
		give_all(&b, &s);
		assert_int_equal(b.done, 0);
		assert_int_equal(b.notes, 1);
		assert_int_equal(assembly_pending(b.as), 0);
		assert_int_equal(close_bench(&b), 0);
		unmake(&s);
	}
}

/* Chunks that overlap, repeat, or tell different things of the same file. */
static void test_contradictions(void **state)
{
	static struct sending s, other;
	struct chunk_head head, changed;
	struct bench b;
	int i;

	(void)state;
	for (i = 0; i < 5; i++) {
		open_bench(&b, NULL);
		make_head(&s, &head, "file", 3000);
		changed = head;
		cut_file(&s, &head, 1000, 2000);
		/* the middle comes first; what is wrong must not spoil what is right */
		take(&b, &s.message[1]);
		memset(&other, 0, sizeof(other));
		other.data = s.data;
		other.chunks = malloc(65536);
		changed.offset = i == 0 ? 999 : i == 1 ? 1999 : 1000;
		if (i == 3)
			changed.total = 2999;
		if (i == 4)
			changed.sha512[0] ^= 1;
		chunk_head_put(other.chunks, &changed);
		cut(&other, other.chunks, CHUNK_HEAD_LEN + 4 + (i == 2 ? 1000 : 2), 2000);
		take(&b, &other.message[0]);
		assert_int_equal(b.notes, 1);
		take(&b, &s.message[0]);
		assert_int_equal(b.done, 0);
		take(&b, &s.message[2]);
		assert_int_equal(b.done, 1);
		assert_content(&b, &s, 3000);
		free(other.chunks);
		assert_int_equal(close_bench(&b), 1);
		unmake(&s);
	}
}

/* Memory is bounded, and what grows stays. */
static void test_limits(void **state)
{
	static const struct assembly_limits limits = { .chunks = 8, .bytes = 1 << 20, .files = 4 };
	static struct sending s, flood;
	struct bench b;
	unsigned int i, j;

	(void)state;
	open_bench(&b, &limits);
	make(&s, "file", 50000, 100000, 1000);
	for (i = 0; i < s.count; i++) {
		take(&b, &s.message[i]);
		for (j = 0; j < 5; j++) {
			make(&flood, "flood", 2000, 2000, 100);
			if (j == 4)
				flood.message[0].chunk_length = 900000;
			if (j == 4)
				flood.message[0].n = flood.message[0].k = 900,
				flood.message[0].length = 1000;
			flood.message[0].payload = s.chunks;
			assert_int_equal(take(&b, &flood.message[0]), ASSEMBLY_NEW);
			unmake(&flood);
		}
		assert_true(assembly_pending(b.as) <= limits.chunks + limits.files);
	}
	assert_int_equal(b.done, 1);
	assert_true(b.notes > 100);
	/* more files than may be under way */
	for (i = 0; i < 20; i++) {
		make(&flood, "flood", 2000, 1000, 2000);
		take(&b, &flood.message[0]);
		unmake(&flood);
		assert_true(assembly_pending(b.as) <= limits.chunks + limits.files);
	}
	assert_non_null(strstr(b.note, "too many incomplete files"));
	assert_int_equal(close_bench(&b), 1);
	unmake(&s);
}

/* Two chunks that are too large to be under way together. */
static void test_memory(void **state)
{
	static const struct assembly_limits limits = { .chunks = 8, .bytes = 1 << 20, .files = 4 };
	static uint8_t payload[1000];
	struct cs_message m = {
		.chunk_length = 600000, .k = 600, .n = 600, .length = 1000, .payload = payload,
	};
	struct bench b;

	(void)state;
	open_bench(&b, &limits);
	assert_int_equal(take(&b, &m), ASSEMBLY_NEW);
	m.chunk_id[0] = 1;
	assert_int_equal(take(&b, &m), ASSEMBLY_NEW);
	assert_int_equal(assembly_pending(b.as), 1);
	assert_int_equal(b.notes, 1);
	assert_non_null(strstr(b.note, "chunk 00000000000000000000000000000000 given up"));
	assert_int_equal(close_bench(&b), 0);
}

/* Messages whose fields and content changed at random: nothing crashes, no wrong file appears. */
static void test_noise(void **state)
{
	static const struct assembly_limits limits = { .chunks = 8, .bytes = 1 << 22, .files = 4 };
	static struct sending s;
	static uint8_t payload[65536];
	struct cs_message m;
	struct bench b;
	unsigned int i, round;

	(void)state;
	open_bench(&b, &limits);
	for (round = 0; round < 300; round++) {
		make(&s, "file", rand() % 3000, 1000, 1 + rand() % 500);
		shuffle(&s);
		for (i = 0; i < s.count; i++) {
			m = s.message[i];
			memcpy(payload, m.payload, m.length);
			if (rand() % 20 == 0)
				m.chunk_length = rand() % 2 ? rand() : rand() % 4000;
			if (rand() % 20 == 0)
				m.index = rand();
			if (rand() % 20 == 0)
				m.n = m.k = rand() % 2 ? rand() : rand() % 50;
			if (rand() % 20 == 0)
				m.length = rand();
			if (rand() % 20 == 0)
				payload[rand() % 200] = rand();
			m.payload = payload;
			take(&b, &m);
		}
		unmake(&s);
	}
	/* a file that came whole had the right SHA-512, or it would not be here */
	assert_int_equal(close_bench(&b), b.done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_interleaved),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_bad_fields),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_existing),
		cmocka_unit_test(test_bad_heads),
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("assembly", tests, NULL, NULL);
}
