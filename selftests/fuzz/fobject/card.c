// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: cards. What is taken prints to the same text, but for carriage returns; what is not
 * has a reason. As cards with a right checksum are hardly ever found by chance, a first byte with
 * its highest bit set asks for changes to a good one.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <crowdshare/card.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		__builtin_trap();
}

static void parse(const char *text, size_t len)
{
	char again[CS_CARD_TEXT_MAX];
	struct cs_error error = { "" };
	struct cs_card card, second;
	size_t used = 0, size;

	if (cs_card_parse(&card, text, len, &used, &error)) {
		check(error.text[0] && !card.key_len);
		return;
	}
	check(used <= len && card.bits >= CS_RSA_BITS_MIN && card.bits <= CS_RSA_BITS_MAX);
	size = cs_card_print(&card, again);
	check(size && size <= used);
	check(!cs_card_parse(&second, again, size, &used, NULL) && used == size);
	check(!memcmp(&card, &second, sizeof(card)));
}

static const char *good(void)
{
	static const uint8_t address[CS_ADDR_LEN] = { 0xfd, [15] = 1 };
	static char text[CS_CARD_TEXT_MAX];
	struct cs_private *key;
	struct cs_card card;

	if (text[0])
		return text;
	check(!cs_private_new(&key, CS_RSA_BITS_MIN, NULL));
	check(!cs_card_new(&card, key, CS_ROLE_RECIPIENT, address, 7475, NULL));
	check(cs_card_print(&card, text));
	cs_private_free(key);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[CS_CARD_TEXT_MAX];
	size_t len, at;

	if (!size || !(data[0] & 0x80)) {
		parse((const char *)data + !!size, size - !!size);
		return 0;
	}
	strcpy(text, good());
	len = strlen(text);
	for (data++, size--; size >= 3; data += 3, size -= 3) {
		at = (data[0] << 8 | data[1]) % len;
		text[at] = data[2];
	}
	parse(text, size ? len - data[0] % len : len);
	return 0;
}
