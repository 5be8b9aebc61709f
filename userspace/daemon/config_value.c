// SPDX-License-Identifier: GPL-2.0
/*
 * Values of settings that are texts. All is integers: a price in floating point would not be the
 * price that was written.
 *
 * Nothing here keeps state between calls.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "daemon/config_value.h"

#define WORD_MAX 32	/* no name of a setting is longer */
#define URL_CHARS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"

struct unit {
	const char *name;
	uint64_t factor;
};

/* Digits, at least one; *end is what comes after. */
static int digits(const char *text, uint64_t *value, const char **end)
{
	if (*text < '0' || *text > '9')
		return -EINVAL;
	for (*value = 0; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, (uint64_t)(*text - '0'), value))
			return -ERANGE;
	*end = text;
	return 0;
}

static int with_unit(const char *text, const struct unit *units, uint64_t *value)
{
	const char *end;
	uint64_t number;
	int rc = digits(text, &number, &end);

	if (rc)
		return rc;
	while (*end == ' ')
		end++;
	for (; units->name; units++)
		if (!strcmp(end, units->name))
			return __builtin_mul_overflow(number, units->factor, value) ? -ERANGE : 0;
	return -EINVAL;
}

/**
 * value_size() - a size with a unit, as "512MiB"
 * @text: a number and B, kB, MB, GB, TB, KiB, MiB, GiB or TiB; without a unit: bytes
 * @bytes: result
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int value_size(const char *text, uint64_t *bytes)
{
	static const struct unit units[] = {
		{ "", 1 }, { "B", 1 },
		{ "kB", 1000 }, { "MB", 1000000 }, { "GB", 1000000000 },
		{ "TB", 1000000000000 },
		{ "KiB", 1ull << 10 }, { "MiB", 1ull << 20 }, { "GiB", 1ull << 30 },
		{ "TiB", 1ull << 40 },
		{ NULL, 0 },
	};

	return with_unit(text, units, bytes);
}

/**
 * value_time() - a time with a unit, as "12h"
 * @text: a number and s, min, h or d; without a unit: seconds
 * @seconds: result
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int value_time(const char *text, uint64_t *seconds)
{
	static const struct unit units[] = {
		{ "", 1 }, { "s", 1 }, { "min", 60 }, { "h", 3600 }, { "d", 86400 },
		{ NULL, 0 },
	};

	return with_unit(text, units, seconds);
}

/**
 * value_decimal() - a decimal fraction, as "1.5"
 * @text: digits, and after a point at most @places of them
 * @places: how many digits after the point the result has
 * @value: result, in units of the last place: "1.5" with three places is 1500
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int value_decimal(const char *text, unsigned int places, uint64_t *value)
{
	const char *end;
	int rc = digits(text, value, &end);
	bool fraction = false;

	if (rc)
		return rc;
	if (*end == '.') {
		fraction = true;
		end++;
		if (*end < '0' || *end > '9')
			return -EINVAL;
	}
	for (; places; places--) {
		if (__builtin_mul_overflow(*value, 10, value))
			return -ERANGE;
		if (fraction && *end >= '0' && *end <= '9' &&
		    __builtin_add_overflow(*value, (uint64_t)(*end++ - '0'), value))
			return -ERANGE;
	}
	return *end ? -EINVAL : 0;
}

/**
 * value_geohash() - a geohash (G. Niemeyer, 2008), whole or the beginning of one
 * @text: up to 12 of the digits 0 to 9 and the letters but a, i, l and o
 * @geohash: result, in small letters
 *
 * Return: 0, -EINVAL or -ERANGE: too long.
 */
int value_geohash(const char *text, char geohash[CONFIG_GEOHASH_LEN])
{
	size_t i;

	for (i = 0; text[i]; i++) {
		char c = text[i] >= 'A' && text[i] <= 'Z' ? text[i] + ('a' - 'A') : text[i];

		if (!strchr("0123456789bcdefghjkmnpqrstuvwxyz", c))
			return -EINVAL;
		if (i == CONFIG_GEOHASH_LEN - 1)
			return -ERANGE;
		geohash[i] = c;
	}
	geohash[i] = '\0';
	return 0;
}

/**
 * value_address() - the address of a node
 * @text: IPv6 address
 * @address: result
 *
 * Return: 0; -EINVAL: no IPv6 address; -ERANGE: not in fd00::/8.
 */
int value_address(const char *text, uint8_t address[16])
{
	if (inet_pton(AF_INET6, text, address) != 1)
		return -EINVAL;
	return address[0] == 0xfd ? 0 : -ERANGE;
}

static bool bits_beyond(const struct config_prefix *prefix)
{
	unsigned int bit;

	for (bit = prefix->len; bit < 128; bit++)
		if (prefix->address[bit / 8] & 0x80 >> bit % 8)
			return true;
	return false;
}

/**
 * value_prefix() - an IPv6 prefix, as "fd12::/16"
 * @text: address and length; an address alone is itself
 * @prefix: result
 *
 * Return: 0; -EINVAL: no prefix; -ERANGE: the address has bits beyond the length.
 */
int value_prefix(const char *text, struct config_prefix *prefix)
{
	const char *slash = strchr(text, '/'), *end;
	char address[INET6_ADDRSTRLEN];
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	uint64_t bits = 128;

	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	if (inet_pton(AF_INET6, address, prefix->address) != 1)
		return -EINVAL;
	if (slash && (digits(slash + 1, &bits, &end) || *end || bits > 128))
		return -EINVAL;
	prefix->len = bits;
	return bits_beyond(prefix) ? -ERANGE : 0;
}

static bool hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/**
 * value_network() - how a home network is known
 * @text: MAC of its router, as "c8:0e:14:01:02:03", or an IPv6 prefix that it has
 * @network: result
 *
 * Return: 0; -EINVAL: neither; -ERANGE: the address has bits beyond the length.
 */
int value_network(const char *text, struct config_network *network)
{
	unsigned int byte;
	size_t i;

	memset(network, 0, sizeof(*network));
	for (i = 0; i < 6; i++) {
		if (!hex(text[3 * i]) || !hex(text[3 * i + 1]) ||
		    text[3 * i + 2] != (i < 5 ? ':' : '\0'))
			break;
		sscanf(text + 3 * i, "%2x", &byte);
		network->lladdr[i] = byte;
	}
	network->router = i == 6;
	return network->router ? 0 : value_prefix(text, &network->prefix);
}

/**
 * value_listen() - where to listen
 * @text: IPv6 address in brackets and port, as "[::]:7475"
 * @address: result
 * @port: result, 1 to 65535
 *
 * Return: 0 or -EINVAL.
 */
int value_listen(const char *text, uint8_t address[16], uint16_t *port)
{
	const char *close = strchr(text, ']'), *end;
	char copy[INET6_ADDRSTRLEN];
	uint64_t number;

	if (*text != '[' || !close || (size_t)(close - text) > sizeof(copy) || close[1] != ':')
		return -EINVAL;
	memcpy(copy, text + 1, close - text - 1);
	copy[close - text - 1] = '\0';
	if (inet_pton(AF_INET6, copy, address) != 1 || digits(close + 2, &number, &end) || *end ||
	    !number || number > UINT16_MAX)
		return -EINVAL;
	*port = number;
	return 0;
}

/* Is it this machine, by a name that no resolver is asked for? */
static bool loopback(const char *host, size_t len)
{
	char copy[INET_ADDRSTRLEN] = "";
	struct in_addr address;

	if ((len == 9 && !strncmp(host, "localhost", len)) ||
	    (len == 5 && !strncmp(host, "[::1]", len)))
		return true;
	if (len >= sizeof(copy))
		return false;
	memcpy(copy, host, len);
	return inet_pton(AF_INET, copy, &address) == 1 && (ntohl(address.s_addr) >> 24) == 127;
}

/* Names with a slash before each, none of which leads elsewhere. */
static bool path_ok(const char *path)
{
	size_t len;

	while (*path == '/') {
		len = strcspn(++path, "/");
		if (!len || (path[0] == '.' && (len == 1 || (len == 2 && path[1] == '.'))) ||
		    strspn(path, URL_CHARS) < len)
			return false;
		path += len;
		if (!*path)
			return true;
	}
	return false;
}

/**
 * value_bucket() - is it the URL of a bucket?
 * @text: scheme, host, perhaps a port, bucket, perhaps a prefix; nothing that would need an escape,
 *	since the signature is over the escaped form, which not all write alike
 *
 * Return: 0; -EINVAL: no URL; -EPERM: in plain, and not of a loopback address.
 */
int value_bucket(const char *text)
{
	bool plain = !strncmp(text, "http://", 7);
	const char *host = text + (plain ? 7 : 8), *end, *path;
	uint64_t port;

	if (!plain && strncmp(text, "https://", 8))
		return -EINVAL;
	path = host + strcspn(host, "/");
	if (*host == '[')
		end = host + 1 + strspn(host + 1, "0123456789abcdefABCDEF:.") + 1;
	else
		end = host + strspn(host, URL_CHARS);
	if (end > path || (*host == '[' && end[-1] != ']') || end - host < 1)
		return -EINVAL;
	if (plain && !loopback(host, end - host))
		return -EPERM;
	if (*end == ':' && (digits(end + 1, &port, &end) || !port || port > UINT16_MAX))
		return -EINVAL;
	return end == path && path_ok(path) ? 0 : -EINVAL;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/**
 * value_distance() - how many letters to insert, remove or change to get from one word to another
 * @a: a word
 * @b: another
 *
 * Levenshtein's distance, by the dynamic programming of Wagner and Fischer (1974), with one row.
 *
 * Return: the distance, or SIZE_MAX for words that are too long to be names of settings.
 */
size_t value_distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1], a_len = strlen(a), b_len = strlen(b), i, j, diagonal, above;

	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return SIZE_MAX;
	for (j = 0; j <= b_len; j++)
		row[j] = j;
	for (i = 1; i <= a_len; i++) {
		diagonal = row[0];
		row[0] = i;
		for (j = 1; j <= b_len; j++) {
			above = row[j];
			row[j] = least(least(above, row[j - 1]) + 1,
				       diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_len];
}
