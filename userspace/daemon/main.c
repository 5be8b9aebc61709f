// SPDX-License-Identifier: GPL-2.0
/*
 * crowdshared - the daemon of a CrowdSharing node.
 *
 * The kernel does what must happen for each frame, the daemon what must be decided: who the node
 * is, whom it lets in and with which keys, what is offered and for how much, what is kept and
 * passed on later, and what was promised and earned.
 *
 * One process, one thread, one event loop. The parts, in the order in which a message meets them:
 * kernel, intake, store, cancel; sync and offer for what goes on to peers, deal for what was
 * signed; gateway for what goes onto the wired network, receipt for what that earns; port,
 * discovery, session and peer for who the peers are. Each part says what it keeps.
 *
 * With --ingest it is something else: the service at a destination (ingest.c), which needs nothing
 * of all this but the identity.
 */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/util.h>

#include "daemon/cancel.h"
#include "daemon/daemon.h"
#include "daemon/gateway.h"
#include "daemon/holding.h"
#include "daemon/ingest.h"
#include "daemon/intake.h"
#include "daemon/log.h"
#include "daemon/offer.h"
#include "daemon/peer.h"
#include "daemon/receipt_way.h"
#include "daemon/status.h"
#include "lib/hex.h"

#define LOOK_SECONDS	10	/* between two looks at battery and data plan */
#define SEEN_SECONDS	600	/* between two savings of the seen-set */

static const char usage[] =
	"Usage: crowdshared [-c FILE] [--ingest | --check-config]\n"
	"  -c, --config FILE  configuration (" CONFIG_PATH_DEFAULT ")\n"
	"  -i, --ingest       receive what gateways deliver, and sign receipts\n"
	"  -t, --check-config read the configuration, say what is wrong with it, and end\n"
	"  -V, --version      print the version\n"
	"  -h, --help         print this\n"
	"SIGHUP has it read the configuration again, SIGTERM ends it. See crowdshared(8).\n";

/* sd_notify(3), without the library: a line to the socket that systemd names */
static void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (!len || len >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
		   offsetof(struct sockaddr_un, sun_path) + len) < 0)
		log_debug("systemd can't be notified: %s", strerror(errno));
	close(fd);
}

static void path_in_state(const struct daemon *daemon, const char *name, char path[PATH_MAX])
{
	if (snprintf(path, PATH_MAX, "%.*s/%s", PATH_MAX - 32, daemon->config.state, name) < 0)
		path[0] = '\0';
}

/*
 * What the node knew is loaded before anything can come in: the device is down, and it has no ports
 * unless an earlier run of the daemon left it running; then the kernel knows it all, and more.
 */
static int make_device(struct daemon *daemon, struct cs_error *error)
{
	const struct kernel_ops *ops = daemon->kernel->ops;
	char path[PATH_MAX];
	int rc;

	rc = ops->device(daemon->kernel, &daemon->config.device, daemon->identity.address, error);
	if (rc)
		return rc;
	path_in_state(daemon, "seen", path);
	rc = ops->seen_load(daemon->kernel, path, error);
	if (rc && rc != -ENOENT)
		return rc;
	daemon->loaded = true;
	return ops->device_up(daemon->kernel, error);
}

/* --- What the kernel tells --- */

static void on_frame(void *data, const uint8_t *frame, size_t len, bool own)
{
	intake_frame(data, frame, len, own);
}

static void on_missed(void *data, uint64_t count)
{
	intake_missed(data, count);
}

static void on_link(void *data, const struct kernel_link *link)
{
	port_link(data, link);
}

static void on_exhausted(void *data, uint32_t ifindex, const uint8_t *lladdr, uint32_t id)
{
	deal_exhausted(data, ifindex, lladdr, id);
}

static void on_full(void *data)
{
	const struct daemon *daemon = data;

	log_warning("the seen-set of %s is full, new messages are refused: raise seen-max",
		    daemon->config.device.name);
}

/* Somebody removed the device; without it the daemon is of no use, so it is made anew. */
static void on_device_gone(void *data)
{
	struct daemon *daemon = data;
	struct cs_error error = { "" };

	log_warning("device %s was removed, making it anew: what its seen-set knew after the last "
		    "save is forgotten", daemon->config.device.name);
	if (make_device(daemon, &error)) {
		log_error("%s", error.text);
		event_base_loopexit(daemon->base, NULL);
		daemon->failed = true;
		return;
	}
	port_device_gone(daemon);
}

static const struct kernel_events kernel_events = {
	.frame = on_frame,
	.missed = on_missed,
	.link = on_link,
	.exhausted = on_exhausted,
	.full = on_full,
	.device_gone = on_device_gone,
};

/* --- What is looked at now and then --- */

static void look_at_plan(struct daemon *daemon)
{
	const struct config_policy *policy = &daemon->config.policy;
	struct cs_error error = { "" };
	char path[PATH_MAX];
	uint64_t rx, tx;

	if (!policy->plan_interface[0])
		return;
	if (daemon->kernel->ops->traffic(daemon->kernel, policy->plan_interface, &rx, &tx,
					 &error)) {
		log_debug("data plan: %s", error.text);
		return;
	}
	policy_plan_count(&daemon->plan, policy, rx, tx, daemon_now());
	path_in_state(daemon, "plan", path);
	if (policy_plan_save(&daemon->plan, path, &error))
		log_error("data plan: %s", error.text);
}

static void on_look(evutil_socket_t fd, short what, void *data)
{
	struct daemon *daemon = data;
	struct cs_error error = { "" };

	(void)fd;
	(void)what;
	if (policy_power(daemon->config.policy.battery_dir, &daemon->power, &error))
		log_debug("battery: %s", error.text);
	look_at_plan(daemon);
}

static void save_seen(struct daemon *daemon)
{
	struct cs_error error = { "" };
	char path[PATH_MAX];

	path_in_state(daemon, "seen", path);
	if (daemon->kernel->ops->seen_save(daemon->kernel, path, &error))
		log_error("the seen-set was not saved: %s", error.text);
}

static void on_save(evutil_socket_t fd, short what, void *data)
{
	(void)fd;
	(void)what;
	save_seen(data);
}

/* --- Beginning and end --- */

/* For who verifies the ledger elsewhere, and for the card of an ingest. */
static int write_public(const struct daemon *daemon, struct cs_error *error)
{
	char path[PATH_MAX], hex[2 * IDENTITY_PUBLIC_LEN + 1];
	FILE *file;
	int rc;

	path_in_state(daemon, "identity.pub", path);
	cs_hex(hex, daemon->identity.public, IDENTITY_PUBLIC_LEN);
	file = fopen(path, "we");
	if (!file)
		return cs_error_set(error, -errno, "%s: %s", path, strerror(errno));
	rc = fprintf(file, "%s\n", hex) < 0 ? -EIO : 0;
	if (fclose(file) && !rc)
		rc = -errno;
	return rc ? cs_error_set(error, rc, "%s: %s", path, strerror(-rc)) : 0;
}

static int open_identity(struct daemon *daemon, struct cs_error *error)
{
	const struct config *config = &daemon->config;
	int rc;

	rc = identity_open(&daemon->identity, config->identity, error);
	if (!rc && config->trust.certificate[0])
		rc = identity_use_certificate(&daemon->identity, config->trust.certificate,
					      error);
	if (!rc)
		rc = write_public(daemon, error);
	return rc ? rc : trust_open(&daemon->trust, config, error);
}

/* What outlives the daemon: ledger, store, data plan. */
static int open_state(struct daemon *daemon, struct cs_error *error)
{
	const struct config *config = &daemon->config;
	char path[PATH_MAX];
	int rc;

	path_in_state(daemon, "ledger.db", path);
	rc = ledger_open(&daemon->ledger, path, &daemon->identity, error);
	if (!rc)
		rc = store_open(&daemon->store, &config->store, error);
	if (rc)
		return rc;
	/* also without a plan: a reload may bring one */
	path_in_state(daemon, "plan", path);
	rc = policy_plan_open(&daemon->plan, &config->policy, path, error);
	if (rc != -EBADMSG)
		return rc;
	log_error("data plan: %s", error->text);
	return 0;
}

static int open_device(struct daemon *daemon, struct cs_error *error)
{
	daemon->kernel = kernel_open(daemon->base, error);
	return daemon->kernel ? make_device(daemon, error) : -EIO;
}

static int open_timers(struct daemon *daemon, struct cs_error *error)
{
	static const struct timeval look = { LOOK_SECONDS, 0 }, save = { SEEN_SECONDS, 0 };

	daemon->look = event_new(daemon->base, -1, EV_PERSIST, on_look, daemon);
	daemon->save = event_new(daemon->base, -1, EV_PERSIST, on_save, daemon);
	if (!daemon->look || !daemon->save || event_add(daemon->look, &look) ||
	    event_add(daemon->save, &save))
		return cs_error_set(error, -ENOMEM, "out of memory");
	on_look(-1, 0, daemon);
	return 0;
}

static int open_all(struct daemon *daemon, struct cs_error *error)
{
	int rc;

	daemon->started = daemon_now();
	evutil_secure_rng_get_bytes(daemon->boot, sizeof(daemon->boot));
	rc = open_identity(daemon, error);
	if (!rc)
		rc = open_state(daemon, error);
	if (!rc)
		rc = receipt_open(daemon, error);
	if (!rc)
		rc = intake_open(daemon, error);
	if (!rc)
		rc = cancel_open(daemon, error);
	if (!rc)
		rc = offer_open(daemon, error);
	if (!rc)
		rc = open_device(daemon, error);
	if (!rc)
		rc = session_init(daemon, error);
	if (!rc)
		rc = gateway_open(daemon, error);
	if (!rc)
		rc = open_timers(daemon, error);
	if (!rc)
		rc = control_open(&daemon->control, daemon->base, daemon->config.control,
				  status_answer, daemon, error);
	if (!rc)
		rc = daemon->kernel->ops->start(daemon->kernel, &kernel_events, daemon, error);
	return rc;
}

static void close_all(struct daemon *daemon)
{
	if (daemon->control)
		control_close(daemon->control);
	if (daemon->look)
		event_free(daemon->look);
	if (daemon->save)
		event_free(daemon->save);
	gateway_close(daemon);
	if (daemon->tls) {
		port_close_all(daemon);
		peer_close_all(daemon);
		session_exit(daemon);
	}
	receipt_close(daemon);
	offer_close(daemon);
	holding_close(daemon);
	cancel_close(daemon);
	intake_close(daemon);
	if (daemon->kernel) {
		/* ports, peers and keys stay: the kernel goes on without the daemon */
		if (daemon->loaded)
			save_seen(daemon);
		daemon->kernel->ops->stop(daemon->kernel);
	}
	if (daemon->store)
		store_close(daemon->store);
	if (daemon->ledger)
		ledger_close(daemon->ledger);
	if (daemon->trust)
		trust_close(daemon->trust);
	identity_close(&daemon->identity);
	config_free(&daemon->config);
}

/* --- Signals --- */

/*
 * What can be changed while it runs: ports, trust, policy, quotas, offers. A configuration with a
 * fault changes nothing.
 */
static void on_reload(evutil_socket_t fd, short what, void *data)
{
	struct daemon *daemon = data;
	struct cs_error error = { "" };
	struct config config;
	struct trust *trust;

	(void)fd;
	(void)what;
	notify("RELOADING=1");
	if (config_load(&config, daemon->config.path, &error)) {
		log_error("%s; nothing was changed", error.text);
	} else if (trust_open(&trust, &config, &error)) {
		log_error("%s; nothing was changed", error.text);
		config_free(&config);
	} else if (config.trust.certificate[0] &&
		   identity_use_certificate(&daemon->identity, config.trust.certificate, &error)) {
		log_error("%s; nothing was changed", error.text);
		trust_close(trust);
		config_free(&config);
	} else {
		trust_close(daemon->trust);
		daemon->trust = trust;
		config_free(&daemon->config);
		daemon->config = config;
		log_init(config.level);
		if (store_configure(daemon->store, &daemon->config.store, &error))
			log_error("store: %s", error.text);
		port_reload(daemon);
		peer_rejudge_all(daemon);
		gateway_close(daemon);
		if (gateway_open(daemon, &error))
			log_error("%s", error.text);
		on_look(-1, 0, daemon);
		log_notice("the configuration was read again");
	}
	notify("READY=1");
}

static void on_stop(evutil_socket_t fd, short what, void *data)
{
	struct daemon *daemon = data;

	(void)fd;
	(void)what;
	log_notice("stopping");
	notify("STOPPING=1");
	event_base_loopbreak(daemon->base);
}

static void log_ingest(const struct ingest *ingest)
{
	const struct ingest_stats *stats = ingest_stats(ingest);

	log_notice("%llu messages were new, %llu known, %llu receipts signed",
		   (unsigned long long)stats->states[PROTO_ACK_NEW],
		   (unsigned long long)stats->states[PROTO_ACK_KNOWN],
		   (unsigned long long)stats->receipts);
}

/* The ingest, and nothing else. */
static int run_ingest(struct daemon *daemon, struct cs_error *error)
{
	struct ingest *ingest = NULL;
	int rc;

	if (!daemon->config.ingest.inbox[0])
		return cs_error_set(error, -EINVAL, "%s: an ingest needs the group ingest",
				    daemon->config.path);
	rc = identity_open(&daemon->identity, daemon->config.identity, error);
	if (!rc)
		rc = write_public(daemon, error);
	if (!rc)
		rc = ingest_open(&ingest, daemon->base, &daemon->config, &daemon->identity, NULL,
				 NULL, error);
	if (!rc) {
		log_notice("this ingest is %s, port %u", daemon->identity.text,
			   ingest_port(ingest));
		notify("READY=1");
		event_base_dispatch(daemon->base);
		log_ingest(ingest);
	}
	ingest_close(ingest);
	identity_close(&daemon->identity);
	config_free(&daemon->config);
	return rc;
}

static int run_node(struct daemon *daemon, struct cs_error *error)
{
	struct event *reload = evsignal_new(daemon->base, SIGHUP, on_reload, daemon);
	int rc;

	if (reload)
		evsignal_add(reload, NULL);
	rc = open_all(daemon, error);
	if (!rc) {
		log_notice("this node is %s", daemon->identity.text);
		notify("READY=1");
		event_base_dispatch(daemon->base);
	}
	rc = rc || daemon->failed;
	close_all(daemon);
	if (reload)
		event_free(reload);
	return rc;
}

static int run(struct daemon *daemon, bool ingest)
{
	struct event *term, *interrupt;
	struct cs_error error = { "" };
	int rc;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit of file size is a full disk */
	daemon->base = event_base_new();
	if (!daemon->base) {
		log_error("there is no event loop");
		return 1;
	}
	term = evsignal_new(daemon->base, SIGTERM, on_stop, daemon);
	interrupt = evsignal_new(daemon->base, SIGINT, on_stop, daemon);
	if (term && interrupt) {
		evsignal_add(term, NULL);
		evsignal_add(interrupt, NULL);
	}
	rc = ingest ? run_ingest(daemon, &error) : run_node(daemon, &error);
	if (error.text[0])
		log_error("%s", error.text);
	event_free(term);
	event_free(interrupt);
	event_base_free(daemon->base);
	return rc ? 1 : 0;
}

/*
 * What is large is given back to the kernel when it is freed. glibc would keep ever more of it, for
 * speed, once something large was freed.
 */
static void lean_malloc(void)
{
#ifdef M_MMAP_THRESHOLD
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	mallopt(M_TRIM_THRESHOLD, 128 * 1024);
#endif
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "ingest", no_argument, NULL, 'i' },
		{ "check-config", no_argument, NULL, 't' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static struct daemon daemon;
	const char *path = CONFIG_PATH_DEFAULT;
	struct cs_error error = { "" };
	bool check = false, ingest = false;
	int option;

	while ((option = getopt_long(argc, argv, "c:itVh", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case 'i':
			ingest = true;
			break;
		case 't':
			check = true;
			break;
		case 'V':
			puts("crowdshared " CROWDSHARED_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "crowdshared: '%s' is not expected here\n%s", argv[optind], usage);
		return 2;
	}
	lean_malloc();
	log_init(LOG_LEVEL_INFO);
	if (config_load(&daemon.config, path, &error)) {
		fprintf(stderr, "crowdshared: %s\n", error.text);
		return 1;
	}
	if (check) {
		printf("%s: no fault found\n", path);
		config_free(&daemon.config);
		return 0;
	}
	log_init(daemon.config.level);
	return run(&daemon, ingest);
}
