/*
 * A growable byte buffer with a hard maximum.
 *
 * Appends return nothing: the first that fails (maximum reached, no memory)
 * sets `failed` and every later one is ignored, so that a writer checks once,
 * at the end. Not safe for use by two threads at once.
 */
#ifndef MR_BASE_BUF_H
#define MR_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct mr_buf {
	char *p;     /* owned; len bytes are valid; no closing NUL */
	size_t len;
	size_t cap;
	size_t max;  /* bytes; cap never exceeds it */
	bool failed;
};

/* An empty buffer in the caller's storage; allocates nothing yet. */
void mr_buf_init(struct mr_buf *b, size_t max_bytes);

/* Releases the memory; the buffer may be used again afterwards. */
void mr_buf_free(struct mr_buf *b);

/* Empties it and clears `failed`; keeps up to keep_bytes of capacity. */
void mr_buf_reset(struct mr_buf *b, size_t keep_bytes);

/*
 * Room for n more bytes, at b->p + b->len; the caller writes them and adds
 * to b->len. NULL when it failed.
 */
char *mr_buf_reserve(struct mr_buf *b, size_t n);

void mr_buf_add(struct mr_buf *b, const void *data, size_t n);
void mr_buf_add_str(struct mr_buf *b, struct mr_str s);
void mr_buf_add_cstr(struct mr_buf *b, const char *s);
void mr_buf_add_char(struct mr_buf *b, char c);
void mr_buf_printf(struct mr_buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Big-endian (network order) integers, as PostgreSQL's binary formats use. */
void mr_buf_add_be32(struct mr_buf *b, uint32_t v);
void mr_buf_add_be64(struct mr_buf *b, uint64_t v);

/* What is in it; valid until the next append. */
static inline struct mr_str
mr_buf_str(const struct mr_buf *b)
{
	return (struct mr_str){ b->p != NULL ? b->p : "", b->len };
}

#endif
