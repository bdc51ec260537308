/*
 * The formats and compressions, and the chain that makes them. Their words are conf/words.h's.
 */
#ifndef MR_STAGE_FORMAT_H
#define MR_STAGE_FORMAT_H

#include "conf/words.h"
#include "stage/enc_csv.h"
#include "stage/stage.h"

/*
 * Part of a batch's plan: raised whenever the same rows would become other
 * bytes, in any format, or lie under other keys. A new libzstd or zlib may do
 * that as well. What was planned with one of OLDEST on still becomes the same.
 */
#define MR_ENCODER_VERSION 3
#define MR_ENCODER_OLDEST 2
#define MR_ENCODER_CSV_GUARD 3 /* before, CSV was always guarded, in the old way */

struct mr_format_options {
	enum mr_format format;
	enum mr_compression compression; /* Parquet has its own inside and ignores it */
	int level;                       /* of the compression; 0: the usual one */
	bool json_payload;               /* see enc_parquet.h */
	bool drops_keys;                 /* without the columns that the key has, too */
	enum mr_codec codec;             /* of Parquet */
	const char *csv_guard;           /* see enc_csv.h */
};

/*
 * An encoder, and the compressor behind it, that end in `next`. NULL when
 * there is no memory; *err says so, and next is still the caller's.
 */
struct mr_stage *mr_format_new(const struct mr_format_options *options, struct mr_stage *next,
    struct mr_error *err);

/* What the name of a file ends with, from its dot on: ".ndjson.zst", ".parquet". */
const char *mr_format_suffix(const struct mr_format_options *options);

/* The Content-Type of the file as it is, so that nothing unpacks it on the way. */
const char *mr_format_content_type(const struct mr_format_options *options);

#endif
