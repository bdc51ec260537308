/*
 * Where exported rows come from: COPY (SELECT …) TO STDOUT (FORMAT binary).
 * Reads one tuple after the other into a struct mr_export_row.
 * Source: PostgreSQL, "COPY", section "Binary Format".
 */
#ifndef MR_EXPORT_COPYOUT_H
#define MR_EXPORT_COPYOUT_H

#include "base/error.h"
#include "base/str.h"
#include "db/connection.h"
#include "format/row.h"

/* The columns in the order that the reader wants, for the SELECT. */
#define MR_COPYOUT_COLUMNS "id, created_at, received_at, event_time, site_id, event_type, " \
	"session_id, visitor_id, client_ip, user_agent, payload"

struct mr_copyout {
	struct mr_db *db;
	bool begun; /* the header was read */
};

/* Starts reading `sql`, a whole COPY command. MR_EAGAIN or MR_EIO, with the reason. */
enum mr_err mr_copyout_start(struct mr_copyout *c, struct mr_db *db, const char *sql,
    struct mr_error *err);

/* The next tuple as it came, valid until the next call; p == NULL: there are no more. MR_EAGAIN. */
enum mr_err mr_copyout_raw(struct mr_copyout *c, struct mr_str *tuple, struct mr_error *err);

/* What is in it; the row's texts are the tuple's. MR_EINVAL: that is not what was asked for. */
enum mr_err mr_copyout_tuple(struct mr_str tuple, struct mr_export_row *row,
    struct mr_error *err);

#endif
