// SPDX-License-Identifier: GPL-2.0
/*
 * csnl seen: the seen-set of a device: look, save, load, forget.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "csnl/csnl.h"
#include "lib/seenset.h"

static const char usage[] =
	"Usage: csnl seen show [dev DEV]              (with csnl -d: every entry)\n"
	"       csnl seen get DIGEST [dev DEV]        (exit status: 0 known, 1 not known)\n"
	"       csnl seen save FILE [dev DEV]\n"
	"       csnl seen load FILE [dev DEV]\n"
	"       csnl seen flush [dev DEV]\n"
	"DIGEST is 128 hexadecimal digits, or its first 32. FILE - is standard input or output.\n"
	"dev DEV may be left out when there is only one crowdshare device.\n"
	"After flush, messages that still travel are taken, and forwarded, once more.\n";

static uint32_t parse_dev(struct csnl *cs, struct args *args)
{
	uint32_t ifindex = 0;

	while (args->left) {
		if (!args_option(args, "dev"))
			args_unknown(args);
		ifindex = args_ifindex(args, "dev", NULL);
	}
	return ifindex ? ifindex : dev_only(cs, args);
}

static struct nlmsghdr *prepare(struct csnl *cs, uint8_t cmd, uint32_t ifindex)
{
	struct nlmsghdr *nlh = cs_nl_prepare(csnl_nl(cs), cmd);

	mnl_attr_put_u32(nlh, CROWDSHARE_A_SEEN_DEV_IFINDEX, ifindex);
	return nlh;
}

static void dump_entries(struct csnl *cs, struct args *args, uint32_t ifindex,
			 struct seenfile *file)
{
	struct cs_nl *nl = csnl_need_nl(cs);
	int rc;

	rc = cs_seenset_dump(nl, ifindex, file);
	if (rc)
		args_die(args, "%s", nl->error[0] ? nl->error : strerror(-rc));
}

static json_t *entries_json(const struct seenfile *file)
{
	json_t *list = json_array(), *entry;
	size_t i;

	for (i = 0; i < file->count; i++) {
		entry = json_object();
		put_hex(entry, "digest", file->entry[i].digest, 16);
		put(entry, "left", json_integer(file->entry[i].left));
		json_array_append_new(list, entry);
	}
	return list;
}

static void seen_print(const json_t *seen)
{
	const json_t *entry;
	size_t i;

	printf("%s: seen %lld of %lld bytes %lld clock %s allowance %lld\n",
	       get_string(seen, "dev"), get_number(seen, "count"), get_number(seen, "max"),
	       get_number(seen, "bytes"), get_string(seen, "clock"),
	       get_number(seen, "clock_allowance"));
	json_array_foreach(json_object_get(seen, "entries"), i, entry)
		printf("    %s left %lld\n", get_string(entry, "digest"),
		       get_number(entry, "left"));
}

/* What of a device is about its seen-set. */
static json_t *seen_json(struct csnl *cs, struct args *args, const json_t *dev)
{
	static const char *const keys[][2] = {
		{ "dev", "ifname" }, { "dev_ifindex", "ifindex" }, { "count", "seen_count" },
		{ "max", "seen_max" }, { "bytes", "seen_bytes" }, { "clock", "clock" },
		{ "clock_allowance", "clock_allowance" }, { "lifetime_max", "lifetime_max" },
	};
	struct seenfile file = { 0 };
	json_t *seen = json_object();
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (json_object_get(dev, keys[i][1]))
			put(seen, keys[i][0], json_incref(json_object_get(dev, keys[i][1])));
	if (cs->details) {
		dump_entries(cs, args, get_number(dev, "ifindex"), &file);
		put(seen, "entries", entries_json(&file));
		seenfile_free(&file);
	}
	return seen;
}

static int seen_show(struct csnl *cs, struct args *args)
{
	json_t *devs, *list = json_array(), *dev;
	size_t i;

	devs = args->left ? dev_get(cs, args, parse_dev(cs, args)) : dev_list(cs, args);
	json_array_foreach(devs, i, dev)
		json_array_append_new(list, seen_json(cs, args, dev));
	json_decref(devs);
	print_list(cs, list, seen_print);
	return EXIT_YES;
}

/* A digest in full, or its first 16 bytes: the kernel looks at no more. */
static void parse_digest(struct args *args, uint8_t digest[CROWDSHARE_DIGEST_LEN])
{
	const char *word = args_next(args, "DIGEST");
	size_t len = strlen(word), i;
	unsigned int byte;

	if ((len != 128 && len != 32) || strspn(word, "0123456789abcdefABCDEF") != len)
		args_die(args, "DIGEST '%s' is not 128 hexadecimal digits, nor the first 32", word);
	memset(digest, 0, CROWDSHARE_DIGEST_LEN);
	for (i = 0; i < len / 2; i++) {
		sscanf(word + 2 * i, "%2x", &byte);
		digest[i] = byte;
	}
}

static int get_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *a[CROWDSHARE_A_SEEN_MAX + 1];
	json_t *answer = data;

	cs_nl_attrs(nlh, a, CROWDSHARE_A_SEEN_MAX);
	put_u32(answer, "left", a[CROWDSHARE_A_SEEN_LEFT]);
	return 0;
}

static int seen_get(struct csnl *cs, struct args *args)
{
	uint8_t digest[CROWDSHARE_DIGEST_LEN];
	json_t *answer = json_object();
	struct nlmsghdr *nlh;
	struct cs_nl *nl;
	uint32_t ifindex;
	bool known;
	int rc;

	parse_digest(args, digest);
	ifindex = parse_dev(cs, args);
	nlh = prepare(cs, CROWDSHARE_CMD_SEEN_GET, ifindex);
	mnl_attr_put(nlh, CROWDSHARE_A_SEEN_DIGEST, sizeof(digest), digest);
	nl = csnl_need_nl(cs);
	put(answer, "known", json_false());
	rc = cs_nl_do(nl, nlh, get_cb, answer);
	if (rc && rc != -ENOENT)
		args_die(args, "%s", nl->error);
	known = !rc;
	put(answer, "known", json_boolean(known));
	if (cs->json)
		print_json(cs, answer);
	else if (known)
		printf("known left %lld\n", get_number(answer, "left"));
	else
		printf("not known\n");
	flush_output();
	json_decref(answer);
	return known ? EXIT_YES : EXIT_NO;
}

static int seen_save(struct csnl *cs, struct args *args)
{
	const char *path = args_next(args, "FILE");
	struct seenfile file = { 0 };
	char error[4352];
	size_t size, count;
	uint8_t *data;

	dump_entries(cs, args, parse_dev(cs, args), &file);
	file.saved = time(NULL);
	count = file.count;
	data = seenfile_encode(&file, &size);
	if (!data)
		args_die(args, "file '%s': %s", path, strerror(ENOMEM));
	if (seenfile_write(path, data, size, error, sizeof(error)))
		args_die(args, "%s", error);
	fprintf(stderr, "csnl: seen save: %zu entries saved\n", count);
	free(data);
	seenfile_free(&file);
	return EXIT_YES;
}

/* Send all entries; what was loaded before an error is loaded and said so. */
static size_t load_entries(struct csnl *cs, struct args *args, uint32_t ifindex,
			   const struct seenfile *file)
{
	struct cs_nl *nl = csnl_need_nl(cs);
	size_t loaded;

	if (cs_seenset_load(nl, ifindex, file->entry, file->count, &loaded))
		args_die(args, "%s; at least %zu of %zu entries are loaded", nl->error, loaded,
			 file->count);
	return loaded;
}

static void load_file(struct args *args, const char *path, struct seenfile *file)
{
	char error[4352];
	uint8_t *data;
	size_t size;

	data = seenfile_read(path, &size, error, sizeof(error));
	if (!data)
		args_die(args, "%s", error);
	if (seenfile_decode(file, data, size, error, sizeof(error)))
		args_die(args, "file '%s': %s; nothing loaded", path, error);
	free(data);
}

static int seen_load(struct csnl *cs, struct args *args)
{
	const char *path = args_next(args, "FILE");
	struct seenfile file = { 0 };
	size_t expired, loaded;
	uint32_t ifindex = 0;
	json_t *answer;

	/* first what needs no module: the rest of the command line and the file */
	if (args->left)
		ifindex = parse_dev(cs, args);
	load_file(args, path, &file);
	if (!ifindex)
		ifindex = dev_only(cs, args);
	expired = seenfile_age(&file, time(NULL));
	loaded = load_entries(cs, args, ifindex, &file);
	if (cs->json) {
		answer = json_pack("{s:I, s:I, s:I}", "loaded", (json_int_t)loaded, "known",
				   (json_int_t)(file.count - loaded), "expired",
				   (json_int_t)expired);
		print_json(cs, answer);
		json_decref(answer);
	} else {
		printf("loaded %zu known %zu expired %zu\n", loaded, file.count - loaded, expired);
		flush_output();
	}
	seenfile_free(&file);
	return EXIT_YES;
}

static int seen_flush(struct csnl *cs, struct args *args)
{
	uint32_t ifindex = parse_dev(cs, args);

	csnl_do(cs, args, prepare(cs, CROWDSHARE_CMD_SEEN_DEL, ifindex), NULL, NULL);
	return EXIT_YES;
}

int csnl_seen(struct csnl *cs, struct args *args)
{
	static const struct command commands[] = {
		{ "show", seen_show },
		{ "get", seen_get },
		{ "save", seen_save },
		{ "load", seen_load },
		{ "flush", seen_flush },
		{ NULL, NULL },
	};
	static const struct object seen = { "seen", commands, seen_show, usage };

	return object_run(cs, args, &seen);
}
