/*
 * Reading the rows of some slices of a batch: in their physical order, which never changes
 * as rows are not updated, over several connections; or sorted by slice.
 */
#ifndef MR_EXPORT_READ_H
#define MR_EXPORT_READ_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "export/planned.h"
#include "export/ranges.h"
#include "export/readahead.h"

/* What is read, and over what; valid during the start. */
struct mr_read_request {
	const struct mr_planned_batch *batch;
	const struct mr_planned_slice *const *slices; /* of the batch */
	size_t n;
	bool all;      /* they are all of the batch's slices */
	const struct mr_planned_slice *const *without; /* sorted: slices that are not wanted */
	size_t n_without;
	bool sorted;
	struct mr_db *const *dbs; /* connected when they are needed; the reading's until its stop */
	size_t n_dbs;
};

/* Must stay where it is until it is stopped. */
struct mr_reading {
	struct mr_readahead *ahead; /* the rows */
	struct mr_buf from;         /* behind FROM, of the whole table */
	size_t where, where_end;    /* in it: what a range, too, has to ask of its rows */
	struct mr_range *ranges;
	size_t n_ranges;
};

/*
 * Begins to read the rows of the slices, and maybe others of their hours: in physical order, or
 * sorted by hour, site (byte by byte) and id, as slices are numbered. Errors, with nothing
 * to stop then: MR_ENOMEM, as mr_readahead_start(), or no connection.
 */
enum mr_err mr_read_start(struct mr_reading *reading, const struct mr_read_request *request,
    struct mr_error *err);
void mr_read_stop(struct mr_reading *reading);

#endif
