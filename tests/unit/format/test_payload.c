/* Objects as they were sent: format/payload.h. */
#include "format/payload.h"

#include "../tap.h"

static struct mr_arena arena;

/* The payload of a text, of which the exact size is allocated. */
static struct mr_str
payload(const char *text, const struct mr_str *without, size_t n_without)
{
	struct mr_error err = MR_ERROR_INIT;
	size_t n = strlen(text);
	struct mr_json json;
	char *copy;

	mr_arena_reset(&arena);
	copy = mr_arena_alloc(&arena, n);
	if (copy == NULL)
		bail("no memory");
	memcpy(copy, text, n);
	if (mr_json_parse(&arena, copy, n, &json, &err) != MR_OK)
		bail("%s", err.text);
	return mr_payload(&arena, &json, 0, without, n_without);
}

static void
test_as_sent(void)
{
	static const struct {
		int line;
		const char *text, *expected;
	} rows[] = {
		{ __LINE__, "{}", "{}" },
		{ __LINE__, "{\"b\":1,\"a\":{\"d\":2,\"c\":[3,{}]},\"b\":4}", NULL },
		{ __LINE__, "{\"c\":\"\\u00e4\\\"\",\"b\":-1.50e+1,\"a\":null,\"d\":\"}{, :\"}", NULL },
		/* blanks go, but not from strings, however those end */
		{ __LINE__, " { } ", "{}" },
		{ __LINE__, "\r\n{\"a\":1}\n", "{\"a\":1}" },
		{ __LINE__, "{\n\t\"b c\" : [ 3 , -1e1 ] ,\r\n\t\"a\" : [ { } , [ true , null ] ] }",
		    "{\"b c\":[3,-1e1],\"a\":[{},[true,null]]}" },
		{ __LINE__, "{ \"a \\\" b\" : \" \\\\\", \"\" : \"\", \"c\":\" , \\\\\\\" }\"}",
		    "{\"a \\\" b\":\" \\\\\",\"\":\"\",\"c\":\" , \\\\\\\" }\"}" },
		{ __LINE__, "{ \"a\":{ \"b\":{ \"c\":\"\xc3\xa4 \" } } }", "{\"a\":{\"b\":{\"c\":\"\xc3\xa4 \"}}}" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_str(payload(rows[i].text, NULL, 0), rows[i].expected != NULL ?
		    rows[i].expected : rows[i].text, "as it was sent, without blanks");
	}
	row(0);
}

static void
test_without(void)
{
	static const struct mr_str names[] = { MR_STR_LIT("events"), MR_STR_LIT("v") };
	static const struct {
		int line;
		const char *text, *expected;
	} rows[] = {
		{ __LINE__, "{\"events\":[1]}", "{}" },
		{ __LINE__, "{ \"events\" : [1] }", "{}" },
		{ __LINE__, "{\"v\":1,\"a\":2,\"events\":{},\"v\":3}", "{\"a\":2}" },
		{ __LINE__, "{\"b\":1,\"v\":2,\"a\":\"x\"}", "{\"b\":1,\"a\":\"x\"}" },
		{ __LINE__, "{\"b\" : \"1 2\" , \"v\" : 2}", "{\"b\":\"1 2\"}" },
		{ __LINE__, "{\"event\\u0073\":1,\"b\":2,\"a\":3}", "{\"b\":2,\"a\":3}" },
		/* only its own members */
		{ __LINE__, "{\"b\":{\"v\":1,\"events\":2},\"a\":[{\"v\":1}]}", "{\"b\":{\"v\":1,\"events\":2},\"a\":[{\"v\":1}]}" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_str(payload(rows[i].text, names, ROWS(names)), rows[i].expected,
		    "without what is named");
	}
	row(0);
}

/* A slice of the text costs nothing. */
static void
test_slice(void)
{
	struct mr_error err = MR_ERROR_INIT;
	char text[] = "{\"a\":{\"b\":1}}";
	struct mr_json json;

	mr_arena_reset(&arena);
	if (mr_json_parse(&arena, text, sizeof text - 1, &json, &err) != MR_OK)
		bail("%s", err.text);
	ok(mr_payload(&arena, &json, 0, NULL, 0).p == text, "the text itself");
	ok(mr_payload(&arena, &json, 2, NULL, 0).p == text + 5, "of an object in it");
}

static void
test_deep(void)
{
	char text[8 * MR_JSON_MAX_DEPTH + 1] = "", *to = text;

	for (int i = 0; i < MR_JSON_MAX_DEPTH; i++)
		to += sprintf(to, "{\"a\":");
	to += sprintf(to, "1");
	for (int i = 0; i < MR_JSON_MAX_DEPTH; i++)
		*to++ = '}';
	is_str(payload(text, NULL, 0), text, "as deep as may be");
}

int
main(void)
{
	mr_arena_init(&arena, (size_t)64 << 20);
	test_as_sent();
	test_without();
	test_slice();
	test_deep();
	mr_arena_free(&arena);
	return done();
}
