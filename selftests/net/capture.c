// SPDX-License-Identifier: GPL-2.0
/*
 * Listens to any number of interfaces, in any namespaces, until it is told to stop.
 *
 * The command returns when all sockets are open, with the listener in the background, so that
 * nothing sent afterwards is missed. Stopping waits until all that was queued has been read. What
 * the kernel could not queue is counted: a capture with a hole must fail a test and not pass it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "caplog.h"
#include "die.h"
#include "frame.h"
#include "link.h"

#define BATCH	64
#define QUEUE	(256 << 20)

/* A batch of frames as recvmmsg() fills it in. */
static struct mmsghdr msgs[BATCH];
static struct iovec iov[BATCH];
static struct sockaddr_ll from[BATCH];

static struct cap_frame *new_frame(struct cap_log *log)
{
	static uint64_t room;

	if (log->nr_frames == room) {
		room = room ? 2 * room : 4096;
		log->frames = realloc(log->frames, room * sizeof(*log->frames));
		if (!log->frames)
			die("out of memory");
	}
	return &log->frames[log->nr_frames++];
}

static void record(struct cap_log *log, int iface, enum cap_dir dir, const uint8_t *data,
		   size_t len)
{
	const struct frame_body *body = (const struct frame_body *)(data + CS_ETH_HLEN);
	struct cap_frame *frame;
	unsigned int type;
	size_t have;

	if (len < CS_ETH_HLEN)
		return;
	type = data[12] << 8 | data[13];
	log->ifaces[iface].foreign[dir] += type == CAP_FOREIGN;
	if (type != CS_ETHERTYPE)
		return;
	frame = new_frame(log);
	memset(frame, 0, sizeof(*frame));
	frame->iface = iface;
	frame->dir = dir;
	frame->len = len;
	memcpy(frame->dst, data, 6);
	memcpy(frame->src, data + 6, 6);
	len -= CS_ETH_HLEN;
	frame->whole = frame_digest_right(body, len);
	have = len < sizeof(frame->link) ? len : sizeof(frame->link);
	memcpy(&frame->link, body, have);
	if (len >= sizeof(frame->link) + sizeof(frame->digest))
		memcpy(frame->digest, body->msg.digest, sizeof(frame->digest));
}

/* Reads what is queued on a socket. Return: whether there may be more. */
static bool read_batch(struct cap_log *log, int iface, int fd)
{
	int i, got;

	for (i = 0; i < BATCH; i++) {
		iov[i].iov_len = FRAME_MAX;
		msgs[i].msg_hdr = (struct msghdr){
			.msg_iov = &iov[i], .msg_iovlen = 1,
			.msg_name = &from[i], .msg_namelen = sizeof(from[i]),
		};
	}
	got = recvmmsg(fd, msgs, BATCH, MSG_DONTWAIT, NULL);
	if (got < 0) /* ENETDOWN: said once when the interface goes down */
		return errno == ENETDOWN || errno == EINTR;
	for (i = 0; i < got; i++)
		record(log, iface, from[i].sll_pkttype == PACKET_OUTGOING ? CAP_OUT : CAP_IN,
		       iov[i].iov_base, msgs[i].msg_len);
	return got > 0;
}

static void open_all(struct cap_log *log, struct link *links, char **labels, int nr)
{
	int i, size = QUEUE;

	for (i = 0; i < BATCH; i++) {
		iov[i].iov_base = malloc(FRAME_MAX);
		if (!iov[i].iov_base)
			die("out of memory");
	}
	for (i = 0; i < nr; i++) {
		if (strlen(labels[i]) >= CAPLOG_LABEL)
			die("%s: too long", labels[i]);
		strcpy(log->ifaces[i].label, labels[i]);
		link_open(&links[i], labels[i], 0);
		if (setsockopt(links[i].fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
			die("%s: size of the queue: %s", labels[i], strerror(errno));
	}
}

/* Sockets open bound to no protocol; only now, with a large queue, do they begin to listen. */
static void listen_all(struct link *links, int nr)
{
	int i;

	for (i = 0; i < nr; i++) {
		struct sockaddr_ll addr = {
			.sll_family = AF_PACKET,
			.sll_protocol = htons(ETH_P_ALL),
			.sll_ifindex = links[i].ifindex,
		};

		if (bind(links[i].fd, (struct sockaddr *)&addr, sizeof(addr)))
			die("%s: bind: %s", links[i].label, strerror(errno));
	}
}

static void finish(struct cap_log *log, struct link *links, const char *file)
{
	struct tpacket_stats stats;
	socklen_t len;
	uint32_t i;

	for (i = 0; i < log->nr_ifaces; i++) {
		while (read_batch(log, i, links[i].fd))
			;
		len = sizeof(stats);
		if (getsockopt(links[i].fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len))
			die("%s: %s", links[i].label, strerror(errno));
		log->ifaces[i].lost = stats.tp_drops;
	}
	caplog_write(log, file);
}

/* To be called by the process that reads: a signalfd polls the signals of who adds it. */
static int watch(struct link *links, int nr, const sigset_t *set)
{
	struct epoll_event event = { .events = EPOLLIN };
	int i, epoll = epoll_create1(EPOLL_CLOEXEC);

	event.data.u32 = nr;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, signalfd(-1, set, SFD_CLOEXEC), &event))
		die("epoll: %s", strerror(errno));
	for (i = 0; i < nr; i++) {
		event.data.u32 = i;
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, links[i].fd, &event))
			die("%s: epoll: %s", links[i].label, strerror(errno));
	}
	return epoll;
}

static void loop(struct cap_log *log, struct link *links, int epoll)
{
	struct epoll_event events[BATCH];
	int i, got;

	for (;;) {
		got = epoll_wait(epoll, events, BATCH, -1);
		for (i = 0; i < got; i++) {
			if (events[i].data.u32 == log->nr_ifaces)
				return;
			read_batch(log, events[i].data.u32, links[events[i].data.u32].fd);
		}
	}
}

static void pid_name(char *name, size_t size, const char *file)
{
	if ((size_t)snprintf(name, size, "%s.pid", file) >= size)
		die("%s: name too long", file);
}

static void leave_pid(const char *file, pid_t pid)
{
	char name[4096];
	FILE *f;

	pid_name(name, sizeof(name), file);
	f = fopen(name, "w");
	if (!f || fprintf(f, "%d\n", pid) < 0 || fclose(f))
		die("%s: %s", name, strerror(errno));
}

/**
 * capture() - listens in the background
 * @file: where the log goes when capture_stop() is called for the same name
 * @labels: interfaces
 * @nr: how many
 */
void capture(const char *file, char **labels, int nr)
{
	struct cap_log log = { .magic = CAPLOG_MAGIC, .nr_ifaces = nr };
	struct link *links = calloc(nr, sizeof(*links));
	sigset_t set;
	pid_t pid;

	log.ifaces = calloc(nr, sizeof(*log.ifaces));
	if (!links || !log.ifaces)
		die("out of memory");
	open_all(&log, links, labels, nr);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	listen_all(links, nr);
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (pid) {
		leave_pid(file, pid);
		return;
	}
	setsid();
	/* a test that ends early must not wait for our standard output to close */
	if (!freopen("/dev/null", "r", stdin) || !freopen("/dev/null", "w", stdout))
		die("/dev/null: %s", strerror(errno));
	loop(&log, links, watch(links, nr, &set));
	finish(&log, links, file);
	exit(0);
}

/**
 * capture_stop() - ends a capture and waits until its log is written
 * @file: as given to capture()
 */
void capture_stop(const char *file)
{
	struct pollfd pfd = { .events = POLLIN };
	char name[4096];
	FILE *f;
	int pid;

	pid_name(name, sizeof(name), file);
	f = fopen(name, "r");
	if (!f || fscanf(f, "%d", &pid) != 1)
		die("%s: no capture under way", name);
	fclose(f);
	pfd.fd = syscall(SYS_pidfd_open, pid, 0);
	if (pfd.fd < 0 || syscall(SYS_pidfd_send_signal, pfd.fd, SIGTERM, NULL, 0))
		die("%s: process %d: %s", file, pid, strerror(errno));
	if (poll(&pfd, 1, 120000) != 1)
		die("%s: process %d does not end", file, pid);
	unlink(name);
}
