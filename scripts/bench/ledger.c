// SPDX-License-Identifier: GPL-2.0
/*
 * How many contracts a second does the ledger commit, against SQLite alone?
 *
 *	bench [DIR [ROUNDS]]
 *
 * A contract of 64 messages is a transaction; or 16 of them are one, as a busy daemon does it.
 * SQLite alone inserts the very rows that the ledger wrote, with hashes and signatures, by the same
 * statements with the same pragmas, into another file in DIR: what remains is what the ledger adds,
 * which is two signatures to check, 64 hashes and 65 signatures to make. Who is first alternates.
 *
 * On standard output the raw figures, "ROUND NAME CONTRACTS-A-SECOND", for scripts/bench/report; on
 * standard error medians with the least and the greatest, and the median of the rounds' ratios.
 * Round 0 warms up.
 *
 * Built of this and userspace/{daemon/{ledger*,contract,identity},lib/{error,message}}.c with
 * -std=gnu11 -O2 -D_GNU_SOURCE -Iuserspace -Iinclude -Iinclude/uapi, linked with -lsqlite3 -lcbor
 * -lcrypto -lpthread.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "daemon/ledger.h"

#define ITEMS		64
#define CONTRACTS	48	/* of a round */
#define GROUP		16
#define ROUNDS_MAX	99
#define COLUMNS_MAX	16

static struct identity buyer, seller;
static char dir[PATH_MAX - 64];

static void die(const char *what, const char *why)
{
	fprintf(stderr, "ledger: %s: %s\n", what, why);
	exit(1);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec * 1e-9;
}

static void make(struct contract *contract, unsigned int serial)
{
	struct cs_error error;
	size_t i;

	memset(contract, 0, sizeof(*contract));
	memcpy(contract->buyer, buyer.public, IDENTITY_PUBLIC_LEN);
	memcpy(contract->seller, seller.public, IDENTITY_PUBLIC_LEN);
	contract->id = serial + 1;
	contract->rate = 5000;
	contract->destination[0] = 0xfd;
	contract->created = time(NULL);
	contract->expiry = contract->created + 86400;
	contract->nr_items = ITEMS;
	contract->items = calloc(ITEMS, sizeof(*contract->items));
	for (i = 0; i < ITEMS; i++) {
		EVP_Q_digest(NULL, "SHA512", NULL, &(unsigned int){ serial * ITEMS + i },
			     sizeof(serial), contract->items[i].digest, NULL);
		contract->items[i].size = 1400;
	}
	if (contract_sign(contract, &buyer, &error) || contract_sign(contract, &seller, &error))
		die("sign", error.text);
}

/* Contracts a second. */
static double run_ledger(struct ledger *ledger, const struct contract *contract, int group)
{
	struct cs_error error;
	double start;
	int i, rc = 0;

	start = seconds();
	for (i = 0; i < CONTRACTS && !rc; i++) {
		if (group > 1 && i % group == 0)
			rc = ledger_begin(ledger, &error);
		if (!rc)
			rc = ledger_promise(ledger, &contract[i], time(NULL), &error);
		if (!rc && group > 1 && i % group == group - 1)
			rc = ledger_commit(ledger, &error);
	}
	if (rc)
		die("promise", error.text);
	return CONTRACTS / (seconds() - start);
}

/**
 * struct rows - of one table, and the statement that inserts them
 * @insert: with one parameter for each column
 * @columns: of a row
 * @count: of rows
 * @value: of all rows, one after another
 */
struct rows {
	sqlite3_stmt	*insert;
	int		columns;
	size_t		count;
	sqlite3_value	**value;
};

static void sql(sqlite3 *db, const char *text)
{
	if (sqlite3_exec(db, text, NULL, NULL, NULL))
		die(text, sqlite3_errmsg(db));
}

static void step(sqlite3_stmt *statement)
{
	if (sqlite3_step(statement) != SQLITE_DONE)
		die("step", sqlite3_errmsg(sqlite3_db_handle(statement)));
	sqlite3_reset(statement);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *text)
{
	sqlite3_stmt *statement;

	if (sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL))
		die(text, sqlite3_errmsg(db));
	return statement;
}

/* Rows of the file that the ledger wrote, from @after on, to be inserted into @into. */
static void load(struct rows *rows, const char *path, sqlite3 *into, const char *select,
		 const char *insert, size_t room)
{
	sqlite3_stmt *statement;
	sqlite3 *db;
	int i;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL))
		die(path, sqlite3_errmsg(db));
	statement = prepare(db, select);
	rows->insert = prepare(into, insert);
	rows->columns = sqlite3_column_count(statement);
	rows->value = calloc(room * rows->columns, sizeof(*rows->value));
	for (rows->count = 0; sqlite3_step(statement) == SQLITE_ROW; rows->count++) {
		if (rows->count == room)
			die(select, "more rows than expected");
		for (i = 0; i < rows->columns; i++)
			rows->value[rows->count * rows->columns + i] =
				sqlite3_value_dup(sqlite3_column_value(statement, i));
	}
	if (rows->count != room)
		die(select, "fewer rows than expected");
	sqlite3_finalize(statement);
	sqlite3_close(db);
}

static void unload(struct rows *rows)
{
	size_t i;

	for (i = 0; i < rows->count * rows->columns; i++)
		sqlite3_value_free(rows->value[i]);
	free(rows->value);
	sqlite3_finalize(rows->insert);
}

static void insert(const struct rows *rows, size_t row)
{
	int i;

	for (i = 0; i < rows->columns; i++)
		sqlite3_bind_value(rows->insert, i + 1, rows->value[row * rows->columns + i]);
	step(rows->insert);
}

/* The same rows as those of the ledger's last round, by the same statements. */
static double run_raw(sqlite3 *db, const struct rows *contracts, const struct rows *entries,
		      int group)
{
	sqlite3_stmt *begin = prepare(db, "BEGIN IMMEDIATE"), *end = prepare(db, "COMMIT");
	sqlite3_stmt *balance = prepare(db, "UPDATE accounts SET balance = ?2 WHERE id = ?1");
	sqlite3_stmt *head = prepare(db, "INSERT OR REPLACE INTO head (id, public, seq, hash,"
				     " signature) VALUES (1, zeroblob(32), ?1, zeroblob(64),"
				     " zeroblob(64))");
	double start;
	int i, item;

	start = seconds();
	for (i = 0; i < CONTRACTS; i++) {
		if (i % group == 0)
			step(begin);
		for (item = 1; item <= 2; item++) {
			sqlite3_bind_int64(balance, 1, item);
			sqlite3_bind_int64(balance, 2, i);
			step(balance);
		}
		insert(contracts, i);
		for (item = 0; item < ITEMS; item++)
			insert(entries, i * ITEMS + item);
		if (i % group == group - 1) {
			sqlite3_bind_int64(head, 1, i);
			step(head);
			step(end);
		}
	}
	start = CONTRACTS / (seconds() - start);
	sqlite3_finalize(begin);
	sqlite3_finalize(end);
	sqlite3_finalize(balance);
	sqlite3_finalize(head);
	return start;
}

/* A file with the ledger's schema, and its pragmas. */
static sqlite3 *open_raw(const char *path)
{
	struct cs_error error;
	struct ledger *ledger;
	sqlite3 *db;

	if (ledger_open(&ledger, path, &seller, &error))
		die(path, error.text);
	ledger_close(ledger);
	if (sqlite3_open(path, &db))
		die(path, sqlite3_errmsg(db));
	sql(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
	    "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -1024;"
	    "INSERT INTO accounts (name, balance) VALUES ('sold', 0), ('expected', 0)");
	return db;
}

/* One file for the ledger and one for SQLite, which get rows in every round. */
struct pair {
	struct ledger	*ledger;
	sqlite3		*raw;
	char		path[PATH_MAX];
	unsigned int	serial;
	double		mine[ROUNDS_MAX + 1];
	double		its[ROUNDS_MAX + 1];
};

static void open_pair(struct pair *pair, const char *name)
{
	struct cs_error error;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/raw-%s.db", dir, name);
	pair->raw = open_raw(path);
	snprintf(pair->path, sizeof(pair->path), "%s/ledger-%s.db", dir, name);
	if (ledger_open(&pair->ledger, pair->path, &seller, &error))
		die(pair->path, error.text);
}

/* Rows of @pair's contracts from number @from on go into SQLite. */
static double insert_raw(struct pair *pair, unsigned int from, int group)
{
	struct rows contracts, entries;
	char select[256];
	double figure;

	snprintf(select, sizeof(select), "SELECT id, uid, role, time, expiry, open, promised, body,"
		 " buyer_signature, seller_signature FROM contracts WHERE id > %u AND id <= %u",
		 from, from + CONTRACTS);
	load(&contracts, pair->path, pair->raw, select,
	     "INSERT INTO contracts (id, uid, role, time, expiry, open, promised, body,"
	     " buyer_signature, seller_signature) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	     CONTRACTS);
	snprintf(select, sizeof(select), "SELECT seq, time, kind, peer, contract, digest, debit,"
		 " credit, amount, hash, signature FROM entries WHERE seq > %u AND seq <= %u",
		 from * ITEMS, (from + CONTRACTS) * ITEMS);
	load(&entries, pair->path, pair->raw, select,
	     "INSERT INTO entries (seq, time, kind, peer, contract, digest, debit, credit, amount,"
	     " hash, signature) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", CONTRACTS * ITEMS);
	figure = run_raw(pair->raw, &contracts, &entries, group);
	unload(&contracts);
	unload(&entries);
	return figure;
}

/* SQLite gets the rows of the round before, so that it can be first; in odd rounds it is. */
static void run_round(struct pair *pair, int round, int group)
{
	static struct contract contract[CONTRACTS];
	unsigned int from = pair->serial;
	int i;

	for (i = 0; i < CONTRACTS; i++)
		make(&contract[i], pair->serial++);
	if (round % 2)
		pair->its[round] = insert_raw(pair, from - CONTRACTS, group);
	pair->mine[round] = run_ledger(pair->ledger, contract, group);
	if (round && round % 2 == 0)
		pair->its[round] = insert_raw(pair, from - CONTRACTS, group);
	for (i = 0; i < CONTRACTS; i++)
		contract_free(&contract[i]);
}

static int compare(const void *a, const void *b)
{
	return (*(const double *)a > *(const double *)b) -
	       (*(const double *)a < *(const double *)b);
}

static void show(const char *name, const double *figures, int rounds)
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, figures + 1, rounds * sizeof(*sorted));
	qsort(sorted, rounds, sizeof(*sorted), compare);
	fprintf(stderr, "%-28s %8.4g (%.4g to %.4g)\n", name, sorted[rounds / 2], sorted[0],
		sorted[rounds - 1]);
}

static void report(const struct pair *pair, const char *name, int rounds)
{
	double ratio[ROUNDS_MAX + 1];
	char title[64];
	int i;

	for (i = 1; i <= rounds; i++) {
		printf("%d ledger_%s %f\n", i, name, pair->mine[i]);
		printf("%d ledger_raw_%s %f\n", i, name, pair->its[i]);
		ratio[i] = pair->mine[i] / pair->its[i];
	}
	snprintf(title, sizeof(title), "%s: ledger, contracts/s", name);
	show(title, pair->mine, rounds);
	snprintf(title, sizeof(title), "%s: SQLite, contracts/s", name);
	show(title, pair->its, rounds);
	snprintf(title, sizeof(title), "%s: ledger : SQLite", name);
	show(title, ratio, rounds);
}

static void remove_files(void)
{
	static const char *const files[] = { "raw-single", "raw-group", "ledger-single",
					     "ledger-group" };
	static const char *const ends[] = { "", "-wal", "-shm", ".head" };
	char path[PATH_MAX];
	size_t i, j;

	for (i = 0; i < 4; i++) {
		for (j = 0; j < 4; j++) {
			snprintf(path, sizeof(path), "%s/%s.db%s", dir, files[i], ends[j]);
			unlink(path);
		}
	}
	rmdir(dir);
}

static void open_identity(struct identity *identity)
{
	struct cs_error error;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/key", dir);
	if (identity_open(identity, path, &error))
		die(path, error.text);
	unlink(path);
}

int main(int argc, char **argv)
{
	static struct pair single, group;
	int rounds = argc > 2 ? atoi(argv[2]) : 5, i;

	if (argc > 3 || rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: ledger [DIR [ROUNDS]]\n");
		return 2;
	}
	snprintf(dir, sizeof(dir), "%s/ledger-bench-XXXXXX", argc > 1 ? argv[1] : ".");
	if (!mkdtemp(dir))
		die(dir, "can't be made");
	open_identity(&buyer);
	open_identity(&seller);
	open_pair(&single, "single");
	open_pair(&group, "group");
	for (i = 0; i <= rounds; i++) {
		run_round(&single, i, 1);
		run_round(&group, i, GROUP);
	}
	report(&single, "single", rounds);
	report(&group, "group", rounds);
	ledger_close(single.ledger);
	ledger_close(group.ledger);
	sqlite3_close(single.raw);
	sqlite3_close(group.raw);
	identity_close(&buyer);
	identity_close(&seller);
	remove_files();
	return 0;
}
