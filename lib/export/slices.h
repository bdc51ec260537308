/*
 * Where the rows of groups lie, cut into slices that are read one after the other, by
 * several connections in turns. Pure.
 */
#ifndef MR_EXPORT_SLICES_H
#define MR_EXPORT_SLICES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "export/planned.h"

#define MR_SLICE_ROWS 12000 /* about: what a connection may read ahead */
#define MR_SLICE_PAGES 64   /* at least: a command has its price, too */

/* Pages of a partition. */
struct mr_slice {
	struct mr_str partition; /* the group's; p == NULL: the whole table */
	uint64_t first, end;
};

/*
 * Cuts the pages where the plan saw the rows of the groups. One slice, the whole table, when
 * it is not known of each group where its rows lie, or when they are too few to be cut.
 * MR_ENOMEM; else the caller frees *slices.
 */
enum mr_err mr_slices_make(const struct mr_planned_group *const *groups, size_t n,
    struct mr_slice **slices, size_t *n_slices, struct mr_error *err);

/* The one slice that is the whole table; likewise. */
enum mr_err mr_slices_whole(struct mr_slice **slices, size_t *n_slices, struct mr_error *err);

#endif
