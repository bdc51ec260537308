/*
 * The exporter: see exporter.h. An advisory lock lets one export work on a database at a
 * time. The run of the command line comes first, then what POST /export/run asked for.
 */
#include "export/exporter.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "db/locks.h"
#include "db/query.h"
#include "export/client.h"
#include "export/context.h"
#include "export/upkeep.h"

/* The connection of an exporter that was killed may live on for a moment. */
#define LOCK_WAIT_MS 5000

/* --- the lock --- */

static enum mr_err
try_lock(struct mr_db *db, bool *locked, struct mr_error *err)
{
	struct mr_db_rows *rows;
	enum mr_err e = mr_db_ask(db, "SELECT pg_try_advisory_lock(" MR_LOCK_EXPORT ")::int", NULL,
	    &rows, err);

	if (e != MR_OK)
		return e;
	*locked = mr_db_int(rows, 0, 0) != 0;
	mr_db_rows_free(rows);
	return MR_OK;
}

/* Waits for it for a while, or until the signal (stop: NULL for none). */
static enum mr_err
take_lock(struct mr_db *db, const volatile sig_atomic_t *stop, bool *locked, struct mr_error *err)
{
	static const struct timespec pause = { 0, 100 * 1000 * 1000 };
	int64_t end = mr_clock_mono_ms() + LOCK_WAIT_MS;
	enum mr_err e;

	while ((e = try_lock(db, locked, err)) == MR_OK && !*locked &&
	    (stop == NULL || *stop == 0) && mr_clock_mono_ms() < end)
		(void)nanosleep(&pause, NULL);
	return e;
}

/* The server may notice only later that a connection has ended; who comes next is not to wait. */
static void
give_lock(struct mr_db *db)
{
	(void)mr_db_tell(db, "SELECT pg_advisory_unlock(" MR_LOCK_EXPORT ")", NULL, NULL);
}

/* --- one run --- */

/* MR_EINVAL is that client's own trouble; anything else ends the run. */
static enum mr_err
run_client(const struct mr_context *x, const struct mr_conf_client *client,
    enum mr_client_turn turn, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	enum mr_err e = mr_client_export(x, client, turn, &why);

	if (e == MR_OK)
		return MR_OK;
	mr_db_abort(x->db, LOCK_WAIT_MS);
	if (e != MR_EINVAL) {
		*err = why;
		return e;
	}
	mr_journal_complain(x->journal, &why);
	x->totals->failures++;
	return mr_client_note_failure(x, client, &why, err);
}

static enum mr_err
run_clients(const struct mr_context *x, struct mr_error *err)
{
	const struct mr_conf *conf = x->conf;
	enum mr_err e = MR_OK;

	for (int turn = MR_CLIENT_FIRST; turn <= MR_CLIENT_SUSPECTS; turn++)
		for (size_t i = 0; i < conf->n_clients && e == MR_OK; i++)
			if (x->options->client == NULL ||
			    strcmp(x->options->client, conf->clients[i].name) == 0)
				e = run_client(x, &conf->clients[i], (enum mr_client_turn)turn, err);
	return e;
}

static void
do_run(const struct mr_context *x)
{
	struct mr_error err = MR_ERROR_INIT;

	if (run_clients(x, &err) == MR_OK)
		return;
	/* What the signal cut off failed for no other reason. */
	(void)mr_context_stopped(x, &err);
	mr_journal_complain(x->journal, &err);
	x->totals->failures++;
}

/* A run within the program's: what it has done and says begins anew with it. */
struct part {
	struct mr_context x;
	struct mr_run run;
	struct mr_export_options options;
	struct mr_totals totals;
	struct mr_journal journal;
};

static void
begin_part(struct part *p, const struct mr_context *all)
{
	*p = (struct part){ .x = *all, .options = *all->options, .totals = MR_TOTALS_INIT };
	mr_journal_init(&p->journal, all->conf->log, all->journal->progress.wanted);
	p->x.run = &p->run;
	p->x.options = &p->options;
	p->x.totals = &p->totals;
	p->x.journal = &p->journal;
}

/*
 * After a signal the run's end is recorded over a connection that knows nothing of it. One
 * that does not get the lock leaves the record to the export that has it: that has found
 * the run, and has marked it as what it is.
 */
static void
record_stopped(struct part *p)
{
	struct mr_db_options options = mr_db_options_of(p->x.conf, "millrace export");
	struct mr_db *db;
	bool locked = false;

	mr_db_disconnect(p->x.db);
	options.query_timeout_ms = LOCK_WAIT_MS;
	if ((db = mr_db_new(&options)) != NULL && mr_db_ensure(db, NULL) == MR_OK &&
	    take_lock(db, NULL, &locked, NULL) == MR_OK && locked) {
		mr_runs_end(db, &p->run, &p->options, true, &p->journal.first_failure, &p->totals);
		give_lock(db);
	}
	mr_db_free(db);
}

static void
end_part(struct part *p, const struct mr_context *all)
{
	if (*p->x.stop != 0)
		record_stopped(p);
	else
		mr_runs_end(p->x.db, &p->run, &p->options, false, &p->journal.first_failure,
		    &p->totals);
	/* What a request only looked at is nothing that the program has exported. */
	if (p->options.over_http && (p->options.dry_run || p->options.verify))
		p->totals = (struct mr_totals){ .failures = p->totals.failures,
			.differences = p->totals.differences };
	mr_run_free(&p->run);
	mr_totals_add(all->totals, &p->totals);
	if (all->journal->first_failure.code == MR_OK)
		all->journal->first_failure = p->journal.first_failure;
}

static void
name_user(char *to, size_t size)
{
	const struct passwd *user = getpwuid(geteuid());
	char host[64] = "";

	(void)gethostname(host, sizeof host - 1);
	(void)snprintf(to, size, "%s@%s", user != NULL ? user->pw_name : "unknown", host);
}

static enum mr_err
run_command(const struct mr_context *all, struct mr_error *err)
{
	char asked_by[128];
	struct part p;
	enum mr_err e;

	name_user(asked_by, sizeof asked_by);
	begin_part(&p, all);
	if ((e = mr_runs_begin(all->db, all->options, asked_by, &p.run, err)) != MR_OK)
		return e;
	do_run(&p.x);
	end_part(&p, all);
	return MR_OK;
}

/* A connection that was lost took the lock with it; who lost it has said so. */
static bool
may_go_on(const struct mr_context *x)
{
	return *x->stop == 0 && mr_db_is_connected(x->db);
}

/* --- requests --- */

static void
refuse_unknown_client(const struct mr_context *x)
{
	struct mr_error err = MR_ERROR_INIT;

	if (x->options->client == NULL ||
	    mr_conf_client_find(x->conf, mr_str(x->options->client)) != NULL)
		return;
	(void)mr_fail(&err, MR_EINVAL, "request %s: there is no [client %s] in the configuration",
	    x->run->id, x->options->client);
	mr_journal_complain(x->journal, &err);
	x->totals->failures++;
}

static enum mr_err
run_requests(const struct mr_context *all, struct mr_error *err)
{
	struct part p;
	enum mr_err e;

	while (may_go_on(all)) {
		begin_part(&p, all);
		e = mr_runs_take(all->db, &p.run, &p.options, err);
		if (e != MR_OK || p.run.id == NULL)
			return e;
		refuse_unknown_client(&p.x);
		do_run(&p.x);
		end_part(&p, all);
	}
	return MR_OK;
}

/* --- all of it --- */

/* Whether the command line asks for something of its own, and for nothing else. */
static bool
is_special(const struct mr_export_options *o)
{
	return o->client != NULL || o->force || o->verify || o->dry_run ||
	    o->since_us != INT64_MIN || o->until_us != INT64_MAX;
}

static enum mr_err
work(const struct mr_context *x, struct mr_error *err)
{
	enum mr_err e;

	if ((e = mr_runs_sweep(x->db, err)) != MR_OK ||
	    (!x->options->requests && (e = run_command(x, err)) != MR_OK))
		return e;
	return is_special(x->options) ? MR_OK : run_requests(x, err);
}

/* What only a run for all does; nobody waits for it to learn what was exported. */
static enum mr_err
look_after(const struct mr_context *x, struct mr_error *err)
{
	enum mr_err e;

	if (is_special(x->options) || x->options->requests || !may_go_on(x))
		return MR_OK;
	if ((e = mr_upkeep_report_unclaimed(x, err)) != MR_OK)
		return e;
	return mr_upkeep_purge_history(x, err);
}

static void
print_verified(const struct mr_totals *t, double mib, double s)
{
	printf("verified %" PRId64 " objects (%.1f MiB) in %.1f s: %" PRId64 " differences",
	    t->objects, mib, s, t->differences);
	if (t->failures > 0)
		printf("; %" PRId64 " destinations failed", t->failures);
	putchar('\n');
}

/* Says what was done, but for the end of the line; whether it has begun one. */
static bool
print_result(const struct mr_context *x, int64_t started_ms)
{
	const struct mr_totals *t = x->totals;
	double s = (double)(mr_clock_mono_ms() - started_ms) / 1000.0;
	double mib = (double)t->bytes / (1 << 20);

	if (x->options->quiet || x->options->dry_run)
		return false;
	if (x->options->verify) {
		print_verified(t, mib, s);
		return false;
	}
	if (t->rows == 0 && t->backup_rows == 0 && !x->options->verbose)
		return false;
	printf("exported %" PRId64 " events in %" PRId64 " objects (%.1f MiB) in %.1f s", t->rows,
	    t->objects, mib, s);
	if (t->backup_rows > 0)
		printf(", %" PRId64 " events to the backup", t->backup_rows);
	if (t->failures > 0)
		printf("; %" PRId64 " destinations failed", t->failures);
	(void)fflush(stdout);
	return true;
}

static enum mr_err
finish(const struct mr_context *x, int64_t started_ms, struct mr_error *err)
{
	bool begun = print_result(x, started_ms);
	enum mr_err e = look_after(x, err);

	if (begun && x->totals->unclaimed_sites > 0)
		printf("; %" PRId64 " sites belong to no client", x->totals->unclaimed_sites);
	if (begun)
		putchar('\n');
	return e;
}

static enum mr_exporter_status
status_of(const struct mr_context *x)
{
	if (*x->stop != 0)
		return MR_EXPORTER_STOPPED;
	if (x->totals->differences > 0)
		return MR_EXPORTER_DIFFERS;
	return x->totals->failures > 0 || x->journal->first_failure.code != MR_OK ?
	    MR_EXPORTER_FAILED : MR_EXPORTER_OK;
}

enum mr_exporter_status
mr_exporter_run(const struct mr_conf *conf, const struct mr_export_options *options,
    const volatile sig_atomic_t *stop)
{
	bool terminal = isatty(STDERR_FILENO) != 0, locked = false;
	struct mr_totals totals = MR_TOTALS_INIT;
	struct mr_journal journal;
	struct mr_silent silent = { .n = 0 };
	struct mr_context x = { .conf = conf, .options = options, .stop = stop, .totals = &totals,
		.journal = &journal, .silent = &silent };
	struct mr_error err = MR_ERROR_INIT;
	int64_t started_ms = mr_clock_mono_ms();
	enum mr_err e;

	mr_journal_init(&journal, conf->log, terminal && !options->quiet);
	e = mr_context_connect(&x, &err);
	if (e == MR_OK && (e = take_lock(x.db, stop, &locked, &err)) == MR_OK)
		e = locked ? work(&x, &err) : mr_context_stopped(&x, &err);
	if (e == MR_OK && locked)
		e = finish(&x, started_ms, &err);
	if (e != MR_OK) {
		(void)mr_context_stopped(&x, &err);
		mr_journal_complain(&journal, &err);
	} else if (!locked && (terminal || options->verbose)) {
		fputs("millrace-export: another export is at work on this database\n", stderr);
	}
	if (locked)
		give_lock(x.db);
	mr_context_disconnect(&x);
	return locked || journal.first_failure.code != MR_OK ? status_of(&x) : MR_EXPORTER_BUSY;
}
