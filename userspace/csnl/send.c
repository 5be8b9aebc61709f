// SPDX-License-Identifier: GPL-2.0
/*
 * csnl send: cut a file into messages and send them into a crowdshare device. Load generator and
 * field test of the data plane: plain, unencrypted, without erasure code.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "csnl/chunk.h"
#include "csnl/csnl.h"
#include "csnl/rawsocket.h"
#include "lib/hex.h"

static const char usage[] =
	"Usage: csnl send dev DEV to ADDR [port N] [slice N] [lifetime SEC] [rate MBIT]\n"
	"                 [hops N] [chunk BYTES] [via LLADDR] [name NAME] [-q|--no-progress]\n"
	"                 FILE\n"
	"Cuts FILE (- is standard input) into messages and sends them into DEV: a field test,\n"
	"plain and unencrypted: every node on the way can read and keep the file.\n"
	"ADDR is the IPv6 address of the recipient; a gateway delivers to it at port N (0: none\n"
	"does). A message carries at most N bytes (1234) and lives SEC seconds (3600); MBIT per\n"
	"second are sent (100; 0: as fast as it goes); messages pass at most N relays (255: no\n"
	"limit). With via, to that neighbour only.\n";

#define BATCH		64
#define RATE_DEFAULT	100
#define LIFETIME_DEFAULT 3600
#define CLOCK_VALID	1767225600	/* 2026-01-01: before, a clock was never set */
#define READ_SIZE	(1 << 16)

/**
 * struct sending - a file on its way out
 * @raw: socket
 * @dev: name of the device
 * @ifindex: of the device
 * @path: of the file, as given
 * @fd: the file
 * @template: what all frames share
 * @slice: most bytes of payload in a message
 * @lifetime: seconds
 * @rate: bytes per second, 0: no limit
 * @chunk_length: most bytes of a chunk, a multiple of @slice
 * @quiet: no progress
 * @head: what all chunks share; its offset is where the next one begins
 * @hash: of what was sent, to find out whether the file changed meanwhile
 * @chunk_ids: of chunks sent
 * @frames: buffers of a batch, @frame_size bytes each
 * @tokens: bytes that may be sent now; below 0: wait
 * @filled: when @tokens was last brought up to date
 * @started: when it began
 * @shown: when progress was last shown
 * @messages: sent
 * @frame_bytes: sent
 * @retries: times that the device had no room
 */
struct sending {
	struct rawsocket	raw;
	const char		*dev;
	uint32_t		ifindex;
	const char		*path;
	int			fd;
	struct cs_frame		template;
	uint32_t		slice;
	uint32_t		lifetime;
	double			rate;
	uint32_t		chunk_length;
	bool			quiet;
	struct chunk_head	head;
	EVP_MD_CTX		*hash;
	json_t			*chunk_ids;
	uint8_t			*frames;
	size_t			frame_size;
	double			tokens;
	double			filled;
	double			started;
	double			shown;
	uint64_t		messages;
	uint64_t		frame_bytes;
	uint64_t		retries;
};

static void parse_name(struct args *args, struct sending *s)
{
	const char *name = args_next(args, "name");

	if (!*name || strlen(name) > CHUNK_NAME_MAX)
		args_die(args, "name '%s' is empty or longer than %d bytes", name,
			 CHUNK_NAME_MAX);
	strcpy(s->head.name, name);
}

static bool parse_number(struct args *args, struct sending *s)
{
	if (args_option(args, "port"))
		s->template.message.port = args_number(args, "port", 1, UINT16_MAX);
	else if (args_option(args, "slice"))
		s->slice = args_number(args, "slice", 1, CS_SLICE_MAX);
	else if (args_option(args, "lifetime"))
		s->lifetime = args_number(args, "lifetime", 1, CROWDSHARE_LIFETIME_LIMIT);
	else if (args_option(args, "rate"))
		s->rate = args_decimal(args, "rate", 0, 1e6) * 1e6 / 8;
	else if (args_option(args, "hops"))
		s->template.link.hops_left = args_number(args, "hops", 0, CS_HOPS_UNLIMITED);
	else if (args_option(args, "chunk"))
		s->chunk_length = args_number(args, "chunk", 1024, CHUNK_LENGTH_MAX);
	else
		return false;
	return true;
}

static void parse(struct args *args, struct sending *s)
{
	bool to = false;

	while (args->left) {
		if (args_option(args, "dev")) {
			s->ifindex = args_ifindex(args, "dev", &s->dev);
		} else if (args_option(args, "to")) {
			args_addr(args, "to", s->template.message.destination);
			to = true;
		} else if (args_option(args, "via")) {
			args_lladdr(args, "via", s->template.to);
		} else if (args_option(args, "name")) {
			parse_name(args, s);
		} else if (args_option(args, "-q") || args_option(args, "--no-progress")) {
			s->quiet = true;
		} else if (!parse_number(args, s)) {
			if (s->path || (args->word[0][0] == '-' && args->word[0][1]))
				args_unknown(args);
			s->path = args_next(args, "FILE");
		}
	}
	if (!s->dev)
		args_die(args, "'dev DEV' is missing");
	if (!to)
		args_die(args, "'to ADDR' is missing");
	if (!s->path)
		args_die(args, "FILE is missing");
}

/* A file is read twice, so standard input has to become one. */
static int open_stdin(struct args *args)
{
	FILE *temp = tmpfile();
	char buf[READ_SIZE];
	ssize_t n;
	int fd;

	if (!temp)
		args_die(args, "temporary file for standard input: %s", strerror(errno));
	while ((n = read(STDIN_FILENO, buf, sizeof(buf)))) {
		if (n < 0 && errno == EINTR && !stop_signal)
			continue;
		if (n < 0)
			args_die(args, "standard input: %s", strerror(errno));
		if (fwrite(buf, 1, n, temp) != (size_t)n)
			args_die(args, "temporary file for standard input: %s", strerror(errno));
	}
	fd = fcntl(fileno(temp), F_DUPFD_CLOEXEC, 0);
	if (fd < 0 || fclose(temp))
		args_die(args, "temporary file for standard input: %s", strerror(errno));
	return fd;
}

static void open_file(struct args *args, struct sending *s)
{
	char copy[4096];
	struct stat st;

	if (!strcmp(s->path, "-")) {
		s->fd = open_stdin(args);
		snprintf(copy, sizeof(copy), "stdin");
	} else {
		s->fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		snprintf(copy, sizeof(copy), "%s", s->path);
	}
	if (s->fd < 0 || fstat(s->fd, &st))
		args_die(args, "file '%s': %s", s->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		args_die(args, "file '%s' is not a regular file", s->path);
	if ((uint64_t)st.st_size > CHUNK_TOTAL_MAX)
		args_die(args, "file '%s' is larger than %llu bytes", s->path, CHUNK_TOTAL_MAX);
	s->head.total = st.st_size;
	if (!s->head.name[0])
		snprintf(s->head.name, sizeof(s->head.name), "%.*s", CHUNK_NAME_MAX,
			 basename(copy));
	/* also a name that was cut in the middle of a character stays UTF-8 this way */
	chunk_name_clean(s->head.name);
}

static void read_at(struct args *args, struct sending *s, uint8_t *buf, size_t len,
		    uint64_t offset)
{
	ssize_t n;

	while (len) {
		n = pread(s->fd, buf, len, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			args_die(args, "file '%s': %s", s->path, strerror(errno));
		if (!n)
			args_die(args, "file '%s' became shorter while it was sent", s->path);
		buf += n;
		len -= n;
		offset += n;
	}
}

static void hash_begin(struct args *args, struct sending *s)
{
	if (!s->hash)
		s->hash = EVP_MD_CTX_new();
	if (!s->hash || EVP_DigestInit_ex(s->hash, EVP_sha512(), NULL) != 1)
		args_die(args, "OpenSSL has no SHA-512");
}

static void hash_file(struct args *args, struct sending *s)
{
	uint8_t buf[READ_SIZE];
	uint64_t offset;
	size_t len;

	hash_begin(args, s);
	for (offset = 0; offset < s->head.total; offset += len) {
		len = s->head.total - offset < sizeof(buf) ? s->head.total - offset : sizeof(buf);
		read_at(args, s, buf, len, offset);
		EVP_DigestUpdate(s->hash, buf, len);
	}
	EVP_DigestFinal_ex(s->hash, s->head.sha512, NULL);
}

/* What the device allows, checked before the first message leaves. */
static void check_device(struct csnl *cs, struct args *args, struct sending *s)
{
	json_t *list = dev_get(cs, args, s->ifindex), *dev = json_array_get(list, 0);
	uint32_t lifetime_max = get_number(dev, "lifetime_max");
	size_t head_len = CHUNK_HEAD_LEN + strlen(s->head.name);
	uint32_t slices;

	if (s->lifetime > lifetime_max)
		args_die(args, "lifetime %" PRIu32 " is longer than lifetime-max %" PRIu32
			 " of '%s'", s->lifetime, lifetime_max, s->dev);
	if (s->slice + CS_HDRS_LEN > s->raw.mtu)
		args_die(args, "slice %" PRIu32 " does not fit the MTU %" PRIu32 " of '%s': "
			 "at most %d", s->slice, s->raw.mtu, s->dev,
			 (int)s->raw.mtu - (int)CS_HDRS_LEN);
	slices = s->chunk_length / s->slice;
	if (slices > UINT16_MAX)
		slices = UINT16_MAX;
	if (!slices)
		slices = 1;
	s->chunk_length = slices * s->slice;
	/* a head and some data have to go into it */
	while (s->chunk_length <= head_len)
		s->chunk_length += s->slice;
	if (time(NULL) < CLOCK_VALID)
		fprintf(stderr, "csnl: send: the clock is not set: nodes whose clock is will drop "
			"the messages as expired\n");
	json_decref(list);
}

static void prepare(struct args *args, struct sending *s)
{
	static const uint8_t zero[6];

	if (!memcmp(s->template.to, zero, 6))
		memset(s->template.to, 0xff, 6);
	memcpy(s->template.from, s->raw.mac, 6);
	s->template.ethertype = s->raw.ethertype;
	s->template.message.expiry = time(NULL) + s->lifetime;
	if (getrandom(s->head.object, sizeof(s->head.object), 0) != sizeof(s->head.object))
		args_die(args, "random numbers: %s", strerror(errno));
	s->frame_size = CS_FRAME_HLEN + s->slice;
	s->frames = malloc(BATCH * s->frame_size);
	s->chunk_ids = json_array();
	if (!s->frames || !s->chunk_ids)
		args_die(args, "out of memory");
	hash_begin(args, s);
	s->started = s->filled = s->shown = seconds_now();
}

static void show_progress(struct sending *s, uint64_t done, bool last)
{
	int width = 30, filled = width;
	double now = seconds_now();

	if (s->quiet || (!last && now - s->shown < 0.2))
		return;
	s->shown = now;
	if (s->head.total)
		filled = done * width / s->head.total;
	fprintf(stderr, "\r[%.*s%*s] %3d%% %.1f MB %.1f Mbit/s \033[K%s", filled,
		"##############################", width - filled, "",
		s->head.total ? (int)(done * 100 / s->head.total) : 100, done / 1e6,
		s->frame_bytes * 8e-6 / (now - s->started + 1e-9), last ? "\n" : "");
}

static void wait_seconds(double seconds)
{
	struct timespec t = { .tv_sec = seconds };

	t.tv_nsec = (seconds - t.tv_sec) * 1e9;
	nanosleep(&t, NULL);
}

/* Token bucket that holds 10 ms of the rate; what a batch takes too much is waited for after. */
static void pace(struct sending *s, size_t bytes)
{
	double now = seconds_now(), most = s->rate * 0.01;

	if (s->rate <= 0)
		return;
	s->tokens += (now - s->filled) * s->rate;
	s->filled = now;
	if (s->tokens > most)
		s->tokens = most;
	while (s->tokens < 0 && !stop_signal) {
		wait_seconds(-s->tokens < s->rate ? -s->tokens / s->rate : 1);
		now = seconds_now();
		s->tokens += (now - s->filled) * s->rate;
		s->filled = now;
	}
	s->tokens -= bytes;
}

/* Hand a batch to the device; a device without room is asked again a millisecond later. */
static void send_batch(struct args *args, struct sending *s, const size_t *len, int count)
{
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec iov[BATCH];
	size_t bytes = 0;
	int i, sent;

	for (i = 0; i < count; i++) {
		iov[i].iov_base = s->frames + i * s->frame_size;
		iov[i].iov_len = len[i];
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
		bytes += len[i];
	}
	pace(s, bytes);
	for (i = 0; i < count && !stop_signal; i += sent) {
		sent = sendmmsg(s->raw.fd, messages + i, count - i, 0);
		if (sent >= 0) {
			s->messages += sent;
			continue;
		}
		sent = 0;
		if (errno == ENOBUFS || errno == EAGAIN) {
			s->retries++;
			wait_seconds(0.001);
		} else if (errno != EINTR) {
			args_die(args, "device '%s': %s", s->dev, strerror(errno));
		}
	}
	s->frame_bytes += bytes;
}

/* At a low rate a batch would be a burst: as many frames as 10 ms allow. */
static int batch_size(const struct sending *s)
{
	double frames = s->rate > 0 ? s->rate * 0.01 / s->frame_size : BATCH;

	return frames < 1 ? 1 : frames > BATCH ? BATCH : (int)frames;
}

static void send_chunk(struct args *args, struct sending *s, const uint8_t *chunk,
		       uint32_t length, uint64_t offset)
{
	uint32_t n = (length + s->slice - 1) / s->slice, slice = chunk_slice_length(length, n);
	struct cs_frame frame = s->template;
	int count = 0, batch = batch_size(s);
	size_t len[BATCH];
	char id[33];
	uint32_t i;

	if (getrandom(frame.message.chunk_id, CS_CHUNK_ID_LEN, 0) != CS_CHUNK_ID_LEN)
		args_die(args, "random numbers: %s", strerror(errno));
	cs_hex(id, frame.message.chunk_id, CS_CHUNK_ID_LEN);
	json_array_append_new(s->chunk_ids, json_string(id));
	frame.message.chunk_length = length;
	frame.message.k = frame.message.n = n;
	for (i = 0; i < n && !stop_signal; i++) {
		frame.message.index = i;
		frame.message.payload = chunk + (size_t)i * slice;
		frame.message.length = i < n - 1 ? slice : length - (n - 1) * slice;
		len[count] = cs_frame_build(s->frames + count * s->frame_size, s->frame_size,
					    &frame);
		if (!len[count])
			args_die(args, "OpenSSL has no SHA-512");
		if (++count == batch || i == n - 1) {
			send_batch(args, s, len, count);
			count = 0;
			show_progress(s, offset + (s->head.total - offset < (i + 1) * slice ?
						   s->head.total - offset : (i + 1) * slice),
				      false);
		}
	}
}

static void send_file(struct args *args, struct sending *s)
{
	uint8_t *chunk = malloc(s->chunk_length), sha512[CS_DIGEST_LEN];
	size_t head_len, len;

	if (!chunk)
		args_die(args, "out of memory");
	/* at least once: an empty file is a chunk, too */
	do {
		head_len = chunk_head_put(chunk, &s->head);
		len = s->head.total - s->head.offset;
		if (len > s->chunk_length - head_len)
			len = s->chunk_length - head_len;
		read_at(args, s, chunk + head_len, len, s->head.offset);
		EVP_DigestUpdate(s->hash, chunk + head_len, len);
		send_chunk(args, s, chunk, head_len + len, s->head.offset);
		s->head.offset += len;
	} while (s->head.offset < s->head.total && !stop_signal);
	free(chunk);
	if (stop_signal)
		return;
	show_progress(s, s->head.total, true);
	EVP_DigestFinal_ex(s->hash, sha512, NULL);
	if (memcmp(sha512, s->head.sha512, sizeof(sha512)))
		args_die(args, "file '%s' changed while it was sent", s->path);
}

static void summary(const struct csnl *cs, const struct sending *s, json_t *refused)
{
	double seconds = seconds_now() - s->started;
	json_t *out = json_object();
	char object[33], sha512[129];

	cs_hex(object, s->head.object, sizeof(s->head.object));
	cs_hex(sha512, s->head.sha512, sizeof(s->head.sha512));
	put(out, "name", json_string(s->head.name));
	put(out, "bytes", json_integer(s->head.total));
	put(out, "sha512", json_string(sha512));
	put(out, "object", json_string(object));
	put(out, "messages", json_integer(s->messages));
	put(out, "frame_bytes", json_integer(s->frame_bytes));
	put(out, "seconds", json_real(seconds));
	put(out, "retries", json_integer(s->retries));
	put(out, "chunks", json_incref(s->chunk_ids));
	put(out, "refused", refused);
	put(out, "interrupted", json_boolean(stop_signal));
	if (cs->json)
		print_json(cs, out);
	else
		printf("%s: messages %" PRIu64 " bytes %" PRIu64 " seconds %.3f mbit %.1f "
		       "sha512 %s\nobject %s chunks %zu %s%s%s\n", s->head.name, s->messages,
		       s->head.total, seconds, s->frame_bytes * 8e-6 / (seconds + 1e-9), sha512,
		       object, json_array_size(s->chunk_ids),
		       json_string_value(json_array_get(s->chunk_ids, 0)),
		       json_array_size(s->chunk_ids) > 1 ? " to " : "",
		       json_array_size(s->chunk_ids) > 1 ?
		       json_string_value(json_array_get(s->chunk_ids,
							json_array_size(s->chunk_ids) - 1)) : "");
	flush_output();
	json_decref(out);
}

/* Drops of what is sent into the device, by reason. */
static json_t *local_drops(struct csnl *cs, struct args *args, uint32_t ifindex)
{
	json_t *list = stats_list(cs, args, ifindex), *stats, *drops = json_object();
	size_t i;

	json_array_foreach(list, i, stats)
		if (!strcmp(get_string(stats, "scope"), "local"))
			json_object_update(drops, json_object_get(stats, "drops"));
	json_decref(list);
	return drops;
}

/* The device takes a frame and drops it without telling the socket: its counters tell. */
static json_t *refused_since(struct csnl *cs, struct args *args, const struct sending *s,
			     const json_t *before)
{
	json_t *drops = local_drops(cs, args, s->ifindex), *refused = json_object(), *value;
	long long count;
	const char *name;

	json_object_foreach(drops, name, value) {
		count = json_integer_value(value) - get_number(before, name);
		if (count <= 0)
			continue;
		put(refused, name, json_integer(count));
		fprintf(stderr, "csnl: send: '%s' dropped %lld meanwhile: %s\n", s->dev, count,
			name);
	}
	json_decref(drops);
	return refused;
}

static int send_run(struct csnl *cs, struct args *args)
{
	struct sending s = {
		.template.link = CS_LINK_INIT, .slice = CS_SLICE_DEFAULT,
		.lifetime = LIFETIME_DEFAULT, .rate = RATE_DEFAULT * 1e6 / 8,
		.chunk_length = CHUNK_LENGTH_DEFAULT, .quiet = !isatty(STDERR_FILENO),
	};
	json_t *before, *refused;
	int status;

	parse(args, &s);
	stop_on_signals();
	open_file(args, &s);
	hash_file(args, &s);
	csnl_need_nl(cs);
	rawsocket_open(&s.raw, s.dev, s.ifindex);
	check_device(cs, args, &s);
	prepare(args, &s);
	fprintf(stderr, "csnl: send: field test, plain and unencrypted: every node on the way can "
		"read '%s'; rate %g Mbit/s\n", s.head.name, s.rate * 8e-6);
	before = local_drops(cs, args, s.ifindex);
	send_file(args, &s);
	refused = refused_since(cs, args, &s, before);
	status = json_object_size(refused) ? EXIT_NO : EXIT_YES;
	summary(cs, &s, refused);
	if (stop_signal) {
		fprintf(stderr, "csnl: send: interrupted\n");
		status = EXIT_TROUBLE;
	}
	json_decref(before);
	json_decref(s.chunk_ids);
	EVP_MD_CTX_free(s.hash);
	free(s.frames);
	close(s.raw.fd);
	close(s.fd);
	return status;
}

int csnl_send(struct csnl *cs, struct args *args)
{
	static const struct object object = { "send", NULL, send_run, usage };

	return object_run(cs, args, &object);
}
