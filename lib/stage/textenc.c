/* The common part of the text encoders: see textenc.h. */
#include "stage/textenc.h"

#include <stdlib.h>

/* Pushed on when it holds so much. */
#define CHUNK_BYTES ((size_t)128 * 1024)
/* A text may become six times as long, a payload twice. */
#define MAX_BYTES (6 * MR_ROW_MAX_BYTES + 2 * CHUNK_BYTES)

struct mr_textenc *
mr_textenc_new(const struct mr_stage_ops *ops, struct mr_stage *next,
    bool drops_keys, void (*put_row)(struct mr_textenc *t, const struct mr_export_row *row),
    struct mr_error *err)
{
	struct mr_textenc *t = calloc(1, sizeof *t);

	if (t == NULL) {
		mr_fail(err, MR_ENOMEM, "no memory for the %s encoder", ops->name);
		return NULL;
	}
	t->stage.ops = ops;
	t->stage.next = next;
	t->put_row = put_row;
	mr_row_choose(&t->columns, drops_keys);
	mr_buf_init(&t->out, MAX_BYTES);
	return t;
}

/* A buffer that one long row made large is not kept. */
static enum mr_err
flush(struct mr_textenc *t, struct mr_error *err)
{
	enum mr_err e;

	if (t->out.failed)
		return mr_fail(err, MR_ENOMEM, "no memory for the %s encoder",
		    t->stage.ops->name);
	e = mr_stage_bytes(t->stage.next, mr_buf_str(&t->out), err);
	mr_buf_reset(&t->out, 2 * CHUNK_BYTES);
	return e;
}

enum mr_err
mr_textenc_rows(struct mr_stage *s, const struct mr_export_row *rows, size_t n,
    struct mr_error *err)
{
	struct mr_textenc *t = (struct mr_textenc *)s;
	enum mr_err e;

	for (size_t i = 0; i < n; i++) {
		if ((e = mr_row_check(&rows[i], err)) != MR_OK)
			return e;
		t->put_row(t, &rows[i]);
		if ((t->out.len >= CHUNK_BYTES || t->out.failed) && (e = flush(t, err)) != MR_OK)
			return e;
	}
	return MR_OK;
}

enum mr_err
mr_textenc_finish(struct mr_stage *s, struct mr_error *err)
{
	return flush((struct mr_textenc *)s, err);
}

void
mr_textenc_free(struct mr_stage *s)
{
	struct mr_textenc *t = (struct mr_textenc *)s;

	mr_buf_free(&t->out);
	free(t);
}
