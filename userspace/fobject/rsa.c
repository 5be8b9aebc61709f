// SPDX-License-Identifier: GPL-2.0
/*
 * RSA keys, and RSA-OAEP with SHA-256 for both hashes (RFC 8017, 7.1).
 *
 * A key has 2048 to 4096 bits and the exponent 65537, whether it is our own or on a card: another
 * exponent is a way to make us compute for long, or to be weak. The private key stands in a file as
 * PEM (PKCS #8); it is read only if nobody else can read it, and never overwritten.
 *
 * Nothing here keeps state between calls; a struct cs_private is only read once it is there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "fobject/rsa.h"
#include "lib/file.h"

#define FILE_MAX	(64 * 1024) /* a key of 4096 bits takes 3,272 bytes */

/** cs_openssl_reason() - OpenSSL's own reason, for what a person can't act on otherwise */
const char *cs_openssl_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return reason ? reason : "unknown error";
}

/* May this key be used? */
static int check_key(const EVP_PKEY *key, const char *what, struct cs_error *error)
{
	int bits = EVP_PKEY_get_bits(key), rc = 0;
	BIGNUM *exponent = NULL;

	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
		return cs_error_set(error, -EINVAL, "%s is not an RSA key but %s", what,
				    EVP_PKEY_get0_type_name(key));
	if (bits < CS_RSA_BITS_MIN)
		return cs_error_set(error, -EINVAL,
				    "%s has %d bits: under %d it protects nothing; make a new one",
				    what, bits, CS_RSA_BITS_MIN);
	if (bits > CS_RSA_BITS_MAX || bits % 8)
		return cs_error_set(error, -EINVAL,
				    "%s has %d bits: at most %d are taken, and a multiple of 8",
				    what, bits, CS_RSA_BITS_MAX);
	if (!EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) ||
	    !BN_is_word(exponent, RSA_F4))
		rc = cs_error_set(error, -EINVAL, "%s has another exponent than 65537", what);
	BN_free(exponent);
	ERR_clear_error();
	return rc;
}

/**
 * cs_rsa_public() - a public key out of its DER
 * @der: SubjectPublicKeyInfo; nothing may follow
 * @len: its bytes
 * @bits: set to the size of the key
 * @error: gets the reason of a failure
 *
 * Return: the key, to be freed with EVP_PKEY_free(), or NULL.
 */
EVP_PKEY *cs_rsa_public(const uint8_t *der, size_t len, unsigned int *bits,
			struct cs_error *error)
{
	uint8_t *again = NULL;
	const uint8_t *p = der;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &p, len);
	bool same;

	if (!key) {
		cs_error_set(error, -EINVAL, "the key is not a public key in DER: %s",
			     cs_openssl_reason());
		return NULL;
	}
	/* one form only, or the same key would have several fingerprints */
	same = i2d_PUBKEY(key, &again) == (int)len && !memcmp(again, der, len);
	OPENSSL_free(again);
	if (!same)
		cs_error_set(error, -EINVAL, "the key is not in DER, or something follows it");
	if (!same || check_key(key, "the key", error)) {
		EVP_PKEY_free(key);
		return NULL;
	}
	*bits = EVP_PKEY_get_bits(key);
	return key;
}

/* Takes @pkey over, also after a failure. */
static int take(struct cs_private **to, EVP_PKEY *pkey, struct cs_error *error)
{
	struct cs_private *key = calloc(1, sizeof(*key));
	uint8_t *p;
	int len;

	if (!key) {
		EVP_PKEY_free(pkey);
		return cs_error_set(error, -ENOMEM, "no memory");
	}
	key->key = pkey;
	key->bits = EVP_PKEY_get_bits(pkey);
	len = i2d_PUBKEY(pkey, NULL);
	p = key->der;
	if (len <= 0 || (size_t)len > sizeof(key->der) || i2d_PUBKEY(pkey, &p) != len ||
	    EVP_Q_digest(NULL, "SHA256", NULL, key->der, len, key->fingerprint, NULL) != 1) {
		cs_private_free(key);
		return cs_error_set(error, -EINVAL, "can't encode the public key: %s",
				    cs_openssl_reason());
	}
	key->der_len = len;
	*to = key;
	return 0;
}

/**
 * cs_private_new() - make a private key
 * @key: gets it, to be freed with cs_private_free(); NULL after a failure
 * @bits: of its modulus, %CS_RSA_BITS_MIN to %CS_RSA_BITS_MAX
 * @error: gets the reason of a failure
 *
 * Return: 0, -EINVAL if @bits are too few or too many, -EIO, -ENOMEM.
 */
int cs_private_new(struct cs_private **key, unsigned int bits, struct cs_error *error)
{
	EVP_PKEY *pkey;

	*key = NULL;
	if (bits < CS_RSA_BITS_MIN || bits > CS_RSA_BITS_MAX || bits % 8)
		return cs_error_set(error, -EINVAL,
				    "a key of %u bits is not made: %d to %d, a multiple of 8", bits,
				    CS_RSA_BITS_MIN, CS_RSA_BITS_MAX);
	pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
	if (!pkey)
		return cs_error_set(error, -EIO, "can't make an RSA key: %s", cs_openssl_reason());
	return take(key, pkey, error);
}

/* Do the public and the private part of a key belong together? */
static bool pair_ok(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	bool ok = ctx && EVP_PKEY_pairwise_check(ctx) == 1;

	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

/**
 * cs_private_read() - read a private key
 * @key: gets it, to be freed with cs_private_free(); NULL after a failure
 * @path: file in PEM that belongs to the running user, whom alone it lets in
 * @error: gets the reason of a failure
 *
 * Return: 0; -ENOENT: there is no such file; another negative errno: it is refused.
 */
int cs_private_read(struct cs_private **key, const char *path, struct cs_error *error)
{
	struct cs_error why = { "" };
	EVP_PKEY *pkey;
	FILE *file;
	int rc;

	*key = NULL;
	rc = cs_file_open(&file, path, true, FILE_MAX, error);
	if (rc)
		return rc;
	setvbuf(file, NULL, _IONBF, 0); /* leaves no copy of the key in a buffer */
	/* the empty password keeps OpenSSL from asking on the terminal */
	pkey = PEM_read_PrivateKey(file, NULL, NULL, "");
	fclose(file);
	if (!pkey)
		return cs_error_set(error, -EINVAL, "%s: not a private key in PEM: %s", path,
				    cs_openssl_reason());
	rc = check_key(pkey, "the key", &why);
	if (!rc && !pair_ok(pkey))
		rc = cs_error_set(&why, -EINVAL, "its public and its private part do not match");
	if (rc)
		EVP_PKEY_free(pkey);
	else
		rc = take(key, pkey, &why);
	return rc ? cs_error_set(error, rc, "%s: %s", path, why.text) : 0;
}

/**
 * cs_private_write() - write a private key to a new file of mode 0600
 * @key: the key
 * @path: must not exist
 * @error: gets the reason of a failure
 *
 * Return: 0; -EEXIST: there is such a file; another negative errno.
 */
int cs_private_write(const struct cs_private *key, const char *path, struct cs_error *error)
{
	BIO *bio = BIO_new(BIO_s_secmem()); /* wipes what it held */
	char *data;
	long len;
	int rc;

	if (!bio || !PEM_write_bio_PKCS8PrivateKey(bio, key->key, NULL, NULL, 0, NULL, NULL)) {
		BIO_free(bio);
		return cs_error_set(error, -EIO, "can't encode the key: %s", cs_openssl_reason());
	}
	len = BIO_get_mem_data(bio, &data);
	rc = cs_file_create(path, 0600, data, len, error);
	BIO_free(bio);
	return rc;
}

/**
 * cs_private_free() - forget a private key
 * @key: the key; may be NULL
 */
void cs_private_free(struct cs_private *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->key);
	free(key);
}

static EVP_PKEY_CTX *oaep(EVP_PKEY *key, const char *label, int (*init)(EVP_PKEY_CTX *))
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	char *copy = OPENSSL_strdup(label);

	if (ctx && copy && init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) == 1 &&
	    EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) == 1 &&
	    EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, copy, strlen(label)) == 1)
		return ctx; /* which has the label */
	OPENSSL_free(copy);
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return NULL;
}

/**
 * cs_rsa_encrypt() - RSA-OAEP to somebody's public key
 * @key: theirs
 * @label: OAEP label, without its NUL: what the secret is for
 * @data: the secret
 * @len: its bytes
 * @out: gets as many bytes as the modulus has
 *
 * Return: 0 or -EIO.
 */
int cs_rsa_encrypt(EVP_PKEY *key, const char *label, const void *data, size_t len, uint8_t *out)
{
	EVP_PKEY_CTX *ctx = oaep(key, label, EVP_PKEY_encrypt_init);
	size_t size = EVP_PKEY_get_size(key), out_len = size;
	bool ok = ctx && EVP_PKEY_encrypt(ctx, out, &out_len, data, len) == 1 && out_len == size;

	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ok ? 0 : -EIO;
}

/**
 * cs_rsa_decrypt() - open what was sealed to a private key
 * @key: the private key
 * @label: with which it was sealed
 * @sealed: as many bytes as the modulus has
 * @data: gets the secret
 * @len: its bytes
 *
 * Who sent it learns nothing of a failure, so it does not matter how long it took (Manger, 2001).
 *
 * Return: 0, or -EBADMSG if it was not sealed to this key, with this label, or has another length.
 */
int cs_rsa_decrypt(const struct cs_private *key, const char *label, const uint8_t *sealed,
		   void *data, size_t len)
{
	EVP_PKEY_CTX *ctx = oaep(key->key, label, EVP_PKEY_decrypt_init);
	size_t size = EVP_PKEY_get_size(key->key), out_len = CS_RSA_LEN_MAX;
	uint8_t out[CS_RSA_LEN_MAX];
	bool ok;

	ok = ctx && EVP_PKEY_decrypt(ctx, out, &out_len, sealed, size) == 1 && out_len == len;
	if (ok)
		memcpy(data, out, len);
	OPENSSL_cleanse(out, sizeof(out));
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return ok ? 0 : -EBADMSG;
}
