/*
 * One-dimensional arrays in PostgreSQL's binary format (array_send, and the
 * send functions of the element types), built element by element.
 */
#ifndef MR_DB_PGARRAY_H
#define MR_DB_PGARRAY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/ip.h"

/* Type numbers, fixed in PostgreSQL's pg_type.dat. */
enum mr_pg_type {
	MR_PG_BYTEA = 17,
	MR_PG_INT8 = 20,
	MR_PG_INT4 = 23,
	MR_PG_TEXT = 25,
	MR_PG_INET = 869,
	MR_PG_TIMESTAMPTZ = 1184,
	MR_PG_UUID = 2950
};

struct mr_pgarray {
	struct mr_buf buf;
	uint32_t n;
	uint32_t has_null;
	enum mr_pg_type type;
};

void mr_pgarray_init(struct mr_pgarray *a, enum mr_pg_type type, size_t max_bytes);
void mr_pgarray_free(struct mr_pgarray *a);

/* Starts an empty array; memory beyond keep_bytes is released. */
void mr_pgarray_begin(struct mr_pgarray *a, size_t keep_bytes);

void mr_pgarray_add_null(struct mr_pgarray *a);
void mr_pgarray_add_int4(struct mr_pgarray *a, int32_t v);
void mr_pgarray_add_int8(struct mr_pgarray *a, int64_t v);

/* timestamptz from microseconds since 1970. */
void mr_pgarray_add_time(struct mr_pgarray *a, int64_t us);

/* text, bytea or uuid; p == NULL: NULL. text must be UTF-8 without NUL, a uuid 16 bytes. */
void mr_pgarray_add_str(struct mr_pgarray *a, struct mr_str s);

/* inet; family 0: NULL. */
void mr_pgarray_add_inet(struct mr_pgarray *a, const struct mr_ip *ip);

/*
 * Writes the header; the bytes are then valid until the next begin. p == NULL
 * when an addition failed (memory, maximum).
 */
struct mr_str mr_pgarray_end(struct mr_pgarray *a);

#endif
