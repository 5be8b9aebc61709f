// SPDX-License-Identifier: GPL-2.0
/*
 * The price of carrying a MiB, in millipoints. This is the formula; crowdshared.conf(5) repeats it.
 *
 *	market	= rate of the longest geohash prefix of this position; 0 without one
 *	store	= 4 * market * S^2	S: used share of the store's quota, 1 without one
 *	band	= 4 * market * B^2	B: used share of the bandwidth limit, 0 without one
 *	battery	= 4 * market * (full - charge) / full	0 on mains, and from battery_full on
 *	plan	= 2 * overage		from plan_near per cent of the plan on; else 0
 *	rated	= (market + store + band + battery + plan) * 1000 / rating
 *
 * Shares are taken in ten-thousandths and are at most 1; the rating is per mille, and taken to be
 * from 100 to 10,000. Every division rounds up: what costs something never becomes free. What is
 * beyond 64 bits becomes the largest number of 64 bits, and is then surely beyond any budget.
 *
 * So a node without load on mains asks the market rate; each of store, bandwidth and battery adds
 * up to four times the market rate, the first two gently at first; and the plan adds what more than
 * pays for the carrier's charge. A market rate of 0 where the plan adds nothing is a yes for free.
 *
 * An example: market 500; 3 of 4 GiB of the store are used; 100 kB/s of 1 MB/s; battery at 60 per
 * cent, not plugged in, battery_full 80; 9.2 of 10 GB of the plan, plan_near 90, overage 2,000; the
 * rating of who asks is 1,250.
 *
 *	store	= 4 * 500 * 7500^2 / 10000^2	= 1,125
 *	band	= 4 * 500 * 1000^2 / 10000^2	=    20
 *	battery	= 4 * 500 * (80 - 60) / 80	=   500
 *	plan	= 2 * 2000			= 4,000
 *	rated	= (500 + 1125 + 20 + 500 + 4000) * 1000 / 1250	= 4,916 millipoints per MiB
 *
 * Integers only. Products have 128 bits, made of two halves: the compilers of 32-bit routers have
 * no such type. Nothing here keeps state.
 */
#include <string.h>
#include <strings.h>

#include "daemon/bid.h"

#define LOAD_MAX	4	/* times the market rate that a term adds at most */
#define SHARE_ALL	10000
#define RATING_NEUTRAL	1000
#define RATING_MIN	100
#define RATING_MAX	10000
#define PLAN_TIMES	2
#define PER_CENT	100

/* The product of two numbers, in two halves. */
static void multiply(uint64_t a, uint64_t b, uint64_t *high, uint64_t *low)
{
	uint64_t a_low = (uint32_t)a, a_high = a >> 32, b_low = (uint32_t)b, b_high = b >> 32;
	uint64_t middle = a_high * b_low + (a_low * b_low >> 32);
	uint64_t other = a_low * b_high + (uint32_t)middle;

	*high = a_high * b_high + (middle >> 32) + (other >> 32);
	*low = a * b;
}

static uint64_t add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/**
 * bid_scale() - value * times / by, rounded up
 * @value: what is scaled
 * @times: numerator
 * @by: denominator, not 0
 *
 * Long division of the 128-bit product, a bit at a time.
 *
 * Return: the result, UINT64_MAX if it does not fit.
 */
uint64_t bid_scale(uint64_t value, uint64_t times, uint64_t by)
{
	uint64_t rest, low, quotient = 0;
	bool carry;
	int bit;

	multiply(value, times, &rest, &low);
	if (rest >= by)
		return UINT64_MAX;
	for (bit = 63; bit >= 0; bit--) {
		carry = rest >> 63;
		rest = rest << 1 | (low >> bit & 1);
		if (carry || rest >= by) {
			rest -= by;
			quotient |= 1ull << bit;
		}
	}
	return rest ? add(quotient, 1) : quotient;
}

/* The price of something that is used up: little at first, LOAD_MAX times the market at the end. */
static uint64_t load(uint64_t market, uint64_t used, uint64_t all)
{
	uint64_t share = used < all ? bid_scale(used, SHARE_ALL, all) : SHARE_ALL;

	return bid_scale(market, LOAD_MAX * share * share, SHARE_ALL * SHARE_ALL);
}

static uint64_t battery(const struct bid_input *input)
{
	uint64_t missing;

	if (input->plugged || input->battery >= input->battery_full)
		return 0;
	missing = input->battery_full - input->battery;
	return bid_scale(input->market, LOAD_MAX * missing, input->battery_full);
}

static bool plan_is_near(const struct bid_input *input)
{
	if (!input->plan_bytes)
		return false;
	return input->plan_used >= input->plan_bytes ||
	       input->plan_used >= bid_scale(input->plan_bytes, input->plan_near, PER_CENT);
}

/**
 * bid_price() - the price at which this node carries now
 * @input: what the price depends on
 * @terms: gets the price, and the terms that make it up
 */
void bid_price(const struct bid_input *input, struct bid_terms *terms)
{
	uint64_t rating = input->rating, sum;

	if (rating < RATING_MIN)
		rating = RATING_MIN;
	else if (rating > RATING_MAX)
		rating = RATING_MAX;
	terms->market = input->market;
	terms->store = load(input->market, input->store_used, input->store_quota);
	terms->band = 0;
	if (input->band_limit)
		terms->band = load(input->market, input->band_used, input->band_limit);
	terms->battery = battery(input);
	terms->plan = 0;
	if (plan_is_near(input))
		terms->plan = bid_scale(input->plan_overage, PLAN_TIMES, 1);
	sum = add(terms->market, add(terms->store, terms->band));
	sum = add(sum, add(terms->battery, terms->plan));
	terms->rated = bid_scale(sum, RATING_NEUTRAL, rating);
}

/**
 * bid_market() - the market rate where this node is
 * @policy: position and rates
 *
 * The digits of a geohash are the same in both cases. Of equal prefixes the first holds.
 *
 * Return: millipoints per MiB, 0 if no rate is for this position.
 */
uint64_t bid_market(const struct config_policy *policy)
{
	const struct config_rate *best = NULL, *rate;
	size_t i, len, best_len = 0;

	for (i = 0; i < policy->nr_rates; i++) {
		rate = &policy->rates[i];
		len = strnlen(rate->geohash, sizeof(rate->geohash));
		if (strncasecmp(rate->geohash, policy->position, len) || (best && len <= best_len))
			continue;
		best = rate;
		best_len = len;
	}
	return best ? best->rate : 0;
}
