/* Run lengths and bit packing: see rle.h. */
#include "parquet/rle.h"

/* Values are packed in groups of so many; a run is worth writing from here on. */
#define GROUP 8

static void
put_varint(struct mr_buf *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		mr_buf_add_char(out, (char)(v | 0x80));
	mr_buf_add_char(out, (char)v);
}

/* How often the first value is repeated. */
static size_t
run_length(const uint16_t *values, size_t n)
{
	size_t i = 1;

	while (i < n && values[i] == values[0])
		i++;
	return i;
}

static void
put_run(struct mr_buf *out, uint16_t value, size_t n, unsigned width)
{
	put_varint(out, (uint64_t)n << 1);
	mr_buf_add_char(out, (char)value);
	if (width > 8)
		mr_buf_add_char(out, (char)(value >> 8));
}

/* The last group is filled up with zeros. */
static void
put_packed(struct mr_buf *out, const uint16_t *values, size_t n, unsigned width)
{
	size_t groups = (n + GROUP - 1) / GROUP, bytes = groups * width;
	uint64_t bits = 0;
	unsigned have = 0;
	char *to;

	if (n == 0)
		return;
	put_varint(out, (uint64_t)groups << 1 | 1);
	to = mr_buf_reserve(out, bytes);
	if (to == NULL)
		return;
	for (size_t i = 0; i < groups * GROUP; i++) {
		bits |= (uint64_t)(i < n ? values[i] : 0) << have;
		for (have += width; have >= 8; have -= 8) {
			*to++ = (char)bits;
			bits >>= 8;
		}
	}
	out->len += bytes;
}

void
mr_rle_put(struct mr_buf *out, const uint16_t *values, size_t n, unsigned width)
{
	size_t from = 0, i = 0;

	/* Packed values up to a run are whole groups, as the format wants it. */
	while (i < n) {
		size_t run = run_length(values + i, n - i);

		if (run < GROUP) {
			i += GROUP;
			continue;
		}
		put_packed(out, values + from, i - from, width);
		put_run(out, values[i], run, width);
		from = i += run;
	}
	put_packed(out, values + from, n - from, width);
}

unsigned
mr_rle_width(size_t n)
{
	unsigned width = 1;

	while (width < 16 && n > (size_t)1 << width)
		width++;
	return width;
}
