/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Offers, bids and contracts between this node and its peers. See offer.c.
 */
#ifndef CSD_OFFER_H
#define CSD_OFFER_H

#include <jansson.h>

#include "daemon/bid.h"
#include "daemon/daemon.h"
#include "daemon/proto.h"

int offer_open(struct daemon *daemon, struct cs_error *error);
void offer_close(struct daemon *daemon);
void offer_peer_up(struct peer *peer);
void offer_peer_gone(struct peer *peer);
void offer_letter(struct peer *peer, const struct proto_letter *letter);
void offer_exhausted(struct daemon *daemon, uint32_t ifindex, const uint8_t *lladdr, uint32_t id);

/* What a message that came in under a contract is: flags for the store. */
uint8_t offer_flags(struct peer *peer, uint32_t contract, const uint8_t *digest);

/* for the control socket */
json_t *offer_list(struct daemon *daemon);
int offer_accept(struct daemon *daemon, uint64_t id, struct cs_error *error);
int offer_reject(struct daemon *daemon, uint64_t id, struct cs_error *error);
json_t *offer_make(struct daemon *daemon, struct peer *peer, const json_t *digests,
		   struct cs_error *error);
void offer_price(struct daemon *daemon, uint32_t rating, struct bid_terms *terms);
enum policy_reason offer_refuses(struct daemon *daemon);

#endif /* CSD_OFFER_H */
