/*
 * NDJSON: one JSON object (RFC 8259) a line, the columns in the order of
 * mr_columns, null written out. Times are RFC 3339 in UTC with microseconds;
 * the payload stands there as the JSON it is. Lines end with a line feed.
 */
#ifndef MR_STAGE_ENC_NDJSON_H
#define MR_STAGE_ENC_NDJSON_H

#include "stage/stage.h"

/* drops_keys: see textenc.h. NULL when there is no memory; *err says so. */
struct mr_stage *mr_enc_ndjson_new(struct mr_stage *next, bool drops_keys, struct mr_error *err);

#endif
