/* Planning: see plan.h. Where the batches are cut: see cut.h. */
#include "export/plan.h"

#include <inttypes.h>

#include "db/query.h"
#include "export/cut.h"
#include "export/slices.h"
#include "export/sql.h"

#define SCRIPT_TIMEOUT_MS 60000

struct planner {
	struct mr_db *db;
	const struct mr_plan_request *request;
	struct mr_plan_result *result;
	struct mr_error *err;
	struct mr_snapshot now;
	struct mr_str now_text;
	struct mr_str cluster;       /* system_identifier */
	struct mr_db_rows *now_rows; /* owner of the two */
	struct mr_buf sites;         /* array literals; unused where the request has NULL */
	struct mr_buf except;
	bool empty_wanted;           /* a batch without rows is one, too */
};

/* A stretch to be cut into batches. */
struct stretch {
	const char *kind;
	const char *destination;        /* NULL: all */
	const struct mr_snapshot *from; /* NULL: from the first row on */
	const struct mr_snapshot *after; /* the batch before ended there; no rows are between */
	const struct mr_snapshot *to;
	const char *sites;              /* array literal; NULL: all but `except` */
	const char *except;
};

static enum mr_err
script(struct planner *p, const char *sql)
{
	return mr_db_script(p->db, sql, SCRIPT_TIMEOUT_MS, p->err) == MR_DB_OK ? MR_OK : MR_EAGAIN;
}

static const char *
text_of(struct mr_buf *b)
{
	mr_buf_add_char(b, '\0');
	return b->failed ? NULL : b->p;
}

static enum mr_err
no_memory(struct planner *p)
{
	return mr_fail(p->err, MR_ENOMEM, "no memory to plan the export");
}

/* --- one batch --- */

static enum mr_err
insert_batch(struct planner *p, const struct stretch *s, int64_t *id)
{
	static const char sql[] =
	    "WITH n AS (SELECT nextval(pg_get_serial_sequence('export_batches', 'id')) AS id) "
	    "INSERT INTO export_batches (id, name, client, destination, kind, run_id, snapshot_from, "
	    "snapshot_to, since, until, sites, except_sites, format, compression, level, "
	    "parquet_json, encoder_version, csv_guard, parquet_codec, "
	    "partition_columns) OVERRIDING SYSTEM VALUE "
	    "SELECT n.id, to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD\"T\"HH24MISS\"Z\"') || '-' || "
	    "lpad(n.id::text, greatest(8, length(n.id::text)), '0'), $1, $2, $3, $4::uuid, $5, '', "
	    MR_SQL_TIME("$6") ", " MR_SQL_TIME("$7") ", $8::text[], $9::text[], $10, $11, "
	    "$12::integer, $13::boolean, $14::integer, $15::boolean, $16, NOT $17::boolean FROM n RETURNING id";
	const struct mr_plan_request *q = p->request;
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_db_rows *rows = NULL;
	struct mr_buf from;
	enum mr_err e;

	mr_buf_init(&from, MR_SNAPSHOT_MAX_TEXT);
	if (s->after != NULL)
		mr_snapshot_put(&from, s->after);
	mr_db_arg_text(&args, q->client);
	mr_db_arg_text(&args, s->destination);
	mr_db_arg_text(&args, s->kind);
	mr_db_arg_text(&args, q->run_id);
	mr_db_arg_text(&args, s->after != NULL ? text_of(&from) : NULL);
	mr_sql_arg_time(&args, q->since_us);
	mr_sql_arg_time(&args, q->until_us);
	mr_db_arg_text(&args, s->sites);
	mr_db_arg_text(&args, s->except);
	mr_db_arg_text(&args, q->format);
	mr_db_arg_text(&args, q->compression);
	mr_db_arg_int(&args, q->level);
	mr_db_arg_bool(&args, q->parquet_json);
	mr_db_arg_int(&args, q->encoder_version);
	mr_db_arg_bool(&args, q->csv_guard);
	mr_db_arg_text(&args, q->parquet_codec);
	mr_db_arg_bool(&args, q->drops_keys);
	e = from.failed ? no_memory(p) : mr_db_ask(p->db, sql, &args, &rows, p->err);
	if (e == MR_OK)
		*id = mr_db_int(rows, 0, 0);
	mr_db_rows_free(rows);
	mr_buf_free(&from);
	return e;
}

static enum mr_planned_sites
sites_of(const struct stretch *s)
{
	if (s->sites != NULL)
		return MR_SITES_LISTED;
	return strcmp(s->except, "{}") == 0 ? MR_SITES_ALL : MR_SITES_EXCEPT;
}

static enum mr_err
close_batch(struct planner *p, int64_t id, const struct mr_snapshot *to, const struct mr_slice_sums *c)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_buf text;
	enum mr_err e;

	mr_buf_init(&text, MR_SNAPSHOT_MAX_TEXT);
	mr_snapshot_put(&text, to);
	mr_db_arg_int(&args, id);
	mr_db_arg_int(&args, c->rows);
	mr_db_arg_text(&args, text_of(&text));
	e = text.failed ? no_memory(p) : mr_db_tell(p->db, "UPDATE export_batches SET "
	    "rows = $2::bigint, snapshot_to = $3 WHERE id = $1::bigint", &args, p->err);
	mr_buf_free(&text);
	p->result->batches++;
	p->result->rows += c->rows;
	p->result->objects += c->slices;
	return e;
}

static enum mr_err
drop_batch(struct planner *p, int64_t id)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;

	mr_db_arg_int(&args, id);
	return mr_db_tell(p->db, "DELETE FROM export_batches WHERE id = $1::bigint", &args, p->err);
}

/* Plans the batch behind s->from; *to becomes where it ends, *kept whether it is one. */
static enum mr_err
plan_batch(struct planner *p, struct stretch *s, struct mr_cut *cut, bool empty_wanted,
    struct mr_snapshot *to, bool *kept)
{
	struct mr_slice_sums c = { 0, 0, 0, 0 };
	struct mr_planned_filter filter = { 0, sites_of(s), p->request->since_us,
		p->request->until_us, false };
	int64_t id = 0;
	enum mr_err e;

	if ((e = insert_batch(p, s, &id)) != MR_OK)
		return e;
	filter.batch = id;
	if ((e = mr_cut_fit(cut, s->from, to, &filter, &c, p->err)) != MR_OK)
		return e;
	*kept = c.rows > 0 || (empty_wanted && to->xmax == s->to->xmax);
	return *kept ? close_batch(p, id, to, &c) : drop_batch(p, id);
}

/* --- stretches --- */

/*
 * Cuts a stretch into batches. *reached (NULL: not wanted) becomes where the
 * last one ended; it stays empty when there was none.
 */
static enum mr_err
plan_stretch(struct planner *p, const struct stretch *whole, bool empty_wanted,
    struct mr_snapshot *reached)
{
	struct mr_snapshot at = { .xip = NULL }, to = { .xip = NULL }, last = { .xip = NULL };
	struct mr_cut cut = { .db = p->db, .max_rows = p->request->max_rows };
	struct stretch s = *whole;
	bool kept = false, any = false, done = false;
	enum mr_err e;

	if (s.after == NULL)
		s.after = s.from;
	while (!done) {
		if ((e = mr_snapshot_copy(whole->to, &to, p->err)) != MR_OK ||
		    (e = plan_batch(p, &s, &cut, empty_wanted && !any, &to, &kept)) != MR_OK)
			goto out;
		done = to.xmax == whole->to->xmax;
		any = any || kept;
		mr_snapshot_free(&at);
		at = to;
		to.xip = NULL;
		s.from = &at;
		if (kept) {
			mr_snapshot_free(&last);
			if ((e = mr_snapshot_copy(&at, &last, p->err)) != MR_OK)
				goto out;
			s.after = &last;
		}
	}
	if (reached != NULL) {
		*reached = last;
		last.xip = NULL;
	}
out:
	mr_cut_free(&cut);
	mr_snapshot_free(&last);
	mr_snapshot_free(&at);
	mr_snapshot_free(&to);
	return e;
}

/* --- a client's chain --- */

struct chain {
	bool exists;
	struct mr_snapshot snapshot; /* where the last batch ended */
	struct mr_snapshot idle;     /* no rows are between; xip NULL: look from the snapshot on */
	bool due;
};

/* From where on there may be rows; NULL: from the first one. */
static const struct mr_snapshot *
look_from(const struct chain *c)
{
	if (!c->exists)
		return NULL;
	return c->idle.xip != NULL ? &c->idle : &c->snapshot;
}

static enum mr_err
check_cluster(struct planner *p, struct mr_str cluster, const struct chain *c)
{
	if (!mr_str_eq(cluster, p->cluster))
		return mr_fail(p->err, MR_EINVAL, "client %s: was exported from another PostgreSQL "
		    "cluster (%.*s, this is %.*s); if its data were moved here, run "
		    "millrace-admin rebind", p->request->client, (int)cluster.n, cluster.p,
		    (int)p->cluster.n, p->cluster.p);
	if (look_from(c)->xmax > p->now.xmax)
		return mr_fail(p->err, MR_EINVAL, "client %s: the database is at transaction %" PRIu64
		    ", but was exported up to %" PRIu64 "; if a backup was restored, run "
		    "millrace-admin rebind", p->request->client, p->now.xmax, look_from(c)->xmax);
	return MR_OK;
}

/* The two lists of sites, as parameters. */
static void
put_sites(struct mr_db_args *args, const struct planner *p)
{
	mr_db_arg_text(args, p->request->sites != NULL ? p->sites.p : NULL);
	mr_db_arg_text(args, p->except.p);
}

static enum mr_err
load_chain(struct planner *p, struct chain *c)
{
	static const char *const spans[] = { [MR_REALTIME] = "microseconds", [MR_HOURLY] = "hour",
		[MR_DAILY] = "day" };
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_db_rows *rows = NULL;
	enum mr_err e;

	*c = (struct chain){ .due = true };
	p->empty_wanted = true;
	mr_db_arg_text(&args, p->request->client);
	mr_db_arg_text(&args, spans[p->request->frequency]);
	put_sites(&args, p);
	/*
	 * A plan of the future was made by a clock that was wrong; it holds up nothing. Where other
	 * sites were idle nothing is known of these.
	 */
	e = mr_db_ask(p->db, "SELECT system_identifier, snapshot, "
	    "(planned_at < date_trunc($2, now()) OR planned_at > now())::int, "
	    "(planned_at < date_trunc('hour', now()) OR planned_at > now())::int, "
	    "CASE WHEN sites IS NOT DISTINCT FROM $3::text[] AND except_sites = $4::text[] THEN "
	    "idle_until END FROM export_chains WHERE client = $1 FOR UPDATE", &args, &rows, p->err);
	if (e != MR_OK || mr_db_n_rows(rows) == 0)
		goto out;
	c->exists = true;
	c->due = mr_db_int(rows, 0, 2) != 0;
	p->empty_wanted = mr_db_int(rows, 0, 3) != 0;
	if ((e = mr_snapshot_parse(mr_db_value(rows, 0, 1), &c->snapshot, p->err)) == MR_OK &&
	    mr_db_value(rows, 0, 4).p != NULL)
		e = mr_snapshot_parse(mr_db_value(rows, 0, 4), &c->idle, p->err);
	if (e == MR_OK)
		e = check_cluster(p, mr_db_value(rows, 0, 0), c);
out:
	mr_db_rows_free(rows);
	return e;
}

static enum mr_err
load_now(struct planner *p)
{
	enum mr_err e = mr_db_ask(p->db, "SELECT pg_current_snapshot(), (SELECT system_identifier "
	    "FROM pg_control_system())", NULL, &p->now_rows, p->err);

	if (e != MR_OK)
		return e;
	p->now_text = mr_db_value(p->now_rows, 0, 0);
	p->cluster = mr_db_value(p->now_rows, 0, 1);
	return mr_snapshot_parse(p->now_text, &p->now, p->err);
}

/* What sites the chain has not had so far gets a stretch of its own. */
static enum mr_err
plan_new_sites(struct planner *p, const struct chain *c)
{
	/* Columns: whether there are any, and they as a list or as all but a list. */
	static const char sql[] =
	    "WITH old AS (SELECT sites, except_sites AS ex FROM export_chains WHERE client = $1), "
	    "new AS (SELECT $2::text[] AS sites, $3::text[] AS ex), "
	    "d AS (SELECT CASE "
	    "WHEN new.sites IS NOT NULL AND old.sites IS NOT NULL THEN "
	    "ARRAY(SELECT unnest(new.sites) EXCEPT SELECT unnest(old.sites)) "
	    "WHEN new.sites IS NOT NULL THEN "
	    "ARRAY(SELECT unnest(new.sites) INTERSECT SELECT unnest(old.ex)) "
	    "WHEN old.sites IS NULL THEN ARRAY(SELECT unnest(old.ex) EXCEPT SELECT unnest(new.ex)) "
	    "END AS sites, CASE WHEN new.sites IS NULL AND old.sites IS NOT NULL THEN "
	    "ARRAY(SELECT unnest(old.sites) UNION SELECT unnest(new.ex)) ELSE '{}' END AS ex "
	    "FROM old, new) "
	    "SELECT (sites IS NULL OR sites <> '{}')::int, sites, ex FROM d";
	struct stretch s = { .kind = "backfill", .to = &c->snapshot };
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_db_rows *rows;
	enum mr_err e;

	mr_db_arg_text(&args, p->request->client);
	put_sites(&args, p);
	if ((e = mr_db_ask(p->db, sql, &args, &rows, p->err)) != MR_OK)
		return e;
	if (mr_db_int(rows, 0, 0) != 0) {
		s.sites = mr_db_value(rows, 0, 1).p;
		s.except = mr_db_value(rows, 0, 2).p;
		e = plan_stretch(p, &s, false, NULL);
	}
	mr_db_rows_free(rows);
	return e;
}

/* Makes the cursors that are missing; one of an older chain gets what it has missed. */
static enum mr_err
plan_new_destinations(struct planner *p, const struct chain *c)
{
	static const char sql[] =
	    "INSERT INTO export_cursors (client, destination, batch, url) SELECT $1, $2, "
	    "coalesce((SELECT max(id) FROM export_batches WHERE $4::boolean), 0), $3 "
	    "ON CONFLICT (client, destination) DO NOTHING RETURNING 1";
	struct stretch s = { .kind = "backfill", .to = &c->snapshot,
		.sites = p->request->sites != NULL ? p->sites.p : NULL, .except = p->except.p };
	struct mr_db_rows *rows;
	enum mr_err e = MR_OK;

	for (size_t i = 0; i < p->request->n_destinations && e == MR_OK; i++) {
		struct mr_db_args args = MR_DB_ARGS_INIT;

		mr_db_arg_text(&args, p->request->client);
		mr_db_arg_text(&args, p->request->destinations[i]);
		mr_db_arg_text(&args, p->request->urls[i]);
		mr_db_arg_bool(&args, c->exists);
		if ((e = mr_db_ask(p->db, sql, &args, &rows, p->err)) != MR_OK)
			return e;
		s.destination = p->request->destinations[i];
		if (mr_db_n_rows(rows) > 0 && c->exists)
			e = plan_stretch(p, &s, false, NULL);
		mr_db_rows_free(rows);
	}
	return e;
}

/* A client that is exported by the hour or day gets whole ones: cuts *to there. */
static enum mr_err
end_at_period(struct planner *p, const struct chain *c, struct mr_snapshot *to)
{
	struct mr_db_rows *rows;
	struct mr_buf sql;
	enum mr_err e;

	if (p->request->frequency == MR_REALTIME)
		return MR_OK;
	mr_buf_init(&sql, MR_SQL_MAX);
	mr_buf_printf(&sql, "SELECT min(ingest_xid) FROM events WHERE created_at >= "
	    "date_trunc('%s', now()) AND ", p->request->frequency == MR_HOURLY ? "hour" : "day");
	mr_snapshot_between(&sql, look_from(c), to);
	mr_buf_printf(&sql, " AND ingest_xid >= %" PRIu64, c->exists ? look_from(c)->xmax : 0);
	mr_buf_add_char(&sql, '\0');
	e = sql.failed ? no_memory(p) : mr_db_ask(p->db, sql.p, NULL, &rows, p->err);
	mr_buf_free(&sql);
	if (e != MR_OK)
		return e;
	if (mr_db_value(rows, 0, 0).p != NULL)
		mr_snapshot_cut(to, (uint64_t)mr_db_int(rows, 0, 0));
	mr_db_rows_free(rows);
	return MR_OK;
}

/* reached: where the last new batch ended; xip NULL: there was none. idle: see struct chain. */
static enum mr_err
save_chain(struct planner *p, const struct chain *c, const struct mr_snapshot *reached,
    const struct mr_snapshot *idle)
{
	static const char sql[] =
	    "INSERT INTO export_chains (client, system_identifier, snapshot, sites, except_sites) "
	    "VALUES ($1, $2::bigint, $3, $4::text[], $5::text[]) ON CONFLICT (client) DO UPDATE SET "
	    "snapshot = excluded.snapshot, sites = excluded.sites, "
	    "except_sites = excluded.except_sites, idle_until = $7, "
	    "planned_at = CASE WHEN $6::boolean THEN now() ELSE export_chains.planned_at END";
	bool planned = reached->xip != NULL;
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_buf text, idle_text;
	enum mr_err e;

	mr_buf_init(&text, MR_SNAPSHOT_MAX_TEXT);
	mr_buf_init(&idle_text, MR_SNAPSHOT_MAX_TEXT);
	mr_snapshot_put(&text, planned ? reached : &c->snapshot);
	mr_snapshot_put(&idle_text, idle);
	mr_db_arg_text(&args, p->request->client);
	mr_db_arg_text(&args, p->cluster.p);
	mr_db_arg_text(&args, text_of(&text));
	put_sites(&args, p);
	mr_db_arg_bool(&args, planned);
	mr_db_arg_text(&args, !planned && idle->xip != NULL ? text_of(&idle_text) : NULL);
	e = text.failed || idle_text.failed ? no_memory(p) : mr_db_tell(p->db, sql, &args, p->err);
	mr_buf_free(&text);
	mr_buf_free(&idle_text);
	return e;
}

/* The stretch of a client that is due; *to becomes where it ends, *reached as of plan_stretch(). */
static enum mr_err
plan_due(struct planner *p, const struct chain *c, struct mr_snapshot *to,
    struct mr_snapshot *reached)
{
	struct stretch s = { .kind = "cursor", .to = to, .from = look_from(c),
		.after = c->exists ? &c->snapshot : NULL,
		.sites = p->request->sites != NULL ? p->sites.p : NULL, .except = p->except.p };
	enum mr_err e;

	if ((e = mr_snapshot_copy(&p->now, to, p->err)) != MR_OK ||
	    (e = end_at_period(p, c, to)) != MR_OK)
		return e;
	return plan_stretch(p, &s, p->empty_wanted, reached);
}

static enum mr_err
plan_chain(struct planner *p)
{
	struct mr_snapshot to = { .xip = NULL }, reached = { .xip = NULL };
	struct chain c = { .exists = false };
	enum mr_err e;

	if ((e = load_now(p)) == MR_OK && (e = load_chain(p, &c)) == MR_OK &&
	    (!c.exists || (e = plan_new_sites(p, &c)) == MR_OK) &&
	    (e = plan_new_destinations(p, &c)) == MR_OK &&
	    (!c.due || (e = plan_due(p, &c, &to, &reached)) == MR_OK))
		e = save_chain(p, &c, &reached, c.due ? &to : &c.idle);
	mr_snapshot_free(&c.snapshot);
	mr_snapshot_free(&c.idle);
	mr_snapshot_free(&to);
	mr_snapshot_free(&reached);
	return e;
}

static enum mr_err
plan_manual(struct planner *p)
{
	struct stretch s = { .kind = "manual", .to = &p->now,
		.sites = p->request->sites != NULL ? p->sites.p : NULL, .except = p->except.p };
	enum mr_err e = load_now(p);

	return e == MR_OK ? plan_stretch(p, &s, true, NULL) : e;
}

/* --- from outside --- */

static enum mr_err
in_transaction(struct mr_db *db, const struct mr_plan_request *request,
    struct mr_plan_result *result, enum mr_err (*plan)(struct planner *), struct mr_error *err)
{
	struct planner p = { .db = db, .request = request, .result = result, .err = err };
	enum mr_err e;

	*result = (struct mr_plan_result){ 0, 0, 0 };
	mr_buf_init(&p.sites, MR_SQL_MAX);
	mr_buf_init(&p.except, MR_SQL_MAX);
	if (request->sites != NULL)
		mr_planned_put_array(&p.sites, request->sites);
	mr_planned_put_array(&p.except, request->except);
	if (text_of(&p.except) == NULL || text_of(&p.sites) == NULL)
		e = no_memory(&p);
	else if ((e = script(&p, "BEGIN")) == MR_OK)
		e = plan(&p);
	if (e == MR_OK)
		e = script(&p, request->dry_run ? "ROLLBACK" : "COMMIT");
	else
		(void)mr_db_script(db, "ROLLBACK", SCRIPT_TIMEOUT_MS, NULL);
	mr_snapshot_free(&p.now);
	mr_db_rows_free(p.now_rows);
	mr_buf_free(&p.sites);
	mr_buf_free(&p.except);
	return e;
}

enum mr_err
mr_plan_chain(struct mr_db *db, const struct mr_plan_request *request,
    struct mr_plan_result *result, struct mr_error *err)
{
	return in_transaction(db, request, result, plan_chain, err);
}

enum mr_err
mr_plan_manual(struct mr_db *db, const struct mr_plan_request *request,
    struct mr_plan_result *result, struct mr_error *err)
{
	return in_transaction(db, request, result, plan_manual, err);
}
