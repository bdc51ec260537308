/* Error detail: see error.h. Holds no state. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The text was longer: its end is CUT, which begins where a character did. */
#define CUT "..."

static void
mark_as_cut(char text[MR_ERROR_TEXT_MAX])
{
	size_t at = MR_ERROR_TEXT_MAX - sizeof CUT;

	while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
		at--;
	memcpy(text + at, CUT, sizeof CUT);
}

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
	if (vsnprintf(err->text, sizeof err->text, fmt, ap) >= (int)sizeof err->text)
		mark_as_cut(err->text);
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
