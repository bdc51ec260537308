/* Objects as a whole and as a stream, over single requests: see s3.h. */
#include "s3/s3.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "s3/s3call.h"
#include "s3/xml.h"

#define MAX_LIST_BYTES (INT64_C(4) << 20) /* 10,000 parts with ETags of 300 bytes */

enum state { IDLE, OPEN, FAILED };

struct mr_s3_upload {
	struct mr_s3 *s3;
	enum state state;
	char *bucket, *key, *content_type;
	char id[MR_S3_MAX_UPLOAD_ID]; /* "": no multipart upload yet */
	struct mr_buf part;           /* what the next part is made of */
	struct mr_buf list;           /* the body of CompleteMultipartUpload */
	int parts;
	int64_t bytes;                /* all that was added */
};

/* --- single requests -------------------------------------------------------- */

enum mr_err
mr_s3_put(struct mr_s3 *s3, const char *bucket, const char *key, const char *content_type,
    struct mr_str body, struct mr_error *err)
{
	const struct mr_s3_call call = { .op = MR_S3_PUT_OBJECT, .bucket = bucket, .key = key,
		.content_type = content_type, .body = body.p != NULL ? body : MR_STR_LIT("") };

	return mr_s3_do(s3, &call, NULL, err);
}

enum mr_err
mr_s3_get(struct mr_s3 *s3, const char *bucket, const char *key,
    bool (*take)(void *arg, const char *p, size_t n), void *arg, struct mr_error *err)
{
	const struct mr_s3_call call = { .op = MR_S3_GET_OBJECT, .bucket = bucket, .key = key,
		.take = take, .take_arg = arg };

	return mr_s3_do(s3, &call, NULL, err);
}

enum mr_err
mr_s3_head_bucket(struct mr_s3 *s3, const char *bucket, struct mr_error *err)
{
	const struct mr_s3_call call = { .op = MR_S3_HEAD_BUCKET, .bucket = bucket };

	return mr_s3_do(s3, &call, NULL, err);
}

/* The caller has id[MR_S3_MAX_UPLOAD_ID]. *twice: there may be another one. */
static enum mr_err
create(struct mr_s3 *s3, const char *bucket, const char *key, const char *content_type, char *id,
    bool *twice, struct mr_error *err)
{
	const struct mr_s3_call call = { .op = MR_S3_CREATE_UPLOAD, .bucket = bucket, .key = key,
		.content_type = content_type, .body = MR_STR_LIT("") };
	struct mr_s3_outcome outcome;
	enum mr_err e = mr_s3_do(s3, &call, &outcome, err);

	*twice = outcome.uncertain;
	if (e == MR_OK)
		(void)mr_xml_text(mr_buf_str(&s3->response.body), "UploadId", id,
		    MR_S3_MAX_UPLOAD_ID);
	return e;
}

/* One that is gone already is fine. */
static enum mr_err
abort_by_id(struct mr_s3 *s3, const char *bucket, const char *key, const char *id,
    struct mr_error *err)
{
	const struct mr_s3_call call = { .op = MR_S3_ABORT_UPLOAD, .bucket = bucket, .key = key,
		.upload_id = id };
	struct mr_error why = MR_ERROR_INIT;
	enum mr_err e = mr_s3_do(s3, &call, NULL, &why);

	if (e == MR_OK || strcmp(s3->code, "NoSuchUpload") == 0)
		return MR_OK;
	return mr_fail(err, e, "%s", why.text);
}

enum mr_err
mr_s3_abort_upload(struct mr_s3 *s3, const char *bucket, const char *key, const char *id,
    struct mr_error *err)
{
	enum mr_err e = abort_by_id(s3, bucket, key, id, err);

	if (e == MR_OK && s3->options.ended != NULL)
		s3->options.ended(s3->options.arg, bucket, key, id);
	return e;
}

/* The id of one upload of a list, when it is of this key and is not to be kept. */
static bool
unwanted(struct mr_str upload, const char *key, const char *keep, char *id)
{
	char its_key[MR_S3_MAX_KEY + 1];

	return mr_xml_text(upload, "Key", its_key, sizeof its_key) && strcmp(its_key, key) == 0 &&
	    mr_xml_text(upload, "UploadId", id, MR_S3_MAX_UPLOAD_ID) &&
	    (keep == NULL || strcmp(id, keep) != 0);
}

enum mr_err
mr_s3_abort_key(struct mr_s3 *s3, const char *bucket, const char *key, const char *keep,
    struct mr_error *err)
{
	const struct mr_s3_call call = { .op = MR_S3_LIST_UPLOADS, .bucket = bucket, .key = key };
	char id[MR_S3_MAX_UPLOAD_ID];
	struct mr_str list, upload;
	struct mr_buf copy;
	enum mr_err e = mr_s3_do(s3, &call, NULL, err);

	if (e != MR_OK)
		return e;
	/* The next answer takes the place of this one. */
	mr_buf_init(&copy, MR_S3_MAX_ANSWER);
	mr_buf_add_str(&copy, mr_buf_str(&s3->response.body));
	if (copy.failed)
		e = mr_fail(err, MR_ENOMEM, "no memory for a list of uploads");
	list = mr_buf_str(&copy);
	while (e == MR_OK && (upload = mr_xml_next(&list, "Upload")).p != NULL)
		if (unwanted(upload, key, keep, id))
			e = abort_by_id(s3, bucket, key, id, err);
	mr_buf_free(&copy);
	return e;
}

enum mr_err
mr_s3_canary(struct mr_s3 *s3, const char *bucket, const char *key, struct mr_error *err)
{
	static const char text[] = "millrace may write here\n";
	char id[MR_S3_MAX_UPLOAD_ID];
	bool twice;
	enum mr_err e;

	if ((e = mr_s3_put(s3, bucket, key, "text/plain", mr_str(text), err)) != MR_OK ||
	    (e = create(s3, bucket, key, "text/plain", id, &twice, err)) != MR_OK)
		return e;
	return abort_by_id(s3, bucket, key, id, err);
}

/* --- parts ------------------------------------------------------------------ */

struct mr_s3_upload *
mr_s3_upload_new(struct mr_s3 *s3)
{
	struct mr_s3_upload *u = calloc(1, sizeof *u);

	if (u == NULL)
		return NULL;
	u->s3 = s3;
	mr_buf_init(&u->part, (size_t)s3->options.part_bytes);
	mr_buf_init(&u->list, MAX_LIST_BYTES);
	return u;
}

/* Forgets the object; keeps the buffers. */
static void
forget(struct mr_s3_upload *u)
{
	free(u->bucket);
	free(u->key);
	free(u->content_type);
	u->bucket = u->key = u->content_type = NULL;
	u->id[0] = '\0';
	u->parts = 0;
	u->bytes = 0;
	u->state = IDLE;
	mr_buf_reset(&u->part, u->part.max);
	mr_buf_reset(&u->list, 65536);
}

void
mr_s3_upload_free(struct mr_s3_upload *u)
{
	if (u == NULL)
		return;
	forget(u);
	mr_buf_free(&u->part);
	mr_buf_free(&u->list);
	free(u);
}

enum mr_err
mr_s3_upload_begin(struct mr_s3_upload *u, const char *bucket, const char *key,
    const char *content_type, struct mr_error *err)
{
	if (u->state != IDLE)
		return mr_fail(err, MR_EINVAL, "an upload was begun before the last one ended");
	forget(u);
	u->bucket = strdup(bucket);
	u->key = strdup(key);
	u->content_type = content_type != NULL ? strdup(content_type) : NULL;
	if (u->bucket == NULL || u->key == NULL || (content_type != NULL && u->content_type == NULL)) {
		forget(u);
		return mr_fail(err, MR_ENOMEM, "no memory for an upload");
	}
	u->state = OPEN;
	return MR_OK;
}

static enum mr_err
begin_parts(struct mr_s3_upload *u, struct mr_error *err)
{
	const struct mr_s3_options *o = &u->s3->options;
	bool twice = false;
	enum mr_err e = MR_OK;

	if (o->creating != NULL)
		e = o->creating(o->arg, u->bucket, u->key, err);
	if (e == MR_OK)
		e = create(u->s3, u->bucket, u->key, u->content_type, u->id, &twice, err);
	/* Without the permission nothing can be done about it. */
	if (e == MR_OK && twice)
		(void)mr_s3_abort_key(u->s3, u->bucket, u->key, u->id, NULL);
	if (e == MR_OK && o->created != NULL)
		e = o->created(o->arg, u->bucket, u->key, u->id, err);
	mr_buf_add_cstr(&u->list, "<CompleteMultipartUpload "
	    "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	return e;
}

/* Writes the part into the list; its ETag has quotes, which XML wants escaped. */
static void
list_part(struct mr_s3_upload *u, struct mr_str etag, const char *checksum)
{
	static const char special[] = "\"&<>";
	static const char *const escaped[] = { "&quot;", "&amp;", "&lt;", "&gt;" };
	const char *algorithm = mr_s3_checksum_algorithm(u->s3->options.checksum), *found;

	mr_buf_printf(&u->list, "<Part><PartNumber>%d</PartNumber><ETag>", u->parts);
	for (size_t i = 0; i < etag.n; i++) {
		found = memchr(special, etag.p[i], sizeof special - 1);
		if (found != NULL)
			mr_buf_add_cstr(&u->list, escaped[found - special]);
		else
			mr_buf_add_char(&u->list, etag.p[i]);
	}
	mr_buf_add_cstr(&u->list, "</ETag>");
	if (algorithm != NULL)
		mr_buf_printf(&u->list, "<Checksum%s>%s</Checksum%s>", algorithm, checksum, algorithm);
	mr_buf_add_cstr(&u->list, "</Part>");
}

static enum mr_err
send_part(struct mr_s3_upload *u, struct mr_error *err)
{
	struct mr_s3_call call = { .op = MR_S3_UPLOAD_PART, .bucket = u->bucket, .key = u->key,
		.upload_id = u->id, .body = mr_buf_str(&u->part) };
	struct mr_s3_outcome outcome;
	enum mr_err e;

	if (u->id[0] == '\0' && (e = begin_parts(u, err)) != MR_OK)
		return e;
	if (u->parts == MR_S3_MAX_PARTS)
		return mr_fail(err, MR_ELIMIT, "bucket %.64s: an object has more than %d parts of "
		    "%" PRId64 " bytes; use larger parts", u->bucket, MR_S3_MAX_PARTS,
		    u->s3->options.part_bytes);
	call.part = ++u->parts;
	if ((e = mr_s3_do(u->s3, &call, &outcome, err)) != MR_OK)
		return e;
	list_part(u, mr_http_header(&u->s3->response, "ETag"), outcome.checksum);
	if (u->list.failed)
		return mr_fail(err, MR_ENOMEM, "no memory for the list of parts");
	mr_buf_reset(&u->part, u->part.max);
	return MR_OK;
}

enum mr_err
mr_s3_upload_add(struct mr_s3_upload *u, const void *data, size_t n, struct mr_error *err)
{
	const char *p = data;
	enum mr_err e = MR_OK;
	size_t room;

	if (u->state != OPEN)
		return mr_fail(err, MR_EINVAL, "an upload is not open");
	for (; n > 0 && e == MR_OK; p += room, n -= room) {
		/* A full part waits for more, so that an object of one part is one request. */
		if (u->part.len == u->part.max && (e = send_part(u, err)) != MR_OK)
			break;
		room = u->part.max - u->part.len;
		room = room < n ? room : n;
		mr_buf_add(&u->part, p, room);
		u->bytes += (int64_t)room;
		if (u->part.failed)
			e = mr_fail(err, MR_ENOMEM, "no memory for a part of %zu bytes", u->part.max);
	}
	if (e != MR_OK)
		u->state = FAILED;
	return e;
}

/* --- the end ---------------------------------------------------------------- */

/*
 * An earlier attempt to complete may have got through although its answer did
 * not. Looks whether the object is there, with the size and the number of
 * parts of ours. That needs s3:GetObject; without it the answer is no, and the
 * same bytes will be uploaded to the same key again.
 */
static bool
was_completed(struct mr_s3_upload *u)
{
	const struct mr_s3_call call = { .op = MR_S3_HEAD_OBJECT, .bucket = u->bucket,
		.key = u->key };
	char size[32], parts[16];
	struct mr_str etag, length;

	if (mr_s3_do(u->s3, &call, NULL, NULL) != MR_OK)
		return false;
	length = mr_http_header(&u->s3->response, "Content-Length");
	etag = mr_http_header(&u->s3->response, "ETag");
	snprintf(size, sizeof size, "%" PRId64, u->bytes);
	snprintf(parts, sizeof parts, "-%d\"", u->parts);
	return mr_str_eq(length, mr_str(size)) && etag.n > strlen(parts) &&
	    memcmp(etag.p + etag.n - strlen(parts), parts, strlen(parts)) == 0;
}

static enum mr_err
complete(struct mr_s3_upload *u, struct mr_error *err)
{
	struct mr_s3_call call = { .op = MR_S3_COMPLETE_UPLOAD, .bucket = u->bucket, .key = u->key,
		.upload_id = u->id };
	struct mr_error why = MR_ERROR_INIT;
	struct mr_s3_outcome outcome;
	enum mr_err e = MR_OK;

	mr_buf_add_cstr(&u->list, "</CompleteMultipartUpload>");
	if (u->list.failed)
		return mr_fail(err, MR_ENOMEM, "no memory for the list of parts");
	call.body = mr_buf_str(&u->list);
	e = mr_s3_do(u->s3, &call, &outcome, &why);
	if (e != MR_OK && outcome.uncertain && outcome.status == 404 && was_completed(u))
		e = MR_OK;
	else if (e != MR_OK)
		/* Whoever starts over uploads the same bytes under the same key. */
		return mr_fail(err, outcome.uncertain && outcome.status == 404 ? MR_EAGAIN : e, "%s",
		    why.text);
	if (u->s3->options.ended != NULL)
		u->s3->options.ended(u->s3->options.arg, u->bucket, u->key, u->id);
	return e;
}

enum mr_err
mr_s3_upload_finish(struct mr_s3_upload *u, struct mr_error *err)
{
	enum mr_err e = MR_OK;

	if (u->state != OPEN)
		return mr_fail(err, MR_EINVAL, "an upload is not open");
	if (u->id[0] == '\0')
		e = mr_s3_put(u->s3, u->bucket, u->key, u->content_type, mr_buf_str(&u->part), err);
	else if ((e = send_part(u, err)) == MR_OK)
		e = complete(u, err);
	if (e == MR_OK)
		forget(u);
	else
		u->state = FAILED;
	return e;
}

enum mr_err
mr_s3_upload_abort(struct mr_s3_upload *u, struct mr_error *err)
{
	enum mr_err e = MR_OK;

	if (u->state != IDLE && u->id[0] != '\0')
		e = mr_s3_abort_upload(u->s3, u->bucket, u->key, u->id, err);
	forget(u);
	return e;
}
