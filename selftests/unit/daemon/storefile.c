// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of what the store outlives: kills at any moment, a full disk, and a disk that gets
 * bytes wrong. FLIPS=100000 in the environment has more bytes flipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <lmdb.h>

#include "common/message.h"
#include "common/tempdir.h"
#include "daemon/store.h"
#include "daemon/storefile.h"

#define NOW	1000000ull
#define MIB	(1ull << 20)
#define HOUR	3600

static const uint8_t somewhere[CS_ADDR_LEN] = { 0xfd, 1 };

static struct config_store config;
static char dir[64], file[PATH_MAX + 16];
static uint8_t bytes[MESSAGE_MOST];

static int set_up(void **state)
{
	(void)state;
	tempdir_make(dir, "storefile");
	config = (struct config_store){ .bytes = 16 * MIB, .share = 25, .age = 12 * HOUR,
					.cancelled = 100 };
	snprintf(config.path, sizeof(config.path), "%s/store", dir);
	snprintf(file, sizeof(file), "%s/data.mdb", config.path);
	random_state = 1;
	signal(SIGXFSZ, SIG_IGN); /* as main.c does */
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tempdir_remove(dir);
	return 0;
}

static struct store *must_open(void)
{
	struct cs_error error = { "" };
	struct store *store = NULL;

	if (store_open(&store, &config, &error))
		fail_msg("%s", error.text);
	return store;
}

static void is_clean(struct store *store)
{
	struct cs_error error = { "" };
	uint64_t checked;

	if (store_check(store, &checked, &error))
		fail_msg("%s", error.text);
}

static struct store_item message(size_t size, unsigned int peer)
{
	struct store_item item;

	make_message(&item, bytes, size, somewhere, NOW + 24 * HOUR);
	item.arrived = NOW;
	item.peer[0] = peer;
	return item;
}

/* --- Kills --- */

#define MOST	200	/* messages, again and again */

/**
 * struct told - what a child tells before it is killed; shared memory
 * @begun: commits that it began
 * @done: commits that it ended
 */
struct told {
	volatile unsigned int	begun;
	volatile unsigned int	done;
};

/*
 * Each commit is a batch that changes everything: batch n adds message n, deletes n - 10, cancels
 * n - 20, has n - 5 change its flags. So the store tells which batch it holds, and whether whole.
 */
static void numbered(struct store_item *item, unsigned int n)
{
	random_state = 1000 + n;
	*item = message(200 + (n * 377) % 5000, 1 + n % 3);
}

static void batch(struct store *store, unsigned int n)
{
	struct store_notice notice = { .expiry = NOW + 1000 + n, .letter = "delivered", .len = 9 };
	struct store_item item;

	numbered(&item, n);
	if (store_add(store, &item, NOW, NULL) != STORE_ADDED)
		_exit(2);
	if (n > 10) {
		numbered(&item, n - 10);
		if (store_del(store, item.digest))
			_exit(3);
	}
	if (n > 20) {
		numbered(&item, n - 20);
		if (store_cancel(store, item.digest, &notice))
			_exit(4);
	}
	if (n > 5) {
		numbered(&item, n - 5);
		if (store_flag(store, item.digest, STORE_EARNS, 0))
			_exit(5);
	}
}

static void child(struct told *told, unsigned int from)
{
	struct store *store;
	unsigned int n;

	if (store_open(&store, &config, NULL))
		_exit(1);
	for (n = from; n < from + MOST; n++) {
		batch(store, n);
		told->begun = n;
		if (store_commit(store, NULL))
			_exit(6);
		told->done = n;
	}
	for (;;) /* until it is killed */
		pause();
}

/* Which batch is the last that the store holds? All of it must be there, and nothing else. */
static unsigned int last_batch(struct store *store, unsigned int most)
{
	struct store_notice notice;
	struct store_item item, found;
	unsigned int n, last = 0;
	bool held;

	for (n = 1; n <= most + 1; n++) {
		numbered(&item, n);
		if (!store_get(store, item.digest, &found))
			last = n;
	}
	for (n = 1; n <= most + 1; n++) {
		numbered(&item, n);
		held = !store_get(store, item.digest, &found);
		assert_int_equal(held, n <= last && n + 10 > last);
		if (held) {
			assert_memory_equal(found.message, bytes, found.size);
			assert_int_equal(found.flags, n + 5 <= last ? STORE_EARNS : 0);
		}
		held = !store_cancelled(store, item.digest, &notice);
		assert_int_equal(held, n + 20 <= last && n + 20 + config.cancelled > last);
	}
	return last;
}

static void test_kill(void **state)
{
	struct told *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int round, last = 0, kills = 0, status;
	struct store *store;
	pid_t pid;

	(void)state;
	assert_true(told != MAP_FAILED);
	for (round = 0; round < 120; round++) {
		told->begun = told->done = last;
		pid = fork();
		if (!pid)
			child(told, last + 1);
		/* often while it opens the store, and at first makes it */
		random_state = round;
		usleep(random_word() % (round % 3 ? 12000 : 2500));
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, (int *)&status, 0), pid);
		assert_true(WIFSIGNALED(status));
		kills += told->done < last + MOST;
		store = must_open();
		is_clean(store);
		last = last_batch(store, told->begun);
		assert_in_range(last, told->done, told->begun);
		store_close(store);
	}
	assert_true(kills > 60);
	assert_true(last > 500);
	munmap(told, sizeof(*told));
}

/* --- A full disk --- */

static void limit_file(rlim_t size)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static size_t count_held(struct store *store, uint8_t digests[][CS_DIGEST_LEN], size_t n)
{
	struct store_item item;
	size_t held = 0;

	while (n--)
		held += !store_get(store, digests[n], &item);
	return held;
}

/*
 * The disk is full: what was committed stays, what was not is lost with a reason, old messages may
 * still go, and when there is room again it goes on.
 */
static void test_disk_full(void **state)
{
	static uint8_t digests[3000][CS_DIGEST_LEN];
	struct store *store = must_open();
	size_t n = 0, committed = 0, failures = 0;
	struct cs_error error = { "" };
	struct store_stats stats;
	struct store_item item;

	(void)state;
	limit_file(3 * MIB);
	while (failures < 3) {
		item = message(1400, 1);
		memcpy(digests[n++], item.digest, CS_DIGEST_LEN);
		assert_true(n < 3000);
		if (store_add(store, &item, NOW, &error) == STORE_ADDED && n % 10)
			continue;
		if (!error.text[0] && !store_commit(store, &error)) {
			committed = n;
			continue;
		}
		if (!strstr(error.text, "no room left on the disk"))
			fail_msg("%s", error.text);
		assert_non_null(strstr(error.text, file));
		error.text[0] = 0;
		failures++;
		n = committed;
		store_stats(store, &stats);
		assert_int_equal(stats.failed, failures);
		assert_int_equal(stats.messages, committed);
		assert_int_equal(stats.added, committed);
		assert_int_equal(count_held(store, digests, committed), committed);
		is_clean(store);
	}
	assert_true(committed > 500);
	/* room is made by what expires, as pages within the file become free */
	assert_int_equal(store_expire(store, NOW + 12 * HOUR), committed);
	for (n = 0; store_commit(store, &error) && n < 5; n++)
		store_expire(store, NOW + 12 * HOUR);
	limit_file(RLIM_INFINITY);
	for (n = 0; n < 2000; n++) {
		item = message(1400, 1);
		assert_int_equal(store_add(store, &item, NOW, &error), STORE_ADDED);
	}
	assert_int_equal(store_commit(store, &error), 0);
	is_clean(store);
	store_close(store);
	store = must_open();
	store_stats(store, &stats);
	assert_in_range(stats.messages, 2000, 2000 + committed);
	is_clean(store);
	store_close(store);
}

/* There is no room to even begin. */
static void test_disk_full_new(void **state)
{
	struct cs_error error = { "" };
	struct store *store = NULL;

	(void)state;
	limit_file(4096);
	assert_true(store_open(&store, &config, &error) < 0);
	assert_non_null(strstr(error.text, file));
	assert_null(store);
	limit_file(RLIM_INFINITY);
	store_close(must_open());
}

/* --- Damage --- */

/**
 * struct content - all that a store holds, as one sum
 */
struct content {
	uint64_t	messages;
	uint64_t	sum;
};

static void mix(struct content *content, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len--)
		content->sum = (content->sum ^ *p++) * 1099511628211ull;
}

struct listing {
	uint8_t	digests[200][CS_DIGEST_LEN];
	size_t	n;
};

static int list_one(const struct store_item *item, void *data)
{
	struct listing *listing = data;

	assert_true(listing->n < 200);
	memcpy(listing->digests[listing->n++], item->digest, CS_DIGEST_LEN);
	return 0;
}

/* @graves: of messages that may have been delivered */
static struct content content_of(struct store *store, const uint8_t *graves, size_t nr_graves)
{
	struct content content = { .sum = 14695981039346656037ull };
	struct listing listing = { .n = 0 };
	struct store_notice notice;
	struct store_item item;
	size_t i;

	assert_int_equal(store_each(store, list_one, &listing), 0);
	for (i = 0; i < listing.n; i++) {
		assert_int_equal(store_get(store, listing.digests[i], &item), 0);
		mix(&content, item.message, item.size);
		item.message = NULL;
		mix(&content, &item, sizeof(item));
		content.messages++;
	}
	for (i = 0; i < nr_graves; i++, graves += CS_DIGEST_LEN) {
		if (store_cancelled(store, graves, &notice))
			continue;
		mix(&content, graves, CS_DIGEST_LEN);
		mix(&content, notice.letter, notice.len);
		notice.letter = NULL;
		mix(&content, &notice, sizeof(notice));
	}
	return content;
}

#define GRAVES	40

/**
 * struct sample - a store whose file is damaged in many ways
 * @data: the file
 * @size: its bytes
 * @graves: of what was delivered
 * @now: what it holds
 * @before: what it held before the last commit, which its older meta page still tells
 */
struct sample {
	uint8_t		*data;
	size_t		size;
	uint8_t		graves[GRAVES][CS_DIGEST_LEN];
	struct content	now;
	struct content	before;
};

static uint8_t *read_file(size_t *size)
{
	int fd = open(file, O_RDONLY);
	struct stat st;
	uint8_t *data;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	data = malloc(st.st_size + 1);
	assert_non_null(data);
	*size = st.st_size;
	assert_int_equal(read(fd, data, *size), *size);
	close(fd);
	return data;
}

static void write_file(const uint8_t *data, size_t size)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
}

/* Messages of all sizes, flags, peers; some went, so that there are free pages; two commits. */
static void make_sample(struct sample *sample)
{
	struct store *store = must_open();
	struct store_notice notice = { .expiry = NOW + 5000 };
	struct store_item item;
	char letter[3000];
	unsigned int i;

	memset(letter, 'x', sizeof(letter));
	notice.letter = letter;
	for (i = 0; i < 90; i++) {
		item = message(i % 9 ? 150 + 40 * i : 9000, i % 4);
		item.flags = i % 16;
		item.hops = i;
		assert_int_equal(store_add(store, &item, NOW, NULL), STORE_ADDED);
		if (i < GRAVES) {
			letter[0] = i / 7;
			notice.len = i / 7 % 2 ? 100 : sizeof(letter);
			memcpy(sample->graves[i], item.digest, CS_DIGEST_LEN);
			notice.proven = i % 2;
			assert_int_equal(store_cancel(store, item.digest, &notice), 0);
		}
		if (i % 15 == 0)
			assert_int_equal(store_commit(store, NULL), 0);
	}
	assert_int_equal(store_commit(store, NULL), 0);
	sample->before = content_of(store, sample->graves[0], GRAVES);
	item = message(700, 2);
	assert_int_equal(store_add(store, &item, NOW, NULL), STORE_ADDED);
	sample->now = content_of(store, sample->graves[0], GRAVES);
	is_clean(store);
	store_close(store);
	sample->data = read_file(&sample->size);
}

static bool same(const struct content *a, const struct content *b)
{
	return a->messages == b->messages && a->sum == b->sum;
}

/* Everything that it does with its pages; LMDB would crash on what is damaged. */
static void use(struct store *store)
{
	struct listing listing = { .n = 0 };
	struct store_item item;
	size_t i;

	for (i = 0; i < 20; i++) {
		item = message(i % 5 ? 1400 : 9000, i % 5);
		assert_int_equal(store_add(store, &item, NOW, NULL), STORE_ADDED);
	}
	store_each(store, list_one, &listing);
	for (i = 0; i < listing.n; i += 2)
		assert_int_equal(store_del(store, listing.digests[i]), 0);
	assert_int_equal(store_commit(store, NULL), 0);
	is_clean(store);
	store_expire(store, NOW + 24 * HOUR);
	assert_int_equal(store_commit(store, NULL), 0);
	is_clean(store);
}

static void says_what_to_do(const struct cs_error *error)
{
	assert_non_null(strstr(error->text, file));
	assert_non_null(strstr(error->text, "damaged"));
	assert_non_null(strstr(error->text, "move the store away"));
}

enum outcome { REFUSED, FOUND, HARMLESS, OUTCOMES };

/*
 * Opens a store whose file is damaged. It is refused, and left as it is; or a check finds the
 * damage; or it does no harm, and then the store holds what it held, to the last byte.
 */
static enum outcome outcome_of(const struct sample *sample, const uint8_t *data, size_t size,
			       bool use_it)
{
	enum outcome outcome = FOUND;
	struct cs_error error = { "" };
	struct content content;
	struct store *store;
	uint64_t checked;
	uint8_t *after;
	size_t left;
	int rc;

	write_file(data, size);
	rc = store_open(&store, &config, &error);
	if (rc) {
		assert_int_equal(rc, -EILSEQ);
		says_what_to_do(&error);
		after = read_file(&left);
		assert_int_equal(left, size);
		assert_memory_equal(after, data, size);
		free(after);
		return REFUSED;
	}
	if (store_check(store, &checked, &error)) {
		says_what_to_do(&error);
	} else {
		outcome = HARMLESS;
		content = content_of(store, sample->graves[0], GRAVES);
		if (!same(&content, &sample->now) && !same(&content, &sample->before))
			fail_msg("a store was taken that holds something else");
		if (use_it)
			use(store);
	}
	store_close(store);
	return outcome;
}

static void test_flip(void **state)
{
	const char *more = getenv("FLIPS");
	unsigned int counts[OUTCOMES] = { 0 }, i, most = more ? atoi(more) : 1200;
	static struct sample sample;
	uint8_t *data, was;
	size_t at;

	(void)state;
	make_sample(&sample);
	data = malloc(sample.size);
	assert_non_null(data);
	memcpy(data, sample.data, sample.size);
	assert_int_equal(outcome_of(&sample, data, sample.size, false), HARMLESS);
	for (i = 0; i < most; i++) {
		random_state = i;
		/* where LMDB keeps what it follows, more often */
		at = random_word() % sample.size;
		if (i % 4 == 0)
			at = at / 4096 * 4096 + random_word() % 64;
		else if (i % 4 == 1)
			at = random_word() % (2 * 4096) / 32;
		was = data[at];
		data[at] ^= i % 3 ? 1u << random_word() % 8 : 1 + random_word() % 255;
		counts[outcome_of(&sample, data, sample.size, i % 4 == 0)]++;
		data[at] = was;
	}
	print_message("of %u flips %u were refused, %u found, %u harmless\n", most,
		      counts[REFUSED], counts[FOUND], counts[HARMLESS]);
	assert_true(counts[REFUSED] > most / 8);
	assert_true(counts[FOUND] > most / 8);
	free(data);
	free(sample.data);
}

/* Whole pages: zero, another one's, or from before. */
static void test_pages(void **state)
{
	static struct sample sample;
	unsigned int i, j, pages, counts[OUTCOMES] = { 0 };
	uint8_t *data;

	(void)state;
	make_sample(&sample);
	pages = sample.size / 4096;
	data = malloc(sample.size);
	assert_non_null(data);
	for (i = 0; i < pages; i++)
		for (j = 0; j < 4; j++) {
			random_state = i * 4 + j;
			memcpy(data, sample.data, sample.size);
			if (!j)
				memset(data + 4096 * i, 0, 4096);
			else if (j == 1)
				memset(data + 4096 * i, 0xff, 4096);
			else if (j == 2)
				random_bytes(data + 4096 * i, 4096);
			else
				memcpy(data + 4096 * i,
				       sample.data + random_word() % pages * 4096, 4096);
			counts[outcome_of(&sample, data, sample.size, j < 3)]++;
		}
	assert_true(counts[REFUSED] > pages);
	assert_true(counts[FOUND] > 0);
	free(data);
	free(sample.data);
}

/* A file that ends too early, or goes on. */
static void test_lengths(void **state)
{
	static struct sample sample;
	unsigned int i, refused = 0;
	uint8_t *data;
	size_t len;

	(void)state;
	make_sample(&sample);
	data = calloc(1, sample.size + 100000);
	assert_non_null(data);
	memcpy(data, sample.data, sample.size);
	for (i = 0; i < 300; i++) {
		random_state = i;
		len = i < 100 ? i + 1 : random_word() % sample.size;
		if (i % 3 == 0 && i > 100)
			len = len / 4096 * 4096;
		/* its last pages may be free */
		refused += len && outcome_of(&sample, data, len, false) == REFUSED;
	}
	assert_true(refused > 290);
	assert_int_equal(outcome_of(&sample, data, sample.size + 100000, true), HARMLESS);
	free(data);
	free(sample.data);
}

/* --- Damage of one kind each: what storefile.c looks at, one thing after the other --- */

enum { HEAD = 16, NODE = 8, TREE = 48, TREES = HEAD + 24, LAST = TREES + 2 * TREE };
enum { DEPTH = 6, LEAVES = 16, OVERFLOWS = 24, ENTRIES = 32, ROOT = 40 };

static uint8_t *damage, *newer;

static uint64_t number_at(const uint8_t *p)
{
	uint64_t number;

	memcpy(&number, p, sizeof(number));
	return number;
}

static unsigned int short_at(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

static void set_short(uint8_t *p, unsigned int value)
{
	p[0] = value;
	p[1] = value >> 8;
}

static uint8_t *page_at(uint64_t number)
{
	return damage + number * 4096;
}

static uint8_t *node_at(uint8_t *page, unsigned int i)
{
	return page + short_at(page + HEAD + 2 * i);
}

static uint8_t *value_of(uint8_t *node)
{
	return node + NODE + short_at(node + 6);
}

static unsigned int nodes_of(const uint8_t *page)
{
	return (short_at(page + 12) - HEAD) / 2;
}

/* The tree of a database, as the table of all has it. */
static uint8_t *tree_of(const char *name)
{
	uint8_t *page = page_at(number_at(newer + TREES + TREE + ROOT)), *node;
	unsigned int i;

	for (i = 0; i < nodes_of(page); i++) {
		node = node_at(page, i);
		if (short_at(node + 6) == strlen(name) && !memcmp(node + NODE, name, strlen(name)))
			return value_of(node);
	}
	fail_msg("no tree %s", name);
	return NULL;
}

/* The root of a tree that has branches, and the leaf below its second node. */
static uint8_t *branch_of(const char *name)
{
	uint8_t *tree = tree_of(name), *page = page_at(number_at(tree + ROOT));

	assert_int_equal(short_at(tree + DEPTH), 2);
	assert_true(nodes_of(page) >= 2);
	return page;
}

static uint8_t *child_of(uint8_t *branch, unsigned int i)
{
	uint8_t *node = node_at(branch, i);

	return page_at(short_at(node) | short_at(node + 2) << 16);
}

static uint8_t *leaf_of(const char *name)
{
	return child_of(branch_of(name), 1);
}

/* The first page of a message that has pages of its own. */
static uint8_t *long_value(void)
{
	uint8_t *branch = branch_of("messages"), *leaf;
	unsigned int i, j;

	for (i = 0; i < nodes_of(branch); i++) {
		leaf = child_of(branch, i);
		for (j = 0; j < nodes_of(leaf); j++)
			if (node_at(leaf, j)[4] & 1)
				return page_at(number_at(value_of(node_at(leaf, j))));
	}
	fail_msg("no long message");
	return NULL;
}

static void begin_damage(const struct sample *sample)
{
	memcpy(damage, sample->data, sample->size);
	newer = damage;
	if (number_at(damage + 4096 + LAST + 8) > number_at(damage + LAST + 8))
		newer += 4096;
}

static void end_damage(const struct sample *sample, const char *why)
{
	struct cs_error error = { "" };

	write_file(damage, sample->size);
	assert_int_equal(storefile_check(file, &error), -EILSEQ);
	if (!strstr(error.text, why))
		fail_msg("not '%s', but: %s", why, error.text);
	says_what_to_do(&error);
	begin_damage(sample);
}

static void damage_metas(const struct sample *sample)
{
	damage[HEAD]++;
	end_damage(sample, "no file of LMDB");
	damage[4096 + HEAD + 4]++;
	end_damage(sample, "another version of LMDB");
	damage[TREES + 1] = 3;
	end_damage(sample, "impossible size");
	newer[TREES + 4] |= 4;
	end_damage(sample, "impossible kind");
	newer[TREES + TREE + 4] |= 4;
	end_damage(sample, "impossible kind");
	damage[4096] = 2;
	end_damage(sample, "another page");
	newer[LAST + 5] = 1;
	end_damage(sample, "can't have so many pages");
	newer[LAST] = 9;
	newer[LAST + 1] = 0;
	end_damage(sample, "in use twice, or is not there");
}

static void damage_trees(const struct sample *sample)
{
	static const int counts[] = { 8, LEAVES, OVERFLOWS, ENTRIES };
	size_t i;

	for (i = 0; i < 4; i++) {
		tree_of("messages")[counts[i]]++;
		end_damage(sample, "not as large as it says");
	}
	tree_of("messages")[4] = 4;
	end_damage(sample, "a tree of another kind");
	set_short(tree_of("digests") + DEPTH, 1);
	end_damage(sample, "it is of another kind");
	set_short(tree_of("digests") + DEPTH, 3);
	end_damage(sample, "it is of another kind");
	set_short(tree_of("digests") + DEPTH, 33);
	end_damage(sample, "impossible depth");
	memset(tree_of("digests") + ROOT, 0xff, 8);
	end_damage(sample, "impossible depth");
	memcpy(tree_of("peers") + ROOT, tree_of("meta") + ROOT, 8);
	end_damage(sample, "in use twice");
}

static void damage_pages(const struct sample *sample)
{
	uint8_t *leaf;
	unsigned int a;

	leaf_of("digests")[0]++;
	end_damage(sample, "it is another page");
	leaf_of("digests")[10] = 1;
	end_damage(sample, "of another kind");
	set_short(leaf_of("digests") + 12, HEAD);
	end_damage(sample, "impossible number of nodes");
	set_short(branch_of("digests") + 12, HEAD + 2);
	end_damage(sample, "impossible number of nodes");
	leaf = leaf_of("digests");
	set_short(leaf + 12, short_at(leaf + 14) + 2);
	end_damage(sample, "impossible number of nodes");
	leaf = leaf_of("digests");
	set_short(leaf + 14, short_at(leaf + 14) - 2);
	end_damage(sample, "room between its nodes");
	leaf = leaf_of("digests");
	set_short(leaf + 14, short_at(leaf + 14) + 2);
	end_damage(sample, "lies elsewhere");
	leaf = leaf_of("digests");
	set_short(leaf + HEAD, short_at(leaf + HEAD + 2));
	end_damage(sample, "lies in another one");
	leaf = leaf_of("digests");
	a = short_at(leaf + HEAD);
	set_short(leaf + HEAD, short_at(leaf + HEAD + 2));
	set_short(leaf + HEAD + 2, a);
	end_damage(sample, "out of order");
	/* the first leaf's keys are less than the second's */
	memset(node_at(leaf_of("digests"), 0) + NODE, 0, 64);
	end_damage(sample, "belongs to another page");
	leaf = leaf_of("digests");
	memset(node_at(leaf, nodes_of(leaf) - 1) + NODE, 0xff, 64);
	if (nodes_of(branch_of("digests")) > 2)
		end_damage(sample, "belongs to another page");
}

static void damage_nodes(const struct sample *sample)
{
	uint8_t *page, *branch;

	begin_damage(sample);
	node_at(leaf_of("digests"), 0)[1] = 0x20;
	end_damage(sample, "too long");
	node_at(leaf_of("digests"), 0)[4] = 4;
	end_damage(sample, "impossible key or value");
	node_at(leaf_of("digests"), 0)[4] = 2;
	end_damage(sample, "a tree where none can be");
	node_at(leaf_of("cancelled"), 0)[4] = 2; /* of the size of a tree */
	end_damage(sample, "a tree where none can be");
	branch = branch_of("digests");
	memcpy(node_at(branch, 1), node_at(branch, 0), 4);
	end_damage(sample, "in use twice");
	branch = branch_of("digests");
	set_short(node_at(branch, 1), 0);
	end_damage(sample, "in use twice, or is not there");
	node_at(branch_of("digests"), 1)[4] = 1; /* 4 G pages further on */
	end_damage(sample, "in use twice, or is not there");
	page = long_value();
	assert_int_equal(page[10], 4);
	page[12]++; /* the page behind it is a free one */
	end_damage(sample, "not as large as it says");
	page[12] = 0;
	end_damage(sample, "impossible length");
	page[15] = 1;
	end_damage(sample, "impossible length");
	page[10] = 2;
	end_damage(sample, "it is no value");
}

/* A list of free pages that has some. */
static uint8_t *free_list(void)
{
	uint8_t *page = page_at(number_at(newer + TREES + ROOT)), *list;
	unsigned int i;

	assert_int_equal(short_at(newer + TREES + DEPTH), 1);
	for (i = 0; i < nodes_of(page); i++) {
		list = value_of(node_at(page, i));
		if (number_at(list) > 3)
			return list;
	}
	fail_msg("no free pages");
	return NULL;
}

/* Any page of a tree instead of a free one, where it does not upset the order. */
static bool free_used(uint8_t *list, uint64_t page)
{
	unsigned int i, count = number_at(list);

	for (i = 1; i <= count; i++) {
		if ((i > 1 && number_at(list + 8 * (i - 1)) <= page) ||
		    (i < count && number_at(list + 8 * (i + 1)) >= page))
			continue;
		memcpy(list + 8 * i, &page, 8);
		return true;
	}
	return false;
}

static void damage_free(const struct sample *sample)
{
	static const char *const trees[] = { "messages", "digests", "expiry", "going", "peers",
					     "cancelled", "notices", "meta" };
	uint64_t last = number_at(newer + LAST), page = last + 1;
	uint8_t *list = free_list();
	size_t i, found = 0;

	memcpy(list + 8, &page, 8);
	end_damage(sample, "free twice");
	memcpy(list + 16, list + 8, 8);
	end_damage(sample, "out of order");
	list[2] = 1;
	end_damage(sample, "impossible length");
	memset(list + 8 * number_at(list), 0, 8);
	end_damage(sample, "free twice");
	for (i = 0; i < sizeof(trees) / sizeof(*trees); i++) {
		if (!free_used(list, number_at(tree_of(trees[i]) + ROOT)))
			continue;
		found++;
		end_damage(sample, "in use and free");
	}
	assert_true(found);
	node_at(page_at(number_at(newer + TREES + ROOT)), 0)[6] = 4;
	end_damage(sample, "a key has an impossible length");
}

/*
 * Each byte of a key and of a value in each of the databases: none is of no account, or there is
 * something that nobody looks at.
 */
static void test_bytes(void **state)
{
	static const char *const trees[] = { "messages", "digests", "expiry", "going", "peers",
					     "cancelled", "cancelexpiry", "notices", "refs" };
	static struct sample sample;
	uint8_t *tree, *leaf, *node;
	size_t i, at, len, step;

	(void)state;
	if (sizeof(size_t) != 8 || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ ||
	    sysconf(_SC_PAGESIZE) != 4096)
		skip();
	make_sample(&sample);
	damage = malloc(sample.size);
	assert_non_null(damage);
	begin_damage(&sample);
	for (i = 0; i < sizeof(trees) / sizeof(*trees); i++) {
		tree = tree_of(trees[i]);
		leaf = short_at(tree + DEPTH) == 1 ? page_at(number_at(tree + ROOT)) :
						     leaf_of(trees[i]);
		node = node_at(leaf, nodes_of(leaf) / 2);
		len = node[4] & 1 ? short_at(node + 6) : short_at(node + 6) + short_at(node);
		step = len < 200 ? 1 : 13;
		for (at = 0; at < len; at += step) {
			node[NODE + at] ^= 1 << at % 8;
			if (outcome_of(&sample, damage, sample.size, false) == HARMLESS)
				fail_msg("%s: byte %zu", trees[i], at);
			node[NODE + at] ^= 1 << at % 8;
		}
	}
	free(damage);
	free(sample.data);
}

static void test_kinds(void **state)
{
	static struct sample sample;
	struct store_item item;
	struct store *store;
	int round, newest[2];

	(void)state;
	if (sizeof(size_t) != 8 || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ ||
	    sysconf(_SC_PAGESIZE) != 4096)
		skip();
	make_sample(&sample);
	for (round = 0; round < 2; round++) {
		damage = malloc(sample.size);
		assert_non_null(damage);
		begin_damage(&sample);
		newest[round] = newer != damage;
		damage_metas(&sample);
		damage_trees(&sample);
		damage_pages(&sample);
		damage_nodes(&sample);
		damage_free(&sample);
		free(damage);
		write_file(sample.data, sample.size);
		free(sample.data);
		/* once more, when the other meta page is the newer one */
		store = must_open();
		item = message(700, 2);
		assert_int_equal(store_add(store, &item, NOW, NULL), STORE_ADDED);
		store_close(store);
		sample.data = read_file(&sample.size);
	}
	free(sample.data);
	assert_int_not_equal(newest[0], newest[1]);
}

/* --- What is no store --- */

static void refused(int expected, const char *why)
{
	struct cs_error error = { "" };
	struct store *store = NULL;
	uint8_t *before, *after;
	size_t size, left;

	before = read_file(&size);
	assert_int_equal(store_open(&store, &config, &error), expected);
	assert_null(store);
	if (!strstr(error.text, why) || !strstr(error.text, file))
		fail_msg("%s", error.text);
	after = read_file(&left);
	assert_int_equal(size, left);
	assert_memory_equal(before, after, size);
	free(before);
	free(after);
}

/* A database of somebody else, with one entry in the table @name (NULL: none). */
static void make_foreign(const char *name, const char *key, const void *value, size_t len)
{
	MDB_val k = { strlen(key), (void *)key }, v = { len, (void *)value };
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	tempdir_remove(config.path);
	assert_int_equal(mkdir(config.path, 0700), 0);
	assert_int_equal(mdb_env_create(&env), 0);
	mdb_env_set_maxdbs(env, 4);
	assert_int_equal(mdb_env_open(env, config.path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, name, MDB_CREATE, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void test_foreign(void **state)
{
	static const uint8_t first[4] = { 0, 0, 0, 1 };

	(void)state;
	make_foreign(NULL, "color", "red", 3);
	refused(-EPROTO, "not the store of a crowdshared");
	make_foreign("cars", "color", "red", 3);
	refused(-EPROTO, "not the store of a crowdshared");
	make_foreign("meta", "color", "red", 3);
	refused(-EPROTO, "not the store of a crowdshared");
	make_foreign("meta", "version", first, sizeof(first));
	refused(-EPROTO, "another version");
	write_file((const uint8_t *)"SQLite format 3", 16);
	refused(-EILSEQ, "damaged");
	memset(bytes, 0, 8192);
	write_file(bytes, 8192);
	refused(-EILSEQ, "damaged");
}

/* Begun, and not more: as after a kill, or without power, in the very first moment. */
static void test_begun(void **state)
{
	MDB_env *env;

	(void)state;
	assert_int_equal(mkdir(config.path, 0700), 0);
	write_file(bytes, 0);
	store_close(must_open());
	tempdir_remove(config.path);
	assert_int_equal(mkdir(config.path, 0700), 0);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, config.path, 0, 0600), 0);
	mdb_env_close(env);
	store_close(must_open());
}

/* What can't be opened is not said to be damaged. */
static void test_unreadable(void **state)
{
	struct cs_error error = { "" };
	struct store *store = NULL;

	(void)state;
	assert_int_equal(mkdir(config.path, 0700), 0);
	assert_int_equal(mkdir(file, 0700), 0);
	assert_int_equal(store_open(&store, &config, &error), -EISDIR);
	assert_null(strstr(error.text, "damaged"));
	assert_non_null(strstr(error.text, file));
	assert_int_equal(rmdir(file), 0);
	assert_int_equal(symlink("data.mdb", file), 0);
	assert_int_equal(store_open(&store, &config, &error), -ELOOP);
	assert_null(strstr(error.text, "damaged"));
	snprintf(config.path, sizeof(config.path), "%s/no/such/place", dir);
	assert_int_equal(store_open(&store, &config, &error), -ENOENT);
	assert_non_null(strstr(error.text, config.path));
	/* more than the machine can address */
	snprintf(config.path, sizeof(config.path), "%s/large", dir);
	config.bytes = 1ull << 62;
	assert_int_equal(store_open(&store, &config, &error), -ENOMEM);
	assert_non_null(strstr(error.text, "store.bytes"));
	assert_null(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kill, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_disk_full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_disk_full_new, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_flip, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lengths, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kinds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_foreign, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_begun, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unreadable, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
