/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Policy: may this node take messages now, and what is the state of what it spends? See policy.c.
 *
 * BATTERY and PLAN are decided here; POLICY, DUPLICATE, FULL, RATE, DESTINATION, EXPIRED and what
 * comes after them by those who know about the offer, with the parts of this.
 */
#ifndef CSD_POLICY_H
#define CSD_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/bid.h"
#include "daemon/config.h"
#include "lib/error.h"

/*
 * Why an offer is refused: the number on the wire, the name in JSON, the text for people.
 *
 * POLICY_REASON(NAME, "name", "text")
 */
#define POLICY_REASON_LIST(POLICY_REASON) \
	POLICY_REASON(NONE, "none", "not refused") \
	POLICY_REASON(POLICY, "policy", \
		      "administrative policy: the node does not trust the sender") \
	POLICY_REASON(DUPLICATE, "duplicate", "the node has or has seen all of it") \
	POLICY_REASON(FULL, "full", "the node's store is full") \
	POLICY_REASON(BATTERY, "battery", "the node runs on battery") \
	POLICY_REASON(PLAN, "plan", "the node's data plan is exhausted") \
	POLICY_REASON(RATE, "rate", "too many offers") \
	POLICY_REASON(DESTINATION, "destination", "the node does not carry to this destination") \
	POLICY_REASON(EXPIRED, "expired", "the messages have expired") \
	POLICY_REASON(PRICE, "price", "the bid is too high") \
	POLICY_REASON(BUDGET, "budget", "the bid is beyond the budget") \
	POLICY_REASON(TIMEOUT, "timeout", "nobody answered in time") \
	POLICY_REASON(ERROR, "error", "the node could not do it")

enum policy_reason {
#define POLICY_REASON_ENUM(name, string, text) POLICY_##name,
	POLICY_REASON_LIST(POLICY_REASON_ENUM)
#undef POLICY_REASON_ENUM
	POLICY_REASON_MAX,
};

const char *policy_reason_name(unsigned int reason);
const char *policy_reason_text(unsigned int reason);

/**
 * struct policy_power - the batteries
 * @battery: there is one
 * @plugged: on mains, or there is no battery
 * @percent: of all batteries together
 */
struct policy_power {
	bool		battery;
	bool		plugged;
	uint32_t	percent;
};

/**
 * struct policy_plan - the data plan, kept in a file over restarts
 * @month: day number on which the running month of the plan began
 * @used: bytes of it that were used
 * @last_rx: counters of the interface when they were last read
 * @last_tx: likewise
 */
struct policy_plan {
	int64_t		month;
	uint64_t	used;
	uint64_t	last_rx;
	uint64_t	last_tx;
};

/* -ENODATA: there is a battery whose charge is unknown; it counts as empty. */
int policy_power(const char *dir, struct policy_power *power, struct cs_error *error);
/* No file: nothing used yet. -EBADMSG: damaged; it is left as it is and must not be saved over. */
int policy_plan_load(struct policy_plan *plan, const char *path, struct cs_error *error);
/* Likewise; but a damaged file is put aside, and the plan is taken to be used up. */
int policy_plan_open(struct policy_plan *plan, const struct config_policy *config,
		     const char *path, struct cs_error *error);
int policy_plan_save(const struct policy_plan *plan, const char *path, struct cs_error *error);
void policy_plan_count(struct policy_plan *plan, const struct config_policy *config, uint64_t rx,
		       uint64_t tx, int64_t now);
bool policy_in_prefixes(const struct config_prefix *prefixes, size_t count,
			const uint8_t address[16]);
bool policy_denies_destination(const struct config_policy *config, const uint8_t destination[16]);

/* What speaks against taking anything at all now, or POLICY_NONE. */
enum policy_reason policy_refuses(const struct config_policy *config,
				  const struct policy_power *power,
				  const struct policy_plan *plan);

/**
 * struct policy_bucket - a rate limit in units a second that lets one second's worth pass at once
 * @rate: units a second, 0: no limit; changed by policy_bucket_set()
 * @tat: ns of the monotonic clock: when the bucket will be full again
 */
struct policy_bucket {
	uint64_t	rate;
	uint64_t	tat;
};

void policy_bucket_set(struct policy_bucket *bucket, uint64_t rate, uint64_t now_ns);
bool policy_bucket_take(struct policy_bucket *bucket, uint64_t units, uint64_t now_ns);

uint64_t policy_backoff(unsigned int failures);

#endif /* CSD_POLICY_H */
