// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: a recipient. The input is a list of what is done with the messages of two objects:
 * taken, changed and taken (with a right digest), thrown away, synced, the program restarted, time
 * passed. An object that appears is what was sent, at most once.
 */
#include <errno.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <crowdshare/get.h>
#include <crowdshare/put.h>

#include "lib/message.h"

#define NOW		1800000000
#define MESSAGES_MAX	64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cs_private *key;
static struct cs_card card;
static uint8_t messages[MESSAGES_MAX][1400];
static size_t lengths[MESSAGES_MAX], count;
static char state[64], out[64];
static unsigned int delivered;

static void check(bool ok)
{
	if (!ok)
		__builtin_trap();
}

static int keep(const void *message, size_t len, void *arg)
{
	(void)arg;
	check(count < MESSAGES_MAX && len <= sizeof(messages[0]));
	memcpy(messages[count], message, len);
	lengths[count++] = len;
	return 0;
}

static void on_delivered(const struct cs_get_object *object, const char *path, void *arg)
{
	char content[3000];
	FILE *file = fopen(path, "re");
	size_t len, i;

	(void)arg;
	check(file && (!strcmp(object->name, "one") || !strcmp(object->name, "two")));
	len = fread(content, 1, sizeof(content), file);
	fclose(file);
	check(len == (object->name[0] == 'o' ? 2000 : 5));
	for (i = 0; i < len; i++)
		check(content[i] == object->name[0]);
	delivered++;
}

static void make(const char *name, size_t len)
{
	struct cs_put_options options = {
		.to = { &card, NULL }, .now = NOW, .redundancy = 20, .message = keep,
	};
	int fd = memfd_create("content", MFD_CLOEXEC);
	struct cs_put_result result;
	char content[2000];

	memset(content, name[0], len);
	check(write(fd, content, len) == (ssize_t)len && !lseek(fd, 0, SEEK_SET));
	check(!cs_put_fd(&options, fd, name, &result, NULL));
	close(fd);
}

static void begin(void)
{
	static const uint8_t address[CS_ADDR_LEN] = { 0xfd };

	check(!cs_private_new(&key, CS_RSA_BITS_MIN, NULL));
	check(!cs_card_new(&card, key, CS_ROLE_RECIPIENT, address, 1, NULL));
	make("one", 2000);
	make("two", 5);
	snprintf(state, sizeof(state), "/dev/shm/cs-fuzz-%d", getpid());
	snprintf(out, sizeof(out), "/dev/shm/cs-fuzz-out-%d", getpid());
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static struct cs_get *open_get(uint64_t now)
{
	const struct cs_get_options options = {
		.state = state, .out = out, .key = key, .memory = 8000, .strangers = 20000,
		.delivered = on_delivered,
	};
	struct cs_get *get;

	check(!cs_get_open(&get, &options, now, NULL));
	return get;
}

/* Changes a byte; the digest is made right again, as a forger would. */
static void take_changed(struct cs_get *get, const uint8_t *message, size_t len, uint8_t at,
			 uint8_t to, uint64_t now)
{
	uint8_t copy[1400], digest[CS_DIGEST_LEN];

	memcpy(copy, message, len);
	/* the header more often than the rest */
	copy[at < 200 ? 64 + at % 72 : len - 1 - (at - 200) * 7 % (len - 64)] = to;
	check(!cs_sha512(copy + CS_DIGEST_LEN, len - CS_DIGEST_LEN, digest));
	memcpy(copy, digest, sizeof(digest));
	cs_get_take(get, copy, len, now, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t now = NOW;
	struct cs_get *get;
	size_t i;

	if (!count)
		begin();
	delivered = 0;
	check(!mkdir(out, 0700));
	get = open_get(now);
	for (; size >= 2; data += 2, size -= 2) {
		i = data[1] % count;
		if (data[0] < 128) {
			cs_get_take(get, messages[i], lengths[i], now, NULL);
		} else if (data[0] < 192 && size >= 4) {
			take_changed(get, messages[i], lengths[i], data[2], data[3], now);
			data += 2;
			size -= 2;
		} else if (data[0] < 200) {
			cs_get_take(get, messages[i], data[0], now, NULL);
		} else if (data[0] < 220) {
			check(!cs_get_sync(get, NULL));
		} else if (data[0] < 240) {
			cs_get_close(get);
			get = open_get(now);
		} else {
			now += data[1] * 60;
			cs_get_expire(get, now);
		}
		check(delivered <= 2);
	}
	cs_get_close(get);
	nftw(state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	nftw(out, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
