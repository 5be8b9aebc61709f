// SPDX-License-Identifier: GPL-2.0
/*
 * Peers: neighbours that trust lets in, on a port, with a session and keys.
 *
 *	session, HELLO ─ peer_up() ─ in the kernel, keys ─┬─ session lost ─ time-out ─ gone
 *	                     └─────────────── new session ─┘
 *
 * A peer is an identity on a port. When its session is lost it stays in the kernel with its keys
 * for the configured time-out: while its daemon restarts its kernel goes on to forward. When it is
 * gone, or trust does not let it in any more, the kernel forgets it and the port key is replaced.
 *
 * What a peer is treated as is the stricter of what both sides say in their HELLO.
 *
 * Frames are known by their MAC, so a MAC is one peer's: it must be the one from which the kernel
 * knows the session's link-local address, and no other's with a session.
 *
 * One process, one thread: no lock.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cancel.h"
#include "daemon/holding.h"
#include "daemon/log.h"
#include "daemon/offer.h"
#include "daemon/peer.h"
#include "daemon/receipt_way.h"

static const char *const states[] = {
	[CROWDSHARE_PEER_FREE] = "free",
	[CROWDSHARE_PEER_CONTRACT] = "contract",
	[CROWDSHARE_PEER_DENY] = "deny",
};

/**
 * peer_state_name() - the name of a state
 * @state: enum crowdshare_peer_state
 *
 * Return: as the configuration has it.
 */
const char *peer_state_name(uint32_t state)
{
	return states[state];
}

/**
 * peer_label() - how a line of the log calls a peer
 * @peer: the peer
 *
 * Return: its name or its address, and its port; overwritten by the call after the next.
 */
const char *peer_label(const struct peer *peer)
{
	static char texts[2][CONFIG_NAME_LEN + IFNAMSIZ + 4];
	static unsigned int turn;
	char address[INET6_ADDRSTRLEN], *text = texts[turn++ % 2];

	inet_ntop(AF_INET6, peer->address, address, sizeof(address));
	snprintf(text, sizeof(texts[0]), "%s on %s", peer->name[0] ? peer->name : address,
		 peer->port->link.name);
	return text;
}

/**
 * peer_by_lladdr() - the peer whose frames have a MAC
 * @daemon: whose
 * @lladdr: the MAC
 *
 * Return: the peer, or NULL.
 */
struct peer *peer_by_lladdr(struct daemon *daemon, const uint8_t *lladdr)
{
	struct peer *peer;

	for (peer = daemon->peers; peer; peer = peer->next)
		if (!memcmp(peer->lladdr, lladdr, sizeof(peer->lladdr)))
			return peer;
	return NULL;
}

/**
 * peer_by_address() - the peer that has an address
 * @daemon: whose
 * @address: the address
 *
 * Return: the peer, rather one with a session, or NULL.
 */
struct peer *peer_by_address(struct daemon *daemon, const uint8_t *address)
{
	struct peer *peer, *found = NULL;

	for (peer = daemon->peers; peer; peer = peer->next) {
		if (memcmp(peer->address, address, sizeof(peer->address)))
			continue;
		if (peer->session)
			return peer;
		found = peer;
	}
	return found;
}

/* --- The end of a peer --- */

/* Frees it; the kernel still has it. */
static void release(struct peer *peer, const char *why)
{
	struct peer **at = &peer->daemon->peers;
	struct session *session = peer->session;

	while (*at != peer)
		at = &(*at)->next;
	*at = peer->next;
	if (session) {
		session_close(session, why); /* which calls peer_down() */
		peer->session = NULL;
	}
	offer_peer_gone(peer);
	idset_clear(&peer->offered);
	sync_stop(peer);
	peer_key_exit(peer);
	if (peer->vanish)
		event_free(peer->vanish);
	X509_free(peer->certificate);
	free(peer);
}

/* Takes it out of the kernel, and frees it. It knows the port key still. */
static void put_out(struct peer *peer, const char *why)
{
	struct kernel *kernel = peer->daemon->kernel;
	struct cs_error error = { "" };

	log_notice("%s: gone: %s", peer_label(peer), why);
	if (kernel->ops->peer_del(kernel, peer->port->link.ifindex, peer->lladdr, &error))
		log_warning("%s: the kernel keeps the peer: %s", peer_label(peer), error.text);
	release(peer, why);
}

static void leave(struct peer *peer, const char *why)
{
	struct daemon *daemon = peer->daemon;
	struct port *port = peer->port;

	if (peer->state == CROWDSHARE_PEER_FREE) {
		memcpy(daemon->left, peer->address, sizeof(daemon->left));
		daemon->has_left = true;
	}
	put_out(peer, why);
	port_key_rotate(port);
}

static void deny(struct peer *peer, const char *why)
{
	struct port *port = peer->port;

	put_out(peer, why);
	port_key_revoke(port);
}

static void on_vanish(evutil_socket_t fd, short what, void *data)
{
	(void)fd;
	(void)what;
	leave(data, "it did not come back");
}

/**
 * peer_close_port() - free the peers of a port
 * @port: the port; what the kernel has of them is left to it
 */
void peer_close_port(struct port *port)
{
	struct peer *peer, *next;

	for (peer = port->daemon->peers; peer; peer = next) {
		next = peer->next;
		if (peer->port == port)
			release(peer, "the port is closed");
	}
}

/**
 * peer_close_all() - free all peers; the kernel goes on with them
 * @daemon: whose
 */
void peer_close_all(struct daemon *daemon)
{
	while (daemon->peers)
		release(daemon->peers, "the daemon ends");
}

/**
 * peer_down() - the session of a peer is gone
 * @session: the session
 */
void peer_down(struct session *session)
{
	struct peer *peer = session->peer;
	struct timeval wait = { session->daemon->config.sessions.timeout, 0 };

	peer->session = NULL;
	sync_stop(peer);
	peer_key_stop(peer);
	evtimer_add(peer->vanish, &wait);
}

/* --- The beginning of a peer --- */

static bool lladdr_usable(const uint8_t *lladdr)
{
	static const uint8_t none[KERNEL_LLADDR_LEN];

	return !(lladdr[0] & 1) && memcmp(lladdr, none, sizeof(none));
}

/* Is the MAC that the neighbour says it has the one from which its packets come? */
static int check_neighbour(const struct session *session, struct cs_error *error)
{
	struct kernel *kernel = session->daemon->kernel;
	uint8_t lladdr[KERNEL_LLADDR_LEN];

	if (!kernel->ops->neighbour ||
	    kernel->ops->neighbour(kernel, session->port->link.ifindex,
				   session->remote.sin6_addr.s6_addr, lladdr, NULL) ||
	    !memcmp(lladdr, session->hello.lladdr, sizeof(lladdr)))
		return 0;
	return cs_error_set(error, -EPERM,
			    "the MAC in HELLO is not the one that its packets come from");
}

/*
 * May the neighbour have the MAC that it says it has? Whoever had it and is lost has no more, on
 * any port: the daemon knows who gave a frame by nothing else.
 */
static int check_lladdr(const struct session *session, struct cs_error *error)
{
	const uint8_t *lladdr = session->hello.lladdr;
	const struct port *port = session->port;
	struct peer *peer, *next;

	if (!lladdr_usable(lladdr))
		return cs_error_set(error, -EINVAL, "the MAC in HELLO is no unicast address");
	if (!memcmp(lladdr, port->link.lladdr, sizeof(port->link.lladdr)))
		return cs_error_set(error, -EADDRINUSE, "the MAC in HELLO is this node's own");
	for (peer = session->daemon->peers; peer; peer = next) {
		next = peer->next;
		if (memcmp(peer->lladdr, lladdr, sizeof(peer->lladdr)) ||
		    !memcmp(peer->address, session->address, sizeof(peer->address)))
			continue;
		if (peer->session)
			return cs_error_set(error, -EADDRINUSE,
					    "another peer has the MAC in HELLO");
		leave(peer, "another node has its MAC now");
	}
	return check_neighbour(session, error);
}

static struct peer *find(const struct session *session)
{
	struct peer *peer;

	for (peer = session->daemon->peers; peer; peer = peer->next)
		if (peer->port == session->port &&
		    !memcmp(peer->address, session->address, sizeof(peer->address)))
			return peer;
	return NULL;
}

static struct peer *peer_new(struct session *session)
{
	struct daemon *daemon = session->daemon;
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return NULL;
	peer->daemon = daemon;
	peer->port = session->port;
	peer->next = daemon->peers;
	daemon->peers = peer;
	memcpy(peer->public, session->public, sizeof(peer->public));
	memcpy(peer->address, session->address, sizeof(peer->address));
	memcpy(peer->lladdr, session->hello.lladdr, sizeof(peer->lladdr));
	memcpy(peer->boot, session->hello.boot, sizeof(peer->boot));
	peer->vanish = evtimer_new(daemon->base, on_vanish, peer);
	if (peer->vanish && !peer_key_init(peer))
		return peer;
	release(peer, "out of memory");
	return NULL;
}

/* Of the identity that a session proved: the peer that it was, or a new one. */
static struct peer *find_or_make(struct session *session)
{
	struct peer *peer = find(session);

	if (peer && memcmp(peer->lladdr, session->hello.lladdr, sizeof(peer->lladdr))) {
		leave(peer, "it has another MAC now");
		peer = NULL;
	}
	return peer ? peer : peer_new(session);
}

/* Judges anew: since the handshake the configuration may have changed. */
static int judge(struct peer *peer, struct trust_verdict *verdict)
{
	struct daemon *daemon = peer->daemon;

	trust_judge(daemon->trust, peer->certificate, peer->port->config->terms, daemon_now(),
		    verdict);
	peer->terms = verdict->state;
	peer->rating = verdict->rating;
	snprintf(peer->name, sizeof(peer->name), "%s", verdict->name);
	return verdict->state == CROWDSHARE_PEER_DENY ? -EPERM : 0;
}

/* Has the kernel treat the peer as both sides say. */
static int apply(struct peer *peer, uint32_t their_terms, struct cs_error *error)
{
	const struct config_sessions *config = &peer->daemon->config.sessions;
	struct kernel *kernel = peer->daemon->kernel;

	peer->state = peer->terms > their_terms ? peer->terms : their_terms;
	return kernel->ops->peer_set(kernel, peer->port->link.ifindex, peer->lladdr, peer->state,
				     config->rate, config->byterate, error);
}

/* The peer has this session now, and no other. */
static void take_session(struct peer *peer, struct session *session)
{
	struct session *old = peer->session;
	bool restarted = memcmp(peer->boot, session->hello.boot, sizeof(peer->boot));

	log_notice("%s: %s, %s", peer_label(peer),
		   !peer->since ? "new peer" : restarted ? "restarted" : "reconnected",
		   peer_state_name(peer->state));
	if (old) {
		old->peer = NULL;
		session_close(old, "another session took its place");
		sync_stop(peer);
		peer_key_stop(peer);
	}
	evtimer_del(peer->vanish);
	peer->session = session;
	session->peer = peer;
	memcpy(peer->boot, session->hello.boot, sizeof(peer->boot));
	peer->offset = (int64_t)(session->hello.now - daemon_now());
	if (!peer->since)
		peer->since = daemon_now();
}

/**
 * peer_up() - both sides said HELLO
 * @session: the session; its identity is proven
 * @error: gets the reason of a refusal
 *
 * Return: 0; or a negative errno, then the session is to be closed.
 */
int peer_up(struct session *session, struct cs_error *error)
{
	struct trust_verdict verdict;
	struct peer *peer;
	int rc;

	if (session->hello.terms >= CROWDSHARE_PEER_DENY)
		return cs_error_set(error, -EPERM, "the other side denies this node");
	rc = check_lladdr(session, error);
	if (rc)
		return rc;
	peer = find_or_make(session);
	if (!peer)
		return cs_error_set(error, -ENOMEM, "out of memory");
	X509_free(peer->certificate);
	peer->certificate = session_certificate(session);
	rc = judge(peer, &verdict);
	if (rc)
		cs_error_set(error, rc, "refused: %s", verdict.reason ? verdict.reason : "denied");
	else
		rc = apply(peer, session->hello.terms, error);
	if (rc && !peer->since)
		release(peer, "refused");
	else if (rc)
		deny(peer, error->text);
	if (rc)
		return rc;
	take_session(peer, session);
	if (verdict.state != session->verdict.state) {
		session->verdict = verdict;
		session_hello(session);
	}
	peer_key_start(peer);
	if (peer->session == session) {
		sync_start(peer);
		offer_peer_up(peer);
		receipt_peer_up(peer);
	}
	return 0;
}

/* --- While it is there --- */

/* What this node or the other side says may have changed. */
static void change_state(struct peer *peer, uint32_t their_terms)
{
	struct cs_error error = { "" };
	uint32_t old = peer->state;

	if (apply(peer, their_terms, &error)) {
		log_error("%s: the kernel does not take its state: %s", peer_label(peer),
			  error.text);
		if (peer->session)
			session_close(peer->session, "the kernel does not take its state");
		return;
	}
	if (peer->state == old)
		return;
	log_notice("%s: %s", peer_label(peer), peer_state_name(peer->state));
	if (!peer->session)
		return;
	sync_stop(peer);
	sync_start(peer);
	offer_peer_up(peer);
}

static void on_hello(struct session *session)
{
	if (session->hello.terms >= CROWDSHARE_PEER_DENY)
		session_close(session, "the other side denies this node");
	else
		change_state(session->peer, session->hello.terms);
}

/**
 * peer_letter() - a letter of a peer
 * @session: its session
 * @letter: the letter; not PING, PONG or BYE, which are the session's own
 */
void peer_letter(struct session *session, const struct proto_letter *letter)
{
	struct peer *peer = session->peer;

	switch (letter->type) {
	case PROTO_HELLO:
		on_hello(session);
		break;
	case PROTO_PAIRWISE ... PROTO_PORT_KEY_ACK:
		peer_key_letter(peer, letter);
		break;
	case PROTO_OFFER ... PROTO_SIGNED:
	case PROTO_CONTRACT:
		offer_letter(peer, letter);
		break;
	case PROTO_RECONCILE ... PROTO_MESSAGE:
		sync_letter(peer, letter);
		break;
	case PROTO_CANCEL:
		cancel_letter(peer, &letter->cancel);
		break;
	case PROTO_RECEIPT:
	case PROTO_RECEIPT_ACK:
		receipt_letter(peer, letter);
		break;
	case PROTO_HOLD:
	case PROTO_HELD:
		holding_letter(peer, letter);
		break;
	case PROTO_COUNTED:
		loss_letter(peer, &letter->counted);
		break;
	default:
		session_close(session, "a letter that has no place here");
	}
}

static void rejudge(struct peer *peer)
{
	struct session *session = peer->session;
	uint32_t old = peer->terms;
	struct trust_verdict verdict;
	char why[200];

	if (judge(peer, &verdict)) {
		snprintf(why, sizeof(why), "no longer let in: %s",
			 verdict.reason ? verdict.reason : "denied");
		deny(peer, why);
		return;
	}
	if (session) {
		session->verdict = verdict;
		if (peer->terms != old)
			session_hello(session);
	}
	/* a lost one says again what it thinks when it is back */
	change_state(peer, session ? session->hello.terms : peer->state);
}

/**
 * peer_rejudge_all() - trust may have changed
 * @daemon: whose
 *
 * Who is denied now is put out at once. Ports were reloaded before.
 */
void peer_rejudge_all(struct daemon *daemon)
{
	struct cs_error error = { "" };
	struct peer *peer, *next;

	if (session_reload(daemon, &error))
		log_error("%s", error.text);
	for (peer = daemon->peers; peer; peer = next) {
		next = peer->next;
		rejudge(peer);
	}
}
