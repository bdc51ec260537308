/*
 * Other collectors' APIs: format/dialect.h. What was decoded is written as text (rendered.h).
 */
#include "format/dialect.h"

#include "../tap.h"
#include "base/buf.h"
#include "base/clock.h"
#include "rendered.h"

/* 2026-01-02T03:04:05.000Z */
#define RECEIVED (INT64_C(1767323045) * MR_US_PER_S)

static struct mr_arena arena;
static struct mr_batch batch;
static struct mr_error err;
static struct mr_conf_site sites[] = { { .name = (char *)(uintptr_t)"shop",
	.write_key = (char *)(uintptr_t)"key-of-shop" } };
static struct mr_conf conf = { .max_batch_bytes = 20000, .max_message_bytes = 500, .sites = sites,
	.n_sites = 1 };
static struct mr_dialect_request request;
static struct mr_event_context ctx = { .received_us = RECEIVED,
	.default_site = MR_STR_LIT("default"), .max_batch_events = 10 };

static enum mr_err
decode_as(const char *path, const char *authorization, struct mr_str body)
{
	static char *copy;

	mr_arena_reset(&arena);
	err = (struct mr_error)MR_ERROR_INIT;
	free(copy);
	copy = malloc(body.n != 0 ? body.n : 1);
	if (copy == NULL)
		bail("no memory");
	memcpy(copy, body.p, body.n);
	request = (struct mr_dialect_request){ .path = mr_dialect_find(mr_str(path)),
		.conf = &conf, .authorization = mr_str(authorization) };
	if (request.path == NULL)
		bail("no such path");
	return mr_dialect_decode(&arena, &request, copy, body.n, &ctx, &batch, &err);
}

static void
test_paths(void)
{
	static const struct {
		int line;
		const char *path, *kind; /* "batch": one; NULL: no path of a dialect */
	} rows[] = {
		{ __LINE__, "/v1/batch", "batch" }, { __LINE__, "/v1/b", "batch" },
		{ __LINE__, "/v1/import", "batch" }, { __LINE__, "/t/v1/batch/", "batch" },
		{ __LINE__, "/v1/track", "track" }, { __LINE__, "/v1/t", "track" },
		{ __LINE__, "/v1/page", "page" }, { __LINE__, "/v1/p", "page" },
		{ __LINE__, "/v1/screen", "screen" }, { __LINE__, "/v1/s", "screen" },
		{ __LINE__, "/v1/identify", "identify" }, { __LINE__, "/v1/i", "identify" },
		{ __LINE__, "/v1/group", "group" }, { __LINE__, "/v1/g", "group" },
		{ __LINE__, "/v1/alias", "alias" }, { __LINE__, "/v1/a", "alias" },
		{ __LINE__, "/v1/x", NULL }, { __LINE__, "/v1", NULL }, { __LINE__, "/batch", NULL },
		{ __LINE__, "/v2/batch", NULL }, { __LINE__, "", NULL }, { __LINE__, "/", NULL },
		{ __LINE__, "/v1/batch/x", NULL },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct mr_dialect_path *path = mr_dialect_find(mr_str(rows[i].path));

		row(rows[i].line);
		if (rows[i].kind == NULL)
			ok(path == NULL, "%s is none", rows[i].path);
		else if (ok(path != NULL, "%s is one", rows[i].path))
			is_str(mr_str(path->kind != NULL ? path->kind : "batch"), rows[i].kind, "its kind");
	}
	row(0);
}

/* One message for each path of its own, and for each rule of the mapping. */
static void
test_messages(void)
{
	static const struct {
		int line;
		const char *path, *body, *rows;
		unsigned bad;
	} rows[] = {
		{ __LINE__, "/v1/track", "{\"event\":\"Order Completed\",\"userId\":\"u\",\"writeKey\":\"w\"}",
		    "Order Completed|w|-|u|=|{\"event\":\"Order Completed\",\"userId\":\"u\",\"writeKey\":\"w\"}\n", 0 },
		{ __LINE__, "/v1/t", "{\"event\":\"e\",\"anonymousId\":\"a\",\"userId\":\"u\"}",
		    "e|default|-|a|=|{\"event\":\"e\",\"anonymousId\":\"a\",\"userId\":\"u\"}\n", 0 },
		{ __LINE__, "/v1/page", "{\"anonymousId\":null,\"userId\":7,\"name\":\"Home\"}",
		    "pageview|default|-|7|=|{\"anonymousId\":null,\"userId\":7,\"name\":\"Home\"}\n", 0 },
		{ __LINE__, "/v1/screen", "{\"context\":{\"sessionId\":1767323000}}",
		    "screen|default|1767323000|-|=|{\"context\":{\"sessionId\":1767323000}}\n", 0 },
		{ __LINE__, "/v1/identify", "{\"traits\":{}}", "identify|default|-|-|=|{\"traits\":{}}\n", 0 },
		{ __LINE__, "/v1/group", "{}", "group|default|-|-|=|{}\n", 0 },
		{ __LINE__, "/v1/alias", "{ \"previousId\": \"p\" }", "alias|default|-|-|=|{\"previousId\":\"p\"}\n", 0 },
		/* the path says what it is */
		{ __LINE__, "/v1/page", "{\"type\":\"track\",\"event\":\"e\"}",
		    "pageview|default|-|-|=|{\"type\":\"track\",\"event\":\"e\"}\n", 0 },
		/* what cannot be used as an id is left out, not the event */
		{ __LINE__, "/v1/page", "{\"anonymousId\":{},\"context\":{\"sessionId\":[]}}",
		    "pageview|default|-|-|=|{\"anonymousId\":{},\"context\":{\"sessionId\":[]}}\n", 2 },
		{ __LINE__, "/v1/page", "{\"messageId\":7}", "pageview|default|-|-|=|{\"messageId\":7}\n", 1 },
		{ __LINE__, "/v1/page", "{\"context\":7}", "pageview|default|-|-|=|{\"context\":7}\n", 0 },

		/* the client's clock: ten minutes slow, two hours fast, right, unknown */
		{ __LINE__, "/v1/page", "{\"timestamp\":\"2026-01-02T02:54:00Z\",\"sentAt\":\"2026-01-02T02:54:05Z\"}",
		    "pageview|default|-|-|2026-01-02T03:04:00.000Z|"
		    "{\"timestamp\":\"2026-01-02T02:54:00Z\",\"sentAt\":\"2026-01-02T02:54:05Z\"}\n", 0 },
		{ __LINE__, "/v1/page", "{\"timestamp\":\"2026-01-02T05:00:00Z\",\"sentAt\":\"2026-01-02T05:04:05Z\"}",
		    "pageview|default|-|-|2026-01-02T03:00:00.000Z|"
		    "{\"timestamp\":\"2026-01-02T05:00:00Z\",\"sentAt\":\"2026-01-02T05:04:05Z\"}\n", 0 },
		{ __LINE__, "/v1/page", "{\"timestamp\":\"2026-01-02T03:00:00Z\",\"sentAt\":\"2026-01-02T03:04:01Z\"}",
		    "pageview|default|-|-|2026-01-02T03:00:00.000Z|"
		    "{\"timestamp\":\"2026-01-02T03:00:00Z\",\"sentAt\":\"2026-01-02T03:04:01Z\"}\n", 0 },
		{ __LINE__, "/v1/page", "{\"timestamp\":\"2026-01-02T03:00:00Z\"}",
		    "pageview|default|-|-|2026-01-02T03:00:00.000Z|{\"timestamp\":\"2026-01-02T03:00:00Z\"}\n", 0 },
		{ __LINE__, "/v1/page", "{\"timestamp\":\"2026-01-02T03:00:00Z\",\"sentAt\":\"soon\"}",
		    "pageview|default|-|-|2026-01-02T03:00:00.000Z|"
		    "{\"timestamp\":\"2026-01-02T03:00:00Z\",\"sentAt\":\"soon\"}\n", 0 },
		{ __LINE__, "/v1/page", "{\"originalTimestamp\":1767322800}",
		    "pageview|default|-|-|2026-01-02T03:00:00.000Z|{\"originalTimestamp\":1767322800}\n", 0 },
		{ __LINE__, "/v1/page", "{\"timestamp\":\"never\"}",
		    "pageview|default|-|-|=|{\"timestamp\":\"never\"}\n", 1 },
		{ __LINE__, "/v1/page", "{\"sentAt\":\"2026-01-02T05:04:05Z\"}",
		    "pageview|default|-|-|=|{\"sentAt\":\"2026-01-02T05:04:05Z\"}\n", 0 },
		{ __LINE__, "/v1/page", "{\"timestamp\":\"9999-12-31T23:59:59Z\",\"sentAt\":0}",
		    "pageview|default|-|-|9999-12-31T23:59:59.000Z|"
		    "{\"timestamp\":\"9999-12-31T23:59:59Z\",\"sentAt\":0}\n", 0 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		if (!ok(decode_as(rows[i].path, NULL, mr_str(rows[i].body)) == MR_OK, "taken: %s", err.text))
			continue;
		is_str(mr_str(rendered(&batch, RECEIVED)), rows[i].rows, "the row");
		is_int(batch.bad_ids + batch.bad_times, rows[i].bad, "what was left out");
		ok(!batch.is_batch, "no batch");
	}
	row(0);
	ok(decode_as("/v1/page", NULL, mr_str("{\"messageId\":\"m-1\"}")) == MR_OK, "with a messageId");
	is_str(batch.rows[0].message_id, "m-1", "it is there");
	ok(decode_as("/v1/page", NULL, mr_str("{}")) == MR_OK, "without");
	ok(batch.rows[0].message_id.p == NULL, "there is none");
}

static void
test_batches(void)
{
	static const struct {
		int line;
		const char *body, *rows;
	} rows[] = {
		{ __LINE__, "{\"batch\":[{\"type\":\"track\",\"event\":\"e\",\"userId\":\"u\"},{\"type\":\"page\"},"
		    "{\"type\":\"identify\"}],\"writeKey\":\"w\"}",
		    "e|w|-|u|=|{\"type\":\"track\",\"event\":\"e\",\"userId\":\"u\"}\n"
		    "pageview|w|-|-|=|{\"type\":\"page\"}\nidentify|w|-|-|=|{\"type\":\"identify\"}\n" },
		/* the batch's sentAt; a message's own */
		{ __LINE__, "{\"sentAt\":\"2026-01-02T02:54:05Z\",\"batch\":["
		    "{\"type\":\"page\",\"timestamp\":\"2026-01-02T02:54:00Z\"},"
		    "{\"type\":\"page\",\"timestamp\":\"2026-01-02T02:54:00Z\",\"sentAt\":\"2026-01-02T03:04:05Z\"}]}",
		    "pageview|default|-|-|2026-01-02T03:04:00.000Z|{\"type\":\"page\",\"timestamp\":\"2026-01-02T02:54:00Z\"}\n"
		    "pageview|default|-|-|2026-01-02T02:54:00.000Z|{\"type\":\"page\","
		    "\"timestamp\":\"2026-01-02T02:54:00Z\",\"sentAt\":\"2026-01-02T03:04:05Z\"}\n" },
		/* context and integrations of the batch; those of a message win, key by key */
		{ __LINE__, "{\"context\":{\"sessionId\":\"s\", \"ip\":\"1\"},\"integrations\":{\"All\":false},\"batch\":["
		    "{\"type\":\"page\"},{\"type\":\"page\",\"context\":{\"ip\":\"2\",\"os\":{}},\"integrations\":{}},"
		    "{\"type\":\"page\",\"context\":{\"sessionId\":\"t\"}},{\"type\":\"page\",\"context\":null},"
		    "{\"type\":\"page\",\"context\":[]}]}",
		    "pageview|default|s|-|=|{\"type\":\"page\",\"context\":{\"sessionId\":\"s\",\"ip\":\"1\"},"
		    "\"integrations\":{\"All\":false}}\n"
		    "pageview|default|s|-|=|{\"type\":\"page\",\"context\":{\"ip\":\"2\",\"os\":{},\"sessionId\":\"s\"},"
		    "\"integrations\":{\"All\":false}}\n"
		    "pageview|default|t|-|=|{\"type\":\"page\",\"context\":{\"sessionId\":\"t\",\"ip\":\"1\"},"
		    "\"integrations\":{\"All\":false}}\n"
		    "pageview|default|s|-|=|{\"type\":\"page\",\"context\":{\"sessionId\":\"s\",\"ip\":\"1\"},"
		    "\"integrations\":{\"All\":false}}\n"
		    "pageview|default|s|-|=|{\"type\":\"page\",\"context\":[],\"integrations\":{\"All\":false}}\n" },
		/* bad ones among good ones */
		{ __LINE__, "{\"batch\":[{\"type\":\"track\"},{\"type\":\"page\"},1,{\"type\":\"order\"},{\"event\":\"e\"},"
		    "{\"type\":\"page\",\"n\":1e999},{\"type\":\"page\",\"x\":NaN},{\"type\":\"track\",\"event\":{}}]}",
		    "pageview|default|-|-|=|{\"type\":\"page\"}\n"
		    "refused 0|{\"type\":\"track\"}\nrefused 2|1\nrefused 3|{\"type\":\"order\"}\n"
		    "refused 4|{\"event\":\"e\"}\nrefused 5|{\"type\":\"page\",\"n\":1e999}\n"
		    "refused 6|{\"type\":\"page\",\"x\":NaN}\nrefused 7|{\"type\":\"track\",\"event\":{}}\n" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		if (!ok(decode_as("/v1/batch", NULL, mr_str(rows[i].body)) == MR_OK, "taken: %s", err.text))
			continue;
		is_str(mr_str(rendered(&batch, RECEIVED)), rows[i].rows, "the rows");
		ok(batch.is_batch && batch.bare, "a batch without an envelope");
	}
	row(0);
}

static void
test_keys(void)
{
	static const struct {
		int line;
		int64_t keys; /* enum mr_write_keys */
		const char *authorization, *body;
		const char *site; /* NULL: refused for its key */
	} rows[] = {
		{ __LINE__, MR_WRITE_KEYS_OPEN, NULL, "{}", "default" },
		{ __LINE__, MR_WRITE_KEYS_OPEN, NULL, "{\"writeKey\":\"w\"}", "w" },
		{ __LINE__, MR_WRITE_KEYS_OPEN, NULL, "{\"writeKey\":\"key-of-shop\"}", "shop" },
		/* key-of-shop:, w:, and w alone */
		{ __LINE__, MR_WRITE_KEYS_OPEN, "Basic a2V5LW9mLXNob3A6", "{\"writeKey\":\"w\"}", "shop" },
		{ __LINE__, MR_WRITE_KEYS_OPEN, "basic dzo=", "{}", "w" },
		{ __LINE__, MR_WRITE_KEYS_OPEN, "Basic dw", "{}", "w" },
		/* no name; no base64; another scheme; bytes that are no UTF-8 */
		{ __LINE__, MR_WRITE_KEYS_OPEN, "Basic Og==", "{\"writeKey\":\"w\"}", "w" },
		{ __LINE__, MR_WRITE_KEYS_OPEN, "Basic !", "{\"writeKey\":\"w\"}", "w" },
		{ __LINE__, MR_WRITE_KEYS_OPEN, "Bearer dzo=", "{\"writeKey\":\"v\"}", "v" },
		{ __LINE__, MR_WRITE_KEYS_OPEN, "Basic /zo=", "{}", NULL },
		{ __LINE__, MR_WRITE_KEYS_LISTED, NULL, "{\"writeKey\":\"key-of-shop\"}", "shop" },
		{ __LINE__, MR_WRITE_KEYS_LISTED, NULL, "{\"writeKey\":\"w\"}", NULL },
		{ __LINE__, MR_WRITE_KEYS_LISTED, NULL, "{\"writeKey\":\"shop\"}", NULL },
		{ __LINE__, MR_WRITE_KEYS_LISTED, NULL, "{}", NULL },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		enum mr_err rc;

		row(rows[i].line);
		conf.write_keys = rows[i].keys;
		rc = decode_as("/v1/page", rows[i].authorization, mr_str(rows[i].body));
		is_int(rc, rows[i].site != NULL ? MR_OK : MR_EINVAL, "taken or not");
		ok(request.unknown_key == (rows[i].site == NULL), "for its key");
		if (rc == MR_OK && rows[i].site != NULL)
			is_str(batch.rows[0].site_id, rows[i].site, "its site");
	}
	row(0);
	conf.write_keys = MR_WRITE_KEYS_OPEN;
}

static void
test_refused(void)
{
	static const struct {
		int line;
		const char *path, *body;
		const char *reason;
	} rows[] = {
		{ __LINE__, "/v1/batch", "", "empty" },
		{ __LINE__, "/v1/batch", "{\"batch\":", "byte 9" },
		{ __LINE__, "/v1/batch", "[]", "object" },
		{ __LINE__, "/v1/batch", "{}", "batch must be an array" },
		{ __LINE__, "/v1/batch", "{\"batch\":{}}", "batch must be an array" },
		{ __LINE__, "/v1/batch", "{\"batch\":[]}", "batch must be an array" },
		{ __LINE__, "/v1/batch", "{\"batch\":[{\"type\":\"track\"}]}", "event is missing" },
		{ __LINE__, "/v1/track", "{}", "event is missing" },
		{ __LINE__, "/v1/track", "{\"event\":\"\"}", "event is missing" },
		{ __LINE__, "/v1/page", "{\"batch\":[{\"a\":NaN}]}", "byte 15" },
		{ __LINE__, "/v1/page", "{\"n\":1e999}", "number" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_int(decode_as(rows[i].path, NULL, mr_str(rows[i].body)), MR_EINVAL, "refused");
		is_part(err.text, rows[i].reason, "the reason");
		is_int(batch.n_rows, 0, "no rows");
	}
	row(0);
}

/* {"context":{…},"batch":[{"type":"page","x":"…"} × n]}; the refusals, or -1 and err. */
static long long
limited(size_t context, size_t each, size_t n)
{
	struct mr_buf body;
	enum mr_err rc;

	mr_buf_init(&body, 1u << 20);
	mr_buf_printf(&body, "{\"context\":{\"x\":\"%0*d\"},\"batch\":[", (int)context, 0);
	for (size_t i = 0; i < n; i++)
		mr_buf_printf(&body, "%s{\"type\":\"page\",\"x\":\"%0*d\"}", i > 0 ? "," : "", (int)each, 0);
	mr_buf_add_cstr(&body, "]}");
	rc = decode_as("/v1/batch", NULL, mr_buf_str(&body));
	mr_buf_free(&body);
	return rc == MR_OK ? (long long)batch.n_rejects : -1;
}

static void
test_limits(void)
{
	/* {"x":""} is 8 bytes and {"type":"page","x":""} 22, of 500 */
	is_int(limited(10, 500 - 18 - 22, 1), 0, "a message as large as may be");
	is_int(limited(10, 500 - 18 - 22 + 1, 1), -1, "one byte more");
	is_part(err.text, "larger than 500 bytes", "the reason");
	is_int(limited(10, 50, 100), 0, "many messages");
	is_int(limited(10, 500 - 18 - 22, 40), 0, "a batch of nearly as many bytes as may be");
	is_int(limited(10, 500 - 18 - 22, 45), -1, "more of them");
	is_int(err.code, MR_ELIMIT, "too large");
	is_int(limited(460, 10, 400), -1, "a context that is written out too often");
	is_int(err.code, MR_ELIMIT, "too large");
}

static void
test_drop_visitor(void)
{
	ctx.drop_visitor = true;
	is_int(decode_as("/v1/batch", NULL, MR_STR_LIT("{\"batch\":["
	    "{\"type\":\"page\",\"anonymousId\":\"a\",\"userId\":\"u\",\"previousId\":\"p\",\"n\":1},"
	    "{\"type\":\"no\",\"userId\":\"u\"},{\"userId\":\"u\",}],\"context\":{\"userId\":\"u\",\"a\":1}}")),
	    MR_OK, "without visitors");
	is_str(mr_str(rendered(&batch, RECEIVED)), "pageview|default|-|-|=|{\"type\":\"page\",\"n\":1,\"context\":{\"a\":1}}\n"
	    "refused 1|{\"type\":\"no\"}\nrefused 2|\n", "nothing says who it was");
	ctx.drop_visitor = false;
}

int
main(void)
{
	mr_arena_init(&arena, (size_t)8 << 20);
	test_paths();
	test_messages();
	test_batches();
	test_keys();
	test_refused();
	test_limits();
	test_drop_visitor();
	mr_arena_free(&arena);
	return done();
}
