/*
 * Zstandard (RFC 8878), on the calling thread, so that the same input always
 * gives the same bytes. The only user of libzstd.
 */
#ifndef MR_FORMAT_ZSTD_H
#define MR_FORMAT_ZSTD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "format/packed.h"

struct mr_zstd;

/*
 * Of 1 to 19. libzstd's own 3 takes half as much time again, for events that are
 * 3 % smaller at best, and 8 % larger at worst.
 */
#define MR_ZSTD_LEVEL 1

/*
 * A compressor for one stream with a checksum at its end, or for any number of
 * blocks; not for both. NULL when there is no memory; *err says so.
 */
struct mr_zstd *mr_zstd_new(int level, struct mr_error *err);

/* Takes `in`; what is ready goes to `to`. Errors: those of to->put; MR_ENOMEM. */
enum mr_err mr_zstd_write(struct mr_zstd *z, struct mr_str in, const struct mr_packed_to *to,
    struct mr_error *err);

/* Writes the rest. Once, after the last write. */
enum mr_err mr_zstd_finish(struct mr_zstd *z, const struct mr_packed_to *to,
    struct mr_error *err);

/*
 * Appends `in` as one frame, with its size and without a checksum. Errors:
 * MR_ELIMIT (out->max), MR_ENOMEM.
 */
enum mr_err mr_zstd_block(struct mr_zstd *z, struct mr_str in, struct mr_buf *out,
    struct mr_error *err);

void mr_zstd_free(struct mr_zstd *z);

/* The size that a frame says it has when it is undone; false: it does not say, or is none. */
bool mr_zstd_size(struct mr_str frame, size_t *size);

/* Undoes one frame into n bytes, which it must fill; false: it is damaged, or too long. */
bool mr_zstd_undo(struct mr_str frame, char *to, size_t n);

#endif
