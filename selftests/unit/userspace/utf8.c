// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of texts that people, terminals and JSON can take. Jansson, which has its own idea of
 * UTF-8, has to agree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "lib/utf8.h"

static void cleaned(const char *text, size_t size, const char *expected)
{
	char *clean = malloc(size);

	assert_non_null(clean);
	assert_ptr_equal(cs_utf8_clean(clean, size, text), clean);
	assert_string_equal(clean, expected);
	assert_true(cs_utf8_ok(clean, strlen(clean)));
	free(clean);
}

static void test_ok(void **state)
{
	static const char *const bad[] = {
		"\x1f", "\x7f", "\xc2\x80", "\xc2\x9f", "\x80", "\xc1\xbf", "\xe0\x9f\xbf",
		"\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xff", "\xc3", "\xe2\x82",
		"\xf0\x9f\x98",
	};
	static const char *const good[] = {
		"", " ", "~", "\xc2\xa0", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
		"\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(cs_utf8_ok(bad[i], strlen(bad[i])));
	for (i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(cs_utf8_ok(good[i], strlen(good[i])));
	assert_false(cs_utf8_ok("a\0b", 3));
}

static void test_clean(void **state)
{
	(void)state;
	cleaned("", 1, "");
	cleaned("wlan0", 16, "wlan0");
	cleaned("J\xfcrgen", 16, "J?rgen");
	cleaned("J\xc3\xbcrgen", 16, "J\xc3\xbcrgen");
	cleaned("a\tb\x1b[2J", 16, "a?b?[2J");
	/* cut between two characters */
	cleaned("J\xc3\xbcrgen", 8, "J\xc3\xbcrgen");
	cleaned("J\xc3\xbcrgen", 4, "J\xc3\xbc");
	cleaned("J\xc3\xbcrgen", 3, "J");
	cleaned("\xf0\x9f\x98\x80", 4, "");
	cleaned("\xf0\x9f\x98\x80", 5, "\xf0\x9f\x98\x80");
	cleaned("\xf0\x9f\x98", 5, "???");
	cleaned("anything", 1, "");
}

/* Any bytes: it is JSON afterwards, and what was good has not changed. */
static void test_any(void **state)
{
	char text[24], clean[24];
	json_t *json;
	size_t len, i;
	int round;

	(void)state;
	srand(1);
	for (round = 0; round < 200000; round++) {
		len = rand() % 12;
		for (i = 0; i < len; i++)
			text[i] = (rand() % 3 ? 0x80 | rand() : rand()) & 0xff;
		text[len] = '\0';
		cs_utf8_clean(clean, 1 + rand() % sizeof(clean), text);
		assert_true(strlen(clean) <= strlen(text));
		assert_true(cs_utf8_ok(clean, strlen(clean)));
		json = json_string(clean);
		assert_non_null(json);
		json_decref(json);
		json = json_string(text);
		if (cs_utf8_ok(text, strlen(text))) {
			assert_non_null(json);
			assert_memory_equal(clean, text, strlen(clean));
		}
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ok),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_any),
	};

	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
