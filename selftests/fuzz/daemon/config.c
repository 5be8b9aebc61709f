// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer target of the configuration: any text is taken or refused with a reason, nothing leaks,
 * and no other file is opened. What is taken keeps its promises.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/*
 * libconfig 1.5 loses the text that it was reading when it finds a syntax error, a few bytes for
 * each broken file. What a forgotten config_destroy() loses comes from elsewhere, and is seen.
 */
const char *__lsan_default_suppressions(void)
{
	return "leak:strbuf_append\nleak:libconfig_yylex\n";
}

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void check_config(const struct config *config)
{
	const struct config_policy *policy = &config->policy;
	size_t i;

	for (i = 0; i < config->nr_ports; i++) {
		check(*config->ports[i].interface, "a port without an interface");
		check(config->ports[i].terms <= CROWDSHARE_PEER_DENY, "terms");
	}
	for (i = 0; i < config->trust.nr_peers; i++)
		check(config->trust.peers[i].address[0] == 0xfd, "a peer that can't be");
	for (i = 0; i < policy->nr_deny; i++)
		check(policy->deny_destinations[i].len <= 128, "a prefix that is too long");
	check(config->trust.mode != TRUST_CA || *config->trust.ca, "mode ca without ca");
	check(config->sessions.tcp_port, "port 0");
	check(config->sessions.overlap < config->sessions.rotate, "overlap");
	check(config->sessions.hello < config->sessions.timeout, "timeout");
	check(config->store.bytes >= 1 << 20 && config->store.share - 1 < 100, "store");
	check(policy->battery_min <= policy->battery_full, "battery");
	check(!policy->plan_bytes == !*policy->plan_interface, "half a plan");
	check(config->identity[0] == '/' && config->store.path[0] == '/', "paths");
	config_port(config, "wlan0");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cs_error error = { "" };
	char *text = malloc(size + 1);
	struct config config;

	memcpy(text, data, size);
	text[size] = '\0';
	if (config_parse(&config, text, "fuzz", &error)) {
		check(error.text[0] && !strchr(error.text, '\n'), "no reason, or no line");
		check(!config.ports && !config.trust.peers, "something is left of it");
	} else {
		check(!error.text[0], "a reason, and no failure");
		check_config(&config);
		config_free(&config);
	}
	free(text);
	return 0;
}
