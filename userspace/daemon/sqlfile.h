/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Small SQLite databases of the daemon, with one writer. See sqlfile.c.
 */
#ifndef CSD_SQLFILE_H
#define CSD_SQLFILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "lib/error.h"

#define SQLFILE_STATEMENTS	16

/**
 * struct sqlfile_schema - what a database is
 * @application: its application_id
 * @version: its user_version; others are refused
 * @tables: statements that make a new one
 * @sql: statements that are used, by number
 * @nr_sql: how many, at most SQLFILE_STATEMENTS
 */
struct sqlfile_schema {
	int			application;
	int			version;
	const char		*tables;
	const char *const *sql;
	size_t			nr_sql;
};

/**
 * struct sqlfile - an open database
 * @schema: what it is
 * @path: of the file
 * @db: the database
 * @statement: prepared, or NULL: not needed yet
 */
struct sqlfile {
	const struct sqlfile_schema	*schema;
	char				path[PATH_MAX];
	sqlite3				*db;
	struct sqlite3_stmt		*statement[SQLFILE_STATEMENTS];
};

int sqlfile_open(struct sqlfile *file, const struct sqlfile_schema *schema, const char *path,
		 struct cs_error *error);
void sqlfile_close(struct sqlfile *file);
int sqlfile_fail(const struct sqlfile *file, struct cs_error *error);

sqlite3_stmt *sqlfile_bind(struct sqlfile *file, unsigned int sql, const char *types, ...);
int sqlfile_row(const struct sqlfile *file, sqlite3_stmt *statement, struct cs_error *error);
int sqlfile_done(const struct sqlfile *file, sqlite3_stmt *statement, struct cs_error *error);
bool sqlfile_blob(sqlite3_stmt *statement, int column, void *blob, int len);

int sqlfile_begin(struct sqlfile *file, struct cs_error *error);
int sqlfile_commit(struct sqlfile *file, struct cs_error *error);
void sqlfile_rollback(struct sqlfile *file);

#endif /* CSD_SQLFILE_H */
