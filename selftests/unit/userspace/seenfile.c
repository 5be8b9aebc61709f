// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of files of seen-sets: nothing of a file that is not right is believed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/message.h"
#include "lib/seenfile.h"

#define SAVED	1800000000	/* in 2027 */

static uint8_t *make(size_t count, size_t *size)
{
	struct seenfile file = { .saved = SAVED };
	struct crowdshare_seen_entry entry;
	uint8_t *data;
	size_t i;

	for (i = 0; i < count; i++) {
		memset(entry.digest, i, sizeof(entry.digest));
		entry.left = i + 1;
		assert_int_equal(seenfile_append(&file, &entry, 1), 0);
	}
	data = seenfile_encode(&file, size);
	assert_non_null(data);
	seenfile_free(&file);
	return data;
}

static void test_round_trip(void **state)
{
	struct seenfile file;
	char error[128];
	uint8_t *data;
	size_t size, i;

	(void)state;
	data = make(1000, &size);
	assert_int_equal(size, 32 + 1000 * 20 + 64);
	assert_int_equal(seenfile_decode(&file, data, size, error, sizeof(error)), 0);
	assert_int_equal(file.count, 1000);
	assert_int_equal(file.saved, SAVED);
	for (i = 0; i < 1000; i++) {
		assert_int_equal(file.entry[i].digest[15], (uint8_t)i);
		assert_int_equal(file.entry[i].left, i + 1);
	}
	seenfile_free(&file);
	free(data);
	data = make(0, &size);
	assert_int_equal(seenfile_decode(&file, data, size, error, sizeof(error)), 0);
	assert_int_equal(file.count, 0);
	seenfile_free(&file);
	free(data);
}

static void refused(const uint8_t *data, size_t size, const char *says)
{
	struct seenfile file;
	char error[128] = "";

	assert_int_equal(seenfile_decode(&file, data, size, error, sizeof(error)), -EBADMSG);
	assert_non_null(strstr(error, says));
	assert_null(file.entry);
}

static void test_damage(void **state)
{
	size_t size, i;
	uint8_t *data;

	(void)state;
	data = make(5, &size);
	for (i = 0; i < size; i++) {
		refused(data, i, "");
		data[i] ^= 1;
		refused(data, size, "");
		data[i] ^= 1;
	}
	data[0] = 'X';
	refused(data, size, "magic");
	data[0] = 'C';
	refused(data, size - 1, "count");
	refused(data, 50, "truncated");
	data[size - 1] ^= 1;
	refused(data, size, "checksum");
	free(data);
}

/* With a checksum that is right, as only somebody who wants to could make it. */
static void test_lies(void **state)
{
	uint8_t *data;
	size_t size;

	(void)state;
	data = make(5, &size);
	data[24] = 6;
	cs_sha512(data, size - 64, data + size - 64);
	refused(data, size, "count 6");
	data[24] = 5;
	data[31] = 0x80;
	cs_sha512(data, size - 64, data + size - 64);
	refused(data, size, "count");
	data[31] = 0;
	data[8] = 2;
	cs_sha512(data, size - 64, data + size - 64);
	refused(data, size, "version 2");
	data[8] = 1;
	data[12] = 1;
	cs_sha512(data, size - 64, data + size - 64);
	refused(data, size, "reserved");
	free(data);
}

static void aged(uint64_t saved, uint64_t now, size_t expired, uint32_t first)
{
	struct seenfile file;
	char error[128];
	uint8_t *data;
	size_t size;

	data = make(1000, &size);
	assert_int_equal(seenfile_decode(&file, data, size, error, sizeof(error)), 0);
	file.saved = saved;
	assert_int_equal(seenfile_age(&file, now), expired);
	assert_int_equal(file.count, 1000 - expired);
	if (file.count)
		assert_int_equal(file.entry[0].left, first);
	seenfile_free(&file);
	free(data);
}

static void test_age(void **state)
{
	(void)state;
	aged(SAVED, SAVED, 0, 1);
	aged(SAVED, SAVED + 1, 1, 1);
	aged(SAVED, SAVED + 500, 500, 1);
	aged(SAVED, SAVED + 1000, 1000, 0);
	aged(SAVED, UINT64_MAX, 1000, 0);
	/* backwards, or not set at one end: no time passes */
	aged(SAVED, SAVED - 1000, 0, 1);
	aged(1000, SAVED, 0, 1);
	aged(SAVED, 1000, 0, 1);
	aged(1000, 2000, 0, 1);
}

static void test_replace(void **state)
{
	char folder[] = "/tmp/csnl-seen-XXXXXX", path[64], error[4352];
	struct stat st;
	uint8_t *data;
	size_t size;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/file", folder);
	assert_int_equal(seenfile_write(path, "old", 3, error, sizeof(error)), 0);
	assert_int_equal(seenfile_write(path, "newer", 5, error, sizeof(error)), 0);
	data = seenfile_read(path, &size, error, sizeof(error));
	assert_int_equal(size, 5);
	assert_memory_equal(data, "newer", 5);
	free(data);
	/* who may read it could tell which messages passed */
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(unlink(path), 0);
	/* nothing else was left behind */
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(seenfile_write(path, "x", 1, error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, path));
	assert_null(seenfile_read(path, &size, error, sizeof(error)));
	assert_non_null(strstr(error, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_replace),
	};

	return cmocka_run_group_tests_name("seenfile", tests, NULL, NULL);
}
