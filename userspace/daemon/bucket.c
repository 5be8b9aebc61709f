// SPDX-License-Identifier: GPL-2.0
/*
 * An S3-compatible bucket: files are uploaded with PUT, each under its name behind the prefix.
 *
 * libcurl (curl.c) makes the requests, and signs them with AWS Signature Version 4, the SHA-256 of
 * the content included, so that a server which says 200 has what was sent. It works within the
 * event loop: it says which descriptors and which time it waits for, and is called when they are
 * ready; names are resolved in a thread of its own. So nothing here waits, and there is no lock.
 *
 * TLS is always verified, redirects are not followed, as what is signed for one server is not for
 * another, and HTTP in plain is for loopback addresses (config_value.c). What the server says is
 * looked at for its status and, to tell a person, for its error code; no more of it is kept than
 * that takes.
 */
#include <ctype.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "daemon/bucket.h"
#include "daemon/curl.h"
#include "lib/file.h"
#include "lib/hex.h"

#define KEY_MAX		256
#define ANSWER_MAX	1024	/* bytes of an answer that are looked at */
#define CODE_MAX	48
#define HASH_LEN	32	/* SHA-256 */
#define CONNECT_SECONDS	10L
#define SECONDS		120L	/* for one file */

/**
 * struct upload - a file on its way
 * @next: another one
 * @bucket: whose it is
 * @easy: the request
 * @headers: of it
 * @body: content of the file
 * @len: its bytes
 * @answer: beginning of what the server says
 * @answer_len: its bytes
 * @error: what libcurl says
 * @done: is told how it ended
 * @data: for @done
 */
struct upload {
	LIST_ENTRY(upload)	next;
	struct bucket		*bucket;
	CURL			*easy;
	struct curl_slist	*headers;
	char			*body;
	size_t			len;
	char			answer[ANSWER_MAX + 1];
	size_t			answer_len;
	char			error[CURL_ERROR_SIZE];
	bucket_done		done;
	void			*data;
};

/**
 * struct bucket - where to
 * @base: event loop
 * @config: its settings
 * @multi: all requests
 * @timer: when libcurl wants to be called
 * @access_key: who asks
 * @secret_key: signs
 * @sign: what for: algorithm, region, service
 * @uploads: under way
 */
struct bucket {
	struct event_base		*base;
	struct config_bucket		config;
	CURLM				*multi;
	struct event			*timer;
	char				access_key[KEY_MAX];
	char				secret_key[KEY_MAX];
	char				sign[CONFIG_NAME_LEN + 16];
	LIST_HEAD(, upload)		uploads;
};

/* --- How it ends --- */

static void upload_free(struct upload *upload)
{
	LIST_REMOVE(upload, next);
	curl.multi_remove_handle(upload->bucket->multi, upload->easy);
	curl.easy_cleanup(upload->easy);
	curl.slist_free_all(upload->headers);
	free(upload->body);
	free(upload);
}

/* The error code in what the server says, as "AccessDenied", or nothing. */
static void code_of(const struct upload *upload, char code[CODE_MAX])
{
	const char *p = strstr(upload->answer, "<Code>");
	size_t n = 0;

	for (p = p ? p + 6 : ""; isalnum((unsigned char)*p) && n < CODE_MAX - 1; p++)
		code[n++] = *p;
	code[n] = '\0';
}

static void finish(struct upload *upload, CURLcode result)
{
	bucket_done done = upload->done;
	void *data = upload->data;
	char code[CODE_MAX], why[CURL_ERROR_SIZE + CONFIG_URL_LEN + 64] = "";
	const char *url = upload->bucket->config.url;
	long status = 0;

	curl.easy_getinfo(upload->easy, CURLINFO_RESPONSE_CODE, &status);
	code_of(upload, code);
	if (result)
		snprintf(why, sizeof(why), "%s: %s", url,
			 *upload->error ? upload->error : curl.easy_strerror(result));
	else if (status / 100 == 3)
		snprintf(why, sizeof(why), "%s: HTTP %ld %s: the bucket is elsewhere, or of "
			 "another region", url, status, code);
	else if (status != 200 && status != 201 && status != 204)
		snprintf(why, sizeof(why), "%s: HTTP %ld %s", url, status, code);
	upload_free(upload);
	done(data, *why ? why : NULL);
}

static void look(struct bucket *bucket)
{
	struct upload *upload;
	CURLMsg *message;
	int left;

	while ((message = curl.multi_info_read(bucket->multi, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&upload);
		finish(upload, message->data.result);
	}
}

/* --- The event loop --- */

static void on_socket(evutil_socket_t fd, short what, void *data)
{
	struct bucket *bucket = data;
	int running;

	curl.multi_socket_action(bucket->multi, fd, (what & EV_READ ? CURL_CSELECT_IN : 0) |
				 (what & EV_WRITE ? CURL_CSELECT_OUT : 0), &running);
	look(bucket);
}

static void on_timer(evutil_socket_t fd, short what, void *data)
{
	struct bucket *bucket = data;
	int running;

	(void)fd;
	(void)what;
	curl.multi_socket_action(bucket->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	look(bucket);
}

/* libcurl waits for something else on a descriptor; @event is what it waited for before. */
static int watch(CURL *easy, curl_socket_t fd, int what, void *data, void *event)
{
	struct bucket *bucket = data;
	short events = EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0) |
		       (what & CURL_POLL_OUT ? EV_WRITE : 0);

	(void)easy;
	if (event)
		event_free(event);
	event = NULL;
	if (what != CURL_POLL_REMOVE) {
		event = event_new(bucket->base, fd, events, on_socket, bucket);
		/* if there is no memory, the request runs out of time */
		if (event)
			event_add(event, NULL);
	}
	curl.multi_assign(bucket->multi, fd, event);
	return 0;
}

static int wait_for(CURLM *multi, long msec, void *data)
{
	const struct timeval time = { msec / 1000, msec % 1000 * 1000 };
	struct bucket *bucket = data;

	(void)multi;
	if (msec < 0)
		evtimer_del(bucket->timer);
	else
		evtimer_add(bucket->timer, &time);
	return 0;
}

/* --- Uploads --- */

static size_t take_answer(char *data, size_t size, size_t count, void *arg)
{
	size_t len = size * count, left;
	struct upload *upload = arg;

	left = ANSWER_MAX - upload->answer_len;
	memcpy(upload->answer + upload->answer_len, data, len < left ? len : left);
	upload->answer_len += len < left ? len : left;
	return len;
}

static CURLcode set_security(const struct bucket *bucket, CURL *easy)
{
	const struct config_bucket *config = &bucket->config;
	bool plain = !strncmp(config->url, "http:", 5);
	CURLcode rc;

	rc = curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
	/* what is in plain does not leave this machine */
	if (!rc && plain)
		rc = curl.easy_setopt(easy, CURLOPT_PROXY, "");
	if (!rc)
		rc = curl.easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	if (!rc)
		rc = curl.easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	if (!rc)
		rc = curl.easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	if (!rc)
		rc = curl.easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (!rc && *config->ca)
		rc = curl.easy_setopt(easy, CURLOPT_CAINFO, config->ca);
	if (!rc)
		rc = curl.easy_setopt(easy, CURLOPT_USERNAME, bucket->access_key);
	if (!rc)
		rc = curl.easy_setopt(easy, CURLOPT_PASSWORD, bucket->secret_key);
	return rc ? rc : curl.easy_setopt(easy, CURLOPT_AWS_SIGV4, bucket->sign);
}

static CURLcode set_request(struct upload *upload, const char *url)
{
	CURL *easy = upload->easy;
	CURLcode rc;

	rc = curl.easy_setopt(easy, CURLOPT_URL, url);
	/* the body is in memory, so that its hash is signed, and it can be sent again */
	if (!rc)
		rc = curl.easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
				      (curl_off_t)upload->len);
	if (!rc)
		rc = curl.easy_setopt(easy, CURLOPT_POSTFIELDS, upload->body);
	if (!rc)
		rc = curl.easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PUT");
	if (!rc)
		rc = curl.easy_setopt(easy, CURLOPT_HTTPHEADER, upload->headers);
	if (!rc)
		rc = curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	if (!rc)
		rc = curl.easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	if (!rc)
		rc = curl.easy_setopt(easy, CURLOPT_TIMEOUT, SECONDS);
	if (!rc)
		rc = curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
	if (!rc)
		rc = curl.easy_setopt(easy, CURLOPT_WRITEDATA, upload);
	if (!rc)
		rc = curl.easy_setopt(easy, CURLOPT_ERRORBUFFER, upload->error);
	return rc ? rc : curl.easy_setopt(easy, CURLOPT_PRIVATE, (char *)upload);
}

static int add_header(struct upload *upload, const char *header)
{
	struct curl_slist *more = curl.slist_append(upload->headers, header);

	if (!more)
		return -ENOMEM;
	upload->headers = more;
	return 0;
}

/* What is signed of the content; libcurl 7.88 leaves it to the caller to say so. */
static int add_hash(struct upload *upload)
{
	char header[32 + 2 * HASH_LEN] = "x-amz-content-sha256: ";
	uint8_t hash[HASH_LEN];

	if (EVP_Q_digest(NULL, "SHA256", NULL, upload->body, upload->len, hash, NULL) != 1)
		return -EIO;
	cs_hex(header + strlen(header), hash, sizeof(hash));
	return add_header(upload, header);
}

static int begin(struct upload *upload, const char *path, struct cs_error *error)
{
	char url[CONFIG_URL_LEN + NAME_MAX + 2], copy[PATH_MAX];
	struct bucket *bucket = upload->bucket;
	CURLcode code = CURLE_OUT_OF_MEMORY;
	int rc;

	rc = cs_file_read(path, BUCKET_FILE_MAX, &upload->body, &upload->len, error);
	if (rc)
		return rc;
	snprintf(copy, sizeof(copy), "%s", path);
	snprintf(url, sizeof(url), "%s/%s", bucket->config.url, basename(copy));
	upload->easy = curl.easy_init();
	/* "Expect:" is not taken out, as libcurl 7.88 would sign it all the same */
	if (upload->easy && !add_hash(upload) &&
	    !add_header(upload, "Content-Type: application/octet-stream"))
		code = set_security(bucket, upload->easy);
	if (!code)
		code = set_request(upload, url);
	if (!code && curl.multi_add_handle(bucket->multi, upload->easy))
		code = CURLE_FAILED_INIT;
	return code ? cs_error_set(error, -EIO, "%s: %s", bucket->config.url,
				   curl.easy_strerror(code)) : 0;
}

/**
 * bucket_put() - begin to upload a file
 * @bucket: where to
 * @path: of the file, whose last name is its name in the bucket: letters, digits and "-._~"
 * @done: is called when it has ended, not before this returns
 * @data: for @done
 * @error: gets the reason of a failure
 *
 * Return: 0; -ENOENT: there is no such file; another negative errno: it did not begin.
 */
int bucket_put(struct bucket *bucket, const char *path, bucket_done done, void *data,
	       struct cs_error *error)
{
	struct upload *upload = calloc(1, sizeof(*upload));
	int rc;

	if (!upload)
		return cs_error_set(error, -ENOMEM, "out of memory");
	upload->bucket = bucket;
	upload->done = done;
	upload->data = data;
	LIST_INSERT_HEAD(&bucket->uploads, upload, next);
	rc = begin(upload, path, error);
	if (rc)
		upload_free(upload);
	return rc;
}

/* --- Beginning and end --- */

/* One line of a file that nobody else can read. */
static int read_key(const char *path, char key[KEY_MAX], struct cs_error *error)
{
	size_t len, i;
	FILE *file;
	int rc;

	rc = cs_file_open(&file, path, true, KEY_MAX - 1, error);
	if (rc)
		return rc;
	/* the stream's own buffer would keep a copy */
	setbuf(file, NULL);
	len = fread(key, 1, KEY_MAX - 1, file);
	rc = ferror(file) ? cs_error_set(error, -EIO, "%s: can't read it", path) : 0;
	fclose(file);
	while (len && (key[len - 1] == '\n' || key[len - 1] == '\r'))
		len--;
	key[len] = '\0';
	for (i = 0; i < len && isgraph((unsigned char)key[i]); i++)
		;
	if (!rc && (!len || i < len))
		rc = cs_error_set(error, -EINVAL, "%s: a key is one line, without blanks", path);
	return rc;
}

static int open_multi(struct bucket *bucket, struct cs_error *error)
{
	int rc = curl_load(error);

	if (rc)
		return rc;
	bucket->multi = curl.multi_init();
	bucket->timer = evtimer_new(bucket->base, on_timer, bucket);
	if (!bucket->multi || !bucket->timer ||
	    curl.multi_setopt(bucket->multi, CURLMOPT_SOCKETFUNCTION, watch) ||
	    curl.multi_setopt(bucket->multi, CURLMOPT_SOCKETDATA, bucket) ||
	    curl.multi_setopt(bucket->multi, CURLMOPT_TIMERFUNCTION, wait_for) ||
	    curl.multi_setopt(bucket->multi, CURLMOPT_TIMERDATA, bucket))
		return cs_error_set(error, -ENOMEM, "out of memory");
	return 0;
}

static int check_ca(const char *path, struct cs_error *error)
{
	FILE *file;
	int rc;

	if (!*path)
		return 0;
	rc = cs_file_open(&file, path, false, 1 << 20, error);
	if (!rc)
		fclose(file);
	return rc;
}

/**
 * bucket_open() - have a bucket to upload to; nothing is asked of it yet
 * @bucket: gets it
 * @base: event loop
 * @config: where it is, and the files of the keys
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int bucket_open(struct bucket **bucket, struct event_base *base,
		const struct config_bucket *config, struct cs_error *error)
{
	struct bucket *new = calloc(1, sizeof(*new));
	int rc;

	if (!new)
		return cs_error_set(error, -ENOMEM, "out of memory");
	new->base = base;
	new->config = *config;
	snprintf(new->sign, sizeof(new->sign), "aws:amz:%s:s3", config->region);
	rc = read_key(config->access_key, new->access_key, error);
	if (!rc)
		rc = read_key(config->secret_key, new->secret_key, error);
	if (!rc)
		rc = check_ca(config->ca, error);
	if (!rc)
		rc = open_multi(new, error);
	if (rc) {
		bucket_close(new);
		return rc;
	}
	*bucket = new;
	return 0;
}

/**
 * bucket_close() - end; of what is under way nobody is told how it would have ended
 * @bucket: may be NULL
 */
void bucket_close(struct bucket *bucket)
{
	if (!bucket)
		return;
	while (!LIST_EMPTY(&bucket->uploads))
		upload_free(LIST_FIRST(&bucket->uploads));
	if (bucket->multi)
		curl.multi_cleanup(bucket->multi);
	if (bucket->timer)
		event_free(bucket->timer);
	OPENSSL_cleanse(bucket->secret_key, sizeof(bucket->secret_key));
	free(bucket);
}
