/* Bounded gzip decoding: see gunzip.h. */
#include "format/gunzip.h"

#include <limits.h>

#define ZLIB_CONST
#include <zlib.h>

#define STEP_BYTES ((size_t)16 * 1024)

/* 15 bits of window; + 16: gzip only, no zlib or raw deflate. */
#define GZIP_WINDOW (15 + 16)

/* One round of inflate into room that is made at the end of out. */
static enum mr_err
inflate_step(z_stream *z, struct mr_buf *out, int *status, struct mr_error *err)
{
	size_t room = out->max - out->len < STEP_BYTES ? out->max - out->len : STEP_BYTES;
	Bytef probe;

	if (room == 0) {
		/* Full: one more byte tells whether the text ends here. */
		z->next_out = &probe;
		z->avail_out = 1;
		*status = inflate(z, Z_NO_FLUSH);
		if (z->avail_out == 0)
			return mr_fail(err, MR_ELIMIT,
			    "the body is larger than %zu bytes after gzip is undone", out->max);
		return MR_OK;
	}
	z->next_out = (Bytef *)mr_buf_reserve(out, room);
	if (z->next_out == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory to undo gzip");
	z->avail_out = (uInt)room;
	*status = inflate(z, Z_NO_FLUSH);
	out->len += room - z->avail_out;
	return MR_OK;
}

static enum mr_err
inflate_all(z_stream *z, struct mr_buf *out, struct mr_error *err)
{
	int status = Z_OK;
	enum mr_err e;

	for (;;) {
		if ((e = inflate_step(z, out, &status, err)) != MR_OK)
			return e;
		if (status == Z_STREAM_END) {
			if (z->avail_in == 0)
				return MR_OK;
			if (inflateReset(z) != Z_OK)
				return mr_fail(err, MR_ENOMEM, "no memory to undo gzip");
		} else if (status == Z_MEM_ERROR) {
			return mr_fail(err, MR_ENOMEM, "no memory to undo gzip");
		} else if (status == Z_BUF_ERROR || (status == Z_OK && z->avail_in == 0 &&
		    z->avail_out != 0)) {
			return mr_fail_at(err, MR_EINVAL, (int64_t)z->total_in,
			    "the gzip body ends early");
		} else if (status != Z_OK) {
			return mr_fail_at(err, MR_EINVAL, (int64_t)z->total_in,
			    "the body is not valid gzip: %s",
			    z->msg != NULL ? z->msg : "damaged");
		}
	}
}

enum mr_err
mr_gunzip(struct mr_str in, struct mr_buf *out, struct mr_error *err)
{
	z_stream z = { .next_in = (const Bytef *)in.p };
	enum mr_err e;

	if (in.n > UINT_MAX)
		return mr_fail(err, MR_ELIMIT, "the gzip body is larger than 4 GiB");
	z.avail_in = (uInt)in.n;
	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return mr_fail(err, MR_ENOMEM, "no memory to undo gzip");
	e = inflate_all(&z, out, err);
	inflateEnd(&z);
	return e;
}
