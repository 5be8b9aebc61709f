// SPDX-License-Identifier: GPL-2.0
/*
 * Cards: what others need to send to somebody, as a text that survives mail and paper.
 *
 *	crowdshare card 1
 *	role recipient
 *	address 2001:db8::1
 *	port 7475
 *	key rsa 3072
 *	<SubjectPublicKeyInfo in DER, in base64, 64 characters a line>
 *	fingerprint <SHA-256 of the DER, sixteen groups of four digits>
 *	check <first eight bytes of SHA-256 of all lines before, their ends included>
 *
 * The card of who sends has no address and no port, and says "key ed25519".
 *
 * Lines end with a line feed; a carriage return before it, which mail adds, is taken as well. A
 * card has one form: what was read is printed again and has to be the same text. Cards may follow
 * one another in a file: a recipient's and their provider's.
 *
 * Nothing here keeps state between calls.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "fobject/rsa.h"
#include "lib/file.h"
#include "lib/hex.h"

#define DER_AROUND	38	/* bytes of DER around the modulus */
#define BASE64_LINE	64
#define BASE64_MAX	((CS_CARD_KEY_MAX + 2) / 3 * 4)
#define LINE_MAX_LEN	100
#define CHECK_LEN	8
#define FILE_MAX	(16 * 1024)
#define VERSION_LINE	"crowdshare card 1"
#define KEY_SENDER	"key ed25519"

static const char *const roles[] = {
	[CS_ROLE_RECIPIENT] = "recipient",
	[CS_ROLE_PROVIDER] = "provider",
	[CS_ROLE_SENDER] = "sender",
};

/* RFC 8410: what stands before an Ed25519 key in its SubjectPublicKeyInfo */
static const uint8_t ed25519_head[] = {
	0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
};

/**
 * struct text - a card being read
 * @p: what comes next
 * @left: bytes from @p on
 * @number: of the line that was read last
 * @line: that line, without its end
 */
struct text {
	const char	*p;
	size_t		left;
	unsigned int	number;
	char		line[LINE_MAX_LEN + 1];
};

static int sha256(const void *data, size_t len, uint8_t hash[CS_FINGERPRINT_LEN])
{
	return EVP_Q_digest(NULL, "SHA256", NULL, data, len, hash, NULL) == 1 ? 0 : -1;
}

/**
 * cs_card_fingerprint() - the fingerprint as people compare it
 * @card: the card
 * @text: gets sixteen groups of four digits
 */
void cs_card_fingerprint(const struct cs_card *card, char text[CS_FINGERPRINT_TEXT])
{
	int i;

	for (i = 0; i < CS_FINGERPRINT_LEN; i += 2) {
		cs_hex(text, card->fingerprint + i, 2);
		text[4] = ' ';
		text += 5;
	}
	text[-1] = '\0';
}

/* Appends; there is room, see CS_CARD_TEXT_MAX. */
__attribute__((format(printf, 3, 4)))
static size_t append(char *text, size_t len, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	len += vsnprintf(text + len, CS_CARD_TEXT_MAX - len, format, args);
	va_end(args);
	return len;
}

static size_t print_head(const struct cs_card *card, char text[CS_CARD_TEXT_MAX])
{
	size_t len = append(text, 0, VERSION_LINE "\nrole %s\n", roles[card->role]);
	char address[INET6_ADDRSTRLEN];

	if (card->role == CS_ROLE_SENDER)
		return append(text, len, KEY_SENDER "\n");
	inet_ntop(AF_INET6, card->address, address, sizeof(address));
	return append(text, len, "address %s\nport %u\nkey rsa %u\n", address, card->port,
		      card->bits);
}

/**
 * cs_card_print() - the text of a card
 * @card: the card
 * @text: gets it
 *
 * Return: its length without the NUL, 0 if OpenSSL has no SHA-256.
 */
size_t cs_card_print(const struct cs_card *card, char text[CS_CARD_TEXT_MAX])
{
	char fingerprint[CS_FINGERPRINT_TEXT];
	unsigned char base64[BASE64_MAX + 1];
	char digits[2 * CHECK_LEN + 1];
	uint8_t hash[CS_FINGERPRINT_LEN];
	size_t len = 0, base64_len, i;

	cs_card_fingerprint(card, fingerprint);
	base64_len = EVP_EncodeBlock(base64, card->key, card->key_len);
	len = print_head(card, text);
	for (i = 0; i < base64_len; i += BASE64_LINE)
		len = append(text, len, "%.*s\n", BASE64_LINE, base64 + i);
	len = append(text, len, "fingerprint %s\n", fingerprint);
	if (sha256(text, len, hash))
		return 0;
	cs_hex(digits, hash, CHECK_LEN);
	return append(text, len, "check %s\n", digits);
}

static int refuse(const struct text *text, struct cs_error *error, const char *what)
{
	return cs_error_set(error, -EBADMSG, "card, line %u: %s", text->number, what);
}

/* Takes the next line, which has to begin with @word; returns what follows it. */
static const char *next_line(struct text *text, const char *word, struct cs_error *error)
{
	const char *end = memchr(text->p, '\n', text->left);
	size_t len = end ? (size_t)(end - text->p) : text->left, i;

	text->number++;
	if (!end) {
		refuse(text, error, "the card ends here, but is not complete; have it sent again");
		return NULL;
	}
	text->left -= len + 1;
	if (len && text->p[len - 1] == '\r')
		len--;
	if (len > LINE_MAX_LEN) {
		refuse(text, error, "is too long");
		return NULL;
	}
	memcpy(text->line, text->p, len);
	text->line[len] = '\0';
	text->p = end + 1;
	for (i = 0; i < len; i++) {
		if (text->line[i] < ' ' || text->line[i] > '~') {
			refuse(text, error, "holds something that is no character of a card");
			return NULL;
		}
	}
	len = strlen(word);
	if (strncmp(text->line, word, len)) {
		cs_error_set(error, -EBADMSG, "card, line %u: does not begin with '%s'",
			     text->number, word);
		return NULL;
	}
	return text->line + len;
}

/* A number as it is printed: no sign, no zero in front. */
static bool number(const char *digits, unsigned int max, uint16_t *value)
{
	unsigned long parsed;

	if (!isdigit((unsigned char)*digits) || *digits == '0' || strlen(digits) > 5 ||
	    strspn(digits, "0123456789") != strlen(digits))
		return false;
	parsed = strtoul(digits, NULL, 10);
	*value = parsed;
	return parsed <= max;
}

/* A destination: one node's, and not just anybody's. */
static bool address_ok(const uint8_t address[CS_ADDR_LEN])
{
	static const uint8_t unset[CS_ADDR_LEN];

	return address[0] != 0xff && memcmp(address, unset, CS_ADDR_LEN);
}

static int read_head(struct cs_card *card, struct text *text, struct cs_error *error)
{
	const char *word;
	int role;

	word = next_line(text, "crowdshare card ", error);
	if (!word)
		return -EBADMSG;
	if (strcmp(word, "1"))
		return cs_error_set(error, -EBADMSG,
				    "card: its version is '%s', and this program knows 1", word);
	word = next_line(text, "role ", error);
	if (!word)
		return -EBADMSG;
	for (role = CS_ROLE_RECIPIENT; role <= CS_ROLE_SENDER; role++)
		if (!strcmp(word, roles[role]))
			card->role = role;
	if (!card->role)
		return refuse(text, error, "is of no recipient, provider or sender");
	if (card->role == CS_ROLE_SENDER)
		return 0;
	word = next_line(text, "address ", error);
	if (!word)
		return -EBADMSG;
	if (inet_pton(AF_INET6, word, card->address) != 1 || !address_ok(card->address))
		return refuse(text, error, "is not an IPv6 address to which one can send");
	word = next_line(text, "port ", error);
	if (!word)
		return -EBADMSG;
	if (!number(word, UINT16_MAX, &card->port))
		return refuse(text, error, "the port is not 1 to 65535");
	return 0;
}

/* What kind of key it is, and how long. */
static int read_kind(struct cs_card *card, struct text *text, struct cs_error *error)
{
	const char *word;

	if (card->role == CS_ROLE_SENDER) {
		word = next_line(text, KEY_SENDER, error);
		if (!word || *word)
			return word ? refuse(text, error, "is no kind of key") : -EBADMSG;
		card->bits = 8 * CS_PUBLIC_LEN;
		card->key_len = sizeof(ed25519_head) + CS_PUBLIC_LEN;
		return 0;
	}
	word = next_line(text, "key rsa ", error);
	if (!word)
		return -EBADMSG;
	if (!number(word, UINT16_MAX, &card->bits) || card->bits % 8)
		return refuse(text, error, "is no size of a key");
	if (card->bits < CS_RSA_BITS_MIN || card->bits > CS_RSA_BITS_MAX)
		return cs_error_set(error, -EINVAL,
				    "card: its key has %u bits: only %d to %d are taken",
				    card->bits, CS_RSA_BITS_MIN, CS_RSA_BITS_MAX);
	card->key_len = card->bits / 8 + DER_AROUND;
	return 0;
}

/* The key in base64; its length follows from what the card says of it. */
static int read_key(struct cs_card *card, struct text *text, struct cs_error *error)
{
	unsigned char base64[BASE64_MAX + 1];
	uint8_t der[BASE64_MAX / 4 * 3];
	int rc = read_kind(card, text, error);
	const char *word;
	size_t n, len;

	if (rc)
		return rc;
	len = (card->key_len + 2) / 3 * 4;
	for (n = 0; n < len; n += BASE64_LINE) {
		word = next_line(text, "", error);
		if (!word)
			return -EBADMSG;
		if (strlen(word) != (len - n < BASE64_LINE ? len - n : BASE64_LINE))
			return refuse(text, error, "the key is longer or shorter than it says");
		memcpy(base64 + n, word, strlen(word));
	}
	/* padding decodes to zeros */
	if (EVP_DecodeBlock(der, base64, len) != (int)(len / 4 * 3))
		return refuse(text, error, "the key is not base64");
	memcpy(card->key, der, card->key_len);
	return 0;
}

static int check_key(struct cs_card *card, struct cs_error *error)
{
	struct cs_error why = { "" };
	unsigned int bits = 0;
	EVP_PKEY *key;

	if (card->role == CS_ROLE_SENDER)
		return memcmp(card->key, ed25519_head, sizeof(ed25519_head)) ?
		       cs_error_set(error, -EBADMSG, "card: its key is not an Ed25519 key") : 0;
	key = cs_rsa_public(card->key, card->key_len, &bits, &why);
	if (!key)
		return cs_error_set(error, -EINVAL, "card: %s", why.text);
	EVP_PKEY_free(key);
	if (bits != card->bits)
		return cs_error_set(error, -EBADMSG, "card: its key has %u bits, not %u", bits,
				    card->bits);
	return 0;
}

/* Is the text, but for carriage returns, what is printed for @card? */
static int check_text(const struct cs_card *card, const char *text, size_t len,
		      struct cs_error *error)
{
	char again[CS_CARD_TEXT_MAX];
	size_t size = cs_card_print(card, again), i, n = 0;

	for (i = 0; i < len; i++) {
		if (text[i] == '\r' && i + 1 < len && text[i + 1] == '\n')
			continue;
		if (n == size || text[i] != again[n])
			break;
		n++;
	}
	if (i == len && n == size && size)
		return 0;
	return cs_error_set(error, -EBADMSG,
			    "card: the text was changed on its way; have it sent again");
}

/**
 * cs_card_parse() - read a card
 * @card: gets it
 * @text: from whoever; what follows the card is not looked at
 * @len: bytes of @text
 * @used: set to the bytes that the card took; may be NULL
 * @error: gets the reason of a failure
 *
 * Return: 0; -EBADMSG: it is no card, or damaged; -EINVAL: its key may not be used.
 */
int cs_card_parse(struct cs_card *card, const char *text, size_t len, size_t *used,
		  struct cs_error *error)
{
	struct text reader = { .p = text, .left = len };
	int rc;

	memset(card, 0, sizeof(*card));
	rc = read_head(card, &reader, error);
	if (!rc)
		rc = read_key(card, &reader, error);
	if (!rc && (!next_line(&reader, "fingerprint ", error) ||
		    !next_line(&reader, "check ", error)))
		rc = -EBADMSG;
	if (!rc && sha256(card->key, card->key_len, card->fingerprint))
		rc = cs_error_set(error, -EIO, "OpenSSL has no SHA-256");
	if (!rc)
		rc = check_text(card, text, reader.p - text, error);
	if (!rc)
		rc = check_key(card, error);
	if (rc)
		memset(card, 0, sizeof(*card));
	else if (used)
		*used = reader.p - text;
	return rc;
}

/**
 * cs_card_new() - the card of who has a private key
 * @card: gets it
 * @key: the private key
 * @role: for what it is used
 * @address: to which messages are to be sent
 * @port: there
 * @error: gets the reason of a failure
 *
 * Return: 0, or -EINVAL if nobody can send to that address or port.
 */
int cs_card_new(struct cs_card *card, const struct cs_private *key, enum cs_role role,
		const uint8_t address[CS_ADDR_LEN], uint16_t port, struct cs_error *error)
{
	memset(card, 0, sizeof(*card));
	if (role != CS_ROLE_RECIPIENT && role != CS_ROLE_PROVIDER)
		return cs_error_set(error, -EINVAL, "a card is a recipient's or a provider's");
	if (!address_ok(address) || !port)
		return cs_error_set(error, -EINVAL, "nobody can send to that address and port");
	card->role = role;
	card->port = port;
	card->bits = key->bits;
	card->key_len = key->der_len;
	memcpy(card->address, address, CS_ADDR_LEN);
	memcpy(card->key, key->der, key->der_len);
	memcpy(card->fingerprint, key->fingerprint, CS_FINGERPRINT_LEN);
	return 0;
}

/**
 * cs_card_sender() - the card of who sends
 * @card: gets it
 * @public: the Ed25519 key that signs
 * @error: gets the reason of a failure
 *
 * Return: 0, or -EIO if OpenSSL has no SHA-256.
 */
int cs_card_sender(struct cs_card *card, const uint8_t public[CS_PUBLIC_LEN],
		   struct cs_error *error)
{
	*card = (struct cs_card){
		.role = CS_ROLE_SENDER,
		.bits = 8 * CS_PUBLIC_LEN,
		.key_len = sizeof(ed25519_head) + CS_PUBLIC_LEN,
	};
	memcpy(card->key, ed25519_head, sizeof(ed25519_head));
	memcpy(card->key + sizeof(ed25519_head), public, CS_PUBLIC_LEN);
	if (sha256(card->key, card->key_len, card->fingerprint))
		return cs_error_set(error, -EIO, "OpenSSL has no SHA-256");
	return 0;
}

/* The card of a role, of those in a text; blank lines may stand around cards. */
static int find(struct cs_card *card, const char *text, size_t len, enum cs_role role,
		struct cs_error *error)
{
	size_t at = 0, used = 0;
	unsigned int cards = 0;
	int rc;

	for (;;) {
		while (at < len && (text[at] == '\n' || text[at] == '\r'))
			at++;
		if (at == len)
			break;
		rc = cs_card_parse(card, text + at, len - at, &used, error);
		if (rc || card->role == role)
			return rc;
		cards++;
		at += used;
	}
	memset(card, 0, sizeof(*card));
	return cs_error_set(error, -ENOENT, "no card of a %s is in it, and %u of others",
			    roles[role], cards);
}

/**
 * cs_card_read() - read the card of a role from a file
 * @card: gets the first one of that role
 * @path: of the file, which may hold several
 * @role: which one
 * @error: gets the reason of a failure
 *
 * Return: 0; -ENOENT: there is no such file, or no such card in it; another negative errno: it
 * can't be read, or is refused.
 */
int cs_card_read(struct cs_card *card, const char *path, enum cs_role role,
		 struct cs_error *error)
{
	struct cs_error why = { "" };
	char text[FILE_MAX];
	size_t len;
	FILE *file;
	int rc;

	memset(card, 0, sizeof(*card));
	rc = cs_file_open(&file, path, false, sizeof(text), error);
	if (rc)
		return rc;
	len = fread(text, 1, sizeof(text), file);
	rc = ferror(file) ? cs_error_set(&why, -EIO, "can't be read") : 0;
	fclose(file);
	if (!rc)
		rc = find(card, text, len, role, &why);
	return rc ? cs_error_set(error, rc, "%s: %s", path, why.text) : 0;
}
