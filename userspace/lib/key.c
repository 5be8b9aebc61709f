// SPDX-License-Identifier: GPL-2.0
/*
 * Key files: 32 raw bytes, or 64 hexadecimal digits, or 44 characters of base64, the latter two
 * with or without a newline. The length alone tells which, so no key can be taken for another.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "lib/base64.h"
#include "lib/hex.h"
#include "lib/key.h"

#define HEX_LEN		(2 * CS_KEY_LEN)
#define BASE64_LEN	44

static int decode_hex(const char *text, uint8_t key[CS_KEY_LEN])
{
	char digits[HEX_LEN + 1] = "";

	memcpy(digits, text, HEX_LEN);
	return cs_unhex(digits, key, CS_KEY_LEN) == CS_KEY_LEN ? 0 : -1;
}

/**
 * cs_key_decode - the content of a key file to a key
 *
 * Return: 0, -EMSGSIZE if the length fits no form, -EINVAL if a character is wrong.
 */
int cs_key_decode(const void *text, size_t len, uint8_t key[CS_KEY_LEN])
{
	const char *p = text;

	if (len == CS_KEY_LEN) {
		memcpy(key, text, CS_KEY_LEN);
		return 0;
	}
	if (len && p[len - 1] == '\n')
		len--;
	if (len == HEX_LEN)
		return decode_hex(p, key) ? -EINVAL : 0;
	if (len == BASE64_LEN)
		return cs_unbase64(p, len, key, CS_KEY_LEN) == CS_KEY_LEN ? 0 : -EINVAL;
	return -EMSGSIZE;
}

static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size) {
		n = read(fd, buf + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += n;
	}
	return len;
}

/* Others who can read the key can send in this node's name: say so, as wg does, but go on. */
static void warn_if_public(int fd, const char *path)
{
	struct stat st;

	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && (st.st_mode & 0044))
		fprintf(stderr, "Warning: key file '%s' can be read by %s (mode %04o)\n", path,
			st.st_mode & 0004 ? "others" : "its group", st.st_mode & 07777);
}

/**
 * cs_key_read - read a key file
 * @path: its name, "-" for standard input
 * @key: result
 * @error: where to say what is wrong, file name included
 * @size: room there
 *
 * Return: 0 or a negative errno.
 */
int cs_key_read(const char *path, uint8_t key[CS_KEY_LEN], char *error, size_t size)
{
	int fd = STDIN_FILENO, rc;
	char buf[HEX_LEN + 2];
	ssize_t len;

	if (strcmp(path, "-"))
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		rc = -errno;
		snprintf(error, size, "key file '%s': %s", path, strerror(-rc));
		return rc;
	}
	warn_if_public(fd, path);
	len = read_all(fd, buf, sizeof(buf));
	if (fd != STDIN_FILENO)
		close(fd);
	rc = len < 0 ? (int)len : cs_key_decode(buf, len, key);
	OPENSSL_cleanse(buf, sizeof(buf));
	if (len < 0)
		snprintf(error, size, "key file '%s': %s", path, strerror(-rc));
	else if (rc == -EMSGSIZE)
		snprintf(error, size, "key file '%s': %s%zd bytes; a key is 32 raw bytes, "
			 "64 hexadecimal digits or 44 characters of base64", path,
			 len == sizeof(buf) ? "at least " : "", len);
	else if (rc)
		snprintf(error, size, "key file '%s': not %s", path,
			 len >= HEX_LEN ? "hexadecimal" : "base64 of 32 bytes");
	return rc;
}
