/* Numbers and times as text, for millions of rows. Pure. */
#ifndef MR_FORMAT_TEXTOUT_H
#define MR_FORMAT_TEXTOUT_H

#include <stdint.h>

#define MR_TEXTOUT_INT64 20 /* bytes of the longest number */
#define MR_TEXTOUT_TIME 27  /* bytes of "2025-06-22T12:00:00.123456Z" */

/* Writes the number in decimal; returns the byte behind it. No NUL. */
char *mr_textout_int64(char *to, int64_t value);

/* The second that was written last: rows that follow each other often share it. */
struct mr_textout_second {
	int64_t second;
	char text[MR_TEXTOUT_TIME]; /* empty before the first */
};

/*
 * Writes RFC 3339 in UTC with microseconds, MR_TEXTOUT_TIME bytes, no NUL;
 * returns the byte behind it. us lies in the years 1 to 9999. *last is zero at
 * first and serves all calls for one column.
 */
char *mr_textout_time(char *to, int64_t us, struct mr_textout_second *last);

#endif
