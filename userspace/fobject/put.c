// SPDX-License-Identifier: GPL-2.0
/*
 * Files and directories to objects.
 *
 * With `via`, the messages of the object are the content of another one, to the last of those,
 * whose messages are the content of one to him before, and so on: who opens one finds messages,
 * with a destination each, and no more. Each message stands in one chunk, so that it can be sent
 * on as soon as that chunk is there.
 *
 * In a directory, what is neither a file nor a directory is skipped: a symbolic link would lead the
 * recipient somewhere. So is what can't be read; the caller is told.
 *
 * Nothing here keeps state between calls.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "fobject/chunker.h"
#include "fobject/manifest.h"
#include "fobject/rsa.h"

#define EXPIRY_STEP	600
#define VIA_MAX		8

/**
 * struct put - an object being made
 * @options: as given
 * @result: being filled
 * @error: gets the reason of a failure
 * @chunkers: of the object itself, then of those around it, to the outermost
 * @manifest: what came so far
 * @sha512: context
 * @sha256: context
 */
struct put {
	const struct cs_put_options	*options;
	struct cs_put_result		*result;
	struct cs_error			*error;
	struct cs_chunker		*chunkers[VIA_MAX + 1];
	struct cs_manifest		manifest;
	EVP_MD_CTX			*sha512;
	EVP_MD_CTX			*sha256;
};

/* A message of the outermost object, which goes over the wire. */
static int hand_out(const void *message, size_t len, void *arg)
{
	struct put *put = arg;
	int rc = put->options->message(message, len, put->options->arg);

	put->result->messages++;
	put->result->sent += len;
	return rc;
}

/* A message of an object that goes by way of somebody. */
static int wrap(const void *message, size_t len, void *arg)
{
	return cs_chunker_add_whole(arg, message, len);
}

/* Rounded down, unless little would be left. */
static uint64_t expiry_of(const struct cs_put_options *options)
{
	uint64_t lifetime = options->lifetime ? options->lifetime : CS_LIFETIME_DEFAULT;
	uint64_t expiry = options->now + lifetime;

	return lifetime >= 2 * EXPIRY_STEP ? expiry - expiry % EXPIRY_STEP : expiry;
}

/* The object itself, and around it those of @via, the first of which is the outermost. */
static int begin(struct put *put, enum cs_kind kind, const char *name, uint64_t size)
{
	const struct cs_put_options *options = put->options;
	struct cs_chunker_options each = {
		.sender = options->sender,
		.created = options->now,
		.expiry = put->result->expiry,
		.redundancy = options->redundancy,
		.frame = options->frame ? options->frame : CS_FRAME_DEFAULT,
		.kind = CS_KIND_VIA,
		.size = CS_SIZE_UNKNOWN,
		.message = hand_out,
		.arg = put,
	};
	int rc = 0;
	size_t i;

	for (i = 0; !rc && i < options->nr_via; i++) {
		each.to = options->via[i];
		rc = cs_chunker_new(&put->chunkers[options->nr_via - i], &each, put->error);
		each.message = wrap;
		each.arg = put->chunkers[options->nr_via - i];
	}
	each.to = options->to;
	each.kind = kind;
	each.name = name;
	each.name_len = strlen(name);
	each.size = size;
	if (!rc)
		rc = cs_chunker_new(&put->chunkers[0], &each, put->error);
	if (!rc)
		memcpy(put->result->object, cs_chunker_object(put->chunkers[0]), CS_OBJECT_ID_LEN);
	return rc;
}

/* Writes the manifest, and then the ends of all objects, from the inside out. */
static int finish(struct put *put)
{
	uint8_t head[CS_MANIFEST_HEAD_MAX], tail[CS_MANIFEST_TAIL];
	size_t head_len = cs_manifest_head(&put->manifest, head), i;
	uint32_t len = head_len + put->manifest.len;
	int rc;

	for (i = 0; i < sizeof(tail); i++)
		tail[i] = len >> (24 - 8 * i);
	rc = cs_chunker_add(put->chunkers[0], head, head_len);
	if (!rc)
		rc = cs_chunker_add(put->chunkers[0], put->manifest.data, put->manifest.len);
	if (!rc)
		rc = cs_chunker_add(put->chunkers[0], tail, sizeof(tail));
	for (i = 0; !rc && i <= put->options->nr_via; i++)
		rc = cs_chunker_finish(put->chunkers[i]);
	return rc;
}

/* Content of a file or a pipe, up to its end. */
static int copy(struct put *put, int fd, const char *path, uint64_t *size)
{
	uint8_t *room;
	ssize_t n;
	size_t len;
	int rc;

	for (*size = 0;; *size += n) {
		rc = cs_chunker_room(put->chunkers[0], &room, &len);
		if (rc)
			return rc;
		n = read(fd, room, len);
		if (n < 0 && errno == EINTR) {
			n = 0;
			continue;
		}
		if (n < 0)
			return cs_error_set(put->error, -errno, "%s: %s", path, strerror(errno));
		if (!n)
			return 0;
		if (*size + n > CS_SIZE_MAX)
			return cs_error_set(put->error, -EFBIG, "%s: is too large", path);
		if (EVP_DigestUpdate(put->sha512, room, n) != 1 ||
		    EVP_DigestUpdate(put->sha256, room, n) != 1)
			return cs_error_set(put->error, -EIO, "SHA-512 or SHA-256 failed");
		cs_chunker_used(put->chunkers[0], n);
		put->result->bytes += n;
		if (put->options->progress)
			put->options->progress(put->result->bytes, put->options->arg);
	}
}

static void fill_entry(struct cs_entry *entry, const struct stat *st, const char *path)
{
	*entry = (struct cs_entry){
		.type = S_ISDIR(st->st_mode) ? CS_ENTRY_DIRECTORY : CS_ENTRY_FILE,
		.path = (const uint8_t *)path,
		.path_len = strlen(path),
		.mode = st->st_mode & 0777,
	};
	/* before 1970, or at the end of all days: nobody means that */
	if (st->st_mtim.tv_sec >= 0 && st->st_mtim.tv_sec <= (time_t)CS_TIME_MAX) {
		entry->mtime = st->st_mtim.tv_sec;
		entry->nsec = st->st_mtim.tv_nsec;
	}
}

static int add_entry(struct put *put, const struct cs_entry *entry, const char *path)
{
	int rc = cs_manifest_add(&put->manifest, entry);

	if (rc == -EFBIG)
		cs_error_set(put->error, rc,
			     "%s: too many files: their list has more than %d MiB; send an archive",
			     path, CS_MANIFEST_MAX >> 20);
	return rc;
}

/* A file, of which @path is the path in the object. */
static int put_file(struct put *put, int fd, const struct stat *st, const char *path,
		    const char *shown)
{
	struct cs_entry entry;
	int rc;

	if (EVP_DigestInit_ex2(put->sha512, EVP_sha512(), NULL) != 1 ||
	    EVP_DigestInit_ex2(put->sha256, EVP_sha256(), NULL) != 1)
		return cs_error_set(put->error, -EIO, "OpenSSL has no SHA-512 or SHA-256");
	fill_entry(&entry, st, path);
	rc = copy(put, fd, shown, &entry.size);
	if (rc)
		return rc;
	if (EVP_DigestFinal_ex(put->sha512, entry.sha512, NULL) != 1 ||
	    EVP_DigestFinal_ex(put->sha256, entry.sha256, NULL) != 1)
		return cs_error_set(put->error, -EIO, "SHA-512 or SHA-256 failed");
	if (!*path) {
		memcpy(put->result->sha512, entry.sha512, sizeof(entry.sha512));
		memcpy(put->result->sha256, entry.sha256, sizeof(entry.sha256));
	}
	put->result->files++;
	return add_entry(put, &entry, shown);
}

static void skip(struct put *put, const char *path, const char *why)
{
	put->result->skipped++;
	if (put->options->skipped)
		put->options->skipped(path, why, put->options->arg);
}

static int put_tree(struct put *put, int fd, char *path, size_t len, unsigned int depth);

/* Something in a directory; @path has its path. */
static int put_member(struct put *put, int dir, const char *name, char *path, size_t len,
		      unsigned int depth)
{
	/* O_NONBLOCK: a FIFO must not hold us up */
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct cs_entry entry;
	struct stat st;
	int rc = 0;

	if (depth > CS_DEPTH_MAX) {
		if (fd >= 0)
			close(fd);
		skip(put, path, "lies too deep");
		return 0;
	}
	if (fd < 0) {
		skip(put, path, errno == ELOOP ? "is a symbolic link" :
		     errno == ENXIO ? "is neither a file nor a directory" : strerror(errno));
		return 0;
	}
	if (fstat(fd, &st)) {
		skip(put, path, strerror(errno));
	} else if (S_ISREG(st.st_mode)) {
		rc = put_file(put, fd, &st, path, path);
	} else if (!S_ISDIR(st.st_mode)) {
		skip(put, path, "is neither a file nor a directory");
	} else {
		fill_entry(&entry, &st, path);
		rc = add_entry(put, &entry, path);
		return rc ? close(fd), rc : put_tree(put, fd, path, len, depth + 1);
	}
	close(fd);
	return rc;
}

/* All that is in a directory, whose path with a slash is the first @len bytes; closes @fd. */
static int put_tree(struct put *put, int fd, char *path, size_t len, unsigned int depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *member;
	size_t name_len;
	int rc = 0;

	if (!dir) {
		rc = -errno;
		close(fd);
		return cs_error_set(put->error, rc, "%s: %s", path, strerror(-rc));
	}
	if (len)
		path[len++] = '/';
	while (!rc && (errno = 0, member = readdir(dir))) {
		name_len = strlen(member->d_name);
		if (!strcmp(member->d_name, ".") || !strcmp(member->d_name, ".."))
			continue;
		if (len + name_len > CS_PATH_MAX) {
			path[len ? len - 1 : 0] = '\0';
			skip(put, path, "names in it are too long");
			path[len ? len - 1 : 0] = len ? '/' : '\0';
			continue;
		}
		memcpy(path + len, member->d_name, name_len + 1);
		rc = put_member(put, dirfd(dir), member->d_name, path, len + name_len, depth);
	}
	path[len] = '\0';
	if (!rc && errno)
		rc = cs_error_set(put->error, -errno, "%s: %s", path, strerror(errno));
	closedir(dir);
	return rc;
}

/* A directory; closes @fd. */
static int put_directory(struct put *put, int fd, const struct stat *st, const char *shown)
{
	struct cs_entry entry;
	char *path;
	int rc;

	fill_entry(&entry, st, "");
	path = calloc(1, CS_PATH_MAX + 1);
	rc = path ? add_entry(put, &entry, shown) : -ENOMEM;
	if (rc)
		close(fd);
	else
		rc = put_tree(put, fd, path, 0, 1);
	free(path);
	return rc;
}

static int check(struct put *put, const char *name)
{
	const struct cs_put_options *options = put->options;

	if (options->nr_via > VIA_MAX)
		return cs_error_set(put->error, -EINVAL, "by way of %zu others: at most %d",
				    options->nr_via, VIA_MAX);
	if (options->lifetime > CS_LIFETIME_MAX)
		return cs_error_set(put->error, -EINVAL, "a lifetime of more than %d days: every "
				    "recipient would refuse it", CS_LIFETIME_MAX / 86400);
	if (strlen(name) > CS_NAME_MAX)
		return cs_error_set(put->error, -ENAMETOOLONG, "the name is longer than %d bytes",
				    CS_NAME_MAX);
	put->sha512 = EVP_MD_CTX_new();
	put->sha256 = EVP_MD_CTX_new();
	return put->sha512 && put->sha256 ? 0 : -ENOMEM;
}

/* Codes what @fd is. */
static int run(struct put *put, int fd, const char *name, const char *shown)
{
	struct stat st;
	int rc;

	rc = check(put, name);
	if (!rc && fstat(fd, &st))
		rc = cs_error_set(put->error, -errno, "%s: %s", shown, strerror(errno));
	if (!rc)
		rc = begin(put, S_ISDIR(st.st_mode) ? CS_KIND_DIRECTORY : CS_KIND_FILE, name,
			   S_ISREG(st.st_mode) ? (uint64_t)st.st_size : CS_SIZE_UNKNOWN);
	if (rc)
		return rc;
	/* a pipe has no permissions to be kept, nor a time */
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		st.st_mode = S_IFREG | 0644;
		st.st_mtim = (struct timespec){ .tv_sec = put->options->now };
	}
	if (S_ISDIR(st.st_mode)) {
		fd = dup(fd);
		rc = fd < 0 ? -errno : put_directory(put, fd, &st, shown);
	} else {
		rc = put_file(put, fd, &st, "", shown);
	}
	return rc ? rc : finish(put);
}

/**
 * cs_put_fd() - code what a descriptor gives
 * @options: how
 * @fd: a file, a pipe, a socket, or a directory; stays the caller's
 * @name: of the object, which the recipient's file gets; no path
 * @result: gets what was coded; up to where, after a failure
 * @error: gets the reason of a failure
 *
 * Return: 0, what the taker of messages returned if it was not 0, or a negative errno.
 */
int cs_put_fd(const struct cs_put_options *options, int fd, const char *name,
	      struct cs_put_result *result, struct cs_error *error)
{
	struct put put = { .options = options, .result = result };
	struct cs_error why = { "" };
	size_t i;
	int rc;

	put.error = &why;
	memset(result, 0, sizeof(*result));
	result->expiry = expiry_of(options);
	rc = run(&put, fd, name, name);
	for (i = 0; i <= options->nr_via && i <= VIA_MAX; i++)
		cs_chunker_free(put.chunkers[i]);
	cs_manifest_free(&put.manifest);
	EVP_MD_CTX_free(put.sha512);
	EVP_MD_CTX_free(put.sha256);
	if (!rc)
		return 0;
	return cs_error_set(error, rc, "%s", why.text[0] ? why.text : rc > 0 ?
			    "stopped" : strerror(-rc));
}

/* The last name of a path; that of what "." or ".." is. */
static int name_of(const char *path, char name[PATH_MAX], struct cs_error *error)
{
	char copy[PATH_MAX], *base;

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return cs_error_set(error, -ENAMETOOLONG, "%s: name too long", path);
	base = basename(copy);
	if (!strcmp(base, ".") || !strcmp(base, "..")) {
		if (!realpath(path, copy))
			return cs_error_set(error, -errno, "%s: %s", path, strerror(errno));
		base = basename(copy);
	}
	if (!strcmp(base, "/"))
		return cs_error_set(error, -EINVAL, "%s: has no name; send what is in it", path);
	memmove(name, base, strlen(base) + 1);
	return 0;
}

/**
 * cs_put_path() - code a file or a directory
 * @options: how
 * @path: of it; the object gets its last name
 * @result: gets what was coded; up to where, after a failure
 * @error: gets the reason of a failure
 *
 * Return: 0, what the taker of messages returned if it was not 0, or a negative errno.
 */
int cs_put_path(const struct cs_put_options *options, const char *path,
		struct cs_put_result *result, struct cs_error *error)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), rc;
	char name[PATH_MAX];
	struct stat st;

	memset(result, 0, sizeof(*result));
	if (fd < 0 || fstat(fd, &st)) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return cs_error_set(error, rc, "%s: %s", path, strerror(-rc));
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		rc = cs_error_set(error, -EINVAL,
				  "%s: neither a file nor a directory; a pipe is sent as '-'",
				  path);
	else
		rc = name_of(path, name, error);
	if (!rc)
		rc = cs_put_fd(options, fd, name, result, error);
	close(fd);
	return rc;
}
