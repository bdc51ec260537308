/*
 * One client. What is new is planned first; then its destinations get their batches, oldest
 * first. Or what else is asked for: a span of time, the last batches again, --verify.
 */
#ifndef MR_EXPORT_CLIENT_H
#define MR_EXPORT_CLIENT_H

#include "base/error.h"
#include "conf/conf.h"
#include "export/context.h"

/* Whom to deliver to; suspects failed in an earlier run, and may cost time. */
enum mr_client_turn {
	MR_CLIENT_FIRST,   /* plan, and deliver to all but suspects */
	MR_CLIENT_SUSPECTS /* to those; once all clients had their first turn */
};

/*
 * One turn of a client; what is apart from the chain is all done in the first. Failures of its
 * destinations are counted, and are no error. MR_EINVAL is the client's own trouble;
 * anything else is that of all: the database, a signal, memory. A transaction may be open
 * after an error.
 */
enum mr_err mr_client_export(const struct mr_context *x, const struct mr_conf_client *client,
    enum mr_client_turn turn, struct mr_error *err);

/*
 * Notes what kept the client from being exported, a failure of planning say, as that of all
 * its destinations; of a manual export nothing. As mr_db_tell().
 */
enum mr_err mr_client_note_failure(const struct mr_context *x, const struct mr_conf_client *client,
    const struct mr_error *why, struct mr_error *err);

#endif
