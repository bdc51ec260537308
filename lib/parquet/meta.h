/*
 * The parts of a Parquet file that describe the others: page headers, row
 * groups, the footer, and the PLAIN form of values. Pure.
 * Source: the Parquet format, src/main/thrift/parquet.thrift and Encodings.md.
 */
#ifndef MR_PARQUET_META_H
#define MR_PARQUET_META_H

#include "base/buf.h"
#include "conf/words.h"
#include "format/row.h"

#define MR_PARQUET_MAGIC "PAR1"
#define MR_PARQUET_LENGTH_BYTES 4 /* in front of a PLAIN text */

enum mr_parquet_encoding {
	MR_PARQUET_PLAIN = 0,
	MR_PARQUET_RLE = 3,
	MR_PARQUET_RLE_DICTIONARY = 8
};

struct mr_parquet_page {
	bool is_dictionary;
	enum mr_parquet_encoding encoding;
	size_t values; /* NULLs included */
	size_t raw_bytes;
	size_t packed_bytes;
	uint32_t crc; /* of the packed bytes */
};

/* A bound of a text column holds so many bytes; a longer value is cut. */
#define MR_PARQUET_BOUND_BYTES 64

/* The least or the greatest text so far. n of one byte more says that it was cut. */
struct mr_parquet_bound {
	size_t n;
	char p[MR_PARQUET_BOUND_BYTES + 1];
};

/* One column of one row group. */
struct mr_parquet_chunk {
	const struct mr_column *column;
	int64_t offset;           /* of its first page in the file */
	int64_t dictionary_bytes; /* of the dictionary page as packed; 0: none */
	int64_t raw_bytes;        /* of all pages, headers included; the same for packed */
	int64_t packed_bytes;
	int64_t values;           /* NULLs included */
	int64_t nulls;
	int32_t plain_pages;
	int32_t dictionary_pages; /* data pages of indices */
	int64_t least, most;      /* of numbers and times */
	struct mr_parquet_bound low, high; /* of texts */
};

void mr_parquet_put_le32(struct mr_buf *out, uint32_t v);
void mr_parquet_put_le64(struct mr_buf *out, uint64_t v);

/* A text in PLAIN form. */
void mr_parquet_put_text(struct mr_buf *out, struct mr_str s);

/* Take a value that is not NULL into the chunk's bounds. */
void mr_parquet_bound_int64(struct mr_parquet_chunk *chunk, int64_t v);
void mr_parquet_bound_text(struct mr_parquet_chunk *chunk, struct mr_str s);
/* Before the first. */
void mr_parquet_bound_reset(struct mr_parquet_chunk *chunk);

void mr_parquet_put_page_header(struct mr_buf *out, const struct mr_parquet_page *page);

/* Appends the description of one row group: n chunks, which lie one behind another. */
void mr_parquet_put_group(struct mr_buf *out, const struct mr_parquet_chunk *const *chunks,
    size_t n, enum mr_codec codec, int64_t rows, size_t ordinal);

struct mr_parquet_schema {
	struct mr_row_columns columns;
	bool json_payload; /* the payload has the logical type JSON instead of STRING */
};

/*
 * Appends the footer and all that stands behind it. groups: what put_group
 * has made of n_groups.
 */
void mr_parquet_put_footer(struct mr_buf *out, struct mr_str groups, size_t n_groups,
    int64_t rows, const struct mr_parquet_schema *schema);

#endif
