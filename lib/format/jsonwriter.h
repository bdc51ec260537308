/*
 * Writing a JSON document (RFC 8259) piece by piece: the writer puts the commas, the colons
 * and the brackets, and knows what is open. A key stands before each value in an object;
 * NULL before one in an array, and before the document itself, which is one value.
 *
 * The calls return nothing: what goes wrong, a call that would make no JSON among it, sets
 * the buffer's `failed`, which is looked at once, at the end. Single strings are jsonout.h's.
 */
#ifndef MR_FORMAT_JSONWRITER_H
#define MR_FORMAT_JSONWRITER_H

#include "base/buf.h"

#define MR_JSON_WRITER_DEPTH 32 /* of open objects and arrays */

struct mr_json_writer {
	struct mr_buf *to;
	unsigned depth;      /* of what is open; 0: the document has not begun, or has ended */
	uint32_t arrays;     /* bit i: what is open at depth i + 1 is an array */
	uint32_t filled;     /* bit i: it has a value already */
	bool begun;
};

/* A new document, at the end of the buffer, which must outlive it. */
void mr_json_begin(struct mr_json_writer *w, struct mr_buf *to);

/* What comes between is in it. */
void mr_json_object(struct mr_json_writer *w, const char *key);
void mr_json_array(struct mr_json_writer *w, const char *key);
void mr_json_end(struct mr_json_writer *w);

/* s.p == NULL writes null. Bytes that are no UTF-8, and NUL, become U+FFFD. */
void mr_json_text(struct mr_json_writer *w, const char *key, struct mr_str s);
void mr_json_int(struct mr_json_writer *w, const char *key, int64_t value);
void mr_json_uint(struct mr_json_writer *w, const char *key, uint64_t value);
void mr_json_bool(struct mr_json_writer *w, const char *key, bool value);
/* "YYYY-MM-DDTHH:MM:SS.mmmZ" */
void mr_json_time(struct mr_json_writer *w, const char *key, int64_t us);
/* One value that is JSON already. */
void mr_json_as_is(struct mr_json_writer *w, const char *key, struct mr_str json);

/* The document has ended: whether it is whole. When not, the buffer has failed. */
bool mr_json_done(struct mr_json_writer *w);

#endif
