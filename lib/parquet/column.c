/* The columns of a row group: see parquet_column.h. */
#include "parquet/column.h"

#include <stdlib.h>

#include "format/gzip.h"
#include "parquet/rle.h"

/* A buffer that one long row made large is not kept. */
#define KEEP_BYTES (2 * MR_PARQUET_PAGE_BYTES)
#define KEEP_PAGES_BYTES ((size_t)16 << 20)

static enum mr_err
no_memory(const struct mr_parquet_column *c, struct mr_error *err)
{
	return mr_fail(err, MR_ENOMEM, "parquet: no memory for the column %s", c->column->name);
}

static bool
has_dictionary(const struct mr_column *column)
{
	return column->kind == MR_COLUMN_TEXT || column->kind == MR_COLUMN_IP;
}

enum mr_err
mr_parquet_column_init(struct mr_parquet_column *c, const struct mr_column *column,
    struct mr_parquet_press *press, struct mr_error *err)
{
	*c = (struct mr_parquet_column){ .column = column, .press = press };
	mr_buf_init(&c->dictionary_page, MR_PARQUET_MAX_BYTES);
	mr_buf_init(&c->pages, 2 * MR_PARQUET_MAX_BYTES);
	mr_buf_init(&c->values, MR_PARQUET_MAX_BYTES);
	if (column->nullable &&
	    (c->levels = calloc(MR_PARQUET_PAGE_ROWS, sizeof *c->levels)) == NULL)
		return no_memory(c, err);
	if (has_dictionary(column)) {
		c->indices = calloc(MR_PARQUET_PAGE_ROWS, sizeof *c->indices);
		c->dict = mr_parquet_dict_new();
		if (c->indices == NULL || c->dict == NULL)
			return no_memory(c, err);
	}
	mr_parquet_column_reset(c);
	return MR_OK;
}

void
mr_parquet_column_free(struct mr_parquet_column *c)
{
	mr_buf_free(&c->dictionary_page);
	mr_buf_free(&c->pages);
	mr_buf_free(&c->values);
	free(c->levels);
	free(c->indices);
	mr_parquet_dict_free(c->dict);
}

static void
reset_page(struct mr_parquet_column *c)
{
	c->rows = c->nulls = c->plain_bytes = 0;
	mr_buf_reset(&c->values, KEEP_BYTES);
}

void
mr_parquet_column_reset(struct mr_parquet_column *c)
{
	c->chunk = (struct mr_parquet_chunk){ .column = c->column };
	mr_parquet_bound_reset(&c->chunk);
	mr_buf_reset(&c->dictionary_page, KEEP_BYTES);
	mr_buf_reset(&c->pages, KEEP_PAGES_BYTES);
	reset_page(c);
	c->mode = c->dict != NULL ? MR_PARQUET_TRIAL : MR_PARQUET_DIRECT;
	if (c->dict != NULL)
		mr_parquet_dict_reset(c->dict);
}

/* --- pages ---------------------------------------------------------------------- */

/* Packs raw and appends it to `to` behind its header. */
static enum mr_err
put_page(struct mr_parquet_column *c, struct mr_buf *to, struct mr_str raw,
    struct mr_parquet_page *page, struct mr_error *err)
{
	size_t start = to->len;
	struct mr_str packed;
	enum mr_err e;

	if ((e = mr_parquet_press_page(c->press, raw, &packed, err)) != MR_OK)
		return e;
	page->raw_bytes = raw.n;
	page->packed_bytes = packed.n;
	page->crc = mr_crc32(0, packed.p, packed.n);
	mr_parquet_put_page_header(to, page);
	c->chunk.raw_bytes += (int64_t)(to->len - start + raw.n);
	mr_buf_add_str(to, packed);
	if (to->failed)
		return no_memory(c, err);
	c->chunk.packed_bytes += (int64_t)(to->len - start);
	c->press->held += to->len - start;
	return MR_OK;
}

/* Definition levels: their length, then runs of one bit. */
static void
put_levels(struct mr_parquet_column *c, struct mr_buf *raw)
{
	size_t start = raw->len, n;

	mr_parquet_put_le32(raw, 0);
	mr_rle_put(raw, c->levels, c->rows, 1);
	n = raw->len - start - 4;
	if (raw->failed)
		return;
	for (size_t i = 0; i < 4; i++)
		raw->p[start + i] = (char)(n >> 8 * i);
}

/* In the dictionary's favour when the page is smaller by it, dictionary included. */
static bool
dictionary_pays(const struct mr_parquet_column *c)
{
	size_t values = c->rows - c->nulls;
	size_t indexed = c->dict->entries.len + values * mr_rle_width(c->dict->n) / 8;

	return indexed < c->plain_bytes;
}

/* Turns the open page into a PLAIN one, as if there had never been a dictionary. */
static void
give_up_dictionary(struct mr_parquet_column *c)
{
	for (size_t i = 0; i < c->rows - c->nulls; i++)
		mr_buf_add_str(&c->values, mr_parquet_dict_plain(c->dict, c->indices[i]));
	mr_parquet_dict_reset(c->dict);
	c->mode = MR_PARQUET_DIRECT;
}

/* The page's values, behind its levels; may point into c->values. */
static struct mr_str
page_body(struct mr_parquet_column *c)
{
	struct mr_buf *raw = &c->press->raw;
	unsigned width;

	if (c->mode == MR_PARQUET_DIRECT && c->levels == NULL)
		return mr_buf_str(&c->values);
	mr_buf_reset(raw, KEEP_BYTES);
	if (c->levels != NULL)
		put_levels(c, raw);
	if (c->mode == MR_PARQUET_DIRECT) {
		mr_buf_add_str(raw, mr_buf_str(&c->values));
		return mr_buf_str(raw);
	}
	width = mr_rle_width(c->dict->n);
	mr_buf_add_char(raw, (char)width);
	mr_rle_put(raw, c->indices, c->rows - c->nulls, width);
	return mr_buf_str(raw);
}

/* Ends the open page, if there is one. */
static enum mr_err
close_page(struct mr_parquet_column *c, struct mr_error *err)
{
	struct mr_parquet_page page = { .values = c->rows };
	struct mr_str body;
	enum mr_err e;

	if (c->rows == 0)
		return MR_OK;
	if (c->mode == MR_PARQUET_TRIAL && !dictionary_pays(c))
		give_up_dictionary(c);
	body = page_body(c);
	if (c->values.failed || c->press->raw.failed)
		return no_memory(c, err);
	if (c->mode == MR_PARQUET_DIRECT) {
		page.encoding = MR_PARQUET_PLAIN;
		c->chunk.plain_pages++;
	} else {
		page.encoding = MR_PARQUET_RLE_DICTIONARY;
		c->chunk.dictionary_pages++;
		c->mode = MR_PARQUET_INDEXED;
	}
	if ((e = put_page(c, &c->pages, body, &page, err)) != MR_OK)
		return e;
	c->chunk.values += (int64_t)c->rows;
	c->chunk.nulls += (int64_t)c->nulls;
	reset_page(c);
	return MR_OK;
}

/* --- values --------------------------------------------------------------------- */

static void
add_level(struct mr_parquet_column *c, bool is_null)
{
	if (c->levels != NULL)
		c->levels[c->rows] = !is_null;
	c->nulls += is_null;
	c->rows++;
}

static void
add_int64(struct mr_parquet_column *c, int64_t v)
{
	mr_parquet_bound_int64(&c->chunk, v);
	mr_parquet_put_le64(&c->values, (uint64_t)v);
	add_level(c, false);
}

static void
add_direct(struct mr_parquet_column *c, struct mr_str s)
{
	mr_parquet_bound_text(&c->chunk, s);
	mr_parquet_put_text(&c->values, s);
	add_level(c, false);
}

/* Ends the use of a dictionary that is full. */
static enum mr_err
dictionary_full(struct mr_parquet_column *c, struct mr_error *err)
{
	enum mr_err e;

	if (c->mode == MR_PARQUET_TRIAL && !dictionary_pays(c)) {
		give_up_dictionary(c);
		return MR_OK;
	}
	if ((e = close_page(c, err)) != MR_OK)
		return e;
	c->mode = MR_PARQUET_DIRECT;
	return MR_OK;
}

static enum mr_err
add_text(struct mr_parquet_column *c, struct mr_str s, struct mr_error *err)
{
	size_t known = c->dict != NULL ? c->dict->n : 0;
	uint16_t number;
	enum mr_err e;

	if (c->mode != MR_PARQUET_DIRECT && mr_parquet_dict_find(c->dict, s, &number)) {
		if (c->dict->n > known)
			mr_parquet_bound_text(&c->chunk, s);
		c->indices[c->rows - c->nulls] = number;
		c->plain_bytes += MR_PARQUET_LENGTH_BYTES + s.n;
		add_level(c, false);
		return MR_OK;
	}
	if (c->mode != MR_PARQUET_DIRECT && (e = dictionary_full(c, err)) != MR_OK)
		return e;
	add_direct(c, s);
	return MR_OK;
}

enum mr_err
mr_parquet_column_add(struct mr_parquet_column *c, const struct mr_export_row *row,
    struct mr_error *err)
{
	struct mr_str s = MR_STR_NULL;
	char text[MR_IP_TEXT];
	enum mr_err e = MR_OK;

	switch (c->column->kind) {
	case MR_COLUMN_INT64:
	case MR_COLUMN_TIME:
		add_int64(c, mr_row_int64(row, c->column));
		break;
	case MR_COLUMN_IP:
		if (mr_row_ip(row, c->column)->family != 0) {
			mr_ip_format(mr_row_ip(row, c->column), text);
			s = mr_str(text);
		}
		break;
	case MR_COLUMN_TEXT:
	case MR_COLUMN_JSON:
		s = mr_row_text(row, c->column);
		break;
	}
	if (s.p != NULL)
		e = add_text(c, s, err);
	else if (c->levels != NULL)
		add_level(c, true);
	if (e == MR_OK && (c->rows == MR_PARQUET_PAGE_ROWS || c->values.len >= MR_PARQUET_PAGE_BYTES))
		e = close_page(c, err);
	return e;
}

enum mr_err
mr_parquet_column_end(struct mr_parquet_column *c, struct mr_error *err)
{
	struct mr_parquet_page page = { .is_dictionary = true, .encoding = MR_PARQUET_PLAIN };
	enum mr_err e;

	if ((e = close_page(c, err)) != MR_OK)
		return e;
	if (c->chunk.dictionary_pages == 0)
		return MR_OK;
	page.values = c->dict->n;
	e = put_page(c, &c->dictionary_page, mr_buf_str(&c->dict->entries), &page, err);
	c->chunk.dictionary_bytes = (int64_t)c->dictionary_page.len;
	return e;
}
