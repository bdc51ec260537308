/*
 * millrace-admin migrate: makes or changes the tables, where the worker's own role
 * may not. It works as the role that the tables belong to.
 */
#include "admin.h"

#include <stdio.h>

#include "db/partitions.h"
#include "db/schema.h"

static enum mr_err
migrate(struct mr_db *db, const struct mr_conf *conf, struct mr_error *err)
{
	int before, latest, after;
	enum mr_err e;

	if ((e = mr_db_ensure(db, err)) != MR_OK ||
	    (e = mr_schema_version(db, &before, &latest, err)) != MR_OK ||
	    (e = mr_schema_migrate(db, err)) != MR_OK ||
	    (e = mr_schema_version(db, &after, &latest, err)) != MR_OK ||
	    (e = mr_partitions_make(db, conf, MR_PARTITIONS_TRIES, NULL, err)) != MR_OK)
		return e;
	if (after > before)
		printf("the schema is at version %d now; it was at %d\n", after, before);
	else
		printf("the schema is at version %d already\n", after);
	return MR_OK;
}

static int
run(const struct admin *admin, int argc, char **argv)
{
	int status = mr_options_read(&admin_migrate.line, &argc, &argv, NULL);

	return status >= 0 ? status : admin_on_database(admin, "millrace migrate", migrate);
}

const struct admin_command admin_migrate = {
	.line = {
		.program = ADMIN_PROGRAM,
		.name = "migrate",
		.usage = "",
		.about = "make or change the tables, as their owner",
		.misused = ADMIN_MISUSED,
	},
	.run = run,
};
