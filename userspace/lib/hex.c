// SPDX-License-Identifier: GPL-2.0
/*
 * Bytes as hexadecimal digits.
 */
#include <errno.h>

#include "lib/hex.h"

/**
 * cs_hex() - bytes to digits
 * @text: gets 2 * @len digits and a NUL
 * @bytes: the bytes
 * @len: their number
 */
void cs_hex(char *text, const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < len; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * len] = '\0';
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/**
 * cs_unhex() - digits to bytes
 * @text: an even number of digits
 * @bytes: gets the bytes
 * @size: room there
 *
 * Return: number of bytes, -EINVAL for other characters or an odd number, -EMSGSIZE for too many.
 */
int cs_unhex(const char *text, uint8_t *bytes, size_t size)
{
	size_t n = 0;
	int high, low;

	for (; *text; text += 2) {
		high = digit(text[0]);
		low = high < 0 ? -1 : digit(text[1]);
		if (low < 0)
			return -EINVAL;
		if (n == size)
			return -EMSGSIZE;
		bytes[n++] = high << 4 | low;
	}
	return n;
}
