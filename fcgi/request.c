/*
 * FastCGI and CGI: see request.h. The only user of libfcgi.
 *
 * libfcgi has no timeout of its own. The listening socket gets one (SO_RCVTIMEO),
 * so that a thread that waits in accept(2) comes back every second and sees
 * that it is to stop: no signal has to interrupt it, and so none can hit it
 * between accepting a connection and reading the request. Connections get
 * timeouts as well, against a web server that stalls.
 */
#include "request.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "base/log.h"

#define LISTEN_FD 0
#define ACCEPT_TIMEOUT_S 1
#define STREAM_TIMEOUT_S 30
#define ACCEPT_PAUSE_MS 50
/* What a buffer of this thread may keep between requests. */
#define KEEP_BYTES ((size_t)64 * 1024)
#define HEAD_BYTES ((size_t)16 * 1024)

struct mr_connection {
	FCGX_Request fcgi;
	bool cgi;
	bool body_done; /* the end of the body was seen */
	struct mr_arena arena;
	struct mr_buf head;
};

static void
set_timeout(int fd, int option, time_t seconds)
{
	struct timeval tv = { .tv_sec = seconds };

	/* Without it the thread merely waits longer. */
	(void)setsockopt(fd, SOL_SOCKET, option, &tv, sizeof tv);
}

enum mr_err
mr_request_init(struct mr_error *err)
{
	if (FCGX_Init() != 0)
		return mr_fail(err, MR_EIO, "libfcgi: %s", strerror(errno));
	if (!FCGX_IsCGI())
		set_timeout(LISTEN_FD, SO_RCVTIMEO, ACCEPT_TIMEOUT_S);
	return MR_OK;
}

bool
mr_request_is_cgi(void)
{
	return FCGX_IsCGI() != 0;
}

struct mr_connection *
mr_connection_new(size_t max_bytes)
{
	struct mr_connection *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	FCGX_InitRequest(&c->fcgi, LISTEN_FD, FCGI_FAIL_ACCEPT_ON_INTR);
	mr_arena_init(&c->arena, max_bytes);
	mr_buf_init(&c->head, HEAD_BYTES);
	return c;
}

void
mr_connection_free(struct mr_connection *c)
{
	if (c == NULL)
		return;
	if (!c->cgi)
		FCGX_Finish_r(&c->fcgi);
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

static void
pause_after_failure(int error)
{
	struct timespec t = { .tv_nsec = ACCEPT_PAUSE_MS * 1000000L };

	mr_log_error("cannot accept a request: %s", strerror(error));
	nanosleep(&t, NULL);
}

/* On a connection that the web server keeps open: whether its next request is there. */
static bool
next_request_waits(const struct mr_connection *c)
{
	struct pollfd pfd = { .fd = c->fcgi.ipcFd, .events = POLLIN };

	return c->fcgi.ipcFd < 0 || poll(&pfd, 1, ACCEPT_TIMEOUT_S * 1000) > 0;
}

/* Whether the body, of which all that is wanted was read, ends here. */
static bool
at_end(struct mr_connection *c)
{
	char beyond;

	return FCGX_GetStr(&beyond, 1, c->fcgi.in) == 0;
}

enum mr_err
mr_connection_accept(struct mr_connection *c, struct mr_request *request)
{
	enum mr_err err;
	int e;

	reset(c);
	if (!next_request_waits(c))
		return MR_EAGAIN;
	e = FCGX_Accept_r(&c->fcgi);
	if (e == -EAGAIN || e == -EWOULDBLOCK || e == -EINTR)
		return MR_EAGAIN;
	if (e != 0) {
		pause_after_failure(-e);
		return MR_EIO;
	}
	set_timeout(c->fcgi.ipcFd, SO_RCVTIMEO, STREAM_TIMEOUT_S);
	set_timeout(c->fcgi.ipcFd, SO_SNDTIMEO, STREAM_TIMEOUT_S);
	err = read_environment(c, c->fcgi.envp, request);
	if (err == MR_OK && request->content_length.n == 0)
		c->body_done = at_end(c);
	return err;
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
		return (size_t)FCGX_GetStr(to, (int)n, c->fcgi.in);
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
		(void)FCGX_PutStr(s.p, (int)s.n, c->fcgi.out);
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
	if (c->cgi)
		return;
	/*
	 * When the whole body was read, closing can reset nothing that is still
	 * under way: libfcgi need not wait for the web server to close first.
	 */
	if (c->body_done)
		(void)FCGX_Detach(&c->fcgi);
	FCGX_Finish_r(&c->fcgi);
}
