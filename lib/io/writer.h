/*
 * The writer: stores what all request threads bring.
 *
 * A request thread submits its batch and waits. The writer's thread takes
 * everything that is queued, up to a number of rows and bytes, stores it with
 * one commit and wakes each waiter with its own result. Idle, a request waits
 * for one commit; under load the groups grow by themselves. When a backlog
 * builds up all the same, further threads, each with a connection of its own
 * ([database] connections), help.
 */
#ifndef MR_IO_WRITER_H
#define MR_IO_WRITER_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/conf.h"
#include "base/error.h"
#include "format/event.h"

enum mr_outcome {
	MR_STORED,      /* committed, rows and refusals */
	MR_DUPLICATE,   /* its batchId was stored before; nothing stored again */
	MR_REFUSED,     /* the database refuses all its rows; nothing stored */
	MR_UNAVAILABLE  /* not stored, as far as is known; to be sent again */
};

struct mr_receipt {
	enum mr_outcome outcome;
	struct mr_error why; /* for the last two */
};

struct mr_writer;

/*
 * Starts the threads. The configuration must stay until stop. A database that
 * is away is no error: it is tried again, at growing intervals, when there is
 * something to store.
 */
enum mr_err mr_writer_start(struct mr_writer **writer, const struct mr_conf *conf,
    const char *application, struct mr_error *err);

/*
 * Stores what is queued, then ends the threads and frees everything. Nobody may
 * submit any more, or be about to.
 */
void mr_writer_stop(struct mr_writer *writer);

/*
 * Stores the batch (n_rows >= 1) and fills the receipt. Blocks until it is
 * committed or cannot be, which takes at most a few query_timeout_ms. From any
 * number of threads. Until it returns, batch and arena are the writer's; rows
 * that the database refuses have then gone from the batch's rows to its
 * rejects.
 */
void mr_writer_submit(struct mr_writer *writer, struct mr_batch *batch, struct mr_arena *arena,
    struct mr_receipt *receipt);

/*
 * Whether the database can be reached now: makes a round trip on the writer's
 * first connection. Blocks as submit does. err says why not.
 */
bool mr_writer_check(struct mr_writer *writer, struct mr_error *err);

#endif
