// SPDX-License-Identifier: GPL-2.0
/*
 * What a node keeps of receipts, in an SQLite database (sqlfile.c): letters on their way to peers
 * that are not there, or have not answered; what was delivered of its own messages; and whose key
 * signs for which wired destination.
 *
 * One process, one thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/receipt_file.h"

#define APPLICATION	0x43535243	/* "CSRC" */

enum {
	SQL_WAIT,
	SQL_GET,
	SQL_DROP,
	SQL_EACH,
	SQL_WAITING,
	SQL_WAIT_EXPIRE,
	SQL_DELIVER,
	SQL_DELIVERED,
	SQL_DELIVERED_EXPIRE,
	SQL_RECEIVER_SET,
	SQL_RECEIVER_DEL,
	SQL_RECEIVERS,
};

static const char *const sql[] = {
	[SQL_WAIT] = "INSERT OR IGNORE INTO waiting (peer, id, ends, letter)"
		     " SELECT ?1, ?2, ?3, ?4"
		     " WHERE (SELECT count(*) FROM waiting WHERE peer = ?1) < ?5",
	[SQL_GET] = "SELECT letter FROM waiting WHERE peer = ?1 AND id = ?2",
	[SQL_DROP] = "DELETE FROM waiting WHERE peer = ?1 AND id = ?2",
	[SQL_EACH] = "SELECT id, letter FROM waiting WHERE peer = ?1 ORDER BY n",
	[SQL_WAITING] = "SELECT count(*) FROM waiting",
	[SQL_WAIT_EXPIRE] = "DELETE FROM waiting WHERE ends <= ?1",
	[SQL_DELIVER] = "INSERT OR IGNORE INTO delivered"
			" (digest, destination, port, time, deliverer, hops, ends)"
			" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[SQL_DELIVERED] = "SELECT digest, destination, port, time, deliverer, hops, ends"
			  " FROM delivered ORDER BY time, digest",
	[SQL_DELIVERED_EXPIRE] = "DELETE FROM delivered WHERE ends <= ?1",
	[SQL_RECEIVER_SET] = "INSERT OR REPLACE INTO receivers (address, port, public)"
			     " VALUES (?1, ?2, ?3)",
	[SQL_RECEIVER_DEL] = "DELETE FROM receivers WHERE address = ?1 AND port = ?2",
	[SQL_RECEIVERS] = "SELECT address, port, public FROM receivers ORDER BY address, port",
};

static const struct sqlfile_schema schema = {
	.application = APPLICATION,
	.version = 1,
	.tables =
		"CREATE TABLE waiting (n INTEGER PRIMARY KEY, peer BLOB NOT NULL,"
		" id BLOB NOT NULL, ends INTEGER NOT NULL, letter BLOB NOT NULL,"
		" UNIQUE (peer, id)) STRICT;"
		"CREATE INDEX waiting_ends ON waiting (ends);"
		"CREATE TABLE delivered (digest BLOB PRIMARY KEY, destination BLOB NOT NULL,"
		" port INTEGER NOT NULL, time INTEGER NOT NULL, deliverer BLOB NOT NULL,"
		" hops INTEGER NOT NULL, ends INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
		"CREATE INDEX delivered_ends ON delivered (ends);"
		"CREATE TABLE receivers (address BLOB NOT NULL, port INTEGER NOT NULL,"
		" public BLOB NOT NULL, PRIMARY KEY (address, port)) STRICT, WITHOUT ROWID",
	.sql = sql,
	.nr_sql = sizeof(sql) / sizeof(*sql),
};

_Static_assert(sizeof(sql) / sizeof(*sql) <= SQLFILE_STATEMENTS, "more statements than places");

/**
 * receipt_file_open() - open the database, or make it
 * @file: gets it; to be closed also after a failure
 * @path: of the file
 * @error: gets the reason of a failure
 *
 * Return: as sqlfile_open().
 */
int receipt_file_open(struct sqlfile *file, const char *path, struct cs_error *error)
{
	return sqlfile_open(file, &schema, path, error);
}

/* --- Letters on their way --- */

/**
 * receipt_file_wait() - keep a letter until its peer has answered it
 * @file: the database
 * @peer: address of the peer
 * @id: of the letter; one that is there stays as it is
 * @letter: the letter
 * @len: its bytes
 * @ends: Unix seconds: until when
 * @most: letters that may wait for the peer, with this one: one that stays away shall not take the
 *	place of all
 * @error: gets the reason of a failure
 *
 * Return: 0, -EDQUOT: so many wait already, or another negative errno.
 */
int receipt_file_wait(struct sqlfile *file, const uint8_t peer[CS_ADDR_LEN],
		      const uint8_t id[RECEIPT_ID_LEN], const void *letter, size_t len,
		      uint64_t ends, size_t most, struct cs_error *error)
{
	sqlite3_stmt *statement;
	int rc;

	rc = sqlfile_done(file, sqlfile_bind(file, SQL_WAIT, "bbibi", peer, (size_t)CS_ADDR_LEN,
					     id, (size_t)RECEIPT_ID_LEN, (int64_t)ends, letter,
					     len, (int64_t)most), error);
	if (rc || sqlite3_changes(file->db))
		return rc;
	statement = sqlfile_bind(file, SQL_GET, "bb", peer, (size_t)CS_ADDR_LEN, id,
				 (size_t)RECEIPT_ID_LEN);
	rc = sqlfile_row(file, statement, error);
	if (rc <= 0)
		return rc ? rc : cs_error_set(error, -EDQUOT, "receipt: %zu wait for a peer", most);
	sqlite3_reset(statement);
	return 0;
}

/**
 * receipt_file_get() - a letter that waits
 * @file: the database
 * @peer: address of the peer
 * @id: of the letter
 * @letter: gets a copy, to be freed
 * @len: gets its bytes
 * @error: gets the reason of a failure
 *
 * Return: 0, -ENOENT, another negative errno.
 */
int receipt_file_get(struct sqlfile *file, const uint8_t peer[CS_ADDR_LEN],
		     const uint8_t id[RECEIPT_ID_LEN], uint8_t **letter, size_t *len,
		     struct cs_error *error)
{
	sqlite3_stmt *statement;
	int rc;

	statement = sqlfile_bind(file, SQL_GET, "bb", peer, (size_t)CS_ADDR_LEN, id,
				 (size_t)RECEIPT_ID_LEN);
	rc = sqlfile_row(file, statement, error);
	if (rc <= 0)
		return rc ? rc : cs_error_set(error, -ENOENT, "there is no such receipt");
	*len = sqlite3_column_bytes(statement, 0);
	*letter = malloc(*len ? *len : 1);
	if (*letter && *len)
		memcpy(*letter, sqlite3_column_blob(statement, 0), *len);
	sqlite3_reset(statement);
	return *letter ? 0 : cs_error_set(error, -ENOMEM, "out of memory");
}

/**
 * receipt_file_drop() - a letter was answered
 * @file: the database
 * @peer: address of the peer
 * @id: of the letter
 * @error: gets the reason of a failure
 *
 * Return: 0, also if there is none; or a negative errno.
 */
int receipt_file_drop(struct sqlfile *file, const uint8_t peer[CS_ADDR_LEN],
		      const uint8_t id[RECEIPT_ID_LEN], struct cs_error *error)
{
	return sqlfile_done(file, sqlfile_bind(file, SQL_DROP, "bb", peer, (size_t)CS_ADDR_LEN,
					       id, (size_t)RECEIPT_ID_LEN), error);
}

/**
 * receipt_file_each() - the letters that wait for a peer, the oldest first
 * @file: the database
 * @peer: address of the peer
 * @cb: called for each; must not write to the database; what it returns, if not 0, ends it
 * @data: for @cb
 * @error: gets the reason of a failure
 *
 * Return: 0, what @cb returned, or a negative errno.
 */
int receipt_file_each(struct sqlfile *file, const uint8_t peer[CS_ADDR_LEN],
		      receipt_letter_cb cb, void *data, struct cs_error *error)
{
	sqlite3_stmt *statement;
	uint8_t id[RECEIPT_ID_LEN];
	int rc;

	statement = sqlfile_bind(file, SQL_EACH, "b", peer, (size_t)CS_ADDR_LEN);
	while ((rc = sqlfile_row(file, statement, error)) > 0) {
		if (!sqlfile_blob(statement, 0, id, sizeof(id)))
			continue;
		rc = cb(id, sqlite3_column_blob(statement, 1),
			sqlite3_column_bytes(statement, 1), data);
		if (!rc)
			continue;
		sqlite3_reset(statement);
		return rc;
	}
	return rc;
}

/**
 * receipt_file_waiting() - how many letters wait
 * @file: the database
 * @count: gets it
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int receipt_file_waiting(struct sqlfile *file, uint64_t *count, struct cs_error *error)
{
	sqlite3_stmt *statement = sqlfile_bind(file, SQL_WAITING, "");
	int rc = sqlfile_row(file, statement, error);

	if (rc <= 0)
		return rc ? rc : -EIO;
	*count = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return 0;
}

/* --- What was delivered --- */

/**
 * receipt_file_deliver() - a message of this node was delivered
 * @file: the database
 * @delivered: what is known of it; what is there already stays
 * @error: gets the reason of a failure
 *
 * Return: 1: that was news; 0: it was not; or a negative errno.
 */
int receipt_file_deliver(struct sqlfile *file, const struct receipt_delivered *delivered,
			 struct cs_error *error)
{
	int rc;

	rc = sqlfile_done(file, sqlfile_bind(file, SQL_DELIVER, "bbiibii", delivered->digest,
					     (size_t)CS_DIGEST_LEN, delivered->destination,
					     (size_t)CS_ADDR_LEN, (int64_t)delivered->port,
					     (int64_t)delivered->time, delivered->deliverer,
					     (size_t)CS_ADDR_LEN, (int64_t)delivered->hops,
					     (int64_t)delivered->ends), error);
	return rc ? rc : sqlite3_changes(file->db);
}

/**
 * receipt_file_each_delivered() - all that is known to be delivered, the earliest first
 * @file: the database
 * @cb: called for each; what it returns, if not 0, ends it
 * @data: for @cb
 * @error: gets the reason of a failure
 *
 * Return: 0, what @cb returned, or a negative errno.
 */
int receipt_file_each_delivered(struct sqlfile *file, receipt_delivered_cb cb, void *data,
				struct cs_error *error)
{
	sqlite3_stmt *statement = sqlfile_bind(file, SQL_DELIVERED, "");
	struct receipt_delivered delivered;
	int rc;

	while ((rc = sqlfile_row(file, statement, error)) > 0) {
		if (!sqlfile_blob(statement, 0, delivered.digest, CS_DIGEST_LEN) ||
		    !sqlfile_blob(statement, 1, delivered.destination, CS_ADDR_LEN) ||
		    !sqlfile_blob(statement, 4, delivered.deliverer, CS_ADDR_LEN))
			continue;
		delivered.port = sqlite3_column_int(statement, 2);
		delivered.time = sqlite3_column_int64(statement, 3);
		delivered.hops = sqlite3_column_int(statement, 5);
		delivered.ends = sqlite3_column_int64(statement, 6);
		rc = cb(&delivered, data);
		if (!rc)
			continue;
		sqlite3_reset(statement);
		return rc;
	}
	return rc;
}

/**
 * receipt_file_expire() - forget what has ended
 * @file: the database
 * @now: Unix seconds
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int receipt_file_expire(struct sqlfile *file, uint64_t now, struct cs_error *error)
{
	int rc;

	rc = sqlfile_done(file, sqlfile_bind(file, SQL_WAIT_EXPIRE, "i", (int64_t)now), error);
	return rc ? rc : sqlfile_done(file, sqlfile_bind(file, SQL_DELIVERED_EXPIRE, "i",
							 (int64_t)now), error);
}

/* --- Receivers --- */

/**
 * receipt_file_receiver_set() - name the key of a destination, instead of one that was named before
 * @file: the database
 * @receiver: destination and key
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int receipt_file_receiver_set(struct sqlfile *file, const struct receipt_receiver *receiver,
			      struct cs_error *error)
{
	return sqlfile_done(file, sqlfile_bind(file, SQL_RECEIVER_SET, "bib", receiver->address,
					       (size_t)CS_ADDR_LEN, (int64_t)receiver->port,
					       receiver->public, (size_t)IDENTITY_PUBLIC_LEN),
			    error);
}

/**
 * receipt_file_receiver_del() - forget the key of a destination
 * @file: the database
 * @receiver: the destination
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int receipt_file_receiver_del(struct sqlfile *file, const struct receipt_receiver *receiver,
			      struct cs_error *error)
{
	return sqlfile_done(file, sqlfile_bind(file, SQL_RECEIVER_DEL, "bi", receiver->address,
					       (size_t)CS_ADDR_LEN, (int64_t)receiver->port),
			    error);
}

/**
 * receipt_file_each_receiver() - all keys that were named
 * @file: the database
 * @cb: called for each; what it returns, if not 0, ends it
 * @data: for @cb
 * @error: gets the reason of a failure
 *
 * Return: 0, what @cb returned, or a negative errno.
 */
int receipt_file_each_receiver(struct sqlfile *file, receipt_receiver_cb cb, void *data,
			       struct cs_error *error)
{
	sqlite3_stmt *statement = sqlfile_bind(file, SQL_RECEIVERS, "");
	struct receipt_receiver receiver;
	int rc;

	while ((rc = sqlfile_row(file, statement, error)) > 0) {
		if (!sqlfile_blob(statement, 0, receiver.address, CS_ADDR_LEN) ||
		    !sqlfile_blob(statement, 2, receiver.public, IDENTITY_PUBLIC_LEN))
			continue;
		receiver.port = sqlite3_column_int(statement, 1);
		rc = cb(&receiver, data);
		if (!rc)
			continue;
		sqlite3_reset(statement);
		return rc;
	}
	return rc;
}
