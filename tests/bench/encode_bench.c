/*
 * Rows a second of each encoder and compressor, and CPU time a row, over rows
 * that are made before the clock starts; the result goes nowhere.
 * usage: encode_bench [ROWS [NAME]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "../export/rows.h"
#include "stage/format.h"
#include "stage/meter.h"

#define MADE_ROWS ((size_t)100000)
#define PUSH_ROWS ((size_t)500)

static void
drop_free(struct mr_stage *s)
{
	(void)s;
}

static enum mr_err
drop_bytes(struct mr_stage *s, struct mr_str data, struct mr_error *err)
{
	(void)s;
	(void)data;
	(void)err;
	return MR_OK;
}

static const struct mr_stage_ops drop_ops = { .name = "drop", .bytes = drop_bytes,
	.free = drop_free };

static const struct {
	const char *name;
	struct mr_format_options options;
	bool metered; /* with SHA-256 */
} sides[] = {
	{ "ndjson", { .format = MR_FORMAT_NDJSON }, false },
	{ "ndjson+zstd", { .format = MR_FORMAT_NDJSON, .compression = MR_COMPRESSION_ZSTD }, false },
	{ "ndjson+zstd+sha256", { .format = MR_FORMAT_NDJSON, .compression = MR_COMPRESSION_ZSTD }, true },
	{ "ndjson+zstd-1", { .format = MR_FORMAT_NDJSON, .compression = MR_COMPRESSION_ZSTD, .level = 1 }, false },
	{ "ndjson+gzip", { .format = MR_FORMAT_NDJSON, .compression = MR_COMPRESSION_GZIP }, false },
	{ "csv", { .format = MR_FORMAT_CSV }, false },
	{ "csv+zstd", { .format = MR_FORMAT_CSV, .compression = MR_COMPRESSION_ZSTD }, false },
	{ "parquet", { .format = MR_FORMAT_PARQUET }, false },
	{ "parquet-3", { .format = MR_FORMAT_PARQUET, .level = 3 }, false },
};

static double
cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6 +
	    (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6;
}

static double
wall_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
check(enum mr_err e, const struct mr_error *err)
{
	if (e == MR_OK)
		return;
	fprintf(stderr, "encode_bench: %s\n", err->text);
	exit(1);
}

static void
run(size_t side, const struct rows *r, size_t n_rows)
{
	struct mr_stage drop = { .ops = &drop_ops }, *chain, *meter = NULL;
	struct mr_error err = MR_ERROR_INIT;
	double cpu, wall;
	size_t done = 0;

	cpu = cpu_s();
	wall = wall_s();
	if (sides[side].metered)
		meter = mr_meter_new(&drop, &err);
	chain = mr_format_new(&sides[side].options, meter != NULL ? meter : &drop, &err);
	check(err.code, &err);
	while (done < n_rows) {
		size_t at = done % r->n, n = n_rows - done < PUSH_ROWS ? n_rows - done : PUSH_ROWS;

		if (n > r->n - at)
			n = r->n - at;
		check(mr_stage_rows(chain, r->row + at, n, &err), &err);
		done += n;
	}
	check(mr_stage_finish(chain, &err), &err);
	mr_stage_free(chain);
	cpu = cpu_s() - cpu;
	wall = wall_s() - wall;
	printf("%-20s %9.0f rows/s  %6.3f us CPU/row  %6.1f bytes/row\n", sides[side].name,
	    (double)n_rows / wall, cpu * 1e6 / (double)n_rows, (double)drop.bytes / (double)n_rows);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	size_t n_rows = argc > 1 ? strtoul(argv[1], NULL, 10) : 500000;
	struct rows r;
	struct rusage u;

	rows_realistic(&r, MADE_ROWS, 1);
	getrusage(RUSAGE_SELF, &u);
	printf("rows made: %ld KiB\n", u.ru_maxrss);
	for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++)
		if (argc <= 2 || strcmp(argv[2], sides[i].name) == 0)
			run(i, &r, n_rows);
	getrusage(RUSAGE_SELF, &u);
	printf("peak: %ld KiB\n", u.ru_maxrss);
	rows_free(&r);
	return 0;
}
