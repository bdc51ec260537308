/* Binary arrays for PostgreSQL: see pgarray.h. */
#include "db/pgarray.h"

#include "base/clock.h"

/* Dimensions, has-null flag, element type, length, lower bound: 4 bytes each. */
#define HEADER_BYTES 20

/* 2000-01-01T00:00:00Z, where PostgreSQL counts from, in µs since 1970. */
#define PG_EPOCH_US (INT64_C(946684800) * MR_US_PER_S)

/* inet_send: PGSQL_AF_INET and PGSQL_AF_INET6. */
#define PG_AF_INET 2
#define PG_AF_INET6 3

void
mr_pgarray_init(struct mr_pgarray *a, enum mr_pg_type type, size_t max_bytes)
{
	*a = (struct mr_pgarray){ .type = type };
	mr_buf_init(&a->buf, max_bytes);
}

void
mr_pgarray_free(struct mr_pgarray *a)
{
	mr_buf_free(&a->buf);
}

void
mr_pgarray_begin(struct mr_pgarray *a, size_t keep_bytes)
{
	mr_buf_reset(&a->buf, keep_bytes);
	a->n = 0;
	a->has_null = 0;
	if (mr_buf_reserve(&a->buf, HEADER_BYTES) != NULL)
		a->buf.len = HEADER_BYTES;
}

static void
begin_element(struct mr_pgarray *a, size_t n)
{
	a->n++;
	mr_buf_add_be32(&a->buf, (uint32_t)n);
}

void
mr_pgarray_add_null(struct mr_pgarray *a)
{
	a->n++;
	a->has_null = 1;
	mr_buf_add_be32(&a->buf, UINT32_MAX);
}

void
mr_pgarray_add_int4(struct mr_pgarray *a, int32_t v)
{
	begin_element(a, 4);
	mr_buf_add_be32(&a->buf, (uint32_t)v);
}

void
mr_pgarray_add_int8(struct mr_pgarray *a, int64_t v)
{
	begin_element(a, 8);
	mr_buf_add_be64(&a->buf, (uint64_t)v);
}

void
mr_pgarray_add_time(struct mr_pgarray *a, int64_t us)
{
	mr_pgarray_add_int8(a, us - PG_EPOCH_US);
}

void
mr_pgarray_add_str(struct mr_pgarray *a, struct mr_str s)
{
	if (s.p == NULL) {
		mr_pgarray_add_null(a);
		return;
	}
	begin_element(a, s.n);
	mr_buf_add_str(&a->buf, s);
}

void
mr_pgarray_add_inet(struct mr_pgarray *a, const struct mr_ip *ip)
{
	size_t n = ip->family == 4 ? 4 : 16;
	char head[4] = { ip->family == 4 ? PG_AF_INET : PG_AF_INET6, (char)(n * 8),
		0 /* is_cidr */, (char)n };

	if (ip->family == 0) {
		mr_pgarray_add_null(a);
		return;
	}
	begin_element(a, sizeof head + n);
	mr_buf_add(&a->buf, head, sizeof head);
	mr_buf_add(&a->buf, ip->bytes, n);
}

static void
put_be32(char *to, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		to[i] = (char)(v >> (24 - 8 * i));
}

struct mr_str
mr_pgarray_end(struct mr_pgarray *a)
{
	const uint32_t header[HEADER_BYTES / 4] = { a->n > 0, a->has_null, a->type, a->n, 1 };

	if (a->buf.failed)
		return MR_STR_NULL;
	/* An array without elements has no dimension, and no length and bound. */
	if (a->n == 0)
		a->buf.len = HEADER_BYTES - 8;
	for (size_t i = 0; i < sizeof header / sizeof header[0]; i++)
		put_be32(a->buf.p + 4 * i, header[i]);
	return mr_buf_str(&a->buf);
}
