/* Reading a text from its front: see take.h. */
#include "base/take.h"

#include <strings.h>

static void
pass(struct mr_str *s, size_t n)
{
	s->p += n;
	s->n -= n;
}

bool
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
	pass(s, n);
	*value = v;
	return true;
}

bool
mr_take_char(struct mr_str *s, const char *any_of)
{
	if (s->n == 0 || s->p[0] == '\0' || strchr(any_of, s->p[0]) == NULL)
		return false;
	pass(s, 1);
	return true;
}

bool
mr_take_word(struct mr_str *s, const char *word)
{
	size_t n = strlen(word);

	if (s->n < n || strncasecmp(s->p, word, n) != 0)
		return false;
	pass(s, n);
	return true;
}
