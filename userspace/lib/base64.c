// SPDX-License-Identifier: GPL-2.0
/*
 * Bytes as base64 (RFC 4648, section 4).
 */
#include <errno.h>
#include <limits.h>

#include "lib/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/**
 * cs_base64() - bytes to digits
 * @text: gets CS_BASE64_LEN(@len) digits and a NUL
 * @bytes: the bytes
 * @len: their number
 */
void cs_base64(char *text, const uint8_t *bytes, size_t len)
{
	uint32_t word;
	size_t i;

	for (i = 0; i < len; i += 3) {
		word = bytes[i] << 16 | (i + 1 < len ? bytes[i + 1] << 8 : 0) |
		       (i + 2 < len ? bytes[i + 2] : 0);
		*text++ = digits[word >> 18];
		*text++ = digits[word >> 12 & 63];
		*text++ = i + 1 < len ? digits[word >> 6 & 63] : '=';
		*text++ = i + 2 < len ? digits[word & 63] : '=';
	}
	*text = '\0';
}

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four digits, of which the last ones may be filling: the bytes they stand for, 0: they don't. */
static unsigned int group(const char *text, uint8_t bytes[3])
{
	unsigned int n = text[3] != '=' ? 3 : text[2] != '=' ? 2 : 1, i;
	uint32_t word = 0;
	int value;

	for (i = 0; i < 4; i++) {
		value = i <= n ? value_of(text[i]) : 0;
		if (value < 0)
			return 0;
		word = word << 6 | value;
	}
	/* bits that stand for nothing are zero: bytes have one form */
	if (n < 3 && word & (n == 2 ? 0xff : 0xffff))
		return 0;
	for (i = 0; i < 3; i++)
		bytes[i] = word >> (16 - 8 * i);
	return n;
}

/**
 * cs_unbase64() - digits to bytes
 * @text: the digits, with filling and nothing else
 * @len: their number
 * @bytes: gets the bytes
 * @size: room there
 *
 * Return: number of bytes; -EINVAL: it is no base64, or not in its one form; -EMSGSIZE: they are
 * more.
 */
long cs_unbase64(const char *text, size_t len, uint8_t *bytes, size_t size)
{
	unsigned int n, i;
	uint8_t three[3];
	size_t done = 0;

	if (len % 4 || len > LONG_MAX)
		return -EINVAL;
	for (; len; text += 4, len -= 4) {
		n = group(text, three);
		if (!n || (n < 3 && len > 4))
			return -EINVAL;
		if (n > size - done)
			return -EMSGSIZE;
		for (i = 0; i < n; i++)
			bytes[done++] = three[i];
	}
	return done;
}
