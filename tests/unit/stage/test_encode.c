/* The encoders, byte for byte where a person can read it: stage/enc_*.h, row.h. */
#include "stage/format.h"

#include "../memsink.h"
#include "../tap.h"
#include "parquet/dict.h"
#include "stage/enc_csv.h"
#include "stage/enc_ndjson.h"
#include "stage/enc_parquet.h"

#define HEADER "id,created_at,received_at,event_time,site_id,event_type,session_id,visitor_id," \
	"client_ip,user_agent,payload\r\n"

static struct mr_error err;
static struct memsink sink;

static struct mr_export_row
full_row(void)
{
	return (struct mr_export_row){
		.id = 42,
		.created_us = INT64_C(1750593600123456),
		.event = {
			.received_us = INT64_C(1750593600000001),
			.event_us = INT64_C(1750593599999000),
			.site_id = MR_STR_LIT("shop"),
			.event_type = MR_STR_LIT("click"),
			.session_id = MR_STR_LIT("s1"),
			.visitor_id = MR_STR_LIT("v1"),
			.user_agent = MR_STR_LIT("Mozilla/5.0 (X11)"),
			.payload = MR_STR_LIT("{\"a\": [1, \"x\"]}"),
			.client_ip = { 4, { 192, 0, 2, 1 } },
		},
	};
}

static struct mr_export_row
empty_row(void)
{
	return (struct mr_export_row){ .id = -1, .event = { .site_id = MR_STR_LIT(""),
	    .event_type = MR_STR_LIT(""), .payload = MR_STR_LIT("{}") } };
}

/* What the rows become, in pushes of `step` rows. */
static struct mr_str
encode(const struct mr_format_options *options, const struct mr_export_row *rows, size_t n,
    size_t step)
{
	struct mr_stage *s = mr_format_new(options, memsink_open(&sink), &err);
	enum mr_err e = MR_OK;

	err = (struct mr_error)MR_ERROR_INIT;
	for (size_t i = 0; i < n && e == MR_OK; i += step)
		e = mr_stage_rows(s, rows + i, step < n - i ? step : n - i, &err);
	if (e == MR_OK)
		e = mr_stage_finish(s, &err);
	is_int(e, MR_OK, "encoded");
	mr_stage_free(s);
	return mr_buf_str(&sink.got);
}

static const struct mr_format_options ndjson = { .format = MR_FORMAT_NDJSON };
static const struct mr_format_options csv = { .format = MR_FORMAT_CSV };
static const struct mr_format_options parquet = { .format = MR_FORMAT_PARQUET };

static void
test_ndjson(void)
{
	struct mr_export_row rows[2] = { full_row(), empty_row() };

	is_str(encode(&ndjson, rows, 2, 2),
	    "{\"id\":42,\"created_at\":\"2025-06-22T12:00:00.123456Z\","
	    "\"received_at\":\"2025-06-22T12:00:00.000001Z\","
	    "\"event_time\":\"2025-06-22T11:59:59.999000Z\",\"site_id\":\"shop\","
	    "\"event_type\":\"click\",\"session_id\":\"s1\",\"visitor_id\":\"v1\","
	    "\"client_ip\":\"192.0.2.1\",\"user_agent\":\"Mozilla/5.0 (X11)\","
	    "\"payload\":{\"a\": [1, \"x\"]}}\n"
	    "{\"id\":-1,\"created_at\":\"1970-01-01T00:00:00.000000Z\","
	    "\"received_at\":\"1970-01-01T00:00:00.000000Z\","
	    "\"event_time\":\"1970-01-01T00:00:00.000000Z\",\"site_id\":\"\",\"event_type\":\"\","
	    "\"session_id\":null,\"visitor_id\":null,\"client_ip\":null,\"user_agent\":null,"
	    "\"payload\":{}}\n", "two rows");
	is_str(encode(&ndjson, rows, 0, 1), "", "no rows");
	rows[0].event.payload = MR_STR_LIT("{\n \"a\":\n1}\n");
	encode(&ndjson, rows, 1, 1);
	mr_buf_add_char(&sink.got, '\0');
	is_part(sink.got.p, "\"payload\":{  \"a\": 1} }\n", "line feeds in the payload become blanks");
}

/* Special characters at every place of texts of every length around eight bytes. */
static void
test_ndjson_texts(void)
{
	static const struct {
		int line;
		struct mr_str special;
		const char *escaped;
	} rows[] = {
		{ __LINE__, BYTES("\""), "\\\"" }, { __LINE__, BYTES("\\"), "\\\\" },
		{ __LINE__, BYTES("\n"), "\\n" }, { __LINE__, BYTES("\x01"), "\\u0001" },
		{ __LINE__, BYTES("\x1f"), "\\u001f" }, { __LINE__, BYTES(" "), " " },
		{ __LINE__, BYTES("!"), "!" }, { __LINE__, BYTES("#"), "#" },
		{ __LINE__, BYTES("["), "[" }, { __LINE__, BYTES("]"), "]" },
		{ __LINE__, BYTES("\x7f"), "\x7f" }, { __LINE__, BYTES("\xc3\xa4"), "\xc3\xa4" },
		{ __LINE__, BYTES("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		int wrong = 0;

		row(rows[i].line);
		for (size_t n = 0; n < 18; n++) {
			for (size_t at = 0; at <= n; at++) {
				struct mr_export_row r = empty_row();
				char text[64], want[100];

				snprintf(text, sizeof text, "%.*s%.*s%.*s", (int)at, "aaaaaaaaaaaaaaaaaa",
				    (int)rows[i].special.n, rows[i].special.p, (int)(n - at),
				    "bbbbbbbbbbbbbbbbbb");
				snprintf(want, sizeof want, ",\"site_id\":\"%.*s%s%.*s\",", (int)at,
				    "aaaaaaaaaaaaaaaaaa", rows[i].escaped, (int)(n - at),
				    "bbbbbbbbbbbbbbbbbb");
				r.event.site_id = mr_str(text);
				memsink_open(&sink);
				{
					struct mr_stage *s = mr_enc_ndjson_new(&sink.stage, false, &err);

					wrong += mr_stage_rows(s, &r, 1, &err) != MR_OK ||
					    mr_stage_finish(s, &err) != MR_OK;
					mr_stage_free(s);
				}
				mr_buf_add_char(&sink.got, '\0');
				wrong += strstr(sink.got.p, want) == NULL;
			}
		}
		is_int(wrong, 0, "texts with it that come out wrong");
	}
	row(0);
}

static void
test_csv(void)
{
	struct mr_export_row rows[2] = { full_row(), empty_row() };

	is_str(encode(&csv, rows, 2, 1), HEADER
	    "42,2025-06-22T12:00:00.123456Z,2025-06-22T12:00:00.000001Z,"
	    "2025-06-22T11:59:59.999000Z,shop,click,s1,v1,192.0.2.1,Mozilla/5.0 (X11),"
	    "\"{\"\"a\"\": [1, \"\"x\"\"]}\"\r\n"
	    "-1,1970-01-01T00:00:00.000000Z,1970-01-01T00:00:00.000000Z,"
	    "1970-01-01T00:00:00.000000Z,\"\",\"\",,,,,{}\r\n", "two rows");
	is_str(encode(&csv, rows, 0, 1), HEADER, "no rows");
}

/* Without the column that the key has. */
static void
test_dropped(void)
{
	struct mr_format_options o = { .format = MR_FORMAT_CSV, .drops_keys = true };
	struct mr_export_row r = full_row();

	is_str(encode(&o, &r, 0, 1), "id,created_at,received_at,event_time,event_type,session_id,"
	    "visitor_id,client_ip,user_agent,payload\r\n", "CSV's header");
	is_str(encode(&o, &r, 1, 1), "id,created_at,received_at,event_time,event_type,session_id,"
	    "visitor_id,client_ip,user_agent,payload\r\n"
	    "42,2025-06-22T12:00:00.123456Z,2025-06-22T12:00:00.000001Z,"
	    "2025-06-22T11:59:59.999000Z,click,s1,v1,192.0.2.1,Mozilla/5.0 (X11),"
	    "\"{\"\"a\"\": [1, \"\"x\"\"]}\"\r\n", "CSV");
	o.format = MR_FORMAT_NDJSON;
	is_str(encode(&o, &r, 1, 1),
	    "{\"id\":42,\"created_at\":\"2025-06-22T12:00:00.123456Z\","
	    "\"received_at\":\"2025-06-22T12:00:00.000001Z\","
	    "\"event_time\":\"2025-06-22T11:59:59.999000Z\","
	    "\"event_type\":\"click\",\"session_id\":\"s1\",\"visitor_id\":\"v1\","
	    "\"client_ip\":\"192.0.2.1\",\"user_agent\":\"Mozilla/5.0 (X11)\","
	    "\"payload\":{\"a\": [1, \"x\"]}}\n", "NDJSON");
}

static void
check_cell(const char *guard, struct mr_str text, const char *cell)
{
	struct mr_format_options guarded = { .format = MR_FORMAT_CSV, .csv_guard = guard };
	struct mr_export_row r = full_row();
	char want[200];

	r.event.user_agent = text;
	snprintf(want, sizeof want, ",192.0.2.1,%s,\"{\"\"a\"\"", cell);
	encode(&guarded, &r, 1, 1);
	mr_buf_add_char(&sink.got, '\0');
	is_part(sink.got.p, want, guard == NULL ? "the cell" : guard);
}

static void
test_csv_cells(void)
{
	static const struct {
		int line;
		struct mr_str text;
		const char *cell;
		const char *guarded; /* NULL: the same */
		const char *before;  /* of an earlier version; NULL: as guarded */
	} rows[] = {
		{ __LINE__, { NULL, 0 }, "", NULL, NULL },
		{ __LINE__, BYTES(""), "\"\"", NULL, NULL },
		{ __LINE__, BYTES("plain text"), "plain text", NULL, NULL },
		{ __LINE__, BYTES(" blanks "), " blanks ", NULL, NULL },
		{ __LINE__, BYTES("a,b"), "\"a,b\"", NULL, NULL },
		{ __LINE__, BYTES("a;b"), "a;b", NULL, NULL },
		{ __LINE__, BYTES("a\nb"), "\"a\nb\"", NULL, NULL },
		{ __LINE__, BYTES("a\rb"), "\"a\rb\"", NULL, NULL },
		{ __LINE__, BYTES("\""), "\"\"\"\"", NULL, NULL },
		{ __LINE__, BYTES("say \"hi\""), "\"say \"\"hi\"\"\"", NULL, NULL },
		{ __LINE__, BYTES("Gr\xc3\xbc\xc3\x9f" "e"), "Gr\xc3\xbc\xc3\x9f" "e", NULL, NULL },
		{ __LINE__, BYTES("=1+1"), "=1+1", "'=1+1", NULL },
		{ __LINE__, BYTES("+1"), "+1", "'+1", NULL },
		{ __LINE__, BYTES("-1"), "-1", "'-1", NULL },
		{ __LINE__, BYTES("@x"), "@x", "'@x", NULL },
		{ __LINE__, BYTES("\tx"), "\tx", "'\tx", NULL },
		{ __LINE__, BYTES("\rx"), "\"\rx\"", "\"'\rx\"", NULL },
		{ __LINE__, BYTES("=a,\"b\""), "\"=a,\"\"b\"\"\"", "\"'=a,\"\"b\"\"\"", NULL },
		{ __LINE__, BYTES("'=x"), "'=x", "''=x", "'=x" },
		{ __LINE__, BYTES("'"), "'", "''", "'" },
		{ __LINE__, BYTES("it's"), "it's", NULL, NULL },
		{ __LINE__, BYTES("a;=1+1"), "a;=1+1", NULL, NULL },
		{ __LINE__, BYTES("x=1"), "x=1", NULL, NULL },
		{ __LINE__, BYTES("1-1"), "1-1", NULL, NULL },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		const char *guarded = rows[i].guarded != NULL ? rows[i].guarded : rows[i].cell;

		row(rows[i].line);
		check_cell(NULL, rows[i].text, rows[i].cell);
		check_cell(MR_CSV_GUARD, rows[i].text, guarded);
		check_cell(MR_CSV_GUARD_OLD, rows[i].text,
		    rows[i].before != NULL ? rows[i].before : guarded);
	}
	row(0);
}

static void
test_bad_rows(void)
{
	static const struct mr_format_options *const formats[] = { &ndjson, &csv, &parquet };
	struct mr_export_row bad[5] = { full_row(), full_row(), full_row(), full_row(), full_row() };
	static const struct {
		enum mr_err code;
		const char *part;
	} want[5] = {
		{ MR_EINVAL, "event 42: payload is null" },
		{ MR_EINVAL, "event 42: site_id is null" },
		{ MR_EINVAL, "event 42: event_time is outside the years 1 to 9999" },
		{ MR_EINVAL, "event 42: created_at is outside the years 1 to 9999" },
		{ MR_ELIMIT, "event 42: is larger than" },
	};

	bad[0].event.payload = MR_STR_NULL;
	bad[1].event.site_id = MR_STR_NULL;
	bad[2].event.event_us = INT64_MAX;
	bad[3].created_us = INT64_C(-62135596800000001);
	bad[4].event.payload.n = MR_ROW_MAX_BYTES;
	for (size_t f = 0; f < ROWS(formats); f++) {
		for (size_t i = 0; i < ROWS(bad); i++) {
			struct mr_stage *s = mr_format_new(formats[f], memsink_open(&sink), &err);

			is_int(mr_stage_rows(s, &bad[i], 1, &err), want[i].code, "a bad row");
			is_part(err.text, want[i].part, "its reason");
			mr_stage_free(s);
		}
	}
}

/* Neither pushes nor time have a part in the bytes. */
static void
test_reproducible(void)
{
	static const enum mr_compression compressions[] = { MR_COMPRESSION_NONE, MR_COMPRESSION_GZIP,
		MR_COMPRESSION_ZSTD };
	enum { N = 45000 };
	struct mr_export_row *rows = calloc(N, sizeof *rows);
	struct mr_buf first;
	static char texts[N][24];

	if (rows == NULL)
		bail("no memory");
	mr_buf_init(&first, MEMSINK_MAX);
	for (size_t i = 0; i < N; i++) {
		rows[i] = full_row();
		rows[i].id = (int64_t)i;
		snprintf(texts[i], sizeof texts[i], "session-%zu", i * i % 10007);
		rows[i].event.session_id = i % 5 != 0 ? mr_str(texts[i]) : MR_STR_NULL;
	}
	for (int f = MR_FORMAT_NDJSON; f <= MR_FORMAT_PARQUET; f++) {
		for (size_t c = 0; c < ROWS(compressions); c++) {
			struct mr_format_options o = { .format = (enum mr_format)f, .compression = compressions[c] };

			mr_buf_reset(&first, MEMSINK_MAX);
			mr_buf_add_str(&first, encode(&o, rows, N, N));
			for (size_t step = 1; step < N; step = step * 70 + 3)
				is_bytes(encode(&o, rows, N, step), mr_buf_str(&first),
				    mr_format_suffix(&o));
		}
	}
	mr_buf_free(&first);
	free(rows);
}

/* When the sink gets its first row group, counted in rows of this payload. */
static size_t
rows_of_first_group(struct mr_str payload)
{
	struct mr_stage *s = mr_enc_parquet_new(memsink_open(&sink), NULL, &err);
	struct mr_export_row r = full_row();
	size_t n = 0;

	r.event.payload = payload;
	while (sink.got.len <= 4 && mr_stage_rows(s, &r, 1, &err) == MR_OK)
		n++;
	mr_stage_free(s);
	return n;
}

static void
test_row_groups(void)
{
	size_t big = (size_t)3 << 20, n;
	char *text = malloc(big);
	unsigned random = 1;

	if (text == NULL)
		bail("no memory");
	is_int(rows_of_first_group(MR_STR_LIT("{}")), 122880, "small rows: so many in a group");
	memset(text, 'x', big);
	n = rows_of_first_group((struct mr_str){ text, big });
	ok(n == 22, "rows that pack well: 64 MiB of them, %zu", n);
	for (size_t i = 0; i < big; i++) {
		random = random * 1103515245 + 12345;
		text[i] = (char)(random >> 16);
	}
	n = rows_of_first_group((struct mr_str){ text, big });
	ok(n == 4, "rows that do not pack: 12 MiB of them, %zu", n);
	free(text);
}

static void
test_parquet_frame(void)
{
	struct mr_export_row r = full_row();
	struct mr_str none = encode(&parquet, NULL, 0, 1), one;
	size_t empty = none.n;

	ok(memcmp(none.p, "PAR1", 4) == 0 && memcmp(none.p + none.n - 4, "PAR1", 4) == 0,
	    "no rows: PAR1 at both ends");
	one = encode(&parquet, &r, 1, 1);
	ok(memcmp(one.p, "PAR1", 4) == 0 && memcmp(one.p + one.n - 4, "PAR1", 4) == 0,
	    "a row: PAR1 at both ends");
	ok(one.n > empty, "and more between");
}

static void
test_dictionary(void)
{
	struct mr_parquet_dict *d = mr_parquet_dict_new();
	uint16_t number;
	char text[32];
	size_t n;

	if (d == NULL)
		bail("no memory");
	ok(mr_parquet_dict_find(d, MR_STR_LIT("a"), &number) && number == 0, "the first");
	ok(mr_parquet_dict_find(d, MR_STR_LIT(""), &number) && number == 1, "the empty text");
	ok(mr_parquet_dict_find(d, MR_STR_LIT("a"), &number) && number == 0, "the first again");
	is_bytes(mr_parquet_dict_plain(d, 0), MR_STR_LIT("\1\0\0\0a"), "PLAIN");
	is_bytes(mr_parquet_dict_plain(d, 1), MR_STR_LIT("\0\0\0\0"), "PLAIN of nothing");
	for (n = 2; n < 2 * MR_PARQUET_DICT_MAX; n++) {
		snprintf(text, sizeof text, "%zu", n);
		if (!mr_parquet_dict_find(d, mr_str(text), &number) || number != n)
			break;
	}
	is_int(n, MR_PARQUET_DICT_MAX, "entries until it is full");
	ok(mr_parquet_dict_find(d, MR_STR_LIT("77"), &number) && number == 77, "what is in it is found");
	mr_parquet_dict_reset(d);
	ok(mr_parquet_dict_find(d, MR_STR_LIT("77"), &number) && number == 0, "reset forgets");
	mr_parquet_dict_free(d);
	mr_parquet_dict_free(NULL);
}

int
main(void)
{
	test_ndjson();
	test_ndjson_texts();
	test_csv();
	test_csv_cells();
	test_dropped();
	test_bad_rows();
	test_reproducible();
	test_row_groups();
	test_parquet_frame();
	test_dictionary();
	mr_buf_free(&sink.got);
	return done();
}
