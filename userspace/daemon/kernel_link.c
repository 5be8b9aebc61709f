// SPDX-License-Identifier: GPL-2.0
/*
 * Interfaces of the network namespace, as they come, change and go.
 *
 * A socket that is subscribed to rtnetlink's events keeps a list up to date; who listens is told
 * when what he would see differs from what he was told last. The list is made from a dump: at the
 * start, and again when the socket's buffer ran over and events were lost. What waits in the socket
 * then is thrown away first, as it is older than the dump. What comes in after the subscription and
 * before the dump only tells what the dump tells, or is followed by what does.
 *
 * Loopback, what is not Ethernet-like, and crowdshare devices can't be ports: they are not told of.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/handlers.h>
#include <netlink/msg.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/kernel_real.h"
#include "daemon/log.h"

#define DUMP_TRIES	10
#define EVENTS_AT_ONCE	64		/* so that other events get their turn */
#define DISCARD_MAX	100000
#define BUFFER_SIZE	(1 << 20)
#define RETRY_SECONDS	1

/**
 * struct watched - an interface
 * @next: in kernel_watch.list
 * @now: what it is
 * @told: what was told of it
 * @announced: @told holds
 * @stale: no dump has listed it yet
 */
struct watched {
	struct watched		*next;
	struct kernel_link	now;
	struct kernel_link	told;
	bool			announced;
	bool			stale;
};

/**
 * struct kernel_watch - all interfaces
 * @sock: subscribed to events
 * @on_events: event of @sock
 * @resync: timer: the list is made anew; at first, and whenever it may be wrong
 * @list: interfaces that can be ports
 * @discard: what @sock gets is thrown away
 * @device: the dump under way has listed the device
 */
struct kernel_watch {
	struct nl_sock	*sock;
	struct event	*on_events;
	struct event	*resync;
	struct watched	*list;
	bool		discard;
	bool		device;
};

static struct watched *lookup(const struct kernel_watch *watch, uint32_t ifindex)
{
	struct watched *w;

	for (w = watch->list; w; w = w->next)
		if (w->now.ifindex == ifindex)
			return w;
	return NULL;
}

/**
 * kernel_link_name() - what an interface is called, for people
 * @real: the real kernel
 * @ifindex: its index
 *
 * Return: its name, or "?" if it is not known.
 */
const char *kernel_link_name(const struct kernel_real *real, uint32_t ifindex)
{
	const struct watched *w = lookup(real->watch, ifindex);

	return w ? w->now.name : "?";
}

static void tell(struct kernel_real *real, struct watched *w)
{
	if (w->announced && !memcmp(&w->told, &w->now, sizeof(w->now)))
		return;
	w->told = w->now;
	w->announced = true;
	real->events->link(real->data, &w->told);
}

/* Takes an interface off the list, then tells that it went, if anybody knew it. */
static void forget(struct kernel_real *real, uint32_t ifindex)
{
	struct watched **p = &real->watch->list, *w;

	while (*p && (*p)->now.ifindex != ifindex)
		p = &(*p)->next;
	w = *p;
	if (!w)
		return;
	*p = w->next;
	w->told.gone = true;
	w->told.up = false;
	if (w->announced)
		real->events->link(real->data, &w->told);
	free(w);
}

/* An interface as a message has it. */
struct facts {
	uint32_t	ifindex;
	unsigned int	flags;
	unsigned int	type;
	const char	*name;
	const uint8_t	*lladdr;
	uint32_t	mtu;
	bool		crowdshare;
};

static bool is_crowdshare(struct nlattr *linkinfo)
{
	struct nlattr *a[IFLA_INFO_MAX + 1];
	static const struct nla_policy policy[IFLA_INFO_MAX + 1] = {
		[IFLA_INFO_KIND] = { .type = NLA_STRING },
	};

	return linkinfo && nla_parse_nested(a, IFLA_INFO_MAX, linkinfo, policy) >= 0 &&
	       a[IFLA_INFO_KIND] && !nla_strcmp(a[IFLA_INFO_KIND], "crowdshare");
}

/*
 * Bridges and wireless extensions send messages of the same type that tell something else, without
 * a name.
 */
static bool link_parse(struct nlmsghdr *nlh, struct facts *facts)
{
	static const struct nla_policy policy[IFLA_MAX + 1] = {
		[IFLA_IFNAME] = { .type = NLA_STRING, .minlen = 1, .maxlen = IFNAMSIZ },
		[IFLA_MTU] = { .type = NLA_U32 },
		[IFLA_LINKINFO] = { .type = NLA_NESTED },
	};
	struct nlattr *a[IFLA_MAX + 1];
	const struct ifinfomsg *info;

	if (!nlmsg_valid_hdr(nlh, sizeof(*info)))
		return false;
	info = nlmsg_data(nlh);
	if (info->ifi_family != AF_UNSPEC || info->ifi_index <= 0 ||
	    nlmsg_parse(nlh, sizeof(*info), a, IFLA_MAX, policy) < 0 || !a[IFLA_IFNAME] ||
	    !memchr(nla_data(a[IFLA_IFNAME]), '\0', nla_len(a[IFLA_IFNAME])))
		return false;
	*facts = (struct facts) {
		.ifindex = info->ifi_index,
		.flags = info->ifi_flags,
		.type = info->ifi_type,
		.name = nla_get_string(a[IFLA_IFNAME]),
		.mtu = a[IFLA_MTU] ? nla_get_u32(a[IFLA_MTU]) : 0,
		.crowdshare = is_crowdshare(a[IFLA_LINKINFO]),
	};
	if (a[IFLA_ADDRESS] && nla_len(a[IFLA_ADDRESS]) == KERNEL_LLADDR_LEN)
		facts->lladdr = nla_data(a[IFLA_ADDRESS]);
	return true;
}

static struct watched *add(struct kernel_real *real, uint32_t ifindex)
{
	struct watched *w = calloc(1, sizeof(*w)), **end = &real->watch->list;

	if (!w)
		return NULL;
	w->now.ifindex = ifindex;
	while (*end)
		end = &(*end)->next;
	*end = w;
	return w;
}

static void link_new(struct kernel_real *real, const struct facts *facts, bool dump)
{
	struct watched *w;

	if (facts->ifindex == real->ifindex) {
		real->watch->device = true;
		if (facts->lladdr)
			memcpy(real->kernel.lladdr, facts->lladdr, KERNEL_LLADDR_LEN);
	}
	if (facts->crowdshare || facts->flags & IFF_LOOPBACK || facts->type != ARPHRD_ETHER ||
	    !facts->lladdr) {
		forget(real, facts->ifindex);
		return;
	}
	w = lookup(real->watch, facts->ifindex);
	if (!w)
		w = add(real, facts->ifindex);
	if (!w) {
		log_error("interface '%s' is not watched: out of memory", facts->name);
		return;
	}
	w->stale = false;
	/* padded with zeros, so that memcmp() tells whether anything changed */
	memset(w->now.name, 0, sizeof(w->now.name));
	memcpy(w->now.name, facts->name, strlen(facts->name));
	memcpy(w->now.lladdr, facts->lladdr, KERNEL_LLADDR_LEN);
	w->now.mtu = facts->mtu;
	w->now.up = (facts->flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
	if (!dump)
		tell(real, w);
}

static void link_gone(struct kernel_real *real, uint32_t ifindex)
{
	if (ifindex != real->ifindex) {
		forget(real, ifindex);
		return;
	}
	log_error("device '%s' was removed", real->name);
	real->ifindex = 0;
	if (real->events->device_gone)
		real->events->device_gone(real->data);
}

static void on_link(struct kernel_real *real, struct nlmsghdr *nlh, bool dump)
{
	struct facts facts;

	if (!link_parse(nlh, &facts))
		return;
	if (nlh->nlmsg_type == RTM_NEWLINK)
		link_new(real, &facts, dump);
	else
		link_gone(real, facts.ifindex);
}

/* A link-local address; *usable: it may be used, for long or for ever. */
static bool addr_parse(struct nlmsghdr *nlh, uint32_t *ifindex, struct in6_addr *addr,
		       bool *usable)
{
	static const struct nla_policy policy[IFA_MAX + 1] = {
		[IFA_ADDRESS] = { .minlen = sizeof(*addr), .maxlen = sizeof(*addr) },
		[IFA_FLAGS] = { .type = NLA_U32 },
	};
	struct nlattr *a[IFA_MAX + 1];
	const struct ifaddrmsg *info;
	uint32_t flags;

	if (!nlmsg_valid_hdr(nlh, sizeof(*info)))
		return false;
	info = nlmsg_data(nlh);
	if (info->ifa_family != AF_INET6 ||
	    nlmsg_parse(nlh, sizeof(*info), a, IFA_MAX, policy) < 0 || !a[IFA_ADDRESS])
		return false;
	*ifindex = info->ifa_index;
	memcpy(addr, nla_data(a[IFA_ADDRESS]), sizeof(*addr));
	flags = a[IFA_FLAGS] ? nla_get_u32(a[IFA_FLAGS]) : info->ifa_flags;
	*usable = nlh->nlmsg_type == RTM_NEWADDR && !(flags & IFA_F_DADFAILED) &&
		  (!(flags & IFA_F_TENTATIVE) || flags & IFA_F_OPTIMISTIC);
	return IN6_IS_ADDR_LINKLOCAL(addr);
}

/* The timer does it, since it can't be done from within a callback of the socket. */
static void resync_soon(struct kernel_watch *watch, unsigned int seconds)
{
	struct timeval soon = { seconds, 0 };

	event_add(watch->resync, &soon);
}

/* An interface may have several addresses: the one that was told stays as long as it can. */
static void on_addr(struct kernel_real *real, struct nlmsghdr *nlh, bool dump)
{
	struct in6_addr addr, none = IN6ADDR_ANY_INIT;
	struct watched *w;
	uint32_t ifindex;
	bool usable;

	if (!addr_parse(nlh, &ifindex, &addr, &usable))
		return;
	w = lookup(real->watch, ifindex);
	if (!w)
		return;
	if (usable) {
		if (!memcmp(w->now.local, &none, sizeof(none)) ||
		    !memcmp(w->told.local, &addr, sizeof(addr)))
			memcpy(w->now.local, &addr, sizeof(addr));
	} else if (!memcmp(w->now.local, &addr, sizeof(addr))) {
		memset(w->now.local, 0, sizeof(w->now.local));
		resync_soon(real->watch, 0);
	}
	if (!dump)
		tell(real, w);
}

static void on_message(struct kernel_real *real, struct nlmsghdr *nlh, bool dump)
{
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		on_link(real, nlh, dump);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		on_addr(real, nlh, dump);
		break;
	}
}

static int on_event_message(struct nl_msg *msg, void *data)
{
	struct kernel_real *real = data;

	if (!real->watch->discard)
		on_message(real, nlmsg_hdr(msg), false);
	return NL_OK;
}

static int on_dump_message(struct nl_msg *msg, void *data)
{
	on_message(data, nlmsg_hdr(msg), true);
	return NL_OK;
}

/* A dump that was disturbed is repeated: what it lists twice does no harm. */
static int dump(struct kernel_real *real, int type, void *head, size_t len,
		struct cs_error *error)
{
	int nle, tries = DUMP_TRIES;

	do {
		nle = nl_send_simple(real->rtnl.sock, type, NLM_F_DUMP, head, len);
		if (nle >= 0)
			nle = kernel_rtnl_receive(&real->rtnl, on_dump_message, real);
	} while (nle == -NLE_DUMP_INTR && --tries);
	return kernel_rtnl_result(&real->rtnl, nle, error, "interfaces");
}

static int dump_all(struct kernel_real *real, struct cs_error *error)
{
	struct ifaddrmsg addr = { .ifa_family = AF_INET6 };
	struct ifinfomsg link = { .ifi_family = AF_UNSPEC };
	struct watched *w, *next;
	int rc;

	for (w = real->watch->list; w; w = w->next)
		w->stale = true;
	real->watch->device = false;
	rc = dump(real, RTM_GETLINK, &link, sizeof(link), error);
	if (rc)
		return rc;
	if (real->ifindex && !real->watch->device)
		link_gone(real, real->ifindex);
	for (w = real->watch->list; w; w = next) {
		next = w->next;
		if (w->stale)
			forget(real, w->now.ifindex);
		else
			memset(w->now.local, 0, sizeof(w->now.local));
	}
	return dump(real, RTM_GETADDR, &addr, sizeof(addr), error);
}

static void on_resync(evutil_socket_t fd, short what, void *data)
{
	struct kernel_real *real = data;
	struct cs_error error = { "" };
	struct watched *w, *next;

	(void)fd;
	(void)what;
	if (dump_all(real, &error)) {
		log_warning("%s; trying again", error.text);
		resync_soon(real->watch, RETRY_SECONDS);
		return;
	}
	for (w = real->watch->list; w; w = next) {
		next = w->next;
		tell(real, w);
	}
}

/* Events were lost: throws away those that are still there. */
static void overrun(struct kernel_real *real)
{
	struct kernel_watch *watch = real->watch;
	int n, nle = 0;

	watch->discard = true;
	for (n = 0; n < DISCARD_MAX && (nle >= 0 || nle == -NLE_NOMEM); n++)
		nle = nl_recvmsgs_default(watch->sock);
	watch->discard = false;
	log_warning("interfaces: events were lost, looking at all of them again");
	resync_soon(watch, 0);
}

static void on_events(evutil_socket_t fd, short what, void *data)
{
	struct kernel_real *real = data;
	int n, nle = 0;

	(void)fd;
	(void)what;
	for (n = 0; n < EVENTS_AT_ONCE && nle >= 0; n++)
		nle = nl_recvmsgs_default(real->watch->sock);
	if (nle == -NLE_NOMEM)
		overrun(real);
	else if (nle < 0 && nle != -NLE_AGAIN)
		log_warning("interfaces: netlink: %s", nl_geterror(nle));
}

static int subscribe(struct kernel_real *real, struct cs_error *error)
{
	struct kernel_watch *watch = real->watch;
	int nle;

	watch->sock = nl_socket_alloc();
	if (!watch->sock)
		return cs_error_set(error, -ENOMEM, "interfaces: out of memory");
	nl_socket_disable_seq_check(watch->sock);
	nl_socket_enable_msg_peek(watch->sock);
	nl_socket_modify_cb(watch->sock, NL_CB_VALID, NL_CB_CUSTOM, on_event_message, real);
	nle = nl_connect(watch->sock, NETLINK_ROUTE);
	if (nle >= 0)
		nle = nl_socket_add_memberships(watch->sock, RTNLGRP_LINK, RTNLGRP_IPV6_IFADDR, 0);
	if (nle >= 0)
		nle = nl_socket_set_nonblocking(watch->sock);
	if (nle < 0)
		return cs_error_set(error, -EIO, "interfaces: netlink: %s", nl_geterror(nle));
	/* if it may not be that large, more is lost, and looked at again */
	nl_socket_set_buffer_size(watch->sock, BUFFER_SIZE, 0);
	return 0;
}

/**
 * kernel_watch_open() - find the interfaces that are there
 * @real: the real kernel
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno; needs kernel_watch_close() either way.
 */
int kernel_watch_open(struct kernel_real *real, struct cs_error *error)
{
	struct kernel_watch *watch = calloc(1, sizeof(*watch));
	int rc;

	if (!watch)
		return cs_error_set(error, -ENOMEM, "interfaces: out of memory");
	real->watch = watch;
	rc = subscribe(real, error);
	if (rc)
		return rc;
	watch->resync = evtimer_new(real->base, on_resync, real);
	watch->on_events = event_new(real->base, nl_socket_get_fd(watch->sock),
				     EV_READ | EV_PERSIST, on_events, real);
	if (!watch->resync || !watch->on_events)
		return cs_error_set(error, -ENOMEM, "interfaces: out of memory");
	return dump_all(real, error);
}

/**
 * kernel_watch_start() - have all interfaces told once the loop runs, and then what changes
 * @real: the real kernel
 * @error: gets the reason of a failure
 *
 * Return: 0 or -ENOMEM.
 */
int kernel_watch_start(struct kernel_real *real, struct cs_error *error)
{
	if (event_add(real->watch->on_events, NULL))
		return cs_error_set(error, -ENOMEM, "interfaces: out of memory");
	resync_soon(real->watch, 0);
	return 0;
}

/**
 * kernel_watch_close() - end it
 * @real: the real kernel
 */
void kernel_watch_close(struct kernel_real *real)
{
	struct kernel_watch *watch = real->watch;
	struct watched *w, *next;

	if (!watch)
		return;
	if (watch->on_events)
		event_free(watch->on_events);
	if (watch->resync)
		event_free(watch->resync);
	nl_socket_free(watch->sock);
	for (w = watch->list; w; w = next) {
		next = w->next;
		free(w);
	}
	free(watch);
	real->watch = NULL;
}
