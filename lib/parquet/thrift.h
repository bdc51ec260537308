/*
 * Writing Thrift's compact protocol, which Parquet's headers and footer are
 * in. Writes values only; which field is which is the caller's business. Pure.
 * Source: Apache Thrift, doc/specs/thrift-compact-protocol.md.
 */
#ifndef MR_PARQUET_THRIFT_H
#define MR_PARQUET_THRIFT_H

#include <stdbool.h>

#include "base/buf.h"

#define MR_THRIFT_MAX_DEPTH 8

/* Types of list elements. */
enum mr_thrift_type { MR_THRIFT_I32 = 5, MR_THRIFT_BINARY = 8, MR_THRIFT_STRUCT = 12 };

/* Appends to *out, whose `failed` tells whether it all fitted. */
struct mr_thrift {
	struct mr_buf *out;
	int last[MR_THRIFT_MAX_DEPTH]; /* number of the last field of each open struct */
	int depth;
};

/* Starts a struct that stands for itself or is an element of a list. */
void mr_thrift_begin(struct mr_thrift *t);
void mr_thrift_end(struct mr_thrift *t);

/* Fields of the open struct, in ascending order of their numbers, 1 to 15 apart. */
void mr_thrift_bool(struct mr_thrift *t, int field, bool value);
void mr_thrift_i16(struct mr_thrift *t, int field, int16_t value);
void mr_thrift_i32(struct mr_thrift *t, int field, int32_t value);
void mr_thrift_i64(struct mr_thrift *t, int field, int64_t value);
void mr_thrift_binary(struct mr_thrift *t, int field, struct mr_str value);
/* Its end is written by mr_thrift_end(). */
void mr_thrift_struct(struct mr_thrift *t, int field);
/* A struct without fields. */
void mr_thrift_empty(struct mr_thrift *t, int field);
/* n elements follow. */
void mr_thrift_list(struct mr_thrift *t, int field, enum mr_thrift_type type, size_t n);

/* Elements of a list. */
void mr_thrift_put_i32(struct mr_thrift *t, int32_t value);
void mr_thrift_put_binary(struct mr_thrift *t, struct mr_str value);

#endif
