/*
 * A job: one request's batch on its way through the writer, and what became
 * of it.
 */
#ifndef MR_INGEST_JOB_H
#define MR_INGEST_JOB_H

#include <semaphore.h>

#include "base/arena.h"
#include "base/error.h"
#include "format/event.h"

enum mr_outcome {
	MR_STORED,      /* committed, rows and refusals */
	MR_SPOOLED,     /* on disk in the spool; stored later */
	MR_DUPLICATE,   /* its batchId was stored before; nothing stored again */
	MR_REFUSED,     /* the database refuses all its rows, now in rejected_events */
	MR_UNAVAILABLE  /* not stored, as far as is known; to be sent again */
};

struct mr_receipt {
	enum mr_outcome outcome;
	size_t repeated; /* with MR_STORED: rows not stored again, as their messageIds were before */
	struct mr_error why; /* for the last two */
};

/*
 * Lies in its owner's storage. From submission until it is given back, job,
 * batch and arena are the writer's; rows that the database refuses have then
 * gone from the batch's rows to its rejects.
 */
struct mr_job {
	struct mr_batch *batch;  /* NULL: only asks whether the database can be reached */
	struct mr_arena *arena;  /* the batch's */
	struct mr_receipt receipt;
	sem_t *waiter;           /* posted at the end; NULL: nobody waits */
	void *owner;             /* the submitter's own; the writer never looks at it */
	struct mr_job *next;     /* in a list of whoever has it */
};

#endif
