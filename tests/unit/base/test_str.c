/* Slices: base/str.h. */
#include "base/str.h"

#include "../tap.h"

static void
test_order(void)
{
	/* From the first to the last. */
	static const struct mr_str sorted[] = { BYTES(""), BYTES("a"), BYTES("a\0b"), BYTES("a\0c"),
		BYTES("ab"), BYTES("abc"), BYTES("b"), BYTES("\xc3\xa4"), BYTES("\xff") };

	for (size_t i = 0; i < ROWS(sorted); i++)
		for (size_t k = 0; k < ROWS(sorted); k++) {
			int order = mr_str_cmp(sorted[i], sorted[k]);

			row(__LINE__);
			is_int((order > 0) - (order < 0), (i > k) - (i < k), "order");
		}
	row(0);
	is_int(mr_str_cmp(MR_STR_NULL, sorted[0]), 0, "no value is as an empty one");
}

int
main(void)
{
	static const struct {
		int line;
		struct mr_str a, b;
		bool equal;
	} rows[] = {
		{ __LINE__, BYTES("abc"), BYTES("abc"), true },
		{ __LINE__, BYTES("abc"), BYTES("abd"), false },
		{ __LINE__, BYTES("abc"), BYTES("ab"), false },
		{ __LINE__, BYTES(""), BYTES(""), true },
		{ __LINE__, BYTES(""), BYTES("a"), false },
		{ __LINE__, BYTES("a\0b"), BYTES("a\0b"), true },
		{ __LINE__, BYTES("a\0b"), BYTES("a\0c"), false },
		{ __LINE__, { NULL, 0 }, BYTES("a"), false },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		ok(mr_str_eq(rows[i].a, rows[i].b) == rows[i].equal, "equal");
		ok(mr_str_eq(rows[i].b, rows[i].a) == rows[i].equal, "equal the other way");
	}
	row(0);
	test_order();
	ok(mr_str(NULL).p == NULL && mr_str(NULL).n == 0, "a NULL C string is no value");
	ok(mr_str("").p != NULL && mr_str("").n == 0, "an empty C string is a value");
	is_int(mr_str("four").n, 4, "length of a C string");
	is_int(MR_STR_LIT("a\0b").n, 3, "a literal keeps its NUL bytes");
	ok(MR_STR_NULL.p == NULL, "MR_STR_NULL is no value");
	return done();
}
