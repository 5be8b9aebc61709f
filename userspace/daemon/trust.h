/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Trust: whom this node lets in, and on which terms. See trust.c.
 */
#ifndef CSD_TRUST_H
#define CSD_TRUST_H

#include <stdint.h>
#include <time.h>

#include <openssl/x509.h>

#include "daemon/config.h"
#include "daemon/identity.h"

struct trust;

/**
 * struct trust_verdict - what trust says of a node
 * @state: enum crowdshare_peer_state; CROWDSHARE_PEER_DENY: stays out
 * @rating: per mille, prices are divided by it; 1000: neither well nor ill known
 * @name: how the configuration calls it, or empty
 * @reason: why it is denied
 */
struct trust_verdict {
	uint32_t	state;
	uint32_t	rating;
	char		name[CONFIG_NAME_LEN];
	const char	*reason;
};

int trust_open(struct trust **trust, const struct config *config, struct cs_error *error);
void trust_close(struct trust *trust);
void trust_judge(const struct trust *trust, X509 *certificate, uint32_t port_terms, time_t now,
		 struct trust_verdict *verdict);

/* for "crowdshare ca" */
int trust_ca_new(const char *key_path, const char *certificate_path, const char *name,
		 struct cs_error *error);
int trust_ca_sign(const char *key_path, const char *certificate_path,
		  const uint8_t public[IDENTITY_PUBLIC_LEN], const char *name, unsigned int days,
		  const char *out_path, struct cs_error *error);

#endif /* CSD_TRUST_H */
