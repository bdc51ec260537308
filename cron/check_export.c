/* millrace-check: the export. Which destination fails, who is refused, and whether it is run. */
#include "check.h"

#include <inttypes.h>
#include <stdio.h>

/* Besides the time between two exports; an export of nothing is noted once an hour. */
#define LATE_S 7200
#define TEXT_MAX 1024

enum { CLIENT, REFUSED, AGE, DESTINATION, FAILED, ERROR };

/* A row for each client that was ever planned for, and destination that fails, or none of them. */
static const char sql[] =
    "SELECT a.client, (a.system_identifier <> p.system_identifier OR "
    "pg_snapshot_xmax(a.snapshot::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot()))::int, "
    "extract(epoch FROM now() - a.planned_at)::bigint, c.destination, "
    "to_char(c.failed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI\"Z\"'), c.error "
    "FROM export_chains a CROSS JOIN pg_control_system() p LEFT JOIN export_cursors c ON "
    "c.client = a.client AND c.error IS NOT NULL ORDER BY a.client, c.destination DESC";

static bool
is_wanted(const struct mr_conf_client *client, struct mr_str destination)
{
	return mr_str_eq(destination, MR_STR_LIT("bucket")) ||
	    (client->has_backup && mr_str_eq(destination, MR_STR_LIT("backup")));
}

static bool
is_late(const struct mr_conf_client *client, int64_t age_s)
{
	static const int64_t seconds[] = { [MR_REALTIME] = 300, [MR_HOURLY] = 3600,
		[MR_DAILY] = 86400 };

	return age_s > seconds[client->frequency] + LATE_S;
}

/* Says what is wrong with a client, if there is anything. */
static bool
tell_client(const struct mr_conf_client *client, const struct mr_db_rows *rows, int i,
    check_find *find)
{
	struct mr_str destination = mr_db_value(rows, i, DESTINATION);
	struct mr_str failed = mr_db_value(rows, i, FAILED), error = mr_db_value(rows, i, ERROR);
	char text[TEXT_MAX] = "";

	if (mr_db_int(rows, i, REFUSED) != 0)
		(void)snprintf(text, sizeof text, "client %s is refused: it was exported from another "
		    "cluster, or from a later state of this one; run millrace-admin rebind",
		    client->name);
	else if (destination.p != NULL && is_wanted(client, destination))
		(void)snprintf(text, sizeof text, "client %s, %.*s, fails, last at %.*s: %.*s",
		    client->name, (int)destination.n, destination.p, (int)failed.n, failed.p,
		    (int)error.n, error.p);
	else if (is_late(client, mr_db_int(rows, i, AGE)))
		(void)snprintf(text, sizeof text, "client %s: nothing was planned for %" PRId64
		    " hour(s); run millrace-export every five minutes from cron", client->name,
		    mr_db_int(rows, i, AGE) / 3600);
	if (text[0] != '\0')
		find(WARNING, "export", text);
	return text[0] != '\0';
}

void
check_export(const struct mr_conf *conf, struct mr_db *db, check_find *find)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_db_rows *rows;
	bool any = false;

	if (conf->n_clients == 0)
		return;
	if (mr_db_ask(db, sql, NULL, &rows, &why) != MR_OK) {
		find(WARNING, "export", why.text);
		return;
	}
	for (int i = 0; i < mr_db_n_rows(rows); i++) {
		const struct mr_conf_client *client = mr_conf_client_find(conf,
		    mr_db_value(rows, i, CLIENT));

		if (client != NULL && tell_client(client, rows, i, find))
			any = true;
	}
	mr_db_rows_free(rows);
	if (!any)
		find(FINE, "export", "no destination fails");
}
