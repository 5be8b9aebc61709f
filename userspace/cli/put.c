// SPDX-License-Identifier: GPL-2.0
/*
 * crowdshare put: a file, a directory or what comes from a pipe, to somebody whose card is here.
 *
 * It is coded here, and only messages, which are sealed, go to the daemon. What is remembered of
 * the object is written when the daemon has all of it on its disk (sent.c).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <crowdshare/put.h>

#include "cli/crowdshare.h"
#include "cli/outbox.h"
#include "daemon/config_value.h"
#include "lib/hex.h"

#define VIA_MAX		8
#define RATE_DEFAULT	100	/* Mbit/s, as csnl send */
#define REPLICAS_DEFAULT 3	/* if anything is to be waited for */
#define CLOCK_FLOOR	1767225600	/* 2026-01-01: before, the clock is not set */
#define BAR		30
#define ABSENCE		60	/* seconds, while peers are waited for: a restart */

static const char usage[] =
	"Usage: crowdshare put { FILE | DIR | - } --to CARD [ --provider CARD ]\n"
	"                      [ --via CARD ]... [ --lifetime TIME ] [ --redundancy N% ]\n"
	"                      [ --hops N ] [ --max-price POINTS ] [ --account NAME ]\n"
	"                      [ --name NAME ] [ --rate MBIT ]\n"
	"                      [ --sender FILE | --anonymous ]\n"
	"                      [ --replicas N ] [ --wait TIME ]\n"
	"Sends a file, a directory, or what comes on standard input, which --name gives a name,\n"
	"and prints the id of the object. CARD is a file as 'crowdshare id export' prints it; if\n"
	"it has the card of a provider, too, that one is told who sends, signed with your\n"
	"sender's key if there is one ('crowdshare id new --role sender'). TIME is such as\n"
	"90min, 12h (if not given) or 3d, at most 30d; N% is how much is sent besides, so that\n"
	"as much may be lost (20%). POINTS are what a provider is paid per MiB at most.\n"
	"--replicas and --wait have it wait until N peers (3) have signed to hold all of it, or\n"
	"it was delivered, but at most for a time (as long as it lives).\n";

/**
 * struct words - what the command line says
 *
 * Members are the values of the options of the same names; NULL: not given.
 */
struct words {
	const char	*what;
	const char	*to;
	const char	*provider;
	const char	*lifetime;
	const char	*redundancy;
	const char	*hops;
	const char	*max_price;
	const char	*account;
	const char	*name;
	const char	*rate;
	const char	*replicas;
	const char	*wait;
	const char	*sender;
	bool		anonymous;
	const char	*via[VIA_MAX];
	size_t		nr_via;
};

/**
 * struct address - whom something goes to
 * @card: theirs
 * @provider: of their provider
 * @served: there is a provider
 */
struct address {
	struct cs_card	card;
	struct cs_card	provider;
	bool		served;
};

/**
 * struct putting - an object on its way
 * @words: what the command line says
 * @args: for error messages
 * @outbox: messages on their way to the daemon
 * @to: the recipient
 * @via: those on the way
 * @ids: beginnings of the digests of all messages
 * @nr_ids: their number
 * @room: how many @ids has memory for
 * @identity: who sends, if he has a key
 * @redundancy: percent, with what makes up for what links lose
 * @total: bytes of content, 0: not known
 * @began: seconds of the monotonic clock
 * @shown: when progress was shown last
 */
struct putting {
	struct words		words;
	const struct args	*args;
	struct outbox		outbox;
	struct address		to;
	struct address		via[VIA_MAX];
	uint8_t			(*ids)[CS_SEEN_KEY_LEN];
	size_t			nr_ids;
	size_t			room;
	struct identity		identity;
	unsigned int		redundancy;
	uint64_t		total;
	double			began;
	double			shown;
};

/* --- Progress, on a terminal --- */

static bool bar_shown;

static void clear_bar(void)
{
	if (bar_shown)
		fputs("\r\033[K", stderr);
	bar_shown = false;
}

static void show_bar(const struct putting *putting, uint64_t bytes, double now)
{
	double rate = bytes / (now - putting->began + 1e-9);
	uint64_t left = putting->total > bytes ? putting->total - bytes : 0;
	int filled = putting->total ? (bytes < putting->total ? bytes : putting->total) * BAR /
		     putting->total : 0;
	unsigned long eta = rate > 0 ? left / rate : 0;

	if (putting->total)
		fprintf(stderr, "\r[%.*s%*s] %3d%% ", filled, "##############################",
			BAR - filled, "", (int)(bytes < putting->total ?
						bytes * 100 / putting->total : 100));
	else
		fputc('\r', stderr);
	fprintf(stderr, "%.1f MB %.1f MB/s", bytes / 1e6, rate / 1e6);
	if (putting->total)
		fprintf(stderr, " ETA %lu:%02lu:%02lu", eta / 3600, eta / 60 % 60, eta % 60);
	fputs("\033[K", stderr);
	bar_shown = true;
}

static void progress(uint64_t bytes, void *arg)
{
	struct putting *putting = arg;
	double now = seconds_now();

	if (now - putting->shown < 0.2)
		return;
	putting->shown = now;
	show_bar(putting, bytes, now);
}

static uint64_t tree_bytes;

static int add_bytes(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path;
	(void)ftw;
	if (type == FTW_F && S_ISREG(st->st_mode))
		tree_bytes += st->st_size;
	return 0;
}

static uint64_t bytes_of(const char *path)
{
	tree_bytes = 0;
	nftw(path, add_bytes, 16, FTW_PHYS);
	return tree_bytes;
}

/* --- Words --- */

/* An option that may be given several times. */
static bool take_via(struct args *args, struct words *words)
{
	const char *path;

	args->n_given = args->n_given && !strcmp(args->given[args->n_given - 1], "--via") ?
			args->n_given - 1 : args->n_given;
	if (!args_value(args, "--via", &path))
		return false;
	if (words->nr_via == VIA_MAX)
		args_die(args, "by way of more than %d others", VIA_MAX);
	words->via[words->nr_via++] = path;
	return true;
}

static void take_words(struct args *args, struct words *words)
{
	uint64_t seconds;

	while (args->left) {
		if (take_via(args, words) || args_value(args, "--to", &words->to) ||
		    args_value(args, "--provider", &words->provider) ||
		    args_value(args, "--lifetime", &words->lifetime) ||
		    args_value(args, "--redundancy", &words->redundancy) ||
		    args_value(args, "--hops", &words->hops) ||
		    args_value(args, "--max-price", &words->max_price) ||
		    args_value(args, "--account", &words->account) ||
		    args_value(args, "--name", &words->name) ||
		    args_value(args, "--rate", &words->rate) ||
		    args_value(args, "--replicas", &words->replicas) ||
		    args_value(args, "--sender", &words->sender) ||
		    args_value(args, "--wait", &words->wait))
			continue;
		if (args_option(args, "--anonymous")) {
			words->anonymous = true;
			continue;
		}
		if (words->what || (**args->word == '-' && (*args->word)[1]))
			args_unknown(args);
		words->what = args_next(args, "FILE");
	}
	if (!words->what)
		args_die(args, "FILE is missing; try 'crowdshare put help'");
	if (!words->to)
		args_die(args, "--to CARD is missing: whom does it go to?");
	if (!strcmp(words->what, "-") != !!words->name)
		args_die(args, words->name ? "--name is for what comes on standard input; a file "
			 "has a name" : "--name NAME is missing: how is it to be called there?");
	if (words->wait && value_time(words->wait, &seconds))
		args_die(args, "--wait '%s' is not a time such as 90min or 12h", words->wait);
	if (words->anonymous && (words->sender || words->account))
		args_die(args, "--anonymous and %s exclude each other",
			 words->sender ? "--sender" : "--account");
	if (words->name && (!*words->name || strchr(words->name, '/')))
		args_die(args, "--name '%s' is not the name of a file", words->name);
}

/* An option's value that is a number, with "%" behind it or not. */
static unsigned long number(const struct args *args, const char *what, const char *value,
			    unsigned long otherwise, unsigned long max)
{
	struct args word = *args;
	char digits[32], *p = digits;

	if (!value)
		return otherwise;
	snprintf(digits, sizeof(digits), "%s", value);
	if (*value && !strcmp(what, "--redundancy") && digits[strlen(digits) - 1] == '%')
		digits[strlen(digits) - 1] = '\0';
	word.word = &p;
	word.left = 1;
	return args_number(&word, what, 0, max);
}

/* --- Whom to --- */

static void read_cards(const struct args *args, const char *path, const char *provider,
		       struct address *address)
{
	struct cs_error error = { "" };
	int rc;

	if (cs_card_read(&address->card, path, CS_ROLE_RECIPIENT, &error))
		args_die(args, "%s", error.text);
	rc = cs_card_read(&address->provider, provider ? provider : path, CS_ROLE_PROVIDER, &error);
	if (rc && (provider || rc != -ENOENT))
		args_die(args, "%s", error.text);
	address->served = !rc;
}

static struct cs_put_hop hop_of(const struct address *address)
{
	return (struct cs_put_hop){ &address->card, address->served ? &address->provider : NULL };
}

/* --- Messages --- */

static int take_message(const void *message, size_t len, void *arg)
{
	struct putting *putting = arg;
	void *more;

	if (putting->nr_ids == putting->room) {
		putting->room = putting->room ? 2 * putting->room : 4096;
		more = realloc(putting->ids, putting->room * sizeof(*putting->ids));
		if (!more)
			args_die(putting->args, "out of memory");
		putting->ids = more;
	}
	memcpy(putting->ids[putting->nr_ids++], message, CS_SEEN_KEY_LEN);
	outbox_add(&putting->outbox, message, len);
	return 0;
}

static void skipped(const char *path, const char *why, void *arg)
{
	char *text;

	(void)arg;
	clear_bar();
	if (asprintf(&text, "%s %s", path, why) < 0)
		return;
	clean_text(text);
	fprintf(stderr, "skipped: %s\n", text);
	free(text);
}

/* --- How much besides --- */

/* Per mille of the frames that get lost on the way to the neighbour that gets the most. */
static unsigned long least_loss(struct cli *cli, const struct args *args)
{
	json_t *peers = cli_ask_list(cli, args, request_new("peers")), *peer, *loss;
	json_int_t least = -1;
	size_t i;

	json_array_foreach(peers, i, peer) {
		loss = json_object_get(peer, "loss");
		if (json_is_integer(loss) && json_integer_value(loss) >= 0 &&
		    (least < 0 || json_integer_value(loss) < least))
			least = json_integer_value(loss);
	}
	json_decref(peers);
	return least < 0 ? 0 : least;
}

/*
 * So much has to be sent that what arrives has the redundancy that was wanted, if as much gets lost
 * as lately: for 20%, where a tenth gets lost, 34%. Who wants none gets none.
 */
static unsigned int redundancy_for(unsigned int wanted, unsigned long loss)
{
	unsigned long all;

	if (!wanted)
		return 0;
	if (loss > 999)
		loss = 999;
	all = ((100 + wanted) * 1000 + 999 - loss) / (1000 - loss);
	return all - 100 < CS_REDUNDANCY_MAX ? all - 100 : CS_REDUNDANCY_MAX;
}

/* --- The result --- */

static json_t *name_json(const char *path)
{
	const char *slash = strrchr(path, '/');
	json_t *name = json_string(slash && slash[1] ? slash + 1 : path);

	/* a name may be any bytes */
	return name ? name : json_string("?");
}

static void remember(struct cli *cli, const struct putting *putting,
		     const struct cs_put_result *result, uint64_t now)
{
	char to[INET6_ADDRSTRLEN], id[2 * CS_OBJECT_ID_LEN + 1];
	const struct words *words = &putting->words;
	json_t *record;

	cs_hex(id, result->object, CS_OBJECT_ID_LEN);
	inet_ntop(AF_INET6, putting->to.card.address, to, sizeof(to));
	record = json_pack("{s:s, s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "id", id,
			   "name", name_json(words->name ? words->name : words->what), "to", to,
			   "created", (json_int_t)now, "expiry", (json_int_t)result->expiry,
			   "files", (json_int_t)result->files, "bytes", (json_int_t)result->bytes,
			   "skipped", (json_int_t)result->skipped,
			   "messages", (json_int_t)result->messages,
			   "sent", (json_int_t)result->sent,
			   "redundancy", (json_int_t)putting->redundancy);
	if (!record)
		args_die(putting->args, "out of memory");
	sent_write(putting->args, id, record, putting->ids[0], putting->nr_ids);
	if (cli->json)
		print_json(cli, record);
	else
		puts(id);
	flush_output();
	json_decref(record);
}

/* Signs what providers are told; the data begins with the context, which is signed, too. */
static int sign(const void *data, size_t len, uint8_t signature[CS_SIGNATURE_LEN], void *arg)
{
	size_t head = strlen(data) + 1;

	return identity_sign(arg, data, (const char *)data + head, len - head, signature);
}

/* Who sends is told to providers, unless he has no key, or does not want it. */
static void find_sender(struct putting *putting, struct cs_put_sender *sender, bool served)
{
	const struct words *words = &putting->words;
	struct cs_card card;

	if (words->sender && !served)
		args_die(putting->args, "--sender is for a provider, and no card of one is in %s",
			 words->provider ? words->provider : words->to);
	if (!served || words->anonymous ||
	    !card_sender(putting->args, words->sender, &putting->identity, &card))
		return;
	sender->public = putting->identity.public;
	sender->sign = sign;
	sender->arg = &putting->identity;
}

static void fill_options(struct putting *putting, struct cs_put_options *options,
			 struct cs_put_hop *via, struct cs_put_sender *sender)
{
	const struct words *words = &putting->words;
	const struct args *args = putting->args;
	bool served = putting->to.served;
	size_t i;

	for (i = 0; i < words->nr_via; i++) {
		via[i] = hop_of(&putting->via[i]);
		served |= putting->via[i].served;
	}
	if ((words->account || words->max_price) && !served)
		args_die(args, "%s is for a provider, and no card of one is in %s",
			 words->account ? "--account" : "--max-price",
			 words->provider ? words->provider : words->to);
	if (words->max_price && value_decimal(words->max_price, 3, &sender->max_price))
		args_die(args, "--max-price '%s' is not a number of points, such as 1.5",
			 words->max_price);
	if (words->account && strlen(words->account) > CS_ACCOUNT_MAX)
		args_die(args, "--account has at most %d bytes", CS_ACCOUNT_MAX);
	sender->account = words->account;
	find_sender(putting, sender, served);
	if (words->lifetime && (value_time(words->lifetime, &options->lifetime) ||
				!options->lifetime))
		args_die(args, "--lifetime '%s' is not a time such as 90min, 12h or 3d",
			 words->lifetime);
	if (options->lifetime > CS_LIFETIME_MAX)
		args_die(args, "--lifetime '%s': at most %d days, or every recipient would "
			 "refuse it", words->lifetime, CS_LIFETIME_MAX / 86400);
	options->to = hop_of(&putting->to);
	options->via = via;
	options->nr_via = words->nr_via;
	options->sender = sender;
	options->redundancy = putting->redundancy;
}

static void show_holders(size_t holders, size_t wanted)
{
	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r\033[Kheld by %zu of %zu peers", holders, wanted);
	bar_shown = true;
}

/*
 * Until so many peers hold all of it. It has been put by then, and is on its way whether anybody
 * waits or not.
 */
static int wait_for_replicas(struct cli *cli, const struct putting *putting, size_t wanted,
			     uint64_t seconds)
{
	double until = seconds_now() + seconds;
	size_t holders;

	if (!wanted)
		return EXIT_YES;
	cli->absence = ABSENCE;
	for (;;) {
		holders = sent_holders(cli, putting->args, putting->ids[0], putting->nr_ids);
		if (holders >= wanted || seconds_now() >= until)
			break;
		show_holders(holders, wanted);
		sleep(1);
	}
	clear_bar();
	if (holders >= wanted)
		return EXIT_YES;
	fprintf(stderr,
		"%s: %s: it is on its way, but of %zu peers %zu signed for all of it\n",
		args_program, putting->args->where, wanted, holders);
	return EXIT_NO;
}

static uint64_t wait_of(const struct putting *putting, const struct cs_put_result *result,
			uint64_t now)
{
	const char *wait = putting->words.wait;
	uint64_t seconds = result->expiry - now;

	if (wait)
		value_time(wait, &seconds);
	return seconds;
}

static int put(struct cli *cli, struct args *args)
{
	struct cs_put_options options = { .message = take_message, .skipped = skipped };
	struct cs_put_sender sender = { .max_price = 0 };
	struct putting putting = { .args = args };
	struct cs_put_hop via[VIA_MAX];
	struct cs_put_result result;
	struct words *words = &putting.words;
	struct cs_error error = { "" };
	unsigned long redundancy;
	size_t i, replicas;
	int rc;

	take_words(args, words);
	replicas = number(args, "--replicas", words->replicas, words->wait ? REPLICAS_DEFAULT : 0,
			  1000);
	redundancy = number(args, "--redundancy", words->redundancy, CS_REDUNDANCY_DEFAULT,
			    CS_REDUNDANCY_MAX);
	read_cards(args, words->to, words->provider, &putting.to);
	for (i = 0; i < words->nr_via; i++)
		read_cards(args, words->via[i], NULL, &putting.via[i]);
	options.now = time(NULL);
	if (options.now < CLOCK_FLOOR)
		args_die(args, "the clock of this node is not set: all would have expired");
	/* nothing is asked of the daemon before all words are right */
	putting.redundancy = redundancy_for(redundancy, least_loss(cli, args));
	fill_options(&putting, &options, via, &sender);
	putting.outbox = (struct outbox){
		.cli = cli, .args = args,
		.hops = number(args, "--hops", words->hops, CS_HOPS_UNLIMITED, CS_HOPS_UNLIMITED),
		.rate = number(args, "--rate", words->rate, RATE_DEFAULT, 1000000) * 1e6 / 8,
	};
	putting.began = putting.shown = seconds_now();
	options.arg = &putting;
	if (isatty(STDERR_FILENO)) {
		options.progress = progress;
		putting.total = words->name ? 0 : bytes_of(words->what);
		atexit(clear_bar);
	}
	rc = words->name ? cs_put_fd(&options, STDIN_FILENO, words->name, &result, &error) :
			   cs_put_path(&options, words->what, &result, &error);
	if (rc)
		args_die(args, "%s", error.text);
	outbox_flush(&putting.outbox, true);
	clear_bar();
	remember(cli, &putting, &result, options.now);
	rc = wait_for_replicas(cli, &putting, replicas, wait_of(&putting, &result, options.now));
	free(putting.ids);
	EVP_PKEY_free(putting.identity.key);
	return rc;
}

int cli_put(struct cli *cli, struct args *args)
{
	static const struct object object = { "put", NULL, put, usage };

	return object_run(cli, args, &object);
}
