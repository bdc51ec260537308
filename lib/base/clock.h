/*
 * Time: reading the clocks, and timestamps as text.
 * All points in time are microseconds since 1970-01-01T00:00:00Z (UTC).
 */
#ifndef MR_BASE_CLOCK_H
#define MR_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define MR_US_PER_S INT64_C(1000000)

/* The wall clock, and a clock that never goes back (milliseconds, microseconds). */
int64_t mr_clock_now_us(void);
int64_t mr_clock_mono_ms(void);
int64_t mr_clock_mono_us(void);

/*
 * Reads a timestamp as browsers and servers write it. Accepted:
 *   RFC 3339 date-time with any offset ("2025-06-22T14:00:00.123+02:00"),
 *   'T' or space, seconds and fraction optional, fraction cut to µs;
 *   without an offset: UTC; the offset's colon and minutes may be missing;
 *   a date alone: midnight UTC;
 *   epoch seconds or milliseconds as digits, a fraction allowed: a value of
 *   1e11 or more is milliseconds (1e11 s is the year 5138, 1e11 ms is 1973).
 * Years 0001 to 9999. A leap second (:60) counts as the next second.
 * Returns false, *us untouched, for anything else.
 */
bool mr_clock_parse(struct mr_str s, int64_t *us);

/* The same without the epoch, for times that people type: 20250622 is none. */
bool mr_clock_parse_date(struct mr_str s, int64_t *us);

/* Days from 1970-01-01 to a date of the Gregorian calendar; false: there is no such date. */
bool mr_clock_days(int64_t y, int64_t m, int64_t d, int64_t *days);

/* Takes the digits behind a decimal mark, at least one, as microseconds; the rest is cut. */
bool mr_clock_take_fraction(struct mr_str *s, int64_t *us);

/* Whether it is in the years 0001 to 9999. */
bool mr_clock_in_range(int64_t us);

/* Room for "2025-06-22T12:00:00.123Z" and its NUL. */
#define MR_CLOCK_TEXT 32

/* Writes RFC 3339 in UTC with milliseconds, as in the line above. */
void mr_clock_format(int64_t us, char text[MR_CLOCK_TEXT]);

#endif
