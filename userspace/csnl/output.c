// SPDX-License-Identifier: GPL-2.0
/*
 * What csnl prints, and how attributes of netlink get there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "csnl/csnl.h"
#include "lib/hex.h"

/**
 * put - set a member of an object, which takes over the value
 */
void put(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value))
		die("out of memory, or '%s' is not UTF-8", key);
}

void put_u32(json_t *object, const char *key, const struct nlattr *attr)
{
	if (attr && !mnl_attr_validate(attr, MNL_TYPE_U32))
		put(object, key, json_integer(mnl_attr_get_u32(attr)));
}

void put_u64(json_t *object, const char *key, const struct nlattr *attr)
{
	if (attr && !mnl_attr_validate(attr, MNL_TYPE_U64))
		put(object, key, json_integer(mnl_attr_get_u64(attr)));
}

/* Names of interfaces are any bytes; what is not UTF-8 is shown as '?'. */
void put_string(json_t *object, const char *key, const struct nlattr *attr)
{
	char text[256];
	json_t *value;
	char *p;

	if (!attr || mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
		return;
	snprintf(text, sizeof(text), "%s", mnl_attr_get_str(attr));
	value = json_string(text);
	if (!value) {
		for (p = text; *p; p++)
			if (*p & 0x80)
				*p = '?';
		value = json_string(text);
	}
	put(object, key, value);
}

/* A value that this csnl has no name for is shown as its number. */
void put_choice(json_t *object, const char *key, const struct nlattr *attr,
		const char *const *names, unsigned int count)
{
	uint32_t value;

	if (!attr || mnl_attr_validate(attr, MNL_TYPE_U32))
		return;
	value = mnl_attr_get_u32(attr);
	put(object, key, value < count ? json_string(names[value]) :
					 json_sprintf("%" PRIu32, value));
}

void put_lladdr(json_t *object, const char *key, const struct nlattr *attr)
{
	const uint8_t *mac;

	if (!attr || mnl_attr_get_payload_len(attr) != 6)
		return;
	mac = mnl_attr_get_payload(attr);
	put(object, key, json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
				      mac[3], mac[4], mac[5]));
}

/* The address that is all zero means none. */
void put_addr(json_t *object, const char *key, const struct nlattr *attr)
{
	static const uint8_t zero[16];
	char text[INET6_ADDRSTRLEN];

	if (!attr || mnl_attr_get_payload_len(attr) != 16)
		return;
	inet_ntop(AF_INET6, mnl_attr_get_payload(attr), text, sizeof(text));
	put(object, key, memcmp(mnl_attr_get_payload(attr), zero, 16) ? json_string(text) :
									json_null());
}

void put_hex(json_t *object, const char *key, const uint8_t *bytes, size_t len)
{
	char text[2 * 64 + 1];

	cs_hex(text, bytes, len < 64 ? len : 64);
	put(object, key, json_string(text));
}

const char *get_string(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "none";
}

long long get_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/**
 * flush_output - what was printed is out, or the program ends with the reason
 */
void flush_output(void)
{
	if (fflush(stdout) || ferror(stdout))
		die("standard output: %s", strerror(errno));
}

/**
 * print_json - one value, on one line unless it shall be pretty
 */
void print_json(const struct csnl *cs, const json_t *value)
{
	size_t flags = cs->pretty ? JSON_INDENT(4) : JSON_COMPACT;

	json_dumpf(value, stdout, flags | JSON_ENCODE_ANY);
	putchar('\n');
	flush_output();
}

/**
 * print_list - a list of objects, as JSON or each by @print; frees it
 */
void print_list(const struct csnl *cs, json_t *list, void (*print)(const json_t *))
{
	const json_t *object;
	size_t i;

	if (cs->json) {
		print_json(cs, list);
	} else {
		json_array_foreach(list, i, object)
			print(object);
		flush_output();
	}
	json_decref(list);
}
