/* format/jsonwriter: each document that it writes, and each call that would make none. */
#include "format/jsonwriter.h"

#include "../tap.h"

/* What is called: { } object, [ ] array, . end, and a letter for each kind of value. */
static void
perform(struct mr_json_writer *w, const char *calls)
{
	for (const char *c = calls; *c != '\0'; c++) {
		char name[2] = { *c, '\0' };
		/* In upper case without a key. */
		const char *key = *c >= 'a' && *c <= 'z' ? name : NULL;

		switch (*c | 0x20) {
		case 'o': mr_json_object(w, key); break;
		case 'l': mr_json_array(w, key); break;
		case '.' | 0x20: mr_json_end(w); break;
		case 't': mr_json_text(w, key, mr_str("a\"b\n\xff")); break;
		case 'n': mr_json_text(w, key, MR_STR_NULL); break;
		case 'e': mr_json_text(w, key, mr_str("")); break;
		case 'i': mr_json_int(w, key, INT64_MIN); break;
		case 'u': mr_json_uint(w, key, UINT64_MAX); break;
		case 'y': mr_json_bool(w, key, true); break;
		case 'z': mr_json_bool(w, key, false); break;
		case 'd': mr_json_time(w, key, 1750550400123456); break;
		case 'r': mr_json_as_is(w, key, mr_str("{\"x\":[1]}")); break;
		default: bail("no call %c", *c);
		}
	}
}

#define TEXT "\"a\\\"b\\n\xef\xbf\xbd\""

static const struct {
	int line;
	const char *calls;
	const char *written; /* NULL: it fails */
} documents[] = {
	{ __LINE__, "O.", "{}" },
	{ __LINE__, "L.", "[]" },
	{ __LINE__, "T", TEXT },
	{ __LINE__, "I", "-9223372036854775808" },
	{ __LINE__, "Ot.", "{\"t\":" TEXT "}" },
	{ __LINE__, "Onei.", "{\"n\":null,\"e\":\"\",\"i\":-9223372036854775808}" },
	{ __LINE__, "Ouyz.", "{\"u\":18446744073709551615,\"y\":true,\"z\":false}" },
	{ __LINE__, "Od.", "{\"d\":\"2025-06-22T00:00:00.123Z\"}" },
	{ __LINE__, "LYZN.", "[true,false,null]" },
	{ __LINE__, "LRR.", "[{\"x\":[1]},{\"x\":[1]}]" },
	{ __LINE__, "Oo.l.o.r.", "{\"o\":{},\"l\":[],\"o\":{},\"r\":{\"x\":[1]}}" },
	{ __LINE__, "OloY.z..", NULL },
	{ __LINE__, "OlOy.Oz..z.", "{\"l\":[{\"y\":true},{\"z\":false}],\"z\":false}" },
	{ __LINE__, "LL..", "[[]]" },
	{ __LINE__, "LL.L..", "[[],[]]" },
	{ __LINE__, "LLL.Y.Z.", "[[[],true],false]" },
	{ __LINE__, "OooY", NULL },
	{ __LINE__, "", NULL },
	{ __LINE__, "O", NULL },
	{ __LINE__, "Ol.", NULL },
	{ __LINE__, "O..", NULL },
	{ __LINE__, ".", NULL },
	{ __LINE__, "O.O.", NULL },
	{ __LINE__, "YY", NULL },
	{ __LINE__, "y", NULL },
	{ __LINE__, "OY.", NULL },
	{ __LINE__, "Ly.", NULL },
	{ __LINE__, "OO..", NULL },
	{ __LINE__, "Lo..", NULL },
	{ __LINE__, "OlyY..", NULL },
};

static void
test_documents(void)
{
	struct mr_json_writer w;
	struct mr_str text;
	struct mr_buf b;

	mr_buf_init(&b, 65536);
	for (size_t i = 0; i < ROWS(documents); i++) {
		row(documents[i].line);
		mr_buf_reset(&b, 65536);
		mr_buf_add_cstr(&b, "before ");
		mr_json_begin(&w, &b);
		perform(&w, documents[i].calls);
		is_int(mr_json_done(&w), documents[i].written != NULL, "whole");
		is_int(b.failed, documents[i].written == NULL, "failed");
		text = (struct mr_str){ b.p + 7, b.len - 7 };
		if (documents[i].written != NULL)
			is_str(text, documents[i].written, "text");
	}
	row(0);
	mr_buf_free(&b);
}

static void
test_depth(void)
{
	struct mr_json_writer w;
	struct mr_buf b;

	mr_buf_init(&b, 65536);
	for (unsigned deepest = MR_JSON_WRITER_DEPTH; deepest <= MR_JSON_WRITER_DEPTH + 1; deepest++) {
		mr_buf_reset(&b, 65536);
		mr_json_begin(&w, &b);
		for (unsigned i = 0; i < deepest; i++)
			mr_json_array(&w, NULL);
		for (unsigned i = 0; i < deepest; i++)
			mr_json_end(&w);
		is_int(mr_json_done(&w), deepest == MR_JSON_WRITER_DEPTH, "as deep as may be, or deeper");
	}
	mr_buf_free(&b);
}

/* A key is text like any other. */
static void
test_key(void)
{
	struct mr_json_writer w;
	struct mr_buf b;

	mr_buf_init(&b, 65536);
	mr_json_begin(&w, &b);
	mr_json_object(&w, NULL);
	mr_json_int(&w, "a\"\n", 1);
	mr_json_end(&w);
	ok(mr_json_done(&w), "a key with a quote");
	is_str(mr_buf_str(&b), "{\"a\\\"\\n\":1}", "is escaped");
	mr_buf_free(&b);
}

static void
test_no_room(void)
{
	struct mr_json_writer w;
	struct mr_buf b;

	mr_buf_init(&b, 8);
	mr_json_begin(&w, &b);
	mr_json_object(&w, NULL);
	mr_json_text(&w, "key", mr_str("value"));
	mr_json_end(&w);
	ok(!mr_json_done(&w), "a document that does not fit is not whole");
	mr_buf_free(&b);
}

int
main(void)
{
	test_documents();
	test_depth();
	test_key();
	test_no_room();
	return done();
}
