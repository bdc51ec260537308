/*
 * The row that is exported, and its columns as one table that every encoder
 * goes through, so that the formats cannot differ in names or order. Pure.
 */
#ifndef MR_FORMAT_ROW_H
#define MR_FORMAT_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "format/event.h"

/* One row of the table `events`. Texts are UTF-8 without NUL, as PostgreSQL's are. */
struct mr_export_row {
	int64_t id;
	int64_t created_us;
	struct mr_event event;
};

enum mr_column_kind {
	MR_COLUMN_INT64,
	MR_COLUMN_TIME, /* int64_t, microseconds */
	MR_COLUMN_TEXT, /* struct mr_str */
	MR_COLUMN_IP,   /* struct mr_ip; family 0 is NULL */
	MR_COLUMN_JSON  /* struct mr_str */
};

struct mr_column {
	const char *name;
	char json_key[16]; /* ,"name": of json_key_n bytes; a fixed size is copied fast */
	size_t json_key_n;
	enum mr_column_kind kind;
	size_t offset;    /* in struct mr_export_row */
	bool nullable;
	bool from_client; /* text that a client chose freely */
	bool in_key;      /* the object's key has it, too */
};

#define MR_COLUMNS 11

extern const struct mr_column mr_columns[MR_COLUMNS];

/* Which columns are written: all, or those alone that are not in_key. */
struct mr_row_columns {
	const struct mr_column *column[MR_COLUMNS];
	size_t n;
};

void mr_row_choose(struct mr_row_columns *columns, bool drops_keys);

/* More bytes of text than this in one row are refused. */
#define MR_ROW_MAX_BYTES ((size_t)256 << 20)

static inline int64_t
mr_row_int64(const struct mr_export_row *row, const struct mr_column *c)
{
	return *(const int64_t *)(const void *)((const char *)row + c->offset);
}

static inline struct mr_str
mr_row_text(const struct mr_export_row *row, const struct mr_column *c)
{
	return *(const struct mr_str *)(const void *)((const char *)row + c->offset);
}

static inline const struct mr_ip *
mr_row_ip(const struct mr_export_row *row, const struct mr_column *c)
{
	return (const struct mr_ip *)(const void *)((const char *)row + c->offset);
}

/* Whether formats can hold the time. */
bool mr_row_can_have(int64_t us);

/*
 * Whether every format can hold the row: NULL only where it may be, times in
 * the years 1 to 9999. MR_EINVAL or MR_ELIMIT, with id and column, when not.
 */
enum mr_err mr_row_check(const struct mr_export_row *row, struct mr_error *err);

#endif
