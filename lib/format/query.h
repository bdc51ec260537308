/*
 * Query strings, application/x-www-form-urlencoded (WHATWG URL, section 5.1):
 * "a=1&b=two+words&c=%C3%A9". Pure.
 */
#ifndef MR_FORMAT_QUERY_H
#define MR_FORMAT_QUERY_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

struct mr_query_pair {
	struct mr_str name;
	struct mr_str value; /* "" where there is no '=' */
};

/*
 * Takes the next pair off the front of *rest and decodes it; a '%' without two
 * hex digits stays as it is. Empty pieces are passed over. Decoded text lies in
 * *rest's memory or in the arena; invalid UTF-8 and NUL become U+FFFD.
 * Returns false at the end; sets *failed (never clears it) when memory ran out.
 */
bool mr_query_next(struct mr_arena *arena, struct mr_str *rest, struct mr_query_pair *pair,
    bool *failed);

/* The value of the first pair of that name; p == NULL: there is none. */
struct mr_str mr_query_get(struct mr_arena *arena, struct mr_str query, const char *name);

#endif
