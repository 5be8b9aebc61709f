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
		cmocka_unit_test_setup_teardown(test_foreign, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_begun, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unreadable, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
