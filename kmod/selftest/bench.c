// SPDX-License-Identifier: GPL-2.0
/*
 * crowdshare_bench.ko: measures the data plane, and what it is compared with, inside the kernel.
 *
 * A line written to /sys/kernel/debug/csbench/run is a measurement; reading the file gives its
 * result, "frames N ns T". T is the sum for smp, tx and mac. For rx and hash, whose frames come in
 * batches, it is the median batch's time, times the number of batches: what else runs on the
 * machine stops some batches, and is not to be measured.
 *
 *	rx DEV KIND COUNT SIZE PEERS	frames that DEV receives, one after the other on one CPU
 *	smp DEVS KIND COUNT SIZE WAIT	COUNT frames for each of DEVS (a,b), one CPU for each at the
 *					same time, until the interface WAIT has sent them all
 *	tx DEV KIND COUNT SIZE		frames sent into DEV, until no crowdshare or batadv device
 *					receives any more: the time of all nodes of the kernel
 *	hash COUNT SIZE			SHA-512 of what the digests of such frames cover, alone
 *	mac COUNT			two BLAKE2s of a tag's input, alone
 *	seen ENTRIES ROUNDS		the seen-set and an rhashtable, see bench_seen.c
 *
 * KIND is new (distinct valid messages), tagged (the same, with a tag under the key of 32 bytes
 * 0x42, id 1), forged (with a wrong tag), dup (one message again and again), known (16,384 messages
 * in turn, known from the second turn on), mix (each new message comes from every peer) or foreign
 * (another EtherType). Frame SIZE counts the Ethernet header. With PEERS the frames come from
 * 02:00:00:00:00:01 to ...:PEERS in turn.
 *
 * Frames are made in batches before the clock starts, and given to netif_receive_skb() or
 * dev_queue_xmit() while it runs, so that their making is no part of the figure. They lie in memory
 * as drivers leave them: small ones in a piece of a page, large ones as a head and whole pages.
 */
#include <crypto/blake2s.h>
#include <crypto/hash.h>
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/rtnetlink.h>
#include <linux/sort.h>
#include <linux/uaccess.h>
#include <net/net_namespace.h>
#include <net/rtnetlink.h>

#include <crowdshare/wire.h>

#include "bench.h"

#define CSB_BATCH	256
#define CSB_EXPIRY	7200
#define CSB_KNOWN	16384
#define CSB_SIZE_MAX	9014
#define CSB_LINEAR	3000	/* frames up to this are in one piece */
#define CSB_HEAD	256	/* so much of larger ones is */

enum csb_kind { CSB_NEW, CSB_TAGGED, CSB_FORGED, CSB_DUP, CSB_KNOWN_ONES, CSB_MIX, CSB_FOREIGN };

static const char *const csb_kinds[] = {
	"new", "tagged", "forged", "dup", "known", "mix", "foreign"
};

/**
 * struct csb_source - makes frames
 * @dev: the interface they are for
 * @kind: what they are
 * @size: bytes, Ethernet header included
 * @peers: number of senders
 * @n: frames made
 */
struct csb_source {
	struct net_device *dev;
	enum csb_kind kind;
	unsigned int size;
	unsigned int peers;
	u64 n;
};

static struct crypto_shash *csb_sha512;
static atomic64_t csb_serial;
/* numbers of the messages that are made again, and when all messages expire */
static u64 csb_first;
static u64 csb_expiry;
static char csb_result[4096];
/* where a frame is made before it is cut into pages */
static u8 csb_buffer[CSB_SIZE_MAX];
static DEFINE_MUTEX(csb_lock);

static void csb_digest(const u8 *data, unsigned int len, u8 *digest)
{
	SHASH_DESC_ON_STACK(desc, csb_sha512);

	desc->tfm = csb_sha512;
	crypto_shash_digest(desc, data, len, digest);
}

/* Each number makes one message, the same each time. */
static void csb_message(struct cs_msg_hdr *msg, unsigned int payload, u64 number)
{
	memset(msg, 0, sizeof(*msg));
	memset(msg + 1, 0x5a, payload);
	memcpy(msg->chunk_id, &number, sizeof(number));
	msg->expiry = cpu_to_be64(csb_expiry);
	msg->length = cpu_to_be16(payload);
	msg->k = cpu_to_be16(1);
	msg->n = cpu_to_be16(1);
	csb_digest((u8 *)msg + CS_DIGEST_LEN, sizeof(*msg) - CS_DIGEST_LEN + payload, msg->digest);
}

static void csb_tag(struct cs_link_hdr *link, const u8 *source, const u8 *digest)
{
	struct cs_tag_input input;
	u8 key[CS_KEY_LEN];

	memset(key, 0x42, sizeof(key));
	link->key_id = 1;
	memcpy(input.link, link, sizeof(input.link));
	memcpy(input.source, source, sizeof(input.source));
	memcpy(input.digest, digest, sizeof(input.digest));
	blake2s(link->tag, (const u8 *)&input, key, CS_TAG_LEN, sizeof(input), sizeof(key));
}

static u64 csb_number(struct csb_source *source)
{
	if (source->kind == CSB_DUP)
		return csb_first;
	if (source->kind == CSB_KNOWN_ONES)
		return csb_first + 1 + source->n % CSB_KNOWN;
	if (source->kind == CSB_MIX && source->n % source->peers)
		return atomic64_read(&csb_serial);
	return atomic64_inc_return(&csb_serial);
}

/* Writes the next frame, from the Ethernet header on. */
static void csb_write_frame(struct csb_source *source, u8 *at)
{
	unsigned int payload = source->size - ETH_HLEN - CS_HDRS_LEN;
	struct ethhdr *eth = (struct ethhdr *)at;
	struct cs_link_hdr *link = (struct cs_link_hdr *)(eth + 1);
	struct cs_msg_hdr *msg = (struct cs_msg_hdr *)(link + 1);

	memset(at, 0, ETH_HLEN + sizeof(*link));
	csb_message(msg, payload, csb_number(source));
	eth_broadcast_addr(eth->h_dest);
	eth->h_source[0] = 2;
	eth->h_source[5] = 1 + source->n % source->peers;
	eth->h_proto = htons(source->kind == CSB_FOREIGN ? CS_ETHERTYPE + 1 : CS_ETHERTYPE);
	link->version = CS_VERSION;
	link->type = CS_TYPE_MESSAGE;
	link->hops_left = CS_HOPS_UNLIMITED;
	if (source->kind == CSB_TAGGED || source->kind == CSB_FORGED)
		csb_tag(link, eth->h_source, msg->digest);
	if (source->kind == CSB_FORGED)
		link->tag[0] ^= 1;
	source->n++;
}

/* Appends a page with data to an skb. */
static bool csb_add_page(struct sk_buff *skb, const u8 *data, unsigned int len)
{
	struct page *page = alloc_page(GFP_KERNEL);

	if (!page)
		return false;
	memcpy(page_address(page), data, len);
	skb_add_rx_frag(skb, skb_shinfo(skb)->nr_frags, page, 0, len, PAGE_SIZE);
	return true;
}

/* The next frame, data at the Ethernet header. */
static struct sk_buff *csb_frame(struct csb_source *source)
{
	unsigned int head = source->size <= CSB_LINEAR ? source->size : CSB_HEAD, done, len;
	struct sk_buff *skb = netdev_alloc_skb_ip_align(source->dev, head);

	if (!skb)
		return NULL;
	if (head == source->size) {
		csb_write_frame(source, skb_put(skb, head));
		return skb;
	}
	csb_write_frame(source, csb_buffer);
	skb_put_data(skb, csb_buffer, head);
	for (done = head; done < source->size; done += len) {
		len = min_t(unsigned int, source->size - done, PAGE_SIZE);
		if (!csb_add_page(skb, csb_buffer + done, len)) {
			kfree_skb(skb);
			return NULL;
		}
	}
	return skb;
}

static int csb_fill(struct sk_buff_head *queue, struct csb_source *source, unsigned int count)
{
	struct sk_buff *skb;

	while (count--) {
		skb = csb_frame(source);
		if (!skb)
			return -ENOMEM;
		__skb_queue_tail(queue, skb);
		if (!(count % 64))
			cond_resched();
	}
	return 0;
}

/* Has the interface receive all frames of a queue. */
static void csb_receive(struct sk_buff_head *queue, struct csb_source *source)
{
	struct sk_buff *skb;

	while ((skb = __skb_dequeue(queue))) {
		skb->protocol = eth_type_trans(skb, source->dev);
		netif_receive_skb(skb);
	}
}

/* Hashes what the digests of all frames of a queue cover, as the data plane does. */
static void csb_hash_queue(struct sk_buff_head *queue, struct csb_source *source)
{
	const unsigned int offset = ETH_HLEN + CS_HASHED_OFF;
	u8 digest[CS_DIGEST_LEN];
	struct sk_buff *skb;

	/* large ones from one place: what it takes to go from page to page is the data plane's */
	skb_queue_walk(queue, skb)
		csb_digest((skb_is_nonlinear(skb) ? csb_buffer : skb->data) + offset,
			   skb->len - offset, digest);
}

static int csb_compare_times(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* Makes a batch of frames, then times @work on them. */
static int csb_batch(struct csb_source *source,
		     void (*work)(struct sk_buff_head *queue, struct csb_source *source), u64 *ns)
{
	struct sk_buff_head queue;
	int err;

	__skb_queue_head_init(&queue);
	err = csb_fill(&queue, source, CSB_BATCH);
	if (!err) {
		local_bh_disable();
		*ns = ktime_get_ns();
		work(&queue, source);
		/* with the softirq that ends the last burst; the interfaces have none */
		local_bh_enable();
		*ns = ktime_get_ns() - *ns;
	}
	__skb_queue_purge(&queue);
	return err;
}

/* Times @work on @count frames or a few more, in batches. */
static int csb_batches(struct csb_source *source, unsigned int count,
		       void (*work)(struct sk_buff_head *queue, struct csb_source *source))
{
	unsigned int i, nr = DIV_ROUND_UP(count, CSB_BATCH);
	u64 *ns = kvmalloc_array(nr, sizeof(*ns), GFP_KERNEL);
	int err = ns ? 0 : -ENOMEM;

	for (i = 0; !err && i < nr; i++)
		err = csb_batch(source, work, &ns[i]);
	if (!err) {
		sort(ns, nr, sizeof(*ns), csb_compare_times, NULL);
		snprintf(csb_result, sizeof(csb_result), "frames %u ns %llu\n", nr * CSB_BATCH,
			 ns[nr / 2] * nr);
	}
	kvfree(ns);
	return err;
}

/**
 * struct csb_worker - receives frames on a CPU of its own
 * @source: makes them
 * @queue: all of them
 * @ready: told when @queue is filled
 * @go: waited for before
 * @done: told after
 */
struct csb_worker {
	struct csb_source source;
	struct sk_buff_head queue;
	struct completion *go;
	struct completion done;
};

static int csb_worker_main(void *arg)
{
	struct csb_worker *worker = arg;
	unsigned int n = 0;
	struct sk_buff *skb;

	wait_for_completion(worker->go);
	while ((skb = __skb_dequeue(&worker->queue))) {
		local_bh_disable();
		skb->protocol = eth_type_trans(skb, worker->source.dev);
		netif_receive_skb(skb);
		local_bh_enable();
		if (!(++n % 64))
			cond_resched();
	}
	complete(&worker->done);
	return 0;
}

static u64 csb_sent(struct net_device *dev)
{
	struct rtnl_link_stats64 stats;

	return dev_get_stats(dev, &stats)->tx_packets;
}

/*
 * Waits until an interface has sent @expected frames, or none for half a second. Returns when it
 * sent the last one. It sleeps in between: the CPU belongs to what is measured.
 */
static u64 csb_settle(struct net_device *dev, u64 expected)
{
	u64 end = ktime_get_ns(), sent = csb_sent(dev), now;

	while (sent < expected && ktime_get_ns() - end < NSEC_PER_SEC / 2) {
		usleep_range(100, 200);
		now = csb_sent(dev);
		if (now != sent)
			end = ktime_get_ns();
		sent = now;
	}
	return end;
}

static int csb_smp_run(struct csb_worker *workers, int nr, unsigned int count,
		       struct net_device *wait)
{
	u64 expected = csb_sent(wait) + (u64)count * nr, start, end;
	DECLARE_COMPLETION_ONSTACK(go);
	struct task_struct *task;
	int i;

	for (i = 0; i < nr; i++) {
		workers[i].go = &go;
		init_completion(&workers[i].done);
		task = kthread_create(csb_worker_main, &workers[i], "csbench/%d", i);
		if (IS_ERR(task)) {
			complete_all(&go);
			while (i--)
				wait_for_completion(&workers[i].done);
			return PTR_ERR(task);
		}
		kthread_bind(task, i);
		wake_up_process(task);
	}
	start = ktime_get_ns();
	complete_all(&go);
	for (i = 0; i < nr; i++)
		wait_for_completion(&workers[i].done);
	end = csb_settle(wait, expected);
	snprintf(csb_result, sizeof(csb_result), "frames %llu ns %llu\n",
		 (u64)count * nr - (expected - min(csb_sent(wait), expected)), end - start);
	return 0;
}

static int csb_smp(struct csb_source *sources, int nr, unsigned int count, struct net_device *wait)
{
	struct csb_worker workers[2] = {};
	int i, err = 0;

	for (i = 0; i < nr; i++) {
		workers[i].source = sources[i];
		__skb_queue_head_init(&workers[i].queue);
		err = err ?: csb_fill(&workers[i].queue, &workers[i].source, count);
	}
	if (!err)
		err = csb_smp_run(workers, nr, count, wait);
	for (i = 0; i < nr; i++)
		__skb_queue_purge(&workers[i].queue);
	return err;
}

static bool csb_is_mesh(const struct net_device *dev)
{
	return dev->rtnl_link_ops && (!strcmp(dev->rtnl_link_ops->kind, "crowdshare") ||
				      !strcmp(dev->rtnl_link_ops->kind, "batadv"));
}

/* Frames that all mesh devices of the kernel received. */
static u64 csb_delivered(void)
{
	struct rtnl_link_stats64 stats;
	struct net_device *dev;
	u64 sum = 0;
	struct net *net;

	rtnl_lock();
	down_read(&net_rwsem);
	for_each_net(net) {
		for_each_netdev(net, dev) {
			if (csb_is_mesh(dev))
				sum += dev_get_stats(dev, &stats)->rx_packets;
		}
	}
	up_read(&net_rwsem);
	rtnl_unlock();
	return sum;
}

static int csb_tx(struct csb_source *source, unsigned int count)
{
	u64 before = csb_delivered(), start, end, now, seen = before;
	struct sk_buff_head queue;
	struct sk_buff *skb;
	unsigned int n = 0;

	__skb_queue_head_init(&queue);
	if (csb_fill(&queue, source, count)) {
		__skb_queue_purge(&queue);
		return -ENOMEM;
	}
	start = ktime_get_ns();
	while ((skb = __skb_dequeue(&queue))) {
		skb_reset_mac_header(skb);
		skb->protocol = eth_hdr(skb)->h_proto;
		skb_set_network_header(skb, ETH_HLEN);
		dev_queue_xmit(skb);
		if (!(++n % 16))
			cond_resched();
	}
	end = ktime_get_ns();
	/* the last that arrives ends it; queues are drained when nothing came for 30 ms */
	while (ktime_get_ns() - end < 30 * NSEC_PER_MSEC) {
		usleep_range(50, 100);
		now = csb_delivered();
		if (now != seen)
			end = ktime_get_ns();
		seen = now;
	}
	snprintf(csb_result, sizeof(csb_result), "frames %u ns %llu delivered %llu\n", count,
		 end - start, seen - before);
	return 0;
}

static int csb_hash(unsigned int count, unsigned int size)
{
	struct csb_source source = { .kind = CSB_NEW, .size = size, .peers = 1 };

	return csb_batches(&source, count, csb_hash_queue);
}

static int csb_mac(unsigned int count)
{
	u8 source[ETH_ALEN] = { 2 }, digest[CS_DIGEST_LEN] = {};
	struct cs_link_hdr link = {};
	u64 start = ktime_get_ns();
	unsigned int i;

	for (i = 0; i < count; i++) {
		csb_tag(&link, source, digest);
		csb_tag(&link, source, link.tag);
	}
	snprintf(csb_result, sizeof(csb_result), "frames %u ns %llu\n", count,
		 ktime_get_ns() - start);
	return 0;
}

static int csb_kind(const char *name)
{
	int i = match_string(csb_kinds, ARRAY_SIZE(csb_kinds), name);

	return i < 0 ? -EINVAL : i;
}

static bool csb_size_ok(unsigned int size)
{
	return size >= ETH_HLEN + CS_HDRS_LEN && size <= CSB_SIZE_MAX;
}

static struct net_device *csb_dev(const char *name)
{
	return dev_get_by_name(current->nsproxy->net_ns, name);
}

/* rx and tx: one interface. */
static int csb_one(const char *verb, const char *name, const char *kind, unsigned int count,
		   unsigned int size, unsigned int peers)
{
	struct csb_source source = { .size = size, .peers = clamp(peers, 1U, 250U) };
	int err = csb_kind(kind);

	if (err < 0 || !count || !csb_size_ok(size))
		return -EINVAL;
	source.kind = err;
	source.dev = csb_dev(name);
	if (!source.dev)
		return -ENODEV;
	err = !strcmp(verb, "rx") ? csb_batches(&source, count, csb_receive) :
				    csb_tx(&source, count);
	dev_put(source.dev);
	return err;
}

/* smp: one or two interfaces, and the one to wait for. */
static int csb_many(char *names, const char *kind, unsigned int count, unsigned int size,
		    const char *wait_name)
{
	struct net_device *wait = csb_dev(wait_name);
	struct csb_source sources[2] = {};
	int nr, err = csb_kind(kind);
	char *name;

	for (nr = 0; nr < 2 && (name = strsep(&names, ",")); nr++) {
		sources[nr].kind = err;
		sources[nr].size = size;
		sources[nr].peers = 1;
		sources[nr].dev = csb_dev(name);
		if (!sources[nr].dev)
			err = -ENODEV;
	}
	if (!wait || !csb_size_ok(size) || nr > num_online_cpus())
		err = -EINVAL;
	if (err >= 0)
		err = csb_smp(sources, nr, count, wait);
	while (nr--)
		dev_put(sources[nr].dev);
	dev_put(wait);
	return err;
}

static int csb_command(char *line)
{
	char verb[8], a[40], b[16], wait[16];
	unsigned int x, y, z;

	if (sscanf(line, "hash %u %u", &x, &y) == 2)
		return csb_size_ok(y) ? csb_hash(x, y) : -EINVAL;
	if (sscanf(line, "mac %u", &x) == 1)
		return csb_mac(x);
	if (sscanf(line, "seen %u %u", &x, &y) == 2)
		return csb_seen(x, y, csb_result, sizeof(csb_result));
	if (sscanf(line, "smp %39s %15s %u %u %15s", a, b, &x, &y, wait) == 5)
		return csb_many(a, b, x, y, wait);
	z = 1;
	if (sscanf(line, "%7s %39s %15s %u %u %u", verb, a, b, &x, &y, &z) >= 5 &&
	    (!strcmp(verb, "rx") || !strcmp(verb, "tx")))
		return csb_one(verb, a, b, x, y, z);
	return -EINVAL;
}

static ssize_t csb_write(struct file *file, const char __user *data, size_t len, loff_t *pos)
{
	char line[128];
	int err;

	if (len >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, data, len))
		return -EFAULT;
	line[len] = '\0';
	mutex_lock(&csb_lock);
	err = csb_command(line);
	mutex_unlock(&csb_lock);
	return err < 0 ? err : len;
}

static ssize_t csb_read(struct file *file, char __user *data, size_t len, loff_t *pos)
{
	return simple_read_from_buffer(data, len, pos, csb_result, strlen(csb_result));
}

static const struct file_operations csb_fops = {
	.owner = THIS_MODULE,
	.write = csb_write,
	.read = csb_read,
};

static struct dentry *csb_dir;

static int __init csb_init(void)
{
	csb_sha512 = crypto_alloc_shash("sha512", 0, 0);
	if (IS_ERR(csb_sha512))
		return PTR_ERR(csb_sha512);
	/* messages of an earlier load may be known still */
	csb_first = ktime_get_real_ns();
	csb_expiry = ktime_get_real_seconds() + CSB_EXPIRY;
	atomic64_set(&csb_serial, csb_first + CSB_KNOWN);
	csb_dir = debugfs_create_dir("csbench", NULL);
	debugfs_create_file("run", 0600, csb_dir, NULL, &csb_fops);
	return 0;
}

static void __exit csb_exit(void)
{
	debugfs_remove_recursive(csb_dir);
	crypto_free_shash(csb_sha512);
}

module_init(csb_init);
module_exit(csb_exit);

MODULE_DESCRIPTION("Measures the CrowdSharing data plane inside the kernel");
MODULE_LICENSE("GPL");
