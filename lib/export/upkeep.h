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
 * Forgets batches, runs and audit rows that are older than history_days and done with. As
 * mr_db_tell().
 */
enum mr_err mr_upkeep_purge_history(const struct mr_context *x, struct mr_error *err);

#endif
