/*
 * Where batches are cut: at the end of an hour, and where they have as many rows as one
 * should have. Both are ends of transactions, which are taken for spread evenly over the
 * ids between two that are known: what is wrong with that is found by counting.
 */
#ifndef MR_EXPORT_CUT_H
#define MR_EXPORT_CUT_H

#include <stdint.h>

#include "base/error.h"
#include "db/connection.h"
#include "export/planned.h"
#include "export/slices.h"
#include "export/snapshot.h"

/* Of batches that follow each other. */
struct mr_cut {
	struct mr_db *db; /* borrowed; in the transaction that plans */
	int64_t max_rows; /* of a batch; it may have a quarter more rather than be counted anew */
	double density;   /* rows a transaction id where the last batch ended; 0: not known */
};

/* Pure: the transaction where `most` of the rows of [low, high) end, behind low. */
uint64_t mr_cut_share(uint64_t low, uint64_t high, int64_t most, int64_t rows);

/*
 * Pure: where a batch that ends at xmax should end instead, by what was counted; xmax: it is
 * good as it is. low: the first transaction behind the batch before.
 */
uint64_t mr_cut_end(const struct mr_slice_sums *sums, uint64_t low, uint64_t xmax,
    int64_t max_rows);

/*
 * Finds the end of the batch filter->batch behind `from` (NULL: from the first row on) and
 * counts its slices; *to is cut there. MR_ENOMEM, or as mr_slices_count().
 */
enum mr_err mr_cut_fit(struct mr_cut *cut, const struct mr_snapshot *from, struct mr_snapshot *to,
    const struct mr_planned_filter *filter, struct mr_slice_sums *sums, struct mr_error *err);

#endif
