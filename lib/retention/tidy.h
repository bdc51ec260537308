/*
 * The tables beside events: what has become old in them goes, in steps that commit by
 * themselves, so that no transaction is long however much it is.
 */
#ifndef MR_RETENTION_TIDY_H
#define MR_RETENTION_TIDY_H

#include <signal.h>
#include <stdint.h>

#include "base/error.h"
#include "conf/conf.h"
#include "db/connection.h"

struct mr_tidied {
	int64_t keys;     /* of dedup_keys and message_keys */
	int64_t rejected; /* of rejected_events; the totals of the books have them noted */
	int64_t history;  /* of the export's tables, without what goes along with them */
};

/* What would go, apart from the export's history, of which nothing is counted. Errors: MR_EAGAIN. */
enum mr_err mr_tidy_look(struct mr_db *db, const struct mr_conf *conf, struct mr_tidied *tidied,
    struct mr_error *err);

/* Ends early, and well, when *stop is set. Errors: MR_EAGAIN. What was done is in *tidied. */
enum mr_err mr_tidy(struct mr_db *db, const struct mr_conf *conf,
    const volatile sig_atomic_t *stop, struct mr_tidied *tidied, struct mr_error *err);

#endif
