/* The Parquet encoder: see enc_parquet.h. */
#include "stage/enc_parquet.h"

#include <stdlib.h>

#include "format/gzip.h"
#include "parquet/column.h"

#define GROUP_ROWS ((size_t)122880)
#define GROUP_RAW_BYTES ((size_t)64 << 20)
#define GROUP_HELD_BYTES ((size_t)12 << 20)

/* About 2 KiB a row group. */
#define MAX_FOOTER_BYTES ((size_t)256 << 20)

struct parquet {
	struct mr_stage stage;
	struct mr_parquet_schema schema;
	struct mr_parquet_press press;
	struct mr_parquet_column columns[MR_COLUMNS];
	size_t n_columns;     /* that are initialised */
	int64_t offset;       /* bytes written so far */
	int64_t rows;         /* in finished groups */
	struct mr_buf groups; /* their description */
	size_t n_groups;
	size_t group_rows;    /* of the open one */
	size_t group_bytes;
};

static enum mr_err
put(struct parquet *p, struct mr_str data, struct mr_error *err)
{
	p->offset += (int64_t)data.n;
	return mr_stage_bytes(p->stage.next, data, err);
}

static enum mr_err
start(struct parquet *p, struct mr_error *err)
{
	return p->offset == 0 ? put(p, mr_str(MR_PARQUET_MAGIC), err) : MR_OK;
}

static enum mr_err
put_column(struct parquet *p, struct mr_parquet_column *c, struct mr_error *err)
{
	enum mr_err e = mr_parquet_column_end(c, err);

	c->chunk.offset = p->offset;
	if (e == MR_OK)
		e = put(p, mr_buf_str(&c->dictionary_page), err);
	if (e == MR_OK)
		e = put(p, mr_buf_str(&c->pages), err);
	return e;
}

static enum mr_err
end_group(struct parquet *p, struct mr_error *err)
{
	const struct mr_parquet_chunk *chunks[MR_COLUMNS];
	enum mr_err e;

	if (p->group_rows == 0)
		return MR_OK;
	for (size_t i = 0; i < p->n_columns; i++) {
		if ((e = put_column(p, &p->columns[i], err)) != MR_OK)
			return e;
		chunks[i] = &p->columns[i].chunk;
	}
	mr_parquet_put_group(&p->groups, chunks, p->n_columns, p->press.codec,
	    (int64_t)p->group_rows, p->n_groups++);
	p->rows += (int64_t)p->group_rows;
	p->group_rows = p->group_bytes = p->press.held = 0;
	for (size_t i = 0; i < p->n_columns; i++)
		mr_parquet_column_reset(&p->columns[i]);
	return MR_OK;
}

/* Bytes of a row that may be long; the rest counts by the row. */
static size_t
long_bytes(const struct mr_export_row *row)
{
	return row->event.payload.n + row->event.user_agent.n;
}

static enum mr_err
put_row(struct parquet *p, const struct mr_export_row *row, struct mr_error *err)
{
	enum mr_err e = mr_row_check(row, err);

	for (size_t i = 0; i < p->n_columns && e == MR_OK; i++)
		e = mr_parquet_column_add(&p->columns[i], row, err);
	if (e != MR_OK)
		return e;
	p->group_rows++;
	p->group_bytes += long_bytes(row);
	if (p->group_rows == GROUP_ROWS || p->group_bytes >= GROUP_RAW_BYTES ||
	    p->press.held >= GROUP_HELD_BYTES)
		e = end_group(p, err);
	return e;
}

static enum mr_err
parquet_rows(struct mr_stage *s, const struct mr_export_row *rows, size_t n,
    struct mr_error *err)
{
	struct parquet *p = (struct parquet *)s;
	enum mr_err e = start(p, err);

	for (size_t i = 0; i < n && e == MR_OK; i++)
		e = put_row(p, &rows[i], err);
	return e;
}

static enum mr_err
parquet_finish(struct mr_stage *s, struct mr_error *err)
{
	struct parquet *p = (struct parquet *)s;
	struct mr_buf footer;
	enum mr_err e;

	if ((e = start(p, err)) != MR_OK || (e = end_group(p, err)) != MR_OK)
		return e;
	mr_buf_init(&footer, MAX_FOOTER_BYTES);
	mr_parquet_put_footer(&footer, mr_buf_str(&p->groups), p->n_groups, p->rows,
	    &p->schema);
	if (footer.failed || p->groups.failed)
		e = mr_fail(err, MR_ENOMEM, "parquet: no memory for the footer");
	else
		e = put(p, mr_buf_str(&footer), err);
	mr_buf_free(&footer);
	return e;
}

static void
parquet_free(struct mr_stage *s)
{
	struct parquet *p = (struct parquet *)s;

	for (size_t i = 0; i < p->n_columns; i++)
		mr_parquet_column_free(&p->columns[i]);
	mr_parquet_press_free(&p->press);
	mr_buf_free(&p->groups);
	free(p);
}

static const struct mr_stage_ops ops = {
	.name = "parquet",
	.rows = parquet_rows,
	.finish = parquet_finish,
	.free = parquet_free,
};

static enum mr_err
init(struct parquet *p, const struct mr_parquet_options *options, struct mr_error *err)
{
	int usual = options->codec == MR_CODEC_GZIP ? MR_GZIP_LEVEL : MR_PARQUET_LEVEL;
	enum mr_err e = mr_parquet_press_init(&p->press, options->codec,
	    options->level != 0 ? options->level : usual, MR_PARQUET_MAX_BYTES, err);

	p->schema.json_payload = options->json_payload;
	mr_row_choose(&p->schema.columns, options->drops_keys);
	while (e == MR_OK && p->n_columns < p->schema.columns.n) {
		e = mr_parquet_column_init(&p->columns[p->n_columns],
		    p->schema.columns.column[p->n_columns], &p->press, err);
		p->n_columns++;
	}
	return e;
}

struct mr_stage *
mr_enc_parquet_new(struct mr_stage *next, const struct mr_parquet_options *options,
    struct mr_error *err)
{
	static const struct mr_parquet_options usual = { .level = 0 };
	struct parquet *p = calloc(1, sizeof *p);

	if (p == NULL) {
		mr_fail(err, MR_ENOMEM, "no memory for the parquet encoder");
		return NULL;
	}
	p->stage.ops = &ops;
	p->stage.next = next;
	options = options != NULL ? options : &usual;
	mr_buf_init(&p->groups, MAX_FOOTER_BYTES / 2);
	if (init(p, options, err) == MR_OK)
		return &p->stage;
	parquet_free(&p->stage);
	return NULL;
}
