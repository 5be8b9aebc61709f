/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Offers and bids between this node and its peers. See offer.c; what comes of them is in deal.c.
 */
#ifndef CSD_OFFER_H
#define CSD_OFFER_H

#include <jansson.h>

#include "daemon/bid.h"
#include "daemon/daemon.h"
#include "daemon/idset.h"
#include "daemon/proto.h"

/*
 * OFFER_STATE(NAME, "name")
 */
#define OFFER_STATE_LIST(OFFER_STATE) \
	OFFER_STATE(ASKED, "asked") \
	OFFER_STATE(BID, "bid") \
	OFFER_STATE(ACCEPTED, "accepted") \
	OFFER_STATE(REJECTED, "rejected") \
	OFFER_STATE(REFUSED, "refused") \
	OFFER_STATE(DONE, "done")

enum offer_state {
#define OFFER_STATE_ENUM(name, string) OFFER_##name,
	OFFER_STATE_LIST(OFFER_STATE_ENUM)
#undef OFFER_STATE_ENUM
};

/**
 * struct offer - an offer, from its making to its end
 * @next: in the list of all
 * @id: the maker's number
 * @show: number on the control socket, unique in this run
 * @peer: the other side, NULL: gone
 * @address: its address
 * @out: this node made it, and pays
 * @state: how far it is
 * @reason: why it was refused or rejected
 * @destination: of all its messages
 * @receiver: who signs receipts for them, as of a contract
 * @items: the messages
 * @nr_items: their number
 * @wanted: those that the seller takes, a bit each
 * @contract: id that the contract gets
 * @nonce: of the contract
 * @rate: millipoints per MiB
 * @expiry: of the contract, Unix seconds
 * @total: millipoints, of those wanted
 * @terms: how the rate came about, if this node made the bid
 * @body: encoded contract that this node, the buyer, signed
 * @body_len: its bytes
 * @signature: over @body
 * @deadline: daemon_ticks() when it ends by itself
 */
struct offer {
	struct offer		*next;
	uint64_t		id;
	uint64_t		show;
	struct peer		*peer;
	uint8_t			address[CS_ADDR_LEN];
	bool			out;
	enum offer_state	state;
	enum policy_reason	reason;
	uint8_t			destination[CS_ADDR_LEN];
	uint8_t			receiver[IDENTITY_PUBLIC_LEN];
	struct proto_offer_item	*items;
	size_t			nr_items;
	uint8_t			wanted[(PROTO_ITEMS_MAX + 7) / 8];
	uint32_t		contract;
	uint8_t			nonce[16];
	uint64_t		rate;
	uint64_t		expiry;
	uint64_t		total;
	struct bid_terms	terms;
	uint8_t			*body;
	size_t			body_len;
	uint8_t			signature[IDENTITY_SIGNATURE_LEN];
	uint64_t		deadline;
};

int offer_open(struct daemon *daemon, struct cs_error *error);
void offer_close(struct daemon *daemon);
void offer_peer_up(struct peer *peer);
void offer_peer_gone(struct peer *peer);
void offer_letter(struct peer *peer, const struct proto_letter *letter);

/* for the control socket */
json_t *offer_list(struct daemon *daemon);
int offer_accept(struct daemon *daemon, uint64_t show, struct cs_error *error);
int offer_reject(struct daemon *daemon, uint64_t show, struct cs_error *error);
int offer_make(struct daemon *daemon, struct peer *peer, const json_t *digests,
	       struct cs_error *error);
json_t *offer_terms(const struct bid_terms *terms);
void offer_price(struct daemon *daemon, uint32_t rating, struct bid_terms *terms);
enum policy_reason offer_refuses(struct daemon *daemon);

/* for deal.c */
enum policy_reason offer_affords(struct daemon *daemon, const struct contract *contract);

/*
 * Seconds after its expiry that a contract can still be earned, as receipts take their time. A
 * buyer takes none in the second half of them, in which a seller hears of those that it took
 * before.
 */
#define DEAL_GRACE	7200

/* deal.c: contracts that are in force */
int deal_open(struct daemon *daemon, struct cs_error *error);
void deal_close(struct daemon *daemon);
void deal_peer_up(struct peer *peer);
void deal_peer_gone(struct peer *peer);
int deal_cover(const struct peer *peer, struct idset *covered);
bool deal_id_taken(struct daemon *daemon, const struct peer *peer, uint32_t id);
int deal_propose(struct offer *offer, struct proto_letter *accept, struct contract *contract,
		 struct cs_error *error);
int deal_sign(struct offer *offer, const struct proto_accept *accept,
	      struct proto_letter *letter, struct cs_error *error);
int deal_signed(struct offer *offer, const struct proto_signed *letter, struct cs_error *error);
void deal_letter(struct peer *peer, const struct proto_letter *letter);
bool deal_earns(struct daemon *daemon, const struct peer *peer, uint32_t id,
		const uint8_t digest[CS_DIGEST_LEN]);
bool deal_strays(struct daemon *daemon, const struct peer *peer, uint32_t id,
		 const uint8_t digest[CS_DIGEST_LEN]);
bool deal_lacks(const struct daemon *daemon, const uint8_t digest[CS_DIGEST_LEN]);
uint64_t deal_reserved(const struct daemon *daemon, const uint8_t *address);
bool deal_full(const struct peer *peer);
void deal_exhausted(struct daemon *daemon, uint32_t ifindex, const uint8_t *lladdr, uint32_t id);
unsigned int deal_count(const struct daemon *daemon);
const struct contract *deal_contract(const struct daemon *daemon,
				     const uint8_t uid[CONTRACT_UID_LEN]);
const struct contract *deal_sold(const struct daemon *daemon, const uint8_t *address, uint32_t id,
				 const uint8_t digest[CS_DIGEST_LEN],
				 uint8_t uid[CONTRACT_UID_LEN]);
bool deal_paid(const struct daemon *daemon, const struct contract *contract,
	       const uint8_t digest[CS_DIGEST_LEN]);
json_t *deal_list(struct daemon *daemon, struct cs_error *error);

#endif /* CSD_OFFER_H */
