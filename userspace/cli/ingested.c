// SPDX-License-Identifier: GPL-2.0
/*
 * The inbox of an ingest (daemon/ingest_file.c): a file for each delivery, NUMBER.messages, whole,
 * with messages one behind the other; NUMBER has 16 digits and grows. It is read beside an ingest
 * that runs, which may replace a file by one with other messages, so that who reads the files in
 * their order, each at any time, misses no chunk (daemon/ingest_whole.c). So is a copy of its
 * bucket (daemon/ingest_bucket.c), in which a file may appear after some with higher numbers: as
 * many are read once more, which does no harm.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/crowdshare.h"
#include "cli/ingested.h"
#include "lib/message.h"

#define NAME_LEN	16
#define WHOLE		".messages"
#define DISORDER_MAX	8		/* a bucket has files as they were uploaded */
#define DELIVERY_MAX	(64 << 20)	/* bytes; a batch of a gateway is much smaller */

static int is_whole(const struct dirent *entry)
{
	return strspn(entry->d_name, "0123456789abcdef") == NAME_LEN &&
	       !strcmp(entry->d_name + NAME_LEN, WHOLE);
}

static int list(const struct args *args, const char *dir, struct dirent ***names)
{
	int count = scandir(dir, names, is_whole, alphasort);

	if (count < 0)
		args_die(args, "--from %s: %s", dir, strerror(errno));
	return count;
}

/* All of a file that is no longer than it may be; NULL: it was removed meanwhile. */
static uint8_t *read_all(const struct args *args, const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint8_t *data = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 || fstat(fd, &st))
		args_die(args, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > DELIVERY_MAX)
		args_die(args, "%s: this is not of an ingest", path);
	data = malloc(st.st_size + 1);
	if (!data)
		args_die(args, "out of memory");
	for (*len = 0; *len < (size_t)st.st_size; *len += n) {
		n = read(fd, data + *len, st.st_size - *len);
		if (n <= 0)
			args_die(args, "%s: %s", path, n ? strerror(errno) : "it is shorter now");
	}
	close(fd);
	return data;
}

static void each_in(const struct args *args, const char *path, ingested_cb take, void *arg)
{
	struct cs_msg_hdr header;
	size_t len, at, size;
	uint8_t *data = read_all(args, path, &len);

	for (at = 0; data && at < len; at += size) {
		if (len - at < sizeof(header))
			args_die(args, "%s: it ends in the middle of a message", path);
		memcpy(&header, data + at, sizeof(header));
		size = sizeof(header) + be16toh(header.length);
		if (len - at < size)
			args_die(args, "%s: it ends in the middle of a message", path);
		take(data + at, size, arg);
	}
	free(data);
}

/**
 * ingested_each() - messages that an ingest took, the oldest first; a few that were read before
 * @args: for error messages
 * @read: gets the names of the files that were read now, instead of those that it had; to be freed
 *	with ingested_free()
 * @dir: its inbox
 * @after: name of the last file that was read before, or ""
 * @last: has @after, or is the same; gets the name of the last file that was read now, if it is a
 *	later one
 * @size: bytes of @last, more than 32
 * @take: gets each message
 * @arg: for it
 */
void ingested_each(const struct args *args, struct ingested *read, const char *dir,
		   const char *after, char *last, size_t size, ingested_cb take, void *arg)
{
	char path[PATH_MAX + NAME_LEN + sizeof(WHOLE)];
	int i;

	ingested_free(read);
	read->count = list(args, dir, &read->names);
	while (read->first < read->count &&
	       strcmp(read->names[read->first]->d_name, after) <= 0)
		read->first++;
	read->first = read->first < DISORDER_MAX ? 0 : read->first - DISORDER_MAX;
	for (i = read->first; i < read->count; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, read->names[i]->d_name);
		each_in(args, path, take, arg);
		if (strcmp(read->names[i]->d_name, last) > 0)
			snprintf(last, size, "%.31s", read->names[i]->d_name);
	}
}

/**
 * ingested_remove() - remove what was read
 * @args: for error messages
 * @read: names of these files, and of none that has come since
 * @dir: the inbox
 */
void ingested_remove(const struct args *args, const struct ingested *read, const char *dir)
{
	char path[PATH_MAX + NAME_LEN + sizeof(WHOLE)];
	int i;

	for (i = read->first; i < read->count; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, read->names[i]->d_name);
		if (unlink(path) && errno != ENOENT)
			args_die(args, "%s: %s", path, strerror(errno));
	}
}

/**
 * ingested_free() - forget which files were read
 * @read: their names; none afterwards
 */
void ingested_free(struct ingested *read)
{
	while (read->count--)
		free(read->names[read->count]);
	free(read->names);
	memset(read, 0, sizeof(*read));
}
