/*
 * Runs of the export, the table export_runs: those of the program and those that POST
 * /export/run asked for. The endpoint inserts a request and lists the last runs, the
 * program takes, begins and ends them; nobody else reads or writes the table. Needs the
 * database alone, so that the worker can be linked with it.
 *
 * Errors, where nothing else is said: as mr_db_ask().
 */
#ifndef MR_EXPORT_RUNS_H
#define MR_EXPORT_RUNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "db/query.h"
#include "export/options.h"
#include "export/totals.h"

/* One that is at work. Its texts are valid until mr_run_free(). */
struct mr_run {
	const char *id;       /* a UUID */
	const char *asked_by; /* "user@host" or "http ADDRESS" */
	struct mr_db_rows *rows; /* owner of the two */
};

void mr_run_free(struct mr_run *run);

/* Records a request of POST /export/run; what it does not say is as MR_EXPORT_OPTIONS_INIT has it. */
enum mr_err mr_runs_request(struct mr_db *db, const struct mr_export_options *wanted,
    const char *asked_by, struct mr_run *run, struct mr_error *err);

/*
 * Takes the oldest request. *options, which has what is the same for all of them, gets what
 * it asks for; texts are the run's. run->id is NULL when there is none: nothing to free then.
 */
enum mr_err mr_runs_take(struct mr_db *db, struct mr_run *run, struct mr_export_options *options,
    struct mr_error *err);

/* Records the beginning of a run that the command line asks for. */
enum mr_err mr_runs_begin(struct mr_db *db, const struct mr_export_options *options,
    const char *asked_by, struct mr_run *run, struct mr_error *err);

/*
 * Records how a run ended; failure: its first one, code MR_OK for none. A run of the
 * command line that found nothing to do, or was a dry one, leaves no trace. What cannot be
 * recorded is left to mr_runs_sweep().
 */
void mr_runs_end(struct mr_db *db, const struct mr_run *run,
    const struct mr_export_options *options, bool stopped, const struct mr_error *failure,
    const struct mr_totals *totals);

/* Marks runs that a crash ended; those that were asked for over HTTP are requests again. */
enum mr_err mr_runs_sweep(struct mr_db *db, struct mr_error *err);

/* Forgets those that ended more than so many seconds ago. */
enum mr_err mr_runs_purge(struct mr_db *db, int64_t older_s, struct mr_error *err);

/* The last ten as a JSON array, the only field of *rows, which the caller frees. */
enum mr_err mr_runs_list(struct mr_db *db, struct mr_db_rows **rows, struct mr_error *err);

#endif
