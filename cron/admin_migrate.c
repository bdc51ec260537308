/*
 * millrace-admin migrate: makes or changes the tables, where the worker's own role
 * may not. It works as the role that the tables belong to.
 */
#include "admin.h"

#include <stdio.h>

#include "base/log.h"
#include "io/db.h"
#include "io/schema.h"

#define TIMEOUT_MS INT64_C(3600000)

static enum mr_err
migrate(struct mr_db *db, const struct mr_conf *conf, struct mr_error *err)
{
	int before, latest, after;
	enum mr_err e;

	if ((e = mr_db_ensure(db, err)) != MR_OK ||
	    (e = mr_schema_version(db, &before, &latest, err)) != MR_OK ||
	    (e = mr_schema_migrate(db, err)) != MR_OK ||
	    (e = mr_schema_version(db, &after, &latest, err)) != MR_OK ||
	    (e = mr_schema_make_partitions(db, conf->partitions_ahead, err)) != MR_OK)
		return e;
	if (after > before)
		printf("the schema is at version %d now; it was at %d\n", after, before);
	else
		printf("the schema is at version %d already\n", after);
	return MR_OK;
}

int
admin_migrate(const struct admin *admin, int argc, char **argv)
{
	struct mr_error err = MR_ERROR_INIT;
	struct mr_db_options options;
	struct mr_conf conf;
	struct mr_db *db;
	bool none;
	enum mr_err e = MR_ENOMEM;

	if (!admin_arguments(argc, argv, "", &none, NULL, NULL))
		return ADMIN_MISUSED;
	if (mr_conf_load(&conf, admin->config, &err) != MR_OK)
		return admin_fail(&err);
	/* What is applied, it says itself. */
	(void)mr_log_open("millrace-admin", "stderr", MR_LOG_WARNING, NULL);
	options = mr_db_options_of(&conf, "millrace migrate");
	options.query_timeout_ms = TIMEOUT_MS;
	if ((db = mr_db_new(&options)) == NULL)
		(void)mr_fail(&err, e, "no memory");
	else
		e = migrate(db, &conf, &err);
	mr_db_free(db);
	mr_conf_free(&conf);
	return e == MR_OK ? ADMIN_OK : admin_fail(&err);
}
