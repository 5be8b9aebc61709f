// SPDX-License-Identifier: GPL-2.0
/*
 * The identity of a node: an Ed25519 key (RFC 8032), and the address that is its hash.
 *
 * The address certifies itself: fd00::/8 (RFC 4193) with 120 bits of SHA-512 over the public key.
 * Who claims an address shows the key, and signs.
 *
 * The key stands in a file as PEM (PKCS #8), made on first start. It is read only if nobody else
 * can read it, and never overwritten.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "daemon/identity.h"

#define ADDRESS_CONTEXT "crowdshare address v1" /* with its NUL */

/* OpenSSL's own reason, for what a person can't act on otherwise. */
static const char *openssl_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return reason ? reason : "unknown error";
}

/**
 * identity_address() - the address of whoever has a key
 * @public: the public key
 * @address: gets the address
 */
void identity_address(const uint8_t public[IDENTITY_PUBLIC_LEN], uint8_t address[CS_ADDR_LEN])
{
	uint8_t input[sizeof(ADDRESS_CONTEXT) + IDENTITY_PUBLIC_LEN], hash[SHA512_DIGEST_LENGTH];

	memcpy(input, ADDRESS_CONTEXT, sizeof(ADDRESS_CONTEXT));
	memcpy(input + sizeof(ADDRESS_CONTEXT), public, IDENTITY_PUBLIC_LEN);
	SHA512(input, sizeof(input), hash);
	address[0] = 0xfd;
	memcpy(address + 1, hash, CS_ADDR_LEN - 1);
}

/* The public part of an Ed25519 key. */
static int public_of(const EVP_PKEY *key, uint8_t public[IDENTITY_PUBLIC_LEN])
{
	size_t len = IDENTITY_PUBLIC_LEN;

	if (!key || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519 ||
	    EVP_PKEY_get_raw_public_key(key, public, &len) != 1 || len != IDENTITY_PUBLIC_LEN)
		return -EINVAL;
	return 0;
}

/**
 * identity_of_certificate() - the key that a certificate is for
 * @certificate: of a peer; may be NULL
 * @public: gets the public key
 *
 * Return: 0, or -EINVAL if it is no Ed25519 key.
 */
int identity_of_certificate(const X509 *certificate, uint8_t public[IDENTITY_PUBLIC_LEN])
{
	return certificate ? public_of(X509_get0_pubkey(certificate), public) : -EINVAL;
}

/* May this file be trusted to hold a secret? */
static int check_file(int fd, const char *path, struct cs_error *error)
{
	struct stat st;

	if (fstat(fd, &st))
		return cs_error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return cs_error_set(error, -EINVAL, "%s: not a regular file", path);
	if (st.st_uid != geteuid())
		return cs_error_set(error, -EPERM,
				    "%s: belongs to another user; chown it to the user of crowdshared",
				    path);
	if (st.st_mode & 077)
		return cs_error_set(error, -EPERM,
				    "%s: others can read this secret key; chmod 600 %s", path, path);
	return 0;
}

static int read_key(struct identity *identity, int fd, const char *path, struct cs_error *error)
{
	FILE *file;
	int rc;

	rc = check_file(fd, path, error);
	file = rc ? NULL : fdopen(fd, "r");
	if (!file) {
		close(fd);
		return rc ? rc : cs_error_set(error, -ENOMEM, "%s: out of memory", path);
	}
	/* the empty password keeps OpenSSL from asking on the terminal */
	identity->key = PEM_read_PrivateKey(file, NULL, NULL, "");
	fclose(file);
	if (!identity->key)
		return cs_error_set(error, -EINVAL, "%s: not a private key in PEM: %s", path,
				    openssl_reason());
	if (public_of(identity->key, identity->public))
		return cs_error_set(error, -EINVAL, "%s: not an Ed25519 key", path);
	return 0;
}

/* Makes a missing directory that holds secrets. */
static int make_directory(const char *path, struct cs_error *error)
{
	char copy[PATH_MAX], *dir;

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return cs_error_set(error, -ENAMETOOLONG, "%s: name too long", path);
	dir = dirname(copy);
	if (mkdir(dir, 0700) && errno != EEXIST)
		return cs_error_set(error, -errno, "%s: %s", dir, strerror(errno));
	return 0;
}

static void sync_directory(const char *path)
{
	char copy[PATH_MAX];
	int fd;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

/* Writes the key to a file that nobody else sees, then gives it its name unless that is taken. */
static int write_key(const EVP_PKEY *key, const char *path, struct cs_error *error)
{
	char tmp[PATH_MAX];
	FILE *file;
	int fd, rc;

	if (snprintf(tmp, sizeof(tmp), "%s.XXXXXX", path) >= (int)sizeof(tmp))
		return cs_error_set(error, -ENAMETOOLONG, "%s: name too long", path);
	fd = mkostemp(tmp, O_CLOEXEC); /* mode 0600 */
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return cs_error_set(error, rc, "%s: %s", tmp, strerror(-rc));
	}
	errno = EIO;
	rc = 0;
	if (!PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) || fflush(file) ||
	    fsync(fd))
		rc = -errno;
	if (fclose(file) && !rc)
		rc = -errno;
	if (!rc && link(tmp, path))
		rc = -errno;
	unlink(tmp);
	if (rc)
		return cs_error_set(error, rc, "%s: can't write it: %s", path, strerror(-rc));
	sync_directory(path);
	return 0;
}

static int create_key(struct identity *identity, const char *path, struct cs_error *error)
{
	int rc = make_directory(path, error);

	if (rc)
		return rc;
	identity->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (!identity->key || public_of(identity->key, identity->public))
		return cs_error_set(error, -EIO, "can't make an Ed25519 key: %s",
				    openssl_reason());
	return write_key(identity->key, path, error);
}

static bool fill_certificate(X509 *certificate, const struct identity *identity)
{
	X509_NAME *name = X509_get_subject_name(certificate);

	/* clocks differ, or are not set: it is the key that counts */
	return X509_set_version(certificate, X509_VERSION_3) &&
	       ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) &&
	       ASN1_TIME_set_string(X509_getm_notBefore(certificate), "19700101000000Z") &&
	       ASN1_TIME_set_string(X509_getm_notAfter(certificate), "99991231235959Z") &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					  (const unsigned char *)identity->text, -1, -1, 0) &&
	       X509_set_issuer_name(certificate, name) &&
	       X509_set_pubkey(certificate, identity->key) &&
	       X509_sign(certificate, identity->key, NULL);
}

/**
 * identity_open() - read the identity of this node, or make it on first start
 * @identity: gets it; to be closed also after a failure
 * @path: file of the key
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int identity_open(struct identity *identity, const char *path, struct cs_error *error)
{
	int fd, rc;

	memset(identity, 0, sizeof(*identity));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ELOOP)
		return cs_error_set(error, -EINVAL, "%s: is a symbolic link; name the file itself",
				    path);
	if (fd < 0 && errno != ENOENT)
		return cs_error_set(error, -errno, "%s: %s", path, strerror(errno));
	rc = fd < 0 ? create_key(identity, path, error) : read_key(identity, fd, path, error);
	if (rc)
		return rc;
	identity_address(identity->public, identity->address);
	inet_ntop(AF_INET6, identity->address, identity->text, sizeof(identity->text));
	identity->certificate = X509_new();
	if (!identity->certificate || !fill_certificate(identity->certificate, identity))
		return cs_error_set(error, -EIO, "can't make a certificate: %s", openssl_reason());
	return 0;
}

/**
 * identity_use_certificate() - present a certificate that a community signed
 * @identity: this node's
 * @path: file of the certificate in PEM
 * @error: gets the reason of a failure
 *
 * Return: 0, or a negative errno; then the certificate is the one it was.
 */
int identity_use_certificate(struct identity *identity, const char *path, struct cs_error *error)
{
	uint8_t public[IDENTITY_PUBLIC_LEN];
	X509 *certificate;
	FILE *file;

	file = fopen(path, "re");
	if (!file)
		return cs_error_set(error, -errno, "%s: %s", path, strerror(errno));
	certificate = PEM_read_X509(file, NULL, NULL, "");
	fclose(file);
	if (!certificate)
		return cs_error_set(error, -EINVAL, "%s: not a certificate in PEM: %s", path,
				    openssl_reason());
	if (identity_of_certificate(certificate, public) ||
	    memcmp(public, identity->public, sizeof(public))) {
		X509_free(certificate);
		return cs_error_set(error, -EINVAL,
				    "%s: is for another key than this node's; have it signed again",
				    path);
	}
	X509_free(identity->certificate);
	identity->certificate = certificate;
	return 0;
}

/**
 * identity_close() - forget the key
 * @identity: as opened
 */
void identity_close(struct identity *identity)
{
	EVP_PKEY_free(identity->key);
	X509_free(identity->certificate);
	memset(identity, 0, sizeof(*identity));
}

/* What is signed: the context with its NUL, so that no signature serves in another place. */
static uint8_t *signed_data(const char *context, const void *data, size_t len, size_t *total)
{
	size_t head = strlen(context) + 1;
	uint8_t *all = malloc(head + len);

	if (!all)
		return NULL;
	memcpy(all, context, head);
	memcpy(all + head, data, len);
	*total = head + len;
	return all;
}

/**
 * identity_sign() - sign
 * @identity: whose key signs
 * @context: what kind of thing it is
 * @data: the thing
 * @len: its bytes
 * @signature: gets the signature
 *
 * Return: 0, -ENOMEM, or -EIO if OpenSSL failed.
 */
int identity_sign(const struct identity *identity, const char *context, const void *data,
		  size_t len, uint8_t signature[IDENTITY_SIGNATURE_LEN])
{
	size_t total, out = IDENTITY_SIGNATURE_LEN;
	uint8_t *all = signed_data(context, data, len, &total);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int rc = -ENOMEM;

	if (all && ctx) {
		rc = EVP_DigestSignInit(ctx, NULL, NULL, NULL, identity->key) == 1 &&
		     EVP_DigestSign(ctx, signature, &out, all, total) == 1 ? 0 : -EIO;
	}
	EVP_MD_CTX_free(ctx);
	free(all);
	return rc;
}

/**
 * identity_verify() - is a signature right?
 * @public: whose it is said to be
 * @context: what kind of thing was signed
 * @data: the thing
 * @len: its bytes
 * @signature: the signature
 *
 * Return: whether it is.
 */
bool identity_verify(const uint8_t public[IDENTITY_PUBLIC_LEN], const char *context,
		     const void *data, size_t len,
		     const uint8_t signature[IDENTITY_SIGNATURE_LEN])
{
	size_t total;
	uint8_t *all = signed_data(context, data, len, &total);
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public,
						    IDENTITY_PUBLIC_LEN);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = all && key && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
		  EVP_DigestVerify(ctx, signature, IDENTITY_SIGNATURE_LEN, all, total) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	free(all);
	ERR_clear_error();
	return ok;
}
