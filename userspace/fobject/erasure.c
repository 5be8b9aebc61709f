// SPDX-License-Identifier: GPL-2.0
/*
 * Reed-Solomon over GF(2^8), systematic, by ISA-L: the first k slices of a chunk are the chunk
 * itself, cut in k pieces of equal length; slice i of the n - k others is the sum of the first k,
 * slice j times 1 / (i xor j). That is ISA-L's gf_gen_cauchy1_matrix(): every square part of a
 * Cauchy matrix has an inverse, so any k slices restore the chunk, for all k and n up to 255.
 *
 * ISA-L's own way back inverts a k by k matrix, which for k = 200 takes longer than all else. Here
 * only as many equations are solved as slices of the chunk itself are missing: what the others
 * contribute is taken off the parity, and the inverse of what remains, a Cauchy matrix again, is
 * written down (Schechter, "On the inversion of certain matrices", 1959).
 *
 * Nothing here keeps state between calls; a code that is set up is only read.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <isa-l/erasure_code.h>

#include "fobject/erasure.h"

#define TABLE_LEN	32	/* of ISA-L, for one coefficient */
#define FAILURE		1e-6

/* The probability that more than @m of @n slices are lost, when each is with probability @p. */
static double failure(unsigned int n, unsigned int m, double p)
{
	double term = pow(1 - p, n), sum = term;
	unsigned int i;

	for (i = 0; i < m; i++) {
		term *= (n - i) * p / ((i + 1) * (1 - p));
		sum += term;
	}
	return 1 - sum;
}

/**
 * cs_erasure_slices() - how many slices a chunk is to have
 * @k: slices that are to suffice
 * @percent: of redundancy
 *
 * As many as @percent says; and more when @k is small. Of 210 + 45 slices, 45 may be lost, which is
 * as good as never, when on average every twelfth is; but of 1 + 1 slices both are lost now and
 * then. So that small chunks are as safe as large ones, there are so many that a loss of half the
 * share that the redundancy stands for loses one chunk of a million.
 *
 * Return: n; more than %CS_SLICES_MAX: @k is too large.
 */
unsigned int cs_erasure_slices(unsigned int k, unsigned int percent)
{
	unsigned int m = (k * percent + 99) / 100;

	if (!percent)
		return k;
	while (k + m <= CS_SLICES_MAX &&
	       failure(k + m, m, percent / (100.0 + percent) / 2) > FAILURE)
		m++;
	return k + m;
}

/**
 * cs_erasure_init() - set up a code
 * @code: gets it, to be freed with cs_erasure_free()
 * @k: slices that suffice
 * @n: slices, at most %CS_SLICES_MAX
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int cs_erasure_init(struct cs_erasure *code, unsigned int k, unsigned int n)
{
	uint8_t *matrix;

	*code = (struct cs_erasure){ .k = k, .n = n };
	if (!k || k > n || n > CS_SLICES_MAX)
		return -EINVAL;
	if (k == n)
		return 0;
	matrix = malloc(n * k);
	code->tables = malloc(TABLE_LEN * k * (n - k));
	if (matrix && code->tables) {
		gf_gen_cauchy1_matrix(matrix, n, k);
		ec_init_tables(k, n - k, matrix + k * k, code->tables);
	}
	free(matrix);
	if (matrix && code->tables)
		return 0;
	cs_erasure_free(code);
	return -ENOMEM;
}

/**
 * cs_erasure_free() - free what a code has
 * @code: may be set up again
 */
void cs_erasure_free(struct cs_erasure *code)
{
	free(code->tables);
	code->tables = NULL;
}

/**
 * cs_erasure_encode() - make the parity slices of a chunk
 * @code: the code
 * @len: bytes of a slice
 * @chunk: k * @len bytes
 * @parity: gets (n - k) * @len bytes
 */
void cs_erasure_encode(const struct cs_erasure *code, size_t len, uint8_t *chunk,
		       uint8_t *parity)
{
	uint8_t *from[CS_SLICES_MAX], *to[CS_SLICES_MAX];
	unsigned int i;

	if (!code->tables)
		return;
	for (i = 0; i < code->k; i++)
		from[i] = chunk + i * len;
	for (i = 0; i < code->n - code->k; i++)
		to[i] = parity + i * len;
	ec_encode_data(len, code->k, code->n - code->k, code->tables, from, to);
}

/**
 * struct holes - what of a chunk is missing, and what it is restored from
 * @count: slices of the chunk itself that are missing
 * @missing: which
 * @parity: as many parity slices that are there
 * @present: slices of the chunk itself that are there
 * @len: bytes of a slice
 * @matrix: coefficients, being set up
 * @tables: the same for ISA-L
 * @rest: @count slices
 */
struct holes {
	unsigned int	count;
	uint8_t		missing[CS_SLICES_MAX];
	uint8_t		parity[CS_SLICES_MAX];
	uint8_t		*present[CS_SLICES_MAX];
	size_t		len;
	uint8_t		*matrix;
	uint8_t		*tables;
	uint8_t		*rest;
};

/*
 * The inverse of the matrix 1 / (x_i + y_j): in row j and column i it has
 *
 *	prod_k (x_i + y_k) prod_k (x_k + y_j) /
 *		((x_i + y_j) prod_{k != i} (x_i + x_k) prod_{k != j} (y_j + y_k))
 */
static void invert(const uint8_t *x, const uint8_t *y, unsigned int count, uint8_t *inverse)
{
	uint8_t a[CS_SLICES_MAX] = { 0 }, b[CS_SLICES_MAX] = { 0 };
	unsigned int i, j;

	for (i = 0; i < count; i++) {
		a[i] = 1;
		b[i] = 1;
		for (j = 0; j < count; j++) {
			a[i] = gf_mul(a[i], x[i] ^ y[j]);
			b[i] = gf_mul(b[i], x[j] ^ y[i]);
			if (j == i)
				continue;
			a[i] = gf_mul(a[i], gf_inv(x[i] ^ x[j]));
			b[i] = gf_mul(b[i], gf_inv(y[i] ^ y[j]));
		}
	}
	for (j = 0; j < count; j++)
		for (i = 0; i < count; i++)
			inverse[j * count + i] = gf_mul(gf_mul(a[i], b[j]), gf_inv(x[i] ^ y[j]));
}

/* What the slices that are there contribute to the parity slices is taken off these. */
static void take_off(struct holes *holes, unsigned int k, const uint8_t *const *have)
{
	unsigned int i, n = 0, j;
	uint8_t *to[CS_SLICES_MAX];
	const uint8_t *parity;
	size_t at;

	for (i = 0; i < holes->count; i++) {
		to[i] = holes->rest + i * holes->len;
		for (j = 0; j < k; j++)
			if (have[j])
				holes->matrix[n++] = gf_inv(holes->parity[i] ^ j);
	}
	if (k > holes->count) {
		ec_init_tables(k - holes->count, holes->count, holes->matrix, holes->tables);
		ec_encode_data(holes->len, k - holes->count, holes->count, holes->tables,
			       holes->present, to);
	} else {
		memset(holes->rest, 0, holes->count * holes->len);
	}
	for (i = 0; i < holes->count; i++) {
		parity = have[holes->parity[i]];
		for (at = 0; at < holes->len; at++)
			to[i][at] ^= parity[at];
	}
}

static void solve(struct holes *holes, uint8_t *chunk)
{
	uint8_t *from[CS_SLICES_MAX], *to[CS_SLICES_MAX];
	unsigned int i;

	invert(holes->parity, holes->missing, holes->count, holes->matrix);
	for (i = 0; i < holes->count; i++) {
		from[i] = holes->rest + i * holes->len;
		to[i] = chunk + holes->missing[i] * holes->len;
	}
	ec_init_tables(holes->count, holes->count, holes->matrix, holes->tables);
	ec_encode_data(holes->len, holes->count, holes->count, holes->tables, from, to);
}

/**
 * cs_erasure_restore() - a chunk, from any k of its slices
 * @k: slices that suffice
 * @n: slices
 * @len: bytes of a slice
 * @chunk: gets k * @len bytes
 * @have: the slices, n of them; NULL: is missing; the first k may be in their place in @chunk
 *
 * Return: 0, -ENODATA if there are less than k, -EINVAL, -ENOMEM.
 */
int cs_erasure_restore(unsigned int k, unsigned int n, size_t len, uint8_t *chunk,
		       const uint8_t *const have[CS_SLICES_MAX])
{
	struct holes holes = { .len = len };
	unsigned int i, found = 0, rows, columns;

	if (!k || k > n || n > CS_SLICES_MAX || !len)
		return -EINVAL;
	for (i = 0; i < k; i++) {
		if (!have[i]) {
			holes.missing[holes.count++] = i;
			continue;
		}
		holes.present[i - holes.count] = chunk + i * len;
		if (have[i] != chunk + i * len)
			memcpy(chunk + i * len, have[i], len);
	}
	for (i = k; i < n && found < holes.count; i++)
		if (have[i])
			holes.parity[found++] = i;
	if (found < holes.count)
		return -ENODATA;
	if (!holes.count)
		return 0;
	rows = holes.count;
	columns = k - rows > rows ? k - rows : rows;
	holes.matrix = malloc(rows * (columns * (1 + TABLE_LEN) + len));
	if (!holes.matrix)
		return -ENOMEM;
	holes.tables = holes.matrix + rows * columns;
	holes.rest = holes.tables + rows * columns * TABLE_LEN;
	take_off(&holes, k, have);
	solve(&holes, chunk);
	free(holes.matrix);
	return 0;
}
