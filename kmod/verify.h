/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tags and digests. See verify.c.
 */
#ifndef _CS_VERIFY_H
#define _CS_VERIFY_H

#include "ingress.h"
#include "peer.h"

int cs_verify_init(void);
void cs_verify_exit(void);
void cs_verify_prepare_key(struct cs_key *key, const u8 *secret);
void cs_verify_make_tag(u8 *tag, const struct cs_link_hdr *link, const u8 *source,
			const u8 *digest, const struct cs_key *key);
enum crowdshare_drop cs_verify_tag(const struct cs_frame *frame, const struct cs_peer *peer,
				   const struct cs_key **made_with);
enum crowdshare_drop cs_verify_digest(const struct cs_frame *frame);

#endif /* _CS_VERIFY_H */
