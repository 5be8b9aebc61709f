// SPDX-License-Identifier: GPL-2.0
/*
 * Nodes for tests: whole daemons in one process and one event loop.
 *
 * All that main.c opens is opened, but the control socket; sessions are made over socket pairs, as
 * nobody is looked for. What a daemon sends into its kernel goes to the node whose MAC it bears,
 * under the contract that it names if both kernels have that: they count and refuse as the module
 * does. What is broadcast goes nowhere: it would be the module that forwards it.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/gateway.h"
#include "daemon/holding.h"
#include "daemon/log.h"
#include "daemon/receipt_way.h"
#include "nodes.h"
#include "tempdir.h"

#define CONTRACT_OFFSET	(CS_ETH_HLEN + offsetof(struct cs_link_hdr, contract))
#define LLADDR(i)	{ 2, 0, 0, 0, 0, i }

bool (*nodes_wire)(int from, int to, size_t nth);
struct node nodes[NODES];
struct event_base *nodes_base;

static char dir[64];

/* --- What the kernel tells, as main.c has it --- */

static void on_frame(void *data, const uint8_t *frame, size_t len, bool own)
{
	intake_frame(data, frame, len, own);
}

static void on_missed(void *data, uint64_t count)
{
	intake_missed(data, count);
}

static void on_link(void *data, const struct kernel_link *link)
{
	port_link(data, link);
}

static void on_exhausted(void *data, uint32_t ifindex, const uint8_t *lladdr, uint32_t id)
{
	deal_exhausted(data, ifindex, lladdr, id);
}

static void on_full(void *data)
{
	(void)data;
}

static const struct kernel_events events = {
	.frame = on_frame, .missed = on_missed, .link = on_link, .exhausted = on_exhausted,
	.full = on_full,
};

/* --- Wires --- */

const uint8_t *node_lladdr(int i)
{
	static const uint8_t lladdrs[NODES][KERNEL_LLADDR_LEN] = {
		LLADDR(0), LLADDR(1), LLADDR(2), LLADDR(3),
	};

	return lladdrs[i];
}

/* Does a kernel let a frame pass under its contract with a peer? It counts it then. */
static bool covered(int i, int other, uint32_t id, uint32_t direction, size_t bytes)
{
	struct kernel *kernel = nodes[i].daemon.kernel;
	struct kernel_contract *contract;

	contract = fake_contract(kernel, NODES_IFINDEX, node_lladdr(other), id);
	if (!contract || contract->direction != direction)
		return false;
	if (contract->used + bytes > contract->bytes) {
		contract->refused++;
		nodes[i].refused++;
		fake_exhaust(kernel, NODES_IFINDEX, node_lladdr(other), id);
		return false;
	}
	contract->used += bytes;
	return true;
}

static void move_frame(int from, const struct fake_frame *sent)
{
	size_t bytes = sent->len - CS_ETH_HLEN, nth = nodes[from].moved;
	static uint8_t frame[CS_FRAME_HLEN + CS_SLICE_MAX];
	uint32_t id;
	int to;

	for (to = 0; to < NODES; to++)
		if (!memcmp(sent->data, node_lladdr(to), KERNEL_LLADDR_LEN))
			break;
	if (to == NODES || to == from)
		return;
	memcpy(frame, sent->data, sent->len);
	memcpy(frame + KERNEL_LLADDR_LEN, node_lladdr(from), KERNEL_LLADDR_LEN);
	memcpy(&id, frame + CONTRACT_OFFSET, sizeof(id));
	id = ntohl(id);
	if (id && !covered(from, to, id, CROWDSHARE_CONTRACT_TX, bytes))
		return;
	if ((nodes_wire && !nodes_wire(from, to, nth)) || !nodes[to].daemon.trust)
		return;
	if (nodes[to].daemon.kernel->ops->known(nodes[to].daemon.kernel,
						frame + CS_ETH_HLEN + sizeof(struct cs_link_hdr),
						NULL))
		return;
	if (id && !covered(to, from, id, CROWDSHARE_CONTRACT_RX, bytes))
		return;
	fake_receive(nodes[to].daemon.kernel, frame, sent->len, false);
}

static void on_tick(evutil_socket_t fd, short what, void *data)
{
	const struct fake_frame *frame;
	int i;

	(void)fd;
	(void)what;
	(void)data;
	for (i = 0; i < NODES; i++) {
		if (!nodes[i].daemon.trust)
			continue;
		while ((frame = fake_frame(nodes[i].daemon.kernel, nodes[i].moved))) {
			move_frame(i, frame);
			nodes[i].moved++;
		}
	}
}

/* --- Time --- */

time_t nodes_ahead;

/* What daemons take for the time. */
time_t time(time_t *at)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += nodes_ahead;
	if (at)
		*at = now.tv_sec;
	return now.tv_sec;
}

uint64_t nodes_msec(void)
{
	return daemon_ticks() / 1000000;
}

void nodes_loop(void)
{
	event_base_loop(nodes_base, EVLOOP_ONCE);
}

void nodes_run(uint64_t msec)
{
	uint64_t until = nodes_msec() + msec;

	while (nodes_msec() < until)
		nodes_loop();
}

/* --- Nodes --- */

static void ok(int rc, const struct cs_error *error)
{
	if (rc)
		fail_msg("%s", error->text);
}

static void open_all(int i)
{
	struct daemon *daemon = &nodes[i].daemon;
	struct config *config = &daemon->config;
	struct cs_error error = { "" };
	char path[256];

	snprintf(path, sizeof(path), "%s/key", nodes[i].dir);
	ok(identity_open(&daemon->identity, path, &error), &error);
	ok(trust_open(&daemon->trust, config, &error), &error);
	snprintf(path, sizeof(path), "%s/ledger.db", nodes[i].dir);
	ok(ledger_open(&daemon->ledger, path, &daemon->identity, &error), &error);
	ok(store_open(&daemon->store, &config->store, &error), &error);
	ok(receipt_open(daemon, &error), &error);
	ok(intake_open(daemon, &error), &error);
	ok(cancel_open(daemon, &error), &error);
	ok(offer_open(daemon, &error), &error);
	ok(daemon->kernel->ops->device(daemon->kernel, &config->device, daemon->identity.address,
				       &error), &error);
	ok(daemon->kernel->ops->device_up(daemon->kernel, &error), &error);
	ok(session_init(daemon, &error), &error);
	ok(gateway_open(daemon, &error), &error);
	ok(daemon->kernel->ops->start(daemon->kernel, &events, daemon, &error), &error);
}

void node_trades(int i)
{
	static struct config_rate market = { .rate = 2000000 };
	struct config *config = &nodes[i].daemon.config;

	nodes[i].port.terms = CROWDSHARE_PEER_CONTRACT;
	config->policy.rates = &market;
	config->policy.nr_rates = 1;
	config->offers.max_price = 20000000;
}

/* The kernel of a node outlives its daemon, until the test ends. */
void node_start(int i)
{
	struct kernel_link link = { .ifindex = NODES_IFINDEX, .name = "wlan0", .mtu = 1500 };
	struct daemon *daemon = &nodes[i].daemon;

	if (!daemon->kernel)
		daemon->kernel = fake_open();
	evutil_secure_rng_get_bytes(daemon->boot, sizeof(daemon->boot));
	daemon->base = nodes_base;
	daemon->started = daemon_now();
	open_all(i);
	memcpy(link.lladdr, node_lladdr(i), sizeof(link.lladdr));
	fake_link(daemon->kernel, &link);
	assert_non_null(daemon->ports);
}

void node_stop(int i)
{
	struct daemon *daemon = &nodes[i].daemon;

	gateway_close(daemon);
	port_close_all(daemon);
	peer_close_all(daemon);
	session_exit(daemon);
	receipt_close(daemon);
	offer_close(daemon);
	holding_close(daemon);
	cancel_close(daemon);
	intake_close(daemon);
	store_close(daemon->store);
	ledger_close(daemon->ledger);
	trust_close(daemon->trust);
	identity_close(&daemon->identity);
	daemon->trust = NULL;
}

static void configure(struct node *node)
{
	struct config *config = &node->daemon.config;

	strcpy(node->port.interface, "wlan0");
	node->port.auth = CROWDSHARE_AUTH_REQUIRED;
	config->ports = &node->port;
	config->nr_ports = 1;
	strcpy(config->device.name, "cs0");
	strcpy(config->state, node->dir);
	config->device.lifetime_max = 86400;
	config->sessions = (struct config_sessions){
		.tcp_port = 4353, .hello = 1, .timeout = 30, .rotate = 3600, .overlap = 10,
	};
	config->store = (struct config_store){
		.bytes = 256ull << 20, .share = 100, .age = 43200, .reconcile = 1,
		.cancelled = 10000,
	};
	snprintf(config->store.path, sizeof(config->store.path), "%s/store", node->dir);
	config->policy.contract_time = 3600;
	config->policy.battery_full = 80;
	config->offers = (struct config_offers){ .max_price = 1000000, .budget = UINT32_MAX,
						 .wait = 60 };
	node->daemon.power = (struct policy_power){ .plugged = true, .percent = 100 };
}

struct peer *node_peer(int i, int j)
{
	struct peer *peer;

	for (peer = nodes[i].daemon.peers; peer; peer = peer->next)
		if (!memcmp(peer->lladdr, node_lladdr(j), KERNEL_LLADDR_LEN))
			return peer;
	return NULL;
}

bool nodes_up(int i, int j)
{
	const struct peer *peer = node_peer(i, j), *other = node_peer(j, i);

	return peer && peer->session && other && other->session && peer->pairwise_ready &&
	       other->pairwise_ready;
}

static struct sockaddr_in6 remote_of(int i)
{
	struct sockaddr_in6 remote = { .sin6_family = AF_INET6 };

	inet_pton(AF_INET6, "fe80::", &remote.sin6_addr);
	remote.sin6_addr.s6_addr[15] = i + 1;
	return remote;
}

/* The node with the lower address connects to the other one. */
void nodes_join(int i, int j)
{
	int fds[2], low = i < j ? i : j, high = i < j ? j : i;
	struct sockaddr_in6 to = remote_of(high), from = remote_of(low);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_non_null(session_start(nodes[low].daemon.ports, fds[0], &to, true));
	session_accept(nodes[high].daemon.ports, fds[1], &from);
}

void nodes_pair(int i, int j)
{
	if (!nodes[i].daemon.trust)
		node_start(i);
	if (!nodes[j].daemon.trust)
		node_start(j);
	nodes_join(i, j);
	run_until(nodes_up(i, j), 20000);
}

/* --- Messages --- */

void node_send(int i, const uint8_t destination[CS_ADDR_LEN], size_t size, uint8_t *digest)
{
	const size_t head = CS_ETH_HLEN + sizeof(struct cs_link_hdr);
	static uint8_t frame[CS_FRAME_HLEN + CS_SLICE_MAX];
	struct cs_link link = CS_LINK_INIT;
	struct store_item item;

	memset(frame, 0, head);
	frame[12] = CS_ETHERTYPE >> 8;
	frame[13] = CS_ETHERTYPE & 0xff;
	cs_link_put((struct cs_link_hdr *)(frame + CS_ETH_HLEN), &link);
	make_message(&item, frame + head, size, destination, daemon_now() + 43200);
	memcpy(digest, item.digest, CS_DIGEST_LEN);
	fake_receive(nodes[i].daemon.kernel, frame, head + size, true);
	assert_true(node_holds(i, digest));
}

void node_store(int i, const struct store_item *item)
{
	struct cs_error error = { "" };

	if (store_add(nodes[i].daemon.store, item, daemon_now(), &error) != STORE_ADDED)
		fail_msg("not added: %s", error.text);
}

bool node_holds(int i, const uint8_t *digest)
{
	struct store_item item;

	return !store_get(nodes[i].daemon.store, digest, &item);
}

uint64_t node_messages(int i)
{
	struct store_stats stats;

	store_stats(nodes[i].daemon.store, &stats);
	return stats.messages;
}

/* --- Beginning and end --- */

static int by_address(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	return memcmp(x->daemon.identity.address, y->daemon.identity.address, CS_ADDR_LEN);
}

static int begin_all(void **state)
{
	static const struct timeval tick = { 0, 2000 };
	char path[256];
	int i;

	(void)state;
	log_init(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR - 1);
	signal(SIGPIPE, SIG_IGN);
	nodes_base = event_base_new();
	event_add(event_new(nodes_base, -1, EV_PERSIST, on_tick, NULL), &tick);
	tempdir_make(dir, "nodes");
	for (i = 0; i < NODES; i++) {
		snprintf(nodes[i].dir, sizeof(nodes[i].dir), "%s/%d", dir, i);
		snprintf(path, sizeof(path), "%s/key", nodes[i].dir);
		if (mkdir(nodes[i].dir, 0700) ||
		    identity_open(&nodes[i].daemon.identity, path, NULL))
			return -1;
	}
	qsort(nodes, NODES, sizeof(nodes[0]), by_address);
	for (i = 0; i < NODES; i++)
		identity_close(&nodes[i].daemon.identity);
	return 0;
}

static int end_all(void **state)
{
	(void)state;
	tempdir_remove(dir);
	return 0;
}

int nodes_set_up(void **state)
{
	char keep[sizeof(nodes[0].dir)];
	int i;

	(void)state;
	for (i = 0; i < NODES; i++) {
		memcpy(keep, nodes[i].dir, sizeof(keep));
		memset(&nodes[i], 0, sizeof(nodes[i]));
		memcpy(nodes[i].dir, keep, sizeof(keep));
		configure(&nodes[i]);
	}
	nodes_wire = NULL;
	random_state = 1;
	return 0;
}

/* What a node keeps, but its key. */
static void forget(const char *path)
{
	struct dirent *entry;
	char whole[512];
	DIR *open = opendir(path);

	assert_non_null(open);
	while ((entry = readdir(open))) {
		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, "key"))
			continue;
		snprintf(whole, sizeof(whole), "%s/%s", path, entry->d_name);
		tempdir_remove(whole);
	}
	closedir(open);
}

int nodes_tear_down(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < NODES; i++) {
		if (nodes[i].daemon.trust)
			node_stop(i);
		if (nodes[i].daemon.kernel)
			nodes[i].daemon.kernel->ops->stop(nodes[i].daemon.kernel);
		nodes[i].daemon.kernel = NULL;
		forget(nodes[i].dir);
	}
	nodes_run(5);
	return 0;
}

/* --- Tests at the same time --- */

/**
 * struct job - a test that runs
 * @test: the test, NULL: none
 * @pid: its process
 * @output: what it says
 */
struct job {
	const struct CMUnitTest	*test;
	pid_t			pid;
	FILE			*output;
};

static void begin_job(struct job *job, const char *name, const struct CMUnitTest *test)
{
	job->test = test;
	job->output = tmpfile();
	fflush(stdout);
	job->pid = job->output ? fork() : -1;
	if (job->pid < 0)
		abort();
	if (job->pid)
		return;
	dup2(fileno(job->output), 1);
	dup2(fileno(job->output), 2);
	exit(_cmocka_run_group_tests(name, test, 1, begin_all, end_all) ? 1 : 0);
}

static bool begins(const char *line, const char *with)
{
	return !strncmp(line, with, strlen(with));
}

/* What a group of one says of itself. */
static bool is_frame(const char *line)
{
	static const char *const begin[] = { "1..", "[====", "[  PASSED", "# ok", "# not ok" };
	size_t i;

	for (i = 0; i < sizeof(begin) / sizeof(*begin); i++)
		if (begins(line, begin[i]))
			return true;
	return strstr(line, "listed below") || strstr(line, "FAILED TEST(S)");
}

/* Results are counted, TAP or not. */
static bool end_job(struct job *job, int status, size_t nth)
{
	bool tap = getenv("CMOCKA_MESSAGE_OUTPUT"), told = false;
	char line[1024];

	rewind(job->output);
	while (fgets(line, sizeof(line), job->output)) {
		told |= strstr(line, "ok 1 ") || strstr(line, "OK ]") || strstr(line, "FAILED");
		if (begins(line, "ok 1 "))
			printf("ok %zu %s", nth, line + strlen("ok 1 "));
		else if (begins(line, "not ok 1 "))
			printf("not ok %zu %s", nth, line + strlen("not ok 1 "));
		else if (!is_frame(line))
			fputs(line, stdout);
	}
	fclose(job->output);
	if (status && (!told || !WIFEXITED(status) || WEXITSTATUS(status) != 1))
		printf(tap ? "not ok %zu - %s\n" : "[  FAILED  ] %zu %s\n", nth, job->test->name);
	fflush(stdout);
	job->test = NULL;
	return !status;
}

static struct job jobs[8];

static struct job *job_of(pid_t pid)
{
	size_t i;

	for (i = 0; i < sizeof(jobs) / sizeof(*jobs); i++)
		if (pid ? jobs[i].test && jobs[i].pid == pid : !jobs[i].test)
			return &jobs[i];
	return NULL;
}

int nodes_main(const char *name, const struct CMUnitTest *tests, size_t count)
{
	const char *only = getenv("TESTS");
	size_t next = 0, ended = 0, failed = 0, running = 0;
	int status;
	pid_t pid;

	if (getenv("CMOCKA_MESSAGE_OUTPUT") && !only)
		printf("1..%zu\n", count);
	while (next < count || running) {
		if (next < count && only && fnmatch(only, tests[next].name, 0)) {
			next++;
		} else if (next < count && job_of(0)) {
			begin_job(job_of(0), name, &tests[next++]);
			running++;
		} else {
			pid = wait(&status);
			running--;
			failed += !end_job(job_of(pid), status, ++ended);
		}
	}
	printf("# %s: %zu tests, %zu failed\n", name, ended, failed);
	return failed ? 1 : 0;
}
