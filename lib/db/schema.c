/* Migrations: see schema.h. */
#include "db/schema.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/log.h"
#include "db/locks.h"
#include "db/partitions.h"
#include "db/query.h"

/* DDL on a large table, or another worker's, may take a while. */
#define MIGRATION_TIMEOUT_MS 120000

static const struct migration {
	int version;
	const char *name;
	const char *sql;
} migrations[] = {
#include "schema/migrations.inc"
};
#define N_MIGRATIONS (sizeof migrations / sizeof migrations[0])

/* The highest migration applied; 0 in an empty database. */
static enum mr_err
current_version(struct mr_db *db, int *version, struct mr_error *err)
{
	int64_t n = 0;
	enum mr_err e = mr_db_ask_int(db, "SELECT (to_regclass('schema_migrations') IS NOT NULL)::int",
	    NULL, &n, err);

	if (e == MR_OK && n != 0)
		e = mr_db_ask_int(db, "SELECT max(version) FROM schema_migrations", NULL, &n, err);
	*version = (int)n;
	return e;
}

static enum mr_err
run(struct mr_db *db, const char *what, const char *sql, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	enum mr_db_class class = mr_db_script(db, sql, MIGRATION_TIMEOUT_MS, &why);

	if (class == MR_DB_OK)
		return MR_OK;
	return mr_fail(err, class == MR_DB_OPERATOR ? MR_EIO : MR_EAGAIN, "%s: %.400s", what,
	    why.text);
}

static enum mr_err
apply(struct mr_db *db, const struct migration *m, struct mr_error *err)
{
	struct mr_buf sql;
	char what[128];
	enum mr_err e;

	(void)snprintf(what, sizeof what, "migration %s", m->name);
	mr_buf_init(&sql, strlen(m->sql) + 1024);
	mr_buf_add_cstr(&sql, "BEGIN;\n");
	mr_buf_add_cstr(&sql, m->sql);
	mr_buf_printf(&sql, "\nINSERT INTO schema_migrations (version, name) "
	    "VALUES (%d, '%s');\nCOMMIT", m->version, m->name);
	mr_buf_add_char(&sql, '\0');
	e = sql.failed ? mr_fail(err, MR_ENOMEM, "%s: no memory", what) :
	    run(db, what, sql.p, err);
	mr_buf_free(&sql);
	if (e == MR_OK)
		mr_log_info("applied %s", what);
	return e;
}

static enum mr_err
apply_missing(struct mr_db *db, struct mr_error *err)
{
	enum mr_err e;
	int version;

	if ((e = current_version(db, &version, err)) != MR_OK)
		return e;
	for (size_t i = 0; i < N_MIGRATIONS; i++)
		if (migrations[i].version > version &&
		    (e = apply(db, &migrations[i], err)) != MR_OK)
			return e;
	return MR_OK;
}

enum mr_err
mr_schema_migrate(struct mr_db *db, struct mr_error *err)
{
	int latest = migrations[N_MIGRATIONS - 1].version, version;
	enum mr_err e;

	if ((e = current_version(db, &version, err)) != MR_OK)
		return e;
	if (version > latest)
		mr_log_warning("database: its schema is version %d, newer than this program's %d",
		    version, latest);
	if (version >= latest)
		return MR_OK;
	if ((e = run(db, "migration lock", "SELECT pg_advisory_lock("
	    MR_LOCK_MIGRATION "); "
	    "CREATE TABLE IF NOT EXISTS schema_migrations (version integer PRIMARY KEY, "
	    "name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())",
	    err)) != MR_OK)
		return e;
	if ((e = apply_missing(db, err)) != MR_OK)
		return e;
	return run(db, "migration lock", "SELECT pg_advisory_unlock(" MR_LOCK_MIGRATION ")",
	    err);
}

enum mr_err
mr_schema_version(struct mr_db *db, int *version, int *latest, struct mr_error *err)
{
	*latest = migrations[N_MIGRATIONS - 1].version;
	return current_version(db, version, err);
}

enum mr_err
mr_schema_on_connect(struct mr_db *db, void *conf, struct mr_error *err)
{
	enum mr_err e = mr_schema_migrate(db, err);

	if (e == MR_OK)
		mr_partitions_keep(db, conf, 1);
	return e;
}

struct mr_db *
mr_schema_db_new(const struct mr_conf *conf, const char *application,
    const char *const *statements, int n_statements)
{
	struct mr_db_options options = mr_db_options_of(conf, application);

	options.statements = statements;
	options.n_statements = n_statements;
	options.on_connect = mr_schema_on_connect;
	options.on_connect_arg = (void *)(uintptr_t)conf;
	return mr_db_new(&options);
}
