// SPDX-License-Identifier: GPL-2.0
/*
 * Names that others chose, made harmless: as file names, on a terminal, in JSON, and as arguments
 * of a command.
 *
 * Nothing here keeps state between calls.
 */
#include <stdio.h>
#include <string.h>

#include "lib/name.h"

#define EXTENSION_MAX	16

/**
 * cs_utf8() - take a character (RFC 3629)
 * @text: where from
 * @len: bytes there, at least one
 * @character: set to it
 *
 * Return: bytes that it took, 0 if this is no UTF-8.
 */
size_t cs_utf8(const uint8_t *text, size_t len, uint32_t *character)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n, i;

	*character = text[0];
	if (text[0] < 0x80)
		return 1;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	n = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	if (n > len)
		return 0;
	*character = text[0] & (0xff >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*character = *character << 6 | (text[i] & 0x3f);
	}
	if (*character < least[n] || *character > 0x10ffff ||
	    (*character >= 0xd800 && *character < 0xe000))
		return 0;
	return n;
}

/* What separates directories, moves a cursor, breaks a line, or turns the direction of writing. */
static bool is_harmful(uint32_t c)
{
	return c == '/' || c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/**
 * cs_name_clean() - make a name that does no harm
 * @clean: gets it
 * @name: may be any bytes
 * @len: of @name
 * @hidden: it may begin with a point, which hides it; never is it "." or ".."
 *
 * What is harmful, or no UTF-8, becomes '_', and so does a '-' at the beginning, which commands
 * take for an option. What is too long is cut. An empty name becomes "file".
 */
void cs_name_clean(char clean[CS_FILE_NAME_MAX + 1], const uint8_t *name, size_t len,
		   bool hidden)
{
	uint32_t character;
	size_t n, out = 0;

	for (; len; name += n, len -= n) {
		n = cs_utf8(name, len, &character);
		if (!n || is_harmful(character)) {
			if (out == CS_FILE_NAME_MAX)
				break;
			clean[out++] = '_';
			n = n ? n : 1;
			continue;
		}
		if (out + n > CS_FILE_NAME_MAX)
			break;
		memcpy(clean + out, name, n);
		out += n;
	}
	clean[out] = '\0';
	if (!out)
		strcpy(clean, "file");
	if (*clean == '-' || (*clean == '.' && !hidden) || !strcmp(clean, ".") ||
	    !strcmp(clean, ".."))
		*clean = '_';
}

/* Shortens a clean name to at most @max bytes, between characters. */
static size_t cut(const char *name, size_t len, size_t max)
{
	if (len <= max)
		return len;
	while (max && ((uint8_t)name[max] & 0xc0) == 0x80)
		max--;
	return max;
}

/**
 * cs_name_number() - another name, for when one is taken: "name (2).txt"
 * @numbered: gets it
 * @name: a clean name
 * @number: to tell it from others
 */
void cs_name_number(char numbered[CS_FILE_NAME_MAX + 1], const char *name, unsigned int number)
{
	const char *extension = strrchr(name, '.');
	char suffix[16 + EXTENSION_MAX];
	size_t stem;

	if (!extension || extension == name || strlen(extension) > EXTENSION_MAX)
		extension = name + strlen(name);
	snprintf(suffix, sizeof(suffix), " (%u)%s", number, extension);
	stem = cut(name, extension - name, CS_FILE_NAME_MAX - strlen(suffix));
	memcpy(numbered, name, stem);
	strcpy(numbered + stem, suffix);
}
