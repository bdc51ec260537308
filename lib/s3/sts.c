/*
 * Credentials from AWS's Security Token Service (STS API Reference, version
 * 2011-06-15): AssumeRole and AssumeRoleWithWebIdentity. See credsrc.h.
 */
#include "s3/credsrc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "s3/http.h"
#include "s3/sigv4.h"
#include "s3/xml.h"
#include "secret/secret.h"

#define MAX_ANSWER 65536
#define MAX_FORM 65536
#define MAX_URL 2048
#define MAX_WEB_TOKEN 20000 /* as STS allows */
#define TIMEOUT_MS 30000
#define DEFAULT_REGION "us-east-1"
#define DEFAULT_SESSION "millrace"
#define DEFAULT_DURATION_S 3600

/* One call of STS in the making. */
struct call {
	const struct mr_creds_options *options;
	const char *action; /* also for messages */
	const char *region;
	struct mr_http *http;
	struct mr_http_response response;
	struct mr_buf form;
	char url[MAX_URL];
};

static const char *
first_of(const char *a, const char *b, const char *c)
{
	return a != NULL ? a : b != NULL ? b : c;
}

static enum mr_err
open_call(struct call *c, const struct mr_creds_options *o, const char *action,
    struct mr_error *err)
{
	const struct mr_http_options options = { .connect_timeout_ms = o->connect_timeout_ms,
		.timeout_ms = TIMEOUT_MS, .ca_file = o->ca_file, .insecure = o->insecure,
		.stop = o->stop };
	const char *endpoint = first_of(o->sts_endpoint, mr_credsrc_env("AWS_ENDPOINT_URL_STS"), NULL);
	int n;

	*c = (struct call){ .options = o, .action = action };
	c->region = first_of(o->region, mr_credsrc_env("AWS_REGION"), DEFAULT_REGION);
	mr_http_response_init(&c->response, MAX_ANSWER);
	mr_buf_init(&c->form, MAX_FORM);
	if (endpoint != NULL)
		n = snprintf(c->url, sizeof c->url, "%s", endpoint);
	else
		n = snprintf(c->url, sizeof c->url, "https://sts.%s.amazonaws.com%s", c->region,
		    strncmp(c->region, "cn-", 3) == 0 ? ".cn" : "");
	if (n <= 0 || (size_t)n >= sizeof c->url)
		return mr_fail(err, MR_ELIMIT, "the URL of STS is too long");
	while (n > 0 && c->url[n - 1] == '/')
		c->url[--n] = '\0';
	/* Both hold secrets, so they get their room at once and lie in one place. */
	if (mr_buf_reserve(&c->response.body, MAX_ANSWER) == NULL ||
	    mr_buf_reserve(&c->form, MAX_FORM) == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for credentials");
	mr_buf_add_cstr(&c->form, "Version=2011-06-15&Action=");
	mr_buf_add_cstr(&c->form, action);
	return mr_http_new(&c->http, &options, err);
}

static void
close_call(struct call *c)
{
	mr_secret_wipe(c->form.p, c->form.cap);
	mr_buf_free(&c->form);
	mr_http_response_free(&c->response);
	mr_http_free(c->http);
}

static void
add_field(struct call *c, const char *name, struct mr_str value)
{
	if (value.n == 0)
		return;
	mr_buf_printf(&c->form, "&%s=", name);
	mr_sigv4_encode(&c->form, value, false);
}

static const char *
advice(const char *code)
{
	static const struct {
		const char *code, *text;
	} rows[] = {
		{ "AccessDenied", "; check the role's trust policy, its external id, and that the "
		    "caller may sts:AssumeRole" },
		{ "ExpiredTokenException", "; the token has expired" },
		{ "InvalidIdentityToken", "; the web identity token is not for this role" },
		{ "InvalidClientTokenId", "; the access key does not exist" },
		{ "SignatureDoesNotMatch", "; the secret key is wrong" },
		{ "RegionDisabledException", "; STS is off in this region" },
		{ "ValidationError", "; check role_arn, external_id and the session's name" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strcmp(rows[i].code, code) == 0)
			return rows[i].text;
	return "; check role_arn and sts_endpoint";
}

/* Never shows the answer itself, which may hold secrets. */
static enum mr_err
refused(const struct call *c, struct mr_error *err)
{
	int status = c->response.status;
	struct mr_str body = mr_buf_str(&c->response.body);
	char code[64];

	(void)mr_xml_text(body, "Code", code, sizeof code);
	if (status >= 500 || status == 429 || strcmp(code, "Throttling") == 0)
		return mr_fail(err, MR_EAGAIN, "STS %s at %.200s: status %d %s", c->action, c->url,
		    status, code);
	return mr_fail(err, MR_EINVAL, "STS %s at %.200s: status %d %s%s", c->action, c->url, status,
	    code, advice(code));
}

static enum mr_err
take_answer(const struct call *c, struct mr_creds *creds, struct mr_error *err)
{
	struct mr_str body = mr_buf_str(&c->response.body);
	char expiration[64];

	if (c->response.status != 200)
		return refused(c, err);
	if (!mr_xml_text(body, "AccessKeyId", creds->access_key, sizeof creds->access_key) ||
	    !mr_xml_text(body, "SecretAccessKey", creds->secret_key, sizeof creds->secret_key) ||
	    !mr_xml_text(body, "SessionToken", creds->session_token, sizeof creds->session_token) ||
	    !mr_xml_text(body, "Expiration", expiration, sizeof expiration) ||
	    !mr_clock_parse(mr_str(expiration), &creds->expires_us))
		return mr_fail(err, MR_EINVAL, "STS %s at %.200s: its answer has no credentials in "
		    "it", c->action, c->url);
	return MR_OK;
}

/* Sends the form, signed when `with` is given. The answer replaces *creds. */
static enum mr_err
post(struct call *c, const struct mr_creds *with, struct mr_creds *creds, struct mr_error *err)
{
	static const struct mr_pair type = { "Content-Type",
		{ "application/x-www-form-urlencoded", 33 } };
	struct mr_http_request request = { .method = "POST", .headers = &type, .n_headers = 1,
		.body = mr_buf_str(&c->form) };
	const char *host = strstr(c->url, "://");
	struct mr_sigv4_signed s;
	struct mr_error why = MR_ERROR_INIT;
	char body_sha256[MR_SHA256_HEX], url[MAX_URL + 2];
	enum mr_err e = MR_OK;

	if (c->form.failed)
		return mr_fail(err, MR_ELIMIT, "STS %s: the request is too long", c->action);
	mr_sha256_hex(request.body, body_sha256);
	mr_sigv4_init(&s);
	if (with != NULL) {
		const struct mr_sigv4_request r = { .method = "POST",
			.host = mr_str(host != NULL ? host + 3 : c->url), .path = MR_STR_LIT("/"),
			.headers = &type, .n_headers = 1, .body_sha256 = body_sha256,
			.region = c->region, .service = "sts", .now_us = mr_clock_now_us() };

		e = mr_sigv4_sign(&r, with, &s, err);
		request.headers = s.headers;
		request.n_headers = s.n_headers;
	}
	snprintf(url, sizeof url, "%s/", c->url);
	request.url = url;
	if (e == MR_OK && (e = mr_http_do(c->http, &request, &c->response, &why)) != MR_OK)
		(void)mr_fail(err, e, "STS %s: %.400s", c->action, why.text);
	mr_sigv4_free(&s);
	return e == MR_OK ? take_answer(c, creds, err) : e;
}

/* RoleArn, RoleSessionName, DurationSeconds */
static void
add_role(struct call *c, const char *arn, const char *session)
{
	int64_t s = c->options->role_duration_s;
	char duration[24];

	snprintf(duration, sizeof duration, "%lld", (long long)(s > 0 ? s : DEFAULT_DURATION_S));
	add_field(c, "RoleArn", mr_str(arn));
	add_field(c, "RoleSessionName", mr_str(session));
	add_field(c, "DurationSeconds", mr_str(duration));
}

enum mr_err
mr_credsrc_assume_role(const struct mr_creds_options *o, struct mr_creds *creds,
    struct mr_error *err)
{
	struct mr_creds *base = mr_secret_alloc(sizeof *base);
	struct call c;
	enum mr_err e;

	if (base == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for credentials");
	*base = *creds;
	if ((e = open_call(&c, o, "AssumeRole", err)) == MR_OK) {
		add_role(&c, o->role_arn, first_of(o->role_session_name, DEFAULT_SESSION, NULL));
		add_field(&c, "ExternalId", mr_str(o->external_id));
		e = post(&c, base, creds, err);
	}
	close_call(&c);
	mr_secret_free(base);
	creds->source = "the assumed role";
	return e;
}

/* Reads the token, which the platform replaces from time to time. */
static enum mr_err
read_token(const char *path, char *text, size_t *n, struct mr_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t got = fd < 0 ? -1 : mr_file_read_all(fd, text, MAX_WEB_TOKEN);
	int error = errno;

	if (fd >= 0)
		close(fd);
	if (got < 0)
		return mr_fail(err, MR_EIO, "AWS_WEB_IDENTITY_TOKEN_FILE: %s: %s", path,
		    strerror(error));
	for (*n = (size_t)got; *n > 0 && strchr(" \t\r\n", text[*n - 1]) != NULL;)
		--*n;
	if (*n == 0 || got == MAX_WEB_TOKEN)
		return mr_fail(err, MR_EINVAL, "AWS_WEB_IDENTITY_TOKEN_FILE: %s: is empty or too "
		    "long", path);
	return MR_OK;
}

enum mr_err
mr_credsrc_web_identity(const struct mr_creds_options *o, struct mr_creds *creds,
    struct mr_error *err)
{
	const char *path = mr_credsrc_env("AWS_WEB_IDENTITY_TOKEN_FILE");
	const char *arn = mr_credsrc_env("AWS_ROLE_ARN");
	struct call c;
	char *token;
	size_t n = 0;
	enum mr_err e;

	if (path == NULL)
		return MR_OK;
	if (arn == NULL)
		return mr_fail(err, MR_EINVAL, "environment: AWS_WEB_IDENTITY_TOKEN_FILE is set "
		    "without AWS_ROLE_ARN");
	if ((token = mr_secret_alloc(MAX_WEB_TOKEN)) == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for credentials");
	if ((e = open_call(&c, o, "AssumeRoleWithWebIdentity", err)) == MR_OK &&
	    (e = read_token(path, token, &n, err)) == MR_OK) {
		add_role(&c, arn, first_of(mr_credsrc_env("AWS_ROLE_SESSION_NAME"), DEFAULT_SESSION,
		    NULL));
		add_field(&c, "WebIdentityToken", (struct mr_str){ token, n });
		e = post(&c, NULL, creds, err);
	}
	close_call(&c);
	mr_secret_free(token);
	creds->source = "a web identity";
	return e;
}
