// SPDX-License-Identifier: GPL-2.0
/*
 * What an ingest keeps: which messages came and who brought them, in an SQLite database, and the
 * messages themselves, in a directory, until they are taken.
 *
 * The messages of a delivery, which become those of one receipt, stand in one file of the inbox,
 * one behind the other:
 *
 *	NUMBER.part		being written, or of a delivery that was never committed
 *	NUMBER.messages		whole and verified, to be taken: read and removed by whoever decodes
 *				(the ingest may replace it, see ingest_whole.c)
 *
 * NUMBER is that of the receipt, in hexadecimal, and never used again. The order is what survives a
 * kill at any instruction:
 *
 *	NUMBER.part is written and on the disk
 *	the digests are committed to the database
 *	NUMBER.part is renamed
 *	only now may anybody be told
 *
 * On opening, a .part whose number the database knows is renamed, and any other removed: whoever
 * brought it was not told, and brings it again. So a message that was acknowledged is there once.
 *
 * With a bucket (ingest_bucket.c) the inbox is a spool: what is in it is not where it belongs yet,
 * and nobody is told before it has gone. Names are not used again in a bucket either: the numbers
 * of a new database begin with the time.
 *
 * One process, one thread; the database is locked as long as it is open.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/ingest_file.h"
#include "daemon/log.h"
#include "daemon/vouch.h"
#include "lib/file.h"

#define APPLICATION	0x4353494e	/* "CSIN" */
#define EXPIRE_MAX	8192		/* digests forgotten at once: some 10 ms */
#define NAME_LEN	16		/* digits of a number */
#define PART		".part"
#define WHOLE		".messages"

enum {
	SQL_FIND,
	SQL_RECEIPT,
	SQL_DIGESTS,
	SQL_RECEIPT_ADD,
	SQL_DIGEST_ADD,
	SQL_EXPIRE,
	SQL_EXPIRE_RECEIPTS,
};

static const char *const sql[] = {
	[SQL_FIND] = "SELECT receipt FROM digests WHERE digest = ?1",
	[SQL_RECEIPT] = "SELECT deliverer, contract, destination, port, time, expiry FROM receipts"
			" WHERE id = ?1",
	[SQL_DIGESTS] = "SELECT digest FROM digests WHERE receipt = ?1 ORDER BY n",
	[SQL_RECEIPT_ADD] = "INSERT INTO receipts"
			    " (deliverer, contract, destination, port, time, expiry)"
			    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[SQL_DIGEST_ADD] = "INSERT INTO digests (digest, receipt, n) VALUES (?1, ?2, ?3)",
	[SQL_EXPIRE] = "DELETE FROM digests WHERE receipt IN"
		       " (SELECT id FROM receipts WHERE expiry <= ?1 ORDER BY expiry LIMIT ?2)",
	[SQL_EXPIRE_RECEIPTS] = "DELETE FROM receipts WHERE id IN"
		       " (SELECT id FROM receipts WHERE expiry <= ?1 ORDER BY expiry LIMIT ?2)",
};

static const struct sqlfile_schema schema = {
	.application = APPLICATION,
	.version = 1,
	.tables =
		/* AUTOINCREMENT: a number is never used again, not even the highest that expired */
		"CREATE TABLE receipts (id INTEGER PRIMARY KEY AUTOINCREMENT,"
		" deliverer BLOB NOT NULL, contract BLOB NOT NULL, destination BLOB NOT NULL,"
		" port INTEGER NOT NULL, time INTEGER NOT NULL, expiry INTEGER NOT NULL) STRICT;"
		"CREATE INDEX receipts_expiry ON receipts (expiry);"
		"CREATE TABLE digests (digest BLOB PRIMARY KEY,"
		" receipt INTEGER NOT NULL REFERENCES receipts (id), n INTEGER NOT NULL)"
		" STRICT, WITHOUT ROWID;"
		"CREATE UNIQUE INDEX digests_receipt ON digests (receipt, n);"
		/* not those of a database that was lost */
		"INSERT INTO sqlite_sequence (name, seq)"
		" VALUES ('receipts', CAST(strftime('%s') AS INTEGER) << 24)",
	.sql = sql,
	.nr_sql = sizeof(sql) / sizeof(*sql),
};

/**
 * struct ingest_file - what is open
 * @db: the database
 * @inbox: directory of messages
 */
struct ingest_file {
	struct sqlfile	db;
	char		inbox[PATH_MAX];
};

static void name_of(const struct ingest_file *file, int64_t id, const char *suffix,
		    char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%.*s/%0*" PRIx64 "%s", PATH_MAX - 64, file->inbox, NAME_LEN,
		 (uint64_t)id, suffix);
}

/* The number of a file with this suffix, 0: it has another name. */
static int64_t number_of(const char *name, const char *suffix)
{
	char *end;
	uint64_t id;

	if (strspn(name, "0123456789abcdef") != NAME_LEN || strcmp(name + NAME_LEN, suffix))
		return 0;
	id = strtoull(name, &end, 16);
	return id > INT64_MAX ? 0 : (int64_t)id;
}

/**
 * ingest_file_is_whole() - is this the name of a file of the inbox that does not change any more?
 * @entry: of a directory
 *
 * Return: whether it is.
 */
int ingest_file_is_whole(const struct dirent *entry)
{
	return number_of(entry->d_name, WHOLE) != 0 || vouch_is_name(entry->d_name);
}

/**
 * ingest_file_number() - the number of the receipt whose messages a file has
 * @name: of the file
 *
 * Return: it, 0: the file is another one.
 */
int64_t ingest_file_number(const char *name)
{
	return number_of(name, WHOLE);
}

/**
 * ingest_file_name() - the name of the file that has the messages of a receipt
 * @id: number of the receipt
 * @name: gets it
 */
void ingest_file_name(int64_t id, char name[INGEST_FILE_NAME])
{
	snprintf(name, INGEST_FILE_NAME, "%0*" PRIx64 WHOLE, NAME_LEN, (uint64_t)id);
}

/**
 * ingest_file_waits() - are the messages of a receipt in the inbox?
 * @file: open
 * @id: number of the receipt
 *
 * Return: whether they are; if that can't be found out, they are.
 */
bool ingest_file_waits(const struct ingest_file *file, int64_t id)
{
	char path[PATH_MAX];

	name_of(file, id, PART, path);
	if (!access(path, F_OK) || errno != ENOENT)
		return true;
	name_of(file, id, WHOLE, path);
	return !access(path, F_OK) || errno != ENOENT;
}

static int known(struct ingest_file *file, int64_t id, struct cs_error *error)
{
	sqlite3_stmt *statement = sqlfile_bind(&file->db, SQL_RECEIPT, "i", id);
	int rc = sqlfile_row(&file->db, statement, error);

	if (rc > 0)
		sqlite3_reset(statement);
	return rc;
}

static int publish(const struct ingest_file *file, int64_t id, struct cs_error *error)
{
	char part[PATH_MAX], whole[PATH_MAX];

	name_of(file, id, PART, part);
	name_of(file, id, WHOLE, whole);
	if (rename(part, whole))
		return cs_error_set(error, -errno, "%s: %s", whole, strerror(errno));
	return 0;
}

/* Brings to its end what a kill left. */
static int recover(struct ingest_file *file, struct cs_error *error)
{
	DIR *dir = opendir(file->inbox);
	const struct dirent *entry;
	char path[PATH_MAX];
	int64_t id;
	int rc = 0;

	if (!dir)
		return cs_error_set(error, -errno, "%s: %s", file->inbox, strerror(errno));
	while (rc >= 0 && (entry = readdir(dir))) {
		id = number_of(entry->d_name, PART);
		if (!id)
			continue;
		rc = known(file, id, error);
		if (rc > 0)
			rc = publish(file, id, error);
		else if (!rc) {
			name_of(file, id, PART, path);
			if (unlink(path))
				rc = cs_error_set(error, -errno, "%s: %s", path, strerror(errno));
		}
	}
	closedir(dir);
	return rc < 0 ? rc : 0;
}

/**
 * ingest_file_open() - open what an ingest keeps, or make it
 * @file: gets it
 * @path: of the database
 * @inbox: directory of messages
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int ingest_file_open(struct ingest_file **file, const char *path, const char *inbox,
		     struct cs_error *error)
{
	struct ingest_file *new = calloc(1, sizeof(*new));
	int rc;

	if (!new)
		return cs_error_set(error, -ENOMEM, "out of memory");
	snprintf(new->inbox, sizeof(new->inbox), "%s", inbox);
	rc = sqlfile_open(&new->db, &schema, path, error);
	if (!rc && mkdir(inbox, 0700) && errno != EEXIST)
		rc = cs_error_set(error, -errno, "%s: %s", inbox, strerror(errno));
	if (!rc)
		rc = recover(new, error);
	if (rc) {
		ingest_file_close(new);
		return rc;
	}
	*file = new;
	return 0;
}

/**
 * ingest_file_close() - close it
 * @file: may be NULL
 */
void ingest_file_close(struct ingest_file *file)
{
	if (!file)
		return;
	sqlfile_close(&file->db);
	free(file);
}

/**
 * ingest_file_find() - did this message come before?
 * @file: open
 * @digest: of the message
 * @receipt: gets the number of its receipt
 * @error: gets the reason of a failure
 *
 * Return: 1: it did; 0; a negative errno.
 */
int ingest_file_find(struct ingest_file *file, const uint8_t digest[CS_DIGEST_LEN],
		     int64_t *receipt, struct cs_error *error)
{
	sqlite3_stmt *statement;
	int rc;

	statement = sqlfile_bind(&file->db, SQL_FIND, "b", digest, (size_t)CS_DIGEST_LEN);
	rc = sqlfile_row(&file->db, statement, error);
	if (rc > 0) {
		*receipt = sqlite3_column_int64(statement, 0);
		sqlite3_reset(statement);
	}
	return rc;
}

static int read_digests(struct ingest_file *file, struct ingest_receipt *receipt,
			struct cs_error *error)
{
	sqlite3_stmt *statement = sqlfile_bind(&file->db, SQL_DIGESTS, "i", receipt->id);
	int rc;

	while ((rc = sqlfile_row(&file->db, statement, error)) > 0) {
		if (receipt->nr_digests == PROTO_BATCH_MAX ||
		    !sqlfile_blob(statement, 0, receipt->digests[receipt->nr_digests],
				  CS_DIGEST_LEN))
			break;
		receipt->nr_digests++;
	}
	if (rc > 0)
		sqlite3_reset(statement);
	if (!rc && receipt->nr_digests)
		return 0;
	return rc < 0 ? rc : cs_error_set(error, -EUCLEAN, "%s: receipt %" PRId64 " is damaged",
					  file->db.path, receipt->id);
}

/**
 * ingest_file_receipt() - what a receipt was made of
 * @file: open
 * @id: its number
 * @receipt: gets it
 * @error: gets the reason of a failure
 *
 * Return: 0, -ENOENT, another negative errno.
 */
int ingest_file_receipt(struct ingest_file *file, int64_t id, struct ingest_receipt *receipt,
			struct cs_error *error)
{
	sqlite3_stmt *statement = sqlfile_bind(&file->db, SQL_RECEIPT, "i", id);
	int rc = sqlfile_row(&file->db, statement, error);
	bool whole;

	memset(receipt, 0, sizeof(*receipt));
	if (rc <= 0)
		return rc ? rc : cs_error_set(error, -ENOENT, "there is no receipt %" PRId64, id);
	receipt->id = id;
	whole = sqlfile_blob(statement, 0, receipt->deliverer, IDENTITY_PUBLIC_LEN) &&
		sqlfile_blob(statement, 1, receipt->contract, PROTO_UID_LEN) &&
		sqlfile_blob(statement, 2, receipt->destination, CS_ADDR_LEN);
	receipt->port = sqlite3_column_int(statement, 3);
	receipt->time = sqlite3_column_int64(statement, 4);
	receipt->expiry = sqlite3_column_int64(statement, 5);
	sqlite3_reset(statement);
	if (!whole)
		return cs_error_set(error, -EUCLEAN, "%s: receipt %" PRId64 " is damaged",
				    file->db.path, id);
	return read_digests(file, receipt, error);
}

static int write_messages(int fd, const struct ingest_batch *batch)
{
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i < batch->receipt.nr_digests; i++)
		rc = cs_file_write(fd, batch->message[i], batch->len[i]);
	return rc ? rc : fsync(fd) ? -errno : 0;
}

static int write_part(const struct ingest_file *file, const struct ingest_batch *batch,
		      struct cs_error *error)
{
	char path[PATH_MAX];
	int fd, rc;

	name_of(file, batch->receipt.id, PART, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return cs_error_set(error, -errno, "%s: %s", path, strerror(errno));
	rc = write_messages(fd, batch);
	if (close(fd) && !rc)
		rc = -errno;
	if (!rc)
		rc = cs_file_sync_directory(path);
	return rc ? cs_error_set(error, rc, "%s: %s", path, strerror(-rc)) : 0;
}

static void remove_part(const struct ingest_file *file, int64_t id)
{
	char path[PATH_MAX];

	name_of(file, id, PART, path);
	if (unlink(path) && errno != ENOENT)
		log_error("%s: %s", path, strerror(errno));
}

static int add_all(struct ingest_file *file, struct ingest_batch *batch, struct cs_error *error)
{
	struct ingest_receipt *receipt = &batch->receipt;
	sqlite3_stmt *statement;
	size_t i;
	int rc;

	statement = sqlfile_bind(&file->db, SQL_RECEIPT_ADD, "bbbiii", receipt->deliverer,
				 (size_t)IDENTITY_PUBLIC_LEN, receipt->contract,
				 (size_t)PROTO_UID_LEN, receipt->destination, (size_t)CS_ADDR_LEN,
				 (int64_t)receipt->port, (int64_t)receipt->time,
				 (int64_t)receipt->expiry);
	rc = sqlfile_done(&file->db, statement, error);
	receipt->id = sqlite3_last_insert_rowid(file->db.db);
	for (i = 0; !rc && i < receipt->nr_digests; i++)
		rc = sqlfile_done(&file->db, sqlfile_bind(&file->db, SQL_DIGEST_ADD, "bii",
							  receipt->digests[i],
							  (size_t)CS_DIGEST_LEN, receipt->id,
							  (int64_t)i), error);
	return rc;
}

/**
 * ingest_file_keep() - keep new messages
 * @file: open
 * @batch: the messages, none of which came before; its receipt gets its number and its expiry
 * @error: gets the reason of a failure
 *
 * Return: 0: they are on the disk, and will be receipted; or a negative errno: none of them came.
 */
int ingest_file_keep(struct ingest_file *file, struct ingest_batch *batch,
		     struct cs_error *error)
{
	size_t i;
	int rc;

	batch->receipt.expiry = 0;
	for (i = 0; i < batch->receipt.nr_digests; i++)
		if (batch->expiry[i] > batch->receipt.expiry)
			batch->receipt.expiry = batch->expiry[i];
	rc = sqlfile_begin(&file->db, error);
	if (rc)
		return rc;
	rc = add_all(file, batch, error);
	if (rc) {
		sqlfile_rollback(&file->db);
		return rc;
	}
	rc = write_part(file, batch, error);
	if (rc) {
		sqlfile_rollback(&file->db);
		remove_part(file, batch->receipt.id);
		return rc;
	}
	/* a commit that fails may yet be found whole on the next start: the file stays till then */
	rc = sqlfile_commit(&file->db, error);
	if (rc)
		return rc;
	/* committed: it is found on the next start, whatever happens to its name now */
	if (publish(file, batch->receipt.id, error)) {
		log_error("%s; it is tried again on the next start", error->text);
		error->text[0] = '\0';
	}
	return 0;
}

/**
 * ingest_file_expire() - forget messages that have expired
 * @file: open
 * @now: Unix seconds
 * @error: gets the reason of a failure
 *
 * Return: 0, 1: there may be more, which would take too long at once; or a negative errno.
 */
int ingest_file_expire(struct ingest_file *file, uint64_t now, struct cs_error *error)
{
	const int64_t most = EXPIRE_MAX / PROTO_BATCH_MAX;
	int rc = sqlfile_begin(&file->db, error), forgotten;

	if (rc)
		return rc;
	rc = sqlfile_done(&file->db, sqlfile_bind(&file->db, SQL_EXPIRE, "ii", (int64_t)now,
						  most), error);
	if (!rc)
		rc = sqlfile_done(&file->db, sqlfile_bind(&file->db, SQL_EXPIRE_RECEIPTS, "ii",
							  (int64_t)now, most), error);
	forgotten = sqlite3_changes(file->db.db);
	if (!rc) {
		rc = sqlfile_commit(&file->db, error);
		return rc ? rc : forgotten == most;
	}
	sqlfile_rollback(&file->db);
	return rc;
}

/**
 * ingest_file_bytes() - how much of the inbox is taken by what waits in it
 * @file: open
 * @bytes: gets it
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int ingest_file_bytes(struct ingest_file *file, uint64_t *bytes, struct cs_error *error)
{
	const struct dirent *entry;
	struct stat st;
	DIR *dir;

	dir = opendir(file->inbox);
	if (!dir)
		return cs_error_set(error, -errno, "%s: %s", file->inbox, strerror(errno));
	*bytes = 0;
	while ((entry = readdir(dir)))
		if (!fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISREG(st.st_mode))
			*bytes += ingest_file_cost(st.st_size);
	closedir(dir);
	return 0;
}
