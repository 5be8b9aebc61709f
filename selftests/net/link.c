// SPDX-License-Identifier: GPL-2.0
/*
 * Opens packet sockets. A socket stays in the namespace in which it was made, so that one process
 * watches the links of all nodes of a test at once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_packet.h>

#include "die.h"
#include "link.h"

static void enter(int ns, const char *label)
{
	if (setns(ns, CLONE_NEWNET))
		die("%s: network namespace: %s", label, strerror(errno));
}

static int open_namespace(const char *label, size_t len)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%.*s", (int)len, label);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("%s: network namespace %s: %s", label, path, strerror(errno));
	return fd;
}

static void bind_to(struct link *link, const char *dev, int protocol)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(protocol),
	};
	struct ifreq ifr = {};

	if (strlen(dev) >= sizeof(ifr.ifr_name))
		die("%s: name of the interface is too long", link->label);
	strcpy(ifr.ifr_name, dev);
	/* protocol 0 until it is bound: else it would take frames of all interfaces */
	link->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (link->fd < 0)
		die("%s: packet socket: %s", link->label, strerror(errno));
	if (ioctl(link->fd, SIOCGIFINDEX, &ifr))
		die("%s: %s", link->label, strerror(errno));
	link->ifindex = ifr.ifr_ifindex;
	if (ioctl(link->fd, SIOCGIFHWADDR, &ifr))
		die("%s: address: %s", link->label, strerror(errno));
	memcpy(link->mac, ifr.ifr_hwaddr.sa_data, sizeof(link->mac));
	addr.sll_ifindex = link->ifindex;
	if (bind(link->fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("%s: bind: %s", link->label, strerror(errno));
}

/**
 * link_list() - all interfaces of a namespace but the loopback
 * @label: NAMESPACE:
 * @labels: gets labels, to be kept
 * @max: at most so many
 *
 * Return: how many there are.
 */
int link_list(const char *label, char **labels, int max)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int ns = open_namespace(label, strlen(label) - 1), nr = 0;
	struct if_nameindex *all, *i;

	enter(ns, label);
	all = if_nameindex();
	for (i = all; i && i->if_name; i++) {
		if (!strcmp(i->if_name, "lo"))
			continue;
		if (nr == max || asprintf(&labels[nr++], "%s%s", label, i->if_name) < 0)
			die("%s: too many interfaces", label);
	}
	if_freenameindex(all);
	enter(home, label);
	close(ns);
	close(home);
	return nr;
}

/**
 * link_open() - opens a packet socket on an interface
 * @link: filled in
 * @label: NAMESPACE:DEVICE or DEVICE
 * @protocol: what it receives: ETH_P_ALL, or 0 for nothing
 */
void link_open(struct link *link, const char *label, int protocol)
{
	const char *colon = strchr(label, ':');
	int home, ns;

	link->label = label;
	if (!colon) {
		bind_to(link, label, protocol);
		return;
	}
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		die("%s: own network namespace: %s", label, strerror(errno));
	ns = open_namespace(label, colon - label);
	enter(ns, label);
	bind_to(link, colon + 1, protocol);
	enter(home, label);
	close(ns);
	close(home);
}

void link_parse_mac(const char *text, uint8_t *mac)
{
	char rest;

	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &mac[0], &mac[1], &mac[2],
		   &mac[3], &mac[4], &mac[5], &rest) != 6)
		die("'%s' is no MAC address", text);
}
