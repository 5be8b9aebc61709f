// SPDX-License-Identifier: GPL-2.0
/*
 * The port key: random, made by this node, tags what it broadcasts on a port, as 802.11's group key
 * does. Each peer on the port is handed it over its session.
 *
 * Rotation, without losing a frame: a new key is handed to all peers, who give it to their kernels
 * beside the old one and confirm; then it takes the place of the old one in this node's kernel. Who
 * does not confirm holds all others up for 5 seconds, or half of the overlap if that is less, and
 * then hears nothing of what is broadcast until it has the key, which its session brings. It does
 * not lose that: where many nodes are slow, all those handshakes would make them slower. Peers keep
 * the old key for the overlap, from when they got the new one.
 *
 * A rotation comes every so often, and when a peer has left: it has the key, but gets not the next.
 * When many leave, one after the other, there is time between two rotations for other work. Not so
 * when a peer is denied: a new key is handed to the others at once, in place of one that is being
 * handed out, and it hears what is broadcast until they have confirmed, or that time has passed.
 *
 * Peers that are lost, but not yet gone, are taken to be restarting. A rotation that is not urgent
 * waits for them.
 *
 * After a restart of this daemon the kernel still has the port key of the earlier run, and the
 * peers have it too. It stays: the new one is handed to the peers as their sessions come, and takes
 * its place when all whom the kernel knows have confirmed it, or 5 seconds (or half of the overlap)
 * after the first of them got it. Without any peer that happens after the time-out.
 *
 * One process, one thread: no lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/util.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "daemon/log.h"
#include "daemon/peer.h"
#include "daemon/port.h"

#define SETTLE_SECONDS	5	/* for peers to confirm */
#define BACK_MAX	256	/* peers that are looked for after a restart */
#define AGAIN_SECONDS	5	/* after the kernel refused a key */

static void schedule(struct port *port, uint64_t msec)
{
	struct timeval wait = { msec / 1000, msec % 1000 * 1000 };

	evtimer_add(port->rotate, &wait);
}

/* Up to an eighth sooner, so that not all nodes rotate at the same moment. */
static void schedule_rotation(struct port *port)
{
	uint64_t msec = port->daemon->config.sessions.rotate * 1000ull;
	uint32_t random;

	evutil_secure_rng_get_bytes(&random, sizeof(random));
	schedule(port, msec - random % (msec / 8 + 1));
}

static uint64_t settle_msec(const struct port *port)
{
	uint64_t half = port->daemon->config.sessions.overlap * 1000ull / 2;

	return half < SETTLE_SECONDS * 1000 ? half : SETTLE_SECONDS * 1000;
}

/* From the end of a rotation to the next one that somebody's leaving makes necessary. */
static uint64_t pause_msec(const struct port *port)
{
	return 2 * settle_msec(port);
}

/* A key of an id that is not the one in use. */
static int make(struct port_key *key, uint32_t epoch, uint8_t used)
{
	if (port_key_id(epoch) == used)
		epoch++;
	key->epoch = epoch;
	key->id = port_key_id(epoch);
	return RAND_bytes(key->secret, sizeof(key->secret)) == 1 ? 0 : -EIO;
}

static void wipe(struct port_key *key)
{
	OPENSSL_cleanse(key, sizeof(*key));
}

/* The key that was handed out takes the place of the one in use. */
static void switch_over(struct port *port)
{
	struct kernel *kernel = port->daemon->kernel;
	struct cs_error error = { "" };

	if (kernel->ops->key_set(kernel, port->link.ifindex, NULL, CROWDSHARE_KEY_PORT,
				 port->next_key.id, port->next_key.secret, &error)) {
		log_error("%s: the kernel does not take the port key: %s", port->link.name,
			  error.text);
		schedule(port, AGAIN_SECONDS * 1000);
		return;
	}
	port->key = port->next_key;
	wipe(&port->next_key);
	port->inherited = false;
	port->settling = false;
	port->switched = daemon_ticks();
	log_debug("%s: port key %u in use", port->link.name, port->key.id);
	if (port->again)
		schedule(port, pause_msec(port));
	else
		schedule_rotation(port);
}

static bool peer_lost(const struct port *port)
{
	const struct peer *peer;

	for (peer = port->daemon->peers; peer; peer = peer->next)
		if (peer->port == port && !peer->session)
			return true;
	return false;
}

/* Makes the next key, and hands it to all. */
static void hand_out(struct port *port)
{
	const struct port_key *latest = port->next_key.id ? &port->next_key : &port->key;
	struct peer *peer;

	if (make(&port->next_key, latest->epoch + 1, port->key.id)) {
		log_error("%s: no port key can be made", port->link.name);
		wipe(&port->next_key);
		schedule(port, AGAIN_SECONDS * 1000);
		return;
	}
	port->again = port->revoked = false;
	port->settling = true;
	schedule(port, settle_msec(port));
	for (peer = port->daemon->peers; peer; peer = peer->next)
		if (peer->port == port && peer->session)
			peer_key_send_port_key(peer, &port->next_key);
	port_key_acked(port);
}

static void on_rotate(evutil_socket_t fd, short what, void *data)
{
	struct port *port = data;

	(void)fd;
	(void)what;
	if (port->revoked) {
		hand_out(port);
	} else if (port->next_key.id) {
		switch_over(port);
	} else if (!port->again && peer_lost(port)) {
		schedule(port, port->daemon->config.sessions.timeout * 1000ull);
	} else {
		/* whose certificate has expired since does not get the next key */
		peer_rejudge_all(port->daemon);
		hand_out(port);
	}
}

/* The id of the key that an earlier run gave to the kernel, 0: there is none. */
static uint8_t left_by_earlier_run(const struct port *port)
{
	struct kernel *kernel = port->daemon->kernel;
	uint8_t ids[KERNEL_PEER_KEYS];
	size_t n = 0;

	if (!kernel->ops->peer_keys ||
	    kernel->ops->peer_keys(kernel, port->link.ifindex, NULL, ids, &n, NULL) || !n)
		return 0;
	return ids[0];
}

/**
 * port_key_start() - make a port key
 * @port: a port that was attached just now
 */
void port_key_start(struct port *port)
{
	uint32_t epoch;

	wipe(&port->key);
	wipe(&port->next_key);
	port->settling = port->again = port->revoked = port->inherited = false;
	if (!port_has_keys(port))
		return;
	if (!port->rotate)
		port->rotate = evtimer_new(port->daemon->base, on_rotate, port);
	/* so that the ids of an earlier run are rarely those of this one */
	evutil_secure_rng_get_bytes(&epoch, sizeof(epoch));
	port->key.id = left_by_earlier_run(port);
	if (!port->rotate || make(&port->next_key, epoch, port->key.id)) {
		log_error("%s: no port key can be made", port->link.name);
		return;
	}
	port->inherited = port->key.id;
	if (port->inherited)
		schedule(port, port->daemon->config.sessions.timeout * 1000ull);
	else
		switch_over(port);
}

/**
 * port_key_hand() - give a peer what it needs to hear this node
 * @port: its port
 * @peer: a peer whose session has begun just now
 */
void port_key_hand(struct port *port, struct peer *peer)
{
	if (port->key.id && !port->inherited)
		peer_key_send_port_key(peer, &port->key);
	if (!port->next_key.id)
		return;
	peer_key_send_port_key(peer, &port->next_key);
	if (!port->settling && port->inherited) {
		port->settling = true;
		schedule(port, settle_msec(port));
	}
}

/**
 * port_key_rotate() - replace the port key, since a peer has left
 * @port: the port
 *
 * If that is under way, or was done a moment ago, it is done after a pause: who left may have the
 * next key already.
 */
void port_key_rotate(struct port *port)
{
	uint64_t since = (daemon_ticks() - port->switched) / 1000000;

	if (!port->rotate || !port_has_keys(port) || port->revoked)
		return;
	port->again = port->next_key.id || since < pause_msec(port);
	if (!port->again)
		hand_out(port);
	else if (!port->next_key.id)
		schedule(port, pause_msec(port) - since);
}

/**
 * port_key_revoke() - replace the port key, since a peer that has it is denied now
 * @port: the port
 *
 * Done from the event loop, so that it is one key when a reload denies many.
 */
void port_key_revoke(struct port *port)
{
	if (!port->rotate || !port_has_keys(port))
		return;
	port->revoked = true;
	schedule(port, 0);
}

static bool has_acked(const struct port *port, const uint8_t *lladdr)
{
	const struct peer *peer;

	for (peer = port->daemon->peers; peer; peer = peer->next)
		if (peer->port == port && !memcmp(peer->lladdr, lladdr, sizeof(peer->lladdr)))
			return peer->acked == port->next_key.epoch;
	return false;
}

/* Did all the peers that an earlier run left in the kernel come back, and confirm the new key? */
static bool all_back(const struct port *port)
{
	struct kernel *kernel = port->daemon->kernel;
	uint8_t lladdrs[BACK_MAX][KERNEL_LLADDR_LEN];
	size_t i, n = 0;

	if (!port->settling || !kernel->ops->peer_list ||
	    kernel->ops->peer_list(kernel, port->link.ifindex, lladdrs, BACK_MAX, &n, NULL) ||
	    n == BACK_MAX)
		return false;
	for (i = 0; i < n; i++)
		if (!has_acked(port, lladdrs[i]))
			return false;
	return true;
}

/**
 * port_key_acked() - a peer confirmed a key
 * @port: its port
 *
 * If it was the last one, the key that was handed out comes into use. A peer that is lost may be
 * restarting, and is waited for.
 */
void port_key_acked(struct port *port)
{
	const struct peer *peer;

	if (!port->next_key.id)
		return;
	for (peer = port->daemon->peers; peer; peer = peer->next)
		if (peer->port == port && peer->acked != port->next_key.epoch)
			return;
	if (!port->inherited || all_back(port))
		switch_over(port);
}

/**
 * port_key_stop() - no more rotations; the kernel keeps its key
 * @port: the port
 */
void port_key_stop(struct port *port)
{
	if (port->rotate)
		event_free(port->rotate);
	port->rotate = NULL;
	wipe(&port->key);
	wipe(&port->next_key);
}
