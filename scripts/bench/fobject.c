// SPDX-License-Identifier: GPL-2.0
/*
 * What libcrowdshare takes on one core, beside the sum of its parts in the same run; and memory.
 *
 *	fobject [-t] [-r ROUNDS] [-s MIB] [DIRECTORY]	time; state and files in DIRECTORY
 *	fobject -m GIB [DIRECTORY]			memory, for an object of that size
 *
 * The parts are what an object can't do without: put computes SHA-512 of the file and of each
 * message, AES-256-GCM and Reed-Solomon; get computes SHA-512 of the file and of each message that
 * it needs, AES-256-GCM and, if slices are missing, Reed-Solomon. They are timed with OpenSSL and
 * ISA-L in this process, on data of the same sizes, in turn with put and get. SHA-256 of the file
 * is asked for, too, and a figure of its own. Time is that of the processor, so that others who use
 * it disturb less.
 *
 * Output: "ROUND NAME MILLISECONDS" for an object of MIB (64), as scripts/bench/report reads it;
 * with -t "NAME VALUE", of the best round of each, in MiB/s and per cent of the limit.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <isa-l/erasure_code.h>
#include <openssl/evp.h>

#include <crowdshare/get.h>
#include <crowdshare/put.h>

#define NOW		1800000000
#define SLICE		1218
#define MESSAGE		(SLICE + 16 + 120)
#define K		210
#define N		255
#define SEGMENT		(K * SLICE - 16)
#define LOST		(N - K)

/**
 * struct times - best times for an object of ->size bytes, in seconds
 */
struct times {
	double	sha512;		/* of the file */
	double	sha256;
	double	messages_n;	/* SHA-512 of all messages */
	double	messages_k;	/* of those that suffice */
	double	gcm;
	double	erasure;	/* all parity, or as much of the chunk as can be lost */
	double	put;
	double	get;		/* all messages in order */
	double	get_lost;	/* of each chunk as many are lost as can be */
};

static size_t size = 64 << 20;
static unsigned int round_number;
static bool summary;
static uint8_t *data;
static const char *dir = "/dev/shm";

static void die(const char *what)
{
	fprintf(stderr, "fobject: %s\n", what);
	exit(1);
}

__attribute__((format(printf, 1, 2)))
static void shell(const char *format, ...)
{
	char command[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command))
		die(command);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* A figure of this round. */
static void took(const char *name, double *to, double began)
{
	double seconds = now() - began;

	if (!*to || seconds < *to)
		*to = seconds;
	if (!summary)
		printf("%u fo_%s %.3f\n", round_number, name, 1000 * seconds);
}

static void digest(const char *name, const char *figure, double *to)
{
	EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	double began = now();
	uint8_t out[64];
	size_t at;

	EVP_DigestInit_ex2(ctx, md, NULL);
	for (at = 0; at < size; at += SEGMENT)
		EVP_DigestUpdate(ctx, data + at, size - at < SEGMENT ? size - at : SEGMENT);
	EVP_DigestFinal_ex(ctx, out, NULL);
	took(figure, to, began);
	EVP_MD_CTX_free(ctx);
	EVP_MD_free(md);
}

/* SHA-512 over messages, without their digests; @per of each chunk. */
static void digest_messages(unsigned int per, double *to)
{
	EVP_MD *md = EVP_MD_fetch(NULL, "SHA512", NULL);
	size_t chunks = size / SEGMENT, c, i;
	double began = now();
	uint8_t out[64];

	for (c = 0; c < chunks; c++)
		for (i = 0; i < per; i++)
			EVP_Digest(data + c * SEGMENT + i % K * SLICE, MESSAGE - 64, out, NULL, md,
				   NULL);
	took(per == N ? "messages_n" : "messages_k", to, began);
	EVP_MD_free(md);
}

static void gcm(double *to)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	static uint8_t out[SEGMENT + 16], key[32], nonce[12];
	double began = now();
	size_t at;
	int n;

	EVP_EncryptInit_ex2(ctx, cipher, key, nonce, NULL);
	for (at = 0; at + SEGMENT <= size; at += SEGMENT) {
		EVP_EncryptInit_ex2(ctx, NULL, NULL, nonce, NULL);
		EVP_EncryptUpdate(ctx, out, &n, data + at, SEGMENT);
		EVP_EncryptFinal_ex(ctx, out + SEGMENT, &n);
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, out + SEGMENT);
	}
	took("gcm", to, began);
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
}

/* ISA-L makes @rows slices out of @sources, for each chunk. */
static void erasure(int sources, int rows, double *to)
{
	static uint8_t matrix[N * K], tables[32 * K * LOST], parity[LOST * SLICE];
	uint8_t *from[K], *into[LOST];
	size_t chunks = size / SEGMENT, c;
	double began;
	int i;

	gf_gen_cauchy1_matrix(matrix, sources + rows, sources);
	ec_init_tables(sources, rows, matrix + sources * sources, tables);
	for (i = 0; i < rows; i++)
		into[i] = parity + i * SLICE;
	began = now();
	for (c = 0; c < chunks; c++) {
		for (i = 0; i < sources; i++)
			from[i] = data + c * SEGMENT + i * SLICE;
		ec_encode_data(SLICE, sources, rows, tables, from, into);
	}
	took("erasure", to, began);
}

static struct cs_card card, provider;
static struct cs_private *key;
static struct cs_get *get;
static struct {
	uint8_t	*data;
	size_t	*at;
	size_t	count;
	size_t	len;
} stored;

static int discard(const void *message, size_t len, void *arg)
{
	(void)message;
	(void)arg;
	stored.len += len;
	return 0;
}

static int store(const void *message, size_t len, void *arg)
{
	(void)arg;
	memcpy(stored.data + stored.len, message, len);
	stored.at[stored.count++] = stored.len;
	stored.len += len;
	return 0;
}

static void put(int fd, int (*take)(const void *, size_t, void *), double *to)
{
	const struct cs_put_options options = {
		.to = { &card, &provider }, .now = NOW, .redundancy = 20, .message = take,
	};
	struct cs_put_result result;
	struct cs_error error = { "" };
	double began;

	lseek(fd, 0, SEEK_SET);
	stored.len = 0;
	stored.count = 0;
	began = now();
	if (cs_put_fd(&options, fd, "object", &result, &error))
		die(error.text);
	if (to)
		took("put", to, began);
}

/* Is this one of those that are lost: of each chunk, the first ones, which are the chunk itself? */
static bool is_lost(const uint8_t *message)
{
	return message[115] == K && message[113] < LOST;
}

static void receive(bool lossy, double *to)
{
	char state[512], out[512];
	const struct cs_get_options options = { .state = state, .out = out, .key = key };
	struct cs_error error = { "" };
	enum cs_get_result result;
	double began;
	size_t i;

	snprintf(state, sizeof(state), "%s/fobject-state", dir);
	snprintf(out, sizeof(out), "%s/fobject-out", dir);
	shell("rm -rf '%s' '%s'; mkdir '%s'", state, out, out);
	stored.at[stored.count] = stored.len;
	began = now();
	if (cs_get_open(&get, &options, NOW, &error))
		die(error.text);
	for (i = 0; i < stored.count; i++) {
		if (lossy && is_lost(stored.data + stored.at[i]))
			continue;
		result = cs_get_take(get, stored.data + stored.at[i],
				     stored.at[i + 1] - stored.at[i], NOW, &error);
		if (result != CS_GET_NEW && result != CS_GET_DUPLICATE)
			die("a message was not taken");
	}
	took(lossy ? "get_lost" : "get", to, began);
	cs_get_close(get);
	shell("cmp '%s/object' '%s/fobject-in' && rm -rf '%s' '%s'", out, dir, state, out);
}

static void report(const struct times *t)
{
	double mib = size / 1048576.0;
	double limit_put = t->sha512 + t->messages_n + t->gcm + t->erasure;
	double limit_get = t->sha512 + t->messages_k + t->gcm;

	printf("sha512 %.0f\nsha256 %.0f\ngcm %.0f\nerasure %.0f\n", mib / t->sha512,
	       mib / t->sha256, mib / t->gcm, mib / t->erasure);
	printf("put %.0f\nput-limit %.0f\nput-share %.0f\nput-limit2 %.0f\nput-share2 %.0f\n",
	       mib / t->put, mib / limit_put, 100 * limit_put / t->put,
	       mib / (limit_put + t->sha256), 100 * (limit_put + t->sha256) / t->put);
	printf("get %.0f\nget-limit %.0f\nget-share %.0f\nget-limit2 %.0f\nget-share2 %.0f\n",
	       mib / t->get, mib / limit_get, 100 * limit_get / t->get,
	       mib / (limit_get + t->sha256), 100 * (limit_get + t->sha256) / t->get);
	limit_get += t->erasure;
	printf("get-lost %.0f\nget-lost-limit %.0f\nget-lost-share %.0f\nget-lost-share2 %.0f\n",
	       mib / t->get_lost, mib / limit_get, 100 * limit_get / t->get_lost,
	       100 * (limit_get + t->sha256) / t->get_lost);
	printf("overhead %.4f\n", (double)stored.len / size);
}

static void throughput(unsigned int rounds)
{
	struct times t = { 0 };
	char path[512];
	size_t i;
	int fd;

	data = malloc(size);
	stored.data = malloc(size / K * N / SLICE * MESSAGE + (4 << 20));
	stored.at = malloc((size / SLICE * 2 + 1000) * sizeof(*stored.at));
	if (!data || !stored.data || !stored.at)
		die("no memory");
	for (i = 0; i < size / 4; i++)
		((uint32_t *)data)[i] = i * 2654435761u;
	snprintf(path, sizeof(path), "%s/fobject-in", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		die("can't write there");
	/* round 0 warms up */
	for (round_number = 0; round_number <= rounds; round_number++) {
		digest("SHA512", "sha512", &t.sha512);
		digest("SHA256", "sha256", &t.sha256);
		digest_messages(N, &t.messages_n);
		digest_messages(K, &t.messages_k);
		gcm(&t.gcm);
		erasure(K, LOST, &t.erasure);
		put(fd, discard, &t.put);
		put(fd, store, NULL);
		receive(false, &t.get);
		receive(true, &t.get_lost);
	}
	if (summary)
		report(&t);
	else
		printf("1 fo_overhead %.4f\n", (double)stored.len / size);
	close(fd);
	unlink(path);
}

static long peak(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[128];
	long kib = -1;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmHWM: %ld kB", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

static int into_get(const void *message, size_t len, void *arg)
{
	struct cs_error error = { "" };
	size_t *count = arg;

	if (cs_get_take(get, message, len, NOW, &error) == CS_GET_FAILED)
		die(error.text);
	if (++*count % 20000 == 0 && cs_get_sync(get, &error))
		die(error.text);
	return 0;
}

/* A pattern from a pipe, through put and get, to a file of which most is a hole. */
static void memory(size_t gib)
{
	static uint8_t block[1 << 20];
	char state[512], out[512];
	struct cs_get_options options = { .state = state, .out = out, .key = key };
	struct cs_put_options put_options = {
		.to = { &card, &provider }, .now = NOW, .redundancy = 20, .message = into_get,
	};
	struct cs_put_result result;
	struct cs_error error = { "" };
	size_t count = 0, i;
	int pipes[2];
	pid_t child;

	snprintf(state, sizeof(state), "%s/fobject-state", dir);
	snprintf(out, sizeof(out), "%s/fobject-out", dir);
	shell("rm -rf '%s' '%s'; mkdir '%s'", state, out, out);
	if (pipe(pipes) || cs_get_open(&get, &options, NOW, &error))
		die(error.text);
	child = fork();
	if (!child) {
		close(pipes[0]);
		for (i = 0; i < gib * 1024; i++) {
			block[0] = i; /* a byte of each MiB is not zero */
			if (write(pipes[1], block, sizeof(block)) != sizeof(block))
				_exit(1);
		}
		_exit(0);
	}
	close(pipes[1]);
	put_options.arg = &count;
	if (cs_put_fd(&put_options, pipes[0], "object", &result, &error))
		die(error.text);
	cs_get_close(get);
	shell("test $(stat -c %%s '%s/object') = %llu && rm -rf '%s' '%s'", out,
	      (unsigned long long)gib << 30, state, out);
	printf("1 fo_memory %.1f\n", peak() / 1024.0);
}

int main(int argc, char **argv)
{
	static const uint8_t address[16] = { 0xfd };
	struct cs_error error = { "" };
	unsigned int rounds = 5;
	size_t gib = 0;
	int c;

	while ((c = getopt(argc, argv, "tr:s:m:")) != -1) {
		if (c == 't')
			summary = true;
		else if (c == 'r')
			rounds = strtoul(optarg, NULL, 10);
		else if (c == 's')
			size = strtoul(optarg, NULL, 10) << 20;
		else if (c == 'm')
			gib = strtoul(optarg, NULL, 10);
		else
			die("usage: fobject [-t] [-r ROUNDS] [-s MIB] [-m GIB] [DIRECTORY]");
	}
	if (optind < argc)
		dir = argv[optind];
	if (cs_private_new(&key, CS_RSA_BITS_DEFAULT, &error) ||
	    cs_card_new(&card, key, CS_ROLE_RECIPIENT, address, 1, &error) ||
	    cs_card_new(&provider, key, CS_ROLE_PROVIDER, address, 1, &error))
		die(error.text);
	if (gib)
		memory(gib);
	else
		throughput(rounds);
	cs_private_free(key);
	return 0;
}
