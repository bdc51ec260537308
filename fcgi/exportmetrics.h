/* The metrics of the export, which the database knows. */
#ifndef MR_FCGI_EXPORTMETRICS_H
#define MR_FCGI_EXPORTMETRICS_H

#include <stdbool.h>

#include "base/buf.h"
#include "worker.h"

/*
 * Appends the metrics of the export. Without the database, or when that takes
 * longer than a few seconds, they are left out, and millrace_export_known is 0.
 * reachable: whether it makes sense to try.
 */
void mr_exportmetrics_put(const struct mr_worker *worker, bool reachable, struct mr_buf *b);

#endif
