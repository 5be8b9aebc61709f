// SPDX-License-Identifier: GPL-2.0
/*
 * The way back of receipts, and what they pay.
 *
 *	ingest ─ gateway ─ RECEIPT → peer that gave the messages ─ RECEIPT → ... → who sent them
 *	                 ← RECEIPT_ACK                           ←
 *
 * A node remembers who gave it each message, and under which contract: in the store, and in the
 * tombstone of one that was delivered (cancel.c). A receipt that holds goes on to each of these
 * peers, for the messages that it gave, endorsed by this node (receipt.c). It waits in a database
 * until the peer has answered, or until nobody could be paid for it any more.
 *
 *	buyer, who gave the messages             seller, who took them
 *	                                       ← RECEIPT, which names their contract
 *	ledger: earned; what goes on is kept
 *	RECEIPT_ACK of what holds              →
 *	                                         ledger: earned; the letter is dropped
 *
 * The buyer commits before it answers, the seller when it is answered: so both ledgers say the
 * same, whenever one of the two is killed. A letter whose answer was lost comes again, changes
 * nothing, and is answered again. A buyer that does not answer gains nothing: the seller holds the
 * receiver's signature, the endorsements and the buyer's own signature below the contract.
 *
 * What this node could not claim of its own buyer, for want of room, it does not pay for either:
 * the letter comes again. Who signs for a wired destination nobody may know but the buyer, so what
 * goes on to those who pay nothing has less room, and is lost beyond that.
 *
 * A kernel passes messages on at once, and a receipt may be back before the daemon has them: such a
 * letter is kept for a moment, and looked at again.
 *
 * What is wrong with a letter is logged, at a bounded rate, and counted by reason; nothing else
 * changes.
 *
 * One process, one thread: no lock.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cancel.h"
#include "daemon/intake.h"
#include "daemon/log.h"
#include "daemon/offer.h"
#include "daemon/peer.h"
#include "daemon/receipt_file.h"
#include "daemon/receipt_way.h"
#include "daemon/receiver.h"
#include "lib/hex.h"

#define SIGNATURES_RATE	1000	/* that one peer may have verified in a second */
#define WAITING_MAX	16384	/* letters: some 100 MB at most */
#define FREE_SHARE	2	/* of all room this part is for what earns nothing */
#define LOOK_SECONDS	5
#define AGAIN_LOOKS	6	/* after so many looks what was not answered is sent again */
#define LINES_RATE	2
#define EARLY_MAX	256	/* letters that came before their messages */
#define EARLY_SECONDS	1
#define EARLY_TIMES	5

/**
 * struct early - a letter that came before messages that it names
 * @next: one that came before this one
 * @peer: address of who sent it
 * @times: that it was looked at
 * @data: the letter
 * @len: bytes
 */
struct early {
	struct early	*next;
	uint8_t		peer[CS_ADDR_LEN];
	unsigned int	times;
	uint8_t		*data;
	size_t		len;
};

/**
 * struct receipts - receipts on their way
 * @file: database
 * @timer: looks for those that can be sent
 * @looks: how often it did
 * @sent: letters that were sent lately
 * @waiting: letters in the database
 * @stats: counters
 * @lines: bucket of lines about what is refused
 * @early: letters that are looked at again
 * @nr_early: their number
 * @early_timer: does it
 */
struct receipts {
	struct sqlfile		file;
	struct event		*timer;
	unsigned int		looks;
	struct idset		sent;
	uint64_t		waiting;
	struct receipt_stats	stats;
	struct policy_bucket	lines;
	struct early		*early;
	unsigned int		nr_early;
	struct event		*early_timer;
};

static const struct {
	const char *name;
	const char *text;
} refusals[] = {
#define REFUSAL(name, string, text) { string, text },
	RECEIPT_REFUSAL_LIST(REFUSAL)
#undef REFUSAL
};

static const uint8_t no_contract[CONTRACT_UID_LEN];

/* --- Sending --- */

/**
 * struct sending - letters that go to a peer
 * @peer: who
 * @all: also what was sent already
 */
struct sending {
	struct peer	*peer;
	bool		all;
};

static int send_one(const uint8_t id[RECEIPT_ID_LEN], const uint8_t *data, size_t len, void *arg)
{
	const struct sending *sending = arg;
	struct peer *peer = sending->peer;
	struct idset *sent = &peer->daemon->receipts->sent;
	struct proto_letter letter;

	if (!sending->all && idset_has(sent, id))
		return 0;
	if (session_backlog(peer->session) > SESSION_BACKLOG ||
	    proto_decode(&letter, data, len, NULL))
		return 1;
	if (!session_send(peer->session, &letter))
		idset_add(sent, id);
	proto_free(&letter);
	return 0;
}

static void send_waiting(struct peer *peer, bool all)
{
	struct sending sending = { peer, all };
	struct cs_error error = { "" };

	if (peer->session &&
	    receipt_file_each(&peer->daemon->receipts->file, peer->address, send_one, &sending,
			      &error) < 0)
		log_error("receipts: %s", error.text);
}

static void count_waiting(struct daemon *daemon)
{
	struct receipts *receipts = daemon->receipts;
	struct cs_error error = { "" };

	if (receipt_file_waiting(&receipts->file, &receipts->waiting, &error))
		log_error("receipts: %s", error.text);
}

static void on_look(evutil_socket_t fd, short what, void *data)
{
	static const struct timeval wait = { LOOK_SECONDS, 0 };
	struct daemon *daemon = data;
	struct receipts *receipts = daemon->receipts;
	struct cs_error error = { "" };
	struct peer *peer;

	(void)fd;
	(void)what;
	if (++receipts->looks % AGAIN_LOOKS == 0) {
		idset_clear(&receipts->sent);
		if (receipt_file_expire(&receipts->file, daemon_now(), &error))
			log_error("receipts: %s", error.text);
		count_waiting(daemon);
	}
	for (peer = daemon->peers; receipts->waiting && peer; peer = peer->next)
		send_waiting(peer, false);
	evtimer_add(receipts->timer, &wait);
}

/**
 * receipt_peer_up() - a session with a peer has begun: it gets what waits for it
 * @peer: who
 */
void receipt_peer_up(struct peer *peer)
{
	send_waiting(peer, true);
}

/* --- Where a receipt goes on to --- */

/**
 * struct heir - a peer that gave some of a receipt's messages
 * @peer: its address
 * @claim: which, and under which contract
 */
struct heir {
	uint8_t			peer[CS_ADDR_LEN];
	struct receipt_claim	claim;
};

/**
 * struct passing - a receipt that goes on
 * @daemon: whose
 * @receipt: the receipt, whose endorsements hold
 * @from: who sent it, NULL: the ingest
 * @proven: its key is known to be the one of its destination
 * @heirs: to whom it goes
 * @nr_heirs: their number
 * @own: those of its messages that this node sent
 * @early: number of those that only the kernel knows
 */
struct passing {
	struct daemon			*daemon;
	const struct proto_receipt	*receipt;
	const struct peer		*from;
	bool				proven;
	struct heir			heirs[PROTO_BATCH_MAX];
	size_t				nr_heirs;
	uint64_t			own;
	unsigned int			early;
};

/* Who gave this node a message? What neither store nor tombstone knows, a contract may. */
static bool given(struct daemon *daemon, const uint8_t *digest, struct store_given *from,
		  uint8_t uid[CONTRACT_UID_LEN], bool *any_port)
{
	const struct contract *contract;

	*any_port = false;
	memset(uid, 0, CONTRACT_UID_LEN);
	if (cancel_given(daemon, digest, from)) {
		if (!from->own)
			deal_sold(daemon, from->peer, from->contract, digest, uid);
		return true;
	}
	contract = deal_sold(daemon, NULL, 0, digest, uid);
	if (!contract)
		return false;
	memset(from, 0, sizeof(*from));
	identity_address(contract->buyer, from->peer);
	memcpy(from->destination, contract->destination, CS_ADDR_LEN);
	*any_port = true;
	return true;
}

static bool is_paid(const uint8_t uid[CONTRACT_UID_LEN])
{
	return memcmp(uid, no_contract, CONTRACT_UID_LEN);
}

/* Did somebody sign whom the buyer did not mean? He would not pay for it. */
static bool is_of_another(const struct passing *passing, const uint8_t uid[CONTRACT_UID_LEN])
{
	const struct contract *contract;

	contract = is_paid(uid) ? deal_contract(passing->daemon, uid) : NULL;
	return contract && !contract_receiver_is(contract, passing->receipt->receiver);
}

static void add_heir(struct passing *passing, const uint8_t peer[CS_ADDR_LEN],
		     const uint8_t uid[CONTRACT_UID_LEN], uint64_t bit)
{
	struct heir *heir;
	size_t i;

	if (is_of_another(passing, uid)) {
		passing->daemon->receipts->stats.unknown++;
		return;
	}
	for (i = 0; i < passing->nr_heirs; i++) {
		heir = &passing->heirs[i];
		if (!memcmp(heir->peer, peer, CS_ADDR_LEN) &&
		    !memcmp(heir->claim.contract, uid, CONTRACT_UID_LEN))
			break;
	}
	heir = &passing->heirs[i];
	if (i == passing->nr_heirs) {
		memcpy(heir->peer, peer, CS_ADDR_LEN);
		memcpy(heir->claim.contract, uid, CONTRACT_UID_LEN);
		heir->claim.messages = 0;
		passing->nr_heirs++;
	}
	heir->claim.messages |= bit;
}

/* Is a message what a receipt says it is? */
static bool fits(const struct proto_receipt *receipt, const struct store_given *from,
		 bool any_port)
{
	return !memcmp(receipt->destination, from->destination, CS_ADDR_LEN) &&
	       (any_port || receipt->port == from->port);
}

/*
 * Address of the only peer, in session or lost lately, but for who sent a receipt; of the one that
 * left last, if there is no other; NULL: there are several, or none left.
 */
static const uint8_t *only_other(const struct passing *passing)
{
	const struct daemon *daemon = passing->daemon;
	const struct peer *peer, *other = NULL;

	for (peer = daemon->peers; peer; peer = peer->next) {
		if (peer == passing->from)
			continue;
		if (other)
			return NULL;
		other = peer;
	}
	if (other)
		return other->address;
	return daemon->has_left ? daemon->left : NULL;
}

/*
 * A message is said to have come from who now says that it was delivered. Its kernel passed it on
 * before the daemon had it, which then got it back by reconciliation: it came under contract, or
 * from the only other neighbour, who may have left, or nobody knows any more.
 */
static void came_back(struct passing *passing, const uint8_t *digest, uint64_t bit)
{
	const struct contract *contract;
	uint8_t uid[CONTRACT_UID_LEN] = { 0 }, address[CS_ADDR_LEN];
	const uint8_t *other;

	contract = deal_sold(passing->daemon, NULL, 0, digest, uid);
	other = contract ? NULL : only_other(passing);
	if (contract) {
		identity_address(contract->buyer, address);
		add_heir(passing, address, uid, bit);
	} else if (other) {
		add_heir(passing, other, no_contract, bit);
	} else {
		passing->daemon->receipts->stats.unknown++;
	}
}

/* Finds out where each of the messages came from. */
static enum receipt_refusal sort(struct passing *passing, uint64_t messages)
{
	const struct proto_receipt *receipt = passing->receipt;
	struct daemon *daemon = passing->daemon;
	struct receipt_stats *stats = &daemon->receipts->stats;
	uint8_t uid[CONTRACT_UID_LEN];
	struct store_given from;
	bool any_port;
	size_t i;

	for (i = 0; i < receipt->nr_digests; i++) {
		if (!(messages & 1ull << i))
			continue;
		if (!given(daemon, receipt_digest(receipt, i), &from, uid, &any_port)) {
			if (daemon->kernel->ops->known(daemon->kernel, receipt_digest(receipt, i),
						       NULL) > 0)
				passing->early++;
			else
				stats->unknown++;
			continue;
		}
		if (!fits(receipt, &from, any_port))
			return RECEIPT_REFUSAL_MESSAGE;
		if (from.own && !passing->proven)
			return RECEIPT_REFUSAL_RECEIVER;
		if (from.own)
			passing->own |= 1ull << i;
		else if (passing->from && !memcmp(passing->from->address, from.peer, CS_ADDR_LEN))
			came_back(passing, receipt_digest(receipt, i), 1ull << i);
		else if (!passing->from && memcmp(uid, receipt->contract, sizeof(uid)))
			stats->unknown++;
		else
			add_heir(passing, from.peer, uid, 1ull << i);
	}
	return RECEIPT_REFUSAL_NONE;
}

/* Until when anybody could be paid for it, or could want to know. */
static uint64_t ends(const struct daemon *daemon)
{
	return daemon_now() + daemon->config.device.lifetime_max + DEAL_GRACE;
}

/*
 * One more letter waits for a peer. When there is no room it is lost, unless a seller would be paid
 * for what this node then could not claim.
 */
static int wait_for(const struct passing *passing, const struct heir *heir,
		    const uint8_t id[RECEIPT_ID_LEN], const void *letter, size_t len,
		    struct cs_error *error)
{
	struct receipts *receipts = passing->daemon->receipts;
	bool paid = is_paid(heir->claim.contract);
	int rc = -EDQUOT;

	if (paid || receipts->waiting < WAITING_MAX / FREE_SHARE)
		rc = receipt_file_wait(&receipts->file, heir->peer, id, letter, len,
				       ends(passing->daemon), paid ? RECEIPT_FILE_OF_PEER :
				       RECEIPT_FILE_OF_PEER / FREE_SHARE, error);
	receipts->stats.passed += !rc;
	if (rc != -EDQUOT || (paid && passing->from))
		return rc;
	receipts->stats.unknown += __builtin_popcountll(heir->claim.messages);
	return 0;
}

static int keep_for(struct passing *passing, const struct heir *heir, struct cs_error *error)
{
	struct proto_endorsement endorsements[PROTO_ENDORSEMENTS_MAX];
	struct proto_letter letter = { .type = PROTO_RECEIPT, .receipt = *passing->receipt };
	size_t count = letter.receipt.nr_endorsements, len;
	struct daemon *daemon = passing->daemon;
	uint8_t id[RECEIPT_ID_LEN], *data;
	int rc;

	if (count < PROTO_ENDORSEMENTS_MAX && count)
		memcpy(endorsements, letter.receipt.endorsements, count * sizeof(*endorsements));
	rc = receipt_endorse(passing->receipt, &daemon->identity, heir->peer, &heir->claim,
			     &endorsements[count % PROTO_ENDORSEMENTS_MAX], error);
	if (rc == -E2BIG) { /* so far a message does not travel, or its receipt does not */
		daemon->receipts->stats.unknown++;
		return 0;
	}
	letter.receipt.endorsements = endorsements;
	letter.receipt.nr_endorsements++;
	if (!rc && receipt_id(&letter.receipt, id))
		rc = cs_error_set(error, -EIO, "receipt: no hash of it can be had");
	if (!rc && proto_encode(&letter, &data, &len))
		rc = cs_error_set(error, -ENOMEM, "receipt: out of memory");
	if (rc)
		return rc;
	rc = wait_for(passing, heir, id, data + 4, len - 4, error);
	free(data);
	return rc;
}

static int keep_own(struct passing *passing, struct cs_error *error)
{
	const struct proto_receipt *receipt = passing->receipt;
	struct receipts *receipts = passing->daemon->receipts;
	struct receipt_delivered delivered = {
		.port = receipt->port,
		.time = receipt->time,
		.hops = receipt->nr_endorsements,
		.ends = ends(passing->daemon),
	};
	size_t i;
	int rc = 0;

	memcpy(delivered.destination, receipt->destination, CS_ADDR_LEN);
	identity_address(receipt->deliverer, delivered.deliverer);
	for (i = 0; rc >= 0 && i < receipt->nr_digests; i++) {
		if (!(passing->own & 1ull << i))
			continue;
		memcpy(delivered.digest, receipt_digest(receipt, i), CS_DIGEST_LEN);
		rc = receipt_file_deliver(&receipts->file, &delivered, error);
		receipts->stats.delivered += rc > 0;
	}
	return rc < 0 ? rc : 0;
}

/* Keeps what goes on; to be committed before the one who sent it is answered. */
static int keep(struct passing *passing, struct cs_error *error)
{
	struct sqlfile *file = &passing->daemon->receipts->file;
	int rc = sqlfile_begin(file, error);
	size_t i;

	for (i = 0; !rc && i < passing->nr_heirs; i++)
		rc = keep_for(passing, &passing->heirs[i], error);
	if (!rc && passing->own)
		rc = keep_own(passing, error);
	if (rc)
		sqlfile_rollback(file);
	return rc;
}

/* What was delivered goes nowhere any more; all peers that gave it hear of it. */
static void after(struct passing *passing)
{
	struct daemon *daemon = passing->daemon;
	const struct proto_receipt *receipt = passing->receipt;
	struct peer *peer;
	size_t i;

	for (i = 0; i < receipt->nr_digests; i++)
		if (passing->own & 1ull << i)
			store_flag(daemon->store, receipt_digest(receipt, i), STORE_DELIVERED, 0);
	intake_changed(daemon);
	if (passing->nr_heirs)
		count_waiting(daemon);
	for (i = 0; i < passing->nr_heirs; i++) {
		peer = peer_by_address(daemon, passing->heirs[i].peer);
		if (peer)
			send_waiting(peer, false);
	}
}

/* --- Paying --- */

/* Does a claim of a peer to be paid under a contract hold? */
static enum receipt_refusal check_contract(const struct peer *peer,
					   const struct proto_receipt *receipt,
					   const struct receipt_claim *claim)
{
	const struct daemon *daemon = peer->daemon;
	const struct contract *contract = deal_contract(daemon, claim->contract);
	size_t i;

	if (!contract || memcmp(contract->buyer, daemon->identity.public, IDENTITY_PUBLIC_LEN) ||
	    memcmp(contract->seller, peer->public, IDENTITY_PUBLIC_LEN) ||
	    memcmp(contract->destination, receipt->destination, CS_ADDR_LEN))
		return RECEIPT_REFUSAL_CONTRACT;
	if (!contract_receiver_is(contract, receipt->receiver))
		return RECEIPT_REFUSAL_RECEIVER;
	/* the rest of the time is for the seller to hear of what this node took */
	if (daemon_now() >= contract->expiry + DEAL_GRACE / 2)
		return RECEIPT_REFUSAL_LATE;
	for (i = 0; i < receipt->nr_digests; i++) {
		if (!(claim->messages & 1ull << i))
			continue;
		if (!contract_item(contract, receipt_digest(receipt, i)) ||
		    deal_paid(daemon, contract, receipt_digest(receipt, i)))
			return RECEIPT_REFUSAL_MESSAGE;
	}
	return RECEIPT_REFUSAL_NONE;
}

/*
 * Enters what was earned under a contract, all or nothing; *count is how many were not entered
 * before.
 */
static int earn(struct daemon *daemon, const struct proto_receipt *receipt,
		const struct receipt_claim *claim, uint64_t *count, struct cs_error *error)
{
	struct ledger *ledger = daemon->ledger;
	size_t i;
	int rc;

	*count = 0;
	rc = ledger_begin(ledger, error);
	if (rc)
		return rc;
	for (i = 0; !rc && i < receipt->nr_digests; i++) {
		if (!(claim->messages & 1ull << i))
			continue;
		rc = ledger_earn(ledger, claim->contract, receipt_digest(receipt, i),
				 daemon_now(), error);
		*count += !rc;
		if (rc == -EALREADY)
			rc = 0;
	}
	if (!rc)
		return ledger_commit(ledger, error);
	ledger_rollback(ledger);
	return rc;
}

static enum receipt_refusal refusal_of(int rc)
{
	return rc == -ETIME ? RECEIPT_REFUSAL_LATE :
	       rc == -ENOENT ? RECEIPT_REFUSAL_CONTRACT : RECEIPT_REFUSAL_ERROR;
}

/* Who may have signed this, as far as cards tell? */
static bool contradicts(const struct daemon *daemon, const struct proto_receipt *receipt,
			bool *proven)
{
	uint8_t known[IDENTITY_PUBLIC_LEN];

	*proven = receipt->destination[0] == 0xfd;
	if (*proven || !receiver_known(daemon, receipt->destination, receipt->port, known))
		return false;
	*proven = !memcmp(known, receipt->receiver, IDENTITY_PUBLIC_LEN);
	return !*proven;
}

static enum receipt_refusal judge(struct peer *peer, const struct proto_receipt *receipt,
				  struct receipt_claim *claim, struct passing *passing,
				  struct cs_error *error)
{
	struct daemon *daemon = peer->daemon;
	enum receipt_refusal refusal;
	int rc;

	policy_bucket_set(&peer->receipts, SIGNATURES_RATE, daemon_ticks());
	if (!policy_bucket_take(&peer->receipts, 1 + receipt->nr_endorsements, daemon_ticks()))
		return RECEIPT_REFUSAL_RATE;
	if (receipt_verify(receipt, error))
		return RECEIPT_REFUSAL_SIGNATURE;
	rc = receipt_chain(receipt, peer->public, daemon->identity.address, claim, error);
	if (rc)
		return rc == -EIO ? RECEIPT_REFUSAL_ERROR : RECEIPT_REFUSAL_CHAIN;
	if (contradicts(daemon, receipt, &passing->proven))
		return RECEIPT_REFUSAL_RECEIVER;
	if (is_paid(claim->contract)) {
		refusal = check_contract(peer, receipt, claim);
		if (refusal)
			return refusal;
		passing->proven = true;
	}
	refusal = sort(passing, claim->messages);
	if (!refusal && daemon->receipts->waiting + passing->nr_heirs > WAITING_MAX)
		return RECEIPT_REFUSAL_FULL;
	return refusal;
}

/*
 * Enters what is to be paid, once there is room for what goes on, and commits that after it: after
 * a kill between the two the letter comes again, and nothing is paid twice.
 */
static enum receipt_refusal record(struct peer *peer, const struct receipt_claim *claim,
				   struct passing *passing, struct cs_error *error)
{
	struct daemon *daemon = peer->daemon;
	struct receipt_stats *stats = &daemon->receipts->stats;
	struct sqlfile *file = &daemon->receipts->file;
	uint64_t count = 0;
	int rc;

	rc = keep(passing, error);
	if (rc)
		return rc == -EDQUOT ? RECEIPT_REFUSAL_FULL : RECEIPT_REFUSAL_ERROR;
	if (is_paid(claim->contract)) {
		rc = earn(daemon, passing->receipt, claim, &count, error);
		if (rc) {
			sqlfile_rollback(file);
			return refusal_of(rc);
		}
		stats->earned += count;
		stats->repeated += !count;
	}
	if (sqlfile_commit(file, error))
		return RECEIPT_REFUSAL_ERROR;
	stats->taken++;
	return RECEIPT_REFUSAL_NONE;
}

static void send_ack(struct peer *peer, const struct proto_receipt *receipt, uint64_t messages)
{
	struct proto_letter letter = { .type = PROTO_RECEIPT_ACK };

	if (receipt_id(receipt, letter.receipt_ack.id))
		return;
	letter.receipt_ack.messages = messages;
	session_send(peer->session, &letter);
}

/* A refusal that may pass is not answered: the letter comes again. */
static void refuse(struct peer *peer, const struct proto_receipt *receipt,
		   enum receipt_refusal refusal, const struct cs_error *error)
{
	struct receipts *receipts = peer->daemon->receipts;

	receipts->stats.refused[refusal]++;
	policy_bucket_set(&receipts->lines, LINES_RATE, daemon_ticks());
	if (policy_bucket_take(&receipts->lines, 1, daemon_ticks()))
		log_warning("%s: a receipt is refused: %s%s%s", peer_label(peer),
			    refusals[refusal].text, error->text[0] ? ": " : "", error->text);
	if (refusal != RECEIPT_REFUSAL_RATE && refusal != RECEIPT_REFUSAL_FULL &&
	    refusal != RECEIPT_REFUSAL_ERROR)
		send_ack(peer, receipt, 0);
}

/* such a letter belongs to the daemon's list, of which GCC 12 loses sight */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

/* Keeps a letter that came too early; false: it is to be taken as it is. */
static bool defer(struct peer *peer, const struct proto_receipt *receipt, unsigned int times)
{
	static const struct timeval wait = { EARLY_SECONDS, 0 };
	struct proto_letter letter = { .type = PROTO_RECEIPT, .receipt = *receipt };
	struct receipts *receipts = peer->daemon->receipts;
	struct early *early;

	if (times == EARLY_TIMES || receipts->nr_early == EARLY_MAX)
		return false;
	early = calloc(1, sizeof(*early));
	if (!early || proto_encode(&letter, &early->data, &early->len)) {
		free(early);
		return false;
	}
	memcpy(early->peer, peer->address, CS_ADDR_LEN);
	early->times = times + 1;
	early->next = receipts->early;
	receipts->early = early;
	if (!receipts->nr_early++)
		evtimer_add(receipts->early_timer, &wait);
	return true;
}

static void on_receipt(struct peer *peer, const struct proto_receipt *receipt, unsigned int times)
{
	struct passing passing = { .daemon = peer->daemon, .receipt = receipt, .from = peer };
	struct cs_error error = { "" };
	enum receipt_refusal refusal;
	struct receipt_claim claim;

	refusal = judge(peer, receipt, &claim, &passing, &error);
	if (!refusal && passing.early && defer(peer, receipt, times))
		return;
	peer->daemon->receipts->stats.unknown += passing.early;
	if (!refusal)
		refusal = record(peer, &claim, &passing, &error);
	if (refusal) {
		refuse(peer, receipt, refusal, &error);
		return;
	}
	send_ack(peer, receipt, claim.messages);
	after(&passing);
}

static void early_free(struct early *early)
{
	free(early->data);
	free(early);
}

/* Those of peers that are gone come again when these are back. */
static void on_early(evutil_socket_t fd, short what, void *data)
{
	struct daemon *daemon = data;
	struct receipts *receipts = daemon->receipts;
	struct early *early, *next = receipts->early;
	struct proto_letter letter;
	struct peer *peer;

	(void)fd;
	(void)what;
	receipts->early = NULL;
	receipts->nr_early = 0;
	while ((early = next)) {
		next = early->next;
		peer = peer_by_address(daemon, early->peer);
		if (peer && peer->session &&
		    !proto_decode(&letter, early->data + 4, early->len - 4, NULL)) {
			on_receipt(peer, &letter.receipt, early->times);
			proto_free(&letter);
		}
		early_free(early);
	}
}

/* --- What a peer answers --- */

/* Messages that were earned may go when room is needed. */
static void earns_no_more(struct daemon *daemon, const struct proto_receipt *receipt,
			  uint64_t messages)
{
	size_t i;

	for (i = 0; i < receipt->nr_digests; i++)
		if (messages & 1ull << i)
			store_flag(daemon->store, receipt_digest(receipt, i), 0, STORE_EARNS);
	intake_changed(daemon);
}

/* What of it the peer takes this node earns, under the contract that it claimed. */
static int answered(struct peer *peer, const struct proto_receipt *receipt, uint64_t messages,
		    struct cs_error *error)
{
	struct daemon *daemon = peer->daemon;
	struct receipt_claim claim;
	uint64_t count, claimed;
	int rc;

	receipt_claim_of(&receipt->endorsements[receipt->nr_endorsements - 1], &claim);
	claimed = claim.messages;
	claim.messages &= messages;
	if (claim.messages != claimed)
		log_warning("%s: %d of the %d messages of a receipt do not hold for it",
			    peer_label(peer), __builtin_popcountll(claimed & ~messages),
			    __builtin_popcountll(claimed));
	if (!claim.messages || !is_paid(claim.contract))
		return 0;
	rc = earn(daemon, receipt, &claim, &count, error);
	if (rc)
		return rc;
	daemon->receipts->stats.sold += count;
	earns_no_more(daemon, receipt, claim.messages);
	return 0;
}

static void on_ack(struct peer *peer, const struct proto_receipt_ack *ack)
{
	struct receipts *receipts = peer->daemon->receipts;
	struct cs_error error = { "" };
	struct proto_letter letter;
	uint8_t *data = NULL;
	size_t len;
	int rc;

	rc = receipt_file_get(&receipts->file, peer->address, ack->id, &data, &len, &error);
	if (rc == -ENOENT) {
		log_debug("%s: it answers a receipt that does not wait any more",
			  peer_label(peer));
		return;
	}
	if (!rc)
		rc = proto_decode(&letter, data, len, &error);
	if (!rc) {
		if (letter.type == PROTO_RECEIPT && letter.receipt.nr_endorsements)
			rc = answered(peer, &letter.receipt, ack->messages, &error);
		proto_free(&letter);
	}
	free(data);
	if (rc)
		log_error("%s: what a receipt earned is not entered: %s", peer_label(peer),
			  error.text);
	/* what has lapsed here does not come back; all else is tried again */
	if (rc && rc != -ETIME && rc != -ENOENT && rc != -EBADMSG)
		return;
	if (receipt_file_drop(&receipts->file, peer->address, ack->id, &error))
		log_error("receipts: %s", error.text);
	count_waiting(peer->daemon);
}

/**
 * receipt_letter() - a letter about receipts
 * @peer: who sent it
 * @letter: RECEIPT or RECEIPT_ACK
 */
void receipt_letter(struct peer *peer, const struct proto_letter *letter)
{
	if (letter->type == PROTO_RECEIPT)
		on_receipt(peer, &letter->receipt, 0);
	else if (letter->type == PROTO_RECEIPT_ACK)
		on_ack(peer, &letter->receipt_ack);
}

/**
 * receipt_delivered() - an ingest signed what this node, a gateway, brought
 * @daemon: whose
 * @receipt: from the ingest, without endorsements; only what was brought to it is in it
 * @error: gets the reason of a refusal
 *
 * Return: 0, or a negative errno: nothing of it was kept.
 */
int receipt_delivered(struct daemon *daemon, const struct proto_receipt *receipt,
		      struct cs_error *error)
{
	struct passing passing = { .daemon = daemon, .receipt = receipt };
	enum receipt_refusal refusal;
	int rc;

	rc = receipt_verify(receipt, error);
	if (!rc && (receipt->nr_endorsements ||
		    memcmp(receipt->deliverer, daemon->identity.public, IDENTITY_PUBLIC_LEN)))
		rc = cs_error_set(error, -EPERM, "receipt: it is for what another node delivered");
	if (!rc && contradicts(daemon, receipt, &passing.proven))
		rc = cs_error_set(error, -EPERM, "receipt: its key is not the one of the card");
	if (rc)
		return rc;
	/* who brought it there himself need not be told */
	passing.proven = true;
	refusal = sort(&passing, receipt_all(receipt));
	daemon->receipts->stats.unknown += passing.early;
	if (refusal)
		return cs_error_set(error, -EPERM, "receipt: %s", refusals[refusal].text);
	if (daemon->receipts->waiting + passing.nr_heirs > WAITING_MAX)
		return cs_error_set(error, -ENOSPC, "receipt: too many wait to go on");
	rc = keep(&passing, error);
	if (!rc)
		rc = sqlfile_commit(&daemon->receipts->file, error);
	if (rc)
		return rc;
	daemon->receipts->stats.taken++;
	after(&passing);
	return 0;
}

/* --- Beginning, end, the control socket --- */

/**
 * receipt_open() - open the database, and begin to send what waits there
 * @daemon: whose
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int receipt_open(struct daemon *daemon, struct cs_error *error)
{
	static const struct timeval wait = { LOOK_SECONDS, 0 };
	struct receipts *receipts = calloc(1, sizeof(*receipts));
	char path[PATH_MAX];
	int rc;

	if (!receipts)
		return cs_error_set(error, -ENOMEM, "out of memory");
	daemon->receipts = receipts;
	snprintf(path, sizeof(path), "%.*s/receipts.db", PATH_MAX - 32, daemon->config.state);
	rc = receipt_file_open(&receipts->file, path, error);
	if (!rc)
		rc = receiver_open(daemon, &receipts->file, error);
	if (!rc)
		rc = receipt_file_expire(&receipts->file, daemon_now(), error);
	if (rc)
		return rc;
	count_waiting(daemon);
	receipts->timer = evtimer_new(daemon->base, on_look, daemon);
	receipts->early_timer = evtimer_new(daemon->base, on_early, daemon);
	if (!receipts->timer || !receipts->early_timer || evtimer_add(receipts->timer, &wait))
		return cs_error_set(error, -ENOMEM, "out of memory");
	return 0;
}

/**
 * receipt_close() - end; what waits stays in the database
 * @daemon: whose
 */
void receipt_close(struct daemon *daemon)
{
	struct receipts *receipts = daemon->receipts;
	struct early *early;

	if (!receipts)
		return;
	receiver_close(daemon);
	while ((early = receipts->early)) {
		receipts->early = early->next;
		early_free(early);
	}
	if (receipts->early_timer)
		event_free(receipts->early_timer);
	if (receipts->timer)
		event_free(receipts->timer);
	idset_clear(&receipts->sent);
	sqlfile_close(&receipts->file);
	free(receipts);
	daemon->receipts = NULL;
}

/**
 * receipt_stats() - what became of receipts so far
 * @daemon: whose
 *
 * Return: the counters.
 */
const struct receipt_stats *receipt_stats(const struct daemon *daemon)
{
	return &daemon->receipts->stats;
}

/**
 * receipt_json() - the counters
 * @daemon: whose
 * @error: gets the reason of a failure
 *
 * Return: a JSON object, or NULL.
 */
json_t *receipt_json(struct daemon *daemon, struct cs_error *error)
{
	const struct receipt_stats *stats = receipt_stats(daemon);
	json_t *refused = json_object();
	unsigned int i;

	(void)error;
	for (i = 1; i < RECEIPT_REFUSAL_MAX; i++)
		json_object_set_new(refused, refusals[i].name, json_integer(stats->refused[i]));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "waiting",
			 (json_int_t)daemon->receipts->waiting, "taken",
			 (json_int_t)stats->taken, "repeated", (json_int_t)stats->repeated,
			 "passed", (json_int_t)stats->passed, "earned", (json_int_t)stats->earned,
			 "sold", (json_int_t)stats->sold, "delivered",
			 (json_int_t)stats->delivered, "unknown", (json_int_t)stats->unknown,
			 "refused", refused);
}

static int list_one(const struct receipt_delivered *delivered, void *data)
{
	char digest[2 * CS_DIGEST_LEN + 1], destination[INET6_ADDRSTRLEN];
	char deliverer[INET6_ADDRSTRLEN];

	cs_hex(digest, delivered->digest, CS_DIGEST_LEN);
	inet_ntop(AF_INET6, delivered->destination, destination, sizeof(destination));
	inet_ntop(AF_INET6, delivered->deliverer, deliverer, sizeof(deliverer));
	return json_array_append_new(data, json_pack("{s:s, s:s, s:i, s:I, s:s, s:I}", "digest",
						     digest, "destination", destination, "port",
						     delivered->port, "time",
						     (json_int_t)delivered->time, "deliverer",
						     deliverer, "hops",
						     (json_int_t)delivered->hops)) ? -ENOMEM : 0;
}

/**
 * receipt_list() - the messages of this node that were delivered
 * @daemon: whose
 * @error: gets the reason of a failure
 *
 * Return: a JSON array, or NULL.
 */
json_t *receipt_list(struct daemon *daemon, struct cs_error *error)
{
	json_t *list = json_array();

	if (receipt_file_each_delivered(&daemon->receipts->file, list_one, list, error)) {
		json_decref(list);
		return NULL;
	}
	return list;
}
