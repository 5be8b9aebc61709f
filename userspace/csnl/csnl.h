/* SPDX-License-Identifier: GPL-2.0 */
/*
 * csnl - configure and watch the crowdshare kernel module: what its files share.
 */
#ifndef CSNL_H
#define CSNL_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "csnl/args.h"
#include "csnl/output.h"
#include "lib/netlink.h"

#define CSNL_VERSION	"0.1"

/* Exit statuses, as grep's: an answer of no is not an error. */
enum {
	EXIT_YES,
	EXIT_NO,
	EXIT_TROUBLE,
};

/**
 * struct csnl - what holds for the whole run
 * @json: print JSON
 * @pretty: indent it
 * @details: print what is long, too
 * @unusable: @nl could not be opened, its error says why
 * @nl: netlink socket, opened when first needed
 */
struct csnl {
	bool		json;
	bool		pretty;
	bool		details;
	bool		unusable;
	struct cs_nl	nl;
};

typedef int (*csnl_run)(struct csnl *cs, struct args *args);

/**
 * struct command - an object of csnl, or a command of an object
 * @name: its full name; any beginning that no other one shares will do
 * @run: what does it
 */
struct command {
	const char	*name;
	csnl_run	run;
};

/**
 * struct object - commands of an object and what is printed about them
 * @name: name of the object
 * @commands: ends with an entry without a name
 * @fallback: what runs when no command is given, NULL: usage error
 * @usage: lines for help
 */
struct object {
	const char		*name;
	const struct command	*commands;
	csnl_run		fallback;
	const char		*usage;
};

int object_run(struct csnl *cs, struct args *args, const struct object *object);

/* main.c: requests that end the program with the kernel's reason when they fail */
struct cs_nl *csnl_nl(struct csnl *cs);
struct cs_nl *csnl_need_nl(struct csnl *cs);
void csnl_do(struct csnl *cs, struct args *args, struct nlmsghdr *nlh, cs_nl_cb cb, void *data);
void csnl_dump(struct csnl *cs, struct args *args, struct nlmsghdr *nlh, cs_nl_cb cb,
	       json_t *list);

/* an object each */
int csnl_dev(struct csnl *cs, struct args *args);
int csnl_port(struct csnl *cs, struct args *args);
int csnl_peer(struct csnl *cs, struct args *args);
int csnl_contract(struct csnl *cs, struct args *args);
int csnl_seen(struct csnl *cs, struct args *args);
int csnl_stats(struct csnl *cs, struct args *args);
int csnl_monitor(struct csnl *cs, struct args *args);
int csnl_send(struct csnl *cs, struct args *args);
int csnl_recv(struct csnl *cs, struct args *args);

/* dev.c */
json_t *dev_json(const struct nlmsghdr *nlh);
void dev_print(const json_t *dev);
json_t *dev_get(struct csnl *cs, struct args *args, uint32_t ifindex);
json_t *dev_list(struct csnl *cs, struct args *args);
uint32_t dev_only(struct csnl *cs, struct args *args);

/* port.c, peer.c, contract.c */
json_t *port_json(const struct nlmsghdr *nlh);
void port_print(const json_t *port);
json_t *peer_json(const struct nlmsghdr *nlh);
void peer_print(const json_t *peer);
json_t *contract_json(const struct nlmsghdr *nlh);
void contract_print(const json_t *contract);

/* stats.c */
json_t *stats_list(struct csnl *cs, struct args *args, uint32_t ifindex);

/* key.c */
void key_install(struct csnl *cs, struct args *args, uint32_t ifindex, const uint8_t *lladdr,
		 enum crowdshare_key_use use, uint32_t id, const char *path);
void key_remove(struct csnl *cs, struct args *args, uint32_t ifindex, const uint8_t *lladdr,
		enum crowdshare_key_use use, uint32_t id);

#endif /* CSNL_H */
