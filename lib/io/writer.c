/*
 * The writer thread: see writer.h. It alone uses the connection and the
 * store. The mutex guards the queue and `stopping`; everything else of a job
 * belongs to the writer from submission until its semaphore is posted.
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

/* One waiting request thread; lies on its stack. batch == NULL: mr_writer_check. */
struct job {
	struct mr_batch *batch;
	struct mr_arena *arena;
	struct mr_receipt *receipt;
	sem_t done;
	struct job *next;
};

struct mr_writer {
	const struct mr_conf *conf;
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *head; /* oldest first; guarded by lock */
	struct job **tail;
	bool stopping;    /* guarded by lock */

	/* The writer thread's own: */
	struct mr_db *db;
	struct mr_store *store;
	struct job **group;     /* max_group entries each */
	const struct mr_batch **batches;
	bool *duplicate;
	size_t max_group;
	int64_t backoff_ms;     /* 0: the last connection was made */
	int64_t retry_at_ms;    /* no connection is tried before */
	struct mr_error down;   /* why there is none */
	int64_t upkeep_at_ms;
	struct mr_error logged; /* the last failure in the log */
	int64_t log_again_ms;
	size_t unlogged;        /* requests that failed in the same way since */
	unsigned seed;          /* of the jitter */
};

static void
upkeep(struct mr_writer *w, struct mr_db *db)
{
	struct mr_error why = MR_ERROR_INIT;

	w->upkeep_at_ms = mr_clock_mono_ms() + UPKEEP_MS;
	if (mr_schema_make_partitions(db, w->conf->partitions_ahead, &why) != MR_OK)
		mr_log_warning("day partitions were not made, events go to the default one: %s",
		    why.text);
}

static enum mr_err
on_connect(struct mr_db *db, void *arg, struct mr_error *err)
{
	struct mr_writer *w = arg;
	enum mr_err e = mr_schema_migrate(db, err);

	if (e == MR_OK)
		upkeep(w, db);
	return e;
}

/* A connection, unless one was tried in vain a moment ago. */
static bool
ensure(struct mr_writer *w)
{
	struct mr_error why = MR_ERROR_INIT;
	int64_t now = mr_clock_mono_ms();

	if (w->backoff_ms > 0 && now < w->retry_at_ms)
		return false;
	if (mr_db_ensure(w->db, &why) == MR_OK) {
		if (w->backoff_ms > 0)
			mr_log_info("database: connected again");
		w->backoff_ms = 0;
		return true;
	}
	if (w->backoff_ms == 0 || strcmp(why.text, w->down.text) != 0)
		mr_log_error("%s", why.text);
	w->down = why;
	w->backoff_ms = w->backoff_ms == 0 ? FIRST_BACKOFF_MS : w->backoff_ms * 2;
	if (w->backoff_ms > MAX_BACKOFF_MS)
		w->backoff_ms = MAX_BACKOFF_MS;
	w->retry_at_ms = mr_clock_mono_ms() + w->backoff_ms / 2 +
	    rand_r(&w->seed) % (w->backoff_ms / 2 + 1);
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
pause_before_retry(struct mr_writer *w)
{
	struct timespec t = { .tv_nsec = 1000000L * (5 + rand_r(&w->seed) % 45) };

	nanosleep(&t, NULL);
}

/* Tries the group until it is done, refused, or plainly not possible now. */
static enum mr_db_class
try_group(struct mr_writer *w, struct job **jobs, size_t n, struct mr_error *why)
{
	enum mr_db_class class;
	int conflicts = 0, reconnects = 0;

	for (size_t i = 0; i < n; i++)
		w->batches[i] = jobs[i]->batch;
	for (;;) {
		if (!ensure(w)) {
			*why = w->down;
			return MR_DB_UNAVAILABLE;
		}
		class = mr_store_group(w->store, w->db, w->batches, n, w->duplicate, why);
		if (class == MR_DB_TRANSIENT && conflicts++ < MAX_CONFLICTS)
			pause_before_retry(w);
		else if (class != MR_DB_UNAVAILABLE || reconnects++ == MAX_RECONNECTS)
			return class;
	}
}

/* An outage would otherwise fill the log with one line for each group. */
static void
log_failure(struct mr_writer *w, size_t n, const struct mr_error *why)
{
	int64_t now = mr_clock_mono_ms();

	if (strcmp(why->text, w->logged.text) == 0 && now < w->log_again_ms) {
		w->unlogged += n;
		return;
	}
	if (w->unlogged > 0)
		mr_log_error("%zu more request(s) not stored: %s", w->unlogged, w->logged.text);
	mr_log_error("%zu request(s) not stored: %s", n, why->text);
	w->logged = *why;
	w->log_again_ms = now + LOG_AGAIN_MS;
	w->unlogged = 0;
}

/* Takes the refused rows out of a batch that stands alone, and stores the rest. */
static enum mr_db_class
store_without_refused(struct mr_writer *w, struct job *job, struct mr_error *why)
{
	enum mr_db_class class = mr_isolate(w->store, w->db, job->batch, job->arena, why);

	if (class != MR_DB_OK)
		return class;
	if (job->batch->n_rows == 0)
		return MR_DB_DATA;
	mr_log_warning("the database refused %zu event(s), now in rejected_events: %s",
	    job->batch->n_rejects, why->text);
	return try_group(w, &job, 1, why);
}

/*
 * Stores the group. One whose values are refused is halved until the culprit
 * stands alone, and then its rows are.
 */
static void
store_jobs(struct mr_writer *w, struct job **jobs, size_t n)
{
	struct mr_error why = MR_ERROR_INIT;
	enum mr_db_class class = try_group(w, jobs, n, &why);

	if (class == MR_DB_DATA && n == 1)
		class = store_without_refused(w, jobs[0], &why);

	if (class == MR_DB_OK) {
		mr_stat_add(MR_STAT_COMMITS, 1);
		for (size_t i = 0; i < n; i++)
			finish(jobs[i], w->duplicate[i] ? MR_DUPLICATE : MR_STORED, NULL);
	} else if (class == MR_DB_DATA && n > 1) {
		store_jobs(w, jobs, n / 2);
		store_jobs(w, jobs + n / 2, n - n / 2);
	} else {
		log_failure(w, n, &why);
		finish_all(jobs, n, class == MR_DB_DATA ? MR_REFUSED : MR_UNAVAILABLE, &why);
	}
}

static void
answer_check(struct mr_writer *w, struct job *job)
{
	if (!ensure(w))
		finish(job, MR_UNAVAILABLE, &w->down);
	else if (mr_db_script(w->db, "SELECT 1", w->conf->query_timeout_ms,
	    &job->receipt->why) == MR_DB_OK)
		finish(job, MR_STORED, NULL);
	else
		finish(job, MR_UNAVAILABLE, NULL);
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

/*
 * Takes from the queue what one commit may hold; called with the lock held.
 * A repetition within the group stays for the next one, which will find its
 * key stored. A check is taken alone.
 */
static size_t
take_group(struct mr_writer *w)
{
	struct job **at = &w->head, *job;
	size_t n = 0, rows = 0, bytes = 0;

	while ((job = *at) != NULL && n < w->max_group) {
		if (job->batch == NULL) {
			if (n > 0)
				break;
			*at = job->next;
			w->group[n++] = job;
			break;
		}
		rows += job->batch->n_rows + job->batch->n_rejects;
		bytes += job->batch->bytes;
		if (n > 0 && (rows > (size_t)w->conf->group_max_rows ||
		    bytes > (size_t)w->conf->group_max_bytes))
			break;
		if (same_key(w->group, n, job->batch)) {
			at = &job->next;
			continue;
		}
		*at = job->next;
		w->group[n++] = job;
	}
	for (at = &w->head; *at != NULL; at = &(*at)->next)
		;
	w->tail = at;
	return n;
}

/* The next group; 0 when the writer is to end and nothing is left. */
static size_t
wait_group(struct mr_writer *w)
{
	size_t n;

	pthread_mutex_lock(&w->lock);
	while (w->head == NULL && !w->stopping)
		pthread_cond_wait(&w->wake, &w->lock);
	n = w->head != NULL ? take_group(w) : 0;
	pthread_mutex_unlock(&w->lock);
	return n;
}

static void *
run(void *arg)
{
	struct mr_writer *w = arg;
	size_t n;

	/* So that the tables exist before the first request. */
	(void)ensure(w);
	while ((n = wait_group(w)) > 0) {
		if (w->group[0]->batch == NULL)
			answer_check(w, w->group[0]);
		else
			store_jobs(w, w->group, n);
		if (w->backoff_ms == 0 && mr_clock_mono_ms() >= w->upkeep_at_ms && ensure(w))
			upkeep(w, w->db);
	}
	return NULL;
}

static void
free_writer(struct mr_writer *w)
{
	mr_db_free(w->db);
	mr_store_free(w->store);
	free(w->group);
	free(w->batches);
	free(w->duplicate);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static struct mr_writer *
new_writer(const struct mr_conf *conf, const char *application)
{
	struct mr_writer *w = calloc(1, sizeof *w);

	if (w == NULL)
		return NULL;
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
		.on_connect = on_connect,
		.on_connect_arg = w,
	};

	w->conf = conf;
	w->tail = &w->head;
	w->seed = (unsigned)mr_clock_now_us();
	/* Every thread waits for at most one job; one request of each group is new. */
	w->max_group = (size_t)conf->threads + 1;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	w->db = mr_db_new(&options);
	/* One batch may exceed the cap of a group, but not what a body can hold. */
	w->store = mr_store_new((size_t)conf->group_max_bytes +
	    64 * (size_t)conf->max_body_bytes);
	w->group = calloc(w->max_group, sizeof *w->group);
	w->batches = calloc(w->max_group, sizeof *w->batches);
	w->duplicate = calloc(w->max_group, sizeof *w->duplicate);
	if (w->db != NULL && w->store != NULL && w->group != NULL && w->batches != NULL &&
	    w->duplicate != NULL)
		return w;
	free_writer(w);
	return NULL;
}

enum mr_err
mr_writer_start(struct mr_writer **writer, const struct mr_conf *conf, const char *application,
    struct mr_error *err)
{
	struct mr_writer *w = new_writer(conf, application);
	int e;

	if (w == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for the writer");
	e = pthread_create(&w->thread, NULL, run, w);
	if (e != 0) {
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
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	free_writer(w);
}

static void
submit(struct mr_writer *w, struct job *job)
{
	bool was_empty;

	sem_init(&job->done, 0, 0);
	job->next = NULL;
	pthread_mutex_lock(&w->lock);
	was_empty = w->head == NULL;
	*w->tail = job;
	w->tail = &job->next;
	pthread_mutex_unlock(&w->lock);
	if (was_empty)
		pthread_cond_signal(&w->wake);
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
