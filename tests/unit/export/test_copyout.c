/* Unit tests of stage/copyout: tuples that are good, and every way to be cut off. */
#include "export/copyout.h"

#include <stdio.h>
#include <stdlib.h>

#include "../tap.h"
#include "base/buf.h"

static struct mr_error err;

static void
put_field(struct mr_buf *b, const void *data, size_t n)
{
	mr_buf_add_be32(b, (uint32_t)n);
	mr_buf_add(b, data, n);
}

static void
put_int64(struct mr_buf *b, int64_t v)
{
	mr_buf_add_be32(b, 8);
	mr_buf_add_be64(b, (uint64_t)v);
}

static void
put_null(struct mr_buf *b)
{
	mr_buf_add_be32(b, UINT32_MAX);
}

/* A row with a value everywhere; nulls: with NULL where that may be. */
static void
make_tuple(struct mr_buf *b, bool nulls, const void *inet, size_t inet_n, const char *payload)
{
	mr_buf_add(b, "\0\13", 2);
	put_int64(b, 42);
	for (int i = 0; i < 3; i++)
		put_int64(b, 1000 + i);
	put_field(b, "site", 4);
	put_field(b, "", 0);
	if (nulls) {
		for (int i = 0; i < 4; i++)
			put_null(b);
	} else {
		put_field(b, "session", 7);
		put_field(b, "visitor", 7);
		put_field(b, inet, inet_n);
		put_field(b, "agent", 5);
	}
	put_field(b, payload, strlen(payload));
}

static enum mr_err
read_tuple(const struct mr_buf *b, struct mr_export_row *row)
{
	/* A copy of exactly its size, so that a sanitizer sees a byte too many. */
	char *copy = malloc(b->len > 0 ? b->len : 1);
	enum mr_err e;

	if (copy == NULL)
		bail("no memory");
	memcpy(copy, b->p, b->len);
	e = mr_copyout_tuple((struct mr_str){ copy, b->len }, row, &err);
	free(copy);
	return e;
}

static const char inet4[] = { 2, 32, 0, 4, 10, 1, 2, 3 };
static const char inet6[] = { 3, (char)128, 0, 16, 0x20, 1, 0xd, (char)0xb8, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 1 };

static void
test_good(void)
{
	struct mr_export_row r;
	struct mr_buf b;
	char text[MR_IP_TEXT];

	mr_buf_init(&b, 4096);
	make_tuple(&b, false, inet4, sizeof inet4, "{}");
	is_int(mr_copyout_tuple(mr_buf_str(&b), &r, &err), MR_OK, "a row");
	is_int(r.id, 42, "id");
	is_int(r.created_us, INT64_C(946684800001000), "created_at");
	is_int(r.event.received_us, INT64_C(946684800001001), "received_at");
	is_int(r.event.event_us, INT64_C(946684800001002), "event_time");
	is_str(r.event.site_id, "site", "site_id");
	ok(r.event.event_type.p != NULL && r.event.event_type.n == 0, "an empty text is no NULL");
	is_str(r.event.session_id, "session", "session_id");
	is_str(r.event.visitor_id, "visitor", "visitor_id");
	is_str(r.event.user_agent, "agent", "user_agent");
	is_str(r.event.payload, "{}", "payload");
	mr_ip_format(&r.event.client_ip, text);
	is_str(mr_str(text), "10.1.2.3", "client_ip");

	mr_buf_reset(&b, 0);
	make_tuple(&b, false, inet6, sizeof inet6, "{}");
	is_int(mr_copyout_tuple(mr_buf_str(&b), &r, &err), MR_OK, "another");
	mr_ip_format(&r.event.client_ip, text);
	is_str(mr_str(text), "2001:db8::1", "IPv6");

	mr_buf_reset(&b, 0);
	make_tuple(&b, true, NULL, 0, "{}");
	is_int(mr_copyout_tuple(mr_buf_str(&b), &r, &err), MR_OK, "one with NULLs");
	ok(r.event.session_id.p == NULL && r.event.visitor_id.p == NULL &&
	    r.event.user_agent.p == NULL && r.event.client_ip.family == 0, "they are NULLs");

	mr_buf_reset(&b, 0);
	make_tuple(&b, false, inet4, sizeof inet4, "\1{\"a\": 1}");
	is_int(mr_copyout_tuple(mr_buf_str(&b), &r, &err), MR_OK, "one of a table with jsonb");
	is_str(r.event.payload, "{\"a\": 1}", "payload, without its version");
	mr_buf_free(&b);
}

static void
test_bad(void)
{
	static const char short4[] = { 2, 32, 0, 4, 10, 1, 2 };
	static const char long4[] = { 2, 32, 0, 4, 10, 1, 2, 3, 4 };
	static const char alien[] = { 9, 32, 0, 4, 10, 1, 2, 3 };
	static const char liar[] = { 2, 32, 0, 16, 10, 1, 2, 3 };
	const struct {
		const char *p;
		size_t n;
		const char *what;
	} addresses[] = { { short4, sizeof short4, "short" }, { long4, sizeof long4, "long" },
		{ alien, sizeof alien, "of no known family" }, { liar, sizeof liar, "of two lengths" } };
	static const struct {
		const char *text, *what;
	} payloads[] = { { "", "no JSON" }, { "\1", "jsonb of nothing" },
		{ "\2{}", "jsonb of another version" }, { "\1\1{}", "of two versions" } };
	struct mr_export_row r;
	struct mr_buf b, cut;

	mr_buf_init(&b, 4096);
	mr_buf_init(&cut, 4096);
	make_tuple(&b, false, inet4, sizeof inet4, "{}");
	for (size_t n = 0; n < b.len; n++) {
		mr_buf_reset(&cut, 4096);
		mr_buf_add(&cut, b.p, n);
		if (read_tuple(&cut, &r) == MR_OK)
			ok(false, "a row of %zu instead of %zu bytes is refused", n, b.len);
	}
	ok(true, "a row that is cut off anywhere is refused");
	mr_buf_add_char(&b, 'x');
	is_int(read_tuple(&b, &r), MR_EINVAL, "a row with more behind it");
	b.len--;
	b.p[1] = 10;
	is_int(read_tuple(&b, &r), MR_EINVAL, "a row of ten columns");
	b.p[1] = 11;
	for (size_t i = 0; i < ROWS(payloads); i++) {
		mr_buf_reset(&b, 0);
		make_tuple(&b, false, inet4, sizeof inet4, payloads[i].text);
		is_int(read_tuple(&b, &r), MR_EINVAL, payloads[i].what);
	}
	for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
		mr_buf_reset(&b, 0);
		make_tuple(&b, false, addresses[i].p, addresses[i].n, "{}");
		is_int(read_tuple(&b, &r), MR_EINVAL, addresses[i].what);
	}
	mr_buf_free(&b);
	mr_buf_free(&cut);
}

int
main(void)
{
	test_good();
	test_bad();
	return done();
}
