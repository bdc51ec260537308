/* Where batches are cut: see cut.h. */
#include "export/cut.h"

/* The first of so many parts of what is left tells how many rows a transaction has. */
#define PROBE_PARTS 64
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

/* Learns the density behind `begin`, of `n` transactions. */
static enum mr_err
probe(struct mr_cut *cut, const struct mr_snapshot *from, const struct mr_planned_filter *filter,
    uint64_t begin, uint64_t n, const struct mr_snapshot *to, struct mr_error *err)
{
	struct mr_snapshot near;
	int64_t rows = 0;
	enum mr_err e;

	if ((e = mr_snapshot_copy(to, &near, err)) != MR_OK)
		return e;
	mr_snapshot_cut(&near, begin + n);
	e = mr_slices_probe(cut->db, from, &near, filter, &rows, err);
	mr_snapshot_free(&near);
	cut->density = (double)rows / (double)n;
	return e;
}

/*
 * Cuts *to where the batch should end by the density, of the batch before or of a
 * probe: that saves counting all that is behind it, again for each.
 */
static enum mr_err
guess_end(struct mr_cut *cut, const struct mr_snapshot *from, struct mr_snapshot *to,
    const struct mr_planned_filter *filter, struct mr_error *err)
{
	uint64_t begin = from != NULL ? from->xmax : 0, behind;
	int64_t left;
	enum mr_err e = MR_OK;

	if (from == NULL && (e = mr_slices_begin(cut->db, &begin, err)) != MR_OK)
		return e;
	behind = to->xmax > begin ? to->xmax - begin : 0;
	if (cut->density == 0 && behind >= PROBE_PARTS)
		e = probe(cut, from, filter, begin, behind / PROBE_PARTS, to, err);
	left = (int64_t)(cut->density * (double)behind);
	if (TOO_MANY(left, cut->max_rows))
		mr_snapshot_cut(to, mr_cut_share(begin, to->xmax, cut->max_rows, left));
	return e;
}

enum mr_err
mr_cut_fit(struct mr_cut *cut, const struct mr_snapshot *from, struct mr_snapshot *to,
    const struct mr_planned_filter *filter, struct mr_slice_sums *sums, struct mr_error *err)
{
	uint64_t low = from != NULL ? from->xmax : 0, first, end;
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
	first = first_of(sums, low);
	cut->density = to->xmax > first ? (double)sums->rows / (double)(to->xmax - first) : 0;
	return MR_OK;
}
