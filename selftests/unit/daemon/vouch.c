// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of vouching: a provider's ingest says who sent an object, and the recipient is shown
 * that if, and only if, it does. Objects are made by the library, and taken by crowdshare, which is
 * run as people would.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <jansson.h>

#include <crowdshare/put.h>

#include "common/person.h"
#include "daemon/ingest_vouch.h"
#include "daemon/log.h"
#include "daemon/vouch.h"
#include "lib/hex.h"
#include "lib/message.h"

#define MESSAGE_MAX	2000

static struct identity ingest, other, bob;
static struct cs_private *recipient, *mallory, *provider;
static struct cs_card recipient_card, mallory_card, provider_card, bob_card;
static struct config_ingest config;
static struct ingest_vouch *vouch;

static uint8_t messages[64][MESSAGE_MAX];
static size_t lengths[64], count;

static void copy(const char *from, const char *to)
{
	uint8_t data[VOUCH_MAX];

	write_file(to, data, read_file(from, data, sizeof(data)));
}

/* --- Objects --- */

static int collect(const void *message, size_t len, void *arg)
{
	(void)arg;
	assert_true(count < 64 && len <= MESSAGE_MAX);
	memcpy(messages[count], message, len);
	lengths[count++] = len;
	return 0;
}

static int sign(const void *data, size_t len, uint8_t signature[CS_SIGNATURE_LEN], void *arg)
{
	size_t head = strlen(data) + 1;

	return identity_sign(arg, data, (const char *)data + head, len - head, signature);
}

static int sign_wrong(const void *data, size_t len, uint8_t signature[CS_SIGNATURE_LEN], void *arg)
{
	int rc = sign(data, len, signature, arg);

	signature[7] ^= 1;
	return rc;
}

/* An object of Bob's, from a key, to its recipient; NULL: he does not say who he is. */
static void put(const struct cs_card *to, struct identity *from, bool wrong,
		uint8_t object[CS_OBJECT_ID_LEN])
{
	struct cs_put_sender sender = {
		.account = "bob", .public = from ? from->public : NULL,
		.sign = wrong ? sign_wrong : sign, .arg = from,
	};
	struct cs_put_options options = {
		.to = { to, &provider_card }, .sender = &sender, .now = time(NULL),
		.redundancy = 20, .message = collect,
	};
	struct cs_put_result result;
	int fd;

	count = 0;
	write_file(in_place("letter"), "dear Carol\n", 11);
	fd = open(in_place("letter"), O_RDONLY);
	OK(cs_put_fd(&options, fd, "letter", &result, error));
	close(fd);
	memcpy(object, result.object, CS_OBJECT_ID_LEN);
}

/* The ingest sees all messages; how many vouchings it has written. */
static unsigned int look(void)
{
	char name[INGEST_FILE_NAME];
	unsigned int written = 0;
	size_t i;

	for (i = 0; i < count; i++)
		written += ingest_vouch_look(vouch, messages[i], lengths[i], name);
	return written;
}

static void know(const char *name, const uint8_t public[CS_PUBLIC_LEN])
{
	char text[CS_CARD_TEXT_MAX];
	struct cs_card card;

	OK(cs_card_sender(&card, public, error));
	write_file(in_place("senders/%s", name), text, cs_card_print(&card, text));
	usleep(20000); /* the clock of files is coarse */
}

static void start(void)
{
	snprintf(config.inbox, sizeof(config.inbox), "%s/inbox", place);
	snprintf(config.vouch.senders, sizeof(config.vouch.senders), "%s/senders", place);
	snprintf(config.vouch.key, sizeof(config.vouch.key), "%s/provider.pem", top);
	OK(ingest_vouch_open(&vouch, &config, &ingest, error));
}

static int set_up(void **state)
{

	(void)state;
	new_place();
	mkdir(in_place("senders"), 0700);
	know("Bob.card", bob.public);
	start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ingest_vouch_close(vouch);
	return 0;
}

/* What the vouching of an object says; whether there is one. */
static bool read_vouch(const uint8_t object[CS_OBJECT_ID_LEN], struct vouch *what)
{
	char name[VOUCH_FILE_NAME];
	uint8_t data[VOUCH_MAX + 1];
	size_t len;

	vouch_name(object, name);
	assert_true(vouch_is_name(name));
	len = read_file(in_place("inbox/%s", name), data, sizeof(data));
	if (!len)
		return false;
	OK(vouch_read(what, data, len, error));
	return true;
}

/* --- The ingest --- */

static void test_known(void **state)
{
	uint8_t object[CS_OBJECT_ID_LEN];
	struct vouch what;

	(void)state;
	put(&recipient_card, &bob, false, object);
	/* one for all copies of the envelope */
	assert_int_equal(look(), 1);
	assert_true(read_vouch(object, &what));
	assert_memory_equal(what.ingest, ingest.public, IDENTITY_PUBLIC_LEN);
	assert_memory_equal(what.object, object, CS_OBJECT_ID_LEN);
	assert_memory_equal(what.recipient, recipient_card.fingerprint, CS_FINGERPRINT_LEN);
	assert_memory_equal(what.sender, bob_card.fingerprint, CS_FINGERPRINT_LEN);
	assert_string_equal(what.name, "Bob");
	assert_in_range(what.time, time(NULL) - 10, time(NULL));
	/* also another run writes it once */
	ingest_vouch_close(vouch);
	start();
	assert_int_equal(look(), 0);
}

static void test_others(void **state)
{
	uint8_t object[CS_OBJECT_ID_LEN];
	struct vouch what;

	(void)state;
	put(&recipient_card, NULL, false, object);
	assert_int_equal(look(), 0);
	put(&recipient_card, &bob, true, object);
	assert_int_equal(look(), 0);
	put(&recipient_card, &other, false, object);
	assert_int_equal(look(), 0);
	assert_false(read_vouch(object, &what));
	/* who becomes known while it runs, and who is not any more */
	know("Mallory.card", other.public);
	put(&recipient_card, &other, false, object);
	assert_int_equal(look(), 1);
	assert_true(read_vouch(object, &what));
	assert_string_equal(what.name, "Mallory");
	unlink(in_place("senders/Mallory.card"));
	put(&recipient_card, &other, false, object);
	assert_int_equal(look(), 0);
	/* what is no card, and who can't be called so, harm nobody */
	write_file(in_place("senders/Eve.card"), "nonsense", 8);
	know("a\nb.card", other.public);
	know(".hidden.card", other.public);
	know("readme", other.public);
	put(&recipient_card, &other, false, object);
	assert_int_equal(look(), 0);
	put(&recipient_card, &bob, false, object);
	assert_int_equal(look(), 1);
}

/* An envelope that stands where it does not belong, and things that are none. */
static void test_moved(void **state)
{
	uint8_t object[CS_OBJECT_ID_LEN];
	struct cs_msg_hdr *hdr;
	size_t i, j;

	(void)state;
	put(&recipient_card, &bob, false, object);
	for (i = 0; i < count; i++) {
		hdr = (struct cs_msg_hdr *)messages[i];
		hdr->chunk_id[3] ^= 1;
	}
	assert_int_equal(look(), 0);
	srandom(time(NULL));
	for (j = 0; j < 20; j++) {
		put(&recipient_card, &bob, false, object);
		for (i = 0; i < count; i++)
			messages[i][CS_DIGEST_LEN + random() % (lengths[i] - CS_DIGEST_LEN)] ^=
				1 << random() % 8;
		look(); /* a copy may be as before, if only its address or port has changed */
		for (i = 0; i < count; i++)
			lengths[i] = random() % lengths[i];
		assert_int_equal(look(), 0);
	}
}

/* Of what strangers send only so much is looked at in a second. */
static void test_flood(void **state)
{
	uint8_t object[CS_OBJECT_ID_LEN];
	struct timespec begin, end;
	struct cs_msg_hdr *hdr;
	unsigned int tries;

	(void)state;
	put(&recipient_card, NULL, false, object);
	hdr = (struct cs_msg_hdr *)messages[0];
	count = 1;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (tries = 0; tries < 20000; tries++) {
		memcpy(hdr->chunk_id, &tries, sizeof(tries));
		look();
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	/* 20,000 operations with the private key would take a minute and more */
	assert_true(end.tv_sec - begin.tv_sec < 20);
}

static void test_refused(void **state)
{
	struct config_ingest wrong = config;
	struct cs_error error = { "" };
	struct ingest_vouch *none;

	(void)state;
	snprintf(wrong.vouch.senders, sizeof(wrong.vouch.senders), "/nowhere");
	assert_int_equal(ingest_vouch_open(&none, &wrong, &ingest, &error), -ENOENT);
	assert_non_null(strstr(error.text, "/nowhere"));
	chmod(config.vouch.key, 0644);
	assert_int_equal(ingest_vouch_open(&none, &config, &ingest, &error), -EPERM);
	assert_non_null(strstr(error.text, "lets others at this secret key"));
	chmod(config.vouch.key, 0600);
}

/* --- Vouchings --- */

static void test_forged(void **state)
{
	struct vouch what = { .name = "Bob", .time = 1800000000 }, read;
	uint8_t data[VOUCH_MAX], forged[VOUCH_MAX];
	size_t len, i;
	int bit;

	(void)state;
	assert_int_equal(vouch_sign(&what, &ingest, data, &len), 0);
	OK(vouch_read(&read, data, len, error));
	assert_memory_equal(&read, &what, sizeof(what));
	for (i = 0; i < len; i++) {
		for (bit = 0; bit < 8; bit++) {
			memcpy(forged, data, len);
			forged[i] ^= 1 << bit;
			assert_int_equal(vouch_read(&read, forged, len, NULL), -EBADMSG);
		}
		assert_int_equal(vouch_read(&read, data, i, NULL), -EBADMSG);
	}
	data[len] = 0;
	assert_int_equal(vouch_read(&read, data, len + 1, NULL), -EBADMSG);
	memset(what.name, 'x', VOUCH_NAME_MAX);
	assert_int_equal(vouch_sign(&what, &ingest, data, &len), 0);
	strcpy(what.name, "a\nb");
	assert_int_equal(vouch_sign(&what, &ingest, data, &len), -EINVAL);
	*what.name = '\0';
	assert_int_equal(vouch_sign(&what, &ingest, data, &len), -EINVAL);
}

/* Of the documented format. */
static void test_vector(void **state)
{
	json_t *all = json_load_file(VECTORS "/fobject.json", 0, NULL);
	json_t *v = json_object_get(all, "vouch");
	uint8_t data[VOUCH_MAX], object[CS_OBJECT_ID_LEN], again[VOUCH_MAX];
	struct identity signer = { NULL };
	struct vouch what;
	char key[128];
	size_t len;
	int size;

	(void)state;
	assert_non_null(v);
	size = cs_unhex(json_string_value(json_object_get(v, "vouch")), data, sizeof(data));
	assert_true(size > 0);
	OK(vouch_read(&what, data, size, error));
	cs_unhex(json_string_value(json_object_get(v, "object")), object, sizeof(object));
	assert_memory_equal(what.object, object, sizeof(object));
	assert_string_equal(what.name, json_string_value(json_object_get(v, "name")));
	assert_int_equal(what.time, json_integer_value(json_object_get(v, "time")));
	/* the same again: a signature is the same each time */
	snprintf(key, sizeof(key), "%s/vector.key", top);
	copy(VECTORS "/keys/ed25519.pem", key);
	chmod(key, 0600);
	OK(identity_open(&signer, key, error));
	assert_int_equal(vouch_sign(&what, &signer, again, &len), 0);
	assert_int_equal(len, size);
	assert_memory_equal(again, data, len);
	identity_close(&signer);
	json_decref(all);
}

/* --- The recipient --- */

static bool says(const char *text)
{
	return strstr(output, text);
}

static unsigned int number; /* of a file in the inbox */

/* What the ingest would have in its inbox. */
static void fill_inbox(void)
{
	FILE *file = fopen(in_place("inbox/%016x.messages", ++number), "w");
	size_t i;

	assert_non_null(file);
	for (i = 0; i < count; i++)
		assert_int_equal(fwrite(messages[i], lengths[i], 1, file), 1);
	fclose(file);
}

static void write_public(const char *name, const struct identity *identity)
{
	char hex[2 * IDENTITY_PUBLIC_LEN + 1];

	cs_hex(hex, identity->public, IDENTITY_PUBLIC_LEN);
	write_file(in_place("%s", name), hex, strlen(hex));
}

static void test_get(void **state)
{
	char fingerprint[CS_FINGERPRINT_TEXT], line[512], name[VOUCH_FILE_NAME];
	uint8_t object[CS_OBJECT_ID_LEN];

	(void)state;
	write_public("ingest.pub", &ingest);
	write_public("other.pub", &other);
	cs_card_fingerprint(&bob_card, fingerprint);
	snprintf(line, sizeof(line), "  from: Bob (%s), vouched by %s\n", fingerprint, ingest.text);
	put(&recipient_card, &bob, false, object);
	assert_int_equal(look(), 1);
	fill_inbox();
	/* who is not asked for is not shown, nor whom somebody else vouches for */
	assert_int_equal(run("inbox --key %s/recipient.pem --from inbox", top), 0);
	assert_true(says("letter") && !says("Bob"));
	assert_int_equal(run("inbox --key %s/recipient.pem --from inbox --ingest other.pub", top),
			 0);
	assert_true(says("letter") && !says("Bob") && says("who sent it is not shown"));
	assert_int_equal(run("inbox --key %s/recipient.pem --from inbox --ingest ingest.pub", top),
			 0);
	assert_true(says("letter") && says("Bob") && says(fingerprint) && says(ingest.text));
	assert_int_equal(run("get --key %s/recipient.pem --from inbox --ingest ingest.pub --remove",
			     top), 0);
	if (!says(line))
		fail_msg("'%s' is not in:\n%s", line, output);
	vouch_name(object, name);
	assert_int_equal(access(in_place("inbox/%s", name), F_OK), -1);
	/* without a vouching */
	put(&recipient_card, NULL, false, object);
	assert_int_equal(look(), 0);
	fill_inbox();
	assert_int_equal(run("get --key %s/recipient.pem --from inbox --ingest ingest.pub", top),
			 0);
	assert_true(says("letter") && !says("from:"));
	assert_int_equal(run("get --ingest ingest.pub"), 2);
	assert_true(says("--ingest goes with --from"));
}

/* In a bucket a file may appear some numbers late. */
static void test_late(void **state)
{
	static const unsigned int numbers[] = { 107, 99, 110 };
	uint8_t object[CS_OBJECT_ID_LEN];
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		number = numbers[i];
		put(&recipient_card, NULL, false, object);
		fill_inbox();
		assert_int_equal(run("get --key %s/recipient.pem --from inbox%s", top,
				     i == 2 ? " --remove" : ""), 0);
		assert_true(says("letter"));
		assert_int_equal(run("get --key %s/recipient.pem --from inbox", top), 1);
	}
	/* all of them were read by the last run */
	assert_int_equal(run("get --key %s/recipient.pem --from inbox; ls inbox | grep mess", top),
			 1);
	assert_false(says(".messages"));
}

/* A vouching of another object, one for another recipient, and one that is damaged. */
static void test_get_forged(void **state)
{
	uint8_t first[CS_OBJECT_ID_LEN], second[CS_OBJECT_ID_LEN], data[VOUCH_MAX];
	char from[VOUCH_FILE_NAME], to[VOUCH_FILE_NAME];
	struct vouch what;
	size_t len;
	int i;

	(void)state;
	write_public("ingest.pub", &ingest);
	put(&recipient_card, &bob, false, first);
	assert_int_equal(look(), 1);
	put(&recipient_card, NULL, false, second);
	assert_int_equal(look(), 0);
	fill_inbox();
	vouch_name(first, from);
	vouch_name(second, to);
	for (i = 0; i < 4; i++) {
		if (i == 0) {
			copy(in_place("inbox/%s", from), in_place("inbox/%s", to));
		} else if (i == 1) {
			/* Mallory was sent an object, and makes another one of its secrets */
			assert_true(read_vouch(first, &what));
			memcpy(what.object, second, sizeof(second));
			memcpy(what.recipient, mallory_card.fingerprint, CS_FINGERPRINT_LEN);
			assert_int_equal(vouch_sign(&what, &ingest, data, &len), 0);
			write_file(in_place("inbox/%s", to), data, len);
		} else if (i == 2) {
			write_file(in_place("inbox/%s", to), data, len - 1);
		} else {
			write_file(in_place("inbox/%s", to), messages[0], MESSAGE_MAX);
		}
		assert_int_equal(run("inbox --key %s/recipient.pem --from inbox "
				     "--ingest ingest.pub", top), 0);
		assert_true(says("letter") && !says("Bob") && says("who sent it is not shown"));
	}
}

static void test_cards(void **state)
{
	struct cs_card card;

	(void)state;
	assert_int_equal(run("id export --role sender"), 2);
	assert_true(says("crowdshare id new --role sender"));
	assert_int_equal(run("id new --role sender --bits 3072"), 2);
	assert_int_equal(run("id new --role sender"), 0);
	assert_int_equal(run("id new --role sender"), 2);
	assert_int_equal(run("id export --role sender --port 7"), 2);
	assert_int_equal(run("id export --role sender"), 0);
	write_file(in_place("me.card"), output, strlen(output));
	OK(cs_card_read(&card, in_place("me.card"), CS_ROLE_SENDER, error));
	assert_int_equal(run("id show me.card"), 0);
	assert_true(says("sender") && !says("address"));
	assert_int_equal(run("put letter --to me.card"), 2);
	assert_true(says("no card of a recipient"));
}

/* --- */

static void make_identity(struct identity *identity, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s.key", top, name);
	OK(identity_open(identity, path, error));
}

int main(int argc, char **argv)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_known),
		TEST(test_others),
		TEST(test_moved),
		TEST(test_flood),
		TEST(test_refused),
		TEST(test_forged),
		TEST(test_vector),
		TEST(test_get),
		TEST(test_get_forged),
		TEST(test_late),
		TEST(test_cards),
	};
	int rc;

	(void)argc;
	log_init(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR - 1);
	if (find_cli(argv[0]))
		return 1;
	tempdir_make(top, "vouch");
	make_identity(&ingest, "ingest");
	make_identity(&other, "other");
	make_identity(&bob, "bob");
	OK(cs_card_sender(&bob_card, bob.public, error));
	make_key(&recipient, &recipient_card, "recipient", CS_ROLE_RECIPIENT);
	make_key(&mallory, &mallory_card, "mallory", CS_ROLE_RECIPIENT);
	make_key(&provider, &provider_card, "provider", CS_ROLE_PROVIDER);
	rc = cmocka_run_group_tests_name("vouch", tests, NULL, NULL);
	identity_close(&ingest);
	identity_close(&other);
	identity_close(&bob);
	cs_private_free(recipient);
	cs_private_free(mallory);
	cs_private_free(provider);
	tempdir_remove(top);
	return rc;
}
