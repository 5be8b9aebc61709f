// SPDX-License-Identifier: GPL-2.0
/*
 * What the daemon answers on the control socket: a table of commands, a function each.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/cancel.h"
#include "daemon/gateway.h"
#include "daemon/intake.h"
#include "daemon/log.h"
#include "daemon/offer.h"
#include "daemon/peer.h"
#include "daemon/receipt_way.h"
#include "daemon/receiver.h"
#include "daemon/status.h"
#include "daemon/submit.h"
#include "lib/hex.h"
#include "lib/utf8.h"

#define LIST_MAX 10000

/* An integer whose C type is whatever. */
#define INT(value) ((json_int_t)(value))

static void text_of(const uint8_t address[CS_ADDR_LEN], char text[INET6_ADDRSTRLEN])
{
	inet_ntop(AF_INET6, address, text, INET6_ADDRSTRLEN);
}

static json_t *hex_json(const uint8_t *bytes, size_t len)
{
	char text[2 * CS_DIGEST_LEN + 1];

	cs_hex(text, bytes, len);
	return json_string(text);
}

/* --- Arguments --- */

static struct peer *get_peer(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	const char *text = json_string_value(json_object_get(request, "peer"));
	uint8_t address[CS_ADDR_LEN];
	struct peer *peer;

	if (!text || inet_pton(AF_INET6, text, address) != 1) {
		cs_error_set(error, -EINVAL, "'%s' is not the address of a node",
			     text ? text : "");
		return NULL;
	}
	peer = peer_by_address(daemon, address);
	if (!peer)
		cs_error_set(error, -ENOENT, "there is no peer %s", text);
	return peer;
}

static int get_digest(const json_t *request, uint8_t digest[CS_DIGEST_LEN],
		      struct cs_error *error)
{
	const char *text = json_string_value(json_object_get(request, "digest"));

	if (!text || cs_unhex(text, digest, CS_DIGEST_LEN) != CS_DIGEST_LEN)
		return cs_error_set(error, -EINVAL, "'%s' is not a digest: 128 hexadecimal digits",
				    text ? text : "");
	return 0;
}

/* --- Status --- */

/* The name of an interface is bytes, one of the configuration in any encoding; JSON is UTF-8. */
static json_t *name_json(const char *name)
{
	char text[CONFIG_NAME_LEN];

	return json_string(cs_utf8_clean(text, sizeof(text), name));
}

static unsigned int count_peers(const struct daemon *daemon, const struct port *port)
{
	const struct peer *peer;
	unsigned int n = 0;

	for (peer = daemon->peers; peer; peer = peer->next)
		n += peer->session && (!port || peer->port == port);
	return n;
}

static json_t *ports_json(const struct daemon *daemon)
{
	const struct port *port;
	json_t *list = json_array();

	for (port = daemon->ports; port; port = port->next)
		json_array_append_new(list, json_pack("{s:o, s:b, s:b, s:I}", "interface",
						      name_json(port->link.name), "up",
						      port->link.up, "attached", port->attached,
						      "peers", INT(count_peers(daemon, port))));
	return list;
}

static json_t *store_json(struct daemon *daemon)
{
	struct store_stats stats;

	store_stats(daemon->store, &stats);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "messages", INT(stats.messages),
			 "bytes", INT(stats.bytes), "quota", INT(stats.quota), "cancelled",
			 INT(stats.cancelled), "added", INT(stats.added), "expired",
			 INT(stats.expired), "evicted", INT(stats.evicted), "refused",
			 INT(stats.refused), "failed", INT(stats.failed), "missed",
			 INT(intake_stats(daemon)->missed));
}

static json_t *device_json(struct daemon *daemon)
{
	json_t *device = json_pack("{s:o}", "name", name_json(daemon->config.device.name));
	struct cs_error error = { "" };
	uint32_t count, max;

	if (daemon->kernel->ops->seen_fill(daemon->kernel, &count, &max, &error)) {
		log_warning("status: %s", error.text);
		return device;
	}
	json_object_set_new(device, "seen_count", json_integer(count));
	json_object_set_new(device, "seen_max", json_integer(max));
	return device;
}

static int compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Seconds by which the peers' clocks are ahead of this node's: the median, as some may be wrong. */
static json_t *clock_json(const struct daemon *daemon)
{
	const struct peer *peer;
	json_t *offset = NULL;
	int64_t *offsets;
	size_t n = 0;

	offsets = calloc(count_peers(daemon, NULL) + 1, sizeof(*offsets));
	if (!offsets)
		return NULL;
	for (peer = daemon->peers; peer; peer = peer->next)
		if (peer->session)
			offsets[n++] = peer->offset;
	if (n) {
		qsort(offsets, n, sizeof(*offsets), compare);
		offset = json_integer(offsets[n / 2]);
	}
	free(offsets);
	return offset;
}

static json_t *on_status(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	const struct intake_stats *intake = intake_stats(daemon);

	(void)request;
	(void)error;
	return json_pack("{s:s, s:s, s:o, s:I, s:o*, s:o, s:o, s:I, s:I, s:o, s:I, s:I, s:I, s:I}",
			 "version", CROWDSHARED_VERSION,
			 "address", daemon->identity.text, "public",
			 hex_json(daemon->identity.public, IDENTITY_PUBLIC_LEN), "uptime",
			 INT(daemon_now() - daemon->started), "clock_offset", clock_json(daemon),
			 "device", device_json(daemon), "ports", ports_json(daemon), "peers",
			 INT(count_peers(daemon, NULL)), "contracts", INT(deal_count(daemon)),
			 "store", store_json(daemon), "frames", INT(intake->frames), "missed",
			 INT(intake->missed), "bad", INT(intake->bad), "injected",
			 INT(intake->injected));
}

/* How long its certificate is valid, and who vouches for it. */
static json_t *certificate_json(const struct peer *peer)
{
	char issuer[128] = "", to[32] = "";
	struct tm end;

	if (!peer->certificate)
		return NULL;
	X509_NAME_get_text_by_NID(X509_get_issuer_name(peer->certificate), NID_commonName, issuer,
				  sizeof(issuer));
	if (ASN1_TIME_to_tm(X509_get0_notAfter(peer->certificate), &end))
		strftime(to, sizeof(to), "%Y-%m-%dT%H:%M:%SZ", &end);
	/* a name is whatever its owner wrote: NULL if it is no UTF-8 */
	return json_pack("{s:o*, s:s}", "issuer", json_string(issuer), "to", to);
}

static json_t *loss_json(const struct peer *peer)
{
	int permille = loss_permille(&peer->loss);

	return permille < 0 ? NULL : json_integer(permille);
}

static json_t *peer_json(const struct peer *peer)
{
	char address[INET6_ADDRSTRLEN], lladdr[18];
	const uint8_t *mac = peer->lladdr;
	const struct sync *sync = &peer->sync;

	text_of(peer->address, address);
	snprintf(lladdr, sizeof(lladdr), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return json_pack("{s:s, s:o, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:I,"
			 " s:I, s:I, s:o*, s:o*}",
			 "address", address, "name", name_json(peer->name), "port",
			 name_json(peer->port->link.name), "lladdr", lladdr, "state",
			 peer_state_name(peer->state), "rating", INT(peer->rating), "since",
			 INT(peer->since), "rx_bytes",
			 INT(peer->session ? peer->session->bytes_in : 0), "tx_bytes",
			 INT(peer->session ? peer->session->bytes_out : 0), "key_epoch",
			 INT(peer->epoch), "offset", INT(peer->offset), "status",
			 peer->session ? "up" : "lost", "rounds", INT(sync->rounds),
			 "reconcile_bytes", INT(sync->symbols_bytes), "given", INT(sync->given),
			 "got", INT(sync->got), "certificate", certificate_json(peer), "loss",
			 loss_json(peer));
}

static json_t *on_peers(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	const struct peer *peer;
	json_t *list = json_array();

	(void)request;
	(void)error;
	for (peer = daemon->peers; peer; peer = peer->next)
		json_array_append_new(list, peer_json(peer));
	return list;
}

/* --- Offers and contracts --- */

static json_t *on_offers(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	(void)request;
	(void)error;
	return offer_list(daemon);
}

static json_t *answer_offer(struct daemon *daemon, const json_t *request, struct cs_error *error,
			    int (*answer)(struct daemon *, uint64_t, struct cs_error *))
{
	const json_t *id = json_object_get(request, "id");

	if (!json_is_integer(id)) {
		cs_error_set(error, -EINVAL, "the number of an offer is missing");
		return NULL;
	}
	return answer(daemon, json_integer_value(id), error) ? NULL : json_object();
}

static json_t *on_accept(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	return answer_offer(daemon, request, error, offer_accept);
}

static json_t *on_reject(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	return answer_offer(daemon, request, error, offer_reject);
}

static json_t *on_make(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	const json_t *digests = json_object_get(request, "digests");
	struct peer *peer = get_peer(daemon, request, error);
	int rc;

	if (!peer)
		return NULL;
	rc = offer_make(daemon, peer, json_is_array(digests) ? digests : NULL, error);
	return rc < 0 ? NULL : json_pack("{s:I}", "messages", INT(rc));
}

static json_t *on_contracts(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	(void)request;
	return deal_list(daemon, error);
}

static json_t *on_contract(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	const char *text = json_string_value(json_object_get(request, "uid"));
	uint8_t uid[CONTRACT_UID_LEN];
	struct contract contract;
	json_t *list;
	size_t i;

	if (!text || cs_unhex(text, uid, sizeof(uid)) != sizeof(uid)) {
		cs_error_set(error, -EINVAL, "'%s' is not the uid of a contract",
			     text ? text : "");
		return NULL;
	}
	if (ledger_get(daemon->ledger, uid, &contract, error))
		return NULL;
	list = json_array();
	for (i = 0; i < contract.nr_items; i++)
		json_array_append_new(list, json_pack("{s:o, s:I}", "digest",
						      hex_json(contract.items[i].digest,
							       CS_DIGEST_LEN),
						      "size", INT(contract.items[i].size)));
	contract_free(&contract);
	return json_pack("{s:s, s:o}", "uid", text, "messages", list);
}

/* --- Store --- */

static json_t *on_store(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	(void)request;
	(void)error;
	return store_json(daemon);
}

/**
 * struct listing - what list_item() adds to
 * @list: a JSON array
 * @prefix: beginning of the digests that are listed, in digits
 * @after: only those beyond this one
 * @limit: at most so many
 */
struct listing {
	json_t		*list;
	const char	*prefix;
	const char	*after;
	size_t		limit;
};

static json_t *flags_json(uint8_t flags)
{
	static const char *const names[] = { "own", "delivered", "earns", "local",
					     "brought" };
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (flags & 1 << i)
			json_array_append_new(list, json_string(names[i]));
	return list;
}

static int list_item(const struct store_item *item, void *data)
{
	char digest[2 * CS_DIGEST_LEN + 1], destination[INET6_ADDRSTRLEN],
	     peer[INET6_ADDRSTRLEN];
	struct listing *listing = data;

	cs_hex(digest, item->digest, CS_DIGEST_LEN);
	if (strncasecmp(digest, listing->prefix, strlen(listing->prefix)))
		return 1; /* beyond those that begin with it */
	if (strcasecmp(digest, listing->after) <= 0)
		return 0;
	text_of(item->destination, destination);
	text_of(item->peer, peer);
	json_array_append_new(listing->list,
			      json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:I, s:I, s:o}",
					"digest", digest,
					"destination", destination, "size", INT(item->size),
					"expiry", INT(item->expiry), "arrived", INT(item->arrived),
					"peer", peer, "hops", INT(item->hops), "contract",
					INT(item->contract), "flags", flags_json(item->flags)));
	return json_array_size(listing->list) >= listing->limit;
}

/* The least digest that begins with these digits. */
static int least_digest(const char *digits, uint8_t digest[CS_DIGEST_LEN], struct cs_error *error)
{
	char text[2 * CS_DIGEST_LEN + 1];
	size_t len = strlen(digits);

	memset(text, '0', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	if (len < sizeof(text))
		memcpy(text, digits, len);
	if (len >= sizeof(text) || cs_unhex(text, digest, CS_DIGEST_LEN) != CS_DIGEST_LEN)
		return cs_error_set(error, -EINVAL, "'%.140s' is not the beginning of a digest: up "
				    "to 128 hexadecimal digits", digits);
	return 0;
}

static json_t *on_store_list(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	const char *prefix = json_string_value(json_object_get(request, "digest"));
	const char *after = json_string_value(json_object_get(request, "after"));
	json_int_t limit = json_integer_value(json_object_get(request, "limit"));
	struct listing listing = {
		.prefix = prefix ? prefix : "",
		.after = after ? after : "",
		.limit = limit > 0 && limit < LIST_MAX ? limit : LIST_MAX,
	};
	uint8_t first[CS_DIGEST_LEN], least[CS_DIGEST_LEN];

	if (least_digest(listing.prefix, first, error) ||
	    least_digest(listing.after, least, error))
		return NULL;
	if (memcmp(first, least, sizeof(first)) < 0)
		memcpy(first, least, sizeof(first));
	listing.list = json_array();
	store_each_from(daemon->store, first, list_item, &listing);
	return listing.list;
}

static json_t *on_store_cancel(struct daemon *daemon, const json_t *request,
			       struct cs_error *error)
{
	uint8_t digest[CS_DIGEST_LEN];
	struct store_item item;

	if (get_digest(request, digest, error))
		return NULL;
	if (store_get(daemon->store, digest, &item)) {
		cs_error_set(error, -ENOENT, "the store does not hold this message");
		return NULL;
	}
	if (!(item.flags & STORE_LOCAL)) {
		cs_error_set(error, -EPERM,
			     "only its destination, another node, can say that it arrived");
		return NULL;
	}
	cancel_delivered(daemon, digest, item.expiry);
	return json_object();
}

static json_t *on_store_check(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	uint64_t checked;

	(void)request;
	return store_check(daemon->store, &checked, error) ? NULL :
							     json_pack("{s:I}", "checked",
								       INT(checked));
}

static json_t *on_store_drop(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	uint8_t digest[CS_DIGEST_LEN];

	if (get_digest(request, digest, error))
		return NULL;
	if (store_del(daemon->store, digest)) {
		cs_error_set(error, -ENOENT, "the store does not hold this message");
		return NULL;
	}
	return json_object();
}

static json_t *on_reconcile(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	struct peer *peer;

	if (json_object_get(request, "peer")) {
		peer = get_peer(daemon, request, error);
		if (!peer)
			return NULL;
		sync_now(peer);
		return json_object();
	}
	for (peer = daemon->peers; peer; peer = peer->next)
		sync_now(peer);
	return json_object();
}

/* --- Gateway and receipts --- */

static json_t *on_gateway(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	(void)request;
	(void)error;
	return gateway_json(daemon);
}

static json_t *on_receipts(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	(void)request;
	return receipt_json(daemon, error);
}

static json_t *on_delivered(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	(void)request;
	return receipt_list(daemon, error);
}

static json_t *on_receivers(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	(void)request;
	(void)error;
	return receiver_list(daemon);
}

static json_t *on_receivers_add(struct daemon *daemon, const json_t *request,
				struct cs_error *error)
{
	return receiver_add(daemon, request, error) ? NULL : json_object();
}

static json_t *on_receivers_del(struct daemon *daemon, const json_t *request,
				struct cs_error *error)
{
	return receiver_del(daemon, request, error) ? NULL : json_object();
}

/* --- Ledger and policy --- */

static json_t *on_settle(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	const char *text = json_string_value(json_object_get(request, "peer"));
	json_int_t amount = json_integer_value(json_object_get(request, "amount"));
	uint8_t address[CS_ADDR_LEN];

	if (!text || inet_pton(AF_INET6, text, address) != 1 || !amount) {
		cs_error_set(error, -EINVAL, "a peer's address and an amount are needed");
		return NULL;
	}
	return ledger_settle(daemon->ledger, address, amount, daemon_now(), error) ? NULL :
										     json_object();
}

static json_t *on_policy(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	const struct config_policy *config = &daemon->config.policy;
	enum policy_reason reason = offer_refuses(daemon);
	struct bid_terms terms;

	(void)request;
	(void)error;
	offer_price(daemon, 1000, &terms);
	return json_pack("{s:s, s:s, s:{s:b, s:b, s:I}, s:{s:o, s:I, s:I}, s:I, s:o}", "refuses",
			 policy_reason_name(reason), "reason_text", policy_reason_text(reason),
			 "power", "battery", daemon->power.battery, "plugged",
			 daemon->power.plugged, "percent", INT(daemon->power.percent), "plan",
			 "interface", name_json(config->plan_interface), "used",
			 INT(daemon->plan.used), "bytes", INT(config->plan_bytes), "market",
			 INT(bid_market(config)), "terms", offer_terms(&terms));
}

/**
 * status_answer() - answer a request; a control_handler
 * @data: the daemon
 * @request: the request
 * @admin: may it change anything?
 * @error: gets the reason of a refusal
 *
 * Return: the result, or NULL.
 */
json_t *status_answer(void *data, const json_t *request, bool admin, struct cs_error *error)
{
	static const struct {
		const char	*command;
		bool		admin;
		json_t		*(*answer)(struct daemon *daemon, const json_t *request,
					   struct cs_error *error);
	} commands[] = {
		{ "status", false, on_status },
		{ "peers", false, on_peers },
		{ "offers", false, on_offers },
		{ "offers accept", true, on_accept },
		{ "offers reject", true, on_reject },
		{ "offers make", true, on_make },
		{ "contracts", false, on_contracts },
		{ "contracts show", false, on_contract },
		{ "store", false, on_store },
		{ "store list", false, on_store_list },
		{ "store cancel", true, on_store_cancel },
		{ "store check", true, on_store_check },
		{ "store drop", true, on_store_drop },
		{ "store reconcile", true, on_reconcile },
		{ "gateway", false, on_gateway },
		{ "receipts", false, on_receipts },
		{ "receipts delivered", false, on_delivered },
		{ "receivers", false, on_receivers },
		{ "receivers add", true, on_receivers_add },
		{ "receivers del", true, on_receivers_del },
		{ "ledger settle", true, on_settle },
		{ "policy", false, on_policy },
		{ "put", false, submit_put },
		{ "fetch", false, submit_fetch },
		{ "messages", false, submit_messages },
	};
	const char *command = json_string_value(json_object_get(request, "command"));
	size_t i;

	for (i = 0; command && i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(commands[i].command, command))
			continue;
		if (commands[i].admin && !admin)
			return control_denied(error);
		return commands[i].answer(data, request, error);
	}
	cs_error_set(error, -EINVAL, "there is no command '%s'", command ? command : "");
	return NULL;
}
