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

#include "base/clock.h"
#include "base/log.h"
#include "ingest/breaker.h"
#include "ingest/keeper.h"
#include "ingest/lane.h"
#include "ingest/pace.h"
#include "ingest/queue.h"
#include "ingest/share.h"
#include "spool/spool.h"

/*
 * A backlog: what PostgreSQL stores in a millisecond or two. On two processors,
 * with batches of 1,000, a second connection adds a third to the rate; with
 * batches of 10 it changes nothing that could be measured.
 */
#define HELP_US 2000

/*
 * The first thread stores whatever comes. The others help when a backlog has
 * built up behind it: then two backends of PostgreSQL work at the same time.
 * Without a backlog they would only make the groups smaller, and each event
 * dearer; unless the first is busy with large jobs, for which no small one waits.
 */
struct thread {
	struct mr_writer *w;
	pthread_t id;
	bool helper;
	struct mr_lane *lane;
	struct mr_job **group; /* max_jobs entries */
	int64_t cost_us;       /* of the last group */
	int64_t took_us;       /* to store it; 0: it was not stored, and tells nothing */
};

struct mr_writer {
	struct mr_writer_options options;
	struct mr_breaker *breaker;
	struct mr_share *share; /* of the spool */
	struct mr_keeper *keeper; /* NULL: none */
	size_t n_threads;
	struct thread *threads;
	size_t n_started;

	pthread_mutex_t lock;
	/* Guarded by lock: */
	pthread_cond_t wake;  /* of the first thread */
	pthread_cond_t help;  /* of the helpers */
	struct mr_queue queue;
	struct mr_pace pace;
	bool first_on_large;  /* the first thread is storing large jobs */
	bool stopping;
};

/* What follows, up to wait_group, is called with the lock held. */

static bool
is_help_needed(const struct mr_writer *w)
{
	return w->queue.cost_us >= HELP_US ||
	    (w->first_on_large && mr_queue_small_waits(&w->queue));
}

/* Takes from the queue what one commit may hold. */
static size_t
take_group(struct thread *t)
{
	struct mr_writer *w = t->w;
	const struct mr_conf *conf = w->options.conf;
	const struct mr_queue_limits limits = { .max_jobs = w->options.max_jobs,
		.max_rows = (size_t)conf->group_max_rows,
		.max_bytes = (size_t)conf->group_max_bytes,
		.max_cost_us = mr_pace_room_us(&w->pace), .checks = !t->helper };
	int64_t before_us = w->queue.cost_us;
	size_t n = mr_queue_take(&w->queue, &limits, t->group);

	t->cost_us = before_us - w->queue.cost_us;
	if (!t->helper)
		w->first_on_large = n > 0 && mr_queue_is_large(t->group[0]);
	return n;
}

static size_t
wait_as_helper(struct thread *t)
{
	struct mr_writer *w = t->w;
	size_t n = 0;

	while (!w->stopping && (!is_help_needed(w) || (n = take_group(t)) == 0))
		pthread_cond_wait(&w->help, &w->lock);
	return n;
}

static size_t
wait_as_first(struct thread *t)
{
	struct mr_writer *w = t->w;
	size_t n;

	w->first_on_large = false;
	while (mr_queue_is_empty(&w->queue) && !w->stopping)
		pthread_cond_wait(&w->wake, &w->lock);
	n = take_group(t);
	if (w->n_started > 1 && is_help_needed(w))
		pthread_cond_signal(&w->help);
	return n;
}

/* The next group; 0 when the thread is to end: the first one ends last, with the queue empty. */
static size_t
wait_group(struct thread *t)
{
	struct mr_writer *w = t->w;
	size_t n;

	pthread_mutex_lock(&w->lock);
	if (t->took_us > 0)
		mr_pace_learn(&w->pace, t->cost_us, t->took_us);
	n = t->helper ? wait_as_helper(t) : wait_as_first(t);
	pthread_mutex_unlock(&w->lock);
	return n;
}

static void
store(struct thread *t, size_t n)
{
	int64_t began_us = mr_clock_mono_us();

	mr_lane_store(t->lane, t->group, n);
	if (t->group[0]->receipt.outcome == MR_STORED)
		t->took_us = mr_clock_mono_us() - began_us;
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
		t->took_us = 0;
		if (t->group[0]->batch == NULL)
			mr_lane_check(t->lane, t->group[0]);
		else
			store(t, n);
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
	mr_share_free(w->share);
	pthread_cond_destroy(&w->wake);
	pthread_cond_destroy(&w->help);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static bool
init_thread(struct mr_writer *w, struct thread *t, bool helper)
{
	const struct mr_lane_options options = { .conf = w->options.conf,
		.application = w->options.application, .instance = w->options.instance,
		.max_group = w->options.max_jobs, .breaker = w->breaker, .share = w->share,
		.alone = w->options.alone };

	t->w = w;
	t->helper = helper;
	t->lane = mr_lane_new(&options);
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
	bool good;

	if (w == NULL)
		return NULL;
	w->options = *options;
	mr_queue_init(&w->queue);
	mr_pace_init(&w->pace);
	w->n_threads = options->alone ? 1 : (size_t)options->conf->connections;
	w->breaker = new_breaker(options);
	w->share = mr_share_new(options->conf->spool_share);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	pthread_cond_init(&w->help, NULL);
	w->threads = calloc(w->n_threads, sizeof *w->threads);
	good = w->threads != NULL && w->breaker != NULL && w->share != NULL;
	for (size_t i = 0; good && i < w->n_threads; i++)
		good = init_thread(w, &w->threads[i], i > 0);
	if (good)
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
	bool was_empty, needs_help;

	job->receipt = (struct mr_receipt){ .why = MR_ERROR_INIT };
	pthread_mutex_lock(&w->lock);
	was_empty = mr_queue_is_empty(&w->queue);
	mr_queue_add(&w->queue, job);
	needs_help = w->n_started > 1 && is_help_needed(w);
	pthread_mutex_unlock(&w->lock);
	if (was_empty)
		pthread_cond_signal(&w->wake);
	if (needs_help)
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

/* How things are, by whether the database takes events or, if not, the spool does. */
static void
tell_health(const struct mr_writer *w, bool stores, struct mr_writer_health *health)
{
	const struct mr_conf *conf = w->options.conf;
	const struct mr_spool_options spool = mr_spool_options(conf, NULL);
	struct mr_breaker_view view;

	*health = (struct mr_writer_health){ .connected = stores, .why = MR_ERROR_INIT };
	if (stores)
		return;
	if (conf->ingest == MR_INGEST_SPOOL) {
		health->health = mr_spool_check(&spool, &health->why) == MR_OK ? MR_HEALTHY :
		    MR_UNHEALTHY;
		return;
	}
	mr_breaker_look(w->breaker, &view);
	health->connected = view.connected;
	health->why = view.why;
	health->health = conf->spool_dir[0] != '\0' &&
	    mr_spool_check(&spool, &health->why) == MR_OK ? MR_DEGRADED : MR_UNHEALTHY;
}

static bool
may_store(const struct mr_writer *w, struct mr_breaker_view *view)
{
	mr_breaker_look(w->breaker, view);
	return w->options.conf->ingest != MR_INGEST_SPOOL && view->state != MR_OPEN;
}

void
mr_writer_check(struct mr_writer *w, struct mr_writer_health *health)
{
	struct mr_breaker_view view;

	tell_health(w, may_store(w, &view) && ask_database(w, &view.why), health);
}

void
mr_writer_look(struct mr_writer *w, struct mr_writer_health *health)
{
	struct mr_breaker_view view;

	tell_health(w, may_store(w, &view) && view.connected, health);
}
