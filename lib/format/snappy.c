/* Snappy: see snappy.h. */
#include "format/snappy.h"

#include "config.h"

#ifdef HAVE_SNAPPY
#include <snappy-c.h>

enum mr_err
mr_snappy_block(struct mr_str in, struct mr_buf *out, struct mr_error *err)
{
	size_t n = snappy_max_compressed_length(in.n);
	char *to = mr_buf_reserve(out, n);

	if (to == NULL || snappy_compress(in.p, in.n, to, &n) != SNAPPY_OK)
		return mr_fail(err, MR_ELIMIT, "snappy: no room for a block of %zu bytes", in.n);
	out->len += n;
	return MR_OK;
}

#else

enum mr_err
mr_snappy_block(struct mr_str in, struct mr_buf *out, struct mr_error *err)
{
	(void)in;
	(void)out;
	return mr_fail(err, MR_EINVAL, "this build of millrace has no snappy");
}

#endif
