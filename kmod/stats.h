/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Statistics: one set of 64-bit counters a CPU, for the device's own messages, each port and each
 * peer. See stats.c.
 */
#ifndef _CS_STATS_H
#define _CS_STATS_H

#include <linux/percpu.h>
#include <linux/u64_stats_sync.h>
#include <uapi/linux/crowdshare.h>

/* What the duplicate path writes comes first and shares a cache line. */
enum cs_stat {
	CS_STAT_RX_FRAMES,
	CS_STAT_RX_BYTES,
	CS_STAT_DUPLICATES,
	CS_STAT_NEW,
	CS_STAT_DELIVERED,
	CS_STAT_TX_FRAMES,
	CS_STAT_TX_BYTES,
	CS_STAT_TX_REPAIRS,
	CS_STAT_DROP,		/* and on: by enum crowdshare_drop */
	CS_STAT_MAX = CS_STAT_DROP + __CROWDSHARE_DROP_MAX,
};

/**
 * struct cs_stats - the counters of one CPU
 * @syncp: lets 32-bit machines read them whole
 * @v: the counters
 */
struct cs_stats {
	struct u64_stats_sync syncp;
	u64_stats_t v[CS_STAT_MAX];
};

struct cs_stats __percpu *cs_stats_alloc(void);
void cs_stats_sum(u64 *sum, const struct cs_stats __percpu *stats);

/*
 * The counters of a CPU are written with softirqs disabled only: in the receive path, and in the
 * transmit path of the device, which runs with them disabled.
 */
static inline void cs_stats_inc(struct cs_stats __percpu *stats, enum cs_stat stat)
{
	struct cs_stats *s = this_cpu_ptr(stats);

	u64_stats_update_begin(&s->syncp);
	u64_stats_inc(&s->v[stat]);
	u64_stats_update_end(&s->syncp);
}

static inline void cs_stats_drop(struct cs_stats __percpu *stats, enum crowdshare_drop reason)
{
	cs_stats_inc(stats, CS_STAT_DROP + reason);
}

static inline void cs_stats_rx(struct cs_stats __percpu *stats, unsigned int len)
{
	struct cs_stats *s = this_cpu_ptr(stats);

	u64_stats_update_begin(&s->syncp);
	u64_stats_inc(&s->v[CS_STAT_RX_FRAMES]);
	u64_stats_add(&s->v[CS_STAT_RX_BYTES], len);
	u64_stats_update_end(&s->syncp);
}

static inline void cs_stats_tx(struct cs_stats __percpu *stats, unsigned int len, bool repair)
{
	struct cs_stats *s = this_cpu_ptr(stats);

	u64_stats_update_begin(&s->syncp);
	u64_stats_inc(&s->v[CS_STAT_TX_FRAMES]);
	u64_stats_add(&s->v[CS_STAT_TX_BYTES], len);
	if (repair)
		u64_stats_inc(&s->v[CS_STAT_TX_REPAIRS]);
	u64_stats_update_end(&s->syncp);
}

#endif /* _CS_STATS_H */
