/*
 * Dropping a partition that may go. See events_drop_partition in schema/009-retention.sql for
 * the locks.
 */
#ifndef MR_RETENTION_DROP_H
#define MR_RETENTION_DROP_H

#include <stdbool.h>

#include "base/error.h"
#include "db/connection.h"
#include "retention/spans.h"

/*
 * In one transaction: keeps everybody from it, sees that it is still as it was judged, drops
 * it. *gone: false when rows have come since it was counted, which then is to be done again,
 * or somebody needs it now. MR_EAGAIN: somebody's lock is in the way after a few tries, or
 * the database cannot.
 */
enum mr_err mr_drop_span(struct mr_db *db, const struct mr_span *span, bool *gone,
    struct mr_error *err);

#endif
