/* millrace-export: options and configuration, then the run. */
#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifdef HAVE_MALLOPT
#include <malloc.h>
#endif

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "conf/conf.h"
#include "conf/options.h"
#include "conf/words.h"
#include "db/connection.h"
#include "export/exporter.h"
#include "secret/secret.h"

#define PROGRAM "millrace-export"

/* As they were given. */
struct given {
	struct mr_export_options options;
	const char *config, *since, *until;
};

#define AT(member) offsetof(struct given, member)
static const struct mr_option table[] = {
	MR_OPTION_CONFIG(struct given),
	{ 0, "client", "NAME", AT(options.client), "only this client" },
	{ 0, "format", "NAME", AT(options.format), "ndjson, csv or parquet, instead of the client's" },
	{ 0, "since", "TIME", AT(since), "only the events stored from then on, apart from the "
	    "regular export, under manual/" },
	{ 0, "until", "TIME", AT(until), "likewise, only those stored before then" },
	{ 0, "dry-run", NULL, AT(options.dry_run), "say what would be exported; change nothing" },
	{ 0, "force", NULL, AT(options.force), "write the last batch of each destination again, or "
	    "(since, until) those planned in that span" },
	{ 0, "verify", NULL, AT(options.verify), "read back what was delivered last, or (since, "
	    "until) was planned in that span, and compare it" },
	{ 0, "requests", NULL, AT(options.requests), "do only what POST /export/run has asked for" },
	{ 'v', "verbose", NULL, AT(options.verbose), "say more" },
	{ 'q', "quiet", NULL, AT(options.quiet), "say nothing but errors" },
};

static const struct mr_command command = {
	.program = PROGRAM,
	.usage = "[-c FILE] [OPTION ...]",
	.about = "Exports what is new to the destinations of each client. For cron.",
	.options = table,
	.n_options = sizeof table / sizeof table[0],
	.notes = "Exit status: 0 done or nothing to do, 1 something failed and is tried again next "
	    "time, 2 wrong options or configuration, 3 another export is at work, 4 --verify found "
	    "differences, 5 stopped by a signal.",
	.misused = MR_EXPORTER_MISUSED,
};

static volatile sig_atomic_t stop;

static void
catch(int signum)
{
	stop = signum;
}

static bool
read_time(const char *text, int64_t *us)
{
	if (mr_clock_parse_date(mr_str(text), us))
		return true;
	fprintf(stderr, PROGRAM ": '%s' is no time; write it like 2025-06-22T00:00:00Z\n", text);
	return false;
}

static bool
is_format(const char *text)
{
	enum mr_format known;

	if (mr_format_parse(mr_str(text), &known))
		return true;
	fprintf(stderr, PROGRAM ": there is no format '%s'; there are ndjson, csv and parquet\n",
	    text);
	return false;
}

/* What cannot be asked for together. */
static const char *
conflict(const struct mr_export_options *o)
{
	bool span = o->since_us != INT64_MIN || o->until_us != INT64_MAX;

	if (o->since_us != INT64_MIN && o->since_us >= o->until_us)
		return "--since must be before --until";
	if (o->force && (o->verify || o->dry_run))
		return "--force goes with neither --verify nor --dry-run";
	if (o->verify && o->dry_run)
		return "--verify does not go with --dry-run";
	if (o->requests && (span || o->force || o->verify || o->dry_run || o->client != NULL ||
	    o->format != NULL))
		return "--requests goes with no option that says what to export";
	if (o->format != NULL && (o->force || o->verify))
		return "--format goes with neither --force nor --verify";
	return NULL;
}

/* Returns -1 to go on, or the exit status. */
static int
parse(int argc, char **argv, struct given *given)
{
	struct mr_export_options *o = &given->options;
	int status = mr_options_read(&command, &argc, &argv, given);

	if (status >= 0)
		return status;
	if ((o->format != NULL && !is_format(o->format)) ||
	    (given->since != NULL && !read_time(given->since, &o->since_us)) ||
	    (given->until != NULL && !read_time(given->until, &o->until_us)))
		return MR_EXPORTER_MISUSED;
	if (conflict(o) != NULL)
		return mr_options_misused(&command, conflict(o), "");
	o->config = mr_conf_file(given->config);
	return -1;
}

static enum mr_exporter_status
give_up(const struct mr_error *err)
{
	fprintf(stderr, PROGRAM ": %s\n", err->text);
	return MR_EXPORTER_MISUSED;
}

static void
catch_signals(void)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction action = { .sa_handler = catch };

	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		(void)sigaction(signals[i], &action, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

static enum mr_exporter_status
run(const struct mr_conf *conf, const struct mr_export_options *o)
{
	/* What goes to stderr becomes a mail of cron's: there, only errors count. */
	bool mail = strcmp(conf->log, "stderr") == 0 && !o->verbose;
	struct mr_error err = MR_ERROR_INIT;

	if (mr_log_open(PROGRAM, conf->log, mail ? MR_LOG_ERROR :
	    (enum mr_log_level)conf->log_level, &err) != MR_OK)
		return give_up(&err);
	if (conf->n_clients == 0) {
		(void)mr_fail(&err, MR_EINVAL, "%s: has no section [client NAME]: nothing is exported "
		    "to anywhere", o->config);
		return give_up(&err);
	}
	if (o->client != NULL && mr_conf_client_find(conf, mr_str(o->client)) == NULL) {
		(void)mr_fail(&err, MR_EINVAL, "%s: there is no [client %s]", o->config, o->client);
		return give_up(&err);
	}
	catch_signals();
	/*
	 * The threads that read do not interrupt the server for each piece that it sends, so they
	 * find more at once; nor do any of them interrupt those who collect.
	 */
	mr_process_be_patient();
	return mr_exporter_run(conf, o, &stop);
}

int
main(int argc, char **argv)
{
	struct given given = { .config = getenv("MILLRACE_CONFIG"),
		.options = { .since_us = INT64_MIN, .until_us = INT64_MAX } };
	struct mr_error err = MR_ERROR_INIT;
	struct mr_conf conf;
	int status = parse(argc, argv, &given);

	if (status >= 0)
		return status;
	umask(027);
	mr_secret_no_core();
#ifdef HAVE_MALLOPT
	/* Part buffers go back to the system when their destination is done. */
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
	if (mr_conf_load(&conf, given.options.config, &err) != MR_OK)
		return (int)give_up(&err);
	if (mr_db_check_url(conf.database_url, &err) != MR_OK)
		status = (int)give_up(&err);
	else
		status = (int)run(&conf, &given.options);
	mr_conf_free(&conf);
	mr_log_close();
	return status;
}
