/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one list of drop reasons. It yields the enum of the netlink interface, the names that csnl
 * and the statistics show and the strings of the tracepoints.
 *
 * Two classes. RX: a frame that came in was refused; per port
 *	frames received = new + duplicates + the sum of the RX drops.
 * TX: a message was accepted, but a copy of it was not sent out of a port.
 *
 * CS_DROP(class, NAME, "name", "what a person reads")
 *
 * The numbers are part of the netlink interface: new reasons go to the end, of either class.
 */
#ifndef _CROWDSHARE_DROP_H
#define _CROWDSHARE_DROP_H

#define CS_DROP_LIST(CS_DROP) \
	CS_DROP(RX, TRUNCATED, "truncated", "frame shorter than its headers and payload") \
	CS_DROP(RX, OVERSIZE, "oversize", "bytes after the end of the message") \
	CS_DROP(RX, VERSION, "version", "version of the link header not known") \
	CS_DROP(RX, TYPE, "type", "type of the link header not known") \
	CS_DROP(RX, FLAGS, "flags", "reserved flags of the message not zero") \
	CS_DROP(RX, FOREIGN, "foreign", "frame sent into the device is not a message") \
	CS_DROP(RX, DOWN, "down", "crowdshare device is down") \
	CS_DROP(RX, BUSY, "busy", "seen-set is being resized") \
	CS_DROP(RX, EXPIRED, "expired", "message has expired") \
	CS_DROP(RX, LIFETIME, "lifetime", "message would live longer than lifetime-max") \
	CS_DROP(RX, DENIED, "denied", "peer is in state deny") \
	CS_DROP(RX, STRANGER, "stranger", "port requires authentication, sender is no peer") \
	CS_DROP(RX, KEY, "key", "no receive key of this id for the peer") \
	CS_DROP(RX, TAG, "tag", "tag does not verify") \
	CS_DROP(RX, CONTRACT, "contract", "peer is in state contract, frame names none it has") \
	CS_DROP(RX, RATE, "rate", "peer is beyond its rate limit") \
	CS_DROP(RX, DIGEST, "digest", "SHA-512 of the message is not its digest") \
	CS_DROP(RX, FULL, "full", "seen-set is full") \
	CS_DROP(RX, NOMEM, "nomem", "no memory for the frame") \
	CS_DROP(TX, HOPS, "hops", "hops_left is 0: not relayed any further") \
	CS_DROP(TX, MTU, "mtu", "message larger than the port's MTU") \
	CS_DROP(TX, TX_DOWN, "tx_down", "port is down or has no carrier") \
	CS_DROP(TX, TX_KEY, "tx_key", "port requires authentication and has no key to send with") \
	CS_DROP(TX, TX_PEER, "tx_peer", "no peer on the port that it may go to") \
	CS_DROP(TX, TX_NOMEM, "tx_nomem", "no memory for the copy") \
	CS_DROP(TX, TX_QUEUE, "tx_queue", "queue of the port is full") \
	CS_DROP(RX, CONTRACT_KEY, "contract_key", "contract on a frame whose key is not pairwise") \
	CS_DROP(RX, CONTRACT_EXPIRED, "contract_expired", "contract has expired") \
	CS_DROP(RX, EXHAUSTED, "exhausted", "contract has not so many bytes left") \
	CS_DROP(TX, TX_CONTRACT, "tx_contract", "no contract that covers the message to the peer")

/**
 * enum crowdshare_drop - why a frame was refused or a copy not sent
 * @CROWDSHARE_DROP_NONE: not dropped
 *
 * The others stand in CS_DROP_LIST, each with its text.
 */
enum crowdshare_drop {
	CROWDSHARE_DROP_NONE,
#define CS_DROP_ENUM(class, name, string, text) CROWDSHARE_DROP_##name,
	CS_DROP_LIST(CS_DROP_ENUM)
#undef CS_DROP_ENUM
	__CROWDSHARE_DROP_MAX,
};

#define CROWDSHARE_DROP_MAX		(__CROWDSHARE_DROP_MAX - 1)

/* One bit for each reason of class TX. */
#define CS_DROP_TX_RX(name)
#define CS_DROP_TX_TX(name)		| 1ULL << CROWDSHARE_DROP_##name
#define CS_DROP_TX_BIT(class, name, string, text) CS_DROP_TX_##class(name)
#define CROWDSHARE_DROP_IS_TX(reason)	(((0ULL CS_DROP_LIST(CS_DROP_TX_BIT)) >> (reason)) & 1)

#endif /* _CROWDSHARE_DROP_H */
