// SPDX-License-Identifier: GPL-2.0
/*
 * Ports: interfaces that the configuration names are attached to the device when they appear, and
 * neighbours are looked for while they are up and have a link-local address.
 *
 *	appears ─ attached ─ up, with an address ─ discovery open ─┐
 *	             │           └────── address, MAC, state ──────┘  closed and opened anew
 *	             └ taken out of the configuration, gone
 *
 * What fails is logged and tried again: at the next event of the link, and every 30 seconds.
 *
 * When the daemon ends, ports, peers and keys stay in the kernel, which goes on to forward: a
 * restart loses no frame. Whom the next run does not find any more it removes after the time-out.
 *
 * One process, one thread: no lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/peer.h"
#include "daemon/port.h"
#include "daemon/session.h"

#define RETRY_SECONDS	30
#define SWEEP_MAX	1024	/* peers of a port that are looked at */

/**
 * struct known - an interface that is there, a port or not: a reload may make it one
 * @next: in the list of all, of all daemons of the process
 * @daemon: whose kernel told of it
 * @link: what it told
 */
struct known {
	struct known		*next;
	const struct daemon	*daemon;
	struct kernel_link	link;
};

static struct known *known_links;

static void forget(const struct daemon *daemon, uint32_t ifindex)
{
	struct known **at = &known_links, *known;

	while ((known = *at)) {
		if (known->daemon == daemon && (!ifindex || known->link.ifindex == ifindex)) {
			*at = known->next;
			free(known);
		} else {
			at = &known->next;
		}
	}
}

static void remember(const struct daemon *daemon, const struct kernel_link *link)
{
	struct known *known;

	for (known = known_links; known; known = known->next)
		if (known->daemon == daemon && known->link.ifindex == link->ifindex)
			break;
	if (!known) {
		known = calloc(1, sizeof(*known));
		if (!known)
			return;
		known->daemon = daemon;
		known->next = known_links;
		known_links = known;
	}
	known->link = *link;
}

/* --- One port --- */

/**
 * port_find() - the port of an interface
 * @daemon: whose
 * @ifindex: of the interface
 *
 * Return: the port, or NULL.
 */
struct port *port_find(struct daemon *daemon, uint32_t ifindex)
{
	struct port *port;

	for (port = daemon->ports; port; port = port->next)
		if (port->link.ifindex == ifindex)
			return port;
	return NULL;
}

static void retry_later(struct port *port)
{
	static const struct timeval wait = { RETRY_SECONDS, 0 };

	evtimer_add(port->retry, &wait);
}

static void close_link(struct port *port, const char *why)
{
	discovery_close(port);
	session_close_port(port, why);
}

/* Everything but what the kernel has. */
static void port_free(struct port *port, const char *why)
{
	struct port **at = &port->daemon->ports;

	close_link(port, why);
	peer_close_port(port);
	port_key_stop(port);
	while (*at != port)
		at = &(*at)->next;
	*at = port->next;
	if (port->retry)
		event_free(port->retry);
	if (port->sweep)
		event_free(port->sweep);
	free(port);
}

static bool has_peer(const struct port *port, const uint8_t *lladdr)
{
	const struct peer *peer;

	for (peer = port->daemon->peers; peer; peer = peer->next)
		if (peer->port == port && !memcmp(peer->lladdr, lladdr, KERNEL_LLADDR_LEN))
			return true;
	return false;
}

/* Peers of an earlier run that did not come back, or whom trust does not let in any more. */
static void on_sweep(evutil_socket_t fd, short what, void *data)
{
	static uint8_t lladdrs[SWEEP_MAX][KERNEL_LLADDR_LEN];
	struct port *port = data;
	struct kernel *kernel = port->daemon->kernel;
	struct cs_error error = { "" };
	size_t i, n = 0;

	(void)fd;
	(void)what;
	if (!kernel->ops->peer_list)
		return;
	if (kernel->ops->peer_list(kernel, port->link.ifindex, lladdrs, SWEEP_MAX, &n, &error))
		log_warning("%s: the kernel's peers can't be read: %s", port->link.name,
			    error.text);
	for (i = 0; i < n; i++) {
		if (has_peer(port, lladdrs[i]))
			continue;
		log_notice("%s: removing a peer of an earlier run that is no longer here",
			   port->link.name);
		if (kernel->ops->peer_del(kernel, port->link.ifindex, lladdrs[i], &error))
			log_warning("%s: %s", port->link.name, error.text);
	}
}

/* Attaches the port, or sets one that is attached already. */
static bool tell_kernel(struct port *port)
{
	struct kernel *kernel = port->daemon->kernel;
	struct cs_error error = { "" };
	int rc;

	rc = kernel->ops->port_add(kernel, port->link.ifindex, port->config->echo,
				   port->config->auth, &error);
	if (rc && rc != -EEXIST) {
		log_error("%s: can't be attached: %s", port->link.name,
			  error.text[0] ? error.text : strerror(-rc));
		return false;
	}
	return true;
}

static bool attach(struct port *port)
{
	struct timeval wait = { port->daemon->config.sessions.timeout, 0 };

	if (!tell_kernel(port))
		return false;
	log_info("%s: attached", port->link.name);
	port->attached = true;
	port_key_start(port);
	evtimer_add(port->sweep, &wait);
	return true;
}

static bool usable(const struct kernel_link *link)
{
	static const uint8_t none[sizeof(link->local)];

	return link->up && memcmp(link->local, none, sizeof(none));
}

/* Brings the port to where its link and its settings say that it should be. */
static void advance(struct port *port)
{
	struct cs_error error = { "" };

	if (!port->attached && !attach(port)) {
		retry_later(port);
		return;
	}
	if (port->udp >= 0 || !usable(&port->link))
		return;
	if (discovery_open(port, &error)) {
		log_error("%s: %s", port->link.name, error.text);
		retry_later(port);
	}
}

static void on_retry(evutil_socket_t fd, short what, void *data)
{
	(void)fd;
	(void)what;
	advance(data);
}

static struct port *port_new(struct daemon *daemon, const struct kernel_link *link,
			     const struct config_port *config)
{
	struct port *port = calloc(1, sizeof(*port));

	if (!port)
		return NULL;
	port->daemon = daemon;
	port->link = *link;
	port->settings = *config;
	port->config = &port->settings;
	port->udp = -1;
	port->next = daemon->ports;
	daemon->ports = port;
	port->retry = evtimer_new(daemon->base, on_retry, port);
	port->sweep = evtimer_new(daemon->base, on_sweep, port);
	if (port->retry && port->sweep)
		return port;
	port_free(port, "out of memory");
	return NULL;
}

/* The configuration does not name it any more. */
static void detach(struct port *port)
{
	struct kernel *kernel = port->daemon->kernel;
	struct cs_error error = { "" };

	log_info("%s: detached: the configuration does not name it any more", port->link.name);
	if (port->attached && kernel->ops->port_del(kernel, port->link.ifindex, &error))
		log_warning("%s: can't be detached: %s", port->link.name, error.text);
	port_free(port, "the interface is no longer a port");
}

static void change_link(struct port *port, const struct kernel_link *link)
{
	bool changed = port->link.up != link->up || strcmp(port->link.name, link->name) ||
		       memcmp(port->link.local, link->local, sizeof(link->local)) ||
		       memcmp(port->link.lladdr, link->lladdr, sizeof(link->lladdr));

	port->link = *link;
	if (changed && port->udp >= 0)
		close_link(port, usable(link) ? "the interface changed" : "the interface is down");
}

/* A new entry of the configuration holds for the port. */
static void change_settings(struct port *port, const struct config_port *config)
{
	bool auth = port->settings.auth != config->auth;
	bool echo = port->settings.echo != config->echo;

	port->settings = *config;
	if (!port->attached || (!auth && !echo))
		return;
	if (auth) {
		close_link(port, "the authentication of the port changed");
		port_key_stop(port);
		port->attached = false; /* advance() does it all anew */
	} else if (!tell_kernel(port)) {
		retry_later(port);
	}
}

static const struct config_port *config_of(const struct daemon *daemon,
					   const struct kernel_link *link)
{
	if (!strcmp(link->name, daemon->config.device.name))
		return NULL;
	return config_port(&daemon->config, link->name);
}

/* Makes, changes or ends the port of a link that is there. */
static void consider(struct daemon *daemon, const struct kernel_link *link)
{
	const struct config_port *config = config_of(daemon, link);
	struct port *port = port_find(daemon, link->ifindex);

	if (!config) {
		if (port)
			detach(port);
		return;
	}
	if (!port)
		port = port_new(daemon, link, config);
	if (!port) {
		log_error("%s: can't be attached: out of memory", link->name);
		return;
	}
	change_link(port, link);
	change_settings(port, config);
	advance(port);
}

/**
 * port_link() - an interface came, changed or went
 * @daemon: whose kernel tells
 * @link: what it tells
 */
void port_link(struct daemon *daemon, const struct kernel_link *link)
{
	struct port *port;

	if (!link->gone) {
		remember(daemon, link);
		consider(daemon, link);
		return;
	}
	forget(daemon, link->ifindex);
	port = port_find(daemon, link->ifindex);
	if (!port)
		return;
	log_info("%s: gone", port->link.name);
	port_free(port, "the interface is gone");
}

/**
 * port_reload() - the configuration was read anew
 * @daemon: whose
 */
void port_reload(struct daemon *daemon)
{
	struct known *known;

	for (known = known_links; known; known = known->next)
		if (known->daemon == daemon)
			consider(daemon, &known->link);
}

/**
 * port_device_gone() - the device was removed, and with it what the kernel knew of ports and peers
 * @daemon: whose; the device is there anew
 */
void port_device_gone(struct daemon *daemon)
{
	struct port *port;

	for (port = daemon->ports; port; port = port->next) {
		close_link(port, "the device was removed");
		peer_close_port(port);
		port_key_stop(port);
		port->attached = false;
		advance(port);
	}
}

/**
 * port_close_all() - end all ports; the kernel goes on with them
 * @daemon: whose
 */
void port_close_all(struct daemon *daemon)
{
	while (daemon->ports)
		port_free(daemon->ports, "the daemon ends");
	forget(daemon, 0);
}
