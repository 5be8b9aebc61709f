// SPDX-License-Identifier: GPL-2.0
/*
 * Is a ledger right? What is known to be right is the node's key; all else follows from the entries
 * that it signed and from the contracts that two nodes signed:
 *
 *	entries		numbered without a gap, each chained to the one before, the last signed,
 *			and some before it
 *	contracts	signed by both; each of their messages promised, once, in their order and at
 *			their price; earned or lapsed once, at that price
 *	accounts	those that the kind of entry says; what may not go below or above 0 does not
 *	head		signed, at the last entry, and not before that of PATH.head
 *	sums		balances, sums of contracts, how far payments go: what the entries yield
 *
 * Order matters: entries are walked first, so that what is named is the first bad entry and not
 * what follows from it. All is read in one transaction; a writer may go on meanwhile.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ledgerfile.h"

/**
 * struct tally - an account, as the entries make it
 * @balance: millipoints
 * @through: seq of the last earning that was settled in full, as the database says
 * @rest: settled beyond that, as the database says
 * @paid: what was settled, less what was earned up to @through; at the end @rest
 * @next: what was earned first after @through, -1: nothing; more than @rest if that is not 0, for
 *	it would be settled too otherwise
 */
struct tally {
	int64_t	balance;
	int64_t	through;
	int64_t	rest;
	int64_t	paid;
	int64_t	next;
};

/**
 * struct walk - the entries, up to where they were walked
 * @ledger: whose they are
 * @public: who must have signed them
 * @seq: of the last one
 * @hash: of the last one
 * @signed_here: the last one is signed
 * @account: by its row
 * @accounts: how many accounts there are; their rows are 1 to this
 * @run: contract whose promises are being walked, empty if none is
 * @run_uid: its uid
 * @run_next: which of its messages is promised next
 * @item: statement that finds the entries of a message
 * @contract: statement that finds a contract
 * @bad: seq of the first bad entry
 * @error: gets the reason
 */
struct walk {
	struct ledger		*ledger;
	const uint8_t		*public;
	int64_t			seq;
	uint8_t			hash[CS_DIGEST_LEN];
	bool			signed_here;
	struct tally		*account;
	int64_t			accounts;
	struct contract		run;
	uint8_t			run_uid[CONTRACT_UID_LEN];
	size_t			run_next;
	sqlite3_stmt		*item;
	sqlite3_stmt		*contract;
	int64_t			*bad;
	struct cs_error		*error;
};

/* Entry @seq is the first bad one. */
__attribute__((format(printf, 3, 4)))
static int wrong(struct walk *walk, int64_t seq, const char *format, ...)
{
	char text[384];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	*walk->bad = seq;
	return cs_error_set(walk->error, -EBADMSG, "ledger '%s': entry %" PRId64 ": %s",
			    walk->ledger->path, seq, text);
}

static int check_chain(struct walk *walk, const struct ledger_row *row)
{
	uint8_t hash[CS_DIGEST_LEN];
	int64_t seq = row->entry.seq;

	if (ledger_entry_hash(walk->hash, &row->entry, hash))
		return cs_error_set(walk->error, -EIO, "ledger '%s': OpenSSL can't hash",
				    walk->ledger->path);
	if (memcmp(hash, row->hash, CS_DIGEST_LEN))
		return wrong(walk, seq, "it was changed, or is not the one that was here");
	if (row->signed_here &&
	    !identity_verify(walk->public, LEDGER_CONTEXT, hash, sizeof(hash), row->signature))
		return wrong(walk, seq, "its signature is not this node's");
	memcpy(walk->hash, hash, CS_DIGEST_LEN);
	walk->signed_here = row->signed_here;
	return 0;
}

/* All of the contract but its promises. */
static int check_contract(struct walk *walk, const struct ledger_row *row)
{
	const struct contract *contract = &walk->run;
	uint8_t uid[CONTRACT_UID_LEN], peer[CS_ADDR_LEN];
	bool sells = row->role == LEDGER_SELLER;
	int64_t seq = row->entry.seq;
	struct cs_error why;

	if (contract_verify(contract, &why))
		return wrong(walk, seq, "its contract is not right: %s", why.text);
	contract_uid(contract, uid);
	if (memcmp(uid, row->entry.contract, sizeof(uid)))
		return wrong(walk, seq, "its contract was exchanged for another");
	if (memcmp(sells ? contract->seller : contract->buyer, walk->public, IDENTITY_PUBLIC_LEN))
		return wrong(walk, seq, "in its contract this node is not the %s",
			     sells ? "seller" : "buyer");
	identity_address(sells ? contract->buyer : contract->seller, peer);
	if (memcmp(peer, row->entry.peer, sizeof(peer)))
		return wrong(walk, seq, "its contract is with another node");
	return 0;
}

static int begin_run(struct walk *walk, const struct ledger_row *row)
{
	sqlite3_stmt *statement = walk->contract;
	int64_t time, expiry;
	struct cs_error why;
	int rc;

	sqlite3_bind_int64(statement, 1, row->contract);
	rc = ledgerfile_row(walk->ledger, statement, walk->error);
	if (rc < 0)
		return rc;
	if (!rc)
		return wrong(walk, row->entry.seq, "its contract is missing");
	rc = ledger_contract_read(walk->ledger, statement, 0, &walk->run, &why);
	time = sqlite3_column_int64(statement, 3);
	expiry = sqlite3_column_int64(statement, 4);
	sqlite3_reset(statement);
	if (rc == -ENOMEM)
		return cs_error_set(walk->error, rc, "%s", why.text);
	if (rc)
		return wrong(walk, row->entry.seq, "its contract is not right: %s", why.text);
	walk->run_next = 0;
	memcpy(walk->run_uid, row->entry.contract, CONTRACT_UID_LEN);
	if (time != row->entry.time || (uint64_t)expiry != walk->run.expiry)
		return wrong(walk, row->entry.seq, "its contract's times were changed");
	return check_contract(walk, row);
}

/* A contract's promises stand together: another entry after some of them means that some lack. */
static int check_promise(struct walk *walk, const struct ledger_row *row)
{
	const struct contract_item *item;
	uint64_t amount;
	int rc;

	if (!walk->run.items) {
		rc = begin_run(walk, row);
		if (rc)
			return rc;
	}
	item = &walk->run.items[walk->run_next];
	if (memcmp(item->digest, row->entry.digest, CS_DIGEST_LEN) ||
	    contract_amount(walk->run.rate, item->size, &amount) ||
	    amount != (uint64_t)row->entry.amount)
		return wrong(walk, row->entry.seq, "it is not message %zu of its contract",
			     walk->run_next);
	if (++walk->run_next == walk->run.nr_items)
		contract_free(&walk->run);
	return 0;
}

/* What was earned or lapsed was promised before, at this price, and nothing came between. */
static int check_outcome(struct walk *walk, const struct ledger_row *row)
{
	int promises = 0, others = 0, rc;
	sqlite3_stmt *statement = walk->item;
	int64_t seq = row->entry.seq;

	sqlite3_bind_int64(statement, 1, row->contract);
	sqlite3_bind_blob(statement, 2, row->entry.digest, CS_DIGEST_LEN, SQLITE_STATIC);
	while ((rc = ledgerfile_row(walk->ledger, statement, walk->error)) > 0) {
		if (sqlite3_column_int64(statement, 1) >= seq)
			continue;
		if (sqlite3_column_int(statement, 0) != LEDGER_PROMISED)
			others++;
		else if (sqlite3_column_int64(statement, 2) == row->entry.amount)
			promises++;
	}
	if (rc < 0)
		return rc;
	if (others)
		return wrong(walk, seq, "its message was earned or had lapsed before");
	if (promises != 1)
		return wrong(walk, seq, "its message was not promised at this price");
	return 0;
}

static int check_meaning(struct walk *walk, const struct ledger_row *row)
{
	bool item = row->entry.kind != LEDGER_SETTLED;

	if (item != (row->contract != 0))
		return wrong(walk, row->entry.seq, "it lacks a contract, or has one too many");
	if (walk->run.items && (row->entry.kind != LEDGER_PROMISED ||
				memcmp(row->entry.contract, walk->run_uid, CONTRACT_UID_LEN)))
		return wrong(walk, row->entry.seq, "message %zu of the contract before it lacks",
			     walk->run_next);
	if (row->entry.kind == LEDGER_PROMISED)
		return check_promise(walk, row);
	return item ? check_outcome(walk, row) : 0;
}

/* Is an account, after the entry, on the side of 0 where it may not be? */
static bool crossed(enum ledger_kind kind, int role, int64_t debit, int64_t credit)
{
	switch (kind) {
	case LEDGER_PROMISED:
		return debit > 0 || credit < 0;
	case LEDGER_EARNED:
		return role == LEDGER_SELLER ? debit < 0 || credit < 0 : debit > 0 || credit > 0;
	case LEDGER_LAPSED:
		return debit < 0 || credit > 0;
	case LEDGER_SETTLED:
		return role == LEDGER_SELLER ? debit < 0 : credit > 0;
	}
	return true;
}

/* How far payments go: see struct tally. */
static void count_payment(const struct ledger_row *row, struct tally *account)
{
	int64_t amount = row->entry.amount;

	if (row->entry.kind == LEDGER_SETTLED)
		__builtin_add_overflow(account->paid, amount, &account->paid);
	else if (row->entry.seq <= account->through)
		__builtin_sub_overflow(account->paid, amount, &account->paid);
	else if (account->next < 0)
		account->next = amount;
}

static int move_points(struct walk *walk, const struct ledger_row *row, int role)
{
	enum ledger_kind kind = row->entry.kind;
	int64_t seq = row->entry.seq;
	struct tally *debit, *credit;

	if (row->debit < 1 || row->debit > walk->accounts || row->credit < 1 ||
	    row->credit > walk->accounts)
		return wrong(walk, seq, "its accounts are not where they should be");
	debit = &walk->account[row->debit];
	credit = &walk->account[row->credit];
	if (__builtin_sub_overflow(debit->balance, row->entry.amount, &debit->balance) ||
	    __builtin_add_overflow(credit->balance, row->entry.amount, &credit->balance))
		return wrong(walk, seq, "its amount is more than an account holds");
	if (crossed(kind, role, debit->balance, credit->balance))
		return wrong(walk, seq, "it takes more than there was in an account");
	if (kind == LEDGER_EARNED)
		count_payment(row, role == LEDGER_SELLER ? credit : debit);
	else if (kind == LEDGER_SETTLED)
		count_payment(row, role == LEDGER_SELLER ? debit : credit);
	return 0;
}

static int check_accounts(struct walk *walk, const struct ledger_row *row)
{
	char debit[LEDGER_ACCOUNT_LEN], credit[LEDGER_ACCOUNT_LEN];
	const struct ledger_entry *entry = &row->entry;
	int role = row->role;

	if (entry->kind == LEDGER_SETTLED)
		role = strcmp(entry->credit, LEDGER_POINTS) ? LEDGER_BUYER : LEDGER_SELLER;
	ledger_accounts(entry->kind, role, entry->peer, debit, credit);
	if (strcmp(entry->debit, debit) || strcmp(entry->credit, credit))
		return wrong(walk, entry->seq, "its accounts %s and %s should be %s and %s",
			     entry->debit, entry->credit, debit, credit);
	return move_points(walk, row, role);
}

static int check_entry(struct walk *walk, sqlite3_stmt *statement)
{
	struct ledger_row row;
	int rc;

	if (!ledger_row_read(statement, &row)) {
		/* the one before it may lack, too */
		if (row.entry.seq > walk->seq + 1)
			return wrong(walk, walk->seq + 1, "it is missing");
		return wrong(walk, row.entry.seq, "it is damaged, or its contract or an account "
						  "is missing");
	}
	if (row.entry.seq <= walk->seq)
		return wrong(walk, row.entry.seq, "no entry can have this number");
	if (row.entry.seq != walk->seq + 1)
		return wrong(walk, walk->seq + 1, "it is missing; the next is %" PRId64,
			     row.entry.seq);
	rc = check_chain(walk, &row);
	if (!rc)
		rc = check_meaning(walk, &row);
	if (!rc)
		rc = check_accounts(walk, &row);
	walk->seq = row.entry.seq;
	return rc;
}

static int check_entries(struct walk *walk)
{
	sqlite3_stmt *statement;
	int rc = 0;

	if (sqlite3_prepare_v2(walk->ledger->db, ledger_rows_sql, -1, &statement, NULL) ||
	    sqlite3_bind_int64(statement, 1, INT64_MIN))
		rc = ledgerfile_fail(walk->ledger, walk->error);
	while (!rc && (rc = ledgerfile_row(walk->ledger, statement, walk->error)) > 0)
		rc = check_entry(walk, statement);
	sqlite3_finalize(statement);
	if (!rc && walk->run.items)
		rc = wrong(walk, walk->seq + 1, "it is missing: message %zu of a contract",
			   walk->run_next);
	return rc;
}

/* A check that names no entry: @sql finds what is wrong, a text. */
static int check_none(struct walk *walk, const char *sql, const char *what)
{
	struct ledger *ledger = walk->ledger;
	sqlite3_stmt *statement;
	int rc;

	if (sqlite3_prepare_v2(ledger->db, sql, -1, &statement, NULL))
		return ledgerfile_fail(ledger, walk->error);
	rc = ledgerfile_row(ledger, statement, walk->error);
	if (rc > 0)
		rc = cs_error_set(walk->error, -EBADMSG, "ledger '%s': %s: %s", ledger->path, what,
				  (const char *)sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	return rc;
}

static int check_account(struct walk *walk, sqlite3_stmt *statement)
{
	const char *name = (const char *)sqlite3_column_text(statement, 0);
	const struct tally *account;

	account = &walk->account[sqlite3_column_int64(statement, 1)];
	if (sqlite3_column_int64(statement, 2) != account->balance)
		return cs_error_set(walk->error, -EBADMSG,
				    "ledger '%s': the entries are right, but the balance of "
				    "account %s is %lld instead of %" PRId64,
				    walk->ledger->path, name, sqlite3_column_int64(statement, 2),
				    account->balance);
	if (account->paid != account->rest ||
	    (account->rest && account->next <= account->rest) || account->rest < 0)
		return cs_error_set(walk->error, -EBADMSG,
				    "ledger '%s': the entries are right, but how far the payments "
				    "of account %s go is not",
				    walk->ledger->path, name);
	return 0;
}

static int check_balances(struct walk *walk)
{
	struct ledger *ledger = walk->ledger;
	sqlite3_stmt *statement;
	int rc = 0;

	if (sqlite3_prepare_v2(ledger->db, "SELECT name, id, balance FROM accounts ORDER BY id",
			       -1, &statement, NULL))
		return ledgerfile_fail(ledger, walk->error);
	while (!rc && (rc = ledgerfile_row(ledger, statement, walk->error)) > 0)
		rc = check_account(walk, statement);
	sqlite3_finalize(statement);
	return rc;
}

/* What is kept though the entries yield it. */
static int check_sums(struct walk *walk)
{
	int rc;

	rc = check_balances(walk);
	if (!rc)
		rc = check_none(walk,
			"SELECT hex(c.uid) FROM contracts c LEFT JOIN (SELECT contract,"
			" sum(CASE kind WHEN 0 THEN amount ELSE 0 END) AS promised,"
			" sum(CASE kind WHEN 1 THEN amount ELSE 0 END) AS earned,"
			" sum(CASE kind WHEN 2 THEN amount ELSE 0 END) AS lapsed,"
			" sum(CASE kind WHEN 0 THEN 1 ELSE -1 END) AS open"
			" FROM entries WHERE contract IS NOT NULL GROUP BY contract) e"
			" ON e.contract = c.id WHERE e.contract IS NULL OR c.promised <> e.promised"
			" OR c.earned <> e.earned OR c.lapsed <> e.lapsed OR c.open <> e.open "
			"LIMIT 1",
			"the entries are right, but the sums of a contract are not");
	if (!rc)
		rc = check_none(walk,
			"SELECT integrity_check FROM pragma_integrity_check(1)"
			" WHERE integrity_check <> 'ok'", "the database is damaged");
	return rc;
}

/* The head against the last entry, and against what the writer left in PATH.head. */
static int check_head(struct walk *walk, const struct ledger_head *head,
		      const struct ledger_head *left)
{
	if (head->seq > walk->seq)
		return wrong(walk, walk->seq + 1, "it is missing: the end was cut off, there were %"
			     PRId64, head->seq);
	if (head->seq < walk->seq)
		return wrong(walk, head->seq + 1, "it stands behind the head of the chain");
	if (memcmp(head->hash, walk->hash, CS_DIGEST_LEN))
		return wrong(walk, head->seq, "it is not the one that the head of the chain names");
	if (!ledgerfile_head_ok(walk->public, head))
		return wrong(walk, head->seq, "the signature of the head is not this node's");
	if (left && left->seq > walk->seq)
		return wrong(walk, walk->seq + 1,
			     "it is missing: the end was cut off or an older copy put back, there "
			     "were %"
			     PRId64 " (remove '%s.head' if this was on purpose)", left->seq,
			     walk->ledger->path);
	if (left && left->seq == walk->seq && memcmp(left->hash, walk->hash, CS_DIGEST_LEN))
		return wrong(walk, walk->seq, "it is not the one of which '%s.head' knows",
			     walk->ledger->path);
	return 0;
}

/* The head in the database; whose ledger it is. */
static int load_head(struct walk *walk, struct ledger_head *head)
{
	uint8_t public[IDENTITY_PUBLIC_LEN];
	int rc;

	rc = ledgerfile_head_load(walk->ledger, public, head, walk->error);
	if (rc == -ENODATA)
		rc = -EBADMSG;
	if (!rc && memcmp(public, walk->public, sizeof(public)))
		rc = cs_error_set(walk->error, -EPERM,
				  "ledger '%s' is that of another node; use that node's identity, "
				  "or another file",
				  walk->ledger->path);
	return rc;
}

/**
 * ledgercheck_head() - is the end of the chain right? For whoever is going to write on
 * @ledger: gets its head
 * @public: whose it must be
 * @bad: gets the seq of the entry that is bad or missing
 * @error: gets the reason
 *
 * Return: 0, -EPERM if it is another node's, -EBADMSG if it is not right, another negative errno.
 */
int ledgercheck_head(struct ledger *ledger, const uint8_t public[IDENTITY_PUBLIC_LEN],
		     int64_t *bad, struct cs_error *error)
{
	struct walk walk = { .ledger = ledger, .public = public, .bad = bad, .error = error };
	struct ledger_head left;
	sqlite3_stmt *statement;
	bool have_left;
	int rc;

	have_left = ledgerfile_head_read(ledger, public, &left);
	rc = load_head(&walk, &ledger->head);
	if (rc)
		return rc;
	ledgerfile_genesis(public, walk.hash);
	statement = ledgerfile_bind(ledger, SQL_LAST, "");
	rc = ledgerfile_row(ledger, statement, error);
	if (rc < 0)
		return rc;
	if (rc) {
		walk.seq = sqlite3_column_int64(statement, 0);
		rc = !ledgerfile_blob(statement, 1, walk.hash, CS_DIGEST_LEN);
		sqlite3_reset(statement);
		if (rc)
			return wrong(&walk, walk.seq, "it is damaged");
	}
	return check_head(&walk, &ledger->head, have_left ? &left : NULL);
}

/* Rows are numbered from 1 on without a gap, for none is ever deleted. */
static int load_accounts(struct walk *walk)
{
	struct ledger *ledger = walk->ledger;
	sqlite3_stmt *statement;
	struct tally *account;
	int64_t room = 0;
	int rc = 0;

	if (sqlite3_prepare_v2(ledger->db, "SELECT id, through, rest FROM accounts ORDER BY id",
			       -1, &statement, NULL))
		return ledgerfile_fail(ledger, walk->error);
	while (!rc && (rc = ledgerfile_row(ledger, statement, walk->error)) > 0) {
		rc = 0;
		if (sqlite3_column_int64(statement, 0) != ++walk->accounts)
			rc = cs_error_set(walk->error, -EBADMSG,
					  "ledger '%s': account %" PRId64 " is missing",
					  ledger->path, walk->accounts);
		if (walk->accounts >= room) {
			room = room ? 2 * room : 64;
			account = reallocarray(walk->account, room, sizeof(*account));
			if (!account) {
				rc = cs_error_set(walk->error, -ENOMEM, "ledger '%s': no memory",
						  ledger->path);
				break;
			}
			walk->account = account;
		}
		walk->account[walk->accounts] = (struct tally){
			.through = sqlite3_column_int64(statement, 1),
			.rest = sqlite3_column_int64(statement, 2), .next = -1,
		};
	}
	sqlite3_finalize(statement);
	return rc;
}

static int prepare(struct walk *walk)
{
	sqlite3 *db = walk->ledger->db;

	if (sqlite3_prepare_v2(db, "SELECT kind, seq, amount FROM entries WHERE contract = ?1"
			       " AND digest = ?2", -1, &walk->item, NULL) ||
	    sqlite3_prepare_v2(db, "SELECT body, buyer_signature, seller_signature, time, expiry"
			       " FROM contracts WHERE id = ?1", -1, &walk->contract, NULL))
		return ledgerfile_fail(walk->ledger, walk->error);
	return 0;
}

static int walk_all(struct walk *walk)
{
	struct ledger_head head, left;
	bool have_left;
	int rc;

	have_left = ledgerfile_head_read(walk->ledger, walk->public, &left);
	if (sqlite3_exec(walk->ledger->db, "BEGIN", NULL, NULL, NULL))
		return ledgerfile_fail(walk->ledger, walk->error);
	rc = load_head(walk, &head);
	if (!rc)
		rc = load_accounts(walk);
	if (!rc)
		rc = prepare(walk);
	if (!rc)
		rc = check_entries(walk);
	if (!rc && walk->seq && !walk->signed_here)
		rc = wrong(walk, walk->seq, "it has lost its signature");
	if (!rc)
		rc = check_head(walk, &head, have_left ? &left : NULL);
	if (!rc)
		rc = check_sums(walk);
	sqlite3_exec(walk->ledger->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

/**
 * ledger_verify() - is all of a ledger right?
 * @ledger: open, for writing or reading; without a group
 * @public: key of the node whose ledger it is
 * @bad: gets the seq of the first bad or missing entry, or 0 if no entry is to blame
 * @error: gets the reason
 *
 * Takes a signature check for each transaction, some ten thousand a second.
 *
 * Return: 0 if all is right; -EBADMSG if it is not; -EPERM if it is another node's; -EBUSY if a
 * group was begun; another negative errno if it can't be read.
 */
int ledger_verify(struct ledger *ledger, const uint8_t public[IDENTITY_PUBLIC_LEN], int64_t *bad,
		  struct cs_error *error)
{
	struct walk walk = { .ledger = ledger, .public = public, .bad = bad, .error = error };
	int rc;

	*bad = 0;
	if (ledger->group)
		return cs_error_set(error, -EBUSY, "ledger '%s': a group is not committed yet",
				    ledger->path);
	ledgerfile_genesis(public, walk.hash);
	rc = walk_all(&walk);
	contract_free(&walk.run);
	free(walk.account);
	sqlite3_finalize(walk.item);
	sqlite3_finalize(walk.contract);
	return rc;
}
