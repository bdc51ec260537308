/*
 * FastCGI and CGI: see request.h. The only user of libfcgi, which reads and
 * writes the protocol. Its own FCGX_Accept_r() would wait without a limit; so it
 * is given a connection only when that has something to read (channel.h).
 */
#include "request.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fastcgi.h>
#include <fcgiapp.h>

#include "base/log.h"
#include "channel.h"
#include "response.h"

/* What a buffer may keep between requests. */
#define KEEP_BYTES ((size_t)16 * 1024)
#define HEAD_BYTES ((size_t)16 * 1024)
#define HEADERS_BYTES ((size_t)8 * 1024)
/*
 * For libfcgi, which would accept another connection when the one that it was
 * given turns out to be closed, and never say so.
 */
#define NO_SOCKET (-1)
/* What is read of a body that nobody wants, so that its connection can be kept. */
#define DRAIN_BYTES ((size_t)8 * 1024 * 1024)
/* Requests up to this size need no second thread while they are read. */
#define PEEK_BYTES ((size_t)16 * 1024)
/* Answers are small, but for lists of recent events. */
#define BODY_BYTES ((size_t)64 * 1024 * 1024)

struct mr_exchange {
	struct mr_request request;
	struct mr_response response;
	struct mr_arena arena;
	struct mr_buf head;
	FCGX_Request fcgi;
	struct mr_channel *channel; /* NULL: plain CGI */
	bool body_done;             /* the end of the request's body was seen */
	size_t announced;           /* plain CGI: bytes of the body that may still be read */
	struct mr_exchange *next;   /* in the list of spare ones */
};

static size_t arena_max;
static char client_ip_variable[80];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mr_exchange *spare; /* guarded by lock */

/* The variable of a header, RFC 3875 section 4.1.18. */
static void
set_client_ip_variable(const char *header)
{
	size_t n = sizeof "HTTP_" - 1;

	memcpy(client_ip_variable, "HTTP_", n);
	for (; *header != '\0' && n < sizeof client_ip_variable - 1; header++)
		client_ip_variable[n++] = (char)(*header == '-' ? '_' : toupper((unsigned char)*header));
	client_ip_variable[n] = '\0';
}

enum mr_err
mr_request_init(size_t arena_bytes, const char *client_ip_header, const char *web_servers,
    int64_t timeout_s, struct mr_error *err)
{
	arena_max = arena_bytes;
	set_client_ip_variable(client_ip_header);
	if (FCGX_Init() != 0)
		return mr_fail(err, MR_EIO, "libfcgi: %s", strerror(errno));
	return FCGX_IsCGI() ? MR_OK : mr_channel_init(web_servers, timeout_s, err);
}

bool
mr_request_is_cgi(void)
{
	return FCGX_IsCGI() != 0;
}

static struct mr_exchange *
new_exchange(void)
{
	struct mr_exchange *x = calloc(1, sizeof *x);

	if (x == NULL)
		return NULL;
	FCGX_InitRequest(&x->fcgi, NO_SOCKET, FCGI_FAIL_ACCEPT_ON_INTR);
	mr_arena_init(&x->arena, arena_max);
	mr_buf_init(&x->head, HEAD_BYTES);
	mr_buf_init(&x->response.headers, HEADERS_BYTES);
	mr_buf_init(&x->response.body, BODY_BYTES);
	return x;
}

static struct mr_exchange *
take_exchange(void)
{
	struct mr_exchange *x;

	pthread_mutex_lock(&lock);
	x = spare;
	if (x != NULL)
		spare = x->next;
	pthread_mutex_unlock(&lock);
	return x != NULL ? x : new_exchange();
}

static void
give_back(struct mr_exchange *x)
{
	mr_arena_reset(&x->arena);
	mr_buf_reset(&x->head, KEEP_BYTES);
	x->channel = NULL;
	x->body_done = false;
	pthread_mutex_lock(&lock);
	x->next = spare;
	spare = x;
	pthread_mutex_unlock(&lock);
}

void
mr_request_end(void)
{
	struct mr_exchange *x;

	mr_channel_end();
	while ((x = spare) != NULL) {
		spare = x->next;
		mr_arena_free(&x->arena);
		mr_buf_free(&x->head);
		mr_buf_free(&x->response.headers);
		mr_buf_free(&x->response.body);
		free(x);
	}
}

/* The CGI variables we use, and where they go. */
static const struct {
	struct mr_str name;
	size_t offset;
} variables[] = {
#define VARIABLE(name, member) { { name, sizeof name - 1 }, offsetof(struct mr_request, member) }
	VARIABLE("REQUEST_METHOD", method),
	VARIABLE("QUERY_STRING", query),
	VARIABLE("CONTENT_LENGTH", content_length),
	VARIABLE("HTTP_TRANSFER_ENCODING", transfer_encoding),
	VARIABLE("CONTENT_TYPE", content_type),
	VARIABLE("HTTP_CONTENT_ENCODING", content_encoding),
	VARIABLE("HTTP_HOST", host),
	VARIABLE("HTTP_ORIGIN", origin),
	VARIABLE("HTTP_REFERER", referer),
	VARIABLE("HTTP_USER_AGENT", user_agent),
	VARIABLE("HTTP_AUTHORIZATION", authorization),
	VARIABLE("HTTP_X_FORWARDED_FOR", forwarded_for),
	VARIABLE("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", cors_headers),
	VARIABLE("HTTP_SEC_FETCH_SITE", fetch_site),
	VARIABLE("REMOTE_ADDR", remote_addr),
#undef VARIABLE
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
read_environment(struct mr_exchange *x, char **envp)
{
	struct mr_str script = MR_STR_NULL, info = MR_STR_NULL, wanted = mr_str(client_ip_variable);
	struct mr_request *r = &x->request;

	*r = (struct mr_request){ .arena = &x->arena, .exchange = x };
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
		if (mr_str_eq(name, wanted))
			r->client_ip = mr_str(value);
		for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
			if (!mr_str_eq(name, variables[i].name))
				continue;
			*(struct mr_str *)(void *)((char *)r + variables[i].offset) =
			    mr_str(value);
			break;
		}
	}
	return join_path(r, script, info);
}

/* Whether the body ends here; what follows else is still there to be read. */
static bool
at_end(struct mr_exchange *x)
{
	int beyond = FCGX_GetChar(x->fcgi.in);

	if (beyond >= 0)
		(void)FCGX_UnGetChar(beyond, x->fcgi.in);
	return beyond < 0;
}

/* The request need not be read any further when it ends here; its time to arrive is over. */
static void
look_for_end(struct mr_exchange *x)
{
	x->body_done = at_end(x);
	if (x->body_done)
		mr_channel_end_reading(x->channel);
}

/* Ends the use of the channel; its connection waits for its next request, or is closed. */
static void
leave_channel(struct mr_exchange *x)
{
	if (x->fcgi.ipcFd >= 0 && !mr_channel_park(x->channel))
		FCGX_Free(&x->fcgi, 1);
	if (x->fcgi.ipcFd < 0)
		mr_channel_release(x->channel);
	x->fcgi.ipcFd = -1;
	give_back(x);
}

static size_t
read_some(struct mr_exchange *x, char *to, size_t n)
{
	ssize_t got;

	if (x->channel != NULL)
		return (size_t)FCGX_GetStr(to, (int)n, x->fcgi.in);
	n = n < x->announced ? n : x->announced;
	do
		got = n > 0 ? read(STDIN_FILENO, to, n) : 0;
	while (got < 0 && errno == EINTR);
	x->announced = got > 0 ? x->announced - (size_t)got : 0;
	return got > 0 ? (size_t)got : 0;
}

/*
 * Reads what is left of the body. Else its rest would be taken for the next
 * request; and a connection that we close, while the web server sends the next
 * request on it, costs that request; and Apache sends no answer of a CGI program
 * that has left a part of the body. Before the answer goes out: nginx sends no
 * more of a body once the answer has begun, and waits for its end.
 */
static void
drain(struct mr_exchange *x)
{
	char waste[4096];
	size_t left = DRAIN_BYTES, n = 1;

	while (left > 0 && (n = read_some(x, waste, sizeof waste)) > 0)
		left -= n < left ? n : left;
	if (x->channel != NULL)
		x->body_done = n == 0 && FCGX_GetError(x->fcgi.in) == 0;
}

/* Ends the request. */
static void
finish(struct mr_exchange *x)
{
	if (!x->body_done) {
		mr_channel_step_aside();
		drain(x);
		mr_channel_end_reading(x->channel);
	}
	/*
	 * When the whole body was read, closing can reset nothing that is still
	 * under way: libfcgi need not wait for the web server to close first.
	 */
	if (!x->body_done)
		x->fcgi.keepConnection = 0;
	else if (!x->fcgi.keepConnection)
		(void)FCGX_Detach(&x->fcgi);
	FCGX_Finish_r(&x->fcgi);
	leave_channel(x);
}

/*
 * Whether all of a request has arrived, so that reading it cannot sleep: its last
 * record is an empty FCGI_STDIN (FastCGI specification, sections 3.3 and 5.3).
 */
static bool
all_there(int fd)
{
	unsigned char bytes[PEEK_BYTES];
	ssize_t n = recv(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
	size_t at = 0, content, padding;

	while ((ssize_t)at + FCGI_HEADER_LEN <= n) {
		const FCGI_Header *h = (const FCGI_Header *)(const void *)(bytes + at);

		content = (size_t)h->contentLengthB1 << 8 | h->contentLengthB0;
		padding = h->paddingLength;
		at += FCGI_HEADER_LEN + content + padding;
		if (h->type == FCGI_STDIN && content == 0)
			return (ssize_t)at <= n;
	}
	return false;
}

enum mr_err
mr_exchange_accept(struct mr_exchange **accepted)
{
	struct mr_channel *channel;
	struct mr_exchange *x;
	enum mr_err e = mr_channel_wait(&channel);

	if (e != MR_OK)
		return e;
	x = take_exchange();
	if (x == NULL) {
		mr_log_error("no memory for a request");
		close(mr_channel_fd(channel));
		mr_channel_release(channel);
		return MR_ENOMEM;
	}
	x->channel = channel;
	x->fcgi.ipcFd = mr_channel_fd(channel);
	/* As if kept open from an earlier request: so libfcgi reads from it. */
	x->fcgi.keepConnection = 1;
	mr_channel_begin_reading(channel);
	if (!all_there(x->fcgi.ipcFd))
		mr_channel_step_aside();
	/* libfcgi takes parameters that end too early for all of them. */
	if (FCGX_Accept_r(&x->fcgi) != 0 || FCGX_GetError(x->fcgi.in) != 0) {
		mr_channel_end_reading(channel);
		FCGX_Free(&x->fcgi, 1);
		leave_channel(x);
		return MR_EAGAIN;
	}
	e = read_environment(x, x->fcgi.envp);
	if (e != MR_OK) {
		finish(x);
		return e;
	}
	if (x->request.content_length.n == 0)
		look_for_end(x);
	*accepted = x;
	return MR_OK;
}

/* Beyond its length a CGI program must not read (RFC 3875, section 4.2), as that may never end. */
static enum mr_err
read_cgi(struct mr_exchange *x)
{
	enum mr_err e = read_environment(x, environ);
	struct mr_str length = x->request.content_length;

	if (mr_request_is_open_ended(&x->request))
		x->announced = SIZE_MAX;
	else if (length.n > 0 && length.p[0] >= '0' && length.p[0] <= '9')
		x->announced = (size_t)strtoull(length.p, NULL, 10);
	return e;
}

enum mr_err
mr_exchange_cgi(struct mr_exchange **accepted)
{
	struct mr_exchange *x = take_exchange();

	if (x == NULL)
		return MR_ENOMEM;
	*accepted = x;
	return read_cgi(x);
}

struct mr_request *
mr_exchange_request(struct mr_exchange *x)
{
	return &x->request;
}

struct mr_response *
mr_exchange_response(struct mr_exchange *x)
{
	return &x->response;
}

bool
mr_request_is_open_ended(const struct mr_request *request)
{
	if (request->content_length.n > 0)
		return false;
	return request->exchange->channel != NULL ? !request->exchange->body_done :
	    request->transfer_encoding.n > 0;
}

/* Of a body whose end did not come. */
static enum mr_err
fail_cut(const struct mr_exchange *x, size_t got, struct mr_error *err)
{
	if (mr_channel_is_late(x->channel))
		return mr_fail(err, MR_EAGAIN, "the request did not arrive in time: %zu bytes of its "
		    "body did", got);
	return mr_fail_at(err, MR_EINVAL, (int64_t)got, "the body is cut off after %zu bytes", got);
}

/* Of a body that ends too early. */
static enum mr_err
fail_short(const struct mr_exchange *x, size_t got, size_t n, struct mr_error *err)
{
	if (x->channel != NULL && mr_channel_is_late(x->channel))
		return mr_fail(err, MR_EAGAIN, "the request did not arrive in time: %zu of %zu bytes of "
		    "its body did", got, n);
	return mr_fail_at(err, MR_EINVAL, (int64_t)got, "the body ends after %zu of %zu bytes", got, n);
}

/* Up to n bytes of the body; fewer when it ends. */
static size_t
read_up_to(struct mr_exchange *x, char *to, size_t n)
{
	size_t left = n, got;

	while (left > 0 && (got = read_some(x, to, left)) > 0) {
		to += got;
		left -= got;
	}
	return n - left;
}

/* Of a body that its end tells: it is there, and was announced. */
static enum mr_err
check_end(struct mr_exchange *x, size_t got, size_t n, struct mr_error *err)
{
	char beyond;

	if (got == n && read_some(x, &beyond, 1) > 0)
		return mr_fail(err, MR_ELIMIT, "the body has more than %zu bytes", n);
	if (x->channel == NULL)
		return MR_OK;
	look_for_end(x);
	return FCGX_GetError(x->fcgi.in) == 0 ? MR_OK : fail_cut(x, got, err);
}

enum mr_err
mr_request_body(struct mr_request *request, size_t n, struct mr_buf *body, struct mr_error *err)
{
	struct mr_exchange *x = request->exchange;
	bool open_ended = mr_request_is_open_ended(request);
	char *to = mr_buf_reserve(body, n);
	size_t got;

	if (to == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for a body of %zu bytes", n);
	got = read_up_to(x, to, n);
	body->len += got;
	if (open_ended)
		return check_end(x, got, n, err);
	if (got < n)
		return fail_short(x, got, n, err);
	if (x->channel != NULL)
		look_for_end(x);
	return MR_OK;
}

static void
send_all(struct mr_exchange *x, struct mr_str s)
{
	ssize_t n;

	if (x->channel != NULL) {
		(void)FCGX_PutStr(s.p, (int)s.n, x->fcgi.out);
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
mr_exchange_answer(struct mr_exchange *x)
{
	const struct mr_response *response = &x->response;
	bool head_only = mr_str_eq(x->request.method, MR_STR_LIT("HEAD"));

	if (x->channel == NULL)
		drain(x);
	mr_response_head(response, &x->head);
	send_all(x, mr_buf_str(&x->head));
	if (!head_only && response->content_type != NULL)
		send_all(x, mr_buf_str(&response->body));
	if (x->channel != NULL)
		finish(x);
	else
		give_back(x);
}
