/* gzip in both directions: see gzip.h. */
#include "format/gzip.h"

#include <limits.h>
#include <stdlib.h>

#define ZLIB_CONST
#include <zlib.h>

#define STEP_BYTES ((size_t)16 * 1024)

/* 15 bits of window; + 16: gzip only, no zlib or raw deflate. */
#define GZIP_WINDOW (15 + 16)

/* zlib, RFC 1950; and what some call deflate, the bare RFC 1951. */
#define ZLIB_WINDOW 15
#define RAW_WINDOW (-15)

/* RFC 1952 section 2.3.1: the file system is unknown. */
#define GZIP_OS_UNKNOWN 255

struct mr_gzip {
	z_stream z;
	gz_header header; /* zlib reads it when it writes the first byte */
	Bytef out[128 * 1024];
};

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
			    "the body is larger than %zu bytes after its compression is undone", out->max);
		return MR_OK;
	}
	z->next_out = (Bytef *)mr_buf_reserve(out, room);
	if (z->next_out == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory to undo the compression");
	z->avail_out = (uInt)room;
	*status = inflate(z, Z_NO_FLUSH);
	out->len += room - z->avail_out;
	return MR_OK;
}

/* Whether nothing follows but what fills a block up. */
static bool
only_zeros(const z_stream *z)
{
	for (uInt i = 0; i < z->avail_in; i++)
		if (z->next_in[i] != 0)
			return false;
	return true;
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
			if (only_zeros(z))
				return MR_OK;
			if (inflateReset(z) != Z_OK)
				return mr_fail(err, MR_ENOMEM, "no memory to undo the compression");
		} else if (status == Z_MEM_ERROR) {
			return mr_fail(err, MR_ENOMEM, "no memory to undo the compression");
		} else if (status == Z_BUF_ERROR || (status == Z_OK && z->avail_in == 0 &&
		    z->avail_out != 0)) {
			return mr_fail_at(err, MR_EINVAL, (int64_t)z->total_in,
			    "the gzip or deflate body ends early");
		} else if (status != Z_OK) {
			return mr_fail_at(err, MR_EINVAL, (int64_t)z->total_in,
			    "the body is not valid gzip or deflate: %s",
			    z->msg != NULL ? z->msg : "damaged");
		}
	}
}

static enum mr_err
undo(struct mr_str in, int window, struct mr_buf *out, struct mr_error *err)
{
	z_stream z = { .next_in = (const Bytef *)in.p };
	enum mr_err e;

	if (in.n > UINT_MAX)
		return mr_fail(err, MR_ELIMIT, "the gzip or deflate body is larger than 4 GiB");
	z.avail_in = (uInt)in.n;
	if (inflateInit2(&z, window) != Z_OK)
		return mr_fail(err, MR_ENOMEM, "no memory to undo the compression");
	e = inflate_all(&z, out, err);
	inflateEnd(&z);
	return e;
}

enum mr_err
mr_gunzip(struct mr_str in, struct mr_buf *out, struct mr_error *err)
{
	return undo(in, GZIP_WINDOW, out, err);
}

/* RFC 1950 section 2.2: the method, the window, and a sum that 31 divides. */
static bool
has_zlib_header(struct mr_str in)
{
	unsigned first, second;

	if (in.n < 2)
		return false;
	first = (unsigned char)in.p[0];
	second = (unsigned char)in.p[1];
	return (first & 0x0f) == Z_DEFLATED && first >> 4 <= 7 && (first << 8 | second) % 31 == 0;
}

enum mr_err
mr_inflate(struct mr_str in, struct mr_buf *out, struct mr_error *err)
{
	return undo(in, has_zlib_header(in) ? ZLIB_WINDOW : RAW_WINDOW, out, err);
}

struct mr_gzip *
mr_gzip_new(int level, struct mr_error *err)
{
	struct mr_gzip *g = calloc(1, sizeof *g);

	if (g != NULL && deflateInit2(&g->z, level, Z_DEFLATED, GZIP_WINDOW, MAX_MEM_LEVEL,
	    Z_DEFAULT_STRATEGY) == Z_OK) {
		g->header.os = GZIP_OS_UNKNOWN;
		if (deflateSetHeader(&g->z, &g->header) == Z_OK)
			return g;
		deflateEnd(&g->z);
	}
	free(g);
	mr_fail(err, MR_ENOMEM, "no memory for gzip");
	return NULL;
}

/* Deflates what is in z->next_in; with Z_FINISH until the stream has ended. */
static enum mr_err
deflate_some(struct mr_gzip *g, int flush, const struct mr_packed_to *to, struct mr_error *err)
{
	enum mr_err e;
	size_t made;

	do {
		g->z.next_out = g->out;
		g->z.avail_out = sizeof g->out;
		(void)deflate(&g->z, flush);
		made = sizeof g->out - g->z.avail_out;
		if (made > 0 && (e = to->put(to->arg, (struct mr_str){ (const char *)g->out, made },
		    err)) != MR_OK)
			return e;
	} while (g->z.avail_out == 0);
	return MR_OK;
}

enum mr_err
mr_gzip_write(struct mr_gzip *g, struct mr_str in, const struct mr_packed_to *to,
    struct mr_error *err)
{
	enum mr_err e = MR_OK;

	while (in.n > 0 && e == MR_OK) {
		uInt step = in.n > UINT_MAX ? UINT_MAX : (uInt)in.n;

		g->z.next_in = (const Bytef *)in.p;
		g->z.avail_in = step;
		e = deflate_some(g, Z_NO_FLUSH, to, err);
		in.p += step;
		in.n -= step;
	}
	return e;
}

enum mr_err
mr_gzip_finish(struct mr_gzip *g, const struct mr_packed_to *to, struct mr_error *err)
{
	return deflate_some(g, Z_FINISH, to, err);
}

void
mr_gzip_free(struct mr_gzip *g)
{
	if (g == NULL)
		return;
	deflateEnd(&g->z);
	free(g);
}

uint32_t
mr_crc32(uint32_t crc, const void *data, size_t n)
{
	return (uint32_t)crc32_z(crc, data, n);
}
