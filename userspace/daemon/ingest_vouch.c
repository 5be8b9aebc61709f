// SPDX-License-Identifier: GPL-2.0
/*
 * An ingest that vouches for who sent an object.
 *
 * Who sends tells the provider, in an envelope of the provider's own, who he is, and signs that
 * together with the object's secret and the recipient. With the provider's RSA key it is opened
 * here. If the key that signed is on a card in the directory of senders, a vouching (vouch.c) is
 * written into the inbox, beside the messages, under the object's id; the card's file is named
 * after the sender. The recipient shows it if the ingest's key has signed it. Relays see none of
 * it.
 *
 * The provider can't read the content: the recipient's envelope is for another key.
 *
 * Any message of a chunk of one slice may be the envelope; to find out costs an operation with
 * the private key, 2 ms or more, in which nothing else is done. So only so many a second are
 * tried: a flood can keep others from being vouched for, and not from being received.
 *
 * The directory is looked at again when it has changed: cards are added and removed while the
 * ingest runs. One thread, no lock.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "daemon/clock.h"
#include "daemon/ingest_vouch.h"
#include "daemon/log.h"
#include "daemon/policy.h"
#include "daemon/vouch.h"
#include "fobject/envelope.h"
#include "lib/file.h"
#include "lib/message.h"

#define TRIES_RATE	150		/* private key operations a second */
#define RECENT_MAX	256		/* envelopes whose further copies are not tried */
#define SENDERS_MAX	65536
#define LINES_RATE	1
#define SUFFIX		".card"
#define KEPT_SECONDS	(62 * 86400)	/* twice as long as an object may be on its way */

/**
 * struct sender - somebody who is known
 * @public: key that he signs with
 * @fingerprint: of his card
 * @name: what he is called
 */
struct sender {
	uint8_t	public[CS_PUBLIC_LEN];
	uint8_t	fingerprint[CS_FINGERPRINT_LEN];
	char	name[VOUCH_NAME_MAX + 1];
};

/**
 * struct ingest_vouch - what is needed to vouch
 * @identity: signs
 * @key: the provider's, opens envelopes
 * @inbox: where vouchings go
 * @dir: of the senders' cards
 * @changed: when that was changed last, as far as known
 * @senders: all of them
 * @nr_senders: their number
 * @recent: ids of chunks that were envelopes
 * @next_recent: where in @recent the next one goes
 * @tries: limit of private key operations
 * @lines: limit of lines about them
 */
struct ingest_vouch {
	const struct identity	*identity;
	struct cs_private	*key;
	char			inbox[PATH_MAX];
	char			dir[PATH_MAX];
	struct timespec		changed;
	struct sender		*senders;
	size_t			nr_senders;
	uint8_t			recent[RECENT_MAX][CS_CHUNK_ID_LEN];
	unsigned int		next_recent;
	struct policy_bucket	tries;
	struct policy_bucket	lines;
};

/* Strangers can't fill the log. */
static bool may_log(struct ingest_vouch *vouch)
{
	return policy_bucket_take(&vouch->lines, 1, daemon_ticks());
}

/* --- Whom we know --- */

static int is_card(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name), end = strlen(SUFFIX);

	return len > end && *entry->d_name != '.' && !strcmp(entry->d_name + len - end, SUFFIX);
}

static void add_sender(struct ingest_vouch *vouch, const char *file)
{
	struct sender *sender = &vouch->senders[vouch->nr_senders];
	struct cs_error error = { "" };
	char path[PATH_MAX + 256];
	struct cs_card card;

	snprintf(path, sizeof(path), "%s/%s", vouch->dir, file);
	snprintf(sender->name, sizeof(sender->name), "%.*s",
		 (int)(strlen(file) - strlen(SUFFIX)), file);
	if (strlen(file) - strlen(SUFFIX) > VOUCH_NAME_MAX || vouch_check_name(sender->name)) {
		log_warning("%s: nobody can be called so: 1 to %d bytes of UTF-8", path,
			    VOUCH_NAME_MAX);
		return;
	}
	if (cs_card_read(&card, path, CS_ROLE_SENDER, &error)) {
		log_warning("%s; nobody of this name is vouched for", error.text);
		return;
	}
	memcpy(sender->public, card.key + card.key_len - CS_PUBLIC_LEN, CS_PUBLIC_LEN);
	memcpy(sender->fingerprint, card.fingerprint, CS_FINGERPRINT_LEN);
	vouch->nr_senders++;
}

static int read_senders(struct ingest_vouch *vouch, struct cs_error *error)
{
	struct dirent **names;
	int count, i;

	count = scandir(vouch->dir, &names, is_card, alphasort);
	if (count < 0)
		return cs_error_set(error, -errno, "%s: %s", vouch->dir, strerror(errno));
	free(vouch->senders);
	vouch->nr_senders = 0;
	vouch->senders = calloc(count ? count : 1, sizeof(*vouch->senders));
	for (i = 0; i < count; i++) {
		if (vouch->senders && vouch->nr_senders < SENDERS_MAX)
			add_sender(vouch, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	if (!vouch->senders)
		return cs_error_set(error, -ENOMEM, "out of memory");
	log_info("%s: %zu senders are known", vouch->dir, vouch->nr_senders);
	return 0;
}

/* Reads the cards again if the directory has changed. */
static int look_at_senders(struct ingest_vouch *vouch, struct cs_error *error)
{
	struct stat st;
	int rc;

	if (stat(vouch->dir, &st))
		return cs_error_set(error, -errno, "%s: %s", vouch->dir, strerror(errno));
	if (!memcmp(&st.st_mtim, &vouch->changed, sizeof(st.st_mtim)))
		return 0;
	rc = read_senders(vouch, error);
	if (!rc)
		vouch->changed = st.st_mtim;
	return rc;
}

/* Who signs with this key; NULL: nobody whom we know. */
static const struct sender *find_sender(struct ingest_vouch *vouch,
					const uint8_t public[CS_PUBLIC_LEN])
{
	struct cs_error error = { "" };
	size_t i;

	if (look_at_senders(vouch, &error) && may_log(vouch))
		log_error("%s", error.text);
	for (i = 0; i < vouch->nr_senders; i++)
		if (!memcmp(vouch->senders[i].public, public, CS_PUBLIC_LEN))
			return &vouch->senders[i];
	return NULL;
}

/* --- Envelopes --- */

static bool is_recent(const struct ingest_vouch *vouch, const uint8_t id[CS_CHUNK_ID_LEN])
{
	unsigned int i;

	for (i = 0; i < RECENT_MAX; i++)
		if (!memcmp(vouch->recent[i], id, CS_CHUNK_ID_LEN))
			return true;
	return false;
}

/**
 * ingest_vouch_terms() - open a provider's envelope
 * @terms: gets what is in it, which is secret
 * @key: the provider's
 * @message: that may be one; k is 1
 *
 * It has to stand in the chunk that is its own: somebody else may have put it elsewhere. The MAC is
 * of who knows the secret in it.
 *
 * Return: the keys of the object that it is of, without that of the content; NULL: it is none.
 */
struct cs_cipher *ingest_vouch_terms(struct cs_terms *terms, const struct cs_private *key,
				     const struct cs_message *message)
{
	struct cs_cipher *cipher = NULL;
	uint8_t chunk[CS_SLICE_MAX];
	uint64_t number = 0;

	if (!cs_envelope_chunk(message, chunk) ||
	    cs_terms_open(terms, key, chunk, message->chunk_length, NULL) ||
	    terms->expiry != message->expiry || cs_cipher_new_blind(&cipher, terms->transport))
		return NULL;
	if (cs_cipher_number(cipher, message->chunk_id, &number) &&
	    number == CS_CHUNK_PROVIDER && cs_cipher_slice_ok(cipher, number, message))
		return cipher;
	cs_cipher_free(cipher);
	return NULL;
}

static bool open_terms(const struct ingest_vouch *vouch, const struct cs_message *message,
		       struct cs_terms *terms, uint8_t object[CS_OBJECT_ID_LEN])
{
	struct cs_cipher *cipher = ingest_vouch_terms(terms, vouch->key, message);

	if (!cipher)
		return false;
	memcpy(object, cs_cipher_object(cipher), CS_OBJECT_ID_LEN);
	cs_cipher_free(cipher);
	return true;
}

static bool is_signed(const struct cs_terms *terms)
{
	const size_t head = sizeof(CS_TERMS_CONTEXT);
	uint8_t data[CS_TERMS_SIGNED_MAX];
	size_t len;

	if (!terms->signed_by)
		return false;
	len = cs_terms_signed(terms, data);
	return identity_verify(terms->sender, CS_TERMS_CONTEXT, data + head, len - head,
			       terms->signature);
}

static bool write_vouch(struct ingest_vouch *vouch, struct vouch *what, char name[INGEST_FILE_NAME])
{
	struct cs_error error = { "" };
	uint8_t data[VOUCH_MAX];
	char path[PATH_MAX + VOUCH_FILE_NAME];
	size_t len;
	int rc;

	what->time = time(NULL);
	vouch_name(what->object, name);
	snprintf(path, sizeof(path), "%s/%s", vouch->inbox, name);
	if (vouch_sign(what, vouch->identity, data, &len)) {
		log_error("%s: can't be signed", path);
		return false;
	}
	rc = cs_file_create(path, 0600, data, len, &error);
	if (rc && rc != -EEXIST)
		log_error("%s", error.text);
	return !rc;
}

/**
 * ingest_vouch_look() - who sent this?
 * @vouch: what is needed
 * @message: one that is new, and is what its digest says
 * @len: its bytes
 * @name: gets the name of the file with the vouching
 *
 * Return: whether there is one now that was not there before.
 */
bool ingest_vouch_look(struct ingest_vouch *vouch, const uint8_t *message, size_t len,
		       char name[INGEST_FILE_NAME])
{
	const struct sender *sender;
	struct cs_message parsed;
	struct vouch what = { .time = 0 };
	struct cs_terms terms;
	bool ok;

	if (cs_message_parse(message, len, &parsed) || parsed.k != 1 ||
	    is_recent(vouch, parsed.chunk_id) ||
	    !policy_bucket_take(&vouch->tries, 1, daemon_ticks()) ||
	    !open_terms(vouch, &parsed, &terms, what.object))
		return false;
	memcpy(vouch->recent[vouch->next_recent++ % RECENT_MAX], parsed.chunk_id, CS_CHUNK_ID_LEN);
	ok = is_signed(&terms);
	sender = ok ? find_sender(vouch, terms.sender) : NULL;
	if (sender) {
		memcpy(what.recipient, terms.recipient, sizeof(what.recipient));
		memcpy(what.sender, sender->fingerprint, sizeof(what.sender));
		strcpy(what.name, sender->name);
	} else if (may_log(vouch)) {
		log_info("an object is not vouched for: %s", ok ? "no card has its sender's key" :
			 terms.signed_by ? "the signature is wrong" : "nobody signed for it");
	}
	OPENSSL_cleanse(&terms, sizeof(terms));
	return sender && write_vouch(vouch, &what, name);
}

/* --- Beginning and end --- */

/* Vouchings that nobody has taken, of objects that can't come any more. */
static void remove_old(const struct ingest_vouch *vouch)
{
	DIR *dir = opendir(vouch->inbox);
	const struct dirent *entry;
	struct stat st;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (vouch_is_name(entry->d_name) &&
		    !fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    st.st_mtime < time(NULL) - KEPT_SECONDS)
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

/**
 * ingest_vouch_open() - begin to vouch
 * @to: gets what is needed
 * @config: names the key, the senders and the inbox, which is there
 * @identity: signs; must stay
 * @error: gets the reason of a failure
 *
 * Return: 0 or a negative errno.
 */
int ingest_vouch_open(struct ingest_vouch **to, const struct config_ingest *config,
		      const struct identity *identity, struct cs_error *error)
{
	struct ingest_vouch *new = calloc(1, sizeof(*new));
	int rc;

	if (!new)
		return cs_error_set(error, -ENOMEM, "out of memory");
	new->identity = identity;
	snprintf(new->inbox, sizeof(new->inbox), "%s", config->inbox);
	snprintf(new->dir, sizeof(new->dir), "%s", config->vouch.senders);
	policy_bucket_set(&new->tries, TRIES_RATE, daemon_ticks());
	policy_bucket_set(&new->lines, LINES_RATE, daemon_ticks());
	rc = cs_private_read(&new->key, config->vouch.key, error);
	if (!rc)
		rc = look_at_senders(new, error);
	if (rc) {
		ingest_vouch_close(new);
		return rc;
	}
	remove_old(new);
	*to = new;
	return 0;
}

/**
 * ingest_vouch_close() - vouch no more
 * @vouch: may be NULL
 */
void ingest_vouch_close(struct ingest_vouch *vouch)
{
	if (!vouch)
		return;
	cs_private_free(vouch->key);
	free(vouch->senders);
	free(vouch);
}
