// SPDX-License-Identifier: GPL-2.0
/*
 * What the users of this node put into the mesh, and get out of it: commands of the control socket,
 * for all who may open it.
 *
 * put: a request has few messages, and is answered when they are in the store and in the device;
 * who does not wait for the answer is not read from (control.c). When the device takes no more the
 * answer says so, and what is left comes again. So a user is as fast as the node, and costs it the
 * memory of one request.
 *
 * fetch: the store has no index of destinations, so it is walked in the order of arrival, some
 * messages per request, from where the last answer ended: a message is looked at once. Numbers of
 * messages may begin anew when the daemon does, or when a write to the store has failed, so a
 * cursor names both.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cancel.h"
#include "daemon/holding.h"
#include "daemon/intake.h"
#include "daemon/peer.h"
#include "daemon/submit.h"
#include "lib/base64.h"
#include "lib/hex.h"
#include "lib/utf8.h"

#define FETCH_WALK	16384	/* messages looked at for an answer */
#define RUN_TEXT	40
#define MESSAGE_MOST	(sizeof(struct cs_msg_hdr) + CS_SLICE_MAX)

/* --- put --- */

/**
 * struct tally - what became of the messages of a request
 * @added: they are new
 * @known: they were in the store, or delivered
 * @taken: looked at, up to the one that the device had no room for
 * @refused: a JSON array
 */
struct tally {
	size_t	added;
	size_t	known;
	size_t	taken;
	json_t	*refused;
};

static void refuse(struct tally *tally, size_t index, const char *reason, const char *text)
{
	char clean[sizeof(struct cs_error)];

	json_array_append_new(tally->refused,
			      json_pack("{s:I, s:s, s:s}", "index", (json_int_t)index, "reason",
					reason, "error",
					cs_utf8_clean(clean, sizeof(clean), text)));
}

/* One message; false: the device is busy. */
static bool put_one(struct daemon *daemon, size_t index, const json_t *value, uint8_t hops,
		    struct tally *tally)
{
	static const char *const reasons[] = {
		[INTAKE_MALFORMED] = "malformed", [INTAKE_DIGEST] = "digest",
		[INTAKE_EXPIRED] = "expired", [INTAKE_LIFETIME] = "lifetime",
		[INTAKE_FULL] = "full", [INTAKE_FAILED] = "failed",
	};
	static uint8_t message[MESSAGE_MOST];
	struct cs_error error = { "" };
	enum intake_result result;
	long len = -EINVAL;

	if (json_is_string(value))
		len = cs_unbase64(json_string_value(value), json_string_length(value), message,
				  sizeof(message));
	if (len < 0) {
		refuse(tally, index, len == -EMSGSIZE ? "malformed" : "base64",
		       len == -EMSGSIZE ? "it is longer than any message" :
		       "it is not base64 (RFC 4648, with filling and without line ends)");
		return true;
	}
	result = intake_own(daemon, message, len, hops, &error);
	if (result == INTAKE_BUSY)
		return false;
	if (result == INTAKE_NEW)
		tally->added++;
	else if (result == INTAKE_KNOWN)
		tally->known++;
	else
		refuse(tally, index, reasons[result], error.text);
	return true;
}

static int get_hops(const json_t *request, uint8_t *hops, struct cs_error *error)
{
	const json_t *value = json_object_get(request, "hops");

	*hops = CS_HOPS_UNLIMITED;
	if (!value)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > CS_HOPS_UNLIMITED)
		return cs_error_set(error, -EINVAL, "hops is a number from 0 to %d",
				    CS_HOPS_UNLIMITED);
	*hops = json_integer_value(value);
	return 0;
}

/**
 * submit_put() - take messages of a user
 * @daemon: whose
 * @request: messages, an array of base64; hops; sync: answer when they are on the disk
 * @error: gets the reason of a refusal
 *
 * Return: what became of them, or NULL.
 */
json_t *submit_put(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	const json_t *list = json_object_get(request, "messages"), *value;
	struct tally tally = { 0 };
	uint8_t hops;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > SUBMIT_MESSAGES_MAX) {
		cs_error_set(error, -EINVAL, "messages is an array of at most %d texts in base64",
			     SUBMIT_MESSAGES_MAX);
		return NULL;
	}
	if (get_hops(request, &hops, error))
		return NULL;
	tally.refused = json_array();
	json_array_foreach(list, i, value) {
		if (!put_one(daemon, i, value, hops, &tally))
			break;
		tally.taken++;
	}
	if (json_is_true(json_object_get(request, "sync")) && store_commit(daemon->store, error)) {
		json_decref(tally.refused);
		return NULL;
	}
	return json_pack("{s:I, s:I, s:I, s:b, s:o}", "new", (json_int_t)tally.added, "known",
			 (json_int_t)tally.known, "taken", (json_int_t)tally.taken, "busy",
			 tally.taken < json_array_size(list), "refused", tally.refused);
}

/* --- fetch --- */

/**
 * struct fetch - messages for a destination
 * @destination: the destination
 * @now: Unix seconds
 * @list: a JSON array
 * @bytes: of messages in it
 * @walked: messages looked at
 * @cursor: number of the last one of those
 */
struct fetch {
	uint8_t		destination[CS_ADDR_LEN];
	uint64_t	now;
	json_t		*list;
	size_t		bytes;
	unsigned int	walked;
	uint64_t	cursor;
};

static int fetch_one(uint64_t number, const struct store_item *item, void *data)
{
	static char text[CS_BASE64_LEN(MESSAGE_MOST) + 1];
	struct fetch *fetch = data;

	if (!memcmp(item->destination, fetch->destination, CS_ADDR_LEN) &&
	    item->expiry > fetch->now && item->size <= MESSAGE_MOST) {
		cs_base64(text, item->message, item->size);
		if (json_array_append_new(fetch->list, json_string(text)))
			return -ENOMEM;
		fetch->bytes += item->size;
	}
	fetch->cursor = number;
	return ++fetch->walked >= FETCH_WALK || fetch->bytes >= SUBMIT_FETCH_MAX;
}

/* A cursor is of one run of the daemon, and of one numbering in it. */
static void run_text(const struct daemon *daemon, char text[RUN_TEXT])
{
	size_t len = 2 * sizeof(daemon->boot);

	cs_hex(text, daemon->boot, sizeof(daemon->boot));
	snprintf(text + len, RUN_TEXT - len, ".%u-", store_numbering(daemon->store));
}

/* Where the last answer ended; a cursor of another run stands for the beginning. */
static int get_cursor(const struct daemon *daemon, const json_t *request, uint64_t *number,
		      struct cs_error *error)
{
	const char *text = json_string_value(json_object_get(request, "cursor")), *dash;
	char run[RUN_TEXT], end;

	*number = 0;
	if (!json_object_get(request, "cursor"))
		return 0;
	dash = text ? strchr(text, '-') : NULL;
	if (!dash || dash == text || strspn(text, "0123456789abcdef.") != (size_t)(dash - text) ||
	    dash[1] < '0' || dash[1] > '9' ||
	    sscanf(dash + 1, "%20" SCNu64 "%c", number, &end) != 1)
		return cs_error_set(error, -EINVAL, "the cursor is not one of an earlier answer");
	run_text(daemon, run);
	if (strncmp(text, run, strlen(run)))
		*number = 0;
	return 0;
}

/**
 * submit_fetch() - messages for a destination, out of the store
 * @daemon: whose
 * @request: destination; cursor of the answer before
 * @error: gets the reason of a refusal
 *
 * Return: messages in base64, the cursor, and whether there is more to look at now; or NULL.
 */
json_t *submit_fetch(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	const char *text = json_string_value(json_object_get(request, "destination"));
	struct fetch fetch = { .now = daemon_now() };
	char cursor[RUN_TEXT + 24], run[RUN_TEXT];
	int rc;

	if (!text || inet_pton(AF_INET6, text, fetch.destination) != 1) {
		cs_error_set(error, -EINVAL, "'%.64s' is not an IPv6 address", text ? text : "");
		return NULL;
	}
	if (get_cursor(daemon, request, &fetch.cursor, error))
		return NULL;
	fetch.list = json_array();
	rc = store_each_after(daemon->store, fetch.cursor, fetch_one, &fetch);
	if (rc < 0) {
		json_decref(fetch.list);
		cs_error_set(error, rc, "the store can't be read: crowdshare store check");
		return NULL;
	}
	run_text(daemon, run);
	snprintf(cursor, sizeof(cursor), "%s%" PRIu64, run, fetch.cursor);
	return json_pack("{s:o, s:s, s:b}", "messages", fetch.list, "cursor", cursor, "more", rc);
}

/* --- messages --- */

/**
 * struct wanted - a message that is asked about
 * @id: beginning of its digest; must be first, to look for it
 * @index: where it stands in the request
 */
struct wanted {
	uint8_t		id[PROTO_ID_LEN];
	uint16_t	index;
};

/**
 * struct holder - a peer that said that it has some of them, or will
 * @next: another one
 * @address: of the peer
 * @offered: it was asked about so many
 * @count: it has so many
 * @has: which ones, a bit each
 */
struct holder {
	struct holder	*next;
	uint8_t		address[CS_ADDR_LEN];
	size_t		offered;
	size_t		count;
	uint8_t		has[SUBMIT_IDS_MAX / 8];
};

/**
 * struct inquiry - what is found out about messages
 * @daemon: whose
 * @ids: as they stand in the request
 * @wanted: the same, sorted
 * @count: of both
 * @holders: list
 * @contracts: a JSON array
 * @error: gets the reason of a failure
 */
struct inquiry {
	struct daemon	*daemon;
	uint8_t		ids[SUBMIT_IDS_MAX][PROTO_ID_LEN];
	struct wanted	wanted[SUBMIT_IDS_MAX];
	size_t		count;
	struct holder	*holders;
	json_t		*contracts;
	struct cs_error	*error;
};

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, PROTO_ID_LEN);
}

static struct holder *holder_of(struct inquiry *inquiry, const uint8_t address[CS_ADDR_LEN])
{
	struct holder *holder;

	for (holder = inquiry->holders; holder; holder = holder->next)
		if (!memcmp(holder->address, address, CS_ADDR_LEN))
			return holder;
	holder = calloc(1, sizeof(*holder));
	if (!holder)
		return NULL;
	memcpy(holder->address, address, CS_ADDR_LEN);
	holder->next = inquiry->holders;
	inquiry->holders = holder;
	return holder;
}

static void hold(struct holder *holder, uint16_t index)
{
	uint8_t bit = 1 << index % 8;

	if (holder->has[index / 8] & bit)
		return;
	holder->has[index / 8] |= bit;
	holder->count++;
}

/**
 * struct sums - of the messages of a contract that are asked about
 * @messages: their number
 * @promised: millipoints for them
 * @earned: of that, for those that were delivered
 * @lapsed: of that, for those that were not in time
 */
struct sums {
	size_t	messages;
	int64_t	promised;
	int64_t	earned;
	int64_t	lapsed;
};

static int add_item(struct inquiry *inquiry, const uint8_t uid[CONTRACT_UID_LEN],
		    const uint8_t digest[CS_DIGEST_LEN], struct sums *sums)
{
	enum ledger_state state;
	int64_t amount;
	int rc;

	rc = ledger_state(inquiry->daemon->ledger, uid, digest, &state, &amount, inquiry->error);
	if (rc)
		return rc;
	sums->messages++;
	sums->promised += amount;
	if (state == LEDGER_STATE_EARNED || state == LEDGER_STATE_SETTLED)
		sums->earned += amount;
	else if (state == LEDGER_STATE_LAPSED)
		sums->lapsed += amount;
	return 0;
}

static int add_contract(struct inquiry *inquiry, const uint8_t uid[CONTRACT_UID_LEN],
			const uint8_t address[CS_ADDR_LEN], const struct sums *sums)
{
	char peer[INET6_ADDRSTRLEN], hex[2 * CONTRACT_UID_LEN + 1];
	json_t *json;

	inet_ntop(AF_INET6, address, peer, sizeof(peer));
	cs_hex(hex, uid, CONTRACT_UID_LEN);
	json = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "uid", hex, "peer", peer, "messages",
			 (json_int_t)sums->messages, "promised", (json_int_t)sums->promised,
			 "earned", (json_int_t)sums->earned, "lapsed",
			 (json_int_t)sums->lapsed);
	return json_array_append_new(inquiry->contracts, json) ? -ENOMEM : 0;
}

/* A contract under which a peer takes some of them from this node: it signed that it will. */
static int look_at_contract(const struct contract *contract, int64_t promised, int64_t earned,
			    int64_t lapsed, void *data)
{
	uint8_t uid[CONTRACT_UID_LEN], address[CS_ADDR_LEN];
	struct inquiry *inquiry = data;
	struct sums sums = { 0 };
	struct holder *holder = NULL;
	const struct wanted *found;
	size_t i;

	(void)promised;
	(void)earned;
	(void)lapsed;
	if (memcmp(contract->buyer, inquiry->daemon->identity.public, IDENTITY_PUBLIC_LEN))
		return 0;
	contract_uid(contract, uid);
	identity_address(contract->seller, address);
	for (i = 0; i < contract->nr_items; i++) {
		found = bsearch(contract->items[i].digest, inquiry->wanted, inquiry->count,
				sizeof(*found), compare_ids);
		if (!found)
			continue;
		holder = holder ? holder : holder_of(inquiry, address);
		if (!holder || add_item(inquiry, uid, contract->items[i].digest, &sums))
			return -ENOMEM;
		hold(holder, found->index);
	}
	return sums.messages ? add_contract(inquiry, uid, address, &sums) : 0;
}

/* Whom they were offered to, of the peers that are here. */
static int look_at_peers(struct inquiry *inquiry)
{
	const struct peer *peer;
	struct holder *holder;
	size_t i, n;

	for (peer = inquiry->daemon->peers; peer; peer = peer->next) {
		for (n = i = 0; i < inquiry->count; i++)
			n += idset_has(&peer->offered, inquiry->ids[i]);
		if (!n)
			continue;
		holder = holder_of(inquiry, peer->address);
		if (!holder)
			return -ENOMEM;
		/* on one of its ports, or on several */
		if (n > holder->offered)
			holder->offered = n;
	}
	return 0;
}

/* Which of them free peers have signed to hold. */
static int look_at_holdings(struct inquiry *inquiry)
{
	const struct holding *holding;
	struct holder *holder;
	size_t i;

	for (holding = inquiry->daemon->holdings; holding; holding = holding->next) {
		holder = NULL;
		for (i = 0; i < inquiry->count; i++) {
			if (!idset_has(&holding->held, inquiry->ids[i]))
				continue;
			holder = holder ? holder : holder_of(inquiry, holding->address);
			if (!holder)
				return -ENOMEM;
			hold(holder, i);
		}
	}
	return 0;
}

/* A letter for each: delivered, claimed to be, stored, or nothing is known of it. */
static json_t *states_json(struct inquiry *inquiry)
{
	struct daemon *daemon = inquiry->daemon;
	char states[SUBMIT_IDS_MAX + 1];
	enum cancel_state cancelled;
	struct store_item item;
	size_t i;

	for (i = 0; i < inquiry->count; i++) {
		cancelled = cancel_state(daemon, inquiry->ids[i]);
		if (cancelled == CANCEL_PROVEN)
			states[i] = 'd';
		else if (!store_find(daemon->store, inquiry->ids[i], &item))
			states[i] = 's';
		else
			states[i] = cancelled == CANCEL_CLAIMED ? 'c' : '-';
	}
	states[i] = '\0';
	return json_string(states);
}

static json_t *peers_json(const struct inquiry *inquiry)
{
	const struct holder *holder;
	char peer[INET6_ADDRSTRLEN];
	json_t *list = json_array();

	for (holder = inquiry->holders; holder; holder = holder->next) {
		inet_ntop(AF_INET6, holder->address, peer, sizeof(peer));
		json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "peer", peer, "offered",
						      (json_int_t)holder->offered, "has",
						      (json_int_t)holder->count));
	}
	return list;
}

static int get_ids(const json_t *request, struct inquiry *inquiry, struct cs_error *error)
{
	const json_t *value = json_object_get(request, "ids");
	long len = -EINVAL;
	size_t i;

	if (json_is_string(value))
		len = cs_unbase64(json_string_value(value), json_string_length(value),
				  inquiry->ids[0], sizeof(inquiry->ids));
	if (len < 0 || len % PROTO_ID_LEN)
		return cs_error_set(error, -EINVAL, "ids is a text in base64, of the first %d "
				    "bytes of each of at most %d digests", PROTO_ID_LEN,
				    SUBMIT_IDS_MAX);
	inquiry->count = len / PROTO_ID_LEN;
	for (i = 0; i < inquiry->count; i++) {
		memcpy(inquiry->wanted[i].id, inquiry->ids[i], PROTO_ID_LEN);
		inquiry->wanted[i].index = i;
	}
	qsort(inquiry->wanted, inquiry->count, sizeof(inquiry->wanted[0]), compare_ids);
	return 0;
}

static void inquiry_free(struct inquiry *inquiry)
{
	struct holder *holder;

	while ((holder = inquiry->holders)) {
		inquiry->holders = holder->next;
		free(holder);
	}
	json_decref(inquiry->contracts);
	free(inquiry);
}

/**
 * submit_messages() - what has become of messages
 * @daemon: whose
 * @request: ids
 * @error: gets the reason of a refusal
 *
 * Free peers are asked what they hold of them, and the answers are in a later result.
 *
 * Return: states, peers and contracts, or NULL.
 */
json_t *submit_messages(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	struct inquiry *inquiry = calloc(1, sizeof(*inquiry));
	json_t *result = NULL;

	if (!inquiry) {
		cs_error_set(error, -ENOMEM, "out of memory");
		return NULL;
	}
	inquiry->daemon = daemon;
	inquiry->error = error;
	inquiry->contracts = json_array();
	if (!get_ids(request, inquiry, error) &&
	    !ledger_contracts(daemon->ledger, false, daemon_now(), look_at_contract, inquiry,
			      error)) {
		if (look_at_peers(inquiry) || look_at_holdings(inquiry))
			cs_error_set(error, -ENOMEM, "out of memory");
		else
			result = json_pack("{s:o, s:o, s:O}", "states", states_json(inquiry),
					   "peers", peers_json(inquiry), "contracts",
					   inquiry->contracts);
		if (result && inquiry->count)
			holding_ask(daemon, inquiry->ids[0], inquiry->count);
	}
	inquiry_free(inquiry);
	return result;
}
