/* millrace-admin: what its sub-commands share; see admin.h. */
#include "admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define QUERY_TIMEOUT_MS INT64_C(86400000)

char *
admin_key_file(const struct admin *admin, const char *ini, struct mr_error *err)
{
	struct mr_conf conf;
	char *path;

	if (admin->key_file != NULL)
		path = strdup(admin->key_file);
	else if (mr_conf_load(&conf, ini, err) != MR_OK)
		return NULL;
	else {
		path = strdup(conf.key_file);
		mr_conf_free(&conf);
	}
	if (path == NULL)
		(void)mr_fail(err, MR_ENOMEM, "no memory");
	return path;
}

int
admin_fail(const struct mr_error *err)
{
	fprintf(stderr, ADMIN_PROGRAM ": %s\n", err->text);
	return ADMIN_FAILED;
}

int
admin_on_database(const struct admin *admin, const char *application,
    enum mr_err (*work)(struct mr_db *db, const struct mr_conf *conf, struct mr_error *err))
{
	struct mr_error err = MR_ERROR_INIT;
	struct mr_db_options options;
	struct mr_conf conf;
	struct mr_db *db;
	enum mr_err e = MR_ENOMEM;

	if (mr_conf_load(&conf, admin->config, &err) != MR_OK)
		return admin_fail(&err);
	/* What was done, the work says itself. */
	(void)mr_log_open(ADMIN_PROGRAM, "stderr", MR_LOG_WARNING, NULL);
	options = mr_db_options_of(&conf, application);
	options.query_timeout_ms = QUERY_TIMEOUT_MS;
	if ((db = mr_db_new(&options)) == NULL)
		(void)mr_fail(&err, e, "no memory");
	else
		e = work(db, &conf, &err);
	mr_db_free(db);
	mr_conf_free(&conf);
	return e == MR_OK ? ADMIN_OK : admin_fail(&err);
}
