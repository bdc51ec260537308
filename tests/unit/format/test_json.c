/* JSON: format/json.h, the values of strings and the tree by hand. */
#include "format/json.h"

#include "../tap.h"
#include "repeat.h"

#define ARENA_MAX ((size_t)16 << 20)

static void
test_strings(void)
{
	static const struct {
		int line;
		const char *json;
		struct mr_str value;
	} rows[] = {
		{ __LINE__, "\"\"", BYTES("") },
		{ __LINE__, "\"plain\"", BYTES("plain") },
		{ __LINE__, "\"\xc3\xa4\xe2\x82\xac\"", BYTES("\xc3\xa4\xe2\x82\xac") },
		{ __LINE__, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", BYTES("\"\\/\b\f\n\r\t") },
		{ __LINE__, "\"\\u0041\"", BYTES("A") },
		{ __LINE__, "\"\\u007f\"", BYTES("\x7f") },
		{ __LINE__, "\"\\u0080\"", BYTES("\xc2\x80") },
		{ __LINE__, "\"\\u00e4\"", BYTES("\xc3\xa4") },
		{ __LINE__, "\"\\u00E4\"", BYTES("\xc3\xa4") },
		{ __LINE__, "\"\\u07ff\"", BYTES("\xdf\xbf") },
		{ __LINE__, "\"\\u0800\"", BYTES("\xe0\xa0\x80") },
		{ __LINE__, "\"\\u20aC\"", BYTES("\xe2\x82\xac") },
		{ __LINE__, "\"\\uffff\"", BYTES("\xef\xbf\xbf") },
		{ __LINE__, "\"\\ud7ff\\ue000\"", BYTES("\xed\x9f\xbf\xee\x80\x80") },
		{ __LINE__, "\"\\ud83d\\ude00\"", BYTES("\xf0\x9f\x98\x80") },
		{ __LINE__, "\"\\ud800\\udc00\"", BYTES("\xf0\x90\x80\x80") },
		{ __LINE__, "\"\\uDBFF\\uDFFF\"", BYTES("\xf4\x8f\xbf\xbf") },
		{ __LINE__, "\"a\\u0020b\\tc\"", BYTES("a b\tc") },
		{ __LINE__, "\"\\\\u0041\"", BYTES("\\u0041") },
		{ __LINE__, "\"\\u0001\\u001f\"", BYTES("\x01\x1f") },
		{ __LINE__, "\"a\\u0000b\"", BYTES("a\xef\xbf\xbd" "b") },
		{ __LINE__, "\"\\ud83d\"", BYTES("\xef\xbf\xbd") },
		{ __LINE__, "\"\\ude00\\ud83d\"", BYTES("\xef\xbf\xbd\xef\xbf\xbd") },
		{ __LINE__, "\"\\ud83d\\ud83d\\ude00\"", BYTES("\xef\xbf\xbd\xf0\x9f\x98\x80") },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_arena arena;
		struct mr_json json;
		char *text = strdup(rows[i].json);

		row(rows[i].line);
		mr_arena_init(&arena, ARENA_MAX);
		if (text == NULL)
			bail("no memory");
		if (ok(mr_json_parse(&arena, text, strlen(text), &json, NULL) == MR_OK, "accepted")) {
			struct mr_str got = mr_json_string(&arena, &json, 0);

			is_bytes(got, rows[i].value, "the string's value");
			if (strchr(rows[i].json, '\\') == NULL)
				ok(got.p == text + 1, "a slice of the text");
			ok(mr_json_is(&json, 0, rows[i].value), "is() says yes");
			ok(!mr_json_is(&json, 0, MR_STR_LIT("another")), "is() says no");
		}
		mr_arena_free(&arena);
		free(text);
	}
	row(0);
}

static void
test_is(void)
{
	static const struct {
		int line;
		const char *json;
		struct mr_str s;
		bool equal;
	} rows[] = {
		{ __LINE__, "\"events\"", BYTES("events"), true },
		{ __LINE__, "\"event\\u0073\"", BYTES("events"), true },
		{ __LINE__, "\"\\u0065\\u0076\\u0065\\u006e\\u0074\\u0073\"", BYTES("events"), true },
		{ __LINE__, "\"event\"", BYTES("events"), false },
		{ __LINE__, "\"eventsx\"", BYTES("events"), false },
		{ __LINE__, "\"Events\"", BYTES("events"), false },
		{ __LINE__, "\"\"", BYTES("events"), false },
		{ __LINE__, "\"events\"", BYTES(""), false },
		{ __LINE__, "\"\"", BYTES(""), true },
		{ __LINE__, "\"event\\u0074\"", BYTES("events"), false },
		{ __LINE__, "\"event\\u0073\\u0073\"", BYTES("events"), false },
		{ __LINE__, "\"even\\u0074\"", BYTES("events"), false },
		{ __LINE__, "\"event\\u0073\"", BYTES("event\\u0073"), false },
		{ __LINE__, "\"event\\\\u0073\"", BYTES("events"), false },
		{ __LINE__, "\"\\u00e4\"", BYTES("\xc3\xa4"), true },
		{ __LINE__, "\"\xc3\xa4\"", BYTES("\xc3\xa4"), true },
		{ __LINE__, "\"\\u00e4\"", BYTES("\xc3"), false },
		{ __LINE__, "\"\\ud83d\\ude00\"", BYTES("\xf0\x9f\x98\x80"), true },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_arena arena;
		struct mr_json json;
		char *text = strdup(rows[i].json);

		row(rows[i].line);
		mr_arena_init(&arena, ARENA_MAX);
		if (text == NULL)
			bail("no memory");
		if (ok(mr_json_parse(&arena, text, strlen(text), &json, NULL) == MR_OK, "accepted"))
			ok((mr_json_is(&json, 0, rows[i].s) != 0) == rows[i].equal, "%s",
			    rows[i].equal ? "equal" : "not equal");
		mr_arena_free(&arena);
		free(text);
	}
	row(0);
}

static void
test_string_no_memory(void)
{
	struct mr_arena arena, tiny;
	struct mr_json json;
	size_t len;
	char *text = repeat("\"\\n", "a", 5000, "\"", &len);

	mr_arena_init(&arena, ARENA_MAX);
	mr_arena_init(&tiny, 100);
	if (mr_json_parse(&arena, text, len, &json, NULL) != MR_OK)
		bail("not parsed");
	ok(mr_json_string(&tiny, &json, 0).p == NULL, "a string that does not fit is NULL");
	mr_arena_free(&tiny);
	mr_arena_free(&arena);
	free(text);
}

/* A byte that ends the fast path of a long string, at every place of it. */
static void
test_string_places(void)
{
	static const struct {
		int line;
		struct mr_str piece;
		bool good;
	} rows[] = {
		{ __LINE__, BYTES("\x1f"), false },
		{ __LINE__, BYTES("\0"), false },
		{ __LINE__, BYTES("\n"), false },
		{ __LINE__, BYTES("\x80"), false },
		{ __LINE__, BYTES("\xff"), false },
		{ __LINE__, BYTES("\xc3"), false },
		{ __LINE__, BYTES("\""), false },
		{ __LINE__, BYTES("\x7f"), true },
		{ __LINE__, BYTES(" "), true },
		{ __LINE__, BYTES("!"), true },
		{ __LINE__, BYTES("#"), true },
		{ __LINE__, BYTES("["), true },
		{ __LINE__, BYTES("]"), true },
		{ __LINE__, BYTES("\xc3\xa4"), true },
		{ __LINE__, BYTES("\xf0\x9f\x98\x80"), true },
		{ __LINE__, BYTES("\\\""), true },
		{ __LINE__, BYTES("\\u00e4"), true },
	};
	enum { LENGTH = 40 };

	for (size_t i = 0; i < ROWS(rows); i++) {
		int wrong = 0;

		row(rows[i].line);
		for (size_t place = 0; place <= LENGTH; place++) {
			size_t n = rows[i].piece.n, len = LENGTH + n + 2;
			char *text = malloc(len);
			struct mr_error err = MR_ERROR_INIT;
			struct mr_arena arena;
			struct mr_json json;
			enum mr_err rc;

			if (text == NULL)
				bail("no memory");
			memset(text, 'a', len);
			memcpy(text + 1 + place, rows[i].piece.p, n);
			text[0] = text[len - 1] = '"';
			mr_arena_init(&arena, ARENA_MAX);
			rc = mr_json_parse(&arena, text, len, &json, &err);
			/* A quote ends the string: the byte behind it is the wrong one. */
			wrong += rows[i].good ? rc != MR_OK : rc != MR_EINVAL ||
			    err.offset != (int64_t)(1 + place + (rows[i].piece.p[0] == '"'));
			mr_arena_free(&arena);
			free(text);
		}
		is_int(wrong, 0, "places where the answer is wrong");
	}
	row(0);
}

/* {"a":[1,{"b":"x"},[]],"c":-2.5,"d":true}: every field of every node. */
static void
test_tree(void)
{
	static const struct {
		int line;
		enum mr_json_type type;
		const char *raw;
		int size, next;
	} rows[] = {
		{ __LINE__, MR_JSON_OBJECT, "{\"a\": [1, {\"b\":\"x\"},[] ], \"c\":-2.5,\"d\":true }", 3, 12 },
		{ __LINE__, MR_JSON_STRING, "\"a\"", 0, 2 },
		{ __LINE__, MR_JSON_ARRAY, "[1, {\"b\":\"x\"},[] ]", 3, 8 },
		{ __LINE__, MR_JSON_NUMBER, "1", 0, 4 },
		{ __LINE__, MR_JSON_OBJECT, "{\"b\":\"x\"}", 1, 7 },
		{ __LINE__, MR_JSON_STRING, "\"b\"", 0, 6 },
		{ __LINE__, MR_JSON_STRING, "\"x\"", 0, 7 },
		{ __LINE__, MR_JSON_ARRAY, "[]", 0, 8 },
		{ __LINE__, MR_JSON_STRING, "\"c\"", 0, 9 },
		{ __LINE__, MR_JSON_NUMBER, "-2.5", 0, 10 },
		{ __LINE__, MR_JSON_STRING, "\"d\"", 0, 11 },
		{ __LINE__, MR_JSON_TRUE, "true", 0, 12 },
	};
	char text[] = "  {\"a\": [1, {\"b\":\"x\"},[] ], \"c\":-2.5,\"d\":true }  ";
	struct mr_arena arena;
	struct mr_json json;

	mr_arena_init(&arena, ARENA_MAX);
	if (mr_json_parse(&arena, text, sizeof text - 1, &json, NULL) != MR_OK)
		bail("not parsed");
	is_int(json.n, ROWS(rows), "number of nodes");
	for (size_t i = 0; i < ROWS(rows) && (int)i < json.n; i++) {
		row(rows[i].line);
		is_int(json.nodes[i].type, rows[i].type, "type");
		is_str(mr_json_raw(&json, (int)i), rows[i].raw, "raw");
		is_int(json.nodes[i].size, rows[i].size, "size");
		is_int(json.nodes[i].next, rows[i].next, "next");
	}
	row(0);
	mr_arena_free(&arena);
}

int
main(void)
{
	test_strings();
	test_is();
	test_string_no_memory();
	test_string_places();
	test_tree();
	return done();
}
