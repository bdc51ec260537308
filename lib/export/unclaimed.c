/* Sites of no client: see unclaimed.h. */
#include "export/unclaimed.h"

#include <stdlib.h>

#include "db/query.h"
#include "export/planned.h"
#include "export/snapshot.h"
#include "export/sql.h"

/* Of those that are not noted yet so many are looked at: reading them takes time. */
#define NEW_ROWS "100000"

/* Whether a client takes all sites that no other one lists. */
static bool
takes_any(const struct mr_conf *conf)
{
	for (size_t i = 0; i < conf->n_clients; i++)
		if (mr_conf_client_takes_all(&conf->clients[i]))
			return true;
	return false;
}

/* All sites that clients list, as an array literal. */
static void
put_listed(struct mr_buf *to, const struct mr_conf *conf)
{
	struct mr_conf_list list = { .items = NULL };
	size_t most = 0;

	for (size_t i = 0; i < conf->n_clients; i++)
		most += conf->clients[i].sites.n;
	list.items = calloc(most + 1, sizeof *list.items);
	for (size_t i = 0; i < conf->n_clients && list.items != NULL; i++)
		for (size_t k = 0; k < conf->clients[i].sites.n; k++)
			list.items[list.n++] = conf->clients[i].sites.items[k];
	mr_planned_put_array(to, &list);
	mr_buf_add_char(to, '\0');
	to->failed = to->failed || list.items == NULL;
	free(list.items);
}

/* What came since the sites were noted. */
struct news {
	struct mr_snapshot now, from;
	bool noted;              /* they were, in this cluster: from there on */
	struct mr_db_rows *rows; /* owner of the two below */
	const char *now_text, *cluster;
};

static void
free_news(struct news *s)
{
	mr_snapshot_free(&s->now);
	mr_snapshot_free(&s->from);
	mr_db_rows_free(s->rows);
}

/* Free it also after an error. */
static enum mr_err
load_news(struct mr_db *db, struct news *s, struct mr_error *err)
{
	static const char sql[] = "SELECT pg_current_snapshot(), c.system_identifier, s.snapshot "
	    "FROM pg_control_system() c LEFT JOIN export_sites_seen s USING (system_identifier)";
	enum mr_err e;

	*s = (struct news){ .noted = false };
	if ((e = mr_db_ask(db, sql, NULL, &s->rows, err)) != MR_OK)
		return e;
	s->now_text = mr_db_value(s->rows, 0, 0).p;
	s->cluster = mr_db_value(s->rows, 0, 1).p;
	e = mr_snapshot_parse(mr_db_value(s->rows, 0, 0), &s->now, err);
	if (e != MR_OK || mr_db_value(s->rows, 0, 2).p == NULL)
		return e;
	e = mr_snapshot_parse(mr_db_value(s->rows, 0, 2), &s->from, err);
	/* A restored backup may be behind it. */
	s->noted = s->from.xmax <= s->now.xmax;
	return e;
}

static void
put_new(struct mr_buf *sql, const struct news *s)
{
	mr_buf_add_cstr(sql, "SELECT site_id FROM events WHERE ");
	mr_snapshot_between(sql, s->noted ? &s->from : NULL, &s->now);
}

static enum mr_err
note(struct mr_db *db, const struct news *s, struct mr_error *err)
{
	struct mr_buf sql;
	enum mr_err e;

	mr_buf_init(&sql, MR_SQL_MAX);
	mr_buf_add_cstr(&sql, "INSERT INTO export_sites AS s (site_id) SELECT DISTINCT site_id FROM (");
	put_new(&sql, s);
	mr_buf_add_cstr(&sql, ") e ON CONFLICT (site_id) DO UPDATE SET seen_at = now() WHERE "
	    "s.seen_at < now() - interval '1 day'");
	mr_buf_add_char(&sql, '\0');
	e = sql.failed ? mr_fail(err, MR_ENOMEM, "no memory") : mr_db_tell(db, sql.p, NULL, err);
	mr_buf_free(&sql);
	return e;
}

static enum mr_err
save_place(struct mr_db *db, const struct news *s, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;

	mr_db_arg_text(&args, s->cluster);
	mr_db_arg_text(&args, s->now_text);
	return mr_db_tell(db, "INSERT INTO export_sites_seen AS s (system_identifier, snapshot) "
	    "VALUES ($1::bigint, $2) ON CONFLICT (only_row) DO UPDATE SET "
	    "system_identifier = excluded.system_identifier, snapshot = excluded.snapshot", &args, err);
}

enum mr_err
mr_unclaimed_note(struct mr_db *db, const struct mr_conf *conf, struct mr_error *err)
{
	struct news s;
	enum mr_err e;

	if (takes_any(conf))
		return MR_OK;
	if ((e = load_news(db, &s, err)) == MR_OK && (e = note(db, &s, err)) == MR_OK)
		e = save_place(db, &s, err);
	free_news(&s);
	return e;
}

/* The noted sites and those of the first new rows, without those listed. */
static void
put_query(struct mr_buf *sql, const struct news *s)
{
	mr_buf_add_cstr(sql, "WITH u AS (SELECT site_id AS site, row_number() OVER (ORDER BY site_id) "
	    "AS n FROM (SELECT site_id FROM export_sites UNION SELECT site_id FROM (");
	put_new(sql, s);
	mr_buf_add_cstr(sql, " LIMIT " NEW_ROWS ") e EXCEPT SELECT unnest($1::text[])) s) "
	    "SELECT count(*), string_agg(site, ', ' ORDER BY site) FILTER (WHERE n <= 5) FROM u");
	mr_buf_add_char(sql, '\0');
}

static enum mr_err
compare(struct mr_db *db, const char *listed, int64_t *n, struct mr_buf *names,
    struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_db_rows *rows = NULL;
	struct mr_buf sql;
	struct news s;
	enum mr_err e = load_news(db, &s, err);

	mr_buf_init(&sql, MR_SQL_MAX);
	mr_db_arg_text(&args, listed);
	if (e == MR_OK) {
		put_query(&sql, &s);
		e = sql.failed ? mr_fail(err, MR_ENOMEM, "no memory") :
		    mr_db_ask(db, sql.p, &args, &rows, err);
	}
	if (e == MR_OK && (*n = mr_db_int(rows, 0, 0)) > 0)
		mr_buf_add_str(names, mr_db_value(rows, 0, 1));
	mr_db_rows_free(rows);
	mr_buf_free(&sql);
	free_news(&s);
	return e;
}

enum mr_err
mr_unclaimed_find(struct mr_db *db, const struct mr_conf *conf, int64_t *n, struct mr_buf *names,
    struct mr_error *err)
{
	struct mr_buf listed;
	enum mr_err e;

	*n = 0;
	if (takes_any(conf))
		return MR_OK;
	mr_buf_init(&listed, MR_SQL_MAX);
	put_listed(&listed, conf);
	e = listed.failed ? mr_fail(err, MR_ENOMEM, "no memory") :
	    compare(db, listed.p, n, names, err);
	mr_buf_free(&listed);
	return e;
}

enum mr_err
mr_unclaimed_forget(struct mr_db *db, int64_t older_s, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;

	mr_db_arg_int(&args, older_s);
	/* That a site is still there is noted once a day. */
	return mr_db_tell(db, "DELETE FROM export_sites WHERE seen_at < now() - "
	    "greatest($1::bigint * interval '1 second', interval '2 days')", &args, err);
}
