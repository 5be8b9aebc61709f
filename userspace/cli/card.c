// SPDX-License-Identifier: GPL-2.0
/*
 * crowdshare id new, show, export: the keys of a recipient or a provider, and the cards that others
 * need to send to them. Asks no daemon: these keys are a person's, not the node's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <crowdshare/card.h>

#include "cli/crowdshare.h"
#include "cli/home.h"
#include "cli/qr.h"

static const char *const roles[] = { "recipient", "provider", "sender" };

static const struct column columns[] = {
	{ "role", "role", CELL_TEXT },
	{ "address", "address", CELL_TEXT },
	{ "port", "port", CELL_TEXT },
	{ "bits", "bits", CELL_TEXT },
	{ "fingerprint", "fingerprint", CELL_TEXT },
	{ NULL },
};

/**
 * struct options - of all three commands
 * @key: file of the private key
 * @role: whose it is
 * @bits: of a new one
 * @address: for the card
 * @port: for the card
 * @provider: file with the provider's card
 * @card: file with a card
 * @qr: as a QR code
 */
struct options {
	const char	*key;
	const char	*role;
	const char	*bits;
	const char	*address;
	const char	*port;
	const char	*provider;
	const char	*card;
	bool		qr;
};

static enum cs_role role_of(const struct args *args, const struct options *options)
{
	int role;

	if (!options->role)
		return CS_ROLE_RECIPIENT;
	for (role = CS_ROLE_RECIPIENT; role <= CS_ROLE_SENDER; role++)
		if (!strcmp(options->role, roles[role - 1]))
			return role;
	args_die(args, "--role '%s' is none of 'recipient', 'provider' and 'sender'",
		 options->role);
}

/* An option's value that is a number. */
static unsigned long number(const struct args *args, const char *what, const char *value,
			    unsigned long min, unsigned long max)
{
	struct args word = *args;

	word.word = (char **)&value;
	word.left = 1;
	return args_number(&word, what, min, max);
}

/**
 * card_key_path() - where a person's key is
 * @args: for error messages
 * @key: as said, NULL: not said; then its directory is made
 * @role: whose it is
 * @path: gets the path
 */
void card_key_path(const struct args *args, const char *key, enum cs_role role,
		   char path[PATH_MAX])
{
	char name[32];

	if (key) {
		snprintf(path, PATH_MAX, "%s", key);
		return;
	}
	snprintf(name, sizeof(name), "%s.pem", roles[role - 1]);
	home_data(args, name, path);
}

/**
 * card_sender() - the key that signs what a person sends, and the card of it
 * @args: for error messages; the program ends when there is a key that can't be used
 * @key: file of it as said, NULL: not said
 * @sender: gets the key, which is to be freed with EVP_PKEY_free()
 * @card: gets the card
 *
 * Return: whether there is one; if it was said there is.
 */
bool card_sender(const struct args *args, const char *key, struct identity *sender,
		 struct cs_card *card)
{
	size_t len = sizeof(sender->public);
	struct cs_error error = { "" };
	char path[PATH_MAX];
	int rc;

	memset(sender, 0, sizeof(*sender));
	card_key_path(args, key, CS_ROLE_SENDER, path);
	rc = identity_read_key(&sender->key, path, &error);
	if (rc == -ENOENT && !key)
		return false;
	if (!rc && EVP_PKEY_get_raw_public_key(sender->key, sender->public, &len) != 1)
		rc = cs_error_set(&error, -EIO, "%s: has no public key", path);
	if (!rc)
		rc = cs_card_sender(card, sender->public, &error);
	if (rc)
		args_die(args, "%s", error.text);
	return true;
}

static void key_path(const struct args *args, const struct options *options, char path[PATH_MAX])
{
	card_key_path(args, options->key, role_of(args, options), path);
}

static json_t *describe(const struct args *args, const struct cs_card *card)
{
	char address[INET6_ADDRSTRLEN], fingerprint[CS_FINGERPRINT_TEXT];
	json_t *json;

	cs_card_fingerprint(card, fingerprint);
	json = json_pack("{s:s, s:i, s:s}", "role", roles[card->role - 1], "bits", card->bits,
			 "fingerprint", fingerprint);
	if (!json)
		args_die(args, "out of memory");
	if (card->role == CS_ROLE_SENDER)
		return json;
	inet_ntop(AF_INET6, card->address, address, sizeof(address));
	json_object_set_new(json, "address", json_string(address));
	json_object_set_new(json, "port", json_integer(card->port));
	return json;
}

/* A terminal that is too narrow would show something that no camera reads. */
static void print_qr(const struct args *args, const char *text)
{
	struct winsize size;
	unsigned int width;
	char *qr = qr_text(text, &width);

	if (!qr)
		args_die(args, "the cards are too long for a QR code");
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col && size.ws_col < width)
		args_die(args, "the QR code needs %u columns and %u lines, and this terminal has "
			 "%u columns", width, width / 2 + 1, size.ws_col);
	fputs(qr, stdout);
	free(qr);
}

static int new_rsa(const struct args *args, const char *bits, const char *path,
		   struct cs_error *error)
{
	struct cs_private *key;
	int rc;

	rc = cs_private_new(&key, bits ? number(args, "--bits", bits, CS_RSA_BITS_MIN,
						CS_RSA_BITS_MAX) : CS_RSA_BITS_DEFAULT, error);
	if (rc)
		return rc;
	rc = cs_private_write(key, path, error);
	cs_private_free(key);
	return rc;
}

static int new_ed25519(const char *path, struct cs_error *error)
{
	EVP_PKEY *key = identity_new_key(error);
	int rc = key ? identity_write_key(key, path, error) : -EIO;

	EVP_PKEY_free(key);
	return rc;
}

static int make_key(struct cli *cli, struct args *args)
{
	struct options options = { NULL };
	struct cs_error error = { "" };
	char path[PATH_MAX];
	enum cs_role role;
	json_t *json;

	while (args->left)
		if (!args_value(args, "--key", &options.key) &&
		    !args_value(args, "--role", &options.role) &&
		    !args_value(args, "--bits", &options.bits))
			args_unknown(args);
	key_path(args, &options, path);
	role = role_of(args, &options);
	if (role == CS_ROLE_SENDER && options.bits)
		args_die(args, "--bits is for keys that open; a sender's always has 256");
	if (role == CS_ROLE_SENDER ? new_ed25519(path, &error) :
				     new_rsa(args, options.bits, path, &error))
		args_die(args, "%s", error.text);
	json = json_pack("{s:s}", "key", path);
	if (!json)
		args_die(args, "out of memory");
	print_object(cli, json, (struct column[]){ { "key", "key", CELL_TEXT }, { NULL } });
	json_decref(json);
	return EXIT_YES;
}

/* Where messages for this person go: as said, or to this node. */
static void address_of(struct cli *cli, struct args *args, const struct options *options,
		       uint8_t address[CS_ADDR_LEN])
{
	uint8_t public[IDENTITY_PUBLIC_LEN];
	char path[PATH_MAX];

	if (options->address) {
		if (inet_pton(AF_INET6, options->address, address) != 1)
			args_die(args, "--address '%s' is not an IPv6 address", options->address);
		return;
	}
	cli_state_file(cli, "identity.pub", path, sizeof(path));
	if (access(path, R_OK))
		args_die(args, "--address ADDRESS is missing, and this node has none: %s: %s", path,
			 strerror(errno));
	public_key(args, "a public key", path, public);
	identity_address(public, address);
}

/* The card of who opens what is sent to an address. */
static void make_card(struct cli *cli, struct args *args, const struct options *options,
		      struct cs_card *card)
{
	uint8_t address[CS_ADDR_LEN];
	struct cs_error error = { "" };
	struct cs_private *key;
	char path[PATH_MAX];
	unsigned long port;

	key_path(args, options, path);
	address_of(cli, args, options, address);
	port = options->port ? number(args, "--port", options->port, 1, UINT16_MAX) :
			       CS_PORT_DEFAULT;
	if (cs_private_read(&key, path, &error) ||
	    cs_card_new(card, key, role_of(args, options), address, port, &error))
		args_die(args, "%s", error.text);
	cs_private_free(key);
}

static void make_sender_card(struct args *args, const struct options *options,
			     struct cs_card *card)
{
	struct identity sender;

	if (options->address || options->port || options->provider)
		args_die(args, "--address, --port and --provider are for who receives");
	if (!card_sender(args, options->key, &sender, card))
		args_die(args, "there is no key: crowdshare id new --role sender");
	EVP_PKEY_free(sender.key);
}

static int export(struct cli *cli, struct args *args)
{
	char text[2 * CS_CARD_TEXT_MAX];
	struct options options = { NULL };
	struct cs_error error = { "" };
	struct cs_card card;
	size_t len;

	while (args->left) {
		if (args_option(args, "--qr"))
			options.qr = true;
		else if (!args_value(args, "--key", &options.key) &&
			 !args_value(args, "--role", &options.role) &&
			 !args_value(args, "--address", &options.address) &&
			 !args_value(args, "--port", &options.port) &&
			 !args_value(args, "--provider", &options.provider))
			args_unknown(args);
	}
	if (role_of(args, &options) == CS_ROLE_SENDER)
		make_sender_card(args, &options, &card);
	else
		make_card(cli, args, &options, &card);
	len = cs_card_print(&card, text);
	/* who sends to a recipient needs both */
	if (options.provider) {
		if (cs_card_read(&card, options.provider, CS_ROLE_PROVIDER, &error))
			args_die(args, "%s", error.text);
		text[len++] = '\n';
		cs_card_print(&card, text + len);
	}
	if (options.qr)
		print_qr(args, text);
	else
		fputs(text, stdout);
	flush_output();
	return EXIT_YES;
}

static int show(struct cli *cli, struct args *args)
{
	struct options options = { NULL };
	struct cs_error error = { "" };
	json_t *list = json_array(), *json;
	char text[CS_CARD_TEXT_MAX];
	struct cs_card card;
	int role;

	while (args->left) {
		if (args_option(args, "--qr"))
			options.qr = true;
		else if (!options.card)
			options.card = args_next(args, "CARD");
		else
			args_unknown(args);
	}
	if (!options.card)
		args_die(args, "CARD is missing");
	for (role = CS_ROLE_RECIPIENT; role <= CS_ROLE_SENDER; role++) {
		int rc = cs_card_read(&card, options.card, role, &error);

		if (rc == -ENOENT && !access(options.card, F_OK))
			continue;
		if (rc)
			args_die(args, "%s", error.text);
		json = describe(args, &card);
		if (!options.qr && !cli->json)
			print_object(cli, json, columns);
		json_array_append_new(list, json);
		if (options.qr && cs_card_print(&card, text))
			print_qr(args, text);
	}
	if (!json_array_size(list))
		args_die(args, "%s", error.text);
	if (cli->json)
		print_json(cli, list);
	json_decref(list);
	flush_output();
	return EXIT_YES;
}

static const struct command commands[] = {
	{ "new", make_key },
	{ "show", show },
	{ "export", export },
	{ NULL, NULL },
};

/**
 * card_command() - is this word a command about cards?
 * @word: after "id"; in full, since it may be a file's name, too
 *
 * Return: the command, or NULL.
 */
const struct command *card_command(const char *word)
{
	const struct command *command;

	for (command = commands; command->name; command++)
		if (!strcmp(command->name, word))
			return command;
	return NULL;
}
