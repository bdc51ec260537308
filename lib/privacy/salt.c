/* The salts of cookieless visitors: see salt.h. */
#include "privacy/salt.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/connection.h"
#include "db/query.h"
#include "db/schema.h"
#include "secret/secret.h"

#define DAY_US (INT64_C(86400) * MR_US_PER_S)
#define HOUR_US (INT64_C(3600) * MR_US_PER_S)

#define LOOK_MS 10000       /* how often the thread looks at the clock */
#define RETRY_MS 5000       /* after a failure */
#define FIRST_RETRY_MS 200  /* the same, while somebody may wait */
#define STACK_BYTES ((size_t)512 * 1024)

/* Yesterday's, today's and tomorrow's. */
#define N_SALTS 3

#define DAY_SQL(n) "(date '1970-01-01' + $" #n "::integer)"

static const char make_sql[] = "INSERT INTO visitor_salts (day, salt) VALUES (" DAY_SQL(1)
    ", $2) ON CONFLICT (day) DO NOTHING";
static const char delete_sql[] = "DELETE FROM visitor_salts WHERE day < " DAY_SQL(1);
static const char read_sql[] = "SELECT day - date '1970-01-01', salt FROM visitor_salts "
    "WHERE day BETWEEN " DAY_SQL(1) " AND " DAY_SQL(2);

/* In guarded memory; its size is a multiple of 16. */
struct salt {
	int64_t day; /* 0: none */
	int64_t spare;
	unsigned char bytes[MR_SALT_BYTES];
};

struct mr_salts {
	const struct mr_conf *conf;
	int64_t first_wait_until_ms; /* of mr_clock_mono_ms() */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Guarded by lock: */
	struct salt *known; /* N_SALTS of them, by day modulo N_SALTS */
	bool stopping;
	/* The thread's own: */
	bool failing; /* the last attempt failed, which was logged */
};

int64_t
mr_salts_day(int64_t now_us)
{
	return now_us / DAY_US;
}

/* With the lock. NULL: not known. */
static struct salt *
find(struct mr_salts *salts, int64_t day)
{
	struct salt *s = &salts->known[day % N_SALTS];

	return s->day == day ? s : NULL;
}

/* The last day whose salt should be there by now. */
static int64_t
last_wanted(int64_t now_us)
{
	return mr_salts_day(now_us + HOUR_US);
}

/* Takes over what the database has, and drops what is too old. */
static enum mr_err
keep(struct mr_salts *salts, int64_t today, const struct mr_db_rows *rows, struct mr_error *err)
{
	unsigned char bytes[MR_SALT_BYTES];
	int n = mr_db_n_rows(rows);
	size_t length;

	pthread_mutex_lock(&salts->lock);
	for (int i = 0; i < N_SALTS; i++)
		if (salts->known[i].day != 0 && salts->known[i].day < today - 1)
			mr_secret_wipe(&salts->known[i], sizeof salts->known[i]);
	for (int i = 0; i < n; i++) {
		int64_t day = mr_db_int(rows, i, 0);
		struct salt *s = &salts->known[day % N_SALTS];

		if (!mr_secret_unbase64(mr_db_value(rows, i, 1), bytes, sizeof bytes, &length) ||
		    length != sizeof bytes) {
			(void)mr_fail(err, MR_EIO, "visitor_salts: the salt of day %lld is not one; "
			    "delete its row", (long long)day);
			continue;
		}
		s->day = day;
		memcpy(s->bytes, bytes, sizeof bytes);
	}
	mr_secret_wipe(bytes, sizeof bytes);
	n = find(salts, today) != NULL;
	pthread_cond_broadcast(&salts->changed);
	pthread_mutex_unlock(&salts->lock);
	return n ? MR_OK : MR_EIO;
}

/* Whoever is first for a day makes its salt; all the others take that one. */
static enum mr_err
make(struct mr_db *db, int64_t day, struct mr_error *err)
{
	unsigned char bytes[MR_SALT_BYTES];
	char text[MR_BASE64_TEXT(MR_SALT_BYTES)];
	struct mr_db_args args = MR_DB_ARGS_INIT;
	enum mr_err e;

	mr_secret_random(bytes, sizeof bytes);
	mr_secret_base64(bytes, sizeof bytes, text);
	mr_db_arg_int(&args, day);
	mr_db_arg_text(&args, text);
	e = mr_db_tell(db, make_sql, &args, err);
	mr_secret_wipe(bytes, sizeof bytes);
	mr_secret_wipe(text, sizeof text);
	return e;
}

static enum mr_err
exchange(struct mr_salts *salts, struct mr_db *db, int64_t now_us, struct mr_error *err)
{
	int64_t today = mr_salts_day(now_us), last = last_wanted(now_us);
	struct mr_db_args before = MR_DB_ARGS_INIT, range = MR_DB_ARGS_INIT;
	struct mr_db_rows *rows;
	enum mr_err e = mr_db_ensure(db, err);

	for (int64_t day = today; day <= last && e == MR_OK; day++)
		e = make(db, day, err);
	mr_db_arg_int(&before, today - 1);
	mr_db_arg_int(&range, today - 1);
	mr_db_arg_int(&range, last);
	if (e != MR_OK || (e = mr_db_tell(db, delete_sql, &before, err)) != MR_OK ||
	    (e = mr_db_ask(db, read_sql, &range, &rows, err)) != MR_OK)
		return e;
	e = keep(salts, today, rows, err);
	mr_db_rows_free(rows);
	return e;
}

/* Gets what is missing, on a connection that is not needed again for a day. */
static bool
refresh(struct mr_salts *salts, int64_t now_us)
{
	struct mr_db *db = mr_schema_db_new(salts->conf, "millrace salts", NULL, 0);
	struct mr_error err = MR_ERROR_INIT;
	bool good = db != NULL && exchange(salts, db, now_us, &err) == MR_OK;
	if (!good && !salts->failing)
		mr_log_warning("no salt for visitors, so visitor_id stays empty: %s", db != NULL ?
		    err.text : "no memory");
	else if (good && salts->failing)
		mr_log_info("the salt for visitors is there");
	salts->failing = !good;
	mr_db_free(db);
	return good;
}

/* With the lock: waits for a change, or so long. */
static void
wait_ms(struct mr_salts *salts, int64_t ms)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	ms += end.tv_nsec / 1000000;
	end.tv_sec += ms / 1000;
	end.tv_nsec = ms % 1000 * 1000000;
	pthread_cond_timedwait(&salts->changed, &salts->lock, &end);
}

static void *
run(void *arg)
{
	struct mr_salts *salts = arg;

	pthread_mutex_lock(&salts->lock);
	while (!salts->stopping) {
		int64_t now_us = mr_clock_now_us(), pause_ms = LOOK_MS;
		bool good = true;

		if (find(salts, mr_salts_day(now_us)) == NULL ||
		    find(salts, last_wanted(now_us)) == NULL) {
			pthread_mutex_unlock(&salts->lock);
			good = refresh(salts, now_us);
			pthread_mutex_lock(&salts->lock);
		}
		if (!good)
			pause_ms = mr_clock_mono_ms() < salts->first_wait_until_ms ?
			    FIRST_RETRY_MS : RETRY_MS;
		if (!salts->stopping)
			wait_ms(salts, pause_ms);
	}
	pthread_mutex_unlock(&salts->lock);
	return NULL;
}

static void
release(struct mr_salts *salts)
{
	pthread_cond_destroy(&salts->changed);
	pthread_mutex_destroy(&salts->lock);
	mr_secret_free(salts->known);
	free(salts);
}

enum mr_err
mr_salts_start(struct mr_salts **out, const struct mr_conf *conf, struct mr_error *err)
{
	struct mr_salts *salts = calloc(1, sizeof *salts);
	pthread_condattr_t monotonic;
	pthread_attr_t attr;
	int failed;

	*out = NULL;
	if (salts == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for the salts of visitors");
	salts->conf = conf;
	salts->first_wait_until_ms = mr_clock_mono_ms() + conf->connect_timeout_ms;
	salts->known = mr_secret_alloc(N_SALTS * sizeof *salts->known);
	pthread_mutex_init(&salts->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&salts->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	failed = salts->known == NULL || pthread_create(&salts->thread, &attr, run, salts) != 0;
	pthread_attr_destroy(&attr);
	if (failed) {
		release(salts);
		return mr_fail(err, MR_ENOMEM, "the thread for the salts of visitors cannot be started");
	}
	*out = salts;
	return MR_OK;
}

void
mr_salts_stop(struct mr_salts *salts)
{
	if (salts == NULL)
		return;
	pthread_mutex_lock(&salts->lock);
	salts->stopping = true;
	pthread_cond_broadcast(&salts->changed);
	pthread_mutex_unlock(&salts->lock);
	pthread_join(salts->thread, NULL);
	release(salts);
}

bool
mr_salts_get(struct mr_salts *salts, int64_t day, unsigned char salt[MR_SALT_BYTES])
{
	struct salt *found;

	pthread_mutex_lock(&salts->lock);
	while ((found = find(salts, day)) == NULL && day == mr_salts_day(mr_clock_now_us()) &&
	    mr_clock_mono_ms() < salts->first_wait_until_ms)
		wait_ms(salts, salts->first_wait_until_ms - mr_clock_mono_ms());
	if (found != NULL)
		memcpy(salt, found->bytes, MR_SALT_BYTES);
	pthread_mutex_unlock(&salts->lock);
	return found != NULL;
}
