// SPDX-License-Identifier: GPL-2.0
/*
 * The file of the store: is its structure whole?
 *
 * LMDB trusts what it reads. A byte that the disk got wrong has it crash, run in circles, or write
 * over what is still in use. So all that it would follow is looked at before it opens the file: the
 * newer of its two meta pages, the trees from there down to each node, and the list of free pages.
 * Each page must say its own number, each node lie in its page beside the others, each key come
 * after the one before and within what the page above says; each page may be in use once, or be
 * free; and what a tree says of itself must be what was counted.
 *
 * That is the format of LMDB 0.9, "data version 1", in which a page is:
 *
 *	| number | pad 2 | flags 2 | lower 2 | upper 2 | offsets of nodes, 2 each |   | nodes |
 *	                                                                   lower ─┘   └─ upper
 *
 * A long value has pages of its own, as many as its first one says in the place of lower and upper.
 * Numbers are those of the machine, in size and in order: the file is not for another one.
 *
 * The file is read, not mapped, so that a disk that fails gives an error and no signal. What is in
 * the values is for others to judge (store.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lmdb.h>

#include "daemon/storefile.h"

#if MDB_VERSION_MAJOR != 0 || MDB_VERSION_MINOR != 9
#error "storefile.c knows the format of LMDB 0.9 only"
#endif

#define MAGIC		0xbeefc0de
#define DATA_VERSION	1
#define PAGE_MIN	512
#define PAGE_MAX	32768
#define KEY_MAX		511
#define DEPTH_MAX	32
#define NO_PAGE		SIZE_MAX
#define BEYOND_MAX	(1u << 20)	/* free pages that a file may lack at its end */

enum { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_META = 8 };
enum { NODE_LONG = 1, NODE_TREE = 2 };
enum { METAS = 2 };

/**
 * struct head - of a page
 */
struct head {
	size_t		number;
	uint16_t	pad;
	uint16_t	flags;
	union {
		struct {
			uint16_t	lower;
			uint16_t	upper;
		};
		uint32_t	pages;
	};
};

#define HEAD_LEN	(offsetof(struct head, pages) + sizeof(uint32_t))

/**
 * struct node_head - of a node; its key and its value follow
 * @low: of the length of the value, or of the number of the page below
 * @high: likewise
 * @flags: of a leaf; of a branch the highest bits of the number of the page
 * @key_len: bytes of the key
 */
struct node_head {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	uint16_t	low;
	uint16_t	high;
#else
	uint16_t	high;
	uint16_t	low;
#endif
	uint16_t	flags;
	uint16_t	key_len;
};

/**
 * struct tree - what a tree says of itself
 */
struct tree {
	uint32_t	pad;
	uint16_t	flags;
	uint16_t	depth;
	size_t		branches;
	size_t		leaves;
	size_t		overflows;
	size_t		entries;
	size_t		root;
};

/**
 * struct meta - of a meta page, behind its head
 * @trees: that of free pages, whose pad is the size of a page; that of the names of all others
 * @last: number of the last page
 * @transaction: the newer meta page has the higher one
 */
struct meta {
	uint32_t	magic;
	uint32_t	version;
	void		*address;
	size_t		map;
	struct tree	trees[METAS];
	size_t		last;
	size_t		transaction;
};

enum { FREE, MAIN };

/**
 * struct check - a file that is looked at
 * @path: its name
 * @fd: the file
 * @pages: whole pages that it has
 * @size: of a page
 * @last: number of the last page that it says it has
 * @used: a bit for each page: it is in use
 * @free: likewise: it is free
 * @tiles: a byte for each of a page: a node is there
 * @error: gets what is wrong
 */
struct check {
	const char	*path;
	int		fd;
	size_t		pages;
	size_t		size;
	size_t		last;
	uint8_t		*used;
	uint8_t		*free;
	uint8_t		*tiles;
	struct cs_error	*error;
};

/**
 * struct walk - of one tree
 * @check: the file
 * @kind: FREE, MAIN; or beyond: one that has a name
 * @found: what was counted
 */
struct walk {
	struct check	*check;
	int		kind;
	struct tree	found;
};

/**
 * struct bytes - a key or a value
 */
struct bytes {
	const uint8_t	*data;
	size_t		len;
};

/**
 * struct node - a node, taken apart
 * @offset: where it begins in its page
 * @len: its bytes there
 * @flags: NODE_
 * @child: page below, of a branch
 * @key: its key
 * @value: of a leaf; if it has pages of its own, @value.len are its bytes, and @child is the first
 */
struct node {
	size_t		offset;
	size_t		len;
	unsigned int	flags;
	size_t		child;
	struct bytes	key;
	struct bytes	value;
};

static int walk_tree(struct check *check, int kind, const struct tree *tree);

static int damaged(const struct check *check, size_t page, const char *what)
{
	return cs_error_set(check->error, -EILSEQ,
			    "%s: damaged: page %zu: %s; move the store away, the network fills a "
			    "new one", check->path, page, what);
}

static int no_memory(const struct check *check)
{
	return cs_error_set(check->error, -ENOMEM, "%s: out of memory", check->path);
}

static bool has_bit(const uint8_t *bits, size_t i)
{
	return bits[i / 8] & 1 << i % 8;
}

/* Sets the bit of a page; false: it was set, or there is no such page. */
static bool mark(const struct check *check, uint8_t *bits, size_t page)
{
	if (page < METAS || page > check->last || has_bit(bits, page))
		return false;
	bits[page / 8] |= 1 << page % 8;
	return true;
}

static int read_at(const struct check *check, void *data, size_t len, uint64_t offset)
{
	ssize_t n;

	for (; len; data = (char *)data + n, len -= n, offset += n) {
		n = pread(check->fd, data, len, offset);
		if (n < 0)
			return cs_error_set(check->error, -errno, "%s: can't be read: %s",
					    check->path, strerror(errno));
		if (!n)
			return damaged(check, offset / check->size, "it lies beyond the end");
	}
	return 0;
}

/* --- Values --- */

/* Marks the pages of a long value; each but the first is nothing but the value. */
static int mark_long(struct walk *walk, const struct node *node)
{
	struct check *check = walk->check;
	struct head head;
	size_t i;
	int rc;

	if (!node->child || node->child >= check->pages)
		return damaged(check, node->child, "a value is said to be there");
	rc = read_at(check, &head, HEAD_LEN, (uint64_t)node->child * check->size);
	if (rc)
		return rc;
	if (head.number != node->child || head.flags != PAGE_OVERFLOW)
		return damaged(check, node->child, "it is no value");
	if (!head.pages || head.pages > check->pages - node->child ||
	    node->value.len > (uint64_t)head.pages * check->size - HEAD_LEN)
		return damaged(check, node->child, "the value has an impossible length");
	for (i = 0; i < head.pages; i++)
		if (!mark(check, check->used, node->child + i))
			return damaged(check, node->child + i, "it is in use twice");
	walk->found.overflows += head.pages;
	return 0;
}

/* A list of free pages: their count, then their numbers. */
static int take_free(const struct check *check, size_t page, const size_t *list, size_t len)
{
	size_t i, count = len / sizeof(*list);

	if (!count || list[0] >= count)
		return damaged(check, page, "a list of free pages has an impossible length");
	count = list[0];
	for (i = 1; i <= count; i++) {
		if (i > 1 && list[i] >= list[i - 1])
			return damaged(check, page, "a list of free pages is out of order");
		if (!mark(check, check->free, list[i]))
			return damaged(check, list[i], "it is free twice");
	}
	return 0;
}

static int read_free(const struct check *check, size_t page, const struct node *node)
{
	size_t *list = malloc(node->value.len + sizeof(*list));
	int rc = 0;

	if (!list)
		return no_memory(check);
	if (node->flags & NODE_LONG)
		rc = read_at(check, list, node->value.len,
			     (uint64_t)node->child * check->size + HEAD_LEN);
	else
		memcpy(list, node->value.data, node->value.len);
	if (!rc)
		rc = take_free(check, page, list, node->value.len);
	free(list);
	return rc;
}

static int take_value(struct walk *walk, size_t page, const struct node *node)
{
	struct check *check = walk->check;
	struct tree tree;
	int rc = 0;

	walk->found.entries++;
	if (node->flags & NODE_LONG)
		rc = mark_long(walk, node);
	if (rc)
		return rc;
	if (walk->kind == FREE)
		return read_free(check, page, node);
	if (!(node->flags & NODE_TREE))
		return 0;
	if (walk->kind != MAIN || node->value.len != sizeof(tree) || node->flags & NODE_LONG)
		return damaged(check, page, "a tree where none can be");
	memcpy(&tree, node->value.data, sizeof(tree));
	return walk_tree(check, MAIN + 1, &tree);
}

/* --- Pages --- */

static int order(const struct walk *walk, const struct bytes *a, const struct bytes *b)
{
	size_t x, y, len = a->len < b->len ? a->len : b->len;
	int rc;

	if (walk->kind == FREE) {
		memcpy(&x, a->data, sizeof(x));
		memcpy(&y, b->data, sizeof(y));
		return x < y ? -1 : x > y;
	}
	rc = len ? memcmp(a->data, b->data, len) : 0;
	if (rc)
		return rc;
	return a->len < b->len ? -1 : a->len > b->len;
}

/* Takes a node apart; NULL, or what is wrong with it. */
static const char *parse(const struct walk *walk, const uint8_t *page, const struct head *head,
			 size_t i, struct node *node)
{
	const struct check *check = walk->check;
	bool leaf = head->flags == PAGE_LEAF;
	struct node_head at;
	uint16_t offset;
	size_t len;

	memcpy(&offset, page + HEAD_LEN + 2 * i, sizeof(offset));
	if (offset % 2 || offset < head->upper || offset + sizeof(at) > check->size)
		return "a node lies elsewhere";
	memcpy(&at, page + offset, sizeof(at));
	*node = (struct node){ .offset = offset, .flags = leaf ? at.flags : 0 };
	node->child = (size_t)at.high << 16 | at.low;
	if (!leaf && sizeof(size_t) > 4)
		node->child |= (size_t)((uint64_t)at.flags << 32);
	node->key = (struct bytes){ page + offset + sizeof(at), at.key_len };
	node->value = (struct bytes){ node->key.data + at.key_len, leaf ? node->child : 0 };
	len = sizeof(at) + at.key_len +
	      (node->flags & NODE_LONG ? sizeof(size_t) : node->value.len);
	node->len = len + len % 2;
	if (node->len > check->size - offset)
		return "a node is too long";
	if (at.key_len > KEY_MAX || node->flags & ~(NODE_LONG | NODE_TREE))
		return "a node has an impossible key or value";
	if (walk->kind == FREE && at.key_len != sizeof(size_t) && (leaf || i))
		return "a key has an impossible length";
	if (node->flags & NODE_LONG)
		memcpy(&node->child, node->value.data, sizeof(size_t));
	return NULL;
}

static int walk_page(struct walk *walk, size_t number, unsigned int depth,
		     const struct bytes *low, const struct bytes *high);

static size_t nodes_of(const struct head *head)
{
	return (head->lower - HEAD_LEN) / 2;
}

/* All nodes of a page must be good before any is followed. */
static const char *parse_all(const struct walk *walk, const uint8_t *page,
			     const struct head *head, const struct bytes *low,
			     const struct bytes *high)
{
	const struct check *check = walk->check;
	size_t i, t, covered = 0, first = head->flags == PAGE_BRANCH;
	struct node node, before = { 0 };
	const char *wrong;

	memset(check->tiles, 0, check->size);
	for (i = 0; i < nodes_of(head); i++) {
		wrong = parse(walk, page, head, i, &node);
		for (t = 0; !wrong && t < node.len; t++)
			if (check->tiles[node.offset + t]++)
				wrong = "a node lies in another one";
		if (wrong)
			return wrong;
		covered += node.len;
		/* the first key of a branch stands for all that is less than the second */
		if (i > first && order(walk, &before.key, &node.key) >= 0)
			return "its keys are out of order";
		if (i >= first && ((low && order(walk, &node.key, low) < 0) ||
				   (high && order(walk, &node.key, high) >= 0)))
			return "a key belongs to another page";
		before = node;
	}
	return covered == check->size - head->upper ? NULL : "there is room between its nodes";
}

/* Down from a branch, or to the values of a leaf. */
static int descend(struct walk *walk, const uint8_t *page, const struct head *head,
		   unsigned int depth, const struct bytes *low, const struct bytes *high)
{
	size_t i, count = nodes_of(head);
	struct node node, next;
	int rc = 0;

	for (i = 0; !rc && i < count; i++) {
		parse(walk, page, head, i, &node);
		if (head->flags == PAGE_LEAF) {
			rc = take_value(walk, head->number, &node);
			continue;
		}
		if (i + 1 < count)
			parse(walk, page, head, i + 1, &next);
		rc = walk_page(walk, node.child, depth - 1, i ? &node.key : low,
			       i + 1 < count ? &next.key : high);
	}
	return rc;
}

static int look_at(struct walk *walk, const uint8_t *page, size_t number, unsigned int depth,
		   const struct bytes *low, const struct bytes *high)
{
	struct check *check = walk->check;
	const char *wrong;
	struct head head;

	memcpy(&head, page, HEAD_LEN);
	if (head.number != number)
		return damaged(check, number, "it is another page");
	if (head.flags != (depth > 1 ? PAGE_BRANCH : PAGE_LEAF))
		return damaged(check, number, "it is of another kind");
	if (head.lower < HEAD_LEN || head.lower % 2 || head.upper % 2 || head.lower > head.upper ||
	    head.upper > check->size || !nodes_of(&head) ||
	    (depth > 1 && walk->kind != FREE && nodes_of(&head) < 2))
		return damaged(check, number, "it has an impossible number of nodes");
	wrong = parse_all(walk, page, &head, low, high);
	if (wrong)
		return damaged(check, number, wrong);
	if (depth > 1)
		walk->found.branches++;
	else
		walk->found.leaves++;
	return descend(walk, page, &head, depth, low, high);
}

/* Keys are to be at least @low, and less than @high; NULL: whatever. */
static int walk_page(struct walk *walk, size_t number, unsigned int depth,
		     const struct bytes *low, const struct bytes *high)
{
	struct check *check = walk->check;
	uint8_t *page;
	int rc;

	if (number >= check->pages || !mark(check, check->used, number))
		return damaged(check, number, "it is in use twice, or is not there");
	page = malloc(check->size);
	if (!page)
		return no_memory(check);
	rc = read_at(check, page, check->size, (uint64_t)number * check->size);
	if (!rc)
		rc = look_at(walk, page, number, depth, low, high);
	free(page);
	return rc;
}

static int walk_tree(struct check *check, int kind, const struct tree *tree)
{
	struct walk walk = { .check = check, .kind = kind };
	int rc;

	if (kind > MAIN && (tree->flags || tree->pad))
		return damaged(check, tree->root, "it is the root of a tree of another kind");
	if (tree->depth > DEPTH_MAX || !tree->depth != (tree->root == NO_PAGE))
		return damaged(check, tree->root, "it is the root of a tree of impossible depth");
	rc = tree->depth ? walk_page(&walk, tree->root, tree->depth, NULL, NULL) : 0;
	if (rc)
		return rc;
	if (walk.found.branches != tree->branches || walk.found.leaves != tree->leaves ||
	    walk.found.overflows != tree->overflows || walk.found.entries != tree->entries)
		return damaged(check, tree->root, "the tree is not as large as it says");
	return 0;
}

/* --- The file --- */

static const char *meta_wrong(const struct head *head, const struct meta *meta)
{
	size_t size = meta->trees[FREE].pad;

	if (head->flags != PAGE_META || meta->magic != MAGIC)
		return "no file of LMDB";
	if (meta->version != DATA_VERSION)
		return "a file of another version of LMDB";
	if (size < PAGE_MIN || size > PAGE_MAX || size & (size - 1))
		return "pages of an impossible size";
	if (meta->trees[FREE].flags != MDB_INTEGERKEY || meta->trees[MAIN].flags ||
	    meta->trees[MAIN].pad)
		return "trees of an impossible kind";
	return NULL;
}

/* Reads both meta pages; @newer gets the one that holds. */
static int read_metas(struct check *check, struct meta *newer)
{
	struct meta meta;
	struct head head;
	const char *wrong;
	int i, rc;

	check->size = PAGE_MIN;
	for (i = 0; i < METAS; i++) {
		rc = read_at(check, &head, HEAD_LEN, i * check->size);
		if (!rc)
			rc = read_at(check, &meta, sizeof(meta), i * check->size + HEAD_LEN);
		if (rc)
			return rc;
		wrong = meta_wrong(&head, &meta);
		if (!wrong && head.number != (size_t)i)
			wrong = "another page";
		if (!wrong && i && meta.trees[FREE].pad != check->size)
			wrong = "pages of another size";
		if (wrong)
			return damaged(check, i, wrong);
		if (!i || meta.transaction > newer->transaction)
			*newer = meta;
		check->size = newer->trees[FREE].pad;
	}
	return 0;
}

static int check_trees(struct check *check, const struct meta *meta)
{
	size_t page, bytes = meta->last / 8 + 1;
	int rc;

	check->used = calloc(bytes, 1);
	check->free = calloc(bytes, 1);
	check->tiles = malloc(check->size);
	if (!check->used || !check->free || !check->tiles)
		return no_memory(check);
	rc = walk_tree(check, FREE, &meta->trees[FREE]);
	if (!rc)
		rc = walk_tree(check, MAIN, &meta->trees[MAIN]);
	for (page = 0; !rc && page < bytes; page++)
		if (check->used[page] & check->free[page])
			rc = damaged(check, 8 * page, "it, or one behind it, is in use and free");
	return rc;
}

static int check_open(struct check *check)
{
	struct meta meta;
	struct stat st;
	int rc;

	if (fstat(check->fd, &st))
		return cs_error_set(check->error, -errno, "%s: %s", check->path, strerror(errno));
	if (!st.st_size) /* made, and killed before anything else */
		return 0;
	rc = read_metas(check, &meta);
	if (rc)
		return rc;
	check->pages = st.st_size / check->size;
	check->last = meta.last;
	if (check->pages < METAS || meta.last < METAS - 1 ||
	    meta.last > check->pages + BEYOND_MAX)
		return damaged(check, meta.last, "the file can't have so many pages");
	rc = check_trees(check, &meta);
	free(check->used);
	free(check->free);
	free(check->tiles);
	return rc;
}

/**
 * storefile_check() - is the structure of a file of LMDB whole?
 * @path: the file; nobody writes to it meanwhile
 * @error: gets what is wrong, and what to do
 *
 * Return: 0, also if there is no file; -EILSEQ if it is damaged; another negative errno if it can't
 * be read.
 */
int storefile_check(const char *path, struct cs_error *error)
{
	struct check check = { .path = path, .error = error };
	int rc;

	check.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (check.fd < 0 && errno == ENOENT)
		return 0;
	if (check.fd < 0)
		return cs_error_set(error, -errno, "%s: can't be opened: %s", path,
				    strerror(errno));
	rc = check_open(&check);
	close(check.fd);
	return rc;
}
