/* The balance of the books: see balance.h. */
#include "ingest/balance.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "counters/books.h"
#include "counters/shared.h"
#include "db/query.h"
#include "spool/inspect.h"

/* How often it is tried to find a moment in which nothing moves. */
#define TRIES 10
#define PAUSE_MS 20
#define ROLLBACK_TIMEOUT_MS 3000
/* Records of the spool that are looked up with one query. */
#define CHUNK 10000
#define ARRAY_BYTES ((size_t)CHUNK * 64)

/* --- settling ------------------------------------------------------------------ */

/*
 * A row without events takes the group's place in the ledger: whoever may still
 * be storing it is waited for, and whoever comes later finds it known.
 */
#define CLOSE_GROUP "INSERT INTO ingest_groups (group_id, instance, stored, duplicate, rejected) " \
	"VALUES ($1::uuid, $2::uuid, 0, 0, 0) ON CONFLICT DO NOTHING"
#define GROUP_EVENTS "SELECT stored + duplicate + rejected FROM ingest_groups " \
	"WHERE group_id = $1::uuid"

static enum mr_err
kept_in_ledger(struct mr_db *db, const uint8_t instance[MR_UUID_BYTES],
    const uint8_t group[MR_UUID_BYTES], uint32_t *kept, struct mr_error *err)
{
	struct mr_db_args close = MR_DB_ARGS_INIT, ask = MR_DB_ARGS_INIT;
	char id[MR_UUID_TEXT], ours[MR_UUID_TEXT];
	struct mr_db_rows *rows;
	enum mr_err e;

	mr_uuid_format(group, id);
	mr_uuid_format(instance, ours);
	mr_db_arg_text(&close, id);
	mr_db_arg_text(&close, ours);
	mr_db_arg_text(&ask, id);
	if ((e = mr_db_tell(db, CLOSE_GROUP, &close, err)) != MR_OK ||
	    (e = mr_db_ask(db, GROUP_EVENTS, &ask, &rows, err)) != MR_OK)
		return e;
	*kept = mr_db_n_rows(rows) > 0 ? (uint32_t)mr_db_int(rows, 0, 0) : 0;
	mr_db_rows_free(rows);
	return MR_OK;
}

/* Its lane is gone, so what is not in the spool now will not come there. */
static enum mr_err
settle_one(struct mr_db *db, const struct mr_inspect_groups *spooled,
    const uint8_t instance[MR_UUID_BYTES], const struct mr_orphan *orphan, struct mr_error *err)
{
	uint32_t kept = mr_inspect_find(spooled, orphan->group);
	enum mr_err e = kept > 0 ? MR_OK :
	    kept_in_ledger(db, instance, orphan->group, &kept, err);

	if (e == MR_OK)
		mr_books_settle(orphan, kept);
	else
		mr_books_put_back(orphan);
	return e;
}

bool
mr_balance_needed(void)
{
	struct mr_orphan orphan;
	size_t from = 0;

	if (!mr_books_orphan(&from, &orphan))
		return false;
	mr_books_put_back(&orphan);
	return true;
}

enum mr_err
mr_balance_settle(struct mr_db *db, const char *spool_dir, const uint8_t instance[MR_UUID_BYTES],
    size_t *left, struct mr_error *err)
{
	struct mr_orphan *orphans = calloc(MR_SHARED_SLOTS, sizeof *orphans);
	struct mr_inspect_groups spooled = { .n = 0 };
	size_t from = 0, n = 0;
	enum mr_err e;

	*left = 0;
	if (orphans == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory to settle the books");
	/* Claimed before the spool is read: what they left there is seen. */
	while (n < MR_SHARED_SLOTS && mr_books_orphan(&from, &orphans[n]))
		n++;
	e = n > 0 ? mr_inspect_groups(&spooled, spool_dir, instance, err) : MR_OK;
	for (size_t i = 0; i < n; i++) {
		if (e != MR_OK)
			mr_books_put_back(&orphans[i]);
		else
			e = settle_one(db, &spooled, instance, &orphans[i], err);
		*left += e != MR_OK;
	}
	mr_inspect_free(&spooled);
	free(orphans);
	return e;
}

/* --- computing ----------------------------------------------------------------- */

#define LEDGER_SUMS "SELECT coalesce(sum(stored), 0), coalesce(sum(duplicate), 0), " \
	"coalesce(sum(rejected), 0) FROM (" \
	"SELECT stored, duplicate, rejected FROM ingest_groups WHERE instance = $1::uuid UNION ALL " \
	"SELECT stored, duplicate, rejected FROM ingest_totals WHERE instance = $1::uuid) AS t"
#define NOT_STORED "SELECT coalesce(sum(n), 0) FROM unnest($1::uuid[], $2::bigint[]) AS s (id, n) " \
	"WHERE NOT EXISTS (SELECT FROM ingest_groups WHERE group_id = id)"

static enum mr_err
read_ledger(struct mr_db *db, const uint8_t instance[MR_UUID_BYTES], struct mr_balance *a,
    struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	char ours[MR_UUID_TEXT];
	struct mr_db_rows *rows;
	enum mr_err e;

	mr_uuid_format(instance, ours);
	mr_db_arg_text(&args, ours);
	if ((e = mr_db_ask(db, LEDGER_SUMS, &args, &rows, err)) != MR_OK)
		return e;
	a->stored = mr_db_int(rows, 0, 0);
	a->duplicate = mr_db_int(rows, 0, 1);
	a->rejected = mr_db_int(rows, 0, 2);
	mr_db_rows_free(rows);
	return MR_OK;
}

/* Two arrays of as many of our records from *from on as one query takes. */
static size_t
fill_chunk(const struct mr_inspect_groups *spooled, size_t *from, bool quarantined, struct mr_buf *ids,
    struct mr_buf *events)
{
	char id[MR_UUID_TEXT];
	size_t n = 0;

	mr_buf_reset(ids, ARRAY_BYTES);
	mr_buf_reset(events, ARRAY_BYTES);
	mr_buf_add_char(ids, '{');
	mr_buf_add_char(events, '{');
	for (; *from < spooled->n && n < CHUNK; (*from)++) {
		const struct mr_inspect_group *r = &spooled->groups[*from];

		if (!r->ours || r->quarantined != quarantined)
			continue;
		mr_uuid_format(r->id, id);
		mr_buf_printf(ids, "%s%s", n > 0 ? "," : "", id);
		mr_buf_printf(events, "%s%" PRIu32, n > 0 ? "," : "", r->events);
		n++;
	}
	mr_buf_add(ids, "}", 2);
	mr_buf_add(events, "}", 2);
	return n;
}

/* The events of our records that are not in the ledger. */
static enum mr_err
sum_unstored(struct mr_db *db, const struct mr_inspect_groups *spooled, bool quarantined,
    int64_t *sum, struct mr_error *err)
{
	struct mr_buf ids, events;
	struct mr_db_rows *rows;
	enum mr_err e = MR_OK;
	size_t from = 0;

	*sum = 0;
	mr_buf_init(&ids, ARRAY_BYTES);
	mr_buf_init(&events, ARRAY_BYTES);
	while (e == MR_OK && fill_chunk(spooled, &from, quarantined, &ids, &events) > 0) {
		struct mr_db_args args = MR_DB_ARGS_INIT;

		mr_db_arg_text(&args, ids.p);
		mr_db_arg_text(&args, events.p);
		if (ids.failed || events.failed) {
			e = mr_fail(err, MR_ENOMEM, "no memory to look up the spool");
		} else if ((e = mr_db_ask(db, NOT_STORED, &args, &rows, err)) == MR_OK) {
			*sum += mr_db_int(rows, 0, 0);
			mr_db_rows_free(rows);
		}
	}
	mr_buf_free(&ids);
	mr_buf_free(&events);
	return e;
}

/*
 * The spool first, then the ledger, in one snapshot: what is replayed in between
 * is in both, and left out of the first.
 */
static enum mr_err
read_kept(struct mr_db *db, const char *spool_dir, const uint8_t instance[MR_UUID_BYTES],
    struct mr_balance *a, struct mr_error *err)
{
	struct mr_inspect_groups spooled;
	enum mr_err e = mr_inspect_groups(&spooled, spool_dir, instance, err);

	if (e != MR_OK)
		return e;
	a->unreadable = spooled.unreadable;
	if ((e = mr_db_tell(db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL,
	    err)) == MR_OK) {
		if ((e = read_ledger(db, instance, a, err)) == MR_OK &&
		    (e = sum_unstored(db, &spooled, false, &a->spooled, err)) == MR_OK)
			e = sum_unstored(db, &spooled, true, &a->quarantined, err);
		mr_db_abort(db, ROLLBACK_TIMEOUT_MS);
	}
	mr_inspect_free(&spooled);
	return e;
}

/* What is kept must lie between what was accepted before and what may be after. */
static void
compare(const struct mr_books *before, const struct mr_books *after, struct mr_balance *a)
{
	int64_t kept = a->stored + a->duplicate + a->rejected + a->spooled + a->quarantined;
	int64_t least = (int64_t)before->accepted;
	int64_t most = (int64_t)(after->accepted + after->in_flight);

	a->accepted = (int64_t)after->accepted;
	a->in_flight = (int64_t)after->in_flight;
	a->moving = before->accepted != after->accepted || before->in_flight + after->in_flight > 0;
	a->difference = kept < least ? least - kept : kept > most ? most - kept : 0;
}

enum mr_err
mr_balance_take(struct mr_db *db, const char *spool_dir, const uint8_t instance[MR_UUID_BYTES],
    struct mr_balance *a, struct mr_error *err)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	struct mr_books before, after;
	enum mr_err e;

	*a = (struct mr_balance){ .moving = true };
	if (!mr_shared_is_file())
		return mr_fail(err, MR_EINVAL, "there are no books without a file of counters, "
		    "[metrics] file");
	if (mr_db_ensure(db, err) != MR_OK)
		return MR_EAGAIN;
	if ((e = mr_balance_settle(db, spool_dir, instance, &a->unsettled, err)) != MR_OK)
		return e;
	for (int i = 0; i < TRIES && e == MR_OK && a->moving; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		mr_books_read(&before);
		e = read_kept(db, spool_dir, instance, a, err);
		mr_books_read(&after);
		compare(&before, &after, a);
	}
	return e;
}

/* --- the tables ---------------------------------------------------------------- */

/*
 * The first partition is that of the day on which the tables were made; when the
 * earliest is of a later day, days were dropped.
 */
#define ROW_COUNTS "WITH l AS (SELECT coalesce(sum(stored), 0) AS stored, " \
	"coalesce(sum(rejected), 0) - coalesce(sum(deleted), 0) AS rejected FROM (" \
	"SELECT stored, rejected, 0 AS deleted FROM ingest_groups UNION ALL " \
	"SELECT stored, rejected, deleted FROM ingest_totals) AS t) " \
	"SELECT (SELECT count(*) FROM events), (SELECT stored FROM l), " \
	"(SELECT count(*) FROM rejected_events), (SELECT rejected FROM l), " \
	"(SELECT min(relname) > 'events_' || (SELECT to_char(applied_at AT TIME ZONE 'UTC', " \
	"'YYYYMMDD') FROM schema_migrations WHERE version = 1) FROM pg_inherits " \
	"JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'events'::regclass " \
	"AND relname ~ '^events_[0-9]{8}$')::integer"

enum mr_err
mr_balance_count_rows(struct mr_db *db, struct mr_balance_rows *counted, struct mr_error *err)
{
	struct mr_db_rows *rows;
	enum mr_err e;

	if (mr_db_ensure(db, err) != MR_OK)
		return MR_EAGAIN;
	if ((e = mr_db_ask(db, ROW_COUNTS, NULL, &rows, err)) != MR_OK)
		return e;
	*counted = (struct mr_balance_rows){ .events = mr_db_int(rows, 0, 0),
		.events_ledger = mr_db_int(rows, 0, 1), .rejected = mr_db_int(rows, 0, 2),
		.rejected_ledger = mr_db_int(rows, 0, 3), .dropped = mr_db_int(rows, 0, 4) != 0 };
	mr_db_rows_free(rows);
	return MR_OK;
}

void
mr_balance_put_amounts(struct mr_json_writer *w, const struct mr_balance *a)
{
	mr_json_int(w, "accepted", a->accepted);
	mr_json_int(w, "in_flight", a->in_flight);
	mr_json_int(w, "stored", a->stored);
	mr_json_int(w, "duplicate", a->duplicate);
	mr_json_int(w, "rejected", a->rejected);
	mr_json_int(w, "spooled", a->spooled);
	mr_json_int(w, "quarantined", a->quarantined);
}
