/*
 * Snappy, for those who read Parquet with nothing newer. The only user of libsnappy,
 * which a build may lack.
 */
#ifndef MR_FORMAT_SNAPPY_H
#define MR_FORMAT_SNAPPY_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

/*
 * Appends `in` as one block, without a frame. Errors: MR_ELIMIT (out->max); MR_EINVAL: this
 * build has no libsnappy.
 */
enum mr_err mr_snappy_block(struct mr_str in, struct mr_buf *out, struct mr_error *err);

#endif
