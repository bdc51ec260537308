/*
 * gzip (RFC 1952): undoing it with a bound, so that a small body cannot become
 * a huge one; making it, so that the same input always gives the same bytes;
 * and its checksum. The only user of zlib.
 */
#ifndef MR_FORMAT_GZIP_H
#define MR_FORMAT_GZIP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "format/packed.h"

/*
 * Inflates all members of `in`, zeros behind the last apart, and appends them to
 * `out`. Errors: MR_ELIMIT when it would exceed out->max, MR_EINVAL when it is no
 * gzip, is damaged, or ends early; MR_ENOMEM.
 */
enum mr_err mr_gunzip(struct mr_str in, struct mr_buf *out, struct mr_error *err);

/* The same of Content-Encoding: deflate, which is zlib's format or, from some, that without it. */
enum mr_err mr_inflate(struct mr_str in, struct mr_buf *out, struct mr_error *err);

/* One gzip file in the making, without time, name or system in its header. */
struct mr_gzip;

#define MR_GZIP_LEVEL 6 /* the usual one, of 1 to 9 */

/* NULL when there is no memory; *err says so. */
struct mr_gzip *mr_gzip_new(int level, struct mr_error *err);

/* Takes `in`; what is ready goes to `to`. Errors: those of to->put. */
enum mr_err mr_gzip_write(struct mr_gzip *z, struct mr_str in, const struct mr_packed_to *to,
    struct mr_error *err);

/* Writes the rest. Once, after the last write. */
enum mr_err mr_gzip_finish(struct mr_gzip *z, const struct mr_packed_to *to,
    struct mr_error *err);

void mr_gzip_free(struct mr_gzip *z);

/*
 * CRC-32 as gzip, PNG and Parquet use it (polynomial 0x04C11DB7, reflected);
 * not CRC-32C. Continues `crc`, which is 0 at the start; "123456789" gives
 * 0xcbf43926.
 */
uint32_t mr_crc32(uint32_t crc, const void *data, size_t n);

#endif
