// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the ledger: it balances, after any sequence of calls and after a kill at any
 * instruction; nothing that was committed is lost, nothing that was changed behind its back goes
 * unnoticed, and what is not a ledger is left as it was.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/ledgerfile.h"
#include "lib/message.h"

#define NOW	1800000000
#define EXPIRY	(NOW + 3600)
#define MIB	(1u << 20)
#define PEERS	2

/* this node, those it deals with, and one that has nothing to do with it */
static struct identity node, peers[PEERS], other;
static char dir[64], path[128];
static struct cs_error error;

static int remove_one(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(name);
}

static int open_identities(void)
{
	struct identity *all[] = { &node, &peers[0], &peers[1], &other };
	char name[96], top[] = "/tmp/crowdshare-keys-XXXXXX";
	size_t i;
	int rc = 0;

	if (!mkdtemp(top))
		return -1;
	for (i = 0; i < sizeof(all) / sizeof(*all) && !rc; i++) {
		snprintf(name, sizeof(name), "%s/%zu", top, i);
		rc = identity_open(all[i], name, &error);
	}
	nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return rc;
}

static int setup_all(void **state)
{
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	return open_identities();
}

static int teardown_all(void **state)
{
	size_t i;

	(void)state;
	identity_close(&node);
	for (i = 0; i < PEERS; i++)
		identity_close(&peers[i]);
	identity_close(&other);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/crowdshare-ledger-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/ledger.db", dir);
	memset(&error, 0, sizeof(error));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- what all need ---- */

static void says(const char *text)
{
	if (!strstr(error.text, text))
		fail_msg("'%s' does not say '%s'", error.text, text);
}

static void ok(int rc)
{
	if (rc)
		fail_msg("%d: %s", rc, error.text);
}

static struct ledger *open_ledger(void)
{
	struct ledger *ledger;

	ok(ledger_open(&ledger, path, &node, &error));
	return ledger;
}

static struct ledger *open_reader(void)
{
	struct ledger *ledger;

	ok(ledger_open(&ledger, path, NULL, &error));
	return ledger;
}

/* A contract that both signed. @serial makes it and its messages differ from others. */
static void make(struct contract *contract, const struct identity *buyer,
		 const struct identity *seller, uint32_t serial, size_t items, uint64_t rate,
		 uint64_t expiry)
{
	size_t i;

	memset(contract, 0, sizeof(*contract));
	memcpy(contract->buyer, buyer->public, IDENTITY_PUBLIC_LEN);
	memcpy(contract->seller, seller->public, IDENTITY_PUBLIC_LEN);
	contract->id = 1 + serial;
	memcpy(contract->nonce, &serial, sizeof(serial));
	contract->rate = rate;
	contract->destination[0] = 0xfd;
	contract->created = NOW - 1;
	contract->expiry = expiry;
	contract->nr_items = items;
	contract->items = calloc(items, sizeof(*contract->items));
	for (i = 0; i < items; i++) {
		memset(contract->items[i].digest, 0x77, CS_DIGEST_LEN);
		memcpy(contract->items[i].digest, &serial, sizeof(serial));
		contract->items[i].digest[8] = i;
		contract->items[i].digest[9] = i >> 8;
		contract->items[i].size = MIB;
	}
	ok(contract_sign(contract, buyer, &error));
	ok(contract_sign(contract, seller, &error));
}

static int promise(struct ledger *ledger, const struct contract *contract)
{
	return ledger_promise(ledger, contract, NOW, &error);
}

static int earn(struct ledger *ledger, const struct contract *contract, size_t item)
{
	uint8_t uid[CONTRACT_UID_LEN];

	contract_uid(contract, uid);
	return ledger_earn(ledger, uid, contract->items[item].digest, NOW + 1, &error);
}

static enum ledger_state state_of(struct ledger *ledger, const struct contract *contract,
				  size_t item)
{
	uint8_t uid[CONTRACT_UID_LEN];
	enum ledger_state state;
	int64_t amount;

	contract_uid(contract, uid);
	ok(ledger_state(ledger, uid, contract->items[item].digest, &state, &amount, &error));
	return state;
}

/**
 * struct balances - what an account has, and the sum over all
 */
struct balances {
	const char	*name;
	int64_t		balance;
	uint64_t	sum;	/* may wrap on its way to 0 */
	size_t		count;
};

static int add_balance(const char *account, int64_t balance, void *data)
{
	struct balances *balances = data;

	if (!strcmp(account, balances->name))
		balances->balance = balance;
	balances->sum += (uint64_t)balance;
	balances->count++;
	return 0;
}

/* The balance of an account, what:PEER or what; all of them together have nothing. */
static int64_t balance(struct ledger *ledger, const char *what, const struct identity *peer)
{
	char name[64], text[INET6_ADDRSTRLEN];
	struct balances balances = { .name = name };

	snprintf(name, sizeof(name), "%s", what);
	if (peer)
		snprintf(name, sizeof(name), "%s:%s", what,
			 inet_ntop(AF_INET6, peer->address, text, sizeof(text)));
	ok(ledger_balances(ledger, add_balance, &balances, &error));
	assert_int_equal(balances.sum, 0);
	return balances.balance;
}

static void verified(struct ledger *ledger)
{
	int64_t bad = -1;

	ok(ledger_verify(ledger, node.public, &bad, &error));
	assert_int_equal(bad, 0);
}

static int count_entry(const struct ledger_entry *entry, void *data)
{
	(void)entry;
	++*(int64_t *)data;
	return 0;
}

static int64_t entries(struct ledger *ledger)
{
	int64_t count = 0;

	ok(ledger_each(ledger, 0, count_entry, &count, &error));
	return count;
}

static uint8_t *read_file(const char *name, size_t *size)
{
	int fd = open(name, O_RDONLY);
	struct stat st;
	uint8_t *data;

	assert_true(fd >= 0 && !fstat(fd, &st));
	data = malloc(st.st_size + 1);
	assert_int_equal(read(fd, data, st.st_size), st.st_size);
	close(fd);
	*size = st.st_size;
	return data;
}

static void write_file(const char *name, const void *data, size_t size)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

/* SHA-512 of a file, all zero if there is none. */
static void sum_file(const char *name, uint8_t digest[CS_DIGEST_LEN])
{
	uint8_t *data;
	size_t size;

	memset(digest, 0, CS_DIGEST_LEN);
	if (access(name, F_OK))
		return;
	data = read_file(name, &size);
	assert_int_equal(cs_sha512(data, size, digest), 0);
	free(data);
}

static const char *beside(const char *suffix)
{
	static char name[160];

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return name;
}

/* As somebody does with sqlite3(1), to whom no constraint is holy. */
static void tamper(const char *sql)
{
	char *text = NULL;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_exec(db, "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF",
		     NULL, NULL, NULL);
	if (sqlite3_exec(db, sql, NULL, NULL, &text))
		fail_msg("%s: %s", sql, text);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* ---- both roles ---- */

static void test_selling(void **state)
{
	struct ledger *ledger = open_ledger();
	struct contract contract;

	(void)state;
	make(&contract, &peers[0], &node, 1, 4, 1000, EXPIRY);
	ok(promise(ledger, &contract));
	assert_int_equal(balance(ledger, "sold", &peers[0]), -4000);
	assert_int_equal(balance(ledger, "expected", &peers[0]), 4000);
	ok(earn(ledger, &contract, 2));
	ok(earn(ledger, &contract, 0));
	assert_int_equal(balance(ledger, "expected", &peers[0]), 2000);
	assert_int_equal(balance(ledger, "receivable", &peers[0]), 2000);
	ok(ledger_settle(ledger, peers[0].address, 1500, NOW + 2, &error));
	assert_int_equal(balance(ledger, "receivable", &peers[0]), 500);
	assert_int_equal(balance(ledger, "points", NULL), 1500);
	/* in the order of earning; what does not pay all of one pays none of it */
	assert_int_equal(state_of(ledger, &contract, 2), LEDGER_STATE_SETTLED);
	assert_int_equal(state_of(ledger, &contract, 0), LEDGER_STATE_EARNED);
	assert_int_equal(state_of(ledger, &contract, 1), LEDGER_STATE_PROMISED);
	ok(ledger_lapse(ledger, EXPIRY, &error));
	assert_int_equal(state_of(ledger, &contract, 1), LEDGER_STATE_LAPSED);
	assert_int_equal(balance(ledger, "expected", &peers[0]), 0);
	assert_int_equal(balance(ledger, "sold", &peers[0]), -2000);
	ok(ledger_settle(ledger, peers[0].address, 500, NOW + 2, &error));
	assert_int_equal(state_of(ledger, &contract, 0), LEDGER_STATE_SETTLED);
	assert_int_equal(balance(ledger, "points", NULL), 2000);
	assert_int_equal(entries(ledger), 4 + 2 + 1 + 2 + 1);
	verified(ledger);
	contract_free(&contract);
	ledger_close(ledger);
}

static void test_buying(void **state)
{
	struct ledger *ledger = open_ledger();
	struct contract contract;
	int64_t promised;

	(void)state;
	make(&contract, &node, &peers[0], 1, 3, 1000, EXPIRY);
	ok(promise(ledger, &contract));
	assert_int_equal(balance(ledger, "bought", &peers[0]), 3000);
	assert_int_equal(balance(ledger, "promised", &peers[0]), -3000);
	ok(earn(ledger, &contract, 0));
	assert_int_equal(balance(ledger, "promised", &peers[0]), -2000);
	assert_int_equal(balance(ledger, "payable", &peers[0]), -1000);
	ok(ledger_lapse(ledger, EXPIRY, &error));
	assert_int_equal(balance(ledger, "promised", &peers[0]), 0);
	assert_int_equal(balance(ledger, "bought", &peers[0]), 1000);
	assert_int_equal(ledger_settle(ledger, peers[0].address, 1000, NOW, &error), -ERANGE);
	ok(ledger_settle(ledger, peers[0].address, -1000, NOW, &error));
	assert_int_equal(balance(ledger, "payable", &peers[0]), 0);
	assert_int_equal(balance(ledger, "points", NULL), -1000);
	assert_int_equal(state_of(ledger, &contract, 0), LEDGER_STATE_SETTLED);
	ok(ledger_promised_since(ledger, NOW, &promised, &error));
	assert_int_equal(promised, 3000);
	ok(ledger_promised_since(ledger, NOW + 1, &promised, &error));
	assert_int_equal(promised, 0);
	verified(ledger);
	contract_free(&contract);
	ledger_close(ledger);
}

/**
 * struct seen - what contract_seen() was called with
 */
struct seen {
	const struct contract	*expected;
	int64_t			promised;
	int64_t			earned;
	int64_t			lapsed;
	size_t			count;
};

static int contract_seen(const struct contract *contract, int64_t promised, int64_t earned,
			 int64_t lapsed, void *data)
{
	struct seen *seen = data;

	assert_memory_equal(contract->body, seen->expected->body, contract->body_len);
	assert_int_equal(contract_verify(contract, &error), 0);
	seen->promised = promised;
	seen->earned = earned;
	seen->lapsed = lapsed;
	seen->count++;
	return 0;
}

static void test_contracts(void **state)
{
	struct ledger *ledger = open_ledger();
	struct contract contract, copy;
	uint8_t uid[CONTRACT_UID_LEN];
	struct seen seen = { .expected = &contract };

	(void)state;
	make(&contract, &peers[0], &node, 1, 3, 1000, EXPIRY);
	ok(promise(ledger, &contract));
	ok(earn(ledger, &contract, 0));
	ledger_close(ledger);
	ledger = open_ledger();
	ok(ledger_contracts(ledger, true, EXPIRY - 1, contract_seen, &seen, &error));
	assert_int_equal(seen.count, 1);
	ok(ledger_contracts(ledger, true, EXPIRY, contract_seen, &seen, &error));
	assert_int_equal(seen.count, 1);
	ok(ledger_lapse(ledger, EXPIRY - 1, &error));
	ok(ledger_contracts(ledger, false, EXPIRY, contract_seen, &seen, &error));
	assert_int_equal(seen.count, 2);
	assert_true(seen.promised == 3000 && seen.earned == 1000 && !seen.lapsed);
	ok(ledger_lapse(ledger, EXPIRY, &error));
	ok(ledger_contracts(ledger, false, 0, contract_seen, &seen, &error));
	assert_true(seen.promised == 3000 && seen.earned == 1000 && seen.lapsed == 2000);
	/* nothing is open any more */
	ok(ledger_contracts(ledger, true, NOW, contract_seen, &seen, &error));
	assert_int_equal(seen.count, 3);

	contract_uid(&contract, uid);
	ok(ledger_get(ledger, uid, &copy, &error));
	assert_int_equal(contract_verify(&copy, &error), 0);
	assert_memory_equal(copy.body, contract.body, contract.body_len);
	contract_free(&copy);
	uid[0]++;
	assert_int_equal(ledger_get(ledger, uid, &copy, &error), -ENOENT);
	contract_free(&contract);
	ledger_close(ledger);
}

static int first_entry(const struct ledger_entry *entry, void *data)
{
	*(struct ledger_entry *)data = *entry;
	return 77;
}

static void test_each(void **state)
{
	struct ledger *ledger = open_ledger();
	struct contract contract;
	struct ledger_entry entry;
	uint8_t uid[CONTRACT_UID_LEN], zero[CS_DIGEST_LEN] = { 0 };
	int64_t count = 0;

	(void)state;
	make(&contract, &peers[0], &node, 1, 2, 1000, EXPIRY);
	contract_uid(&contract, uid);
	ok(promise(ledger, &contract));
	ok(earn(ledger, &contract, 1));
	ok(ledger_settle(ledger, peers[0].address, 1000, NOW + 2, &error));
	ok(ledger_each(ledger, NOW + 1, count_entry, &count, &error));
	assert_int_equal(count, 2);
	assert_int_equal(ledger_each(ledger, NOW + 1, first_entry, &entry, &error), 77);
	assert_true(entry.seq == 3 && entry.time == NOW + 1 && entry.kind == LEDGER_EARNED);
	assert_memory_equal(entry.peer, peers[0].address, CS_ADDR_LEN);
	assert_memory_equal(entry.contract, uid, CONTRACT_UID_LEN);
	assert_memory_equal(entry.digest, contract.items[1].digest, CS_DIGEST_LEN);
	assert_int_equal(entry.amount, 1000);
	assert_int_equal(strncmp(entry.debit, "expected:fd", 11), 0);
	assert_int_equal(strncmp(entry.credit, "receivable:fd", 13), 0);
	assert_int_equal(ledger_each(ledger, NOW + 2, first_entry, &entry, &error), 77);
	assert_int_equal(entry.kind, LEDGER_SETTLED);
	assert_memory_equal(entry.contract, zero, CONTRACT_UID_LEN);
	assert_memory_equal(entry.digest, zero, CS_DIGEST_LEN);
	assert_string_equal(entry.credit, "points");
	contract_free(&contract);
	ledger_close(ledger);
}

/* ---- refusals ---- */

static void test_earned_once(void **state)
{
	struct ledger *ledger = open_ledger();
	struct contract contract, unknown;
	uint8_t uid[CONTRACT_UID_LEN];

	(void)state;
	make(&contract, &peers[0], &node, 1, 2, 1000, EXPIRY);
	make(&unknown, &peers[0], &node, 2, 2, 1000, EXPIRY);
	ok(promise(ledger, &contract));
	assert_int_equal(promise(ledger, &contract), -EALREADY);
	ok(earn(ledger, &contract, 0));
	assert_int_equal(earn(ledger, &contract, 0), -EALREADY);
	says("earned already");
	assert_int_equal(earn(ledger, &unknown, 0), -ENOENT);
	says("no such contract");
	contract_uid(&contract, uid);
	assert_int_equal(ledger_earn(ledger, uid, unknown.items[0].digest, NOW, &error), -ENOENT);
	says("not in the contract");
	ok(ledger_lapse(ledger, EXPIRY, &error));
	assert_int_equal(earn(ledger, &contract, 1), -ETIME);
	assert_int_equal(earn(ledger, &contract, 0), -EALREADY);
	ok(ledger_settle(ledger, peers[0].address, 1000, NOW, &error));
	assert_int_equal(earn(ledger, &contract, 0), -EALREADY);
	ledger_close(ledger);
	/* nor after a restart */
	ledger = open_ledger();
	assert_int_equal(earn(ledger, &contract, 0), -EALREADY);
	assert_int_equal(promise(ledger, &contract), -EALREADY);
	assert_int_equal(entries(ledger), 5);
	assert_int_equal(balance(ledger, "points", NULL), 1000);
	verified(ledger);
	contract_free(&contract);
	contract_free(&unknown);
	ledger_close(ledger);
}

static void test_refused_contracts(void **state)
{
	struct ledger *ledger = open_ledger();
	struct contract contract;

	(void)state;
	make(&contract, &peers[0], &peers[1], 1, 2, 1000, EXPIRY);
	assert_int_equal(promise(ledger, &contract), -EPERM);
	contract_free(&contract);
	make(&contract, &peers[0], &node, 1, 2, 1000, NOW);
	assert_int_equal(promise(ledger, &contract), -ETIME);
	contract_free(&contract);
	make(&contract, &peers[0], &node, 1, 2, 1000, EXPIRY);
	contract.buyer_signature[5] ^= 1;
	assert_int_equal(promise(ledger, &contract), -EBADMSG);
	contract.buyer_signature[5] ^= 1;
	contract.rate = 999;
	assert_int_equal(promise(ledger, &contract), -EBADMSG);
	contract.rate = 1000;
	assert_int_equal(ledger_promise(ledger, &contract, -1, &error), -EINVAL);
	assert_int_equal(entries(ledger), 0);
	assert_int_equal(ledger_settle(ledger, peers[0].address, 1, NOW, &error), -ERANGE);
	assert_int_equal(ledger_settle(ledger, peers[0].address, 0, NOW, &error), -EINVAL);
	assert_int_equal(ledger_settle(ledger, peers[0].address, INT64_MIN, NOW, &error), -ERANGE);
	verified(ledger);
	contract_free(&contract);
	ledger_close(ledger);
}

static void test_overflow(void **state)
{
	struct ledger *ledger = open_ledger();
	struct contract great, small, bought;
	int64_t promised;

	(void)state;
	make(&great, &peers[0], &node, 1, 2, INT64_MAX / 2, EXPIRY);
	make(&small, &peers[0], &node, 2, 1, 2, EXPIRY);
	ok(promise(ledger, &great));
	assert_int_equal(balance(ledger, "expected", &peers[0]), INT64_MAX - 1);
	assert_int_equal(promise(ledger, &small), -ERANGE);
	says("do not fit");
	assert_int_equal(entries(ledger), 2);
	assert_int_equal(balance(ledger, "expected", &peers[0]), INT64_MAX - 1);
	verified(ledger);
	/* within a group as well, which goes on */
	ok(ledger_begin(ledger, &error));
	assert_int_equal(promise(ledger, &small), -ERANGE);
	ok(earn(ledger, &great, 0));
	ok(ledger_commit(ledger, &error));
	contract_free(&small);
	/* once all is paid, there is room for more to expect, but not for more to have sold */
	ok(earn(ledger, &great, 1));
	ok(ledger_settle(ledger, peers[0].address, INT64_MAX - 1, NOW, &error));
	make(&small, &peers[0], &node, 2, 1, 3, EXPIRY);
	assert_int_equal(promise(ledger, &small), -ERANGE);
	contract_free(&small);
	/* with another peer there is room; the budget does not wrap */
	make(&small, &node, &peers[1], 3, 1, INT64_MAX, EXPIRY);
	make(&bought, &node, &peers[0], 4, 1, INT64_MAX, EXPIRY);
	ok(promise(ledger, &small));
	ok(promise(ledger, &bought));
	ok(ledger_promised_since(ledger, 0, &promised, &error));
	assert_true(promised == INT64_MAX);
	assert_int_equal(balance(ledger, "promised", &peers[1]), -INT64_MAX);
	verified(ledger);
	contract_free(&great);
	contract_free(&small);
	contract_free(&bought);
	ledger_close(ledger);
}

static void test_free_of_charge(void **state)
{
	struct ledger *ledger = open_ledger();
	struct contract contract;

	(void)state;
	make(&contract, &peers[0], &node, 1, 3, 0, EXPIRY);
	ok(promise(ledger, &contract));
	ok(earn(ledger, &contract, 0));
	assert_int_equal(earn(ledger, &contract, 0), -EALREADY);
	ok(ledger_lapse(ledger, EXPIRY, &error));
	assert_int_equal(entries(ledger), 6);
	assert_int_equal(balance(ledger, "receivable", &peers[0]), 0);
	verified(ledger);
	contract_free(&contract);
	ledger_close(ledger);
}

/* More than one call takes: the rest comes next. */
static void test_lapse_in_portions(void **state)
{
	struct ledger *ledger = open_ledger();
	struct contract contract;
	uint32_t i;

	(void)state;
	ok(ledger_begin(ledger, &error));
	for (i = 0; i < 6; i++) {
		make(&contract, &peers[0], &node, i, CONTRACT_ITEMS_MAX, 1, EXPIRY);
		ok(promise(ledger, &contract));
		contract_free(&contract);
	}
	ok(ledger_commit(ledger, &error));
	ok(ledger_lapse(ledger, EXPIRY, &error));
	assert_int_equal(balance(ledger, "expected", &peers[0]), 2 * CONTRACT_ITEMS_MAX);
	ok(ledger_lapse(ledger, EXPIRY, &error));
	assert_int_equal(balance(ledger, "expected", &peers[0]), 0);
	ok(ledger_lapse(ledger, EXPIRY, &error));
	assert_int_equal(entries(ledger), 12 * CONTRACT_ITEMS_MAX);
	ledger_close(ledger);
}

/* ---- groups ---- */

static void test_groups(void **state)
{
	struct ledger *ledger = open_ledger();
	struct contract a, b;

	(void)state;
	make(&a, &peers[0], &node, 1, 2, 1000, EXPIRY);
	make(&b, &node, &peers[1], 2, 2, 500, EXPIRY);
	assert_int_equal(ledger_commit(ledger, &error), -EINVAL);
	ok(ledger_begin(ledger, &error));
	assert_int_equal(ledger_begin(ledger, &error), -EALREADY);
	ok(promise(ledger, &a));
	ok(earn(ledger, &a, 1));
	assert_int_equal(ledger_verify(ledger, node.public, &(int64_t){ 0 }, &error), -EBUSY);
	ledger_rollback(ledger);
	assert_int_equal(entries(ledger), 0);
	verified(ledger);

	/* what is refused does no harm to the group */
	ok(ledger_begin(ledger, &error));
	ok(promise(ledger, &a));
	assert_int_equal(earn(ledger, &b, 1), -ENOENT);
	assert_int_equal(promise(ledger, &a), -EALREADY);
	ok(promise(ledger, &b));
	ok(earn(ledger, &a, 1));
	ok(ledger_commit(ledger, &error));
	assert_int_equal(entries(ledger), 5);
	verified(ledger);

	/* closing takes a group back */
	ok(ledger_begin(ledger, &error));
	ok(earn(ledger, &a, 0));
	ledger_close(ledger);
	ledger = open_ledger();
	assert_int_equal(entries(ledger), 5);
	verified(ledger);
	contract_free(&a);
	contract_free(&b);
	ledger_close(ledger);
}

/* An identity that can't sign any more fails what is committed, after all was written. */
static void test_cannot_sign(void **state)
{
	struct identity broken = node;
	struct contract a, b;
	struct ledger *ledger;
	EVP_PKEY *key = node.key;

	(void)state;
	ok(ledger_open(&ledger, path, &broken, &error));
	make(&a, &peers[0], &node, 1, 2, 1000, EXPIRY);
	make(&b, &peers[0], &node, 2, 2, 1000, EXPIRY);
	broken.key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, node.public,
						 IDENTITY_PUBLIC_LEN);
	assert_int_equal(promise(ledger, &a), -EIO);
	says("can't sign");
	assert_int_equal(entries(ledger), 0);
	assert_int_equal(balance(ledger, "expected", &peers[0]), 0);
	/* a group as a whole */
	ok(ledger_begin(ledger, &error));
	ok(promise(ledger, &a));
	ok(promise(ledger, &b));
	assert_int_equal(ledger_commit(ledger, &error), -EIO);
	says("can't sign");
	assert_int_equal(entries(ledger), 0);
	EVP_PKEY_free(broken.key);
	broken.key = key;
	verified(ledger);
	ok(promise(ledger, &b));
	ok(promise(ledger, &a));
	assert_int_equal(entries(ledger), 4);
	verified(ledger);
	contract_free(&a);
	contract_free(&b);
	ledger_close(ledger);
}

/* A call in a group that fails after it has written something takes all of the group with it. */
static void test_half_done(void **state)
{
	struct contract a, b;
	struct ledger *ledger;

	(void)state;
	ledger = open_ledger();
	make(&a, &peers[0], &node, 1, 2, 1000, EXPIRY);
	make(&b, &peers[0], &node, 2, 2, 1000, EXPIRY);
	tamper("CREATE UNIQUE INDEX stop ON entries (kind) WHERE seq > 2"); /* none after 3 */
	ok(ledger_begin(ledger, &error));
	ok(promise(ledger, &a));
	assert_int_equal(promise(ledger, &b), -EUCLEAN);
	assert_int_equal(promise(ledger, &b), -ECANCELED);
	assert_int_equal(ledger_commit(ledger, &error), -ECANCELED);
	assert_int_equal(entries(ledger), 0);
	verified(ledger);
	tamper("DROP INDEX stop");
	ok(promise(ledger, &b));
	ok(promise(ledger, &a));
	assert_int_equal(entries(ledger), 4);
	verified(ledger);
	contract_free(&a);
	contract_free(&b);
	ledger_close(ledger);
}

/* ---- against a model ---- */

#define MODEL_CONTRACTS	120
#define MODEL_ITEMS	8
#define MODEL_OPS	6000

enum { SOLD, EXPECTED, RECEIVABLE, BOUGHT, PROMISED, PAYABLE, KINDS };

static const char *const kind_names[KINDS] = {
	"sold", "expected", "receivable", "bought", "promised", "payable",
};

/**
 * struct model - a ledger as plain as can be
 * @made: the contract was promised
 * @state: of each message
 * @account: by kind and peer
 * @points: of this node
 * @entries: how many there are
 */
struct model {
	bool			made[MODEL_CONTRACTS];
	enum ledger_state	state[MODEL_CONTRACTS][MODEL_ITEMS];
	int64_t			account[KINDS][PEERS];
	int64_t			points;
	int64_t			entries;
};

static struct contract model_contract[MODEL_CONTRACTS];

/* contract i: peer, role, price and number of messages follow from i */
static size_t peer_of(size_t i) { return i % PEERS; }
static bool sells(size_t i) { return i / PEERS % 2; }
static int64_t price_of(size_t i) { return i % 5 * 100; }
static size_t items_of(size_t i) { return 1 + i % MODEL_ITEMS; }
static uint64_t expiry_of(size_t i) { return NOW + 100 + i * 10; }

static void model_make(void)
{
	const struct identity *peer;
	size_t i;

	for (i = 0; i < MODEL_CONTRACTS; i++) {
		peer = &peers[peer_of(i)];
		make(&model_contract[i], sells(i) ? peer : &node, sells(i) ? &node : peer, i,
		     items_of(i), price_of(i), expiry_of(i));
	}
}

static void model_move(struct model *model, size_t i, int sell_from, int sell_to, int buy_from,
		       int buy_to)
{
	size_t peer = peer_of(i);

	model->account[sells(i) ? sell_from : buy_from][peer] -= price_of(i);
	model->account[sells(i) ? sell_to : buy_to][peer] += price_of(i);
	model->entries++;
}

static void op_promise(struct ledger *ledger, struct model *model, size_t i, int64_t now)
{
	int rc = ledger_promise(ledger, &model_contract[i], now, &error);
	size_t item;

	if ((uint64_t)now >= expiry_of(i)) {
		assert_int_equal(rc, -ETIME);
		return;
	}
	if (model->made[i]) {
		assert_int_equal(rc, -EALREADY);
		return;
	}
	ok(rc);
	model->made[i] = true;
	for (item = 0; item < items_of(i); item++)
		model_move(model, i, SOLD, EXPECTED, PROMISED, BOUGHT);
}

static void op_earn(struct ledger *ledger, struct model *model, size_t i, size_t item,
		    int64_t now)
{
	uint8_t uid[CONTRACT_UID_LEN];
	int rc;

	contract_uid(&model_contract[i], uid);
	rc = ledger_earn(ledger, uid, model_contract[i].items[item].digest, now, &error);
	if (!model->made[i]) {
		assert_int_equal(rc, -ENOENT);
		return;
	}
	if (model->state[i][item] != LEDGER_STATE_PROMISED) {
		assert_int_equal(rc, model->state[i][item] == LEDGER_STATE_LAPSED ? -ETIME :
										    -EALREADY);
		return;
	}
	ok(rc);
	model->state[i][item] = LEDGER_STATE_EARNED;
	model_move(model, i, EXPECTED, RECEIVABLE, PAYABLE, PROMISED);
}

static void op_lapse(struct ledger *ledger, struct model *model, int64_t now)
{
	size_t i, item;

	ok(ledger_lapse(ledger, now, &error));
	for (i = 0; i < MODEL_CONTRACTS; i++) {
		if (!model->made[i] || expiry_of(i) > (uint64_t)now)
			continue;
		for (item = 0; item < items_of(i); item++) {
			if (model->state[i][item] != LEDGER_STATE_PROMISED)
				continue;
			model->state[i][item] = LEDGER_STATE_LAPSED;
			model_move(model, i, EXPECTED, SOLD, BOUGHT, PROMISED);
		}
	}
}

static void op_settle(struct ledger *ledger, struct model *model, size_t peer, bool sell,
		      int64_t amount, int64_t now)
{
	int64_t *account = &model->account[sell ? RECEIVABLE : PAYABLE][peer];
	int64_t due = sell ? *account : -*account;
	int rc = ledger_settle(ledger, peers[peer].address, sell ? amount : -amount, now, &error);

	if (amount > due) {
		assert_int_equal(rc, -ERANGE);
		return;
	}
	ok(rc);
	*account += sell ? -amount : amount;
	model->points += sell ? amount : -amount;
	model->entries++;
}

static void model_compare(struct ledger *ledger, const struct model *model)
{
	int64_t unpaid[2][PEERS] = { { 0 } };
	enum ledger_state state;
	size_t kind, peer, i, item;

	for (kind = 0; kind < KINDS; kind++)
		for (peer = 0; peer < PEERS; peer++)
			assert_int_equal(balance(ledger, kind_names[kind], &peers[peer]),
					 model->account[kind][peer]);
	assert_int_equal(balance(ledger, "points", NULL), model->points);
	assert_int_equal(entries(ledger), model->entries);
	for (i = 0; i < MODEL_CONTRACTS; i++) {
		for (item = 0; model->made[i] && item < items_of(i); item++) {
			state = state_of(ledger, &model_contract[i], item);
			if (state == LEDGER_STATE_EARNED)
				unpaid[sells(i)][peer_of(i)] += price_of(i);
			if (state == LEDGER_STATE_SETTLED)
				state = LEDGER_STATE_EARNED;
			assert_int_equal(state, model->state[i][item]);
		}
	}
	/* what is earned and not settled is what is due, but for less than one message's price */
	for (peer = 0; peer < PEERS; peer++) {
		assert_in_range(unpaid[1][peer] - model->account[RECEIVABLE][peer], 0, 399);
		assert_in_range(unpaid[0][peer] + model->account[PAYABLE][peer], 0, 399);
	}
}

static void model_op(struct ledger *ledger, struct model *model, int64_t now)
{
	size_t i = rand() % MODEL_CONTRACTS;

	switch (rand() % 16) {
	case 0 ... 3:
		op_promise(ledger, model, i, now);
		break;
	case 4:
		op_lapse(ledger, model, now);
		break;
	case 5:
		op_settle(ledger, model, rand() % PEERS, rand() % 2, 1 + rand() % 600, now);
		break;
	default:
		op_earn(ledger, model, i, rand() % items_of(i), now);
	}
}

static void test_model(void **state)
{
	struct ledger *ledger = open_ledger();
	struct model model = { 0 }, before;
	int op, group = 0;

	(void)state;
	srand(4);
	model_make();
	for (op = 0; op < MODEL_OPS; op++) {
		if (!group) {
			before = model;
			group = 1 + rand() % 30;
			if (group > 1)
				ok(ledger_begin(ledger, &error));
			else
				group = -1;
		}
		model_op(ledger, &model, NOW + op / 5);
		if (group < 0) {
			group = 0;
			continue;
		}
		if (--group)
			continue;
		if (rand() % 4) {
			ok(ledger_commit(ledger, &error));
		} else {
			ledger_rollback(ledger);
			model = before;
		}
		if (!(rand() % 50)) {
			model_compare(ledger, &model);
			verified(ledger);
			ledger_close(ledger);
			ledger = open_ledger();
		}
	}
	ledger_rollback(ledger);
	if (group > 0)
		model = before;
	model_compare(ledger, &model);
	verified(ledger);
	/* the test would say nothing of a ledger in which nothing happened */
	assert_true(model.entries > 500 && model.points);
	ledger_close(ledger);
	for (op = 0; op < MODEL_CONTRACTS; op++)
		contract_free(&model_contract[op]);
}

/* ---- kills ---- */

#define KILLS	30

/* Promises and earns until it is killed; tells each contract that is committed. */
static void child(int fd, uint32_t serial)
{
	struct ledger *ledger;
	struct contract contract;
	uint8_t uid[CONTRACT_UID_LEN];

	if (ledger_open(&ledger, path, &node, &error))
		_exit(1);
	for (;; serial++) {
		make(&contract, &peers[0], &node, serial, 3, 1000, EXPIRY);
		contract_uid(&contract, uid);
		if (serial % 3 == 0 && ledger_begin(ledger, &error))
			_exit(2);
		if (promise(ledger, &contract) || earn(ledger, &contract, 1))
			_exit(3);
		if (serial % 3 == 0 && ledger_commit(ledger, &error))
			_exit(4);
		if (write(fd, uid, sizeof(uid)) != sizeof(uid))
			_exit(5);
		contract_free(&contract);
	}
}

/* All that the child told before it died is there, and both of its messages' states. */
static size_t check_told(struct ledger *ledger, int fd)
{
	uint8_t uid[CONTRACT_UID_LEN];
	struct contract contract;
	size_t told = 0;

	while (read(fd, uid, sizeof(uid)) == sizeof(uid)) {
		if (ledger_get(ledger, uid, &contract, &error))
			fail_msg("a committed contract is lost: %s", error.text);
		assert_int_equal(state_of(ledger, &contract, 1), LEDGER_STATE_EARNED);
		assert_int_equal(state_of(ledger, &contract, 0), LEDGER_STATE_PROMISED);
		contract_free(&contract);
		told++;
	}
	return told;
}

static void test_kill(void **state)
{
	struct timespec wait = { 0 };
	struct ledger *ledger;
	int i, fds[2], status;
	size_t told = 0;
	pid_t pid;

	(void)state;
	srand(time(NULL));
	for (i = 0; i < KILLS; i++) {
		assert_int_equal(pipe(fds), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (!pid) {
			close(fds[0]);
			child(fds[1], i * 100000);
		}
		close(fds[1]);
		/* at any time from its start, or not before it has committed something */
		if (i % 3)
			assert_int_equal(poll(&(struct pollfd){ fds[0], POLLIN, 0 }, 1, 20000), 1);
		wait.tv_nsec = 1000000 * (1 + rand() % 100);
		nanosleep(&wait, NULL);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		ledger = open_ledger();
		verified(ledger);
		told += check_told(ledger, fds[0]);
		close(fds[0]);
		ledger_close(ledger);
	}
	print_message("%zu commits told in %d kills\n", told, KILLS);
	assert_true(told >= KILLS / 2);
}

/* ---- tampering ---- */

/**
 * struct attack - what somebody does to the file, and what is said of it
 * @sql: as in sqlite3(1)
 * @bad: seq that is to be named
 * @text: that is to be said
 */
struct attack {
	const char	*sql;
	int64_t		bad;
	const char	*text;
};

/*
 * The ledger: 1-3 promised (selling), 4 earned, 5-6 promised (buying), 7 earned, 8 earned, 9
 * settled, 10 earned, 11 lapsed.
 */
static const struct attack attacks[] = {
	{ "UPDATE entries SET amount = 1001 WHERE seq = 2", 2, "changed" },
	{ "UPDATE entries SET time = time + 1 WHERE seq = 4", 4, "changed" },
	{ "UPDATE entries SET kind = 2 WHERE seq = 4", 4, "changed" },
	{ "UPDATE entries SET kind = 9 WHERE seq = 4", 4, "damaged" },
	{ "UPDATE entries SET peer = zeroblob(16) WHERE seq = 9", 9, "changed" },
	{ "UPDATE entries SET digest = randomblob(64) WHERE seq = 8", 8, "changed" },
	{ "UPDATE entries SET contract = NULL, digest = NULL WHERE seq = 10", 10, "changed" },
	{ "UPDATE entries SET contract = 77 WHERE seq = 10", 10, "contract" },
	{ "UPDATE entries SET amount = -1 WHERE seq = 10", 10, "damaged" },
	/* another account */
	{ "UPDATE entries SET credit = debit WHERE seq = 7", 7, "changed" },
	{ "UPDATE entries SET debit = credit, credit = debit WHERE seq = 9", 9, "changed" },
	{ "UPDATE entries SET debit = 99 WHERE seq = 9", 9, "account" },
	{ "UPDATE accounts SET name = 'points2' WHERE name = 'points'", 9, "changed" },
	{ "UPDATE accounts SET name = 'x' || name WHERE name LIKE 'payable%'", 7, "changed" },
	/* another order */
	{ "UPDATE entries SET seq = 99 WHERE seq = 2; UPDATE entries SET seq = 2 WHERE seq = 3;"
	  "UPDATE entries SET seq = 3 WHERE seq = 99", 2, "changed" },
	{ "UPDATE entries SET seq = 99 WHERE seq = 8; UPDATE entries SET seq = 8 WHERE seq = 10;"
	  "UPDATE entries SET seq = 10 WHERE seq = 99", 8, "changed" },
	{ "UPDATE entries SET seq = 0 WHERE seq = 1", 0, "no entry can have this number" },
	/* less */
	{ "DELETE FROM entries WHERE seq = 1", 1, "missing" },
	{ "DELETE FROM entries WHERE seq = 6", 6, "missing" },
	{ "DELETE FROM entries WHERE seq = 6; UPDATE entries SET seq = seq - 1 WHERE seq > 6", 6,
	  "changed" },
	{ "DELETE FROM entries WHERE seq = 11", 11, "missing" },
	{ "DELETE FROM entries WHERE seq > 8", 9, "missing" },
	{ "DELETE FROM entries", 1, "missing" },
	{ "UPDATE head SET seq = 12", 12, "cut off" },
	{ "UPDATE head SET seq = 10", 11, "behind the head" },
	{ "UPDATE head SET hash = randomblob(64)", 11, "head" },
	{ "UPDATE head SET signature = randomblob(64)", 11, "signature of the head" },
	{ "DELETE FROM head", 0, "lost its head" },
	/* more */
	{ "INSERT INTO entries SELECT 12, time, kind, peer, contract, randomblob(64), debit,"
	  " credit, amount, hash, signature FROM entries WHERE seq = 10", 12, "changed" },
	{ "UPDATE entries SET seq = 12 WHERE seq = 11; INSERT INTO entries SELECT 11, time, kind,"
	  " peer, contract, randomblob(64), debit, credit, amount, hash, signature FROM entries"
	  " WHERE seq = 10", 11, "changed" },
	{ "INSERT INTO entries SELECT -5, time, kind, peer, contract, randomblob(64), debit,"
	  " credit, amount, hash, signature FROM entries WHERE seq = 10", -5, "no entry" },
	/* chain and signatures */
	{ "UPDATE entries SET hash = randomblob(64) WHERE seq = 5", 5, "changed" },
	{ "UPDATE entries SET signature = randomblob(64) WHERE seq = 5", 5, "signature" },
	{ "UPDATE entries SET signature = randomblob(64) WHERE seq = 6", 6, "signature" },
	{ "UPDATE entries SET signature = (SELECT signature FROM entries WHERE seq = 4)"
	  " WHERE seq = 6", 6, "signature" },
	{ "UPDATE entries SET signature = x'00' WHERE seq = 5", 5, "damaged" },
	{ "UPDATE entries SET signature = x'' WHERE seq = 11", 11, "lost its signature" },
	/* contracts: named is the first entry of theirs */
	{ "UPDATE contracts SET body = CAST(substr(body, 1, 100) || x'55' || substr(body, 102)"
	  " AS BLOB) WHERE id = 2", 5, "contract is not right" },
	{ "UPDATE contracts SET body = x'80' WHERE id = 1", 1, "contract is not right" },
	{ "UPDATE contracts SET buyer_signature = seller_signature WHERE id = 2", 5,
	  "buyer's signature" },
	{ "UPDATE contracts SET seller_signature = x'' WHERE id = 2", 5, "signatures" },
	{ "UPDATE contracts SET (body, buyer_signature, seller_signature) = (SELECT body,"
	  " buyer_signature, seller_signature FROM contracts WHERE id = 2) WHERE id = 1", 1,
	  "exchanged" },
	{ "UPDATE contracts SET role = 1 - role WHERE id = 2", 5, "not the seller" },
	{ "UPDATE contracts SET uid = randomblob(16) WHERE id = 2", 5, "changed" },
	{ "UPDATE contracts SET expiry = expiry + 1 WHERE id = 2", 5, "times" },
	{ "UPDATE contracts SET time = time + 1 WHERE id = 2", 5, "times" },
	{ "DELETE FROM contracts WHERE id = 2", 5, "contract" },
	/* what the entries yield; no entry is to blame */
	{ "UPDATE accounts SET balance = balance + 1 WHERE name = 'points'", 0,
	  "balance of account points is 1501 instead of 1500" },
	{ "UPDATE accounts SET balance = balance + CASE id WHEN 1 THEN 5 ELSE -5 END WHERE id < 3",
	  0, "balance of account" },
	{ "INSERT INTO accounts (name, balance) VALUES ('mine', 7)", 0, "account mine" },
	{ "UPDATE accounts SET through = 10 WHERE name LIKE 'receivable%'", 0, "payments" },
	{ "UPDATE accounts SET through = 0, rest = 1500 WHERE name LIKE 'receivable%'", 0,
	  "payments" },
	{ "UPDATE accounts SET rest = 0 WHERE name LIKE 'receivable%'", 0, "payments" },
	{ "UPDATE contracts SET earned = earned - 1 WHERE id = 1", 0, "sums of a contract" },
	{ "UPDATE contracts SET promised = promised - 1 WHERE id = 1", 0, "sums of a contract" },
	{ "UPDATE contracts SET lapsed = 1 WHERE id = 1", 0, "sums of a contract" },
	{ "UPDATE contracts SET open = 1 WHERE id = 2", 0, "sums of a contract" },
	{ "INSERT INTO contracts SELECT 9, randomblob(16), role, time, expiry, open, promised,"
	  " earned, lapsed, body, buyer_signature, seller_signature FROM contracts WHERE id = 1",
	  0, "sums of a contract" },
};

/* Without PATH.head, by somebody who makes a new head out of the last entry that he leaves. */
static const struct attack attacks_on_head[] = {
	{ "DELETE FROM entries WHERE seq = 11; UPDATE head SET (seq, hash, signature) ="
	  " (SELECT seq, hash, signature FROM entries WHERE seq = 10)", 10,
	  "signature of the head" },
	{ "DELETE FROM entries WHERE seq = 11; UPDATE head SET seq = 10, hash ="
	  " (SELECT hash FROM entries WHERE seq = 10)", 10, "signature of the head" },
	{ "DELETE FROM entries; UPDATE head SET seq = 0, hash = zeroblob(64)", 0, "head" },
};

static void build_attacked(void)
{
	struct ledger *ledger = open_ledger();
	struct contract sold, bought;

	make(&sold, &peers[0], &node, 1, 3, 1000, EXPIRY);
	make(&bought, &node, &peers[1], 2, 2, 1000, EXPIRY);
	ok(promise(ledger, &sold));
	ok(earn(ledger, &sold, 0));
	ok(promise(ledger, &bought));
	ok(earn(ledger, &bought, 0));
	ok(earn(ledger, &sold, 1));
	ok(ledger_settle(ledger, peers[0].address, 1500, NOW + 2, &error));
	ok(earn(ledger, &sold, 2));
	ok(ledger_lapse(ledger, EXPIRY, &error));
	assert_int_equal(entries(ledger), 11);
	verified(ledger);
	ledger_close(ledger);
	contract_free(&sold);
	contract_free(&bought);
}

/**
 * struct copy - the files of a ledger, as they were
 */
struct copy {
	uint8_t	*data;
	size_t	size;
	uint8_t	*head;
	size_t	head_size;
};

static void copy_files(struct copy *copy)
{
	copy->data = read_file(path, &copy->size);
	copy->head = read_file(beside(".head"), &copy->head_size);
}

static void put_back(const struct copy *copy)
{
	unlink(beside("-wal"));
	unlink(beside("-shm"));
	write_file(path, copy->data, copy->size);
	write_file(beside(".head"), copy->head, copy->head_size);
}

static void free_copy(struct copy *copy)
{
	free(copy->data);
	free(copy->head);
}

static void attack(const struct attack *attack)
{
	struct ledger *ledger;
	int64_t bad = -77;
	int rc;

	tamper(attack->sql);
	ledger = open_reader();
	rc = ledger_verify(ledger, node.public, &bad, &error);
	ledger_close(ledger);
	if (rc != -EBADMSG || bad != attack->bad || !strstr(error.text, attack->text))
		fail_msg("%s: %d, entry %lld, '%s'", attack->sql, rc, (long long)bad, error.text);
}

static void test_attacks(void **state)
{
	struct ledger *ledger;
	struct copy copy;
	size_t i;

	(void)state;
	build_attacked();
	copy_files(&copy);
	for (i = 0; i < sizeof(attacks) / sizeof(*attacks); i++) {
		put_back(&copy);
		attack(&attacks[i]);
	}
	for (i = 0; i < sizeof(attacks_on_head) / sizeof(*attacks_on_head); i++) {
		put_back(&copy);
		unlink(beside(".head"));
		attack(&attacks_on_head[i]);
	}
	/* and the ledger as it was is right */
	put_back(&copy);
	ledger = open_ledger();
	verified(ledger);
	ledger_close(ledger);
	free_copy(&copy);
}

/* An entry that is chained and hashed as it should be, by somebody with another key. */
static void test_forged(void **state)
{
	struct ledger_row row = { .entry = { .seq = 12, .time = NOW, .kind = LEDGER_SETTLED,
					     .amount = 1 } };
	uint8_t public[IDENTITY_PUBLIC_LEN];
	struct ledger *ledger;
	sqlite3_stmt *add;
	sqlite3 *db;
	int64_t bad;

	(void)state;
	build_attacked();
	ledger = open_reader();
	ok(ledgerfile_head_load(ledger, public, &ledger->head, &error));
	assert_memory_equal(public, node.public, sizeof(public));
	memcpy(row.entry.peer, peers[0].address, CS_ADDR_LEN);
	ledger_accounts(LEDGER_SETTLED, LEDGER_SELLER, row.entry.peer, row.entry.debit,
			row.entry.credit);
	ok(ledger_entry_hash(ledger->head.hash, &row.entry, row.hash));
	ok(identity_sign(&other, LEDGER_CONTEXT, row.hash, CS_DIGEST_LEN, row.signature));
	ledger_close(ledger);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
		"INSERT INTO entries SELECT 12, ?1, 3, peer, NULL, NULL, debit, credit, 1, ?2, ?3"
		" FROM entries WHERE seq = 9", -1, &add, NULL), SQLITE_OK);
	sqlite3_bind_int64(add, 1, NOW);
	sqlite3_bind_blob(add, 2, row.hash, CS_DIGEST_LEN, SQLITE_STATIC);
	sqlite3_bind_blob(add, 3, row.signature, IDENTITY_SIGNATURE_LEN, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(add), SQLITE_DONE);
	sqlite3_finalize(add);
	sqlite3_close(db);
	ledger = open_reader();
	assert_int_equal(ledger_verify(ledger, node.public, &bad, &error), -EBADMSG);
	assert_int_equal(bad, 12);
	says("signature is not this node's");
	ledger_close(ledger);
	/* nobody writes on after that either */
	assert_int_equal(ledger_open(&ledger, path, &node, &error), -EUCLEAN);
	says("behind the head");
}

/* Who alters an entry that is not signed, and chains all that follow anew, meets one that is. */
static void test_chained_anew(void **state)
{
	uint8_t hash[CS_DIGEST_LEN];
	struct ledger *ledger;
	struct ledger_row row;
	sqlite3_stmt *get, *set;
	sqlite3 *db;
	int64_t bad;

	(void)state;
	build_attacked();
	tamper("UPDATE entries SET time = time + 1 WHERE seq = 2");
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, ledger_rows_sql, -1, &get, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "UPDATE entries SET hash = ?2 WHERE seq = ?1", -1,
					    &set, NULL), SQLITE_OK);
	sqlite3_bind_int64(get, 1, 0);
	ledgerfile_genesis(node.public, hash);
	while (sqlite3_step(get) == SQLITE_ROW) {
		assert_true(ledger_row_read(get, &row));
		ok(ledger_entry_hash(hash, &row.entry, hash));
		sqlite3_bind_int64(set, 1, row.entry.seq);
		sqlite3_bind_blob(set, 2, hash, sizeof(hash), SQLITE_STATIC);
		assert_int_equal(sqlite3_step(set), SQLITE_DONE);
		sqlite3_reset(set);
	}
	sqlite3_finalize(get);
	sqlite3_finalize(set);
	sqlite3_close(db);
	ledger = open_reader();
	assert_int_equal(ledger_verify(ledger, node.public, &bad, &error), -EBADMSG);
	assert_int_equal(bad, 3);
	says("signature is not this node's");
	ledger_close(ledger);
}

/* An older copy of the database, right in itself: PATH.head knows of more. */
static void test_older_copy(void **state)
{
	struct contract contract;
	struct ledger *ledger;
	uint8_t *data;
	int64_t bad;
	size_t size;

	(void)state;
	build_attacked();
	data = read_file(path, &size);
	ledger = open_ledger();
	make(&contract, &peers[0], &node, 9, 2, 1000, EXPIRY);
	ok(promise(ledger, &contract));
	ledger_close(ledger);
	write_file(path, data, size);
	ledger = open_reader();
	assert_int_equal(ledger_verify(ledger, node.public, &bad, &error), -EBADMSG);
	assert_int_equal(bad, 12);
	says("there were 13");
	ledger_close(ledger);
	assert_int_equal(ledger_open(&ledger, path, &node, &error), -EUCLEAN);
	says("older copy");
	/* or nothing at all of it */
	unlink(path);
	assert_int_equal(ledger_open(&ledger, path, &node, &error), -EUCLEAN);
	says("gone or empty, but had 13 entries");
	assert_int_equal(access(path, F_OK), -1);
	/* unless that is how it is to be */
	write_file(path, data, size);
	unlink(beside(".head"));
	ledger = open_ledger();
	verified(ledger);
	ledger_close(ledger);
	/* what is not whole in PATH.head, as after a power cut, is as if it were not there */
	write_file(beside(".head"), "CSLHEAD1 and then nothing", 25);
	ledger = open_ledger();
	verified(ledger);
	ledger_close(ledger);
	free(data);
	contract_free(&contract);
}

static void test_of_another(void **state)
{
	struct ledger *ledger;
	int64_t bad;

	(void)state;
	build_attacked();
	assert_int_equal(ledger_open(&ledger, path, &other, &error), -EPERM);
	says("another node");
	ledger = open_reader();
	assert_int_equal(ledger_verify(ledger, other.public, &bad, &error), -EPERM);
	ledger_close(ledger);
}

/* ---- the file ---- */

static void test_modes(void **state)
{
	struct ledger *ledger = open_ledger();
	static const char *const files[] = { "", "-wal", "-shm", ".head" };
	struct stat st;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		assert_int_equal(stat(beside(files[i]), &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	ledger_close(ledger);
}

static int get_text(void *data, int columns, char **values, char **names)
{
	(void)columns;
	(void)names;
	snprintf(data, 32, "%s", values[0]);
	return 0;
}

static void pragma_is(struct ledger *ledger, const char *pragma, const char *value)
{
	char text[32] = "";

	assert_int_equal(sqlite3_exec(ledger->db, pragma, get_text, text, NULL), SQLITE_OK);
	assert_string_equal(text, value);
}

static void test_pragmas(void **state)
{
	struct ledger *ledger = open_ledger();

	(void)state;
	pragma_is(ledger, "PRAGMA journal_mode", "wal");
	pragma_is(ledger, "PRAGMA synchronous", "2");
	pragma_is(ledger, "PRAGMA foreign_keys", "1");
	pragma_is(ledger, "PRAGMA user_version", "1");
	pragma_is(ledger, "PRAGMA application_id", "1129532487");
	ledger_close(ledger);
}

static void test_one_writer(void **state)
{
	struct ledger *ledger = open_ledger(), *second, *reader;
	struct contract contract;
	uint8_t zero[CS_DIGEST_LEN] = { 0 };
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(ledger_open(&second, path, &node, &error), -EBUSY);
	says("second crowdshared");
	assert_null(second);
	pid = fork();
	if (!pid)
		_exit(-ledger_open(&second, path, &node, &error));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), EBUSY);

	/* a reader is let in, sees what is committed and can't write */
	make(&contract, &peers[0], &node, 1, 2, 1000, EXPIRY);
	reader = open_reader();
	assert_int_equal(entries(reader), 0);
	ok(promise(ledger, &contract));
	assert_int_equal(entries(reader), 2);
	verified(reader);
	ok(ledger_begin(ledger, &error));
	ok(earn(ledger, &contract, 0));
	assert_int_equal(entries(reader), 2);
	verified(reader);
	ok(ledger_commit(ledger, &error));
	assert_int_equal(entries(reader), 3);
	assert_int_equal(ledger_promise(reader, &contract, NOW, &error), -EROFS);
	assert_int_equal(ledger_earn(reader, zero, zero, NOW, &error), -EROFS);
	assert_int_equal(ledger_lapse(reader, NOW, &error), -EROFS);
	assert_int_equal(ledger_settle(reader, peers[0].address, 1, NOW, &error), -EROFS);
	assert_int_equal(ledger_begin(reader, &error), -EROFS);
	ledger_close(ledger);
	verified(reader);
	/* and does not keep the next writer out */
	ledger = open_ledger();
	ok(earn(ledger, &contract, 1));
	assert_int_equal(entries(reader), 4);
	ledger_close(reader);
	ledger_close(ledger);
	contract_free(&contract);
}

static void test_nothing_to_read(void **state)
{
	struct ledger *ledger;

	(void)state;
	assert_int_equal(ledger_open(&ledger, path, NULL, &error), -ENOENT);
	says("there is none");
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(beside(".head"), F_OK), -1);
	strcat(path, "/not/there");
	assert_int_equal(ledger_open(&ledger, path, &node, &error), -ENOENT);
	says("not/there");
}

/* Refused, and every byte of what was there is there. */
static void left_alone_by(const struct identity *identity, int rc, const char *text)
{
	uint8_t before[2][CS_DIGEST_LEN], after[2][CS_DIGEST_LEN], none[CS_DIGEST_LEN] = { 0 };
	struct ledger *ledger;
	int got;

	sum_file(path, before[0]);
	sum_file(beside("-wal"), before[1]);
	got = ledger_open(&ledger, path, identity, &error);
	if (got != rc || !strstr(error.text, text))
		fail_msg("%d: %s", got, error.text);
	assert_null(ledger);
	sum_file(path, after[0]);
	assert_memory_equal(before[0], after[0], CS_DIGEST_LEN);
	/* a reader may look at what nobody writes on with, and changes nothing either */
	if (!ledger_open(&ledger, path, NULL, &error))
		ledger_close(ledger);
	sum_file(path, after[0]);
	sum_file(beside("-wal"), after[1]);
	assert_memory_equal(before[0], after[0], CS_DIGEST_LEN);
	if (memcmp(before[1], none, CS_DIGEST_LEN))
		assert_memory_equal(before[1], after[1], CS_DIGEST_LEN);
}

static void left_alone(int rc, const char *text)
{
	left_alone_by(&node, rc, text);
}

static void test_no_ledger(void **state)
{
	char text[8192];
	sqlite3 *db;

	(void)state;
	memset(text, 'x', sizeof(text));
	write_file(path, text, sizeof(text));
	left_alone(-EUCLEAN, "not a database");
	write_file(path, text, 10);
	left_alone(-EUCLEAN, "not a database");
	memset(text, 0, sizeof(text));
	write_file(path, text, sizeof(text));
	left_alone(-EUCLEAN, "not a database");
	/* somebody else's */
	unlink(path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_exec(db, "CREATE TABLE photos (name)", NULL, NULL, NULL);
	sqlite3_close(db);
	left_alone(-EINVAL, "not a ledger");
	tamper("PRAGMA application_id = 99; DROP TABLE photos");
	left_alone(-EINVAL, "not a ledger");
	/* a directory */
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(ledger_open(&(struct ledger *){ NULL }, path, &node, &error) < 0);
}

/* A ledger of several pages, and its bytes. */
static uint8_t *build_long(size_t *size)
{
	struct ledger *ledger = open_ledger();
	struct contract contract;
	uint32_t i;

	ok(ledger_begin(ledger, &error));
	for (i = 0; i < 4; i++) {
		make(&contract, &peers[0], &node, i, 100, 1000, EXPIRY);
		ok(promise(ledger, &contract));
		contract_free(&contract);
	}
	ok(ledger_commit(ledger, &error));
	ledger_close(ledger);
	return read_file(path, size);
}

static void test_damaged(void **state)
{
	uint8_t *data, *damaged;
	size_t size, at;

	(void)state;
	data = build_long(&size);
	assert_true(size > 20 * 4096);
	damaged = malloc(size);
	/* each page's head in turn; the first page has that of the file in front */
	for (at = 0; at < size; at += 4096) {
		memcpy(damaged, data, size);
		memset(damaged + at, 0xee, 64);
		write_file(path, damaged, size);
		left_alone(-EUCLEAN, at ? "damaged" : "not a database");
	}
	for (at = 1; at < 8; at++) {
		write_file(path, data, size * at / 8);
		left_alone(-EUCLEAN, "damaged");
	}
	write_file(path, data, 0);
	left_alone(-EUCLEAN, "gone or empty, but had 400 entries");
	free(damaged);
	free(data);
}

/* A database that is emptied while its WAL is full: SQLite alone would delete the WAL. */
static void test_wal_kept(void **state)
{
	uint8_t *data, *wal, first[64];
	struct contract contract;
	size_t size, wal_size;
	struct ledger *ledger;

	(void)state;
	ledger = open_ledger();
	make(&contract, &peers[0], &node, 1, 10, 1000, EXPIRY);
	ok(promise(ledger, &contract));
	data = read_file(path, &size);
	wal = read_file(beside("-wal"), &wal_size);
	ledger_close(ledger);
	assert_true(wal_size > 4096);
	unlink(beside(".head"));

	write_file(path, data, 0);
	write_file(beside("-wal"), wal, wal_size);
	left_alone(-EUCLEAN, "is empty, but");
	unlink(path);
	assert_int_equal(ledger_open(&ledger, path, &node, &error), -EUCLEAN);
	assert_int_equal(access(path, F_OK), -1);
	/* a ledger that is refused: its WAL is not moved into it either */
	memcpy(first, data, sizeof(first));
	write_file(path, data, size);
	assert_int_equal(ledger_open(&ledger, path, &other, &error), -EPERM);
	free(data);
	data = read_file(path, &size);
	assert_memory_equal(first, data, sizeof(first));
	left_alone_by(&other, -EPERM, "another node");
	/* both as they were after a kill: all is there */
	ledger = open_ledger();
	assert_int_equal(entries(ledger), 10);
	verified(ledger);
	ledger_close(ledger);
	free(data);
	free(wal);
	contract_free(&contract);
}

/* The WAL of a killed writer is lost: PATH.head knows. */
static void test_wal_lost(void **state)
{
	struct contract contract;
	struct ledger *ledger;
	int status;
	pid_t pid;

	(void)state;
	ledger_close(open_ledger());
	pid = fork();
	if (!pid) {
		ledger = open_ledger();
		make(&contract, &peers[0], &node, 1, 10, 1000, EXPIRY);
		ok(promise(ledger, &contract));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(unlink(beside("-wal")), 0);
	left_alone(-EUCLEAN, "there were 10");
}

/* ---- versions ---- */

static int step_none(sqlite3 *db)
{
	(void)db;
	fail_msg("version 1 was there already");
	return SQLITE_ERROR;
}

static int step_add(sqlite3 *db)
{
	return sqlite3_exec(db, "ALTER TABLE contracts ADD COLUMN note TEXT NOT NULL DEFAULT 'x';"
			    "UPDATE contracts SET note = hex(uid)", NULL, NULL, NULL);
}

static int step_broken(sqlite3 *db)
{
	int rc = sqlite3_exec(db, "DELETE FROM head; CREATE TABLE gone (x)", NULL, NULL, NULL);

	return rc ? rc : sqlite3_exec(db, "INSERT INTO nowhere VALUES (1)", NULL, NULL, NULL);
}

static void test_migration(void **state)
{
	static const ledgerfile_step good[] = { step_none, step_add };
	static const ledgerfile_step broken[] = { step_none, step_add, step_broken };
	struct ledger *ledger;

	(void)state;
	build_attacked();
	ledger = open_ledger();
	/* a step that fails: all are taken back */
	assert_int_equal(sqlite3_exec(ledger->db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_true(ledgerfile_migrate(ledger, broken, 3, &error) < 0);
	says("nowhere");
	assert_int_equal(sqlite3_exec(ledger->db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	pragma_is(ledger, "PRAGMA user_version", "1");
	verified(ledger);
	/* nothing to do */
	ok(ledgerfile_migrate(ledger, good, 1, &error));
	/* a step that works: the entries are what they were */
	assert_int_equal(sqlite3_exec(ledger->db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	ok(ledgerfile_migrate(ledger, good, 2, &error));
	assert_int_equal(sqlite3_exec(ledger->db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	pragma_is(ledger, "PRAGMA user_version", "2");
	pragma_is(ledger, "SELECT length(note) FROM contracts", "32");
	verified(ledger);
	/* a version that is gone */
	assert_int_equal(ledgerfile_migrate(ledger, good, 1, &error), -EOPNOTSUPP);
	ledger_close(ledger);
	/* a later version's file is left alone */
	left_alone(-EOPNOTSUPP, "is of version 2, this program knows 1");
	assert_int_equal(ledger_open(&ledger, path, NULL, &error), -EOPNOTSUPP);
}

/* ---- no room ---- */

/* Promise until it fails; all that was promised before is there, and it goes on after @relief. */
static void fill_up(struct ledger *ledger, int rc, const char *text,
		    void (*relief)(struct ledger *ledger))
{
	struct contract contract;
	uint32_t serial;
	int got;

	for (serial = 1000; serial < 3000; serial++) {
		make(&contract, &peers[0], &node, serial, 20, 1000, EXPIRY);
		got = promise(ledger, &contract);
		if (got)
			break;
		contract_free(&contract);
	}
	if (got != rc || !strstr(error.text, text))
		fail_msg("%u: %d: %s", serial, got, error.text);
	assert_true(serial > 1000);
	assert_int_equal(balance(ledger, "expected", &peers[0]), (serial - 1000) * 20000);
	/* a group is taken back as a whole, and says so until it ends */
	ok(ledger_begin(ledger, &error));
	got = promise(ledger, &contract);
	if (got) {
		assert_int_equal(got, rc);
		assert_int_equal(promise(ledger, &contract), -ECANCELED);
		assert_int_equal(ledger_commit(ledger, &error), -ECANCELED);
	} else {
		assert_int_equal(ledger_commit(ledger, &error), rc);
	}
	verified(ledger);
	assert_int_equal(entries(ledger), (serial - 1000) * 20);
	relief(ledger);
	ok(promise(ledger, &contract));
	assert_int_equal(balance(ledger, "expected", &peers[0]), (serial - 999) * 20000);
	verified(ledger);
	contract_free(&contract);
}

static void set_pages(struct ledger *ledger, int pages)
{
	char pragma[64];

	snprintf(pragma, sizeof(pragma), "PRAGMA max_page_count = %d", pages);
	assert_int_equal(sqlite3_exec(ledger->db, pragma, NULL, NULL, NULL), SQLITE_OK);
}

static void more_pages(struct ledger *ledger)
{
	set_pages(ledger, 1 << 30);
}

static void test_database_full(void **state)
{
	struct ledger *ledger = open_ledger();

	(void)state;
	set_pages(ledger, 100);
	fill_up(ledger, -ENOSPC, "no room on the disk", more_pages);
	ledger_close(ledger);
}

static void set_limit(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void lift_limit(struct ledger *ledger)
{
	(void)ledger;
	set_limit(RLIM_INFINITY);
}

static void test_file_limit(void **state)
{
	struct ledger *ledger = open_ledger();

	(void)state;
	set_limit(1 << 20);
	fill_up(ledger, -EFBIG, strerror(EFBIG), lift_limit);
	ledger_close(ledger);
}

static char ballast[160];

static void remove_ballast(struct ledger *ledger)
{
	(void)ledger;
	assert_int_equal(unlink(ballast), 0);
}

static void test_disk_full(void **state)
{
	struct ledger *ledger;
	char zero[4096] = { 0 };
	int i, fd;

	(void)state;
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("ledger", dir, "tmpfs", 0, "size=2m")) {
		print_message("no tmpfs may be mounted here\n");
		skip();
	}
	snprintf(ballast, sizeof(ballast), "%s/ballast", dir);
	fd = open(ballast, O_WRONLY | O_CREAT, 0600);
	for (i = 0; i < 256; i++)
		assert_int_equal(write(fd, zero, sizeof(zero)), sizeof(zero));
	close(fd);
	ledger = open_ledger();
	fill_up(ledger, -ENOSPC, "no room on the disk", remove_ballast);
	ledger_close(ledger);
	ledger = open_ledger();
	verified(ledger);
	ledger_close(ledger);
	assert_int_equal(umount(dir), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_selling), TEST(test_buying), TEST(test_contracts), TEST(test_each),
		TEST(test_earned_once), TEST(test_refused_contracts), TEST(test_overflow),
		TEST(test_free_of_charge), TEST(test_lapse_in_portions), TEST(test_groups),
		TEST(test_cannot_sign), TEST(test_half_done),
		TEST(test_model), TEST(test_kill), TEST(test_attacks), TEST(test_forged),
		TEST(test_chained_anew),
		TEST(test_older_copy), TEST(test_of_another), TEST(test_modes),
		TEST(test_pragmas), TEST(test_one_writer), TEST(test_nothing_to_read),
		TEST(test_no_ledger), TEST(test_damaged), TEST(test_wal_kept),
		TEST(test_wal_lost), TEST(test_migration), TEST(test_database_full),
		TEST(test_file_limit), TEST(test_disk_full),
	};

	return cmocka_run_group_tests_name("ledger", tests, setup_all, teardown_all);
}
