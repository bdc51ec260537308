/*
 * Undoing gzip (RFC 1952) with a bound, so that a small body cannot become a
 * huge one. The only user of zlib.
 */
#ifndef MR_FORMAT_GUNZIP_H
#define MR_FORMAT_GUNZIP_H

#include "base/buf.h"
#include "base/error.h"

/*
 * Inflates all members of `in` and appends them to `out`. Errors: MR_ELIMIT
 * when it would exceed out->max, MR_EINVAL when it is no gzip, is damaged, or
 * ends early; MR_ENOMEM.
 */
enum mr_err mr_gunzip(struct mr_str in, struct mr_buf *out, struct mr_error *err);

#endif
