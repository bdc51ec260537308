/* Sites of no client: see unclaimed.h. */
#include "export/unclaimed.h"

#include <stdlib.h>

#include "db/query.h"
#include "export/planned.h"
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

enum mr_err
mr_unclaimed_find(struct mr_db *db, const struct mr_conf *conf, int64_t *n, struct mr_buf *names,
    struct mr_error *err)
{
	/* Leaps from site to site through the index instead of reading all events. */
	static const char sql[] =
	    "WITH RECURSIVE s AS (SELECT min(site_id) AS site FROM events UNION ALL "
	    "SELECT (SELECT min(site_id) FROM events WHERE site_id > s.site) FROM s "
	    "WHERE s.site IS NOT NULL), "
	    "u AS (SELECT site, row_number() OVER (ORDER BY site) AS n FROM s "
	    "WHERE site IS NOT NULL AND site <> ALL ($1::text[])) "
	    "SELECT count(*), string_agg(site, ', ' ORDER BY site) FILTER (WHERE n <= 5) FROM u";
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_db_rows *rows = NULL;
	struct mr_buf listed;
	enum mr_err e = MR_OK;
	bool all;

	*n = 0;
	mr_buf_init(&listed, MR_SQL_MAX);
	put_listed(&listed, conf, &all);
	mr_db_arg_text(&args, listed.p);
	if (listed.failed)
		e = mr_fail(err, MR_ENOMEM, "no memory");
	else if (!all && (e = mr_db_ask(db, sql, &args, &rows, err)) == MR_OK &&
	    (*n = mr_db_int(rows, 0, 0)) > 0)
		mr_buf_add_str(names, mr_db_value(rows, 0, 1));
	mr_db_rows_free(rows);
	mr_buf_free(&listed);
	return e;
}
