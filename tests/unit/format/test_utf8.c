/* UTF-8: format/utf8.h. */
#include "format/utf8.h"

#include "../tap.h"

static void
test_length(void)
{
	static const struct {
		int line;
		struct mr_str text;
		size_t length;
	} rows[] = {
		{ __LINE__, BYTES("a"), 1 },
		{ __LINE__, BYTES("\0"), 1 },
		{ __LINE__, BYTES("\x7f"), 1 },
		{ __LINE__, BYTES("ab"), 1 },
		{ __LINE__, BYTES("\xc2\x80"), 2 },
		{ __LINE__, BYTES("\xdf\xbf"), 2 },
		{ __LINE__, BYTES("\xe0\xa0\x80"), 3 },
		{ __LINE__, BYTES("\xed\x9f\xbf"), 3 },
		{ __LINE__, BYTES("\xee\x80\x80"), 3 },
		{ __LINE__, BYTES("\xef\xbf\xbf"), 3 },
		{ __LINE__, BYTES("\xf0\x90\x80\x80"), 4 },
		{ __LINE__, BYTES("\xf4\x8f\xbf\xbf"), 4 },
		{ __LINE__, BYTES("\xc3\xa4z"), 2 },

		{ __LINE__, BYTES("\x80"), 0 },
		{ __LINE__, BYTES("\xbf"), 0 },
		{ __LINE__, BYTES("\xc0\x80"), 0 },
		{ __LINE__, BYTES("\xc1\xbf"), 0 },
		{ __LINE__, BYTES("\xe0\x9f\xbf"), 0 },
		{ __LINE__, BYTES("\xed\xa0\x80"), 0 },
		{ __LINE__, BYTES("\xed\xbf\xbf"), 0 },
		{ __LINE__, BYTES("\xf0\x8f\xbf\xbf"), 0 },
		{ __LINE__, BYTES("\xf4\x90\x80\x80"), 0 },
		{ __LINE__, BYTES("\xf5\x80\x80\x80"), 0 },
		{ __LINE__, BYTES("\xff"), 0 },
		{ __LINE__, BYTES("\xc3"), 0 },
		{ __LINE__, BYTES("\xc3z"), 0 },
		{ __LINE__, BYTES("\xe2\x82"), 0 },
		{ __LINE__, BYTES("\xe2\x82z"), 0 },
		{ __LINE__, BYTES("\xf0\x9f\x98"), 0 },
		{ __LINE__, BYTES("\xf0\x9f\x98z"), 0 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		size_t n = rows[i].text.n;
		char *exact = malloc(n);

		row(rows[i].line);
		if (exact == NULL)
			bail("no memory");
		memcpy(exact, rows[i].text.p, n);
		is_int(mr_utf8_length(exact, n), rows[i].length, "length");
		free(exact);
	}
	row(0);
}

/* Every code point is written as something that is read as one sequence. */
static void
test_put(void)
{
	int wrong = 0;

	for (unsigned code = 0; code <= 0x10ffff; code++) {
		size_t want = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4, n;
		char to[4];

		if (code >= 0xd800 && code <= 0xdfff)
			continue;
		n = mr_utf8_put(to, code);
		if (n != want || mr_utf8_length(to, n) != n) {
			if (wrong++ == 0)
				diag("U+%04X", code);
		}
	}
	is_int(wrong, 0, "code points that are not written well");
}

static void
test_mend(void)
{
#define R "\xef\xbf\xbd"
	static const struct {
		int line;
		struct mr_str text;
		struct mr_str mended;
	} rows[] = {
		{ __LINE__, BYTES(""), BYTES("") },
		{ __LINE__, BYTES("plain"), BYTES("plain") },
		{ __LINE__, BYTES("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
		    BYTES("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80") },
		{ __LINE__, BYTES("a\0b"), BYTES("a" R "b") },
		{ __LINE__, BYTES("M\xfcnchen"), BYTES("M" R "nchen") },
		{ __LINE__, BYTES("\xff\xfe"), BYTES(R R) },
		{ __LINE__, BYTES("\xed\xa0\x80"), BYTES(R R R) },
		{ __LINE__, BYTES("a\xe2\x82"), BYTES("a" R R) },
		{ __LINE__, BYTES("\xc3\xc3\xa4"), BYTES(R "\xc3\xa4") },
		{ __LINE__, BYTES("\n\x7f"), BYTES("\n\x7f") },
	};
#undef R

	for (size_t i = 0; i < ROWS(rows); i++) {
		char to[100];

		row(rows[i].line);
		is_bytes(((struct mr_str){ to, mr_utf8_mend(to, rows[i].text.p, rows[i].text.n) }),
		    rows[i].mended, "mended");
	}
	row(0);
}

static void
test_cut(void)
{
	static const struct {
		int line;
		const char *text;
		size_t most, kept;
	} rows[] = {
		{ __LINE__, "abc", 5, 3 },
		{ __LINE__, "abc", 3, 3 },
		{ __LINE__, "abc", 2, 2 },
		{ __LINE__, "abc", 0, 0 },
		{ __LINE__, "", 0, 0 },
		{ __LINE__, "a\xc3\xa4" "b", 1, 1 },
		{ __LINE__, "a\xc3\xa4" "b", 2, 1 },
		{ __LINE__, "a\xc3\xa4" "b", 3, 3 },
		{ __LINE__, "\xe2\x82\xac", 1, 0 },
		{ __LINE__, "\xe2\x82\xac", 2, 0 },
		{ __LINE__, "\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 7, 4 },
		{ __LINE__, "\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 4, 4 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_int(mr_utf8_cut(rows[i].text, strlen(rows[i].text), rows[i].most), rows[i].kept,
		    "bytes kept");
	}
	row(0);
}

int
main(void)
{
	test_length();
	test_put();
	test_mend();
	test_cut();
	return done();
}
