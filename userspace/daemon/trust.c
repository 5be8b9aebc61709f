// SPDX-License-Identifier: GPL-2.0
/*
 * Trust: whom this node lets in. TLS has proven that the neighbour has the key of its certificate;
 * here is decided what that key may do.
 *
 *	open	anyone
 *	list	who is listed in the configuration
 *	ca	who has a certificate that the community signed
 *
 * In each mode the list may give a neighbour a state and a rating of its own, and "deny" there
 * wins: so a node is revoked. A certificate of a community is checked by hand, as RFC 5280 says,
 * and not by X509_verify_cert(): a chain here has one step and one kind of key, and clocks differ.
 *
 * A struct trust holds copies, so it outlives the configuration it was made from. It is only read.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "daemon/log.h"
#include "daemon/trust.h"

#define CLOCK_VALID	1767225600	/* 2026-01-01: before, a clock was never set */
#define CLOCK_DIFFERS	600		/* seconds that two clocks may differ */
#define DAY		86400
#define DAYS_MAX	36500

/**
 * struct trust - whom this node trusts
 * @mode: as configured
 * @peers: as configured, by address
 * @nr_peers: number of @peers
 * @ca: certificate of the community, NULL unless the mode is ca
 */
struct trust {
	enum trust_mode		mode;
	struct config_peer	*peers;
	size_t			nr_peers;
	X509			*ca;
};

static int by_address(const void *a, const void *b)
{
	const struct config_peer *one = a, *other = b;

	return memcmp(one->address, other->address, sizeof(one->address));
}

/* Can this certificate sign others? NULL, or why not. */
static const char *check_ca(X509 *ca)
{
	uint8_t public[IDENTITY_PUBLIC_LEN];

	if (identity_of_certificate(ca, public))
		return "the certificate of the community is not of an Ed25519 key";
	if (X509_get_extension_flags(ca) & (EXFLAG_INVALID | EXFLAG_CRITICAL))
		return "the certificate of the community has extensions that are not understood";
	if (!(X509_get_extension_flags(ca) & EXFLAG_CA))
		return "the certificate of the community is not a CA's (CA:FALSE)";
	/* all bits are set if there is no such extension */
	if (!(X509_get_key_usage(ca) & KU_KEY_CERT_SIGN) || X509_check_ca(ca) != 1)
		return "the certificate of the community may not sign others (key usage)";
	return NULL;
}

/* With an allowance; not at all if this node does not know the time. */
static const char *check_time(const X509 *certificate, time_t now, const char *early,
			      const char *late)
{
	time_t ahead = now + CLOCK_DIFFERS, behind = now - CLOCK_DIFFERS;
	int begin, end;

	if (now < CLOCK_VALID)
		return NULL;
	begin = X509_cmp_time(X509_get0_notBefore(certificate), &ahead);
	end = X509_cmp_time(X509_get0_notAfter(certificate), &behind);
	if (!begin || !end)
		return "a certificate has no valid times";
	if (begin > 0)
		return early;
	return end < 0 ? late : NULL;
}

/* Did the community sign this node's certificate? NULL, or why not. */
static const char *check_signed(X509 *certificate, X509 *ca)
{
	const char *wrong = NULL;

	if (X509_get_extension_flags(certificate) & (EXFLAG_INVALID | EXFLAG_CRITICAL))
		wrong = "the certificate has extensions that are not understood";
	else if (X509_check_ca(certificate))
		wrong = "the certificate is a CA's and not a node's";
	else if (!(X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE))
		wrong = "the certificate may not be used to sign (key usage)";
	else if (X509_check_issued(ca, certificate) != X509_V_OK ||
		 X509_verify(certificate, X509_get0_pubkey(ca)) != 1)
		wrong = "the certificate is not signed by the community";
	ERR_clear_error();
	return wrong;
}

static const char *check_times(const X509 *certificate, const X509 *ca, time_t now)
{
	const char *wrong = check_time(ca, now, "the certificate of the community is not yet valid",
				       "the certificate of the community has expired");

	if (wrong)
		return wrong;
	return check_time(certificate, now, "the certificate is not yet valid",
			  "the certificate has expired");
}

/* What a person should hear about at the start, and not from neighbours that stay away. */
static int check_own(const struct trust *trust, const char *path, struct cs_error *error)
{
	X509 *certificate;
	const char *wrong;
	int rc;

	if (!*path) {
		log_warning("trust.certificate is not set: others of mode ca keep this node out");
		return 0;
	}
	rc = identity_read_certificate(&certificate, path, error);
	if (rc)
		return rc;
	wrong = check_signed(certificate, trust->ca);
	if (wrong) {
		rc = cs_error_set(error, -EKEYREJECTED, "%s: %s", path, wrong);
	} else {
		wrong = check_times(certificate, trust->ca, time(NULL));
		if (wrong)
			log_warning("trust: %s: %s", path, wrong);
	}
	X509_free(certificate);
	return rc;
}

static int open_ca(struct trust *trust, const struct config_trust *config,
		   struct cs_error *error)
{
	const char *wrong;
	int rc;

	rc = identity_read_certificate(&trust->ca, config->ca, error);
	if (rc)
		return rc;
	wrong = check_ca(trust->ca);
	if (wrong)
		return cs_error_set(error, -EINVAL, "%s: %s", config->ca, wrong);
	return check_own(trust, config->certificate, error);
}

/**
 * trust_open() - get ready to judge
 * @trust: result, to be closed with trust_close(); NULL after a failure
 * @config: configuration; may be freed afterwards
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int trust_open(struct trust **trust, const struct config *config, struct cs_error *error)
{
	const struct config_trust *from = &config->trust;
	struct trust *new = calloc(1, sizeof(*new));
	int rc = 0;

	*trust = NULL;
	if (new)
		new->peers = calloc(from->nr_peers ? from->nr_peers : 1, sizeof(*new->peers));
	if (!new || !new->peers) {
		free(new);
		return cs_error_set(error, -ENOMEM, "no memory for the list of trust");
	}
	new->mode = from->mode;
	new->nr_peers = from->nr_peers;
	if (from->nr_peers)
		memcpy(new->peers, from->peers, from->nr_peers * sizeof(*new->peers));
	qsort(new->peers, new->nr_peers, sizeof(*new->peers), by_address);
	if (new->mode == TRUST_CA)
		rc = open_ca(new, from, error);
	if (rc) {
		trust_close(new);
		return rc;
	}
	*trust = new;
	return 0;
}

/**
 * trust_close() - free
 * @trust: may be NULL
 */
void trust_close(struct trust *trust)
{
	if (!trust)
		return;
	X509_free(trust->ca);
	free(trust->peers);
	free(trust);
}

static const char *stays_out(const struct trust *trust, const struct config_peer *peer,
			     X509 *certificate, time_t now)
{
	const char *wrong;

	if (peer && peer->state == CROWDSHARE_PEER_DENY)
		return "it is listed with state deny";
	switch (trust->mode) {
	case TRUST_OPEN:
		return NULL;
	case TRUST_LIST:
		return peer ? NULL : "it is not in the list of trusted peers";
	case TRUST_CA:
		wrong = check_signed(certificate, trust->ca);
		return wrong ? wrong : check_times(certificate, trust->ca, now);
	}
	return "the mode of trust is not known";
}

/**
 * trust_judge() - is a neighbour let in, and on which terms?
 * @trust: whom this node trusts
 * @certificate: of the neighbour, which has proven to have its key; NULL: it has shown none
 * @port_terms: enum crowdshare_peer_state of whom the list gives no state
 * @now: Unix seconds
 * @verdict: result
 */
void trust_judge(const struct trust *trust, X509 *certificate, uint32_t port_terms, time_t now,
		 struct trust_verdict *verdict)
{
	uint8_t public[IDENTITY_PUBLIC_LEN];
	const struct config_peer *peer;
	struct config_peer key = { 0 };

	memset(verdict, 0, sizeof(*verdict));
	verdict->state = CROWDSHARE_PEER_DENY;
	verdict->rating = 1000;
	if (identity_of_certificate(certificate, public)) {
		verdict->reason = "its certificate is not of an Ed25519 key";
		return;
	}
	identity_address(public, key.address);
	peer = bsearch(&key, trust->peers, trust->nr_peers, sizeof(key), by_address);
	if (peer) {
		verdict->rating = peer->rating;
		memcpy(verdict->name, peer->name, sizeof(verdict->name));
	}
	verdict->reason = stays_out(trust, peer, certificate, now);
	if (verdict->reason)
		return;
	verdict->state = peer && peer->state != UINT32_MAX ? peer->state : port_terms;
	if (verdict->state == CROWDSHARE_PEER_DENY)
		verdict->reason = "the terms of the port are deny";
}

/* "YYYYMMDDHHMMSSZ" */
static int time_text(time_t when, char text[16])
{
	struct tm tm;

	if (!gmtime_r(&when, &tm) || tm.tm_year > 9999 - 1900)
		return -ERANGE;
	return strftime(text, 16, "%Y%m%d%H%M%SZ", &tm) == 15 ? 0 : -ERANGE;
}

/* RFC 5280: a common name has 1 to 64 characters. */
static int check_name(const char *name, struct cs_error *error)
{
	const char *p;

	for (p = name; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return cs_error_set(error, -EINVAL, "a name has no control characters");
	if (p == name || p - name > 64)
		return cs_error_set(error, -EINVAL, "a name has 1 to 64 bytes, not %zu",
				    (size_t)(p - name));
	return 0;
}

/**
 * trust_ca_new() - make the key and the certificate of a community
 * @key_path: file of the key, must not exist
 * @certificate_path: file of the certificate, must not exist
 * @name: of the community
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno; -EEXIST: there is a file, which is left as it is.
 */
int trust_ca_new(const char *key_path, const char *certificate_path, const char *name,
		 struct cs_error *error)
{
	/* It ends when the community says so, and nodes without a clock must believe it. */
	struct identity_claim claim = {
		.subject = name, .not_before = IDENTITY_ALWAYS_FROM,
		.not_after = IDENTITY_ALWAYS_TO, .ca = true,
	};
	X509 *certificate = NULL;
	EVP_PKEY *key;
	int rc;

	rc = check_name(name, error);
	if (rc)
		return rc;
	key = identity_new_key(error);
	if (!key || RAND_bytes(claim.serial, sizeof(claim.serial)) != 1) {
		EVP_PKEY_free(key);
		return key ? cs_error_set(error, -EIO, "no random numbers") : -EIO;
	}
	claim.key = key;
	claim.issuer_key = key;
	rc = identity_certify(&certificate, &claim, error);
	if (!rc)
		rc = identity_write_key(key, key_path, error);
	if (!rc) {
		rc = identity_write_certificate(certificate, certificate_path, error);
		/* written just now, and of no use without its certificate */
		if (rc)
			remove(key_path);
	}
	X509_free(certificate);
	EVP_PKEY_free(key);
	return rc;
}

/* The key and the certificate of a community, which must belong together. */
static int read_ca(const char *key_path, const char *certificate_path, EVP_PKEY **key,
		   X509 **certificate, struct cs_error *error)
{
	const char *wrong;
	int rc;

	*certificate = NULL;
	rc = identity_read_key(key, key_path, error);
	if (!rc)
		rc = identity_read_certificate(certificate, certificate_path, error);
	if (rc)
		return rc;
	wrong = check_ca(*certificate);
	if (wrong)
		return cs_error_set(error, -EINVAL, "%s: %s", certificate_path, wrong);
	if (X509_check_private_key(*certificate, *key) != 1) {
		ERR_clear_error();
		return cs_error_set(error, -EINVAL, "%s is not the certificate of the key %s",
				    certificate_path, key_path);
	}
	return 0;
}

/* Fills in when it is valid: from now on, and no longer than the community's own. */
static int claim_times(X509 *ca, unsigned int days, char from[16], char to[16],
		       struct cs_error *error)
{
	time_t now = time(NULL), end = now + (time_t)days * DAY;

	if (days < 1 || days > DAYS_MAX)
		return cs_error_set(error, -ERANGE, "%u days: a certificate is valid for 1 to %d",
				    days, DAYS_MAX);
	if (now < CLOCK_VALID)
		return cs_error_set(error, -EINVAL,
				    "the clock of this machine is not set: set it first");
	if (X509_cmp_time(X509_get0_notAfter(ca), &end) < 0)
		return cs_error_set(error, -ERANGE,
				    "%u days: the certificate of the community ends before",
				    days);
	if (time_text(now, from) || time_text(end, to))
		return cs_error_set(error, -ERANGE, "the clock of this machine is wrong");
	return 0;
}

static int sign_claim(struct identity_claim *claim, const uint8_t public[IDENTITY_PUBLIC_LEN],
		      const char *out_path, struct cs_error *error)
{
	uint8_t again[IDENTITY_PUBLIC_LEN];
	X509 *certificate = NULL;
	int rc;

	claim->key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public,
						 IDENTITY_PUBLIC_LEN);
	if (!claim->key || RAND_bytes(claim->serial, sizeof(claim->serial)) != 1) {
		EVP_PKEY_free(claim->key);
		return cs_error_set(error, -EIO, "no memory or no random numbers");
	}
	rc = identity_certify(&certificate, claim, error);
	if (!rc && identity_of_certificate(certificate, again))
		rc = cs_error_set(error, -EINVAL, "this is not the public key of a node");
	if (!rc)
		rc = identity_write_certificate(certificate, out_path, error);
	X509_free(certificate);
	EVP_PKEY_free(claim->key);
	return rc;
}

/**
 * trust_ca_sign() - sign a certificate for a node
 * @key_path: key of the community
 * @certificate_path: its certificate
 * @public: public key of the node
 * @name: of the node; NULL or empty: its address
 * @days: how long it is valid from now on
 * @out_path: file of the new certificate, must not exist
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno; -EEXIST: there is a file, which is left as it is.
 */
int trust_ca_sign(const char *key_path, const char *certificate_path,
		  const uint8_t public[IDENTITY_PUBLIC_LEN], const char *name, unsigned int days,
		  const char *out_path, struct cs_error *error)
{
	char from[16], to[16], text[INET6_ADDRSTRLEN];
	struct identity_claim claim = { .not_before = from, .not_after = to };
	uint8_t address[CS_ADDR_LEN];
	int rc;

	if (!name || !*name) {
		identity_address(public, address);
		name = inet_ntop(AF_INET6, address, text, sizeof(text));
	}
	claim.subject = name;
	rc = check_name(name, error);
	if (rc)
		return rc;
	rc = read_ca(key_path, certificate_path, &claim.issuer_key, &claim.issuer, error);
	if (!rc)
		rc = claim_times(claim.issuer, days, from, to, error);
	if (!rc)
		rc = sign_claim(&claim, public, out_path, error);
	EVP_PKEY_free(claim.issuer_key);
	X509_free(claim.issuer);
	return rc;
}
