// SPDX-License-Identifier: GPL-2.0
/*
 * Test of the daemon's interface to the kernel (userspace/daemon/kernel.h).
 *
 *	kernel open		opens it, and says why it can't; exit status 0 or 1
 *	kernel fake DIRECTORY	the rules, on the fake (fakekernel.c); needs no root
 *	kernel live DIRECTORY	the rules, and all else, on the real one, in the namespace in which
 *				it is run (kernel.sh); makes interfaces there
 *
 * KTAP on standard output; the daemon's log on standard error. Nothing waits for a fixed time: what
 * takes time is waited for with a limit.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fakekernel.h"
#include "kerneltest.h"
#include "lib/ethertype.h"

#define LIMIT_MSEC	20000
#define SEEN_MAX	30000
#define LINKS_MAX	64

static const uint8_t all[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t carol[] = { 2, 0, 0, 0, 0, 0xc };
static unsigned int tests, failed;

/* What the kernel told. */
static struct {
	struct kernel_link	links[LINKS_MAX];
	size_t			nr_links;
	uint64_t		frames;
	uint64_t		own;
	uint64_t		missed;
	uint8_t			last[FRAME_MAX];
	size_t			last_len;
	unsigned int		slow_usec;
	unsigned int		exhausted;
	uint32_t		exhausted_id;
	uint32_t		exhausted_port;
	unsigned int		full;
	unsigned int		gone;
} told;

static struct event_base *base;
static struct kernel *kernel;

/*
 * Reporting
 */
bool check(bool passed, const char *what, ...)
{
	va_list args;

	printf("%sok %u ", passed ? "" : "not ", ++tests);
	va_start(args, what);
	vprintf(what, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	failed += !passed;
	return passed;
}

static bool matches(const char *text, const char *pattern)
{
	regex_t regex;
	bool match;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB))
		abort();
	match = !regexec(&regex, text, 0, NULL, 0);
	regfree(&regex);
	return match;
}

void check_rc(int rc, int expected, const struct cs_error *error, const char *words,
	      const char *what)
{
	bool text_ok = !words || (error->text[0] && matches(error->text, words));

	if (!check(rc == expected && text_ok, "%s", what))
		printf("# returned %d, not %d; text: '%s'%s%s\n", rc, expected, error->text,
		       words ? ", to match: " : "", words ? words : "");
	else if (error->text[0])
		printf("# %s\n", error->text);
}

void shell(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (!system(command))
		return;
	printf("Bail out! failed: %s\n", command);
	exit(2);
}

static uint64_t now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

/*
 * Events
 */
static void on_frame(void *data, const uint8_t *frame, size_t len, bool own)
{
	(void)data;
	told.frames += !own;
	told.own += own;
	told.last_len = len;
	if (len <= sizeof(told.last))
		memcpy(told.last, frame, len);
	if (told.slow_usec)
		usleep(told.slow_usec);
}

static void on_missed(void *data, uint64_t count)
{
	(void)data;
	told.missed += count;
}

static void on_link(void *data, const struct kernel_link *link)
{
	size_t i;

	(void)data;
	for (i = 0; i < told.nr_links; i++)
		if (told.links[i].ifindex == link->ifindex)
			break;
	if (i == LINKS_MAX)
		abort();
	if (i == told.nr_links)
		told.nr_links++;
	told.links[i] = *link;
}

static void on_exhausted(void *data, uint32_t ifindex, const uint8_t *lladdr, uint32_t id)
{
	(void)data;
	told.exhausted += !memcmp(lladdr, carol, sizeof(carol));
	told.exhausted_id = id;
	told.exhausted_port = ifindex;
}

static void on_full(void *data)
{
	(void)data;
	told.full++;
}

static void on_gone(void *data)
{
	(void)data;
	told.gone++;
}

static const struct kernel_events events = { on_frame, on_missed, on_link, on_exhausted, on_full,
					     on_gone };

static void on_wake(evutil_socket_t fd, short what, void *data)
{
	(void)fd;
	(void)what;
	(void)data;
}

/* Runs the loop until the condition holds; false after too long. */
static bool wait_for(bool (*condition)(const void *), const void *data, unsigned int msec)
{
	struct event *wake = event_new(base, -1, EV_PERSIST, on_wake, NULL);
	const struct timeval often = { 0, 10000 };
	uint64_t end = now_msec() + msec;

	event_add(wake, &often);
	while (!condition(data) && now_msec() < end)
		event_base_loop(base, EVLOOP_ONCE);
	event_free(wake);
	return condition(data);
}

static bool never(const void *data)
{
	(void)data;
	return false;
}

static void run(unsigned int msec) { wait_for(never, NULL, msec); }

static bool reached(const void *data) { return told.frames + told.own >= *(uint64_t *)data; }

/* Frames of either kind, since they were last set to 0. */
static bool wait_frames(uint64_t count) { return wait_for(reached, &count, LIMIT_MSEC); }

static void forget(void)
{
	told.frames = told.own = told.missed = 0;
	told.slow_usec = 0;
}

/*
 * Messages
 */
size_t make_message(uint8_t *frame, const struct message *message)
{
	static uint8_t payload[CS_SLICE_MAX];
	struct cs_frame parts = { .ethertype = cs_ethertype(), .link = CS_LINK_INIT };

	memcpy(parts.to, message->to, sizeof(parts.to));
	memcpy(parts.from, message->from, sizeof(parts.from));
	parts.link.contract = message->contract;
	parts.message.destination[0] = 0xfd;
	parts.message.expiry = time(NULL) + 3600;
	parts.message.length = message->payload;
	memcpy(parts.message.chunk_id, &message->number, sizeof(message->number));
	parts.message.k = parts.message.n = 1;
	parts.message.payload = payload;
	return cs_frame_build(frame, FRAME_MAX, &parts);
}

/* A socket of another program's, as it were. */
static int packet_socket(const char *interface)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	to.sll_ifindex = if_nametoindex(interface);
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)))
		abort();
	return fd;
}

static void transmit(int fd, const void *frame, size_t len)
{
	while (send(fd, frame, len, 0) < 0)
		if (errno != ENOBUFS && errno != EINTR) {
			printf("# send: %s\n", strerror(errno));
			return;
		}
}

/* Messages from..to - 1, broadcast by a neighbour. */
static void flood(int fd, uint64_t from, uint64_t to, size_t payload)
{
	struct message message = { .to = all, .from = carol, .payload = payload };
	static uint8_t frame[FRAME_MAX];

	for (message.number = from; message.number < to; message.number++)
		transmit(fd, frame, make_message(frame, &message));
}

static uint64_t statistic(const char *interface, const char *name)
{
	unsigned long long value = 0;
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s", interface, name);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%llu", &value) != 1)
		abort();
	fclose(file);
	return value;
}

/*
 * The device
 */
static const uint8_t address[16] = { 0xfd, 1, 2, 3 };
static struct config_device device = { .name = "cs0", .seen_max = 1000, .lifetime_max = 40000,
				       .deliver = CROWDSHARE_DELIVER_ALL };

static void test_device(void)
{
	struct config_device wrong = device;
	struct cs_error error = { "" };
	char command[128];

	strcpy(wrong.name, "p0");
	check_rc(kernel->ops->device(kernel, &wrong, address, &error), -EEXIST, &error, "'p0'",
		 "an interface of another kind is left alone");
	error.text[0] = '\0';
	check_rc(kernel->ops->device(kernel, &device, address, &error), 0, &error, NULL,
		 "the device is made");
	check(!system("csnl dev show cs0 | grep -q 'seen-max 1000 lifetime-max 40000 deliver all "
		      "addr fd01:203::'"), "as it is to be");
	device.seen_max = SEEN_MAX;
	check_rc(kernel->ops->device(kernel, &device, address, &error), 0, &error, NULL,
		 "and set anew");
	check(!system("csnl dev show cs0 | grep -q 'seen-max 30000 '"), "with that effect");
	strcpy(wrong.name, "cs1");
	check_rc(kernel->ops->device(kernel, &wrong, address, &error), -EBUSY, &error, "restart",
		 "its name stays");
	wrong = device;
	wrong.seen_max = 0;
	error.text[0] = '\0';
	check_rc(kernel->ops->device(kernel, &wrong, address, &error), -ERANGE, &error,
		 "cs0.*seen-max", "a wrong setting is refused with the module's reason");
	snprintf(command, sizeof(command), "ip link show cs0 | grep -q "
		 "'link/ether %02x:%02x:%02x:%02x:%02x:%02x'", kernel->lladdr[0],
		 kernel->lladdr[1], kernel->lladdr[2], kernel->lladdr[3], kernel->lladdr[4],
		 kernel->lladdr[5]);
	check(!system(command), "its MAC is known");
}

static void test_up(void)
{
	uint8_t frame[2000];
	struct message message = { .to = all, .from = kernel->lladdr, .payload = 10 };
	struct cs_error error = { "" };
	size_t len = make_message(frame, &message);

	check_rc(kernel->ops->send(kernel, frame, len, &error), -ENETDOWN, &error,
		 "ip link set cs0 up", "nothing is sent while it is down");
	error.text[0] = '\0';
	check_rc(kernel->ops->device_up(kernel, &error), 0, &error, NULL, "it is brought up");
	check_rc(kernel->ops->device_up(kernel, &error), 0, &error, NULL, "twice is no error");
	check_rc(kernel->ops->send(kernel, frame, len, &error), 0, &error, NULL, "a frame is sent");
	check_rc(kernel->ops->send(kernel, frame, 3, &error), -EINVAL, &error, "cs0",
		 "what is no frame is not sent");
}

/*
 * Interfaces
 */
static const struct kernel_link *link_named(const char *name)
{
	size_t i;

	for (i = 0; i < told.nr_links; i++)
		if (!told.links[i].gone && !strcmp(told.links[i].name, name))
			return &told.links[i];
	return NULL;
}

static bool link_there(const void *name) { return link_named(name); }
static bool link_away(const void *name) { return !link_named(name); }
static bool link_up(const void *name) { return link_named(name) && link_named(name)->up; }
static bool link_down(const void *name) { return link_named(name) && !link_named(name)->up; }

static bool link_local(const void *name)
{
	return link_named(name) && link_named(name)->local[0] == 0xfe;
}

static bool link_no_local(const void *name) { return link_named(name) && !link_local(name); }
static bool mtu_1434(const void *name) { return link_named(name) && link_named(name)->mtu == 1434; }

static bool mac_changed(const void *name)
{
	static const uint8_t mac[] = { 2, 0xab, 0, 0, 0, 1 };

	return link_named(name) && !memcmp(link_named(name)->lladdr, mac, 6);
}

static bool local_is(const void *last)
{
	return link_named("l0") && link_named("l0")->local[15] == *(uint8_t *)last;
}

static void expect(bool (*condition)(const void *), const char *name, const char *what)
{
	check(wait_for(condition, name, LIMIT_MSEC), "%s", what);
}

static void test_links(void)
{
	uint32_t ifindex;

	expect(link_up, "p0", "interfaces that are there are told");
	check(link_named("p1") && link_named("p1")->mtu == 65535, "all of them");
	check(!link_named("lo") && !link_named("cs0"), "but loopback, and the device");
	shell("ip link add l0 type veth peer name l1");
	expect(link_there, "l0", "one that appears later");
	check(link_named("l0") && !link_named("l0")->up, "it is down");
	shell("ip link set l0 up && ip link set l1 up");
	expect(link_up, "l0", "it comes up");
	shell("ip link set l1 down");
	expect(link_down, "l0", "it has no carrier");
	shell("ip link set l1 up && ip link set l0 mtu 1434 && "
	      "ip link set l0 address 02:ab:00:00:00:01");
	expect(mtu_1434, "l0", "its MTU changes");
	expect(mac_changed, "l0", "its MAC changes");
	expect(link_up, "l0", "it has a carrier again");
	ifindex = link_named("l0") ? link_named("l0")->ifindex : 0;
	shell("ip link set l0 down && ip link set l0 name l0x && ip link set l0x up");
	expect(link_up, "l0x", "it is renamed");
	check(link_named("l0x") && link_named("l0x")->ifindex == ifindex, "and is the same");
	shell("ip link set l0x name l0 2>/dev/null || { ip link set l0x down; "
	      "ip link set l0x name l0; ip link set l0 up; }");
	expect(link_up, "l0", "and back again");
	expect(link_away, "l0x", "it has one name");
}

static void test_addresses(void)
{
	static const uint8_t one = 1, two = 2;

	check(link_no_local("l0"), "no link-local address without IPv6");
	shell("ip link set l0 down; sysctl -qw net.ipv6.conf.l0.disable_ipv6=0 "
	      "net.ipv6.conf.l0.dad_transmits=3 net.ipv6.conf.l0.accept_dad=1; "
	      "ip link set l0 up");
	expect(link_local, "l0", "the link-local address is told");
	check(!system("test -z \"$(ip -6 addr show dev l0 tentative)\""),
	      "once it may be used");
	shell("ip -6 addr flush dev l0");
	expect(link_no_local, "l0", "it is removed");
	shell("ip -6 addr add fe80::1/64 dev l0 nodad");
	check(wait_for(local_is, &one, LIMIT_MSEC), "another one comes");
	shell("ip -6 addr add fe80::2/64 dev l0 nodad");
	run(300);
	check(local_is(&one), "of two the first is kept");
	shell("ip -6 addr del fe80::1/64 dev l0");
	check(wait_for(local_is, &two, LIMIT_MSEC), "until it goes");
	shell("ip link add d0 type dummy");
	expect(link_there, "d0", "a dummy interface");
	/* while nobody reads; the daemon's log says that events were lost (kernel.sh) */
	shell("for i in $(seq 500); do echo link set l1 mtu $((1300 + i %% 2)); done | "
	      "ip -batch - && ip link del d0 && ip link set l1 mtu 1434");
	expect(mtu_1434, "l1", "after events were lost all is as it is");
	expect(link_away, "d0", "and what is gone is gone");
	check(local_is(&two), "an address that did not change stays");
	shell("ip link del l0");
	expect(link_away, "l0", "an interface goes");
	expect(link_away, "l1", "and the other end");
}

static void test_neighbours(uint32_t port)
{
	uint8_t who[16] = { 0xfe, 0x80, [15] = 0x99 }, lladdr[KERNEL_LLADDR_LEN];
	struct cs_error error = { "" };

	shell("sysctl -qw net.ipv6.conf.p0.disable_ipv6=0 && ip -6 neigh add fe80::99 lladdr "
	      "02:00:00:00:00:0c dev p0 nud permanent && ip -6 neigh add fe80::98 lladdr "
	      "02:00:00:00:00:98 dev p0 nud failed");
	check_rc(kernel->ops->neighbour(kernel, port, who, lladdr, &error), 0, &error, NULL,
		 "a neighbour is found");
	check(!memcmp(lladdr, carol, sizeof(carol)), "by its MAC");
	who[15] = 0x98;
	check_rc(kernel->ops->neighbour(kernel, port, who, lladdr, &error), -ENOENT, &error,
		 "neighbour", "one that does not answer is not");
	who[15] = 0x97;
	check_rc(kernel->ops->neighbour(kernel, port, who, lladdr, &error), -ENOENT, &error,
		 "neighbour", "nor one that was never heard of");
}

/*
 * Frames
 */
static void receive_sizes(int wire)
{
	static const size_t sizes[] = { 0, 1, 100, 1234, 9000, 65535 - CS_HDRS_LEN };
	struct message message = { .to = all, .from = carol, .number = 1 };
	static uint8_t frame[FRAME_MAX];
	size_t i, len, same = 0;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		message.payload = sizes[i];
		message.number++;
		len = make_message(frame, &message);
		forget();
		transmit(wire, frame, len);
		if (wait_frames(1) && told.frames == 1 && told.last_len == len &&
		    !memcmp(told.last, frame, len))
			same++;
		else
			printf("# payload %zu: %zu bytes told of %zu\n", sizes[i], told.last_len,
			       len);
	}
	check(same == i, "frames of all sizes come in as they were sent");
	forget();
	transmit(wire, frame, len);
	run(200);
	check(!told.frames && !told.own, "what is known already is not told");
}

/* What another program sends into the device is told, what the daemon sends is not. */
static void receive_own(int other)
{
	struct message message = { .to = all, .from = kernel->lladdr, .number = 100 };
	static uint8_t frame[FRAME_MAX];
	const uint8_t *digest = frame + CS_ETH_HLEN + sizeof(struct cs_link_hdr);
	struct cs_error error = { "" };
	size_t len;

	forget();
	message.payload = CS_SLICE_MAX;
	len = make_message(frame, &message);
	check_rc(kernel->ops->send(kernel, frame, len, &error), 0, &error, NULL,
		 "the largest frame is sent");
	check(kernel->ops->known(kernel, digest, NULL) == 1, "and taken");
	message.number++;
	len = make_message(frame, &message);
	transmit(other, frame, len);
	check(wait_frames(1) && told.own == 1 && told.last_len == len &&
	      !memcmp(told.last, frame, len), "another program's is told as our own");
	check(!told.frames && told.own == 1, "the daemon's is not");
	frame[12] = 0x86;
	frame[13] = 0xdd;
	transmit(other, frame, 200);
	message.number++;
	message.payload = 5;
	len = make_message(frame, &message);
	transmit(other, frame, CS_ETH_HLEN);
	transmit(other, frame, len);
	check(wait_frames(3) && told.own == 3 && told.last_len == len,
	      "nor what is no message; a frame that is cut off harms nobody");
	check(!told.missed, "none was missed");
}

static void test_mtu(void)
{
	struct message message = { .to = all, .from = kernel->lladdr, .payload = 5000 };
	uint8_t frame[6000];
	struct cs_error error = { "" };
	size_t len = make_message(frame, &message);

	shell("ip link set cs0 mtu 1500");
	check_rc(kernel->ops->send(kernel, frame, len, &error), -EMSGSIZE, &error, "MTU",
		 "a frame too large for the device is refused");
	shell("ip link set cs0 mtu 65687");
}

static bool all_told(const void *data)
{
	return told.frames + told.missed >= *(uint64_t *)data;
}

/* What was sent may still be on its way through the stack. */
static uint64_t delivered_since(uint64_t before)
{
	uint64_t now, last;

	for (now = statistic("cs0", "rx_packets"), last = now - 1; now != last;) {
		last = now;
		usleep(300000);
		now = statistic("cs0", "rx_packets");
	}
	return now - before;
}

/* Sum of what was told and missed is what was delivered; never more, also some time later. */
static void check_sum(uint64_t before, const char *what)
{
	uint64_t delivered = delivered_since(before);
	bool came = wait_for(all_told, &delivered, LIMIT_MSEC);

	run(1500);
	check(came && told.frames + told.missed == delivered, "%s", what);
	printf("# delivered %llu, told %llu, missed %llu\n", (unsigned long long)delivered,
	       (unsigned long long)told.frames, (unsigned long long)told.missed);
}

static void test_missed(int wire)
{
	uint64_t before = statistic("cs0", "rx_packets");

	forget();
	flood(wire, 1000, 7000, 1234);
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	check(told.frames && told.frames <= 8 * (128 << 10) / 1400,
	      "others get their turn after %llu frames", (unsigned long long)told.frames);
	check_sum(before, "while nobody reads: told and missed are all that was delivered");
	check(told.frames > 100 && told.missed > 100, "the ring was full, and ran over");

	before = statistic("cs0", "rx_packets");
	forget();
	flood(wire, 7000, 7100, 1234);
	check_sum(before, "afterwards all are told");
	check(!told.missed, "and none is missed");
}

/* The daemon does something else for two seconds, while little comes in. */
static void test_away(int wire)
{
	uint64_t before = statistic("cs0", "rx_packets"), begun = now_msec(), number;

	forget();
	for (number = 9000; now_msec() < begun + 2000; number++) {
		flood(wire, number, number + 1, 100);
		usleep(30000);
	}
	check_sum(before, "messages wait for two seconds");
	check(told.frames > 20 && !told.missed, "and none is missed");
}

/* A reader that is slower than the sender, at the same time. */
static void test_slow(int wire)
{
	uint64_t before = statistic("cs0", "rx_packets"), begun;
	int status;
	pid_t pid;

	forget();
	told.slow_usec = 5000;
	pid = fork();
	if (!pid) {
		flood(wire, 10000, 16000, 1234);
		_exit(0);
	}
	begun = now_msec();
	while (!waitpid(pid, &status, WNOHANG) && now_msec() < begun + 60000)
		run(50);
	told.slow_usec = 0;
	check_sum(before, "a slow reader: told and missed are all that was delivered");
	check(told.missed, "some were missed");
}

static void test_speed(int wire)
{
	uint64_t before = statistic("cs0", "rx_packets"), begun = now_msec();
	int status;
	pid_t pid;

	forget();
	pid = fork();
	if (!pid) {
		flood(wire, 20000, 24000, 1234);
		_exit(0);
	}
	while (!waitpid(pid, &status, WNOHANG) && now_msec() < begun + 60000)
		run(50);
	printf("# 4000 frames were sent within %llu ms\n",
	       (unsigned long long)(now_msec() - begun));
	check_sum(before, "a reader that does nothing else");
}

static void test_frames(uint32_t port)
{
	int wire = packet_socket("p1"), other = packet_socket("cs0");
	struct cs_error error = { "" };

	check_rc(kernel->ops->port_add(kernel, port, CROWDSHARE_ECHO_NEVER, CROWDSHARE_AUTH_OFF,
				       &error), 0, &error, NULL, "an open port");
	receive_sizes(wire);
	receive_own(other);
	test_mtu();
	test_missed(wire);
	test_away(wire);
	test_slow(wire);
	test_speed(wire);
	close(wire);
	close(other);
}

/*
 * Contracts
 */
static bool exhausted(const void *data) { return told.exhausted >= *(unsigned int *)data; }

static void send_signed(int wire, uint64_t number, uint32_t contract)
{
	struct message message = { .to = all, .from = carol, .payload = 1000, .number = number,
				   .contract = contract };
	static const uint8_t secret[CS_KEY_LEN] = { 9, 9, 9 };
	uint8_t frame[2000];
	size_t len;

	len = make_message(frame, &message);
	if (cs_frame_sign(frame, len, 5, secret))
		abort();
	transmit(wire, frame, len);
}

static void test_contract(uint32_t port)
{
	static const uint8_t secret[CS_KEY_LEN] = { 9, 9, 9 };
	struct kernel_contract contract = { .ifindex = port, .id = 77, .expiry = time(NULL) + 900,
		.bytes = 2 * (CS_HDRS_LEN + 1000), .direction = CROWDSHARE_CONTRACT_RX };
	const struct kernel_ops *ops = kernel->ops;
	int wire = packet_socket("p1");
	unsigned int once = 1, twice = 2, i;
	struct cs_error error = { "" };
	struct kernel_frames frames;

	memcpy(contract.lladdr, carol, sizeof(carol));
	check(!ops->port_add(kernel, port, 0, CROWDSHARE_AUTH_REQUIRED, &error) &&
	      !ops->peer_set(kernel, port, carol, CROWDSHARE_PEER_CONTRACT, 0, 0, &error) &&
	      !ops->key_set(kernel, port, carol, CROWDSHARE_KEY_PAIRWISE, 5, secret, &error) &&
	      !ops->contract_add(kernel, &contract, &error), "a peer under contract");
	forget();
	send_signed(wire, 300, 77);
	send_signed(wire, 301, 77);
	send_signed(wire, 302, 77);
	check(wait_for(exhausted, &once, LIMIT_MSEC), "it is told when it is used up");
	check(told.exhausted_id == 77 && told.exhausted_port == port, "by port, peer and id");
	check(wait_frames(2) && told.frames == 2, "what it covers is told, and no more");
	check(!ops->contract_get(kernel, &contract, &error) && contract.used == contract.bytes &&
	      contract.refused == 1, "used and refused are counted");
	check(!ops->frames(kernel, port, carol, &frames, &error) && frames.got == 3,
	      "so are all frames that came from the peer");

	contract.id = 78;
	contract.bytes = CS_HDRS_LEN + 1000;
	check(!ops->contract_del(kernel, port, carol, 77, &error) &&
	      !ops->contract_add(kernel, &contract, &error), "another contract");
	/* the daemon's log says that events were lost (kernel.sh) */
	for (i = 0; i < 16000; i++)
		ops->peer_set(kernel, port, carol, CROWDSHARE_PEER_CONTRACT, i, 0, &error);
	ops->peer_set(kernel, port, carol, CROWDSHARE_PEER_CONTRACT, 0, 0, &error);
	send_signed(wire, 303, 78);
	check(wait_for(exhausted, &twice, LIMIT_MSEC) && told.exhausted_id == 78,
	      "it is told even when events were lost");
	check(!ops->port_del(kernel, port, &error), "the port is detached");
	close(wire);
}

/*
 * The seen-set
 */
static bool is_full(const void *data)
{
	(void)data;
	return told.full;
}

/* A whole file, and a set that is full. */
static void test_seen_file(const char *directory)
{
	uint8_t digest[CS_DIGEST_LEN] = { 0xdd };
	const struct kernel_ops *ops = kernel->ops;
	struct cs_error error = { "" };
	char path[256];
	uint32_t i;
	int rc = 0;

	snprintf(path, sizeof(path), "%s/seen", directory);
	shell("csnl seen flush dev cs0");
	for (i = 0; i < 5000 && !rc; i++) {
		memcpy(digest + 4, &i, sizeof(i));
		rc = ops->remember(kernel, digest, 2000, &error);
	}
	check_rc(rc, 0, &error, NULL, "many digests are remembered");
	check(!ops->seen_save(kernel, path, &error), "saved");
	shell("csnl seen flush dev cs0");
	check(ops->known(kernel, digest, &error) == 0, "forgotten");
	check(!ops->seen_load(kernel, path, &error), "loaded");
	check(ops->known(kernel, digest, &error) == 1, "and known");
	check(!system("csnl seen show dev cs0 | grep -q 'seen 5000 of'"), "all of them");

	device.seen_max = 5000;
	check(!ops->device(kernel, &device, address, &error), "a set that is just large enough");
	digest[1] = 1;
	for (i = 0, rc = 0; i < 5000 && !rc; i++) {
		memcpy(digest + 4, &i, sizeof(i));
		rc = ops->remember(kernel, digest, 2000, &error);
	}
	check_rc(rc, -ENOSPC, &error, "full", "is full at last");
	device.seen_max = 4000;
	check_rc(ops->device(kernel, &device, address, &error), -ENOSPC, &error,
		 "seen-max.*unexpired", "it does not become smaller than what it holds");
	device.seen_max = SEEN_MAX;
	check(!ops->device(kernel, &device, address, &error), "but larger");
}

static void test_full(uint32_t port)
{
	const struct kernel_ops *ops = kernel->ops;
	int wire = packet_socket("p1");
	struct cs_error error = { "" };

	shell("csnl seen flush dev cs0");
	device.seen_max = 16;
	check(!ops->device(kernel, &device, address, &error) &&
	      !ops->port_add(kernel, port, 0, CROWDSHARE_AUTH_OFF, &error), "a small set");
	told.full = 0;
	flood(wire, 30000, 30200, 10);
	check(wait_for(is_full, NULL, LIMIT_MSEC), "that it is full is told");
	device.seen_max = SEEN_MAX;
	check(!ops->device(kernel, &device, address, &error), "and a large one again");
	close(wire);
}

static void test_traffic(void)
{
	uint64_t rx = 0, tx = 0;
	struct cs_error error = { "" };

	check(!kernel->ops->traffic(kernel, "p0", &rx, &tx, &error) && rx && tx &&
	      rx == statistic("p0", "rx_bytes") && tx == statistic("p0", "tx_bytes"),
	      "traffic is what the interface counts");
}

/*
 * What others do to the device
 */
static double cpu_seconds(void)
{
	return clock() / (double)CLOCKS_PER_SEC;
}

static bool is_gone(const void *data)
{
	(void)data;
	return told.gone;
}

static void test_down(int wire)
{
	double cpu;

	shell("ip link set cs0 down");
	run(100);
	cpu = cpu_seconds();
	run(1000);
	check(cpu_seconds() - cpu < 0.3, "the loop does not spin while the device is down");
	shell("ip link set cs0 up");
	forget();
	flood(wire, 40000, 40010, 100);
	check(wait_frames(10), "frames come when it is up again");
	shell("ip link set cs0 down; ip link set cs0 address 02:00:00:00:12:34; "
	      "ip link set cs0 up");
	run(300);
	check(kernel->lladdr[4] == 0x12 && kernel->lladdr[5] == 0x34, "its MAC is kept up to date");
}

static void test_gone(uint32_t port)
{
	const struct kernel_ops *ops = kernel->ops;
	uint8_t digest[CS_DIGEST_LEN] = { 0 };
	int wire = packet_socket("p1");
	struct cs_error error = { "" };
	uint8_t frame[100] = { 0 };

	test_down(wire);
	shell("ip link del cs0");
	check(wait_for(is_gone, NULL, LIMIT_MSEC) && told.gone == 1, "it is told when it is gone");
	check_rc(ops->send(kernel, frame, sizeof(frame), &error), -ENODEV, &error, "gone",
		 "nothing can be sent then");
	check_rc(ops->remember(kernel, digest, 10, &error), -ENODEV, &error, "device",
		 "nothing remembered");
	check_rc(ops->port_add(kernel, port, 0, 0, &error), -ERANGE, &error, "p0",
		 "no port added");
	run(300);
	check(!ops->device(kernel, &device, address, &error) &&
	      !ops->device_up(kernel, &error) &&
	      !ops->port_add(kernel, port, 0, CROWDSHARE_AUTH_OFF, &error), "it is made anew");
	forget();
	flood(wire, 41000, 41010, 100);
	check(wait_frames(10), "and its frames are told");
	close(wire);
}

static unsigned int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* The daemon is restarted: the device is there. One that is being made sure of has no address. */
static void test_again(void)
{
	unsigned int i, before = descriptors(), good = 0;
	struct cs_error error = { "" };
	struct kernel *second;

	shell("ip link add t0 type veth peer name t1 && sysctl -qw net.ipv6.conf.t0.disable_ipv6=0 "
	      "net.ipv6.conf.t0.dad_transmits=100 net.ipv6.conf.t0.accept_dad=1 && "
	      "ip link set t1 up && ip link set t0 up && for i in $(seq 50); do "
	      "ip -6 addr show dev t0 tentative | grep -q fe80 && exit; sleep 0.1; done; exit 1");
	for (i = 0; i < 20; i++) {
		second = kernel_open(base, &error);
		if (!second)
			break;
		told.nr_links = 0;
		good += !second->ops->device(second, &device, address, &error) &&
			!second->ops->start(second, &events, NULL, &error) &&
			!memcmp(second->lladdr, kernel->lladdr, KERNEL_LLADDR_LEN);
		event_base_loop(base, EVLOOP_NONBLOCK);
		second->ops->stop(second);
	}
	check_rc(good, 20, &error, NULL, "the device is found again, whoever made it");
	check(descriptors() == before, "and nothing left open");
	check(link_no_local("t0"), "an address that is not yet sure is not told");
	check(!system("ip -6 addr show dev t0 tentative | grep -q fe80"), "it still is not");
}

/* How long it took so far: for whoever wonders where the time goes. */
static void stage(const char *what)
{
	printf("# %llu ms: %s\n", (unsigned long long)now_msec(), what);
}

static int live(const char *directory)
{
	struct cs_error error = { "" };
	uint32_t port;

	/* so that links have addresses only when a check wants it */
	shell("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
	shell("ip link add p0 mtu 65535 type veth peer name p1 mtu 65535 && ip link set p0 up && "
	      "ip link set p1 up");
	port = if_nametoindex("p0");
	kernel = kernel_open(base, &error);
	if (!check(kernel, "opened")) {
		printf("# %s\n", error.text);
		return 1;
	}
	test_device();
	check_rc(kernel->ops->start(kernel, &events, NULL, &error), 0, &error, NULL, "started");
	check(!told.nr_links, "nothing is told before the loop runs");
	test_up();
	stage("links");
	test_links();
	test_addresses();
	test_neighbours(port);
	stage("rules");
	test_rules(kernel, port, directory);
	check_rc(kernel->ops->port_add(kernel, 9999, 0, 0, &error), -ENODEV, &error,
		 "no such interface", "no port of no interface");
	check_rc(kernel->ops->port_del(kernel, 9999, &error), -ENODEV, &error, "no such interface",
		 "nor is it detached");
	shell("ip link add cs9 type crowdshare && csnl port add p0 dev cs9");
	check_rc(kernel->ops->port_add(kernel, port, 0, 0, &error), -EBUSY, &error,
		 "p0.*another device", "another device's port is left alone");
	shell("ip link del cs9");
	stage("frames");
	test_frames(port);
	stage("contract");
	test_contract(port);
	stage("seen file");
	test_seen_file(directory);
	test_full(port);
	test_traffic();
	stage("gone");
	test_gone(port);
	stage("again");
	test_again();
	kernel->ops->stop(kernel);
	return 0;
}

static int fake(const char *directory)
{
	struct cs_error error = { "" };

	kernel = fake_open();
	check(!kernel->ops->start(kernel, &events, NULL, &error) &&
	      !kernel->ops->device(kernel, &device, address, &error) &&
	      !kernel->ops->device_up(kernel, &error), "the fake starts");
	test_rules(kernel, 3, directory);
	kernel->ops->stop(kernel);
	return 0;
}

static int just_open(void)
{
	struct cs_error error = { "" };

	kernel = kernel_open(base, &error);
	if (!kernel) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	kernel->ops->stop(kernel);
	return 0;
}

int main(int argc, char **argv)
{
	int rc = 2;

	base = event_base_new();
	if (!base)
		abort();
	if (argc == 2 && !strcmp(argv[1], "open"))
		return just_open();
	puts("KTAP version 1");
	if (argc == 3 && !strcmp(argv[1], "live"))
		rc = live(argv[2]);
	else if (argc == 3 && !strcmp(argv[1], "fake"))
		rc = fake(argv[2]);
	event_base_free(base);
	printf("1..%u\n", tests);
	return rc ? rc : failed > 0;
}
