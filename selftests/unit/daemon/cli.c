// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of crowdshare: the program is run as a user would, against a daemon that answers from
 * a list, and on a real ledger. CS_CLI names another build of it.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <sqlite3.h>

#include "common/cli.h"
#include "daemon/control.h"
#include "daemon/ledger.h"
#include "lib/hex.h"

#define A "fd00::a"
#define B "fd00::b"
#define UID1 "00112233445566778899aabbccddeeff"
#define UID2 "00112233445566778899aabbccddee00"
#define NOW 1800000000	/* 2027-01-15 08:00:00 UTC */
#define MESSAGES 2003	/* one page and three */

static char dir[64];
static char socket_path[96], public_hex[65];
static char output[1 << 22];
static pid_t server;

/* What the daemon answers to what only reads; ids, names and texts are as bad as they may be. */
static const char *const answers[][2] = {
	{ "status", "{\"version\":\"0.1\",\"address\":\"" A "\",\"uptime\":93784,\"device\":{"
		"\"name\":\"cs0\",\"seen_count\":5,\"seen_max\":65536},\"ports\":[{\"interface\":"
		"\"wlan0\",\"up\":true,\"attached\":false,\"peers\":3}],\"peers\":3,\"store\":{"
		"\"messages\":7,\"bytes\":1572864,\"quota\":1073741824},\"contracts\":2,"
		"\"missed\":0,\"clock_offset\":-3,\"new_thing\":{\"a_b\":[1],\"c\":4}}" },
	{ "peers", "[{\"address\":\"" A "\",\"name\":\"\\u001b[2JAlice\\u0085\",\"port\":\"eth0\","
		"\"lladdr\":\"02:00:00:00:00:0a\",\"state\":\"free\",\"rating\":1000,\"since\":"
		"1800000000,\"rx_bytes\":10,\"tx_bytes\":2048,\"key_epoch\":3,\"offset\":-2,"
		"\"certificate\":null,\"status\":\"up\"},{\"address\":\"" A "\",\"name\":\"\","
		"\"port\":\"wlan0\",\"lladdr\":\"02:00:00:00:00:1a\"},{\"address\":\"" B "\","
		"\"name\":\"Bj\xc3\xb6rn\",\"port\":\"wlan0\",\"lladdr\":\"02:00:00:00:00:0b\"},"
		"{\"address\":\"fd00::c\",\"name\":\"two\"},{\"address\":\"fd00::d\",\"name\":"
		"\"two\"}]" },
	{ "offers", "[{\"id\":12,\"direction\":\"out\",\"peer\":\"" B "\",\"destination\":\"" A
		"\",\"messages\":3,\"bytes\":4200,\"state\":\"bid\",\"rate\":1500,\"total\":7,"
		"\"waits\":59,\"terms\":{\"market\":1000,\"rated\":1500}},{\"id\":13,\"direction\":"
		"\"in\",\"peer\":\"" B "\",\"destination\":\"" A "\",\"messages\":1,\"bytes\":1,"
		"\"state\":\"refused\",\"reason\":\"full\",\"reason_text\":"
		"\"the store is full\"}]" },
	{ "contracts", "[{\"uid\":\"" UID1 "\",\"id\":1,\"role\":\"buyer\",\"peer\":\"" B
		"\",\"rate\":1500,\"promised\":7,\"earned\":2,\"lapsed\":0,\"bytes\":4200,\"used\":"
		"1400,\"refused\":0,\"expiry\":1800000000,\"messages\":3},{\"uid\":\"" UID2
		"\"}]" },
	{ "store", "{\"messages\":7,\"bytes\":1572864,\"quota\":1073741824,\"missed\":0}" },
	{ "policy", "{\"refuses\":\"battery\",\"reason_text\":\"the node runs on battery\","
		"\"power\":{\"battery\":true,\"plugged\":false,\"percent\":17},\"plan\":{\"used\":"
		"5,\"bytes\":2048,\"day\":1},\"market\":1000,\"terms\":{\"market\":1000,\"rated\":"
		"1250}}" },
	{ "store check", "{\"checked\":7,\"bad\":1}" },
	{ "offers reject", "{}" },
};

static void digest_text(unsigned int number, char text[129])
{
	snprintf(text, 129, "%08x%0120x", number * 0x10000, number);
}

static json_t *list_messages(const json_t *request)
{
	const char *prefix = json_string_value(json_object_get(request, "digest"));
	const char *after = json_string_value(json_object_get(request, "after"));
	size_t limit = json_integer_value(json_object_get(request, "limit"));
	json_t *list = json_array();
	unsigned int i;
	char digest[129];

	for (i = 0; i < MESSAGES && json_array_size(list) < limit; i++) {
		digest_text(i, digest);
		if ((!prefix || !strncmp(digest, prefix, strlen(prefix))) &&
		    (!after || strcmp(digest, after) > 0))
			json_array_append_new(list, json_pack("{s:s, s:i, s:[s, s]}", "digest",
							      digest, "size", i, "flags", "own",
							      "local"));
	}
	return list;
}

/* What would change something tells what it was asked. */
static json_t *handler(void *data, const json_t *request, bool admin, struct cs_error *error)
{
	const char *command = json_string_value(json_object_get(request, "command"));
	size_t i;

	(void)data;
	(void)admin;
	for (i = 0; i < sizeof(answers) / sizeof(*answers); i++)
		if (!strcmp(answers[i][0], command))
			return json_loads(answers[i][1], 0, NULL);
	if (!strcmp(command, "store list"))
		return list_messages(request);
	if (!strcmp(command, "store drop"))
		return control_denied(error);
	if (!strcmp(command, "offers accept")) {
		cs_error_set(error, -ENOENT, "there is no such \x1b[2Joffer");
		return NULL;
	}
	return json_incref((json_t *)request);
}

static void serve(void)
{
	struct event_base *base = event_base_new();
	struct cs_error error = { "" };
	struct control *control;

	if (control_open(&control, base, socket_path, handler, NULL, &error)) {
		fprintf(stderr, "%s\n", error.text);
		_exit(1);
	}
	event_base_dispatch(base);
	_exit(0);
}

/* Runs crowdshare; its output, both streams, is in output[]. Return: its exit status. */
__attribute__((format(printf, 1, 2)))
static int run(const char *format, ...)
{
	char command[16384], words[8192];
	va_list args;
	size_t len;
	FILE *pipe;
	int status;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	snprintf(command, sizeof(command), "TZ=UTC %s -s %s %s 2>&1", cli, socket_path, words);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	len = fread(output, 1, sizeof(output) - 1, pipe);
	output[len] = '\0';
	status = pclose(pipe);
	if (!WIFEXITED(status) || strstr(output, "Sanitizer"))
		fail_msg("%s\n%s", command, output);
	return WEXITSTATUS(status);
}

static void says(const char *text)
{
	if (!strstr(output, text))
		fail_msg("'%s' is not in:\n%s", text, output);
}

static void says_json(const char *text)
{
	json_t *expected = json_loads(text, 0, NULL);
	json_t *got = json_loads(output, 0, NULL);

	assert_non_null(expected);
	if (!got || !json_equal(expected, got))
		fail_msg("%s\nis not\n%s", output, text);
	json_decref(expected);
	json_decref(got);
}

/* Exit status 2, and the reason. */
#define trouble(text, ...) do {						\
	if (run(__VA_ARGS__) != 2)					\
		fail_msg("not trouble: %s", output);			\
	says(text);							\
} while (0)

static int setup(void **state)
{
	int i;

	(void)state;
	strcpy(dir, "/tmp/crowdshare-cli-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/control", dir);
	server = fork();
	if (!server)
		serve();
	for (i = 0; i < 100 && access(socket_path, F_OK); i++)
		usleep(50000);
	return access(socket_path, F_OK);
}

static int teardown(void **state)
{
	char command[96];
	int status;

	(void)state;
	kill(server, SIGTERM);
	waitpid(server, &status, 0);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void test_json(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 6; i++) {
		assert_int_equal(run("-j %s", answers[i][0]), 0);
		says_json(answers[i][1]);
		assert_ptr_equal(strchr(output, '\n'), output + strlen(output) - 1);
		assert_int_equal(run("-jp %s", answers[i][0]), 0);
		says_json(answers[i][1]);
		/* the word may stand behind, too */
		assert_int_equal(run("%s --json", answers[i][0]), 0);
		says_json(answers[i][1]);
	}
}

static void test_text(void **state)
{
	(void)state;
	assert_int_equal(run("stat"), 0);
	says("uptime:          1d 02:03:04\n");
	says("device:          cs0\n");
	says("stored bytes:    1.5 MiB\n");
	says("store quota:     1.0 GiB\n");
	/* what a newer daemon tells is not lost */
	says("new thing c:     4\n");
	says("PORT   UP   ATTACHED  PEERS\nwlan0  yes  no            3\n");
	assert_int_equal(run("peers"), 0);
	says("ADDRESS  NAME");
	says("2027-01-15 08:00:00      10 B  2.0 KiB\n");
	/* nothing steers the terminal, and columns stay in line behind an umlaut */
	says("?[2JAlice??");
	assert_null(strchr(output, '\033'));
	says("fd00::b  Bj\xc3\xb6rn        wlan0");
	assert_int_equal(run("offers"), 0);
	says("12  out  fd00::b  fd00::a             3  4.1 KiB  1.500  0.007  bid      00:00:59  "
	     "-\n");
	assert_int_equal(run("contracts"), 0);
	says("0011223344556677  buyer  fd00::b         3  4.1 KiB  1.3 KiB        0  1.500     "
	     "0.007   0.002   0.000  2027-01-15 08:00:00");
	assert_int_equal(run("policy"), 0);
	says("because:       the node runs on battery\n");
	says("plan bytes:    2.0 KiB\n");
	says("price:         1.250\n");
	says("plan day:      1\n");
}

static void test_show(void **state)
{
	(void)state;
	assert_int_equal(run("peers show FD00:0::b"), 0);
	says("name:    Bj\xc3\xb6rn\n");
	assert_null(strstr(output, "fd00::a"));
	/* one node on two ports */
	assert_int_equal(run("-j peers show " A), 0);
	says("eth0");
	says("wlan0");
	assert_int_equal(run("peers show 02:00:00:00:00:0B"), 0);
	assert_int_equal(run("peers show nobody"), 1);
	says("no peer 'nobody'");
	assert_int_equal(run("offers show 13"), 0);
	says("because:     the store is full\n");
	assert_int_equal(run("offers show 12"), 0);
	says("price: market: 1.000\n");
	assert_int_equal(run("offers show 14"), 1);
	assert_int_equal(run("-j contracts show " UID1), 0);
	says("\"contracts show\"");
	says("\"role\":\"buyer\"");
	assert_int_equal(run("-j contr show 00112233445566778899AABBCCDDEEF"), 0);
	says("\"" UID1 "\"");
	trouble("ambiguous: " UID1 ", " UID2, "contracts show 0011");
	assert_int_equal(run("contracts show 02"), 1);
	trouble("not hexadecimal", "contracts show xyz");
	trouble("has 33 digits", "contracts show " UID1 "0");
}

static void test_store(void **state)
{
	json_t *list;
	char digest[129], text[512];

	(void)state;
	assert_int_equal(run("-j store list"), 0);
	list = json_loads(output, 0, NULL);
	assert_int_equal(json_array_size(list), MESSAGES);
	digest_text(MESSAGES - 1, digest);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, MESSAGES - 1),
							      "digest")), digest);
	json_decref(list);
	assert_int_equal(run("store list 0007"), 0);
	says("DIGEST            DESTINATION  SIZE");
	says("0007000000000000  -               7  -       -        -     -     own,local\n");
	assert_int_equal(run("-d store list %.30s", digest), 0);
	says(digest);
	assert_int_equal(run("-j store cancel %.9s", digest), 0);
	snprintf(text, sizeof(text), "{\"command\":\"store cancel\",\"digest\":\"%s\"}", digest);
	says_json(text);
	assert_int_equal(run("-j store cancel %s", digest), 0);
	says_json(text);
	assert_int_equal(run("store cancel 1234567890"), 1);
	says("holds no message");
	trouble("needs 8 to 128", "store cancel 0000000");
	trouble("only root", "store drop %s", digest);
	assert_int_equal(run("store check"), 1);
	says("checked: 7\nbad:     1\n");
	assert_int_equal(run("-j store reconcile"), 0);
	says_json("{\"command\":\"store reconcile\"}");
	assert_int_equal(run("-j store rec Bj\xc3\xb6rn"), 0);
	says_json("{\"command\":\"store reconcile\",\"peer\":\"" B "\"}");
	trouble("ambiguous: fd00::c, fd00::d", "store rec two");
	trouble("no peer 'none'", "store rec none");
}

static void test_change(void **state)
{
	(void)state;
	assert_int_equal(run("offers accept 12"), 1);
	says("crowdshare: offers accept: there is no such ?[2Joffer\n");
	assert_int_equal(run("offers reject 12"), 0);
	assert_string_equal(output, "");
	assert_int_equal(run("-j offers make " B " all"), 0);
	says_json("{\"command\":\"offers make\",\"peer\":\"" B "\",\"digests\":\"all\"}");
	assert_int_equal(run("-j offers make " B " " UID1 " " UID2), 0);
	says_json("{\"command\":\"offers make\",\"peer\":\"" B "\",\"digests\":[\"" UID1 "\",\""
		  UID2 "\"]}");
	trouble("DIGEST is missing", "offers make " B);
	trouble("odd number", "offers make " B " " UID1 "0");
	assert_int_equal(run("-j ledger settle " B " 1.5"), 0);
	says_json("{\"command\":\"ledger settle\",\"peer\":\"" B "\",\"amount\":1500}");
	assert_int_equal(run("-j ledger settle " B " 9223372036854775.807"), 0);
	says("9223372036854775807");
	trouble("not an amount", "ledger settle " B " 9223372036854775.808");
	trouble("not an amount", "ledger settle " B " 0");
	trouble("not an amount", "ledger settle " B " 0.0001");
	trouble("not an amount", "ledger settle " B " -0");
	trouble("not an amount", "ledger settle " B " --1");
	trouble("not an amount", "ledger settle " B " -");
	assert_int_equal(run("-j ledger settle " B " -1.5"), 0);
	says_json("{\"command\":\"ledger settle\",\"peer\":\"" B "\",\"amount\":-1500}");
	trouble("not an amount", "ledger settle " B " 1e3");
	trouble("POINTS is missing", "ledger settle " B);
}

static void test_words(void **state)
{
	static const char *const objects[] = { "status", "peers", "offers", "contracts", "store",
		"ledger", "policy", "ca", "id" };
	char name[64];
	size_t i;

	(void)state;
	trouble("Usage:", " ");
	assert_int_equal(run("help"), 0);
	says("Exit status");
	assert_int_equal(run("-V"), 0);
	says("crowdshare 0.1");
	for (i = 0; i < sizeof(objects) / sizeof(*objects); i++) {
		assert_int_equal(run("%s help", objects[i]), 0);
		snprintf(name, sizeof(name), "Usage: crowdshare %s", objects[i]);
		says(name);
	}
	assert_int_equal(run("offers make help"), 0);
	trouble("ambiguous: status, store", "st");
	trouble("object 'x' is not known", "x");
	trouble("object '' is not known", "''");
	trouble("command of store 'x'", "store x");
	trouble("ambiguous: cancel, check", "store c");
	trouble("COMMAND is missing", "ca");
	trouble("'more' is not an option here; try 'crowdshare status help'", "status more");
	trouble("'more'", "store check more");
	trouble("option '-x'", "-x status");
	trouble("needs a value", "-c");
	trouble("ID is missing", "offers accept");
	trouble("not a number", "offers accept -1");
	trouble("out of range", "offers accept 9223372036854775808");
	trouble("no peer", "store rec \xff\xfe");
	trouble("too long for the path", "-s /%0200d status", 0);
	trouble("no crowdshared answers at /nonexistent: is it running?", "-s /nonexistent status");
	trouble("no crowdshared answers at /dev/null", "-s /dev/null status");
	trouble("/nonexistent", "-c /nonexistent id");
	assert_int_equal(run("status > /dev/full"), 2);
}

/* A daemon that does not say what a daemon says. */
static void test_bad_daemon(void **state)
{
	static const char *const texts[] = { "", "\n", "{}\n", "{\"ok\":true}\n", "[[[[\n",
		"{\"ok\":true,\"result\":7}\n", "{\"ok\":true,\"result\":[7]}\n",
		"{\"ok\":false}\n", "{\"ok\":true,\"result\":{}}" };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), client;
	size_t i;
	pid_t pid;

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/bad", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	pid = fork();
	for (i = 0; !pid && i < sizeof(texts) / sizeof(*texts); i++) {
		char line[512];

		client = accept(fd, NULL, NULL);
		if (read(client, line, sizeof(line)) < 0 ||
		    write(client, texts[i], strlen(texts[i])) < 0)
			_exit(1);
		close(client);
	}
	if (!pid)
		_exit(0);
	close(fd);
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		trouble("crowdshare", "-s %s peers", address.sun_path);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void make_contract(struct contract *contract, const struct identity *buyer,
			  const struct identity *seller)
{
	struct cs_error error = { "" };
	size_t i;

	memset(contract, 0, sizeof(*contract));
	memcpy(contract->buyer, buyer->public, IDENTITY_PUBLIC_LEN);
	memcpy(contract->seller, seller->public, IDENTITY_PUBLIC_LEN);
	contract->id = 7;
	contract->rate = 1 << 20;	/* a millipoint a byte */
	contract->destination[0] = 0xfd;
	contract->created = NOW;
	contract->expiry = NOW + 3600;
	contract->nr_items = 3;
	contract->items = calloc(3, sizeof(*contract->items));
	for (i = 0; i < 3; i++) {
		memset(contract->items[i].digest, 0xa0 + i, CS_DIGEST_LEN);
		contract->items[i].size = 1000 + i;
	}
	assert_int_equal(contract_encode(contract), 0);
	if (contract_sign(contract, buyer, &error) || contract_sign(contract, seller, &error))
		fail_msg("%s", error.text);
}

static void make_ledger(const char *path)
{
	struct identity own = { NULL }, other = { NULL };
	struct cs_error error = { "" };
	uint8_t uid[CONTRACT_UID_LEN];
	struct contract contract;
	struct ledger *ledger;
	char key[96];

	snprintf(key, sizeof(key), "%s/own", dir);
	if (identity_open(&own, key, &error))
		fail_msg("%s", error.text);
	snprintf(key, sizeof(key), "%s/other", dir);
	if (identity_open(&other, key, &error))
		fail_msg("%s", error.text);
	cs_hex(public_hex, own.public, IDENTITY_PUBLIC_LEN);
	make_contract(&contract, &other, &own);
	contract_uid(&contract, uid);
	if (ledger_open(&ledger, path, &own, &error) ||
	    ledger_promise(ledger, &contract, NOW, &error) ||
	    ledger_earn(ledger, uid, contract.items[1].digest, NOW + 60, &error) ||
	    ledger_settle(ledger, other.address, 1, NOW + 120, &error))
		fail_msg("%s", error.text);
	ledger_close(ledger);
	contract_free(&contract);
	identity_close(&own);
	identity_close(&other);
}

static void check_listing(const char *path)
{
	const char *line;
	json_t *list;
	int n = 0;

	assert_int_equal(run("ledger show %s", path), 0);
	says("     SEQ  TIME                 KIND            POINTS  PEER");
	says("       4  2027-01-15 08:01:00  earned           1.001  fd");
	says("  a1a1a1a1a1a1a1a1  ");
	assert_int_equal(run("-j ledger show %s --since @%d", path, NOW + 60), 0);
	list = json_loads(output, 0, NULL);
	assert_int_equal(json_array_size(list), 2);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "amount")),
			 1001);
	json_decref(list);
	assert_int_equal(run("ledger show %s --since='2027-01-15 08:02' --csv", path), 0);
	says("seq,time,kind,peer,contract,digest,debit,credit,points\r\n5,2027-01-15T08:02:00+0000,"
	     "settled,fd");
	says(",0.001\r\n");
	for (line = output; (line = strchr(line, '\n')); line++)
		n++;
	assert_int_equal(n, 2);
	assert_int_equal(run("-j ledger show %s --since 2027-02-01", path), 0);
	says_json("[]");
	assert_int_equal(run("-j ledger balances %s", path), 0);
	says("\"balance\":");
	assert_int_equal(run("ledger balances %s", path), 0);
	says("ACCOUNT");
	says("POINTS");
}

static void test_ledger(void **state)
{
	char path[96], text[256];
	sqlite3 *db;

	(void)state;
	snprintf(path, sizeof(path), "%s/ledger.db", dir);
	make_ledger(path);
	check_listing(path);
	trouble("not a time", "ledger show %s --since yesterday", path);
	trouble("not a time", "ledger show %s --since 20270115", path);
	trouble("not a time", "ledger show %s --since 2027-13-01", path);
	trouble("given twice", "ledger show %s --since=1d --since 2d", path);
	trouble("two forms", "-j ledger show %s --csv", path);
	trouble("'more'", "ledger show %s more", path);
	trouble("/nonexistent: No such file", "ledger show /nonexistent");
	assert_int_equal(access("/nonexistent", F_OK), -1);
	assert_int_equal(run("ledger verify %s --key %s", path, public_hex), 0);
	says("5 entries: chain, signatures and balances are right\n");
	assert_int_equal(run("-j ledger verify %s --key %s", path, public_hex), 0);
	snprintf(text, sizeof(text), "{\"file\":\"%s\",\"ok\":true,\"entries\":5,\"bad\":0,"
		 "\"error\":null}", path);
	says_json(text);
	/* another key, and no key */
	assert_int_equal(run("ledger verify %s --key %064d", path, 1), 1);
	trouble("hexadecimal", "ledger verify %s --key %s", path, path);
	trouble("No such file", "ledger verify %s --key 12", path);
	/* who adds a point is found, and at which entry */
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE entries SET amount = 2001 WHERE seq = 4", NULL,
				      NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(run("ledger verify %s --key %s", path, public_hex), 1);
	says("entry 4");
	assert_int_equal(run("-j ledger verify %s --key %s", path, public_hex), 1);
	says("\"ok\":false");
	says("\"bad\":4");
	/* and what is no ledger is not */
	snprintf(text, sizeof(text), "echo hello > %s/not", dir);
	assert_int_equal(system(text), 0);
	assert_int_equal(run("ledger verify %s/not --key %s", dir, public_hex), 1);
	assert_int_equal(run("ledger show %s/not", dir), 2);
}

static void test_ca(void **state)
{
	char id[65];

	(void)state;
	snprintf(id, sizeof(id), "%032d%032d", 12, 34);
	assert_int_equal(run("-j id %s", id), 0);
	says(id);
	says("\"address\":\"fd");
	trouble("--name NAME is missing", "ca new --key x --certificate y");
	trouble("--key FILE is missing", "ca new --name x");
	trouble("'--days' is not an option here", "ca new --name x --days 1");
	assert_int_equal(run("ca new --name Village --key %s/ca.key --certificate=%s/ca.pem", dir,
			     dir), 0);
	says("certificate: ");
	trouble("ca.key", "ca new --name Village --key %s/ca.key --certificate %s/2.pem", dir, dir);
	trouble("out of range: 1 to 36500", "ca sign --key %s/ca.key --certificate %s/ca.pem "
		"--node %s --days 0 --out %s/n.pem", dir, dir, id, dir);
	trouble("--node KEY is missing", "ca sign --key %s/ca.key --certificate %s/ca.pem "
		"--out %s/n.pem", dir, dir, dir);
	assert_int_equal(run("id %s/own", dir), 2);
	if (!*public_hex)
		return;
	assert_int_equal(run("ca sign --key %s/ca.key --certificate %s/ca.pem --node %s "
			     "--name Alice --days 10 --out %s/alice.pem", dir, dir, public_hex,
			     dir), 0);
	says("alice.pem");
}

/* Keys and cards of people. */
static void test_cards(void **state)
{
	char command[2048];
	struct stat st;

	(void)state;
	snprintf(command, sizeof(command), "%s/person.pem", dir);
	assert_int_equal(run("id new --key %s --bits 2048", command), 0);
	says("person.pem");
	assert_int_equal(stat(command, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	trouble("never overwritten", "id new --key %s", command);
	trouble("out of range: 2048 to 4096", "id new --key %s/x --bits 1024", dir);
	trouble("none of 'recipient', 'provider' and 'sender'", "id new --key %s/x --role relay",
		dir);
	trouble("'--days' is not an option here", "id new --days 1");
	trouble("--address", "-c /nonexistent id export --key %s --address nowhere", command);
	trouble("out of range: 1 to 65535", "id export --key %s --address fd00::1 --port 0",
		command);
	trouble("nobody can send", "id export --key %s --address ff02::1", command);
	assert_int_equal(run("id export --key %s --role provider --address 2001:db8::9 --port 9 "
			     ">%s/p", command, dir), 0);
	assert_int_equal(run("id export --key %s --address fd00::1 --provider %s/p >%s/both",
			     command, dir, dir), 0);
	assert_int_equal(run("id show %s/both", dir), 0);
	says("2001:db8::9");
	says("fd00::1");
	assert_int_equal(run("-j id show %s/both", dir), 0);
	says("\"bits\":2048");
	says("\"port\":7475");
	/* not a terminal: nothing is too narrow */
	assert_int_equal(run("id show %s/p --qr", dir), 0);
	says("\342\226\200");
	trouble("No such file", "id show %s/nothing", dir);
	snprintf(command, sizeof(command), "sed -i s/7475/7476/ %s/both", dir);
	assert_int_equal(system(command), 0);
	trouble("was changed on its way", "id show %s/both", dir);
	assert_int_equal(chmod(strcat(strcpy(command, dir), "/person.pem"), 0644), 0);
	trouble("chmod 600", "id export --key %s --address fd00::1", command);
	assert_int_equal(run("id new help"), 0);
	says("Usage: crowdshare id");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_show),
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_bad_daemon),
		cmocka_unit_test(test_ledger),
		cmocka_unit_test(test_ca),
		cmocka_unit_test(test_cards),
	};

	if (argc < 1 || find_cli(argv[0]))
		return 1;
	return cmocka_run_group_tests_name("cli", tests, setup, teardown);
}
