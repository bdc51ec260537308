/*
 * CSV (RFC 4180): a header line, lines that end with CR LF, quotes where they
 * are needed. NULL is an empty cell, the empty string is "". Times as in
 * NDJSON; the payload is one cell of JSON text.
 *
 * A text that a client chose and that begins with = + - @ TAB or CR gets an
 * apostrophe in front, so that no spreadsheet runs it as a formula. The
 * payload always begins with a brace.
 */
#ifndef MR_STAGE_ENC_CSV_H
#define MR_STAGE_ENC_CSV_H

#include "stage/stage.h"

/* NULL when there is no memory; *err says so. */
struct mr_stage *mr_enc_csv_new(struct mr_stage *next, struct mr_error *err);

#endif
