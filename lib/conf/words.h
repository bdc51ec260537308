/*
 * The words for formats, compressions and checksums: in the configuration, on command lines, in
 * requests and in the database. Here, since the configuration may not know the rooms that
 * make the formats, and they may know it.
 */
#ifndef MR_CONF_WORDS_H
#define MR_CONF_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* A word and what it means. A list of them ends with text == NULL. */
struct mr_conf_choice {
	const char *text;
	int64_t value;
};

enum mr_format { MR_FORMAT_NDJSON, MR_FORMAT_CSV, MR_FORMAT_PARQUET };
/* How a bucket is told what it should have received; AUTO is what costs nothing. */
enum mr_checksum { MR_CHECKSUM_AUTO, MR_CHECKSUM_SHA256, MR_CHECKSUM_CRC32C, MR_CHECKSUM_MD5,
	MR_CHECKSUM_NONE };
enum mr_object_lock { MR_LOCK_OFF, MR_LOCK_GOVERNANCE, MR_LOCK_COMPLIANCE };
enum mr_compression { MR_COMPRESSION_NONE, MR_COMPRESSION_GZIP, MR_COMPRESSION_ZSTD };
enum mr_codec { MR_CODEC_ZSTD, MR_CODEC_GZIP, MR_CODEC_SNAPPY, MR_CODEC_NONE }; /* of Parquet */

/* json is ndjson. */
extern const struct mr_conf_choice mr_format_words[];
extern const struct mr_conf_choice mr_compression_words[];
extern const struct mr_conf_choice mr_checksum_words[];
extern const struct mr_conf_choice mr_codec_words[];
extern const struct mr_conf_choice mr_object_lock_words[];

/* False when it is no word for one. */
bool mr_format_parse(struct mr_str word, enum mr_format *format);
bool mr_compression_parse(struct mr_str word, enum mr_compression *compression);
bool mr_codec_parse(struct mr_str word, enum mr_codec *codec);

#endif
