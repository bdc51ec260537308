/* Parquet's metadata: see parquet_meta.h. Names of fields are those of parquet.thrift. */
#include "parquet/meta.h"

#include "config.h"
#include "format/utf8.h"
#include "parquet/thrift.h"

enum { TYPE_INT64 = 2, TYPE_BYTE_ARRAY = 6 };
enum { CONVERTED_UTF8 = 0, CONVERTED_TIMESTAMP_MICROS = 10, CONVERTED_JSON = 19 };
enum { LOGICAL_STRING = 1, LOGICAL_TIMESTAMP = 8, LOGICAL_JSON = 12 };
enum { UNIT_MICROS = 2 };
enum { REQUIRED = 0, OPTIONAL = 1 };
enum { PAGE_DATA = 0, PAGE_DICTIONARY = 2 };
enum { FORMAT_VERSION = 1 };

static const int codecs[] = { [MR_CODEC_NONE] = 0, [MR_CODEC_SNAPPY] = 1, [MR_CODEC_GZIP] = 2,
	[MR_CODEC_ZSTD] = 6 };

void
mr_parquet_put_le32(struct mr_buf *out, uint32_t v)
{
	char *to = mr_buf_reserve(out, 4);

	if (to == NULL)
		return;
	for (int i = 0; i < 4; i++)
		to[i] = (char)(v >> 8 * i);
	out->len += 4;
}

void
mr_parquet_put_le64(struct mr_buf *out, uint64_t v)
{
	char *to = mr_buf_reserve(out, 8);

	if (to == NULL)
		return;
	for (int i = 0; i < 8; i++)
		to[i] = (char)(v >> 8 * i);
	out->len += 8;
}

void
mr_parquet_put_text(struct mr_buf *out, struct mr_str s)
{
	mr_parquet_put_le32(out, (uint32_t)s.n);
	mr_buf_add_str(out, s);
}

/* --- bounds ----------------------------------------------------------------- */

static bool
has_bounds(const struct mr_parquet_chunk *chunk)
{
	return chunk->values > chunk->nulls;
}

void
mr_parquet_bound_reset(struct mr_parquet_chunk *chunk)
{
	chunk->least = INT64_MAX;
	chunk->most = INT64_MIN;
	/* Greater than any text, as 0xff is in none; less than any. */
	chunk->low.n = 1;
	chunk->low.p[0] = '\xff';
	chunk->high.n = 0;
}

void
mr_parquet_bound_int64(struct mr_parquet_chunk *chunk, int64_t v)
{
	if (v < chunk->least)
		chunk->least = v;
	if (v > chunk->most)
		chunk->most = v;
}

/* Order of unsigned bytes, the shorter first. */
static int
compare(struct mr_str s, const struct mr_parquet_bound *b)
{
	return mr_str_cmp(s, (struct mr_str){ b->p, b->n });
}

static void
set_bound(struct mr_parquet_bound *b, struct mr_str s)
{
	memcpy(b->p, s.p, s.n);
	b->n = s.n;
}

void
mr_parquet_bound_text(struct mr_parquet_chunk *chunk, struct mr_str s)
{
	if (s.n > MR_PARQUET_BOUND_BYTES)
		s.n = MR_PARQUET_BOUND_BYTES + 1;
	if (compare(s, &chunk->low) < 0)
		set_bound(&chunk->low, s);
	if (compare(s, &chunk->high) > 0)
		set_bound(&chunk->high, s);
}

/*
 * A text without a tail that is greater than all that begin with b, cut where
 * UTF-8 may be cut: its last ASCII character, counted up. False: there is none.
 */
static bool
round_up(struct mr_parquet_bound *b)
{
	b->n = mr_utf8_cut(b->p, b->n, MR_PARQUET_BOUND_BYTES);
	while (b->n > 0 && (unsigned char)b->p[b->n - 1] >= 0x7e)
		b->n--;
	if (b->n == 0)
		return false;
	b->p[b->n - 1]++;
	return true;
}

static void
put_int64_bounds(struct mr_thrift *t, const struct mr_parquet_chunk *chunk)
{
	struct mr_buf b;

	mr_buf_init(&b, 16);
	mr_parquet_put_le64(&b, (uint64_t)chunk->most);
	mr_parquet_put_le64(&b, (uint64_t)chunk->least);
	if (b.failed) {
		t->out->failed = true;
	} else {
		mr_thrift_binary(t, 5, (struct mr_str){ b.p, 8 });     /* max_value */
		mr_thrift_binary(t, 6, (struct mr_str){ b.p + 8, 8 }); /* min_value */
		mr_thrift_bool(t, 7, true); /* is_max_value_exact */
		mr_thrift_bool(t, 8, true); /* is_min_value_exact */
	}
	mr_buf_free(&b);
}

static void
put_text_bounds(struct mr_thrift *t, const struct mr_parquet_chunk *chunk)
{
	struct mr_parquet_bound low = chunk->low, high = chunk->high;
	bool low_exact = low.n <= MR_PARQUET_BOUND_BYTES;
	bool high_exact = high.n <= MR_PARQUET_BOUND_BYTES;
	bool has_high = high_exact || round_up(&high);

	if (!low_exact)
		low.n = mr_utf8_cut(low.p, low.n, MR_PARQUET_BOUND_BYTES);
	if (has_high)
		mr_thrift_binary(t, 5, (struct mr_str){ high.p, high.n });
	mr_thrift_binary(t, 6, (struct mr_str){ low.p, low.n });
	if (has_high)
		mr_thrift_bool(t, 7, high_exact);
	mr_thrift_bool(t, 8, low_exact);
}

static bool
is_int64(const struct mr_column *c)
{
	return c->kind == MR_COLUMN_INT64 || c->kind == MR_COLUMN_TIME;
}

static void
put_statistics(struct mr_thrift *t, int field, const struct mr_parquet_chunk *chunk)
{
	mr_thrift_struct(t, field);
	mr_thrift_i64(t, 3, chunk->nulls); /* null_count */
	if (has_bounds(chunk) && is_int64(chunk->column))
		put_int64_bounds(t, chunk);
	else if (has_bounds(chunk))
		put_text_bounds(t, chunk);
	mr_thrift_end(t);
}

/* --- pages and row groups ------------------------------------------------------ */

void
mr_parquet_put_page_header(struct mr_buf *out, const struct mr_parquet_page *page)
{
	struct mr_thrift t = { .out = out };

	mr_thrift_begin(&t);
	mr_thrift_i32(&t, 1, page->is_dictionary ? PAGE_DICTIONARY : PAGE_DATA);
	mr_thrift_i32(&t, 2, (int32_t)page->raw_bytes);
	mr_thrift_i32(&t, 3, (int32_t)page->packed_bytes);
	mr_thrift_i32(&t, 4, (int32_t)page->crc);
	mr_thrift_struct(&t, page->is_dictionary ? 7 : 5);
	mr_thrift_i32(&t, 1, (int32_t)page->values);
	mr_thrift_i32(&t, 2, (int32_t)page->encoding);
	if (!page->is_dictionary) {
		mr_thrift_i32(&t, 3, MR_PARQUET_RLE); /* definition_level_encoding */
		mr_thrift_i32(&t, 4, MR_PARQUET_RLE); /* repetition_level_encoding */
	}
	mr_thrift_end(&t);
	mr_thrift_end(&t);
}

/* PageEncodingStats */
static void
put_encoding_count(struct mr_thrift *t, int page_type, enum mr_parquet_encoding encoding,
    int32_t count)
{
	if (count == 0)
		return;
	mr_thrift_begin(t);
	mr_thrift_i32(t, 1, page_type);
	mr_thrift_i32(t, 2, (int32_t)encoding);
	mr_thrift_i32(t, 3, count);
	mr_thrift_end(t);
}

/* PLAIN is listed for the dictionary page as well. */
static void
put_encodings(struct mr_thrift *t, const struct mr_parquet_chunk *chunk)
{
	bool plain = chunk->plain_pages > 0 || chunk->dictionary_bytes > 0;
	bool dictionary = chunk->dictionary_pages > 0;

	mr_thrift_list(t, 2, MR_THRIFT_I32, 1 + (size_t)plain + (size_t)dictionary);
	if (plain)
		mr_thrift_put_i32(t, MR_PARQUET_PLAIN);
	mr_thrift_put_i32(t, MR_PARQUET_RLE);
	if (dictionary)
		mr_thrift_put_i32(t, MR_PARQUET_RLE_DICTIONARY);
}

static void
put_encoding_stats(struct mr_thrift *t, const struct mr_parquet_chunk *chunk)
{
	size_t n = (size_t)(chunk->dictionary_bytes > 0) + (size_t)(chunk->plain_pages > 0) +
	    (size_t)(chunk->dictionary_pages > 0);

	mr_thrift_list(t, 13, MR_THRIFT_STRUCT, n);
	put_encoding_count(t, PAGE_DICTIONARY, MR_PARQUET_PLAIN, chunk->dictionary_bytes > 0);
	put_encoding_count(t, PAGE_DATA, MR_PARQUET_PLAIN, chunk->plain_pages);
	put_encoding_count(t, PAGE_DATA, MR_PARQUET_RLE_DICTIONARY, chunk->dictionary_pages);
}

/* ColumnChunk with its ColumnMetaData */
static void
put_chunk(struct mr_thrift *t, const struct mr_parquet_chunk *chunk, enum mr_codec codec)
{
	mr_thrift_begin(t);
	mr_thrift_i64(t, 2, 0); /* file_offset: no copy of the metadata */
	mr_thrift_struct(t, 3);
	mr_thrift_i32(t, 1, is_int64(chunk->column) ? TYPE_INT64 : TYPE_BYTE_ARRAY);
	put_encodings(t, chunk);
	mr_thrift_list(t, 3, MR_THRIFT_BINARY, 1); /* path_in_schema */
	mr_thrift_put_binary(t, mr_str(chunk->column->name));
	mr_thrift_i32(t, 4, codecs[codec]);
	mr_thrift_i64(t, 5, chunk->values);
	mr_thrift_i64(t, 6, chunk->raw_bytes);
	mr_thrift_i64(t, 7, chunk->packed_bytes);
	mr_thrift_i64(t, 9, chunk->offset + chunk->dictionary_bytes); /* data_page_offset */
	if (chunk->dictionary_bytes > 0)
		mr_thrift_i64(t, 11, chunk->offset); /* dictionary_page_offset */
	put_statistics(t, 12, chunk);
	put_encoding_stats(t, chunk);
	mr_thrift_end(t);
	mr_thrift_end(t);
}

void
mr_parquet_put_group(struct mr_buf *out, const struct mr_parquet_chunk *const *chunks,
    size_t n, enum mr_codec codec, int64_t rows, size_t ordinal)
{
	struct mr_thrift t = { .out = out };
	int64_t raw_bytes = 0, packed_bytes = 0;

	mr_thrift_begin(&t);
	mr_thrift_list(&t, 1, MR_THRIFT_STRUCT, n);
	for (size_t i = 0; i < n; i++) {
		put_chunk(&t, chunks[i], codec);
		raw_bytes += chunks[i]->raw_bytes;
		packed_bytes += chunks[i]->packed_bytes;
	}
	mr_thrift_i64(&t, 2, raw_bytes);
	mr_thrift_i64(&t, 3, rows);
	mr_thrift_i64(&t, 5, chunks[0]->offset);
	mr_thrift_i64(&t, 6, packed_bytes);
	if (ordinal <= INT16_MAX)
		mr_thrift_i16(&t, 7, (int16_t)ordinal);
	mr_thrift_end(&t);
}

/* --- the footer ------------------------------------------------------------------- */

/* LogicalType, a union: a struct of which one field is there. */
static void
put_logical_type(struct mr_thrift *t, const struct mr_column *c, bool is_json)
{
	mr_thrift_struct(t, 10);
	if (c->kind == MR_COLUMN_TIME) {
		mr_thrift_struct(t, LOGICAL_TIMESTAMP);
		mr_thrift_bool(t, 1, true); /* isAdjustedToUTC */
		mr_thrift_struct(t, 2);
		mr_thrift_empty(t, UNIT_MICROS);
		mr_thrift_end(t);
		mr_thrift_end(t);
	} else {
		mr_thrift_empty(t, is_json ? LOGICAL_JSON : LOGICAL_STRING);
	}
	mr_thrift_end(t);
}

/* SchemaElement of a column. */
static void
put_column(struct mr_thrift *t, const struct mr_column *c, bool is_json)
{
	mr_thrift_begin(t);
	mr_thrift_i32(t, 1, is_int64(c) ? TYPE_INT64 : TYPE_BYTE_ARRAY);
	mr_thrift_i32(t, 3, c->nullable ? OPTIONAL : REQUIRED);
	mr_thrift_binary(t, 4, mr_str(c->name));
	if (c->kind == MR_COLUMN_TIME)
		mr_thrift_i32(t, 6, CONVERTED_TIMESTAMP_MICROS);
	else if (c->kind != MR_COLUMN_INT64)
		mr_thrift_i32(t, 6, is_json ? CONVERTED_JSON : CONVERTED_UTF8);
	if (c->kind != MR_COLUMN_INT64)
		put_logical_type(t, c, is_json);
	mr_thrift_end(t);
}

static void
put_schema(struct mr_thrift *t, const struct mr_parquet_schema *schema)
{
	const struct mr_row_columns *columns = &schema->columns;

	mr_thrift_list(t, 2, MR_THRIFT_STRUCT, 1 + columns->n);
	mr_thrift_begin(t);
	mr_thrift_binary(t, 4, MR_STR_LIT("events"));
	mr_thrift_i32(t, 5, (int32_t)columns->n); /* num_children */
	mr_thrift_end(t);
	for (size_t i = 0; i < columns->n; i++)
		put_column(t, columns->column[i],
		    schema->json_payload && columns->column[i]->kind == MR_COLUMN_JSON);
}

/* Every column is in the order that its type defines. */
static void
put_column_orders(struct mr_thrift *t, size_t n)
{
	mr_thrift_list(t, 7, MR_THRIFT_STRUCT, n);
	for (size_t i = 0; i < n; i++) {
		mr_thrift_begin(t);
		mr_thrift_empty(t, 1); /* TYPE_ORDER */
		mr_thrift_end(t);
	}
}

void
mr_parquet_put_footer(struct mr_buf *out, struct mr_str groups, size_t n_groups,
    int64_t rows, const struct mr_parquet_schema *schema)
{
	struct mr_thrift t = { .out = out };
	size_t start = out->len;

	mr_thrift_begin(&t);
	mr_thrift_i32(&t, 1, FORMAT_VERSION);
	put_schema(&t, schema);
	mr_thrift_i64(&t, 3, rows);
	mr_thrift_list(&t, 4, MR_THRIFT_STRUCT, n_groups);
	mr_buf_add_str(out, groups);
	mr_thrift_binary(&t, 6, MR_STR_LIT("millrace version " PACKAGE_VERSION));
	put_column_orders(&t, schema->columns.n);
	mr_thrift_end(&t);
	mr_parquet_put_le32(out, (uint32_t)(out->len - start));
	mr_buf_add_cstr(out, MR_PARQUET_MAGIC);
}
