/* Compressors: bytes in, one gzip file or one zstd frame out, reproducibly. */
#ifndef MR_STAGE_COMPRESS_H
#define MR_STAGE_COMPRESS_H

#include "stage/stage.h"

/* level 0: the usual one. NULL when there is no memory; *err says so. */
struct mr_stage *mr_compress_gzip_new(struct mr_stage *next, int level, struct mr_error *err);
struct mr_stage *mr_compress_zstd_new(struct mr_stage *next, int level, struct mr_error *err);

#endif
