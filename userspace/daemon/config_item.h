/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Settings: what a group of the configuration file may hold, and how it is read. See config_item.c.
 */
#ifndef CSD_CONFIG_ITEM_H
#define CSD_CONFIG_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libconfig.h>

#include "daemon/config.h"
#include "lib/error.h"

/**
 * struct reader - a file that is being read
 * @cfg: as libconfig took it apart
 * @path: of the file
 * @dir: where what it includes is looked for, NULL: nothing is included
 * @error: gets what is wrong
 */
struct reader {
	config_t	cfg;
	const char	*path;
	const char	*dir;
	struct cs_error	*error;
};

struct item;

/* Reads a setting into @base, the structure of its group. Returns 0 or a negative errno. */
typedef int item_reader(const struct reader *reader, const config_setting_t *setting,
			const struct item *item, void *base);

/**
 * struct item - a setting that may stand in a group
 * @name: of the setting
 * @read: reads it
 * @offset: of its value in the structure of the group
 * @size: of the value
 * @min: least value
 * @max: greatest value, or length of a text
 * @more: what @read needs to know besides
 * @required: must be there
 */
struct item {
	const char	*name;
	item_reader	*read;
	size_t		offset;
	size_t		size;
	uint64_t	min;
	uint64_t	max;
	const void	*more;
	bool		required;
};

/* the value of an item of struct TYPE; what follows is min, max, more */
#define AT(type, member) .offset = offsetof(struct type, member), \
	.size = sizeof(((struct type *)0)->member)

/**
 * struct list - a list of groups
 * @items: what may stand in each
 * @size: of the structure of each
 * @count: offset of where their number goes
 * @init: sets the defaults of one
 * @check: looks at all of them once they are read
 */
struct list {
	const struct item	*items;
	size_t			size;
	size_t			count;
	void			(*init)(void *element);
	int			(*check)(const struct reader *reader,
					 const config_setting_t *setting, const void *base);
};

/**
 * struct quantity - a kind of number
 * @what: what is expected, for people
 * @text: reads it from a text; NULL: texts are not allowed
 * @factor: what a whole number is multiplied with
 * @show: writes it as the file would have it
 */
struct quantity {
	const char	*what;
	int		(*text)(const char *text, uint64_t *value);
	uint64_t	factor;
	void		(*show)(uint64_t value, char *buf, size_t size);
};

struct choice {
	const char	*name;
	uint32_t	value;
};

item_reader item_quantity, item_bool, item_choice;
item_reader item_name, item_path, item_interface, item_pattern, item_geohash, item_address;
item_reader item_prefixes, item_networks, item_listen, item_bucket;
item_reader item_group, item_list;

extern const struct quantity quantity_number;
extern const struct quantity quantity_size;
extern const struct quantity quantity_time;
extern const struct quantity quantity_points;
extern const struct quantity quantity_percent;

int item_read_all(const struct reader *reader, const config_setting_t *group,
		  const struct item *items, void *base);

void item_file(const struct reader *reader, const char *file, char *buf, size_t size);

/* Says what is wrong with a setting, or with the file as a whole if that is its root. */
__attribute__((format(printf, 3, 4)))
int item_fail(const struct reader *reader, const config_setting_t *setting, const char *format,
	      ...);

#endif /* CSD_CONFIG_ITEM_H */
