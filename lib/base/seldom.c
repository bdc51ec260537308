/* Lines that are written now and then: see seldom.h. One mutex guards all causes. */
#include "base/seldom.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/clock.h"

#define TEXT_MAX 2000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mr_seldom *causes; /* guarded by lock: those that had a line */

/* Whether it is time for a line; *left_out is what was not said before it. */
static bool
is_due(struct mr_seldom *cause, size_t *left_out)
{
	int64_t now = mr_clock_mono_ms();
	bool due;

	pthread_mutex_lock(&lock);
	if (!cause->known) {
		cause->known = 1;
		cause->next = causes;
		causes = cause;
		cause->next_ms = now;
	}
	due = now >= cause->next_ms;
	*left_out = cause->left_out;
	cause->left_out = due ? 0 : cause->left_out + 1;
	if (due)
		cause->next_ms = now + cause->every_ms;
	pthread_mutex_unlock(&lock);
	return due;
}

void
mr_seldom_log(struct mr_seldom *cause, enum mr_log_level level, const char *fmt, ...)
{
	char text[TEXT_MAX + 1];
	size_t left_out;
	va_list ap;

	if (!is_due(cause, &left_out))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (left_out == 0)
		mr_log(level, "%s", text);
	else
		mr_log(level, "%zu %s were not logged before this: %s", left_out, cause->what, text);
}

void
mr_seldom_tell(void)
{
	pthread_mutex_lock(&lock);
	for (struct mr_seldom *c = causes; c != NULL; c = c->next) {
		if (c->left_out > 0)
			mr_log_warning("%zu %s were not logged", c->left_out, c->what);
		c->left_out = 0;
	}
	pthread_mutex_unlock(&lock);
}
