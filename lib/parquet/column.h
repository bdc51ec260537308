/*
 * One column of the open row group: values are gathered into pages, each of
 * which is compressed when it is full, so that memory holds little that is
 * not compressed.
 *
 * Texts other than JSON go through a dictionary first. At the end of a row
 * group's first page it is given up where it makes that page no smaller; when
 * it is full, the pages that follow are PLAIN.
 */
#ifndef MR_PARQUET_COLUMN_H
#define MR_PARQUET_COLUMN_H

#include "parquet/dict.h"
#include "parquet/meta.h"
#include "parquet/press.h"

/* A page ends at so many rows, or when its values have so many bytes. */
#define MR_PARQUET_PAGE_ROWS ((size_t)20480)
#define MR_PARQUET_PAGE_BYTES ((size_t)1 << 20)

/* The largest page is one row; twice as much for lengths, levels, what does not pack. */
#define MR_PARQUET_MAX_BYTES (2 * MR_ROW_MAX_BYTES + 2 * MR_PARQUET_PAGE_BYTES)

enum mr_parquet_mode {
	MR_PARQUET_DIRECT,   /* no dictionary, or not any more */
	MR_PARQUET_TRIAL,    /* first page with a dictionary */
	MR_PARQUET_INDEXED   /* a later one */
};

struct mr_parquet_column {
	const struct mr_column *column;
	struct mr_parquet_press *press;
	struct mr_parquet_chunk chunk;
	struct mr_buf dictionary_page; /* with its header; made by end */
	struct mr_buf pages;           /* finished data pages, headers included */

	/* The open page. */
	enum mr_parquet_mode mode;
	size_t rows;
	size_t nulls;
	uint16_t *levels;  /* 1: a value; of nullable columns */
	struct mr_buf values;       /* PLAIN; in MR_PARQUET_DIRECT */
	uint16_t *indices;          /* in the other modes */
	size_t plain_bytes;         /* that the indices stand for */
	struct mr_parquet_dict *dict; /* of text columns */
};

/* In the caller's storage; press must outlive it. MR_ENOMEM. */
enum mr_err mr_parquet_column_init(struct mr_parquet_column *c, const struct mr_column *column,
    struct mr_parquet_press *press, struct mr_error *err);
/* Also after an init that failed. */
void mr_parquet_column_free(struct mr_parquet_column *c);

/* Adds the row's value. MR_ELIMIT, MR_ENOMEM. */
enum mr_err mr_parquet_column_add(struct mr_parquet_column *c, const struct mr_export_row *row,
    struct mr_error *err);

/*
 * Ends the row group: dictionary_page and pages are the column chunk as it
 * goes into the file, and `chunk` describes it, but for its offset.
 */
enum mr_err mr_parquet_column_end(struct mr_parquet_column *c, struct mr_error *err);

/* Begins the next row group. */
void mr_parquet_column_reset(struct mr_parquet_column *c);

#endif
