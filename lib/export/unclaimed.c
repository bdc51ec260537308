/* Sites of no client: see unclaimed.h. */
#include "export/unclaimed.h"

#include <stdlib.h>

#include "db/query.h"
#include "export/planned.h"
#include "export/snapshot.h"
#include "export/sql.h"

/* All sites that clients list, as an array literal; "*" in it: some client takes any. */
static void
put_listed(struct mr_buf *to, const struct mr_conf *conf, bool *all)
{
	struct mr_conf_list list = { .items = NULL };
	size_t most = 0;

	*all = false;
	for (size_t i = 0; i < conf->n_clients; i++)
		most += conf->clients[i].sites.n;
	list.items = calloc(most + 1, sizeof *list.items);
	for (size_t i = 0; i < conf->n_clients && list.items != NULL; i++)
		for (size_t k = 0; k < conf->clients[i].sites.n; k++) {
			list.items[list.n] = conf->clients[i].sites.items[k];
			*all = *all || strcmp(list.items[list.n], "*") == 0;
			list.n++;
		}
	mr_planned_put_array(to, &list);
	mr_buf_add_char(to, '\0');
	to->failed = to->failed || list.items == NULL;
	free(list.items);
}

/* Notes the sites of the rows between two snapshots (from: NULL for all before `to`). */
static enum mr_err
note_sites(struct mr_db *db, const struct mr_snapshot *from, const struct mr_snapshot *to,
    struct mr_error *err)
{
	struct mr_buf sql;
	enum mr_err e;

	mr_buf_init(&sql, MR_SQL_MAX);
	mr_buf_add_cstr(&sql, "INSERT INTO export_sites AS s (site_id) SELECT DISTINCT site_id FROM "
	    "events WHERE ");
	mr_snapshot_between(&sql, from, to);
	mr_buf_add_cstr(&sql, " ON CONFLICT (site_id) DO UPDATE SET seen_at = now() WHERE "
	    "s.seen_at < now() - interval '1 day'");
	mr_buf_add_char(&sql, '\0');
	e = sql.failed ? mr_fail(err, MR_ENOMEM, "no memory") : mr_db_tell(db, sql.p, NULL, err);
	mr_buf_free(&sql);
	return e;
}

static enum mr_err
save_place(struct mr_db *db, const char *now, const char *cluster, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;

	mr_db_arg_text(&args, cluster);
	mr_db_arg_text(&args, now);
	return mr_db_tell(db, "INSERT INTO export_sites_seen AS s (system_identifier, snapshot) "
	    "VALUES ($1::bigint, $2) ON CONFLICT (only_row) DO UPDATE SET "
	    "system_identifier = excluded.system_identifier, snapshot = excluded.snapshot", &args, err);
}

/* Notes the sites of what came since the last time; of another cluster's ids all is new. */
static enum mr_err
note_new_sites(struct mr_db *db, struct mr_error *err)
{
	static const char sql[] = "SELECT pg_current_snapshot(), c.system_identifier, s.snapshot "
	    "FROM pg_control_system() c LEFT JOIN export_sites_seen s USING (system_identifier)";
	struct mr_snapshot now = { .xip = NULL }, from = { .xip = NULL };
	struct mr_db_rows *rows;
	bool begun = false;
	enum mr_err e;

	if ((e = mr_db_ask(db, sql, NULL, &rows, err)) != MR_OK)
		return e;
	e = mr_snapshot_parse(mr_db_value(rows, 0, 0), &now, err);
	if (e == MR_OK && mr_db_value(rows, 0, 2).p != NULL) {
		e = mr_snapshot_parse(mr_db_value(rows, 0, 2), &from, err);
		begun = from.xmax <= now.xmax;
	}
	if (e == MR_OK && (e = note_sites(db, begun ? &from : NULL, &now, err)) == MR_OK)
		e = save_place(db, mr_db_value(rows, 0, 0).p, mr_db_value(rows, 0, 1).p, err);
	mr_snapshot_free(&now);
	mr_snapshot_free(&from);
	mr_db_rows_free(rows);
	return e;
}

static enum mr_err
compare(struct mr_db *db, const char *listed, int64_t *n, struct mr_buf *names,
    struct mr_error *err)
{
	static const char sql[] =
	    "WITH u AS (SELECT site_id AS site, row_number() OVER (ORDER BY site_id) AS n FROM "
	    "(SELECT site_id FROM export_sites EXCEPT SELECT unnest($1::text[])) s) "
	    "SELECT count(*), string_agg(site, ', ' ORDER BY site) FILTER (WHERE n <= 5) FROM u";
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_db_rows *rows;
	enum mr_err e;

	mr_db_arg_text(&args, listed);
	if ((e = mr_db_ask(db, sql, &args, &rows, err)) != MR_OK)
		return e;
	if ((*n = mr_db_int(rows, 0, 0)) > 0)
		mr_buf_add_str(names, mr_db_value(rows, 0, 1));
	mr_db_rows_free(rows);
	return MR_OK;
}

enum mr_err
mr_unclaimed_find(struct mr_db *db, const struct mr_conf *conf, int64_t *n, struct mr_buf *names,
    struct mr_error *err)
{
	struct mr_buf listed;
	enum mr_err e = MR_OK;
	bool all;

	*n = 0;
	mr_buf_init(&listed, MR_SQL_MAX);
	put_listed(&listed, conf, &all);
	if (listed.failed)
		e = mr_fail(err, MR_ENOMEM, "no memory");
	else if (!all && (e = note_new_sites(db, err)) == MR_OK)
		e = compare(db, listed.p, n, names, err);
	mr_buf_free(&listed);
	return e;
}

enum mr_err
mr_unclaimed_forget(struct mr_db *db, int64_t days, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;

	mr_db_arg_int(&args, days);
	return mr_db_tell(db, "DELETE FROM export_sites WHERE seen_at < now() - $1::integer * "
	    "interval '1 day'", &args, err);
}
