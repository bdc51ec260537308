/*
 * A slice of bytes that somebody else owns. p == NULL is "no value" (SQL
 * NULL), which differs from an empty string. Never assume a closing NUL.
 */
#ifndef MR_BASE_STR_H
#define MR_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct mr_str {
	const char *p;
	size_t n;
};

#define MR_STR_NULL ((struct mr_str){ NULL, 0 })
#define MR_STR_LIT(lit) ((struct mr_str){ "" lit, sizeof(lit) - 1 })

/* The slice over a C string; NULL gives "no value". */
static inline struct mr_str
mr_str(const char *cstr)
{
	return (struct mr_str){ cstr, cstr != NULL ? strlen(cstr) : 0 };
}

static inline bool
mr_str_eq(struct mr_str a, struct mr_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Their order byte by byte, as strcmp() tells it; of two that begin alike the shorter is first. */
static inline int
mr_str_cmp(struct mr_str a, struct mr_str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n == 0 ? 0 : memcmp(a.p, b.p, n);

	return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

#endif
