// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of receipts: only what the receiver signed is one, and only a chain of endorsements
 * that leads from the one who delivered to this node, each link signed, is proof of the way.
 */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/receipt.h"

#define DIGESTS	5
#define LINE	PROTO_ENDORSEMENTS_MAX	/* nodes on the longest way, the gateway first */

/* The receiver, a stranger, and the nodes of a line, of which the first is the gateway. */
static struct identity receiver, stranger, node[LINE + 2];
static uint8_t digests[PROTO_BATCH_MAX][CS_DIGEST_LEN];
static struct proto_endorsement chain[LINE + 1];

static int make_identity(struct identity *identity, const char *dir, const char *name)
{
	struct cs_error error;
	char path[128];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	rc = identity_open(identity, path, &error);
	unlink(path);
	return rc;
}

static int setup(void **state)
{
	char dir[] = "/tmp/crowdshare-receipt-XXXXXX";
	int i, rc;

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	rc = make_identity(&receiver, dir, "receiver") | make_identity(&stranger, dir, "stranger");
	for (i = 0; i < LINE + 2; i++)
		rc |= make_identity(&node[i], dir, "node");
	for (i = 0; i < PROTO_BATCH_MAX; i++)
		memset(digests[i], i + 1, CS_DIGEST_LEN);
	return rc | rmdir(dir);
}

static int teardown(void **state)
{
	int i;

	(void)state;
	identity_close(&receiver);
	identity_close(&stranger);
	for (i = 0; i < LINE + 2; i++)
		identity_close(&node[i]);
	return 0;
}

static void make(struct proto_receipt *receipt, size_t count)
{
	struct cs_error error = { "" };

	memset(receipt, 0, sizeof(*receipt));
	receipt->destination[0] = 0x20;
	receipt->port = 35254;
	receipt->time = 1800000000;
	memcpy(receipt->deliverer, node[0].public, IDENTITY_PUBLIC_LEN);
	memset(receipt->contract, 0xc0, PROTO_UID_LEN);
	receipt->digests = digests[0];
	receipt->nr_digests = count;
	receipt->endorsements = chain;
	assert_int_equal(receipt_sign(receipt, &receiver, &error), 0);
}

/* The node at @at endorses that it has @messages from the next one. */
static void endorse(struct proto_receipt *receipt, int at, uint64_t messages)
{
	struct receipt_claim claim = { .messages = messages };
	struct cs_error error = { "" };

	memset(claim.contract, 0xc0 + at, PROTO_UID_LEN);
	assert_int_equal(receipt_endorse(receipt, &node[at], node[at + 1].address, &claim,
					 &chain[at], &error), 0);
	receipt->nr_endorsements++;
}

static void make_line(struct proto_receipt *receipt, int nodes)
{
	int i;

	make(receipt, DIGESTS);
	for (i = 0; i < nodes; i++)
		endorse(receipt, i, 0x1f);
}

/* What the node behind a line of @nodes says of it. */
static int judge(const struct proto_receipt *receipt, int nodes, const char *says)
{
	struct cs_error error = { "" };
	struct receipt_claim claim;
	int rc;

	rc = receipt_verify(receipt, &error);
	if (!rc)
		rc = receipt_chain(receipt, node[nodes - 1].public, node[nodes].address, &claim,
				   &error);
	if (says && !strstr(error.text, says))
		fail_msg("'%s' does not say '%s'", error.text, says);
	return rc;
}

static void test_lines(void **state)
{
	struct cs_error error = { "" };
	struct proto_endorsement more;
	struct proto_receipt receipt;
	struct receipt_claim claim;
	int n;

	(void)state;
	for (n = 1; n <= LINE; n++) {
		make_line(&receipt, n);
		assert_int_equal(judge(&receipt, n, NULL), 0);
		assert_int_equal(receipt_chain(&receipt, node[n - 1].public, node[n].address,
					       &claim, &error), 0);
		assert_int_equal(claim.messages, 0x1f);
		assert_int_equal(claim.contract[0], 0xc0 + n - 1);
	}
	assert_int_equal(receipt_endorse(&receipt, &node[LINE], node[0].address, &claim, &more,
					 &error), -E2BIG);
}

/* Every bit of what the receiver signed, and of the chain, matters. */
static void test_every_bit(void **state)
{
	uint8_t copy[DIGESTS * CS_DIGEST_LEN];
	struct proto_receipt receipt, bad;
	struct cs_error error = { "" };
	uint8_t *bytes = (uint8_t *)chain;
	size_t i;

	(void)state;
	make_line(&receipt, 3);
	memcpy(copy, digests, sizeof(copy));
	receipt.digests = copy;
	assert_int_equal(judge(&receipt, 3, NULL), 0);
	for (i = 0; i < sizeof(copy); i += 7) {
		copy[i] ^= 0x10;
		assert_int_equal(receipt_verify(&receipt, &error), -EBADMSG);
		copy[i] ^= 0x10;
	}
#define BAD(member) do { \
	bad = receipt; \
	*(uint8_t *)&bad.member ^= 1; \
	assert_int_equal(receipt_verify(&bad, &error), -EBADMSG); \
} while (0)
	BAD(receiver);
	BAD(destination);
	BAD(port);
	BAD(time);
	BAD(deliverer);
	BAD(contract);
	BAD(signature);
	bad = receipt;
	bad.nr_digests--;
	assert_int_equal(receipt_verify(&bad, &error), -EBADMSG);
	for (i = 0; i < 3 * sizeof(*chain); i++) {
		bytes[i] ^= 1;
		if (!judge(&receipt, 3, NULL))
			fail_msg("byte %zu of the chain does not matter", i);
		bytes[i] ^= 1;
	}
	assert_int_equal(judge(&receipt, 3, NULL), 0);
}

static void test_other_receiver(void **state)
{
	struct proto_receipt receipt;
	struct cs_error error = { "" };

	(void)state;
	/* a node's own address is the hash of its key: no other signs for it */
	make(&receipt, DIGESTS);
	memcpy(receipt.destination, receiver.address, CS_ADDR_LEN);
	assert_int_equal(receipt_sign(&receipt, &receiver, &error), 0);
	assert_int_equal(receipt_verify(&receipt, &error), 0);
	assert_int_equal(receipt_sign(&receipt, &stranger, &error), -EPERM);
	assert_int_equal(receipt_verify(&receipt, &error), -EPERM);
	assert_non_null(strstr(error.text, "not the one of its destination"));
	/* signed by another than the one it names */
	make(&receipt, DIGESTS);
	assert_int_equal(receipt_sign(&receipt, &stranger, &error), 0);
	memcpy(receipt.receiver, receiver.public, IDENTITY_PUBLIC_LEN);
	assert_int_equal(receipt_verify(&receipt, &error), -EBADMSG);
}

static void test_limits(void **state)
{
	uint8_t twice[2][CS_DIGEST_LEN] = { { 1 }, { 1 } };
	struct proto_receipt receipt;
	struct cs_error error = { "" };

	(void)state;
	make(&receipt, PROTO_BATCH_MAX);
	assert_int_equal(receipt_all(&receipt), UINT64_MAX);
	assert_int_equal(receipt_verify(&receipt, &error), 0);
	endorse(&receipt, 0, UINT64_MAX);
	assert_int_equal(judge(&receipt, 1, NULL), 0);
	receipt.nr_digests = PROTO_BATCH_MAX + 1;
	assert_int_equal(receipt_verify(&receipt, &error), -EINVAL);
	receipt.nr_digests = 0;
	assert_int_equal(receipt_verify(&receipt, &error), -EINVAL);
	receipt.digests = twice[0];
	receipt.nr_digests = 2;
	assert_int_equal(receipt_sign(&receipt, &receiver, &error), -EINVAL);
	assert_non_null(strstr(error.text, "twice"));
}

/* Chains of which each endorsement is well signed, and which lead elsewhere. */
static void test_broken_chains(void **state)
{
	struct proto_endorsement spare;
	struct proto_receipt receipt;

	(void)state;
	make(&receipt, DIGESTS);
	assert_int_equal(judge(&receipt, 1, "nobody endorses it"), -EPERM);
	/* a relay that leaves out the gateway, and says that it delivered */
	make(&receipt, DIGESTS);
	endorse(&receipt, 1, 0x1f);
	chain[0] = chain[1];
	assert_int_equal(judge(&receipt, 2, "not who endorses it first"), -EPERM);
	/* a link in the middle is missing */
	make_line(&receipt, 4);
	chain[1] = chain[2];
	chain[2] = chain[3];
	receipt.nr_endorsements = 3;
	assert_int_equal(judge(&receipt, 4, "breaks after endorsement 1"), -EPERM);
	/* two are exchanged */
	make_line(&receipt, 4);
	spare = chain[1];
	chain[1] = chain[2];
	chain[2] = spare;
	assert_int_equal(judge(&receipt, 4, "breaks"), -EPERM);
	/* for another node than this */
	make_line(&receipt, 3);
	receipt.nr_endorsements = 2;
	assert_int_equal(judge(&receipt, 3, "names another node than this"), -EPERM);
	/* sent on by somebody who is not in it */
	make_line(&receipt, 3);
	memcpy(chain[2].public, stranger.public, IDENTITY_PUBLIC_LEN);
	assert_int_equal(judge(&receipt, 3, "breaks after endorsement 2"), -EPERM);
	/* for another contract than the gateway told the receiver */
	make(&receipt, DIGESTS);
	receipt.contract[0]++;
	assert_int_equal(receipt_sign(&receipt, &receiver, NULL), 0);
	endorse(&receipt, 0, 0x1f);
	assert_int_equal(judge(&receipt, 1, "another contract"), -EPERM);
}

/* An endorsement that was made for another receipt, or another place, is none here. */
static void test_replayed_endorsements(void **state)
{
	struct proto_endorsement old[3];
	struct proto_receipt receipt;

	(void)state;
	make_line(&receipt, 3);
	memcpy(old, chain, sizeof(old));
	/* the same way, for fewer messages */
	make(&receipt, DIGESTS - 1);
	endorse(&receipt, 0, 0xf);
	endorse(&receipt, 1, 0xf);
	chain[2] = old[2];
	receipt.nr_endorsements = 3;
	assert_int_equal(judge(&receipt, 3, "endorsement 3 is of other messages"), -EPERM);
	/* the same messages at another time */
	make(&receipt, DIGESTS);
	receipt.time++;
	assert_int_equal(receipt_sign(&receipt, &receiver, NULL), 0);
	memcpy(chain, old, sizeof(old));
	receipt.nr_endorsements = 3;
	assert_int_equal(judge(&receipt, 3, "the signature of endorsement 3 is wrong"), -EBADMSG);
	/* the last behind a first of fewer messages */
	make_line(&receipt, 1);
	endorse(&receipt, 1, 0x3);
	endorse(&receipt, 2, 0x3);
	assert_int_equal(judge(&receipt, 3, NULL), 0);
	chain[0] = old[0];
	chain[1] = old[1];
	assert_int_equal(judge(&receipt, 3, "endorsement 3 is wrong"), -EBADMSG);
}

static void test_messages(void **state)
{
	struct proto_receipt receipt;
	struct receipt_claim claim;
	struct cs_error error;

	(void)state;
	/* part of them go to each of those who gave them */
	make(&receipt, DIGESTS);
	endorse(&receipt, 0, 0x1d);
	endorse(&receipt, 1, 0x15);
	endorse(&receipt, 2, 0x4);
	assert_int_equal(receipt_chain(&receipt, node[2].public, node[3].address, &claim, &error),
			 0);
	assert_int_equal(claim.messages, 0x4);
	/* none, one that the receipt has not, one that the endorsement before has not */
	make(&receipt, DIGESTS);
	endorse(&receipt, 0, 0);
	assert_int_equal(judge(&receipt, 1, "of other messages"), -EPERM);
	make(&receipt, DIGESTS);
	endorse(&receipt, 0, 0x21);
	assert_int_equal(judge(&receipt, 1, "of other messages"), -EPERM);
	make(&receipt, DIGESTS);
	endorse(&receipt, 0, 0x1);
	endorse(&receipt, 1, 0x3);
	assert_int_equal(judge(&receipt, 2, "of other messages"), -EPERM);
}

/* A letter that is made again is the same, and no other has its name. */
static void test_ids(void **state)
{
	uint8_t id[RECEIPT_ID_LEN], other[RECEIPT_ID_LEN];
	struct proto_receipt receipt;

	(void)state;
	make_line(&receipt, 2);
	assert_int_equal(receipt_id(&receipt, id), 0);
	make_line(&receipt, 2);
	assert_int_equal(receipt_id(&receipt, other), 0);
	assert_memory_equal(id, other, sizeof(id));
	make(&receipt, DIGESTS);
	endorse(&receipt, 0, 0x1f);
	endorse(&receipt, 1, 0xf);
	assert_int_equal(receipt_id(&receipt, other), 0);
	assert_memory_not_equal(id, other, sizeof(id));
	receipt.nr_endorsements = 1;
	assert_int_equal(receipt_id(&receipt, other), 0);
	assert_memory_not_equal(id, other, sizeof(id));
}

/* What is signed, byte for byte, as any other implementation has to write it. */
static void test_known_bytes(void **state)
{
	uint8_t body[512], *p = body, signed_part[600], hash[CS_DIGEST_LEN];
	struct proto_receipt receipt;

	(void)state;
	make(&receipt, 2);
	p = mempcpy(p, "\x88\x01\x58\x20", 4);
	p = mempcpy(p, receiver.public, 32);
	p = mempcpy(p, "\x50\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x19\x89\xb6\x1a\x6b\x49\xd2\x00",
		    25);
	p = mempcpy(p, "\x58\x20", 2);
	p = mempcpy(p, node[0].public, 32);
	*p++ = 0x50;
	memset(p, 0xc0, 16);
	p = mempcpy(p + 16, "\x58\x80", 2);
	p = mempcpy(p, digests, 2 * CS_DIGEST_LEN);
	assert_true(identity_verify(receiver.public, "crowdshare receipt v1", body, p - body,
				    receipt.signature));
	endorse(&receipt, 0, 1);
	endorse(&receipt, 1, 1);
	assert_int_equal(EVP_Q_digest(NULL, "SHA512", NULL, body, p - body, hash, NULL), 1);
	p = mempcpy(signed_part, hash, sizeof(hash));
	p = mempcpy(p, &chain[0], sizeof(chain[0]));
	p = mempcpy(p, node[2].address, CS_ADDR_LEN);
	memset(p, 0xc1, 16);
	p = mempcpy(p + 16, "\0\0\0\0\0\0\0\1", 8);
	assert_true(identity_verify(node[1].public, "crowdshare endorsement v1", signed_part,
				    p - signed_part, chain[1].signature));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_other_receiver),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_broken_chains),
		cmocka_unit_test(test_replayed_endorsements),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_known_bytes),
	};

	return cmocka_run_group_tests_name("receipt", tests, setup, teardown);
}
