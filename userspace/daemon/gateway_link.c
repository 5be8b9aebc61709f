// SPDX-License-Identifier: GPL-2.0
/*
 * A gateway's connection to the ingest of a target.
 *
 *	gateway                               ingest
 *	DELIVER batch, contract, messages  →
 *	                                   ←  RECEIPT of those that are new, or came by this gateway
 *	                                   ←  CANCEL of all that are there now
 *	                                   ←  ACK batch, what became of each
 *
 * Some batches are under way at a time, so that the way there and back is not waited for. The
 * messages of a batch came under one contract, or under none: the receipt names it.
 *
 * The address of a message leads to its ingest; whether the one that answers there is the right one
 * only a card tells, or for its messages a contract (receiver.c). If there is neither, this node
 * knows no better than to believe the wired network.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/cancel.h"
#include "daemon/gateway.h"
#include "daemon/intake.h"
#include "daemon/log.h"
#include "daemon/offer.h"
#include "daemon/receipt_way.h"
#include "daemon/receiver.h"

#define WINDOW		4		/* batches under way */
#define BACKLOG		(1 << 20)
#define REFUSED_MAX	65536		/* messages: 2 MiB at most */

static const struct wired_limits limits = { .handshake = 15, .letter = 60, .idle = 30 };

/* --- Bringing --- */

static void give_back(struct target *target, struct gateway_batch *batch)
{
	size_t i;

	for (i = 0; i < batch->count; i++)
		if (gateway_queue(target, batch->digests[i]))
			idset_del(&target->gateway->known, batch->digests[i]);
	free(batch);
}

/* The connection is over; what was not answered is brought again. */
static void unlink_target(struct target *target)
{
	struct gateway_batch *batch;

	target->wired = NULL;
	target->gateway->links--;
	target->state = GATEWAY_IDLE;
	while ((batch = target->batches)) {
		target->batches = batch->next;
		give_back(target, batch);
	}
}

/**
 * gateway_disconnect() - end a connection
 * @target: has one
 * @why: the reason
 */
void gateway_disconnect(struct target *target, const char *why)
{
	wired_close(target->wired, why);
	unlink_target(target);
}

/* It does what it must not: not tried again at once. */
static void quit(struct target *target, const char *why)
{
	gateway_disconnect(target, why);
	gateway_later(target, why);
}

/* Which contract did a message come under? */
static void contract_of(const struct daemon *daemon, const struct store_item *item,
			uint8_t uid[CONTRACT_UID_LEN])
{
	memset(uid, 0, CONTRACT_UID_LEN);
	if (!(item->flags & STORE_OWN))
		deal_sold(daemon, item->peer, item->contract, item->digest, uid);
}

static bool mismatches(const struct target *target, const uint8_t public[IDENTITY_PUBLIC_LEN])
{
	return memcmp(target->public, public, IDENTITY_PUBLIC_LEN);
}

/* Is the one who answers not whom the card, or the contract of a message, names? */
static bool is_for_another(const struct target *target, const struct store_item *item)
{
	uint8_t named[IDENTITY_PUBLIC_LEN];

	return receiver_of(target->gateway->daemon, item, named) && mismatches(target, named);
}

/**
 * struct filling - a batch that is being made
 * @batch: the batch
 * @letter: its letter
 * @data: the messages
 * @len: their bytes
 */
struct filling {
	struct gateway_batch	*batch;
	struct proto_letter	letter;
	uint8_t			data[PROTO_DELIVER_MAX];
	size_t			len;
};

/* Takes one message from the front of the queue; false: the batch is full. */
static bool fill_one(struct target *target, struct filling *filling)
{
	struct daemon *daemon = target->gateway->daemon;
	uint8_t digest[CS_DIGEST_LEN], uid[CONTRACT_UID_LEN];
	struct gateway_batch *batch = filling->batch;
	struct store_item item;

	memcpy(digest, target->queue[target->head], CS_DIGEST_LEN);
	if (store_get(daemon->store, digest, &item) || !gateway_wants(target->gateway, &item)) {
		target->head++;
		idset_del(&target->gateway->known, digest);
		return true;
	}
	if (is_for_another(target, &item)) {
		/* it would be lost there, and earn nothing; a look at the store finds it again */
		snprintf(target->why, sizeof(target->why),
			 "its key is not the one that a contract names");
		target->head++;
		idset_del(&target->gateway->known, digest);
		return true;
	}
	if (item.size > sizeof(filling->data) - filling->len)
		return false;
	target->head++;
	contract_of(daemon, &item, uid);
	if (batch->count && memcmp(filling->letter.deliver.contract, uid, sizeof(uid))) {
		/* of another contract: for another batch; there is room, as one was taken out */
		gateway_queue(target, digest);
		return true;
	}
	memcpy(filling->letter.deliver.contract, uid, sizeof(uid));
	memcpy(filling->data + filling->len, item.message, item.size);
	filling->len += item.size;
	memcpy(batch->digests[batch->count++], digest, CS_DIGEST_LEN);
	return true;
}

/* On the disk before the ingest can have it: a kill may keep the answer from this node. */
static int mark_brought(struct daemon *daemon, const struct gateway_batch *batch)
{
	struct cs_error error = { "" };
	size_t i;
	int rc;

	for (i = 0; i < batch->count; i++)
		store_flag(daemon->store, batch->digests[i], STORE_BROUGHT, 0);
	rc = store_commit(daemon->store, &error);
	if (rc)
		log_error("store: %s", error.text);
	return rc;
}

/* Brings a batch; false: there is nothing, or not now. */
static bool bring(struct target *target)
{
	static struct filling filling; /* large, and used by one at a time */
	size_t looks = target->tail - target->head;
	size_t most = target->gateway->daemon->config.gateway.batch;
	struct gateway_batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return false;
	filling.batch = batch;
	filling.len = 0;
	filling.letter = (struct proto_letter){ .type = PROTO_DELIVER };
	while (looks-- && batch->count < most)
		if (!fill_one(target, &filling))
			break;
	batch->number = target->numbers++;
	filling.letter.deliver.batch = batch->number;
	filling.letter.deliver.messages = filling.data;
	filling.letter.deliver.len = filling.len;
	if (!batch->count || mark_brought(target->gateway->daemon, batch) ||
	    wired_send(target->wired, &filling.letter)) {
		give_back(target, batch);
		return false;
	}
	batch->next = target->batches;
	target->batches = batch;
	return true;
}

/**
 * gateway_pump() - bring what can be brought now
 * @target: has a connection
 */
void gateway_pump(struct target *target)
{
	const struct gateway_batch *batch;
	size_t n = 0;

	if (target->state != GATEWAY_UP)
		return;
	for (batch = target->batches; batch; batch = batch->next)
		n++;
	while (n++ < WINDOW && target->head < target->tail &&
	       wired_backlog(target->wired) < BACKLOG && daemon_ticks() >= target->retry)
		if (!bring(target))
			break;
}

/* --- What is answered --- */

static void on_receipt(struct target *target, const struct proto_receipt *receipt)
{
	struct cs_error error = { "" };

	if (mismatches(target, receipt->receiver) || receipt->port != target->port ||
	    memcmp(receipt->destination, target->address, CS_ADDR_LEN)) {
		quit(target, "it gives receipts of another destination");
		return;
	}
	/* if it is not kept for want of room, it comes again: what it is of is not acknowledged */
	if (receipt_delivered(target->gateway->daemon, receipt, &error))
		quit(target, error.text);
	else
		target->receipted += receipt->nr_digests;
}

static void on_cancel(struct target *target, const struct proto_cancel *cancel)
{
	struct cs_error error = { "" };

	if (mismatches(target, cancel->public))
		quit(target, "it gives notices of another destination");
	else if (cancel_notice(target->gateway->daemon, NULL, cancel, &error) == -EBADMSG)
		quit(target, error.text);
}

/* What became of one message; not NULL: why it is to be brought again later. */
static const char *on_state(struct target *target, const uint8_t *digest,
			    enum proto_ack_state state)
{
	static const char *const reasons[] = {
		[PROTO_ACK_DIGEST] = "it is not what its digest says",
		[PROTO_ACK_DESTINATION] = "it is not for that ingest",
		[PROTO_ACK_EXPIRED] = "it has expired",
		[PROTO_ACK_LIFETIME] = "it lives too long",
	};
	struct gateway *gateway = target->gateway;

	if (state == PROTO_ACK_FULL || state == PROTO_ACK_ERROR) {
		if (gateway_queue(target, digest))
			idset_del(&gateway->known, digest);
		return state == PROTO_ACK_FULL ? "it has no room now" :
						 "it can't keep them now";
	}
	if (state <= PROTO_ACK_KNOWN) {
		/* unless a notice has dropped it */
		store_flag(gateway->daemon->store, digest, STORE_DELIVERED, STORE_BROUGHT);
		intake_changed(gateway->daemon);
		idset_del(&gateway->known, digest);
		target->delivered++;
		return NULL;
	}
	/* not brought again, unless so many are refused that room is needed to remember them */
	if (gateway->refused.count >= REFUSED_MAX)
		idset_clear(&gateway->refused);
	idset_add(&gateway->refused, digest);
	idset_del(&gateway->known, digest);
	store_flag(gateway->daemon->store, digest, 0, STORE_BROUGHT);
	intake_changed(gateway->daemon);
	target->refused++;
	log_info("gateway: message %02x%02x%02x%02x... is refused: %s", digest[0], digest[1],
		 digest[2], digest[3], reasons[state]);
	return NULL;
}

static void on_ack(struct target *target, const struct proto_ack *ack)
{
	struct gateway_batch **at = &target->batches, *batch;
	const char *later = NULL, *why;
	size_t i;

	while ((batch = *at) && batch->number != ack->batch)
		at = &batch->next;
	if (!batch || batch->count != ack->nr_states) {
		quit(target, "it answers what it was not given");
		return;
	}
	*at = batch->next;
	for (i = 0; i < batch->count; i++) {
		why = on_state(target, batch->digests[i], ack->states[i]);
		later = why ? why : later;
	}
	free(batch);
	if (later) {
		quit(target, later);
		return;
	}
	target->failures = 0;
	target->why[0] = '\0';
	gateway_pump(target);
}

static void on_letter(void *data, const struct proto_letter *letter)
{
	struct target *target = data;

	switch (letter->type) {
	case PROTO_RECEIPT:
		on_receipt(target, &letter->receipt);
		break;
	case PROTO_CANCEL:
		on_cancel(target, &letter->cancel);
		break;
	case PROTO_ACK:
		on_ack(target, &letter->ack);
		break;
	default:
		quit(target, "a letter that has no place here");
	}
}

/* --- The connection --- */

static void on_ready(void *data, const uint8_t public[IDENTITY_PUBLIC_LEN])
{
	struct target *target = data;
	uint8_t known[IDENTITY_PUBLIC_LEN];

	if (receiver_known(target->gateway->daemon, target->address, target->port, known) &&
	    memcmp(known, public, IDENTITY_PUBLIC_LEN)) {
		quit(target, "its key is not the one that the card names");
		return;
	}
	memcpy(target->public, public, IDENTITY_PUBLIC_LEN);
	target->state = GATEWAY_UP;
	gateway_pump(target);
}

static void on_closed(void *data, const char *why)
{
	struct target *target = data;
	bool done = target->state == GATEWAY_UP && !target->batches;

	unlink_target(target);
	/* who has nothing to say is closed after a while, on either side */
	if (!done || target->head < target->tail)
		gateway_later(target, why);
}

static const struct wired_ops ops = {
	.ready = on_ready,
	.letter = on_letter,
	.closed = on_closed,
};

static int open_socket(const struct target *target)
{
	const char *interface = target->gateway->daemon->config.gateway.interface;
	struct sockaddr_in6 remote = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(target->port),
	};
	int fd, rc, on = 1;

	memcpy(&remote.sin6_addr, target->address, CS_ADDR_LEN);
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, strlen(interface)) &&
	    (!connect(fd, (struct sockaddr *)&remote, sizeof(remote)) || errno == EINPROGRESS))
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/**
 * gateway_connect() - begin a connection to the ingest of a target
 * @target: has none
 */
void gateway_connect(struct target *target)
{
	struct gateway *gateway = target->gateway;
	int fd = open_socket(target);

	if (fd >= 0)
		target->wired = wired_new(gateway->daemon->base, gateway->tls, fd, false, &limits,
					  &ops, target);
	if (!target->wired) {
		gateway_later(target, fd < 0 ? strerror(-fd) : "out of memory");
		return;
	}
	gateway->links++;
	target->state = GATEWAY_CONNECTING;
}
