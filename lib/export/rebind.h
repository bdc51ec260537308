/*
 * The export goes on in another cluster, to which the tables were moved. There the ids of
 * transactions begin anew, so those that events have are replaced: by one that every
 * snapshot sees where all has been exported, else by that of this transaction, which the
 * next export finds.
 */
#ifndef MR_EXPORT_REBIND_H
#define MR_EXPORT_REBIND_H

#include <stdint.h>

#include "base/error.h"
#include "db/connection.h"

struct mr_rebound {
	int64_t clients;
	int64_t exported; /* events that count as such */
	int64_t waiting;  /* events that are exported next */
};

/*
 * Does it in one transaction, on a connection that is made. MR_EINVAL: nothing was ever
 * exported; MR_EAGAIN: an export is at work, or the database cannot. A transaction may be
 * open after an error.
 */
enum mr_err mr_rebind(struct mr_db *db, struct mr_rebound *rebound, struct mr_error *err);

#endif
