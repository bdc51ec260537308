/* Packing pages: see press.h. */
#include "parquet/press.h"

#include "format/gzip.h"
#include "format/snappy.h"

/* A buffer that one long row made large is not kept. */
#define KEEP_BYTES ((size_t)2 << 20)

enum mr_err
mr_parquet_press_init(struct mr_parquet_press *press, enum mr_codec codec, int level,
    size_t max_bytes, struct mr_error *err)
{
	*press = (struct mr_parquet_press){ .codec = codec, .level = level };
	mr_buf_init(&press->raw, max_bytes);
	mr_buf_init(&press->packed, max_bytes);
	if (codec != MR_CODEC_ZSTD)
		return MR_OK;
	press->zstd = mr_zstd_new(level, err);
	return press->zstd != NULL ? MR_OK : MR_ENOMEM;
}

void
mr_parquet_press_free(struct mr_parquet_press *press)
{
	mr_zstd_free(press->zstd);
	mr_buf_free(&press->raw);
	mr_buf_free(&press->packed);
}

static enum mr_err
append(void *arg, struct mr_str piece, struct mr_error *err)
{
	struct mr_buf *out = arg;

	mr_buf_add_str(out, piece);
	return out->failed ? mr_fail(err, MR_ELIMIT, "parquet: no room for a page") : MR_OK;
}

/* A page is a gzip file of its own. */
static enum mr_err
gzip_page(struct mr_parquet_press *press, struct mr_str raw, struct mr_error *err)
{
	const struct mr_packed_to to = { append, &press->packed };
	struct mr_gzip *z = mr_gzip_new(press->level, err);
	enum mr_err e = MR_ENOMEM;

	if (z != NULL && (e = mr_gzip_write(z, raw, &to, err)) == MR_OK)
		e = mr_gzip_finish(z, &to, err);
	mr_gzip_free(z);
	return e;
}

enum mr_err
mr_parquet_press_page(struct mr_parquet_press *press, struct mr_str raw, struct mr_str *packed,
    struct mr_error *err)
{
	enum mr_err e = MR_OK;

	mr_buf_reset(&press->packed, KEEP_BYTES);
	switch (press->codec) {
	case MR_CODEC_ZSTD:
		e = mr_zstd_block(press->zstd, raw, &press->packed, err);
		break;
	case MR_CODEC_GZIP:
		e = gzip_page(press, raw, err);
		break;
	case MR_CODEC_SNAPPY:
		e = mr_snappy_block(raw, &press->packed, err);
		break;
	case MR_CODEC_NONE:
		*packed = raw;
		return MR_OK;
	}
	*packed = mr_buf_str(&press->packed);
	return e;
}
