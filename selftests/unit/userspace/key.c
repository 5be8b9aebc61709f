// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of key files.
 */
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
#include <openssl/evp.h>

#include "lib/key.h"

static void test_forms(void **state)
{
	uint8_t key[CS_KEY_LEN], out[CS_KEY_LEN];
	char text[80];
	int i, round;

	(void)state;
	for (round = 0; round < 1000; round++) {
		for (i = 0; i < CS_KEY_LEN; i++)
			key[i] = rand();
		assert_int_equal(cs_key_decode(key, CS_KEY_LEN, out), 0);
		assert_memory_equal(key, out, CS_KEY_LEN);
		for (i = 0; i < CS_KEY_LEN; i++)
			sprintf(text + 2 * i, round % 2 ? "%02x" : "%02X", key[i]);
		assert_int_equal(cs_key_decode(text, 64, out), 0);
		assert_memory_equal(key, out, CS_KEY_LEN);
		text[64] = '\n';
		assert_int_equal(cs_key_decode(text, 65, out), 0);
		EVP_EncodeBlock((unsigned char *)text, key, CS_KEY_LEN);
		memset(out, 0, sizeof(out));
		assert_int_equal(cs_key_decode(text, 44, out), 0);
		assert_memory_equal(key, out, CS_KEY_LEN);
		text[44] = '\n';
		assert_int_equal(cs_key_decode(text, 45, out), 0);
	}
}

static void test_wrong(void **state)
{
	uint8_t key[CS_KEY_LEN];
	char text[128];
	size_t len;
	int i;

	(void)state;
	memset(text, 'A', sizeof(text));
	for (len = 0; len < sizeof(text); len++)
		if (len != 32 && len != 44 && len != 64)
			assert_int_equal(cs_key_decode(text, len, key), -EMSGSIZE);
	for (i = 0; i < 64; i++) {
		text[i] = 'g';
		assert_int_equal(cs_key_decode(text, 64, key), -EINVAL);
		text[i] = 'A';
	}
	/* base64 that is not of 32 bytes, has bits too many, or a digit that is none */
	assert_int_equal(cs_key_decode(text, 44, key), -EINVAL);
	text[43] = '=';
	assert_int_equal(cs_key_decode(text, 44, key), 0);
	text[42] = 'B';
	assert_int_equal(cs_key_decode(text, 44, key), -EINVAL);
	text[42] = '=';
	assert_int_equal(cs_key_decode(text, 44, key), -EINVAL);
}

static void check_file(const char *content, size_t len, int expected, const char *says)
{
	char path[] = "/tmp/csnl-key-XXXXXX", error[256] = "";
	uint8_t key[CS_KEY_LEN];
	int fd = mkstemp(path);

	assert_true(fd >= 0 && write(fd, content, len) == (ssize_t)len);
	close(fd);
	assert_int_equal(cs_key_read(path, key, error, sizeof(error)), expected);
	if (says) {
		assert_non_null(strstr(error, path));
		assert_non_null(strstr(error, says));
	}
	unlink(path);
}

static void test_files(void **state)
{
	uint8_t key[CS_KEY_LEN];
	char error[256], text[200];

	(void)state;
	memset(text, 'f', sizeof(text));
	check_file(text, 32, 0, NULL);
	check_file(text, 64, 0, NULL);
	check_file(text, 0, -EMSGSIZE, "0 bytes");
	check_file(text, 33, -EMSGSIZE, "33 bytes");
	check_file(text, 200, -EMSGSIZE, "at least 66 bytes");
	check_file(text, 44, -EINVAL, "not base64");
	text[7] = 'x';
	check_file(text, 64, -EINVAL, "not hexadecimal");
	assert_int_equal(cs_key_read("/nonexistent/key", key, error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, "/nonexistent/key"));
	assert_int_equal(cs_key_read("/tmp", key, error, sizeof(error)), -EISDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
