/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: what happened to a message, by the first 8 bytes of its digest.
 *
 *	echo 1 > /sys/kernel/tracing/events/crowdshare/enable
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM crowdshare

#if !defined(_CS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _CS_TRACE_H

#include <linux/tracepoint.h>

#include "compat.h"
#include "ingress.h"

#ifndef _CS_TRACE_ONCE
#define _CS_TRACE_ONCE
/* Data of the skb at the link header; a frame that is too short for a digest has none. */
static inline u64 cs_trace_digest(const struct sk_buff *skb)
{
	__be64 digest;

	if (skb_headlen(skb) < CS_HDRS_LEN)
		return 0;
	memcpy(&digest, skb->data + sizeof(struct cs_link_hdr), sizeof(digest));
	return be64_to_cpu(digest);
}

/* What this node sends into the device comes from no port. */
static inline const char *cs_trace_name(const struct net_device *port)
{
	return port ? port->name : "local";
}
#endif

#define CS_DROP_TRACE(class, name, string, text) \
	TRACE_DEFINE_ENUM(CROWDSHARE_DROP_##name);
CS_DROP_LIST(CS_DROP_TRACE)
#undef CS_DROP_TRACE

#undef CS_DROP_SYMBOL
#define CS_DROP_SYMBOL(class, name, string, text) { CROWDSHARE_DROP_##name, string },

TRACE_EVENT(crowdshare_receive,
	TP_PROTO(const struct net_device *dev, const struct net_device *port,
		 const struct sk_buff *skb, bool is_new),
	TP_ARGS(dev, port, skb, is_new),
	TP_STRUCT__entry(
		__string(dev, dev->name)
		__string(port, cs_trace_name(port))
		__field(u64, digest)
		__field(bool, is_new)
	),
	TP_fast_assign(
		cs_assign_str(dev, dev->name);
		cs_assign_str(port, cs_trace_name(port));
		__entry->digest = cs_trace_digest(skb);
		__entry->is_new = is_new;
	),
	TP_printk("dev=%s port=%s digest=%016llx %s", __get_str(dev), __get_str(port),
		  __entry->digest, __entry->is_new ? "new" : "duplicate")
);

TRACE_EVENT(crowdshare_forward,
	TP_PROTO(const struct net_device *dev, const struct net_device *port,
		 const struct sk_buff *skb, bool repair),
	TP_ARGS(dev, port, skb, repair),
	TP_STRUCT__entry(
		__string(dev, dev->name)
		__string(port, cs_trace_name(port))
		__field(u64, digest)
		__field(bool, repair)
	),
	TP_fast_assign(
		cs_assign_str(dev, dev->name);
		cs_assign_str(port, cs_trace_name(port));
		__entry->digest = cs_trace_digest(skb);
		__entry->repair = repair;
	),
	TP_printk("dev=%s port=%s digest=%016llx%s", __get_str(dev), __get_str(port),
		  __entry->digest, __entry->repair ? " repair" : "")
);

TRACE_EVENT(crowdshare_deliver,
	TP_PROTO(const struct net_device *dev, const struct net_device *port,
		 const struct sk_buff *skb),
	TP_ARGS(dev, port, skb),
	TP_STRUCT__entry(
		__string(dev, dev->name)
		__string(port, cs_trace_name(port))
		__field(u64, digest)
	),
	TP_fast_assign(
		cs_assign_str(dev, dev->name);
		cs_assign_str(port, cs_trace_name(port));
		__entry->digest = cs_trace_digest(skb);
	),
	TP_printk("dev=%s port=%s digest=%016llx", __get_str(dev), __get_str(port),
		  __entry->digest)
);

TRACE_EVENT(crowdshare_drop,
	TP_PROTO(const struct net_device *dev, const struct net_device *port,
		 const struct sk_buff *skb, int reason),
	TP_ARGS(dev, port, skb, reason),
	TP_STRUCT__entry(
		__string(dev, dev->name)
		__string(port, cs_trace_name(port))
		__field(u64, digest)
		__field(int, reason)
	),
	TP_fast_assign(
		cs_assign_str(dev, dev->name);
		cs_assign_str(port, cs_trace_name(port));
		__entry->digest = cs_trace_digest(skb);
		__entry->reason = reason;
	),
	TP_printk("dev=%s port=%s digest=%016llx reason=%s", __get_str(dev), __get_str(port),
		  __entry->digest,
		  __print_symbolic(__entry->reason, CS_DROP_LIST(CS_DROP_SYMBOL) { -1, "" }))
);

#endif /* _CS_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
