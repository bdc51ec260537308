/* Run lengths and bit packing: parquet/rle.h. */
#include "parquet/rle.h"

#include "../tap.h"

#define MAX 3000

/* An own reader, written from the format's description; false when there is too little. */
static bool
decode(struct mr_str in, uint16_t *values, size_t n, unsigned width)
{
	size_t at = 0, got = 0;

	while (got < n) {
		uint64_t head = 0;
		int shift = 0;

		do {
			if (at == in.n)
				return false;
			head |= (uint64_t)(in.p[at] & 0x7f) << shift;
			shift += 7;
		} while ((in.p[at++] & 0x80) != 0);
		if ((head & 1) == 0) {
			unsigned v = (unsigned char)in.p[at++];

			if (width > 8)
				v |= (unsigned)(unsigned char)in.p[at++] << 8;
			for (head >>= 1; head > 0 && got < n; head--)
				values[got++] = (uint16_t)v;
			if (head != 0)
				return false;
			continue;
		}
		for (size_t i = 0; i < (head >> 1) * 8; i++) {
			unsigned v = 0;

			for (unsigned b = 0; b < width; b++) {
				size_t bit = i * width + b;

				if (at + bit / 8 >= in.n)
					return false;
				v |= (unsigned)((unsigned char)in.p[at + bit / 8] >> bit % 8 & 1) << b;
			}
			if (got < n)
				values[got++] = (uint16_t)v;
			else if (v != 0)
				return false; /* what fills up is zero */
		}
		at += (head >> 1) * width;
	}
	return at == in.n;
}

static void
test_exact(void)
{
	static const struct {
		int line;
		uint16_t values[20];
		size_t n;
		unsigned width;
		struct mr_str bytes;
	} rows[] = {
		{ __LINE__, { 0 }, 0, 1, BYTES("") },
		/* the format's own example: 0 to 7 in three bits */
		{ __LINE__, { 0, 1, 2, 3, 4, 5, 6, 7 }, 8, 3, BYTES("\x03\x88\xc6\xfa") },
		{ __LINE__, { 1, 1, 1, 1, 1, 1, 1, 1 }, 8, 1, BYTES("\x10\x01") },
		{ __LINE__, { 1, 1, 1, 1, 1, 1, 1 }, 7, 1, BYTES("\x03\x7f") },
		{ __LINE__, { 1 }, 1, 1, BYTES("\x03\x01") },
		{ __LINE__, { 300, 300, 300, 300, 300, 300, 300, 300, 300 }, 9, 9, BYTES("\x12\x2c\x01") },
		{ __LINE__, { 0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0 }, 17, 1,
		    BYTES("\x03\x02\x10\x01\x03\x00") },
	};
	struct mr_buf out;

	mr_buf_init(&out, 1000);
	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		mr_buf_reset(&out, 1000);
		mr_rle_put(&out, rows[i].values, rows[i].n, rows[i].width);
		is_bytes(mr_buf_str(&out), rows[i].bytes, "written");
	}
	row(0);
	mr_buf_free(&out);
}

/* Every width, lengths around the groups, and runs of random lengths. */
static void
test_round_trip(void)
{
	static uint16_t values[MAX], back[MAX];
	struct mr_buf out;
	unsigned random = 1;
	int wrong = 0, runs = 0;

	mr_buf_init(&out, 100000);
	for (unsigned width = 1; width <= 16; width++) {
		for (size_t n = 0; n < MAX; n += n < 40 ? 1 : 97) {
			size_t run = 0;

			for (size_t i = 0; i < n; i++, run -= run > 0) {
				random = random * 1103515245 + 12345;
				if (run == 0 && random >> 16 & 1)
					run = random >> 20 & 63;
				values[i] = run > 0 && i > 0 ? values[i - 1]
				    : (uint16_t)(random >> 8 & ((1u << width) - 1));
			}
			mr_buf_reset(&out, 100000);
			mr_rle_put(&out, values, n, width);
			memset(back, 0, sizeof back);
			if (!decode(mr_buf_str(&out), back, n, width) ||
			    memcmp(values, back, n * sizeof *values) != 0)
				wrong++;
			runs++;
		}
	}
	is_int(wrong, 0, "sequences that do not come back");
	ok(runs > 1000, "%d sequences", runs);
	mr_buf_free(&out);
}

static void
test_width(void)
{
	static const struct {
		int line;
		size_t n;
		unsigned width;
	} rows[] = {
		{ __LINE__, 0, 1 }, { __LINE__, 1, 1 }, { __LINE__, 2, 1 }, { __LINE__, 3, 2 },
		{ __LINE__, 4, 2 }, { __LINE__, 5, 3 }, { __LINE__, 256, 8 }, { __LINE__, 257, 9 },
		{ __LINE__, 32768, 15 }, { __LINE__, 65536, 16 },
	};
	struct mr_buf small;
	uint16_t values[100] = { 0 };

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		is_int(mr_rle_width(rows[i].n), rows[i].width, "bits");
	}
	row(0);
	values[3] = 1;
	mr_buf_init(&small, 5);
	mr_rle_put(&small, values, 8, 16);
	ok(small.failed, "a full buffer says so");
	mr_buf_free(&small);
}

int
main(void)
{
	test_exact();
	test_round_trip();
	test_width();
	return done();
}
