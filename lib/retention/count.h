/*
 * Counting what lies in the partitions whose time is over: once, with one pass over each, so
 * that nobody has to look at their rows again.
 */
#ifndef MR_RETENTION_COUNT_H
#define MR_RETENTION_COUNT_H

#include "base/error.h"
#include "conf/conf.h"
#include "db/connection.h"
#include "retention/spans.h"

/*
 * Counts one, by site those that a client lists; of the others, all as one when there are many.
 * What was known of it is replaced. Errors: MR_EAGAIN, MR_ENOMEM.
 */
enum mr_err mr_count_span(struct mr_db *db, const struct mr_conf *conf,
    const struct mr_span *span, struct mr_error *err);

/* Forgets what is no partition any more. Errors: MR_EAGAIN. */
enum mr_err mr_count_forget(struct mr_db *db, struct mr_error *err);

#endif
