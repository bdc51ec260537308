/* Unit tests of export/cut: where batches end. */
#include "export/cut.h"

#include "../tap.h"

static void
test_share(void)
{
	static const struct {
		int line;
		uint64_t low, high;
		int64_t most, rows;
		uint64_t end;
	} rows[] = {
		{ __LINE__, 100, 200, 50, 100, 150 },
		{ __LINE__, 0, 1000, 1, 10, 100 },
		{ __LINE__, 100, 200, 1000, 1000, 200 },
		/* At least one transaction, however many rows it has. */
		{ __LINE__, 100, 200, 1, 1000000, 101 },
		{ __LINE__, 100, 101, 1, 1000, 101 },
		/* Ids as they are after years. */
		{ __LINE__, UINT64_C(4000000000000), UINT64_C(4000000001000), 500, 1000,
		    UINT64_C(4000000000500) },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_int((int64_t)mr_cut_share(rows[i].low, rows[i].high, rows[i].most, rows[i].rows),
		    (int64_t)rows[i].end, "where its rows end");
	}
	row(0);
}

static void
test_end(void)
{
	static const struct {
		int line;
		struct mr_slice_sums sums; /* rows, slices, first_xid, next_hour */
		uint64_t low, xmax;
		int64_t most;
		uint64_t end;
	} rows[] = {
		/* It is good as it is: no rows, few rows, a quarter too many. */
		{ __LINE__, { 0, 0, 0, 0 }, 100, 200, 1000, 200 },
		{ __LINE__, { 1000, 3, 110, 0 }, 100, 200, 1000, 200 },
		{ __LINE__, { 1250, 3, 110, 0 }, 100, 200, 1000, 200 },
		/* Too many: at its share, from its first transaction on or from low. */
		{ __LINE__, { 2000, 3, 100, 0 }, 100, 200, 1000, 150 },
		{ __LINE__, { 2000, 3, 120, 0 }, 100, 200, 1000, 160 },
		{ __LINE__, { 2000, 3, 50, 0 }, 100, 200, 1000, 150 },
		/* One transaction cannot be cut, nor one behind late rows. */
		{ __LINE__, { 2000, 1, 199, 0 }, 100, 200, 1000, 200 },
		{ __LINE__, { 2000, 1, 0, 0 }, 199, 200, 1000, 200 },
		/* The next hour begins another batch, whichever of the two is first. */
		{ __LINE__, { 10, 2, 110, 150 }, 100, 200, 1000, 150 },
		{ __LINE__, { 2000, 2, 100, 120 }, 100, 200, 1000, 120 },
		{ __LINE__, { 2000, 2, 100, 180 }, 100, 200, 1000, 150 },
		{ __LINE__, { 10, 2, 110, 250 }, 100, 200, 1000, 200 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_int((int64_t)mr_cut_end(&rows[i].sums, rows[i].low, rows[i].xmax, rows[i].most),
		    (int64_t)rows[i].end, "where it should end");
	}
	row(0);
}

static void
test_guess(void)
{
	/* A tenth of the rows: small transactions, two of about 400 rows, small ones. */
	static struct mr_sample_seen seen[] = { { 103, 1 }, { 110, 40 }, { 111, 40 }, { 118, 1 } };
	const struct mr_sample sample = { seen, sizeof seen / sizeof seen[0], 10 };
	static const struct {
		int line;
		uint64_t begin;
		int64_t most;
		uint64_t end;
	} rows[] = {
		{ __LINE__, 0, 5, 110 },
		{ __LINE__, 0, 100, 110 },
		{ __LINE__, 0, 410, 111 },
		{ __LINE__, 0, 820, UINT64_MAX },
		{ __LINE__, 0, 810, 118 },
		/* A transaction that is larger than a batch is one. */
		{ __LINE__, 104, 100, 111 },
		{ __LINE__, 111, 100, 118 },
		{ __LINE__, 118, 5, UINT64_MAX },
		{ __LINE__, 200, 5, UINT64_MAX },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		ok(mr_cut_guess(&sample, rows[i].begin, rows[i].most) == rows[i].end,
		    "where the sample ends it");
	}
	row(0);
}

/* However wrong the guesses are: each cut is behind the first transaction, and comes to an end. */
static void
test_ends(void)
{
	for (int64_t each = 1; each <= 100000; each *= 10) {
		uint64_t xmax = 1000000, end;
		struct mr_slice_sums sums = { 0, 1, 1000, 0 };
		int cuts = 0;

		for (;;) {
			sums.rows = (int64_t)(xmax - 1000) * each;
			end = mr_cut_end(&sums, 1000, xmax, 5000);
			if (end >= xmax || ++cuts > 100)
				break;
			if (!ok(end > 1000, "a batch has a transaction"))
				break;
			xmax = end;
		}
		ok(cuts <= 2, "evenly spread, it is found with two counts at most");
		ok(sums.rows <= 6250 || xmax == 1001, "it is no larger than it may be");
	}
}

int
main(void)
{
	test_share();
	test_end();
	test_guess();
	test_ends();
	return done();
}
