// SPDX-License-Identifier: GPL-2.0
/*
 * Store and forward between two free peers: reconciliation of their stores, and what is missing.
 *
 *	leader (lower address)              follower
 *	RECONCILE salt, first symbols  →
 *	SYMBOLS                        ←    MORE                 until decoded
 *	                               ←    DIFF  yours, mine    what it and the leader lack
 *	WANT  of mine                  →
 *	MESSAGE ...                    ⇄    MESSAGE ...
 *	WANT                           ⇄    WANT              more of what each lacks
 *
 * The traffic up to WANT is in proportion to the difference (reconcile.c). A round follows a new
 * session, then comes every so often, and at once when messages passed the daemon unseen. Whoever
 * finds that the other holds a message that was delivered says so instead of wanting it.
 *
 * The ids of a round take 32 bytes each, so there is one round at a time that this node leads, and
 * one that it follows; others wait. Nobody waits in a circle: who leads answers at once. Each round
 * is a walk through the store, and holds up others: those that a peer asks for are limited, and one
 * for which others wait is ended after a while, however lively it is.
 *
 * What passes over the session is limited by the quotas of bytes a second: what is given waits in
 * the queue of the peer; of what is lacking only as much is wanted as may come in a second, and
 * more of it each second. A new round has both begin anew: what it finds is what is still lacking.
 *
 * Messages that came, or were sent, are a reason for a round a moment later: on a link that loses
 * frames it shows which. On one that is known to lose none it waits until it is due.
 *
 * Where so much is lost that TCP hardly gets on, messages are given in frames, to the peer alone,
 * and a round soon after shows which of them got lost. After SYNC_FRAMES of those a message goes
 * over the session all the same: the peer's kernel may know what its daemon lacks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/util.h>

#include "daemon/cancel.h"
#include "daemon/intake.h"
#include "daemon/log.h"
#include "daemon/offer.h"
#include "daemon/peer.h"
#include "daemon/reconcile.h"

#define FIRST_SYMBOLS	32
#define MOST_SYMBOLS	8192	/* of one letter */
#define FIRST_MAX	256	/* symbols of a round that waits */
#define ROUND_SECONDS	60	/* a round that takes longer without a letter has died */
#define LEAD_SECONDS	20	/* or when others wait */
#define FOLLOW_SECONDS	5
#define ASKED_RATE	2	/* rounds a second that a peer may ask for */
#define PUMP_MSEC	5
#define PUMP_MESSAGES	64
#define USUAL_SIZE	CS_FRAME_DEFAULT
#define QUEUE_MAX	(4 * PROTO_IDS_MAX)
#define LACKING_MAX	QUEUE_MAX
#define SECOND		1000000000ull
#define EARLY		8	/* an eighth less is wanted than may come: it is no even stream */
#define PUMP_FRAMES	4	/* 10 Mbit/s: frames do not wait for each other as a session does */
#define LOOK_SECONDS	2
#define SOON_SYMBOLS	8	/* of a round that will most likely find nothing, or little */
#define SOON_SECONDS	1	/* after the last message that came */
#define SOON_MOST	5	/* or the first, when they do not stop */
#define SOON_LOSS	2	/* per mille: what a good link loses can wait */

static bool leads(const struct peer *peer)
{
	return daemon_leads(peer->daemon, peer->address);
}

static void schedule(struct peer *peer, time_t seconds, long usec)
{
	struct timeval wait = { seconds, usec };

	evtimer_add(peer->sync.timer, &wait);
}

/* With whom a round is under way that this node leads, or follows; NULL: nobody. */
static struct peer *busy_with(const struct daemon *daemon, bool leading)
{
	struct peer *peer;

	for (peer = daemon->peers; peer; peer = peer->next)
		if (peer->sync.set && peer->sync.leading == leading)
			break;
	return peer;
}

static void forget_first(struct sync *sync)
{
	free(sync->first);
	sync->first = NULL;
	sync->waits = false;
}

static void end_round(struct peer *peer)
{
	struct sync *sync = &peer->sync;
	struct peer *next;

	if (!sync->set)
		return;
	reconcile_free(sync->set);
	sync->set = NULL;
	for (next = peer->daemon->peers; next; next = next->next)
		if (next->sync.waits && leads(next) == sync->leading) {
			schedule(next, 0, 0);
			break;
		}
}

static int add_item(const struct store_item *item, void *data)
{
	struct peer *peer = data;

	if (!intake_may_pass(item, daemon_now()))
		return 0;
	return reconcile_add(peer->sync.set, item->digest);
}

/* A snapshot of the ids of this store. */
static int snapshot(struct peer *peer, const uint8_t salt[RECONCILE_SALT_LEN])
{
	struct sync *sync = &peer->sync;

	end_round(peer);
	sync->set = reconcile_new(salt);
	if (!sync->set)
		return -ENOMEM;
	return store_each(peer->daemon->store, add_item, peer);
}

static void send_symbols(struct peer *peer, struct proto_letter *letter, size_t count)
{
	struct sync *sync = &peer->sync;
	uint8_t *symbols;

	symbols = malloc(count * RECONCILE_SYMBOL_LEN);
	if (!symbols)
		return;
	count = reconcile_symbols(sync->set, symbols, count);
	letter->symbols.round = sync->round;
	letter->symbols.symbols = symbols;
	letter->symbols.len = count * RECONCILE_SYMBOL_LEN;
	sync->symbols_bytes += letter->symbols.len;
	session_send(peer->session, letter);
	free(symbols);
}

static void lead(struct peer *peer)
{
	struct proto_letter letter = { .type = PROTO_RECONCILE };
	struct sync *sync = &peer->sync;
	bool soon = sync->changed;

	evutil_secure_rng_get_bytes(letter.symbols.salt, sizeof(letter.symbols.salt));
	sync->round++;
	sync->leading = true;
	sync->again = false;
	sync->changed = 0;
	sync->began = sync->opened = daemon_ticks();
	if (snapshot(peer, letter.symbols.salt)) {
		log_warning("%s: not reconciled: out of memory, or the store is damaged",
			    peer_label(peer));
		end_round(peer);
		return;
	}
	send_symbols(peer, &letter, soon ? SOON_SYMBOLS : FIRST_SYMBOLS);
}

/* May the peer have a round at once that it asks for? */
static bool may_ask(struct peer *peer)
{
	policy_bucket_set(&peer->sync.asked, ASKED_RATE, daemon_ticks());
	return policy_bucket_take(&peer->sync.asked, 1, daemon_ticks());
}

/*
 * Tells whether a round has to wait: for another one, which may have died, or goes on for too long;
 * or as the other side has begun too many.
 */
static bool must_wait(struct peer *peer)
{
	uint64_t patience = (leads(peer) ? LEAD_SECONDS : FOLLOW_SECONDS) * SECOND;
	struct peer *other = busy_with(peer->daemon, leads(peer));
	uint64_t now = daemon_ticks();

	peer->sync.waits = other;
	if (other && (now - other->sync.began >= patience ||
		      now - other->sync.opened >= ROUND_SECONDS * SECOND)) {
		peer->sync.waits = false;
		end_round(other);
		other = NULL;
	}
	return other || (!leads(peer) && !may_ask(peer));
}

/* --- What is given --- */

/* So often a message went in a frame to this peer. */
static unsigned int times_framed(const struct sync *sync, const uint8_t *id)
{
	unsigned int n = 0;

	while (n < SYNC_FRAMES && idset_has(&sync->framed[n], id))
		n++;
	return n;
}

static int give_in_frame(struct peer *peer, const struct store_item *item)
{
	struct sync *sync = &peer->sync;
	struct cs_error error = { "" };
	unsigned int n = times_framed(sync, item->digest);
	int rc;

	rc = intake_give_frame(peer, item, 0, &error);
	if (rc)
		return rc;
	if (sync->framed[n].count >= QUEUE_MAX)
		idset_clear(&sync->framed[n]);
	sync->look = true;
	return idset_add(&sync->framed[n], item->digest);
}

/* Gives one message of the queue; false: not now. */
static bool give(struct peer *peer, bool in_frames)
{
	struct daemon *daemon = peer->daemon;
	struct sync *sync = &peer->sync;
	struct store_item item;
	int rc;

	if (store_find(daemon->store, sync->queue + sync->head * PROTO_ID_LEN, &item) ||
	    !intake_may_pass(&item, daemon_now())) {
		sync->head++;
		return true;
	}
	in_frames = in_frames && times_framed(sync, item.digest) < SYNC_FRAMES;
	if ((!in_frames && session_crowded(peer->session)) || !intake_may_give(daemon, &item))
		return false;
	rc = in_frames ? give_in_frame(peer, &item) : intake_give_letter(peer, &item, 0);
	if (rc)
		return false;
	sync->given++;
	sync->head++;
	return true;
}

static void on_pump(evutil_socket_t fd, short what, void *data)
{
	static const struct timeval soon = { 0, PUMP_MSEC * 1000 }, later = { LOOK_SECONDS, 0 };
	struct peer *peer = data;
	struct sync *sync = &peer->sync;
	bool in_frames;
	int n;

	(void)fd;
	(void)what;
	if (!peer->session || peer->state != CROWDSHARE_PEER_FREE) {
		sync->head = sync->tail = 0;
		return;
	}
	if (sync->head == sync->tail && sync->look) {
		sync->look = false;
		sync_now(peer);
	}
	in_frames = session_lossy(peer->session);
	for (n = in_frames ? PUMP_FRAMES : PUMP_MESSAGES; n && sync->head < sync->tail; n--)
		if (!give(peer, in_frames))
			break;
	if (sync->head < sync->tail)
		evtimer_add(sync->pump, &soon);
	else
		sync->head = sync->tail = 0;
	if (!sync->tail && sync->look)
		evtimer_add(sync->pump, &later);
}

/* Queues messages to be given; those of an earlier round that still wait are wanted anew or not. */
static void queue(struct peer *peer, uint32_t round, const uint8_t *ids, size_t count)
{
	static const struct timeval now = { 0, 0 };
	struct sync *sync = &peer->sync;
	uint8_t *grown;

	if (round != sync->queue_round)
		sync->head = sync->tail = 0;
	sync->queue_round = round;
	if (count > QUEUE_MAX - sync->tail)
		count = QUEUE_MAX - sync->tail;
	if (sync->tail + count > sync->room) {
		grown = realloc(sync->queue, (sync->tail + count) * PROTO_ID_LEN);
		if (!grown)
			return;
		sync->queue = grown;
		sync->room = sync->tail + count;
	}
	if (!count)
		return;
	memcpy(sync->queue + sync->tail * PROTO_ID_LEN, ids, count * PROTO_ID_LEN);
	sync->tail += count;
	evtimer_add(sync->pump, &now);
}

/* --- What is wanted --- */

/* How large a message of this peer is, about. */
static uint64_t size_of(const struct sync *sync)
{
	return sync->got ? sync->got_bytes / sync->got + 1 : USUAL_SIZE;
}

/* How many messages may come now, from this peer: within a second, if that is limited. */
static size_t portion(const struct peer *peer)
{
	const struct sync *sync = &peer->sync;
	uint64_t count = peer->daemon->config.store.in, askers = 0;
	const struct peer *other;

	if (!count)
		return PROTO_IDS_MAX;
	if (daemon_ticks() < sync->ask_after)
		return 0;
	for (other = peer->daemon->peers; other; other = other->next)
		askers += other->sync.nr_lacking > 0;
	count = (count - count / EARLY) / size_of(sync) / (askers ? askers : 1);
	if (!count)
		count = 1;
	return count < PROTO_IDS_MAX ? count : PROTO_IDS_MAX;
}

/*
 * Of these, as many as find room in the store, with those that are under way: what does not would
 * come again each round.
 */
static size_t that_fit(struct peer *peer, size_t count)
{
	struct store *store = peer->daemon->store;
	uint64_t cost = store_cost(store, size_of(&peer->sync)), coming = 0;
	const struct peer *other;

	for (other = peer->daemon->peers; other; other = other->next)
		coming += other->sync.coming * store_cost(store, size_of(&other->sync));
	while (count &&
	       !store_would_fit(store, coming + count * cost, peer->address, daemon_now()))
		count /= 2;
	return count;
}

/* Takes as many off what is lacking as may be wanted now. */
static const uint8_t *take_portion(struct peer *peer, size_t *count)
{
	struct sync *sync = &peer->sync;
	size_t most = portion(peer);

	if (most > sync->nr_lacking)
		most = sync->nr_lacking;
	*count = that_fit(peer, most);
	if (most && !*count) {
		log_debug("%s: no room for what it has", peer_label(peer));
		sync->nr_lacking = 0;
	}
	if (*count)
		sync->ask_after = daemon_ticks() + SECOND;
	sync->nr_lacking -= *count;
	sync->coming += *count;
	sync->symbols_bytes += *count * PROTO_ID_LEN;
	return sync->lacking + sync->nr_lacking * PROTO_ID_LEN;
}

static void ask_later(struct peer *peer)
{
	uint64_t now = daemon_ticks(), left = 0;
	struct timeval wait;

	if (peer->daemon->config.store.in && peer->sync.ask_after > now)
		left = peer->sync.ask_after - now;
	wait = (struct timeval){ left / SECOND, left % SECOND / 1000 };
	if (peer->sync.nr_lacking)
		evtimer_add(peer->sync.ask, &wait);
	else if (peer->sync.again && leads(peer))
		schedule(peer, 1, 0);
	else if (peer->sync.again)
		sync_now(peer);
	if (!peer->sync.nr_lacking)
		peer->sync.again = false;
}

static void on_ask(evutil_socket_t fd, short what, void *data)
{
	struct proto_letter letter = { .type = PROTO_WANT };
	struct peer *peer = data;
	struct sync *sync = &peer->sync;

	(void)fd;
	(void)what;
	if (!peer->session || peer->state != CROWDSHARE_PEER_FREE)
		return;
	letter.want.round = sync->round;
	letter.want.ids = take_portion(peer, &letter.want.nr_ids);
	if (letter.want.nr_ids)
		session_send(peer->session, &letter);
	ask_later(peer);
}

/*
 * Ids that the peer has and this node's set lacks: those that were delivered the peer is told of;
 * some are held here, but may not pass on; the others are to be wanted.
 */
static int lack(struct peer *peer, const uint8_t *ids, size_t count)
{
	struct sync *sync = &peer->sync;
	struct idset told = { NULL };
	struct store_item item;
	const uint8_t *id;

	if (count > LACKING_MAX) {
		count = LACKING_MAX;
		sync->again = true;
	}
	free(sync->lacking);
	sync->nr_lacking = sync->coming = 0;
	sync->lacking = malloc(count ? count * PROTO_ID_LEN : 1);
	if (!sync->lacking)
		return -ENOMEM;
	for (id = ids; id < ids + count * PROTO_ID_LEN; id += PROTO_ID_LEN)
		if (cancel_state(peer->daemon, id) == CANCEL_PROVEN)
			cancel_tell(peer, id, &told);
		else if (store_find(peer->daemon->store, id, &item))
			memcpy(sync->lacking + sync->nr_lacking++ * PROTO_ID_LEN, id,
			       PROTO_ID_LEN);
	idset_clear(&told);
	return 0;
}

/* --- A round --- */

static void send_diff(struct peer *peer, const struct reconcile_diff *diff)
{
	struct proto_letter letter = { .type = PROTO_DIFF };
	struct sync *sync = &peer->sync;
	size_t ours = diff->nr_ours;

	if (ours > PROTO_IDS_MAX)
		ours = PROTO_IDS_MAX;
	if (lack(peer, diff->theirs, diff->nr_theirs))
		return;
	letter.diff.round = sync->round;
	letter.diff.yours = take_portion(peer, &letter.diff.nr_yours);
	letter.diff.mine = diff->ours;
	letter.diff.nr_mine = ours;
	sync->symbols_bytes += ours * PROTO_ID_LEN;
	session_send(peer->session, &letter);
	ask_later(peer);
	log_debug("%s: reconciled: it has %zu more, this node %zu", peer_label(peer),
		  diff->nr_theirs, diff->nr_ours);
}

/* The follower goes on to decode. */
static void follow(struct peer *peer, const struct proto_symbols *symbols)
{
	struct proto_letter more = { .type = PROTO_MORE };
	size_t count = symbols->len / RECONCILE_SYMBOL_LEN;
	struct sync *sync = &peer->sync;
	struct reconcile_diff diff;
	int rc;

	sync->began = daemon_ticks();
	sync->symbols_bytes += symbols->len;
	rc = reconcile_decode(sync->set, symbols->symbols, count, &diff);
	if (rc == -EAGAIN) {
		sync->decoded += count;
		/* half as many again: what is sent in vain is at most a third */
		more.more.round = sync->round;
		more.more.count = sync->decoded / 2 < MOST_SYMBOLS ? sync->decoded / 2 + 1 :
								     MOST_SYMBOLS;
		session_send(peer->session, &more);
		return;
	}
	if (rc)
		log_warning("%s: reconciliation failed: %s", peer_label(peer), strerror(-rc));
	else
		send_diff(peer, &diff);
	sync->rounds += !rc;
	end_round(peer);
}

/* With the symbols that were kept when the round began. */
static void begin_following(struct peer *peer)
{
	struct sync *sync = &peer->sync;
	struct proto_symbols first = {
		.round = sync->round,
		.symbols = sync->first,
		.len = sync->first_len,
	};
	uint64_t now = daemon_ticks();

	sync->first = NULL;
	sync->leading = false;
	sync->changed = 0;
	sync->decoded = 0;
	/* unless the other side has given up */
	if (now - sync->began < LEAD_SECONDS * SECOND) {
		sync->began = sync->opened = now;
		if (snapshot(peer, sync->salt))
			end_round(peer);
		else
			follow(peer, &first);
	}
	free((void *)first.symbols);
}

/* Who does not lead asks for a round by a MORE of nothing. */
static void ask_for_round(struct peer *peer)
{
	struct proto_letter ask = { .type = PROTO_MORE };

	peer->sync.changed = 0;
	session_send(peer->session, &ask);
}

/* The next round is due, or the one under way has died. */
static void on_timer(evutil_socket_t fd, short what, void *data)
{
	struct peer *peer = data;
	struct sync *sync = &peer->sync;

	(void)fd;
	(void)what;
	if (sync->set && daemon_ticks() - sync->began < ROUND_SECONDS * SECOND) {
		schedule(peer, 1, 0);
		return;
	}
	end_round(peer);
	if (!peer->session || peer->state != CROWDSHARE_PEER_FREE)
		return;
	if ((leads(peer) || sync->first) && must_wait(peer)) {
		schedule(peer, 1, 0);
		return;
	}
	if (leads(peer))
		lead(peer);
	else if (sync->first)
		begin_following(peer);
	else if (sync->changed)
		ask_for_round(peer);
	schedule(peer, peer->daemon->config.store.reconcile, 0);
}

static void on_reconcile(struct peer *peer, const struct proto_symbols *symbols)
{
	struct sync *sync = &peer->sync;

	if (leads(peer) || symbols->len > FIRST_MAX * RECONCILE_SYMBOL_LEN) {
		log_debug("%s: it does not lead reconciliations, or not so", peer_label(peer));
		return;
	}
	end_round(peer);
	forget_first(sync);
	sync->first = malloc(symbols->len ? symbols->len : 1);
	if (!sync->first)
		return;
	memcpy(sync->first, symbols->symbols, symbols->len);
	sync->first_len = symbols->len;
	memcpy(sync->salt, symbols->salt, sizeof(sync->salt));
	sync->round = symbols->round;
	sync->leading = false;
	sync->again = false;
	sync->began = daemon_ticks();
	if (must_wait(peer))
		schedule(peer, 1, 0);
	else
		begin_following(peer);
}

static void on_more(struct peer *peer, const struct proto_more *more)
{
	struct proto_letter letter = { .type = PROTO_SYMBOLS };
	struct sync *sync = &peer->sync;

	if (!more->count && leads(peer)) { /* it asks for a round */
		schedule(peer, may_ask(peer) ? 0 : 1, 0);
		return;
	}
	if (!sync->set || !sync->leading || more->round != sync->round || !more->count)
		return;
	sync->began = daemon_ticks();
	send_symbols(peer, &letter, more->count < MOST_SYMBOLS ? more->count : MOST_SYMBOLS);
}

static void on_diff(struct peer *peer, const struct proto_diff *diff)
{
	struct sync *sync = &peer->sync;

	if (!sync->set || !sync->leading || diff->round != sync->round)
		return;
	sync->rounds++;
	sync->symbols_bytes += (diff->nr_yours + diff->nr_mine) * PROTO_ID_LEN;
	end_round(peer);
	/* it may have had more to tell than goes into a letter */
	sync->again = diff->nr_mine == PROTO_IDS_MAX;
	queue(peer, diff->round, diff->yours, diff->nr_yours);
	if (!lack(peer, diff->mine, diff->nr_mine))
		on_ask(-1, 0, peer);
}

static void on_message(struct peer *peer, const struct proto_message *message)
{
	struct daemon *daemon = peer->daemon;

	peer->sync.coming -= peer->sync.coming > 0;
	peer->sync.got++;
	peer->sync.got_bytes += message->len;
	if (!intake_may_take(daemon, message->len))
		return;
	if (intake_message(peer, message) == -EBADMSG)
		log_warning("%s: gave a message that is not what its digest says",
			    peer_label(peer));
}

/**
 * sync_letter() - a letter about the stores
 * @peer: who sent it
 * @letter: RECONCILE to MESSAGE
 *
 * With a peer that takes and gives only under contract the stores are not reconciled; DIFF and WANT
 * are about a contract's messages then.
 */
void sync_letter(struct peer *peer, const struct proto_letter *letter)
{
	struct sync *sync = &peer->sync;

	if (peer->state == CROWDSHARE_PEER_CONTRACT &&
	    (letter->type == PROTO_DIFF || letter->type == PROTO_WANT ||
	     letter->type == PROTO_MESSAGE)) {
		offer_letter(peer, letter);
		return;
	}
	if (peer->state != CROWDSHARE_PEER_FREE) {
		log_debug("%s: %s without a contract", peer_label(peer),
			  proto_type_name(letter->type));
		return;
	}
	switch (letter->type) {
	case PROTO_RECONCILE:
		on_reconcile(peer, &letter->symbols);
		break;
	case PROTO_SYMBOLS:
		if (sync->set && !sync->leading && letter->symbols.round == sync->round)
			follow(peer, &letter->symbols);
		break;
	case PROTO_MORE:
		on_more(peer, &letter->more);
		break;
	case PROTO_DIFF:
		on_diff(peer, &letter->diff);
		break;
	case PROTO_WANT:
		queue(peer, letter->want.round, letter->want.ids, letter->want.nr_ids);
		break;
	case PROTO_MESSAGE:
		on_message(peer, &letter->message);
		break;
	default:
		break;
	}
}

/**
 * sync_start() - a session with the peer has begun
 * @peer: who
 */
void sync_start(struct peer *peer)
{
	struct sync *sync = &peer->sync;
	uint32_t usec;

	if (!sync->timer)
		sync->timer = evtimer_new(peer->daemon->base, on_timer, peer);
	if (!sync->pump)
		sync->pump = evtimer_new(peer->daemon->base, on_pump, peer);
	if (!sync->ask)
		sync->ask = evtimer_new(peer->daemon->base, on_ask, peer);
	if (!sync->timer || !sync->pump || !sync->ask)
		return;
	/* not all neighbours at the same moment */
	evutil_secure_rng_get_bytes(&usec, sizeof(usec));
	schedule(peer, 0, usec % 500000);
}

/**
 * sync_stop() - the session is gone
 * @peer: who
 */
void sync_stop(struct peer *peer)
{
	struct sync *sync = &peer->sync;
	int i;

	forget_first(sync);
	end_round(peer);
	if (sync->timer)
		event_free(sync->timer);
	if (sync->pump)
		event_free(sync->pump);
	if (sync->ask)
		event_free(sync->ask);
	for (i = 0; i < SYNC_FRAMES; i++)
		idset_clear(&sync->framed[i]);
	sync->look = false;
	free(sync->queue);
	free(sync->lacking);
	sync->timer = NULL;
	sync->pump = NULL;
	sync->ask = NULL;
	sync->queue = NULL;
	sync->lacking = NULL;
	sync->head = sync->tail = sync->room = 0;
	sync->nr_lacking = sync->coming = 0;
}

/**
 * sync_now() - reconcile at once, or as soon as the round under way has ended
 * @peer: with whom; nothing happens unless a session is there and it is free
 */
void sync_now(struct peer *peer)
{
	if (!peer->session || !peer->sync.timer || peer->state != CROWDSHARE_PEER_FREE)
		return;
	if (leads(peer))
		schedule(peer, 0, 0);
	else
		ask_for_round(peer);
}

/* A round a moment after the last change; by who follows only if the leader does not begin one. */
static void soon(struct peer *peer)
{
	struct sync *sync = &peer->sync;
	uint64_t now = daemon_ticks(), due = now + SOON_SECONDS * SECOND;
	int loss = loss_permille(&peer->loss);

	if (!peer->session || !sync->timer || peer->state != CROWDSHARE_PEER_FREE ||
	    (loss >= 0 && loss < SOON_LOSS))
		return;
	if (!sync->changed)
		sync->changed = now;
	if (due > sync->changed + SOON_MOST * SECOND)
		due = sync->changed + SOON_MOST * SECOND;
	if (!leads(peer))
		due += SOON_SECONDS * SECOND;
	due = due > now ? due - now : 0;
	if (due / SECOND < peer->daemon->config.store.reconcile)
		schedule(peer, due / SECOND, due % SECOND / 1000);
}

/**
 * sync_changed() - messages came into this node's store: others may lack them
 * @daemon: whose
 */
void sync_changed(struct daemon *daemon)
{
	struct peer *peer;

	for (peer = daemon->peers; peer; peer = peer->next)
		soon(peer);
}
