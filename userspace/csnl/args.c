// SPDX-License-Identifier: GPL-2.0
/*
 * Words of the command line.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csnl/csnl.h"

const char *args_program = "csnl";

/**
 * die - say what is wrong and end the program
 */
void die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "%s: ", args_program);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_TROUBLE);
}

/**
 * args_die - the same, with the command that is being parsed
 */
void args_die(const struct args *args, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	die("%s: %s", args->where, text);
}

/**
 * args_say - say something on standard error, with the command, and go on
 */
void args_say(const struct args *args, const char *format, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "%s: %s: ", args_program, args->where);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/**
 * args_unknown - the next word is none that can stand there
 */
void args_unknown(const struct args *args)
{
	int len = strcspn(args->where, " ");

	args_die(args, "'%s' is not an option here; try '%s %.*s help'", *args->word,
		 args_program, len, args->where);
}

/**
 * args_find - look a word up in a table
 * @table: structs whose first member is their name; ends with one without a name
 * @size: bytes of a struct
 * @word: full name or an unambiguous beginning
 * @what: what the table lists, for the error message
 *
 * Return: the struct.
 */
const void *args_find(const void *table, size_t size, const char *word, const char *what)
{
	const char *const *name, *const *found = NULL;
	char list[128] = "";
	size_t len = 0;

	for (name = table; *name; name = (const void *)((const char *)name + size)) {
		if (!strcmp(*name, word))
			return name;
		if (!*word || strncmp(*name, word, strlen(word)))
			continue;
		found = name;
		if (len < sizeof(list))
			len += snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "",
					*name);
	}
	if (!found)
		die("%s '%s' is not known; try '%s help'", what, word, args_program);
	if (strchr(list, ','))
		die("%s '%s' is ambiguous: %s", what, word, list);
	return found;
}

/**
 * args_is_help - does a word ask for help?
 */
bool args_is_help(const char *word)
{
	return !strcmp(word, "help") || !strcmp(word, "-h") || !strcmp(word, "--help");
}

/**
 * args_enter - a word of the command was taken: note it for error messages
 */
void args_enter(struct args *args, const char *name)
{
	size_t len = strlen(args->where);

	snprintf(args->where + len, sizeof(args->where) - len, "%s%s", len ? " " : "", name);
	args->n_given = 0;
}

/**
 * args_next - take a word that has to be there
 * @what: what it means, for the error message
 */
const char *args_next(struct args *args, const char *what)
{
	if (!args->left)
		args_die(args, "%s is missing", what);
	args->left--;
	return *args->word++;
}

/**
 * args_option - is the next word this option? If so take it; an option comes once at most
 */
bool args_option(struct args *args, const char *name)
{
	int i;

	if (!args->left || strcmp(*args->word, name))
		return false;
	for (i = 0; i < args->n_given; i++)
		if (!strcmp(args->given[i], name))
			args_die(args, "option '%s' is given twice", name);
	if (args->n_given < ARGS_GIVEN_MAX)
		args->given[args->n_given++] = name;
	args->left--;
	args->word++;
	return true;
}

/**
 * args_end - there has to be nothing more
 */
void args_end(const struct args *args)
{
	if (args->left)
		args_unknown(args);
}

/**
 * args_number - take a decimal number
 */
uint64_t args_number(struct args *args, const char *what, uint64_t min, uint64_t max)
{
	const char *word = args_next(args, what);
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(word, &end, 10);
	if (*word < '0' || *word > '9' || *end)
		args_die(args, "%s '%s' is not a number", what, word);
	if (errno || value < min || value > max)
		args_die(args, "%s '%s' is out of range: %llu to %llu", what, word,
			 (unsigned long long)min, (unsigned long long)max);
	return value;
}

/**
 * args_decimal - take a number that may have a fraction
 */
double args_decimal(struct args *args, const char *what, double min, double max)
{
	const char *word = args_next(args, what);
	double value;
	char *end;

	value = strtod(word, &end);
	if (strspn(word, "0123456789.") != strlen(word) || end == word || *end)
		args_die(args, "%s '%s' is not a number", what, word);
	if (!isfinite(value) || value < min || value > max)
		args_die(args, "%s '%s' is out of range: %g to %g", what, word, min, max);
	return value;
}

/**
 * args_choice - take one of some words
 *
 * Return: its index in @names.
 */
unsigned int args_choice(struct args *args, const char *what, const char *const *names,
			 unsigned int count)
{
	const char *word = args_next(args, what);
	char list[128] = "";
	unsigned int i;
	size_t len = 0;

	for (i = 0; i < count; i++)
		if (!strcmp(word, names[i]))
			return i;
	for (i = 0; i < count && len < sizeof(list); i++)
		len += snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "", names[i]);
	args_die(args, "%s '%s' is none of: %s", what, word, list);
}

/**
 * args_ifindex - take the name of an interface of this network namespace
 * @name: if not NULL, where to leave the name
 */
uint32_t args_ifindex(struct args *args, const char *what, const char **name)
{
	const char *word = args_next(args, what);
	uint32_t ifindex = if_nametoindex(word);

	if (!ifindex)
		args_die(args, "%s '%s': no such interface", what, word);
	if (name)
		*name = word;
	return ifindex;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef0123456789ABCDEF";
	const char *p = c ? strchr(digits, c) : NULL;

	return p ? (p - digits) % 16 : -1;
}

/**
 * args_lladdr - take a MAC address, of a single station
 */
void args_lladdr(struct args *args, const char *what, uint8_t lladdr[6])
{
	static const uint8_t zero[6];
	const char *word = args_next(args, what);
	const char *p = word;
	int high, low, i;

	for (i = 0; i < 6; i++, p += 2) {
		if (i && *p++ != ':')
			break;
		high = hex_digit(p[0]);
		low = high < 0 ? -1 : hex_digit(p[1]);
		if (low < 0)
			break;
		lladdr[i] = high << 4 | low;
	}
	if (i < 6 || *p)
		args_die(args, "%s '%s' is not a MAC address such as 02:00:5e:10:00:01", what,
			 word);
	if (lladdr[0] & 1 || !memcmp(lladdr, zero, 6))
		args_die(args, "%s '%s' is not the MAC address of a station", what, word);
}

/**
 * args_addr - take an IPv6 address
 */
void args_addr(struct args *args, const char *what, uint8_t addr[16])
{
	const char *word = args_next(args, what);

	if (inet_pton(AF_INET6, word, addr) != 1)
		args_die(args, "%s '%s' is not an IPv6 address", what, word);
}
