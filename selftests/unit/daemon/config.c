// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the configuration: what a file may say is taken as it is written, and what is wrong
 * is refused with its file, its line and a text.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "daemon/config.h"
#include "daemon/config_value.h"

#define TOP	"../../../"	/* the test may also be started from the top of the tree */
#define PORTS	"ports = ( { interface = \"wlan0\"; } );\n"
#define BUCKET(url)	"ingest = { inbox = \"/i\"; bucket = { access-key-file = \"/a\"; " \
			"secret-key-file = \"/s\"; url = \"" url "\"; }; };"
#define BAD_URL(url)	"f:2: ingest.bucket.url: \"" url "\" is not a URL as " \
			"\"https://host/bucket/prefix\", of letters, digits and \"-._~\""
#define MIB	(1ull << 20)

static void parse_ok(struct config *config, const char *text)
{
	struct cs_error error = { "" };

	if (config_parse(config, text, "test", &error))
		fail_msg("%s", error.text);
}

static void test_defaults(void **state)
{
	struct config config;

	(void)state;
	parse_ok(&config, PORTS);
	assert_string_equal(config.path, "test");
	assert_int_equal(config.level, LOG_LEVEL_INFO);
	assert_string_equal(config.identity, "/var/lib/crowdshare/identity.key");
	assert_string_equal(config.state, "/var/lib/crowdshare");
	assert_string_equal(config.control, "/run/crowdshare/control");
	assert_string_equal(config.device.name, "cs0");
	assert_int_equal(config.device.seen_max, CROWDSHARE_SEEN_MAX_DEFAULT);
	assert_int_equal(config.device.lifetime_max, 43200);
	assert_int_equal(config.device.deliver, CROWDSHARE_DELIVER_ALL);
	assert_int_equal(config.nr_ports, 1);
	assert_string_equal(config.ports[0].interface, "wlan0");
	assert_int_equal(config.ports[0].echo, CROWDSHARE_ECHO_AUTO);
	assert_int_equal(config.ports[0].auth, CROWDSHARE_AUTH_REQUIRED);
	assert_int_equal(config.ports[0].terms, CROWDSHARE_PEER_FREE);
	/* strangers stay out */
	assert_int_equal(config.trust.mode, TRUST_LIST);
	assert_int_equal(config.trust.nr_peers, 0);
	assert_int_equal(config.sessions.tcp_port, 35253);
	assert_int_equal(config.sessions.hello, 5);
	assert_int_equal(config.sessions.timeout, 30);
	assert_int_equal(config.sessions.rotate, 3600);
	assert_int_equal(config.sessions.overlap, 60);
	assert_int_equal(config.sessions.rate, 0);
	assert_string_equal(config.store.path, "/var/lib/crowdshare/store");
	assert_int_equal(config.store.bytes, 256 * MIB);
	assert_int_equal(config.store.share, 25);
	assert_int_equal(config.store.age, 43200);
	assert_int_equal(config.store.reconcile, 60);
	assert_int_equal(config.offers.max_price, 0);
	assert_false(config.offers.ask);
	config_free(&config);
}

static const char everything[] =
	"log = \"debug\"; identity = \"/k/id\"; state = \"/s\"; control = \"/c/sock\";\n"
	"device = { name = \"mesh0\"; seen-max = 500000; lifetime-max = \"6h\"; deliver = "
	"\"local\"; };\n"
	"ports = ( { interface = \"wlan*\"; echo = \"always\"; terms = \"contract\"; },\n"
	"          { interface = \"eth0\"; echo = \"never\"; auth = \"off\"; } );\n"
	"trust = { mode = \"ca\"; ca = \"/ca.crt\"; certificate = \"/me.crt\"; peers = (\n"
	"  { address = \"fd00::1\"; name = \"Alice\"; state = \"free\"; rating = \"87.5\"; },\n"
	"  { address = \"fd00::2\"; rating = 120; } ); };\n"
	"sessions = { port = 4000; hello = 1; timeout = 3; rotate = \"10min\"; overlap = 30;\n"
	"  rate = 4000000000L; byterate = \"5GB\"; };\n"
	"store = { path = \"/d\"; bytes = 4294967296L; share = 10; age = \"1d\"; in = \"1MB\"; "
	"out = 7;\n"
	"  reconcile = 5; cancelled = 0; };\n"
	"market = { rates = ( { geohash = \"\"; rate = 2; }, { geohash = \"U33D\"; rate = "
	"\"0.125\"; } ); };\n"
	"policy = { position = \"u33db2\"; battery = { dir = \"/b\"; min = 30; full = 90; };\n"
	"  plan = { interface = \"wwan0\"; bytes = \"10GB\"; day = 15; near = 75; overage = "
	"\"1.5\"; };\n"
	"  offers = 3; deny-destinations = ( \"fd12::/16\", \"2001:db8::1\" ); contract-time = "
	"\"90s\"; };\n"
	"offers = { max-price = \"1.001\"; budget = 100; ask = true; wait = \"2min\"; };\n";

static void check_policy(const struct config_policy *policy)
{
	struct in6_addr address;

	assert_int_equal(policy->nr_rates, 2);
	assert_string_equal(policy->rates[0].geohash, "");
	assert_int_equal(policy->rates[0].rate, 2000);
	assert_string_equal(policy->rates[1].geohash, "u33d");
	assert_int_equal(policy->rates[1].rate, 125);
	assert_string_equal(policy->position, "u33db2");
	assert_string_equal(policy->battery_dir, "/b");
	assert_int_equal(policy->battery_min, 30);
	assert_int_equal(policy->battery_full, 90);
	assert_string_equal(policy->plan_interface, "wwan0");
	assert_int_equal(policy->plan_bytes, 10000000000);
	assert_int_equal(policy->plan_day, 15);
	assert_int_equal(policy->plan_near, 75);
	assert_int_equal(policy->plan_overage, 1500);
	assert_int_equal(policy->offers, 3);
	assert_int_equal(policy->nr_deny, 2);
	assert_int_equal(policy->deny_destinations[0].len, 16);
	assert_int_equal(policy->deny_destinations[0].address[1], 0x12);
	assert_int_equal(policy->deny_destinations[1].len, 128);
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", &address), 1);
	assert_memory_equal(policy->deny_destinations[1].address, &address, 16);
	assert_int_equal(policy->contract_time, 90);
}

static void test_everything(void **state)
{
	struct config config;

	(void)state;
	parse_ok(&config, everything);
	assert_int_equal(config.level, LOG_LEVEL_DEBUG);
	assert_string_equal(config.identity, "/k/id");
	assert_string_equal(config.state, "/s");
	assert_string_equal(config.control, "/c/sock");
	assert_string_equal(config.device.name, "mesh0");
	assert_int_equal(config.device.seen_max, 500000);
	assert_int_equal(config.device.lifetime_max, 21600);
	assert_int_equal(config.device.deliver, CROWDSHARE_DELIVER_LOCAL);
	assert_int_equal(config.nr_ports, 2);
	assert_int_equal(config.ports[0].echo, CROWDSHARE_ECHO_ALWAYS);
	assert_int_equal(config.ports[0].terms, CROWDSHARE_PEER_CONTRACT);
	assert_int_equal(config.ports[1].echo, CROWDSHARE_ECHO_NEVER);
	assert_int_equal(config.ports[1].auth, CROWDSHARE_AUTH_OFF);
	assert_int_equal(config.trust.mode, TRUST_CA);
	assert_string_equal(config.trust.ca, "/ca.crt");
	assert_string_equal(config.trust.certificate, "/me.crt");
	assert_int_equal(config.trust.nr_peers, 2);
	assert_int_equal(config.trust.peers[0].address[15], 1);
	assert_string_equal(config.trust.peers[0].name, "Alice");
	assert_int_equal(config.trust.peers[0].state, CROWDSHARE_PEER_FREE);
	assert_int_equal(config.trust.peers[0].rating, 875);
	assert_int_equal(config.trust.peers[1].state, UINT32_MAX);
	assert_int_equal(config.trust.peers[1].rating, 1200);
	assert_int_equal(config.sessions.tcp_port, 4000);
	assert_int_equal(config.sessions.hello, 1);
	assert_int_equal(config.sessions.timeout, 3);
	assert_int_equal(config.sessions.rotate, 600);
	assert_int_equal(config.sessions.overlap, 30);
	assert_true(config.sessions.rate == 4000000000u);
	assert_true(config.sessions.byterate == 5000000000);
	assert_string_equal(config.store.path, "/d");
	assert_true(config.store.bytes == 4294967296);
	assert_int_equal(config.store.share, 10);
	assert_int_equal(config.store.age, 86400);
	assert_int_equal(config.store.in, 1000000);
	assert_int_equal(config.store.out, 7);
	assert_int_equal(config.store.reconcile, 5);
	assert_int_equal(config.store.cancelled, 0);
	check_policy(&config.policy);
	assert_int_equal(config.offers.max_price, 1001);
	assert_int_equal(config.offers.budget, 100000);
	assert_true(config.offers.ask);
	assert_int_equal(config.offers.wait, 120);
	config_free(&config);
}

/* What is named after the state directory follows it. */
static void test_state(void **state)
{
	struct config config;

	(void)state;
	parse_ok(&config, PORTS "state = \"/mnt/flash\";\n");
	assert_string_equal(config.identity, "/mnt/flash/identity.key");
	assert_string_equal(config.store.path, "/mnt/flash/store");
	config_free(&config);
}

struct bad {
	const char *text;
	const char *error;	/* all of it */
};

static void check_bad(const struct bad *bad, size_t count)
{
	struct config config, zero;
	struct cs_error error;
	size_t i;

	memset(&zero, 0, sizeof(zero));
	for (i = 0; i < count; i++) {
		memset(&config, 0xff, sizeof(config));
		error.text[0] = '\0';
		if (config_parse(&config, bad[i].text, "f", &error) != -EINVAL)
			fail_msg("taken: %s (%s)", bad[i].text, error.text);
		if (strcmp(error.text, bad[i].error))
			fail_msg("%s\n'%s' instead "
			"of\n'%s'", bad[i].text, error.text, bad[i].error);
		assert_memory_equal(&config, &zero, sizeof(config));
	}
}

#define CHECK_BAD(bad) check_bad(bad, sizeof(bad) / sizeof(*(bad)))

#define SYNTAX "syntax error; is a ';', a quote or a bracket missing, here or in the line before?"
#define BYTES \
	"bytes: a whole number, or a text as \"512MiB\" (B, kB, MB, GB, TB, KiB, MiB, GiB, TiB)"
#define SECONDS "seconds: a whole number, or a text as \"12h\" (s, min, h, d)"
#define POINTS \
	"points: a whole number, or a text with at most three digits after the point, as \"1.5\""
#define DIGITS_50 "12345678901234567890123456789012345678901234567890"
#define PERCENT \
	"per cent: a whole number, or a text with at most one digit after the point, as \"87.5\""

static void test_syntax(void **state)
{
	static const struct bad bad[] = {
		{ "", "f: \"ports\" is missing" },
		{ "log = \"info\";", "f: \"ports\" is missing" },
		{ "\n\nport 5\n", "f:3: " SYNTAX },
		{ "log = \"info\nports = ();\n", "f:3: " SYNTAX },
		{ "ports = ( { interface = \"a\" };\n", "f:1: " SYNTAX },
		{ PORTS "log = \"info\";\nlog = \"debug\";", "f:3: duplicate setting name" },
		{ PORTS "policy = { deny-destinations = [ \"::1\",\n5 ]; };",
		  "f:3: mismatched element type in array" },
		{ PORTS "\n  @include \"/etc/passwd\"\n", "f:3: @include is not possible here" },
		{ PORTS "/*\n@include \"x\" */", "f:3: @include is not possible here" },
	};

	(void)state;
	CHECK_BAD(bad);
}

static void test_unknown(void **state)
{
	static const struct bad bad[] = {
		{ "\nport = ();", "f:2: port: unknown setting; did you mean \"ports\"?" },
		{ PORTS "store = {\n  size = 5;\n};",
		  "f:3: store.size: unknown setting; known here: path, bytes, share, age, in, "
		  "out, reconcile, cancelled" },
		{ PORTS "store = { shares = 5; };",
		  "f:2: store.shares: unknown setting; did you mean \"share\"?" },
		{ PORTS "device = {\nseen_max = 5; };",
		  "f:3: device.seen_max: unknown setting; did you mean \"seen-max\"?" },
		{ PORTS "policy = { battery = { ful = 5; }; };",
		  "f:2: policy.battery.ful: unknown setting; did you mean \"full\"?" },
		{ "ports = ( { interface = \"a\"; },\n { interface = \"b\"; ehco = \"auto\"; } );",
		  "f:2: ports[1].ehco: unknown setting; did you mean \"echo\"?" },
		{ PORTS "offers = { wxyz = 1; };",
		  "f:2: offers.wxyz: unknown setting; known here: max-price, budget, ask, wait" },
		{ PORTS "x23456789012345678901234567890123 = 1;",
		  "f:2: x23456789012345678901234567890123: unknown setting; known here: log, "
		  "identity, "
		  "state, control, device, ports, trust, sessions, store, market, policy, offers, "
		  "gateway, ingest" },
	};

	(void)state;
	CHECK_BAD(bad);
}

static void test_types(void **state)
{
	static const struct bad bad[] = {
		{ PORTS "log = 5;",
		  "f:2: log: must be \"error\", \"warning\", \"notice\", \"info\" or \"debug\"" },
		{ PORTS "log = \"loud\";", "f:2: log: \"loud\" is not known: must be \"error\", "
		  "\"warning\", \"notice\", \"info\" or \"debug\"" },
		{ PORTS "state = 5;", "f:2: state: must be a text, in quotes" },
		{ PORTS "device = 5;", "f:2: device: must be a group: device = { ... }" },
		{ "ports = { };",
		  "f:1: ports: must be a list of groups: ports = ( { ... }, ... )" },
		{ "ports = ( 5 );", "f:1: ports[0]: must be a group: { ... }" },
		{ "ports = ( { } );", "f:1: ports[0]: \"interface\" is missing" },
		{ PORTS "device = { seen-max = \"5\"; };",
		  "f:2: device.seen-max: must be a whole number" },
		{ PORTS "device = { seen-max = 5.0; };",
		  "f:2: device.seen-max: must be a whole number" },
		{ PORTS "store = { age = true; };", "f:2: store.age: must be " SECONDS },
		{ PORTS "store = { age = 1.5; };",
		  "f:2: store.age: write it in quotes, else it is not "
		  "kept exactly; must be " SECONDS },
		{ PORTS "store = { age = \"12m\"; };",
		  "f:2: store.age: \"12m\" is wrong: must be " SECONDS },
		{ PORTS "store = { age = \"\"; };",
		  "f:2: store.age: \"\" is wrong: must be " SECONDS },
		{ PORTS "store = { bytes = \"5M\"; };",
		  "f:2: store.bytes: \"5M\" is wrong: must be " BYTES },
		{ PORTS "store = { bytes = \"-5\"; };",
		  "f:2: store.bytes: \"-5\" is wrong: must be " BYTES },
		{ PORTS "store = { bytes = (); };", "f:2: store.bytes: must be " BYTES },
		{ PORTS "offers = { ask = 1; };",
		  "f:2: offers.ask: must be true or false, without quotes" },
		{ PORTS "offers = { max-price = 1.5; };",
		  "f:2: offers.max-price: write it in quotes, "
		  "else it is not kept exactly; must be " POINTS },
		{ PORTS "offers = { max-price = \"1.0005\"; };",
		  "f:2: offers.max-price: \"1.0005\" is wrong: must be " POINTS },
		{ PORTS "offers = { max-price = \"1.\"; };",
		  "f:2: offers.max-price: \"1.\" is wrong: must be " POINTS },
		{ PORTS "policy = { deny-destinations = \"fd00::/8\"; };",
		  "f:2: policy.deny-destinations: must be a list: ( \"fd12::/16\", ... )" },
		{ PORTS "policy = { deny-destinations = ( 5 ); };",
		  "f:2: policy.deny-destinations[0]: must be a text, in quotes" },
		{ PORTS "market = { rates = ( { geohash = \"u\"; } ); };",
		  "f:2: market.rates[0]: \"rate\" is missing" },
		{ PORTS "trust = { peers = ( { name = \"x\"; } ); };",
		  "f:2: trust.peers[0]: \"address\" is missing" },
		{ PORTS "trust = { peers = ( { address = \"fd00::1\"; rating = \"1.25\"; } ); };",
		  "f:2: trust.peers[0].rating: \"1.25\" is wrong: must be " PERCENT },
	};

	(void)state;
	CHECK_BAD(bad);
}

static void test_bad_gateway(void **state)
{
	static const struct bad bad[] = {
		{ PORTS "gateway = { interface = \"eth0\"; };",
		  "f:2: gateway: \"destinations\" is missing" },
		{ PORTS "gateway = { destinations = ( \"::/0\" ); };",
		  "f:2: gateway: \"interface\" is missing" },
		{ PORTS "gateway = { interface = \"eth*\"; destinations = ( ); };",
		  "f:2: gateway.interface: \"eth*\" is not the name of an interface: "
		  "1 to 15 characters, none of \"/: %*?[]\\\"" },
		{ PORTS "gateway = { interface = \"e\"; destinations = \"::/0\"; };",
		  "f:2: gateway.destinations: must be a list: ( \"fd12::/16\", ... )" },
		{ PORTS "gateway = { interface = \"e\"; destinations = (); batch = 65; };",
		  "f:2: gateway.batch: 65 is out of range: 1 to 64" },
		{ PORTS "gateway = { interface = \"e\"; destinations = ();\nnetworks = ( "
		  "\"2001:db8::/32\", \"c8:0e:14:01:02\" ); };",
		  "f:3: gateway.networks[1]: \"c8:0e:14:01:02\" is neither the MAC of a router "
		  "nor an IPv6 prefix" },
		{ PORTS "gateway = { interface = \"e\"; destinations = (); networks = ( "
		  "\"c8:0e:14:01:02:03:04\" ); };",
		  "f:2: gateway.networks[0]: \"c8:0e:14:01:02:03:04\" is neither the MAC of a "
		  "router nor an IPv6 prefix" },
		{ PORTS "gateway = { interface = \"e\"; destinations = (); networks = ( "
		  "\"::1/64\" ); };",
		  "f:2: gateway.networks[0]: \"::1/64\" has bits beyond the length of the prefix" },
		{ PORTS "ingest = { listen = \"[::]:1\"; };", "f:2: ingest: \"inbox\" is missing" },
		{ PORTS "ingest = { inbox = \"/i\"; listen = \"::1\"; };",
		  "f:2: ingest.listen: \"::1\" is not an IPv6 address and a port, as "
		  "\"[::]:7475\"" },
		{ PORTS "ingest = { inbox = \"/i\"; listen = \"[::1]:65536\"; };",
		  "f:2: ingest.listen: \"[::1]:65536\" is not an IPv6 address and a port, as "
		  "\"[::]:7475\"" },
		{ PORTS "ingest = { inbox = \"/i\"; listen = \"[::1]:0\"; };",
		  "f:2: ingest.listen: \"[::1]:0\" is not an IPv6 address and a port, as "
		  "\"[::]:7475\"" },
		{ PORTS "ingest = { inbox = \"/i\"; bucket = { url = \"https://h/b\"; }; };",
		  "f:2: ingest.bucket: \"access-key-file\" is missing" },
		{ PORTS BUCKET("http://192.0.2.1/b"), "f:2: ingest.bucket.url: "
		  "\"http://192.0.2.1/b\" is in plain: https://, or a loopback address" },
		{ PORTS BUCKET("http://localhost.example/b"), "f:2: ingest.bucket.url: "
		  "\"http://localhost.example/b\" is in plain: https://, or a loopback address" },
		{ PORTS BUCKET("ftp://h/b"), BAD_URL("ftp://h/b") },
		{ PORTS BUCKET("https://h"), BAD_URL("https://h") },
		{ PORTS BUCKET("https://h/"), BAD_URL("https://h/") },
		{ PORTS BUCKET("https:///b"), BAD_URL("https:///b") },
		{ PORTS BUCKET("https://h/b/"), BAD_URL("https://h/b/") },
		{ PORTS BUCKET("https://h/b//c"), BAD_URL("https://h/b//c") },
		{ PORTS BUCKET("https://h/b/../c"), BAD_URL("https://h/b/../c") },
		{ PORTS BUCKET("https://h/b c"), BAD_URL("https://h/b c") },
		{ PORTS BUCKET("https://h/b%20c"), BAD_URL("https://h/b%20c") },
		{ PORTS BUCKET("https://h/b?x"), BAD_URL("https://h/b?x") },
		{ PORTS BUCKET("https://u:p@h/b"), BAD_URL("https://u:p@h/b") },
		{ PORTS BUCKET("https://h:0/b"), BAD_URL("https://h:0/b") },
		{ PORTS BUCKET("https://h:65536/b"), BAD_URL("https://h:65536/b") },
		{ PORTS BUCKET("https://h:1x/b"), BAD_URL("https://h:1x/b") },
		{ PORTS BUCKET("https://[::1/b"), BAD_URL("https://[::1/b") },
		{ PORTS BUCKET("https://[]x/b"), BAD_URL("https://[]x/b") },
		{ PORTS BUCKET("https://h/b\"; region = \"EU"),
		  "f:2: ingest.bucket.region: a region has small letters, digits "
		  "and '-', as \"eu-west-1\"" },
		{ PORTS "ingest = { inbox = \"/i\"; rate = 65535; };",
		  "f:2: ingest.rate: rate must be 0, no limit, or at least 64KiB" },
	};
	(void)state;
	CHECK_BAD(bad);
}

static void test_bucket(void **state)
{
	static const char *const urls[] = {
		"https://s3.example.org/b", "https://s3.example.org:9000/b/a/c.d-e_f~",
		"https://[2001:db8::7]:443/b", "http://127.0.0.2:80/b", "http://[::1]:9/b",
		"http://localhost/b",
	};
	const struct config_bucket *bucket;
	struct config config;
	char text[512];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		snprintf(text, sizeof(text), PORTS "ingest = { inbox = \"/i\"; bucket = { "
			 "url = \"%s\"; access-key-file = \"/a\"; secret-key-file = \"/s\"; %s };"
			 " };", urls[i], i ? "" : "region = \"eu-1\"; ca = \"/c\";");
		parse_ok(&config, text);
		bucket = &config.ingest.bucket;
		assert_string_equal(bucket->url, urls[i]);
		assert_string_equal(bucket->access_key, "/a");
		assert_string_equal(bucket->secret_key, "/s");
		assert_string_equal(bucket->region, i ? "us-east-1" : "eu-1");
		assert_string_equal(bucket->ca, i ? "" : "/c");
		config_free(&config);
	}
}

static void test_gateway(void **state)
{
	const struct config_gateway *gateway;
	const struct config_ingest *ingest;
	struct config config;

	(void)state;
	parse_ok(&config, PORTS
		 "gateway = { interface = \"eth0\"; destinations = [ \"2001:db8::/32\", \"::1\" ]; "
		 "networks = ( \"c8:0E:14:01:02:03\", \"2001:db8:77::/48\" ); metered = true; "
		 "batch = 5; };\n"
		 "ingest = { listen = \"[2001:db8::7]:443\"; inbox = \"/i\"; bytes = \"2MiB\"; "
		 "connections = 9; per-source = 2; rate = \"1MB\"; "
		 "destinations = ( \"::/0\" ); };");
	gateway = &config.gateway;
	assert_string_equal(gateway->interface, "eth0");
	assert_int_equal(gateway->nr_destinations, 2);
	assert_int_equal(gateway->destinations[0].len, 32);
	assert_int_equal(gateway->destinations[1].len, 128);
	assert_int_equal(gateway->nr_networks, 2);
	assert_true(gateway->networks[0].router && !gateway->networks[1].router);
	assert_memory_equal(gateway->networks[0].lladdr, "\xc8\x0e\x14\x01\x02\x03", 6);
	assert_int_equal(gateway->networks[1].prefix.len, 48);
	assert_true(gateway->metered);
	assert_int_equal(gateway->batch, 5);
	ingest = &config.ingest;
	assert_string_equal(ingest->inbox, "/i");
	assert_int_equal(ingest->address[0], 0x20);
	assert_int_equal(ingest->address[15], 7);
	assert_int_equal(ingest->port, 443);
	assert_int_equal(ingest->bytes, 2 << 20);
	assert_int_equal(ingest->connections, 9);
	assert_int_equal(ingest->per_source, 2);
	assert_int_equal(ingest->rate, 1000000);
	assert_int_equal(ingest->nr_destinations, 1);
	config_free(&config);
	parse_ok(&config, PORTS);
	assert_string_equal(config.gateway.interface, "");
	assert_string_equal(config.ingest.inbox, "");
	config_free(&config);
}

static void test_ranges(void **state)
{
	static const struct bad bad[] = {
		{ PORTS "device = { seen-max = 0; };",
		  "f:2: device.seen-max: 0 is out of range: 1 to 1073741824" },
		{ PORTS "device = { lifetime-max = \"366d\"; };",
		  "f:2: device.lifetime-max: 366d is out of range: 1s to 365d" },
		{ PORTS "sessions = { port = 65536; };",
		  "f:2: sessions.port: 65536 is out of range: 1 to 65535" },
		{ PORTS "sessions = { port = -1; };",
		  "f:2: sessions.port: -1 is out of range: 1 to 65535" },
		{ PORTS "sessions = { hello = 0; };",
		  "f:2: sessions.hello: 0 is out of range: 1s to 1h" },
		{ PORTS "store = { bytes = 1048575; };",
		  "f:2: store.bytes: 1048575 is out of range: 1MiB to 1024TiB" },
		{ PORTS "store = { bytes = \"99999999999999999999999TiB\"; };",
		  "f:2: store.bytes: 99999999999999999999999TiB is out of range: 1MiB to 1024TiB" },
		{ PORTS "store = { bytes = \"18446744073709551615KiB\"; };",
		  "f:2: store.bytes: 18446744073709551615KiB is out of range: 1MiB to 1024TiB" },
		{ PORTS "store = { share = 101; };",
		  "f:2: store.share: 101 is out of range: 1 to 100" },
		{ PORTS "offers = { max-price = 1000000001; };",
		  "f:2: offers.max-price: 1000000001 is out of range: 0 to 1000000000" },
		{ PORTS "offers = { max-price = 9223372036854775807L; };",
		  "f:2: offers.max-price: 9223372036854775807 is out of range: 0 to 1000000000" },
		{ PORTS "offers = { max-price = \"18446744073709551.616\"; };",
		  "f:2: offers.max-price: 18446744073709551.616 is out of range: 0 to 1000000000" },
		{ PORTS "policy = { plan = { interface = \"a\"; bytes = 5; day = 32; }; };",
		  "f:2: policy.plan.day: 32 is out of range: 1 to 31" },
		{ PORTS "trust = { peers = ( { address = \"fd00::1\"; rating = 1001; } ); };",
		  "f:2: trust.peers[0].rating: 1001 is out of range: 10 to 1000" },
	};

	(void)state;
	CHECK_BAD(bad);
}

/* libconfig would read these as something else, without a word. */
static void test_cut_numbers(void **state)
{
	static const struct bad bad[] = {
		{ PORTS "store = {\nbytes = 4294967296; };",
		  "f:3: 4294967296 needs an L behind it, or is too large" },
		{ PORTS "store = { bytes = 2147483648; };",
		  "f:2: 2147483648 needs an L behind it, or is too large" },
		{ PORTS "store = { bytes = 0x100000000; };",
		  "f:2: 0x100000000 needs an L behind it, or is too large" },
		{ PORTS "store = { bytes = 0xffffffff; };",
		  "f:2: 0xffffffff needs an L behind it, or is too large" },
		{ PORTS "store = { bytes = -2147483649; };",
		  "f:2: -2147483649 needs an L behind it, or is too large" },
		{ PORTS "store = { bytes = 99999999999999999999L; };",
		  "f:2: 99999999999999999999L needs an L behind it, or is too large" },
		{ PORTS "store = { bytes=4294967297share=5; };",
		  "f:2: 4294967297 needs an L behind it, or is too large" },
	};
	struct config config;

	(void)state;
	CHECK_BAD(bad);
	/* what looks like one and is none */
	parse_ok(&config, PORTS "# 4294967296\n// 4294967296\n/* 4294967296\n4294967296 */\n"
		 "trust = { peers = ( { address = \"fd00::1\"; name = \"\\\"4294967296 # "
		 "4294967296\"; } ); };\n"
		 "store = { bytes = 2147483647; age = 0x10; in = 4294967296L; out = 0x100000000L; "
		 "};\n");
	assert_int_equal(config.store.bytes, 2147483647);
	assert_int_equal(config.store.age, 16);
	assert_true(config.store.in == 4294967296 && config.store.out == 4294967296);
	config_free(&config);
}

static void test_values(void **state)
{
	static const struct bad bad[] = {
		{ PORTS "state = \"var/lib\";",
		  "f:2: state: \"var/lib\" is not a whole path, from '/' on" },
		{ PORTS "state = \"\";", "f:2: state: \"\" is not a whole path, from '/' on" },
		{ PORTS "state = \"/a\\nb\";",
		  "f:2: state: \"/a?b\" has control characters in it" },
		{ PORTS "control = \"/" DIGITS_50 DIGITS_50 "12345678\";",
		  "f:2: control: is 109 bytes long: at most 107" },
		{ PORTS "device = { name = \"cs%d\"; };",
		  "f:2: device.name: \"cs%d\" is not the name of an "
		  "interface: 1 to 15 characters, none of \"/: %*?[]\\\"" },
		{ PORTS "device = { name = \"1234567890123456\"; };",
		  "f:2: device.name: \"1234567890123456\" "
		  "is not the name of an interface: 1 to 15 characters, none of \"/: %*?[]\\\"" },
		{ "ports = ( { interface = \"a b\"; } );",
		  "f:1: ports[0].interface: \"a b\" is not the name "
		  "of an interface or a pattern for it: 1 to 15 characters, none of \"/: \"" },
		{ "ports = ( { interface = \"\"; } );",
		  "f:1: ports[0].interface: \"\" is not the name of an "
		  "interface or a pattern for it: 1 to 15 characters, none of \"/: \"" },
		{ "ports = ( { interface = \"a\"; echo = \"yes\"; } );",
		  "f:1: ports[0].echo: \"yes\" is not known: must be \"auto\", \"always\" or "
		  "\"never\"" },
		{ PORTS "trust = { peers = ( { address = \"fe80::1\"; } ); };",
		  "f:2: trust.peers[0].address: "
		  "fe80::1 is not in fd00::/8, see \"crowdshare status\" of that node" },
		{ PORTS "trust = { peers = ( { address = \"fd00::g\"; } ); };",
		  "f:2: trust.peers[0].address: \"fd00::g\" is not an IPv6 address" },
		{ PORTS "trust = { peers = ( { address = \"fd00::1\"; name = \""
		  DIGITS_50 "12345678901234\"; } ); };",
		  "f:2: trust.peers[0].name: is 64 bytes long: at most 63" },
		{ PORTS "policy = { position = \"u3a\"; };",
		  "f:2: policy.position: \"u3a\" is not a geohash: "
		  "up to 12 of 0-9, b-z but i, l, o" },
		{ PORTS "policy = { position = \"u33u33u33u33u\"; };", "f:2: policy.position: "
		  "\"u33u33u33u33u\" is not a geohash: up to 12 of 0-9, b-z but i, l, o" },
		{ PORTS "policy = { deny-destinations = ( \"fd12::\", \"fd12::1/16\" ); };",
		  "f:2: policy.deny-destinations[1]: \"fd12::1/16\" has bits beyond the length of "
		  "the prefix" },
		{ PORTS "policy = { deny-destinations = ( \"fd12::/129\" ); };",
		  "f:2: policy.deny-destinations[0]: \"fd12::/129\" is not an IPv6 prefix, as "
		  "\"fd12::/16\"" },
		{ PORTS "policy = { deny-destinations = ( \"10.0.0.0/8\" ); };",
		  "f:2: policy.deny-destinations[0]: \"10.0.0.0/8\" is not an IPv6 prefix, as "
		  "\"fd12::/16\"" },
	};

	(void)state;
	CHECK_BAD(bad);
}

static void test_together(void **state)
{
	static const struct bad bad[] = {
		{ "ports = (\n{ interface = \"a\"; },\n{ interface = \"b\"; },\n{ interface = "
		  "\"a\"; });",
		  "f:4: ports[2].interface: this interface is there already, in line 2" },
		{ PORTS "trust = { peers = (\n{ address = \"fd00::1\"; },\n{ address = "
		  "\"fd00::0001\"; } ); };",
		  "f:4: trust.peers[1].address: this peer is there already, in line 3" },
		{ PORTS "trust = { peers = (\n{ address = \"fd00::1\"; name = \"a\"; },\n"
		  "{ address = \"fd00::2\"; name = \"a\"; } ); };",
		  "f:4: trust.peers[1].name: a peer of this name is there already, in line 3" },
		{ PORTS "market = { rates = (\n{ geohash = \"u3\"; rate = 1; },\n{ geohash = "
		  "\"U3\"; rate = 2; }"
		  " ); };",
		  "f:4: market.rates[1].geohash: a rate for this geohash is there already, in "
		  "line 3" },
		{ PORTS "market = { rates = ( { rate = 1; },\n{ rate = 2; } ); };",
		  "f:3: market.rates[1]: a rate for this geohash is there already, in line 2" },
		{ PORTS "trust = {\nmode = \"ca\"; };",
		  "f:3: trust.mode: mode \"ca\" needs the community's certificate: ca = \"FILE\"" },
		{ PORTS "sessions = {\nhello = 30; };",
		  "f:3: sessions.hello: timeout, 30s, must be longer than hello, 30s" },
		{ PORTS "sessions = {\nhello = 7;\ntimeout = 6; };",
		  "f:4: sessions.timeout: timeout, 6s, must be longer than hello, 7s" },
		{ PORTS "sessions = {\nrotate = 60; };",
		  "f:3: sessions.rotate: overlap, 60s, must be shorter than rotate, 60s" },
		{ PORTS "sessions = {\noverlap = \"2h\"; };",
		  "f:3: sessions.overlap: overlap, 7200s, must be shorter than rotate, 3600s" },
		{ PORTS "policy = { battery = {\nmin = 81; }; };",
		  "f:3: policy.battery.min: min, 81 per cent, must not be above full, 80 per "
		  "cent" },
		{ PORTS "policy = { battery = {\nfull = 19; }; };",
		  "f:3: policy.battery.full: min, 20 per cent, must not be above full, 19 per "
		  "cent" },
		{ PORTS "policy = {\nplan = { bytes = \"1GB\"; }; };",
		  "f:3: policy.plan: \"interface\" is missing" },
		{ PORTS "policy = {\nplan = { interface = \"wwan0\"; }; };",
		  "f:3: policy.plan: \"bytes\" is missing" },
		{ "\nports = ( { interface = \"cs0\"; } );",
		  "f:2: ports: cs0 is the crowdshare device, not a port" },
	};

	(void)state;
	CHECK_BAD(bad);
}

static void test_port(void **state)
{
	struct config config;

	(void)state;
	parse_ok(&config, "ports = ( { interface = \"wlan1\"; }, { interface = \"wlan[0-3]\"; },\n"
		 "{ interface = \"e?h*\"; }, { interface = \"c*\"; } );");
	assert_ptr_equal(config_port(&config, "wlan1"), &config.ports[0]);
	assert_ptr_equal(config_port(&config, "wlan2"), &config.ports[1]);
	assert_ptr_equal(config_port(&config, "eth0.5"), &config.ports[2]);
	assert_ptr_equal(config_port(&config, "can0"), &config.ports[3]);
	assert_null(config_port(&config, "wlan4"));
	assert_null(config_port(&config, "wlan10"));
	/* the pattern fits, but it is the device */
	assert_null(config_port(&config, "cs0"));
	config_free(&config);
	parse_ok(&config, "ports = ();");
	assert_null(config_port(&config, "wlan1"));
	config_free(&config);
}

static void write_file(const char *dir, const char *name, const void *data, size_t len)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	fclose(file);
}

static void write_text(const char *dir, const char *name, const char *text)
{
	write_file(dir, name, text, strlen(text));
}

static void check_file(const char *dir, const char *text, int rc, const char *says)
{
	struct cs_error error = { "" };
	struct config config;
	char path[256];

	write_text(dir, "main.conf", text);
	snprintf(path, sizeof(path), "%s/main.conf", dir);
	assert_int_equal(config_load(&config, path, &error), rc);
	if (strncmp(error.text, dir, says ? strlen(dir) : 0) || (says && !strstr(error.text, says)))
		fail_msg("'%s' does not say '%s'", error.text, says);
	config_free(&config);
}

static void test_files(void **state)
{
	char dir[] = "/tmp/crowdshare-config-XXXXXX", command[64];
	struct cs_error error = { "" };
	struct config config;
	char *large;

	(void)state;
	assert_non_null(mkdtemp(dir));
	/* the last line is a comment without a line end */
	check_file(dir, PORTS "# end", 0, NULL);
	write_text(dir, "more.conf", PORTS);
	check_file(dir, "@include \"more.conf\"\n", 0, NULL);
	/* lines are counted in the file that they are in, numbers are checked there too */
	check_file(dir, "\n@include \"more.conf\"\nlog = \"loud\";\n", -EINVAL, "/main.conf:3: "
	"log: ");
	write_text(dir, "more.conf", "\n" PORTS "store = { share = 0; };");
	check_file(dir, "@include \"more.conf\"\n", -EINVAL, "/more.conf:3: store.share: ");
	write_text(dir, "more.conf", "\n" PORTS "store = { bytes = 4294967296; };");
	check_file(dir, "@include \"more.conf\"\n", -EINVAL, "/more.conf:3: 4294967296 needs an L");
	write_text(dir, "more.conf", "\n\n=\n");
	check_file(dir, "@include \"more.conf\"\n", -EINVAL, "/more.conf:3: syntax error");
	check_file(dir, "\n@include \"none.conf\"\n", -EINVAL, "/main.conf:2: cannot open include "
	"file");
	check_file(dir, "\n@include \"/etc/passwd\"\n", -EINVAL, "/main.conf:2: cannot open "
	"include");
	check_file(dir, "@include \"main.conf\"\n", -EINVAL, "nesting too deep");

	write_file(dir, "zero", "a\0b", 3);
	snprintf(command, sizeof(command), "%s/zero", dir);
	assert_int_equal(config_load(&config, command, &error), -EINVAL);
	assert_non_null(strstr(error.text, "zero byte"));
	large = calloc(1, MIB);
	memset(large, '\n', MIB);
	write_file(dir, "large", large, MIB);
	free(large);
	snprintf(command, sizeof(command), "%s/large", dir);
	assert_int_equal(config_load(&config, command, &error), -EFBIG);
	snprintf(command, sizeof(command), "%s/none", dir);
	assert_int_equal(config_load(&config, command, &error), -ENOENT);
	assert_non_null(strstr(error.text, "/none: can't read: No such file"));
	assert_int_equal(config_load(&config, dir, &error), -EIO);
	assert_non_null(strstr(error.text, "Is a directory"));
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

/* A broken file that is too deep, or whose error is longer than an error can be. */
static void test_hostile(void **state)
{
	struct cs_error error = { "" };
	struct config config;
	char *text = malloc(MIB);
	size_t i;

	(void)state;
	memset(text, '(', MIB - 1);
	text[MIB - 1] = '\0';
	memcpy(text, "ports = ", 8);
	assert_int_equal(config_parse(&config, text, "f", &error), -EINVAL);
	assert_string_equal(error.text, "f:1: memory exhausted: nested too deeply");
	memset(text, 'x', MIB - 1);
	memcpy(text, "log = \"", 7);
	memcpy(text + MIB - 4, "\";", 3);
	assert_int_equal(config_parse(&config, text, "f", &error), -EINVAL);
	assert_non_null(strstr(error.text, "f:1: log: "
	"\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\" is not"));
	memset(text, 'x', MIB - 1);
	memcpy(text + MIB - 6, " = 1;", 6);
	assert_int_equal(config_parse(&config, text, "f", &error), -EINVAL);
	for (i = 0; error.text[i]; i++)
		assert_true(error.text[i] >= ' ');
	free(text);
}

static char *read_all(const char *name)
{
	char path[256], *text = calloc(1, MIB);
	FILE *file = fopen(name, "r");

	snprintf(path, sizeof(path), "%s%s", TOP, name);
	if (!file)
		file = fopen(path, "r");
	if (!file) {
		free(text);
		fail_msg("%s: not found", name);
	}
	assert_true(fread(text, 1, MIB - 1, file) > 0);
	fclose(file);
	return text;
}

/* What a new installation gets says what the defaults are, so every comment in it must be true. */
static void test_example(void **state)
{
	char *text = read_all("scripts/packaging/crowdshared.conf"), *p;
	struct config config, commented;

	(void)state;
	parse_ok(&config, text);
	assert_int_equal(config.trust.mode, TRUST_LIST);
	assert_int_equal(config.trust.nr_peers, 0);
	/* the settings that are commented out stand at the beginning of a line, as "#name" */
	for (p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (p[0] == '#' && p > text + 1 && strncmp(p, "#\tca "
		"=", 6) && strncmp(p, "#\tcertificate", 13) &&
		    ((p[1] >= 'a' && p[1] <= 'z') || p[1] == '\t' || p[1] == '}'))
			*p = ' ';
	}
	parse_ok(&commented, text);
	assert_int_equal(commented.level, config.level);
	assert_string_equal(commented.identity, config.identity);
	assert_string_equal(commented.state, config.state);
	assert_string_equal(commented.control, config.control);
	assert_memory_equal(&commented.device, &config.device, sizeof(config.device));
	assert_memory_equal(&commented.sessions, &config.sessions, sizeof(config.sessions));
	assert_memory_equal(&commented.store, &config.store, sizeof(config.store));
	assert_memory_equal(&commented.offers, &config.offers, sizeof(config.offers));
	assert_string_equal(commented.policy.battery_dir, config.policy.battery_dir);
	assert_int_equal(commented.policy.battery_min, config.policy.battery_min);
	assert_int_equal(commented.policy.battery_full, config.policy.battery_full);
	assert_int_equal(commented.policy.plan_day, config.policy.plan_day);
	assert_int_equal(commented.policy.plan_near, config.policy.plan_near);
	assert_int_equal(commented.policy.offers, config.policy.offers);
	assert_int_equal(commented.policy.contract_time, config.policy.contract_time);
	assert_int_equal(commented.policy.nr_rates, 2);
	config_free(&commented);
	config_free(&config);
	free(text);
}

/* Each example of the manual, which stands between .Bd and .Ed. */
static void test_manual(void **state)
{
	char *text = read_all("userspace/daemon/crowdshared.conf.5"), *p, *end, *from, *to;
	struct cs_error error = { "" };
	struct config config;
	char example[8192];
	int count = 0;

	(void)state;
	for (p = strstr(text, ".Bd -literal"); p; p = strstr(end, ".Bd -literal")) {
		p = strchr(p, '\n') + 1;
		end = strstr(p, ".Ed\n");
		assert_non_null(end);
		assert_true((size_t)(end - p) < sizeof(example) - sizeof(PORTS));
		/* "\&" and "\e" are of the markup */
		for (from = p, to = example; from < end; from++)
			if (from[0] == '\\' && from[1] == '&')
				from++;
			else
				*to++ = *from;
		*to = '\0';
		if (!strstr(example, "ports ="))
			strcat(example, PORTS);
		if (config_parse(&config, example, "example", &error))
			fail_msg("%s in\n%s", error.text, example);
		config_free(&config);
		count++;
	}
	assert_true(count >= 3);
	free(text);
}

/* The texts that values are: what is not in a file easily. */
static void test_texts(void **state)
{
	struct config_prefix prefix;
	uint64_t value;

	(void)state;
	assert_int_equal(value_size("18446744073709551615", &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(value_size("18446744073709551616", &value), -ERANGE);
	assert_int_equal(value_size("16777215TiB", &value), 0);
	assert_int_equal(value_size("16777216TiB", &value), -ERANGE);
	assert_int_equal(value_size("3 kB", &value), 0);
	assert_int_equal(value, 3000);
	assert_int_equal(value_size("3KB", &value), -EINVAL);
	assert_int_equal(value_size(" 3", &value), -EINVAL);
	assert_int_equal(value_size("0x10", &value), -EINVAL);
	assert_int_equal(value_time("213503982334601d", &value), 0);
	assert_int_equal(value_time("213503982334602d", &value), -ERANGE);
	assert_int_equal(value_decimal("0.001", 3, &value), 0);
	assert_int_equal(value, 1);
	assert_int_equal(value_decimal("0.01", 3, &value), 0);
	assert_int_equal(value, 10);
	assert_int_equal(value_decimal("18446744073709551.615", 3, &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(value_decimal("18446744073709551.616", 3, &value), -ERANGE);
	assert_int_equal(value_decimal("1.2.3", 3, &value), -EINVAL);
	assert_int_equal(value_decimal(".5", 3, &value), -EINVAL);
	assert_int_equal(value_decimal("1e3", 3, &value), -EINVAL);
	assert_int_equal(value_prefix("::/0", &prefix), 0);
	assert_int_equal(prefix.len, 0);
	assert_int_equal(value_prefix("::1/128", &prefix), 0);
	assert_int_equal(value_prefix("fd12::/", &prefix), -EINVAL);
	assert_int_equal(value_prefix("fd13::/15", &prefix), -ERANGE);
	assert_int_equal(value_distance("kitten", "sitting"), 3);
	assert_int_equal(value_distance("", "abc"), 3);
	assert_int_equal(value_distance("abc", ""), 3);
	assert_int_equal(value_distance("share", "share"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_bad_gateway),
		cmocka_unit_test(test_gateway),
		cmocka_unit_test(test_bucket),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_cut_numbers),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_port),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_manual),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
