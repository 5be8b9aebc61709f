// SPDX-License-Identifier: GPL-2.0
/*
 * Judges what was captured. A rule is a word and the interfaces and the direction that it is about:
 *
 *	RULE INTERFACE in|out [ARGUMENT...]
 *
 * INTERFACE is a pattern, and the rule must hold for each interface that fits, each for itself; a
 * pattern that fits none is a mistake in the test and fails it. Whatever the rules, a log with
 * frames lost by the capture itself fails.
 */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caplog.h"
#include "die.h"
#include "frame.h"
#include "link.h"

#define WORDS	8
#define REPAIRS_MAX	3	/* as often as a daemon sends a message in a frame */

/* A list of digests, sorted, as csmsg writes them. */
struct digests {
	uint8_t (*list)[CS_DIGEST_LEN];
	size_t nr;
};

/* The frames of one interface and direction, sorted by digest, and the rule they are held to. */
struct slice {
	const struct cap_log *log;
	const struct cap_iface *iface;
	enum cap_dir dir;
	const struct cap_frame *frames;
	size_t nr;
	char **words;
	bool failed;
};

static int compare_digests(const void *a, const void *b)
{
	return memcmp(a, b, CS_DIGEST_LEN);
}

static int compare_frames(const void *a, const void *b)
{
	const struct cap_frame *f = a, *g = b;

	if (f->iface != g->iface)
		return f->iface < g->iface ? -1 : 1;
	if (f->dir != g->dir)
		return f->dir < g->dir ? -1 : 1;
	return memcmp(f->digest, g->digest, sizeof(f->digest));
}

static void say(struct slice *slice, const struct cap_frame *frame, const char *format, ...)
{
	va_list arguments;

	/* one example tells enough */
	if (slice->failed)
		return;
	slice->failed = true;
	printf("%s %s: ", slice->iface->label, slice->dir == CAP_IN ? "in" : "out");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	if (frame)
		printf(" (digest %02x%02x%02x%02x%02x%02x%02x%02x)", frame->digest[0],
		       frame->digest[1], frame->digest[2], frame->digest[3], frame->digest[4],
		       frame->digest[5], frame->digest[6], frame->digest[7]);
	printf("\n");
}

static uint64_t argument(struct slice *slice, int nr)
{
	uint64_t value;
	char *end;

	if (!slice->words[nr])
		die("rule %s: a number is missing", slice->words[0]);
	value = strtoull(slice->words[nr], &end, 0);
	if (end == slice->words[nr] || *end)
		die("rule %s: '%s' is no number", slice->words[0], slice->words[nr]);
	return value;
}

/* Adds what is in a file. */
static void read_digests(const char *file, struct digests *digests)
{
	char line[2 * CS_DIGEST_LEN + 2];
	FILE *f;
	int i;

	if (!file)
		die("a rule lacks its file of digests");
	f = fopen(file, "r");
	if (!f)
		die("%s: %s", file, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (digests->nr % 1024 == 0) {
			digests->list = realloc(digests->list,
						(digests->nr + 1024) * CS_DIGEST_LEN);
			if (!digests->list)
				die("out of memory");
		}
		for (i = 0; i < CS_DIGEST_LEN; i++)
			if (sscanf(line + 2 * i, "%2hhx", &digests->list[digests->nr][i]) != 1)
				die("%s: line %zu: no digest", file, digests->nr + 1);
		digests->nr++;
	}
	fclose(f);
}

/* How many frames from @at on have the same digest. */
static size_t copies(const struct slice *slice, size_t at)
{
	size_t n = 1;

	while (at + n < slice->nr &&
	       !memcmp(slice->frames[at].digest, slice->frames[at + n].digest, CS_DIGEST_LEN))
		n++;
	return n;
}

static bool listed(const struct digests *digests, const struct cap_frame *frame)
{
	return digests->nr && bsearch(frame->digest, digests->list, digests->nr, CS_DIGEST_LEN,
				      compare_digests);
}

/* The frames with a digest, or NULL. */
static const struct cap_frame *find(const struct slice *slice, const uint8_t *digest)
{
	size_t low = 0, high = slice->nr, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (memcmp(slice->frames[middle].digest, digest, CS_DIGEST_LEN) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < slice->nr && !memcmp(slice->frames[low].digest, digest, CS_DIGEST_LEN))
		return &slice->frames[low];
	return NULL;
}

/* Each digest at most @most times. */
static void check_most(struct slice *slice, size_t most)
{
	size_t i, n;

	for (i = 0; i < slice->nr; i += n) {
		n = copies(slice, i);
		if (n > most)
			say(slice, &slice->frames[i],
			    "%zu copies of a message, at most %zu allowed", n, most);
	}
}

static void rule_once(struct slice *slice)
{
	check_most(slice, 1);
}

/*
 * As once, but for what was sent again to a peer alone because its daemon said that it lacks it,
 * which has its own bound.
 */
static void rule_repaired(struct slice *slice)
{
	size_t i, j, n, repairs;

	for (i = 0; i < slice->nr; i += n) {
		n = copies(slice, i);
		for (j = repairs = 0; j < n; j++)
			repairs += !(slice->frames[i + j].dst[0] & 1);
		if (n - repairs > 1 || repairs > REPAIRS_MAX)
			say(slice, &slice->frames[i], "%zu copies of a message, and %zu repairs",
			    n - repairs, repairs);
	}
}

/* All frames' digests stand in the file; if @all, all in the file were seen. */
static void check_set(struct slice *slice, bool all)
{
	struct digests digests = {};
	size_t i, missing = 0;

	for (i = 3; i == 3 || slice->words[i]; i++)
		read_digests(slice->words[i], &digests);
	qsort(digests.list, digests.nr, CS_DIGEST_LEN, compare_digests);
	for (i = 0; i < slice->nr; i++)
		if (!listed(&digests, &slice->frames[i]))
			say(slice, &slice->frames[i], "a message that should not be there");
	for (i = 0; all && i < digests.nr; i++)
		missing += !find(slice, digests.list[i]);
	if (missing)
		say(slice, NULL, "%zu of %zu messages missing", missing, digests.nr);
	free(digests.list);
}

static void rule_set(struct slice *slice)
{
	check_set(slice, true);
}

static void rule_subset(struct slice *slice)
{
	check_set(slice, false);
}

static void rule_exact(struct slice *slice)
{
	check_set(slice, true);
	check_most(slice, 1);
}

static void rule_none(struct slice *slice)
{
	if (slice->nr)
		say(slice, &slice->frames[0], "%zu frames, there should be none", slice->nr);
}

static void rule_count(struct slice *slice)
{
	if (slice->nr != argument(slice, 3))
		say(slice, NULL, "%zu frames, expected %s", slice->nr, slice->words[3]);
}

static void rule_copies(struct slice *slice)
{
	size_t i, n;

	for (i = 0; i < slice->nr; i += n) {
		n = copies(slice, i);
		if (n != argument(slice, 3))
			say(slice, &slice->frames[i], "%zu copies of a message, expected %s", n,
			    slice->words[3]);
	}
}

static void rule_whole(struct slice *slice)
{
	size_t i;

	for (i = 0; i < slice->nr; i++)
		if (!slice->frames[i].whole)
			say(slice, &slice->frames[i], "a message that is not what its digest says");
}

static void rule_hops(struct slice *slice)
{
	size_t i;

	for (i = 0; i < slice->nr; i++)
		if (slice->frames[i].link.hops_left != argument(slice, 3))
			say(slice, &slice->frames[i], "hops_left is %u, expected %s",
			    slice->frames[i].link.hops_left, slice->words[3]);
}

static void check_mac(struct slice *slice, size_t offset, const char *what)
{
	uint8_t mac[6];
	size_t i;

	if (!slice->words[3])
		die("rule %s: the address is missing", slice->words[0]);
	link_parse_mac(slice->words[3], mac);
	for (i = 0; i < slice->nr; i++)
		if (memcmp((const uint8_t *)&slice->frames[i] + offset, mac, sizeof(mac)))
			say(slice, &slice->frames[i], "%s is not %s", what, slice->words[3]);
}

static void rule_src(struct slice *slice)
{
	check_mac(slice, offsetof(struct cap_frame, src), "source");
}

static void rule_dst(struct slice *slice)
{
	check_mac(slice, offsetof(struct cap_frame, dst), "destination");
}

static void check_key_id(struct slice *slice)
{
	size_t i;

	for (i = 0; i < slice->nr; i++)
		if (slice->frames[i].link.key_id != argument(slice, 3))
			say(slice, &slice->frames[i], "key_id is %u, expected %s",
			    slice->frames[i].link.key_id, slice->words[3]);
}

static void rule_tagged(struct slice *slice)
{
	uint8_t key[CS_KEY_LEN], tag[CS_TAG_LEN];
	const struct cap_frame *frame;
	size_t i;

	check_key_id(slice);
	if (!slice->words[4])
		die("rule tagged: the key file is missing");
	frame_read_key(slice->words[4], key);
	for (i = 0; i < slice->nr; i++) {
		frame = &slice->frames[i];
		frame_tag(&frame->link, frame->src, frame->digest, key, tag);
		if (memcmp(tag, frame->link.tag, sizeof(tag)))
			say(slice, frame, "tag is not that of key %s", slice->words[4]);
	}
}

static void rule_untagged(struct slice *slice)
{
	static const uint8_t zero[CS_TAG_LEN];
	size_t i;

	for (i = 0; i < slice->nr; i++)
		if (slice->frames[i].link.key_id != CS_KEY_NONE ||
		    memcmp(slice->frames[i].link.tag, zero, sizeof(zero)))
			say(slice, &slice->frames[i], "a tag where there should be none");
}

/* What a relay must make anew, or leave as nothing. */
static void rule_relayed(struct slice *slice)
{
	size_t i;

	for (i = 0; i < slice->nr; i++)
		if (slice->frames[i].link.contract || slice->frames[i].link.counter)
			say(slice, &slice->frames[i], "contract or counter is not zero");
}

static struct slice take(const struct cap_log *log, uint32_t iface, enum cap_dir dir)
{
	struct slice slice = { .log = log, .iface = &log->ifaces[iface], .dir = dir };
	uint64_t i = 0;

	while (i < log->nr_frames &&
	       (log->frames[i].iface < iface ||
		(log->frames[i].iface == iface && log->frames[i].dir < dir)))
		i++;
	slice.frames = &log->frames[i];
	while (i + slice.nr < log->nr_frames && slice.frames[slice.nr].iface == iface &&
	       slice.frames[slice.nr].dir == dir)
		slice.nr++;
	return slice;
}

/* Did the frame that was delivered come in here? Its Ethernet header is that of the neighbour. */
static bool came_by(const struct slice *in, const struct cap_frame *delivered)
{
	const struct cap_frame *frame = find(in, delivered->digest);

	for (; frame && frame < in->frames + in->nr &&
	       !memcmp(frame->digest, delivered->digest, CS_DIGEST_LEN); frame++)
		if (!memcmp(frame->src, delivered->src, sizeof(frame->src)))
			return true;
	return false;
}

/*
 * For "noecho NS:cs0 in" and "echo NS:cs0 in": what was delivered tells by its source which port
 * it was taken from. Out of that port each such message must not go, or go exactly once.
 */
static void check_echo(struct slice *delivered, size_t expected)
{
	const char *label = delivered->iface->label;
	size_t prefix = strchr(label, ':') ? strchr(label, ':') - label + 1 : 0;
	uint32_t i;
	size_t j;

	for (i = 0; i < delivered->log->nr_ifaces; i++) {
		const struct cap_iface *iface = &delivered->log->ifaces[i];
		struct slice in = take(delivered->log, i, CAP_IN);
		struct slice out = take(delivered->log, i, CAP_OUT);

		if (iface == delivered->iface || strncmp(iface->label, label, prefix))
			continue;
		for (j = 0; j < delivered->nr; j++) {
			const struct cap_frame *frame = &delivered->frames[j];
			const struct cap_frame *echo;

			if (!came_by(&in, frame))
				continue;
			echo = find(&out, frame->digest);
			if ((echo ? copies(&out, echo - out.frames) : 0) != expected)
				say(delivered, frame, "taken from %s, and went out there %s",
				    iface->label, expected ? "not exactly once" : "again");
		}
	}
}

static void rule_noecho(struct slice *slice)
{
	check_echo(slice, 0);
}

static void rule_echo(struct slice *slice)
{
	check_echo(slice, 1);
}

static const struct {
	const char *name;
	void (*check)(struct slice *slice);
	const char *help;
} rules[] = {
	{ "once", rule_once, "each message at most once" },
	{ "repaired", rule_repaired, "each message at most once, repairs apart" },
	{ "exact", rule_exact, "FILE...: exactly the messages in them, each once" },
	{ "set", rule_set, "FILE...: exactly the messages in them, each as often as you like" },
	{ "subset", rule_subset, "FILE...: no message that is not in them" },
	{ "none", rule_none, "no frame" },
	{ "count", rule_count, "N: that many frames" },
	{ "copies", rule_copies, "N: each message that many times" },
	{ "whole", rule_whole, "all frames have right lengths and digests" },
	{ "hops", rule_hops, "N: hops_left of all" },
	{ "src", rule_src, "MAC: source of all" },
	{ "dst", rule_dst, "MAC: destination of all" },
	{ "tagged", rule_tagged, "ID KEYFILE: key_id and tag of all" },
	{ "untagged", rule_untagged, "key_id and tag of all are zero" },
	{ "relayed", rule_relayed, "contract and counter of all are zero" },
	{ "noecho", rule_noecho, "(of a crowdshare device, in) none went out where it came from" },
	{ "echo", rule_echo,
	  "(of a crowdshare device, in) each went out where it came from, once" },
};

#define NR_RULES (sizeof(rules) / sizeof(*rules))

static void split(char *rule, char **words)
{
	int n = 0;
	char *word;

	memset(words, 0, WORDS * sizeof(*words));
	for (word = strtok(rule, " "); word; word = strtok(NULL, " ")) {
		if (n == WORDS - 1)
			die("a rule has too many words, from '%s' on", word);
		words[n++] = word;
	}
	if (n < 3 || (strcmp(words[2], "in") && strcmp(words[2], "out")))
		die("rule '%s': should be RULE INTERFACE in|out ...", words[0] ? words[0] : "");
}

static bool check_rule(const struct cap_log *log, char *text)
{
	char *words[WORDS], *copy = strdup(text);
	bool good = true, fits = false;
	size_t r = 0;
	uint32_t i;

	split(copy, words);
	while (r < NR_RULES && strcmp(rules[r].name, words[0]))
		r++;
	if (r == NR_RULES)
		die("no rule '%s'", words[0]);
	for (i = 0; i < log->nr_ifaces; i++) {
		struct slice slice;

		if (fnmatch(words[1], log->ifaces[i].label, 0))
			continue;
		fits = true;
		slice = take(log, i, strcmp(words[2], "in") ? CAP_OUT : CAP_IN);
		slice.words = words;
		rules[r].check(&slice);
		good &= !slice.failed;
	}
	if (!fits)
		die("rule '%s': no interface '%s' was captured", words[0], words[1]);
	if (!good)
		printf("rule broken: %s\n", text);
	free(copy);
	return good;
}

/**
 * rules_check() - holds all rules against a log
 * @log: what was captured; gets sorted
 * @rules: the rules
 * @nr: how many
 *
 * Return: true if all hold.
 */
bool rules_check(struct cap_log *log, char **texts, int nr)
{
	bool good = true;
	uint32_t i;
	int r;

	qsort(log->frames, log->nr_frames, sizeof(*log->frames), compare_frames);
	for (i = 0; i < log->nr_ifaces; i++) {
		if (log->ifaces[i].lost) {
			printf("%s: the capture lost %" PRIu64 " frames\n", log->ifaces[i].label,
			       log->ifaces[i].lost);
			good = false;
		}
	}
	for (r = 0; r < nr; r++)
		good &= check_rule(log, texts[r]);
	return good;
}

/* Prints for each interface: frames in, different messages in, the same out, foreign frames. */
void rules_table(struct cap_log *log)
{
	uint32_t i;
	size_t j;
	int dir;

	qsort(log->frames, log->nr_frames, sizeof(*log->frames), compare_frames);
	for (i = 0; i < log->nr_ifaces; i++) {
		printf("%s", log->ifaces[i].label);
		for (dir = CAP_IN; dir <= CAP_OUT; dir++) {
			struct slice slice = take(log, i, dir);
			size_t messages = 0;

			for (j = 0; j < slice.nr; j += copies(&slice, j))
				messages++;
			printf(" %zu %zu", slice.nr, messages);
		}
		printf(" %" PRIu64 " %" PRIu64 "\n", log->ifaces[i].foreign[CAP_IN],
		       log->ifaces[i].foreign[CAP_OUT]);
	}
}

static void print_mac(const uint8_t *mac)
{
	printf(" %02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

/* Prints the frames, in the order in which they were read from the sockets. */
void rules_dump(struct cap_log *log)
{
	const struct cap_frame *f;
	int i;

	for (f = log->frames; f < log->frames + log->nr_frames; f++) {
		printf("%s %s", log->ifaces[f->iface].label, f->dir == CAP_IN ? "in" : "out");
		print_mac(f->src);
		print_mac(f->dst);
		printf(" len %u hops %u key %u contract %u %s ", f->len, f->link.hops_left,
		       f->link.key_id, __builtin_bswap32(f->link.contract),
		       f->whole ? "whole" : "BROKEN");
		for (i = 0; i < 8; i++)
			printf("%02x", f->digest[i]);
		printf("\n");
	}
}

/* Prints what the rules are. */
void rules_help(void)
{
	size_t r;

	for (r = 0; r < NR_RULES; r++)
		printf("  %-10s%s\n", rules[r].name, rules[r].help);
}
