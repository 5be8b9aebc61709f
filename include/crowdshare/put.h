/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libcrowdshare: a file, a directory or what comes from a pipe, to messages.
 *
 * A call codes one object from its beginning to its end, and hands out messages as it goes; memory
 * is bounded whatever the size. Calls may run at the same time in several threads, with options of
 * their own.
 */
#ifndef _CROWDSHARE_PUT_H
#define _CROWDSHARE_PUT_H

#include <stddef.h>
#include <stdint.h>

#include <crowdshare/card.h>
#include <crowdshare/error.h>
#include <crowdshare/fobject.h>

#define CS_REDUNDANCY_DEFAULT	20	/* percent */
#define CS_REDUNDANCY_MAX	300
#define CS_LIFETIME_DEFAULT	(12 * 3600)	/* seconds */
#define CS_LIFETIME_MAX		(30 * 86400)	/* recipients refuse 31 days; clocks differ */

/**
 * struct cs_put_hop - a destination
 * @card: of who opens what arrives there
 * @provider: who serves them; NULL: nobody, or the sender does not want to be known to them
 */
struct cs_put_hop {
	const struct cs_card	*card;
	const struct cs_card	*provider;
};

/**
 * struct cs_put_sender - who sends, for providers
 * @account: with the provider, UTF-8, at most %CS_ACCOUNT_MAX bytes; may be NULL
 * @max_price: millipoints per MiB that are paid at most
 * @public: Ed25519 key of the sender, that of his card; NULL: he does not say
 * @sign: makes an Ed25519 signature over all @len bytes of @data with that key, and returns 0;
 *	called only if there is @public
 * @arg: for @sign
 */
struct cs_put_sender {
	const char	*account;
	uint64_t	max_price;
	const uint8_t	*public;
	int		(*sign)(const void *data, size_t len, uint8_t signature[CS_SIGNATURE_LEN],
				void *arg);
	void		*arg;
};

/**
 * struct cs_put_options - how an object is coded, and where to
 * @to: the recipient, and their provider
 * @via: those through whom it goes, the first one first; each can open only where to send it on
 * @nr_via: their number
 * @sender: for the providers; may be NULL
 * @now: Unix seconds
 * @lifetime: seconds, at most %CS_LIFETIME_MAX, 0: %CS_LIFETIME_DEFAULT. The end is rounded down
 *	to ten minutes, as it is in plain in each message, and messages with an end of their own
 *	belong together
 * @redundancy: percent; 0: none, all messages have to arrive
 * @frame: bytes of a frame, Ethernet header included, 0: %CS_FRAME_DEFAULT
 * @message: takes a message, header and payload; not 0: stops, and is returned
 * @skipped: is told of what in a directory is not sent, and why; may be NULL
 * @progress: is told how many bytes of content were coded, now and then; may be NULL
 * @arg: for these three
 */
struct cs_put_options {
	struct cs_put_hop		to;
	const struct cs_put_hop		*via;
	size_t				nr_via;
	const struct cs_put_sender	*sender;
	uint64_t			now;
	uint64_t			lifetime;
	unsigned int			redundancy;
	size_t				frame;
	int				(*message)(const void *message, size_t len, void *arg);
	void				(*skipped)(const char *path, const char *why, void *arg);
	void				(*progress)(uint64_t bytes, void *arg);
	void				*arg;
};

/**
 * struct cs_put_result - what was coded
 * @object: its id, which the recipient and the provider know it by
 * @expiry: Unix seconds, of all its messages
 * @files: in it
 * @skipped: things in a directory that are not sent
 * @bytes: of content
 * @messages: handed out
 * @sent: bytes of those
 * @sha512: of the file; of a directory zero
 * @sha256: the same
 */
struct cs_put_result {
	uint8_t		object[CS_OBJECT_ID_LEN];
	uint64_t	expiry;
	uint64_t	files;
	uint64_t	skipped;
	uint64_t	bytes;
	uint64_t	messages;
	uint64_t	sent;
	uint8_t		sha512[64];
	uint8_t		sha256[32];
};

int cs_put_fd(const struct cs_put_options *options, int fd, const char *name,
	      struct cs_put_result *result, struct cs_error *error);
int cs_put_path(const struct cs_put_options *options, const char *path,
		struct cs_put_result *result, struct cs_error *error);

#endif /* _CROWDSHARE_PUT_H */
