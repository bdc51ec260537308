/* Ranges: see ranges.h. */
#include "export/ranges.h"

#include <stdlib.h>

/* Adds the slice's pages to those of its partition; false: it is not known where they are. */
static bool
add_pages(struct mr_range *stretches, size_t *n, const struct mr_planned_slice *g)
{
	struct mr_range *s = stretches;

	if (g->partition.p == NULL)
		return false;
	while (s < stretches + *n && !mr_str_eq(s->partition, g->partition))
		s++;
	if (s == stretches + *n) {
		*s = (struct mr_range){ g->partition, g->first_page, 0 };
		++*n;
	}
	if (g->first_page < s->first)
		s->first = g->first_page;
	if ((uint64_t)g->last_page + 1 > s->end)
		s->end = (uint64_t)g->last_page + 1;
	return true;
}

/* How many pages a range should have; 0: it is not worth cutting. */
static uint64_t
pages_of_range(uint64_t pages, int64_t rows)
{
	uint64_t n = (uint64_t)rows / MR_RANGE_ROWS, each;

	if (n < 2)
		return 0;
	each = (pages + n - 1) / n;
	return each > MR_RANGE_PAGES ? each : MR_RANGE_PAGES;
}

static enum mr_err
cut(const struct mr_range *stretches, size_t n, uint64_t each, struct mr_range **ranges,
    size_t *n_ranges, struct mr_error *err)
{
	struct mr_range *s;
	size_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += (size_t)((stretches[i].end - stretches[i].first + each - 1) / each);
	s = *ranges = calloc(all, sizeof *s);
	if (s == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for %zu ranges of a batch", all);
	*n_ranges = all;
	for (size_t i = 0; i < n; i++) {
		for (uint64_t at = stretches[i].first; at < stretches[i].end; at += each, s++) {
			*s = (struct mr_range){ stretches[i].partition, at, at + each };
			if (s->end > stretches[i].end)
				s->end = stretches[i].end;
		}
	}
	return MR_OK;
}

enum mr_err
mr_ranges_whole(struct mr_range **ranges, size_t *n_ranges, struct mr_error *err)
{
	static const struct mr_range whole = { { NULL, 0 }, 0, 1 };

	return cut(&whole, 1, 1, ranges, n_ranges, err);
}

/* The rows of a slice are all in one partition, so the order of those does not matter. */
enum mr_err
mr_ranges_make(const struct mr_planned_slice *const *slices, size_t n, struct mr_range **ranges,
    size_t *n_ranges, struct mr_error *err)
{
	struct mr_range *stretches = calloc(n + 1, sizeof *stretches);
	size_t n_stretches = 0;
	uint64_t pages = 0, each = 0;
	int64_t rows = 0;
	bool known = true;
	enum mr_err e;

	if (stretches == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for %zu objects", n);
	for (size_t i = 0; i < n && known; i++) {
		known = add_pages(stretches, &n_stretches, slices[i]);
		rows += slices[i]->rows;
	}
	for (size_t i = 0; i < n_stretches; i++)
		pages += stretches[i].end - stretches[i].first;
	if (known)
		each = pages_of_range(pages, rows);
	e = each > 0 ? cut(stretches, n_stretches, each, ranges, n_ranges, err) :
	    mr_ranges_whole(ranges, n_ranges, err);
	free(stretches);
	return e;
}
