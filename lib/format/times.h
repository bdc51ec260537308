/*
 * Timestamps as all kinds of senders write them. Pure.
 */
#ifndef MR_FORMAT_TIMES_H
#define MR_FORMAT_TIMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/*
 * Reads a timestamp: all that mr_clock_parse() reads, and
 *   ISO 8601 in its basic format with a time ("20261127T100000Z"; a date alone is a
 *   number), week dates ("2026-W48-5", a week alone: its Monday), ordinal dates
 *   ("2026-331"), 24:00:00, a comma as decimal mark;
 *   a blank in front of the offset, also when it stands for the '+' of one ("10:00:00 02:00"),
 *   as a '+' in a query string that was not encoded does; "UTC" and "GMT" for an offset;
 *   HTTP dates (RFC 9110, section 5.6.7, all three forms), with an offset instead of GMT
 *   as in mails; of two digits for a year, those from 70 on are of the last century;
 *   numbers since 1970 with a sign, a fraction and an exponent: by their size seconds
 *   (below 1e11), milliseconds or microseconds, each up to the year 9999, or nanoseconds
 *   (below 1e19).
 * Surrounding blanks are allowed. Returns false, *us untouched, for anything else.
 */
bool mr_times_parse(struct mr_str s, int64_t *us);

#endif
