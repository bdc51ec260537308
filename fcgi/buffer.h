/* The size of the buffer, for GET /metrics and GET /health?buffer. */
#ifndef MR_FCGI_BUFFER_H
#define MR_FCGI_BUFFER_H

#include <stdbool.h>

#include "base/buf.h"
#include "format/jsonwriter.h"
#include "worker.h"

/*
 * Appends the families of the buffer. reachable: whether the database is known to be there; else
 * it is not asked, and buffer_known is 0. Waits for a second or two at most.
 */
void mr_buffer_metrics(const struct mr_worker *worker, bool reachable, struct mr_buf *b);

/* Writes the member "buffer": the same in short, or an error. Waits likewise. */
void mr_buffer_write(const struct mr_worker *worker, struct mr_json_writer *w);

#endif
