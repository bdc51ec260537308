/*
 * COPY (SELECT …) TO STDOUT on a connection, message by message. See connection.h.
 */
#ifndef MR_DB_COPY_H
#define MR_DB_COPY_H

#include "base/error.h"
#include "base/str.h"
#include "db/class.h"
#include "db/connection.h"

/* Begins one. After an error the connection is closed. */
enum mr_db_class mr_db_copy_start(struct mr_db *db, const char *sql, struct mr_error *err);

/*
 * The next message, which is valid until the next call: in the binary format
 * one tuple, the file's header in front of the first one. data->p == NULL: it
 * was complete. Waits for at most query_timeout_ms.
 */
enum mr_db_class mr_db_copy_next(struct mr_db *db, struct mr_str *data, struct mr_error *err);

/* Gives up one that is not complete: closes the connection. */
void mr_db_copy_stop(struct mr_db *db);

#endif
