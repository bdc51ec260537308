/*
 * One run of millrace-maintain: partitions are made ahead, those that may go are dropped, the
 * small tables are tidied. Everything commits by itself and in small steps, so whoever is killed
 * leaves nothing that the next run does not go on with.
 */
#ifndef MR_RETENTION_MAINTAIN_H
#define MR_RETENTION_MAINTAIN_H

#include <signal.h>
#include <stdbool.h>

#include "base/error.h"
#include "conf/conf.h"
#include "retention/spans.h"
#include "retention/tidy.h"

struct mr_maintained {
	bool busy;              /* another run is at work; nothing else was found out then */
	struct mr_spans spans;  /* as they were before any was dropped */
	bool *gone;             /* of each span */
	int made;               /* partitions; of a dry run: that would be */
	int64_t moved;          /* rows, out of the default partition */
	int dropped;
	int64_t dropped_bytes;
	int failures;           /* of what the next run tries again; said in the log */
	struct mr_tidied tidied; /* likewise */
};

/*
 * dry_run: changes nothing; what spans is what a run would do. stop: set by a signal. Errors, of
 * what all of it needs: MR_EAGAIN, MR_EIO, MR_ENOMEM. Free the result in any case.
 */
enum mr_err mr_maintain(const struct mr_conf *conf, bool dry_run,
    const volatile sig_atomic_t *stop, struct mr_maintained *done, struct mr_error *err);
void mr_maintained_free(struct mr_maintained *done);

#endif
