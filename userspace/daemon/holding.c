// SPDX-License-Identifier: GPL-2.0
/*
 * Who holds what this node sent. Who carries under contract has signed it there; a free peer signs
 * it on being asked, since a user waits for it (crowdshare put --replicas, crowdshare sent):
 *
 *	HOLD  ids       →
 *	                ←  HELD  those of them that are in my store, time, signature
 *
 * What is signed is the public key of who asked, the time, 8 bytes, big-endian, and the ids. It is
 * signed when the store has it on the disk, so that a kill right after makes no liar of the peer:
 * questions wait for a moment, and one commit is for all of them. It is no promise to hold it for
 * long: what a store may give up is its own policy.
 *
 * Nothing is asked on a message's way: only when a user wants to know, as often as he looks. A peer
 * that does not answer is not asked again before ANSWER_SECONDS. What it signed is remembered when
 * it has gone: it carries the messages with it. All of this is forgotten when the daemon ends.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/holding.h"
#include "daemon/intake.h"
#include "daemon/log.h"
#include "daemon/peer.h"

#define CONTEXT		"crowdshare held v1"
#define WAITING_MAX	16
#define ANSWER_SECONDS	30
#define ANSWER_MSEC	100	/* as often as the store is committed anyway */
#define HOLDINGS_MAX	64
#define HELD_MAX	(1 << 17)	/* ids of one peer: 4 MiB at most */
#define SECOND		1000000000ull
#define HEAD_LEN	(IDENTITY_PUBLIC_LEN + 8)

/**
 * struct question - what a peer asks
 * @next: the one that was asked before
 * @peer: address of who asks
 * @nr_ids: number of @ids
 * @ids: of messages
 */
struct question {
	struct question	*next;
	uint8_t		peer[CS_ADDR_LEN];
	size_t		nr_ids;
	uint8_t		ids[][PROTO_ID_LEN];
};

/* What is signed; NULL: out of memory. */
static uint8_t *signed_data(const struct proto_held *held,
			    const uint8_t asker[IDENTITY_PUBLIC_LEN], size_t *len)
{
	uint64_t time = htobe64(held->time);
	uint8_t *data;

	*len = HEAD_LEN + held->nr_ids * PROTO_ID_LEN;
	data = malloc(*len);
	if (!data)
		return NULL;
	memcpy(data, asker, IDENTITY_PUBLIC_LEN);
	memcpy(data + IDENTITY_PUBLIC_LEN, &time, sizeof(time));
	if (held->nr_ids)
		memcpy(data + HEAD_LEN, held->ids, held->nr_ids * PROTO_ID_LEN);
	return data;
}

static int sign(struct proto_held *held, const struct peer *peer)
{
	const struct identity *own = &peer->daemon->identity;
	uint8_t *data;
	size_t len;
	int rc;

	data = signed_data(held, peer->public, &len);
	if (!data)
		return -ENOMEM;
	rc = identity_sign(own, CONTEXT, data, len, held->signature);
	free(data);
	return rc;
}

static bool verify(const struct proto_held *held, const struct peer *peer)
{
	bool good;
	uint8_t *data;
	size_t len;

	data = signed_data(held, peer->daemon->identity.public, &len);
	good = data && identity_verify(peer->public, CONTEXT, data, len, held->signature);
	free(data);
	return good;
}

/* Which of these are here? All that is was committed. */
static void answer(struct peer *peer, const struct question *question)
{
	struct proto_letter letter = { .type = PROTO_HELD, .held.time = daemon_now() };
	struct store_item item;
	const uint8_t *id;
	uint8_t *ids;
	size_t i;

	ids = malloc(question->nr_ids * PROTO_ID_LEN);
	if (!ids)
		return;
	for (i = 0; i < question->nr_ids; i++) {
		id = question->ids[i];
		if (!store_find(peer->daemon->store, id, &item) && item.expiry > letter.held.time)
			memcpy(ids + letter.held.nr_ids++ * PROTO_ID_LEN, id, PROTO_ID_LEN);
	}
	letter.held.ids = ids;
	if (!sign(&letter.held, peer))
		session_send(peer->session, &letter);
	free(ids);
}

static void on_answer(evutil_socket_t fd, short what, void *data)
{
	struct cs_error error = { "" };
	struct daemon *daemon = data;
	struct question *question;
	struct peer *peer;
	int rc;

	(void)fd;
	(void)what;
	rc = store_commit(daemon->store, &error);
	if (rc)
		log_warning("peers asked what is held: %s", error.text);
	while ((question = daemon->questions)) {
		daemon->questions = question->next;
		peer = peer_by_address(daemon, question->peer);
		if (!rc && peer && peer->session && peer->state == CROWDSHARE_PEER_FREE)
			answer(peer, question);
		free(question);
	}
}

/* What is more than an honest peer asks at a time is not answered. */
static bool asks_too_much(const struct peer *peer)
{
	const struct question *question;
	unsigned int count = 0;

	for (question = peer->daemon->questions; question; question = question->next)
		count += !memcmp(question->peer, peer->address, CS_ADDR_LEN);
	return count >= WAITING_MAX;
}

/* a question belongs to the daemon's list, of which GCC 12 loses sight */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

static void on_hold(struct peer *peer, const struct proto_hold *hold)
{
	static const struct timeval soon = { 0, ANSWER_MSEC * 1000 };
	struct daemon *daemon = peer->daemon;
	struct question *question;

	if (asks_too_much(peer)) {
		log_debug("%s: asks too often what is held", peer_label(peer));
		return;
	}
	if (!daemon->answer)
		daemon->answer = evtimer_new(daemon->base, on_answer, daemon);
	question = malloc(sizeof(*question) + hold->nr_ids * PROTO_ID_LEN);
	if (!daemon->answer || !question ||
	    (!daemon->questions && evtimer_add(daemon->answer, &soon))) {
		log_warning("%s: asked what is held: out of memory", peer_label(peer));
		free(question);
		return;
	}
	memcpy(question->peer, peer->address, CS_ADDR_LEN);
	question->nr_ids = hold->nr_ids;
	memcpy(question->ids, hold->ids, hold->nr_ids * PROTO_ID_LEN);
	question->next = daemon->questions;
	daemon->questions = question;
}

/* Where that of a peer is in the list; or the end of it. */
static struct holding **find(struct daemon *daemon, const uint8_t address[CS_ADDR_LEN])
{
	struct holding **at = &daemon->holdings;

	while (*at && memcmp((*at)->address, address, CS_ADDR_LEN))
		at = &(*at)->next;
	return at;
}

/* What was not asked about would fill the set, with ids that a peer may choose to collide. */
static void remember(struct holding *holding, const struct proto_held *held)
{
	const uint8_t *id;
	size_t i;

	if (holding->held.count + held->nr_ids > HELD_MAX)
		idset_clear(&holding->held);
	for (i = 0; i < held->nr_ids; i++) {
		id = held->ids + i * PROTO_ID_LEN;
		if (idset_has(&holding->open, id) && idset_add(&holding->held, id))
			return;
	}
}

static void on_held(struct peer *peer, const struct proto_held *held)
{
	struct holding *holding = *find(peer->daemon, peer->address);

	if (!holding || !holding->waiting) {
		log_debug("%s: says what it holds, and was not asked", peer_label(peer));
		return;
	}
	holding->waiting--;
	if (verify(held, peer))
		remember(holding, held);
	else
		log_warning("%s: its signature under what it holds is wrong", peer_label(peer));
	if (!holding->waiting)
		idset_clear(&holding->open);
}

/**
 * holding_letter() - a free peer asks what is held here, or says what it holds
 * @peer: who
 * @letter: HOLD or HELD
 */
void holding_letter(struct peer *peer, const struct proto_letter *letter)
{
	if (peer->state != CROWDSHARE_PEER_FREE)
		log_debug("%s: %s without being free", peer_label(peer),
			  proto_type_name(letter->type));
	else if (letter->type == PROTO_HOLD)
		on_hold(peer, &letter->hold);
	else
		on_held(peer, &letter->held);
}

/* Forgets those that were asked longest ago, beyond so many. */
static void trim(struct daemon *daemon, size_t most)
{
	struct holding **at = &daemon->holdings, *holding;

	while (*at && most--)
		at = &(*at)->next;
	while ((holding = *at)) {
		*at = holding->next;
		idset_clear(&holding->held);
		idset_clear(&holding->open);
		free(holding);
	}
}

/* That of a peer, which becomes the first of the list; NULL: out of memory. */
static struct holding *holding_of(struct daemon *daemon, const uint8_t address[CS_ADDR_LEN])
{
	struct holding **at = find(daemon, address), *holding = *at;

	if (holding) {
		*at = holding->next;
	} else {
		trim(daemon, HOLDINGS_MAX - 1);
		holding = calloc(1, sizeof(*holding));
		if (!holding)
			return NULL;
		memcpy(holding->address, address, CS_ADDR_LEN);
	}
	holding->next = daemon->holdings;
	daemon->holdings = holding;
	return holding;
}

/* Asks a peer, but for what it has signed already. */
static void ask(struct peer *peer, struct holding *holding, const uint8_t *ids, size_t count)
{
	struct proto_letter letter = { .type = PROTO_HOLD };
	uint64_t now = daemon_ticks();
	const uint8_t *id;
	uint8_t *open;
	size_t i;

	if (now - holding->asked > ANSWER_SECONDS * SECOND) {
		holding->waiting = 0;
		idset_clear(&holding->open);
	}
	open = malloc(count * PROTO_ID_LEN);
	if (!open || holding->waiting >= WAITING_MAX) {
		free(open);
		return;
	}
	for (i = 0; i < count; i++) {
		id = ids + i * PROTO_ID_LEN;
		if (!idset_has(&holding->held, id) && !idset_add(&holding->open, id))
			memcpy(open + letter.hold.nr_ids++ * PROTO_ID_LEN, id, PROTO_ID_LEN);
	}
	letter.hold.ids = open;
	if (letter.hold.nr_ids && !session_send(peer->session, &letter) && !holding->waiting++)
		holding->asked = now;
	free(open);
}

/**
 * holding_ask() - ask all free peers that are here which messages they hold
 * @daemon: whose
 * @ids: of the messages
 * @count: their number, 1 to PROTO_HOLD_MAX
 *
 * The answers are in daemon->holdings some time later.
 */
void holding_ask(struct daemon *daemon, const uint8_t *ids, size_t count)
{
	struct holding *holding;
	struct peer *peer;

	for (peer = daemon->peers; peer; peer = peer->next) {
		if (!peer->session || peer->state != CROWDSHARE_PEER_FREE)
			continue;
		holding = holding_of(daemon, peer->address);
		if (holding)
			ask(peer, holding, ids, count);
	}
}

/**
 * holding_close() - forget all
 * @daemon: whose
 */
void holding_close(struct daemon *daemon)
{
	struct question *question;

	trim(daemon, 0);
	while ((question = daemon->questions)) {
		daemon->questions = question->next;
		free(question);
	}
	if (daemon->answer)
		event_free(daemon->answer);
	daemon->answer = NULL;
}
