/*
 * Where the rows of slices lie, cut into ranges that are read one after the other, by
 * several connections in turns. Pure.
 */
#ifndef MR_EXPORT_RANGES_H
#define MR_EXPORT_RANGES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "export/planned.h"

#define MR_RANGE_ROWS 12000 /* about: what a connection may read ahead */
#define MR_RANGE_PAGES 64   /* at least: a command has its price, too */

/* Pages of a partition. */
struct mr_range {
	struct mr_str partition; /* the slice's; p == NULL: the whole table */
	uint64_t first, end;
};

/*
 * Cuts the pages where the plan saw the rows of the slices. One range, the whole table, when
 * it is not known of each slice where its rows lie, or when they are too few to be cut.
 * MR_ENOMEM; else the caller frees *ranges.
 */
enum mr_err mr_ranges_make(const struct mr_planned_slice *const *slices, size_t n,
    struct mr_range **ranges, size_t *n_ranges, struct mr_error *err);

/* The one range that is the whole table; likewise. */
enum mr_err mr_ranges_whole(struct mr_range **ranges, size_t *n_ranges, struct mr_error *err);

#endif
