// SPDX-License-Identifier: GPL-2.0
/*
 * csnl stats: counters of devices, ports and peers, once or again and again with rates.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "csnl/csnl.h"
#include "lib/message.h"

static const char usage[] =
	"Usage: csnl stats [show] [dev DEV] [-w SECONDS]\n"
	"-w repeats every SECONDS, with the rates per second since the time before.\n"
	"Per port, frames received = new + duplicates + drops on receipt, exactly.\n";

static const char *const scope_names[] = {
	[CROWDSHARE_SCOPE_DEVICE] = "device",
	[CROWDSHARE_SCOPE_LOCAL] = "local",
	[CROWDSHARE_SCOPE_PORT] = "port",
	[CROWDSHARE_SCOPE_PEER] = "peer",
};

/* Counters in the order in which they are shown. */
static const struct {
	const char	*key;
	const char	*label;
	uint16_t	attr;
} counters[] = {
	{ "rx_frames", "\n    rx: frames", CROWDSHARE_A_STATS_RX_FRAMES },
	{ "rx_bytes", " bytes", CROWDSHARE_A_STATS_RX_BYTES },
	{ "new", " new", CROWDSHARE_A_STATS_NEW },
	{ "duplicates", " duplicates", CROWDSHARE_A_STATS_DUPLICATES },
	{ "delivered", " delivered", CROWDSHARE_A_STATS_DELIVERED },
	{ "tx_frames", "\n    tx: frames", CROWDSHARE_A_STATS_TX_FRAMES },
	{ "tx_bytes", " bytes", CROWDSHARE_A_STATS_TX_BYTES },
	{ "tx_repairs", " repairs", CROWDSHARE_A_STATS_TX_REPAIRS },
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void put_drop(json_t *drops, const struct nlattr *nest)
{
	const struct nlattr *attr;
	uint64_t count = 0;
	uint32_t reason = 0;
	char number[16];
	const char *name;

	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == CROWDSHARE_A_DROP_REASON &&
		    !mnl_attr_validate(attr, MNL_TYPE_U32))
			reason = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == CROWDSHARE_A_DROP_COUNT &&
			 !mnl_attr_validate(attr, MNL_TYPE_U64))
			count = mnl_attr_get_u64(attr);
	}
	name = cs_drop_name(reason);
	if (!name) {
		/* a newer kernel module has more reasons */
		snprintf(number, sizeof(number), "%u", reason);
		name = number;
	}
	put(drops, name, json_integer(count));
}

static json_t *stats_json(const struct nlmsghdr *nlh)
{
	const struct nlattr *a[CROWDSHARE_A_STATS_MAX + 1], *attr;
	json_t *stats = json_object(), *drops = json_object();
	size_t i;

	cs_nl_attrs(nlh, a, CROWDSHARE_A_STATS_MAX);
	put_choice(stats, "scope", a[CROWDSHARE_A_STATS_SCOPE], scope_names, COUNT(scope_names));
	put_string(stats, "dev", a[CROWDSHARE_A_STATS_DEV_IFNAME]);
	put_u32(stats, "dev_ifindex", a[CROWDSHARE_A_STATS_DEV_IFINDEX]);
	put_string(stats, "port", a[CROWDSHARE_A_STATS_PORT_IFNAME]);
	put_u32(stats, "port_ifindex", a[CROWDSHARE_A_STATS_PORT_IFINDEX]);
	put_lladdr(stats, "lladdr", a[CROWDSHARE_A_STATS_LLADDR]);
	for (i = 0; i < COUNT(counters); i++)
		put_u64(stats, counters[i].key, a[counters[i].attr]);
	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == CROWDSHARE_A_STATS_DROP)
			put_drop(drops, attr);
	put(stats, "drops", drops);
	return stats;
}

static void print_count(const json_t *stats, const json_t *rates, const char *label,
			const char *key)
{
	const json_t *rate = json_object_get(rates, key);

	printf("%s %lld", label, get_number(stats, key));
	if (rate)
		printf(" (%.1f/s)", json_number_value(rate));
}

static void stats_print(const json_t *stats)
{
	const json_t *rates = json_object_get(stats, "rates");
	const char *name, *text;
	json_t *drops, *value;
	unsigned int reason;
	size_t i;

	printf("%s: %s", get_string(stats, "dev"), get_string(stats, "scope"));
	if (json_object_get(stats, "port"))
		printf(" %s", get_string(stats, "port"));
	if (json_object_get(stats, "lladdr"))
		printf(" %s", get_string(stats, "lladdr"));
	for (i = 0; i < COUNT(counters); i++)
		if (json_object_get(stats, counters[i].key))
			print_count(stats, rates, counters[i].label, counters[i].key);
	putchar('\n');
	drops = json_object_get(stats, "drops");
	json_object_foreach(drops, name, value) {
		text = "reason that this csnl does not know";
		for (reason = 1; reason <= CROWDSHARE_DROP_MAX; reason++)
			if (!strcmp(cs_drop_name(reason), name))
				text = cs_drop_text(reason);
		printf("    drop");
		print_count(drops, json_object_get(rates, "drops"), "", name);
		printf(" %s: %s\n", name, text);
	}
}

static int stats_cb(const struct nlmsghdr *nlh, void *list)
{
	json_array_append_new(list, stats_json(nlh));
	return 0;
}

/**
 * stats_list - all statistics, or those of one device
 */
json_t *stats_list(struct csnl *cs, struct args *args, uint32_t ifindex)
{
	struct nlmsghdr *nlh = cs_nl_prepare(csnl_nl(cs), CROWDSHARE_CMD_STATS_GET);
	json_t *list = json_array();

	if (ifindex)
		mnl_attr_put_u32(nlh, CROWDSHARE_A_STATS_DEV_IFINDEX, ifindex);
	csnl_dump(cs, args, nlh, stats_cb, list);
	return list;
}

/* Are these two about the same device, port or peer? */
static bool same_scope(const json_t *a, const json_t *b)
{
	static const char *const keys[] = { "scope", "dev_ifindex", "port_ifindex", "lladdr" };
	size_t i;

	for (i = 0; i < COUNT(keys); i++) {
		const json_t *x = json_object_get(a, keys[i]), *y = json_object_get(b, keys[i]);

		if (x != y && !json_equal(x, y))
			return false;
	}
	return true;
}

/* Rates of all integers in @now that tell counts, relative to @then. */
static json_t *rates_of(const json_t *now, const json_t *then, double seconds)
{
	json_t *rates = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)now, key, value)
		if (json_is_integer(value) && !strstr(key, "_ifindex"))
			put(rates, key, json_real((json_integer_value(value) -
						   get_number(then, key)) / seconds));
	return rates;
}

static void add_rates(json_t *list, const json_t *before, double seconds)
{
	const json_t *then;
	json_t *now, *rates;
	size_t i, j;

	json_array_foreach(list, i, now) {
		json_array_foreach(before, j, then) {
			if (!same_scope(now, then))
				continue;
			rates = rates_of(now, then, seconds);
			put(rates, "drops", rates_of(json_object_get(now, "drops"),
						     json_object_get(then, "drops"), seconds));
			put(now, "rates", rates);
			break;
		}
	}
}

static double monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* A sample at every multiple of the interval, however long the sample itself took. */
static void watch(struct csnl *cs, struct args *args, uint32_t ifindex, double interval)
{
	json_t *list, *before = NULL;
	double next = monotonic(), now, then = 0;
	struct timespec t;

	for (;;) {
		list = stats_list(cs, args, ifindex);
		now = monotonic();
		if (before)
			add_rates(list, before, now - then);
		json_decref(before);
		before = json_deep_copy(list);
		then = now;
		print_list(cs, list, stats_print);
		if (!cs->json)
			putchar('\n');
		flush_output();
		for (next += interval; next < now; next += interval)
			;
		t.tv_sec = next;
		t.tv_nsec = (next - t.tv_sec) * 1e9;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
	}
}

static int stats_show(struct csnl *cs, struct args *args)
{
	uint32_t ifindex = 0;
	double interval = 0;

	while (args->left) {
		if (args_option(args, "dev"))
			ifindex = args_ifindex(args, "dev", NULL);
		else if (args_option(args, "-w"))
			interval = args_decimal(args, "-w", 0.1, 86400);
		else
			args_unknown(args);
	}
	if (interval > 0)
		watch(cs, args, ifindex, interval);
	print_list(cs, stats_list(cs, args, ifindex), stats_print);
	return EXIT_YES;
}

int csnl_stats(struct csnl *cs, struct args *args)
{
	static const struct object stats = { "stats", NULL, stats_show, usage };

	args_option(args, "show");
	return object_run(cs, args, &stats);
}
