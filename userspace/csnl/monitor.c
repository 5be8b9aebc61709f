// SPDX-License-Identifier: GPL-2.0
/*
 * csnl monitor: events as they happen.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "csnl/csnl.h"

static const char usage[] =
	"Usage: csnl monitor\n"
	"Prints events until it is stopped: devices changed or full, ports and peers, and their\n"
	"keys, added, changed or removed, contracts added, exhausted or removed.\n";

/* What the events are called and how their objects are shown. */
static const struct event {
	const char	*name;
	const char	*label;
	json_t		*(*parse)(const struct nlmsghdr *nlh);
	void		(*print)(const json_t *object);
} events[] = {
	[CROWDSHARE_CMD_DEV_NTF] = { "dev", "dev", dev_json, dev_print },
	[CROWDSHARE_CMD_PORT_NTF] = { "port", "port", port_json, port_print },
	[CROWDSHARE_CMD_PORT_DEL_NTF] = { "port_del", "deleted port", port_json, port_print },
	[CROWDSHARE_CMD_PEER_NTF] = { "peer", "peer", peer_json, peer_print },
	[CROWDSHARE_CMD_PEER_DEL_NTF] = { "peer_del", "deleted peer", peer_json, peer_print },
	[CROWDSHARE_CMD_CONTRACT_NTF] = { "contract", "contract", contract_json, contract_print },
	[CROWDSHARE_CMD_CONTRACT_DEL_NTF] = { "contract_del", "deleted contract", contract_json,
					      contract_print },
};

static void timestamp(char *text, size_t size)
{
	struct timespec now;
	struct tm tm;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	len = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + len, size - len, ".%06ldZ", now.tv_nsec / 1000);
}

/* An event that says more than what its object is like now. */
static const char *special(const json_t *object, const char *full, const char *exhausted)
{
	if (json_object_get(object, "full"))
		return full;
	return json_object_get(object, "exhausted") ? exhausted : NULL;
}

static int event_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct csnl *cs = data;
	const struct event *event;
	json_t *object, *line;
	const char *name;
	char time[40];

	timestamp(time, sizeof(time));
	if (cs_nl_cmd(nlh) >= sizeof(events) / sizeof(*events) ||
	    !events[cs_nl_cmd(nlh)].name)
		return 0;
	event = &events[cs_nl_cmd(nlh)];
	object = event->parse(nlh);
	if (cs->json) {
		line = json_object();
		put(line, "time", json_string(time));
		name = special(object, "full", "exhausted");
		put(line, "event", json_string(name ? name : event->name));
		json_object_update(line, object);
		print_json(cs, line);
		json_decref(line);
	} else {
		name = special(object, "seen-set full", "exhausted contract");
		printf("%s %s ", time, name ? name : event->label);
		event->print(object);
		flush_output();
	}
	json_decref(object);
	return 0;
}

static int run(struct csnl *cs, struct args *args)
{
	struct cs_nl *nl;
	int rc;

	args_end(args);
	nl = csnl_need_nl(cs);
	if (cs_nl_subscribe(nl))
		args_die(args, "%s", nl->error);
	/* so that a script knows that from here on nothing is missed */
	fputs("csnl: monitor: listening\n", stderr);
	for (;;) {
		rc = cs_nl_listen(nl, event_cb, cs);
		if (rc == -ENOBUFS)
			fputs("csnl: monitor: events were lost\n", stderr);
		else if (rc && rc != -EINTR)
			args_die(args, "%s", nl->error);
	}
}

int csnl_monitor(struct csnl *cs, struct args *args)
{
	static const struct object object = { "monitor", NULL, run, usage };

	return object_run(cs, args, &object);
}
