/*
 * A sink that writes one object to S3. The object is there after finish and
 * not before; abort gives up what was begun on the server.
 */
#ifndef MR_STAGE_SINK_S3_H
#define MR_STAGE_SINK_S3_H

#include "s3/s3.h"
#include "stage/stage.h"

/*
 * s3 must outlive it; bucket, key and content_type are copied. An object that
 * is there already is no error where the client was told not to replace any:
 * the keys of an export stand for its bytes. Errors (NULL): as mr_s3_upload_begin().
 */
struct mr_stage *mr_sink_s3_new(struct mr_s3 *s3, const char *bucket, const char *key,
    const char *content_type, struct mr_error *err);

#endif
