/*
 * An HTTP/1.1 client: one request at a time, over a connection that is kept
 * for the next one. The only user of libcurl.
 *
 * It follows no redirect, verifies every certificate unless told not to, and
 * speaks TLS 1.2 or later. It retries nothing and raises no signal. A client
 * belongs to one thread.
 */
#ifndef MR_S3_HTTP_H
#define MR_S3_HTTP_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

struct mr_http_options {
	int64_t connect_timeout_ms; /* name look-up, TCP and TLS together; 0: 10 s */
	int64_t timeout_ms;         /* of a whole request; 0: none */
	int64_t stall_timeout_s;    /* without a byte either way; 0: none */
	const char *ca_file;        /* PEM; NULL or "": the system's */
	bool insecure;              /* http:// is allowed, certificates are not verified */
	bool no_proxy;              /* not even one that the environment names */
	/* When *stop becomes non-zero the request ends with MR_EAGAIN. May be NULL. */
	const volatile sig_atomic_t *stop;
};

struct mr_http;

/*
 * The strings of the options are copied. Proxies are those of the variables
 * that libcurl reads: https_proxy, http_proxy, all_proxy, no_proxy.
 */
enum mr_err mr_http_new(struct mr_http **http, const struct mr_http_options *options,
    struct mr_error *err);

/* Closes the connection; NULL is allowed. */
void mr_http_free(struct mr_http *http);

/* A name and its value; also a header, without CR and LF. */
struct mr_pair {
	const char *name;
	struct mr_str value;
};

struct mr_http_request {
	const char *method;
	const char *url;               /* as it is sent, except for its scheme and host */
	const struct mr_pair *headers; /* "Host" replaces the one of the URL */
	size_t n_headers;
	struct mr_str body;            /* p == NULL: none */
};

struct mr_http_response {
	int status;           /* 0: there was no answer */
	/*
	 * The connection that was kept had died. libcurl then sends the request
	 * again by itself, over a new one; the first may have been carried out.
	 */
	bool reconnected;
	struct mr_buf head;   /* the header lines */
	struct mr_buf body;   /* bounded by its max */
	/*
	 * When set, the body of a 2xx goes here and not to `body`; false ends
	 * the request with MR_EIO.
	 */
	bool (*take)(void *arg, const char *p, size_t n);
	void *take_arg;
};

/* Where the body may have secrets in it: reserve its maximum, so that it stays in one place. */
void mr_http_response_init(struct mr_http_response *response, size_t max_body_bytes);

/* Wipes and releases. */
void mr_http_response_free(struct mr_http_response *response);

/* The value of a header of the last answer, name in any case; p == NULL: none. */
struct mr_str mr_http_header(const struct mr_http_response *response, const char *name);

/*
 * MR_OK for any answer, whatever its status: it is in *response, which is
 * emptied first. Else the error names the host. MR_EAGAIN: the network or the
 * other side failed in a way that may pass (no connection, reset, cut off, too
 * slow, stopped). MR_EINVAL: the URL, http:// without `insecure`, the
 * certificate. MR_ELIMIT: the body is larger than response->body.max.
 */
enum mr_err mr_http_do(struct mr_http *http, const struct mr_http_request *request,
    struct mr_http_response *response, struct mr_error *err);

/* Reads an HTTP date ("Sun, 06 Nov 1994 08:49:37 GMT"); false: it is none. */
bool mr_http_date(struct mr_str text, int64_t *us);

#endif
