/*
 * CSV (RFC 4180): a header line, lines that end with CR LF, quotes where they
 * are needed. NULL is an empty cell, the empty string is "". Times as in
 * NDJSON; the payload is one cell of JSON text. Texts are what was sent.
 *
 * With a guard, a text that a client chose and that begins with one of its
 * characters gets an apostrophe in front, so that no spreadsheet runs it as a
 * formula. The payload always begins with a brace.
 */
#ifndef MR_STAGE_ENC_CSV_H
#define MR_STAGE_ENC_CSV_H

#include "stage/stage.h"

/*
 * An apostrophe is one of them: without the first apostrophe of each text that
 * has one in front, all are what was sent.
 */
#define MR_CSV_GUARD "=+-@\t\r'"
#define MR_CSV_GUARD_OLD "=+-@\t\r" /* once; =1 and '=1 become the same */

/*
 * guard: one of these, or NULL for none. drops_keys: see textenc.h. NULL when there is no
 * memory; *err says so.
 */
struct mr_stage *mr_enc_csv_new(struct mr_stage *next, const char *guard, bool drops_keys,
    struct mr_error *err);

#endif
