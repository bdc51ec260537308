/*
 * The database's tables: migrations (schema/NNN-*.sql, compiled in). Partitions: partitions.h.
 */
#ifndef MR_DB_SCHEMA_H
#define MR_DB_SCHEMA_H

#include "base/error.h"
#include "conf/conf.h"
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

/*
 * What a connection needs that may be the first one of a database: the tables, and
 * the partitions. conf: the struct mr_conf. See struct mr_db_options.
 */
enum mr_err mr_schema_on_connect(struct mr_db *db, void *conf, struct mr_error *err);

/*
 * A connection that finds the tables there, or makes them, and whose commits last
 * whatever [database] says. The configuration and the statements must stay. NULL:
 * no memory.
 */
struct mr_db *mr_schema_db_new(const struct mr_conf *conf, const char *application,
    const char *const *statements, int n_statements);

#endif
