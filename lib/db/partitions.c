/* Partitions: see partitions.h. */
#include "db/partitions.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/query.h"

/* Between two tries; random, so that several workers do not meet again and again. */
#define LEAST_PAUSE_MS 50
#define MORE_PAUSE_MS 200
#define ABORT_MS 60000

/* The days from today on that no partition has a part of. */
static const char missing_sql[] =
    "SELECT low, high, (low < now() + interval '1 day')::int FROM generate_series(0, $1::integer) "
    "AS i, date_trunc('day', now() AT TIME ZONE 'UTC' + i * interval '1 day') AS day, "
    "LATERAL (SELECT day AT TIME ZONE 'UTC' AS low, (day + interval '1 day') AT TIME ZONE 'UTC' "
    "AS high) s WHERE NOT EXISTS (SELECT FROM events_partitions p WHERE p.low < s.high AND "
    "p.high > s.low) ORDER BY low";

/* Whether the last statement failed because somebody has the lock. */
static bool
is_locked(const struct mr_db *db)
{
	return strcmp(mr_db_sqlstate(db), "55P03") == 0;
}

static void
pause_a_little(void)
{
	unsigned seed = (unsigned)mr_clock_mono_us();
	long ms = LEAST_PAUSE_MS + rand_r(&seed) % MORE_PAUSE_MS;
	const struct timespec pause = { .tv_nsec = ms * 1000000L };

	nanosleep(&pause, NULL);
}

bool
mr_partitions_try_again(struct mr_db *db, int *tries)
{
	bool locked = is_locked(db);

	mr_db_abort(db, ABORT_MS);
	if (!locked || *tries <= 1)
		return false;
	(*tries)--;
	pause_a_little();
	return true;
}

/* *tries: what is left of them. */
static enum mr_err
make_one(struct mr_db *db, const char *low, const char *high, int *tries, int64_t *made,
    struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	enum mr_err e;

	mr_db_arg_text(&args, low);
	mr_db_arg_text(&args, high);
	do
		e = mr_db_ask_int(db, "SELECT events_make_partition($1::timestamptz, "
		    "$2::timestamptz)::int", &args, made, err);
	while (e != MR_OK && mr_partitions_try_again(db, tries));
	return e;
}

/* *soon: one that could not be made is needed within a day. */
static enum mr_err
make_all(struct mr_db *db, const struct mr_conf *conf, int tries, int *made, bool *soon,
    struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_db_rows *rows;
	enum mr_err e, first = MR_OK;

	mr_db_arg_int(&args, conf->partitions_ahead);
	if ((e = mr_db_ask(db, missing_sql, &args, &rows, err)) != MR_OK)
		return e;
	for (int r = 0; r < mr_db_n_rows(rows) && mr_db_is_connected(db); r++) {
		int64_t one = 0;

		e = make_one(db, mr_db_value(rows, r, 0).p, mr_db_value(rows, r, 1).p, &tries, &one,
		    first == MR_OK ? err : NULL);
		*made += (int)one;
		*soon = *soon || (e != MR_OK && mr_db_int(rows, r, 2) != 0);
		first = first == MR_OK ? e : first;
	}
	mr_db_rows_free(rows);
	return first;
}

enum mr_err
mr_partitions_missing(struct mr_db *db, const struct mr_conf *conf, int *missing,
    struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_db_rows *rows;
	enum mr_err e;

	mr_db_arg_int(&args, conf->partitions_ahead);
	if ((e = mr_db_ask(db, missing_sql, &args, &rows, err)) != MR_OK)
		return e;
	*missing = mr_db_n_rows(rows);
	mr_db_rows_free(rows);
	return MR_OK;
}

enum mr_err
mr_partitions_make(struct mr_db *db, const struct mr_conf *conf, int tries, int *made,
    struct mr_error *err)
{
	bool soon = false;
	int n = 0;
	enum mr_err e = make_all(db, conf, tries, &n, &soon, err);

	if (made != NULL)
		*made = n;
	return e;
}

/* A day; *n: its rows, 0 when there is none left. */
static enum mr_err
move_one(struct mr_db *db, int64_t *n, struct mr_error *err)
{
	int tries = MR_PARTITIONS_TRIES;
	enum mr_err e;

	do
		e = mr_db_ask_int(db, "SELECT events_move_default()", NULL, n, err);
	while (e != MR_OK && mr_partitions_try_again(db, &tries));
	return e;
}

enum mr_err
mr_partitions_move_default(struct mr_db *db, int64_t *moved, struct mr_error *err)
{
	int64_t n = 0;
	enum mr_err e;

	while ((e = move_one(db, &n, err)) == MR_OK && n > 0)
		*moved += n;
	return e;
}

void
mr_partitions_keep(struct mr_db *db, const struct mr_conf *conf, int tries)
{
	struct mr_error why = MR_ERROR_INIT;
	bool soon = false;
	int made = 0;

	if (make_all(db, conf, tries, &made, &soon, &why) == MR_OK)
		return;
	if (is_locked(db) && !soon)
		mr_log_info("partitions of days to come are made later: %s", why.text);
	else
		mr_log_warning("partitions were not made, events go to the default one: %s", why.text);
}
