// SPDX-License-Identifier: GPL-2.0
/*
 * Small SQLite databases of the daemon: WAL, synchronous=FULL, one writer that locks it for good.
 *
 * What was committed is on the disk. A database that is damaged, of another program or of another
 * version is refused before anything is written to it. The ledger has a file of its own
 * (ledgerfile.c), which guards against more than this.
 *
 * One process, one thread.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/sqlfile.h"

/**
 * sqlfile_fail() - say what SQLite could not do last
 * @file: the database
 * @error: gets the reason, and what to do
 *
 * Return: a negative errno.
 */
int sqlfile_fail(const struct sqlfile *file, struct cs_error *error)
{
	int code = sqlite3_errcode(file->db) & 0xff, sys = sqlite3_system_errno(file->db);
	const char *text = sqlite3_errmsg(file->db), *path = file->path;

	if (code == SQLITE_FULL || sys == ENOSPC)
		return cs_error_set(error, -ENOSPC, "%s: no room on the disk; make room", path);
	if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_CONSTRAINT)
		return cs_error_set(error, -EUCLEAN,
				    "%s: damaged (%s); move it away with its -wal", path, text);
	if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
		return cs_error_set(error, -EBUSY, "%s: another program uses it", path);
	if (code == SQLITE_NOMEM)
		return cs_error_set(error, -ENOMEM, "%s: out of memory", path);
	return cs_error_set(error, sys ? -sys : -EIO, "%s: %s%s%s", path, text, sys ? ": " : "",
			    sys ? strerror(sys) : "");
}

static int run(struct sqlfile *file, const char *sql, struct cs_error *error)
{
	return sqlite3_exec(file->db, sql, NULL, NULL, NULL) ? sqlfile_fail(file, error) : 0;
}

static int number_of(struct sqlfile *file, const char *sql, int *number, struct cs_error *error)
{
	sqlite3_stmt *statement = NULL;
	int rc = 0;

	if (sqlite3_prepare_v2(file->db, sql, -1, &statement, NULL) ||
	    sqlite3_step(statement) != SQLITE_ROW)
		rc = sqlfile_fail(file, error);
	else
		*number = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return rc;
}

static int check_version(struct sqlfile *file, struct cs_error *error)
{
	int application = 0, version = 0, objects = 0, rc;
	const struct sqlfile_schema *schema = file->schema;
	char pragmas[96];

	rc = number_of(file, "PRAGMA application_id", &application, error);
	if (!rc)
		rc = number_of(file, "PRAGMA user_version", &version, error);
	if (!rc)
		rc = number_of(file, "SELECT count(*) FROM sqlite_schema", &objects, error);
	if (rc || (application == schema->application && version == schema->version))
		return rc;
	if (application || version || objects)
		return cs_error_set(error, -EOPNOTSUPP,
				    "%s: of another program, or of version %d; this one knows %d",
				    file->path, version, schema->version);
	snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id = %d; PRAGMA user_version = %d",
		 schema->application, schema->version);
	rc = run(file, "BEGIN IMMEDIATE", error);
	if (!rc)
		rc = run(file, schema->tables, error);
	if (!rc)
		rc = run(file, pragmas, error);
	return rc ? rc : run(file, "COMMIT", error);
}

/**
 * sqlfile_open() - open a database, or make it
 * @file: gets it; to be closed also after a failure
 * @schema: what it is
 * @path: of the file
 * @error: gets the reason of a failure
 *
 * Return: 0; -EBUSY: another process has it open; -EUCLEAN, -EOPNOTSUPP: it is left as it is;
 * another negative errno.
 */
int sqlfile_open(struct sqlfile *file, const struct sqlfile_schema *schema, const char *path,
		 struct cs_error *error)
{
	mode_t mask = umask(077);
	int rc;

	memset(file, 0, sizeof(*file));
	file->schema = schema;
	snprintf(file->path, sizeof(file->path), "%s", path);
	rc = sqlite3_open_v2(path, &file->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
			     SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc)
		rc = file->db ? sqlfile_fail(file, error) :
				cs_error_set(error, -ENOMEM, "%s: out of memory", path);
	/* the lock is taken by the first access, and kept: no shared memory is to be mapped */
	if (!rc)
		rc = run(file, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
			       "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON", error);
	if (!rc)
		rc = check_version(file, error);
	umask(mask);
	return rc;
}

/**
 * sqlfile_close() - close a database; what was not committed is lost
 * @file: the database; nothing happens if it is all zero
 */
void sqlfile_close(struct sqlfile *file)
{
	size_t i;

	for (i = 0; i < SQLFILE_STATEMENTS; i++)
		sqlite3_finalize(file->statement[i]);
	sqlite3_close(file->db);
	memset(file, 0, sizeof(*file));
}

/**
 * sqlfile_bind() - a statement with its parameters, to be stepped
 * @file: the database
 * @sql: number of the statement
 * @types: of the parameters: i for an int64_t, b for bytes and their size_t, which must stay until
 *	the statement is done
 *
 * Return: the statement, or NULL: see sqlfile_fail(). One of the same number ends here.
 */
sqlite3_stmt *sqlfile_bind(struct sqlfile *file, unsigned int sql, const char *types, ...)
{
	sqlite3_stmt **statement = &file->statement[sql];
	const void *blob;
	va_list args;
	int i;

	if (!*statement && sqlite3_prepare_v3(file->db, file->schema->sql[sql], -1,
					      SQLITE_PREPARE_PERSISTENT, statement, NULL))
		return NULL;
	sqlite3_reset(*statement);
	va_start(args, types);
	for (i = 0; types[i]; i++) {
		if (types[i] == 'i') {
			sqlite3_bind_int64(*statement, i + 1, va_arg(args, int64_t));
		} else {
			blob = va_arg(args, const void *);
			sqlite3_bind_blob64(*statement, i + 1, blob, va_arg(args, size_t),
					    SQLITE_STATIC);
		}
	}
	va_end(args);
	return *statement;
}

/**
 * sqlfile_row() - the next row of a statement
 * @file: the database
 * @statement: from sqlfile_bind(), NULL: that failed
 * @error: gets the reason of a failure
 *
 * Return: 1 if there is a row; 0 if there is none any more, a negative errno: the statement ended.
 */
int sqlfile_row(const struct sqlfile *file, sqlite3_stmt *statement, struct cs_error *error)
{
	int rc = statement ? sqlite3_step(statement) : SQLITE_ERROR;

	if (rc == SQLITE_ROW)
		return 1;
	rc = rc == SQLITE_DONE ? 0 : sqlfile_fail(file, error);
	if (statement)
		sqlite3_reset(statement);
	return rc;
}

/**
 * sqlfile_done() - run a statement whose rows are of no interest
 * @file: the database
 * @statement: from sqlfile_bind(), NULL: that failed
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int sqlfile_done(const struct sqlfile *file, sqlite3_stmt *statement, struct cs_error *error)
{
	int rc = sqlfile_row(file, statement, error);

	if (rc > 0)
		sqlite3_reset(statement);
	return rc < 0 ? rc : 0;
}

/**
 * sqlfile_blob() - bytes of a column, if they are as many as they ought to be
 * @statement: has a row
 * @column: which one
 * @blob: gets them
 * @len: how many they ought to be
 *
 * Return: whether they are.
 */
bool sqlfile_blob(sqlite3_stmt *statement, int column, void *blob, int len)
{
	const void *data = sqlite3_column_blob(statement, column);

	if (!data || sqlite3_column_bytes(statement, column) != len)
		return false;
	memcpy(blob, data, len);
	return true;
}

/**
 * sqlfile_begin() - begin a transaction
 * @file: the database
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int sqlfile_begin(struct sqlfile *file, struct cs_error *error)
{
	return run(file, "BEGIN IMMEDIATE", error);
}

/**
 * sqlfile_commit() - have it on the disk
 * @file: the database
 * @error: gets the reason of a failure
 *
 * Return: 0, or a negative errno; then nothing of it is there.
 */
int sqlfile_commit(struct sqlfile *file, struct cs_error *error)
{
	int rc = run(file, "COMMIT", error);

	if (rc)
		sqlfile_rollback(file);
	return rc;
}

/**
 * sqlfile_rollback() - take the transaction back, if there is one
 * @file: the database
 */
void sqlfile_rollback(struct sqlfile *file)
{
	if (!sqlite3_get_autocommit(file->db))
		sqlite3_exec(file->db, "ROLLBACK", NULL, NULL, NULL);
}
