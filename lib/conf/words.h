/*
 * The words for formats and compressions: in the configuration, on command lines, in
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
enum mr_compression { MR_COMPRESSION_NONE, MR_COMPRESSION_GZIP, MR_COMPRESSION_ZSTD };

/* json is ndjson. */
extern const struct mr_conf_choice mr_format_words[];
extern const struct mr_conf_choice mr_compression_words[];

/* False when it is no word for one. */
bool mr_format_parse(struct mr_str word, enum mr_format *format);
bool mr_compression_parse(struct mr_str word, enum mr_compression *compression);

#endif
