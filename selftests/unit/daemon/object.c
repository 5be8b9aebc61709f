// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of put, sent, inbox and get: crowdshare is run as people would, at whole daemons with
 * control sockets. CS_CLI names another build of it.
 *
 * Alice is at node 0, Bob at node 1, Carol at node 2; each has a home of her or his own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cli.h"
#include "common/nodes.h"
#include "common/random.h"
#include "common/tempdir.h"
#include "daemon/control.h"
#include "daemon/status.h"
#include "fobject/envelope.h"
#include "lib/hex.h"
#include "lib/message.h"

#define MB		1000000
#define PATIENCE	120000
#define KILLS		100
#define KILL_MSEC	500	/* at most between two */

static char dir[64], output[1 << 20];
static pid_t running;

/* --- Daemons with control sockets --- */

static void start(int i)
{
	struct cs_error error = { "" };
	char path[256];

	node_start(i);
	snprintf(path, sizeof(path), "%s/control%d", dir, i);
	if (control_open(&nodes[i].daemon.control, nodes_base, path, status_answer,
			 &nodes[i].daemon, &error))
		fail_msg("%s", error.text);
}

static void stop(int i)
{
	control_close(nodes[i].daemon.control);
	nodes[i].daemon.control = NULL;
	node_stop(i);
}

/* --- Running crowdshare --- */

__attribute__((format(printf, 2, 0)))
static void begin_va(int i, const char *format, va_list args)
{
	char words[4096], command[16384], home[128];

	vsnprintf(words, sizeof(words), format, args);
	snprintf(home, sizeof(home), "%s/home%d", dir, i);
	snprintf(command, sizeof(command), "cd %s && exec %s -s %s/control%d %s >out 2>&1", home,
		 cli, dir, i, words);
	running = fork();
	assert_true(running >= 0);
	if (running)
		return;
	setenv("HOME", home, 1);
	unsetenv("XDG_STATE_HOME");
	unsetenv("XDG_DATA_HOME");
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(127);
}

__attribute__((format(printf, 2, 3)))
static void begin(int i, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	begin_va(i, format, args);
	va_end(args);
}

/* Its exit status; what it said is in output[]. */
static int end(int i)
{
	uint64_t until = nodes_msec() + PATIENCE;
	char path[128];
	int status;
	size_t len;
	FILE *file;

	while (!waitpid(running, &status, WNOHANG)) {
		if (nodes_msec() > until)
			kill(running, SIGKILL);
		nodes_loop();
	}
	snprintf(path, sizeof(path), "%s/home%d/out", dir, i);
	file = fopen(path, "r");
	assert_non_null(file);
	len = fread(output, 1, sizeof(output) - 1, file);
	output[len] = '\0';
	fclose(file);
	if (strstr(output, "Sanitizer"))
		fail_msg("%s", output);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

__attribute__((format(printf, 2, 3)))
static int run(int i, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	begin_va(i, format, args);
	va_end(args);
	return end(i);
}

#define ends(status, i, ...) do {						\
	int is = run(i, __VA_ARGS__);						\
	if (is != (status))							\
		fail_msg("status %d, not %d: %s", is, status, output);		\
} while (0)

static void says(const char *text)
{
	if (!strstr(output, text))
		fail_msg("'%s' is not in:\n%s", text, output);
}

__attribute__((format(printf, 1, 2)))
static void shell(const char *format, ...)
{
	char command[4096];
	va_list args;
	int len;

	len = snprintf(command, sizeof(command), "cd %s && ", dir);
	va_start(args, format);
	vsnprintf(command + len, sizeof(command) - len, format, args);
	va_end(args);
	if (system(command))
		fail_msg("%s", command);
}

/* What stands in the first line of the output: an id. */
static void id_of(char id[33])
{
	assert_int_equal(strspn(output, "0123456789abcdef"), 32);
	memcpy(id, output, 32);
	id[32] = '\0';
}

static json_int_t value(const char *key)
{
	json_t *json = json_loads(output, 0, NULL);
	json_int_t is;

	if (!json_is_integer(json_object_get(json, key)))
		fail_msg("no %s in: %s", key, output);
	is = json_integer_value(json_object_get(json, key));
	json_decref(json);
	return is;
}

/* Key and card of who is at a node, in FILE N.card. */
static void make_card(int i)
{
	ends(0, i, "id new --bits 2048");
	ends(0, i, "id export --address %s", nodes[i].daemon.identity.text);
	shell("cp home%d/out %d.card", i, i);
}

static int set_up(void **state)
{
	nodes_set_up(state);
	tempdir_make(dir, "object");
	shell("mkdir home0 home1 home2");
	return 0;
}

static int tear_down(void **state)
{
	int i;

	for (i = 0; i < NODES; i++)
		control_close(nodes[i].daemon.control);
	tempdir_remove(dir);
	return nodes_tear_down(state);
}

/* --- Tests --- */

static void make_things(void)
{
	shell("head -c 3000000 /dev/urandom >home0/photos.tar");
	shell("mkdir -p home0/tree/sub/empty && head -c 200000 /dev/urandom >home0/tree/a && "
	      "echo hello >home0/tree/sub/b && : >home0/tree/sub/none && "
	      "ln -s /etc/passwd home0/tree/link && chmod 600 home0/tree/a");
	shell("head -c 150000 /dev/urandom >piped");
}

/* Who waits at node 1 outlives his daemon. */
static void outlives_daemon(const char *id)
{
	begin(1, "get --wait %.9s", id);
	nodes_run(1500);
	stop(1);
	nodes_run(1500);
	start(1);
	nodes[0].daemon.config.store.out = MB;
	nodes_pair(0, 1);
	assert_int_equal(end(1), 0);
}

/* A file, a directory and standard input; the receiver, its daemon and the link fail meanwhile. */
static void test_round_trip(void **state)
{
	char file[33], piped[33];
	json_int_t messages;

	(void)state;
	nodes[0].daemon.config.store.out = MB / 10; /* whatever else the machine does */
	start(0);
	start(1);
	make_card(1);
	make_things();
	ends(0, 0, "put photos.tar --to ../1.card");
	id_of(file);
	ends(0, 0, "put tree/ --to ../1.card");
	says("skipped: link is a symbolic link\n");
	begin(0, "put - --name piped --to=../1.card --lifetime 2h --redundancy 50%% <../piped");
	assert_int_equal(end(0), 0);
	id_of(piped);
	ends(0, 0, "-j sent %s", file);
	messages = value("messages");
	assert_in_range(messages, 3 * MB / 1200, 3 * MB / 700);
	assert_int_equal(value("stored"), messages);
	assert_int_equal(value("delivered"), 0);
	/* some of it has come */
	nodes_pair(0, 1);
	run_until(node_messages(1) > 150, 20000);
	while (run(1, "get %s", file) == 1 && strstr(output, "nothing with this id"))
		nodes_run(200); /* the envelope comes at its time */
	says("not all of it is here yet");
	ends(0, 1, "inbox");
	says("photos.tar");
	says("arriving");
	/* who waits is killed, then the daemon is restarted */
	begin(1, "get --wait %s", file);
	nodes_run(2000);
	kill(running, SIGKILL);
	assert_int_equal(end(1), 128 + SIGKILL);
	stop(1);
	run_until(!node_peer(0, 1)->session, 20000);
	start(1);
	assert_in_range(node_messages(1), 150, messages);
	outlives_daemon(file);
	says("photos.tar");
	shell("cmp home0/photos.tar home1/photos.tar");
	/* the others, into another directory */
	nodes[0].daemon.config.store.out = 0;
	shell("mkdir home1/in");
	while (access(strcat(strcpy(output, dir), "/home1/in/tree"), F_OK) ||
	       access(strcat(strcpy(output, dir), "/home1/in/piped"), F_OK))
		ends(0, 1, "get --wait --out in");
	shell("rm home0/tree/link && diff -r home0/tree home1/in/tree && "
	      "test $(stat -c %%a home1/in/tree/a) = 600 && test -d home1/in/tree/sub/empty");
	shell("cmp piped home1/in/piped");
	ends(1, 1, "get");
	says("nothing has arrived");
	ends(1, 1, "get %s", piped);
	says("it was delivered before");
	ends(0, 1, "-j inbox");
	assert_string_equal(output, "[]\n");
	/* the sender hears of it; what the link lost comes later */
	while (run(0, "-j sent %s", file) == 0 && value("delivered") < messages)
		nodes_run(200);
	assert_int_equal(value("stored"), 0);
	assert_int_equal(value("unknown"), 0);
}

/* Names that are taken; and those that are to be replaced. */
static void test_names(void **state)
{
	int i;

	(void)state;
	start(0);
	shell("mkdir -p home0/in");
	make_card(0);
	shell("echo one >home0/note");
	ends(0, 0, "put note --to ../0.card");
	ends(0, 0, "get --out in");
	says("/in/note\n");
	shell("echo two >home0/note");
	ends(0, 0, "put note --to ../0.card");
	ends(0, 0, "get --out in");
	says("/in/note");
	shell("test $(ls home0/in | wc -l) = 2 && test $(cat home0/in/note) = one");
	shell("echo three >home0/note");
	ends(0, 0, "put note --to ../0.card");
	ends(0, 0, "-j get --replace --out in");
	assert_int_equal(value("delivered"), 1);
	shell("test $(ls home0/in | wc -l) = 2 && test $(cat home0/in/note) = three");
	/* of several the last one stays, whether they come in one second or not */
	for (i = 5; i < 9; i++) {
		shell("echo %d >home0/note", i);
		ends(0, 0, "put note --to ../0.card");
		nodes_run(i == 5 ? 1100 : 1);
	}
	ends(0, 0, "-j get --replace --out in");
	assert_int_equal(value("delivered"), 4);
	shell("test $(ls home0/in | wc -l) = 2 && test $(cat home0/in/note) = 8");
	/* a name that would lead out of the directory */
	begin(0, "put - --name ..  --to ../0.card <note");
	assert_int_equal(end(0), 0);
	ends(0, 0, "get --out in");
	shell("test $(ls -A home0/in | wc -l) = 3 && test $(ls home0 | wc -l) = 3");
}

/* What can't be delivered holds up nothing else, and is told once. */
static void test_undelivered(void **state)
{
	char id[33];

	(void)state;
	start(0);
	make_card(0);
	shell("mkdir home0/in home0/tree && echo hello >home0/letter && "
	      "echo leaf >home0/tree/leaf");
	ends(0, 0, "put tree --to ../0.card");
	id_of(id);
	nodes_run(1100);
	ends(0, 0, "put letter --to ../0.card");
	/* what is in the place where it is made first lies too deep to be removed */
	shell("d=home0/in/.crowdshare-%s && for i in $(seq 150); do d=$d/x; done && mkdir -p $d",
	      id);
	ends(2, 0, "get --out in");
	says("/in/tree: Input/output error\n");
	shell("cmp home0/letter home0/in/letter");
	ends(2, 0, "-j get --out in");
	says("\"delivered\":0,\"under_way\":0,\"failed\":1");
	begin(0, "get --wait --out in");
	nodes_run(2500);
	shell("rm -r home0/in/.crowdshare-%s", id);
	assert_int_equal(end(0), 0);
	says("/in/tree: Input/output error\n");
	assert_null(strstr(strstr(output, "error") + 5, "error"));
	shell("diff -r home0/tree home0/in/tree");
}

/* What a round sends: a file of some chunks, a tiny one, and a directory. */
static void put_round(int round)
{
	shell("mkdir -p home0/sent/tree%d/sub && cd home0/sent && "
	      "head -c 150000 /dev/urandom >file%d && echo %d >tiny%d && "
	      "head -c 20000 /dev/urandom >tree%d/one && echo two >tree%d/sub/two",
	      round, round, round, round, round, round);
	ends(0, 0, "put sent/file%d --to ../1.card", round);
	ends(0, 0, "put sent/tiny%d --to ../1.card", round);
	ends(0, 0, "put sent/tree%d --to ../1.card", round);
}

static int delivered(void)
{
	char path[128];
	int count = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/home1/in", dir);
	d = opendir(path);
	assert_non_null(d);
	while (readdir(d))
		count++;
	closedir(d);
	return count - 2;
}

/*
 * Who waits is killed at random while slices come in, again and again: each object appears, whole,
 * and once.
 */
static void test_killed(void **state)
{
	int kills = 0, round;
	uint64_t until;

	(void)state;
	start(0);
	start(1);
	make_card(1);
	shell("mkdir home1/in");
	nodes_pair(0, 1);
	nodes[0].daemon.config.store.out = MB / 10; /* so that it takes a while */
	for (round = 0; kills < KILLS; round++) {
		put_round(round);
		until = nodes_msec() + PATIENCE;
		while (delivered() < 3 * (round + 1)) {
			assert_true(nodes_msec() < until);
			begin(1, "get --wait --out in");
			nodes_run(random_word() % KILL_MSEC);
			kill(running, SIGKILL);
			kills += end(1) == 128 + SIGKILL;
		}
	}
	print_message("# killed %d times on the way of %d objects\n", kills, 3 * round);
	ends(1, 1, "get --out in");
	says("nothing has arrived");
	shell("diff -r home0/sent home1/in");
}

/* Who has another key sees nothing, and one key's state is not the other's. */
static void test_other_key(void **state)
{
	(void)state;
	start(0);
	make_card(0);
	shell("echo secret >home0/note");
	ends(0, 0, "put note --to ../0.card");
	ends(0, 0, "id new --bits 2048 --key other.pem");
	ends(0, 0, "-j inbox --key other.pem");
	assert_string_equal(output, "[]\n");
	ends(1, 0, "get --key other.pem");
	ends(0, 0, "inbox");
	says("note");
	says("whole");
	ends(0, 0, "-j inbox --address fd00::77");
	says("\"note\"");
	ends(0, 0, "get --replace");
	shell("chmod 644 home0/other.pem");
	ends(2, 0, "inbox --key other.pem");
	says("chmod 600");
}

/* By way of Bob, who can open it only as far as to send it on. */
static void test_via(void **state)
{
	(void)state;
	start(0);
	start(1);
	start(2);
	make_card(1);
	make_card(2);
	nodes_pair(0, 1);
	nodes_pair(1, 2);
	shell("head -c 100000 /dev/urandom >home0/note");
	ends(0, 0, "put note --to ../2.card --via ../1.card --redundancy 0");
	run_until(node_messages(1) > 70, 20000);
	nodes_run(3000);
	ends(1, 2, "get");
	ends(1, 1, "get");
	says("nothing has arrived");
	ends(0, 2, "get --wait");
	shell("cmp home0/note home2/note");
	/* again nothing is sent twice, and nothing appears */
	ends(1, 1, "get");
	ends(1, 2, "get");
}

static int dump_one(uint64_t number, const struct store_item *item, void *data)
{
	struct store_item whole;

	(void)number;
	assert_int_equal(store_get(nodes[0].daemon.store, item->digest, &whole), 0);
	assert_int_equal(fwrite(whole.message, 1, whole.size, data), whole.size);
	return 0;
}

/* All that node 0 has, as an ingest keeps it for who is at node 1. */
static void dump(unsigned int delivery)
{
	char path[128];
	FILE *file;

	shell("mkdir -p home1/from");
	snprintf(path, sizeof(path), "%s/home1/from/%016x.messages", dir, delivery);
	file = fopen(path, "w");
	assert_non_null(file);
	store_commit(nodes[0].daemon.store, NULL);
	assert_int_equal(store_each_after(nodes[0].daemon.store, 0, dump_one, file), 0);
	assert_int_equal(fclose(file), 0);
}

/* What can't be sent on now waits for the next time; what never can is in nobody's way. */
static void test_via_waits(void **state)
{
	(void)state;
	nodes[0].daemon.config.device.lifetime_max = 3 * 86400;
	start(0);
	start(1);
	start(2);
	make_card(1);
	make_card(2);
	shell("head -c 100000 /dev/urandom >home0/note && echo hello >home0/letter");
	ends(0, 0, "put note --to ../2.card --via ../1.card --redundancy 0");
	ends(0, 0, "put letter --to ../1.card");
	dump(1);
	stop(1);
	ends(0, 1, "get --from from");
	says("has to wait: no crowdshared answers");
	shell("cmp home0/letter home1/letter && rm home1/letter");
	start(1);
	assert_int_equal(node_messages(1), 0);
	ends(1, 1, "get --from from");
	says("nothing has arrived");
	assert_in_range(node_messages(1), 80, 120);
	/* one that lives for longer than node 1 takes it */
	ends(0, 0, "put note --to ../2.card --via ../1.card --lifetime 2d");
	ends(0, 0, "put letter --to ../1.card --lifetime 2d");
	dump(2);
	ends(0, 1, "get --from from");
	says("a message was refused");
	shell("cmp home0/letter home1/letter");
	ends(1, 1, "get --from from");
	assert_in_range(node_messages(1), 80, 120);
}

static void test_refusals(void **state)
{
	(void)state;
	start(0);
	make_card(0);
	shell("echo one >home0/note");
	ends(2, 0, "put");
	says("FILE is missing");
	ends(2, 0, "put note");
	says("--to CARD is missing");
	ends(2, 0, "put note --to note");
	ends(2, 0, "put nothing --to ../0.card");
	says("No such file");
	ends(2, 0, "put note more --to ../0.card");
	ends(2, 0, "put - --to ../0.card");
	says("--name NAME is missing");
	ends(2, 0, "put - --name a/b --to ../0.card");
	ends(2, 0, "put note --name x --to ../0.card");
	ends(2, 0, "put note --to ../0.card --lifetime never");
	says("not a time");
	ends(2, 0, "put note --to ../0.card --lifetime 31d");
	says("at most 30 days");
	ends(1, 0, "put note --to ../0.card --lifetime 20d");
	says("lifetime-max");
	ends(2, 0, "put note --to ../0.card --account me");
	says("no card of one");
	ends(2, 0, "put note --to ../0.card --redundancy 301%%");
	ends(2, 0, "put note --to ../0.card --hops 256");
	ends(2, 0, "put note --to ../0.card --to ../0.card");
	ends(2, 0, "put note --to ../0.card --bogus");
	ends(2, 0, "put /dev/null --to ../0.card");
	ends(0, 0, "-j sent");
	assert_string_equal(output, "[]\n");
	assert_int_equal(node_messages(0), 0);
	ends(1, 0, "sent 00");
	ends(2, 0, "get xyz");
	ends(2, 0, "get --out /nonexistent");
	ends(2, 0, "get --address nowhere");
	ends(1, 0, "get 00");
	says("nothing with this id has arrived");
	ends(0, 0, "put help");
	says("Usage: crowdshare put");
	ends(0, 0, "get --help");
	says("Usage: crowdshare get");
	ends(0, 0, "inbox help");
	ends(0, 0, "sent -h");
	stop(0);
	ends(2, 0, "put note --to ../0.card");
	says("is it running?");
	ends(2, 0, "inbox");
	start(0);
}

/* A store that is full: the sender is told, and has no record of what did not go. */
static void test_full(void **state)
{
	(void)state;
	nodes[0].daemon.config.store.bytes = 1 << 20;
	start(0);
	ends(0, 0, "id new --bits 2048");
	ends(0, 0, "id export --address fd00::1");
	shell("cp home0/out 0.card");
	shell("head -c 3000000 /dev/urandom >home0/large");
	ends(1, 0, "put large --to ../0.card --rate 1000");
	says("the store is full");
	ends(0, 0, "-j sent");
	assert_string_equal(output, "[]\n");
}

/* A peer that has signed for all of it holds it, and is paid; nobody else does. */
static void test_replicas(void **state)
{
	char id[33];
	int i;

	(void)state;
	for (i = 0; i < 2; i++)
		node_trades(i);
	start(0);
	start(1);
	nodes_pair(0, 1);
	ends(0, 0, "id new --bits 2048");
	ends(0, 0, "id export --address fd00::1");
	shell("cp home0/out 0.card && head -c 100000 /dev/urandom >home0/large");
	ends(0, 0, "put large --to ../0.card --replicas 1 --wait 1h");
	id_of(id);
	ends(0, 0, "-j sent %s", id);
	assert_int_equal(value("holders"), 1);
	assert_int_equal(value("stored"), value("messages"));
	/* 0.1 MB and a fifth, at 2,000 points per MiB */
	assert_in_range(value("promised"), 200000, 400000);
	assert_int_equal(value("earned"), 0);
	ends(0, 0, "sent");
	says("large");
	ends(0, 0, "sent %.5s", id);
	says(nodes[1].daemon.identity.text);
	ends(1, 0, "put large --to ../0.card --replicas 2 --wait 2s");
	says("of 2 peers 1 signed");
	ends(1, 0, "put large --to ../0.card --wait 1s");
	says("of 3 peers 1 signed");
	ends(2, 0, "put large --to ../0.card --replicas 1 --wait never");
	says("not a time");
}

/* So many frames were sent to node 1, and came there. */
static void frames(uint64_t sent, uint64_t got)
{
	struct kernel_frames tx = { .sent_to_all = sent }, rx = { .got = got };

	fake_count(nodes[0].daemon.kernel, NODES_IFINDEX, node_lladdr(1), &tx);
	fake_count(nodes[1].daemon.kernel, NODES_IFINDEX, node_lladdr(0), &rx);
}

static int loss(void)
{
	return loss_permille(&node_peer(0, 1)->loss);
}

/* What the link loses is measured, shown, and made up for. */
static void test_loss(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		nodes[i].daemon.config.sessions.timeout = 3;
		start(i);
	}
	frames(1000, 900);
	nodes_pair(0, 1);
	assert_int_equal(loss(), -1);
	run_until(node_peer(0, 1)->loss.begun, 20000);
	frames(1020, 901);
	nodes_run(2500);
	assert_int_equal(loss(), -1); /* too few to tell */
	make_card(0);
	shell("head -c 400000 /dev/urandom >home0/large");
	ends(0, 0, "-j put large --to ../0.card");
	assert_int_equal(value("redundancy"), 20);
	assert_in_range(value("sent"), 480000, 560000);
	frames(2000, 1650);
	run_until(loss() == 250, 20000);
	ends(0, 0, "peers");
	says("25.0%");
	ends(0, 0, "-j put large --to ../0.card");
	assert_int_equal(value("redundancy"), 60);
	assert_in_range(value("sent"), 640000, 740000);
	ends(0, 0, "-j put large --to ../0.card --redundancy 0%%");
	assert_int_equal(value("redundancy"), 0);
	/* it gets better; a kernel that counts from 0 again tells nothing */
	frames(12000, 11650);
	run_until(loss() < 100, 20000);
	frames(10, 0);
	nodes_run(2500);
	assert_in_range(loss(), 0, 100);
}

/* Who may not open the socket is told whom to ask. */
static void test_no_permission(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	start(0);
	make_card(0);
	shell("echo one >home0/note && chmod 755 . && chmod 777 home0 && chmod 660 control0");
	shell("cd home0 && ! HOME=/tmp setpriv --reuid 65534 --regid 65534 --clear-groups %s "
	      "-s ../control0 put note --to ../0.card >out 2>&1", cli);
	shell("grep -q 'be root, or in the group' home0/out");
	assert_int_equal(node_messages(0), 0);
}

/* --- What the provider is told --- */

struct told {
	struct cs_private	*key;
	uint8_t			object[CS_OBJECT_ID_LEN];
	struct cs_terms		terms;
	unsigned int		envelopes;
};

static int look_at(uint64_t number, const struct store_item *item, void *data)
{
	uint8_t chunk[CS_SLICE_MAX];
	struct cs_cipher *cipher;
	struct cs_message parsed;
	struct told *told = data;
	struct store_item whole;
	struct cs_terms terms;

	(void)number;
	if (store_get(nodes[0].daemon.store, item->digest, &whole) ||
	    cs_message_parse(whole.message, whole.size, &parsed) ||
	    !cs_envelope_chunk(&parsed, chunk) ||
	    cs_terms_open(&terms, told->key, chunk, parsed.chunk_length, NULL))
		return 0;
	assert_int_equal(cs_cipher_new_blind(&cipher, terms.transport), 0);
	if (!memcmp(cs_cipher_object(cipher), told->object, CS_OBJECT_ID_LEN)) {
		told->terms = terms;
		told->envelopes++;
	}
	cs_cipher_free(cipher);
	return 0;
}

/* Is what was put last signed with the key of this card? */
static bool is_signed(struct told *told, const struct cs_card *card)
{
	const size_t head = sizeof(CS_TERMS_CONTEXT);
	uint8_t data[CS_TERMS_SIGNED_MAX];
	struct cs_terms *terms = &told->terms;
	char id[33];
	size_t len;

	id_of(id);
	cs_unhex(id, told->object, sizeof(told->object));
	store_commit(nodes[0].daemon.store, NULL);
	told->envelopes = 0;
	assert_int_equal(store_each_after(nodes[0].daemon.store, 0, look_at, told), 0);
	assert_true(told->envelopes > 0);
	if (!terms->signed_by)
		return false;
	len = cs_terms_signed(terms, data);
	assert_memory_equal(terms->sender, card->key + card->key_len - CS_PUBLIC_LEN,
			    CS_PUBLIC_LEN);
	assert_true(identity_verify(terms->sender, CS_TERMS_CONTEXT, data + head, len - head,
				    terms->signature));
	return true;
}

static void test_signed(void **state)
{
	struct told told = { NULL };
	struct cs_card card;
	char path[128];

	(void)state;
	start(0);
	start(1);
	make_card(1);
	ends(0, 0, "id new --role provider --bits 2048 --key provider.pem");
	ends(0, 0, "id export --role provider --key provider.pem --address 2001:db8::7");
	shell("cp home0/out provider.card && echo hello >home0/letter");
	snprintf(path, sizeof(path), "%s/home0/provider.pem", dir);
	assert_int_equal(cs_private_read(&told.key, path, NULL), 0);
	/* without a key nobody is named */
	ends(0, 0, "put letter --to ../1.card --provider ../provider.card");
	assert_false(is_signed(&told, &card));
	ends(0, 0, "id new --role sender");
	ends(0, 0, "id export --role sender");
	shell("cp home0/out sender.card");
	snprintf(path, sizeof(path), "%s/sender.card", dir);
	assert_int_equal(cs_card_read(&card, path, CS_ROLE_SENDER, NULL), 0);
	ends(0, 0, "put letter --to ../1.card --provider ../provider.card");
	assert_true(is_signed(&told, &card));
	ends(0, 0, "put letter --to ../1.card --provider ../provider.card --anonymous");
	assert_false(is_signed(&told, &card));
	/* another key than the one at home */
	ends(0, 0, "id new --role sender --key work.pem");
	ends(0, 0, "id export --role sender --key work.pem");
	shell("cp home0/out sender.card");
	assert_int_equal(cs_card_read(&card, path, CS_ROLE_SENDER, NULL), 0);
	ends(0, 0, "put letter --to ../1.card --provider ../provider.card --sender work.pem");
	assert_true(is_signed(&told, &card));
	ends(2, 0, "put letter --to ../1.card --provider ../provider.card --sender none.pem");
	says("none.pem: No such file");
	ends(2, 0, "put letter --to ../1.card --sender work.pem");
	says("--sender is for a provider");
	ends(2, 0, "put letter --to ../1.card --sender work.pem --anonymous");
	says("exclude each other");
	cs_private_free(told.key);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_names),
		TEST(test_undelivered),
		TEST(test_other_key),
		TEST(test_killed),
		TEST(test_via),
		TEST(test_via_waits),
		TEST(test_refusals),
		TEST(test_full),
		TEST(test_replicas), TEST(test_loss),
		TEST(test_no_permission),
		TEST(test_signed),
	};

	if (argc < 1 || find_cli(argv[0]))
		return 1;
	return nodes_main("object", tests, sizeof(tests) / sizeof(*tests));
}
