// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the store: what it takes, what it gives back, who goes first; storefile.c has what
 * is about kills, full disks and damage.
 *
 * After each test the store is checked, opened anew, and checked again.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/message.h"
#include "common/tempdir.h"
#include "daemon/store.h"

#define NOW	1000000ull
#define MIB	(1ull << 20)
#define HOUR	3600

static const uint8_t somewhere[CS_ADDR_LEN] = { 0xfd, 1 };

static struct config_store config;
static struct store *store;
static char dir[64];
static uint8_t bytes[MESSAGE_MOST];

static void open_again(void)
{
	struct cs_error error = { "" };

	if (store)
		store_close(store);
	store = NULL;
	if (store_open(&store, &config, &error))
		fail_msg("%s", error.text);
}

/* For quotas of a test; the store is empty. */
static void open_with(uint64_t quota, uint32_t share)
{
	config.bytes = quota;
	config.share = share;
	open_again();
}

static int set_up(void **state)
{
	(void)state;
	tempdir_make(dir, "store");
	config = (struct config_store){ .bytes = 64 * MIB, .share = 25, .age = 12 * HOUR,
					.cancelled = 1000 };
	snprintf(config.path, sizeof(config.path), "%s/store", dir);
	open_again();
	random_state = 1;
	return 0;
}

static void is_clean(void)
{
	struct cs_error error = { "" };
	struct store_stats stats;
	uint64_t checked;

	if (store_check(store, &checked, &error))
		fail_msg("%s", error.text);
	store_stats(store, &stats);
	assert_int_equal(checked, stats.messages);
}

static int tear_down(void **state)
{
	struct store_stats before, after;

	(void)state;
	is_clean();
	store_stats(store, &before);
	open_again();
	is_clean();
	store_stats(store, &after);
	assert_int_equal(before.messages, after.messages);
	assert_int_equal(before.bytes, after.bytes);
	assert_int_equal(before.cancelled, after.cancelled);
	store_close(store);
	store = NULL;
	tempdir_remove(dir);
	return 0;
}

static struct store_stats stats_now(void)
{
	struct store_stats stats;

	store_stats(store, &stats);
	return stats;
}

static bool holds(const uint8_t *digest)
{
	struct store_item item;

	return !store_get(store, digest, &item);
}

static void set_peer(struct store_item *item, unsigned int peer)
{
	if (peer)
		item->peer[0] = 0xfd;
	item->peer[15] = peer;
}

/* A message that lives long, of a peer (0: this node); it is in @bytes. */
static struct store_item message(size_t size, unsigned int peer, uint8_t flags)
{
	struct store_item item;

	make_message(&item, bytes, size, somewhere, NOW + 24 * HOUR);
	item.arrived = NOW;
	item.flags = flags;
	set_peer(&item, peer);
	return item;
}

static enum store_result add_at(const struct store_item *item, uint64_t now)
{
	struct cs_error error = { "" };
	enum store_result result = store_add(store, item, now, &error);

	assert_int_equal(result == STORE_FAILED, error.text[0] != 0);
	return result;
}

static enum store_result add(const struct store_item *item)
{
	return add_at(item, NOW);
}

/* Adds one, which must go well; its digest is kept. */
static void must_add(size_t size, unsigned int peer, uint8_t flags, uint8_t *digest)
{
	struct store_item item = message(size, peer, flags);

	assert_int_equal(add(&item), STORE_ADDED);
	if (digest)
		memcpy(digest, item.digest, CS_DIGEST_LEN);
}

static void commit(void)
{
	struct cs_error error = { "" };

	if (store_commit(store, &error))
		fail_msg("%s", error.text);
}

/* --- What it takes, and gives back --- */

static void test_new(void **state)
{
	struct store_stats stats = stats_now();
	struct cs_error error = { "" };
	struct store *second = NULL;

	(void)state;
	assert_int_equal(stats.messages + stats.bytes + stats.cancelled + stats.added, 0);
	assert_int_equal(stats.quota, 64 * MIB);
	/* a second daemon is kept out, and told so */
	assert_int_equal(store_open(&second, &config, &error), -EBUSY);
	assert_non_null(strstr(error.text, "another crowdshared"));
	assert_non_null(strstr(error.text, config.path));
	assert_null(second);
}

static void test_get(void **state)
{
	static const size_t sizes[] = { MESSAGE_HEAD, MESSAGE_HEAD + 1, 1400, 2015, 2016, 2017,
					4000, 4080, 4081, 9000, MESSAGE_MOST - 1, MESSAGE_MOST };
	enum { N = sizeof(sizes) / sizeof(*sizes) };
	struct store_item items[N], found;
	uint8_t *copies[N];
	size_t i, round;

	(void)state;
	for (i = 0; i < N; i++) {
		items[i] = message(sizes[i], i % 3, i % 16);
		items[i].hops = 255 - i;
		items[i].contract = 0xdeadbeef + i;
		items[i].arrived = NOW - i;
		assert_int_equal(add(&items[i]), STORE_ADDED);
		copies[i] = malloc(sizes[i]);
		memcpy(copies[i], bytes, sizes[i]);
	}
	for (round = 0; round < 3; round++) {
		for (i = 0; i < N; i++) {
			if (i % 2)
				assert_int_equal(store_get(store, items[i].digest, &found), 0);
			else
				assert_int_equal(store_find(store, items[i].digest, &found), 0);
			assert_memory_equal(found.message, copies[i], sizes[i]);
			found.message = items[i].message;
			assert_memory_equal(&found, &items[i], sizeof(found));
		}
		if (round)
			open_again();
		else
			commit();
	}
	for (i = 0; i < N; i++)
		free(copies[i]);
	random_bytes(found.digest, CS_DIGEST_LEN);
	assert_int_equal(store_get(store, found.digest, &found), -ENOENT);
	assert_int_equal(store_find(store, found.digest, &found), -ENOENT);
}

/* Digests that begin alike, or nearly. */
static void test_find(void **state)
{
	struct cs_msg_hdr *hdr = (struct cs_msg_hdr *)bytes;
	struct store_item item = message(200, 1, 0), found;
	uint8_t prefix[CS_SEEN_KEY_LEN];
	int i;

	(void)state;
	memset(prefix, 0x55, sizeof(prefix));
	assert_int_equal(store_find(store, prefix, &found), -ENOENT);
	for (i = 0; i < 2; i++) {
		memset(item.digest, 0x55, CS_DIGEST_LEN);
		item.digest[CS_DIGEST_LEN - 1] = i;
		memcpy(hdr->digest, item.digest, CS_DIGEST_LEN);
		assert_int_equal(add(&item), STORE_ADDED);
		/* of two the first is found */
		assert_int_equal(store_find(store, prefix, &found), 0);
		assert_int_equal(found.digest[CS_DIGEST_LEN - 1], 0);
	}
	prefix[CS_SEEN_KEY_LEN - 1]--;
	assert_int_equal(store_find(store, prefix, &found), -ENOENT);
	prefix[CS_SEEN_KEY_LEN - 1] += 2;
	assert_int_equal(store_find(store, prefix, &found), -ENOENT);
	for (i = 0; i < 2; i++) { /* they are no messages */
		item.digest[CS_DIGEST_LEN - 1] = i;
		assert_int_equal(store_del(store, item.digest), 0);
	}
}

static void test_results(void **state)
{
	struct store_item item = message(1400, 1, 0);
	struct store_notice notice = { .expiry = NOW + HOUR, .letter = "x", .len = 1 };

	(void)state;
	assert_int_equal(add(&item), STORE_ADDED);
	assert_int_equal(add(&item), STORE_KNOWN);
	commit();
	assert_int_equal(add(&item), STORE_KNOWN);
	assert_int_equal(store_del(store, item.digest), 0);
	assert_int_equal(store_del(store, item.digest), -ENOENT);
	assert_false(holds(item.digest));
	assert_int_equal(add(&item), STORE_ADDED);
	assert_int_equal(store_cancel(store, item.digest, &notice), 0);
	assert_false(holds(item.digest));
	assert_int_equal(add(&item), STORE_CANCELLED);
	assert_int_equal(store_uncancel(store, item.digest), 0);
	assert_int_equal(add(&item), STORE_ADDED);
	assert_int_equal(stats_now().added, 3);
	assert_int_equal(stats_now().failed, 0);
	assert_int_equal(stats_now().messages, 1);
}

/* Items that are not what they say: refused with a reason, and nothing else is lost by that. */
static void test_hostile(void **state)
{
	static const uint32_t sizes[] = { 0, MESSAGE_HEAD - 1, 1399, 1401, UINT32_MAX };
	struct cs_msg_hdr *hdr = (struct cs_msg_hdr *)bytes;
	struct store_item good, bad;
	int i;

	(void)state;
	must_add(1400, 1, 0, NULL); /* and not committed */
	good = message(1400, 1, 0);
	for (i = 0; i < 10; i++) {
		bad = good;
		if (i < 5)
			bad.size = sizes[i];
		else if (i == 5)
			bad.message = NULL;
		else if (i == 6)
			bad.digest[63]++;
		else if (i == 7)
			bad.destination[0]++;
		else if (i == 8)
			bad.expiry++;
		else
			hdr->length++;
		assert_int_equal(add(&bad), STORE_FAILED);
		assert_int_equal(stats_now().failed, i + 1);
		assert_int_equal(stats_now().messages, 1);
	}
	hdr->length--;
	assert_int_equal(add(&good), STORE_ADDED);
	/* no time is too large */
	good = message(300, 1, 0);
	good.arrived = UINT64_MAX - 5;
	assert_int_equal(add(&good), STORE_ADDED);
	make_message(&good, bytes, 300, somewhere, UINT64_MAX);
	good.arrived = UINT64_MAX;
	assert_int_equal(add(&good), STORE_ADDED);
	assert_int_equal(stats_now().messages, 4);
}

struct seen {
	uint8_t	last[CS_DIGEST_LEN];
	size_t	count;
	size_t	most;
};

static int see(const struct store_item *item, void *data)
{
	struct seen *seen = data;

	if (seen->count)
		assert_true(memcmp(item->digest, seen->last, CS_DIGEST_LEN) > 0);
	assert_null(item->message);
	assert_int_equal(item->size, 400);
	assert_int_equal(item->peer[15], 3);
	assert_int_equal(item->expiry, NOW + 24 * HOUR);
	assert_memory_equal(item->destination, somewhere, CS_ADDR_LEN);
	memcpy(seen->last, item->digest, CS_DIGEST_LEN);
	return ++seen->count == seen->most ? 42 : 0;
}

static void test_each(void **state)
{
	uint8_t first[CS_DIGEST_LEN] = { 0 };
	struct seen seen = { .most = 0 };
	size_t i, rest;

	(void)state;
	assert_int_equal(store_each(store, see, &seen), 0);
	for (i = 0; i < 500; i++)
		must_add(400, 3, 0, NULL);
	assert_int_equal(store_each(store, see, &seen), 0);
	assert_int_equal(seen.count, 500);
	/* page after page, as "store list" does */
	for (rest = 500; rest; rest -= seen.count) {
		seen = (struct seen){ .most = 70 };
		assert_int_equal(store_each_from(store, first, see, &seen), rest >= 70 ? 42 : 0);
		assert_int_equal(seen.count, rest > 70 ? 70 : rest);
		memcpy(first, seen.last, CS_DIGEST_LEN);
		for (i = CS_DIGEST_LEN; i-- && !++first[i];)
			;
	}
	memset(first, 0xff, sizeof(first));
	seen = (struct seen){ .most = 0 };
	assert_int_equal(store_each_from(store, first, see, &seen), 0);
	assert_int_equal(seen.count, 0);
}

static void test_flags(void **state)
{
	uint8_t digest[CS_DIGEST_LEN], none[CS_DIGEST_LEN] = { 7 };
	struct store_item item;
	unsigned int set, clear, was = 0;

	(void)state;
	must_add(1400, 2, 0, digest);
	assert_int_equal(store_flag(store, none, 1, 0), -ENOENT);
	for (set = 0; set < 16; set++)
		for (clear = 0; clear < 16; clear++) {
			assert_int_equal(store_flag(store, digest, set, clear), 0);
			was = (was | set) & ~clear;
			assert_int_equal(store_get(store, digest, &item), 0);
			assert_int_equal(item.flags, was);
			assert_int_equal(item.size, 1400);
			if (clear == 7)
				is_clean();
		}
	assert_int_equal(stats_now().messages, 1);
}

/* --- Time --- */

static void test_expiry(void **state)
{
	uint8_t first[500];
	struct store_item items[100];
	int i, left = 0;

	(void)state;
	for (i = 0; i < 100; i++) {
		make_message(&items[i], bytes, 500, somewhere, NOW + 100 + random_word() % 100);
		items[i].arrived = NOW;
		assert_int_equal(add(&items[i]), STORE_ADDED);
		if (!i)
			items[0].message = memcpy(first, bytes, sizeof(first));
	}
	assert_int_equal(add_at(&items[0], items[0].expiry - 1), STORE_KNOWN);
	assert_int_equal(add_at(&items[0], items[0].expiry), STORE_EXPIRED);
	assert_int_equal(store_expire(store, NOW + 99), 0);
	store_expire(store, NOW + 150);
	for (i = 0; i < 100; i++) {
		assert_int_equal(holds(items[i].digest), items[i].expiry > NOW + 150);
		left += items[i].expiry > NOW + 150;
	}
	assert_int_equal(stats_now().messages, left);
	assert_int_equal(stats_now().expired, 100 - left);
	assert_int_equal(store_expire(store, NOW + 200), left);
	assert_int_equal(stats_now().messages, 0);
	assert_int_equal(stats_now().bytes, 0);
}

/* Older than configured: no matter how long it lives, and whatever the age was when it came. */
static void test_age(void **state)
{
	struct store_item young = message(500, 1, 0), old;

	(void)state;
	assert_int_equal(add(&young), STORE_ADDED);
	config.age = HOUR;
	assert_int_equal(store_configure(store, &config, NULL), 0);
	old = message(500, 1, STORE_OWN | STORE_EARNS);
	assert_int_equal(add_at(&old, NOW + HOUR), STORE_EXPIRED);
	assert_int_equal(add_at(&old, NOW + HOUR - 1), STORE_ADDED);
	config.age = 100 * HOUR;
	assert_int_equal(store_configure(store, &config, NULL), 0);
	assert_int_equal(store_expire(store, NOW + HOUR - 1), 0);
	assert_int_equal(store_expire(store, NOW + HOUR), 1);
	assert_true(holds(young.digest));
	assert_int_equal(store_expire(store, NOW + 12 * HOUR), 1);
	assert_false(holds(young.digest));
}

/* --- Who goes first --- */

#define LARGE	60000	/* 15 pages of their own: what they take is known */

/* Fills up with messages of a peer until no more goes in without another one's leaving. */
static size_t fill(unsigned int peer, uint8_t flags, uint8_t digests[][CS_DIGEST_LEN], size_t most)
{
	struct store_item item;
	size_t n;

	for (n = 0; n < most; n++) {
		item = message(LARGE, peer, flags);
		if (!store_would_fit(store, store_cost(store, LARGE), item.peer, NOW))
			break;
		assert_int_equal(add(&item), STORE_ADDED);
		memcpy(digests[n], item.digest, CS_DIGEST_LEN);
		if (stats_now().evicted)
			fail_msg("it was not full");
	}
	return n;
}

/* Adds one more: of @count messages the first @gone are to be gone. */
static void pushes_out(struct store_item *item, uint8_t digests[][CS_DIGEST_LEN], size_t count,
		       size_t gone)
{
	uint64_t evicted = stats_now().evicted;
	size_t i;

	assert_int_equal(add(item), STORE_ADDED);
	assert_int_equal(stats_now().evicted, evicted + 1);
	for (i = 0; i < count; i++)
		assert_int_equal(holds(digests[i]), i >= gone);
	assert_true(stats_now().bytes <= config.bytes);
}

static void is_full(struct store_item *item)
{
	struct store_stats before = stats_now();

	assert_int_equal(add(item), STORE_FULL);
	assert_int_equal(stats_now().refused, before.refused + 1);
	assert_int_equal(stats_now().evicted, before.evicted);
	assert_int_equal(stats_now().messages, before.messages);
}

/* First what has expired, though others stand before it in the order. */
static void test_full_expired(void **state)
{
	uint8_t digests[100][CS_DIGEST_LEN];
	struct store_item item;
	size_t n, i;

	(void)state;
	open_with(2 * MIB, 10);
	must_add(LARGE, 0, STORE_OWN | STORE_DELIVERED, digests[90]);
	make_message(&item, bytes, LARGE, somewhere, NOW + 10);
	item.arrived = NOW;
	set_peer(&item, 2);
	item.flags = STORE_EARNS;
	assert_int_equal(add(&item), STORE_ADDED);
	n = fill(1, 0, digests, 80);
	assert_true(n > 20);
	memcpy(digests[91], item.digest, CS_DIGEST_LEN);
	item = message(LARGE, 3, 0);
	assert_int_equal(add_at(&item, NOW + 10), STORE_ADDED);
	assert_false(holds(digests[91]));
	assert_true(holds(digests[90]));
	for (i = 0; i < n; i++)
		assert_true(holds(digests[i]));
	assert_int_equal(stats_now().expired, 1);
	assert_int_equal(stats_now().evicted, 0);
}

/* Then own copies known to be delivered, the oldest first; then what is beyond a share. */
static void test_full_delivered(void **state)
{
	uint8_t mine[5][CS_DIGEST_LEN], digests[100][CS_DIGEST_LEN];
	struct store_item item;
	size_t n, i;

	(void)state;
	open_with(2 * MIB, 10);
	for (i = 0; i < 5; i++)
		must_add(LARGE, 0, i < 3 ? STORE_OWN | STORE_DELIVERED : STORE_OWN, mine[i]);
	n = fill(1, 0, digests, 80);
	assert_true(n > 20);
	for (i = 0; i < 3; i++) {
		item = message(LARGE, 1 + i % 2, 0); /* of who is beyond his share, too */
		pushes_out(&item, mine, 5, i + 1);
	}
	/* known to be delivered later: the order is that of arrival all the same */
	assert_int_equal(store_flag(store, mine[4], STORE_DELIVERED, 0), 0);
	assert_int_equal(store_flag(store, mine[3], STORE_DELIVERED, 0), 0);
	item = message(LARGE, 3, 0);
	pushes_out(&item, mine, 5, 4);
	assert_int_equal(store_flag(store, mine[4], 0, STORE_DELIVERED), 0);
	item = message(LARGE, 3, 0);
	pushes_out(&item, digests, n, 1);
	assert_true(holds(mine[4]));
}

/* Of who gives and is beyond his share; or else of who is furthest beyond; the oldest first. */
static void test_full_share(void **state)
{
	uint8_t a[40][CS_DIGEST_LEN], b[40][CS_DIGEST_LEN];
	struct store_item item;
	size_t i;

	(void)state;
	open_with(2 * MIB, 30); /* a little less than 34 of them: about 10 each */
	for (i = 0; i < 18; i++)
		must_add(LARGE, 1, 0, a[i]);
	assert_int_equal(fill(2, 0, b, 40), 15);
	/* 1 is furthest beyond, but 2 gives, and is beyond */
	item = message(LARGE, 2, 0);
	pushes_out(&item, b, 15, 1);
	assert_true(holds(a[0]));
	/* 3 has nothing yet */
	for (i = 0; i < 3; i++) {
		item = message(LARGE, 3, 0);
		pushes_out(&item, a, 18, i + 1);
	}
	assert_true(holds(b[1]));
	/* this node is never beyond its share */
	for (i = 3; i < 6; i++) {
		item = message(LARGE, 0, STORE_OWN);
		if (i == 3) { /* 15 each: either may be first; 2 is, by its address */
			assert_int_equal(add(&item), STORE_ADDED);
			assert_true(holds(a[3]) != holds(b[1]));
			continue;
		}
		assert_int_equal(add(&item), STORE_ADDED);
	}
	assert_int_equal(stats_now().evicted, 7);
}

/* Within their shares nothing goes, and of own messages only what is known to be delivered. */
static void test_full_refused(void **state)
{
	uint8_t digests[100][CS_DIGEST_LEN];
	struct store_item item;
	unsigned int peer;
	size_t n = 0;

	(void)state;
	open_with(2 * MIB, 20);
	for (peer = 0; peer < 6; peer++)
		n += fill(peer, peer ? 0 : STORE_OWN, digests + n, 6);
	assert_int_equal(n, 33);
	for (peer = 0; peer < 8; peer++) {
		item = message(LARGE, peer, 0);
		if (peer > 0 && peer < 5)
			continue; /* 6 and one more would be beyond */
		is_full(&item);
	}
	item = message(LARGE, 1, 0);
	pushes_out(&item, digests + 6, 6, 1);
	/* without one own message: fill(0) came first */
	assert_int_equal(store_flag(store, digests[2], STORE_DELIVERED, 0), 0);
	item = message(LARGE, 7, 0);
	assert_int_equal(add(&item), STORE_ADDED);
	assert_false(holds(digests[2]));
	assert_true(holds(digests[0]) && holds(digests[1]) && holds(digests[3]));
}

/* What may still earn something never goes, and does not shield what others have beyond. */
static void test_full_earns(void **state)
{
	uint8_t earns[40][CS_DIGEST_LEN], b[40][CS_DIGEST_LEN];
	struct store_item item;
	size_t n, i;

	(void)state;
	open_with(2 * MIB, 10);
	for (i = 0; i < 20; i++)
		must_add(LARGE, 1, STORE_EARNS, earns[i]);
	n = fill(2, 0, b, 40);
	assert_int_equal(n, 13);
	/* 1 is furthest beyond */
	for (i = 0; i < 9; i++) {
		item = message(LARGE, 3 + i % 5, 0);
		pushes_out(&item, b, n, i + 1);
	}
	item = message(LARGE, 1, 0); /* who gives it is beyond, and has nothing that may go */
	is_full(&item);
	for (i = 0; i < 20; i++)
		assert_true(holds(earns[i]));
	/* its contract has ended */
	assert_int_equal(store_flag(store, earns[11], 0, STORE_EARNS), 0);
	item = message(LARGE, 8, 0);
	assert_int_equal(add(&item), STORE_ADDED);
	assert_false(holds(earns[11]));
	/* own and delivered, but under a contract */
	assert_int_equal(store_flag(store, earns[3], STORE_OWN | STORE_DELIVERED, 0), 0);
	item = message(LARGE, 1, 0);
	is_full(&item);
	assert_true(holds(earns[3]));
}

/* With all for one, the newest takes the place of the oldest. */
static void test_full_alone(void **state)
{
	uint8_t digests[100][CS_DIGEST_LEN];
	struct store_item item;
	size_t n, i;

	(void)state;
	open_with(2 * MIB, 100);
	n = fill(1, 0, digests, 100);
	assert_int_equal(n, 33);
	for (i = 0; i < n; i++) {
		item = message(LARGE, 1, 0);
		pushes_out(&item, digests, n, i + 1);
	}
	/* another one has its share of 100 per cent as well, but who is within it moves nobody */
	item = message(LARGE, 2, 0);
	is_full(&item);
}

/* What can't be kept anyhow has nothing else leave. */
static void test_too_large(void **state)
{
	uint8_t digests[100][CS_DIGEST_LEN];
	struct store_item item;
	size_t n;

	(void)state;
	open_with(MIB / 2, 30);
	n = fill(1, 0, digests, 10);
	assert_int_equal(n, 7);
	item = message(LARGE, 2, 0);
	pushes_out(&item, digests, n, 1);
	config.bytes = 12 * 4096;
	assert_int_equal(store_configure(store, &config, NULL), 0);
	item = message(LARGE, 3, 0);
	is_full(&item);
	assert_int_equal(stats_now().messages, 7);
}

/* --- Quotas --- */

static off_t file_size(void)
{
	char path[PATH_MAX + 16];
	struct stat st;

	snprintf(path, sizeof(path), "%s/data.mdb", config.path);
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/*
 * What is on the disk is within the quota, whatever the size of messages is, however many come, and
 * whichever are cancelled meanwhile; and most of the quota is of use.
 */
static void quota_holds(size_t size, unsigned int count)
{
	uint8_t (*recent)[CS_DIGEST_LEN] = calloc(256, CS_DIGEST_LEN);
	struct store_notice notice = { .expiry = NOW + HOUR, .letter = "x", .len = 1 };
	struct store_item item;
	unsigned int i, taken = 0;

	assert_non_null(recent);
	open_with(4 * MIB, 20);
	for (i = 0; i < count; i++) {
		item = message(size, i % 5, i % 5 ? 0 : STORE_OWN | STORE_DELIVERED);
		if (i % 7 == 0)
			store_cancel(store, recent[random_word() % 256], &notice);
		taken += add(&item) == STORE_ADDED;
		memcpy(recent[i % 256], item.digest, CS_DIGEST_LEN);
		assert_true(stats_now().bytes <= config.bytes);
		if (i % 50 == 0)
			commit();
	}
	free(recent);
	assert_int_equal(stats_now().added, taken);
	assert_true(stats_now().evicted > count / 4);
	/* beside it are tombstones, and what three commits changed: each message a page or two of
	 * each index
	 */
	assert_true(file_size() < (off_t)(config.bytes + 6 * MIB));
	assert_true(stats_now().messages * store_cost(store, size) > config.bytes * 6 / 10);
}

static void test_quota_small(void **state)
{
	(void)state;
	quota_holds(150, 20000);
}

static void test_quota_usual(void **state)
{
	(void)state;
	quota_holds(1400, 6000);
}

static void test_quota_large(void **state)
{
	(void)state;
	quota_holds(9000, 2000);
}

/* A new quota holds at once; a larger one than the store was opened with, too. */
static void test_configure(void **state)
{
	struct store_item item;
	int i;

	(void)state;
	config.cancelled = 0;
	open_with(MIB, 100);
	for (i = 0; i < 2000; i++)
		must_add(1400, 1, 0, NULL);
	assert_true(stats_now().messages < 600);
	config.bytes = 200 * MIB;
	assert_int_equal(store_configure(store, &config, NULL), 0);
	assert_int_equal(stats_now().quota, 200 * MIB);
	for (i = 0; i < 2500; i++)
		must_add(64000, 1, 0, NULL); /* 160 MB; the first map has room for 66 */
	assert_true(stats_now().bytes > 150 * MIB);
	config.bytes = MIB;
	assert_int_equal(store_configure(store, &config, NULL), 0);
	item = message(1400, 1, 0);
	assert_int_equal(add(&item), STORE_ADDED);
	assert_true(stats_now().bytes <= MIB);
}

/* What is said to fit goes in, all of it. */
static void test_would_fit(void **state)
{
	static const uint32_t sizes[] = { 150, 700, 1400, 3000, 9000 };
	unsigned int round, i, n, fitted = 0, peer;
	struct store_item item;
	uint64_t cost;

	(void)state;
	open_with(3 * MIB, 15);
	for (round = 0; round < 300; round++) {
		if (random_word() % 12 == 0)
			store_expire(store, NOW + 24 * HOUR);
		peer = 1 + random_word() % 6;
		n = 1 + random_word() % 200;
		for (cost = 0, i = 0; i < n; i++)
			cost += store_cost(store, sizes[(round + i) % 5]);
		item = message(150, peer, 0);
		if (!store_would_fit(store, cost, item.peer, NOW)) {
			/* others come and go */
			for (i = 0; i < 20; i++) {
				item = message(1400, 1 + random_word() % 6, 0);
				add(&item);
			}
			continue;
		}
		fitted++;
		for (i = 0; i < n; i++) {
			item = message(sizes[(round + i) % 5], peer, 0);
			assert_int_equal(add(&item), STORE_ADDED);
		}
	}
	assert_in_range(fitted, 50, 250);
}

/* --- What was delivered --- */

static struct store_notice notice_of(const char *letter, uint64_t expiry)
{
	struct store_notice notice = { .expiry = expiry, .letter = letter, .len = strlen(letter) };

	notice.address[0] = letter[0];
	return notice;
}

static void cancel(const uint8_t *digest, const char *letter, uint64_t expiry)
{
	struct store_notice notice = notice_of(letter, expiry);

	assert_int_equal(store_cancel(store, digest, &notice), 0);
}

static void says(const uint8_t *digest, const char *letter, uint64_t expiry, bool proven)
{
	struct store_notice found;

	assert_int_equal(store_cancelled(store, digest, &found), 0);
	assert_int_equal(found.len, strlen(letter));
	assert_memory_equal(found.letter, letter, found.len);
	assert_int_equal(found.expiry, expiry);
	assert_int_equal(found.address[0], letter[0]);
	assert_int_equal(found.proven, proven);
}

static void test_cancel(void **state)
{
	uint8_t held[CS_DIGEST_LEN], local[CS_DIGEST_LEN], other[CS_DIGEST_LEN] = { 9 };
	struct store_notice found;
	struct store_item item;

	(void)state;
	must_add(1400, 1, STORE_EARNS, held);
	must_add(1400, 1, STORE_LOCAL, local);
	assert_int_equal(store_cancelled(store, held, &found), -ENOENT);
	cancel(held, "held", NOW + 10);
	cancel(local, "local", NOW + 20);
	cancel(other, "other", NOW + 30);
	assert_false(holds(held));
	/* the message for this node stays, and goes nowhere */
	assert_int_equal(store_get(store, local, &item), 0);
	assert_int_equal(item.flags, STORE_LOCAL | STORE_DELIVERED);
	assert_int_equal(stats_now().cancelled, 3);
	open_again();
	says(held, "held", NOW + 10, false);
	says(local, "local", NOW + 20, false);
	says(other, "other", NOW + 30, false);
	assert_int_equal(store_prove(store, other), 0);
	says(other, "other", NOW + 30, true);
	assert_int_equal(store_uncancel(store, other), 0);
	assert_int_equal(store_uncancel(store, other), -ENOENT);
	assert_int_equal(store_prove(store, other), -ENOENT);
	assert_int_equal(store_cancelled(store, other, &found), -ENOENT);
	/* another one says so: it takes the place */
	cancel(held, "again", NOW + 50);
	says(held, "again", NOW + 50, false);
	assert_int_equal(stats_now().cancelled, 2);
	assert_int_equal(store_expire(store, NOW + 20), 0);
	assert_int_equal(stats_now().cancelled, 1);
	says(held, "again", NOW + 50, false);
	assert_int_equal(store_expire(store, NOW + 50), 0);
	assert_int_equal(stats_now().cancelled, 0);
}

/* Hostile notices. */
static void test_cancel_hostile(void **state)
{
	uint8_t digest[CS_DIGEST_LEN] = { 1 }, *large = calloc(1, STORE_NOTICE_MAX + 1);
	struct store_notice notice = { .expiry = NOW + 1, .letter = large }, found;

	(void)state;
	assert_non_null(large);
	assert_int_equal(store_cancel(store, digest, &notice), -EMSGSIZE);
	notice.len = STORE_NOTICE_MAX + 1;
	assert_int_equal(store_cancel(store, digest, &notice), -EMSGSIZE);
	notice.len--;
	assert_int_equal(store_cancel(store, digest, &notice), 0);
	assert_int_equal(store_cancelled(store, digest, &found), 0);
	assert_int_equal(found.len, STORE_NOTICE_MAX);
	/* a digest that points into the store, of what this removes */
	notice.expiry = UINT64_MAX;
	assert_int_equal(store_cancel(store, digest, &notice), 0);
	notice.expiry = 0;
	assert_int_equal(store_cancel(store, digest, &notice), 0);
	free(large);
}

/* A notice of many messages is kept once, as long as one of them is remembered. */
static void test_notices(void **state)
{
	enum { NOTICES = 20, EACH = 50, LEN = 4000 };
	static uint8_t digests[NOTICES * EACH][CS_DIGEST_LEN];
	struct store_notice notice = { .expiry = NOW + 5, .len = LEN }, found;
	char letter[LEN] = "";
	off_t before;
	int i;

	(void)state;
	notice.letter = letter;
	before = file_size();
	for (i = 0; i < NOTICES * EACH; i++) {
		random_bytes(digests[i], CS_DIGEST_LEN);
		letter[7] = i / EACH;
		assert_int_equal(store_cancel(store, digests[i], &notice), 0);
	}
	commit();
	/* 4 MB if each had its own */
	assert_true(file_size() - before < (off_t)MIB);
	for (i = 0; i < NOTICES * EACH; i++) {
		assert_int_equal(store_cancelled(store, digests[i], &found), 0);
		assert_int_equal(((const char *)found.letter)[7], i / EACH);
	}
	for (i = 0; i < NOTICES * EACH; i++)
		if (i % EACH != 11)
			assert_int_equal(store_uncancel(store, digests[i]), 0);
	for (i = 0; i < NOTICES; i++) {
		assert_int_equal(store_cancelled(store, digests[i * EACH + 11], &found), 0);
		assert_int_equal(((const char *)found.letter)[7], i);
	}
	assert_int_equal(stats_now().cancelled, NOTICES);
}

/* So many are remembered, and no more: those go first that expire first. */
static void test_cancelled_most(void **state)
{
	uint8_t digest[CS_DIGEST_LEN] = { 0 };
	struct store_notice found;
	int i;

	(void)state;
	config.cancelled = 50;
	open_again();
	for (i = 0; i < 200; i++) {
		digest[3] = i;
		cancel(digest, "letter", NOW + 1000 - (i * 37) % 200);
	}
	assert_int_equal(stats_now().cancelled, 50);
	for (i = 0; i < 200; i++) {
		digest[3] = i;
		/* the last one came when all were later; else the 50 latest are there */
		if (i != 199)
			assert_int_equal(store_cancelled(store, digest, &found) == 0,
					 (i * 37) % 200 < 49 + ((199 * 37) % 200 < 49));
	}
	config.cancelled = 0;
	assert_int_equal(store_configure(store, &config, NULL), 0);
	must_add(1400, 1, 0, digest);
	cancel(digest, "letter", NOW + 1000);
	assert_false(holds(digest));
	assert_int_equal(store_cancelled(store, digest, &found), -ENOENT);
}

/* --- Anything, against a model --- */

#define SLOTS	400

/**
 * struct slot - a message of the model
 */
struct slot {
	uint8_t			bytes[3000];
	struct store_item	item;
	uint64_t		ends;
	uint64_t		order;		/* of arrival, 0: not held */
	uint64_t		cancelled;	/* until when, 0: not */
	bool			proven;
	char			letter;
};

static struct slot slots[SLOTS];
static uint64_t model_now, model_order, model_evicted;

static void new_slot(struct slot *slot)
{
	size_t size = MESSAGE_HEAD + random_word() % 2800;
	unsigned int peer = random_word() % 5;

	memset(slot, 0, sizeof(*slot));
	make_message(&slot->item, slot->bytes, size, somewhere,
		     model_now + random_word() % 3000);
	set_peer(&slot->item, peer);
	slot->item.flags = peer ? (random_word() % 4 ? 0 : STORE_EARNS) : STORE_OWN;
}

static bool model_full_of(const struct slot *slot, unsigned int peer, uint64_t *all)
{
	uint64_t has = 0, total = 0;
	size_t i;

	for (i = 0; i < SLOTS; i++) {
		if (!slots[i].order)
			continue;
		total += store_cost(store, slots[i].item.size);
		if (slots[i].item.peer[15] == peer)
			has += store_cost(store, slots[i].item.size);
	}
	*all = has;
	if (slot)
		has += store_cost(store, slot->item.size);
	return peer && has > total / 100 * config.share;
}

/* The oldest of a peer (-1: of any) that may go, own delivered ones or those of a share. */
static struct slot *model_oldest(int peer, bool delivered)
{
	const uint8_t done = STORE_OWN | STORE_DELIVERED;
	struct slot *found = NULL, *slot;

	for (slot = slots; slot < slots + SLOTS; slot++) {
		if (!slot->order || slot->item.flags & STORE_EARNS ||
		    (peer >= 0 && slot->item.peer[15] != peer) ||
		    delivered != ((slot->item.flags & done) == done))
			continue;
		if (!found || slot->order < found->order)
			found = slot;
	}
	return found;
}

/* Written down as the issue has it, not as the store does it. */
static struct slot *model_victim(const struct slot *newcomer)
{
	struct slot *slot = model_oldest(-1, true), *found = NULL;
	unsigned int peer, giver = newcomer->item.peer[15];
	uint64_t all, most = 0, may, i, total = 0;

	if (slot)
		return slot;
	if (model_full_of(newcomer, giver, &all))
		return model_oldest(giver, false);
	for (i = 0; i < SLOTS; i++)
		total += slots[i].order ? store_cost(store, slots[i].item.size) : 0;
	for (peer = 1; peer < 5; peer++) {
		if (peer == giver || !model_full_of(NULL, peer, &all))
			continue;
		for (may = 0, i = 0; i < SLOTS; i++)
			if (slots[i].order && slots[i].item.peer[15] == peer &&
			    !(slots[i].item.flags & STORE_EARNS))
				may += store_cost(store, slots[i].item.size);
		all -= total / 100 * config.share;
		all = all < may ? all : may;
		if (all > most) {
			most = all;
			found = model_oldest(peer, false);
		}
	}
	return found;
}

static void model_expire(void)
{
	size_t i;

	for (i = 0; i < SLOTS; i++) {
		if (slots[i].order && slots[i].ends <= model_now)
			slots[i].order = 0;
		if (slots[i].cancelled && slots[i].cancelled <= model_now)
			slots[i].cancelled = 0;
	}
}

static void do_add(struct slot *slot)
{
	uint64_t aged = model_now + config.age, evicted = stats_now().evicted;
	struct slot *victim;
	enum store_result result, expected = STORE_ADDED;

	slot->item.arrived = model_now;
	aged = aged < slot->item.expiry ? aged : slot->item.expiry;
	if (aged <= model_now)
		expected = STORE_EXPIRED;
	else if (slot->cancelled)
		expected = STORE_CANCELLED;
	else if (slot->order)
		expected = STORE_KNOWN;
	result = add_at(&slot->item, model_now);
	if (expected != STORE_ADDED) {
		assert_int_equal(result, expected);
		return;
	}
	/* how many have to go is a matter of pages; which, is not */
	evicted = stats_now().evicted - evicted;
	model_evicted += evicted;
	for (; evicted--; victim->order = 0) {
		victim = model_victim(slot);
		assert_non_null(victim);
	}
	if (result == STORE_FULL) {
		assert_true(stats_now().bytes + 6 * 4096 > config.bytes);
		return;
	}
	assert_int_equal(result, STORE_ADDED);
	slot->ends = aged;
	slot->order = ++model_order;
}

static void do_cancel(struct slot *slot)
{
	char letter[2] = { 'a' + random_word() % 26 };

	if (slot->order && slot->item.flags & STORE_LOCAL)
		slot->item.flags |= STORE_DELIVERED;
	else
		slot->order = 0;
	slot->cancelled = model_now + 1 + random_word() % 2000;
	slot->letter = letter[0];
	slot->proven = false;
	cancel(slot->item.digest, letter, slot->cancelled);
}

static void do_flag(struct slot *slot)
{
	uint8_t set = random_word() % 16, clear = random_word() % 16;

	if (random_word() % 3) /* most undelivered, and most earn nothing */
		set = 0;
	assert_int_equal(store_flag(store, slot->item.digest, set, clear),
			 slot->order ? 0 : -ENOENT);
	if (slot->order)
		slot->item.flags = (slot->item.flags | set) & ~clear;
}

static void look(const struct slot *slot)
{
	struct store_notice notice;
	struct store_item found;
	int rc = random_word() % 2 ? store_get(store, slot->item.digest, &found) :
				     store_find(store, slot->item.digest, &found);

	assert_int_equal(rc, slot->order ? 0 : -ENOENT);
	if (!rc) {
		assert_memory_equal(found.message, slot->bytes, slot->item.size);
		assert_int_equal(found.flags, slot->item.flags);
		assert_memory_equal(found.peer, slot->item.peer, STORE_PEER_LEN);
	}
	rc = store_cancelled(store, slot->item.digest, &notice);
	assert_int_equal(rc, slot->cancelled ? 0 : -ENOENT);
	if (!rc) {
		assert_int_equal(*(const char *)notice.letter, slot->letter);
		assert_int_equal(notice.expiry, slot->cancelled);
		assert_int_equal(notice.proven, slot->proven);
	}
}

static void step(struct slot *slot)
{
	switch (random_word() % 16) {
	case 0 ... 6:
		do_add(slot);
		break;
	case 7:
		assert_int_equal(store_del(store, slot->item.digest), slot->order ? 0 : -ENOENT);
		slot->order = 0;
		break;
	case 8:
		do_cancel(slot);
		break;
	case 9:
		assert_int_equal(store_uncancel(store, slot->item.digest),
				 slot->cancelled ? 0 : -ENOENT);
		slot->cancelled = 0;
		break;
	case 10:
		assert_int_equal(store_prove(store, slot->item.digest),
				 slot->cancelled ? 0 : -ENOENT);
		slot->proven = true;
		break;
	case 11:
		do_flag(slot);
		break;
	case 12:
		model_now += random_word() % 8;
		store_expire(store, model_now);
		model_expire();
		break;
	case 13:
		if (!slot->order && !slot->cancelled)
			new_slot(slot);
		break;
	case 14:
		commit();
		break;
	default:
		look(slot);
	}
}

static void all_agree(void)
{
	struct store_stats stats = stats_now();
	uint64_t messages = 0, cancelled = 0;
	size_t i;

	for (i = 0; i < SLOTS; i++) {
		look(&slots[i]);
		messages += slots[i].order != 0;
		cancelled += slots[i].cancelled != 0;
	}
	assert_int_equal(stats.messages, messages);
	assert_int_equal(stats.cancelled, cancelled);
	assert_int_equal(stats.failed, 0);
}

static void against_model(uint64_t quota, uint32_t share, uint32_t age, unsigned int steps)
{
	unsigned int i;

	model_now = NOW;
	model_order = 0;
	config.age = age;
	tempdir_remove(config.path);
	open_with(quota, share);
	for (i = 0; i < SLOTS; i++)
		new_slot(&slots[i]);
	for (i = 1; i <= steps; i++) {
		step(&slots[random_word() % SLOTS]);
		if (i % 500 == 0)
			all_agree();
		if (i % 2000 == 0) {
			is_clean();
			open_again();
		}
	}
}

static void test_model(void **state)
{
	(void)state;
	model_evicted = 0;
	against_model(64 * MIB, 25, 1000, 8000);
	assert_int_equal(model_evicted, 0);
	against_model(MIB / 2, 25, 10000, 10000);
	against_model(MIB / 4, 10, 10000, 6000);
	against_model(MIB / 4, 60, 10000, 6000);
	assert_true(model_evicted > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_new, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_get, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_find, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_results, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hostile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_each, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_flags, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_expiry, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_age, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full_expired, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full_delivered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full_share, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full_earns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_large, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_quota_small, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_quota_usual, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_quota_large, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_configure, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_would_fit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cancel, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cancel_hostile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_notices, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cancelled_most, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_model, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
