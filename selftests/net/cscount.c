// SPDX-License-Identifier: GPL-2.0
/*
 * cscount: reads the counters of all nodes of a test at once, and compares.
 *
 * It asks the module by netlink and not by way of csnl, because it is run hundreds of times in
 * emulated guests, where a shell pipeline takes a second, and so that the two check each other.
 *
 * A counter is a line "NODE SCOPE KEY VALUE". SCOPE is device:DEV, local:DEV, port:PORT,
 * peer:PORT@MAC or set:DEV (KEY is count: entries of the seen-set). KEY may be drops.REASON.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>

#include <linux/crowdshare.h>

#include "die.h"

#define NAME_LEN	112
#define CHANGE_SECONDS	8
#define REST_SECONDS	90

const char *program = "cscount";

struct counter {
	char name[NAME_LEN];
	uint64_t value;
};

/* Counters of all nodes, sorted by name. */
struct counters {
	struct counter *list;
	size_t nr;
	const char *node;
};

static const char *const drop_names[] = {
#define DROP_NAME(class, name, string, text) [CROWDSHARE_DROP_##name] = string,
	CS_DROP_LIST(DROP_NAME)
};

static void add(struct counters *counters, const char *scope, const char *prefix, const char *key,
		uint64_t value)
{
	struct counter *c;

	if (counters->nr % 256 == 0) {
		counters->list = realloc(counters->list,
					 (counters->nr + 256) * sizeof(*counters->list));
		if (!counters->list)
			die("out of memory");
	}
	c = &counters->list[counters->nr++];
	if (snprintf(c->name, sizeof(c->name), "%s %s %s%s", counters->node, scope, prefix, key) >=
	    (int)sizeof(c->name))
		die("%s: name of a counter is too long", c->name);
	c->value = value;
}

/* --- Asking --- */

static int by_type(const struct nlattr *attr, void *table)
{
	const struct nlattr **a = table;

	if (mnl_attr_get_type(attr) < 32)
		a[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

static int family_cb(const struct nlmsghdr *nlh, void *family)
{
	const struct nlattr *a[32] = {};

	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), by_type, a);
	if (a[CTRL_ATTR_FAMILY_ID])
		*(uint16_t *)family = mnl_attr_get_u16(a[CTRL_ATTR_FAMILY_ID]);
	return MNL_CB_OK;
}

static void add_drop(struct counters *counters, const char *scope, const struct nlattr *nest)
{
	const struct nlattr *a[32] = {};
	uint32_t reason;

	mnl_attr_parse_nested(nest, by_type, a);
	if (!a[CROWDSHARE_A_DROP_REASON] || !a[CROWDSHARE_A_DROP_COUNT])
		die("%s: a drop without reason or count", scope);
	reason = mnl_attr_get_u32(a[CROWDSHARE_A_DROP_REASON]);
	if (reason < 1 || reason > CROWDSHARE_DROP_MAX)
		die("%s: drop reason %u is unknown", scope, reason);
	add(counters, scope, "drops.", drop_names[reason],
	    mnl_attr_get_u64(a[CROWDSHARE_A_DROP_COUNT]));
}

static void scope_name(const struct nlattr **a, char *scope, size_t size)
{
	static const char *const names[] = {
		[CROWDSHARE_SCOPE_DEVICE] = "device", [CROWDSHARE_SCOPE_LOCAL] = "local",
		[CROWDSHARE_SCOPE_PORT] = "port", [CROWDSHARE_SCOPE_PEER] = "peer",
	};
	const struct nlattr *name = a[CROWDSHARE_A_STATS_PORT_IFNAME];
	const uint8_t *mac;
	size_t len;

	if (!name)
		name = a[CROWDSHARE_A_STATS_DEV_IFNAME];
	if (!name || !a[CROWDSHARE_A_STATS_SCOPE] ||
	    mnl_attr_get_u32(a[CROWDSHARE_A_STATS_SCOPE]) > CROWDSHARE_SCOPE_PEER)
		die("statistics that do not say of what");
	len = snprintf(scope, size, "%s:%s", names[mnl_attr_get_u32(a[CROWDSHARE_A_STATS_SCOPE])],
		       mnl_attr_get_str(name));
	if (!a[CROWDSHARE_A_STATS_LLADDR])
		return;
	mac = mnl_attr_get_payload(a[CROWDSHARE_A_STATS_LLADDR]);
	snprintf(scope + len, size - len, "@%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
}

static int stats_cb(const struct nlmsghdr *nlh, void *counters)
{
	static const struct {
		uint16_t attr;
		const char *key;
	} map[] = {
		{ CROWDSHARE_A_STATS_RX_FRAMES, "rx_frames" },
		{ CROWDSHARE_A_STATS_RX_BYTES, "rx_bytes" },
		{ CROWDSHARE_A_STATS_NEW, "new" },
		{ CROWDSHARE_A_STATS_DUPLICATES, "duplicates" },
		{ CROWDSHARE_A_STATS_DELIVERED, "delivered" },
		{ CROWDSHARE_A_STATS_TX_FRAMES, "tx_frames" },
		{ CROWDSHARE_A_STATS_TX_BYTES, "tx_bytes" },
		{ CROWDSHARE_A_STATS_TX_REPAIRS, "tx_repairs" },
	};
	const struct nlattr *a[32] = {}, *attr;
	char scope[64];
	size_t i;

	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), by_type, a);
	scope_name(a, scope, sizeof(scope));
	for (i = 0; i < sizeof(map) / sizeof(*map); i++)
		if (a[map[i].attr])
			add(counters, scope, "", map[i].key, mnl_attr_get_u64(a[map[i].attr]));
	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == CROWDSHARE_A_STATS_DROP)
			add_drop(counters, scope, attr);
	return MNL_CB_OK;
}

static int dev_cb(const struct nlmsghdr *nlh, void *counters)
{
	const struct nlattr *a[32] = {};
	char scope[64];

	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), by_type, a);
	if (!a[CROWDSHARE_A_DEV_IFNAME] || !a[CROWDSHARE_A_DEV_SEEN_COUNT])
		die("a device without name or count of entries");
	snprintf(scope, sizeof(scope), "set:%s", mnl_attr_get_str(a[CROWDSHARE_A_DEV_IFNAME]));
	add(counters, scope, "", "count", mnl_attr_get_u32(a[CROWDSHARE_A_DEV_SEEN_COUNT]));
	return MNL_CB_OK;
}

static void ask(struct mnl_socket *nl, uint16_t family, uint8_t cmd, const char *name, mnl_cb_t cb,
		void *data)
{
	char buf[65536];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;
	unsigned int port = mnl_socket_get_portid(nl);
	int rc;

	nlh->nlmsg_type = family;
	nlh->nlmsg_flags = NLM_F_REQUEST | (name ? NLM_F_ACK : NLM_F_DUMP);
	nlh->nlmsg_seq = 1;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = 1;
	if (name)
		mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, name);
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		die("netlink: %s", strerror(errno));
	do {
		rc = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (rc > 0)
			rc = mnl_cb_run(buf, rc, 1, port, cb, data);
	} while (rc > 0);
	if (rc < 0)
		die("netlink: command %u: %s", cmd, strerror(errno));
}

static void enter(const char *node)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", node);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die("network namespace %s: %s", path, strerror(errno));
	close(fd);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct counter *)a)->name, ((const struct counter *)b)->name);
}

static struct counters read_nodes(char **nodes, int nr)
{
	struct counters counters = {};
	struct mnl_socket *nl;
	uint16_t family;
	int i;

	for (i = 0; i < nr; i++) {
		enter(nodes[i]);
		counters.node = nodes[i];
		nl = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
		if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID))
			die("%s: netlink: %s", nodes[i], strerror(errno));
		ask(nl, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CROWDSHARE_GENL_NAME, family_cb, &family);
		ask(nl, family, CROWDSHARE_CMD_STATS_GET, NULL, stats_cb, &counters);
		ask(nl, family, CROWDSHARE_CMD_DEV_GET, NULL, dev_cb, &counters);
		mnl_socket_close(nl);
	}
	qsort(counters.list, counters.nr, sizeof(*counters.list), compare);
	return counters;
}

/* --- Comparing --- */

/* Of a clock that tests do not set. */
static uint64_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static struct counters read_lines(const char *file)
{
	struct counters counters = {};
	char line[NAME_LEN + 32], *space;
	FILE *f = strcmp(file, "-") ? fopen(file, "r") : stdin;

	if (!f)
		die("%s: %s", file, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		space = strrchr(line, ' ');
		if (*line == '\n')
			continue;
		if (!space || strlen(line) >= NAME_LEN)
			die("%s: '%s' is no counter", file, line);
		*space = '\0';
		counters.node = line;
		add(&counters, "", "", "", strtoull(space + 1, NULL, 10));
		/* add() joins node, scope and key by blanks */
		counters.list[counters.nr - 1].name[space - line] = '\0';
	}
	if (f != stdin)
		fclose(f);
	qsort(counters.list, counters.nr, sizeof(*counters.list), compare);
	return counters;
}

static uint64_t value_of(const struct counters *counters, const char *name)
{
	struct counter key, *found;

	if (!counters->nr)
		return 0;
	snprintf(key.name, sizeof(key.name), "%s", name);
	found = bsearch(&key, counters->list, counters->nr, sizeof(key), compare);
	return found ? found->value : 0;
}

/* The sums of a device follow from its parts, as -s checks; in a list of changes they are noise. */
static bool is_sum(const char *name)
{
	return strstr(name, " device:");
}

/* Are the changes those wanted? If @print, prints those that are not. */
static bool same_changes(const struct counters *before, const struct counters *after,
			 const struct counters *wanted, bool print)
{
	bool same = true;
	int64_t change;
	size_t i;

	for (i = 0; i < after->nr; i++) {
		const struct counter *c = &after->list[i];

		change = c->value - value_of(before, c->name);
		if (is_sum(c->name) || change == (int64_t)value_of(wanted, c->name))
			continue;
		same = false;
		if (print)
			printf("%s changed by %" PRId64 ", expected %" PRIu64 "\n", c->name, change,
			       value_of(wanted, c->name));
	}
	/* what was wanted of counters that are not there */
	for (i = 0; i < wanted->nr; i++) {
		const struct counter *c = &wanted->list[i];

		if (!c->value || (after->nr && bsearch(c, after->list, after->nr, sizeof(*c),
						       compare)))
			continue;
		same = false;
		if (print)
			printf("%s changed by 0, expected %" PRIu64 "\n", c->name, c->value);
	}
	return same;
}

static void print(const struct counters *counters, FILE *f)
{
	size_t i;

	for (i = 0; i < counters->nr; i++)
		fprintf(f, "%s %" PRIu64 "\n", counters->list[i].name, counters->list[i].value);
}

static void rewrite(const char *file, const struct counters *counters)
{
	FILE *f = fopen(file, "w");

	if (!f)
		die("%s: %s", file, strerror(errno));
	print(counters, f);
	if (fclose(f))
		die("%s: %s", file, strerror(errno));
}

/* Waits for the changes wanted, and makes the counters now those to compare with the next time. */
static bool changed(const char *file, char **nodes, int nr)
{
	struct counters before = read_lines(file), wanted = read_lines("-"), after;
	uint64_t end = seconds() + CHANGE_SECONDS;
	bool last, same;

	for (;;) {
		last = seconds() >= end;
		after = read_nodes(nodes, nr);
		same = same_changes(&before, &after, &wanted, last);
		if (same || last)
			break;
		free(after.list);
		usleep(50000);
	}
	rewrite(file, &after);
	return same;
}

/* Waits until nothing has been counted for a while. */
static bool rest(char **nodes, int nr)
{
	struct counters before = read_nodes(nodes, nr), after, none = {};
	uint64_t end = seconds() + REST_SECONDS;

	for (;;) {
		usleep(400000);
		after = read_nodes(nodes, nr);
		if (same_changes(&before, &after, &none, false))
			return true;
		free(before.list);
		before = after;
		if (seconds() >= end) {
			printf("traffic does not come to rest\n");
			return false;
		}
	}
}

/* Is the second word of a name of this kind of scope? */
static bool of_scope(const char *name, const char *scope)
{
	const char *blank = strchr(name, ' ');

	return blank && !strncmp(blank + 1, scope, strlen(scope));
}

static bool is_received(const char *name)
{
	const char *key = strrchr(name, ' ') + 1;
	int reason;

	if (!strcmp(key, "new") || !strcmp(key, "duplicates"))
		return true;
	if (strncmp(key, "drops.", 6))
		return false;
	for (reason = 1; reason <= CROWDSHARE_DROP_MAX; reason++)
		if (!strcmp(key + 6, drop_names[reason]))
			return !CROWDSHARE_DROP_IS_TX(reason);
	return false;
}

/* rx_frames = new + duplicates + drops, in the scope to which @frames belongs. */
static bool scope_adds_up(const struct counters *counters, const struct counter *frames)
{
	size_t i, scope = strrchr(frames->name, ' ') + 1 - frames->name;
	uint64_t sum = 0;

	for (i = 0; i < counters->nr; i++) {
		const struct counter *c = &counters->list[i];

		if (!strncmp(c->name, frames->name, scope) && is_received(c->name))
			sum += c->value;
	}
	if (sum != frames->value)
		printf("%s %" PRIu64 ", but new, duplicates and drops are %" PRIu64 "\n",
		       frames->name, frames->value, sum);
	return sum == frames->value;
}

/* A counter of a device is the sum of those of its ports and of what was sent into it. */
static bool device_adds_up(const struct counters *counters, const struct counter *device,
			   bool removed)
{
	size_t i, node = strchr(device->name, ' ') + 1 - device->name;
	const char *key = strrchr(device->name, ' ');
	uint64_t sum = 0;

	for (i = 0; i < counters->nr; i++) {
		const struct counter *c = &counters->list[i];

		if (!strncmp(c->name, device->name, node) && !strcmp(strrchr(c->name, ' '), key) &&
		    (of_scope(c->name, "port:") || of_scope(c->name, "local:")))
			sum += c->value;
	}
	if (sum == device->value || (removed && sum < device->value))
		return true;
	printf("%s %" PRIu64 ", but its parts are %" PRIu64 "\n", device->name, device->value,
	       sum);
	return false;
}

static bool sums_hold(char **nodes, int nr, bool removed)
{
	struct counters counters = read_nodes(nodes, nr);
	bool good = true;
	size_t i;

	for (i = 0; i < counters.nr; i++) {
		const struct counter *c = &counters.list[i];

		if (!strcmp(strrchr(c->name, ' '), " rx_frames"))
			good &= scope_adds_up(&counters, c);
		if (of_scope(c->name, "device:"))
			good &= device_adds_up(&counters, c, removed);
	}
	if (!counters.nr) {
		printf("no counters at all\n");
		good = false;
	}
	return good;
}


static void show(char **nodes, int nr)
{
	struct counters counters = read_nodes(nodes, nr);

	print(&counters, stdout);
}

static void usage(void)
{
	printf("usage: cscount NODE...           prints the counters of these network namespaces\n"
	       "       cscount -c FILE NODE...   "
	       "what has changed since FILE was printed is exactly\n"
	       "                                 what standard input says; waits for it a while;\n"
	       "                                 FILE gets the counters now\n"
	       "       cscount -r NODE...        waits until nothing is counted any more\n"
	       "       cscount -s NODE...        received = new + duplicates + drops, everywhere;\n"
	       "                                 "
	       "devices (of one a node) are the sum of their parts\n"
	       "       cscount -S NODE...        "
	       "the same, devices of which ports were removed are more\n"
	       "Exit status 1 if it is not so.\n");
}

int main(int argc, char **argv)
{
	bool good = true;

	if (argc < 2)
		die("which network namespaces? cscount -h tells more");
	if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help"))
		usage();
	else if (!strcmp(argv[1], "-c") && argc > 3)
		good = changed(argv[2], argv + 3, argc - 3);
	else if (!strcmp(argv[1], "-r"))
		good = rest(argv + 2, argc - 2);
	else if (!strcmp(argv[1], "-s"))
		good = sums_hold(argv + 2, argc - 2, false);
	else if (!strcmp(argv[1], "-S"))
		good = sums_hold(argv + 2, argc - 2, true);
	else if (*argv[1] == '-')
		die("'%s': -c FILE, -r, -s or -S; cscount -h tells more", argv[1]);
	else
		show(argv + 1, argc - 1);
	return good ? 0 : 1;
}
