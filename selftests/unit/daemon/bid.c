// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the price and of policy: batteries, the data plan, destinations, rate limits.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "daemon/bid.h"
#include "daemon/policy.h"

#define GB	1000000000ull
#define SECOND	1000000000ull
#define DAY	86400

/* --- The price --- */

static uint64_t number(void)
{
	uint64_t value = 0;
	int i;

	for (i = 0; i < 5; i++)
		value = value << 15 ^ rand();
	return rand() % 16 ? value >> rand() % 64 : UINT64_MAX - rand() % 3;
}

/* Against the 128 bits that the compiler has here. */
static void test_scale(void **state)
{
	uint64_t value, times, by;
	unsigned __int128 exact;
	int round;

	(void)state;
	for (round = 0; round < 200000; round++) {
		value = number();
		times = number();
		by = number();
		by += !by;
		exact = (unsigned __int128)value * times;
		exact = exact / by + (exact % by != 0);
		assert_true(bid_scale(value, times, by) ==
			    (exact > UINT64_MAX ? UINT64_MAX : (uint64_t)exact));
	}
	assert_int_equal(bid_scale(0, UINT64_MAX, 1), 0);
	assert_true(bid_scale(UINT64_MAX, UINT64_MAX, UINT64_MAX) == UINT64_MAX);
	assert_true(bid_scale(UINT64_MAX, 3, 3) == UINT64_MAX);
	assert_true(bid_scale(UINT64_MAX - 1, UINT64_MAX, UINT64_MAX) == UINT64_MAX - 1);
	assert_true(bid_scale(UINT64_MAX, 2, 1) == UINT64_MAX);
}

/* Nothing is used, on mains. */
static struct bid_input idle(uint64_t market)
{
	return (struct bid_input){ .market = market, .store_quota = GB, .plugged = true,
		.battery = 100, .battery_full = 80, .plan_near = 90, .rating = 1000 };
}

static void check(const struct bid_input *input, uint64_t store, uint64_t band, uint64_t battery,
		  uint64_t plan, uint64_t rated)
{
	struct bid_terms terms;

	memset(&terms, 0xff, sizeof(terms));
	bid_price(input, &terms);
	assert_true(terms.market == input->market);
	assert_true(terms.store == store);
	assert_true(terms.band == band);
	assert_true(terms.battery == battery);
	assert_true(terms.plan == plan);
	assert_true(terms.rated == rated);
}

/* The example in bid.c. */
static void test_example(void **state)
{
	struct bid_input input = {
		.market = 500, .store_used = 3ull << 30, .store_quota = 4ull << 30,
		.band_used = 100000, .band_limit = 1000000, .battery = 60, .battery_full = 80,
		.plan_used = 92 * GB / 10, .plan_bytes = 10 * GB, .plan_near = 90,
		.plan_overage = 2000, .rating = 1250,
	};

	(void)state;
	check(&input, 1125, 20, 500, 4000, 4916);
}

static void test_store_and_band(void **state)
{
	struct bid_input input = idle(1000);

	(void)state;
	check(&input, 0, 0, 0, 0, 1000);
	input.store_used = GB / 2;
	check(&input, 1000, 0, 0, 0, 2000);
	input.store_used = GB;
	check(&input, 4000, 0, 0, 0, 5000);
	input.store_used = UINT64_MAX;
	check(&input, 4000, 0, 0, 0, 5000);
	input.store_used = 1; /* a ten-thousandth, rounded up twice */
	check(&input, 1, 0, 0, 0, 1001);
	input.store_used = 0;
	input.store_quota = 0; /* no room at all */
	check(&input, 4000, 0, 0, 0, 5000);
	input.store_quota = 1;
	input.band_used = 5000;
	check(&input, 0, 0, 0, 0, 1000);
	input.band_limit = 50000; /* 4000 / 100 */
	check(&input, 0, 40, 0, 0, 1040);
	input.band_limit = 4999;
	check(&input, 0, 4000, 0, 0, 5000);
	input.market = 0;
	check(&input, 0, 0, 0, 0, 0);
}

static void test_battery(void **state)
{
	struct bid_input input = idle(1000);

	(void)state;
	input.battery = 0;
	check(&input, 0, 0, 0, 0, 1000);
	input.plugged = false;
	check(&input, 0, 0, 4000, 0, 5000);
	input.battery = 40;
	check(&input, 0, 0, 2000, 0, 3000);
	input.battery = 79;
	check(&input, 0, 0, 50, 0, 1050);
	input.battery = 80;
	check(&input, 0, 0, 0, 0, 1000);
	input.battery = 0;
	input.battery_full = 0; /* never raised */
	check(&input, 0, 0, 0, 0, 1000);
	input.battery_full = 3; /* 4000 * 2 / 3, rounded up */
	input.battery = 1;
	check(&input, 0, 0, 2667, 0, 3667);
}

static void test_plan(void **state)
{
	struct bid_input input = idle(1000);

	(void)state;
	input.plan_used = UINT64_MAX;
	input.plan_overage = 700;
	check(&input, 0, 0, 0, 0, 1000);
	input.plan_bytes = 1005;
	input.plan_used = 904; /* 90 per cent are 904.5 */
	check(&input, 0, 0, 0, 0, 1000);
	input.plan_used = 905;
	check(&input, 0, 0, 0, 1400, 2400);
	input.plan_used = 2000;
	check(&input, 0, 0, 0, 1400, 2400);
	input.plan_near = 150;
	check(&input, 0, 0, 0, 1400, 2400);
	input.plan_used = 1004;
	check(&input, 0, 0, 0, 0, 1000);
	input.plan_used = 1005;
	check(&input, 0, 0, 0, 1400, 2400);
	input.plan_overage = 0;
	check(&input, 0, 0, 0, 0, 1000);
	input.market = 0;
	input.plan_overage = UINT64_MAX / 2 + 1;
	check(&input, 0, 0, 0, UINT64_MAX, UINT64_MAX);
}

static void test_rating(void **state)
{
	static const struct { uint32_t rating; uint64_t price; } ratings[] = {
		{ 1000, 1000 }, { 2000, 500 }, { 500, 2000 }, { 3000, 334 }, { 10000, 100 },
		{ 10001, 100 }, { UINT32_MAX, 100 }, { 100, 10000 }, { 99, 10000 }, { 0, 10000 },
	};
	struct bid_input input = idle(1000);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(ratings) / sizeof(*ratings); i++) {
		input.rating = ratings[i].rating;
		check(&input, 0, 0, 0, 0, ratings[i].price);
	}
	input.market = 1; /* not free because one is liked */
	input.rating = 10000;
	check(&input, 0, 0, 0, 0, 1);
}

static struct bid_input random_input(void)
{
	return (struct bid_input){ .market = number(), .store_used = number(),
		.store_quota = number(), .band_used = number(), .band_limit = number(),
		.plugged = rand() & 1, .battery = number(), .plan_used = number(),
		.plan_bytes = number(), .plan_near = number(), .plan_overage = number(),
		.battery_full = rand() & 1 ? number() % 101 : number(), .rating = number() };
}

static uint64_t price(const struct bid_input *input)
{
	struct bid_terms terms;

	bid_price(input, &terms);
	/* nothing wrapped */
	assert_true(terms.store <= bid_scale(terms.market, 4, 1));
	assert_true(terms.band <= bid_scale(terms.market, 4, 1));
	assert_true(terms.battery <= bid_scale(terms.market, 4, 1));
	assert_true(terms.rated >= bid_scale(terms.market, 1, 10));
	return terms.rated;
}

#define RISES(member) do { \
	struct bid_input more = input; \
	more.member += number(); \
	if (more.member >= input.member) \
		assert_true(price(&more) >= price(&input)); \
	else \
		assert_true(price(&more) <= price(&input)); \
} while (0)
#define FALLS(member) do { \
	struct bid_input more = input; \
	more.member += number(); \
	if (more.member >= input.member) \
		assert_true(price(&more) <= price(&input)); \
	else \
		assert_true(price(&more) >= price(&input)); \
} while (0)

static void test_monotone(void **state)
{
	struct bid_input input, other;
	int round;

	(void)state;
	for (round = 0; round < 20000; round++) {
		input = random_input();
		RISES(market);
		RISES(store_used);
		FALLS(store_quota);
		RISES(band_used);
		RISES(battery_full);
		FALLS(battery);
		RISES(plan_used);
		FALLS(plan_near);
		RISES(plan_overage);
		FALLS(rating);
		other = input;
		other.plugged = true;
		assert_true(price(&other) <= price(&input));
		/* no limit, no plan: less than any */
		other.plugged = input.plugged;
		other.band_limit = 0;
		other.plan_bytes = 0;
		assert_true(price(&other) <= price(&input));
		/* a limit of 0 is none, so it is not less than others */
		other = input;
		other.band_limit += number();
		other.plan_bytes += number();
		if (input.band_limit && input.plan_bytes && other.band_limit >= input.band_limit &&
		    other.plan_bytes >= input.plan_bytes)
			assert_true(price(&other) <= price(&input));
	}
}

static void test_extremes(void **state)
{
	struct bid_input input;

	(void)state;
	memset(&input, 0xff, sizeof(input));
	input.plugged = false;
	input.battery = 0;
	input.rating = 1000;
	check(&input, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX);
	input.rating = 10000; /* of a sum that is the largest number */
	check(&input, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX / 10 + 1);
	memset(&input, 0, sizeof(input));
	check(&input, 0, 0, 0, 0, 0);
}

static void test_market(void **state)
{
	struct config_rate rates[] = {
		{ "", 10 }, { "u33d", 40 }, { "u33", 30 }, { "u33d", 41 }, { "u33db2c4", 80 },
		{ "w", 99 }, { "u33dbcdefghj", 120 },
	};
	struct config_policy policy = { .rates = rates, .nr_rates = 7 };

	(void)state;
#define AT(where) (strcpy(policy.position, where), (int)bid_market(&policy))
	assert_int_equal(AT(""), 10);
	assert_int_equal(AT("u"), 10);
	assert_int_equal(AT("u3"), 10);
	assert_int_equal(AT("u33"), 30);
	assert_int_equal(AT("u33e"), 30);
	assert_int_equal(AT("u33dbc"), 40);
	assert_int_equal(AT("U33DBC"), 40);
	assert_int_equal(AT("u33db2c"), 40);
	assert_int_equal(AT("u33db2c4"), 80);
	assert_int_equal(AT("u33db2c4zzzz"), 80);
	assert_int_equal(AT("u33dbcdefghj"), 120);
	assert_int_equal(AT("wecny"), 99);
	policy.rates++; /* nothing holds everywhere */
	policy.nr_rates--;
	assert_int_equal(AT("x"), 0);
	assert_int_equal(AT(""), 0);
	policy.nr_rates = 0;
	assert_int_equal(AT("u33d"), 0);
	rates[1].rate = 0; /* a rate of nothing is a rate */
	policy.nr_rates = 6;
	assert_int_equal(AT("u33d"), 0);
}

/* --- Reasons --- */

static void test_reasons(void **state)
{
	unsigned int i, j;

	(void)state;
	for (i = 0; i < POLICY_REASON_MAX; i++) {
		assert_true(policy_reason_text(i)[0]);
		for (j = 0; j < i; j++)
			assert_string_not_equal(policy_reason_name(i), policy_reason_name(j));
	}
	assert_string_equal(policy_reason_name(POLICY_NONE), "none");
	assert_string_equal(policy_reason_name(POLICY_BATTERY), "battery");
	assert_string_equal(policy_reason_name(POLICY_ERROR), "error");
	assert_string_equal(policy_reason_text(POLICY_PLAN), "the node's data plan is exhausted");
	assert_string_equal(policy_reason_name(POLICY_REASON_MAX), "unknown");
	assert_string_equal(policy_reason_text(UINT32_MAX), "an unknown reason");
}

/* --- Batteries --- */

/* A directory of its own for each test. */
static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/crowdshare-bid-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static const char *in_folder(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const void *data, size_t len)
{
	int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	close(fd);
}

/* "NAME attribute=value ..."; a supply that is there already is changed. */
static void supply(const char *name, const char *attributes)
{
	char copy[256], path[128], value[64], *word, *at, *save;

	mkdir(in_folder(name), 0700);
	snprintf(copy, sizeof(copy), "%s", attributes);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		at = strchr(word, '=');
		assert_non_null(at);
		*at = 0;
		snprintf(path, sizeof(path), "%s/%s", name, word);
		snprintf(value, sizeof(value), "%s\n", at + 1);
		for (at = value; *at; at++)
			if (*at == '_')
				*at = ' ';
		write_file(path, value, strlen(value));
	}
}

static void power_is(bool battery, bool plugged, uint32_t percent)
{
	struct policy_power power = { !battery, !plugged, 4711 };
	struct cs_error error = { "" };

	assert_int_equal(policy_power(folder, &power, &error), 0);
	assert_int_equal(power.battery, battery);
	assert_int_equal(power.plugged, plugged);
	assert_int_equal(power.percent, percent);
}

static void test_power(void **state)
{
	(void)state;
	power_is(false, true, 100);
	supply("AC", "type=Mains online=0");
	power_is(false, true, 100); /* runs nonetheless */
	supply("BAT0", "type=Battery present=1 status=Discharging capacity=42");
	power_is(true, false, 42);
	supply("AC", "online=1");
	power_is(true, true, 42);
	supply("AC", "online=0");
	supply("ucsi", "type=USB online=1");
	power_is(true, true, 42);
	supply("ucsi", "online=0");
	power_is(true, false, 42);
	supply("BAT0", "status=Full"); /* pulled out just now */
	power_is(true, false, 42);
	supply("BAT0", "status=Charging"); /* by a supply that the kernel does not know */
	power_is(true, true, 42);
	supply("BAT0", "present=0");
	power_is(false, true, 100);
	/* a mouse is no battery of this node, its charger no supply */
	supply("hidpp", "type=Battery scope=Device status=Discharging capacity=3");
	supply("cradle", "type=USB scope=Device online=1");
	power_is(false, true, 100);
	supply("BAT0", "present=1 status=Discharging scope=System");
	power_is(true, false, 42);
}

/* Boards on which the kernel knows the battery alone. */
static void test_power_alone(void **state)
{
	(void)state;
	supply("axp20x-battery", "type=Battery capacity=90 status=Discharging");
	power_is(true, false, 90);
	supply("axp20x-battery", "status=Not_charging");
	power_is(true, true, 90);
	supply("axp20x-battery", "status=Full");
	power_is(true, true, 90);
	supply("other", "type=Battery capacity=10 status=Discharging");
	power_is(true, false, 50);
	supply("axp20x-battery", "status=Unknown");
	supply("other", "status=Unknown");
	power_is(true, false, 50);
	supply("other", "type=UPS capacity=10 status=Charging");
	power_is(true, true, 50);
}

static void test_power_energy(void **state)
{
	(void)state;
	supply("BAT0", "type=Battery energy_now=19999999 energy_full=20000000");
	power_is(true, false, 99);
	supply("BAT0", "energy_now=25000000"); /* more than full: not calibrated */
	power_is(true, false, 100);
	supply("BAT0", "energy_now=5000000");
	power_is(true, false, 25);
	/* 25 per cent of 20 Wh and 75 of 60 Wh */
	supply("BAT1", "type=Battery capacity=75 energy_full=60000000");
	power_is(true, false, 62);
	/* one does not say how heavy it is: all alike */
	supply("BAT2", "type=Battery charge_now=100 charge_full=1000");
	power_is(true, false, (25 + 75 + 10) / 3);
	/* nonsense for a weight is none */
	supply("BAT2", "present=0");
	supply("BAT1", "energy_full=18446744073709551615");
	power_is(true, false, 50);
	supply("BAT1", "energy_full=0");
	power_is(true, false, 50);
}

static void test_power_nonsense(void **state)
{
	static const char *const nonsense[] = { "", "-1", "101", "0x20", "4e1", "50%", "+50",
		"99999999999999999999999999", "18446744073709551616" };
	struct policy_power power = { 0 };
	struct cs_error error = { "" };
	char text[128];
	size_t i;

	(void)state;
	write_file("file", "Battery", 7);
	supply("empty", "");
	supply("strange", "type=Battery_of_lemons"); /* not inside, so perhaps from outside */
	supply("BAT0", "type=Battery status=Discharging");
	for (i = 0; i < sizeof(nonsense) / sizeof(*nonsense); i++) {
		snprintf(text, sizeof(text), "capacity=%s energy_now=%s energy_full=0 charge_now=7",
			 nonsense[i], nonsense[i]);
		supply("BAT0", text);
		memset(&power, 0xff, sizeof(power));
		assert_int_equal(policy_power(folder, &power, &error), -ENODATA);
		assert_non_null(strstr(error.text, "BAT0"));
		assert_true(power.battery && !power.plugged && !power.percent);
	}
	/* nonsense for a capacity, but the energy is known */
	supply("BAT0", "capacity=101 energy_now=1 energy_full=2");
	power_is(true, false, 50);
	/* and another one tells */
	supply("BAT0", "energy_now=x");
	supply("BAT1", "type=Battery capacity=80");
	power_is(true, false, 80);
	supply("AC", "type=Mains online=yes");
	power_is(true, false, 80);
	supply("AC", "online=3");
	power_is(true, false, 80);
	supply("AC", "online=2");
	power_is(true, true, 80);
}

static void test_power_directory(void **state)
{
	struct policy_power power = { true, false, 7 };
	struct cs_error error = { "" };

	(void)state;
	write_file("file", "", 0);
	assert_int_equal(policy_power(in_folder("file"), &power, &error), -ENOTDIR);
	assert_non_null(strstr(error.text, "file"));
	assert_true(power.battery && !power.plugged && power.percent == 7);
	assert_int_equal(policy_power(in_folder("nothing"), &power, &error), 0);
	assert_true(!power.battery && power.plugged && power.percent == 100);
}

/* --- Data plan --- */

static int64_t utc(int year, int month, int day, int hour)
{
	struct tm tm = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day,
		.tm_hour = hour };

	return timegm(&tm);
}

static void month_is(struct policy_plan *plan, uint32_t plan_day, int64_t now, int year, int month,
		     int day)
{
	struct config_policy config = { .plan_day = plan_day };

	policy_plan_count(plan, &config, plan->last_rx, plan->last_tx, now);
	assert_int_equal(plan->month, utc(year, month, day, 0) / DAY);
}

static void test_month_ends(void **state)
{
	struct policy_plan plan = { 0 };

	(void)state;
	month_is(&plan, 31, utc(2027, 1, 30, 23), 2026, 12, 31);
	month_is(&plan, 31, utc(2027, 1, 31, 0), 2027, 1, 31);
	month_is(&plan, 31, utc(2027, 2, 27, 23), 2027, 1, 31);
	month_is(&plan, 31, utc(2027, 2, 28, 0), 2027, 2, 28);
	month_is(&plan, 31, utc(2027, 3, 30, 23), 2027, 2, 28);
	month_is(&plan, 31, utc(2027, 3, 31, 0), 2027, 3, 31);
	month_is(&plan, 31, utc(2027, 4, 29, 23), 2027, 3, 31);
	month_is(&plan, 31, utc(2027, 4, 30, 0), 2027, 4, 30);
	/* leap years, and a hundredth that is none */
	month_is(&plan, 30, utc(2028, 2, 28, 23), 2028, 1, 30);
	month_is(&plan, 30, utc(2028, 2, 29, 0), 2028, 2, 29);
	month_is(&plan, 29, utc(2029, 2, 28, 0), 2029, 2, 28);
	month_is(&plan, 29, utc(2096, 2, 29, 0), 2096, 2, 29);
	month_is(&plan, 29, utc(2100, 2, 28, 0), 2100, 2, 28);
	month_is(&plan, 29, utc(2400, 2, 28, 23), 2400, 1, 29);
	month_is(&plan, 29, utc(2400, 2, 29, 0), 2400, 2, 29);
	/* before the epoch */
	plan.month = INT64_MIN;
	month_is(&plan, 15, -1, 1969, 12, 15);
	plan.month = INT64_MIN;
	month_is(&plan, 1, -1, 1969, 12, 1);
	/* not set: the first */
	month_is(&plan, 0, utc(2401, 1, 1, 0), 2401, 1, 1);
}

/* Each day of 130 years, and of each plan, against the calendar of the C library. */
static void test_calendar(void **state)
{
	int64_t day, begin, first = utc(2026, 1, 1, 0) / DAY, last = utc(2156, 1, 1, 0) / DAY;
	struct config_policy config = { 0 };
	struct policy_plan plan;
	struct tm today, tomorrow;
	int config_day;
	time_t at;

	(void)state;
	for (config_day = 1; config_day <= 31; config_day++) {
		config.plan_day = config_day;
		memset(&plan, 0, sizeof(plan));
		begin = 0;
		for (day = first; day < last; day++) {
			at = day * DAY;
			gmtime_r(&at, &today);
			at += DAY;
			gmtime_r(&at, &tomorrow);
			/* the day itself, or the last one of a shorter month */
			if (today.tm_mday == config_day || (tomorrow.tm_mday == 1 &&
							    today.tm_mday < config_day))
				begin = day;
			policy_plan_count(&plan, &config, 0, 0, day * DAY + DAY - 1);
			if (begin)
				assert_int_equal(plan.month, begin);
		}
	}
}

static void count_is(struct policy_plan *plan, uint64_t rx, uint64_t tx, int64_t now,
		     uint64_t used)
{
	struct config_policy config = { .plan_day = 15 };

	policy_plan_count(plan, &config, rx, tx, now);
	assert_true(plan->used == used);
	assert_true(plan->last_rx == rx && plan->last_tx == tx);
}

static void test_counters(void **state)
{
	int64_t may = utc(2027, 5, 20, 0), june = utc(2027, 6, 15, 0);
	struct policy_plan plan = { 0 };

	(void)state;
	count_is(&plan, 1000, 200, may, 1200);
	count_is(&plan, 1000, 200, may, 1200);
	count_is(&plan, 1500, 201, may, 1701);
	/* restarted: what it counted since */
	count_is(&plan, 10, 5, may, 1716);
	count_is(&plan, 10, 6, may, 1717);
	/* restarted, and one of both is beyond where it was already */
	count_is(&plan, 100, 5, may, 1822);
	count_is(&plan, 99, 1000, may, 1822 + 1099);
	count_is(&plan, 0, 0, may, 2921);
	/* a new month, with what was not counted in the old one */
	count_is(&plan, 70, 7, june - 1, 2998);
	count_is(&plan, 80, 8, june, 11);
	count_is(&plan, UINT64_MAX, 8, june, UINT64_MAX - 80 + 11);
	count_is(&plan, UINT64_MAX, UINT64_MAX, june, UINT64_MAX);
	count_is(&plan, 5, 5, june, UINT64_MAX);
	count_is(&plan, 6, 6, june + 40 * DAY, 2);
}

static void test_clock(void **state)
{
	int64_t may = utc(2027, 5, 20, 0), june = utc(2027, 6, 15, 0);
	struct policy_plan plan = { 0 };

	(void)state;
	/* a router without a clock, and NTP a while later: nothing is forgotten */
	count_is(&plan, 100, 0, 30, 100);
	count_is(&plan, 200, 0, utc(2021, 1, 1, 0), 200);
	count_is(&plan, 300, 0, may, 300);
	assert_int_equal(plan.month, utc(2027, 5, 15, 0) / DAY);
	/* reboots: without a clock, then with it */
	count_is(&plan, 10, 0, 30, 310);
	count_is(&plan, 20, 0, -1, 320);
	count_is(&plan, 30, 0, may, 330);
	assert_int_equal(plan.month, utc(2027, 5, 15, 0) / DAY);
	/* across the end of the month and back: one new month, not two */
	count_is(&plan, 31, 0, june, 1);
	count_is(&plan, 32, 0, june - 3600, 2);
	count_is(&plan, 33, 0, june, 3);
	/* years ahead by mistake: the month of the plan is that of the clock again */
	count_is(&plan, 34, 0, utc(2038, 1, 1, 0), 1);
	count_is(&plan, 35, 0, june, 2);
	assert_int_equal(plan.month, june / DAY);
	count_is(&plan, 36, 0, utc(2027, 7, 15, 0), 1);
	/* no overflow */
	count_is(&plan, 37, 0, INT64_MAX, 1);
	count_is(&plan, 38, 0, INT64_MIN, 2);
	plan.month = INT64_MIN;
	count_is(&plan, 39, 0, june, 3);
	plan.month = INT64_MAX;
	count_is(&plan, 40, 0, june, 4);
	assert_int_equal(plan.month, june / DAY);
}

static void same_plan(const struct policy_plan *plan)
{
	struct policy_plan got = { 1, 2, 3, 4 };
	struct cs_error error = { "" };

	assert_int_equal(policy_plan_save(plan, in_folder("plan"), &error), 0);
	assert_int_equal(policy_plan_load(&got, in_folder("plan"), &error), 0);
	assert_memory_equal(&got, plan, sizeof(got));
}

static void test_file(void **state)
{
	struct policy_plan plan = { 1, 2, 3, 4 }, none = { 0 };
	struct cs_error error = { "" };
	struct stat st;
	int i;

	(void)state;
	assert_int_equal(policy_plan_load(&plan, in_folder("plan"), &error), 0);
	assert_memory_equal(&plan, &none, sizeof(plan));
	same_plan(&none);
	plan = (struct policy_plan){ INT64_MIN, UINT64_MAX, UINT64_MAX, UINT64_MAX };
	same_plan(&plan);
	for (i = 0; i < 20; i++) {
		plan = (struct policy_plan){ number(), number(), number(), number() };
		same_plan(&plan);
	}
	assert_int_equal(stat(in_folder("plan"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* nothing else is left, also not of one that was killed */
	write_file("plan.new", "half a pl", 9);
	same_plan(&plan);
	assert_int_equal(access(in_folder("plan.new"), F_OK), -1);
	assert_int_equal(policy_plan_save(&plan, in_folder("no/plan"), &error), -ENOENT);
	assert_non_null(strstr(error.text, "no/plan"));
	assert_int_equal(policy_plan_load(&plan, folder, &error), -EISDIR);
	/* a link in the place of the new file leads nowhere */
	write_file("precious", "x", 1);
	assert_int_equal(symlink("precious", in_folder("plan.new")), 0);
	assert_int_equal(policy_plan_save(&plan, in_folder("plan"), &error), -ELOOP);
	assert_int_equal(stat(in_folder("precious"), &st), 0);
	assert_int_equal(st.st_size, 1);
}

static void damaged(const char *text, size_t len, const char *says)
{
	struct policy_plan plan = { 1, 2, 3, 4 }, before = plan;
	struct cs_error error = { "" };
	char after[1024];
	int fd;

	write_file("plan", text, len);
	assert_int_equal(policy_plan_load(&plan, in_folder("plan"), &error), -EBADMSG);
	assert_memory_equal(&plan, &before, sizeof(plan));
	assert_non_null(strstr(error.text, in_folder("plan")));
	if (!strstr(error.text, says))
		fail_msg("'%s' does not say '%s'", error.text, says);
	fd = open(in_folder("plan"), O_RDONLY);
	assert_int_equal(read(fd, after, sizeof(after)), len);
	assert_memory_equal(after, text, len);
	close(fd);
}

static void test_damaged(void **state)
{
	struct policy_plan plan = { 20600, 123456789, 1000, 2000 };
	char text[1024];
	ssize_t len;
	size_t i;
	int fd;

	(void)state;
	assert_int_equal(policy_plan_save(&plan, in_folder("plan"), NULL), 0);
	fd = open(in_folder("plan"), O_RDONLY);
	len = read(fd, text, sizeof(text) - 600);
	close(fd);
	assert_true(len > 100);
	for (i = 0; i < (size_t)len; i++)
		damaged(text, i, "");
	for (i = 0; i < 8 * (size_t)len; i++) {
		text[i / 8] ^= 1 << i % 8;
		damaged(text, len, "");
		text[i / 8] ^= 1 << i % 8;
	}
	memset(text + len, '\n', 600);
	damaged(text, len + 1, "checksum");
	damaged(text, len + 600, "checksum");
	text[16] = '7';
	damaged(text, len, "version 7");
	damaged("", 0, "no file of a data plan");
	damaged("hello", 5, "no file of a data plan");
}

/* The daemon goes on with a damaged file: it is put aside, and nothing is taken on credit. */
static void test_open_damaged(void **state)
{
	struct config_policy config = { .plan_bytes = 10 * GB, .plan_day = 1 };
	const int64_t june = 1781000000; /* 2026-06-09 */
	struct policy_power power = { .plugged = true };
	struct policy_plan plan, again;
	struct cs_error error = { "" };
	char text[16];
	int fd;

	(void)state;
	assert_int_equal(policy_plan_open(&plan, &config, in_folder("plan"), &error), 0);
	assert_int_equal(plan.used, 0);
	write_file("plan", "hello", 5);
	assert_int_equal(policy_plan_open(&plan, &config, in_folder("plan"), &error), -EBADMSG);
	assert_non_null(strstr(error.text, "it was put aside"));
	assert_non_null(strstr(error.text, "used up until its month ends"));
	assert_non_null(strstr(error.text, in_folder("plan")));
	assert_int_equal(access(in_folder("plan"), F_OK), -1);
	fd = open(in_folder("plan.damaged"), O_RDONLY);
	assert_int_equal(read(fd, text, sizeof(text)), 5);
	assert_memory_equal(text, "hello", 5);
	close(fd);
	/* as the daemon goes on, and is started again */
	policy_plan_count(&plan, &config, 1000, 1000, june);
	assert_int_equal(policy_refuses(&config, &power, &plan), POLICY_PLAN);
	assert_int_equal(policy_plan_save(&plan, in_folder("plan"), &error), 0);
	assert_int_equal(policy_plan_open(&again, &config, in_folder("plan"), &error), 0);
	assert_memory_equal(&plan, &again, sizeof(plan));
	policy_plan_count(&again, &config, 1100, 1000, june + 20 * DAY);
	assert_int_equal(policy_refuses(&config, &power, &again), POLICY_PLAN);
	policy_plan_count(&again, &config, 1200, 1000, june + 25 * DAY);
	assert_int_equal(policy_refuses(&config, &power, &again), POLICY_NONE);
	assert_int_equal(again.used, 100);
	/* what can't be read is another matter */
	assert_int_equal(policy_plan_open(&plan, &config, folder, &error), -EISDIR);
}

/* --- Decisions --- */

static struct config_prefix prefix(const char *address, uint8_t len)
{
	struct config_prefix result = { .len = len };

	assert_int_equal(inet_pton(AF_INET6, address, result.address), 1);
	return result;
}

static bool denies(const struct config_prefix *prefixes, size_t count, const char *address)
{
	struct config_policy config = { .nr_deny = count };
	uint8_t destination[16];

	config.deny_destinations = (struct config_prefix *)prefixes;
	assert_int_equal(inet_pton(AF_INET6, address, destination), 1);
	return policy_denies_destination(&config, destination);
}

static void test_destinations(void **state)
{
	struct config_prefix some[] = { prefix("2001:db8:5::", 48), prefix("fd00:8000::", 17),
		prefix("2001:db8::7", 128), prefix("2002::6", 127) };
	struct config_prefix all = prefix("::", 0), wrong = prefix("::", 129);

	(void)state;
	assert_false(denies(NULL, 0, "2001:db8:5::1"));
	assert_true(denies(some, 4, "2001:db8:5:ffff::1"));
	assert_false(denies(some, 4, "2001:db8:4:ffff::1"));
	assert_false(denies(some, 4, "2001:db8:6::"));
	assert_true(denies(some, 4, "fd00:8000::"));
	assert_true(denies(some, 4, "fd00:ffff::"));
	assert_false(denies(some, 4, "fd00:7fff::"));
	assert_true(denies(some, 4, "2001:db8::7"));
	assert_false(denies(some, 4, "2001:db8::6"));
	assert_true(denies(some, 4, "2002::7"));
	assert_true(denies(some, 4, "2002::6"));
	assert_false(denies(some, 4, "2002::8"));
	assert_true(denies(&all, 1, "fd00::1"));
	assert_false(denies(&wrong, 1, "::"));
	wrong.len = 255;
	assert_false(denies(&wrong, 1, "::"));
}

static void test_refuses(void **state)
{
	struct config_policy config = { .battery_min = 30, .plan_bytes = 1000 };
	struct policy_power power = { .battery = true, .percent = 30 };
	struct policy_plan plan = { .used = 999 };

	(void)state;
	assert_int_equal(policy_refuses(&config, &power, &plan), POLICY_NONE);
	power.percent = 29;
	assert_int_equal(policy_refuses(&config, &power, &plan), POLICY_BATTERY);
	power.plugged = true;
	assert_int_equal(policy_refuses(&config, &power, &plan), POLICY_NONE);
	plan.used = 1000;
	assert_int_equal(policy_refuses(&config, &power, &plan), POLICY_PLAN);
	config.plan_overage = 1;
	assert_int_equal(policy_refuses(&config, &power, &plan), POLICY_NONE);
	config.plan_overage = 0;
	config.plan_bytes = 0;
	assert_int_equal(policy_refuses(&config, &power, &plan), POLICY_NONE);
}

static void test_bucket(void **state)
{
	struct policy_bucket bucket = { 0 };
	uint64_t now = 77 * SECOND;
	int i, passed = 0;

	(void)state;
	for (i = 0; i < 1000; i++)
		assert_true(policy_bucket_take(&bucket, UINT64_MAX, 0));
	bucket.rate = 10;
	for (i = 0; i < 30; i++)
		passed += policy_bucket_take(&bucket, 1, now);
	assert_int_equal(passed, 10);
	/* then one every 100 ms, and what is refused costs nothing */
	assert_false(policy_bucket_take(&bucket, 1, now + SECOND / 10 - 1));
	assert_true(policy_bucket_take(&bucket, 1, now + SECOND / 10));
	assert_false(policy_bucket_take(&bucket, 1, now + SECOND / 10));
	for (i = 0, passed = 0; i < 100000; i++)
		passed += policy_bucket_take(&bucket, 1, now + SECOND / 10 + i * (SECOND / 1000));
	assert_true(passed >= 998 && passed <= 1000);
	/* an hour of silence is not an hour's worth */
	now += 3600 * SECOND;
	for (i = 0, passed = 0; i < 100; i++)
		passed += policy_bucket_take(&bucket, 1, now);
	assert_int_equal(passed, 10);
}

static void test_bucket_large(void **state)
{
	struct policy_bucket bucket = { .rate = 1000 };
	uint64_t now = 77 * SECOND;

	(void)state;
	/* more than a second's worth passes alone, and is paid for */
	assert_true(policy_bucket_take(&bucket, 5000, now));
	assert_false(policy_bucket_take(&bucket, 1, now + 4 * SECOND));
	assert_true(policy_bucket_take(&bucket, 1, now + 4 * SECOND + SECOND / 1000));
	assert_false(policy_bucket_take(&bucket, 5000, now + 5 * SECOND));
	assert_true(policy_bucket_take(&bucket, 5000, now + 6 * SECOND));
	/* no overflow, with time near its end and any units */
	bucket = (struct policy_bucket){ .rate = 1 };
	assert_true(policy_bucket_take(&bucket, UINT64_MAX, UINT64_MAX - 1));
	assert_true(bucket.tat == UINT64_MAX);
	assert_false(policy_bucket_take(&bucket, 1000000, UINT64_MAX - 2 * SECOND));
	/* so many that their time in ns, cut to 64 bits, would be 0 */
	bucket = (struct policy_bucket){ .rate = 1000 };
	assert_true(policy_bucket_take(&bucket, 1ull << 58, now));
	assert_false(policy_bucket_take(&bucket, 1, now + 3600 * SECOND));
	bucket = (struct policy_bucket){ .rate = UINT64_MAX };
	assert_true(policy_bucket_take(&bucket, UINT64_MAX, 0));
	assert_true(policy_bucket_take(&bucket, 1, 0));
	/* going back in time gives nothing */
	bucket = (struct policy_bucket){ .rate = 1 };
	assert_true(policy_bucket_take(&bucket, 1, now));
	assert_false(policy_bucket_take(&bucket, 1, now - SECOND));
}

/* Of a limit that changes while something is owed: what is owed stays so many units. */
static void test_bucket_set(void **state)
{
	uint64_t now = 77 * SECOND;
	struct policy_bucket bucket = { 0 };

	(void)state;
	policy_bucket_set(&bucket, 1, now);
	assert_true(policy_bucket_take(&bucket, 1000, now));
	assert_false(policy_bucket_take(&bucket, 1, now + 998 * SECOND));
	/* 990 of them are left, which a thousandth of the time pays off */
	policy_bucket_set(&bucket, 1000, now + 10 * SECOND);
	assert_false(policy_bucket_take(&bucket, 11, now + 10 * SECOND));
	assert_true(policy_bucket_take(&bucket, 10, now + 10 * SECOND));
	/* set to what it is, again and again: nothing happens */
	policy_bucket_set(&bucket, 1000, now + 10 * SECOND);
	assert_false(policy_bucket_take(&bucket, 1, now + 10 * SECOND));
	assert_true(policy_bucket_take(&bucket, 1000, now + 11 * SECOND));
	/* lower again: a second's worth that passed is a thousand seconds' worth now */
	policy_bucket_set(&bucket, 1, now + 11 * SECOND);
	assert_false(policy_bucket_take(&bucket, 1, now + 1010 * SECOND));
	assert_true(policy_bucket_take(&bucket, 1, now + 1011 * SECOND));
	/* no limit, and a limit after none: nothing is owed */
	policy_bucket_set(&bucket, 0, now + 1011 * SECOND);
	assert_true(policy_bucket_take(&bucket, UINT64_MAX, now + 1011 * SECOND));
	policy_bucket_set(&bucket, 5, now + 1011 * SECOND);
	assert_true(policy_bucket_take(&bucket, 5, now + 1011 * SECOND));
	/* no overflow */
	bucket = (struct policy_bucket){ .rate = UINT64_MAX, .tat = UINT64_MAX };
	policy_bucket_set(&bucket, 1, 5);
	assert_true(bucket.tat == UINT64_MAX);
	policy_bucket_set(&bucket, UINT64_MAX, UINT64_MAX);
	assert_true(bucket.tat == UINT64_MAX);
}

/* Half of the wait is left to chance, also of the long ones. */
static void test_backoff(void **state)
{
	uint64_t wait, least, most, whole;
	unsigned int failures, i;

	(void)state;
	for (failures = 0; failures < 12; failures++) {
		whole = (failures < 9 ? 1ull << failures : 300) * SECOND;
		if (whole > 300 * SECOND)
			whole = 300 * SECOND;
		for (i = 0, least = UINT64_MAX, most = 0; i < 200; i++) {
			wait = policy_backoff(failures);
			least = wait < least ? wait : least;
			most = wait > most ? wait : most;
		}
		assert_in_range(least, whole / 2, whole / 2 + whole / 8);
		assert_in_range(most, whole - whole / 8, whole);
	}
}

#define in_a_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scale),
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_store_and_band),
		cmocka_unit_test(test_battery),
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_rating),
		cmocka_unit_test(test_monotone),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_market),
		cmocka_unit_test(test_reasons),
		in_a_folder(test_power),
		in_a_folder(test_power_alone),
		in_a_folder(test_power_energy),
		in_a_folder(test_power_nonsense),
		in_a_folder(test_power_directory),
		cmocka_unit_test(test_month_ends),
		cmocka_unit_test(test_calendar),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_clock),
		in_a_folder(test_file),
		in_a_folder(test_damaged),
		in_a_folder(test_open_damaged),
		cmocka_unit_test(test_destinations),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_bucket),
		cmocka_unit_test(test_bucket_large),
		cmocka_unit_test(test_bucket_set),
		cmocka_unit_test(test_backoff),
	};

	return cmocka_run_group_tests_name("bid", tests, NULL, NULL);
}
