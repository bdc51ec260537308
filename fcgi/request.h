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
#include "format/jsonwriter.h"

struct mr_exchange;
struct mr_job;
struct mr_worker;

/* A header that the client did not send has p == NULL. Valid until the request ends. */
struct mr_request {
	struct mr_str method;
	struct mr_str path; /* SCRIPT_NAME and PATH_INFO joined */
	struct mr_str query;
	struct mr_str content_length;
	struct mr_str transfer_encoding;
	struct mr_str content_type;
	struct mr_str content_encoding;
	struct mr_str host;
	struct mr_str origin;
	struct mr_str referer;
	struct mr_str user_agent;
	struct mr_str authorization;
	struct mr_str forwarded_for;
	struct mr_str client_ip; /* the header of that configured name, of a proxy */
	struct mr_str cors_headers; /* Access-Control-Request-Headers */
	struct mr_str fetch_site; /* Sec-Fetch-Site: where a browser's page came from */
	struct mr_str remote_addr;
	struct mr_arena *arena;        /* freed when the request ends */
	struct mr_exchange *exchange;  /* where the body is read from */
};

/*
 * What an endpoint answers. An endpoint that has events to store sets job, finish
 * and state instead; when the job is done, finish is called, on another thread
 * perhaps, and fills the answer.
 */
struct mr_response {
	int status;
	const char *content_type; /* NULL: no body */
	struct mr_buf headers;    /* further header lines, each ended by CRLF */
	struct mr_buf body;
	struct mr_json_writer json; /* of a body that response.h's calls write */
	struct mr_job *job;       /* NULL: the answer is complete */
	void (*finish)(struct mr_worker *, struct mr_request *, struct mr_response *);
	void *state;              /* the endpoint's own */
};

/*
 * Once, before any thread: readies libfcgi and, unless it is CGI, the channels to these web
 * servers, for requests that arrive within timeout_s (see mr_channel_init()); or MR_EIO,
 * MR_ENOMEM. client_ip_header is a header's name.
 */
enum mr_err mr_request_init(size_t arena_bytes, const char *client_ip_header,
    const char *web_servers, int64_t timeout_s, struct mr_error *err);

/* The end of what init made; when no thread uses it any more. */
void mr_request_end(void);

/* Whether the web server started us as plain CGI: one request, then exit. */
bool mr_request_is_cgi(void);

/*
 * A request and its answer on their way. May go from thread to thread, one at a
 * time; from accept to answer it is the caller's.
 */
struct mr_exchange;

/*
 * Waits for the next request. Errors: as mr_channel_wait(), or the request could
 * not be read, which ends its connection; call again.
 */
enum mr_err mr_exchange_accept(struct mr_exchange **accepted);

/* The one request of a plain CGI run, from the environment. Or MR_ENOMEM. */
enum mr_err mr_exchange_cgi(struct mr_exchange **accepted);

struct mr_request *mr_exchange_request(struct mr_exchange *exchange);
struct mr_response *mr_exchange_response(struct mr_exchange *exchange);

/*
 * Sends the answer (to HEAD without its body) and ends the exchange. A client
 * that is no longer there is no error.
 */
void mr_exchange_answer(struct mr_exchange *exchange);

/*
 * Whether there is a body that came without its length, as in chunks, and that its end tells.
 * The web server hands it over like that when it does not gather it first.
 */
bool mr_request_is_open_ended(const struct mr_request *request);

/*
 * Appends the body to `body`: content_length bytes, which is n, or, of one that is open-ended,
 * n at most. Errors: MR_EINVAL when it ends before that, or before its end was announced,
 * MR_EAGAIN when it did not arrive in time, MR_ELIMIT when there is more. n is at most body->max.
 */
enum mr_err mr_request_body(struct mr_request *request, size_t n, struct mr_buf *body,
    struct mr_error *err);

#endif
