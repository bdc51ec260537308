/*
 * millrace-export: the lock that lets one export work on a database at a
 * time, runs and what is recorded of them, requests, and the summary.
 */
#include "export/exporter.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/query.h"
#include "db/schema.h"

/* Of the database's advisory locks; see also lib/db/schema.c. */
#define LOCK "7241862083345902165"
/* The connection of an exporter that was killed may live on for a moment. */
#define LOCK_WAIT_MS 5000
#define QUERY_TIMEOUT_MS INT64_C(3600000)

void
export_complain(struct exporter *x, const struct mr_error *err)
{
	show_nothing(x);
	if (x->first_failure.code == MR_OK)
		x->first_failure = *err;
	fprintf(stderr, "millrace-export: %s\n", err->text);
	if (strcmp(x->conf->log, "stderr") != 0)
		mr_log_error("%s", err->text);
}

enum mr_err
export_tell(struct exporter *x, const char *sql, const char *const *params, int n,
    struct mr_error *err)
{
	return mr_db_query(x->db, sql, params, n, NULL, err) == MR_DB_OK ? MR_OK : MR_EAGAIN;
}

/* --- connections and the lock --- */

/* When we are killed, a long query ends soon, and with it the lock. */
static enum mr_err
watch_client(struct mr_db *db, struct mr_error *err)
{
	return mr_db_script(db, "SET client_connection_check_interval = '1s'", LOCK_WAIT_MS,
	    err) == MR_DB_OK ? MR_OK : MR_EAGAIN;
}

static enum mr_err
set_up(struct mr_db *db, void *arg, struct mr_error *err)
{
	enum mr_err e = watch_client(db, err);

	(void)arg;
	return e == MR_OK ? mr_schema_migrate(db, err) : e;
}

static enum mr_err
connect_all(struct exporter *x, struct mr_error *err)
{
	struct mr_db_options options = mr_db_options_of(x->conf, "millrace export");

	options.query_timeout_ms = QUERY_TIMEOUT_MS;
	options.idle_check_s = INT64_C(1) << 30;
	options.on_connect = set_up;
	x->db = mr_db_new(&options);
	options.on_connect = NULL;
	for (size_t i = 0; i < EXPORT_READERS; i++)
		if ((x->readers[i] = mr_db_new(&options)) == NULL)
			return mr_fail(err, MR_ENOMEM, "no memory");
	if (x->db == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory");
	return mr_db_ensure(x->db, err);
}

static enum mr_err
try_lock(struct exporter *x, bool *locked, struct mr_error *err)
{
	struct mr_db_rows *rows;

	if (mr_db_query(x->db, "SELECT pg_try_advisory_lock(" LOCK ")::int", NULL, 0, &rows,
	    err) != MR_DB_OK)
		return MR_EAGAIN;
	*locked = mr_db_int(rows, 0, 0) != 0;
	mr_db_rows_free(rows);
	return MR_OK;
}

static enum mr_err
take_lock(struct exporter *x, bool *locked, struct mr_error *err)
{
	static const struct timespec pause = { 0, 100 * 1000 * 1000 };
	int64_t end = mr_clock_mono_ms() + LOCK_WAIT_MS;
	enum mr_err e;

	while ((e = try_lock(x, locked, err)) == MR_OK && !*locked && *x->stop == 0 &&
	    mr_clock_mono_ms() < end)
		(void)nanosleep(&pause, NULL);
	return e;
}

/* The server may notice only later that a connection has ended; who comes next is not to wait. */
static void
give_lock(struct exporter *x)
{
	(void)mr_db_query(x->db, "SELECT pg_advisory_unlock(" LOCK ")", NULL, 0, NULL, NULL);
}

/* --- what is recorded of a run --- */

static void
set_asked_by(struct exporter *x)
{
	const struct passwd *user = getpwuid(geteuid());
	char host[64] = "";

	(void)gethostname(host, sizeof host - 1);
	(void)snprintf(x->asked_by, sizeof x->asked_by, "%s@%s",
	    user != NULL ? user->pw_name : "unknown", host);
}

static enum mr_err
begin_run(struct exporter *x, struct mr_error *err)
{
	const struct export_options *o = x->options;
	char since[24], until[24];
	const char *params[] = { x->asked_by, o->client, o->format,
		o->since_us != INT64_MIN ? since : NULL, o->until_us != INT64_MAX ? until : NULL,
		o->force ? "true" : "false" };
	struct mr_db_rows *rows;

	(void)snprintf(since, sizeof since, "%" PRId64, o->since_us);
	(void)snprintf(until, sizeof until, "%" PRId64, o->until_us);
	if (mr_db_query(x->db, "INSERT INTO export_runs (origin, asked_by, client, format, since, "
	    "until, forced, state, started_at) VALUES ('command', $1, $2, $3, "
	    "'epoch'::timestamptz + $4::bigint * interval '1 microsecond', "
	    "'epoch'::timestamptz + $5::bigint * interval '1 microsecond', $6::boolean, 'running', "
	    "now()) RETURNING run_id", params, 6, &rows, err) != MR_DB_OK)
		return MR_EAGAIN;
	(void)snprintf(x->run_id, sizeof x->run_id, "%s", mr_db_value(rows, 0, 0).p);
	mr_db_rows_free(rows);
	return MR_OK;
}

/* A run that found nothing to do leaves no trace. */
static void
end_run(struct exporter *x)
{
	bool stopped = *x->stop != 0, failed = x->first_failure.code != MR_OK;
	char n[4][24];
	const char *params[] = { x->run_id, stopped ? "stopped" : failed ? "failed" : "done", n[0],
		n[1], n[2], n[3], failed ? x->first_failure.text : NULL };

	(void)snprintf(n[0], sizeof n[0], "%" PRId64, x->batches);
	(void)snprintf(n[1], sizeof n[1], "%" PRId64, x->objects);
	(void)snprintf(n[2], sizeof n[2], "%" PRId64, x->rows);
	(void)snprintf(n[3], sizeof n[3], "%" PRId64, x->bytes);
	/* When it cannot be recorded, the next run finds it running and knows better. */
	(void)export_tell(x, "UPDATE export_runs SET state = $2, ended_at = now(), "
	    "batches = $3::bigint, objects = $4::bigint, events = $5::bigint, bytes = $6::bigint, "
	    "error = $7 WHERE run_id = $1::uuid", params, 7, NULL);
	if (x->options->dry_run || (!failed && !stopped && x->batches == 0))
		(void)export_tell(x, "DELETE FROM export_runs WHERE run_id = $1::uuid AND "
		    "origin = 'command'", params, 1, NULL);
}

/* Runs that a crash ended: what was asked for by HTTP is done now. */
static enum mr_err
sweep_runs(struct exporter *x, struct mr_error *err)
{
	return export_tell(x, "UPDATE export_runs SET error = 'interrupted', "
	    "state = CASE origin WHEN 'http' THEN 'requested' ELSE 'stopped' END, "
	    "ended_at = CASE origin WHEN 'http' THEN NULL ELSE now() END "
	    "WHERE state = 'running'", NULL, 0, err);
}

/* --- one run --- */

/* MR_EINVAL is that client's own trouble; anything else ends the run. */
static enum mr_err
run_clients(struct exporter *x, struct mr_error *err)
{
	const struct mr_conf *conf = x->conf;
	struct mr_error why = MR_ERROR_INIT;
	enum mr_err e;

	for (size_t i = 0; i < conf->n_clients; i++) {
		if (x->options->client != NULL &&
		    strcmp(x->options->client, conf->clients[i].name) != 0)
			continue;
		e = export_client(x, &conf->clients[i], &why);
		if (e != MR_OK && e != MR_EINVAL) {
			*err = why;
			return e;
		}
		if (e == MR_EINVAL) {
			export_complain(x, &why);
			x->failures++;
		}
	}
	return MR_OK;
}

static void
do_run(struct exporter *x)
{
	struct mr_error err = MR_ERROR_INIT;

	if (run_clients(x, &err) != MR_OK) {
		export_complain(x, &err);
		x->failures++;
		mr_db_abort(x->db, LOCK_WAIT_MS);
	}
}

static void
print_summary(const struct exporter *x, int64_t started_ms)
{
	double s = (double)(mr_clock_mono_ms() - started_ms) / 1000.0;
	double mib = (double)x->bytes / (1 << 20);

	if (x->options->quiet || x->options->dry_run)
		return;
	if (x->options->verify) {
		printf("verified %" PRId64 " objects (%.1f MiB) in %.1f s: %" PRId64 " differences",
		    x->objects, mib, s, x->differences);
		if (x->failures > 0)
			printf("; %" PRId64 " destinations failed", x->failures);
		putchar('\n');
		return;
	}
	if (x->rows == 0 && x->backup_rows == 0 && !x->options->verbose)
		return;
	printf("exported %" PRId64 " events in %" PRId64 " objects (%.1f MiB) in %.1f s", x->rows,
	    x->objects, mib, s);
	if (x->backup_rows > 0)
		printf(", %" PRId64 " events to the backup", x->backup_rows);
	if (x->failures > 0)
		printf("; %" PRId64 " destinations failed", x->failures);
	if (x->sites_of_nobody > 0)
		printf("; %" PRId64 " sites belong to no client", x->sites_of_nobody);
	putchar('\n');
}

static void
add_up(struct exporter *sum, const struct exporter *x)
{
	sum->batches += x->batches;
	sum->objects += x->objects;
	sum->rows += x->rows;
	sum->bytes += x->bytes;
	sum->backup_rows += x->backup_rows;
	sum->failures += x->failures;
	sum->differences += x->differences;
	if (sum->first_failure.code == MR_OK)
		sum->first_failure = x->first_failure;
}

static enum mr_err
run_command(struct exporter *all, struct mr_error *err)
{
	struct exporter x = *all;
	enum mr_err e = begin_run(&x, err);

	if (e != MR_OK)
		return e;
	do_run(&x);
	end_run(&x);
	add_up(all, &x);
	return MR_OK;
}

/* A connection that was lost took the lock with it; who lost it has said so. */
static bool
may_go_on(const struct exporter *x)
{
	return *x->stop == 0 && mr_db_is_connected(x->db);
}

/* --- requests --- */

/* The oldest request becomes x's; *found is false when there is none. */
static enum mr_err
take_request(struct exporter *x, struct export_options *o, char client[65], char format[16],
    bool *found, struct mr_error *err)
{
	struct mr_db_rows *rows;
	struct mr_str v;

	if (mr_db_query(x->db, "UPDATE export_runs SET state = 'running', started_at = now(), "
	    "error = NULL WHERE run_id = (SELECT run_id FROM export_runs WHERE state = 'requested' "
	    "ORDER BY requested_at LIMIT 1) RETURNING run_id, asked_by, client, format, "
	    "(extract(epoch FROM since) * 1000000)::bigint, "
	    "(extract(epoch FROM until) * 1000000)::bigint", NULL, 0, &rows, err) != MR_DB_OK)
		return MR_EAGAIN;
	*found = mr_db_n_rows(rows) > 0;
	if (*found) {
		(void)snprintf(x->run_id, sizeof x->run_id, "%s", mr_db_value(rows, 0, 0).p);
		(void)snprintf(x->asked_by, sizeof x->asked_by, "%s", mr_db_value(rows, 0, 1).p);
		if ((v = mr_db_value(rows, 0, 2)).p != NULL) {
			(void)snprintf(client, 65, "%s", v.p);
			o->client = client;
		}
		if ((v = mr_db_value(rows, 0, 3)).p != NULL) {
			(void)snprintf(format, 16, "%s", v.p);
			o->format = format;
		}
		if (mr_db_value(rows, 0, 4).p != NULL)
			o->since_us = mr_db_int(rows, 0, 4);
		if (mr_db_value(rows, 0, 5).p != NULL)
			o->until_us = mr_db_int(rows, 0, 5);
	}
	mr_db_rows_free(rows);
	return MR_OK;
}

static void
refuse_unknown_client(struct exporter *x)
{
	struct mr_error err = MR_ERROR_INIT;

	if (x->options->client == NULL ||
	    mr_conf_client_find(x->conf, mr_str(x->options->client)) != NULL)
		return;
	(void)mr_fail(&err, MR_EINVAL, "request %s: there is no [client %s] in the configuration",
	    x->run_id, x->options->client);
	export_complain(x, &err);
	x->failures++;
}

static enum mr_err
run_requests(struct exporter *all, struct mr_error *err)
{
	enum mr_err e = MR_OK;
	bool found = true;

	while (e == MR_OK && found && may_go_on(all)) {
		struct export_options o = *all->options;
		struct exporter x = *all;
		char client[65], format[16];

		x.options = &o;
		x.batches = x.objects = x.rows = x.bytes = x.backup_rows = x.failures = 0;
		x.first_failure.code = MR_OK;
		e = take_request(&x, &o, client, format, &found, err);
		if (e != MR_OK || !found)
			break;
		refuse_unknown_client(&x);
		do_run(&x);
		end_run(&x);
		add_up(all, &x);
	}
	return e;
}

/* --- all of it --- */

/* Whether the command line asks for something of its own, and for nothing else. */
static bool
is_special(const struct export_options *o)
{
	return o->client != NULL || o->force || o->verify || o->dry_run ||
	    o->since_us != INT64_MIN || o->until_us != INT64_MAX;
}

static enum mr_err
work(struct exporter *x, struct mr_error *err)
{
	bool plain = !is_special(x->options);
	enum mr_err e;

	if ((e = sweep_runs(x, err)) != MR_OK ||
	    (!x->options->requests && (e = run_command(x, err)) != MR_OK) ||
	    (plain && may_go_on(x) && (e = run_requests(x, err)) != MR_OK))
		return e;
	if (!plain || x->options->requests || !may_go_on(x))
		return MR_OK;
	if ((e = sites_report(x, err)) != MR_OK)
		return e;
	return history_purge(x, err);
}

static enum export_status
status_of(const struct exporter *x)
{
	if (*x->stop != 0)
		return EXPORT_STOPPED;
	if (x->differences > 0)
		return EXPORT_DIFFERS;
	return x->failures > 0 || x->first_failure.code != MR_OK ? EXPORT_FAILED : EXPORT_OK;
}

enum export_status
export_run(const struct mr_conf *conf, const struct export_options *options,
    const volatile sig_atomic_t *stop)
{
	struct exporter x = { .conf = conf, .options = options, .stop = stop,
		.terminal = isatty(STDERR_FILENO) != 0 };
	struct mr_error err = MR_ERROR_INIT;
	int64_t started_ms = mr_clock_mono_ms();
	bool locked = false;

	set_asked_by(&x);
	if (connect_all(&x, &err) != MR_OK || take_lock(&x, &locked, &err) != MR_OK ||
	    (locked && work(&x, &err) != MR_OK))
		export_complain(&x, &err);
	else if (locked)
		print_summary(&x, started_ms);
	else if (x.terminal || options->verbose)
		fputs("millrace-export: another export is at work on this database\n", stderr);
	if (locked)
		give_lock(&x);
	mr_db_free(x.db);
	for (size_t i = 0; i < EXPORT_READERS; i++)
		mr_db_free(x.readers[i]);
	return locked || x.first_failure.code != MR_OK ? status_of(&x) : EXPORT_BUSY;
}
