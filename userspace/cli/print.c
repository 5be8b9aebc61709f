// SPDX-License-Identifier: GPL-2.0
/*
 * What crowdshare prints.
 *
 * Names and reasons may come from strangers: nothing that would steer a terminal gets through.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/crowdshare.h"

#define COLUMNS_MAX	16
#define KEY_MAX		128
#define DIGEST_SHORT	16

/**
 * milli_text() - thousandths as a decimal number
 * @value: thousandths
 * @text: gets the text
 * @size: room there
 */
void milli_text(int64_t value, char *text, size_t size)
{
	uint64_t absolute = value < 0 ? -(uint64_t)value : (uint64_t)value;

	snprintf(text, size, "%s%" PRIu64 ".%03" PRIu64, value < 0 ? "-" : "", absolute / 1000,
		 absolute % 1000);
}

/**
 * time_text() - a time as local time
 * @when: Unix seconds
 * @format: for strftime(3)
 * @text: gets the text
 * @size: room there
 */
void time_text(time_t when, const char *format, char *text, size_t size)
{
	struct tm tm;

	if (!localtime_r(&when, &tm) || !strftime(text, size, format, &tm))
		snprintf(text, size, "%lld", (long long)when);
}

/**
 * clean_text() - replace what would steer a terminal
 * @text: UTF-8; it keeps its length
 */
void clean_text(char *text)
{
	unsigned char *p;

	for (p = (unsigned char *)text; *p; p++) {
		if (*p < ' ' || *p == 0x7f) {
			*p = '?';
		} else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
			/* C1, which some terminals obey as they do ESC */
			p[0] = '?';
			p[1] = '?';
		}
	}
}

/* Ends the program when there is no memory. */
static char *text_new(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *text_new(const char *format, ...)
{
	va_list args;
	char *text;
	int rc;

	va_start(args, format);
	rc = vasprintf(&text, format, args);
	va_end(args);
	if (rc < 0)
		die("out of memory");
	return text;
}

static char *bytes_text(int64_t value)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	uint64_t rest = 0, bytes = value;
	unsigned int unit = 0;

	if (value < 0)
		return text_new("%" PRId64, value);
	for (; bytes >= 1024; bytes /= 1024, unit++)
		rest = bytes % 1024;
	if (!unit)
		return text_new("%" PRIu64 " B", bytes);
	return text_new("%" PRIu64 ".%" PRIu64 " %s", bytes, rest * 10 / 1024, units[unit]);
}

static char *span_text(int64_t seconds)
{
	char days[32] = "";

	if (seconds < 0)
		return text_new("%" PRId64 " s", seconds);
	if (seconds >= 86400)
		snprintf(days, sizeof(days), "%" PRId64 "d ", seconds / 86400);
	return text_new("%s%02d:%02d:%02d", days, (int)(seconds / 3600 % 24),
			(int)(seconds / 60 % 60), (int)(seconds % 60));
}

static char *array_text(const json_t *array)
{
	char *text = text_new("%s", ""), *more;
	const json_t *value;
	size_t i;

	json_array_foreach(array, i, value) {
		if (!json_is_string(value)) {
			free(text);
			return text_new("%zu", json_array_size(array));
		}
		more = text_new("%s%s%s", text, i ? "," : "", json_string_value(value));
		free(text);
		text = more;
	}
	return text;
}

static char *plain_text(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		return text_new("%s", json_string_value(value));
	case JSON_INTEGER:
		return text_new("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	case JSON_REAL:
		return text_new("%g", json_real_value(value));
	case JSON_TRUE:
		return text_new("yes");
	case JSON_FALSE:
		return text_new("no");
	case JSON_ARRAY:
		return array_text(value);
	case JSON_OBJECT:
		return text_new("{...}");
	default:
		return text_new("-");
	}
}

static char *number_text(enum cell cell, int64_t number)
{
	char text[64];

	switch (cell) {
	case CELL_BYTES:
		return bytes_text(number);
	case CELL_SPAN:
		return span_text(number);
	case CELL_MILLI:
		milli_text(number, text, sizeof(text));
		break;
	case CELL_PERMILLE:
		return text_new("%.1f%%", number / 10.0);
	default:
		if (!number)
			return text_new("-");
		time_text(number, "%Y-%m-%d %H:%M:%S", text, sizeof(text));
	}
	return text_new("%s", text);
}

/* What is not of the type that the cell is for is shown as it is. */
static char *cell_text(const struct cli *cli, const json_t *value, enum cell cell)
{
	char *text;

	if (!value)
		return text_new("-");
	if (json_is_integer(value) && cell != CELL_TEXT && cell != CELL_DIGEST)
		return number_text(cell, json_integer_value(value));
	text = plain_text(value);
	clean_text(text);
	if (cell == CELL_DIGEST && !cli->details && strlen(text) > DIGEST_SHORT)
		text[DIGEST_SHORT] = '\0';
	if (!*text) {
		free(text);
		return text_new("-");
	}
	return text;
}

static const json_t *member(const json_t *object, const char *key)
{
	char part[KEY_MAX];
	size_t len;

	for (;;) {
		len = strcspn(key, ".");
		snprintf(part, sizeof(part), "%.*s", (int)len, key);
		object = json_object_get(object, part);
		if (!key[len])
			return object;
		key += len + 1;
	}
}

/* In characters: all but the continuation bytes of UTF-8. */
static int width(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static void print_padded(const char *text, int to, bool right, bool last)
{
	int pad = to - width(text);

	if (right)
		printf("%*s", pad, "");
	fputs(text, stdout);
	if (!last)
		printf("%*s", (right ? 0 : pad) + 2, "");
}

static void print_row(char **texts, const int *widths, const bool *right, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		print_padded(texts[i], widths[i], right[i], i + 1 == count);
	putchar('\n');
}

/**
 * print_table() - print a list of objects, a line for each
 * @cli: the run
 * @list: array of objects; nothing is printed for an empty one
 * @columns: what is shown of each
 */
void print_table(const struct cli *cli, const json_t *list, const struct column *columns)
{
	size_t count = json_array_size(list), nr = 0, i, j;
	char *titles[COLUMNS_MAX], **texts;
	bool right[COLUMNS_MAX] = { false };
	int widths[COLUMNS_MAX], w;
	const json_t *value;

	while (nr < COLUMNS_MAX && columns[nr].key)
		nr++;
	texts = calloc(count * nr + 1, sizeof(*texts));
	if (!texts)
		die("out of memory");
	for (j = 0; j < nr; j++) {
		titles[j] = (char *)columns[j].title;
		widths[j] = width(titles[j]);
		for (i = 0; i < count; i++) {
			value = member(json_array_get(list, i), columns[j].key);
			texts[i * nr + j] = cell_text(cli, value, columns[j].cell);
			w = width(texts[i * nr + j]);
			widths[j] = w > widths[j] ? w : widths[j];
			right[j] |= json_is_integer(value) && columns[j].cell != CELL_TIME;
		}
	}
	if (count)
		print_row(titles, widths, right, nr);
	for (i = 0; i < count; i++)
		print_row(texts + i * nr, widths, right, nr);
	for (i = 0; i < count * nr; i++)
		free(texts[i]);
	free(texts);
	flush_output();
}

static void print_line(const struct cli *cli, const char *title, int pad, const json_t *value,
		       enum cell cell)
{
	char *text = cell_text(cli, value, cell);

	printf("%s:%*s %s\n", title, pad - width(title), "", text);
	free(text);
}

static bool is_column(const struct column *columns, const char *key)
{
	for (; columns->key; columns++)
		if (!strcmp(columns->key, key))
			return true;
	return false;
}

/*
 * Members that have no line of their own are shown all the same: a newer daemon may tell more.
 * The first round only measures, and widens @pad.
 */
static void print_others(const struct cli *cli, const json_t *object, const struct column *columns,
			 const char *prefix, int *pad, bool print)
{
	char path[KEY_MAX], title[KEY_MAX], *p;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value) {
		snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", key);
		if (is_column(columns, path))
			continue;
		if (json_is_object(value) && strlen(path) + 1 < sizeof(path))
			print_others(cli, value, columns, path, pad, print);
		if (json_is_object(value) ||
		    (json_is_array(value) && !json_is_string(json_array_get(value, 0))))
			continue;
		snprintf(title, sizeof(title), "%s", path);
		for (p = title; *p; p++)
			if (*p == '_' || *p == '.')
				*p = ' ';
		clean_text(title);
		if (print)
			print_line(cli, title, *pad, value, CELL_TEXT);
		else if (width(title) > *pad)
			*pad = width(title);
	}
}

/**
 * print_members() - print an object, a line for each member
 * @cli: the run
 * @object: the object
 * @columns: what stands first, and how; what is missing is left out
 *
 * Lists of objects are left to the caller.
 */
void print_members(const struct cli *cli, const json_t *object, const struct column *columns)
{
	const struct column *column;
	const json_t *value;
	int pad = 0, w;

	for (column = columns; column->key; column++) {
		w = member(object, column->key) ? width(column->title) : 0;
		pad = w > pad ? w : pad;
	}
	print_others(cli, object, columns, "", &pad, false);
	for (column = columns; column->key; column++) {
		value = member(object, column->key);
		if (value && !json_is_object(value))
			print_line(cli, column->title, pad, value, column->cell);
	}
	print_others(cli, object, columns, "", &pad, true);
	flush_output();
}

/**
 * print_list() - print a list, as JSON if that is wanted, else as a table
 * @cli: the run
 * @list: array of objects
 * @columns: of the table
 */
void print_list(const struct cli *cli, const json_t *list, const struct column *columns)
{
	if (cli->json)
		print_json(cli, list);
	else
		print_table(cli, list, columns);
}

/**
 * print_object() - print an object, as JSON if that is wanted, else its members
 * @cli: the run
 * @object: the object
 * @columns: its members
 */
void print_object(const struct cli *cli, const json_t *object, const struct column *columns)
{
	if (cli->json)
		print_json(cli, object);
	else
		print_members(cli, object, columns);
}

/**
 * print_value() - print whatever the daemon answered
 * @cli: the run
 * @value: it
 */
void print_value(const struct cli *cli, const json_t *value)
{
	static const struct column none[] = { { NULL } };
	char *text;

	if (cli->json || json_is_object(value)) {
		print_object(cli, value, none);
	} else if (json_is_string(value) || json_is_number(value)) {
		text = cell_text(cli, value, CELL_TEXT);
		puts(text);
		free(text);
	}
	flush_output();
}

/**
 * print_json() - print a value on one line, unless it shall be pretty
 * @cli: the run
 * @value: it
 */
void print_json(const struct cli *cli, const json_t *value)
{
	size_t flags = cli->pretty ? JSON_INDENT(4) : JSON_COMPACT;

	if (json_dumpf(value, stdout, flags | JSON_ENCODE_ANY) && !ferror(stdout))
		die("out of memory");
	putchar('\n');
	flush_output();
}

/**
 * flush_output() - what was printed is out, or the program ends with the reason
 */
void flush_output(void)
{
	if (fflush(stdout) || ferror(stdout))
		die("standard output: %s", strerror(errno));
}
