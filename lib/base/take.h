/*
 * Reading a text piece by piece, from its front. Pure; inline, as every timestamp goes
 * through here.
 */
#ifndef MR_BASE_TAKE_H
#define MR_BASE_TAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <strings.h>

#include "base/str.h"

/* Whether it may be in a token: a name in a header (RFC 9110, section 5.6.2). */
static inline bool
mr_is_token(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* Passes n bytes, which there are. */
static inline void
mr_take(struct mr_str *s, size_t n)
{
	s->p += n;
	s->n -= n;
}

/* Takes exactly n digits, at most 18, from the front of *s. False: *s is untouched. */
static inline bool
mr_take_digits(struct mr_str *s, size_t n, int64_t *value)
{
	int64_t v = 0;

	if (s->n < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		v = v * 10 + (s->p[i] - '0');
	}
	mr_take(s, n);
	*value = v;
	return true;
}

/* Takes one character that is one of those. False: *s is untouched. */
static inline bool
mr_take_char(struct mr_str *s, const char *any_of)
{
	if (s->n == 0 || s->p[0] == '\0' || strchr(any_of, s->p[0]) == NULL)
		return false;
	mr_take(s, 1);
	return true;
}

/* Takes the word, in capitals or not. False: *s is untouched. */
static inline bool
mr_take_word(struct mr_str *s, const char *word)
{
	size_t n = strlen(word);

	if (s->n < n || strncasecmp(s->p, word, n) != 0)
		return false;
	mr_take(s, n);
	return true;
}

#endif
