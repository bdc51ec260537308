/* Error detail: see error.h. Holds no state. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

static void
fill(struct mr_error *err, enum mr_err code, int64_t offset, const char *fmt, va_list ap)
    __attribute__((format(printf, 4, 0)));

static void
fill(struct mr_error *err, enum mr_err code, int64_t offset, const char *fmt, va_list ap)
{
	if (err == NULL)
		return;
	err->code = code;
	err->offset = offset;
	(void)vsnprintf(err->text, sizeof err->text, fmt, ap);
}

enum mr_err
mr_fail(struct mr_error *err, enum mr_err code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(err, code, -1, fmt, ap);
	va_end(ap);
	return code;
}

enum mr_err
mr_fail_at(struct mr_error *err, enum mr_err code, int64_t offset, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(err, code, offset, fmt, ap);
	va_end(ap);
	return code;
}
