// SPDX-License-Identifier: GPL-2.0
/*
 * Messages that come in, from the device or over a session, on their way to the store.
 *
 *	device ─ ring ─ known peer? ─ digest, if it is our own ─┐
 *	session ─ MESSAGE ─ digest ─ inject into the device ────┴─ delivered elsewhere? ─ store
 *	   user ─ put ─ digest ─ store ─ send into the device           └─ for this node: tell all
 *
 * What the device hands up was verified by the kernel. What other programs of this node send into
 * it was not when it is seen here, so it is hashed. What comes over a session is hashed, stored,
 * and sent into the device, so that the kernel's rule decides about forwarding: hops_left counts as
 * if the peer's kernel had sent it.
 *
 * What changes in the store is committed together, ten times a second: a kill costs what came in
 * since, which reconciliation brings back. When it is very much it is done sooner: what is not
 * committed takes 5 KiB of memory for each message.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cancel.h"
#include "daemon/gateway.h"
#include "daemon/intake.h"
#include "daemon/log.h"
#include "daemon/offer.h"
#include "daemon/peer.h"
#include "lib/ethertype.h"
#include "lib/message.h"

#define COMMIT_MSEC	100
#define COMMIT_MOST	2000
#define EXPIRE_SECONDS	10
#define GIVEN_SECONDS	10	/* a frame does not wait longer in the ring */

static const uint8_t everybody[KERNEL_LLADDR_LEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/**
 * struct band - bytes in one direction
 * @bucket: the limit
 * @bytes: so far
 * @last: @bytes when @rate was computed
 * @rate: bytes a second lately
 */
struct band {
	struct policy_bucket	bucket;
	uint64_t		bytes;
	uint64_t		last;
	uint64_t		rate;
};

/**
 * struct intake - what is under way
 * @stats: counters
 * @ethertype: of messages
 * @commit: timer that commits what was added
 * @committing: it runs
 * @changed: how much is not committed
 * @added: messages were added since the last commit
 * @expire: timer that drops what has expired
 * @in: what is taken over sessions
 * @out: what is given, over sessions and under contracts
 * @complained: daemon_ticks() when the store's last failure was logged
 */
struct intake {
	struct intake_stats	stats;
	uint16_t		ethertype;
	struct event		*commit;
	bool			committing;
	unsigned int		changed;
	bool			added;
	struct event		*expire;
	struct band		in;
	struct band		out;
	uint64_t		complained;
};

/* The disk does not become less full by a line for each message. */
static void complain(struct daemon *daemon, const struct cs_error *error)
{
	struct intake *intake = daemon->intake;
	uint64_t now = daemon_ticks();

	if (intake->complained && now - intake->complained < 10000000000ull)
		return;
	intake->complained = now;
	log_error("store: %s", error->text);
}

static void on_commit(evutil_socket_t fd, short what, void *data)
{
	struct daemon *daemon = data;
	struct cs_error error = { "" };

	(void)fd;
	(void)what;
	daemon->intake->committing = false;
	daemon->intake->changed = 0;
	if (store_commit(daemon->store, &error))
		complain(daemon, &error);
	if (daemon->intake->added)
		sync_changed(daemon);
	daemon->intake->added = false;
}

static void look_at_band(struct band *band)
{
	band->rate = (band->bytes - band->last) / EXPIRE_SECONDS;
	band->last = band->bytes;
}

static void on_expire(evutil_socket_t fd, short what, void *data)
{
	static const struct timeval soon = { EXPIRE_SECONDS, 0 };
	struct daemon *daemon = data;

	(void)fd;
	(void)what;
	store_expire(daemon->store, daemon_now());
	on_commit(-1, 0, daemon);
	look_at_band(&daemon->intake->in);
	look_at_band(&daemon->intake->out);
	evtimer_add(daemon->intake->expire, &soon);
}

/**
 * intake_open() - begin to take messages
 * @daemon: whose
 * @error: gets the reason of a failure
 *
 * Return: 0 or -ENOMEM.
 */
int intake_open(struct daemon *daemon, struct cs_error *error)
{
	static const struct timeval soon = { EXPIRE_SECONDS, 0 };
	struct intake *intake = calloc(1, sizeof(*intake));

	if (!intake)
		return cs_error_set(error, -ENOMEM, "out of memory");
	daemon->intake = intake;
	intake->ethertype = cs_ethertype();
	intake->commit = evtimer_new(daemon->base, on_commit, daemon);
	intake->expire = evtimer_new(daemon->base, on_expire, daemon);
	if (!intake->commit || !intake->expire || evtimer_add(intake->expire, &soon)) {
		intake_close(daemon);
		return cs_error_set(error, -ENOMEM, "out of memory");
	}
	return 0;
}

/**
 * intake_close() - commit what came in, and end
 * @daemon: whose
 */
void intake_close(struct daemon *daemon)
{
	struct intake *intake = daemon->intake;

	if (!intake)
		return;
	if (intake->commit)
		on_commit(-1, 0, daemon);
	if (intake->commit)
		event_free(intake->commit);
	if (intake->expire)
		event_free(intake->expire);
	free(intake);
	daemon->intake = NULL;
}

/**
 * intake_changed() - something was added to the store or changed there: it is committed soon
 * @daemon: whose
 */
void intake_changed(struct daemon *daemon)
{
	static const struct timeval soon = { 0, COMMIT_MSEC * 1000 }, now;
	struct intake *intake = daemon->intake;

	if (!intake) /* the daemon ends, and commits at last */
		return;
	/* not here: the caller may be walking through the store */
	if (++intake->changed == COMMIT_MOST)
		evtimer_add(intake->commit, &now);
	else if (!intake->committing)
		intake->committing = !evtimer_add(intake->commit, &soon);
}

/* Into the store, unless it was delivered. */
static enum store_result keep(struct daemon *daemon, const struct store_item *item,
			      struct cs_error *error)
{
	enum store_result result;

	if (cancel_holds(daemon, item))
		return STORE_CANCELLED;
	result = store_add(daemon->store, item, daemon_now(), error);
	if (result == STORE_FAILED)
		complain(daemon, error);
	if (result != STORE_ADDED)
		return result;
	daemon->intake->added = true;
	intake_changed(daemon);
	gateway_message(daemon, item);
	if (item->flags & STORE_LOCAL)
		cancel_delivered(daemon, item->digest, item->expiry);
	return result;
}

static void fill_item(const struct daemon *daemon, struct store_item *item, const uint8_t *message,
		      size_t len)
{
	const struct cs_msg_hdr *hdr = (const struct cs_msg_hdr *)message;

	memcpy(item->digest, hdr->digest, CS_DIGEST_LEN);
	memcpy(item->destination, hdr->destination, CS_ADDR_LEN);
	item->expiry = be64toh(hdr->expiry);
	item->arrived = daemon_now();
	item->size = len;
	item->message = message;
	if (!memcmp(item->destination, daemon->identity.address, CS_ADDR_LEN))
		item->flags |= STORE_LOCAL;
}

/*
 * Who gave a frame. A neighbour without a session, on a port that lets in whoever, has its share of
 * the store by its MAC, written as the link-local address that follows from it (RFC 4291, 2.5.1).
 */
static void fill_giver(struct store_item *item, const struct peer *peer, const uint8_t *lladdr)
{
	if (peer) {
		memcpy(item->peer, peer->address, sizeof(item->peer));
		return;
	}
	item->peer[0] = 0xfe;
	item->peer[1] = 0x80;
	memcpy(item->peer + 8, lladdr, 3);
	item->peer[8] ^= 2;
	item->peer[11] = 0xff;
	item->peer[12] = 0xfe;
	memcpy(item->peer + 13, lladdr + 3, 3);
}

/*
 * A message that the kernel took from this neighbour, which the daemon has already: if it got it a
 * moment ago over a session, then from a neighbour to whom the kernel had passed it on. The one who
 * gave it first is the one who gave it, and to whom its receipt goes.
 */
static void given_first(struct daemon *daemon, const struct store_item *item)
{
	struct cs_error error = { "" };
	struct store_item known;

	if (store_get(daemon->store, item->digest, &known) || (known.flags & STORE_OWN) ||
	    known.arrived + GIVEN_SECONDS < item->arrived ||
	    !memcmp(known.peer, item->peer, sizeof(known.peer)))
		return;
	if (!store_del(daemon->store, item->digest) &&
	    store_add(daemon->store, item, daemon_now(), &error) == STORE_FAILED)
		complain(daemon, &error);
	intake_changed(daemon);
}

/**
 * intake_frame() - a frame on the device
 * @daemon: whose
 * @frame: the frame, from its Ethernet header on
 * @len: its bytes
 * @own: another program of this node sent it in, to be replicated; else it came in and is verified
 */
void intake_frame(struct daemon *daemon, const uint8_t *frame, size_t len, bool own)
{
	const size_t head = CS_ETH_HLEN + sizeof(struct cs_link_hdr);
	struct intake *intake = daemon->intake;
	struct store_item item = { .flags = own ? STORE_OWN : 0 };
	struct cs_error error = { "" };
	struct peer *peer = NULL;
	struct cs_frame parsed;

	intake->stats.frames++;
	intake->stats.own += own;
	if (cs_frame_parse(frame, len, intake->ethertype, &parsed) ||
	    (own && !cs_frame_digest_ok(frame, len))) {
		intake->stats.bad++;
		return;
	}
	fill_item(daemon, &item, frame + head, len - head);
	item.hops = parsed.link.hops_left;
	if (!own) {
		peer = peer_by_lladdr(daemon, parsed.from);
		fill_giver(&item, peer, parsed.from);
		item.contract = parsed.link.contract;
		/* not limited here: what was signed is taken */
		if (item.contract)
			intake->in.bytes += item.size;
		if (peer && item.contract &&
		    deal_strays(daemon, peer, item.contract, item.digest)) {
			intake->stats.bad++;
			return;
		}
		/* a free peer's frame may name any: one that is none earns nothing */
		if (peer && item.contract &&
		    deal_earns(daemon, peer, item.contract, item.digest))
			item.flags |= STORE_EARNS;
	}
	if (keep(daemon, &item, &error) == STORE_KNOWN && !own)
		given_first(daemon, &item);
}

/**
 * intake_missed() - messages passed the device unseen
 * @daemon: whose
 * @count: how many
 *
 * Neighbours have them: they come by reconciliation.
 */
void intake_missed(struct daemon *daemon, uint64_t count)
{
	struct peer *peer;

	daemon->intake->stats.missed += count;
	log_warning("%llu messages passed while the daemon was busy, asking the peers for them",
		    (unsigned long long)count);
	for (peer = daemon->peers; peer; peer = peer->next)
		sync_now(peer);
}

static int send_frame(struct daemon *daemon, const struct store_item *item, const uint8_t *to,
		      uint8_t hops, uint32_t contract, struct cs_error *error)
{
	static uint8_t frame[CS_FRAME_HLEN + CS_SLICE_MAX];
	size_t len;

	len = intake_frame_of(daemon, item, to, hops, contract, frame, sizeof(frame));
	return len ? daemon->kernel->ops->send(daemon->kernel, frame, len, error) :
		     cs_error_set(error, -EMSGSIZE, "the message is too long");
}

/* So that the kernel knows the message, and forwards it as if the peer's kernel had sent it. */
static int inject(struct daemon *daemon, const struct store_item *item, struct cs_error *error)
{
	uint64_t now = daemon_now();

	if (!item->hops)
		return daemon->kernel->ops->remember(daemon->kernel, item->digest,
						     item->expiry > now ? item->expiry - now : 1,
						     error);
	return send_frame(daemon, item, everybody, intake_hops(item), 0, error);
}

static bool message_is_whole(const struct proto_message *message)
{
	const struct cs_msg_hdr *hdr = (const struct cs_msg_hdr *)message->message;
	uint8_t digest[CS_DIGEST_LEN];

	return message->len >= sizeof(*hdr) &&
	       message->len == sizeof(*hdr) + be16toh(hdr->length) && !hdr->flags &&
	       !cs_sha512(hdr->destination, message->len - CS_DIGEST_LEN, digest) &&
	       !memcmp(digest, hdr->digest, CS_DIGEST_LEN);
}

/**
 * intake_message() - a message that came over a session
 * @peer: who gave it
 * @message: the letter
 *
 * Return: 0; -EEXIST it is known here or was delivered, -EBADMSG it is not what its digest says or
 * lives too long.
 */
int intake_message(struct peer *peer, const struct proto_message *message)
{
	struct daemon *daemon = peer->daemon;
	struct store_item item = { .hops = message->hops };
	struct cs_error error = { "" };

	if (!message_is_whole(message)) {
		daemon->intake->stats.bad++;
		return -EBADMSG;
	}
	fill_item(daemon, &item, message->message, message->len);
	memcpy(item.peer, peer->address, sizeof(item.peer));
	item.contract = message->contract;
	if (item.contract && deal_earns(daemon, peer, item.contract, item.digest))
		item.flags |= STORE_EARNS;
	if (item.expiry > daemon_now() + daemon->config.device.lifetime_max + 600)
		return -EBADMSG;
	if (keep(daemon, &item, &error) != STORE_ADDED)
		return -EEXIST;
	if (inject(daemon, &item, &error))
		log_warning("a message of %s does not go into the device: %s", peer_label(peer),
			    error.text);
	else
		daemon->intake->stats.injected++;
	return 0;
}

/* So that the kernel knows it, and all neighbours get it with the hops that the sender gave it. */
static int send_own(struct daemon *daemon, const struct store_item *item, struct cs_error *error)
{
	/* it has arrived */
	if (item->flags & STORE_LOCAL)
		return daemon->kernel->ops->remember(daemon->kernel, item->digest,
						     item->expiry - daemon_now(), error);
	return send_frame(daemon, item, everybody, item->hops, 0, error);
}

static enum intake_result check_own(const struct daemon *daemon, const uint8_t *message, size_t len,
				    struct cs_error *error)
{
	uint32_t most = daemon->config.device.lifetime_max;
	enum crowdshare_drop drop;
	struct cs_message parsed;
	uint64_t now = daemon_now();

	drop = cs_message_parse(message, len, &parsed);
	if (drop) {
		cs_error_set(error, -EBADMSG, "%zu bytes that are no message: %s", len,
			     cs_drop_text(drop));
		return INTAKE_MALFORMED;
	}
	if (!cs_message_digest_ok(message, len)) {
		cs_error_set(error, -EBADMSG, "its digest is wrong");
		return INTAKE_DIGEST;
	}
	if (parsed.expiry <= now) {
		cs_error_set(error, -ETIME, "it has expired");
		return INTAKE_EXPIRED;
	}
	if (parsed.expiry > now + most) {
		cs_error_set(error, -ERANGE, "it lives for another %llu s, and this node takes at "
			     "most %u s (lifetime-max)", (unsigned long long)(parsed.expiry - now),
			     most);
		return INTAKE_LIFETIME;
	}
	return INTAKE_NEW;
}

/**
 * intake_own() - a message of a user of this node
 * @daemon: whose
 * @message: header and payload, from whoever may use the control socket
 * @len: their bytes
 * @hops: hops_left that it gets
 * @error: gets the reason unless it is new or known
 *
 * What the device does not take at the moment is not kept, so that who sends it waits.
 *
 * Return: what became of it.
 */
enum intake_result intake_own(struct daemon *daemon, const uint8_t *message, size_t len,
			      uint8_t hops, struct cs_error *error)
{
	struct store_item item = { .flags = STORE_OWN, .hops = hops };
	enum intake_result result;
	int rc;

	result = check_own(daemon, message, len, error);
	if (result != INTAKE_NEW)
		return result;
	fill_item(daemon, &item, message, len);
	switch (keep(daemon, &item, error)) {
	case STORE_ADDED:
		break;
	case STORE_KNOWN:
	case STORE_CANCELLED:
		return INTAKE_KNOWN;
	case STORE_EXPIRED:
		cs_error_set(error, -ETIME, "it has expired");
		return INTAKE_EXPIRED;
	case STORE_FULL:
		cs_error_set(error, -ENOSPC, "the store is full: raise the quota, or wait until "
			     "messages are delivered or expire");
		return INTAKE_FULL;
	default:
		return INTAKE_FAILED;
	}
	rc = send_own(daemon, &item, error);
	if (!rc || item.flags & STORE_LOCAL)
		return INTAKE_NEW;
	store_del(daemon->store, item.digest);
	return rc == -ENOBUFS || rc == -EAGAIN ? INTAKE_BUSY : INTAKE_FAILED;
}

/**
 * intake_may_pass() - may a message be given to others?
 * @item: the message
 * @now: Unix seconds
 *
 * As the kernel's rule: what came without hops left goes no further. Nor does what has arrived.
 *
 * Return: whether it may.
 */
bool intake_may_pass(const struct store_item *item, uint64_t now)
{
	return item->expiry > now && !(item->flags & (STORE_LOCAL | STORE_DELIVERED)) &&
	       (item->hops || (item->flags & STORE_OWN));
}

/**
 * intake_hops() - hops_left with which a message goes on
 * @item: the message
 *
 * Return: as the sender said for one of this node, one less for others.
 */
uint8_t intake_hops(const struct store_item *item)
{
	if ((item->flags & STORE_OWN) || !item->hops || item->hops == CS_HOPS_UNLIMITED)
		return item->hops;
	return item->hops - 1;
}

/**
 * intake_give_frame() - give a message to a peer, alone, in a frame
 * @peer: whom
 * @item: the message
 * @contract: of the link header, 0: none
 * @error: gets the reason of a failure
 *
 * Return: 0; -ENOBUFS or -EAGAIN: not now; another negative errno.
 */
int intake_give_frame(struct peer *peer, const struct store_item *item, uint32_t contract,
		      struct cs_error *error)
{
	int rc;

	rc = send_frame(peer->daemon, item, peer->lladdr, intake_hops(item), contract, error);
	peer->loss.alone += !rc;
	return rc;
}

/**
 * intake_give_letter() - give a message to a peer over its session
 * @peer: whom
 * @item: the message
 * @contract: under which it gets it, 0: none
 *
 * Return: 0; -EAGAIN: not now; another negative errno of session_send().
 */
int intake_give_letter(struct peer *peer, const struct store_item *item, uint32_t contract)
{
	struct proto_letter letter = { .type = PROTO_MESSAGE };

	if (session_backlog(peer->session) > SESSION_BACKLOG)
		return -EAGAIN;
	letter.message.hops = intake_hops(item);
	letter.message.contract = contract;
	letter.message.message = item->message;
	letter.message.len = item->size;
	return session_send(peer->session, &letter);
}

static bool may_pass(struct band *band, uint64_t rate, uint64_t bytes)
{
	uint64_t now = daemon_ticks();

	policy_bucket_set(&band->bucket, rate, now);
	if (!policy_bucket_take(&band->bucket, bytes, now))
		return false;
	band->bytes += bytes;
	return true;
}

/**
 * intake_may_give() - is there room for a message in the quota of bytes given a second?
 * @daemon: whose
 * @item: the message; counted if there is
 *
 * Return: whether there is.
 */
bool intake_may_give(struct daemon *daemon, const struct store_item *item)
{
	return may_pass(&daemon->intake->out, daemon->config.store.out, item->size);
}

/**
 * intake_may_take() - is there room for a message in the quota of bytes taken a second?
 * @daemon: whose
 * @len: bytes of the message; counted if there is
 *
 * Return: whether there is.
 */
bool intake_may_take(struct daemon *daemon, size_t len)
{
	bool may = may_pass(&daemon->intake->in, daemon->config.store.in, len);

	daemon->intake->stats.limited += !may;
	return may;
}

/**
 * intake_band() - how much was taken and given lately
 * @daemon: whose
 * @in: gets bytes a second taken
 * @out: gets bytes a second given
 */
void intake_band(const struct daemon *daemon, uint64_t *in, uint64_t *out)
{
	*in = daemon->intake->in.rate;
	*out = daemon->intake->out.rate;
}

/**
 * intake_frame_of() - the frame of a message of the store
 * @daemon: whose
 * @item: the message
 * @to: destination MAC
 * @hops: hops_left
 * @contract: of the link header, 0: none
 * @frame: gets the frame
 * @size: room there
 *
 * Return: its bytes, 0 if there is no room.
 */
size_t intake_frame_of(struct daemon *daemon, const struct store_item *item, const uint8_t *to,
		       uint8_t hops, uint32_t contract, uint8_t *frame, size_t size)
{
	struct cs_link link = CS_LINK_INIT;
	uint16_t ethertype = htobe16(daemon->intake->ethertype);
	uint8_t *p = frame + CS_ETH_HLEN;

	if (size < CS_ETH_HLEN + sizeof(struct cs_link_hdr) + item->size)
		return 0;
	memcpy(frame, to, KERNEL_LLADDR_LEN);
	memcpy(frame + 6, daemon->kernel->lladdr, KERNEL_LLADDR_LEN);
	memcpy(frame + 12, &ethertype, sizeof(ethertype));
	link.hops_left = hops;
	link.contract = contract;
	cs_link_put((struct cs_link_hdr *)p, &link);
	memcpy(p + sizeof(struct cs_link_hdr), item->message, item->size);
	return CS_ETH_HLEN + sizeof(struct cs_link_hdr) + item->size;
}

/**
 * intake_stats() - what came in so far
 * @daemon: whose
 *
 * Return: the counters.
 */
const struct intake_stats *intake_stats(const struct daemon *daemon)
{
	return &daemon->intake->stats;
}
