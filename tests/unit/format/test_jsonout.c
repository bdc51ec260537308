/* Writing JSON: format/jsonout.h. */
#include "format/jsonout.h"

#include "../tap.h"
#include "format/json.h"

static void
test_string(void)
{
#define R "\xef\xbf\xbd"
	static const struct {
		int line;
		struct mr_str text;
		const char *json;
	} rows[] = {
		{ __LINE__, { NULL, 0 }, "null" },
		{ __LINE__, BYTES(""), "\"\"" },
		{ __LINE__, BYTES("plain /<>&'"), "\"plain /<>&'\"" },
		{ __LINE__, BYTES("a\"b\\c"), "\"a\\\"b\\\\c\"" },
		{ __LINE__, BYTES("\\\""), "\"\\\\\\\"\"" },
		{ __LINE__, BYTES("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"" },
		{ __LINE__, BYTES("\x01\x0b\x1f"), "\"\\u0001\\u000b\\u001f\"" },
		{ __LINE__, BYTES("\x7f"), "\"\x7f\"" },
		{ __LINE__, BYTES("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
		    "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ __LINE__, BYTES("a\0b"), "\"a" R "b\"" },
		{ __LINE__, BYTES("\xff"), "\"" R "\"" },
		{ __LINE__, BYTES("M\xfcnchen\n"), "\"M" R "nchen\\n\"" },
		{ __LINE__, BYTES("\xed\xa0\x80"), "\"" R R R "\"" },
		{ __LINE__, BYTES("x\xc3"), "\"x" R "\"" },
		{ __LINE__, BYTES("\xc3\""), "\"" R "\\\"\"" },
	};
#undef R

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_buf b;

		row(rows[i].line);
		mr_buf_init(&b, 1000);
		mr_jsonout_string(&b, rows[i].text);
		is_str(mr_buf_str(&b), rows[i].json, "written");
		mr_buf_free(&b);
	}
	row(0);
}

/* What is written is JSON, and reads back as what went in. */
static void
test_round_trip(void)
{
	struct mr_arena arena;
	struct mr_json json;
	struct mr_buf b;
	int wrong = 0;

	mr_arena_init(&arena, 1u << 20);
	mr_buf_init(&b, 1000);
	for (int c = 1; c < 0x80; c++) {
		char text[3] = { 'a', (char)c, 'z' };

		mr_arena_reset(&arena);
		mr_buf_reset(&b, 1000);
		mr_jsonout_string(&b, (struct mr_str){ text, 3 });
		if (mr_json_parse(&arena, b.p, b.len, &json, NULL) != MR_OK ||
		    !mr_str_eq(mr_json_string(&arena, &json, 0), (struct mr_str){ text, 3 }))
			wrong++;
	}
	is_int(wrong, 0, "ASCII characters that do not survive");
	mr_buf_free(&b);
	mr_arena_free(&arena);
}

static void
test_rest(void)
{
	struct mr_buf b;

	mr_buf_init(&b, 1000);
	mr_jsonout_key(&b, "status");
	mr_jsonout_string(&b, mr_str("ok"));
	is_str(mr_buf_str(&b), "\"status\":\"ok\"", "a key and its value");
	mr_buf_reset(&b, 1000);
	mr_jsonout_time(&b, INT64_C(1750593600123456));
	is_str(mr_buf_str(&b), "\"2025-06-22T12:00:00.123Z\"", "a time");
	mr_buf_free(&b);

	mr_buf_init(&b, 4);
	mr_jsonout_string(&b, mr_str("too long"));
	ok(b.failed, "a full buffer says so");
	mr_buf_free(&b);
}

int
main(void)
{
	test_string();
	test_round_trip();
	test_rest();
	return done();
}
