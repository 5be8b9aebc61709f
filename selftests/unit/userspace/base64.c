// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of base64.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base64.h"

/* RFC 4648, 10. */
static void test_vectors(void **state)
{
	static const char *const vectors[][2] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
		{ "\xfb\xff\xbf", "+/+/" },
	};
	uint8_t bytes[16];
	char text[16];
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		len = strlen(vectors[i][0]);
		cs_base64(text, (const uint8_t *)vectors[i][0], len);
		assert_string_equal(text, vectors[i][1]);
		assert_int_equal(strlen(text), CS_BASE64_LEN(len));
		assert_int_equal(cs_unbase64(text, strlen(text), bytes, len), len);
		assert_memory_equal(bytes, vectors[i][0], len);
		if (len)
			assert_int_equal(cs_unbase64(text, strlen(text), bytes, len - 1),
					 -EMSGSIZE);
	}
}

/* Whatever is taken is what its bytes are written as: there is one form. */
static void test_one_form(void **state)
{
	static const char alphabet[] = "AZaz09+/= -_\n\x80";
	size_t n = sizeof(alphabet), a, b, c, d, taken = 0;
	uint8_t bytes[3];
	char text[5] = "";
	char back[5];
	long len;

	(void)state;
	for (a = 0; a < n; a++)
		for (b = 0; b < n; b++)
			for (c = 0; c < n; c++)
				for (d = 0; d < n; d++) {
					text[0] = alphabet[a];
					text[1] = alphabet[b];
					text[2] = alphabet[c];
					text[3] = alphabet[d];
					len = cs_unbase64(text, 4, bytes, sizeof(bytes));
					if (len < 0)
						continue;
					cs_base64(back, bytes, len);
					assert_memory_equal(back, text, 4);
					taken++;
				}
	/* of 8 digits: all of four; of three if the last has two bits of zero, of two if four */
	assert_int_equal(taken, 8 * 8 * 8 * 8 + 8 * 8 * 2 + 8);
}

static void test_lengths(void **state)
{
	uint8_t bytes[300], back[300];
	char *text;
	size_t len, cut;

	(void)state;
	for (len = 0; len < sizeof(bytes); len++)
		bytes[len] = len * 7;
	for (len = 0; len < sizeof(bytes); len++) {
		/* of exactly that size, so that a byte too far is seen */
		text = malloc(CS_BASE64_LEN(len) + 1);
		cs_base64(text, bytes, len);
		assert_int_equal(cs_unbase64(text, CS_BASE64_LEN(len), back, len), len);
		assert_memory_equal(back, bytes, len);
		for (cut = 1; cut < 4 && cut < CS_BASE64_LEN(len); cut++)
			assert_int_equal(cs_unbase64(text, CS_BASE64_LEN(len) - cut, back,
						     sizeof(back)), -EINVAL);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_one_form),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
