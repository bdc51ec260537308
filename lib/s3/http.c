/* An HTTP client over libcurl: see http.h. */
#include "s3/http.h"

#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "secret/secret.h"

#define DEFAULT_CONNECT_MS 10000
#define MAX_HEAD_BYTES 65536
#define UPLOAD_BUFFER_BYTES 262144L

struct mr_http {
	CURL *curl;
	char *ca_file;
	bool kept; /* a connection, presumably */
	struct mr_http_options options;
	char reason[CURL_ERROR_SIZE];
};

/* What the callbacks of one request share. */
struct transfer {
	struct mr_http *http;
	struct mr_http_response *response;
	bool refused; /* by response->take */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool started;

static void
start(void)
{
	started = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

/* --- callbacks -------------------------------------------------------------- */

static size_t
take_head(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct mr_http_response *r = t->response;

	/* An interim answer, such as 100, has a head of its own before the real one. */
	if (n * size > 5 && memcmp(p, "HTTP/", 5) == 0)
		mr_buf_reset(&r->head, MAX_HEAD_BYTES);
	mr_buf_add(&r->head, p, size * n);
	return r->head.failed ? 0 : size * n;
}

static size_t
take_body(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct mr_http_response *r = t->response;
	long status = 0;

	(void)curl_easy_getinfo(t->http->curl, CURLINFO_RESPONSE_CODE, &status);
	if (r->take != NULL && status >= 200 && status < 300) {
		t->refused = !r->take(r->take_arg, p, size * n);
		return t->refused ? 0 : size * n;
	}
	mr_buf_add(&r->body, p, size * n);
	return r->body.failed ? 0 : size * n;
}

static int
progress(void *arg, curl_off_t dl_total, curl_off_t dl_now, curl_off_t ul_total, curl_off_t ul_now)
{
	const struct transfer *t = arg;

	(void)dl_total;
	(void)dl_now;
	(void)ul_total;
	(void)ul_now;
	return t->http->options.stop != NULL && *t->http->options.stop != 0;
}

/* --- setting up ------------------------------------------------------------- */

/* What stays the same for every request of the client. */
static CURLcode
set_options(struct mr_http *h)
{
	const struct mr_http_options *o = &h->options;
	CURLcode c = CURLE_OK;

#define SET(option, value) \
	do { \
		if (c == CURLE_OK) \
			c = curl_easy_setopt(h->curl, option, value); \
	} while (0)
	SET(CURLOPT_ERRORBUFFER, h->reason);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_NOPROGRESS, o->stop == NULL ? 1L : 0L);
	SET(CURLOPT_XFERINFOFUNCTION, progress);
	SET(CURLOPT_HEADERFUNCTION, take_head);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_USERAGENT, "millrace/" PACKAGE_VERSION);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_BYTES);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS,
	    (long)(o->connect_timeout_ms > 0 ? o->connect_timeout_ms : DEFAULT_CONNECT_MS));
	SET(CURLOPT_TIMEOUT_MS, (long)o->timeout_ms);
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_LOW_SPEED_TIME, (long)o->stall_timeout_s);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, o->insecure ? 0L : 1L);
	SET(CURLOPT_SSL_VERIFYHOST, o->insecure ? 0L : 2L);
	if (h->ca_file != NULL)
		SET(CURLOPT_CAINFO, h->ca_file);
	if (o->no_proxy)
		SET(CURLOPT_NOPROXY, "*");
#undef SET
	return c;
}

enum mr_err
mr_http_new(struct mr_http **http, const struct mr_http_options *options, struct mr_error *err)
{
	struct mr_http *h = NULL;
	CURLcode c = CURLE_FAILED_INIT;

	*http = NULL;
	(void)pthread_once(&once, start);
	if (!started)
		return mr_fail(err, MR_EIO, "libcurl does not start");
	if ((h = calloc(1, sizeof *h)) == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for an HTTP client");
	h->options = *options;
	h->options.ca_file = NULL;
	/* Without a copy of it, libcurl would trust the system's authorities. */
	if (options->ca_file != NULL && options->ca_file[0] != '\0' &&
	    (h->ca_file = strdup(options->ca_file)) == NULL) {
		mr_http_free(h);
		return mr_fail(err, MR_ENOMEM, "no memory for an HTTP client");
	}
	h->curl = curl_easy_init();
	if (h->curl == NULL || (c = set_options(h)) != CURLE_OK) {
		mr_http_free(h);
		return mr_fail(err, MR_EIO, "libcurl refuses its options: %s",
		    curl_easy_strerror(c));
	}
	*http = h;
	return MR_OK;
}

void
mr_http_free(struct mr_http *http)
{
	if (http == NULL)
		return;
	curl_easy_cleanup(http->curl);
	free(http->ca_file);
	free(http);
}

void
mr_http_response_init(struct mr_http_response *response, size_t max_body_bytes)
{
	*response = (struct mr_http_response){ .status = 0 };
	mr_buf_init(&response->head, MAX_HEAD_BYTES);
	mr_buf_init(&response->body, max_body_bytes);
}

void
mr_http_response_free(struct mr_http_response *response)
{
	mr_secret_wipe(response->body.p, response->body.cap);
	mr_buf_free(&response->head);
	mr_buf_free(&response->body);
}

/* --- headers ---------------------------------------------------------------- */

struct mr_str
mr_http_header(const struct mr_http_response *response, const char *name)
{
	struct mr_str rest = mr_buf_str(&response->head), value;
	size_t n = strlen(name), line;
	const char *end;

	for (; rest.n > 0; rest.p += line, rest.n -= line) {
		end = memchr(rest.p, '\n', rest.n);
		line = end != NULL ? (size_t)(end - rest.p) + 1 : rest.n;
		if (line <= n || rest.p[n] != ':' || strncasecmp(rest.p, name, n) != 0)
			continue;
		value = (struct mr_str){ rest.p + n + 1, line - n - 1 };
		while (value.n > 0 && memchr(" \t", value.p[0], 2) != NULL)
			value = (struct mr_str){ value.p + 1, value.n - 1 };
		while (value.n > 0 && memchr(" \t\r\n", value.p[value.n - 1], 4) != NULL)
			value.n--;
		return value;
	}
	return MR_STR_NULL;
}

static void
free_list(struct curl_slist *list)
{
	for (struct curl_slist *l = list; l != NULL; l = l->next)
		mr_secret_wipe(l->data, strlen(l->data));
	curl_slist_free_all(list);
}

/* Appends a whole line; false: no memory. */
static bool
add_line(struct curl_slist **list, const char *line)
{
	struct curl_slist *grown = curl_slist_append(*list, line);

	if (grown != NULL)
		*list = grown;
	return grown != NULL;
}

/* Appends "Name: value"; false: no memory, or a line break where none may be. */
static bool
add_header(struct curl_slist **list, const struct mr_pair *header)
{
	struct mr_str v = header->value;
	size_t n = strlen(header->name) + v.n + 3;
	bool added;
	char *line;

	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] == '\n' || v.p[i] == '\r' || v.p[i] == '\0')
			return false;
	if ((line = malloc(n)) == NULL)
		return false;
	/* libcurl sends a header without a value only when it ends with ';'. */
	if (v.n > 0)
		snprintf(line, n, "%s: %.*s", header->name, (int)v.n, v.p);
	else
		snprintf(line, n, "%s;", header->name);
	added = add_line(list, line);
	mr_secret_wipe(line, n);
	free(line);
	return added;
}

static bool
has_header(const struct mr_http_request *request, const char *name)
{
	for (size_t i = 0; i < request->n_headers; i++)
		if (strcasecmp(request->headers[i].name, name) == 0)
			return true;
	return false;
}

static enum mr_err
make_headers(const struct mr_http_request *request, struct curl_slist **list,
    struct mr_error *err)
{
	/* libcurl would add them; a line without a value takes them out. */
	if (!add_line(list, "Accept:") ||
	    (!has_header(request, "Content-Type") && !add_line(list, "Content-Type:")))
		return mr_fail(err, MR_ENOMEM, "no memory for a request");
	for (size_t i = 0; i < request->n_headers; i++)
		if (!add_header(list, &request->headers[i]))
			return mr_fail(err, MR_EINVAL, "the header %s cannot be sent: it has a "
			    "line break in it, or there is no memory", request->headers[i].name);
	return MR_OK;
}

/* --- a request -------------------------------------------------------------- */

/* "host:port" of a URL, for messages: no path, no query, no password. */
static void
host_of(const char *url, char *host, size_t size)
{
	const char *p = strstr(url, "://"), *at;
	size_t n;

	p = p != NULL ? p + 3 : url;
	n = strcspn(p, "/?#");
	if ((at = memrchr(p, '@', n)) != NULL) {
		n -= (size_t)(at - p) + 1;
		p = at + 1;
	}
	snprintf(host, size, "%.*s", (int)(n < size ? n : size - 1), p);
}

static enum mr_err
check_url(const struct mr_http *h, const char *url, const char *host, struct mr_error *err)
{
	if (strncmp(url, "https://", 8) == 0)
		return MR_OK;
	if (strncmp(url, "http://", 7) != 0)
		return mr_fail(err, MR_EINVAL, "'%.100s' is no URL that begins with https://", url);
	if (!h->options.insecure)
		return mr_fail(err, MR_EINVAL, "%s: http:// would send data in the clear; use "
		    "https://, or set insecure = yes", host);
	return MR_OK;
}

/* What may pass when it is tried again. */
static bool
is_transient(CURLcode c)
{
	switch (c) {
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_PARTIAL_FILE:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_FAIL_REWIND:
	case CURLE_AGAIN:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_UPLOAD_FAILED:
		return true;
	default:
		return false;
	}
}

static const char *
advice(CURLcode c)
{
	switch (c) {
	case CURLE_PEER_FAILED_VERIFICATION:
		return "; is ca_file the one that signed its certificate?";
	case CURLE_SSL_CACERT_BADFILE:
		return "; check ca_file";
	default:
		return "";
	}
}

static enum mr_err
explain(struct transfer *t, CURLcode c, const char *host, struct mr_error *err)
{
	struct mr_http *h = t->http;
	const char *reason = h->reason[0] != '\0' ? h->reason : curl_easy_strerror(c);
	size_t n = strcspn(reason, "\r\n");

	if (c == CURLE_ABORTED_BY_CALLBACK)
		return mr_fail(err, MR_EAGAIN, "%s: stopped by a signal", host);
	if (c == CURLE_WRITE_ERROR && t->refused)
		return mr_fail(err, MR_EIO, "%s: what it sent could not be taken", host);
	if (c == CURLE_WRITE_ERROR)
		return mr_fail(err, MR_ELIMIT, "%s: its answer is larger than %zu bytes", host,
		    t->response->body.max);
	if (c == CURLE_OUT_OF_MEMORY)
		return mr_fail(err, MR_ENOMEM, "%s: no memory for a request", host);
	return mr_fail(err, is_transient(c) ? MR_EAGAIN : MR_EINVAL, "%s: %.*s%s", host, (int)n,
	    reason, advice(c));
}

static CURLcode
set_request(struct transfer *t, const struct mr_http_request *request, struct curl_slist *headers)
{
	CURL *curl = t->http->curl;
	bool head = strcmp(request->method, "HEAD") == 0;
	CURLcode c = CURLE_OK;

#define SET(option, value) \
	do { \
		if (c == CURLE_OK) \
			c = curl_easy_setopt(curl, option, value); \
	} while (0)
	SET(CURLOPT_URL, request->url);
	SET(CURLOPT_HTTPHEADER, headers);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_XFERINFODATA, t);
	SET(CURLOPT_NOBODY, head ? 1L : 0L);
	if (request->body.p != NULL) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDS, request->body.p);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.n);
	} else if (!head) {
		SET(CURLOPT_HTTPGET, 1L);
	}
	SET(CURLOPT_CUSTOMREQUEST, request->method);
#undef SET
	return c;
}

enum mr_err
mr_http_do(struct mr_http *http, const struct mr_http_request *request,
    struct mr_http_response *response, struct mr_error *err)
{
	struct transfer t = { .http = http, .response = response };
	struct curl_slist *headers = NULL;
	char host[128];
	long status = 0, connects = 0;
	CURLcode c;
	enum mr_err e;

	response->status = 0;
	response->reconnected = false;
	mr_buf_reset(&response->head, MAX_HEAD_BYTES);
	mr_buf_reset(&response->body, response->body.max);
	host_of(request->url, host, sizeof host);
	if ((e = check_url(http, request->url, host, err)) == MR_OK)
		e = make_headers(request, &headers, err);
	if (e == MR_OK) {
		http->reason[0] = '\0';
		c = set_request(&t, request, headers);
		if (c == CURLE_OK)
			c = curl_easy_perform(http->curl);
		(void)curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
		(void)curl_easy_getinfo(http->curl, CURLINFO_NUM_CONNECTS, &connects);
		response->status = (int)status;
		response->reconnected = http->kept && connects > 0;
		http->kept = c == CURLE_OK;
		if (c != CURLE_OK)
			e = explain(&t, c, host, err);
		(void)curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL);
	}
	free_list(headers);
	return e;
}

bool
mr_http_date(struct mr_str text, int64_t *us)
{
	char copy[64];
	time_t t;

	if (text.n == 0 || text.n >= sizeof copy)
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	t = curl_getdate(copy, NULL);
	if (t == (time_t)-1)
		return false;
	*us = (int64_t)t * MR_US_PER_S;
	return true;
}
