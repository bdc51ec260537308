/*
 * The database's tables: migrations (schema/NNN-*.sql, compiled in) and day
 * partitions.
 */
#ifndef MR_DB_SCHEMA_H
#define MR_DB_SCHEMA_H

#include "base/error.h"
#include "db/connection.h"

/*
 * Applies the migrations that the database does not have yet, each in one
 * transaction, under an advisory lock that makes it safe for any number of
 * workers to start at once. Costs two queries when there is nothing to do.
 * A database newer than this program is left alone. On error the connection
 * may still hold the lock: close it.
 */
enum mr_err mr_schema_migrate(struct mr_db *db, struct mr_error *err);

/* The version that the database has (0: none), and this program's. Errors: MR_EAGAIN. */
enum mr_err mr_schema_version(struct mr_db *db, int *version, int *latest,
    struct mr_error *err);

/* Makes the partitions of today and the next days_ahead days (UTC). */
enum mr_err mr_schema_make_partitions(struct mr_db *db, int64_t days_ahead,
    struct mr_error *err);

#endif
