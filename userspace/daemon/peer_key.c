// SPDX-License-Identifier: GPL-2.0
/*
 * The keys of a peer: pairwise keys, for frames sent to one side alone, and the port keys of the
 * peer, for what it broadcasts (port_key.c has this node's own).
 *
 * Pairwise keys are exported from the session, one for each direction, by the address of the side
 * that makes tags with it and an epoch. The side with the lower address leads:
 *
 *	leader                                follower
 *	gives its kernel the receive key
 *	PAIRWISE epoch, id                →
 *	                                      gives its kernel the receive key, then the send key
 *	                                  ←   PAIRWISE_ACK
 *	gives its kernel the send key
 *
 * so that neither side makes a tag that the other does not know. Receive keys that were replaced
 * stay for the configured overlap. Ids are odd for pairwise and even for port keys, follow from the
 * epoch, and the leader passes over those in use, so that none is replaced before its time.
 *
 * The kernel keeps 4 receive keys of a peer: two of each kind, the new and the old one. When more
 * are needed, the one that is due first goes before its time.
 *
 * After a restart of this daemon the kernel still has the receive keys of the earlier run. They
 * are learnt from it, and go as if they had been replaced by those of this run.
 *
 * One process, one thread: no lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/util.h>
#include <openssl/crypto.h>

#include "daemon/log.h"
#include "daemon/peer.h"

#define ACK_SECONDS	10	/* within which a new key is confirmed */
#define KEYS_RATE	16	/* letters about keys taken from a peer, a second */
#define IN_USE		UINT64_MAX
#define SECOND		1000000000ull

static bool leads(const struct peer *peer)
{
	return daemon_leads(peer->daemon, peer->address);
}

static bool pairwise(uint8_t id)
{
	return id & 1;
}

static void fail(struct peer *peer, const char *why)
{
	if (peer->session)
		session_close(peer->session, why);
}

/* --- Receive keys in the kernel --- */

static struct peer_rx_key *rx_find(struct peer *peer, uint8_t id)
{
	size_t i;

	for (i = 0; i < KERNEL_PEER_KEYS; i++)
		if (peer->rx[i].id == id)
			return &peer->rx[i];
	return NULL;
}

/* Only what is tagged with a pairwise key may be under a contract. */
static enum crowdshare_key_use rx_use(uint8_t id)
{
	return pairwise(id) ? CROWDSHARE_KEY_PAIRWISE : CROWDSHARE_KEY_RX;
}

static void rx_remove(struct peer *peer, struct peer_rx_key *rx)
{
	struct kernel *kernel = peer->daemon->kernel;
	struct cs_error error = { "" };

	if (kernel->ops->key_del(kernel, peer->port->link.ifindex, peer->lladdr,
				 rx_use(rx->id), rx->id, &error))
		log_debug("%s: key %u: %s", peer_label(peer), rx->id, error.text);
	memset(rx, 0, sizeof(*rx));
}

/* The one to be removed when there is no room: due first; or else the older of two pairwise. */
static struct peer_rx_key *rx_oldest(struct peer *peer)
{
	struct peer_rx_key *due = NULL, *old = NULL, *rx;

	for (rx = peer->rx; rx < peer->rx + KERNEL_PEER_KEYS; rx++) {
		if (rx->due != IN_USE && (!due || rx->due < due->due))
			due = rx;
		if (pairwise(rx->id) && (!old || rx->since < old->since))
			old = rx;
	}
	return due ? due : old;
}

/* Keys that the kernel has without our knowing, of an earlier run. */
static void learn(struct peer *peer)
{
	struct kernel *kernel = peer->daemon->kernel;
	uint8_t ids[KERNEL_PEER_KEYS];
	struct peer_rx_key *rx;
	size_t i, n = 0;

	if (!kernel->ops->peer_keys ||
	    kernel->ops->peer_keys(kernel, peer->port->link.ifindex, peer->lladdr, ids, &n, NULL))
		return;
	for (i = 0; i < n && i < KERNEL_PEER_KEYS; i++) {
		rx = ids[i] && !rx_find(peer, ids[i]) ? rx_find(peer, 0) : NULL;
		if (rx)
			*rx = (struct peer_rx_key){ ids[i], daemon_ticks(), IN_USE };
	}
}

static int rx_set(struct peer *peer, uint8_t id, const uint8_t *secret)
{
	struct kernel *kernel = peer->daemon->kernel;
	struct peer_rx_key *rx = rx_find(peer, id);
	struct cs_error error = { "" };
	int rc;

	if (!rx)
		rx = rx_find(peer, 0);
	if (!rx) {
		rx = rx_oldest(peer);
		if (!rx)
			return -ENOSPC;
		rx_remove(peer, rx);
	}
	rc = kernel->ops->key_set(kernel, peer->port->link.ifindex, peer->lladdr,
				  rx_use(id), id, secret, &error);
	if (rc)
		log_error("%s: the kernel does not take key %u: %s", peer_label(peer), id,
			  error.text);
	else
		*rx = (struct peer_rx_key){ id, daemon_ticks(), IN_USE };
	return rc;
}

static void schedule_expiry(struct peer *peer)
{
	uint64_t now = daemon_ticks(), due = IN_USE;
	struct timeval wait;
	size_t i;

	for (i = 0; i < KERNEL_PEER_KEYS; i++)
		if (peer->rx[i].id && peer->rx[i].due < due)
			due = peer->rx[i].due;
	if (due == IN_USE)
		return;
	due = due > now ? due - now : 0;
	wait = (struct timeval){ due / SECOND, due % SECOND / 1000 };
	evtimer_add(peer->expire_keys, &wait);
}

/* All of the kind of @id but this one are replaced: they go after the overlap. */
static void rx_retire(struct peer *peer, uint8_t id)
{
	uint64_t due = daemon_ticks() + peer->daemon->config.sessions.overlap * SECOND;
	struct peer_rx_key *rx;

	for (rx = peer->rx; rx < peer->rx + KERNEL_PEER_KEYS; rx++)
		if (rx->id && rx->id != id && pairwise(rx->id) == pairwise(id) &&
		    rx->due == IN_USE)
			rx->due = due;
	schedule_expiry(peer);
}

static void on_expire(evutil_socket_t fd, short what, void *data)
{
	uint64_t now = daemon_ticks();
	struct peer *peer = data;
	struct peer_rx_key *rx;

	(void)fd;
	(void)what;
	for (rx = peer->rx; rx < peer->rx + KERNEL_PEER_KEYS; rx++)
		if (rx->id && rx->due <= now)
			rx_remove(peer, rx);
	schedule_expiry(peer);
}

/* --- Pairwise keys --- */

/* Gives the kernel the key with which @from makes tags. */
static int set_pairwise(struct peer *peer, uint32_t epoch, bool receive)
{
	const uint8_t *from = receive ? peer->address : peer->daemon->identity.address;
	struct kernel *kernel = peer->daemon->kernel;
	uint8_t id = pairwise_key_id(epoch);
	struct cs_error error = { "" };
	uint8_t key[CS_KEY_LEN];
	int rc;

	rc = session_export(peer->session, epoch, from, key);
	if (rc)
		return rc;
	if (receive) {
		rc = rx_set(peer, id, key);
	} else {
		rc = kernel->ops->key_set(kernel, peer->port->link.ifindex, peer->lladdr,
					  CROWDSHARE_KEY_TX, id, key, &error);
		if (rc)
			log_error("%s: the kernel does not take key %u: %s", peer_label(peer), id,
				  error.text);
	}
	OPENSSL_cleanse(key, sizeof(key));
	return rc;
}

static void schedule_rotation(struct peer *peer)
{
	uint64_t msec = peer->daemon->config.sessions.rotate * 1000ull;
	struct timeval wait;
	uint32_t random;

	evutil_secure_rng_get_bytes(&random, sizeof(random));
	msec -= random % (msec / 8 + 1);
	wait = (struct timeval){ msec / 1000, msec % 1000 * 1000 };
	evtimer_add(peer->rotate, &wait);
}

/* The leader begins a rotation. */
static void lead(struct peer *peer)
{
	static const struct timeval wait = { ACK_SECONDS, 0 };
	struct proto_letter letter = { .type = PROTO_PAIRWISE };
	uint32_t epoch = peer->epoch + 1;

	while (rx_find(peer, pairwise_key_id(epoch)))
		epoch++;
	if (set_pairwise(peer, epoch, true)) {
		fail(peer, "no pairwise key");
		return;
	}
	peer->next_epoch = epoch;
	peer->pending = true;
	letter.key.epoch = epoch;
	letter.key.id = pairwise_key_id(epoch);
	session_send(peer->session, &letter);
	evtimer_add(peer->rotate, &wait);
}

static void on_rotate(evutil_socket_t fd, short what, void *data)
{
	struct peer *peer = data;

	(void)fd;
	(void)what;
	if (!peer->session)
		return;
	if (peer->pending)
		fail(peer, "it does not confirm the pairwise key");
	else
		lead(peer);
}

static void on_pairwise(struct peer *peer, const struct proto_key *key)
{
	struct proto_letter ack = { .type = PROTO_PAIRWISE_ACK };

	if (leads(peer)) {
		fail(peer, "the node with the lower address makes the pairwise keys");
		return;
	}
	if (key->id != pairwise_key_id(key->epoch)) {
		fail(peer, "the id of the pairwise key does not follow from its epoch");
		return;
	}
	if (set_pairwise(peer, key->epoch, true) || set_pairwise(peer, key->epoch, false)) {
		fail(peer, "no pairwise key");
		return;
	}
	rx_retire(peer, key->id);
	peer->epoch = key->epoch;
	peer->pairwise_ready = true;
	ack.key.epoch = key->epoch;
	ack.key.id = key->id;
	session_send(peer->session, &ack);
}

static void on_pairwise_ack(struct peer *peer, const struct proto_key *key)
{
	if (!peer->pending || key->epoch != peer->next_epoch) {
		fail(peer, "it confirms a pairwise key that was not made");
		return;
	}
	if (set_pairwise(peer, key->epoch, false)) {
		fail(peer, "no pairwise key");
		return;
	}
	peer->pending = false;
	peer->epoch = key->epoch;
	peer->pairwise_ready = true;
	rx_retire(peer, pairwise_key_id(key->epoch));
	schedule_rotation(peer);
	log_debug("%s: pairwise keys %u in use", peer_label(peer), pairwise_key_id(key->epoch));
}

/* --- Port keys --- */

/**
 * peer_key_send_port_key() - hand a peer a port key of this node
 * @peer: the peer
 * @key: the key
 *
 * Return: as session_send().
 */
int peer_key_send_port_key(struct peer *peer, const struct port_key *key)
{
	struct proto_letter letter = { .type = PROTO_PORT_KEY };
	int rc;

	letter.key.epoch = key->epoch;
	letter.key.id = key->id;
	memcpy(letter.key.secret, key->secret, sizeof(letter.key.secret));
	rc = session_send(peer->session, &letter);
	OPENSSL_cleanse(letter.key.secret, sizeof(letter.key.secret));
	return rc;
}

static void on_port_key(struct peer *peer, const struct proto_key *key)
{
	struct proto_letter ack = { .type = PROTO_PORT_KEY_ACK };

	if (key->id != port_key_id(key->epoch)) {
		fail(peer, "the id of the port key does not follow from its epoch");
		return;
	}
	if (rx_set(peer, key->id, key->secret)) {
		fail(peer, "the port key can't be used");
		return;
	}
	rx_retire(peer, key->id);
	peer->rx_port_epoch = key->epoch;
	ack.key.epoch = key->epoch;
	ack.key.id = key->id;
	session_send(peer->session, &ack);
}

/* Of the latest key, or, if the peer is slow, of one before it: then it says nothing any more. */
static void on_port_key_ack(struct peer *peer, const struct proto_key *key)
{
	const struct port *port = peer->port;
	const struct port_key *latest = port->next_key.id ? &port->next_key : &port->key;

	if ((int32_t)(key->epoch - latest->epoch) > 0 || key->id != port_key_id(key->epoch)) {
		fail(peer, "it confirms a port key that it was not given");
		return;
	}
	if (key->epoch != latest->epoch && key->epoch != port->key.epoch)
		return;
	peer->acked = key->epoch;
	port_key_acked(peer->port);
}

/* --- All keys --- */

/**
 * peer_key_letter() - a peer speaks of keys
 * @peer: the peer
 * @letter: PAIRWISE, PORT_KEY, or an ACK of one
 */
void peer_key_letter(struct peer *peer, const struct proto_letter *letter)
{
	if (!port_has_keys(peer->port)) {
		fail(peer, "this port has no keys; set auth alike on both sides");
		return;
	}
	peer->keys.rate = KEYS_RATE;
	if (!policy_bucket_take(&peer->keys, 1, daemon_ticks())) {
		fail(peer, "it changes its keys too often");
		return;
	}
	switch (letter->type) {
	case PROTO_PAIRWISE:
		on_pairwise(peer, &letter->key);
		break;
	case PROTO_PAIRWISE_ACK:
		on_pairwise_ack(peer, &letter->key);
		break;
	case PROTO_PORT_KEY:
		on_port_key(peer, &letter->key);
		break;
	default:
		on_port_key_ack(peer, &letter->key);
	}
}

/**
 * peer_key_init() - get a new peer ready for keys
 * @peer: the peer
 *
 * Return: 0 or -ENOMEM.
 */
int peer_key_init(struct peer *peer)
{
	/* so that the ids of an earlier run are rarely those of this one */
	evutil_secure_rng_get_bytes(&peer->epoch, sizeof(peer->epoch));
	peer->expire_keys = evtimer_new(peer->daemon->base, on_expire, peer);
	peer->rotate = evtimer_new(peer->daemon->base, on_rotate, peer);
	return peer->expire_keys && peer->rotate ? 0 : -ENOMEM;
}

/**
 * peer_key_exit() - no more keys
 * @peer: a peer about to be freed; the kernel keeps its keys, if it keeps the peer
 */
void peer_key_exit(struct peer *peer)
{
	if (peer->expire_keys)
		event_free(peer->expire_keys);
	if (peer->rotate)
		event_free(peer->rotate);
	peer->expire_keys = NULL;
	peer->rotate = NULL;
}

/**
 * peer_key_start() - exchange keys over a new session
 * @peer: the peer, which the kernel has
 */
void peer_key_start(struct peer *peer)
{
	if (!port_has_keys(peer->port))
		return;
	peer->acked = 0;
	learn(peer);
	port_key_hand(peer->port, peer);
	if (leads(peer))
		lead(peer);
}

/**
 * peer_key_stop() - the session is gone
 * @peer: the peer; its keys stay in the kernel
 *
 * A pairwise key that it may have begun to use without our having heard its ACK stays in use until
 * the next one is.
 */
void peer_key_stop(struct peer *peer)
{
	evtimer_del(peer->rotate);
	peer->pending = false;
	peer->pairwise_ready = false;
}
