/* The Forwarded header: see forwarded.h. */
#include "format/forwarded.h"

#include <stdbool.h>

#include "base/take.h"

struct list {
	char *p;
	size_t n;
};

static void
skip_blanks(struct mr_str *s)
{
	while (mr_take_char(s, " \t"))
		;
}

/* A value that some write without the quotes that its brackets and colons need. */
static bool
is_value(char c)
{
	return mr_is_token(c) || c == ':' || c == '[' || c == ']';
}

static struct mr_str
take_while(struct mr_str *s, bool (*fits)(char))
{
	struct mr_str run = { s->p, 0 };

	while (run.n < s->n && fits(s->p[run.n]))
		run.n++;
	s->p += run.n;
	s->n -= run.n;
	return run;
}

/* A comma within quotes would make two entries of one. */
static void
put(struct list *to, char c)
{
	if (to != NULL)
		to->p[to->n++] = c == ',' ? '?' : c;
}

/* Behind the quote, to the closing one, escapes undone. False: there is none. */
static bool
take_quoted(struct mr_str *s, struct list *to)
{
	while (s->n > 0 && s->p[0] != '"') {
		size_t escape = s->p[0] == '\\' && s->n > 1;

		put(to, s->p[escape]);
		s->p += 1 + escape;
		s->n -= 1 + escape;
	}
	return mr_take_char(s, "\"");
}

/* name "=" value; the value of `for` goes to the list. */
static bool
take_pair(struct mr_str *s, struct list *to)
{
	struct mr_str name = take_while(s, mr_is_token), value;
	bool wanted = name.n == 3 && mr_take_word(&name, "for");

	if (!mr_take_char(s, "="))
		return false;
	if (mr_take_char(s, "\""))
		return take_quoted(s, wanted ? to : NULL);
	value = take_while(s, is_value);
	for (size_t i = 0; i < value.n && wanted; i++)
		put(to, value.p[i]);
	return value.n > 0;
}

/* Up to its comma. False: it is no element, and nothing that follows can be read. */
static bool
take_element(struct mr_str *s, struct list *to)
{
	do {
		skip_blanks(s);
		if (s->n > 0 && strchr(",;", s->p[0]) == NULL && !take_pair(s, to))
			return false;
		skip_blanks(s);
	} while (mr_take_char(s, ";"));
	return s->n == 0 || s->p[0] == ',';
}

struct mr_str
mr_forwarded_for(struct mr_arena *arena, struct mr_str header)
{
	/* An entry is shorter than its element, but for a "?" where there is nothing. */
	struct list to = { header.p != NULL ? mr_arena_array(arena, header.n + 1, 2) : NULL, 0 };

	if (to.p == NULL)
		return MR_STR_NULL;
	do {
		size_t from = to.n;

		skip_blanks(&header);
		if (header.n == 0 || header.p[0] == ',')
			continue;
		if (!take_element(&header, &to)) {
			to.p[from] = '?';
			to.n = from + 1;
			break;
		}
		if (to.n == from)
			to.p[to.n++] = '?';
		to.p[to.n++] = ',';
	} while (mr_take_char(&header, ","));
	return (struct mr_str){ to.p, to.n };
}
