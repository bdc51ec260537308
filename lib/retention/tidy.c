/* The small tables: see tidy.h. */
#include "retention/tidy.h"

#include <stdio.h>

#include "db/query.h"
#include "export/upkeep.h"
#include "ingest/rejected.h"

#define STEP_ROWS 10000
#define STEP_PAGES 256

/* Those that remember what was stored; how many pages one has, if something is old in it. */
#define OLD "created_at < now() - $1::bigint * interval '1 second'"
#define KEY_TABLE(name) { \
	"SELECT CASE WHEN EXISTS (SELECT FROM " name " WHERE " OLD ") THEN " \
	"pg_relation_size('" name "') / current_setting('block_size')::integer ELSE 0 END", \
	"DELETE FROM " name " WHERE ctid >= $2::tid AND ctid < $3::tid AND " OLD }

static const struct key_table {
	const char *pages;
	const char *forget;
} key_tables[] = { KEY_TABLE("dedup_keys"), KEY_TABLE("message_keys") };

/*
 * By the places of the rows, which takes one pass over the table. A step that looked for the
 * next old rows would pass those that the steps before it have deleted, again and again.
 */
static enum mr_err
forget_keys_of(struct mr_db *db, const struct key_table *table, int64_t older_s,
    int64_t first_page, int64_t *n, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_db_rows *rows;
	char from[32], to[32];
	enum mr_err e;

	(void)snprintf(from, sizeof from, "(%lld,0)", (long long)first_page);
	(void)snprintf(to, sizeof to, "(%lld,0)", (long long)first_page + STEP_PAGES);
	mr_db_arg_int(&args, older_s);
	mr_db_arg_text(&args, from);
	mr_db_arg_text(&args, to);
	if ((e = mr_db_ask(db, table->forget, &args, &rows, err)) != MR_OK)
		return e;
	*n += mr_db_n_changed(rows);
	mr_db_rows_free(rows);
	return MR_OK;
}

static enum mr_err
forget_keys(struct mr_db *db, const struct key_table *table, int64_t older_s,
    const volatile sig_atomic_t *stop, int64_t *n, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	int64_t pages = 0;
	enum mr_err e;

	mr_db_arg_int(&args, older_s);
	e = mr_db_ask_int(db, table->pages, &args, &pages, err);
	for (int64_t page = 0; e == MR_OK && page < pages && *stop == 0; page += STEP_PAGES)
		e = forget_keys_of(db, table, older_s, page, n, err);
	return e;
}

static enum mr_err
forget_rejected(struct mr_db *db, int64_t older_s, const volatile sig_atomic_t *stop, int64_t *n,
    struct mr_error *err)
{
	int64_t gone = STEP_ROWS;
	enum mr_err e = MR_OK;

	while (e == MR_OK && gone == STEP_ROWS && *stop == 0) {
		gone = 0;
		e = mr_rejected_forget(db, older_s, STEP_ROWS, &gone, err);
		*n += gone;
	}
	return e;
}

enum mr_err
mr_tidy_look(struct mr_db *db, const struct mr_conf *conf, struct mr_tidied *t, struct mr_error *err)
{
	static const char sql[] = "SELECT (SELECT count(*) FROM dedup_keys WHERE " OLD ") + "
	    "(SELECT count(*) FROM message_keys WHERE " OLD "), (SELECT count(*) FROM rejected_events WHERE "
	    "created_at < now() - $2::bigint * interval '1 second')";
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_db_rows *rows;
	enum mr_err e;

	mr_db_arg_int(&args, conf->keep_dedup_s);
	mr_db_arg_int(&args, conf->keep_rejected_s);
	if ((e = mr_db_ask(db, sql, &args, &rows, err)) != MR_OK)
		return e;
	*t = (struct mr_tidied){ .keys = mr_db_int(rows, 0, 0), .rejected = mr_db_int(rows, 0, 1) };
	mr_db_rows_free(rows);
	return MR_OK;
}

enum mr_err
mr_tidy(struct mr_db *db, const struct mr_conf *conf, const volatile sig_atomic_t *stop,
    struct mr_tidied *t, struct mr_error *err)
{
	enum mr_err e = MR_OK;

	*t = (struct mr_tidied){ 0, 0, 0 };
	for (size_t i = 0; i < sizeof key_tables / sizeof key_tables[0] && e == MR_OK; i++)
		e = forget_keys(db, &key_tables[i], conf->keep_dedup_s, stop, &t->keys, err);
	if (e != MR_OK || (e = forget_rejected(db, conf->keep_rejected_s, stop, &t->rejected, err)) != MR_OK)
		return e;
	return *stop == 0 ? mr_upkeep_forget(db, conf, &t->history, err) : MR_OK;
}
