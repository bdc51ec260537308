/*
 * millrace-admin migrate: makes or changes the tables, where the worker's own role
 * may not. It works as the role that the tables belong to.
 */
#include "admin.h"

#include <stdio.h>

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
	return admin_on_database(admin, argc, argv, "millrace migrate", migrate);
}
