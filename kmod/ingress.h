/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A frame on its way through the pipeline, and the two places where frames come in. See ingress.c.
 */
#ifndef _CS_INGRESS_H
#define _CS_INGRESS_H

#include <linux/skbuff.h>

#include "clock.h"
#include "port.h"

struct cs_contract;
struct cs_peer;

/**
 * struct cs_frame - a frame on its way through the pipeline
 * @skb: the frame, data at the link header; both headers are in the linear part
 * @cs: the device
 * @port: where it came from, NULL: this node sent it into the device
 * @seen: the seen-set
 * @peer: who sent it, NULL: a neighbour that is not listed, or this node
 * @contract: what it was charged to, or NULL
 * @line: where in the seen-set the digest belongs
 * @epoch: of the seen-set for which @line was computed
 * @now: the time when it was looked up
 *
 * The headers move when the skb is changed, thus cs_frame_link() and cs_frame_message().
 */
struct cs_frame {
	struct sk_buff *skb;
	struct cs_device *cs;
	struct cs_port *port;
	struct cs_seen *seen;
	struct cs_peer *peer;
	struct cs_contract *contract;
	u32 line;
	u32 epoch;
	struct cs_now now;
};

static inline const struct cs_link_hdr *cs_frame_link(const struct cs_frame *frame)
{
	return (const struct cs_link_hdr *)frame->skb->data;
}

static inline const struct cs_msg_hdr *cs_frame_message(const struct cs_frame *frame)
{
	return (const struct cs_msg_hdr *)(frame->skb->data + sizeof(struct cs_link_hdr));
}

static inline struct cs_stats __percpu *cs_frame_stats(const struct cs_frame *frame)
{
	return frame->port ? frame->port->stats : frame->cs->local;
}

extern __be16 cs_ethertype;

unsigned int cs_ingress_hook(void *priv, struct sk_buff *skb, const struct nf_hook_state *state);
void cs_ingress_frame(struct cs_frame *frame);
void cs_ingress_resume(struct cs_port *port, struct sk_buff *skb, bool charged);
void cs_ingress_local(struct cs_device *cs, struct sk_buff *skb);

#endif /* _CS_INGRESS_H */
