/*
 * What the destinations of a client have received: which batches, and writing them again.
 */
#ifndef MR_EXPORT_DELIVERED_H
#define MR_EXPORT_DELIVERED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "db/query.h"
#include "export/context.h"
#include "export/destination.h"

enum mr_delivered_column {
	MR_DELIVERED_BATCH,
	MR_DELIVERED_MANIFEST, /* its key */
	MR_DELIVERED_SHA256,   /* of the manifest */
	MR_DELIVERED_ROWS
};

/* Whether a span of time is asked for; it means the time at which a batch was planned. */
bool mr_delivered_is_span(const struct mr_export_options *options);

/*
 * The batches that the destination has completely, oldest first: of the span that is asked
 * for, or the last one. As mr_db_ask().
 */
enum mr_err mr_delivered_list(const struct mr_context *x, const struct mr_destination *d,
    struct mr_db_rows **rows, struct mr_error *err);

/*
 * Writes those once more, each to all destinations that have it. One whose rows are no longer
 * in the table is left as it is: that is said, and counted as a failure. As
 * mr_deliver_batch().
 */
enum mr_err mr_delivered_write_again(const struct mr_context *x, struct mr_destination *const *to,
    size_t n_to, struct mr_error *err);

#endif
