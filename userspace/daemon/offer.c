// SPDX-License-Identifier: GPL-2.0
/*
 * Offers and bids between this node and its peers that take and give only under contract.
 *
 *	buyer, who gives messages and pays         seller, who takes them and earns
 *	OFFER digests, sizes, destination, expiry →
 *	                          ← NO reason | BID those wanted, rate (nothing: yes)
 *	ACCEPT contract, signed | REJECT reason   →
 *	                          ← SIGNED                             both ledgers have it (deal.c)
 *
 * Now and then each such peer is asked about the messages of the store that it was not asked about
 * before, those of one destination and receiver at a time, one offer at a time. A bid within the
 * configured price and budget is accepted; others wait for a person, or are rejected.
 *
 * A refusal that may pass (full, battery, plan, rate, an error), or no answer, lets the same
 * messages be offered again, after a while.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/util.h>

#include "daemon/cancel.h"
#include "daemon/intake.h"
#include "daemon/log.h"
#include "daemon/offer.h"
#include "daemon/peer.h"
#include "daemon/receiver.h"
#include "lib/hex.h"

#define KEPT		128	/* offers that ended and are still shown */
#define ANSWER_SECONDS	30
#define SECOND		1000000000ull
#define SHARE		10000
#define PER_CENT	100
#define OPEN_MAX	4	/* offers of a peer that wait: an honest one makes one at a time */

/**
 * struct offers - all offers
 * @list: the newest first
 * @next_id: of the next one that this node makes
 * @next_show: of the next one at all
 * @timer: makes new ones
 * @clock: ends those that nobody answers
 */
struct offers {
	struct offer	*list;
	uint64_t	next_id;
	uint64_t	next_show;
	struct event	*timer;
	struct event	*clock;
};

static const char *const states[] = {
#define NAME(name, string) string,
	OFFER_STATE_LIST(NAME)
#undef NAME
};

static bool ended(const struct offer *offer)
{
	return offer->state >= OFFER_REJECTED;
}

static void offer_free(struct offer *offer)
{
	free(offer->items);
	free(offer->body);
	free(offer);
}

/* Forgets the oldest of those that have ended. */
static void trim(struct offers *offers)
{
	struct offer **at = &offers->list, *offer;
	unsigned int kept = 0;

	while ((offer = *at)) {
		if (ended(offer) && ++kept > KEPT) {
			*at = offer->next;
			offer_free(offer);
		} else {
			at = &offer->next;
		}
	}
}

static struct offer *offer_new(struct peer *peer, bool out, const struct proto_offer *letter)
{
	struct offers *offers = peer->daemon->offers;
	struct offer *offer = calloc(1, sizeof(*offer));

	if (!offer)
		return NULL;
	offer->items = calloc(letter->nr_items, sizeof(*offer->items));
	if (!offer->items) {
		free(offer);
		return NULL;
	}
	memcpy(offer->items, letter->items, letter->nr_items * sizeof(*offer->items));
	memcpy(offer->destination, letter->destination, CS_ADDR_LEN);
	memcpy(offer->receiver, letter->receiver, IDENTITY_PUBLIC_LEN);
	offer->nr_items = letter->nr_items;
	offer->id = letter->offer;
	offer->peer = peer;
	offer->out = out;
	offer->show = offers->next_show++;
	offer->deadline = daemon_ticks() + ANSWER_SECONDS * SECOND;
	memcpy(offer->address, peer->address, CS_ADDR_LEN);
	offer->next = offers->list;
	offers->list = offer;
	trim(offers);
	return offer;
}

static struct offer *find(struct peer *peer, bool out, uint64_t id)
{
	struct offer *offer;

	for (offer = peer->daemon->offers->list; offer; offer = offer->next)
		if (offer->peer == peer && offer->out == out && offer->id == id && !ended(offer))
			return offer;
	return NULL;
}

static bool wanted(const struct offer *offer, size_t i)
{
	return offer->wanted[i / 8] & 1 << i % 8;
}

static void end(struct offer *offer, enum offer_state state, enum policy_reason reason)
{
	offer->state = state;
	offer->reason = reason;
	log_info("offer %llu %s %s: %s%s%s", (unsigned long long)offer->show,
		 offer->out ? "to" : "of",
		 offer->peer ? peer_label(offer->peer) : "a peer that is gone", states[state],
		 reason ? ": " : "", reason ? policy_reason_text(reason) : "");
}

/* --- The seller --- */

/* The direction that is fuller: what is taken has to go on, too. */
static void fill_band(const struct daemon *daemon, struct bid_input *input)
{
	const struct config_store *config = &daemon->config.store;
	uint64_t in, out;

	intake_band(daemon, &in, &out);
	input->band_used = in;
	input->band_limit = config->in;
	if (!config->out ||
	    (config->in && bid_scale(in, SHARE, config->in) >= bid_scale(out, SHARE, config->out)))
		return;
	input->band_used = out;
	input->band_limit = config->out;
}

/**
 * offer_price() - what this node asks for now
 * @daemon: whose
 * @rating: of who asks, per mille
 * @terms: gets the price and what makes it up
 */
void offer_price(struct daemon *daemon, uint32_t rating, struct bid_terms *terms)
{
	const struct config *config = &daemon->config;
	struct store_stats store;
	struct bid_input input = {
		.market = bid_market(&config->policy),
		.plugged = daemon->power.plugged,
		.battery = daemon->power.percent,
		.battery_full = config->policy.battery_full,
		.plan_used = daemon->plan.used,
		.plan_bytes = config->policy.plan_bytes,
		.plan_near = config->policy.plan_near,
		.plan_overage = config->policy.plan_overage,
		.rating = rating,
	};

	store_stats(daemon->store, &store);
	input.store_used = store.bytes;
	input.store_quota = store.quota;
	fill_band(daemon, &input);
	bid_price(&input, terms);
}

/**
 * offer_refuses() - does this node refuse all offers now?
 * @daemon: whose
 *
 * Return: why, or POLICY_NONE.
 */
enum policy_reason offer_refuses(struct daemon *daemon)
{
	return policy_refuses(&daemon->config.policy, &daemon->power, &daemon->plan);
}

/* Does this node have, or has it seen, a message? */
static bool known(struct daemon *daemon, const struct proto_offer_item *item)
{
	struct store_item held;

	return !store_get(daemon->store, item->digest, &held) ||
	       cancel_state(daemon, item->digest) == CANCEL_PROVEN ||
	       (daemon->kernel->ops->known(daemon->kernel, item->digest, NULL) > 0 &&
		!deal_lacks(daemon, item->digest));
}

/*
 * Is there room for so much more of a peer? What was promised to it is not in the store yet, and is
 * to be within its share all the same: else one could have all of the store kept for it. In a small
 * store a single offer may be more than a share: the first is taken up to half of the store.
 */
static bool has_room(struct daemon *daemon, const uint8_t address[CS_ADDR_LEN], uint64_t cost)
{
	const struct config_store *config = &daemon->config.store;
	uint64_t promised = deal_reserved(daemon, address), most;

	most = config->bytes / PER_CENT * config->share;
	if (!promised && most < config->bytes / 2)
		most = config->bytes / 2;
	return promised + cost <= most &&
	       store_would_fit(daemon->store, deal_reserved(daemon, NULL) + cost, address,
			       daemon_now());
}

/* Marks what this node wants of an offer; why nothing, if nothing. */
static enum policy_reason choose(struct offer *offer)
{
	struct daemon *daemon = offer->peer->daemon;
	uint64_t now = daemon_now(), cost = 0;
	size_t i, live = 0, count = 0;

	for (i = 0; i < offer->nr_items; i++) {
		if (offer->items[i].expiry <= now)
			continue;
		live++;
		if (known(daemon, &offer->items[i]))
			continue;
		count++;
		cost += store_cost(daemon->store, offer->items[i].size);
		offer->wanted[i / 8] |= 1 << i % 8;
	}
	if (!live)
		return POLICY_EXPIRED;
	if (!count)
		return POLICY_DUPLICATE;
	return has_room(daemon, offer->address, cost) ? POLICY_NONE : POLICY_FULL;
}

/* Each bid is kept until it has an answer. */
static bool too_many(const struct peer *peer)
{
	const struct offer *offer;
	unsigned int open = 0;

	for (offer = peer->daemon->offers->list; offer; offer = offer->next)
		open += offer->peer == peer && !offer->out && offer->state == OFFER_BID;
	return open >= OPEN_MAX;
}

static enum policy_reason judge(struct offer *offer)
{
	struct peer *peer = offer->peer;
	const struct config_policy *config = &peer->daemon->config.policy;
	enum policy_reason reason;

	policy_bucket_set(&peer->offers, config->offers, daemon_ticks());
	if (!policy_bucket_take(&peer->offers, 1, daemon_ticks()) || too_many(peer))
		return POLICY_RATE;
	if (peer->state != CROWDSHARE_PEER_CONTRACT || peer->rating < config->min_rating)
		return POLICY_POLICY;
	reason = offer_refuses(peer->daemon);
	if (reason)
		return reason;
	if (policy_denies_destination(config, offer->destination) ||
	    !contract_receiver_ok(offer->destination, offer->receiver))
		return POLICY_DESTINATION;
	return deal_full(peer) ? POLICY_FULL : choose(offer);
}

static int total(struct offer *offer)
{
	uint64_t amount;
	size_t i;
	int rc;

	offer->total = 0;
	for (i = 0; i < offer->nr_items; i++) {
		if (!wanted(offer, i))
			continue;
		rc = contract_amount(offer->rate, offer->items[i].size, &amount);
		if (rc || __builtin_add_overflow(offer->total, amount, &offer->total) ||
		    offer->total > INT64_MAX)
			return -ERANGE;
	}
	return 0;
}

/* Names a price; false: it is beyond all numbers. */
static bool send_bid(struct offer *offer)
{
	struct proto_letter letter = { .type = PROTO_BID };
	struct peer *peer = offer->peer;

	offer_price(peer->daemon, peer->rating, &offer->terms);
	offer->rate = offer->terms.rated;
	do {
		evutil_secure_rng_get_bytes(&offer->contract, sizeof(offer->contract));
	} while (!offer->contract || deal_id_taken(peer->daemon, peer, offer->contract));
	evutil_secure_rng_get_bytes(offer->nonce, sizeof(offer->nonce));
	offer->expiry = daemon_now() + peer->daemon->config.policy.contract_time;
	if (total(offer))
		return false;
	offer->state = OFFER_BID;
	letter.bid = (struct proto_bid) {
		.offer = offer->id,
		.contract = offer->contract,
		.rate = offer->rate,
		.expiry = offer->expiry,
		.valid = ANSWER_SECONDS + peer->daemon->config.offers.wait,
		.nr_wanted = offer->nr_items,
		.wanted = offer->wanted,
	};
	memcpy(letter.bid.nonce, offer->nonce, sizeof(offer->nonce));
	offer->deadline = daemon_ticks() + letter.bid.valid * SECOND;
	session_send(peer->session, &letter);
	return true;
}

static void on_offer(struct peer *peer, const struct proto_offer *asked)
{
	struct proto_letter no = { .type = PROTO_NO, .no.offer = asked->offer };
	struct offer *offer;

	if (find(peer, false, asked->offer))
		return;
	offer = offer_new(peer, false, asked);
	no.no.reason = offer ? judge(offer) : POLICY_ERROR;
	if (!no.no.reason) {
		if (send_bid(offer))
			return;
		no.no.reason = POLICY_PRICE;
	}
	if (offer)
		end(offer, OFFER_REFUSED, no.no.reason);
	session_send(peer->session, &no);
}

static void on_accept(struct peer *peer, const struct proto_accept *accept)
{
	struct proto_letter letter = { .type = PROTO_REJECT };
	struct cs_error error = { "" };
	struct offer *offer = find(peer, false, accept->offer);

	if (offer && offer->state != OFFER_BID) {
		log_warning("%s: accepts what it has accepted", peer_label(peer));
		return;
	}
	if (offer && !deal_sign(offer, accept, &letter, &error)) {
		end(offer, OFFER_ACCEPTED, POLICY_NONE);
		session_send(peer->session, &letter);
		return;
	}
	log_warning("%s: its acceptance is refused: %s", peer_label(peer),
		    error.text[0] ? error.text : "there is no such bid");
	letter.type = PROTO_REJECT;
	letter.reject.offer = accept->offer;
	letter.reject.reason = POLICY_ERROR;
	session_send(peer->session, &letter);
	if (offer)
		end(offer, OFFER_REFUSED, POLICY_ERROR);
}

/* --- The buyer --- */

static void reject(struct offer *offer, enum policy_reason reason)
{
	struct proto_letter letter = { .type = PROTO_REJECT };

	letter.reject.offer = offer->id;
	letter.reject.reason = reason;
	if (offer->peer && offer->peer->session)
		session_send(offer->peer->session, &letter);
	end(offer, OFFER_REJECTED, reason);
}

static int accept_bid(struct offer *offer, struct cs_error *error)
{
	struct proto_letter letter = { .type = PROTO_ACCEPT };
	struct contract contract;
	int rc;

	rc = deal_propose(offer, &letter, &contract, error);
	if (rc)
		return rc;
	offer->state = OFFER_ACCEPTED;
	offer->deadline = daemon_ticks() + ANSWER_SECONDS * SECOND;
	rc = session_send(offer->peer->session, &letter);
	contract_free(&contract);
	return rc ? cs_error_set(error, rc, "the session is gone") : 0;
}

/*
 * Millipoints that were accepted and are not in the ledger yet: the seller has to sign. @but is the
 * contract that is being looked at, and not counted.
 */
static uint64_t accepted(const struct daemon *daemon, const struct contract *but)
{
	const struct offer *offer;
	uint64_t sum = 0;

	for (offer = daemon->offers->list; offer; offer = offer->next) {
		if (!offer->out || offer->state != OFFER_ACCEPTED ||
		    (but && offer->body_len == but->body_len &&
		     !memcmp(offer->body, but->body, but->body_len)))
			continue;
		if (__builtin_add_overflow(sum, offer->total, &sum))
			return UINT64_MAX;
	}
	return sum;
}

/* May so many millipoints be promised? */
static enum policy_reason within_budget(struct daemon *daemon, uint64_t total,
					const struct contract *but)
{
	struct cs_error error = { "" };
	int64_t promised;
	uint64_t spent;

	if (!total)
		return POLICY_NONE;
	if (ledger_promised_since(daemon->ledger, daemon_now() - 86400, &promised, &error)) {
		log_error("ledger: %s", error.text);
		return POLICY_ERROR;
	}
	if (__builtin_add_overflow((uint64_t)promised, accepted(daemon, but), &spent) ||
	    __builtin_add_overflow(spent, total, &spent) ||
	    spent > daemon->config.offers.budget)
		return POLICY_BUDGET;
	return POLICY_NONE;
}

/* Is a bid within what the configuration accepts? */
static enum policy_reason within(const struct offer *offer)
{
	struct daemon *daemon = offer->peer->daemon;

	if (offer->rate > daemon->config.offers.max_price)
		return POLICY_PRICE;
	return within_budget(daemon, offer->total, NULL);
}

/**
 * offer_affords() - may a contract still be promised that this node signed earlier?
 * @daemon: whose
 * @contract: that is not in the ledger
 *
 * Nothing was sent under it, so nobody loses by a refusal. A seller that rejects what was signed,
 * or keeps silent, could else collect signatures, and have more promised than the budget.
 *
 * Return: why not, or POLICY_NONE.
 */
enum policy_reason offer_affords(struct daemon *daemon, const struct contract *contract)
{
	uint64_t total;

	if (contract_total(contract, &total))
		return POLICY_PRICE;
	return within_budget(daemon, total, contract);
}

static void on_bid(struct peer *peer, const struct proto_bid *bid)
{
	const struct config_offers *config = &peer->daemon->config.offers;
	struct offer *offer = find(peer, true, bid->offer);
	struct cs_error error = { "" };
	enum policy_reason reason;
	uint64_t wait;

	if (!offer || offer->state != OFFER_ASKED || bid->nr_wanted != offer->nr_items)
		return;
	memcpy(offer->wanted, bid->wanted, (bid->nr_wanted + 7) / 8);
	memcpy(offer->nonce, bid->nonce, sizeof(offer->nonce));
	offer->contract = bid->contract;
	offer->rate = bid->rate;
	offer->expiry = bid->expiry;
	offer->state = OFFER_BID;
	/* a person's answer would come too late when the bid stands no more */
	wait = bid->valid < config->wait ? bid->valid : config->wait;
	offer->deadline = daemon_ticks() + wait * SECOND;
	reason = total(offer) ? POLICY_PRICE : within(offer);
	if (!reason && accept_bid(offer, &error)) {
		log_error("offer %llu: %s", (unsigned long long)offer->show, error.text);
		reason = POLICY_ERROR;
	}
	if (!reason || (config->ask && (reason == POLICY_PRICE || reason == POLICY_BUDGET)))
		return;
	reject(offer, reason);
}

/* These messages may be offered again, but not at once. */
static void forget(struct offer *offer)
{
	struct peer *peer = offer->peer;
	size_t i;

	for (i = 0; peer && i < offer->nr_items; i++)
		idset_del(&peer->offered, offer->items[i].digest);
	if (peer)
		peer->unasked = daemon_ticks() + peer->daemon->config.store.reconcile * SECOND;
}

static void on_no(struct peer *peer, const struct proto_no *no)
{
	struct offer *offer = find(peer, true, no->offer);

	if (!offer || offer->state != OFFER_ASKED)
		return;
	end(offer, OFFER_REFUSED, no->reason);
	if (no->reason == POLICY_FULL || no->reason == POLICY_BATTERY ||
	    no->reason == POLICY_PLAN || no->reason == POLICY_RATE)
		forget(offer);
}

static void on_reject(struct peer *peer, const struct proto_reject *rejected)
{
	struct offer *offer = find(peer, false, rejected->offer);

	/* what was signed is not rejected any more */
	if (offer && offer->state != OFFER_BID)
		return;
	if (!offer)
		offer = find(peer, true, rejected->offer);
	if (!offer)
		return;
	end(offer, OFFER_REJECTED, rejected->reason);
	if (offer->out && rejected->reason == POLICY_ERROR)
		forget(offer);
}

static void on_signed(struct peer *peer, const struct proto_signed *sign)
{
	struct offer *offer = find(peer, true, sign->offer);
	struct cs_error error = { "" };

	if (!offer || offer->state != OFFER_ACCEPTED)
		return;
	if (deal_signed(offer, sign, &error)) {
		log_error("offer %llu: %s", (unsigned long long)offer->show, error.text);
		end(offer, OFFER_REFUSED, POLICY_ERROR);
		return;
	}
	end(offer, OFFER_DONE, POLICY_NONE);
}

/**
 * offer_letter() - a letter about offers and contracts
 * @peer: who sent it
 * @letter: the letter
 */
void offer_letter(struct peer *peer, const struct proto_letter *letter)
{
	switch (letter->type) {
	case PROTO_OFFER:
		on_offer(peer, &letter->offer);
		break;
	case PROTO_NO:
		on_no(peer, &letter->no);
		break;
	case PROTO_BID:
		on_bid(peer, &letter->bid);
		break;
	case PROTO_ACCEPT:
		on_accept(peer, &letter->accept);
		break;
	case PROTO_REJECT:
		on_reject(peer, &letter->reject);
		break;
	case PROTO_SIGNED:
		on_signed(peer, &letter->sign);
		break;
	default:
		deal_letter(peer, letter);
		break;
	}
}

/* --- What is offered to whom --- */

/**
 * struct gather - messages for one offer
 * @peer: whom to offer them to
 * @letter: the offer
 * @items: its messages
 * @any: @letter has a destination
 * @covered: being given under a contract that is in force
 * @only: only these, NULL: all that it was not asked about
 */
struct gather {
	struct peer		*peer;
	struct proto_letter	letter;
	struct proto_offer_item	items[PROTO_ITEMS_MAX];
	bool			any;
	struct idset		covered;
	const struct idset	*only;
};

static int gather_item(const struct store_item *item, void *data)
{
	struct gather *gather = data;
	struct proto_offer *offer = &gather->letter.offer;
	struct proto_offer_item *to = &gather->items[offer->nr_items];
	uint8_t receiver[IDENTITY_PUBLIC_LEN];

	if (!intake_may_pass(item, daemon_now()) ||
	    !memcmp(item->peer, gather->peer->address, CS_ADDR_LEN))
		return 0;
	if (idset_has(&gather->covered, item->digest))
		return 0;
	if (gather->only ? !idset_has(gather->only, item->digest) :
			   idset_has(&gather->peer->offered, item->digest))
		return 0;
	/* nobody can earn with what nobody can sign a receipt for */
	if (!receiver_of(gather->peer->daemon, item, receiver))
		return 0;
	if (!gather->any) {
		memcpy(offer->destination, item->destination, CS_ADDR_LEN);
		memcpy(offer->receiver, receiver, IDENTITY_PUBLIC_LEN);
	}
	gather->any = true;
	if (memcmp(offer->destination, item->destination, CS_ADDR_LEN) ||
	    memcmp(offer->receiver, receiver, IDENTITY_PUBLIC_LEN))
		return 0;
	memcpy(to->digest, item->digest, CS_DIGEST_LEN);
	to->size = sizeof(struct cs_link_hdr) + item->size;
	to->expiry = item->expiry;
	return ++offer->nr_items == PROTO_ITEMS_MAX;
}

static bool asking(const struct peer *peer)
{
	const struct offer *offer;

	for (offer = peer->daemon->offers->list; offer; offer = offer->next)
		if (offer->peer == peer && offer->out && !ended(offer))
			return true;
	return false;
}

/* an offer belongs to the daemon's list, of which GCC 12 loses sight through the peer's pointer */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

/* Offers what there is, of one destination; how many messages, or a negative errno. */
static int make(struct peer *peer, const struct idset *only)
{
	static struct gather gather; /* large, and used by one at a time */
	struct proto_offer *letter = &gather.letter.offer;
	struct offer *offer = NULL;
	size_t i, count;
	int rc;

	gather.peer = peer;
	gather.only = only;
	gather.any = false;
	gather.letter.type = PROTO_OFFER;
	letter->items = gather.items;
	letter->nr_items = 0;
	letter->offer = peer->daemon->offers->next_id++;
	rc = deal_cover(peer, &gather.covered);
	if (!rc)
		store_each(peer->daemon->store, gather_item, &gather);
	idset_clear(&gather.covered);
	if (rc)
		return rc;
	count = letter->nr_items;
	if (count)
		offer = offer_new(peer, true, letter);
	if (offer) {
		for (i = 0; i < count; i++)
			idset_add(&peer->offered, gather.items[i].digest);
		session_send(peer->session, &gather.letter);
	}
	return count && !offer ? -ENOMEM : (int)count;
}

static void on_timer(evutil_socket_t fd, short what, void *data)
{
	struct daemon *daemon = data;
	struct timeval wait = { daemon->config.store.reconcile, 0 };
	struct peer *peer;

	(void)fd;
	(void)what;
	for (peer = daemon->peers; peer; peer = peer->next) {
		if (!peer->session || peer->state != CROWDSHARE_PEER_CONTRACT || asking(peer) ||
		    daemon_ticks() < peer->unasked)
			continue;
		if (make(peer, NULL) > 0)
			wait = (struct timeval) { 1, 0 };
	}
	evtimer_add(daemon->offers->timer, &wait);
}

static void on_clock(evutil_socket_t fd, short what, void *data)
{
	static const struct timeval second = { 1, 0 };
	struct daemon *daemon = data;
	uint64_t now = daemon_ticks();
	struct offer *offer;

	(void)fd;
	(void)what;
	for (offer = daemon->offers->list; offer; offer = offer->next) {
		if (ended(offer) || now < offer->deadline)
			continue;
		if (offer->out && offer->state == OFFER_BID) {
			reject(offer, POLICY_TIMEOUT);
		} else if (offer->state == OFFER_ACCEPTED && !offer->out) {
			offer->state = OFFER_DONE;
		} else {
			if (offer->out)
				forget(offer);
			end(offer, OFFER_REFUSED, POLICY_TIMEOUT);
		}
	}
	evtimer_add(daemon->offers->clock, &second);
}

/* --- Beginning, end, peers --- */

/**
 * offer_open() - begin to make and to answer offers
 * @daemon: whose
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int offer_open(struct daemon *daemon, struct cs_error *error)
{
	struct timeval first = { daemon->config.store.reconcile, 0 }, second = { 1, 0 };
	struct offers *offers = calloc(1, sizeof(*offers));

	if (!offers)
		return cs_error_set(error, -ENOMEM, "out of memory");
	daemon->offers = offers;
	offers->next_show = 1;
	/* so that an answer to an offer of an earlier run is none to one of this */
	evutil_secure_rng_get_bytes(&offers->next_id, sizeof(offers->next_id));
	offers->next_id >>= 1;
	offers->timer = evtimer_new(daemon->base, on_timer, daemon);
	offers->clock = evtimer_new(daemon->base, on_clock, daemon);
	if (!offers->timer || !offers->clock || evtimer_add(offers->timer, &first) ||
	    evtimer_add(offers->clock, &second))
		return cs_error_set(error, -ENOMEM, "out of memory");
	return deal_open(daemon, error);
}

/**
 * offer_close() - end
 * @daemon: whose
 */
void offer_close(struct daemon *daemon)
{
	struct offers *offers = daemon->offers;
	struct offer *offer;

	deal_close(daemon);
	if (!offers)
		return;
	while ((offer = offers->list)) {
		offers->list = offer->next;
		offer_free(offer);
	}
	if (offers->timer)
		event_free(offers->timer);
	if (offers->clock)
		event_free(offers->clock);
	free(offers);
	daemon->offers = NULL;
}

/**
 * offer_peer_up() - a session with a peer has begun
 * @peer: who
 */
void offer_peer_up(struct peer *peer)
{
	static const struct timeval soon = { 1, 0 };

	deal_peer_up(peer);
	if (peer->state == CROWDSHARE_PEER_CONTRACT)
		evtimer_add(peer->daemon->offers->timer, &soon);
}

/**
 * offer_peer_gone() - a peer is about to be freed
 * @peer: who
 */
void offer_peer_gone(struct peer *peer)
{
	struct offer *offer;

	deal_peer_gone(peer);
	for (offer = peer->daemon->offers ? peer->daemon->offers->list : NULL; offer;
	     offer = offer->next) {
		if (offer->peer != peer)
			continue;
		offer->peer = NULL;
		if (!ended(offer))
			end(offer, OFFER_REFUSED, POLICY_TIMEOUT);
	}
	idset_clear(&peer->offered);
}

/* --- The control socket --- */

/**
 * offer_terms() - what makes up a price
 * @terms: the terms
 *
 * Return: a JSON object.
 */
json_t *offer_terms(const struct bid_terms *terms)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}",
			 "market", (json_int_t)terms->market, "store",
			 (json_int_t)terms->store, "band", (json_int_t)terms->band, "battery",
			 (json_int_t)terms->battery, "plan", (json_int_t)terms->plan, "rated",
			 (json_int_t)terms->rated);
}

static json_t *offer_json(const struct offer *offer)
{
	char peer[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
	uint64_t now = daemon_ticks(), bytes = 0;
	bool waits = offer->out && offer->state == OFFER_BID;
	json_t *json;
	size_t i;

	inet_ntop(AF_INET6, offer->address, peer, sizeof(peer));
	inet_ntop(AF_INET6, offer->destination, destination, sizeof(destination));
	for (i = 0; i < offer->nr_items; i++)
		bytes += offer->items[i].size;
	json = json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:s, s:I, s:I, s:I}",
			 "id", (json_int_t)offer->show,
			 "direction", offer->out ? "out" : "in", "peer", peer, "destination",
			 destination, "messages", (json_int_t)offer->nr_items, "bytes",
			 (json_int_t)bytes, "state", states[offer->state], "rate",
			 (json_int_t)offer->rate, "total", (json_int_t)offer->total, "waits",
			 (json_int_t)(waits && offer->deadline > now ?
				      (offer->deadline - now) / SECOND : 0));
	if (json && offer->reason) {
		json_object_set_new(json, "reason",
				    json_string(policy_reason_name(offer->reason)));
		json_object_set_new(json, "reason_text",
				    json_string(policy_reason_text(offer->reason)));
	}
	if (json && !offer->out && offer->contract)
		json_object_set_new(json, "terms", offer_terms(&offer->terms));
	return json;
}

/**
 * offer_list() - all offers, the newest first
 * @daemon: whose
 *
 * Return: a JSON array.
 */
json_t *offer_list(struct daemon *daemon)
{
	const struct offer *offer;
	json_t *list = json_array();

	for (offer = daemon->offers->list; offer; offer = offer->next)
		json_array_append_new(list, offer_json(offer));
	return list;
}

static struct offer *waiting(struct daemon *daemon, uint64_t show, struct cs_error *error)
{
	struct offer *offer;

	for (offer = daemon->offers->list; offer && offer->show != show; offer = offer->next)
		;
	if (!offer) {
		cs_error_set(error, -ENOENT, "there is no offer %llu", (unsigned long long)show);
		return NULL;
	}
	if (!offer->out || offer->state != OFFER_BID || !offer->peer || !offer->peer->session) {
		cs_error_set(error, -EINVAL, "offer %llu does not wait for an answer: it is %s",
			     (unsigned long long)show, states[offer->state]);
		return NULL;
	}
	return offer;
}

/**
 * offer_accept() - a person accepts a bid
 * @daemon: whose
 * @show: number of the offer
 * @error: gets the reason of a refusal
 *
 * Return: 0 or a negative errno.
 */
int offer_accept(struct daemon *daemon, uint64_t show, struct cs_error *error)
{
	struct offer *offer = waiting(daemon, show, error);

	return offer ? accept_bid(offer, error) : -EINVAL;
}

/**
 * offer_reject() - a person rejects a bid
 * @daemon: whose
 * @show: number of the offer
 * @error: gets the reason of a refusal
 *
 * Return: 0 or a negative errno.
 */
int offer_reject(struct daemon *daemon, uint64_t show, struct cs_error *error)
{
	struct offer *offer = waiting(daemon, show, error);

	if (!offer)
		return -EINVAL;
	reject(offer, POLICY_PRICE);
	return 0;
}

static int parse_digests(const json_t *digests, struct idset *only, struct cs_error *error)
{
	uint8_t digest[CS_DIGEST_LEN];
	const char *text;
	json_t *value;
	size_t i;

	json_array_foreach(digests, i, value) {
		text = json_string_value(value);
		if (!text || cs_unhex(text, digest, sizeof(digest)) < PROTO_ID_LEN)
			return cs_error_set(error, -EINVAL,
					    "'%s' is no digest: give 32 hexadecimal digits or more",
					    text ? text : "");
		if (idset_add(only, digest))
			return cs_error_set(error, -ENOMEM, "out of memory");
	}
	return 0;
}

/**
 * offer_make() - a person has a peer asked about messages now
 * @daemon: whose
 * @peer: who is asked
 * @digests: array of digests, or NULL: all
 * @error: gets the reason of a refusal
 *
 * Return: number of messages offered, or a negative errno.
 */
int offer_make(struct daemon *daemon, struct peer *peer, const json_t *digests,
	       struct cs_error *error)
{
	struct idset only = { NULL };
	int rc;

	(void)daemon;
	if (!peer->session)
		return cs_error_set(error, -ENOTCONN, "%s is not there", peer_label(peer));
	if (peer->state != CROWDSHARE_PEER_CONTRACT)
		return cs_error_set(error, -EINVAL,
				    "%s is not in state contract: it gets all messages by itself",
				    peer_label(peer));
	if (asking(peer))
		return cs_error_set(error, -EBUSY, "an offer to %s is under way",
				    peer_label(peer));
	if (!digests)
		idset_clear(&peer->offered);
	rc = parse_digests(digests, &only, error);
	if (!rc)
		rc = make(peer, digests ? &only : NULL);
	idset_clear(&only);
	if (!rc)
		return cs_error_set(error, -ENOENT, "the store holds no such message for %s",
				    peer_label(peer));
	return rc;
}
