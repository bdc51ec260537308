/*
 * A batch that is being delivered: where it goes, and which of its objects are there
 * already. Owns the slices between load and unload; borrows the rest.
 */
#ifndef MR_EXPORT_DELIVERY_H
#define MR_EXPORT_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "export/context.h"
#include "export/destination.h"
#include "export/planned.h"
#include "stage/format.h"

struct mr_delivery {
	const struct mr_context *x;
	const struct mr_planned_batch *batch;
	struct mr_format_options format;
	char folder[64];     /* within the prefix: "" or "manual/RUN" */
	struct mr_planned_slice *slices; /* slice i has number i */
	struct mr_db_rows *slices_rows;
	size_t n_slices;
	unsigned char *have; /* of each slice: bit i: destination i has it already */
	struct mr_destination *to[MR_DESTINATIONS];
	size_t n_to;
	int64_t rows;        /* read so far, for the progress bar */
	bool differs;        /* the table has not the rows that were planned */
};

/*
 * Begins one to those of the destinations that have not failed. MR_EINVAL: the batch's
 * format is unknown.
 */
enum mr_err mr_delivery_init(struct mr_delivery *d, const struct mr_context *x,
    const struct mr_planned_batch *batch, struct mr_destination *const *to, size_t n_to,
    struct mr_error *err);

/*
 * Loads the slices, and unless `again` what the destinations have of them. MR_ENOMEM, or as
 * mr_db_ask(); unload also then.
 */
enum mr_err mr_delivery_load(struct mr_delivery *d, bool again, struct mr_error *err);
void mr_delivery_unload(struct mr_delivery *d);

/* Whether there is a destination that has not failed. */
bool mr_delivery_anyone_left(const struct mr_delivery *d);

/* Whether destination i of the delivery still lacks the slice's object, and has not failed. */
bool mr_delivery_lacks(const struct mr_delivery *d, const struct mr_planned_slice *slice,
    size_t i);

/* Whether any of them does. */
bool mr_delivery_is_pending(const struct mr_delivery *d, const struct mr_planned_slice *slice);

/*
 * Records the objects that are complete, and notes that their destinations have them. Where
 * files cannot be given their names the destination is marked as failed. As
 * mr_complete_record().
 */
enum mr_err mr_delivery_record(struct mr_delivery *d, struct mr_error *err);

/* The same when there is no room for one more. */
enum mr_err mr_delivery_make_room(struct mr_delivery *d, struct mr_error *err);

/* Forgets those that are not recorded. */
void mr_delivery_drop(struct mr_delivery *d);

#endif
