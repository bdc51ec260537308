/*
 * PostgreSQL's binary arrays: db/pgarray.h. The bytes are those of array_send,
 * int4send, int8send, timestamptz_send, textsend, jsonb_send and inet_send.
 */
#include "db/pgarray.h"

#include "../tap.h"

/* Dimensions, has-null flag, element type, length, lower bound. */
#define HEAD(nulls, type, n) \
	"\0\0\0\1" "\0\0\0" nulls "\0\0" type "\0\0\0" n "\0\0\0\1"

#define MAX_BYTES ((size_t)1 << 20)

static void
is_array(struct mr_pgarray *a, struct mr_str want, const char *what)
{
	is_bytes(mr_pgarray_end(a), want, what);
	mr_pgarray_free(a);
}

static struct mr_pgarray
begin(enum mr_pg_type type)
{
	struct mr_pgarray a;

	mr_pgarray_init(&a, type, MAX_BYTES);
	mr_pgarray_begin(&a, MAX_BYTES);
	return a;
}

static void
test_types(void)
{
	struct mr_pgarray a = begin(MR_PG_INT4);

	mr_pgarray_add_int4(&a, 1);
	mr_pgarray_add_int4(&a, -2);
	is_array(&a, MR_STR_LIT(HEAD("\0", "\0\x17", "\2") "\0\0\0\4\0\0\0\1" "\0\0\0\4\xff\xff\xff\xfe"),
	    "int4[]");

	a = begin(MR_PG_INT8);
	mr_pgarray_add_int8(&a, INT64_C(0x0102030405060708));
	mr_pgarray_add_int8(&a, INT64_MIN);
	is_array(&a, MR_STR_LIT(HEAD("\0", "\0\x14", "\2") "\0\0\0\x08\1\2\3\4\5\6\7\x08"
	    "\0\0\0\x08\x80\0\0\0\0\0\0\0"), "int8[]");

	/* Microseconds since 2000-01-01T00:00:00Z. */
	a = begin(MR_PG_TIMESTAMPTZ);
	mr_pgarray_add_time(&a, INT64_C(946684800000000));
	mr_pgarray_add_time(&a, INT64_C(946684800000001));
	mr_pgarray_add_time(&a, INT64_C(946684799999999));
	is_array(&a, MR_STR_LIT(HEAD("\0", "\x04\xa0", "\3") "\0\0\0\x08\0\0\0\0\0\0\0\0"
	    "\0\0\0\x08\0\0\0\0\0\0\0\1" "\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xff"), "timestamptz[]");

	a = begin(MR_PG_TEXT);
	mr_pgarray_add_str(&a, mr_str("abc"));
	mr_pgarray_add_str(&a, mr_str(""));
	mr_pgarray_add_str(&a, mr_str("\xc3\xa4"));
	is_array(&a, MR_STR_LIT(HEAD("\0", "\0\x19", "\3") "\0\0\0\3abc" "\0\0\0\0" "\0\0\0\2\xc3\xa4"),
	    "text[]");

	a = begin(MR_PG_BYTEA);
	mr_pgarray_add_str(&a, MR_STR_LIT("a\0\xff"));
	is_array(&a, MR_STR_LIT(HEAD("\0", "\0\x11", "\1") "\0\0\0\3a\0\xff"), "bytea[]");
}

static void
test_inet(void)
{
	struct mr_pgarray a = begin(MR_PG_INET);
	struct mr_ip v4, v6, none = { 0 };

	if (!mr_ip_parse(mr_str("192.0.2.1"), &v4) || !mr_ip_parse(mr_str("2001:db8::1"), &v6))
		bail("no addresses");
	mr_pgarray_add_inet(&a, &v4);
	mr_pgarray_add_inet(&a, &v6);
	mr_pgarray_add_inet(&a, &none);
	is_array(&a, MR_STR_LIT(HEAD("\1", "\x03\x65", "\3") "\0\0\0\x08\2\x20\0\4\xc0\0\2\1"
	    "\0\0\0\x14\3\x80\0\x10\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1" "\xff\xff\xff\xff"), "inet[]");
}

static void
test_nulls(void)
{
	struct mr_pgarray a = begin(MR_PG_TEXT);

	mr_pgarray_add_null(&a);
	mr_pgarray_add_str(&a, MR_STR_NULL);
	mr_pgarray_add_str(&a, mr_str(""));
	is_array(&a, MR_STR_LIT(HEAD("\1", "\0\x19", "\3") "\xff\xff\xff\xff" "\xff\xff\xff\xff" "\0\0\0\0"),
	    "NULL and the empty string differ");

	/* array_recv takes an array without elements with no dimension, or with one of length 0. */
	a = begin(MR_PG_TEXT);
	is_array(&a, MR_STR_LIT("\0\0\0\0" "\0\0\0\0" "\0\0\0\x19"), "an empty array");
}

static void
test_again(void)
{
	struct mr_pgarray a = begin(MR_PG_TEXT);

	mr_pgarray_add_null(&a);
	mr_pgarray_add_str(&a, mr_str("abc"));
	mr_pgarray_end(&a);
	mr_pgarray_begin(&a, 0);
	mr_pgarray_add_str(&a, mr_str("d"));
	is_bytes(mr_pgarray_end(&a), MR_STR_LIT(HEAD("\0", "\0\x19", "\1") "\0\0\0\1d"),
	    "begin forgets everything, the NULLs too");
	mr_pgarray_begin(&a, MAX_BYTES);
	mr_pgarray_add_str(&a, mr_str("e"));
	is_array(&a, MR_STR_LIT(HEAD("\0", "\0\x19", "\1") "\0\0\0\1e"), "and again");
}

static void
test_many(void)
{
	struct mr_pgarray a = begin(MR_PG_INT4);
	struct mr_str got;

	for (int32_t i = 0; i < 70000; i++)
		mr_pgarray_add_int4(&a, i);
	got = mr_pgarray_end(&a);
	is_int(got.n, 20 + 70000 * 8, "70,000 elements");
	ok(got.p != NULL && memcmp(got.p + 12, "\0\x01\x11\x70", 4) == 0, "their number");
	mr_pgarray_free(&a);
}

static void
test_full(void)
{
	struct mr_pgarray a;

	mr_pgarray_init(&a, MR_PG_TEXT, 27);
	mr_pgarray_begin(&a, 0);
	mr_pgarray_add_str(&a, mr_str("abc"));
	ok(mr_pgarray_end(&a).p != NULL, "an array of exactly the maximum");
	mr_pgarray_begin(&a, 0);
	mr_pgarray_add_str(&a, mr_str("abcd"));
	ok(mr_pgarray_end(&a).p == NULL, "one byte more is NULL");
	mr_pgarray_begin(&a, 0);
	mr_pgarray_add_str(&a, mr_str("abcd"));
	mr_pgarray_add_str(&a, mr_str(""));
	ok(mr_pgarray_end(&a).p == NULL, "a failure stays until begin");
	mr_pgarray_begin(&a, 0);
	mr_pgarray_add_str(&a, mr_str("a"));
	is_array(&a, MR_STR_LIT(HEAD("\0", "\0\x19", "\1") "\0\0\0\1a"), "and not longer");

	mr_pgarray_init(&a, MR_PG_TEXT, 10);
	mr_pgarray_begin(&a, 0);
	ok(mr_pgarray_end(&a).p == NULL, "a maximum that holds no header");
	mr_pgarray_free(&a);
}

int
main(void)
{
	test_types();
	test_inet();
	test_nulls();
	test_again();
	test_many();
	test_full();
	return done();
}
