// SPDX-License-Identifier: GPL-2.0
/*
 * Frames that came in one after the other, and wait for their lines of the seen-set.
 *
 * A seen-set of millions is not in the cache: a lookup waits for memory, longer than all else takes
 * that is done for a duplicate. So the line is only asked for when a frame comes in, and looked at
 * when some more have, which takes as long as the memory does; in the manner of what routers in
 * userspace do (D. Barach et al., "High-Speed Software Data Plane via Vectorized Packet
 * Processing", IEEE Communications Magazine 56(12), 2018). A burst that stays short is ended by a
 * tasklet, in the same round of softirqs in which its frames came: none waits for the next.
 *
 * Concurrency. A burst belongs to its CPU and is touched with softirqs disabled only, so it has no
 * lock. While it is worked on no frames are added, so that what is worked on may itself bring
 * frames in (a tunnel to this host); these are worked on at once. The tasklet of a CPU that is gone
 * runs on another one; the CPU does not come back before it has. Who removes a port waits until
 * each burst that has frames then was worked on once.
 */
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/percpu.h>

#include "burst.h"

#define CS_BURST 16	/* frames: enough for memory to answer, few enough for the cache */

/**
 * struct cs_burst - the frames of a CPU
 * @frames: parsed, and aimed at a line of the seen-set
 * @nr: how many
 * @busy: they are being worked on
 * @done: how often they were; overflows
 * @tasklet: works on them
 */
struct cs_burst {
	struct cs_frame frames[CS_BURST];
	unsigned int nr;
	bool busy;
	unsigned int done;
	struct tasklet_struct tasklet;
};

static DEFINE_PER_CPU(struct cs_burst, cs_bursts);
static enum cpuhp_state cs_burst_state;

static void cs_burst_work(struct cs_burst *burst)
{
	unsigned int i;

	burst->busy = true;
	for (i = 0; i < burst->nr; i++)
		cs_ingress_frame(&burst->frames[i]);
	/* both for who waits in cs_burst_wait(): the frames are gone */
	smp_store_release(&burst->nr, 0);
	smp_store_release(&burst->done, burst->done + 1); /* likewise */
	burst->busy = false;
}

static void cs_burst_end(struct tasklet_struct *tasklet)
{
	struct cs_burst *burst = from_tasklet(burst, tasklet, tasklet);

	rcu_read_lock();
	cs_burst_work(burst);
	rcu_read_unlock();
}

/**
 * cs_burst_add() - let a frame wait for its line of the seen-set
 * @frame: a frame that came in at a port, parsed and aimed
 *
 * Context: softirq, or softirqs disabled; RCU.
 * Return: false if the caller is to go on with it at once.
 */
bool cs_burst_add(const struct cs_frame *frame)
{
	struct cs_burst *burst = this_cpu_ptr(&cs_bursts);
	unsigned int nr = burst->nr;

	if (unlikely(burst->busy))
		return false;
	burst->frames[nr++] = *frame;
	WRITE_ONCE(burst->nr, nr);
	if (nr == CS_BURST)
		cs_burst_work(burst);
	else if (nr == 1)
		tasklet_schedule(&burst->tasklet);
	return true;
}

/* Waits until the frames that a CPU has now are gone. */
static void cs_burst_wait(const struct cs_burst *burst)
{
	unsigned int done = smp_load_acquire(&burst->done);	/* pairs with cs_burst_work() */

	/* likewise */
	while (smp_load_acquire(&burst->nr) && smp_load_acquire(&burst->done) == done)
		usleep_range(20, 100);
}

/**
 * cs_burst_drain() - wait until all frames that came in before are out of the bursts
 *
 * Context: process.
 */
void cs_burst_drain(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		cs_burst_wait(per_cpu_ptr(&cs_bursts, cpu));
}

/* A CPU is about to come: what it had when it went is gone first. */
static int cs_burst_prepare(unsigned int cpu)
{
	cs_burst_wait(per_cpu_ptr(&cs_bursts, cpu));
	return 0;
}

/**
 * cs_burst_init() - make the bursts
 *
 * Context: process.
 * Return: 0 or an error.
 */
int cs_burst_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		tasklet_setup(&per_cpu_ptr(&cs_bursts, cpu)->tasklet, cs_burst_end);
	cs_burst_state = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "net/crowdshare:burst",
						   cs_burst_prepare, NULL);
	return min_t(int, cs_burst_state, 0);
}

/**
 * cs_burst_exit() - undo cs_burst_init()
 *
 * Context: process, when there are no ports any more.
 */
void cs_burst_exit(void)
{
	int cpu;

	cpuhp_remove_state_nocalls(cs_burst_state);
	for_each_possible_cpu(cpu)
		tasklet_kill(&per_cpu_ptr(&cs_bursts, cpu)->tasklet);
}
