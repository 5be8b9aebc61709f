// SPDX-License-Identifier: GPL-2.0
/*
 * The identity of a node: an Ed25519 key (RFC 8032), and the address that is its hash.
 *
 * The address certifies itself: fd00::/8 (RFC 4193) with 120 bits of SHA-512 over the public key.
 * Who claims an address shows the key, and signs.
 *
 * The key stands in a file as PEM (PKCS #8), made on first start. It is read only if nobody else
 * can read it, and never overwritten.
 *
 * Nothing keeps state between calls; a struct identity is only read once it is open.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include "daemon/identity.h"
#include "lib/file.h"

#define ADDRESS_CONTEXT	"crowdshare address v1" /* with its NUL */
#define FILE_MAX	(64 * 1024) /* a key takes 119 bytes, a certificate under 1,000 */

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

/*
 * Is this a point of small order? Under such a "key" a signature can be valid for any message: who
 * has one could sign a contract and say later that anybody might have. The encodings are those of
 * orders 4, 1 and 8 (twice), then p - 1 of order 2, and p and p + 1, which are 0 and 1 not reduced.
 * The sign bit does not matter. Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs" (2020).
 */
static bool key_is_weak(const uint8_t public[IDENTITY_PUBLIC_LEN])
{
	static const uint8_t weak[][IDENTITY_PUBLIC_LEN] = {
		{ 0 },
		{ 1 },
		{ 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2,
		  0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38,
		  0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05 },
		{ 0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d,
		  0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7,
		  0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a },
	};
	uint8_t y[IDENTITY_PUBLIC_LEN];
	size_t i;

	memcpy(y, public, sizeof(y));
	y[31] &= 0x7f;
	for (i = 0; i < sizeof(weak) / sizeof(*weak); i++)
		if (!memcmp(y, weak[i], sizeof(y)))
			return true;
	if (y[31] != 0x7f || y[0] < 0xec || y[0] > 0xee)
		return false;
	for (i = 1; i < 31; i++)
		if (y[i] != 0xff)
			return false;
	return true;
}

/* The public part of an Ed25519 key. */
static int public_of(const EVP_PKEY *key, uint8_t public[IDENTITY_PUBLIC_LEN])
{
	size_t len = IDENTITY_PUBLIC_LEN;

	if (!key || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519 ||
	    EVP_PKEY_get_raw_public_key(key, public, &len) != 1 || len != IDENTITY_PUBLIC_LEN) {
		ERR_clear_error();
		return -EINVAL;
	}
	return key_is_weak(public) ? -EINVAL : 0;
}

/**
 * identity_of_certificate() - the key that a certificate is for
 * @certificate: of a peer; may be NULL
 * @public: gets the public key
 *
 * Return: 0, or -EINVAL if it is no Ed25519 key, or one under which anybody can sign.
 */
int identity_of_certificate(const X509 *certificate, uint8_t public[IDENTITY_PUBLIC_LEN])
{
	return certificate ? public_of(X509_get0_pubkey(certificate), public) : -EINVAL;
}

/**
 * identity_read_key() - read a private key
 * @key: gets it, to be freed with EVP_PKEY_free(); NULL after a failure
 * @path: file in PEM that belongs to the running user, whom alone it lets in
 * @error: gets the reason of a failure
 *
 * Return: 0; -ENOENT: there is no such file; another negative errno: it is refused.
 */
int identity_read_key(EVP_PKEY **key, const char *path, struct cs_error *error)
{
	uint8_t public[IDENTITY_PUBLIC_LEN];
	FILE *file;
	int rc;

	*key = NULL;
	rc = cs_file_open(&file, path, true, FILE_MAX, error);
	if (rc)
		return rc;
	setvbuf(file, NULL, _IONBF, 0); /* leaves no copy of the key in a buffer */
	/* the empty password keeps OpenSSL from asking on the terminal */
	*key = PEM_read_PrivateKey(file, NULL, NULL, "");
	fclose(file);
	if (!*key)
		return cs_error_set(error, -EINVAL,
				    "%s: not a private key in PEM: %s; restore it, or move it away",
				    path, openssl_reason());
	if (!public_of(*key, public))
		return 0;
	cs_error_set(error, -EINVAL, "%s: not an Ed25519 key but %s; restore it, or move it away",
		     path, EVP_PKEY_get0_type_name(*key));
	EVP_PKEY_free(*key);
	*key = NULL;
	return -EINVAL;
}

/**
 * identity_read_certificate() - read a certificate
 * @certificate: gets it, to be freed with X509_free(); NULL after a failure
 * @path: file in PEM
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int identity_read_certificate(X509 **certificate, const char *path, struct cs_error *error)
{
	FILE *file;
	int rc;

	*certificate = NULL;
	rc = cs_file_open(&file, path, false, FILE_MAX, error);
	if (rc)
		return rc;
	*certificate = PEM_read_X509(file, NULL, NULL, "");
	fclose(file);
	if (!*certificate)
		return cs_error_set(error, -EINVAL, "%s: not a certificate in PEM: %s", path,
				    openssl_reason());
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

/**
 * identity_write_key() - write a private key to a new file of mode 0600
 * @key: the key
 * @path: must not exist
 * @error: gets the reason of a failure
 *
 * Return: 0; -EEXIST: there is such a file; another negative errno.
 */
int identity_write_key(EVP_PKEY *key, const char *path, struct cs_error *error)
{
	BIO *bio = BIO_new(BIO_s_mem()); /* wipes what it held */
	char *data;
	long len;
	int rc;

	if (!bio || !PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) {
		BIO_free(bio);
		return cs_error_set(error, -EIO, "can't encode the key: %s", openssl_reason());
	}
	len = BIO_get_mem_data(bio, &data);
	rc = cs_file_create(path, 0600, data, len, error);
	BIO_free(bio);
	return rc;
}

/**
 * identity_write_certificate() - write a certificate to a new file
 * @certificate: to write
 * @path: must not exist
 * @error: gets the reason of a failure
 *
 * Return: 0; -EEXIST: there is such a file; another negative errno.
 */
int identity_write_certificate(X509 *certificate, const char *path, struct cs_error *error)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	long len;
	int rc;

	if (!bio || !PEM_write_bio_X509(bio, certificate)) {
		BIO_free(bio);
		return cs_error_set(error, -EIO, "can't encode the certificate: %s",
				    openssl_reason());
	}
	len = BIO_get_mem_data(bio, &data);
	rc = cs_file_create(path, 0644, data, len, error);
	BIO_free(bio);
	return rc;
}

/**
 * identity_new_key() - make a key
 * @error: gets the reason of a failure
 *
 * Return: an Ed25519 key, to be freed with EVP_PKEY_free(), or NULL.
 */
EVP_PKEY *identity_new_key(struct cs_error *error)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	if (!key)
		cs_error_set(error, -EIO, "can't make an Ed25519 key: %s", openssl_reason());
	return key;
}

static int create_key(EVP_PKEY **key, const char *path, struct cs_error *error)
{
	int rc = make_directory(path, error);

	if (rc)
		return rc;
	*key = identity_new_key(error);
	if (!*key)
		return -EIO;
	rc = identity_write_key(*key, path, error);
	if (!rc)
		return 0;
	EVP_PKEY_free(*key);
	*key = NULL;
	/* another process was faster: its key is as good */
	return rc == -EEXIST ? identity_read_key(key, path, error) : rc;
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX ctx;
	bool ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = extension && X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
	return ok;
}

static bool set_serial(X509 *certificate, const uint8_t serial[16])
{
	BIGNUM *number = BN_bin2bn(serial, 16, NULL);
	bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));

	BN_free(number);
	return ok;
}

static bool fill_certificate(X509 *certificate, const struct identity_claim *claim)
{
	X509 *issuer = claim->issuer ? claim->issuer : certificate;
	X509_NAME *name = X509_get_subject_name(certificate);

	return X509_set_version(certificate, X509_VERSION_3) &&
	       set_serial(certificate, claim->serial) &&
	       X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
					  (const unsigned char *)claim->subject, -1, -1, 0) &&
	       X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) &&
	       ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), claim->not_before) &&
	       ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), claim->not_after) &&
	       X509_set_pubkey(certificate, claim->key) &&
	       add_extension(certificate, issuer, NID_basic_constraints,
			     claim->ca ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE") &&
	       add_extension(certificate, issuer, NID_key_usage,
			     claim->ca ? "critical,keyCertSign" : "critical,digitalSignature") &&
	       add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
	       add_extension(certificate, issuer, NID_authority_key_identifier, "keyid") &&
	       X509_sign(certificate, claim->issuer_key, NULL) > 0;
}

/**
 * identity_certify() - make a certificate
 * @certificate: gets it, to be freed with X509_free(); NULL after a failure
 * @claim: what it says
 * @error: gets the reason of a failure
 *
 * Return: 0, -ENOMEM, or -EINVAL if OpenSSL does not take the claim.
 */
int identity_certify(X509 **certificate, const struct identity_claim *claim,
		     struct cs_error *error)
{
	*certificate = X509_new();
	if (!*certificate)
		return cs_error_set(error, -ENOMEM, "out of memory");
	if (fill_certificate(*certificate, claim))
		return 0;
	X509_free(*certificate);
	*certificate = NULL;
	return cs_error_set(error, -EINVAL, "can't make a certificate: %s", openssl_reason());
}

/*
 * The same key gives the same certificate each time. Clocks differ, or are not set: it is valid for
 * ever, since all that it says is that the key is the key.
 */
static int certify_self(struct identity *identity, struct cs_error *error)
{
	struct identity_claim claim = {
		.subject = identity->text,
		.key = identity->key,
		.issuer_key = identity->key,
		.not_before = IDENTITY_ALWAYS_FROM,
		.not_after = IDENTITY_ALWAYS_TO,
	};

	memcpy(claim.serial, identity->address, sizeof(claim.serial));
	return identity_certify(&identity->certificate, &claim, error);
}

/**
 * identity_open() - read the identity of this node, or make it on first start
 * @identity: gets it; may be closed also after a failure
 * @path: file of the key; made, with mode 0600, if there is nothing of this name
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int identity_open(struct identity *identity, const char *path, struct cs_error *error)
{
	int rc;

	memset(identity, 0, sizeof(*identity));
	rc = identity_read_key(&identity->key, path, error);
	if (rc == -ENOENT)
		rc = create_key(&identity->key, path, error);
	if (rc)
		return rc;
	rc = public_of(identity->key, identity->public);
	if (rc) {
		cs_error_set(error, rc, "%s: not an Ed25519 key", path);
	} else {
		identity_address(identity->public, identity->address);
		inet_ntop(AF_INET6, identity->address, identity->text, sizeof(identity->text));
		rc = certify_self(identity, error);
	}
	if (rc)
		identity_close(identity);
	return rc;
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
	int rc;

	rc = identity_read_certificate(&certificate, path, error);
	if (rc)
		return rc;
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
	uint8_t *all;

	if (__builtin_add_overflow(head, len, total))
		return NULL;
	all = malloc(*total);
	if (!all)
		return NULL;
	memcpy(all, context, head);
	if (len)
		memcpy(all + head, data, len);
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
		ERR_clear_error();
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
	bool ok = !key_is_weak(public) && all && key && ctx &&
		  EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
		  EVP_DigestVerify(ctx, signature, IDENTITY_SIGNATURE_LEN, all, total) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	free(all);
	ERR_clear_error();
	return ok;
}
