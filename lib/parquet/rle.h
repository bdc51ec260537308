/*
 * Parquet's hybrid of run lengths and bit packing ("RLE", encoding 3), for
 * definition levels and dictionary indices. Pure.
 * Source: the Parquet format's Encodings.md.
 */
#ifndef MR_PARQUET_RLE_H
#define MR_PARQUET_RLE_H

#include "base/buf.h"

/* Appends n values of `width` bits, 1 to 16, without a length in front. */
void mr_rle_put(struct mr_buf *out, const uint16_t *values, size_t n, unsigned width);

/* The bits that the values 0 to n - 1 need, at least 1. n is at most 65,536. */
unsigned mr_rle_width(size_t n);

#endif
