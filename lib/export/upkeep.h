/*
 * What an export does besides: it tells of sites that no client has, and forgets what is old.
 */
#ifndef MR_EXPORT_UPKEEP_H
#define MR_EXPORT_UPKEEP_H

#include "base/error.h"
#include "export/context.h"

/* Counts the sites that no client has, and says so in the log. As mr_unclaimed_find(). */
enum mr_err mr_upkeep_report_unclaimed(const struct mr_context *x, struct mr_error *err);

/*
 * Forgets batches, runs, audit rows and notes of uploads that are done with and older than
 * [retention] history says, batches also than what its events need. In steps that commit by
 * themselves; *n grows by how many rows it were. As mr_db_ask().
 */
enum mr_err mr_upkeep_forget(struct mr_db *db, const struct mr_conf *conf, int64_t *n,
    struct mr_error *err);

/* The same, of an export. */
enum mr_err mr_upkeep_purge_history(const struct mr_context *x, struct mr_error *err);

#endif
