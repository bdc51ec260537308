/*
 * Apache Parquet: data page v1, PLAIN and RLE_DICTIONARY, every page packed
 * and with its CRC, row groups with statistics of every column.
 * Times are TIMESTAMP in microseconds of UTC, id is INT64, the rest STRING.
 *
 * A row group ends at 122,880 rows, at 64 MiB of values, or when 12 MiB of
 * packed pages are held; with the open pages and the dictionaries that is the
 * memory it takes: less than 32 MiB, more only for a single row of many MiB.
 */
#ifndef MR_STAGE_ENC_PARQUET_H
#define MR_STAGE_ENC_PARQUET_H

#include "conf/words.h"
#include "stage/stage.h"

/* zstd's level: columns pack so well that higher ones gain nothing, at twice the time. */
#define MR_PARQUET_LEVEL 1

struct mr_parquet_options {
	bool json_payload; /* the payload's logical type is JSON instead of STRING */
	bool drops_keys;   /* without the columns that the key has, too */
	enum mr_codec codec;
	int level;         /* of zstd or gzip; 0: the usual one */
};

/* options == NULL: all zero. NULL when there is no memory; *err says so. */
struct mr_stage *mr_enc_parquet_new(struct mr_stage *next, const struct mr_parquet_options *options,
    struct mr_error *err);

#endif
