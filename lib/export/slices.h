/*
 * The slices of a batch, export_slices: how many rows of which site and hour
 * it has, and where they lie. See schema/004-export.sql.
 */
#ifndef MR_EXPORT_SLICES_H
#define MR_EXPORT_SLICES_H

#include <stdint.h>

#include "base/error.h"
#include "db/connection.h"
#include "export/planned.h"
#include "export/snapshot.h"

/*
 * Counts the slices of the batch filter->batch between two snapshots (from:
 * NULL for all before `to`) in place of those that it had. MR_ENOMEM, MR_EAGAIN.
 */
enum mr_err mr_slices_count(struct mr_db *db, const struct mr_snapshot *from,
    const struct mr_snapshot *to, const struct mr_planned_filter *filter, struct mr_error *err);

struct mr_slice_sums {
	int64_t rows;
	int64_t slices;
	uint64_t first_xid; /* 0: no rows but late ones */
	uint64_t next_hour; /* where one begins that no row of an earlier hour is behind; 0: none */
};

/* low: the first transaction behind the batch before. */
enum mr_err mr_slices_sum(struct mr_db *db, int64_t batch, uint64_t low,
    struct mr_slice_sums *sums, struct mr_error *err);

/*
 * Counts the slices of a planned batch anew, after rows of the table were
 * deleted or have moved: the numbers of those that are left stay as they are,
 * and where their rows lie is no longer known. *rows: how many there are in all.
 */
enum mr_err mr_slices_recount(struct mr_db *db, const struct mr_planned_batch *batch,
    int64_t *rows, struct mr_error *err);

#endif
