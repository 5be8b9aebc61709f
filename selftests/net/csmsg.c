// SPDX-License-Identifier: GPL-2.0
/*
 * csmsg: crafts frames, right ones and wrong ones, and sends them on any interface. What it can do
 * stands in usage().
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <time.h>

#include "burst.h"
#include "die.h"
#include "frame.h"
#include "link.h"

#define LINKS_MAX 8

const char *program = "csmsg";

static const char usage_text[] =
"usage: csmsg [OPTION]... [NAMESPACE:]DEVICE...\n"
"Crafts crowdshare frames and sends them out of DEVICE by a packet socket.\n"
"With several DEVICEs: the same messages on all, at the same moment, each from a CPU of its own.\n"
"\n"
"which messages\n"
"  -S, --seed N          series of messages (1); equal options make equal messages\n"
"  -f, --first N         index in the series (0)\n"
"  -c, --count N         how many (1)\n"
"  -s, --size N          bytes of payload (1234)\n"
"      --expiry N|+N     Unix seconds, or seconds from now\n"
"                        (what CSMSG_EXPIRY says, else +3600)\n"
"      --to ADDR         destination (fd00::1)\n"
"      --port N          destination's port\n"
"      --length N        length field, right or not\n"
"      --flags N         flags field\n"
"      --digest right|wrong|of:SEED    wrong: one bit is; of: that of the same message of SEED\n"
"link header and Ethernet\n"
"      --src MAC         source (the device's)\n"
"      --dst MAC         destination (ff:ff:ff:ff:ff:ff)\n"
"      --ethertype N     (0x88b5)\n"
"      --vlan TCI        with an 802.1Q tag; priority in the highest three bits\n"
"      --version N  --type N  --hops N  --contract N  --counter N\n"
"      --key-id N        which key made the tag (0)\n"
"      --key FILE        32 bytes, or as many in hexadecimal; makes the tag\n"
"      --tag zero|random|made|forged   (zero, or made if there is a key); "
"forged: one bit is wrong\n"
"how\n"
"  -r, --repeat N        sends each so often\n"
"      --rate N          frames per second (as fast as it goes)\n"
"      --flip N          flips a bit in byte N of the frame\n"
"      --truncate N      sends only N bytes of a frame\n"
"      --each-length     sends a frame cut to each length, the whole one excepted\n"
"      --extra N         adds N bytes behind the frame\n"
"      --ring            from a mapped ring: buffers in the kernel are not linear\n"
"  -o, --digests FILE    writes the digests, one a line\n";

enum {
	OPT_EXPIRY = 256, OPT_TO, OPT_PORT, OPT_LENGTH, OPT_FLAGS, OPT_DIGEST, OPT_SRC, OPT_DST,
	OPT_ETHERTYPE, OPT_VLAN, OPT_VERSION, OPT_TYPE, OPT_HOPS, OPT_CONTRACT, OPT_COUNTER,
	OPT_KEY_ID, OPT_KEY, OPT_TAG, OPT_RATE, OPT_FLIP, OPT_TRUNCATE, OPT_EACH_LENGTH, OPT_EXTRA,
	OPT_RING,
};

static const struct option options[] = {
	{ "seed", required_argument, NULL, 'S' },
	{ "first", required_argument, NULL, 'f' },
	{ "count", required_argument, NULL, 'c' },
	{ "size", required_argument, NULL, 's' },
	{ "repeat", required_argument, NULL, 'r' },
	{ "digests", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{ "expiry", required_argument, NULL, OPT_EXPIRY },
	{ "to", required_argument, NULL, OPT_TO },
	{ "port", required_argument, NULL, OPT_PORT },
	{ "length", required_argument, NULL, OPT_LENGTH },
	{ "flags", required_argument, NULL, OPT_FLAGS },
	{ "digest", required_argument, NULL, OPT_DIGEST },
	{ "src", required_argument, NULL, OPT_SRC },
	{ "dst", required_argument, NULL, OPT_DST },
	{ "ethertype", required_argument, NULL, OPT_ETHERTYPE },
	{ "vlan", required_argument, NULL, OPT_VLAN },
	{ "version", required_argument, NULL, OPT_VERSION },
	{ "type", required_argument, NULL, OPT_TYPE },
	{ "hops", required_argument, NULL, OPT_HOPS },
	{ "contract", required_argument, NULL, OPT_CONTRACT },
	{ "counter", required_argument, NULL, OPT_COUNTER },
	{ "key-id", required_argument, NULL, OPT_KEY_ID },
	{ "key", required_argument, NULL, OPT_KEY },
	{ "tag", required_argument, NULL, OPT_TAG },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "flip", required_argument, NULL, OPT_FLIP },
	{ "truncate", required_argument, NULL, OPT_TRUNCATE },
	{ "each-length", no_argument, NULL, OPT_EACH_LENGTH },
	{ "extra", required_argument, NULL, OPT_EXTRA },
	{ "ring", no_argument, NULL, OPT_RING },
	{}
};

static const char *option_name(int option)
{
	const struct option *o;

	for (o = options; o->name; o++)
		if (o->val == option)
			return o->name;
	return "?";
}

static uint64_t number(int option, uint64_t max)
{
	uint64_t value;
	char *end;

	errno = 0;
	value = strtoull(optarg, &end, 0);
	if (errno || end == optarg || *end || *optarg == '-' || value > max)
		die("--%s %s: not a number from 0 to %llu", option_name(option), optarg,
		    (unsigned long long)max);
	return value;
}

static uint64_t expiry(void)
{
	if (*optarg != '+')
		return number(OPT_EXPIRY, UINT64_MAX);
	optarg++;
	return time(NULL) + number(OPT_EXPIRY, INT64_MAX);
}

/* A test whose messages shall be the same from one call to the next sets the variable once. */
static uint64_t default_expiry(void)
{
	const char *given = getenv("CSMSG_EXPIRY");

	return given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) + 3600;
}

static void digest_kind(struct frame_spec *spec)
{
	if (!strcmp(optarg, "right")) {
		spec->digest = FRAME_DIGEST_RIGHT;
	} else if (!strcmp(optarg, "wrong")) {
		spec->digest = FRAME_DIGEST_WRONG;
	} else if (!strncmp(optarg, "of:", 3)) {
		spec->digest = FRAME_DIGEST_OTHER;
		optarg += 3;
		spec->digest_seed = number(OPT_DIGEST, UINT64_MAX);
	} else {
		die("--digest %s: neither right, wrong nor of:SEED", optarg);
	}
}

static void tag_kind(struct frame_spec *spec)
{
	static const char *const names[] = {
		[FRAME_TAG_ZERO] = "zero", [FRAME_TAG_RANDOM] = "random",
		[FRAME_TAG_MADE] = "made", [FRAME_TAG_FORGED] = "forged",
	};
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(optarg, names[i])) {
			spec->tag = i;
			return;
		}
	}
	die("--tag %s: neither zero, random, made nor forged", optarg);
}

/* Options of the message and its headers. Return: whether @option is one. */
static bool spec_option(int option, struct frame_spec *spec)
{
	switch (option) {
	case 'S': spec->seed = number(option, UINT64_MAX); break;
	case 's': spec->size = number(option, CS_SLICE_MAX); break;
	case OPT_EXPIRY: spec->expiry = expiry(); break;
	case OPT_TO:
		if (inet_pton(AF_INET6, optarg, spec->destination) != 1)
			die("--to %s: no IPv6 address", optarg);
		break;
	case OPT_PORT: spec->port = number(option, UINT16_MAX); break;
	case OPT_LENGTH: spec->length = number(option, UINT16_MAX); break;
	case OPT_FLAGS: spec->flags = number(option, UINT16_MAX); break;
	case OPT_DIGEST: digest_kind(spec); break;
	case OPT_DST: link_parse_mac(optarg, spec->dst); break;
	case OPT_ETHERTYPE: spec->ethertype = number(option, UINT16_MAX); break;
	case OPT_VLAN: spec->vlan = number(option, UINT16_MAX); break;
	case OPT_VERSION: spec->version = number(option, UINT8_MAX); break;
	case OPT_TYPE: spec->type = number(option, UINT8_MAX); break;
	case OPT_HOPS: spec->hops = number(option, UINT8_MAX); break;
	case OPT_CONTRACT: spec->contract = number(option, UINT32_MAX); break;
	case OPT_COUNTER: spec->counter = number(option, UINT64_MAX); break;
	case OPT_KEY_ID: spec->key_id = number(option, UINT8_MAX); break;
	case OPT_KEY:
		frame_read_key(optarg, spec->key);
		if (spec->tag == FRAME_TAG_ZERO)
			spec->tag = FRAME_TAG_MADE;
		break;
	case OPT_TAG: tag_kind(spec); break;
	default: return false;
	}
	return true;
}

static void burst_option(int option, struct burst *burst)
{
	switch (option) {
	case 'f': burst->first = number(option, UINT32_MAX); break;
	case 'c': burst->count = number(option, UINT32_MAX); break;
	case 'r': burst->repeat = number(option, UINT32_MAX); break;
	case OPT_RATE: burst->rate = number(option, 1000000); break;
	case OPT_FLIP: burst->flip = number(option, FRAME_MAX); break;
	case OPT_TRUNCATE: burst->truncate = number(option, FRAME_MAX); break;
	case OPT_EACH_LENGTH: burst->each_length = true; break;
	case OPT_EXTRA: burst->extra = number(option, 64); break;
	case OPT_RING: burst->ring = true; break;
	case 'o':
		burst->digests = fopen(optarg, "w");
		if (!burst->digests)
			die("--digests %s: %s", optarg, strerror(errno));
		break;
	case 'h':
		fputs(usage_text, stdout);
		exit(0);
	default:
		fprintf(stderr, "csmsg -h tells the options\n");
		exit(2);
	}
}

static void send_all(struct burst *burst, char **labels, int nr, bool src_given)
{
	struct link links[LINKS_MAX];
	int i;

	if (nr < 1 || nr > LINKS_MAX)
		die("%d devices: there must be 1 to %d", nr, LINKS_MAX);
	for (i = 0; i < nr; i++)
		link_open(&links[i], labels[i], 0);
	if (!src_given)
		memcpy(burst->spec.src, links[0].mac, sizeof(links[0].mac));
	if (nr == 1)
		burst_send(burst, links);
	else
		burst_race(burst, links, nr);
}

int main(int argc, char **argv)
{
	struct burst burst = { .count = 1, .repeat = 1, .truncate = -1, .flip = -1 };
	bool src_given = false;
	int option;

	frame_defaults(&burst.spec);
	burst.spec.seed = 1;
	burst.spec.expiry = default_expiry();
	while ((option = getopt_long(argc, argv, "S:f:c:s:r:o:h", options, NULL)) != -1) {
		if (option == OPT_SRC) {
			link_parse_mac(optarg, burst.spec.src);
			src_given = true;
		} else if (!spec_option(option, &burst.spec)) {
			burst_option(option, &burst);
		}
	}
	send_all(&burst, argv + optind, argc - optind, src_given);
	if (burst.digests && fclose(burst.digests))
		die("--digests: %s", strerror(errno));
	return 0;
}
