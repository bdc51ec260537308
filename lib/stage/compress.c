/* The compressing stages: see compress.h. */
#include "stage/compress.h"

#include <stdlib.h>

#include "format/gzip.h"
#include "format/zstd.h"

/* One of the two is there. */
struct compress {
	struct mr_stage stage;
	struct mr_gzip *gzip;
	struct mr_zstd *zstd;
};

static enum mr_err
push_on(void *arg, struct mr_str piece, struct mr_error *err)
{
	struct compress *c = arg;

	return mr_stage_bytes(c->stage.next, piece, err);
}

static enum mr_err
compress_bytes(struct mr_stage *s, struct mr_str data, struct mr_error *err)
{
	struct compress *c = (struct compress *)s;
	struct mr_packed_to to = { push_on, c };

	if (c->gzip != NULL)
		return mr_gzip_write(c->gzip, data, &to, err);
	return mr_zstd_write(c->zstd, data, &to, err);
}

static enum mr_err
compress_finish(struct mr_stage *s, struct mr_error *err)
{
	struct compress *c = (struct compress *)s;
	struct mr_packed_to to = { push_on, c };

	if (c->gzip != NULL)
		return mr_gzip_finish(c->gzip, &to, err);
	return mr_zstd_finish(c->zstd, &to, err);
}

static void
compress_free(struct mr_stage *s)
{
	struct compress *c = (struct compress *)s;

	mr_gzip_free(c->gzip);
	mr_zstd_free(c->zstd);
	free(c);
}

static const struct mr_stage_ops gzip_ops = {
	.name = "gzip",
	.bytes = compress_bytes,
	.finish = compress_finish,
	.free = compress_free,
};

static const struct mr_stage_ops zstd_ops = {
	.name = "zstd",
	.bytes = compress_bytes,
	.finish = compress_finish,
	.free = compress_free,
};

static struct compress *
compress_new(const struct mr_stage_ops *ops, struct mr_stage *next, struct mr_error *err)
{
	struct compress *c = calloc(1, sizeof *c);

	if (c == NULL) {
		mr_fail(err, MR_ENOMEM, "no memory for %s", ops->name);
		return NULL;
	}
	c->stage.ops = ops;
	c->stage.next = next;
	return c;
}

struct mr_stage *
mr_compress_gzip_new(struct mr_stage *next, int level, struct mr_error *err)
{
	struct compress *c = compress_new(&gzip_ops, next, err);

	if (c == NULL)
		return NULL;
	c->gzip = mr_gzip_new(level != 0 ? level : MR_GZIP_LEVEL, err);
	if (c->gzip != NULL)
		return &c->stage;
	free(c);
	return NULL;
}

struct mr_stage *
mr_compress_zstd_new(struct mr_stage *next, int level, struct mr_error *err)
{
	struct compress *c = compress_new(&zstd_ops, next, err);

	if (c == NULL)
		return NULL;
	c->zstd = mr_zstd_new(level != 0 ? level : MR_ZSTD_LEVEL, err);
	if (c->zstd != NULL)
		return &c->stage;
	free(c);
	return NULL;
}
