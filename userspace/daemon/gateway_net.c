// SPDX-License-Identifier: GPL-2.0
/*
 * Is the uplink at home?
 *
 * A laptop is a gateway where its owner pays for the line, and not in a train. A home network is
 * known by what its owner can read off: the MAC of the router, which is on its label and in
 * "ip neigh", or a prefix that the provider gave. A MAC is told by the router itself, so whoever
 * has the same one is taken for it: what this decides is whose bytes are used, not whom to trust;
 * the ingest proves itself by its key.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/gateway.h"
#include "daemon/log.h"
#include "daemon/policy.h"
#include "lib/hex.h"

#define ROUTES		"/proc/net/ipv6_route"
#define DISCARD		9

/**
 * gateway_router() - the router that the default route leads to
 * @routes: as /proc/net/ipv6_route
 * @interface: on which it is
 * @router: gets its address, of the route with the least metric
 *
 * Return: whether there is one.
 */
bool gateway_router(FILE *routes, const char *interface, uint8_t router[16])
{
	char to[33], next[33], name[IFNAMSIZ + 1], line[256];
	unsigned long long metric, least = UINT64_MAX;
	uint8_t address[16];
	unsigned int len;

	while (fgets(line, sizeof(line), routes)) {
		if (sscanf(line, "%32s %x %*s %*x %32s %llx %*x %*x %*x %16s", to, &len, next,
			   &metric, name) != 5 || strcmp(name, interface) || len ||
		    strspn(to, "0") != 32 || strspn(next, "0") == 32 || metric >= least ||
		    cs_unhex(next, address, sizeof(address)) != sizeof(address))
			continue;
		least = metric;
		memcpy(router, address, sizeof(address));
	}
	return least != UINT64_MAX;
}

/* Has the kernel ask for the MAC of a router: a datagram that nobody reads. */
static void ask(const uint8_t router[16], uint32_t ifindex)
{
	struct sockaddr_in6 to = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(DISCARD),
		.sin6_scope_id = ifindex,
	};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(&to.sin6_addr, router, 16);
	if (fd < 0)
		return;
	if (sendto(fd, "", 0, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		log_debug("gateway: the router can't be asked: %s", strerror(errno));
	close(fd);
}

/* MAC of the router of the uplink; false: it is not known yet. */
static bool router_lladdr(const struct daemon *daemon, uint8_t lladdr[KERNEL_LLADDR_LEN])
{
	const char *interface = daemon->config.gateway.interface;
	struct kernel *kernel = daemon->kernel;
	uint32_t ifindex = if_nametoindex(interface);
	FILE *routes = fopen(ROUTES, "re");
	uint8_t router[16];
	bool found;

	found = routes && gateway_router(routes, interface, router);
	if (routes)
		fclose(routes);
	if (!found || !kernel->ops->neighbour)
		return false;
	if (!kernel->ops->neighbour(kernel, ifindex, router, lladdr, NULL))
		return true;
	ask(router, ifindex);
	return false;
}

static bool is_global(const struct in6_addr *address)
{
	return !IN6_IS_ADDR_LINKLOCAL(address) && !IN6_IS_ADDR_LOOPBACK(address);
}

/* Looks at the addresses of the uplink: any global one, and one in a home network. */
static void look(const struct config_gateway *config, const struct ifaddrs *list, bool *any,
		 bool *home)
{
	const struct in6_addr *address;
	const struct ifaddrs *at;
	size_t i;

	for (at = list; at; at = at->ifa_next) {
		if (!at->ifa_addr || at->ifa_addr->sa_family != AF_INET6 ||
		    !(at->ifa_flags & IFF_RUNNING) || strcmp(at->ifa_name, config->interface))
			continue;
		address = &((const struct sockaddr_in6 *)at->ifa_addr)->sin6_addr;
		*any |= is_global(address) || at->ifa_flags & IFF_LOOPBACK;
		for (i = 0; i < config->nr_networks; i++)
			*home |= !config->networks[i].router &&
				 policy_in_prefixes(&config->networks[i].prefix, 1,
						    address->s6_addr);
	}
}

/**
 * gateway_at_home() - is the uplink up, and in a home network?
 * @daemon: whose
 * @why: gets the reason if not
 *
 * Return: whether it is.
 */
bool gateway_at_home(const struct daemon *daemon, char why[GATEWAY_WHY])
{
	const struct config_gateway *config = &daemon->config.gateway;
	bool any = false, home = !config->nr_networks, wanted = false;
	uint8_t lladdr[KERNEL_LLADDR_LEN];
	struct ifaddrs *list;
	size_t i;

	if (getifaddrs(&list)) {
		snprintf(why, GATEWAY_WHY, "addresses can't be read: %s", strerror(errno));
		return false;
	}
	look(config, list, &any, &home);
	freeifaddrs(list);
	if (!any) {
		snprintf(why, GATEWAY_WHY, "%s is down, or has no global IPv6 address",
			 config->interface);
		return false;
	}
	for (i = 0; i < config->nr_networks; i++)
		wanted |= config->networks[i].router;
	if (!home && wanted && router_lladdr(daemon, lladdr))
		for (i = 0; i < config->nr_networks; i++)
			home |= config->networks[i].router &&
				!memcmp(config->networks[i].lladdr, lladdr, sizeof(lladdr));
	snprintf(why, GATEWAY_WHY, "%s", home ? "" :
		 "the uplink is in none of the home networks that gateway.networks names");
	return home;
}
