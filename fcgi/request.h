/*
 * HTTP requests and answers as the endpoints see them, and where they come
 * from: FastCGI, or plain CGI when the program's standard input is not a
 * listening socket. request.c is the only user of libfcgi; endpoints know
 * nothing of it and can be tested without a web server.
 */
#ifndef MR_FCGI_REQUEST_H
#define MR_FCGI_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

/* A header that the client did not send has p == NULL. Valid until the request ends. */
struct mr_request {
	struct mr_str method;
	struct mr_str path; /* SCRIPT_NAME and PATH_INFO joined */
	struct mr_str query;
	struct mr_str content_length;
	struct mr_str content_encoding;
	struct mr_str origin;
	struct mr_str referer;
	struct mr_str user_agent;
	struct mr_str authorization;
	struct mr_str forwarded_for;
	struct mr_str remote_addr;
	struct mr_arena *arena;         /* freed when the request ends */
	struct mr_connection *connection; /* where the body is read from */
};

struct mr_response {
	int status;
	const char *content_type; /* NULL: no body */
	struct mr_buf headers;    /* further header lines, each ended by CRLF */
	struct mr_buf body;
};

/* One thread's place to receive requests, reused from one to the next. */
struct mr_connection;

/* Once, before any thread: readies libfcgi and the listening socket, or MR_EIO. */
enum mr_err mr_request_init(struct mr_error *err);

/* Accepts no more connections; those accepted before still bring their requests. */
void mr_request_stop(void);

/* Whether a connection was accepted whose first request has not come yet. */
bool mr_request_pending(void);

/* Waits no longer for anything: what is still being read ends here. After stop. */
void mr_request_cut(void);

/* The end of what init made; when no thread uses it any more. */
void mr_request_end(void);

/* Whether the web server started us as plain CGI: one request, then exit. */
bool mr_request_is_cgi(void);

/* max_bytes: of the arena of one request. NULL: no memory. */
struct mr_connection *mr_connection_new(size_t max_bytes);
void mr_connection_free(struct mr_connection *c);

/*
 * Waits for the next request. Returns MR_OK; MR_EAGAIN when there was none
 * for a second or so (look whether to stop, then call again); MR_EIO when
 * accepting failed (already logged and paused; call again).
 */
enum mr_err mr_connection_accept(struct mr_connection *c, struct mr_request *request);

/* The one request of a plain CGI run, from the environment. */
enum mr_err mr_connection_cgi(struct mr_connection *c, struct mr_request *request);

/*
 * Appends the body to `body`, which is content_length bytes. Errors: MR_EINVAL
 * when it ends before that. n is at most body->max.
 */
enum mr_err mr_request_body(struct mr_request *request, size_t n, struct mr_buf *body,
    struct mr_error *err);

/*
 * Sends the answer and ends the request; its slices are gone then. A client
 * that is no longer there is no error. head_only: no body (HEAD).
 */
void mr_connection_answer(struct mr_connection *c, const struct mr_response *response,
    bool head_only);

#endif
