/*
 * Writing JSON text into a buffer. The caller puts the commas and braces.
 */
#ifndef MR_FORMAT_JSONOUT_H
#define MR_FORMAT_JSONOUT_H

#include "base/buf.h"

/*
 * A JSON string with its quotes. Escapes what RFC 8259 section 7 demands;
 * bytes that are no UTF-8 and NUL become U+FFFD. p == NULL writes null.
 */
void mr_jsonout_string(struct mr_buf *b, struct mr_str s);

/* "key": in front of a value; the key is written as it is. */
void mr_jsonout_key(struct mr_buf *b, const char *key);

/* "YYYY-MM-DDTHH:MM:SS.mmmZ" with its quotes. */
void mr_jsonout_time(struct mr_buf *b, int64_t us);

#endif
