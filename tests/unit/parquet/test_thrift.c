/* Thrift's compact protocol: parquet/thrift.h. */
#include "parquet/thrift.h"

#include "../tap.h"

static struct mr_buf out;
static struct mr_thrift t;

static void
start(void)
{
	mr_buf_reset(&out, 1000);
	t = (struct mr_thrift){ .out = &out };
	mr_thrift_begin(&t);
}

static void
test_numbers(void)
{
	static const struct {
		int line;
		int64_t value;
		struct mr_str bytes; /* zigzag, seven bits a byte */
	} rows[] = {
		{ __LINE__, 0, BYTES("\x00") },
		{ __LINE__, -1, BYTES("\x01") },
		{ __LINE__, 1, BYTES("\x02") },
		{ __LINE__, 63, BYTES("\x7e") },
		{ __LINE__, -64, BYTES("\x7f") },
		{ __LINE__, 64, BYTES("\x80\x01") },
		{ __LINE__, 300, BYTES("\xd8\x04") },
		{ __LINE__, INT64_MAX, BYTES("\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01") },
		{ __LINE__, INT64_MIN, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		start();
		mr_thrift_i64(&t, 1, rows[i].value);
		is_int(out.p[0], 0x16, "field 1, i64");
		is_bytes(((struct mr_str){ out.p + 1, out.len - 1 }), rows[i].bytes, "its value");
	}
	row(0);
	start();
	mr_thrift_i32(&t, 1, INT32_MIN);
	is_bytes(mr_buf_str(&out), MR_STR_LIT("\x15\xff\xff\xff\xff\x0f"), "the least i32");
	start();
	mr_thrift_i16(&t, 2, 7);
	is_bytes(mr_buf_str(&out), MR_STR_LIT("\x24\x0e"), "an i16");
}

static void
test_struct(void)
{
	start();
	mr_thrift_bool(&t, 1, true);
	mr_thrift_bool(&t, 3, false);
	mr_thrift_binary(&t, 4, MR_STR_LIT("ab"));
	mr_thrift_struct(&t, 7);
	mr_thrift_i32(&t, 1, 1);
	mr_thrift_end(&t);
	mr_thrift_empty(&t, 8);
	mr_thrift_end(&t);
	is_bytes(mr_buf_str(&out), MR_STR_LIT("\x11\x22\x18\x02" "ab" "\x3c\x15\x02\x00\x1c\x00\x00"),
	    "numbers of fields count on behind an inner struct");
}

static void
test_list(void)
{
	start();
	mr_thrift_list(&t, 2, MR_THRIFT_I32, 2);
	mr_thrift_put_i32(&t, 0);
	mr_thrift_put_i32(&t, 8);
	mr_thrift_list(&t, 3, MR_THRIFT_BINARY, 15);
	is_bytes(mr_buf_str(&out), MR_STR_LIT("\x29\x25\x00\x10\x19\xf8\x0f"),
	    "a short list and a long one");
	start();
	mr_thrift_list(&t, 1, MR_THRIFT_STRUCT, 14);
	is_bytes(mr_buf_str(&out), MR_STR_LIT("\x19\xec"), "the longest of the short ones");
}

static void
test_limits(void)
{
	struct mr_buf small;

	start();
	for (int i = 1; i < MR_THRIFT_MAX_DEPTH; i++)
		mr_thrift_struct(&t, 1);
	ok(!out.failed, "as deep as can be");
	mr_thrift_begin(&t);
	ok(out.failed, "a struct too deep");

	mr_buf_init(&small, 3);
	t = (struct mr_thrift){ .out = &small };
	mr_thrift_begin(&t);
	mr_thrift_binary(&t, 1, MR_STR_LIT("long"));
	ok(small.failed, "a full buffer says so");
	mr_buf_free(&small);
}

int
main(void)
{
	mr_buf_init(&out, 1000);
	test_numbers();
	test_struct();
	test_list();
	test_limits();
	mr_buf_free(&out);
	return done();
}
