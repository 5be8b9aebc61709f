// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration file: libconfig takes it apart, tables here say what may stand in it.
 *
 * A table is a group of the file; each of its entries names a setting, the function that reads it,
 * where its value goes and which values are allowed. What depends on two settings is checked at the
 * end.
 * Nothing is guessed: what is not known, or is not quite right, is refused with file and line.
 *
 * libconfig 1.5 cuts integers to 32 bits without a word, so that 4294967296 would be 0; the text is
 * searched for such numbers after it was read.
 *
 * Nothing keeps state between calls; a struct config is only read once it is filled.
 */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crowdshare/card.h>

#include "daemon/config.h"
#include "daemon/config_item.h"

#define FILE_MAX	(1 << 20)
#define STATE_MAX	(PATH_MAX - 64)		/* so that names of files fit behind it */
#define SOCKET_MAX	107			/* sun_path */
#define SHOWN		40			/* of a text that is wrong */
#define DAY		86400u
#define YEAR		(365 * DAY)
#define BATCH_MAX	64	/* PROTO_BATCH_MAX */
#define RATE_MIN	65536	/* so that the largest letter is through in time */
#define MIB		(1ull << 20)
#define PIB		(1ull << 50)
#define POINTS_MAX	1000000000000ull	/* in millipoints: a thousand million points */

/* Says where the first of two that must not be the same stands. */
static int twice(const struct reader *reader, const config_setting_t *list, size_t first,
		 size_t second, const char *name, const char *what)
{
	const config_setting_t *a = config_setting_get_elem(list, first);
	const config_setting_t *b = config_setting_get_elem(list, second);
	const config_setting_t *setting = config_setting_get_member(b, name);

	return item_fail(reader, setting ? setting : b, "%s is there already, in line %u", what,
			 config_setting_source_line(a));
}

static void init_port(void *element)
{
	struct config_port *port = element;

	port->echo = CROWDSHARE_ECHO_AUTO;
	port->auth = CROWDSHARE_AUTH_REQUIRED;
	port->terms = CROWDSHARE_PEER_FREE;
}

static int check_ports(const struct reader *reader, const config_setting_t *setting,
		       const void *base)
{
	const struct config *config = base;
	size_t i, j;

	for (i = 0; i < config->nr_ports; i++)
		for (j = 0; j < i; j++)
			if (!strcmp(config->ports[i].interface, config->ports[j].interface))
				return twice(reader, setting, j, i, "interface", "this interface");
	return 0;
}

static void init_peer(void *element)
{
	struct config_peer *peer = element;

	peer->state = UINT32_MAX;
	peer->rating = 1000;
}

static int check_peers(const struct reader *reader, const config_setting_t *setting,
		       const void *base)
{
	const struct config *config = base;
	const struct config_peer *a, *b;
	size_t i, j;

	for (i = 0; i < config->trust.nr_peers; i++)
		for (j = 0; j < i; j++) {
			a = &config->trust.peers[j];
			b = &config->trust.peers[i];
			if (!memcmp(a->address, b->address, sizeof(a->address)))
				return twice(reader, setting, j, i, "address", "this peer");
			if (*a->name && !strcmp(a->name, b->name))
				return twice(reader, setting, j, i, "name",
					     "a peer of this name");
		}
	return 0;
}

static int check_rates(const struct reader *reader, const config_setting_t *setting,
		       const void *base)
{
	const struct config *config = base;
	size_t i, j;

	for (i = 0; i < config->policy.nr_rates; i++)
		for (j = 0; j < i; j++)
			if (!strcmp(config->policy.rates[i].geohash,
				    config->policy.rates[j].geohash))
				return twice(reader, setting, j, i, "geohash",
					     "a rate for this geohash");
	return 0;
}

static const struct choice levels[] = {
	{ "error", LOG_LEVEL_ERROR }, { "warning", LOG_LEVEL_WARNING },
	{ "notice", LOG_LEVEL_NOTICE }, { "info", LOG_LEVEL_INFO }, { "debug", LOG_LEVEL_DEBUG },
	{ NULL, 0 }
};
static const struct choice delivers[] = {
	{ "none", CROWDSHARE_DELIVER_NONE }, { "local", CROWDSHARE_DELIVER_LOCAL },
	{ "all", CROWDSHARE_DELIVER_ALL }, { NULL, 0 }
};
static const struct choice echos[] = {
	{ "auto", CROWDSHARE_ECHO_AUTO }, { "always", CROWDSHARE_ECHO_ALWAYS },
	{ "never", CROWDSHARE_ECHO_NEVER }, { NULL, 0 }
};
static const struct choice auths[] = {
	{ "off", CROWDSHARE_AUTH_OFF }, { "required", CROWDSHARE_AUTH_REQUIRED }, { NULL, 0 }
};
static const struct choice states[] = {
	{ "free", CROWDSHARE_PEER_FREE }, { "contract", CROWDSHARE_PEER_CONTRACT },
	{ "deny", CROWDSHARE_PEER_DENY }, { NULL, 0 }
};
static const struct choice modes[] = {
	{ "open", TRUST_OPEN }, { "list", TRUST_LIST }, { "ca", TRUST_CA }, { NULL, 0 }
};

static const struct item device_items[] = {
	{ "name", item_interface, AT(config, device.name) },
	{ "seen-max", item_quantity, AT(config, device.seen_max), 1, CROWDSHARE_SEEN_MAX_LIMIT,
	  &quantity_number },
	{ "lifetime-max", item_quantity, AT(config, device.lifetime_max), 1,
	  CROWDSHARE_LIFETIME_LIMIT, &quantity_time },
	{ "deliver", item_choice, AT(config, device.deliver), .more = delivers },
	{ .name = NULL }
};

static const struct item port_items[] = {
	{ "interface", item_pattern, AT(config_port, interface), .required = true },
	{ "echo", item_choice, AT(config_port, echo), .more = echos },
	{ "auth", item_choice, AT(config_port, auth), .more = auths },
	{ "terms", item_choice, AT(config_port, terms), .more = states },
	{ .name = NULL }
};

static const struct item peer_items[] = {
	{ "address", item_address, AT(config_peer, address), .required = true },
	{ "name", item_name, AT(config_peer, name), .max = CONFIG_NAME_LEN - 1 },
	{ "state", item_choice, AT(config_peer, state), .more = states },
	{ "rating", item_quantity, AT(config_peer, rating), 100, 10000, &quantity_percent },
	{ .name = NULL }
};

static const struct item rate_items[] = {
	{ "geohash", item_geohash, AT(config_rate, geohash) },
	{ "rate", item_quantity, AT(config_rate, rate), 0, POINTS_MAX,
	  &quantity_points, .required = true },
	{ .name = NULL }
};

static const struct list port_list = {
	port_items, sizeof(struct config_port), offsetof(struct config, nr_ports), init_port,
	check_ports
};
static const struct list peer_list = {
	peer_items, sizeof(struct config_peer), offsetof(struct config, trust.nr_peers), init_peer,
	check_peers
};
static const struct list rate_list = {
	rate_items, sizeof(struct config_rate), offsetof(struct config, policy.nr_rates), NULL,
	check_rates
};

static const struct item trust_items[] = {
	{ "mode", item_choice, AT(config, trust.mode), .more = modes },
	{ "peers", item_list, AT(config, trust.peers), .more = &peer_list },
	{ "ca", item_path, AT(config, trust.ca), .max = PATH_MAX - 1 },
	{ "certificate", item_path, AT(config, trust.certificate), .max = PATH_MAX - 1 },
	{ .name = NULL }
};

static const struct item session_items[] = {
	{ "port", item_quantity, AT(config, sessions.tcp_port), 1, UINT16_MAX, &quantity_number },
	{ "hello", item_quantity, AT(config, sessions.hello), 1, 3600, &quantity_time },
	{ "timeout", item_quantity, AT(config, sessions.timeout), 2, DAY, &quantity_time },
	{ "rotate", item_quantity, AT(config, sessions.rotate), 2, 7 * DAY, &quantity_time },
	{ "overlap", item_quantity, AT(config, sessions.overlap), 1, DAY, &quantity_time },
	{ "rate", item_quantity, AT(config, sessions.rate), 0, UINT32_MAX, &quantity_number },
	{ "byterate", item_quantity, AT(config, sessions.byterate), 0, PIB, &quantity_size },
	{ .name = NULL }
};

static const struct item store_items[] = {
	{ "path", item_path, AT(config, store.path), .max = STATE_MAX },
	{ "bytes", item_quantity, AT(config, store.bytes), MIB, PIB, &quantity_size },
	{ "share", item_quantity, AT(config, store.share), 1, 100, &quantity_number },
	{ "age", item_quantity, AT(config, store.age), 1, YEAR, &quantity_time },
	{ "in", item_quantity, AT(config, store.in), 0, PIB, &quantity_size },
	{ "out", item_quantity, AT(config, store.out), 0, PIB, &quantity_size },
	{ "reconcile", item_quantity, AT(config, store.reconcile), 1, DAY, &quantity_time },
	{ "cancelled", item_quantity, AT(config, store.cancelled), 0, 1 << 24, &quantity_number },
	{ .name = NULL }
};

/* where the lengths of lists are, and what goes with an address */
static const size_t nr_deny = offsetof(struct config, policy.nr_deny);
static const size_t nr_served = offsetof(struct config, gateway.nr_destinations);
static const size_t nr_networks = offsetof(struct config, gateway.nr_networks);
static const size_t nr_taken = offsetof(struct config, ingest.nr_destinations);
static const size_t listen_port = offsetof(struct config, ingest.port);

static const struct item market_items[] = {
	{ "rates", item_list, AT(config, policy.rates), .more = &rate_list },
	{ .name = NULL }
};

static const struct item battery_items[] = {
	{ "dir", item_path, AT(config, policy.battery_dir), .max = STATE_MAX },
	{ "min", item_quantity, AT(config, policy.battery_min), 0, 100, &quantity_number },
	{ "full", item_quantity, AT(config, policy.battery_full), 0, 100, &quantity_number },
	{ .name = NULL }
};

static const struct item plan_items[] = {
	{ "interface", item_interface, AT(config, policy.plan_interface), .required = true },
	{ "bytes", item_quantity, AT(config, policy.plan_bytes), 1, PIB,
	  &quantity_size, .required = true },
	{ "day", item_quantity, AT(config, policy.plan_day), 1, 31, &quantity_number },
	{ "near", item_quantity, AT(config, policy.plan_near), 1, 100, &quantity_number },
	{ "overage", item_quantity, AT(config, policy.plan_overage), 0, POINTS_MAX,
	  &quantity_points },
	{ .name = NULL }
};

static const struct item policy_items[] = {
	{ "position", item_geohash, AT(config, policy.position) },
	{ "battery", item_group, .more = battery_items },
	{ "plan", item_group, .more = plan_items },
	{ "offers", item_quantity, AT(config, policy.offers), 0, UINT32_MAX, &quantity_number },
	{ "min-rating", item_quantity, AT(config, policy.min_rating), 0, 10000, &quantity_percent },
	{ "deny-destinations", item_prefixes, AT(config, policy.deny_destinations),
	  .more = &nr_deny },
	{ "contract-time", item_quantity, AT(config, policy.contract_time), 1, YEAR,
	  &quantity_time },
	{ .name = NULL }
};

static const struct item offer_items[] = {
	{ "max-price", item_quantity, AT(config, offers.max_price), 0, POINTS_MAX,
	  &quantity_points },
	{ "budget", item_quantity, AT(config, offers.budget), 0, POINTS_MAX, &quantity_points },
	{ "ask", item_bool, AT(config, offers.ask) },
	{ "wait", item_quantity, AT(config, offers.wait), 1, DAY, &quantity_time },
	{ .name = NULL }
};

static const struct item gateway_items[] = {
	{ "interface", item_interface, AT(config, gateway.interface), .required = true },
	{ "destinations", item_prefixes, AT(config, gateway.destinations), .more = &nr_served,
	  .required = true },
	{ "networks", item_networks, AT(config, gateway.networks), .more = &nr_networks },
	{ "metered", item_bool, AT(config, gateway.metered) },
	{ "batch", item_quantity, AT(config, gateway.batch), 1, BATCH_MAX, &quantity_number },
	{ .name = NULL }
};

static const struct item bucket_items[] = {
	{ "url", item_bucket, AT(config, ingest.bucket.url), .max = CONFIG_URL_LEN - 1,
	  .required = true },
	{ "region", item_name, AT(config, ingest.bucket.region), .max = CONFIG_NAME_LEN - 1 },
	{ "access-key-file", item_path, AT(config, ingest.bucket.access_key), .max = STATE_MAX,
	  .required = true },
	{ "secret-key-file", item_path, AT(config, ingest.bucket.secret_key), .max = STATE_MAX,
	  .required = true },
	{ "ca", item_path, AT(config, ingest.bucket.ca), .max = STATE_MAX },
	{ .name = NULL }
};

static const struct item vouch_items[] = {
	{ "key", item_path, AT(config, ingest.vouch.key), .max = STATE_MAX, .required = true },
	{ "senders", item_path, AT(config, ingest.vouch.senders), .max = STATE_MAX,
	  .required = true },
	{ .name = NULL }
};

static const struct item ingest_items[] = {
	{ "listen", item_listen, AT(config, ingest.address), .more = &listen_port },
	{ "inbox", item_path, AT(config, ingest.inbox), .max = STATE_MAX, .required = true },
	{ "bucket", item_group, .more = bucket_items },
	{ "vouch", item_group, .more = vouch_items },
	{ "bytes", item_quantity, AT(config, ingest.bytes), MIB, PIB, &quantity_size },
	{ "connections", item_quantity, AT(config, ingest.connections), 1, 65536,
	  &quantity_number },
	{ "per-source", item_quantity, AT(config, ingest.per_source), 1, 65536,
	  &quantity_number },
	{ "rate", item_quantity, AT(config, ingest.rate), 0, PIB, &quantity_size },
	{ "destinations", item_prefixes, AT(config, ingest.destinations), .more = &nr_taken },
	{ .name = NULL }
};

static const struct item items[] = {
	{ "log", item_choice, AT(config, level), .more = levels },
	{ "identity", item_path, AT(config, identity), .max = STATE_MAX },
	{ "state", item_path, AT(config, state), .max = STATE_MAX },
	{ "control", item_path, AT(config, control), .max = SOCKET_MAX },
	{ "device", item_group, .more = device_items },
	{ "ports", item_list, AT(config, ports), .more = &port_list, .required = true },
	{ "trust", item_group, .more = trust_items },
	{ "sessions", item_group, .more = session_items },
	{ "store", item_group, .more = store_items },
	{ "market", item_group, .more = market_items },
	{ "policy", item_group, .more = policy_items },
	{ "offers", item_group, .more = offer_items },
	{ "gateway", item_group, .more = gateway_items },
	{ "ingest", item_group, .more = ingest_items },
	{ .name = NULL }
};

static void set_defaults(struct config *config)
{
	memset(config, 0, sizeof(*config));
	config->level = LOG_LEVEL_INFO;
	strcpy(config->state, "/var/lib/crowdshare");
	strcpy(config->control, CONTROL_PATH_DEFAULT);
	strcpy(config->device.name, "cs0");
	config->device.seen_max = CROWDSHARE_SEEN_MAX_DEFAULT;
	config->device.lifetime_max = CROWDSHARE_LIFETIME_DEFAULT;
	config->device.deliver = CROWDSHARE_DELIVER_ALL;
	config->trust.mode = TRUST_LIST;
	config->sessions.tcp_port = 35253;
	config->sessions.hello = 5;
	config->sessions.timeout = 30;
	config->sessions.rotate = 3600;
	config->sessions.overlap = 60;
	config->store.bytes = 256 * MIB;
	config->store.share = 25;
	config->store.age = DAY / 2;
	config->store.reconcile = 60;
	config->store.cancelled = 65536;
	strcpy(config->policy.battery_dir, "/sys/class/power_supply");
	config->policy.battery_min = 20;
	config->policy.battery_full = 80;
	config->policy.plan_day = 1;
	config->policy.plan_near = 80;
	config->policy.offers = 10;
	config->policy.contract_time = DAY / 2;
	config->offers.wait = 60;
	config->gateway.batch = BATCH_MAX;
	config->ingest.port = CS_PORT_DEFAULT;
	strcpy(config->ingest.bucket.region, "us-east-1");
	config->ingest.bytes = 1024 * MIB;
	config->ingest.connections = 256;
	config->ingest.per_source = 16;
}

/* What is named after the state directory, unless the file names it. */
static void set_paths(struct config *config)
{
	if (!*config->identity)
		snprintf(config->identity, sizeof(config->identity), "%.*s/identity.key",
			 STATE_MAX, config->state);
	if (!*config->store.path)
		snprintf(config->store.path, sizeof(config->store.path), "%.*s/store", STATE_MAX,
			 config->state);
}

/* Where one of two settings stands that do not go together. */
static const config_setting_t *find(const struct reader *reader, const char *first,
				    const char *second)
{
	const config_setting_t *setting = config_lookup(&reader->cfg, first);

	if (!setting)
		setting = config_lookup(&reader->cfg, second);
	return setting ? setting : config_root_setting(&reader->cfg);
}

static int check_together(const struct reader *reader, const struct config *config)
{
	const struct config_sessions *sessions = &config->sessions;
	const struct config_policy *policy = &config->policy;
	size_t i;

	if (sessions->timeout <= sessions->hello)
		return item_fail(reader, find(reader, "sessions.timeout", "sessions.hello"),
				 "timeout, %us, must be longer than hello, %us",
				 sessions->timeout, sessions->hello);
	if (sessions->overlap >= sessions->rotate)
		return item_fail(reader, find(reader, "sessions.overlap", "sessions.rotate"),
				 "overlap, %us, must be shorter than rotate, %us",
				 sessions->overlap, sessions->rotate);
	if (policy->battery_min > policy->battery_full)
		return item_fail(reader, find(reader, "policy.battery.min", "policy.battery.full"),
				 "min, %u per cent, must not be above full, %u per cent",
				 policy->battery_min, policy->battery_full);
	if (config->trust.mode == TRUST_CA && !*config->trust.ca)
		return item_fail(reader, find(reader, "trust.mode", "trust"),
				 "mode \"ca\" needs the community's certificate: ca = \"FILE\"");
	if (strspn(config->ingest.bucket.region, "abcdefghijklmnopqrstuvwxyz0123456789-") !=
	    strlen(config->ingest.bucket.region) || !*config->ingest.bucket.region)
		return item_fail(reader, find(reader, "ingest.bucket.region", "ingest"),
				 "a region has small letters, digits and '-', as \"eu-west-1\"");
	if (config->ingest.rate && config->ingest.rate < RATE_MIN)
		return item_fail(reader, find(reader, "ingest.rate", "ingest"),
				 "rate must be 0, no limit, or at least 64KiB");
	for (i = 0; i < config->nr_ports; i++)
		if (!strcmp(config->ports[i].interface, config->device.name))
			return item_fail(reader, find(reader, "ports", "device.name"),
					 "%s is the crowdshare device, not a port",
					 config->device.name);
	return 0;
}

/* The end of a number that begins at @p; *fits: libconfig reads it as it stands there. */
static const char *number_end(const char *p, bool *fits)
{
	bool hex = p[0] == '0' && (p[1] == 'x' || p[1] == 'X') && isxdigit((unsigned char)p[2]);
	long long value;
	char *end;

	errno = 0;
	value = strtoll(p, &end, hex ? 16 : 10);
	if (*end == 'L') {
		*fits = !errno;
		return end + (end[1] == 'L' ? 2 : 1);
	}
	*fits = !errno && value >= INT_MIN && value <= INT_MAX;
	if (hex || (*end != '.' && *end != 'e' && *end != 'E'))
		return end;
	/* a fraction, which is refused elsewhere, or an integer that "e..." follows, a name */
	if (*end == '.' || isdigit((unsigned char)end[1]) || end[1] == '-' || end[1] == '+') {
		*fits = true;
		strtod(p, &end);
	}
	return end;
}

/* The end of a comment, a text or a name that begins at @p, or NULL: none does. */
static const char *skip(const char *p)
{
	const char *end;

	if (*p == '#' || (p[0] == '/' && p[1] == '/'))
		return p + strcspn(p, "\n");
	if (p[0] == '/' && p[1] == '*') {
		end = strstr(p + 2, "*/");
		return end ? end + 2 : p + strlen(p);
	}
	if (*p == '"') {
		for (p++; *p && *p != '"'; p++)
			if (*p == '\\' && p[1])
				p++;
		return *p ? p + 1 : p;
	}
	if (!isalpha((unsigned char)*p) && *p != '*')
		return NULL;
	while (isalnum((unsigned char)*p) || *p == '*' || *p == '-' || *p == '_')
		p++;
	return p;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Looks for numbers that libconfig cuts. @text was read without an error. */
static int check_numbers(const struct reader *reader, const char *text, const char *path)
{
	unsigned int line = 1;
	const char *p, *end;
	bool fits = true;

	for (p = text; *p; p = end) {
		end = skip(p);
		if (!end && (isdigit((unsigned char)*p) ||
			     ((*p == '-' || *p == '+') && isdigit((unsigned char)p[1]))))
			end = number_end(p, &fits);
		if (!end)
			end = p + 1;
		if (!fits)
			return cs_error_set(reader->error, -EINVAL,
					    "%s:%u: %.*s needs an L behind it, or is too large",
					    path, line, (int)least(end - p, SHOWN), p);
		for (; p < end; p++)
			line += *p == '\n';
	}
	return 0;
}

static int read_stream(FILE *file, const char *path, char *text, struct cs_error *error)
{
	size_t len = fread(text, 1, FILE_MAX, file);

	if (ferror(file))
		return cs_error_set(error, -EIO, "%s: can't read: %s", path, strerror(errno));
	if (len == FILE_MAX)
		return cs_error_set(error, -EFBIG, "%s: larger than %d bytes", path, FILE_MAX);
	if (memchr(text, '\0', len))
		return cs_error_set(error, -EINVAL, "%s: is not a text: has a zero byte", path);
	memcpy(text + len, "\n", 2);
	return 0;
}

/* All of a file, with a line end behind it, which libconfig wants after a comment; to be freed. */
static char *read_file(const char *path, struct cs_error *error, int *rc)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;

	if (!file) {
		*rc = -errno;
		cs_error_set(error, *rc, "%s: can't read: %s", path, strerror(errno));
		return NULL;
	}
	text = malloc(FILE_MAX + 2);
	*rc = text ? read_stream(file, path, text, error) :
		     cs_error_set(error, -ENOMEM, "%s: no memory", path);
	fclose(file);
	if (!*rc)
		return text;
	free(text);
	return NULL;
}

static int check_all_numbers(const struct reader *reader, const char *text)
{
	char file[PATH_MAX];
	unsigned int i;
	char *more;
	int rc;

	rc = check_numbers(reader, text, reader->path);
	for (i = 0; !rc && i < reader->cfg.num_filenames; i++) {
		if (!reader->cfg.filenames[i])
			continue;
		item_file(reader, reader->cfg.filenames[i], file, sizeof(file));
		more = read_file(file, reader->error, &rc);
		if (more)
			rc = check_numbers(reader, more, file);
		free(more);
	}
	return rc;
}

static int syntax_error(const struct reader *reader)
{
	const char *text = config_error_text(&reader->cfg), *hint = "";
	char file[256];

	item_file(reader, config_error_file(&reader->cfg), file, sizeof(file));
	if (!strcmp(text, "syntax error"))
		hint = "; is a ';', a quote or a bracket missing, here or in the line before?";
	else if (!strcmp(text, "memory exhausted"))
		hint = ": nested too deeply";
	return cs_error_set(reader->error, -EINVAL, "%s:%d: %s%s", file,
			    config_error_line(&reader->cfg), text, hint);
}

static int parse(struct config *config, const char *text, const char *path,
		 const char *include_dir, struct cs_error *error)
{
	struct reader reader = { .path = path, .dir = include_dir, .error = error };
	int rc;

	set_defaults(config);
	snprintf(config->path, sizeof(config->path), "%s", path);
	config_init(&reader.cfg);
	if (include_dir)
		config_set_include_dir(&reader.cfg, include_dir);
	if (config_read_string(&reader.cfg, text))
		rc = check_all_numbers(&reader, text);
	else
		rc = syntax_error(&reader);
	if (!rc)
		rc = item_read_all(&reader, config_root_setting(&reader.cfg), items, config);
	if (!rc)
		rc = check_together(&reader, config);
	config_destroy(&reader.cfg);
	if (rc)
		config_free(config);
	else
		set_paths(config);
	return rc;
}

/* Where libconfig would open a file; in comments too, to be on the safe side. */
static unsigned int line_of_include(const char *text)
{
	unsigned int line;

	for (line = 1; text; line++) {
		if (!strncmp(text + strspn(text, " \t"), "@include", strlen("@include")))
			return line;
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	return 0;
}

/**
 * config_parse() - read a configuration from a text
 * @config: result, to be freed with config_free()
 * @text: of the file; @include is refused, so that no other file is opened
 * @path: what the text is called in errors
 * @error: gets file, line and what is wrong
 *
 * Return: 0, -EINVAL or -ENOMEM; there is nothing to free then.
 */
int config_parse(struct config *config, const char *text, const char *path,
		 struct cs_error *error)
{
	unsigned int line = line_of_include(text);

	if (line) {
		memset(config, 0, sizeof(*config));
		return cs_error_set(error, -EINVAL, "%s:%u: @include is not possible here", path,
				    line);
	}
	return parse(config, text, path, NULL, error);
}

/**
 * config_load() - read a configuration file
 * @config: result, to be freed with config_free()
 * @path: of the file; what it includes is looked for in its directory
 * @error: gets file, line and what is wrong
 *
 * Return: 0, or a negative errno; there is nothing to free then.
 */
int config_load(struct config *config, const char *path, struct cs_error *error)
{
	char copy[PATH_MAX];
	char *text;
	int rc;

	memset(config, 0, sizeof(*config));
	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return cs_error_set(error, -ENAMETOOLONG, "%s: the name is too long", path);
	text = read_file(path, error, &rc);
	if (!text)
		return rc;
	rc = parse(config, text, path, dirname(copy), error);
	free(text);
	return rc;
}

/**
 * config_free() - free what a configuration holds
 * @config: one that was read, or all zero
 */
void config_free(struct config *config)
{
	free(config->ports);
	free(config->trust.peers);
	free(config->policy.rates);
	free(config->policy.deny_destinations);
	free(config->gateway.destinations);
	free(config->gateway.networks);
	free(config->ingest.destinations);
	memset(config, 0, sizeof(*config));
}

/**
 * config_port() - what the configuration says of an interface
 * @config: the configuration
 * @interface: name of the interface
 *
 * Return: the first entry of ports whose pattern matches, NULL if none does; the crowdshare device
 * itself is never a port.
 */
const struct config_port *config_port(const struct config *config, const char *interface)
{
	size_t i;

	if (!strcmp(interface, config->device.name))
		return NULL;
	for (i = 0; i < config->nr_ports; i++)
		if (!fnmatch(config->ports[i].interface, interface, 0))
			return &config->ports[i];
	return NULL;
}
