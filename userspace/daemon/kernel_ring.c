// SPDX-License-Identifier: GPL-2.0
/*
 * Frames on the device: a TPACKET_V3 ring to get them, and the same socket to send others.
 *
 * The kernel fills one block of the ring after the other, and hands over each when it is full or
 * 100 ms old (Documentation/networking/packet_mmap.rst); frames are told from where they lie,
 * without a copy. When there is no block left it drops frames and counts them, exactly. A block
 * that is handed over with few frames in it is taken all the same, so it is also the number of
 * blocks that says how long the daemon may do something else: at least 3 seconds.
 *
 * The socket is bound to all protocols of the device, as only so it gets what is sent too; a filter
 * lets in nothing but messages. A packet socket does not get what it sent itself (skb_loop_sk() in
 * net/core/dev.c): the daemon sends by this socket, so that of all that is sent it gets what other
 * programs sent, and nothing else.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/kernel_real.h"
#include "daemon/log.h"
#include "lib/ethertype.h"

#define BLOCK_SIZE	(128 * 1024)	/* the least power of 2 that holds the largest frame */
#define BLOCKS		32		/* 4 MiB: what a small router can spare */
#define BLOCKS_MIN	8
#define FRAME_SIZE	2048		/* with version 3 only to be a divisor of the block's */
#define RETIRE_MSEC	100
#define BLOCKS_AT_ONCE	8		/* so that other events get their turn */
#define SEND_BUFFER	(4 << 20)

/**
 * struct kernel_ring - the socket and its ring
 * @fd: the socket
 * @map: the ring
 * @blocks: number of its blocks
 * @next: block that the kernel fills next, or did
 * @ifindex: device that it is bound to, 0: none yet
 * @on_frames: event: blocks are full, or the device went down
 * @tick: timer that counts what was missed
 */
struct kernel_ring {
	int		fd;
	uint8_t		*map;
	unsigned int	blocks;
	unsigned int	next;
	uint32_t	ifindex;
	struct event	*on_frames;
	struct event	*tick;
};

static struct tpacket_block_desc *block_at(const struct kernel_ring *ring, unsigned int i)
{
	return (struct tpacket_block_desc *)(ring->map + (size_t)i * BLOCK_SIZE);
}

/* Reading the counters sets them back. */
static void count_missed(struct kernel_real *real)
{
	struct tpacket_stats_v3 stats;
	socklen_t len = sizeof(stats);

	if (!getsockopt(real->ring->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) &&
	    stats.tp_drops)
		real->events->missed(real->data, stats.tp_drops);
}

/* A frame that does not lie in its block, whole, is one that was missed. */
static void tell_frame(struct kernel_real *real, const uint8_t *block, uint32_t offset)
{
	const uint8_t *packet = block + offset;
	const struct tpacket3_hdr *hdr = (const struct tpacket3_hdr *)packet;
	const struct sockaddr_ll *from =
		(const struct sockaddr_ll *)(packet + TPACKET_ALIGN(sizeof(*hdr)));

	if (hdr->tp_snaplen != hdr->tp_len || hdr->tp_snaplen > BLOCK_SIZE - offset ||
	    hdr->tp_mac > BLOCK_SIZE - offset - hdr->tp_snaplen) {
		real->events->missed(real->data, 1);
		return;
	}
	real->events->frame(real->data, packet + hdr->tp_mac, hdr->tp_snaplen,
			    from->sll_pkttype == PACKET_OUTGOING);
}

static void tell_block(struct kernel_real *real, const struct tpacket_block_desc *desc)
{
	const size_t room = TPACKET_ALIGN(sizeof(struct tpacket3_hdr)) +
			    sizeof(struct sockaddr_ll);
	const uint8_t *block = (const uint8_t *)desc;
	uint32_t offset = desc->hdr.bh1.offset_to_first_pkt;
	uint32_t left = desc->hdr.bh1.num_pkts, step;

	for (; left; left--) {
		if (offset > BLOCK_SIZE - room) {
			real->events->missed(real->data, left);
			return;
		}
		tell_frame(real, block, offset);
		step = ((const struct tpacket3_hdr *)(block + offset))->tp_next_offset;
		offset = step <= BLOCK_SIZE ? offset + step : BLOCK_SIZE;
	}
}

/* The device was taken down, or removed; or an error that would otherwise come again and again. */
static void take_error(struct kernel_real *real)
{
	socklen_t len;
	int rc = 0;

	len = sizeof(rc);
	if (!getsockopt(real->ring->fd, SOL_SOCKET, SO_ERROR, &rc, &len) && rc)
		log_warning("device '%s': %s", real->name, strerror(rc));
}

static void on_frames(evutil_socket_t fd, short what, void *data)
{
	struct kernel_real *real = data;
	struct kernel_ring *ring = real->ring;
	struct tpacket_block_desc *block;
	unsigned int n;

	(void)fd;
	(void)what;
	for (n = 0; n < BLOCKS_AT_ONCE; n++) {
		block = block_at(ring, ring->next);
		if (!(__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) &
		      TP_STATUS_USER))
			break;
		tell_block(real, block);
		__atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL,
				 __ATOMIC_RELEASE);
		ring->next = (ring->next + 1) % ring->blocks;
	}
	if (!n)
		take_error(real);
	count_missed(real);
}

static void tick_again(struct kernel_ring *ring)
{
	static const struct timeval second = { 1, 0 };

	event_add(ring->tick, &second);
}

static void on_tick(evutil_socket_t fd, short what, void *data)
{
	struct kernel_real *real = data;

	(void)fd;
	(void)what;
	count_missed(real);
	tick_again(real->ring);
}

/* Messages only, whole. A frame without an EtherType is none. */
static int filter(int fd, uint16_t ethertype)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ethertype, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* The largest ring, up to what is wanted, that the kernel has memory for. */
static int make_ring(struct kernel_ring *ring)
{
	struct tpacket_req3 request = {
		.tp_block_size = BLOCK_SIZE,
		.tp_frame_size = FRAME_SIZE,
		.tp_retire_blk_tov = RETIRE_MSEC,
	};
	int version = TPACKET_V3, rc = -1;
	unsigned int blocks;
	void *map;

	if (setsockopt(ring->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)))
		return -errno;
	for (blocks = BLOCKS; rc && blocks >= BLOCKS_MIN; blocks /= 2) {
		request.tp_block_nr = blocks;
		request.tp_frame_nr = blocks * (BLOCK_SIZE / FRAME_SIZE);
		rc = setsockopt(ring->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request));
		if (rc && errno != ENOMEM)
			break;
	}
	if (rc)
		return -errno;
	map = mmap(NULL, (size_t)request.tp_block_nr * BLOCK_SIZE, PROT_READ | PROT_WRITE,
		   MAP_SHARED, ring->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	ring->map = map;
	ring->blocks = request.tp_block_nr;
	return 0;
}

static int make_socket(struct kernel_ring *ring)
{
	int size = SEND_BUFFER;

	/* protocol 0 until it is bound: nothing of other interfaces gets in */
	ring->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ring->fd < 0 || filter(ring->fd, cs_ethertype()))
		return -errno;
	if (setsockopt(ring->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(ring->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return make_ring(ring);
}

/**
 * kernel_ring_open() - make the socket and its ring
 * @real: the real kernel
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno; needs kernel_ring_close() either way.
 */
int kernel_ring_open(struct kernel_real *real, struct cs_error *error)
{
	struct kernel_ring *ring = calloc(1, sizeof(*ring));
	int rc;

	if (!ring)
		return cs_error_set(error, -ENOMEM, "packet socket: out of memory");
	real->ring = ring;
	rc = make_socket(ring);
	if (rc)
		return cs_error_set(error, rc, "packet socket: %s%s", strerror(-rc),
				    rc == -EPERM ? ": this needs CAP_NET_RAW" : "");
	ring->on_frames = event_new(real->base, ring->fd, EV_READ | EV_PERSIST, on_frames, real);
	ring->tick = evtimer_new(real->base, on_tick, real);
	if (!ring->on_frames || !ring->tick)
		return cs_error_set(error, -ENOMEM, "packet socket: out of memory");
	return 0;
}

/**
 * kernel_ring_bind() - begin to get the frames of the device
 * @real: the real kernel, with its device
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int kernel_ring_bind(struct kernel_real *real, struct cs_error *error)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = real->ifindex,
	};
	struct kernel_ring *ring = real->ring;
	socklen_t len;
	int down = 0;

	if (ring->ifindex == real->ifindex)
		return 0;
	if (bind(ring->fd, (struct sockaddr *)&to, sizeof(to)))
		return cs_error_set(error, -errno, "device '%s': packet socket: %s", real->name,
				    strerror(errno));
	/* it may well be down yet, and is not to be complained of */
	len = sizeof(down);
	getsockopt(ring->fd, SOL_SOCKET, SO_ERROR, &down, &len);
	ring->ifindex = real->ifindex;
	return kernel_ring_start(real, error);
}

/**
 * kernel_ring_start() - have frames told, once there is a device and somebody to tell
 * @real: the real kernel
 * @error: gets the reason of a failure
 *
 * Return: 0 or -ENOMEM.
 */
int kernel_ring_start(struct kernel_real *real, struct cs_error *error)
{
	struct kernel_ring *ring = real->ring;

	if (!real->events || !ring->ifindex)
		return 0;
	if (event_add(ring->on_frames, NULL))
		return cs_error_set(error, -ENOMEM, "packet socket: out of memory");
	tick_again(ring);
	return 0;
}

/**
 * kernel_ring_close() - end it
 * @real: the real kernel
 */
void kernel_ring_close(struct kernel_real *real)
{
	struct kernel_ring *ring = real->ring;

	if (!ring)
		return;
	if (ring->on_frames)
		event_free(ring->on_frames);
	if (ring->tick)
		event_free(ring->tick);
	if (ring->map)
		munmap(ring->map, (size_t)ring->blocks * BLOCK_SIZE);
	if (ring->fd >= 0)
		close(ring->fd);
	free(ring);
	real->ring = NULL;
}

static int refused(const struct kernel_real *real, int rc, size_t len, struct cs_error *error)
{
	switch (rc) {
	case -ENETDOWN:
		return cs_error_set(error, rc, "device '%s' is down: ip link set %s up",
				    real->name, real->name);
	case -ENXIO:
	case -ENODEV:
		return cs_error_set(error, -ENODEV, "device '%s' is gone", real->name);
	case -EMSGSIZE:
		return cs_error_set(error, rc, "a frame of %zu bytes is larger than device '%s' "
				    "takes: raise its MTU", len, real->name);
	case -EAGAIN:
	case -ENOBUFS:
		return cs_error_set(error, -ENOBUFS, "device '%s' takes no more at the moment",
				    real->name);
	default:
		return cs_error_set(error, rc, "device '%s': %s", real->name, strerror(-rc));
	}
}

/**
 * kernel_send() - send a frame into the device
 * @kernel: the real kernel, with its device
 * @frame: the frame, from its Ethernet header on
 * @len: its bytes
 * @error: gets the reason of a failure
 *
 * What the kernel makes of it is in its counters: a message that is no good is not told here.
 *
 * Return: 0 or a negative errno.
 */
int kernel_send(struct kernel *kernel, const void *frame, size_t len, struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	ssize_t n;

	do {
		n = send(real->ring->fd, frame, len, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? refused(real, -errno, len, error) : 0;
}
