// SPDX-License-Identifier: GPL-2.0
/*
 * nlfuzz: asks the module by netlink what nobody should ask, and judges the answers.
 *
 * Systematically: a valid request of each command is spoiled in every way, one attribute at a time;
 * each must be refused with an errno, and the extended ack must have a text and point to the
 * attribute, or name the missing one. None of the requests would change anything.
 *
 * Until it is full: a peer gets contracts, from id 1 on, till no more are taken.
 *
 * At random: any command, flags and attributes, from lengths and values likely to hurt. Each must
 * be answered.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>

#include <linux/crowdshare.h>

#include "die.h"
#include "link.h"

#define ATTR_UNKNOWN	200

const char *program = "nlfuzz";

static struct mnl_socket *nl;
static uint16_t family;
static unsigned int seq;
static int wrong;

/* What is there to be named. */
static uint32_t device, port, spare;
static uint8_t peer[6];

/* How an attribute is spoiled, and what of it must be refused. */
struct field {
	uint16_t type;
	const char *name;
	uint16_t len;
	bool required;
	const void *value;	/* a valid one */
	uint64_t too_low;	/* a value below the range, or 1 if there is none */
	uint64_t too_high;	/* a value above it, or 0 if there is none */
};

struct request {
	const char *name;
	uint8_t cmd;
	uint16_t flags;
	const struct field *fields;
};

#define NO_LOW 1
static const uint32_t one = 1, hundred = 100, off, id = 7;
static const uint64_t many = 1000, later = 4000000000;
static const uint8_t address[16] = { 0xfd }, secret[32] = { 1 }, digest[64] = { 1 }, entry[20] = {
	[0] = 1, [16] = 1,
};

static const struct field dev_get[] = {
	{ CROWDSHARE_A_DEV_IFINDEX, "ifindex", 4, true, &device, 0, 0x7fffffff },
	{}
};
static const struct field dev_set[] = {
	{ CROWDSHARE_A_DEV_IFINDEX, "ifindex", 4, true, &device, 0, 0x7fffffff },
	{ CROWDSHARE_A_DEV_SEEN_MAX, "seen-max", 4, false, &hundred, 0,
	  CROWDSHARE_SEEN_MAX_LIMIT + 1 },
	{ CROWDSHARE_A_DEV_LIFETIME_MAX, "lifetime-max", 4, false, &hundred, 0,
	  CROWDSHARE_LIFETIME_LIMIT + 1 },
	{ CROWDSHARE_A_DEV_DELIVER, "deliver", 4, false, &one, NO_LOW, 3 },
	{ CROWDSHARE_A_DEV_ADDRESS, "address", 16, false, address, NO_LOW, 0 },
	{}
};
static const struct field port_get[] = {
	{ CROWDSHARE_A_PORT_IFINDEX, "ifindex", 4, true, &port, 0, 0x7fffffff },
	{}
};
static const struct field port_set[] = {
	{ CROWDSHARE_A_PORT_IFINDEX, "ifindex", 4, true, &port, 0, 0x7fffffff },
	{ CROWDSHARE_A_PORT_ECHO, "echo", 4, false, &one, NO_LOW, 3 },
	{ CROWDSHARE_A_PORT_AUTH, "auth", 4, false, &one, NO_LOW, 2 },
	{}
};
static const struct field port_new[] = {
	{ CROWDSHARE_A_PORT_IFINDEX, "ifindex", 4, true, &spare, 0, 0x7fffffff },
	{ CROWDSHARE_A_PORT_DEV_IFINDEX, "dev-ifindex", 4, true, &device, 0, 0x7fffffff },
	{ CROWDSHARE_A_PORT_ECHO, "echo", 4, false, &one, NO_LOW, 3 },
	{ CROWDSHARE_A_PORT_AUTH, "auth", 4, false, &one, NO_LOW, 2 },
	{}
};
static const struct field peer_get[] = {
	{ CROWDSHARE_A_PEER_PORT_IFINDEX, "port-ifindex", 4, true, &port, 0, 0x7fffffff },
	{ CROWDSHARE_A_PEER_LLADDR, "lladdr", 6, true, peer, NO_LOW, 0 },
	{}
};
static const struct field peer_set[] = {
	{ CROWDSHARE_A_PEER_PORT_IFINDEX, "port-ifindex", 4, true, &port, 0, 0x7fffffff },
	{ CROWDSHARE_A_PEER_LLADDR, "lladdr", 6, true, peer, NO_LOW, 0 },
	{ CROWDSHARE_A_PEER_STATE, "state", 4, false, &off, NO_LOW, 3 },
	{ CROWDSHARE_A_PEER_RATE, "rate", 4, false, &hundred, NO_LOW, 0 },
	{ CROWDSHARE_A_PEER_BYTERATE, "byterate", 8, false, &many, NO_LOW, 0 },
	{}
};
static const struct field key_new[] = {
	{ CROWDSHARE_A_KEY_PORT_IFINDEX, "port-ifindex", 4, true, &port, 0, 0x7fffffff },
	{ CROWDSHARE_A_KEY_LLADDR, "lladdr", 6, true, peer, NO_LOW, 0 },
	{ CROWDSHARE_A_KEY_USE, "use", 4, true, &one, NO_LOW, 4 },
	{ CROWDSHARE_A_KEY_ID, "id", 4, true, &id, 0, 256 },
	{ CROWDSHARE_A_KEY_SECRET, "secret", 32, true, secret, NO_LOW, 0 },
	{}
};
static const struct field key_del[] = {
	{ CROWDSHARE_A_KEY_PORT_IFINDEX, "port-ifindex", 4, true, &port, 0, 0x7fffffff },
	{ CROWDSHARE_A_KEY_LLADDR, "lladdr", 6, true, peer, NO_LOW, 0 },
	{ CROWDSHARE_A_KEY_USE, "use", 4, true, &one, NO_LOW, 4 },
	{ CROWDSHARE_A_KEY_ID, "id", 4, true, &id, 0, 256 },
	{}
};
static const struct field contract_get[] = {
	{ CROWDSHARE_A_CONTRACT_PORT_IFINDEX, "port-ifindex", 4, true, &port, 0, 0x7fffffff },
	{ CROWDSHARE_A_CONTRACT_LLADDR, "lladdr", 6, true, peer, NO_LOW, 0 },
	{ CROWDSHARE_A_CONTRACT_ID, "id", 4, true, &id, 0, 0 },
	{}
};
static const struct field contract_new[] = {
	{ CROWDSHARE_A_CONTRACT_PORT_IFINDEX, "port-ifindex", 4, true, &port, 0, 0x7fffffff },
	{ CROWDSHARE_A_CONTRACT_LLADDR, "lladdr", 6, true, peer, NO_LOW, 0 },
	{ CROWDSHARE_A_CONTRACT_ID, "id", 4, true, &id, 0, 0 },
	{ CROWDSHARE_A_CONTRACT_DIRECTION, "direction", 4, true, &one, NO_LOW, 2 },
	{ CROWDSHARE_A_CONTRACT_BYTES, "bytes", 8, true, &many, 0, 0 },
	/* too low: over already */
	{ CROWDSHARE_A_CONTRACT_EXPIRY, "expiry", 8, true, &later, 0, 0 },
	{}
};
static const struct field seen_get[] = {
	{ CROWDSHARE_A_SEEN_DEV_IFINDEX, "dev-ifindex", 4, true, &device, 0, 0x7fffffff },
	{ CROWDSHARE_A_SEEN_DIGEST, "digest", 64, true, digest, NO_LOW, 0 },
	{}
};
static const struct field seen_new[] = {
	{ CROWDSHARE_A_SEEN_DEV_IFINDEX, "dev-ifindex", 4, true, &device, 0, 0x7fffffff },
	{ CROWDSHARE_A_SEEN_ENTRIES, "entries", 20, true, entry, NO_LOW, 0 },
	{}
};
static const struct field seen_del[] = {
	{ CROWDSHARE_A_SEEN_DEV_IFINDEX, "dev-ifindex", 4, true, &device, 0, 0x7fffffff },
	{}
};
static const struct field stats_dump[] = {
	{ CROWDSHARE_A_STATS_DEV_IFINDEX, "dev-ifindex", 4, false, &device, 0, 0 },
	{}
};

static const struct request requests[] = {
	{ "dev-get", CROWDSHARE_CMD_DEV_GET, NLM_F_ACK, dev_get },
	{ "dev-set", CROWDSHARE_CMD_DEV_SET, NLM_F_ACK, dev_set },
	{ "port-get", CROWDSHARE_CMD_PORT_GET, NLM_F_ACK, port_get },
	{ "port-new", CROWDSHARE_CMD_PORT_NEW, NLM_F_ACK, port_new },
	{ "port-set", CROWDSHARE_CMD_PORT_SET, NLM_F_ACK, port_set },
	{ "port-del", CROWDSHARE_CMD_PORT_DEL, NLM_F_ACK, port_get },
	{ "peer-get", CROWDSHARE_CMD_PEER_GET, NLM_F_ACK, peer_get },
	{ "peer-new", CROWDSHARE_CMD_PEER_NEW, NLM_F_ACK, peer_set },
	{ "peer-set", CROWDSHARE_CMD_PEER_SET, NLM_F_ACK, peer_set },
	{ "peer-del", CROWDSHARE_CMD_PEER_DEL, NLM_F_ACK, peer_get },
	{ "key-new", CROWDSHARE_CMD_KEY_NEW, NLM_F_ACK, key_new },
	{ "key-del", CROWDSHARE_CMD_KEY_DEL, NLM_F_ACK, key_del },
	{ "seen-get", CROWDSHARE_CMD_SEEN_GET, NLM_F_ACK, seen_get },
	{ "seen-new", CROWDSHARE_CMD_SEEN_NEW, NLM_F_ACK, seen_new },
	{ "seen-del", CROWDSHARE_CMD_SEEN_DEL, NLM_F_ACK, seen_del },
	{ "stats-get", CROWDSHARE_CMD_STATS_GET, NLM_F_DUMP, stats_dump },
	{ "contract-get", CROWDSHARE_CMD_CONTRACT_GET, NLM_F_ACK, contract_get },
	{ "contract-new", CROWDSHARE_CMD_CONTRACT_NEW, NLM_F_ACK, contract_new },
	{ "contract-del", CROWDSHARE_CMD_CONTRACT_DEL, NLM_F_ACK, contract_get },
};

#define NR_REQUESTS (sizeof(requests) / sizeof(*requests))

/* --- Asking --- */

/**
 * struct answer - what came back
 * @error: errno, 0: done
 * @text: of the extended ack
 * @offset: of the attribute that is wrong, in the request; 0: none is named
 * @missing: type of the attribute that is missing, 0: none
 */
struct answer {
	int error;
	char text[128];
	uint32_t offset;
	uint32_t missing;
};

static int ack_attr(const struct nlattr *attr, void *data)
{
	struct answer *answer = data;

	switch (mnl_attr_get_type(attr)) {
	case NLMSGERR_ATTR_MSG:
		snprintf(answer->text, sizeof(answer->text), "%s", mnl_attr_get_str(attr));
		break;
	case NLMSGERR_ATTR_OFFS:
		answer->offset = mnl_attr_get_u32(attr);
		break;
	case NLMSGERR_ATTR_MISS_TYPE:
		answer->missing = mnl_attr_get_u32(attr);
		break;
	}
	return MNL_CB_OK;
}

static void read_error(const struct nlmsghdr *nlh, struct answer *answer)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	unsigned int skip = sizeof(*err);

	answer->error = -err->error;
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += err->msg.nlmsg_len - sizeof(err->msg);
	mnl_attr_parse(nlh, skip, ack_attr, answer);
}

/* A message that ends an answer; what comes before one is data. */
static bool is_end(const struct nlmsghdr *nlh, struct answer *answer)
{
	if (nlh->nlmsg_seq != seq)
		return false;
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		read_error(nlh, answer);
		return true;
	}
	if (nlh->nlmsg_type == NLMSG_DONE) {
		if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(int))
			answer->error = -*(int *)mnl_nlmsg_get_payload(nlh);
		return true;
	}
	return false;
}

static struct answer ask(struct nlmsghdr *nlh, FILE *raw)
{
	static char buf[1 << 17];
	struct answer answer = {};
	struct nlmsghdr *reply;
	int len;

	nlh->nlmsg_seq = ++seq;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		die("send: %s", strerror(errno));
	for (;;) {
		len = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (len < 0 && errno == EAGAIN)
			die("no answer to command %u", *(uint8_t *)mnl_nlmsg_get_payload(nlh));
		if (len < 0)
			die("receive: %s", strerror(errno));
		if (raw)
			fwrite(buf, len, 1, raw);
		for (reply = (void *)buf; mnl_nlmsg_ok(reply, len);
		     reply = mnl_nlmsg_next(reply, &len))
			if (is_end(reply, &answer))
				return answer;
	}
}

static struct nlmsghdr *begin(char *buf, uint16_t type, uint8_t cmd, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = 1;
	return nlh;
}

static void find_family(void)
{
	struct timeval patience = { .tv_sec = 20 };
	int on = 1, fd;
	char buf[4096];
	struct nlmsghdr *nlh;
	int len;

	nl = mnl_socket_open(NETLINK_GENERIC);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID))
		die("netlink: %s", strerror(errno));
	fd = mnl_socket_get_fd(nl);
	if (mnl_socket_setsockopt(nl, NETLINK_EXT_ACK, &on, sizeof(on)) ||
	    mnl_socket_setsockopt(nl, NETLINK_GET_STRICT_CHK, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		die("netlink: %s", strerror(errno));
	nlh = begin(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, CROWDSHARE_GENL_NAME);
	mnl_socket_sendto(nl, nlh, nlh->nlmsg_len);
	len = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	nlh = (void *)buf;
	if (len > 0 && nlh->nlmsg_type != NLMSG_ERROR) {
		const struct nlattr *attr;

		mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
			if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
				family = mnl_attr_get_u16(attr);
	}
	if (!family)
		die("the family %s is not there", CROWDSHARE_GENL_NAME);
}

/* --- Systematically --- */

/* What is done to an attribute. */
enum spoil {
	SPOIL_MISSING, SPOIL_EMPTY, SPOIL_SHORT, SPOIL_LONG, SPOIL_LONGER, SPOIL_LOW, SPOIL_HIGH,
	SPOIL_NESTED, SPOIL_UNKNOWN, SPOIL_GARBAGE, NR_SPOIL,
};

static const char *const spoil_names[] = {
	"missing", "empty", "short", "long by 1", "long by 4", "too low", "too high",
	"marked as nested", "followed by an unknown one", "followed by garbage",
};

static bool applies(const struct field *field, enum spoil spoil)
{
	if (spoil == SPOIL_MISSING)
		return field->required;
	if (spoil == SPOIL_LOW)
		return field->too_low != NO_LOW;
	if (spoil == SPOIL_HIGH)
		return field->too_high;
	return true;
}

/* Return: offset of the attribute that is wrong. */
static uint32_t put_spoiled(struct nlmsghdr *nlh, const struct field *field, enum spoil spoil)
{
	uint8_t value[128] = {};
	uint16_t type = field->type, len = field->len;
	uint32_t at = nlh->nlmsg_len;

	memcpy(value, field->value, field->len);
	switch (spoil) {
	case SPOIL_MISSING: return at;
	case SPOIL_EMPTY: len = 0; break;
	case SPOIL_SHORT: len--; break;
	case SPOIL_LONG: len++; break;
	case SPOIL_LONGER: len += 4; break;
	case SPOIL_LOW: memcpy(value, &field->too_low, len); break;
	case SPOIL_HIGH: memcpy(value, &field->too_high, len); break;
	case SPOIL_NESTED: type |= NLA_F_NESTED; break;
	default: break;
	}
	mnl_attr_put(nlh, type, len, value);
	if (spoil == SPOIL_UNKNOWN) {
		at = nlh->nlmsg_len;
		mnl_attr_put_u32(nlh, ATTR_UNKNOWN, 1);
	}
	if (spoil == SPOIL_GARBAGE) {
		memset((char *)nlh + nlh->nlmsg_len, 0, 4);
		nlh->nlmsg_len += 3;
		at = 0;
	}
	return at;
}

static void judge(const struct request *request, const struct field *field, enum spoil spoil,
		  const struct answer *answer, uint32_t at)
{
	const char *what = NULL;

	if (!answer->error)
		what = "was accepted";
	else if (answer->error == EPERM)
		what = "was refused for lack of permission";
	else if (!answer->text[0])
		what = "was refused without a text";
	else if (spoil == SPOIL_MISSING && answer->missing != field->type)
		what = "was refused, but the missing attribute is not named";
	else if (spoil != SPOIL_MISSING && at && answer->offset != at)
		what = "was refused, but the offset is not that of the attribute";
	if (!what)
		return;
	wrong++;
	printf("%s, attribute %s %s: %s (%s, \"%s\", offset %u of %u, missing %u)\n", request->name,
	       field->name, spoil_names[spoil], what, strerror(answer->error), answer->text,
	       answer->offset, at, answer->missing);
}

static void try(const struct request *request, const struct field *field, enum spoil spoil)
{
	const struct field *f;
	struct answer answer;
	struct nlmsghdr *nlh;
	char buf[4096];
	uint32_t at = 0;

	nlh = begin(buf, family, request->cmd, request->flags);
	for (f = request->fields; f->name; f++) {
		if (f == field && spoil != SPOIL_GARBAGE)
			at = put_spoiled(nlh, f, spoil);
		else
			mnl_attr_put(nlh, f->type, f->len, f->value);
	}
	if (spoil == SPOIL_GARBAGE) { /* only behind the last is it garbage */
		memset((char *)nlh + nlh->nlmsg_len, 0, 4);
		nlh->nlmsg_len += 3;
	}
	answer = ask(nlh, NULL);
	judge(request, field, spoil, &answer, at);
}

static void systematic(const char *name)
{
	const struct field *field;
	unsigned int tried = 0;
	enum spoil spoil;
	size_t r;

	for (r = 0; r < NR_REQUESTS; r++) {
		if (strcmp(name, "all") && strcmp(name, requests[r].name))
			continue;
		for (field = requests[r].fields; field->name; field++) {
			for (spoil = 0; spoil < NR_SPOIL; spoil++) {
				if (!applies(field, spoil))
					continue;
				try(&requests[r], field, spoil);
				tried++;
			}
		}
	}
	if (!tried)
		die("no command '%s'", name);
	printf("%u requests, %d answered wrongly\n", tried, wrong);
}

/* --- Other ways --- */

/* Every command, valid; how each is answered. */
static void errors(void)
{
	const struct field *f;
	struct answer answer;
	struct nlmsghdr *nlh;
	char buf[4096];
	size_t r;

	for (r = 0; r < NR_REQUESTS; r++) {
		nlh = begin(buf, family, requests[r].cmd, requests[r].flags);
		for (f = requests[r].fields; f->name; f++)
			mnl_attr_put(nlh, f->type, f->len, f->value);
		answer = ask(nlh, NULL);
		printf("%s %s\n", requests[r].name, answer.error == EPERM ? "EPERM" :
		       answer.error == ENODEV ? "ENODEV" : answer.error == ENOENT ? "ENOENT" :
		       answer.error ? strerror(answer.error) : "OK");
	}
}

static void fill(void)
{
	struct answer answer;
	struct nlmsghdr *nlh;
	char buf[4096];
	uint32_t i;

	for (i = 1;; i++) {
		nlh = begin(buf, family, CROWDSHARE_CMD_CONTRACT_NEW, NLM_F_ACK);
		mnl_attr_put_u32(nlh, CROWDSHARE_A_CONTRACT_PORT_IFINDEX, port);
		mnl_attr_put(nlh, CROWDSHARE_A_CONTRACT_LLADDR, sizeof(peer), peer);
		mnl_attr_put_u32(nlh, CROWDSHARE_A_CONTRACT_ID, i);
		mnl_attr_put_u32(nlh, CROWDSHARE_A_CONTRACT_DIRECTION, CROWDSHARE_CONTRACT_RX);
		mnl_attr_put_u64(nlh, CROWDSHARE_A_CONTRACT_BYTES, i);
		mnl_attr_put_u64(nlh, CROWDSHARE_A_CONTRACT_EXPIRY, later);
		answer = ask(nlh, NULL);
		if (answer.error)
			break;
	}
	printf("%u %s: %s\n", i - 1, strerror(answer.error), answer.text);
}

static uint32_t any(uint32_t below)
{
	return random() % below;
}

static void put_random(struct nlmsghdr *nlh)
{
	const uint32_t values[] = { device, port, spare, 0, 1, 2, 3, 7, 255, 256, 5000, -1 };
	uint8_t value[256];
	uint16_t len, type = any(24);
	uint32_t word = values[any(sizeof(values) / sizeof(*values))];
	const uint16_t lens[] = { 4, 4, 4, 4, 4, 6, 8, 16, 20, 32, 40, 64, 0, 1, 3, 5, 200 };
	size_t i;

	len = lens[any(sizeof(lens) / sizeof(*lens))];
	for (i = 0; i < sizeof(value); i++)
		value[i] = any(4) ? random() : 0;
	if (len == 4)
		memcpy(value, &word, 4);
	if (len == 6 && any(2))
		memcpy(value, peer, 6);
	if (!any(20))
		type |= NLA_F_NESTED;
	mnl_attr_put(nlh, type, len, value);
}

static void fuzz(unsigned long count, unsigned int seed)
{
	unsigned long i, good = 0;
	struct answer answer;
	struct nlmsghdr *nlh;
	char buf[8192];
	int n;

	srandom(seed);
	for (i = 0; i < count; i++) {
		nlh = begin(buf, family, any(CROWDSHARE_CMD_MAX + 3),
			    any(4) ? NLM_F_ACK : NLM_F_DUMP | NLM_F_ACK);
		/* mostly with the attributes in their places: else little gets past the parser */
		if (any(4)) {
			const struct request *r = &requests[any(NR_REQUESTS)];
			const struct field *f;

			((struct genlmsghdr *)mnl_nlmsg_get_payload(nlh))->cmd = r->cmd;
			for (f = r->fields; f->name; f++)
				if (any(8))
					mnl_attr_put(nlh, f->type, f->len, f->value);
		}
		for (n = any(3); n > 0; n--)
			put_random(nlh);
		/* less than a header is not answered */
		if (!any(50) && nlh->nlmsg_len >= NLMSG_HDRLEN + 8)
			nlh->nlmsg_len -= any(8);
		answer = ask(nlh, NULL);
		good += !answer.error;
	}
	printf("%lu messages, all answered, %lu done\n", count, good);
}

static void enter(const char *ns)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", ns);
	fd = open(path, O_RDONLY);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die("network namespace %s: %s", path, strerror(errno));
	close(fd);
}

/* What the kernel says, byte by byte, of everything that can be dumped. */
static void raw(char **spaces, int nr)
{
	static const uint8_t dumps[] = {
		CROWDSHARE_CMD_DEV_GET, CROWDSHARE_CMD_PORT_GET, CROWDSHARE_CMD_PEER_GET,
		CROWDSHARE_CMD_STATS_GET, CROWDSHARE_CMD_CONTRACT_GET,
	};
	char buf[4096];
	size_t i;
	int n;

	for (n = 0; n < nr; n++) {
		enter(spaces[n]);
		find_family();
		for (i = 0; i < sizeof(dumps); i++)
			ask(begin(buf, family, dumps[i], NLM_F_DUMP), stdout);
		mnl_socket_close(nl);
	}
}

static uint32_t index_of(const char *name)
{
	uint32_t index = if_nametoindex(name);

	if (!index)
		die("no interface %s", name);
	return index;
}

static void usage(void)
{
	printf("usage: nlfuzz systematic COMMAND|all DEV PORT SPARE MAC\n"
	       "       nlfuzz errors DEV PORT SPARE MAC\n"
	       "       nlfuzz fill DEV PORT SPARE MAC\n"
	       "       nlfuzz random COUNT SEED DEV PORT SPARE MAC\n"
	       "       nlfuzz raw NETNS...\n"
	       "DEV is a crowdshare device, PORT a port of it, SPARE an interface that is none, "
	       "MAC a\n"
	       "peer on PORT, by name or, for one in another namespace, by index.\n");
}

static void objects(char **argv)
{
	device = *argv[0] > '9' ? index_of(argv[0]) : strtoul(argv[0], NULL, 10);
	port = *argv[1] > '9' ? index_of(argv[1]) : strtoul(argv[1], NULL, 10);
	spare = *argv[2] > '9' ? index_of(argv[2]) : strtoul(argv[2], NULL, 10);
	link_parse_mac(argv[3], peer);
	find_family();
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "systematic") && argc == 7) {
		objects(argv + 3);
		systematic(argv[2]);
	} else if (!strcmp(mode, "errors") && argc == 6) {
		objects(argv + 2);
		errors();
	} else if (!strcmp(mode, "fill") && argc == 6) {
		objects(argv + 2);
		fill();
	} else if (!strcmp(mode, "random") && argc == 8) {
		objects(argv + 4);
		fuzz(strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
	} else if (!strcmp(mode, "raw") && argc > 2) {
		raw(argv + 2, argc - 2);
	} else {
		usage();
		return strcmp(mode, "-h") && strcmp(mode, "--help") ? 2 : 0;
	}
	return wrong ? 1 : 0;
}
