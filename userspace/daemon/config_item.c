// SPDX-License-Identifier: GPL-2.0
/*
 * Settings: each kind of value is read, and refused, in one place.
 *
 * What is refused names file, line, the setting, what is wrong and what is allowed. A text from the
 * file is shown shortened and without control characters: errors are read on terminals.
 *
 * The functions that read a setting are of type item_reader, which says what they get and return.
 * Nothing keeps state between calls.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_item.h"
#include "daemon/config_value.h"

#define SHOWN	40		/* bytes of a text that is wrong */
#define DAY	86400

/* Only what can be printed on one line: a log is read on terminals. */
static void printable(const char *text, char *buf, size_t size)
{
	size_t i;

	for (i = 0; text[i] && i < size - 1; i++)
		buf[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
	buf[i] = '\0';
}

/* "ports[1].echo" */
static void write_name(const config_setting_t *setting, char *buf, size_t size)
{
	size_t len;

	*buf = '\0';
	if (config_setting_is_root(setting))
		return;
	write_name(config_setting_parent(setting), buf, size);
	len = strlen(buf);
	if (config_setting_name(setting))
		snprintf(buf + len, size - len, "%s%s", len ? "." : "",
			 config_setting_name(setting));
	else
		snprintf(buf + len, size - len, "[%d]", config_setting_index(setting));
}

/**
 * item_file() - the name of a file under which it can be found
 * @reader: file that is being read
 * @file: as libconfig names it: NULL: the file itself; else as it was included
 * @buf: result
 * @size: bytes of @buf
 */
void item_file(const struct reader *reader, const char *file, char *buf, size_t size)
{
	if (file && reader->dir)
		snprintf(buf, size, "%s/%s", reader->dir, file);
	else
		snprintf(buf, size, "%s", reader->path);
}

/**
 * item_fail() - say what is wrong with a setting
 * @reader: file that is being read
 * @setting: which is wrong; the root: the file as a whole is
 * @format: what is wrong, as for printf
 *
 * Return: -EINVAL.
 */
int item_fail(const struct reader *reader, const config_setting_t *setting, const char *format,
	      ...)
{
	char name[128], text[400], file[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	write_name(setting, name, sizeof(name));
	if (!*name)
		return cs_error_set(reader->error, -EINVAL, "%s: %s", reader->path, text);
	item_file(reader, config_setting_source_file(setting), file, sizeof(file));
	return cs_error_set(reader->error, -EINVAL, "%s:%u: %s: %s", file,
			    config_setting_source_line(setting), name, text);
}

static int no_memory(const struct reader *reader)
{
	return cs_error_set(reader->error, -ENOMEM, "%s: no memory", reader->path);
}

static void *value_of(const struct item *item, void *base)
{
	return (char *)base + item->offset;
}

static void put(const struct item *item, void *base, uint64_t value)
{
	uint16_t u16 = value;
	uint32_t u32 = value;

	if (item->size == sizeof(u16))
		memcpy(value_of(item, base), &u16, sizeof(u16));
	else if (item->size == sizeof(u32))
		memcpy(value_of(item, base), &u32, sizeof(u32));
	else
		memcpy(value_of(item, base), &value, sizeof(value));
}

static void show_number(uint64_t value, char *buf, size_t size)
{
	snprintf(buf, size, "%" PRIu64, value);
}

static void show_size(uint64_t value, char *buf, size_t size)
{
	static const char *const units[] = { "", "KiB", "MiB", "GiB", "TiB" };
	size_t i;

	for (i = 0; i < 4 && value && !(value & 1023); i++)
		value >>= 10;
	snprintf(buf, size, "%" PRIu64 "%s", value, units[i]);
}

static void show_time(uint64_t value, char *buf, size_t size)
{
	if (value && !(value % DAY))
		snprintf(buf, size, "%" PRIu64 "d", value / DAY);
	else if (value && !(value % 3600))
		snprintf(buf, size, "%" PRIu64 "h", value / 3600);
	else
		snprintf(buf, size, "%" PRIu64 "s", value);
}

static void show_points(uint64_t value, char *buf, size_t size)
{
	snprintf(buf, size, "%" PRIu64, value / 1000);
}

static void show_percent(uint64_t value, char *buf, size_t size)
{
	snprintf(buf, size, "%" PRIu64, value / 10);
}

static int text_points(const char *text, uint64_t *value)
{
	return value_decimal(text, 3, value);
}

static int text_percent(const char *text, uint64_t *value)
{
	return value_decimal(text, 1, value);
}

const struct quantity quantity_number = {
	"a whole number", NULL, 1, show_number
};
const struct quantity quantity_size = {
	"bytes: a whole number, or a text as \"512MiB\" (B, kB, MB, GB, TB, KiB, MiB, GiB, TiB)",
	value_size, 1, show_size
};
const struct quantity quantity_time = {
	"seconds: a whole number, or a text as \"12h\" (s, min, h, d)",
	value_time, 1, show_time
};
const struct quantity quantity_points = {
	"points: a whole number, or a text with at most three digits after the point, as \"1.5\"",
	text_points, 1000, show_points
};
const struct quantity quantity_percent = {
	"per cent: a whole number, or a text with at most one digit after the point, as \"87.5\"",
	text_percent, 10, show_percent
};

/** item_quantity() - read a number, whose kind is struct quantity in more; from min to max */
int item_quantity(const struct reader *reader, const config_setting_t *setting,
		  const struct item *item, void *base)
{
	const struct quantity *quantity = item->more;
	int type = config_setting_type(setting), rc = 0;
	char min[32], max[32], is[SHOWN + 1];
	uint64_t value = 0;

	if (type == CONFIG_TYPE_FLOAT && quantity->text)
		return item_fail(reader, setting,
				 "write it in quotes, else it is not kept exactly; must be %s",
				 quantity->what);
	if (type == CONFIG_TYPE_STRING && quantity->text) {
		printable(config_setting_get_string(setting), is, sizeof(is));
		rc = quantity->text(config_setting_get_string(setting), &value);
		if (rc == -EINVAL)
			return item_fail(reader, setting, "\"%s\" is wrong: must be %s", is,
					 quantity->what);
	} else if (type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64) {
		long long given = config_setting_get_int64(setting);

		if (type == CONFIG_TYPE_INT)
			given = config_setting_get_int(setting);
		snprintf(is, sizeof(is), "%lld", given);
		/* a negative one does not fit either */
		if (__builtin_mul_overflow(given, quantity->factor, &value))
			rc = -ERANGE;
	} else {
		return item_fail(reader, setting, "must be %s", quantity->what);
	}
	if (rc || value < item->min || value > item->max) {
		quantity->show(item->min, min, sizeof(min));
		quantity->show(item->max, max, sizeof(max));
		return item_fail(reader, setting, "%s is out of range: %s to %s", is, min, max);
	}
	put(item, base, value);
	return 0;
}

/** item_bool() - read true or false */
int item_bool(const struct reader *reader, const config_setting_t *setting,
	      const struct item *item, void *base)
{
	bool value;

	if (config_setting_type(setting) != CONFIG_TYPE_BOOL)
		return item_fail(reader, setting, "must be true or false, without quotes");
	value = config_setting_get_bool(setting);
	memcpy(value_of(item, base), &value, sizeof(value));
	return 0;
}

/** item_choice() - read one of the struct choice in more */
int item_choice(const struct reader *reader, const config_setting_t *setting,
		const struct item *item, void *base)
{
	const struct choice *choices = item->more, *choice;
	char is[SHOWN + 1] = "", allowed[128] = "";
	const char *text = "";
	size_t len;

	if (config_setting_type(setting) == CONFIG_TYPE_STRING)
		text = config_setting_get_string(setting);
	for (choice = choices; choice->name; choice++) {
		if (!strcmp(choice->name, text)) {
			put(item, base, choice->value);
			return 0;
		}
		len = strlen(allowed);
		snprintf(allowed + len, sizeof(allowed) - len, "%s\"%s\"",
			 choice == choices ? "" : choice[1].name ? ", " : " or ", choice->name);
	}
	printable(text, is, sizeof(is));
	if (config_setting_type(setting) == CONFIG_TYPE_STRING)
		return item_fail(reader, setting, "\"%s\" is not known: must be %s", is, allowed);
	return item_fail(reader, setting, "must be %s", allowed);
}

/* A text without control characters that fits; @is gets what of it may be shown. */
static int read_text(const struct reader *reader, const config_setting_t *setting,
		     const struct item *item, const char **text, char is[SHOWN + 1])
{
	const char *p;

	if (config_setting_type(setting) != CONFIG_TYPE_STRING)
		return item_fail(reader, setting, "must be a text, in quotes");
	*text = config_setting_get_string(setting);
	printable(*text, is, SHOWN + 1);
	for (p = *text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return item_fail(reader, setting, "\"%s\" has control characters in it",
					 is);
	if (item->max && strlen(*text) > item->max)
		return item_fail(reader, setting, "is %zu bytes long: at most %" PRIu64,
				 strlen(*text), item->max);
	return 0;
}

/** item_name() - read a text of at most max bytes */
int item_name(const struct reader *reader, const config_setting_t *setting,
	      const struct item *item, void *base)
{
	char is[SHOWN + 1];
	const char *text;
	int rc = read_text(reader, setting, item, &text, is);

	if (!rc)
		strcpy(value_of(item, base), text);
	return rc;
}

/** item_path() - read the whole path of a file, of at most max bytes */
int item_path(const struct reader *reader, const config_setting_t *setting,
	      const struct item *item, void *base)
{
	char is[SHOWN + 1];
	const char *text;
	int rc = read_text(reader, setting, item, &text, is);

	if (rc)
		return rc;
	if (*text != '/')
		return item_fail(reader, setting, "\"%s\" is not a whole path, from '/' on", is);
	strcpy(value_of(item, base), text);
	return 0;
}

static int interface(const struct reader *reader, const config_setting_t *setting,
		     const struct item *item, void *base, const char *forbidden, const char *what)
{
	char is[SHOWN + 1];
	const char *text;
	int rc = read_text(reader, setting, item, &text, is);

	if (rc)
		return rc;
	if (!*text || strlen(text) >= IFNAMSIZ || strpbrk(text, forbidden) ||
	    !strcmp(text, ".") || !strcmp(text, ".."))
		return item_fail(reader, setting,
				 "\"%s\" is not %s: 1 to %d characters, none of \"%s\"", is, what,
				 IFNAMSIZ - 1, forbidden);
	strcpy(value_of(item, base), text);
	return 0;
}

/** item_interface() - read the name of one interface */
int item_interface(const struct reader *reader, const config_setting_t *setting,
		   const struct item *item, void *base)
{
	return interface(reader, setting, item, base, "/: %*?[]\\", "the name of an interface");
}

/** item_pattern() - read the name of an interface, or a pattern of fnmatch(3) for it */
int item_pattern(const struct reader *reader, const config_setting_t *setting,
		 const struct item *item, void *base)
{
	return interface(reader, setting, item, base, "/: ",
			 "the name of an interface or a pattern for it");
}

/** item_geohash() - read a geohash, or the beginning of one */
int item_geohash(const struct reader *reader, const config_setting_t *setting,
		 const struct item *item, void *base)
{
	char is[SHOWN + 1];
	const char *text;
	int rc = read_text(reader, setting, item, &text, is);

	if (!rc && value_geohash(text, value_of(item, base)))
		return item_fail(reader, setting,
				 "\"%s\" is not a geohash: up to %d of 0-9, b-z but i, l, o", is,
				 CONFIG_GEOHASH_LEN - 1);
	return rc;
}

/** item_address() - read the address of a node */
int item_address(const struct reader *reader, const config_setting_t *setting,
		 const struct item *item, void *base)
{
	char is[SHOWN + 1];
	const char *text;
	int rc = read_text(reader, setting, item, &text, is);

	if (rc)
		return rc;
	rc = value_address(text, value_of(item, base));
	if (rc == -ERANGE)
		return item_fail(reader, setting,
				 "%s is not in fd00::/8, see \"crowdshare status\" of that node",
				 is);
	if (rc)
		return item_fail(reader, setting, "\"%s\" is not an IPv6 address", is);
	return 0;
}

/* The elements of a list or an array of texts, @size bytes each, to where @item says. */
static int new_list(const struct reader *reader, const config_setting_t *setting,
		    const struct item *item, void *base, size_t size, const char *example)
{
	int count = config_setting_length(setting);
	void *elements;
	size_t n;

	if (!config_setting_is_list(setting) && !config_setting_is_array(setting))
		return item_fail(reader, setting, "must be a list: ( %s, ... )", example);
	elements = calloc(count ? count : 1, size);
	if (!elements)
		return no_memory(reader);
	/* whatever happens: config_free() finds them */
	n = count;
	memcpy(value_of(item, base), &elements, sizeof(elements));
	memcpy((char *)base + *(const size_t *)item->more, &n, sizeof(n));
	return count;
}

/** item_prefixes() - read a list of IPv6 prefixes; more is the offset of their number */
int item_prefixes(const struct reader *reader, const config_setting_t *setting,
		  const struct item *item, void *base)
{
	struct config_prefix *prefixes;
	char is[SHOWN + 1];
	const char *text;
	int i, rc, count;

	count = new_list(reader, setting, item, base, sizeof(*prefixes), "\"fd12::/16\"");
	if (count < 0)
		return count;
	memcpy(&prefixes, value_of(item, base), sizeof(prefixes));
	for (i = 0; i < count; i++) {
		const config_setting_t *element = config_setting_get_elem(setting, i);

		rc = read_text(reader, element, item, &text, is);
		if (rc)
			return rc;
		rc = value_prefix(text, &prefixes[i]);
		if (rc)
			return item_fail(reader, element, rc == -ERANGE ?
					 "\"%s\" has bits beyond the length of the prefix" :
					 "\"%s\" is not an IPv6 prefix, as \"fd12::/16\"", is);
	}
	return 0;
}

/** item_networks() - read a list of home networks; more is the offset of their number */
int item_networks(const struct reader *reader, const config_setting_t *setting,
		  const struct item *item, void *base)
{
	struct config_network *networks;
	char is[SHOWN + 1];
	const char *text;
	int i, rc, count;

	count = new_list(reader, setting, item, base, sizeof(*networks),
			 "\"c8:0e:14:01:02:03\"");
	if (count < 0)
		return count;
	memcpy(&networks, value_of(item, base), sizeof(networks));
	for (i = 0; i < count; i++) {
		const config_setting_t *element = config_setting_get_elem(setting, i);

		rc = read_text(reader, element, item, &text, is);
		if (rc)
			return rc;
		rc = value_network(text, &networks[i]);
		if (rc)
			return item_fail(reader, element, rc == -ERANGE ?
					 "\"%s\" has bits beyond the length of the prefix" :
					 "\"%s\" is neither the MAC of a router nor an IPv6 prefix",
					 is);
	}
	return 0;
}

/** item_listen() - read an address and a port, as "[::]:7475"; more is the offset of the port */
int item_listen(const struct reader *reader, const config_setting_t *setting,
		const struct item *item, void *base)
{
	char is[SHOWN + 1];
	const char *text;
	uint16_t port;
	int rc = read_text(reader, setting, item, &text, is);

	if (rc)
		return rc;
	if (value_listen(text, value_of(item, base), &port))
		return item_fail(reader, setting,
				 "\"%s\" is not an IPv6 address and a port, as \"[::]:7475\"", is);
	memcpy((char *)base + *(const size_t *)item->more, &port, sizeof(port));
	return 0;
}

/** item_bucket() - read the URL of a bucket, which is nowhere in plain on a network */
int item_bucket(const struct reader *reader, const config_setting_t *setting,
		const struct item *item, void *base)
{
	char is[SHOWN + 1];
	const char *text;
	int rc = read_text(reader, setting, item, &text, is);

	if (rc)
		return rc;
	rc = value_bucket(text);
	if (rc)
		return item_fail(reader, setting, rc == -EPERM ?
				 "\"%s\" is in plain: https://, or a loopback address" :
				 "\"%s\" is not a URL as \"https://host/bucket/prefix\", "
				 "of letters, digits and \"-._~\"", is);
	strcpy(value_of(item, base), text);
	return 0;
}

static int unknown(const struct reader *reader, const config_setting_t *setting,
		   const struct item *items)
{
	const char *name = config_setting_name(setting), *best = NULL;
	size_t least = strlen(name) < 4 ? 2 : 3, distance, len;
	char known[256] = "";

	for (; items->name; items++) {
		distance = value_distance(name, items->name);
		if (distance < least) {
			least = distance;
			best = items->name;
		}
		len = strlen(known);
		snprintf(known + len, sizeof(known) - len, "%s%s", len ? ", " : "", items->name);
	}
	if (best)
		return item_fail(reader, setting, "unknown setting; did you mean \"%s\"?", best);
	return item_fail(reader, setting, "unknown setting; known here: %s", known);
}

/**
 * item_read_all() - read all settings of a group
 * @reader: file that is being read
 * @group: of it
 * @items: what may stand in it
 * @base: structure that the values go to
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int item_read_all(const struct reader *reader, const config_setting_t *group,
		  const struct item *items, void *base)
{
	const struct item *item;
	int i, rc;

	for (i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *setting = config_setting_get_elem(group, i);

		for (item = items; item->name; item++)
			if (!strcmp(item->name, config_setting_name(setting)))
				break;
		rc = item->name ? item->read(reader, setting, item, base) :
				  unknown(reader, setting, items);
		if (rc)
			return rc;
	}
	for (item = items; item->name; item++)
		if (item->required && !config_setting_get_member(group, item->name))
			return item_fail(reader, group, "\"%s\" is missing", item->name);
	return 0;
}

/** item_group() - read a group whose table is in more, into the structure of its parent */
int item_group(const struct reader *reader, const config_setting_t *setting,
	       const struct item *item, void *base)
{
	if (!config_setting_is_group(setting))
		return item_fail(reader, setting, "must be a group: %s = { ... }", item->name);
	return item_read_all(reader, setting, item->more, base);
}

/** item_list() - read a list of groups, which struct list in more describes */
int item_list(const struct reader *reader, const config_setting_t *setting,
	      const struct item *item, void *base)
{
	size_t count = config_setting_is_list(setting) ? config_setting_length(setting) : 0, i;
	const struct list *list = item->more;
	char *elements;
	int rc = 0;

	if (!config_setting_is_list(setting))
		return item_fail(reader, setting, "must be a list of groups: %s = ( { ... }, ... )",
				 item->name);
	elements = calloc(count ? count : 1, list->size);
	if (!elements)
		return no_memory(reader);
	/* whatever happens: config_free() finds them */
	memcpy(value_of(item, base), &elements, sizeof(elements));
	memcpy((char *)base + list->count, &count, sizeof(count));
	for (i = 0; i < count && !rc; i++) {
		const config_setting_t *element = config_setting_get_elem(setting, i);

		if (!config_setting_is_group(element))
			return item_fail(reader, element, "must be a group: { ... }");
		if (list->init)
			list->init(elements + i * list->size);
		rc = item_read_all(reader, element, list->items, elements + i * list->size);
	}
	return rc ? rc : list->check(reader, setting, base);
}
