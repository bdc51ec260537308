/* Unit tests of export/ranges: pages, cut for several connections. */
#include "export/ranges.h"

#include <stdlib.h>

#include "../tap.h"

#define A MR_STR_LIT("events_a")
#define B MR_STR_LIT("events_b")

static struct mr_error err;

/* Whether the ranges of a partition follow each other from first to end without a gap. */
static bool
cover(const struct mr_range *s, size_t n, struct mr_str partition, uint64_t first, uint64_t end)
{
	uint64_t at = first;

	for (size_t i = 0; i < n; i++) {
		if (!mr_str_eq(s[i].partition, partition))
			continue;
		if (s[i].first != at || s[i].end <= at)
			return false;
		at = s[i].end;
	}
	return at == end;
}

static void
test_whole(void)
{
	const struct mr_planned_slice small = { .rows = 2 * MR_RANGE_ROWS - 1, .partition = A,
		.last_page = 9999 };
	const struct mr_planned_slice known = { .rows = 100 * MR_RANGE_ROWS, .partition = A,
		.last_page = 9999 };
	const struct mr_planned_slice unknown = { .rows = 100 * MR_RANGE_ROWS };
	const struct {
		int line;
		const struct mr_planned_slice *slices[2];
		size_t n;
	} rows[] = {
		{ __LINE__, { &small }, 1 },
		{ __LINE__, { &unknown }, 1 },
		{ __LINE__, { &known, &unknown }, 2 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mr_range *s = NULL;
		size_t n = 0;

		row(rows[i].line);
		is_int(mr_ranges_make(rows[i].slices, rows[i].n, &s, &n, &err), MR_OK, "ranges");
		is_int((int64_t)n, 1, "there is one");
		ok(s != NULL && s[0].partition.p == NULL, "which is the whole table");
		free(s);
	}
	row(0);
}

static void
test_cut(void)
{
	const struct mr_planned_slice first = { .rows = 6 * MR_RANGE_ROWS, .partition = A,
		.first_page = 100, .last_page = 699 };
	const struct mr_planned_slice beside = { .rows = 2 * MR_RANGE_ROWS, .partition = A,
		.first_page = 50, .last_page = 899 };
	const struct mr_planned_slice other = { .rows = 2 * MR_RANGE_ROWS, .partition = B,
		.first_page = 7, .last_page = 7 };
	const struct mr_planned_slice *slices[] = { &first, &beside, &other };
	struct mr_range *s = NULL;
	size_t n = 0;

	is_int(mr_ranges_make(slices, 3, &s, &n, &err), MR_OK, "two partitions");
	ok(cover(s, n, A, 50, 900), "the pages of all slices of one, each once");
	ok(cover(s, n, B, 7, 8), "and those of the other");
	is_int((int64_t)n, 11, "about as many as they have rows for");
	for (size_t i = 0; i < n; i++)
		ok(s[i].end - s[i].first <= 86, "none is larger than its share");
	free(s);

	slices[0] = &other;
	is_int(mr_ranges_make(slices, 1, &s, &n, &err), MR_OK, "many rows in a page");
	is_int((int64_t)n, 1, "a range has 64 pages at least");
	ok(cover(s, n, B, 7, 8), "and no page that is not there");
	free(s);
}

int
main(void)
{
	test_whole();
	test_cut();
	return done();
}
