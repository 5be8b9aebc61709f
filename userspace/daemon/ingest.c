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
 * With a bucket the answer waits until the bucket has all that it acknowledges (ingest_bucket.c),
 * and not longer than a gateway waits for it: what is not there then can't be kept now, is brought
 * again, and is known when it comes.
 *
 * Here the messages end their way. What makes fobjects of them (userspace/fobject) takes them out
 * of the inbox, or is called as @taken; this file knows nothing of what is in them. Who sent an
 * object the provider is told by an envelope of his own (ingest_vouch.c), with which chunks are
 * decoded in the inbox, too (ingest_whole.c).
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

#include "daemon/clock.h"
#include "daemon/ingest.h"
#include "daemon/ingest_bucket.h"
#include "daemon/ingest_vouch.h"
#include "daemon/ingest_whole.h"
#include "daemon/log.h"
#include "daemon/notice.h"
#include "daemon/policy.h"
#include "daemon/receipt.h"
#include "daemon/wired.h"
#include "lib/message.h"

#define BACKLOG		64
#define EXPIRE_SECONDS	10
#define EXPIRE_MSEC	20	/* between two steps when there is much */
#define CLOCK_ALLOWANCE	600	/* seconds that clocks may differ */
#define COUNT_SECONDS	5	/* between two looks at a full inbox */
#define LINES_RATE	2
#define ANSWER_SECONDS	20	/* for the bucket; a gateway hears for 30 */
#define ANSWERS_MAX	8	/* of one client that wait; a gateway brings 4 batches at a time */

/**
 * struct answer - what is to be said of a delivery
 * @next: another one of the client
 * @client: who brought it
 * @number: of the batch, as the client counts
 * @count: messages
 * @states: of each, enum proto_ack_state
 * @digests: of each
 * @receipts: number of the receipt of each that is here
 * @expiry: of the message that lives longest of those that are here
 * @late: timer: it has waited for long enough
 */
struct answer {
	struct answer	*next;
	struct client	*client;
	uint64_t	number;
	size_t		count;
	uint8_t		states[PROTO_BATCH_MAX];
	uint8_t		digests[PROTO_BATCH_MAX][CS_DIGEST_LEN];
	int64_t		receipts[PROTO_BATCH_MAX];
	uint64_t	expiry;
	struct event	*late;
};

/**
 * struct client - a gateway that is connected
 * @next: in the list of all
 * @ingest: whose it is
 * @wired: the connection
 * @remote: where it comes from
 * @local: address that it connected to
 * @public: its key, once TLS has proven it
 * @answers: that wait for the bucket, the latest first
 * @nr_answers: their number
 */
struct client {
	struct client	*next;
	struct ingest	*ingest;
	struct wired	*wired;
	struct in6_addr	remote;
	uint8_t		local[CS_ADDR_LEN];
	uint8_t		public[IDENTITY_PUBLIC_LEN];
	struct answer	*answers;
	unsigned int	nr_answers;
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
 * @bucket: where it goes from the inbox; NULL: it is taken from there
 * @vouch: finds out who sent it; may be NULL
 * @whole: decodes what is in the inbox; may be NULL
 * @bytes: that the files in the inbox take, at most: what was taken out since is not seen
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
	struct ingest_bucket		*bucket;
	struct ingest_vouch		*vouch;
	struct ingest_whole		*whole;
	uint64_t			bytes;
	time_t				counted;
	ingest_taken			taken;
	void				*data;
	struct ingest_stats		stats;
	struct policy_bucket		lines;
};

static const char *label(const struct client *client)
{
	static char text[INET6_ADDRSTRLEN];

	return inet_ntop(AF_INET6, &client->remote, text, sizeof(text));
}

/* Strangers can't fill the log. */
static void note(struct ingest *ingest, const struct client *client, const char *why)
{
	policy_bucket_set(&ingest->lines, LINES_RATE, daemon_ticks());
	if (policy_bucket_take(&ingest->lines, 1, daemon_ticks()))
		log_notice("%s: %s", label(client), why);
}

static void answer_free(struct answer *answer)
{
	struct client *client = answer->client;
	struct answer **at = &client->answers;

	while (*at != answer)
		at = &(*at)->next;
	*at = answer->next;
	client->nr_answers--;
	event_free(answer->late);
	free(answer);
}

static void client_free(struct client *client)
{
	struct client **at = &client->ingest->clients;

	while (client->answers)
		answer_free(client->answers);
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
 * struct delivery - a DELIVER that is being judged
 * @answer: what is to be said
 * @letter: the letter
 * @batch: those that are new
 */
struct delivery {
	struct answer			answer;
	const struct proto_deliver	*letter;
	struct ingest_batch		batch;
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
	if (!serves(delivery->answer.client, hdr) ||
	    (delivery->batch.receipt.nr_digests &&
	     memcmp(receipt->destination, hdr->destination, CS_ADDR_LEN)))
		return PROTO_ACK_DESTINATION;
	if (expiry <= now)
		return PROTO_ACK_EXPIRED;
	return expiry > now + CROWDSHARE_LIFETIME_LIMIT + CLOCK_ALLOWANCE ? PROTO_ACK_LIFETIME :
									    PROTO_ACK_NEW;
}

/*
 * Is there room in the inbox for a file of so many bytes? When there seems to be none, what was
 * taken out is looked for.
 */
static bool fits(struct ingest *ingest, size_t len)
{
	uint64_t cost = ingest_file_cost(len);
	struct cs_error error = { "" };
	time_t now = daemon_ticks() / 1000000000;

	if (ingest->bytes + cost <= ingest->config.bytes)
		return true;
	if (ingest->counted && now < ingest->counted + COUNT_SECONDS)
		return false;
	ingest->counted = now;
	if (ingest_file_bytes(ingest->file, &ingest->bytes, &error))
		log_error("%s", error.text);
	if (ingest->bytes + cost <= ingest->config.bytes)
		return true;
	log_warning("the inbox is full: %llu bytes wait in it to be taken",
		    (unsigned long long)ingest->bytes);
	return false;
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
				 size_t *room, int64_t *receipt)
{
	const struct cs_msg_hdr *hdr = (const struct cs_msg_hdr *)message;
	struct ingest *ingest = delivery->answer.client->ingest;
	enum proto_ack_state state;
	struct cs_error error = { "" };
	int rc;

	state = judge(delivery, message, len);
	if (state)
		return state;
	if (twice(delivery, hdr->digest))
		return PROTO_ACK_KNOWN;
	rc = ingest_file_find(ingest->file, hdr->digest, receipt, &error);
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
	size_t left = delivery->letter->len, len, room = 0, i;
	struct answer *answer = &delivery->answer;
	uint64_t expiry;

	for (; left; message += len, left -= len) {
		i = answer->count++;
		len = proto_message_len(message, left);
		memcpy(answer->digests[i], message, CS_DIGEST_LEN);
		answer->states[i] = sort(delivery, message, len, &room, &answer->receipts[i]);
		expiry = be64toh(((const struct cs_msg_hdr *)message)->expiry);
		if (answer->states[i] <= PROTO_ACK_KNOWN && expiry > answer->expiry)
			answer->expiry = expiry;
	}
}

/* The new messages, and those that are the same in this letter, are here, or none of them is. */
static void new_are(struct delivery *delivery, int64_t receipt)
{
	struct answer *answer = &delivery->answer;
	size_t i;

	for (i = 0; i < answer->count; i++) {
		if (!twice(delivery, answer->digests[i]))
			continue;
		answer->receipts[i] = receipt;
		if (!receipt)
			answer->states[i] = PROTO_ACK_ERROR;
	}
}

/*
 * Who sent what is new, before that is committed: it is not looked at again. What is written for a
 * message that then can't be kept is written again when it comes again.
 */
static void vouch_for(struct ingest *ingest, const struct ingest_batch *batch)
{
	char name[INGEST_FILE_NAME];
	size_t i;

	for (i = 0; ingest->vouch && i < batch->receipt.nr_digests; i++)
		if (ingest_vouch_look(ingest->vouch, batch->message[i], batch->len[i], name) &&
		    ingest->bucket)
			ingest_bucket_add(ingest->bucket, name);
}

/* Commits what is new; what can't be is told so. */
static void keep_new(struct delivery *delivery)
{
	struct client *client = delivery->answer.client;
	struct ingest_batch *batch = &delivery->batch;
	struct ingest *ingest = client->ingest;
	struct cs_error error = { "" };
	char name[INGEST_FILE_NAME];
	size_t len = 0, i;

	if (!batch->receipt.nr_digests)
		return;
	memcpy(batch->receipt.deliverer, client->public, IDENTITY_PUBLIC_LEN);
	memcpy(batch->receipt.contract, delivery->letter->contract, PROTO_UID_LEN);
	batch->receipt.time = time(NULL);
	vouch_for(ingest, batch);
	if (ingest_file_keep(ingest->file, batch, &error)) {
		log_error("%s", error.text);
		new_are(delivery, 0);
		return;
	}
	new_are(delivery, batch->receipt.id);
	for (i = 0; i < batch->receipt.nr_digests; i++)
		len += batch->len[i];
	ingest->bytes += ingest_file_cost(len);
	ingest->stats.receipts++;
	if (ingest->taken)
		ingest->taken(batch, ingest->data);
	if (ingest->whole)
		ingest_whole_added(ingest->whole);
	if (!ingest->bucket)
		return;
	ingest_file_name(batch->receipt.id, name);
	ingest_bucket_add(ingest->bucket, name);
}

/* --- What is answered --- */

static int send_receipt(struct client *client, int64_t id)
{
	struct proto_letter letter = { .type = PROTO_RECEIPT };
	struct cs_error error = { "" };
	struct ingest_receipt receipt;

	if (ingest_file_receipt(client->ingest->file, id, &receipt, &error)) {
		log_error("%s", error.text);
		return -EIO;
	}
	/* who brought a message first gets its receipt, again if it comes again; others do not */
	if (memcmp(receipt.deliverer, client->public, IDENTITY_PUBLIC_LEN))
		return 0;
	memcpy(letter.receipt.destination, receipt.destination, CS_ADDR_LEN);
	memcpy(letter.receipt.deliverer, receipt.deliverer, IDENTITY_PUBLIC_LEN);
	memcpy(letter.receipt.contract, receipt.contract, PROTO_UID_LEN);
	letter.receipt.port = receipt.port;
	letter.receipt.time = receipt.time;
	letter.receipt.digests = receipt.digests[0];
	letter.receipt.nr_digests = receipt.nr_digests;
	if (receipt_sign(&letter.receipt, client->ingest->identity, &error)) {
		log_error("%s", error.text);
		return -EIO;
	}
	return wired_send(client->wired, &letter);
}

static bool is_here(const struct answer *answer, size_t i)
{
	return answer->states[i] <= PROTO_ACK_KNOWN;
}

/* Does a message before it have the same receipt? */
static bool has_receipt(const struct answer *answer, size_t i)
{
	size_t j;

	for (j = 0; j < i; j++)
		if (is_here(answer, j) && answer->receipts[j] == answer->receipts[i])
			return true;
	return false;
}

static int send_receipts(const struct answer *answer)
{
	int rc = 0;
	size_t i;

	for (i = 0; !rc && i < answer->count; i++)
		if (is_here(answer, i) && !has_receipt(answer, i))
			rc = send_receipt(answer->client, answer->receipts[i]);
	return rc;
}

/* A notice of all that is here now, so that who holds it drops it. */
static int send_cancel(const struct answer *answer)
{
	struct proto_letter letter = { .type = PROTO_CANCEL };
	uint8_t digests[PROTO_BATCH_MAX][CS_DIGEST_LEN];
	struct client *client = answer->client;
	size_t i, n = 0;

	for (i = 0; i < answer->count; i++)
		if (is_here(answer, i))
			memcpy(digests[n++], answer->digests[i], CS_DIGEST_LEN);
	if (!n)
		return 0;
	letter.cancel.digests = digests[0];
	letter.cancel.nr_digests = n;
	letter.cancel.expiry = answer->expiry;
	if (notice_sign(&letter.cancel, client->ingest->identity))
		return -EIO;
	return wired_send(client->wired, &letter);
}

static int send_ack(const struct answer *answer)
{
	struct proto_letter letter = {
		.type = PROTO_ACK,
		.ack.batch = answer->number,
		.ack.states = answer->states,
		.ack.nr_states = answer->count,
	};
	size_t i;

	for (i = 0; i < answer->count; i++)
		answer->client->ingest->stats.states[answer->states[i]]++;
	return wired_send(answer->client->wired, &letter);
}

/* The client may be gone afterwards. */
static void say(const struct answer *answer)
{
	struct client *client = answer->client;
	int rc;

	rc = send_receipts(answer);
	if (!rc)
		rc = send_cancel(answer);
	if (!rc)
		rc = send_ack(answer);
	if (rc)
		turn_away(client, rc == -ENOBUFS ? "it does not read what it is answered" :
						   "it can't be answered");
}

/* --- Answers that wait for the bucket --- */

static bool waits(const struct answer *answer, size_t i)
{
	return is_here(answer, i) &&
	       ingest_file_waits(answer->client->ingest->file, answer->receipts[i]);
}

static bool any_waits(const struct answer *answer)
{
	size_t i;

	for (i = 0; i < answer->count; i++)
		if (!has_receipt(answer, i) && waits(answer, i))
			return true;
	return false;
}

static void say_held(struct answer *held)
{
	struct answer answer = *held;

	answer_free(held);
	say(&answer);
}

static void on_late(evutil_socket_t fd, short what, void *data)
{
	struct answer *answer = data;
	size_t i;

	(void)fd;
	(void)what;
	for (i = 0; i < answer->count; i++)
		if (waits(answer, i))
			answer->states[i] = PROTO_ACK_ERROR;
	say_held(answer);
}

static void hold(const struct answer *answer)
{
	static const struct timeval wait = { ANSWER_SECONDS, 0 };
	struct client *client = answer->client;
	struct answer *held = malloc(sizeof(*held));

	if (!held) {
		turn_away(client, "out of memory");
		return;
	}
	*held = *answer;
	held->late = evtimer_new(client->ingest->base, on_late, held);
	if (!held->late || evtimer_add(held->late, &wait)) {
		if (held->late)
			event_free(held->late);
		free(held);
		turn_away(client, "out of memory");
		return;
	}
	held->next = client->answers;
	client->answers = held;
	client->nr_answers++;
}

/* An answer that has waited for this receipt last. */
static struct answer *find_held(const struct ingest *ingest, int64_t receipt)
{
	const struct client *client;
	struct answer *answer;
	size_t i;

	for (client = ingest->clients; client; client = client->next)
		for (answer = client->answers; answer; answer = answer->next)
			for (i = 0; i < answer->count; i++)
				if (answer->receipts[i] == receipt && is_here(answer, i) &&
				    !any_waits(answer))
					return answer;
	return NULL;
}

static void on_in_bucket(void *data, const char *name)
{
	int64_t receipt = strtoll(name, NULL, 16);
	struct ingest *ingest = data;
	struct answer *answer;

	while ((answer = find_held(ingest, receipt)))
		say_held(answer);
}

static void on_deliver(struct client *client, const struct proto_deliver *deliver)
{
	static struct delivery delivery; /* large, and used by one at a time */

	if (client->nr_answers >= ANSWERS_MAX) {
		turn_away(client, "it brings more and more before it is answered");
		return;
	}
	memset(&delivery, 0, sizeof(delivery));
	delivery.answer.client = client;
	delivery.answer.number = deliver->batch;
	delivery.letter = deliver;
	client->ingest->stats.deliveries++;
	sort_all(&delivery);
	keep_new(&delivery);
	if (client->ingest->bucket && any_waits(&delivery.answer))
		hold(&delivery.answer);
	else
		say(&delivery.answer);
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
	static const struct timeval wait = { EXPIRE_SECONDS, 0 }, soon = { 0, EXPIRE_MSEC * 1000 };
	struct ingest *ingest = data;
	struct cs_error error = { "" };
	int rc;

	(void)fd;
	(void)what;
	rc = ingest_file_expire(ingest->file, time(NULL) - CLOCK_ALLOWANCE, &error);
	if (rc < 0)
		log_error("%s", error.text);
	evtimer_add(ingest->expire, rc > 0 ? &soon : &wait);
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
	if (!rc && *new->config.vouch.key)
		rc = ingest_vouch_open(&new->vouch, &new->config, identity, error);
	if (!rc && *new->config.bucket.url)
		rc = ingest_bucket_open(&new->bucket, base, &new->config, on_in_bucket, new, error);
	/* what goes to a bucket is gone before it could be whole */
	if (!rc && *new->config.vouch.key && !new->bucket)
		rc = ingest_whole_open(&new->whole, base, &new->config, error);
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
		wired_free(client->wired);
		client_free(client);
	}
	if (ingest->listener)
		evconnlistener_free(ingest->listener);
	if (ingest->resume)
		event_free(ingest->resume);
	if (ingest->expire)
		event_free(ingest->expire);
	SSL_CTX_free(ingest->tls);
	ingest_bucket_close(ingest->bucket);
	ingest_whole_close(ingest->whole);
	ingest_vouch_close(ingest->vouch);
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
