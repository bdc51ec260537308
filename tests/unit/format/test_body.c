/*
 * Bodies of all kinds: format/body.h. What events become is test_event.c's; here, which are
 * found: their types, "bad" for a refusal, and the fields of the last.
 */
#include "format/body.h"

#include "../tap.h"
#include "base/buf.h"

static struct mr_arena arena;
static struct mr_batch batch;
static struct mr_error err;

#define JSON_TYPE "application/json"
#define FORM_TYPE "application/x-www-form-urlencoded"
#define LINES_TYPE "application/x-ndjson"

/* Decodes a body in memory of its exact size. */
static enum mr_err
decode(const char *type, struct mr_str body)
{
	static char *copy;
	struct mr_event_context ctx = { .received_us = 1, .default_site = MR_STR_LIT("default"),
		.max_batch_events = 10 };

	mr_arena_reset(&arena);
	err = (struct mr_error)MR_ERROR_INIT;
	free(copy);
	copy = malloc(body.n != 0 ? body.n : 1);
	if (copy == NULL)
		bail("no memory");
	memcpy(copy, body.p, body.n);
	return mr_body_decode(&arena, mr_str(type), copy, body.n, &ctx, &batch, &err);
}

/* "a b;c": the types of the rows, the payload of the last; "1" for a refused member 1. */
static const char *
rendered(void)
{
	static struct mr_buf b;

	mr_buf_free(&b);
	mr_buf_init(&b, 1u << 20);
	for (size_t i = 0; i < batch.n_rows; i++)
		mr_buf_printf(&b, "%s%.*s", i > 0 ? " " : "", (int)batch.rows[i].event_type.n,
		    batch.rows[i].event_type.p);
	for (size_t i = 0; i < batch.n_rejects; i++)
		mr_buf_printf(&b, " %lld", (long long)batch.rejects[i].index);
	mr_buf_printf(&b, ";%.*s", (int)batch.rows[batch.n_rows - 1].payload.n,
	    batch.rows[batch.n_rows - 1].payload.p);
	mr_buf_add_char(&b, '\0');
	return b.p;
}

static void
test_good(void)
{
	static const struct {
		int line;
		const char *type;
		struct mr_str body;
		const char *want;
	} rows[] = {
		/* JSON, whatever it is called */
		{ __LINE__, NULL, BYTES("{\"eventType\":\"x\"}"), "x;{\"eventType\":\"x\"}" },
		{ __LINE__, "text/plain", BYTES("{\"eventType\":\"x\"}"), "x;{\"eventType\":\"x\"}" },
		{ __LINE__, FORM_TYPE, BYTES("{\"eventType\":\"x&y=1\"}"), "x&y=1;{\"eventType\":\"x&y=1\"}" },
		{ __LINE__, FORM_TYPE, BYTES("\r\n {\"eventType\":\"x\"}"), "x;{\"eventType\":\"x\"}" },
		{ __LINE__, FORM_TYPE, BYTES("[{\"eventType\":\"x\"}]"), "x;{\"eventType\":\"x\"}" },

		/* encodings of Unicode */
		{ __LINE__, NULL, BYTES("\xef\xbb\xbf{\"eventType\":\"x\"}"), "x;{\"eventType\":\"x\"}" },
		{ __LINE__, NULL, BYTES("\xff\xfe{\0\"\0e\0v\0e\0n\0t\0T\0y\0p\0e\0\"\0:\0\"\0\xe9\0\"\0}\0"),
		    "\xc3\xa9;{\"eventType\":\"\xc3\xa9\"}" },
		{ __LINE__, NULL, BYTES("\xfe\xff\0{\0\"\0e\0v\0e\0n\0t\0T\0y\0p\0e\0\"\0:\0\"\0\xe9\0\"\0}"),
		    "\xc3\xa9;{\"eventType\":\"\xc3\xa9\"}" },
		{ __LINE__, NULL, BYTES("{\0\"\0e\0v\0e\0n\0t\0T\0y\0p\0e\0\"\0:\0\"\0\x3d\xd8\x00\xde\"\0}\0"),
		    "\xf0\x9f\x98\x80;{\"eventType\":\"\xf0\x9f\x98\x80\"}" },
		{ __LINE__, NULL, BYTES("\0{\0\"\0e\0v\0e\0n\0t\0T\0y\0p\0e\0\"\0:\0\"\xd8\x3d\0x\0\"\0}"),
		    "\xef\xbf\xbdx;{\"eventType\":\"\xef\xbf\xbdx\"}" },

		/* an array of events: no envelope */
		{ __LINE__, NULL, BYTES("[{\"eventType\":\"a\"},{\"eventType\":\"b\"}]"), "a b;{\"eventType\":\"b\"}" },
		{ __LINE__, NULL, BYTES("[1,{\"eventType\":\"a\"},{\"eventType\":\"batch\"}]"),
		    "a 0 2;{\"eventType\":\"a\"}" },
		{ __LINE__, NULL, BYTES("[{\"eventType\":\"a\"},{\"x\":NaN}, {\"eventType\":\"b\"}]"),
		    "a b 1;{\"eventType\":\"b\"}" },

		/* one a line */
		{ __LINE__, LINES_TYPE, BYTES("{\"eventType\":\"a\"}\n{\"eventType\":\"b\"}\n"),
		    "a b;{\"eventType\":\"b\"}" },
		{ __LINE__, LINES_TYPE, BYTES("\n{\"eventType\":\"a\"}\r\n \r\n\n{\"eventType\":\"b\"}"),
		    "a b;{\"eventType\":\"b\"}" },
		{ __LINE__, LINES_TYPE, BYTES("{\"eventType\":\"a\"}\n{\"eventType\":\n{\"eventType\":\"b\"}\n]\n5"),
		    "a b 1 3 4;{\"eventType\":\"b\"}" },
		{ __LINE__, LINES_TYPE, BYTES("{\"eventType\":\"caf\xe9\"}\n{\"eventType\":\"b\"}\n"),
		    "caf\xef\xbf\xbd b;{\"eventType\":\"b\"}" },
		{ __LINE__, "Application/JSONL; charset=utf-8", BYTES("{\"eventType\":\"a\"}"),
		    "a;{\"eventType\":\"a\"}" },
		{ __LINE__, "application/x-jsonlines", BYTES("{\"eventType\":\"a\"}"), "a;{\"eventType\":\"a\"}" },
		{ __LINE__, "application/ndjson", BYTES("\xef\xbb\xbf{\"eventType\":\"a\"}\n"),
		    "a;{\"eventType\":\"a\"}" },

		/* forms */
		{ __LINE__, FORM_TYPE, BYTES("eventType=signup&siteId=s&plan=pro+plus&e=%C3%A9"),
		    "signup;{\"eventType\":\"signup\",\"siteId\":\"s\",\"plan\":\"pro plus\",\"e\":\"\xc3\xa9\"}" },
		{ __LINE__, FORM_TYPE "; charset=UTF-8", BYTES("eventType=x&data=1"),
		    "x;{\"eventType\":\"x\",\"data\":\"1\"}" },
		{ __LINE__, FORM_TYPE, BYTES("data=%7B%22eventType%22%3A%22x%22%7D"), "x;{\"eventType\":\"x\"}" },
		{ __LINE__, FORM_TYPE, BYTES("data=%5B%7B%22eventType%22:%22x%22%7D%5D&v=1"), "x;{\"eventType\":\"x\"}" },
		{ __LINE__, FORM_TYPE, BYTES("data=eyJldmVudFR5cGUiOiJ4In0%3D"), "x;{\"eventType\":\"x\"}" },
		{ __LINE__, FORM_TYPE, BYTES("data=eyJldmVudFR5cGUiOiJ4In0"), "x;{\"eventType\":\"x\"}" },
		/* {"eventType":"~~~???"} in either alphabet, and with a '+' that was not encoded */
		{ __LINE__, FORM_TYPE, BYTES("data=eyJldmVudFR5cGUiOiJ-fn4_Pz8ifQ"), "~~~???;{\"eventType\":\"~~~???\"}" },
		{ __LINE__, FORM_TYPE, BYTES("data=eyJldmVudFR5cGUiOiJ%2Bfn4/Pz8ifQ=="), "~~~???;{\"eventType\":\"~~~???\"}" },
		{ __LINE__, FORM_TYPE, BYTES("data=eyJldmVudFR5cGUiOiJ+fn4/Pz8ifQ=="), "~~~???;{\"eventType\":\"~~~???\"}" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		if (ok(decode(rows[i].type, rows[i].body) == MR_OK, "taken: %s", err.text))
			is_str(mr_str(rendered()), rows[i].want, "rows");
	}
	row(0);
}

static void
test_bad(void)
{
	static const struct {
		int line;
		const char *type;
		struct mr_str body;
		enum mr_err rc;
		const char *reason;
	} rows[] = {
		{ __LINE__, NULL, BYTES(""), MR_EINVAL, "empty" },
		{ __LINE__, NULL, BYTES("\xef\xbb\xbf"), MR_EINVAL, "empty" },
		{ __LINE__, NULL, BYTES("\xef\xbb\xbf{\"a\"::1}"), MR_EINVAL, "byte 8" },
		{ __LINE__, NULL, BYTES("\xff\xfe"), MR_EINVAL, "empty" },
		{ __LINE__, NULL, BYTES("\xff\xfe{"), MR_EINVAL, "byte" },
		{ __LINE__, NULL, BYTES("[]"), MR_EINVAL, "array" },
		{ __LINE__, NULL, BYTES("[{\"a\":1}]"), MR_EINVAL, "eventType is missing" },
		{ __LINE__, NULL, BYTES("[1,2,3,4,5,6,7,8,9,0,1]"), MR_ELIMIT, "11 members" },
		{ __LINE__, NULL, BYTES("{\"eventType\":\"a\"}\n{\"eventType\":\"b\"}\n"), MR_EINVAL, "follows" },
		{ __LINE__, LINES_TYPE, BYTES(""), MR_EINVAL, "array" },
		{ __LINE__, LINES_TYPE, BYTES("\n\n"), MR_EINVAL, "array" },
		{ __LINE__, LINES_TYPE, BYTES("{\"eventType\":"), MR_EINVAL, "byte 13" },
		{ __LINE__, LINES_TYPE, BYTES("{\"eventType\":\"batch\",\"events\":[]}"), MR_EINVAL, "batch" },
		{ __LINE__, LINES_TYPE, BYTES("1\n2\n3\n4\n5\n6\n7\n8\n9\n0\n1"), MR_ELIMIT, "11 members" },
		{ __LINE__, LINES_TYPE, BYTES("x\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx"), MR_EINVAL, "lines" },
		{ __LINE__, "application/x-ndjsonx", BYTES("1\n2"), MR_EINVAL, "follows" },
		{ __LINE__, FORM_TYPE, BYTES(""), MR_EINVAL, "eventType" },
		{ __LINE__, FORM_TYPE, BYTES("plan=pro"), MR_EINVAL, "eventType" },
		{ __LINE__, FORM_TYPE, BYTES("data="), MR_EINVAL, "eventType" },
		{ __LINE__, FORM_TYPE, BYTES("data=!"), MR_EINVAL, "base64" },
		{ __LINE__, FORM_TYPE, BYTES("data=eyJld"), MR_EINVAL, "base64" },
		{ __LINE__, FORM_TYPE, BYTES("data=eyJl=dmVu"), MR_EINVAL, "base64" },
		{ __LINE__, FORM_TYPE, BYTES("data=AAAA"), MR_EINVAL, "JSON" },
		{ __LINE__, FORM_TYPE, BYTES("data=%7B%7D"), MR_EINVAL, "eventType" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_int(decode(rows[i].type, rows[i].body), rows[i].rc, "refused");
		is_part(err.text, rows[i].reason, "the reason says what");
		is_int(batch.n_rows, 0, "no rows");
	}
	row(0);
}

/* A batch without an envelope belongs where its first row does. */
static void
test_bare(void)
{
	is_int(decode(NULL, MR_STR_LIT("[1,{\"eventType\":\"a\",\"siteId\":\"s\"},{\"eventType\":\"b\"}]")),
	    MR_OK, "an array");
	ok(batch.is_batch && batch.bare, "is a bare batch");
	is_int(batch.n_members, 3, "members");
	is_str(batch.site_id, "s", "its site");
	is_str(batch.rows[1].site_id, "default", "a member inherits nothing of its neighbour");
	is_int(decode(NULL, MR_STR_LIT("{\"eventType\":\"batch\",\"events\":[{\"eventType\":\"a\"}]}")),
	    MR_OK, "an envelope");
	ok(batch.is_batch && !batch.bare, "is none");
}

int
main(void)
{
	mr_arena_init(&arena, (size_t)8 << 20);
	test_good();
	test_bad();
	test_bare();
	return done();
}
