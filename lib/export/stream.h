/*
 * One object on its way: encoder, compressor, meter, and the sinks of the destinations that
 * lack it. Belongs to the thread that delivers.
 */
#ifndef MR_EXPORT_STREAM_H
#define MR_EXPORT_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "export/delivery.h"
#include "export/planned.h"
#include "format/row.h"
#include "stage/stage.h"

/* Its chain, which it owns, and what went into it. */
struct mr_stream {
	const struct mr_planned_slice *slice;
	struct mr_destination *to[MR_DESTINATIONS];
	size_t n_to;
	struct mr_stage *head;  /* NULL: closed */
	struct mr_stage *meter;
	struct mr_stage *tee;
	char *key[MR_DESTINATIONS];
	int64_t rows;
	int64_t min_id, max_id;
	int64_t min_created_us, max_created_us;
};

/*
 * Opens the object of a slice at all destinations that lack it. A destination
 * where that fails is marked as failed. MR_EAGAIN when none is left; MR_ENOMEM.
 */
enum mr_err mr_stream_open(struct mr_stream *s, const struct mr_delivery *d,
    const struct mr_planned_slice *slice, struct mr_error *err);

/* An error may be a destination's: see mr_stream_lost(). */
enum mr_err mr_stream_push(struct mr_stream *s, const struct mr_export_row *row,
    struct mr_error *err);

/* After an error: marks the destinations that failed; whether those were all. */
bool mr_stream_lost(struct mr_stream *s);

/*
 * Ends it: for each destination that has it, it is among its complete objects now. Errors are
 * not those of destinations, which are marked: as mr_delivery_make_room().
 */
enum mr_err mr_stream_close(struct mr_stream *s, struct mr_delivery *d, struct mr_error *err);

/* Drops it, but for its slice; nothing happens to one that is closed. */
void mr_stream_abort(struct mr_stream *s);

#endif
