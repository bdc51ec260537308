/*
 * Decoding events: format/event.h.
 *
 * Most tests write what was decoded as text (rendered.h), and compare that.
 */
#include "format/event.h"

#include "../tap.h"
#include "base/buf.h"
#include "base/clock.h"
#include "rendered.h"
#include "format/json.h"

#define ARENA_MAX ((size_t)32 << 20)
/* 2026-01-02T03:04:05.678901Z */
#define RECEIVED (INT64_C(1767323045) * MR_US_PER_S + 678901)

static struct mr_arena arena;
static struct mr_batch batch;
static struct mr_error err;
static char *body_copy;

static struct mr_event_context
context(void)
{
	struct mr_event_context ctx = {
		.received_us = RECEIVED,
		.default_site = MR_STR_LIT("default"),
		.user_agent = MR_STR_LIT("agent/1.0"),
		.max_batch_events = 1000,
	};

	if (!mr_ip_parse(mr_str("192.0.2.1"), &ctx.client_ip))
		bail("no address");
	return ctx;
}

/* Forgets the decode before this one. */
static void
fresh(void)
{
	mr_arena_reset(&arena);
	memset(&batch, 0xee, sizeof batch);
	err = (struct mr_error)MR_ERROR_INIT;
}

/* Decodes a body in memory of its exact size. */
static enum mr_err
decode_with(struct mr_str body, const struct mr_event_context *ctx)
{
	fresh();
	free(body_copy);
	body_copy = malloc(body.n != 0 ? body.n : 1);
	if (body_copy == NULL)
		bail("no memory");
	memcpy(body_copy, body.p, body.n);
	return mr_event_decode(&arena, body_copy, body.n, ctx, &batch, &err);
}

static enum mr_err
decode(const char *body)
{
	struct mr_event_context ctx = context();

	return decode_with(mr_str(body), &ctx);
}

static enum mr_err
decode_query(const char *query)
{
	struct mr_event_context ctx = context();

	fresh();
	free(body_copy);
	body_copy = strdup(query);
	if (body_copy == NULL)
		bail("no memory");
	return mr_event_decode_query(&arena, mr_str(body_copy), &ctx, &batch, &err);
}

/* What holds for every batch that was taken. */
static void
check_sound(void)
{
	struct mr_event_context ctx = context();
	size_t payloads = 0;
	bool json = true, rest = true, short_enough = true;

	for (size_t i = 0; i < batch.n_rows; i++) {
		const struct mr_event *e = &batch.rows[i];
		struct mr_str copy = mr_arena_dup(&arena, e->payload);
		struct mr_json tree;

		payloads += e->payload.n;
		json = json && copy.p != NULL &&
		    mr_json_parse(&arena, (char *)(uintptr_t)copy.p, copy.n, &tree, NULL) == MR_OK &&
		    tree.nodes[0].type == MR_JSON_OBJECT && tree.bad_numbers == 0 &&
		    mr_str_eq(copy, e->payload);
		rest = rest && e->received_us == RECEIVED && e->client_ip.family == 4 &&
		    memcmp(e->client_ip.bytes, ctx.client_ip.bytes, 4) == 0 &&
		    mr_str_eq(e->user_agent, ctx.user_agent);
		short_enough = short_enough && e->event_type.n > 0 &&
		    e->event_type.n <= MR_EVENT_MAX_TEXT && e->site_id.n > 0 &&
		    e->site_id.n <= MR_EVENT_MAX_TEXT && e->session_id.n <= MR_EVENT_MAX_TEXT &&
		    e->visitor_id.n <= MR_EVENT_MAX_TEXT;
	}
	if (!ok(json && rest && short_enough && batch.bytes >= payloads, "the batch is sound")) {
		diag("every payload is a JSON object that needs no more editing: %d", json);
		diag("every row has the request's time, address and user agent: %d", rest);
		diag("every text has its length: %d", short_enough);
		diag("%zu bytes counted, %zu of payloads", batch.bytes, payloads);
	}
}

/* --- single events ------------------------------------------------------ */

static void
test_single(void)
{
	static const struct {
		int line;
		const char *body;
		const char *rows;
		unsigned bad_times;
	} rows[] = {
		{ __LINE__, "{\"eventType\":\"test_single\",\"sessionId\":\"test_session_001\","
		    "\"siteId\":\"localhost\"}",
		    "test_single|localhost|test_session_001|-|=|{\"eventType\":\"test_single\","
		    "\"sessionId\":\"test_session_001\",\"siteId\":\"localhost\"}\n", 0 },
		{ __LINE__, "{\"eventType\":\"x\"}", "x|default|-|-|=|{\"eventType\":\"x\"}\n", 0 },
		{ __LINE__, " {\"eventType\" : \"x\", \"a\":[1, 2]}\n",
		    "x|default|-|-|=|{\"eventType\":\"x\",\"a\":[1,2]}\n", 0 },
		{ __LINE__, "{\"visitorId\":\"v\",\"eventType\":\"x\",\"timestamp\":\"2025-06-22T14:00:00+02:00\"}",
		    "x|default|-|v|2025-06-22T12:00:00.000Z|{\"visitorId\":\"v\",\"eventType\":\"x\","
		    "\"timestamp\":\"2025-06-22T14:00:00+02:00\"}\n", 0 },

		/* ids: strings, numbers and booleans as their text; null is missing */
		{ __LINE__, "{\"eventType\":\"x\",\"sessionId\":17,\"visitorId\":-2.50e1,\"siteId\":true}",
		    "x|true|17|-2.50e1|=|{\"eventType\":\"x\",\"sessionId\":17,\"visitorId\":-2.50e1,"
		    "\"siteId\":true}\n", 0 },
		{ __LINE__, "{\"eventType\":\"x\",\"sessionId\":false,\"visitorId\":0,\"siteId\":7}",
		    "x|7|false|0|=|{\"eventType\":\"x\",\"sessionId\":false,\"visitorId\":0,\"siteId\":7}\n", 0 },
		{ __LINE__, "{\"eventType\":\"x\",\"sessionId\":null,\"visitorId\":null,\"siteId\":null,"
		    "\"timestamp\":null}",
		    "x|default|-|-|=|{\"eventType\":\"x\",\"sessionId\":null,\"visitorId\":null,"
		    "\"siteId\":null,\"timestamp\":null}\n", 0 },
		{ __LINE__, "{\"eventType\":\"x\",\"siteId\":\"\"}",
		    "x|default|-|-|=|{\"eventType\":\"x\",\"siteId\":\"\"}\n", 0 },

		/* keys and values are compared and stored without their escapes */
		{ __LINE__, "{\"\\u0065ventType\":\"\\u0078\\n\",\"site\\u0049d\":\"m\\u00fcnchen\"}",
		    "x\n|m\xc3\xbcnchen|-|-|=|{\"\\u0065ventType\":\"\\u0078\\n\","
		    "\"site\\u0049d\":\"m\\u00fcnchen\"}\n", 0 },
		{ __LINE__, "{\"eventType\":\"\xf0\x9f\x98\x80\",\"sessionId\":\"\\ud83d\\ude00\"}",
		    "\xf0\x9f\x98\x80|default|\xf0\x9f\x98\x80|-|=|{\"eventType\":\"\xf0\x9f\x98\x80\","
		    "\"sessionId\":\"\\ud83d\\ude00\"}\n", 0 },
		{ __LINE__, "{\"eventtype\":\"no\",\"EventType\":\"no\",\"eventType\":\"x\",\"eventType \":\"no\"}",
		    "x|default|-|-|=|{\"eventtype\":\"no\",\"EventType\":\"no\",\"eventType\":\"x\","
		    "\"eventType \":\"no\"}\n", 0 },

		/* only the top level counts */
		{ __LINE__, "{\"eventData\":{\"eventType\":\"inner\",\"siteId\":\"inner\",\"timestamp\":0},"
		    "\"eventType\":\"x\"}",
		    "x|default|-|-|=|{\"eventData\":{\"eventType\":\"inner\",\"siteId\":\"inner\","
		    "\"timestamp\":0},\"eventType\":\"x\"}\n", 0 },

		/* the last of a repeated key counts, as in PostgreSQL */
		{ __LINE__, "{\"eventType\":\"a\",\"eventType\":\"b\",\"siteId\":\"s1\",\"siteId\":\"s2\"}",
		    "b|s2|-|-|=|{\"eventType\":\"a\",\"eventType\":\"b\",\"siteId\":\"s1\",\"siteId\":\"s2\"}\n", 0 },
		{ __LINE__, "{\"\\u0065ventType\":\"a\",\"siteId\":\"s\",\"eventType\":\"b\"}",
		    "b|s|-|-|=|{\"\\u0065ventType\":\"a\",\"siteId\":\"s\",\"eventType\":\"b\"}\n", 0 },

		/* what PostgreSQL cannot hold becomes U+FFFD, in the payload as well */
		{ __LINE__, "{\"eventType\":\"a\\u0000b\",\"sessionId\":\"\\ud800\",\"x\":\"\\udc00\\u0000\"}",
		    "a\xef\xbf\xbd" "b|default|\xef\xbf\xbd|-|=|{\"eventType\":\"a\\ufffdb\","
		    "\"sessionId\":\"\\ufffd\",\"x\":\"\\ufffd\\ufffd\"}\n", 0 },

		/* timestamps */
		{ __LINE__, "{\"eventType\":\"x\",\"timestamp\":1750593600}",
		    "x|default|-|-|2025-06-22T12:00:00.000Z|{\"eventType\":\"x\",\"timestamp\":1750593600}\n", 0 },
		{ __LINE__, "{\"eventType\":\"x\",\"timestamp\":1750593600123}",
		    "x|default|-|-|2025-06-22T12:00:00.123Z|{\"eventType\":\"x\",\"timestamp\":1750593600123}\n", 0 },
		{ __LINE__, "{\"eventType\":\"x\",\"timestamp\":\"1750593600123\"}",
		    "x|default|-|-|2025-06-22T12:00:00.123Z|{\"eventType\":\"x\","
		    "\"timestamp\":\"1750593600123\"}\n", 0 },
		{ __LINE__, "{\"eventType\":\"x\",\"timestamp\":\"2025-06-22T12:00:00\"}",
		    "x|default|-|-|2025-06-22T12:00:00.000Z|{\"eventType\":\"x\","
		    "\"timestamp\":\"2025-06-22T12:00:00\"}\n", 0 },
		{ __LINE__, "{\"eventType\":\"x\",\"timestamp\":\"2025-06-22T12\\u003a00:00Z\"}",
		    "x|default|-|-|2025-06-22T12:00:00.000Z|{\"eventType\":\"x\","
		    "\"timestamp\":\"2025-06-22T12\\u003a00:00Z\"}\n", 0 },
		{ __LINE__, "{\"eventType\":\"x\",\"timestamp\":\"yesterday\"}",
		    "x|default|-|-|=|{\"eventType\":\"x\",\"timestamp\":\"yesterday\"}\n", 1 },
		{ __LINE__, "{\"eventType\":\"x\",\"timestamp\":{\"s\":1}}",
		    "x|default|-|-|=|{\"eventType\":\"x\",\"timestamp\":{\"s\":1}}\n", 1 },
		{ __LINE__, "{\"eventType\":\"x\",\"timestamp\":true}",
		    "x|default|-|-|=|{\"eventType\":\"x\",\"timestamp\":true}\n", 1 },
		{ __LINE__, "{\"eventType\":\"x\",\"timestamp\":99999999999999999999}",
		    "x|default|-|-|=|{\"eventType\":\"x\",\"timestamp\":99999999999999999999}\n", 1 },

		/* `events` means something in a batch only */
		{ __LINE__, "{\"eventType\":\"x\",\"events\":[{\"eventType\":\"y\"}]}",
		    "x|default|-|-|=|{\"eventType\":\"x\",\"events\":[{\"eventType\":\"y\"}]}\n", 0 },
		{ __LINE__, "{\"eventType\":\"Batch\",\"events\":7}",
		    "Batch|default|-|-|=|{\"eventType\":\"Batch\",\"events\":7}\n", 0 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		if (!ok(decode(rows[i].body) == MR_OK, "taken")) {
			diag("%s", err.text);
			continue;
		}
		is_str(mr_str(rendered(&batch, RECEIVED)), rows[i].rows, "the row");
		ok(!batch.is_batch, "not a batch");
		is_int(batch.n_rejects, 0, "no refusals");
		is_int(batch.bad_times, rows[i].bad_times, "unreadable timestamps");
		ok(batch.batch_id.p == NULL, "no batchId");
		check_sound();
	}
	row(0);
}

static void
test_refused(void)
{
	static const struct {
		int line;
		struct mr_str body;
		const char *reason; /* a part of the text */
		int64_t offset;     /* -2: whatever it is */
	} rows[] = {
		/* not JSON */
		{ __LINE__, BYTES(""), "empty", 0 },
		{ __LINE__, BYTES("{\"eventType\":\"x\""), "", 16 },
		{ __LINE__, BYTES("{\"eventType\"::\"x\"}"), "", 13 },
		{ __LINE__, BYTES("{\"eventType\":\"x\"}{}"), "", 17 },
		{ __LINE__, BYTES("{\"eventType\":\"x\0\"}"), "", 15 },
		{ __LINE__, BYTES("{\"eventType\":\"x\"}\0"), "", 17 },
		{ __LINE__, BYTES("{\"eventType\":\"x\"\xff}"), "", 16 },
		{ __LINE__, BYTES("{\"eventType\":\"\xff\\x\"}"), "UTF-8", 14 },
		{ __LINE__, BYTES("eventType=x"), "", 0 },

		/* no object */
		{ __LINE__, BYTES("[]"), "object", -2 },
		{ __LINE__, BYTES("[1]"), "object", -2 },
		{ __LINE__, BYTES("[{\"siteId\":\"x\"},{}]"), "eventType is missing", -2 },
		{ __LINE__, BYTES("\"eventType\""), "object", -2 },
		{ __LINE__, BYTES("null"), "object", -2 },
		{ __LINE__, BYTES("17"), "object", -2 },

		/* eventType: a string of 1 to 255 bytes */
		{ __LINE__, BYTES("{}"), "eventType", -2 },
		{ __LINE__, BYTES("{\"siteId\":\"x\"}"), "eventType", -2 },
		{ __LINE__, BYTES("{\"eventType\":\"\"}"), "eventType", -2 },
		{ __LINE__, BYTES("{\"eventType\":null}"), "eventType", -2 },
		{ __LINE__, BYTES("{\"eventType\":17}"), "eventType", -2 },
		{ __LINE__, BYTES("{\"eventType\":true}"), "eventType", -2 },
		{ __LINE__, BYTES("{\"eventType\":[\"x\"]}"), "eventType", -2 },
		{ __LINE__, BYTES("{\"eventType\":{\"x\":1}}"), "eventType", -2 },
		{ __LINE__, BYTES("{\"eventType\":\"x\",\"eventType\":\"\"}"), "eventType", -2 },

		/* a site: a scalar */
		{ __LINE__, BYTES("{\"eventType\":\"x\",\"siteId\":{\"a\":1}}"), "siteId", -2 },

		/* numbers that PostgreSQL would write out */
		{ __LINE__, BYTES("{\"eventType\":\"x\",\"n\":1e131071}"), "number", 21 },
		{ __LINE__, BYTES("{\"eventType\":\"x\",\"a\":[{\"b\":1e-401}]}"), "number", -2 },
		{ __LINE__, BYTES("{\"eventType\":\"x\",\"timestamp\":1e999}"), "", -2 },
		{ __LINE__, BYTES("{\"eventType\":\"x\",\"sessionId\":1e999}"), "", -2 },

		/* batches that are none */
		{ __LINE__, BYTES("{\"eventType\":\"batch\",\"events\":{}}"), "events", -2 },
		{ __LINE__, BYTES("{\"eventType\":\"batch\",\"events\":\"x\"}"), "events", -2 },
		{ __LINE__, BYTES("{\"eventType\":\"batch\",\"events\":7}"), "events", -2 },
		{ __LINE__, BYTES("{\"eventType\":\"batch\",\"events\":true}"), "events", -2 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_event_context ctx = context();
		enum mr_err rc;

		row(rows[i].line);
		rc = decode_with(rows[i].body, &ctx);
		is_int(rc, MR_EINVAL, "refused");
		if (rc == MR_OK)
			continue;
		is_int(err.code, MR_EINVAL, "the error's code");
		ok(err.text[0] != '\0', "a reason");
		is_part(err.text, rows[i].reason, "the reason says what");
		if (rows[i].offset != -2)
			is_int(err.offset, rows[i].offset, "offset");
		else
			ok(err.offset >= -1 && err.offset <= (int64_t)rows[i].body.n, "an offset in the body");
	}
	row(0);
}

/* The limit of every text, in bytes of what is stored. */
static void
test_lengths(void)
{
	static const char *const keys[] = { "eventType", "siteId", "sessionId", "visitorId" };
	enum { FIRST_ID = 2 }; /* from here on: left out when it does not fit */
	static const struct {
		int line;
		const char *unit; /* as sent */
		size_t unit_bytes, count;
	} rows[] = {
		{ __LINE__, "a", 1, 254 },
		{ __LINE__, "a", 1, 255 },
		{ __LINE__, "a", 1, 256 },
		{ __LINE__, "a", 1, 5000 },
		{ __LINE__, "\\n", 1, 255 },
		{ __LINE__, "\\n", 1, 256 },
		{ __LINE__, "\\u0041", 1, 255 },
		{ __LINE__, "\\u0041", 1, 256 },
		{ __LINE__, "\xe2\x82\xac", 3, 85 },
		{ __LINE__, "\xe2\x82\xac", 3, 86 },
		{ __LINE__, "\\u20ac", 3, 85 },
		{ __LINE__, "\\u20ac", 3, 86 },
		{ __LINE__, "\\u0000", 3, 85 },
		{ __LINE__, "\\u0000", 3, 86 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		for (size_t k = 0; k < ROWS(keys); k++) {
			bool fits = rows[i].unit_bytes * rows[i].count <= MR_EVENT_MAX_TEXT;
			struct mr_event_context ctx = context();
			struct mr_buf body;

			row(rows[i].line);
			mr_buf_init(&body, 100000);
			mr_buf_printf(&body, "{%s\"%s\":\"", k == 0 ? "" : "\"eventType\":\"x\",", keys[k]);
			for (size_t n = 0; n < rows[i].count; n++)
				mr_buf_add_cstr(&body, rows[i].unit);
			mr_buf_add_cstr(&body, "\"}");
			ok((decode_with(mr_buf_str(&body), &ctx) == MR_OK) == (fits || k >= FIRST_ID),
			    "%s is %s", keys[k], fits ? "taken" : "refused or left out");
			if (!fits && k < FIRST_ID)
				is_part(err.text, keys[k], "the reason names it");
			if (k >= FIRST_ID)
				is_int(batch.bad_ids, !fits, "left out");
			mr_buf_free(&body);
		}
	}
	row(0);
}

static void
test_context(void)
{
	struct mr_event_context ctx = context();
	char agent[3000];
	struct mr_str event = MR_STR_LIT("{\"eventType\":\"x\"}");

	ctx.user_agent = MR_STR_NULL;
	ctx.client_ip.family = 0;
	ctx.default_site = MR_STR_LIT("example.com");
	is_int(decode_with(event, &ctx), MR_OK, "a request without user agent and address");
	ok(batch.rows[0].user_agent.p == NULL, "no user agent is NULL");
	is_int(batch.rows[0].client_ip.family, 0, "no address");
	is_str(batch.rows[0].site_id, "example.com", "the context's site");

	memset(agent, 'a', sizeof agent);
	ctx.user_agent = (struct mr_str){ agent, MR_EVENT_MAX_USER_AGENT };
	decode_with(event, &ctx);
	is_int(batch.rows[0].user_agent.n, MR_EVENT_MAX_USER_AGENT, "the longest user agent");
	ctx.user_agent.n = sizeof agent;
	decode_with(event, &ctx);
	is_int(batch.rows[0].user_agent.n, MR_EVENT_MAX_USER_AGENT, "a longer one is cut");
	memcpy(agent + MR_EVENT_MAX_USER_AGENT - 1, "\xe2\x82\xac", 3);
	decode_with(event, &ctx);
	is_int(batch.rows[0].user_agent.n, MR_EVENT_MAX_USER_AGENT - 1, "but not within a character");
}

static void
test_batch_id(void)
{
	is_int(decode("{\"eventType\":\"x\",\"batchId\":\"b-1\"}"), MR_OK, "an event with a batchId");
	is_str(batch.batch_id, "b-1", "its batchId");
	is_int(decode("{\"eventType\":\"batch\",\"batchId\":\"b\\u002d2\",\"events\":"
	    "[{\"eventType\":\"x\",\"batchId\":\"inner\"}]}"), MR_OK, "a batch with a batchId");
	is_str(batch.batch_id, "b-2", "the envelope's batchId, not a member's");
	is_int(decode("{\"eventType\":\"batch\",\"events\":[{\"eventType\":\"x\",\"batchId\":\"inner\"}]}"),
	    MR_OK, "a batch without a batchId");
	ok(batch.batch_id.p == NULL, "a member's batchId is not the batch's");
	is_int(decode("{\"eventType\":\"x\",\"batchId\":null}"), MR_OK, "a batchId of null");
	ok(batch.batch_id.p == NULL, "null is no batchId");
}

/* --- batches ------------------------------------------------------------ */

static void
test_batch(void)
{
	static const struct {
		int line;
		const char *body;
		const char *rows;
		size_t members;
		unsigned bad_times;
	} rows[] = {
		/* inheritance, and what a member says itself */
		{ __LINE__, "{\"eventType\":\"batch\",\"sessionId\":\"s\",\"siteId\":\"localhost\",\"events\":["
		    "{\"eventType\":\"click\",\"eventData\":{\"element\":\"button1\"}},"
		    "{\"eventType\":\"scroll\",\"eventData\":{\"depth\":25}},"
		    "{\"eventType\":\"click\"}]}",
		    "batch|localhost|s|-|=|{\"eventType\":\"batch\",\"sessionId\":\"s\",\"siteId\":\"localhost\"}\n"
		    "click|localhost|s|-|=|{\"eventType\":\"click\",\"eventData\":{\"element\":\"button1\"}}\n"
		    "scroll|localhost|s|-|=|{\"eventType\":\"scroll\",\"eventData\":{\"depth\":25}}\n"
		    "click|localhost|s|-|=|{\"eventType\":\"click\"}\n", 3, 0 },
		{ __LINE__, "{\"eventType\":\"batch\",\"sessionId\":\"s\",\"visitorId\":7,\"siteId\":\"a\","
		    "\"timestamp\":1750593600,\"events\":["
		    "{\"eventType\":\"x\"},"
		    "{\"eventType\":\"y\",\"sessionId\":\"t\",\"visitorId\":false,\"siteId\":\"b\","
		    "\"timestamp\":1750593601},"
		    "{\"eventType\":\"z\",\"sessionId\":null,\"visitorId\":null,\"siteId\":null,"
		    "\"timestamp\":null},"
		    "{\"eventType\":\"w\"}]}",
		    "batch|a|s|7|2025-06-22T12:00:00.000Z|{\"eventType\":\"batch\",\"sessionId\":\"s\","
		    "\"visitorId\":7,\"siteId\":\"a\",\"timestamp\":1750593600}\n"
		    "x|a|s|7|2025-06-22T12:00:00.000Z|{\"eventType\":\"x\"}\n"
		    "y|b|t|false|2025-06-22T12:00:01.000Z|{\"eventType\":\"y\",\"sessionId\":\"t\","
		    "\"visitorId\":false,\"siteId\":\"b\",\"timestamp\":1750593601}\n"
		    "z|a|s|7|2025-06-22T12:00:00.000Z|{\"eventType\":\"z\",\"sessionId\":null,"
		    "\"visitorId\":null,\"siteId\":null,\"timestamp\":null}\n"
		    "w|a|s|7|2025-06-22T12:00:00.000Z|{\"eventType\":\"w\"}\n", 4, 0 },
		/* the envelope may stand behind its events */
		{ __LINE__, "{\"events\":[{\"eventType\":\"x\"}],\"siteId\":\"a\",\"eventType\":\"batch\"}",
		    "batch|a|-|-|=|{\"siteId\":\"a\",\"eventType\":\"batch\"}\n"
		    "x|a|-|-|=|{\"eventType\":\"x\"}\n", 1, 0 },
		/* no site anywhere */
		{ __LINE__, "{\"eventType\":\"batch\",\"events\":[{\"eventType\":\"test1\"},{\"eventType\":\"test2\"}]}",
		    "batch|default|-|-|=|{\"eventType\":\"batch\"}\n"
		    "test1|default|-|-|=|{\"eventType\":\"test1\"}\n"
		    "test2|default|-|-|=|{\"eventType\":\"test2\"}\n", 2, 0 },

		/* the envelope's payload: in order, without `events` however it is written */
		{ __LINE__, "{\"a\":1,\"eventType\":\"batch\",\"b\":{\"events\":[1]},"
		    "\"events\":[{\"eventType\":\"x\"}],\"c\":[2,3],\"d\":null}",
		    "batch|default|-|-|=|{\"a\":1,\"eventType\":\"batch\",\"b\":{\"events\":[1]},"
		    "\"c\":[2,3],\"d\":null}\n"
		    "x|default|-|-|=|{\"eventType\":\"x\"}\n", 1, 0 },
		{ __LINE__, "{\"eventType\":\"batch\",\"event\\u0073\":[{\"eventType\":\"x\"}],\"c\":\"\\u00e4\"}",
		    "batch|default|-|-|=|{\"eventType\":\"batch\",\"c\":\"\\u00e4\"}\n"
		    "x|default|-|-|=|{\"eventType\":\"x\"}\n", 1, 0 },
		{ __LINE__, "{ \"events\" : [ { \"eventType\" : \"x\" } ] ,\n \"eventType\" : \"batch\" , \"c\" : 1 }",
		    "batch|default|-|-|=|{\"eventType\":\"batch\",\"c\":1}\n"
		    "x|default|-|-|=|{\"eventType\":\"x\"}\n", 1, 0 },
		{ __LINE__, "{\"eventType\":\"batch\",\"c\":1,\"events\" : [{\"eventType\":\"x\"}] }",
		    "batch|default|-|-|=|{\"eventType\":\"batch\",\"c\":1}\n"
		    "x|default|-|-|=|{\"eventType\":\"x\"}\n", 1, 0 },
		/* repeated: the last counts, none stays */
		{ __LINE__, "{\"events\":[{\"eventType\":\"x\"},{\"eventType\":\"y\"}],\"eventType\":\"batch\","
		    "\"events\":[{\"eventType\":\"z\"}],\"c\":1}",
		    "batch|default|-|-|=|{\"eventType\":\"batch\",\"c\":1}\n"
		    "z|default|-|-|=|{\"eventType\":\"z\"}\n", 1, 0 },
		{ __LINE__, "{\"events\":7,\"eventType\":\"batch\",\"event\\u0073\":[{\"eventType\":\"z\"}]}",
		    "batch|default|-|-|=|{\"eventType\":\"batch\"}\n"
		    "z|default|-|-|=|{\"eventType\":\"z\"}\n", 1, 0 },

		/* no members: the envelope is an event of its own */
		{ __LINE__, "{\"eventType\":\"batch\",\"siteId\":\"a\"}",
		    "batch|a|-|-|=|{\"eventType\":\"batch\",\"siteId\":\"a\"}\n", 0, 0 },
		{ __LINE__, "{\"eventType\":\"batch\",\"siteId\":\"a\",\"events\":[]}",
		    "batch|a|-|-|=|{\"eventType\":\"batch\",\"siteId\":\"a\"}\n", 0, 0 },

		/* unreadable times: the envelope's, else the received time; each one is counted */
		{ __LINE__, "{\"eventType\":\"batch\",\"timestamp\":\"no\",\"events\":["
		    "{\"eventType\":\"x\"},{\"eventType\":\"y\",\"timestamp\":1750593600}]}",
		    "batch|default|-|-|=|{\"eventType\":\"batch\",\"timestamp\":\"no\"}\n"
		    "x|default|-|-|=|{\"eventType\":\"x\"}\n"
		    "y|default|-|-|2025-06-22T12:00:00.000Z|{\"eventType\":\"y\",\"timestamp\":1750593600}\n", 2, 1 },
		{ __LINE__, "{\"eventType\":\"batch\",\"timestamp\":1750593600,\"events\":["
		    "{\"eventType\":\"x\",\"timestamp\":\"no\"},{\"eventType\":\"y\",\"timestamp\":[]}]}",
		    "batch|default|-|-|2025-06-22T12:00:00.000Z|{\"eventType\":\"batch\",\"timestamp\":1750593600}\n"
		    "x|default|-|-|2025-06-22T12:00:00.000Z|{\"eventType\":\"x\",\"timestamp\":\"no\"}\n"
		    "y|default|-|-|2025-06-22T12:00:00.000Z|{\"eventType\":\"y\",\"timestamp\":[]}\n", 2, 2 },

		/* members are edited like everything else */
		{ __LINE__, "{\"eventType\":\"batch\",\"x\":\"\\u0000\",\"events\":[{\"eventType\":\"\\ud800\"}]}",
		    "batch|default|-|-|=|{\"eventType\":\"batch\",\"x\":\"\\ufffd\"}\n"
		    "\xef\xbf\xbd|default|-|-|=|{\"eventType\":\"\\ufffd\"}\n", 1, 0 },
		/* a member's own `events` stays where its type is not batch */
		{ __LINE__, "{\"eventType\":\"batch\",\"events\":[{\"eventType\":\"x\",\"events\":[1]}]}",
		    "batch|default|-|-|=|{\"eventType\":\"batch\"}\n"
		    "x|default|-|-|=|{\"eventType\":\"x\",\"events\":[1]}\n", 1, 0 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		if (!ok(decode(rows[i].body) == MR_OK, "taken")) {
			diag("%s", err.text);
			continue;
		}
		is_str(mr_str(rendered(&batch, RECEIVED)), rows[i].rows, "the rows");
		ok(batch.is_batch, "a batch");
		is_int(batch.n_members, rows[i].members, "its members");
		is_int(batch.n_rejects, 0, "no refusals");
		is_int(batch.bad_times, rows[i].bad_times, "unreadable timestamps");
		check_sound();
	}
	row(0);
}

/* One bad member between two good ones, and the same alone. */
static void
test_members_refused(void)
{
	static const struct {
		int line;
		const char *member;
		const char *reason; /* a part of it */
	} rows[] = {
		{ __LINE__, "1", "object" },
		{ __LINE__, "\"click\"", "object" },
		{ __LINE__, "null", "object" },
		{ __LINE__, "true", "object" },
		{ __LINE__, "[]", "object" },
		{ __LINE__, "[{\"eventType\":\"x\"}]", "object" },
		{ __LINE__, "{}", "eventType" },
		{ __LINE__, "{\"eventType\":\"\"}", "eventType" },
		{ __LINE__, "{\"eventType\":null}", "eventType" },
		{ __LINE__, "{\"eventType\":5}", "eventType" },
		{ __LINE__, "{\"eventType\":{\"a\":[1,2]},\"b\":{}}", "eventType" },
		{ __LINE__, "{\"eventType\":\"batch\"}", "batch" },
		{ __LINE__, "{\"eventType\":\"batch\",\"events\":[{\"eventType\":\"x\"}]}", "batch" },
		{ __LINE__, "{\"eventType\":\"bat\\u0063h\",\"events\":[]}", "batch" },
		{ __LINE__, "{\"eventType\":\"x\",\"siteId\":[1]}", "siteId" },
		{ __LINE__, "{\"eventType\":\"x\",\"n\":1e401}", "number" },
		{ __LINE__, "{\"eventType\":\"x\",\"a\":{\"b\":[1,{\"c\":-1e-401}]}}", "number" },
		{ __LINE__, "{\"eventType\":\"x\",\"sessionId\":1e401}", "" },
		{ __LINE__, "1e401", "object" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		char body[1000], want[1000];

		row(rows[i].line);
		snprintf(body, sizeof body, "{\"eventType\":\"batch\",\"sessionId\":\"s\",\"events\":["
		    "{\"eventType\":\"a\"},%s,{\"eventType\":\"z\"}]}", rows[i].member);
		snprintf(want, sizeof want, "batch|default|s|-|=|{\"eventType\":\"batch\",\"sessionId\":\"s\"}\n"
		    "a|default|s|-|=|{\"eventType\":\"a\"}\nz|default|s|-|=|{\"eventType\":\"z\"}\n"
		    "refused 1|%s\n", rows[i].member);
		if (ok(decode(body) == MR_OK, "the others are taken")) {
			char reason[600] = "";

			is_str(mr_str(rendered(&batch, RECEIVED)), want, "rows and refusal");
			is_int(batch.n_members, 3, "members");
			if (batch.n_rejects == 1)
				snprintf(reason, sizeof reason, "%.*s", (int)batch.rejects[0].reason.n,
				    batch.rejects[0].reason.p);
			ok(reason[0] != '\0', "a reason");
			is_part(reason, rows[i].reason, "the reason says what");
			check_sound();
		}

		snprintf(body, sizeof body, "{\"eventType\":\"batch\",\"events\":[%s]}", rows[i].member);
		is_int(decode(body), MR_EINVAL, "alone: the batch is refused");
		is_int(batch.n_rows, 0, "alone: no rows");
		is_int(batch.n_rejects, 1, "alone: one refusal");
		ok(err.text[0] != '\0', "alone: a reason");
	}
	row(0);
}

static void
test_many_refused(void)
{
	is_int(decode("{\"eventType\":\"batch\",\"events\":[1,{\"eventType\":\"a\"},2,{\"eventType\":\"b\"},3]}"),
	    MR_OK, "three of five are bad");
	is_str(mr_str(rendered(&batch, RECEIVED)), "batch|default|-|-|=|{\"eventType\":\"batch\"}\n"
	    "a|default|-|-|=|{\"eventType\":\"a\"}\nb|default|-|-|=|{\"eventType\":\"b\"}\n"
	    "refused 0|1\nrefused 2|2\nrefused 4|3\n", "their indexes are the client's");

	is_int(decode("{\"eventType\":\"batch\",\"events\":[1,{},{\"eventType\":\"\"}]}"), MR_EINVAL,
	    "all are bad");
	is_int(batch.n_rows, 0, "no rows");
	is_int(batch.n_rejects, 3, "every refusal is told");
	is_int(batch.n_members, 3, "members");
}

/* One member that is no JSON between two good ones, and the same alone. */
static void
test_members_spoiled(void)
{
	const struct {
		int line;
		const char *head, *unit, *tail; /* the unit so often */
		size_t times;
		const char *reason; /* a part of it */
	} rows[] = {
		{ __LINE__, "{\"eventType\":\"bad\",\"", "k", "\":1}", 1100, "a key is longer" },
		{ __LINE__, "{\"eventType\":\"bad\",\"a\":", "{\"a\":", "1", 31, "" },
		{ __LINE__, "{\"eventType\":\"bad\",\"a\":[", "1,", "1]}", 100000, "values" },
		{ __LINE__, "{\"eventType\":\"bad\",\"a\":[", "1e400,", "1]}", 3000, "exponents" },
		{ __LINE__, "{\"eventType\":\"bad\",\"a\":\"\n\"}", "", "", 0, "control" },
		{ __LINE__, "{\"eventType\":\"bad\",\"a\":\"\\x\"}", "", "", 0, "escape" },
		{ __LINE__, "{\"eventType\":\"bad\",\"a\":NaN}", "", "", 0, "a value" },
		{ __LINE__, "{\"eventType\":\"bad\",}", "", "", 0, "a key" },
		{ __LINE__, "{\"eventType\":\"bad\" \"a\":\"]},\\\"{[\"}", "", "", 0, "" },
		{ __LINE__, "{eventType:1}", "", "", 0, "a key" },
		{ __LINE__, "undefined", "", "", 0, "a value" },
		{ __LINE__, "-", "", "", 0, "a digit" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_event_context ctx = context();
		struct mr_buf member, body;

		row(rows[i].line);
		mr_buf_init(&member, 1u << 20);
		mr_buf_add_cstr(&member, rows[i].head);
		for (size_t n = 0; n < rows[i].times; n++)
			mr_buf_add_cstr(&member, rows[i].unit);
		mr_buf_add_cstr(&member, rows[i].tail);
		for (size_t n = 0; n < 32 && rows[i].times == 31; n++)
			mr_buf_add_char(&member, '}');
		mr_buf_init(&body, 1u << 20);
		mr_buf_add_cstr(&body, "{\"eventType\":\"batch\",\"sessionId\":\"s\",\"events\":["
		    "{\"eventType\":\"a\"}, ");
		mr_buf_add_str(&body, mr_buf_str(&member));
		mr_buf_add_cstr(&body, " ,{\"eventType\":\"z\"}],\"n\":1}");
		is_int(decode_with(mr_buf_str(&body), &ctx), MR_OK, "the others are taken");
		is_int(batch.n_members, 3, "members");
		is_int(batch.n_rows, 3, "rows");
		is_int(batch.n_rejects, 1, "refusals");
		if (batch.n_rows == 3 && batch.n_rejects == 1) {
			is_str(batch.rows[0].payload,
			    "{\"eventType\":\"batch\",\"sessionId\":\"s\",\"n\":1}", "the envelope");
			is_str(batch.rows[1].payload, "{\"eventType\":\"a\"}", "before it");
			is_str(batch.rows[2].payload, "{\"eventType\":\"z\"}", "behind it");
			is_int(batch.rejects[0].index, 1, "its index");
			ok(mr_str_eq(batch.rejects[0].payload, mr_buf_str(&member)), "as it was sent");
			is_part(mr_arena_dup(&arena, batch.rejects[0].reason).p, rows[i].reason,
			    "the reason says what");
			check_sound();
		}
		mr_buf_reset(&body, 0);
		mr_buf_add_cstr(&body, "{\"eventType\":\"x\",\"events\":[");
		mr_buf_add_str(&body, mr_buf_str(&member));
		mr_buf_add_cstr(&body, "]}");
		is_int(decode_with(mr_buf_str(&body), &ctx), MR_EINVAL, "not in an event that is no batch");
		mr_buf_free(&body);
		mr_buf_free(&member);
	}
	row(0);
}

/* What cannot be told apart is refused with all that it is in. */
static void
test_batch_spoiled(void)
{
	static const struct {
		int line;
		const char *body;
		int64_t offset;
	} rows[] = {
		{ __LINE__, "{\"eventType\":\"batch\",\"events\":[{\"eventType\":\"a},{\"eventType\":\"b\"}]}", 50 },
		{ __LINE__, "{\"eventType\":\"batch\",\"events\":[{\"eventType\":\"a\"},]}", 49 },
		{ __LINE__, "{\"eventType\":\"batch\",\"events\":[{\"a\":[}]},{\"eventType\":\"b\"}]}", 37 },
		{ __LINE__, "{\"eventType\":\"batch\",\"events\":[{\"a\":x}]", 36 },
		{ __LINE__, "{\"eventType\":\"batch\",\"n\":x,\"events\":[{\"eventType\":\"a\"}]}", 25 },
		{ __LINE__, "{\"eventType\":\"batch\",\"events\":[{\"a\":x}],\"n\":}", 36 },
		{ __LINE__, "{\"eventType\":\"batch\",\"events\":[{\"a\":x}]} x", 36 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_int(decode(rows[i].body), MR_EINVAL, "refused");
		is_int(batch.n_rows, 0, "no rows");
		is_int(err.offset, rows[i].offset, "the first wrong byte");
	}
	row(0);
}

/* What cannot be used as an id, and bytes that are no UTF-8. */
static void
test_fields(void)
{
	static const struct {
		int line;
		struct mr_str body;
		const char *rows;
		unsigned bad_ids;
	} rows[] = {
		{ __LINE__, BYTES("{\"eventType\":\"x\",\"sessionId\":{}}"),
		    "x|default|-|-|=|{\"eventType\":\"x\",\"sessionId\":{}}\n", 1 },
		{ __LINE__, BYTES("{\"eventType\":\"x\",\"visitorId\":[],\"sessionId\":\"s\"}"),
		    "x|default|s|-|=|{\"eventType\":\"x\",\"visitorId\":[],\"sessionId\":\"s\"}\n", 1 },
		{ __LINE__, BYTES("{\"eventType\":\"batch\",\"sessionId\":[1],\"visitorId\":{},\"events\":["
		    "{\"eventType\":\"a\"},{\"eventType\":\"b\",\"visitorId\":\"w\"}]}"),
		    "batch|default|-|-|=|{\"eventType\":\"batch\",\"sessionId\":[1],\"visitorId\":{}}\n"
		    "a|default|-|-|=|{\"eventType\":\"a\"}\n"
		    "b|default|-|w|=|{\"eventType\":\"b\",\"visitorId\":\"w\"}\n", 2 },
		/* a member that says who it is, unreadably, is not the envelope's visitor */
		{ __LINE__, BYTES("{\"eventType\":\"batch\",\"visitorId\":\"v\",\"events\":["
		    "{\"eventType\":\"a\",\"visitorId\":{}}]}"),
		    "batch|default|-|v|=|{\"eventType\":\"batch\",\"visitorId\":\"v\"}\n"
		    "a|default|-|-|=|{\"eventType\":\"a\",\"visitorId\":{}}\n", 1 },
		{ __LINE__, BYTES("{\"eventType\":\"x\",\"messageId\":7}"),
		    "x|default|-|-|=|{\"eventType\":\"x\",\"messageId\":7}\n", 1 },
		{ __LINE__, BYTES("{\"eventType\":\"batch\",\"events\":null}"),
		    "batch|default|-|-|=|{\"eventType\":\"batch\",\"events\":null}\n", 0 },

		{ __LINE__, BYTES("{\"eventType\":\"\xff\"}"),
		    "\xef\xbf\xbd|default|-|-|=|{\"eventType\":\"\xef\xbf\xbd\"}\n", 0 },
		{ __LINE__, BYTES("{\"eventType\":\"caf\xe9\", \"\xc3\":\"\xed\xa0\x80\xc3\xa9\"}"),
		    "caf\xef\xbf\xbd|default|-|-|=|{\"eventType\":\"caf\xef\xbf\xbd\","
		    "\"\xef\xbf\xbd\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9\"}\n", 0 },
		{ __LINE__, BYTES("{\"eventType\":\"batch\",\"events\":[{\"eventType\":\"a\",\"x\":\"\xe2\x82\"},"
		    "{\"x\":NaN,\"y\":\"\xff\"},{\"eventType\":\"b\"}]}"),
		    "batch|default|-|-|=|{\"eventType\":\"batch\"}\n"
		    "a|default|-|-|=|{\"eventType\":\"a\",\"x\":\"\xef\xbf\xbd\xef\xbf\xbd\"}\n"
		    "b|default|-|-|=|{\"eventType\":\"b\"}\n"
		    "refused 1|{\"x\":NaN,\"y\":\"\xef\xbf\xbd\"}\n", 0 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_event_context ctx = context();

		row(rows[i].line);
		is_int(decode_with(rows[i].body, &ctx), MR_OK, "taken");
		is_str(mr_str(rendered(&batch, RECEIVED)), rows[i].rows, "the rows");
		is_int(batch.bad_ids, rows[i].bad_ids, "ids that were left out");
		check_sound();
	}
	row(0);
}

/* By what each row is stored once. */
static void
test_message_ids(void)
{
	static const struct {
		int line;
		const char *body;
		const char *ids[3];
		unsigned bad_ids;
	} rows[] = {
		{ __LINE__, "{\"eventType\":\"x\",\"messageId\":\"m\\u00e4\"}", { "m\xc3\xa4" }, 0 },
		{ __LINE__, "{\"eventType\":\"x\"}", { NULL }, 0 },
		{ __LINE__, "{\"eventType\":\"x\",\"messageId\":null}", { NULL }, 0 },
		{ __LINE__, "{\"eventType\":\"x\",\"messageId\":\"\"}", { NULL }, 0 },
		{ __LINE__, "{\"eventType\":\"x\",\"messageId\":true}", { NULL }, 1 },
		/* members have their own */
		{ __LINE__, "{\"eventType\":\"batch\",\"messageId\":\"e\",\"events\":["
		    "{\"eventType\":\"a\"},{\"eventType\":\"b\",\"messageId\":\"m\"}]}", { "e", NULL, "m" }, 0 },
	};
	char long_id[600];

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_int(decode(rows[i].body), MR_OK, "taken");
		for (size_t r = 0; r < batch.n_rows; r++)
			is_str(batch.rows[r].message_id, rows[i].ids[r], "the row's");
		is_int(batch.bad_ids, rows[i].bad_ids, "ids that were left out");
	}
	row(0);
	for (int n = 255; n <= 256; n++) {
		snprintf(long_id, sizeof long_id, "{\"eventType\":\"x\",\"messageId\":\"%0*d\"}", n, 1);
		is_int(decode(long_id), MR_OK, "taken");
		is_int(batch.rows[0].message_id.n, n == 255 ? 255 : 0, "its bytes");
		is_int(batch.bad_ids, n > 255, "left out");
		snprintf(long_id, sizeof long_id, "eventType=x&messageId=%0*d", n, 1);
		is_int(decode_query(long_id), MR_OK, "taken from a query");
		is_int(batch.rows[0].message_id.n, n == 255 ? 255 : 0, "its bytes");
		is_int(batch.bad_ids, n > 255, "left out");
	}
}

/* A bad envelope takes its members with it. */
static void
test_envelope_refused(void)
{
	is_int(decode("{\"eventType\":\"batch\",\"siteId\":{},\"events\":[{\"eventType\":\"a\"}]}"),
	    MR_EINVAL, "an object as the envelope's site");
	is_int(batch.n_rows, 0, "no rows");
	is_int(decode("{\"eventType\":\"batch\",\"n\":1e999,\"events\":[{\"eventType\":\"a\"}]}"), MR_EINVAL,
	    "a number beyond the limits in the envelope");
	is_int(batch.n_rows, 0, "no rows");
}

static enum mr_err
decode_members(size_t n, size_t max)
{
	struct mr_event_context ctx = context();
	struct mr_buf body;
	enum mr_err rc;

	ctx.max_batch_events = max;
	mr_buf_init(&body, 1u << 20);
	mr_buf_add_cstr(&body, "{\"eventType\":\"batch\",\"events\":[");
	for (size_t i = 0; i < n; i++)
		mr_buf_printf(&body, "%s{\"eventType\":\"e%zu\"}", i == 0 ? "" : ",", i);
	mr_buf_add_cstr(&body, "]}");
	if (body.failed)
		bail("the body is too large");
	rc = decode_with(mr_buf_str(&body), &ctx);
	mr_buf_free(&body);
	return rc;
}

static void
test_drop_visitor(void)
{
	static const struct {
		int line;
		const char *body, *payload;
	} rows[] = {
		{ __LINE__, "{\"eventType\":\"a\",\"visitorId\":\"v\",\"n\":1}",
		    "{\"eventType\":\"a\",\"n\":1}" },
		{ __LINE__, "{\"visitorId\":{\"x\":[1]},\"eventType\":\"a\"}", "{\"eventType\":\"a\"}" },
		{ __LINE__, "{\"eventType\":\"a\",\"visitor\\u0049d\":\"v\"}", "{\"eventType\":\"a\"}" },
		{ __LINE__, "{\"visitorId\":1,\"eventType\":\"a\",\"visitorId\":2}",
		    "{\"eventType\":\"a\"}" },
		{ __LINE__, "{ \"eventType\": \"a\" }", "{\"eventType\":\"a\"}" },
		{ __LINE__, "{\"eventType\":\"a\",\"data\":{\"visitorId\":\"x\"}}",
		    "{\"eventType\":\"a\",\"data\":{\"visitorId\":\"x\"}}" },
	};
	struct mr_event_context ctx = context();

	ctx.drop_visitor = true;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		row(rows[i].line);
		is_int(decode_with(mr_str(rows[i].body), &ctx), MR_OK, "decodes");
		ok(batch.rows[0].visitor_id.p == NULL, "no visitor");
		is_str(batch.rows[0].payload, rows[i].payload, "payload");
	}
	row(0);
	is_int(decode_with(mr_str("{\"eventType\":\"batch\",\"visitorId\":\"v\",\"events\":["
	    "{\"eventType\":\"a\"},{\"visitorId\":\"w\",\"eventType\":\"b\"}]}"), &ctx), MR_OK, "a batch");
	is_str(batch.rows[0].payload, "{\"eventType\":\"batch\"}", "envelope");
	is_str(batch.rows[2].payload, "{\"eventType\":\"b\"}", "member");
	ok(batch.rows[1].visitor_id.p == NULL && batch.rows[2].visitor_id.p == NULL,
	    "members inherit no visitor and have none");
	is_int(decode_with(mr_str("{\"eventType\":\"batch\",\"events\":[{\"eventType\":\"a\"},"
	    "{\"visitorId\":\"w\",\"siteId\":[1],\"visitor\\u0049d\":\"x\"},\"visitorId\"]}"), &ctx),
	    MR_OK, "a batch with members that are refused");
	is_int(batch.n_rejects, 2, "refusals");
	is_str(batch.rejects[0].payload, "{\"siteId\":[1]}", "a refused member");
	is_str(batch.rejects[1].payload, "\"visitorId\"", "one that is no object is kept as sent");
	is_int(decode_with(mr_str("{\"eventType\":\"batch\",\"events\":[{\"eventType\":\"a\"},"
	    "{\"visitorId\":\"w\",}]}"), &ctx), MR_OK, "a batch with a member that is no JSON");
	is_str(batch.rejects[0].payload, "", "nothing of it is kept");
	fresh();
	is_int(mr_event_decode_query(&arena, mr_str("visitorId=v&eventType=a&n=1"), &ctx, &batch, &err),
	    MR_OK, "a query");
	ok(batch.rows[0].visitor_id.p == NULL, "no visitor");
	is_str(batch.rows[0].payload, "{\"eventType\":\"a\",\"n\":\"1\"}", "payload");
}

static void
test_limits(void)
{
	is_int(decode_members(1000, 1000), MR_OK, "as many members as are allowed");
	is_int(batch.n_rows, 1001, "a row for each, and the envelope");
	is_str(batch.rows[1000].event_type, "e999", "the last one");
	check_sound();
	is_int(decode_members(1001, 1000), MR_ELIMIT, "one more");
	is_int(err.code, MR_ELIMIT, "the error's code");
	is_part(err.text, "1000", "the error tells the limit");
	is_int(batch.n_rows, 0, "no rows");
	is_int(decode_members(10000, 1000), MR_ELIMIT, "ten times as many");
	is_int(decode_members(1, 1), MR_OK, "a limit of one");
	is_int(decode_members(2, 1), MR_ELIMIT, "two are too many for it");
}

static void
test_no_memory(void)
{
	struct mr_event_context ctx = context();
	char text[] = "{\"eventType\":\"batch\",\"sessionId\":\"\\u0041\",\"events\":["
	    "{\"eventType\":\"a\\n\"},{\"eventType\":\"b\"},7]}";
	size_t last_failed = 0;

	for (size_t max = 0; max < 20000; max += 16) {
		struct mr_arena small;
		enum mr_err rc;
		char *copy = strdup(text);

		if (copy == NULL)
			bail("no memory");
		mr_arena_init(&small, max);
		rc = mr_event_decode(&small, copy, strlen(copy), &ctx, &batch, &err);
		if (rc != MR_OK && rc != MR_ENOMEM) {
			ok(false, "an arena of %zu bytes gives MR_ENOMEM", max);
			diag("got %d: %s", (int)rc, err.text);
			last_failed = 1;
		} else if (rc == MR_ENOMEM) {
			last_failed = max;
		}
		mr_arena_free(&small);
		free(copy);
	}
	ok(last_failed != 0, "a small arena runs out");
	ok(last_failed < 20000 - 16, "a large enough one does not");
	is_int(mr_event_decode(&arena, text, 3, &ctx, &batch, NULL), MR_EINVAL,
	    "a refusal without an error struct");
}

/* --- query strings ------------------------------------------------------ */

static void
test_query(void)
{
	static const struct {
		int line;
		const char *query;
		const char *row;
		unsigned bad_times;
	} rows[] = {
		{ __LINE__, "eventType=click&siteId=x&plan=pro",
		    "click|x|-|-|=|{\"eventType\":\"click\",\"siteId\":\"x\",\"plan\":\"pro\"}\n", 0 },
		{ __LINE__, "eventType=click", "click|default|-|-|=|{\"eventType\":\"click\"}\n", 0 },
		{ __LINE__, "sessionId=s&visitorId=v&timestamp=1750593600123&eventType=x",
		    "x|default|s|v|2025-06-22T12:00:00.123Z|{\"sessionId\":\"s\",\"visitorId\":\"v\","
		    "\"timestamp\":\"1750593600123\",\"eventType\":\"x\"}\n", 0 },
		{ __LINE__, "eventType=x&timestamp=2025-06-22T14:00:00%2B02:00",
		    "x|default|-|-|2025-06-22T12:00:00.000Z|{\"eventType\":\"x\","
		    "\"timestamp\":\"2025-06-22T14:00:00+02:00\"}\n", 0 },
		{ __LINE__, "eventType=x&timestamp=soon",
		    "x|default|-|-|=|{\"eventType\":\"x\",\"timestamp\":\"soon\"}\n", 1 },

		/* percent and plus, in names as well */
		{ __LINE__, "eventType=page+view&a%20b=c%26d%3De%25",
		    "page view|default|-|-|=|{\"eventType\":\"page view\",\"a b\":\"c&d=e%\"}\n", 0 },
		{ __LINE__, "event%54ype=%78&site%49d=m%C3%BCnchen&u=https%3a%2f%2fexample.com%2F",
		    "x|m\xc3\xbcnchen|-|-|=|{\"eventType\":\"x\",\"siteId\":\"m\xc3\xbcnchen\","
		    "\"u\":\"https://example.com/\"}\n", 0 },
		{ __LINE__, "eventType=x&a=100%&b=%4&c=%zz&d=%4g&e=%%34&f=%2&g=%",
		    "x|default|-|-|=|{\"eventType\":\"x\",\"a\":\"100%\",\"b\":\"%4\",\"c\":\"%zz\","
		    "\"d\":\"%4g\",\"e\":\"%4\",\"f\":\"%2\",\"g\":\"%\"}\n", 0 },
		{ __LINE__, "eventType=x&a=%2541", "x|default|-|-|=|{\"eventType\":\"x\",\"a\":\"%41\"}\n", 0 },

		/* empty and odd pieces */
		{ __LINE__, "&&eventType=x&&a=&b&=c&", "x|default|-|-|=|{\"eventType\":\"x\",\"a\":\"\","
		    "\"b\":\"\",\"\":\"c\"}\n", 0 },
		{ __LINE__, "eventType=x&a=b=c", "x|default|-|-|=|{\"eventType\":\"x\",\"a\":\"b=c\"}\n", 0 },
		{ __LINE__, "eventType=x&siteId=&sessionId=",
		    "x|default|-|-|=|{\"eventType\":\"x\",\"siteId\":\"\",\"sessionId\":\"\"}\n", 0 },
		/* ';' separates nothing */
		{ __LINE__, "eventType=x;siteId=y",
		    "x;siteId=y|default|-|-|=|{\"eventType\":\"x;siteId=y\"}\n", 0 },

		/* what JSON must escape, and what PostgreSQL cannot hold */
		{ __LINE__, "eventType=x&a=%22%5C%2F%0A%09%01&b%22=1",
		    "x|default|-|-|=|{\"eventType\":\"x\",\"a\":\"\\\"\\\\/\\n\\t\\u0001\",\"b\\\"\":\"1\"}\n", 0 },
		{ __LINE__, "eventType=a%00b", "a\xef\xbf\xbd" "b|default|-|-|=|"
		    "{\"eventType\":\"a\xef\xbf\xbd" "b\"}\n", 0 },
		{ __LINE__, "eventType=x&a=%ff&b=\xff&c=%C3&d=%ED%A0%80z",
		    "x|default|-|-|=|{\"eventType\":\"x\",\"a\":\"\xef\xbf\xbd\",\"b\":\"\xef\xbf\xbd\","
		    "\"c\":\"\xef\xbf\xbd\",\"d\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"}\n", 0 },

		/* a batch cannot be written in a query string */
		{ __LINE__, "eventType=x&events=%5B%5D",
		    "x|default|-|-|=|{\"eventType\":\"x\",\"events\":\"[]\"}\n", 0 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		if (!ok(decode_query(rows[i].query) == MR_OK, "taken")) {
			diag("%s", err.text);
			continue;
		}
		is_str(mr_str(rendered(&batch, RECEIVED)), rows[i].row, "the row");
		is_int(batch.n_rejects, 0, "no refusals");
		is_int(batch.bad_times, rows[i].bad_times, "unreadable timestamps");
		check_sound();
	}
	row(0);
}

/* Column and payload must not tell different stories. */
static void
test_query_repeated(void)
{
	is_int(decode_query("eventType=a&eventType=b&siteId=s1&siteId=s2&x=1&x=2"), MR_OK,
	    "repeated parameters are taken");
	is_int(batch.n_rows, 1, "as one event");
	is_str(batch.rows[0].event_type, "b", "the last counts, as in PostgreSQL");
	is_str(batch.rows[0].site_id, "s2", "the last site");
	is_part(rendered(&batch, RECEIVED), "\"x\":\"2\"", "the last value is in the payload");
	check_sound();
	is_int(decode_query("eventType=a&siteId=s&siteId=&sessionId=1&sessionId=&batchId=1&batchId="),
	    MR_OK, "an empty one that repeats a parameter is taken");
	is_str(batch.rows[0].site_id, "default", "it counts, as in a body: no site");
	ok(batch.rows[0].session_id.p == NULL && batch.batch_id.p == NULL, "no session, no batchId");
	check_sound();
	is_int(decode_query("eventType=a&eventType=&siteId=s"), MR_EINVAL, "no type");
}

static void
test_query_refused(void)
{
	static const struct {
		int line;
		const char *query;
		const char *reason;
	} rows[] = {
		{ __LINE__, "", "eventType" },
		{ __LINE__, "&", "eventType" },
		{ __LINE__, "siteId=x", "eventType" },
		{ __LINE__, "eventType", "eventType" },
		{ __LINE__, "eventType=", "eventType" },
		{ __LINE__, "eventtype=x", "eventType" },
		{ __LINE__, "=eventType", "eventType" },
		{ __LINE__, "{\"eventType\":\"x\"}", "eventType" },
	};
	struct mr_event_context ctx = context();
	char longest[400];

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_int(decode_query(rows[i].query), MR_EINVAL, "refused");
		is_part(err.text, rows[i].reason, "the reason says what");
	}
	row(0);
	is_int(mr_event_decode_query(&arena, MR_STR_NULL, &ctx, &batch, &err), MR_EINVAL,
	    "no query string at all");
	for (size_t n = 255; n <= 256; n++) {
		static const char *const keys[] = { "eventType=x&siteId=", "eventType=x&sessionId=",
			"eventType=x&visitorId=", "eventType=" };

		for (size_t k = 0; k < ROWS(keys); k++) {
			size_t at = (size_t)snprintf(longest, sizeof longest, "%s", keys[k]);

			memset(longest + at, 'v', n);
			longest[at + n] = '\0';
			bool id = k == 1 || k == 2;

			is_int(decode_query(longest), n == 255 || id ? MR_OK : MR_EINVAL,
			    n == 255 ? "a value of 255 bytes" : "a value of 256 bytes");
			is_int(batch.bad_ids, n == 256 && id, "left out");
		}
	}
}

/* How many refusals are kept, of n whose payloads have so many bytes. */
static const struct {
	int line;
	size_t n, bytes, kept;
} keeping[] = {
	{ __LINE__, 0, 0, 0 }, { __LINE__, 1, 1 << 20, 1 }, { __LINE__, 2, 1 << 20, 1 },
	{ __LINE__, 3, 32768, 3 }, { __LINE__, 4, 32768, 3 }, { __LINE__, 20, 100, 20 },
	{ __LINE__, 21, 0, 20 },
};

static void
test_kept_refusals(void)
{
	struct mr_reject rejects[21];
	struct mr_batch b = { .rejects = rejects };

	for (size_t i = 0; i < ROWS(keeping); i++) {
		row(keeping[i].line);
		b.n_rejects = keeping[i].n;
		for (size_t k = 0; k < b.n_rejects; k++)
			rejects[k] = (struct mr_reject){ .payload = { "", keeping[i].bytes } };
		is_int(mr_event_kept_rejects(&b), keeping[i].kept, "refusals that are kept");
	}
	row(0);
}

int
main(void)
{
	mr_arena_init(&arena, ARENA_MAX);
	test_single();
	test_refused();
	test_lengths();
	test_context();
	test_batch_id();
	test_batch();
	test_members_refused();
	test_many_refused();
	test_members_spoiled();
	test_batch_spoiled();
	test_fields();
	test_message_ids();
	test_kept_refusals();
	test_envelope_refused();
	test_drop_visitor();
	test_limits();
	test_no_memory();
	test_query();
	test_query_repeated();
	test_query_refused();
	mr_arena_free(&arena);
	free(body_copy);
	return done();
}
