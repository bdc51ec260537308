/* AWS Signature Version 4: see sigv4.h. */
#include "s3/sigv4.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define MAX_TEXT (1 << 20)

void
mr_sigv4_init(struct mr_sigv4_signed *s)
{
	*s = (struct mr_sigv4_signed){ .n_headers = 0 };
	mr_buf_init(&s->target, MAX_TEXT);
	mr_buf_init(&s->authorization, MAX_TEXT);
}

void
mr_sigv4_free(struct mr_sigv4_signed *s)
{
	mr_buf_free(&s->target);
	mr_buf_free(&s->authorization);
}

void
mr_sigv4_encode(struct mr_buf *to, struct mr_str s, bool keep_slashes)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && keep_slashes)) {
			mr_buf_add_char(to, (char)c);
		} else {
			mr_buf_add_char(to, '%');
			mr_buf_add_char(to, hex[c >> 4]);
			mr_buf_add_char(to, hex[c & 15]);
		}
	}
}

/* --- the canonical query ---------------------------------------------------- */

/* An encoded "name=value" in a buffer, and where its '=' is. */
struct part {
	const char *p;
	size_t n, name_n;
};

/* By encoded name, then by encoded value. */
static int
compare_parts(const void *va, const void *vb)
{
	const struct part *a = va, *b = vb;
	int order = mr_str_cmp((struct mr_str){ a->p, a->name_n }, (struct mr_str){ b->p, b->name_n });

	return order != 0 ? order : mr_str_cmp((struct mr_str){ a->p, a->n }, (struct mr_str){ b->p, b->n });
}

static void
add_query(struct mr_buf *to, const struct mr_pair *query, size_t n, struct mr_buf *work)
{
	struct part parts[MR_SIGV4_MAX_PAIRS];
	size_t start[MR_SIGV4_MAX_PAIRS + 1];

	mr_buf_reset(work, MAX_TEXT);
	for (size_t i = 0; i < n; i++) {
		start[i] = work->len;
		mr_sigv4_encode(work, mr_str(query[i].name), false);
		parts[i].name_n = work->len - start[i];
		mr_buf_add_char(work, '=');
		mr_sigv4_encode(work, query[i].value, false);
	}
	start[n] = work->len;
	for (size_t i = 0; i < n; i++) {
		parts[i].p = mr_buf_str(work).p + start[i];
		parts[i].n = start[i + 1] - start[i];
	}
	if (work->failed) {
		to->failed = true;
		return;
	}
	qsort(parts, n, sizeof parts[0], compare_parts);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			mr_buf_add_char(to, '&');
		mr_buf_add(to, parts[i].p, parts[i].n);
	}
}

/* --- the canonical headers -------------------------------------------------- */

static int
compare_headers(const void *va, const void *vb)
{
	const struct mr_pair *a = va, *b = vb;

	return strcasecmp(a->name, b->name);
}

static void
add_lower(struct mr_buf *to, const char *name)
{
	for (; *name != '\0'; name++)
		mr_buf_add_char(to, (char)tolower((unsigned char)*name));
}

/* Blanks at both ends are taken off, those between are made one. */
static void
add_value(struct mr_buf *to, struct mr_str v)
{
	bool blank = false, any = false;

	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == ' ' || v.p[i] == '\t') {
			blank = any;
			continue;
		}
		if (blank)
			mr_buf_add_char(to, ' ');
		blank = false;
		any = true;
		mr_buf_add_char(to, v.p[i]);
	}
}

static void
add_names(struct mr_buf *to, const struct mr_pair *headers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			mr_buf_add_char(to, ';');
		add_lower(to, headers[i].name);
	}
}

/* All that is signed, sorted, into s->headers; the Authorization comes later. */
static enum mr_err
gather_headers(const struct mr_sigv4_request *r, const struct mr_creds *creds,
    struct mr_sigv4_signed *s, struct mr_error *err)
{
	struct mr_str token = mr_str(creds->session_token);

	if (r->n_headers + 5 > MR_SIGV4_MAX_PAIRS || r->n_query > MR_SIGV4_MAX_PAIRS)
		return mr_fail(err, MR_ELIMIT, "a request has too many headers or parameters");
	s->n_headers = 0;
	for (size_t i = 0; i < r->n_headers; i++)
		s->headers[s->n_headers++] = r->headers[i];
	s->headers[s->n_headers++] = (struct mr_pair){ "Host", r->host };
	s->headers[s->n_headers++] = (struct mr_pair){ "x-amz-content-sha256",
		mr_str(r->body_sha256) };
	s->headers[s->n_headers++] = (struct mr_pair){ "x-amz-date", mr_str(s->date) };
	if (token.n > 0)
		s->headers[s->n_headers++] = (struct mr_pair){ "x-amz-security-token", token };
	qsort(s->headers, s->n_headers, sizeof s->headers[0], compare_headers);
	return MR_OK;
}

/* --- the signature ---------------------------------------------------------- */

static void
add_canonical(struct mr_buf *to, const struct mr_sigv4_request *r,
    const struct mr_sigv4_signed *s, size_t path_n)
{
	struct mr_str target = mr_buf_str(&s->target);
	bool query = path_n < target.n;

	mr_buf_printf(to, "%s\n", r->method);
	mr_buf_add(to, target.p, path_n);
	mr_buf_add_char(to, '\n');
	if (query)
		mr_buf_add(to, target.p + path_n + 1, target.n - path_n - 1);
	mr_buf_add_char(to, '\n');
	for (size_t i = 0; i < s->n_headers; i++) {
		add_lower(to, s->headers[i].name);
		mr_buf_add_char(to, ':');
		add_value(to, s->headers[i].value);
		mr_buf_add_char(to, '\n');
	}
	mr_buf_add_char(to, '\n');
	add_names(to, s->headers, s->n_headers);
	mr_buf_printf(to, "\n%s", r->body_sha256);
}

/* "20130524/us-east-1/s3/aws4_request" */
static void
add_scope(struct mr_buf *to, const struct mr_sigv4_request *r, const struct mr_sigv4_signed *s)
{
	mr_buf_printf(to, "%.8s/%s/%s/aws4_request", s->date, r->region, r->service);
}

static void
sign_text(const struct mr_sigv4_request *r, const struct mr_creds *creds, const char *date,
    struct mr_str text, char signature[MR_SHA256_HEX])
{
	char first[4 + sizeof creds->secret_key];
	unsigned char key[MR_SHA256_BYTES];
	struct mr_str k = { (const char *)key, sizeof key };

	snprintf(first, sizeof first, "AWS4%s", creds->secret_key);
	mr_hmac_sha256(mr_str(first), (struct mr_str){ date, 8 }, key);
	mr_hmac_sha256(k, mr_str(r->region), key);
	mr_hmac_sha256(k, mr_str(r->service), key);
	mr_hmac_sha256(k, MR_STR_LIT("aws4_request"), key);
	mr_hmac_sha256(k, text, key);
	mr_secret_hex(key, sizeof key, signature);
	mr_secret_wipe(first, sizeof first);
	mr_secret_wipe(key, sizeof key);
}

/* Fills s->authorization; work is scratch. */
static void
authorize(const struct mr_sigv4_request *r, const struct mr_creds *creds,
    struct mr_sigv4_signed *s, size_t path_n, struct mr_buf *work)
{
	char digest[MR_SHA256_HEX], signature[MR_SHA256_HEX];

	mr_buf_reset(work, MAX_TEXT);
	add_canonical(work, r, s, path_n);
	mr_sha256_hex(mr_buf_str(work), digest);
	s->authorization.failed |= work->failed;
	mr_secret_wipe(work->p, work->len); /* it may hold the session token */
	mr_buf_reset(work, MAX_TEXT);
	mr_buf_printf(work, ALGORITHM "\n%s\n", s->date);
	add_scope(work, r, s);
	mr_buf_printf(work, "\n%s", digest);
	sign_text(r, creds, s->date, mr_buf_str(work), signature);

	mr_buf_printf(&s->authorization, ALGORITHM " Credential=%s/", creds->access_key);
	add_scope(&s->authorization, r, s);
	mr_buf_add_cstr(&s->authorization, ", SignedHeaders=");
	add_names(&s->authorization, s->headers, s->n_headers);
	mr_buf_printf(&s->authorization, ", Signature=%s", signature);
	s->authorization.failed |= work->failed;
}

enum mr_err
mr_sigv4_sign(const struct mr_sigv4_request *r, const struct mr_creds *creds,
    struct mr_sigv4_signed *s, struct mr_error *err)
{
	time_t now = (time_t)(r->now_us / MR_US_PER_S);
	struct mr_buf work;
	struct tm tm;
	size_t path_n;
	enum mr_err e;

	if (gmtime_r(&now, &tm) == NULL || strftime(s->date, sizeof s->date, "%Y%m%dT%H%M%SZ", &tm) == 0)
		return mr_fail(err, MR_EINVAL, "the time cannot be written as a date");
	if ((e = gather_headers(r, creds, s, err)) != MR_OK)
		return e;
	mr_buf_reset(&s->target, MAX_TEXT);
	mr_buf_reset(&s->authorization, MAX_TEXT);
	mr_buf_init(&work, MAX_TEXT);
	mr_sigv4_encode(&s->target, r->path, true);
	path_n = s->target.len;
	if (r->n_query > 0) {
		mr_buf_add_char(&s->target, '?');
		add_query(&s->target, r->query, r->n_query, &work);
	}
	authorize(r, creds, s, path_n, &work);
	mr_buf_add_char(&s->target, '\0'); /* so that it can be used as a C string */
	s->target.len -= !s->target.failed;
	if (s->target.failed || s->authorization.failed)
		e = mr_fail(err, MR_ELIMIT, "a request is longer than %d bytes", MAX_TEXT);
	s->headers[s->n_headers++] = (struct mr_pair){ "Authorization",
		mr_buf_str(&s->authorization) };
	mr_buf_free(&work);
	return e;
}
