// SPDX-License-Identifier: GPL-2.0
/*
 * crowdshare get and inbox: files that came for somebody whose key is here.
 *
 * The daemon gives out messages for an address; they are opened here, where the key is. What is
 * under way is kept in the user's state, in a directory for each key (libcrowdshare), with two
 * files beside it: how far the daemon's store was read, and the ids of what was delivered. How far
 * is written when what was read is on the disk, so a run that is killed costs only time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <crowdshare/get.h>

#include "cli/crowdshare.h"
#include "cli/home.h"
#include "cli/ingested.h"
#include "cli/outbox.h"
#include "daemon/vouch.h"
#include "lib/base64.h"
#include "lib/file.h"
#include "lib/hex.h"

#define ID_DIGITS	(2 * CS_OBJECT_ID_LEN)
#define KEY_DIGITS	32
#define MESSAGE_MOST	(sizeof(struct cs_msg_hdr) + CS_SLICE_MAX)
#define SYNC_BYTES	(32 << 20)
#define WAIT_SECONDS	1
#define CURSOR_MAX	4096
#define DELIVERED_MAX	(64 << 20)

static const char get_usage[] =
	"Usage: crowdshare get [ ID ] [ --out DIR ] [ --key FILE ] [ --address ADDRESS ]\n"
	"                      [ --from DIR [ --remove ] [ --ingest KEY ] ]\n"
	"                      [ --wait ] [ --replace ]\n"
	"Delivers what has arrived for the owner of the key, all of it or the object ID, into DIR\n"
	"(if not given, here). A name that is taken there gets a number behind it; --replace\n"
	"replaces files. --wait goes on until what is under way is whole. --from reads the inbox\n"
	"of an ingest, not what this node's daemon has; --remove removes what was read there, and\n"
	"--ingest shows who sent, as far as the ingest with this public key vouches for it.\n"
	"Exit status: 0 something was delivered, 1 nothing is there, or not all of it yet,\n"
	"2 something is wrong.\n";

static const char inbox_usage[] =
	"Usage: crowdshare inbox [ --key FILE ]\n"
	"                        [ --address ADDRESS | --from DIR [ --ingest KEY ] ]\n"
	"Lists what arrives, and what has arrived and waits for 'crowdshare get'. ADDRESS is the\n"
	"one that the card names (if not given, this node's). --from and --ingest are as for\n"
	"'crowdshare get'.\n";

static const struct column table[] = {
	{ "id", "ID", CELL_DIGEST },
	{ "name", "NAME", CELL_TEXT },
	{ "kind", "KIND", CELL_TEXT },
	{ "size", "SIZE", CELL_BYTES },
	{ "received", "RECEIVED", CELL_BYTES },
	{ "percent", "%", CELL_TEXT },
	{ "state", "STATE", CELL_TEXT },
	{ "created", "SENT", CELL_TIME },
	{ "expiry", "EXPIRY", CELL_TIME },
	{ NULL },
};

static const struct column vouched_table[] = {
	{ "id", "ID", CELL_DIGEST },
	{ "name", "NAME", CELL_TEXT },
	{ "kind", "KIND", CELL_TEXT },
	{ "size", "SIZE", CELL_BYTES },
	{ "percent", "%", CELL_TEXT },
	{ "state", "STATE", CELL_TEXT },
	{ "from", "FROM", CELL_TEXT },
	{ "fingerprint", "FINGERPRINT", CELL_TEXT },
	{ "vouched_by", "VOUCHED BY", CELL_TEXT },
	{ NULL },
};

/**
 * struct waiting - a whole object that waits to be delivered
 * @id: its id
 * @created: Unix seconds, as the sender says
 * @nth: where it stands among all, the one that came last first
 */
struct waiting {
	uint8_t		id[CS_OBJECT_ID_LEN];
	uint64_t	created;
	size_t		nth;
};

/**
 * struct getting - what arrives for somebody
 * @cli: the run
 * @args: for error messages
 * @key: value of --key, NULL: not given
 * @address: destination of messages, or the inbox
 * @from: inbox of an ingest; NULL: messages are the daemon's
 * @remove: what was read there is not left
 * @read: files that were read there
 * @ingest: key of the ingest that may vouch, NULL: who sent is not shown
 * @public: that key
 * @fingerprint: of the card of the owner of @private
 * @out: where objects appear
 * @id: beginning of the id of the object that is wanted, empty: all are
 * @wait: until it is whole
 * @replace: files of the same name
 * @private: the key
 * @get: what is under way
 * @outbox: messages to be sent on, for objects that go by way of this node
 * @cursor: how far the store was read
 * @saved: and what of that is in its file
 * @cursor_path: file of that
 * @delivered_path: file with the ids of what was delivered
 * @delivered: what that holds
 * @unsynced: bytes taken since all was on the disk
 * @full: something found no room: it is to be read again
 * @count: objects delivered in this run
 * @list: for inbox, a JSON array
 * @waiting: whole objects
 * @nr_waiting: their number
 * @failed: how many of them could not be delivered
 * @told: ids of those that this was said of
 * @nr_told: their number
 * @under_way: how many are not whole
 * @seen: the object that is wanted was there
 * @matches: how many ids begin as wanted
 */
struct getting {
	struct cli		*cli;
	const struct args	*args;
	const char		*key;
	const char		*address;
	const char		*from;
	bool			remove;
	struct ingested		read;
	const char		*ingest;
	uint8_t			public[IDENTITY_PUBLIC_LEN];
	uint8_t			fingerprint[CS_FINGERPRINT_LEN];
	const char		*out;
	char			id[ID_DIGITS + 1];
	bool			wait;
	bool			replace;
	struct cs_private	*private;
	struct cs_get		*get;
	struct outbox		outbox;
	char			cursor[128];
	char			saved[128];
	char			cursor_path[PATH_MAX];
	char			delivered_path[PATH_MAX];
	char			*delivered;
	size_t			unsynced;
	bool			full;
	unsigned int		count;
	json_t			*list;
	struct waiting		*waiting;
	size_t			nr_waiting;
	size_t			failed;
	uint8_t			(*told)[CS_OBJECT_ID_LEN];
	size_t			nr_told;
	size_t			under_way;
	bool			seen;
	unsigned int		matches;
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	stopped = number;
}

/* --- The state --- */

static void note(const char *text, void *arg)
{
	char *copy = strdup(text);

	(void)arg;
	if (!copy)
		return;
	clean_text(copy);
	fprintf(stderr, "crowdshare: %s\n", copy);
	free(copy);
}

/* Messages that somebody sent by way of this node: to the daemon, as if put here. */
static int forward(const void *message, size_t len, void *arg)
{
	struct getting *getting = arg;

	return outbox_add(&getting->outbox, message, len);
}

/* When they are taken nothing of them is here any more: the daemon has to have them for good. */
static int forwarded(void *arg)
{
	struct getting *getting = arg;

	return getting->outbox.list ? outbox_flush(&getting->outbox, true) : 0;
}

/* --- Who sent it --- */

static void vouch_path(const struct getting *getting, const uint8_t id[CS_OBJECT_ID_LEN],
		       char path[PATH_MAX + VOUCH_FILE_NAME])
{
	char name[VOUCH_FILE_NAME];

	vouch_name(id, name);
	snprintf(path, PATH_MAX + VOUCH_FILE_NAME, "%s/%s", getting->address, name);
}

/*
 * The vouching that lies beside the messages; anybody may have put it there, so it counts only if
 * the ingest that was named has signed it, for this object and for this recipient.
 */
static bool vouched(const struct getting *getting, const uint8_t id[CS_OBJECT_ID_LEN],
		    struct vouch *vouch)
{
	char path[PATH_MAX + VOUCH_FILE_NAME];
	struct cs_error error = { "" };
	uint8_t data[VOUCH_MAX];
	FILE *file;
	size_t len;
	int rc;

	if (!getting->ingest)
		return false;
	vouch_path(getting, id, path);
	rc = cs_file_open(&file, path, false, sizeof(data), &error);
	if (rc == -ENOENT)
		return false;
	if (!rc) {
		len = fread(data, 1, sizeof(data), file);
		fclose(file);
		rc = vouch_read(vouch, data, len, &error);
	}
	if (!rc && (memcmp(vouch->ingest, getting->public, IDENTITY_PUBLIC_LEN) ||
		    memcmp(vouch->object, id, CS_OBJECT_ID_LEN) ||
		    memcmp(vouch->recipient, getting->fingerprint, CS_FINGERPRINT_LEN)))
		rc = cs_error_set(&error, -EBADMSG, "vouching: of another ingest, for another "
				  "object, or for another recipient");
	if (rc)
		fprintf(stderr, "crowdshare: %s: %s; who sent it is not shown\n", path, error.text);
	return !rc;
}

static void describe_vouch(const struct vouch *vouch, char fingerprint[CS_FINGERPRINT_TEXT],
			   char ingest[INET6_ADDRSTRLEN])
{
	uint8_t address[CS_ADDR_LEN];
	struct cs_card card;

	memcpy(card.fingerprint, vouch->sender, CS_FINGERPRINT_LEN);
	cs_card_fingerprint(&card, fingerprint);
	identity_address(vouch->ingest, address);
	inet_ntop(AF_INET6, address, ingest, INET6_ADDRSTRLEN);
}

static void print_sender(const struct getting *getting, const uint8_t id[CS_OBJECT_ID_LEN])
{
	char fingerprint[CS_FINGERPRINT_TEXT], ingest[INET6_ADDRSTRLEN];
	struct vouch vouch;

	if (!vouched(getting, id, &vouch))
		return;
	describe_vouch(&vouch, fingerprint, ingest);
	printf("  from: %s (%s), vouched by %s\n", vouch.name, fingerprint, ingest);
}

static void add_sender(const struct getting *getting, const uint8_t id[CS_OBJECT_ID_LEN],
		       json_t *json)
{
	char fingerprint[CS_FINGERPRINT_TEXT], ingest[INET6_ADDRSTRLEN];
	struct vouch vouch;

	if (!vouched(getting, id, &vouch))
		return;
	describe_vouch(&vouch, fingerprint, ingest);
	json_object_set_new(json, "from", json_string(vouch.name));
	json_object_set_new(json, "fingerprint", json_string(fingerprint));
	json_object_set_new(json, "vouched_by", json_string(ingest));
}

static void show_delivered(const struct getting *getting, const uint8_t id[CS_OBJECT_ID_LEN],
			   const char *path)
{
	char *text = strdup(path);

	if (!text)
		die("out of memory");
	clean_text(text);
	puts(text);
	print_sender(getting, id);
	fflush(stdout);
	free(text);
}

static void remove_vouch(const struct getting *getting, const uint8_t id[CS_OBJECT_ID_LEN])
{
	char path[PATH_MAX + VOUCH_FILE_NAME];

	vouch_path(getting, id, path);
	if (unlink(path) && errno != ENOENT)
		fprintf(stderr, "crowdshare: %s: %s\n", path, strerror(errno));
}

/* Delivered objects are written down, as libcrowdshare does not tell of them any more. */
static void delivered(const struct cs_get_object *object, const char *path, void *arg)
{
	struct getting *getting = arg;
	char id[ID_DIGITS + 1];
	FILE *file;

	getting->count++;
	cs_hex(id, object->id, CS_OBJECT_ID_LEN);
	file = fopen(getting->delivered_path, "ae");
	if (!file || fprintf(file, "%s\n", id) < 0 || fclose(file))
		fprintf(stderr, "crowdshare: %s: %s\n", getting->delivered_path, strerror(errno));
	if (!getting->cli->json)
		show_delivered(getting, object->id, path);
	if (getting->remove)
		remove_vouch(getting, object->id);
}

/* Where the address of the card is this node's, as 'crowdshare id export' has it. */
static void find_address(struct getting *getting)
{
	static char text[INET6_ADDRSTRLEN], inbox[PATH_MAX];
	uint8_t bytes[CS_ADDR_LEN];
	json_t *status;

	if (getting->from) {
		if (!realpath(getting->from, inbox))
			args_die(getting->args, "--from %s: %s", getting->from, strerror(errno));
		getting->address = inbox;
		return;
	}
	if (getting->address) {
		if (inet_pton(AF_INET6, getting->address, bytes) != 1)
			args_die(getting->args, "--address '%s' is not an IPv6 address",
				 getting->address);
		inet_ntop(AF_INET6, bytes, text, sizeof(text));
	} else {
		status = cli_ask(getting->cli, getting->args, request_new("status"));
		snprintf(text, sizeof(text), "%s",
			 json_string_value(json_object_get(status, "address")) ?
			 json_string_value(json_object_get(status, "address")) : "");
		json_decref(status);
	}
	getting->address = text;
}

static void read_cursor(struct getting *getting)
{
	const char *address, *cursor;
	size_t len;
	char *text = home_read(getting->args, getting->cursor_path, CURSOR_MAX, &len);
	json_t *json = text ? json_loadb(text, len, 0, NULL) : NULL;

	/* one that is damaged, or for another address: all is read again */
	address = json_string_value(json_object_get(json, "address"));
	cursor = json_string_value(json_object_get(json, "cursor"));
	if (address && cursor && !strcmp(address, getting->address))
		snprintf(getting->cursor, sizeof(getting->cursor), "%s", cursor);
	memcpy(getting->saved, getting->cursor, sizeof(getting->saved));
	json_decref(json);
	free(text);
}

/* What was taken is on the disk, and then how far that was. */
static void sync_all(struct getting *getting)
{
	struct cs_error error = { "" };
	json_t *json;
	char *text;

	if (cs_get_sync(getting->get, &error))
		args_die(getting->args, "%s", error.text);
	getting->unsynced = 0;
	if (getting->full || !*getting->cursor)
		return;
	json = json_pack("{s:s, s:s}", "address", getting->address, "cursor", getting->cursor);
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	if (!text)
		args_die(getting->args, "out of memory");
	home_write(getting->args, getting->cursor_path, text, strlen(text));
	memcpy(getting->saved, getting->cursor, sizeof(getting->saved));
	free(text);
	json_decref(json);
	if (getting->remove)
		ingested_remove(getting->args, &getting->read, getting->address);
}

static void open_all(struct getting *getting)
{
	static const uint8_t somewhere[CS_ADDR_LEN] = { 0xfd, [15] = 1 };
	char path[PATH_MAX], name[64], hex[2 * CS_FINGERPRINT_LEN + 1];
	struct cs_get_options options = { .delivered = delivered, .note = note,
					  .forward = forward, .forwarded = forwarded,
					  .arg = getting };
	struct cs_error error = { "" };
	struct cs_card card;
	size_t len;

	card_key_path(getting->args, getting->key, CS_ROLE_RECIPIENT, path);
	if (cs_private_read(&getting->private, path, &error) ||
	    cs_card_new(&card, getting->private, CS_ROLE_RECIPIENT, somewhere, CS_PORT_DEFAULT,
			&error))
		args_die(getting->args, "%s", error.text);
	memcpy(getting->fingerprint, card.fingerprint, CS_FINGERPRINT_LEN);
	cs_hex(hex, card.fingerprint, CS_FINGERPRINT_LEN);
	snprintf(name, sizeof(name), "inbox/%.*s.cursor", KEY_DIGITS, hex);
	home_state(getting->args, name, getting->cursor_path);
	snprintf(name, sizeof(name), "inbox/%.*s.delivered", KEY_DIGITS, hex);
	home_state(getting->args, name, getting->delivered_path);
	snprintf(name, sizeof(name), "inbox/%.*s", KEY_DIGITS, hex);
	home_state(getting->args, name, path);
	find_address(getting);
	options.state = path;
	options.key = getting->private;
	/* what could not be sent on the last time is tried at once */
	getting->outbox = (struct outbox){ .cli = getting->cli, .args = getting->args,
					   .hops = CS_HOPS_UNLIMITED, .others = true };
	if (cs_get_open(&getting->get, &options, time(NULL), &error))
		args_die(getting->args, "%s", error.text);
	read_cursor(getting);
	getting->delivered = home_read(getting->args, getting->delivered_path, DELIVERED_MAX,
				       &len);
}

static void close_all(struct getting *getting)
{
	cs_get_close(getting->get);
	cs_private_free(getting->private);
	free(getting->waiting);
	free(getting->told);
	free(getting->delivered);
	json_decref(getting->list);
	ingested_free(&getting->read);
}

/* --- Messages --- */

static void take(const void *message, size_t len, void *arg)
{
	struct getting *getting = arg;
	struct cs_error error = { "" };

	switch (cs_get_take(getting->get, message, len, time(NULL), &error)) {
	case CS_GET_FULL:
		getting->full = true;
		break;
	case CS_GET_FAILED:
		args_die(getting->args, "%s", error.text);
	default:
		break; /* what is forged or of others is not ours to judge */
	}
	getting->unsynced += len;
}

static void take_text(struct getting *getting, const json_t *value)
{
	static uint8_t message[MESSAGE_MOST];
	long len = -EINVAL;

	if (json_is_string(value))
		len = cs_unbase64(json_string_value(value), json_string_length(value), message,
				  sizeof(message));
	if (len < 0)
		args_die(getting->args, "crowdshared gives something else than messages");
	take(message, len, getting);
}

/* Reads what is new in the daemon's store. */
static void fetch_store(struct getting *getting)
{
	json_t *request, *answer, *value;
	const char *cursor;
	bool more;
	size_t i;

	do {
		request = request_new("fetch");
		request_put(request, "destination", json_string(getting->address));
		if (*getting->cursor)
			request_put(request, "cursor", json_string(getting->cursor));
		answer = cli_ask(getting->cli, getting->args, request);
		json_array_foreach(json_object_get(answer, "messages"), i, value)
			take_text(getting, value);
		cursor = json_string_value(json_object_get(answer, "cursor"));
		more = json_is_true(json_object_get(answer, "more"));
		if (!cursor || strlen(cursor) >= sizeof(getting->cursor) ||
		    (more && !strcmp(cursor, getting->cursor)))
			args_die(getting->args, "crowdshared does not say how far it has read");
		snprintf(getting->cursor, sizeof(getting->cursor), "%s", cursor);
		json_decref(answer);
		if (getting->unsynced >= SYNC_BYTES)
			sync_all(getting);
	} while (more && !stopped);
}

/* Reads what is new, there or here. */
static void fetch(struct getting *getting)
{
	/* what found no room the last time comes again; there may be some now */
	if (getting->full)
		memcpy(getting->cursor, getting->saved, sizeof(getting->cursor));
	getting->full = false;
	if (getting->from)
		ingested_each(getting->args, &getting->read, getting->address,
			      /* what was read before and is to be removed is read again */
			      getting->remove ? "" : getting->cursor, getting->cursor,
			      sizeof(getting->cursor), take, getting);
	else
		fetch_store(getting);
	cs_get_expire(getting->get, time(NULL));
	sync_all(getting);
	if (getting->full)
		args_say(getting->args, "there is no room for all that has come: it is read again "
			 "the next time");
}

/* --- Objects --- */

static const char *kind_name(enum cs_kind kind)
{
	return kind == CS_KIND_FILE ? "file" : kind == CS_KIND_DIRECTORY ? "directory" :
	       "to be sent on";
}

static json_t *object_json(const struct cs_get_object *object)
{
	char id[ID_DIGITS + 1];
	json_t *json, *name = json_string(object->name);

	cs_hex(id, object->id, CS_OBJECT_ID_LEN);
	json = json_pack("{s:s, s:o, s:s, s:I, s:s, s:I, s:I}", "id", id, "name",
			 name ? name : json_string("?"), "kind", kind_name(object->kind),
			 "received", (json_int_t)object->received, "state",
			 object->ready ? "whole" : "arriving", "created",
			 (json_int_t)object->created, "expiry", (json_int_t)object->expiry);
	if (object->size == UINT64_MAX)
		return json;
	json_object_set_new(json, "size", json_integer(object->size));
	json_object_set_new(json, "percent", json_integer(object->ready || !object->size ? 100 :
			    object->received >= object->size ? 99 :
			    (json_int_t)(object->received * 100.0 / object->size)));
	return json;
}

static int list_object(const struct cs_get_object *object, void *arg)
{
	json_t *json = object_json(object);
	struct getting *getting = arg;

	add_sender(getting, object->id, json);
	return json_array_append_new(getting->list, json) ? -ENOMEM : 0;
}

/* Those that are wanted: whole, or under way. */
static int note_object(const struct cs_get_object *object, void *arg)
{
	struct getting *getting = arg;
	char id[ID_DIGITS + 1];
	struct waiting *more;

	cs_hex(id, object->id, CS_OBJECT_ID_LEN);
	if (strncmp(id, getting->id, strlen(getting->id)))
		return 0;
	getting->matches++;
	if (!object->ready) {
		/* what is only passed on never waits to be delivered */
		getting->under_way += object->kind != CS_KIND_VIA;
		return 0;
	}
	more = realloc(getting->waiting, (getting->nr_waiting + 1) * sizeof(*getting->waiting));
	if (!more)
		return -ENOMEM;
	getting->waiting = more;
	more += getting->nr_waiting;
	memcpy(more->id, object->id, CS_OBJECT_ID_LEN);
	more->created = object->created;
	more->nth = getting->nr_waiting++;
	return 0;
}

static int compare_age(const void *a, const void *b)
{
	const struct waiting *x = a, *y = b;

	if (x->created != y->created)
		return x->created < y->created ? -1 : 1;
	return x->nth > y->nth ? -1 : x->nth < y->nth;
}

static void look(struct getting *getting)
{
	getting->nr_waiting = getting->under_way = getting->matches = 0;
	if (cs_get_each(getting->get, note_object, getting))
		args_die(getting->args, "out of memory");
	if (*getting->id && getting->matches > 1)
		args_die(getting->args, "ID '%s' is ambiguous: %u objects begin so", getting->id,
			 getting->matches);
	getting->seen |= getting->matches > 0;
}

/* One that can't be delivered is in nobody's way, and is tried again; it is told once. */
static void tell_failed(struct getting *getting, const uint8_t id[CS_OBJECT_ID_LEN],
			const char *why)
{
	void *more;
	size_t i;

	getting->failed++;
	for (i = 0; i < getting->nr_told; i++)
		if (!memcmp(getting->told[i], id, CS_OBJECT_ID_LEN))
			return;
	args_say(getting->args, "%s", why);
	more = realloc(getting->told, (getting->nr_told + 1) * sizeof(*getting->told));
	if (!more)
		args_die(getting->args, "out of memory");
	getting->told = more;
	memcpy(getting->told[getting->nr_told++], id, CS_OBJECT_ID_LEN);
}

/* The oldest first: of several of one name the newest is what --replace leaves. */
static void deliver_waiting(struct getting *getting)
{
	struct cs_error error = { "" };
	size_t i;

	getting->failed = 0;
	if (getting->nr_waiting)
		qsort(getting->waiting, getting->nr_waiting, sizeof(*getting->waiting),
		      compare_age);
	for (i = 0; i < getting->nr_waiting; i++)
		if (cs_get_deliver(getting->get, getting->waiting[i].id, getting->out,
				   getting->replace, &error))
			tell_failed(getting, getting->waiting[i].id, error.text);
}

/* Was the object that is wanted delivered by an earlier run? */
static bool was_delivered(const struct getting *getting)
{
	const char *line = getting->delivered;

	while (line && *line) {
		if (!strncmp(line, getting->id, strlen(getting->id)))
			return true;
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return false;
}

static int say_why_not(const struct getting *getting)
{
	const char *why = "nothing has arrived";

	if (getting->under_way)
		why = "not all of it is here yet; 'crowdshare inbox' tells how much";
	else if (*getting->id && was_delivered(getting))
		why = "it was delivered before";
	else if (*getting->id && getting->seen)
		why = "it can't become whole any more";
	else if (*getting->id)
		why = "nothing with this id has arrived";
	args_say(getting->args, "%s", why);
	return EXIT_NO;
}

/* Is there something to wait for? */
static bool goes_on(const struct getting *getting)
{
	if (!getting->wait || stopped)
		return false;
	if (!*getting->id)
		return getting->under_way || !getting->count;
	return !getting->count && (getting->under_way || !getting->seen) &&
	       !was_delivered(getting);
}

static void take_words(struct args *args, struct getting *getting)
{
	while (args->left) {
		if (args_option(args, "--wait"))
			getting->wait = true;
		else if (args_option(args, "--replace"))
			getting->replace = true;
		else if (args_option(args, "--remove"))
			getting->remove = true;
		else if (!args_value(args, "--from", &getting->from) &&
			 !args_value(args, "--ingest", &getting->ingest) &&
			 !args_value(args, "--out", &getting->out) &&
			 !args_value(args, "--key", &getting->key) &&
			 !args_value(args, "--address", &getting->address)) {
			if (*getting->id || **args->word == '-')
				args_unknown(args);
			hex_argument(args, "ID", 1, ID_DIGITS, getting->id);
		}
	}
}

static void check_from(struct getting *getting)
{
	const struct args *args = getting->args;

	if (getting->from && getting->address)
		args_die(args, "--from and --address exclude each other");
	if (!getting->from && (getting->remove || getting->ingest))
		args_die(args, "%s goes with --from", getting->remove ? "--remove" : "--ingest");
	if (getting->ingest)
		public_key(args, "the key of an ingest", getting->ingest, getting->public);
}

static int get(struct cli *cli, struct args *args)
{
	struct getting getting = { .cli = cli, .args = args, .out = "." };
	json_t *result;

	take_words(args, &getting);
	check_from(&getting);
	if (access(getting.out, W_OK | X_OK))
		args_die(args, "--out %s: %s", getting.out, strerror(errno));
	open_all(&getting);
	if (getting.wait) {
		signal(SIGINT, on_signal);
		signal(SIGTERM, on_signal);
	}
	for (;;) {
		fetch(&getting);
		if (getting.wait)
			cli->absence = ABSENCE_FOREVER;
		look(&getting);
		deliver_waiting(&getting);
		if (!goes_on(&getting))
			break;
		sleep(WAIT_SECONDS);
	}
	if (cli->json) {
		result = json_pack("{s:i, s:I, s:I}", "delivered", getting.count, "under_way",
				   (json_int_t)getting.under_way, "failed",
				   (json_int_t)getting.failed);
		print_json(cli, result);
		json_decref(result);
	}
	flush_output();
	if (!getting.count && !getting.failed)
		say_why_not(&getting);
	close_all(&getting);
	return getting.failed ? EXIT_TROUBLE : getting.count ? EXIT_YES : EXIT_NO;
}

static int inbox(struct cli *cli, struct args *args)
{
	struct getting getting = { .cli = cli, .args = args, .list = json_array() };

	while (args->left)
		if (!args_value(args, "--key", &getting.key) &&
		    !args_value(args, "--from", &getting.from) &&
		    !args_value(args, "--ingest", &getting.ingest) &&
		    !args_value(args, "--address", &getting.address))
			args_unknown(args);
	check_from(&getting);
	open_all(&getting);
	fetch(&getting);
	if (!getting.list || cs_get_each(getting.get, list_object, &getting))
		args_die(args, "out of memory");
	print_list(cli, getting.list, getting.ingest ? vouched_table : table);
	close_all(&getting);
	return EXIT_YES;
}

int cli_get(struct cli *cli, struct args *args)
{
	static const struct object object = { "get", NULL, get, get_usage };

	return object_run(cli, args, &object);
}

int cli_inbox(struct cli *cli, struct args *args)
{
	static const struct object object = { "inbox", NULL, inbox, inbox_usage };

	return object_run(cli, args, &object);
}
