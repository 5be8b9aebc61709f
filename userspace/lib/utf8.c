// SPDX-License-Identifier: GPL-2.0
/*
 * Texts that people, terminals and JSON can take: UTF-8 (RFC 3629) without control characters.
 */
#include <stdint.h>
#include <string.h>

#include "lib/utf8.h"

/* The character at the beginning of a text, and how long it is; 0: that is not UTF-8. */
static size_t next(const uint8_t *p, size_t len, uint32_t *character)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t i, n = *p < 0x80 ? 1 : *p < 0xc0 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 :
		      *p < 0xf8 ? 4 : 0;
	uint32_t c = n > 1 ? *p & (0x7f >> n) : *p;

	if (n > len)
		return 0;
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || c < least[n])
		return 0;
	*character = c;
	return n;
}

/* Length of what may stand at the beginning of a text; 0: nothing. */
static size_t good(const uint8_t *p, size_t len)
{
	uint32_t c;
	size_t n = next(p, len, &c);

	return n && c >= 0x20 && (c < 0x7f || c >= 0xa0) ? n : 0;
}

/**
 * cs_utf8_ok() - is it such a text?
 * @text: any bytes
 * @len: their number
 *
 * Return: whether it is.
 */
bool cs_utf8_ok(const void *text, size_t len)
{
	const uint8_t *p = text;
	size_t n;

	for (; len; p += n, len -= n) {
		n = good(p, len);
		if (!n)
			return false;
	}
	return true;
}

/**
 * cs_utf8_clean() - make any text such a text
 * @clean: gets it: each byte that does not belong there is a question mark
 * @size: bytes of @clean, with the final 0; what does not fit is cut off, between two characters
 * @text: any bytes but 0
 *
 * Return: @clean.
 */
const char *cs_utf8_clean(char *clean, size_t size, const char *text)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t n, at = 0, len = strlen(text);

	for (; len; p += n, len -= n) {
		n = good(p, len);
		if (at + (n ? n : 1) >= size)
			break;
		if (n)
			memcpy(clean + at, p, n);
		else
			clean[at] = '?';
		n = n ? n : 1;
		at += n;
	}
	clean[at] = '\0';
	return clean;
}
