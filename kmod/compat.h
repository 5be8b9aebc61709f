/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels that the module builds on: Debian's 6.1 to 6.12. The rest of the
 * source is written for the newest.
 */
#ifndef _CS_COMPAT_H
#define _CS_COMPAT_H

#include <linux/netdevice.h>
#include <linux/version.h>
#include <net/genetlink.h>

/* 6.12: it became a header of all architectures */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#include <asm/unaligned.h>
#else
#include <linux/unaligned.h>
#endif

/* 6.12: netdev features that userspace can't touch became bits of the device */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
static inline void cs_compat_set_lltx(struct net_device *dev)
{
	dev->features |= NETIF_F_LLTX;
}
#else
static inline void cs_compat_set_lltx(struct net_device *dev)
{
	dev->lltx = true;
}
#endif

/* 6.7: the attributes of a dump's request moved */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
static inline struct nlattr **cs_compat_dump_attrs(struct netlink_callback *cb)
{
	return genl_dumpit_info(cb)->attrs;
}
#else
static inline struct nlattr **cs_compat_dump_attrs(struct netlink_callback *cb)
{
	return genl_dumpit_info(cb)->info.attrs;
}
#endif

/* 6.10: __assign_str() lost its second argument */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
#define cs_assign_str(dst, src) __assign_str(dst, src)
#else
#define cs_assign_str(dst, src) __assign_str(dst)
#endif

#endif /* _CS_COMPAT_H */
