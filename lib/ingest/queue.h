/*
 * The jobs that wait for a commit, and which of them the next one takes.
 *
 * Small jobs and large ones wait apart and take turns, each of the two in its
 * order, so that a small one never waits for more than the group at hand, and
 * no flood of small ones keeps the large ones waiting. Jobs belong to the caller,
 * who guards the queue, too.
 */
#ifndef MR_INGEST_QUEUE_H
#define MR_INGEST_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/job.h"

/* Oldest first. */
struct mr_queue_line {
	struct mr_job *head;
	struct mr_job **tail;
};

struct mr_queue {
	struct mr_queue_line small; /* checks, too */
	struct mr_queue_line large;
	bool large_next; /* whose turn it is when both wait */
	int64_t cost_us; /* of all jobs that wait (pace.h) */
};

/* What one group may hold; one job alone may exceed all but the first. */
struct mr_queue_limits {
	size_t max_jobs;
	size_t max_rows;
	size_t max_bytes;
	int64_t max_cost_us;
	bool checks; /* whether a check may be taken, which is a group of its own */
};

void mr_queue_init(struct mr_queue *queue);
bool mr_queue_is_empty(const struct mr_queue *queue);

/* Whether a job that brings a batch and is small waits. */
bool mr_queue_small_waits(const struct mr_queue *queue);

void mr_queue_add(struct mr_queue *queue, struct mr_job *job);

/*
 * Moves the next group into group[], which has room for max_jobs, and returns how
 * many jobs it is; 0: none may be taken. All are small or all are large. A
 * repetition of a batchId within the group stays for the next one, which will
 * find its key stored.
 */
size_t mr_queue_take(struct mr_queue *queue, const struct mr_queue_limits *limits,
    struct mr_job **group);

/* The cost of a job, and whether it waits with the large ones. */
int64_t mr_queue_cost_us(const struct mr_job *job);
bool mr_queue_is_large(const struct mr_job *job);

#endif
