// SPDX-License-Identifier: GPL-2.0
/*
 * Contracts in force: from both signatures to the last message, the receipt or the expiry.
 *
 * What is signed is in the ledgers of both before the first byte is sent: the seller commits before
 * it answers with its signature, the buyer before it sends. Both kernels know the contract by then,
 * count and enforce it (kmod/contract.c).
 *
 * The buyer sends the messages into the device, to the seller alone, under the contract, at the
 * configured rate. Frames get lost: when all were sent it names them in a DIFF, and the seller
 * answers with a WANT of those that it lacks. What it lacks still when they were sent again comes
 * over the session (a little later where so much is lost that sessions hardly get on): its kernel
 * may know a message that its daemon was killed over before it was stored, and then takes each
 * further frame for a duplicate. Duplicates are not counted; what the buyer's kernel counts is what
 * it sent, repairs included, so its limit is as many times the contract's bytes as it may send
 * them: were it used up before, the same would begin anew.
 *
 * A contract may be used up before all arrived: the path lost too much, or another program sent
 * under it. Then the seller names what it lacks in a DIFF of its own, and the buyer offers that
 * anew.
 *
 * The seller commits first, so a buyer that is killed may not know of a contract that it signed,
 * and would offer the same messages again. When its peer comes back, a seller therefore shows it
 * the contracts under which nothing has come yet.
 *
 * Contracts outlive the daemon in the ledger, and are taken up again when the peer comes back. They
 * outlive their expiry by DEAL_GRACE, for receipts that are late.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cancel.h"
#include "daemon/intake.h"
#include "daemon/log.h"
#include "daemon/offer.h"
#include "daemon/peer.h"
#include "lib/hex.h"
#include "lib/message.h"

#define PUMP_MSEC	5
#define PUMP_MESSAGES	64
#define ASK_SECONDS	2	/* after the last frame, for what is lacking */
#define ASK_TIMES	8
#define CLOCK_SECONDS	5
#define SENT_MOST	(1 + SYNC_FRAMES)	/* times the contract's bytes, by the buyer */
#define SHOW_MSEC	200	/* until there may be room to show a contract */
#define INSTALLED_MAX	1000	/* of a peer; its kernel takes 1,024 */
#define STRAYS_MAX	8	/* messages under a contract that are not in it */

/**
 * struct deal - a contract in force
 * @next: in the list of all
 * @daemon: whose it is
 * @contract: what was signed
 * @uid: its name in the ledger
 * @address: of the other side
 * @peer: the other side, NULL: not there
 * @buyer: this node gives and pays; else it takes and earns
 * @installed: the kernel knows it
 * @exhausted: the kernel said so
 * @reserved: room in the seller's store for those of its messages that have not come yet
 * @send: a byte for each item that is still to be sent
 * @cursor: next item to look at
 * @asked: how often the seller was asked what it lacks
 * @by_session: frames do not get through to it
 * @unshown: the buyer is still to be shown it
 * @strays: messages that came under it and are not in it
 * @pump: timer: the buyer sends, then asks; the seller says what it lacks of a used up contract
 */
struct deal {
	struct deal	*next;
	struct daemon	*daemon;
	struct contract	contract;
	uint8_t		uid[CONTRACT_UID_LEN];
	uint8_t		address[CS_ADDR_LEN];
	struct peer	*peer;
	bool		buyer;
	bool		installed;
	bool		exhausted;
	uint64_t	reserved;
	uint8_t		*send;
	size_t		cursor;
	unsigned int	asked;
	bool		by_session;
	bool		unshown;
	unsigned int	strays;
	struct event	*pump;
};

/**
 * struct deals - all contracts in force
 * @list: the newest first
 * @clock: ends those that have expired
 */
struct deals {
	struct deal	*list;
	struct event	*clock;
};

static struct deal *find_of(const struct daemon *daemon, const uint8_t address[CS_ADDR_LEN],
			    uint32_t id, bool buyer)
{
	struct deal *deal;

	for (deal = daemon->deals->list; deal; deal = deal->next)
		if (deal->contract.id == id && deal->buyer == buyer &&
		    !memcmp(deal->address, address, CS_ADDR_LEN))
			return deal;
	return NULL;
}

static struct deal *find(const struct daemon *daemon, const struct peer *peer, uint32_t id,
			 bool buyer)
{
	return find_of(daemon, peer->address, id, buyer);
}

bool deal_id_taken(struct daemon *daemon, const struct peer *peer, uint32_t id)
{
	return find(daemon, peer, id, true) || find(daemon, peer, id, false);
}

static void deal_free(struct deal *deal)
{
	if (deal->pump)
		event_free(deal->pump);
	contract_free(&deal->contract);
	free(deal->send);
	free(deal);
}

static void pump_in(struct deal *deal, time_t seconds, long usec)
{
	struct timeval wait = { seconds, usec };

	evtimer_add(deal->pump, &wait);
}

/* One that the kernel knows already, from before a restart, may have been used up meanwhile. */
static void take_over(struct deal *deal, struct kernel_contract *contract)
{
	struct kernel *kernel = deal->daemon->kernel;

	if (!kernel->ops->contract_get(kernel, contract, NULL) && contract->refused)
		deal->exhausted = true;
}

/* Tells the kernel of it. */
static int install(struct deal *deal, struct cs_error *error)
{
	struct peer *peer = deal->peer;
	struct kernel_contract contract = {
		.id = deal->contract.id,
		.direction = deal->buyer ? CROWDSHARE_CONTRACT_TX : CROWDSHARE_CONTRACT_RX,
		.bytes = contract_bytes(&deal->contract) * (deal->buyer ? SENT_MOST : 1),
		.expiry = deal->contract.expiry,
	};
	int rc;

	contract.ifindex = peer->port->link.ifindex;
	memcpy(contract.lladdr, peer->lladdr, sizeof(contract.lladdr));
	rc = deal->daemon->kernel->ops->contract_add(deal->daemon->kernel, &contract, error);
	if (rc && rc != -EEXIST)
		return rc;
	if (rc)
		take_over(deal, &contract);
	deal->installed = true;
	return 0;
}

/* Sends one item; false: not now. */
static bool send_item(struct deal *deal, size_t i)
{
	struct daemon *daemon = deal->daemon;
	struct cs_error error = { "" };
	struct store_item item;
	int rc;

	if (store_get(daemon->store, deal->contract.items[i].digest, &item))
		return true; /* expired, or delivered elsewhere meanwhile */
	if (!intake_may_give(daemon, &item))
		return false;
	if (deal->by_session)
		return !intake_give_letter(deal->peer, &item, deal->contract.id);
	rc = intake_give_frame(deal->peer, &item, deal->contract.id, &error);
	if (rc == -ENOBUFS || rc == -EAGAIN)
		return false;
	if (rc)
		log_warning("%s: a message under contract was not sent: %s",
			    peer_label(deal->peer), error.text);
	return true;
}

/*
 * Sends a DIFF with the ids of those of a contract's messages that @chosen chooses: to ask for, or
 * to be asked for.
 */
static void send_diff(struct deal *deal, bool (*chosen)(struct daemon *, const uint8_t *))
{
	struct proto_letter letter = { .type = PROTO_DIFF };
	const struct contract *contract = &deal->contract;
	uint8_t *ids;
	size_t i, n;

	ids = malloc(contract->nr_items * PROTO_ID_LEN);
	if (!ids)
		return;
	for (i = 0, n = 0; i < contract->nr_items; i++)
		if (!chosen || chosen(deal->daemon, contract->items[i].digest))
			memcpy(ids + n++ * PROTO_ID_LEN, contract->items[i].digest, PROTO_ID_LEN);
	letter.diff.round = contract->id;
	if (deal->buyer) {
		letter.diff.mine = ids;
		letter.diff.nr_mine = n;
	} else {
		letter.diff.yours = ids;
		letter.diff.nr_yours = n;
	}
	session_send(deal->peer->session, &letter);
	free(ids);
}

/* Names all messages, for the seller to say which it lacks. */
static void ask(struct deal *deal)
{
	if (deal->asked++ < ASK_TIMES)
		send_diff(deal, NULL);
}

/* Is a message neither here nor known to have been delivered? */
static bool lacks(struct daemon *daemon, const uint8_t *id)
{
	struct store_item item;

	return store_find(daemon->store, id, &item) && cancel_state(daemon, id) != CANCEL_PROVEN;
}

/* These messages do not arrive under this contract: they are offered again. */
static void offer_anew(struct peer *peer, const uint8_t *ids, size_t n)
{
	for (; n--; ids += PROTO_ID_LEN)
		idset_del(&peer->offered, ids);
}

/* Has anything of a contract come, or arrived elsewhere? Then the buyer knows of it. */
static bool has_begun(struct deal *deal)
{
	struct kernel_contract counted = { .id = deal->contract.id };
	struct kernel *kernel = deal->daemon->kernel;
	size_t i;

	counted.ifindex = deal->peer->port->link.ifindex;
	memcpy(counted.lladdr, deal->peer->lladdr, sizeof(counted.lladdr));
	if (!kernel->ops->contract_get(kernel, &counted, NULL) && counted.used)
		return true;
	for (i = 0; i < deal->contract.nr_items; i++)
		if (!lacks(deal->daemon, deal->contract.items[i].digest))
			return true;
	return false;
}

/* Nothing has come under this contract: does the buyer know it? */
static void show(struct deal *deal)
{
	struct proto_letter letter = { .type = PROTO_CONTRACT };

	deal->unshown = session_backlog(deal->peer->session) > SESSION_BACKLOG;
	if (deal->unshown)
		pump_in(deal, 0, SHOW_MSEC * 1000);
	if (deal->unshown || has_begun(deal))
		return;
	letter.contract.body = deal->contract.body;
	letter.contract.len = deal->contract.body_len;
	memcpy(letter.contract.buyer, deal->contract.buyer_signature, IDENTITY_SIGNATURE_LEN);
	memcpy(letter.contract.seller, deal->contract.seller_signature, IDENTITY_SIGNATURE_LEN);
	session_send(deal->peer->session, &letter);
}

static void on_pump(evutil_socket_t fd, short what, void *data)
{
	struct deal *deal = data;
	size_t n = 0;

	(void)fd;
	(void)what;
	if (!deal->peer || !deal->peer->session || (!deal->installed && !deal->exhausted))
		return;
	if (!deal->buyer) {
		if (deal->unshown && !deal->exhausted)
			show(deal);
		else
			send_diff(deal, lacks);
		return;
	}
	if (deal->exhausted) {
		ask(deal);
		return;
	}
	for (; deal->cursor < deal->contract.nr_items; deal->cursor++) {
		if (!deal->send[deal->cursor])
			continue;
		if (n++ == PUMP_MESSAGES || !send_item(deal, deal->cursor)) {
			pump_in(deal, 0, PUMP_MSEC * 1000);
			return;
		}
		deal->send[deal->cursor] = 0;
	}
	if (n)
		pump_in(deal, ASK_SECONDS, 0); /* until they have arrived */
	else
		ask(deal);
}

/* A contract becomes one in force; takes it over. */
static struct deal *begin(struct daemon *daemon, struct contract *contract, struct peer *peer)
{
	struct deal *deal = calloc(1, sizeof(*deal));
	bool expects;
	size_t i;

	if (!deal)
		return NULL;
	deal->daemon = daemon;
	deal->buyer = !memcmp(contract->buyer, daemon->identity.public, IDENTITY_PUBLIC_LEN);
	deal->send = calloc(contract->nr_items, 1);
	deal->pump = evtimer_new(daemon->base, on_pump, deal);
	if (!deal->send || !deal->pump) {
		deal_free(deal);
		return NULL;
	}
	deal->contract = *contract;
	memset(contract, 0, sizeof(*contract));
	contract_uid(&deal->contract, deal->uid);
	identity_address(deal->buyer ? deal->contract.seller : deal->contract.buyer,
			 deal->address);
	expects = !deal->buyer && deal->contract.expiry > daemon_now();
	for (i = 0; expects && i < deal->contract.nr_items; i++)
		if (lacks(daemon, deal->contract.items[i].digest))
			deal->reserved += store_cost(daemon->store, deal->contract.items[i].size);
	deal->peer = peer;
	deal->next = daemon->deals->list;
	daemon->deals->list = deal;
	return deal;
}

/* The contract that an offer and its bid come to. */
static int draw_up(const struct offer *offer, struct contract *contract)
{
	const struct daemon *daemon = offer->peer->daemon;
	const uint8_t *own = daemon->identity.public, *other = offer->peer->public;
	size_t i;

	memset(contract, 0, sizeof(*contract));
	memcpy(contract->buyer, offer->out ? own : other, IDENTITY_PUBLIC_LEN);
	memcpy(contract->seller, offer->out ? other : own, IDENTITY_PUBLIC_LEN);
	memcpy(contract->nonce, offer->nonce, sizeof(contract->nonce));
	memcpy(contract->destination, offer->destination, CS_ADDR_LEN);
	memcpy(contract->receiver, offer->receiver, IDENTITY_PUBLIC_LEN);
	contract->id = offer->contract;
	contract->rate = offer->rate;
	contract->expiry = offer->expiry;
	contract->items = calloc(offer->nr_items, sizeof(*contract->items));
	if (!contract->items)
		return -ENOMEM;
	for (i = 0; i < offer->nr_items; i++) {
		if (!(offer->wanted[i / 8] & 1 << i % 8))
			continue;
		memcpy(contract->items[contract->nr_items].digest, offer->items[i].digest,
		       CS_DIGEST_LEN);
		contract->items[contract->nr_items++].size = offer->items[i].size;
	}
	return contract->nr_items ? 0 : -EINVAL;
}

/**
 * deal_propose() - the buyer draws up and signs what a bid says
 * @offer: with the bid
 * @accept: gets the letter; it points into @contract
 * @contract: the caller's to free after the letter was sent
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int deal_propose(struct offer *offer, struct proto_letter *accept, struct contract *contract,
		 struct cs_error *error)
{
	int rc = draw_up(offer, contract);

	if (rc)
		cs_error_set(error, rc, "the bid wants nothing of the offer, or out of memory");
	else
		/* what is to be given must not be lost with this daemon, having been signed for */
		rc = store_commit(offer->peer->daemon->store, error);
	contract->created = daemon_now();
	if (!rc)
		rc = contract_encode(contract) ?
			     cs_error_set(error, -EINVAL, "the bid makes no valid contract") :
			     contract_sign(contract, &offer->peer->daemon->identity, error);
	if (rc) {
		contract_free(contract);
		return rc;
	}
	accept->accept.offer = offer->id;
	accept->accept.body = contract->body;
	accept->accept.len = contract->body_len;
	memcpy(accept->accept.signature, contract->buyer_signature, IDENTITY_SIGNATURE_LEN);
	/* what SIGNED is about */
	free(offer->body);
	offer->body = malloc(contract->body_len);
	if (!offer->body) {
		contract_free(contract);
		return cs_error_set(error, -ENOMEM, "out of memory");
	}
	memcpy(offer->body, contract->body, contract->body_len);
	offer->body_len = contract->body_len;
	memcpy(offer->signature, contract->buyer_signature, IDENTITY_SIGNATURE_LEN);
	return 0;
}

/* Is what the buyer drew up what this node bid? All but its own clock must be the same. */
static bool as_bid(const struct offer *offer, const struct contract *signed_one)
{
	struct contract own;
	bool same = false;

	if (!draw_up(offer, &own)) {
		own.created = signed_one->created;
		same = !contract_encode(&own) && own.body_len == signed_one->body_len &&
		       !memcmp(own.body, signed_one->body, own.body_len);
	}
	contract_free(&own);
	return same;
}

/* Into the ledger and the kernel, in this order: what the kernel lets pass has been promised. */
static int commit(struct daemon *daemon, struct peer *peer, struct contract *contract,
		  struct deal **deal, struct cs_error *error)
{
	int rc;

	/* which verifies it */
	rc = ledger_promise(daemon->ledger, contract, daemon_now(), error);
	if (rc)
		return rc;
	*deal = begin(daemon, contract, peer);
	if (!*deal)
		return cs_error_set(error, -ENOMEM, "out of memory");
	return install(*deal, error);
}

/**
 * deal_sign() - the seller countersigns what it bid
 * @offer: with the bid
 * @accept: what the buyer drew up and signed
 * @letter: gets SIGNED
 * @error: gets the reason of a refusal
 *
 * Return: 0 or a negative errno.
 */
int deal_sign(struct offer *offer, const struct proto_accept *accept,
	      struct proto_letter *letter, struct cs_error *error)
{
	struct peer *peer = offer->peer;
	struct daemon *daemon = peer->daemon;
	struct contract contract = { 0 };
	struct deal *deal;
	int rc;

	rc = contract_decode(&contract, accept->body, accept->len, error);
	if (!rc && !as_bid(offer, &contract))
		rc = cs_error_set(error, -EINVAL, "the contract is not what was bid");
	memcpy(contract.buyer_signature, accept->signature, IDENTITY_SIGNATURE_LEN);
	if (!rc)
		rc = contract_sign(&contract, &daemon->identity, error);
	letter->type = PROTO_SIGNED;
	letter->sign.offer = offer->id;
	memcpy(letter->sign.signature, contract.seller_signature, IDENTITY_SIGNATURE_LEN);
	if (!rc)
		rc = commit(daemon, peer, &contract, &deal, error);
	contract_free(&contract);
	return rc;
}

/**
 * deal_signed() - the seller has signed: the buyer may send
 * @offer: that was accepted
 * @letter: with the seller's signature
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int deal_signed(struct offer *offer, const struct proto_signed *letter, struct cs_error *error)
{
	struct contract contract = { 0 };
	struct deal *deal = NULL;
	int rc;

	rc = contract_decode(&contract, offer->body, offer->body_len, error);
	if (!rc) {
		memcpy(contract.buyer_signature, offer->signature, IDENTITY_SIGNATURE_LEN);
		memcpy(contract.seller_signature, letter->signature, IDENTITY_SIGNATURE_LEN);
		rc = commit(offer->peer->daemon, offer->peer, &contract, &deal, error);
	}
	contract_free(&contract);
	if (rc || !deal)
		return rc;
	memset(deal->send, 1, deal->contract.nr_items);
	pump_in(deal, 0, 0);
	return 0;
}

/* The seller shows a contract: is it one that this node takes? */
static int check_shown(const struct peer *peer, const struct contract *contract,
		       struct cs_error *error)
{
	struct daemon *daemon = peer->daemon;
	enum policy_reason reason;

	if (memcmp(contract->buyer, daemon->identity.public, IDENTITY_PUBLIC_LEN) ||
	    memcmp(contract->seller, peer->public, IDENTITY_PUBLIC_LEN))
		return cs_error_set(error, -EPERM, "the contract is not this node's with it");
	if (find(daemon, peer, contract->id, true))
		return -EALREADY;
	reason = offer_affords(daemon, contract);
	return reason ? cs_error_set(error, -EDQUOT, "%s", policy_reason_text(reason)) : 0;
}

/* The seller shows a contract that this node signed, and was perhaps killed before it committed. */
static void on_contract(struct peer *peer, const struct proto_contract *shown)
{
	struct contract contract = { 0 };
	struct cs_error error = { "" };
	struct deal *deal = NULL;
	int rc;

	rc = contract_decode(&contract, shown->body, shown->len, &error);
	if (!rc)
		rc = check_shown(peer, &contract, &error);
	if (!rc) {
		memcpy(contract.buyer_signature, shown->buyer, IDENTITY_SIGNATURE_LEN);
		memcpy(contract.seller_signature, shown->seller, IDENTITY_SIGNATURE_LEN);
		rc = commit(peer->daemon, peer, &contract, &deal, &error);
	}
	contract_free(&contract);
	if (rc && rc != -EALREADY)
		log_warning("%s: the contract that it shows is refused: %s", peer_label(peer),
			    error.text);
	if (!deal || rc)
		return;
	log_notice("%s: contract %u was signed before this node was restarted", peer_label(peer),
		   deal->contract.id);
	memset(deal->send, 1, deal->contract.nr_items);
	pump_in(deal, 0, 0);
}

/* The message of a contract that has this id; nr_items: none. */
static size_t item_of(const struct deal *deal, const uint8_t *id)
{
	const struct contract *contract = &deal->contract;
	size_t i;

	for (i = 0; i < contract->nr_items; i++)
		if (!memcmp(contract->items[i].digest, id, PROTO_ID_LEN))
			break;
	return i;
}

/* The buyer names what it sent: which does this node lack? Of others it is told nothing. */
static void on_asked(struct deal *deal, const struct proto_diff *diff)
{
	struct proto_letter letter = { .type = PROTO_WANT };
	const uint8_t *id;
	uint8_t *ids;
	size_t i;

	if (deal->exhausted)
		pump_in(deal, 0, 0);
	if (deal->exhausted || diff->nr_mine > deal->contract.nr_items)
		return;
	ids = malloc(diff->nr_mine * PROTO_ID_LEN);
	for (i = 0; ids && i < diff->nr_mine; i++) {
		id = diff->mine + i * PROTO_ID_LEN;
		if (item_of(deal, id) == deal->contract.nr_items || !lacks(deal->daemon, id))
			continue;
		memcpy(ids + letter.want.nr_ids++ * PROTO_ID_LEN, id, PROTO_ID_LEN);
	}
	letter.want.round = diff->round;
	letter.want.ids = ids;
	if (letter.want.nr_ids)
		session_send(deal->peer->session, &letter);
	free(ids);
}

/* The seller's kernel takes no more under the contract. */
static void on_used_up(struct deal *deal, const struct proto_diff *diff)
{
	if (!deal->exhausted && diff->nr_yours)
		log_notice("%s: contract %u is used up before %zu of its messages arrived",
			   peer_label(deal->peer), deal->contract.id, diff->nr_yours);
	deal->exhausted = true;
	offer_anew(deal->peer, diff->yours, diff->nr_yours);
}

static void on_diff(struct peer *peer, const struct proto_diff *diff)
{
	struct deal *deal = find(peer->daemon, peer, diff->round, !diff->nr_mine);

	if (!deal || !deal->peer)
		return;
	if (deal->buyer)
		on_used_up(deal, diff);
	else
		on_asked(deal, diff);
}

static void on_want(struct peer *peer, const struct proto_want *want)
{
	struct deal *deal = find(peer->daemon, peer, want->round, true);
	size_t i, n;

	if (!deal || want->nr_ids > deal->contract.nr_items)
		return;
	if (deal->exhausted) {
		offer_anew(peer, want->ids, want->nr_ids);
		return;
	}
	for (n = 0; n < want->nr_ids; n++) {
		i = item_of(deal, want->ids + n * PROTO_ID_LEN);
		if (i < deal->contract.nr_items)
			deal->send[i] = 1;
	}
	deal->by_session = deal->asked > (session_lossy(peer->session) ? SYNC_FRAMES : 1);
	deal->cursor = 0;
	pump_in(deal, 0, 0);
}

/*
 * What did not get through in frames. It is what was offered and nothing else: the kernel does not
 * count these, and what is larger than the contract says would be carried without being paid for.
 */
static void on_message(struct peer *peer, const struct proto_message *message)
{
	const struct cs_msg_hdr *hdr = (const struct cs_msg_hdr *)message->message;
	struct deal *deal = find(peer->daemon, peer, message->contract, false);
	const struct contract_item *item;

	item = deal ? contract_item(&deal->contract, hdr->digest) : NULL;
	if (!item || deal->contract.expiry <= daemon_now())
		log_debug("%s: a message that is not under contract", peer_label(peer));
	else if (item->size != sizeof(struct cs_link_hdr) + message->len)
		session_close(peer->session, "a message of another size than in its contract");
	else if (intake_message(peer, message) == -EBADMSG)
		log_warning("%s: gave a message that is not what its digest says",
			    peer_label(peer));
}

/**
 * deal_letter() - a letter about a contract in force
 * @peer: who sent it
 * @letter: DIFF, WANT, MESSAGE or CONTRACT
 */
void deal_letter(struct peer *peer, const struct proto_letter *letter)
{
	if (letter->type == PROTO_DIFF)
		on_diff(peer, &letter->diff);
	else if (letter->type == PROTO_WANT)
		on_want(peer, &letter->want);
	else if (letter->type == PROTO_MESSAGE)
		on_message(peer, &letter->message);
	else if (letter->type == PROTO_CONTRACT)
		on_contract(peer, &letter->contract);
}

/**
 * deal_cover() - messages that are being given to a peer under contract
 * @peer: who
 * @covered: gets their ids
 *
 * They are not to be promised a second time, though they were offered in an earlier run. What a
 * contract that is used up left may be.
 *
 * Return: 0 or -ENOMEM.
 */
int deal_cover(const struct peer *peer, struct idset *covered)
{
	const struct deal *deal;
	size_t i;

	for (deal = peer->daemon->deals->list; deal; deal = deal->next) {
		if (!deal->buyer || deal->exhausted || deal->contract.expiry <= daemon_now() ||
		    memcmp(deal->address, peer->address, CS_ADDR_LEN))
			continue;
		for (i = 0; i < deal->contract.nr_items; i++)
			if (idset_add(covered, deal->contract.items[i].digest))
				return -ENOMEM;
	}
	return 0;
}

/**
 * deal_earns() - may a message that came under this contract still earn something?
 * @daemon: whose
 * @peer: who gives it
 * @id: of the contract
 * @digest: of the message; others than those of the contract earn nothing
 *
 * Return: whether it may.
 */
bool deal_earns(struct daemon *daemon, const struct peer *peer, uint32_t id,
		const uint8_t digest[CS_DIGEST_LEN])
{
	struct deal *deal = find(daemon, peer, id, false);
	const struct contract_item *item;
	uint64_t cost;

	if (!deal || deal->contract.expiry <= daemon_now())
		return false;
	item = contract_item(&deal->contract, digest);
	if (!item)
		return false;
	cost = store_cost(daemon->store, item->size);
	deal->reserved -= cost < deal->reserved ? cost : deal->reserved;
	return deal->contract.rate;
}

/**
 * deal_lacks() - was a message promised to this node under a contract in force, and is not here?
 * @daemon: whose
 * @digest: of a message that the store does not hold
 *
 * Its kernel may know such a message, and yet it is wanted: it came while the daemon did not run.
 *
 * Return: whether it was.
 */
bool deal_lacks(const struct daemon *daemon, const uint8_t digest[CS_DIGEST_LEN])
{
	const struct deal *deal;

	for (deal = daemon->deals->list; deal; deal = deal->next)
		if (!deal->buyer && item_of(deal, digest) < deal->contract.nr_items)
			return true;
	return false;
}

/**
 * deal_reserved() - room in the store that was promised to what is still to come under contract
 * @daemon: whose
 * @address: of the peer that it was promised to, NULL: all
 *
 * Return: bytes.
 */
uint64_t deal_reserved(const struct daemon *daemon, const uint8_t *address)
{
	const struct deal *deal;
	uint64_t bytes = 0;

	for (deal = daemon->deals->list; deal; deal = deal->next)
		if (!deal->exhausted &&
		    (!address || !memcmp(deal->address, address, CS_ADDR_LEN)))
			bytes += deal->reserved;
	return bytes;
}

/* What was not sent may be offered again, under another contract. */
static void give_up(struct deal *deal)
{
	size_t i;

	for (i = 0; deal->buyer && i < deal->contract.nr_items; i++)
		if (deal->send[i])
			idset_del(&deal->peer->offered, deal->contract.items[i].digest);
}

/**
 * deal_full() - does the kernel know as many contracts with a peer as is good?
 * @peer: who
 *
 * Return: whether it does: one more may not be taken, though both signed it.
 */
bool deal_full(const struct peer *peer)
{
	const struct deal *deal;
	unsigned int n = 0;

	for (deal = peer->daemon->deals->list; deal; deal = deal->next)
		n += deal->peer == peer && deal->installed;
	return n >= INSTALLED_MAX;
}

/**
 * deal_exhausted() - the kernel says that a contract is used up
 * @daemon: whose
 * @ifindex: port
 * @lladdr: peer
 * @id: of the contract
 */
void deal_exhausted(struct daemon *daemon, uint32_t ifindex, const uint8_t *lladdr, uint32_t id)
{
	struct deal *deal;

	for (deal = daemon->deals->list; deal; deal = deal->next) {
		if (deal->contract.id != id || !deal->peer ||
		    deal->peer->port->link.ifindex != ifindex ||
		    memcmp(deal->peer->lladdr, lladdr, KERNEL_LLADDR_LEN) || deal->exhausted)
			continue;
		deal->exhausted = true;
		give_up(deal);
		log_notice("%s: contract %u is used up", peer_label(deal->peer), id);
		/* what is on its way arrives first */
		pump_in(deal, ASK_SECONDS, 0);
	}
}

/* Nothing passes under it any more. */
static void uninstall(struct deal *deal)
{
	struct daemon *daemon = deal->daemon;
	struct cs_error error = { "" };

	if (deal->peer && deal->installed &&
	    daemon->kernel->ops->contract_del(daemon->kernel, deal->peer->port->link.ifindex,
					      deal->peer->lladdr, deal->contract.id, &error))
		log_debug("contract %u: %s", deal->contract.id, error.text);
	deal->installed = false;
	deal->reserved = 0;
}

/**
 * deal_strays() - did a message come under a contract that does not name it?
 * @daemon: whose
 * @peer: who gave it, in a frame
 * @id: of the contract
 * @digest: of the message
 *
 * It would be carried without ever being paid for. A contract never changes, and its id is no other
 * one's as long as this node remembers it, so an honest daemon sends none; of another program of
 * the buyer there may be some. After a few the kernel takes nothing more under the contract.
 *
 * Return: whether it did, and is not to be kept.
 */
bool deal_strays(struct daemon *daemon, const struct peer *peer, uint32_t id,
		 const uint8_t digest[CS_DIGEST_LEN])
{
	struct deal *deal = find(daemon, peer, id, false);

	if (peer->state != CROWDSHARE_PEER_CONTRACT || !deal ||
	    contract_item(&deal->contract, digest))
		return false;
	if (++deal->strays == STRAYS_MAX)
		log_warning("%s: contract %u ends: messages come under it that are not in it",
			    peer_label(peer), id);
	if (deal->strays >= STRAYS_MAX) {
		uninstall(deal);
		deal->exhausted = true;
		pump_in(deal, ASK_SECONDS, 0);
	}
	return true;
}

/* Its messages earn nothing any more, and may go when room is needed. */
static void end(struct deal *deal)
{
	size_t i;

	for (i = 0; !deal->buyer && i < deal->contract.nr_items; i++)
		store_flag(deal->daemon->store, deal->contract.items[i].digest, 0, STORE_EARNS);
	intake_changed(deal->daemon);
	uninstall(deal);
	deal_free(deal);
}

static void on_clock(evutil_socket_t fd, short what, void *data)
{
	static const struct timeval wait = { CLOCK_SECONDS, 0 };
	struct daemon *daemon = data;
	struct deal **at = &daemon->deals->list, *deal;
	struct cs_error error = { "" };
	uint64_t now = daemon_now();

	(void)fd;
	(void)what;
	while ((deal = *at)) {
		if (deal->contract.expiry <= now)
			uninstall(deal);
		if (deal->contract.expiry + DEAL_GRACE > now) {
			at = &deal->next;
			continue;
		}
		*at = deal->next;
		end(deal);
	}
	if (ledger_lapse(daemon->ledger, now - DEAL_GRACE, &error))
		log_error("ledger: %s", error.text);
	evtimer_add(daemon->deals->clock, &wait);
}

/* A live contract of an earlier run. */
static int take_up(const struct contract *contract, int64_t promised, int64_t earned,
		   int64_t lapsed, void *data)
{
	struct daemon *daemon = data;
	uint8_t uid[CONTRACT_UID_LEN];
	struct contract copy;

	(void)promised;
	(void)earned;
	(void)lapsed;
	contract_uid(contract, uid);
	if (ledger_get(daemon->ledger, uid, &copy, NULL))
		return -EIO;
	if (!begin(daemon, &copy, NULL)) {
		contract_free(&copy);
		return -ENOMEM;
	}
	return 0;
}

/**
 * struct stale - messages whose contract ended while the daemon did not run
 * @daemon: whose
 * @digests: of the messages, CS_DIGEST_LEN bytes each
 * @count: their number
 */
struct stale {
	struct daemon	*daemon;
	uint8_t		*digests;
	size_t		count;
};

static int gather_stale(const struct store_item *item, void *data)
{
	struct stale *stale = data;
	uint8_t *grown;

	if (!(item->flags & STORE_EARNS) ||
	    find_of(stale->daemon, item->peer, item->contract, false))
		return 0;
	grown = realloc(stale->digests, (stale->count + 1) * CS_DIGEST_LEN);
	if (!grown)
		return -ENOMEM;
	stale->digests = grown;
	memcpy(grown + stale->count++ * CS_DIGEST_LEN, item->digest, CS_DIGEST_LEN);
	return 0;
}

/* They earn nothing any more, as end() would have said. */
static int drop_stale(struct daemon *daemon, struct cs_error *error)
{
	struct stale stale = { .daemon = daemon };
	size_t i;
	int rc;

	rc = store_each(daemon->store, gather_stale, &stale);
	for (i = 0; !rc && i < stale.count; i++)
		rc = store_flag(daemon->store, stale.digests + i * CS_DIGEST_LEN, 0, STORE_EARNS);
	free(stale.digests);
	return rc ? cs_error_set(error, rc, "the store can't be read, or out of memory") : 0;
}

/**
 * deal_open() - take up the live contracts of the ledger
 * @daemon: whose
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int deal_open(struct daemon *daemon, struct cs_error *error)
{
	static const struct timeval wait = { CLOCK_SECONDS, 0 };
	int rc;

	daemon->deals = calloc(1, sizeof(*daemon->deals));
	if (!daemon->deals)
		return cs_error_set(error, -ENOMEM, "out of memory");
	daemon->deals->clock = evtimer_new(daemon->base, on_clock, daemon);
	if (!daemon->deals->clock || evtimer_add(daemon->deals->clock, &wait))
		return cs_error_set(error, -ENOMEM, "out of memory");
	rc = ledger_contracts(daemon->ledger, true, daemon_now() - DEAL_GRACE, take_up, daemon,
			      error);
	return rc ? rc : drop_stale(daemon, error);
}

/**
 * deal_close() - end; the ledger keeps the contracts
 * @daemon: whose
 */
void deal_close(struct daemon *daemon)
{
	struct deal *deal;

	if (!daemon->deals)
		return;
	while ((deal = daemon->deals->list)) {
		daemon->deals->list = deal->next;
		deal_free(deal);
	}
	if (daemon->deals->clock)
		event_free(daemon->deals->clock);
	free(daemon->deals);
	daemon->deals = NULL;
}

/**
 * deal_peer_up() - a session with a peer has begun: its contracts go on
 * @peer: who
 */
void deal_peer_up(struct peer *peer)
{
	struct cs_error error = { "" };
	struct deal *deal;

	for (deal = peer->daemon->deals->list; deal; deal = deal->next) {
		if (memcmp(deal->address, peer->address, CS_ADDR_LEN) ||
		    (deal->peer && deal->peer != peer && deal->peer->session) ||
		    deal->contract.expiry <= daemon_now())
			continue;
		deal->peer = peer;
		if (install(deal, &error)) {
			log_error("%s: contract %u: %s", peer_label(peer), deal->contract.id,
				  error.text);
			continue;
		}
		deal->asked = 0;
		if (deal->buyer)
			pump_in(deal, ASK_SECONDS, 0);
		else
			show(deal);
	}
}

/**
 * deal_peer_gone() - a peer is about to be freed
 * @peer: who
 */
void deal_peer_gone(struct peer *peer)
{
	struct deal *deal;

	for (deal = peer->daemon->deals ? peer->daemon->deals->list : NULL; deal;
	     deal = deal->next) {
		if (deal->peer != peer)
			continue;
		deal->peer = NULL;
		deal->installed = false;
	}
}

/**
 * deal_contract() - a contract by its name
 * @daemon: whose
 * @uid: its name in the ledger
 *
 * Return: the contract, valid until the event loop goes on; NULL: there is none, or none that could
 * still be earned.
 */
const struct contract *deal_contract(const struct daemon *daemon,
				     const uint8_t uid[CONTRACT_UID_LEN])
{
	const struct deal *deal;

	for (deal = daemon->deals->list; deal; deal = deal->next)
		if (!memcmp(deal->uid, uid, CONTRACT_UID_LEN))
			return &deal->contract;
	return NULL;
}

/**
 * deal_sold() - the contract under which this node took a message
 * @daemon: whose
 * @address: of the buyer, NULL: any
 * @id: of the contract in the link header; not looked at without @address
 * @digest: of the message
 * @uid: gets the contract's name, unless NULL
 *
 * Return: the contract, valid until the event loop goes on, or NULL.
 */
const struct contract *deal_sold(const struct daemon *daemon, const uint8_t *address, uint32_t id,
				 const uint8_t digest[CS_DIGEST_LEN],
				 uint8_t uid[CONTRACT_UID_LEN])
{
	const struct deal *deal;

	for (deal = daemon->deals->list; deal; deal = deal->next) {
		if (deal->buyer ||
		    (address && (deal->contract.id != id ||
				 memcmp(deal->address, address, CS_ADDR_LEN))) ||
		    !contract_item(&deal->contract, digest))
			continue;
		if (uid)
			memcpy(uid, deal->uid, CONTRACT_UID_LEN);
		return &deal->contract;
	}
	return NULL;
}

/* Did the seller earn a message under a contract? What the ledger does not tell it did not. */
static bool is_earned(const struct deal *deal, const uint8_t digest[CS_DIGEST_LEN])
{
	enum ledger_state state;
	int64_t amount;

	return !ledger_state(deal->daemon->ledger, deal->uid, digest, &state, &amount, NULL) &&
	       (state == LEDGER_STATE_EARNED || state == LEDGER_STATE_SETTLED);
}

/**
 * deal_paid() - did a seller earn a message under another contract with this node?
 * @daemon: whose
 * @contract: that this node bought; what was earned under this one does not count
 * @digest: of the message
 *
 * A seller that says that it lacks what it has gets a second contract over it.
 *
 * Return: whether it did.
 */
bool deal_paid(const struct daemon *daemon, const struct contract *contract,
	       const uint8_t digest[CS_DIGEST_LEN])
{
	const struct deal *deal;

	for (deal = daemon->deals->list; deal; deal = deal->next)
		if (deal->buyer && &deal->contract != contract &&
		    !memcmp(deal->contract.seller, contract->seller, IDENTITY_PUBLIC_LEN) &&
		    contract_item(&deal->contract, digest) && is_earned(deal, digest))
			return true;
	return false;
}

/**
 * deal_count() - contracts in force
 * @daemon: whose
 *
 * Return: how many there are.
 */
unsigned int deal_count(const struct daemon *daemon)
{
	const struct deal *deal;
	unsigned int n = 0;

	for (deal = daemon->deals->list; deal; deal = deal->next)
		n += deal->contract.expiry > daemon_now();
	return n;
}

static json_t *deal_json(const struct contract *contract, struct daemon *daemon)
{
	char uid[2 * CONTRACT_UID_LEN + 1], peer[INET6_ADDRSTRLEN];
	bool buyer = !memcmp(contract->buyer, daemon->identity.public, IDENTITY_PUBLIC_LEN);
	uint8_t raw[CONTRACT_UID_LEN], address[CS_ADDR_LEN];
	struct kernel_contract counted = { 0 };
	struct deal *deal;

	contract_uid(contract, raw);
	cs_hex(uid, raw, sizeof(raw));
	identity_address(buyer ? contract->seller : contract->buyer, address);
	inet_ntop(AF_INET6, address, peer, sizeof(peer));
	for (deal = daemon->deals->list; deal; deal = deal->next)
		if (!memcmp(deal->uid, raw, sizeof(raw)))
			break;
	if (deal && deal->peer && deal->installed) {
		counted.ifindex = deal->peer->port->link.ifindex;
		memcpy(counted.lladdr, deal->peer->lladdr, sizeof(counted.lladdr));
		counted.id = contract->id;
		if (daemon->kernel->ops->contract_get(daemon->kernel, &counted, NULL))
			counted.used = counted.refused = 0;
	}
	return json_pack("{s:s, s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "uid", uid, "id",
			 (json_int_t)contract->id, "role", buyer ? "buyer" : "seller", "peer", peer,
			 "rate", (json_int_t)contract->rate, "bytes",
			 (json_int_t)contract_bytes(contract), "used", (json_int_t)counted.used,
			 "refused", (json_int_t)counted.refused, "expiry",
			 (json_int_t)contract->expiry, "messages", (json_int_t)contract->nr_items);
}

/**
 * struct listing - what list_one() adds to
 * @daemon: whose contracts
 * @list: a JSON array
 */
struct listing {
	struct daemon	*daemon;
	json_t		*list;
};

static int list_one(const struct contract *contract, int64_t promised, int64_t earned,
		    int64_t lapsed, void *data)
{
	struct listing *listing = data;
	json_t *json = deal_json(contract, listing->daemon);

	if (!json)
		return -ENOMEM;
	json_object_set_new(json, "promised", json_integer(promised));
	json_object_set_new(json, "earned", json_integer(earned));
	json_object_set_new(json, "lapsed", json_integer(lapsed));
	return json_array_append_new(listing->list, json) ? -ENOMEM : 0;
}

/**
 * deal_list() - all contracts of the ledger, with what the kernel counted of those in force
 * @daemon: whose
 * @error: gets the reason of a failure
 *
 * Return: a JSON array, or NULL.
 */
json_t *deal_list(struct daemon *daemon, struct cs_error *error)
{
	struct listing listing = { daemon, json_array() };

	if (ledger_contracts(daemon->ledger, false, daemon_now(), list_one, &listing, error)) {
		json_decref(listing.list);
		return NULL;
	}
	return listing.list;
}
