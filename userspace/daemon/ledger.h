/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ledger: promised, earned and settled points, in millipoints, double entry. See ledger.c.
 */
#ifndef CSD_LEDGER_H
#define CSD_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/contract.h"
#include "daemon/identity.h"
#include "lib/error.h"

/**
 * enum ledger_kind - why points moved
 * @LEDGER_PROMISED: a contract was signed: one entry for each of its messages
 * @LEDGER_EARNED: a receipt came for one of them
 * @LEDGER_LAPSED: the contract expired without one: the promise is taken back
 * @LEDGER_SETTLED: what was earned has been paid
 */
enum ledger_kind {
	LEDGER_PROMISED,
	LEDGER_EARNED,
	LEDGER_LAPSED,
	LEDGER_SETTLED,
};

/**
 * enum ledger_state - what became of a message of a contract
 * @LEDGER_STATE_PROMISED: nothing yet
 * @LEDGER_STATE_EARNED: it was delivered
 * @LEDGER_STATE_LAPSED: the contract expired before
 * @LEDGER_STATE_SETTLED: it was delivered and paid; what was earned earliest is paid first
 */
enum ledger_state {
	LEDGER_STATE_PROMISED,
	LEDGER_STATE_EARNED,
	LEDGER_STATE_LAPSED,
	LEDGER_STATE_SETTLED,
};

/**
 * struct ledger_entry - an entry, as read back
 * @seq: 1 and on, without a gap
 * @time: Unix seconds
 * @kind: enum ledger_kind
 * @peer: the other party's address
 * @contract: uid of the contract, all zero: none
 * @digest: of the message, all zero: none
 * @debit: account that gives
 * @credit: account that gets
 * @amount: millipoints, above 0 or, for a contract without a price, 0
 */
struct ledger_entry {
	int64_t			seq;
	int64_t			time;
	enum ledger_kind	kind;
	uint8_t			peer[CS_ADDR_LEN];
	uint8_t			contract[CONTRACT_UID_LEN];
	uint8_t			digest[CS_DIGEST_LEN];
	char			debit[64];
	char			credit[64];
	int64_t			amount;
};

struct ledger;

typedef int (*ledger_cb)(const struct ledger_entry *entry, void *data);
/* @promised: in all; of that, @earned and @lapsed; the rest is open */
typedef int (*ledger_contract_cb)(const struct contract *contract, int64_t promised,
				  int64_t earned, int64_t lapsed, void *data);
typedef int (*ledger_balance_cb)(const char *account, int64_t balance, void *data);

/* @identity signs entries; NULL opens for reading only. */
int ledger_open(struct ledger **ledger, const char *path, const struct identity *identity,
		struct cs_error *error);
void ledger_close(struct ledger *ledger);

/* What happens between these is committed as one, or not at all. */
int ledger_begin(struct ledger *ledger, struct cs_error *error);
int ledger_commit(struct ledger *ledger, struct cs_error *error);
void ledger_rollback(struct ledger *ledger);

/* Each is a transaction of its own unless one was begun. */
int ledger_promise(struct ledger *ledger, const struct contract *contract, int64_t now,
		   struct cs_error *error);
int ledger_earn(struct ledger *ledger, const uint8_t uid[CONTRACT_UID_LEN],
		const uint8_t digest[CS_DIGEST_LEN], int64_t now, struct cs_error *error);
int ledger_lapse(struct ledger *ledger, int64_t now, struct cs_error *error);
/* @amount: above 0: @peer paid it to this node; below 0: this node paid it to @peer */
int ledger_settle(struct ledger *ledger, const uint8_t peer[CS_ADDR_LEN], int64_t amount,
		  int64_t now, struct cs_error *error);

int ledger_get(struct ledger *ledger, const uint8_t uid[CONTRACT_UID_LEN],
	       struct contract *contract, struct cs_error *error);
int ledger_state(struct ledger *ledger, const uint8_t uid[CONTRACT_UID_LEN],
		 const uint8_t digest[CS_DIGEST_LEN], enum ledger_state *state, int64_t *amount,
		 struct cs_error *error);
int ledger_each(struct ledger *ledger, int64_t since, ledger_cb cb, void *data,
		struct cs_error *error);
int ledger_contracts(struct ledger *ledger, bool live, int64_t now, ledger_contract_cb cb,
		     void *data, struct cs_error *error);
int ledger_balances(struct ledger *ledger, ledger_balance_cb cb, void *data,
		    struct cs_error *error);
/* Millipoints that this node promised since a time, for the budget. */
int ledger_promised_since(struct ledger *ledger, int64_t since, int64_t *amount,
			  struct cs_error *error);

/*
 * Walks the chain, the signatures and the balances. @bad: seq of the first bad or missing entry;
 * 0: none, and then a return value below 0 says that something else is wrong.
 */
int ledger_verify(struct ledger *ledger, const uint8_t public[IDENTITY_PUBLIC_LEN], int64_t *bad,
		  struct cs_error *error);

#endif /* CSD_LEDGER_H */
