/*
 * A sink that writes one object to S3. The object is there after finish and
 * not before; abort gives up what was begun on the server.
 */
#ifndef MR_STAGE_SINK_S3_H
#define MR_STAGE_SINK_S3_H

#include "s3/s3.h"
#include "stage/stage.h"

/*
 * s3 must outlive it; bucket, key and content_type are copied. keeps: s3 was told not to
 * replace objects. One that is there already, maybe because the answer to an earlier try was
 * lost, is read then (s3:GetObject) and compared: with the same bytes it is as good as
 * written, with others finish fails with MR_EINVAL. Where it may not be read, its key stands
 * for its bytes. Errors (NULL): as mr_s3_upload_begin().
 */
struct mr_stage *mr_sink_s3_new(struct mr_s3 *s3, const char *bucket, const char *key,
    const char *content_type, bool keeps, struct mr_error *err);

#endif
