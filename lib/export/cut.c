/* Where batches are cut: see cut.h. */
#include "export/cut.h"

/* So many rows are counted at once, whatever lies behind the table's other rows. */
#define FEW_ROWS 50000
#define TOO_MANY(rows, most) ((rows) > (most) + (most) / 4)

uint64_t
mr_cut_share(uint64_t low, uint64_t high, int64_t most, int64_t rows)
{
	uint64_t end = low + (uint64_t)((double)(high - low) * (double)most / (double)rows);

	return end <= low ? low + 1 : end;
}

/* The first transaction of the batch that is not a late one. */
static uint64_t
first_of(const struct mr_slice_sums *sums, uint64_t low)
{
	return sums->first_xid > low ? sums->first_xid : low;
}

uint64_t
mr_cut_end(const struct mr_slice_sums *sums, uint64_t low, uint64_t xmax, int64_t max_rows)
{
	uint64_t first = first_of(sums, low), end = xmax;

	if (TOO_MANY(sums->rows, max_rows) && xmax > first + 1)
		end = mr_cut_share(first, xmax, max_rows, sums->rows);
	if (sums->next_hour != 0 && sums->next_hour < end)
		end = sums->next_hour;
	return end;
}

uint64_t
mr_cut_guess(const struct mr_sample *sample, uint64_t begin, int64_t max_rows)
{
	double rows = 0;
	size_t i = 0, first;

	while (i < sample->n && sample->at[i].xid < begin)
		i++;
	for (first = i; i < sample->n; i++) {
		rows += (double)sample->at[i].rows * sample->weight;
		if (rows > (double)max_rows && i > first)
			return sample->at[i].xid;
	}
	return UINT64_MAX;
}

/*
 * Cuts *to where the batch should end by the sample: that saves counting all that is behind
 * it, again for each batch.
 */
static enum mr_err
guess_end(struct mr_cut *cut, const struct mr_snapshot *from, struct mr_snapshot *to,
    const struct mr_planned_filter *filter, struct mr_error *err)
{
	uint64_t begin = from != NULL ? from->xmax : 0;
	enum mr_err e = MR_OK;

	if (to->xmax < begin + 2)
		return MR_OK;
	if (cut->sample.at == NULL)
		e = mr_sample_take(cut->db, from, to, filter,
		    cut->max_rows < FEW_ROWS ? cut->max_rows : FEW_ROWS, &cut->sample, err);
	if (e == MR_OK)
		mr_snapshot_cut(to, mr_cut_guess(&cut->sample, begin, cut->max_rows));
	return e;
}

enum mr_err
mr_cut_fit(struct mr_cut *cut, const struct mr_snapshot *from, struct mr_snapshot *to,
    const struct mr_planned_filter *filter, struct mr_slice_sums *sums, struct mr_error *err)
{
	uint64_t low = from != NULL ? from->xmax : 0, end;
	enum mr_err e;

	if ((e = guess_end(cut, from, to, filter, err)) != MR_OK)
		return e;
	for (;;) {
		if ((e = mr_slices_count(cut->db, from, to, filter, err)) != MR_OK ||
		    (e = mr_slices_sum(cut->db, filter->batch, low, sums, err)) != MR_OK)
			return e;
		end = mr_cut_end(sums, low, to->xmax, cut->max_rows);
		if (end >= to->xmax)
			break;
		mr_snapshot_cut(to, end);
	}
	return MR_OK;
}

void
mr_cut_free(struct mr_cut *cut)
{
	mr_sample_free(&cut->sample);
}
