/*
 * What one run of the export, or one request within it, works with: configuration, what it
 * is asked for, connections, the signal to stop; and where it puts what it has done and
 * what it has to say. Borrows everything; connect and disconnect are the program's.
 */
#ifndef MR_EXPORT_CONTEXT_H
#define MR_EXPORT_CONTEXT_H

#include <signal.h>
#include <stdbool.h>

#include "base/error.h"
#include "conf/conf.h"
#include "db/connection.h"
#include "export/journal.h"
#include "export/options.h"
#include "export/runs.h"
#include "export/silent.h"
#include "export/totals.h"

/* Connections that read at a time: one alone cannot keep the encoder busy. */
#define MR_EXPORT_READERS 2

struct mr_context {
	const struct mr_conf *conf;
	const struct mr_export_options *options; /* of the request, where it is one */
	const volatile sig_atomic_t *stop;       /* not 0: a signal came */
	struct mr_db *db;                        /* state; idle between statements */
	struct mr_db *readers[MR_EXPORT_READERS]; /* COPY; connected when they are needed */
	const struct mr_run *run;
	struct mr_totals *totals;
	struct mr_journal *journal;
	struct mr_silent *silent;
};

/*
 * Makes the connections, and the tables where they are missing. What waits for the server
 * gives up when the signal comes, and cancels its statement; after that the connections are
 * of no more use. On error, too, disconnect.
 */
enum mr_err mr_context_connect(struct mr_context *x, struct mr_error *err);
void mr_context_disconnect(struct mr_context *x);

/* MR_EAGAIN, with what to say of it, when a signal came. */
enum mr_err mr_context_stopped(const struct mr_context *x, struct mr_error *err);

#endif
