/*
 * A bump allocator for one request: many small pieces, freed all at once.
 * Pieces are aligned for any type and not zeroed. Not thread-safe.
 */
#ifndef MR_BASE_ARENA_H
#define MR_BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct mr_arena_chunk;

struct mr_arena {
	struct mr_arena_chunk *chunks; /* newest first */
	size_t total;                  /* bytes held in chunks */
	size_t max;                    /* bytes; total never exceeds it */
};

/* An empty arena in the caller's storage; allocates nothing yet. */
void mr_arena_init(struct mr_arena *a, size_t max_bytes);

/* Releases everything; the arena may be used again afterwards. */
void mr_arena_free(struct mr_arena *a);

/* Forgets every piece; keeps one chunk of the ordinary size for the next use. */
void mr_arena_reset(struct mr_arena *a);

/* n bytes (n may be 0), or NULL when the maximum or the memory is reached. */
void *mr_arena_alloc(struct mr_arena *a, size_t n);

/* count * size bytes, the product checked. */
void *mr_arena_array(struct mr_arena *a, size_t count, size_t size);

/* A copy of s with a closing NUL behind it; p == NULL when it failed. */
struct mr_str mr_arena_dup(struct mr_arena *a, struct mr_str s);

#endif
