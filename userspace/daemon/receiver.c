// SPDX-License-Identifier: GPL-2.0
/*
 * Whose key signs for what goes to a destination.
 *
 * A destination in fd00::/8 is the hash of its key. A wired one has a real address, so its key has
 * to be named: by a card, which a person has and trusts, or by the contract under which a message
 * came. What a card says holds for its destination; what a contract says holds for what it is
 * about, that is, who is paid for the messages of that contract. It does not hold for others:
 * whoever signs a contract could name a key of his own, and suppress what others send with it.
 *
 * The table is small, written by hand or by "crowdshare put", kept in the database of receipts and
 * in memory.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/offer.h"
#include "daemon/receipt_file.h"
#include "daemon/receiver.h"
#include "lib/hex.h"

#define RECEIVERS_MAX	4096

/**
 * struct receivers - keys that were named
 * @file: where they are kept
 * @list: all of them
 * @count: their number
 */
struct receivers {
	struct sqlfile		*file;
	struct receipt_receiver	list[RECEIVERS_MAX];
	size_t			count;
};

static int load_one(const struct receipt_receiver *receiver, void *data)
{
	struct receivers *all = data;

	if (all->count == RECEIVERS_MAX)
		return 1;
	all->list[all->count++] = *receiver;
	return 0;
}

/**
 * receiver_open() - read the table
 * @daemon: whose
 * @file: database of receipts, which must stay open
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int receiver_open(struct daemon *daemon, struct sqlfile *file, struct cs_error *error)
{
	struct receivers *all = calloc(1, sizeof(*all));
	int rc;

	if (!all)
		return cs_error_set(error, -ENOMEM, "out of memory");
	daemon->receivers = all;
	all->file = file;
	rc = receipt_file_each_receiver(file, load_one, all, error);
	return rc < 0 ? rc : 0;
}

/**
 * receiver_close() - forget the table
 * @daemon: whose
 */
void receiver_close(struct daemon *daemon)
{
	free(daemon->receivers);
	daemon->receivers = NULL;
}

static struct receipt_receiver *find(const struct daemon *daemon,
				     const uint8_t address[CS_ADDR_LEN], uint16_t port)
{
	struct receivers *all = daemon->receivers;
	size_t i;

	for (i = 0; i < all->count; i++)
		if (all->list[i].port == port &&
		    !memcmp(all->list[i].address, address, CS_ADDR_LEN))
			return &all->list[i];
	return NULL;
}

/**
 * receiver_known() - the key that a card names for a destination
 * @daemon: whose table
 * @address: of the destination
 * @port: likewise
 * @public: gets the key
 *
 * Return: whether there is one.
 */
bool receiver_known(const struct daemon *daemon, const uint8_t address[CS_ADDR_LEN],
		    uint16_t port, uint8_t public[IDENTITY_PUBLIC_LEN])
{
	const struct receipt_receiver *receiver = find(daemon, address, port);

	if (receiver)
		memcpy(public, receiver->public, IDENTITY_PUBLIC_LEN);
	return receiver;
}

/**
 * receiver_port() - the destination's port
 * @daemon: whose store the message is in, if only store_each() has shown it
 * @item: a message
 *
 * Return: the port, 0 if the message is not there.
 */
uint16_t receiver_port(const struct daemon *daemon, const struct store_item *item)
{
	const uint8_t *message = item->message;
	struct store_item whole;

	if (!message && !store_get(daemon->store, item->digest, &whole))
		message = whole.message;
	return message ? be16toh(((const struct cs_msg_hdr *)message)->port) : 0;
}

/**
 * receiver_of() - who signs a receipt for a message, as a contract names him
 * @daemon: whose
 * @item: the message
 * @public: gets the key; zero for a destination that is the hash of its key
 *
 * Return: whether that is known.
 */
bool receiver_of(const struct daemon *daemon, const struct store_item *item,
		 uint8_t public[IDENTITY_PUBLIC_LEN])
{
	const struct contract *contract;

	memset(public, 0, IDENTITY_PUBLIC_LEN);
	if (item->destination[0] == 0xfd ||
	    receiver_known(daemon, item->destination, receiver_port(daemon, item), public))
		return true;
	contract = deal_sold(daemon, item->peer, item->contract, item->digest, NULL);
	if (contract)
		memcpy(public, contract->receiver, IDENTITY_PUBLIC_LEN);
	return contract;
}

/**
 * receiver_proves() - is a key the one of a message's destination, whoever sent the message?
 * @daemon: whose
 * @item: the message
 * @public: the key
 *
 * Return: whether it is known to be.
 */
bool receiver_proves(const struct daemon *daemon, const struct store_item *item,
		     const uint8_t public[IDENTITY_PUBLIC_LEN])
{
	uint8_t known[IDENTITY_PUBLIC_LEN], address[CS_ADDR_LEN];

	if (item->destination[0] == 0xfd) {
		identity_address(public, address);
		return !memcmp(address, item->destination, CS_ADDR_LEN);
	}
	return receiver_known(daemon, item->destination, receiver_port(daemon, item), known) &&
	       !memcmp(known, public, IDENTITY_PUBLIC_LEN);
}

/* --- The control socket --- */

static int parse(const json_t *request, struct receipt_receiver *receiver, bool key,
		 struct cs_error *error)
{
	const char *address = json_string_value(json_object_get(request, "address"));
	const char *public = json_string_value(json_object_get(request, "key"));
	json_int_t port = json_integer_value(json_object_get(request, "port"));

	memset(receiver, 0, sizeof(*receiver));
	if (!address || inet_pton(AF_INET6, address, receiver->address) != 1)
		return cs_error_set(error, -EINVAL, "'%s' is not an IPv6 address",
				    address ? address : "");
	if (receiver->address[0] == 0xfd)
		return cs_error_set(error, -EINVAL,
				    "%s is a node's own address, which tells whose key it is",
				    address);
	if (port < 1 || port > UINT16_MAX)
		return cs_error_set(error, -EINVAL, "a port is 1 to 65535");
	receiver->port = port;
	if (key && (!public || cs_unhex(public, receiver->public, IDENTITY_PUBLIC_LEN) !=
				       IDENTITY_PUBLIC_LEN))
		return cs_error_set(error, -EINVAL,
				    "'%s' is not a public key: 64 hexadecimal digits",
				    public ? public : "");
	return 0;
}

/**
 * receiver_add() - a person names the key of a destination
 * @daemon: whose table
 * @request: with address, port and key
 * @error: gets the reason of a refusal
 *
 * Return: 0 or a negative errno.
 */
int receiver_add(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	struct receivers *all = daemon->receivers;
	struct receipt_receiver receiver, *at;
	int rc;

	rc = parse(request, &receiver, true, error);
	if (rc)
		return rc;
	at = find(daemon, receiver.address, receiver.port);
	if (!at && all->count == RECEIVERS_MAX)
		return cs_error_set(error, -ENOSPC, "there are %d receivers already",
				    RECEIVERS_MAX);
	rc = receipt_file_receiver_set(all->file, &receiver, error);
	if (!rc)
		*(at ? at : &all->list[all->count++]) = receiver;
	return rc;
}

/**
 * receiver_del() - a person has the key of a destination forgotten
 * @daemon: whose table
 * @request: with address and port
 * @error: gets the reason of a refusal
 *
 * Return: 0 or a negative errno.
 */
int receiver_del(struct daemon *daemon, const json_t *request, struct cs_error *error)
{
	struct receivers *all = daemon->receivers;
	struct receipt_receiver receiver, *at;
	int rc;

	rc = parse(request, &receiver, false, error);
	if (rc)
		return rc;
	at = find(daemon, receiver.address, receiver.port);
	if (!at)
		return cs_error_set(error, -ENOENT, "no key is known for this destination");
	rc = receipt_file_receiver_del(all->file, &receiver, error);
	if (!rc)
		*at = all->list[--all->count];
	return rc;
}

/**
 * receiver_list() - all that were named
 * @daemon: whose table
 *
 * Return: a JSON array.
 */
json_t *receiver_list(const struct daemon *daemon)
{
	const struct receivers *all = daemon->receivers;
	char address[INET6_ADDRSTRLEN], key[2 * IDENTITY_PUBLIC_LEN + 1];
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < all->count; i++) {
		inet_ntop(AF_INET6, all->list[i].address, address, sizeof(address));
		cs_hex(key, all->list[i].public, IDENTITY_PUBLIC_LEN);
		json_array_append_new(list, json_pack("{s:s, s:i, s:s}", "address", address,
						      "port", all->list[i].port, "key", key));
	}
	return list;
}
