/*
 * A small TAP producer for the unit tests: one program, one thread.
 *
 * A table-driven test calls row(line) for each row; a failing check then names
 * the row's line as well as its own. done() prints the plan and gives the
 * exit status of main.
 */
#ifndef MR_TESTS_UNIT_TAP_H
#define MR_TESTS_UNIT_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static struct {
	int run;
	int failed;
	int row; /* line of the table row being checked; 0: none */
} tap;

/* Every later check belongs to the table row at this line; 0 ends that. */
static inline void
row(int line)
{
	tap.row = line;
}

/* Bytes on one diagnostic line, whatever they are. */
static inline void
tap_bytes(const char *label, struct mr_str s)
{
	printf("#   %s ", label);
	if (s.p == NULL) {
		printf("NULL\n");
		return;
	}
	putchar('"');
	for (size_t i = 0; i < s.n && i < 300; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c > 0x7e)
			printf("\\x%02x", c);
		else
			putchar(c);
	}
	printf("\"%s (%zu bytes)\n", s.n > 300 ? "…" : "", s.n);
}

static inline bool tap_check(bool good, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static inline bool
tap_check(bool good, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	tap.run++;
	tap.failed += !good;
	printf("%s %d - ", good ? "ok" : "not ok", tap.run);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	if (tap.row != 0)
		printf(" (row at line %d)", tap.row);
	putchar('\n');
	if (!good && tap.row != 0)
		printf("# failed at %s:%d, row at %s:%d\n", file, line, file, tap.row);
	else if (!good)
		printf("# failed at %s:%d\n", file, line);
	fflush(stdout);
	return good;
}

static inline bool
tap_int(int64_t got, int64_t want, const char *file, int line, const char *what)
{
	bool good = tap_check(got == want, file, line, "%s", what);

	if (!good)
		printf("#   got %lld, expected %lld\n", (long long)got, (long long)want);
	return good;
}

/* NULL and the empty string differ. */
static inline bool
tap_str(struct mr_str got, struct mr_str want, const char *file, int line, const char *what)
{
	bool good = tap_check((got.p == NULL) == (want.p == NULL) && mr_str_eq(got, want),
	    file, line, "%s", what);

	if (!good) {
		tap_bytes("got     ", got);
		tap_bytes("expected", want);
	}
	return good;
}

static inline bool
tap_contains(const char *text, const char *part, const char *file, int line, const char *what)
{
	bool good = tap_check(text != NULL && strstr(text, part) != NULL, file, line, "%s", what);

	if (!good) {
		tap_bytes("got     ", mr_str(text));
		tap_bytes("no part ", mr_str(part));
	}
	return good;
}

/* ok(condition, printf-style name) */
#define ok(cond, ...) tap_check((cond), __FILE__, __LINE__, __VA_ARGS__)
/* is_int(got, expected, "what it is") */
#define is_int(got, want, what) \
	tap_int((int64_t)(got), (int64_t)(want), __FILE__, __LINE__, (what))
/* is_str(struct mr_str got, C string expected or NULL, "what it is") */
#define is_str(got, want, what) tap_str((got), mr_str(want), __FILE__, __LINE__, (what))
/* is_bytes(struct mr_str got, struct mr_str expected, "what it is") */
#define is_bytes(got, want, what) tap_str((got), (want), __FILE__, __LINE__, (what))
/* is_part(C string, what stands somewhere in it, "what it is") */
#define is_part(text, part, what) \
	tap_contains((text), (part), __FILE__, __LINE__, (what))

/* A further line of explanation behind a failed check. */
static inline void diag(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static inline void
diag(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* One check that cannot be made here, and why. */
static inline void
skip(const char *what, const char *why)
{
	tap.run++;
	printf("ok %d - %s # SKIP %s\n", tap.run, what, why);
}

/* The test itself cannot go on. */
static inline _Noreturn void bail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static inline _Noreturn void
bail(const char *fmt, ...)
{
	va_list ap;

	printf("Bail out! ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	exit(99);
}

/* An empty folder of the test's own, below $TMPDIR or /tmp: its path into dir. */
static inline void
make_temp_dir(char *dir, size_t size, const char *name)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, size, "%s/mr-%s-XXXXXX", tmp != NULL ? tmp : "/tmp", name);
	if (mkdtemp(dir) == NULL)
		bail("cannot make %s", dir);
}

static inline int
done(void)
{
	printf("1..%d\n", tap.run);
	if (tap.failed != 0)
		printf("# %d of %d checks failed\n", tap.failed, tap.run);
	return tap.failed == 0 ? 0 : 1;
}

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* A string literal as a slice, NUL bytes and all, for use in static tables. */
#define BYTES(lit) { "" lit, sizeof(lit) - 1 }

#endif
