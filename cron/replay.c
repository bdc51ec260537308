/*
 * millrace-replay: stores what lies in the spool. See millrace-replay(8); the
 * work is done by ingest/replay.h.
 */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "conf/options.h"
#include "counters/shared.h"
#include "db/connection.h"
#include "db/schema.h"
#include "ingest/keeper.h"
#include "ingest/replay.h"
#include "ingest/store.h"
#include "spool/inspect.h"
#include "spool/segment.h"
#include "spool/spool.h"

#define PROGRAM "millrace-replay"
#define BAR_WIDTH 40
#define BAR_EVERY_MS 100

enum {
	STATUS_DONE = 0,
	STATUS_WRONG = 1,     /* the command line or the configuration */
	STATUS_LEFT = 2,      /* somebody has to look */
	STATUS_LATER = 75     /* EX_TEMPFAIL of sysexits.h: the next run will do */
};

struct options {
	const char *config;
	bool force, list, dry_run, quiet, verbose;
};

#define AT(member) offsetof(struct options, member)
static const struct mr_option table[] = {
	MR_OPTION_CONFIG(struct options),
	{ 'f', "force", NULL, AT(force), "store records that are older than ledger_days, too" },
	{ 'l', "list", NULL, AT(list), "list the segments of the spool" },
	{ 'n', "dry-run", NULL, AT(dry_run), "say what a replay would find" },
	{ 'q', "quiet", NULL, AT(quiet), "say only what somebody has to look at" },
	{ 'v', "verbose", NULL, AT(verbose), "say more" },
};

static const struct mr_command command = {
	.program = PROGRAM,
	.usage = "[-c FILE] [-f] [-q | -v]\n[-c FILE] -l | -n",
	.about = "Stores the events of the spool in PostgreSQL. For cron: says nothing when there "
	    "is nothing to do.",
	.options = table,
	.n_options = sizeof table / sizeof table[0],
	.notes = "Exit status: 0 done; 1 wrong options or configuration; 2 somebody has to look; "
	    "75 not possible now.",
	.misused = STATUS_WRONG,
};

static volatile sig_atomic_t interrupted;

static void
interrupt(int signum)
{
	(void)signum;
	interrupted = 1;
}

static int
give_up(int status, const char *text)
{
	fprintf(stderr, PROGRAM ": %s\n", text);
	return status;
}

/* --- looking ------------------------------------------------------------------- */

struct totals {
	size_t segments, foreign, records, events, damaged, torn;
	int64_t bytes;
	size_t busy, busy_events; /* in none of the others */
};

static void
add_segment(void *arg, const struct mr_inspect_segment *s)
{
	struct totals *t = arg;

	if (s->busy) {
		t->busy++;
		t->busy_events += s->events;
		return;
	}
	t->segments++;
	t->foreign += s->foreign;
	t->records += s->records;
	t->events += s->events;
	t->damaged += s->damaged;
	t->torn += s->torn;
	t->bytes += s->bytes;
}

static void
print_segment(void *arg, const struct mr_inspect_segment *s)
{
	char oldest[MR_CLOCK_TEXT] = "-", newest[MR_CLOCK_TEXT] = "-";

	if (s->records > 0) {
		mr_clock_format(s->oldest_us, oldest);
		mr_clock_format(s->newest_us, newest);
	}
	printf("%12lld %8zu %8zu %-24s %-24s %s%s%s%s%s\n", (long long)s->bytes, s->records,
	    s->events, oldest, newest, strrchr(s->path, '/') + 1, s->busy ? " (in use)" : "",
	    s->foreign ? " (no segment)" : "", s->damaged > 0 ? " (damaged)" : "",
	    s->torn > 0 ? " (incomplete end)" : "");
	add_segment(arg, s);
}

static int
look(const struct mr_conf *conf, const struct options *options)
{
	struct totals t = { .bytes = 0 };
	struct mr_error err = MR_ERROR_INIT;

	if (options->list)
		printf("%12s %8s %8s %-24s %-24s %s\n", "bytes", "records", "events", "from", "to",
		    "segment");
	if (mr_inspect_segments(conf->spool_dir, options->list ? print_segment : add_segment, &t,
	    &err) != MR_OK)
		return give_up(STATUS_LEFT, err.text);
	if (options->dry_run)
		printf("would store %zu event(s) in %zu record(s) of %zu segment(s), %lld bytes; "
		    "would leave %zu event(s) of %zu segment(s) in use; would put aside %zu "
		    "damaged piece(s) and %zu incomplete end(s)\n", t.events, t.records,
		    t.segments - t.foreign, (long long)t.bytes, t.busy_events, t.busy,
		    t.damaged + t.foreign, t.torn);
	return STATUS_DONE;
}

/* --- replaying ----------------------------------------------------------------- */

struct bar {
	bool shown;
	int64_t next_ms;
};

static bool
go_on(void *arg, const struct mr_replay_report *so_far)
{
	struct bar *bar = arg;
	int64_t now = mr_clock_mono_ms();
	int done;

	if (bar->shown && now >= bar->next_ms && so_far->total_bytes > 0) {
		done = (int)(so_far->bytes * BAR_WIDTH / so_far->total_bytes);
		done = done > BAR_WIDTH ? BAR_WIDTH : done;
		fprintf(stderr, "\r[%.*s%*s] %3d%% %zu events ", done,
		    "########################################", BAR_WIDTH - done, "",
		    done * 100 / BAR_WIDTH, so_far->events);
		bar->next_ms = now + BAR_EVERY_MS;
	}
	return !interrupted;
}

static void
summarize(const struct mr_replay_report *r)
{
	if (r->segments + r->records + r->quarantined + r->torn == 0)
		return;
	printf("stored %zu event(s) in %zu record(s), emptied %zu segment(s); %zu record(s) were "
	    "known, %zu event(s) duplicate, %zu rejected; put aside %zu damaged piece(s) and %zu "
	    "incomplete end(s)\n", r->events, r->records, r->segments, r->known, r->duplicate,
	    r->rejected, r->quarantined, r->torn);
}

static int
status_of(enum mr_err e, const struct mr_replay_report *r)
{
	bool mend = r->class == MR_DB_OPERATOR || r->class == MR_DB_DATA;

	if (e == MR_EAGAIN && !mend)
		return STATUS_LATER;
	if (e != MR_OK || r->left > 0 || r->quarantined > 0)
		return r->stopped && r->why.text[0] == '\0' ? STATUS_LATER : STATUS_LEFT;
	return STATUS_DONE;
}

static int
replay(const struct mr_conf *conf, const struct options *options, struct mr_db *db,
    struct mr_store *store)
{
	struct bar bar = { .shown = isatty(STDERR_FILENO) && !options->quiet };
	const struct mr_replay_options run = { .dir = conf->spool_dir, .db = db, .store = store,
		.instance = mr_shared_instance(), .ledger_days = conf->ledger_days, .force = options->force, .go_on = go_on,
		.arg = &bar };
	struct mr_replay_report report;
	enum mr_err e = mr_replay_run(&run, &report, NULL);
	int status = status_of(e, &report);

	if (bar.next_ms > 0)
		fputs("\n", stderr);
	if (!options->quiet)
		summarize(&report);
	if (report.why.text[0] != '\0' && (status == STATUS_LEFT || !options->quiet))
		(void)give_up(status, report.why.text);
	else if (report.quarantined > 0)
		(void)give_up(status, "damaged pieces of the spool are in its folder quarantine");
	/* On a host without a long-lived worker nobody else tidies the ledger. */
	if (e == MR_OK && report.records > 0 && mr_db_ensure(db, NULL) == MR_OK)
		while (!interrupted && !mr_keeper_purge(db, conf))
			;
	return status;
}

static int
connect_and_replay(const struct mr_conf *conf, const struct options *options)
{
	struct mr_db *db = mr_schema_db_new(conf, PROGRAM, mr_store_statements,
	    mr_store_n_statements);
	struct mr_store *store = mr_store_new(MR_SEGMENT_MAX_PAYLOAD, NULL);
	int status = db != NULL && store != NULL ? replay(conf, options, db, store) :
	    give_up(STATUS_LATER, "no memory");

	mr_store_free(store);
	mr_db_free(db);
	return status;
}

/* --- the program --------------------------------------------------------------- */

/*
 * As root: becomes the user that the spool belongs to, so that no file of root's
 * gets into the workers' way. False, and said, when it cannot.
 */
static bool
become_owner(const struct stat *dir)
{
	const struct passwd *user;

	if (geteuid() != 0 || dir->st_uid == 0)
		return true;
	user = getpwuid(dir->st_uid);
	if (user == NULL || initgroups(user->pw_name, user->pw_gid) != 0 ||
	    setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0) {
		fprintf(stderr, PROGRAM ": cannot become the user %ld, who owns the spool\n",
		    (long)dir->st_uid);
		return false;
	}
	return true;
}

static int
run(const struct mr_conf *conf, const struct options *options)
{
	struct mr_error err = MR_ERROR_INIT;
	struct stat st;
	int status;

	if (conf->spool_dir[0] == '\0')
		return give_up(STATUS_WRONG, "[spool] dir is empty: there is no spool");
	/* Made by the first worker; until then nothing was ever in it. */
	if (stat(conf->spool_dir, &st) != 0 && errno == ENOENT)
		return options->verbose ? give_up(STATUS_DONE, "there is no spool yet") :
		    STATUS_DONE;
	if (!become_owner(&st))
		return STATUS_WRONG;
	if (options->list || options->dry_run)
		return look(conf, options);
	if (mr_db_check_url(conf->database_url, &err) != MR_OK)
		return give_up(STATUS_WRONG, err.text);
	/* What is logged to standard error is mailed by cron: only what is worth it. */
	if (mr_log_open(PROGRAM, conf->log, strcmp(conf->log, "stderr") != 0 || options->verbose ?
	    (enum mr_log_level)conf->log_level : MR_LOG_ERROR, &err) != MR_OK)
		return give_up(STATUS_WRONG, err.text);
	/* So that records are booked to the host that accepted them; without it, they are stored too. */
	if (conf->metrics_file[0] != '\0')
		(void)mr_shared_open(conf->metrics_file, MR_SHARED_LOOK, NULL);
	status = connect_and_replay(conf, options);
	mr_shared_close();
	return status;
}

int
main(int argc, char **argv)
{
	const struct sigaction act = { .sa_handler = interrupt };
	struct options options = { .config = getenv("MILLRACE_CONFIG") };
	struct mr_error err = MR_ERROR_INIT;
	struct mr_conf conf;
	int status = mr_options_read(&command, &argc, &argv, &options);

	if (status >= 0)
		return status;
	options.config = mr_conf_file(options.config);
	umask(027);
	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGTERM, &act, NULL);
	if (mr_conf_load(&conf, options.config, &err) != MR_OK)
		return give_up(STATUS_WRONG, err.text);
	status = run(&conf, &options);
	mr_conf_free(&conf);
	mr_log_close();
	return status;
}
