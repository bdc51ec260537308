/*
 * gzip: format/gzip.h. What is undone was made with zlib itself, and what is
 * made is undone by what was tested so.
 */
#include "format/gzip.h"

#include <zlib.h>

#include "../tap.h"

#define ROOM ((size_t)12 << 20)

/* zlib's window sizes for the three formats. */
enum { GZIP = 15 + 16, ZLIB = 15, RAW = -15 };

static struct mr_error err;

/* Appends one stream. */
static void
compress_to(struct mr_buf *to, const void *data, size_t n, int format)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)n };
	size_t room;

	if (deflateInit2(&z, 9, Z_DEFLATED, format, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		bail("deflateInit2");
	room = deflateBound(&z, n) + 100;
	z.next_out = (Bytef *)mr_buf_reserve(to, room);
	z.avail_out = (uInt)room;
	if (z.next_out == NULL || deflate(&z, Z_FINISH) != Z_STREAM_END)
		bail("deflate");
	to->len += room - z.avail_out;
	deflateEnd(&z);
}

/* Undoes n bytes, in memory of their exact size. */
static enum mr_err
gunzip(const void *data, size_t n, struct mr_buf *out)
{
	char *exact = malloc(n != 0 ? n : 1);
	enum mr_err rc;

	if (exact == NULL)
		bail("no memory");
	memcpy(exact, data, n);
	err = (struct mr_error)MR_ERROR_INIT;
	rc = mr_gunzip((struct mr_str){ exact, n }, out, &err);
	free(exact);
	return rc;
}

static void
test_good(void)
{
	static const size_t sizes[] = { 0, 1, 100, 16383, 16384, 16385, 100000, 1000000 };

	for (size_t i = 0; i < ROWS(sizes); i++) {
		struct mr_buf in, out;
		char *text = malloc(sizes[i] + 1);

		if (text == NULL)
			bail("no memory");
		for (size_t j = 0; j < sizes[i]; j++)
			text[j] = (char)("abcdefgh"[j * j % 7] + (char)(j % 5));
		mr_buf_init(&in, ROOM);
		mr_buf_init(&out, sizes[i]);
		compress_to(&in, text, sizes[i], GZIP);
		is_int(gunzip(in.p, in.len, &out), MR_OK, "a text as long as the maximum");
		is_bytes(mr_buf_str(&out), ((struct mr_str){ text, sizes[i] }), "comes back");
		mr_buf_free(&out);
		if (sizes[i] > 0) {
			mr_buf_init(&out, sizes[i] - 1);
			is_int(gunzip(in.p, in.len, &out), MR_ELIMIT, "one byte more than the maximum");
			is_int(err.code, MR_ELIMIT, "its error says so");
			ok(out.cap <= sizes[i] - 1, "the buffer keeps its maximum");
			mr_buf_free(&out);
		}
		mr_buf_free(&in);
		free(text);
	}
}

static void
test_members(void)
{
	struct mr_buf in, out;

	mr_buf_init(&in, ROOM);
	mr_buf_init(&out, 100);
	compress_to(&in, "one,", 4, GZIP);
	compress_to(&in, "", 0, GZIP);
	compress_to(&in, "two", 3, GZIP);
	is_int(gunzip(in.p, in.len, &out), MR_OK, "three members");
	is_str(mr_buf_str(&out), "one,two", "one after the other");
	mr_buf_free(&out);
	mr_buf_init(&out, 6);
	is_int(gunzip(in.p, in.len, &out), MR_ELIMIT, "the maximum holds for all of them");
	mr_buf_free(&out);

	mr_buf_init(&out, 100);
	mr_buf_add_cstr(&out, "before:");
	is_int(gunzip(in.p, in.len, &out), MR_OK, "into a buffer that holds something");
	is_str(mr_buf_str(&out), "before:one,two", "it is appended");
	is_int(gunzip(in.p, in.len - 5, &out), MR_EINVAL, "the last member cut");
	mr_buf_free(&out);
	mr_buf_free(&in);
}

/* Name, comment, extra field: all of the header's options. */
static void
test_header(void)
{
	gz_header header = { .text = 1, .time = 7, .os = 3, .extra = (Bytef *)(uintptr_t)"ab\1\0x",
		.extra_len = 5, .name = (Bytef *)(uintptr_t)"name.json",
		.comment = (Bytef *)(uintptr_t)"comment", .hcrc = 1 };
	unsigned char packed[200];
	z_stream z = { .next_in = (Bytef *)(uintptr_t)"hello", .avail_in = 5, .next_out = packed,
		.avail_out = sizeof packed };
	struct mr_buf out;

	if (deflateInit2(&z, 9, Z_DEFLATED, GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
	    deflateSetHeader(&z, &header) != Z_OK || deflate(&z, Z_FINISH) != Z_STREAM_END)
		bail("deflate");
	mr_buf_init(&out, 100);
	is_int(gunzip(packed, sizeof packed - z.avail_out, &out), MR_OK, "a header with everything");
	is_str(mr_buf_str(&out), "hello", "its text");
	deflateEnd(&z);
	mr_buf_free(&out);
}

static void
test_cut(void)
{
	struct mr_buf in, out;
	char text[2000];
	int wrong = 0;

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (char)(i * i % 251);
	mr_buf_init(&in, ROOM);
	compress_to(&in, text, sizeof text, GZIP);
	for (size_t n = 0; n < in.len; n++) {
		mr_buf_init(&out, 4000);
		if (gunzip(in.p, n, &out) != MR_EINVAL && wrong++ == 0)
			diag("the first %zu of %zu bytes", n, in.len);
		mr_buf_free(&out);
	}
	is_int(wrong, 0, "lengths at which a cut stream is not refused");
	/* The same with a buffer that the text fills exactly. */
	wrong = 0;
	for (size_t n = 0; n < in.len; n++) {
		mr_buf_init(&out, sizeof text);
		wrong += gunzip(in.p, n, &out) != MR_EINVAL;
		mr_buf_free(&out);
	}
	is_int(wrong, 0, "lengths at which it is not, with no room to spare");
	mr_buf_free(&in);
}

static void
test_damaged(void)
{
	struct mr_buf in, out;
	int ended_well = 0;

	mr_buf_init(&in, ROOM);
	compress_to(&in, "hello hello hello hello", 23, GZIP);
	for (size_t i = 0; i < in.len; i++) {
		struct mr_buf bad;

		/* Bytes 4 to 9 hold time, flags of the compressor, system: of no account. */
		if (i >= 4 && i <= 9)
			continue;
		mr_buf_init(&bad, ROOM);
		mr_buf_add(&bad, in.p, in.len);
		bad.p[i] = (char)(bad.p[i] ^ 0x55);
		mr_buf_init(&out, 1000);
		if (gunzip(bad.p, bad.len, &out) == MR_OK && ended_well++ == 0)
			diag("byte %zu", i);
		mr_buf_free(&out);
		mr_buf_free(&bad);
	}
	is_int(ended_well, 0, "bytes that may be damaged unnoticed");
	mr_buf_free(&in);
}

static void
test_no_gzip(void)
{
	static const struct {
		int line;
		struct mr_str in;
	} rows[] = {
		{ __LINE__, BYTES("") },
		{ __LINE__, BYTES("{\"eventType\":\"x\"}") },
		{ __LINE__, BYTES("\x1f") },
		{ __LINE__, BYTES("\x1f\x8b") },
		{ __LINE__, BYTES("\x1f\x8b\x07\0\0\0\0\0\0\x03") },
		{ __LINE__, BYTES("\x1f\x8b\x08\xff\0\0\0\0\0\x03") },
		{ __LINE__, BYTES("\0\0\0\0\0\0\0\0\0\0") },
	};
	struct mr_buf in, out;

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		mr_buf_init(&out, 1000);
		is_int(gunzip(rows[i].in.p, rows[i].in.n, &out), MR_EINVAL, "refused");
		is_int(err.code, MR_EINVAL, "the error's code");
		ok(err.text[0] != '\0', "a reason");
		mr_buf_free(&out);
	}
	row(0);
	mr_buf_init(&in, ROOM);
	mr_buf_init(&out, 1000);
	compress_to(&in, "hello", 5, ZLIB);
	is_int(gunzip(in.p, in.len, &out), MR_EINVAL, "zlib's own format");
	mr_buf_reset(&in, ROOM);
	compress_to(&in, "hello", 5, RAW);
	is_int(gunzip(in.p, in.len, &out), MR_EINVAL, "raw deflate");
	mr_buf_reset(&in, ROOM);
	compress_to(&in, "hello", 5, GZIP);
	mr_buf_add_cstr(&in, "and more");
	is_int(gunzip(in.p, in.len, &out), MR_EINVAL, "something that is no gzip behind gzip");
	is_int(mr_gunzip(mr_str("x"), &out, NULL), MR_EINVAL, "without an error struct");
	mr_buf_free(&out);
	mr_buf_free(&in);
}

/* What some senders put behind the last member, to fill a block. */
static void
test_zeros_behind(void)
{
	for (size_t n = 1; n <= 600; n += 599) {
		struct mr_buf in, out;

		mr_buf_init(&in, ROOM);
		mr_buf_init(&out, 1000);
		compress_to(&in, "hello", 5, GZIP);
		for (size_t i = 0; i < n; i++)
			mr_buf_add_char(&in, '\0');
		is_int(gunzip(in.p, in.len, &out), MR_OK, "zeros behind a member");
		is_str(mr_buf_str(&out), "hello", "the text");
		mr_buf_add_char(&in, 1);
		is_int(gunzip(in.p, in.len, &out), MR_EINVAL, "zeros and something else");
		mr_buf_free(&out);
		mr_buf_free(&in);
	}
}

static void
test_deflate(void)
{
	static const int formats[] = { ZLIB, RAW };
	static const char *const texts[] = { "hello", "", "x", "hello hello hello hello hello hello" };

	for (size_t f = 0; f < ROWS(formats); f++) {
		for (size_t i = 0; i < ROWS(texts); i++) {
			struct mr_buf in, out;

			mr_buf_init(&in, ROOM);
			mr_buf_init(&out, strlen(texts[i]));
			compress_to(&in, texts[i], strlen(texts[i]), formats[f]);
			is_int(mr_inflate(mr_buf_str(&in), &out, &err), MR_OK, "taken");
			is_str(mr_buf_str(&out), texts[i], "its text");
			mr_buf_free(&out);
			mr_buf_init(&out, 100);
			is_int(mr_inflate((struct mr_str){ in.p, in.len - 1 }, &out, &err), MR_EINVAL, "cut");
			mr_buf_free(&out);
			mr_buf_init(&out, 3);
			if (strlen(texts[i]) > 3)
				is_int(mr_inflate(mr_buf_str(&in), &out, &err), MR_ELIMIT, "beyond the maximum");
			mr_buf_free(&out);
			mr_buf_free(&in);
		}
	}
	struct mr_buf out;

	mr_buf_init(&out, 100);
	is_int(mr_inflate(mr_str("{\"eventType\":\"x\"}"), &out, &err), MR_EINVAL, "text that is not deflated");
	is_int(mr_inflate(MR_STR_LIT(""), &out, &err), MR_EINVAL, "nothing");
	mr_buf_free(&out);
}

/* Ten megabytes of zeros pack into about ten kilobytes. */
static void
test_bomb(void)
{
	size_t n = (size_t)10 << 20;
	char *zeros = calloc(1, n);
	struct mr_buf in, out;

	if (zeros == NULL)
		bail("no memory");
	mr_buf_init(&in, ROOM);
	compress_to(&in, zeros, n, GZIP);
	mr_buf_init(&out, 1u << 20);
	is_int(gunzip(in.p, in.len, &out), MR_ELIMIT, "a bomb");
	ok(out.cap <= 1u << 20, "never takes more memory than the maximum");
	mr_buf_free(&out);
	mr_buf_free(&in);
	free(zeros);
}

static enum mr_err
gather(void *arg, struct mr_str piece, struct mr_error *e)
{
	struct mr_buf *out = arg;

	mr_buf_add_str(out, piece);
	return out->failed ? mr_fail(e, MR_EIO, "full") : MR_OK;
}

/* The file that n bytes of text become in steps of `step`. */
static enum mr_err
make(struct mr_buf *out, const char *text, size_t n, size_t step)
{
	struct mr_packed_to to = { gather, out };
	struct mr_gzip *g = mr_gzip_new(MR_GZIP_LEVEL, &err);
	enum mr_err e = MR_OK;

	mr_buf_reset(out, ROOM);
	for (size_t at = 0; at < n && e == MR_OK; at += step)
		e = mr_gzip_write(g, (struct mr_str){ text + at, step < n - at ? step : n - at }, &to,
		    &err);
	if (e == MR_OK)
		e = mr_gzip_finish(g, &to, &err);
	mr_gzip_free(g);
	return e;
}

static void
test_make(void)
{
	static const size_t sizes[] = { 0, 1, 1000, 131072, 700000 };
	static const size_t steps[] = { 1000, 65536, 300000, 700000 };
	struct mr_buf first, again, back, small;
	char *text = malloc(700000);
	unsigned random = 1;

	if (text == NULL)
		bail("no memory");
	for (size_t i = 0; i < 700000; i++) {
		random = random * 1103515245 + 12345;
		text[i] = (char)('a' + (random >> 16 & 15));
	}
	mr_buf_init(&first, ROOM);
	mr_buf_init(&again, ROOM);
	mr_buf_init(&back, ROOM);
	for (size_t i = 0; i < ROWS(sizes); i++) {
		is_int(make(&first, text, sizes[i], 777), MR_OK, "made");
		mr_buf_reset(&back, ROOM);
		is_int(gunzip(first.p, first.len, &back), MR_OK, "undone");
		is_bytes(mr_buf_str(&back), ((struct mr_str){ text, sizes[i] }), "the text");
		is_bytes(((struct mr_str){ first.p + 3, 5 }), MR_STR_LIT("\0\0\0\0\0"),
		    "no flags and no time");
		is_int((unsigned char)first.p[9], 255, "the system is unknown");
		for (size_t j = 0; j < ROWS(steps); j++) {
			make(&again, text, sizes[i], steps[j]);
			ok(mr_str_eq(mr_buf_str(&first), mr_buf_str(&again)),
			    "steps of %zu make the same bytes", steps[j]);
		}
	}
	mr_buf_init(&small, 200000);
	is_int(make(&small, text, 700000, 1000), MR_EIO, "a failure behind it, while writing");
	mr_buf_free(&small);
	mr_buf_init(&small, 5);
	is_int(make(&small, text, 10, 10), MR_EIO, "and at the end");
	mr_buf_free(&small);
	mr_gzip_free(NULL);
	mr_buf_free(&first);
	mr_buf_free(&again);
	mr_buf_free(&back);
	free(text);
}

static void
test_crc32(void)
{
	is_int(mr_crc32(0, "", 0), 0, "nothing");
	is_int(mr_crc32(0, "123456789", 9), 0xcbf43926, "the check value");
	is_int(mr_crc32(mr_crc32(0, "1234", 4), "56789", 5), 0xcbf43926, "in two parts");
}

int
main(void)
{
	test_make();
	test_crc32();
	test_good();
	test_members();
	test_header();
	test_cut();
	test_damaged();
	test_no_gzip();
	test_zeros_behind();
	test_deflate();
	test_bomb();
	return done();
}
