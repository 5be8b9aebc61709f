// SPDX-License-Identifier: GPL-2.0
/*
 * The seen-set: single digests, and all of it into a file and back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <crowdshare/wire.h>

#include "daemon/kernel_real.h"
#include "daemon/log.h"
#include "lib/seenset.h"

static int need_device(const struct kernel_real *real, struct cs_error *error)
{
	return real->ifindex ? 0 : cs_error_set(error, -ENODEV, "there is no device");
}

/**
 * kernel_remember() - put a digest into the seen-set
 * @kernel: the real kernel, with its device
 * @digest: CS_DIGEST_LEN bytes
 * @seconds: until it may be forgotten
 * @error: gets the reason of a failure
 *
 * Return: 0, also when it was known, or a negative errno: -ENOSPC the set is full.
 */
int kernel_remember(struct kernel *kernel, const uint8_t *digest, uint32_t seconds,
		    struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	struct crowdshare_seen_entry entry = { .left = seconds };
	size_t loaded;
	int rc;

	if (!seconds)
		entry.left = 1;
	else if (seconds > CROWDSHARE_LIFETIME_LIMIT)
		entry.left = CROWDSHARE_LIFETIME_LIMIT;
	memcpy(entry.digest, digest, sizeof(entry.digest));
	rc = need_device(real, error);
	if (rc)
		return rc;
	rc = cs_seenset_load(&real->nl, real->ifindex, &entry, 1, &loaded);
	return rc ? cs_error_set(error, rc, "seen-set: %s", real->nl.error) : 0;
}

/**
 * kernel_known() - is a digest in the seen-set?
 * @kernel: the real kernel, with its device
 * @digest: CS_DIGEST_LEN bytes
 * @error: gets the reason of a failure
 *
 * Return: 1 yes, 0 no, or a negative errno.
 */
int kernel_known(struct kernel *kernel, const uint8_t *digest, struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	struct nlmsghdr *nlh;
	int rc;

	rc = need_device(real, error);
	if (rc)
		return rc;
	nlh = cs_nl_prepare(&real->nl, CROWDSHARE_CMD_SEEN_GET);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_SEEN_DEV_IFINDEX, real->ifindex);
	mnl_attr_put(nlh, CROWDSHARE_A_SEEN_DIGEST, CS_DIGEST_LEN, digest);
	rc = cs_nl_do(&real->nl, nlh, NULL, NULL);
	if (rc == -ENOENT)
		return 0;
	return rc ? cs_error_set(error, rc, "seen-set: %s", real->nl.error) : 1;
}

/**
 * struct fill - of a seen-set
 * @count: entries
 * @max: that it may have
 */
struct fill {
	uint32_t	count;
	uint32_t	max;
};

static int fill_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *a[CROWDSHARE_A_DEV_MAX + 1];
	struct fill *fill = data;

	cs_nl_attrs(nlh, a, CROWDSHARE_A_DEV_MAX);
	if (!kernel_attr_is(a[CROWDSHARE_A_DEV_SEEN_COUNT], MNL_TYPE_U32) ||
	    !kernel_attr_is(a[CROWDSHARE_A_DEV_SEEN_MAX], MNL_TYPE_U32))
		return -EBADMSG;
	fill->count = mnl_attr_get_u32(a[CROWDSHARE_A_DEV_SEEN_COUNT]);
	fill->max = mnl_attr_get_u32(a[CROWDSHARE_A_DEV_SEEN_MAX]);
	return 0;
}

/**
 * kernel_seen_fill() - how full the seen-set is
 * @kernel: the real kernel, with its device
 * @count: gets the number of its entries
 * @max: gets how many it may have
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int kernel_seen_fill(struct kernel *kernel, uint32_t *count, uint32_t *max,
		     struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	struct fill fill = { 0 };
	struct nlmsghdr *nlh;
	int rc;

	rc = need_device(real, error);
	if (rc)
		return rc;
	nlh = cs_nl_prepare(&real->nl, CROWDSHARE_CMD_DEV_GET);
	mnl_attr_put_u32(nlh, CROWDSHARE_A_DEV_IFINDEX, real->ifindex);
	rc = kernel_do(real, nlh, fill_cb, &fill, error, "seen-set");
	if (rc)
		return rc;
	*count = fill.count;
	*max = fill.max;
	return 0;
}

/**
 * kernel_seen_save() - replace a file by what is in the seen-set
 * @kernel: the real kernel, with its device
 * @path: the file
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno; the file is what it was then.
 */
int kernel_seen_save(struct kernel *kernel, const char *path, struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	struct seenfile file = { 0 };
	char text[sizeof(error->text)];
	uint8_t *data = NULL;
	size_t size;
	int rc;

	rc = need_device(real, error);
	if (rc)
		return rc;
	rc = cs_seenset_dump(&real->nl, real->ifindex, &file);
	if (rc) {
		cs_error_set(error, rc, "seen-set: %s",
			     real->nl.error[0] ? real->nl.error : strerror(-rc));
	} else {
		file.saved = time(NULL);
		data = seenfile_encode(&file, &size);
		rc = data ? seenfile_write(path, data, size, text, sizeof(text)) : -ENOMEM;
		if (rc)
			cs_error_set(error, rc, "seen-set: %s", data ? text : "out of memory");
	}
	free(data);
	seenfile_free(&file);
	return rc;
}

static int read_file(const char *path, struct seenfile *file, struct cs_error *error)
{
	char text[sizeof(error->text)];
	uint8_t *data;
	size_t size;
	int rc;

	if (access(path, F_OK) && errno == ENOENT)
		return cs_error_set(error, -ENOENT, "file '%s' does not exist", path);
	data = seenfile_read(path, &size, text, sizeof(text));
	if (!data)
		return cs_error_set(error, -EIO, "%s", text);
	rc = seenfile_decode(file, data, size, text, sizeof(text));
	free(data);
	return rc ? cs_error_set(error, rc, "file '%s': %.200s; nothing was loaded", path, text) :
		    0;
}

/**
 * kernel_seen_load() - remember what a file holds
 * @kernel: the real kernel, with its device
 * @path: the file
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno: -ENOENT there is no such file, -EBADMSG it is damaged, -ENOSPC not
 * all of it fits into the seen-set.
 */
int kernel_seen_load(struct kernel *kernel, const char *path, struct cs_error *error)
{
	struct kernel_real *real = kernel_real(kernel);
	struct seenfile file = { 0 };
	size_t expired, loaded;
	int rc;

	rc = need_device(real, error);
	if (!rc)
		rc = read_file(path, &file, error);
	if (rc)
		return rc;
	expired = seenfile_age(&file, time(NULL));
	rc = cs_seenset_load(&real->nl, real->ifindex, file.entry, file.count, &loaded);
	if (rc)
		cs_error_set(error, rc, "file '%s': %s; at least %zu of %zu digests were loaded",
			     path, real->nl.error, loaded, file.count);
	else
		log_info("seen-set: %zu digests loaded, %zu were known, %zu have expired", loaded,
			 file.count - loaded, expired);
	seenfile_free(&file);
	return rc;
}
