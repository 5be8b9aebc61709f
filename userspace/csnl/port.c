// SPDX-License-Identifier: GPL-2.0
/*
 * csnl port: network interfaces attached to crowdshare devices, and their keys.
 */
#include <stdio.h>

#include "csnl/csnl.h"

static const char usage[] =
	"Usage: csnl port show [IFACE]\n"
	"       csnl port add IFACE dev DEV [echo auto|always|never] [auth required|off]\n"
	"       csnl port set IFACE [echo auto|always|never] [auth required|off]\n"
	"       csnl port del IFACE\n"
	"       csnl port key IFACE ID FILE\n"
	"       csnl port key IFACE del ID\n"
	"With auth off any neighbour is a free peer. The port key makes the tags of what this\n"
	"node sends to all on the port; ID is 1 to 255. FILE holds 32 bytes, raw, in hexadecimal\n"
	"or in base64; - is standard input.\n";

static const char *const echo_names[] = {
	[CROWDSHARE_ECHO_AUTO] = "auto",
	[CROWDSHARE_ECHO_ALWAYS] = "always",
	[CROWDSHARE_ECHO_NEVER] = "never",
};

static const char *const auth_names[] = {
	[CROWDSHARE_AUTH_OFF] = "off",
	[CROWDSHARE_AUTH_REQUIRED] = "required",
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/**
 * port_json - a port out of a reply or an event
 */
json_t *port_json(const struct nlmsghdr *nlh)
{
	const struct nlattr *a[CROWDSHARE_A_PORT_MAX + 1];
	json_t *port = json_object();

	cs_nl_attrs(nlh, a, CROWDSHARE_A_PORT_MAX);
	put_u32(port, "ifindex", a[CROWDSHARE_A_PORT_IFINDEX]);
	put_string(port, "ifname", a[CROWDSHARE_A_PORT_IFNAME]);
	put_u32(port, "dev_ifindex", a[CROWDSHARE_A_PORT_DEV_IFINDEX]);
	put_string(port, "dev", a[CROWDSHARE_A_PORT_DEV_IFNAME]);
	put_choice(port, "echo", a[CROWDSHARE_A_PORT_ECHO], echo_names, COUNT(echo_names));
	put_choice(port, "auth", a[CROWDSHARE_A_PORT_AUTH], auth_names, COUNT(auth_names));
	put_u32(port, "key_id", a[CROWDSHARE_A_PORT_KEY_ID]);
	put_u32(port, "peers", a[CROWDSHARE_A_PORT_PEERS]);
	put(port, "wireless", json_boolean(a[CROWDSHARE_A_PORT_WIRELESS]));
	return port;
}

/**
 * port_print - a port for a person
 */
void port_print(const json_t *port)
{
	printf("%lld: %s dev %s echo %s auth %s", get_number(port, "ifindex"),
	       get_string(port, "ifname"), get_string(port, "dev"), get_string(port, "echo"),
	       get_string(port, "auth"));
	if (json_object_get(port, "key_id"))
		printf(" key %lld", get_number(port, "key_id"));
	else
		printf(" key none");
	printf(" peers %lld%s\n", get_number(port, "peers"),
	       json_is_true(json_object_get(port, "wireless")) ? " wireless" : "");
}

static int port_cb(const struct nlmsghdr *nlh, void *list)
{
	json_array_append_new(list, port_json(nlh));
	return 0;
}

static int port_show(struct csnl *cs, struct args *args)
{
	struct nlmsghdr *nlh = cs_nl_prepare(csnl_nl(cs), CROWDSHARE_CMD_PORT_GET);
	json_t *list = json_array();
	uint32_t ifindex = 0;

	if (args->left)
		ifindex = args_ifindex(args, "IFACE", NULL);
	args_end(args);
	if (ifindex) {
		mnl_attr_put_u32(nlh, CROWDSHARE_A_PORT_IFINDEX, ifindex);
		csnl_do(cs, args, nlh, port_cb, list);
	} else {
		csnl_dump(cs, args, nlh, port_cb, list);
	}
	print_list(cs, list, port_print);
	return EXIT_YES;
}

/* The settings that add and set share. */
static bool parse_setting(struct args *args, struct nlmsghdr *nlh)
{
	if (args_option(args, "echo"))
		mnl_attr_put_u32(nlh, CROWDSHARE_A_PORT_ECHO,
				 args_choice(args, "echo", echo_names, COUNT(echo_names)));
	else if (args_option(args, "auth"))
		mnl_attr_put_u32(nlh, CROWDSHARE_A_PORT_AUTH,
				 args_choice(args, "auth", auth_names, COUNT(auth_names)));
	else
		return false;
	return true;
}

static int port_add(struct csnl *cs, struct args *args)
{
	struct nlmsghdr *nlh = cs_nl_prepare(csnl_nl(cs), CROWDSHARE_CMD_PORT_NEW);
	uint32_t dev = 0;

	mnl_attr_put_u32(nlh, CROWDSHARE_A_PORT_IFINDEX, args_ifindex(args, "IFACE", NULL));
	while (args->left) {
		if (args_option(args, "dev"))
			dev = args_ifindex(args, "dev", NULL);
		else if (!parse_setting(args, nlh))
			args_unknown(args);
	}
	if (!dev)
		args_die(args, "'dev DEV' is missing");
	mnl_attr_put_u32(nlh, CROWDSHARE_A_PORT_DEV_IFINDEX, dev);
	csnl_do(cs, args, nlh, NULL, NULL);
	return EXIT_YES;
}

static int port_set(struct csnl *cs, struct args *args)
{
	struct nlmsghdr *nlh = cs_nl_prepare(csnl_nl(cs), CROWDSHARE_CMD_PORT_SET);

	mnl_attr_put_u32(nlh, CROWDSHARE_A_PORT_IFINDEX, args_ifindex(args, "IFACE", NULL));
	if (!args->left)
		args_die(args, "nothing to set");
	while (args->left)
		if (!parse_setting(args, nlh))
			args_unknown(args);
	csnl_do(cs, args, nlh, NULL, NULL);
	return EXIT_YES;
}

static int port_del(struct csnl *cs, struct args *args)
{
	struct nlmsghdr *nlh = cs_nl_prepare(csnl_nl(cs), CROWDSHARE_CMD_PORT_DEL);

	mnl_attr_put_u32(nlh, CROWDSHARE_A_PORT_IFINDEX, args_ifindex(args, "IFACE", NULL));
	args_end(args);
	csnl_do(cs, args, nlh, NULL, NULL);
	return EXIT_YES;
}

static int port_key(struct csnl *cs, struct args *args)
{
	uint32_t ifindex = args_ifindex(args, "IFACE", NULL);
	bool del = args_option(args, "del");
	uint32_t id = args_number(args, "ID", 1, 255);
	const char *path = NULL;

	if (!del)
		path = args_next(args, "FILE");
	args_end(args);
	if (del)
		key_remove(cs, args, ifindex, NULL, CROWDSHARE_KEY_PORT, id);
	else
		key_install(cs, args, ifindex, NULL, CROWDSHARE_KEY_PORT, id, path);
	return EXIT_YES;
}

int csnl_port(struct csnl *cs, struct args *args)
{
	static const struct command commands[] = {
		{ "show", port_show },
		{ "list", port_show },
		{ "add", port_add },
		{ "set", port_set },
		{ "del", port_del },
		{ "key", port_key },
		{ NULL, NULL },
	};
	static const struct object port = { "port", commands, port_show, usage };

	return object_run(cs, args, &port);
}
