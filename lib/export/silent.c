/* Endpoints that did not answer: see silent.h. */
#include "export/silent.h"

#include <stdbool.h>
#include <string.h>

/* AWS has one for each region. */
static bool
same_endpoint(const struct mr_conf_bucket *a, const struct mr_conf_bucket *b)
{
	return strcmp(a->endpoint, b->endpoint) == 0 &&
	    (a->endpoint[0] != '\0' || strcmp(a->region, b->region) == 0);
}

void
mr_silent_note(struct mr_silent *s, const struct mr_conf_bucket *bucket, const struct mr_error *why)
{
	if (s->n == MR_SILENT_MAX || mr_silent_find(s, bucket) != NULL)
		return;
	s->of[s->n].bucket = bucket;
	s->of[s->n++].why = *why;
}

const struct mr_error *
mr_silent_find(const struct mr_silent *s, const struct mr_conf_bucket *bucket)
{
	for (size_t i = 0; i < s->n; i++)
		if (same_endpoint(s->of[i].bucket, bucket))
			return &s->of[i].why;
	return NULL;
}
