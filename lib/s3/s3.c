/* The S3 client: see s3.h. One request and its retries. */
#include "s3/s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "s3/checksum.h"
#include "s3/s3call.h"
#include "s3/sigv4.h"
#include "s3/xml.h"
#include "secret/copies.h"
#include "secret/secret.h"

#define DEFAULT_REGION "us-east-1"
#define DEFAULT_ATTEMPTS 8
#define DEFAULT_BACKOFF_MS 200
#define DEFAULT_BACKOFF_MOST_MS 20000
#define DEFAULT_STALL_S 30
#define MAX_HOST 512
#define DAY_US (INT64_C(86400) * MR_US_PER_S)
#define MAX_TAGGING 8192 /* 10 tags, encoded */
#define WAIT_SLICE_MS 100 /* a signal that comes just before a sleep is seen after it */

/* --- making a client -------------------------------------------------------- */

static const size_t strings[] = {
	offsetof(struct mr_s3_options, endpoint),
	offsetof(struct mr_s3_options, region),
	offsetof(struct mr_s3_options, ca_file),
	offsetof(struct mr_s3_options, sse),
	offsetof(struct mr_s3_options, kms_key_id),
	offsetof(struct mr_s3_options, storage_class),
	offsetof(struct mr_s3_options, tags),
	offsetof(struct mr_s3_options, acl),
};
#define N_STRINGS (sizeof strings / sizeof strings[0])

/* Makes each string a copy, and sets what is 0. */
static bool
copy_options(struct mr_s3_options *to, const struct mr_s3_options *from)
{
	bool good;

	*to = *from;
	good = mr_copies_make(to, strings, N_STRINGS);
	if (to->region == NULL)
		good = (to->region = strdup(DEFAULT_REGION)) != NULL && good;
	to->part_bytes = to->part_bytes > 0 ? to->part_bytes : MR_S3_PART_BYTES;
	to->max_attempts = to->max_attempts > 0 ? to->max_attempts : DEFAULT_ATTEMPTS;
	to->backoff_ms = to->backoff_ms > 0 ? to->backoff_ms : DEFAULT_BACKOFF_MS;
	to->backoff_most_ms = to->backoff_most_ms > 0 ? to->backoff_most_ms :
	    DEFAULT_BACKOFF_MOST_MS;
	to->stall_timeout_s = to->stall_timeout_s > 0 ? to->stall_timeout_s : DEFAULT_STALL_S;
	return good;
}

static enum mr_err
check_memory(const void *p, struct mr_error *err)
{
	return p != NULL ? MR_OK : mr_fail(err, MR_ENOMEM, "no memory for an S3 client");
}

/* Splits the endpoint into scheme and authority. */
static enum mr_err
set_endpoint(struct mr_s3 *s3, struct mr_error *err)
{
	const struct mr_s3_options *o = &s3->options;
	const char *rest = NULL;
	char host[MAX_HOST];
	size_t n;

	s3->scheme = "https://";
	s3->aws = o->endpoint == NULL;
	if (s3->aws) {
		snprintf(host, sizeof host, "s3.%.64s.amazonaws.com%s", o->region,
		    strncmp(o->region, "cn-", 3) == 0 ? ".cn" : "");
		s3->authority = strdup(host);
		return check_memory(s3->authority, err);
	}
	if (strncmp(o->endpoint, "https://", 8) == 0)
		rest = o->endpoint + 8;
	else if (strncmp(o->endpoint, "http://", 7) == 0)
		rest = o->endpoint + 7;
	n = rest != NULL ? strcspn(rest, "/?#@ ") : 0;
	if (n == 0 || n >= MAX_HOST / 2 || (rest[n] != '\0' && strcmp(rest + n, "/") != 0))
		return mr_fail(err, MR_EINVAL, "endpoint %.200s: is not https://host or "
		    "https://host:port", o->endpoint);
	if (rest == o->endpoint + 7) {
		s3->scheme = "http://";
		if (!o->insecure)
			return mr_fail(err, MR_EINVAL, "endpoint %.200s: http:// would send data in "
			    "the clear; use https://, or set insecure = yes", o->endpoint);
	}
	s3->authority = strndup(rest, n);
	return check_memory(s3->authority, err);
}

static const char *const encryptions[] = { "AES256", "aws:kms", "aws:kms:dsse", NULL };
static const char *const acls[] = { "private", "public-read", "public-read-write",
	"authenticated-read", "aws-exec-read", "bucket-owner-read", "bucket-owner-full-control", NULL };

static bool
is_one_of(const char *text, const char *const *words)
{
	while (*words != NULL && strcmp(*words, text) != 0)
		words++;
	return *words != NULL;
}

static enum mr_err
check_lock(const struct mr_s3_options *o, struct mr_error *err)
{
	if ((o->object_lock != MR_LOCK_OFF) != (o->object_lock_days > 0))
		return mr_fail(err, MR_EINVAL, "object_lock and object_lock_days go together: set both "
		    "or neither");
	if ((o->object_lock != MR_LOCK_OFF || o->legal_hold) && o->checksum == MR_CHECKSUM_NONE)
		return mr_fail(err, MR_EINVAL, "checksum = none: locked objects need a checksum");
	return MR_OK;
}

static enum mr_err
check_options(const struct mr_s3_options *o, struct mr_error *err)
{
	if (o->part_bytes < MR_S3_MIN_PART_BYTES || o->part_bytes > MR_S3_MAX_PART_BYTES)
		return mr_fail(err, MR_EINVAL, "a part of %lld bytes is not possible; %lld to %lld "
		    "are", (long long)o->part_bytes, (long long)MR_S3_MIN_PART_BYTES,
		    (long long)MR_S3_MAX_PART_BYTES);
	if (o->sse != NULL && !is_one_of(o->sse, encryptions))
		return mr_fail(err, MR_EINVAL, "sse: '%.40s' is none of AES256, aws:kms and "
		    "aws:kms:dsse", o->sse);
	if (o->kms_key_id != NULL && (o->sse == NULL || strncmp(o->sse, "aws:kms", 7) != 0))
		return mr_fail(err, MR_EINVAL, "kms_key_id is set; it needs sse = aws:kms or "
		    "aws:kms:dsse");
	if (o->acl != NULL && !is_one_of(o->acl, acls))
		return mr_fail(err, MR_EINVAL, "acl: '%.40s' is none of S3's canned ACLs, such as "
		    "bucket-owner-full-control", o->acl);
	return check_lock(o, err);
}

/* "key=value, key=value" as a query, each part encoded. */
static enum mr_err
set_tagging(struct mr_s3 *s3, struct mr_error *err)
{
	const char *p = s3->options.tags != NULL ? s3->options.tags : "";

	for (p += strspn(p, ", "); *p != '\0'; p += strspn(p, ", ")) {
		size_t n = strcspn(p, ","), key = strcspn(p, "=");

		while (p[n - 1] == ' ')
			n--;
		if (key == 0 || key >= n)
			return mr_fail(err, MR_EINVAL, "tags: '%.*s' is not key=value",
			    (int)(n < 80 ? n : 80), p);
		if (s3->tagging.len > 0)
			mr_buf_add_char(&s3->tagging, '&');
		mr_sigv4_encode(&s3->tagging, (struct mr_str){ p, key }, false);
		mr_buf_add_char(&s3->tagging, '=');
		mr_sigv4_encode(&s3->tagging, (struct mr_str){ p + key + 1, n - key - 1 }, false);
		p += n;
	}
	mr_buf_add_char(&s3->tagging, '\0');
	return s3->tagging.failed ? mr_fail(err, MR_ELIMIT, "tags: are too long") : MR_OK;
}

enum mr_err
mr_s3_new(struct mr_s3 **out, const struct mr_s3_options *options, struct mr_error *err)
{
	struct mr_s3 *s3 = calloc(1, sizeof *s3);
	struct mr_http_options http;
	enum mr_err e = MR_ENOMEM;

	*out = NULL;
	if (s3 == NULL)
		return mr_fail(err, e, "no memory for an S3 client");
	mr_http_response_init(&s3->response, MR_S3_MAX_ANSWER);
	mr_buf_init(&s3->tagging, MAX_TAGGING);
	if (!copy_options(&s3->options, options))
		(void)mr_fail(err, e, "no memory for an S3 client");
	else if ((e = check_options(&s3->options, err)) == MR_OK &&
	    (e = set_tagging(s3, err)) == MR_OK &&
	    (e = set_endpoint(s3, err)) == MR_OK) {
		http = (struct mr_http_options){ .ca_file = s3->options.ca_file,
			.insecure = s3->options.insecure, .stop = s3->options.stop,
			.connect_timeout_ms = s3->options.connect_timeout_ms,
			.stall_timeout_s = s3->options.stall_timeout_s };
		e = mr_http_new(&s3->http, &http, err);
	}
	if (e == MR_OK)
		*out = s3;
	else
		mr_s3_free(s3);
	return e;
}

void
mr_s3_free(struct mr_s3 *s3)
{
	if (s3 == NULL)
		return;
	mr_copies_free(&s3->options, strings, N_STRINGS);
	free(s3->authority);
	mr_buf_free(&s3->tagging);
	mr_http_free(s3->http);
	mr_http_response_free(&s3->response);
	free(s3);
}

const char *
mr_s3_error_code(const struct mr_s3 *s3)
{
	return s3->code;
}

bool
mr_s3_was_answered(const struct mr_s3 *s3)
{
	return s3->response.status != 0;
}

int64_t
mr_s3_clock_skew_s(const struct mr_s3 *s3)
{
	return s3->skew_us / MR_US_PER_S;
}

int64_t
mr_s3_retries(const struct mr_s3 *s3)
{
	return s3->retries;
}

/* --- one attempt ------------------------------------------------------------ */

/* What stays the same in every attempt of a call. */
struct attempt {
	struct mr_pair query[4];
	size_t n_query;
	struct mr_pair headers[16];
	size_t n_headers;
	char keep_until[MR_CLOCK_TEXT];
	char part[16];
	char host[MAX_HOST];
	struct mr_buf path; /* not encoded */
	unsigned char sha256[MR_SHA256_BYTES]; /* of the body */
	char body_sha256[MR_SHA256_HEX];       /* the same */
	char checksum[MR_S3_CHECKSUM_TEXT];
	bool delivered;     /* a piece of the body was handed over */
	const struct mr_s3_call *call;
};

static void
add_header(struct attempt *a, const char *name, const char *value)
{
	if (value != NULL)
		a->headers[a->n_headers++] = (struct mr_pair){ name, mr_str(value) };
}

/* That of the body, or which one the parts will have. */
static void
set_checksum(struct attempt *a, enum mr_checksum kind)
{
	enum mr_s3_op op = a->call->op;
	const char *header = mr_s3_checksum_header(kind);

	if (op == MR_S3_CREATE_UPLOAD)
		add_header(a, "x-amz-checksum-algorithm", mr_s3_checksum_algorithm(kind));
	if (header == NULL || (op != MR_S3_PUT_OBJECT && op != MR_S3_UPLOAD_PART))
		return;
	mr_s3_checksum_put(kind, a->call->body, a->sha256, a->checksum);
	add_header(a, header, a->checksum);
}

/* How long the object may not be changed, to the second. */
static void
set_lock(struct attempt *a, const struct mr_s3 *s3)
{
	static const char *const modes[] = { [MR_LOCK_GOVERNANCE] = "GOVERNANCE",
		[MR_LOCK_COMPLIANCE] = "COMPLIANCE" };
	const struct mr_s3_options *o = &s3->options;

	if (o->legal_hold)
		add_header(a, "x-amz-object-lock-legal-hold", "ON");
	if (o->object_lock == MR_LOCK_OFF)
		return;
	mr_clock_format(mr_clock_now_us() + s3->skew_us + o->object_lock_days * DAY_US,
	    a->keep_until);
	snprintf(a->keep_until + sizeof "2025-06-22T12:00:00" - 1, 2, "Z");
	add_header(a, "x-amz-object-lock-mode", modes[o->object_lock]);
	add_header(a, "x-amz-object-lock-retain-until-date", a->keep_until);
}

/* What an object is to be, besides its bytes. */
static void
set_object_headers(struct attempt *a, const struct mr_s3 *s3)
{
	const struct mr_s3_options *o = &s3->options;

	add_header(a, "Content-Type", a->call->content_type);
	add_header(a, "x-amz-server-side-encryption", o->sse);
	add_header(a, "x-amz-server-side-encryption-aws-kms-key-id", o->kms_key_id);
	add_header(a, "x-amz-storage-class", o->storage_class);
	add_header(a, "x-amz-acl", o->acl);
	add_header(a, "x-amz-tagging", s3->tagging.p[0] != '\0' ? s3->tagging.p : NULL);
	set_lock(a, s3);
}

static void
set_headers(struct attempt *a, const struct mr_s3 *s3)
{
	const struct mr_s3_options *o = &s3->options;
	enum mr_s3_op op = a->call->op;

	a->n_headers = 0;
	if (op == MR_S3_PUT_OBJECT || op == MR_S3_CREATE_UPLOAD)
		set_object_headers(a, s3);
	if (o->requester_pays)
		add_header(a, "x-amz-request-payer", "requester");
	set_checksum(a, o->checksum);
	if (o->if_none_match && (op == MR_S3_PUT_OBJECT || op == MR_S3_COMPLETE_UPLOAD))
		add_header(a, "If-None-Match", "*");
	if (op == MR_S3_COMPLETE_UPLOAD)
		add_header(a, "Content-Type", "application/xml");
}

static void
set_query(struct attempt *a, const struct mr_s3_call *call)
{
	if (call->op == MR_S3_CREATE_UPLOAD)
		a->query[a->n_query++] = (struct mr_pair){ "uploads", MR_STR_LIT("") };
	if (call->op == MR_S3_LIST_UPLOADS) {
		a->query[a->n_query++] = (struct mr_pair){ "uploads", MR_STR_LIT("") };
		a->query[a->n_query++] = (struct mr_pair){ "prefix", mr_str(call->key) };
	}
	if (call->op == MR_S3_UPLOAD_PART) {
		snprintf(a->part, sizeof a->part, "%d", call->part);
		a->query[a->n_query++] = (struct mr_pair){ "partNumber", mr_str(a->part) };
	}
	if (call->upload_id != NULL)
		a->query[a->n_query++] = (struct mr_pair){ "uploadId", mr_str(call->upload_id) };
}

static bool
virtual_host(const struct mr_s3 *s3, const char *bucket)
{
	if (s3->options.style == MR_S3_AUTO)
		return s3->aws && strchr(bucket, '.') == NULL;
	return s3->options.style == MR_S3_VIRTUAL;
}

static enum mr_err
check_names(const struct mr_s3_call *call, struct mr_error *err)
{
	size_t n = strlen(call->bucket), key_n = call->key != NULL ? strlen(call->key) : 1;

	if (n < 3 || n > 255 || strspn(call->bucket, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") != n)
		return mr_fail(err, MR_EINVAL, "bucket '%.80s': is no bucket's name; 3 to 63 "
		    "lower-case letters, digits, dots and hyphens are", call->bucket);
	if (key_n == 0 || key_n > MR_S3_MAX_KEY)
		return mr_fail(err, MR_EINVAL, "bucket %.80s: a key of %zu bytes is not possible; 1 to "
		    "%d are", call->bucket, key_n, MR_S3_MAX_KEY);
	return MR_OK;
}

static void
hash_body(struct attempt *a)
{
	struct mr_sha256 sha256;

	mr_sha256_init(&sha256);
	mr_sha256_add(&sha256, a->call->body.p, a->call->body.n);
	mr_sha256_final(&sha256, a->sha256);
	mr_secret_hex(a->sha256, sizeof a->sha256, a->body_sha256);
}

static enum mr_err
prepare(struct attempt *a, const struct mr_s3 *s3, const struct mr_s3_call *call,
    struct mr_error *err)
{
	bool host = virtual_host(s3, call->bucket), whole = call->op == MR_S3_LIST_UPLOADS;
	const char *key = whole ? NULL : call->key;
	enum mr_err e = check_names(call, err);

	*a = (struct attempt){ .call = call };
	mr_buf_init(&a->path, 4 * MR_S3_MAX_KEY);
	if (e != MR_OK)
		return e;
	snprintf(a->host, sizeof a->host, "%s%s%s", host ? call->bucket : "", host ? "." : "",
	    s3->authority);
	if (!host)
		mr_buf_printf(&a->path, "/%s", call->bucket);
	mr_buf_printf(&a->path, "/%s", key != NULL ? key : "");
	if (!host && key == NULL)
		a->path.len--; /* a bucket by itself has no slash behind it */
	hash_body(a);
	set_headers(a, s3);
	set_query(a, call);
	return a->path.failed ? mr_fail(err, MR_ENOMEM, "no memory for a request") : MR_OK;
}

static bool
deliver(void *arg, const char *p, size_t n)
{
	struct attempt *a = arg;

	a->delivered = true;
	return a->call->take(a->call->take_arg, p, n);
}

/* Signs with the credentials of now and sends. */
static enum mr_err
send_once(struct mr_s3 *s3, struct attempt *a, struct mr_error *err)
{
	const char *method = mr_s3_op_method(a->call->op);
	struct mr_sigv4_request r = { .method = method, .host = mr_str(a->host),
		.path = mr_buf_str(&a->path), .query = a->query, .n_query = a->n_query,
		.headers = a->headers, .n_headers = a->n_headers, .body_sha256 = a->body_sha256,
		.region = s3->options.region, .service = "s3",
		.now_us = mr_clock_now_us() + s3->skew_us };
	struct mr_http_request request = { .method = method, .body = a->call->body };
	const struct mr_creds *creds;
	struct mr_sigv4_signed s;
	struct mr_buf url;
	enum mr_err e;

	s3->response.status = 0;
	if ((e = mr_creds_get(s3->options.creds, &creds, err)) != MR_OK)
		return e;
	mr_sigv4_init(&s);
	mr_buf_init(&url, 16 * MR_S3_MAX_KEY);
	if ((e = mr_sigv4_sign(&r, creds, &s, err)) == MR_OK) {
		mr_buf_add_cstr(&url, s3->scheme);
		mr_buf_add_cstr(&url, a->host);
		mr_buf_add_str(&url, mr_buf_str(&s.target));
		mr_buf_add_char(&url, '\0');
		request.url = url.p;
		request.headers = s.headers;
		request.n_headers = s.n_headers;
		s3->response.take = a->call->take != NULL ? deliver : NULL;
		s3->response.take_arg = a;
		e = url.failed ? mr_fail(err, MR_ELIMIT, "the URL of a request is too long") :
		    mr_http_do(s3->http, &request, &s3->response, err);
	}
	mr_buf_free(&url);
	mr_sigv4_free(&s);
	return e;
}

/* --- attempts --------------------------------------------------------------- */

static bool
stopped(const struct mr_s3 *s3)
{
	return s3->options.stop != NULL && *s3->options.stop != 0;
}

/* Sleeps; ends early when told to stop. */
static void
wait_ms(const struct mr_s3 *s3, int64_t ms)
{
	int64_t end = mr_clock_mono_ms() + ms, left;
	struct timespec pause;

	while (!stopped(s3) && (left = end - mr_clock_mono_ms()) > 0) {
		left = left < WAIT_SLICE_MS ? left : WAIT_SLICE_MS;
		pause = (struct timespec){ .tv_nsec = (long)(left * 1000000) };
		(void)nanosleep(&pause, NULL);
	}
}

/* Full jitter: anything from nothing to the limit, which doubles with each attempt. */
static int64_t
backoff_ms(const struct mr_s3 *s3, int64_t attempt)
{
	int64_t most = s3->options.backoff_ms;

	while (attempt-- > 0 && most < s3->options.backoff_most_ms)
		most *= 2;
	if (most > s3->options.backoff_most_ms)
		most = s3->options.backoff_most_ms;
	return mr_secret_random_below((uint32_t)most + 1);
}

/* A number of seconds, at most `most_ms`; 0: it is none. */
static int64_t
seconds_ms(struct mr_str text, int64_t most_ms)
{
	int64_t ms = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return 0;
		ms = ms * 10 + (text.p[i] - '0') * 1000;
		ms = ms < most_ms ? ms : most_ms;
	}
	return ms;
}

/* How long a busy server asks us to wait (RFC 9110, section 10.2.3), up to our own limit. */
static int64_t
asked_ms(const struct mr_s3 *s3)
{
	int64_t most_ms = s3->options.backoff_most_ms, then_us, ms;
	struct mr_str after = mr_http_header(&s3->response, "Retry-After");

	if (s3->response.status != 429 && s3->response.status != 503)
		return 0;
	if (!mr_http_date(after, &then_us))
		return seconds_ms(after, most_ms);
	ms = (then_us - mr_clock_now_us() - s3->skew_us) / 1000;
	return ms < 0 ? 0 : ms < most_ms ? ms : most_ms;
}

/* Whether the answer lacks what an answer of success has. */
static const char *
incomplete(const struct mr_s3 *s3, const struct mr_s3_call *call)
{
	struct mr_str body = mr_buf_str(&s3->response.body);
	char id[MR_S3_MAX_UPLOAD_ID];

	if (call->op == MR_S3_UPLOAD_PART && mr_http_header(&s3->response, "ETag").n < 3)
		return "no ETag";
	if (call->op == MR_S3_CREATE_UPLOAD &&
	    (!mr_xml_text(body, "UploadId", id, sizeof id) || id[0] == '\0'))
		return "no UploadId";
	if (call->op == MR_S3_COMPLETE_UPLOAD && !mr_str_eq(mr_xml_root(body),
	    MR_STR_LIT("CompleteMultipartUploadResult")))
		return "no CompleteMultipartUploadResult";
	return NULL;
}

static enum mr_err
describe(const struct mr_s3 *s3, const struct mr_s3_call *call, enum mr_err code,
    const char *what, struct mr_error *err)
{
	char advice[256];

	mr_s3_advise(s3, call, advice, sizeof advice);
	return mr_fail(err, code, "bucket %.64s at %.64s: %s: %.200s%s", call->bucket, s3->authority,
	    mr_s3_op_name(call->op), what, advice);
}

/* Stores that do not know these headers say NotImplemented, or name the one they met. */
static bool
refuses_checksum(const struct attempt *a, int status, const char *message)
{
	for (size_t i = 0; i < a->n_headers; i++)
		if (strncmp(a->headers[i].name, "x-amz-checksum-", 15) == 0)
			return status == 501 || (status == 400 && strstr(message, "checksum") != NULL);
	return false;
}

/*
 * One attempt, judged. MR_OK: done. Else *err says what was wrong and *verdict
 * what to do.
 */
static enum mr_err
attempt_once(struct mr_s3 *s3, struct attempt *a, enum mr_s3_verdict *verdict,
    struct mr_error *err)
{
	const struct mr_s3_call *call = a->call;
	struct mr_error why = MR_ERROR_INIT;
	enum mr_err e = send_once(s3, a, &why);
	int status = s3->response.status;
	struct mr_str body = mr_buf_str(&s3->response.body);
	const char *missing;
	char text[256], message[128];

	s3->code[0] = '\0';
	if (e != MR_OK) {
		*verdict = e == MR_EAGAIN && !a->delivered ? MR_S3_RETRY : MR_S3_FINAL;
		return mr_fail(err, e, "bucket %.64s: %s: %.350s", call->bucket,
		    mr_s3_op_name(call->op), why.text);
	}
	if (status / 100 == 2 && !mr_str_eq(mr_xml_root(body), MR_STR_LIT("Error"))) {
		if ((missing = incomplete(s3, call)) == NULL)
			return MR_OK;
		*verdict = MR_S3_RETRY;
		return mr_fail(err, MR_EAGAIN, "bucket %.64s at %.64s: %s: an answer with %s in it; is "
		    "the endpoint that of an S3 service?", call->bucket, s3->authority,
		    mr_s3_op_name(call->op), missing);
	}
	(void)mr_xml_text(body, "Code", s3->code, sizeof s3->code);
	(void)mr_xml_text(body, "Message", message, sizeof message);
	/* A 200 that turned into an error while it was written is S3's own fault. */
	*verdict = status / 100 == 2 ? mr_s3_judge(500, s3->code) :
	    mr_s3_judge(status, s3->code);
	if (*verdict == MR_S3_FINAL && refuses_checksum(a, status, message))
		*verdict = MR_S3_CHECKSUM;
	snprintf(text, sizeof text, "%s%sstatus %d%s%s", s3->code, s3->code[0] != '\0' ? ", " : "",
	    status, message[0] != '\0' ? ", " : "", message);
	return describe(s3, call, *verdict == MR_S3_RETRY ? MR_EAGAIN : MR_EINVAL, text, err);
}

/* Takes over the server's time; false when that changes nothing. */
static bool
correct_clock(struct mr_s3 *s3)
{
	int64_t theirs, before = s3->skew_us;

	if (!mr_http_date(mr_http_header(&s3->response, "Date"), &theirs))
		return false;
	s3->skew_us = theirs - mr_clock_now_us();
	return llabs(s3->skew_us - before) > 60 * MR_US_PER_S;
}

/* From here on with a checksum that every store takes, if it was free to choose; else false. */
static bool
change_checksum(struct mr_s3 *s3, struct attempt *a)
{
	if (s3->options.checksum != MR_CHECKSUM_AUTO)
		return false;
	s3->options.checksum = MR_CHECKSUM_MD5;
	set_headers(a, s3);
	return true;
}

/* Whether what stood in the way was put right, so that it can be sent again at once. */
static bool
put_right(struct mr_s3 *s3, struct attempt *a, enum mr_s3_verdict verdict, bool *clock,
    bool *creds)
{
	if (verdict == MR_S3_CHECKSUM)
		return change_checksum(s3, a);
	if (verdict == MR_S3_SKEWED && !*clock) {
		*clock = true;
		return correct_clock(s3);
	}
	if (verdict == MR_S3_EXPIRED && !*creds) {
		*creds = true;
		return mr_creds_expire(s3->options.creds);
	}
	return false;
}

/* Adds how often it was tried. */
static enum mr_err
give_up(enum mr_err e, int64_t attempts, const struct mr_error *why, struct mr_error *err)
{
	if (attempts < 2)
		return mr_fail(err, e, "%s", why->text);
	return mr_fail(err, e, "%.460s (attempt %lld)", why->text, (long long)attempts);
}

enum mr_err
mr_s3_do(struct mr_s3 *s3, const struct mr_s3_call *call, struct mr_s3_outcome *outcome,
    struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	enum mr_s3_verdict verdict = MR_S3_FINAL;
	bool clock = false, creds = false, uncertain = false;
	struct attempt a;
	enum mr_err e = prepare(&a, s3, call, &why);
	int64_t failed = 0;

	while (e == MR_OK) {
		if (stopped(s3)) {
			e = mr_fail(&why, MR_EAGAIN, "bucket %.64s: %s: stopped by a signal",
			    call->bucket, mr_s3_op_name(call->op));
			break;
		}
		e = attempt_once(s3, &a, &verdict, &why);
		uncertain = uncertain || s3->response.reconnected;
		if (e == MR_OK)
			break;
		failed++;
		if (verdict == MR_S3_RETRY && failed < s3->options.max_attempts && !stopped(s3)) {
			uncertain = true;
			wait_ms(s3, asked_ms(s3) + backoff_ms(s3, failed - 1));
		} else if (!put_right(s3, &a, verdict, &clock, &creds)) {
			break;
		}
		s3->retries++;
		e = MR_OK;
	}
	mr_buf_free(&a.path);
	s3->response.take = NULL;
	if (outcome != NULL)
		*outcome = (struct mr_s3_outcome){ s3->response.status, uncertain, "" };
	if (outcome != NULL && e == MR_OK)
		memcpy(outcome->checksum, a.checksum, sizeof a.checksum);
	return e == MR_OK ? MR_OK : give_up(e, failed, &why, err);
}
