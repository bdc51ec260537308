/*
 * The slices of a batch, export_slices: how many rows of which site and hour
 * it has, and where they lie. See schema/004-export.sql.
 */
#ifndef MR_EXPORT_SLICES_H
#define MR_EXPORT_SLICES_H

#include <stdbool.h>
#include <stddef.h>
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

/* Whether there are no more than so many rows between two snapshots. MR_ENOMEM, MR_EAGAIN. */
enum mr_err mr_slices_few(struct mr_db *db, const struct mr_snapshot *from,
    const struct mr_snapshot *to, const struct mr_planned_filter *filter, int64_t most, bool *few,
    struct mr_error *err);

/* A transaction that a sample has rows of, and how many. */
struct mr_slices_seen {
	uint64_t xid;
	int64_t rows;
};

/* In the order of the transactions; each row of it stands for `weight` rows. */
struct mr_slices_sample {
	struct mr_slices_seen *at;
	size_t n;
	double weight;
};

/*
 * Looks at the rows between two snapshots on some pages of the table, spread evenly; the same
 * ones each time. MR_ENOMEM, MR_EAGAIN; free it also then.
 */
enum mr_err mr_slices_sample(struct mr_db *db, const struct mr_snapshot *from,
    const struct mr_snapshot *to, const struct mr_planned_filter *filter,
    struct mr_slices_sample *sample, struct mr_error *err);
void mr_slices_sample_free(struct mr_slices_sample *sample);

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
