// SPDX-License-Identifier: GPL-2.0
/*
 * Work for other CPUs: the hashing of new messages.
 *
 * Interfaces spread what they receive over CPUs by IP addresses, and our frames have none: those of
 * one port all arrive on one CPU. The order of messages does not matter, so when many are new, each
 * is handed to the CPU that its digest names; two copies of the same message meet there, and only
 * the first is hashed. What is known or forged does not come here: it costs less than handing it
 * over.
 *
 * As long as a CPU has few new messages, or the others as many, it keeps them. A queue that is full
 * takes no more, and the CPU that has the frame does the work itself: nothing is lost, and memory
 * is bounded.
 *
 * Concurrency. A queue is protected by its lock, taken for each frame by who hands over, and once
 * for a batch by who works. Its CPU is told by an interprocessor interrupt, which starts a tasklet.
 * A frame in a queue points to its port; who removes a port takes its frames out of the queues,
 * when no more come, and then waits for a grace period, for those that are just being worked on.
 */
#include <linux/cpu.h>
#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/smp.h>

#include "spread.h"

#define CS_SPREAD_QUEUE	1024	/* frames that wait for a CPU */
#define CS_SPREAD_BATCH	64	/* frames that it takes at a time */
#define CS_SPREAD_KEEP	16	/* new messages in a tick up to which a CPU keeps all */
#define CS_SPREAD_SHARES 16	/* shares of the messages that a CPU has */
#define CS_SPREAD_GIVEN	3	/* of these, given away by who receives */

/**
 * struct cs_spread_cpu - what waits for a CPU
 * @queue: frames that passed all checks up to the digest
 * @tasklet: works on them
 * @csd: tells the CPU
 * @told: it was told, and has not begun
 * @tick: jiffies of the last new message that arrived on the CPU itself; others read it
 * @in_tick: number of these in that tick; likewise
 * @before: number in the tick before that; likewise
 */
struct cs_spread_cpu {
	struct sk_buff_head queue;
	struct tasklet_struct tasklet;
	call_single_data_t csd;
	atomic_t told;
	unsigned long tick;
	unsigned int in_tick;
	unsigned int before;
};

/* In the control block of a queued skb. */
struct cs_spread_cb {
	struct cs_port *port;
	bool charged;
};

static DEFINE_PER_CPU(struct cs_spread_cpu, cs_spread_cpus);
static enum cpuhp_state cs_spread_state;

static struct cs_spread_cb *cs_spread_cb(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct cs_spread_cb) > sizeof(skb->cb));
	return (struct cs_spread_cb *)skb->cb;
}

/*
 * Which CPU a message is for: any, as long as it is the same for all copies. The CPU that receives
 * has that to do too, and gives some of its own share to the next one.
 */
static unsigned int cs_spread_target(const struct cs_frame *frame)
{
	unsigned int nr = num_online_cpus(), share, cpu;
	u32 word;

	memcpy(&word, cs_frame_message(frame)->digest, sizeof(word));
	share = reciprocal_scale(word, nr * CS_SPREAD_SHARES);
	cpu = cpumask_nth(share / CS_SPREAD_SHARES, cpu_online_mask);
	if (cpu == smp_processor_id() && share % CS_SPREAD_SHARES < CS_SPREAD_GIVEN)
		cpu = cpumask_nth((share / CS_SPREAD_SHARES + 1) % nr, cpu_online_mask);
	return cpu;
}

/* Counts a new message that arrived on this CPU. */
static void cs_spread_count(struct cs_spread_cpu *this, unsigned long now)
{
	/* another tick, not a later one: a CPU may have been idle for longer than jiffies last */
	if (this->tick != now) {
		WRITE_ONCE(this->before, this->tick + 1 == now ? this->in_tick : 0);
		WRITE_ONCE(this->in_tick, 0);
		WRITE_ONCE(this->tick, now);
	}
	WRITE_ONCE(this->in_tick, this->in_tick + 1);
}

/*
 * New messages a tick that arrive on a CPU: of this tick or of the one before, whichever has more,
 * as each tick begins with none, and a slow CPU has few in all of it. Of another CPU it is a guess.
 */
static unsigned int cs_spread_load(const struct cs_spread_cpu *of, unsigned long now)
{
	unsigned long tick = READ_ONCE(of->tick);

	if (tick + 1 == now)
		return READ_ONCE(of->in_tick);
	return tick == now ? max(READ_ONCE(of->in_tick), READ_ONCE(of->before)) : 0;
}

static void cs_spread_tell(struct cs_spread_cpu *to, unsigned int cpu)
{
	if (!atomic_xchg(&to->told, 1) && smp_call_function_single_async(cpu, &to->csd))
		atomic_set(&to->told, 0);
}

/**
 * cs_spread() - hand a frame to the CPU that is to hash it
 * @frame: a frame that came in at a port and passed all checks up to the digest
 *
 * Context: softirq, RCU.
 * Return: true if the frame was handed over, false if the caller is to go on with it.
 */
bool cs_spread(const struct cs_frame *frame)
{
	struct cs_spread_cpu *to, *this = this_cpu_ptr(&cs_spread_cpus);
	unsigned long now = jiffies;
	unsigned int cpu, load;
	bool queued;

	cs_spread_count(this, now);
	load = cs_spread_load(this, now);
	if (load <= CS_SPREAD_KEEP || num_online_cpus() == 1)
		return false;
	cpu = cs_spread_target(frame);
	if (cpu == smp_processor_id() || cpu >= nr_cpu_ids)
		return false;
	to = per_cpu_ptr(&cs_spread_cpus, cpu);
	/*
	 * It receives as many itself: handing over would only cost time. Then two copies of a
	 * message may be hashed at once, if they arrive on two CPUs within the time that one takes.
	 */
	if (cs_spread_load(to, now) > load / 2)
		return false;
	cs_spread_cb(frame->skb)->port = frame->port;
	cs_spread_cb(frame->skb)->charged = frame->contract;
	spin_lock(&to->queue.lock);
	queued = skb_queue_len(&to->queue) < CS_SPREAD_QUEUE;
	if (queued)
		__skb_queue_tail(&to->queue, frame->skb);
	spin_unlock(&to->queue.lock);
	if (queued)
		cs_spread_tell(to, cpu);
	return queued;
}

/* Moves up to CS_SPREAD_BATCH frames to @batch; says whether there are more. */
static bool cs_spread_take(struct cs_spread_cpu *this, struct sk_buff_head *batch)
{
	struct sk_buff *skb;
	bool more;

	__skb_queue_head_init(batch);
	spin_lock(&this->queue.lock);
	while (skb_queue_len(batch) < CS_SPREAD_BATCH && (skb = __skb_dequeue(&this->queue)))
		__skb_queue_tail(batch, skb);
	more = !skb_queue_empty(&this->queue);
	spin_unlock(&this->queue.lock);
	return more;
}

static void cs_spread_work(struct tasklet_struct *tasklet)
{
	struct cs_spread_cpu *this = from_tasklet(this, tasklet, tasklet);
	struct sk_buff_head batch;
	struct sk_buff *skb;
	bool more;

	/* fully ordered, before the queue is looked at: who comes later tells again */
	atomic_xchg(&this->told, 0);
	/* from the taking on, as who removes a port relies on it */
	rcu_read_lock();
	more = cs_spread_take(this, &batch);
	while ((skb = __skb_dequeue(&batch)))
		cs_ingress_resume(cs_spread_cb(skb)->port, skb, cs_spread_cb(skb)->charged);
	rcu_read_unlock();
	if (more)
		tasklet_schedule(tasklet);
}

/* On the CPU that is told, with interrupts disabled. */
static void cs_spread_told(void *arg)
{
	struct cs_spread_cpu *this = arg;

	tasklet_schedule(&this->tasklet);
}

/**
 * cs_spread_purge() - drop what still waits of a port
 * @port: a port that receives no more
 *
 * When it returns no frame of the port is in a queue or being worked on.
 *
 * Context: process; waits for a grace period, and for a CPU that is on its way on or off: what
 * waited for that one is in no queue for a moment.
 */
void cs_spread_purge(const struct cs_port *port)
{
	struct cs_spread_cpu *of;
	struct sk_buff *skb, *next;
	int cpu;

	cpus_read_lock();
	for_each_possible_cpu(cpu) {
		of = per_cpu_ptr(&cs_spread_cpus, cpu);
		spin_lock_bh(&of->queue.lock);
		skb_queue_walk_safe(&of->queue, skb, next) {
			if (cs_spread_cb(skb)->port != port)
				continue;
			__skb_unlink(skb, &of->queue);
			cs_stats_drop(port->stats, CROWDSHARE_DROP_DOWN);
			kfree_skb(skb);
		}
		spin_unlock_bh(&of->queue.lock);
	}
	cpus_read_unlock();
	synchronize_net();
}

/* What waited for a CPU that is gone is for the one that runs this. */
static int cs_spread_dead(unsigned int cpu)
{
	struct cs_spread_cpu *dead = per_cpu_ptr(&cs_spread_cpus, cpu), *this;
	struct sk_buff_head queue;

	__skb_queue_head_init(&queue);
	spin_lock_bh(&dead->queue.lock);
	skb_queue_splice_init(&dead->queue, &queue);
	spin_unlock_bh(&dead->queue.lock);
	atomic_set(&dead->told, 0);

	local_bh_disable();
	this = this_cpu_ptr(&cs_spread_cpus);
	spin_lock(&this->queue.lock);
	skb_queue_splice_tail(&queue, &this->queue);
	spin_unlock(&this->queue.lock);
	tasklet_schedule(&this->tasklet);
	local_bh_enable();
	return 0;
}

/**
 * cs_spread_init() - make the queues
 *
 * Context: process.
 * Return: 0 or an error.
 */
int cs_spread_init(void)
{
	struct cs_spread_cpu *of;
	int cpu, state;

	for_each_possible_cpu(cpu) {
		of = per_cpu_ptr(&cs_spread_cpus, cpu);
		skb_queue_head_init(&of->queue);
		tasklet_setup(&of->tasklet, cs_spread_work);
		INIT_CSD(&of->csd, cs_spread_told, of);
	}
	state = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "net/crowdshare:dead", NULL,
					  cs_spread_dead);
	cs_spread_state = state;
	return min(state, 0);
}

/**
 * cs_spread_exit() - undo cs_spread_init()
 *
 * Context: process, when there are no ports any more.
 */
void cs_spread_exit(void)
{
	int cpu;

	cpuhp_remove_state_nocalls(cs_spread_state);
	for_each_possible_cpu(cpu)
		tasklet_kill(&per_cpu_ptr(&cs_spread_cpus, cpu)->tasklet);
}
