/* One connection, one spool, and what it takes to keep groups: see lane.h. */
#include "ingest/lane.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/seldom.h"
#include "counters/books.h"
#include "counters/stats.h"
#include "db/connection.h"
#include "db/query.h"
#include "db/schema.h"
#include "format/zstd.h"
#include "ingest/isolate.h"
#include "ingest/share.h"
#include "ingest/store.h"
#include "spool/record.h"
#include "spool/segment.h"
#include "spool/spool.h"

/* Of one group: after a conflict with others, and after a lost connection. */
#define MAX_CONFLICTS 3
#define MAX_RECONNECTS 1
#define LOG_AGAIN_MS 10000
/* What is kept of the memory for a record. */
#define KEEP_BYTES ((size_t)1024 * 1024)

struct mr_lane {
	const struct mr_conf *conf;
	struct mr_breaker *breaker;
	struct mr_share *share;
	struct mr_db *db;
	struct mr_store *store;
	struct mr_spool *spool;          /* NULL: none is configured */
	struct mr_book book;
	bool in_doubt;                   /* whether the database has the group under way */
	struct mr_buf record;
	struct mr_buf packed;            /* the record, compressed */
	struct mr_zstd *zstd;            /* NULL: not needed yet */
	const struct mr_batch **batches; /* max_group entries each */
	bool *duplicate;
	size_t *repeated;
	struct mr_error logged; /* the last failure in the log */
	int64_t log_again_ms;
	size_t unlogged;        /* requests that failed in the same way since */
	unsigned seed;          /* of the pauses */
};

static struct mr_db *
new_db(const struct mr_conf *conf, const char *application, bool alone)
{
	struct mr_db_options options = mr_db_options_of(conf, application);

	options.recycle_s = conf->recycle_s;
	options.synchronous_commit = conf->synchronous_commit;
	options.statements = mr_store_statements;
	options.n_statements = mr_store_n_statements;
	options.on_connect = alone ? mr_schema_on_connect : NULL;
	options.on_connect_arg = (void *)(uintptr_t)conf;
	return mr_db_new(&options);
}

struct mr_lane *
mr_lane_new(const struct mr_lane_options *options)
{
	struct mr_lane *l = calloc(1, sizeof *l);
	const struct mr_conf *conf = options->conf;
	const struct mr_spool_options spool = mr_spool_options(conf, options->instance);
	bool spooling = conf->spool_dir[0] != '\0';

	if (l == NULL)
		return NULL;
	l->conf = conf;
	l->breaker = options->breaker;
	l->share = options->share;
	l->seed = (unsigned)mr_clock_now_us();
	mr_buf_init(&l->record, MR_SEGMENT_MAX_PAYLOAD);
	mr_buf_init(&l->packed, MR_SEGMENT_MAX_PAYLOAD);
	l->db = new_db(conf, options->application, options->alone);
	/* One batch may exceed the cap of a group, but not what a body can hold. */
	l->store = mr_store_new((size_t)conf->group_max_bytes +
	    64 * (size_t)conf->max_body_bytes, options->instance);
	l->spool = spooling ? mr_spool_new(&spool) : NULL;
	mr_book_open(&l->book);
	l->batches = calloc(options->max_group, sizeof *l->batches);
	l->duplicate = calloc(options->max_group, sizeof *l->duplicate);
	l->repeated = calloc(options->max_group, sizeof *l->repeated);
	if (l->db == NULL || l->store == NULL || l->batches == NULL || l->duplicate == NULL ||
	    l->repeated == NULL ||
	    (spooling && (l->spool == NULL || !mr_breaker_add_spool(l->breaker, l->spool)))) {
		mr_lane_free(l);
		return NULL;
	}
	return l;
}

void
mr_lane_free(struct mr_lane *l)
{
	if (l == NULL)
		return;
	mr_db_free(l->db);
	mr_store_free(l->store);
	mr_spool_free(l->spool);
	mr_book_close(&l->book);
	mr_buf_free(&l->record);
	mr_buf_free(&l->packed);
	mr_zstd_free(l->zstd);
	free(l->batches);
	free(l->duplicate);
	free(l->repeated);
	free(l);
}

static void
settle(struct mr_job *job, enum mr_outcome outcome, const struct mr_error *why)
{
	job->receipt.outcome = outcome;
	if (why != NULL)
		job->receipt.why = *why;
}

static void
settle_all(struct mr_job **jobs, size_t n, enum mr_outcome outcome, const struct mr_error *why)
{
	for (size_t i = 0; i < n; i++)
		settle(jobs[i], outcome, why);
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

static void
fill_group(struct mr_lane *l, struct mr_group *group, struct mr_job **jobs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		l->batches[i] = jobs[i]->batch;
	group->batches = l->batches;
	group->n = n;
	group->duplicate = l->duplicate;
	group->repeated = l->repeated;
}

/* --- to the spool --------------------------------------------------------------- */

static size_t
events_of(struct mr_job *const *jobs, size_t n)
{
	size_t events = 0;

	for (size_t i = 0; i < n; i++)
		events += jobs[i]->batch->n_rows + jobs[i]->batch->n_rejects;
	return events;
}

/* The group goes out; its events are in the books from here on. */
static void
begin(struct mr_lane *l, struct mr_group *group, struct mr_job **jobs, size_t n)
{
	mr_uuid_make(group->id);
	l->in_doubt = false;
	mr_book_begin(&l->book, group->id, (uint32_t)events_of(jobs, n));
}

/* It is kept nowhere, as far as is known. */
static void
end_unkept(struct mr_lane *l)
{
	if (l->in_doubt)
		mr_book_leave(&l->book);
	else
		mr_book_end(&l->book, 0);
}

/* The record compressed, or as it is: what is better, or possible. */
static struct mr_str
compressed(struct mr_lane *l, size_t events)
{
	struct mr_str record = mr_buf_str(&l->record);

	if (l->zstd == NULL)
		l->zstd = mr_zstd_new(MR_ZSTD_LEVEL, NULL);
	mr_buf_reset(&l->packed, KEEP_BYTES);
	if (l->zstd == NULL || mr_record_compress(l->zstd, record, (uint32_t)events, &l->packed,
	    NULL) != MR_OK || l->packed.failed || l->packed.len >= record.n)
		return record;
	return mr_buf_str(&l->packed);
}

static enum mr_err
append(struct mr_lane *l, struct mr_group *group, struct mr_job **jobs, size_t n,
    struct mr_error *err)
{
	fill_group(l, group, jobs, n);
	mr_buf_reset(&l->record, KEEP_BYTES);
	mr_record_encode(group->batches, n, &l->record);
	if (l->record.failed)
		return mr_fail(err, MR_ENOMEM, "spool: no memory for a group of %zu requests", n);
	return mr_spool_append(l->spool, group->id, jobs[0]->batch->received_us,
	    compressed(l, events_of(jobs, n)), err);
}

static void
refuse_over_share(struct mr_lane *l, struct mr_job **jobs, size_t n)
{
	struct mr_error why = MR_ERROR_INIT;

	(void)mr_fail(&why, MR_ELIMIT, "spool %s: a site or an address holds its share of %lld %% "
	    "of it ([spool] share)", l->conf->spool_dir, (long long)l->conf->spool_share);
	log_failure(l, n, &why);
	mr_stat_add(MR_STAT_REQUESTS_OVER_SHARE, n);
	settle_all(jobs, n, MR_UNAVAILABLE, &why);
}

/*
 * Sorts out the jobs whose site or address has had its share of the spool, and
 * begins a group of the others, of which it returns the number. A group that the
 * database may have is kept whole, as it was.
 */
static size_t
admit(struct mr_lane *l, struct mr_group *group, struct mr_job **jobs, size_t n)
{
	int64_t used, left;
	size_t admitted = 0;

	if (l->spool == NULL || l->in_doubt)
		return n;
	mr_spool_room(l->spool, &used, &left);
	for (size_t i = 0; i < n; i++) {
		struct mr_job *job = jobs[i];
		int64_t bytes = (int64_t)job->batch->bytes;

		if (!mr_share_take(l->share, job->batch->site_id, &job->batch->client_ip, bytes,
		    used, left))
			continue;
		used += bytes;
		left = left > bytes ? left - bytes : 0;
		jobs[i] = jobs[admitted];
		jobs[admitted++] = job;
	}
	if (admitted == n)
		return n;
	mr_book_end(&l->book, 0);
	refuse_over_share(l, jobs + admitted, n - admitted);
	if (admitted > 0)
		begin(l, group, jobs, admitted);
	return admitted;
}

/* The breaker has led here; why: the reason, which counts when there is no spool. */
static void
spool_group(struct mr_lane *l, struct mr_group *group, struct mr_job **jobs, size_t n,
    struct mr_error *why)
{
	if ((n = admit(l, group, jobs, n)) == 0) {
		mr_breaker_leave(l->breaker);
		return;
	}
	if (l->spool != NULL && append(l, group, jobs, n, why) == MR_OK) {
		mr_book_end(&l->book, (uint32_t)events_of(jobs, n));
		settle_all(jobs, n, MR_SPOOLED, NULL);
		mr_stat_add(MR_STAT_GROUPS_SPOOLED, 1);
		mr_stat_add(MR_STAT_EVENTS_SPOOLED, events_of(jobs, n));
	} else {
		l->in_doubt |= l->spool != NULL && mr_spool_in_doubt(l->spool);
		end_unkept(l);
		if (why->text[0] == '\0')
			(void)mr_fail(why, MR_EAGAIN, "database: no connection yet");
		log_failure(l, n, why);
		mr_stat_add(MR_STAT_GROUPS_FAILED, 1);
		settle_all(jobs, n, MR_UNAVAILABLE, why);
	}
	mr_breaker_leave(l->breaker);
}

/* --- to the database ------------------------------------------------------------ */

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
try_group(struct mr_lane *l, struct mr_group *group, struct mr_error *why)
{
	enum mr_db_class class;
	int conflicts = 0, reconnects = 0;
	int64_t started_us;
	enum mr_err e;

	for (;;) {
		if ((e = mr_db_ensure(l->db, why)) != MR_OK)
			return e == MR_EIO ? MR_DB_OPERATOR : MR_DB_UNAVAILABLE;
		started_us = mr_clock_mono_us();
		class = mr_store_group(l->store, l->db, group, why);
		mr_hist_add(MR_HIST_INSERT_US, (uint64_t)(mr_clock_mono_us() - started_us));
		l->in_doubt |= class == MR_DB_UNKNOWN;
		if (class == MR_DB_TRANSIENT && conflicts++ < MAX_CONFLICTS)
			pause_before_retry(l);
		else if ((class != MR_DB_UNAVAILABLE && class != MR_DB_UNKNOWN) ||
		    reconnects++ == MAX_RECONNECTS)
			return class;
	}
}

/*
 * Nothing of the batch is left but refusals: they are kept, without its batchId,
 * which so stays free for the corrected one.
 */
static void
keep_refused(struct mr_lane *l, struct mr_group *group, const struct mr_batch *batch)
{
	static struct mr_seldom unkept = MR_SELDOM("requests whose refused events were not kept", 10);
	struct mr_error why = MR_ERROR_INIT;
	struct mr_batch refused = *batch;

	refused.batch_id = MR_STR_NULL;
	l->batches[0] = &refused;
	if (try_group(l, group, &why) == MR_DB_OK) {
		mr_book_end(&l->book, (uint32_t)batch->n_rejects);
		return;
	}
	end_unkept(l);
	mr_seldom_log(&unkept, MR_LOG_ERROR, "%zu refused event(s) were not kept: %s",
	    batch->n_rejects, why.text);
}

/* Takes the refused rows out of a batch that stands alone, and stores the rest. */
static enum mr_db_class
store_without_refused(struct mr_lane *l, struct mr_group *group, struct mr_job *job,
    struct mr_error *why)
{
	/* Whoever may send may send what is refused. */
	static struct mr_seldom refused = MR_SELDOM("refusals of the database", 10);
	enum mr_db_class class = mr_isolate(l->store, l->db, job->batch, job->arena, why);

	if (class != MR_DB_OK)
		return class;
	mr_seldom_log(&refused, MR_LOG_WARNING,
	    "the database refused %zu event(s), now in rejected_events: %s", job->batch->n_rejects,
	    why->text);
	if (job->batch->n_rows == 0) {
		keep_refused(l, group, job->batch);
		return MR_DB_DATA;
	}
	return try_group(l, group, why);
}

static void
give_up(struct mr_lane *l, struct mr_group *group, struct mr_job **jobs, size_t n,
    enum mr_db_class class, struct mr_error *why)
{
	bool alarm = class == MR_DB_OPERATOR;

	mr_breaker_trip(l->breaker, why, alarm);
	if (l->spool != NULL)
		mr_log_error("%s%s", why->text, alarm ? "; events stay in the spool until this is "
		    "mended" : "; events go to the spool");
	spool_group(l, group, jobs, n, why);
}

/* Each as the group's storing has told. */
static void
settle_stored(struct mr_lane *l, struct mr_job **jobs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		settle(jobs[i], l->duplicate[i] ? MR_DUPLICATE : MR_STORED, NULL);
		jobs[i]->receipt.repeated = l->repeated[i];
	}
}

/*
 * A group whose values are refused is halved until the culprit stands alone,
 * and then its rows are. A half is a group of its own.
 */
static void
store_direct(struct mr_lane *l, struct mr_job **jobs, size_t n)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_group group = { .n = n };
	enum mr_db_class class;

	begin(l, &group, jobs, n);
	fill_group(l, &group, jobs, n);
	class = try_group(l, &group, &why);
	if (class == MR_DB_DATA && n == 1)
		class = store_without_refused(l, &group, jobs[0], &why);

	if (class == MR_DB_OK) {
		mr_book_end(&l->book, (uint32_t)events_of(jobs, n));
		mr_stat_add(MR_STAT_COMMITS, 1);
		mr_hist_add(MR_HIST_COMMIT_ROWS, events_of(jobs, n));
		settle_stored(l, jobs, n);
	} else if (class == MR_DB_DATA && n > 1) {
		mr_book_end(&l->book, 0);
		store_direct(l, jobs, n / 2);
		store_direct(l, jobs + n / 2, n - n / 2);
	} else if (class == MR_DB_DATA) {
		settle_all(jobs, n, MR_REFUSED, &why);
	} else {
		give_up(l, &group, jobs, n, class, &why);
	}
}

void
mr_lane_store(struct mr_lane *l, struct mr_job **jobs, size_t n)
{
	struct mr_breaker_view view;
	struct mr_group group;

	if (mr_breaker_enter(l->breaker)) {
		mr_db_set_deadline(l->db, mr_clock_mono_ms() + l->conf->query_timeout_ms);
		store_direct(l, jobs, n);
		mr_db_set_deadline(l->db, 0);
		return;
	}
	mr_breaker_look(l->breaker, &view);
	begin(l, &group, jobs, n);
	spool_group(l, &group, jobs, n, &view.why);
}

void
mr_lane_check(struct mr_lane *l, struct mr_job *job)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_breaker_view view;

	if (!mr_breaker_enter(l->breaker)) {
		mr_breaker_leave(l->breaker);
		mr_breaker_look(l->breaker, &view);
		settle(job, MR_UNAVAILABLE, &view.why);
		return;
	}
	mr_db_set_deadline(l->db, mr_clock_mono_ms() + l->conf->query_timeout_ms);
	if (mr_db_ensure(l->db, &why) == MR_OK &&
	    mr_db_script(l->db, "SELECT 1", l->conf->query_timeout_ms, &why) == MR_DB_OK) {
		settle(job, MR_STORED, NULL);
	} else {
		mr_log_error("%s", why.text);
		mr_breaker_trip(l->breaker, &why, why.code == MR_EIO);
		mr_breaker_leave(l->breaker);
		settle(job, MR_UNAVAILABLE, &why);
	}
	mr_db_set_deadline(l->db, 0);
}
