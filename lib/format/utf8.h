/* UTF-8 (RFC 3629): one code point at a time. Pure. */
#ifndef MR_FORMAT_UTF8_H
#define MR_FORMAT_UTF8_H

#include <stddef.h>

/* The length in bytes of the well-formed sequence at p, n > 0 bytes; 0: none. */
size_t mr_utf8_length(const char *p, size_t n);

/* Writes the code point (<= 0x10ffff, no surrogate) to `to`; returns 1 to 4. */
size_t mr_utf8_put(char *to, unsigned code);

/*
 * Copies n bytes; each byte that is part of no sequence, and NUL, which
 * PostgreSQL cannot hold, becomes U+FFFD. `to` has room for 3 n bytes.
 * Returns the bytes written.
 */
size_t mr_utf8_mend(char *to, const char *from, size_t n);

/* The largest length up to `most` at which p, well-formed, may be cut. */
size_t mr_utf8_cut(const char *p, size_t n, size_t most);

#endif
