/*
 * Where batches are cut: at the end of an hour, and where they have as many rows as one
 * should have. Both are ends of transactions, guessed by a sample of the rows: what is wrong
 * with that is found by counting.
 */
#ifndef MR_EXPORT_CUT_H
#define MR_EXPORT_CUT_H

#include <stdint.h>

#include "base/error.h"
#include "db/connection.h"
#include "export/planned.h"
#include "export/sample.h"
#include "export/slices.h"
#include "export/snapshot.h"

/* Of batches that follow each other, in one stretch; to be freed. */
struct mr_cut {
	struct mr_db *db; /* borrowed; in the transaction that plans */
	int64_t max_rows; /* of a batch; it may have a quarter more rather than be counted anew */
	struct mr_sample sample; /* of the stretch; taken when it is first needed */
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
 * Pure: the transaction that a batch from `begin` on should end in front of, by the sample;
 * it is behind the first one that the sample knows. UINT64_MAX: all of it may be one batch.
 */
uint64_t mr_cut_guess(const struct mr_sample *sample, uint64_t begin, int64_t max_rows);

/*
 * Finds the end of the batch filter->batch behind `from` (NULL: from the first row on) and
 * counts its slices; *to is cut there. As mr_sample_take() and mr_slices_count().
 */
enum mr_err mr_cut_fit(struct mr_cut *cut, const struct mr_snapshot *from, struct mr_snapshot *to,
    const struct mr_planned_filter *filter, struct mr_slice_sums *sums, struct mr_error *err);

void mr_cut_free(struct mr_cut *cut);

#endif
