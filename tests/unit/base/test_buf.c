/* Growable buffers: base/buf.h. */
#include "base/buf.h"

#include "../tap.h"

static void
test_append(void)
{
	struct mr_buf b;

	mr_buf_init(&b, 1000);
	ok(b.p == NULL && b.len == 0 && !b.failed, "init allocates nothing");
	is_str(mr_buf_str(&b), "", "an empty buffer is an empty string, not NULL");

	mr_buf_add(&b, "ab\0c", 4);
	mr_buf_add_str(&b, MR_STR_LIT("de"));
	mr_buf_add_cstr(&b, "fg");
	mr_buf_add_char(&b, 'h');
	mr_buf_printf(&b, "%d-%s", 42, "x");
	is_bytes(mr_buf_str(&b), MR_STR_LIT("ab\0cdefgh42-x"), "every append");

	mr_buf_add(&b, "", 0);
	mr_buf_add_str(&b, MR_STR_NULL);
	mr_buf_add_cstr(&b, "");
	mr_buf_printf(&b, "%s", "");
	is_bytes(mr_buf_str(&b), MR_STR_LIT("ab\0cdefgh42-x"), "appending nothing");
	ok(!b.failed, "appending nothing does not fail");

	mr_buf_reset(&b, 0);
	mr_buf_add_be32(&b, 0x01020304u);
	mr_buf_add_be32(&b, 0xfffffffeu);
	mr_buf_add_be64(&b, UINT64_C(0x1122334455667788));
	is_bytes(mr_buf_str(&b),
	    MR_STR_LIT("\x01\x02\x03\x04\xff\xff\xff\xfe\x11\x22\x33\x44\x55\x66\x77\x88"),
	    "integers in network order");
	mr_buf_free(&b);
	ok(b.len == 0, "free empties it");
	mr_buf_add_cstr(&b, "again");
	is_str(mr_buf_str(&b), "again", "usable after free");
	mr_buf_free(&b);
}

static void
test_growth(void)
{
	struct mr_buf b;
	bool same = true;

	mr_buf_init(&b, 100000);
	for (unsigned i = 0; i < 100000; i++)
		mr_buf_add_char(&b, (char)('a' + i % 26));
	ok(!b.failed, "filled to the maximum");
	is_int(b.len, 100000, "every byte is there");
	ok(b.cap <= b.max, "the capacity stays within the maximum");
	for (unsigned i = 0; i < b.len; i++)
		same = same && b.p[i] == (char)('a' + i % 26);
	ok(same, "the bytes survive growing");

	mr_buf_add_char(&b, 'x');
	ok(b.failed, "one byte more fails");
	mr_buf_reset(&b, 10);
	ok(!b.failed && b.len == 0, "reset clears the failure and the content");
	ok(b.cap <= 10, "reset gives back what is over keep_bytes");
	mr_buf_add_cstr(&b, "0123456789");
	is_str(mr_buf_str(&b), "0123456789", "usable after reset");
	mr_buf_reset(&b, 1000);
	ok(b.cap >= 10, "reset keeps a small capacity");
	mr_buf_free(&b);
}

static void
test_maximum(void)
{
	struct mr_buf b;

	mr_buf_init(&b, 8);
	mr_buf_add_cstr(&b, "1234");
	mr_buf_add_cstr(&b, "56789");
	ok(b.failed, "an append past the maximum fails");
	mr_buf_add_char(&b, 'x');
	ok(b.failed, "the failure stays");
	ok(b.len <= 8, "the length stays within the maximum");
	mr_buf_reset(&b, 8);
	mr_buf_add_cstr(&b, "12345678");
	ok(!b.failed, "exactly the maximum fits");
	is_str(mr_buf_str(&b), "12345678", "content at the maximum");
	mr_buf_free(&b);

	mr_buf_init(&b, 8);
	mr_buf_printf(&b, "%s", "12345678");
	ok(!b.failed && b.len == 8, "printf needs no room for a NUL at the maximum");
	mr_buf_printf(&b, "%d", 9);
	ok(b.failed, "printf past the maximum fails");
	mr_buf_free(&b);

	mr_buf_init(&b, 8);
	mr_buf_printf(&b, "%0100d", 1);
	ok(b.failed, "one long printf past the maximum fails");
	mr_buf_add_cstr(&b, "a");
	is_int(b.len, 0, "later appends are ignored");
	mr_buf_free(&b);

	mr_buf_init(&b, 3);
	mr_buf_add_be32(&b, 1);
	ok(b.failed, "an integer past the maximum fails");
	mr_buf_free(&b);

	mr_buf_init(&b, 0);
	mr_buf_add_cstr(&b, "");
	ok(!b.failed, "nothing fits into a maximum of 0");
	mr_buf_add_char(&b, 'x');
	ok(b.failed, "a byte does not fit into a maximum of 0");
	mr_buf_free(&b);
}

static void
test_reserve(void)
{
	struct mr_buf b;
	char *p;

	mr_buf_init(&b, 64);
	mr_buf_add_cstr(&b, "ab");
	p = mr_buf_reserve(&b, 62);
	ok(p != NULL && p == b.p + b.len, "reserve gives the place behind the content");
	if (p != NULL) {
		memset(p, 'c', 62);
		b.len += 62;
	}
	is_int(b.len, 64, "reserved bytes count once the caller adds them");
	ok(mr_buf_reserve(&b, 1) == NULL && b.failed, "reserve past the maximum fails");
	mr_buf_free(&b);

	mr_buf_init(&b, SIZE_MAX);
	mr_buf_add_cstr(&b, "ab");
	ok(mr_buf_reserve(&b, SIZE_MAX) == NULL && b.failed, "a length that overflows fails");
	mr_buf_reset(&b, 2);
	mr_buf_add_cstr(&b, "cd");
	is_str(mr_buf_str(&b), "cd", "usable after that");
	mr_buf_free(&b);
}

static void
test_printf_grows(void)
{
	struct mr_buf b;
	char text[3000];

	memset(text, 'y', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	mr_buf_init(&b, 10000);
	mr_buf_printf(&b, "<%s>", text);
	mr_buf_printf(&b, "<%s>", text);
	is_int(b.len, 2 * (sizeof text + 1), "printf of more than the capacity");
	ok(b.len == 6002 && b.p[3001] == '<' && b.p[6001] == '>', "its ends are in place");
	mr_buf_free(&b);
}

int
main(void)
{
	test_append();
	test_growth();
	test_maximum();
	test_reserve();
	test_printf_grows();
	return done();
}
