/* Zstandard: format/zstd.h. What it makes is undone with libzstd itself. */
#include "format/zstd.h"

#include <zstd.h>

#include "../tap.h"

#define TEXT_BYTES ((size_t)1500000)

static struct mr_error err;
static char *text;
static int puts_left;

/* Gathers the pieces; fails when puts_left comes to 0. */
static enum mr_err
gather(void *arg, struct mr_str piece, struct mr_error *e)
{
	if (puts_left-- == 0)
		return mr_fail(e, MR_EIO, "full");
	mr_buf_add_str(arg, piece);
	return MR_OK;
}

/* The frame that n bytes of text become in steps of `step`. */
static enum mr_err
compress(struct mr_buf *out, size_t n, size_t step)
{
	struct mr_packed_to to = { gather, out };
	struct mr_zstd *z = mr_zstd_new(MR_ZSTD_LEVEL, &err);
	enum mr_err e = MR_OK;

	mr_buf_reset(out, TEXT_BYTES);
	for (size_t at = 0; at < n && e == MR_OK; at += step)
		e = mr_zstd_write(z, (struct mr_str){ text + at, step < n - at ? step : n - at }, &to,
		    &err);
	if (e == MR_OK)
		e = mr_zstd_finish(z, &to, &err);
	mr_zstd_free(z);
	return e;
}

static void
is_text(struct mr_buf *packed, size_t n, const char *what)
{
	char *back = malloc(TEXT_BYTES + 1);
	size_t got;

	if (back == NULL)
		bail("no memory");
	got = ZSTD_decompress(back, TEXT_BYTES + 1, packed->p, packed->len);
	ok(got == n && memcmp(back, text, n) == 0, "%s: %zu bytes come back", what, n);
	free(back);
}

static void
test_stream(void)
{
	static const size_t sizes[] = { 0, 1, 1000, 131071, 131072, 131073, TEXT_BYTES };
	static const size_t steps[] = { 1000, 131072, 300000, TEXT_BYTES };
	struct mr_buf first, again;

	mr_buf_init(&first, TEXT_BYTES);
	mr_buf_init(&again, TEXT_BYTES);
	for (size_t i = 0; i < ROWS(sizes); i++) {
		puts_left = -1;
		is_int(compress(&first, sizes[i], 777), MR_OK, "compressed");
		is_text(&first, sizes[i], "a stream");
		ok((first.p[4] & 4) != 0, "it has a checksum");
		for (size_t j = 0; j < ROWS(steps); j++) {
			compress(&again, sizes[i], steps[j]);
			ok(mr_str_eq(mr_buf_str(&first), mr_buf_str(&again)),
			    "steps of %zu make the same bytes", steps[j]);
		}
	}
	for (int n = 0; n < 2; n++) {
		puts_left = n;
		err = (struct mr_error)MR_ERROR_INIT;
		is_int(compress(&first, TEXT_BYTES, 100000), MR_EIO, "a failure behind it");
		is_part(err.text, "full", "is passed on");
	}
	mr_buf_free(&first);
	mr_buf_free(&again);
}

/* Undoes a frame of the first n bytes of the text. */
static void
test_undo(struct mr_str frame, size_t n)
{
	char *back = malloc(n);
	size_t size = 0;

	if (back == NULL)
		bail("no memory");
	ok(mr_zstd_size(frame, &size), "the size of a frame");
	is_int(size, n, "is what it was made of");
	ok(mr_zstd_undo(frame, back, n), "it is undone");
	is_bytes(((struct mr_str){ back, n }), ((struct mr_str){ text, n }), "into the same");
	ok(!mr_zstd_undo(frame, back, n - 1), "not into less");
	frame.n--;
	ok(!mr_zstd_undo(frame, back, n), "nor when it is cut");
	ok(!mr_zstd_size(mr_str("no frame"), &size), "what is no frame says no size");
	free(back);
}

static void
test_block(void)
{
	struct mr_zstd *z = mr_zstd_new(1, &err);
	struct mr_buf out;

	mr_buf_init(&out, 2 * TEXT_BYTES);
	for (size_t n = 0; n <= TEXT_BYTES; n = n * 30 + 1) {
		mr_buf_reset(&out, TEXT_BYTES);
		is_int(mr_zstd_block(z, (struct mr_str){ text, n }, &out, &err), MR_OK, "a block");
		is_text(&out, n, "a block");
		is_int((int64_t)ZSTD_getFrameContentSize(out.p, out.len), (int64_t)n, "says its size");
	}
	test_undo(mr_buf_str(&out), 837931);
	mr_buf_free(&out);
	mr_buf_init(&out, 100);
	is_int(mr_zstd_block(z, (struct mr_str){ text, 1000 }, &out, &err), MR_ELIMIT,
	    "a block that may not fit");
	mr_buf_free(&out);
	mr_zstd_free(z);
	mr_zstd_free(NULL);
}

int
main(void)
{
	unsigned random = 1;

	text = malloc(TEXT_BYTES);
	if (text == NULL)
		bail("no memory");
	for (size_t i = 0; i < TEXT_BYTES; i++) {
		random = random * 1103515245 + 12345;
		text[i] = (char)('a' + (random >> 16 & 7));
	}
	test_stream();
	test_block();
	free(text);
	return done();
}
