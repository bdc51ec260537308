/* Thrift's compact protocol: see thrift.h. */
#include "parquet/thrift.h"

/* Field types; a bool's value is its type. */
enum { T_TRUE = 1, T_FALSE = 2, T_I16 = 4, T_I32 = 5, T_I64 = 6, T_BINARY = 8, T_LIST = 9, T_STRUCT = 12 };

/* Lists of fewer elements have the number beside the type. */
#define LONG_LIST 15

static void
put_varint(struct mr_thrift *t, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		mr_buf_add_char(t->out, (char)(v | 0x80));
	mr_buf_add_char(t->out, (char)v);
}

/* Small numbers of either sign become small varints. */
static void
put_zigzag(struct mr_thrift *t, int64_t v)
{
	put_varint(t, v < 0 ? ~((uint64_t)v << 1) : (uint64_t)v << 1);
}

static void
put_field(struct mr_thrift *t, int field, int type)
{
	mr_buf_add_char(t->out, (char)((field - t->last[t->depth - 1]) << 4 | type));
	t->last[t->depth - 1] = field;
}

void
mr_thrift_begin(struct mr_thrift *t)
{
	if (t->depth == MR_THRIFT_MAX_DEPTH)
		t->out->failed = true;
	else
		t->last[t->depth++] = 0;
}

void
mr_thrift_end(struct mr_thrift *t)
{
	mr_buf_add_char(t->out, 0);
	t->depth--;
}

void
mr_thrift_bool(struct mr_thrift *t, int field, bool value)
{
	put_field(t, field, value ? T_TRUE : T_FALSE);
}

void
mr_thrift_i16(struct mr_thrift *t, int field, int16_t value)
{
	put_field(t, field, T_I16);
	put_zigzag(t, value);
}

void
mr_thrift_i32(struct mr_thrift *t, int field, int32_t value)
{
	put_field(t, field, T_I32);
	put_zigzag(t, value);
}

void
mr_thrift_i64(struct mr_thrift *t, int field, int64_t value)
{
	put_field(t, field, T_I64);
	put_zigzag(t, value);
}

void
mr_thrift_binary(struct mr_thrift *t, int field, struct mr_str value)
{
	put_field(t, field, T_BINARY);
	mr_thrift_put_binary(t, value);
}

void
mr_thrift_struct(struct mr_thrift *t, int field)
{
	put_field(t, field, T_STRUCT);
	mr_thrift_begin(t);
}

void
mr_thrift_empty(struct mr_thrift *t, int field)
{
	put_field(t, field, T_STRUCT);
	mr_buf_add_char(t->out, 0);
}

void
mr_thrift_list(struct mr_thrift *t, int field, enum mr_thrift_type type, size_t n)
{
	put_field(t, field, T_LIST);
	mr_buf_add_char(t->out, (char)((n < LONG_LIST ? n : LONG_LIST) << 4 | type));
	if (n >= LONG_LIST)
		put_varint(t, n);
}

void
mr_thrift_put_i32(struct mr_thrift *t, int32_t value)
{
	put_zigzag(t, value);
}

void
mr_thrift_put_binary(struct mr_thrift *t, struct mr_str value)
{
	put_varint(t, value.n);
	mr_buf_add_str(t->out, value);
}
