/*
 * Taking events: see collect.h. A request becomes a batch, the writer stores
 * it, and what became of it is told in one of the documented answers.
 */
#include "collect.h"

#include <stdio.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "client.h"
#include "cors.h"
#include "counters/stats.h"
#include "dialect.h"
#include "format/body.h"
#include "format/event.h"
#include "format/gzip.h"
#include "format/utf8.h"
#include "limits.h"
#include "privacy/privacy.h"
#include "response.h"

/* Longest host name, RFC 1035 section 2.3.4, as good as a site. */
#define MAX_HOST 255
/* A compressed body may become so many times as large, and in any case so large. */
#define MAX_RATIO ((size_t)100)
#define RATIO_FLOOR ((size_t)64 * 1024)

/* Bytes of a site in the log: each may take four there. */
#define LOGGED_SITE 64

/* A transparent GIF of one pixel. */
static const char pixel[43] = "GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00"
    "!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02"
    "D\x01\x00;";

/* One request on its way, and what became of it. */
struct taking {
	struct mr_buf body; /* the batch's texts point into it */
	struct mr_batch batch;
	struct mr_ip client; /* as it is, not anonymised */
	struct mr_job job;
	const struct mr_dialect_path *dialect; /* NULL: our own API */
	struct mr_error err;
	int64_t started_us; /* monotonic */
	int64_t wait_s; /* of a request beyond a limit */
	int status; /* 0: the job's receipt tells; else refused with err */
};

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The length of the URL's scheme, RFC 3986 section 3.1; 0: it has none. */
static size_t
scheme_of(struct mr_str url)
{
	size_t n = 0;

	if (url.n == 0 || !is_letter(url.p[0]))
		return 0;
	while (n < url.n && (is_letter(url.p[n]) || (url.p[n] >= '0' && url.p[n] <= '9') ||
	    url.p[n] == '+' || url.p[n] == '-' || url.p[n] == '.'))
		n++;
	return n;
}

/* What is between the scheme and the path, RFC 3986 section 3.2; n == 0: nothing. */
static struct mr_str
authority_of(struct mr_str url)
{
	size_t start = scheme_of(url), end;

	if (start == 0 || url.n - start < 3 || memcmp(url.p + start, "://", 3) != 0)
		return MR_STR_NULL;
	start += 3;
	for (end = start; end < url.n && strchr("/?#", url.p[end]) == NULL; end++)
		;
	return (struct mr_str){ url.p + start, end - start };
}

/*
 * [userinfo "@"] host [":" port]. An IPv6 address keeps its brackets, as in the
 * browser's location.hostname, which the tracker sends.
 */
static struct mr_str
host_in(struct mr_str authority)
{
	size_t start = 0, end;

	if (authority.n == 0)
		return MR_STR_NULL;
	for (size_t i = 0; i < authority.n; i++)
		if (authority.p[i] == '@')
			start = i + 1;
	end = start;
	if (end < authority.n && authority.p[end] == '[') {
		while (end < authority.n && authority.p[end] != ']')
			end++;
		if (end == authority.n)
			return MR_STR_NULL;
		end++;
	}
	while (end < authority.n && authority.p[end] != ':')
		end++;
	return (struct mr_str){ authority.p + start, end - start };
}

/* The host of an absolute URL in lower case; p == NULL: it has none. */
static struct mr_str
host_of(struct mr_arena *arena, struct mr_str url)
{
	struct mr_str host = host_in(authority_of(url));
	char *lower;

	if (host.n == 0 || host.n > MAX_HOST || (lower = mr_arena_alloc(arena, host.n)) == NULL)
		return MR_STR_NULL;
	for (size_t i = 0; i < host.n; i++) {
		unsigned char c = (unsigned char)host.p[i];

		lower[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
		if (c <= ' ' || c >= 0x7f)
			return MR_STR_NULL;
	}
	return (struct mr_str){ lower, host.n };
}

static struct mr_str
default_site(const struct mr_worker *worker, const struct mr_request *request)
{
	struct mr_str site = host_of(request->arena, request->origin);

	if (site.p == NULL)
		site = host_of(request->arena, request->referer);
	return site.p != NULL ? site : mr_str(worker->conf->default_site);
}

/* A header as text that PostgreSQL can hold. */
static struct mr_str
clean(struct mr_arena *arena, struct mr_str s)
{
	char *to;
	size_t i = 0;

	while (i < s.n && (unsigned char)s.p[i] < 0x80)
		i++;
	if (i == s.n)
		return s;
	to = mr_arena_array(arena, s.n, 3);
	if (to == NULL)
		return MR_STR_NULL;
	return (struct mr_str){ to, mr_utf8_mend(to, s.p, s.n) };
}

static struct mr_event_context
context_of(const struct mr_worker *worker, const struct mr_request *request,
    const struct taking *t)
{
	struct mr_event_context ctx = {
		.received_us = mr_clock_now_us(),
		.default_site = default_site(worker, request),
		.user_agent = clean(request->arena, request->user_agent),
		.client_ip = t->client,
		.max_batch_events = (size_t)worker->conf->max_batch_events,
		.drop_visitor = worker->conf->visitor_id != MR_VISITOR_CLIENT,
	};

	mr_ip_anonymize(&ctx.client_ip, (enum mr_ip_privacy)worker->conf->client_ip);
	return ctx;
}

/* The HTTP status for an error of reading or decoding. */
static int
status_of(enum mr_err e)
{
	if (e == MR_ELIMIT)
		return 413;
	if (e == MR_EAGAIN)
		return 408;
	return e == MR_EINVAL ? 400 : 503;
}

/* How long the body is, or may be at most; 0, or the status of the refusal. */
static int
read_length(const struct mr_worker *worker, const struct mr_request *request, size_t *length,
    struct mr_error *err)
{
	struct mr_str text = request->content_length;
	size_t most = (size_t)worker->conf->max_body_bytes, n = 0;

	if (mr_request_is_open_ended(request)) {
		*length = most;
		return 0;
	}
	if (text.n == 0) {
		(void)mr_fail(err, MR_EINVAL, "there is neither Content-Length nor a body");
		return 411;
	}
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9') {
			(void)mr_fail(err, MR_EINVAL, "Content-Length is not a number");
			return 400;
		}
		/* Stays above `most` once it is, without overflowing. */
		if (n <= most)
			n = n * 10 + (size_t)(text.p[i] - '0');
	}
	if (n > most) {
		(void)mr_fail(err, MR_ELIMIT, "the body has %.20s bytes, at most %zu are taken",
		    text.p, most);
		return 413;
	}
	*length = n;
	return 0;
}

/* Undoes a compression. */
typedef enum mr_err unpacker(struct mr_str in, struct mr_buf *out, struct mr_error *err);

/* 0, or the status of the refusal. *unpack is NULL when there is nothing to undo. */
static int
read_encoding(struct mr_str encoding, unpacker **unpack, struct mr_error *err)
{
	static const struct {
		const char *name;
		unpacker *unpack;
	} known[] = { { "identity", NULL }, { "gzip", mr_gunzip }, { "x-gzip", mr_gunzip },
		{ "deflate", mr_inflate } };

	*unpack = NULL;
	if (encoding.n == 0)
		return 0;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (strlen(known[i].name) == encoding.n &&
		    strncasecmp(known[i].name, encoding.p, encoding.n) == 0) {
			*unpack = known[i].unpack;
			return 0;
		}
	}
	(void)mr_fail(err, MR_EINVAL, "Content-Encoding is neither gzip, deflate nor identity");
	return 415;
}

/*
 * Undoes a compression. A body that becomes so much larger was made for that: those of 1,000
 * members whose keys repeat are 10 to 40 times as large as their gzip.
 */
static enum mr_err
unpack_all(unpacker *unpack, struct mr_str packed, struct mr_buf *body, struct mr_error *err)
{
	size_t max_body = body->max, most = packed.n * MAX_RATIO;
	enum mr_err e;

	most = most > RATIO_FLOOR ? most : RATIO_FLOOR;
	body->max = most < max_body ? most : max_body;
	e = unpack(packed, body, err);
	if (e == MR_ELIMIT && most < max_body)
		e = mr_fail(err, e, "the body becomes more than %zu bytes of %zu: send it as it "
		    "is, or less repetition", most, packed.n);
	body->max = max_body;
	return e;
}

/* Reads the body, its compression undone, into *body. 0, or the status of the refusal. */
static int
read_body(const struct mr_worker *worker, struct mr_request *request, struct mr_buf *body,
    struct mr_error *err)
{
	struct mr_buf packed;
	size_t length;
	unpacker *unpack;
	int status;
	enum mr_err e;

	if ((status = read_length(worker, request, &length, err)) != 0 ||
	    (status = read_encoding(request->content_encoding, &unpack, err)) != 0)
		return status;
	if (unpack == NULL) {
		e = mr_request_body(request, length, body, err);
		return e != MR_OK ? status_of(e) : 0;
	}
	mr_buf_init(&packed, length);
	e = mr_request_body(request, length, &packed, err);
	if (e == MR_OK)
		e = unpack_all(unpack, mr_buf_str(&packed), body, err);
	mr_buf_free(&packed);
	return e != MR_OK ? status_of(e) : 0;
}

static void
count_rejects(const struct mr_batch *batch)
{
	size_t by_database = 0;

	for (size_t i = 0; i < batch->n_rejects; i++)
		by_database += batch->rejects[i].sqlstate.p != NULL;
	mr_stat_add(MR_STAT_EVENTS_REJECTED, batch->n_rejects);
	mr_stat_add(MR_STAT_REJECTED_DATABASE, by_database);
	mr_stat_add(MR_STAT_REJECTED_INVALID, batch->n_rejects - by_database);
}

/* Rows that were kept now; those that were stored before are no part of it. */
static size_t
n_kept(const struct taking *t)
{
	return t->batch.n_rows - t->job.receipt.repeated;
}

static void
count_kept(const struct taking *t, enum mr_stat events, enum mr_stat requests)
{
	const struct mr_batch *batch = &t->batch;

	mr_stat_add(events, n_kept(t));
	mr_stat_add(MR_STAT_EVENTS_DUPLICATE, t->job.receipt.repeated);
	mr_stat_add(batch->n_rejects > 0 ? MR_STAT_REQUESTS_PARTIAL : requests, 1);
	if (batch->n_rejects > 0)
		count_rejects(batch);
}

static void
count_refused(int status)
{
	static const struct {
		int status;
		enum mr_stat why;
	} reasons[] = { { 400, MR_STAT_REFUSED_MALFORMED }, { 408, MR_STAT_REFUSED_TIMEOUT },
		{ 411, MR_STAT_REFUSED_NO_LENGTH }, { 413, MR_STAT_REFUSED_TOO_LARGE },
		{ 415, MR_STAT_REFUSED_ENCODING } };

	mr_stat_add(MR_STAT_REQUESTS_REFUSED, 1);
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].status == status)
			mr_stat_add(reasons[i].why, 1);
}

/* A request that the writer did not get. */
static void
count_unwritten(const struct taking *t)
{
	if (t->status == 503)
		mr_stat_add(MR_STAT_REQUESTS_UNAVAILABLE, 1);
	else
		count_refused(t->status);
}

static void
count_written(const struct taking *t)
{
	switch (t->job.receipt.outcome) {
	case MR_STORED:
		count_kept(t, MR_STAT_EVENTS_STORED, MR_STAT_REQUESTS_STORED);
		break;
	case MR_SPOOLED:
		count_kept(t, MR_STAT_EVENTS_QUEUED, MR_STAT_REQUESTS_QUEUED);
		break;
	case MR_DUPLICATE:
		mr_stat_add(MR_STAT_EVENTS_DUPLICATE, t->batch.n_rows + t->batch.n_rejects);
		mr_stat_add(MR_STAT_REQUESTS_DUPLICATE, 1);
		break;
	case MR_REFUSED:
		mr_stat_add(MR_STAT_REQUESTS_REFUSED, 1);
		mr_stat_add(MR_STAT_REFUSED_DATABASE, 1);
		count_rejects(&t->batch);
		break;
	case MR_UNAVAILABLE:
		mr_stat_add(MR_STAT_REQUESTS_UNAVAILABLE, 1);
		break;
	}
	mr_stat_add(MR_STAT_BAD_TIMESTAMPS, t->batch.bad_times);
	mr_stat_add(MR_STAT_BAD_IDS, t->batch.bad_ids);
	mr_hist_add(MR_HIST_REQUEST_EVENTS, t->batch.n_rows + t->batch.n_rejects);
}

/* What became of a request; behind settle(). */
static void
count(const struct taking *t)
{
	mr_hist_add(MR_HIST_REQUEST_US, (uint64_t)(mr_clock_mono_us() - t->started_us));
	if (t->job.batch != NULL)
		count_written(t);
	else
		count_unwritten(t);
}

/* Whether there is nothing to wait for; else it is refused. */
static bool
is_within(struct taking *t, int64_t wait_s, enum mr_stat why, const char *who)
{
	if (wait_s == 0)
		return true;
	mr_stat_add(why, 1);
	t->wait_s = wait_s;
	t->status = 429;
	(void)mr_fail(&t->err, MR_EAGAIN, "more comes %s than is taken; send it again later", who);
	return false;
}

/* Before anything of it is read. */
static bool
may_ask(const struct mr_worker *worker, const struct mr_request *request, struct taking *t)
{
	size_t length = 0;

	(void)read_length(worker, request, &length, NULL);
	return is_within(t, mr_limits_address(worker->limits, &t->client, length + request->query.n),
	    MR_STAT_REFUSED_ADDRESS_LIMIT, "from this address");
}

/* Leaves the decoded batch for the writer. */
static void
store(const struct mr_worker *worker, struct mr_request *request, struct mr_response *response,
    struct taking *t)
{
	if (!is_within(t, mr_limits_sites(worker->limits, &t->batch), MR_STAT_REFUSED_SITE_LIMIT,
	    "for a site"))
		return;
	mr_privacy_apply(worker->privacy, &t->client, request->arena, &t->batch);
	t->job = (struct mr_job){ .batch = &t->batch, .arena = request->arena };
	response->job = &t->job;
}

/*
 * Why the database refused an event, as far as it is a stranger's business: its message
 * tells how tables and constraints are called and what else a row has. That is in the log,
 * and in rejected_events.
 */
static void
tell_refusal(struct mr_error *err, const struct mr_reject *reject)
{
	(void)mr_fail(err, MR_EINVAL, "the database refuses a value (SQLSTATE %.*s)",
	    (int)reject->sqlstate.n, reject->sqlstate.p);
}

/* Of a batch of which the database has refused the last of what was left. */
static void
tell_last_refusal(struct mr_error *err, const struct mr_batch *batch)
{
	size_t i = batch->n_rejects;

	while (i > 0 && batch->rejects[i - 1].sqlstate.p == NULL)
		i--;
	if (i > 0)
		tell_refusal(err, &batch->rejects[i - 1]);
	else
		(void)mr_fail(err, MR_EINVAL, "the database refuses a value");
}

/* What the writer made of it. */
static void
settle(struct taking *t)
{
	const struct mr_batch *batch = &t->batch;
	enum mr_outcome outcome = t->job.receipt.outcome;

	if (batch->is_batch)
		mr_log_info("Processing batch with %zu individual events", batch->n_members);
	if (outcome == MR_REFUSED) {
		tell_last_refusal(&t->err, batch);
		t->status = 400;
	} else if (outcome == MR_STORED || outcome == MR_SPOOLED) {
		mr_log(batch->is_batch ? MR_LOG_INFO : MR_LOG_DEBUG, "%s %zu events from %.*s",
		    outcome == MR_STORED ? "Bulk inserted" : "Queued", n_kept(t),
		    batch->site_id.n > LOGGED_SITE ? LOGGED_SITE : (int)batch->site_id.n,
		    batch->site_id.p);
	}
}

/* Decodes the body; 0, or the status of the refusal. */
static int
decode_body(const struct mr_worker *worker, const struct mr_request *request, struct taking *t)
{
	struct mr_event_context ctx = context_of(worker, request, t);
	struct mr_dialect_request dialect;
	enum mr_err e;

	if (t->dialect == NULL) {
		e = mr_body_decode(request->arena, request->content_type, t->body.p, t->body.len,
		    &ctx, &t->batch, &t->err);
		return e == MR_OK ? 0 : status_of(e);
	}
	dialect = mr_dialect_request_of(t->dialect, worker, request);
	e = mr_dialect_decode(request->arena, &dialect, t->body.p, t->body.len, &ctx, &t->batch,
	    &t->err);
	if (e == MR_OK)
		return 0;
	return dialect.unknown_key ? 401 : status_of(e);
}

static void
take_body(struct mr_worker *worker, struct mr_request *request, struct mr_response *response,
    struct taking *t)
{
	if (!may_ask(worker, request, t))
		return;
	t->status = read_body(worker, request, &t->body, &t->err);
	if (t->status == 0)
		t->status = decode_body(worker, request, t);
	if (t->status == 0)
		store(worker, request, response, t);
}

static void
take_query(struct mr_worker *worker, struct mr_request *request, struct mr_response *response,
    struct taking *t)
{
	struct mr_event_context ctx;
	enum mr_err e;

	if (!may_ask(worker, request, t))
		return;
	ctx = context_of(worker, request, t);
	e = mr_event_decode_query(request->arena, request->query, &ctx, &t->batch, &t->err);
	if (e != MR_OK)
		t->status = status_of(e);
	else
		store(worker, request, response, t);
}

static void
write_rejects(struct mr_json_writer *w, const struct mr_batch *batch)
{
	if (batch->n_rejects == 0)
		return;
	mr_json_uint(w, "events_rejected", batch->n_rejects);
	mr_json_array(w, "errors");
	for (size_t i = 0; i < batch->n_rejects; i++) {
		const struct mr_reject *reject = &batch->rejects[i];
		struct mr_error why = MR_ERROR_INIT;

		if (reject->sqlstate.p != NULL)
			tell_refusal(&why, reject);
		mr_json_object(w, NULL);
		mr_json_int(w, "index", reject->index);
		mr_json_text(w, "error", reject->sqlstate.p != NULL ? mr_str(why.text) :
		    reject->reason);
		mr_json_end(w);
	}
	mr_json_end(w);
}

static void
answer_refused(const struct taking *t, struct mr_response *response)
{
	if (t->dialect != NULL) {
		mr_dialect_refuse(t->status, &t->err, response);
	} else {
		write_rejects(mr_response_begin_error(response, t->status, &t->err), &t->batch);
		mr_response_end(response);
	}
	if (t->wait_s > 0)
		mr_response_retry_after(response, t->wait_s);
}

static void
answer_unavailable(const struct mr_worker *worker, const struct taking *t,
    struct mr_response *response)
{
	struct mr_error why = MR_ERROR_INIT;

	(void)mr_fail(&why, MR_EAGAIN, "the events cannot be stored now; send them again later");
	if (t != NULL && t->dialect != NULL)
		mr_dialect_refuse(503, &why, response);
	else
		mr_response_error(response, 503, &why);
	mr_response_retry_after(response, worker->conf->retry_after_s);
}

/* What was kept, in words. */
static struct mr_str
message_of(const struct taking *t, char *text, size_t size)
{
	size_t rejected = t->batch.n_rejects, repeated = t->job.receipt.repeated;
	int n;

	if (t->job.receipt.outcome == MR_DUPLICATE)
		return MR_STR_LIT("batch was received before; nothing stored again");
	n = snprintf(text, size, "%zu event(s) received and %s", n_kept(t),
	    t->job.receipt.outcome == MR_SPOOLED ? "queued" : "stored");
	if (repeated > 0)
		n += snprintf(text + n, size - (size_t)n, ", %zu stored before", repeated);
	if (rejected > 0)
		(void)snprintf(text + n, size - (size_t)n, ", %zu rejected", rejected);
	return mr_str(text);
}

static void
answer_kept(const struct taking *t, struct mr_response *response)
{
	bool duplicate = t->job.receipt.outcome == MR_DUPLICATE;
	bool queued = t->job.receipt.outcome == MR_SPOOLED;
	bool partial = !duplicate && t->batch.n_rejects > 0;
	struct mr_json_writer *w = mr_response_begin(response, queued ? 202 : 200);
	char text[128]; /* three numbers of 20 digits */

	mr_json_text(w, "status", mr_str(queued ? "accepted" : partial ? "partial" : "success"));
	mr_json_text(w, "message", message_of(t, text, sizeof text));
	mr_json_uint(w, "events_processed", duplicate ? 0 : n_kept(t));
	if (duplicate)
		mr_json_bool(w, "duplicate", true);
	if (t->job.receipt.repeated > 0)
		mr_json_uint(w, "duplicates", t->job.receipt.repeated);
	if (partial)
		write_rejects(w, &t->batch);
	mr_response_end(response);
}

static void
answer(const struct taking *t, struct mr_response *response)
{
	if (t->status != 0)
		answer_refused(t, response);
	else if (t->dialect != NULL)
		mr_dialect_answer(t->dialect, response);
	else
		answer_kept(t, response);
}

static void
finish_collect(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response)
{
	struct taking *t = response->state;

	if (response->job != NULL)
		settle(t);
	count(t);
	if (t->status == 503 || (t->status == 0 && t->job.receipt.outcome == MR_UNAVAILABLE))
		answer_unavailable(worker, t, response);
	else
		answer(t, response);
	mr_cors_answer(worker->conf, request->origin, t->batch.site_id, &response->headers);
	mr_buf_free(&t->body);
}

/* A form that only wants the pixel has what it says in its address. */
static bool
has_body(const struct mr_request *request)
{
	return mr_str_eq(request->method, MR_STR_LIT("POST")) &&
	    (request->query.n == 0 || (request->content_length.n > 0 &&
	    !mr_str_eq(request->content_length, MR_STR_LIT("0"))));
}

static const char *
kept_word(const struct taking *t)
{
	if (t->job.receipt.outcome == MR_SPOOLED)
		return "queued";
	return t->job.receipt.outcome == MR_DUPLICATE || n_kept(t) == 0 ? "duplicate" : "stored";
}

static void
finish_pixel(struct mr_worker *worker, struct mr_request *request, struct mr_response *response)
{
	struct taking *t = response->state;

	(void)worker;
	(void)request;
	if (response->job != NULL)
		settle(t);
	count(t);
	mr_buf_free(&t->body);
	response->status = 200;
	response->content_type = "image/gif";
	mr_buf_add(&response->body, pixel, sizeof pixel);
	mr_buf_add_cstr(&response->headers, "Cache-Control: no-store\r\n");
	if (t->status == 429) {
		mr_buf_add_cstr(&response->headers, "X-Millrace: limited\r\n");
	} else if (t->status >= 400 && t->status < 500) {
		mr_buf_printf(&response->headers, "X-Millrace: rejected: %s\r\n", t->err.text);
	} else if (t->status != 0 || t->job.receipt.outcome == MR_UNAVAILABLE) {
		mr_buf_add_cstr(&response->headers, "X-Millrace: unavailable\r\n");
	} else {
		mr_buf_printf(&response->headers, "X-Millrace: %s\r\n", kept_word(t));
	}
}

/* NULL, and the answer is there, when there is no memory. */
static struct taking *
new_taking(const struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response)
{
	struct taking *t = mr_arena_alloc(request->arena, sizeof *t);

	mr_stat_add(MR_STAT_REQUESTS, 1);
	if (t == NULL) {
		answer_unavailable(worker, NULL, response);
		return NULL;
	}
	*t = (struct taking){ .err = MR_ERROR_INIT, .started_us = mr_clock_mono_us(),
		.client = mr_client_address(worker, request) };
	mr_buf_init(&t->body, (size_t)worker->conf->max_body_bytes);
	response->state = t;
	return t;
}

void
mr_collect_serve(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response)
{
	struct taking *t = new_taking(worker, request, response);

	if (t == NULL)
		return;
	response->finish = finish_collect;
	if (mr_str_eq(request->method, MR_STR_LIT("POST")))
		take_body(worker, request, response, t);
	else
		take_query(worker, request, response, t);
	if (response->job == NULL)
		finish_collect(worker, request, response);
}

void
mr_collect_dialect(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response)
{
	struct taking *t = new_taking(worker, request, response);

	if (t == NULL)
		return;
	t->dialect = mr_dialect_find(request->path);
	response->finish = finish_collect;
	take_body(worker, request, response, t);
	if (response->job == NULL)
		finish_collect(worker, request, response);
}

void
mr_collect_pixel(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response)
{
	struct taking *t = new_taking(worker, request, response);

	if (t == NULL)
		return;
	response->finish = finish_pixel;
	if (has_body(request))
		take_body(worker, request, response, t);
	else
		take_query(worker, request, response, t);
	if (response->job == NULL)
		finish_pixel(worker, request, response);
}
