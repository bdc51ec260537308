/*
 * Error codes and the detail that goes with them.
 *
 * A function that can fail returns 0 (MR_OK) or an enum mr_err and fills the
 * caller's struct mr_error, which may be NULL. Nothing is logged on the way:
 * the layer that decides what to do about an error logs it, once.
 */
#ifndef MR_BASE_ERROR_H
#define MR_BASE_ERROR_H

#include <stdint.h>

enum mr_err {
	MR_OK = 0,
	MR_EINVAL, /* the input is wrong; the same input will fail again */
	MR_ELIMIT, /* the input is larger than a limit allows */
	MR_ENOMEM, /* no memory */
	MR_EIO,    /* a system call failed for good */
	MR_EAGAIN  /* not possible now; the same call may succeed later */
};

#define MR_ERROR_TEXT_MAX 512

struct mr_error {
	enum mr_err code;
	int64_t offset; /* byte of the input where it went wrong; -1: none */
	char text[MR_ERROR_TEXT_MAX]; /* object, cause, what to do; lower case */
};

#define MR_ERROR_INIT { .code = MR_OK, .offset = -1, .text = "" }

/*
 * Fills *err (NULL is allowed) with a code and a printf-style text, offset -1.
 * Returns the code, so that a caller can write `return mr_fail(err, MR_EINVAL,
 * "…")`. A text of MR_ERROR_TEXT_MAX bytes or more is cut, never within a
 * UTF-8 character, and then ends with "...".
 */
enum mr_err mr_fail(struct mr_error *err, enum mr_err code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, with the offset of the offending byte. */
enum mr_err mr_fail_at(struct mr_error *err, enum mr_err code, int64_t offset,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
