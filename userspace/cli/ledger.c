// SPDX-License-Identifier: GPL-2.0
/*
 * crowdshare ledger: points promised, earned and settled.
 *
 * What reads opens the file itself, read-only, so that it works without a daemon, and on a copy
 * elsewhere. Only the daemon writes. Entries are printed as they are read: a ledger may be long.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/crowdshare.h"
#include "daemon/config_value.h"
#include "daemon/ledger.h"
#include "lib/hex.h"

static const char usage[] =
	"Usage: crowdshare ledger [ show ] [ FILE ] [ --since TIME ] [ --csv ]\n"
	"       crowdshare ledger balances [ FILE ]\n"
	"       crowdshare ledger verify [ FILE ] [ --key KEY ]\n"
	"       crowdshare ledger settle PEER POINTS\n"
	"       FILE := a ledger; the one of this node if not given\n"
	"       TIME := { 2026-12-31 | \"2026-12-31 23:59[:59]\" | 90min | 12h | 3d |\n"
	"                 @UNIX-SECONDS }\n"
	"       KEY := { public key in hexadecimal | file of one }\n"
	"       PEER := { ADDRESS | NAME | MAC }\n"
	"       POINTS := 1.500 that PEER paid, or -1.500 that it was paid, for example\n";

static const char *const kinds[] = {
	[LEDGER_PROMISED] = "promised",
	[LEDGER_EARNED] = "earned",
	[LEDGER_LAPSED] = "lapsed",
	[LEDGER_SETTLED] = "settled",
};

/**
 * struct listing - a list that is being printed
 * @cli: the run
 * @csv: as CSV
 * @count: entries so far
 */
struct listing {
	const struct cli	*cli;
	bool			csv;
	uint64_t		count;
};

/**
 * struct texts - an entry as text
 */
struct texts {
	const char	*kind;
	char		peer[INET6_ADDRSTRLEN];
	char		contract[2 * CONTRACT_UID_LEN + 1];
	char		digest[2 * CS_DIGEST_LEN + 1];
	char		debit[64];
	char		credit[64];
};

static bool is_zero(const uint8_t *bytes, size_t len)
{
	while (len--)
		if (*bytes++)
			return false;
	return true;
}

/* All zero means none: an empty text. */
static void hex_text(const uint8_t *bytes, size_t len, char *text)
{
	*text = '\0';
	if (!is_zero(bytes, len))
		cs_hex(text, bytes, len);
}

/* The file may come from elsewhere: its texts are no better than those of a stranger. */
static void entry_texts(const struct ledger_entry *entry, struct texts *texts)
{
	unsigned int kind = entry->kind;

	texts->kind = kind < sizeof(kinds) / sizeof(*kinds) ? kinds[kind] : "unknown";
	inet_ntop(AF_INET6, entry->peer, texts->peer, sizeof(texts->peer));
	hex_text(entry->contract, sizeof(entry->contract), texts->contract);
	hex_text(entry->digest, sizeof(entry->digest), texts->digest);
	snprintf(texts->debit, sizeof(texts->debit), "%s", entry->debit);
	snprintf(texts->credit, sizeof(texts->credit), "%s", entry->credit);
}

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static int print_entry_json(struct listing *listing, const struct ledger_entry *entry)
{
	struct texts texts;
	json_t *json;

	entry_texts(entry, &texts);
	json = json_pack("{s:I, s:I, s:s, s:s, s:o, s:o, s:s, s:s, s:I}",
			 "seq", (json_int_t)entry->seq, "time", (json_int_t)entry->time,
			 "kind", texts.kind, "peer", texts.peer,
			 "contract", text_or_null(texts.contract),
			 "digest", text_or_null(texts.digest), "debit", texts.debit,
			 "credit", texts.credit, "amount", (json_int_t)entry->amount);
	if (!json)
		die("entry %" PRId64 " of the ledger: an account is not UTF-8", entry->seq);
	fputs(listing->count ? "," : "[", stdout);
	json_dumpf(json, stdout, listing->cli->pretty ? JSON_INDENT(4) : JSON_COMPACT);
	json_decref(json);
	return 0;
}

/* RFC 4180, 2.: lines end with CRLF; quotes around what has a comma, a quote or a line end. */
static void print_field(const char *text, bool last)
{
	if (strpbrk(text, ",\"\r\n")) {
		putchar('"');
		for (; *text; text++) {
			if (*text == '"')
				putchar('"');
			putchar(*text);
		}
		putchar('"');
	} else {
		fputs(text, stdout);
	}
	fputs(last ? "\r\n" : ",", stdout);
}

static int print_entry_csv(const struct ledger_entry *entry)
{
	char seq[24], when[40], amount[32];
	struct texts texts;

	entry_texts(entry, &texts);
	snprintf(seq, sizeof(seq), "%" PRId64, entry->seq);
	time_text(entry->time, "%Y-%m-%dT%H:%M:%S%z", when, sizeof(when));
	milli_text(entry->amount, amount, sizeof(amount));
	print_field(seq, false);
	print_field(when, false);
	print_field(texts.kind, false);
	print_field(texts.peer, false);
	print_field(texts.contract, false);
	print_field(texts.digest, false);
	print_field(texts.debit, false);
	print_field(texts.credit, false);
	print_field(amount, true);
	return 0;
}

static int print_entry_text(const struct listing *listing, const struct ledger_entry *entry)
{
	int digits = listing->cli->details ? 2 * CS_DIGEST_LEN : 16;
	char when[32], amount[32];
	struct texts texts;

	if (!listing->count)
		printf("%8s  %-19s  %-8s  %12s  %-39s  %-16s  %s\n", "SEQ", "TIME", "KIND",
		       "POINTS", "PEER", "DIGEST", "ACCOUNTS");
	entry_texts(entry, &texts);
	clean_text(texts.debit);
	clean_text(texts.credit);
	time_text(entry->time, "%Y-%m-%d %H:%M:%S", when, sizeof(when));
	milli_text(entry->amount, amount, sizeof(amount));
	printf("%8" PRId64 "  %-19s  %-8s  %12s  %-39s  %-16.*s  %s > %s\n", entry->seq, when,
	       texts.kind, amount, texts.peer, digits, *texts.digest ? texts.digest : "-",
	       texts.debit, texts.credit);
	return 0;
}

static int print_entry(const struct ledger_entry *entry, void *data)
{
	struct listing *listing = data;

	if (listing->csv)
		print_entry_csv(entry);
	else if (listing->cli->json)
		print_entry_json(listing, entry);
	else
		print_entry_text(listing, entry);
	listing->count++;
	/* head(1) has seen enough, or the disk is full: no need to read on */
	if (ferror(stdout))
		flush_output();
	return 0;
}

static bool parse_date(const char *text, time_t *when)
{
	static const char *const formats[] = { "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S",
		"%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S" };
	const char *end;
	struct tm tm;
	size_t i;

	for (i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		memset(&tm, 0, sizeof(tm));
		end = strptime(text, formats[i], &tm);
		if (!end || *end)
			continue;
		tm.tm_isdst = -1;
		*when = mktime(&tm);
		return true;
	}
	return false;
}

static int64_t parse_since(const struct args *args, const char *text)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long long number;
	uint64_t ago;
	time_t when;

	if (parse_date(text, &when))
		return when;
	/* nine digits are Unix seconds; fewer might be meant as 20261231 */
	if ((*text == '@' && text[1] >= '0' && text[1] <= '9') || (digits >= 9 && !text[digits])) {
		char *end;

		errno = 0;
		number = strtoull(text + (*text == '@'), &end, 10);
		if (!*end && !errno && number <= INT64_MAX)
			return number;
	} else if (digits && text[digits] && !value_time(text, &ago) &&
		   ago < (uint64_t)time(NULL)) {
		return time(NULL) - ago;
	}
	args_die(args, "--since '%s' is not a time such as 2026-12-31, '2026-12-31 23:59', 12h, 3d "
		 "or @1798758000", text);
}

static void ledger_path(struct cli *cli, const char *file, char *path, size_t size)
{
	if (!file)
		cli_state_file(cli, "ledger.db", path, size);
	else if ((size_t)snprintf(path, size, "%s", file) >= size)
		die("%s: %s", file, strerror(ENAMETOOLONG));
}

/* Whether it is there is asked first: SQLite tells little of why it can't open a file. */
static int try_ledger(const struct args *args, const char *path,
		      struct ledger **ledger, struct cs_error *error)
{
	if (access(path, R_OK))
		args_die(args, "%s: %s%s", path, strerror(errno), errno == EACCES ?
			 ": be root, or the user of crowdshared" : "");
	return ledger_open(ledger, path, NULL, error);
}

static struct ledger *open_ledger(struct cli *cli, const struct args *args, const char *file)
{
	struct cs_error error = { "" };
	struct ledger *ledger;
	char path[PATH_MAX];

	ledger_path(cli, file, path, sizeof(path));
	if (try_ledger(args, path, &ledger, &error))
		args_die(args, "%s", error.text);
	return ledger;
}

static int show(struct cli *cli, struct args *args)
{
	const char *file = NULL, *since_text = NULL;
	struct listing listing = { .cli = cli };
	struct cs_error error = { "" };
	struct ledger *ledger;
	int64_t since = 0;

	while (args->left) {
		if (args_option(args, "--csv"))
			listing.csv = true;
		else if (!args_value(args, "--since", &since_text)) {
			if (file || **args->word == '-')
				args_unknown(args);
			file = args_next(args, "FILE");
		}
	}
	if (listing.csv && cli->json)
		args_die(args, "--csv and --json are two forms: give one");
	if (since_text)
		since = parse_since(args, since_text);
	ledger = open_ledger(cli, args, file);
	if (listing.csv)
		fputs("seq,time,kind,peer,contract,digest,debit,credit,points\r\n", stdout);
	if (ledger_each(ledger, since, print_entry, &listing, &error))
		args_die(args, "%s", error.text);
	if (cli->json)
		fputs(listing.count ? "]\n" : "[]\n", stdout);
	flush_output();
	ledger_close(ledger);
	return EXIT_YES;
}

static int add_balance(const char *account, int64_t balance, void *data)
{
	json_t *item = json_pack("{s:s, s:I}", "account", account, "balance", (json_int_t)balance);

	if (!item || json_array_append_new(data, item))
		die("out of memory, or an account is not UTF-8");
	return 0;
}

static const char *file_argument(struct args *args)
{
	if (args->left && **args->word == '-')
		args_unknown(args);
	return args->left ? args_next(args, "FILE") : NULL;
}

static int balances(struct cli *cli, struct args *args)
{
	static const struct column columns[] = {
		{ "account", "ACCOUNT", CELL_TEXT },
		{ "balance", "POINTS", CELL_MILLI },
		{ NULL },
	};
	const char *file = file_argument(args);
	struct cs_error error = { "" };
	json_t *list = json_array();
	struct ledger *ledger;

	args_end(args);
	ledger = open_ledger(cli, args, file);
	if (ledger_balances(ledger, add_balance, list, &error))
		args_die(args, "%s", error.text);
	ledger_close(ledger);
	print_list(cli, list, columns);
	json_decref(list);
	return EXIT_YES;
}

static int count_entry(const struct ledger_entry *entry, void *data)
{
	uint64_t *count = data;

	(void)entry;
	++*count;
	return 0;
}

/* @why: what is wrong, "": nothing; it names file and entry. */
static int print_verdict(struct cli *cli, const char *path, const char *why, int64_t bad,
			 uint64_t entries)
{
	char text[sizeof(struct cs_error)];
	json_t *json;

	snprintf(text, sizeof(text), "%s", why);
	clean_text(text);
	if (cli->json) {
		json = json_pack("{s:s, s:b, s:I, s:I, s:o}", "file", path, "ok", !*text,
				 "entries", (json_int_t)entries, "bad", (json_int_t)bad,
				 "error", text_or_null(text));
		if (!json)
			die("out of memory, or '%s' is not UTF-8", path);
		print_json(cli, json);
		json_decref(json);
	} else if (*text) {
		puts(text);
	} else {
		printf("ledger '%s': %" PRIu64 " entries: chain, signatures and balances are "
		       "right\n", path, entries);
	}
	flush_output();
	return *text ? EXIT_NO : EXIT_YES;
}

/* Damaged, not right, or another node's: the answer is no. What can't be read is no answer. */
static int verify_file(struct cli *cli, const struct args *args, const char *path,
		       const uint8_t public[IDENTITY_PUBLIC_LEN])
{
	struct cs_error error = { "" };
	struct ledger *ledger = NULL;
	uint64_t entries = 0;
	int64_t bad = 0;
	int rc;

	rc = try_ledger(args, path, &ledger, &error);
	if (!rc)
		rc = ledger_verify(ledger, public, &bad, &error);
	if (!rc)
		rc = ledger_each(ledger, 0, count_entry, &entries, &error);
	ledger_close(ledger);
	if (rc && rc != -EBADMSG && rc != -EUCLEAN && rc != -EPERM)
		args_die(args, "%s", error.text);
	/* a reason there is, even if nobody told it */
	return print_verdict(cli, path, rc && !*error.text ? strerror(-rc) : error.text, bad,
			     entries);
}

static int verify(struct cli *cli, struct args *args)
{
	char path[PATH_MAX], key_path[PATH_MAX];
	uint8_t public[IDENTITY_PUBLIC_LEN];
	const char *file = NULL, *key = NULL;

	while (args->left) {
		if (args_value(args, "--key", &key))
			continue;
		if (file)
			args_unknown(args);
		file = file_argument(args);
	}
	if (!key)
		cli_state_file(cli, "identity.pub", key_path, sizeof(key_path));
	public_key(args, "a public key", key ? key : key_path, public);
	ledger_path(cli, file, path, sizeof(path));
	return verify_file(cli, args, path, public);
}

static int settle(struct cli *cli, struct args *args)
{
	json_t *request = request_new("ledger settle");
	char address[INET6_ADDRSTRLEN];
	const char *points;
	uint64_t amount;
	bool paid;

	peer_argument(cli, args, address);
	points = args_next(args, "POINTS");
	args_end(args);
	paid = points[0] == '-';
	if (value_decimal(points + paid, 3, &amount) || !amount || amount > INT64_MAX)
		args_die(args, "POINTS '%s' is not an amount such as 1.500 that was got, or -1.500 "
			 "that was paid, with at most three decimals", points);
	request_put(request, "peer", json_string(address));
	request_put(request, "amount", json_integer(paid ? -(int64_t)amount : (int64_t)amount));
	cli_do(cli, args, request);
	return EXIT_YES;
}

int cli_ledger(struct cli *cli, struct args *args)
{
	static const struct command commands[] = {
		{ "show", show },
		{ "balances", balances },
		{ "verify", verify },
		{ "settle", settle },
		{ NULL, NULL },
	};
	static const struct object object = { "ledger", commands, show, usage };

	return object_run(cli, args, &object);
}
