// SPDX-License-Identifier: GPL-2.0
/*
 * Sends a series of crafted frames, in one of three ways:
 *
 *  - with sendmmsg(): the kernel's buffers are linear up to a page; of longer frames only the
 *    Ethernet header is in the linear part, the rest in page fragments;
 *  - from a memory-mapped ring: of every frame only the Ethernet header is in the linear part;
 *  - as a race: the same messages on several links, from as many threads, each on a CPU of its own.
 *    Before each message the threads meet at a barrier and then wait for a few turns more that
 *    differ from message to message, so that all ways to overlap are tried.
 *
 * On a virtual Ethernet pair the sender's CPU also does the receiver's work, so a race here is a
 * race in the module.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_packet.h>

#include "burst.h"
#include "die.h"

#define BATCH		64
#define RING_FRAME	(128 * 1024)
#define RING_FRAMES	32
#define RACE_OFFSETS	97

/* Frames on their way out: a batch for sendmmsg(), or the ring. */
struct outlet {
	const struct burst *burst;
	struct link *link;
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	uint8_t *frames;
	unsigned int queued;
	uint8_t *ring;
	unsigned int slot;
	struct timespec next;
};

static void out_of_memory(void)
{
	die("out of memory");
}

static void print_digest(FILE *file, const uint8_t *digest)
{
	char text[2 * CS_DIGEST_LEN + 2];
	int i;

	for (i = 0; i < CS_DIGEST_LEN; i++)
		sprintf(text + 2 * i, "%02x", digest[i]);
	fprintf(file, "%s\n", text);
}

/* The ring's head tells the kernel what is ready, and us what is gone. */
static void ring_open(struct outlet *out)
{
	struct tpacket_req req = {
		.tp_block_size = RING_FRAME,
		.tp_block_nr = RING_FRAMES,
		.tp_frame_size = RING_FRAME,
		.tp_frame_nr = RING_FRAMES,
	};
	int version = TPACKET_V2;

	if (setsockopt(out->link->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    setsockopt(out->link->fd, SOL_PACKET, PACKET_TX_RING, &req, sizeof(req)))
		die("%s: ring: %s", out->link->label, strerror(errno));
	out->ring = mmap(NULL, (size_t)RING_FRAME * RING_FRAMES, PROT_READ | PROT_WRITE, MAP_SHARED,
			 out->link->fd, 0);
	if (out->ring == MAP_FAILED)
		die("%s: mapping the ring: %s", out->link->label, strerror(errno));
}

static struct tpacket2_hdr *ring_slot(struct outlet *out, unsigned int slot)
{
	return (struct tpacket2_hdr *)(out->ring + (size_t)slot * RING_FRAME);
}

/* Waits until the kernel has let go of a slot. */
static void ring_wait(struct outlet *out, unsigned int slot)
{
	struct pollfd pfd = { .fd = out->link->fd, .events = POLLOUT };
	volatile struct tpacket2_hdr *hdr = ring_slot(out, slot);

	while (hdr->tp_status != TP_STATUS_AVAILABLE) {
		if (hdr->tp_status & TP_STATUS_WRONG_FORMAT)
			die("%s: the kernel refused a frame of %u bytes", out->link->label,
			    hdr->tp_len);
		poll(&pfd, 1, 1);
	}
}

static void ring_put(struct outlet *out, const uint8_t *frame, size_t len)
{
	struct tpacket2_hdr *hdr;

	ring_wait(out, out->slot);
	hdr = ring_slot(out, out->slot);
	memcpy((uint8_t *)hdr + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll), frame, len);
	hdr->tp_len = len;
	__atomic_store_n(&hdr->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	out->slot = (out->slot + 1) % RING_FRAMES;
	if (send(out->link->fd, NULL, 0, 0) < 0)
		die("%s: send of %zu bytes from the ring: %s", out->link->label, len,
		    strerror(errno));
}

static void flush(struct outlet *out)
{
	unsigned int done = 0;
	int sent;

	while (done < out->queued) {
		sent = sendmmsg(out->link->fd, out->msgs + done, out->queued - done, 0);
		if (sent < 0 && (errno == ENOBUFS || errno == EAGAIN)) {
			usleep(1000);
			continue;
		}
		if (sent < 0)
			die("%s: send of %zu bytes: %s", out->link->label, out->iov[done].iov_len,
			    strerror(errno));
		done += sent;
	}
	out->queued = 0;
}

/* Waits until the next frame is due. */
static void pace(struct outlet *out)
{
	if (!out->burst->rate)
		return;
	flush(out);
	if (!out->next.tv_sec)
		clock_gettime(CLOCK_MONOTONIC, &out->next);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &out->next, NULL);
	out->next.tv_nsec += 1000000000 / out->burst->rate;
	if (out->next.tv_nsec >= 1000000000) {
		out->next.tv_nsec -= 1000000000;
		out->next.tv_sec++;
	}
}

static void put(struct outlet *out, const uint8_t *frame, size_t len)
{
	uint8_t *copy;

	pace(out);
	if (out->burst->ring) {
		ring_put(out, frame, len);
		return;
	}
	copy = out->frames + (size_t)out->queued * FRAME_MAX;
	memcpy(copy, frame, len);
	out->iov[out->queued] = (struct iovec){ copy, len };
	out->msgs[out->queued].msg_hdr = (struct msghdr){
		.msg_iov = &out->iov[out->queued],
		.msg_iovlen = 1,
	};
	if (++out->queued == BATCH)
		flush(out);
}

static size_t mangle(const struct burst *burst, uint8_t *frame, size_t len)
{
	if (burst->flip >= 0) {
		if ((size_t)burst->flip >= len)
			die("--flip %d: the frame has only %zu bytes", burst->flip, len);
		frame[burst->flip] ^= 1;
	}
	memset(frame + len, 0xee, burst->extra);
	len += burst->extra;
	if (burst->truncate >= 0 && (size_t)burst->truncate < len)
		len = burst->truncate;
	return len;
}

static void put_message(struct outlet *out, uint8_t *frame, size_t len)
{
	size_t cut;
	unsigned int i;

	for (i = 0; i < out->burst->repeat; i++) {
		if (!out->burst->each_length) {
			put(out, frame, len);
			continue;
		}
		for (cut = CS_ETH_HLEN; cut < len; cut++)
			put(out, frame, cut);
	}
}

static const uint8_t *digest_in(const struct frame_spec *spec, const uint8_t *frame)
{
	size_t at = CS_ETH_HLEN + (spec->vlan >= 0 ? 4 : 0);

	return frame + at + sizeof(struct cs_link_hdr);
}

/**
 * burst_send() - sends all on one link
 * @burst: what
 * @link: where
 */
void burst_send(const struct burst *burst, struct link *link)
{
	struct outlet out = { .burst = burst, .link = link };
	uint8_t *frame = malloc(FRAME_MAX);
	uint64_t i;
	size_t len;

	out.frames = malloc((size_t)BATCH * FRAME_MAX);
	if (!out.frames || !frame)
		out_of_memory();
	if (burst->ring)
		ring_open(&out);
	for (i = burst->first; i < burst->first + burst->count; i++) {
		len = frame_build(&burst->spec, i, frame);
		if (burst->digests)
			print_digest(burst->digests, digest_in(&burst->spec, frame));
		put_message(&out, frame, mangle(burst, frame, len));
	}
	flush(&out);
	for (i = 0; burst->ring && i < RING_FRAMES; i++)
		ring_wait(&out, i);
	free(out.frames);
	free(frame);
}

/* A runner of a race: @frames are its own, @meet is shared by all. */
struct runner {
	pthread_t thread;
	struct link *link;
	int nr;
	int nr_runners;
	uint64_t count;
	size_t len;
	uint8_t *frames;
	atomic_ulong *meet;
};

static void pin(int nr)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(nr % cpus, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("cannot run on CPU %ld: %s", nr % cpus, strerror(errno));
}

static void *run(void *argument)
{
	struct runner *runner = argument;
	volatile unsigned int spin;
	unsigned int offset;
	uint64_t i;

	pin(runner->nr);
	for (i = 0; i < runner->count; i++) {
		atomic_fetch_add(runner->meet, 1);
		while (atomic_load(runner->meet) < (i + 1) * runner->nr_runners)
			;
		/* now the one is ahead, now the other */
		offset = runner->nr ? i % RACE_OFFSETS : RACE_OFFSETS / 2;
		for (spin = 0; spin < 4 * offset; spin++)
			;
		while (send(runner->link->fd, runner->frames + i * runner->len, runner->len, 0) < 0)
			if (errno != ENOBUFS && errno != EAGAIN)
				die("%s: send: %s", runner->link->label, strerror(errno));
	}
	return NULL;
}

static void build_race(const struct burst *burst, struct runner *runner)
{
	struct frame_spec spec = burst->spec;
	uint64_t i;

	memcpy(spec.src, runner->link->mac, sizeof(spec.src));
	runner->len = CS_ETH_HLEN + CS_HDRS_LEN + spec.size;
	runner->frames = malloc(burst->count * runner->len + FRAME_MAX);
	if (!runner->frames)
		out_of_memory();
	for (i = 0; i < burst->count; i++) {
		uint8_t *frame = runner->frames + i * runner->len;

		frame_build(&spec, burst->first + i, frame);
		if (!runner->nr && burst->digests)
			print_digest(burst->digests, digest_in(&spec, frame));
	}
}

/**
 * burst_race() - sends the same messages on several links at the same moments
 * @burst: what
 * @links: where; each frame's source is the link's own address
 * @nr_links: how many
 */
void burst_race(const struct burst *burst, struct link *links, int nr_links)
{
	struct runner *runners = calloc(nr_links, sizeof(*runners));
	atomic_ulong meet = 0;
	int i;

	if (!runners)
		out_of_memory();
	for (i = 0; i < nr_links; i++) {
		runners[i] = (struct runner){
			.link = &links[i], .nr = i, .nr_runners = nr_links,
			.count = burst->count, .meet = &meet,
		};
		build_race(burst, &runners[i]);
	}
	for (i = 0; i < nr_links; i++)
		if (pthread_create(&runners[i].thread, NULL, run, &runners[i]))
			die("cannot start a thread");
	for (i = 0; i < nr_links; i++) {
		pthread_join(runners[i].thread, NULL);
		free(runners[i].frames);
	}
	free(runners);
}
