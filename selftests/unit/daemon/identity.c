// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of identities and of trust: a key that others could have read is no identity, nothing
 * is overwritten, and each mode of trust lets in whom it should and nobody else.
 */
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
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "daemon/config.h"
#include "daemon/identity.h"
#include "daemon/trust.h"

#define NOBODY		65534
#define NOW		1800000000	/* 2027 */
#define DAY		86400
#define CONTRACT	CROWDSHARE_PEER_CONTRACT
#define FREE		CROWDSHARE_PEER_FREE
#define DENY		CROWDSHARE_PEER_DENY

/* RFC 8032, 7.1, test 1, as PKCS #8 */
static const char known_key[] = "-----BEGIN PRIVATE KEY-----\n"
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
	"-----END PRIVATE KEY-----\n";
static const uint8_t known_public[] = {
	0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07,
	0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07,
	0x51, 0x1a
};
/* by Python's hashlib */
static const char known_address[] = "fdb0:11e6:e104:a67:b6d9:60d0:7193:b017";
/* by openssl pkeyutl, over "test", a NUL and "data" */
static const uint8_t known_signature[] = {
	0xd1, 0x73, 0x23, 0xf7, 0x2d, 0x73, 0xd4, 0x1d, 0x12, 0x81, 0xac, 0x6a, 0x5c, 0x33, 0x8a,
	0xe6, 0x6e, 0x9e, 0xea, 0xd7, 0x9e, 0xe5, 0x2f, 0x3b, 0xc1, 0xe1, 0x96, 0xfd, 0x10, 0x02,
	0x5f, 0x8e, 0x6a, 0x0a, 0x93, 0xdc, 0xe4, 0x25, 0x67, 0x43, 0x94, 0x10, 0xd1, 0xec, 0xe8,
	0x88, 0xea, 0x5e, 0x6f, 0x95, 0x9e, 0xe3, 0xe6, 0xf0, 0x85, 0x63, 0xc4, 0xdb, 0x4e, 0x2e,
	0x15, 0x3c, 0xd8, 0x0b
};

static char dir[64];

/* A path in the directory of this test; several at a time. */
static const char *in_dir(const char *name)
{
	static char paths[8][128];
	static int next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static int setup(void **state)
{
	(void)state;
	umask(022);
	snprintf(dir, sizeof(dir), "/tmp/crowdshare-identity-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static const char *put_file(const char *name, const char *text, mode_t mode)
{
	const char *path = in_dir(name);
	FILE *file;

	unlink(path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static void get_file(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	text[fread(text, 1, size - 1, file)] = '\0';
	fclose(file);
}

static int count_files(const char *path)
{
	char command[256];
	FILE *pipe;
	int count;

	snprintf(command, sizeof(command), "ls -A %s | wc -l", path);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%d", &count), 1);
	pclose(pipe);
	return count;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static void test_create(void **state)
{
	struct identity first, again;
	struct cs_error error = { "" };
	char text[4096];
	size_t i;

	(void)state;
	umask(0);
	assert_int_equal(identity_open(&first, in_dir("new/key"), &error), 0);
	umask(022);
	assert_int_equal(mode_of(in_dir("new")), 0700);
	assert_int_equal(mode_of(in_dir("new/key")), 0600);
	assert_int_equal(count_files(in_dir("new")), 1);
	get_file(in_dir("new/key"), text, sizeof(text));
	assert_int_equal(strncmp(text, "-----BEGIN PRIVATE KEY-----\n", 28), 0);
	assert_int_equal(first.address[0], 0xfd);

	assert_int_equal(identity_open(&again, in_dir("new/key"), &error), 0);
	assert_memory_equal(first.public, again.public, sizeof(first.public));
	assert_string_equal(first.text, again.text);
	assert_int_equal(X509_cmp(first.certificate, again.certificate), 0);
	identity_close(&again);
	identity_close(&first);
	for (i = 0; i < sizeof(first); i++)
		assert_int_equal(((uint8_t *)&first)[i], 0);

	assert_int_equal(identity_open(&first, in_dir("no/such/key"), &error), -ENOENT);
	assert_non_null(strstr(error.text, "no/such"));
	identity_close(&first);
}

static void test_known(void **state)
{
	struct identity identity;
	struct cs_error error = { "" };
	uint8_t signature[IDENTITY_SIGNATURE_LEN], address[CS_ADDR_LEN];

	(void)state;
	put_file("known", known_key, 0600);
	assert_int_equal(identity_open(&identity, in_dir("known"), &error), 0);
	assert_memory_equal(identity.public, known_public, sizeof(known_public));
	assert_string_equal(identity.text, known_address);
	assert_int_equal(inet_pton(AF_INET6, known_address, address), 1);
	assert_memory_equal(identity.address, address, sizeof(address));
	assert_int_equal(identity_sign(&identity, "test", "data", 4, signature), 0);
	assert_memory_equal(signature, known_signature, sizeof(signature));
	assert_true(identity_verify(known_public, "test", "data", 4, known_signature));
	identity_close(&identity);
}

static void test_signatures(void **state)
{
	uint8_t signature[IDENTITY_SIGNATURE_LEN], empty[IDENTITY_SIGNATURE_LEN];
	struct identity identity, other;
	struct cs_error error = { "" };
	int bit;

	(void)state;
	assert_int_equal(identity_open(&identity, in_dir("sign"), &error), 0);
	assert_int_equal(identity_open(&other, in_dir("other"), &error), 0);
	assert_int_equal(identity_sign(&identity, "ab", "cd", 2, signature), 0);
	assert_true(identity_verify(identity.public, "ab", "cd", 2, signature));
	assert_false(identity_verify(identity.public, "ac", "cd", 2, signature));
	assert_false(identity_verify(identity.public, "ab", "ce", 2, signature));
	assert_false(identity_verify(identity.public, "ab", "cd", 1, signature));
	/* the bytes together are the same */
	assert_false(identity_verify(identity.public, "a", "bcd", 3, signature));
	assert_false(identity_verify(identity.public, "abc", "d", 1, signature));
	assert_false(identity_verify(other.public, "ab", "cd", 2, signature));
	for (bit = 0; bit < IDENTITY_SIGNATURE_LEN * 8; bit++) {
		signature[bit / 8] ^= 1 << bit % 8;
		assert_false(identity_verify(identity.public, "ab", "cd", 2, signature));
		signature[bit / 8] ^= 1 << bit % 8;
	}
	assert_int_equal(identity_sign(&identity, "ab", NULL, 0, empty), 0);
	assert_true(identity_verify(identity.public, "ab", NULL, 0, empty));
	assert_false(identity_verify(identity.public, "ab", "", 1, empty));
	assert_int_equal(identity_sign(&identity, "ab", "", SIZE_MAX, signature), -ENOMEM);
	assert_false(identity_verify(identity.public, "ab", "", SIZE_MAX, signature));
	identity_close(&identity);
	identity_close(&other);
}

/* OpenSSL alone takes a signature that no one made: that is why weak keys are refused. */
static void check_forged(const uint8_t public[32], bool openssl_takes_it)
{
	/* R: the neutral element, S: 0 */
	uint8_t forged[IDENTITY_SIGNATURE_LEN] = { 1 };
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public, 32);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	assert_non_null(key);
	assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key), 1);
	if (openssl_takes_it)
		assert_int_equal(EVP_DigestVerify(ctx, forged, 64, (uint8_t *)"a\0b", 3), 1);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	assert_false(identity_verify(public, "a", "b", 1, forged));
}

static void test_weak_keys(void **state)
{
	static const char *const weak[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	uint8_t public[32], out[32];
	X509 *certificate;
	EVP_PKEY *key;
	size_t i, k;
	unsigned int byte;

	(void)state;
	for (i = 0; i < 2 * sizeof(weak) / sizeof(*weak); i++) {
		for (k = 0; k < 32; k++) {
			assert_int_equal(sscanf(weak[i / 2] + 2 * k, "%2x", &byte), 1);
			public[k] = byte;
		}
		if (i % 2)
			public[31] |= 0x80;
		check_forged(public, i == 2);
		key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public, 32);
		certificate = X509_new();
		assert_int_equal(X509_set_pubkey(certificate, key), 1);
		assert_int_equal(identity_of_certificate(certificate, out), -EINVAL);
		X509_free(certificate);
		EVP_PKEY_free(key);
	}
}

/* The file is refused with a text that names it, and is what it was. */
static void check_refused(const char *path, int rc, const char *says)
{
	char before[70000], after[70000];
	struct identity identity;
	struct cs_error error = { "" };
	struct stat st;
	bool regular;

	assert_int_equal(lstat(path, &st), 0);
	regular = S_ISREG(st.st_mode);
	if (regular)
		get_file(path, before, sizeof(before));
	assert_int_equal(identity_open(&identity, path, &error), rc);
	if (!strstr(error.text, path) || !strstr(error.text, says))
		fail_msg("'%s' does not say '%s' of %s", error.text, says, path);
	assert_null(identity.key);
	assert_null(identity.certificate);
	identity_close(&identity);
	if (regular) {
		get_file(path, after, sizeof(after));
		assert_string_equal(before, after);
		assert_int_equal(mode_of(path), st.st_mode & 07777);
	}
}

static void test_readable(void **state)
{
	const char *path = put_file("mode", known_key, 0600);
	struct identity identity;
	struct cs_error error;
	char says[160];
	mode_t mode;

	(void)state;
	for (mode = 0600; mode <= 0777; mode++) {
		assert_int_equal(chmod(path, mode), 0);
		if (mode & 077) {
			snprintf(says, sizeof(says), "chmod 600 %s", path);
			check_refused(path, -EPERM, says);
		} else {
			assert_int_equal(identity_open(&identity, path, &error), 0);
			identity_close(&identity);
		}
	}
	chmod(path, 0400);
	assert_int_equal(identity_open(&identity, path, &error), 0);
	identity_close(&identity);
}

static void test_owner(void **state)
{
	const char *path = put_file("owned", known_key, 0600);
	struct cs_error error = { "" };
	struct identity identity;

	(void)state;
	if (geteuid())
		skip();
	assert_int_equal(chown(path, NOBODY, -1), 0);
	check_refused(path, -EPERM, "belongs to user 65534, but this is user 0: chown 0");
	/* the other way round: root's file, and this is not root */
	assert_int_equal(chown(path, 0, -1), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	assert_int_equal(seteuid(NOBODY), 0);
	assert_int_equal(identity_open(&identity, path, &error), -EACCES);
	assert_int_equal(identity_open(&identity, in_dir("mine"), &error), -EACCES);
	assert_int_equal(seteuid(0), 0);
	assert_non_null(strstr(error.text, "mine"));
	assert_int_not_equal(access(in_dir("mine"), F_OK), 0);
}

/* Writes a key of some type; @cipher: with a password. */
static const char *other_key(const char *name, EVP_PKEY *key, const EVP_CIPHER *cipher, bool public)
{
	const char *path = in_dir(name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_non_null(key);
	if (public)
		assert_int_equal(PEM_write_PUBKEY(file, key), 1);
	else
		assert_int_equal(PEM_write_PKCS8PrivateKey(file, key, cipher, NULL, 0, NULL,
							   cipher ? (void *)"secret" : NULL), 1);
	fclose(file);
	EVP_PKEY_free(key);
	chmod(path, 0600);
	return path;
}

static void test_garbage(void **state)
{
	char large[66000];

	(void)state;
	check_refused(put_file("empty", "", 0600), -EINVAL, "not a private key in PEM");
	check_refused(put_file("text", "hello\n", 0600), -EINVAL, "not a private key in PEM");
	check_refused(put_file("short", "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n", 0600), -EINVAL,
		      "not a private key in PEM");
	check_refused(put_file("base64", "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n"
			       "-----END PRIVATE KEY-----\n", 0600), -EINVAL,
		      "not a private key in PEM");
	check_refused(other_key("public", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, true),
		      -EINVAL, "not a private key in PEM");
	check_refused(other_key("password", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"),
				EVP_aes_128_cbc(), false), -EINVAL, "not a private key in PEM");
	check_refused(other_key("rsa", EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048), NULL,
				false), -EINVAL, "not an Ed25519 key but RSA");
	check_refused(other_key("ec", EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"), NULL, false),
		      -EINVAL, "not an Ed25519 key but EC");
	check_refused(other_key("x25519", EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), NULL, false),
		      -EINVAL, "not an Ed25519 key but X25519");
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	check_refused(put_file("large", large, 0600), -EFBIG, "too large");
}

static void test_not_regular(void **state)
{
	const char *path = in_dir("link");

	(void)state;
	put_file("target", known_key, 0600);
	assert_int_equal(symlink("target", path), 0);
	check_refused(path, -EINVAL, "symbolic link");
	/* one that leads nowhere must not be followed to make a key there */
	assert_int_equal(unlink(in_dir("target")), 0);
	check_refused(path, -EINVAL, "symbolic link");
	assert_int_not_equal(access(in_dir("target"), F_OK), 0);
	assert_int_equal(mkdir(in_dir("directory"), 0700), 0);
	check_refused(in_dir("directory"), -EINVAL, "not a regular file");
	assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
	check_refused(in_dir("fifo"), -EINVAL, "not a regular file");
}

static void test_never_overwritten(void **state)
{
	const char *path = put_file("there", "precious", 0600), *link = in_dir("dangling");
	EVP_PKEY *key = identity_new_key(NULL);
	struct cs_error error = { "" };
	char text[64];

	(void)state;
	assert_int_equal(identity_write_key(key, path, &error), -EEXIST);
	assert_non_null(strstr(error.text, path));
	assert_non_null(strstr(error.text, "never overwritten"));
	get_file(path, text, sizeof(text));
	assert_string_equal(text, "precious");
	assert_int_equal(symlink("nothing", link), 0);
	assert_int_equal(identity_write_key(key, link, &error), -EEXIST);
	assert_int_not_equal(access(in_dir("nothing"), F_OK), 0);
	EVP_PKEY_free(key);
}

/* Several first starts at once: one key, which all have. */
static void test_race(void **state)
{
	struct identity identity;
	struct cs_error error;
	char command[256];
	int i, round, status;

	(void)state;
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 8; i++) {
			if (fork())
				continue;
			if (identity_open(&identity, in_dir("race/key"), &error)) {
				fprintf(stderr, "%s\n", error.text);
				_exit(1);
			}
			snprintf(command, sizeof(command), "race/%s", identity.text);
			/* all make the same one: no put_file(), which would remove another's */
			_exit(creat(in_dir(command), 0600) < 0);
		}
		for (i = 0; i < 8; i++) {
			assert_true(wait(&status) > 0);
			assert_int_equal(status, 0);
		}
		/* the key, and one file of the one address */
		assert_int_equal(count_files(in_dir("race")), 2);
		snprintf(command, sizeof(command), "rm -r %s/race", dir);
		assert_int_equal(system(command), 0);
	}
}

static void test_certificate(void **state)
{
	struct identity identity, other;
	struct cs_error error = { "" };
	time_t first = 0, last = 253402300799;
	uint8_t public[32];
	char name[64];

	(void)state;
	assert_int_equal(identity_open(&identity, in_dir("cert"), &error), 0);
	assert_int_equal(identity_of_certificate(identity.certificate, public), 0);
	assert_memory_equal(public, identity.public, sizeof(public));
	assert_int_equal(X509_verify(identity.certificate, identity.key), 1);
	assert_int_equal(X509_check_ca(identity.certificate), 0);
	assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(identity.certificate),
					      NID_commonName, name, sizeof(name)) > 0);
	assert_string_equal(name, identity.text);
	assert_int_equal(X509_cmp_time(X509_get0_notBefore(identity.certificate), &first), -1);
	assert_int_equal(X509_cmp_time(X509_get0_notAfter(identity.certificate), &last), -1);
	last--;
	assert_int_equal(X509_cmp_time(X509_get0_notAfter(identity.certificate), &last), 1);
	assert_int_equal(identity_of_certificate(NULL, public), -EINVAL);

	/* one's own certificate may be taken, another's not */
	assert_int_equal(identity_open(&other, in_dir("cert2"), &error), 0);
	assert_int_equal(identity_write_certificate(identity.certificate, in_dir("1.crt"), &error),
			 0);
	assert_int_equal(identity_write_certificate(other.certificate, in_dir("2.crt"), &error), 0);
	assert_int_equal(mode_of(in_dir("1.crt")), 0644);
	assert_int_equal(identity_use_certificate(&identity, in_dir("1.crt"), &error), 0);
	assert_int_equal(identity_use_certificate(&identity, in_dir("2.crt"), &error), -EINVAL);
	assert_non_null(strstr(error.text, "another key"));
	assert_int_equal(identity_use_certificate(&identity, in_dir("cert"), &error), -EINVAL);
	assert_non_null(strstr(error.text, "not a certificate"));
	assert_int_equal(identity_use_certificate(&identity, in_dir("3.crt"), &error), -ENOENT);
	assert_int_equal(identity_of_certificate(identity.certificate, public), 0);
	assert_memory_equal(public, identity.public, sizeof(public));
	identity_close(&identity);
	identity_close(&other);
}

static struct cs_error trust_error;

static struct trust *open_trust(const char *format, ...)
{
	struct trust *trust = NULL;
	char text[2048] = "ports = ();\ntrust = {\n";
	struct config config;
	size_t len = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + len, sizeof(text) - len - 4, format, args);
	va_end(args);
	strcat(text, "};\n");
	trust_error.text[0] = '\0';
	if (!config_parse(&config, text, "test", &trust_error))
		trust_open(&trust, &config, &trust_error);
	/* trust must not need it any more */
	config_free(&config);
	return trust;
}

static void check_no_trust(const char *ca, const char *own, const char *says)
{
	assert_null(open_trust("mode = \"ca\"; ca = \"%s\"; certificate = \"%s\";\n", in_dir(ca),
			       in_dir(own)));
	if (!strstr(trust_error.text, says))
		fail_msg("'%s' does not say '%s'", trust_error.text, says);
}

/* @reason: part of it; NULL: let in */
static void check_verdict(const struct trust *trust, X509 *certificate, uint32_t terms, time_t now,
			  uint32_t state, const char *reason)
{
	struct trust_verdict verdict;

	memset(&verdict, 0xff, sizeof(verdict));
	trust_judge(trust, certificate, terms, now, &verdict);
	if (verdict.state != state || !reason != !verdict.reason ||
	    (reason && !strstr(verdict.reason, reason)))
		fail_msg("state %u instead of %u, '%s' instead of '%s'", verdict.state, state,
			 verdict.reason ? verdict.reason : "", reason ? reason : "");
}

static X509 *rsa_certificate(void)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	X509 *certificate = X509_new();

	assert_non_null(key);
	assert_int_equal(X509_set_pubkey(certificate, key), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), DAY);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	EVP_PKEY_free(key);
	return certificate;
}

static void test_open_and_list(void **state)
{
	struct identity known, stranger, revoked, plain;
	struct trust_verdict verdict;
	struct cs_error error;
	struct trust *trust;
	X509 *rsa = rsa_certificate();
	int list;

	(void)state;
	assert_int_equal(identity_open(&known, in_dir("a"), &error), 0);
	assert_int_equal(identity_open(&stranger, in_dir("b"), &error), 0);
	assert_int_equal(identity_open(&revoked, in_dir("c"), &error), 0);
	assert_int_equal(identity_open(&plain, in_dir("d"), &error), 0);
	for (list = 0; list < 2; list++) {
		trust = open_trust("mode = \"%s\"; peers = (\n"
				   "{ address = \"%s\"; state = \"contract\"; rating = 80;\n"
				   "  name = \"Alice\"; },\n"
				   "{ address = \"%s\"; state = \"deny\"; },\n"
				   "{ address = \"%s\"; });\n", list ? "list" : "open", known.text,
				   revoked.text, plain.text);
		assert_non_null(trust);
		check_verdict(trust, known.certificate, FREE, NOW, CONTRACT, NULL);
		check_verdict(trust, plain.certificate, FREE, NOW, FREE, NULL);
		check_verdict(trust, plain.certificate, CONTRACT, NOW, CONTRACT, NULL);
		check_verdict(trust, plain.certificate, DENY, NOW, DENY, "terms of the port");
		check_verdict(trust, known.certificate, DENY, NOW, CONTRACT, NULL);
		check_verdict(trust, revoked.certificate, FREE, NOW, DENY, "state deny");
		check_verdict(trust, rsa, FREE, NOW, DENY, "not of an Ed25519 key");
		check_verdict(trust, NULL, FREE, NOW, DENY, "not of an Ed25519 key");
		if (list)
			check_verdict(trust, stranger.certificate, FREE, NOW, DENY,
				      "not in the list");
		else
			check_verdict(trust, stranger.certificate, CONTRACT, NOW, CONTRACT, NULL);
		trust_judge(trust, known.certificate, FREE, NOW, &verdict);
		assert_string_equal(verdict.name, "Alice");
		assert_int_equal(verdict.rating, 800);
		trust_judge(trust, plain.certificate, FREE, NOW, &verdict);
		assert_string_equal(verdict.name, "");
		assert_int_equal(verdict.rating, 1000);
		trust_close(trust);
	}
	X509_free(rsa);
	identity_close(&known);
	identity_close(&stranger);
	identity_close(&revoked);
	identity_close(&plain);
}

/* Finding one among many does not depend on the order in the file. */
static void test_long_list(void **state)
{
	struct config_peer peers[300];
	struct config config = { .trust = { .mode = TRUST_LIST, .peers = peers, .nr_peers = 300 } };
	struct trust_verdict verdict;
	struct identity identity;
	struct cs_error error;
	struct trust *trust;
	int i, k;

	(void)state;
	assert_int_equal(identity_open(&identity, in_dir("long"), &error), 0);
	for (i = 0; i < 300; i += 13) {
		memset(peers, 0, sizeof(peers));
		for (k = 0; k < 300; k++) {
			peers[k].address[0] = 0xfd;
			peers[k].address[1] = rand();
			peers[k].address[2] = rand();
			peers[k].state = DENY;
		}
		memcpy(peers[i].address, identity.address, sizeof(identity.address));
		peers[i].state = CONTRACT;
		peers[i].rating = i;
		assert_int_equal(trust_open(&trust, &config, &error), 0);
		trust_judge(trust, identity.certificate, FREE, NOW, &verdict);
		assert_int_equal(verdict.state, CONTRACT);
		assert_int_equal(verdict.rating, i);
		trust_close(trust);
	}
	identity_close(&identity);
}

/*
 * A community with its files ca.key and ca.crt, another of the same name, and a node.
 */
static struct community {
	struct identity	node;
	EVP_PKEY	*key;
	X509		*ca;
} community;

static int setup_community(void **state)
{
	struct cs_error error = { "" };

	if (setup(state))
		return -1;
	if (identity_open(&community.node, in_dir("node"), &error) ||
	    trust_ca_new(in_dir("ca.key"), in_dir("ca.crt"), "Village", &error) ||
	    trust_ca_new(in_dir("ca2.key"), in_dir("ca2.crt"), "Village", &error) ||
	    identity_read_key(&community.key, in_dir("ca.key"), &error) ||
	    identity_read_certificate(&community.ca, in_dir("ca.crt"), &error)) {
		print_message("%s\n", error.text);
		return -1;
	}
	return 0;
}

static int teardown_community(void **state)
{
	identity_close(&community.node);
	EVP_PKEY_free(community.key);
	X509_free(community.ca);
	return teardown(state);
}

static struct identity_claim node_claim(void)
{
	struct identity_claim claim = {
		.subject = "node", .key = community.node.key, .issuer = community.ca,
		.issuer_key = community.key, .not_before = "20260601000000Z",
		.not_after = "20290601000000Z",
	};

	return claim;
}

static X509 *certify(const struct identity_claim *claim)
{
	struct cs_error error;
	X509 *certificate;

	assert_int_equal(identity_certify(&certificate, claim, &error), 0);
	return certificate;
}

static void test_ca_files(void **state)
{
	struct cs_error error = { "" };
	char before[2048], after[2048];
	uint8_t public[32], weak[32] = { 1 };
	X509 *ca, *one, *two;

	(void)state;
	assert_int_equal(mode_of(in_dir("ca.key")), 0600);
	assert_int_equal(mode_of(in_dir("ca.crt")), 0644);
	assert_int_equal(identity_read_certificate(&ca, in_dir("ca.crt"), &error), 0);
	assert_int_equal(X509_check_ca(ca), 1);
	assert_int_equal(X509_get_key_usage(ca), KU_KEY_CERT_SIGN);
	assert_int_equal(X509_verify(ca, X509_get0_pubkey(ca)), 1);
	X509_free(ca);

	/* nothing is overwritten, and no half of a pair is left behind */
	get_file(in_dir("ca.key"), before, sizeof(before));
	assert_int_equal(trust_ca_new(in_dir("ca.key"), in_dir("x.crt"), "X", &error), -EEXIST);
	get_file(in_dir("ca.key"), after, sizeof(after));
	assert_string_equal(before, after);
	assert_int_not_equal(access(in_dir("x.crt"), F_OK), 0);
	get_file(in_dir("ca.crt"), before, sizeof(before));
	assert_int_equal(trust_ca_new(in_dir("x.key"), in_dir("ca.crt"), "X", &error), -EEXIST);
	get_file(in_dir("ca.crt"), after, sizeof(after));
	assert_string_equal(before, after);
	assert_int_not_equal(access(in_dir("x.key"), F_OK), 0);
	assert_int_equal(trust_ca_new(in_dir("x.key"), in_dir("x.crt"), "", &error), -EINVAL);
	assert_int_equal(trust_ca_new(in_dir("x.key"), in_dir("x.crt"), "a\nb", &error), -EINVAL);

	memcpy(public, community.node.public, sizeof(public));
	assert_int_equal(trust_ca_sign(in_dir("ca.key"), in_dir("ca.crt"), public, "Bob", 30,
				       in_dir("bob.crt"), &error), 0);
	assert_int_equal(trust_ca_sign(in_dir("ca.key"), in_dir("ca.crt"), public, NULL, 30,
				       in_dir("bob2.crt"), &error), 0);
	assert_int_equal(trust_ca_sign(in_dir("ca.key"), in_dir("ca.crt"), public, "Bob", 30,
				       in_dir("bob.crt"), &error), -EEXIST);
	assert_int_equal(identity_read_certificate(&one, in_dir("bob.crt"), &error), 0);
	assert_int_equal(identity_read_certificate(&two, in_dir("bob2.crt"), &error), 0);
	assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(one),
					      X509_get0_serialNumber(two)), 0);
	X509_free(one);
	X509_free(two);
	assert_int_equal(trust_ca_sign(in_dir("ca.key"), in_dir("ca.crt"), weak, "Bob", 30,
				       in_dir("weak.crt"), &error), -EINVAL);
	assert_int_not_equal(access(in_dir("weak.crt"), F_OK), 0);
}

static void check_sign(const char *key, const char *crt, const char *name, unsigned int days,
		       int rc, const char *says)
{
	struct cs_error error = { "" };

	assert_int_equal(trust_ca_sign(in_dir(key), in_dir(crt), community.node.public, name, days,
				       in_dir("out.crt"), &error), rc);
	if (!strstr(error.text, says))
		fail_msg("'%s' does not say '%s'", error.text, says);
	assert_int_not_equal(access(in_dir("out.crt"), F_OK), 0);
}

static void test_ca_sign_refuses(void **state)
{
	char long_name[66];

	(void)state;
	memset(long_name, 'x', 65);
	long_name[65] = '\0';
	check_sign("ca.key", "ca2.crt", "Bob", 30, -EINVAL, "is not the certificate of the key");
	check_sign("none.key", "ca.crt", "Bob", 30, -ENOENT, "none.key");
	check_sign("ca.key", "none.crt", "Bob", 30, -ENOENT, "none.crt");
	check_sign("ca.key", "ca.crt", "Bob", 0, -ERANGE, "0 days");
	check_sign("ca.key", "ca.crt", "Bob", 36501, -ERANGE, "1 to 36500");
	check_sign("ca.key", "ca.crt", long_name, 30, -EINVAL, "1 to 64");
	check_sign("ca.key", "ca.crt", "a\tb", 30, -EINVAL, "control characters");
	/* a node's own certificate can't sign */
	assert_int_equal(identity_write_certificate(community.node.certificate,
						    in_dir("own.crt"), NULL), 0);
	check_sign("node", "own.crt", "Bob", 30, -EINVAL, "CA:FALSE");
	chmod(in_dir("ca.key"), 0644);
	check_sign("ca.key", "ca.crt", "Bob", 30, -EPERM, "chmod 600");
	chmod(in_dir("ca.key"), 0600);
}

static void test_ca(void **state)
{
	struct cs_error error = { "" };
	time_t now = time(NULL);
	struct trust *trust;
	X509 *good, *foreign;

	(void)state;
	assert_int_equal(trust_ca_sign(in_dir("ca.key"), in_dir("ca.crt"), community.node.public,
				       "Bob", 30, in_dir("good.crt"), &error), 0);
	assert_int_equal(trust_ca_sign(in_dir("ca2.key"), in_dir("ca2.crt"), community.node.public,
				       "Bob", 30, in_dir("foreign.crt"), &error), 0);
	assert_int_equal(identity_use_certificate(&community.node, in_dir("good.crt"), &error), 0);
	assert_int_equal(identity_read_certificate(&good, in_dir("good.crt"), &error), 0);
	assert_int_equal(identity_read_certificate(&foreign, in_dir("foreign.crt"), &error), 0);
	trust = open_trust("mode = \"ca\"; ca = \"%s\"; certificate = \"%s\";\n", in_dir("ca.crt"),
			   in_dir("good.crt"));
	assert_non_null(trust);
	check_verdict(trust, good, CONTRACT, now, CONTRACT, NULL);
	check_verdict(trust, good, DENY, now, DENY, "terms of the port");
	check_verdict(trust, good, FREE, now + 30 * DAY + 500, FREE, NULL);
	check_verdict(trust, good, FREE, now + 30 * DAY + 700, DENY, "the certificate has expired");
	check_verdict(trust, good, FREE, now - 500, FREE, NULL);
	check_verdict(trust, good, FREE, now - 700, DENY, "not yet valid");
	/* a node whose clock was never set can't know */
	check_verdict(trust, good, FREE, 1000, FREE, NULL);
	check_verdict(trust, foreign, FREE, now, DENY, "not signed by the community");
	check_verdict(trust, community.ca, FREE, now, DENY, "a CA's");
	check_verdict(trust, NULL, FREE, now, DENY, "Ed25519");
	trust_close(trust);

	/* listed: its own terms, but the certificate is needed all the same; revoked wins */
	trust = open_trust("mode = \"ca\"; ca = \"%s\"; peers = ( { address = \"%s\";\n"
			   "state = \"contract\"; } );\n", in_dir("ca.crt"), community.node.text);
	check_verdict(trust, good, FREE, now, CONTRACT, NULL);
	check_verdict(trust, foreign, FREE, now, DENY, "not signed by the community");
	trust_close(trust);
	trust = open_trust("mode = \"ca\"; ca = \"%s\"; peers = ( { address = \"%s\";\n"
			   "state = \"deny\"; } );\n", in_dir("ca.crt"), community.node.text);
	check_verdict(trust, good, FREE, now, DENY, "state deny");
	trust_close(trust);

	/* what would only make others stay away is told at the start */
	check_no_trust("ca.crt", "foreign.crt", "foreign.crt: the certificate is not signed by");
	check_no_trust("ca.crt", "none.crt", "none.crt: No such file");
	check_no_trust("good.crt", "good.crt", "good.crt: the certificate of the community is not");
	check_no_trust("none.crt", "good.crt", "none.crt: No such file");
	check_no_trust("ca.key", "good.crt", "ca.key: not a certificate");
	X509_free(good);
	X509_free(foreign);
}

/* A flipped bit anywhere in the certificate. */
static void test_ca_damaged(void **state)
{
	struct identity_claim claim = node_claim();
	X509 *good = certify(&claim), *bad;
	struct trust_verdict verdict;
	uint8_t *der = NULL;
	const uint8_t *p;
	struct trust *trust;
	int len, bit, parsed = 0;

	(void)state;
	trust = open_trust("mode = \"ca\"; ca = \"%s\";\n", in_dir("ca.crt"));
	len = i2d_X509(good, &der);
	assert_true(len > 100);
	check_verdict(trust, good, FREE, NOW, FREE, NULL);
	for (bit = 0; bit < len * 8; bit++) {
		der[bit / 8] ^= 1 << bit % 8;
		p = der;
		bad = d2i_X509(NULL, &p, len);
		if (bad && p == der + len) {
			parsed++;
			trust_judge(trust, bad, FREE, NOW, &verdict);
			if (verdict.state != DENY)
				fail_msg("bit %d of %d", bit, len * 8);
		}
		X509_free(bad);
		der[bit / 8] ^= 1 << bit % 8;
	}
	assert_true(parsed > 1000);
	OPENSSL_free(der);
	X509_free(good);
	trust_close(trust);
}

/* Certificates that are signed by the right key and are wrong all the same. */
static void test_ca_wrong(void **state)
{
	struct identity_claim claim = node_claim();
	X509 *node, *deputy, *under_deputy;
	struct trust *trust;

	(void)state;
	trust = open_trust("mode = \"ca\"; ca = \"%s\";\n", in_dir("ca.crt"));
	node = certify(&claim);
	check_verdict(trust, node, FREE, NOW, FREE, NULL);

	/* an issuer that is a mere node: CA:FALSE */
	claim.issuer = node;
	claim.issuer_key = community.node.key;
	under_deputy = certify(&claim);
	check_verdict(trust, under_deputy, FREE, NOW, DENY, "not signed by the community");
	X509_free(under_deputy);

	/* a deputy that is a CA: a chain of two steps, which is not let in either */
	claim = node_claim();
	claim.ca = true;
	deputy = certify(&claim);
	check_verdict(trust, deputy, FREE, NOW, DENY, "a CA's");
	claim = node_claim();
	claim.issuer = deputy;
	claim.issuer_key = community.node.key;
	under_deputy = certify(&claim);
	check_verdict(trust, under_deputy, FREE, NOW, DENY, "not signed by the community");
	X509_free(under_deputy);
	X509_free(deputy);

	/* the community's name, and another's signature */
	claim = node_claim();
	claim.issuer_key = community.node.key;
	under_deputy = certify(&claim);
	check_verdict(trust, under_deputy, FREE, NOW, DENY, "not signed by the community");
	X509_free(under_deputy);
	X509_free(node);
	trust_close(trust);
}

/* Signs a certificate again, after @change. */
static void check_extension(const struct trust *trust, int nid, const char *value, bool critical,
			    const char *reason)
{
	struct identity_claim claim = node_claim();
	X509 *certificate = certify(&claim);
	X509_EXTENSION *extension;
	int at = X509_get_ext_by_NID(certificate, nid, -1);

	if (at >= 0)
		X509_EXTENSION_free(X509_delete_ext(certificate, at));
	if (value) {
		extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
		assert_non_null(extension);
		X509_EXTENSION_set_critical(extension, critical);
		assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
		X509_EXTENSION_free(extension);
	}
	assert_true(X509_sign(certificate, community.key, NULL) > 0);
	check_verdict(trust, certificate, FREE, NOW, reason ? DENY : FREE, reason);
	X509_free(certificate);
}

static void test_ca_extensions(void **state)
{
	struct trust *trust = open_trust("mode = \"ca\"; ca = \"%s\";\n", in_dir("ca.crt"));

	(void)state;
	check_extension(trust, NID_key_usage, "keyAgreement", true, "key usage");
	check_extension(trust, NID_key_usage, NULL, false, NULL);
	check_extension(trust, NID_basic_constraints, NULL, false, NULL);
	check_extension(trust, NID_netscape_comment, "hello", false, NULL);
	check_extension(trust, NID_netscape_comment, "hello", true, "not understood");
	trust_close(trust);
}

/* Certificates of communities that trust_open() refuses, and one that has expired. */
static void test_ca_of_community(void **state)
{
	struct identity_claim claim = {
		.subject = "Village", .key = community.key, .issuer_key = community.key,
		.not_before = "20260601000000Z", .not_after = "20270601000000Z", .ca = true,
	};
	struct identity_claim node = node_claim();
	X509_EXTENSION *extension;
	X509 *ca = certify(&claim), *certificate, *rsa = rsa_certificate();
	struct trust *trust;

	(void)state;
	assert_int_equal(identity_write_certificate(ca, in_dir("old.crt"), NULL), 0);
	node.issuer = ca;
	certificate = certify(&node);
	trust = open_trust("mode = \"ca\"; ca = \"%s\";\n", in_dir("old.crt"));
	assert_non_null(trust);
	check_verdict(trust, certificate, FREE, NOW, FREE, NULL);
	check_verdict(trust, certificate, FREE, NOW + 200 * DAY, DENY,
		      "certificate of the community has expired");
	trust_close(trust);

	/* no right to sign */
	X509_EXTENSION_free(X509_delete_ext(ca, X509_get_ext_by_NID(ca, NID_key_usage, -1)));
	extension = X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage, "critical,digitalSignature");
	assert_int_equal(X509_add_ext(ca, extension, -1), 1);
	assert_true(X509_sign(ca, community.key, NULL) > 0);
	assert_int_equal(identity_write_certificate(ca, in_dir("usage.crt"), NULL), 0);
	check_no_trust("usage.crt", "old.crt", "may not sign others (key usage)");
	X509_EXTENSION_free(extension);
	X509_free(certificate);
	X509_free(ca);
	assert_int_equal(identity_write_certificate(rsa, in_dir("rsa.crt"), NULL), 0);
	check_no_trust("rsa.crt", "old.crt", "not of an Ed25519 key");
	X509_free(rsa);
}

int main(void)
{
	const struct CMUnitTest identity[] = {
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_weak_keys),
		cmocka_unit_test(test_readable),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_not_regular),
		cmocka_unit_test(test_never_overwritten),
		cmocka_unit_test(test_race),
		cmocka_unit_test(test_certificate),
	};
	const struct CMUnitTest trust[] = {
		cmocka_unit_test(test_open_and_list),
		cmocka_unit_test(test_long_list),
		cmocka_unit_test(test_ca_files),
		cmocka_unit_test(test_ca_sign_refuses),
		cmocka_unit_test(test_ca),
		cmocka_unit_test(test_ca_damaged),
		cmocka_unit_test(test_ca_wrong),
		cmocka_unit_test(test_ca_extensions),
		cmocka_unit_test(test_ca_of_community),
	};
	int failed = cmocka_run_group_tests_name("identity", identity, setup, teardown);

	return failed + cmocka_run_group_tests_name("trust", trust, setup_community,
						    teardown_community);
}
