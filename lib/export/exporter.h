/*
 * The exporter: one run of the program millrace-export, from the lock to the summary.
 *
 *   options, totals, journal, context   what a run is asked for, has done, says, works with
 *   exporter                            the lock, the run, requests, the summary
 *   runs                                the table export_runs
 *   client                              one client: planning, and which batch goes where
 *   plan, cut, slices, planned          what is to be exported, and in which batches
 *   deliver, passes, stream, manifest   one batch to its destinations
 *   complete                            its objects, until they are recorded
 *   read, ranges, readahead, copyout    its rows
 *   refused                             rows that cannot be exported
 *   destination, target, objectkey      where they go
 *   silent                              endpoints that do not answer
 *   delivered, verify                   writing it again, reading it back
 *   upkeep, unclaimed                   old history, sites of no client
 *   state, rebind                       how far it is, for the worker; another cluster
 *
 * A file takes names only from files that take none from it, also round about.
 */
#ifndef MR_EXPORT_EXPORTER_H
#define MR_EXPORT_EXPORTER_H

#include <signal.h>

#include "conf/conf.h"
#include "export/options.h"

enum mr_exporter_status {
	MR_EXPORTER_OK = 0,
	MR_EXPORTER_FAILED = 1,  /* something was not delivered; the next run tries again */
	MR_EXPORTER_MISUSED = 2, /* options or configuration */
	MR_EXPORTER_BUSY = 3,    /* another export is at work */
	MR_EXPORTER_DIFFERS = 4, /* --verify found a difference */
	MR_EXPORTER_STOPPED = 5  /* by a signal; the next run goes on */
};

/* stop: set by a signal handler. Messages go to standard error, to standard output, and to the log. */
enum mr_exporter_status mr_exporter_run(const struct mr_conf *conf,
    const struct mr_export_options *options, const volatile sig_atomic_t *stop);

#endif
