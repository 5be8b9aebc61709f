// SPDX-License-Identifier: GPL-2.0
/*
 * Statistics: allocation and sums. The counters are per CPU; what is read is exact once traffic
 * rests.
 */
#include <linux/netdevice.h>

#include "stats.h"

/**
 * cs_stats_alloc() - make a set of counters
 *
 * Context: process; may sleep.
 * Return: the counters, all zero, or NULL. free_percpu() undoes it.
 */
struct cs_stats __percpu *cs_stats_alloc(void)
{
	return netdev_alloc_pcpu_stats(struct cs_stats);
}

/**
 * cs_stats_sum() - add the counters of all CPUs
 * @sum: CS_STAT_MAX sums, added to
 * @stats: the counters
 *
 * Context: any.
 */
void cs_stats_sum(u64 *sum, const struct cs_stats __percpu *stats)
{
	const struct cs_stats *s;
	u64 v[CS_STAT_MAX];
	unsigned int start;
	int cpu, i;

	for_each_possible_cpu(cpu) {
		s = per_cpu_ptr(stats, cpu);
		do {
			start = u64_stats_fetch_begin(&s->syncp);
			for (i = 0; i < CS_STAT_MAX; i++)
				v[i] = u64_stats_read(&s->v[i]);
		} while (u64_stats_fetch_retry(&s->syncp, start));
		for (i = 0; i < CS_STAT_MAX; i++)
			sum[i] += v[i];
	}
}
