// SPDX-License-Identifier: GPL-2.0
/*
 * How many messages a second does the store take?
 *
 *	store DIR ROUNDS
 *
 * Messages of frames of 1,400 bytes are added by store_add(), and committed as intake.c does it:
 * 100 ms after the first that was not, or when they are 2,000. In the same round, who is first
 * alternating,
 *
 * - LMDB alone puts the same records, digest by digest, into one database, with the same commits:
 *   what remains is what the indexes by expiry and by peer, the counters and the look-ups cost;
 * - the same bytes are written to the end of a file, with an fdatasync() where the commits are: no
 *   store that is to survive a kill can be faster.
 *
 * In three stores: one that is empty at first, one that holds 100,000 messages, and one that holds
 * as many as its quota allows, so that each message evicts another. What a round adds is taken out
 * of the second one afterwards. The messages are made, and older ones removed, while the clock is
 * stopped. The batches that LMDB alone and the file get are those of the store's last round.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lmdb.h>

#include "bench.h"

#define HELD		100000
#define ADDED		20000		/* in a round */
#define COMMIT_SECONDS	0.1		/* as intake.c */
#define COMMIT_MOST	2000
#define BATCHES_MAX	1000
#define PEERS		4
#define SHARE		20		/* percent, so that each peer is beyond it */
#define RECORD_LEN	36		/* what the store keeps of a message besides itself */

/* What a round adds: made before the clock starts. */
static struct store_item added[ADDED];
static uint8_t messages[ADDED][MESSAGE_LEN];

/**
 * struct trial - a size of the store
 * @name: of its figures
 * @held: messages that it begins with
 * @full: the quota is what it holds
 * @store: the store
 * @env: LMDB alone
 * @dbi: its database
 * @fd: the file
 * @batch: messages between two commits, in the store's last round
 * @batches: their number
 */
struct trial {
	const char	*name;
	unsigned int	held;
	bool		full;
	struct store	*store;
	MDB_env		*env;
	MDB_dbi		dbi;
	int		fd;
	size_t		batch[BATCHES_MAX];
	size_t		batches;
};

static struct trial trials[] = {
	{ .name = "empty" },
	{ .name = "held", .held = HELD },
	{ .name = "full", .held = HELD, .full = true },
};

#define TRIALS (sizeof(trials) / sizeof(*trials))

static void check(int rc, const char *what)
{
	if (rc)
		bench_die(what, mdb_strerror(rc));
}

static void make(struct store_item *item, uint8_t *message, uint64_t number, uint64_t now)
{
	bench_message(item, message, number, now);
	item->peer[0] = 0xfd;
	item->peer[1] = number % PEERS;
}

static void must_add(struct store *store, const struct store_item *item, uint64_t now)
{
	struct cs_error error = { "" };

	if (store_add(store, item, now, &error) != STORE_ADDED)
		bench_die("store_add", error.text[0] ? error.text : "not added");
}

static void commit(struct store *store)
{
	struct cs_error error = { "" };

	bench_must(store_commit(store, &error), "store_commit", &error);
}

/* --- Opening and filling --- */

static MDB_val record_of(const struct store_item *item)
{
	static uint8_t record[RECORD_LEN + MESSAGE_LEN];

	memcpy(record + RECORD_LEN, item->message, item->size);
	return (MDB_val){ sizeof(record), record };
}

static void put(MDB_txn *txn, MDB_dbi dbi, const struct store_item *item)
{
	MDB_val key = { CS_DIGEST_LEN, (void *)item->digest }, value = record_of(item);

	check(mdb_put(txn, dbi, &key, &value, 0), "mdb_put");
}

static MDB_txn *begin(MDB_env *env)
{
	MDB_txn *txn;

	check(mdb_txn_begin(env, NULL, 0, &txn), "mdb_txn_begin");
	return txn;
}

static void open_raw(struct trial *trial)
{
	char name[64];
	MDB_txn *txn;

	snprintf(name, sizeof(name), "raw-%s", trial->name);
	unlink(bench_path(name));
	check(mdb_env_create(&trial->env), name);
	check(mdb_env_set_mapsize(trial->env, 1ull << 30), name);
	check(mdb_env_open(trial->env, bench_path(name), MDB_NOSUBDIR, 0600), name);
	txn = begin(trial->env);
	check(mdb_dbi_open(txn, NULL, 0, &trial->dbi), name);
	check(mdb_txn_commit(txn), name);
}

static void open_store(struct trial *trial)
{
	struct config_store config = {
		.bytes = 512 << 20, .share = SHARE, .age = LIFETIME, .cancelled = 65536,
	};
	struct cs_error error = { "" };
	char name[64];

	snprintf(name, sizeof(name), "store-%s", trial->name);
	snprintf(config.path, sizeof(config.path), "%s", bench_path(name));
	snprintf(name, sizeof(name), "store-%s/data.mdb", trial->name);
	unlink(bench_path(name));
	bench_must(store_open(&trial->store, &config, &error), name, &error);
}

static void open_file(struct trial *trial)
{
	char name[64];

	snprintf(name, sizeof(name), "file-%s", trial->name);
	trial->fd = open(bench_path(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (trial->fd < 0)
		bench_die(bench_path(name), strerror(errno));
}

/* Messages that came in over the last hours. */
static void fill(struct trial *trial, uint64_t now)
{
	static uint8_t message[MESSAGE_LEN];
	struct config_store config = { .share = SHARE, .age = LIFETIME, .cancelled = 65536 };
	struct cs_error error = { "" };
	struct store_stats stats;
	struct store_item item;
	uint64_t arrived, i;
	MDB_txn *txn = begin(trial->env);

	for (i = 0; i < trial->held; i++) {
		arrived = now - 40000 + i * 40000 / trial->held;
		make(&item, message, i, arrived);
		must_add(trial->store, &item, arrived);
		put(txn, trial->dbi, &item);
		if (i % 1000)
			continue;
		commit(trial->store);
		check(mdb_txn_commit(txn), "mdb_txn_commit");
		txn = begin(trial->env);
	}
	commit(trial->store);
	check(mdb_txn_commit(txn), "mdb_txn_commit");
	if (!trial->full)
		return;
	store_stats(trial->store, &stats);
	config.bytes = stats.bytes;
	bench_must(store_configure(trial->store, &config, &error), "store_configure", &error);
}

static void open_trial(struct trial *trial)
{
	open_store(trial);
	open_raw(trial);
	open_file(trial);
	fill(trial, time(NULL));
}

static void close_trial(struct trial *trial)
{
	store_close(trial->store);
	mdb_env_close(trial->env);
	close(trial->fd);
}

/* --- Measuring --- */

/* The messages between two commits are those that come in 100 ms. */
static double run_store(struct trial *trial)
{
	double start = bench_seconds(), since = 0, end;
	uint64_t now = time(NULL);
	size_t i, first = 0;

	trial->batches = 0;
	for (i = 0; i < ADDED; i++) {
		if (i == first)
			since = bench_seconds();
		must_add(trial->store, &added[i], now);
		if (bench_seconds() - since < COMMIT_SECONDS && i + 1 - first < COMMIT_MOST &&
		    i < ADDED - 1)
			continue;
		commit(trial->store);
		if (trial->batches == BATCHES_MAX)
			bench_die("store", "it takes too long");
		trial->batch[trial->batches++] = i + 1 - first;
		first = i + 1;
	}
	end = bench_seconds();
	return ADDED / (end - start);
}

static double run_raw(struct trial *trial)
{
	double start = bench_seconds();
	size_t i = 0, batch, n;
	MDB_txn *txn;

	for (batch = 0; batch < trial->batches; batch++) {
		txn = begin(trial->env);
		for (n = 0; n < trial->batch[batch]; n++)
			put(txn, trial->dbi, &added[i++]);
		check(mdb_txn_commit(txn), "mdb_txn_commit");
	}
	return i / (bench_seconds() - start);
}

static double run_file(struct trial *trial)
{
	double start = bench_seconds();
	size_t i = 0, batch, n;
	MDB_val record;

	for (batch = 0; batch < trial->batches; batch++) {
		for (n = 0; n < trial->batch[batch]; n++, i++) {
			record = record_of(&added[i]);
			if (write(trial->fd, added[i].digest, CS_DIGEST_LEN) != CS_DIGEST_LEN ||
			    write(trial->fd, record.mv_data, record.mv_size) !=
			    (ssize_t)record.mv_size)
				bench_die("write", strerror(errno));
		}
		if (fdatasync(trial->fd))
			bench_die("fdatasync", strerror(errno));
	}
	return i / (bench_seconds() - start);
}

/* What a round added is taken out again; a full store does that itself. */
static void clean(struct trial *trial)
{
	struct store_stats stats;
	MDB_val key = { .mv_size = CS_DIGEST_LEN };
	MDB_txn *txn = begin(trial->env);
	size_t i;

	store_stats(trial->store, &stats);
	if (trial->full ? stats.bytes > stats.quota || stats.messages < HELD / 2 :
			  stats.messages != trial->held + ADDED)
		bench_die("store", "it does not hold what it should");
	for (i = 0; i < ADDED; i++) {
		if (!trial->full)
			bench_must(store_del(trial->store, added[i].digest), "store_del", NULL);
		key.mv_data = added[i].digest;
		check(mdb_del(txn, trial->dbi, &key, NULL), "mdb_del");
	}
	commit(trial->store);
	check(mdb_txn_commit(txn), "mdb_txn_commit");
	if (ftruncate(trial->fd, 0) || lseek(trial->fd, 0, SEEK_SET))
		bench_die("file", strerror(errno));
	if (trial->held)
		return;
	close_trial(trial);
	open_trial(trial);
}

static void run_round(struct trial *trial, int round)
{
	double store = 0, raw, file;
	size_t i;

	for (i = 0; i < ADDED; i++)
		make(&added[i], messages[i], HELD + (uint64_t)round * ADDED + i, time(NULL));
	sync();
	if (round % 2 == 0)
		store = run_store(trial);
	raw = run_raw(trial);
	file = run_file(trial);
	if (round % 2)
		store = run_store(trial);
	bench_note(round, store, "store_%s", trial->name);
	bench_note(round, raw, "store_raw_%s", trial->name);
	bench_note(round, file, "store_file_%s", trial->name);
	clean(trial);
}

int main(int argc, char **argv)
{
	size_t i;
	int round;

	bench_begin(argc, argv);
	for (i = 0; i < TRIALS; i++)
		open_trial(&trials[i]);
	for (round = 0; round <= bench_rounds; round++)
		for (i = 0; i < TRIALS; i++)
			run_round(&trials[i], round);
	for (i = 0; i < TRIALS; i++)
		close_trial(&trials[i]);
	return 0;
}
