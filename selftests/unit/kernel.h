/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What kmod/seen.c uses of the kernel, for userspace: the same names and the same meaning on
 * pthreads, GCC's atomics and libsodium's SipHash-2-4.
 */
#ifndef _UNIT_KERNEL_H
#define _UNIT_KERNEL_H

#include <linux/types.h>
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#define U32_MAX			UINT32_MAX
#define __aligned(x)		__attribute__((aligned(x)))
#define ____cacheline_aligned	__aligned(64)
#define prefetch(p)		__builtin_prefetch(p)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define min(x, y)		((x) < (y) ? (x) : (y))
#define DIV_ROUND_UP(x, y)	(((x) + (y) - 1) / (y))
#define DIV_ROUND_UP_ULL(x, y)	DIV_ROUND_UP(x, y)

#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), v, __ATOMIC_RELAXED)
#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)	/* as in the kernel */
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE) /* likewise */
#define try_cmpxchg(p, old, new) \
	__atomic_compare_exchange_n(p, old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

typedef struct { int counter; } atomic_t;

static inline int atomic_read(const atomic_t *v)
{
	return READ_ONCE(v->counter);
}

#define ATOMIC_INIT(i)		{ i }

static inline int atomic_inc_return(atomic_t *v)
{
	return __atomic_add_fetch(&v->counter, 1, __ATOMIC_SEQ_CST);
}

static inline void atomic_dec(atomic_t *v)
{
	__atomic_fetch_sub(&v->counter, 1, __ATOMIC_SEQ_CST);
}

static inline bool atomic_try_cmpxchg(atomic_t *v, int *old, int new)
{
	return try_cmpxchg(&v->counter, old, new);
}

typedef pthread_spinlock_t spinlock_t;

#define spin_lock_init(l)	pthread_spin_init(l, PTHREAD_PROCESS_PRIVATE)
#define spin_lock(l)		pthread_spin_lock(l)
#define spin_unlock(l)		pthread_spin_unlock(l)
#define spin_lock_bh(l)		pthread_spin_lock(l)
#define spin_unlock_bh(l)	pthread_spin_unlock(l)
#define local_bh_disable()	do { } while (0)
#define local_bh_enable()	do { } while (0)
#define cond_resched()		do { } while (0)

/* Tests make allocations fail with this: the number of those that still succeed, -1: all. */
extern int kernel_alloc_budget;

typedef int gfp_t;

#define GFP_KERNEL_ACCOUNT	0
#define __GFP_RETRY_MAYFAIL	0
#define __GFP_NOWARN		0
#define __GFP_ZERO		0

static inline void *kvcalloc(size_t n, size_t size, int flags)
{
	void *p;

	(void)flags;
	if (!kernel_alloc_budget)
		return NULL;
	if (kernel_alloc_budget > 0)
		kernel_alloc_budget--;
	/* aligned_alloc() takes multiples of the alignment only */
	p = aligned_alloc(64, DIV_ROUND_UP(n * size, 64) * 64);
	return p ? memset(p, 0, n * size) : NULL;
}

#define kzalloc(size, flags)	kvcalloc(1, size, flags)
#define kvzalloc(size, flags)	kvcalloc(1, size, flags)
#define __vmalloc(size, flags)	kvcalloc(1, size, flags)
#define is_power_of_2(n)	((n) && !((n) & ((n) - 1)))
#define kfree(p)		free(p)
#define kvfree(p)		free(p)
#define get_random_bytes(p, n)	randombytes_buf(p, n)

static inline u32 reciprocal_scale(u32 value, u32 ceiling)
{
	return (u32)(((u64)value * ceiling) >> 32);
}

typedef struct { u64 key[2]; } siphash_key_t, hsiphash_key_t;

static inline u64 siphash_2u64(u64 a, u64 b, const siphash_key_t *key)
{
	const u64 in[2] = { a, b };
	u64 out;

	crypto_shorthash((unsigned char *)&out, (const unsigned char *)in, sizeof(in),
			 (const unsigned char *)key);
	return out;
}

/* 32 bits of SipHash-2-4, where the kernel takes SipHash-1-3 */
static inline u32 hsiphash_4u32(u32 a, u32 b, u32 c, u32 d, const hsiphash_key_t *key)
{
	return (u32)siphash_2u64((u64)b << 32 | a, (u64)d << 32 | c, key);
}

#endif /* _UNIT_KERNEL_H */
