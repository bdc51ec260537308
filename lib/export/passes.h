/*
 * The objects of a batch. The rows of large slices are read in their physical order into a
 * few objects at a time; those of small slices are sorted by slice in one go instead. Which
 * way a slice takes follows from the plan, so that its object has the same bytes each time.
 */
#ifndef MR_EXPORT_PASSES_H
#define MR_EXPORT_PASSES_H

#include "base/error.h"
#include "export/delivery.h"

/*
 * Delivers the objects of all slices that a destination lacks; the delivery is loaded.
 * Destinations that fail are marked. d->differs when the table has not the rows that were
 * planned: objects of those are missing. Errors: the database, a row, memory, a signal.
 */
enum mr_err mr_passes_run(struct mr_delivery *d, struct mr_error *err);

#endif
