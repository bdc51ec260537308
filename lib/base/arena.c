/* Bump allocator: see arena.h. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

/*
 * A request of ordinary size fits in one chunk, which is kept for the next. The
 * chunks of a large one grow, so that malloc maps them, and what is freed goes
 * back to the system instead of lying between what is not.
 */
#define CHUNK_BYTES ((size_t)16 * 1024)
#define GROWS_FROM (4 * CHUNK_BYTES)

struct mr_arena_chunk {
	struct mr_arena_chunk *older;
	size_t cap;
	size_t used;
	alignas(max_align_t) char data[];
};

void
mr_arena_init(struct mr_arena *a, size_t max_bytes)
{
	*a = (struct mr_arena){ .chunks = NULL, .max = max_bytes };
}

static void
drop_newest(struct mr_arena *a)
{
	struct mr_arena_chunk *c = a->chunks;

	a->chunks = c->older;
	a->total -= c->cap;
	free(c);
}

void
mr_arena_free(struct mr_arena *a)
{
	while (a->chunks != NULL)
		drop_newest(a);
}

void
mr_arena_reset(struct mr_arena *a)
{
	while (a->chunks != NULL && (a->chunks->older != NULL || a->chunks->cap > CHUNK_BYTES))
		drop_newest(a);
	if (a->chunks != NULL)
		a->chunks->used = 0;
}

static struct mr_arena_chunk *
add_chunk(struct mr_arena *a, size_t need)
{
	struct mr_arena_chunk *c;
	size_t cap = a->total >= GROWS_FROM ? a->total : CHUNK_BYTES;

	if (cap < need)
		cap = need;
	if (cap > a->max - a->total)
		cap = need;
	if (cap > a->max - a->total)
		return NULL;
	c = malloc(sizeof *c + cap);
	if (c == NULL)
		return NULL;
	c->older = a->chunks;
	c->cap = cap;
	c->used = 0;
	a->chunks = c;
	a->total += cap;
	return c;
}

void *
mr_arena_alloc(struct mr_arena *a, size_t n)
{
	struct mr_arena_chunk *c = a->chunks;
	size_t need;
	char *p;

	if (n > SIZE_MAX - alignof(max_align_t) - sizeof *c)
		return NULL;
	need = (n + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
	if (c == NULL || need > c->cap - c->used)
		c = add_chunk(a, need);
	if (c == NULL)
		return NULL;
	p = c->data + c->used;
	c->used += need;
	return p;
}

void *
mr_arena_array(struct mr_arena *a, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size)
		return NULL;
	return mr_arena_alloc(a, count * size);
}

struct mr_str
mr_arena_dup(struct mr_arena *a, struct mr_str s)
{
	char *p;

	if (s.n == SIZE_MAX || (p = mr_arena_alloc(a, s.n + 1)) == NULL)
		return MR_STR_NULL;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return (struct mr_str){ p, s.n };
}
