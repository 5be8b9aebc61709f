/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reed-Solomon: a chunk to slices, and back from any k of them. See erasure.c.
 */
#ifndef CS_FOBJECT_ERASURE_H
#define CS_FOBJECT_ERASURE_H

#include <stddef.h>
#include <stdint.h>

#define CS_SLICES_MAX	255	/* n; GF(2^8) has no more points */

/**
 * struct cs_erasure - a code of k of n
 * @k: slices that suffice
 * @n: slices
 * @tables: for the n - k parity slices; NULL: there are none
 */
struct cs_erasure {
	unsigned int	k;
	unsigned int	n;
	uint8_t		*tables;
};

unsigned int cs_erasure_slices(unsigned int k, unsigned int percent);
int cs_erasure_init(struct cs_erasure *code, unsigned int k, unsigned int n);
void cs_erasure_free(struct cs_erasure *code);

void cs_erasure_encode(const struct cs_erasure *code, size_t len, uint8_t *chunk,
		       uint8_t *parity);
int cs_erasure_restore(unsigned int k, unsigned int n, size_t len, uint8_t *chunk,
		       const uint8_t *const have[CS_SLICES_MAX]);

#endif /* CS_FOBJECT_ERASURE_H */
