/*
 * What the encoders of text formats share: a buffer that is pushed on when it
 * is full, and the loop over the rows.
 */
#ifndef MR_STAGE_TEXTENC_H
#define MR_STAGE_TEXTENC_H

#include "base/buf.h"
#include "format/textout.h"
#include "stage/stage.h"

struct mr_textenc {
	struct mr_stage stage;
	struct mr_buf out; /* may hold something already when the first row comes */
	struct mr_row_columns columns;
	struct mr_textout_second seconds[MR_COLUMNS]; /* of the time columns */
	const char *guard; /* CSV's, not NULL then */
	/* Appends to out one row that was checked. */
	void (*put_row)(struct mr_textenc *t, const struct mr_export_row *row);
};

/*
 * An encoder whose ops are built from the functions below, of all columns but, with
 * drops_keys, those that the key has. NULL: no memory.
 */
struct mr_textenc *mr_textenc_new(const struct mr_stage_ops *ops, struct mr_stage *next,
    bool drops_keys, void (*put_row)(struct mr_textenc *t, const struct mr_export_row *row),
    struct mr_error *err);

enum mr_err mr_textenc_rows(struct mr_stage *s, const struct mr_export_row *rows, size_t n,
    struct mr_error *err);
enum mr_err mr_textenc_finish(struct mr_stage *s, struct mr_error *err);
void mr_textenc_free(struct mr_stage *s);

#endif
