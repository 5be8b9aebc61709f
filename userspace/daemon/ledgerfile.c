// SPDX-License-Identifier: GPL-2.0
/*
 * The file of a ledger: an SQLite database in WAL mode, synchronous=FULL, with one writer.
 *
 * Beside the database PATH stands PATH.head. The writer locks it with flock(2), so that there is
 * one writer only, and leaves the signed head of the chain there after each commit. It is not
 * synced: it may be behind after a power cut, never ahead. A database that ends before it has lost
 * committed entries: somebody cut off the end, put back an old copy, or a WAL was lost.
 *
 * A database that is damaged, of another program or of a later version is refused before anything
 * is written to it; closing does not even move its WAL into it then.
 *
 * One process writes, with one thread. Readers, of any process, may come and go.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/ledgerfile.h"
#include "lib/file.h"
#include "lib/message.h"

#define HEAD_CONTEXT	"crowdshare ledger head v1"
#define HEAD_MAGIC	"CSLHEAD1"
#define HEAD_INPUT_LEN	(8 + CS_DIGEST_LEN)
#define BUSY_MS		5000
#define CHECK_MAX	(32 << 20)	/* bytes up to which all pages are looked at on opening */
#define WAL_LIMIT	"8388608"	/* bytes that a WAL keeps once it was that great */

static const char *const sql_text[SQL_MAX] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_ENTRY_ADD] =
		"INSERT INTO entries (seq, time, kind, peer, contract, digest, debit, credit,"
		" amount, hash, signature) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, x'')",
	[SQL_ENTRY_SIGN] = "UPDATE entries SET signature = ?2 WHERE seq = ?1",
	[SQL_ACCOUNT_GET] = "SELECT id, balance, through, rest FROM accounts WHERE name = ?1",
	[SQL_ACCOUNT_ADD] = "INSERT INTO accounts (name, balance) VALUES (?1, ?2)",
	[SQL_ACCOUNT_SET] = "UPDATE accounts SET balance = ?2 WHERE id = ?1",
	[SQL_ACCOUNT_SETTLE] = "UPDATE accounts SET through = ?2, rest = ?3 WHERE id = ?1",
	[SQL_CONTRACT_ADD] =
		"INSERT INTO contracts (uid, role, time, expiry, open, promised, body,"
		" buyer_signature, seller_signature) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[SQL_CONTRACT_GET] =
		"SELECT id, role, body, buyer_signature, seller_signature, time, expiry"
		" FROM contracts WHERE uid = ?1",
	[SQL_CONTRACT_SUMS] =
		"UPDATE contracts SET open = open - ?2, earned = earned + ?3,"
		" lapsed = lapsed + ?4 WHERE id = ?1",
	[SQL_CONTRACT_EXPIRED] =
		"SELECT id, uid, role, open FROM contracts WHERE open > 0 AND expiry <= ?1"
		" ORDER BY expiry LIMIT 1",
	[SQL_ITEM] =
		"SELECT e.kind, e.seq, e.amount, e.peer, max(d.through, c.through) FROM entries e"
		" JOIN accounts d ON d.id = e.debit JOIN accounts c ON c.id = e.credit"
		" WHERE e.contract = ?1 AND e.digest = ?2 ORDER BY e.kind",
	[SQL_ITEMS_OPEN] =
		"SELECT digest, amount, peer FROM entries e WHERE contract = ?1 AND kind = 0"
		" AND NOT EXISTS (SELECT 1 FROM entries o WHERE o.contract = e.contract"
		" AND o.digest = e.digest AND o.kind > 0) ORDER BY seq",
	[SQL_EARNED_AFTER] =
		"SELECT seq, amount FROM entries WHERE kind = 1 AND peer = ?1 AND seq > ?2"
		" AND (debit = ?3 OR credit = ?3) ORDER BY seq",
	[SQL_PROMISED_SINCE] = "SELECT promised FROM contracts WHERE role = 0 AND time >= ?1",
	[SQL_HEAD_GET] = "SELECT public, seq, hash, signature FROM head WHERE id = 1",
	[SQL_HEAD_SET] =
		"INSERT OR REPLACE INTO head (id, public, seq, hash, signature)"
		" VALUES (1, ?1, ?2, ?3, ?4)",
	[SQL_LAST] = "SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1",
};

/*
 * Version 1. entries.kind is enum ledger_kind, contracts.role enum ledger_role. Sums, balances and
 * what is open could be had from the entries; they are kept to be fast, and ledger_verify() checks
 * them. The index entries_item is what pays a message once only, whatever the program does.
 *
 * entries.signature: empty, but for the last one of a transaction.
 *
 * accounts.through: of an account of earned points, seq of the last earning that was settled in
 * full; rest: settled beyond that.
 */
static int step_1(sqlite3 *db)
{
	return sqlite3_exec(db,
		"CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
		" balance INTEGER NOT NULL, through INTEGER NOT NULL DEFAULT 0,"
		" rest INTEGER NOT NULL DEFAULT 0) STRICT;"
		"CREATE TABLE contracts (id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE,"
		" role INTEGER NOT NULL, time INTEGER NOT NULL, expiry INTEGER NOT NULL,"
		" open INTEGER NOT NULL, promised INTEGER NOT NULL,"
		" earned INTEGER NOT NULL DEFAULT 0, lapsed INTEGER NOT NULL DEFAULT 0,"
		" body BLOB NOT NULL, buyer_signature BLOB NOT NULL,"
		" seller_signature BLOB NOT NULL) STRICT;"
		"CREATE INDEX contracts_open ON contracts (expiry) WHERE open > 0;"
		"CREATE INDEX contracts_bought ON contracts (time, promised) WHERE role = 0;"
		"CREATE TABLE entries (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL,"
		" kind INTEGER NOT NULL, peer BLOB NOT NULL,"
		" contract INTEGER REFERENCES contracts (id), digest BLOB,"
		" debit INTEGER NOT NULL REFERENCES accounts (id),"
		" credit INTEGER NOT NULL REFERENCES accounts (id),"
		" amount INTEGER NOT NULL CHECK (amount >= 0), hash BLOB NOT NULL,"
		" signature BLOB NOT NULL) STRICT;"
		"CREATE UNIQUE INDEX entries_item ON entries (contract, digest, kind)"
		" WHERE contract IS NOT NULL;"
		"CREATE INDEX entries_earned ON entries (peer, seq) WHERE kind = 1;"
		"CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), public BLOB NOT NULL,"
		" seq INTEGER NOT NULL, hash BLOB NOT NULL, signature BLOB NOT NULL) STRICT",
		NULL, NULL, NULL);
}

static const ledgerfile_step steps[] = { step_1 };

#define VERSION (int)(sizeof(steps) / sizeof(*steps))

/* Why the disk did not do it. SQLite forgets it when a commit fails, but the WAL's file knows. */
static int system_errno(sqlite3 *db)
{
	int sys = sqlite3_system_errno(db);
	sqlite3_file *file = NULL;

	if (!sys && db &&
	    !sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) && file &&
	    file->pMethods)
		file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &sys);
	return sys;
}

/**
 * ledgerfile_fail() - say what SQLite could not do last
 * @ledger: whose database it is
 * @error: gets the reason, and what to do
 *
 * Return: a negative errno.
 */
int ledgerfile_fail(const struct ledger *ledger, struct cs_error *error)
{
	const char *text = sqlite3_errmsg(ledger->db), *path = ledger->path;
	int code = sqlite3_extended_errcode(ledger->db);
	int sys = sqlite3_system_errno(ledger->db);

	switch (code & 0xff) {
	case SQLITE_FULL:
		return cs_error_set(error, -ENOSPC,
				    "ledger '%s': no room on the disk; make room and try again: "
				    "nothing of this was recorded",
				    path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_CONSTRAINT:
		return cs_error_set(error, -EUCLEAN,
				    "ledger '%s' is damaged (%s); move it away with its -wal and "
				    ".head and put back a copy of all three, or begin a new one",
				    path, text);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return cs_error_set(error, -EBUSY,
				    "ledger '%s' is in use by another program; try again", path);
	case SQLITE_NOMEM:
		return cs_error_set(error, -ENOMEM, "ledger '%s': no memory", path);
	case SQLITE_READONLY:
		return cs_error_set(error, -EROFS,
				    "ledger '%s' can't be written; look at its mode and its "
				    "directory's",
				    path);
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return cs_error_set(error, sys ? -sys : -EACCES, "ledger '%s': %s: %s", path,
				    text, sys ? strerror(sys) : "look at its mode");
	default:
		if ((code & 0xff) == SQLITE_IOERR)
			sys = system_errno(ledger->db);
		return cs_error_set(error, sys ? -sys : -EIO,
				    "ledger '%s': %s%s%s; nothing of this was recorded", path, text,
				    sys ? ": " : "", sys ? strerror(sys) : "");
	}
}

static void bind_one(sqlite3_stmt *statement, int i, char type, va_list *args)
{
	const void *blob;

	switch (type) {
	case 'i':
		sqlite3_bind_int64(statement, i, va_arg(*args, int64_t));
		break;
	case 't':
		sqlite3_bind_text(statement, i, va_arg(*args, const char *), -1, SQLITE_STATIC);
		break;
	case 'b':
		blob = va_arg(*args, const void *);
		sqlite3_bind_blob64(statement, i, blob, va_arg(*args, size_t), SQLITE_STATIC);
		break;
	case 'I':
		va_arg(*args, int64_t);
		break;
	case 'B':
		va_arg(*args, const void *);
		va_arg(*args, size_t);
		break;
	}
}

/**
 * ledgerfile_bind() - a statement with its parameters, to be stepped
 * @ledger: whose database it is
 * @sql: which one
 * @types: of the parameters: i for an int64_t, t for a text, b for bytes and their size_t, I and B
 *	for one of these that becomes NULL; what is pointed to must stay until the statement is done
 *
 * Return: the statement, or NULL: see ledgerfile_fail(). Others of the same kind end here.
 */
sqlite3_stmt *ledgerfile_bind(struct ledger *ledger, enum ledger_sql sql, const char *types, ...)
{
	sqlite3_stmt **statement = &ledger->statement[sql];
	va_list args;
	int i;

	if (!*statement && sqlite3_prepare_v3(ledger->db, sql_text[sql], -1,
					      SQLITE_PREPARE_PERSISTENT, statement, NULL))
		return NULL;
	sqlite3_reset(*statement);
	sqlite3_clear_bindings(*statement);
	va_start(args, types);
	for (i = 0; types[i]; i++)
		bind_one(*statement, i + 1, types[i], &args);
	va_end(args);
	return *statement;
}

/**
 * ledgerfile_row() - the next row of a statement
 * @ledger: whose database it is
 * @statement: from ledgerfile_bind(), NULL: it failed
 * @error: gets the reason
 *
 * Return: 1 if there is a row; 0 if there is none any more, a negative errno: the statement ended.
 */
int ledgerfile_row(const struct ledger *ledger, sqlite3_stmt *statement, struct cs_error *error)
{
	int rc = statement ? sqlite3_step(statement) : SQLITE_ERROR;

	if (rc == SQLITE_ROW)
		return 1;
	rc = rc == SQLITE_DONE ? 0 : ledgerfile_fail(ledger, error);
	if (statement)
		sqlite3_reset(statement);
	return rc;
}

/**
 * ledgerfile_done() - run a statement that has no rows
 * @ledger: whose database it is
 * @statement: from ledgerfile_bind(), NULL: it failed
 * @error: gets the reason
 *
 * Return: 0 or a negative errno.
 */
int ledgerfile_done(const struct ledger *ledger, sqlite3_stmt *statement, struct cs_error *error)
{
	int rc = ledgerfile_row(ledger, statement, error);

	if (rc > 0)
		sqlite3_reset(statement);
	return rc < 0 ? rc : 0;
}

/**
 * ledgerfile_blob() - bytes of a column, if they are as many as they ought to be
 * @statement: has a row
 * @column: which one
 * @blob: gets them
 * @len: how many they ought to be
 *
 * Return: whether they are.
 */
bool ledgerfile_blob(sqlite3_stmt *statement, int column, void *blob, int len)
{
	const void *data = sqlite3_column_blob(statement, column);

	if (!data || sqlite3_column_bytes(statement, column) != len)
		return false;
	memcpy(blob, data, len);
	return true;
}

/**
 * ledgerfile_genesis() - the hash before the first entry
 * @public: whose ledger it is, so that no other's entries fit in
 * @hash: gets it
 */
void ledgerfile_genesis(const uint8_t public[IDENTITY_PUBLIC_LEN], uint8_t hash[CS_DIGEST_LEN])
{
	uint8_t input[sizeof(LEDGER_CONTEXT) + IDENTITY_PUBLIC_LEN];

	memcpy(input, LEDGER_CONTEXT, sizeof(LEDGER_CONTEXT));
	memcpy(input + sizeof(LEDGER_CONTEXT), public, IDENTITY_PUBLIC_LEN);
	if (cs_sha512(input, sizeof(input), hash))
		memset(hash, 0, CS_DIGEST_LEN);
}

static void head_input(const struct ledger_head *head, uint8_t input[HEAD_INPUT_LEN])
{
	uint64_t seq = htobe64(head->seq);

	memcpy(input, &seq, sizeof(seq));
	memcpy(input + sizeof(seq), head->hash, CS_DIGEST_LEN);
}

/* In a context of its own: an entry's signature must not do for an older head. */
int ledgerfile_head_sign(const struct ledger *ledger, struct ledger_head *head)
{
	uint8_t input[HEAD_INPUT_LEN];

	head_input(head, input);
	return identity_sign(ledger->identity, HEAD_CONTEXT, input, sizeof(input),
			     head->signature);
}

bool ledgerfile_head_ok(const uint8_t public[IDENTITY_PUBLIC_LEN],
			const struct ledger_head *head)
{
	uint8_t input[HEAD_INPUT_LEN];

	head_input(head, input);
	return identity_verify(public, HEAD_CONTEXT, input, sizeof(input), head->signature);
}

#define HEAD_FILE_LEN (8 + HEAD_INPUT_LEN + IDENTITY_SIGNATURE_LEN)

/* Leave the committed head in PATH.head. If that fails, an older one stays, which does no harm. */
void ledgerfile_head_write(const struct ledger *ledger)
{
	uint8_t data[HEAD_FILE_LEN];

	memcpy(data, HEAD_MAGIC, 8);
	head_input(&ledger->committed, data + 8);
	memcpy(data + 8 + HEAD_INPUT_LEN, ledger->committed.signature, IDENTITY_SIGNATURE_LEN);
	if (pwrite(ledger->head_fd, data, sizeof(data), 0) != sizeof(data))
		return;
}

/**
 * ledgerfile_head_read() - the head that the writer left in PATH.head
 * @ledger: whose it is
 * @public: who must have signed it
 * @head: gets it
 *
 * Read it before the database: then it can't be ahead of that because of a commit in between.
 *
 * Return: false if there is none, or none that is whole, as after a power cut.
 */
bool ledgerfile_head_read(const struct ledger *ledger, const uint8_t public[IDENTITY_PUBLIC_LEN],
			  struct ledger_head *head)
{
	uint8_t data[HEAD_FILE_LEN];
	uint64_t seq;

	if (ledger->head_fd < 0 || pread(ledger->head_fd, data, sizeof(data), 0) != sizeof(data) ||
	    memcmp(data, HEAD_MAGIC, 8))
		return false;
	memcpy(&seq, data + 8, sizeof(seq));
	head->seq = be64toh(seq);
	memcpy(head->hash, data + 16, CS_DIGEST_LEN);
	memcpy(head->signature, data + 8 + HEAD_INPUT_LEN, IDENTITY_SIGNATURE_LEN);
	return head->seq >= 0 && ledgerfile_head_ok(public, head);
}

/**
 * ledgerfile_head_load() - the head that stands in the database
 * @ledger: whose it is
 * @public: gets the key of the node whose ledger it is
 * @head: gets the head; unchecked
 * @error: gets the reason
 *
 * Return: 0, -ENODATA if there is none, another negative errno.
 */
int ledgerfile_head_load(struct ledger *ledger, uint8_t public[IDENTITY_PUBLIC_LEN],
			 struct ledger_head *head, struct cs_error *error)
{
	sqlite3_stmt *statement = ledgerfile_bind(ledger, SQL_HEAD_GET, "");
	int rc = ledgerfile_row(ledger, statement, error);

	if (!rc)
		return cs_error_set(error, -ENODATA, "ledger '%s': it has lost its head",
				    ledger->path);
	if (rc < 0)
		return rc;
	head->seq = sqlite3_column_int64(statement, 1);
	rc = 0;
	if (!ledgerfile_blob(statement, 0, public, IDENTITY_PUBLIC_LEN) ||
	    !ledgerfile_blob(statement, 2, head->hash, CS_DIGEST_LEN) ||
	    !ledgerfile_blob(statement, 3, head->signature, IDENTITY_SIGNATURE_LEN))
		rc = cs_error_set(error, -ENODATA, "ledger '%s': its head is damaged",
				  ledger->path);
	sqlite3_reset(statement);
	return rc;
}

static int open_head(struct ledger *ledger, struct cs_error *error)
{
	char path[PATH_MAX + 8];
	int flags = ledger->identity ? O_RDWR | O_CREAT : O_RDONLY;

	snprintf(path, sizeof(path), "%s.head", ledger->path);
	ledger->head_fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (!ledger->identity)
		return 0;
	if (ledger->head_fd < 0)
		return cs_error_set(error, -errno, "file '%s': %s", path, strerror(errno));
	if (!flock(ledger->head_fd, LOCK_EX | LOCK_NB))
		return 0;
	if (errno != EWOULDBLOCK)
		return cs_error_set(error, -errno, "file '%s': lock: %s", path, strerror(errno));
	return cs_error_set(error, -EBUSY,
			    "ledger '%s' is being written by another process; is a second "
			    "crowdshared running?",
			    ledger->path);
}

/* A file of mode 0600, which its WAL takes over; its name is on the disk before anything in it. */
static int create(const struct ledger *ledger, struct cs_error *error)
{
	int fd;

	fd = open(ledger->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return cs_error_set(error, -errno, "ledger '%s': %s", ledger->path,
				    strerror(errno));
	close(fd);
	cs_file_sync_directory(ledger->path);
	return 0;
}

/* SQLite takes an empty file for a new database and deletes its WAL: look before it does. */
static int look(const struct ledger *ledger, off_t *size, struct cs_error *error)
{
	struct ledger_head head;
	char wal[PATH_MAX + 8];
	struct stat st;

	*size = 0;
	if (!stat(ledger->path, &st))
		*size = st.st_size;
	else if (errno != ENOENT)
		return cs_error_set(error, -errno, "ledger '%s': %s", ledger->path,
				    strerror(errno));
	if (*size)
		return 0;
	if (!ledger->identity)
		return cs_error_set(error, -ENOENT,
				    "ledger '%s': there is none; crowdshared makes it when it "
				    "starts",
				    ledger->path);
	snprintf(wal, sizeof(wal), "%s-wal", ledger->path);
	if (!stat(wal, &st) && st.st_size)
		return cs_error_set(error, -EUCLEAN,
				    "ledger '%s' is empty, but '%s' is not; put back a copy of "
				    "both, or move the latter away to begin a new one",
				    ledger->path, wal);
	if (ledgerfile_head_read(ledger, ledger->identity->public, &head) && head.seq)
		return cs_error_set(error, -EUCLEAN,
				    "ledger '%s' is gone or empty, but had %" PRId64 " entries; "
				    "put back a copy, or move '%s.head' away to begin a new one",
				    ledger->path, head.seq, ledger->path);
	return create(ledger, error);
}

static int query(const struct ledger *ledger, const char *sql, int64_t *value,
		 struct cs_error *error)
{
	sqlite3_stmt *statement = NULL;
	int rc;

	sqlite3_prepare_v2(ledger->db, sql, -1, &statement, NULL);
	rc = ledgerfile_row(ledger, statement, error);
	if (rc > 0)
		*value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return rc < 0 ? rc : 0;
}

/* All pages, if they are few. What is wrong in great files is seen when they are read. */
static int check_pages(const struct ledger *ledger, off_t size, struct cs_error *error)
{
	sqlite3_stmt *statement = NULL;
	const char *text;
	int rc;

	if (size > CHECK_MAX)
		return 0;
	sqlite3_prepare_v2(ledger->db, "PRAGMA quick_check(1)", -1, &statement, NULL);
	rc = ledgerfile_row(ledger, statement, error);
	if (rc > 0) {
		text = (const char *)sqlite3_column_text(statement, 0);
		rc = 0;
		if (!text || strcmp(text, "ok"))
			rc = cs_error_set(error, -EUCLEAN,
					  "ledger '%s' is damaged (%s); move it away with its "
					  "-wal and .head and put back a copy of all three, or "
					  "begin a new one",
					  ledger->path, text ? text : "no memory");
	}
	sqlite3_finalize(statement);
	return rc;
}

/* Is it a ledger, and of a version that is known? Only reads. */
static int inspect(const struct ledger *ledger, off_t size, struct cs_error *error)
{
	int64_t application = 0, version = 0, objects = 0;
	int rc;

	rc = query(ledger, "PRAGMA application_id", &application, error);
	if (!rc)
		rc = query(ledger, "PRAGMA user_version", &version, error);
	if (!rc)
		rc = query(ledger, "SELECT count(*) FROM sqlite_schema", &objects, error);
	if (rc)
		return rc;
	/* made, but not filled before a kill; or new */
	if (!application && !version && !objects && ledger->identity)
		return 0;
	if (application != LEDGER_APPLICATION_ID)
		return cs_error_set(error, -EINVAL,
				    "file '%s' is a database, but not a ledger; look at the "
				    "configuration",
				    ledger->path);
	if (version > VERSION)
		return cs_error_set(error, -EOPNOTSUPP,
				    "ledger '%s' is of version %" PRId64 ", this program knows "
				    "%d: a later one made it; use that",
				    ledger->path, version, VERSION);
	if (version < VERSION && !ledger->identity)
		return cs_error_set(error, -EOPNOTSUPP,
				    "ledger '%s' is of version %" PRId64 ", not %d; start "
				    "crowdshared, which converts it",
				    ledger->path, version, VERSION);
	return check_pages(ledger, size, error);
}

/**
 * ledgerfile_migrate() - bring the schema to the newest version, step by step
 * @ledger: whose database it is; within a transaction, which the caller rolls back on failure
 * @steps_to: number i goes from version i to i + 1
 * @count: of steps; the newest version
 * @error: gets the reason
 *
 * Return: 0 or a negative errno.
 */
int ledgerfile_migrate(struct ledger *ledger, const ledgerfile_step steps_to[], int count,
		       struct cs_error *error)
{
	int64_t version = 0;
	char pragma[64];
	int rc;

	rc = query(ledger, "PRAGMA user_version", &version, error);
	if (rc)
		return rc;
	if (version < 0 || version > count)
		return cs_error_set(error, -EOPNOTSUPP,
				    "ledger '%s': version %" PRId64 " is not known", ledger->path,
				    version);
	/* to say the same again would be a write, and somebody may yet find the ledger not right */
	if (version == count)
		return 0;
	for (; version < count; version++) {
		if (steps_to[version](ledger->db))
			return ledgerfile_fail(ledger, error);
	}
	snprintf(pragma, sizeof(pragma), "PRAGMA application_id = %d; PRAGMA user_version = %d",
		 LEDGER_APPLICATION_ID, count);
	if (sqlite3_exec(ledger->db, pragma, NULL, NULL, NULL))
		return ledgerfile_fail(ledger, error);
	return 0;
}

/* A head for a new ledger, and what the others need. */
static int fill(struct ledger *ledger, struct cs_error *error)
{
	uint8_t public[IDENTITY_PUBLIC_LEN];
	struct ledger_head head = { 0 };
	int64_t entries = 0;
	int rc;

	rc = ledgerfile_migrate(ledger, steps, VERSION, error);
	if (!rc)
		rc = query(ledger, "SELECT count(*) FROM (SELECT 1 FROM entries LIMIT 1)",
			   &entries, error);
	if (rc)
		return rc;
	/* what is wrong with a head that is there is for ledgercheck_head() to say */
	if (entries || ledgerfile_head_load(ledger, public, &head, NULL) != -ENODATA)
		return 0;
	memset(&head, 0, sizeof(head));
	ledgerfile_genesis(ledger->identity->public, head.hash);
	if (ledgerfile_head_sign(ledger, &head))
		return cs_error_set(error, -EIO, "ledger '%s': the identity can't sign",
				    ledger->path);
	return ledgerfile_done(ledger, ledgerfile_bind(ledger, SQL_HEAD_SET, "bibb",
				ledger->identity->public, (size_t)IDENTITY_PUBLIC_LEN, head.seq,
				head.hash, sizeof(head.hash), head.signature,
				sizeof(head.signature)), error);
}

/* Only now is anything written. */
static int prepare_writer(struct ledger *ledger, struct cs_error *error)
{
	int rc;

	if (sqlite3_exec(ledger->db,
			 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			 "PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = " WAL_LIMIT,
			 NULL, NULL, NULL))
		return ledgerfile_fail(ledger, error);
	rc = ledgerfile_done(ledger, ledgerfile_bind(ledger, SQL_BEGIN, ""), error);
	if (rc)
		return rc;
	rc = fill(ledger, error);
	if (!rc)
		rc = ledgerfile_done(ledger, ledgerfile_bind(ledger, SQL_COMMIT, ""), error);
	if (rc && !sqlite3_get_autocommit(ledger->db))
		ledgerfile_done(ledger, ledgerfile_bind(ledger, SQL_ROLLBACK, ""), NULL);
	return rc;
}

/* The file is not trusted: neither triggers nor views in it run, and it is not moved on closing. */
static int configure(const struct ledger *ledger, struct cs_error *error)
{
	static const struct { int option, value; } options[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 }, { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 }, { SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
		{ SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1 },
	};
	size_t i;

	sqlite3_extended_result_codes(ledger->db, 1);
	sqlite3_busy_timeout(ledger->db, BUSY_MS);
	for (i = 0; i < sizeof(options) / sizeof(*options); i++)
		sqlite3_db_config(ledger->db, options[i].option, options[i].value, NULL);
	/* on a full disk there is no room for temporary files either; a router's memory is small */
	if (sqlite3_exec(ledger->db, "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -1024",
			 NULL, NULL, NULL))
		return ledgerfile_fail(ledger, error);
	return 0;
}

/**
 * ledgerfile_open() - open the database, or make it
 * @ledger: with @path and @identity; on failure ledgerfile_close() is still needed
 * @error: gets the reason
 *
 * Return: 0 or a negative errno. Until ledger_open() has found the head right, closing leaves the
 * database as it is.
 */
int ledgerfile_open(struct ledger *ledger, struct cs_error *error)
{
	int flags = ledger->identity ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
	off_t size;
	int rc;

	rc = open_head(ledger, error);
	if (!rc)
		rc = look(ledger, &size, error);
	if (rc)
		return rc;
	if (sqlite3_open_v2(ledger->path, &ledger->db, flags | SQLITE_OPEN_NOMUTEX, NULL))
		return ledgerfile_fail(ledger, error);
	rc = configure(ledger, error);
	if (!rc)
		rc = inspect(ledger, size, error);
	if (!rc && ledger->identity)
		rc = prepare_writer(ledger, error);
	return rc;
}

/**
 * ledgerfile_close() - close the database and unlock it
 * @ledger: may be half open
 */
void ledgerfile_close(struct ledger *ledger)
{
	size_t i;

	for (i = 0; i < SQL_MAX; i++)
		sqlite3_finalize(ledger->statement[i]);
	sqlite3_close(ledger->db);
	if (ledger->head_fd >= 0)
		close(ledger->head_fd);
}
