/*
 * One batch to its destinations: its objects, then its manifest.
 */
#ifndef MR_EXPORT_DELIVER_H
#define MR_EXPORT_DELIVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "export/context.h"
#include "export/destination.h"
#include "export/planned.h"

/*
 * Delivers one batch to the destinations that have not failed. A destination
 * that fails is marked and left behind; the error is returned only when there
 * is no sense in going on: the database, a signal. force: also what they have;
 * MR_EINVAL: the table no longer has its rows, and nothing of it was overwritten with less.
 */
enum mr_err mr_deliver_batch(const struct mr_context *x, const struct mr_planned_batch *batch,
    struct mr_destination *const *to, size_t n_to, bool force, struct mr_error *err);

#endif
