// SPDX-License-Identifier: GPL-2.0
/*
 * The gateway: pushes messages onto the wired network, to the ingest at their destination.
 *
 *	store ─ wired, served, alive? ─ queue of its target ─ DELIVER (gateway_link.c) ─ ACK ─ done
 *	                                        └── break, no room: again later ────────┘
 *
 * A target is a destination with its port. Its queue holds digests of messages of the store; what
 * was brought and not answered goes back there when the connection breaks, so nothing else is
 * brought twice. A message enters when it is stored, and by a look at the whole store now and then,
 * which finds what an earlier run, a full queue or a change of the configuration left. What was
 * brought is marked so in the store before: until it is answered it is brought again, even when
 * others say that it was delivered, as it may be this node that has a receipt to get (cancel.c).
 *
 * After a failure a target waits: 1, 2, 4 ... 300 seconds, of which half is left to chance, so that
 * gateways that lost the same ingest do not come back together.
 *
 * Whoever sends a message chooses a target, which may be none: targets get their turn one after the
 * other, and when there are too many the one goes that failed most often. What waited for it stays
 * in the store.
 *
 * One process, one thread: no lock.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/gateway.h"
#include "daemon/log.h"
#include "daemon/offer.h"
#include "daemon/policy.h"
#include "daemon/receiver.h"

#define TARGETS_MAX	1024
#define LINKS_MAX	16
#define QUEUE_MAX	65536		/* messages of a target: 4 MiB */
#define SCAN_LOOKS	60		/* seconds between two looks at the whole store */
#define SECOND		1000000000ull

static const char *const states[] = {
#define NAME(name, string) string,
	GATEWAY_STATE_LIST(NAME)
#undef NAME
};

/* --- What is brought --- */

/**
 * gateway_wants() - is a message one to be brought?
 * @gateway: the gateway
 * @item: a message of the store
 *
 * Hops are those of the mesh, where this is not one.
 *
 * Return: whether it is.
 */
bool gateway_wants(const struct gateway *gateway, const struct store_item *item)
{
	const struct config_gateway *config = &gateway->daemon->config.gateway;

	return item->destination[0] != 0xfd && item->expiry > daemon_now() &&
	       !(item->flags & STORE_LOCAL) &&
	       (!(item->flags & STORE_DELIVERED) || item->flags & STORE_BROUGHT) &&
	       (!config->metered || item->flags & (STORE_OWN | STORE_EARNS)) &&
	       policy_in_prefixes(config->destinations, config->nr_destinations,
				  item->destination);
}

static struct target *find(const struct gateway *gateway, const uint8_t address[CS_ADDR_LEN],
			   uint16_t port)
{
	struct target *target;

	for (target = gateway->targets; target; target = target->next)
		if (target->port == port && !memcmp(target->address, address, CS_ADDR_LEN))
			return target;
	return NULL;
}

static void target_free(struct target *target)
{
	struct gateway_batch *batch;

	if (target->wired)
		wired_free(target->wired);
	while ((batch = target->batches)) {
		target->batches = batch->next;
		free(batch);
	}
	free(target->queue);
	free(target);
}

static void take_out(struct gateway *gateway, const struct target *target)
{
	struct target **at = &gateway->targets;

	while (*at != target)
		at = &(*at)->next;
	*at = target->next;
}

static void put_last(struct gateway *gateway, struct target *target)
{
	struct target **at = &gateway->targets;

	while (*at)
		at = &(*at)->next;
	*at = target;
	target->next = NULL;
}

static bool waits(const struct target *target)
{
	return target->head < target->tail;
}

/* The one that failed most often makes room for another, or one that has nothing to do. */
static bool make_room(struct gateway *gateway)
{
	struct target *target, *worst = NULL;

	if (gateway->nr_targets < TARGETS_MAX)
		return true;
	for (target = gateway->targets; target; target = target->next)
		if (!target->wired && (target->failures || !waits(target)) &&
		    (!worst || target->failures > worst->failures))
			worst = target;
	if (!worst)
		return false;
	for (; waits(worst); worst->head++)
		idset_del(&gateway->known, worst->queue[worst->head]);
	take_out(gateway, worst);
	target_free(worst);
	gateway->nr_targets--;
	return true;
}

static struct target *target_of(struct gateway *gateway, const uint8_t address[CS_ADDR_LEN],
				uint16_t port)
{
	struct target *target = find(gateway, address, port);

	if (target || !make_room(gateway))
		return target;
	target = calloc(1, sizeof(*target));
	if (!target)
		return NULL;
	target->gateway = gateway;
	target->port = port;
	memcpy(target->address, address, CS_ADDR_LEN);
	put_last(gateway, target);
	gateway->nr_targets++;
	return target;
}

/* a target belongs to the gateway's list, of which GCC 12 loses sight */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

/**
 * gateway_queue() - a message is to be brought
 * @target: where to
 * @digest: of the message
 *
 * Return: 0, -ENOSPC or -ENOMEM.
 */
int gateway_queue(struct target *target, const uint8_t digest[CS_DIGEST_LEN])
{
	size_t left = target->tail - target->head, room;
	void *grown;

	if (left >= QUEUE_MAX)
		return -ENOSPC;
	if (target->head && target->head >= left) {
		memmove(target->queue, target->queue + target->head, left * CS_DIGEST_LEN);
		target->head = 0;
		target->tail = left;
	}
	if (target->tail == target->room) {
		room = target->room ? 2 * target->room : PROTO_BATCH_MAX;
		grown = realloc(target->queue, room * CS_DIGEST_LEN);
		if (!grown)
			return -ENOMEM;
		target->queue = grown;
		target->room = room;
	}
	memcpy(target->queue[target->tail++], digest, CS_DIGEST_LEN);
	return 0;
}

/**
 * gateway_message() - a message is in the store
 * @daemon: whose
 * @item: the message; nothing happens unless it is one to be brought, and in no queue
 */
void gateway_message(struct daemon *daemon, const struct store_item *item)
{
	struct gateway *gateway = daemon->gateway;
	struct target *target;
	uint16_t port;

	if (!gateway || !gateway_wants(gateway, item) ||
	    idset_has(&gateway->known, item->digest) || idset_has(&gateway->refused, item->digest))
		return;
	port = receiver_port(daemon, item);
	target = port ? target_of(gateway, item->destination, port) : NULL;
	if (target && !gateway_queue(target, item->digest))
		idset_add(&gateway->known, item->digest);
}

static int scan_one(const struct store_item *item, void *data)
{
	gateway_message(data, item);
	return 0;
}

/* --- When --- */

/**
 * gateway_later() - something went wrong: the target waits
 * @target: which
 * @why: what
 */
void gateway_later(struct target *target, const char *why)
{
	char text[INET6_ADDRSTRLEN];

	target->retry = daemon_ticks() + policy_backoff(target->failures++);
	target->state = GATEWAY_WAITING;
	snprintf(target->why, sizeof(target->why), "%s", why);
	inet_ntop(AF_INET6, target->address, text, sizeof(text));
	log_notice("gateway: [%s]:%u: %s", text, target->port, target->why);
}

static void disconnect_all(struct gateway *gateway, const char *why)
{
	struct target *target;

	for (target = gateway->targets; target; target = target->next)
		if (target->wired)
			gateway_disconnect(target, why);
}

static bool may_deliver(struct gateway *gateway)
{
	const struct daemon *daemon = gateway->daemon;
	bool home = gateway_at_home(daemon, gateway->why);

	if (home && daemon->config.gateway.metered &&
	    policy_refuses(&daemon->config.policy, &daemon->power, &daemon->plan) == POLICY_PLAN) {
		snprintf(gateway->why, sizeof(gateway->why), "the data plan is exhausted");
		home = false;
	}
	if (home != gateway->home)
		log_notice("gateway: %s", home ? "at home: messages are delivered" : gateway->why);
	if (!home && gateway->home)
		disconnect_all(gateway, "the uplink is not at home any more");
	gateway->home = home;
	return home;
}

/* Those that had their turn go behind the others: few may be connected at a time. */
static void deliver(struct gateway *gateway)
{
	struct target *target, *next;
	uint64_t now = daemon_ticks();

	for (target = gateway->targets; target; target = next) {
		next = target->next;
		if (target->wired) {
			gateway_pump(target);
		} else if (waits(target) && now >= target->retry && gateway->links < LINKS_MAX) {
			take_out(gateway, target);
			put_last(gateway, target);
			gateway_connect(target);
		}
	}
}

static void on_timer(evutil_socket_t fd, short what, void *data)
{
	static const struct timeval second = { 1, 0 };
	struct daemon *daemon = data;
	struct gateway *gateway = daemon->gateway;

	(void)fd;
	(void)what;
	if (gateway->looks++ % SCAN_LOOKS == 0)
		store_each(daemon->store, scan_one, daemon);
	if (may_deliver(gateway))
		deliver(gateway);
	evtimer_add(gateway->timer, &second);
}

/* --- Beginning, end, the control socket --- */

/**
 * gateway_open() - begin to deliver, if the configuration wants it
 * @daemon: whose
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int gateway_open(struct daemon *daemon, struct cs_error *error)
{
	static const struct timeval now = { 0, 0 };
	struct gateway *gateway;

	if (!daemon->config.gateway.interface[0])
		return 0;
	gateway = calloc(1, sizeof(*gateway));
	if (!gateway)
		return cs_error_set(error, -ENOMEM, "out of memory");
	gateway->daemon = daemon;
	daemon->gateway = gateway;
	gateway->tls = wired_tls(&daemon->identity, error);
	if (!gateway->tls)
		return -EIO;
	gateway->timer = evtimer_new(daemon->base, on_timer, daemon);
	if (!gateway->timer || evtimer_add(gateway->timer, &now))
		return cs_error_set(error, -ENOMEM, "out of memory");
	return 0;
}

/**
 * gateway_close() - end; what was not acknowledged is brought again by the next run
 * @daemon: whose
 */
void gateway_close(struct daemon *daemon)
{
	struct gateway *gateway = daemon->gateway;
	struct target *target;

	if (!gateway)
		return;
	while ((target = gateway->targets)) {
		gateway->targets = target->next;
		target_free(target);
	}
	if (gateway->timer)
		event_free(gateway->timer);
	idset_clear(&gateway->known);
	idset_clear(&gateway->refused);
	SSL_CTX_free(gateway->tls);
	free(gateway);
	daemon->gateway = NULL;
}

static json_t *target_json(const struct target *target)
{
	const struct gateway_batch *batch;
	uint64_t now = daemon_ticks(), waiting = target->tail - target->head;
	char address[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, target->address, address, sizeof(address));
	for (batch = target->batches; batch; batch = batch->next)
		waiting += batch->count;
	return json_pack("{s:s, s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "address", address,
			 "port", target->port, "state", states[target->state], "waiting",
			 (json_int_t)waiting, "delivered", (json_int_t)target->delivered,
			 "receipted", (json_int_t)target->receipted, "refused",
			 (json_int_t)target->refused, "failures", (json_int_t)target->failures,
			 "retry", (json_int_t)(target->state == GATEWAY_WAITING &&
					       target->retry > now ?
					       (target->retry - now + SECOND - 1) / SECOND : 0),
			 "why", target->why);
}

/**
 * gateway_json() - what it does
 * @daemon: whose
 *
 * Return: a JSON object.
 */
json_t *gateway_json(const struct daemon *daemon)
{
	const struct gateway *gateway = daemon->gateway;
	const struct target *target;
	json_t *targets = json_array();

	for (target = gateway ? gateway->targets : NULL; target; target = target->next)
		json_array_append_new(targets, target_json(target));
	return json_pack("{s:b, s:s, s:b, s:b, s:s, s:o}", "gateway", gateway != NULL,
			 "interface", daemon->config.gateway.interface, "home",
			 gateway && gateway->home, "metered", daemon->config.gateway.metered,
			 "why", gateway ? gateway->why :
					  "the configuration names no uplink: gateway.interface",
			 "targets", targets);
}
