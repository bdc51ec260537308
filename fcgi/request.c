/*
 * FastCGI and CGI: see request.h. The only user of libfcgi.
 *
 * libfcgi reads and writes the protocol; accepting and waiting is done here,
 * because its own FCGX_Accept_r() waits without a limit in accept(2), for the
 * first bytes of a connection, and for the next request of one that the web
 * server keeps open, which would pin a thread to each of those. So all threads
 * wait on one epoll set that holds the listening socket and every connection
 * that is open but idle, and libfcgi is given a connection when it has
 * something to read. Connections have timeouts against a stalled web server.
 */
#include "request.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "base/ip.h"
#include "base/log.h"

#define LISTEN_FD 0
/* So long a thread waits at most before it looks whether it is to stop. */
#define WAIT_MS 1000
#define STREAM_TIMEOUT_S 30
#define ACCEPT_PAUSE_MS 50
/* What a buffer of this thread may keep between requests. */
#define KEEP_BYTES ((size_t)64 * 1024)
#define HEAD_BYTES ((size_t)16 * 1024)

/*
 * A connection of the web server to us. Owned by the thread that serves it, or
 * by the epoll set while it is idle, or by the list of spare ones.
 */
struct channel {
	FCGX_Request fcgi;
	bool reading;          /* a thread may be waiting for more of it; guarded by lock */
	bool fresh;            /* parked before its first request came; guarded by lock */
	struct channel *spare; /* next in the list; guarded by lock */
	struct channel *older; /* all there are, to be freed at the end; guarded by lock */
};

struct mr_connection {
	struct channel *channel; /* NULL: none at the moment */
	bool cgi;
	bool body_done;          /* the end of the body was seen */
	struct mr_arena arena;
	struct mr_buf head;
};

static int epoll_fd = -1;
static int stop_fd = -1; /* an eventfd in the set; readable from mr_request_stop() on */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct channel *spare_channels, *all_channels;
static size_t n_fresh; /* guarded by lock */
static bool cut;       /* guarded by lock */

/*
 * Everything in the set is one shot: one thread gets an event, and arms the
 * descriptor again when it is for another thread to wait on. 0, or -1 and errno.
 */
static int
watch(int operation, int fd, void *who)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.ptr = who };

	return epoll_ctl(epoll_fd, operation, fd, &event);
}

enum mr_err
mr_request_init(struct mr_error *err)
{
	int flags;

	if (FCGX_Init() != 0)
		return mr_fail(err, MR_EIO, "libfcgi: %s", strerror(errno));
	if (FCGX_IsCGI())
		return MR_OK;
	flags = fcntl(LISTEN_FD, F_GETFL);
	if (flags < 0 || fcntl(LISTEN_FD, F_SETFL, flags | O_NONBLOCK) != 0)
		return mr_fail(err, MR_EIO, "listening socket: %s", strerror(errno));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (epoll_fd < 0 || stop_fd < 0 ||
	    watch(EPOLL_CTL_ADD, stop_fd, &stop_fd) != 0 ||
	    watch(EPOLL_CTL_ADD, LISTEN_FD, NULL) != 0)
		return mr_fail(err, MR_EIO, "epoll: %s", strerror(errno));
	return MR_OK;
}

void
mr_request_end(void)
{
	struct channel *channel;

	while ((channel = all_channels) != NULL) {
		all_channels = channel->older;
		/* Close it without waiting for the web server to do so. */
		(void)FCGX_Detach(&channel->fcgi);
		FCGX_Free(&channel->fcgi, 1);
		free(channel);
	}
	spare_channels = NULL;
	if (epoll_fd >= 0)
		close(epoll_fd);
	if (stop_fd >= 0)
		close(stop_fd);
	epoll_fd = stop_fd = -1;
}

bool
mr_request_is_cgi(void)
{
	return FCGX_IsCGI() != 0;
}

static struct channel *
take_channel(void)
{
	struct channel *channel;

	pthread_mutex_lock(&lock);
	channel = spare_channels;
	if (channel != NULL) {
		spare_channels = channel->spare;
	} else if ((channel = calloc(1, sizeof *channel)) != NULL) {
		FCGX_InitRequest(&channel->fcgi, LISTEN_FD, FCGI_FAIL_ACCEPT_ON_INTR);
		channel->older = all_channels;
		all_channels = channel;
	}
	pthread_mutex_unlock(&lock);
	return channel;
}

/* From here on mr_request_cut() may end the reading, or at once when it was called before. */
static void
begin_reading(struct channel *channel)
{
	pthread_mutex_lock(&lock);
	n_fresh -= channel->fresh;
	channel->fresh = false;
	channel->reading = true;
	if (cut)
		(void)shutdown(channel->fcgi.ipcFd, SHUT_RD);
	pthread_mutex_unlock(&lock);
}

/* Behind it the descriptor may be closed and become another's. */
static void
end_reading(struct channel *channel)
{
	pthread_mutex_lock(&lock);
	channel->reading = false;
	pthread_mutex_unlock(&lock);
}

bool
mr_request_pending(void)
{
	bool pending;

	pthread_mutex_lock(&lock);
	pending = n_fresh > 0 && !cut;
	pthread_mutex_unlock(&lock);
	return pending;
}

void
mr_request_stop(void)
{
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, LISTEN_FD, NULL);
	(void)eventfd_write(stop_fd, 1);
}

void
mr_request_cut(void)
{
	pthread_mutex_lock(&lock);
	cut = true;
	for (struct channel *c = all_channels; c != NULL; c = c->older)
		if (c->reading)
			(void)shutdown(c->fcgi.ipcFd, SHUT_RD);
	pthread_mutex_unlock(&lock);
}

static void
give_back(struct channel *channel)
{
	pthread_mutex_lock(&lock);
	n_fresh -= channel->fresh;
	channel->reading = channel->fresh = false;
	channel->spare = spare_channels;
	spare_channels = channel;
	pthread_mutex_unlock(&lock);
}

struct mr_connection *
mr_connection_new(size_t max_bytes)
{
	struct mr_connection *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	mr_arena_init(&c->arena, max_bytes);
	mr_buf_init(&c->head, HEAD_BYTES);
	return c;
}

void
mr_connection_free(struct mr_connection *c)
{
	if (c == NULL)
		return;
	mr_arena_free(&c->arena);
	mr_buf_free(&c->head);
	free(c);
}

/* The CGI variables we use, and where they go. */
static const struct {
	const char *name;
	size_t offset;
} variables[] = {
#define AT(member) offsetof(struct mr_request, member)
	{ "REQUEST_METHOD", AT(method) },
	{ "QUERY_STRING", AT(query) },
	{ "CONTENT_LENGTH", AT(content_length) },
	{ "HTTP_CONTENT_ENCODING", AT(content_encoding) },
	{ "HTTP_ORIGIN", AT(origin) },
	{ "HTTP_REFERER", AT(referer) },
	{ "HTTP_USER_AGENT", AT(user_agent) },
	{ "HTTP_AUTHORIZATION", AT(authorization) },
	{ "HTTP_X_FORWARDED_FOR", AT(forwarded_for) },
	{ "REMOTE_ADDR", AT(remote_addr) },
#undef AT
};

static enum mr_err
join_path(struct mr_request *r, struct mr_str script, struct mr_str info)
{
	char *p;

	r->path = script.n > 0 ? script : info;
	if (script.n == 0 || info.n == 0)
		return MR_OK;
	p = mr_arena_alloc(r->arena, script.n + info.n);
	if (p == NULL)
		return MR_ENOMEM;
	memcpy(p, script.p, script.n);
	memcpy(p + script.n, info.p, info.n);
	r->path = (struct mr_str){ p, script.n + info.n };
	return MR_OK;
}

/* The header slices point into the environment, which lives as long as the request. */
static enum mr_err
read_environment(struct mr_connection *c, char **envp, struct mr_request *r)
{
	struct mr_str script = MR_STR_NULL, info = MR_STR_NULL;

	*r = (struct mr_request){ .arena = &c->arena, .connection = c };
	for (; *envp != NULL; envp++) {
		const char *value = strchr(*envp, '=');
		struct mr_str name;

		if (value == NULL)
			continue;
		name = (struct mr_str){ *envp, (size_t)(value++ - *envp) };
		if (mr_str_eq(name, MR_STR_LIT("SCRIPT_NAME")))
			script = mr_str(value);
		else if (mr_str_eq(name, MR_STR_LIT("PATH_INFO")))
			info = mr_str(value);
		for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
			if (!mr_str_eq(name, mr_str(variables[i].name)))
				continue;
			*(struct mr_str *)(void *)((char *)r + variables[i].offset) =
			    mr_str(value);
			break;
		}
	}
	return join_path(r, script, info);
}

static void
reset(struct mr_connection *c)
{
	mr_arena_reset(&c->arena);
	mr_buf_reset(&c->head, KEEP_BYTES);
	c->body_done = false;
}

static enum mr_err
failed_to_accept(int error)
{
	struct timespec pause = { .tv_nsec = ACCEPT_PAUSE_MS * 1000000L };

	/* Somebody else took it, or the client has gone again. */
	if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ECONNABORTED ||
	    error == EPROTO)
		return MR_EAGAIN;
	mr_log_error("cannot accept a connection: %s", strerror(error));
	nanosleep(&pause, NULL);
	return MR_EIO;
}

static void
set_timeout(int fd, int option)
{
	struct timeval tv = { .tv_sec = STREAM_TIMEOUT_S };

	/* Without it the thread merely waits longer. */
	(void)setsockopt(fd, SOL_SOCKET, option, &tv, sizeof tv);
}

/*
 * Over TCP, whether the peer may talk to us: FCGI_WEB_SERVER_ADDRS, when it is
 * set, lists the addresses (FastCGI specification, section 3.2).
 */
static bool
peer_allowed(const struct sockaddr_storage *peer, socklen_t len)
{
	const char *allowed = getenv("FCGI_WEB_SERVER_ADDRS");
	struct mr_ip_block block;
	struct mr_ip ip;
	char text[MR_IP_TEXT];
	size_t n;

	if (allowed == NULL || (peer->ss_family != AF_INET && peer->ss_family != AF_INET6))
		return true;
	if (getnameinfo((const struct sockaddr *)peer, len, text, sizeof text, NULL, 0,
	    NI_NUMERICHOST) != 0 || !mr_ip_parse(mr_str(text), &ip))
		return false;
	while (*(allowed += strspn(allowed, ", ")) != '\0') {
		n = strcspn(allowed, ", ");
		if (mr_ip_block_parse((struct mr_str){ allowed, n }, &block) &&
		    mr_ip_in(&ip, &block, 1))
			return true;
		allowed += n;
	}
	return false;
}

/* Puts an open connection into the epoll set until it has something to read. */
static void
park(struct channel *channel)
{
	int fd = channel->fcgi.ipcFd;

	/* A kept connection is known from its first time on. */
	if (watch(EPOLL_CTL_MOD, fd, channel) == 0 ||
	    (errno == ENOENT && watch(EPOLL_CTL_ADD, fd, channel) == 0))
		return;
	mr_log_error("epoll: %s", strerror(errno));
	FCGX_Free(&channel->fcgi, 1);
	give_back(channel);
}

/* Whether there is something to read now. */
static bool
readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) > 0;
}

/* Accepts the connection that waits at the listening socket. */
static enum mr_err
accept_channel(struct channel **accepted)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof peer;
	struct channel *channel;
	int fd, on = 1, error;

	fd = accept4(LISTEN_FD, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
	error = errno;
	(void)watch(EPOLL_CTL_MOD, LISTEN_FD, NULL);
	if (fd < 0)
		return failed_to_accept(error);
	if (!peer_allowed(&peer, len) || (channel = take_channel()) == NULL) {
		close(fd);
		return MR_EAGAIN;
	}
	if (peer.ss_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	set_timeout(fd, SO_RCVTIMEO);
	set_timeout(fd, SO_SNDTIMEO);
	channel->fcgi.ipcFd = fd;
	*accepted = channel;
	return MR_OK;
}

/* A connection with something to read. */
static enum mr_err
wait_channel(struct channel **ready)
{
	struct epoll_event event;
	enum mr_err e;

	if (epoll_wait(epoll_fd, &event, 1, WAIT_MS) <= 0)
		return MR_EAGAIN;
	if (event.data.ptr == &stop_fd) {
		/* Each thread that wakes passes it on to the next. */
		if (!mr_request_pending())
			(void)watch(EPOLL_CTL_MOD, stop_fd, &stop_fd);
		return MR_EAGAIN;
	}
	*ready = event.data.ptr;
	if (*ready != NULL)
		return MR_OK;
	if ((e = accept_channel(ready)) != MR_OK)
		return e;
	if (readable((*ready)->fcgi.ipcFd))
		return MR_OK;
	pthread_mutex_lock(&lock);
	(*ready)->fresh = true;
	n_fresh++;
	pthread_mutex_unlock(&lock);
	park(*ready);
	return MR_EAGAIN;
}

/* Whether the body, of which all that is wanted was read, ends here. */
static bool
at_end(struct mr_connection *c)
{
	char beyond;

	return FCGX_GetStr(&beyond, 1, c->channel->fcgi.in) == 0;
}

/* Ends the request; the connection is closed, or waits for its next one. */
static void
finish(struct mr_connection *c)
{
	struct channel *channel = c->channel;

	/*
	 * When the whole body was read, closing can reset nothing that is still
	 * under way: libfcgi need not wait for the web server to close first.
	 * When it was not, its rest would be taken for the next request.
	 */
	end_reading(channel);
	if (!c->body_done)
		channel->fcgi.keepConnection = 0;
	else if (!channel->fcgi.keepConnection)
		(void)FCGX_Detach(&channel->fcgi);
	FCGX_Finish_r(&channel->fcgi);
	c->channel = NULL;
	if (channel->fcgi.ipcFd >= 0)
		park(channel);
	else
		give_back(channel);
}

enum mr_err
mr_connection_accept(struct mr_connection *c, struct mr_request *request)
{
	struct channel *channel;
	enum mr_err e;

	reset(c);
	if ((e = wait_channel(&channel)) != MR_OK)
		return e;
	/* As if kept open from an earlier request: so libfcgi reads from it. */
	channel->fcgi.keepConnection = 1;
	begin_reading(channel);
	if (FCGX_Accept_r(&channel->fcgi) != 0) {
		give_back(channel);
		return MR_EAGAIN;
	}
	c->channel = channel;
	e = read_environment(c, channel->fcgi.envp, request);
	if (e != MR_OK)
		finish(c);
	else if (request->content_length.n == 0)
		c->body_done = at_end(c);
	return e;
}

enum mr_err
mr_connection_cgi(struct mr_connection *c, struct mr_request *request)
{
	reset(c);
	c->cgi = true;
	return read_environment(c, environ, request);
}

static size_t
read_some(struct mr_connection *c, char *to, size_t n)
{
	ssize_t got;

	if (!c->cgi)
		return (size_t)FCGX_GetStr(to, (int)n, c->channel->fcgi.in);
	do
		got = read(STDIN_FILENO, to, n);
	while (got < 0 && errno == EINTR);
	return got > 0 ? (size_t)got : 0;
}

enum mr_err
mr_request_body(struct mr_request *request, size_t n, struct mr_buf *body, struct mr_error *err)
{
	struct mr_connection *c = request->connection;
	size_t left = n, got;
	char *to = mr_buf_reserve(body, n);

	if (to == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for a body of %zu bytes", n);
	while (left > 0 && (got = read_some(c, to, left)) > 0) {
		to += got;
		left -= got;
	}
	body->len += n - left;
	if (left > 0)
		return mr_fail_at(err, MR_EINVAL, (int64_t)body->len,
		    "the body ends after %zu of %zu bytes", body->len, n);
	if (!c->cgi)
		c->body_done = at_end(c);
	return MR_OK;
}

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{ 200, "OK" }, { 202, "Accepted" }, { 204, "No Content" }, { 400, "Bad Request" },
	{ 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
	{ 405, "Method Not Allowed" }, { 411, "Length Required" }, { 413, "Content Too Large" },
	{ 415, "Unsupported Media Type" }, { 500, "Internal Server Error" },
	{ 503, "Service Unavailable" },
};

static const char *
reason_of(int status)
{
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

static void
build_head(struct mr_connection *c, const struct mr_response *response)
{
	mr_buf_printf(&c->head, "Status: %d %s\r\n", response->status,
	    reason_of(response->status));
	mr_buf_add_str(&c->head, mr_buf_str(&response->headers));
	if (response->content_type != NULL)
		mr_buf_printf(&c->head, "Content-Type: %s\r\nContent-Length: %zu\r\n",
		    response->content_type, response->body.len);
	mr_buf_add_cstr(&c->head, "\r\n");
}

static void
send_all(struct mr_connection *c, struct mr_str s)
{
	ssize_t n;

	if (!c->cgi) {
		(void)FCGX_PutStr(s.p, (int)s.n, c->channel->fcgi.out);
		return;
	}
	while (s.n > 0 && ((n = write(STDOUT_FILENO, s.p, s.n)) > 0 || errno == EINTR)) {
		if (n <= 0)
			continue;
		s.p += n;
		s.n -= (size_t)n;
	}
}

void
mr_connection_answer(struct mr_connection *c, const struct mr_response *response, bool head_only)
{
	build_head(c, response);
	send_all(c, mr_buf_str(&c->head));
	if (!head_only && response->content_type != NULL)
		send_all(c, mr_buf_str(&response->body));
	if (!c->cgi)
		finish(c);
}
