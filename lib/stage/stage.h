/*
 * The export pipeline: stages in a row, each of which pushes what it makes
 * into the next.
 *
 *   rows -> encoder -> compressor -> meter -> tee -> sink
 *                                                 -> sink
 *
 * An encoder takes rows, every other stage takes bytes. A chain writes one
 * object and is used by one thread.
 *
 * - What is pushed is the caller's and needs to be valid during the call only.
 * - The bytes that come out depend on the rows alone, not on how they were
 *   divided into pushes.
 * - A stage owns its `next` from the moment it was made; when making it fails,
 *   `next` is still the caller's.
 * - After an error only abort and free may follow; anything else is refused
 *   with MR_EINVAL. Finish may be called once.
 * - A chain that is freed before it was finished leaves nothing behind in its
 *   sinks, as after abort.
 */
#ifndef MR_STAGE_STAGE_H
#define MR_STAGE_STAGE_H

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "format/row.h"

struct mr_stage;

/* What one kind of stage does. Members that a kind has no use for are NULL. */
struct mr_stage_ops {
	const char *name;
	enum mr_err (*rows)(struct mr_stage *s, const struct mr_export_row *rows, size_t n,
	    struct mr_error *err);
	enum mr_err (*bytes)(struct mr_stage *s, struct mr_str data, struct mr_error *err);
	/* Pushes the rest into next; finishing next is not its business. */
	enum mr_err (*finish)(struct mr_stage *s, struct mr_error *err);
	/* Undoes what it did outside of memory. Not called after a good finish. */
	void (*abort)(struct mr_stage *s);
	/* Releases the struct that the stage is the first member of. */
	void (*free)(struct mr_stage *s);
};

enum mr_stage_state { MR_STAGE_OPEN, MR_STAGE_FAILED, MR_STAGE_FINISHED, MR_STAGE_ABORTED };

/* The first member of every kind's struct. */
struct mr_stage {
	const struct mr_stage_ops *ops;
	struct mr_stage *next; /* owned; NULL behind the last */
	enum mr_stage_state state;
	uint64_t rows;  /* that were pushed into it */
	uint64_t bytes; /* the same */
};

/* Encodes n rows. */
enum mr_err mr_stage_rows(struct mr_stage *s, const struct mr_export_row *rows, size_t n,
    struct mr_error *err);

/* Takes bytes; data.n may be 0. */
enum mr_err mr_stage_bytes(struct mr_stage *s, struct mr_str data, struct mr_error *err);

/* Flushes this stage and finishes those behind it: the object is then there. */
enum mr_err mr_stage_finish(struct mr_stage *s, struct mr_error *err);

/* Drops the object. Nothing happens to stages that are finished or aborted. */
void mr_stage_abort(struct mr_stage *s);

/* Releases the stage and those behind it, aborted where unfinished; NULL is allowed. */
void mr_stage_free(struct mr_stage *s);

#endif
