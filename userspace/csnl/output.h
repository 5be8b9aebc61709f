/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What csnl prints: objects are JSON inside, so that text and JSON can't tell different stories.
 */
#ifndef CSNL_OUTPUT_H
#define CSNL_OUTPUT_H

#include <stdint.h>

#include <jansson.h>
#include <libmnl/libmnl.h>

struct csnl;

void put(json_t *object, const char *key, json_t *value);
void put_u32(json_t *object, const char *key, const struct nlattr *attr);
void put_u64(json_t *object, const char *key, const struct nlattr *attr);
void put_string(json_t *object, const char *key, const struct nlattr *attr);
void put_choice(json_t *object, const char *key, const struct nlattr *attr,
		const char *const *names, unsigned int count);
void put_lladdr(json_t *object, const char *key, const struct nlattr *attr);
void put_addr(json_t *object, const char *key, const struct nlattr *attr);
void put_hex(json_t *object, const char *key, const uint8_t *bytes, size_t len);

const char *get_string(const json_t *object, const char *key);
long long get_number(const json_t *object, const char *key);

void print_json(const struct csnl *cs, const json_t *value);
void print_list(const struct csnl *cs, json_t *list, void (*print)(const json_t *));
void flush_output(void);

#endif /* CSNL_OUTPUT_H */
