/* How far the export is: see state.h. */
#include "export/state.h"

#include <string.h>

#include "base/buf.h"
#include "db/locks.h"
#include "export/sql.h"
#include "format/jsonwriter.h"

/*
 * Where the clients $1 stand: their snapshots, the lowest of the places behind which rows
 * wait, all such places, and the transactions below them that were in progress. A client
 * without a chain waits for all rows.
 */
static const char places_sql[] =
    "WITH c AS (SELECT n, coalesce(h.idle_until, h.snapshot, '1:1:')::pg_snapshot AS s, "
    "set_config('enable_seqscan', 'off', false) FROM unnest($1::text[]) WITH ORDINALITY c "
    "(name, n) LEFT JOIN export_chains h ON h.client = c.name) "
    "SELECT array_agg(s::text ORDER BY n), min(pg_snapshot_xmax(s)::text::bigint), "
    "array_agg(DISTINCT pg_snapshot_xmax(s)::text::bigint), "
    "ARRAY(SELECT DISTINCT x::text::bigint FROM c, pg_snapshot_xip(s) x) FROM c";

/* What of the events no batch has, by site and by which of the places $8 it is behind. */
#define WAITING \
	"SELECT site_id, width_bucket(ingest_xid, $8::bigint[]) AS place, " \
	"CASE WHEN ingest_xid = ANY ($9::bigint[]) THEN ingest_xid END AS late, " \
	"count(*) AS rows, min(created_at) AS oldest FROM (" \
	"SELECT site_id, ingest_xid, created_at FROM events WHERE " \
	"(ingest_xid >= $7::bigint OR ingest_xid = ANY ($9::bigint[]))"
/* The first ones of them, as they lie. */
#define UP_TO_MOST " LIMIT $10::bigint) e GROUP BY 1, 2, 3"

/*
 * Clients: $1 names, $2 whether they take all sites that no other one lists, $3 whether they
 * have a backup, $4 places in the configuration, $6 snapshots; $5: pairs of site and such a
 * place, of all clients. $7 to $9: see places_sql; $10: so many rows are read. A row of a late
 * transaction waits for those that saw it in progress. In CASE, as the index is not to be
 * asked for each of the sites.
 */
static const char destinations_sql[] =
    "WITH c AS (SELECT c.*, width_bucket(pg_snapshot_xmax(s::pg_snapshot)::text::bigint, "
    "$8::bigint[]) AS place, ARRAY(SELECT x::text::bigint FROM pg_snapshot_xip(s::pg_snapshot) x) "
    "AS late FROM unnest($1::text[], $2::boolean[], $3::boolean[], $4::integer[], $6::text[]) c "
    "(client, takes_all, backup, n, s)), "
    "l AS (SELECT p->>0 AS site, (p->>1)::integer AS n FROM json_array_elements($5::json) p), "
    "s AS (SELECT ARRAY(SELECT site FROM l JOIN c USING (n)) AS sites, bool_or(takes_all) AS all "
    "FROM c), "
    "w1 AS MATERIALIZED (" WAITING " AND CASE WHEN (SELECT s.all FROM s) THEN true ELSE "
    "site_id = ANY ((SELECT sites FROM s)::text[]) END" UP_TO_MOST "), "
    "w2 AS MATERIALIZED (" WAITING " AND (SELECT sum(rows) FROM w1) >= $10::bigint AND CASE WHEN "
    "site_id IN (SELECT site_id FROM w1) THEN false WHEN (SELECT s.all FROM s) THEN true ELSE "
    "site_id = ANY ((SELECT sites FROM s)::text[]) END" UP_TO_MOST "), "
    "w AS (SELECT * FROM w1 UNION ALL SELECT * FROM w2), "
    "u AS (SELECT c.n, w.* FROM c JOIN l USING (n) JOIN w ON w.site_id = l.site WHERE "
    "NOT takes_all AND (w.place >= c.place OR w.late = ANY (c.late)) UNION ALL "
    "SELECT c.n, w.* FROM c, w WHERE takes_all AND (w.place >= c.place OR w.late = ANY (c.late)) "
    "AND NOT EXISTS (SELECT FROM l WHERE l.site = w.site_id AND l.n <> c.n)), "
    "v AS (SELECT n, sum(rows)::bigint AS rows, min(oldest) AS oldest FROM u GROUP BY n) "
    "SELECT d.name, k.url, " MR_SQL_TEXT_MS("k.succeeded_at") ", "
    MR_SQL_TEXT_MS("k.failed_at") ", k.error, k.events, k.bytes, k.objects, "
    "coalesce(p.rows, 0) + coalesce(v.rows, 0), "
    /* Nothing is infinite but what someone wrote by hand. */
    "least(greatest(0, extract(epoch FROM now()) - extract(epoch FROM least(p.oldest, v.oldest))), "
    "1e12)::bigint, "
    "coalesce(extract(epoch FROM k.succeeded_at), 0)::bigint, c.n "
    "FROM c CROSS JOIN LATERAL (SELECT 'bucket' AS name UNION ALL SELECT 'backup' WHERE c.backup) d "
    "LEFT JOIN export_cursors k ON k.client = c.client AND k.destination = d.name "
    "LEFT JOIN v USING (n) LEFT JOIN LATERAL (SELECT sum(b.rows)::bigint AS rows, "
    "min(coalesce(b.oldest_at, b.planned_at)) AS oldest FROM export_batches b WHERE "
    "b.client = k.client AND b.id > k.batch AND b.kind <> 'manual' AND b.rows > 0 AND "
    "(b.destination IS NULL OR b.destination = k.destination)) p ON true "
    "ORDER BY c.n, d.name DESC";

/* The clients of one frequency as parameters. */
struct clients {
	struct mr_buf names, takes_all, backups, places;
	struct mr_buf sites; /* of all clients: JSON, pairs of a site and a client's place */
	size_t n;
};

static void
init_clients(struct clients *c)
{
	struct mr_buf *all[] = { &c->names, &c->takes_all, &c->backups, &c->places, &c->sites };

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		mr_buf_init(all[i], MR_SQL_MAX);
	c->n = 0;
}

static void
free_clients(struct clients *c)
{
	mr_buf_free(&c->names);
	mr_buf_free(&c->takes_all);
	mr_buf_free(&c->backups);
	mr_buf_free(&c->places);
	mr_buf_free(&c->sites);
}

/* Makes room for the next item of an array literal; none that follow have to be quoted. */
static void
put_comma(struct mr_buf *array)
{
	mr_buf_add_char(array, array->len == 0 ? '{' : ',');
}

static void
put_flag(struct mr_buf *array, bool flag)
{
	put_comma(array);
	mr_buf_add_char(array, flag ? 't' : 'f');
}

static void
put_client(struct clients *c, const struct mr_conf_client *client, size_t place)
{
	put_comma(&c->names);
	mr_buf_add_cstr(&c->names, client->name);
	put_flag(&c->takes_all, mr_conf_client_takes_all(client));
	put_flag(&c->backups, client->has_backup);
	put_comma(&c->places);
	mr_buf_printf(&c->places, "%zu", place);
	c->n++;
}

static void
put_sites(struct mr_json_writer *w, const struct mr_conf_client *client, size_t place)
{
	for (size_t i = 0; i < client->sites.n; i++) {
		if (strcmp(client->sites.items[i], "*") == 0)
			continue;
		mr_json_array(w, NULL);
		mr_json_text(w, NULL, mr_str(client->sites.items[i]));
		mr_json_int(w, NULL, (int64_t)place);
		mr_json_end(w);
	}
}

static enum mr_err
put_clients(struct clients *c, const struct mr_conf *conf, enum mr_frequency frequency,
    struct mr_error *err)
{
	struct mr_json_writer w;

	mr_json_begin(&w, &c->sites);
	mr_json_array(&w, NULL);
	for (size_t i = 0; i < conf->n_clients; i++) {
		put_sites(&w, &conf->clients[i], i);
		if (conf->clients[i].frequency == (int64_t)frequency)
			put_client(c, &conf->clients[i], i);
	}
	mr_json_end(&w);
	mr_buf_add(&c->names, "}", sizeof "}");
	mr_buf_add(&c->takes_all, "}", sizeof "}");
	mr_buf_add(&c->backups, "}", sizeof "}");
	mr_buf_add(&c->places, "}", sizeof "}");
	mr_buf_add_char(&c->sites, '\0');
	return c->names.failed || c->places.failed || c->sites.failed || c->takes_all.failed ||
	    c->backups.failed ? mr_fail(err, MR_ENOMEM, "no memory for the clients") : MR_OK;
}

static enum mr_err
ask(struct mr_db *db, const struct clients *c, int64_t most, struct mr_db_rows **rows,
    struct mr_error *err)
{
	struct mr_db_args names = MR_DB_ARGS_INIT, args = MR_DB_ARGS_INIT;
	struct mr_db_rows *places;
	enum mr_err e;

	mr_db_arg_text(&names, c->names.p);
	if ((e = mr_db_ask(db, places_sql, &names, &places, err)) != MR_OK)
		return e;
	mr_db_arg_text(&args, c->names.p);
	mr_db_arg_text(&args, c->takes_all.p);
	mr_db_arg_text(&args, c->backups.p);
	mr_db_arg_text(&args, c->places.p);
	mr_db_arg_text(&args, c->sites.p);
	for (int i = 0; i < 4; i++)
		mr_db_arg_text(&args, mr_db_value(places, 0, i).p);
	mr_db_arg_int(&args, most);
	e = mr_db_ask(db, destinations_sql, &args, rows, err);
	mr_db_rows_free(places);
	return e;
}

enum mr_err
mr_state_destinations(struct mr_db *db, const struct mr_conf *conf, enum mr_frequency frequency,
    int64_t most, struct mr_db_rows **rows, struct mr_error *err)
{
	struct clients c;
	enum mr_err e;

	*rows = NULL;
	init_clients(&c);
	e = put_clients(&c, conf, frequency, err);
	if (e == MR_OK && c.n > 0)
		e = ask(db, &c, most, rows, err);
	free_clients(&c);
	return e;
}

enum mr_err
mr_state_is_at_work(struct mr_db *db, bool *at_work, struct mr_error *err)
{
	struct mr_db_rows *rows;
	enum mr_err e = mr_db_ask(db, "SELECT EXISTS (SELECT FROM pg_locks WHERE "
	    "locktype = 'advisory' AND objsubid = 1 AND granted AND database = (SELECT oid FROM "
	    "pg_database WHERE datname = current_database()) AND "
	    "(classid::bigint << 32 | objid::bigint) = " MR_LOCK_EXPORT ")::int", NULL, &rows, err);

	if (e != MR_OK)
		return e;
	*at_work = mr_db_int(rows, 0, 0) != 0;
	mr_db_rows_free(rows);
	return MR_OK;
}
