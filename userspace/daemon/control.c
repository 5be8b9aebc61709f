// SPDX-License-Identifier: GPL-2.0
/*
 * The control socket.
 *
 * All of it runs in the daemon's one event loop, so nothing is locked. A client is in one of three
 * states: it is waited for (a request has to be whole within CONTROL_IDLE), it is answered (nothing
 * is read meanwhile, so that one who asks and does not listen costs one answer's memory, and some
 * of the answer has to leave every CONTROL_IDLE seconds), or it is closing (a last word leaves).
 * Requests that came together are answered one by one, each in its turn of the loop.
 *
 * Who may connect at all the mode of the socket says; who may command more is told apart by
 * SO_PEERCRED, see unix(7). A lock beside the socket makes it belong to one daemon: two that start
 * at the same time over the socket of a dead one could otherwise each remove the other's.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "daemon/control.h"
#include "daemon/log.h"
#include "lib/utf8.h"

/* of CONTROL_CLIENTS_MAX those that only an admin gets: whoever may read can't lock root out */
#define RESERVED	8
#define COMMAND_MAX	64
#define BACKLOG		16

#define NUMBER_(number)	#number
#define NUMBER(number)	NUMBER_(number)

#define DENIED	"only root and the user of crowdshared may do this"

static const struct timeval pause_accepting = { .tv_sec = 1 };

/**
 * struct client - a connection
 * @next: in control.clients
 * @control: whose it is
 * @bev: the connection
 * @deadline: of the request that is waited for
 * @uid: who it is
 * @admin: may change things
 * @closing: nothing more is wanted
 */
struct client {
	struct client		*next;
	struct control		*control;
	struct bufferevent	*bev;
	struct event		*deadline;
	uid_t			uid;
	bool			admin;
	bool			closing;
};

/**
 * struct control - the socket
 * @base: event loop
 * @handler: answers requests
 * @data: for @handler
 * @idle: CONTROL_IDLE
 * @listener: where clients are accepted
 * @resume: timer that accepts again after the process ran out of descriptors
 * @clients: list
 * @nr_clients: its length
 * @lock: the lock file
 * @device: of the socket's file, to tell whether it is still ours
 * @inode: of the socket's file
 * @path: of the socket's file
 * @lock_path: of the lock file
 */
struct control {
	struct event_base	*base;
	control_handler		handler;
	void			*data;
	struct timeval		idle;
	struct evconnlistener	*listener;
	struct event		*resume;
	struct client		*clients;
	unsigned int		nr_clients;
	int			lock;
	dev_t			device;
	ino_t			inode;
	char			path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char			lock_path[sizeof(((struct sockaddr_un *)0)->sun_path) + 8];
};

/* Texts come from the kernel and from paths, too, and those are any bytes; JSON is UTF-8. */
static json_t *text_json(const char *text)
{
	char clean[sizeof(struct cs_error)];

	return json_string(cs_utf8_clean(clean, sizeof(clean), text));
}

/* Takes over @answer; NULL when there is no memory for it, or it is not JSON. */
static char *answer_line(json_t *answer)
{
	char *line = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	size_t len;
	char *more;

	json_decref(answer);
	if (!line)
		return NULL;
	len = strlen(line);
	more = realloc(line, len + 2);
	if (!more) {
		free(line);
		return NULL;
	}
	memcpy(more + len, "\n", 2);
	return more;
}

static char *refusal(const char *reason, const char *text)
{
	json_t *error = text_json(text);

	return answer_line(json_pack("{s:b, s:o, s:s}", "ok", 0, "error", error, "reason", reason));
}

/**
 * control_denied() - refuse a command that is for admins
 * @error: gets the reason
 *
 * Return: NULL, so that a handler can end with "return control_denied(error)".
 */
json_t *control_denied(struct cs_error *error)
{
	cs_error_set(error, -EPERM, DENIED);
	return NULL;
}

static json_t *parse(const char *line, size_t len, struct cs_error *error)
{
	json_error_t where;
	json_t *request;
	const char *command;

	/* the parser bounds the depth, and refuses NUL bytes and what is not UTF-8 */
	request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &where);
	if (!request) {
		cs_error_set(error, -EINVAL, "the request is not JSON: column %d: %s", where.column,
			     where.text);
		return NULL;
	}
	command = json_string_value(json_object_get(request, "command"));
	if (!command)
		cs_error_set(error, -EINVAL, "the request is not an object with a \"command\"");
	else if (strlen(command) > COMMAND_MAX)
		cs_error_set(error, -EINVAL, "the command is longer than %d bytes", COMMAND_MAX);
	else
		return request;
	json_decref(request);
	return NULL;
}

/**
 * control_answer() - answer a request
 * @handler: what answers it if it is one
 * @data: for @handler
 * @admin: the request comes from an admin
 * @line: the request, without its line end
 * @len: bytes of @line
 *
 * Return: the answer as a line, to be freed, or NULL: out of memory.
 */
char *control_answer(control_handler handler, void *data, bool admin, const char *line, size_t len)
{
	struct cs_error error = { "" };
	const char *reason = CONTROL_REASON_REFUSED;
	json_t *request, *result;
	char *answer;

	request = parse(line, len, &error);
	if (!request)
		return refusal(CONTROL_REASON_REQUEST, error.text);
	result = handler(data, request, admin, &error);
	json_decref(request);
	if (!result) {
		if (!strcmp(error.text, DENIED))
			reason = CONTROL_REASON_PERMISSION;
		return refusal(reason, error.text[0] ? error.text : "refused without a reason");
	}
	answer = answer_line(json_pack("{s:b, s:o}", "ok", 1, "result", result));
	return answer ? answer : refusal(CONTROL_REASON_INTERNAL, "out of memory for the answer");
}

static void client_free(struct client *client)
{
	struct client **p;

	for (p = &client->control->clients; *p; p = &(*p)->next) {
		if (*p == client) {
			*p = client->next;
			client->control->nr_clients--;
			break;
		}
	}
	if (client->deadline)
		event_free(client->deadline);
	if (client->bev)
		bufferevent_free(client->bev);
	free(client);
}

static void free_line(const void *data, size_t len, void *extra)
{
	(void)data;
	(void)len;
	free(extra);
}

/* Takes over @line. */
static int client_say(struct client *client, char *line)
{
	struct evbuffer *output = bufferevent_get_output(client->bev);

	if (!line)
		return -ENOMEM;
	if (evbuffer_add_reference(output, line, strlen(line), free_line, line)) {
		free(line);
		return -ENOMEM;
	}
	return 0;
}

/* The last word: then the connection ends. */
static int client_bye(struct client *client, const char *reason, const char *text)
{
	client->closing = true;
	bufferevent_disable(client->bev, EV_READ);
	event_del(client->deadline);
	return client_say(client, refusal(reason, text));
}

/* The next request, if one is whole. May free the client. */
static void client_work(struct client *client)
{
	struct evbuffer *input = bufferevent_get_input(client->bev);
	struct control *control = client->control;
	int rc = 0;
	size_t len;
	char *line;

	if (evbuffer_get_length(bufferevent_get_output(client->bev)))
		return;
	if (client->closing) {
		client_free(client);
		return;
	}
	line = evbuffer_readln(input, &len, EVBUFFER_EOL_LF);
	if (line && len <= CONTROL_REQUEST_MAX) {
		bufferevent_disable(client->bev, EV_READ);
		event_del(client->deadline);
		log_debug("control: user %u asks: %.200s", (unsigned int)client->uid, line);
		rc = client_say(client, control_answer(control->handler, control->data,
						       client->admin, line, len));
	} else if (line || evbuffer_get_length(input) > CONTROL_REQUEST_MAX) {
		rc = client_bye(client, CONTROL_REASON_REQUEST,
				"the request is longer than " NUMBER(CONTROL_REQUEST_MAX) " bytes");
	} else {
		/* only when nothing is waited for yet: who sends a byte now and then ends, too */
		if (!event_pending(client->deadline, EV_TIMEOUT, NULL))
			rc = event_add(client->deadline, &client->control->idle);
		bufferevent_enable(client->bev, EV_READ);
	}
	free(line);
	if (rc)
		client_free(client);
}

static void client_readable(struct bufferevent *bev, void *data)
{
	(void)bev;
	client_work(data);
}

/* The answer has left. */
static void client_written(struct bufferevent *bev, void *data)
{
	(void)bev;
	client_work(data);
}

static void client_event(struct bufferevent *bev, short what, void *data)
{
	(void)bev;
	(void)what;
	/* nothing is read while an answer leaves: whoever has said all has heard all by now */
	client_free(data);
}

static void client_late(evutil_socket_t fd, short what, void *data)
{
	struct client *client = data;

	(void)fd;
	(void)what;
	if (client_bye(client, CONTROL_REASON_REQUEST, "no request came in time"))
		client_free(client);
}

/* Who can't be served is told so if that is possible at once. */
static void turn_away(int fd, const char *text)
{
	char *line = refusal(CONTROL_REASON_BUSY, text);
	ssize_t rc;

	if (line) {
		rc = send(fd, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (rc < 0)
			log_debug("control: turned a client away: %s", strerror(errno));
	}
	free(line);
	close(fd);
}

/* Takes over @fd. */
static int client_new(struct control *control, int fd, const struct ucred *who, bool admin)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client) {
		close(fd);
		return -ENOMEM;
	}
	client->control = control;
	client->uid = who->uid;
	client->admin = admin;
	client->next = control->clients;
	control->clients = client;
	control->nr_clients++;
	client->bev = bufferevent_socket_new(control->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!client->bev)
		close(fd);
	client->deadline = event_new(control->base, -1, 0, client_late, client);
	if (!client->bev || !client->deadline || event_add(client->deadline, &control->idle))
		goto fail;
	bufferevent_setcb(client->bev, client_readable, client_written, client_event, client);
	/* one byte more than fits, to see that it doesn't */
	bufferevent_setwatermark(client->bev, EV_READ, 0, CONTROL_REQUEST_MAX + 1);
	if (bufferevent_set_timeouts(client->bev, NULL, &control->idle) ||
	    bufferevent_enable(client->bev, EV_READ | EV_WRITE))
		goto fail;
	return 0;
fail:
	client_free(client);
	return -ENOMEM;
}

static void accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		     int len, void *data)
{
	struct control *control = data;
	struct ucred who;
	socklen_t size = sizeof(who);
	unsigned int max;
	bool admin;

	(void)listener;
	(void)address;
	(void)len;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size)) {
		log_error("control socket: who asks? %s", strerror(errno));
		close(fd);
		return;
	}
	admin = who.uid == 0 || who.uid == geteuid();
	max = admin ? CONTROL_CLIENTS_MAX : CONTROL_CLIENTS_MAX - RESERVED;
	if (control->nr_clients >= max)
		turn_away(fd, "too many connections to crowdshared: try again");
	else if (client_new(control, fd, &who, admin))
		log_error("control socket: out of memory for a client");
}

static void accept_failed(struct evconnlistener *listener, void *data)
{
	struct control *control = data;

	/* out of descriptors, most likely: the loop would spin until there are some again */
	log_error("control socket: %s: waiting a second", strerror(errno));
	evconnlistener_disable(listener);
	event_add(control->resume, &pause_accepting);
}

static void resume_accepting(evutil_socket_t fd, short what, void *data)
{
	struct control *control = data;

	(void)fd;
	(void)what;
	evconnlistener_enable(control->listener);
}

static int make_directory(const char *path, struct cs_error *error)
{
	char copy[sizeof(((struct control *)0)->path)];
	struct stat st;
	char *dir;

	snprintf(copy, sizeof(copy), "%s", path);
	dir = dirname(copy);
	if (!mkdir(dir, 0755)) {
		/* whatever the umask */
		if (chmod(dir, 0755))
			return cs_error_set(error, -errno, "%s: %s", dir, strerror(errno));
		return 0;
	}
	if (errno != EEXIST)
		return cs_error_set(error, -errno, "%s, directory of the control socket: %s", dir,
				    strerror(errno));
	if (stat(dir, &st))
		return cs_error_set(error, -errno, "%s: %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return cs_error_set(error, -ENOTDIR, "%s: not a directory", dir);
	return 0;
}

static int refuse_second(const struct control *control, struct cs_error *error)
{
	return cs_error_set(error, -EADDRINUSE,
			    "another crowdshared is running: it answers at %s", control->path);
}

/* The lock is the file that has the name; its last owner may just be removing what was opened. */
static int take_lock(struct control *control, struct cs_error *error)
{
	struct stat held, named;
	int fd, rc;

	for (;;) {
		fd = open(control->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return cs_error_set(error, -errno, "%s: %s", control->lock_path,
					    strerror(errno));
		if (flock(fd, LOCK_EX | LOCK_NB)) {
			rc = errno == EWOULDBLOCK ? refuse_second(control, error) :
			     cs_error_set(error, -errno, "%s: %s", control->lock_path,
					  strerror(errno));
			close(fd);
			return rc;
		}
		if (!fstat(fd, &held) && !lstat(control->lock_path, &named) &&
		    held.st_ino == named.st_ino && held.st_dev == named.st_dev)
			break;
		close(fd);
	}
	control->lock = fd;
	return 0;
}

/* The lock tells most of it, but not where someone removed it, or does without. */
static int remove_stale(const struct control *control, const struct sockaddr_un *address,
			struct cs_error *error)
{
	struct stat st;
	int fd, rc;

	if (lstat(control->path, &st))
		return errno == ENOENT ? 0 : cs_error_set(error, -errno, "%s: %s", control->path,
							   strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return cs_error_set(error, -EEXIST,
				    "%s: there is a file that is not a socket; remove it, or give "
				    "the control socket another path", control->path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return cs_error_set(error, -errno, "control socket: %s", strerror(errno));
	rc = connect(fd, (const struct sockaddr *)address, sizeof(*address)) ? errno : 0;
	close(fd);
	if (!rc || rc == EAGAIN)
		return refuse_second(control, error);
	if (rc != ECONNREFUSED)
		return cs_error_set(error, -rc, "%s: %s", control->path, strerror(rc));
	if (unlink(control->path) && errno != ENOENT)
		return cs_error_set(error, -errno, "%s: %s", control->path, strerror(errno));
	return 0;
}

static int bind_socket(struct control *control, struct cs_error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat st;
	mode_t mask;
	int fd, rc;

	memcpy(address.sun_path, control->path, sizeof(address.sun_path));
	rc = remove_stale(control, &address, error);
	if (rc)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return cs_error_set(error, -errno, "control socket: %s", strerror(errno));
	/* it has its mode from the first moment on: no one gets in before */
	mask = umask(0117);
	rc = bind(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	umask(mask);
	if (rc || lstat(control->path, &st)) {
		rc = rc ? rc : -errno;
		close(fd);
		return cs_error_set(error, rc, "%s: %s", control->path, strerror(-rc));
	}
	control->device = st.st_dev;
	control->inode = st.st_ino;
	control->listener = evconnlistener_new(control->base, accepted, control,
					       LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
					       BACKLOG, fd);
	if (!control->listener) {
		close(fd);
		return cs_error_set(error, -ENOMEM, "%s: cannot listen", control->path);
	}
	evconnlistener_set_error_cb(control->listener, accept_failed);
	return 0;
}

/**
 * control_open() - open the control socket
 * @control: set to it
 * @base: event loop in which requests are answered
 * @path: of the socket; its directory is made if it is missing
 * @handler: answers requests
 * @data: for @handler
 * @error: gets the reason of a failure
 *
 * Has SIGPIPE ignored: a client may go before its answer.
 *
 * Return: 0, -EADDRINUSE when another daemon has it, or another negative errno.
 */
int control_open(struct control **control, struct event_base *base, const char *path,
		 control_handler handler, void *data, struct cs_error *error)
{
	struct control *new;
	int rc;

	*control = NULL;
	if (!*path || strlen(path) >= sizeof(new->path))
		return cs_error_set(error, -ENAMETOOLONG,
				    "%s: the path of the control socket must have 1 to %zu bytes",
				    path, sizeof(new->path) - 1);
	new = calloc(1, sizeof(*new));
	if (!new)
		return cs_error_set(error, -ENOMEM, "control socket: out of memory");
	new->base = base;
	new->handler = handler;
	new->data = data;
	new->idle.tv_sec = CONTROL_IDLE;
	new->lock = -1;
	snprintf(new->path, sizeof(new->path), "%s", path);
	snprintf(new->lock_path, sizeof(new->lock_path), "%s.lock", path);
	signal(SIGPIPE, SIG_IGN);
	new->resume = event_new(base, -1, 0, resume_accepting, new);
	rc = new->resume ? 0 : cs_error_set(error, -ENOMEM, "control socket: out of memory");
	rc = rc ? rc : make_directory(path, error);
	rc = rc ? rc : take_lock(new, error);
	rc = rc ? rc : bind_socket(new, error);
	if (rc)
		control_close(new);
	else
		*control = new;
	return rc;
}

/**
 * control_set_idle() - be less patient than CONTROL_IDLE
 * @control: the control socket
 * @idle: for clients that connect from now on
 */
void control_set_idle(struct control *control, const struct timeval *idle)
{
	control->idle = *idle;
}

/**
 * control_close() - close the control socket, and remove its file
 * @control: it; may be NULL
 */
void control_close(struct control *control)
{
	struct stat st;

	if (!control)
		return;
	while (control->clients)
		client_free(control->clients);
	if (control->listener)
		evconnlistener_free(control->listener);
	/* not the socket of another, if someone let it take the path */
	if (control->inode && !lstat(control->path, &st) && st.st_ino == control->inode &&
	    st.st_dev == control->device)
		unlink(control->path);
	if (control->lock >= 0) {
		unlink(control->lock_path);
		close(control->lock);
	}
	if (control->resume)
		event_free(control->resume);
	free(control);
}
