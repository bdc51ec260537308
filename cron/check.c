/*
 * millrace-check: whether an installation is well. One line for each finding;
 * exit statuses as those of monitoring plugins. See millrace-check(8).
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "check.h"
#include "conf/conf.h"
#include "conf/options.h"
#include "counters/shared.h"
#include "counters/stats.h"
#include "db/connection.h"
#include "db/query.h"
#include "db/schema.h"
#include "format/jsonwriter.h"
#include "ingest/balance.h"
#include "spool/inspect.h"
#include "spool/spool.h"

#define PROGRAM "millrace-check"
/* Counting all rows of a month takes a while. */
#define QUERY_TIMEOUT_MS (30 * 60 * 1000)
/* What waits in the spool for longer is not being replayed. */
#define OLD_S 900
#define VERY_OLD_S 3600
/* Of max_bytes, in percent. */
#define FULL_PERCENT 80
/* Of the books as JSON. */
#define MAX_JSON 4096

static const char *const level_names[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

struct options {
	const char *config;
	bool books, json, no_rows, quiet;
};

#define AT(member) offsetof(struct options, member)
static const struct mr_option table[] = {
	MR_OPTION_CONFIG(struct options),
	{ 'b', "books", NULL, AT(books), "the books: whether all that was accepted is kept" },
	{ 'j', "json", NULL, AT(json), "the books as JSON" },
	{ 'n', "no-rows", NULL, AT(no_rows), "the books without counting the rows of the tables" },
	{ 'q', "quiet", NULL, AT(quiet), "say nothing when all is well, for cron" },
};

static const struct mr_command command = {
	.program = PROGRAM,
	.usage = "[-c FILE] [-q]\n[-c FILE] [-q] -b [-j] [-n]",
	.about = "Checks an installation of millrace, or its books. Exit status: 0 all is well; "
	    "1 warnings; 2 something is wrong; 3 it could not be found out.",
	.options = table,
	.n_options = sizeof table / sizeof table[0],
	.misused = UNKNOWN,
};

static enum level worst;
static bool quiet;

static void finding(enum level level, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
finding(enum level level, const char *what, const char *fmt, ...)
{
	va_list ap;

	if (level > worst)
		worst = level;
	if (quiet && level == FINE)
		return;
	printf("%s: %s: ", level_names[level], what);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static void
find(enum level level, const char *what, const char *text)
{
	finding(level, what, "%s", text);
}

/* Returns -1 to go on, or the exit status. */
static int
parse(int argc, char **argv, struct options *options)
{
	int status = mr_options_read(&command, &argc, &argv, options);

	if (status < 0 && !options->books && (options->json || options->no_rows))
		return mr_options_misused(&command, "--json and --no-rows go with --books", "");
	return status;
}

static struct mr_db *
new_db(const struct mr_conf *conf)
{
	struct mr_db_options options = mr_db_options_of(conf, PROGRAM);

	options.query_timeout_ms = QUERY_TIMEOUT_MS;
	return mr_db_new(&options);
}

/* --- the installation ------------------------------------------------------------ */

/* Whether its tables are those that the other checks look at. */
static bool
check_schema(struct mr_db *db)
{
	struct mr_error why = MR_ERROR_INIT;
	int latest = 0, version = -1;

	if (mr_schema_version(db, &version, &latest, &why) != MR_OK)
		finding(CRITICAL, "schema", "%s", why.text);
	else if (version < latest)
		finding(CRITICAL, "schema", "version %d, this program needs %d; a worker applies "
		    "the migrations when it connects, if its role may", version, latest);
	else if (version > latest)
		finding(WARNING, "schema", "version %d is newer than this program's %d", version,
		    latest);
	else
		finding(FINE, "schema", "version %d", version);
	return version == latest;
}

static void
check_partitions(const struct mr_conf *conf, struct mr_db *db)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_db_rows *rows;
	int ahead, waiting;

	if (mr_db_query(db, "SELECT count(*) FILTER (WHERE relname > 'events_' || "
	    "to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')), (SELECT count(*) FROM "
	    "(SELECT FROM events_default LIMIT 1) AS d) FROM pg_inherits "
	    "JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'events'::regclass "
	    "AND relname ~ '^events_[0-9]{8}$'", NULL, 0, &rows, &why) != MR_DB_OK) {
		finding(CRITICAL, "partitions", "%s", why.text);
		return;
	}
	ahead = atoi(mr_db_value(rows, 0, 0).p);
	waiting = atoi(mr_db_value(rows, 0, 1).p);
	mr_db_rows_free(rows);
	/* Workers make them once an hour, so one may be missing after midnight. */
	if (ahead + 1 < conf->partitions_ahead)
		finding(WARNING, "partitions", "%d day(s) ahead, partitions_ahead is %lld; no worker "
		    "has made them", ahead, (long long)conf->partitions_ahead);
	else if (waiting > 0)
		finding(WARNING, "partitions", "events_default has rows: their day had no partition; "
		    "they are kept and exported, and millrace-maintain moves them to one when the day is "
		    "over");
	else
		finding(FINE, "partitions", "%d day(s) ahead", ahead);
}

static void
check_database(const struct mr_conf *conf)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_db *db = NULL;
	bool current;

	if (mr_db_check_url(conf->database_url, &why) != MR_OK)
		finding(CRITICAL, "database", "%s", why.text);
	else if ((db = new_db(conf)) == NULL)
		finding(UNKNOWN, "database", "no memory");
	else if (mr_db_ensure(db, &why) != MR_OK)
		finding(CRITICAL, "database", "%s", why.text);
	else {
		finding(FINE, "database", "connected");
		current = check_schema(db);
		check_partitions(conf, db);
		if (current) {
			check_export(conf, db, find);
			check_retention(conf, db, find);
		}
	}
	mr_db_free(db);
}

static void
check_backlog(const struct mr_conf *conf)
{
	struct mr_backlog b;
	struct mr_error why = MR_ERROR_INIT;
	int64_t age_s;
	enum level level = FINE;

	if (mr_inspect_backlog(conf->spool_dir, &b, &why) != MR_OK) {
		finding(CRITICAL, "spool", "%s", why.text);
		return;
	}
	age_s = b.oldest_us > 0 ? (mr_clock_now_us() - b.oldest_us) / MR_US_PER_S : 0;
	if (age_s > VERY_OLD_S)
		level = CRITICAL;
	else if (age_s > OLD_S || b.bytes > conf->spool_max_bytes / 100 * FULL_PERCENT)
		level = WARNING;
	finding(level, "spool", "%zu segment(s), %" PRIu64 " record(s), %" PRId64 " of %" PRId64
	    " bytes, the oldest %" PRId64 " s old", b.segments, b.records, b.bytes,
	    conf->spool_max_bytes, age_s);
	if (b.quarantined > 0)
		finding(CRITICAL, "quarantine", "%zu damaged piece(s), %" PRId64 " bytes, in %s/"
		    "quarantine", b.quarantined, b.quarantined_bytes, conf->spool_dir);
	else
		finding(FINE, "quarantine", "empty");
}

static void
check_spool(const struct mr_conf *conf)
{
	const struct mr_spool_options options = mr_spool_options(conf, NULL);
	struct mr_error why = MR_ERROR_INIT;

	if (conf->spool_dir[0] == '\0') {
		finding(WARNING, "spool", "none is configured: without the database, events are "
		    "refused");
		return;
	}
	if (access(conf->spool_dir, F_OK) != 0 && errno == ENOENT)
		finding(WARNING, "spool", "%s does not exist; a worker makes it when it can",
		    conf->spool_dir);
	else if (mr_spool_check(&options, &why) != MR_OK)
		finding(CRITICAL, "spool", "%s", why.text);
	check_backlog(conf);
}

static void
check_installation(const struct mr_conf *conf)
{
	finding(FINE, "configuration", "good");
	check_database(conf);
	check_spool(conf);
	check_counters(conf, find);
	check_log(conf, find);
}

/* --- the books ------------------------------------------------------------------- */

static enum level
judge_books(const struct mr_balance *a)
{
	if (a->difference != 0)
		return CRITICAL;
	return a->quarantined > 0 || mr_stat_get(MR_STAT_EVENTS_UNBOOKED) > 0 ? WARNING : FINE;
}

static void
print_books(const struct mr_balance *a)
{
	static const char *const words[] = { "balanced", "balanced", "not balanced" };

	finding(judge_books(a), "books", "%s%s: %" PRId64 " accepted%s = %" PRId64 " stored + %"
	    PRId64 " duplicate + %" PRId64 " rejected + %" PRId64 " spooled + %" PRId64
	    " quarantined, difference %" PRId64, words[judge_books(a)],
	    a->moving ? ", while workers were at it" : "", a->accepted,
	    a->moving ? " (at least)" : "", a->stored, a->duplicate, a->rejected, a->spooled,
	    a->quarantined, a->difference);
	if (a->difference > 0 && a->unreadable > 0)
		finding(CRITICAL, "quarantine", "%zu damaged piece(s) cannot be read; what is "
		    "missing may be in them", a->unreadable);
	if (mr_stat_get(MR_STAT_EVENTS_UNBOOKED) > 0)
		finding(WARNING, "books", "%" PRIu64 " event(s) were accepted when no place in the "
		    "books was free", mr_stat_get(MR_STAT_EVENTS_UNBOOKED));
}

static void
print_rows(const struct mr_balance_rows *r)
{
	if (r->dropped)
		finding(FINE, "events", "%" PRId64 " rows; partitions were dropped, so the ledger's %"
		    PRId64 " tell nothing", r->events, r->events_ledger);
	else
		finding(r->events == r->events_ledger ? FINE : CRITICAL, "events", "%" PRId64
		    " rows, %" PRId64 " in the ledger", r->events, r->events_ledger);
	finding(r->rejected == r->rejected_ledger ? FINE : CRITICAL, "rejected_events", "%" PRId64
	    " rows, %" PRId64 " in the ledger", r->rejected, r->rejected_ledger);
}

static void
put_balance(struct mr_json_writer *w, const struct mr_balance *a)
{
	char instance[MR_UUID_TEXT];

	mr_uuid_format(mr_shared_instance(), instance);
	mr_json_text(w, "instance", mr_str(instance));
	mr_balance_put_amounts(w, a);
	mr_json_uint(w, "unreadable", a->unreadable);
	mr_json_uint(w, "unbooked", mr_stat_get(MR_STAT_EVENTS_UNBOOKED));
	mr_json_bool(w, "moving", a->moving);
	mr_json_int(w, "difference", a->difference);
}

static void
put_rows(struct mr_json_writer *w, const struct mr_balance_rows *r)
{
	mr_json_object(w, "rows");
	mr_json_int(w, "events", r->events);
	mr_json_int(w, "events_ledger", r->events_ledger);
	mr_json_int(w, "rejected", r->rejected);
	mr_json_int(w, "rejected_ledger", r->rejected_ledger);
	mr_json_bool(w, "dropped", r->dropped);
	mr_json_end(w);
}

static void
print_json(const struct mr_balance *a, const struct mr_balance_rows *r)
{
	struct mr_json_writer w;
	struct mr_buf text;

	mr_buf_init(&text, MAX_JSON);
	mr_json_begin(&w, &text);
	mr_json_object(&w, NULL);
	put_balance(&w, a);
	if (r != NULL)
		put_rows(&w, r);
	mr_json_end(&w);
	if (mr_json_done(&w))
		printf("%.*s\n", (int)text.len, text.p);
	else
		finding(UNKNOWN, "books", "no memory");
	mr_buf_free(&text);
}

static enum level
judge_rows(const struct mr_balance_rows *r)
{
	return (r->dropped || r->events == r->events_ledger) &&
	    r->rejected == r->rejected_ledger ? FINE : CRITICAL;
}

static void
show_books(const struct options *options, const struct mr_balance *a, const struct mr_balance_rows *r)
{
	/* The JSON is all that is said then; the findings still decide. */
	if (options->json) {
		worst = r != NULL && judge_rows(r) == CRITICAL ? CRITICAL : judge_books(a);
		print_json(a, r);
		return;
	}
	print_books(a);
	if (r != NULL)
		print_rows(r);
}

static void
check_books(const struct mr_conf *conf, const struct options *options)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_balance balance;
	struct mr_balance_rows rows;
	struct mr_db *db;

	if (conf->metrics_file[0] == '\0' ||
	    mr_shared_open(conf->metrics_file, MR_SHARED_LOOK, &why) != MR_OK) {
		finding(UNKNOWN, "books", "%s", why.text[0] != '\0' ? why.text :
		    "there are none without [metrics] file");
		return;
	}
	db = new_db(conf);
	if (db == NULL || mr_balance_take(db, conf->spool_dir, mr_shared_instance(), &balance,
	    &why) != MR_OK ||
	    (!options->no_rows && mr_balance_count_rows(db, &rows, &why) != MR_OK))
		finding(UNKNOWN, "books", "%s", db == NULL ? "no memory" : why.text);
	else
		show_books(options, &balance, options->no_rows ? NULL : &rows);
	mr_db_free(db);
	mr_shared_close();
}

int
main(int argc, char **argv)
{
	struct options options = { .config = getenv("MILLRACE_CONFIG") };
	struct mr_error err = MR_ERROR_INIT;
	struct mr_conf conf;
	int status = parse(argc, argv, &options);

	if (status >= 0)
		return status;
	quiet = options.quiet;
	options.config = mr_conf_file(options.config);
	(void)mr_log_open(PROGRAM, "stderr", MR_LOG_ERROR, NULL);
	if (mr_conf_load(&conf, options.config, &err) != MR_OK) {
		finding(options.books ? UNKNOWN : CRITICAL, "configuration", "%s", err.text);
		return (int)worst;
	}
	if (options.books)
		check_books(&conf, &options);
	else
		check_installation(&conf);
	mr_conf_free(&conf);
	return fflush(stdout) == 0 ? (int)worst : UNKNOWN;
}
