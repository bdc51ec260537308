/* Objects in jsonb's order: format/payload.h. */
#include "format/payload.h"

#include "tap.h"

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
test_order(void)
{
	static const struct {
		int line;
		const char *text, *expected;
	} rows[] = {
		{ __LINE__, "{}", "{}" },
		{ __LINE__, " { } ", "{}" },
		{ __LINE__, "{\"a\":1,\"b\":2,\"aa\":3}", "{\"a\":1,\"b\":2,\"aa\":3}" },
		{ __LINE__, "{\"aa\":3,\"b\":2,\"a\":1}", "{\"a\":1,\"b\":2,\"aa\":3}" },
		{ __LINE__, "{\"eventType\":1,\"url\":2,\"\":3,\"title\":4}",
		    "{\"\":3,\"url\":2,\"title\":4,\"eventType\":1}" },
		/* by bytes, which are not letters */
		{ __LINE__, "{\"\xc3\xa9\":1,\"zz\":2,\"Zz\":3}", "{\"Zz\":3,\"zz\":2,\"\xc3\xa9\":1}" },
		/* of keys that repeat, the last one stays the last */
		{ __LINE__, "{\"b\":1,\"a\":1,\"b\":2,\"a\":2,\"b\":3}",
		    "{\"a\":1,\"a\":2,\"b\":1,\"b\":2,\"b\":3}" },
		/* also of those that only look different; other objects are sorted all the same */
		{ __LINE__, "{\"\\u0062\":1,\"a\":{\"d\":1,\"c\":2},\"b\":2}",
		    "{\"\\u0062\":1,\"a\":{\"c\":2,\"d\":1},\"b\":2}" },
		{ __LINE__, "{\"z\":{\"b\":1,\"\\u0062\":2},\"a\":3}", "{\"a\":3,\"z\":{\"b\":1,\"\\u0062\":2}}" },
		/* every object, however deep; arrays keep their order */
		{ __LINE__, "{\"bb\":{\"d\":1,\"c\":{\"f\":[],\"e\":{}}},\"a\":[{\"z\":1,\"y\":2},3,[{\"x\":1,\"w\":[2]}]]}",
		    "{\"a\":[{\"y\":2,\"z\":1},3,[{\"w\":[2],\"x\":1}]],\"bb\":{\"c\":{\"e\":{},\"f\":[]},\"d\":1}}" },
		{ __LINE__, "{\"b\" : [ 3 , 1 ] , \"a\" : [ { } , [ ] ] }",
		    "{\"a\":[ { } , [ ] ],\"b\":[ 3 , 1 ]}" },
		/* values as they were written */
		{ __LINE__, "{\"c\":\"\\u00e4\\\"\",\"b\":-1.50e+1,\"a\":null,\"d\":\"}{,\"}",
		    "{\"a\":null,\"b\":-1.50e+1,\"c\":\"\\u00e4\\\"\",\"d\":\"}{,\"}" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_str(payload(rows[i].text, NULL, 0), rows[i].expected, "in order");
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
		{ __LINE__, "{\"v\":1,\"a\":2,\"events\":{},\"v\":3}", "{\"a\":2}" },
		{ __LINE__, "{\"event\\u0073\":1,\"b\":2,\"a\":3}", "{\"b\":2,\"a\":3}" },
		{ __LINE__, "{\"b\":{\"v\":1,\"events\":2},\"a\":[{\"v\":1}]}",
		    "{\"a\":[{\"v\":1}],\"b\":{\"v\":1,\"events\":2}}" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_str(payload(rows[i].text, names, ROWS(names)), rows[i].expected,
		    "without what is named");
	}
	row(0);
}

/* {"v":0,"kN":N,…,"k0":0}, with n members beside v; all keys but v of one length. */
static void
descending(char *to, int n, const char *first)
{
	to += sprintf(to, "{%s", first);
	for (int i = n - 1; i >= 0; i--)
		to += sprintf(to, "\"k%05d\":%d%s", i, i, i > 0 ? "," : "}");
}

static void
test_many(void)
{
	static const struct mr_str names[] = { MR_STR_LIT("v") };
	static char text[MR_JSON_MAX_NODES * 12];
	struct mr_str got;

	descending(text, MR_PAYLOAD_MAX_SORTED, "");
	got = payload(text, NULL, 0);
	ok(got.n == strlen(text) && memcmp(got.p, "{\"k00000\":0,\"k00001\":1,", 22) == 0,
	    "as many as are sorted");
	descending(text, MR_PAYLOAD_MAX_SORTED + 1, "");
	is_str(payload(text, NULL, 0), text, "one more stays as it is");
	descending(text, MR_JSON_MAX_NODES / 2 - 1, "");
	is_str(payload(text, NULL, 0), text, "so do as many as there may be");

	descending(text, MR_PAYLOAD_MAX_SORTED + 1, "\"v\":0,");
	got = payload(text, names, 1);
	ok(got.n == strlen(text) - 6 && memcmp(got.p, "{\"k00032\":32,", 13) == 0,
	    "and what is named is left out");
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
	test_order();
	test_without();
	test_many();
	test_deep();
	mr_arena_free(&arena);
	return done();
}
