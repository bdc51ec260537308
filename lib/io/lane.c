/* One connection and what it takes to store over it: see lane.h. */
#include "io/lane.h"

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

struct mr_lane {
	const struct mr_conf *conf;
	bool keeper;
	struct mr_db *db;
	struct mr_store *store;
	const struct mr_batch **batches; /* max_group entries each */
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

static void
upkeep(struct mr_lane *l, struct mr_db *db)
{
	struct mr_error why = MR_ERROR_INIT;

	l->upkeep_at_ms = mr_clock_mono_ms() + UPKEEP_MS;
	if (mr_schema_make_partitions(db, l->conf->partitions_ahead, &why) != MR_OK)
		mr_log_warning("day partitions were not made, events go to the default one: %s",
		    why.text);
}

static enum mr_err
on_connect(struct mr_db *db, void *arg, struct mr_error *err)
{
	struct mr_lane *l = arg;
	enum mr_err e = mr_schema_migrate(db, err);

	if (e == MR_OK)
		upkeep(l, db);
	return e;
}

struct mr_lane *
mr_lane_new(const struct mr_conf *conf, const char *application, size_t max_group, bool keeper)
{
	struct mr_lane *l = calloc(1, sizeof *l);
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
		.on_connect = keeper ? on_connect : NULL,
		.on_connect_arg = l,
	};

	if (l == NULL)
		return NULL;
	l->conf = conf;
	l->keeper = keeper;
	l->seed = (unsigned)mr_clock_now_us() + keeper;
	l->db = mr_db_new(&options);
	/* One batch may exceed the cap of a group, but not what a body can hold. */
	l->store = mr_store_new((size_t)conf->group_max_bytes +
	    64 * (size_t)conf->max_body_bytes, NULL);
	l->batches = calloc(max_group, sizeof *l->batches);
	l->duplicate = calloc(max_group, sizeof *l->duplicate);
	if (l->db != NULL && l->store != NULL && l->batches != NULL && l->duplicate != NULL)
		return l;
	mr_lane_free(l);
	return NULL;
}

void
mr_lane_free(struct mr_lane *l)
{
	if (l == NULL)
		return;
	mr_db_free(l->db);
	mr_store_free(l->store);
	free(l->batches);
	free(l->duplicate);
	free(l);
}

bool
mr_lane_ensure(struct mr_lane *l)
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
settle(struct mr_job *job, enum mr_outcome outcome, const struct mr_error *why)
{
	job->receipt.outcome = outcome;
	if (why != NULL)
		job->receipt.why = *why;
}

static void
pause_before_retry(struct mr_lane *l)
{
	struct timespec t = { .tv_nsec = 1000000L * (5 + rand_r(&l->seed) % 45) };

	nanosleep(&t, NULL);
}

/*
 * Tries the group until it is done, refused, or plainly not possible now. Thanks
 * to its id it is not stored twice when the answer to a commit was lost.
 */
static enum mr_db_class
try_group(struct mr_lane *l, struct mr_job **jobs, size_t n, struct mr_error *why)
{
	struct mr_group group = { .batches = l->batches, .n = n, .duplicate = l->duplicate };
	enum mr_db_class class;
	int conflicts = 0, reconnects = 0;

	mr_uuid_make(group.id);
	for (size_t i = 0; i < n; i++)
		l->batches[i] = jobs[i]->batch;
	for (;;) {
		if (!mr_lane_ensure(l)) {
			*why = l->down;
			return MR_DB_UNAVAILABLE;
		}
		class = mr_store_group(l->store, l->db, &group, why);
		if (class == MR_DB_TRANSIENT && conflicts++ < MAX_CONFLICTS)
			pause_before_retry(l);
		else if ((class != MR_DB_UNAVAILABLE && class != MR_DB_UNKNOWN) ||
		    reconnects++ == MAX_RECONNECTS)
			return class;
	}
}

/* An outage would otherwise fill the log with one line for each group. */
static void
log_failure(struct mr_lane *l, size_t n, const struct mr_error *why)
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
store_without_refused(struct mr_lane *l, struct mr_job *job, struct mr_error *why)
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
 * A group whose values are refused is halved until the culprit stands alone,
 * and then its rows are.
 */
void
mr_lane_store(struct mr_lane *l, struct mr_job **jobs, size_t n)
{
	struct mr_error why = MR_ERROR_INIT;
	enum mr_db_class class = try_group(l, jobs, n, &why);

	if (class == MR_DB_DATA && n == 1)
		class = store_without_refused(l, jobs[0], &why);

	if (class == MR_DB_OK) {
		mr_stat_add(MR_STAT_COMMITS, 1);
		for (size_t i = 0; i < n; i++)
			settle(jobs[i], l->duplicate[i] ? MR_DUPLICATE : MR_STORED, NULL);
	} else if (class == MR_DB_DATA && n > 1) {
		mr_lane_store(l, jobs, n / 2);
		mr_lane_store(l, jobs + n / 2, n - n / 2);
	} else {
		log_failure(l, n, &why);
		for (size_t i = 0; i < n; i++)
			settle(jobs[i], class == MR_DB_DATA ? MR_REFUSED : MR_UNAVAILABLE,
			    &why);
	}
}

void
mr_lane_check(struct mr_lane *l, struct mr_job *job)
{
	struct mr_error why = MR_ERROR_INIT;

	if (!mr_lane_ensure(l))
		settle(job, MR_UNAVAILABLE, &l->down);
	else if (mr_db_script(l->db, "SELECT 1", l->conf->query_timeout_ms, &why) == MR_DB_OK)
		settle(job, MR_STORED, NULL);
	else
		settle(job, MR_UNAVAILABLE, &why);
}

void
mr_lane_upkeep(struct mr_lane *l)
{
	if (l->keeper && l->backoff_ms == 0 && mr_clock_mono_ms() >= l->upkeep_at_ms &&
	    mr_lane_ensure(l))
		upkeep(l, l->db);
}
