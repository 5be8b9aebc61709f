// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of keys and cards: no short key is made, read or taken from a card; a key that others
 * could have read is none; a card that was changed anywhere is refused, and so is what is none.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common.h"
#include "fobject/rsa.h"

#define ANY 1

static char *card_text(enum cs_role role)
{
	static char text[CS_CARD_TEXT_MAX];
	size_t len = cs_card_print(test_card("recipient", role), text);

	assert_int_equal(len, strlen(text));
	return text;
}

static void refused(const char *text, size_t len, int rc, const char *what)
{
	static const struct cs_card empty;
	struct cs_error error = { "" };
	struct cs_card card;

	int got = cs_card_parse(&card, text, len, NULL, &error);

	if (rc != ANY)
		assert_int_equal(got, rc);
	assert_true(got < 0);
	assert_true(error.text[0]);
	assert_memory_equal(&card, &empty, sizeof(card));
	if (what)
		assert_true(says(&error, what));
}

static void test_round_trip(void **state)
{
	struct cs_card card;
	size_t used, len;
	char *text;

	(void)state;
	text = card_text(CS_ROLE_PROVIDER);
	len = strlen(text);
	assert_int_equal(cs_card_parse(&card, text, len, &used, NULL), 0);
	assert_int_equal(used, len);
	assert_memory_equal(&card, test_card("recipient", CS_ROLE_PROVIDER), sizeof(card));
	/* what follows is not the card's */
	strcat(text, "more");
	assert_int_equal(cs_card_parse(&card, text, len + 4, &used, NULL), 0);
	assert_int_equal(used, len);
}

static void test_largest(void **state)
{
	char text[CS_CARD_TEXT_MAX];
	struct cs_card card, again;
	uint8_t address[CS_ADDR_LEN];

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "2001:db8:1111:2222:3333:4444:5555:6666", address), 1);
	assert_int_equal(cs_card_new(&card, test_key("large"), CS_ROLE_RECIPIENT, address, 65535,
				     NULL), 0);
	assert_int_equal(card.bits, CS_RSA_BITS_MAX);
	assert_int_equal(card.key_len, CS_CARD_KEY_MAX);
	assert_true(cs_card_print(&card, text) == strlen(text));
	assert_true(strlen(text) < CS_CARD_TEXT_MAX - 100);
	assert_int_equal(cs_card_parse(&again, text, strlen(text), NULL, NULL), 0);
	assert_memory_equal(&card, &again, sizeof(card));
}

/* Mail makes CR LF of line ends. */
static void test_carriage_returns(void **state)
{
	char mailed[2 * CS_CARD_TEXT_MAX], *p = mailed;
	struct cs_card card;
	const char *text;

	(void)state;
	for (text = card_text(CS_ROLE_RECIPIENT); *text; text++) {
		if (*text == '\n')
			*p++ = '\r';
		*p++ = *text;
	}
	assert_int_equal(cs_card_parse(&card, mailed, p - mailed, NULL, NULL), 0);
	*strchr(mailed, '\r') = '\n';
	refused(mailed, p - mailed, -EBADMSG, NULL);
}

/* Any bit flipped, any byte missing, any end cut off. */
static void test_every_change(void **state)
{
	char text[CS_CARD_TEXT_MAX];
	size_t len, i;

	(void)state;
	strcpy(text, card_text(CS_ROLE_RECIPIENT));
	len = strlen(text);
	for (i = 0; i < len; i++) {
		text[i] ^= 1 << dice(7);
		refused(text, len, ANY, NULL);
		strcpy(text, card_text(CS_ROLE_RECIPIENT));
		refused(text, i, -EBADMSG, "complete");
		memmove(text + i, text + i + 1, len - i);
		refused(text, len - 1, ANY, NULL);
		strcpy(text, card_text(CS_ROLE_RECIPIENT));
	}
}

/* The text with one thing replaced, and the check made right again, as an attacker would. */
static void refused_with(const char *what, const char *with, int rc, const char *why)
{
	char text[2 * CS_CARD_TEXT_MAX], *at, *check;
	const char *old = card_text(CS_ROLE_RECIPIENT);
	uint8_t hash[32];
	int i;

	at = strstr(old, what);
	assert_non_null(at);
	sprintf(text, "%.*s%s%s", (int)(at - old), old, with, at + strlen(what));
	check = strstr(text, "check ");
	if (check) {
		assert_int_equal(EVP_Q_digest(NULL, "SHA256", NULL, text, check - text, hash,
					      NULL), 1);
		for (i = 0; i < 8; i++)
			sprintf(check + 6 + 2 * i, "%02x", hash[i]);
		strcpy(check + 22, "\n");
	}
	refused(text, strlen(text), rc, why);
}

static void test_other_forms(void **state)
{
	(void)state;
	refused_with("card 1", "card 2", -EBADMSG, "version is '2'");
	refused_with("recipient", "relay", -EBADMSG, "of no recipient");
	refused_with("2001:db8::7", "2001:db8:0::7", -EBADMSG, "changed");
	refused_with("2001:db8::7", "2001:DB8::7", -EBADMSG, "changed");
	refused_with("2001:db8::7", "::", -EBADMSG, "address");
	refused_with("2001:db8::7", "ff02::1", -EBADMSG, "address");
	refused_with("2001:db8::7", "192.0.2.1", -EBADMSG, "address");
	refused_with("port 7475", "port 0", -EBADMSG, "port");
	refused_with("port 7475", "port 65536", -EBADMSG, "port");
	refused_with("port 7475", "port 07475", -EBADMSG, "port");
	refused_with("port 7475", "port -1", -EBADMSG, "port");
	refused_with("rsa 3072", "rsa 3064", -EBADMSG, NULL);
	refused_with("rsa 3072", "rsa 1024", -EINVAL, "only 2048 to 4096");
	refused_with("rsa 3072", "rsa 8192", -EINVAL, "only 2048 to 4096");
	refused_with("fingerprint ", "fingerprint  ", -EBADMSG, "changed");
	refused_with("\nfinger", "\n\nfinger", -EBADMSG, "fingerprint");
	refused_with("role", "role\t", -EBADMSG, "no character");
	refused_with("key rsa 3072\n", "key rsa 3072\n!", -EBADMSG, NULL);
	refused("", 0, -EBADMSG, "ends here");
	refused("\n", 1, -EBADMSG, "does not begin");
}

/* A card whose key is another kind of key, in a text that is right otherwise. */
static void test_other_keys(void **state)
{
	static const struct { const char *name; unsigned int bits; int rc; } others[] = {
		{ "short", 2048, -EBADMSG }, { "exponent", 2048, -EINVAL },
		{ "pss", 2048, -EINVAL }, { "ed25519", 2048, -EINVAL },
	};
	char text[CS_CARD_TEXT_MAX], path[512];
	struct cs_card card;
	EVP_PKEY *key;
	unsigned int i;
	uint8_t *p;
	FILE *file;

	(void)state;
	for (i = 0; i < sizeof(others) / sizeof(*others); i++) {
		snprintf(path, sizeof(path), "%s/keys/%s.pem", VECTORS, others[i].name);
		file = fopen(path, "re");
		assert_non_null(file);
		key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
		fclose(file);
		assert_non_null(key);
		card = *test_card("recipient", CS_ROLE_RECIPIENT);
		memset(card.key, 0, sizeof(card.key));
		p = card.key;
		i2d_PUBKEY(key, &p);
		EVP_PKEY_free(key);
		card.bits = others[i].bits;
		card.key_len = others[i].bits / 8 + 38;
		assert_int_equal(EVP_Q_digest(NULL, "SHA256", NULL, card.key, card.key_len,
					      card.fingerprint, NULL), 1);
		assert_true(cs_card_print(&card, text) > 0);
		refused(text, strlen(text), -EINVAL, NULL);
	}
}

static void test_files(void **state)
{
	struct cs_error error = { "" };
	char text[4 * CS_CARD_TEXT_MAX] = "";
	struct cs_card card;

	(void)state;
	strcpy(text, card_text(CS_ROLE_RECIPIENT));
	write_file(in_dir("one"), text, strlen(text));
	assert_int_equal(cs_card_read(&card, in_dir("one"), CS_ROLE_RECIPIENT, &error), 0);
	assert_int_equal(cs_card_read(&card, in_dir("one"), CS_ROLE_PROVIDER, &error), -ENOENT);
	assert_true(says(&error, "no card of a provider is in it, and 1 of others"));
	strcat(text, "\n\r\n");
	strcat(text, card_text(CS_ROLE_PROVIDER));
	strcat(text, "\n");
	write_file(in_dir("two"), text, strlen(text));
	assert_int_equal(cs_card_read(&card, in_dir("two"), CS_ROLE_PROVIDER, &error), 0);
	assert_int_equal(card.role, CS_ROLE_PROVIDER);
	assert_int_equal(cs_card_read(&card, in_dir("two"), CS_ROLE_RECIPIENT, &error), 0);
	assert_int_equal(cs_card_read(&card, in_dir("none"), CS_ROLE_RECIPIENT, &error), -ENOENT);
	assert_int_equal(cs_card_read(&card, test_dir, CS_ROLE_RECIPIENT, &error), -EINVAL);
	write_file(in_dir("empty"), "", 0);
	assert_int_equal(cs_card_read(&card, in_dir("empty"), CS_ROLE_RECIPIENT, &error), -ENOENT);
	write_file(in_dir("large"), text, sizeof(text));
	assert_int_equal(truncate(in_dir("large"), 20000), 0);
	assert_int_equal(cs_card_read(&card, in_dir("large"), CS_ROLE_RECIPIENT, &error), -EFBIG);
}

static void key_refused(const char *path, int rc, const char *what)
{
	struct cs_error error = { "" };
	struct cs_private *key;

	assert_int_equal(cs_private_read(&key, path, &error), rc);
	assert_null(key);
	assert_true(says(&error, what));
}

static void test_key_files(void **state)
{
	struct cs_error error = { "" };
	struct cs_private *key, *again;
	struct stat st;

	(void)state;
	umask(0);
	assert_int_equal(cs_private_new(&key, 2047, &error), -EINVAL);
	assert_int_equal(cs_private_new(&key, 1024, &error), -EINVAL);
	assert_true(says(&error, "2048 to 4096"));
	assert_int_equal(cs_private_new(&key, 8192, &error), -EINVAL);
	assert_int_equal(cs_private_new(&key, 2048, &error), 0);
	assert_int_equal(cs_private_write(key, in_dir("key"), &error), 0);
	assert_int_equal(stat(in_dir("key"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(cs_private_write(key, in_dir("key"), &error), -EEXIST);
	assert_int_equal(cs_private_read(&again, in_dir("key"), &error), 0);
	assert_memory_equal(again->fingerprint, key->fingerprint, sizeof(key->fingerprint));
	assert_int_equal(again->bits, 2048);
	cs_private_free(again);
	cs_private_free(key);

	assert_int_equal(chmod(in_dir("key"), 0640), 0);
	key_refused(in_dir("key"), -EPERM, "chmod 600");
	assert_int_equal(chmod(in_dir("key"), 0604), 0);
	key_refused(in_dir("key"), -EPERM, "chmod 600");
	assert_int_equal(chmod(in_dir("key"), 0600), 0);
	assert_int_equal(symlink("key", in_dir("link")), 0);
	key_refused(in_dir("link"), -EINVAL, "symbolic link");
	key_refused(in_dir("nothing"), -ENOENT, "No such file");
	write_file(in_dir("text"), "no key\n", 7);
	chmod(in_dir("text"), 0600);
	key_refused(in_dir("text"), -EINVAL, "not a private key");
}

/* Keys that openssl made, and that we do not use. */
static void test_weak_keys(void **state)
{
	static const struct { const char *name, *says; } weak[] = {
		{ "short", "under 2048" }, { "pss", "not an RSA key" },
		{ "exponent", "exponent" }, { "ed25519", "not an RSA key" },
	};
	char path[512];
	unsigned int i;
	uint8_t *pem;
	size_t len;

	(void)state;
	for (i = 0; i < sizeof(weak) / sizeof(*weak); i++) {
		snprintf(path, sizeof(path), "%s/keys/%s.pem", VECTORS, weak[i].name);
		pem = read_file(path, &len);
		write_file(in_dir("weak"), pem, len);
		free(pem);
		assert_int_equal(chmod(in_dir("weak"), 0600), 0);
		key_refused(in_dir("weak"), -EINVAL, weak[i].says);
	}
}

static void test_default_size(void **state)
{
	static const uint8_t node[16] = { 0xfd }, multicast[16] = { 0xff };
	struct cs_private *key;
	struct cs_card card;

	(void)state;
	assert_int_equal(CS_RSA_BITS_DEFAULT, 3072);
	assert_int_equal(cs_private_new(&key, CS_RSA_BITS_DEFAULT, NULL), 0);
	assert_int_equal(key->bits, 3072);
	assert_int_equal(cs_card_new(&card, key, CS_ROLE_RECIPIENT, node, 0, NULL), -EINVAL);
	assert_int_equal(cs_card_new(&card, key, CS_ROLE_RECIPIENT, multicast, 1, NULL), -EINVAL);
	assert_int_equal(cs_card_new(&card, key, 3, node, 1, NULL), -EINVAL);
	assert_int_equal(cs_card_new(&card, key, CS_ROLE_RECIPIENT, node, 1, NULL), 0);
	cs_private_free(key);
}

/* A sender's card has neither address nor port, and another kind of key. */
static void test_sender(void **state)
{
	static const uint8_t public[CS_PUBLIC_LEN] = { 1, 2, 3 };
	char text[2 * CS_CARD_TEXT_MAX], changed[CS_CARD_TEXT_MAX];
	struct cs_error error;
	struct cs_card card, again;
	size_t len, i;

	(void)state;
	assert_int_equal(cs_card_sender(&card, public, &error), 0);
	len = cs_card_print(&card, text);
	assert_true(len > 0);
	assert_int_equal(cs_card_parse(&again, text, len, NULL, &error), 0);
	assert_memory_equal(&card, &again, sizeof(card));
	for (i = 0; i < len; i++) {
		memcpy(changed, text, len);
		changed[i] ^= 1;
		assert_int_not_equal(cs_card_parse(&again, changed, len, NULL, &error), 0);
		assert_int_not_equal(cs_card_parse(&again, text, i, NULL, &error), 0);
	}
	/* with the key of another kind it is no card, though its check is right */
	card.key[4] ^= 1;
	EVP_Q_digest(NULL, "SHA256", NULL, card.key, card.key_len, card.fingerprint, NULL);
	len = cs_card_print(&card, text);
	assert_int_equal(cs_card_parse(&again, text, len, NULL, &error), -EBADMSG);
	assert_non_null(strstr(error.text, "not an Ed25519 key"));
	/* behind a recipient's */
	assert_int_equal(cs_card_sender(&card, public, &error), 0);
	strcpy(text, card_text(CS_ROLE_RECIPIENT));
	cs_card_print(&card, text + strlen(text));
	write_file(in_dir("both"), text, strlen(text));
	assert_int_equal(cs_card_read(&again, in_dir("both"), CS_ROLE_SENDER, &error), 0);
	assert_memory_equal(&card, &again, sizeof(card));
	assert_int_equal(cs_card_read(&again, in_dir("both"), CS_ROLE_RECIPIENT, &error), 0);
	assert_int_equal(cs_card_read(&again, in_dir("both"), CS_ROLE_PROVIDER, &error), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_carriage_returns),
		cmocka_unit_test(test_every_change),
		cmocka_unit_test(test_other_forms),
		cmocka_unit_test(test_other_keys),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_sender),
		cmocka_unit_test(test_key_files),
		cmocka_unit_test(test_weak_keys),
		cmocka_unit_test(test_default_size),
	};

	return cmocka_run_group_tests_name("card", tests, make_dir, remove_dir);
}
