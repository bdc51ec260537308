/* The keeper: see keeper.h. */
#include "ingest/keeper.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/partitions.h"
#include "db/schema.h"
#include "ingest/balance.h"
#include "ingest/replay.h"
#include "ingest/store.h"
#include "spool/inspect.h"
#include "spool/segment.h"
#include "spool/spool.h"

#define FIRST_BACKOFF_MS 100
#define MAX_BACKOFF_MS 2000
#define UPKEEP_MS (60 * 60 * 1000)
/* So often it looks for what others have left in the spool. */
#define LOOK_MS 10000
/* With ingest = spool, the age at which a segment is closed. */
#define ROTATE_MS 5000
/*
 * Groups wait for so long at most while the last of the spool is stored; so much
 * of it is tried then.
 */
#define HOLD_MS 500
#define HOLD_REPLAY_MS 250
#define HOLD_BYTES (512 * 1024)
/* After this, new events no longer wait behind the spool. */
#define CATCH_UP_MS 30000
#define LOG_AGAIN_MS 60000
#define DAY_US (24 * 3600 * MR_US_PER_S)
/* The ledger is purged later than replays refuse what is old: clocks differ. */
#define PURGE_MARGIN_US (3600 * MR_US_PER_S)

struct mr_keeper {
	const struct mr_conf *conf;
	const uint8_t *instance;
	struct mr_breaker *breaker;
	struct mr_db *db;
	struct mr_store *store;
	pthread_t thread;
	int64_t backoff_ms;   /* 0: the last attempt was good */
	int64_t upkeep_at_ms;
	bool purging;
	int64_t replay_until_ms; /* 0: no limit */
	struct mr_error logged;  /* the last trouble in the log, and until when it stays unsaid */
	int64_t log_again_ms;
	unsigned seed;
};

bool
mr_keeper_purge(struct mr_db *db, const struct mr_conf *conf)
{
	struct mr_error why = MR_ERROR_INIT;
	long removed;

	if (mr_store_purge(db, conf->ledger_days * DAY_US + PURGE_MARGIN_US, &removed,
	    &why) != MR_DB_OK) {
		mr_log_warning("the ledger was not tidied: %s", why.text);
		return true;
	}
	return removed == 0;
}

static bool
has_spool(const struct mr_keeper *k)
{
	return k->conf->spool_dir[0] != '\0';
}

/* Trouble that lasts is logged when it changes, and now and then. */
static void
log_trouble(struct mr_keeper *k, const struct mr_error *why, const char *more)
{
	int64_t now = mr_clock_mono_ms();

	if (strcmp(why->text, k->logged.text) == 0 && now < k->log_again_ms)
		return;
	mr_log_error("%s%s", why->text, more);
	k->logged = *why;
	k->log_again_ms = now + LOG_AGAIN_MS;
}

static bool
connect_db(struct mr_keeper *k)
{
	struct mr_error why = MR_ERROR_INIT;

	if (mr_db_ensure(k->db, &why) == MR_OK) {
		k->upkeep_at_ms = mr_clock_mono_ms() + UPKEEP_MS;
		return true;
	}
	log_trouble(k, &why, "");
	mr_breaker_report(k->breaker, false, why.code == MR_EIO, &why);
	return false;
}

static bool
may_replay(void *arg, const struct mr_replay_report *so_far)
{
	const struct mr_keeper *k = arg;

	(void)so_far;
	return !mr_breaker_stopping(k->breaker) &&
	    (k->replay_until_ms == 0 || mr_clock_mono_ms() < k->replay_until_ms);
}

static void
log_replay(const struct mr_replay_report *report)
{
	if (report->records > 0)
		mr_log_info("replayed %zu event(s) from the spool: %zu record(s), %zu of them "
		    "known, %zu event(s) duplicate, %zu rejected", report->events,
		    report->records, report->known, report->duplicate, report->rejected);
}

enum progress { DONE, MORE, AWAY };

/*
 * One replay, until the time. AWAY: the database cannot take what lies in the
 * spool. MORE: another replay is under way, or the time has come. What a segment
 * or the folder lacks is said, but no reason to wait.
 */
static enum progress
replay(struct mr_keeper *k, int64_t until_ms, struct mr_replay_report *report)
{
	const struct mr_replay_options options = { .dir = k->conf->spool_dir, .db = k->db,
		.store = k->store, .instance = k->instance, .ledger_days = k->conf->ledger_days, .go_on = may_replay,
		.arg = k };
	enum mr_err e;
	bool alarm;

	k->replay_until_ms = until_ms;
	e = mr_replay_run(&options, report, NULL);
	log_replay(report);
	if (e == MR_EAGAIN && report->class == MR_DB_OK)
		return MORE;
	alarm = report->class == MR_DB_OPERATOR || report->class == MR_DB_DATA;
	if (report->why.text[0] != '\0')
		log_trouble(k, &report->why, alarm ? "; events stay in the spool until this is "
		    "mended" : "");
	if (e == MR_EAGAIN) {
		mr_breaker_report(k->breaker, alarm, alarm, &report->why);
		return AWAY;
	}
	return report->stopped ? MORE : DONE;
}

/* Bytes in the spool that nobody writes to, besides those that a replay has just left. */
static int64_t
waiting(const struct mr_keeper *k, const struct mr_replay_report *last)
{
	int64_t bytes = has_spool(k) ? mr_inspect_pending(k->conf->spool_dir) : 0;

	return bytes > last->left_bytes ? bytes - last->left_bytes : 0;
}

/* Stores the rest of the spool while groups wait for it. */
static enum progress
replay_rest(struct mr_keeper *k, struct mr_replay_report *report)
{
	int64_t bytes = waiting(k, report), until = mr_clock_mono_ms() + HOLD_REPLAY_MS;
	enum progress p = bytes == 0 ? DONE : MORE;

	/* Another process may be at it for a moment. */
	while (bytes > 0 && bytes <= HOLD_BYTES && p == MORE && mr_clock_mono_ms() < until &&
	    mr_breaker_pause(k->breaker, 5))
		p = replay(k, until, report);
	return p;
}

/*
 * Closes the breaker when the spool is empty, or nearly: then groups wait until
 * it is. late: as it is. MORE: there is too much in it.
 */
static enum progress
try_close(struct mr_keeper *k, struct mr_replay_report *report, bool late)
{
	enum progress p;

	if (!mr_breaker_hold(k->breaker, HOLD_MS))
		return MORE;
	p = late ? DONE : replay_rest(k, report);
	if (!mr_breaker_release(k->breaker, p == DONE ? MR_CLOSED : MR_OPEN))
		return p == DONE ? MORE : p;
	return p;
}

/* With a connection: stores what waits, then lets groups go to the database again. */
static bool
catch_up(struct mr_keeper *k)
{
	int64_t until = mr_clock_mono_ms() + CATCH_UP_MS;
	struct mr_replay_report report = { .why = MR_ERROR_INIT };
	enum progress p = MORE;
	bool late = false;

	while (p == MORE && !mr_breaker_stopping(k->breaker)) {
		p = try_close(k, &report, late);
		late = mr_clock_mono_ms() >= until;
		if (p == MORE && !late && replay(k, until, &report) == AWAY)
			p = AWAY;
	}
	if (p != DONE)
		return false;
	mr_log_info("database: connected, events are stored directly%s",
	    late && waiting(k, &report) > 0 ? ", beside those of the spool" : "");
	k->logged = (struct mr_error)MR_ERROR_INIT;
	/* What is left after all that time is stored beside the new events. */
	return !late || replay(k, 0, &report) != AWAY;
}

static int64_t
next_backoff(struct mr_keeper *k)
{
	k->backoff_ms = k->backoff_ms == 0 ? FIRST_BACKOFF_MS : k->backoff_ms * 2;
	if (k->backoff_ms > MAX_BACKOFF_MS)
		k->backoff_ms = MAX_BACKOFF_MS;
	return k->backoff_ms / 2 + rand_r(&k->seed) % (k->backoff_ms / 2 + 1);
}

/* The breaker is open, or held at the start: until it is closed. */
static void
recover(struct mr_keeper *k)
{
	if (connect_db(k) && catch_up(k)) {
		k->backoff_ms = 0;
		mr_db_disconnect(k->db);
		return;
	}
	(void)mr_breaker_release(k->breaker, MR_OPEN);
	(void)mr_breaker_pause(k->breaker, next_backoff(k));
}

/* Groups that killed workers have left. */
static void
settle_books(struct mr_keeper *k)
{
	struct mr_error why = MR_ERROR_INIT;
	size_t left;

	if (mr_balance_settle(k->db, k->conf->spool_dir, k->instance, &left, &why) != MR_OK)
		log_trouble(k, &why, "; the books are settled later");
}

/* Nothing is wrong: looks for what another process left, and what is due. */
static void
look_around(struct mr_keeper *k)
{
	struct mr_replay_report report = { .why = MR_ERROR_INIT };

	if (waiting(k, &report) > 0 && connect_db(k))
		(void)replay(k, 0, &report);
	if (mr_clock_mono_ms() >= k->upkeep_at_ms && connect_db(k)) {
		mr_partitions_keep(k->db, k->conf, MR_PARTITIONS_TRIES);
		k->purging = true;
	}
	if (mr_balance_needed() && connect_db(k))
		settle_books(k);
	while (k->purging && !mr_breaker_stopping(k->breaker) && connect_db(k))
		k->purging = !mr_keeper_purge(k->db, k->conf);
	mr_db_disconnect(k->db);
}

static void *
run(void *arg)
{
	struct mr_keeper *k = arg;

	for (;;) {
		switch (mr_breaker_wait(k->breaker, LOOK_MS)) {
		case MR_BREAKER_STOP:
			return NULL;
		case MR_BREAKER_WORK:
			recover(k);
			break;
		case MR_BREAKER_TIMEOUT:
			look_around(k);
			break;
		}
	}
}

static void *
run_rotating(void *arg)
{
	struct mr_keeper *k = arg;

	while (mr_breaker_pause(k->breaker, ROTATE_MS))
		if (mr_breaker_hold(k->breaker, HOLD_MS))
			(void)mr_breaker_release(k->breaker, MR_OPEN);
	return NULL;
}

static void
free_keeper(struct mr_keeper *k)
{
	mr_db_free(k->db);
	mr_store_free(k->store);
	free(k);
}

enum mr_err
mr_keeper_start(struct mr_keeper **keeper, const struct mr_conf *conf, const char *application,
    const uint8_t instance[MR_UUID_BYTES], struct mr_breaker *breaker, struct mr_error *err)
{
	struct mr_keeper *k = calloc(1, sizeof *k);
	int e;

	if (k == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for the keeper");
	k->conf = conf;
	k->instance = instance;
	k->breaker = breaker;
	k->seed = (unsigned)mr_clock_now_us();
	k->purging = true;
	k->db = mr_schema_db_new(conf, application, mr_store_statements, mr_store_n_statements);
	k->store = mr_store_new(MR_SEGMENT_MAX_PAYLOAD, NULL);
	if (k->db == NULL || k->store == NULL) {
		free_keeper(k);
		return mr_fail(err, MR_ENOMEM, "no memory for the keeper");
	}
	e = pthread_create(&k->thread, NULL,
	    conf->ingest == MR_INGEST_SPOOL ? run_rotating : run, k);
	if (e != 0) {
		free_keeper(k);
		return mr_fail(err, MR_EIO, "keeper thread: %s", strerror(e));
	}
	*keeper = k;
	return MR_OK;
}

void
mr_keeper_stop(struct mr_keeper *k)
{
	if (k == NULL)
		return;
	mr_breaker_stop(k->breaker);
	pthread_join(k->thread, NULL);
	free_keeper(k);
}
