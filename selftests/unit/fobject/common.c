// SPDX-License-Identifier: GPL-2.0
/*
 * What the tests of libcrowdshare share.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common.h"
#include "fobject/rsa.h"

#define KEYS_MAX 16

char test_dir[64];

int make_dir(void **state)
{
	(void)state;
	/* in memory, so that syncing costs nothing: processes are killed here, not machines */
	strcpy(test_dir, "/dev/shm/cs-fobject-XXXXXX");
	if (mkdtemp(test_dir))
		return 0;
	strcpy(test_dir, "/tmp/cs-fobject-XXXXXX");
	return mkdtemp(test_dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Keys are freed here, so that the leak checker has nothing to say. */
static struct {
	char			name[32];
	struct cs_private	*key;
} keys[KEYS_MAX];

int remove_dir(void **state)
{
	int i;

	(void)state;
	remove_tree(test_dir);
	for (i = 0; i < KEYS_MAX; i++)
		cs_private_free(keys[i].key);
	memset(keys, 0, sizeof(keys));
	return 0;
}

const char *in_dir(const char *format, ...)
{
	static char paths[8][512];
	static int next;
	char *path = paths[next++ % 8];
	int len = sprintf(path, "%s/", test_dir);
	va_list args;

	va_start(args, format);
	vsnprintf(path + len, sizeof(paths[0]) - len, format, args);
	va_end(args);
	return path;
}

void write_file(const char *path, const void *data, size_t len)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

uint8_t *read_file(const char *path, size_t *len)
{
	FILE *file = fopen(path, "re");
	uint8_t *data;
	struct stat st;

	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	assert_int_equal(fstat(fileno(file), &st), 0);
	data = malloc(st.st_size + 1);
	assert_non_null(data);
	*len = fread(data, 1, st.st_size, file);
	assert_int_equal(*len, st.st_size);
	data[*len] = '\0';
	fclose(file);
	return data;
}

const struct cs_private *test_key(const char *name)
{
	struct cs_error error = { "" };
	char path[512];
	uint8_t *pem;
	size_t len;
	int i;

	for (i = 0; keys[i].key; i++)
		if (!strcmp(keys[i].name, name))
			return keys[i].key;
	assert_true(i < KEYS_MAX);
	snprintf(path, sizeof(path), "%s/keys/%s.pem", VECTORS, name);
	pem = read_file(path, &len);
	write_file(in_dir("key.pem"), pem, len);
	free(pem);
	assert_int_equal(chmod(in_dir("key.pem"), 0600), 0);
	if (cs_private_read(&keys[i].key, in_dir("key.pem"), &error))
		fail_msg("%s", error.text);
	unlink(in_dir("key.pem"));
	strcpy(keys[i].name, name);
	return keys[i].key;
}

const struct cs_card *test_card(const char *name, enum cs_role role)
{
	static const uint8_t address[CS_ADDR_LEN] = { 0x20, 1, 0xd, 0xb8, [15] = 7 };
	static struct cs_card cards[8];
	static int next;
	struct cs_card *card = &cards[next++ % 8];

	assert_int_equal(cs_card_new(card, test_key(name), role, address, 7475, NULL), 0);
	return card;
}

/* Does the error say this? Says so itself if not. */
int says(const struct cs_error *error, const char *what)
{
	if (strstr(error->text, what))
		return 1;
	print_error("'%s' does not say '%s'\n", error->text, what);
	return 0;
}

int bag_add(const void *message, size_t len, void *arg)
{
	struct bag *bag = arg;

	if (bag->len + len > bag->room) {
		bag->room = 2 * bag->room + len + 65536;
		bag->data = realloc(bag->data, bag->room);
		assert_non_null(bag->data);
	}
	bag->at = realloc(bag->at, (bag->count + 2) * sizeof(*bag->at));
	assert_non_null(bag->at);
	memcpy(bag->data + bag->len, message, len);
	bag->at[bag->count++] = bag->len;
	bag->len += len;
	bag->at[bag->count] = bag->len;
	return 0;
}

const uint8_t *bag_get(const struct bag *bag, size_t i, size_t *len)
{
	assert_true(i < bag->count);
	*len = bag->at[i + 1] - bag->at[i];
	return bag->data + bag->at[i];
}

size_t bag_copy(const struct bag *bag, size_t i, uint8_t *message)
{
	size_t len;
	const uint8_t *from = bag_get(bag, i, &len);

	memcpy(message, from, len);
	return len;
}

struct cs_message bag_message(const struct bag *bag, size_t i)
{
	struct cs_message parsed;
	const uint8_t *message;
	size_t len;

	message = bag_get(bag, i, &len);
	assert_int_equal(cs_message_parse(message, len, &parsed), 0);
	assert_true(cs_message_digest_ok(message, len));
	return parsed;
}

void bag_free(struct bag *bag)
{
	free(bag->data);
	free(bag->at);
	memset(bag, 0, sizeof(*bag));
}

/* xorshift64* (Vigna, 2014) */
static uint64_t roll(void)
{
	static uint64_t x;

	if (!x)
		x = getenv("TEST_SEED") ? strtoull(getenv("TEST_SEED"), NULL, 0) | 1 :
					  0x9e3779b97f4a7c15;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	return x * 0x2545f4914f6cdd1d;
}

uint32_t dice(uint32_t sides)
{
	return (roll() >> 32) % sides;
}

void dice_fill(void *data, size_t len)
{
	uint8_t *p = data;
	uint64_t x;

	for (; len >= 8; p += 8, len -= 8) {
		x = roll();
		memcpy(p, &x, 8);
	}
	while (len--)
		*p++ = roll() >> 56;
}
