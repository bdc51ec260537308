/*
 * The writer: see writer.h. Each of its threads alone uses its lane. A job
 * belongs to the writer from submission until its semaphore is posted or
 * finished() got it.
 */
#include "ingest/writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ingest/breaker.h"
#include "ingest/keeper.h"
#include "ingest/lane.h"
#include "spool/spool.h"

/*
 * A backlog: as many rows as PostgreSQL stores in a millisecond or two. On two
 * processors, with batches of 1,000, a second connection adds a third to the
 * rate; with batches of 10 it changes nothing that could be measured.
 */
#define HELP_ROWS 200

/*
 * The first thread stores whatever comes. The others help when a backlog has
 * built up behind it: then two backends of PostgreSQL work at the same time.
 * Without a backlog they would only make the groups smaller, and each event
 * dearer.
 */
struct thread {
	struct mr_writer *w;
	pthread_t id;
	bool helper;
	struct mr_lane *lane;
	struct mr_job **group; /* max_jobs entries */
};

struct mr_writer {
	struct mr_writer_options options;
	struct mr_breaker *breaker;
	struct mr_keeper *keeper; /* NULL: none */
	size_t n_threads;
	struct thread *threads;
	size_t n_started;

	pthread_mutex_t lock;
	/* Guarded by lock: */
	pthread_cond_t wake;  /* of the first thread */
	pthread_cond_t help;  /* of the helpers */
	struct mr_job *head;  /* oldest first */
	struct mr_job **tail;
	size_t rows;          /* of all batches in the queue */
	bool stopping;
};

static size_t
rows_of(const struct mr_job *job)
{
	return job->batch->n_rows + job->batch->n_rejects;
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

/* Whether the thread may take the job: a check is for the first, and for it alone. */
static bool
may_take(const struct thread *t, const struct mr_job *job, size_t n)
{
	return job->batch != NULL || (!t->helper && n == 0);
}

/*
 * Takes from the queue what one commit may hold; called with the lock held.
 * A repetition within the group stays for the next one, which will find its
 * key stored.
 */
static size_t
take_group(struct thread *t)
{
	struct mr_writer *w = t->w;
	const struct mr_conf *conf = w->options.conf;
	struct mr_job **at = &w->head, *job;
	size_t n = 0, rows = 0, bytes = 0;

	while ((job = *at) != NULL && n < w->options.max_jobs) {
		if (!may_take(t, job, n) ||
		    (job->batch != NULL && same_key(t->group, n, job->batch))) {
			at = &job->next;
			continue;
		}
		if (job->batch != NULL) {
			rows += rows_of(job);
			bytes += job->batch->bytes;
			if (n > 0 && (rows > (size_t)conf->group_max_rows ||
			    bytes > (size_t)conf->group_max_bytes))
				break;
			w->rows -= rows_of(job);
		}
		*at = job->next;
		t->group[n++] = job;
		if (job->batch == NULL)
			break;
	}
	for (at = &w->head; *at != NULL; at = &(*at)->next)
		;
	w->tail = at;
	return n;
}

/* The next group; 0 when the thread is to end: the first one ends last, with the queue empty. */
static size_t
wait_group(struct thread *t)
{
	struct mr_writer *w = t->w;
	size_t n = 0;

	pthread_mutex_lock(&w->lock);
	if (t->helper) {
		while (!w->stopping && (w->rows < HELP_ROWS || (n = take_group(t)) == 0))
			pthread_cond_wait(&w->help, &w->lock);
	} else {
		while (w->head == NULL && !w->stopping)
			pthread_cond_wait(&w->wake, &w->lock);
		n = w->head != NULL ? take_group(t) : 0;
	}
	pthread_mutex_unlock(&w->lock);
	return n;
}

/* Gives the jobs back; behind it they are gone. */
static void
give_back(const struct mr_writer *w, struct mr_job *const *group, size_t n)
{
	struct mr_job *first = NULL, **tail = &first;

	for (size_t i = 0; i < n; i++) {
		if (group[i]->waiter != NULL) {
			sem_post(group[i]->waiter);
			continue;
		}
		group[i]->next = NULL;
		*tail = group[i];
		tail = &group[i]->next;
	}
	if (first != NULL)
		w->options.finished(w->options.arg, first);
}

static void *
run(void *arg)
{
	struct thread *t = arg;
	size_t n;

	while ((n = wait_group(t)) > 0) {
		if (t->group[0]->batch == NULL)
			mr_lane_check(t->lane, t->group[0]);
		else
			mr_lane_store(t->lane, t->group, n);
		give_back(t->w, t->group, n);
	}
	return NULL;
}

static void
free_writer(struct mr_writer *w)
{
	for (size_t i = 0; w->threads != NULL && i < w->n_threads; i++) {
		mr_lane_free(w->threads[i].lane);
		free(w->threads[i].group);
	}
	free(w->threads);
	mr_breaker_free(w->breaker);
	pthread_cond_destroy(&w->wake);
	pthread_cond_destroy(&w->help);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static bool
init_thread(struct mr_writer *w, struct thread *t, bool helper)
{
	t->w = w;
	t->helper = helper;
	t->lane = mr_lane_new(w->options.conf, w->options.application, w->options.instance,
	    w->options.max_jobs, w->breaker, w->options.alone);
	t->group = calloc(w->options.max_jobs, sizeof *t->group);
	return t->lane != NULL && t->group != NULL;
}

/* At the start, groups wait for the keeper's first look, though not for long. */
static struct mr_breaker *
new_breaker(const struct mr_writer_options *options)
{
	if (options->conf->ingest == MR_INGEST_SPOOL)
		return mr_breaker_new(MR_OPEN, 0);
	return mr_breaker_new(options->alone ? MR_CLOSED : MR_HELD,
	    options->conf->query_timeout_ms);
}

static struct mr_writer *
new_writer(const struct mr_writer_options *options)
{
	struct mr_writer *w = calloc(1, sizeof *w);
	bool good = true;

	if (w == NULL)
		return NULL;
	w->options = *options;
	w->tail = &w->head;
	w->n_threads = options->alone ? 1 : (size_t)options->conf->connections;
	w->breaker = new_breaker(options);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	pthread_cond_init(&w->help, NULL);
	w->threads = calloc(w->n_threads, sizeof *w->threads);
	for (size_t i = 0; w->threads != NULL && w->breaker != NULL && i < w->n_threads; i++)
		good &= init_thread(w, &w->threads[i], i > 0);
	if (w->threads != NULL && w->breaker != NULL && good)
		return w;
	free_writer(w);
	return NULL;
}

static void
prepare_spool(const struct mr_conf *conf)
{
	const struct mr_spool_options options = mr_spool_options(conf, NULL);
	struct mr_error why = MR_ERROR_INIT;

	if (conf->spool_dir[0] != '\0' && mr_spool_prepare(&options, &why) != MR_OK)
		mr_log_error("%s; until this is mended, events that the database cannot take are "
		    "refused", why.text);
}

static enum mr_err
start_keeper(struct mr_writer *w, struct mr_error *err)
{
	if (w->options.alone)
		return MR_OK;
	return mr_keeper_start(&w->keeper, w->options.conf, w->options.application,
	    w->options.instance, w->breaker, err);
}

enum mr_err
mr_writer_start(struct mr_writer **writer, const struct mr_writer_options *options,
    struct mr_error *err)
{
	struct mr_writer *w = new_writer(options);
	int e = 0;

	if (w == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for the writer");
	prepare_spool(options->conf);
	if (start_keeper(w, err) != MR_OK) {
		free_writer(w);
		return err != NULL ? err->code : MR_EIO;
	}
	while (w->n_started < w->n_threads && e == 0) {
		struct thread *t = &w->threads[w->n_started];

		e = pthread_create(&t->id, NULL, run, t);
		w->n_started += e == 0;
	}
	/* It works without the helpers. */
	if (w->n_started == 0) {
		mr_keeper_stop(w->keeper);
		free_writer(w);
		return mr_fail(err, MR_EIO, "writer thread: %s", strerror(e));
	}
	*writer = w;
	return MR_OK;
}

void
mr_writer_stop(struct mr_writer *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_signal(&w->wake);
	pthread_cond_broadcast(&w->help);
	pthread_mutex_unlock(&w->lock);
	for (size_t i = 0; i < w->n_started; i++)
		pthread_join(w->threads[i].id, NULL);
	mr_keeper_stop(w->keeper);
	free_writer(w);
}

static void
queue(struct mr_writer *w, struct mr_job *job)
{
	bool was_empty, backlog;

	job->receipt = (struct mr_receipt){ .why = MR_ERROR_INIT };
	job->next = NULL;
	pthread_mutex_lock(&w->lock);
	was_empty = w->head == NULL;
	*w->tail = job;
	w->tail = &job->next;
	if (job->batch != NULL)
		w->rows += rows_of(job);
	backlog = w->n_started > 1 && w->rows >= HELP_ROWS;
	pthread_mutex_unlock(&w->lock);
	if (was_empty)
		pthread_cond_signal(&w->wake);
	if (backlog)
		pthread_cond_signal(&w->help);
}

void
mr_writer_submit(struct mr_writer *w, struct mr_job *job)
{
	job->waiter = NULL;
	queue(w, job);
}

void
mr_writer_store(struct mr_writer *w, struct mr_job *job)
{
	sem_t done;

	sem_init(&done, 0, 0);
	job->waiter = &done;
	queue(w, job);
	while (sem_wait(&done) != 0 && errno == EINTR)
		;
	sem_destroy(&done);
}

/* Whether the first thread can reach the database. */
static bool
ask_database(struct mr_writer *w, struct mr_error *why)
{
	struct mr_job job = { .batch = NULL };

	mr_writer_store(w, &job);
	*why = job.receipt.why;
	return job.receipt.outcome == MR_STORED;
}

void
mr_writer_check(struct mr_writer *w, struct mr_writer_health *health)
{
	const struct mr_conf *conf = w->options.conf;
	const struct mr_spool_options spool = mr_spool_options(conf, NULL);
	struct mr_breaker_view view;

	*health = (struct mr_writer_health){ .why = MR_ERROR_INIT };
	if (conf->ingest == MR_INGEST_SPOOL) {
		health->health = mr_spool_check(&spool, &health->why) == MR_OK ? MR_HEALTHY :
		    MR_UNHEALTHY;
		return;
	}
	mr_breaker_look(w->breaker, &view);
	if (view.state != MR_OPEN && ask_database(w, &view.why)) {
		*health = (struct mr_writer_health){ .connected = true, .why = MR_ERROR_INIT };
		return;
	}
	mr_breaker_look(w->breaker, &view);
	health->connected = view.connected;
	health->why = view.why;
	health->health = conf->spool_dir[0] != '\0' &&
	    mr_spool_check(&spool, &health->why) == MR_OK ? MR_DEGRADED : MR_UNHEALTHY;
}
