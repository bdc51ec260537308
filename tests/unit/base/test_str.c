/* Slices: base/str.h. */
#include "base/str.h"

#include "../tap.h"

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
	ok(mr_str(NULL).p == NULL && mr_str(NULL).n == 0, "a NULL C string is no value");
	ok(mr_str("").p != NULL && mr_str("").n == 0, "an empty C string is a value");
	is_int(mr_str("four").n, 4, "length of a C string");
	is_int(MR_STR_LIT("a\0b").n, 3, "a literal keeps its NUL bytes");
	ok(MR_STR_NULL.p == NULL, "MR_STR_NULL is no value");
	return done();
}
