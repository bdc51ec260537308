/* Query strings: format/query.h. */
#include "format/query.h"

#include "../tap.h"
#include "base/buf.h"

static struct mr_arena arena;

/* "name=value" for each pair, each in angle brackets. */
static void
test_pairs(void)
{
#define R "\xef\xbf\xbd"
	static const struct {
		int line;
		struct mr_str query;
		struct mr_str pairs;
	} rows[] = {
		{ __LINE__, BYTES(""), BYTES("") },
		{ __LINE__, { NULL, 0 }, BYTES("") },
		{ __LINE__, BYTES("a=1"), BYTES("<a=1>") },
		{ __LINE__, BYTES("a=1&b=2"), BYTES("<a=1><b=2>") },
		{ __LINE__, BYTES("a=1&a=2"), BYTES("<a=1><a=2>") },
		{ __LINE__, BYTES("a"), BYTES("<a=>") },
		{ __LINE__, BYTES("a="), BYTES("<a=>") },
		{ __LINE__, BYTES("=1"), BYTES("<=1>") },
		{ __LINE__, BYTES("="), BYTES("<=>") },
		{ __LINE__, BYTES("a=b=c"), BYTES("<a=b=c>") },
		{ __LINE__, BYTES("&"), BYTES("") },
		{ __LINE__, BYTES("&&&a=1&&b=2&&"), BYTES("<a=1><b=2>") },
		{ __LINE__, BYTES("a=1;b=2"), BYTES("<a=1;b=2>") },
		{ __LINE__, BYTES("a=1?b=2"), BYTES("<a=1?b=2>") },

		{ __LINE__, BYTES("a=two+words"), BYTES("<a=two words>") },
		{ __LINE__, BYTES("a+b=+"), BYTES("<a b= >") },
		{ __LINE__, BYTES("a=1%2B1"), BYTES("<a=1+1>") },
		{ __LINE__, BYTES("a=%41%6a%6A"), BYTES("<a=Ajj>") },
		{ __LINE__, BYTES("%61=%26%3D"), BYTES("<a=&=>") },
		{ __LINE__, BYTES("c=%C3%A9"), BYTES("<c=\xc3\xa9>") },
		{ __LINE__, BYTES("c=\xc3\xa9"), BYTES("<c=\xc3\xa9>") },
		{ __LINE__, BYTES("c=\xc3%A9"), BYTES("<c=\xc3\xa9>") },
		{ __LINE__, BYTES("a=%2541"), BYTES("<a=%41>") },
		{ __LINE__, BYTES("a=%0A%0d"), BYTES("<a=\n\r>") },

		/* a percent sign without two hex digits stays */
		{ __LINE__, BYTES("a=%"), BYTES("<a=%>") },
		{ __LINE__, BYTES("a=%4"), BYTES("<a=%4>") },
		{ __LINE__, BYTES("a=%&b=%4&c=%41"), BYTES("<a=%><b=%4><c=A>") },
		{ __LINE__, BYTES("a=%zz%4z%z4"), BYTES("<a=%zz%4z%z4>") },
		{ __LINE__, BYTES("a=%%41"), BYTES("<a=%A>") },
		{ __LINE__, BYTES("a=%u0041"), BYTES("<a=%u0041>") },
		{ __LINE__, BYTES("a=%+1"), BYTES("<a=% 1>") },
		{ __LINE__, BYTES("a=%4@"), BYTES("<a=%4@>") },
		{ __LINE__, BYTES("a=%4`%4G%4g%/1%:1"), BYTES("<a=%4`%4G%4g%/1%:1>") },

		/* what text cannot be */
		{ __LINE__, BYTES("a=%00"), BYTES("<a=" R ">") },
		{ __LINE__, BYTES("a=x\0y"), BYTES("<a=x" R "y>") },
		{ __LINE__, BYTES("a=%FF%fe"), BYTES("<a=" R R ">") },
		{ __LINE__, BYTES("\xff=\xfe"), BYTES("<" R "=" R ">") },
		{ __LINE__, BYTES("a=%C3&b=%A9"), BYTES("<a=" R "><b=" R ">") },
		{ __LINE__, BYTES("a=%ED%A0%80"), BYTES("<a=" R R R ">") },
		{ __LINE__, BYTES("a=%C0%80"), BYTES("<a=" R R ">") },
	};
#undef R

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_str rest = rows[i].query;
		struct mr_query_pair pair;
		struct mr_buf got;
		bool failed = false;
		char *exact = malloc(rest.n != 0 ? rest.n : 1);

		row(rows[i].line);
		if (exact == NULL)
			bail("no memory");
		if (rest.p != NULL) {
			memcpy(exact, rest.p, rest.n);
			rest.p = exact;
		}
		mr_arena_reset(&arena);
		mr_buf_init(&got, 10000);
		while (mr_query_next(&arena, &rest, &pair, &failed)) {
			mr_buf_add_char(&got, '<');
			mr_buf_add_str(&got, pair.name);
			mr_buf_add_char(&got, '=');
			mr_buf_add_str(&got, pair.value);
			mr_buf_add_char(&got, '>');
			if (pair.name.p == NULL || pair.value.p == NULL)
				mr_buf_add_cstr(&got, "NULL");
		}
		is_bytes(mr_buf_str(&got), rows[i].pairs, "the pairs");
		ok(!failed, "memory was enough");
		mr_buf_free(&got);
		free(exact);
	}
	row(0);
}

static void
test_get(void)
{
	static const struct {
		int line;
		const char *query, *name, *value;
	} rows[] = {
		{ __LINE__, "limit=20&site=x", "limit", "20" },
		{ __LINE__, "limit=20&site=x", "site", "x" },
		{ __LINE__, "limit=20&limit=30", "limit", "20" },
		{ __LINE__, "limit", "limit", "" },
		{ __LINE__, "limit=", "limit", "" },
		{ __LINE__, "%6cimit=5+6", "limit", "5 6" },
		{ __LINE__, "limits=20", "limit", NULL },
		{ __LINE__, "Limit=20", "limit", NULL },
		{ __LINE__, "a=limit", "limit", NULL },
		{ __LINE__, "", "limit", NULL },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_str(mr_query_get(&arena, mr_str(rows[i].query), rows[i].name), rows[i].value,
		    "the value");
	}
	row(0);
	ok(mr_query_get(&arena, MR_STR_NULL, "limit").p == NULL, "no query string");
}

static void
test_no_memory(void)
{
	struct mr_str rest = MR_STR_LIT("a=%41%42%43");
	struct mr_query_pair pair;
	struct mr_arena none;
	bool failed = false;

	mr_arena_init(&none, 0);
	ok(!mr_query_next(&none, &rest, &pair, &failed), "without memory there is no pair");
	ok(failed, "and it says so");
	mr_arena_free(&none);
	failed = true;
	rest = MR_STR_LIT("a=1");
	mr_query_next(&arena, &rest, &pair, &failed);
	ok(failed, "a failure is never cleared");
}

int
main(void)
{
	mr_arena_init(&arena, 1u << 20);
	test_pairs();
	test_get();
	test_no_memory();
	mr_arena_free(&arena);
	return done();
}
