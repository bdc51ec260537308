/*
 * What the statements of the export have in common: how long they may be, and how times
 * stand in them. Times are microseconds since 1970 in C and timestamptz in the tables.
 */
#ifndef MR_EXPORT_SQL_H
#define MR_EXPORT_SQL_H

#include <stddef.h>
#include <stdint.h>

#include "db/query.h"

#define MR_SQL_MAX ((size_t)8 << 20) /* bytes of a statement, or of a parameter */

/* A parameter ("$4"), microseconds or NULL, as a time. */
#define MR_SQL_TIME(parameter) \
	"'epoch'::timestamptz + " parameter "::bigint * interval '1 microsecond'"

/* Adds it; INT64_MIN and INT64_MAX, which mean no limit, as NULL. */
void mr_sql_arg_time(struct mr_db_args *args, int64_t us);

/* A column as microseconds. */
#define MR_SQL_MICROSECONDS(column) "(extract(epoch FROM " column ") * 1000000)::bigint"

/* A column as text, in UTC: as answers have it, and as exported rows have it. */
#define MR_SQL_TEXT_MS(column) "to_char(" column " AT TIME ZONE 'UTC', " \
	"'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
#define MR_SQL_TEXT_US(column) "to_char(" column " AT TIME ZONE 'UTC', " \
	"'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

#endif
