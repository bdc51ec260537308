/* Copies of options: see copies.h. */
#include "secret/copies.h"

#include <stdlib.h>
#include <string.h>

#include "secret/secret.h"

static char **
string_at(void *options, size_t offset)
{
	return (char **)(void *)((char *)options + offset);
}

bool
mr_copies_make(void *options, const size_t *offsets, size_t n)
{
	bool good = true;

	for (size_t i = 0; i < n; i++) {
		char **s = string_at(options, offsets[i]);
		const char *given = *s;

		*s = given != NULL && given[0] != '\0' ? strdup(given) : NULL;
		good = good && (given == NULL || given[0] == '\0' || *s != NULL);
	}
	return good;
}

void
mr_copies_free(void *options, const size_t *offsets, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *s = *string_at(options, offsets[i]);

		if (s != NULL)
			mr_secret_wipe(s, strlen(s));
		free(s);
	}
}
