/* What packs the pages of a Parquet file, and the buffers that all its columns share. */
#ifndef MR_PARQUET_PRESS_H
#define MR_PARQUET_PRESS_H

#include "base/buf.h"
#include "base/error.h"
#include "conf/words.h"
#include "format/zstd.h"

struct mr_parquet_press {
	enum mr_codec codec;
	int level;
	struct mr_zstd *zstd; /* with that codec */
	struct mr_buf raw;    /* a page before it is packed */
	struct mr_buf packed; /* and after */
	size_t held;          /* bytes of finished pages in all columns */
};

/* level: of zstd or gzip. No page may have more than max_bytes. MR_ENOMEM. */
enum mr_err mr_parquet_press_init(struct mr_parquet_press *press, enum mr_codec codec, int level,
    size_t max_bytes, struct mr_error *err);
void mr_parquet_press_free(struct mr_parquet_press *press);

/*
 * Packs a page; *packed is valid until the next one, or as long as raw. Errors: MR_ELIMIT,
 * MR_ENOMEM; MR_EINVAL: this build has no such codec.
 */
enum mr_err mr_parquet_press_page(struct mr_parquet_press *press, struct mr_str raw,
    struct mr_str *packed, struct mr_error *err);

#endif
