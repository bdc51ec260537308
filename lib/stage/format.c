/* Formats: see format.h. */
#include "stage/format.h"

#include "stage/compress.h"
#include "stage/enc_ndjson.h"
#include "stage/enc_parquet.h"

static const struct {
	const char *suffixes[3];      /* by compression; the same for the types */
	const char *content_types[3];
} formats[] = {
	[MR_FORMAT_NDJSON] = {
	    { ".ndjson", ".ndjson.gz", ".ndjson.zst" },
	    { "application/x-ndjson", "application/gzip", "application/zstd" } },
	[MR_FORMAT_CSV] = {
	    { ".csv", ".csv.gz", ".csv.zst" },
	    { "text/csv", "application/gzip", "application/zstd" } },
	[MR_FORMAT_PARQUET] = {
	    { ".parquet", ".parquet", ".parquet" },
	    { "application/vnd.apache.parquet", "application/vnd.apache.parquet",
	      "application/vnd.apache.parquet" } },
};

const char *
mr_format_suffix(const struct mr_format_options *options)
{
	return formats[options->format].suffixes[options->compression];
}

const char *
mr_format_content_type(const struct mr_format_options *options)
{
	return formats[options->format].content_types[options->compression];
}

static struct mr_stage *
encoder_new(const struct mr_format_options *options, struct mr_stage *next, struct mr_error *err)
{
	struct mr_parquet_options parquet = { .json_payload = options->json_payload,
		.drops_keys = options->drops_keys, .codec = options->codec, .level = options->level };

	switch (options->format) {
	case MR_FORMAT_CSV:
		return mr_enc_csv_new(next, options->csv_guard, options->drops_keys, err);
	case MR_FORMAT_PARQUET:
		return mr_enc_parquet_new(next, &parquet, err);
	case MR_FORMAT_NDJSON:
		break;
	}
	return mr_enc_ndjson_new(next, options->drops_keys, err);
}

struct mr_stage *
mr_format_new(const struct mr_format_options *options, struct mr_stage *next, struct mr_error *err)
{
	struct mr_stage *packed = next, *encoder;

	if (options->format != MR_FORMAT_PARQUET && options->compression == MR_COMPRESSION_GZIP)
		packed = mr_compress_gzip_new(next, options->level, err);
	else if (options->format != MR_FORMAT_PARQUET &&
	    options->compression == MR_COMPRESSION_ZSTD)
		packed = mr_compress_zstd_new(next, options->level, err);
	if (packed == NULL)
		return NULL;
	encoder = encoder_new(options, packed, err);
	if (encoder == NULL && packed != next) {
		packed->next = NULL;
		mr_stage_free(packed);
	}
	return encoder;
}
