/*
 * Clients of S3 when there is no memory: s3/http.h and s3/s3.h. The program is
 * linked with strdup and strndup wrapped, so that any one copy of a string can fail.
 */
#include "s3/http.h"

#include "../tap.h"
#include "s3/s3.h"

static int fail_at; /* the copy that fails, from 1; 0: none */
static int copies;

char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
char *__wrap_strndup(const char *s, size_t n);

char *
__wrap_strdup(const char *s)
{
	return ++copies == fail_at ? NULL : __real_strdup(s);
}

char *
__wrap_strndup(const char *s, size_t n)
{
	return ++copies == fail_at ? NULL : __real_strndup(s, n);
}

static enum mr_err
new_http(int which, struct mr_http **http, struct mr_error *err)
{
	const struct mr_http_options options = { .ca_file = "/nowhere/ca.pem" };
	enum mr_err e;

	copies = 0;
	fail_at = which;
	*err = (struct mr_error)MR_ERROR_INIT;
	e = mr_http_new(http, &options, err);
	fail_at = 0;
	return e;
}

/* Without its ca_file, a client would trust whom the system trusts. */
static void
test_http(void)
{
	struct mr_error err;
	struct mr_http *http;

	is_int(new_http(0, &http, &err), MR_OK, "a client with a ca_file");
	is_int(copies, 1, "which it has copied");
	mr_http_free(http);
	is_int(new_http(1, &http, &err), MR_ENOMEM, "no memory for the copy: no client");
	ok(http == NULL, "at all");
	is_part(err.text, "no memory", "and why");
	mr_http_free(http);
}

static enum mr_err
new_s3(int which, struct mr_s3 **s3, struct mr_error *err, bool aws)
{
	const struct mr_s3_options options = { .endpoint = aws ? NULL : "https://127.0.0.1:1",
		.ca_file = "/nowhere/ca.pem", .storage_class = "STANDARD" };
	enum mr_err e;

	copies = 0;
	fail_at = which;
	*err = (struct mr_error)MR_ERROR_INIT;
	e = mr_s3_new(s3, &options, err);
	fail_at = 0;
	return e;
}

static void
test_s3(bool aws)
{
	struct mr_error err;
	struct mr_s3 *s3;
	int all;

	is_int(new_s3(0, &s3, &err, aws), MR_OK, "an S3 client");
	mr_s3_free(s3);
	all = copies;
	ok(all >= 4, "which copies strings: %d", all);
	for (int i = 1; i <= all; i++) {
		is_int(new_s3(i, &s3, &err, aws), MR_ENOMEM, "no memory for one of them");
		ok(s3 == NULL, "copy %d: no client", i);
		is_int(err.code, MR_ENOMEM, "the code");
		is_part(err.text, "no memory", "and why");
	}
}

int
main(void)
{
	test_http();
	test_s3(false);
	test_s3(true);
	return done();
}
