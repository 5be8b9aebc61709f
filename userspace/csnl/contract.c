// SPDX-License-Identifier: GPL-2.0
/*
 * csnl contract: what peers may send, or are sent, by agreement.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "csnl/csnl.h"

static const char usage[] =
	"Usage: csnl contract show [LLADDR] [port IFACE] [id N]\n"
	"       csnl contract add LLADDR port IFACE id N rx|tx bytes N expiry UNIX|+SECONDS\n"
	"       csnl contract del LLADDR port IFACE id N\n"
	"rx: covers what comes from the peer; tx: what is sent to it alone. Bytes count from the\n"
	"link header on. Only frames with the tag of a pairwise key are under a contract, see\n"
	"'csnl peer key'; a peer in state contract passes and gets nothing else.\n";

static const char *const direction_names[] = {
	[CROWDSHARE_CONTRACT_RX] = "rx",
	[CROWDSHARE_CONTRACT_TX] = "tx",
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/**
 * contract_json - a contract out of a reply or an event
 */
json_t *contract_json(const struct nlmsghdr *nlh)
{
	const struct nlattr *a[CROWDSHARE_A_CONTRACT_MAX + 1];
	json_t *contract = json_object();

	cs_nl_attrs(nlh, a, CROWDSHARE_A_CONTRACT_MAX);
	put_lladdr(contract, "lladdr", a[CROWDSHARE_A_CONTRACT_LLADDR]);
	put_u32(contract, "port_ifindex", a[CROWDSHARE_A_CONTRACT_PORT_IFINDEX]);
	put_string(contract, "port", a[CROWDSHARE_A_CONTRACT_PORT_IFNAME]);
	put_u32(contract, "id", a[CROWDSHARE_A_CONTRACT_ID]);
	put_choice(contract, "direction", a[CROWDSHARE_A_CONTRACT_DIRECTION], direction_names,
		   COUNT(direction_names));
	put_u64(contract, "bytes", a[CROWDSHARE_A_CONTRACT_BYTES]);
	put_u64(contract, "expiry", a[CROWDSHARE_A_CONTRACT_EXPIRY]);
	put_u64(contract, "used", a[CROWDSHARE_A_CONTRACT_USED]);
	put_u64(contract, "refused", a[CROWDSHARE_A_CONTRACT_REFUSED]);
	if (a[CROWDSHARE_A_CONTRACT_EXHAUSTED])
		put(contract, "exhausted", json_true());
	return contract;
}

/**
 * contract_print - a contract for a person
 */
void contract_print(const json_t *contract)
{
	time_t expiry = get_number(contract, "expiry");
	struct tm tm;
	char text[64];

	/* beyond what a calendar has */
	if (!gmtime_r(&expiry, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(text, sizeof(text), "%lld", get_number(contract, "expiry"));
	printf("%s port %s id %lld %s bytes %lld used %lld refused %lld expiry %s%s\n",
	       get_string(contract, "lladdr"), get_string(contract, "port"),
	       get_number(contract, "id"), get_string(contract, "direction"),
	       get_number(contract, "bytes"), get_number(contract, "used"),
	       get_number(contract, "refused"), text, expiry < time(NULL) ? " expired" : "");
}

static int contract_cb(const struct nlmsghdr *nlh, void *list)
{
	json_array_append_new(list, contract_json(nlh));
	return 0;
}

static int compare(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	long long port = get_number(x, "port_ifindex") - get_number(y, "port_ifindex");
	int lladdr = strcmp(get_string(x, "lladdr"), get_string(y, "lladdr"));

	if (port || lladdr)
		return port ? (port > 0) - (port < 0) : lladdr;
	return get_number(x, "id") < get_number(y, "id") ? -1 : 1;
}

/* By port, peer and id; the kernel's order is that of a hash. */
static json_t *sorted(json_t *list)
{
	size_t nr = json_array_size(list), i;
	json_t **items = malloc((nr + 1) * sizeof(*items));
	json_t *result = json_array();

	if (!items || !result)
		die("out of memory");
	for (i = 0; i < nr; i++)
		items[i] = json_array_get(list, i);
	qsort(items, nr, sizeof(*items), compare);
	for (i = 0; i < nr; i++)
		json_array_append(result, items[i]);
	free(items);
	json_decref(list);
	return result;
}

static int contract_show(struct csnl *cs, struct args *args)
{
	struct nlmsghdr *nlh = cs_nl_prepare(csnl_nl(cs), CROWDSHARE_CMD_CONTRACT_GET);
	bool whose = false, where = false, which = false;
	json_t *list = json_array();
	uint8_t mac[6];

	while (args->left) {
		if (args_option(args, "port")) {
			where = true;
			mnl_attr_put_u32(nlh, CROWDSHARE_A_CONTRACT_PORT_IFINDEX,
					 args_ifindex(args, "port", NULL));
		} else if (args_option(args, "id")) {
			which = true;
			mnl_attr_put_u32(nlh, CROWDSHARE_A_CONTRACT_ID,
					 args_number(args, "id", 1, UINT32_MAX));
		} else if (!whose) {
			whose = true;
			args_lladdr(args, "LLADDR", mac);
			mnl_attr_put(nlh, CROWDSHARE_A_CONTRACT_LLADDR, sizeof(mac), mac);
		} else {
			args_unknown(args);
		}
	}
	if (which && !(whose && where))
		args_die(args, "'id N' needs LLADDR and 'port IFACE': an id is one of a peer");
	if (which)
		csnl_do(cs, args, nlh, contract_cb, list);
	else
		csnl_dump(cs, args, nlh, contract_cb, list);
	print_list(cs, sorted(list), contract_print);
	return EXIT_YES;
}

/* LLADDR port IFACE id N, which says what add and del are about. */
static struct nlmsghdr *prepare(struct csnl *cs, struct args *args, uint8_t cmd)
{
	struct nlmsghdr *nlh = cs_nl_prepare(csnl_nl(cs), cmd);
	uint8_t lladdr[6];

	args_lladdr(args, "LLADDR", lladdr);
	mnl_attr_put(nlh, CROWDSHARE_A_CONTRACT_LLADDR, sizeof(lladdr), lladdr);
	if (!args_option(args, "port"))
		args_die(args, "'port IFACE' is missing after LLADDR");
	mnl_attr_put_u32(nlh, CROWDSHARE_A_CONTRACT_PORT_IFINDEX,
			 args_ifindex(args, "port", NULL));
	if (!args_option(args, "id"))
		args_die(args, "'id N' is missing after IFACE");
	mnl_attr_put_u32(nlh, CROWDSHARE_A_CONTRACT_ID, args_number(args, "id", 1, UINT32_MAX));
	return nlh;
}

/* A point in time, or from now on. */
static uint64_t parse_expiry(struct args *args)
{
	if (!args->left || **args->word != '+')
		return args_number(args, "expiry", 0, UINT64_MAX);
	++*args->word;
	return time(NULL) + args_number(args, "expiry", 0, INT32_MAX);
}

static int contract_add(struct csnl *cs, struct args *args)
{
	struct nlmsghdr *nlh = prepare(cs, args, CROWDSHARE_CMD_CONTRACT_NEW);
	bool bytes = false, expiry = false;

	mnl_attr_put_u32(nlh, CROWDSHARE_A_CONTRACT_DIRECTION,
			 args_choice(args, "direction", direction_names, COUNT(direction_names)));
	while (args->left) {
		if (args_option(args, "bytes")) {
			bytes = true;
			mnl_attr_put_u64(nlh, CROWDSHARE_A_CONTRACT_BYTES,
					 args_number(args, "bytes", 1, INT64_MAX));
		} else if (args_option(args, "expiry")) {
			expiry = true;
			mnl_attr_put_u64(nlh, CROWDSHARE_A_CONTRACT_EXPIRY, parse_expiry(args));
		} else {
			args_unknown(args);
		}
	}
	if (!bytes || !expiry)
		args_die(args, "'%s' is missing", bytes ? "expiry UNIX|+SECONDS" : "bytes N");
	csnl_do(cs, args, nlh, NULL, NULL);
	return EXIT_YES;
}

static int contract_del(struct csnl *cs, struct args *args)
{
	struct nlmsghdr *nlh = prepare(cs, args, CROWDSHARE_CMD_CONTRACT_DEL);

	args_end(args);
	csnl_do(cs, args, nlh, NULL, NULL);
	return EXIT_YES;
}

int csnl_contract(struct csnl *cs, struct args *args)
{
	static const struct command commands[] = {
		{ "show", contract_show },
		{ "list", contract_show },
		{ "add", contract_add },
		{ "del", contract_del },
		{ NULL, NULL },
	};
	static const struct object contract = { "contract", commands, contract_show, usage };

	return object_run(cs, args, &contract);
}
