/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What two daemons say to each other over a session: one CBOR array (RFC 8949) for each letter,
 * behind four bytes of length, big-endian. See proto.c, also for the limits of each field.
 */
#ifndef CSD_PROTO_H
#define CSD_PROTO_H

#include <stddef.h>
#include <stdint.h>

#include <crowdshare/wire.h>

#include "daemon/identity.h"
#include "lib/error.h"

#define PROTO_VERSION		1
#define PROTO_MAX		(1 << 20)	/* bytes of a letter */
#define PROTO_ITEMS_MAX		1024		/* messages of an offer */
#define PROTO_IDS_MAX		16384		/* ids of a letter */
#define PROTO_ID_LEN		16
#define PROTO_SALT_LEN		16
#define PROTO_FRAME_MAX		(65535 + 120)
#define PROTO_SYMBOL_LEN	28		/* RECONCILE_SYMBOL_LEN */
#define PROTO_SYMBOLS_MAX	32768		/* symbols of a letter */
#define PROTO_DIGESTS_MAX	64		/* digests of a notice */
#define PROTO_BATCH_MAX		64		/* messages of a DELIVER, digests of a receipt */
#define PROTO_DELIVER_MAX	(1 << 19)	/* bytes of the messages of a DELIVER */
#define PROTO_UID_LEN		16		/* CONTRACT_UID_LEN */
#define PROTO_ENDORSEMENTS_MAX	32
#define PROTO_HOLD_MAX		4096		/* ids of a HOLD or HELD */
#define PROTO_TEXT_MAX		512

/**
 * enum proto_type - letters; those of the same name below
 */
enum proto_type {
	PROTO_HELLO = 1,	/* first, both ways */
	PROTO_PING,		/* answered by a PONG */
	PROTO_PONG,
	PROTO_PAIRWISE,		/* new pairwise keys, by the one with the lower address */
	PROTO_PAIRWISE_ACK,
	PROTO_PORT_KEY,		/* my port key */
	PROTO_PORT_KEY_ACK,
	PROTO_OFFER,
	PROTO_NO,		/* answers to an OFFER */
	PROTO_BID,		/* yes is a bid of nothing */
	PROTO_ACCEPT,		/* answers to a BID */
	PROTO_REJECT,
	PROTO_SIGNED,		/* answer to an ACCEPT: the contract holds */
	PROTO_RECONCILE,	/* begins a reconciliation, with its first symbols */
	PROTO_SYMBOLS,		/* further ones, on MORE */
	PROTO_MORE,
	PROTO_DIFF,		/* what was found, by the decoder */
	PROTO_WANT,		/* of what DIFF says that I lack */
	PROTO_MESSAGE,		/* one that was missing */
	PROTO_CANCEL,		/* messages were delivered */
	PROTO_RECEIPT,		/* of an ingest, on its way to those whose contract it pays */
	PROTO_BYE,
	PROTO_CONTRACT,		/* that both signed, from the seller: the buyer may lack it */
	PROTO_RECEIPT_ACK,	/* answer to a RECEIPT of a peer: what of it holds */
	PROTO_DELIVER,		/* messages, from a gateway to an ingest */
	PROTO_ACK,		/* answer to a DELIVER, behind the RECEIPTs and the CANCEL of it */
	PROTO_HOLD,		/* which of these do you hold? */
	PROTO_HELD,		/* answer to a HOLD: these, as I sign */
	PROTO_COUNTED,		/* behind a PONG: so many frames of yours have come */
	PROTO_TYPE_MAX,
};

struct proto_hello {
	uint32_t	version;
	uint8_t		lladdr[6];
	uint32_t	terms;		/* enum crowdshare_peer_state: how I treat you */
	uint64_t	now;		/* Unix seconds */
	uint8_t		boot[8];	/* random, of this run of the daemon */
};

struct proto_ping { uint64_t seq; };

struct proto_key {
	uint32_t	epoch;
	uint8_t		id;			/* 1 to 255 */
	uint8_t		secret[CS_KEY_LEN];	/* PORT_KEY only: the others have nothing to tell */
};

struct proto_offer_item {
	uint8_t		digest[CS_DIGEST_LEN];
	uint32_t	size;		/* of the frame, from the link header on */
	uint64_t	expiry;
};

struct proto_offer {
	uint64_t			offer;
	uint8_t				destination[CS_ADDR_LEN];
	uint8_t				receiver[IDENTITY_PUBLIC_LEN];	/* as of a contract */
	size_t				nr_items;
	struct proto_offer_item		*items;
};

/* enum policy_reason, but POLICY_NONE; also of a REJECT */
struct proto_no { uint64_t offer; uint32_t reason; };

struct proto_bid {
	uint64_t	offer;
	uint32_t	contract;	/* id of the contract to be, not 0 */
	uint8_t		nonce[16];
	uint64_t	rate;		/* millipoints per MiB, 0: yes */
	uint64_t	expiry;		/* of the contract */
	uint64_t	valid;		/* seconds that the bid stands */
	size_t		nr_wanted;	/* bits, as many as the offer has items */
	uint8_t		*wanted;	/* a bit for each item of the offer, lowest first */
};

struct proto_accept {
	uint64_t	offer;
	const uint8_t	*body;		/* contract_encode() */
	size_t		len;
	uint8_t		signature[IDENTITY_SIGNATURE_LEN];	/* buyer's */
};

struct proto_reject { uint64_t offer; uint32_t reason; };
struct proto_signed { uint64_t offer; uint8_t signature[IDENTITY_SIGNATURE_LEN]; };

struct proto_contract {
	const uint8_t	*body;		/* contract_encode() */
	size_t		len;
	uint8_t		buyer[IDENTITY_SIGNATURE_LEN];	/* signatures */
	uint8_t		seller[IDENTITY_SIGNATURE_LEN];
};

struct proto_symbols {
	uint32_t	round;
	uint8_t		salt[PROTO_SALT_LEN];	/* RECONCILE only */
	const uint8_t	*symbols;
	size_t		len;
};

struct proto_more { uint32_t round; uint32_t count; };

struct proto_diff {
	uint32_t	round;
	const uint8_t	*yours;		/* ids that I want, PROTO_ID_LEN each */
	size_t		nr_yours;
	const uint8_t	*mine;		/* ids that you lack */
	size_t		nr_mine;
};

struct proto_want { uint32_t round; const uint8_t *ids; size_t nr_ids; };

struct proto_message {
	uint8_t		hops;		/* hops_left for the receiver */
	uint32_t	contract;	/* 0: none */
	const uint8_t	*message;	/* message header and payload */
	size_t		len;
};

struct proto_cancel {
	uint8_t		public[IDENTITY_PUBLIC_LEN];	/* its address is the destination */
	uint64_t	expiry;				/* the latest of the messages' */
	const uint8_t	*digests;			/* CS_DIGEST_LEN each */
	size_t		nr_digests;			/* 1 to PROTO_DIGESTS_MAX */
	uint8_t		signature[IDENTITY_SIGNATURE_LEN];
};

/**
 * struct proto_endorsement - a node says from whom it had messages; see receipt.c
 * @public: the node's key
 * @from: address of the peer that gave them to it, and gets the receipt
 * @contract: uid of the contract under which they came, all zero: none
 * @messages: those it says it of, big-endian: a bit for each digest of the receipt, lowest first
 * @signature: the node's
 */
struct proto_endorsement {
	uint8_t	public[IDENTITY_PUBLIC_LEN];
	uint8_t	from[CS_ADDR_LEN];
	uint8_t	contract[PROTO_UID_LEN];
	uint8_t	messages[8];
	uint8_t	signature[IDENTITY_SIGNATURE_LEN];
};

/**
 * struct proto_receipt - a destination says what was delivered, by whom; see receipt.c
 * @receiver: its public key
 * @destination: address that the messages bear
 * @port: likewise
 * @time: Unix seconds
 * @deliverer: public key of the gateway
 * @contract: uid of the contract under which the gateway had them, all zero: none
 * @digests: of the messages, CS_DIGEST_LEN each
 * @nr_digests: 1 to PROTO_BATCH_MAX
 * @signature: the receiver's, over all before it
 * @endorsements: of the nodes that the messages passed, the gateway first
 * @nr_endorsements: 0 to PROTO_ENDORSEMENTS_MAX; an ingest sends none, a peer one at least
 */
struct proto_receipt {
	uint8_t		receiver[IDENTITY_PUBLIC_LEN];
	uint8_t		destination[CS_ADDR_LEN];
	uint32_t	port;
	uint64_t	time;
	uint8_t		deliverer[IDENTITY_PUBLIC_LEN];
	uint8_t		contract[PROTO_UID_LEN];
	const uint8_t	*digests;
	size_t		nr_digests;
	uint8_t		signature[IDENTITY_SIGNATURE_LEN];
	const struct proto_endorsement *endorsements;
	size_t		nr_endorsements;
};

struct proto_receipt_ack {
	uint8_t		id[PROTO_ID_LEN];	/* receipt_id() */
	uint64_t	messages;		/* that hold, as in struct proto_endorsement */
};

struct proto_deliver {
	uint64_t	batch;			/* number of it on this connection */
	uint8_t		contract[PROTO_UID_LEN];	/* under which they came, all zero: none */
	const uint8_t	*messages;		/* 1 to PROTO_BATCH_MAX, one behind the other */
	size_t		len;
};

/**
 * enum proto_ack_state - what became of a message of a DELIVER
 * @PROTO_ACK_NEW: it is kept; a receipt names it
 * @PROTO_ACK_KNOWN: it was kept before; if the same gateway brought it, its receipt comes again
 * @PROTO_ACK_DIGEST: it is not what its digest says, or no message
 * @PROTO_ACK_DESTINATION: it is not for this ingest
 * @PROTO_ACK_EXPIRED: it has expired
 * @PROTO_ACK_LIFETIME: it would live too long
 * @PROTO_ACK_FULL: there is no room; it may be brought again later
 * @PROTO_ACK_ERROR: it can't be kept now; it may be brought again later
 */
enum proto_ack_state {
	PROTO_ACK_NEW,
	PROTO_ACK_KNOWN,
	PROTO_ACK_DIGEST,
	PROTO_ACK_DESTINATION,
	PROTO_ACK_EXPIRED,
	PROTO_ACK_LIFETIME,
	PROTO_ACK_FULL,
	PROTO_ACK_ERROR,
	PROTO_ACK_MAX,
};

struct proto_ack {
	uint64_t	batch;
	const uint8_t	*states;	/* enum proto_ack_state, one for each message */
	size_t		nr_states;
};

struct proto_hold { const uint8_t *ids; size_t nr_ids; };

/* See holding.c. */
struct proto_held {
	uint64_t	time;		/* Unix seconds */
	const uint8_t	*ids;		/* PROTO_ID_LEN each */
	size_t		nr_ids;
	uint8_t		signature[IDENTITY_SIGNATURE_LEN];
};

struct proto_counted { uint64_t frames; };

struct proto_bye {
	uint32_t	reason;		/* enum policy_reason; POLICY_NONE: nothing is wrong */
	const char	*text;		/* UTF-8 without control characters or a final 0 */
	size_t		len;
};

/**
 * struct proto_letter - one letter, taken apart
 * @type: which member of the union holds
 *
 * Pointers lead into the buffer that was decoded, but items and wanted, which proto_free() frees.
 */
struct proto_letter {
	enum proto_type	type;
	union {
		struct proto_hello	hello;
		struct proto_ping	ping;		/* and PONG */
		struct proto_key	key;		/* PAIRWISE, PORT_KEY and their ACKs */
		struct proto_offer	offer;
		struct proto_no		no;
		struct proto_bid	bid;
		struct proto_accept	accept;
		struct proto_reject	reject;
		struct proto_signed	sign;
		struct proto_symbols	symbols;	/* and RECONCILE */
		struct proto_more	more;
		struct proto_diff	diff;
		struct proto_want	want;
		struct proto_message	message;
		struct proto_cancel	cancel;
		struct proto_receipt	receipt;
		struct proto_bye	bye;
		struct proto_contract	contract;
		struct proto_receipt_ack receipt_ack;
		struct proto_deliver	deliver;
		struct proto_ack	ack;
		struct proto_hold	hold;
		struct proto_held	held;
		struct proto_counted	counted;
	};
};

/*
 * With the length in front; *out is the caller's to free. -EINVAL: a field is beyond its limits,
 * and the other side would refuse it; -ENOMEM.
 */
int proto_encode(const struct proto_letter *letter, uint8_t **out, size_t *len);
/*
 * Without the length. -EBADMSG with the reason: not a letter that this version knows, in full;
 * -ENOMEM.
 */
int proto_decode(struct proto_letter *letter, const void *data, size_t len,
		 struct cs_error *error);
void proto_free(struct proto_letter *letter);
const char *proto_type_name(unsigned int type);
/* The bytes of the message at the beginning of @data; 0: there is no whole one. */
size_t proto_message_len(const uint8_t *data, size_t len);

#endif /* CSD_PROTO_H */
