// SPDX-License-Identifier: GPL-2.0
/*
 * csnl peer: neighbours on ports, their states, limits and keys.
 */
#include <stdio.h>
#include <string.h>

#include "csnl/csnl.h"

static const char usage[] =
	"Usage: csnl peer show [LLADDR] [port IFACE]\n"
	"       csnl peer add LLADDR port IFACE [state free|contract|deny] [rate MSGS]\n"
	"                                       [byterate BYTES]\n"
	"       csnl peer set LLADDR port IFACE [state ...] [rate MSGS] [byterate BYTES]\n"
	"       csnl peer del LLADDR port IFACE\n"
	"       csnl peer key LLADDR port IFACE rx|pairwise|tx ID FILE\n"
	"       csnl peer key LLADDR port IFACE rx|pairwise|tx ID del\n"
	"rate and byterate limit, per second, what new messages are taken from the peer; 0: no\n"
	"limit. An rx key verifies what comes from the peer, a pairwise key too, what it sends to\n"
	"this node alone, which only then may be under a contract; the tx key makes the tags of\n"
	"what is sent to it alone. ID is 1 to 255, rx and pairwise share them. FILE holds 32\n"
	"bytes, raw, in hexadecimal or in base64; - is standard input.\n";

static const char *const state_names[] = {
	[CROWDSHARE_PEER_FREE] = "free",
	[CROWDSHARE_PEER_CONTRACT] = "contract",
	[CROWDSHARE_PEER_DENY] = "deny",
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* The ids of keys, each an attribute of its own. */
static void put_keys(json_t *peer, const char *name, const struct nlmsghdr *nlh, uint16_t type)
{
	json_t *keys = json_array();
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == type && !mnl_attr_validate(attr, MNL_TYPE_U32))
			json_array_append_new(keys, json_integer(mnl_attr_get_u32(attr)));
	put(peer, name, keys);
}

/**
 * peer_json - a peer out of a reply or an event
 */
json_t *peer_json(const struct nlmsghdr *nlh)
{
	const struct nlattr *a[CROWDSHARE_A_PEER_MAX + 1];
	json_t *peer = json_object();

	cs_nl_attrs(nlh, a, CROWDSHARE_A_PEER_MAX);
	put_lladdr(peer, "lladdr", a[CROWDSHARE_A_PEER_LLADDR]);
	put_u32(peer, "port_ifindex", a[CROWDSHARE_A_PEER_PORT_IFINDEX]);
	put_string(peer, "port", a[CROWDSHARE_A_PEER_PORT_IFNAME]);
	put_choice(peer, "state", a[CROWDSHARE_A_PEER_STATE], state_names, COUNT(state_names));
	put_u32(peer, "rate", a[CROWDSHARE_A_PEER_RATE]);
	put_u64(peer, "byterate", a[CROWDSHARE_A_PEER_BYTERATE]);
	put_keys(peer, "rx_key_ids", nlh, CROWDSHARE_A_PEER_RX_KEY_ID);
	put_keys(peer, "pairwise_key_ids", nlh, CROWDSHARE_A_PEER_PAIRWISE_KEY_ID);
	put_u32(peer, "tx_key_id", a[CROWDSHARE_A_PEER_TX_KEY_ID]);
	return peer;
}

static void print_keys(const json_t *peer, const char *name)
{
	const json_t *keys = json_object_get(peer, name), *key;
	size_t i;

	json_array_foreach(keys, i, key)
		printf("%c%lld", i ? ',' : ' ', (long long)json_integer_value(key));
	if (!json_array_size(keys))
		printf(" none");
}

/**
 * peer_print - a peer for a person
 */
void peer_print(const json_t *peer)
{
	printf("%s port %s state %s", get_string(peer, "lladdr"), get_string(peer, "port"),
	       get_string(peer, "state"));
	if (get_number(peer, "rate"))
		printf(" rate %lld", get_number(peer, "rate"));
	if (get_number(peer, "byterate"))
		printf(" byterate %lld", get_number(peer, "byterate"));
	printf(" rx-keys");
	print_keys(peer, "rx_key_ids");
	printf(" pairwise-keys");
	print_keys(peer, "pairwise_key_ids");
	if (json_object_get(peer, "tx_key_id"))
		printf(" tx-key %lld\n", get_number(peer, "tx_key_id"));
	else
		printf(" tx-key none\n");
}

static int peer_cb(const struct nlmsghdr *nlh, void *list)
{
	json_array_append_new(list, peer_json(nlh));
	return 0;
}

/* The kernel dumps all peers; keep those that were asked for. */
static void filter(json_t *list, const char *lladdr, uint32_t ifindex)
{
	const json_t *peer;
	size_t i = 0;

	while ((peer = json_array_get(list, i))) {
		if ((lladdr && strcmp(lladdr, get_string(peer, "lladdr"))) ||
		    (ifindex && ifindex != get_number(peer, "port_ifindex")))
			json_array_remove(list, i);
		else
			i++;
	}
}

static int peer_show(struct csnl *cs, struct args *args)
{
	json_t *list = json_array();
	uint32_t ifindex = 0;
	char lladdr[18] = "";
	struct nlmsghdr *nlh;
	uint8_t mac[6];

	while (args->left) {
		if (args_option(args, "port")) {
			ifindex = args_ifindex(args, "port", NULL);
		} else if (!lladdr[0]) {
			args_lladdr(args, "LLADDR", mac);
			snprintf(lladdr, sizeof(lladdr), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
				 mac[1], mac[2], mac[3], mac[4], mac[5]);
		} else {
			args_unknown(args);
		}
	}
	nlh = cs_nl_prepare(csnl_nl(cs), CROWDSHARE_CMD_PEER_GET);
	if (lladdr[0] && ifindex) {
		mnl_attr_put_u32(nlh, CROWDSHARE_A_PEER_PORT_IFINDEX, ifindex);
		mnl_attr_put(nlh, CROWDSHARE_A_PEER_LLADDR, sizeof(mac), mac);
		csnl_do(cs, args, nlh, peer_cb, list);
	} else {
		csnl_dump(cs, args, nlh, peer_cb, list);
		filter(list, lladdr[0] ? lladdr : NULL, ifindex);
	}
	print_list(cs, list, peer_print);
	return EXIT_YES;
}

/* LLADDR port IFACE, which says whom every command but show is about. */
static uint32_t parse_whom(struct args *args, uint8_t lladdr[6])
{
	args_lladdr(args, "LLADDR", lladdr);
	if (!args_option(args, "port"))
		args_die(args, "'port IFACE' is missing after LLADDR");
	return args_ifindex(args, "port", NULL);
}

static struct nlmsghdr *prepare(struct csnl *cs, struct args *args, uint8_t cmd)
{
	struct nlmsghdr *nlh = cs_nl_prepare(csnl_nl(cs), cmd);
	uint8_t lladdr[6];

	mnl_attr_put_u32(nlh, CROWDSHARE_A_PEER_PORT_IFINDEX, parse_whom(args, lladdr));
	mnl_attr_put(nlh, CROWDSHARE_A_PEER_LLADDR, sizeof(lladdr), lladdr);
	return nlh;
}

static void parse_settings(struct args *args, struct nlmsghdr *nlh)
{
	while (args->left) {
		if (args_option(args, "state"))
			mnl_attr_put_u32(nlh, CROWDSHARE_A_PEER_STATE,
					 args_choice(args, "state", state_names,
						     COUNT(state_names)));
		else if (args_option(args, "rate"))
			mnl_attr_put_u32(nlh, CROWDSHARE_A_PEER_RATE,
					 args_number(args, "rate", 0, UINT32_MAX));
		else if (args_option(args, "byterate"))
			mnl_attr_put_u64(nlh, CROWDSHARE_A_PEER_BYTERATE,
					 args_number(args, "byterate", 0, UINT64_MAX));
		else
			args_unknown(args);
	}
}

static int peer_add(struct csnl *cs, struct args *args)
{
	struct nlmsghdr *nlh = prepare(cs, args, CROWDSHARE_CMD_PEER_NEW);

	parse_settings(args, nlh);
	csnl_do(cs, args, nlh, NULL, NULL);
	return EXIT_YES;
}

static int peer_set(struct csnl *cs, struct args *args)
{
	struct nlmsghdr *nlh = prepare(cs, args, CROWDSHARE_CMD_PEER_SET);

	if (!args->left)
		args_die(args, "nothing to set");
	parse_settings(args, nlh);
	csnl_do(cs, args, nlh, NULL, NULL);
	return EXIT_YES;
}

static int peer_del(struct csnl *cs, struct args *args)
{
	struct nlmsghdr *nlh = prepare(cs, args, CROWDSHARE_CMD_PEER_DEL);

	args_end(args);
	csnl_do(cs, args, nlh, NULL, NULL);
	return EXIT_YES;
}

static int peer_key(struct csnl *cs, struct args *args)
{
	static const char *const names[] = { "rx", "pairwise", "tx" };
	static const enum crowdshare_key_use uses[] = {
		CROWDSHARE_KEY_RX, CROWDSHARE_KEY_PAIRWISE, CROWDSHARE_KEY_TX,
	};
	enum crowdshare_key_use use;
	uint32_t ifindex, id;
	const char *path;
	uint8_t mac[6];

	ifindex = parse_whom(args, mac);
	use = uses[args_choice(args, "use of the key", names, COUNT(names))];
	id = args_number(args, "ID", 1, 255);
	path = args_next(args, "FILE or 'del'");
	args_end(args);
	if (!strcmp(path, "del"))
		key_remove(cs, args, ifindex, mac, use, id);
	else
		key_install(cs, args, ifindex, mac, use, id, path);
	return EXIT_YES;
}

int csnl_peer(struct csnl *cs, struct args *args)
{
	static const struct command commands[] = {
		{ "show", peer_show },
		{ "list", peer_show },
		{ "add", peer_add },
		{ "set", peer_set },
		{ "del", peer_del },
		{ "key", peer_key },
		{ NULL, NULL },
	};
	static const struct object peer = { "peer", commands, peer_show, usage };

	return object_run(cs, args, &peer);
}
