// SPDX-License-Identifier: GPL-2.0
/*
 * How many contracts a second does the ledger commit, against SQLite alone?
 *
 *	ledger DIR ROUNDS
 *
 * A contract of 64 messages is a transaction; or 16 of them are one, as a busy daemon does it.
 * SQLite alone inserts the very rows that the ledger wrote, with hashes and signatures, by the same
 * statements with the same pragmas (WAL, synchronous=FULL), into another file in DIR: what remains
 * is what the ledger adds, which is two signatures to check, 64 hashes and the signatures to make.
 * Contracts are made and signed, and rows read back, while the clock stands. Who is first
 * alternates: SQLite then gets the rows of the round before.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sqlite3.h>

#include "bench.h"
#include "daemon/ledger.h"

#define ITEMS		64
#define CONTRACTS	48	/* of a round */
#define GROUP		16

static struct identity buyer, seller;

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
	contract->items = bench_alloc(ITEMS * sizeof(*contract->items));
	for (i = 0; i < ITEMS; i++) {
		EVP_Q_digest(NULL, "SHA512", NULL, &(unsigned int){ serial * ITEMS + i },
			     sizeof(serial), contract->items[i].digest, NULL);
		contract->items[i].size = 1400;
	}
	if (contract_sign(contract, &buyer, &error) || contract_sign(contract, &seller, &error))
		bench_die("sign", error.text);
}

/* Contracts a second. */
static double run_ledger(struct ledger *ledger, const struct contract *contract, int group)
{
	struct cs_error error;
	double start;
	int i, rc = 0;

	start = bench_seconds();
	for (i = 0; i < CONTRACTS && !rc; i++) {
		if (group > 1 && i % group == 0)
			rc = ledger_begin(ledger, &error);
		if (!rc)
			rc = ledger_promise(ledger, &contract[i], time(NULL), &error);
		if (!rc && group > 1 && i % group == group - 1)
			rc = ledger_commit(ledger, &error);
	}
	if (rc)
		bench_die("promise", error.text);
	return CONTRACTS / (bench_seconds() - start);
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
		bench_die(text, sqlite3_errmsg(db));
}

static void step(sqlite3_stmt *statement)
{
	if (sqlite3_step(statement) != SQLITE_DONE)
		bench_die("step", sqlite3_errmsg(sqlite3_db_handle(statement)));
	sqlite3_reset(statement);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *text)
{
	sqlite3_stmt *statement;

	if (sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL))
		bench_die(text, sqlite3_errmsg(db));
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
		bench_die(path, sqlite3_errmsg(db));
	statement = prepare(db, select);
	rows->insert = prepare(into, insert);
	rows->columns = sqlite3_column_count(statement);
	rows->value = bench_alloc(room * rows->columns * sizeof(*rows->value));
	for (rows->count = 0; sqlite3_step(statement) == SQLITE_ROW; rows->count++) {
		if (rows->count == room)
			bench_die(select, "more rows than expected");
		for (i = 0; i < rows->columns; i++)
			rows->value[rows->count * rows->columns + i] =
				sqlite3_value_dup(sqlite3_column_value(statement, i));
	}
	if (rows->count != room)
		bench_die(select, "fewer rows than expected");
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

	start = bench_seconds();
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
	start = CONTRACTS / (bench_seconds() - start);
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
		bench_die(path, error.text);
	ledger_close(ledger);
	if (sqlite3_open(path, &db))
		bench_die(path, sqlite3_errmsg(db));
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
	char file[32];

	snprintf(file, sizeof(file), "raw-%s.db", name);
	pair->raw = open_raw(bench_path(file));
	snprintf(file, sizeof(file), "ledger-%s.db", name);
	strcpy(pair->path, bench_path(file));
	if (ledger_open(&pair->ledger, pair->path, &seller, &error))
		bench_die(pair->path, error.text);
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

static void report(const struct pair *pair, const char *name)
{
	int i;

	for (i = 1; i <= bench_rounds; i++) {
		bench_note(i, pair->mine[i], "ledger_%s", name);
		bench_note(i, pair->its[i], "ledger_raw_%s", name);
	}
}

static void open_identity(struct identity *identity, const char *name)
{
	struct cs_error error = { "" };

	bench_must(identity_open(identity, bench_path(name), &error), name, &error);
}

int main(int argc, char **argv)
{
	static struct pair single, group;
	int i;

	bench_begin(argc, argv);
	open_identity(&buyer, "buyer");
	open_identity(&seller, "seller");
	open_pair(&single, "single");
	open_pair(&group, "group");
	for (i = 0; i <= bench_rounds; i++) {
		run_round(&single, i, 1);
		run_round(&group, i, GROUP);
	}
	report(&single, "single");
	report(&group, "group");
	ledger_close(single.ledger);
	ledger_close(group.ledger);
	sqlite3_close(single.raw);
	sqlite3_close(group.raw);
	identity_close(&buyer);
	identity_close(&seller);
	return 0;
}
