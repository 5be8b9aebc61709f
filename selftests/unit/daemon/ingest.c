// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the ingest: over real TLS on the loopback, with clients that say whatever they
 * like. Each message is told what became of it; what was acknowledged is in the inbox, once, and in
 * one receipt, also when the ingest is killed at any moment. With a bucket nothing is acknowledged
 * that is not in the bucket; common/s3.py is one, which checks each signature by itself.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>

#include <crowdshare/put.h>

#include "common/ok.h"
#include "daemon/ingest.h"
#include "daemon/log.h"
#include "daemon/notice.h"
#include "daemon/receipt.h"
#include "daemon/vouch.h"
#include "daemon/wired.h"
#include "lib/message.h"

#define PAYLOAD		500
#define LEN		(sizeof(struct cs_msg_hdr) + PAYLOAD)
#define RECEIPTS	32
#define KILLS		50

static struct event_base *base;
static char top[48];
static char place[64];
static struct config config;
static struct identity receiver, gateway[2];
static struct ingest *ingest;
static uint16_t port;
static pid_t bucket; /* 0: there is none */
static const uint8_t loopback[CS_ADDR_LEN] = { [15] = 1 };

static void run(unsigned int msec)
{
	struct timeval wait = { 0, msec * 1000 };

	event_base_loopexit(base, &wait);
	event_base_dispatch(base);
}

static void configure(const char *more)
{
	char text[2048];

	snprintf(text, sizeof(text), "state = \"%s\"; ports = ();\n"
		 "ingest = { listen = \"[::1]:1\"; inbox = \"%s/inbox\"; %s };", place, place,
		 more);
	OK(config_parse(&config, text, "test", error));
	config.ingest.port = port; /* 0: any that is free */
}

static void start(const char *more)
{
	configure(more);
	OK(ingest_open(&ingest, base, &config, &receiver, NULL, NULL, error));
	port = ingest_port(ingest);
}

static void stop(void)
{
	ingest_close(ingest);
	ingest = NULL;
	config_free(&config);
}

static int set_up(void **state)
{
	static unsigned int number;

	(void)state;
	port = 0;
	snprintf(place, sizeof(place), "%s/%u", top, number++);
	mkdir(place, 0700);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (ingest)
		stop();
	if (bucket) {
		kill(bucket, SIGKILL);
		waitpid(bucket, NULL, 0);
		bucket = 0;
	}
	run(20);
	return 0;
}

/* --- Messages --- */

static uint8_t messages[PROTO_BATCH_MAX][LEN];

static void seal(uint8_t *message)
{
	assert_int_equal(cs_sha512(message + CS_DIGEST_LEN, LEN - CS_DIGEST_LEN, message), 0);
}

static void make(uint8_t *message, uint32_t serial)
{
	struct cs_msg_hdr *hdr = (struct cs_msg_hdr *)message;

	memset(message, 0, LEN);
	memcpy(hdr->destination, loopback, CS_ADDR_LEN);
	memcpy(hdr->chunk_id, &serial, sizeof(serial));
	hdr->expiry = htobe64(time(NULL) + 3600);
	hdr->port = htobe16(port);
	hdr->length = htobe16(PAYLOAD);
	seal(message);
}

static void make_all(uint32_t first, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		make(messages[i], first + i);
}

/* --- A client --- */

/**
 * struct probe - a client, and what it heard
 */
struct probe {
	struct wired		*wired;
	bool			ready;
	char			why[256];
	struct proto_receipt	receipts[RECEIPTS];
	uint8_t			digests[RECEIPTS][PROTO_BATCH_MAX][CS_DIGEST_LEN];
	size_t			nr_receipts;
	size_t			cancelled;
	size_t			acks;
	uint64_t		batch;
	uint8_t			states[PROTO_BATCH_MAX];
	size_t			nr_states;
};

static void on_ready(void *data, const uint8_t public[IDENTITY_PUBLIC_LEN])
{
	struct probe *probe = data;

	assert_memory_equal(public, receiver.public, IDENTITY_PUBLIC_LEN);
	probe->ready = true;
}

static void on_receipt(struct probe *probe, const struct proto_receipt *receipt)
{
	size_t i = probe->nr_receipts++;

	assert_true(i < RECEIPTS);
	OK(receipt_verify(receipt, error));
	assert_int_equal(receipt->nr_endorsements, 0);
	probe->receipts[i] = *receipt;
	memcpy(probe->digests[i], receipt->digests, receipt->nr_digests * CS_DIGEST_LEN);
	probe->receipts[i].digests = probe->digests[i][0];
	probe->receipts[i].endorsements = NULL;
}

static void on_letter(void *data, const struct proto_letter *letter)
{
	struct probe *probe = data;

	if (letter->type == PROTO_RECEIPT) {
		on_receipt(probe, &letter->receipt);
	} else if (letter->type == PROTO_CANCEL) {
		assert_true(notice_verify(&letter->cancel));
		assert_memory_equal(letter->cancel.public, receiver.public, IDENTITY_PUBLIC_LEN);
		probe->cancelled += letter->cancel.nr_digests;
	} else {
		assert_int_equal(letter->type, PROTO_ACK);
		probe->acks++;
		probe->batch = letter->ack.batch;
		probe->nr_states = letter->ack.nr_states;
		memcpy(probe->states, letter->ack.states, letter->ack.nr_states);
	}
}

static void on_closed(void *data, const char *why)
{
	struct probe *probe = data;

	probe->wired = NULL;
	snprintf(probe->why, sizeof(probe->why), "%s", why);
}

static const struct wired_ops ops = { on_ready, on_letter, on_closed };

static int tcp(void)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htobe16(port) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(&address.sin6_addr, loopback, CS_ADDR_LEN);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* Begins to shake hands as one of the gateways. */
static void probe_begin(struct probe *probe, int who)
{
	static const struct wired_limits limits = { 10, 10, 30, 0 };
	struct cs_error error = { "" };
	int fd = tcp();
	SSL_CTX *tls;

	memset(probe, 0, sizeof(*probe));
	if (fd < 0) {
		snprintf(probe->why, sizeof(probe->why), "nobody listens");
		return;
	}
	tls = wired_tls(&gateway[who], &error);
	probe->wired = wired_new(base, tls, fd, false, &limits, &ops, probe);
	SSL_CTX_free(tls);
	assert_non_null(probe->wired);
}

static void probe_connect(struct probe *probe, int who)
{
	int i;

	probe_begin(probe, who);
	for (i = 0; i < 400 && probe->wired && !probe->ready; i++)
		run(5);
}

static void probe_end(struct probe *probe)
{
	if (probe->wired)
		wired_close(probe->wired, "done");
	probe->wired = NULL;
	run(20);
}

static int send_batch(struct probe *probe, size_t count)
{
	struct proto_letter letter = { .type = PROTO_DELIVER };
	static uint64_t batch;

	probe->nr_receipts = probe->cancelled = probe->nr_states = 0;
	memset(letter.deliver.contract, 0xc0, PROTO_UID_LEN);
	letter.deliver.batch = ++batch;
	letter.deliver.messages = messages[0];
	letter.deliver.len = count * LEN;
	return probe->wired ? wired_send(probe->wired, &letter) : -ENOTCONN;
}

/* Brings @count of the messages, and waits for the answer; false: the connection ended. */
static bool deliver(struct probe *probe, size_t count)
{
	size_t acks = probe->acks;
	int i;

	if (send_batch(probe, count))
		return false;
	for (i = 0; i < 5000 && probe->wired && probe->acks == acks; i++)
		run(1);
	return probe->acks > acks;
}

static void states_are(const struct probe *probe, size_t count, enum proto_ack_state state)
{
	size_t i;

	assert_int_equal(probe->nr_states, count);
	for (i = 0; i < count; i++)
		assert_int_equal(probe->states[i], state);
}

static bool nobody_is_left(void)
{
	int i;

	for (i = 0; i < 100 && ingest_stats(ingest)->connections; i++)
		run(10);
	return !ingest_stats(ingest)->connections;
}

/* --- The inbox --- */

static uint8_t inbox[8192][CS_DIGEST_LEN];
static size_t nr_inbox;

static void read_messages(const char *path)
{
	uint8_t digest[CS_DIGEST_LEN], message[LEN];
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	while (fread(message, LEN, 1, file) == 1) {
		cs_sha512(message + CS_DIGEST_LEN, LEN - CS_DIGEST_LEN, digest);
		assert_memory_equal(message, digest, CS_DIGEST_LEN);
		assert_true(nr_inbox < 8192);
		memcpy(inbox[nr_inbox++], digest, CS_DIGEST_LEN);
	}
	assert_int_equal(ftell(file) % LEN, 0);
	fclose(file);
}

static void read_directory(const char *name)
{
	const struct dirent *entry;
	char path[512];
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", place, name);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s/%.200s", place, name, entry->d_name);
		if (strstr(entry->d_name, ".messages"))
			read_messages(path);
	}
	closedir(dir);
}

/* Reads the inbox, of which all messages must be whole; how many there are. */
static size_t read_inbox(void)
{
	nr_inbox = 0;
	read_directory("inbox");
	return nr_inbox;
}

/* Somebody takes the messages out of the inbox as it is now: what is there twice was doubled. */
static void take_inbox(unsigned int round)
{
	char command[512];

	snprintf(command, sizeof(command), "cd '%s' && mkdir -p taken/%u && "
		 "find inbox -name '*.messages' -exec mv -t taken/%u {} +", place, round, round);
	assert_int_equal(system(command), 0);
}

/* How often a message was in the inbox when it was read last. */
static size_t in_inbox(const uint8_t *digest)
{
	size_t i, found = 0;

	for (i = 0; i < nr_inbox; i++)
		found += !memcmp(inbox[i], digest, CS_DIGEST_LEN);
	return found;
}

/* Of the files in the inbox, each rounded up to blocks. */
static size_t inbox_bytes(size_t block)
{
	const struct dirent *entry;
	char path[512];
	size_t bytes = 0;
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/inbox", place);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (strstr(entry->d_name, ".messages") &&
		    !fstatat(dirfd(dir), entry->d_name, &st, 0))
			bytes += (st.st_size + block - 1) / block * block;
	closedir(dir);
	return bytes;
}

/* --- A bucket --- */

#define REGION	"eu-test-1"
#define ACCESS	"AKIDTEST"
#define SECRET	"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

static unsigned int bucket_port;
static bool bucket_tls;

static void write_file(const char *name, const char *text, mode_t mode)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", place, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* What it answers from now on: a status, or "hang". */
static void bucket_says(const char *mode)
{
	write_file("mode", mode, 0600);
}

static void make_certificate(void)
{
	char command[1024];

	snprintf(command, sizeof(command), "cd '%s' && for name in server other; do "
		 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
		 "-subj /CN=test -addext subjectAltName=IP:127.0.0.1 -keyout $name.key "
		 "-out $name.crt 2>$name.log || exit; cat $name.crt $name.key >$name.pem; done",
		 place);
	assert_int_equal(system(command), 0);
}

static void bucket_start(bool tls)
{
	char path[128], pem[128];
	FILE *file = NULL;
	int i;

	bucket_says("200");
	write_file("access", ACCESS "\n", 0600);
	write_file("secret", SECRET "\n", 0600);
	snprintf(pem, sizeof(pem), "%s/server.pem", place);
	bucket_tls = tls;
	if (tls)
		make_certificate();
	bucket = fork();
	assert_true(bucket >= 0);
	if (!bucket) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("python3", "python3", S3, place, REGION, ACCESS, SECRET,
		       tls ? pem : NULL, NULL);
		_exit(127);
	}
	snprintf(path, sizeof(path), "%s/port", place);
	for (i = 0; i < 1000 && !file; i++) {
		run(10);
		file = fopen(path, "r");
	}
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%u", &bucket_port), 1);
	fclose(file);
}

static void bucket_stop(void)
{
	char path[128];

	kill(bucket, SIGKILL);
	waitpid(bucket, NULL, 0);
	bucket = 0;
	snprintf(path, sizeof(path), "%s/wrong", place);
	assert_int_equal(access(path, F_OK), -1);
}

/* Settings for it; @more stands within bucket {}. */
static const char *with_bucket(const char *more)
{
	static char text[1024];

	snprintf(text, sizeof(text), "bytes = \"1MiB\"; bucket = { "
		 "url = \"http%s://127.0.0.1:%u/bucket/carol\"; region = \"" REGION "\"; "
		 "access-key-file = \"%s/access\"; secret-key-file = \"%s/secret\"; %s };",
		 bucket_tls ? "s" : "", bucket_port, place, place, more);
	return text;
}

/* How many messages are in the bucket; all must be whole. */
static size_t read_bucket(void)
{
	char path[128];

	nr_inbox = 0;
	snprintf(path, sizeof(path), "%s/bucket/carol", place);
	if (!access(path, F_OK))
		read_directory("bucket/carol");
	return nr_inbox;
}

static void test_bucket(void **state)
{
	struct probe probe;
	size_t i;

	(void)state;
	bucket_start(false);
	start(with_bucket(""));
	probe_connect(&probe, 0);
	for (i = 0; i < 5; i++) {
		make_all(i * PROTO_BATCH_MAX, PROTO_BATCH_MAX);
		assert_true(deliver(&probe, PROTO_BATCH_MAX));
		/* it is there when it is said to be, and nowhere else */
		states_are(&probe, PROTO_BATCH_MAX, PROTO_ACK_NEW);
		assert_int_equal(probe.nr_receipts, 1);
		assert_int_equal(probe.cancelled, PROTO_BATCH_MAX);
		assert_int_equal(read_bucket(), (i + 1) * PROTO_BATCH_MAX);
		assert_int_equal(in_inbox(messages[0]), 1);
		assert_int_equal(read_inbox(), 0);
	}
	assert_true(deliver(&probe, PROTO_BATCH_MAX));
	states_are(&probe, PROTO_BATCH_MAX, PROTO_ACK_KNOWN);
	assert_int_equal(probe.nr_receipts, 1);
	assert_int_equal(read_bucket(), i * PROTO_BATCH_MAX);
	probe_end(&probe);
	bucket_stop();
}

/* Waits until the bucket has so many messages. */
static void wait_for_bucket(size_t count)
{
	int i;

	for (i = 0; i < 1000 && read_bucket() < count; i++)
		run(10);
	assert_int_equal(read_bucket(), count);
}

/*
 * A bucket that does not take anything: what comes is in the spool, and nobody has a receipt. Who
 * waits has it as soon as it does; who has gone, when he comes again.
 */
static void test_bucket_away(void **state)
{
	struct probe probe, other;
	int i;

	(void)state;
	bucket_start(false);
	bucket_says("503");
	start(with_bucket(""));
	probe_connect(&probe, 0);
	make_all(0, 3);
	assert_int_equal(send_batch(&probe, 3), 0);
	run(500);
	assert_int_equal(probe.acks + probe.nr_receipts + probe.cancelled, 0);
	assert_int_equal(read_inbox(), 3);
	assert_int_equal(read_bucket(), 0);
	/* somebody else brings the same: neither is he told that it is there */
	probe_connect(&other, 1);
	assert_int_equal(send_batch(&other, 3), 0);
	run(500);
	assert_int_equal(other.acks + other.nr_receipts + other.cancelled, 0);
	probe_end(&probe);
	bucket_says("200");
	for (i = 0; i < 5000 && !other.acks; i++)
		run(1);
	states_are(&other, 3, PROTO_ACK_KNOWN);
	assert_int_equal(other.nr_receipts, 0);
	wait_for_bucket(3);
	assert_int_equal(read_inbox(), 0);
	probe_connect(&probe, 0);
	assert_true(deliver(&probe, 3));
	states_are(&probe, 3, PROTO_ACK_KNOWN);
	assert_int_equal(probe.nr_receipts, 1);
	probe_end(&probe);
	probe_end(&other);
	bucket_stop();
}

/* A bucket that is silent: after a while who brings something is told to come again. */
static void test_bucket_silent(void **state)
{
	struct probe probe;
	int i;

	(void)state;
	bucket_start(false);
	start(with_bucket(""));
	probe_connect(&probe, 0);
	make_all(0, 2);
	assert_true(deliver(&probe, 2));
	bucket_says("hang");
	make_all(1, 2); /* the first of these is there */
	assert_int_equal(send_batch(&probe, 2), 0);
	for (i = 0; i < 250 && probe.acks < 2; i++)
		run(100);
	assert_int_equal(probe.acks, 2);
	assert_int_equal(probe.states[0], PROTO_ACK_KNOWN);
	assert_int_equal(probe.states[1], PROTO_ACK_ERROR);
	assert_int_equal(probe.nr_receipts, 1);
	assert_int_equal(probe.cancelled, 1);
	/* who brings more and more is turned away */
	for (i = 0; i < 20 && probe.wired; i++) {
		make(messages[0], 100 + i);
		send_batch(&probe, 1);
		run(20);
	}
	assert_null(probe.wired);
	assert_non_null(strstr(probe.why, "more and more"));
	/* the next run finishes it */
	stop();
	bucket_says("200");
	run(20);
	start(with_bucket(""));
	wait_for_bucket(3 + 8);
	bucket_stop();
}

/* The spool has a bound. */
static void test_bucket_full(void **state)
{
	struct probe probe;
	uint64_t serial = 0;
	size_t i;

	(void)state;
	bucket_start(false);
	bucket_says("403");
	start(with_bucket(""));
	do {
		probe_connect(&probe, 0);
		for (i = 0; i < 8; i++, serial += PROTO_BATCH_MAX) {
			make_all(serial, PROTO_BATCH_MAX);
			assert_int_equal(send_batch(&probe, PROTO_BATCH_MAX), 0);
			run(50);
		}
		assert_true(serial < 10000);
		probe_end(&probe);
		assert_true(nobody_is_left());
	} while (inbox_bytes(4096) <= (1 << 20) - 4096);
	assert_int_equal(inbox_bytes(4096), 1 << 20);
	probe_connect(&probe, 0);
	make(messages[0], serial);
	assert_true(deliver(&probe, 1));
	states_are(&probe, 1, PROTO_ACK_FULL);
	assert_int_equal(probe.nr_receipts, 0);
	probe_end(&probe);
	bucket_stop();
}

static void cant_start(const char *more, const char *why)
{
	struct cs_error error = { "" };

	configure(with_bucket(more));
	assert_int_not_equal(ingest_open(&ingest, base, &config, &receiver, NULL, NULL, &error), 0);
	config_free(&config);
	if (!strstr(error.text, why))
		fail_msg("%s", error.text);
}

static void test_bucket_keys(void **state)
{
	(void)state;
	bucket_start(false);
	write_file("secret", SECRET "\n", 0640);
	cant_start("", "lets others at this secret key");
	write_file("secret", "two words\n", 0600);
	cant_start("", "a key is one line, without blanks");
	write_file("secret", "\n", 0600);
	cant_start("", "a key is one line, without blanks");
	write_file("secret", SECRET, 0600);
	cant_start("ca = \"/nowhere\";", "/nowhere: No such file");
	bucket_stop();
}

static void test_bucket_tls(void **state)
{
	struct probe probe;
	char more[128];
	int i;

	(void)state;
	bucket_start(true);
	snprintf(more, sizeof(more), "ca = \"%s/other.crt\";", place);
	for (i = 0; i < 2; i++) {
		start(with_bucket(i ? more : ""));
		probe_connect(&probe, 0);
		if (!i)
			make_all(0, 1);
		assert_int_equal(send_batch(&probe, 1), 0);
		run(700);
		assert_int_equal(probe.acks, 0);
		assert_int_equal(read_bucket(), 0);
		probe_end(&probe);
		stop();
		run(20);
	}
	snprintf(more, sizeof(more), "ca = \"%s/server.crt\";", place);
	start(with_bucket(more));
	wait_for_bucket(1);
	bucket_stop();
}

/* --- Vouching --- */

static uint8_t object_messages[1 << 16];
static size_t object_len, nr_object_messages;

static int collect(const void *message, size_t len, void *arg)
{
	(void)arg;
	assert_true(object_len + len <= sizeof(object_messages));
	memcpy(object_messages + object_len, message, len);
	object_len += len;
	nr_object_messages++;
	return 0;
}

static int sign_terms(const void *data, size_t len, uint8_t signature[CS_SIGNATURE_LEN], void *arg)
{
	size_t head = strlen(data) + 1;

	return identity_sign(arg, data, (const char *)data + head, len - head, signature);
}

/* A provider's key, and the card of somebody whom he knows; settings for that. */
static const char *with_vouch(struct cs_private **provider, const char *settings)
{
	char path[128], text[CS_CARD_TEXT_MAX];
	static char more[2048];
	struct cs_card sender;

	snprintf(path, sizeof(path), "%s/senders", place);
	mkdir(path, 0700);
	OK(cs_card_sender(&sender, gateway[1].public, error));
	cs_card_print(&sender, text);
	write_file("senders/Bob.card", text, 0600);
	snprintf(path, sizeof(path), "%s/provider.pem", place);
	OK(cs_private_new(provider, 2048, error));
	OK(cs_private_write(*provider, path, error));
	snprintf(more, sizeof(more), "%s vouch = { key = \"%s\"; senders = \"%s/senders\"; };",
		 settings, path, place);
	return more;
}

/* An object's messages, signed for by the other gateway's key, to this ingest. */
static void make_object(const struct cs_private *provider, unsigned int redundancy,
			uint8_t object[CS_OBJECT_ID_LEN])
{
	struct cs_put_sender sender = {
		.public = gateway[1].public, .sign = sign_terms, .arg = &gateway[1],
	};
	struct cs_card to, served;
	struct cs_put_options options = {
		.to = { &to, &served }, .sender = &sender, .now = time(NULL), .message = collect,
		.redundancy = redundancy,
	};
	struct cs_put_result result;
	int fds[2];

	object_len = 0;
	nr_object_messages = 0;
	OK(cs_card_new(&to, provider, CS_ROLE_RECIPIENT, loopback, port, error));
	OK(cs_card_new(&served, provider, CS_ROLE_PROVIDER, loopback, port, error));
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "hello", 5), 5);
	close(fds[1]);
	OK(cs_put_fd(&options, fds[0], "hello", &result, error));
	close(fds[0]);
	memcpy(object, result.object, CS_OBJECT_ID_LEN);
}

/* What lies beside the messages goes to the bucket with them. */
static void test_vouch(void **state)
{
	struct proto_letter letter = { .type = PROTO_DELIVER };
	char name[VOUCH_FILE_NAME], path[256];
	uint8_t object[CS_OBJECT_ID_LEN], data[VOUCH_MAX];
	struct cs_private *provider;
	struct vouch vouch;
	struct probe probe;
	FILE *file;
	int i;

	(void)state;
	bucket_start(false);
	start(with_vouch(&provider, with_bucket("")));
	make_object(provider, 0, object);
	probe_connect(&probe, 0);
	letter.deliver.messages = object_messages;
	letter.deliver.len = object_len;
	assert_int_equal(wired_send(probe.wired, &letter), 0);
	for (i = 0; i < 5000 && !probe.acks; i++)
		run(1);
	states_are(&probe, nr_object_messages, PROTO_ACK_NEW);
	vouch_name(object, name);
	snprintf(path, sizeof(path), "%s/bucket/carol/%s", place, name);
	file = fopen(path, "r");
	assert_non_null(file);
	OK(vouch_read(&vouch, data, fread(data, 1, sizeof(data), file), error));
	fclose(file);
	assert_string_equal(vouch.name, "Bob");
	assert_memory_equal(vouch.ingest, receiver.public, IDENTITY_PUBLIC_LEN);
	snprintf(path, sizeof(path), "%s/inbox/%s", place, name);
	assert_int_equal(access(path, F_OK), -1);
	probe_end(&probe);
	cs_private_free(provider);
	bucket_stop();
}

/* What of the object's messages is needed: two envelopes, and a chunk, each of one slice. */
static size_t needed_bytes(void)
{
	const struct cs_msg_hdr *hdr;
	size_t at, len, bytes = 0;

	for (at = 0; at < object_len; at += len) {
		hdr = (const struct cs_msg_hdr *)(object_messages + at);
		len = sizeof(*hdr) + be16toh(hdr->length);
		bytes += hdr->index ? 0 : len;
	}
	return bytes;
}

/* Without a bucket what came is decoded in the inbox, beside all else. */
static void test_whole(void **state)
{
	struct proto_letter letter = { .type = PROTO_DELIVER };
	uint8_t object[CS_OBJECT_ID_LEN];
	struct cs_private *provider;
	struct probe probe;
	int i;

	(void)state;
	start(with_vouch(&provider, ""));
	make_object(provider, 100, object);
	probe_connect(&probe, 0);
	letter.deliver.messages = object_messages;
	letter.deliver.len = object_len;
	assert_int_equal(wired_send(probe.wired, &letter), 0);
	for (i = 0; i < 5000 && !probe.acks; i++)
		run(1);
	states_are(&probe, nr_object_messages, PROTO_ACK_NEW);
	assert_int_equal(inbox_bytes(1), object_len);
	for (i = 0; i < 1000 && inbox_bytes(1) > needed_bytes(); i++)
		run(10);
	run(100);
	assert_int_equal(inbox_bytes(1), needed_bytes());
	assert_true(needed_bytes() <= object_len / 2);
	probe_end(&probe);
	cs_private_free(provider);
}

/* --- What becomes of messages --- */

static void test_new_and_known(void **state)
{
	struct probe probe, other;
	struct proto_receipt first;
	size_t i;

	(void)state;
	start("");
	probe_connect(&probe, 0);
	make_all(0, PROTO_BATCH_MAX);
	assert_true(deliver(&probe, PROTO_BATCH_MAX));
	states_are(&probe, PROTO_BATCH_MAX, PROTO_ACK_NEW);
	assert_int_equal(probe.nr_receipts, 1);
	assert_int_equal(probe.cancelled, PROTO_BATCH_MAX);
	first = probe.receipts[0];
	assert_memory_equal(first.receiver, receiver.public, IDENTITY_PUBLIC_LEN);
	assert_memory_equal(first.deliverer, gateway[0].public, IDENTITY_PUBLIC_LEN);
	assert_memory_equal(first.destination, loopback, CS_ADDR_LEN);
	assert_int_equal(first.port, port);
	assert_int_equal(first.contract[3], 0xc0);
	assert_int_equal(first.nr_digests, PROTO_BATCH_MAX);
	assert_int_equal(read_inbox(), PROTO_BATCH_MAX);
	for (i = 0; i < PROTO_BATCH_MAX; i++) {
		assert_memory_equal(receipt_digest(&first, i), messages[i], CS_DIGEST_LEN);
		assert_int_equal(in_inbox(messages[i]), 1);
	}
	/* the same gateway gets the very same receipt, the other one none */
	assert_true(deliver(&probe, 3));
	states_are(&probe, 3, PROTO_ACK_KNOWN);
	assert_int_equal(probe.nr_receipts, 1);
	assert_memory_equal(probe.receipts[0].signature, first.signature, IDENTITY_SIGNATURE_LEN);
	assert_int_equal(probe.receipts[0].nr_digests, PROTO_BATCH_MAX);
	assert_int_equal(probe.cancelled, 3);
	probe_connect(&other, 1);
	assert_true(deliver(&other, PROTO_BATCH_MAX));
	states_are(&other, PROTO_BATCH_MAX, PROTO_ACK_KNOWN);
	assert_int_equal(other.nr_receipts, 0);
	assert_int_equal(other.cancelled, PROTO_BATCH_MAX);
	assert_int_equal(read_inbox(), PROTO_BATCH_MAX);
	/* some new among them: a receipt of those only */
	make(messages[1], 1000);
	assert_true(deliver(&other, 3));
	assert_int_equal(other.states[0], PROTO_ACK_KNOWN);
	assert_int_equal(other.states[1], PROTO_ACK_NEW);
	assert_int_equal(other.nr_receipts, 1);
	assert_int_equal(other.receipts[0].nr_digests, 1);
	assert_memory_equal(other.receipts[0].digests, messages[1], CS_DIGEST_LEN);
	assert_int_equal(ingest_stats(ingest)->receipts, 2);
	probe_end(&probe);
	probe_end(&other);
}

static void test_refused(void **state)
{
	static const enum proto_ack_state expected[] = {
		PROTO_ACK_NEW, PROTO_ACK_DIGEST, PROTO_ACK_DESTINATION, PROTO_ACK_DESTINATION,
		PROTO_ACK_EXPIRED, PROTO_ACK_LIFETIME, PROTO_ACK_DIGEST, PROTO_ACK_KNOWN,
		PROTO_ACK_NEW,
	};
	struct cs_msg_hdr *hdr[9];
	struct probe probe;
	size_t i;

	(void)state;
	start("");
	probe_connect(&probe, 0);
	make_all(0, 9);
	for (i = 0; i < 9; i++)
		hdr[i] = (struct cs_msg_hdr *)messages[i];
	messages[1][LEN - 1] ^= 1;			/* not what its digest says */
	hdr[2]->destination[3] = 1;			/* another address */
	hdr[3]->port = htobe16(port + 1);		/* another port */
	hdr[4]->expiry = htobe64(time(NULL) - 1);
	hdr[5]->expiry = htobe64(time(NULL) + 366 * 86400);
	hdr[6]->flags = htobe16(1);
	for (i = 2; i < 7; i++)
		seal(messages[i]);
	memcpy(messages[7], messages[0], LEN);		/* twice in one letter */
	assert_true(deliver(&probe, 9));
	assert_int_equal(probe.nr_states, 9);
	for (i = 0; i < 9; i++)
		assert_int_equal(probe.states[i], expected[i]);
	assert_int_equal(probe.nr_receipts, 1);
	assert_int_equal(probe.receipts[0].nr_digests, 2);
	assert_int_equal(read_inbox(), 2);
	/* nothing that is good: no receipt and no notice */
	memcpy(messages[0], messages[1], LEN);
	assert_true(deliver(&probe, 1));
	assert_int_equal(probe.nr_receipts + probe.cancelled, 0);
	/* a forged message did not suppress the real one */
	make(messages[0], 1);
	assert_true(deliver(&probe, 1));
	states_are(&probe, 1, PROTO_ACK_NEW);
	probe_end(&probe);
}

static void test_other_destinations(void **state)
{
	struct probe probe;

	(void)state;
	start("destinations = ( \"2001:db8::/32\" );");
	probe_connect(&probe, 0);
	make_all(0, 3);
	inet_pton(AF_INET6, "2001:db8::7", ((struct cs_msg_hdr *)messages[0])->destination);
	memcpy(((struct cs_msg_hdr *)messages[1])->destination, receiver.address, CS_ADDR_LEN);
	seal(messages[0]);
	seal(messages[1]);
	/* one receipt is of one destination */
	assert_true(deliver(&probe, 3));
	assert_int_equal(probe.states[0], PROTO_ACK_NEW);
	assert_int_equal(probe.states[1], PROTO_ACK_DESTINATION);
	assert_int_equal(probe.states[2], PROTO_ACK_DESTINATION);
	memcpy(messages[0], messages[1], LEN);
	assert_true(deliver(&probe, 1));
	states_are(&probe, 1, PROTO_ACK_NEW);
	assert_memory_equal(probe.receipts[0].destination, receiver.address, CS_ADDR_LEN);
	memcpy(messages[0], messages[2], LEN);
	assert_true(deliver(&probe, 1));
	states_are(&probe, 1, PROTO_ACK_NEW);
	probe_end(&probe);
}

/* When the inbox is full nothing is lost: it is told so, and taken when there is room again. */
static void test_full(void **state)
{
	struct probe probe;
	char command[256];

	(void)state;
	start("bytes = \"1MiB\";");
	probe_connect(&probe, 0);
	make_all(0, PROTO_BATCH_MAX);
	while (deliver(&probe, PROTO_BATCH_MAX) && probe.states[PROTO_BATCH_MAX - 1] !=
						   PROTO_ACK_FULL)
		make_all(ingest_stats(ingest)->states[PROTO_ACK_NEW], PROTO_BATCH_MAX);
	assert_int_equal(probe.states[PROTO_BATCH_MAX - 1], PROTO_ACK_FULL);
	assert_int_equal(inbox_bytes(4096), 1 << 20);
	assert_true(deliver(&probe, PROTO_BATCH_MAX));
	assert_int_equal(probe.states[0], PROTO_ACK_KNOWN);
	assert_int_equal(probe.states[PROTO_BATCH_MAX - 1], PROTO_ACK_FULL);
	/* somebody takes them */
	snprintf(command, sizeof(command), "rm %s/inbox/*.messages", place);
	assert_int_equal(system(command), 0);
	stop();
	run(20);
	start("bytes = \"1MiB\";");
	probe_end(&probe);
	probe_connect(&probe, 0);
	assert_true(deliver(&probe, PROTO_BATCH_MAX));
	assert_int_equal(probe.states[0], PROTO_ACK_KNOWN);
	assert_int_equal(probe.states[PROTO_BATCH_MAX - 1], PROTO_ACK_NEW);
	probe_end(&probe);
}

/* One message at a time: each takes a file. */
static void test_full_of_small(void **state)
{
	struct probe probe;
	int i = 0;

	(void)state;
	start("bytes = \"1MiB\";");
	probe_connect(&probe, 0);
	do {
		make(messages[0], i++);
		assert_true(deliver(&probe, 1));
	} while (probe.states[0] == PROTO_ACK_NEW && i < 1000);
	states_are(&probe, 1, PROTO_ACK_FULL);
	assert_int_equal(i, (1 << 20) / 4096 + 1);
	/* what is looked for when it is full is the same */
	stop();
	run(20);
	start("bytes = \"1MiB\";");
	probe_end(&probe);
	probe_connect(&probe, 0);
	assert_true(deliver(&probe, 1));
	states_are(&probe, 1, PROTO_ACK_FULL);
	probe_end(&probe);
}

static struct ingest_file *open_kept(void)
{
	char path[128], directory[128];
	struct ingest_file *file;

	snprintf(path, sizeof(path), "%s/ingest.db", place);
	snprintf(directory, sizeof(directory), "%s/inbox", place);
	OK(ingest_file_open(&file, path, directory, error));
	return file;
}

/* However many there are: all that have expired are forgotten within a moment. */
static void test_expired(void **state)
{
	static struct ingest_batch batch = { .receipt.nr_digests = 1 };
	struct cs_error error = { "" };
	struct ingest_receipt found;
	struct ingest_file *file;
	int i;

	(void)state;
	file = open_kept();
	for (i = 0; i < 300; i++) {
		make(messages[0], i);
		memcpy(batch.receipt.digests[0], messages[0], CS_DIGEST_LEN);
		batch.message[0] = messages[0];
		batch.len[0] = LEN;
		batch.expiry[0] = time(NULL) - 1000 + i;
		OK(ingest_file_keep(file, &batch, error));
	}
	ingest_file_close(file);
	start("");
	run(500);
	stop();
	file = open_kept();
	assert_int_equal(ingest_file_receipt(file, batch.receipt.id, &found, &error), -ENOENT);
	ingest_file_close(file);
}

/* --- Hostile clients --- */

static void test_connections(void **state)
{
	struct probe probe[3];
	int i;

	(void)state;
	start("per-source = 2;");
	for (i = 0; i < 3; i++)
		probe_connect(&probe[i], 0);
	assert_true(probe[0].ready && probe[1].ready && !probe[2].ready);
	assert_int_equal(ingest_stats(ingest)->refused, 1);
	make_all(0, 1);
	assert_true(deliver(&probe[1], 1));
	probe_end(&probe[0]);
	probe_connect(&probe[2], 0);
	assert_true(probe[2].ready);
	probe_end(&probe[1]);
	probe_end(&probe[2]);
	assert_true(nobody_is_left());
}

static void test_other_letters(void **state)
{
	struct proto_letter letter = { .type = PROTO_PING };
	struct probe probe;
	int i;

	(void)state;
	start("");
	probe_connect(&probe, 0);
	assert_int_equal(wired_send(probe.wired, &letter), 0);
	for (i = 0; i < 200 && probe.wired; i++)
		run(10);
	assert_null(probe.wired);
	assert_non_null(strstr(probe.why, "no place here"));
	/* and who speaks no TLS at all costs a connection for ten seconds, and no more */
	assert_true(tcp() >= 0);
	run(20);
	probe_connect(&probe, 0);
	make_all(0, 1);
	assert_true(deliver(&probe, 1));
	probe_end(&probe);
}

/* Shakes hands as far as the other side does. */
static void shake_hands(SSL *ssl)
{
	int i, rc, error = SSL_ERROR_WANT_READ;

	for (i = 0; i < 100 && error == SSL_ERROR_WANT_READ; i++) {
		/* the ingest, which runs in between, has errors of its own in the same queue */
		ERR_clear_error();
		rc = SSL_connect(ssl);
		error = SSL_get_error(ssl, rc);
		run(5);
	}
	ERR_clear_error();
}

/* Clients without a certificate, with one and without the protocol, and with another protocol. */
static void test_strangers(void **state)
{
	static const unsigned char other[] = "\x02h2";
	SSL_CTX *tls = SSL_CTX_new(TLS_method());
	struct probe probe;
	SSL *ssl;
	int fd, i;

	(void)state;
	start("");
	for (i = 0; i < 3; i++) {
		if (i == 1) {
			SSL_CTX_use_certificate(tls, gateway[0].certificate);
			SSL_CTX_use_PrivateKey(tls, gateway[0].key);
		} else if (i == 2) {
			SSL_CTX_set_alpn_protos(tls, other, 3);
		}
		fd = tcp();
		ssl = SSL_new(tls);
		SSL_set_fd(ssl, fd);
		shake_hands(ssl);
		/* whatever the client believes, and although it stays: it is over */
		assert_true(nobody_is_left());
		SSL_free(ssl);
		close(fd);
	}
	SSL_CTX_free(tls);
	assert_int_equal(ingest_stats(ingest)->deliveries, 0);
	probe_connect(&probe, 0);
	assert_true(probe.ready);
	probe_end(&probe);
}

/* --- Killed at any moment --- */

static pid_t child;

static const char *child_more;

static void child_start(void)
{
	child = fork();
	assert_true(child >= 0);
	if (child)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	event_reinit(base);
	start(child_more);
	event_base_dispatch(base);
	_exit(0);
}

static void child_kill(void)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static uint64_t usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ull + now.tv_nsec / 1000;
}

/* What the receipts say of each message: its one receipt's signature. */
static uint8_t receipted[4096][IDENTITY_SIGNATURE_LEN];
static bool acknowledged[4096];

static void note_receipts(const struct probe *probe)
{
	static const uint8_t none[IDENTITY_SIGNATURE_LEN];
	const struct proto_receipt *receipt;
	uint32_t serial;
	size_t i, j, k;

	for (i = 0; i < probe->nr_receipts; i++) {
		receipt = &probe->receipts[i];
		for (j = 0; j < receipt->nr_digests; j++)
			for (k = 0; k < PROTO_BATCH_MAX; k++) {
				if (memcmp(receipt_digest(receipt, j), messages[k], CS_DIGEST_LEN))
					continue;
				memcpy(&serial, ((struct cs_msg_hdr *)messages[k])->chunk_id, 4);
				if (memcmp(receipted[serial], none, sizeof(none)))
					assert_memory_equal(receipted[serial], receipt->signature,
							    sizeof(none));
				memcpy(receipted[serial], receipt->signature, sizeof(none));
			}
	}
}

/* A child that answers, and a connection to it. */
static void child_connect(struct probe *probe)
{
	int wait;

	child_start();
	for (wait = 0; wait < 1000; wait++) {
		probe_connect(probe, 0);
		if (probe->ready)
			return;
		usleep(2000);
	}
	fail_msg("the ingest does not begin again: %s", probe->why);
}

static void note_states(const struct probe *probe, uint32_t first)
{
	size_t i;

	note_receipts(probe);
	for (i = 0; i < probe->nr_states; i++)
		acknowledged[first + i] = probe->states[i] <= PROTO_ACK_KNOWN;
}

/*
 * It is killed in the middle of a batch, which is brought again to the next one: as it is not known
 * whether it is there.
 */
static void killed(void)
{
	static const uint8_t none[IDENTITY_SIGNATURE_LEN];
	static uint8_t all[4096][CS_DIGEST_LEN];
	uint32_t serial = 0, count = 8, i;
	unsigned int kills, cut = 0;
	uint64_t took = 0;
	struct probe probe;
	char taken[32];
	int good;

	memset(acknowledged, 0, sizeof(acknowledged));
	memset(receipted, 0, sizeof(receipted));
	start(""); /* for a port that is free */
	stop();
	run(20);
	srandom(time(NULL));
	make_all(0, count);
	for (kills = 0; kills <= KILLS; kills++) {
		child_connect(&probe);
		for (good = 1 + random() % 3; good--; serial += count, make_all(serial, count)) {
			for (i = 0; i < count; i++)
				memcpy(all[serial + i], messages[i], CS_DIGEST_LEN);
			took = usec();
			assert_true(deliver(&probe, count));
			took = usec() - took;
			note_states(&probe, serial);
		}
		/* anywhere in the time that it needs */
		assert_int_equal(send_batch(&probe, count), 0);
		event_base_loop(base, EVLOOP_NONBLOCK);
		usleep(random() % (took + 1));
		child_kill();
		if (!bucket)
			take_inbox(kills);
		run(10);
		cut += !probe.nr_states;
		note_states(&probe, serial);
		probe_end(&probe);
	}
	assert_true(cut > 0);
	child_connect(&probe);
	for (i = 0; i < count; i++)
		memcpy(all[serial + i], messages[i], CS_DIGEST_LEN);
	assert_true(deliver(&probe, count));
	note_states(&probe, serial);
	serial += count;
	child_kill();
	probe_end(&probe);
	start("");
	if (bucket)
		read_bucket();
	else
		read_inbox();
	for (kills = 0; kills <= KILLS && !bucket; kills++) {
		snprintf(taken, sizeof(taken), "taken/%u", kills);
		read_directory(taken);
	}
	assert_int_equal(nr_inbox, serial);
	for (i = 0; i < serial; i++) {
		assert_true(acknowledged[i]);
		assert_memory_not_equal(receipted[i], none, sizeof(none));
		assert_int_equal(in_inbox(all[i]), 1);
	}
	print_message("%u messages, %u kills, %u of them before an answer\n", serial, kills + 1,
		      cut);
}

static void test_killed(void **state)
{
	(void)state;
	child_more = "";
	killed();
}

/* Killed between the bucket and the spool: what was acknowledged is in the bucket, once. */
static void test_bucket_killed(void **state)
{
	(void)state;
	bucket_start(false);
	child_more = with_bucket("");
	killed();
	bucket_stop();
}

static void *identity_at(struct identity *identity, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	OK(identity_open(identity, path, error));
	return identity;
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_new_and_known),
		TEST(test_refused),
		TEST(test_other_destinations),
		TEST(test_full),
		TEST(test_full_of_small),
		TEST(test_expired),
		TEST(test_connections),
		TEST(test_other_letters),
		TEST(test_strangers),
		TEST(test_killed),
		TEST(test_bucket),
		TEST(test_bucket_away),
		TEST(test_bucket_silent),
		TEST(test_bucket_full),
		TEST(test_bucket_keys),
		TEST(test_bucket_tls),
		TEST(test_bucket_killed),
		TEST(test_vouch),
		TEST(test_whole),
	};
	char command[128];
	int rc;

	log_init(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR - 1);
	signal(SIGPIPE, SIG_IGN);
	strcpy(top, "/tmp/crowdshare-ingest-XXXXXX");
	if (!mkdtemp(top))
		return 1;
	base = event_base_new();
	identity_at(&receiver, "receiver");
	identity_at(&gateway[0], "gateway0");
	identity_at(&gateway[1], "gateway1");
	rc = cmocka_run_group_tests_name("ingest", tests, NULL, NULL);
	run(1100); /* what was closed is freed a second later */
	identity_close(&receiver);
	identity_close(&gateway[0]);
	identity_close(&gateway[1]);
	event_base_free(base);
	snprintf(command, sizeof(command), "rm -rf '%s'", top);
	return system(command) || rc;
}
