/* Zstandard: see zstd.h. */
#include "format/zstd.h"

#include <stdint.h>
#include <stdlib.h>

#include <zstd.h>

struct mr_zstd {
	ZSTD_CCtx *ctx;
	char *out; /* of a stream; as large as libzstd wants it */
	size_t cap;
};

static enum mr_err
fail(size_t code, struct mr_error *err)
{
	return mr_fail(err, MR_ENOMEM, "zstd: %s", ZSTD_getErrorName(code));
}

struct mr_zstd *
mr_zstd_new(int level, struct mr_error *err)
{
	struct mr_zstd *z = calloc(1, sizeof *z);

	if (z != NULL && (z->ctx = ZSTD_createCCtx()) != NULL &&
	    !ZSTD_isError(ZSTD_CCtx_setParameter(z->ctx, ZSTD_c_compressionLevel, level)))
		return z;
	mr_zstd_free(z);
	mr_fail(err, MR_ENOMEM, "no memory for zstd");
	return NULL;
}

/* The output buffer is made by the first write, which is where a stream begins. */
static enum mr_err
start_stream(struct mr_zstd *z, struct mr_error *err)
{
	size_t code;

	if (z->out != NULL)
		return MR_OK;
	z->cap = ZSTD_CStreamOutSize();
	z->out = malloc(z->cap);
	if (z->out == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for zstd");
	code = ZSTD_CCtx_setParameter(z->ctx, ZSTD_c_checksumFlag, 1);
	return ZSTD_isError(code) ? fail(code, err) : MR_OK;
}

/* One call of libzstd; *left is 0 when it has nothing more to write. */
static enum mr_err
step(struct mr_zstd *z, ZSTD_inBuffer *in, ZSTD_EndDirective end, size_t *left,
    const struct mr_packed_to *to, struct mr_error *err)
{
	ZSTD_outBuffer out = { .dst = z->out, .size = z->cap };

	*left = ZSTD_compressStream2(z->ctx, &out, in, end);
	if (ZSTD_isError(*left))
		return fail(*left, err);
	return out.pos > 0 ? to->put(to->arg, (struct mr_str){ z->out, out.pos }, err) : MR_OK;
}

enum mr_err
mr_zstd_write(struct mr_zstd *z, struct mr_str data, const struct mr_packed_to *to,
    struct mr_error *err)
{
	ZSTD_inBuffer in = { .src = data.p, .size = data.n };
	enum mr_err e = start_stream(z, err);
	size_t left;

	while (e == MR_OK && in.pos < in.size)
		e = step(z, &in, ZSTD_e_continue, &left, to, err);
	return e;
}

enum mr_err
mr_zstd_finish(struct mr_zstd *z, const struct mr_packed_to *to, struct mr_error *err)
{
	ZSTD_inBuffer in = { .src = NULL };
	enum mr_err e = start_stream(z, err);
	size_t left = 1;

	while (e == MR_OK && left > 0)
		e = step(z, &in, ZSTD_e_end, &left, to, err);
	return e;
}

enum mr_err
mr_zstd_block(struct mr_zstd *z, struct mr_str in, struct mr_buf *out, struct mr_error *err)
{
	size_t room = ZSTD_compressBound(in.n), code;
	char *p = mr_buf_reserve(out, room);

	if (p == NULL)
		return mr_fail(err, MR_ELIMIT, "zstd: no room for a block of %zu bytes", in.n);
	code = ZSTD_compress2(z->ctx, p, room, in.p, in.n);
	if (ZSTD_isError(code))
		return fail(code, err);
	out->len += code;
	return MR_OK;
}

void
mr_zstd_free(struct mr_zstd *z)
{
	if (z == NULL)
		return;
	ZSTD_freeCCtx(z->ctx);
	free(z->out);
	free(z);
}

bool
mr_zstd_size(struct mr_str frame, size_t *size)
{
	unsigned long long n = ZSTD_getFrameContentSize(frame.p, frame.n);

	if (n == ZSTD_CONTENTSIZE_UNKNOWN || n == ZSTD_CONTENTSIZE_ERROR || n > SIZE_MAX)
		return false;
	*size = (size_t)n;
	return true;
}

bool
mr_zstd_undo(struct mr_str frame, char *to, size_t n)
{
	size_t got = ZSTD_decompress(to, n, frame.p, frame.n);

	return !ZSTD_isError(got) && got == n;
}
