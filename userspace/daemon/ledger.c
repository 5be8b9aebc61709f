// SPDX-License-Identifier: GPL-2.0
/*
 * The ledger: promised, earned and settled points, in millipoints, double entry.
 *
 * An entry moves an amount out of the account that it debits into the one that it credits, so the
 * sum over all accounts is always 0. PEER stands for the other party's address.
 *
 *	this node sells (relays for PEER)
 *	sold:PEER	what PEER bought of it by contract, less what lapsed	never above 0
 *	expected:PEER	of that, what is not earned yet				never below 0
 *	receivable:PEER	what was earned and PEER has not paid yet		never below 0
 *
 *	this node buys (PEER relays for it)
 *	bought:PEER	what it bought of PEER by contract, less what lapsed	never below 0
 *	promised:PEER	of that, what is not earned yet				never above 0
 *	payable:PEER	what PEER earned and was not paid yet			never above 0
 *
 *	points		what was paid to this node, less what it paid
 *
 *			selling				buying
 *	promised	sold -> expected		promised -> bought
 *	earned		expected -> receivable		payable -> promised
 *	lapsed		expected -> sold		bought -> promised
 *	settled		receivable -> points		points -> payable
 *
 * A message of a contract is promised, then either earned, once, or lapsed. Payments are of amounts
 * and settle what was earned in the order in which it was.
 *
 * Entries are chained: each holds SHA-512 over the hash of the one before it and over all of itself
 * (ledger_entry_hash()). The last one of each transaction also holds this node's signature over
 * that, which so covers all before it; a signature for each would take most of the time and say
 * nothing more. The head of the chain is signed too, in a context of its own, in the database and
 * in PATH.head (ledgerfile.c): who cuts off the end must have kept an older head. What can't be
 * noticed from inside: an older copy of everything that is put back, database and PATH.head, was
 * right once and still is. Only the other parties of the contracts, the control centre, or a head
 * kept elsewhere tell.
 *
 * One process with one thread writes; see ledgerfile.c. A call is a transaction of its own or part
 * of a group: all it does is on the disk when it, or ledger_commit(), returns 0, and nothing of it
 * is there otherwise.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ledgerfile.h"
#include "lib/message.h"

#define LAPSE_MAX	4096	/* entries of one ledger_lapse(): some ten milliseconds */

/**
 * struct account - an account that an entry touches
 * @id: row, 0: not made yet
 * @name: of it
 * @balance: millipoints
 * @through: see step_1() in ledgerfile.c
 * @rest: likewise
 */
struct account {
	int64_t	id;
	char	name[LEDGER_ACCOUNT_LEN];
	int64_t	balance;
	int64_t	through;
	int64_t	rest;
};

/* ---- entries ---- */

static void account_name(char name[LEDGER_ACCOUNT_LEN], const char *what,
			 const uint8_t peer[CS_ADDR_LEN])
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(AF_INET6, peer, text, sizeof(text));
	snprintf(name, LEDGER_ACCOUNT_LEN, "%s:%s", what, text);
}

/* Which accounts an entry moves points between. */
void ledger_accounts(enum ledger_kind kind, enum ledger_role role,
		     const uint8_t peer[CS_ADDR_LEN], char debit[LEDGER_ACCOUNT_LEN],
		     char credit[LEDGER_ACCOUNT_LEN])
{
	static const char *const names[][2][2] = {
		[LEDGER_PROMISED] = { { "promised", "bought" }, { "sold", "expected" } },
		[LEDGER_EARNED] = { { "payable", "promised" }, { "expected", "receivable" } },
		[LEDGER_LAPSED] = { { "bought", "promised" }, { "expected", "sold" } },
		[LEDGER_SETTLED] = { { NULL, "payable" }, { "receivable", NULL } },
	};
	const char *const *name = names[kind][role];

	if (name[0])
		account_name(debit, name[0], peer);
	else
		strcpy(debit, LEDGER_POINTS);
	if (name[1])
		account_name(credit, name[1], peer);
	else
		strcpy(credit, LEDGER_POINTS);
}

static uint8_t *put_be64(uint8_t *p, uint64_t value)
{
	value = htobe64(value);
	return mempcpy(p, &value, sizeof(value));
}

static uint8_t *put_text(uint8_t *p, const char *text)
{
	size_t len = strlen(text);

	*p++ = len;
	return mempcpy(p, text, len);
}

/**
 * ledger_entry_hash() - chain an entry to the one before it
 * @before: the hash of that
 * @entry: the entry
 * @hash: gets its hash: SHA-512 over @before, seq, time, amount (8 bytes each, big-endian), kind
 *	(1 byte), peer, contract, digest, and the names of the accounts debited and credited, each
 *	after a byte with its length
 *
 * Return: 0 or -EIO.
 */
int ledger_entry_hash(const uint8_t before[CS_DIGEST_LEN], const struct ledger_entry *entry,
		      uint8_t hash[CS_DIGEST_LEN])
{
	uint8_t input[CS_DIGEST_LEN + 25 + CS_ADDR_LEN + CONTRACT_UID_LEN + CS_DIGEST_LEN +
		      2 * (1 + sizeof(entry->debit))], *p;

	p = mempcpy(input, before, CS_DIGEST_LEN);
	p = put_be64(p, entry->seq);
	p = put_be64(p, entry->time);
	p = put_be64(p, entry->amount);
	*p++ = entry->kind;
	p = mempcpy(p, entry->peer, CS_ADDR_LEN);
	p = mempcpy(p, entry->contract, CONTRACT_UID_LEN);
	p = mempcpy(p, entry->digest, CS_DIGEST_LEN);
	p = put_text(p, entry->debit);
	p = put_text(p, entry->credit);
	return cs_sha512(input, p - input, hash) ? -EIO : 0;
}

/* What all who read entries select; ledger_row_read() takes its rows apart. */
const char ledger_rows_sql[] =
	"SELECT e.seq, e.time, e.kind, e.peer, e.contract, c.uid, e.digest, d.name, k.name,"
	" e.amount, e.hash, e.signature, e.debit, e.credit, c.role FROM entries e"
	" LEFT JOIN contracts c ON c.id = e.contract LEFT JOIN accounts d ON d.id = e.debit"
	" LEFT JOIN accounts k ON k.id = e.credit WHERE e.time >= ?1 ORDER BY e.seq";

static bool read_text(sqlite3_stmt *statement, int column, char text[LEDGER_ACCOUNT_LEN])
{
	const char *from = (const char *)sqlite3_column_text(statement, column);
	size_t len = from ? strlen(from) : 0;

	if (!len || len >= LEDGER_ACCOUNT_LEN ||
	    len != (size_t)sqlite3_column_bytes(statement, column))
		return false;
	memcpy(text, from, len + 1);
	return true;
}

/* False if a row is not what this program would write; then only its seq is right. */
bool ledger_row_read(sqlite3_stmt *statement, struct ledger_row *row)
{
	struct ledger_entry *entry = &row->entry;
	int kind;

	memset(row, 0, sizeof(*row));
	row->signed_here = sqlite3_column_bytes(statement, 11);
	entry->seq = sqlite3_column_int64(statement, 0);
	entry->time = sqlite3_column_int64(statement, 1);
	kind = sqlite3_column_int(statement, 2);
	entry->kind = kind;
	entry->amount = sqlite3_column_int64(statement, 9);
	row->debit = sqlite3_column_int64(statement, 12);
	row->credit = sqlite3_column_int64(statement, 13);
	row->contract = sqlite3_column_int64(statement, 4);
	row->role = sqlite3_column_int(statement, 14);
	if (sqlite3_column_type(statement, 4) != SQLITE_NULL) {
		if (!row->contract ||
		    !ledgerfile_blob(statement, 5, entry->contract, CONTRACT_UID_LEN) ||
		    !ledgerfile_blob(statement, 6, entry->digest, CS_DIGEST_LEN))
			return false;
	} else if (sqlite3_column_type(statement, 6) != SQLITE_NULL) {
		return false;
	}
	return kind >= LEDGER_PROMISED && kind <= LEDGER_SETTLED && entry->amount >= 0 &&
	       (row->role == LEDGER_BUYER || row->role == LEDGER_SELLER) &&
	       ledgerfile_blob(statement, 3, entry->peer, CS_ADDR_LEN) &&
	       read_text(statement, 7, entry->debit) && read_text(statement, 8, entry->credit) &&
	       ledgerfile_blob(statement, 10, row->hash, CS_DIGEST_LEN) &&
	       (!row->signed_here ||
		ledgerfile_blob(statement, 11, row->signature, IDENTITY_SIGNATURE_LEN));
}

static int add_entry(struct ledger *ledger, const struct ledger_row *row, struct cs_error *error)
{
	bool item = row->contract;
	sqlite3_stmt *statement;

	statement = ledgerfile_bind(ledger, SQL_ENTRY_ADD, item ? "iiibibiiib" : "iiibIBiiib",
				    row->entry.seq, row->entry.time, (int64_t)row->entry.kind,
				    row->entry.peer, (size_t)CS_ADDR_LEN, row->contract,
				    row->entry.digest, (size_t)CS_DIGEST_LEN, row->debit,
				    row->credit, row->entry.amount, row->hash,
				    (size_t)CS_DIGEST_LEN);
	return ledgerfile_done(ledger, statement, error);
}

/* Number, chain and write an entry; all else in @row is set. */
static int post(struct ledger *ledger, struct ledger_row *row, struct cs_error *error)
{
	int rc;

	row->entry.seq = ledger->head.seq + 1;
	if (ledger_entry_hash(ledger->head.hash, &row->entry, row->hash))
		return cs_error_set(error, -EIO, "ledger '%s': OpenSSL can't hash", ledger->path);
	rc = add_entry(ledger, row, error);
	if (rc)
		return rc;
	ledger->head.seq = row->entry.seq;
	memcpy(ledger->head.hash, row->hash, CS_DIGEST_LEN);
	return 0;
}

/* ---- transactions ---- */

static void rollback(struct ledger *ledger)
{
	/* SQLite has done it by itself after some failures */
	if (!sqlite3_get_autocommit(ledger->db))
		ledgerfile_done(ledger, ledgerfile_bind(ledger, SQL_ROLLBACK, ""), NULL);
	ledger->head = ledger->committed;
}

/* The last entry, and the head of the chain. */
static int sign(struct ledger *ledger, struct cs_error *error)
{
	struct ledger_head *head = &ledger->head;
	uint8_t signature[IDENTITY_SIGNATURE_LEN];
	int rc;

	if (identity_sign(ledger->identity, LEDGER_CONTEXT, head->hash, CS_DIGEST_LEN, signature) ||
	    ledgerfile_head_sign(ledger, head))
		return cs_error_set(error, -EIO, "ledger '%s': the identity can't sign",
				    ledger->path);
	rc = ledgerfile_done(ledger, ledgerfile_bind(ledger, SQL_ENTRY_SIGN, "ib", head->seq,
						     signature, sizeof(signature)), error);
	if (rc)
		return rc;
	return ledgerfile_done(ledger, ledgerfile_bind(ledger, SQL_HEAD_SET, "bibb",
					ledger->identity->public, (size_t)IDENTITY_PUBLIC_LEN,
					head->seq, head->hash, (size_t)CS_DIGEST_LEN,
					head->signature, (size_t)IDENTITY_SIGNATURE_LEN), error);
}

static int commit(struct ledger *ledger, struct cs_error *error)
{
	bool changed = ledger->head.seq != ledger->committed.seq;
	int rc;

	rc = changed ? sign(ledger, error) : 0;
	if (!rc)
		rc = ledgerfile_done(ledger, ledgerfile_bind(ledger, SQL_COMMIT, ""), error);
	if (rc) {
		rollback(ledger);
		return rc;
	}
	ledger->committed = ledger->head;
	if (changed)
		ledgerfile_head_write(ledger);
	return 0;
}

/* A call that writes begins here and ends in end(). */
static int begin(struct ledger *ledger, int64_t now, struct cs_error *error)
{
	if (!ledger->identity)
		return cs_error_set(error, -EROFS, "ledger '%s' is open for reading only",
				    ledger->path);
	if (now < 0)
		return cs_error_set(error, -EINVAL, "ledger '%s': %" PRId64 " is no time",
				    ledger->path, now);
	if (ledger->failed)
		return cs_error_set(error, -ECANCELED,
				    "ledger '%s': an earlier part of this group failed, so all of "
				    "it was taken back",
				    ledger->path);
	ledger->changes = sqlite3_total_changes64(ledger->db);
	if (ledger->group)
		return 0;
	return ledgerfile_done(ledger, ledgerfile_bind(ledger, SQL_BEGIN, ""), error);
}

/* Half a call is never kept. In a group, what was refused before it wrote anything hurts nobody. */
static int end(struct ledger *ledger, int rc, struct cs_error *error)
{
	if (!ledger->group) {
		if (!rc)
			return commit(ledger, error);
		rollback(ledger);
		return rc;
	}
	if (rc && (sqlite3_total_changes64(ledger->db) != ledger->changes ||
		   sqlite3_get_autocommit(ledger->db))) {
		rollback(ledger);
		ledger->failed = true;
	}
	return rc;
}

/**
 * ledger_begin() - begin a group: what is recorded until ledger_commit() is committed as one
 * @ledger: open for writing
 * @error: gets the reason
 *
 * Return: 0, -EALREADY if a group was begun, another negative errno.
 */
int ledger_begin(struct ledger *ledger, struct cs_error *error)
{
	int rc;

	if (ledger->group)
		return cs_error_set(error, -EALREADY, "ledger '%s': a group was begun already",
				    ledger->path);
	rc = begin(ledger, 0, error);
	ledger->group = !rc;
	return rc;
}

/**
 * ledger_commit() - commit the group
 * @ledger: whose group ends, in any case
 * @error: gets the reason
 *
 * Return: 0: all of it is on the disk. -EINVAL if there is no group. -ECANCELED if a call in it
 * failed after it had written, another negative errno if committing does: nothing of it is there.
 */
int ledger_commit(struct ledger *ledger, struct cs_error *error)
{
	bool failed = ledger->failed;

	if (!ledger->group)
		return cs_error_set(error, -EINVAL, "ledger '%s': no group was begun",
				    ledger->path);
	ledger->group = false;
	ledger->failed = false;
	if (failed)
		return cs_error_set(error, -ECANCELED,
				    "ledger '%s': a part of this group failed, so all of it was "
				    "taken back",
				    ledger->path);
	return commit(ledger, error);
}

/**
 * ledger_rollback() - take the group back
 * @ledger: whose group ends, if there is one
 */
void ledger_rollback(struct ledger *ledger)
{
	if (ledger->group)
		rollback(ledger);
	ledger->group = false;
	ledger->failed = false;
}

/* ---- accounts ---- */

/* An account by @account->name; one that does not exist is empty. */
static int find_account(struct ledger *ledger, struct account *account, struct cs_error *error)
{
	sqlite3_stmt *statement = ledgerfile_bind(ledger, SQL_ACCOUNT_GET, "t", account->name);
	int rc = ledgerfile_row(ledger, statement, error);

	account->id = 0;
	account->balance = 0;
	account->through = 0;
	account->rest = 0;
	if (rc <= 0)
		return rc;
	account->id = sqlite3_column_int64(statement, 0);
	account->balance = sqlite3_column_int64(statement, 1);
	account->through = sqlite3_column_int64(statement, 2);
	account->rest = sqlite3_column_int64(statement, 3);
	sqlite3_reset(statement);
	return 0;
}

static int write_account(struct ledger *ledger, struct account *account, struct cs_error *error)
{
	int rc;

	if (account->id)
		return ledgerfile_done(ledger, ledgerfile_bind(ledger, SQL_ACCOUNT_SET, "ii",
							       account->id, account->balance),
				       error);
	rc = ledgerfile_done(ledger, ledgerfile_bind(ledger, SQL_ACCOUNT_ADD, "ti", account->name,
						     account->balance), error);
	account->id = sqlite3_last_insert_rowid(ledger->db);
	return rc;
}

/* Move @amount between two accounts; refused before anything is written. */
static int transfer(struct ledger *ledger, struct account *debit, struct account *credit,
		    int64_t amount, struct cs_error *error)
{
	int rc;

	if (__builtin_sub_overflow(debit->balance, amount, &debit->balance) ||
	    __builtin_add_overflow(credit->balance, amount, &credit->balance))
		return cs_error_set(error, -ERANGE,
				    "ledger '%s': %" PRId64 " millipoints more do not fit account "
				    "%s or %s",
				    ledger->path, amount, debit->name, credit->name);
	rc = write_account(ledger, debit, error);
	return rc ? rc : write_account(ledger, credit, error);
}

/* The two accounts of an entry of @kind, and @total moved between them; names and rows in @row. */
static int move(struct ledger *ledger, struct ledger_row *row, enum ledger_kind kind,
		int64_t total, struct cs_error *error)
{
	struct account debit, credit;
	int rc;

	ledger_accounts(kind, row->role, row->entry.peer, debit.name, credit.name);
	rc = find_account(ledger, &debit, error);
	if (!rc)
		rc = find_account(ledger, &credit, error);
	if (!rc)
		rc = transfer(ledger, &debit, &credit, total, error);
	if (rc)
		return rc;
	row->entry.kind = kind;
	row->debit = debit.id;
	row->credit = credit.id;
	memcpy(row->entry.debit, debit.name, LEDGER_ACCOUNT_LEN);
	memcpy(row->entry.credit, credit.name, LEDGER_ACCOUNT_LEN);
	return 0;
}

/* ---- open and close ---- */

/**
 * ledger_open() - open a ledger, or make it
 * @ledger: gets it
 * @path: of the database; beside it stand @path-wal, @path-shm and @path.head
 * @identity: signs entries, and must stay; NULL opens for reading only
 * @error: gets the reason, and what to do
 *
 * Return: 0; -EBUSY if another process writes it; -EUCLEAN if it is damaged or its end was cut off,
 * -EPERM if it is another node's, -EINVAL if it is no ledger, -EOPNOTSUPP if its version is not
 * known: it is left as it is then; -ENOENT if there is none to read; another negative errno.
 */
int ledger_open(struct ledger **ledger, const char *path, const struct identity *identity,
		struct cs_error *error)
{
	struct ledger *new;
	int64_t bad;
	int rc;

	*ledger = NULL;
	if (strlen(path) >= sizeof(new->path) - 8)
		return cs_error_set(error, -ENAMETOOLONG, "ledger: its path is too long");
	new = calloc(1, sizeof(*new));
	if (!new)
		return cs_error_set(error, -ENOMEM, "ledger '%s': no memory", path);
	strcpy(new->path, path);
	new->identity = identity;
	new->head_fd = -1;
	rc = ledgerfile_open(new, error);
	if (!rc && identity)
		rc = ledgercheck_head(new, identity->public, &bad, error);
	if (rc) {
		ledgerfile_close(new);
		free(new);
		return rc == -EBADMSG || rc == -ENODATA ? -EUCLEAN : rc;
	}
	if (identity) {
		new->committed = new->head;
		sqlite3_db_config(new->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
		ledgerfile_head_write(new);
	}
	*ledger = new;
	return 0;
}

/**
 * ledger_close() - close a ledger; a group that was not committed is taken back
 * @ledger: may be NULL
 */
void ledger_close(struct ledger *ledger)
{
	if (!ledger)
		return;
	ledger_rollback(ledger);
	ledgerfile_close(ledger);
	free(ledger);
}

/* ---- promise, earn, lapse, settle ---- */

static int add_contract(struct ledger *ledger, const struct contract *contract,
			const struct ledger_row *row, int64_t total, struct cs_error *error)
{
	sqlite3_stmt *statement;

	statement = ledgerfile_bind(ledger, SQL_CONTRACT_ADD, "biiiiibbb", row->entry.contract,
				    (size_t)CONTRACT_UID_LEN, (int64_t)row->role, row->entry.time,
				    (int64_t)contract->expiry, (int64_t)contract->nr_items, total,
				    contract->body, contract->body_len, contract->buyer_signature,
				    (size_t)IDENTITY_SIGNATURE_LEN, contract->seller_signature,
				    (size_t)IDENTITY_SIGNATURE_LEN);
	return ledgerfile_done(ledger, statement, error);
}

/* Row and role of a contract by its uid: 1, 0: there is none. */
static int find_contract(struct ledger *ledger, const uint8_t uid[CONTRACT_UID_LEN],
			 struct ledger_row *row, struct cs_error *error)
{
	sqlite3_stmt *statement = ledgerfile_bind(ledger, SQL_CONTRACT_GET, "b", uid,
						  (size_t)CONTRACT_UID_LEN);
	int rc = ledgerfile_row(ledger, statement, error);

	if (rc > 0) {
		row->contract = sqlite3_column_int64(statement, 0);
		row->role = sqlite3_column_int(statement, 1) == LEDGER_SELLER ? LEDGER_SELLER :
										LEDGER_BUYER;
		memcpy(row->entry.contract, uid, CONTRACT_UID_LEN);
		sqlite3_reset(statement);
	}
	return rc;
}

static int promise(struct ledger *ledger, const struct contract *contract, struct ledger_row *row,
		   int64_t total, struct cs_error *error)
{
	uint64_t amount = 0;
	size_t i;
	int rc;

	rc = find_contract(ledger, row->entry.contract, row, error);
	if (rc > 0)
		return cs_error_set(error, -EALREADY, "ledger '%s' has this contract already",
				    ledger->path);
	if (!rc)
		rc = move(ledger, row, LEDGER_PROMISED, total, error);
	if (!rc)
		rc = add_contract(ledger, contract, row, total, error);
	row->contract = sqlite3_last_insert_rowid(ledger->db);
	for (i = 0; !rc && i < contract->nr_items; i++) {
		/* can't overflow: the total didn't */
		contract_amount(contract->rate, contract->items[i].size, &amount);
		row->entry.amount = amount;
		memcpy(row->entry.digest, contract->items[i].digest, CS_DIGEST_LEN);
		rc = post(ledger, row, error);
	}
	return rc;
}

/**
 * ledger_promise() - record a contract that both signed, and promise each of its messages
 * @ledger: of one of the two
 * @contract: with body and both signatures
 * @now: Unix seconds
 * @error: gets the reason
 *
 * Return: 0; -EALREADY if the ledger has it; -EPERM if it is between others; -EBADMSG if it is not
 * what both signed; -ETIME if it has expired; -ERANGE if an account would overflow; -EINVAL, or
 * what else the file says. Nothing is recorded unless 0.
 */
int ledger_promise(struct ledger *ledger, const struct contract *contract, int64_t now,
		   struct cs_error *error)
{
	struct ledger_row row = { .entry.time = now };
	const uint8_t *peer = contract->seller;
	uint64_t total = 0;
	int rc;

	rc = contract_verify(contract, error);
	if (!rc)
		rc = contract_total(contract, &total);
	if (!rc)
		rc = begin(ledger, now, error);
	if (rc)
		return rc;
	if (!memcmp(contract->seller, ledger->identity->public, IDENTITY_PUBLIC_LEN)) {
		row.role = LEDGER_SELLER;
		peer = contract->buyer;
	} else if (memcmp(contract->buyer, ledger->identity->public, IDENTITY_PUBLIC_LEN)) {
		rc = cs_error_set(error, -EPERM, "ledger '%s': the contract is between others",
				  ledger->path);
	}
	if (!rc && contract->expiry <= (uint64_t)now)
		rc = cs_error_set(error, -ETIME, "ledger '%s': the contract has expired",
				  ledger->path);
	identity_address(peer, row.entry.peer);
	contract_uid(contract, row.entry.contract);
	if (!rc)
		rc = promise(ledger, contract, &row, total, error);
	return end(ledger, rc, error);
}

/**
 * struct item - a message of a contract, by its entries
 * @promised: it is in the contract
 * @state: what became of it
 * @amount: millipoints
 * @peer: the other party
 */
struct item {
	bool			promised;
	enum ledger_state	state;
	int64_t			amount;
	uint8_t			peer[CS_ADDR_LEN];
};

static int find_item(struct ledger *ledger, int64_t contract, const uint8_t digest[CS_DIGEST_LEN],
		     struct item *item, struct cs_error *error)
{
	sqlite3_stmt *statement = ledgerfile_bind(ledger, SQL_ITEM, "ib", contract, digest,
						  (size_t)CS_DIGEST_LEN);
	int rc, kind;

	memset(item, 0, sizeof(*item));
	while ((rc = ledgerfile_row(ledger, statement, error)) > 0) {
		kind = sqlite3_column_int(statement, 0);
		item->amount = sqlite3_column_int64(statement, 2);
		if (!ledgerfile_blob(statement, 3, item->peer, CS_ADDR_LEN)) {
			sqlite3_reset(statement);
			return cs_error_set(error, -EUCLEAN, "ledger '%s': entry %lld is damaged",
					    ledger->path, sqlite3_column_int64(statement, 1));
		}
		if (kind == LEDGER_PROMISED)
			item->promised = true;
		else if (kind == LEDGER_LAPSED)
			item->state = LEDGER_STATE_LAPSED;
		else if (sqlite3_column_int64(statement, 1) <= sqlite3_column_int64(statement, 4))
			item->state = LEDGER_STATE_SETTLED;
		else
			item->state = LEDGER_STATE_EARNED;
	}
	return rc;
}

/* The contract and one of its messages, or -ENOENT. */
static int find_both(struct ledger *ledger, const uint8_t uid[CONTRACT_UID_LEN],
		     const uint8_t digest[CS_DIGEST_LEN], struct ledger_row *row,
		     struct item *item, struct cs_error *error)
{
	int rc = find_contract(ledger, uid, row, error);

	if (!rc)
		return cs_error_set(error, -ENOENT, "ledger '%s' has no such contract",
				    ledger->path);
	if (rc > 0)
		rc = find_item(ledger, row->contract, digest, item, error);
	if (!rc && !item->promised)
		rc = cs_error_set(error, -ENOENT,
				  "ledger '%s': this message is not in the contract", ledger->path);
	return rc;
}

/* What is no longer open in a contract. */
static int close_items(struct ledger *ledger, int64_t contract, int64_t items, int64_t earned,
		       int64_t lapsed, struct cs_error *error)
{
	return ledgerfile_done(ledger, ledgerfile_bind(ledger, SQL_CONTRACT_SUMS, "iiii", contract,
						       items, earned, lapsed), error);
}

static int earn(struct ledger *ledger, const uint8_t uid[CONTRACT_UID_LEN],
		const uint8_t digest[CS_DIGEST_LEN], struct ledger_row *row,
		struct cs_error *error)
{
	struct item item;
	int rc;

	rc = find_both(ledger, uid, digest, row, &item, error);
	if (rc)
		return rc;
	if (item.state == LEDGER_STATE_LAPSED)
		return cs_error_set(error, -ETIME,
				    "ledger '%s': this message was promised, but the contract has "
				    "expired",
				    ledger->path);
	if (item.state != LEDGER_STATE_PROMISED)
		return cs_error_set(error, -EALREADY,
				    "ledger '%s': this message of the contract is earned already",
				    ledger->path);
	memcpy(row->entry.peer, item.peer, CS_ADDR_LEN);
	memcpy(row->entry.digest, digest, CS_DIGEST_LEN);
	row->entry.amount = item.amount;
	rc = move(ledger, row, LEDGER_EARNED, item.amount, error);
	if (!rc)
		rc = close_items(ledger, row->contract, 1, item.amount, 0, error);
	return rc ? rc : post(ledger, row, error);
}

/**
 * ledger_earn() - record that a message of a contract was delivered: a receipt came
 * @ledger: of the buyer or the seller
 * @uid: of the contract
 * @digest: of the message
 * @now: Unix seconds
 * @error: gets the reason
 *
 * After the contract has expired a message is still earned until ledger_lapse() takes it back:
 * receipts take their time, and who calls that decides how long.
 *
 * Return: 0; -ENOENT if there is no such contract or message in it; -EALREADY if it was earned;
 * -ETIME if it has lapsed; or what else the file says. Nothing changes unless 0.
 */
int ledger_earn(struct ledger *ledger, const uint8_t uid[CONTRACT_UID_LEN],
		const uint8_t digest[CS_DIGEST_LEN], int64_t now, struct cs_error *error)
{
	struct ledger_row row = { .entry.time = now };
	int rc = begin(ledger, now, error);

	return rc ? rc : end(ledger, earn(ledger, uid, digest, &row, error), error);
}

/**
 * struct open_items - what is open in a contract
 * @count: of @item
 * @total: of their amounts
 * @peer: the other party
 * @item: each of them
 */
struct open_items {
	size_t	count;
	int64_t	total;
	uint8_t	peer[CS_ADDR_LEN];
	struct {
		uint8_t	digest[CS_DIGEST_LEN];
		int64_t	amount;
	}	item[CONTRACT_ITEMS_MAX];
};

/* Collected first: rows that are written while they are read may come again. */
static int find_open(struct ledger *ledger, int64_t contract, struct open_items *open,
		     struct cs_error *error)
{
	sqlite3_stmt *statement = ledgerfile_bind(ledger, SQL_ITEMS_OPEN, "i", contract);
	int rc;

	open->count = 0;
	open->total = 0;
	while ((rc = ledgerfile_row(ledger, statement, error)) > 0) {
		int64_t amount = sqlite3_column_int64(statement, 1);

		if (open->count == CONTRACT_ITEMS_MAX ||
		    __builtin_add_overflow(open->total, amount, &open->total) ||
		    !ledgerfile_blob(statement, 0, open->item[open->count].digest,
				     CS_DIGEST_LEN) ||
		    !ledgerfile_blob(statement, 2, open->peer, CS_ADDR_LEN)) {
			sqlite3_reset(statement);
			return cs_error_set(error, -EUCLEAN,
					    "ledger '%s': contract %" PRId64 " is damaged; see "
					    "crowdshare ledger verify",
					    ledger->path, contract);
		}
		open->item[open->count++].amount = amount;
	}
	return rc;
}

static int lapse_contract(struct ledger *ledger, struct ledger_row *row, struct open_items *open,
			  struct cs_error *error)
{
	size_t i;
	int rc;

	rc = find_open(ledger, row->contract, open, error);
	if (rc)
		return rc;
	if (!open->count)
		return cs_error_set(error, -EUCLEAN,
				    "ledger '%s': contract %" PRId64 " has nothing open, though "
				    "it says so; see crowdshare ledger verify",
				    ledger->path, row->contract);
	memcpy(row->entry.peer, open->peer, CS_ADDR_LEN);
	rc = move(ledger, row, LEDGER_LAPSED, open->total, error);
	if (!rc)
		rc = close_items(ledger, row->contract, open->count, 0, open->total, error);
	for (i = 0; !rc && i < open->count; i++) {
		memcpy(row->entry.digest, open->item[i].digest, CS_DIGEST_LEN);
		row->entry.amount = open->item[i].amount;
		rc = post(ledger, row, error);
	}
	return rc;
}

/* The contract that expired first and has something open: 1, 0: there is none. */
static int find_expired(struct ledger *ledger, struct ledger_row *row, struct cs_error *error)
{
	sqlite3_stmt *statement = ledgerfile_bind(ledger, SQL_CONTRACT_EXPIRED, "i",
						  row->entry.time);
	int rc = ledgerfile_row(ledger, statement, error);

	if (rc <= 0)
		return rc;
	row->contract = sqlite3_column_int64(statement, 0);
	row->role = sqlite3_column_int(statement, 2) == LEDGER_SELLER ? LEDGER_SELLER :
									LEDGER_BUYER;
	if (!ledgerfile_blob(statement, 1, row->entry.contract, CONTRACT_UID_LEN))
		rc = cs_error_set(error, -EUCLEAN, "ledger '%s': contract %" PRId64 " is damaged",
				  ledger->path, row->contract);
	sqlite3_reset(statement);
	return rc;
}

/**
 * ledger_lapse() - take back what was promised and not earned in contracts that have expired
 * @ledger: open for writing
 * @now: Unix seconds
 * @error: gets the reason
 *
 * At most some 4,096 entries are made, so that the event loop does not stand still; the rest is
 * for the next call.
 *
 * Return: 0 or a negative errno.
 */
int ledger_lapse(struct ledger *ledger, int64_t now, struct cs_error *error)
{
	struct ledger_row row = { .entry.time = now };
	struct open_items *open;
	size_t done = 0;
	int rc;

	open = malloc(sizeof(*open));
	if (!open)
		return cs_error_set(error, -ENOMEM, "ledger '%s': no memory", ledger->path);
	rc = begin(ledger, now, error);
	if (rc) {
		free(open);
		return rc;
	}
	while (!rc && done < LAPSE_MAX) {
		rc = find_expired(ledger, &row, error);
		if (rc <= 0)
			break;
		rc = lapse_contract(ledger, &row, open, error);
		done += open->count;
	}
	free(open);
	return end(ledger, rc, error);
}

/* How far what was paid goes, in the order of earning. */
static int settle_items(struct ledger *ledger, struct account *account,
			const uint8_t peer[CS_ADDR_LEN], int64_t amount, struct cs_error *error)
{
	sqlite3_stmt *statement;
	int64_t rest;
	int rc;

	if (__builtin_add_overflow(account->rest, amount, &rest))
		return cs_error_set(error, -ERANGE, "ledger '%s': %" PRId64 " millipoints do not "
						    "fit",
				    ledger->path, amount);
	statement = ledgerfile_bind(ledger, SQL_EARNED_AFTER, "bii", peer, (size_t)CS_ADDR_LEN,
				    account->through, account->id);
	while ((rc = ledgerfile_row(ledger, statement, error)) > 0) {
		if (sqlite3_column_int64(statement, 1) > rest)
			break;
		rest -= sqlite3_column_int64(statement, 1);
		account->through = sqlite3_column_int64(statement, 0);
	}
	if (rc < 0)
		return rc;
	sqlite3_reset(statement);
	return ledgerfile_done(ledger, ledgerfile_bind(ledger, SQL_ACCOUNT_SETTLE, "iii",
						       account->id, account->through, rest), error);
}

static int settle(struct ledger *ledger, struct ledger_row *row, struct cs_error *error)
{
	bool sells = row->role == LEDGER_SELLER;
	char unused[LEDGER_ACCOUNT_LEN];
	struct account account;
	int64_t due;
	int rc;

	ledger_accounts(LEDGER_SETTLED, row->role, row->entry.peer, sells ? account.name : unused,
			sells ? unused : account.name);
	rc = find_account(ledger, &account, error);
	if (rc)
		return rc;
	due = sells ? account.balance : -account.balance;
	if (row->entry.amount > due)
		return cs_error_set(error, -ERANGE,
				    "ledger '%s': %" PRId64 " millipoints are more than the "
				    "%" PRId64 " of account %s",
				    ledger->path, row->entry.amount, due, account.name);
	rc = move(ledger, row, LEDGER_SETTLED, row->entry.amount, error);
	if (!rc)
		rc = settle_items(ledger, &account, row->entry.peer, row->entry.amount, error);
	return rc ? rc : post(ledger, row, error);
}

/**
 * ledger_settle() - record a payment
 * @ledger: open for writing
 * @peer: address of the other party
 * @amount: millipoints: above 0 that @peer paid to this node, below 0 that this node paid to it
 * @now: Unix seconds
 * @error: gets the reason
 *
 * A payment settles what was earned and not paid yet, the earliest first, and is never more than
 * that; so the sign says in which of two accounts it is, that of what @peer owes or that of what
 * this node owes, and is no correction: the one never undoes the other. A payment that was recorded
 * stays recorded, as all that is in the chain. One that was recorded too small is followed by the
 * rest; one that was recorded too large by as much less the next time, when more has been earned.
 *
 * Return: 0; -ERANGE if it is more than was earned and not paid yet; -EINVAL if it is nothing; or
 * what else the file says.
 */
int ledger_settle(struct ledger *ledger, const uint8_t peer[CS_ADDR_LEN], int64_t amount,
		  int64_t now, struct cs_error *error)
{
	struct ledger_row row = { .entry.time = now, .role = LEDGER_SELLER };
	int rc = begin(ledger, now, error);

	if (rc)
		return rc;
	if (amount < 0) {
		row.role = LEDGER_BUYER;
		if (__builtin_sub_overflow(0, amount, &amount))
			rc = cs_error_set(error, -ERANGE, "ledger '%s': the payment does not fit",
					  ledger->path);
	} else if (!amount) {
		rc = cs_error_set(error, -EINVAL, "ledger '%s': a payment of nothing",
				  ledger->path);
	}
	row.entry.amount = amount;
	memcpy(row.entry.peer, peer, CS_ADDR_LEN);
	if (!rc)
		rc = settle(ledger, &row, error);
	return end(ledger, rc, error);
}

/* ---- reading ---- */

int ledger_contract_read(const struct ledger *ledger, sqlite3_stmt *statement, int column,
			 struct contract *contract, struct cs_error *error)
{
	struct cs_error why;
	int rc;

	rc = contract_decode(contract, sqlite3_column_blob(statement, column),
			     sqlite3_column_bytes(statement, column), &why);
	if (rc == -ENOMEM)
		return cs_error_set(error, rc, "ledger '%s': no memory", ledger->path);
	if (rc)
		return cs_error_set(error, -EUCLEAN, "ledger '%s': it is damaged: %s",
				    ledger->path, why.text);
	if (ledgerfile_blob(statement, column + 1, contract->buyer_signature,
			    IDENTITY_SIGNATURE_LEN) &&
	    ledgerfile_blob(statement, column + 2, contract->seller_signature,
			    IDENTITY_SIGNATURE_LEN))
		return 0;
	contract_free(contract);
	return cs_error_set(error, -EUCLEAN, "ledger '%s': a contract has lost its signatures",
			    ledger->path);
}

/**
 * ledger_get() - a contract, as it was recorded
 * @ledger: open
 * @uid: of the contract
 * @contract: gets it, with body and signatures, for contract_free(); empty on failure
 * @error: gets the reason
 *
 * Return: 0, -ENOENT if there is none, -EUCLEAN if the file is damaged, another negative errno.
 */
int ledger_get(struct ledger *ledger, const uint8_t uid[CONTRACT_UID_LEN],
	       struct contract *contract, struct cs_error *error)
{
	sqlite3_stmt *statement = ledgerfile_bind(ledger, SQL_CONTRACT_GET, "b", uid,
						  (size_t)CONTRACT_UID_LEN);
	int rc = ledgerfile_row(ledger, statement, error);

	memset(contract, 0, sizeof(*contract));
	if (!rc)
		return cs_error_set(error, -ENOENT, "ledger '%s' has no such contract",
				    ledger->path);
	if (rc > 0) {
		rc = ledger_contract_read(ledger, statement, 2, contract, error);
		sqlite3_reset(statement);
	}
	return rc;
}

/**
 * ledger_state() - what became of a message of a contract
 * @ledger: open
 * @uid: of the contract
 * @digest: of the message
 * @state: gets it
 * @amount: gets the millipoints
 * @error: gets the reason
 *
 * Return: 0, -ENOENT if there is no such contract or message in it, another negative errno.
 */
int ledger_state(struct ledger *ledger, const uint8_t uid[CONTRACT_UID_LEN],
		 const uint8_t digest[CS_DIGEST_LEN], enum ledger_state *state, int64_t *amount,
		 struct cs_error *error)
{
	struct ledger_row row;
	struct item item;
	int rc;

	rc = find_both(ledger, uid, digest, &row, &item, error);
	if (!rc) {
		*state = item.state;
		*amount = item.amount;
	}
	return rc;
}

/* A statement of its own: what is called back may use the ledger. */
static int select_rows(struct ledger *ledger, const char *sql, int64_t value,
		       sqlite3_stmt **statement, struct cs_error *error)
{
	if (sqlite3_prepare_v2(ledger->db, sql, -1, statement, NULL))
		return ledgerfile_fail(ledger, error);
	if (sqlite3_bind_parameter_count(*statement))
		sqlite3_bind_int64(*statement, 1, value);
	return 0;
}

/**
 * ledger_each() - the entries, oldest first
 * @ledger: open
 * @since: Unix seconds; only those made then or later
 * @cb: called for each; what it returns, unless 0, ends the walk
 * @data: for @cb
 * @error: gets the reason
 *
 * Return: 0, what @cb returned, or a negative errno.
 */
int ledger_each(struct ledger *ledger, int64_t since, ledger_cb cb, void *data,
		struct cs_error *error)
{
	sqlite3_stmt *statement;
	struct ledger_row row;
	int rc;

	rc = select_rows(ledger, ledger_rows_sql, since, &statement, error);
	while (!rc && (rc = ledgerfile_row(ledger, statement, error)) > 0) {
		if (ledger_row_read(statement, &row))
			rc = cb(&row.entry, data);
		else
			rc = cs_error_set(error, -EUCLEAN,
					  "ledger '%s': entry %" PRId64 " is damaged; see "
					  "crowdshare ledger verify",
					  ledger->path, row.entry.seq);
	}
	sqlite3_finalize(statement);
	return rc;
}

/**
 * ledger_contracts() - the contracts, oldest first
 * @ledger: open
 * @live: only those that have not expired and have something open
 * @now: Unix seconds
 * @cb: called for each, with what was promised in all, and how much of that was earned and has
 *	lapsed; what it returns, unless 0, ends the walk
 * @data: for @cb
 * @error: gets the reason
 *
 * Return: 0, what @cb returned, or a negative errno.
 */
int ledger_contracts(struct ledger *ledger, bool live, int64_t now, ledger_contract_cb cb,
		     void *data, struct cs_error *error)
{
	const char *sql = live ?
		"SELECT body, buyer_signature, seller_signature, promised, earned, lapsed"
		" FROM contracts WHERE open > 0 AND expiry > ?1 ORDER BY id" :
		"SELECT body, buyer_signature, seller_signature, promised, earned, lapsed"
		" FROM contracts ORDER BY id";
	struct contract contract;
	sqlite3_stmt *statement;
	int rc;

	rc = select_rows(ledger, sql, now, &statement, error);
	while (!rc && (rc = ledgerfile_row(ledger, statement, error)) > 0) {
		rc = ledger_contract_read(ledger, statement, 0, &contract, error);
		if (rc)
			break;
		rc = cb(&contract, sqlite3_column_int64(statement, 3),
			sqlite3_column_int64(statement, 4), sqlite3_column_int64(statement, 5),
			data);
		contract_free(&contract);
	}
	sqlite3_finalize(statement);
	return rc;
}

/**
 * ledger_balances() - the accounts, by name; the sum over all is 0
 * @ledger: open
 * @cb: called for each; what it returns, unless 0, ends the walk
 * @data: for @cb
 * @error: gets the reason
 *
 * Return: 0, what @cb returned, or a negative errno.
 */
int ledger_balances(struct ledger *ledger, ledger_balance_cb cb, void *data,
		    struct cs_error *error)
{
	sqlite3_stmt *statement;
	const char *name;
	int rc;

	rc = select_rows(ledger, "SELECT name, balance FROM accounts ORDER BY name", 0, &statement,
			 error);
	while (!rc && (rc = ledgerfile_row(ledger, statement, error)) > 0) {
		name = (const char *)sqlite3_column_text(statement, 0);
		rc = cb(name ? name : "", sqlite3_column_int64(statement, 1), data);
	}
	sqlite3_finalize(statement);
	return rc;
}

/**
 * ledger_promised_since() - what this node promised as a buyer, for the budget
 * @ledger: open
 * @since: Unix seconds
 * @amount: gets the millipoints of contracts recorded then or later, lapsed or not; INT64_MAX if
 *	there are more
 * @error: gets the reason
 *
 * Return: 0 or a negative errno.
 */
int ledger_promised_since(struct ledger *ledger, int64_t since, int64_t *amount,
			  struct cs_error *error)
{
	sqlite3_stmt *statement = ledgerfile_bind(ledger, SQL_PROMISED_SINCE, "i", since);
	int rc;

	*amount = 0;
	while ((rc = ledgerfile_row(ledger, statement, error)) > 0) {
		if (__builtin_add_overflow(*amount, sqlite3_column_int64(statement, 0), amount))
			*amount = INT64_MAX;
	}
	return rc;
}
