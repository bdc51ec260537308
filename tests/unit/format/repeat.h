/* Texts that are too long to be written out. */
#ifndef MR_TESTS_UNIT_FORMAT_REPEAT_H
#define MR_TESTS_UNIT_FORMAT_REPEAT_H

#include "../tap.h"

/* prefix, count times unit, suffix; the caller frees it. */
static inline char *
repeat(const char *prefix, const char *unit, size_t count, const char *suffix, size_t *len)
{
	size_t a = strlen(prefix), b = strlen(unit), c = strlen(suffix);
	char *text = malloc(a + b * count + c + 1);

	if (text == NULL)
		bail("no memory");
	memcpy(text, prefix, a);
	for (size_t i = 0; i < count; i++)
		memcpy(text + a + i * b, unit, b);
	memcpy(text + a + b * count, suffix, c);
	*len = a + b * count + c;
	return text;
}

#endif
