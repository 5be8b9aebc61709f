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
 * message, and compares when it comes. So nobody can suppress what is not his.
 *
 * A relay has no card of the destination, but the contract under which a message came names a key.
 * A notice by that key has the message dropped: its buyer wants it so. It stays a claim, since
 * others may send the same message.
 *
 * In the store a notice is a tombstone: a byte of flags, the signer's address, who gave the message
 * if it was held, so that a receipt finds its way back, and the letter as it goes over a session.
 * Their number is bounded by the configuration, and their rate by the peer's bucket.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cancel.h"
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

#define STONE_PROVEN	1	/* the message was held here, and its destination is the signer */
#define STONE_GIVEN	2	/* struct stone_given follows */
#define STONE_OWN	4	/* this node sent it */

/**
 * struct tombstone - head of what the store keeps of a notice
 * @flags: of those above
 * @address: the signer's; the letter, without its length, is at the end
 */
struct tombstone {
	uint8_t	flags;
	uint8_t	address[CS_ADDR_LEN];
};

/**
 * struct stone_given - where a message came from that was held
 * @peer: who gave it
 * @contract: id under which it came, big-endian
 * @destination: its destination
 * @port: likewise, as it stands in the message
 */
struct stone_given {
	uint8_t		peer[STORE_PEER_LEN];
	uint32_t	contract;
	uint8_t		destination[CS_ADDR_LEN];
	uint16_t	port;
} __attribute__((packed));

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

/* The tombstone of a message that is held, or of one that is not: @item is NULL; to be freed. */
static struct tombstone *make_stone(const struct store_item *item, bool proven,
				    const uint8_t address[CS_ADDR_LEN], const uint8_t *letter,
				    size_t *len)
{
	struct stone_given given = { .contract = item ? htobe32(item->contract) : 0 };
	bool own = item && item->flags & STORE_OWN;
	bool has = own || (item && memcmp(item->peer, nobody, sizeof(nobody)));
	size_t head = sizeof(struct tombstone) + (has ? sizeof(given) : 0);
	struct tombstone *stone = malloc(head + *len);

	if (!stone)
		return NULL;
	stone->flags = (proven ? STONE_PROVEN : 0) | (has ? STONE_GIVEN : 0) |
		       (own ? STONE_OWN : 0);
	memcpy(stone->address, address, CS_ADDR_LEN);
	if (has) {
		memcpy(given.peer, item->peer, sizeof(given.peer));
		memcpy(given.destination, item->destination, CS_ADDR_LEN);
		given.port = htobe16(receiver_port(item));
		memcpy(stone + 1, &given, sizeof(given));
	}
	memcpy((uint8_t *)stone + head, letter, *len);
	*len += head;
	return stone;
}

/* Buries one digest; tells whether that was news. */
static bool bury(struct daemon *daemon, const uint8_t *digest, const struct proto_cancel *cancel,
		 const uint8_t *letter, size_t len, const uint8_t address[CS_ADDR_LEN])
{
	struct tombstone *stone;
	struct store_item item;
	bool held, proven, news;

	held = !store_get(daemon->store, digest, &item);
	proven = held && receiver_proves(daemon, &item, cancel->public);
	if (held && !proven && !bought_for(daemon, &item, cancel->public))
		return false;
	news = cancel_state(daemon, digest) == CANCEL_NONE;
	/* which looks into the store: the message that it led to is read anew */
	if (held)
		held = !store_get(daemon->store, digest, &item);
	if (!held && !news)
		return false;
	stone = make_stone(held ? &item : NULL, proven, address, letter, &len);
	if (!stone)
		return false;
	if (store_cancel(daemon->store, digest, cancel->expiry, stone, len))
		news = false;
	free(stone);
	return news;
}

/* Buries all of a notice that is known to be signed; tells whether any of it was news. */
static bool apply(struct daemon *daemon, const struct proto_letter *letter)
{
	const struct proto_cancel *cancel = &letter->cancel;
	uint8_t address[CS_ADDR_LEN], *encoded;
	bool news = false;
	size_t i, len;

	identity_address(cancel->public, address);
	if (proto_encode(letter, &encoded, &len))
		return false;
	for (i = 0; i < cancel->nr_digests; i++)
		news |= bury(daemon, cancel->digests + i * CS_DIGEST_LEN, cancel, encoded + 4,
			     len - 4, address);
	free(encoded);
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
		apply(daemon, &letter);
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

	peer->notices.rate = NOTICES_RATE;
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
 * @from: the peer that says so, NULL: somebody else; all other peers are told
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
	if (apply(daemon, &letter))
		tell_all(daemon, from, &letter);
	return 0;
}

static const struct tombstone *find(struct daemon *daemon, const uint8_t *prefix, size_t *len)
{
	const void *stone;

	if (store_cancelled(daemon->store, prefix, &stone, len) ||
	    *len < sizeof(struct tombstone))
		return NULL;
	return stone;
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
	const struct tombstone *stone;
	size_t len;

	stone = find(daemon, prefix, &len);
	if (!stone)
		return CANCEL_NONE;
	return stone->flags & STONE_PROVEN ? CANCEL_PROVEN : CANCEL_CLAIMED;
}

/**
 * cancel_holds() - does a notice hold for a message that has come in?
 * @daemon: whose store to look into
 * @item: the message
 *
 * A claim of somebody who is not the destination is forgotten.
 *
 * Return: true: the message was delivered.
 */
bool cancel_holds(struct daemon *daemon, const struct store_item *item)
{
	uint8_t key[IDENTITY_PUBLIC_LEN], address[CS_ADDR_LEN];
	const struct tombstone *stone;
	size_t len;

	memcpy(address, item->destination, CS_ADDR_LEN);
	if (receiver_known(daemon, item->destination, receiver_port(item), key))
		identity_address(key, address);
	stone = find(daemon, item->digest, &len);
	if (!stone)
		return false;
	if (!memcmp(stone->address, address, CS_ADDR_LEN))
		return true;
	store_uncancel(daemon->store, item->digest);
	return false;
}

/* What stands behind the head of a tombstone: where the message came from, if that is known. */
static bool stone_given(const struct tombstone *stone, size_t *len, struct stone_given *given,
			const uint8_t **letter)
{
	const uint8_t *p = (const uint8_t *)(stone + 1);
	bool has = stone->flags & STONE_GIVEN && *len >= sizeof(*stone) + sizeof(*given);

	*len -= sizeof(*stone) + (has ? sizeof(*given) : 0);
	if (has)
		memcpy(given, p, sizeof(*given));
	*letter = has ? p + sizeof(*given) : p;
	return has;
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
		  struct cancel_given *given)
{
	struct stone_given stone_has;
	const struct tombstone *stone;
	struct store_item item;
	const uint8_t *letter;
	size_t len;

	memset(given, 0, sizeof(*given));
	if (!store_get(daemon->store, digest, &item)) {
		given->own = item.flags & STORE_OWN;
		given->port = receiver_port(&item);
		given->contract = item.contract;
		memcpy(given->peer, item.peer, sizeof(given->peer));
		memcpy(given->destination, item.destination, CS_ADDR_LEN);
		return given->own || memcmp(item.peer, nobody, sizeof(nobody));
	}
	stone = find(daemon, digest, &len);
	if (!stone || !stone_given(stone, &len, &stone_has, &letter))
		return false;
	given->own = stone->flags & STONE_OWN;
	given->port = be16toh(stone_has.port);
	given->contract = be32toh(stone_has.contract);
	memcpy(given->peer, stone_has.peer, sizeof(given->peer));
	memcpy(given->destination, stone_has.destination, CS_ADDR_LEN);
	return true;
}

/**
 * cancel_tell() - tell a peer who holds a message that it was delivered
 * @peer: who
 * @prefix: beginning of the digest
 */
void cancel_tell(struct peer *peer, const uint8_t *prefix)
{
	const struct tombstone *stone;
	struct proto_letter letter;
	struct stone_given given;
	const uint8_t *data;
	size_t len;

	stone = find(peer->daemon, prefix, &len);
	if (!stone || !peer->session)
		return;
	stone_given(stone, &len, &given, &data);
	if (proto_decode(&letter, data, len, NULL))
		return;
	session_send(peer->session, &letter);
	proto_free(&letter);
}
