/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Words of the command line: a cursor and parsers, each of which ends the program with the word
 * that is wrong and what was expected.
 */
#ifndef CSNL_ARGS_H
#define CSNL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARGS_GIVEN_MAX	16

/**
 * struct args - what is left of the command line
 * @word: next word
 * @left: how many are left
 * @where: what is being parsed, such as "port add", for error messages
 * @given: options that were given, to find those given twice
 * @n_given: how many
 */
struct args {
	char		**word;
	int		left;
	char		where[32];
	const char	*given[ARGS_GIVEN_MAX];
	int		n_given;
};

/* name in front of error messages; crowdshare sets its own */
extern const char *args_program;

__attribute__((noreturn, format(printf, 1, 2)))
void die(const char *format, ...);
__attribute__((noreturn, format(printf, 2, 3)))
void args_die(const struct args *args, const char *format, ...);
__attribute__((format(printf, 2, 3)))
void args_say(const struct args *args, const char *format, ...);
__attribute__((noreturn))
void args_unknown(const struct args *args);

const void *args_find(const void *table, size_t size, const char *word, const char *what);
bool args_is_help(const char *word);
void args_enter(struct args *args, const char *name);
const char *args_next(struct args *args, const char *what);
bool args_option(struct args *args, const char *name);
void args_end(const struct args *args);

uint64_t args_number(struct args *args, const char *what, uint64_t min, uint64_t max);
double args_decimal(struct args *args, const char *what, double min, double max);
unsigned int args_choice(struct args *args, const char *what, const char *const *names,
			 unsigned int count);
uint32_t args_ifindex(struct args *args, const char *what, const char **name);
void args_lladdr(struct args *args, const char *what, uint8_t lladdr[6]);
void args_addr(struct args *args, const char *what, uint8_t addr[16]);

#endif /* CSNL_ARGS_H */
