/* SPDX-License-Identifier: GPL-2.0 */
/*
 * CrowdSharing wire format: what stands in a frame, for the kernel and for userspace.
 *
 * An Ethernet frame of EtherType CS_ETHERTYPE carries a link header, which is made anew at every
 * hop, and a message, which nobody alters:
 *
 *	| Ethernet 14 | struct cs_link_hdr 32 | struct cs_msg_hdr 120 | payload |
 *	              '- tag covers ----------------- digest -'
 *	                                             digest covers '------------'
 *
 * All numbers are big-endian.
 */
#ifndef _CROWDSHARE_WIRE_H
#define _CROWDSHARE_WIRE_H

#include <linux/types.h>

#define CS_ETHERTYPE		0x88B5	/* IEEE 802 local experimental 1 */
#define CS_VERSION		1
#define CS_TYPE_MESSAGE		1

#define CS_DIGEST_LEN		64	/* SHA-512 */
#define CS_SEEN_KEY_LEN		16	/* the part of the digest that the seen-set keeps */
#define CS_TAG_LEN		16	/* BLAKE2s-128 */
#define CS_KEY_LEN		32
#define CS_ADDR_LEN		16	/* IPv6 */
#define CS_CHUNK_ID_LEN		16

#define CS_HOPS_UNLIMITED	255
#define CS_KEY_NONE		0	/* key_id of a frame without a tag; keys are 1 to 255 */

/**
 * struct cs_link_hdr - what one hop says to the next, rewritten at every hop
 * @version: CS_VERSION
 * @type: CS_TYPE_MESSAGE; all others are reserved
 * @hops_left: relays that may still follow; 0: do not relay, CS_HOPS_UNLIMITED: no limit
 * @key_id: which key made @tag, CS_KEY_NONE on an open port
 * @contract: contract under which the frame is sent, 0: none
 * @counter: reserved for link-level use, zero; covered by the tag
 * @tag: keyed BLAKE2s-128 over struct cs_tag_input, zero on an open port
 */
struct cs_link_hdr {
	__u8	version;
	__u8	type;
	__u8	hops_left;
	__u8	key_id;
	__be32	contract;
	__be64	counter;
	__u8	tag[CS_TAG_LEN];
} __attribute__((packed));

/**
 * struct cs_msg_hdr - the immutable head of a message
 * @digest: SHA-512 over all that follows @digest, payload included
 * @destination: IPv6 address of the recipient
 * @expiry: Unix seconds at which the message ceases to live
 * @port: destination's port
 * @length: bytes of payload
 * @chunk_id: random name of the chunk
 * @chunk_length: bytes of the chunk
 * @index: which slice of the chunk this is, 0 to n - 1
 * @k: slices that suffice to restore the chunk
 * @n: slices of the chunk
 * @flags: reserved, zero
 */
struct cs_msg_hdr {
	__u8	digest[CS_DIGEST_LEN];
	__u8	destination[CS_ADDR_LEN];
	__be64	expiry;
	__be16	port;
	__be16	length;
	__u8	chunk_id[CS_CHUNK_ID_LEN];
	__be32	chunk_length;
	__be16	index;
	__be16	k;
	__be16	n;
	__be16	flags;
} __attribute__((packed));

/* What link header and message header take together, and where the digest begins to count. */
#define CS_HDRS_LEN	(sizeof(struct cs_link_hdr) + sizeof(struct cs_msg_hdr))
#define CS_HASHED_OFF	(sizeof(struct cs_link_hdr) + CS_DIGEST_LEN)

/*
 * Default frame, Ethernet header included: passes VXLAN, WireGuard and L2TP over a 1,500-byte path.
 */
#define CS_FRAME_DEFAULT	1400
#define CS_ETH_HLEN		14
#define CS_SLICE_DEFAULT	(CS_FRAME_DEFAULT - CS_ETH_HLEN - 32 - 120)
#define CS_SLICE_MAX		65535

/**
 * struct cs_tag_input - what a tag authenticates
 * @link: the link header up to its tag
 * @source: source MAC of the frame
 * @digest: digest of the message
 *
 * The digest covers the message, so a short MAC authenticates a frame of any size.
 */
struct cs_tag_input {
	__u8	link[16];
	__u8	source[6];
	__u8	digest[CS_DIGEST_LEN];
} __attribute__((packed));

#endif /* _CROWDSHARE_WIRE_H */
