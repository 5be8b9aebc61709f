/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The file of a ledger: what ledger.c, ledgerfile.c and ledgercheck.c share. Nobody else includes
 * this but their tests.
 */
#ifndef CSD_LEDGERFILE_H
#define CSD_LEDGERFILE_H

#include <limits.h>

#include <sqlite3.h>

#include "daemon/ledger.h"

#define LEDGER_APPLICATION_ID	0x43534c47	/* "CSLG" */
#define LEDGER_CONTEXT		"crowdshare ledger v1"
#define LEDGER_POINTS		"points"
#define LEDGER_ACCOUNT_LEN	sizeof(((struct ledger_entry *)NULL)->debit)

/**
 * enum ledger_role - what this node is in a contract; as stored
 */
enum ledger_role {
	LEDGER_BUYER,
	LEDGER_SELLER,
};

/* Statements that are prepared once; their text is in ledgerfile.c. */
enum ledger_sql {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_ENTRY_ADD,
	SQL_ENTRY_SIGN,
	SQL_ACCOUNT_GET,
	SQL_ACCOUNT_ADD,
	SQL_ACCOUNT_SET,
	SQL_ACCOUNT_SETTLE,
	SQL_CONTRACT_ADD,
	SQL_CONTRACT_GET,
	SQL_CONTRACT_SUMS,
	SQL_CONTRACT_EXPIRED,
	SQL_ITEM,
	SQL_ITEMS_OPEN,
	SQL_EARNED_AFTER,
	SQL_PROMISED_SINCE,
	SQL_HEAD_GET,
	SQL_HEAD_SET,
	SQL_LAST,
	SQL_MAX,
};

/**
 * struct ledger_head - where the chain ends
 * @seq: of the last entry, 0: there is none
 * @hash: of the last entry; of the node's key if there is none
 * @signature: over both
 */
struct ledger_head {
	int64_t	seq;
	uint8_t	hash[CS_DIGEST_LEN];
	uint8_t	signature[IDENTITY_SIGNATURE_LEN];
};

/**
 * struct ledger - an open ledger
 * @path: of the database
 * @db: the database
 * @head_fd: the file PATH.head; locked by the one writer; -1 if there is none
 * @identity: signs; NULL: reading only
 * @head: of the chain, with what is not committed yet
 * @committed: of the chain, as committed
 * @group: ledger_begin() was called
 * @failed: and something in the group failed: it was rolled back, nothing more is taken
 * @changes: rows changed on this connection before the call under way
 * @statement: prepared, or NULL: not needed yet
 */
struct ledger {
	char			path[PATH_MAX];
	sqlite3			*db;
	int			head_fd;
	const struct identity	*identity;
	struct ledger_head	head;
	struct ledger_head	committed;
	bool			group;
	bool			failed;
	sqlite3_int64		changes;
	struct sqlite3_stmt	*statement[SQL_MAX];
};

/* One step of the schema: from a version to the next, within a transaction; an SQLite code. */
typedef int (*ledgerfile_step)(struct sqlite3 *db);

int ledgerfile_open(struct ledger *ledger, struct cs_error *error);
void ledgerfile_close(struct ledger *ledger);
int ledgerfile_migrate(struct ledger *ledger, const ledgerfile_step steps[], int count,
		       struct cs_error *error);
int ledgerfile_fail(const struct ledger *ledger, struct cs_error *error);

sqlite3_stmt *ledgerfile_bind(struct ledger *ledger, enum ledger_sql sql, const char *types, ...);
int ledgerfile_row(const struct ledger *ledger, sqlite3_stmt *statement, struct cs_error *error);
int ledgerfile_done(const struct ledger *ledger, sqlite3_stmt *statement, struct cs_error *error);
bool ledgerfile_blob(sqlite3_stmt *statement, int column, void *blob, int len);

int ledgerfile_head_sign(const struct ledger *ledger, struct ledger_head *head);
bool ledgerfile_head_ok(const uint8_t public[IDENTITY_PUBLIC_LEN],
			const struct ledger_head *head);
void ledgerfile_head_write(const struct ledger *ledger);
bool ledgerfile_head_read(const struct ledger *ledger, const uint8_t public[IDENTITY_PUBLIC_LEN],
			  struct ledger_head *head);
int ledgerfile_head_load(struct ledger *ledger, uint8_t public[IDENTITY_PUBLIC_LEN],
			 struct ledger_head *head, struct cs_error *error);
void ledgerfile_genesis(const uint8_t public[IDENTITY_PUBLIC_LEN], uint8_t hash[CS_DIGEST_LEN]);

/* ledger.c, for ledgercheck.c */

/**
 * struct ledger_row - an entry as it stands in the database
 * @entry: as it is read back
 * @hash: of it and all before
 * @signature: over @hash, if @signed_here
 * @signed_here: it was the last one of a transaction
 * @contract: row of its contract, 0: none
 * @role: enum ledger_role in that contract
 * @debit: row of the account
 * @credit: row of the account
 */
struct ledger_row {
	struct ledger_entry	entry;
	uint8_t			hash[CS_DIGEST_LEN];
	uint8_t			signature[IDENTITY_SIGNATURE_LEN];
	bool			signed_here;
	int64_t			contract;
	int			role;
	int64_t			debit;
	int64_t			credit;
};

extern const char ledger_rows_sql[];
bool ledger_row_read(sqlite3_stmt *statement, struct ledger_row *row);
int ledger_entry_hash(const uint8_t before[CS_DIGEST_LEN], const struct ledger_entry *entry,
		      uint8_t hash[CS_DIGEST_LEN]);
void ledger_accounts(enum ledger_kind kind, enum ledger_role role,
		     const uint8_t peer[CS_ADDR_LEN], char debit[LEDGER_ACCOUNT_LEN],
		     char credit[LEDGER_ACCOUNT_LEN]);
/* columns: body, buyer_signature, seller_signature, from @column on */
int ledger_contract_read(const struct ledger *ledger, sqlite3_stmt *statement, int column,
			 struct contract *contract, struct cs_error *error);

/* ledgercheck.c, for ledger.c */
int ledgercheck_head(struct ledger *ledger, const uint8_t public[IDENTITY_PUBLIC_LEN],
		     int64_t *bad, struct cs_error *error);

#endif /* CSD_LEDGERFILE_H */
