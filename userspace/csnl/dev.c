// SPDX-License-Identifier: GPL-2.0
/*
 * csnl dev: settings of crowdshare devices. The devices themselves are made by ip link.
 */
#include <stdio.h>
#include <string.h>

#include "csnl/csnl.h"

static const char usage[] =
	"Usage: csnl dev show [DEV]\n"
	"       csnl dev set DEV [seen-max N] [lifetime-max SEC] [deliver all|local|none]\n"
	"                        [addr IPV6|none]\n"
	"A device is made by 'ip link add DEV type crowdshare', removed by 'ip link del DEV'.\n";

static const char *const deliver_names[] = {
	[CROWDSHARE_DELIVER_NONE] = "none",
	[CROWDSHARE_DELIVER_LOCAL] = "local",
	[CROWDSHARE_DELIVER_ALL] = "all",
};

static const char *const clock_names[] = {
	[CROWDSHARE_CLOCK_UNSET] = "unset",
	[CROWDSHARE_CLOCK_SET] = "set",
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/**
 * dev_json - a device out of a reply or an event
 */
json_t *dev_json(const struct nlmsghdr *nlh)
{
	const struct nlattr *a[CROWDSHARE_A_DEV_MAX + 1];
	json_t *dev = json_object();

	cs_nl_attrs(nlh, a, CROWDSHARE_A_DEV_MAX);
	put_u32(dev, "ifindex", a[CROWDSHARE_A_DEV_IFINDEX]);
	put_string(dev, "ifname", a[CROWDSHARE_A_DEV_IFNAME]);
	put_u32(dev, "seen_max", a[CROWDSHARE_A_DEV_SEEN_MAX]);
	put_u32(dev, "seen_count", a[CROWDSHARE_A_DEV_SEEN_COUNT]);
	put_u64(dev, "seen_bytes", a[CROWDSHARE_A_DEV_SEEN_BYTES]);
	put_u32(dev, "lifetime_max", a[CROWDSHARE_A_DEV_LIFETIME_MAX]);
	put_choice(dev, "deliver", a[CROWDSHARE_A_DEV_DELIVER], deliver_names,
		   COUNT(deliver_names));
	put_addr(dev, "address", a[CROWDSHARE_A_DEV_ADDRESS]);
	put_u32(dev, "ports", a[CROWDSHARE_A_DEV_PORTS]);
	put_choice(dev, "clock", a[CROWDSHARE_A_DEV_CLOCK], clock_names, COUNT(clock_names));
	put_u32(dev, "clock_allowance", a[CROWDSHARE_A_DEV_CLOCK_ALLOWANCE]);
	if (a[CROWDSHARE_A_DEV_FULL])
		put(dev, "full", json_true());
	return dev;
}

/**
 * dev_print - a device for a person
 */
void dev_print(const json_t *dev)
{
	/* an event that tells nothing else */
	if (json_object_get(dev, "full")) {
		printf("%lld: %s: a message was refused\n", get_number(dev, "ifindex"),
		       get_string(dev, "ifname"));
		return;
	}
	printf("%lld: %s: seen-max %lld lifetime-max %lld deliver %s addr %s\n",
	       get_number(dev, "ifindex"), get_string(dev, "ifname"), get_number(dev, "seen_max"),
	       get_number(dev, "lifetime_max"), get_string(dev, "deliver"),
	       get_string(dev, "address"));
	printf("    seen %lld bytes %lld ports %lld clock %s allowance %lld\n",
	       get_number(dev, "seen_count"), get_number(dev, "seen_bytes"),
	       get_number(dev, "ports"), get_string(dev, "clock"),
	       get_number(dev, "clock_allowance"));
}

static int dev_cb(const struct nlmsghdr *nlh, void *list)
{
	json_array_append_new(list, dev_json(nlh));
	return 0;
}

/**
 * dev_list - all devices of this network namespace
 */
json_t *dev_list(struct csnl *cs, struct args *args)
{
	json_t *list = json_array();

	csnl_dump(cs, args, cs_nl_prepare(csnl_nl(cs), CROWDSHARE_CMD_DEV_GET), dev_cb, list);
	return list;
}

/**
 * dev_get - a device as the only member of a list
 */
json_t *dev_get(struct csnl *cs, struct args *args, uint32_t ifindex)
{
	struct nlmsghdr *nlh = cs_nl_prepare(csnl_nl(cs), CROWDSHARE_CMD_DEV_GET);
	json_t *list = json_array();

	mnl_attr_put_u32(nlh, CROWDSHARE_A_DEV_IFINDEX, ifindex);
	csnl_do(cs, args, nlh, dev_cb, list);
	return list;
}

/**
 * dev_only - the device that is meant when none is named: there has to be exactly one
 */
uint32_t dev_only(struct csnl *cs, struct args *args)
{
	json_t *list = dev_list(cs, args);
	uint32_t ifindex;

	if (!json_array_size(list))
		args_die(args, "there is no crowdshare device");
	if (json_array_size(list) > 1)
		args_die(args, "'dev DEV' is missing: there are %zu crowdshare devices",
			 json_array_size(list));
	ifindex = get_number(json_array_get(list, 0), "ifindex");
	json_decref(list);
	return ifindex;
}

static int dev_show(struct csnl *cs, struct args *args)
{
	uint32_t ifindex = 0;
	json_t *list;

	args_option(args, "dev");
	if (args->left)
		ifindex = args_ifindex(args, "DEV", NULL);
	args_end(args);
	list = ifindex ? dev_get(cs, args, ifindex) : dev_list(cs, args);
	print_list(cs, list, dev_print);
	return EXIT_YES;
}

static void parse_addr(struct args *args, uint8_t addr[16])
{
	memset(addr, 0, 16);
	if (!args_option(args, "none"))
		args_addr(args, "addr", addr);
}

static int dev_set(struct csnl *cs, struct args *args)
{
	struct nlmsghdr *nlh = cs_nl_prepare(csnl_nl(cs), CROWDSHARE_CMD_DEV_SET);
	uint8_t addr[16];

	args_option(args, "dev");
	mnl_attr_put_u32(nlh, CROWDSHARE_A_DEV_IFINDEX, args_ifindex(args, "DEV", NULL));
	if (!args->left)
		args_die(args, "nothing to set");
	while (args->left) {
		if (args_option(args, "seen-max")) {
			mnl_attr_put_u32(nlh, CROWDSHARE_A_DEV_SEEN_MAX,
					 args_number(args, "seen-max", 1,
						     CROWDSHARE_SEEN_MAX_LIMIT));
		} else if (args_option(args, "lifetime-max")) {
			mnl_attr_put_u32(nlh, CROWDSHARE_A_DEV_LIFETIME_MAX,
					 args_number(args, "lifetime-max", 1,
						     CROWDSHARE_LIFETIME_LIMIT));
		} else if (args_option(args, "deliver")) {
			mnl_attr_put_u32(nlh, CROWDSHARE_A_DEV_DELIVER,
					 args_choice(args, "deliver", deliver_names,
						     COUNT(deliver_names)));
		} else if (args_option(args, "addr")) {
			parse_addr(args, addr);
			mnl_attr_put(nlh, CROWDSHARE_A_DEV_ADDRESS, sizeof(addr), addr);
		} else {
			args_unknown(args);
		}
	}
	csnl_do(cs, args, nlh, NULL, NULL);
	return EXIT_YES;
}

int csnl_dev(struct csnl *cs, struct args *args)
{
	static const struct command commands[] = {
		{ "show", dev_show },
		{ "list", dev_show },
		{ "set", dev_set },
		{ NULL, NULL },
	};
	static const struct object dev = { "dev", commands, dev_show, usage };

	return object_run(cs, args, &dev);
}
