/* s3/http.h, as far as no server is needed; the rest is in the integration tests. */
#include "s3/http.h"

#include "../tap.h"
#include "base/clock.h"

static struct mr_error err;

static void
check_headers(void)
{
	static const struct {
		int line;
		const char *name, *value;
	} rows[] = {
		{ __LINE__, "ETag", "\"abc\"" }, { __LINE__, "etag", "\"abc\"" },
		{ __LINE__, "Date", "x y" },     { __LINE__, "Empty", "" },
		{ __LINE__, "Tag", NULL },       { __LINE__, "Dat", NULL },
		{ __LINE__, "Datee", NULL },     { __LINE__, "Last", "1" },
		{ __LINE__, "abc", NULL },       { __LINE__, "", NULL },
	};
	struct mr_http_response r;

	mr_http_response_init(&r, 10);
	mr_buf_add_cstr(&r.head, "HTTP/1.1 200 OK\r\nETAG: \"abc\"\r\nDate:\t x y \r\nEmpty:\r\n"
	    "Last: 1\r\nLast: 2\r\n\r\n");
	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_str(mr_http_header(&r, rows[i].name), rows[i].value, "the header");
	}
	row(0);
	mr_http_response_free(&r);
}

static void
check_date(void)
{
	static const struct {
		int line;
		const char *text;
		int64_t s; /* -1: none */
	} rows[] = {
		{ __LINE__, "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
		{ __LINE__, "Mon, 23 Nov 2026 12:00:00 GMT", 1795435200 },
		{ __LINE__, "soon", -1 },
		{ __LINE__, "", -1 },
		{ __LINE__, "Sun, 06 Nov 1994 08:49:37 GMT Sun, 06 Nov 1994 08:49:37 GMT and on and on", -1 },
	};
	int64_t us;

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		us = -MR_US_PER_S;
		is_int(mr_http_date(mr_str(rows[i].text), &us), rows[i].s >= 0, "a date or none");
		is_int(us, rows[i].s * MR_US_PER_S, "when");
	}
	row(0);
}

/* What is refused before anything is sent. */
static void
check_refused(void)
{
	static const struct mr_pair split = { "X-Note", MR_STR_LIT("a\r\nHost: evil") };
	static const struct {
		int line;
		const char *url;
		const struct mr_pair *header;
		const char *reason;
	} rows[] = {
		{ __LINE__, "http://user:pass@127.0.0.1:1/key?q", NULL, "127.0.0.1:1: http://" },
		{ __LINE__, "ftp://127.0.0.1/", NULL, "https://" },
		{ __LINE__, "127.0.0.1", NULL, "https://" },
		{ __LINE__, "file:///etc/passwd", NULL, "https://" },
		{ __LINE__, "https://127.0.0.1:1/", &split, "X-Note" },
	};
	const struct mr_http_options options = { .connect_timeout_ms = 1000 };
	struct mr_http_request request = { .method = "GET", .body = MR_STR_NULL };
	struct mr_http_response response;
	struct mr_http *http;

	is_int(mr_http_new(&http, &options, &err), MR_OK, "a client");
	mr_http_response_init(&response, 100);
	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		request.url = rows[i].url;
		request.headers = rows[i].header;
		request.n_headers = rows[i].header != NULL;
		is_int(mr_http_do(http, &request, &response, &err), MR_EINVAL, rows[i].url);
		is_part(err.text, rows[i].reason, "the reason");
		ok(strstr(err.text, "pass") == NULL || strstr(rows[i].url, "pass@") == NULL,
		    "no password in it");
		is_int(response.status, 0, "no status");
	}
	row(0);
	mr_http_response_free(&response);
	mr_http_free(http);
	mr_http_free(NULL);
}

int
main(void)
{
	check_headers();
	check_date();
	check_refused();
	return done();
}
