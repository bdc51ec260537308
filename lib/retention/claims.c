/* Who has to have what: see claims.h. */
#include "retention/claims.h"

#include <stdlib.h>

#include "format/jsonwriter.h"

/* A pg_snapshot as text, or NULL, as the columns name_xmax and name_xip. */
#define SNAPSHOT(s, name) \
	"coalesce(pg_snapshot_xmax(" s "::pg_snapshot)::text::bigint, 0) AS " name "xmax, " \
	"coalesce(ARRAY(SELECT x::text::bigint FROM pg_snapshot_xip(" s "::pg_snapshot) x), '{}') " \
	"AS " name "xip"

/*
 * What a destination has: all up to where the first export batch of the chain begins that it
 * lacks, or up to the chain's end. Sites that are new to the client it has none of, until
 * they are planned. Besides, it lacks what is planned for it and not delivered, whoever the
 * sites belong to by now. A transaction that a snapshot saw at work may have stored
 * anywhere between the first and the last of a site's rows: then it is lacking as well.
 *
 * What is planned for the same sites is taken as one: a destination that is away for days has
 * thousands of batches. And whose a site is, is found out once, and not for each partition.
 */
static const char with[] =
    "WITH c AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS c (client text, sites text[], "
    "except_sites text[], destinations text[])), "
    "d AS MATERIALIZED (SELECT c.client, n.destination, c.sites, c.except_sites, "
    "a.sites AS had, a.except_sites AS had_except, k.batch, k.reached_at, k.failed_at, k.error, "
    "coalesce(k.client = a.client AND a.system_identifier = (SELECT system_identifier FROM "
    "pg_control_system()), false) AS known, " SNAPSHOT("CASE WHEN p.id IS NOT NULL THEN "
    "p.snapshot_from ELSE a.snapshot END", "") " FROM c CROSS JOIN unnest(c.destinations) AS n "
    "(destination) LEFT JOIN export_chains a USING (client) LEFT JOIN export_cursors k ON "
    "k.client = c.client AND k.destination = n.destination LEFT JOIN LATERAL (SELECT id, "
    "snapshot_from FROM export_batches b WHERE b.client = c.client AND b.kind = 'cursor' AND "
    "b.id > k.batch ORDER BY id LIMIT 1) p ON true), "
    "b AS MATERIALIZED (SELECT client, destination, sites, except_sites, "
    SNAPSHOT("first", "from_") ", " SNAPSHOT("last", "") " FROM (SELECT d.client, d.destination, "
    "b.sites, b.except_sites, (array_agg(b.snapshot_from ORDER BY b.id))[1] AS first, "
    "(array_agg(b.snapshot_to ORDER BY b.id DESC))[1] AS last FROM d JOIN export_batches b ON "
    "b.client = d.client AND b.kind <> 'manual' AND b.id > d.batch AND (b.destination IS NULL OR "
    "b.destination = d.destination) GROUP BY 1, 2, 3, 4, b.kind) AS g), "
    "s AS MATERIALIZED (SELECT partition AS name, site_id, rows, min_xid, max_xid FROM "
    "events_counted_sites), "
    "o AS MATERIALIZED (SELECT x.site_id, d.client, d.destination, NOT d.known OR NOT "
    MR_CLAIMS_HAS("x.site_id", "d.had", "d.had_except") " OR (x.site_id IS NULL AND (d.sites, "
    "d.except_sites) IS DISTINCT FROM (d.had, d.had_except)) AS new, d.xmax, d.xip FROM "
    "(SELECT DISTINCT site_id FROM s) x JOIN d ON "
    MR_CLAIMS_HAS("x.site_id", "d.sites", "d.except_sites") "), "
    "h AS MATERIALIZED (SELECT name, client, destination, max(rows) AS rows FROM ("
    "SELECT s.name, o.client, o.destination, sum(s.rows)::bigint AS rows FROM s JOIN o ON "
    "coalesce(s.site_id, '') = coalesce(o.site_id, '') AND (s.site_id IS NULL) = (o.site_id IS NULL) "
    "WHERE o.new OR s.max_xid >= o.xmax OR EXISTS "
    "(SELECT FROM unnest(o.xip) x WHERE x BETWEEN s.min_xid AND s.max_xid) GROUP BY 1, 2, 3 "
    "UNION ALL SELECT s.name, b.client, b.destination, sum(s.rows)::bigint FROM s JOIN b ON "
    MR_CLAIMS_HAS("s.site_id", "b.sites", "b.except_sites") " WHERE s.min_xid < b.xmax AND "
    "(s.max_xid >= b.from_xmax OR EXISTS (SELECT FROM unnest(b.from_xip) x WHERE x BETWEEN "
    "s.min_xid AND s.max_xid)) GROUP BY 1, 2, 3) AS u GROUP BY 1, 2, 3) ";

static void
put_list(struct mr_json_writer *w, const char *key, const struct mr_conf_list *list)
{
	mr_json_array(w, key);
	for (size_t i = 0; i < list->n; i++)
		mr_json_text(w, NULL, mr_str(list->items[i]));
	mr_json_end(w);
}

static bool
put_client(struct mr_json_writer *w, const struct mr_conf *conf,
    const struct mr_conf_client *client)
{
	struct mr_conf_list others;

	if (!mr_conf_client_others(conf, client, &others))
		return false;
	mr_json_object(w, NULL);
	mr_json_text(w, "client", mr_str(client->name));
	if (!mr_conf_client_takes_all(client))
		put_list(w, "sites", &client->sites);
	put_list(w, "except_sites", &others);
	mr_json_array(w, "destinations");
	mr_json_text(w, NULL, MR_STR_LIT("bucket"));
	if (client->has_backup)
		mr_json_text(w, NULL, MR_STR_LIT("backup"));
	mr_json_end(w);
	mr_json_end(w);
	free(others.items);
	return true;
}

bool
mr_claims_put_clients(struct mr_buf *to, const struct mr_conf *conf)
{
	struct mr_json_writer w;
	bool complete = true;

	mr_json_begin(&w, to);
	mr_json_array(&w, NULL);
	for (size_t i = 0; i < conf->n_clients && complete; i++)
		complete = put_client(&w, conf, &conf->clients[i]);
	mr_json_end(&w);
	complete = complete && mr_json_done(&w);
	mr_buf_add_char(to, '\0');
	return complete && !to->failed;
}

enum mr_err
mr_claims_ask(struct mr_db *db, const struct mr_conf *conf, const char *tail,
    struct mr_db_rows **rows, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_buf clients, sql;
	enum mr_err e;

	*rows = NULL;
	mr_buf_init(&clients, MR_CLAIMS_MAX_BYTES);
	mr_buf_init(&sql, MR_CLAIMS_MAX_BYTES);
	mr_buf_add_cstr(&sql, with);
	mr_buf_add_cstr(&sql, tail);
	mr_buf_add_char(&sql, '\0');
	if (!mr_claims_put_clients(&clients, conf) || sql.failed) {
		e = mr_fail(err, MR_ENOMEM, "no memory");
	} else {
		mr_db_arg_text(&args, clients.p);
		e = mr_db_ask(db, sql.p, &args, rows, err);
	}
	mr_buf_free(&clients);
	mr_buf_free(&sql);
	return e;
}
