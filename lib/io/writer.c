/*
 * The writer: see writer.h. Each of its threads alone uses its connection and
 * its store. A job belongs to the writer from submission until its semaphore
 * is posted.
 */
#include "io/writer.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/stats.h"
#include "io/db.h"
#include "io/isolate.h"
#include "io/schema.h"
#include "io/store.h"

/* Of one group: after a conflict with others, and after a lost connection. */
#define MAX_CONFLICTS 3
#define MAX_RECONNECTS 1
#define FIRST_BACKOFF_MS 100
#define MAX_BACKOFF_MS 2000
#define UPKEEP_MS (60 * 60 * 1000)
#define LOG_AGAIN_MS 10000
/*
 * A backlog: as many rows as PostgreSQL stores in about four milliseconds. With
 * batches of 1,000 a second connection doubles the rate; with batches of 10 it
 * changes nothing that could be measured.
 */
#define HELP_ROWS 200

/* One waiting request thread; lies on its stack. batch == NULL: mr_writer_check. */
struct job {
	struct mr_batch *batch;
	struct mr_arena *arena;
	struct mr_receipt *receipt;
	sem_t done;
	struct job *next;
};

/*
 * One connection and the thread that owns it. The first lane stores whatever
 * comes. The others help when a backlog has built up behind it: then two
 * backends of PostgreSQL work at the same time. Without a backlog they would
 * only make the groups smaller, and each event dearer.
 */
struct lane {
	struct mr_writer *w;
	pthread_t thread;
	bool helper;
	struct mr_db *db;
	struct mr_store *store;
	struct job **group;     /* max_group entries each */
	const struct mr_batch **batches;
	bool *duplicate;
	int64_t backoff_ms;     /* 0: the last connection was made */
	int64_t retry_at_ms;    /* no connection is tried before */
	struct mr_error down;   /* why there is none */
	int64_t upkeep_at_ms;
	struct mr_error logged; /* the last failure in the log */
	int64_t log_again_ms;
	size_t unlogged;        /* requests that failed in the same way since */
	unsigned seed;          /* of the jitter */
};

struct mr_writer {
	const struct mr_conf *conf;
	size_t max_group;
	size_t n_lanes;
	struct lane *lanes;
	size_t n_started;

	pthread_mutex_t lock;
	/* Guarded by lock: */
	pthread_cond_t wake;  /* of the first lane */
	pthread_cond_t help;  /* of the helpers */
	struct job *head;     /* oldest first */
	struct job **tail;
	size_t rows;          /* of all batches in the queue */
	bool stopping;
};

static void
upkeep(struct lane *l, struct mr_db *db)
{
	struct mr_error why = MR_ERROR_INIT;

	l->upkeep_at_ms = mr_clock_mono_ms() + UPKEEP_MS;
	if (mr_schema_make_partitions(db, l->w->conf->partitions_ahead, &why) != MR_OK)
		mr_log_warning("day partitions were not made, events go to the default one: %s",
		    why.text);
}

static enum mr_err
on_connect(struct mr_db *db, void *arg, struct mr_error *err)
{
	struct lane *l = arg;
	enum mr_err e = mr_schema_migrate(db, err);

	if (e == MR_OK)
		upkeep(l, db);
	return e;
}

/* A connection, unless one was tried in vain a moment ago. */
static bool
ensure(struct lane *l)
{
	struct mr_error why = MR_ERROR_INIT;
	int64_t now = mr_clock_mono_ms();

	if (l->backoff_ms > 0 && now < l->retry_at_ms)
		return false;
	if (mr_db_ensure(l->db, &why) == MR_OK) {
		if (l->backoff_ms > 0)
			mr_log_info("database: connected again");
		l->backoff_ms = 0;
		return true;
	}
	if (l->backoff_ms == 0 || strcmp(why.text, l->down.text) != 0)
		mr_log_error("%s", why.text);
	l->down = why;
	l->backoff_ms = l->backoff_ms == 0 ? FIRST_BACKOFF_MS : l->backoff_ms * 2;
	if (l->backoff_ms > MAX_BACKOFF_MS)
		l->backoff_ms = MAX_BACKOFF_MS;
	l->retry_at_ms = mr_clock_mono_ms() + l->backoff_ms / 2 +
	    rand_r(&l->seed) % (l->backoff_ms / 2 + 1);
	return false;
}

static void
finish(struct job *job, enum mr_outcome outcome, const struct mr_error *why)
{
	job->receipt->outcome = outcome;
	if (why != NULL)
		job->receipt->why = *why;
	/* The last touch: behind it the job is gone. */
	sem_post(&job->done);
}

static void
finish_all(struct job **jobs, size_t n, enum mr_outcome outcome, const struct mr_error *why)
{
	for (size_t i = 0; i < n; i++)
		finish(jobs[i], outcome, why);
}

static void
pause_before_retry(struct lane *l)
{
	struct timespec t = { .tv_nsec = 1000000L * (5 + rand_r(&l->seed) % 45) };

	nanosleep(&t, NULL);
}

/* Tries the group until it is done, refused, or plainly not possible now. */
static enum mr_db_class
try_group(struct lane *l, struct job **jobs, size_t n, struct mr_error *why)
{
	enum mr_db_class class;
	int conflicts = 0, reconnects = 0;

	for (size_t i = 0; i < n; i++)
		l->batches[i] = jobs[i]->batch;
	for (;;) {
		if (!ensure(l)) {
			*why = l->down;
			return MR_DB_UNAVAILABLE;
		}
		class = mr_store_group(l->store, l->db, l->batches, n, l->duplicate, why);
		if (class == MR_DB_TRANSIENT && conflicts++ < MAX_CONFLICTS)
			pause_before_retry(l);
		else if (class != MR_DB_UNAVAILABLE || reconnects++ == MAX_RECONNECTS)
			return class;
	}
}

/* An outage would otherwise fill the log with one line for each group. */
static void
log_failure(struct lane *l, size_t n, const struct mr_error *why)
{
	int64_t now = mr_clock_mono_ms();

	if (strcmp(why->text, l->logged.text) == 0 && now < l->log_again_ms) {
		l->unlogged += n;
		return;
	}
	if (l->unlogged > 0)
		mr_log_error("%zu more request(s) not stored: %s", l->unlogged, l->logged.text);
	mr_log_error("%zu request(s) not stored: %s", n, why->text);
	l->logged = *why;
	l->log_again_ms = now + LOG_AGAIN_MS;
	l->unlogged = 0;
}

/* Takes the refused rows out of a batch that stands alone, and stores the rest. */
static enum mr_db_class
store_without_refused(struct lane *l, struct job *job, struct mr_error *why)
{
	enum mr_db_class class = mr_isolate(l->store, l->db, job->batch, job->arena, why);

	if (class != MR_DB_OK)
		return class;
	if (job->batch->n_rows == 0)
		return MR_DB_DATA;
	mr_log_warning("the database refused %zu event(s), now in rejected_events: %s",
	    job->batch->n_rejects, why->text);
	return try_group(l, &job, 1, why);
}

/*
 * Stores the group. One whose values are refused is halved until the culprit
 * stands alone, and then its rows are.
 */
static void
store_jobs(struct lane *l, struct job **jobs, size_t n)
{
	struct mr_error why = MR_ERROR_INIT;
	enum mr_db_class class = try_group(l, jobs, n, &why);

	if (class == MR_DB_DATA && n == 1)
		class = store_without_refused(l, jobs[0], &why);

	if (class == MR_DB_OK) {
		mr_stat_add(MR_STAT_COMMITS, 1);
		for (size_t i = 0; i < n; i++)
			finish(jobs[i], l->duplicate[i] ? MR_DUPLICATE : MR_STORED, NULL);
	} else if (class == MR_DB_DATA && n > 1) {
		store_jobs(l, jobs, n / 2);
		store_jobs(l, jobs + n / 2, n - n / 2);
	} else {
		log_failure(l, n, &why);
		finish_all(jobs, n, class == MR_DB_DATA ? MR_REFUSED : MR_UNAVAILABLE, &why);
	}
}

static void
answer_check(struct lane *l, struct job *job)
{
	if (!ensure(l))
		finish(job, MR_UNAVAILABLE, &l->down);
	else if (mr_db_script(l->db, "SELECT 1", l->w->conf->query_timeout_ms,
	    &job->receipt->why) == MR_DB_OK)
		finish(job, MR_STORED, NULL);
	else
		finish(job, MR_UNAVAILABLE, NULL);
}

static size_t
rows_of(const struct job *job)
{
	return job->batch->n_rows + job->batch->n_rejects;
}

/* Whether the group has a batch of the same site and batchId already. */
static bool
same_key(struct job *const *group, size_t n, const struct mr_batch *batch)
{
	if (batch->batch_id.p == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		if (group[i]->batch->batch_id.p != NULL &&
		    mr_str_eq(group[i]->batch->batch_id, batch->batch_id) &&
		    mr_str_eq(group[i]->batch->rows[0].site_id, batch->rows[0].site_id))
			return true;
	return false;
}

/* Whether this lane may take the job: a check is for the first lane, and for it alone. */
static bool
may_take(const struct lane *l, const struct job *job, size_t n)
{
	return job->batch != NULL || (!l->helper && n == 0);
}

/*
 * Takes from the queue what one commit may hold; called with the lock held.
 * A repetition within the group stays for the next one, which will find its
 * key stored.
 */
static size_t
take_group(struct lane *l)
{
	struct mr_writer *w = l->w;
	struct job **at = &w->head, *job;
	size_t n = 0, rows = 0, bytes = 0;

	while ((job = *at) != NULL && n < w->max_group) {
		if (!may_take(l, job, n) ||
		    (job->batch != NULL && same_key(l->group, n, job->batch))) {
			at = &job->next;
			continue;
		}
		if (job->batch != NULL) {
			rows += rows_of(job);
			bytes += job->batch->bytes;
			if (n > 0 && (rows > (size_t)w->conf->group_max_rows ||
			    bytes > (size_t)w->conf->group_max_bytes))
				break;
			w->rows -= rows_of(job);
		}
		*at = job->next;
		l->group[n++] = job;
		if (job->batch == NULL)
			break;
	}
	for (at = &w->head; *at != NULL; at = &(*at)->next)
		;
	w->tail = at;
	return n;
}

/* The next group; 0 when the lane is to end: the first one ends last, with the queue empty. */
static size_t
wait_group(struct lane *l)
{
	struct mr_writer *w = l->w;
	size_t n = 0;

	pthread_mutex_lock(&w->lock);
	if (l->helper) {
		while (!w->stopping && (w->rows < HELP_ROWS || (n = take_group(l)) == 0))
			pthread_cond_wait(&w->help, &w->lock);
	} else {
		while (w->head == NULL && !w->stopping)
			pthread_cond_wait(&w->wake, &w->lock);
		n = w->head != NULL ? take_group(l) : 0;
	}
	pthread_mutex_unlock(&w->lock);
	return n;
}

static void *
run(void *arg)
{
	struct lane *l = arg;
	size_t n;

	/* So that the tables exist before the first request. */
	if (!l->helper)
		(void)ensure(l);
	while ((n = wait_group(l)) > 0) {
		if (l->group[0]->batch == NULL)
			answer_check(l, l->group[0]);
		else
			store_jobs(l, l->group, n);
		if (!l->helper && l->backoff_ms == 0 &&
		    mr_clock_mono_ms() >= l->upkeep_at_ms && ensure(l))
			upkeep(l, l->db);
	}
	return NULL;
}

static void
free_lane(struct lane *l)
{
	mr_db_free(l->db);
	mr_store_free(l->store);
	free(l->group);
	free(l->batches);
	free(l->duplicate);
}

static void
free_writer(struct mr_writer *w)
{
	for (size_t i = 0; w->lanes != NULL && i < w->n_lanes; i++)
		free_lane(&w->lanes[i]);
	free(w->lanes);
	pthread_cond_destroy(&w->wake);
	pthread_cond_destroy(&w->help);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static bool
init_lane(struct mr_writer *w, struct lane *l, bool helper, const char *application)
{
	const struct mr_conf *conf = w->conf;
	const struct mr_db_options options = {
		.url = conf->database_url,
		.application = application,
		.connect_timeout_ms = conf->connect_timeout_ms,
		.query_timeout_ms = conf->query_timeout_ms,
		.recycle_s = conf->recycle_s,
		.idle_check_s = conf->idle_check_s,
		.synchronous_commit = conf->synchronous_commit,
		.statements = mr_store_statements,
		.n_statements = mr_store_n_statements,
		.on_connect = helper ? NULL : on_connect,
		.on_connect_arg = l,
	};

	l->w = w;
	l->helper = helper;
	l->seed = (unsigned)mr_clock_now_us() + helper;
	l->db = mr_db_new(&options);
	/* One batch may exceed the cap of a group, but not what a body can hold. */
	l->store = mr_store_new((size_t)conf->group_max_bytes +
	    64 * (size_t)conf->max_body_bytes);
	l->group = calloc(w->max_group, sizeof *l->group);
	l->batches = calloc(w->max_group, sizeof *l->batches);
	l->duplicate = calloc(w->max_group, sizeof *l->duplicate);
	return l->db != NULL && l->store != NULL && l->group != NULL && l->batches != NULL &&
	    l->duplicate != NULL;
}

static struct mr_writer *
new_writer(const struct mr_conf *conf, const char *application)
{
	struct mr_writer *w = calloc(1, sizeof *w);
	bool good = true;

	if (w == NULL)
		return NULL;
	w->conf = conf;
	w->tail = &w->head;
	/* Every thread waits for at most one job. */
	w->max_group = (size_t)conf->threads + 1;
	w->n_lanes = (size_t)conf->connections;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	pthread_cond_init(&w->help, NULL);
	w->lanes = calloc(w->n_lanes, sizeof *w->lanes);
	for (size_t i = 0; w->lanes != NULL && i < w->n_lanes; i++)
		good &= init_lane(w, &w->lanes[i], i > 0, application);
	if (w->lanes != NULL && good)
		return w;
	free_writer(w);
	return NULL;
}

enum mr_err
mr_writer_start(struct mr_writer **writer, const struct mr_conf *conf, const char *application,
    struct mr_error *err)
{
	struct mr_writer *w = new_writer(conf, application);
	int e = 0;

	if (w == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for the writer");
	while (w->n_started < w->n_lanes && e == 0) {
		struct lane *l = &w->lanes[w->n_started];

		e = pthread_create(&l->thread, NULL, run, l);
		w->n_started += e == 0;
	}
	/* It works without the helpers. */
	if (w->n_started == 0) {
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
		pthread_join(w->lanes[i].thread, NULL);
	free_writer(w);
}

static void
submit(struct mr_writer *w, struct job *job)
{
	bool was_empty, backlog;

	sem_init(&job->done, 0, 0);
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
	while (sem_wait(&job->done) != 0 && errno == EINTR)
		;
	sem_destroy(&job->done);
}

void
mr_writer_submit(struct mr_writer *w, struct mr_batch *batch, struct mr_arena *arena,
    struct mr_receipt *receipt)
{
	struct job job = { .batch = batch, .arena = arena, .receipt = receipt };

	*receipt = (struct mr_receipt){ .why = MR_ERROR_INIT };
	submit(w, &job);
}

bool
mr_writer_check(struct mr_writer *w, struct mr_error *err)
{
	struct mr_receipt receipt = { .why = MR_ERROR_INIT };
	struct job job = { .batch = NULL, .receipt = &receipt };

	submit(w, &job);
	if (receipt.outcome == MR_STORED)
		return true;
	*err = receipt.why;
	return false;
}
