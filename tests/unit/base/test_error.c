/* Error detail: base/error.h. */
#include "base/error.h"

#include "../tap.h"

/* What is left of `n` bytes of x and of this end. */
static const char *
told(struct mr_error *err, int n, const char *end)
{
	static char long_text[MR_ERROR_TEXT_MAX];

	memset(long_text, 'x', sizeof long_text);
	mr_fail(err, MR_EIO, "%.*s%s", n, long_text, end);
	return err->text;
}

static void
test_cut(void)
{
	/* Of MR_ERROR_TEXT_MAX: one byte ends the text, three say that it was cut. */
	static const struct {
		int line, n;
		size_t kept;
		const char *end, *left;
	} cases[] = {
		{ __LINE__, 510, 510, "y", "y" },
		{ __LINE__, 510, 508, "yz", "..." },
		{ __LINE__, 507, 507, "yzzzz", "y..." },
		{ __LINE__, 506, 506, "\xc3\xa4zzzz", "\xc3\xa4..." },
		{ __LINE__, 507, 507, "\xc3\xa4zzzz", "..." },
		{ __LINE__, 508, 508, "\xc3\xa4zzzz", "..." },
		{ __LINE__, 505, 505, "\xf0\x9f\xa6\x86zzzz", "..." },
		{ __LINE__, 504, 504, "\xf0\x9f\xa6\x86zzzz", "\xf0\x9f\xa6\x86..." },
	};
	struct mr_error err = MR_ERROR_INIT;

	for (size_t i = 0; i < ROWS(cases); i++) {
		const char *text = told(&err, cases[i].n, cases[i].end);
		size_t kept = strspn(text, "x");

		row(cases[i].line);
		is_int(kept, cases[i].kept, "bytes that are kept");
		is_str(mr_str(text + kept), cases[i].left, "what follows them");
	}
	row(0);
}

int
main(void)
{
	struct mr_error err = MR_ERROR_INIT;
	char longer[2 * MR_ERROR_TEXT_MAX];

	is_int(err.code, MR_OK, "a fresh error is MR_OK");
	is_int(err.offset, -1, "a fresh error has no offset");

	is_int(mr_fail(&err, MR_EINVAL, "key %s: %d", "a", 7), MR_EINVAL, "fail returns its code");
	is_int(err.code, MR_EINVAL, "fail sets the code");
	is_int(err.offset, -1, "fail sets no offset");
	is_str(mr_str(err.text), "key a: 7", "fail formats the text");

	is_int(mr_fail_at(&err, MR_ELIMIT, 42, "too deep"), MR_ELIMIT, "fail_at returns its code");
	is_int(err.offset, 42, "fail_at sets the offset");
	is_str(mr_str(err.text), "too deep", "fail_at formats the text");

	mr_fail(&err, MR_EIO, "again");
	is_int(err.offset, -1, "fail clears the offset of an earlier error");

	is_int(mr_fail(NULL, MR_ENOMEM, "x %d", 1), MR_ENOMEM, "fail without a struct");
	is_int(mr_fail_at(NULL, MR_EAGAIN, 1, "x"), MR_EAGAIN, "fail_at without a struct");

	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	mr_fail(&err, MR_EIO, "%s", longer);
	is_int(strlen(err.text), MR_ERROR_TEXT_MAX - 1, "a long text is cut");
	test_cut();
	return done();
}
