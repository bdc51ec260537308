/* Dropping: see drop.h. */
#include "retention/drop.h"

#include <stdio.h>

#include "db/partitions.h"
#include "db/query.h"

#define SQL_MAX 2048
#define SHORT_MS 60000

/*
 * Each statement has to see what was committed before it: what others stored in the partition
 * until it was locked. A program that stands still gives the lock back.
 */
#define BEGIN "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL enable_seqscan = off; " \
	"SET LOCAL idle_in_transaction_session_timeout = '10s'"

/*
 * Whether it has rows that were not counted, of whoever was still at work then, too; or a
 * manual export wants it. Cursors go forward only, so what a destination had it has. The
 * index leads to such rows, where there are any.
 */
#define UNCHANGED "SELECT (EXISTS (SELECT FROM events_counted WHERE partition = $1 AND " \
	"snapshot = $2) AND NOT EXISTS (SELECT FROM events WHERE created_at >= '%.*s' AND " \
	"created_at < '%.*s' AND (ingest_xid >= pg_snapshot_xmax($2::pg_snapshot)::text::bigint OR " \
	"ingest_xid = ANY (ARRAY(SELECT x::text::bigint FROM pg_snapshot_xip($2::pg_snapshot) x)))) " \
	"AND NOT EXISTS (SELECT FROM export_runs WHERE " \
	"state IN ('requested', 'running') AND NOT dry_run AND (since IS NOT NULL OR until IS NOT " \
	"NULL) AND coalesce(since, '-infinity') < '%.*s' AND coalesce(until, 'infinity') > '%.*s'))::int"

static enum mr_err
is_unchanged(struct mr_db *db, const struct mr_span *s, const char *name, bool *unchanged,
    struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	char sql[SQL_MAX];
	int64_t same = 0;
	enum mr_err e;

	(void)snprintf(sql, sizeof sql, UNCHANGED, (int)s->low.n, s->low.p, (int)s->high.n, s->high.p,
	    (int)s->high.n, s->high.p, (int)s->low.n, s->low.p);
	mr_db_arg_text(&args, name);
	mr_db_arg_text(&args, s->snapshot.p);
	e = mr_db_ask_int(db, sql, &args, &same, err);
	*unchanged = same != 0;
	return e;
}

/* With the COMMIT at once: INSERTs wait for the lock on events, and not for us. */
static enum mr_err
drop_and_commit(struct mr_db *db, const char *name, struct mr_error *err)
{
	char sql[128];

	(void)snprintf(sql, sizeof sql, "SELECT events_drop_partition('%s'); COMMIT", name);
	return mr_db_script(db, sql, SHORT_MS, err) == MR_DB_OK ? MR_OK : MR_EAGAIN;
}

static enum mr_err
drop_in_transaction(struct mr_db *db, const struct mr_span *s, bool *gone, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	bool unchanged = false;
	char name[64];
	enum mr_err e;

	(void)snprintf(name, sizeof name, "%.*s", (int)s->name.n, s->name.p);
	mr_db_arg_text(&args, name);
	if (mr_db_script(db, BEGIN, SHORT_MS, err) != MR_DB_OK)
		return MR_EAGAIN;
	if ((e = mr_db_tell(db, "SELECT events_hold_partition($1)", &args, err)) != MR_OK ||
	    (e = is_unchanged(db, s, name, &unchanged, err)) != MR_OK || !unchanged)
		return e;
	if ((e = mr_db_tell(db, "DELETE FROM events_counted WHERE partition = $1", &args, err)) != MR_OK ||
	    (e = drop_and_commit(db, name, err)) != MR_OK)
		return e;
	*gone = true;
	return MR_OK;
}

enum mr_err
mr_drop_span(struct mr_db *db, const struct mr_span *s, bool *gone, struct mr_error *err)
{
	int tries = MR_PARTITIONS_TRIES;
	enum mr_err e;

	*gone = false;
	do
		e = drop_in_transaction(db, s, gone, err);
	while (e != MR_OK && mr_partitions_try_again(db, &tries));
	mr_db_abort(db, SHORT_MS);
	return e;
}
