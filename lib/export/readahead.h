/*
 * Reading ahead: the rows of several COPY commands, one command, a range, after
 * the other, as one sequence. Each of several connections has a thread that keeps up to 8 MiB of
 * rows ready: so PostgreSQL works on the commands to come while the rows of
 * this one are encoded. With one command or one connection there are no threads.
 */
#ifndef MR_EXPORT_READAHEAD_H
#define MR_EXPORT_READAHEAD_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "db/connection.h"
#include "format/row.h"

struct mr_readahead;

/* Appends command number `range`, a COPY of MR_COPYOUT_COLUMNS, ended by a NUL; from any thread. */
typedef void mr_readahead_query(const void *arg, size_t range, struct mr_buf *sql);

/*
 * Begins. The connections are live ones and borrowed until the stop; range i is
 * read by connection i modulo n_dbs, so no more are used than there are ranges.
 * MR_ENOMEM, MR_EIO: *ahead is NULL then.
 */
enum mr_err mr_readahead_start(struct mr_readahead **ahead, struct mr_db *const *dbs, size_t n_dbs,
    size_t n_ranges, mr_readahead_query *query, const void *arg, struct mr_error *err);

/* The next row, with the errors of mr_copyout_raw() and mr_copyout_tuple(). */
enum mr_err mr_readahead_next(struct mr_readahead *ahead, const struct mr_export_row **row,
    struct mr_export_row *room, struct mr_error *err);

/* Ends; a connection with a COPY that is not complete is closed. NULL: nothing to do. */
void mr_readahead_stop(struct mr_readahead *ahead);

#endif
