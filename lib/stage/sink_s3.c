/* The sink that writes to S3: see sink_s3.h. */
#include "stage/sink_s3.h"

#include <stdlib.h>

struct sink {
	struct mr_stage stage;
	struct mr_s3 *s3;
	struct mr_s3_upload *upload;
	char *bucket;
	char *key;
	char *content_type;
};

static enum mr_err
sink_bytes(struct mr_stage *stage, struct mr_str data, struct mr_error *err)
{
	struct sink *s = (struct sink *)stage;

	return mr_s3_upload_add(s->upload, data.p, data.n, err);
}

static enum mr_err
sink_finish(struct mr_stage *stage, struct mr_error *err)
{
	struct sink *s = (struct sink *)stage;
	enum mr_err e = mr_s3_upload_finish(s->upload, err);

	if (e != MR_OK && strcmp(mr_s3_error_code(s->s3), "PreconditionFailed") == 0) {
		(void)mr_s3_upload_abort(s->upload, NULL);
		return MR_OK;
	}
	return e;
}

static void
sink_abort(struct mr_stage *stage)
{
	(void)mr_s3_upload_abort(((struct sink *)stage)->upload, NULL);
}

static void
sink_free(struct mr_stage *stage)
{
	struct sink *s = (struct sink *)stage;

	mr_s3_upload_free(s->upload);
	free(s->bucket);
	free(s->key);
	free(s->content_type);
	free(s);
}

static const struct mr_stage_ops ops = {
	.name = "s3",
	.bytes = sink_bytes,
	.finish = sink_finish,
	.abort = sink_abort,
	.free = sink_free,
};

struct mr_stage *
mr_sink_s3_new(struct mr_s3 *s3, const char *bucket, const char *key, const char *content_type,
    struct mr_error *err)
{
	struct sink *s = calloc(1, sizeof *s);

	if (s != NULL) {
		s->stage.ops = &ops;
		s->s3 = s3;
		s->upload = mr_s3_upload_new(s3);
		s->bucket = strdup(bucket);
		s->key = strdup(key);
		s->content_type = strdup(content_type);
	}
	if (s == NULL || s->upload == NULL || s->bucket == NULL || s->key == NULL ||
	    s->content_type == NULL)
		(void)mr_fail(err, MR_ENOMEM, "no memory for the object %s", key);
	else if (mr_s3_upload_begin(s->upload, s->bucket, s->key, s->content_type, err) == MR_OK)
		return &s->stage;
	if (s != NULL)
		sink_free(&s->stage);
	return NULL;
}
