// SPDX-License-Identifier: GPL-2.0
/*
 * Policy: batteries, the data plan, destinations, rate limits.
 *
 * Batteries are read as Documentation/ABI/testing/sysfs-class-power describes them. The calendar is
 * that of "days_from_civil" (Howard Hinnant, chrono-Compatible Low-Level Date Algorithms): years
 * begin in March, so that the leap day is the last of a year. Rate limits are the generic cell rate
 * algorithm (ITU-T I.371) of kmod/peer.c.
 *
 * Nothing here keeps state but in the structs of the caller.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/util.h>
#include <openssl/evp.h>

#include "daemon/policy.h"
#include "lib/file.h"
#include "lib/hex.h"

#define DAY_SECONDS	86400
#define NSEC_PER_SEC	1000000000ull
#define CLOCK_VALID	20454		/* 2026-01-01, in days: before, a clock was never set */
#define MONTH_MAX	31
#define PER_CENT	100
#define PLAN_VERSION	1
#define PLAN_FILE_MAX	512
#define BACKOFF_MOST	300		/* seconds */
#define SUM_LEN		32		/* SHA-256 */

static const struct {
	const char *name;
	const char *text;
} reasons[] = {
#define REASON(name, string, text) { string, text },
	POLICY_REASON_LIST(REASON)
#undef REASON
};

_Static_assert(sizeof(reasons) / sizeof(*reasons) == POLICY_REASON_MAX, "in the enum's order");

/**
 * policy_reason_name() - one-word name of a reason, for JSON
 * @reason: enum policy_reason, or any number
 *
 * Return: a text, also for a reason that is not known.
 */
const char *policy_reason_name(unsigned int reason)
{
	return reason < POLICY_REASON_MAX ? reasons[reason].name : "unknown";
}

/**
 * policy_reason_text() - what a person reads about a reason
 * @reason: enum policy_reason, or any number
 *
 * Return: a text, also for a reason that is not known.
 */
const char *policy_reason_text(unsigned int reason)
{
	return reason < POLICY_REASON_MAX ? reasons[reason].text : "an unknown reason";
}

/* --- Batteries --- */

/**
 * struct supplies - what was found of supplies of power
 * @batteries: batteries that are present
 * @known: those of them whose charge is known
 * @external: supplies from outside that exist, connected or not
 * @online: one of them is connected
 * @charging: a battery says so: power comes from somewhere
 * @discharging: likewise; none comes, or not enough
 * @idle: a battery says that it is full, or not charged though it could be
 * @unweighed: a battery does not tell how much energy it holds
 * @percents: sum of the charges of the known, each as heavy as the others
 * @weighed: sum of the charges, weighed by energy
 * @weight: sum of the energies
 * @unknown: name of a battery whose charge is not known
 */
struct supplies {
	uint64_t	batteries;
	uint64_t	known;
	bool		external;
	bool		online;
	bool		charging;
	bool		discharging;
	bool		idle;
	bool		unweighed;
	uint64_t	percents;
	uint64_t	weighed;
	uint64_t	weight;
	char		unknown[NAME_MAX + 1];
};

/* First line of an attribute; empty if there is none, or if it is longer than any that counts. */
static void read_text(int dir, const char *name, char *text, size_t size)
{
	ssize_t len;
	int fd;

	text[0] = 0;
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	len = read(fd, text, size);
	close(fd);
	if (len < 0 || (size_t)len == size)
		len = 0;
	text[len] = 0;
	text[strcspn(text, "\n")] = 0;
}

static bool read_number(int dir, const char *name, uint64_t *value)
{
	char text[32], *end;

	read_text(dir, name, text, sizeof(text));
	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && !*end;
}

/* The charge by one of two pairs of attributes, energy (uWh) or charge (uAh). */
static bool read_ratio(int dir, const char *now, const char *full, uint64_t *percent)
{
	uint64_t is, most;

	if (!read_number(dir, now, &is) || !read_number(dir, full, &most) || !most)
		return false;
	/* what is missing rounds up: rather less than there is */
	*percent = is < most ? PER_CENT - bid_scale(most - is, PER_CENT, most) : PER_CENT;
	return true;
}

static void look_at_battery(int dir, const char *name, struct supplies *found)
{
	uint64_t present, percent, energy;
	char status[32];

	if (read_number(dir, "present", &present) && !present)
		return;
	found->batteries++;
	read_text(dir, "status", status, sizeof(status));
	found->charging |= !strcmp(status, "Charging");
	found->discharging |= !strcmp(status, "Discharging");
	found->idle |= !strcmp(status, "Full") || !strcmp(status, "Not charging");
	if ((!read_number(dir, "capacity", &percent) || percent > PER_CENT) &&
	    !read_ratio(dir, "energy_now", "energy_full", &percent) &&
	    !read_ratio(dir, "charge_now", "charge_full", &percent)) {
		snprintf(found->unknown, sizeof(found->unknown), "%s", name);
		return;
	}
	found->known++;
	found->percents += percent;
	/* no battery of this world has more than 4 MWh */
	if (read_number(dir, "energy_full", &energy) && energy && energy <= UINT32_MAX * 1000ull) {
		found->weighed += percent * energy;
		found->weight += energy;
	} else {
		found->unweighed = true;
	}
}

static void look_at(int dir, const char *name, struct supplies *found)
{
	char type[32], scope[32];
	uint64_t online;

	read_text(dir, "type", type, sizeof(type));
	read_text(dir, "scope", scope, sizeof(scope));
	/* the battery of a mouse says nothing about this node */
	if (!type[0] || !strcmp(type, "Unknown") || !strcmp(scope, "Device"))
		return;
	if (!strcmp(type, "Battery") || !strcmp(type, "UPS")) {
		look_at_battery(dir, name, found);
		return;
	}
	found->external = true;
	/* 1: a fixed voltage, 2: one that is agreed on */
	if (read_number(dir, "online", &online) && (online == 1 || online == 2))
		found->online = true;
}

static int look_at_all(const char *path, struct supplies *found, struct cs_error *error)
{
	const struct dirent *entry;
	DIR *dir = opendir(path);
	int rc, fd;

	if (!dir && errno == ENOENT) /* a kernel without batteries */
		return 0;
	if (!dir) {
		rc = -errno;
		return cs_error_set(error, rc, "%s: the batteries can't be read: %s", path,
				    strerror(-rc));
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0) /* just pulled out, or no supply */
			continue;
		look_at(fd, entry->d_name, found);
		close(fd);
	}
	closedir(dir);
	return 0;
}

/**
 * policy_power() - look at the batteries
 * @dir: /sys/class/power_supply, or what stands in for it
 * @power: gets the result
 * @error: gets the reason of a failure
 *
 * This node is plugged in if a supply from outside is connected, or a battery is being charged; or
 * if no such supply is known to the kernel, as on many boards, and the batteries say that they are
 * full or idle. Without a battery it always is. A battery that does not tell its charge is left out
 * if another does, and else is taken to be empty.
 *
 * Return: 0; -ENODATA if no battery tells its charge, with @power set nonetheless; another negative
 * errno if the directory can't be read, with @power as it was.
 */
int policy_power(const char *dir, struct policy_power *power, struct cs_error *error)
{
	struct supplies found = { 0 };
	int rc;

	rc = look_at_all(dir, &found, error);
	if (rc)
		return rc;
	power->battery = found.batteries;
	power->plugged = !found.batteries || found.online || found.charging ||
			 (!found.external && found.idle && !found.discharging);
	power->percent = found.batteries ? 0 : PER_CENT;
	if (found.known && !found.unweighed)
		power->percent = found.weighed / found.weight;
	else if (found.known)
		power->percent = found.percents / found.known;
	if (found.batteries && !found.known)
		return cs_error_set(error, -ENODATA,
				    "%s/%s: no capacity, energy or charge; taken to be empty",
				    dir, found.unknown);
	return 0;
}

/* --- Data plan --- */

/* A year from March on, and the number of its first day, counted from 1970-01-01. */
static int64_t year_begins(int64_t year)
{
	int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 - 719468;
}

static int64_t month_begins(int64_t year, int month)
{
	return year_begins(year) + (153 * month + 2) / 5;
}

/* The year from March on that a day is in. */
static int64_t year_of(int64_t day)
{
	int64_t shifted = day + 719468, era, of_era;

	era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	of_era = shifted - era * 146097;
	return era * 400 + (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
}

/* Where the month of a plan begins that begins in a month of the calendar (0: March). */
static int64_t plan_begins(int64_t year, int month, int64_t plan_day)
{
	int64_t first = month_begins(year, month);
	int64_t next = month == 11 ? year_begins(year + 1) : month_begins(year, month + 1);

	return plan_day <= next - first ? first + plan_day - 1 : next - 1;
}

/* Where the month of a plan began that a day is in. */
static int64_t plan_month(int64_t day, int64_t plan_day)
{
	int64_t year = year_of(day), begin;
	int month = 11;

	while (month_begins(year, month) > day)
		month--;
	begin = plan_begins(year, month, plan_day);
	if (begin <= day)
		return begin;
	return month ? plan_begins(year, month - 1, plan_day) : plan_begins(year - 1, 11, plan_day);
}

/*
 * The clock may be wrong, and a step of it must not make us forget what was used: a month goes on
 * while the clock is not set, and when the clock goes back across its beginning. If the plan is
 * more than a month ahead of the clock, it was the clock that was ahead before.
 */
static void enter_month(struct policy_plan *plan, int64_t day, int64_t plan_day)
{
	int64_t month = plan_month(day, plan_day);

	if (month > plan->month) {
		if (plan->month >= CLOCK_VALID - MONTH_MAX)
			plan->used = 0;
		plan->month = month;
	} else if (day >= CLOCK_VALID && plan->month > day + MONTH_MAX) {
		plan->month = month;
	}
}

/**
 * policy_plan_count() - count what went over the metered interface since the last time
 * @plan: the plan
 * @config: when its month begins
 * @rx: bytes that the interface received, as it counts them
 * @tx: bytes that it sent
 * @now: Unix seconds; months are those of UTC
 *
 * An interface counts from 0 when it appears. If one of its counters went back it appeared anew,
 * and both began at 0. The first time, all that it counted is taken to be of this month: rather too
 * much than too little, as what is beyond the plan costs money.
 */
void policy_plan_count(struct policy_plan *plan, const struct config_policy *config, uint64_t rx,
		       uint64_t tx, int64_t now)
{
	int64_t day = now / DAY_SECONDS - (now % DAY_SECONDS < 0);
	bool anew = rx < plan->last_rx || tx < plan->last_tx;
	uint64_t received = anew ? rx : rx - plan->last_rx;
	uint64_t sent = anew ? tx : tx - plan->last_tx;

	enter_month(plan, day, config->plan_day ? config->plan_day : 1);
	if (__builtin_add_overflow(plan->used, received, &plan->used) ||
	    __builtin_add_overflow(plan->used, sent, &plan->used))
		plan->used = UINT64_MAX;
	plan->last_rx = rx;
	plan->last_tx = tx;
}

/* The file: lines for people, then the SHA-256 of these. Its length, 0 if there is no SHA-256. */
static size_t plan_text(const struct policy_plan *plan, char text[PLAN_FILE_MAX])
{
	uint8_t sum[SUM_LEN];
	size_t len;

	len = snprintf(text, PLAN_FILE_MAX, "crowdshare plan %d\nmonth %" PRId64 "\nused %" PRIu64
		       "\nrx %" PRIu64 "\ntx %" PRIu64 "\nsha256 ", PLAN_VERSION, plan->month,
		       plan->used, plan->last_rx, plan->last_tx);
	if (EVP_Digest(text, len, sum, NULL, EVP_sha256(), NULL) != 1)
		return 0;
	cs_hex(text + len, sum, SUM_LEN);
	len += 2 * SUM_LEN;
	text[len++] = '\n';
	return len;
}

static int plan_parse(struct policy_plan *plan, const char *text, size_t len, const char *path,
		      struct cs_error *error)
{
	struct policy_plan read = { 0 };
	char again[PLAN_FILE_MAX];
	unsigned int version;

	if (sscanf(text, "crowdshare plan %9u\n", &version) != 1)
		return cs_error_set(error, -EBADMSG,
				    "%s: no file of a data plan", path);
	if (version != PLAN_VERSION)
		return cs_error_set(error, -EBADMSG,
				    "%s: version %u is not known to this program, which knows %d",
				    path, version, PLAN_VERSION);
	sscanf(text, "crowdshare plan %*u\nmonth %" SCNd64 "\nused %" SCNu64 "\nrx %" SCNu64
	       "\ntx %" SCNu64, &read.month, &read.used, &read.last_rx, &read.last_tx);
	/* what does not give the same text was not in it, or is damaged */
	if (plan_text(&read, again) != len || memcmp(text, again, len))
		return cs_error_set(error, -EBADMSG,
				    "%s: damaged, wrong checksum", path);
	*plan = read;
	return 0;
}

/**
 * policy_plan_load() - read what was counted before
 * @plan: gets it
 * @path: of the file
 * @error: gets the reason of a failure
 *
 * Return: 0, also if there is no file: nothing was counted yet. -EBADMSG if the file is damaged, or
 * another negative errno; the file is left as it is, and @plan too.
 */
int policy_plan_load(struct policy_plan *plan, const char *path, struct cs_error *error)
{
	char text[PLAN_FILE_MAX + 1];
	ssize_t len;
	int fd, rc;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 && errno == ENOENT) {
		memset(plan, 0, sizeof(*plan));
		return 0;
	}
	len = fd < 0 ? -1 : read(fd, text, PLAN_FILE_MAX);
	rc = len < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	if (rc)
		return cs_error_set(error, rc, "%s: the data plan can't be read: %s", path,
				    strerror(-rc));
	text[len] = 0;
	return plan_parse(plan, text, len, path, error);
}

/**
 * policy_plan_open() - read what was counted before, or go on without it
 * @plan: gets it
 * @config: the plan
 * @path: of the file
 * @error: gets the reason of a failure, and what was done about it
 *
 * What a damaged file held is not known. To count anew could cost money, and to give up would stop
 * the node for a file of five lines. So it is put aside, as PATH.damaged, and the plan is taken to
 * be used up until its month ends, over restarts too; who knows better removes the new file.
 *
 * Return: 0; -EBADMSG if the file was damaged, @plan holds nonetheless; or another negative errno.
 */
int policy_plan_open(struct policy_plan *plan, const struct config_policy *config,
		     const char *path, struct cs_error *error)
{
	struct cs_error why = { "" };
	char aside[PATH_MAX];
	int rc;

	rc = policy_plan_load(plan, path, &why);
	if (rc != -EBADMSG)
		return rc ? cs_error_set(error, rc, "%s", why.text) : 0;
	memset(plan, 0, sizeof(*plan));
	plan->used = config->plan_bytes;
	if (snprintf(aside, sizeof(aside), "%s.damaged", path) >= (int)sizeof(aside) ||
	    rename(path, aside))
		return cs_error_set(error, rc, "%.300s; it can't be put aside (%s), and the plan "
				    "is taken to be used up until its month ends", why.text,
				    strerror(errno));
	return cs_error_set(error, rc, "%.300s; it was put aside, and the plan is taken to be used "
			    "up until its month ends: remove %.100s to count anew", why.text, path);
}

/* Under one name, not a random one: what is killed while it writes leaves no more than one file. */
static int replace(const char *path, const char *text, size_t len)
{
	char temp[PATH_MAX];
	int fd, rc;

	if (snprintf(temp, sizeof(temp), "%s.new", path) >= (int)sizeof(temp))
		return -ENAMETOOLONG;
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	rc = cs_file_write(fd, text, len);
	if (!rc && fsync(fd))
		rc = -errno;
	if (close(fd) && !rc)
		rc = -errno;
	if (!rc && rename(temp, path))
		rc = -errno;
	if (rc)
		unlink(temp);
	return rc ? rc : cs_file_sync_directory(path);
}

/**
 * policy_plan_save() - keep what was counted, over a restart
 * @plan: what was counted
 * @path: of the file, which is replaced whole or not at all
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int policy_plan_save(const struct policy_plan *plan, const char *path, struct cs_error *error)
{
	char text[PLAN_FILE_MAX];
	size_t len = plan_text(plan, text);
	int rc;

	rc = len ? replace(path, text, len) : -ENOTSUP;
	if (rc)
		return cs_error_set(error, rc, "%s: the data plan can't be saved: %s", path,
				    strerror(-rc));
	return 0;
}

/* --- Decisions --- */

/**
 * policy_in_prefixes() - is one of some prefixes the beginning of an address?
 * @prefixes: the prefixes
 * @count: their number
 * @address: IPv6 address
 *
 * Return: whether one is.
 */
bool policy_in_prefixes(const struct config_prefix *prefixes, size_t count,
			const uint8_t address[16])
{
	const struct config_prefix *prefix;
	size_t i, bytes;
	uint8_t mask;

	for (i = 0; i < count; i++) {
		prefix = &prefixes[i];
		bytes = prefix->len / 8;
		if (bytes > 16 || memcmp(prefix->address, address, bytes))
			continue;
		mask = 0xff00 >> prefix->len % 8;
		if (!mask || (bytes < 16 && !((prefix->address[bytes] ^ address[bytes]) & mask)))
			return true;
	}
	return false;
}

/**
 * policy_denies_destination() - is a destination one that this node does not carry to?
 * @config: the prefixes
 * @destination: IPv6 address
 *
 * Return: true if one of the prefixes is the beginning of it.
 */
bool policy_denies_destination(const struct config_policy *config, const uint8_t destination[16])
{
	return policy_in_prefixes(config->deny_destinations, config->nr_deny, destination);
}

/**
 * policy_refuses() - what speaks against taking anything at all now
 * @config: the limits
 * @power: batteries, as last looked at
 * @plan: data plan, as last counted
 *
 * Return: POLICY_BATTERY, POLICY_PLAN or POLICY_NONE.
 */
enum policy_reason policy_refuses(const struct config_policy *config,
				  const struct policy_power *power, const struct policy_plan *plan)
{
	if (!power->plugged && power->percent < config->battery_min)
		return POLICY_BATTERY;
	if (config->plan_bytes && plan->used >= config->plan_bytes && !config->plan_overage)
		return POLICY_PLAN;
	return POLICY_NONE;
}

/**
 * policy_bucket_set() - set a rate limit; that may be done before each use
 * @bucket: the limit
 * @rate: units a second, 0: no limit
 * @now_ns: a clock that no one sets
 *
 * What passed on credit is so many units: at a higher rate they are paid off sooner.
 */
void policy_bucket_set(struct policy_bucket *bucket, uint64_t rate, uint64_t now_ns)
{
	uint64_t debt = bucket->tat > now_ns ? bucket->tat - now_ns : 0;

	if (rate == bucket->rate)
		return;
	debt = rate ? bid_scale(debt, bucket->rate, rate) : 0;
	if (__builtin_add_overflow(now_ns, debt, &bucket->tat))
		bucket->tat = UINT64_MAX;
	bucket->rate = rate;
}

/**
 * policy_bucket_take() - count units against a rate limit
 * @bucket: the limit
 * @units: how many
 * @now_ns: a clock that no one sets
 *
 * One second's worth may pass at once, and what is larger than that when nothing did before; then
 * nothing else does until its time has passed.
 *
 * Return: whether they may pass; if not, they are not counted.
 */
bool policy_bucket_take(struct policy_bucket *bucket, uint64_t units, uint64_t now_ns)
{
	uint64_t cost, burst, tat;

	if (!bucket->rate)
		return true;
	if (__builtin_mul_overflow(units, NSEC_PER_SEC, &cost))
		cost = UINT64_MAX;
	cost /= bucket->rate;
	burst = cost > NSEC_PER_SEC ? cost : NSEC_PER_SEC;
	tat = bucket->tat > now_ns ? bucket->tat : now_ns;
	/* tat + cost > now + burst, without a sum that may overflow: burst is not less than cost */
	if (tat - now_ns > burst - cost)
		return false;
	if (__builtin_add_overflow(tat, cost, &bucket->tat))
		bucket->tat = UINT64_MAX;
	return true;
}

/**
 * policy_backoff() - how long to leave somebody alone who does not answer
 * @failures: times that he did not before, one after the other
 *
 * Return: ns: 1, 2, 4 and so on up to 300 seconds, half of which is left to chance.
 */
uint64_t policy_backoff(unsigned int failures)
{
	uint64_t seconds = failures < 9 ? 1ull << failures : BACKOFF_MOST, half;
	uint32_t chance;

	if (seconds > BACKOFF_MOST)
		seconds = BACKOFF_MOST;
	evutil_secure_rng_get_bytes(&chance, sizeof(chance));
	half = seconds * NSEC_PER_SEC / 2;
	return half + bid_scale(half, chance, UINT32_MAX);
}
