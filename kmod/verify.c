// SPDX-License-Identifier: GPL-2.0
/*
 * Tags and digests: is the frame from whom it says, is the message what it says.
 *
 * The tag comes first: on a port that requires authentication a stranger's frame costs one keyed
 * BLAKE2s (RFC 7693) over 86 bytes. Only then the message is hashed, once.
 *
 * The SHA-512 transform is shared by all CPUs; its state is on the stack.
 */
#include <crypto/algapi.h>
#include <crypto/blake2s.h>
#include <crypto/hash.h>
#include <linux/etherdevice.h>

#include "compat.h"
#include "verify.h"

static struct crypto_shash *cs_sha512;

/**
 * cs_verify_init() - get the SHA-512 that suits the CPU best
 *
 * Context: process; may sleep.
 * Return: 0 or an error.
 */
int cs_verify_init(void)
{
	cs_sha512 = crypto_alloc_shash("sha512", 0, 0);
	return PTR_ERR_OR_ZERO(cs_sha512);
}

/**
 * cs_verify_exit() - undo cs_verify_init()
 */
void cs_verify_exit(void)
{
	crypto_free_shash(cs_sha512);
}

/**
 * cs_verify_prepare_key() - do what is the same for all tags of a key
 * @key: gets the state
 * @secret: CS_KEY_LEN bytes
 *
 * A keyed BLAKE2s begins with a block that holds nothing but the key. It is digested when more
 * comes, so one byte is added, and then forgotten: a full block was never waiting behind it.
 *
 * Context: any.
 */
void cs_verify_prepare_key(struct cs_key *key, const u8 *secret)
{
	const u8 more = 0;

	blake2s_init_key(&key->state, CS_TAG_LEN, secret, CS_KEY_LEN);
	blake2s_update(&key->state, &more, sizeof(more));
	key->state.buflen = 0;
	memzero_explicit(key->state.buf, sizeof(key->state.buf));
}

/**
 * cs_verify_make_tag() - the tag of a frame
 * @tag: where it goes, CS_TAG_LEN bytes
 * @link: link header, complete but for the tag
 * @source: source MAC of the frame
 * @digest: digest of the message
 * @key: the key
 *
 * Context: any.
 */
void cs_verify_make_tag(u8 *tag, const struct cs_link_hdr *link, const u8 *source,
			const u8 *digest, const struct cs_key *key)
{
	struct blake2s_state state = key->state;
	struct cs_tag_input input;

	memcpy(input.link, link, sizeof(input.link));
	memcpy(input.source, source, sizeof(input.source));
	memcpy(input.digest, digest, sizeof(input.digest));
	blake2s_update(&state, (const u8 *)&input, sizeof(input));
	blake2s_final(&state, tag);
}

/**
 * cs_verify_tag() - did the peer make this frame
 * @frame: the frame
 * @peer: who sent it, by its source MAC
 * @made_with: gets the key that made the tag
 *
 * Context: softirq, RCU.
 * Return: CROWDSHARE_DROP_NONE, CROWDSHARE_DROP_KEY or CROWDSHARE_DROP_TAG.
 */
enum crowdshare_drop cs_verify_tag(const struct cs_frame *frame, const struct cs_peer *peer,
				   const struct cs_key **made_with)
{
	const struct cs_link_hdr *link = cs_frame_link(frame);
	const struct cs_key *key;
	u8 tag[CS_TAG_LEN];

	key = cs_peer_rx_key(peer, link->key_id);
	if (!key)
		return CROWDSHARE_DROP_KEY;
	*made_with = key;
	cs_verify_make_tag(tag, link, eth_hdr(frame->skb)->h_source,
			   cs_frame_message(frame)->digest, key);
	return crypto_memneq(tag, link->tag, sizeof(tag)) ? CROWDSHARE_DROP_TAG :
							    CROWDSHARE_DROP_NONE;
}

/* SHA-512 of what lies in the skb from @offset on, piece by piece. */
static int cs_verify_hash_pieces(struct shash_desc *desc, struct sk_buff *skb, unsigned int offset,
				 u8 *digest)
{
	struct skb_seq_state state;
	unsigned int done = 0, len;
	const u8 *piece;
	int err;

	err = crypto_shash_init(desc);
	skb_prepare_seq_read(skb, offset, skb->len, &state);
	while (!err && (len = skb_seq_read(done, &piece, &state))) {
		err = crypto_shash_update(desc, piece, len);
		done += len;
	}
	if (err)
		skb_abort_seq_read(&state);
	return err ?: crypto_shash_final(desc, digest);
}

/* Two digests, word by word; memcmp() goes byte by byte on many machines. */
static bool cs_verify_differ(const u8 *a, const u8 *b)
{
	u64 differ = 0;
	int i;

	for (i = 0; i < CS_DIGEST_LEN; i += sizeof(u64))
		differ |= get_unaligned((const u64 *)(a + i)) ^ get_unaligned((const u64 *)(b + i));
	return differ;
}

/**
 * cs_verify_digest() - is the message what its digest says
 * @frame: the frame
 *
 * Context: softirq.
 * Return: CROWDSHARE_DROP_NONE, CROWDSHARE_DROP_DIGEST or CROWDSHARE_DROP_NOMEM.
 */
enum crowdshare_drop cs_verify_digest(const struct cs_frame *frame)
{
	SHASH_DESC_ON_STACK(desc, cs_sha512);
	struct sk_buff *skb = frame->skb;
	u8 digest[CS_DIGEST_LEN];
	int err;

	desc->tfm = cs_sha512;
	if (skb_is_nonlinear(skb))
		err = cs_verify_hash_pieces(desc, skb, CS_HASHED_OFF, digest);
	else
		err = crypto_shash_digest(desc, skb->data + CS_HASHED_OFF,
					  skb->len - CS_HASHED_OFF, digest);
	if (err)
		return CROWDSHARE_DROP_NOMEM;
	return cs_verify_differ(digest, cs_frame_message(frame)->digest) ?
	       CROWDSHARE_DROP_DIGEST : CROWDSHARE_DROP_NONE;
}
