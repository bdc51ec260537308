/* millrace-admin rebind: the export goes on in another cluster. See lib/export/rebind.h. */
#include "admin.h"

#include <inttypes.h>
#include <stdio.h>

#include "db/schema.h"
#include "export/rebind.h"

static enum mr_err
rebind(struct mr_db *db, const struct mr_conf *conf, struct mr_error *err)
{
	struct mr_rebound done;
	enum mr_err e;

	(void)conf;
	if ((e = mr_db_ensure(db, err)) != MR_OK || (e = mr_schema_migrate(db, err)) != MR_OK ||
	    (e = mr_rebind(db, &done, err)) != MR_OK)
		return e;
	printf("the export of %" PRId64 " clients goes on in this cluster: %" PRId64 " events count "
	    "as exported, %" PRId64 " are exported next\n", done.clients, done.exported,
	    done.waiting);
	return MR_OK;
}

static int
run(const struct admin *admin, int argc, char **argv)
{
	int status = mr_options_read(&admin_rebind.line, &argc, &argv, NULL);

	return status >= 0 ? status : admin_on_database(admin, "millrace rebind", rebind);
}

const struct admin_command admin_rebind = {
	.line = {
		.program = ADMIN_PROGRAM,
		.name = "rebind",
		.usage = "",
		.about = "let the export go on in the cluster that the data were moved to",
		.misused = ADMIN_MISUSED,
	},
	.run = run,
};
