/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The price of carrying messages. See bid.c for the formula; crowdshared.conf(5) documents it.
 */
#ifndef CSD_BID_H
#define CSD_BID_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/config.h"

/**
 * struct bid_input - what the formula looks at
 * @market: millipoints per MiB at this position
 * @store_used: bytes
 * @store_quota: bytes
 * @band_used: bytes a second given or taken over sessions lately, in the direction that is fuller
 * @band_limit: bytes a second of that direction, 0: no limit
 * @plugged: on mains, or without a battery
 * @battery: per cent
 * @plan_used: bytes of this month's plan
 * @plan_bytes: of the plan, 0: none
 * @plan_near: per cent from which on the limit is near
 * @plan_overage: millipoints per MiB
 * @battery_full: per cent from which on the price is not raised
 * @rating: per mille, 1000: neutral, 2000: pays half
 */
struct bid_input {
	uint64_t	market;
	uint64_t	store_used;
	uint64_t	store_quota;
	uint64_t	band_used;
	uint64_t	band_limit;
	bool		plugged;
	uint32_t	battery;
	uint64_t	plan_used;
	uint64_t	plan_bytes;
	uint32_t	plan_near;
	uint64_t	plan_overage;
	uint32_t	battery_full;
	uint32_t	rating;
};

/**
 * struct bid_terms - the terms of the formula, millipoints per MiB, for people
 */
struct bid_terms {
	uint64_t	market;
	uint64_t	store;
	uint64_t	band;
	uint64_t	battery;
	uint64_t	plan;
	uint64_t	rated;		/* the sum of the above after the rating */
};

/* value * times / by, rounded up; UINT64_MAX if that does not fit */
uint64_t bid_scale(uint64_t value, uint64_t times, uint64_t by);
uint64_t bid_market(const struct config_policy *policy);
void bid_price(const struct bid_input *input, struct bid_terms *terms);

#endif /* CSD_BID_H */
