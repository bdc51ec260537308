/* Error detail: base/error.h. */
#include "base/error.h"

#include "../tap.h"

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
	return done();
}
