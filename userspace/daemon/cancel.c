// SPDX-License-Identifier: GPL-2.0
/*
 * Notices that messages were delivered: they spread, and holders drop them.
 *
 * The destination of a message is the hash of a public key, or a wired one whose key a card names
 * (receiver.c); who has that key signs the digests of what arrived. So a notice proves itself, and
 * can be passed on by whoever: each node passes what is news to it to all its peers but the one who
 * told.
 *
 * A notice names digests only, and who signs it may have made up the claim that they were his. A
 * node that holds a message can tell: its destination is the signer's address, or the notice is
 * nothing to it. A node that does not hold the message remembers the claim, goes on to want the
 * message, and compares when it comes: then it is proven, or forgotten. So nobody can suppress what
 * is not his.
 *
 * A relay has no card of the destination, but the contract under which a message came names a key.
 * A notice by that key has the message dropped: its buyer wants it so. It stays a claim, since
 * others may send the same message.
 *
 * What a gateway brought and was not answered for it keeps, whoever says that it was delivered: the
 * ingest has a receipt for who brought it first, and gives it only when that one brings it again.
 * The message goes nowhere else, and goes with the notice of the ingest itself, or when it expires.
 *
 * In the store a notice is a tombstone, with the letter as it goes over a session, and with who
 * gave the message, so that a receipt finds its way back. Their number is bounded by the
 * configuration, and their rate by the peer's bucket.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cancel.h"
#include "daemon/intake.h"
#include "daemon/log.h"
#include "daemon/notice.h"
#include "daemon/offer.h"
#include "daemon/peer.h"
#include "daemon/receiver.h"

#define BATCH_MAX	PROTO_DIGESTS_MAX
#define BATCH_MSEC	200
#define NOTICES_RATE	2000	/* digests a second taken from one peer */

/**
 * struct cancel - the notice being gathered
 * @digests: of messages that reached this node
 * @count: their number
 * @expiry: the latest of theirs
 * @timer: signs and sends it
 */
struct cancel {
	uint8_t		digests[BATCH_MAX][CS_DIGEST_LEN];
	size_t		count;
	uint64_t	expiry;
	struct event	*timer;
};

static const uint8_t nobody[STORE_PEER_LEN];

static void tell_all(struct daemon *daemon, const struct peer *but,
		     const struct proto_letter *letter)
{
	struct peer *peer;

	for (peer = daemon->peers; peer; peer = peer->next)
		if (peer != but && peer->session)
			session_send(peer->session, letter);
}

/* Is a message for the signer of a notice, as its buyer says? */
static bool bought_for(struct daemon *daemon, const struct store_item *item,
		       const uint8_t public[IDENTITY_PUBLIC_LEN])
{
	const struct contract *contract;

	contract = deal_sold(daemon, item->peer, item->contract, item->digest, NULL);
	return contract && contract_receiver_is(contract, public);
}

/* Buries one digest, of which @from tells; tells whether that was news. */
static bool bury(struct daemon *daemon, const struct peer *from, const uint8_t *digest,
		 const uint8_t *public, struct store_notice *notice)
{
	struct store_item item;
	bool held, news, changes;

	held = !store_get(daemon->store, digest, &item);
	notice->proven = held && receiver_proves(daemon, &item, public);
	if (held && !notice->proven && !bought_for(daemon, &item, public))
		return false;
	news = cancel_state(daemon, digest) == CANCEL_NONE;
	if (!held && !news)
		return false;
	/* the notice of the ingest comes behind the receipt */
	if (held && !from)
		store_flag(daemon->store, digest, 0, STORE_BROUGHT);
	changes = held && (!(item.flags & STORE_DELIVERED) ||
			   !(item.flags & (STORE_LOCAL | STORE_BROUGHT)));
	if (store_cancel(daemon->store, digest, notice))
		return false;
	/* what is not remembered is news each time, and would go round and round */
	return news && (changes || cancel_state(daemon, digest) != CANCEL_NONE);
}

/* Buries all of a notice that is known to be signed; tells whether any of it was news. */
static bool apply(struct daemon *daemon, const struct peer *from,
		  const struct proto_letter *letter)
{
	const struct proto_cancel *cancel = &letter->cancel;
	struct store_notice notice = { .expiry = cancel->expiry };
	bool news = false;
	uint8_t *encoded;
	size_t i, len;

	identity_address(cancel->public, notice.address);
	if (proto_encode(letter, &encoded, &len))
		return false;
	notice.letter = encoded + 4;
	notice.len = len - 4;
	for (i = 0; i < cancel->nr_digests; i++)
		news |= bury(daemon, from, cancel->digests + i * CS_DIGEST_LEN, cancel->public,
			     &notice);
	free(encoded);
	intake_changed(daemon);
	return news;
}

static void on_batch(evutil_socket_t fd, short what, void *data)
{
	struct proto_letter letter = { .type = PROTO_CANCEL };
	struct daemon *daemon = data;
	struct cancel *cancel = daemon->cancel;

	(void)fd;
	(void)what;
	if (!cancel->count)
		return;
	letter.cancel.expiry = cancel->expiry;
	letter.cancel.digests = cancel->digests[0];
	letter.cancel.nr_digests = cancel->count;
	if (notice_sign(&letter.cancel, &daemon->identity)) {
		log_error("a notice of delivery can't be signed");
	} else {
		apply(daemon, NULL, &letter);
		tell_all(daemon, NULL, &letter);
	}
	cancel->count = 0;
	cancel->expiry = 0;
}

/**
 * cancel_open() - begin to gather and pass on notices
 * @daemon: whose
 * @error: gets the reason of a failure
 *
 * Return: 0 or -ENOMEM.
 */
int cancel_open(struct daemon *daemon, struct cs_error *error)
{
	struct cancel *cancel = calloc(1, sizeof(*cancel));

	if (!cancel)
		return cs_error_set(error, -ENOMEM, "out of memory");
	daemon->cancel = cancel;
	cancel->timer = evtimer_new(daemon->base, on_batch, daemon);
	return cancel->timer ? 0 : cs_error_set(error, -ENOMEM, "out of memory");
}

/**
 * cancel_close() - send what was gathered, and end
 * @daemon: whose
 */
void cancel_close(struct daemon *daemon)
{
	struct cancel *cancel = daemon->cancel;

	if (!cancel)
		return;
	if (cancel->timer) {
		on_batch(-1, 0, daemon);
		event_free(cancel->timer);
	}
	free(cancel);
	daemon->cancel = NULL;
}

/**
 * cancel_delivered() - a message reached this node, its destination
 * @daemon: whose
 * @digest: of the message
 * @expiry: of the message
 *
 * The message stays in the store of this node, whose it is, for as long as it lives; it is proven
 * to have been delivered, and goes nowhere any more.
 */
void cancel_delivered(struct daemon *daemon, const uint8_t digest[CS_DIGEST_LEN], uint64_t expiry)
{
	static const struct timeval soon = { 0, BATCH_MSEC * 1000 };
	struct cancel *cancel = daemon->cancel;

	memcpy(cancel->digests[cancel->count++], digest, CS_DIGEST_LEN);
	if (expiry > cancel->expiry)
		cancel->expiry = expiry;
	if (cancel->count == BATCH_MAX)
		on_batch(-1, 0, daemon);
	else if (!evtimer_pending(cancel->timer, NULL))
		evtimer_add(cancel->timer, &soon);
}

/**
 * cancel_letter() - a peer passes a notice on
 * @peer: who
 * @cancel: the notice
 */
void cancel_letter(struct peer *peer, const struct proto_cancel *cancel)
{
	struct cs_error error = { "" };

	policy_bucket_set(&peer->notices, NOTICES_RATE, daemon_ticks());
	if (!policy_bucket_take(&peer->notices, cancel->nr_digests, daemon_ticks())) {
		log_debug("%s: too many notices of delivery", peer_label(peer));
		return;
	}
	if (cancel_notice(peer->daemon, peer, cancel, &error) == -EBADMSG)
		log_warning("%s: %s", peer_label(peer), error.text);
}

/**
 * cancel_notice() - somebody says that messages were delivered
 * @daemon: who is told
 * @from: the peer that says so, NULL: the ingest, behind its receipt; all other peers are told
 * @cancel: the notice
 * @error: gets what is wrong with it
 *
 * Return: 0; -EINVAL: it can't be, or is too old; -EBADMSG: its signature is wrong.
 */
int cancel_notice(struct daemon *daemon, const struct peer *from,
		  const struct proto_cancel *cancel, struct cs_error *error)
{
	struct proto_letter letter = { .type = PROTO_CANCEL, .cancel = *cancel };

	if (cancel->expiry < daemon_now() ||
	    cancel->expiry > daemon_now() + daemon->config.device.lifetime_max + 600)
		return cs_error_set(error, -EINVAL,
				    "a notice of delivery that has expired, or lives too long");
	if (!notice_verify(cancel))
		return cs_error_set(error, -EBADMSG,
				    "a notice of delivery with a wrong signature");
	if (apply(daemon, from, &letter))
		tell_all(daemon, from, &letter);
	return 0;
}

/**
 * cancel_state() - was a message delivered?
 * @daemon: whose store to look into
 * @prefix: beginning of its digest, PROTO_ID_LEN bytes
 *
 * Return: what is known.
 */
enum cancel_state cancel_state(struct daemon *daemon, const uint8_t *prefix)
{
	struct store_notice notice;

	if (store_cancelled(daemon->store, prefix, &notice))
		return CANCEL_NONE;
	return notice.proven ? CANCEL_PROVEN : CANCEL_CLAIMED;
}

/**
 * cancel_holds() - does a notice hold for a message that has come in?
 * @daemon: whose store to look into
 * @item: the message
 *
 * A claim of the destination is proven by this; one of somebody else is forgotten.
 *
 * Return: true: the message was delivered.
 */
bool cancel_holds(struct daemon *daemon, const struct store_item *item)
{
	uint8_t key[IDENTITY_PUBLIC_LEN], address[CS_ADDR_LEN];
	struct store_notice notice;

	if (store_cancelled(daemon->store, item->digest, &notice))
		return false;
	memcpy(address, item->destination, CS_ADDR_LEN);
	if (receiver_known(daemon, item->destination, receiver_port(daemon, item), key))
		identity_address(key, address);
	if (memcmp(notice.address, address, CS_ADDR_LEN)) {
		store_uncancel(daemon->store, item->digest);
		intake_changed(daemon);
		return false;
	}
	if (!notice.proven) {
		store_prove(daemon->store, item->digest);
		intake_changed(daemon);
	}
	return true;
}

/**
 * cancel_given() - who gave a message to this node?
 * @daemon: whose store to look into
 * @digest: of the message, which is held, or was until it was delivered
 * @given: gets what is known
 *
 * Return: whether anything is.
 */
bool cancel_given(struct daemon *daemon, const uint8_t digest[CS_DIGEST_LEN],
		  struct store_given *given)
{
	struct store_notice notice;
	struct store_item item;

	memset(given, 0, sizeof(*given));
	if (!store_get(daemon->store, digest, &item)) {
		given->own = item.flags & STORE_OWN;
		given->port = receiver_port(daemon, &item);
		given->contract = item.contract;
		memcpy(given->peer, item.peer, sizeof(given->peer));
		memcpy(given->destination, item.destination, CS_ADDR_LEN);
	} else if (!store_cancelled(daemon->store, digest, &notice) && notice.given.known) {
		*given = notice.given;
	} else {
		return false;
	}
	/* a neighbour without a session, written as its link-local address, can't be told */
	given->known = given->own ||
		       (memcmp(given->peer, nobody, sizeof(nobody)) && given->peer[0] == 0xfd);
	return given->known;
}

/**
 * cancel_tell() - tell a peer who holds a message that it was delivered
 * @peer: who
 * @prefix: beginning of the digest
 * @told: ids of the notices that it was told just now: each is told once, not for each of the
 *	messages that it names
 */
void cancel_tell(struct peer *peer, const uint8_t *prefix, struct idset *told)
{
	struct proto_letter letter;
	struct store_notice notice;

	if (!peer->session || store_cancelled(peer->daemon->store, prefix, &notice) ||
	    idset_has(told, notice.id) || idset_add(told, notice.id) ||
	    proto_decode(&letter, notice.letter, notice.len, NULL))
		return;
	session_send(peer->session, &letter);
	proto_free(&letter);
}
