/* The sink that writes to S3: see sink_s3.h. */
#include "stage/sink_s3.h"

#include <stdlib.h>

#include "secret/secret.h"

struct sink {
	struct mr_stage stage;
	struct mr_s3 *s3;
	struct mr_s3_upload *upload;
	char *bucket;
	char *key;
	char *content_type;
	bool keeps;
	struct mr_sha256 sha256; /* of what was pushed; only when it keeps objects */
};

static enum mr_err
sink_bytes(struct mr_stage *stage, struct mr_str data, struct mr_error *err)
{
	struct sink *s = (struct sink *)stage;

	if (s->keeps)
		mr_sha256_add(&s->sha256, data.p, data.n);
	return mr_s3_upload_add(s->upload, data.p, data.n, err);
}

static bool
add_piece(void *sha256, const char *p, size_t n)
{
	mr_sha256_add(sha256, p, n);
	return true;
}

/* The object that is there already, against what was pushed. */
static enum mr_err
compare(struct sink *s, struct mr_error *err)
{
	unsigned char wanted[MR_SHA256_BYTES], got[MR_SHA256_BYTES];
	struct mr_sha256 there;
	struct mr_error why = MR_ERROR_INIT;
	enum mr_err e;

	mr_sha256_init(&there);
	e = mr_s3_get(s->s3, s->bucket, s->key, add_piece, &there, &why);
	if (e != MR_OK && strcmp(mr_s3_error_code(s->s3), "AccessDenied") == 0)
		return MR_OK;
	if (e != MR_OK)
		return mr_fail(err, e, "%s", why.text);
	mr_sha256_final(&there, got);
	mr_sha256_final(&s->sha256, wanted);
	if (memcmp(got, wanted, sizeof got) == 0)
		return MR_OK;
	return mr_fail(err, MR_EINVAL, "bucket %s has an object with another content under the key, "
	    "and if_none_match = on forbids to replace it; remove it, or set if_none_match = off: %s",
	    s->bucket, s->key);
}

static enum mr_err
sink_finish(struct mr_stage *stage, struct mr_error *err)
{
	struct sink *s = (struct sink *)stage;
	struct mr_error why = MR_ERROR_INIT;
	enum mr_err e = mr_s3_upload_finish(s->upload, &why);

	if (e == MR_OK)
		return MR_OK;
	if (s->keeps && strcmp(mr_s3_error_code(s->s3), "PreconditionFailed") == 0) {
		(void)mr_s3_upload_abort(s->upload, NULL);
		return compare(s, err);
	}
	return mr_fail(err, e, "%s", why.text);
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
    bool keeps, struct mr_error *err)
{
	struct sink *s = calloc(1, sizeof *s);

	if (s != NULL) {
		s->stage.ops = &ops;
		s->s3 = s3;
		s->keeps = keeps;
		mr_sha256_init(&s->sha256);
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
