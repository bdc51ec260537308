/* The pipeline's contract, the meter and the tee: stage/stage.h, meter.h, tee.h. */
#include "stage/stage.h"

#include "../memsink.h"
#include "../tap.h"
#include "stage/compress.h"
#include "stage/enc_ndjson.h"
#include "stage/format.h"
#include "stage/meter.h"
#include "stage/tee.h"

static struct mr_error err;

static struct mr_export_row
plain_row(void)
{
	struct mr_export_row row = { .id = 1 };

	row.event.site_id = row.event.event_type = MR_STR_LIT("x");
	row.event.payload = MR_STR_LIT("{}");
	return row;
}

static enum mr_err
push(struct mr_stage *s, const char *text)
{
	err = (struct mr_error)MR_ERROR_INIT;
	return mr_stage_bytes(s, mr_str(text), &err);
}

static void
test_good(void)
{
	struct mr_export_row row = plain_row();
	struct memsink sink = { .pushes_left = 0 };
	struct mr_stage *s = mr_enc_ndjson_new(memsink_open(&sink), false, &err);

	is_int(mr_stage_rows(s, &row, 1, &err), MR_OK, "a row");
	is_int(mr_stage_rows(s, &row, 0, &err), MR_OK, "no row");
	is_int(sink.finished, 0, "nothing is finished yet");
	is_int(mr_stage_finish(s, &err), MR_OK, "finish");
	is_int(sink.finished, 1, "the sink is finished");
	is_int(s->rows, 1, "rows are counted");
	is_int(sink.stage.bytes, (int64_t)sink.got.len, "bytes are counted");
	is_int(mr_stage_finish(s, &err), MR_EINVAL, "a second finish");
	is_part(err.text, "is finished", "says why");
	is_int(mr_stage_rows(s, &row, 1, &err), MR_EINVAL, "rows behind finish");
	is_int(sink.finished, 1, "the sink is finished once");
	mr_stage_abort(s);
	is_int(sink.aborted, 0, "abort leaves what is finished");
	mr_stage_free(s);
	is_int(sink.aborted, 0, "so does free");
	is_int(sink.freed, 1, "the sink is freed");
	mr_stage_free(NULL);
	mr_buf_free(&sink.got);
}

static void
test_abort(void)
{
	struct mr_export_row row = plain_row();
	struct memsink sink = { .pushes_left = 0 };
	struct mr_stage *s = mr_enc_ndjson_new(memsink_open(&sink), false, &err);

	mr_stage_rows(s, &row, 1, &err);
	mr_stage_abort(s);
	is_int(sink.aborted, 1, "abort reaches the sink");
	is_int(sink.pushes, 0, "and flushes nothing");
	is_int(mr_stage_rows(s, &row, 1, &err), MR_EINVAL, "rows behind abort");
	is_part(err.text, "was aborted", "says why");
	is_int(mr_stage_finish(s, &err), MR_EINVAL, "finish behind abort");
	mr_stage_abort(s);
	is_int(sink.aborted, 1, "a second abort does nothing");
	mr_stage_free(s);
	is_int(sink.aborted, 1, "nor does free behind abort");
	is_int(sink.finished, 0, "it was never finished");

	s = mr_enc_ndjson_new(memsink_open(&sink), false, &err);
	mr_stage_free(s);
	is_int(sink.aborted, 1, "free of an open chain aborts it");
	mr_buf_free(&sink.got);
}

/* A failing sink ends the chain at whichever push it is, and at finish. */
static void
test_failures(void)
{
	static const struct mr_format_options formats[] = {
		{ .format = MR_FORMAT_NDJSON },
		{ .format = MR_FORMAT_NDJSON, .compression = MR_COMPRESSION_GZIP },
		{ .format = MR_FORMAT_NDJSON, .compression = MR_COMPRESSION_ZSTD },
		{ .format = MR_FORMAT_CSV },
		{ .format = MR_FORMAT_PARQUET },
	};
	static char noise[200000];
	struct mr_export_row rows[3] = { plain_row(), plain_row(), plain_row() };
	struct memsink sink = { .pushes_left = 0 };
	unsigned random = 1;

	for (size_t i = 0; i < sizeof noise; i++) {
		random = random * 1103515245 + 12345;
		noise[i] = (char)(' ' + (random >> 16) % 90);
	}
	for (size_t i = 0; i < 3; i++)
		rows[i].event.payload = (struct mr_str){ noise, sizeof noise };
	for (size_t f = 0; f < ROWS(formats); f++) {
		int n, all;

		for (n = 0, all = INT32_MAX; n <= all; n++) {
			struct mr_stage *s = mr_format_new(&formats[f], memsink_open(&sink), &err);
			enum mr_err e;

			sink.pushes_left = n;
			sink.finish_fails = true;
			err = (struct mr_error)MR_ERROR_INIT;
			e = mr_stage_rows(s, rows, 3, &err);
			if (e == MR_OK)
				e = mr_stage_finish(s, &err);
			is_int(e, MR_EIO, "a chain whose sink fails");
			if (sink.pushes_left >= 0)
				all = n; /* only finish was left to fail */
			is_part(err.text, n < all ? "full" : "cannot finish", "the sink's reason");
			is_int(mr_stage_rows(s, rows, 1, &err), MR_EINVAL, "nothing may follow");
			is_int(mr_stage_finish(s, &err), MR_EINVAL, "nor finish");
			is_part(err.text, "has failed", "because it has failed");
			is_int(sink.aborted, 0, "abort is the caller's");
			mr_stage_abort(s);
			is_int(sink.aborted, 1, "the sink is aborted");
			mr_stage_free(s);
			is_int(sink.freed, 1, "and freed");
		}
		ok(n > 1, "%s: %d places to fail", mr_format_suffix(&formats[f]), n);
	}
	mr_buf_free(&sink.got);
}

static void
test_wrong_kind(void)
{
	struct mr_export_row row = plain_row();
	struct memsink sink = { .pushes_left = 0 };
	struct mr_stage *s = mr_enc_ndjson_new(memsink_open(&sink), false, &err);

	is_int(push(s, "x"), MR_EINVAL, "bytes into an encoder");
	is_part(err.text, "ndjson: takes no bytes", "says so");
	mr_stage_free(s);
	s = mr_compress_zstd_new(memsink_open(&sink), 0, &err);
	is_int(mr_stage_rows(s, &row, 1, &err), MR_EINVAL, "rows into a compressor");
	is_part(err.text, "zstd: takes no rows", "says so");
	mr_stage_free(s);
	mr_buf_free(&sink.got);
}

static void
test_meter(void)
{
	struct memsink sink = { .pushes_left = 0 };
	struct mr_stage *s = mr_meter_new(memsink_open(&sink), &err);
	char hex[MR_SHA256_HEX];

	mr_meter_sha256(s, hex);
	is_str(mr_str(hex), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	    "of nothing");
	push(s, "a");
	push(s, "");
	push(s, "bc");
	is_int(mr_stage_finish(s, &err), MR_OK, "finish");
	mr_meter_sha256(s, hex);
	is_str(mr_str(hex), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	    "of abc");
	mr_meter_sha256(s, hex);
	is_str(mr_str(hex), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	    "asked again");
	is_str(mr_buf_str(&sink.got), "abc", "it all goes on");
	is_int(s->bytes, 3, "and is counted");
	is_int(sink.pushes, 2, "an empty push goes no further");
	mr_stage_free(s);
	mr_buf_free(&sink.got);
}

/* An output succeeds when it says so, whatever it met with on the way. */
static enum mr_err
remark(struct mr_stage *s, struct mr_error *e)
{
	((struct memsink *)s)->finished++;
	(void)mr_fail(e, MR_EINVAL, "it was there already");
	return MR_OK;
}

static void
test_tee_remark(void)
{
	struct mr_stage_ops ops = memsink_ops;
	struct memsink sink = { .pushes_left = -1 };
	struct mr_stage *outputs[1], *tee;

	ops.finish = remark;
	outputs[0] = memsink_open(&sink);
	outputs[0]->ops = &ops;
	tee = mr_tee_new(outputs, 1, &err);
	is_int(push(tee, "x"), MR_OK, "a push");
	is_int(mr_stage_finish(tee, &err), MR_OK, "it finishes");
	is_int(mr_tee_result(tee, 0, NULL), MR_OK, "and has succeeded");
	mr_stage_free(tee);
	is_int(sink.aborted, 0, "it is not given up");
	mr_buf_free(&sink.got);
}

static void
test_tee(void)
{
	struct memsink sinks[3] = { { .pushes_left = 0 } };
	struct mr_stage *outputs[3], *tee;
	struct mr_error own = MR_ERROR_INIT;

	for (size_t i = 0; i < 3; i++)
		outputs[i] = memsink_open(&sinks[i]);
	tee = mr_tee_new(outputs, 3, &err);
	sinks[1].pushes_left = 1;
	is_int(push(tee, "one,"), MR_OK, "a push into three");
	is_int(push(tee, "two,"), MR_OK, "one fails, the tee does not");
	is_int(mr_tee_result(tee, 0, &own), MR_OK, "the first takes part");
	is_int(mr_tee_result(tee, 1, &own), MR_EIO, "the second has failed");
	is_part(own.text, "full", "and why");
	is_int(sinks[1].aborted, 1, "it is aborted at once");
	is_int(push(tee, "three"), MR_OK, "the others go on");
	is_int(sinks[1].pushes, 2, "it gets nothing more");
	sinks[2].finish_fails = true;
	is_int(mr_stage_finish(tee, &err), MR_OK, "one of three finishes");
	is_int(mr_tee_result(tee, 2, NULL), MR_EIO, "the third has failed at the end");
	is_int(sinks[2].aborted, 1, "and is aborted");
	is_int(sinks[1].finished, 0, "the second was not finished");
	is_int(sinks[0].finished, 1, "the first was");
	is_str(mr_buf_str(&sinks[0].got), "one,two,three", "and has everything");
	mr_stage_free(tee);
	is_int(sinks[0].freed + sinks[1].freed + sinks[2].freed, 3, "all are freed");
	is_int(sinks[0].aborted, 0, "the good one was never aborted");

	for (size_t i = 0; i < 2; i++)
		outputs[i] = memsink_open(&sinks[i]);
	tee = mr_tee_new(outputs, 2, &err);
	sinks[0].pushes_left = 0;
	sinks[1].pushes_left = 1;
	is_int(push(tee, "one"), MR_OK, "one of two is left");
	is_int(push(tee, "two"), MR_EIO, "none is left");
	is_part(err.text, "full", "with the reason of the last");
	is_int(push(tee, "three"), MR_EINVAL, "the tee takes nothing more");
	mr_stage_free(tee);
	is_int(sinks[0].aborted + sinks[1].aborted, 2, "each was aborted once");

	for (size_t i = 0; i < 2; i++) {
		outputs[i] = memsink_open(&sinks[i]);
		sinks[i].finish_fails = true;
	}
	tee = mr_tee_new(outputs, 2, &err);
	is_int(mr_stage_finish(tee, &err), MR_EIO, "none can finish");
	is_part(err.text, "cannot finish", "why");
	mr_stage_free(tee);

	outputs[0] = memsink_open(&sinks[0]);
	tee = mr_tee_new(outputs, 1, &err);
	push(tee, "x");
	mr_stage_abort(tee);
	is_int(sinks[0].aborted, 1, "abort reaches the outputs");
	mr_stage_free(tee);
	is_int(sinks[0].freed, 1, "free too");

	ok(mr_tee_new(outputs, 0, &err) == NULL, "a tee of nothing");
	ok(mr_tee_new(outputs, MR_TEE_MAX + 1, &err) == NULL, "a tee of too many");
	is_int(err.code, MR_EINVAL, "is an error");
	for (size_t i = 0; i < 3; i++)
		mr_buf_free(&sinks[i].got);
}

static void
test_names(void)
{
	struct mr_format_options o = { .format = MR_FORMAT_NDJSON, .compression = MR_COMPRESSION_ZSTD };
	enum mr_format format = MR_FORMAT_CSV;
	enum mr_compression compression = MR_COMPRESSION_NONE;

	is_str(mr_str(mr_format_suffix(&o)), ".ndjson.zst", "a suffix");
	is_str(mr_str(mr_format_content_type(&o)), "application/zstd", "its type");
	o = (struct mr_format_options){ .format = MR_FORMAT_PARQUET, .compression = MR_COMPRESSION_GZIP };
	is_str(mr_str(mr_format_suffix(&o)), ".parquet", "Parquet has one suffix");
	ok(mr_format_parse(MR_STR_LIT("parquet"), &format) && format == MR_FORMAT_PARQUET, "parquet");
	ok(mr_format_parse(MR_STR_LIT("json"), &format) && format == MR_FORMAT_NDJSON, "json");
	ok(!mr_format_parse(MR_STR_LIT("xml"), &format), "xml");
	ok(!mr_format_parse(MR_STR_NULL, &format), "nothing");
	ok(mr_compression_parse(MR_STR_LIT("gzip"), &compression) &&
	    compression == MR_COMPRESSION_GZIP, "gzip");
	ok(!mr_compression_parse(MR_STR_LIT("gz"), &compression), "gz");
}

int
main(void)
{
	test_good();
	test_abort();
	test_failures();
	test_wrong_kind();
	test_meter();
	test_tee();
	test_tee_remark();
	test_names();
	return done();
}
