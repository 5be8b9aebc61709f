// SPDX-License-Identifier: GPL-2.0
/*
 * crowdshare id: who this node is. Asks no daemon: it has left its public key in a file. Its
 * commands, which are about the keys of people, are in card.c.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/crowdshare.h"
#include "lib/hex.h"

#define PUBLIC_DIGITS	(2 * IDENTITY_PUBLIC_LEN)

static const char usage[] =
	"Usage: crowdshare id [ KEY ]\n"
	"       crowdshare id new [ --role ROLE ] [ --key FILE ] [ --bits N ]\n"
	"       crowdshare id export [ --role ROLE ] [ --key FILE ] [ --address ADDRESS ]\n"
	"                            [ --port N ] [ --provider CARD ] [ --qr ]\n"
	"       crowdshare id show CARD [ --qr ]\n"
	"       KEY := { public key in hexadecimal | file of one }\n"
	"       ROLE := { recipient | provider | sender }\n"
	"Without a command: prints address and public key, of this node or those of KEY.\n"
	"new makes the key of who receives, or sends; export prints the card that others need to\n"
	"send to them, or that a provider needs to know who sends; show what a card says.\n";

static const struct column columns[] = {
	{ "address", "address", CELL_TEXT },
	{ "public", "public", CELL_TEXT },
	{ NULL },
};

/**
 * hex_argument() - take a word of hexadecimal digits
 * @args: the words
 * @what: what it means, for the error message
 * @min: digits
 * @max: digits
 * @text: gets them in lower case; room for @max and a NUL
 */
void hex_argument(struct args *args, const char *what, size_t min, size_t max, char *text)
{
	const char *word = args_next(args, what);
	size_t len = strlen(word), i;

	if (strspn(word, "0123456789abcdefABCDEF") != len || !len)
		args_die(args, "%s '%s' is not hexadecimal", what, word);
	if (len < min || len > max)
		args_die(args, min == max ? "%s '%s' has %zu digits and needs %zu" :
			 "%s '%s' has %zu digits and needs %zu to %zu", what, word, len, min, max);
	for (i = 0; i <= len; i++)
		text[i] = tolower((unsigned char)word[i]);
}

static void read_key(const struct args *args, const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t len;

	if (!file)
		args_die(args, "%s: %s", path, strerror(errno));
	len = fread(text, 1, size - 1, file);
	if (ferror(file))
		args_die(args, "%s: %s", path, strerror(errno));
	fclose(file);
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	text[len] = '\0';
}

/**
 * public_key() - a public key, in digits or in a file
 * @args: for error messages
 * @what: what it means, for the error message
 * @word: the digits, or the path of the file
 * @public: gets the key
 */
void public_key(const struct args *args, const char *what, const char *word,
		uint8_t public[IDENTITY_PUBLIC_LEN])
{
	char text[PUBLIC_DIGITS + 16];

	if (strlen(word) == PUBLIC_DIGITS &&
	    cs_unhex(word, public, IDENTITY_PUBLIC_LEN) == IDENTITY_PUBLIC_LEN)
		return;
	read_key(args, word, text, sizeof(text));
	if (cs_unhex(text, public, IDENTITY_PUBLIC_LEN) != IDENTITY_PUBLIC_LEN)
		args_die(args, "%s: %s is %d hexadecimal digits, and the file holds something else",
			 word, what, PUBLIC_DIGITS);
}

static int show(struct cli *cli, struct args *args)
{
	char path[PATH_MAX], address[INET6_ADDRSTRLEN], hex[PUBLIC_DIGITS + 1];
	uint8_t public[IDENTITY_PUBLIC_LEN], bytes[CS_ADDR_LEN];
	json_t *id;

	if (args->left)
		snprintf(path, sizeof(path), "%s", args_next(args, "KEY"));
	else
		cli_state_file(cli, "identity.pub", path, sizeof(path));
	args_end(args);
	public_key(args, "a public key", path, public);
	identity_address(public, bytes);
	inet_ntop(AF_INET6, bytes, address, sizeof(address));
	cs_hex(hex, public, sizeof(public));
	id = json_pack("{s:s, s:s}", "address", address, "public", hex);
	if (!id)
		args_die(args, "out of memory");
	print_object(cli, id, columns);
	json_decref(id);
	return EXIT_YES;
}

int cli_id(struct cli *cli, struct args *args)
{
	static const struct object object = { "id", NULL, show, usage };
	const struct command *command = args->left ? card_command(*args->word) : NULL;

	if (!command || (args->left > 1 && args_is_help(args->word[args->left - 1])))
		return object_run(cli, args, &object);
	args->word++;
	args->left--;
	args_enter(args, command->name);
	return command->run(cli, args);
}
