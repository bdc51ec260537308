/*
 * Rows made from a seed, for tests and benchmarks of the encoders: the same
 * seed gives the same rows on every machine. All memory is in one arena.
 */
#ifndef MR_TESTS_EXPORT_ROWS_H
#define MR_TESTS_EXPORT_ROWS_H

#include "base/arena.h"
#include "format/row.h"

struct rows {
	struct mr_arena arena;
	struct mr_export_row *row;
	size_t n;
	uint64_t random; /* state */
};

/* n rows as a tracker's visitors make them. Exits without memory. */
void rows_realistic(struct rows *r, size_t n, uint64_t seed);

/* n rows, everything zero or NULL, site, type and payload set to something short. */
void rows_plain(struct rows *r, size_t n, uint64_t seed);

void rows_free(struct rows *r);

/* 0 to n - 1. */
uint64_t rows_below(struct rows *r, uint64_t n);

/* A copy in the arena, printf-style. */
struct mr_str rows_text(struct rows *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
