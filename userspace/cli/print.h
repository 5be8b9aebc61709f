/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What crowdshare prints: JSON as it is, or tables and lists of members made of it.
 */
#ifndef CROWDSHARE_PRINT_H
#define CROWDSHARE_PRINT_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <jansson.h>

struct cli;

/**
 * enum cell - how a value is shown to people
 * @CELL_TEXT: as it is
 * @CELL_BYTES: 1.5 MiB
 * @CELL_MILLI: thousandths, as points: 1.500
 * @CELL_PERMILLE: 12.5%
 * @CELL_TIME: Unix seconds as local time, 0: "-"
 * @CELL_SPAN: seconds as days, hours, minutes and seconds
 * @CELL_DIGEST: its beginning, unless details are wanted
 */
enum cell {
	CELL_TEXT,
	CELL_BYTES,
	CELL_MILLI,
	CELL_PERMILLE,
	CELL_TIME,
	CELL_SPAN,
	CELL_DIGEST,
};

/**
 * struct column - a column of a table, or a line of a list of members
 * @key: of the member; a dot leads into an object
 * @title: what stands above or before it
 * @cell: how it is shown
 */
struct column {
	const char	*key;
	const char	*title;
	enum cell	cell;
};

void milli_text(int64_t value, char *text, size_t size);
void time_text(time_t when, const char *format, char *text, size_t size);
void clean_text(char *text);

/* @columns end with one without a key */
void print_table(const struct cli *cli, const json_t *list, const struct column *columns);
void print_members(const struct cli *cli, const json_t *object, const struct column *columns);
void print_list(const struct cli *cli, const json_t *list, const struct column *columns);
void print_object(const struct cli *cli, const json_t *object, const struct column *columns);
void print_json(const struct cli *cli, const json_t *value);
void print_value(const struct cli *cli, const json_t *value);
void flush_output(void);

#endif /* CROWDSHARE_PRINT_H */
