/* The jobs that wait for a commit: see queue.h. */
#include "ingest/queue.h"

#include "ingest/pace.h"

/*
 * A job that costs more is large. As many of the largest small ones as a worker
 * has under way at a time are then stored in some 100 ms.
 */
#define SMALL_US 2000

/* What the group at hand holds. */
struct load {
	size_t n;
	size_t rows;
	size_t bytes;
	int64_t cost_us;
};

static size_t
rows_of(const struct mr_job *job)
{
	return job->batch->n_rows + job->batch->n_rejects;
}

int64_t
mr_queue_cost_us(const struct mr_job *job)
{
	return job->batch != NULL ? mr_pace_cost_us(rows_of(job), job->batch->bytes) : 0;
}

bool
mr_queue_is_large(const struct mr_job *job)
{
	return mr_queue_cost_us(job) > SMALL_US;
}

void
mr_queue_init(struct mr_queue *q)
{
	*q = (struct mr_queue){ .cost_us = 0 };
	q->small.tail = &q->small.head;
	q->large.tail = &q->large.head;
}

bool
mr_queue_is_empty(const struct mr_queue *q)
{
	return q->small.head == NULL && q->large.head == NULL;
}

bool
mr_queue_small_waits(const struct mr_queue *q)
{
	const struct mr_job *job = q->small.head;

	while (job != NULL && job->batch == NULL)
		job = job->next;
	return job != NULL;
}

void
mr_queue_add(struct mr_queue *q, struct mr_job *job)
{
	struct mr_queue_line *line = mr_queue_is_large(job) ? &q->large : &q->small;

	job->next = NULL;
	*line->tail = job;
	line->tail = &job->next;
	q->cost_us += mr_queue_cost_us(job);
}

/* Whether the group has a batch of the same site and batchId already. */
static bool
same_key(struct mr_job *const *group, size_t n, const struct mr_batch *batch)
{
	if (batch->batch_id.p == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		if (group[i]->batch->batch_id.p != NULL &&
		    mr_str_eq(group[i]->batch->batch_id, batch->batch_id) &&
		    mr_str_eq(group[i]->batch->site_id, batch->site_id))
			return true;
	return false;
}

/* Whether the job, which may come later, may be in this group. */
static bool
may_take(const struct mr_queue_limits *limits, struct mr_job *const *group, size_t n,
    const struct mr_job *job)
{
	if (job->batch == NULL)
		return limits->checks && n == 0;
	return !same_key(group, n, job->batch);
}

/* Adds the job to the load; false: it would be too much. */
static bool
fits(const struct mr_queue_limits *limits, struct load *load, const struct mr_job *job)
{
	struct load more = *load;

	more.n++;
	more.rows += rows_of(job);
	more.bytes += job->batch->bytes;
	more.cost_us += mr_queue_cost_us(job);
	if (load->n > 0 && (more.rows > limits->max_rows || more.bytes > limits->max_bytes ||
	    more.cost_us > limits->max_cost_us))
		return false;
	*load = more;
	return true;
}

static size_t
take_from(struct mr_queue_line *line, const struct mr_queue_limits *limits,
    struct mr_job **group, int64_t *cost_us)
{
	struct load load = { .n = 0 };
	struct mr_job **at = &line->head, *job;
	bool check = false;
	size_t n = 0;

	while ((job = *at) != NULL && n < limits->max_jobs && !check) {
		if (!may_take(limits, group, n, job)) {
			at = &job->next;
			continue;
		}
		check = job->batch == NULL;
		if (!check && !fits(limits, &load, job))
			break;
		*at = job->next;
		group[n++] = job;
	}
	for (at = &line->head; *at != NULL; at = &(*at)->next)
		;
	line->tail = at;
	*cost_us = load.cost_us;
	return n;
}

size_t
mr_queue_take(struct mr_queue *q, const struct mr_queue_limits *limits, struct mr_job **group)
{
	struct mr_queue_line *first = q->large_next ? &q->large : &q->small;
	struct mr_queue_line *second = q->large_next ? &q->small : &q->large;
	int64_t cost_us;
	size_t n = take_from(first, limits, group, &cost_us);

	if (n == 0)
		n = take_from(second, limits, group, &cost_us);
	q->cost_us -= cost_us;
	if (n > 0 && group[0]->batch != NULL)
		q->large_next = !mr_queue_is_large(group[0]);
	return n;
}
