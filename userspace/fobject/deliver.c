// SPDX-License-Identifier: GPL-2.0
/*
 * What is whole appears where it belongs: at once, and once.
 *
 * A file that lies on the same file system is moved there. Otherwise, and for a directory, it is
 * made beside under a name that is hidden, has all that it needs, and then gets its own name. What
 * lies there already is never replaced unless the caller wants it: "name.txt" becomes
 * "name (2).txt".
 *
 * A move is one step, but that it was done is another one. If the program is killed in between,
 * the next run finds that ID.file is not there any more; for what was made beside, ID.deliver says
 * which file was about to get which name, and if it has it, all is done.
 *
 * Nothing is created outside of the directory: names are cleaned, and below it paths are resolved
 * by openat2() without symbolic links or anything else that leads out.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "fobject/inbox.h"
#include "fobject/manifest.h"
#include "lib/file.h"
#include "lib/name.h"

#define NAMES_MAX	10000
#define TWINS_MAX	100	/* so many names are tried one after the other for an entry */
#define RENAMED_MAX	256	/* directories that can't have their names */
#define DEPTH_LIMIT	(2 * CS_DEPTH_MAX)

/**
 * struct renamed - a directory whose name, when it is cleaned, is that of a file
 * @next: another one
 * @path: of it, in the manifest
 * @len: bytes of @path
 * @name: that it has instead
 */
struct renamed {
	struct renamed	*next;
	const uint8_t	*path;
	size_t		len;
	char		name[CS_NAME_MAX + 1];
};

/**
 * struct delivery - an object on its way out
 * @get: what is under way
 * @object: the object
 * @whole: its content, if it is made beside
 * @out: directory where it is to appear
 * @path: of that, with no symbolic links
 * @beside: hidden name under which it is made there
 * @name: that it is to have
 * @manifest: of a directory
 * @manifest_len: its bytes
 * @nth: which entry of that is being made
 * @renamed: directories in it that have other names
 * @nr_renamed: their number
 * @error: gets the reason of a failure
 */
struct delivery {
	struct cs_get	*get;
	struct object	*object;
	int		whole;
	int		out;
	char		path[PATH_MAX];
	char		beside[FILE_NAME_LEN];
	char		name[CS_NAME_MAX + 1];
	uint8_t		*manifest;
	size_t		manifest_len;
	uint64_t	nth;
	struct renamed	*renamed;
	unsigned int	nr_renamed;
	struct cs_error	*error;
};

/**
 * struct intent - ID.deliver: this file is about to get this name
 * @device: of the file
 * @inode: of the file
 * @path: directory and name
 */
struct intent {
	uint64_t	device;
	uint64_t	inode;
	char		path[PATH_MAX + CS_NAME_MAX + 2];
};

static int fail(struct delivery *delivery, int rc)
{
	return cs_error_set(delivery->error, rc, "%s/%s: %s", delivery->path, delivery->name,
			    strerror(-rc));
}

/* Below @dir, and nowhere else. */
static int open_beneath(int dir, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC | O_NOFOLLOW,
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_NO_XDEV,
	};

	return syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

static int remove_tree(int dir, const char *name, unsigned int depth)
{
	struct dirent *entry;
	DIR *content;
	int fd, rc = 0;

	if (!unlinkat(dir, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	fd = depth == DEPTH_LIMIT ? -1 :
	     openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	content = fd < 0 ? NULL : fdopendir(fd);
	if (!content) {
		if (fd >= 0)
			close(fd);
		return -EIO;
	}
	while (!rc && (entry = readdir(content)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			rc = remove_tree(fd, entry->d_name, depth + 1);
	closedir(content);
	return rc ? rc : unlinkat(dir, name, AT_REMOVEDIR) ? -errno : 0;
}

static bool is_zero(const uint8_t *data, size_t len)
{
	return !len || (!data[0] && !memcmp(data, data + 1, len - 1));
}

/* Copies a part of the content to a file that is empty. */
static int copy(struct delivery *delivery, int to, uint64_t offset, uint64_t size)
{
	uint8_t *buffer = delivery->get->plain;
	uint64_t done = 0;
	ssize_t n;
	int rc;

	while (done < size) {
		n = size - done < delivery->get->room ? size - done : delivery->get->room;
		n = pread(delivery->whole, buffer, n, offset + done);
		if (n <= 0)
			return n ? -errno : -EIO;
		if (!is_zero(buffer, n)) {
			if (lseek(to, done, SEEK_SET) < 0)
				return -errno;
			rc = cs_file_write(to, buffer, n);
			if (rc)
				return rc;
		}
		done += n;
	}
	return ftruncate(to, size) ? -errno : 0;
}

static const struct renamed *find_renamed(const struct delivery *delivery, const uint8_t *path,
					  size_t len)
{
	const struct renamed *renamed = delivery->renamed;

	while (renamed && (renamed->len != len || memcmp(renamed->path, path, len)))
		renamed = renamed->next;
	return renamed;
}

/* A path of a manifest as it is created: each name cleaned; false: it is too long. */
static bool clean_path(const struct delivery *delivery, const struct cs_entry *entry,
		       char path[PATH_MAX])
{
	const uint8_t *p = entry->path, *slash;
	size_t left = entry->path_len, len;
	const struct renamed *renamed;
	char name[CS_NAME_MAX + 1];
	char *to = path;

	for (;;) {
		slash = memchr(p, '/', left);
		len = slash ? (size_t)(slash - p) : left;
		renamed = find_renamed(delivery, entry->path, p + len - entry->path);
		if (renamed)
			strcpy(name, renamed->name);
		else
			cs_name_clean(name, p, len, true);
		if (to - path + strlen(name) + 2 > PATH_MAX)
			return false;
		to = stpcpy(to, name);
		if (!slash)
			return true;
		*to++ = '/';
		p += len + 1;
		left -= len + 1;
	}
}

/* Opens the directory of a path; its last name is @name. */
static int open_parent(int root, char *path, const char **name)
{
	char *slash = strrchr(path, '/');
	int fd;

	*name = slash ? slash + 1 : path;
	if (!slash)
		return dup(root);
	*slash = '\0';
	fd = open_beneath(root, path, O_PATH | O_DIRECTORY, 0);
	*slash = '/';
	return fd;
}

static int set_time(int fd, const struct cs_entry *entry)
{
	const struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = entry->mtime, .tv_nsec = entry->nsec },
	};

	return futimens(fd, times) ? -errno : 0;
}

/* Another name for the entry that is being made; the last one that is tried no other entry gets. */
static void number_name(const struct delivery *delivery, char other[CS_FILE_NAME_MAX + 1],
			const char *name, unsigned int i)
{
	cs_name_number(other, name, i < TWINS_MAX ? i : TWINS_MAX + delivery->nth);
}

/* A new file in a directory; if there is one of this name, under another. */
static int create(const struct delivery *delivery, int parent, const char *name, mode_t mode)
{
	char other[CS_FILE_NAME_MAX + 1];
	unsigned int i;
	int fd;

	fd = open_beneath(parent, name, O_WRONLY | O_CREAT | O_EXCL, mode);
	for (i = 2; fd < 0 && errno == EEXIST && i <= TWINS_MAX; i++) {
		number_name(delivery, other, name, i);
		fd = open_beneath(parent, other, O_WRONLY | O_CREAT | O_EXCL, mode);
	}
	return fd < 0 ? -errno : fd;
}

static int make_file(struct delivery *delivery, int parent, const char *name,
		     const struct cs_entry *entry, uint64_t offset)
{
	int fd = create(delivery, parent, name, entry->mode | 0600), rc;

	if (fd < 0)
		return fd;
	rc = copy(delivery, fd, offset, entry->size);
	if (!rc)
		rc = set_time(fd, entry);
	close(fd);
	return rc;
}

/* A directory; names that became the same when they were cleaned share it. */
static int make_or_share(int parent, const char *name)
{
	struct stat st;

	if (!mkdirat(parent, name, 0700))
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -EEXIST;
}

/* Does the manifest say of a directory that it is a file, before? */
static bool is_file_too(const struct delivery *delivery, const struct cs_entry *directory)
{
	struct cs_manifest_reader reader;
	struct cs_entry entry;
	int rc;

	rc = cs_manifest_open(&reader, CS_KIND_DIRECTORY, delivery->manifest,
			      delivery->manifest_len, NULL);
	while (!rc && cs_manifest_next(&reader, &entry, NULL) > 0 && reader.next < delivery->nth)
		if (entry.type == CS_ENTRY_FILE && entry.path_len == directory->path_len &&
		    !memcmp(entry.path, directory->path, entry.path_len))
			return true;
	return false;
}

/* If there is a file of this name, under another, which holds for all that is in it. */
static int make_directory(struct delivery *delivery, int parent, const char *name,
			  const struct cs_entry *entry)
{
	struct renamed *renamed;
	unsigned int i;
	int rc;

	rc = make_or_share(parent, name);
	if (rc != -EEXIST || delivery->nr_renamed == RENAMED_MAX)
		return rc;
	if (is_file_too(delivery, entry))
		return -EBADMSG;
	renamed = calloc(1, sizeof(*renamed));
	if (!renamed)
		return -ENOMEM;
	for (i = 2; rc == -EEXIST && i <= TWINS_MAX; i++) {
		number_name(delivery, renamed->name, name, i);
		rc = make_or_share(parent, renamed->name);
	}
	renamed->path = entry->path;
	renamed->len = entry->path_len;
	renamed->next = delivery->renamed;
	delivery->renamed = renamed;
	delivery->nr_renamed++;
	return rc;
}

/* What stands in the manifest, below @root. */
static int make_entry(struct delivery *delivery, int root, const struct cs_entry *entry,
		      uint64_t offset)
{
	char path[PATH_MAX];
	const char *name;
	int parent, rc;

	if (!entry->path_len)
		return 0; /* the directory itself */
	if (!clean_path(delivery, entry, path))
		return -ENAMETOOLONG;
	parent = open_parent(root, path, &name);
	if (parent < 0)
		rc = -errno;
	else if (entry->type == CS_ENTRY_DIRECTORY)
		rc = make_directory(delivery, parent, name, entry);
	else
		rc = make_file(delivery, parent, name, entry, offset);
	if (parent >= 0)
		close(parent);
	/* it names a file where it says that a directory is, or no directory before its files */
	return rc == -ENOENT || rc == -ENOTDIR || rc == -ELOOP ? -EBADMSG : rc;
}

/* Permissions and times of directories, when all is in them. */
static int finish_entry(struct delivery *delivery, int root, const struct cs_entry *entry)
{
	char path[PATH_MAX] = ".";
	int fd, rc = 0;

	if (entry->type != CS_ENTRY_DIRECTORY)
		return 0;
	if (entry->path_len && !clean_path(delivery, entry, path))
		return -ENAMETOOLONG;
	fd = open_beneath(root, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, (entry->mode & ~delivery->get->mask) | 0700))
		rc = -errno;
	if (!rc)
		rc = set_time(fd, entry);
	close(fd);
	return rc;
}

/* All entries, in two passes. */
static int fill_tree(struct delivery *delivery, int root)
{
	const size_t len = delivery->manifest_len;
	struct cs_manifest_reader reader;
	struct renamed *renamed;
	struct cs_entry entry;
	uint64_t offset = 0;
	int rc;

	rc = cs_manifest_open(&reader, CS_KIND_DIRECTORY, delivery->manifest, len, NULL);
	while (!rc && cs_manifest_next(&reader, &entry, NULL) > 0) {
		delivery->nth = reader.next;
		rc = make_entry(delivery, root, &entry, offset);
		offset += entry.size;
	}
	if (!rc)
		rc = cs_manifest_open(&reader, CS_KIND_DIRECTORY, delivery->manifest, len, NULL);
	while (!rc && cs_manifest_next(&reader, &entry, NULL) > 0)
		rc = finish_entry(delivery, root, &entry);
	while ((renamed = delivery->renamed)) {
		delivery->renamed = renamed->next;
		free(renamed);
	}
	return rc;
}

static int make_tree(struct delivery *delivery)
{
	int root = -1, rc;
	struct stat st;

	if (fstat(delivery->whole, &st))
		return -errno;
	rc = cs_object_manifest(delivery->whole, st.st_size, &delivery->manifest,
				&delivery->manifest_len);
	if (!rc && mkdirat(delivery->out, delivery->beside, 0700))
		rc = -errno;
	if (!rc) {
		root = openat(delivery->out, delivery->beside,
			      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		rc = root < 0 ? -errno : fill_tree(delivery, root);
	}
	if (!rc && syncfs(root))
		rc = -errno;
	if (root >= 0)
		close(root);
	free(delivery->manifest);
	return rc;
}

static int make_copy(struct delivery *delivery)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	struct stat st;
	int fd, rc;

	if (fstat(delivery->whole, &st))
		return -errno;
	times[1] = st.st_mtim;
	fd = openat(delivery->out, delivery->beside,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	rc = copy(delivery, fd, 0, st.st_size);
	if (!rc && (fchmod(fd, st.st_mode & 0777) || futimens(fd, times) || fsync(fd)))
		rc = -errno;
	close(fd);
	return rc;
}

/* Says in ID.deliver what is about to get its name. */
static int intend(struct delivery *delivery)
{
	struct intent intent = { 0 };
	char name[FILE_NAME_LEN];
	struct stat st;
	int rc;

	if (fstatat(delivery->out, delivery->beside, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	intent.device = st.st_dev;
	intent.inode = st.st_ino;
	snprintf(intent.path, sizeof(intent.path), "%s/%s", delivery->path, delivery->name);
	cs_object_name(delivery->object, ".deliver", name);
	rc = cs_object_write_state(delivery->get, name, &intent, sizeof(intent), NULL, 0, true);
	return rc ? rc : fsync(delivery->get->dir) ? -errno : 0;
}

/**
 * cs_deliver_was_done() - did an earlier run deliver what it made beside, and was killed then?
 * @get: what is under way
 * @object: is whole
 */
bool cs_deliver_was_done(struct cs_get *get, const struct object *object)
{
	char name[FILE_NAME_LEN];
	struct intent intent;
	struct stat st;
	ssize_t n;
	int fd;

	cs_object_name(object, ".deliver", name);
	fd = openat(get->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	n = read(fd, &intent, sizeof(intent));
	close(fd);
	return n == (ssize_t)sizeof(intent) && memchr(intent.path, '\0', sizeof(intent.path)) &&
	       !lstat(intent.path, &st) && st.st_dev == intent.device && st.st_ino == intent.inode;
}

static bool is_taken(int dir, const char *name)
{
	return !faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW);
}

/* Moves without replacing; where there is no such call, files are linked, directories moved. */
static int move(int from_dir, const char *from, int to_dir, const char *to, bool replace)
{
	if (replace)
		return renameat(from_dir, from, to_dir, to) ? -errno : 0;
	if (!renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (!linkat(from_dir, from, to_dir, to, 0))
		return unlinkat(from_dir, from, 0) ? -errno : 0;
	if (errno != EPERM)
		return -errno;
	if (is_taken(to_dir, to))
		return -EEXIST;
	return renameat(from_dir, from, to_dir, to) ? -errno : 0;
}

/* Gives it the first name that is free. */
static int give_name(struct delivery *delivery, int from_dir, const char *from, bool replace)
{
	char clean[CS_NAME_MAX + 1];
	struct cs_get_object about;
	unsigned int i;
	int rc = -EEXIST;

	cs_object_describe(delivery->object, &about);
	memcpy(clean, about.name, sizeof(clean));
	for (i = 1; rc == -EEXIST && i < NAMES_MAX; i++) {
		if (i == 1)
			memcpy(delivery->name, clean, sizeof(clean));
		else
			cs_name_number(delivery->name, clean, i);
		/* what is there is not worth the intent to take its place */
		if (!replace && is_taken(delivery->out, delivery->name))
			continue;
		rc = from_dir == delivery->out ? intend(delivery) : 0;
		if (!rc)
			rc = move(from_dir, from, delivery->out, delivery->name, replace);
	}
	/* it is there: what follows must not have it appear again */
	if (!rc && (fsync(delivery->out) || fsync(delivery->get->dir)))
		cs_inbox_note(delivery->get, "%s/%s: %s", delivery->path, delivery->name,
			      strerror(errno));
	return rc;
}

/* Makes it beside, then gives it its name. */
static int make_beside(struct delivery *delivery, bool replace)
{
	bool tree = delivery->object->envelope.kind == CS_KIND_DIRECTORY;
	int rc;

	if (!cs_inbox_room(delivery->get, 1))
		return -ENOMEM;
	delivery->whole = cs_object_whole(delivery->get, delivery->object);
	if (delivery->whole < 0)
		return delivery->whole;
	snprintf(delivery->beside, sizeof(delivery->beside), ".crowdshare-%s",
		 delivery->object->hex);
	rc = remove_tree(delivery->out, delivery->beside, 0);
	if (!rc)
		rc = tree ? make_tree(delivery) : make_copy(delivery);
	if (!rc)
		rc = give_name(delivery, delivery->out, delivery->beside, replace && !tree);
	if (rc)
		remove_tree(delivery->out, delivery->beside, 0);
	close(delivery->whole);
	return rc;
}

static int open_out(struct delivery *delivery, const char *out)
{
	snprintf(delivery->path, sizeof(delivery->path), "%s", out);
	delivery->out = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return delivery->out < 0 || !realpath(out, delivery->path) ? -errno : 0;
}

static int run(struct delivery *delivery, bool replace)
{
	char name[FILE_NAME_LEN];
	int rc = -EXDEV;

	if (delivery->object->envelope.kind == CS_KIND_FILE) {
		cs_object_name(delivery->object, ".file", name);
		rc = give_name(delivery, delivery->get->dir, name, replace);
	}
	return rc == -EXDEV ? make_beside(delivery, replace) : rc;
}

/**
 * cs_deliver_object() - have a whole object appear
 * @get: what is under way
 * @object: is freed if it has appeared, or never can
 * @out: directory
 * @replace: a file of the same name is replaced
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int cs_deliver_object(struct cs_get *get, struct object *object, const char *out, bool replace,
		      struct cs_error *error)
{
	struct delivery delivery = { .get = get, .object = object, .error = error };
	struct cs_get_object about;
	char path[PATH_MAX + CS_NAME_MAX + 2];
	int rc;

	cs_object_describe(object, &about);
	memcpy(delivery.name, about.name, sizeof(about.name));
	rc = open_out(&delivery, out);
	if (!rc)
		rc = run(&delivery, replace);
	if (delivery.out >= 0)
		close(delivery.out);
	if (rc == -EBADMSG) {
		cs_object_fail(object, "its manifest contradicts itself");
		cs_error_set(error, rc, "%s: %s", object->hex, object->failed);
		object->ready = false;
		cs_object_finish(get, object, NULL);
		return rc;
	}
	if (rc)
		return fail(&delivery, rc);
	snprintf(path, sizeof(path), "%s/%s", delivery.path, delivery.name);
	if (get->options.delivered)
		get->options.delivered(&about, path, get->options.arg);
	rc = cs_object_put_away(get, object, error);
	if (rc) /* is tried again; the next run would find out, too */
		cs_object_fail(object, "it was delivered, and that could not be written down");
	return rc;
}
