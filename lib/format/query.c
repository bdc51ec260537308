/* Query strings: see query.h. */
#include "format/query.h"

#include <stdint.h>

#include "format/utf8.h"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t
undo_percent(char *to, struct mr_str s)
{
	size_t used = 0;

	for (size_t i = 0; i < s.n; i++) {
		int high, low;

		if (s.p[i] == '%' && s.n - i > 2 && (high = hex_digit(s.p[i + 1])) >= 0 &&
		    (low = hex_digit(s.p[i + 2])) >= 0) {
			to[used++] = (char)(high << 4 | low);
			i += 2;
		} else {
			to[used++] = s.p[i] == '+' ? ' ' : s.p[i];
		}
	}
	return used;
}

static bool
is_plain(struct mr_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '%' || s.p[i] == '+' || s.p[i] == '\0' ||
		    (unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

static struct mr_str
decode(struct mr_arena *arena, struct mr_str s, bool *failed)
{
	char *raw, *clean;
	size_t n;

	if (is_plain(s))
		return s;
	raw = mr_arena_alloc(arena, s.n);
	clean = mr_arena_array(arena, s.n, 3);
	if (raw == NULL || clean == NULL) {
		*failed = true;
		return MR_STR_NULL;
	}
	n = undo_percent(raw, s);
	return (struct mr_str){ clean, mr_utf8_mend(clean, raw, n) };
}

/* Takes what stands before the first `end`, or all of it. */
static struct mr_str
take_until(struct mr_str *s, char end)
{
	const char *found = s->n > 0 ? memchr(s->p, end, s->n) : NULL;
	struct mr_str head = { s->p, found != NULL ? (size_t)(found - s->p) : s->n };
	size_t passed = head.n + (found != NULL);

	s->p += passed;
	s->n -= passed;
	return head;
}

bool
mr_query_next(struct mr_arena *arena, struct mr_str *rest, struct mr_query_pair *pair,
    bool *failed)
{
	struct mr_str piece, name;

	do {
		if (rest->p == NULL || rest->n == 0)
			return false;
		piece = take_until(rest, '&');
	} while (piece.n == 0);
	name = take_until(&piece, '=');
	pair->name = decode(arena, name, failed);
	pair->value = decode(arena, piece, failed);
	return !*failed;
}

struct mr_str
mr_query_get(struct mr_arena *arena, struct mr_str query, const char *name)
{
	struct mr_query_pair pair;
	bool failed = false;

	while (mr_query_next(arena, &query, &pair, &failed))
		if (mr_str_eq(pair.name, mr_str(name)))
			return pair.value;
	return MR_STR_NULL;
}
