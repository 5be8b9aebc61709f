// SPDX-License-Identifier: GPL-2.0
/*
 * From the inbox of an ingest to a bucket: with one, the inbox is a spool, and a file is removed
 * from it when the bucket has said that it has it. A kill in between has it uploaded once more,
 * under the same name and with the same content.
 *
 * Files go in the order of their names, so many at a time, and the next ones when all of these are
 * there: who reads the bucket remembers a name up to which he has read, and need not look further
 * back than that for one that came late (cli/ingested.c). A bucket that does not take a file is
 * tried again after 1, 2, 4 and so on up to 300 seconds; meanwhile the spool fills up, to the bound
 * of the inbox.
 *
 * So many names wait in memory and no more; when they are done the directory is read again.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "daemon/bucket.h"
#include "daemon/ingest_bucket.h"
#include "daemon/ingest_file.h"
#include "daemon/log.h"
#include "daemon/policy.h"

#define ACTIVE_MAX	8	/* uploads at a time; cli/ingested.c knows it as DISORDER_MAX */
#define WAITING_MAX	16384	/* names in memory: 1 MiB */
#define NAME_ROOM	64

/**
 * struct entry - a file
 * @next: another one
 * @to: whose it is
 * @name: its name in the inbox, and in the bucket
 */
struct entry {
	TAILQ_ENTRY(entry)	next;
	struct ingest_bucket	*to;
	char			name[NAME_ROOM];
};

TAILQ_HEAD(entries, entry);

/**
 * struct ingest_bucket - what is under way
 * @bucket: where to
 * @inbox: where from
 * @done: is told
 * @data: for @done
 * @again: timer: goes on after a failure
 * @waits: for that
 * @failures: one after the other
 * @queue: files that wait
 * @active: files that are uploaded
 * @nr_queue: their number
 * @nr_active: their number
 * @more: there are others in the directory
 */
struct ingest_bucket {
	struct bucket		*bucket;
	char			inbox[PATH_MAX];
	ingest_bucket_done	done;
	void			*data;
	struct event		*again;
	bool			waits;
	unsigned int		failures;
	struct entries		queue;
	struct entries		active;
	size_t			nr_queue;
	unsigned int		nr_active;
	bool			more;
};

static void path_of(const struct entry *entry, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%.*s/%s", PATH_MAX - NAME_ROOM - 1, entry->to->inbox,
		 entry->name);
}

static void queue_up(struct ingest_bucket *to, const char *name)
{
	struct entry *entry = to->nr_queue < WAITING_MAX ? calloc(1, sizeof(*entry)) : NULL;

	if (!entry) {
		to->more = true;
		return;
	}
	entry->to = to;
	snprintf(entry->name, sizeof(entry->name), "%.*s", NAME_ROOM - 1, name);
	TAILQ_INSERT_TAIL(&to->queue, entry, next);
	to->nr_queue++;
}

/* To its place: before those that come later. */
static void put_back(struct entry *entry)
{
	struct ingest_bucket *to = entry->to;
	struct entry *other;

	to->nr_queue++;
	TAILQ_FOREACH(other, &to->queue, next)
		if (strcmp(other->name, entry->name) > 0)
			break;
	if (other)
		TAILQ_INSERT_BEFORE(other, entry, next);
	else
		TAILQ_INSERT_TAIL(&to->queue, entry, next);
}

static bool is_active(const struct ingest_bucket *to, const char *name)
{
	const struct entry *entry;

	TAILQ_FOREACH(entry, &to->active, next)
		if (!strcmp(entry->name, name))
			return true;
	return false;
}

/* What is in the directory; nothing is queued. */
static int read_inbox(struct ingest_bucket *to, struct cs_error *error)
{
	struct dirent **names;
	int count, i;

	count = scandir(to->inbox, &names, ingest_file_is_whole, alphasort);
	if (count < 0)
		return cs_error_set(error, -errno, "%s: %s", to->inbox, strerror(errno));
	to->more = false;
	for (i = 0; i < count; i++) {
		if (!is_active(to, names[i]->d_name))
			queue_up(to, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return 0;
}

static void pump(struct ingest_bucket *to);

static void on_again(evutil_socket_t fd, short what, void *data)
{
	struct ingest_bucket *to = data;

	(void)fd;
	(void)what;
	to->waits = false;
	pump(to);
}

/* Of those that fail together only the first counts. */
static void failed(struct ingest_bucket *to, const char *why)
{
	uint64_t wait = policy_backoff(to->failures);
	const struct timeval time = { wait / 1000000000, wait % 1000000000 / 1000 };

	if (to->waits)
		return;
	to->waits = true;
	to->failures++;
	log_warning("%s; it is tried again, and what comes waits in %s", why, to->inbox);
	evtimer_add(to->again, &time);
}

static void succeeded(struct entry *entry)
{
	struct ingest_bucket *to = entry->to;
	char path[PATH_MAX];

	if (to->failures)
		log_notice("the bucket takes files again");
	to->failures = 0;
	path_of(entry, path);
	if (unlink(path) && errno != ENOENT)
		log_error("%s: %s", path, strerror(errno));
	log_debug("%s is in the bucket", entry->name);
	to->done(to->data, entry->name);
}

static void on_uploaded(void *data, const char *why)
{
	struct entry *entry = data;
	struct ingest_bucket *to = entry->to;

	TAILQ_REMOVE(&to->active, entry, next);
	to->nr_active--;
	if (why) {
		put_back(entry);
		failed(to, why);
		return;
	}
	succeeded(entry);
	free(entry);
	pump(to);
}

static void upload(struct entry *entry)
{
	struct ingest_bucket *to = entry->to;
	struct cs_error error = { "" };
	char path[PATH_MAX];
	int rc;

	path_of(entry, path);
	rc = bucket_put(to->bucket, path, on_uploaded, entry, &error);
	if (!rc) {
		TAILQ_INSERT_TAIL(&to->active, entry, next);
		to->nr_active++;
		return;
	}
	/* somebody took it out, which is as good */
	if (rc == -ENOENT) {
		to->done(to->data, entry->name);
		free(entry);
		return;
	}
	put_back(entry);
	failed(to, error.text);
}

static void pump(struct ingest_bucket *to)
{
	struct cs_error error = { "" };
	struct entry *entry;

	if (to->nr_active)
		return;
	if (!to->nr_queue && to->more && read_inbox(to, &error))
		failed(to, error.text);
	while (!to->waits && to->nr_active < ACTIVE_MAX && (entry = TAILQ_FIRST(&to->queue))) {
		TAILQ_REMOVE(&to->queue, entry, next);
		to->nr_queue--;
		upload(entry);
		/* whether it takes any shows with one file as well as with all */
		if (to->failures)
			break;
	}
}

/**
 * ingest_bucket_add() - a file is whole
 * @to: where it goes
 * @name: of the file
 */
void ingest_bucket_add(struct ingest_bucket *to, const char *name)
{
	queue_up(to, name);
	pump(to);
}

/**
 * ingest_bucket_open() - begin to upload what is in the inbox
 * @to: gets what is under way
 * @base: event loop
 * @config: names inbox and bucket
 * @done: is told of each file that is in the bucket
 * @data: for @done
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno; that the bucket is not there is no failure.
 */
int ingest_bucket_open(struct ingest_bucket **to, struct event_base *base,
		       const struct config_ingest *config, ingest_bucket_done done, void *data,
		       struct cs_error *error)
{
	struct ingest_bucket *new = calloc(1, sizeof(*new));
	int rc;

	if (!new)
		return cs_error_set(error, -ENOMEM, "out of memory");
	TAILQ_INIT(&new->queue);
	TAILQ_INIT(&new->active);
	snprintf(new->inbox, sizeof(new->inbox), "%s", config->inbox);
	new->done = done;
	new->data = data;
	new->again = evtimer_new(base, on_again, new);
	rc = new->again ? 0 : cs_error_set(error, -ENOMEM, "out of memory");
	if (!rc)
		rc = bucket_open(&new->bucket, base, &config->bucket, error);
	if (!rc)
		rc = read_inbox(new, error);
	if (rc) {
		ingest_bucket_close(new);
		return rc;
	}
	*to = new;
	pump(new);
	return 0;
}

static void free_all(struct entries *entries)
{
	struct entry *entry = TAILQ_FIRST(entries), *next;

	for (; entry; entry = next) {
		next = TAILQ_NEXT(entry, next);
		free(entry);
	}
	TAILQ_INIT(entries);
}

/**
 * ingest_bucket_close() - end; what is under way is uploaded by the next one
 * @to: may be NULL
 */
void ingest_bucket_close(struct ingest_bucket *to)
{
	if (!to)
		return;
	bucket_close(to->bucket);
	free_all(&to->active);
	free_all(&to->queue);
	if (to->again)
		event_free(to->again);
	free(to);
}
