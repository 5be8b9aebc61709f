// SPDX-License-Identifier: GPL-2.0
/*
 * crowdshare sent: what this user sent, and what the daemon knows has become of it.
 *
 * For each object there are two files in the directory sent of the user's state: ID.json, what put
 * printed, and before that ID.ids, the first 16 bytes of the digest of each of its messages, by
 * which nodes know messages. There is nothing secret in them. They go some time after the object
 * has expired.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <crowdshare/fobject.h>

#include "cli/crowdshare.h"
#include "cli/home.h"
#include "lib/base64.h"

#define ID_DIGITS	(2 * CS_OBJECT_ID_LEN)
#define ID_LEN		CS_SEEN_KEY_LEN
#define IDS_MAX		2048			/* in a request */
#define IDS_FILE_MAX	(1ull << 32)
#define RECORD_MAX	65536
#define KEEP_SECONDS	(7 * 86400)

static const char usage[] =
	"Usage: crowdshare sent [ ID ]\n"
	"Lists what was put, and what this node knows of it. ID may be cut short as long as it\n"
	"stays unambiguous; of one object the peers and contracts are shown, too.\n";

static const struct column table[] = {
	{ "id", "ID", CELL_DIGEST },
	{ "name", "NAME", CELL_TEXT },
	{ "to", "TO", CELL_TEXT },
	{ "created", "SENT", CELL_TIME },
	{ "messages", "MESSAGES", CELL_TEXT },
	{ "stored", "STORED", CELL_TEXT },
	{ "holders", "HOLDERS", CELL_TEXT },
	{ "delivered", "DELIVERED", CELL_TEXT },
	{ "promised", "PROMISED", CELL_MILLI },
	{ "earned", "PAID", CELL_MILLI },
	{ "expiry", "EXPIRY", CELL_TIME },
	{ NULL },
};

static const struct column members[] = {
	{ "id", "id", CELL_TEXT },
	{ "name", "name", CELL_TEXT },
	{ "to", "to", CELL_TEXT },
	{ "created", "sent", CELL_TIME },
	{ "expiry", "expiry", CELL_TIME },
	{ "files", "files", CELL_TEXT },
	{ "bytes", "bytes", CELL_BYTES },
	{ "skipped", "skipped", CELL_TEXT },
	{ "messages", "messages", CELL_TEXT },
	{ "sent", "of bytes", CELL_BYTES },
	{ "stored", "stored", CELL_TEXT },
	{ "delivered", "delivered", CELL_TEXT },
	{ "claimed", "claimed", CELL_TEXT },
	{ "unknown", "unknown", CELL_TEXT },
	{ "holders", "holders", CELL_TEXT },
	{ "promised", "promised", CELL_MILLI },
	{ "earned", "paid", CELL_MILLI },
	{ "lapsed", "lapsed", CELL_MILLI },
	{ NULL },
};

static const struct column peer_table[] = {
	{ "peer", "PEER", CELL_TEXT },
	{ "offered", "OFFERED", CELL_TEXT },
	{ "has", "HAS", CELL_TEXT },
	{ NULL },
};

static const struct column contract_table[] = {
	{ "uid", "CONTRACT", CELL_DIGEST },
	{ "peer", "PEER", CELL_TEXT },
	{ "messages", "MESSAGES", CELL_TEXT },
	{ "promised", "PROMISED", CELL_MILLI },
	{ "earned", "PAID", CELL_MILLI },
	{ "lapsed", "LAPSED", CELL_MILLI },
	{ NULL },
};

/* --- Files --- */

static void file_of(const struct args *args, const char *id, const char *suffix,
		    char path[PATH_MAX])
{
	char name[ID_DIGITS + 32];

	snprintf(name, sizeof(name), "sent/%s%s", id, suffix);
	home_state(args, name, path);
}

/**
 * sent_write() - remember an object that was sent
 * @args: for error messages
 * @id: of the object
 * @record: what is told of it
 * @ids: beginnings of the digests of its messages
 * @count: their number
 */
void sent_write(const struct args *args, const char *id, const json_t *record,
		const uint8_t *ids, size_t count)
{
	char *text = json_dumps(record, JSON_COMPACT);
	char path[PATH_MAX];

	if (!text)
		args_die(args, "out of memory");
	file_of(args, id, ".ids", path);
	home_write(args, path, ids, count * ID_LEN);
	/* with this one there is a record */
	file_of(args, id, ".json", path);
	home_write(args, path, text, strlen(text));
	free(text);
}

static void forget(const struct args *args, const char *id)
{
	char path[PATH_MAX];

	file_of(args, id, ".json", path);
	unlink(path);
	file_of(args, id, ".ids", path);
	unlink(path);
}

/* NULL: there is none, or it is damaged, which is said. */
static json_t *read_record(const struct args *args, const char *id)
{
	char path[PATH_MAX], *text;
	json_t *record;
	size_t len;

	file_of(args, id, ".json", path);
	text = home_read(args, path, RECORD_MAX, &len);
	if (!text)
		return NULL;
	record = json_loadb(text, len, 0, NULL);
	free(text);
	if (json_string_value(json_object_get(record, "id")) &&
	    !strcmp(json_string_value(json_object_get(record, "id")), id))
		return record;
	args_say(args, "%s: damaged, and of no use", path);
	json_decref(record);
	return NULL;
}

/* The id that a file name begins with, if it is a record's. */
static bool id_of(const char *name, char id[ID_DIGITS + 1])
{
	if (strspn(name, "0123456789abcdef") != ID_DIGITS || strcmp(name + ID_DIGITS, ".json"))
		return false;
	memcpy(id, name, ID_DIGITS);
	id[ID_DIGITS] = '\0';
	return true;
}

static int compare_created(const void *a, const void *b)
{
	json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "created"));
	json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "created"));

	return (x > y) - (x < y);
}

/* All records whose ids begin so, the oldest first. */
static json_t *read_records(const struct args *args, const char *prefix)
{
	char path[PATH_MAX], id[ID_DIGITS + 1];
	json_t **records = NULL, *record, *list = json_array();
	const struct dirent *entry;
	size_t count = 0, i;
	DIR *dir;

	home_state(args, "sent/", path);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (!id_of(entry->d_name, id) || strncmp(id, prefix, strlen(prefix)))
			continue;
		record = read_record(args, id);
		if (!record)
			continue;
		if (json_integer_value(json_object_get(record, "expiry")) + KEEP_SECONDS <
		    time(NULL)) {
			forget(args, id);
			json_decref(record);
			continue;
		}
		records = realloc(records, (count + 1) * sizeof(*records));
		if (!records)
			args_die(args, "out of memory");
		records[count++] = record;
	}
	if (!dir)
		args_die(args, "%s: %s", path, strerror(errno));
	closedir(dir);
	if (count)
		qsort(records, count, sizeof(*records), compare_created);
	for (i = 0; i < count; i++)
		json_array_append_new(list, records[i]);
	free(records);
	return list;
}

/* --- What the daemon knows --- */

static void add(json_t *object, const char *key, json_int_t value)
{
	json_int_t before = json_integer_value(json_object_get(object, key));

	json_object_set_new(object, key, json_integer(before + value));
}

/* Adds numbers to those of the entry of a list with the same @key. */
static void merge(json_t *list, const json_t *entry, const char *key)
{
	const char *name = json_string_value(json_object_get(entry, key)), *member;
	json_t *found = NULL, *value;
	size_t i;

	for (i = 0; name && i < json_array_size(list); i++, found = NULL) {
		found = json_array_get(list, i);
		if (!strcmp(json_string_value(json_object_get(found, key)), name))
			break;
	}
	if (!found) {
		if (name)
			json_array_append_new(list, json_deep_copy(entry));
		return;
	}
	json_object_foreach((json_t *)entry, member, value)
		if (json_is_integer(value))
			add(found, member, json_integer_value(value));
}

static void merge_all(json_t *record, const json_t *answer, const char *what, const char *key)
{
	json_t *list = json_object_get(record, what), *entry;
	size_t i;

	json_array_foreach(json_object_get(answer, what), i, entry)
		merge(list, entry, key);
}

static void count_states(const struct args *args, json_t *record, const json_t *answer,
			 size_t count)
{
	const char *states = json_string_value(json_object_get(answer, "states")), *p;

	if (!states || strlen(states) != count)
		args_die(args, "crowdshared does not say what became of messages");
	for (p = states; *p; p++)
		add(record, *p == 'd' ? "delivered" : *p == 's' ? "stored" : *p == 'c' ?
		    "claimed" : "unknown", 1);
}

static void ask(struct cli *cli, const struct args *args, json_t *record, const uint8_t *ids,
		size_t count)
{
	static char text[CS_BASE64_LEN(IDS_MAX * ID_LEN) + 1];
	json_t *request = request_new("messages"), *answer;

	cs_base64(text, ids, count * ID_LEN);
	request_put(request, "ids", json_string(text));
	answer = cli_ask(cli, args, request);
	count_states(args, record, answer, count);
	merge_all(record, answer, "peers", "peer");
	merge_all(record, answer, "contracts", "uid");
	json_decref(answer);
}

/* Who has all of it; and the points. Without contracts there is nothing to say of points. */
static void sum_up(json_t *record, size_t count)
{
	json_t *entry, *contracts = json_object_get(record, "contracts");
	size_t i;

	json_object_set_new(record, "holders", json_integer(0));
	json_array_foreach(json_object_get(record, "peers"), i, entry)
		add(record, "holders",
		    json_integer_value(json_object_get(entry, "has")) == (json_int_t)count);
	json_array_foreach(contracts, i, entry) {
		add(record, "promised", json_integer_value(json_object_get(entry, "promised")));
		add(record, "earned", json_integer_value(json_object_get(entry, "earned")));
		add(record, "lapsed", json_integer_value(json_object_get(entry, "lapsed")));
	}
}

static void ask_all(struct cli *cli, const struct args *args, json_t *record, const uint8_t *ids,
		    size_t count)
{
	static const char *const counts[] = { "stored", "delivered", "claimed", "unknown" };
	size_t done, i;

	for (i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		json_object_set_new(record, counts[i], json_integer(0));
	json_object_set_new(record, "peers", json_array());
	json_object_set_new(record, "contracts", json_array());
	for (done = 0; done < count; done += IDS_MAX)
		ask(cli, args, record, ids + done * ID_LEN,
		    count - done < IDS_MAX ? count - done : IDS_MAX);
	sum_up(record, count);
}

/**
 * sent_holders() - how many peers hold all of some messages
 * @cli: the run
 * @args: for error messages
 * @ids: beginnings of the digests of the messages
 * @count: their number
 *
 * Return: how many; SIZE_MAX: all have been delivered.
 */
size_t sent_holders(struct cli *cli, const struct args *args, const uint8_t *ids, size_t count)
{
	json_t *record = json_object();
	size_t holders;

	if (!record)
		args_die(args, "out of memory");
	ask_all(cli, args, record, ids, count);
	holders = json_integer_value(json_object_get(record, "holders"));
	if (json_integer_value(json_object_get(record, "delivered")) == (json_int_t)count)
		holders = SIZE_MAX;
	json_decref(record);
	return holders;
}

static void complete(struct cli *cli, const struct args *args, json_t *record)
{
	const char *id = json_string_value(json_object_get(record, "id"));
	size_t len = 0, count;
	char path[PATH_MAX], *ids;

	file_of(args, id, ".ids", path);
	ids = home_read(args, path, IDS_FILE_MAX, &len);
	count = len / ID_LEN;
	if (!ids || !count || len % ID_LEN) {
		args_say(args, "%s: damaged: nothing is known of %s", path, id);
		free(ids);
		return;
	}
	ask_all(cli, args, record, (uint8_t *)ids, count);
	free(ids);
}

static int show_one(struct cli *cli, struct args *args)
{
	char prefix[ID_DIGITS + 1];
	json_t *list, *record;

	hex_argument(args, "ID", 1, ID_DIGITS, prefix);
	args_end(args);
	list = read_records(args, prefix);
	if (!json_array_size(list)) {
		args_say(args, "nothing was sent with an id that begins with '%s'", prefix);
		json_decref(list);
		return EXIT_NO;
	}
	if (json_array_size(list) > 1)
		args_die(args, "ID '%s' is ambiguous: %zu objects begin so", prefix,
			 json_array_size(list));
	record = json_array_get(list, 0);
	complete(cli, args, record);
	print_object(cli, record, members);
	if (!cli->json) {
		print_table(cli, json_object_get(record, "peers"), peer_table);
		print_table(cli, json_object_get(record, "contracts"), contract_table);
	}
	json_decref(list);
	return EXIT_YES;
}

static int show(struct cli *cli, struct args *args)
{
	json_t *list, *record;
	size_t i;

	if (args->left)
		return show_one(cli, args);
	list = read_records(args, "");
	json_array_foreach(list, i, record)
		complete(cli, args, record);
	print_list(cli, list, table);
	json_decref(list);
	return EXIT_YES;
}

int cli_sent(struct cli *cli, struct args *args)
{
	static const struct object object = { "sent", NULL, show, usage };

	return object_run(cli, args, &object);
}
