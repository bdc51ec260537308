/*
 * Sites whose events nobody exports, because no client has them.
 */
#ifndef MR_EXPORT_UNCLAIMED_H
#define MR_EXPORT_UNCLAIMED_H

#include "base/buf.h"
#include "conf/conf.h"
#include "db/connection.h"

/*
 * Notes the sites of the events that came since the last time, and reads no others. For the
 * export, which is one at a time. MR_ENOMEM, or as mr_db_ask().
 */
enum mr_err mr_unclaimed_note(struct mr_db *db, const struct mr_conf *conf, struct mr_error *err);

/*
 * Counts those of no client among the sites that were noted and those of the first 100,000
 * events behind, and appends the names of the first few to `names`, separated by ", ".
 * MR_ENOMEM, or as mr_db_ask().
 */
enum mr_err mr_unclaimed_find(struct mr_db *db, const struct mr_conf *conf, int64_t *n,
    struct mr_buf *names, struct mr_error *err);

/* Forgets the sites of which nothing came for so many seconds, and two days. As mr_db_tell(). */
enum mr_err mr_unclaimed_forget(struct mr_db *db, int64_t older_s, struct mr_error *err);

#endif
