// SPDX-License-Identifier: GPL-2.0
/*
 * The ingest: the service at a destination that receives messages and signs receipts.
 *
 *	gateway ─ DELIVER messages → digest? ours? alive? known? ─ commit ─ taken ─┐
 *	        ← RECEIPT, CANCEL, ACK ────────────────────────────────────────────┘
 *
 * Anybody with a key may deliver; the key is what the receipt names. Each message is told what
 * became of it. A message that came before is acknowledged, and not receipted a second time: who
 * brought it first gets the very same receipt again, which a kill may have kept from him; all
 * others get none. A notice (cancel.c) of all that is here now lets holders drop it.
 *
 * What is told was committed before (ingest_file.c). The signature is made after that: it is the
 * same each time it is made, so it need not be kept.
 *
 * Here the messages end their way. What makes fobjects of them (userspace/fobject) takes them out
 * of the inbox, or is called as @taken; this file knows nothing of what is in them.
 *
 * Clients are hostile: connections are limited in all and for each source, each step in time
 * (wired.c), bytes a second for each connection, bytes of the inbox in all. Who is turned away is
 * told why as far as there is somebody to be told: in the ACK, or in a BYE.
 *
 * One process, one thread, one event loop: no lock.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/listener.h>
#include <event2/util.h>

#include "daemon/ingest.h"
#include "daemon/log.h"
#include "daemon/notice.h"
#include "daemon/policy.h"
#include "daemon/receipt.h"
#include "daemon/wired.h"
#include "lib/message.h"

#define BACKLOG		64
#define EXPIRE_SECONDS	10
#define CLOCK_ALLOWANCE	600	/* seconds that clocks may differ */
#define COUNT_SECONDS	5	/* between two looks at a full inbox */
#define LINES_RATE	2

/**
 * struct client - a gateway that is connected
 * @next: in the list of all
 * @ingest: whose it is
 * @wired: the connection
 * @remote: where it comes from
 * @local: address that it connected to
 * @public: its key, once TLS has proven it
 */
struct client {
	struct client	*next;
	struct ingest	*ingest;
	struct wired	*wired;
	struct in6_addr	remote;
	uint8_t		local[CS_ADDR_LEN];
	uint8_t		public[IDENTITY_PUBLIC_LEN];
};

/**
 * struct ingest - the service
 * @base: event loop
 * @config: its settings
 * @identity: signs receipts
 * @tls: of all connections
 * @listener: where clients connect
 * @port: there
 * @resume: timer that accepts again after the process ran out of descriptors
 * @expire: timer that forgets messages that have expired
 * @clients: list
 * @file: what is kept
 * @bytes: in the inbox, at most: what was taken out since is not seen
 * @counted: seconds of the monotonic clock when that was looked at
 * @taken: is told of new messages
 * @data: for @taken
 * @stats: counters
 * @lines: bucket of lines about who is turned away
 */
struct ingest {
	struct event_base		*base;
	struct config_ingest		config;
	const struct identity		*identity;
	SSL_CTX				*tls;
	struct evconnlistener		*listener;
	uint16_t			port;
	struct event			*resume;
	struct event			*expire;
	struct client			*clients;
	struct ingest_file		*file;
	uint64_t			bytes;
	time_t				counted;
	ingest_taken			taken;
	void				*data;
	struct ingest_stats		stats;
	struct policy_bucket		lines;
};

static uint64_t ticks(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static const char *label(const struct client *client)
{
	static char text[INET6_ADDRSTRLEN];

	return inet_ntop(AF_INET6, &client->remote, text, sizeof(text));
}

/* Strangers can't fill the log. */
static void note(struct ingest *ingest, const struct client *client, const char *why)
{
	policy_bucket_set(&ingest->lines, LINES_RATE, ticks());
	if (policy_bucket_take(&ingest->lines, 1, ticks()))
		log_notice("%s: %s", label(client), why);
}

static void client_free(struct client *client)
{
	struct client **at = &client->ingest->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	client->ingest->stats.connections--;
	free(client);
}

static void turn_away(struct client *client, const char *why)
{
	note(client->ingest, client, why);
	wired_close(client->wired, why);
	client_free(client);
}

/* --- What is delivered --- */

/**
 * struct delivery - a DELIVER that is being answered
 * @client: who brought it
 * @letter: the letter
 * @states: of its messages
 * @count: their number
 * @digest: of each, in the letter
 * @batch: those that are new
 * @receipts: numbers of those that are sent again
 * @nr_receipts: their number
 * @expiry: of the message that lives longest of those that are here
 */
struct delivery {
	struct client			*client;
	const struct proto_deliver	*letter;
	uint8_t				states[PROTO_BATCH_MAX];
	size_t				count;
	const uint8_t			*digest[PROTO_BATCH_MAX];
	struct ingest_batch		batch;
	int64_t				receipts[PROTO_BATCH_MAX];
	size_t				nr_receipts;
	uint64_t			expiry;
};

/* Is a destination one that clients on this connection may deliver to? */
static bool serves(const struct client *client, const struct cs_msg_hdr *hdr)
{
	const struct ingest *ingest = client->ingest;

	return be16toh(hdr->port) == ingest->port &&
	       (!memcmp(hdr->destination, client->local, CS_ADDR_LEN) ||
		!memcmp(hdr->destination, ingest->identity->address, CS_ADDR_LEN) ||
		policy_in_prefixes(ingest->config.destinations, ingest->config.nr_destinations,
				   hdr->destination));
}

/* Is it what it says, for this ingest, and alive? One receipt is of one destination. */
static enum proto_ack_state judge(const struct delivery *delivery, const uint8_t *message,
				  size_t len)
{
	const struct ingest_receipt *receipt = &delivery->batch.receipt;
	const struct cs_msg_hdr *hdr = (const struct cs_msg_hdr *)message;
	uint64_t now = time(NULL), expiry = be64toh(hdr->expiry);
	uint8_t digest[CS_DIGEST_LEN];

	if (hdr->flags || cs_sha512(hdr->destination, len - CS_DIGEST_LEN, digest) ||
	    memcmp(digest, hdr->digest, CS_DIGEST_LEN))
		return PROTO_ACK_DIGEST;
	if (!serves(delivery->client, hdr) ||
	    (delivery->batch.receipt.nr_digests &&
	     memcmp(receipt->destination, hdr->destination, CS_ADDR_LEN)))
		return PROTO_ACK_DESTINATION;
	if (expiry <= now)
		return PROTO_ACK_EXPIRED;
	return expiry > now + CROWDSHARE_LIFETIME_LIMIT + CLOCK_ALLOWANCE ? PROTO_ACK_LIFETIME :
									    PROTO_ACK_NEW;
}

/* Is there room in the inbox? When there seems to be none, what was taken out is looked for. */
static bool fits(struct ingest *ingest, size_t len)
{
	struct cs_error error = { "" };
	time_t now = ticks() / 1000000000;

	if (ingest->bytes + len <= ingest->config.bytes)
		return true;
	if (ingest->counted && now < ingest->counted + COUNT_SECONDS)
		return false;
	ingest->counted = now;
	if (ingest_file_bytes(ingest->file, &ingest->bytes, &error))
		log_error("%s", error.text);
	if (ingest->bytes + len <= ingest->config.bytes)
		return true;
	log_warning("the inbox is full: %llu bytes wait in it to be taken",
		    (unsigned long long)ingest->bytes);
	return false;
}

/* Who brought a message first gets its receipt again. */
static int known(struct delivery *delivery, int64_t id, struct cs_error *error)
{
	struct ingest_receipt receipt;
	size_t i;
	int rc;

	for (i = 0; i < delivery->nr_receipts; i++)
		if (delivery->receipts[i] == id)
			return 0;
	rc = ingest_file_receipt(delivery->client->ingest->file, id, &receipt, error);
	if (rc)
		return rc;
	if (!memcmp(receipt.deliverer, delivery->client->public, IDENTITY_PUBLIC_LEN))
		delivery->receipts[delivery->nr_receipts++] = id;
	return 0;
}

static bool twice(const struct delivery *delivery, const uint8_t *digest)
{
	size_t i;

	for (i = 0; i < delivery->batch.receipt.nr_digests; i++)
		if (!memcmp(delivery->batch.receipt.digests[i], digest, CS_DIGEST_LEN))
			return true;
	return false;
}

static void add_new(struct delivery *delivery, const uint8_t *message, size_t len)
{
	const struct cs_msg_hdr *hdr = (const struct cs_msg_hdr *)message;
	struct ingest_batch *batch = &delivery->batch;
	size_t i = batch->receipt.nr_digests++;

	if (!i) {
		memcpy(batch->receipt.destination, hdr->destination, CS_ADDR_LEN);
		batch->receipt.port = be16toh(hdr->port);
	}
	memcpy(batch->receipt.digests[i], hdr->digest, CS_DIGEST_LEN);
	batch->message[i] = message;
	batch->len[i] = len;
	batch->expiry[i] = be64toh(hdr->expiry);
}

static enum proto_ack_state sort(struct delivery *delivery, const uint8_t *message, size_t len,
				 size_t *room)
{
	const struct cs_msg_hdr *hdr = (const struct cs_msg_hdr *)message;
	struct ingest *ingest = delivery->client->ingest;
	enum proto_ack_state state;
	struct cs_error error = { "" };
	int64_t receipt;
	int rc;

	state = judge(delivery, message, len);
	if (state)
		return state;
	if (twice(delivery, hdr->digest))
		return PROTO_ACK_KNOWN;
	rc = ingest_file_find(ingest->file, hdr->digest, &receipt, &error);
	if (rc > 0)
		rc = known(delivery, receipt, &error) ? -EIO : 1;
	if (rc < 0) {
		log_error("%s", error.text);
		return PROTO_ACK_ERROR;
	}
	if (rc)
		return PROTO_ACK_KNOWN;
	if (!fits(ingest, *room + len))
		return PROTO_ACK_FULL;
	*room += len;
	add_new(delivery, message, len);
	return PROTO_ACK_NEW;
}

static void sort_all(struct delivery *delivery)
{
	const uint8_t *message = delivery->letter->messages;
	size_t left = delivery->letter->len, len, room = 0;
	uint64_t expiry;

	for (; left; message += len, left -= len, delivery->count++) {
		len = proto_message_len(message, left);
		delivery->digest[delivery->count] = message;
		delivery->states[delivery->count] = sort(delivery, message, len, &room);
		expiry = be64toh(((const struct cs_msg_hdr *)message)->expiry);
		if (delivery->states[delivery->count] <= PROTO_ACK_KNOWN &&
		    expiry > delivery->expiry)
			delivery->expiry = expiry;
	}
}

/* Commits what is new; what can't be is told so. */
static void keep_new(struct delivery *delivery)
{
	struct ingest_batch *batch = &delivery->batch;
	struct ingest *ingest = delivery->client->ingest;
	struct cs_error error = { "" };
	size_t i;

	if (!batch->receipt.nr_digests)
		return;
	memcpy(batch->receipt.deliverer, delivery->client->public, IDENTITY_PUBLIC_LEN);
	memcpy(batch->receipt.contract, delivery->letter->contract, PROTO_UID_LEN);
	batch->receipt.time = time(NULL);
	if (ingest_file_keep(ingest->file, batch, &error)) {
		log_error("%s", error.text);
		/* also the second of two in this letter is not here */
		for (i = 0; i < delivery->count; i++)
			if (twice(delivery, delivery->digest[i]))
				delivery->states[i] = PROTO_ACK_ERROR;
		batch->receipt.nr_digests = 0;
		return;
	}
	for (i = 0; i < batch->receipt.nr_digests; i++)
		ingest->bytes += batch->len[i];
	ingest->stats.receipts++;
	if (ingest->taken)
		ingest->taken(batch, ingest->data);
}

/* --- What is answered --- */

static int send_receipt(struct client *client, const struct ingest_receipt *receipt)
{
	struct proto_letter letter = { .type = PROTO_RECEIPT };
	struct cs_error error = { "" };

	memcpy(letter.receipt.destination, receipt->destination, CS_ADDR_LEN);
	memcpy(letter.receipt.deliverer, receipt->deliverer, IDENTITY_PUBLIC_LEN);
	memcpy(letter.receipt.contract, receipt->contract, PROTO_UID_LEN);
	letter.receipt.port = receipt->port;
	letter.receipt.time = receipt->time;
	letter.receipt.digests = receipt->digests[0];
	letter.receipt.nr_digests = receipt->nr_digests;
	if (receipt_sign(&letter.receipt, client->ingest->identity, &error)) {
		log_error("%s", error.text);
		return -EIO;
	}
	return wired_send(client->wired, &letter);
}

static int send_receipts(struct delivery *delivery)
{
	struct client *client = delivery->client;
	struct ingest_receipt receipt;
	struct cs_error error = { "" };
	int rc = 0;
	size_t i;

	for (i = 0; !rc && i < delivery->nr_receipts; i++) {
		rc = ingest_file_receipt(client->ingest->file, delivery->receipts[i], &receipt,
					 &error);
		if (rc)
			log_error("%s", error.text);
		else
			rc = send_receipt(client, &receipt);
	}
	if (!rc && delivery->batch.receipt.nr_digests)
		rc = send_receipt(client, &delivery->batch.receipt);
	return rc;
}

/* A notice of all that is here now, so that who holds it drops it. */
static int send_cancel(struct delivery *delivery)
{
	struct proto_letter letter = { .type = PROTO_CANCEL };
	uint8_t digests[PROTO_BATCH_MAX][CS_DIGEST_LEN];
	size_t i, n = 0;

	for (i = 0; i < delivery->count; i++)
		if (delivery->states[i] <= PROTO_ACK_KNOWN)
			memcpy(digests[n++], delivery->digest[i], CS_DIGEST_LEN);
	if (!n)
		return 0;
	letter.cancel.digests = digests[0];
	letter.cancel.nr_digests = n;
	letter.cancel.expiry = delivery->expiry;
	if (notice_sign(&letter.cancel, delivery->client->ingest->identity))
		return -EIO;
	return wired_send(delivery->client->wired, &letter);
}

static int send_ack(struct delivery *delivery)
{
	struct proto_letter letter = {
		.type = PROTO_ACK,
		.ack.batch = delivery->letter->batch,
		.ack.states = delivery->states,
		.ack.nr_states = delivery->count,
	};
	size_t i;

	for (i = 0; i < delivery->count; i++)
		delivery->client->ingest->stats.states[delivery->states[i]]++;
	return wired_send(delivery->client->wired, &letter);
}

static void on_deliver(struct client *client, const struct proto_deliver *deliver)
{
	static struct delivery delivery; /* large, and used by one at a time */
	int rc;

	memset(&delivery, 0, sizeof(delivery));
	delivery.client = client;
	delivery.letter = deliver;
	client->ingest->stats.deliveries++;
	sort_all(&delivery);
	keep_new(&delivery);
	rc = send_receipts(&delivery);
	if (!rc)
		rc = send_cancel(&delivery);
	if (!rc)
		rc = send_ack(&delivery);
	if (rc)
		turn_away(client, rc == -ENOBUFS ? "it does not read what it is answered" :
						   "it can't be answered");
}

static void on_letter(void *data, const struct proto_letter *letter)
{
	struct client *client = data;

	if (letter->type == PROTO_DELIVER)
		on_deliver(client, &letter->deliver);
	else
		turn_away(client, "a letter that has no place here");
}

/* --- Clients --- */

static void on_ready(void *data, const uint8_t public[IDENTITY_PUBLIC_LEN])
{
	struct client *client = data;

	memcpy(client->public, public, IDENTITY_PUBLIC_LEN);
}

static void on_closed(void *data, const char *why)
{
	struct client *client = data;

	log_debug("%s: %s", label(client), why);
	client_free(client);
}

static const struct wired_ops ops = {
	.ready = on_ready,
	.letter = on_letter,
	.closed = on_closed,
};

/* Do two addresses belong to one source? A network has 2^64 of them to itself. */
static bool same_source(const struct in6_addr *a, const struct in6_addr *b)
{
	return !memcmp(a, b, IN6_IS_ADDR_V4MAPPED(a) ? 16 : 8);
}

static bool full(const struct ingest *ingest, const struct client *new)
{
	const struct client *client;
	unsigned int source = 0;

	for (client = ingest->clients; client; client = client->next)
		source += same_source(&client->remote, &new->remote);
	return ingest->stats.connections >= ingest->config.connections ||
	       source >= ingest->config.per_source;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int len, void *data)
{
	struct wired_limits limits = { .handshake = 10, .letter = 60, .idle = 120 };
	struct sockaddr_in6 local = { 0 };
	struct client *client, new = { .ingest = data };
	socklen_t size = sizeof(local);
	int on = 1;

	(void)listener;
	(void)len;
	new.remote = ((struct sockaddr_in6 *)address)->sin6_addr;
	limits.rate = new.ingest->config.rate;
	client = full(new.ingest, &new) ? NULL : malloc(sizeof(*client));
	if (!client || getsockname(fd, (struct sockaddr *)&local, &size)) {
		new.ingest->stats.refused++;
		note(new.ingest, &new, "turned away: too many connections, of all or of it");
		close(fd);
		free(client);
		return;
	}
	memcpy(new.local, &local.sin6_addr, CS_ADDR_LEN);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*client = new;
	client->wired = wired_new(client->ingest->base, client->ingest->tls, fd, true, &limits,
				  &ops, client);
	if (!client->wired) {
		free(client);
		return;
	}
	client->next = client->ingest->clients;
	client->ingest->clients = client;
	client->ingest->stats.connections++;
}

static void on_accept_failed(struct evconnlistener *listener, void *data)
{
	static const struct timeval wait = { 1, 0 };
	struct ingest *ingest = data;

	/* out of descriptors, most likely: the loop would spin until there are some again */
	log_error("ingest: %s: waiting a second", strerror(errno));
	evconnlistener_disable(listener);
	evtimer_add(ingest->resume, &wait);
}

static void on_resume(evutil_socket_t fd, short what, void *data)
{
	struct ingest *ingest = data;

	(void)fd;
	(void)what;
	evconnlistener_enable(ingest->listener);
}

static void on_expire(evutil_socket_t fd, short what, void *data)
{
	static const struct timeval wait = { EXPIRE_SECONDS, 0 };
	struct ingest *ingest = data;
	struct cs_error error = { "" };

	(void)fd;
	(void)what;
	if (ingest_file_expire(ingest->file, time(NULL) - CLOCK_ALLOWANCE, &error))
		log_error("%s", error.text);
	evtimer_add(ingest->expire, &wait);
}

/* --- Beginning and end --- */

static int listen_on(struct ingest *ingest, struct cs_error *error)
{
	struct sockaddr_in6 address = {
		.sin6_family = AF_INET6,
		.sin6_port = htobe16(ingest->config.port),
	};
	socklen_t len = sizeof(address);
	char text[INET6_ADDRSTRLEN];

	memcpy(&address.sin6_addr, ingest->config.address, CS_ADDR_LEN);
	inet_ntop(AF_INET6, &address.sin6_addr, text, sizeof(text));
	ingest->listener = evconnlistener_new_bind(ingest->base, on_accept, ingest,
						   LEV_OPT_CLOSE_ON_FREE |
						   LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
						   BACKLOG, (struct sockaddr *)&address, len);
	if (!ingest->listener ||
	    getsockname(evconnlistener_get_fd(ingest->listener), (struct sockaddr *)&address,
			&len))
		return cs_error_set(error, -errno, "ingest: can't listen on [%s]:%u: %s", text,
				    ingest->config.port, strerror(errno));
	ingest->port = be16toh(address.sin6_port);
	evconnlistener_set_error_cb(ingest->listener, on_accept_failed);
	return 0;
}

/**
 * ingest_open() - begin to receive
 * @ingest: gets it
 * @base: event loop
 * @config: with ingest {}
 * @identity: signs receipts; must stay
 * @taken: is told of new messages, may be NULL
 * @data: for @taken
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int ingest_open(struct ingest **ingest, struct event_base *base, const struct config *config,
		const struct identity *identity, ingest_taken taken, void *data,
		struct cs_error *error)
{
	struct ingest *new = calloc(1, sizeof(*new));
	char path[PATH_MAX];
	int rc;

	if (!new)
		return cs_error_set(error, -ENOMEM, "out of memory");
	new->base = base;
	new->config = config->ingest;
	new->identity = identity;
	new->taken = taken;
	new->data = data;
	snprintf(path, sizeof(path), "%.*s/ingest.db", PATH_MAX - 32, config->state);
	rc = ingest_file_open(&new->file, path, new->config.inbox, error);
	if (!rc)
		rc = ingest_file_bytes(new->file, &new->bytes, error);
	new->tls = rc ? NULL : wired_tls(identity, error);
	new->resume = evtimer_new(base, on_resume, new);
	new->expire = evtimer_new(base, on_expire, new);
	if (!rc && !new->tls)
		rc = -EIO;
	if (!rc && (!new->resume || !new->expire))
		rc = cs_error_set(error, -ENOMEM, "out of memory");
	if (!rc)
		rc = listen_on(new, error);
	if (rc) {
		ingest_close(new);
		return rc;
	}
	on_expire(-1, 0, new);
	*ingest = new;
	return 0;
}

/**
 * ingest_close() - end; the event loop has ended
 * @ingest: may be NULL
 */
void ingest_close(struct ingest *ingest)
{
	struct client *client;

	if (!ingest)
		return;
	while ((client = ingest->clients)) {
		ingest->clients = client->next;
		wired_free(client->wired);
		free(client);
	}
	if (ingest->listener)
		evconnlistener_free(ingest->listener);
	if (ingest->resume)
		event_free(ingest->resume);
	if (ingest->expire)
		event_free(ingest->expire);
	SSL_CTX_free(ingest->tls);
	ingest_file_close(ingest->file);
	free(ingest);
}

/**
 * ingest_port() - where it listens
 * @ingest: open
 *
 * Return: the TCP port.
 */
uint16_t ingest_port(const struct ingest *ingest)
{
	return ingest->port;
}

/**
 * ingest_stats() - what came so far
 * @ingest: open
 *
 * Return: the counters.
 */
const struct ingest_stats *ingest_stats(const struct ingest *ingest)
{
	return &ingest->stats;
}
