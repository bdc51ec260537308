/*
 * A sample of the rows between two snapshots: which transactions they are of, so that where
 * batches should end can be told without counting all of them.
 */
#ifndef MR_EXPORT_SAMPLE_H
#define MR_EXPORT_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "db/connection.h"
#include "export/planned.h"
#include "export/snapshot.h"

/* A transaction that the sample has rows of, and how many. */
struct mr_sample_seen {
	uint64_t xid;
	int64_t rows;
};

/* In the order of the transactions; each row of it stands for `weight` rows. */
struct mr_sample {
	struct mr_sample_seen *at; /* NULL: not taken */
	size_t n;
	double weight;
};

/*
 * Looks at the rows between two snapshots (from: NULL for all before `to`) on some pages of the
 * table, spread evenly; the same ones each time. Where there are no more than `few` rows, the
 * sample is empty. MR_ENOMEM, MR_EAGAIN: not taken.
 */
enum mr_err mr_sample_take(struct mr_db *db, const struct mr_snapshot *from,
    const struct mr_snapshot *to, const struct mr_planned_filter *filter, int64_t few,
    struct mr_sample *sample, struct mr_error *err);
void mr_sample_free(struct mr_sample *sample);

#endif
