// SPDX-License-Identifier: GPL-2.0
/*
 * csnl recv: collect messages from a crowdshare device into files. Field test of the data plane,
 * the other end of csnl send: plain, unencrypted, without erasure code.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "csnl/assembly.h"
#include "csnl/csnl.h"
#include "csnl/rawsocket.h"
#include "lib/hex.h"

static const char usage[] =
	"Usage: csnl recv dev DEV [to ADDR] [timeout SEC] [count N] [-q|--no-progress] DIR\n"
	"Collects what csnl send sent into files in DIR: a field test, plain and unencrypted.\n"
	"A file appears only when it is whole and its SHA-512 is right; none is overwritten.\n"
	"to: only messages for this IPv6 address. Ends SEC seconds after the last new message,\n"
	"or when N files came whole, or when it is interrupted. Exit status: 0 if N files came\n"
	"whole; without count, if at least one did and nothing is incomplete; 1 if not.\n";

#define BATCH		64
#define POLL_MS		200
#define FRAME_MAX	(CS_FRAME_HLEN + CS_SLICE_MAX + 1)

/**
 * struct receiving - a run of csnl recv
 * @cs: output format
 * @raw: socket
 * @dev: name of the device
 * @ifindex: of the device
 * @directory: where files appear
 * @to: destination that messages must have
 * @only_to: only those
 * @timeout: seconds after the last new message, 0: no end
 * @wanted: files to wait for, 0: no end
 * @quiet: no progress
 * @as: what is under way
 * @now: time of the batch at hand
 * @started: when it began
 * @last_new: when the last new message came
 * @shown: when progress was last shown
 * @frames: that came in
 * @frame_bytes: their bytes
 * @new: slices that were missing
 * @duplicates: slices that were there
 * @bad_digest: messages whose digest was wrong
 * @bad: frames and messages that make no sense
 * @other: messages for others
 * @files: that came whole
 * @incomplete: for the summary
 */
struct receiving {
	struct csnl		*cs;
	struct rawsocket	raw;
	const char		*dev;
	uint32_t		ifindex;
	int			directory;
	uint8_t			to[CS_ADDR_LEN];
	bool			only_to;
	double			timeout;
	uint64_t		wanted;
	bool			quiet;
	struct assembly		*as;
	double			now;
	double			started;
	double			last_new;
	double			shown;
	uint64_t		frames;
	uint64_t		frame_bytes;
	uint64_t		new;
	uint64_t		duplicates;
	uint64_t		bad_digest;
	uint64_t		bad;
	uint64_t		other;
	uint64_t		files;
	json_t			*incomplete;
};

static void parse(struct args *args, struct receiving *r)
{
	const char *path = NULL;

	while (args->left) {
		if (args_option(args, "dev")) {
			r->ifindex = args_ifindex(args, "dev", &r->dev);
		} else if (args_option(args, "to")) {
			args_addr(args, "to", r->to);
			r->only_to = true;
		} else if (args_option(args, "timeout")) {
			r->timeout = args_decimal(args, "timeout", 0.01, 1e9);
		} else if (args_option(args, "count")) {
			r->wanted = args_number(args, "count", 1, UINT32_MAX);
		} else if (args_option(args, "-q") || args_option(args, "--no-progress")) {
			r->quiet = true;
		} else {
			if (path || args->word[0][0] == '-')
				args_unknown(args);
			path = args_next(args, "DIR");
		}
	}
	if (!r->dev)
		args_die(args, "'dev DEV' is missing");
	if (!path)
		args_die(args, "DIR is missing");
	r->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->directory < 0)
		args_die(args, "directory '%s': %s", path, strerror(errno));
	if (faccessat(r->directory, ".", W_OK | X_OK, 0))
		args_die(args, "directory '%s': %s", path, strerror(errno));
}

/* Notes go between two lines of progress, not into one. */
static void clear_progress(struct receiving *r)
{
	if (!r->quiet)
		fputs("\r\033[K", stderr);
	r->shown = 0;
}

static void show_progress(struct receiving *r)
{
	if (r->quiet || r->now - r->shown < 0.2)
		return;
	r->shown = r->now;
	fprintf(stderr, "\rfiles %" PRIu64 " under way %u messages %" PRIu64 " duplicates %"
		PRIu64 " %.1f MB \033[K", r->files, assembly_pending(r->as), r->new,
		r->duplicates, r->frame_bytes / 1e6);
}

static void on_note(const char *text, void *data)
{
	clear_progress(data);
	fprintf(stderr, "csnl: recv: %s\n", text);
}

static void on_done(const struct assembly_file *file, void *data)
{
	struct receiving *r = data;
	char sha512[129];
	json_t *line;

	r->files++;
	clear_progress(r);
	cs_hex(sha512, file->sha512, CS_DIGEST_LEN);
	if (r->cs->json) {
		line = json_object();
		put(line, "event", json_string("file"));
		put(line, "name", json_string(file->name));
		put(line, "bytes", json_integer(file->size));
		put(line, "sha512", json_string(sha512));
		put(line, "messages", json_integer(file->messages));
		put(line, "duplicates", json_integer(file->duplicates));
		put(line, "seconds", json_real(file->seconds));
		print_json(r->cs, line);
		json_decref(line);
	} else {
		printf("%s: bytes %" PRIu64 " messages %" PRIu64 " duplicates %" PRIu64
		       " seconds %.3f sha512 %s\n", file->name, file->size, file->messages,
		       file->duplicates, file->seconds, sha512);
		flush_output();
	}
}

static void on_incomplete(const char *what, const char *missing, void *data)
{
	struct receiving *r = data;

	clear_progress(r);
	fprintf(stderr, "csnl: recv: incomplete: %s lacks %s\n", what, missing);
	json_array_append_new(r->incomplete, json_sprintf("%s lacks %s", what, missing));
}

static void take_frame(struct receiving *r, const uint8_t *buf, size_t len)
{
	struct cs_frame frame;
	const char *wrong;

	r->frames++;
	r->frame_bytes += len;
	if (len >= FRAME_MAX || cs_frame_parse(buf, len, r->raw.ethertype, &frame)) {
		r->bad++;
		return;
	}
	if (r->only_to && memcmp(frame.message.destination, r->to, sizeof(r->to))) {
		r->other++;
		return;
	}
	/* the kernel has done so, and whether that is true is being tested */
	if (!cs_frame_digest_ok(buf, len)) {
		r->bad_digest++;
		return;
	}
	switch (assembly_take(r->as, &frame.message, r->now, &wrong)) {
	case ASSEMBLY_NEW:
		r->new++;
		r->last_new = r->now;
		break;
	case ASSEMBLY_DUPLICATE:
		r->duplicates++;
		break;
	case ASSEMBLY_BAD:
		if (!r->bad++)
			on_note(wrong, r);
		break;
	}
}

/* Read what is there, a batch at a time; false: nothing was. */
static bool take_batch(struct receiving *r, uint8_t *buffers)
{
	struct mmsghdr messages[BATCH] = { 0 };
	struct sockaddr_ll from[BATCH] = { 0 };
	struct iovec iov[BATCH];
	int i, n;

	for (i = 0; i < BATCH; i++) {
		iov[i].iov_base = buffers + (size_t)i * FRAME_MAX;
		iov[i].iov_len = FRAME_MAX;
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
		messages[i].msg_hdr.msg_name = &from[i];
		messages[i].msg_hdr.msg_namelen = sizeof(from[i]);
	}
	n = recvmmsg(r->raw.fd, messages, BATCH, MSG_DONTWAIT, NULL);
	if (n < 0 && errno == ENETDOWN)
		fprintf(stderr, "csnl: recv: device '%s' went down\n", r->dev);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		die("recv: device '%s': %s", r->dev, strerror(errno));
	r->now = seconds_now();
	for (i = 0; i < n; i++)
		/* what this node sends itself shows here, too */
		if (from[i].sll_pkttype != PACKET_OUTGOING)
			take_frame(r, iov[i].iov_base, messages[i].msg_len);
	return n > 0;
}

static bool is_over(const struct receiving *r)
{
	return stop_signal || (r->wanted && r->files >= r->wanted) ||
	       (r->timeout > 0 && r->now - r->last_new >= r->timeout);
}

static void receive(struct receiving *r)
{
	uint8_t *buffers = malloc((size_t)BATCH * FRAME_MAX);
	struct pollfd fd = { .fd = r->raw.fd, .events = POLLIN };
	int wait = POLL_MS;

	if (!buffers)
		die("recv: out of memory");
	if (r->timeout > 0 && r->timeout * 500 < POLL_MS)
		wait = r->timeout * 500 + 1;
	r->now = r->started = r->last_new = seconds_now();
	while (!is_over(r)) {
		/* wakes up often enough for progress, the timeout and a signal just before poll */
		if (!take_batch(r, buffers))
			poll(&fd, 1, wait);
		show_progress(r);
	}
	clear_progress(r);
	free(buffers);
}

/* What the socket had no room for: then the loss was here, not on the way. */
static uint32_t socket_drops(const struct receiving *r)
{
	struct tpacket_stats stats = { 0 };
	socklen_t len = sizeof(stats);

	if (getsockopt(r->raw.fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len))
		return 0;
	return stats.tp_drops;
}

static void summary(struct receiving *r)
{
	double seconds = seconds_now() - r->started;
	uint32_t drops = socket_drops(r);
	json_t *out;

	if (drops)
		fprintf(stderr, "csnl: recv: %" PRIu32 " frames lost here: the socket was full\n",
			drops);
	if (!r->cs->json) {
		fprintf(stderr, "csnl: recv: files %" PRIu64 " messages %" PRIu64 " duplicates %"
			PRIu64 " bad digest %" PRIu64 " bad %" PRIu64 " for others %" PRIu64
			" seconds %.3f\n", r->files, r->new, r->duplicates, r->bad_digest, r->bad,
			r->other, seconds);
		json_decref(r->incomplete);
		return;
	}
	out = json_object();
	put(out, "event", json_string("summary"));
	put(out, "files", json_integer(r->files));
	put(out, "frames", json_integer(r->frames));
	put(out, "frame_bytes", json_integer(r->frame_bytes));
	put(out, "new", json_integer(r->new));
	put(out, "duplicates", json_integer(r->duplicates));
	put(out, "bad_digest", json_integer(r->bad_digest));
	put(out, "bad", json_integer(r->bad));
	put(out, "other", json_integer(r->other));
	put(out, "socket_drops", json_integer(drops));
	put(out, "seconds", json_real(seconds));
	put(out, "incomplete", r->incomplete);
	print_json(r->cs, out);
	json_decref(out);
}

static int recv_run(struct csnl *cs, struct args *args)
{
	static const struct assembly_ops ops = {
		.done = on_done, .note = on_note, .incomplete = on_incomplete,
	};
	struct receiving r = { .cs = cs, .quiet = !isatty(STDERR_FILENO) };
	unsigned int incomplete;

	parse(args, &r);
	stop_on_signals();
	r.as = assembly_new(r.directory, &assembly_limits_default, &ops, &r);
	r.incomplete = json_array();
	if (!r.as || !r.incomplete)
		args_die(args, "out of memory");
	/* ends the program if it is no crowdshare device */
	json_decref(dev_get(cs, args, r.ifindex));
	rawsocket_open(&r.raw, r.dev, r.ifindex);
	/* said when the socket is ready, so that a script can wait for it */
	fprintf(stderr, "csnl: recv: field test, plain and unencrypted: receiving on '%s'\n",
		r.dev);
	receive(&r);
	incomplete = assembly_incomplete(r.as);
	summary(&r);
	assembly_free(r.as);
	close(r.raw.fd);
	close(r.directory);
	if (r.wanted)
		return r.files >= r.wanted ? EXIT_YES : EXIT_NO;
	return r.files && !incomplete ? EXIT_YES : EXIT_NO;
}

int csnl_recv(struct csnl *cs, struct args *args)
{
	static const struct object object = { "recv", NULL, recv_run, usage };

	return object_run(cs, args, &object);
}
