/*
 * Writes the same rows in every format, for readers that are not ours.
 *
 *   encode FOLDER CASE...   (encode --list names the cases)
 *
 * CASE.rows is the reference: a line for each row, a tab between columns;
 * numbers and times (microseconds) in decimal, texts as = and hexadecimal, a
 * lone - for NULL. CASE.SUFFIX is each of the exports that the case is for.
 * Standard output has "file rows bytes sha256" of each, as the stages counted.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "rows.h"
#include "stage/format.h"
#include "stage/meter.h"
#include "stage/sink_file.h"

#define ARRAY_N(a) (sizeof(a) / sizeof((a)[0]))

/* --- the cases -------------------------------------------------------------- */

static void
make_empty(struct rows *r)
{
	rows_plain(r, 0, 1);
}

static void
make_one(struct rows *r)
{
	rows_realistic(r, 1, 2);
}

static void
make_realistic(struct rows *r)
{
	rows_realistic(r, 21000, 3);
}

/* Single NULLs, stretches of them, a column that has nothing else; no id above 0. */
static void
make_nulls(struct rows *r)
{
	rows_realistic(r, 45000, 4);
	for (size_t i = 0; i < r->n; i++) {
		struct mr_event *e = &r->row[i].event;

		if (rows_below(r, 3) == 0)
			e->session_id = MR_STR_NULL;
		r->row[i].id = -(int64_t)i - 1;
		e->visitor_id = MR_STR_NULL;
		if (i % 1000 < 400)
			e->client_ip.family = 0;
		if (i >= 20480 && i < 40960)
			e->user_agent = MR_STR_NULL;
	}
}

static void
make_unicode(struct rows *r)
{
	static const char *const texts[] = { "", "plain", "Grüße", "日本語のテキスト", "😀🏳️‍🌈",
		"a\"b\\c/d", "line\nfeed", "carriage\rreturn", "tab\there", "a,b;c", "\x01\x1f\x7f",
		"=1+1", "+49 30", "-1", "@SUM(A1)", "\tx", "\rx", "'quoted", "'=x", " =x", "\"",
		"\"\"", ",", "\n", "x\xc2\xa0y", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf", "null", "NULL",
		"\xe2\x80\xa8\xe2\x80\xa9", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeé" };

	rows_plain(r, ARRAY_N(texts) * 4, 5);
	for (size_t i = 0; i < r->n; i++) {
		struct mr_event *e = &r->row[i].event;

		e->site_id = mr_str(texts[i % ARRAY_N(texts)]);
		e->event_type = mr_str(texts[rows_below(r, ARRAY_N(texts))]);
		e->session_id = mr_str(texts[rows_below(r, ARRAY_N(texts))]);
		e->visitor_id = mr_str(texts[rows_below(r, ARRAY_N(texts))]);
		e->user_agent = mr_str(texts[rows_below(r, ARRAY_N(texts))]);
		e->payload = rows_text(r, "{\"k\\n%zu\": \"é\\u0001\\\"😀\", \"a\": [1.5e300, null, {}]}", i);
	}
}

/* More rows than two row groups hold. */
static void
make_groups(struct rows *r)
{
	rows_plain(r, 260000, 6);
	for (size_t i = 0; i < r->n; i++) {
		r->row[i].created_us += (int64_t)(i / 7) * 1000003;
		r->row[i].event.session_id = rows_text(r, "s%zu", i / 50);
	}
}

/* Dictionaries that do not pay, that are full by bytes, and by entries. */
static void
make_cardinality(struct rows *r)
{
	rows_plain(r, 70000, 7);
	for (size_t i = 0; i < r->n; i++) {
		struct mr_event *e = &r->row[i].event;

		e->session_id = rows_text(r, "%016" PRIx64, rows_below(r, UINT64_MAX));
		e->visitor_id = rows_text(r, "visitor-%06zu", i * 2 / 3);
		e->user_agent = rows_text(r, "%0220" PRIu64, rows_below(r, 8000));
		e->client_ip = (struct mr_ip){ 4, { 192, 0, (uint8_t)(i >> 8), (uint8_t)i } };
	}
}

/* Values that are longer than a page, and more than a row group may hold. */
static void
make_long(struct rows *r)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	static char text[5 << 18];

	rows_plain(r, 40, 8);
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = letters[rows_below(r, 64)];
	for (size_t i = 0; i < r->n; i++) {
		struct mr_event *e = &r->row[i].event;
		size_t n = i < 10 ? 60 + i : rows_below(r, sizeof text);

		e->payload = (struct mr_str){ text, n };
		e->user_agent = (struct mr_str){ text + i, i < 10 ? 60 + i : n / 16 };
		e->session_id = (struct mr_str){ text + n / 2, i < 20 ? i : n / 2 };
	}
	/* The payload is JSON: a string. */
	for (size_t i = 0; i < r->n; i++) {
		struct mr_event *e = &r->row[i].event;
		char *copy = malloc(e->payload.n + 2);

		if (copy == NULL)
			exit(99);
		copy[0] = copy[e->payload.n + 1] = '"';
		memcpy(copy + 1, e->payload.p, e->payload.n);
		e->payload = mr_arena_dup(&r->arena, (struct mr_str){ copy, e->payload.n + 2 });
		free(copy);
	}
}

static void
make_extremes(struct rows *r)
{
	static const int64_t ids[] = { INT64_MIN, INT64_MAX, 0, -1, 9, 10, 99, 100, 1000000 };
	static const int64_t times[] = { INT64_C(-62135596800000000), INT64_C(253402300799999999), 0,
		-1, 1, -1000000, INT64_C(951782399999999), INT64_C(951868800000000), 999999 };
	static const struct mr_ip ips[] = { { 4, { 0 } }, { 4, { 255, 255, 255, 255 } },
		{ 4, { 1, 20, 255, 9 } }, { 6, { 0 } }, { 6, { [15] = 1 } },
		{ 6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x42 } } };

	rows_plain(r, 500, 9);
	for (size_t i = 0; i < r->n; i++) {
		struct mr_export_row *row = &r->row[i];

		row->id = ids[i % ARRAY_N(ids)];
		row->created_us = times[i % ARRAY_N(times)];
		row->event.received_us = times[rows_below(r, ARRAY_N(times))];
		row->event.event_us = times[rows_below(r, ARRAY_N(times))];
		row->event.client_ip = ips[i % ARRAY_N(ips)];
		row->event.visitor_id = i % 3 == 0 ? MR_STR_LIT("v") : MR_STR_NULL;
	}
}

enum { TEXT = 1, PARQUET = 2, VARIANTS = 4, CODECS = 8 };

static const struct {
	const char *name;
	void (*make)(struct rows *r);
	unsigned exports;
} cases[] = {
	{ "empty", make_empty, TEXT | PARQUET | VARIANTS | CODECS },
	{ "one", make_one, TEXT | PARQUET },
	{ "realistic", make_realistic, TEXT | PARQUET | CODECS },
	{ "nulls", make_nulls, PARQUET },
	{ "unicode", make_unicode, TEXT | PARQUET | VARIANTS | CODECS },
	{ "groups", make_groups, PARQUET },
	{ "cardinality", make_cardinality, PARQUET },
	{ "long", make_long, TEXT | PARQUET },
	{ "extremes", make_extremes, TEXT | PARQUET },
};

static const struct {
	const char *suffix;
	unsigned kind;
	struct mr_format_options options;
} exports[] = {
	{ ".ndjson", TEXT, { .format = MR_FORMAT_NDJSON } },
	{ ".ndjson.gz", TEXT, { .format = MR_FORMAT_NDJSON, .compression = MR_COMPRESSION_GZIP } },
	{ ".ndjson.zst", TEXT, { .format = MR_FORMAT_NDJSON, .compression = MR_COMPRESSION_ZSTD } },
	{ ".csv", TEXT, { .format = MR_FORMAT_CSV } },
	{ "-guarded.csv", VARIANTS, { .format = MR_FORMAT_CSV, .csv_guard = MR_CSV_GUARD } },
	{ ".csv.gz", TEXT, { .format = MR_FORMAT_CSV, .compression = MR_COMPRESSION_GZIP } },
	{ ".csv.zst", TEXT, { .format = MR_FORMAT_CSV, .compression = MR_COMPRESSION_ZSTD } },
	{ ".parquet", PARQUET, { .format = MR_FORMAT_PARQUET } },
	{ "-gzip.parquet", CODECS, { .format = MR_FORMAT_PARQUET, .codec = MR_CODEC_GZIP } },
	{ "-none.parquet", CODECS, { .format = MR_FORMAT_PARQUET, .codec = MR_CODEC_NONE } },
#ifdef HAVE_SNAPPY
	{ "-snappy.parquet", CODECS, { .format = MR_FORMAT_PARQUET, .codec = MR_CODEC_SNAPPY } },
#endif
	{ "-dropped.parquet", VARIANTS, { .format = MR_FORMAT_PARQUET, .drops_keys = true } },
	{ "-json.parquet", VARIANTS, { .format = MR_FORMAT_PARQUET, .json_payload = true } },
};

/* --- writing them ------------------------------------------------------------- */

static void
check(enum mr_err e, const struct mr_error *err)
{
	if (e == MR_OK)
		return;
	fprintf(stderr, "encode: %s\n", err->text);
	exit(1);
}

static void
put_reference_text(FILE *f, struct mr_str s)
{
	static const char digits[] = "0123456789abcdef";

	fputs(s.p == NULL ? "\t-" : "\t=", f);
	for (size_t i = 0; i < s.n; i++) {
		putc(digits[(unsigned char)s.p[i] >> 4], f);
		putc(digits[s.p[i] & 15], f);
	}
}

static void
write_reference(const struct rows *r, const char *path)
{
	FILE *f = fopen(path, "w");

	if (f == NULL) {
		perror(path);
		exit(1);
	}
	for (size_t i = 0; i < r->n; i++) {
		const struct mr_event *e = &r->row[i].event;
		char ip[INET6_ADDRSTRLEN];

		fprintf(f, "%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64, r->row[i].id,
		    r->row[i].created_us, e->received_us, e->event_us);
		put_reference_text(f, e->site_id);
		put_reference_text(f, e->event_type);
		put_reference_text(f, e->session_id);
		put_reference_text(f, e->visitor_id);
		put_reference_text(f, e->client_ip.family == 0 ? MR_STR_NULL
		    : mr_str(inet_ntop(e->client_ip.family == 4 ? AF_INET : AF_INET6,
		    e->client_ip.bytes, ip, sizeof ip)));
		put_reference_text(f, e->user_agent);
		put_reference_text(f, e->payload);
		putc('\n', f);
	}
	if (fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

/* Through a chain as the exporter has it, in pushes of all sizes. */
static void
export(struct rows *r, const struct mr_format_options *options, const char *folder,
    const char *name)
{
	struct mr_error err = MR_ERROR_INIT;
	struct mr_stage *sink = mr_sink_file_new(folder, name, NULL, &err), *meter, *chain;
	char sha256[MR_SHA256_HEX];

	check(err.code, &err);
	meter = mr_meter_new(sink, &err);
	check(err.code, &err);
	chain = mr_format_new(options, meter, &err);
	check(err.code, &err);
	for (size_t at = 0, n; at < r->n; at += n) {
		n = 1 + rows_below(r, 2000);
		if (n > r->n - at)
			n = r->n - at;
		check(mr_stage_rows(chain, r->row + at, n, &err), &err);
	}
	check(mr_stage_finish(chain, &err), &err);
	mr_meter_sha256(meter, sha256);
	printf("%s %" PRIu64 " %" PRIu64 " %s\n", name, chain->rows, sink->bytes, sha256);
	mr_stage_free(chain);
}

static void
run(size_t i, const char *folder)
{
	char path[4096];
	struct rows r;

	cases[i].make(&r);
	snprintf(path, sizeof path, "%s/%s.rows", folder, cases[i].name);
	write_reference(&r, path);
	for (size_t j = 0; j < ARRAY_N(exports); j++) {
		if ((cases[i].exports & exports[j].kind) == 0)
			continue;
		snprintf(path, sizeof path, "%s%s", cases[i].name, exports[j].suffix);
		export(&r, &exports[j].options, folder, path);
	}
	rows_free(&r);
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (size_t i = 0; i < ARRAY_N(cases); i++)
			puts(cases[i].name);
		return 0;
	}
	for (int a = 2; a < argc; a++)
		for (size_t i = 0; i < ARRAY_N(cases); i++)
			if (strcmp(argv[a], cases[i].name) == 0)
				run(i, argv[1]);
	return 0;
}
