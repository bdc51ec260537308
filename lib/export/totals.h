/*
 * What a run has done so far. A run begins with all of them at zero, MR_TOTALS_INIT, and is
 * added to the program's when it has ended.
 */
#ifndef MR_EXPORT_TOTALS_H
#define MR_EXPORT_TOTALS_H

#include <stdint.h>

struct mr_totals {
	int64_t batches;              /* counted for each destination */
	int64_t objects, rows, bytes; /* in the clients' own buckets */
	int64_t backup_rows;
	int64_t failures;             /* destinations */
	int64_t differences;          /* of --verify */
	int64_t unclaimed_sites;
};

#define MR_TOTALS_INIT { .batches = 0 }

static inline void
mr_totals_add(struct mr_totals *sum, const struct mr_totals *more)
{
	_Static_assert(sizeof *sum == 8 * sizeof(int64_t), "each total is added below");
	sum->batches += more->batches;
	sum->objects += more->objects;
	sum->rows += more->rows;
	sum->bytes += more->bytes;
	sum->backup_rows += more->backup_rows;
	sum->failures += more->failures;
	sum->differences += more->differences;
	sum->unclaimed_sites += more->unclaimed_sites;
}

#endif
