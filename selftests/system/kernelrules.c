// SPDX-License-Identifier: GPL-2.0
/*
 * What any kernel answers, the real one and the fake: the rules that the daemon counts on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <crowdshare/wire.h>

#include "kerneltest.h"

static const uint8_t alice[] = { 2, 0, 0, 0, 0, 0xa }, bob[] = { 2, 0, 0, 0, 0, 0xb };
static const uint8_t group[] = { 3, 0, 0, 0, 0, 0xa };

/* A refusal of an op whose last argument is error. */
#define REFUSED(kernel, op, expected, words, what, ...) do {			\
	struct cs_error error = { "" };						\
	int rc = (kernel)->ops->op(kernel, ##__VA_ARGS__, &error);		\
	check_rc(rc, expected, &error, words, what);				\
} while (0)

#define DONE(kernel, op, what, ...) REFUSED(kernel, op, 0, NULL, what, ##__VA_ARGS__)

static void test_ports(struct kernel *kernel, uint32_t port)
{
	REFUSED(kernel, peer_set, -ENOENT, "port", "no peer where there is no port", port, alice,
		CROWDSHARE_PEER_FREE, 0, 0);
	REFUSED(kernel, port_del, -ENOENT, "port", "what is no port is not detached", port);
	DONE(kernel, port_add, "a port is attached", port, CROWDSHARE_ECHO_AUTO,
	     CROWDSHARE_AUTH_OFF);
	DONE(kernel, port_add, "a port is attached once more, with other settings", port,
	     CROWDSHARE_ECHO_NEVER, CROWDSHARE_AUTH_REQUIRED);

}

static size_t keys_of(struct kernel *kernel, uint32_t port, const uint8_t *lladdr,
		      uint8_t ids[KERNEL_PEER_KEYS])
{
	size_t n = 99;
	int rc;

	rc = kernel->ops->peer_keys(kernel, port, lladdr, ids, &n, NULL);
	return rc ? 99 : n;
}

static void test_peers(struct kernel *kernel, uint32_t port)
{
	uint8_t lladdrs[4][KERNEL_LLADDR_LEN];
	struct kernel_frames frames;
	size_t n = 99;

	DONE(kernel, peer_set, "a peer is added", port, alice, CROWDSHARE_PEER_FREE, 0, 0);
	DONE(kernel, peer_set, "and changed", port, alice, CROWDSHARE_PEER_DENY, 5, 1ull << 40);
	DONE(kernel, peer_set, "and another one added", port, bob, CROWDSHARE_PEER_FREE, 0, 0);
	REFUSED(kernel, peer_set, -EINVAL, "unicast", "a group is no peer", port, group,
		CROWDSHARE_PEER_FREE, 0, 0);
	check(!kernel->ops->peer_list(kernel, port, lladdrs, 4, &n, NULL) && n == 2 &&
	      memcmp(lladdrs[0], lladdrs[1], KERNEL_LLADDR_LEN) &&
	      (!memcmp(lladdrs[0], alice, 6) || !memcmp(lladdrs[0], bob, 6)) &&
	      (!memcmp(lladdrs[1], alice, 6) || !memcmp(lladdrs[1], bob, 6)),
	      "both are listed");
	check(!kernel->ops->peer_list(kernel, port, lladdrs, 1, &n, NULL) && n == 1,
	      "no more are listed than there is room for");
	memset(&frames, 0xff, sizeof(frames));
	DONE(kernel, frames, "frames are counted", port, bob, &frames);
	check(!frames.sent_alone && !frames.got, "of which it sent none, and got none for itself");
	DONE(kernel, peer_del, "a peer is removed", port, bob);
	REFUSED(kernel, frames, -ENOENT, "peer", "no frames of who is none", port, bob, &frames);
	REFUSED(kernel, peer_del, -ENOENT, "peer", "but once", port, bob);
	check(!kernel->ops->peer_list(kernel, port, lladdrs, 4, &n, NULL) && n == 1 &&
	      !memcmp(lladdrs[0], alice, 6), "and is not listed any more");
}

static void test_keys(struct kernel *kernel, uint32_t port)
{
	static const uint8_t secret[CS_KEY_LEN] = { 1, 2, 3 };
	uint8_t ids[KERNEL_PEER_KEYS];
	uint8_t id;

	check(keys_of(kernel, port, NULL, ids) == 0, "a port has no key at first");
	DONE(kernel, key_set, "a port key is set", port, NULL, CROWDSHARE_KEY_PORT, 2, secret);
	DONE(kernel, key_set, "and replaced", port, NULL, CROWDSHARE_KEY_PORT, 4, secret);
	check(keys_of(kernel, port, NULL, ids) == 1 && ids[0] == 4, "and told of");
	REFUSED(kernel, key_del, -ENOENT, "key", "it is not removed by the old id", port, NULL,
		CROWDSHARE_KEY_PORT, 2);
	REFUSED(kernel, key_set, -ENOENT, "peer", "no key for whom is no peer", port, bob,
		CROWDSHARE_KEY_RX, 1, secret);
	REFUSED(kernel, key_set, -EINVAL, "", "a port key belongs to no peer", port, alice,
		CROWDSHARE_KEY_PORT, 1, secret);
	REFUSED(kernel, key_set, -ERANGE, "", "0 is no id", port, alice, CROWDSHARE_KEY_RX, 0,
		secret);
	DONE(kernel, key_set, "a key to send with", port, alice, CROWDSHARE_KEY_TX, 1, secret);
	for (id = 1; id <= KERNEL_PEER_KEYS; id++)
		DONE(kernel, key_set, "a key to receive with", port, alice,
		     id & 1 ? CROWDSHARE_KEY_PAIRWISE : CROWDSHARE_KEY_RX, id, secret);
	REFUSED(kernel, key_set, -ENOSPC, "keys already", "more there can't be", port, alice,
		CROWDSHARE_KEY_RX, 9, secret);
	DONE(kernel, key_set, "but one of them anew", port, alice, CROWDSHARE_KEY_RX, 2, secret);
	check(keys_of(kernel, port, alice, ids) == KERNEL_PEER_KEYS &&
	      ids[0] + ids[1] + ids[2] + ids[3] == 1 + 2 + 3 + 4, "all are told of");
	REFUSED(kernel, key_del, -ENOENT, "key", "not removed by a wrong use", port, alice,
		CROWDSHARE_KEY_RX, 1);
	DONE(kernel, key_del, "removed by the right one", port, alice, CROWDSHARE_KEY_PAIRWISE, 1);
	check(keys_of(kernel, port, alice, ids) == KERNEL_PEER_KEYS - 1, "and gone");
	check(keys_of(kernel, port, bob, ids) == 99, "no keys of whom is no peer");
}

static void test_contracts(struct kernel *kernel, uint32_t port)
{
	struct kernel_contract contract = { .ifindex = port, .id = 7, .bytes = 5000,
		.direction = CROWDSHARE_CONTRACT_TX, .expiry = time(NULL) + 1000 };
	struct kernel_contract got = { .ifindex = port, .id = 7 };

	memcpy(contract.lladdr, bob, sizeof(contract.lladdr));
	REFUSED(kernel, contract_add, -ENOENT, "peer", "no contract with whom is no peer",
		&contract);
	memcpy(contract.lladdr, alice, sizeof(contract.lladdr));
	memcpy(got.lladdr, alice, sizeof(got.lladdr));
	REFUSED(kernel, contract_get, -ENOENT, "contract", "none that there is not", &got);
	DONE(kernel, contract_add, "a contract is added", &contract);
	REFUSED(kernel, contract_add, -EEXIST, "contract", "but once", &contract);
	DONE(kernel, contract_get, "and told of", &got);
	check(got.bytes == 5000 && got.expiry == contract.expiry && !got.used && !got.refused &&
	      got.direction == CROWDSHARE_CONTRACT_TX && got.id == 7 && got.ifindex == port &&
	      !memcmp(got.lladdr, alice, sizeof(alice)), "as it was made");
	DONE(kernel, contract_del, "a contract is removed", port, alice, 7);
	REFUSED(kernel, contract_del, -ENOENT, "contract", "but once", port, alice, 7);
	contract.id = 0;
	REFUSED(kernel, contract_add, -ERANGE, "", "0 is no id of a contract", &contract);
	contract.id = 8;
	DONE(kernel, contract_add, "another one", &contract);
	DONE(kernel, peer_del, "goes with its peer", port, alice);
	got.id = 8;
	REFUSED(kernel, contract_get, -ENOENT, "peer|contract", "and is not told of", &got);
}

static void test_seen(struct kernel *kernel, const char *directory)
{
	uint8_t one[CS_DIGEST_LEN] = { 1 }, two[CS_DIGEST_LEN] = { 2 };
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/seen-rules", directory);
	unlink(path);
	REFUSED(kernel, known, 0, NULL, "a digest is not known", one);
	DONE(kernel, remember, "it is remembered", one, 1000);
	DONE(kernel, remember, "once more is no error", one, 1000);
	DONE(kernel, remember, "nor one without time left", two, 0);
	REFUSED(kernel, known, 1, NULL, "it is known", one);
	REFUSED(kernel, seen_load, -ENOENT, path, "a file that is not there", path);
	DONE(kernel, seen_save, "a file is saved", path);
	DONE(kernel, seen_load, "and loaded", path);
	file = fopen(path, "r+");
	if (file) {
		fseek(file, 40, SEEK_SET);
		fputc('x', file);
		fclose(file);
	}
	REFUSED(kernel, seen_load, -EBADMSG, "damaged", "a damaged file is refused", path);
	REFUSED(kernel, seen_save, -ENOENT, "/nowhere/", "a file can't be saved where there is no"
		" directory", "/nowhere/seen");
}

/**
 * test_rules() - all rules
 * @kernel: a kernel with its device, without ports
 * @port: may be made a port; is none in the end
 * @directory: for files
 */
void test_rules(struct kernel *kernel, uint32_t port, const char *directory)
{
	uint64_t rx, tx;

	test_ports(kernel, port);
	test_peers(kernel, port);
	test_keys(kernel, port);
	test_contracts(kernel, port);
	test_seen(kernel, directory);
	DONE(kernel, port_del, "a port is detached", port);
	REFUSED(kernel, peer_set, -ENOENT, "port", "its peers are gone", port, alice,
		CROWDSHARE_PEER_FREE, 0, 0);
	REFUSED(kernel, traffic, -ENODEV, "nosuch", "no counters of what is not there", "nosuch",
		&rx, &tx);
}
